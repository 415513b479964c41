/*
 * PIIX4 power management function. See piix4_pm.h.
 *
 * Invariants: pm_mapped and smbus_mapped follow the base and enable registers unless something else has the ports.
 * Thread: whoever holds the machine lock.
 * Source: 82371AB (PIIX4) datasheet "Power management PCI configuration registers", "SMBus I/O space registers".
 */
#include "devices/chips/piix4_pm.h"

#include "cpu-model/base/log.h"

enum {
    COUNT_A = 0x44,
    COUNT_B = 0x48,
    GENERAL_INPUT = 0x4c,
    RESOURCES_D = 0x50,
    ACTIVITY_A = 0x54,
    ACTIVITY_B = 0x58, /* bit 25: APMC_EN, writes to port B2h raise SMI# */
    RESOURCES_A = 0x5c,
    RESOURCES_J = 0x7c,
    SLAVE_COMMAND = 0xd3,
    SLAVE_SHADOW = 0xd4,
    SMBUS_REVISION = 0xd6,
};

enum { SMBUS_HOST_ENABLE = 1, SMBUS_IRQ_MASK = 0x0e, SMBUS_IRQ9 = 0x08, BASE_MASK = 0xffc0, SMBUS_BASE_MASK = 0xfff0 };

/* SMBus registers */
enum {
    HOST_STATUS,
    SLAVE_STATUS,
    HOST_CONTROL,
    HOST_COMMAND,
    HOST_ADDRESS,
    HOST_DATA0,
    HOST_DATA1,
    BLOCK_DATA,
    SLAVE_CONTROL,
    SHADOW_COMMAND,
    SLAVE_EVENT,
    SLAVE_DATA = SLAVE_EVENT + 2,
};
enum { STATUS_DONE = 1 << 1, STATUS_DEVICE_ERROR = 1 << 2, STATUS_COLLISION = 1 << 3, STATUS_FAILED = 1 << 4 };
enum { STATUS_EVENTS = STATUS_DONE | STATUS_DEVICE_ERROR | STATUS_COLLISION | STATUS_FAILED, SLAVE_EVENTS = 0x3c };
enum { CONTROL_INTERRUPT = 1 << 0, CONTROL_KILL = 1 << 1, CONTROL_START = 1 << 6, CONTROL_KEPT = 0x1f };

static void update_irq(struct piix4_pm *chip)
{
    bool routed = (chip->pci.config[PIIX4_SMBUS_CONFIG] & SMBUS_IRQ_MASK) == SMBUS_IRQ9;
    irq_set(&chip->config.smbus_irq, routed && chip->control & CONTROL_INTERRUPT && chip->status & STATUS_EVENTS);
}

/* --- where things answer ------------------------------------------------------------------------------------------ */

static void move(struct piix4_pm *chip, uint16_t *mapped, uint16_t base, const struct bus_region *region)
{
    struct error err;
    struct bus_region moved = *region;

    if (base == *mapped)
        return;
    if (*mapped)
        bus_unmap(chip->config.io, *mapped, region->device);
    *mapped = 0;
    if (!base)
        return;
    moved.base = base;
    if (bus_map(chip->config.io, &moved, &err))
        log_line(LOG_GUEST, "piix4_pm: %s", err.text);
    else
        *mapped = base;
}

static void update_windows(struct piix4_pm *chip)
{
    const uint8_t *config = chip->pci.config;
    uint16_t pm = config[PIIX4_PM_ENABLE] & 1 ? pci_get16(&chip->pci, PIIX4_PM_BASE) & BASE_MASK : 0;
    bool smbus_on = config[PCI_COMMAND] & PCI_COMMAND_IO && config[PIIX4_SMBUS_CONFIG] & SMBUS_HOST_ENABLE;
    uint16_t smbus = smbus_on ? pci_get16(&chip->pci, PIIX4_SMBUS_BASE) & SMBUS_BASE_MASK : 0;

    move(chip, &chip->pm_mapped, pm,
         &(struct bus_region){
             .size = ACPI_PM_SIZE, .ops = &acpi_pm_ops, .device = chip->config.acpi, .name = "ACPI power management"});
    move(chip, &chip->smbus_mapped, smbus,
         &(struct bus_region){.size = PIIX4_SMBUS_SIZE, .ops = &piix4_smbus_ops, .device = chip, .name = "SMBus host"});
}

uint16_t piix4_pm_base(const struct piix4_pm *chip)
{
    return chip->pm_mapped;
}

static void written(void *context, unsigned offset, unsigned size)
{
    struct piix4_pm *chip = context;
    (void)offset, (void)size;
    update_windows(chip);
    update_irq(chip);
}

/* --- the SMBus host ----------------------------------------------------------------------------------------------- */

static uint64_t smbus_read(void *device, uint64_t offset, unsigned size)
{
    struct piix4_pm *chip = device;
    uint8_t value;
    (void)size;

    switch (offset) {
    case HOST_STATUS:
        return chip->status;
    case SLAVE_STATUS:
        return chip->slave_status;
    case HOST_CONTROL: /* reading it also rewinds the block buffer */
        chip->block_index = 0;
        return chip->control;
    case HOST_COMMAND:
        return chip->command;
    case HOST_ADDRESS:
        return chip->address;
    case HOST_DATA0:
    case HOST_DATA1:
        return chip->data[offset - HOST_DATA0];
    case BLOCK_DATA:
        value = chip->block[chip->block_index];
        chip->block_index = (chip->block_index + 1) % sizeof(chip->block);
        return value;
    case SLAVE_CONTROL:
        return chip->slave_control;
    case SHADOW_COMMAND:
        return chip->shadow_command;
    case SLAVE_EVENT:
    case SLAVE_EVENT + 1:
        return chip->slave_event[offset - SLAVE_EVENT];
    case SLAVE_DATA:
    case SLAVE_DATA + 1:
        return chip->slave_data[offset - SLAVE_DATA];
    default:
        return 0;
    }
}

/* A transaction is over at once: nobody acknowledged its address. */
static void write_control(struct piix4_pm *chip, uint8_t value)
{
    chip->control = value & CONTROL_KEPT;
    if (value & CONTROL_KILL)
        chip->status |= STATUS_FAILED;
    else if (value & CONTROL_START)
        chip->status |= STATUS_DEVICE_ERROR;
}

static void smbus_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct piix4_pm *chip = device;
    uint8_t byte = (uint8_t)value;
    (void)size;

    switch (offset) {
    case HOST_STATUS:
        chip->status &= (uint8_t) ~(byte & STATUS_EVENTS);
        chip->block_index = 0;
        break;
    case SLAVE_STATUS:
        chip->slave_status &= (uint8_t) ~(byte & SLAVE_EVENTS);
        break;
    case HOST_CONTROL:
        write_control(chip, byte);
        break;
    case HOST_COMMAND:
        chip->command = byte;
        break;
    case HOST_ADDRESS:
        chip->address = byte;
        break;
    case HOST_DATA0:
    case HOST_DATA1:
        chip->data[offset - HOST_DATA0] = byte;
        break;
    case BLOCK_DATA:
        chip->block[chip->block_index] = byte;
        chip->block_index = (chip->block_index + 1) % sizeof(chip->block);
        break;
    case SLAVE_CONTROL:
        chip->slave_control = byte & 0x0f;
        break;
    case SLAVE_EVENT:
    case SLAVE_EVENT + 1:
        chip->slave_event[offset - SLAVE_EVENT] = byte;
        break;
    default: /* read-only or reserved */
        break;
    }
    update_irq(chip);
}

const struct bus_ops piix4_smbus_ops = {.read = smbus_read, .write = smbus_write, .widths = 1};

/* --- life cycle --------------------------------------------------------------------------------------------------- */

static void describe(struct piix4_pm *chip)
{
    static const struct {
        uint8_t offset, size;
        uint32_t initial, writable;
    } registers[] = {
        {PCI_COMMAND, 2, 0x0000, 0x0101},
        {PCI_STATUS, 2, 0x0280, 0x0000},
        {PCI_CACHE_LINE, 2, 0, 0},
        {PIIX4_PM_BASE, 4, 0x00000001, BASE_MASK},
        {COUNT_A, 4, 0, 0xffffffff},
        {COUNT_B, 4, 0, 0x00ffffff},
        {GENERAL_INPUT, 4, 0, 0xffffffff},
        {RESOURCES_D, 4, 0, 0xffffffff},
        {ACTIVITY_A, 4, 0, 0xffffffff},
        /* APMC_EN reads as set: how firmware knows that no SMI will come (there is no system management mode). */
        {ACTIVITY_B, 4, 0x02000000, 0xfdffffff},
        {RESOURCES_A, 4, 0, 0xffffffff},
        {RESOURCES_A + 4, 4, 0x90000000, 0xffffffff},
        {RESOURCES_J, 4, 0, 0x00ffffff},
        {PIIX4_PM_ENABLE, 1, 0, 0x01},
        {PIIX4_SMBUS_BASE, 4, 0x00000001, SMBUS_BASE_MASK},
        {PIIX4_SMBUS_CONFIG, 1, 0, 0x0f},
        {SLAVE_COMMAND, 1, 0, 0xff},
        {SLAVE_SHADOW, 2, 0, 0xffff},
        {SMBUS_REVISION, 1, 0, 0},
    };

    for (unsigned i = 0; i < ARRAY_LEN(registers); i++) {
        pci_set(chip->pci.initial, registers[i].offset, registers[i].initial, registers[i].size);
        pci_set(chip->pci.writable, registers[i].offset, registers[i].writable, registers[i].size);
    }
    for (unsigned offset = RESOURCES_A + 8; offset < RESOURCES_J; offset += 4)
        pci_set(chip->pci.writable, offset, 0xffffffff, 4);
}

static void piix4_pm_reset(void *device)
{
    struct piix4_pm *chip = device;
    pci_reset(&chip->pci);
    chip->status = chip->slave_status = chip->control = chip->command = chip->address = 0;
    chip->block_index = chip->slave_control = chip->shadow_command = 0;
    for (unsigned i = 0; i < 2; i++)
        chip->data[i] = chip->slave_event[i] = chip->slave_data[i] = 0;
    update_windows(chip);
    update_irq(chip);
}

static void piix4_pm_restored(void *device)
{
    struct piix4_pm *chip = device;
    chip->block_index %= sizeof(chip->block);
    pci_restored(&chip->pci);
    update_windows(chip);
    update_irq(chip);
}

static const struct field fields[] = {
    PCI_FIELDS(struct piix4_pm, pci),         FIELD(struct piix4_pm, status),
    FIELD(struct piix4_pm, slave_status),     FIELD(struct piix4_pm, control),
    FIELD(struct piix4_pm, command),          FIELD(struct piix4_pm, address),
    FIELD_ARRAY(struct piix4_pm, data),       FIELD_ARRAY(struct piix4_pm, block),
    FIELD(struct piix4_pm, block_index),      FIELD(struct piix4_pm, slave_control),
    FIELD(struct piix4_pm, shadow_command),   FIELD_ARRAY(struct piix4_pm, slave_event),
    FIELD_ARRAY(struct piix4_pm, slave_data),
};

const struct device_class piix4_pm_class = {
    .name = "piix4_pm",
    .version = 1,
    .reset = piix4_pm_reset,
    .restored = piix4_pm_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int piix4_pm_init(struct piix4_pm *chip, const struct piix4_pm_config *config)
{
    *chip = (struct piix4_pm){.config = *config};
    pci_init(&chip->pci, &(struct pci_config){.name = "power management",
                                              .vendor = 0x8086,
                                              .device = 0x7113,
                                              .subsystem_vendor = 0x1af4,
                                              .subsystem = 0x1100,
                                              .revision = 3,
                                              .class_code = 0x068000,
                                              .interrupt_pin = 1,
                                              .written = written,
                                              .context = chip});
    describe(chip);
    piix4_pm_reset(chip);
    return 0;
}
