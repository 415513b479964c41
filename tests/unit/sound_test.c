/* The PC speaker: waves, and what a programmed 8254 makes of them. */
#include "devices/core/sound.h"

#include <criterion/criterion.h>

#include "devices/chips/i8254.h"
#include "tests/unit/chip_fixture.h"

enum { COUNTER2_MODE0 = 0xb0, COUNTER2_MODE2 = 0xb4, COUNTER2_MODE3 = 0xb6, GATE = 1, SPEAKER = 2 };

static struct bus bus;
static struct vclock vclock;
static struct sound sound;
static struct i8254 pit;

static void step_to(uint64_t tick)
{
    uint64_t ns = (uint64_t)(((unsigned __int128)tick * NS_PER_SECOND + I8254_HZ - 1) / I8254_HZ);
    vclock_step(&vclock, ns - vclock_now(&vclock));
}

static void setup(void)
{
    vclock_init(&vclock, NULL, NULL);
    sound_init(&sound, &vclock, I8254_HZ);
    cr_assert_eq(i8254_init(&pit, &(struct i8254_config){.clock = &vclock, .speaker = &sound}), 0);
    bus_init(&bus, "ports");
    map(&bus, 0x40, 4, &i8254_ops, &pit);
    map(&bus, 0x61, 1, &i8254_port61_ops, &pit);
    step_to(1000);
}

static void teardown(void)
{
    i8254_class.destroy(&pit);
    bus_destroy(&bus);
}

static void program(uint8_t control, uint16_t count)
{
    out8(&bus, 0x43, control);
    out8(&bus, 0x42, (uint8_t)count);
    out8(&bus, 0x42, (uint8_t)(count >> 8));
}

static bool level(uint64_t tick)
{
    return sound_high(&sound, tick, tick + 1);
}

static unsigned rises(uint64_t from, uint64_t to)
{
    unsigned count = 0;
    for (uint64_t t = from; t < to; t++)
        count += !level(t - 1) && level(t);
    return count;
}

TestSuite(sound, .init = setup, .fini = teardown);

Test(sound, silent_until_the_guest_connects_the_speaker)
{
    cr_assert(sound_steady(&sound, 0, UINT64_MAX));
    program(COUNTER2_MODE3, 1193);
    out8(&bus, 0x61, GATE);
    step_to(100000);
    cr_assert(sound_steady(&sound, 0, UINT64_MAX));
    cr_assert_eq(sound_high(&sound, 0, 100000), 0);
}

Test(sound, a_tone_has_its_frequency_and_edges)
{
    out8(&bus, 0x61, GATE | SPEAKER);
    program(COUNTER2_MODE3, 1193); /* 1000.15 Hz */
    uint64_t begin = sound_now(&sound) + 1;
    step_to(begin + 1193 * 10);
    cr_assert_eq(rises(begin + 1, begin + 1 + 1193 * 10), 10);
    /* An odd count is high for one tick more. */
    cr_assert(level(begin) && level(begin + 596) && !level(begin + 597) && !level(begin + 1192) && level(begin + 1193));
    cr_assert_eq(sound_high(&sound, begin, begin + 11930), 5970);
    cr_assert_not(sound_steady(&sound, begin, begin + 1193));
    /* It agrees with the chip's own OUT. */
    for (uint64_t t = begin + 12000; t < begin + 14000; t += 7) {
        step_to(t);
        cr_assert_eq(level(t), i8254_out(&pit, 2), "tick %lu", (unsigned long)t);
    }
}

Test(sound, the_end_of_a_tone_is_exact)
{
    out8(&bus, 0x61, GATE | SPEAKER);
    program(COUNTER2_MODE3, 1000);
    step_to(50000);
    out8(&bus, 0x61, 0);
    cr_assert_gt(sound_high(&sound, 40000, 50000), 0);
    cr_assert_eq(sound_high(&sound, 50000, 1000000), 0);
    cr_assert(sound_steady(&sound, 50000, 1000000));
}

Test(sound, a_new_count_begins_where_the_old_half_ends)
{
    out8(&bus, 0x61, GATE | SPEAKER);
    program(COUNTER2_MODE3, 1000); /* from tick 1001: high to 1501, low to 2001 */
    step_to(1100);
    out8(&bus, 0x42, 0xc8); /* 200 */
    out8(&bus, 0x42, 0);
    for (uint64_t t = 1101; t < 4000; t++) {
        step_to(t);
        cr_assert_eq(level(t), i8254_out(&pit, 2), "tick %lu", (unsigned long)t);
    }
    cr_assert_eq(rises(2000, 4000), 10);
}

Test(sound, a_single_count_raises_it_once)
{
    out8(&bus, 0x61, GATE | SPEAKER);
    step_to(2000);
    program(COUNTER2_MODE0, 500); /* loaded at 2001 */
    cr_assert_eq(sound_high(&sound, 2000, 2501), 0);
    cr_assert_eq(sound_high(&sound, 2501, 3000), 499);
    /* A later command takes back what has not happened. */
    step_to(2100);
    out8(&bus, 0x61, 0);
    cr_assert_eq(sound_high(&sound, 2000, 5000), 0);
}

Test(sound, a_rate_generator_is_low_for_one_tick)
{
    out8(&bus, 0x61, GATE | SPEAKER);
    program(COUNTER2_MODE2, 100);
    cr_assert_eq(sound_high(&sound, 1001, 1001 + 1000), 990);
    cr_assert(!level(1001 + 99) && level(1001 + 100));
}

Test(sound, bits_written_by_hand_are_heard)
{
    out8(&bus, 0x61, GATE | SPEAKER);
    program(COUNTER2_MODE3, 2);
    out8(&bus, 0x61, 0); /* mode 3 with the gate low: OUT is high */
    for (unsigned i = 0; i < 10; i++) {
        step_to(2000 + 100 * i);
        out8(&bus, 0x61, SPEAKER);
        step_to(2000 + 100 * i + 30);
        out8(&bus, 0x61, 0);
    }
    cr_assert_eq(sound_high(&sound, 2000, 3000), 300);
    cr_assert_eq(rises(1999, 3000), 10);
}

Test(sound, reset_is_silence)
{
    out8(&bus, 0x61, GATE | SPEAKER);
    program(COUNTER2_MODE3, 1000);
    step_to(9000);
    i8254_class.reset(&pit);
    cr_assert_eq(sound_high(&sound, 9000, 20000), 0);
}

Test(sound, only_the_last_waves_are_kept)
{
    for (uint64_t i = 0; i < 3 * SOUND_KEPT; i++)
        sound_tell(&sound, (struct sound_wave){.at = 5000 + i, .high = i % 2 == 0});
    uint64_t end = 5000 + 3 * SOUND_KEPT;
    cr_assert_eq(sound.kept, SOUND_KEPT);
    cr_assert_eq(sound_high(&sound, 0, end), SOUND_KEPT / 2);
    cr_assert_eq(sound_high(&sound, 5000, 5010), 0);
}

Test(sound, nonsensical_waves_are_steady)
{
    sound_tell(&sound, (struct sound_wave){.at = 5000, .high = 7, .period = 7});
    cr_assert_eq(sound_high(&sound, 5000, 5100), 100);
    sound_tell(&sound, (struct sound_wave){.at = 6000, .high = 0, .period = 7});
    cr_assert_eq(sound_high(&sound, 6000, 6100), 0);
    sound_tell(&sound, (struct sound_wave){.at = 7000, .start = UINT64_MAX, .high = 2, .period = 4});
    cr_assert_eq(sound_high(&sound, 7000, 7400), 200);
}
