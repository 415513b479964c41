/*
 * The floppy disk controller: registers, phases, seeks. See i82077.h; data commands are in i82077_data.c.
 *
 * Invariants: the FIFO holds a command's bytes until its result is written over them. `phase` says who moves next: the
 * guest (COMMAND, RESULT, and in non-DMA mode DATA), the DMA channel (DATA), or the image or the timer (BUSY).
 *
 * Thread: whoever holds the machine lock.
 * Source: Intel 82077AA datasheet, "Register set", "Controller phases", "Command set/descriptions", "Reset".
 *
 * Choices: seeks, and results without data, take a fixed short time, so that no interrupt comes inside the port write
 * that causes it. An empty drive answers at once that there is no address mark, where a real one would wait for index
 * pulses for ever. Motors are not looked at.
 */
#include "devices/chips/i82077.h"

#include "cpu-model/base/log.h"
#include "devices/chips/i82077_int.h"

#include <errno.h>
#include <string.h>

enum {
    REG_SRA,
    REG_SRB,
    REG_DOR,
    REG_TDR,
    REG_MSR, /* write: DSR */
    REG_FIFO,

    DOR_SELECT = 0x03,
    DOR_RUN = 0x04, /* 0: reset */
    DOR_DMA_GATE = 0x08,

    DSR_RATE = 0x03,
    DSR_RESET = 0x80,

    MSR_BUSY = 0x10,
    MSR_NON_DMA = 0x20,
    MSR_DIO = 0x40,
    MSR_RQM = 0x80,

    DIR_CHANGED = 0x80,

    OP_SPECIFY = 0x03,
    OP_SENSE_DRIVE = 0x04,
    OP_RECALIBRATE = 0x07,
    OP_SENSE_INTERRUPT = 0x08,
    OP_DUMPREG = 0x0e,
    OP_SEEK = 0x0f,
    OP_VERSION = 0x10,
    OP_PERPENDICULAR = 0x12,
    OP_CONFIGURE = 0x13,
    OP_LOCK = 0x14,

    RELATIVE = 0x80,
    RELATIVE_UP = 0x40,

    ST0_SEEK_END = 0x20,
    ST0_NOT_FOUND = 0x50, /* abnormal, equipment check */
    ST0_INVALID = 0x80,
    ST0_POLLED = 0xc0,

    CONFIGURE_DEFAULT = 0x20, /* no FIFO */
    CONFIGURE_LOCKED = 0x2f,  /* EFIFO and FIFOTHR */
    RATE_RESET = 2,
    MAX_TRACK = 85,
};

static const uint64_t delay_ns = 100000;

static const struct i82077_format formats[] = {
    {160 << 10, 40, 1, 8, 6, I82077_360K},    {180 << 10, 40, 1, 9, 6, I82077_360K},
    {320 << 10, 40, 2, 8, 6, I82077_360K},    {360 << 10, 40, 2, 9, 6, I82077_360K},
    {720 << 10, 80, 2, 9, 4, I82077_720K},    {1200 << 10, 80, 2, 15, 1, I82077_1200K},
    {1440 << 10, 80, 2, 18, 1, I82077_1440K}, {1680 << 10, 80, 2, 21, 1, I82077_1440K},
    {1722 << 10, 82, 2, 21, 1, I82077_1440K}, {2880 << 10, 80, 2, 36, 8, I82077_2880K},
};

const char i82077_sizes[] = "160K, 180K, 320K, 360K, 720K, 1200K, 1440K, 1680K, 1722K or 2880K";

const struct i82077_format *i82077_find_format(uint64_t bytes)
{
    for (unsigned i = 0; i < ARRAY_LEN(formats); i++)
        if (formats[i].bytes == bytes)
            return &formats[i];
    return NULL;
}

enum i82077_kind i82077_drive_kind(const struct i82077 *fdc, unsigned drive)
{
    if (!fdc->config.present[drive])
        return I82077_NO_DRIVE;
    struct block *first = fdc->config.block[drive];
    const struct i82077_format *format = first ? i82077_find_format(block_size(first)) : NULL;
    return format ? format->kind : I82077_1440K;
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static bool in_reset(const struct i82077 *fdc)
{
    return !(fdc->dor & DOR_RUN);
}

bool i82077_uses_dma(const struct i82077 *fdc)
{
    return !(fdc->specify[1] & 1);
}

static bool moving(const struct i82077 *fdc)
{
    return fdc->phase == I82077_DATA_IN || fdc->phase == I82077_DATA_OUT;
}

void i82077_update_irq(struct i82077 *fdc)
{
    bool byte_waits = moving(fdc) && !i82077_uses_dma(fdc);
    irq_set(&fdc->config.irq, (fdc->irq || byte_waits) && (fdc->dor & DOR_DMA_GATE));
}

static void set_irq(struct i82077 *fdc, bool level)
{
    fdc->irq = level;
    i82077_update_irq(fdc);
}

static void enter(struct i82077 *fdc, enum i82077_phase phase)
{
    fdc->phase = (uint8_t)phase;
    isa_dma_request(fdc->config.dma, moving(fdc) && i82077_uses_dma(fdc));
    i82077_update_irq(fdc);
}

void i82077_move(struct i82077 *fdc, enum i82077_phase phase)
{
    enter(fdc, phase);
    i82077_continue(fdc);
}

static void on_granted(void *device)
{
    i82077_continue(device);
}

/* --- results ------------------------------------------------------------------------------------------------------ */

static void answer(struct i82077 *fdc, const uint8_t *bytes, unsigned count)
{
    memcpy(fdc->fifo, bytes, count);
    fdc->fifo_position = 0;
    fdc->fifo_length = (uint8_t)count;
    enter(fdc, I82077_RESULT);
}

static void command_phase(struct i82077 *fdc)
{
    fdc->fifo_position = fdc->fifo_length = 0;
    enter(fdc, I82077_COMMAND);
}

void i82077_result(struct i82077 *fdc)
{
    const uint8_t bytes[] = {fdc->st0, fdc->st1, fdc->st2, fdc->c, fdc->h, fdc->r, fdc->n};
    fdc->result_pending = 0;
    answer(fdc, bytes, sizeof(bytes));
    set_irq(fdc, true);
}

static void arm(struct i82077 *fdc)
{
    fdc->timer_at = vclock_now(fdc->config.clock) + delay_ns;
    vtimer_arm(&fdc->timer, fdc->timer_at);
}

void i82077_result_later(struct i82077 *fdc)
{
    enter(fdc, I82077_BUSY);
    fdc->result_pending = 1;
    arm(fdc);
}

static void on_timer(void *device)
{
    struct i82077 *fdc = device;
    fdc->timer_at = VCLOCK_NEVER;
    if (in_reset(fdc))
        return;
    if (fdc->result_pending)
        i82077_result(fdc);
    if (fdc->reset_pending || (fdc->seek_busy & fdc->seek_pending))
        set_irq(fdc, true);
}

/* --- requests to the image ---------------------------------------------------------------------------------------- */

static void on_done(struct block_request *request)
{
    struct i82077 *fdc = request->device;
    fdc->requested = false;
    if (fdc->phase == I82077_BUSY)
        i82077_requested(fdc);
}

void i82077_request(struct i82077 *fdc, enum block_operation op, uint64_t offset, uint32_t bytes)
{
    bool format = (fdc->fifo[0] & I82077_OPERATION) == I82077_FORMAT;

    enter(fdc, I82077_BUSY);
    fdc->vector = (struct iovec){fdc->buffer + (format ? sizeof(fdc->buffer) - BLOCK_SECTOR : 0), bytes};
    fdc->request = (struct block_request){
        .operation = op, .offset = offset, .vector = &fdc->vector, .count = 1, .done = on_done, .device = fdc};
    fdc->requested = true;
    block_submit(fdc->drive[fdc->unit].block, &fdc->request);
}

/* Whatever is in progress ends without a result. */
static void abandon(struct i82077 *fdc)
{
    struct block *block = fdc->requested ? fdc->drive[fdc->unit].block : NULL;
    fdc->result_pending = 0;
    command_phase(fdc);
    if (block)
        block_drain(block);
}

/* --- commands without data ---------------------------------------------------------------------------------------- */

/* Steps to a track; step pulses with a disk in the drive reset its change line. */
static void step_to(struct i82077 *fdc, unsigned unit, int track, uint8_t status)
{
    uint8_t bit = 1 << unit;

    if (unit < I82077_DRIVES && fdc->config.present[unit]) {
        struct i82077_drive *drive = &fdc->drive[unit];
        track = track < 0 ? 0 : track > MAX_TRACK ? MAX_TRACK : track;
        if (drive->format && track != drive->track)
            drive->changed = 0;
        drive->track = (uint8_t)track;
    } else if (status & ST0_SEEK_END && (fdc->fifo[0] & I82077_OPERATION) == OP_RECALIBRATE) {
        status |= ST0_NOT_FOUND; /* no drive: track 0 never comes */
    }
    fdc->seek_status[unit] = (uint8_t)(status | unit);
    fdc->seek_track[unit] = (uint8_t)track;
    fdc->seek_busy |= bit;
    fdc->seek_pending |= bit;
    command_phase(fdc);
    arm(fdc);
}

static void seek(struct i82077 *fdc)
{
    const uint8_t *p = fdc->fifo;
    unsigned unit = p[1] & 3, from = fdc->seek_track[unit];
    int track = p[2];

    if (unit < I82077_DRIVES)
        from = fdc->drive[unit].track;
    if (p[0] & RELATIVE)
        track = p[0] & RELATIVE_UP ? (int)from + p[2] : (int)from - p[2];
    step_to(fdc, unit, track, ST0_SEEK_END | (p[1] & 4));
}

static void sense_interrupt(struct i82077 *fdc)
{
    uint8_t bytes[2] = {ST0_INVALID, 0};
    unsigned count = 2;

    if (fdc->reset_pending) {
        unsigned unit = 4 - fdc->reset_pending--;
        bytes[0] = (uint8_t)(ST0_POLLED | unit);
        bytes[1] = fdc->seek_track[unit];
    } else if (fdc->seek_pending) {
        unsigned unit = (unsigned)__builtin_ctz(fdc->seek_pending);
        fdc->seek_pending &= (uint8_t) ~(1 << unit);
        fdc->seek_busy &= (uint8_t) ~(1 << unit);
        bytes[0] = fdc->seek_status[unit];
        bytes[1] = fdc->seek_track[unit];
    } else {
        count = 1;
    }
    set_irq(fdc, false);
    answer(fdc, bytes, count);
}

static void sense_drive(struct i82077 *fdc)
{
    uint8_t unit = fdc->fifo[1] & 3, st3 = 0x28 | (fdc->fifo[1] & 7);
    if (unit < I82077_DRIVES && fdc->config.present[unit]) {
        const struct i82077_drive *drive = &fdc->drive[unit];
        st3 |= drive->track ? 0 : 0x10;
        st3 |= drive->block && block_readonly(drive->block) ? 0x40 : 0;
    }
    answer(fdc, &st3, 1);
}

static void dumpreg(struct i82077 *fdc)
{
    const uint8_t bytes[] = {
        fdc->drive[0].track, fdc->drive[1].track, fdc->seek_track[2], fdc->seek_track[3],
        fdc->specify[0],     fdc->specify[1],     fdc->eot,           (uint8_t)(fdc->locked << 7 | fdc->perpendicular),
        fdc->configure[0],   fdc->configure[1]};
    answer(fdc, bytes, sizeof(bytes));
}

static void lock(struct i82077 *fdc)
{
    fdc->locked = fdc->fifo[0] >> 7;
    const uint8_t byte = (uint8_t)(fdc->locked << 4);
    answer(fdc, &byte, 1);
}

static void perpendicular(struct i82077 *fdc)
{
    uint8_t value = fdc->fifo[1];
    /* Without the overwrite bit, only GAP and WGATE. */
    fdc->perpendicular = value & 0x80 ? value & 0x3f : (fdc->perpendicular & 0x3c) | (value & 3);
    command_phase(fdc);
}

static void simple_command(struct i82077 *fdc)
{
    static const uint8_t version = 0x90, invalid = ST0_INVALID;
    const uint8_t *p = fdc->fifo;

    switch (p[0] & I82077_OPERATION) {
    case OP_SPECIFY:
        memcpy(fdc->specify, p + 1, 2);
        command_phase(fdc);
        break;
    case OP_SENSE_DRIVE:
        sense_drive(fdc);
        break;
    case OP_RECALIBRATE:
        step_to(fdc, p[1] & 3, 0, ST0_SEEK_END);
        break;
    case OP_SENSE_INTERRUPT:
        sense_interrupt(fdc);
        break;
    case OP_DUMPREG:
        dumpreg(fdc);
        break;
    case OP_SEEK:
        seek(fdc);
        break;
    case OP_VERSION:
        answer(fdc, &version, 1);
        break;
    case OP_PERPENDICULAR:
        perpendicular(fdc);
        break;
    case OP_CONFIGURE:
        memcpy(fdc->configure, p + 2, 2);
        fdc->configure[0] &= 0x7f;
        command_phase(fdc);
        break;
    case OP_LOCK:
        lock(fdc);
        break;
    default:
        answer(fdc, &invalid, 1);
        break;
    }
}

/* --- the command phase -------------------------------------------------------------------------------------------- */

/* Bytes in all, and which of the bits MT, MFM, SK the command may have. 0 bytes: there is no such command. */
static const struct {
    uint8_t bytes, flags;
} commands[32] = {
    [I82077_READ_TRACK] = {9, 0x60}, [OP_SPECIFY] = {3, 0},
    [OP_SENSE_DRIVE] = {2, 0},       [I82077_WRITE] = {9, 0xc0},
    [I82077_READ] = {9, 0xe0},       [OP_RECALIBRATE] = {2, 0},
    [OP_SENSE_INTERRUPT] = {1, 0},   [I82077_WRITE_DELETED] = {9, 0xc0},
    [I82077_READ_ID] = {2, 0x40},    [I82077_READ_DELETED] = {9, 0xe0},
    [I82077_FORMAT] = {6, 0x40},     [OP_DUMPREG] = {1, 0},
    [OP_SEEK] = {3, 0xc0},           [OP_VERSION] = {1, 0},
    [I82077_SCAN_EQUAL] = {9, 0xe0}, [OP_PERPENDICULAR] = {2, 0},
    [OP_CONFIGURE] = {4, 0},         [OP_LOCK] = {1, 0x80},
    [I82077_VERIFY] = {9, 0xe0},     [I82077_SCAN_LOW] = {9, 0xe0},
    [I82077_SCAN_HIGH] = {9, 0xe0},
};

static bool is_data(uint8_t operation)
{
    return commands[operation].bytes >= 6 || operation == I82077_READ_ID;
}

static void write_command(struct i82077 *fdc, uint8_t byte)
{
    static const uint8_t invalid = ST0_INVALID;

    if (fdc->fifo_position == 0) {
        uint8_t operation = byte & I82077_OPERATION, flags = byte & 0xe0;
        fdc->fifo_length = commands[operation].bytes;
        if (!fdc->fifo_length || (flags & ~commands[operation].flags) ||
            (operation == OP_SEEK && flags == RELATIVE_UP)) {
            log_line(LOG_GUEST, "floppy: command %02x does not exist", byte);
            answer(fdc, &invalid, 1);
            return;
        }
    }
    fdc->fifo[fdc->fifo_position++] = byte;
    if (fdc->fifo_position < fdc->fifo_length)
        return;
    const uint8_t *p = fdc->fifo;
    log_line(LOG_DISK, "floppy: command %02x %02x %02x %02x %02x %02x %02x", p[0], p[1], p[2], p[3], p[4], p[5], p[6]);
    if (is_data(p[0] & I82077_OPERATION))
        i82077_start_data(fdc);
    else
        simple_command(fdc);
}

static uint8_t read_fifo(struct i82077 *fdc)
{
    if (fdc->phase == I82077_DATA_IN && !i82077_uses_dma(fdc))
        return i82077_read_data(fdc);
    if (fdc->phase != I82077_RESULT || fdc->fifo_position >= fdc->fifo_length)
        return 0;
    uint8_t byte = fdc->fifo[fdc->fifo_position++];
    if (!fdc->reset_pending && !fdc->seek_pending)
        set_irq(fdc, false);
    if (fdc->fifo_position == fdc->fifo_length)
        command_phase(fdc);
    return byte;
}

static void write_fifo(struct i82077 *fdc, uint8_t byte)
{
    if (in_reset(fdc))
        return;
    if (fdc->phase == I82077_DATA_OUT && !i82077_uses_dma(fdc))
        i82077_write_data(fdc, byte);
    else if (fdc->phase == I82077_COMMAND)
        write_command(fdc, byte);
}

/* --- reset and registers ------------------------------------------------------------------------------------------ */

/* By DOR or DSR: the drives are polled afterwards, which gives an interrupt and four states to sense. */
static void software_reset(struct i82077 *fdc)
{
    abandon(fdc);
    if (!fdc->locked) {
        fdc->configure[0] = CONFIGURE_DEFAULT;
        fdc->configure[1] = 0;
    } else {
        fdc->configure[0] &= CONFIGURE_LOCKED;
    }
    fdc->perpendicular &= 0x3c;
    fdc->seek_pending = fdc->seek_busy = 0;
    fdc->reset_pending = 0;
    set_irq(fdc, false);
}

static void after_reset(struct i82077 *fdc)
{
    fdc->reset_pending = 4;
    arm(fdc);
}

static void write_dor(struct i82077 *fdc, uint8_t value)
{
    uint8_t before = fdc->dor;
    fdc->dor = value;
    if ((before & DOR_RUN) && !(value & DOR_RUN))
        software_reset(fdc);
    else if (!(before & DOR_RUN) && (value & DOR_RUN))
        after_reset(fdc);
    i82077_update_irq(fdc);
}

static void write_dsr(struct i82077 *fdc, uint8_t value)
{
    fdc->rate = value & DSR_RATE;
    if ((value & DSR_RESET) && !in_reset(fdc)) {
        software_reset(fdc);
        after_reset(fdc);
    }
}

static uint8_t msr(const struct i82077 *fdc)
{
    if (in_reset(fdc))
        return 0;
    switch (fdc->phase) {
    case I82077_COMMAND:
        return MSR_RQM | (fdc->fifo_position ? MSR_BUSY : 0) | fdc->seek_busy;
    case I82077_RESULT:
        return MSR_RQM | MSR_DIO | MSR_BUSY | fdc->seek_busy;
    case I82077_DATA_IN:
    case I82077_DATA_OUT:
        if (!i82077_uses_dma(fdc))
            return MSR_RQM | MSR_NON_DMA | MSR_BUSY | (fdc->phase == I82077_DATA_IN ? MSR_DIO : 0) | fdc->seek_busy;
        return MSR_BUSY | fdc->seek_busy;
    default:
        return MSR_BUSY | fdc->seek_busy;
    }
}

static uint64_t i82077_read(void *device, uint64_t offset, unsigned size)
{
    struct i82077 *fdc = device;
    (void)size;
    switch (offset) {
    case REG_DOR:
        return fdc->dor;
    case REG_TDR:
        return 0xfc | fdc->tdr;
    case REG_MSR:
        return msr(fdc);
    case REG_FIFO:
        return read_fifo(fdc);
    default:
        return 0xff; /* the status registers A and B are of the PS/2's mode */
    }
}

static void i82077_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct i82077 *fdc = device;
    (void)size;
    switch (offset) {
    case REG_DOR:
        write_dor(fdc, (uint8_t)value);
        break;
    case REG_TDR:
        fdc->tdr = value & 3;
        break;
    case REG_MSR:
        write_dsr(fdc, (uint8_t)value);
        break;
    case REG_FIFO:
        write_fifo(fdc, (uint8_t)value);
        break;
    }
}

static uint64_t dir_read(void *device, uint64_t offset, unsigned size)
{
    const struct i82077 *fdc = device;
    unsigned unit = fdc->dor & DOR_SELECT;
    (void)offset;
    (void)size;
    return unit < I82077_DRIVES && fdc->config.present[unit] && fdc->drive[unit].changed ? DIR_CHANGED : 0;
}

static void dir_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    (void)offset;
    (void)size;
    ((struct i82077 *)device)->rate = value & DSR_RATE;
}

const struct bus_ops i82077_ops = {.read = i82077_read, .write = i82077_write, .widths = 1};
const struct bus_ops i82077_dir_ops = {.read = dir_read, .write = dir_write, .widths = 1};

/* --- life --------------------------------------------------------------------------------------------------------- */

void i82077_change_disk(struct i82077 *fdc, unsigned number, struct block *block)
{
    struct i82077_drive *drive = &fdc->drive[number];

    while (fdc->requested && fdc->unit == number) /* a run may follow another */
        block_drain(drive->block);
    drive->block = block;
    drive->format = block ? i82077_find_format(block_size(block)) : NULL;
    drive->changed = 1;
    if (fdc->unit != number || !(fdc->phase == I82077_BUSY || moving(fdc)) || fdc->result_pending)
        return;
    fdc->st0 |= 0x40;
    fdc->st1 |= 0x01;
    i82077_result_later(fdc);
}

static void i82077_reset(void *device)
{
    struct i82077 *fdc = device;
    fdc->locked = 0;
    fdc->dor = 0;
    software_reset(fdc);
    fdc->tdr = 0;
    fdc->rate = RATE_RESET;
    fdc->perpendicular = 0;
    memset(fdc->specify, 0, sizeof(fdc->specify));
    memset(fdc->seek_track, 0, sizeof(fdc->seek_track));
    for (unsigned i = 0; i < I82077_DRIVES; i++) {
        fdc->drive[i].track = 0;
        fdc->drive[i].changed = 1;
    }
    fdc->timer_at = VCLOCK_NEVER;
    vtimer_cancel(&fdc->timer);
}

static void i82077_destroy(void *device)
{
    struct i82077 *fdc = device;
    abandon(fdc);
    vtimer_cancel(&fdc->timer);
    if (fdc->config.dma) {
        isa_dma_request(fdc->config.dma, false);
        fdc->config.dma->granted = NULL;
    }
}

static void i82077_restored(void *device)
{
    struct i82077 *fdc = device;
    fdc->unit &= 3;
    fdc->head &= 1;
    fdc->rate &= DSR_RATE;
    fdc->reset_pending = fdc->reset_pending > 4 ? 4 : fdc->reset_pending;
    fdc->seek_pending &= 0xf;
    fdc->seek_busy &= 0xf;
    if (fdc->fifo_length > sizeof(fdc->fifo) || fdc->fifo_position >= fdc->fifo_length)
        fdc->fifo_position = fdc->fifo_length = 0;
    bool data = is_data(fdc->fifo[0] & I82077_OPERATION) && fdc->unit < I82077_DRIVES && fdc->drive[fdc->unit].format;
    if (fdc->filled > sizeof(fdc->buffer) || fdc->position >= fdc->filled || !data ||
        fdc->drive[fdc->unit].track >= fdc->drive[fdc->unit].format->cylinders)
        data = false;
    if (fdc->phase > I82077_RESULT || (moving(fdc) && !data) || (fdc->phase == I82077_BUSY && !fdc->result_pending) ||
        (fdc->phase == I82077_RESULT && !fdc->fifo_length))
        command_phase(fdc);
    enter(fdc, fdc->phase);
    vtimer_arm(&fdc->timer, fdc->timer_at);
}

static const struct field fields[] = {
    FIELD(struct i82077, dor),
    FIELD(struct i82077, tdr),
    FIELD(struct i82077, rate),
    FIELD_ARRAY(struct i82077, specify),
    FIELD_ARRAY(struct i82077, configure),
    FIELD(struct i82077, perpendicular),
    FIELD(struct i82077, locked),
    FIELD(struct i82077, phase),
    FIELD_ARRAY(struct i82077, fifo),
    FIELD(struct i82077, fifo_position),
    FIELD(struct i82077, fifo_length),
    FIELD(struct i82077, irq),
    FIELD(struct i82077, reset_pending),
    FIELD(struct i82077, seek_pending),
    FIELD(struct i82077, seek_busy),
    FIELD_ARRAY(struct i82077, seek_status),
    FIELD_ARRAY(struct i82077, seek_track),
    FIELD(struct i82077, unit),
    FIELD(struct i82077, head),
    FIELD(struct i82077, c),
    FIELD(struct i82077, h),
    FIELD(struct i82077, r),
    FIELD(struct i82077, n),
    FIELD(struct i82077, eot),
    FIELD(struct i82077, st0),
    FIELD(struct i82077, st1),
    FIELD(struct i82077, st2),
    FIELD(struct i82077, sectors_left),
    FIELD(struct i82077, run_sectors),
    FIELD(struct i82077, terminal_count),
    FIELD(struct i82077, result_pending),
    FIELD(struct i82077, position),
    FIELD(struct i82077, filled),
    FIELD_ARRAY(struct i82077, buffer),
    FIELD(struct i82077, timer_at),
    FIELD(struct i82077, drive[0].track),
    FIELD(struct i82077, drive[0].changed),
    FIELD(struct i82077, drive[0].next_id),
    FIELD(struct i82077, drive[1].track),
    FIELD(struct i82077, drive[1].changed),
    FIELD(struct i82077, drive[1].next_id),
};

const struct device_class i82077_class = {
    .name = "i82077",
    .version = 1,
    .reset = i82077_reset,
    .destroy = i82077_destroy,
    .restored = i82077_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int i82077_init(struct i82077 *fdc, const struct i82077_config *config)
{
    if (!config->clock)
        return -EINVAL;
    *fdc = (struct i82077){.config = *config};
    vtimer_init(&fdc->timer, config->clock, on_timer, fdc);
    for (unsigned i = 0; i < I82077_DRIVES; i++) {
        struct block *block = config->block[i];
        fdc->drive[i].block = block;
        fdc->drive[i].format = block ? i82077_find_format(block_size(block)) : NULL;
        if (block && (!fdc->drive[i].format || !config->present[i]))
            return -EINVAL;
    }
    if (config->dma) {
        config->dma->granted = on_granted;
        config->dma->device = fdc;
    }
    i82077_reset(fdc);
    return 0;
}
