/*
 * PIIX3 (82371SB), function 0: the PCI-to-ISA bridge. Routes the four PCI interrupt links to ISA interrupts; the other
 * functions of the package are chips of their own (ide, piix4_pm).
 *
 * @locks the machine lock is held in every function.
 */
#ifndef RING3_DEVICES_PIIX3_H
#define RING3_DEVICES_PIIX3_H

#include "devices/core/device.h"
#include "devices/core/pci.h"

enum { PIIX3_ISA_IRQS = 16, PIIX3_PIRQ_ROUTE = 0x60, PIIX3_PIRQ_OFF = 0x80 };

struct piix3_config {
    struct irq_line isa[PIIX3_ISA_IRQS]; /* what the links pull: to be joined with the ISA devices' own levels */
};

struct piix3 {
    struct piix3_config config;
    struct pci_function pci;
    bool link[PCI_LINKS]; /* levels of PIRQA# to PIRQD# */
    uint16_t driven;      /* ISA interrupts that are asserted: derived */
};

int piix3_init(struct piix3 *chip, const struct piix3_config *config);

/* The input of link 0 to 3, for struct pci_bus. */
struct irq_line piix3_link(struct piix3 *chip, unsigned link);

extern const struct device_class piix3_class;

#endif
