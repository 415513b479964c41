/*
 * While the window is being opened. SDL may wait for the display for ever then (a server that does not answer, a window
 * manager that lost the request to show a window because it was just starting), and the machine does not run yet.
 */
#ifndef RING3_FRONTEND_OPENING_H
#define RING3_FRONTEND_OPENING_H

#include "devices/machine/machine.h"

#include <pthread.h>

struct opening {
    struct machine *machine;
    pthread_t thread;
    bool watched;
};

/* Blocks the signals that end a machine, in this thread and those it starts. From here to opening_end() one of them
 * destroys the machine and ends the process with status 128 + its number; a line tells the user who waits. */
void opening_begin(struct opening *opening, struct machine *machine);
/* From here on signals wait for machine_run(). */
void opening_end(struct opening *opening);

#endif
