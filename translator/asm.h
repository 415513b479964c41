/*
 * Writing host instructions: one small function per form that translated code uses, each with the listing it emits.
 *
 * Nothing here checks for room: the caller keeps EMIT_RED_ZONE bytes free before each guest instruction. Host registers
 * are numbered as the hardware does. State operands are [gs:disp32], see softmmu/shadow.h.
 */
#ifndef RING3_TRANSLATOR_ASM_H
#define RING3_TRANSLATOR_ASM_H

#include "cpu-model/base/log.h"

enum host_register {
    HOST_RAX,
    HOST_RCX, /* scratch: the only register JRCXZ can test */
    HOST_RDX,
    HOST_RBX,
    HOST_RSP, /* the return stack */
    HOST_RBP,
    HOST_RSI,
    HOST_RDI,
    HOST_R8,
    HOST_R9,
    HOST_R10, /* guest RCX */
    HOST_R11, /* guest RSP */
    HOST_R12,
    HOST_R13,
    HOST_R14,
    HOST_R15, /* second scratch, called t below */
    HOST_T = HOST_R15,
    HOST_NONE = 0xff,
};

/* A place in the translation cache that is being written, and what the host's CPU allows there (asm_bits.h). */
struct emitter {
    uint8_t *at;
    bool bmi2, fast_pext;
    bool verify;         /* polls are counted: see e_poll() */
    uint8_t flags_saved; /* depth of e_flags_save() */
    const uint8_t *view; /* a view's base, for the values of its constants */
};

static inline void e8(struct emitter *e, unsigned v)
{
    *e->at++ = (uint8_t)v;
}

static inline void e_bytes(struct emitter *e, const uint8_t *bytes, size_t count)
{
    __builtin_memcpy(e->at, bytes, count);
    e->at += count;
}

static inline void e32(struct emitter *e, uint32_t v)
{
    __builtin_memcpy(e->at, &v, 4);
    e->at += 4;
}

static inline void e64(struct emitter *e, uint64_t v)
{
    __builtin_memcpy(e->at, &v, 8);
    e->at += 8;
}

/* REX for a 64-bit or 32-bit operation on reg and a base. */
static inline void e_rex(struct emitter *e, bool w, unsigned reg, unsigned index, unsigned base)
{
    unsigned rex = 0x40 | (unsigned)w << 3 | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3;
    if (rex != 0x40)
        e8(e, rex);
}

/* op reg, [gs:disp]: opcode 8B load, 89 store, 63 movsxd... */
static inline void e_state(struct emitter *e, bool w, unsigned opcode, unsigned reg, int32_t disp)
{
    e8(e, 0x65);
    e_rex(e, w, reg, 0, 0);
    e8(e, opcode);
    e8(e, (reg & 7) << 3 | 4);
    e8(e, 0x25);
    e32(e, (uint32_t)disp);
}

static inline void e_load_state(struct emitter *e, unsigned reg, int32_t disp) /* mov reg, gs:[disp] */
{
    e_state(e, true, 0x8b, reg, disp);
}

static inline void e_store_state(struct emitter *e, unsigned reg, int32_t disp) /* mov gs:[disp], reg */
{
    e_state(e, true, 0x89, reg, disp);
}

static inline void e_load_state32(struct emitter *e, unsigned reg, int32_t disp)
{
    e_state(e, false, 0x8b, reg, disp);
}

/* mov to, from */
static inline void e_mov(struct emitter *e, unsigned to, unsigned from)
{
    e_rex(e, true, from, 0, to);
    e8(e, 0x89);
    e8(e, 0xc0 | (from & 7) << 3 | (to & 7));
}

static inline void e_mov32(struct emitter *e, unsigned to, unsigned from)
{
    e_rex(e, false, from, 0, to);
    e8(e, 0x89);
    e8(e, 0xc0 | (from & 7) << 3 | (to & 7));
}

/* The 16-bit form of the instruction emitted next. */
static inline void e_operand16(struct emitter *e)
{
    e8(e, 0x66);
}

/* mov to16, from16: the rest of `to` stays */
static inline void e_mov16(struct emitter *e, unsigned to, unsigned from)
{
    e_operand16(e);
    e_mov32(e, to, from);
}

/* movzx to32, from16 */
static inline void e_movzx16(struct emitter *e, unsigned to, unsigned from)
{
    e_rex(e, false, to, 0, from);
    e8(e, 0x0f);
    e8(e, 0xb7);
    e8(e, 0xc0 | (to & 7) << 3 | (from & 7));
}

/* movzx to32, from8: with a REX always, or 4 to 7 would mean AH to BH */
static inline void e_movzx8(struct emitter *e, unsigned to, unsigned from)
{
    e8(e, 0x40 | (to >> 3) << 2 | from >> 3);
    e8(e, 0x0f);
    e8(e, 0xb6);
    e8(e, 0xc0 | (to & 7) << 3 | (from & 7));
}

/* movzx to32, word gs:[disp] */
static inline void e_load_state16(struct emitter *e, unsigned to, int32_t disp)
{
    e8(e, 0x65);
    e_rex(e, false, to, 0, 0);
    e8(e, 0x0f);
    e8(e, 0xb7);
    e8(e, (to & 7) << 3 | 4);
    e8(e, 0x25);
    e32(e, (uint32_t)disp);
}

/* not reg32: the one arithmetic instruction of its kind that leaves the flags alone */
static inline void e_not32(struct emitter *e, unsigned reg)
{
    e_rex(e, false, 0, 0, reg);
    e8(e, 0xf7);
    e8(e, 0xd0 | (reg & 7));
}

/* shr/sar reg, count; and reg, gs:[disp]: write flags, see e_flags_save() */
enum { SHIFT_SHR = 5, SHIFT_SAR = 7 };
static inline void e_shift(struct emitter *e, unsigned operation, unsigned reg, unsigned count)
{
    e_rex(e, true, 0, 0, reg);
    e8(e, 0xc1);
    e8(e, 0xc0 | operation << 3 | (reg & 7));
    e8(e, count);
}

static inline void e_and_state(struct emitter *e, unsigned reg, int32_t disp)
{
    e_state(e, true, 0x23, reg, disp);
}

/* mov reg, value in the shortest form */
static inline void e_mov_imm(struct emitter *e, unsigned reg, uint64_t value)
{
    if (value <= 0xffffffff) {
        e_rex(e, false, 0, 0, reg);
        e8(e, 0xb8 | (reg & 7));
        e32(e, (uint32_t)value);
    } else if (value >= 0xffffffff80000000ull) {
        e_rex(e, true, 0, 0, reg);
        e8(e, 0xc7);
        e8(e, 0xc0 | (reg & 7));
        e32(e, (uint32_t)value);
    } else {
        e_rex(e, true, 0, 0, reg);
        e8(e, 0xb8 | (reg & 7));
        e64(e, value);
    }
}

/* ModRM, SIB and displacement of [base + index * scale + disp]; index HOST_NONE: none. base HOST_NONE: [index*scale +
 * disp32]. */
static inline void e_modrm_mem(struct emitter *e, unsigned reg, unsigned base, unsigned index, unsigned scale,
                               int32_t disp)
{
    static const uint8_t log2[9] = {[1] = 0, [2] = 1, [4] = 2, [8] = 3};
    unsigned r = (reg & 7) << 3;
    if (base == HOST_NONE) {
        e8(e, r | 4);
        e8(e, (unsigned)(index == HOST_NONE ? 0 : log2[scale]) << 6 | (index == HOST_NONE ? 4 : index & 7) << 3 | 5);
        e32(e, (uint32_t)disp);
        return;
    }
    bool sib = index != HOST_NONE || (base & 7) == 4;
    unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : disp == (int8_t)disp ? 1 : 2;
    e8(e, mod << 6 | r | (sib ? 4 : base & 7));
    if (sib)
        e8(e, (unsigned)(index == HOST_NONE ? 0 : log2[scale]) << 6 | (index == HOST_NONE ? 4 : index & 7) << 3 |
                  (base & 7));
    if (mod == 1)
        e8(e, (unsigned)disp);
    else if (mod == 2)
        e32(e, (uint32_t)disp);
}

/* op reg, [base + index * scale + disp] with a one-byte opcode */
static inline void e_op_mem(struct emitter *e, bool w, unsigned opcode, unsigned reg, unsigned base, unsigned index,
                            unsigned scale, int32_t disp)
{
    e_rex(e, w, reg, index == HOST_NONE ? 0 : index, base == HOST_NONE ? 0 : base);
    e8(e, opcode);
    e_modrm_mem(e, reg, base, index, scale, disp);
}

/* movzx reg32, word [base + index * scale + disp] */
static inline void e_load16(struct emitter *e, unsigned reg, unsigned base, unsigned index, int32_t disp)
{
    e_rex(e, false, reg, index == HOST_NONE ? 0 : index, base);
    e8(e, 0x0f);
    e8(e, 0xb7);
    e_modrm_mem(e, reg, base, index, 1, disp);
}

/* lea reg, [base + index * scale + disp] (64 or 32 bits wide) */
static inline void e_lea(struct emitter *e, bool w, unsigned reg, unsigned base, unsigned index, unsigned scale,
                         int32_t disp)
{
    e_op_mem(e, w, 0x8d, reg, base, index, scale, disp);
}

/* pext to, from, gs:[mask] */
static inline void e_pext(struct emitter *e, unsigned to, unsigned from, int32_t mask)
{
    e8(e, 0x65);
    e8(e, 0xc4);
    e8(e, (to >= 8 ? 0 : 0x80) | 0x60 | 2);
    e8(e, 0x80 | (~from & 15) << 3 | 2);
    e8(e, 0xf5);
    e8(e, (to & 7) << 3 | 4);
    e8(e, 0x25);
    e32(e, (uint32_t)mask);
}

/* pdep to, from, gs:[mask] */
static inline void e_pdep(struct emitter *e, unsigned to, unsigned from, int32_t mask)
{
    uint8_t *start = e->at;
    e_pext(e, to, from, mask);
    start[3] |= 1; /* pp: F3 -> F2 */
}

/* rorx to, from, count */
static inline void e_rorx(struct emitter *e, unsigned to, unsigned from, unsigned count)
{
    e8(e, 0xc4);
    e8(e, (to >= 8 ? 0 : 0x80) | 0x40 | (from >= 8 ? 0 : 0x20) | 3);
    e8(e, 0xfb);
    e8(e, 0xf0);
    e8(e, 0xc0 | (to & 7) << 3 | (from & 7));
    e8(e, count);
}

/* sarx to, from, count (64 or 32 bits) */
static inline void e_sarx(struct emitter *e, bool w, unsigned to, unsigned from, unsigned count)
{
    e8(e, 0xc4);
    e8(e, (to >= 8 ? 0 : 0x80) | 0x40 | (from >= 8 ? 0 : 0x20) | 2);
    e8(e, (unsigned)w << 7 | (~count & 15) << 3 | 2);
    e8(e, 0xf7);
    e8(e, 0xc0 | (to & 7) << 3 | (from & 7));
}

/* movsxd to, from32 */
static inline void e_movsxd(struct emitter *e, unsigned to, unsigned from)
{
    e_rex(e, true, to, 0, from);
    e8(e, 0x63);
    e8(e, 0xc0 | (to & 7) << 3 | (from & 7));
}

/* mov to, gs:[index * scale + table] */
static inline void e_load_table(struct emitter *e, unsigned to, unsigned index, unsigned scale, int32_t table)
{
    e8(e, 0x65);
    e_op_mem(e, true, 0x8b, to, HOST_NONE, index, scale, table);
}

/* movzx to32, byte gs:[index + table] */
static inline void e_load_byte_table(struct emitter *e, unsigned to, unsigned index, int32_t table)
{
    e8(e, 0x65);
    e_rex(e, false, to, index, 0);
    e8(e, 0x0f);
    e8(e, 0xb6);
    e_modrm_mem(e, to, HOST_NONE, index, 1, table);
}

/* jrcxz: returns the place of its rel8 for e_patch8() */
static inline uint8_t *e_jrcxz(struct emitter *e)
{
    e8(e, 0xe3);
    e8(e, 0);
    return e->at - 1;
}

/* jmp rel8 */
static inline uint8_t *e_jmp8(struct emitter *e)
{
    e8(e, 0xeb);
    e8(e, 0);
    return e->at - 1;
}

/* jmp rel32 / call rel32 / jcc rel32: return the place of the rel32 */
static inline uint8_t *e_jmp32(struct emitter *e)
{
    e8(e, 0xe9);
    e32(e, 0);
    return e->at - 4;
}

static inline uint8_t *e_call32(struct emitter *e)
{
    e8(e, 0xe8);
    e32(e, 0);
    return e->at - 4;
}

static inline uint8_t *e_jcc32(struct emitter *e, unsigned condition)
{
    e8(e, 0x0f);
    e8(e, 0x80 | condition);
    e32(e, 0);
    return e->at - 4;
}

/* Makes a short jump whose rel8 is at `place` go to `target`, which is in reach. */
static inline void e_patch8(uint8_t *place, const uint8_t *target)
{
    ptrdiff_t distance = target - (place + 1);
    ASSERT(distance == (int8_t)distance);
    *place = (uint8_t)distance;
}

static inline void e_patch32(uint8_t *place, const uint8_t *target)
{
    int32_t distance = (int32_t)(target - (place + 4));
    __builtin_memcpy(place, &distance, 4);
}

static inline void e_push(struct emitter *e, unsigned reg)
{
    e_rex(e, false, 0, 0, reg);
    e8(e, 0x50 | (reg & 7));
}

static inline void e_pop(struct emitter *e, unsigned reg)
{
    e_rex(e, false, 0, 0, reg);
    e8(e, 0x58 | (reg & 7));
}

#endif
