/*
 * Signals while the window is being opened. See opening.h.
 *
 * A thread of its own waits for them, and for nothing else: the main thread may be deep in SDL. Signals that whoever
 * started ring3 had ignored (nohup) stay ignored.
 */
#include "frontend-sdl/opening.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_SECONDS = 5 };

static const int blocked[] = {SIGINT, SIGTERM, SIGHUP, SIGCONT};
static const int deadly[] = {SIGINT, SIGTERM, SIGHUP};

static void *end_on_signal(void *context)
{
    struct opening *opening = context;
    const struct timespec patience = {.tv_sec = PATIENCE_SECONDS};
    struct sigaction before;
    sigset_t set;
    int number;

    sigemptyset(&set);
    for (unsigned i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
        if (!sigaction(deadly[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaddset(&set, deadly[i]);
    do
        number = sigtimedwait(&set, NULL, &patience);
    while (number < 0 && errno == EINTR);
    if (number < 0)
        fprintf(stderr, "ring3: the display does not show the window yet; Ctrl-C gives up (-display none needs no "
                        "window)\n");
    while (number < 0)
        number = sigwaitinfo(&set, NULL);
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    machine_destroy(opening->machine);
    _exit(128 + number);
}

void opening_begin(struct opening *opening, struct machine *machine)
{
    sigset_t set;

    sigemptyset(&set);
    for (unsigned i = 0; i < sizeof(blocked) / sizeof(blocked[0]); i++)
        sigaddset(&set, blocked[i]);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    opening->machine = machine;
    /* Without it signals wait until the window is there. */
    opening->watched = !pthread_create(&opening->thread, NULL, end_on_signal, opening);
}

void opening_end(struct opening *opening)
{
    if (!opening->watched)
        return;
    pthread_cancel(opening->thread);
    pthread_join(opening->thread, NULL);
}
