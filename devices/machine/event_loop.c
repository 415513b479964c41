/*
 * The event loop over poll(), a timerfd and an eventfd. See event_loop.h.
 *
 * Invariant: `armed` is what the timerfd was last set to; an expiry seen by the loop resets it to "never", so the owner
 * of the clock arms it again after running the clock. poll() rather than epoll: regular files count as always ready.
 *
 * A wake-up is never lost: one that the eventfd refuses is left in `missed`, which the next wait looks at, and the
 * timer is made to end a wait that has begun. Whoever sets the timer meanwhile sees `missed` and does the same.
 */
#include "devices/machine/event_loop.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

int event_loop_init(struct event_loop *loop, struct error *err)
{
    *loop = (struct event_loop){.armed = EVENT_LOOP_NEVER};
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (loop->wake_fd < 0 || loop->timer_fd < 0) {
        int code = -errno;
        event_loop_destroy(loop);
        return error_set(err, code, "cannot create the event loop's descriptors: %s", strerror(-code));
    }
    return 0;
}

void event_loop_destroy(struct event_loop *loop)
{
    if (loop->wake_fd >= 0)
        close(loop->wake_fd);
    if (loop->timer_fd >= 0)
        close(loop->timer_fd);
    loop->wake_fd = loop->timer_fd = -1;
}

int event_loop_add(struct event_loop *loop, struct event_source *source)
{
    if (loop->count == EVENT_LOOP_MAX_SOURCES)
        return -ENOSPC;
    loop->source[loop->count++] = source;
    return 0;
}

void event_loop_remove(struct event_loop *loop, struct event_source *source)
{
    for (unsigned i = 0; i < loop->count; i++) {
        if (loop->source[i] != source)
            continue;
        loop->count--;
        memmove(&loop->source[i], &loop->source[i + 1], (loop->count - i) * sizeof(loop->source[0]));
        return;
    }
}

static void arm(const struct event_loop *loop, uint64_t deadline)
{
    struct itimerspec when = {0};
    if (deadline != EVENT_LOOP_NEVER) {
        when.it_value.tv_sec = (time_t)(deadline / 1000000000);
        when.it_value.tv_nsec = (long)(deadline % 1000000000);
        if (!deadline)
            when.it_value.tv_nsec = 1; /* 0 would disarm */
    }
    timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void event_loop_set_timer(struct event_loop *loop, uint64_t deadline)
{
    if (deadline == loop->armed)
        return;
    loop->armed = deadline;
    arm(loop, deadline);
    if (__atomic_load_n(&loop->missed, __ATOMIC_SEQ_CST))
        arm(loop, 0);
}

void event_loop_wake(struct event_loop *loop)
{
    int saved = errno;
    uint64_t one = 1;
    /* EAGAIN: the counter is full, and the loop is woken anyway. */
    if (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN) {
        __atomic_store_n(&loop->missed, true, __ATOMIC_SEQ_CST);
        arm(loop, 0);
    }
    errno = saved;
}

static void drain(int fd)
{
    uint64_t count;
    ssize_t unused = read(fd, &count, sizeof(count));
    (void)unused;
}

static bool still_there(const struct event_loop *loop, const struct event_source *source)
{
    for (unsigned i = 0; i < loop->count; i++)
        if (loop->source[i] == source)
            return true;
    return false;
}

void event_loop_wait(struct event_loop *loop, pthread_mutex_t *lock)
{
    struct pollfd fds[EVENT_LOOP_MAX_SOURCES + 2];
    struct event_source *sources[EVENT_LOOP_MAX_SOURCES];
    unsigned count = loop->count;

    for (unsigned i = 0; i < count; i++) {
        sources[i] = loop->source[i];
        /* poll() reports hang-ups even for no events: a source that wants nothing is left out. */
        fds[i] = (struct pollfd){.fd = sources[i]->events ? sources[i]->fd : -1, .events = sources[i]->events};
    }
    fds[count] = (struct pollfd){.fd = loop->wake_fd, .events = POLLIN};
    fds[count + 1] = (struct pollfd){.fd = loop->timer_fd, .events = POLLIN};

    pthread_mutex_unlock(lock);
    bool missed = __atomic_exchange_n(&loop->missed, false, __ATOMIC_SEQ_CST);
    int ready = poll(fds, count + 2, missed ? 0 : -1);
    pthread_mutex_lock(lock);
    if (ready <= 0)
        return;
    if (fds[count].revents)
        drain(loop->wake_fd);
    if (fds[count + 1].revents) {
        drain(loop->timer_fd);
        /* It may have been set again since poll() returned; then one call too many is made, no more. */
        event_loop_set_timer(loop, EVENT_LOOP_NEVER);
    }
    for (unsigned i = 0; i < count; i++)
        if (fds[i].revents && still_there(loop, sources[i]))
            sources[i]->ready(sources[i]->context, fds[i].revents);
}
