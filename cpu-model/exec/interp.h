/*
 * One guest instruction at a time: the `interp` engine, and what every engine falls back to for whatever is odd.
 *
 * An engine's own state begins with a struct interp, so that vcpu->engine can be used as one.
 */
#ifndef RING3_EXEC_INTERP_H
#define RING3_EXEC_INTERP_H

#include "cpu-model/exec/engine.h"
#include "cpu-model/exec/native.h"

struct interp {
    struct insn_cache cache;
    uint64_t steps;
    /* The page that code is fetched from, so that it is not walked for again: for who knows that mappings and privilege
     * stay as they are meanwhile. Null: each fetch walks. */
    struct fetch_page {
        uint64_t linear;
        const uint8_t *host;
    } * fetched;
};

int interp_init(struct interp *interp, struct vcpu *vcpu, struct error *err);
void interp_destroy(struct interp *interp);

/*
 * Executes the instruction at CS:RIP, with everything that follows from it: exceptions delivered, TF and breakpoint
 * traps, interrupt shadows. A string instruction may be left unfinished (RIP unchanged). False: triple fault, the state
 * is as it was.
 */
bool interp_step(struct vcpu *vcpu);

/* The parts of interp_step(). The instruction at CS:RIP; null: a fault was raised (or the instruction is too long). */
struct cached_insn *interp_fetch(struct vcpu *vcpu);
/* Executes it and moves RIP; an exception stays in vcpu->exception, nothing is delivered. */
enum exec_result interp_execute(struct vcpu *vcpu, const struct insn *insn);

/* What interp_step() does around one decoded instruction, for engines that have it decoded: checks, executes, delivers.
 */
enum exec_result insn_execute(struct vcpu *vcpu, const struct insn *insn);

/* Must instructions be stepped one by one now (single-stepping, breakpoints, alignment checks, an interrupt
 * shadow to be observed)? */
static inline bool interp_must_step(const struct vcpu *vcpu)
{
    bool alignment_checked = vcpu->cpl == 3 && vcpu->eflags & FLAG_AC && vcpu->cr0 & CR0_AM;
    return alignment_checked || (vcpu->eflags & (FLAG_TF | FLAG_RF)) || (vcpu->dr[7] & 0xff) || vcpu->interrupt_shadow;
}

/* May an interrupt be delivered before the next instruction, as far as the CPU is concerned? */
static inline bool interrupts_open(const struct vcpu *vcpu)
{
    return (vcpu->eflags & FLAG_IF) && !vcpu->interrupt_shadow;
}

/*
 * Looks at vcpu->events and acts on what can be acted on: takes interrupts, NMI, INIT. Returns RUN_CONTINUE when guest
 * code can run. Called whenever vcpu->run is 0 or the interrupt window opened with events pending.
 */
enum run_exit events_handle(struct vcpu *vcpu);

/* Is there an event that could be acted on now? One test on the way through the engines' loops. */
static inline bool events_due(const struct vcpu *vcpu)
{
    uint32_t events = __atomic_load_n(&vcpu->events, __ATOMIC_RELAXED);
    if (!events)
        return false;
    return (events & ~(uint32_t)(EVENT_INTR | EVENT_NMI)) || (events & EVENT_INTR && interrupts_open(vcpu)) ||
           (events & EVENT_NMI && !vcpu->nmi_blocked);
}

#endif
