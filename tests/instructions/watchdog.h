/* Stops what takes too long. In a file of its own: <signal.h> and the CPU state both name registers. */
#ifndef RING3_TESTS_INSTRUCTIONS_WATCHDOG_H
#define RING3_TESTS_INSTRUCTIONS_WATCHDOG_H

/* stop(context) is called, in a signal handler, when what watchdog_begin() announced has not ended after 8 seconds of
 * the processor; if that does not end it, the process ends, naming the number. */
void watchdog_start(void (*stop)(void *context), void *context);
void watchdog_begin(unsigned long long number);
void watchdog_end(void);

#endif
