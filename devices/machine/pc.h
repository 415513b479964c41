/*
 * The PC on one page: which chips there are, where they answer, how their interrupt lines run, what RAM lies where, and
 * what firmware would have left behind.
 *
 * @locks every call is made with the machine lock held; callbacks are made with it held as well.
 */
#ifndef RING3_MACHINE_PC_H
#define RING3_MACHINE_PC_H

#include "devices/chips/acpi_pm.h"
#include "devices/chips/debugcon.h"
#include "devices/chips/debugexit.h"
#include "devices/chips/fw_cfg.h"
#include "devices/chips/hpet.h"
#include "devices/chips/i440fx.h"
#include "devices/chips/i8042.h"
#include "devices/chips/i82077.h"
#include "devices/chips/i8237.h"
#include "devices/chips/i8254.h"
#include "devices/chips/i8259.h"
#include "devices/chips/ioapic.h"
#include "devices/chips/lapic.h"
#include "devices/chips/mc146818.h"
#include "devices/chips/ns16550.h"
#include "devices/chips/pflash.h"
#include "devices/chips/piix3.h"
#include "devices/chips/piix3_ide.h"
#include "devices/chips/piix4_pm.h"
#include "devices/chips/port92.h"
#include "devices/chips/ps2_keyboard.h"
#include "devices/chips/ps2_mouse.h"
#include "devices/chips/vga.h"
#include "devices/chips/vmmouse.h"
#include "devices/machine/drives.h"
#include "devices/machine/loader.h"
#include "devices/machine/smbios.h"

enum { PC_SERIALS = 2, PC_ISA_IRQS = 16, PC_DEVICES_MAX = 32, PC_BOOT_ORDER = 3 };

/* Guest memory besides RAM that the arena needs room for: ROM, video memory, SMRAM. */
enum { PC_OTHER_MEMORY = 64 << 20, PC_ROM_MAX = 16 << 20 };

/* What the firmware is told. */
struct pc_boot {
    const uint8_t *rom; /* the firmware's image, mapped to end at 4 GiB; null: a kernel is entered directly */
    uint32_t rom_size;  /* a multiple of 64 KiB */
    bool no_graphics;   /* it shall use the first serial port as its console */
    bool menu;          /* it shall offer the boot menu */
    bool strict;        /* it shall try nothing but the drives with a boot index */
    int32_t menu_wait;  /* for how many milliseconds; negative: as long as it likes */
    char order[PC_BOOT_ORDER + 1]; /* letters of the devices to try: a floppy, c disk, d CD-ROM, n network */
};

struct pc_config {
    struct vclock *clock;
    struct bus *io, *mmio;
    struct space *space;
    uint64_t ram_bytes;
    bool serial_present[PC_SERIALS];
    struct chardev *serial[PC_SERIALS]; /* null: bytes vanish */
    bool debugcon_present;
    uint16_t debugcon_base;
    struct chardev *debugcon;
    bool debug_exit;
    uint16_t debug_exit_base, debug_exit_size;
    int64_t rtc_epoch;
    const struct smbios_options *smbios;
    uint32_t cpuid[2]; /* EAX and EDX of leaf 1, for SMBIOS */
    struct pc_boot boot;
    struct drive_set drives;
    bool vga, vga_mmio;             /* mmio: its registers are in memory too */
    unsigned vga_width, vga_height; /* of the monitor; 0: as vga.h says */
    const uint8_t *vga_rom;         /* its BIOS; null: none */
    size_t vga_rom_size;
    bool x2apic, tsc_deadline;
    uint8_t phys_bits;
    uint64_t tsc_hz;
    uint32_t apic_hz;
    bool vmport; /* VMware's backdoor is there */

    void *context;                    /* first argument of the callbacks */
    void (*interrupt)(void *context); /* pc_interrupt_pending() may have become true */
    void (*cpu_event)(void *context, uint32_t events, uint8_t sipi_vector); /* EVENT_NMI, EVENT_INIT, EVENT_SIPI */
    void (*a20)(void *context, bool open);
    void (*ignne)(void *context); /* from now on until the x87 exception is cleared */
    void (*reset)(void *context); /* the guest asked for it */
    void (*power_off)(void *context);
    void (*exit)(void *context, int status); /* isa-debug-exit */
    uint64_t (*tsc_now)(void *context);
    /* The registers of the processor that makes the port access under way; see vmware.h. */
    bool (*fetch_registers)(void *context, struct vmware_registers *registers);
    void (*store_registers)(void *context, const struct vmware_registers *registers);
    void (*between_instructions)(void *context, void (*function)(void *argument), void *argument); /* see vga.h */
};

struct pc {
    struct pc_config config;
    struct i8259 pic;
    struct i8254 pit;
    struct sound speaker; /* counter 2's */
    struct mc146818 rtc;
    struct i8042 kbc;
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
    struct vmware vmware;
    struct vmmouse vmmouse;
    struct port92 port92;
    struct ns16550 serial[PC_SERIALS];
    struct debugcon debugcon;
    struct debugexit debug_exit;
    struct acpi_pm pm;
    struct lapic lapic;
    struct ioapic ioapic;
    struct pci_bus pci;
    struct pci_host pci_host;
    struct i440fx host_bridge;
    struct piix3 isa_bridge;
    struct piix4_pm piix4_pm;
    struct hpet hpet;
    struct fw_cfg fw_cfg;
    struct i8237 dma;
    struct piix3_ide ide;
    struct i82077 fdc;
    struct pc_flash {
        struct pflash chip;
        struct space *space;
        struct space_slot slot; /* where the guest reads the array */
    } flash[DRIVES_FLASH];
    struct vga vga;

    /* The board's own logic */
    struct irq_line isa[PC_ISA_IRQS]; /* the 8259s' inputs */
    uint8_t isa_sources[PC_ISA_IRQS]; /* who pulls each: bits by enum pc_irq_source */
    bool legacy_replaced;             /* the HPET has IRQ 0 and IRQ 8 */
    uint32_t ticks_owed;              /* edges of IRQ 0 that the processor has not seen yet: pc_ticks.c */
    int tick_vector;                  /* whose they are */
    bool tick_waits;                  /* one was shown, and the processor has not taken it */
    bool a20_keyboard, a20_port92;
    uint16_t isa_levels;             /* of the lines, to count */
    uint64_t isa_count[PC_ISA_IRQS]; /* their rising edges, for the monitor */

    struct {
        const struct device_class *class;
        void *state;
    } device[PC_DEVICES_MAX]; /* for reset and snapshots */
    unsigned devices;

    struct memory_map map;
    uint64_t acpi_base;
    uint8_t *rom; /* the firmware in the arena */
};

/* Adds RAM to the space and the chips to the buses. Returns 0 or -errno with a message; on failure as on success the
 * owner calls pc_destroy(). */
int pc_create(struct pc *pc, const struct pc_config *config, struct error *err);
void pc_destroy(struct pc *pc);

/* Resets all chips. */
void pc_reset(struct pc *pc);

/* An ISA interrupt as a device sees it. */
struct irq_line pc_isa_irq(struct pc *pc, unsigned irq);

/* What the board itself holds for firmware: memory sizes and boot order in CMOS, tables in fw_cfg. At each reset. */
void pc_prepare_firmware(struct pc *pc);

/* Without firmware, what it does before it boots: interrupt wiring, CMOS, BIOS data area, ACPI tables, text on the
 * screen. */
void pc_firmware_setup(struct pc *pc);

/* Memory types as firmware sets them: all write-back but the holes. */
void pc_firmware_mtrrs(struct vcpu *vcpu);

/* The processor's interrupt input, and its acknowledge cycle (-1: it went away). */
bool pc_interrupt_pending(const struct pc *pc);
int pc_interrupt_acknowledge(struct pc *pc);

/* FERR#: IRQ 13 until the guest writes to port F0h. */
void pc_ferr(struct pc *pc);

#endif
