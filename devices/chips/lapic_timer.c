/*
 * The local APIC's timer: one-shot, periodic and TSC-deadline modes on the virtual clock.
 *
 * Source: SDM Vol. 3 "APIC Timer", "TSC-Deadline Mode".
 *
 * Invariants: the vtimer is a function of the timer registers. The count is never stored as it runs: it is count_base
 * at count_time and follows from the clock, so a late host loses no tick of a one-shot and adds no drift to a period.
 *
 * @locks the machine lock is held in every function. Threads: vCPUs and whoever runs the clock.
 */
#include "devices/chips/lapic_int.h"

/* A periodic timer interrupts at most this often, so that a period of nanoseconds cannot occupy the host. */
#define MIN_PERIOD_NS 20000ull

static uint32_t timer_mode(const struct lapic *lapic)
{
    return lapic->lvt[LAPIC_LVT_TIMER] & LVT_TIMER_MODE;
}

/* log2 of the divider: bits 3, 1 and 0 of the register, where 111 means 1 and 000 means 2. */
static unsigned divide_shift(const struct lapic *lapic)
{
    unsigned code = (lapic->divide & 3) | (lapic->divide >> 1 & 4);
    return (code + 1) & 7;
}

static uint32_t current_count(const struct lapic *lapic, uint64_t now)
{
    uint64_t ticks = (now - lapic->count_time) >> divide_shift(lapic);
    if (ticks < lapic->count_base)
        return (uint32_t)(lapic->count_base - ticks);
    if (!lapic->count_base || timer_mode(lapic) != LVT_TIMER_PERIODIC || !lapic->initial_count)
        return 0;
    return lapic->initial_count - (uint32_t)((ticks - lapic->count_base) % lapic->initial_count);
}

/* Moves the timer's reference point to the last tick, so that registers may change from here on. */
static void rebase_count(struct lapic *lapic, uint64_t now)
{
    unsigned shift = divide_shift(lapic);
    uint32_t count = current_count(lapic, now);
    lapic->count_time += (now - lapic->count_time) >> shift << shift;
    lapic->count_base = count;
}

/* Nanoseconds until the guest's TSC has reached the deadline: rounded up, at least 1, saturating. */
static uint64_t ns_to_deadline(const struct lapic *lapic, uint64_t tsc)
{
    unsigned __int128 ns = (unsigned __int128)(lapic->tsc_deadline - tsc) * NS_PER_SECOND;
    ns = (ns + lapic->config.tsc_hz - 1) / lapic->config.tsc_hz;
    return ns > INT64_MAX ? INT64_MAX : (uint64_t)ns;
}

void lapic_timer_arm(struct lapic *lapic)
{
    uint64_t now = vclock_now(lapic->config.clock);
    unsigned shift = divide_shift(lapic);
    vtimer_cancel(&lapic->timer);
    if (timer_mode(lapic) == LVT_TIMER_TSC_DEADLINE) {
        uint64_t tsc = lapic->tsc_deadline ? lapic->config.tsc_now(lapic->config.context) : 0;
        if (lapic->tsc_deadline)
            vtimer_arm(&lapic->timer, now + (tsc < lapic->tsc_deadline ? ns_to_deadline(lapic, tsc) : 0));
        return;
    }
    if (!lapic->count_base || lapic->lvt[LAPIC_LVT_TIMER] & LVT_MASKED)
        return;
    uint64_t expiry = lapic->count_time + ((uint64_t)lapic->count_base << shift);
    uint64_t period = (uint64_t)lapic->initial_count << shift;
    if (timer_mode(lapic) == LVT_TIMER_PERIODIC && period && period < MIN_PERIOD_NS && expiry < now + MIN_PERIOD_NS)
        expiry += (now + MIN_PERIOD_NS - expiry + period - 1) / period * period;
    vtimer_arm(&lapic->timer, expiry);
}

void lapic_timer_expired(void *device)
{
    struct lapic *lapic = device;
    if (timer_mode(lapic) == LVT_TIMER_TSC_DEADLINE) {
        /* The clock and the TSC need not agree to the nanosecond; the guest compares with its TSC. */
        if (lapic->config.tsc_now(lapic->config.context) < lapic->tsc_deadline) {
            lapic_timer_arm(lapic);
            return;
        }
        lapic->tsc_deadline = 0;
    } else {
        rebase_count(lapic, vclock_now(lapic->config.clock));
        lapic_timer_arm(lapic);
    }
    lapic_raise_local(lapic, LAPIC_LVT_TIMER);
}

void lapic_timer_catch_up(struct lapic *lapic)
{
    if (lapic->timer.deadline != VCLOCK_NEVER && lapic->timer.deadline <= vclock_now(lapic->config.clock)) {
        vtimer_cancel(&lapic->timer);
        lapic_timer_expired(lapic);
    }
}

void lapic_timer_write_entry(struct lapic *lapic, uint32_t entry)
{
    lapic_timer_catch_up(lapic);
    rebase_count(lapic, vclock_now(lapic->config.clock));
    bool was_deadline = timer_mode(lapic) == LVT_TIMER_TSC_DEADLINE;
    lapic->lvt[LAPIC_LVT_TIMER] = entry;
    if (was_deadline != (timer_mode(lapic) == LVT_TIMER_TSC_DEADLINE)) /* SDM: disarms the timer */
        lapic->count_base = lapic->initial_count = 0, lapic->tsc_deadline = 0;
    lapic_timer_arm(lapic);
}

void lapic_timer_write_initial(struct lapic *lapic, uint32_t count)
{
    if (timer_mode(lapic) == LVT_TIMER_TSC_DEADLINE) /* SDM: ignored */
        return;
    lapic_timer_catch_up(lapic);
    lapic->initial_count = lapic->count_base = count;
    lapic->count_time = vclock_now(lapic->config.clock);
    lapic_timer_arm(lapic);
}

void lapic_timer_write_divide(struct lapic *lapic, uint32_t value)
{
    lapic_timer_catch_up(lapic);
    rebase_count(lapic, vclock_now(lapic->config.clock));
    lapic->count_time = vclock_now(lapic->config.clock);
    lapic->divide = value;
    lapic_timer_arm(lapic);
}

void lapic_timer_write_deadline(struct lapic *lapic, uint64_t deadline)
{
    if (timer_mode(lapic) != LVT_TIMER_TSC_DEADLINE)
        return;
    lapic_timer_catch_up(lapic);
    lapic->tsc_deadline = deadline;
    lapic_timer_arm(lapic);
    lapic_timer_catch_up(lapic); /* in the past: at once */
}

void lapic_tsc_changed(struct lapic *lapic)
{
    if (timer_mode(lapic) == LVT_TIMER_TSC_DEADLINE) {
        lapic_timer_arm(lapic);
        lapic_timer_catch_up(lapic);
    }
}

uint32_t lapic_timer_count(struct lapic *lapic)
{
    lapic_timer_catch_up(lapic);
    return current_count(lapic, vclock_now(lapic->config.clock));
}
