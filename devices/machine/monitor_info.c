/*
 * What the human monitor's `info` shows. See monitor_int.h. Memory's part is in monitor_memory.c.
 *
 * Thread: the main thread, lock and vCPU held.
 */
#include "cpu-model/exec/exec.h"
#include "devices/machine/monitor_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int show_version(struct monitor_call *call, struct error *err)
{
    (void)err;
    fprintf(call->out, "ring3 %s\n", RING3_VERSION);
    return 0;
}

static int show_name(struct monitor_call *call, struct error *err)
{
    (void)err;
    if (call->machine->options.name)
        fprintf(call->out, "%s\n", call->machine->options.name);
    return 0;
}

static int show_status(struct monitor_call *call, struct error *err)
{
    const struct machine *m = call->machine;
    (void)err;
    fprintf(call->out, "VM status: %s", m->paused ? "paused" : "running");
    if (m->paused && m->state != MACHINE_PAUSED)
        fprintf(call->out, " (%s)", machine_state_name(m->state));
    fputc('\n', call->out);
    return 0;
}

static int show_cpus(struct monitor_call *call, struct error *err)
{
    const struct machine *m = call->machine;
    (void)err;
    fprintf(call->out, "* CPU #0: engine=%s%s\n", m->engine->name, m->vcpu->halted ? " (halted)" : "");
    return 0;
}

static int show_registers(struct monitor_call *call, struct error *err)
{
    char text[4096];
    (void)err;
    vcpu_dump(call->machine->vcpu, text, sizeof(text));
    fprintf(call->out, "\nCPU#0\n%s", text);
    return 0;
}

static int show_jit(struct monitor_call *call, struct error *err)
{
    char text[4096] = "";
    const struct machine *m = call->machine;
    (void)err;
    m->engine->report(m->vcpu, text, sizeof(text));
    fprintf(call->out, "engine: %s\n%s\n", m->engine->name, text);
    return 0;
}

/* --- buses and chips ---------------------------------------------------------------------------------------------- */

static void show_bus(FILE *out, const struct bus *bus, int digits)
{
    fprintf(out, "%s\n", bus->name);
    for (unsigned i = 0; i < bus->count; i++) {
        const struct bus_region *r = &bus->regions[i];
        fprintf(out, "  %0*" PRIx64 "-%0*" PRIx64 ": %s\n", digits, r->base, digits, r->base + (r->size - 1), r->name);
    }
}

static int show_mtree(struct monitor_call *call, struct error *err)
{
    const struct space *space = &call->machine->space;
    (void)err;
    fprintf(call->out, "memory\n");
    for (unsigned i = 0; i < space->slots; i++) {
        const struct space_slot *s = &space->slot[i];
        fprintf(call->out, "  %016" PRIx64 "-%016" PRIx64 ": %s %s\n", s->base, s->base + (s->size - 1),
                s->rom ? "rom" : "ram", s->name);
    }
    show_bus(call->out, &call->machine->mmio, 16);
    show_bus(call->out, &call->machine->io, 4);
    return 0;
}

static void show_regions_of(FILE *out, const struct bus *bus, const void *device)
{
    for (unsigned i = 0; i < bus->count; i++)
        if (bus->regions[i].device == device)
            fprintf(out, "    %s %" PRIx64 "-%" PRIx64 " (%s)\n", bus->name, bus->regions[i].base,
                    bus->regions[i].base + (bus->regions[i].size - 1), bus->regions[i].name);
}

static int show_qtree(struct monitor_call *call, struct error *err)
{
    const struct machine *m = call->machine;
    (void)err;
    fprintf(call->out, "machine: pc\n");
    for (unsigned i = 0; i < m->pc.devices; i++) {
        fprintf(call->out, "  dev: %s, version %u, %u fields\n", m->pc.device[i].class->name,
                m->pc.device[i].class->version, m->pc.device[i].class->field_count);
        show_regions_of(call->out, &m->io, m->pc.device[i].state);
        show_regions_of(call->out, &m->mmio, m->pc.device[i].state);
    }
    return 0;
}

static void show_field(FILE *out, const struct field *f, const uint8_t *state)
{
    enum { SHOWN = 64 };
    bool number = f->size <= 8 && !(f->size & (f->size - 1));
    unsigned count = number ? f->count : f->size, size = number ? f->size : 1;

    fprintf(out, "  %-20s", f->name);
    for (unsigned i = 0; i < count && i < SHOWN; i++) {
        uint64_t value = 0;
        memcpy(&value, state + f->offset + (size_t)i * size, size);
        fprintf(out, " %0*" PRIx64, (int)size * 2, value);
    }
    fprintf(out, count > SHOWN ? " ...\n" : "\n");
}

static int show_device(struct monitor_call *call, struct error *err)
{
    const struct pc *pc = &call->machine->pc;
    char name[64];
    const char *rest = call->arg[0].text;
    bool found = false;

    if (!monitor_word(&rest, name, sizeof(name)) || !monitor_word(&rest, name, sizeof(name)))
        return error_set(err, -EINVAL, "which device? \"info qtree\" lists them");
    for (unsigned i = 0; i < pc->devices; i++) {
        const struct device_class *class = pc->device[i].class;
        if (strcmp(class->name, name))
            continue;
        found = true;
        fprintf(call->out, "%s\n", class->name);
        for (unsigned f = 0; f < class->field_count; f++)
            show_field(call->out, &class->fields[f], pc->device[i].state);
    }
    return found ? 0 : error_set(err, -ENOENT, "no device '%s'; \"info qtree\" lists them", name);
}

/* --- interrupts --------------------------------------------------------------------------------------------------- */

static void show_8259(FILE *out, unsigned number, const struct i8259_chip *c)
{
    fprintf(out,
            "pic%u: irr=%02x imr=%02x isr=%02x hprio=%u irq_base=%02x rr_sel=%u elcr=%02x fnm=%u lines=%02x aeoi=%u\n",
            number, c->irr, c->imr, c->isr, (c->lowest + 1) & 7, c->base, c->read_isr, c->elcr, c->icw4 >> 4 & 1,
            c->lines, c->icw4 >> 1 & 1);
}

static void show_redirection(FILE *out, const struct ioapic *io, unsigned pin)
{
    static const char *const modes[8] = {"fixed", "lowest", "SMI", "?", "NMI", "INIT", "?", "ExtINT"};
    uint64_t e = io->redirection[pin];
    fprintf(out, "  pin %-2u %016" PRIx64 " vec=%u %s %s %s %s dest=%u%s%s\n", pin, e, (unsigned)(e & 0xff),
            modes[e >> 8 & 7], e & 0x800 ? "logical" : "physical", e & 0x2000 ? "active-lo" : "active-hi",
            e & 0x8000 ? "level" : "edge", (unsigned)(e >> 56), e & 0x10000 ? " masked" : "",
            io->levels >> pin & 1 ? " high" : "");
}

static void show_bits(FILE *out, const char *name, const uint32_t words[8])
{
    fprintf(out, " %s", name);
    bool any = false;
    for (unsigned i = 0; i < 256; i++) {
        if (!(words[i / 32] >> i % 32 & 1))
            continue;
        fprintf(out, " %u", i);
        any = true;
    }
    fprintf(out, any ? "\n" : " (none)\n");
}

static int show_lapic(struct monitor_call *call, struct error *err)
{
    static const char *const names[LAPIC_LVT_COUNT] = {"timer", "thermal", "perf", "LINT0", "LINT1", "error"};
    const struct lapic *l = &call->machine->pc.lapic;
    (void)err;

    fprintf(call->out, "local APIC %u: base %016" PRIx64 " tpr %02x ldr %08x dfr %08x svr %03x esr %02x icr %08x%08x\n",
            l->xapic_id, l->base_msr, l->tpr, l->ldr, l->dfr, l->svr, l->esr, l->icr_high, l->icr_low);
    for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
        fprintf(call->out, " LVT %-7s %08x%s\n", names[i], l->lvt[i], l->lvt[i] & 0x10000 ? " masked" : "");
    fprintf(call->out, " timer initial %u divide %x TSC deadline %" PRIu64 "\n", l->initial_count, l->divide,
            l->tsc_deadline);
    show_bits(call->out, "ISR", l->isr);
    show_bits(call->out, "IRR", l->irr);
    return 0;
}

static int show_pic(struct monitor_call *call, struct error *err)
{
    const struct pc *pc = &call->machine->pc;
    (void)err;
    fprintf(call->out, "ioapic0: id=%u sel=%02x\n", pc->ioapic.id, pc->ioapic.select);
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        show_redirection(call->out, &pc->ioapic, i);
    show_8259(call->out, 1, &pc->pic.slave);
    show_8259(call->out, 0, &pc->pic.master);
    return 0;
}

static int show_irq(struct monitor_call *call, struct error *err)
{
    const struct pc *pc = &call->machine->pc;
    (void)err;
    fprintf(call->out, "IRQ statistics (rising edges since power-up):\n");
    for (unsigned i = 0; i < PC_ISA_IRQS; i++)
        if (pc->isa_count[i])
            fprintf(call->out, "%2u: %" PRIu64 "\n", i, pc->isa_count[i]);
    return 0;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

const struct monitor_command monitor_infos[] = {
    {"block", "", "the drives and what is in them", monitor_info_block},
    {"cpus", "", "the processors", show_cpus},
    {"device", "name:s", "a device's registers, field by field", show_device},
    {"irq", "", "how often each interrupt line was raised", show_irq},
    {"jit", "", "the engine's counters", show_jit},
    {"lapic", "", "the local APIC", show_lapic},
    {"mem", "", "ranges of linear memory that are mapped", monitor_info_mem},
    {"mtree", "", "what answers at which address", show_mtree},
    {"name", "", "the machine's name (-name)", show_name},
    {"pci", "", "the PCI functions", monitor_info_pci},
    {"pic", "", "the interrupt controllers: I/O APIC and 8259s", show_pic},
    {"qtree", "", "the devices", show_qtree},
    {"registers", "", "the processor's registers", show_registers},
    {"screen", "", "the text on the screen", monitor_info_screen},
    {"status", "", "whether the machine runs", show_status},
    {"tlb", "", "every page that is mapped", monitor_info_tlb},
    {"version", "", "ring3's version", show_version},
};
const unsigned monitor_info_count = ARRAY_LEN(monitor_infos);

int monitor_info(struct monitor_call *call, struct error *err)
{
    char name[64];
    const char *rest = call->arg[0].given ? call->arg[0].text : "";

    if (!monitor_word(&rest, name, sizeof(name))) {
        struct monitor_arg arg = {.given = true, .text = "info"};
        struct monitor_call help = {.machine = call->machine, .arg = &arg, .out = call->out};
        return monitor_help(&help, err);
    }
    const struct monitor_command *info = monitor_find(monitor_infos, monitor_info_count, name);
    if (!info)
        return error_set(err, -ENOENT, "unknown: info %s; \"info\" alone lists what there is", name);
    return info->run(call, err);
}
