/* The event loop: descriptors, the timer, waking, and changes of its sources while they are served. */
#include "devices/machine/event_loop.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

static struct event_loop loop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct probe {
    struct event_source source;
    int peer;
    unsigned calls;
    struct event_source *remove; /* when called */
};

static void on_ready(void *context, short events)
{
    struct probe *probe = context;
    char byte;
    cr_assert(events);
    cr_assert_eq(read(probe->source.fd, &byte, 1), 1);
    probe->calls++;
    if (probe->remove)
        event_loop_remove(&loop, probe->remove);
}

static void open_probe(struct probe *probe)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0);
    *probe =
        (struct probe){.source = {.fd = fds[0], .events = POLLIN, .ready = on_ready, .context = probe}, .peer = fds[1]};
    cr_assert_eq(event_loop_add(&loop, &probe->source), 0);
}

static void open_loop(void)
{
    struct error err;
    cr_assert_eq(event_loop_init(&loop, &err), 0, "%s", err.text);
    pthread_mutex_lock(&lock);
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

TestSuite(event_loop, .init = open_loop, .timeout = 20);

Test(event_loop, serves_what_is_ready)
{
    struct probe a, b;
    open_probe(&a);
    open_probe(&b);
    cr_assert_eq(write(b.peer, "x", 1), 1);
    event_loop_wait(&loop, &lock);
    cr_assert_eq(a.calls, 0);
    cr_assert_eq(b.calls, 1);
}

Test(event_loop, a_source_without_interest_is_left_alone)
{
    struct probe a;
    open_probe(&a);
    a.source.events = 0;
    cr_assert_eq(write(a.peer, "x", 1), 1);
    close(a.peer); /* and its hang-up does not spin the loop */
    event_loop_wake(&loop);
    event_loop_wait(&loop, &lock);
    cr_assert_eq(a.calls, 0);
}

Test(event_loop, a_callback_may_remove_another_source)
{
    struct probe a, b;
    open_probe(&a);
    open_probe(&b);
    a.remove = &b.source;
    cr_assert_eq(write(a.peer, "x", 1), 1);
    cr_assert_eq(write(b.peer, "x", 1), 1);
    event_loop_wait(&loop, &lock);
    cr_assert_eq(a.calls, 1);
    cr_assert_eq(b.calls, 0);
    cr_assert_eq(loop.count, 1);
}

Test(event_loop, the_timer_ends_the_wait_not_before_its_time)
{
    uint64_t deadline = now() + 2000000;
    event_loop_set_timer(&loop, deadline);
    event_loop_wait(&loop, &lock);
    cr_assert(now() >= deadline);
    cr_assert_eq(loop.armed, EVENT_LOOP_NEVER);
}

Test(event_loop, a_time_already_past_ends_the_wait)
{
    event_loop_set_timer(&loop, 0);
    event_loop_wait(&loop, &lock);
    cr_assert_eq(loop.armed, EVENT_LOOP_NEVER);
}

static void *wake_later(void *context)
{
    (void)context;
    pthread_mutex_lock(&lock); /* the loop releases it while it sleeps */
    event_loop_set_timer(&loop, 1);
    pthread_mutex_unlock(&lock);
    return NULL;
}

Test(event_loop, another_thread_moves_the_timer_of_a_sleeping_loop)
{
    pthread_t thread;
    event_loop_set_timer(&loop, now() + 3600ull * 1000000000);
    cr_assert_eq(pthread_create(&thread, NULL, wake_later, NULL), 0);
    event_loop_wait(&loop, &lock);
    pthread_join(thread, NULL);
}

Test(event_loop, wakes_are_remembered_and_used_up)
{
    struct pollfd fd = {.events = POLLIN};
    event_loop_wake(&loop);
    event_loop_wake(&loop);
    event_loop_wait(&loop, &lock);
    fd.fd = loop.wake_fd;
    cr_assert_eq(poll(&fd, 1, 0), 0);
}

/* A host whose eventfd fails. */
static void make_deaf(void)
{
    close(loop.wake_fd);
    loop.wake_fd = -1;
}

Test(event_loop, a_wake_that_the_host_refuses_is_not_lost)
{
    make_deaf();
    event_loop_wake(&loop);
    event_loop_wait(&loop, &lock);
}

Test(event_loop, nor_is_it_by_a_timer_set_later)
{
    make_deaf();
    event_loop_wake(&loop);
    event_loop_set_timer(&loop, now() + 3600ull * 1000000000);
    event_loop_wait(&loop, &lock);
}

static void *wake_unheard(void *context)
{
    (void)context;
    pthread_mutex_lock(&lock);
    event_loop_wake(&loop);
    event_loop_set_timer(&loop, now() + 7200ull * 1000000000);
    pthread_mutex_unlock(&lock);
    return NULL;
}

Test(event_loop, nor_is_one_that_comes_while_the_loop_sleeps)
{
    pthread_t thread;
    make_deaf();
    event_loop_set_timer(&loop, now() + 3600ull * 1000000000);
    cr_assert_eq(pthread_create(&thread, NULL, wake_unheard, NULL), 0);
    event_loop_wait(&loop, &lock);
    pthread_join(thread, NULL);
}

Test(event_loop, regular_files_are_always_ready)
{
    struct probe a = {.source = {.events = POLLIN, .ready = on_ready, .context = &a}};
    a.source.fd = open("/proc/self/exe", O_RDONLY);
    cr_assert_eq(event_loop_add(&loop, &a.source), 0);
    event_loop_wait(&loop, &lock);
    cr_assert_eq(a.calls, 1);
}

Test(event_loop, refuses_more_sources_than_it_holds)
{
    static struct event_source many[EVENT_LOOP_MAX_SOURCES + 1];
    for (unsigned i = 0; i < EVENT_LOOP_MAX_SOURCES; i++)
        cr_assert_eq(event_loop_add(&loop, &many[i]), 0);
    cr_assert(event_loop_add(&loop, &many[EVENT_LOOP_MAX_SOURCES]) < 0);
}
