/*
 * The fast system calls: SYSCALL, SYSRET, SYSENTER, SYSEXIT.
 *
 * They look at no descriptor table: the caches of CS and SS get fixed values. Intel offers SYSCALL in 64-bit mode only,
 * AMD also in compatibility and legacy mode; SYSENTER is the other way round in long mode. Runs on the vCPU's thread
 * with the guest's vector state live. SDM Vol. 2 by mnemonic; AMD APM Vol. 2 "Fast system call and return".
 */
#include "cpu-model/exec/exec.h"

#include "cpu-model/exec/exec_int.h"

enum { DPL3 = 3 << SEG_DPL_SHIFT };

static inline bool amd(const struct vcpu *vcpu)
{
    return vcpu->features.vendor == VENDOR_AMD;
}

static inline void enter(struct vcpu *vcpu, uint16_t selector, uint32_t code_attributes, uint64_t rip)
{
    segment_set_flat(&vcpu->segment[SEG_CS], selector & ~SELECTOR_RPL, code_attributes);
    segment_set_flat(&vcpu->segment[SEG_SS], (uint16_t)((selector & ~SELECTOR_RPL) + 8), ATTRIBUTES_DATA32);
    vcpu_set_cpl(vcpu, 0);
    vcpu->rip = rip;
}

/* AMD outside long mode: ECX, and EIP from STAR. */
static enum exec_result syscall_legacy(struct vcpu *vcpu, const struct insn *insn)
{
    if (vcpu_real(vcpu))
        return exec_fault(vcpu, EXC_UD);
    vcpu->gpr[REG_RCX] = (uint32_t)rip_after(vcpu, insn);
    vcpu_set_eflags(vcpu, vcpu_eflags(vcpu) & ~(uint32_t)(FLAG_VM | FLAG_IF | FLAG_RF));
    enter(vcpu, (uint16_t)(vcpu->star >> 32), ATTRIBUTES_CODE32, (uint32_t)vcpu->star);
    return EXEC_JUMP;
}

enum exec_result exec_syscall(struct vcpu *vcpu, const struct insn *insn)
{
    bool code64 = insn->code_size == 8;
    uint32_t flags;

    if (!(vcpu->efer & EFER_SCE) || (!code64 && !amd(vcpu)))
        return exec_fault(vcpu, EXC_UD);
    if (!vcpu_long_mode(vcpu))
        return syscall_legacy(vcpu, insn);
    flags = vcpu_eflags(vcpu) & ~(uint32_t)FLAG_RF;
    vcpu->gpr[REG_RCX] = rip_after(vcpu, insn);
    vcpu->gpr[REG_R8 + 3] = flags;
    vcpu_set_eflags(vcpu, flags & ~(uint32_t)vcpu->sfmask);
    enter(vcpu, (uint16_t)(vcpu->star >> 32), ATTRIBUTES_CODE64, code64 ? vcpu->lstar : vcpu->cstar);
    return EXEC_JUMP;
}

static inline void leave(struct vcpu *vcpu, uint16_t code_selector, uint32_t code_attributes, uint16_t stack_selector)
{
    segment_set_flat(&vcpu->segment[SEG_CS], code_selector | 3, code_attributes | DPL3);
    segment_set_flat(&vcpu->segment[SEG_SS], stack_selector | 3, ATTRIBUTES_DATA32 | DPL3);
    vcpu_set_cpl(vcpu, 3);
}

/* SYSRET that loads TF traps at once, in user mode, as if SYSCALL had just been stepped over. */
static enum exec_result left(struct vcpu *vcpu)
{
    if (!(vcpu->eflags & FLAG_TF))
        return EXEC_JUMP;
    vcpu->exception = (struct exception){.vector = EXC_DB, .dr6 = DR6_BS};
    return exception_deliver(vcpu);
}

enum exec_result exec_sysret(struct vcpu *vcpu, const struct insn *insn)
{
    uint16_t selector = (uint16_t)(vcpu->star >> 48);
    bool code64 = insn->code_size == 8, to64 = code64 && (insn->rex & 8);

    if (!(vcpu->efer & EFER_SCE) || (!code64 && !amd(vcpu)))
        return exec_fault(vcpu, EXC_UD);
    if (vcpu->cpl || vcpu_real(vcpu))
        return exec_fault_code(vcpu, EXC_GP, 0);
    if (to64 && !amd(vcpu) && !lin_canonical(vcpu->gpr[REG_RCX]))
        return exec_fault_code(vcpu, EXC_GP, 0); /* AMD: the fetch faults, in user mode */
    if (vcpu_long_mode(vcpu))
        vcpu_set_eflags(vcpu, (uint32_t)vcpu->gpr[REG_R8 + 3] & ~(uint32_t)(FLAG_RF | FLAG_VM));
    else
        vcpu_set_eflags(vcpu, vcpu_eflags(vcpu) | FLAG_IF);
    if (to64) {
        vcpu->rip = vcpu->gpr[REG_RCX];
        leave(vcpu, (uint16_t)(selector + 16), ATTRIBUTES_CODE64, (uint16_t)(selector + 8));
    } else {
        vcpu->rip = (uint32_t)vcpu->gpr[REG_RCX];
        leave(vcpu, selector, ATTRIBUTES_CODE32, (uint16_t)(selector + 8));
    }
    return vcpu_long_mode(vcpu) ? left(vcpu) : EXEC_JUMP;
}

/* #UD: not offered in long mode by AMD. #GP(0): real mode, or a null SYSENTER_CS. */
static bool sysenter_usable(struct vcpu *vcpu)
{
    if (vcpu_long_mode(vcpu) && amd(vcpu))
        return vcpu_fault(vcpu, EXC_UD);
    if (vcpu_real(vcpu) || selector_null((uint16_t)vcpu->sysenter_cs))
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    return true;
}

enum exec_result exec_sysenter(struct vcpu *vcpu, const struct insn *insn)
{
    bool long_mode = vcpu_long_mode(vcpu);

    (void)insn;
    if (!sysenter_usable(vcpu))
        return EXEC_FAULT;
    vcpu_set_eflags(vcpu, vcpu_eflags(vcpu) & ~(uint32_t)(FLAG_VM | FLAG_IF | FLAG_RF));
    vcpu->gpr[REG_RSP] = long_mode ? vcpu->sysenter_esp : (uint32_t)vcpu->sysenter_esp;
    enter(vcpu, (uint16_t)vcpu->sysenter_cs, long_mode ? ATTRIBUTES_CODE64 : ATTRIBUTES_CODE32,
          long_mode ? vcpu->sysenter_eip : (uint32_t)vcpu->sysenter_eip);
    return EXEC_JUMP;
}

enum exec_result exec_sysexit(struct vcpu *vcpu, const struct insn *insn)
{
    bool to64 = insn->code_size == 8 && (insn->rex & 8);
    uint64_t rsp = vcpu->gpr[REG_RCX], rip = vcpu->gpr[REG_RDX];
    uint16_t selector = (uint16_t)(vcpu->sysenter_cs & ~SELECTOR_RPL);

    if (!sysenter_usable(vcpu))
        return EXEC_FAULT;
    if (vcpu->cpl || (to64 && !(lin_canonical(rsp) && lin_canonical(rip))))
        return exec_fault_code(vcpu, EXC_GP, 0);
    vcpu->gpr[REG_RSP] = to64 ? rsp : (uint32_t)rsp;
    vcpu->rip = to64 ? rip : (uint32_t)rip;
    if (to64)
        leave(vcpu, (uint16_t)(selector + 32), ATTRIBUTES_CODE64, (uint16_t)(selector + 40));
    else
        leave(vcpu, (uint16_t)(selector + 16), ATTRIBUTES_CODE32, (uint16_t)(selector + 24));
    return EXEC_JUMP;
}
