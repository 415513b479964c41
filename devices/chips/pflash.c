/*
 * The flash memory. See pflash.h.
 *
 * Invariants: reads come here only while `mode` is not the array's. Bytes of [dirty_start, dirty_end) differ from the
 * image's; a request for them is under way or their range grows while one is.
 *
 * Thread: whoever holds the machine lock.
 * Source: Intel 28F640J3 datasheet, "Commands", "Status register"; JEDEC JESD68 (CFI).
 *
 * Choice: CLEAR STATUS clears the ready bit as well, until the next program or erase; UEFI firmware for virtual
 * machines recognizes the chip by that.
 */
#include "devices/chips/pflash.h"

#include <errno.h>
#include <string.h>

enum mode { MODE_ARRAY, MODE_STATUS, MODE_ID, MODE_QUERY };

enum {
    CMD_PROGRAM_OLD = 0x10,
    CMD_ERASE = 0x20,
    CMD_PROGRAM = 0x40,
    CMD_CLEAR_STATUS = 0x50,
    CMD_LOCK = 0x60,
    CMD_READ_STATUS = 0x70,
    CMD_READ_ID = 0x90,
    CMD_QUERY = 0x98,
    CMD_SUSPEND = 0xb0,
    CMD_CONFIRM = 0xd0, /* and resume */
    CMD_WRITE_BUFFER = 0xe8,

    STATUS_READY = 0x80,
    STATUS_ERASE_ERROR = 0x20,
    STATUS_PROGRAM_ERROR = 0x10,
    STATUS_PROTECTED = 0x02,
    STATUS_SEQUENCE_ERROR = STATUS_ERASE_ERROR | STATUS_PROGRAM_ERROR,

    MANUFACTURER = 0x89,
    DEVICE = 0x18,
    QUERY_BASE = 0x10,
};

/* --- keeping it --------------------------------------------------------------------------------------------------- */

static void save(struct pflash *flash);

static void on_saved(struct block_request *request)
{
    struct pflash *flash = request->device;
    flash->requested = false;
    save(flash);
}

static void save(struct pflash *flash)
{
    uint32_t start = flash->dirty_start, size = flash->dirty_end - start;

    if (flash->requested || !size || !flash->config.block)
        return;
    flash->dirty_start = flash->dirty_end = 0;
    flash->vector = (struct iovec){flash->config.storage + start, size};
    flash->request = (struct block_request){.operation = BLOCK_WRITE,
                                            .offset = start,
                                            .vector = &flash->vector,
                                            .count = 1,
                                            .done = on_saved,
                                            .device = flash};
    flash->requested = true;
    block_submit(flash->config.block, &flash->request);
}

static void changed(struct pflash *flash, uint32_t offset, uint32_t size)
{
    if (flash->config.changed)
        flash->config.changed(flash->config.context, offset, size);
}

static void mark_dirty(struct pflash *flash, uint32_t offset, uint32_t size)
{
    if (flash->dirty_start == flash->dirty_end) {
        flash->dirty_start = offset;
        flash->dirty_end = offset + size;
    } else {
        flash->dirty_start = offset < flash->dirty_start ? offset : flash->dirty_start;
        flash->dirty_end = offset + size > flash->dirty_end ? offset + size : flash->dirty_end;
    }
    changed(flash, offset, size);
    save(flash);
}

/* --- programming -------------------------------------------------------------------------------------------------- */

static void set_mode(struct pflash *flash, enum mode mode)
{
    bool was = flash->mode == MODE_ARRAY, is = mode == MODE_ARRAY;
    flash->mode = (uint8_t)mode;
    if (was != is && flash->config.array_shown)
        flash->config.array_shown(flash->config.context, is);
}

static bool writable(struct pflash *flash, uint8_t error)
{
    flash->status |= STATUS_READY;
    if (!flash->config.readonly)
        return true;
    flash->status |= error | STATUS_PROTECTED;
    return false;
}

/* Bits go from 1 to 0 only. */
static void program(struct pflash *flash, uint32_t offset, const uint8_t *bytes, uint32_t size)
{
    if (!writable(flash, STATUS_PROGRAM_ERROR))
        return;
    changed(flash, offset, size);
    for (uint32_t i = 0; i < size; i++)
        flash->config.storage[offset + i] &= bytes[i];
    mark_dirty(flash, offset, size);
}

static void erase(struct pflash *flash, uint32_t offset)
{
    uint32_t start = offset & ~(uint32_t)(PFLASH_BLOCK - 1);
    if (!writable(flash, STATUS_ERASE_ERROR))
        return;
    changed(flash, start, PFLASH_BLOCK);
    memset(flash->config.storage + start, 0xff, PFLASH_BLOCK);
    mark_dirty(flash, start, PFLASH_BLOCK);
}

static void end_setup(struct pflash *flash, uint8_t errors)
{
    flash->setup = 0;
    flash->status |= STATUS_READY | errors;
}

/* Cycles after WRITE BUFFER: the count less one, the bytes (inside one aligned buffer), and the confirmation. */
static void buffer_cycle(struct pflash *flash, uint32_t offset, uint8_t value)
{
    if (flash->cycle == 1) {
        flash->count = (uint16_t)(value + 1);
        flash->filled = 0;
        flash->buffer_base = offset & ~(uint32_t)(sizeof(flash->buffer) - 1);
        memset(flash->buffer, 0xff, sizeof(flash->buffer));
        flash->cycle = 2;
    } else if (flash->filled < flash->count) {
        if (offset - flash->buffer_base >= sizeof(flash->buffer)) {
            end_setup(flash, STATUS_SEQUENCE_ERROR);
            return;
        }
        flash->buffer[offset - flash->buffer_base] = value;
        flash->filled++;
    } else if (value == CMD_CONFIRM) {
        flash->setup = 0;
        program(flash, flash->buffer_base, flash->buffer, sizeof(flash->buffer));
    } else {
        end_setup(flash, STATUS_SEQUENCE_ERROR);
    }
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static void further_cycle(struct pflash *flash, uint32_t offset, uint8_t value)
{
    switch (flash->setup) {
    case CMD_PROGRAM:
        flash->setup = 0;
        program(flash, offset, &value, 1);
        break;
    case CMD_ERASE:
        end_setup(flash, value == CMD_CONFIRM ? 0 : STATUS_SEQUENCE_ERROR);
        if (value == CMD_CONFIRM)
            erase(flash, offset);
        break;
    case CMD_LOCK: /* locking and unlocking blocks: accepted, no block is locked */
        end_setup(flash, value == 0x01 || value == 0x2f || value == CMD_CONFIRM ? 0 : STATUS_SEQUENCE_ERROR);
        break;
    default:
        buffer_cycle(flash, offset, value);
        break;
    }
}

static void first_cycle(struct pflash *flash, uint8_t command)
{
    switch (command) {
    case CMD_PROGRAM_OLD:
    case CMD_PROGRAM:
        flash->setup = CMD_PROGRAM;
        set_mode(flash, MODE_STATUS);
        break;
    case CMD_WRITE_BUFFER:
    case CMD_ERASE:
    case CMD_LOCK:
        if (command == CMD_WRITE_BUFFER)
            flash->status |= STATUS_READY; /* a buffer is free */
        flash->setup = command;
        flash->cycle = 1;
        set_mode(flash, MODE_STATUS);
        break;
    case CMD_CLEAR_STATUS:
        flash->status = 0;
        set_mode(flash, MODE_ARRAY);
        break;
    case CMD_READ_STATUS:
    case CMD_SUSPEND:
    case CMD_CONFIRM:
        set_mode(flash, MODE_STATUS);
        break;
    case CMD_READ_ID:
        set_mode(flash, MODE_ID);
        break;
    case CMD_QUERY:
        set_mode(flash, MODE_QUERY);
        break;
    default: /* FFh, and what is none */
        set_mode(flash, MODE_ARRAY);
        break;
    }
}

static void pflash_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct pflash *flash = device;
    (void)size;
    if (flash->setup)
        further_cycle(flash, (uint32_t)offset, (uint8_t)value);
    else
        first_cycle(flash, (uint8_t)value);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* The CFI table from offset 10h on. */
static uint8_t query(const struct pflash *flash, uint32_t offset)
{
    uint32_t blocks = flash->config.size / PFLASH_BLOCK - 1;
    const uint8_t table[] = {
        'Q',
        'R',
        'Y',
        0x01,
        0x00,
        0x31,
        0x00,
        0,
        0,
        0,
        0, /* Intel extended commands; their table at 31h */
        0x45,
        0x55,
        0,
        0, /* voltages */
        0x07,
        0x07,
        0x0a,
        0,
        0x04,
        0x04,
        0x04,
        0, /* times: log2 us and ms; at most 2^4 times that */
        (uint8_t)__builtin_ctz(flash->config.size & -flash->config.size),
        0x00,
        0x00, /* size; x8 */
        0x08,
        0x00, /* write buffer: 2^8 bytes */
        0x01, /* one region of equal blocks */
        (uint8_t)blocks,
        (uint8_t)(blocks >> 8),
        PFLASH_BLOCK >> 8 & 0xff,
        PFLASH_BLOCK >> 16,
        'P',
        'R',
        'I',
        '1',
        '0',
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0, /* extended table: no optional features */
    };
    return offset >= QUERY_BASE && offset - QUERY_BASE < sizeof(table) ? table[offset - QUERY_BASE] : 0;
}

static uint64_t pflash_read(void *device, uint64_t offset, unsigned size)
{
    const struct pflash *flash = device;
    (void)size;
    switch (flash->mode) {
    case MODE_STATUS:
        return flash->status;
    case MODE_ID:
        switch (offset % PFLASH_BLOCK) {
        case 0:
            return MANUFACTURER;
        case 1:
            return DEVICE;
        default:
            return 0; /* no block is locked */
        }
    case MODE_QUERY:
        return query(flash, (uint32_t)(offset % PFLASH_BLOCK));
    default:
        return flash->config.storage[offset];
    }
}

const struct bus_ops pflash_ops = {.read = pflash_read, .write = pflash_write, .widths = 1};

/* --- life --------------------------------------------------------------------------------------------------------- */

static void pflash_reset(void *device)
{
    struct pflash *flash = device;
    flash->status = STATUS_READY;
    flash->setup = 0;
    set_mode(flash, MODE_ARRAY);
}

static void pflash_destroy(void *device)
{
    struct pflash *flash = device;
    while (flash->requested) /* a save may follow another */
        block_drain(flash->config.block);
}

static void pflash_restored(void *device)
{
    struct pflash *flash = device;
    enum mode mode = flash->mode > MODE_QUERY ? MODE_ARRAY : flash->mode;
    flash->mode = mode == MODE_ARRAY ? MODE_STATUS : MODE_ARRAY; /* so that the owner is told */
    set_mode(flash, mode);
    if (flash->count > sizeof(flash->buffer))
        flash->count = sizeof(flash->buffer);
    flash->buffer_base %= flash->config.size;
    flash->buffer_base &= ~(uint32_t)(sizeof(flash->buffer) - 1);
    flash->dirty_start = 0;
    flash->dirty_end = flash->config.readonly ? 0 : flash->config.size;
    save(flash);
}

static const struct field fields[] = {
    FIELD(struct pflash, mode),        FIELD(struct pflash, status),       FIELD(struct pflash, setup),
    FIELD(struct pflash, cycle),       FIELD(struct pflash, count),        FIELD(struct pflash, filled),
    FIELD(struct pflash, buffer_base), FIELD_ARRAY(struct pflash, buffer),
};

const struct device_class pflash_class = {
    .name = "pflash",
    .version = 1,
    .reset = pflash_reset,
    .destroy = pflash_destroy,
    .restored = pflash_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int pflash_init(struct pflash *flash, const struct pflash_config *config)
{
    if (!config->storage || !config->size || config->size % PFLASH_BLOCK)
        return -EINVAL;
    *flash = (struct pflash){.config = *config, .mode = MODE_ARRAY};
    pflash_reset(flash);
    return 0;
}
