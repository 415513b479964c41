/* The 8042: commands, output buffer, interrupts, A20 and reset, ports with and without devices. */
#include "devices/chips/i8042.h"

#include <criterion/criterion.h>

#include "tests/unit/chip_fixture.h"

enum { DATA = 0x60, CMD = 0x64 };

struct toy {
    struct ps2_device ps2;
    uint8_t got[16];
    unsigned count;
};

static struct bus bus;
static struct wire irq1, irq12, a20;
static unsigned resets;
static struct i8042 kbc;
static struct toy keyboard, mouse;

static void toy_receive(struct ps2_device *ps2, uint8_t byte)
{
    struct toy *toy = (struct toy *)ps2;
    toy->got[toy->count++ % 16] = byte;
    ps2_send(ps2, 0xfa);
}

static void note_reset(void *context)
{
    ++*(unsigned *)context;
}

static void setup(void)
{
    struct i8042_config config = {.keyboard_irq = wire_line(&irq1),
                                  .mouse_irq = wire_line(&irq12),
                                  .a20 = wire_line(&a20),
                                  .request_reset = note_reset,
                                  .context = &resets};
    cr_assert_eq(i8042_init(&kbc, &config), 0);
    bus_init(&bus, "ports");
    map(&bus, DATA, 1, &i8042_data_ops, &kbc);
    map(&bus, CMD, 1, &i8042_command_ops, &kbc);
    keyboard.ps2.receive = mouse.ps2.receive = toy_receive;
}

static void teardown(void)
{
    bus_destroy(&bus);
}

static void plug(void)
{
    i8042_attach(&kbc, I8042_KEYBOARD, &keyboard.ps2);
    i8042_attach(&kbc, I8042_MOUSE, &mouse.ps2);
}

static void write_ctr(uint8_t value)
{
    out8(&bus, CMD, 0x60);
    out8(&bus, DATA, value);
}

/* The answer to a command that has one. */
static uint8_t ask(uint8_t command)
{
    out8(&bus, CMD, command);
    cr_assert_eq(in8(&bus, CMD) & 0x21, 0x01);
    uint8_t answer = in8(&bus, DATA);
    cr_assert_eq(in8(&bus, CMD) & 0x01, 0);
    return answer;
}

TestSuite(i8042, .init = setup, .fini = teardown);

Test(i8042, reset_state)
{
    cr_assert_eq(in8(&bus, CMD), 0x10);
    cr_assert_eq(in8(&bus, DATA), 0);
    cr_assert_eq(ask(0x20), 0x70);
    cr_assert_eq(ask(0xd0), 0xc3);
    cr_assert(a20.level);
    cr_assert_not(irq1.level || irq12.level);
}

Test(i8042, self_test)
{
    cr_assert_eq(ask(0xaa), 0x55);
    cr_assert_eq(in8(&bus, CMD), 0x1c);
    cr_assert_eq(ask(0xab), 0x00);
    cr_assert_eq(ask(0xa9), 0x00);
    cr_assert_eq(ask(0xa4), 0xf1);
    cr_assert_eq(ask(0xc0), 0xa0);
}

Test(i8042, command_data_bit)
{
    out8(&bus, CMD, 0xae);
    cr_assert_eq(in8(&bus, CMD) & 0x08, 0x08);
    write_ctr(0);
    cr_assert_eq(in8(&bus, CMD) & 0x08, 0);
}

Test(i8042, command_byte)
{
    for (unsigned v = 0; v < 256; v++) {
        write_ctr((uint8_t)(v & ~3u));
        cr_assert_eq(ask(0x20), v & 0x7c);
        cr_assert_eq(in8(&bus, CMD) & 4, v & 4);
    }
}

Test(i8042, controller_memory)
{
    for (unsigned i = 1; i < 32; i++) {
        out8(&bus, CMD, (uint8_t)(0x60 + i));
        out8(&bus, DATA, (uint8_t)(0xf0 + i));
    }
    for (unsigned i = 1; i < 32; i++)
        cr_assert_eq(ask((uint8_t)(0x20 + i)), (uint8_t)(0xf0 + i));
}

Test(i8042, port_enables)
{
    out8(&bus, CMD, 0xae);
    cr_assert_eq(ask(0x20), 0x60);
    cr_assert_eq(ask(0xe0), 0x01);
    out8(&bus, CMD, 0xa8);
    cr_assert_eq(ask(0x20), 0x40);
    cr_assert_eq(ask(0xe0), 0x03);
    out8(&bus, CMD, 0xad);
    cr_assert_eq(ask(0x20), 0x50);
    out8(&bus, CMD, 0xa7);
    cr_assert_eq(ask(0x20), 0x70);
}

Test(i8042, a20)
{
    out8(&bus, CMD, 0xd1);
    out8(&bus, DATA, 0xdd);
    cr_assert_not(a20.level);
    cr_assert_eq(ask(0xd0), 0xc1);
    out8(&bus, CMD, 0xd1);
    out8(&bus, DATA, 0xdf);
    cr_assert(a20.level);
    out8(&bus, CMD, 0xdd);
    cr_assert_not(a20.level);
    out8(&bus, CMD, 0xdf);
    cr_assert(a20.level);
    cr_assert_eq(resets, 0);
}

Test(i8042, resets)
{
    out8(&bus, CMD, 0xfe);
    cr_assert_eq(resets, 1);
    for (unsigned command = 0xf0; command <= 0xff; command++)
        out8(&bus, CMD, (uint8_t)command);
    cr_assert_eq(resets, 9, "the even ones");
    out8(&bus, CMD, 0xd1);
    out8(&bus, DATA, 0x02);
    cr_assert_eq(resets, 10);
}

Test(i8042, answers_interrupt_as_keyboard_bytes)
{
    write_ctr(0x01);
    out8(&bus, CMD, 0x20);
    cr_assert(irq1.level);
    in8(&bus, DATA);
    write_ctr(0x02);
    out8(&bus, CMD, 0x20);
    cr_assert_not(irq1.level || irq12.level);
}

Test(i8042, fake_keyboard_byte)
{
    write_ctr(0x43); /* it is not translated */
    out8(&bus, CMD, 0xd2);
    out8(&bus, DATA, 0x1c);
    cr_assert(irq1.level);
    cr_assert_eq(in8(&bus, DATA), 0x1c);
    cr_assert_not(irq1.level);
}

Test(i8042, fake_mouse_byte)
{
    write_ctr(0x43);
    out8(&bus, CMD, 0xd3);
    out8(&bus, DATA, 0x99);
    cr_assert(irq12.level);
    cr_assert_not(irq1.level);
    cr_assert_eq(in8(&bus, CMD) & 0x21, 0x21);
    cr_assert_eq(in8(&bus, DATA), 0x99);
    cr_assert_not(irq12.level);
    cr_assert_eq(in8(&bus, CMD) & 0x21, 0);
}

Test(i8042, output_port_shows_the_full_buffer)
{
    out8(&bus, CMD, 0xd3);
    out8(&bus, DATA, 0x99);
    out8(&bus, CMD, 0xd0);
    cr_assert_eq(in8(&bus, DATA), 0x99);
    cr_assert_eq(in8(&bus, DATA), 0xe3);
}

Test(i8042, missing_keyboard_times_out)
{
    write_ctr(0x43);
    out8(&bus, DATA, 0xed);
    cr_assert_eq(in8(&bus, CMD) & 0x61, 0x41);
    cr_assert(irq1.level);
    cr_assert_eq(in8(&bus, DATA), 0xfe);
    cr_assert_eq(in8(&bus, CMD) & 0x61, 0);
}

Test(i8042, missing_mouse_times_out)
{
    write_ctr(0x43);
    out8(&bus, CMD, 0xd4);
    out8(&bus, DATA, 0xf2);
    cr_assert_eq(in8(&bus, CMD) & 0x61, 0x61);
    cr_assert(irq12.level);
    cr_assert_eq(in8(&bus, DATA), 0xfe);
}

Test(i8042, unread_answers_wait_in_order)
{
    for (unsigned i = 0; i < 12; i++) {
        out8(&bus, CMD, 0xd2);
        out8(&bus, DATA, (uint8_t)i);
    }
    for (unsigned i = 0; i < 9; i++)
        cr_assert_eq(in8(&bus, DATA), i);
    cr_assert_eq(in8(&bus, CMD) & 1, 0, "one in the buffer and eight waiting");
}

Test(i8042, command_cancels_a_parameter)
{
    out8(&bus, CMD, 0x60);
    out8(&bus, CMD, 0xae);
    plug();
    out8(&bus, DATA, 0xf4);
    cr_assert_eq(keyboard.got[0], 0xf4);
}

Test(i8042, devices_get_their_bytes_and_answer)
{
    plug();
    write_ctr(0x33);
    out8(&bus, DATA, 0xf4);
    cr_assert_eq(keyboard.count, 1);
    cr_assert_eq(keyboard.got[0], 0xf4);
    cr_assert(irq1.level);
    cr_assert_eq(in8(&bus, CMD) & 0x61, 0x01);
    cr_assert_eq(in8(&bus, DATA), 0xfa);
    cr_assert_eq(ask(0x20) & 0x30, 0x20, "writing enabled the port");
    out8(&bus, CMD, 0xd4);
    out8(&bus, DATA, 0xf2);
    cr_assert_eq(mouse.got[0], 0xf2);
    cr_assert(irq12.level);
    cr_assert_eq(in8(&bus, CMD) & 0x61, 0x21);
    cr_assert_eq(in8(&bus, DATA), 0xfa);
    cr_assert_eq(ask(0x20) & 0x30, 0);
}

Test(i8042, disabled_port_keeps_its_bytes)
{
    plug();
    ps2_send(&keyboard.ps2, 0x1c);
    ps2_send(&mouse.ps2, 0x08);
    cr_assert_eq(in8(&bus, CMD) & 1, 0);
    out8(&bus, CMD, 0xa8);
    cr_assert_eq(in8(&bus, CMD) & 0x21, 0x21);
    cr_assert_eq(in8(&bus, DATA), 0x08);
    out8(&bus, CMD, 0xae);
    cr_assert_eq(in8(&bus, CMD) & 0x21, 0x01);
    cr_assert_eq(in8(&bus, DATA), 0x1e);
}

Test(i8042, each_byte_is_its_own_edge)
{
    plug();
    write_ctr(0x01);
    ps2_send(&keyboard.ps2, 1);
    ps2_send(&keyboard.ps2, 2);
    ps2_send(&keyboard.ps2, 3);
    for (unsigned i = 1; i <= 3; i++) {
        cr_assert_eq(irq1.rises, i);
        cr_assert_eq(in8(&bus, DATA), i);
    }
    cr_assert_not(irq1.level);
}

Test(i8042, keyboard_goes_before_mouse)
{
    plug();
    write_ctr(0x30);
    ps2_send(&mouse.ps2, 1);
    ps2_send(&keyboard.ps2, 2);
    write_ctr(0x00);
    cr_assert_eq(in8(&bus, DATA), 2);
    cr_assert_eq(in8(&bus, DATA), 1);
}

Test(i8042, scan_code_translation)
{
    static const struct {
        uint8_t set2[4], set1[3];
    } codes[] = {
        {{0x1c}, {0x1e}},             /* A */
        {{0xf0, 0x1c}, {0x9e}},       /* A up */
        {{0x76}, {0x01}},             /* Esc */
        {{0xe0, 0x75}, {0xe0, 0x48}}, /* Up */
        {{0xe0, 0xf0, 0x75}, {0xe0, 0xc8}},
        {{0x83}, {0x41}}, /* F7 */
        {{0x07}, {0x58}}, /* F12 */
        {{0xfa}, {0xfa}},
        {{0xaa}, {0xaa}},
        {{0x5a}, {0x1c}}, /* Enter */
        {{0x29}, {0x39}}, /* Space */
    };
    plug();
    write_ctr(0x41);
    for (unsigned i = 0; i < ARRAY_LEN(codes); i++) {
        for (unsigned k = 0; k < 4 && codes[i].set2[k]; k++)
            ps2_send(&keyboard.ps2, codes[i].set2[k]);
        for (unsigned k = 0; k < 3 && codes[i].set1[k]; k++)
            cr_assert_eq(in8(&bus, DATA), codes[i].set1[k], "row %u byte %u", i, k);
        cr_assert_eq(in8(&bus, CMD) & 1, 0);
    }
    write_ctr(0x01);
    ps2_send(&keyboard.ps2, 0xf0);
    cr_assert_eq(in8(&bus, DATA), 0xf0, "raw without translation");
}

Test(i8042, device_queue_is_bounded)
{
    struct ps2_device loose = {0};
    for (unsigned i = 0; i < PS2_QUEUE_BYTES; i++) {
        cr_assert_eq(ps2_room(&loose), PS2_QUEUE_BYTES - i);
        cr_assert(ps2_send(&loose, (uint8_t)i));
    }
    cr_assert_not(ps2_send(&loose, 0));
    ps2_flush(&loose);
    cr_assert_eq(ps2_room(&loose), PS2_QUEUE_BYTES);
}

Test(i8042, unplugging)
{
    plug();
    i8042_attach(&kbc, I8042_KEYBOARD, NULL);
    cr_assert_null(keyboard.ps2.queued);
    write_ctr(0);
    out8(&bus, DATA, 0xf4);
    cr_assert_eq(in8(&bus, DATA), 0xfe);
}

Test(i8042, firmware_setup_and_reset)
{
    i8042_firmware_setup(&kbc);
    cr_assert_eq(ask(0x20), 0x45);
    out8(&bus, CMD, 0xdd);
    out8(&bus, CMD, 0xd2);
    out8(&bus, DATA, 1);
    cr_assert(irq1.level);
    i8042_class.reset(&kbc);
    cr_assert(a20.level);
    cr_assert_not(irq1.level);
    cr_assert_eq(in8(&bus, CMD), 0x10);
    kbc.output_port = 1;
    i8042_class.restored(&kbc);
    cr_assert_not(a20.level);
}
