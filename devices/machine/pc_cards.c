/*
 * The PC's disks and floppies. See pc.h and pc_int.h.
 *
 * Thread: whoever holds the machine lock. Source: where a PC/AT has its ports.
 */
#include "devices/machine/pc_int.h"

#include <errno.h>
#include <string.h>

enum { FLOPPY_DMA = 2 };

int pc_create_drives(struct pc *pc, struct error *err)
{
    const struct pc_config *c = &pc->config;
    struct piix3_ide_config ide = {.space = c->space, .irq = {pc_isa_irq(pc, IRQ_IDE), pc_isa_irq(pc, IRQ_IDE + 1)}};
    struct i82077_config fdc = {
        .clock = c->clock, .irq = pc_isa_irq(pc, IRQ_FLOPPY), .dma = i8237_line(&pc->dma, FLOPPY_DMA)};

    for (unsigned i = 0; i < DRIVES_IDE; i++) {
        const char *serial = c->drives.drive[DRIVE_IDE][i].serial;
        if (c->drives.drive[DRIVE_IDE][i].present)
            ide.drive[i / 2][i % 2] =
                (struct ide_drive_config){.kind = c->drives.drive[DRIVE_IDE][i].cdrom ? IDE_CDROM : IDE_DISK,
                                          .serial = serial[0] ? serial : NULL,
                                          .block = c->drives.drive[DRIVE_IDE][i].block};
    }
    for (unsigned i = 0; i < DRIVES_FLOPPY; i++) {
        fdc.present[i] = c->drives.drive[DRIVE_FLOPPY][i].present;
        fdc.block[i] = c->drives.drive[DRIVE_FLOPPY][i].block;
    }
    int r = piix3_ide_init(&pc->ide, &ide);
    if (!r)
        r = i82077_init(&pc->fdc, &fdc);
    if (r)
        return error_set(err, r, "a disk controller refused its configuration: %s", strerror(-r));
    pc_add_device(pc, &piix3_ide_class, &pc->ide);
    for (unsigned i = 0; i < PIIX3_IDE_CHANNELS; i++)
        pc_add_device(pc, &ide_class, &pc->ide.channel[i]);
    pc_add_device(pc, &i82077_class, &pc->fdc);
    return pci_plug(&pc->pci, PC_DEVFN_IDE, &pc->ide.pci, err);
}

int pc_map_cards(struct pc *pc, struct error *err)
{
    const struct pc_config *c = &pc->config;
    const struct bus_region ports[] = {
        {0x3f0, I82077_SIZE, &i82077_ops, &pc->fdc, "floppy disk controller"},
        {0x3f7, 1, &i82077_dir_ops, &pc->fdc, "floppy disk change"},
        {0x00, 16, &i8237_low_ops, &pc->dma, "8237 DMA channels 0 to 3"},
        {0xc0, 32, &i8237_high_ops, &pc->dma, "8237 DMA channels 4 to 7"},
        {0x80, 16, &i8237_page_ops, &pc->dma, "DMA page registers"},
    };

    int r = 0;
    for (unsigned i = 0; i < ARRAY_LEN(ports) && !r; i++)
        r = bus_map(c->io, &ports[i], err);
    return r;
}
