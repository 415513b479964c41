/*
 * Operand access for exec functions: effective addresses, segmentation checks, general registers by number and width.
 *
 * Functions that return false have raised vcpu->exception and changed nothing. Segment limit and rights violations are
 * #GP(0), or #SS(0) through SS; non-canonical addresses likewise. Order as in the SDM: segmentation, then alignment
 * (#AC), then paging. Source: SDM Vol. 1 "Operand addressing", Vol. 3 "Limit checking", "Type checking", "Canonical".
 */
#ifndef RING3_EXEC_MEMORY_H
#define RING3_EXEC_MEMORY_H

#include "cpu-model/exec/insn.h"
#include "softmmu/mmu.h"

static inline bool vcpu_user(const struct vcpu *vcpu)
{
    return vcpu->cpl == 3;
}

/* Offset of the memory operand in its segment, wrapped to the address size. */
uint64_t insn_offset(const struct vcpu *vcpu, const struct insn *insn);

/* Checks [offset, offset + size) against the segment and gives its linear address (wrapped to 32 bits outside 64-bit
 * mode). */
bool seg_linear(struct vcpu *vcpu, unsigned segment, uint64_t offset, unsigned size, enum access access, lin_t *out);

/* The memory operand's linear address, checked for its own access and size. */
bool insn_linear(struct vcpu *vcpu, const struct insn *insn, unsigned size, enum access access, lin_t *out);

/* Reads and writes through a segment with the current privilege. */
bool seg_read(struct vcpu *vcpu, unsigned segment, uint64_t offset, unsigned size, uint64_t *value);
bool seg_write(struct vcpu *vcpu, unsigned segment, uint64_t offset, unsigned size, uint64_t value);

/* The memory operand, `size` bytes. */
bool insn_read(struct vcpu *vcpu, const struct insn *insn, unsigned size, uint64_t *value);
bool insn_write(struct vcpu *vcpu, const struct insn *insn, unsigned size, uint64_t value);

/* ModRM.rm as register or memory, `size` bytes, zero-extended. Register writes of 4 bytes clear the upper half; of 1 or
 * 2 keep the rest. */
bool insn_read_rm(struct vcpu *vcpu, const struct insn *insn, unsigned size, uint64_t *value);
bool insn_write_rm(struct vcpu *vcpu, const struct insn *insn, unsigned size, uint64_t value);

/* General register by number and width (1: low byte). */
static inline uint64_t reg_read(const struct vcpu *vcpu, unsigned reg, unsigned size)
{
    return zero_extend(vcpu->gpr[reg], size);
}

static inline void reg_write(struct vcpu *vcpu, unsigned reg, unsigned size, uint64_t value)
{
    if (size >= 4)
        vcpu->gpr[reg] = zero_extend(value, size);
    else
        vcpu->gpr[reg] = (vcpu->gpr[reg] & ~(BIT(size * 8) - 1)) | zero_extend(value, size);
}

/*
 * The stack: `size` bytes at SS:eSP with the stack's own width. stack_push() moves eSP only when the store succeeded.
 */
bool stack_push(struct vcpu *vcpu, unsigned size, uint64_t value);
/* Reads `size` bytes at eSP + displacement, without moving eSP. */
bool stack_peek(struct vcpu *vcpu, int64_t displacement, unsigned size, uint64_t *value);
/* eSP += displacement, wrapped to the stack's width, upper bits kept. */
void stack_adjust(struct vcpu *vcpu, int64_t displacement);

static inline bool lin_canonical(uint64_t v)
{
    return (uint64_t)((int64_t)(v << 16) >> 16) == v;
}

#endif
