/* Virtual time: stepping, stopping, and timers in their order. */
#include "devices/core/vclock.h"

#include <criterion/criterion.h>

static uint64_t host_time;

static uint64_t host_source(void *context)
{
    cr_assert_eq(context, &host_time);
    return host_time;
}

struct probe {
    struct vclock *clock;
    struct vtimer timer;
    uint64_t fired_at[64];
    unsigned fired, id;
    uint64_t period;
    unsigned *order, *order_count;
};

static void fire(void *device)
{
    struct probe *probe = device;
    cr_assert_eq(probe->timer.deadline, VCLOCK_NEVER, "disarmed before the callback");
    if (probe->fired < 64)
        probe->fired_at[probe->fired] = vclock_now(probe->clock);
    probe->fired++;
    if (probe->order)
        probe->order[(*probe->order_count)++] = probe->id;
    if (probe->period)
        vtimer_arm(&probe->timer, vclock_now(probe->clock) + probe->period);
}

static void make_probe(struct probe *probe, struct vclock *clock)
{
    *probe = (struct probe){.clock = clock};
    vtimer_init(&probe->timer, clock, fire, probe);
}

static void count_call(void *context)
{
    ++*(unsigned *)context;
}

Test(vclock, running_clock_starts_at_zero_and_stands_still_while_stopped)
{
    struct vclock clock;
    host_time = 1000;
    vclock_init(&clock, host_source, &host_time);
    cr_assert_eq(vclock_now(&clock), 0);
    host_time += 5;
    cr_assert_eq(vclock_now(&clock), 5);
    vclock_stop(&clock);
    host_time += 100;
    vclock_stop(&clock);
    cr_assert_eq(vclock_now(&clock), 5);
    vclock_continue(&clock);
    cr_assert_eq(vclock_now(&clock), 5);
    host_time += 7;
    vclock_continue(&clock);
    cr_assert_eq(vclock_now(&clock), 12);
}

Test(vclock, step_fires_in_order_at_the_deadlines)
{
    struct vclock clock;
    struct probe p[3];
    unsigned order[8], count = 0;
    vclock_init(&clock, NULL, NULL);
    for (unsigned i = 0; i < 3; i++) {
        make_probe(&p[i], &clock);
        p[i].id = i;
        p[i].order = order;
        p[i].order_count = &count;
    }
    vtimer_arm(&p[0].timer, 30);
    vtimer_arm(&p[1].timer, 10);
    vtimer_arm(&p[2].timer, 30);
    cr_assert_eq(vclock_next_deadline(&clock), 10);
    vclock_step(&clock, 9);
    cr_assert_eq(count, 0);
    vclock_step(&clock, 1);
    cr_assert_eq(count, 1);
    vclock_step(&clock, 100);
    cr_assert_eq(count, 3);
    cr_assert_eq(order[0], 1);
    cr_assert_eq(order[1], 0, "equal deadlines keep their order");
    cr_assert_eq(order[2], 2);
    cr_assert_eq(p[0].fired_at[0], 30);
    cr_assert_eq(vclock_now(&clock), 110);
    cr_assert_eq(vclock_next_deadline(&clock), VCLOCK_NEVER);
}

Test(vclock, periodic_timer_in_one_step)
{
    struct vclock clock;
    struct probe p;
    vclock_init(&clock, NULL, NULL);
    make_probe(&p, &clock);
    p.period = 10;
    vtimer_arm(&p.timer, 10);
    vclock_step(&clock, 55);
    cr_assert_eq(p.fired, 5);
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(p.fired_at[i], 10 * (i + 1));
    cr_assert_eq(p.timer.deadline, 60);
}

Test(vclock, rearm_moves_and_cancel_removes)
{
    struct vclock clock;
    struct probe a, b;
    vclock_init(&clock, NULL, NULL);
    make_probe(&a, &clock);
    make_probe(&b, &clock);
    vtimer_arm(&a.timer, 10);
    vtimer_arm(&b.timer, 20);
    vtimer_arm(&a.timer, 30);
    cr_assert_eq(vclock_next_deadline(&clock), 20);
    vtimer_cancel(&b.timer);
    vtimer_cancel(&b.timer);
    cr_assert_eq(vclock_next_deadline(&clock), 30);
    vtimer_arm(&a.timer, VCLOCK_NEVER);
    cr_assert_eq(vclock_next_deadline(&clock), VCLOCK_NEVER);
    vclock_step(&clock, 100);
    cr_assert_eq(a.fired + b.fired, 0);
}

Test(vclock, deadline_in_the_past_fires_now)
{
    struct vclock clock;
    struct probe p;
    vclock_init(&clock, NULL, NULL);
    make_probe(&p, &clock);
    vclock_step(&clock, 100);
    vtimer_arm(&p.timer, 50);
    vclock_run(&clock);
    cr_assert_eq(p.fired, 1);
    cr_assert_eq(p.fired_at[0], 100);
    vtimer_arm(&p.timer, 50);
    vclock_step(&clock, 0);
    cr_assert_eq(p.fired_at[1], 100, "time does not go back");
}

Test(vclock, run_fires_what_is_due_only)
{
    struct vclock clock;
    struct probe a, b;
    host_time = 0;
    vclock_init(&clock, host_source, &host_time);
    make_probe(&a, &clock);
    make_probe(&b, &clock);
    vtimer_arm(&a.timer, 10);
    vtimer_arm(&b.timer, 11);
    host_time = 10;
    vclock_run(&clock);
    cr_assert_eq(a.fired, 1);
    cr_assert_eq(b.fired, 0);
    vclock_stop(&clock);
    host_time = 50;
    vclock_run(&clock);
    cr_assert_eq(b.fired, 0, "a stopped clock fires nothing");
}

Test(vclock, deadline_moved_is_called_for_earlier_ones_only)
{
    struct vclock clock;
    struct probe a, b;
    unsigned calls = 0;
    vclock_init(&clock, NULL, NULL);
    clock.deadline_moved = count_call;
    clock.deadline_context = &calls;
    make_probe(&a, &clock);
    make_probe(&b, &clock);
    vtimer_arm(&a.timer, 20);
    cr_assert_eq(calls, 1);
    vtimer_arm(&b.timer, 30);
    cr_assert_eq(calls, 1);
    vtimer_arm(&b.timer, 10);
    cr_assert_eq(calls, 2);
    vtimer_arm(&b.timer, 15);
    cr_assert_eq(calls, 2);
    vtimer_arm(&a.timer, 14);
    cr_assert_eq(calls, 3);
}

Test(vclock, muldiv_keeps_the_whole_product)
{
    cr_assert_eq(muldiv64(UINT64_MAX, 1000, 1000), UINT64_MAX);
    cr_assert_eq(muldiv64(NS_PER_SECOND * 86400 * 365, 1193182, NS_PER_SECOND), 86400ull * 365 * 1193182);
}
