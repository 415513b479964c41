/*
 * PCI functions, their bus, and configuration mechanism #1. See pci.h.
 *
 * Invariants: bar.mapped is where the bus (or the chip) has the window, so it follows the registers and the command
 * register's enables except while something else claims the address: that one keeps answering, and the window appears
 * as soon as the other has gone. asserted[] counts the functions whose intx_out is true, by link.
 *
 * Thread: whoever holds the machine lock. Source: see pci.h.
 */
#include "devices/core/pci.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cpu-model/base/log.h"

enum { STATUS_INTERRUPT = 1 << 3, HEADER_MULTIFUNCTION = 1 << 7, ROM_ENABLE = 1, BAR_IO = 1, BAR_PREFETCHABLE = 8 };

/* Status bits that are set by events and cleared by writing ones: parity, aborts, SERR#. */
#define STATUS_EVENTS 0xf900

/* --- windows ------------------------------------------------------------------------------------------------------ */

static unsigned bar_register(unsigned number)
{
    return number == PCI_ROM ? PCI_ROM_BASE : PCI_BAR0 + number * 4;
}

/* Where the registers want the window. Address 0 and what runs over the end of the address space are "nowhere": the
 * values that sizing and resets leave behind. */
static uint64_t wanted_base(const struct pci_function *f, unsigned number)
{
    const struct pci_bar *bar = &f->bar[number];
    uint16_t command = pci_get16(f, PCI_COMMAND);
    uint32_t value = pci_get32(f, bar_register(number)), base = value & -bar->size;

    if (bar->kind == PCI_BAR_NONE || base == 0)
        return PCI_UNMAPPED;
    if (bar->kind == PCI_BAR_IO)
        return command & PCI_COMMAND_IO && (uint64_t)base + bar->size <= 0x10000 ? base : PCI_UNMAPPED;
    if (!(command & PCI_COMMAND_MEMORY) || (number == PCI_ROM && !(value & ROM_ENABLE)))
        return PCI_UNMAPPED;
    return (uint64_t)base + bar->size < 1ull << 32 ? base : PCI_UNMAPPED;
}

static void unmap(struct pci_function *f, unsigned number)
{
    struct pci_bar *bar = &f->bar[number];
    if (bar->mapped == PCI_UNMAPPED)
        return;
    if (bar->ops)
        bus_unmap(bar->kind == PCI_BAR_IO ? f->bus->io : f->bus->mmio, bar->mapped, bar->device);
    bar->mapped = PCI_UNMAPPED;
    if (bar->moved)
        bar->moved(bar->device, PCI_UNMAPPED);
}

static void map(struct pci_function *f, unsigned number, uint64_t base)
{
    struct pci_bar *bar = &f->bar[number];
    const struct bus_region region = {
        .base = base, .size = bar->size, .ops = bar->ops, .device = bar->device, .name = bar->name};
    struct error err;

    if (bar->ops && bus_map(bar->kind == PCI_BAR_IO ? f->bus->io : f->bus->mmio, &region, &err)) {
        log_line(LOG_GUEST, "%s: BAR %u is not mapped: %s", f->name, number, err.text);
        return;
    }
    bar->mapped = base;
    if (bar->moved)
        bar->moved(bar->device, base);
}

/* Brings all windows of the bus to where their registers say: a window that moved away may uncover another. */
static void update_windows(struct pci_bus *bus)
{
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < PCI_FUNCTIONS; i++)
            for (unsigned number = 0; bus->function[i] && number < PCI_BARS; number++) {
                struct pci_function *f = bus->function[i];
                uint64_t base = wanted_base(f, number);
                if (f->bar[number].mapped == base)
                    continue;
                if (pass == 0)
                    unmap(f, number);
                else if (base != PCI_UNMAPPED)
                    map(f, number, base);
            }
}

/* --- interrupts --------------------------------------------------------------------------------------------------- */

unsigned pci_link(unsigned slot, unsigned pin)
{
    return (slot - 1 + pin - 1) % PCI_LINKS;
}

static void update_intx(struct pci_function *f)
{
    bool level = f->intx && !(pci_get16(f, PCI_COMMAND) & PCI_COMMAND_INTX_OFF);
    unsigned pin = f->config[PCI_INTERRUPT_PIN];

    if (f->intx)
        f->config[PCI_STATUS] |= STATUS_INTERRUPT;
    else
        f->config[PCI_STATUS] &= (uint8_t)~STATUS_INTERRUPT;
    if (!f->bus || !pin || level == f->intx_out)
        return;
    unsigned link = pci_link(f->devfn >> 3, pin);
    f->intx_out = level;
    f->bus->asserted[link] += level ? 1 : -1u;
    irq_set(&f->bus->link[link], f->bus->asserted[link] != 0);
}

void pci_set_intx(struct pci_function *f, bool level)
{
    f->intx = level;
    update_intx(f);
}

static void set_line(void *sink, unsigned input, bool level)
{
    (void)input;
    pci_set_intx(sink, level);
}

struct irq_line pci_intx_line(struct pci_function *f)
{
    return (struct irq_line){.set = set_line, .sink = f};
}

bool pci_may_master(const struct pci_function *f)
{
    return pci_get16(f, PCI_COMMAND) & PCI_COMMAND_MASTER;
}

/* --- functions ---------------------------------------------------------------------------------------------------- */

void pci_init(struct pci_function *f, const struct pci_config *config)
{
    *f = (struct pci_function){.name = config->name, .written = config->written, .context = config->context};
    for (unsigned i = 0; i < PCI_BARS; i++)
        f->bar[i].mapped = PCI_UNMAPPED;
    pci_set(f->initial, PCI_VENDOR, config->vendor, 2);
    pci_set(f->initial, PCI_DEVICE, config->device, 2);
    f->initial[PCI_REVISION] = config->revision;
    pci_set(f->initial, PCI_CLASS, config->class_code, 3);
    pci_set(f->initial, PCI_SUBSYSTEM_VENDOR, config->subsystem_vendor, 2);
    pci_set(f->initial, PCI_SUBSYSTEM, config->subsystem, 2);
    f->initial[PCI_INTERRUPT_PIN] = config->interrupt_pin;

    pci_set(f->writable, PCI_COMMAND,
            PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY | PCI_COMMAND_SERR |
                (config->interrupt_pin ? PCI_COMMAND_INTX_OFF : 0),
            2);
    pci_set(f->clearable, PCI_STATUS, STATUS_EVENTS, 2);
    f->writable[PCI_CACHE_LINE] = 0xff;
    f->writable[PCI_LATENCY] = 0xff;
    f->writable[PCI_INTERRUPT_LINE] = config->interrupt_pin ? 0xff : 0;
    memcpy(f->config, f->initial, sizeof(f->config));
}

void pci_add_bar(struct pci_function *f, unsigned number, const struct pci_bar *bar)
{
    unsigned at = bar_register(number);

    f->bar[number] = *bar;
    f->bar[number].mapped = PCI_UNMAPPED;
    if (!bar->name)
        f->bar[number].name = f->name;
    pci_set(f->initial, at, bar->kind == PCI_BAR_IO ? BAR_IO : bar->prefetchable ? BAR_PREFETCHABLE : 0, 4);
    pci_set(f->writable, at, -bar->size | (number == PCI_ROM ? ROM_ENABLE : 0), 4);
    memcpy(f->config, f->initial, sizeof(f->config));
}

void pci_reset(struct pci_function *f)
{
    pci_set_intx(f, false);
    memcpy(f->config, f->initial, sizeof(f->config));
    if (f->bus)
        update_windows(f->bus);
}

void pci_restored(struct pci_function *f)
{
    f->intx = *(const uint8_t *)&f->intx & 1; /* a damaged snapshot's byte may be no bool */
    update_intx(f);
    if (f->bus)
        update_windows(f->bus);
}

/* --- the bus ------------------------------------------------------------------------------------------------------ */

void pci_bus_init(struct pci_bus *bus, struct bus *io, struct bus *mmio)
{
    *bus = (struct pci_bus){.io = io, .mmio = mmio};
}

int pci_plug(struct pci_bus *bus, uint8_t devfn, struct pci_function *f, struct error *err)
{
    struct pci_function *other = bus->function[devfn], *first;

    if (other)
        return error_set(err, -EEXIST, "%s: PCI slot %x.%x is taken by %s; choose another address", f->name, devfn >> 3,
                         devfn & 7, other->name);
    f->bus = bus;
    f->devfn = devfn;
    bus->function[devfn] = f;
    first = bus->function[devfn & ~7];
    for (unsigned i = 1; first && i < 8; i++)
        if (bus->function[(devfn & ~7u) + i])
            first->initial[PCI_HEADER_TYPE] |= HEADER_MULTIFUNCTION;
    if (first)
        first->config[PCI_HEADER_TYPE] = first->initial[PCI_HEADER_TYPE];
    update_windows(bus);
    update_intx(f);
    return 0;
}

uint32_t pci_config_read(struct pci_bus *bus, uint8_t devfn, unsigned offset, unsigned size)
{
    const struct pci_function *f = bus->function[devfn];
    uint32_t value = 0;

    if (!f || offset + size > PCI_CONFIG_SIZE)
        return (uint32_t)zero_extend(UINT64_MAX, size);
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)f->config[offset + i] << i * 8;
    return value;
}

void pci_config_write(struct pci_bus *bus, uint8_t devfn, unsigned offset, uint32_t value, unsigned size)
{
    struct pci_function *f = bus->function[devfn];

    if (!f || offset + size > PCI_CONFIG_SIZE)
        return;
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)(value >> i * 8), mask = f->writable[offset + i];
        uint8_t kept = (uint8_t)(f->config[offset + i] & ~(byte & f->clearable[offset + i]));
        f->config[offset + i] = (uint8_t)((kept & ~mask) | (byte & mask));
    }
    if (offset < PCI_INTERRUPT_LINE) {
        update_windows(bus);
        update_intx(f);
    }
    if (f->written)
        f->written(f->context, offset, size);
}

/* --- mechanism #1 ------------------------------------------------------------------------------------------------- */

#define ADDRESS_ENABLE 0x80000000u
#define ADDRESS_BITS   0x80fffffcu

/* Only a dword is an access to the address register; a byte at CF9h is one to the reset control, anything else goes to
 * ports that nobody has. */
static bool is_reset_control(const struct pci_host *host, uint64_t offset, unsigned size)
{
    return size == 1 && offset == 1 && host->reset_ops;
}

static uint64_t address_read(void *device, uint64_t offset, unsigned size)
{
    struct pci_host *host = device;
    if (size == 4)
        return host->address;
    return is_reset_control(host, offset, size) ? host->reset_ops->read(host->reset_device, 0, 1) : UINT64_MAX;
}

static void address_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct pci_host *host = device;
    if (size == 4)
        host->address = (uint32_t)value & ADDRESS_BITS;
    else if (is_reset_control(host, offset, size))
        host->reset_ops->write(host->reset_device, 0, value, 1);
}

const struct bus_ops pci_address_ops = {.read = address_read, .write = address_write, .widths = 1 | 2 | 4};

/* Bus 0 is the only one: there are no bridges. */
static bool selects(const struct pci_host *host)
{
    return host->address & ADDRESS_ENABLE && !(host->address >> 16 & 0xff);
}

static uint64_t data_read(void *device, uint64_t offset, unsigned size)
{
    struct pci_host *host = device;
    if (!selects(host))
        return UINT64_MAX;
    return pci_config_read(host->bus, (uint8_t)(host->address >> 8), (host->address & 0xfc) + (unsigned)offset, size);
}

static void data_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct pci_host *host = device;
    if (selects(host))
        pci_config_write(host->bus, (uint8_t)(host->address >> 8), (host->address & 0xfc) + (unsigned)offset,
                         (uint32_t)value, size);
}

const struct bus_ops pci_data_ops = {.read = data_read, .write = data_write, .widths = 1 | 2 | 4};
