/*
 * The I/O APIC: an 82093AA with the EOI register of its successors (version 20h).
 *
 * Source: 82093AA datasheet "Register Description", "Interrupt Delivery"; for EOIR an ICH datasheet, "Advanced
 * Programmable Interrupt Controller (APIC)". Messages travel on the system bus: there is no arbitration, the ARB
 * register only mirrors the ID, and delivery status always reads idle.
 *
 * Invariants: remote IRR is set only in a level-triggered entry whose message a local APIC accepted and has not
 * finished. An edge on a masked pin is lost, as in the datasheet.
 *
 * @locks the machine lock is held in every function. Threads: vCPUs and whoever raises interrupt lines.
 */
#include "devices/chips/ioapic.h"

#include <errno.h>

#include "cpu-model/base/log.h"

enum { OFFSET_SELECT = 0x00, OFFSET_WINDOW = 0x10, OFFSET_EOI = 0x40 };

enum { REG_ID = 0, REG_VERSION = 1, REG_ARBITRATION = 2, REG_REDIRECTION = 0x10 };

#define VERSION (0x20u | (IOAPIC_PINS - 1) << 16)

/*
 * Redirection entry: 7:0 vector | 10:8 delivery mode | 11 logical | 12 delivery status (RO) | 13 active low |
 * 14 remote IRR (RO) | 15 level | 16 masked | 63:56 destination
 */
enum {
    ENTRY_VECTOR = 0xff,
    ENTRY_DELIVERY_SHIFT = 8,
    ENTRY_LOGICAL = 1 << 11,
    ENTRY_ACTIVE_LOW = 1 << 13,
    ENTRY_REMOTE_IRR = 1 << 14,
    ENTRY_LEVEL = 1 << 15,
    ENTRY_MASKED = 1 << 16,
    ENTRY_DESTINATION_SHIFT = 56,
};
#define ENTRY_WRITABLE 0xff0000000001afffull

static bool pin_active(const struct ioapic *ioapic, unsigned pin)
{
    return (ioapic->levels >> pin & 1) != !!(ioapic->redirection[pin] & ENTRY_ACTIVE_LOW);
}

/* SMI, NMI, INIT and ExtINT are edge-triggered whatever the entry says. */
static bool level_triggered(uint64_t entry)
{
    return entry & ENTRY_LEVEL && (entry >> ENTRY_DELIVERY_SHIFT & 7) <= APIC_LOWEST_PRIORITY;
}

static bool send_message(const struct ioapic *ioapic, uint64_t entry)
{
    struct apic_message message = {
        .destination = (uint32_t)(entry >> ENTRY_DESTINATION_SHIFT),
        .vector = entry & ENTRY_VECTOR,
        .delivery = entry >> ENTRY_DELIVERY_SHIFT & 7,
        .logical = entry & ENTRY_LOGICAL,
        .level = level_triggered(entry),
    };
    if (message.destination == 0xff)
        message.destination = APIC_BROADCAST;
    if (message.delivery == 3 || message.delivery == APIC_STARTUP) {
        log_line(LOG_GUEST, "ioapic: redirection entry %#llx has a reserved delivery mode", (unsigned long long)entry);
        return false;
    }
    return ioapic->config.deliver(ioapic->config.context, &message);
}

/* Acts on an active pin; `edge`: it has just become active. */
static void update_pin(struct ioapic *ioapic, unsigned pin, bool edge)
{
    uint64_t *entry = &ioapic->redirection[pin];
    if (*entry & ENTRY_MASKED || !pin_active(ioapic, pin))
        return;
    if (!level_triggered(*entry)) {
        if (edge)
            send_message(ioapic, *entry);
    } else if (!(*entry & ENTRY_REMOTE_IRR) && send_message(ioapic, *entry)) {
        *entry |= ENTRY_REMOTE_IRR;
    }
}

void ioapic_set_pin(void *sink, unsigned pin, bool level)
{
    struct ioapic *ioapic = sink;
    if (pin >= IOAPIC_PINS)
        return;
    bool was_active = pin_active(ioapic, pin);
    ioapic->levels = (ioapic->levels & ~(1u << pin)) | (uint32_t)level << pin;
    update_pin(ioapic, pin, !was_active);
}

int ioapic_edge_vector(const struct ioapic *ioapic, unsigned pin)
{
    uint64_t entry = ioapic->redirection[pin];
    bool plain = (entry >> ENTRY_DELIVERY_SHIFT & 7) <= APIC_LOWEST_PRIORITY;
    return plain && !(entry & (ENTRY_MASKED | ENTRY_LEVEL)) ? (int)(entry & ENTRY_VECTOR) : -1;
}

void ioapic_eoi(struct ioapic *ioapic, uint8_t vector)
{
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
        uint64_t *entry = &ioapic->redirection[pin];
        if ((*entry & ENTRY_VECTOR) != vector || !(*entry & ENTRY_REMOTE_IRR))
            continue;
        *entry &= ~(uint64_t)ENTRY_REMOTE_IRR;
        update_pin(ioapic, pin, false);
    }
}

static void write_entry(struct ioapic *ioapic, unsigned pin, uint64_t value)
{
    uint64_t *entry = &ioapic->redirection[pin];
    uint64_t remote_irr = *entry & ENTRY_REMOTE_IRR;
    *entry = value & ENTRY_WRITABLE;
    if (level_triggered(*entry)) /* going to edge drops it: how software without EOIR finishes an interrupt */
        *entry |= remote_irr;
    update_pin(ioapic, pin, false);
}

static uint32_t read_register(const struct ioapic *ioapic)
{
    unsigned index = ioapic->select - (unsigned)REG_REDIRECTION;
    if (ioapic->select >= REG_REDIRECTION && index < 2 * IOAPIC_PINS)
        return (uint32_t)(ioapic->redirection[index / 2] >> (index % 2 * 32));
    switch (ioapic->select) {
    case REG_ID:
        return (uint32_t)ioapic->id << 24;
    case REG_VERSION:
        return VERSION;
    case REG_ARBITRATION:
        return (uint32_t)ioapic->arbitration << 24;
    default:
        return 0;
    }
}

static void write_register(struct ioapic *ioapic, uint32_t value)
{
    unsigned index = ioapic->select - (unsigned)REG_REDIRECTION;
    if (ioapic->select >= REG_REDIRECTION && index < 2 * IOAPIC_PINS) {
        uint64_t entry = ioapic->redirection[index / 2];
        bool high = index % 2;
        entry = high ? (entry & UINT32_MAX) | (uint64_t)value << 32 : (entry >> 32 << 32) | value;
        write_entry(ioapic, index / 2, entry);
    } else if (ioapic->select == REG_ID) {
        ioapic->id = ioapic->arbitration = value >> 24 & 0xf;
    }
}

static uint64_t ioapic_read(void *device, uint64_t offset, unsigned size)
{
    const struct ioapic *ioapic = device;
    uint32_t value = 0;
    if ((offset & ~3ull) == OFFSET_SELECT)
        value = ioapic->select;
    else if ((offset & ~3ull) == OFFSET_WINDOW)
        value = read_register(ioapic);
    return zero_extend(value >> (offset % 4 * 8), size);
}

/* IOREGSEL may be written as a byte; IOWIN and EOIR take dwords only. */
static void ioapic_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct ioapic *ioapic = device;
    if (offset == OFFSET_SELECT)
        ioapic->select = (uint8_t)value;
    else if (offset == OFFSET_WINDOW && size == 4)
        write_register(ioapic, (uint32_t)value);
    else if (offset == OFFSET_EOI && size == 4)
        ioapic_eoi(ioapic, (uint8_t)value);
    else
        log_line(LOG_GUEST, "ioapic: %u-byte write at offset %03x has no effect", size, (unsigned)offset);
}

const struct bus_ops ioapic_ops = {.read = ioapic_read, .write = ioapic_write, .widths = 1 | 4};

/* The lines stay as they are driven. */
static void ioapic_reset(void *device)
{
    struct ioapic *ioapic = device;
    ioapic->select = ioapic->id = ioapic->arbitration = 0;
    for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
        ioapic->redirection[pin] = ENTRY_MASKED;
}

int ioapic_init(struct ioapic *ioapic, const struct ioapic_config *config)
{
    if (!config->deliver)
        return -EINVAL;
    *ioapic = (struct ioapic){.config = *config};
    ioapic_reset(ioapic);
    return 0;
}

static const struct field ioapic_fields[] = {
    FIELD(struct ioapic, select),      FIELD(struct ioapic, id),
    FIELD(struct ioapic, arbitration), FIELD_ARRAY(struct ioapic, redirection),
    FIELD(struct ioapic, levels),
};

const struct device_class ioapic_class = {
    .name = "ioapic",
    .version = 1,
    .reset = ioapic_reset,
    .fields = ioapic_fields,
    .field_count = ARRAY_LEN(ioapic_fields),
};
