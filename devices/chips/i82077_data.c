/*
 * The floppy controller's commands that move data. See i82077_int.h.
 *
 * A command works in runs: the sectors from `r` to the end of its track side, or to EOT. Reading: the image, then the
 * bytes to the guest, then the next run. Writing: the bytes from the guest, then the image. FORMAT writes sector after
 * sector.
 *
 * Invariants: position <= filled <= the buffer's size; run_sectors sectors from r on exist on the disk.
 *
 * Thread: whoever holds the machine lock.
 * Source: Intel 82077AA datasheet, "Data transfer commands", "Command set/descriptions", tables of ST0 to ST3 and of
 * the result phase's ID information.
 *
 * Choices: raw images keep no deleted-data marks: WRITE DELETED DATA writes ordinary sectors, and READ DELETED DATA
 * finds none.
 */
#include "devices/chips/i82077_int.h"

#include <string.h>

enum {
    ST0_ABNORMAL = 0x40,

    ST1_MISSING_MARK = 0x01,
    ST1_NOT_WRITABLE = 0x02,
    ST1_NO_DATA = 0x04,
    ST1_DATA_ERROR = 0x20,
    ST1_END = 0x80,

    ST2_SCAN_NOT_SATISFIED = 0x04,
    ST2_SCAN_HIT = 0x08,
    ST2_WRONG_CYLINDER = 0x10,
    ST2_DATA_ERROR = 0x20,
    ST2_CONTROL_MARK = 0x40,

    EIS = 0x40, /* CONFIGURE: implied seeks */
    SIZE_512 = 2,
};

static uint8_t operation(const struct i82077 *fdc)
{
    return fdc->fifo[0] & I82077_OPERATION;
}

static const struct i82077_format *format_of(const struct i82077 *fdc)
{
    return fdc->unit < I82077_DRIVES ? fdc->drive[fdc->unit].format : NULL;
}

static bool is_write(const struct i82077 *fdc)
{
    return operation(fdc) == I82077_WRITE || operation(fdc) == I82077_WRITE_DELETED;
}

static bool is_scan(const struct i82077 *fdc)
{
    return operation(fdc) == I82077_SCAN_EQUAL || operation(fdc) == I82077_SCAN_LOW ||
           operation(fdc) == I82077_SCAN_HIGH;
}

static void fail(struct i82077 *fdc, uint8_t st1, uint8_t st2)
{
    fdc->st0 |= ST0_ABNORMAL;
    fdc->st1 |= st1;
    fdc->st2 |= st2;
    i82077_result_later(fdc);
}

/* --- finding sectors ---------------------------------------------------------------------------------------------- */

/* Whether the head can read anything at all: a disk, its data rate, its recording, its side. */
static bool readable(struct i82077 *fdc)
{
    const struct i82077_format *format = format_of(fdc);
    if (format && (fdc->fifo[0] & I82077_MFM) && (format->rates >> fdc->rate & 1) && fdc->head < format->heads &&
        fdc->drive[fdc->unit].track < format->cylinders)
        return true;
    fail(fdc, ST1_MISSING_MARK, 0);
    return false;
}

static uint64_t sector_offset(const struct i82077 *fdc, unsigned r)
{
    const struct i82077_format *format = format_of(fdc);
    uint64_t track = (uint64_t)fdc->drive[fdc->unit].track * format->heads + fdc->head;
    return (track * format->sectors + r - 1) * BLOCK_SECTOR;
}

/* The next run; false if its first sector is not there, which has ended the command. */
static bool find_run(struct i82077 *fdc)
{
    const struct i82077_format *format = format_of(fdc);
    uint8_t track = fdc->drive[fdc->unit].track;

    if (fdc->c != track) {
        fail(fdc, ST1_NO_DATA, fdc->c == 0xff ? 0x02 : ST2_WRONG_CYLINDER);
        return false;
    }
    if (fdc->h != fdc->head || fdc->n != SIZE_512 || !fdc->r || fdc->r > format->sectors) {
        fail(fdc, ST1_NO_DATA, 0);
        return false;
    }
    unsigned last = fdc->eot >= fdc->r && fdc->eot < format->sectors ? fdc->eot : format->sectors;
    fdc->run_sectors = (uint8_t)(last - fdc->r + 1);
    if (operation(fdc) == I82077_VERIFY && fdc->sectors_left && fdc->sectors_left < fdc->run_sectors)
        fdc->run_sectors = fdc->sectors_left;
    fdc->position = 0;
    fdc->filled = fdc->run_sectors * (uint32_t)BLOCK_SECTOR;
    return true;
}

/* The ID after `count` sectors of a run. True: the command's last sector was among them. */
static bool advance(struct i82077 *fdc, unsigned count)
{
    const struct i82077_format *format = format_of(fdc);
    bool last = count && fdc->r + count - 1 == fdc->eot;

    fdc->r = (uint8_t)(fdc->r + count);
    if (!last)
        return false;
    fdc->r = 1;
    if ((fdc->fifo[0] & I82077_MT) && !fdc->head && format && format->heads == 2) {
        fdc->h ^= 1;
        fdc->head = 1;
        fdc->st0 |= 0x04;
        return false;
    }
    if (fdc->fifo[0] & I82077_MT)
        fdc->h ^= 1;
    fdc->c++;
    return true;
}

/* --- runs --------------------------------------------------------------------------------------------------------- */

static void start_run(struct i82077 *fdc)
{
    if (!find_run(fdc))
        return;
    if (is_write(fdc))
        i82077_move(fdc, I82077_DATA_OUT);
    else
        i82077_request(fdc, BLOCK_READ, sector_offset(fdc, fdc->r), fdc->filled);
}

/* A run has moved up to `position`: the end, or the next one. */
static void end_run(struct i82077 *fdc)
{
    unsigned sectors = (fdc->position + BLOCK_SECTOR - 1) / BLOCK_SECTOR;
    bool last = advance(fdc, sectors);

    if (fdc->terminal_count) {
        i82077_result(fdc);
        return;
    }
    if (operation(fdc) == I82077_VERIFY) {
        bool counted = fdc->sectors_left;
        fdc->sectors_left -= (uint8_t)(counted ? sectors : 0);
        if (last || (counted && !fdc->sectors_left)) {
            i82077_result(fdc);
            return;
        }
    }
    if (last)
        fail(fdc, ST1_END, 0); /* nobody said that this was enough */
    else
        start_run(fdc);
}

/* --- scanning ----------------------------------------------------------------------------------------------------- */

/* A byte from the guest against the disk's; FFh of the guest fits anything. */
static void scan_byte(struct i82077 *fdc, uint8_t disk, uint8_t host)
{
    if (host == 0xff || disk == host)
        return;
    fdc->st2 &= (uint8_t)~ST2_SCAN_HIT;
    bool fits = operation(fdc) == I82077_SCAN_LOW ? disk < host : operation(fdc) == I82077_SCAN_HIGH && disk > host;
    if (!fits)
        fdc->st2 |= ST2_SCAN_NOT_SATISFIED;
}

/* At a sector's end: satisfied ends the command, else the next sector is tried. True: it has ended. */
static bool scan_sector_ended(struct i82077 *fdc)
{
    if (!(fdc->st2 & ST2_SCAN_NOT_SATISFIED)) {
        i82077_result(fdc);
        return true;
    }
    if (fdc->position < fdc->filled && !fdc->terminal_count) {
        fdc->st2 = (uint8_t)((fdc->st2 & ~ST2_SCAN_NOT_SATISFIED) | ST2_SCAN_HIT);
        return false;
    }
    return false;
}

/* --- bytes between guest and buffer ------------------------------------------------------------------------------- */

static void format_sectors(struct i82077 *fdc);

static void moved(struct i82077 *fdc)
{
    if (operation(fdc) == I82077_FORMAT) {
        format_sectors(fdc);
    } else if (is_write(fdc)) {
        uint32_t whole = (fdc->position + BLOCK_SECTOR - 1) & ~(uint32_t)(BLOCK_SECTOR - 1);
        memset(fdc->buffer + fdc->position, 0, whole - fdc->position);
        i82077_request(fdc, BLOCK_WRITE, sector_offset(fdc, fdc->r), whole);
    } else {
        end_run(fdc);
    }
}

/* Scanning goes a byte at a time: it may end at any sector. */
static void scan_by_dma(struct i82077 *fdc)
{
    while (fdc->position < fdc->filled && !fdc->terminal_count) {
        uint8_t host;
        bool terminal;
        if (!isa_dma_move(fdc->config.dma, false, &host, 1, &terminal))
            return;
        fdc->terminal_count = terminal;
        scan_byte(fdc, fdc->buffer[fdc->position++], host);
        if ((fdc->position % BLOCK_SECTOR == 0 || terminal) && scan_sector_ended(fdc))
            return;
    }
    moved(fdc);
}

void i82077_continue(struct i82077 *fdc)
{
    bool in = fdc->phase == I82077_DATA_IN, terminal;

    if ((!in && fdc->phase != I82077_DATA_OUT) || !i82077_uses_dma(fdc))
        return;
    if (is_scan(fdc)) {
        scan_by_dma(fdc);
        return;
    }
    fdc->position += (uint32_t)isa_dma_move(fdc->config.dma, in, fdc->buffer + fdc->position,
                                            fdc->filled - fdc->position, &terminal);
    fdc->terminal_count |= terminal;
    if (fdc->terminal_count || fdc->position == fdc->filled)
        moved(fdc);
}

uint8_t i82077_read_data(struct i82077 *fdc)
{
    uint8_t byte = fdc->buffer[fdc->position++];
    if (fdc->position >= fdc->filled)
        moved(fdc);
    return byte;
}

void i82077_write_data(struct i82077 *fdc, uint8_t byte)
{
    if (is_scan(fdc)) {
        scan_byte(fdc, fdc->buffer[fdc->position++], byte);
        if (fdc->position % BLOCK_SECTOR == 0 && scan_sector_ended(fdc))
            return;
    } else {
        fdc->buffer[fdc->position++] = byte;
    }
    if (fdc->position >= fdc->filled)
        moved(fdc);
}

/* --- FORMAT TRACK ------------------------------------------------------------------------------------------------- */

/* Writes the next sector of the list of IDs at the buffer's start; those that this recording cannot hold are passed
 * over. The sector's bytes are at the buffer's end. */
static void format_sectors(struct i82077 *fdc)
{
    const struct i82077_format *format = format_of(fdc);
    uint32_t ids = fdc->filled / 4;

    while (format && fdc->run_sectors < ids) {
        const uint8_t *id = fdc->buffer + fdc->run_sectors++ * 4u;
        if (id[2] && id[2] <= format->sectors && id[3] == SIZE_512) {
            uint8_t *sector = fdc->buffer + sizeof(fdc->buffer) - BLOCK_SECTOR;
            memset(sector, fdc->fifo[5], BLOCK_SECTOR);
            fdc->position = sizeof(fdc->buffer) - BLOCK_SECTOR;
            i82077_request(fdc, BLOCK_WRITE, sector_offset(fdc, id[2]), BLOCK_SECTOR);
            return;
        }
    }
    i82077_result(fdc);
}

static void start_format(struct i82077 *fdc)
{
    const struct i82077_format *format = format_of(fdc);
    uint8_t sectors = fdc->fifo[3];

    if (block_readonly(fdc->drive[fdc->unit].block)) {
        fail(fdc, ST1_NOT_WRITABLE, 0);
        return;
    }
    /* What does not fit on the track is not taken. */
    if (fdc->fifo[2] != SIZE_512 || !sectors || sectors > format->sectors) {
        fail(fdc, ST1_NO_DATA, 0);
        return;
    }
    fdc->run_sectors = 0;
    fdc->position = 0;
    fdc->filled = sectors * 4u;
    i82077_move(fdc, I82077_DATA_OUT);
}

/* --- the image's answer ------------------------------------------------------------------------------------------- */

void i82077_requested(struct i82077 *fdc)
{
    if (fdc->request.result) {
        bool writing = fdc->request.operation == BLOCK_WRITE;
        fdc->r = (uint8_t)(fdc->r + fdc->request.transferred / BLOCK_SECTOR);
        fail(fdc, writing ? ST1_NOT_WRITABLE : ST1_DATA_ERROR, writing ? 0 : ST2_DATA_ERROR);
    } else if (operation(fdc) == I82077_FORMAT) {
        format_sectors(fdc);
    } else if (is_write(fdc)) {
        end_run(fdc);
    } else if (operation(fdc) == I82077_VERIFY) {
        fdc->position = fdc->filled;
        end_run(fdc);
    } else if (is_scan(fdc)) {
        fdc->st2 |= ST2_SCAN_HIT;
        i82077_move(fdc, I82077_DATA_OUT);
    } else {
        i82077_move(fdc, I82077_DATA_IN);
    }
}

/* --- starting ----------------------------------------------------------------------------------------------------- */

static void read_id(struct i82077 *fdc)
{
    struct i82077_drive *drive = &fdc->drive[fdc->unit];
    fdc->c = drive->track;
    fdc->h = fdc->head;
    fdc->r = (uint8_t)(drive->next_id % drive->format->sectors + 1);
    fdc->n = SIZE_512;
    drive->next_id = fdc->r % drive->format->sectors;
    i82077_result_later(fdc);
}

/* None of the sectors has a deleted-data mark: the first ends it, or with SK all are passed over. */
static void read_deleted(struct i82077 *fdc)
{
    if (fdc->fifo[0] & I82077_SKIP) {
        fail(fdc, ST1_END, 0);
        return;
    }
    fdc->st2 |= ST2_CONTROL_MARK;
    fdc->eot = fdc->r;
    start_run(fdc);
}

void i82077_start_data(struct i82077 *fdc)
{
    const uint8_t *p = fdc->fifo;

    fdc->phase = I82077_BUSY;
    fdc->unit = p[1] & 3;
    fdc->head = p[1] >> 2 & 1;
    fdc->st0 = p[1] & 7;
    fdc->st1 = fdc->st2 = fdc->terminal_count = fdc->sectors_left = 0;
    fdc->position = fdc->filled = 0;
    if (operation(fdc) != I82077_READ_ID && operation(fdc) != I82077_FORMAT) {
        fdc->c = p[2];
        fdc->h = p[3];
        fdc->r = operation(fdc) == I82077_READ_TRACK ? 1 : p[4];
        fdc->n = p[5];
        fdc->eot = p[6];
        if (operation(fdc) == I82077_VERIFY && (p[1] & 0x80))
            fdc->sectors_left = p[8];
        if ((fdc->configure[0] & EIS) && format_of(fdc) && fdc->c < format_of(fdc)->cylinders)
            fdc->drive[fdc->unit].track = fdc->c;
    }
    if (!readable(fdc))
        return;
    if (operation(fdc) == I82077_READ_ID)
        read_id(fdc);
    else if (operation(fdc) == I82077_FORMAT)
        start_format(fdc);
    else if (is_write(fdc) && block_readonly(fdc->drive[fdc->unit].block))
        fail(fdc, ST1_NOT_WRITABLE, 0);
    else if (operation(fdc) == I82077_READ_DELETED)
        read_deleted(fdc);
    else
        start_run(fdc);
}
