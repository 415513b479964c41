/* PCI: the header, BARs on the buses, interrupt links, mechanism #1. */
#include "devices/core/pci.h"

#include <errno.h>

#include "tests/unit/chip_fixture.h"

struct chip {
    struct pci_function pci;
    uint8_t last;
    unsigned writes, last_offset, last_size;
    uint64_t base;
};

static struct bus io, mmio;
static struct pci_bus pci;
static struct pci_host host;
static struct chip chip, other;
static struct wire links[PCI_LINKS];
static struct error err;

static uint64_t chip_read(void *device, uint64_t offset, unsigned size)
{
    (void)size;
    return ((struct chip *)device)->last + offset;
}

static void chip_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    (void)offset, (void)size;
    ((struct chip *)device)->last = (uint8_t)value;
}

static const struct bus_ops chip_ops = {chip_read, chip_write, 1};

static void on_written(void *context, unsigned offset, unsigned size)
{
    struct chip *c = context;
    c->writes++;
    c->last_offset = offset;
    c->last_size = size;
}

static void on_moved(void *device, uint64_t base)
{
    ((struct chip *)device)->base = base;
}

static void make(struct chip *c, uint8_t pin)
{
    *c = (struct chip){.base = PCI_UNMAPPED};
    pci_init(&c->pci, &(struct pci_config){.name = "chip",
                                           .vendor = 0x8086,
                                           .device = 0x1234,
                                           .subsystem_vendor = 0x1af4,
                                           .subsystem = 0x1100,
                                           .revision = 3,
                                           .class_code = 0x030000,
                                           .interrupt_pin = pin,
                                           .written = on_written,
                                           .context = c});
    pci_add_bar(&c->pci, 0, &(struct pci_bar){.kind = PCI_BAR_IO, .size = 16, .ops = &chip_ops, .device = c});
    pci_add_bar(
        &c->pci, 1,
        &(struct pci_bar){.kind = PCI_BAR_MEMORY, .size = 4096, .prefetchable = true, .device = c, .moved = on_moved});
    pci_add_bar(&c->pci, PCI_ROM,
                &(struct pci_bar){.kind = PCI_BAR_MEMORY, .size = 65536, .ops = &chip_ops, .device = c});
}

static void setup(void)
{
    bus_init(&io, "ports");
    bus_init(&mmio, "memory");
    pci_bus_init(&pci, &io, &mmio);
    for (unsigned i = 0; i < PCI_LINKS; i++)
        pci.link[i] = (struct irq_line){.set = wire_set, .sink = links, .input = i};
    host = (struct pci_host){.bus = &pci};
    map(&io, PCI_HOST_ADDRESS, 4, &pci_address_ops, &host);
    map(&io, PCI_HOST_DATA, 4, &pci_data_ops, &host);
    make(&chip, 1);
    make(&other, 2);
    cr_assert_eq(pci_plug(&pci, PCI_DEVFN(2, 0), &chip.pci, &err), 0);
}

static void teardown(void)
{
    bus_destroy(&io);
    bus_destroy(&mmio);
}

TestSuite(pci, .init = setup, .fini = teardown);

static uint32_t get(unsigned devfn, unsigned offset, unsigned size)
{
    bus_write(&io, 0xcf8, 0x80000000 | devfn << 8 | (offset & 0xfc), 4);
    return (uint32_t)bus_read(&io, 0xcfc + (offset & 3), size);
}

static void put(unsigned devfn, unsigned offset, uint32_t value, unsigned size)
{
    bus_write(&io, 0xcf8, 0x80000000 | devfn << 8 | (offset & 0xfc), 4);
    bus_write(&io, 0xcfc + (offset & 3), value, size);
}

enum { CHIP = PCI_DEVFN(2, 0), SECOND = PCI_DEVFN(2, 1), NEXT = PCI_DEVFN(3, 0) };

Test(pci, header)
{
    cr_assert_eq(get(CHIP, 0, 4), 0x12348086);
    cr_assert_eq(get(CHIP, 2, 2), 0x1234);
    cr_assert_eq(get(CHIP, 3, 1), 0x12);
    cr_assert_eq(get(CHIP, 8, 4), 0x03000003);
    cr_assert_eq(get(CHIP, 0x2c, 4), 0x11001af4);
    cr_assert_eq(get(CHIP, 0x3c, 4), 0x00000100);
    cr_assert_eq(get(CHIP, PCI_HEADER_TYPE, 1), 0);
    for (unsigned at = 0; at < 0x40; at++)
        if (at != PCI_COMMAND && at != PCI_COMMAND + 1 && at != PCI_CACHE_LINE && at != PCI_LATENCY &&
            at != PCI_INTERRUPT_LINE && (at < 0x10 || at >= 0x18) && (at & ~3u) != PCI_ROM_BASE) {
            uint32_t old = get(CHIP, at, 1);
            put(CHIP, at, ~old, 1);
            cr_assert_eq(get(CHIP, at, 1), old, "%02x", at);
        }
    put(CHIP, PCI_COMMAND, 0xffff, 2);
    cr_assert_eq(get(CHIP, PCI_COMMAND, 2), 0x547);
}

Test(pci, absent_functions_and_buses_read_as_ones)
{
    cr_assert_eq(get(NEXT, 0, 4), 0xffffffff);
    cr_assert_eq(get(NEXT, 0, 1), 0xff);
    put(NEXT, 4, 7, 2);
    bus_write(&io, 0xcf8, 0x80010000 | CHIP << 8, 4);
    cr_assert_eq(bus_read(&io, 0xcfc, 4), 0xffffffff);
    bus_write(&io, 0xcf8, CHIP << 8, 4); /* not enabled */
    cr_assert_eq(bus_read(&io, 0xcfc, 4), 0xffffffff);
}

Test(pci, address_register_takes_dwords_only)
{
    bus_write(&io, 0xcf8, 0xffffffff, 4);
    cr_assert_eq(bus_read(&io, 0xcf8, 4), 0x80fffffc);
    bus_write(&io, 0xcf8, 0x12, 1);
    bus_write(&io, 0xcf8, 0x1234, 2);
    cr_assert_eq(bus_read(&io, 0xcf8, 4), 0x80fffffc);
    cr_assert_eq(bus_read(&io, 0xcf8, 1), 0xff);
}

Test(pci, a_byte_at_cf9_is_the_reset_control)
{
    host.reset_ops = &chip_ops;
    host.reset_device = &chip;
    bus_write(&io, 0xcf9, 6, 1);
    cr_assert_eq(chip.last, 6);
    cr_assert_eq(bus_read(&io, 0xcf9, 1), 6);
    bus_write(&io, 0xcf8, 0x80000000, 4);
    cr_assert_eq(chip.last, 6);
}

Test(pci, bars_say_their_size)
{
    put(CHIP, 0x10, 0xffffffff, 4);
    cr_assert_eq(get(CHIP, 0x10, 4), 0xfffffff1);
    put(CHIP, 0x14, 0xffffffff, 4);
    cr_assert_eq(get(CHIP, 0x14, 4), 0xfffff008);
    put(CHIP, 0x18, 0xffffffff, 4);
    cr_assert_eq(get(CHIP, 0x18, 4), 0);
    put(CHIP, 0x30, 0xffffffff, 4);
    cr_assert_eq(get(CHIP, 0x30, 4), 0xffff0001);
}

Test(pci, windows_follow_registers_and_enables)
{
    put(CHIP, 0x10, 0xc000, 4);
    put(CHIP, 0x14, 0xfebf0000, 4);
    cr_assert_null(bus_find(&io, 0xc000));
    put(CHIP, PCI_COMMAND, PCI_COMMAND_IO, 2);
    cr_assert_not_null(bus_find(&io, 0xc000));
    bus_write(&io, 0xc000, 0x40, 1);
    cr_assert_eq(bus_read(&io, 0xc00f, 1), 0x4f);
    cr_assert_eq(chip.base, PCI_UNMAPPED);
    put(CHIP, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY, 2);
    cr_assert_eq(chip.base, 0xfebf0000);
    put(CHIP, 0x15, 0xe0, 1); /* a byte of the register */
    cr_assert_eq(chip.base, 0xfebfe000);
    put(CHIP, 0x10, 0xffffffff, 4); /* sizing */
    cr_assert_null(bus_find(&io, 0xc000));
    put(CHIP, 0x10, 0xc100, 4);
    cr_assert_not_null(bus_find(&io, 0xc100));
    put(CHIP, 0x14, 0xffffffff, 4);
    cr_assert_eq(chip.base, PCI_UNMAPPED);
}

Test(pci, the_rom_has_an_enable_of_its_own)
{
    put(CHIP, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    put(CHIP, 0x30, 0xfeb00000, 4);
    cr_assert_null(bus_find(&mmio, 0xfeb00000));
    put(CHIP, 0x30, 0xfeb00001, 4);
    cr_assert_not_null(bus_find(&mmio, 0xfeb00000));
}

Test(pci, a_covered_window_appears_when_the_other_leaves)
{
    cr_assert_eq(pci_plug(&pci, NEXT, &other.pci, &err), 0);
    put(CHIP, 0x10, 0xc000, 4);
    put(NEXT, 0x10, 0xc000, 4);
    put(CHIP, PCI_COMMAND, PCI_COMMAND_IO, 2);
    put(NEXT, PCI_COMMAND, PCI_COMMAND_IO, 2);
    cr_assert_eq(bus_find(&io, 0xc000)->device, &chip);
    put(CHIP, 0x10, 0xc100, 4);
    cr_assert_eq(bus_find(&io, 0xc000)->device, &other);
    cr_assert_eq(bus_find(&io, 0xc100)->device, &chip);
}

Test(pci, written_sees_the_new_value)
{
    chip.pci.writable[0x40] = 0x0f;
    put(CHIP, 0x40, 0xff, 1);
    cr_assert_eq(chip.writes, 1);
    cr_assert_eq(chip.last_offset, 0x40);
    cr_assert_eq(chip.last_size, 1);
    cr_assert_eq(chip.pci.config[0x40], 0x0f);
}

Test(pci, status_bits_are_cleared_by_ones)
{
    chip.pci.config[PCI_STATUS + 1] = 0xf9;
    put(CHIP, PCI_STATUS, 0x2000, 2);
    cr_assert_eq(get(CHIP, PCI_STATUS, 2), 0xd900);
}

Test(pci, links_rotate_by_slot)
{
    cr_assert_eq(pci_link(1, 1), 0);
    cr_assert_eq(pci_link(1, 4), 3);
    cr_assert_eq(pci_link(2, 1), 1);
    cr_assert_eq(pci_link(5, 1), 0);
    cr_assert_eq(pci_link(0, 1), 3);
}

Test(pci, functions_share_a_link)
{
    cr_assert_eq(pci_plug(&pci, PCI_DEVFN(1, 0), &other.pci, &err),
                 0); /* INTB# of slot 1: the link of slot 2's INTA# */
    pci_set_intx(&chip.pci, true);
    cr_assert(links[1].level);
    cr_assert_eq(get(CHIP, PCI_STATUS, 2), 8);
    pci_set_intx(&other.pci, true);
    pci_set_intx(&chip.pci, false);
    cr_assert(links[1].level);
    put(PCI_DEVFN(1, 0), PCI_COMMAND, PCI_COMMAND_INTX_OFF, 2);
    cr_assert_not(links[1].level);
    cr_assert_eq(get(PCI_DEVFN(1, 0), PCI_STATUS, 2), 8);
    put(PCI_DEVFN(1, 0), PCI_COMMAND, 0, 2);
    cr_assert(links[1].level);
    pci_reset(&other.pci);
    cr_assert_not(links[1].level);
}

Test(pci, reset_unmaps)
{
    put(CHIP, 0x10, 0xc000, 4);
    put(CHIP, PCI_COMMAND, 7, 2);
    cr_assert(pci_may_master(&chip.pci));
    pci_reset(&chip.pci);
    cr_assert_null(bus_find(&io, 0xc000));
    cr_assert_eq(get(CHIP, 0x10, 4), 1);
    cr_assert_not(pci_may_master(&chip.pci));
}

Test(pci, multifunction_and_taken_places)
{
    cr_assert_eq(pci_plug(&pci, CHIP, &other.pci, &err), -EEXIST);
    cr_assert_eq(pci_plug(&pci, SECOND, &other.pci, &err), 0);
    cr_assert_eq(get(CHIP, PCI_HEADER_TYPE, 1), 0x80);
    pci_reset(&chip.pci);
    cr_assert_eq(get(CHIP, PCI_HEADER_TYPE, 1), 0x80);
    cr_assert_eq(get(SECOND, PCI_HEADER_TYPE, 1), 0);
}

Test(pci, any_access_is_survived)
{
    uint64_t random = 88172645463325252ull;
    cr_assert_eq(pci_plug(&pci, SECOND, &other.pci, &err), 0);
    for (unsigned i = 0; i < 100000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        unsigned devfn = random & 1 ? CHIP : SECOND, size = 1u << (random >> 8 & 3);
        bus_write(&io, 0xcf8, 0x80000000 | devfn << 8 | (random >> 16 & 0xfc), 4);
        bus_write(&io, 0xcf8 + (random >> 24 & 7), random >> 32, size);
        bus_read(&io, 0xcf8 + (random >> 28 & 7), size);
    }
}
