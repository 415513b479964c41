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

#include "devices/machine/pc_int.h"

#include <errno.h>
#include <string.h>

/* --- interrupts --------------------------------------------------------------------------------------------------- */

/* Who may pull an ISA interrupt: a device on the ISA bus, a PCI link, the HPET. An input number is SOURCE_STEP * source
 * + interrupt. */
enum pc_irq_source { SOURCE_ISA, SOURCE_PCI, SOURCE_HPET, SOURCE_STEP = PC_ISA_IRQS };

static bool isa_level(const struct pc *pc, unsigned irq)
{
    uint8_t levels = pc->isa_sources[irq];
    if (irq == IRQ_TIMER || irq == IRQ_RTC)
        return levels & (pc->legacy_replaced ? 1 << SOURCE_HPET : 1 << SOURCE_ISA);
    return levels;
}

static void update_isa_irq(struct pc *pc, unsigned irq)
{
    bool level = isa_level(pc, irq);
    uint16_t bit = (uint16_t)(1 << irq);
    if (irq == IRQ_TIMER && level && !(pc->isa_levels & bit))
        pc_tick_comes(pc);
    pc->isa_count[irq] += level && !(pc->isa_levels & bit);
    pc->isa_levels = (uint16_t)(level ? pc->isa_levels | bit : pc->isa_levels & ~bit);
    irq_set(&pc->isa[irq], level);
    ioapic_set_pin(&pc->ioapic, irq == IRQ_TIMER ? IOAPIC_TIMER_PIN : irq, level);
}

static void set_isa_irq(void *sink, unsigned input, bool level)
{
    struct pc *pc = sink;
    unsigned irq = input % SOURCE_STEP;
    uint8_t bit = (uint8_t)(1u << input / SOURCE_STEP);
    pc->isa_sources[irq] = level ? pc->isa_sources[irq] | bit : pc->isa_sources[irq] & (uint8_t)~bit;
    update_isa_irq(pc, irq);
}

static struct irq_line source_irq(struct pc *pc, enum pc_irq_source source, unsigned irq)
{
    return (struct irq_line){.set = set_isa_irq, .sink = pc, .input = source * SOURCE_STEP + irq};
}

struct irq_line pc_isa_irq(struct pc *pc, unsigned irq)
{
    return source_irq(pc, SOURCE_ISA, irq);
}

static void set_ioapic_pin(void *sink, unsigned pin, bool level)
{
    ioapic_set_pin(&((struct pc *)sink)->ioapic, pin, level);
}

static void on_legacy_replacement(void *context, bool replaced)
{
    struct pc *pc = context;
    pc->legacy_replaced = replaced;
    update_isa_irq(pc, IRQ_TIMER);
    update_isa_irq(pc, IRQ_RTC);
}

/* Ticks that a timer did not show count for the one that has IRQ 0. */
static void on_pit_lost(void *context, uint64_t ticks)
{
    struct pc *pc = context;
    if (!pc->legacy_replaced)
        pc_ticks_lost(pc, ticks);
}

static void on_hpet_lost(void *context, uint64_t ticks)
{
    struct pc *pc = context;
    if (pc->legacy_replaced)
        pc_ticks_lost(pc, ticks);
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
    if (vector >= 0) {
        pc_interrupt_taken(pc, vector);
        return vector;
    }
    if (!lapic_accepts_pic(&pc->lapic) || !i8259_intr(&pc->pic))
        return -1;
    vector = i8259_acknowledge(&pc->pic);
    lapic_pic_acknowledged(&pc->lapic);
    pc_interrupt_taken(pc, vector);
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

/* F0h: clears the coprocessor's busy latch and, while an error is signalled, has the CPU go on in spite of it. F1h:
 * resets the coprocessor; nothing is left to reset. */
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
    struct pc *pc = device;
    if (offset || !pc->isa_sources[IRQ_FERR])
        return;
    set_isa_irq(pc, IRQ_FERR, false);
    pc->config.ignne(pc->config.context);
}

static const struct bus_ops coprocessor_ops = {coprocessor_read, coprocessor_write, 1};

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
    (void)hard; /* also a reset of the processor alone resets the machine; firmware tells them apart by CMOS */
    on_reset(context);
}

static bool fetch_registers(void *context, struct vmware_registers *registers)
{
    struct pc *pc = context;
    return pc->config.fetch_registers(pc->config.context, registers);
}

static void store_registers(void *context, const struct vmware_registers *registers)
{
    struct pc *pc = context;
    pc->config.store_registers(pc->config.context, registers);
}

static void on_vmmouse(void *context)
{
    ps2_mouse_nudge(&((struct pc *)context)->mouse);
}

static void on_power_off(void *context)
{
    struct pc *pc = context;
    pc->config.power_off(pc->config.context);
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

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
    add_range(map, 0xf0000, HIGH_MEMORY, MEMORY_RESERVED);
    add_range(map, HIGH_MEMORY, pc->acpi_base, MEMORY_RAM);
    add_range(map, pc->acpi_base, low, MEMORY_ACPI);
    if (ram > low)
        add_range(map, PCI_HOLE_END, PCI_HOLE_END + ram - low, MEMORY_RAM);

    int r = space_add(space, 0, BASE_MEMORY_END, false, "base memory", NULL, err);
    if (!r)
        r = space_add(space, HIGH_MEMORY, low - HIGH_MEMORY, false, "low RAM", NULL, err);
    if (!r && ram > low)
        r = space_add(space, PCI_HOLE_END, ram - low, false, "high RAM", NULL, err);
    return r;
}

/* The firmware's ROM ends at 4 GiB; its last 128 KiB also show below 1 MiB until the shadow RAM is switched on. */
static int create_rom(struct pc *pc, struct error *err)
{
    const struct pc_boot *boot = &pc->config.boot;
    struct space_slot slot = {
        .base = PCI_HOLE_END - boot->rom_size, .size = boot->rom_size, .rom = true, .name = "BIOS"};

    if (!boot->rom)
        return 0;
    int r = space_reserve(pc->config.space, boot->rom_size, "BIOS", &pc->rom, err);
    if (r)
        return r;
    memcpy(pc->rom, boot->rom, boot->rom_size);
    slot.host = pc->rom;
    return space_map(pc->config.space, &slot, err);
}

/* --- the page ----------------------------------------------------------------------------------------------------- */

void pc_add_device(struct pc *pc, const struct device_class *class, void *state)
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
    pc_add_device(pc, &lapic_class, &pc->lapic);
    pc_add_device(pc, &ioapic_class, &pc->ioapic);
    pc_add_device(pc, &i8259_class, &pc->pic);
    return r;
}

/* The chipset: slot 0 is the host bridge, slot 1 the south bridge with its functions. */
static int create_chipset(struct pc *pc, struct error *err)
{
    enum { LOW_ROM_MAX = 0x20000 };
    const struct pc_config *c = &pc->config;
    uint32_t rom = c->boot.rom_size, low_rom = rom < LOW_ROM_MAX ? rom : LOW_ROM_MAX;
    struct i440fx_config bridge = {.space = c->space, .mmio = c->mmio, .rom_size = low_rom};
    struct piix3_config isa = {0};

    int r = space_reserve(c->space, I440FX_SHADOW_SIZE, "upper memory", &bridge.shadow, err);
    if (!r)
        r = space_reserve(c->space, I440FX_SMRAM_SIZE, "SMRAM", &bridge.smram, err);
    if (r)
        return r;
    bridge.rom = pc->rom + (rom - low_rom);
    for (unsigned i = 0; i < PIIX3_ISA_IRQS; i++)
        isa.isa[i] = source_irq(pc, SOURCE_PCI, i);
    i440fx_init(&pc->host_bridge, &bridge);
    piix3_init(&pc->isa_bridge, &isa);
    piix4_pm_init(&pc->piix4_pm, &(struct piix4_pm_config){
                                     .io = c->io, .acpi = &pc->pm, .smbus_irq = source_irq(pc, SOURCE_PCI, IRQ_SCI)});
    pc_add_device(pc, &i440fx_class, &pc->host_bridge);
    pc_add_device(pc, &piix3_class, &pc->isa_bridge);
    pc_add_device(pc, &piix4_pm_class, &pc->piix4_pm);
    pci_bus_init(&pc->pci, c->io, c->mmio);
    for (unsigned i = 0; i < PCI_LINKS; i++)
        pc->pci.link[i] = piix3_link(&pc->isa_bridge, i);
    pc->pci_host = (struct pci_host){.bus = &pc->pci, .reset_ops = &acpi_reset_ops, .reset_device = &pc->pm};
    r = pci_plug(&pc->pci, PCI_DEVFN(0, 0), &pc->host_bridge.pci, err);
    if (!r)
        r = pci_plug(&pc->pci, PCI_DEVFN(1, 0), &pc->isa_bridge.pci, err);
    return r ? r : pci_plug(&pc->pci, PC_DEVFN_PM, &pc->piix4_pm.pci, err);
}

static int create_hpet(struct pc *pc)
{
    struct hpet_config config = {
        .clock = pc->config.clock,
        .routes = 0xff0000,
        .legacy_irq = {source_irq(pc, SOURCE_HPET, IRQ_TIMER), source_irq(pc, SOURCE_HPET, IRQ_RTC)},
        .context = pc,
        .legacy = on_legacy_replacement,
        .lost = on_hpet_lost};
    for (unsigned i = 16; i < HPET_ROUTES; i++)
        config.pin[i] = (struct irq_line){.set = set_ioapic_pin, .sink = pc, .input = i};
    return hpet_init(&pc->hpet, &config);
}

static int create_chips(struct pc *pc)
{
    static const uint8_t serial_irq[PC_SERIALS] = {4, 3};
    const struct pc_config *c = &pc->config;

    sound_init(&pc->speaker, c->clock, I8254_HZ);
    int r = i8254_init(&pc->pit, &(struct i8254_config){.clock = c->clock,
                                                        .irq = pc_isa_irq(pc, IRQ_TIMER),
                                                        .context = pc,
                                                        .lost = on_pit_lost,
                                                        .speaker = &pc->speaker});
    if (!r)
        r = mc146818_init(
            &pc->rtc,
            &(struct mc146818_config){.clock = c->clock, .irq = pc_isa_irq(pc, IRQ_RTC), .start_epoch = c->rtc_epoch});
    if (!r)
        r = i8042_init(&pc->kbc, &(struct i8042_config){.keyboard_irq = pc_isa_irq(pc, IRQ_KEYBOARD),
                                                        .mouse_irq = pc_isa_irq(pc, IRQ_MOUSE),
                                                        .a20 = {.set = set_a20_keyboard, .sink = pc},
                                                        .request_reset = on_reset,
                                                        .context = pc});
    if (!r)
        r = port92_init(&pc->port92, &(struct port92_config){.a20 = {.set = set_a20_port92, .sink = pc},
                                                             .request_reset = on_reset,
                                                             .context = pc});
    if (!r)
        r = acpi_pm_init(&pc->pm, &(struct acpi_pm_config){.clock = c->clock,
                                                           .sci = pc_isa_irq(pc, IRQ_SCI),
                                                           .context = pc,
                                                           .power_off = on_power_off,
                                                           .reset = on_pm_reset});
    if (!r)
        r = create_hpet(pc);
    if (!r)
        r = i8237_init(&pc->dma, &(struct i8237_config){.space = c->space});
    if (!r)
        r = fw_cfg_init(&pc->fw_cfg, &(struct fw_cfg_config){
                                         .space = c->space, .context = pc, .selected = pc_firmware_item_selected});
    if (r)
        return r;
    ps2_keyboard_init(&pc->keyboard, c->clock);
    ps2_mouse_init(&pc->mouse, c->clock);
    i8042_attach(&pc->kbc, I8042_KEYBOARD, &pc->keyboard.ps2);
    i8042_attach(&pc->kbc, I8042_MOUSE, &pc->mouse.ps2);
    vmmouse_init(&pc->vmmouse, &(struct vmmouse_config){.notify = on_vmmouse, .context = pc});
    pc->vmware.config = (struct vmware_config){.fetch = fetch_registers,
                                               .store = store_registers,
                                               .context = pc,
                                               .mouse = &pc->vmmouse,
                                               .tsc_hz = c->tsc_hz,
                                               .apic_hz = c->apic_hz,
                                               .x2apic = c->x2apic};
    pc_add_device(pc, &vmmouse_class, &pc->vmmouse);
    pc_add_device(pc, &ps2_keyboard_class, &pc->keyboard);
    pc_add_device(pc, &ps2_mouse_class, &pc->mouse);
    pc_add_device(pc, &i8254_class, &pc->pit);
    pc_add_device(pc, &mc146818_class, &pc->rtc);
    pc_add_device(pc, &i8042_class, &pc->kbc);
    pc_add_device(pc, &port92_class, &pc->port92);
    pc_add_device(pc, &acpi_pm_class, &pc->pm);
    pc_add_device(pc, &hpet_class, &pc->hpet);
    pc_add_device(pc, &i8237_class, &pc->dma);
    pc_add_device(pc, &fw_cfg_class, &pc->fw_cfg);
    for (unsigned i = 0; i < PC_SERIALS && !r; i++) {
        if (!c->serial_present[i])
            continue;
        r = ns16550_init(&pc->serial[i], &(struct ns16550_config){.clock = c->clock,
                                                                  .irq = pc_isa_irq(pc, serial_irq[i]),
                                                                  .chardev = c->serial[i],
                                                                  .out2_gates_irq = true});
        if (!r)
            pc_add_device(pc, &ns16550_class, &pc->serial[i]);
    }
    if (!r && c->debugcon_present) {
        r = debugcon_init(&pc->debugcon, &(struct debugcon_config){.chardev = c->debugcon});
        pc_add_device(pc, &debugcon_class, &pc->debugcon);
    }
    if (!r && c->debug_exit) {
        r = debugexit_init(&pc->debug_exit, &(struct debugexit_config){.request_exit = c->exit, .context = c->context});
        pc_add_device(pc, &debugexit_class, &pc->debug_exit);
    }
    return r;
}

static int create_video(struct pc *pc, struct error *err)
{
    const struct pc_config *c = &pc->config;
    const struct bus_region ports[] = {
        {VGA_MONO_PORTS, VGA_MONO_PORTS_SIZE, &vga_mono_ops, &pc->vga, "VGA, monochrome ports"},
        {VGA_PORTS, VGA_PORTS_SIZE, &vga_ops, &pc->vga, "VGA"},
        {VGA_COLOUR_PORTS, VGA_COLOUR_PORTS_SIZE, &vga_colour_ops, &pc->vga, "VGA, colour ports"},
        {VGA_DISPI_PORTS, VGA_DISPI_PORTS_SIZE, &vga_dispi_ops, &pc->vga, "VGA, DISPI"},
    };
    const struct bus_region window = {VGA_WINDOW, VGA_WINDOW_SIZE, &vga_memory_ops, &pc->vga, "VGA memory"};

    if (!c->vga)
        return 0;
    int r = vga_init(&pc->vga,
                     &(struct vga_config){.clock = c->clock,
                                          .space = c->space,
                                          .rom = c->vga_rom,
                                          .rom_size = c->vga_rom_size,
                                          .registers_in_memory = c->vga_mmio,
                                          .width = c->vga_width,
                                          .height = c->vga_height,
                                          .between_instructions = c->between_instructions,
                                          .context = c->context},
                     err);
    pc_add_device(pc, &vga_class, &pc->vga);
    for (unsigned i = 0; i < ARRAY_LEN(ports) && !r; i++)
        r = bus_map(c->io, &ports[i], err);
    if (!r)
        r = bus_map(c->mmio, &window, err);
    return r ? r : pci_plug(&pc->pci, PC_DEVFN_VGA, &pc->vga.pci, err);
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
        {c->vmport ? VMWARE_PORT : 0, VMWARE_PORTS, &vmware_ops, &pc->vmware, "VMware backdoor"},
        {0x60, 1, &i8042_data_ops, &pc->kbc, "8042 data"},
        {0x64, 1, &i8042_command_ops, &pc->kbc, "8042 command"},
        {0x70, 2, &mc146818_ops, &pc->rtc, "MC146818 clock"},
        {0x92, 1, &port92_ops, &pc->port92, "system control port A"},
        {0xf0, 2, &coprocessor_ops, pc, "coprocessor"},
        {SMI_PORT, ACPI_SMI_SIZE, &acpi_smi_ops, &pc->pm, "SMI command"},
        {PCI_HOST_ADDRESS, 4, &pci_address_ops, &pc->pci_host, "PCI configuration address"},
        {PCI_HOST_DATA, 4, &pci_data_ops, &pc->pci_host, "PCI configuration data"},
        {FW_CFG_PORT, 2, &fw_cfg_ports_ops, &pc->fw_cfg, "fw_cfg"},
        {FW_CFG_PORT + 4, 8, &fw_cfg_dma_ops, &pc->fw_cfg, "fw_cfg DMA"},
        {c->serial_present[0] ? SERIAL1_PORT : 0, 8, &ns16550_ops, &pc->serial[0], "serial port 1"},
        {c->serial_present[1] ? SERIAL2_PORT : 0, 8, &ns16550_ops, &pc->serial[1], "serial port 2"},
        {c->debugcon_present ? c->debugcon_base : 0, 1, &debugcon_ops, &pc->debugcon, "debug console"},
    };
    const struct bus_region memory[] = {
        {LAPIC_DEFAULT_BASE, LAPIC_WINDOW_SIZE, &lapic_ops, &pc->lapic, "local APIC"},
        {IOAPIC_DEFAULT_BASE, IOAPIC_WINDOW_SIZE, &ioapic_ops, &pc->ioapic, "I/O APIC"},
        {HPET_BASE, HPET_SIZE, &hpet_ops, &pc->hpet, "HPET"},
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
    if (!r)
        r = create_rom(pc, err);
    if (!r)
        r = pc_create_flash(pc, err);
    if (r)
        return r;
    r = create_interrupt_controllers(pc);
    if (!r)
        r = create_chips(pc);
    if (r)
        return error_set(err, r, "a chip refused its configuration: %s", strerror(-r));
    r = create_chipset(pc, err);
    if (!r)
        r = pc_create_drives(pc, err);
    if (!r)
        r = create_video(pc, err);
    if (!r)
        r = map_chips(pc, err);
    return r ? r : pc_map_cards(pc, err);
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
    pc->ticks_owed = 0;
    pc->tick_waits = false;
}
