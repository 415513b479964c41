/* Keys pressed on somebody's behalf: order, hold time, and no more than fit. */
#include "devices/machine/keyboard_queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MS = 1000000 };

static struct vclock clock_now;
static struct keyboard_queue queue;
static char pressed[256];

static void on_key(void *device, enum ui_key key, bool down)
{
    (void)device;
    size_t used = strlen(pressed);
    snprintf(pressed + used, sizeof(pressed) - used, "%c%s ", down ? '+' : '-', ui_key_name(key));
}

static struct ui ui = {.keyboard = {.key = on_key}};

static void start(void)
{
    vclock_init(&clock_now, NULL, NULL);
    keyboard_queue_init(&queue, &ui, &clock_now);
    pressed[0] = 0;
}

TestSuite(keyboard_queue, .init = start);

Test(keyboard_queue, a_chord_is_held_and_released_in_reverse)
{
    const enum ui_key chord[] = {UI_KEY_CTRL, UI_KEY_ALT, UI_KEY_DELETE}, one[] = {UI_KEY_A};
    cr_assert_eq(keyboard_queue_add(&queue, chord, 3, 100), 0);
    cr_assert_eq(keyboard_queue_add(&queue, one, 1, 50), 0);
    cr_expect_str_eq(pressed, "+ctrl +alt +delete ");
    vclock_step(&clock_now, 99 * MS);
    cr_expect_str_eq(pressed, "+ctrl +alt +delete ");
    vclock_step(&clock_now, 1 * MS);
    cr_expect_str_eq(pressed, "+ctrl +alt +delete -delete -alt -ctrl ");
    vclock_step(&clock_now, 1000 * MS);
    cr_expect_str_eq(pressed, "+ctrl +alt +delete -delete -alt -ctrl +a -a ");
}

Test(keyboard_queue, full)
{
    const enum ui_key one[] = {UI_KEY_A};
    unsigned fit = 0;
    while (keyboard_queue_add(&queue, one, 1, 1) == 0 && fit < 2 * KEYBOARD_QUEUE_MAX)
        fit++;
    cr_expect_eq(fit, KEYBOARD_QUEUE_MAX / 2); /* the first key down is out already, but its pair would not fit */
    vclock_step(&clock_now, 100 * NS_PER_SECOND);
    cr_expect_eq(queue.count, 0);
    cr_expect_eq(keyboard_queue_add(&queue, one, 1, 1), 0);
    cr_expect_eq(keyboard_queue_add(&queue, one, KEYBOARD_CHORD_MAX + 1, 1), -ENOSPC);
}
