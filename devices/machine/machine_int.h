/* The machine's state, shared by machine.c (life cycle), control.c (stop, reset, hold), vcpu_thread.c (the processor)
 * and the monitors. */
#ifndef RING3_MACHINE_INT_H
#define RING3_MACHINE_INT_H

#include "cpu-model/exec/engine.h"
#include "devices/core/ui.h"
#include "devices/machine/keyboard_queue.h"
#include "devices/machine/machine.h"
#include "devices/machine/opener.h"
#include "devices/machine/pc.h"
#include "devices/machine/sandbox.h"
#include "devices/machine/stream.h"

#include <pthread.h>

/* What monitors tell their users. X(symbol, QEMU's name) */
#define MACHINE_EVENTS(X)                                                                                              \
    X(MACHINE_EVENT_STOP, "STOP")                                                                                      \
    X(MACHINE_EVENT_RESUME, "RESUME")                                                                                  \
    X(MACHINE_EVENT_RESET, "RESET")                                                                                    \
    X(MACHINE_EVENT_SHUTDOWN, "SHUTDOWN")                                                                              \
    X(MACHINE_EVENT_POWERDOWN, "POWERDOWN")

enum machine_event {
#define X(symbol, name) symbol,
    MACHINE_EVENTS(X)
#undef X
};

/* Why the machine was reset or ended. X(symbol, QEMU's name, whether the guest did it) */
#define MACHINE_CAUSES(X)                                                                                              \
    X(CAUSE_NONE, "none", false)                                                                                       \
    X(CAUSE_HOST_ERROR, "host-error", false)                                                                           \
    X(CAUSE_HOST_QUIT, "host-qmp-quit", false)                                                                         \
    X(CAUSE_HOST_RESET, "host-qmp-system-reset", false)                                                                \
    X(CAUSE_HOST_SIGNAL, "host-signal", false)                                                                         \
    X(CAUSE_HOST_UI, "host-ui", false)                                                                                 \
    X(CAUSE_GUEST_SHUTDOWN, "guest-shutdown", true)                                                                    \
    X(CAUSE_GUEST_RESET, "guest-reset", true)

enum machine_cause {
#define X(symbol, name, guest) symbol,
    MACHINE_CAUSES(X)
#undef X
};

enum { MACHINE_STREAMS = MACHINE_SERIALS + MACHINE_MONITORS + 1 };

struct monitor;
struct qmp;

struct machine {
    struct machine_options options;

    /* The one big lock: devices, buses, clock, streams and the fields below, but for what is said to be atomic. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* paused, exiting or vcpu_parked changed */
    struct event_loop loop;
    struct vclock clock;
    struct space space;
    struct bus io, mmio;
    struct pc pc;
    struct ui ui; /* the display and the input devices, for monitors and windows */
    struct keyboard_queue keyboard;
    uint8_t monitor_buttons;       /* mouse_button's last state */
    unsigned pointer_x, pointer_y; /* where monitors have put an absolute pointer */
    struct stream *serial[MACHINE_SERIALS], *debugcon;
    bool uses_terminal, terminal_keys;
    struct event_source signals;

    struct vcpu *vcpu;
    const struct engine_ops *engine;
    bool engine_created;
    struct vcpu_wires wires;
    pthread_t thread;
    bool thread_started;

    bool interrupt_maybe; /* atomic. False: no interrupt is pending. True: ask the controllers. */
    bool asleep;          /* atomic: the vCPU's thread waits for vcpu->events to change, or until */
    uint64_t sleep_until; /* this host time (CLOCK_MONOTONIC ns), when it serves the clock's timers */

    bool paused, vcpu_parked, reset_wanted, power_button, exiting;
    unsigned holds;           /* who wants the vCPU to stay parked for a moment */
    enum machine_state state; /* MACHINE_RUNNING exactly while not paused */
    enum machine_cause reset_cause, exit_cause;
    struct stream *monitor_stream[MACHINE_MONITORS];
    struct monitor *monitors; /* a list */
    struct qmp *qmps;         /* a list */
    bool space_created, pc_created, loop_created;
    int status;
    uint64_t paused_tsc; /* guest TSC while paused */
    struct load_entry entry;
    struct block_queue block_queue; /* image requests that are done */
    bool block_queue_created;
    struct blob firmware; /* the image; empty when a kernel is entered directly */
    struct blob vga_rom;
    bool booted; /* once at least */
    struct load_files kept_files;
    struct sandbox sandbox;
    struct opener opener;
    char notices[512];
    char report[4096];
};

/* vcpu_thread.c */

/* Creates the vCPU and its engine; options, space and wires are there. */
int machine_create_vcpu(struct machine *m, struct error *err);
void machine_destroy_vcpu(struct machine *m);
int machine_start_vcpu(struct machine *m, struct error *err);
void machine_join_vcpu(struct machine *m);

/* Raises events and wakes the thread if it sleeps. Any thread; no lock needed. */
void machine_kick(struct machine *m, uint32_t events);

/* machine.c; with the lock held */

/* Host time (CLOCK_MONOTONIC ns) of the clock's earliest timer, or EVENT_LOOP_NEVER. */
uint64_t machine_next_deadline(const struct machine *m);

/* Power-up state of everything, firmware's work, kernel loaded, vCPU at its entry. The vCPU is not running. */
int machine_boot_locked(struct machine *m, struct error *err);
void machine_drain_streams_locked(struct machine *m, int patience_ms);
/* A line for the user, printed when the machine starts to run. */
void machine_add_notice(struct machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A stream for what `option` describes. Standard input and output can be used once. */
int machine_create_stream(struct machine *m, struct stream **stream, const char *option, const char *where,
                          const struct stream_config *config, struct error *err);

/* monitors.c; with the lock held: all monitors the options ask for, and one behind Ctrl-a c of each serial port with
 * control keys. */
int machine_create_monitors(struct machine *m, struct error *err);
int machine_create_key_monitors(struct machine *m, struct error *err);
void machine_destroy_monitors(struct machine *m);
void machine_start_monitors_locked(struct machine *m); /* those that are not sockets greet now */
void machine_serve_monitors_locked(struct machine *m); /* input that had to wait; for the main loop */

/* control.c; with the lock held */

/*
 * Brings the vCPU to an instruction boundary and keeps it there until the release, so that its registers, its page
 * tables and all of guest memory can be read and written. Virtual time goes on. Holds nest. The lock is given up while
 * waiting. Not from the vCPU's own thread.
 */
void machine_hold_locked(struct machine *m);
void machine_release_locked(struct machine *m);

/* Calls function(context) while the vCPU stands between two instructions. The lock is held, but is dropped while the
 * vCPU gets there, if it runs. Not on the vCPU's own thread. */
void machine_between_instructions_locked(struct machine *m, void (*function)(void *context), void *context);

void machine_pause_locked(struct machine *m, enum machine_state state); /* soon */
void machine_stop_locked(struct machine *m);                            /* now; not from the vCPU's thread */
void machine_paused_locked(struct machine *m); /* stops time if the machine has come to rest. For the main loop. */
int machine_continue_locked(struct machine *m, struct error *err);
void machine_quit_locked(struct machine *m, int status, enum machine_cause cause);
void machine_reset_locked(struct machine *m, enum machine_cause cause);
void machine_was_reset_locked(struct machine *m); /* for the vCPU's thread */
void machine_power_button_locked(struct machine *m);
void machine_serve_power_button_locked(struct machine *m); /* for the main loop */

/* qmp.c; with the lock held: tells all QMP clients. */
void machine_event_locked(struct machine *m, enum machine_event event, enum machine_cause cause);

#endif
