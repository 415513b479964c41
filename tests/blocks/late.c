/* The timer behind interrupts that come at any time. See late.h. */
#include "tests/blocks/late.h"

#include <signal.h>
#include <time.h>

enum { SIGNAL = SIGUSR1 };

static timer_t timer;
static void (*raise_function)(void *);
static void *raise_context;

static void on_signal(int number)
{
    (void)number;
    raise_function(raise_context);
}

bool late_timer_create(void (*function)(void *context), void *context)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGNAL};
    raise_function = function;
    raise_context = context;
    return !sigaction(SIGNAL, &action, NULL) && !timer_create(CLOCK_MONOTONIC, &event, &timer);
}

void late_timer_start(long nanoseconds)
{
    const struct itimerspec when = {.it_value = {.tv_nsec = nanoseconds}};
    timer_settime(timer, 0, &when, NULL);
}

void late_timer_stop(void)
{
    const struct itimerspec never = {0};
    timer_settime(timer, 0, &never, NULL);
}

void late_timer_destroy(void)
{
    timer_delete(timer);
}
