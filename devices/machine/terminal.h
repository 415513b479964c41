/*
 * Raw mode of the terminal on standard input, undone on every way out of the process: return, exit(), fatal signals.
 *
 * There is one terminal in a process, and signal handlers must reach it, so this is the one module with global state.
 */
#ifndef RING3_MACHINE_TERMINAL_H
#define RING3_MACHINE_TERMINAL_H

#include "cpu-model/base/types.h"

/* Arranges for fatal signals to restore the terminal. To be called before the engine installs its own handlers, which
 * pass on to these what they do not know. */
void terminal_guard(void);

/*
 * Puts the terminal into raw mode; does nothing if standard input is none. keys_to_guest: Ctrl-C, Ctrl-\ and Ctrl-Z are
 * input like any other key; otherwise they remain signals. In the background it waits for terminal_continued().
 */
void terminal_enter(bool keys_to_guest);

/* Back to how it was. Harmless when nothing was changed. @signal-safe */
void terminal_leave(void);

/* The process was continued (SIGCONT): applies raw mode again. */
void terminal_continued(void);

#endif
