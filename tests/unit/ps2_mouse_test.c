/* The PS/2 mouse: packets, modes, each command, the wheel and Explorer protocols. */
#include "devices/chips/ps2_mouse.h"

#include <criterion/criterion.h>

#include "tests/unit/chip_fixture.h"

static struct vclock clock_;
static struct ps2_mouse mouse;

static void setup(void)
{
    vclock_init(&clock_, NULL, NULL);
    ps2_mouse_init(&mouse, &clock_);
}

TestSuite(ps2_mouse, .init = setup);

static void command(uint8_t byte)
{
    mouse.ps2.receive(&mouse.ps2, byte);
}

static void expect_bytes(const uint8_t *bytes, unsigned count, int line)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert(mouse.ps2.queue_count, "line %d: byte %u of %u is missing", line, i, count);
        uint8_t got = ps2_take(&mouse.ps2);
        cr_assert_eq(got, bytes[i], "line %d: byte %u is %#x, not %#x", line, i, got, bytes[i]);
    }
    cr_assert_eq(mouse.ps2.queue_count, 0, "line %d: %u bytes too many", line, mouse.ps2.queue_count);
}

#define EXPECT(...)                                                                                                    \
    expect_bytes((const uint8_t[]){__VA_ARGS__}, (unsigned)sizeof((const uint8_t[]){__VA_ARGS__}), __LINE__)
#define EXPECT_NOTHING() cr_assert_eq(mouse.ps2.queue_count, 0)

static void tell(uint8_t byte)
{
    command(byte);
    EXPECT(0xfa);
}

static void rates(uint8_t a, uint8_t b, uint8_t c)
{
    const uint8_t rate[] = {a, b, c};
    for (unsigned i = 0; i < 3; i++) {
        tell(0xf3);
        tell(rate[i]);
    }
}

/* Lets the sample clock tick. */
static void tick(void)
{
    vclock_step(&clock_, NS_PER_SECOND / 10);
}

Test(ps2_mouse, after_power_on)
{
    command(0xe9);
    EXPECT(0xfa, 0x00, 0x02, 100);
    command(0xf2);
    EXPECT(0xfa, 0x00);
    ps2_mouse_motion(&mouse, 3, 4);
    tick();
    EXPECT_NOTHING();
}

Test(ps2_mouse, reset_command)
{
    tell(0xe7);
    rates(200, 100, 80);
    command(0xff);
    EXPECT(0xfa, 0xaa, 0x00);
    command(0xe9);
    EXPECT(0xfa, 0x00, 0x02, 100);
    command(0xf2);
    EXPECT(0xfa, 0x00);
}

Test(ps2_mouse, packets)
{
    tell(0xf4);
    ps2_mouse_motion(&mouse, 3, 4);
    EXPECT(0x28, 3, 0xfc); /* up is positive to the mouse */
    tick();
    ps2_mouse_motion(&mouse, -1, -2);
    EXPECT(0x18, 0xff, 2);
    tick();
    ps2_mouse_button(&mouse, UI_BUTTON_LEFT, true);
    EXPECT(0x09, 0, 0);
    tick();
    ps2_mouse_button(&mouse, UI_BUTTON_RIGHT, true);
    EXPECT(0x0b, 0, 0);
    tick();
    ps2_mouse_button(&mouse, UI_BUTTON_MIDDLE, true);
    EXPECT(0x0f, 0, 0);
    tick();
    ps2_mouse_button(&mouse, UI_BUTTON_LEFT, false);
    EXPECT(0x0e, 0, 0);
    tick();
    EXPECT_NOTHING();
    ps2_mouse_wheel(&mouse, 1); /* it has none */
    ps2_mouse_button(&mouse, UI_BUTTON_SIDE, true);
    tick();
    EXPECT_NOTHING();
}

Test(ps2_mouse, sample_rate)
{
    tell(0xf3);
    tell(10);
    tell(0xf4);
    ps2_mouse_motion(&mouse, 1, 0);
    EXPECT(0x08, 1, 0);
    ps2_mouse_motion(&mouse, 1, 0);
    ps2_mouse_motion(&mouse, 1, 0);
    vclock_step(&clock_, NS_PER_SECOND / 10 - 1);
    EXPECT_NOTHING();
    vclock_step(&clock_, 1);
    EXPECT(0x08, 2, 0);
}

Test(ps2_mouse, a_click_shorter_than_a_sample_is_told)
{
    tell(0xf4);
    ps2_mouse_motion(&mouse, 1, 0);
    EXPECT(0x08, 1, 0);
    ps2_mouse_button(&mouse, UI_BUTTON_LEFT, true);
    ps2_mouse_button(&mouse, UI_BUTTON_RIGHT, true);
    ps2_mouse_button(&mouse, UI_BUTTON_LEFT, false);
    tick();
    EXPECT(0x0b, 0, 0);
    tick();
    EXPECT(0x0a, 0, 0);
    tick();
    EXPECT_NOTHING();
    ps2_mouse_motion(&mouse, 1, 0);
    EXPECT(0x0a, 1, 0);
    ps2_mouse_button(&mouse, UI_BUTTON_RIGHT, false);
    ps2_mouse_button(&mouse, UI_BUTTON_RIGHT, true);
    ps2_mouse_button(&mouse, UI_BUTTON_RIGHT, false); /* of three changes the last one counts */
    tick();
    EXPECT(0x08, 0, 0);
    tick();
    EXPECT_NOTHING();
}

Test(ps2_mouse, movement_is_kept_while_the_guest_does_not_read)
{
    tell(0xf4);
    ps2_mouse_motion(&mouse, 1, 0);
    for (unsigned i = 0; i < 50; i++) {
        ps2_mouse_motion(&mouse, 2, 0);
        tick();
    }
    EXPECT(0x08, 1, 0);
    tick();
    EXPECT(0x08, 100, 0);
}

Test(ps2_mouse, large_movement_takes_several_packets)
{
    tell(0xf4);
    ps2_mouse_motion(&mouse, 600, -300);
    EXPECT(0x08, 255, 255);
    tick();
    EXPECT(0x08, 255, 45);
    tick();
    EXPECT(0x08, 90, 0);
    tick();
    EXPECT_NOTHING();
    ps2_mouse_motion(&mouse, -255, 255);
    EXPECT(0x38, 1, 1);
}

Test(ps2_mouse, scaling)
{
    static const uint8_t scaled[] = {0, 1, 1, 3, 6, 9, 12, 14};
    tell(0xe7);
    tell(0xf4);
    for (uint8_t i = 1; i < ARRAY_LEN(scaled); i++) {
        ps2_mouse_motion(&mouse, i, 0);
        EXPECT(0x08, scaled[i], 0);
        tick();
    }
    command(0xe9);
    EXPECT(0xfa, 0x30, 0x02, 100);
    tell(0xf0); /* not in remote mode */
    ps2_mouse_motion(&mouse, 5, 0);
    command(0xeb);
    EXPECT(0xfa, 0x08, 5, 0);
    tell(0xe6);
    command(0xe9);
    EXPECT(0xfa, 0x60, 0x02, 100);
}

Test(ps2_mouse, resolution)
{
    for (uint8_t i = 0; i < 4; i++) {
        tell(0xe8);
        tell(i);
        command(0xe9);
        EXPECT(0xfa, 0x00, i, 100);
    }
    tell(0xe8);
    command(4);
    EXPECT(0xfe);
    command(5);
    EXPECT(0xfc);
    tell(1);
}

Test(ps2_mouse, rates_are_checked)
{
    tell(0xf3);
    command(55);
    EXPECT(0xfe);
    tell(60);
    command(0xe9);
    EXPECT(0xfa, 0x00, 0x02, 60);
}

Test(ps2_mouse, remote_mode)
{
    tell(0xf0);
    ps2_mouse_motion(&mouse, 7, 0);
    ps2_mouse_button(&mouse, UI_BUTTON_LEFT, true);
    tick();
    EXPECT_NOTHING();
    command(0xeb);
    EXPECT(0xfa, 0x09, 7, 0);
    command(0xeb);
    EXPECT(0xfa, 0x09, 0, 0);
    command(0xe9);
    EXPECT(0xfa, 0x44, 0x02, 100);
    tell(0xea);
    command(0xe9);
    EXPECT(0xfa, 0x04, 0x02, 100);
}

Test(ps2_mouse, wrap_mode)
{
    tell(0xee);
    command(0xe9);
    EXPECT(0xe9);
    command(0x00);
    EXPECT(0x00);
    command(0xee);
    EXPECT(0xee);
    tell(0xec);
    command(0xf2);
    EXPECT(0xfa, 0x00);
    tell(0xee);
    command(0xff);
    EXPECT(0xfa, 0xaa, 0x00);
}

Test(ps2_mouse, wheel)
{
    rates(200, 100, 80);
    command(0xf2);
    EXPECT(0xfa, 0x03);
    tell(0xf4);
    ps2_mouse_wheel(&mouse, 1);
    EXPECT(0x08, 0, 0, 1);
    tick();
    ps2_mouse_wheel(&mouse, -3);
    EXPECT(0x08, 0, 0, 0xfd);
    tick();
    ps2_mouse_wheel(&mouse, 9);
    EXPECT(0x08, 0, 0, 7);
    tick();
    EXPECT(0x08, 0, 0, 2);
}

Test(ps2_mouse, explorer)
{
    rates(200, 100, 80);
    rates(200, 200, 80);
    command(0xf2);
    EXPECT(0xfa, 0x04);
    tell(0xf4);
    ps2_mouse_button(&mouse, UI_BUTTON_SIDE, true);
    EXPECT(0x08, 0, 0, 0x10);
    tick();
    ps2_mouse_button(&mouse, UI_BUTTON_EXTRA, true);
    EXPECT(0x08, 0, 0, 0x30);
    tick();
    ps2_mouse_wheel(&mouse, -1);
    EXPECT(0x08, 0, 0, 0x3f);
}

Test(ps2_mouse, resend)
{
    command(0xf2);
    EXPECT(0xfa, 0x00);
    command(0xfe);
    EXPECT(0x00);
    tell(0xf4);
    ps2_mouse_motion(&mouse, 1, 0);
    EXPECT(0x08, 1, 0);
    command(0xfe);
    EXPECT(0x08, 1, 0);
}

Test(ps2_mouse, a_command_ends_the_packet_under_way)
{
    tell(0xf4);
    ps2_mouse_motion(&mouse, 1, 0);
    cr_assert_eq(ps2_take(&mouse.ps2), 0x08);
    tell(0xf5);
    command(0xe9);
    EXPECT(0xfa, 0x00, 0x02, 100);
}

Test(ps2_mouse, nudge)
{
    ps2_mouse_nudge(&mouse);
    tell(0xf4);
    EXPECT_NOTHING();
    ps2_mouse_nudge(&mouse);
    EXPECT(0x08, 0, 0);
    ps2_mouse_nudge(&mouse);
    ps2_mouse_nudge(&mouse);
    tick();
    EXPECT(0x08, 0, 0);
    tick();
    EXPECT_NOTHING();
}

Test(ps2_mouse, defaults_keep_the_protocol)
{
    rates(200, 100, 80);
    tell(0xe7);
    tell(0xf4);
    tell(0xf6);
    command(0xe9);
    EXPECT(0xfa, 0x00, 0x02, 100);
    command(0xf2);
    EXPECT(0xfa, 0x03);
}

Test(ps2_mouse, unknown_commands)
{
    command(0xe0);
    EXPECT(0xfe);
    command(0xe0);
    EXPECT(0xfc);
    command(0xe0);
    EXPECT(0xfe);
    tell(0xf4);
    command(0x12);
    EXPECT(0xfe);
}

Test(ps2_mouse, restored_from_damage)
{
    for (unsigned round = 0; round < 256; round++) {
        for (unsigned i = 0; i < ps2_mouse_class.field_count; i++) {
            const struct field *field = &ps2_mouse_class.fields[i];
            for (unsigned k = 0; k < (unsigned)field->size * field->count; k++)
                ((uint8_t *)&mouse)[field->offset + k] = (uint8_t)(round * 37 + k * 11);
        }
        ps2_mouse_class.restored(&mouse);
        ps2_mouse_motion(&mouse, 5, 5);
        command((uint8_t)round);
        ps2_mouse_class.reset(&mouse);
    }
}
