/*
 * PIIX3 PCI-to-ISA bridge. See piix3.h.
 *
 * Invariant: `driven` is what the link levels and the routing registers say. Thread: whoever holds the machine lock.
 * Source: 82371FB/82371SB (PIIX/PIIX3) datasheet: "PCI to ISA/EISA Bridge configuration registers", "PIRQRC".
 */
#include "devices/chips/piix3.h"

enum {
    IORT = 0x4c,
    XBCS = 0x4e,
    TOM = 0x69,
    MISC_STATUS = 0x6a,
    MOTHERBOARD_IRQ = 0x70, /* MBIRQ0, MBIRQ1 */
    MOTHERBOARD_DMA = 0x76,
    PCS = 0x78,
    APIC_BASE = 0x80,
    DLC = 0x82,
    SMI_CONTROL = 0xa0,
    SMI_ENABLE = 0xa2,
    SYSTEM_EVENT = 0xa4,
    FAST_OFF = 0xa8,
    SMI_REQUEST = 0xaa,
    CLOCK_LOW = 0xac,
    CLOCK_HIGH = 0xae,
};

enum { ROUTE_IRQ = 0x0f, ROUTABLE = 0xdef8 /* IRQ 3 to 7, 9 to 12, 14, 15 */ };

static uint16_t routed_levels(const struct piix3 *chip)
{
    uint16_t levels = 0;
    for (unsigned i = 0; i < PCI_LINKS; i++) {
        uint8_t route = chip->pci.config[PIIX3_PIRQ_ROUTE + i];
        if (chip->link[i] && !(route & PIIX3_PIRQ_OFF))
            levels |= (uint16_t)(1u << (route & ROUTE_IRQ));
    }
    return levels & ROUTABLE;
}

static void update(struct piix3 *chip)
{
    uint16_t levels = routed_levels(chip), changed = levels ^ chip->driven;
    chip->driven = levels;
    for (unsigned i = 0; i < PIIX3_ISA_IRQS; i++)
        if (changed >> i & 1)
            irq_set(&chip->config.isa[i], levels >> i & 1);
}

static void set_link(void *sink, unsigned input, bool level)
{
    struct piix3 *chip = sink;
    chip->link[input % PCI_LINKS] = level;
    update(chip);
}

struct irq_line piix3_link(struct piix3 *chip, unsigned link)
{
    return (struct irq_line){.set = set_link, .sink = chip, .input = link};
}

static void written(void *context, unsigned offset, unsigned size)
{
    (void)offset, (void)size;
    update(context);
}

static void describe(struct piix3 *chip)
{
    static const struct {
        uint8_t offset, initial, writable;
    } registers[] = {
        {PCI_COMMAND, 0x07, 0x08},
        {PCI_COMMAND + 1, 0x00, 0x01},
        {PCI_STATUS + 1, 0x02, 0x00},
        {PCI_CACHE_LINE, 0x00, 0x00},
        {PCI_LATENCY, 0x00, 0x00},
        {IORT, 0x4d, 0x7f},
        {XBCS, 0x03, 0xff},
        {XBCS + 1, 0x00, 0x01},
        {PIIX3_PIRQ_ROUTE, 0x80, 0x8f},
        {PIIX3_PIRQ_ROUTE + 1, 0x80, 0x8f},
        {PIIX3_PIRQ_ROUTE + 2, 0x80, 0x8f},
        {PIIX3_PIRQ_ROUTE + 3, 0x80, 0x8f},
        {TOM, 0x02, 0xfe},
        {MISC_STATUS, 0x00, 0x11},
        {MOTHERBOARD_IRQ, 0x80, 0xef},
        {MOTHERBOARD_IRQ + 1, 0x80, 0xef},
        {MOTHERBOARD_DMA, 0x0c, 0x8f},
        {MOTHERBOARD_DMA + 1, 0x0c, 0x8f},
        {PCS, 0x02, 0xfd},
        {PCS + 1, 0x00, 0xff},
        {APIC_BASE, 0x00, 0x3f},
        {DLC, 0x00, 0x0f},
        {SMI_CONTROL, 0x08, 0x1f},
        {SMI_ENABLE, 0x00, 0xff},
        {SYSTEM_EVENT, 0x00, 0xff},
        {SYSTEM_EVENT + 1, 0x00, 0xff},
        {SYSTEM_EVENT + 3, 0x00, 0xe0},
        {FAST_OFF, 0x0f, 0xff},
        {SMI_REQUEST, 0x00, 0xff},
        {CLOCK_LOW, 0x00, 0xff},
        {CLOCK_HIGH, 0x00, 0xff},
    };

    for (unsigned i = 0; i < ARRAY_LEN(registers); i++) {
        chip->pci.initial[registers[i].offset] = registers[i].initial;
        chip->pci.writable[registers[i].offset] = registers[i].writable;
    }
}

static void piix3_reset(void *device)
{
    struct piix3 *chip = device;
    pci_reset(&chip->pci);
    update(chip);
}

static void piix3_restored(void *device)
{
    struct piix3 *chip = device;
    pci_restored(&chip->pci);
    update(chip);
}

static const struct field fields[] = {PCI_FIELDS(struct piix3, pci), FIELD_ARRAY(struct piix3, link)};

const struct device_class piix3_class = {
    .name = "piix3",
    .version = 1,
    .reset = piix3_reset,
    .restored = piix3_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int piix3_init(struct piix3 *chip, const struct piix3_config *config)
{
    *chip = (struct piix3){.config = *config};
    pci_init(&chip->pci, &(struct pci_config){.name = "ISA bridge",
                                              .vendor = 0x8086,
                                              .device = 0x7000,
                                              .subsystem_vendor = 0x1af4,
                                              .subsystem = 0x1100,
                                              .class_code = 0x060100,
                                              .written = written,
                                              .context = chip});
    describe(chip);
    piix3_reset(chip);
    return 0;
}
