/*
 * The main thread's event loop: file descriptors, one host timer for the virtual clock's earliest deadline, and a way
 * to wake it from other threads and from signal handlers.
 *
 * The host timer is armed directly by whoever moves the deadline (usually the vCPU's thread, inside a device access):
 * no thread has to wake just to sleep for a shorter time.
 *
 * @locks all calls are made with the machine lock held, except event_loop_wake(). Callbacks run with it held.
 */
#ifndef RING3_MACHINE_EVENT_LOOP_H
#define RING3_MACHINE_EVENT_LOOP_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"

#include <pthread.h>

enum { EVENT_LOOP_MAX_SOURCES = 64 };

#define EVENT_LOOP_NEVER UINT64_MAX

struct event_source {
    int fd;
    short events; /* POLLIN | POLLOUT, or 0: not interested now. May be changed at any time (then wake the loop). */
    void (*ready)(void *context, short events); /* what poll() reported; may remove any source */
    void *context;
};

struct event_loop {
    struct event_source *source[EVENT_LOOP_MAX_SOURCES];
    unsigned count;
    int timer_fd, wake_fd;
    uint64_t armed; /* CLOCK_MONOTONIC ns the timer is set to, or EVENT_LOOP_NEVER */
    bool missed;    /* a wake-up that wake_fd did not take */
};

/* Returns 0 or -errno with a message. */
int event_loop_init(struct event_loop *loop, struct error *err);
void event_loop_destroy(struct event_loop *loop); /* sources are the caller's */

/* The source stays the caller's and must stay valid. Returns 0 or -ENOSPC. */
int event_loop_add(struct event_loop *loop, struct event_source *source);
void event_loop_remove(struct event_loop *loop, struct event_source *source);

/* Makes the next or the present event_loop_wait() return at CLOCK_MONOTONIC time `deadline` (ns). */
void event_loop_set_timer(struct event_loop *loop, uint64_t deadline);

/* Makes event_loop_wait() return soon. Any thread, no lock. @signal-safe */
void event_loop_wake(struct event_loop *loop);

/* Sleeps, with `lock` released, until something happens; then serves the sources with it held. */
void event_loop_wait(struct event_loop *loop, pthread_mutex_t *lock);

#endif
