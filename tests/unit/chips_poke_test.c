/* Random accesses of all widths to all ports of the legacy PC, with time moving: nothing may crash, hang or overflow.
 */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "devices/chips/debugcon.h"
#include "devices/chips/debugexit.h"
#include "devices/chips/i8042.h"
#include "devices/chips/i8254.h"
#include "devices/chips/i8259.h"
#include "devices/chips/mc146818.h"
#include "devices/chips/ns16550.h"
#include "devices/chips/port92.h"
#include "tests/unit/chip_fixture.h"

struct pc {
    struct bus bus;
    struct vclock clock;
    struct i8259 pic;
    struct i8254 pit;
    struct mc146818 rtc;
    struct i8042 kbc;
    struct port92 port92;
    struct debugexit debugexit;
    struct debugcon debugcon;
    struct ns16550 uart;
    struct chardev line;
    struct ps2_device keyboard, mouse;
    struct wire wires[4]; /* INTR, A20 twice, NMI mask */
    bool reset_wanted;
    uint64_t random;
};

static uint64_t next_random(struct pc *pc)
{
    pc->random ^= pc->random << 13;
    pc->random ^= pc->random >> 7;
    pc->random ^= pc->random << 17;
    return pc->random;
}

static void want_reset(void *context)
{
    ((struct pc *)context)->reset_wanted = true;
}

static void ignore_exit(void *context, int status)
{
    (void)context, (void)status;
}

static void echo(struct ps2_device *device, uint8_t byte)
{
    ps2_send(device, 0xfa);
    ps2_send(device, byte);
}

/* A line that fills whatever room there is as soon as it is asked. */
static void fill_line(struct chardev *line)
{
    uint8_t bytes[32] = {0x55};
    line->receive(line->device, bytes, line->can_receive(line->device));
}

static void make_pc(struct pc *pc, uint64_t seed)
{
    *pc = (struct pc){.random = seed, .line.ready = fill_line, .keyboard.receive = echo, .mouse.receive = echo};
    vclock_init(&pc->clock, NULL, NULL);
    i8259_init(&pc->pic, &(struct i8259_config){.intr = wire_line(&pc->wires[0])});
    i8254_init(&pc->pit, &(struct i8254_config){.clock = &pc->clock, .irq = i8259_input(&pc->pic, 0)});
    mc146818_init(&pc->rtc, &(struct mc146818_config){.clock = &pc->clock,
                                                      .irq = i8259_input(&pc->pic, 8),
                                                      .nmi_mask = wire_line(&pc->wires[3]),
                                                      .start_epoch = 1704067198});
    i8042_init(&pc->kbc, &(struct i8042_config){.keyboard_irq = i8259_input(&pc->pic, 1),
                                                .mouse_irq = i8259_input(&pc->pic, 12),
                                                .a20 = wire_line(&pc->wires[1]),
                                                .request_reset = want_reset,
                                                .context = pc});
    i8042_attach(&pc->kbc, I8042_KEYBOARD, &pc->keyboard);
    i8042_attach(&pc->kbc, I8042_MOUSE, &pc->mouse);
    port92_init(&pc->port92,
                &(struct port92_config){.a20 = wire_line(&pc->wires[2]), .request_reset = want_reset, .context = pc});
    debugexit_init(&pc->debugexit, &(struct debugexit_config){.request_exit = ignore_exit});
    debugcon_init(&pc->debugcon, &(struct debugcon_config){0});
    ns16550_init(&pc->uart,
                 &(struct ns16550_config){.clock = &pc->clock, .irq = i8259_input(&pc->pic, 4), .chardev = &pc->line});

    bus_init(&pc->bus, "ports");
    map(&pc->bus, 0x20, 2, &i8259_master_ops, &pc->pic);
    map(&pc->bus, 0x40, 4, &i8254_ops, &pc->pit);
    map(&pc->bus, 0x60, 1, &i8042_data_ops, &pc->kbc);
    map(&pc->bus, 0x61, 1, &i8254_port61_ops, &pc->pit);
    map(&pc->bus, 0x64, 1, &i8042_command_ops, &pc->kbc);
    map(&pc->bus, 0x70, 2, &mc146818_ops, &pc->rtc);
    map(&pc->bus, 0x92, 1, &port92_ops, &pc->port92);
    map(&pc->bus, 0xa0, 2, &i8259_slave_ops, &pc->pic);
    map(&pc->bus, DEBUGCON_BASE, 1, &debugcon_ops, &pc->debugcon);
    map(&pc->bus, DEBUGEXIT_BASE, DEBUGEXIT_SIZE, &debugexit_ops, &pc->debugexit);
    map(&pc->bus, 0x3f8, 8, &ns16550_ops, &pc->uart);
    map(&pc->bus, 0x4d0, 2, &i8259_elcr_ops, &pc->pic);
}

static void for_all(struct pc *pc, void (*do_it)(const struct device_class *class, void *device))
{
    do_it(&i8259_class, &pc->pic);
    do_it(&i8254_class, &pc->pit);
    do_it(&mc146818_class, &pc->rtc);
    do_it(&i8042_class, &pc->kbc);
    do_it(&port92_class, &pc->port92);
    do_it(&debugexit_class, &pc->debugexit);
    do_it(&debugcon_class, &pc->debugcon);
    do_it(&ns16550_class, &pc->uart);
}

static void do_reset(const struct device_class *class, void *device)
{
    class->reset(device);
}

static void do_restored(const struct device_class *class, void *device)
{
    if (class->restored)
        class->restored(device);
}

static void do_destroy(const struct device_class *class, void *device)
{
    if (class->destroy)
        class->destroy(device);
}

/* A field's bytes lie inside the device and its name is set. */
static void check_fields(const struct device_class *class, void *device)
{
    (void)device;
    cr_assert(class->name && class->version && class->reset);
    for (unsigned i = 0; i < class->field_count; i++)
        for (unsigned k = 0; k < i; k++)
            cr_assert_neq(class->fields[i].offset, class->fields[k].offset, "%s.%s twice", class->name,
                          class->fields[i].name);
}

static void poke(struct pc *pc)
{
    static const uint16_t ports[] = {0x20,  0x21,  0x40,  0x41,  0x42,  0x43,  0x60,  0x61,  0x64,
                                     0x70,  0x71,  0x92,  0xa0,  0xa1,  0xe9,  0xf4,  0x3f8, 0x3f9,
                                     0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x4d0, 0x4d1};
    uint64_t r = next_random(pc);
    uint64_t port = ports[(r >> 8) % ARRAY_LEN(ports)] - (r >> 16) % 4 * ((r >> 20) % 4 == 0);
    unsigned size = 1u << ((r >> 24) % 8 < 5 ? 0 : (r >> 24) % 8 - 4);
    unsigned action = r & 31;

    if (action < 14)
        bus_write(&pc->bus, port, next_random(pc), size);
    else if (action < 26)
        cr_assert_eq(bus_read(&pc->bus, port, size) & ~zero_extend(UINT64_MAX, size), 0);
    else if (action < 28)
        /* Short enough that the fastest timer, 600 kHz, does not fill the test. */
        vclock_step(&pc->clock, next_random(pc) % (r >> 32 & 63 ? 3000 : 3000000));
    else if (action == 28)
        cr_assert_eq(i8259_acknowledge(&pc->pic) & ~0xff, 0);
    else if (action == 29 && pc->line.receive)
        fill_line(&pc->line);
    else if (action == 30)
        ps2_send(r >> 40 & 1 ? &pc->mouse : &pc->keyboard, (uint8_t)(r >> 48));
    else if ((r >> 56) == 0)
        pc->reset_wanted = true;
    else if ((r >> 56) == 1)
        for_all(pc, do_restored);
    else if ((r >> 56) == 2)
        ns16550_receive_break(&pc->uart);
}

Test(chips, random_pokes)
{
    static struct pc pc;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        cr_log_info("seed %" PRIu64, seed);
        make_pc(&pc, seed * 0x9e3779b97f4a7c15);
        for (unsigned i = 0; i < 60000; i++) {
            poke(&pc);
            if (pc.reset_wanted && i % 64 == 0) {
                pc.reset_wanted = false;
                for_all(&pc, do_reset);
            }
        }
        for_all(&pc, do_destroy);
        cr_assert_eq(vclock_next_deadline(&pc.clock), VCLOCK_NEVER, "destroy cancels every timer");
        bus_destroy(&pc.bus);
    }
}

Test(chips, every_port_at_every_width)
{
    static struct pc pc;
    make_pc(&pc, 7);
    for (unsigned size = 1; size <= 8; size *= 2)
        for (unsigned port = 0; port < 0x600; port++) {
            bus_read(&pc.bus, port, size);
            bus_write(&pc.bus, port, next_random(&pc), size);
        }
    for_all(&pc, do_destroy);
    bus_destroy(&pc.bus);
}

Test(chips, classes_are_complete)
{
    static struct pc pc;
    make_pc(&pc, 1);
    for_all(&pc, check_fields);
    for_all(&pc, do_destroy);
    bus_destroy(&pc.bus);
}

/* Random bytes in every field, as from a damaged snapshot, then use. */
static uint64_t junk = 0x1234567;

static void fill_fields(const struct device_class *class, void *device)
{
    for (unsigned i = 0; i < class->field_count; i++) {
        const struct field *field = &class->fields[i];
        for (unsigned k = 0; k < (unsigned)field->size * field->count; k++) {
            junk = junk * 6364136223846793005u + 1;
            ((uint8_t *)device)[field->offset + k] = (uint8_t)(junk >> 56);
        }
    }
    do_restored(class, device);
}

Test(chips, damaged_snapshot_does_not_crash)
{
    static struct pc pc;
    for (unsigned round = 0; round < 50; round++) {
        make_pc(&pc, round + 1);
        vclock_step(&pc.clock, 5 * NS_PER_SECOND);
        for_all(&pc, fill_fields);
        /* Without time: a damaged deadline may be anything. */
        for (unsigned port = 0; port < 0x600; port++)
            bus_read(&pc.bus, port, 1);
        for_all(&pc, do_reset);
        for_all(&pc, do_destroy);
        bus_destroy(&pc.bus);
    }
}
