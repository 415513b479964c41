/*
 * A VGA with Bochs' DISPI extension (VBE modes), as a PCI function with QEMU's standard-VGA interface.
 *
 * Video memory is guest memory (softmmu/space.h), tracked, so that guest code stores to the linear frame buffer, and to
 * the window at A0000h while the VGA passes bytes through unchanged, without the chip's knowledge. Otherwise accesses
 * to A0000h-BFFFFh come through vga_memory_ops. What a screen shows is a function of registers, video memory and, for
 * what blinks, virtual time; it is computed when a consumer of the display asks.
 *
 * Byte `a` of plane p is byte 4 * a + p of video memory; chained and odd/even addressing keep bytes together that the
 * IBM VGA spreads, as VBE's packed modes need it (vga_memory.c).
 *
 * Source: IBM VGA XGA Technical Reference, "VGA Function"; Bochs "VBE DISPI" (vbe_display_api.txt); QEMU
 * docs/specs/standard-vga.
 * @locks the machine lock is held in every function and callback.
 */
#ifndef RING3_DEVICES_VGA_H
#define RING3_DEVICES_VGA_H

#include "devices/core/device.h"
#include "devices/core/pci.h"
#include "devices/core/ui.h"
#include "devices/core/vclock.h"
#include "softmmu/space.h"

enum {
    VGA_MEMORY_SIZE = 16 << 20,
    VGA_WINDOW = 0xa0000, /* guest-physical; what vga_memory_ops answer */
    VGA_WINDOW_SIZE = 0x20000,
    VGA_MONO_PORTS = 0x3b0, /* to 3BBh: the printer port follows */
    VGA_PORTS = 0x3c0,
    VGA_COLOUR_PORTS = 0x3d0,
    VGA_DISPI_PORTS = 0x1ce,
    VGA_MONO_PORTS_SIZE = 12,
    VGA_PORTS_SIZE = 16,
    VGA_COLOUR_PORTS_SIZE = 12,
    VGA_DISPI_PORTS_SIZE = 4,
    VGA_CRTC_REGISTERS = 0x19,
    VGA_DISPI_REGISTERS = 11,
    VGA_EDID_SIZE = 128,
};

struct vga_config {
    struct vclock *clock;
    struct space *space; /* VGA_MEMORY_SIZE more than RAM and ROM is taken from its arena, and the ROM */
    const uint8_t *rom;  /* the video BIOS, or null; copied */
    size_t rom_size;
    bool registers_in_memory; /* BAR 2 shows the registers and the monitor's EDID */
    unsigned width, height;   /* of the monitor in pixels, multiples of 8; 0: 1024x768 */
    /* Calls function(argument) while the vCPU is between two instructions; may drop the machine lock before. Null: it
     * is. */
    void (*between_instructions)(void *context, void (*function)(void *argument), void *argument);
    void *context;
};

struct vga_picture; /* what the last refresh drew: vga_int.h */

struct vga {
    struct vga_config config;
    struct pci_function pci;
    struct display display;
    uint8_t *memory; /* in the arena */
    uint8_t *rom;    /* in the arena, or null */
    uint8_t edid[VGA_EDID_SIZE];

    uint8_t misc, feature, enabled; /* miscellaneous output, feature control, video subsystem enable (3C3h) */
    uint8_t seq_index, crtc_index, gc_index, attr_index;
    bool attr_data; /* the next write to 3C0h is data */
    uint8_t seq[5], crtc[VGA_CRTC_REGISTERS], gc[9], attr[21];
    uint8_t latch[4];
    uint8_t dac[768]; /* as the guest wrote it: 6 or 8 bits */
    uint8_t dac_mask, dac_write, dac_read, dac_component, dac_state, dac_input[2];
    uint16_t dispi_index, dispi[VGA_DISPI_REGISTERS];

    /* Derived. */
    uint64_t frame_buffer, rom_base; /* where they are mapped, or PCI_UNMAPPED */
    struct space_slot window;        /* the direct mapping at A0000h; size 0: none */
    struct vga_picture *picture;
    uint8_t *dirty; /* [page of video memory] */
};

extern const struct bus_ops vga_mono_ops, vga_ops, vga_colour_ops, vga_dispi_ops, vga_memory_ops;
extern const struct device_class vga_class;

/* Returns 0 or -errno with a message; the owner plugs vga->pci in, and destroys the VGA in either case. */
int vga_init(struct vga *vga, const struct vga_config *config, struct error *err);

#endif
