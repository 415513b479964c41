/*
 * Intel 440FX host bridge. See i440fx.h.
 *
 * Invariants: run[] covers C0000h-FFFFFh, equal neighbours merged, and is what space and bus have mapped for the PAM
 * registers as they are. Thread: whoever holds the machine lock.
 * Source: 82441FX PCI and Memory Controller datasheet: "PAM", "SMRAM", "Register Description".
 */
#include "devices/chips/i440fx.h"

#include <string.h>

#include "cpu-model/base/log.h"
#include "softmmu/dma.h"

enum {
    PMCCFG = 0x50,
    DETURBO = 0x52,
    DBC = 0x53,
    AXC = 0x54,
    DRAMR = 0x55,
    DRAMC = 0x57,
    DRAMT = 0x58,
    PAM0 = 0x59, /* its high half: F0000h; PAM1 to PAM6 each hold two segments of 16 KiB, the lower in the low half */
    DRB0 = 0x60,
    FDHC = 0x68,
    MTT = 0x70,
    CLT = 0x71,
    SMRAM = 0x72,
    ERRCMD = 0x90,
    ERRSTS = 0x91,
    TRC = 0x93,
};

enum { PAM_READ = 1, PAM_WRITE = 2, PAM_MODE = 3 };
enum { SMRAM_BASE = 7, SMRAM_ENABLE = 1 << 3, SMRAM_LOCK = 1 << 4, SMRAM_CLOSE = 1 << 5, SMRAM_OPEN = 1 << 6 };
enum { SMALL_SEGMENT = 0x4000, LARGE_SEGMENT = 0x10000 };

static uint8_t segment_mode(const struct i440fx *chip, unsigned segment)
{
    const uint8_t *config = chip->pci.config;
    if (segment == I440FX_SEGMENTS - 1)
        return config[PAM0] >> 4 & PAM_MODE;
    return config[PAM0 + 1 + segment / 2] >> segment % 2 * 4 & PAM_MODE;
}

/* --- windows ------------------------------------------------------------------------------------------------------ */

/* The ROM behind a guest-physical address, or null. */
static uint8_t *rom_at(const struct i440fx *chip, uint32_t address)
{
    uint32_t first = I440FX_SHADOW_BASE + I440FX_SHADOW_SIZE - chip->config.rom_size;
    return chip->config.rom_size && address >= first ? chip->config.rom + (address - first) : NULL;
}

/* Reads come here only where no ROM answers them: as from an empty expansion bus. */
static uint64_t write_only_read(void *device, uint64_t offset, unsigned size)
{
    (void)device, (void)offset;
    return zero_extend(UINT64_MAX, size);
}

static void write_only_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    const struct i440fx_run *run = device;
    uint8_t *host = run->chip->config.shadow + (run->base - I440FX_SHADOW_BASE) + offset;
    space_written(run->chip->config.space, host, size);
    for (unsigned i = 0; i < size; i++)
        host[i] = (uint8_t)(value >> i * 8);
}

static const struct bus_ops write_only_ops = {write_only_read, write_only_write, 1 | 2 | 4 | 8};

static void unmap_runs(struct i440fx *chip)
{
    for (unsigned i = 0; i < chip->runs; i++) {
        struct i440fx_run *run = &chip->run[i];
        if (run->ram_slot || run->rom_slot)
            space_unmap(chip->config.space, run->base);
        if (run->write_region)
            bus_unmap(chip->config.mmio, run->base, run);
    }
    chip->runs = 0;
}

static bool map_slot(struct i440fx *chip, const struct i440fx_run *run, uint8_t *host, bool rom, const char *name)
{
    struct error err;
    const struct space_slot slot = {.base = run->base, .size = run->size, .host = host, .rom = rom, .name = name};
    if (!host)
        return false;
    if (!space_map(chip->config.space, &slot, &err))
        return true;
    log_line(LOG_GUEST, "i440fx: %s", err.text);
    return false;
}

static void map_run(struct i440fx *chip, struct i440fx_run *run)
{
    struct error err;

    if (run->mode & PAM_READ)
        run->ram_slot = map_slot(chip, run, chip->config.shadow + (run->base - I440FX_SHADOW_BASE),
                                 !(run->mode & PAM_WRITE), "shadow RAM");
    else
        run->rom_slot = map_slot(chip, run, rom_at(chip, run->base), true, "BIOS ROM");
    if (run->mode == PAM_WRITE)
        run->write_region = !bus_map(chip->config.mmio,
                                     &(struct bus_region){.base = run->base,
                                                          .size = run->size,
                                                          .ops = &write_only_ops,
                                                          .device = run,
                                                          .name = "write-only shadow RAM"},
                                     &err);
}

/* Equal neighbours merge where their ROM is one piece too. */
static void make_runs(const struct i440fx *chip, struct i440fx_run *run, unsigned *runs)
{
    uint32_t base = I440FX_SHADOW_BASE;
    *runs = 0;
    for (unsigned segment = 0; segment < I440FX_SEGMENTS; segment++) {
        uint32_t size = segment == I440FX_SEGMENTS - 1 ? LARGE_SEGMENT : SMALL_SEGMENT;
        uint8_t mode = segment_mode(chip, segment);
        struct i440fx_run *last = *runs ? &run[*runs - 1] : NULL;
        if (last && last->mode == mode && !rom_at(chip, last->base) == !rom_at(chip, base))
            last->size += size;
        else
            run[(*runs)++] =
                (struct i440fx_run){.chip = (struct i440fx *)chip, .base = base, .size = size, .mode = mode};
        base += size;
    }
}

static bool same_runs(const struct i440fx *chip, const struct i440fx_run *run, unsigned runs)
{
    bool same = runs == chip->runs;
    for (unsigned i = 0; same && i < runs; i++)
        same = run[i].base == chip->run[i].base && run[i].size == chip->run[i].size && run[i].mode == chip->run[i].mode;
    return same;
}

static void update_shadow(struct i440fx *chip)
{
    struct i440fx_run run[I440FX_SEGMENTS];
    unsigned runs;

    make_runs(chip, run, &runs);
    if (same_runs(chip, run, runs))
        return;
    unmap_runs(chip);
    memcpy(chip->run, run, runs * sizeof(run[0]));
    chip->runs = runs;
    for (unsigned i = 0; i < runs; i++)
        map_run(chip, &chip->run[i]);
}

/* D_OPEN shows SMRAM outside of system management mode; there is no such mode, so nothing else does. */
static void update_smram(struct i440fx *chip)
{
    uint8_t value = chip->pci.config[SMRAM];
    bool open = value & SMRAM_ENABLE && value & SMRAM_OPEN && !(value & SMRAM_CLOSE);
    struct error err;

    if (open == chip->smram_open)
        return;
    if (!open)
        space_unmap(chip->config.space, I440FX_SMRAM_BASE);
    else if (space_map(
                 chip->config.space,
                 &(struct space_slot){
                     .base = I440FX_SMRAM_BASE, .size = I440FX_SMRAM_SIZE, .host = chip->config.smram, .name = "SMRAM"},
                 &err)) {
        log_line(LOG_GUEST, "i440fx: %s", err.text);
        return;
    }
    chip->smram_open = open;
}

/* Once D_LCK is set, D_OPEN is closed and the register is read-only until reset, D_CLS excepted. */
static void lock_smram(struct i440fx *chip)
{
    uint8_t *value = &chip->pci.config[SMRAM];
    if (*value & SMRAM_LOCK) {
        *value &= (uint8_t)~SMRAM_OPEN;
        chip->pci.writable[SMRAM] = SMRAM_CLOSE;
    } else {
        chip->pci.writable[SMRAM] = SMRAM_ENABLE | SMRAM_LOCK | SMRAM_CLOSE | SMRAM_OPEN;
    }
}

static void update(struct i440fx *chip)
{
    lock_smram(chip);
    update_shadow(chip);
    update_smram(chip);
}

static void written(void *context, unsigned offset, unsigned size)
{
    (void)offset, (void)size;
    update(context);
}

/* --- life cycle --------------------------------------------------------------------------------------------------- */

static void describe(struct i440fx *chip)
{
    static const struct {
        uint8_t offset, initial, writable;
    } registers[] = {
        {PCI_COMMAND, 0x06, 0x00},
        {PCI_COMMAND + 1, 0x00, 0x01},
        {PCI_STATUS, 0x80, 0x00},
        {PCI_STATUS + 1, 0x02, 0x00},
        {PCI_CACHE_LINE, 0x00, 0x00},
        {PCI_LATENCY, 0x00, 0xf8},
        {PMCCFG, 0x00, 0x6a},
        {PMCCFG + 1, 0x00, 0xfc},
        {DETURBO, 0x00, 0xff},
        {DBC, 0x80, 0x71},
        {AXC, 0x00, 0x02},
        {DRAMR, 0x00, 0xff},
        {DRAMR + 1, 0x00, 0xff},
        {DRAMC, 0x01, 0x67},
        {DRAMT, 0x10, 0x7f},
        {PAM0, 0x00, 0x30},
        {PAM0 + 1, 0x00, 0x33},
        {PAM0 + 2, 0x00, 0x33},
        {PAM0 + 3, 0x00, 0x33},
        {PAM0 + 4, 0x00, 0x33},
        {PAM0 + 5, 0x00, 0x33},
        {PAM0 + 6, 0x00, 0x33},
        {FDHC, 0x00, 0xc0},
        {MTT, 0x00, 0xf8},
        {CLT, 0x10, 0x1f},
        {SMRAM, 0x02, 0x78},
        {ERRCMD, 0x00, 0xff},
        {TRC, 0x00, 0x06},
    };

    for (unsigned i = 0; i < ARRAY_LEN(registers); i++) {
        chip->pci.initial[registers[i].offset] = registers[i].initial;
        chip->pci.writable[registers[i].offset] = registers[i].writable;
    }
    for (unsigned i = 0; i < 8; i++) { /* DRAM row boundaries: firmware's notes on what it found */
        chip->pci.initial[DRB0 + i] = 0x01;
        chip->pci.writable[DRB0 + i] = 0xff;
    }
    chip->pci.clearable[ERRSTS] = 0x13;
}

static void i440fx_reset(void *device)
{
    struct i440fx *chip = device;
    pci_reset(&chip->pci);
    update(chip);
}

static void i440fx_restored(void *device)
{
    struct i440fx *chip = device;
    pci_restored(&chip->pci);
    update(chip);
}

static const struct field fields[] = {PCI_FIELDS(struct i440fx, pci)};

const struct device_class i440fx_class = {
    .name = "i440fx",
    .version = 1,
    .reset = i440fx_reset,
    .restored = i440fx_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int i440fx_init(struct i440fx *chip, const struct i440fx_config *config)
{
    *chip = (struct i440fx){.config = *config};
    pci_init(&chip->pci, &(struct pci_config){.name = "host bridge",
                                              .vendor = 0x8086,
                                              .device = 0x1237,
                                              .subsystem_vendor = I440FX_VENDOR_RED_HAT,
                                              .subsystem = I440FX_SUBSYSTEM_VIRTUAL,
                                              .revision = 2,
                                              .class_code = 0x060000,
                                              .written = written,
                                              .context = chip});
    describe(chip);
    i440fx_reset(chip);
    return 0;
}
