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

/* Why the machine ended badly: lines of text, empty if it did not. Valid until machine_destroy(). */
const char *machine_report(const struct machine *machine);

#endif
