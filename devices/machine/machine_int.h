/* The machine's state, shared by machine.c (life cycle) and vcpu_thread.c (the processor). */
#ifndef RING3_MACHINE_INT_H
#define RING3_MACHINE_INT_H

#include "cpu-model/exec/engine.h"
#include "devices/machine/machine.h"
#include "devices/machine/pc.h"
#include "devices/machine/stream.h"

#include <pthread.h>

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

    void (*boundary_call)(void *context); /* to be made while the vCPU is between two instructions; null: none */
    void *boundary_context;
    bool paused, vcpu_parked, reset_wanted, exiting;
    bool space_created, pc_created, loop_created;
    int status;
    uint64_t paused_tsc; /* guest TSC while paused */
    struct load_entry entry;
    char notices[512];
    char report[4096];
};

/* vcpu_thread.c */

/* Creates the vCPU and its engine; options, space and wires are there. */
int machine_create_vcpu(struct machine *m, struct error *err);
void machine_destroy_vcpu(struct machine *m);
int machine_start_vcpu(struct machine *m, struct error *err);
void machine_join_vcpu(struct machine *m);

/* Calls function(context) while the vCPU stands between two instructions. The lock is held, but is dropped while the
 * vCPU gets there, if it runs. Not on the vCPU's own thread. */
void machine_between_instructions_locked(struct machine *m, void (*function)(void *context), void *context);

/* Raises events and wakes the thread if it sleeps. Any thread; no lock needed. */
void machine_kick(struct machine *m, uint32_t events);

/* machine.c; with the lock held */

/* Host time (CLOCK_MONOTONIC ns) of the clock's earliest timer, or EVENT_LOOP_NEVER. */
uint64_t machine_next_deadline(const struct machine *m);

/* Power-up state of everything, firmware's work, kernel loaded, vCPU at its entry. The vCPU is not running. */
int machine_boot_locked(struct machine *m, struct error *err);
void machine_quit_locked(struct machine *m, int status);
void machine_pause_locked(struct machine *m);
/* The guest asked for a reset. */
void machine_guest_reset_locked(struct machine *m);

#endif
