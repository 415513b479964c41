/*
 * Process signals as events of the main loop. Apart from the rest because <signal.h> and the CPU model both have names
 * such as REG_RAX.
 */
#ifndef RING3_MACHINE_SIGNALS_H
#define RING3_MACHINE_SIGNALS_H

#include <pthread.h>

enum { SIGNALS_CONTINUED = -1, SIGNALS_SUSPEND = -2 };

/* Blocks SIGINT, SIGTERM, SIGHUP, SIGTSTP and SIGCONT in this thread, ignores SIGPIPE, and returns a descriptor that is
 * readable when one of the blocked has come, or -errno. What was ignored before (nohup, `command &` in a script) is
 * left alone. */
int signals_open(void);

/* The number of the next signal that asks for the end, SIGNALS_SUSPEND for SIGTSTP, SIGNALS_CONTINUED for SIGCONT, or
 * 0: no more. */
int signals_next(int fd);

/* Does what SIGTSTP would have done: stops the process until it is continued. */
void signals_suspend(void);

/* pthread_create() for a thread that takes no signals but those its own code raises. Returns 0 or -errno. */
int signals_start_thread(pthread_t *thread, void *(*start)(void *), void *context);

#endif
