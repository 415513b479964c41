/*
 * Virtual time and its timers. See vclock.h.
 *
 * Invariants: the list of armed timers is sorted by deadline, equal deadlines in the order they were armed; a timer is
 * in the list exactly when its deadline is not VCLOCK_NEVER. Time never goes backwards.
 *
 * Thread: whoever holds the machine lock.
 */
#include "devices/core/vclock.h"

#include "cpu-model/base/log.h"

void vclock_init(struct vclock *clock, uint64_t (*source)(void *), void *context)
{
    *clock = (struct vclock){.source = source, .context = context};
    if (source)
        clock->offset = source(context);
}

uint64_t vclock_now(const struct vclock *clock)
{
    if (clock->stopped || !clock->source)
        return clock->frozen_at;
    return clock->source(clock->context) - clock->offset;
}

void vclock_stop(struct vclock *clock)
{
    if (clock->stopped)
        return;
    clock->frozen_at = vclock_now(clock);
    clock->stopped = true;
}

void vclock_continue(struct vclock *clock)
{
    if (!clock->stopped)
        return;
    clock->stopped = false;
    if (clock->source)
        clock->offset = clock->source(clock->context) - clock->frozen_at;
}

static void fire_first(struct vclock *clock)
{
    struct vtimer *timer = clock->first;
    clock->first = timer->next;
    timer->next = NULL;
    timer->deadline = VCLOCK_NEVER;
    timer->fire(timer->device);
}

void vclock_step(struct vclock *clock, uint64_t ns)
{
    ASSERT(!clock->source);
    if (clock->stopped)
        return;
    uint64_t target = ns < VCLOCK_NEVER - clock->frozen_at ? clock->frozen_at + ns : VCLOCK_NEVER - 1;
    while (clock->first && clock->first->deadline <= target) {
        if (clock->first->deadline > clock->frozen_at)
            clock->frozen_at = clock->first->deadline;
        fire_first(clock);
    }
    clock->frozen_at = target;
}

void vclock_run(struct vclock *clock)
{
    if (clock->stopped || !clock->first)
        return;
    /* Read once: callbacks take time too, and a fast periodic timer must not keep us here. */
    uint64_t now = vclock_now(clock);
    while (clock->first && clock->first->deadline <= now)
        fire_first(clock);
}

uint64_t vclock_next_deadline(const struct vclock *clock)
{
    return clock->first ? clock->first->deadline : VCLOCK_NEVER;
}

void vtimer_init(struct vtimer *timer, struct vclock *clock, void (*fire)(void *), void *device)
{
    *timer = (struct vtimer){.clock = clock, .fire = fire, .device = device, .deadline = VCLOCK_NEVER};
}

static void unlink_timer(struct vtimer *timer)
{
    struct vtimer **link = &timer->clock->first;
    while (*link != timer)
        link = &(*link)->next;
    *link = timer->next;
    timer->next = NULL;
    timer->deadline = VCLOCK_NEVER;
}

void vtimer_arm(struct vtimer *timer, uint64_t deadline)
{
    struct vclock *clock = timer->clock;
    if (timer->deadline == deadline)
        return;
    uint64_t earliest = vclock_next_deadline(clock);
    if (timer->deadline != VCLOCK_NEVER)
        unlink_timer(timer);
    if (deadline == VCLOCK_NEVER)
        return;
    struct vtimer **link = &clock->first;
    while (*link && (*link)->deadline <= deadline)
        link = &(*link)->next;
    timer->next = *link;
    timer->deadline = deadline;
    *link = timer;
    if (deadline < earliest && clock->deadline_moved)
        clock->deadline_moved(clock->deadline_context);
}

void vtimer_cancel(struct vtimer *timer)
{
    if (timer->deadline != VCLOCK_NEVER)
        unlink_timer(timer);
}
