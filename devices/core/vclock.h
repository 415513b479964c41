/*
 * Virtual time, and timers on it. Devices read time only here, so tests can step it and the machine can stop it.
 *
 * Time is nanoseconds since the machine was created; it stands still while the machine is stopped.
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_VCLOCK_H
#define RING3_DEVICES_VCLOCK_H

#include "cpu-model/base/types.h"

#define NS_PER_SECOND 1000000000ull
#define VCLOCK_NEVER  UINT64_MAX

struct vtimer;

struct vclock {
    uint64_t (*source)(void *context); /* monotonic host nanoseconds; null: only vclock_step moves time (tests) */
    void *context;
    uint64_t offset;    /* subtracted from the source */
    uint64_t frozen_at; /* the time shown while stopped, or in stepped mode */
    bool stopped;
    struct vtimer *first; /* armed timers, earliest first */
    /* Called when the earliest deadline becomes earlier, so that whoever sleeps for it can wake. May be null. */
    void (*deadline_moved)(void *context);
    void *deadline_context;
};

struct vtimer {
    struct vclock *clock;
    void (*fire)(void *device);
    void *device;
    uint64_t deadline; /* VCLOCK_NEVER when not armed */
    struct vtimer *next;
};

/* A running clock on `source`, or a stepped one (source null), at time 0. */
void vclock_init(struct vclock *clock, uint64_t (*source)(void *), void *context);
uint64_t vclock_now(const struct vclock *clock);
void vclock_stop(struct vclock *clock);
void vclock_continue(struct vclock *clock);

/* Stepped clocks only: moves time on by ns, firing timers in order at exactly their deadlines. */
void vclock_step(struct vclock *clock, uint64_t ns);

/* Fires every timer whose deadline has come. A timer is disarmed before its callback, which may arm it again. */
void vclock_run(struct vclock *clock);

/* The earliest deadline, or VCLOCK_NEVER. */
uint64_t vclock_next_deadline(const struct vclock *clock);

void vtimer_init(struct vtimer *timer, struct vclock *clock, void (*fire)(void *), void *device);
void vtimer_arm(struct vtimer *timer, uint64_t deadline); /* re-arms if armed */
void vtimer_cancel(struct vtimer *timer);

/* a * b / c without overflow of the product; c != 0. */
static inline uint64_t muldiv64(uint64_t a, uint64_t b, uint64_t c)
{
    return (uint64_t)((unsigned __int128)a * b / c);
}

#endif
