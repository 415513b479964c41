/*
 * Decimal adjustment: AAA, AAS, AAD, AAM, DAA and DAS. 64-bit code does not have them, so the host cannot run them
 * here.
 *
 * The flags that the SDM leaves undefined are what AMD family 19h computes, found by running all 65,536 values of AX
 * with all 64 combinations of flags in 32-bit code; each function says which flags those are. Thread: the vCPU's own;
 * guest vector state live. Source: SDM Vol. 2 by mnemonic.
 */
#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/rules.h"

/* SF, ZF and PF of a result of `bits` bits. PF is of the low byte. */
static uint64_t result_flags(uint32_t result, unsigned bits)
{
    result &= (uint32_t)(BIT(bits) - 1);
    return (result >> (bits - 1) ? FLAG_SF : 0) | (result ? 0 : FLAG_ZF) |
           (__builtin_parity(result & 0xff) ? 0 : FLAG_PF);
}

static uint64_t add_flags(uint32_t a, uint32_t b, unsigned bits)
{
    uint32_t result = a + b, overflow = ~(a ^ b) & (a ^ result);
    return result_flags(result, bits) | (overflow >> (bits - 1) & 1 ? FLAG_OF : 0) |
           (result >> bits & 1 ? FLAG_CF : 0) | ((a ^ b ^ result) & FLAG_AF);
}

static uint64_t subtract_flags(uint32_t a, uint32_t b, unsigned bits)
{
    uint32_t result = a - b, overflow = (a ^ b) & (a ^ result);
    return result_flags(result, bits) | (overflow >> (bits - 1) & 1 ? FLAG_OF : 0) | (a < b ? FLAG_CF : 0) |
           ((a ^ b ^ result) & FLAG_AF);
}

static bool low_digit_adjusts(const struct vcpu *vcpu)
{
    return (vcpu->gpr[REG_RAX] & 15) > 9 || (vcpu->flags & FLAG_AF);
}

/* Undefined: OF, SF, ZF, PF. They come from the 16-bit sum AX + 0106h (or AX + 0) before AL is masked. */
enum exec_result exec_aaa(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    uint32_t ax = (uint16_t)vcpu->gpr[REG_RAX];
    bool adjust = low_digit_adjusts(vcpu);
    uint32_t add = adjust ? 0x106 : 0;
    vcpu->flags = (add_flags(ax, add, 16) & ~(uint64_t)(FLAG_CF | FLAG_AF)) | (adjust ? FLAG_CF | FLAG_AF : 0);
    reg_write(vcpu, REG_RAX, 2, (ax + add) & 0xff0f);
    return EXEC_NEXT;
}

/* Undefined: OF, SF, ZF, PF. They come from the 16-bit difference AX - 0106h (or AX - 0) before AL is masked. */
enum exec_result exec_aas(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    uint32_t ax = (uint16_t)vcpu->gpr[REG_RAX];
    bool adjust = low_digit_adjusts(vcpu);
    uint32_t subtract = adjust ? 0x106 : 0;
    vcpu->flags =
        (subtract_flags(ax, subtract, 16) & ~(uint64_t)(FLAG_CF | FLAG_AF)) | (adjust ? FLAG_CF | FLAG_AF : 0);
    reg_write(vcpu, REG_RAX, 2, (ax - subtract) & 0xff0f);
    return EXEC_NEXT;
}

/* Undefined: OF, AF, CF. They are those of the 8-bit sum AL + (AH * base, truncated). */
enum exec_result exec_aad(struct vcpu *vcpu, const struct insn *insn)
{
    uint32_t al = (uint8_t)vcpu->gpr[REG_RAX], ah = (uint8_t)(vcpu->gpr[REG_RAX] >> 8);
    uint32_t add = ah * (uint8_t)insn->imm & 0xff;
    vcpu->flags = add_flags(al, add, 8);
    reg_write(vcpu, REG_RAX, 2, (al + add) & 0xff);
    return EXEC_NEXT;
}

/* Undefined: OF, AF, CF. They are cleared. */
enum exec_result exec_aam(struct vcpu *vcpu, const struct insn *insn)
{
    uint32_t al = (uint8_t)vcpu->gpr[REG_RAX], base = (uint8_t)insn->imm;
    if (!base) {
        vcpu_fault(vcpu, EXC_DE);
        return EXEC_FAULT;
    }
    vcpu->flags = result_flags(al % base, 8);
    reg_write(vcpu, REG_RAX, 2, al / base << 8 | al % base);
    return EXEC_NEXT;
}

/* Undefined: OF. It is that of the 8-bit sum AL + adjustment (0, 6, 60h or 66h). */
enum exec_result exec_daa(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    uint32_t al = (uint8_t)vcpu->gpr[REG_RAX], add = 0;
    uint64_t flags = 0;
    if (low_digit_adjusts(vcpu)) {
        add = 6;
        flags = FLAG_AF;
    }
    if (al > 0x99 || (vcpu->flags & FLAG_CF)) {
        add += 0x60;
        flags |= FLAG_CF;
    }
    vcpu->flags = flags | result_flags(al + add, 8) | (add_flags(al, add, 8) & FLAG_OF);
    reg_write(vcpu, REG_RAX, 1, al + add);
    return EXEC_NEXT;
}

/* Undefined: OF. It is that of the 8-bit difference AL - adjustment (0, 6, 60h or 66h). */
enum exec_result exec_das(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    uint32_t al = (uint8_t)vcpu->gpr[REG_RAX], subtract = 0;
    uint64_t flags = 0;
    if (low_digit_adjusts(vcpu)) {
        subtract = 6;
        flags = FLAG_AF | (al < 6 ? FLAG_CF : 0);
    }
    if (al > 0x99 || (vcpu->flags & FLAG_CF)) {
        subtract += 0x60;
        flags |= FLAG_CF;
    }
    vcpu->flags = flags | result_flags(al - subtract, 8) | (subtract_flags(al, subtract, 8) & FLAG_OF);
    reg_write(vcpu, REG_RAX, 1, al - subtract);
    return EXEC_NEXT;
}
