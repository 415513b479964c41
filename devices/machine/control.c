/*
 * What others ask of a running machine: to stop, to go on, to reset, to end, and to hold still for a moment.
 *
 * Invariants: virtual time stands still exactly while the machine is paused and its vCPU parked (the main thread's loop
 * sees to it if nobody waited for that). `holds` parks the vCPU as well but lets time run. A wish is set under the
 * lock, then the vCPU is kicked; its thread acts at an instruction boundary.
 *
 * Threads: functions named *_locked are called with the lock held, on any thread but where they say otherwise.
 */
#include "cpu-model/exec/exec.h"
#include "devices/machine/machine_int.h"

#include <errno.h>
#include <string.h>

/* --- the vCPU at rest --------------------------------------------------------------------------------------------- */

/* Until the vCPU is at an instruction boundary and stays there. */
static void wait_parked_locked(struct machine *m)
{
    while (!m->vcpu_parked)
        pthread_cond_wait(&m->changed, &m->lock);
}

void machine_hold_locked(struct machine *m)
{
    m->holds++;
    machine_kick(m, EVENT_STOP);
    wait_parked_locked(m);
}

void machine_release_locked(struct machine *m)
{
    if (--m->holds == 0)
        pthread_cond_broadcast(&m->changed);
}

void machine_between_instructions_locked(struct machine *m, void (*function)(void *context), void *context)
{
    /* While it sleeps it is between two instructions, and needs the lock to leave that state. */
    bool asleep = __atomic_load_n(&m->asleep, __ATOMIC_SEQ_CST);
    if (!asleep)
        machine_hold_locked(m);
    function(context);
    if (!asleep)
        machine_release_locked(m);
}

/* --- pausing ------------------------------------------------------------------------------------------------------ */

const char *machine_state_name(enum machine_state state)
{
    static const char *const names[] = {
#define X(symbol, name) name,
        MACHINE_STATES(X)
#undef X
    };
    return names[state];
}

void machine_pause_locked(struct machine *m, enum machine_state state)
{
    if (m->paused)
        return;
    m->paused = true;
    m->state = state;
    machine_kick(m, EVENT_STOP);
    event_loop_wake(&m->loop);
}

void machine_paused_locked(struct machine *m)
{
    if (!m->paused || !m->vcpu_parked || m->clock.stopped)
        return;
    vclock_stop(&m->clock);
    m->paused_tsc = vcpu_tsc(m->vcpu);
    machine_drain_streams_locked(m, 0);
    if (m->state != MACHINE_PRELAUNCH)
        machine_event_locked(m, MACHINE_EVENT_STOP, CAUSE_NONE);
}

void machine_stop_locked(struct machine *m)
{
    machine_pause_locked(m, MACHINE_PAUSED);
    while (m->paused && !m->vcpu_parked) /* another thread may continue it meanwhile */
        pthread_cond_wait(&m->changed, &m->lock);
    machine_paused_locked(m);
}

int machine_continue_locked(struct machine *m, struct error *err)
{
    if (!m->paused)
        return 0;
    if (m->state == MACHINE_SHUTDOWN && !m->reset_wanted)
        return error_set(err, -EPERM, "Resetting the Virtual Machine is required");
    m->paused = false;
    m->state = MACHINE_RUNNING;
    pthread_cond_broadcast(&m->changed);
    if (m->clock.stopped) {
        m->vcpu->tsc_offset = m->paused_tsc - __builtin_ia32_rdtsc();
        vclock_continue(&m->clock);
        event_loop_set_timer(&m->loop, machine_next_deadline(m));
        machine_event_locked(m, MACHINE_EVENT_RESUME, CAUSE_NONE);
    }
    return 0;
}

void machine_pause(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    machine_stop_locked(m);
    pthread_mutex_unlock(&m->lock);
}

void machine_continue(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    machine_continue_locked(m, NULL);
    pthread_mutex_unlock(&m->lock);
}

enum machine_state machine_state(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    enum machine_state state = m->state;
    pthread_mutex_unlock(&m->lock);
    return state;
}

/* --- resetting and ending ----------------------------------------------------------------------------------------- */

void machine_quit_locked(struct machine *m, int status, enum machine_cause cause)
{
    if (m->exiting)
        return;
    m->exiting = true;
    m->status = status;
    m->exit_cause = cause;
    pthread_cond_broadcast(&m->changed);
    machine_kick(m, EVENT_STOP);
    event_loop_wake(&m->loop);
}

void machine_reset_locked(struct machine *m, enum machine_cause cause)
{
    if (m->options.no_reboot && cause == CAUSE_GUEST_RESET) {
        machine_quit_locked(m, 0, cause);
        return;
    }
    m->reset_wanted = true;
    m->reset_cause = cause;
    pthread_cond_broadcast(&m->changed); /* it may be parked */
    machine_kick(m, EVENT_RESET);
}

void machine_was_reset_locked(struct machine *m)
{
    if (m->paused)
        m->state = MACHINE_PRELAUNCH;
    machine_event_locked(m, MACHINE_EVENT_RESET, m->reset_cause);
}

void machine_power_button_locked(struct machine *m)
{
    m->power_button = true;
    event_loop_wake(&m->loop);
}

void machine_serve_power_button_locked(struct machine *m)
{
    if (!m->power_button)
        return;
    m->power_button = false;
    acpi_pm_press_power_button(&m->pc.pm);
    machine_event_locked(m, MACHINE_EVENT_POWERDOWN, CAUSE_NONE);
}

void machine_quit(struct machine *m, int status)
{
    pthread_mutex_lock(&m->lock);
    machine_quit_locked(m, status, CAUSE_HOST_UI);
    pthread_mutex_unlock(&m->lock);
}

void machine_reset(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    machine_reset_locked(m, CAUSE_HOST_UI);
    pthread_mutex_unlock(&m->lock);
}

void machine_power_button(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    machine_power_button_locked(m);
    pthread_mutex_unlock(&m->lock);
}
