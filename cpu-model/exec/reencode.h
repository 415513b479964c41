/*
 * Writes a guest data instruction as host code: the same opcode and immediates, other registers and another memory
 * operand.
 *
 * The host runs 64-bit code, so the forms that mean something else there (40-4F, 82, A0-A3) are written in their ModRM
 * forms, and 16-bit operands get their prefix whatever mode they came from.
 */
#ifndef RING3_EXEC_REENCODE_H
#define RING3_EXEC_REENCODE_H

#include "cpu-model/exec/insn.h"

enum { REENCODE_MAX = 24 };

/* The host's side of the instruction's operands; only those that the instruction has are looked at. */
struct host_operands {
    uint8_t reg, rm, vvvv; /* host registers for the fields that name general registers (not for AH..BH: those stay) */
    uint8_t base, index;   /* memory operand: [base + (index << shift) + disp]; index REG_NONE: absent */
    uint8_t shift;
    int32_t disp;
};

/* Returns the length. High-byte operands need base and all other registers below 8 (no REX): reencode_needs_no_rex().
 */
unsigned insn_reencode(uint8_t *out, const struct insn *insn, const struct host_operands *host);

/* AH, CH, DH or BH is an operand: no REX prefix may appear. */
static inline bool insn_no_rex(const struct insn *insn)
{
    return insn->high_byte_reg || insn->high_byte_rm;
}

/* SSE and AVX instructions whose memory operand must be aligned to its size, else #GP before anything else. */
bool insn_insists_on_alignment(const struct insn *insn);

#endif
