/*
 * `info pci`: the functions on the bus, their windows and interrupts, in the form of QEMU's.
 *
 * Thread: the main thread, lock and vCPU held.
 */
#include "devices/machine/monitor_int.h"

#include <inttypes.h>

static const char *class_name(unsigned class)
{
    static const struct {
        uint16_t class;
        const char *name;
    } names[] = {
        {0x0100, "SCSI controller"},
        {0x0101, "IDE controller"},
        {0x0102, "Floppy controller"},
        {0x0106, "SATA controller"},
        {0x0200, "Ethernet controller"},
        {0x0300, "VGA controller"},
        {0x0401, "Audio controller"},
        {0x0600, "Host bridge"},
        {0x0601, "ISA bridge"},
        {0x0604, "PCI bridge"},
        {0x0680, "Bridge"},
        {0x0c03, "USB controller"},
        {0x0c05, "SMBus"},
    };
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].class == class)
            return names[i].name;
    return "Class";
}

static void show_bar(FILE *out, const struct pci_bar *bar, unsigned number)
{
    if (!bar->size)
        return;
    uint64_t base = bar->mapped, last = base + (bar->size - 1);
    int digits = bar->kind == PCI_BAR_IO ? 4 : 8;
    fprintf(out, "      BAR%u: %s", number, bar->kind == PCI_BAR_IO ? "I/O" : "32 bit ");
    if (bar->kind == PCI_BAR_MEMORY)
        fprintf(out, "%smemory", bar->prefetchable ? "prefetchable " : "");
    if (base == PCI_UNMAPPED)
        fprintf(out, ", %#" PRIx32 " bytes, not mapped.\n", bar->size);
    else
        fprintf(out, " at 0x%0*" PRIx64 " [0x%0*" PRIx64 "].\n", digits, base, digits, last);
}

static void show_function(FILE *out, const struct pci_function *f)
{
    unsigned class = pci_get16(f, PCI_CLASS + 1);

    fprintf(out, "  Bus  0, device %3u, function %u:\n", f->devfn >> 3, f->devfn & 7u);
    fprintf(out, "    %s", class_name(class));
    if (class_name(class)[0] == 'C')
        fprintf(out, " %04x", class);
    fprintf(out, ": PCI device %04x:%04x (%s)\n", pci_get16(f, PCI_VENDOR), pci_get16(f, PCI_DEVICE), f->name);
    if (f->config[PCI_INTERRUPT_PIN])
        fprintf(out, "      IRQ %u, pin %c%s\n", f->config[PCI_INTERRUPT_LINE], 'A' + f->config[PCI_INTERRUPT_PIN] - 1,
                f->intx ? ", asserted" : "");
    for (unsigned i = 0; i < PCI_BARS; i++)
        show_bar(out, &f->bar[i], i);
}

int monitor_info_pci(struct monitor_call *call, struct error *err)
{
    const struct pci_bus *bus = &call->machine->pc.pci;
    (void)err;

    for (unsigned i = 0; i < PCI_FUNCTIONS; i++)
        if (bus->function[i])
            show_function(call->out, bus->function[i]);
    return 0;
}
