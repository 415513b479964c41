/*
 * PIIX4 (82371AB), function 3: power management. Says where the ACPI registers (devices/chips/acpi_pm.h) and the SMBus
 * host controller answer, and holds the registers of device monitors that nothing here has.
 *
 * Nobody sits on the SMBus: every transaction ends with "no device answered".
 * @locks the machine lock is held in every function.
 */
#ifndef RING3_DEVICES_PIIX4_PM_H
#define RING3_DEVICES_PIIX4_PM_H

#include "devices/chips/acpi_pm.h"
#include "devices/core/device.h"
#include "devices/core/pci.h"

enum { PIIX4_PM_BASE = 0x40, PIIX4_PM_ENABLE = 0x80, PIIX4_SMBUS_BASE = 0x90, PIIX4_SMBUS_CONFIG = 0xd2 };
enum { PIIX4_SMBUS_SIZE = 16 };

struct piix4_pm_config {
    struct bus *io;
    struct acpi_pm *acpi;      /* what answers at the PM base */
    struct irq_line smbus_irq; /* SMBus interrupts when they are routed to IRQ 9 */
};

struct piix4_pm {
    struct piix4_pm_config config;
    struct pci_function pci;
    uint8_t status, slave_status, control, command, address, data[2], block[32];
    uint8_t block_index, slave_control, shadow_command, slave_event[2], slave_data[2];
    uint16_t pm_mapped, smbus_mapped; /* where they answer; 0: nowhere. Derived */
};

int piix4_pm_init(struct piix4_pm *chip, const struct piix4_pm_config *config);

/* The port where the ACPI registers are, or 0. */
uint16_t piix4_pm_base(const struct piix4_pm *chip);

extern const struct bus_ops piix4_smbus_ops;
extern const struct device_class piix4_pm_class;

#endif
