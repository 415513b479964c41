/*
 * The interrupt window: the only place where external events enter the vCPU.
 *
 * Protocol with vcpu_kick(): the kicker sets event bits, then run = 0. Here run = 1 is stored first and the bits are
 * read after, so a kick that comes late leaves run = 0 and is seen at the next poll. EVENT_INTR means "ask": it is
 * cleared before the controllers are asked, and set again while they may have more. Thread: the vCPU's own. Source: SDM
 * Vol. 3 "Priority among simultaneous exceptions and interrupts", "Masking".
 */
#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/interp.h"
#include "cpu-model/state/vector.h"
#include "softmmu/mmu.h"

static void clear_event(struct vcpu *vcpu, uint32_t bit)
{
    __atomic_and_fetch(&vcpu->events, ~bit, __ATOMIC_SEQ_CST);
}

static void set_event(struct vcpu *vcpu, uint32_t bit)
{
    __atomic_or_fetch(&vcpu->events, bit, __ATOMIC_SEQ_CST);
}

/* Takes one external interrupt if the controllers have one. */
static enum exec_result take_external(struct vcpu *vcpu)
{
    clear_event(vcpu, EVENT_INTR);
    vector_park(vcpu);
    if (!vcpu->wires->pending_interrupt(vcpu->wires->machine))
        return EXEC_NEXT;
    int vector = vcpu->wires->acknowledge_interrupt(vcpu->wires->machine);
    set_event(vcpu, EVENT_INTR);
    if (vector < 0)
        return EXEC_NEXT;
    vcpu->halted = false;
    return interrupt_deliver(vcpu, INTERRUPT_EXTERNAL, (uint8_t)vector, vcpu->rip);
}

enum run_exit events_handle(struct vcpu *vcpu)
{
    __atomic_store_n(&vcpu->run, 1, __ATOMIC_SEQ_CST);
    uint32_t events = __atomic_load_n(&vcpu->events, __ATOMIC_SEQ_CST);

    if (events & (EVENT_STOP | EVENT_RESET))
        return RUN_STOPPED;
    if (events & EVENT_FLUSH) {
        clear_event(vcpu, EVENT_FLUSH);
        mmu_mode_changed(vcpu);
    }
    if (events & EVENT_INIT) {
        clear_event(vcpu, EVENT_INIT | EVENT_SIPI);
        vector_park(vcpu);
        vcpu_reset(vcpu, true);
        return RUN_CONTINUE;
    }
    if (events & EVENT_NMI && !vcpu->nmi_blocked && !vcpu->interrupt_shadow) {
        clear_event(vcpu, EVENT_NMI);
        vcpu->halted = false;
        vcpu->nmi_blocked = true;
        set_event(vcpu, EVENT_INTR);
        if (interrupt_deliver(vcpu, INTERRUPT_NMI, EXC_NMI, vcpu->rip) == EXEC_SHUTDOWN)
            return RUN_SHUTDOWN;
    }
    if (events & EVENT_INTR && interrupts_open(vcpu) && take_external(vcpu) == EXEC_SHUTDOWN)
        return RUN_SHUTDOWN;
    if (vcpu->halted) {
        if (!interrupts_open(
                vcpu)) /* cannot open while halted: what wakes the CPU asks again (NMI above, INIT resets) */
            clear_event(vcpu, EVENT_INTR);
        return events_due(vcpu) ? RUN_CONTINUE : RUN_HALTED;
    }
    return RUN_CONTINUE;
}
