/*
 * An interrupt that comes while the engine under test is anywhere: in translated code, in C, between both. A timer's
 * signal raises it, as another thread would. Where the CPU took it is a moment; the reference has to come by that
 * moment too, at the end of an instruction, and goes on from there with the same interrupt.
 *
 * Thread: the one that runs the programs; the signal arrives in it.
 */
#ifndef RING3_TESTS_BLOCKS_LATE_H
#define RING3_TESTS_BLOCKS_LATE_H

#include "tests/blocks/talk.h"

struct world;

/* What the running CPU held, and what the world had heard of it, before an instruction. */
struct moment {
    uint64_t gpr[16], rip;
    uint32_t eflags;
    uint16_t cs;
    uint8_t cpl;
    struct talk talk;
    uint8_t *ram;
};

struct late {
    volatile int pending; /* raised, and not taken yet */
    bool taken;           /* by the tested run: `moment` says when */
    bool given;           /* to the reference, at that moment */
    bool replaying;       /* the reference looks for it */
    struct moment moment;
};

/* The timer: from now on, in so many nanoseconds, function(context) from a signal handler. False: the host has none. */
bool late_timer_create(void (*function)(void *context), void *context);
void late_timer_start(long nanoseconds);
void late_timer_stop(void);
void late_timer_destroy(void);

void moment_take(struct moment *moment, const struct world *world);
/* Is it now? Accessed and dirty bits of pages may differ. */
bool moment_is(const struct moment *moment, const struct world *world);

#endif
