/*
 * An IDE channel: task file, data port, DMA, resets. See ide.h.
 *
 * Invariants: `active` is the drive whose command is in progress, and only then is its BSY or DRQ set. While DRQ is
 * set, position < end <= filled <= the buffer's size. `requested` says that the image works for us: nothing of the
 * command changes until its answer comes, or until block_drain() has brought it.
 *
 * Thread: whoever holds the machine lock.
 * Source: ATA/ATAPI-6 (T13 1410D), "I/O register descriptions", "Interface protocol"; Intel 82371SB, "PCI IDE".
 *
 * Choices: an absent drive's registers read as 0, as device 0 answers for an absent device 1. A command to a drive
 * while the other one has one in progress is ignored, and so is a write to the task file of a busy drive.
 */
#include "devices/chips/ide.h"

#include "cpu-model/base/log.h"
#include "devices/chips/ide_int.h"

#include <errno.h>
#include <string.h>

enum {
    REG_DATA,
    REG_ERROR, /* write: features */
    REG_COUNT,
    REG_LOW,
    REG_MID,
    REG_HIGH,
    REG_DEVICE,
    REG_STATUS, /* write: command */

    CONTROL_NIEN = 0x02,
    CONTROL_SRST = 0x04,
    CONTROL_HOB = 0x80,

    COMMAND_DEVICE_RESET = 0x08,
    COMMAND_DIAGNOSTIC = 0x90,
};

/* Both drives see a write to the device register, so it is the same in both. */
static unsigned selected(const struct ide *ide)
{
    return ide->drive[0].device & IDE_DEVICE_SLAVE ? 1 : 0;
}

static bool present(const struct ide *ide, unsigned drive)
{
    return ide->drive[drive].config.kind != IDE_NONE;
}

static bool is_cdrom(const struct ide *ide)
{
    return ide_active((struct ide *)ide)->config.kind == IDE_CDROM;
}

static void update_irq(struct ide *ide)
{
    irq_set(&ide->config.irq, ide->intrq && !(ide->control & CONTROL_NIEN));
}

void ide_interrupt(struct ide *ide)
{
    ide->intrq = 1;
    update_irq(ide);
}

void ide_word(uint8_t *to, unsigned word, uint16_t value)
{
    to[word * 2] = (uint8_t)value;
    to[word * 2 + 1] = (uint8_t)(value >> 8);
}

void ide_text(uint8_t *to, const char *text, unsigned bytes)
{
    bool ended = false;
    for (unsigned i = 0; i < bytes; i++) {
        ended = ended || !text[i];
        to[i ^ 1] = ended ? ' ' : (uint8_t)text[i];
    }
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static void end_command(struct ide *ide)
{
    ide->active = -1;
    ide->task = IDE_TASK_NONE;
    ide->position = ide->end = ide->filled = 0;
    ide->left = 0;
    ide->dma_waits = 0;
    ide->dma_left = 0;
}

void ide_finish_quietly(struct ide *ide)
{
    ide_active(ide)->status = IDE_DRDY | IDE_DSC;
    end_command(ide);
}

void ide_finish(struct ide *ide)
{
    ide_finish_quietly(ide);
    ide_interrupt(ide);
}

void ide_fail(struct ide *ide, uint8_t error)
{
    struct ide_drive *drive = ide_active(ide);
    drive->status = IDE_DRDY | IDE_DSC | IDE_ERR;
    drive->error = error;
    end_command(ide);
    ide_interrupt(ide);
}

/* Waits for the image, whose answer changes nothing any more. */
static void abandon(struct ide *ide)
{
    struct block *block = ide->requested ? ide_active(ide)->config.block : NULL;
    end_command(ide);
    if (block)
        block_drain(block);
}

static void reset_drive(struct ide *ide, unsigned number)
{
    struct ide_drive *drive = &ide->drive[number];
    if (drive->config.kind == IDE_DISK)
        ide_disk_reset(drive);
    else if (drive->config.kind == IDE_CDROM)
        atapi_reset(drive);
}

void ide_signature(struct ide *ide, unsigned number)
{
    struct ide_drive *drive = &ide->drive[number];
    bool cdrom = drive->config.kind == IDE_CDROM;
    drive->count[0] = drive->low[0] = 1;
    drive->mid[0] = cdrom ? 0x14 : 0;
    drive->high[0] = cdrom ? 0xeb : 0;
    /* An ATAPI drive is not ready until it is identified as one. */
    drive->status = cdrom ? 0 : IDE_DRDY | IDE_DSC;
}

/* Both drives test themselves: code 1 is "passed". Device 0 is selected afterwards. */
void ide_diagnose(struct ide *ide)
{
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        ide->drive[i].device = 0;
        ide->drive[i].error = 1;
        if (present(ide, i))
            ide_signature(ide, i);
    }
}

static void soft_reset(struct ide *ide)
{
    abandon(ide);
    ide->intrq = 0;
    for (unsigned i = 0; i < IDE_DRIVES; i++)
        if (present(ide, i))
            reset_drive(ide, i);
    ide_diagnose(ide);
    update_irq(ide);
}

static void write_command(struct ide *ide, uint8_t command)
{
    struct ide_drive *drive = &ide->drive[selected(ide)];

    if (ide->control & CONTROL_SRST)
        return;
    if (command == COMMAND_DIAGNOSTIC && ide->active < 0 && (present(ide, 0) || present(ide, 1))) {
        ide_diagnose(ide);
        ide_interrupt(ide);
        return;
    }
    if (drive->config.kind == IDE_NONE)
        return;
    if (command == COMMAND_DEVICE_RESET && drive->config.kind == IDE_CDROM) {
        if (ide->active == (int)selected(ide))
            abandon(ide);
        reset_drive(ide, selected(ide));
        drive->error = 1;
        ide_signature(ide, selected(ide));
        return;
    }
    if (ide->active >= 0 || drive->asleep) {
        log_line(LOG_GUEST, "IDE: command %02x while one is in progress, or asleep", command);
        return;
    }
    ide->intrq = 0;
    update_irq(ide);
    ide->active = (int8_t)selected(ide);
    ide->task = IDE_TASK_NONE;
    drive->status = IDE_BSY | IDE_DRDY | IDE_DSC;
    drive->error = 0;
    log_line(LOG_DISK, "IDE %u.%u: command %02x feature %02x count %02x lba %02x%02x%02x device %02x",
             ide->config.number, selected(ide), command, drive->feature[0], drive->count[0], drive->high[0],
             drive->mid[0], drive->low[0], drive->device);
    if (drive->config.kind == IDE_DISK)
        ide_disk_command(ide, command);
    else
        atapi_command(ide, command);
}

/* --- requests to the image ---------------------------------------------------------------------------------------- */

static void run_dma(struct ide *ide);

static void dma_moved(struct ide *ide)
{
    const struct ide_config *c = &ide->config;
    uint64_t moved = ide->request.transferred;
    int result = ide->request.result;

    c->dma->unmap(c->dma_context, ide->dma_to_memory, ide->pieces, ide->piece_count);
    ide->dma_offset += moved;
    ide->dma_left -= moved < ide->dma_left ? moved : ide->dma_left;
    if (!result && ide->dma_left)
        run_dma(ide);
    else if (is_cdrom(ide))
        atapi_dma_done(ide, result);
    else
        ide_disk_dma_done(ide, result, moved);
}

static void on_done(struct block_request *request)
{
    struct ide *ide = request->device;

    ide->requested = false;
    if (ide->active < 0) { /* abandoned */
        if (ide->piece_count)
            ide->config.dma->unmap(ide->config.dma_context, ide->dma_to_memory, ide->pieces, ide->piece_count);
    } else if (ide->piece_count)
        dma_moved(ide);
    else if (is_cdrom(ide))
        atapi_requested(ide, request->result);
    else
        ide_disk_requested(ide, request->result);
}

static void submit(struct ide *ide, enum block_operation operation, uint64_t offset, unsigned count)
{
    ide->request = (struct block_request){.operation = operation,
                                          .offset = offset,
                                          .vector = ide->pieces,
                                          .count = count,
                                          .done = on_done,
                                          .device = ide};
    ide->requested = true;
    block_submit(ide_active(ide)->config.block, &ide->request);
}

void ide_request(struct ide *ide, enum block_operation operation, uint64_t offset, uint32_t at, uint32_t bytes)
{
    ide->pieces[0] = (struct iovec){ide->buffer + at, bytes};
    ide->piece_count = 0;
    submit(ide, operation, offset, 1);
}

/* --- DMA ---------------------------------------------------------------------------------------------------------- */

static void copy_pieces(struct ide *ide)
{
    for (unsigned i = 0; i < ide->piece_count; i++) {
        size_t length = ide->pieces[i].iov_len;
        uint8_t *at = ide->buffer + ide->dma_offset;
        if (ide->dma_to_memory)
            memcpy(ide->pieces[i].iov_base, at, length);
        else
            memcpy(at, ide->pieces[i].iov_base, length);
        ide->dma_offset += length;
        ide->dma_left -= length;
    }
}

/* Goes on as far as the bus master lets it. */
static void run_dma(struct ide *ide)
{
    const struct ide_config *c = &ide->config;

    ide->dma_waits = 1;
    while (ide->dma_left) {
        ide->piece_count =
            c->dma ? c->dma->map(c->dma_context, ide->dma_to_memory, ide->dma_left, ide->pieces, IDE_PIECES) : 0;
        if (!ide->piece_count)
            return;
        if (ide->dma_medium) {
            ide->dma_waits = 0;
            submit(ide, ide->dma_to_memory ? BLOCK_READ : BLOCK_WRITE, ide->dma_offset, ide->piece_count);
            return;
        }
        copy_pieces(ide);
        c->dma->unmap(c->dma_context, ide->dma_to_memory, ide->pieces, ide->piece_count);
        ide->piece_count = 0;
    }
    ide->dma_waits = 0;
    if (is_cdrom(ide))
        atapi_dma_done(ide, 0);
    else
        ide_disk_dma_done(ide, 0, 0);
}

void ide_dma(struct ide *ide, bool medium, bool to_memory, uint64_t offset, uint64_t bytes)
{
    ide->dma_medium = medium;
    ide->dma_to_memory = to_memory;
    ide->dma_offset = offset;
    ide->dma_left = bytes;
    ide_active(ide)->status = IDE_DRDY | IDE_DSC | IDE_DRQ;
    run_dma(ide);
}

void ide_dma_started(struct ide *ide)
{
    if (ide->active >= 0 && ide->dma_waits)
        run_dma(ide);
}

void ide_dma_stopped(struct ide *ide)
{
    if (ide->active >= 0 && ide->requested && ide->piece_count)
        block_drain(ide_active(ide)->config.block);
}

/* --- the data port ------------------------------------------------------------------------------------------------ */

static void offer_block(struct ide *ide)
{
    uint32_t left = ide->filled - ide->position;
    ide->end = ide->position + (left < ide->block_bytes ? left : ide->block_bytes);
    ide_active(ide)->status = IDE_DRDY | IDE_DSC | IDE_DRQ;
}

void ide_data_in(struct ide *ide, uint32_t bytes, uint32_t block_bytes, enum ide_task task)
{
    ide->task = task;
    ide->position = 0;
    ide->filled = bytes;
    ide->block_bytes = block_bytes;
    offer_block(ide);
    ide_interrupt(ide);
}

void ide_data_out(struct ide *ide, uint32_t bytes, uint32_t block_bytes, enum ide_task task)
{
    ide->task = task;
    ide->position = 0;
    ide->filled = bytes;
    ide->block_bytes = block_bytes;
    offer_block(ide);
}

/* A DRQ block has moved: the next one, or the drive's turn. */
static void block_moved(struct ide *ide)
{
    if (!is_cdrom(ide) && ide->position < ide->filled) {
        offer_block(ide);
        ide_interrupt(ide);
        return;
    }
    ide_active(ide)->status = IDE_BSY | IDE_DRDY | IDE_DSC;
    if (is_cdrom(ide))
        atapi_moved(ide);
    else
        ide_disk_moved(ide);
}

static bool into_drive(const struct ide *ide)
{
    switch (ide->task) {
    case IDE_TASK_WRITE:
    case IDE_TASK_DISCARD:
    case IDE_TASK_PACKET:
    case IDE_TASK_PACKET_DATA:
        return true;
    default:
        return false;
    }
}

/* The bytes of an access that the DRQ block has. */
static unsigned data_bytes(const struct ide *ide, bool write, unsigned size)
{
    if (ide->active != (int)selected(ide) || ide->position >= ide->end || into_drive(ide) != write)
        return 0;
    return size < ide->end - ide->position ? size : ide->end - ide->position;
}

static uint64_t read_data(struct ide *ide, unsigned size)
{
    uint64_t value = 0;
    unsigned bytes = data_bytes(ide, false, size);

    memcpy(&value, ide->buffer + ide->position, bytes);
    ide->position += bytes;
    if (bytes && ide->position == ide->end)
        block_moved(ide);
    return value;
}

static void write_data(struct ide *ide, uint64_t value, unsigned size)
{
    unsigned bytes = data_bytes(ide, true, size);

    memcpy(ide->buffer + ide->position, &value, bytes);
    ide->position += bytes;
    if (bytes && ide->position == ide->end)
        block_moved(ide);
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

static uint8_t read_register(struct ide *ide, unsigned reg)
{
    const struct ide_drive *drive = &ide->drive[selected(ide)];
    bool hob = ide->control & CONTROL_HOB;

    if (drive->config.kind == IDE_NONE)
        return 0;
    switch (reg) {
    case REG_ERROR:
        return drive->error;
    case REG_COUNT:
        return drive->count[hob];
    case REG_LOW:
        return drive->low[hob];
    case REG_MID:
        return drive->mid[hob];
    case REG_HIGH:
        return drive->high[hob];
    case REG_DEVICE:
        return drive->device | 0xa0;
    default:
        ide->intrq = 0;
        update_irq(ide);
        return drive->status;
    }
}

static void push(uint8_t pair[2], uint8_t value)
{
    pair[1] = pair[0];
    pair[0] = value;
}

/* Both drives take the write; one that is busy does not. */
static void write_register(struct ide *ide, unsigned reg, uint8_t value)
{
    ide->control &= (uint8_t)~CONTROL_HOB;
    if (reg == REG_STATUS) {
        write_command(ide, value);
        return;
    }
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        struct ide_drive *drive = &ide->drive[i];
        if (reg == REG_DEVICE)
            drive->device = value;
        if (drive->status & (IDE_BSY | IDE_DRQ))
            continue;
        switch (reg) {
        case REG_ERROR:
            push(drive->feature, value);
            break;
        case REG_COUNT:
            push(drive->count, value);
            break;
        case REG_LOW:
            push(drive->low, value);
            break;
        case REG_MID:
            push(drive->mid, value);
            break;
        case REG_HIGH:
            push(drive->high, value);
            break;
        }
    }
}

static uint64_t command_read(void *device, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    if (offset == REG_DATA)
        return read_data(device, size);
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)(offset + i < IDE_COMMAND_SIZE ? read_register(device, (unsigned)offset + i) : 0xff)
                 << i * 8;
    return value;
}

static void command_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset == REG_DATA) {
        write_data(device, value, size);
        return;
    }
    for (unsigned i = 0; i < size && offset + i < IDE_COMMAND_SIZE; i++)
        write_register(device, (unsigned)offset + i, (uint8_t)(value >> i * 8));
}

/* The alternate status: without the side effect. */
static uint64_t control_read(void *device, uint64_t offset, unsigned size)
{
    struct ide *ide = device;
    (void)offset;
    (void)size;
    return present(ide, selected(ide)) ? ide->drive[selected(ide)].status : 0;
}

static void control_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct ide *ide = device;
    uint8_t before = ide->control;
    (void)offset;
    (void)size;
    ide->control = (uint8_t)value;
    if ((value & CONTROL_SRST) && !(before & CONTROL_SRST)) {
        soft_reset(ide);
        for (unsigned i = 0; i < IDE_DRIVES; i++)
            ide->drive[i].status = IDE_BSY;
    } else if (!(value & CONTROL_SRST) && (before & CONTROL_SRST)) {
        soft_reset(ide);
    }
    update_irq(ide);
}

const struct bus_ops ide_command_ops = {.read = command_read, .write = command_write, .widths = 1 | 2 | 4};
const struct bus_ops ide_control_ops = {.read = control_read, .write = control_write, .widths = 1};

/* --- life --------------------------------------------------------------------------------------------------------- */

static void ide_reset(void *device)
{
    struct ide *ide = device;
    ide->control = 0;
    soft_reset(ide);
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        struct ide_drive *drive = &ide->drive[i];
        memset(drive->feature, 0, 2);
        drive->count[1] = drive->low[1] = drive->mid[1] = drive->high[1] = 0;
        drive->write_cache = drive->look_ahead = drive->smart = 1;
        drive->dma_mode = 0;
        drive->max_address = ide_disk_sectors(drive);
        drive->asleep = 0;
    }
}

static void ide_destroy(void *device)
{
    abandon(device);
}

static void ide_restored(void *device)
{
    struct ide *ide = device;
    struct ide_drive *drive;

    if (ide->active < -1 || ide->active >= IDE_DRIVES || (ide->active >= 0 && !present(ide, (unsigned)ide->active)))
        ide->active = -1;
    if (ide->filled > IDE_BUFFER_BYTES)
        ide->filled = IDE_BUFFER_BYTES;
    if (ide->end > ide->filled)
        ide->end = ide->filled;
    if (ide->position > ide->end)
        ide->position = ide->end;
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        drive = &ide->drive[i];
        if (drive->max_address > ide_disk_sectors(drive))
            drive->max_address = ide_disk_sectors(drive);
        if (drive->multiple > 128)
            drive->multiple = 0;
        if (!drive->heads || !drive->sectors)
            ide_disk_reset(drive);
    }
    if (ide->dma_left > IDE_BUFFER_BYTES || ide->dma_offset > IDE_BUFFER_BYTES - ide->dma_left)
        ide->dma_waits &= ide->dma_medium;
    /* A command waits for the guest, or it is none. */
    if (ide->active < 0)
        end_command(ide);
    else if ((ide->position == ide->end && !ide->dma_waits) || !ide_active(ide)->config.block)
        ide_fail(ide, IDE_ERROR_ABRT);
    update_irq(ide);
}

static const struct field fields[] = {
    FIELD(struct ide, control),
    FIELD(struct ide, intrq),
    FIELD(struct ide, active),
    FIELD(struct ide, task),
    FIELD(struct ide, extended),
    FIELD(struct ide, forced),
    FIELD(struct ide, lba),
    FIELD(struct ide, left),
    FIELD(struct ide, block_bytes),
    FIELD(struct ide, position),
    FIELD(struct ide, end),
    FIELD(struct ide, filled),
    FIELD_ARRAY(struct ide, buffer),
    FIELD(struct ide, dma_waits),
    FIELD(struct ide, dma_medium),
    FIELD(struct ide, dma_to_memory),
    FIELD(struct ide, dma_offset),
    FIELD(struct ide, dma_left),
    FIELD_ARRAY(struct ide, packet),
    FIELD(struct ide, packet_dma),
    FIELD(struct ide, raw),
#define DRIVE(n)                                                                                                       \
    FIELD_ARRAY(struct ide, drive[n].feature), FIELD_ARRAY(struct ide, drive[n].count),                                \
        FIELD_ARRAY(struct ide, drive[n].low), FIELD_ARRAY(struct ide, drive[n].mid),                                  \
        FIELD_ARRAY(struct ide, drive[n].high), FIELD(struct ide, drive[n].device),                                    \
        FIELD(struct ide, drive[n].status), FIELD(struct ide, drive[n].error), FIELD(struct ide, drive[n].multiple),   \
        FIELD(struct ide, drive[n].dma_mode), FIELD(struct ide, drive[n].heads), FIELD(struct ide, drive[n].sectors),  \
        FIELD(struct ide, drive[n].write_cache), FIELD(struct ide, drive[n].look_ahead),                               \
        FIELD(struct ide, drive[n].smart), FIELD(struct ide, drive[n].power), FIELD(struct ide, drive[n].asleep),      \
        FIELD(struct ide, drive[n].max_address), FIELD(struct ide, drive[n].sense_key),                                \
        FIELD(struct ide, drive[n].asc), FIELD(struct ide, drive[n].ascq), FIELD(struct ide, drive[n].locked),         \
        FIELD(struct ide, drive[n].tray_open), FIELD(struct ide, drive[n].loaded),                                     \
        FIELD(struct ide, drive[n].attention), FIELD(struct ide, drive[n].event)
    DRIVE(0),
    DRIVE(1),
#undef DRIVE
};

const struct device_class ide_class = {
    .name = "ide",
    .version = 1,
    .reset = ide_reset,
    .destroy = ide_destroy,
    .restored = ide_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int ide_init(struct ide *ide, const struct ide_config *config)
{
    *ide = (struct ide){.config = *config, .active = -1};
    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        const struct ide_drive_config *drive = &config->drive[i];
        if (drive->kind == IDE_DISK && !drive->block)
            return -EINVAL;
        ide->drive[i].config = *drive;
        ide->drive[i].loaded = drive->block != NULL;
    }
    ide_reset(ide);
    return 0;
}
