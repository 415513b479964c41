/*
 * IRET in every mode: real, virtual-8086, protected, to virtual-8086, to another task, 64-bit.
 *
 * Invariant: all reads and checks come before the first change of a register. NMIs are unblocked by an IRET that
 * completes. Runs on the vCPU's thread with the guest's vector state live. SDM Vol. 2 "IRET/IRETD/IRETQ".
 */
#include "cpu-model/exec/exec.h"

#include "cpu-model/exec/exec_int.h"

enum {
    FLAGS_COMMON = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT,
    FLAGS_32 = FLAG_RF | FLAG_AC | FLAG_ID, /* reached by 32- and 64-bit operands only */
    FLAGS_VIRTUAL = FLAG_VIF | FLAG_VIP,
};

static inline void set_flags(struct vcpu *vcpu, uint64_t value, uint32_t mask)
{
    vcpu_set_eflags(vcpu, (vcpu_eflags(vcpu) & ~mask) | ((uint32_t)value & mask));
}

/* Real mode, and V86 mode with IOPL 3 (where IOPL cannot change). */
static enum exec_result iret_paragraphs(struct vcpu *vcpu, unsigned size)
{
    uint32_t mask = FLAGS_COMMON | FLAG_IF | (size == 2 ? 0 : FLAGS_32);
    uint64_t items[3];

    if (!stack_read(vcpu, 0, size, 3, items))
        return EXEC_FAULT;
    if (items[0] > vcpu->segment[SEG_CS].limit)
        return exec_fault_code(vcpu, EXC_GP, 0);
    if (!vcpu_v86(vcpu))
        mask |= FLAG_IOPL;
    stack_adjust(vcpu, 3 * size);
    segment_set_real(vcpu, SEG_CS, (uint16_t)items[1]);
    vcpu->rip = items[0];
    set_flags(vcpu, items[2], mask);
    vcpu->nmi_blocked = false;
    return EXEC_JUMP;
}

/* V86 mode with IOPL below 3 and CR4.VME: IF of the image means VIF. */
static enum exec_result iret_vme(struct vcpu *vcpu)
{
    uint64_t items[3];

    if (!stack_read(vcpu, 0, 2, 3, items))
        return EXEC_FAULT;
    if (((items[2] & FLAG_IF) && (vcpu->eflags & FLAG_VIP)) || (items[2] & FLAG_TF) ||
        items[0] > vcpu->segment[SEG_CS].limit)
        return exec_fault_code(vcpu, EXC_GP, 0);
    stack_adjust(vcpu, 6);
    segment_set_real(vcpu, SEG_CS, (uint16_t)items[1]);
    vcpu->rip = items[0];
    set_flags(vcpu, items[2] | (items[2] & FLAG_IF ? FLAG_VIF : 0), FLAGS_COMMON | FLAG_VIF);
    vcpu->nmi_blocked = false;
    return EXEC_JUMP;
}

static enum exec_result iret_task(struct vcpu *vcpu, const struct insn *insn)
{
    const struct segment *tr = &vcpu->segment[SEG_TR];
    struct task_switch t = {
        .reason = TASK_IRET,
        .rip_next = rip_after(vcpu, insn),
        .eflags = vcpu_eflags(vcpu),
    };
    uint64_t link;

    if (tr->limit < 1)
        return exec_fault_code(vcpu, EXC_TS, selector_code(tr->selector));
    if (!mmu_read(vcpu, lin((uint32_t)tr->base), 2, false, &link))
        return EXEC_FAULT;
    t.selector = (uint16_t)link;
    if (!task_switch(vcpu, &t))
        return EXEC_FAULT;
    vcpu->nmi_blocked = false;
    return EXEC_JUMP;
}

/* CPL 0 to virtual-8086 mode: EIP, CS, EFLAGS, ESP, SS, ES, DS, FS, GS. */
static enum exec_result iret_to_v86(struct vcpu *vcpu)
{
    static const uint8_t order[] = {SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint64_t items[9];

    if (!stack_read(vcpu, 0, 4, 9, items))
        return EXEC_FAULT;
    if (items[0] > 0xffff)
        return exec_fault_code(vcpu, EXC_GP, 0);
    vcpu_set_eflags(vcpu, (uint32_t)items[2]);
    segment_set_real(vcpu, SEG_CS, (uint16_t)items[1]);
    for (unsigned i = 0; i < ARRAY_LEN(order); i++)
        segment_set_real(vcpu, order[i], (uint16_t)items[4 + i]);
    vcpu_set_cpl(vcpu, 3);
    vcpu->gpr[REG_RSP] = items[3];
    vcpu->rip = items[0];
    vcpu->nmi_blocked = false;
    return EXEC_JUMP;
}

/* Flags that IRET may change at this privilege. */
static uint32_t writable_flags(const struct vcpu *vcpu, unsigned size)
{
    uint32_t mask = FLAGS_COMMON;

    if (size != 2)
        mask |= FLAGS_32;
    if (vcpu->cpl <= vcpu_iopl(vcpu))
        mask |= FLAG_IF;
    if (vcpu->cpl == 0)
        mask |= FLAG_IOPL | (size != 2 ? FLAGS_VIRTUAL : 0);
    return mask;
}

/* Within protected or long mode. In 64-bit code SS:RSP are always popped, elsewhere for an outer return. */
static enum exec_result iret_protected(struct vcpu *vcpu, const struct insn *insn, unsigned size)
{
    bool from64 = insn->code_size == 8, outer, stack;
    struct segment cs, ss;
    uint64_t items[5];
    uint32_t mask;

    if (!stack_read(vcpu, 0, size, from64 ? 5 : 3, items))
        return EXEC_FAULT;
    if (size == 4 && (items[2] & FLAG_VM) && vcpu->cpl == 0 && !vcpu_long_mode(vcpu))
        return iret_to_v86(vcpu);
    if (!far_return_segment(vcpu, (uint16_t)items[1], &cs))
        return EXEC_FAULT;
    outer = (cs.selector & SELECTOR_RPL) != (int)vcpu->cpl;
    stack = from64 || outer;
    if (stack) {
        bool code64 = vcpu_long_mode(vcpu) && (cs.attributes & SEG_L);

        if (!from64 && !stack_read(vcpu, 3 * size, size, 2, items + 3))
            return EXEC_FAULT;
        if (!segment_check_return_stack(vcpu, (uint16_t)items[4], cs.selector & SELECTOR_RPL, code64, &ss))
            return EXEC_FAULT;
    }
    if (!far_target_ok(vcpu, &cs, items[0]))
        return EXEC_FAULT;

    mask = writable_flags(vcpu, size);
    if (!stack)
        stack_adjust(vcpu, 3 * size);
    vcpu->segment[SEG_CS] = cs;
    vcpu->rip = items[0];
    set_flags(vcpu, items[2], mask);
    if (stack) {
        vcpu->segment[SEG_SS] = ss;
        /* To a 16-bit stack only SP is loaded. */
        reg_write(vcpu, REG_RSP, vcpu_stack_size(vcpu), items[3]);
    }
    if (outer) {
        vcpu_set_cpl(vcpu, cs.selector & SELECTOR_RPL);
        segments_drop_privileged(vcpu);
    }
    vcpu->nmi_blocked = false;
    return EXEC_JUMP;
}

enum exec_result exec_iret(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = far_operand_size(insn);

    vcpu->ignne = false; /* FERR# and IGNNE# go when the exception is cleared, which translated code does by itself */
    if (vcpu_real(vcpu))
        return iret_paragraphs(vcpu, size);
    if (vcpu_v86(vcpu)) {
        if (vcpu_iopl(vcpu) == 3)
            return iret_paragraphs(vcpu, size);
        if ((vcpu->cr4 & CR4_VME) && size == 2)
            return iret_vme(vcpu);
        return exec_fault_code(vcpu, EXC_GP, 0);
    }
    if (vcpu->eflags & FLAG_NT)
        return vcpu_long_mode(vcpu) ? exec_fault_code(vcpu, EXC_GP, 0) : iret_task(vcpu, insn);
    return iret_protected(vcpu, insn, size);
}
