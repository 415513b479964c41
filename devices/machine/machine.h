/*
 * A machine: the public C interface. The command line, windows, tests and benchmarks are its users.
 *
 * Life cycle: machine_create, machine_run on the same thread (it returns when the machine has ended), machine_destroy.
 * Everything else may be called from any thread in between. No call needs a lock held.
 */
#ifndef RING3_MACHINE_H
#define RING3_MACHINE_H

#include "cpu-model/base/error.h"
#include "devices/machine/options.h"

struct machine;
struct ui;

/* X(symbol, QEMU's name for it). Running, or why not. */
#define MACHINE_STATES(X)                                                                                              \
    X(MACHINE_PRELAUNCH, "prelaunch") /* not started yet, or reset while it stood still */                             \
    X(MACHINE_RUNNING, "running")                                                                                      \
    X(MACHINE_PAUSED, "paused")                                                                                        \
    X(MACHINE_SHUTDOWN, "shutdown") /* the guest powered off under -no-shutdown; only a reset leads on */

enum machine_state {
#define X(symbol, name) symbol,
    MACHINE_STATES(X)
#undef X
};

/* Builds the machine and loads its kernel. The options' strings must outlive it. Null with a message on failure. */
struct machine *machine_create(const struct machine_options *options, struct error *err);
void machine_destroy(struct machine *machine);

/*
 * Runs until the guest powers off, resets under no_reboot, asks for an exit status, or somebody calls machine_quit().
 * Returns the exit status: 0 for a clean end, (v << 1) | 1 from isa-debug-exit, 1 for a triple fault under no_reboot,
 * 128 + n for signal n. With status 1 machine_report() may say why. Blocks SIGINT, SIGTERM, SIGHUP and SIGCONT in the
 * calling thread and serves them.
 */
int machine_run(struct machine *machine);

/* Ends machine_run() with this status. */
void machine_quit(struct machine *machine, int status);

/* Stops the processor and virtual time at an instruction boundary, and lets them go on (which a machine that the guest
 * has powered off does not). */
void machine_pause(struct machine *machine);
void machine_continue(struct machine *machine);
enum machine_state machine_state(struct machine *machine);
const char *machine_state_name(enum machine_state state);

/* As the front panel's buttons. */
void machine_reset(struct machine *machine);
void machine_power_button(struct machine *machine);

/* A byte as if it had come over serial port `port` (0 or 1). */
void machine_serial_input(struct machine *machine, unsigned port, uint8_t byte);

/*
 * The display and the input devices. The machine's lock is held from the one call to the other, so be quick; calls of
 * ui.h are made in between, and no others of this header.
 */
struct ui *machine_lock_ui(struct machine *machine);
void machine_unlock_ui(struct machine *machine);

/*
 * Consoles that the options put into the window ("vc"): a non-blocking descriptor to read output from and to write
 * what is typed to, or -1: that console is elsewhere. It stays the machine's.
 */
enum machine_console { MACHINE_CONSOLE_MONITOR, MACHINE_CONSOLE_SERIAL };
int machine_console(struct machine *machine, enum machine_console console);

/* Runs a line of the human monitor; *output gets what it prints, to be freed. Returns 0 or -ENOMEM. */
int machine_command(struct machine *machine, const char *line, char **output);

/* Types UTF-8 text on the guest's keyboard, for a US layout: as much of it as there is room for now. Returns how many
 * bytes were taken; characters that such a keyboard does not have are left out. */
size_t machine_type(struct machine *machine, const char *text);

/*
 * A way to show a machine to a person. The program's main() chooses one before the machine is created (options->window)
 * and then calls run() in place of machine_run(), on the main thread.
 */
struct machine_frontend {
    const char *name;
    bool (*usable)(void); /* there is a display to open a window on */
    /* Returns 0 with machine_run()'s *status, or -errno with a message: then the machine did not run. */
    int (*run)(struct machine *machine, const struct machine_options *options, int *status, struct error *err);
};

extern const struct machine_frontend frontend_sdl; /* of the folder frontend-sdl */

/* Why the machine ended badly: lines of text, empty if it did not. Valid until machine_destroy(). */
const char *machine_report(const struct machine *machine);

#endif
