/*
 * The vCPU's thread, and the wires by which the CPU model reaches the machine.
 *
 * Sleeping: HLT makes run() return; the thread then waits on the futex vcpu->events. Whoever raises an event sets its
 * bit first and looks at `asleep` after; the thread sets `asleep` first and lets the kernel compare `events` with 0
 * after, so no event is slept through.
 *
 * Stopping: whoever wants the thread sets what it wants under the lock and then kicks EVENT_STOP or EVENT_RESET; the
 * thread clears both bits under the lock before it looks at what is wanted.
 *
 * Interrupts: `interrupt_maybe` is set, under the lock, on every change that may make one pending. While it is false
 * the CPU's frequent question costs one load.
 *
 * Threads: functions named wire_* run on the vCPU's thread and take the lock; the rest says.
 */
#include "devices/machine/machine_int.h"

#include "cpu-model/base/log.h"
#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/trap.h"
#include "devices/machine/signals.h"
#include "softmmu/mmu.h"
#include "softmmu/shadow.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* --- wires -------------------------------------------------------------------------------------------------------- */

static uint64_t wire_io_read(void *machine, uint16_t port, unsigned size)
{
    struct machine *m = machine;
    pthread_mutex_lock(&m->lock);
    uint64_t value = bus_read(&m->io, port, size);
    pthread_mutex_unlock(&m->lock);
    return value;
}

static void wire_io_write(void *machine, uint16_t port, uint64_t value, unsigned size)
{
    struct machine *m = machine;
    pthread_mutex_lock(&m->lock);
    bus_write(&m->io, port, value, size);
    pthread_mutex_unlock(&m->lock);
}

static uint64_t wire_mmio_read(void *machine, gpa_t gpa, unsigned size)
{
    struct machine *m = machine;
    pthread_mutex_lock(&m->lock);
    uint64_t value = bus_read(&m->mmio, gpa.v, size);
    pthread_mutex_unlock(&m->lock);
    return value;
}

static void wire_mmio_write(void *machine, gpa_t gpa, uint64_t value, unsigned size)
{
    struct machine *m = machine;
    pthread_mutex_lock(&m->lock);
    bus_write(&m->mmio, gpa.v, value, size);
    pthread_mutex_unlock(&m->lock);
}

static bool wire_pending_interrupt(void *machine)
{
    struct machine *m = machine;
    if (!__atomic_load_n(&m->interrupt_maybe, __ATOMIC_ACQUIRE))
        return false;
    pthread_mutex_lock(&m->lock);
    bool pending = pc_interrupt_pending(&m->pc);
    __atomic_store_n(&m->interrupt_maybe, pending, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&m->lock);
    return pending;
}

static int wire_acknowledge_interrupt(void *machine)
{
    struct machine *m = machine;
    pthread_mutex_lock(&m->lock);
    int vector = pc_interrupt_acknowledge(&m->pc);
    pthread_mutex_unlock(&m->lock);
    return vector;
}

static int wire_apic_msr_read(void *machine, uint32_t msr, uint64_t *value)
{
    struct machine *m = machine;
    pthread_mutex_lock(&m->lock);
    int r = lapic_msr_read(&m->pc.lapic, msr, value);
    pthread_mutex_unlock(&m->lock);
    return r;
}

static int wire_apic_msr_write(void *machine, uint32_t msr, uint64_t value)
{
    struct machine *m = machine;
    pthread_mutex_lock(&m->lock);
    int r = lapic_msr_write(&m->pc.lapic, msr, value);
    pthread_mutex_unlock(&m->lock);
    return r;
}

static uint8_t wire_get_tpr(void *machine)
{
    struct machine *m = machine;
    return lapic_get_tpr(&m->pc.lapic); /* only this thread changes it, so no lock */
}

static void wire_set_tpr(void *machine, uint8_t cr8)
{
    struct machine *m = machine;
    pthread_mutex_lock(&m->lock);
    lapic_set_tpr(&m->pc.lapic, cr8);
    pthread_mutex_unlock(&m->lock);
}

static void wire_ferr(void *machine)
{
    struct machine *m = machine;
    pthread_mutex_lock(&m->lock);
    pc_ferr(&m->pc);
    pthread_mutex_unlock(&m->lock);
}

static const struct vcpu_wires wires = {
    .io_read = wire_io_read,
    .io_write = wire_io_write,
    .mmio_read = wire_mmio_read,
    .mmio_write = wire_mmio_write,
    .pending_interrupt = wire_pending_interrupt,
    .acknowledge_interrupt = wire_acknowledge_interrupt,
    .apic_msr_read = wire_apic_msr_read,
    .apic_msr_write = wire_apic_msr_write,
    .get_tpr = wire_get_tpr,
    .set_tpr = wire_set_tpr,
    .ferr = wire_ferr,
};

/* --- sleeping and waking ------------------------------------------------------------------------------------------ */

void machine_kick(struct machine *m, uint32_t events)
{
    vcpu_kick(m->vcpu, events);
    if (__atomic_load_n(&m->asleep, __ATOMIC_SEQ_CST))
        syscall(SYS_futex, &m->vcpu->events, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/*
 * Waits on the futex until an event comes. The sleeper serves the clock's timers itself: the usual end of a sleep is a
 * timer interrupt, and another thread would only have to wake this one. The loop's host timer is for deadlines before
 * `sleep_until` then.
 */
static void sleep_until_event(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    for (;;) {
        vclock_run(&m->clock);
        if (__atomic_load_n(&m->vcpu->events, __ATOMIC_SEQ_CST))
            break;
        m->sleep_until = machine_next_deadline(m);
        event_loop_set_timer(&m->loop, EVENT_LOOP_NEVER);
        __atomic_store_n(&m->asleep, true, __ATOMIC_SEQ_CST);
        struct timespec until = {.tv_sec = (time_t)(m->sleep_until / NS_PER_SECOND),
                                 .tv_nsec = (long)(m->sleep_until % NS_PER_SECOND)};
        bool forever = m->sleep_until == EVENT_LOOP_NEVER;
        pthread_mutex_unlock(&m->lock);
        if (!__atomic_load_n(&m->vcpu->events, __ATOMIC_SEQ_CST))
            syscall(SYS_futex, &m->vcpu->events, FUTEX_WAIT_BITSET_PRIVATE, 0, forever ? NULL : &until, NULL,
                    FUTEX_BITSET_MATCH_ANY);
        pthread_mutex_lock(&m->lock);
        __atomic_store_n(&m->asleep, false, __ATOMIC_SEQ_CST);
    }
    event_loop_set_timer(&m->loop, machine_next_deadline(m));
    pthread_mutex_unlock(&m->lock);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

/* A triple fault: reset, or the end with a report. */
static void shut_down_locked(struct machine *m)
{
    char dump[3072];

    vcpu_dump(m->vcpu, dump, sizeof(dump));
    log_line(LOG_RESET, "triple fault\n%s", dump);
    if (!m->options.no_reboot) {
        m->reset_wanted = true;
        m->reset_cause = CAUSE_GUEST_RESET;
        return;
    }
    snprintf(m->report, sizeof(m->report),
             "triple fault: exception %u at %04x:%llx could not be delivered, and -no-reboot is given; the CPU's "
             "state:\n%s",
             m->vcpu->exception.vector, m->vcpu->segment[SEG_CS].selector, (unsigned long long)m->vcpu->rip, dump);
    machine_quit_locked(m, 1, CAUSE_GUEST_RESET);
}

static void reset_locked(struct machine *m)
{
    struct error err;

    m->reset_wanted = false;
    if (!machine_boot_locked(m, &err)) {
        machine_was_reset_locked(m);
        return;
    }
    snprintf(m->report, sizeof(m->report), "the machine could not boot again: %s", err.text);
    machine_quit_locked(m, 1, CAUSE_HOST_ERROR);
}

static void *vcpu_thread(void *context)
{
    struct machine *m = context;
    struct error err;

    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* sleeps end on time */
    int r = trap_thread_start(&err);
    pthread_mutex_lock(&m->lock);
    if (r) {
        snprintf(m->report, sizeof(m->report), "%s", err.text);
        machine_quit_locked(m, 1, CAUSE_HOST_ERROR);
    }
    m->vcpu_parked = false;
    while (!m->exiting) {
        __atomic_and_fetch(&m->vcpu->events, ~(uint32_t)(EVENT_STOP | EVENT_RESET), __ATOMIC_SEQ_CST);
        if (m->holds || (m->paused && !m->reset_wanted)) {
            m->vcpu_parked = true;
            pthread_cond_broadcast(&m->changed);
            event_loop_wake(&m->loop); /* the loop stops time */
            pthread_cond_wait(&m->changed, &m->lock);
            m->vcpu_parked = false;
            continue;
        }
        if (m->reset_wanted) {
            reset_locked(m);
            continue;
        }
        pthread_mutex_unlock(&m->lock);
        enum run_exit exit;
        while ((exit = m->engine->run(m->vcpu)) == RUN_HALTED)
            sleep_until_event(m);
        pthread_mutex_lock(&m->lock);
        if (exit == RUN_SHUTDOWN)
            shut_down_locked(m);
        if (exit == RUN_FAILED) {
            snprintf(m->report, sizeof(m->report), "%s", m->engine->failure(m->vcpu));
            machine_quit_locked(m, 1, CAUSE_HOST_ERROR);
        }
    }
    m->vcpu_parked = true;
    pthread_cond_broadcast(&m->changed);
    pthread_mutex_unlock(&m->lock);
    if (!r)
        trap_thread_stop();
    return NULL;
}

/* --- creation ----------------------------------------------------------------------------------------------------- */

static uint64_t raw_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* The TSC and the clock at the same moment: the closest of a few tries. */
static void sample(uint64_t *tsc, uint64_t *ns)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 16; i++) {
        uint64_t before = __builtin_ia32_rdtsc(), now = raw_ns(), after = __builtin_ia32_rdtsc();
        if (after - before < best) {
            best = after - before;
            *tsc = before + best / 2;
            *ns = now;
        }
    }
}

static uint64_t measure_tsc_hz(void)
{
    const struct timespec window = {.tv_nsec = 15000000};
    uint64_t tsc[2] = {0}, ns[2] = {0};

    sample(&tsc[0], &ns[0]);
    nanosleep(&window, NULL);
    sample(&tsc[1], &ns[1]);
    return muldiv64(tsc[1] - tsc[0], NS_PER_SECOND, ns[1] - ns[0]);
}

int machine_create_vcpu(struct machine *m, struct error *err)
{
    static const struct engine_ops *const engines[] = {&engine_bt, &engine_interp, &engine_verify};

    m->vcpu = shadow_vcpu_create(err);
    if (!m->vcpu)
        return -ENOMEM;
    m->wires = wires;
    m->wires.machine = m;
    m->vcpu->wires = &m->wires;
    m->vcpu->space = &m->space;
    m->vcpu->tsc_hz = measure_tsc_hz();
    int r = cpu_model_parse(m->options.cpu, &m->vcpu->features, err);
    if (r)
        return r;
    m->vcpu->features.vmware = !m->options.no_vmport;
    for (unsigned i = 0; i < ARRAY_LEN(engines); i++)
        if (!strcmp(engines[i]->name, m->options.accel))
            m->engine = engines[i];
    if (!m->engine)
        return error_set(err, -EINVAL, "-accel %s: no such engine; see -accel help", m->options.accel);
    r = trap_install(err);
    if (r)
        return r;
    const struct engine_config config = {
        .cache_bytes = m->options.cache_bytes, .host_without = m->options.host_without, .chaos = m->options.chaos};
    r = m->engine->create(m->vcpu, &config, err);
    if (r == -ENOTSUP) { /* the slower way that works here */
        machine_add_notice(m, "-accel %s: %s; interpreting instead, which is slow", m->engine->name, err->text);
        m->engine = &engine_interp;
        r = m->engine->create(m->vcpu, &config, err);
    }
    m->engine_created = !r;
    bool windows = m->space.reservation.fd >= 0 && !(m->options.host_without & HOST_WINDOWS);
    if (m->engine == &engine_interp)
        log_line(LOG_HOST, "host: engine interp, which asks nothing of it");
    else
        log_line(LOG_HOST, "host: engine %s, shared memory %s (user pages by %s)", m->engine->name,
                 windows ? "yes" : "no", windows ? "the host's MMU where that pays" : "look-up only");
    return r;
}

void machine_destroy_vcpu(struct machine *m)
{
    if (!m->vcpu)
        return;
    if (m->engine_created)
        m->engine->destroy(m->vcpu);
    shadow_vcpu_destroy(m->vcpu);
}

int machine_start_vcpu(struct machine *m, struct error *err)
{
    int r = signals_start_thread(&m->thread, vcpu_thread, m);
    if (r)
        return error_set(err, r, "cannot start the processor's thread: %s", strerror(-r));
    m->thread_started = true;
    return 0;
}

void machine_join_vcpu(struct machine *m)
{
    if (m->thread_started)
        pthread_join(m->thread, NULL);
    m->thread_started = false;
}
