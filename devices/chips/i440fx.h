/*
 * Intel 440FX host bridge (82441FX, "PMC"): what of the area C0000h-FFFFFh is RAM and what is ROM (PAM registers), and
 * SMRAM. The configuration mechanism itself is struct pci_host of devices/core/pci.h.
 *
 * Each of 13 segments has two bits of its own: reads come from RAM or from ROM, writes go to RAM or are lost. All four
 * combinations work, the one with reads from ROM and writes to RAM too: firmware copies itself to RAM with it.
 *
 * The subsystem IDs are those by which firmware made for virtual machines recognizes that it runs on one.
 * @locks the machine lock is held in every function.
 */
#ifndef RING3_DEVICES_I440FX_H
#define RING3_DEVICES_I440FX_H

#include "devices/core/device.h"
#include "devices/core/pci.h"
#include "softmmu/space.h"

enum {
    I440FX_SHADOW_BASE = 0xc0000,
    I440FX_SHADOW_SIZE = 0x40000,
    I440FX_SMRAM_BASE = 0xa0000,
    I440FX_SMRAM_SIZE = 0x20000,
    I440FX_SEGMENTS = 13, /* 12 of 16 KiB from C0000h, one of 64 KiB at F0000h */
    I440FX_VENDOR_RED_HAT = 0x1af4,
    I440FX_SUBSYSTEM_VIRTUAL = 0x1100,
};

struct i440fx_config {
    struct space *space;
    struct bus *mmio;
    uint8_t *shadow;   /* the RAM behind C0000h-FFFFFh, in the arena */
    uint8_t *smram;    /* the RAM behind A0000h-BFFFFh, in the arena */
    uint8_t *rom;      /* what the ROM socket shows just below 1 MiB, in the arena: rom_size bytes, whole pages */
    uint32_t rom_size; /* 0 to 128 KiB; above that, C0000h-DFFFFh belongs to the expansion bus */
};

/* A run of equal segments, as it is mapped now. */
struct i440fx_run {
    struct i440fx *chip;
    uint32_t base, size;
    uint8_t mode;
    bool ram_slot, rom_slot, write_region; /* what was claimed */
};

struct i440fx {
    struct i440fx_config config;
    struct pci_function pci;
    struct i440fx_run run[I440FX_SEGMENTS]; /* derived */
    unsigned runs;
    bool smram_open; /* derived: RAM is visible at A0000h */
};

int i440fx_init(struct i440fx *chip, const struct i440fx_config *config);

extern const struct device_class i440fx_class;

#endif
