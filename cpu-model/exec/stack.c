/*
 * PUSH, POP, PUSHA, POPA, PUSHF, POPF, ENTER and LEAVE.
 *
 * A fault leaves eSP and every register as they were; stores below the old eSP may have happened, as on silicon.
 * Thread: the vCPU's own; guest vector state live.
 * Source: SDM Vol. 2 by mnemonic; Vol. 3 "Virtual-8086 mode extensions" (VME) and "Interrupt shadow" of POP SS.
 */
#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/rules.h"

/* Width of an implicit stack operand: 64-bit mode has no 4-byte one. */
static unsigned push_size(const struct insn *insn)
{
    return insn->code_size == 8 && insn->operand_size != 2 ? 8 : insn->operand_size;
}

static enum exec_result done_or_fault(bool done)
{
    return done ? EXEC_NEXT : EXEC_FAULT;
}

/* The segment register that a PUSH or POP names by its opcode, or SEG_COUNT. */
static unsigned opcode_segment(const struct insn *insn)
{
    if (insn->map == 1)
        return insn->opcode >= 0xa8 ? SEG_GS : SEG_FS; /* 0F A0, A1, A8, A9 */
    if (insn->map == 0 && insn->opcode < 0x20)
        return insn->opcode >> 3; /* 06, 07, 0E, 16, 17, 1E, 1F */
    return SEG_COUNT;
}

enum exec_result exec_push(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = push_size(insn), segment = opcode_segment(insn);
    uint64_t value;
    if (segment != SEG_COUNT)
        /* The upper bytes are written as zero, as AMD does; recent Intel leaves them in memory. The SDM allows both. */
        value = vcpu->segment[segment].selector;
    else if (insn->opcode == 0x68 || insn->opcode == 0x6a)
        value = (uint64_t)insn->imm;
    else if (insn->opcode == 0xff) {
        if (!insn_read_rm(vcpu, insn, size, &value))
            return EXEC_FAULT;
    } else
        value = reg_read(vcpu, insn->reg, size); /* PUSH eSP pushes the old value */
    return done_or_fault(stack_push(vcpu, size, value));
}

static enum exec_result pop_segment(struct vcpu *vcpu, unsigned segment, unsigned size)
{
    uint64_t value;
    if (!stack_peek(vcpu, 0, size, &value))
        return EXEC_FAULT;
    /* The width of the stack is that of before the load. */
    uint64_t old = vcpu->gpr[REG_RSP];
    stack_adjust(vcpu, size);
    if (segment_load(vcpu, segment, (uint16_t)value)) {
        if (segment == SEG_SS)
            vcpu->interrupt_shadow = vcpu->debug_shadow = true;
        return EXEC_NEXT;
    }
    vcpu->gpr[REG_RSP] = old;
    return EXEC_FAULT;
}

enum exec_result exec_pop(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = push_size(insn), segment = opcode_segment(insn);
    if (segment != SEG_COUNT)
        return pop_segment(vcpu, segment, size);

    uint64_t value, old = vcpu->gpr[REG_RSP];
    if (!stack_peek(vcpu, 0, size, &value))
        return EXEC_FAULT;
    stack_adjust(vcpu, size);
    if (insn->opcode != 0x8f) {
        reg_write(vcpu, insn->reg, size, value); /* POP eSP: the popped value wins */
        return EXEC_NEXT;
    }
    /* An address that uses eSP sees it after the pop. */
    if (insn_write_rm(vcpu, insn, size, value))
        return EXEC_NEXT;
    vcpu->gpr[REG_RSP] = old;
    return EXEC_FAULT;
}

enum exec_result exec_pusha(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t old = vcpu->gpr[REG_RSP];
    for (unsigned reg = REG_RAX; reg <= REG_RDI; reg++) {
        uint64_t value = reg == REG_RSP ? old : vcpu->gpr[reg];
        if (!stack_push(vcpu, insn->operand_size, value)) {
            vcpu->gpr[REG_RSP] = old;
            return EXEC_FAULT;
        }
    }
    return EXEC_NEXT;
}

enum exec_result exec_popa(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = insn->operand_size;
    uint64_t value[8];
    for (unsigned i = 0; i < 8; i++)
        if (!stack_peek(vcpu, (int64_t)(i * size), size, &value[REG_RDI - i]))
            return EXEC_FAULT;
    stack_adjust(vcpu, 8 * size);
    for (unsigned reg = REG_RAX; reg <= REG_RDI; reg++)
        if (reg != REG_RSP)
            reg_write(vcpu, reg, size, value[reg]);
    return EXEC_NEXT;
}

/* Virtual-8086 code with IOPL < 3 sees VIF in place of IF under VME, and only in the 16-bit forms. False: #GP(0). */
static bool v86_flags_allowed(struct vcpu *vcpu, unsigned size)
{
    if ((vcpu->cr4 & CR4_VME) && size == 2)
        return true;
    return vcpu_fault_code(vcpu, EXC_GP, 0);
}

enum exec_result exec_pushf(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = push_size(insn);
    uint32_t image = vcpu_eflags(vcpu) & ~(uint32_t)(FLAG_VM | FLAG_RF);
    if (vcpu_v86(vcpu) && vcpu_iopl(vcpu) < 3) {
        if (!v86_flags_allowed(vcpu, size))
            return EXEC_FAULT;
        image = (image & ~(uint32_t)FLAG_IF) | FLAG_IOPL | (image & FLAG_VIF ? FLAG_IF : 0);
    }
    return done_or_fault(stack_push(vcpu, size, image));
}

/* POPF of virtual-8086 code under VME with IOPL < 3: IF of the image goes to VIF. */
static enum exec_result popf_vme(struct vcpu *vcpu, uint32_t image)
{
    if ((image & FLAG_TF) || ((image & FLAG_IF) && (vcpu->eflags & FLAG_VIP))) {
        vcpu_fault_code(vcpu, EXC_GP, 0);
        return EXEC_FAULT;
    }
    uint32_t change = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT;
    uint32_t flags = (vcpu_eflags(vcpu) & ~(change | FLAG_VIF | FLAG_RF)) | (image & change);
    vcpu_set_eflags(vcpu, flags | (image & FLAG_IF ? FLAG_VIF : 0));
    stack_adjust(vcpu, 2);
    return EXEC_NEXT;
}

enum exec_result exec_popf(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = push_size(insn);
    bool virtual_if = vcpu_v86(vcpu) && vcpu_iopl(vcpu) < 3;
    uint64_t image;
    if ((virtual_if && !v86_flags_allowed(vcpu, size)) || !stack_peek(vcpu, 0, size, &image))
        return EXEC_FAULT;
    if (virtual_if)
        return popf_vme(vcpu, (uint32_t)image);

    uint32_t change = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT;
    if (size > 2) {
        change |= FLAG_AC;
        if (vcpu->features.max_leaf) /* ID can be changed where CPUID exists */
            change |= FLAG_ID;
    }
    if (!vcpu_protected(vcpu) || vcpu->cpl <= vcpu_iopl(vcpu))
        change |= FLAG_IF;
    if (!vcpu_v86(vcpu) && vcpu->cpl == 0)
        change |= FLAG_IOPL;
    /* VM, VIF and VIP stay; RF is cleared. */
    uint32_t flags = (vcpu_eflags(vcpu) & ~(change | FLAG_RF)) | ((uint32_t)image & change);
    vcpu_set_eflags(vcpu, flags);
    stack_adjust(vcpu, size);
    return EXEC_NEXT;
}

/* Copies the outer frame pointers 1..level-1 and pushes the new one. Moves eSP and, temporarily, eBP. */
static bool enter_levels(struct vcpu *vcpu, unsigned size, unsigned level, uint64_t frame)
{
    unsigned width = vcpu_stack_size(vcpu);
    uint64_t link = reg_read(vcpu, REG_RBP, width), value;
    for (unsigned i = 1; i < level; i++) {
        link = zero_extend(link - size, width);
        if (!seg_read(vcpu, SEG_SS, link, size, &value) || !stack_push(vcpu, size, value))
            return false;
    }
    return level == 0 || stack_push(vcpu, size, frame);
}

enum exec_result exec_enter(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = push_size(insn), level = insn->imm2 & 31, width = vcpu_stack_size(vcpu);
    uint64_t old = vcpu->gpr[REG_RSP];
    if (!stack_push(vcpu, size, reg_read(vcpu, REG_RBP, size)))
        return EXEC_FAULT;
    uint64_t frame = vcpu->gpr[REG_RSP];
    lin_t at;
    if (!enter_levels(vcpu, size, level, frame))
        goto fault;
    stack_adjust(vcpu, -(int64_t)(uint16_t)insn->imm);
    /* "#PF if a write using the final value of the stack pointer would cause a page fault", likewise #SS. */
    if (!seg_linear(vcpu, SEG_SS, reg_read(vcpu, REG_RSP, width), size, ACCESS_WRITE, &at) ||
        !mmu_probe(vcpu, at, size, ACCESS_WRITE, vcpu_user(vcpu)))
        goto fault;
    reg_write(vcpu, REG_RBP, size, frame); /* by operand size, not by the stack's width */
    return EXEC_NEXT;
fault:
    vcpu->gpr[REG_RSP] = old;
    return EXEC_FAULT;
}

enum exec_result exec_leave(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = push_size(insn), width = vcpu_stack_size(vcpu);
    uint64_t frame = reg_read(vcpu, REG_RBP, width), value;
    if (!seg_read(vcpu, SEG_SS, frame, size, &value))
        return EXEC_FAULT;
    reg_write(vcpu, REG_RSP, width, frame);
    stack_adjust(vcpu, size);
    reg_write(vcpu, REG_RBP, size, value);
    return EXEC_NEXT;
}
