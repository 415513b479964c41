/*
 * An ATAPI CD-ROM: the packet protocol, reading, the tray. See ide_int.h; the commands that only tell something are in
 * atapi_answer.c.
 *
 * Invariants: a packet command ends in done() or check(), which set the interrupt reason. lba + left <= the medium's
 * sectors while a read is in progress; a medium that changes ends it.
 *
 * Thread: whoever holds the machine lock.
 * Source: ATA/ATAPI-6 (T13 1410D), "PACKET command protocol"; MMC-4 (T10 1545D); SFF-8020i.
 */
#include "devices/chips/ide_int.h"

#include <string.h>

enum {
    CMD_PACKET = 0xa0,
    CMD_IDENTIFY_PACKET = 0xa1,
    CMD_IDENTIFY = 0xec,
    CMD_READ = 0x20,
    CMD_SET_FEATURES = 0xef,
    CMD_CHECK_POWER = 0xe5,
    CMD_STANDBY_NOW = 0xe0, /* to E3h: power, without effect; E6h too */
    CMD_IDLE = 0xe3,
    CMD_SLEEP = 0xe6,

    FEATURE_DMA = 0x01,
    FEATURE_OVERLAP = 0x02,

    REASON_COMMAND = 0x01,
    REASON_TO_HOST = 0x02,

    OP_TEST_UNIT_READY = 0x00,
    OP_REQUEST_SENSE = 0x03,
    OP_INQUIRY = 0x12,
    OP_START_STOP = 0x1b,
    OP_PREVENT = 0x1e,
    OP_READ_10 = 0x28,
    OP_SEEK = 0x2b,
    OP_VERIFY = 0x2f,
    OP_GET_CONFIGURATION = 0x46,
    OP_GET_EVENT_STATUS = 0x4a,
    OP_MODE_SELECT = 0x55,
    OP_READ_12 = 0xa8,
    OP_SET_SPEED = 0xbb,
    OP_READ_CD_MSF = 0xb9,
    OP_READ_CD = 0xbe,

    SECTOR = 2048,
    RAW_SECTOR = 2352,
    CHUNK = 32, /* sectors of one request by way of the buffer */

    EVENT_EJECT_REQUEST = 1,
    EVENT_NEW_MEDIUM = 2,
    EVENT_REMOVAL = 3,
};

uint32_t atapi_sectors(const struct ide_drive *drive)
{
    return drive->config.block && drive->loaded && !drive->tray_open
               ? (uint32_t)(block_size(drive->config.block) / SECTOR)
               : 0;
}

void atapi_sense(struct ide_drive *drive, uint8_t key, uint8_t asc, uint8_t ascq)
{
    drive->sense_key = key;
    drive->asc = asc;
    drive->ascq = ascq;
}

int atapi_fail_field(struct ide_drive *drive)
{
    atapi_sense(drive, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD, 0);
    return ATAPI_FAILED;
}

void atapi_reset(struct ide_drive *drive)
{
    atapi_sense(drive, SENSE_NONE, 0, 0);
    drive->locked = 0;
    drive->asleep = 0;
}

/* --- the ends of a command ---------------------------------------------------------------------------------------- */

static void done(struct ide *ide)
{
    ide_active(ide)->count[0] = REASON_COMMAND | REASON_TO_HOST;
    ide_finish(ide);
}

/* CHECK CONDITION: the sense is set. */
static void check(struct ide *ide)
{
    struct ide_drive *drive = ide_active(ide);
    drive->count[0] = REASON_COMMAND | REASON_TO_HOST;
    ide_fail(ide, (uint8_t)(drive->sense_key << 4 | IDE_ERROR_ABRT));
}

static void check_with(struct ide *ide, uint8_t key, uint8_t asc, uint8_t ascq)
{
    atapi_sense(ide_active(ide), key, asc, ascq);
    check(ide);
}

static void read_error(struct ide *ide)
{
    check_with(ide, SENSE_MEDIUM_ERROR, ASC_READ_ERROR, 0);
}

/* --- data by ports and by DMA ------------------------------------------------------------------------------------- */

/* The byte count the host has set, even unless it is the last. */
static uint32_t byte_limit(const struct ide_drive *drive)
{
    uint32_t limit = (uint32_t)drive->high[0] << 8 | drive->mid[0];
    if (limit == 0 || limit == 0xffff)
        return 0xfffe;
    return limit == 1 ? 2 : limit & ~1u;
}

/* Tells how long the block that is offered is, and which way it goes. */
static void describe_block(struct ide *ide, uint8_t reason)
{
    struct ide_drive *drive = ide_active(ide);
    uint32_t length = ide->end - ide->position;
    drive->mid[0] = (uint8_t)length;
    drive->high[0] = (uint8_t)(length >> 8);
    drive->count[0] = reason;
}

/* The next block of the buffer from `position` on. */
static void offer(struct ide *ide)
{
    uint32_t left = ide->filled - ide->position;
    ide->end = ide->position + (left < ide->block_bytes ? left : ide->block_bytes);
    ide_active(ide)->status = IDE_DRDY | IDE_DSC | IDE_DRQ;
    describe_block(ide, REASON_TO_HOST);
    ide_interrupt(ide);
}

/* `bytes` bytes of the buffer go to the host. */
static void send(struct ide *ide, uint32_t bytes, enum ide_task task)
{
    ide->task = task;
    if (ide->packet_dma) {
        ide->filled = ide->position = ide->end = 0;
        ide_dma(ide, false, true, 0, bytes);
        return;
    }
    ide->position = 0;
    ide->filled = bytes;
    offer(ide);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void fetch(struct ide *ide)
{
    uint32_t sectors = ide->left < CHUNK ? ide->left : CHUNK;
    ide->task = IDE_TASK_PACKET_READ;
    ide_active(ide)->status = IDE_BSY | IDE_DRDY | IDE_DSC;
    /* Raw sectors are unfolded from the buffer's end. */
    ide_request(ide, BLOCK_READ, ide->lba * SECTOR, ide->raw ? IDE_BUFFER_BYTES - sectors * SECTOR : 0,
                sectors * SECTOR);
}

void atapi_put_msf(uint8_t *to, uint32_t lba)
{
    uint32_t frames = lba + 150;
    to[0] = 0;
    to[1] = (uint8_t)(frames / 75 / 60);
    to[2] = (uint8_t)(frames / 75 % 60);
    to[3] = (uint8_t)(frames % 75);
}

static uint8_t bcd(uint8_t value)
{
    return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

/* Mode 1: synchronization, header, user data; EDC and ECC are left zero. */
static void unfold(struct ide *ide, uint32_t sectors)
{
    const uint8_t *from = ide->buffer + IDE_BUFFER_BYTES - sectors * SECTOR;
    for (uint32_t i = 0; i < sectors; i++, from += SECTOR) {
        uint8_t *to = ide->buffer + i * RAW_SECTOR, msf[4];
        atapi_put_msf(msf, (uint32_t)ide->lba + i);
        memmove(to + 16, from, SECTOR);
        memset(to, 0xff, 12);
        to[0] = to[11] = 0;
        for (unsigned k = 0; k < 3; k++)
            to[12 + k] = bcd(msf[k + 1]);
        to[15] = 1;
        memset(to + 16 + SECTOR, 0, RAW_SECTOR - 16 - SECTOR);
    }
}

void atapi_requested(struct ide *ide, int result)
{
    uint32_t sectors = ide->left < CHUNK ? ide->left : CHUNK;
    if (result) {
        read_error(ide);
        return;
    }
    if (ide->raw)
        unfold(ide, sectors);
    ide->lba += sectors;
    ide->left -= sectors;
    send(ide, sectors * (ide->raw ? RAW_SECTOR : SECTOR), IDE_TASK_PACKET_READ);
}

static void start_read(struct ide *ide, uint32_t lba, uint32_t sectors, bool raw)
{
    uint32_t all = atapi_sectors(ide_active(ide));
    if (lba > all || sectors > all - lba) {
        check_with(ide, SENSE_ILLEGAL_REQUEST, ASC_OUT_OF_RANGE, 0);
        return;
    }
    if (!sectors) {
        done(ide);
        return;
    }
    ide->lba = lba;
    ide->left = sectors;
    ide->raw = raw;
    if (!ide->packet_dma || raw) {
        fetch(ide);
        return;
    }
    ide->task = IDE_TASK_DMA;
    ide_dma(ide, true, true, (uint64_t)lba * SECTOR, (uint64_t)sectors * SECTOR);
}

/* READ CD: which parts of a sector are wanted. */
static void read_cd(struct ide *ide, uint32_t lba, uint32_t sectors)
{
    uint8_t type = ide->packet[1] >> 2 & 7, parts = ide->packet[9] & 0xf8;
    if (type != 0 && type != 2)
        check_with(ide, SENSE_ILLEGAL_REQUEST, ASC_ILLEGAL_MODE, 0);
    else if (!parts || !sectors)
        done(ide);
    else if (parts != 0x10 && parts != 0xf8)
        check_with(ide, SENSE_ILLEGAL_REQUEST, ASC_INVALID_FIELD, 0);
    else
        start_read(ide, lba, sectors, parts == 0xf8);
}

static uint32_t msf_to_lba(const uint8_t *msf)
{
    uint32_t frames = (msf[0] * 60u + msf[1]) * 75 + msf[2];
    return frames < 150 ? UINT32_MAX : frames - 150;
}

void atapi_dma_done(struct ide *ide, int result)
{
    if (result)
        read_error(ide);
    else if (ide->task == IDE_TASK_PACKET_READ && ide->left)
        fetch(ide);
    else
        done(ide);
}

/* --- the tray ----------------------------------------------------------------------------------------------------- */

static void start_stop(struct ide *ide)
{
    struct ide_drive *drive = ide_active(ide);
    bool start = ide->packet[4] & 1, load_eject = ide->packet[4] & 2;

    if (load_eject && !start && drive->locked) {
        check_with(ide, drive->loaded ? SENSE_ILLEGAL_REQUEST : SENSE_NOT_READY, ASC_REMOVAL_PREVENTED, 2);
        return;
    }
    if (load_eject && !start && !drive->tray_open) {
        drive->tray_open = 1;
        drive->event = EVENT_REMOVAL;
    } else if (load_eject && start && drive->tray_open) {
        drive->tray_open = 0;
        if (drive->loaded) {
            drive->attention = ASC_MEDIUM_CHANGED;
            drive->event = EVENT_NEW_MEDIUM;
        }
    }
    done(ide);
}

void ide_change_medium(struct ide *ide, unsigned number, struct block *block)
{
    struct ide_drive *drive = &ide->drive[number];

    if (drive->config.kind != IDE_CDROM)
        return;
    if (ide->active == (int)number && drive->config.block)
        block_drain(drive->config.block);
    if (ide->active == (int)number && ide->task != IDE_TASK_PACKET)
        check_with(ide, SENSE_NOT_READY, ASC_NO_MEDIUM, 0);
    drive->config.block = block;
    drive->loaded = block != NULL;
    drive->tray_open = !block;
    drive->event = block ? EVENT_NEW_MEDIUM : EVENT_REMOVAL;
    drive->attention = block ? ASC_MEDIUM_CHANGED : 0;
    if (!block)
        drive->locked = 0;
}

bool ide_tray_locked(const struct ide *ide, unsigned number)
{
    return ide->drive[number].locked;
}

bool ide_tray_open(const struct ide *ide, unsigned number)
{
    return ide->drive[number].tray_open;
}

void ide_eject_request(struct ide *ide, unsigned number)
{
    ide->drive[number].event = EVENT_EJECT_REQUEST;
}

/* --- packets ------------------------------------------------------------------------------------------------------ */

static void mode_select(struct ide *ide)
{
    uint32_t length = get_be16(ide->packet + 7);
    if (!length) {
        done(ide);
    } else if (ide->packet_dma) {
        ide->task = IDE_TASK_PACKET_DATA;
        ide_dma(ide, false, false, 0, length);
    } else {
        ide_data_out(ide, length, ide->block_bytes, IDE_TASK_PACKET_DATA);
        describe_block(ide, 0);
        ide_interrupt(ide);
    }
}

static void answer(struct ide *ide)
{
    uint32_t allocation = 0;

    memset(ide->buffer, 0, 512);
    int length = atapi_answer(ide, &allocation);
    if (length == ATAPI_UNKNOWN) {
        check_with(ide, SENSE_ILLEGAL_REQUEST, ASC_INVALID_COMMAND, 0);
        return;
    }
    if (length == ATAPI_FAILED) {
        check(ide);
        return;
    }
    if ((uint32_t)length < allocation)
        allocation = (uint32_t)length;
    if (allocation)
        send(ide, allocation, IDE_TASK_PACKET_ANSWER);
    else
        done(ide);
}

/* Commands that need a medium, and may be told first that it has changed. False: the command has failed. */
static bool ready(struct ide *ide)
{
    struct ide_drive *drive = ide_active(ide);
    if (drive->attention) {
        uint8_t asc = drive->attention;
        drive->attention = 0;
        check_with(ide, SENSE_UNIT_ATTENTION, asc, 0);
        return false;
    }
    if (atapi_sectors(drive))
        return true;
    check_with(ide, SENSE_NOT_READY, ASC_NO_MEDIUM, drive->tray_open ? 2 : 1);
    return false;
}

static bool needs_medium(uint8_t operation)
{
    static const uint8_t operations[] = {OP_TEST_UNIT_READY,
                                         OP_READ_10,
                                         OP_READ_12,
                                         OP_READ_CD,
                                         OP_READ_CD_MSF,
                                         OP_SEEK,
                                         OP_VERIFY,
                                         0x25,
                                         0x42,
                                         0x43,
                                         0x44,
                                         0x51,
                                         0x52,
                                         0xad};
    return memchr(operations, operation, sizeof(operations)) != NULL;
}

static void seek(struct ide *ide)
{
    if (get_be32(ide->packet + 2) < atapi_sectors(ide_active(ide)))
        done(ide);
    else
        check_with(ide, SENSE_ILLEGAL_REQUEST, ASC_OUT_OF_RANGE, 0);
}

static void execute(struct ide *ide)
{
    struct ide_drive *drive = ide_active(ide);
    const uint8_t *p = ide->packet;

    if (needs_medium(p[0]) && !ready(ide))
        return;
    if (p[0] != OP_REQUEST_SENSE)
        atapi_sense(drive, SENSE_NONE, 0, 0);
    switch (p[0]) {
    case OP_TEST_UNIT_READY:
    case OP_SET_SPEED:
        done(ide);
        break;
    case OP_START_STOP:
        start_stop(ide);
        break;
    case OP_PREVENT:
        drive->locked = p[4] & 1;
        done(ide);
        break;
    case OP_SEEK:
    case OP_VERIFY:
        seek(ide);
        break;
    case OP_READ_10:
        start_read(ide, get_be32(p + 2), get_be16(p + 7), false);
        break;
    case OP_READ_12:
        start_read(ide, get_be32(p + 2), get_be32(p + 6), false);
        break;
    case OP_READ_CD:
        read_cd(ide, get_be32(p + 2), (uint32_t)p[6] << 16 | get_be16(p + 7));
        break;
    case OP_READ_CD_MSF:
        read_cd(ide, msf_to_lba(p + 3), msf_to_lba(p + 6) - msf_to_lba(p + 3));
        break;
    case OP_MODE_SELECT:
        mode_select(ide);
        break;
    default:
        answer(ide);
        break;
    }
}

void atapi_moved(struct ide *ide)
{
    if (ide->task == IDE_TASK_PACKET) {
        memcpy(ide->packet, ide->buffer, sizeof(ide->packet));
        ide->position = ide->end = ide->filled = 0;
        execute(ide);
    } else if (ide->position < ide->filled && ide->task == IDE_TASK_PACKET_DATA) {
        uint32_t position = ide->position, filled = ide->filled;
        ide_data_out(ide, filled - position, ide->block_bytes, IDE_TASK_PACKET_DATA);
        describe_block(ide, 0);
        ide_interrupt(ide);
    } else if (ide->position < ide->filled) {
        offer(ide);
    } else if (ide->task == IDE_TASK_ANSWER) { /* IDENTIFY PACKET DEVICE */
        ide_finish_quietly(ide);
    } else if (ide->task == IDE_TASK_PACKET_READ && ide->left) {
        fetch(ide);
    } else {
        done(ide);
    }
}

static void start_packet(struct ide *ide)
{
    struct ide_drive *drive = ide_active(ide);

    if ((drive->feature[0] & FEATURE_OVERLAP) || ((drive->feature[0] & FEATURE_DMA) && !ide->config.dma)) {
        ide_fail(ide, IDE_ERROR_ABRT);
        return;
    }
    ide->packet_dma = drive->feature[0] & FEATURE_DMA;
    ide->raw = 0;
    ide_data_out(ide, sizeof(ide->packet), sizeof(ide->packet), IDE_TASK_PACKET);
    ide->block_bytes = byte_limit(drive);
    drive->count[0] = REASON_COMMAND;
}

void atapi_command(struct ide *ide, uint8_t command)
{
    struct ide_drive *drive = ide_active(ide);

    switch (command) {
    case CMD_PACKET:
        start_packet(ide);
        break;
    case CMD_IDENTIFY_PACKET:
        atapi_identify(ide);
        ide_data_in(ide, BLOCK_SECTOR, BLOCK_SECTOR, IDE_TASK_ANSWER);
        break;
    case CMD_IDENTIFY:
    case CMD_READ: /* commands for disks: refused with the signature, by which a CD-ROM is recognized */
        ide_fail(ide, IDE_ERROR_ABRT);
        ide_signature(ide, drive == &ide->drive[1]);
        drive->status = IDE_DRDY | IDE_ERR;
        break;
    case CMD_SET_FEATURES:
        if (drive->feature[0] == 3 && ide_set_transfer_mode(drive, drive->count[0]))
            ide_finish(ide);
        else
            ide_fail(ide, IDE_ERROR_ABRT);
        break;
    case CMD_CHECK_POWER:
        drive->count[0] = 0xff;
        ide_finish(ide);
        break;
    default:
        if ((command >= CMD_STANDBY_NOW && command <= CMD_IDLE) || command == CMD_SLEEP)
            ide_finish(ide);
        else
            ide_fail(ide, IDE_ERROR_ABRT);
        break;
    }
}
