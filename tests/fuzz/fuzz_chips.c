/*
 * Fuzz target: everything a guest can do to the chips of a PC. The input is a list of operations: port and
 * memory-mapped accesses, PCI configuration, runs of bytes to one port (ATAPI packets, fw_cfg, floppy commands), guest
 * memory for DMA, APIC registers through MSRs, keys, time. No processor takes part.
 */
#include "tests/fuzz/fuzz_machine.h"
#include "tests/fuzz/script.h"

#include "softmmu/dma.h"

enum operation {
    PORT_READ,
    PORT_WRITE,
    PORT_RUN,
    PORT_DRAIN,
    MEMORY_READ,
    MEMORY_WRITE,
    CONFIG_WRITE,
    CONFIG_READ,
    TIME,
    WAIT,
    ACKNOWLEDGE,
    GUEST_MEMORY,
    MSR_READ,
    MSR_WRITE,
    KEY,
    TPR,
    OPERATIONS,
};

/* Ports with chips behind them: the first of each group, and how many. */
static const struct {
    uint16_t first;
    uint8_t count;
} ports[] = {
    {0x00, 16},  {0x20, 2},   {0x40, 4},   {0x60, 5},   {0x70, 2},  {0x80, 16},   {0x92, 1},  {0xa0, 2},
    {0xc0, 32},  {0xb2, 2},   {0xe9, 1},   {0xf0, 2},   {0x170, 8}, {0x1f0, 8},   {0x376, 1}, {0x3f6, 1},
    {0x3b0, 48}, {0x2f8, 8},  {0x3f0, 6},  {0x3f8, 8},  {0x1ce, 3}, {0x4d0, 2},   {0x510, 2}, {0x514, 8},
    {0xcf8, 8},  {0x600, 64}, {0x700, 16}, {0x5658, 4}, {0xf4, 4},  {0xc000, 16},
};

/* Memory with chips behind it: base, and the bits of the offset. */
static const struct {
    uint64_t base;
    uint32_t mask;
} regions[] = {
    {0xfee00000, 0xfff}, {0xfec00000, 0xff},    {0xfed00000, 0x3ff}, {0xa0000, 0x1ffff}, {0xe0000000, 0xffffff},
    {0xfebf0000, 0xfff}, {0xfffc0000, 0x3ffff}, {0xc0000, 0x3ffff},  {0, 0xffffffff},
};

static uint16_t take_port(struct script *script)
{
    unsigned group = (unsigned)script_take(script, 1);
    if (group >= 0xf0)
        return (uint16_t)script_take(script, 2);
    group %= ARRAY_LEN(ports);
    return (uint16_t)(ports[group].first + script_take(script, 1) % ports[group].count);
}

static gpa_t take_memory(struct script *script, unsigned size)
{
    unsigned region = (unsigned)(script_take(script, 1) % ARRAY_LEN(regions));
    uint64_t at = regions[region].base + (script_take(script, 4) & regions[region].mask);
    return gpa((at & 0xfff) + size > 0x1000 ? at & ~0xfffull : at); /* the CPU splits what crosses a page's end */
}

static void run_ports(struct machine *m, struct script *script)
{
    uint16_t port = take_port(script);
    unsigned size = 1u << script_take(script, 1) % 3, count = 1 + (unsigned)(script_take(script, 1) % 32);
    while (count--)
        m->wires.io_write(m, port, script_take(script, size), size);
}

static void drain_port(struct machine *m, struct script *script)
{
    uint16_t port = take_port(script);
    unsigned size = 1u << script_take(script, 1) % 3, count = (unsigned)script_take(script, 2) % 4096;
    while (count--)
        m->wires.io_read(m, port, size);
}

static void config(struct machine *m, struct script *script, bool write)
{
    static const uint8_t functions[] = {0x00, 0x08, 0x09, 0x0b, 0x10};
    uint32_t function = functions[script_take(script, 1) % ARRAY_LEN(functions)],
             reg = (uint32_t)script_take(script, 1);
    unsigned size = 1u << script_take(script, 1) % 3;
    m->wires.io_write(m, 0xcf8, 0x80000000u | function << 8 | (reg & 0xfc), 4);
    uint16_t port = (uint16_t)(0xcfc + (reg & 3 & ~(size - 1)));
    if (write)
        m->wires.io_write(m, port, script_take(script, size), size);
    else
        m->wires.io_read(m, port, size);
}

static void guest_memory(struct machine *m, struct script *script)
{
    uint64_t at = script_take(script, 3), value = script_take(script, 8);
    space_write_bytes(&m->space, gpa(at), &value, 8);
}

/* The image workers' answers, timers, and what the guest asked of the machine. */
static void settle(struct machine *m, uint64_t ns)
{
    pthread_mutex_lock(&m->lock);
    block_queue_deliver(&m->block_queue);
    if (ns)
        vclock_step(&m->clock, ns);
    if (m->exiting || m->paused || m->reset_wanted)
        fuzz_machine_reset_locked(m);
    pthread_mutex_unlock(&m->lock);
}

static void wait_for_images(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < DRIVE_INTERFACES; i++)
        for (unsigned j = 0; j < DRIVES_IDE; j++)
            if (m->pc.config.drives.drive[i][j].block)
                block_drain(m->pc.config.drives.drive[i][j].block);
    pthread_mutex_unlock(&m->lock);
}

static void press_key(struct machine *m, struct script *script)
{
    pthread_mutex_lock(&m->lock);
    unsigned what = (unsigned)script_take(script, 2);
    ui_key(&m->ui, (enum ui_key)((what >> 1) % UI_KEY_COUNT), what & 1);
    pthread_mutex_unlock(&m->lock);
}

static void operate(struct machine *m, struct script *script)
{
    uint8_t byte = (uint8_t)script_take(script, 1);
    unsigned size = 1u << (byte >> 6) % 3;
    uint64_t value;
    gpa_t at;
    uint16_t port;
    switch ((enum operation)(byte % OPERATIONS)) {
    case PORT_READ:
        m->wires.io_read(m, take_port(script), size);
        break;
    case PORT_WRITE:
        port = take_port(script);
        m->wires.io_write(m, port, script_take(script, size), size);
        break;
    case PORT_RUN:
        run_ports(m, script);
        break;
    case PORT_DRAIN:
        drain_port(m, script);
        break;
    case MEMORY_READ:
        size = 1u << (byte >> 6);
        m->wires.mmio_read(m, take_memory(script, size), size);
        break;
    case MEMORY_WRITE:
        size = 1u << (byte >> 6);
        at = take_memory(script, size);
        m->wires.mmio_write(m, at, script_take(script, size), size);
        break;
    case CONFIG_WRITE:
    case CONFIG_READ:
        config(m, script, byte % OPERATIONS == CONFIG_WRITE);
        break;
    case TIME:
        value = script_take(script, 1);
        settle(m, 1ull << value % 28); /* a fast timer may fire a million times in the longest */
        break;
    case WAIT:
        wait_for_images(m);
        settle(m, 1000);
        break;
    case ACKNOWLEDGE:
        if (m->wires.pending_interrupt(m))
            m->wires.acknowledge_interrupt(m);
        break;
    case GUEST_MEMORY:
        guest_memory(m, script);
        break;
    case MSR_READ:
        m->wires.apic_msr_read(m, byte & 0x40 ? 0x1b : 0x800 + (uint32_t)script_take(script, 1), &value);
        break;
    case MSR_WRITE:
        value = script_take(script, 1);
        m->wires.apic_msr_write(m, byte & 0x40 ? 0x1b : 0x800 + (uint32_t)value, script_take(script, 8));
        break;
    case KEY:
        press_key(m, script);
        break;
    case TPR:
        m->wires.set_tpr(m, (uint8_t)script_take(script, 1) & 15);
        m->wires.get_tpr(m);
        break;
    case OPERATIONS:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct machine *m = fuzz_machine();
    struct script script = {data, data + size};

    pthread_mutex_lock(&m->lock);
    fuzz_machine_reset_locked(m);
    pthread_mutex_unlock(&m->lock);
    while (!script_ended(&script))
        operate(m, &script);
    settle(m, 1000000);
    if (m->ui.display)
        display_refresh(m->ui.display);
    wait_for_images(m);
    settle(m, 0);
    return 0;
}
