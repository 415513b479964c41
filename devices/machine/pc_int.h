/* What pc.c and pc_firmware.c share: addresses and interrupt numbers of the board. */
#ifndef RING3_MACHINE_PC_INT_H
#define RING3_MACHINE_PC_INT_H

#include "devices/machine/pc.h"

enum {
    IRQ_TIMER = 0,
    IRQ_KEYBOARD = 1,
    IRQ_FLOPPY = 6,
    IRQ_RTC = 8,
    IRQ_SCI = 9,
    IRQ_MOUSE = 12,
    IRQ_FERR = 13,
    IRQ_IDE = 14
};

enum { IOAPIC_TIMER_PIN = 2 }; /* where IRQ 0 goes there */

enum {
    BASE_MEMORY_END = 0xa0000,
    EBDA = 0x9fc00,
    HIGH_MEMORY = 0x100000,
    ACPI_REGION = 0x10000,
    SMBIOS_ANCHOR_ADDRESS = 0xf0040, /* without firmware; behind the RSDP */
    SMBIOS_TABLES_ADDRESS = 0xf0100,
};

#define PCI_HOLE     0xc0000000ull
#define PCI_HOLE_END 0x100000000ull

enum {
    PM_BASE = 0x600, /* where it is put when there is no firmware to choose */
    SMI_PORT = 0xb2,
    RESET_PORT = 0xcf9,
    FW_CFG_PORT = 0x510,
    SERIAL1_PORT = 0x3f8,
    SERIAL2_PORT = 0x2f8,
    PC_DEVFN_IDE = PCI_DEVFN(1, 1),
    PC_DEVFN_VGA = PCI_DEVFN(2, 0),
    PC_DEVFN_PM = PCI_DEVFN(1, 3),
};

/* Adds a chip to the list for reset, snapshots and destruction. */
void pc_add_device(struct pc *pc, const struct device_class *class, void *state);

/* pc_cards.c: the DMA controller and the PCI bus are there. */
int pc_create_drives(struct pc *pc, struct error *err);
int pc_map_cards(struct pc *pc, struct error *err);

/* pc_text_mode.c: puts the VGA into text mode 3 with a font and an empty screen, and says so in the BIOS data area. */
void pc_text_mode(struct pc *pc);

/* pc_vectors.c: fills real mode's interrupt table with handlers that say that there is no BIOS. */
void pc_vectors(struct pc *pc);

/* pc_ticks.c: IRQ 0 is about to rise; `count` of its edges were not shown; the processor took an interrupt. */
void pc_tick_comes(struct pc *pc);
void pc_ticks_lost(struct pc *pc, uint64_t count);
void pc_interrupt_taken(struct pc *pc, int vector);

/* pc_flash.c: the flash memories, of which the first is the firmware. */
int pc_create_flash(struct pc *pc, struct error *err);

/* fw_cfg asks before the guest reads an item. */
void pc_firmware_item_selected(void *pc, uint16_t key);

#endif
