/*
 * The IDE function of the PIIX3: two channels at the legacy addresses, and their bus master.
 *
 * The legacy ports answer while the channel's decode enable (IDETIM bit 15) and the I/O enable of the command register
 * are set; their interrupts are the ISA ones.
 */
#ifndef RING3_CHIPS_PIIX3_IDE_H
#define RING3_CHIPS_PIIX3_IDE_H

#include "devices/chips/ide.h"
#include "devices/core/pci.h"
#include "softmmu/space.h"

enum { PIIX3_IDE_CHANNELS = 2, PIIX3_IDE_TIMING = 0x40, PIIX3_IDE_DECODE = 0x8000 };

struct piix3_ide_config {
    struct space *space;
    struct irq_line irq[PIIX3_IDE_CHANNELS]; /* ISA 14 and 15 */
    struct ide_drive_config drive[PIIX3_IDE_CHANNELS][IDE_DRIVES];
};

/* A channel's bus master. */
struct piix3_bus_master {
    struct piix3_ide *owner;
    uint8_t command, status;
    uint32_t table;                /* the descriptors' address as the guest wrote it */
    uint32_t next;                 /* of the next descriptor */
    uint32_t address, left;        /* of the present region */
    uint8_t last;                  /* it is the table's last */
    bool decoded;                  /* the legacy ports are on the bus: derived */
    uint8_t sink[GUEST_PAGE_SIZE]; /* stands for memory that is not there */
};

struct piix3_ide {
    struct piix3_ide_config config;
    struct pci_function pci;
    struct ide channel[PIIX3_IDE_CHANNELS];
    struct piix3_bus_master master[PIIX3_IDE_CHANNELS];
};

extern const struct device_class piix3_ide_class;

/* Not plugged in yet. Returns 0, or -EINVAL. The channels are devices of their own: add ide_class for each of them. */
int piix3_ide_init(struct piix3_ide *ide, const struct piix3_ide_config *config);

#endif
