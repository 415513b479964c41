/*
 * The PIIX3's IDE function. See piix3_ide.h.
 *
 * Invariants: ACTIVE in the status is set from the start until the last descriptor is used up or the guest stops it.
 * While a transfer is in progress the pieces handed out lie before `next` and `address`.
 *
 * Thread: whoever holds the machine lock.
 * Source: Intel 82371SB (PIIX3) datasheet, "IDE Controller Register Descriptions (PCI Function 1)"; "Programming
 * Interface for Bus Master IDE Controller", revision 1.0.
 *
 * Choices: a descriptor that points at no memory sets the error bit, and its bytes are lost (or ones). The channels
 * decode their ports from reset on, where the datasheet has them off: UEFI firmware for virtual machines relies on it.
 */
#include "devices/chips/piix3_ide.h"

#include "softmmu/dma.h"

#include <errno.h>
#include <string.h>

enum {
    COMMAND_START = 0x01,
    COMMAND_TO_MEMORY = 0x08,

    STATUS_ACTIVE = 0x01,
    STATUS_ERROR = 0x02,
    STATUS_INTERRUPT = 0x04,
    STATUS_CAPABLE = 0x60, /* kept for software */

    REG_COMMAND = 0,
    REG_STATUS = 2,
    REG_TABLE = 4,
    MASTER_SIZE = 8,

};

static const uint16_t command_port[] = {0x1f0, 0x170}, control_port[] = {0x3f6, 0x376};

/* --- the list of regions ------------------------------------------------------------------------------------------ */

/* Takes the next descriptor. False: there is none. */
static bool next_region(struct piix3_bus_master *m)
{
    struct space *space = m->owner->config.space;
    if (m->last)
        return false;
    m->address = (uint32_t)dma_load(space, gpa(m->next), 4) & ~1u;
    uint32_t length = (uint32_t)dma_load(space, gpa(m->next + 4ull), 4);
    m->next += 8;
    m->left = length & 0xfffe ? length & 0xfffe : 0x10000;
    m->last = length >> 31;
    return true;
}

/* Host memory for the next bytes of the region, at most `bytes`. */
static struct iovec next_piece(struct piix3_bus_master *m, bool to_memory, uint64_t bytes)
{
    struct space *space = m->owner->config.space;
    uint64_t size = m->left < bytes ? m->left : bytes;
    uint8_t *host = to_memory ? dma_map_write(space, gpa(m->address), &size)
                              : (uint8_t *)dma_map_read(space, gpa(m->address), &size); /* only read */
    if (!host) {
        host = m->sink;
        if (size > sizeof(m->sink))
            size = sizeof(m->sink);
        memset(m->sink, 0xff, sizeof(m->sink));
        m->status |= STATUS_ERROR;
    }
    m->address += (uint32_t)size;
    m->left -= (uint32_t)size;
    return (struct iovec){host, size};
}

static unsigned master_map(void *context, bool to_memory, uint64_t bytes, struct iovec *pieces, unsigned max)
{
    struct piix3_bus_master *m = context;
    unsigned count = 0;

    if (!(m->status & STATUS_ACTIVE) || !(m->command & COMMAND_TO_MEMORY) == to_memory ||
        !pci_may_master(&m->owner->pci))
        return 0;
    while (bytes && count < max) {
        if (!m->left && !next_region(m)) {
            if (!count)
                m->status &= (uint8_t)~STATUS_ACTIVE; /* the drive wants more than the table has */
            break;
        }
        struct iovec piece = next_piece(m, to_memory, bytes), *before = count ? &pieces[count - 1] : NULL;
        bytes -= piece.iov_len;
        if (before && (uint8_t *)before->iov_base + before->iov_len == piece.iov_base && piece.iov_base != m->sink)
            before->iov_len += piece.iov_len;
        else
            pieces[count++] = piece;
    }
    return count;
}

static void master_unmap(void *context, bool to_memory, const struct iovec *pieces, unsigned count)
{
    struct piix3_bus_master *m = context;
    for (unsigned i = 0; to_memory && i < count; i++)
        if (pieces[i].iov_base != m->sink)
            dma_unmap_written(m->owner->config.space, pieces[i].iov_base, pieces[i].iov_len);
    if (m->last && !m->left)
        m->status &= (uint8_t)~STATUS_ACTIVE;
}

static const struct ide_dma_ops master_dma = {master_map, master_unmap};

/* --- the bus master's registers ----------------------------------------------------------------------------------- */

static struct ide *channel_of(struct piix3_bus_master *m)
{
    return &m->owner->channel[m - m->owner->master];
}

static void write_command(struct piix3_bus_master *m, uint8_t value)
{
    bool was = m->command & COMMAND_START;
    /* The direction does not change under way. */
    m->command = was && (value & COMMAND_START) ? m->command : value & (COMMAND_START | COMMAND_TO_MEMORY);
    if (!was && (value & COMMAND_START)) {
        m->status |= STATUS_ACTIVE;
        m->next = m->table;
        m->left = m->last = 0;
        ide_dma_started(channel_of(m));
    } else if (was && !(value & COMMAND_START)) {
        m->status &= (uint8_t)~STATUS_ACTIVE;
        ide_dma_stopped(channel_of(m));
    }
}

static uint64_t master_read(void *device, uint64_t offset, unsigned size)
{
    struct piix3_ide *ide = device;
    const struct piix3_bus_master *m = &ide->master[offset / MASTER_SIZE];
    (void)size;
    switch (offset % MASTER_SIZE) {
    case REG_COMMAND:
        return m->command;
    case REG_STATUS:
        return m->status;
    case REG_COMMAND + 1:
    case REG_STATUS + 1:
        return 0;
    default:
        return m->table >> (offset % 4) * 8 & 0xff;
    }
}

static void master_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct piix3_ide *ide = device;
    struct piix3_bus_master *m = &ide->master[offset / MASTER_SIZE];
    unsigned shift = offset % 4 * 8;
    (void)size;
    switch (offset % MASTER_SIZE) {
    case REG_COMMAND:
        write_command(m, (uint8_t)value);
        break;
    case REG_STATUS:
        m->status = (uint8_t)((m->status & ~STATUS_CAPABLE & ~(value & (STATUS_ERROR | STATUS_INTERRUPT))) |
                              (value & STATUS_CAPABLE));
        break;
    case REG_COMMAND + 1:
    case REG_STATUS + 1:
        break;
    default:
        m->table = ((m->table & ~(0xffu << shift)) | (uint32_t)value << shift) & ~3u;
        break;
    }
}

static const struct bus_ops master_ops = {.read = master_read, .write = master_write, .widths = 1};

/* The drive's interrupt is noted once its data is in memory, which it is before the drive tells. */
static void on_irq(void *sink, unsigned number, bool level)
{
    struct piix3_ide *ide = sink;
    if (level)
        ide->master[number].status |= STATUS_INTERRUPT;
    irq_set(&ide->config.irq[number], level);
}

/* --- the legacy ports --------------------------------------------------------------------------------------------- */

static void update_decode(struct piix3_ide *ide)
{
    struct bus *io = ide->pci.bus ? ide->pci.bus->io : NULL;
    struct error err;

    for (unsigned i = 0; io && i < PIIX3_IDE_CHANNELS; i++) {
        struct ide *channel = &ide->channel[i];
        bool wanted = (pci_get16(&ide->pci, PCI_COMMAND) & PCI_COMMAND_IO) &&
                      (pci_get16(&ide->pci, PIIX3_IDE_TIMING + 2 * i) & PIIX3_IDE_DECODE);
        if (wanted == ide->master[i].decoded)
            continue;
        ide->master[i].decoded = wanted;
        if (wanted) {
            bus_map(io,
                    &(struct bus_region){command_port[i], IDE_COMMAND_SIZE, &ide_command_ops, channel, "IDE channel"},
                    &err);
            bus_map(io, &(struct bus_region){control_port[i], 1, &ide_control_ops, channel, "IDE channel"}, &err);
        } else {
            bus_unmap(io, command_port[i], channel);
            bus_unmap(io, control_port[i], channel);
        }
    }
}

static void on_config(void *context, unsigned offset, unsigned size)
{
    (void)offset;
    (void)size;
    update_decode(context);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void piix3_ide_reset(void *device)
{
    struct piix3_ide *ide = device;
    for (unsigned i = 0; i < PIIX3_IDE_CHANNELS; i++) {
        struct piix3_bus_master *m = &ide->master[i];
        if (m->command & COMMAND_START)
            write_command(m, 0);
        m->command = m->status = m->last = 0;
        m->table = m->next = m->address = m->left = 0;
    }
    pci_reset(&ide->pci);
    update_decode(ide);
}

static void piix3_ide_restored(void *device)
{
    struct piix3_ide *ide = device;
    for (unsigned i = 0; i < PIIX3_IDE_CHANNELS; i++)
        if (ide->master[i].left > 0x10000)
            ide->master[i].left = 0;
    pci_restored(&ide->pci);
    update_decode(ide);
}

static const struct field fields[] = {
    PCI_FIELDS(struct piix3_ide, pci),
#define MASTER(n)                                                                                                      \
    FIELD(struct piix3_ide, master[n].command), FIELD(struct piix3_ide, master[n].status),                             \
        FIELD(struct piix3_ide, master[n].table), FIELD(struct piix3_ide, master[n].next),                             \
        FIELD(struct piix3_ide, master[n].address), FIELD(struct piix3_ide, master[n].left),                           \
        FIELD(struct piix3_ide, master[n].last)
    MASTER(0),
    MASTER(1),
#undef MASTER
};

const struct device_class piix3_ide_class = {
    .name = "piix3_ide",
    .version = 1,
    .reset = piix3_ide_reset,
    .restored = piix3_ide_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int piix3_ide_init(struct piix3_ide *ide, const struct piix3_ide_config *config)
{
    if (!config->space)
        return -EINVAL;
    *ide = (struct piix3_ide){.config = *config};
    pci_init(&ide->pci, &(struct pci_config){.name = "PIIX3 IDE",
                                             .vendor = 0x8086,
                                             .device = 0x7010,
                                             .class_code = 0x010180,
                                             .written = on_config,
                                             .context = ide});
    pci_set(ide->pci.initial, PCI_STATUS, 0x0280, 2); /* medium DEVSEL# timing, fast back-to-back */
    pci_set(ide->pci.initial, PIIX3_IDE_TIMING, PIIX3_IDE_DECODE, 2);
    pci_set(ide->pci.initial, PIIX3_IDE_TIMING + 2, PIIX3_IDE_DECODE, 2);
    pci_set(ide->pci.writable, PIIX3_IDE_TIMING, 0xb3ff, 2);
    pci_set(ide->pci.writable, PIIX3_IDE_TIMING + 2, 0xb3ff, 2);
    ide->pci.writable[PIIX3_IDE_TIMING + 4] = 0xff; /* slave timing */
    pci_add_bar(&ide->pci, 4, &(struct pci_bar){.kind = PCI_BAR_IO, .size = 16, .ops = &master_ops, .device = ide});
    for (unsigned i = 0; i < PIIX3_IDE_CHANNELS; i++) {
        ide->master[i].owner = ide;
        struct ide_config channel = {.irq = {.set = on_irq, .sink = ide, .input = i},
                                     .number = i,
                                     .dma = &master_dma,
                                     .dma_context = &ide->master[i]};
        memcpy(channel.drive, config->drive[i], sizeof(channel.drive));
        int r = ide_init(&ide->channel[i], &channel);
        if (r)
            return r;
    }
    return 0;
}
