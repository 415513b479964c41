/*
 * The PC on one page. See pc.h.
 *
 * Invariants: a chip knows lines and callbacks only, all routing is here; ISA interrupt n goes to 8259 input n and to
 * I/O APIC pin n, except the timer's, which is pin 2 there (as the MADT says). Every request to reset or power off goes
 * out through the config's callbacks, which only note it.
 *
 * Thread: whoever holds the machine lock.
 */
#include "devices/machine/pc.h"

#include "devices/machine/acpi_tables.h"
#include "softmmu/mmu.h"

#include <errno.h>
#include <string.h>

/* --- interrupts --------------------------------------------------------------------------------------------------- */

enum { IRQ_TIMER = 0, IRQ_KEYBOARD = 1, IRQ_RTC = 8, IRQ_SCI = 9, IRQ_MOUSE = 12, IRQ_FERR = 13 };

static void set_isa_irq(void *sink, unsigned irq, bool level)
{
    struct pc *pc = sink;
    uint16_t bit = (uint16_t)(1 << irq);
    pc->isa_count[irq] += level && !(pc->isa_levels & bit);
    pc->isa_levels = (uint16_t)(level ? pc->isa_levels | bit : pc->isa_levels & ~bit);
    irq_set(&pc->isa[irq], level);
    ioapic_set_pin(&pc->ioapic, irq == IRQ_TIMER ? 2 : irq, level);
}

static struct irq_line isa_irq(struct pc *pc, unsigned irq)
{
    return (struct irq_line){.set = set_isa_irq, .sink = pc, .input = irq};
}

/* The 8259's INTR: to LINT0, which passes it on as ExtINT or as whatever the guest programmed. */
static void set_intr(void *sink, unsigned input, bool level)
{
    struct pc *pc = sink;
    (void)input;
    lapic_set_lint(&pc->lapic, 0, level);
    if (level)
        pc->config.interrupt(pc->config.context);
}

bool pc_interrupt_pending(const struct pc *pc)
{
    return lapic_has_interrupt(&pc->lapic) || (lapic_accepts_pic(&pc->lapic) && i8259_intr(&pc->pic));
}

int pc_interrupt_acknowledge(struct pc *pc)
{
    int vector = lapic_acknowledge(&pc->lapic);
    if (vector >= 0)
        return vector;
    if (!lapic_accepts_pic(&pc->lapic) || !i8259_intr(&pc->pic))
        return -1;
    vector = i8259_acknowledge(&pc->pic);
    lapic_pic_acknowledged(&pc->lapic);
    return vector;
}

static void on_lapic(void *context, enum lapic_event event, uint8_t vector)
{
    struct pc *pc = context;
    static const uint32_t events[] = {
        [LAPIC_EVENT_NMI] = EVENT_NMI,
        [LAPIC_EVENT_INIT] = EVENT_INIT,
        [LAPIC_EVENT_SIPI] = EVENT_SIPI,
        [LAPIC_EVENT_SMI] = 0, /* there is no system management mode to enter */
    };
    if (event == LAPIC_EVENT_INTR)
        pc->config.interrupt(pc->config.context);
    else if (events[event])
        pc->config.cpu_event(pc->config.context, events[event], vector);
}

static bool deliver_message(void *context, const struct apic_message *message)
{
    struct pc *pc = context;
    struct lapic *lapics[] = {&pc->lapic};
    return lapic_route(lapics, 1, NULL, message);
}

static bool deliver_ipi(void *context, const struct lapic *source, const struct apic_message *message)
{
    struct pc *pc = context;
    struct lapic *lapics[] = {&pc->lapic};
    return lapic_route(lapics, 1, source, message);
}

static void on_eoi(void *context, uint8_t vector)
{
    ioapic_eoi(&((struct pc *)context)->ioapic, vector);
}

static void on_apic_base(void *context, gpa_t base, bool mapped)
{
    struct pc *pc = context;
    struct bus *bus = pc->config.mmio;
    struct error err;

    for (unsigned i = 0; i < bus->count; i++) {
        if (bus->regions[i].device != &pc->lapic)
            continue;
        bus_unmap(bus, bus->regions[i].base, &pc->lapic);
        break;
    }
    /* A base on top of another device: that one keeps answering. */
    if (mapped)
        bus_map(bus,
                &(struct bus_region){.base = base.v,
                                     .size = LAPIC_WINDOW_SIZE,
                                     .ops = &lapic_ops,
                                     .device = &pc->lapic,
                                     .name = "local APIC"},
                &err);
}

static uint64_t on_tsc(void *context)
{
    struct pc *pc = context;
    return pc->config.tsc_now(pc->config.context);
}

/* --- the board's own ports ---------------------------------------------------------------------------------------- */

void pc_ferr(struct pc *pc)
{
    set_isa_irq(pc, IRQ_FERR, true);
}

/* F0h: clears the coprocessor's busy latch. F1h: resets the coprocessor; nothing is left to reset. */
static uint64_t coprocessor_read(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    (void)offset;
    return zero_extend(~0ull, size);
}

static void coprocessor_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    (void)value;
    (void)size;
    if (offset == 0)
        set_isa_irq(device, IRQ_FERR, false);
}

static const struct bus_ops coprocessor_ops = {coprocessor_read, coprocessor_write, 1};

/* 80h: the POST code, in a DMA page register that no channel uses; guests write it to pass a microsecond. */
static uint64_t post_read(void *device, uint64_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    return ((struct pc *)device)->post_code;
}

static void post_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    (void)offset;
    (void)size;
    ((struct pc *)device)->post_code = (uint8_t)value;
}

static const struct bus_ops post_ops = {post_read, post_write, 1};

static void update_a20(struct pc *pc)
{
    pc->config.a20(pc->config.context, pc->a20_keyboard || pc->a20_port92);
}

static void set_a20_keyboard(void *sink, unsigned input, bool level)
{
    struct pc *pc = sink;
    (void)input;
    pc->a20_keyboard = level;
    update_a20(pc);
}

static void set_a20_port92(void *sink, unsigned input, bool level)
{
    struct pc *pc = sink;
    (void)input;
    pc->a20_port92 = level;
    update_a20(pc);
}

static void on_reset(void *context)
{
    struct pc *pc = context;
    pc->config.reset(pc->config.context);
}

static void on_pm_reset(void *context, bool hard)
{
    (void)hard; /* without firmware at F000:FFF0 a CPU-only reset leads nowhere: the machine boots anew */
    on_reset(context);
}

static void on_power_off(void *context)
{
    struct pc *pc = context;
    pc->config.power_off(pc->config.context);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

enum {
    BASE_MEMORY_END = 0xa0000,
    EBDA = 0x9fc00,
    UPPER_MEMORY = 0xc0000, /* RAM where option ROMs and the BIOS would be */
    HIGH_MEMORY = 0x100000,
    ACPI_REGION = 0x10000,
};

#define PCI_HOLE     0xc0000000ull
#define PCI_HOLE_END 0x100000000ull

static void add_range(struct memory_map *map, uint64_t base, uint64_t end, uint32_t type)
{
    map->range[map->count++] = (struct memory_range){base, end - base, type};
}

static int create_memory(struct pc *pc, struct error *err)
{
    uint64_t ram = pc->config.ram_bytes, low = ram < PCI_HOLE ? ram : PCI_HOLE;
    struct space *space = pc->config.space;
    struct memory_map *map = &pc->map;

    pc->acpi_base = low - ACPI_REGION;
    add_range(map, 0, EBDA, MEMORY_RAM);
    add_range(map, EBDA, BASE_MEMORY_END, MEMORY_RESERVED);
    add_range(map, UPPER_MEMORY + 0x30000, HIGH_MEMORY, MEMORY_RESERVED);
    add_range(map, HIGH_MEMORY, pc->acpi_base, MEMORY_RAM);
    add_range(map, pc->acpi_base, low, MEMORY_ACPI);
    if (ram > low)
        add_range(map, PCI_HOLE_END, PCI_HOLE_END + ram - low, MEMORY_RAM);

    int r = space_add(space, 0, BASE_MEMORY_END, false, "base memory", NULL, err);
    if (!r)
        r = space_add(space, UPPER_MEMORY, HIGH_MEMORY - UPPER_MEMORY, false, "upper memory", NULL, err);
    if (!r)
        r = space_add(space, HIGH_MEMORY, low - HIGH_MEMORY, false, "low RAM", NULL, err);
    if (!r && ram > low)
        r = space_add(space, PCI_HOLE_END, ram - low, false, "high RAM", NULL, err);
    return r;
}

/* --- the page ----------------------------------------------------------------------------------------------------- */

enum { PM_BASE = 0x600, SMI_PORT = 0xb2, RESET_PORT = 0xcf9, SERIAL1_PORT = 0x3f8, SERIAL2_PORT = 0x2f8 };

static void add_device(struct pc *pc, const struct device_class *class, void *state)
{
    pc->device[pc->devices].class = class;
    pc->device[pc->devices++].state = state;
}

static int create_interrupt_controllers(struct pc *pc)
{
    const struct pc_config *c = &pc->config;
    int r = lapic_init(&pc->lapic, &(struct lapic_config){.bsp = true,
                                                          .x2apic = c->x2apic,
                                                          .tsc_deadline = c->tsc_deadline,
                                                          .phys_bits = c->phys_bits,
                                                          .clock = c->clock,
                                                          .context = pc,
                                                          .notify = on_lapic,
                                                          .deliver_ipi = deliver_ipi,
                                                          .eoi = on_eoi,
                                                          .base_changed = on_apic_base,
                                                          .tsc_now = on_tsc,
                                                          .tsc_hz = c->tsc_hz});
    if (!r)
        r = ioapic_init(&pc->ioapic, &(struct ioapic_config){.deliver = deliver_message, .context = pc});
    if (!r)
        r = i8259_init(&pc->pic, &(struct i8259_config){.intr = {.set = set_intr, .sink = pc}});
    for (unsigned i = 0; i < PC_ISA_IRQS; i++)
        pc->isa[i] = i8259_input(&pc->pic, i);
    add_device(pc, &lapic_class, &pc->lapic);
    add_device(pc, &ioapic_class, &pc->ioapic);
    add_device(pc, &i8259_class, &pc->pic);
    return r;
}

static int create_chips(struct pc *pc)
{
    static const uint8_t serial_irq[PC_SERIALS] = {4, 3};
    const struct pc_config *c = &pc->config;

    int r = i8254_init(&pc->pit, &(struct i8254_config){.clock = c->clock, .irq = isa_irq(pc, IRQ_TIMER)});
    if (!r)
        r = mc146818_init(&pc->rtc, &(struct mc146818_config){
                                        .clock = c->clock, .irq = isa_irq(pc, IRQ_RTC), .start_epoch = c->rtc_epoch});
    if (!r)
        r = i8042_init(&pc->kbc, &(struct i8042_config){.keyboard_irq = isa_irq(pc, IRQ_KEYBOARD),
                                                        .mouse_irq = isa_irq(pc, IRQ_MOUSE),
                                                        .a20 = {.set = set_a20_keyboard, .sink = pc},
                                                        .request_reset = on_reset,
                                                        .context = pc});
    if (!r)
        r = port92_init(&pc->port92, &(struct port92_config){.a20 = {.set = set_a20_port92, .sink = pc},
                                                             .request_reset = on_reset,
                                                             .context = pc});
    if (!r)
        r = acpi_pm_init(&pc->pm, &(struct acpi_pm_config){.clock = c->clock,
                                                           .sci = isa_irq(pc, IRQ_SCI),
                                                           .context = pc,
                                                           .power_off = on_power_off,
                                                           .reset = on_pm_reset});
    if (r)
        return r;
    add_device(pc, &i8254_class, &pc->pit);
    add_device(pc, &mc146818_class, &pc->rtc);
    add_device(pc, &i8042_class, &pc->kbc);
    add_device(pc, &port92_class, &pc->port92);
    add_device(pc, &acpi_pm_class, &pc->pm);
    for (unsigned i = 0; i < PC_SERIALS && !r; i++) {
        if (!c->serial_present[i])
            continue;
        r = ns16550_init(&pc->serial[i], &(struct ns16550_config){.clock = c->clock,
                                                                  .irq = isa_irq(pc, serial_irq[i]),
                                                                  .chardev = c->serial[i],
                                                                  .out2_gates_irq = true});
        if (!r)
            add_device(pc, &ns16550_class, &pc->serial[i]);
    }
    if (!r && c->debugcon_present) {
        r = debugcon_init(&pc->debugcon, &(struct debugcon_config){.chardev = c->debugcon});
        add_device(pc, &debugcon_class, &pc->debugcon);
    }
    if (!r && c->debug_exit) {
        r = debugexit_init(&pc->debug_exit, &(struct debugexit_config){.request_exit = c->exit, .context = c->context});
        add_device(pc, &debugexit_class, &pc->debug_exit);
    }
    return r;
}

static int map_chips(struct pc *pc, struct error *err)
{
    const struct pc_config *c = &pc->config;
    const struct bus_region ports[] = {
        {0x20, 2, &i8259_master_ops, &pc->pic, "master 8259"},
        {0xa0, 2, &i8259_slave_ops, &pc->pic, "slave 8259"},
        {0x4d0, 2, &i8259_elcr_ops, &pc->pic, "8259 edge/level registers"},
        {0x40, 4, &i8254_ops, &pc->pit, "8254 timer"},
        {0x61, 1, &i8254_port61_ops, &pc->pit, "system control port B"},
        {0x60, 1, &i8042_data_ops, &pc->kbc, "8042 data"},
        {0x64, 1, &i8042_command_ops, &pc->kbc, "8042 command"},
        {0x70, 2, &mc146818_ops, &pc->rtc, "MC146818 clock"},
        {0x80, 1, &post_ops, pc, "POST code"},
        {0x92, 1, &port92_ops, &pc->port92, "system control port A"},
        {0xf0, 2, &coprocessor_ops, pc, "coprocessor"},
        {SMI_PORT, ACPI_SMI_SIZE, &acpi_smi_ops, &pc->pm, "SMI command"},
        {RESET_PORT, 1, &acpi_reset_ops, &pc->pm, "reset control"},
        {PM_BASE, ACPI_PM_SIZE, &acpi_pm_ops, &pc->pm, "ACPI power management"},
        {c->serial_present[0] ? SERIAL1_PORT : 0, 8, &ns16550_ops, &pc->serial[0], "serial port 1"},
        {c->serial_present[1] ? SERIAL2_PORT : 0, 8, &ns16550_ops, &pc->serial[1], "serial port 2"},
        {c->debugcon_present ? DEBUGCON_BASE : 0, 1, &debugcon_ops, &pc->debugcon, "debug console"},
    };
    const struct bus_region memory[] = {
        {LAPIC_DEFAULT_BASE, LAPIC_WINDOW_SIZE, &lapic_ops, &pc->lapic, "local APIC"},
        {IOAPIC_DEFAULT_BASE, IOAPIC_WINDOW_SIZE, &ioapic_ops, &pc->ioapic, "I/O APIC"},
    };

    int r = 0;
    for (unsigned i = 0; i < ARRAY_LEN(ports) && !r; i++)
        if (ports[i].base) /* 0: not in this machine */
            r = bus_map(c->io, &ports[i], err);
    for (unsigned i = 0; i < ARRAY_LEN(memory) && !r; i++)
        r = bus_map(c->mmio, &memory[i], err);
    if (!r && c->debug_exit)
        r = bus_map(c->io,
                    &(struct bus_region){.base = c->debug_exit_base,
                                         .size = c->debug_exit_size,
                                         .ops = &debugexit_ops,
                                         .device = &pc->debug_exit,
                                         .name = "-device isa-debug-exit"},
                    err);
    return r;
}

int pc_create(struct pc *pc, const struct pc_config *config, struct error *err)
{
    *pc = (struct pc){.config = *config};
    int r = create_memory(pc, err);
    if (r)
        return r;
    r = create_interrupt_controllers(pc);
    if (!r)
        r = create_chips(pc);
    if (r)
        return error_set(err, r, "a chip refused its configuration: %s", strerror(-r));
    return map_chips(pc, err);
}

void pc_destroy(struct pc *pc)
{
    for (unsigned i = pc->devices; i-- > 0;)
        if (pc->device[i].class->destroy)
            pc->device[i].class->destroy(pc->device[i].state);
    pc->devices = 0;
}

void pc_reset(struct pc *pc)
{
    for (unsigned i = 0; i < pc->devices; i++)
        pc->device[i].class->reset(pc->device[i].state);
    set_isa_irq(pc, IRQ_FERR, false);
}

/* --- firmware ----------------------------------------------------------------------------------------------------- */

static void setup_cmos(struct pc *pc)
{
    uint64_t ram = pc->config.ram_bytes, low = ram < PCI_HOLE ? ram : PCI_HOLE;
    uint64_t extended = (low - HIGH_MEMORY) >> 10;                      /* KiB above 1 MiB */
    uint64_t above_16m = low > 16 << 20 ? (low - (16 << 20)) >> 16 : 0; /* 64 KiB blocks */
    uint64_t above_4g = (ram - low) >> 16;                              /* 64 KiB blocks */
    const struct {
        uint8_t index, bytes;
        uint64_t value;
    } values[] = {
        {0x14, 1, 0x06}, /* equipment: coprocessor, PS/2 mouse */
        {0x15, 2, 640},
        {0x17, 2, extended < 0xffff ? extended : 0xffff},
        {0x30, 2, extended < 0xffff ? extended : 0xffff},
        {0x34, 2, above_16m < 0xffff ? above_16m : 0xffff},
        {0x5b, 3, above_4g},
    };

    for (unsigned i = 0; i < ARRAY_LEN(values); i++)
        for (unsigned byte = 0; byte < values[i].bytes; byte++)
            mc146818_set_cmos(&pc->rtc, values[i].index + byte, (uint8_t)(values[i].value >> 8 * byte));
}

static void setup_acpi(struct pc *pc)
{
    uint8_t tables[ACPI_TABLES_MAX], rsdp[ACPI_RSDP_SIZE];
    size_t size = acpi_tables_build(&(struct acpi_tables_config){.base = gpa(pc->acpi_base),
                                                                 .cpu_count = 1,
                                                                 .lapic_base = LAPIC_DEFAULT_BASE,
                                                                 .ioapic_base = IOAPIC_DEFAULT_BASE,
                                                                 .pm_port = PM_BASE,
                                                                 .smi_port = SMI_PORT,
                                                                 .reset_port = RESET_PORT,
                                                                 .sci_irq = IRQ_SCI,
                                                                 .cmos_century = MC146818_CENTURY},
                                    tables, sizeof(tables), rsdp);
    space_write_bytes(pc->config.space, gpa(pc->acpi_base), tables, size);
    space_write_bytes(pc->config.space, gpa(ACPI_RSDP_ADDRESS), rsdp, sizeof(rsdp));
}

/* 115200 baud, 8 data bits, no parity: test kernels and boot loaders write without setting the line. */
static void setup_serial(struct pc *pc)
{
    static const uint16_t ports[PC_SERIALS] = {SERIAL1_PORT, SERIAL2_PORT};

    for (unsigned i = 0; i < PC_SERIALS; i++) {
        if (!pc->config.serial_present[i])
            continue;
        bus_write(pc->config.io, ports[i] + 3, 0x83, 1); /* LCR: divisor access */
        bus_write(pc->config.io, ports[i], 1, 1);
        bus_write(pc->config.io, ports[i] + 1, 0, 1);
        bus_write(pc->config.io, ports[i] + 3, 0x03, 1);
    }
}

void pc_firmware_setup(struct pc *pc)
{
    static const uint16_t base_kilobytes = EBDA >> 10, ebda_segment = EBDA >> 4, ebda_kilobytes = 1;

    lapic_set_virtual_wire(&pc->lapic);
    i8042_firmware_setup(&pc->kbc);
    setup_serial(pc);
    bus_write(pc->config.io, 0x4d1, 1 << (IRQ_SCI - 8), 1); /* the SCI is level-triggered */
    setup_cmos(pc);
    setup_acpi(pc);
    /* BIOS data area: base memory size and where the EBDA is; the EBDA's first word is its size. */
    space_write_bytes(pc->config.space, gpa(0x413), &base_kilobytes, 2);
    space_write_bytes(pc->config.space, gpa(0x40e), &ebda_segment, 2);
    space_write_bytes(pc->config.space, gpa(EBDA), &ebda_kilobytes, 2);
}

void pc_firmware_mtrrs(struct vcpu *vcpu)
{
    enum { WRITE_BACK = 6, UNCACHED = 0, FIXED_ENABLE = 1 << 10, ENABLE = 1 << 11, VALID = 1 << 11, VIDEO = 2 };

    vcpu->mtrr_def_type = ENABLE | FIXED_ENABLE | WRITE_BACK;
    for (unsigned i = 0; i < ARRAY_LEN(vcpu->mtrr_fixed); i++)
        vcpu->mtrr_fixed[i] = i == VIDEO ? 0 : 0x0606060606060606; /* a0000-bffff uncached */
    vcpu->mtrr_base[0] = PCI_HOLE | UNCACHED;
    vcpu->mtrr_mask[0] = (BIT(MMU_PHYS_BITS) - (PCI_HOLE_END - PCI_HOLE)) | VALID;
}
