/*
 * Near control transfer: CALL, JMP, RET, Jcc, JCXZ, LOOP. Far forms of the first three go to far.c.
 *
 * Invariant: the target is checked before anything is stored, so a fault leaves stack and registers alone. Runs on the
 * vCPU's thread with the guest's vector state live. SDM Vol. 2 by mnemonic.
 */
#include "cpu-model/exec/rules.h"

#include "cpu-model/exec/exec_int.h"

/* #GP(0) for targets outside the code segment's limit, or not canonical in 64-bit mode. */
static inline bool target_ok(struct vcpu *vcpu, const struct insn *insn, uint64_t rip)
{
    if (insn->code_size == 8 ? lin_canonical(rip) : rip <= vcpu->segment[SEG_CS].limit)
        return true;
    return vcpu_fault_code(vcpu, EXC_GP, 0);
}

/* Target of a relative branch; an operand size of 16 bits cuts IP. */
static inline uint64_t relative_target(const struct vcpu *vcpu, const struct insn *insn)
{
    return zero_extend(vcpu->rip + insn->length + (uint64_t)insn->imm, insn->operand_size);
}

static inline enum exec_result branch(struct vcpu *vcpu, const struct insn *insn, uint64_t rip)
{
    if (!target_ok(vcpu, insn, rip))
        return EXEC_FAULT;
    vcpu->rip = rip;
    return EXEC_JUMP;
}

enum exec_result exec_call(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t target;

    if (insn->far || insn->opcode == 0x9a)
        return far_call(vcpu, insn);
    if (insn->opcode == 0xe8)
        target = relative_target(vcpu, insn);
    else if (!insn_read_rm(vcpu, insn, insn->operand_size, &target))
        return EXEC_FAULT;
    if (!target_ok(vcpu, insn, target) || !stack_push(vcpu, insn->operand_size, rip_after(vcpu, insn)))
        return EXEC_FAULT;
    vcpu->rip = target;
    return EXEC_JUMP;
}

enum exec_result exec_jmp(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t target;

    if (insn->far || insn->opcode == 0xea)
        return far_jmp(vcpu, insn);
    if (insn->opcode == 0xe9 || insn->opcode == 0xeb)
        target = relative_target(vcpu, insn);
    else if (!insn_read_rm(vcpu, insn, insn->operand_size, &target))
        return EXEC_FAULT;
    return branch(vcpu, insn, target);
}

/* C3; C2 also releases imm16 bytes of arguments. */
enum exec_result exec_ret(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t target;

    if ((insn->opcode & ~1) == 0xca)
        return far_ret(vcpu, insn);
    if (!stack_peek(vcpu, 0, insn->operand_size, &target) || !target_ok(vcpu, insn, target))
        return EXEC_FAULT;
    stack_adjust(vcpu, insn->operand_size + (insn->opcode == 0xc2 ? (uint16_t)insn->imm : 0));
    vcpu->rip = target;
    return EXEC_JUMP;
}

/* The condition in the low four bits of Jcc, SETcc and CMOVcc opcodes. */
static bool condition(uint64_t flags, unsigned code)
{
    bool sign_overflow = !(flags & FLAG_SF) != !(flags & FLAG_OF), result;

    switch (code >> 1 & 7) {
    case 0:
        result = flags & FLAG_OF;
        break;
    case 1:
        result = flags & FLAG_CF;
        break;
    case 2:
        result = flags & FLAG_ZF;
        break;
    case 3:
        result = flags & (FLAG_CF | FLAG_ZF);
        break;
    case 4:
        result = flags & FLAG_SF;
        break;
    case 5:
        result = flags & FLAG_PF;
        break;
    case 6:
        result = sign_overflow;
        break;
    default:
        result = sign_overflow || (flags & FLAG_ZF);
        break;
    }
    return result != (code & 1);
}

enum exec_result exec_jcc(struct vcpu *vcpu, const struct insn *insn)
{
    if (!condition(vcpu->flags, insn->opcode))
        return EXEC_NEXT;
    return branch(vcpu, insn, relative_target(vcpu, insn));
}

/* The counter's width is the address size. */
enum exec_result exec_jcxz(struct vcpu *vcpu, const struct insn *insn)
{
    if (reg_read(vcpu, REG_RCX, insn->address_size))
        return EXEC_NEXT;
    return branch(vcpu, insn, relative_target(vcpu, insn));
}

/* LOOPNE (E0), LOOPE (E1), LOOP (E2). */
enum exec_result exec_loop(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t count = zero_extend(vcpu->gpr[REG_RCX] - 1, insn->address_size);
    bool zf = vcpu->flags & FLAG_ZF, taken = count != 0;
    enum exec_result result = EXEC_NEXT;

    if (insn->opcode == 0xe0)
        taken = taken && !zf;
    else if (insn->opcode == 0xe1)
        taken = taken && zf;
    if (taken)
        result = branch(vcpu, insn, relative_target(vcpu, insn));
    if (result != EXEC_FAULT)
        reg_write(vcpu, REG_RCX, insn->address_size, count);
    return result;
}

enum exec_result exec_ud(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    return exec_fault(vcpu, EXC_UD);
}
