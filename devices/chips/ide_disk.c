/*
 * The commands of an ATA disk. See ide_int.h; what IDENTIFY and SMART say is in ide_identify.c.
 *
 * Invariants: lba + left <= the drive's sectors from the check at a command's start until its end. A write is told as
 * done only when the image has it; with the write cache off, or forced (FUA), only when it is flushed.
 *
 * Thread: whoever holds the machine lock.
 * Source: ATA/ATAPI-6 (T13 1410D), "Command descriptions".
 *
 * Choice: errors of the host when writing are ABRT with the failing sector's address, as no better bit exists.
 */
#include "devices/chips/ide_int.h"

enum {
    CMD_RECALIBRATE = 0x10, /* to 1fh */
    CMD_READ = 0x20,
    CMD_READ_ONCE = 0x21,
    CMD_READ_EXT = 0x24,
    CMD_READ_DMA_EXT = 0x25,
    CMD_READ_NATIVE_MAX_EXT = 0x27,
    CMD_READ_MULTIPLE_EXT = 0x29,
    CMD_WRITE = 0x30,
    CMD_WRITE_ONCE = 0x31,
    CMD_WRITE_EXT = 0x34,
    CMD_WRITE_DMA_EXT = 0x35,
    CMD_SET_MAX_EXT = 0x37,
    CMD_WRITE_MULTIPLE_EXT = 0x39,
    CMD_WRITE_VERIFY = 0x3c,
    CMD_WRITE_DMA_FUA_EXT = 0x3d,
    CMD_VERIFY = 0x40,
    CMD_VERIFY_ONCE = 0x41,
    CMD_VERIFY_EXT = 0x42,
    CMD_SEEK = 0x70, /* to 7fh */
    CMD_SET_PARAMETERS = 0x91,
    CMD_STANDBY_NOW_OLD = 0x94, /* and on to SLEEP, 99h: the same as E0h to E6h */
    CMD_SLEEP_OLD = 0x99,
    CMD_SMART = 0xb0,
    CMD_READ_MULTIPLE = 0xc4,
    CMD_WRITE_MULTIPLE = 0xc5,
    CMD_SET_MULTIPLE = 0xc6,
    CMD_READ_DMA = 0xc8,
    CMD_READ_DMA_ONCE = 0xc9,
    CMD_WRITE_DMA = 0xca,
    CMD_WRITE_DMA_ONCE = 0xcb,
    CMD_WRITE_MULTIPLE_FUA_EXT = 0xce,
    CMD_STANDBY_NOW = 0xe0,
    CMD_IDLE_NOW = 0xe1,
    CMD_STANDBY = 0xe2,
    CMD_IDLE = 0xe3,
    CMD_READ_BUFFER = 0xe4,
    CMD_CHECK_POWER = 0xe5,
    CMD_SLEEP = 0xe6,
    CMD_FLUSH = 0xe7,
    CMD_WRITE_BUFFER = 0xe8,
    CMD_FLUSH_EXT = 0xea,
    CMD_IDENTIFY = 0xec,
    CMD_SET_FEATURES = 0xef,
    CMD_READ_NATIVE_MAX = 0xf8,
    CMD_SET_MAX = 0xf9,

    CHUNK = IDE_BUFFER_BYTES / BLOCK_SECTOR, /* sectors of one request by ports */
    POWER_ACTIVE = 0xff,
    POWER_IDLE = 0x80,
    POWER_STANDBY = 0x00,
};

#define LBA28_MAX 0x0fffffffull

uint64_t ide_disk_sectors(const struct ide_drive *drive)
{
    return drive->config.block ? block_size(drive->config.block) / BLOCK_SECTOR : 0;
}

/* What SRST and power-on have in common: the default translation. */
void ide_disk_reset(struct ide_drive *drive)
{
    drive->heads = 16;
    drive->sectors = 63;
    drive->multiple = 0;
    drive->power = POWER_ACTIVE;
    drive->asleep = 0;
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static uint64_t get_lba(const struct ide_drive *d, bool extended)
{
    if (extended)
        return (uint64_t)d->high[1] << 40 | (uint64_t)d->mid[1] << 32 | (uint64_t)d->low[1] << 24 |
               (uint64_t)d->high[0] << 16 | (uint64_t)d->mid[0] << 8 | d->low[0];
    if (d->device & IDE_DEVICE_LBA)
        return (uint64_t)(d->device & 0xf) << 24 | (uint64_t)d->high[0] << 16 | (uint64_t)d->mid[0] << 8 | d->low[0];
    uint64_t cylinder = (uint64_t)d->high[0] << 8 | d->mid[0];
    unsigned head = d->device & 0xf;
    if (!d->low[0] || d->low[0] > d->sectors || head >= d->heads)
        return UINT64_MAX;
    return (cylinder * d->heads + head) * d->sectors + d->low[0] - 1;
}

static void set_lba(struct ide_drive *d, bool extended, uint64_t lba)
{
    if (!extended && !(d->device & IDE_DEVICE_LBA) && d->heads && d->sectors) {
        uint64_t track = lba / d->sectors;
        d->low[0] = (uint8_t)(lba % d->sectors + 1);
        d->device = (uint8_t)((d->device & 0xf0) | track % d->heads);
        d->mid[0] = (uint8_t)(track / d->heads);
        d->high[0] = (uint8_t)(track / d->heads >> 8);
        return;
    }
    d->low[0] = (uint8_t)lba;
    d->mid[0] = (uint8_t)(lba >> 8);
    d->high[0] = (uint8_t)(lba >> 16);
    if (extended) {
        d->low[1] = (uint8_t)(lba >> 24);
        d->mid[1] = (uint8_t)(lba >> 32);
        d->high[1] = (uint8_t)(lba >> 40);
    } else {
        d->device = (uint8_t)((d->device & 0xf0) | (lba >> 24 & 0xf));
    }
}

static void fail_at(struct ide *ide, uint64_t lba, uint8_t error)
{
    set_lba(ide_active(ide), ide->extended, lba);
    ide_fail(ide, error);
}

/* Address and count of a command; false if it has failed for them. */
static bool take_range(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    uint64_t lba = get_lba(d, ide->extended);
    uint32_t count = ide->extended ? (uint32_t)d->count[1] << 8 | d->count[0] : d->count[0];

    if (!count)
        count = ide->extended ? 65536 : 256;
    if (lba >= d->max_address || count > d->max_address - lba) {
        ide_fail(ide, IDE_ERROR_IDNF);
        return false;
    }
    ide->lba = lba;
    ide->left = count;
    return true;
}

/* --- reading and writing ------------------------------------------------------------------------------------------ */

static uint32_t chunk_bytes(const struct ide *ide)
{
    return (ide->left < CHUNK ? ide->left : CHUNK) * BLOCK_SECTOR;
}

static void fetch(struct ide *ide)
{
    ide_active(ide)->status = IDE_BSY | IDE_DRDY | IDE_DSC;
    ide_request(ide, BLOCK_READ, ide->lba * BLOCK_SECTOR, 0, chunk_bytes(ide));
}

static void accept(struct ide *ide)
{
    ide_data_out(ide, chunk_bytes(ide), ide->block_bytes, IDE_TASK_WRITE);
}

static void flush(struct ide *ide)
{
    ide->task = IDE_TASK_FLUSH;
    ide_active(ide)->status = IDE_BSY | IDE_DRDY | IDE_DSC;
    ide_request(ide, BLOCK_FLUSH, 0, 0, 0);
}

/* The last sector is in the image. */
static void written(struct ide *ide)
{
    if (ide->forced || !ide_active(ide)->write_cache)
        flush(ide);
    else
        ide_finish(ide);
}

static void start_pio(struct ide *ide, enum ide_task task, bool multiple)
{
    unsigned sectors = multiple ? ide_active(ide)->multiple : 1;

    if (!sectors) {
        ide_fail(ide, IDE_ERROR_ABRT);
        return;
    }
    if (task == IDE_TASK_WRITE && block_readonly(ide_active(ide)->config.block)) {
        ide_fail(ide, IDE_ERROR_ABRT);
        return;
    }
    if (!take_range(ide))
        return;
    ide->task = task;
    ide->block_bytes = sectors * BLOCK_SECTOR;
    if (task == IDE_TASK_WRITE)
        accept(ide);
    else
        fetch(ide);
}

static void start_dma(struct ide *ide, bool to_memory)
{
    if (!ide->config.dma || (!to_memory && block_readonly(ide_active(ide)->config.block))) {
        ide_fail(ide, IDE_ERROR_ABRT);
        return;
    }
    if (!take_range(ide))
        return;
    ide->task = IDE_TASK_DMA;
    ide_dma(ide, true, to_memory, ide->lba * BLOCK_SECTOR, (uint64_t)ide->left * BLOCK_SECTOR);
}

void ide_disk_dma_done(struct ide *ide, int result, uint64_t transferred)
{
    (void)transferred;
    if (result)
        fail_at(ide, ide->dma_offset / BLOCK_SECTOR, ide->dma_to_memory ? IDE_ERROR_UNC : IDE_ERROR_ABRT);
    else if (ide->dma_to_memory)
        ide_finish(ide);
    else
        written(ide);
}

/* The image has answered: what it read is offered, what it wrote was the guest's last block. */
void ide_disk_requested(struct ide *ide, int result)
{
    uint64_t good = ide->request.transferred / BLOCK_SECTOR;

    if (ide->task == IDE_TASK_FLUSH) {
        if (result)
            ide_fail(ide, IDE_ERROR_ABRT);
        else
            ide_finish(ide);
        return;
    }
    if (result && (ide->task != IDE_TASK_READ || !good)) {
        fail_at(ide, ide->lba + good, ide->task == IDE_TASK_WRITE ? IDE_ERROR_ABRT : IDE_ERROR_UNC);
        return;
    }
    ide->lba += good;
    ide->left -= (uint32_t)good;
    if (ide->task == IDE_TASK_READ)
        ide_data_in(ide, (uint32_t)good * BLOCK_SECTOR, ide->block_bytes, IDE_TASK_READ);
    else if (ide->task == IDE_TASK_VERIFY && ide->left)
        fetch(ide);
    else if (ide->task == IDE_TASK_VERIFY)
        ide_finish(ide);
    else if (ide->left) {
        accept(ide);
        ide_interrupt(ide);
    } else {
        written(ide);
    }
}

/* The buffer has moved through the data port. */
void ide_disk_moved(struct ide *ide)
{
    switch (ide->task) {
    case IDE_TASK_READ:
    case IDE_TASK_ANSWER:
        if (ide->task == IDE_TASK_READ && ide->left)
            fetch(ide);
        else
            ide_finish_quietly(ide);
        break;
    case IDE_TASK_WRITE:
        ide_request(ide, BLOCK_WRITE, ide->lba * BLOCK_SECTOR, 0, ide->filled);
        break;
    default:
        ide_finish(ide);
        break;
    }
}

/* --- the other commands ------------------------------------------------------------------------------------------- */

static void set_parameters(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    if (!d->count[0]) {
        ide_fail(ide, IDE_ERROR_ABRT);
        return;
    }
    d->heads = (uint8_t)((d->device & 0xf) + 1);
    d->sectors = d->count[0];
    ide_finish(ide);
}

/* A power of two up to 128, or 0: READ MULTIPLE is off. */
static void set_multiple(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    uint8_t count = d->count[0];
    if (count > 128 || (count & (count - 1))) {
        ide_fail(ide, IDE_ERROR_ABRT);
        return;
    }
    d->multiple = count;
    ide_finish(ide);
}

static void read_native_max(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    uint64_t last = ide_disk_sectors(d) - 1;
    if (!ide->extended && last > LBA28_MAX)
        last = LBA28_MAX;
    set_lba(d, ide->extended, last);
    ide_finish(ide);
}

/* Not kept over a power cycle, whatever the volatile bit says. Passwords (feature codes) are not supported. */
static void set_max(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    uint64_t last = get_lba(d, ide->extended);
    if (last >= ide_disk_sectors(d) || (!ide->extended && d->feature[0])) {
        ide_fail(ide, last == UINT64_MAX || (!ide->extended && d->feature[0]) ? IDE_ERROR_ABRT : IDE_ERROR_IDNF);
        return;
    }
    d->max_address = last + 1;
    ide_finish(ide);
}

static void seek(struct ide *ide)
{
    uint64_t lba = get_lba(ide_active(ide), false);
    if (lba < ide_active(ide)->max_address)
        ide_finish(ide);
    else
        ide_fail(ide, IDE_ERROR_IDNF);
}

static void power_command(struct ide *ide, uint8_t command)
{
    struct ide_drive *d = ide_active(ide);
    static const uint8_t modern[] = {CMD_STANDBY_NOW, CMD_IDLE_NOW, CMD_STANDBY, CMD_IDLE, CMD_CHECK_POWER, CMD_SLEEP};
    if (command >= CMD_STANDBY_NOW_OLD && command <= CMD_SLEEP_OLD)
        command = modern[command - CMD_STANDBY_NOW_OLD];
    switch (command) {
    case CMD_STANDBY_NOW:
    case CMD_STANDBY:
        d->power = POWER_STANDBY;
        break;
    case CMD_IDLE_NOW:
    case CMD_IDLE:
        d->power = POWER_IDLE;
        break;
    case CMD_CHECK_POWER:
        d->count[0] = d->power;
        break;
    case CMD_SLEEP:
        d->asleep = 1;
        break;
    }
    if (command == CMD_CHECK_POWER)
        ide_finish(ide);
    else
        flush(ide); /* as the heads are parked */
}

static void answer(struct ide *ide, void (*fill)(struct ide *))
{
    if (fill)
        fill(ide);
    ide_data_in(ide, BLOCK_SECTOR, BLOCK_SECTOR, IDE_TASK_ANSWER);
}

/* --- dispatch ----------------------------------------------------------------------------------------------------- */

static bool is_extended(uint8_t command)
{
    switch (command) {
    case CMD_READ_EXT:
    case CMD_READ_DMA_EXT:
    case CMD_READ_NATIVE_MAX_EXT:
    case CMD_READ_MULTIPLE_EXT:
    case CMD_WRITE_EXT:
    case CMD_WRITE_DMA_EXT:
    case CMD_SET_MAX_EXT:
    case CMD_WRITE_MULTIPLE_EXT:
    case CMD_WRITE_DMA_FUA_EXT:
    case CMD_VERIFY_EXT:
    case CMD_WRITE_MULTIPLE_FUA_EXT:
        return true;
    default:
        return false;
    }
}

/* Commands that move sectors. */
static bool transfer_command(struct ide *ide, uint8_t command)
{
    switch (command) {
    case CMD_READ:
    case CMD_READ_ONCE:
    case CMD_READ_EXT:
        start_pio(ide, IDE_TASK_READ, false);
        return true;
    case CMD_READ_MULTIPLE:
    case CMD_READ_MULTIPLE_EXT:
        start_pio(ide, IDE_TASK_READ, true);
        return true;
    case CMD_WRITE:
    case CMD_WRITE_ONCE:
    case CMD_WRITE_EXT:
    case CMD_WRITE_VERIFY:
        start_pio(ide, IDE_TASK_WRITE, false);
        return true;
    case CMD_WRITE_MULTIPLE:
    case CMD_WRITE_MULTIPLE_EXT:
    case CMD_WRITE_MULTIPLE_FUA_EXT:
        start_pio(ide, IDE_TASK_WRITE, true);
        return true;
    case CMD_VERIFY:
    case CMD_VERIFY_ONCE:
    case CMD_VERIFY_EXT:
        start_pio(ide, IDE_TASK_VERIFY, false);
        return true;
    case CMD_READ_DMA:
    case CMD_READ_DMA_ONCE:
    case CMD_READ_DMA_EXT:
        start_dma(ide, true);
        return true;
    case CMD_WRITE_DMA:
    case CMD_WRITE_DMA_ONCE:
    case CMD_WRITE_DMA_EXT:
    case CMD_WRITE_DMA_FUA_EXT:
        start_dma(ide, false);
        return true;
    default:
        return false;
    }
}

void ide_disk_command(struct ide *ide, uint8_t command)
{
    struct ide_drive *d = ide_active(ide);

    ide->extended = is_extended(command);
    ide->forced = command == CMD_WRITE_DMA_FUA_EXT || command == CMD_WRITE_MULTIPLE_FUA_EXT;
    if (transfer_command(ide, command)) {
        d->power = POWER_ACTIVE;
        return;
    }
    switch (command) {
    case CMD_READ_NATIVE_MAX:
    case CMD_READ_NATIVE_MAX_EXT:
        read_native_max(ide);
        break;
    case CMD_SET_MAX:
    case CMD_SET_MAX_EXT:
        set_max(ide);
        break;
    case CMD_SET_PARAMETERS:
        set_parameters(ide);
        break;
    case CMD_SET_MULTIPLE:
        set_multiple(ide);
        break;
    case CMD_FLUSH:
    case CMD_FLUSH_EXT:
        flush(ide);
        break;
    case CMD_IDENTIFY:
        answer(ide, ide_disk_identify);
        break;
    case CMD_READ_BUFFER:
        answer(ide, NULL);
        break;
    case CMD_WRITE_BUFFER:
        ide_data_out(ide, BLOCK_SECTOR, BLOCK_SECTOR, IDE_TASK_DISCARD);
        break;
    case CMD_SMART:
        ide_disk_smart(ide);
        break;
    case CMD_SET_FEATURES:
        if (ide_disk_set_features(ide))
            ide_finish(ide);
        else
            ide_fail(ide, IDE_ERROR_ABRT);
        break;
    default:
        if ((command & 0xf0) == CMD_RECALIBRATE)
            ide_finish(ide);
        else if ((command & 0xf0) == CMD_SEEK)
            seek(ide);
        else if ((command >= CMD_STANDBY_NOW_OLD && command <= CMD_SLEEP_OLD) ||
                 (command >= CMD_STANDBY_NOW && command <= CMD_SLEEP && command != CMD_READ_BUFFER))
            power_command(ide, command);
        else
            ide_fail(ide, IDE_ERROR_ABRT); /* NOP too */
        break;
    }
}
