/*
 * A coarse timer that runs all the time, so that beginning and ending cost nothing. It counts the time that the
 * processor spends here: a busy host, or one that stands still for a while, is no hang. See watchdog.h.
 */
#include "tests/instructions/watchdog.h"

#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

enum { TICK_MS = 100, HANG_TICKS = 80 }; /* slow programs under sanitizers take more than a second */

static void (*stop_function)(void *);
static void *stop_context;
static volatile sig_atomic_t watching, ticks;
static unsigned long long watched_case;

static void on_tick(int number)
{
    (void)number;
    if (watching && ++ticks >= HANG_TICKS)
        stop_function(stop_context);
    if (watching && ticks >= 2 * HANG_TICKS) {
        char text[80];
        int n = snprintf(text, sizeof(text), "hang that cannot be stopped, at case %llu\n", watched_case);
        _exit(write(STDOUT_FILENO, text, (size_t)n) == n ? 3 : 4);
    }
}

void watchdog_start(void (*stop)(void *context), void *context)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART | SA_ONSTACK};
    struct itimerval period = {{0, TICK_MS * 1000}, {0, TICK_MS * 1000}};
    stop_function = stop;
    stop_context = context;
    sigaction(SIGPROF, &action, 0);
    setitimer(ITIMER_PROF, &period, 0);
}

void watchdog_begin(unsigned long long number)
{
    watched_case = number;
    ticks = 0;
    watching = 1;
}

void watchdog_end(void)
{
    watching = 0;
}
