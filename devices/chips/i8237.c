/*
 * The DMA controllers. See i8237.h.
 *
 * Invariants: a channel transfers only while its controller is enabled, it is not masked, its DREQ is asserted, and its
 * mode is a transfer; whenever this becomes true by a register write, the device is told.
 *
 * Thread: whoever holds the machine lock.
 * Source: Intel 8237A datasheet, "Register description", "Program condition"; Intel 82371SB (PIIX3) datasheet, "DMA
 * controller registers". As in the PIIX, there are no memory-to-memory transfers and no compressed timing, and a
 * transfer in single mode has no arbitration that could be noticed: the modes demand, single and block are alike.
 */
#include "devices/chips/i8237.h"

#include "softmmu/dma.h"

#include <errno.h>

enum {
    REG_STATUS = 8, /* read; COMMAND write */
    REG_REQUEST,
    REG_MASK_BIT,
    REG_MODE,
    REG_CLEAR_FLIP_FLOP,
    REG_MASTER_CLEAR, /* write; the temporary register read */
    REG_CLEAR_MASK,
    REG_MASK_ALL,

    COMMAND_DISABLE = 0x04,
    COMMAND_DREQ_LOW = 0x40, /* sense of the pins: nothing here has pins */

    MODE_TYPE = 0x0c,
    MODE_VERIFY = 0x00,
    MODE_WRITE = 0x04, /* to memory */
    MODE_READ = 0x08,
    MODE_AUTO = 0x10,
    MODE_DOWN = 0x20,
    MODE_CASCADE = 0xc0,

    CASCADE_CHANNEL = 4,
};

/* The page register of each channel. Channel 4 has the refresh cycles' one. */
static const uint8_t page_of[I8237_CHANNELS] = {0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa};

static unsigned unit_of(unsigned channel)
{
    return channel < CASCADE_CHANNEL ? 1 : 2;
}

static bool may_transfer(const struct i8237 *dma, unsigned channel)
{
    unsigned chip = channel / 4;
    uint8_t bit = 1 << channel % 4, mode = dma->mode[channel];

    /* The slave's requests pass through channel 4 of the master. */
    if (chip == 0 && ((dma->command[1] & COMMAND_DISABLE) || (dma->mask[1] & 1)))
        return false;
    return channel != CASCADE_CHANNEL && !(dma->command[chip] & COMMAND_DISABLE) && !(dma->mask[chip] & bit) &&
           (mode & MODE_CASCADE) != MODE_CASCADE && (mode & MODE_TYPE) != MODE_TYPE;
}

/* After a register write: whoever waits may go on. */
static void grant(struct i8237 *dma)
{
    for (unsigned i = 0; i < I8237_CHANNELS; i++) {
        struct isa_dma *line = &dma->line[i];
        if (line->dreq && line->granted && may_transfer(dma, i))
            line->granted(line->device);
    }
}

/* Counter gone below zero: reload, or stop. */
static void end_of_count(struct i8237 *dma, unsigned channel)
{
    unsigned chip = channel / 4;
    uint8_t bit = 1 << channel % 4;

    dma->terminal[chip] |= bit;
    dma->request[chip] &= (uint8_t)~bit;
    if (dma->mode[channel] & MODE_AUTO) {
        dma->address[channel] = dma->base_address[channel];
        dma->count[channel] = dma->base_count[channel];
    } else {
        dma->mask[chip] |= bit;
    }
}

static uint64_t memory_address(const struct i8237 *dma, unsigned channel)
{
    uint64_t page = dma->page[page_of[channel]], address = dma->address[channel];
    return unit_of(channel) == 1 ? page << 16 | address : (page & 0xfe) << 16 | address << 1;
}

static void transfer(struct i8237 *dma, unsigned channel, uint8_t *bytes, size_t count)
{
    uint64_t address = memory_address(dma, channel);
    switch (dma->mode[channel] & MODE_TYPE) {
    case MODE_WRITE:
        dma_write(dma->config.space, gpa(address), bytes, count);
        break;
    case MODE_READ:
        dma_read(dma->config.space, gpa(address), bytes, count);
        break;
    default:
        break; /* verify: nothing moves */
    }
}

/* Units from here to where the address wraps; one at a time downwards. */
static size_t run_length(const struct i8237 *dma, unsigned channel)
{
    return dma->mode[channel] & MODE_DOWN ? 1 : 0x10000u - dma->address[channel];
}

static size_t i8237_move(struct isa_dma *line, bool to_memory, uint8_t *buffer, size_t count, bool *terminal_count)
{
    struct i8237 *dma = line->controller;
    unsigned channel = line->channel, unit = unit_of(channel);
    size_t moved = 0;
    uint8_t type = dma->mode[channel] & MODE_TYPE;

    if (!may_transfer(dma, channel))
        return 0;
    /* The controller drives the bus its way, whatever the device expects: against its sense nothing sensible moves. */
    bool sensible = type == (to_memory ? MODE_WRITE : MODE_READ);
    while (count - moved >= unit && !*terminal_count) {
        size_t units = (count - moved) / unit, left = (size_t)dma->count[channel] + 1, run = run_length(dma, channel);
        units = units < left ? units : left;
        units = units < run ? units : run;
        if (buffer && sensible)
            transfer(dma, channel, buffer + moved, units * unit);
        moved += units * unit;
        dma->address[channel] += (uint16_t)(dma->mode[channel] & MODE_DOWN ? -units : units);
        dma->count[channel] -= (uint16_t)units;
        if (units == left) {
            *terminal_count = true;
            end_of_count(dma, channel);
        }
    }
    return moved;
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

static uint8_t read_counter(struct i8237 *dma, unsigned chip, unsigned offset)
{
    unsigned channel = chip * 4 + offset / 2;
    uint16_t value = offset & 1 ? dma->count[channel] : dma->address[channel];
    bool high = dma->flip_flop[chip];
    dma->flip_flop[chip] ^= 1;
    return (uint8_t)(high ? value >> 8 : value);
}

static void write_counter(struct i8237 *dma, unsigned chip, unsigned offset, uint8_t byte)
{
    unsigned channel = chip * 4 + offset / 2;
    uint16_t *base = offset & 1 ? &dma->base_count[channel] : &dma->base_address[channel];
    bool high = dma->flip_flop[chip];
    dma->flip_flop[chip] ^= 1;
    *base = high ? (uint16_t)((*base & 0xff) | byte << 8) : (uint16_t)((*base & 0xff00) | byte);
    *(offset & 1 ? &dma->count[channel] : &dma->address[channel]) = *base;
}

static uint8_t read_status(struct i8237 *dma, unsigned chip)
{
    uint8_t status = dma->terminal[chip];
    for (unsigned i = 0; i < 4; i++)
        if (dma->line[chip * 4 + i].dreq)
            status |= 0x10 << i;
    dma->terminal[chip] = 0;
    return status;
}

static void master_clear(struct i8237 *dma, unsigned chip)
{
    dma->command[chip] = dma->request[chip] = dma->terminal[chip] = dma->flip_flop[chip] = 0;
    dma->mask[chip] = 0xf;
}

static uint8_t chip_read(struct i8237 *dma, unsigned chip, unsigned offset)
{
    if (offset < REG_STATUS)
        return read_counter(dma, chip, offset);
    switch (offset) {
    case REG_STATUS:
        return read_status(dma, chip);
    case REG_MASTER_CLEAR:
        return 0; /* the temporary register: of memory-to-memory transfers only */
    case REG_MASK_ALL:
        return 0xf0 | dma->mask[chip];
    default:
        return 0xff;
    }
}

static uint8_t with_bit(uint8_t bits, uint8_t bit, bool set)
{
    return set ? bits | bit : bits & (uint8_t)~bit;
}

static void chip_write(struct i8237 *dma, unsigned chip, unsigned offset, uint8_t byte)
{
    uint8_t bit = 1 << (byte & 3);
    switch (offset) {
    case REG_STATUS:
        dma->command[chip] = byte;
        break;
    case REG_REQUEST:
        dma->request[chip] = with_bit(dma->request[chip], bit, byte & 4);
        break;
    case REG_MASK_BIT:
        dma->mask[chip] = with_bit(dma->mask[chip], bit, byte & 4);
        break;
    case REG_MODE:
        dma->mode[chip * 4 + (byte & 3)] = byte & 0xfc;
        break;
    case REG_CLEAR_FLIP_FLOP:
        dma->flip_flop[chip] = 0;
        break;
    case REG_MASTER_CLEAR:
        master_clear(dma, chip);
        break;
    case REG_CLEAR_MASK:
        dma->mask[chip] = 0;
        break;
    case REG_MASK_ALL:
        dma->mask[chip] = byte & 0xf;
        break;
    default:
        write_counter(dma, chip, offset, byte);
        return; /* grants nothing */
    }
    grant(dma);
}

static uint64_t low_read(void *device, uint64_t offset, unsigned size)
{
    (void)size;
    return chip_read(device, 0, (unsigned)offset);
}

static void low_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    (void)size;
    chip_write(device, 0, (unsigned)offset, (uint8_t)value);
}

static uint64_t high_read(void *device, uint64_t offset, unsigned size)
{
    (void)size;
    return chip_read(device, 1, (unsigned)offset / 2);
}

static void high_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    (void)size;
    chip_write(device, 1, (unsigned)offset / 2, (uint8_t)value);
}

static uint64_t page_read(void *device, uint64_t offset, unsigned size)
{
    (void)size;
    return ((struct i8237 *)device)->page[offset];
}

static void page_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    (void)size;
    ((struct i8237 *)device)->page[offset] = (uint8_t)value;
}

const struct bus_ops i8237_low_ops = {.read = low_read, .write = low_write, .widths = 1};
const struct bus_ops i8237_high_ops = {.read = high_read, .write = high_write, .widths = 1};
const struct bus_ops i8237_page_ops = {.read = page_read, .write = page_write, .widths = 1};

/* --- life --------------------------------------------------------------------------------------------------------- */

/* The RESET pin is a master clear; counters, modes and pages keep what they had. */
static void i8237_reset(void *device)
{
    master_clear(device, 0);
    master_clear(device, 1);
}

static void i8237_restored(void *device)
{
    struct i8237 *dma = device;
    for (unsigned chip = 0; chip < 2; chip++) {
        dma->mask[chip] &= 0xf;
        dma->terminal[chip] &= 0xf;
        dma->flip_flop[chip] &= 1;
    }
}

static const struct field fields[] = {
    FIELD_ARRAY(struct i8237, base_address), FIELD_ARRAY(struct i8237, base_count), FIELD_ARRAY(struct i8237, address),
    FIELD_ARRAY(struct i8237, count),        FIELD_ARRAY(struct i8237, mode),       FIELD_ARRAY(struct i8237, command),
    FIELD_ARRAY(struct i8237, mask),         FIELD_ARRAY(struct i8237, request),    FIELD_ARRAY(struct i8237, terminal),
    FIELD_ARRAY(struct i8237, flip_flop),    FIELD_ARRAY(struct i8237, page),
};

const struct device_class i8237_class = {
    .name = "i8237",
    .version = 1,
    .reset = i8237_reset,
    .restored = i8237_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

struct isa_dma *i8237_line(struct i8237 *dma, unsigned channel)
{
    return &dma->line[channel];
}

int i8237_init(struct i8237 *dma, const struct i8237_config *config)
{
    if (!config->space)
        return -EINVAL;
    *dma = (struct i8237){.config = *config};
    for (unsigned i = 0; i < I8237_CHANNELS; i++)
        dma->line[i] = (struct isa_dma){.move = i8237_move, .controller = dma, .channel = i};
    i8237_reset(dma);
    return 0;
}
