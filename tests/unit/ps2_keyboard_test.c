/* The PS/2 keyboard: scan codes of the three sets, typematic, lights, and each command. */
#include "devices/chips/ps2_keyboard.h"

#include <criterion/criterion.h>

#include "tests/unit/chip_fixture.h"

static struct vclock clock_;
static struct ps2_keyboard kbd;

static void setup(void)
{
    vclock_init(&clock_, NULL, NULL);
    ps2_keyboard_init(&kbd, &clock_);
}

TestSuite(ps2_keyboard, .init = setup);

static void command(uint8_t byte)
{
    kbd.ps2.receive(&kbd.ps2, byte);
}

static void press(enum ui_key key)
{
    ps2_keyboard_key(&kbd, key, true);
}

static void release(enum ui_key key)
{
    ps2_keyboard_key(&kbd, key, false);
}

/* What waits is exactly these bytes; it is taken. */
static void expect_bytes(const uint8_t *bytes, unsigned count, int line)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert(kbd.ps2.queue_count, "line %d: byte %u of %u is missing", line, i, count);
        uint8_t got = ps2_take(&kbd.ps2);
        cr_assert_eq(got, bytes[i], "line %d: byte %u is %#x, not %#x", line, i, got, bytes[i]);
    }
    cr_assert_eq(kbd.ps2.queue_count, 0, "line %d: %u bytes too many", line, kbd.ps2.queue_count);
}

#define EXPECT(...)                                                                                                    \
    expect_bytes((const uint8_t[]){__VA_ARGS__}, (unsigned)sizeof((const uint8_t[]){__VA_ARGS__}), __LINE__)
#define EXPECT_NOTHING() cr_assert_eq(kbd.ps2.queue_count, 0)

static void use_set(uint8_t set)
{
    command(0xf0);
    command(set);
    EXPECT(0xfa, 0xfa);
}

static void lights(uint8_t mask)
{
    command(0xed);
    command(mask);
    EXPECT(0xfa, 0xfa);
}

Test(ps2_keyboard, after_power_on)
{
    EXPECT_NOTHING();
    press(UI_KEY_A);
    EXPECT(0x1c);
    release(UI_KEY_A);
    EXPECT(0xf0, 0x1c);
    command(0xf0);
    command(0);
    EXPECT(0xfa, 0xfa, 0x02);
    cr_assert_eq(ps2_keyboard_leds(&kbd), 0);
}

Test(ps2_keyboard, sets_of_an_ordinary_key)
{
    use_set(1);
    press(UI_KEY_Z);
    release(UI_KEY_Z);
    EXPECT(0x2c, 0xac);
    use_set(2);
    press(UI_KEY_Z);
    release(UI_KEY_Z);
    EXPECT(0x1a, 0xf0, 0x1a);
    use_set(3);
    press(UI_KEY_Z);
    release(UI_KEY_Z);
    EXPECT(0x1a); /* set 3 tells no break by default */
    press(UI_KEY_SHIFT);
    release(UI_KEY_SHIFT);
    EXPECT(0x12, 0xf0, 0x12);
}

Test(ps2_keyboard, extended_keys)
{
    press(UI_KEY_CTRL_R);
    release(UI_KEY_CTRL_R);
    EXPECT(0xe0, 0x14, 0xe0, 0xf0, 0x14);
    press(UI_KEY_UP);
    release(UI_KEY_UP);
    EXPECT(0xe0, 0x75, 0xe0, 0xf0, 0x75);
    use_set(1);
    press(UI_KEY_UP);
    release(UI_KEY_UP);
    EXPECT(0xe0, 0x48, 0xe0, 0xc8);
    use_set(3);
    press(UI_KEY_UP);
    EXPECT(0x63);
}

Test(ps2_keyboard, pause_and_break)
{
    press(UI_KEY_PAUSE);
    EXPECT(0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77);
    release(UI_KEY_PAUSE);
    EXPECT_NOTHING();
    press(UI_KEY_CTRL);
    EXPECT(0x14);
    press(UI_KEY_PAUSE);
    EXPECT(0xe0, 0x7e, 0xe0, 0xf0, 0x7e);
    release(UI_KEY_PAUSE);
    release(UI_KEY_CTRL);
    EXPECT(0xf0, 0x14);
    use_set(1);
    press(UI_KEY_PAUSE);
    EXPECT(0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5);
}

Test(ps2_keyboard, print_screen)
{
    press(UI_KEY_PRINT);
    EXPECT(0xe0, 0x12, 0xe0, 0x7c);
    release(UI_KEY_PRINT);
    EXPECT(0xe0, 0xf0, 0x7c, 0xe0, 0xf0, 0x12);
    press(UI_KEY_CTRL);
    press(UI_KEY_PRINT);
    release(UI_KEY_PRINT);
    release(UI_KEY_CTRL);
    EXPECT(0x14, 0xe0, 0x7c, 0xe0, 0xf0, 0x7c, 0xf0, 0x14);
    press(UI_KEY_ALT);
    press(UI_KEY_PRINT);
    release(UI_KEY_PRINT);
    EXPECT(0x11, 0x84, 0xf0, 0x84);
}

Test(ps2_keyboard, grey_keys_hide_from_shift)
{
    press(UI_KEY_SHIFT);
    EXPECT(0x12);
    press(UI_KEY_HOME);
    EXPECT(0xe0, 0xf0, 0x12, 0xe0, 0x6c);
    release(UI_KEY_HOME);
    EXPECT(0xe0, 0xf0, 0x6c, 0xe0, 0x12);
    press(UI_KEY_KP_DIVIDE);
    EXPECT(0xe0, 0xf0, 0x12, 0xe0, 0x4a);
    press(UI_KEY_A); /* ends the pretence first */
    EXPECT(0xe0, 0x12, 0x1c);
    release(UI_KEY_SHIFT);
    EXPECT(0xf0, 0x12);
    release(UI_KEY_KP_DIVIDE);
    EXPECT(0xe0, 0xf0, 0x4a);
}

Test(ps2_keyboard, a_shift_let_go_under_a_grey_key_stays_up)
{
    press(UI_KEY_SHIFT);
    press(UI_KEY_LEFT);
    EXPECT(0x12, 0xe0, 0xf0, 0x12, 0xe0, 0x6b);
    release(UI_KEY_SHIFT);
    EXPECT(0xf0, 0x12);
    release(UI_KEY_LEFT);
    EXPECT(0xe0, 0xf0, 0x6b);
}

Test(ps2_keyboard, grey_keys_hide_from_num_lock)
{
    lights(UI_LED_NUM);
    press(UI_KEY_LEFT);
    EXPECT(0xe0, 0x12, 0xe0, 0x6b);
    release(UI_KEY_LEFT);
    EXPECT(0xe0, 0xf0, 0x6b, 0xe0, 0xf0, 0x12);
    press(UI_KEY_SHIFT);
    press(UI_KEY_LEFT);
    EXPECT(0x12, 0xe0, 0x6b);
    release(UI_KEY_LEFT);
    release(UI_KEY_SHIFT);
    EXPECT(0xe0, 0xf0, 0x6b, 0xf0, 0x12);
    press(UI_KEY_KP_DIVIDE);
    EXPECT(0xe0, 0x4a);
}

Test(ps2_keyboard, down_twice_and_up_twice_are_once)
{
    press(UI_KEY_A);
    press(UI_KEY_A);
    EXPECT(0x1c);
    release(UI_KEY_A);
    release(UI_KEY_A);
    EXPECT(0xf0, 0x1c);
}

Test(ps2_keyboard, typematic)
{
    press(UI_KEY_A);
    EXPECT(0x1c);
    vclock_step(&clock_, 499 * NS_PER_SECOND / 1000);
    EXPECT_NOTHING();
    vclock_step(&clock_, NS_PER_SECOND / 1000);
    EXPECT(0x1c);
    vclock_step(&clock_, 91 * NS_PER_SECOND / 1000); /* 91.7 ms: 10.9 a second */
    EXPECT_NOTHING();
    vclock_step(&clock_, NS_PER_SECOND / 1000);
    EXPECT(0x1c);
    press(UI_KEY_B); /* the last key repeats */
    EXPECT(0x32);
    vclock_step(&clock_, NS_PER_SECOND / 2);
    EXPECT(0x32);
    release(UI_KEY_A); /* and goes on when another is let go */
    EXPECT(0xf0, 0x1c);
    vclock_step(&clock_, 92 * NS_PER_SECOND / 1000);
    EXPECT(0x32);
    release(UI_KEY_B);
    EXPECT(0xf0, 0x32);
    vclock_step(&clock_, 2 * NS_PER_SECOND);
    EXPECT_NOTHING();
}

Test(ps2_keyboard, typematic_rate)
{
    command(0xf3);
    command(0x00); /* 250 ms, 30 a second */
    EXPECT(0xfa, 0xfa);
    press(UI_KEY_A);
    EXPECT(0x1c);
    vclock_step(&clock_, NS_PER_SECOND / 4);
    EXPECT(0x1c);
    vclock_step(&clock_, NS_PER_SECOND / 30);
    EXPECT(0x1c);
    command(0xf3);
    command(0x7f); /* 1 s, 2 a second */
    EXPECT(0xfa, 0xfa);
    release(UI_KEY_A);
    EXPECT(0xf0, 0x1c);
    press(UI_KEY_A);
    EXPECT(0x1c);
    vclock_step(&clock_, 999 * NS_PER_SECOND / 1000);
    EXPECT_NOTHING();
    vclock_step(&clock_, NS_PER_SECOND / 1000);
    EXPECT(0x1c);
}

Test(ps2_keyboard, a_slow_guest_gets_no_backlog)
{
    press(UI_KEY_A);
    vclock_step(&clock_, 60 * NS_PER_SECOND);
    EXPECT(0x1c);
}

Test(ps2_keyboard, pause_does_not_repeat)
{
    press(UI_KEY_PAUSE);
    ps2_flush(&kbd.ps2);
    vclock_step(&clock_, 5 * NS_PER_SECOND);
    EXPECT_NOTHING();
}

Test(ps2_keyboard, lights)
{
    for (uint8_t mask = 0; mask < 8; mask++) {
        lights(mask);
        cr_assert_eq(ps2_keyboard_leds(&kbd), mask);
    }
    command(0xed);
    EXPECT(0xfa);
    command(0xf4); /* a command instead of a parameter is one */
    EXPECT(0xfa);
    cr_assert_eq(ps2_keyboard_leds(&kbd), 7);
}

Test(ps2_keyboard, echo_identify_resend)
{
    command(0xee);
    EXPECT(0xee);
    command(0xf2);
    EXPECT(0xfa, 0xab, 0x83);
    command(0xfe);
    EXPECT(0x83);
    press(UI_KEY_A);
    EXPECT(0x1c);
    command(0xfe);
    EXPECT(0x1c);
}

Test(ps2_keyboard, unknown_commands_are_sent_back)
{
    static const uint8_t unknown[] = {0x00, 0x55, 0xec, 0xef, 0xf1};
    for (unsigned i = 0; i < ARRAY_LEN(unknown); i++) {
        command(unknown[i]);
        EXPECT(0xfe);
    }
    command(0xf0);
    EXPECT(0xfa);
    command(4);
    EXPECT(0xfe);
}

Test(ps2_keyboard, disable_and_enable)
{
    command(0xf5);
    EXPECT(0xfa);
    press(UI_KEY_A);
    EXPECT_NOTHING();
    release(UI_KEY_A);
    command(0xf4);
    EXPECT(0xfa);
    press(UI_KEY_A);
    EXPECT(0x1c);
    command(0xf6);
    EXPECT(0xfa);
    release(UI_KEY_A);
    EXPECT(0xf0, 0x1c);
}

Test(ps2_keyboard, defaults_of_rate_and_types)
{
    command(0xf3);
    command(0);
    command(0xf8);
    EXPECT(0xfa, 0xfa, 0xfa);
    command(0xf6);
    EXPECT(0xfa);
    use_set(3);
    press(UI_KEY_A);
    EXPECT(0x1c);
    vclock_step(&clock_, 499 * NS_PER_SECOND / 1000);
    EXPECT_NOTHING();
    release(UI_KEY_A);
    EXPECT_NOTHING();
}

Test(ps2_keyboard, types_of_all_keys)
{
    use_set(3);
    command(0xf8); /* make and break */
    EXPECT(0xfa);
    press(UI_KEY_A);
    EXPECT(0x1c);
    vclock_step(&clock_, NS_PER_SECOND);
    EXPECT_NOTHING();
    release(UI_KEY_A);
    EXPECT(0xf0, 0x1c);
    command(0xf9); /* make only */
    EXPECT(0xfa);
    press(UI_KEY_A);
    vclock_step(&clock_, NS_PER_SECOND);
    release(UI_KEY_A);
    EXPECT(0x1c);
    command(0xfa); /* all three */
    EXPECT(0xfa);
    press(UI_KEY_A);
    EXPECT(0x1c);
    vclock_step(&clock_, NS_PER_SECOND / 2);
    EXPECT(0x1c);
    release(UI_KEY_A);
    EXPECT(0xf0, 0x1c);
    command(0xf7); /* typematic */
    EXPECT(0xfa);
    press(UI_KEY_A);
    EXPECT(0x1c);
    vclock_step(&clock_, NS_PER_SECOND / 2);
    EXPECT(0x1c);
    release(UI_KEY_A);
    EXPECT_NOTHING();
}

Test(ps2_keyboard, types_of_single_keys)
{
    use_set(3);
    command(0xfc);
    command(0x1c); /* A */
    command(0x32); /* B */
    EXPECT(0xfa, 0xfa, 0xfa);
    press(UI_KEY_A);
    EXPECT_NOTHING(); /* the command stops scanning */
    release(UI_KEY_A);
    command(0xf4);
    EXPECT(0xfa);
    press(UI_KEY_A);
    release(UI_KEY_A);
    press(UI_KEY_B);
    release(UI_KEY_B);
    press(UI_KEY_C);
    release(UI_KEY_C);
    EXPECT(0x1c, 0xf0, 0x1c, 0x32, 0xf0, 0x32, 0x21);
}

Test(ps2_keyboard, reset_command)
{
    use_set(1);
    lights(7);
    press(UI_KEY_A);
    command(0xff);
    EXPECT(0xfa, 0xaa);
    cr_assert_eq(ps2_keyboard_leds(&kbd), 0);
    release(UI_KEY_A);
    EXPECT(0xf0, 0x1c);
}

Test(ps2_keyboard, answers_go_ahead_of_keys)
{
    press(UI_KEY_A);
    press(UI_KEY_B);
    command(0xee);
    command(0xee);
    EXPECT(0xee, 0xee, 0x1c, 0x32);
}

Test(ps2_keyboard, overrun)
{
    for (unsigned i = 0; i < 100; i++) {
        press(UI_KEY_A);
        release(UI_KEY_A);
    }
    command(0xf2);
    cr_assert_eq(ps2_take(&kbd.ps2), 0xfa);
    cr_assert_eq(ps2_take(&kbd.ps2), 0xab);
    cr_assert_eq(ps2_take(&kbd.ps2), 0x83);
    uint8_t last = 0xff;
    while (kbd.ps2.queue_count)
        last = ps2_take(&kbd.ps2);
    cr_assert_eq(last, 0x00, "the overrun code ends what was kept");
    press(UI_KEY_B);
    EXPECT(0x32);
}

Test(ps2_keyboard, every_key_in_every_set)
{
    for (uint8_t set = 1; set <= 3; set++) {
        use_set(set);
        for (unsigned key = 0; key < UI_KEY_COUNT; key++) {
            press((enum ui_key)key);
            release((enum ui_key)key);
            unsigned known = ui_key_name((enum ui_key)key) != NULL;
            cr_assert(set == 3 || (kbd.ps2.queue_count != 0) == known, "key %u in set %u", key, set);
            ps2_flush(&kbd.ps2);
        }
    }
}

Test(ps2_keyboard, sink)
{
    struct keyboard_sink sink = ps2_keyboard_sink(&kbd);
    sink.key(sink.device, UI_KEY_ESC, true);
    EXPECT(0x76);
    lights(4);
    cr_assert_eq(sink.leds(sink.device), UI_LED_CAPS);
}
