/*
 * PCI: functions with their configuration space and BARs, the bus they sit on, and configuration mechanism #1.
 *
 * A chip embeds a struct pci_function, describes it with pci_init(), adds BARs with pci_add_bar() and is plugged in
 * with pci_plug(). From then on the BARs appear on the machine's buses and vanish from them as the guest programs them:
 *
 *     pci_init(&ide->pci, &(struct pci_config){.name = "IDE", .vendor = 0x8086, .device = 0x7010, ...});
 *     pci_add_bar(&ide->pci, 4, &(struct pci_bar){.kind = PCI_BAR_IO, .size = 16, .ops = &bm_ops, .device = ide});
 *     pci_plug(bus, PCI_DEVFN(1, 1), &ide->pci);          in devices/machine/pc.c
 *
 * Bits beyond the standard header: set `initial` (the value after reset) and `writable` or `clearable` (write 1 to
 * clear) between pci_init() and pci_plug(). Snapshots: PCI_FIELDS() in the chip's fields and pci_restored() in its
 * class' restored function; pci_reset() in its reset function.
 *
 * Source: PCI Local Bus Specification 2.1 "Configuration Space"; 82441FX datasheet "CONFADD", "CONFDATA".
 * @locks the machine lock is held in every function and callback.
 */
#ifndef RING3_DEVICES_PCI_H
#define RING3_DEVICES_PCI_H

#include "cpu-model/base/bus.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"

#define PCI_DEVFN(slot, function) ((uint8_t)((slot) << 3 | (function)))
#define PCI_UNMAPPED              UINT64_MAX

enum { PCI_CONFIG_SIZE = 256, PCI_ROM = 6, PCI_BARS = 7, PCI_LINKS = 4, PCI_FUNCTIONS = 256 };

/* Configuration registers (type 0 header). */
enum {
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09, /* programming interface, subclass, class */
    PCI_CACHE_LINE = 0x0c,
    PCI_LATENCY = 0x0d,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e,
    PCI_ROM_BASE = 0x30,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
};

/* The command register. */
enum {
    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_PARITY = 1 << 6,
    PCI_COMMAND_SERR = 1 << 8,
    PCI_COMMAND_INTX_OFF = 1 << 10,
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY };

struct pci_bar {
    enum pci_bar_kind kind;
    uint32_t size;     /* a power of two: I/O 4 to 256, memory 16 or more; the ROM's: 2 KiB or more */
    bool prefetchable; /* memory only */
    /* What answers there: a region for the bus ... */
    const struct bus_ops *ops;
    void *device;
    const char *name; /* null: the function's */
    /* ... or, for memory that the chip maps into the guest's memory itself, a function that is told where the window is
     * now (PCI_UNMAPPED: nowhere). Either or both. */
    void (*moved)(void *device, uint64_t base);

    uint64_t mapped; /* where it is, or PCI_UNMAPPED: derived */
};

/* What a function is. */
struct pci_config {
    const char *name; /* for messages; not copied */
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint8_t revision;
    uint32_t class_code;   /* class << 16 | subclass << 8 | programming interface */
    uint8_t interrupt_pin; /* 0: none; 1: INTA# to 4: INTD# */
    /* Called after the guest wrote [offset, +size) of the configuration space; it sees the new values. May be null. */
    void (*written)(void *context, unsigned offset, unsigned size);
    void *context;
};

struct pci_bus;

struct pci_function {
    const char *name;
    struct pci_bus *bus; /* null: not plugged in */
    uint8_t devfn;
    uint8_t config[PCI_CONFIG_SIZE]; /* what the guest reads */
    uint8_t initial[PCI_CONFIG_SIZE], writable[PCI_CONFIG_SIZE], clearable[PCI_CONFIG_SIZE];
    struct pci_bar bar[PCI_BARS]; /* the last is the expansion ROM's */
    bool intx;                    /* the level that the chip drives */
    bool intx_out;                /* what the bus sees of it: derived */
    void (*written)(void *context, unsigned offset, unsigned size);
    void *context;
};

/* Names the function's state in a chip's field table. */
#define PCI_FIELDS(type, member) FIELD(type, member.config), FIELD(type, member.intx)

struct pci_bus {
    struct bus *io, *mmio;
    struct irq_line link[PCI_LINKS]; /* the interrupt links of the board (PIRQA# to PIRQD#) */
    unsigned asserted[PCI_LINKS];    /* functions that pull each: derived */
    struct pci_function *function[PCI_FUNCTIONS];
};

/* --- for chips ---------------------------------------------------------------------------------------------------- */

/* Fills in the header. */
void pci_init(struct pci_function *f, const struct pci_config *config);

/* Describes BAR 0 to 5 or PCI_ROM. Before pci_plug(). */
void pci_add_bar(struct pci_function *f, unsigned number, const struct pci_bar *bar);

/* Gives every register its initial value, drops the interrupt and takes the BARs off the buses. */
void pci_reset(struct pci_function *f);

/* After the fields were loaded. */
void pci_restored(struct pci_function *f);

/* Drives the function's interrupt pin: the level, as long as the cause persists. */
void pci_set_intx(struct pci_function *f, bool level);

/* The function as the sink of an irq line, for chips that do not know that they sit on PCI. */
struct irq_line pci_intx_line(struct pci_function *f);

/* May it read and write memory by itself? To be asked before each transfer. */
bool pci_may_master(const struct pci_function *f);

static inline uint16_t pci_get16(const struct pci_function *f, unsigned offset)
{
    return (uint16_t)(f->config[offset] | f->config[offset + 1] << 8);
}

static inline uint32_t pci_get32(const struct pci_function *f, unsigned offset)
{
    return pci_get16(f, offset) | (uint32_t)pci_get16(f, offset + 2) << 16;
}

/* Little-endian values of 1 to 4 bytes into one of the tables config, initial, writable, clearable. */
static inline void pci_set(uint8_t table[PCI_CONFIG_SIZE], unsigned offset, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        table[offset + i] = (uint8_t)(value >> i * 8);
}

/* --- for the board ------------------------------------------------------------------------------------------------ */

void pci_bus_init(struct pci_bus *bus, struct bus *io, struct bus *mmio);

/* Puts a function into its place. The slot's function 0 then says whether there are more. Returns 0, or -EEXIST with a
 * message when the place is taken. */
int pci_plug(struct pci_bus *bus, uint8_t devfn, struct pci_function *f, struct error *err);

/* The interrupt link that pin 1 to 4 (INTA# to INTD#) of a slot is wired to, 0 to 3: rotated by slot, so that slot 1's
 * INTA# is link 0. */
unsigned pci_link(unsigned slot, unsigned pin);

/* One configuration access of 1, 2 or 4 bytes inside a dword; what is not there reads as all ones. */
uint32_t pci_config_read(struct pci_bus *bus, uint8_t devfn, unsigned offset, unsigned size);
void pci_config_write(struct pci_bus *bus, uint8_t devfn, unsigned offset, uint32_t value, unsigned size);

/* Mechanism #1: the ports CF8h (address, dword) and CFCh (data). */
struct pci_host {
    struct pci_bus *bus;
    uint32_t address;
    /* What a byte access at CF9h is for: the south bridge's reset control shares the address register's ports. */
    const struct bus_ops *reset_ops;
    void *reset_device;
};

enum { PCI_HOST_ADDRESS = 0xcf8, PCI_HOST_DATA = 0xcfc };
extern const struct bus_ops pci_address_ops, pci_data_ops;

#endif
