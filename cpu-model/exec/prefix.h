/*
 * Segment-override prefixes of instructions whose memory operand is implicit, which struct insn does not describe.
 */
#ifndef RING3_EXEC_PREFIX_H
#define RING3_EXEC_PREFIX_H

#include "cpu-model/exec/insn.h"

/* The segment of an implicit operand at rSI, rDI (MASKMOV) or rBX: the last prefix's, else DS. ES, CS, SS and DS
 * overrides mean nothing in 64-bit mode. */
static inline unsigned insn_implicit_segment(const struct insn *insn)
{
    unsigned segment = SEG_DS;
    for (unsigned i = 0; i < insn->length; i++) {
        switch (insn->bytes[i]) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            if (insn->code_size != 8)
                segment = insn->bytes[i] >> 3 & 3;
            break;
        case 0x64:
            segment = SEG_FS;
            break;
        case 0x65:
            segment = SEG_GS;
            break;
        case 0x66:
        case 0x67:
        case 0xf0:
        case 0xf2:
        case 0xf3:
            break;
        default:
            return segment;
        }
    }
    return segment;
}

#endif
