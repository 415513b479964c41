/*
 * CLI, STI, CLD, STD, HLT, PAUSE and SALC.
 *
 * STI opens the interrupt window one instruction late, and only when IF was 0; the window itself is the engine's.
 * Thread: the vCPU's own; guest vector state live.
 * Source: SDM Vol. 2 by mnemonic; Vol. 3 "Protected-mode virtual interrupts", "Virtual-8086 mode extensions".
 */
#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/rules.h"

enum if_target { IF_REAL, IF_VIRTUAL, IF_DENIED };

/* Which flag CLI and STI work on: IF, or VIF under VME and PVI. */
static enum if_target if_target(const struct vcpu *vcpu)
{
    if (!vcpu_protected(vcpu))
        return IF_REAL;
    if (vcpu_v86(vcpu)) {
        if (vcpu_iopl(vcpu) == 3)
            return IF_REAL;
        return vcpu->cr4 & CR4_VME ? IF_VIRTUAL : IF_DENIED;
    }
    if (vcpu->cpl <= vcpu_iopl(vcpu))
        return IF_REAL;
    return vcpu->cpl == 3 && (vcpu->cr4 & CR4_PVI) ? IF_VIRTUAL : IF_DENIED;
}

enum exec_result exec_cli(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    switch (if_target(vcpu)) {
    case IF_REAL:
        vcpu->eflags &= ~(uint32_t)FLAG_IF;
        return EXEC_NEXT;
    case IF_VIRTUAL:
        vcpu->eflags &= ~(uint32_t)FLAG_VIF;
        return EXEC_NEXT;
    default:
        vcpu_fault_code(vcpu, EXC_GP, 0);
        return EXEC_FAULT;
    }
}

enum exec_result exec_sti(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    enum if_target target = if_target(vcpu);
    if (target == IF_REAL) {
        if (!(vcpu->eflags & FLAG_IF))
            vcpu->interrupt_shadow = true;
        vcpu->eflags |= FLAG_IF;
        return EXEC_NEXT;
    }
    /* A virtual interrupt waits already: the monitor must deliver it now. */
    if (target == IF_VIRTUAL && !(vcpu->eflags & FLAG_VIP)) {
        vcpu->eflags |= FLAG_VIF;
        return EXEC_NEXT;
    }
    vcpu_fault_code(vcpu, EXC_GP, 0);
    return EXEC_FAULT;
}

enum exec_result exec_cld(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    vcpu->eflags &= ~(uint32_t)FLAG_DF;
    return EXEC_NEXT;
}

enum exec_result exec_std(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    vcpu->eflags |= FLAG_DF;
    return EXEC_NEXT;
}

enum exec_result exec_hlt(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    vcpu->halted = true;
    return EXEC_HALT;
}

enum exec_result exec_pause(struct vcpu *vcpu, const struct insn *insn)
{
    (void)vcpu;
    (void)insn;
    return EXEC_NEXT;
}

enum exec_result exec_salc(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    reg_write(vcpu, REG_RAX, 1, vcpu->flags & FLAG_CF ? 0xff : 0);
    return EXEC_NEXT;
}
