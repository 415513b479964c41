/* The debug exit port and the debug console. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "devices/chips/debugcon.h"
#include "devices/chips/debugexit.h"
#include "tests/unit/chip_fixture.h"

struct exits {
    unsigned count;
    int last;
};

static void note_exit(void *context, int status)
{
    struct exits *exits = context;
    exits->count++;
    exits->last = status;
}

Test(debugexit, status_is_twice_the_value_plus_one)
{
    struct bus bus;
    struct exits exits = {0};
    struct debugexit port;
    struct debugexit_config config = {.request_exit = note_exit, .context = &exits};
    cr_assert_eq(debugexit_init(&port, &config), 0);
    bus_init(&bus, "ports");
    map(&bus, DEBUGEXIT_BASE, DEBUGEXIT_SIZE, &debugexit_ops, &port);

    out8(&bus, 0xf4, 0);
    cr_assert_eq(exits.last, 1);
    out8(&bus, 0xf7, 0x10);
    cr_assert_eq(exits.last, 0x21);
    bus_write(&bus, 0xf4, 0x1234, 2);
    cr_assert_eq(exits.last, 0x2469);
    bus_write(&bus, 0xf4, 0x80000001, 4);
    cr_assert_eq(exits.last, 3);
    cr_assert_eq(exits.count, 4);
    cr_assert_eq(bus_read(&bus, 0xf4, 1), 0);
    cr_assert_eq(bus_read(&bus, 0xf4, 4), 0);
    debugexit_class.reset(&port);
    cr_assert_eq(exits.count, 4);
    bus_destroy(&bus);
}

Test(debugexit, wants_a_callback)
{
    struct debugexit port;
    cr_assert_eq(debugexit_init(&port, &(struct debugexit_config){0}), -EINVAL);
}

struct text {
    struct chardev chardev;
    char bytes[32];
    size_t count;
};

static void text_send(struct chardev *chardev, const uint8_t *bytes, size_t count)
{
    struct text *text = (struct text *)chardev;
    memcpy(text->bytes + text->count, bytes, count);
    text->count += count;
}

Test(debugcon, bytes_go_out_and_reads_identify_it)
{
    struct bus bus;
    struct debugcon port;
    struct text text = {.chardev.send = text_send};
    cr_assert_eq(debugcon_init(&port, &(struct debugcon_config){.chardev = &text.chardev}), 0);
    bus_init(&bus, "ports");
    map(&bus, DEBUGCON_BASE, 1, &debugcon_ops, &port);
    cr_assert_eq(in8(&bus, 0xe9), 0xe9);
    out8(&bus, 0xe9, 'h');
    out8(&bus, 0xe9, 'i');
    bus_write(&bus, 0xe9, '!' | 0x4100, 2); /* its high byte belongs to port EAh */
    cr_assert_eq(text.count, 3);
    cr_assert_eq(memcmp(text.bytes, "hi!", 3), 0);
    debugcon_class.reset(&port);
    bus_destroy(&bus);
}

Test(debugcon, works_unconnected)
{
    struct debugcon port;
    cr_assert_eq(debugcon_init(&port, &(struct debugcon_config){0}), 0);
    debugcon_ops.write(&port, 0, 'x', 1);
}
