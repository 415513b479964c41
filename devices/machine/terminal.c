/*
 * Raw mode of the controlling terminal. See terminal.h.
 *
 * Invariant: `saved` is valid before `raw` is set, so that a handler which sees `raw` can restore. Handlers for fatal
 * signals are installed before the engine's; its handler passes on to them what it does not know.
 */
#include "devices/machine/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static volatile sig_atomic_t raw;
static bool wanted, keys;

static void on_fatal(int signal_number)
{
    terminal_leave();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void apply(void)
{
    struct termios mode;
    /* Changing our controlling terminal from the background would stop us (SIGTTOU). */
    pid_t foreground = tcgetpgrp(STDIN_FILENO);
    if (!wanted || (foreground != -1 && foreground != getpgrp()))
        return;
    mode = saved;
    mode.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    mode.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN);
    if (keys)
        mode.c_lflag &= ~(tcflag_t)ISIG;
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    raw = 1;
    tcsetattr(STDIN_FILENO, TCSANOW, &mode); /* OPOST stays: our own messages want their line ends translated */
}

void terminal_guard(void)
{
    static const int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGQUIT};
    struct sigaction action = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK};

    if (!isatty(STDIN_FILENO))
        return;
    for (unsigned i = 0; i < ARRAY_LEN(fatal); i++)
        sigaction(fatal[i], &action, NULL);
    atexit(terminal_leave);
}

void terminal_enter(bool keys_to_guest)
{
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved))
        return;
    wanted = true;
    keys = keys_to_guest;
    apply();
}

void terminal_leave(void)
{
    if (!raw)
        return;
    raw = 0;
    tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

void terminal_continued(void)
{
    apply();
}
