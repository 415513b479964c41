/* The chipset: 440FX with its shadow RAM, PIIX3's interrupt routing, PIIX4's power management and SMBus. */
#include "devices/chips/i440fx.h"
#include "devices/chips/piix3.h"
#include "devices/chips/piix4_pm.h"

#include "tests/unit/chip_fixture.h"

enum { MIB = 1 << 20, HOST = PCI_DEVFN(0, 0), ISA = PCI_DEVFN(1, 0), PM = PCI_DEVFN(1, 3), PORT = 0x600 };

static struct bus io, mmio;
static struct pci_bus pci;
static struct space space;
static struct i440fx north;
static struct piix3 south;
static struct acpi_pm acpi;
static struct piix4_pm pm;
static struct vclock vclock;
static struct wire irqs[PIIX3_ISA_IRQS], sci;
static uint8_t *shadow, *rom;

static void setup(void)
{
    struct error err;
    struct i440fx_config config = {.space = &space, .mmio = &mmio, .rom_size = 0x20000};
    struct piix3_config isa;

    bus_init(&io, "ports");
    bus_init(&mmio, "memory");
    vclock_init(&vclock, NULL, NULL);
    cr_assert_eq(space_init(&space, 4 * MIB, &err), 0);
    cr_assert_eq(space_add(&space, 0, 0xa0000, false, "RAM", NULL, &err), 0);
    cr_assert_eq(space_reserve(&space, I440FX_SHADOW_SIZE, "shadow", &config.shadow, &err), 0);
    cr_assert_eq(space_reserve(&space, I440FX_SMRAM_SIZE, "SMRAM", &config.smram, &err), 0);
    cr_assert_eq(space_reserve(&space, 0x20000, "ROM", &config.rom, &err), 0);
    shadow = config.shadow;
    rom = config.rom;
    memset(rom, 0x52, 0x20000);
    cr_assert_eq(i440fx_init(&north, &config), 0);
    for (unsigned i = 0; i < PIIX3_ISA_IRQS; i++)
        isa.isa[i] = (struct irq_line){.set = wire_set, .sink = irqs, .input = i};
    cr_assert_eq(piix3_init(&south, &isa), 0);
    cr_assert_eq(acpi_pm_init(&acpi, &(struct acpi_pm_config){.clock = &vclock}), 0);
    cr_assert_eq(piix4_pm_init(&pm, &(struct piix4_pm_config){.io = &io, .acpi = &acpi, .smbus_irq = wire_line(&sci)}),
                 0);
    pci_bus_init(&pci, &io, &mmio);
    cr_assert_eq(pci_plug(&pci, HOST, &north.pci, &err), 0);
    cr_assert_eq(pci_plug(&pci, ISA, &south.pci, &err), 0);
    cr_assert_eq(pci_plug(&pci, PM, &pm.pci, &err), 0);
}

static void teardown(void)
{
    space_destroy(&space);
    bus_destroy(&io);
    bus_destroy(&mmio);
}

TestSuite(chipset, .init = setup, .fini = teardown);

static uint8_t byte_at(uint64_t address)
{
    const uint8_t *host = space_host(&space, gpa(address));
    return host ? *host : (uint8_t)bus_read(&mmio, address, 1);
}

/* A store as a processor makes it: ROM offers it to the bus. */
static void store(uint64_t address, uint8_t value)
{
    const struct space_slot *slot = space_find(&space, gpa(address));
    if (slot && !slot->rom)
        space_store(&space, slot, slot->host + (address - slot->base), value, 1);
    else
        bus_write(&mmio, address, value, 1);
}

Test(chipset, identities)
{
    cr_assert_eq(pci_config_read(&pci, HOST, 0, 4), 0x12378086);
    cr_assert_eq(pci_config_read(&pci, HOST, 8, 4), 0x06000002);
    cr_assert_eq(pci_config_read(&pci, HOST, 0x2c, 4), 0x11001af4);
    cr_assert_eq(pci_config_read(&pci, ISA, 0, 4), 0x70008086);
    cr_assert_eq(pci_config_read(&pci, ISA, PCI_HEADER_TYPE, 1), 0x80);
    cr_assert_eq(pci_config_read(&pci, PM, 0, 4), 0x71138086);
}

Test(chipset, after_reset_the_rom_shows)
{
    cr_assert_eq(byte_at(0xf0000), 0x52);
    cr_assert_eq(byte_at(0xe0000), 0x52);
    cr_assert_eq(byte_at(0xc0000), 0xff);
    store(0xf0000, 1);
    store(0xc0000, 1);
    cr_assert_eq(byte_at(0xf0000), 0x52);
    cr_assert_eq(shadow[0x30000], 0);
    cr_assert_eq(shadow[0], 0);
}

/* The way firmware shadows itself: read ROM, write RAM; then RAM only; then RAM that is read-only. */
Test(chipset, all_four_shadow_modes)
{
    static const struct {
        unsigned reg, shift;
        uint64_t address;
        uint8_t rom;
    } segments[] = {{0x59, 4, 0xf8000, 0x52}, {0x5a, 0, 0xc0010, 0xff}, {0x5a, 4, 0xc4010, 0xff},
                    {0x5d, 4, 0xdc000, 0xff}, {0x5e, 0, 0xe0000, 0x52}, {0x5f, 4, 0xec001, 0x52}};
    for (unsigned i = 0; i < ARRAY_LEN(segments); i++) {
        uint64_t at = segments[i].address;
        unsigned reg = segments[i].reg, shift = segments[i].shift;
        pci_config_write(&pci, HOST, reg, 2u << shift, 1);
        cr_assert_eq(byte_at(at), segments[i].rom, "%llx", (unsigned long long)at);
        store(at, 0x77);
        cr_assert_eq(byte_at(at), segments[i].rom);
        pci_config_write(&pci, HOST, reg, 3u << shift, 1);
        cr_assert_eq(byte_at(at), 0x77);
        store(at, 0x78);
        cr_assert_eq(byte_at(at), 0x78);
        pci_config_write(&pci, HOST, reg, 1u << shift, 1);
        store(at, 0x79);
        cr_assert_eq(byte_at(at), 0x78);
        pci_config_write(&pci, HOST, reg, 0, 1);
        cr_assert_eq(byte_at(at), segments[i].rom);
        cr_assert_eq(shadow[at - I440FX_SHADOW_BASE], 0x78);
    }
    pci_config_write(&pci, HOST, 0x59, 0xff, 1);
    cr_assert_eq(pci_config_read(&pci, HOST, 0x59, 1), 0x30);
    i440fx_class.reset(&north);
    cr_assert_eq(byte_at(0xf8000), 0x52);
}

Test(chipset, smram_opens_closes_and_locks)
{
    cr_assert_eq(pci_config_read(&pci, HOST, 0x72, 1), 0x02);
    cr_assert_null(space_host(&space, gpa(0xa0000)));
    pci_config_write(&pci, HOST, 0x72, 0x48, 1);
    store(0xa0000, 0x99);
    cr_assert_eq(byte_at(0xa0000), 0x99);
    pci_config_write(&pci, HOST, 0x72, 0x08, 1);
    cr_assert_null(space_host(&space, gpa(0xa0000)));
    pci_config_write(&pci, HOST, 0x72, 0x58, 1); /* lock: closes */
    cr_assert_null(space_host(&space, gpa(0xa0000)));
    pci_config_write(&pci, HOST, 0x72, 0x48, 1);
    cr_assert_eq(pci_config_read(&pci, HOST, 0x72, 1), 0x1a);
    i440fx_class.reset(&north);
    pci_config_write(&pci, HOST, 0x72, 0x48, 1);
    cr_assert_not_null(space_host(&space, gpa(0xa0000)));
}

Test(chipset, links_go_where_they_are_routed)
{
    struct irq_line a = piix3_link(&south, 0), b = piix3_link(&south, 1);
    cr_assert_eq(pci_config_read(&pci, ISA, 0x60, 4), 0x80808080);
    irq_set(&a, true);
    cr_assert_not(irqs[11].level);
    pci_config_write(&pci, ISA, 0x60, 11, 1);
    cr_assert(irqs[11].level);
    pci_config_write(&pci, ISA, 0x61, 11, 1);
    irq_set(&b, true);
    irq_set(&a, false);
    cr_assert(irqs[11].level);
    pci_config_write(&pci, ISA, 0x61, 5, 1);
    cr_assert_not(irqs[11].level);
    cr_assert(irqs[5].level);
    pci_config_write(&pci, ISA, 0x61, 0x85, 1);
    cr_assert_not(irqs[5].level);
    for (unsigned irq = 0; irq < 16; irq++) { /* IRQ 0 to 2, 8 and 13 cannot be had */
        pci_config_write(&pci, ISA, 0x61, irq, 1);
        cr_assert_eq(irqs[irq].level, 0xdef8 >> irq & 1, "%u", irq);
    }
    piix3_class.reset(&south);
    for (unsigned irq = 0; irq < 16; irq++)
        cr_assert_not(irqs[irq].level);
}

Test(chipset, power_management_answers_where_it_is_put)
{
    cr_assert_eq(piix4_pm_base(&pm), 0);
    pci_config_write(&pci, PM, 0x40, PORT | 1, 4);
    cr_assert_null(bus_find(&io, PORT));
    pci_config_write(&pci, PM, 0x80, 1, 1);
    cr_assert_eq(piix4_pm_base(&pm), PORT);
    bus_write(&io, PORT + 2, 0x100, 2);
    cr_assert_eq(bus_read(&io, PORT + 2, 2), 0x100);
    pci_config_write(&pci, PM, 0x40, 0xb000, 4);
    cr_assert_null(bus_find(&io, PORT));
    cr_assert_eq(bus_read(&io, 0xb002, 2), 0x100);
    piix4_pm_class.reset(&pm);
    cr_assert_null(bus_find(&io, 0xb000));
    cr_assert(pci_config_read(&pci, PM, 0x58, 4) & 0x02000000);
}

Test(chipset, nobody_answers_on_the_smbus)
{
    pci_config_write(&pci, PM, 0x90, 0x700, 4);
    pci_config_write(&pci, PM, 0xd2, 0x09, 1);
    pci_config_write(&pci, PM, PCI_COMMAND, 1, 2);
    cr_assert_eq(in8(&io, 0x700), 0);
    out8(&io, 0x704, 0xa1);
    out8(&io, 0x703, 0x02);
    out8(&io, 0x702, 0x49); /* start, byte data, interrupt */
    cr_assert_eq(in8(&io, 0x700), 0x04);
    cr_assert_eq(in8(&io, 0x702), 0x09);
    cr_assert(sci.level);
    out8(&io, 0x700, 0x1e);
    cr_assert_eq(in8(&io, 0x700), 0);
    cr_assert_not(sci.level);
    for (unsigned i = 0; i < 40; i++)
        out8(&io, 0x707, (uint8_t)i);
    in8(&io, 0x702);
    cr_assert_eq(in8(&io, 0x707), 32);
}

Test(chipset, any_access_is_survived)
{
    uint64_t random = 88172645463325252ull;
    for (unsigned i = 0; i < 100000; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        static const uint8_t functions[] = {HOST, ISA, PM};
        unsigned size = 1u << (random >> 8) % 3, offset = (random >> 16) % 256 & -size;
        pci_config_write(&pci, functions[random % 3], offset, (uint32_t)(random >> 32), size);
        bus_write(&io, PORT + (random >> 40) % 64, random, size);
        bus_write(&mmio, 0xc0000 + (random >> 20) % 0x40000, random, size);
        south.link[random >> 60 & 3] = random & 1;
    }
}
