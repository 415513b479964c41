/*
 * Cutting bits out of addresses and flags without touching the guest's arithmetic flags: what the host's CPU allows.
 *
 *     PEXT is fast       pext, pdep
 *     it is slow         LEA shifts left, RORX right; a 32-bit or 16-bit form drops the upper bits
 *     there is no BMI2   what RORX did, a store and a load at another offset do
 *
 * Where neither serves, the flags wait in AX (e_flags_save) while SHR and AND do it. "slot" in a name: the form belongs
 * to the plain layout of views, softmmu/shadow.h.
 */
#ifndef RING3_TRANSLATOR_ASM_BITS_H
#define RING3_TRANSLATOR_ASM_BITS_H

#include "softmmu/shadow.h"
#include "translator/asm.h"

/* Where translated code finds a member of the view's constants, relative to GS. */
#define CONSTANT(member) ((int32_t)(VIEW_CONSTANTS + offsetof(struct view_constants, member)))

#define STATE_SHIFT     ((int32_t)offsetof(struct vcpu, shift))
#define STATE_FLAGS_RAX ((int32_t)offsetof(struct vcpu, flags_rax))

/*
 * Between the two, flags may be written and guest RAX may not be used: nothing where PEXT is fast.
 *     mov   gs:[flags_rax], rax; lahf; seto al
 *     ...
 *     add   al, 7fh; sahf; mov rax, gs:[flags_rax]
 */
static inline void e_flags_save(struct emitter *e)
{
    static const uint8_t code[] = {0x9f, 0x0f, 0x90, 0xc0};
    if (e->fast_pext || e->flags_saved++)
        return;
    e_store_state(e, HOST_RAX, STATE_FLAGS_RAX);
    e_bytes(e, code, sizeof(code));
}

static inline void e_flags_restore(struct emitter *e)
{
    static const uint8_t code[] = {0x04, 0x7f, 0x9e};
    if (e->fast_pext || --e->flags_saved)
        return;
    e_bytes(e, code, sizeof(code));
    e_load_state(e, HOST_RAX, STATE_FLAGS_RAX);
}

/* to = the bits of `from` that `mask` (a run of ones in the constants) selects, moved to the bottom; of a mask with
 * gaps, a value that is 0 exactly when those bits are. to is not RAX. */
static inline void e_extract(struct emitter *e, unsigned to, unsigned from, int32_t mask)
{
    if (e->fast_pext) {
        e_pext(e, to, from, mask);
        return;
    }
    uint64_t value;
    __builtin_memcpy(&value, e->view + mask, 8);
    unsigned shift = (unsigned)__builtin_ctzll(value);
    if (to != from)
        e_mov(e, to, from);
    e_flags_save(e);
    if (value >> shift != UINT64_MAX >> shift)
        e_and_state(e, to, mask);
    if (shift)
        e_shift(e, SHIFT_SHR, to, shift);
    e_flags_restore(e);
}

/* reg &= mask in the constants; not RAX */
static inline void e_and(struct emitter *e, unsigned reg, int32_t mask)
{
    if (e->fast_pext) {
        e_pext(e, reg, reg, mask);
        e_pdep(e, reg, reg, mask);
        return;
    }
    e_flags_save(e);
    e_and_state(e, reg, mask);
    e_flags_restore(e);
}

/* to = from & (2^log2 - 1) */
static inline void e_low_bits(struct emitter *e, unsigned to, unsigned from, unsigned log2)
{
    if (e->fast_pext) {
        e_pext(e, to, from, CONSTANT(low_mask) + 8 * (int32_t)log2);
        return;
    }
    e_movzx8(e, to, from);
    e_load_byte_table(e, to, to, CONSTANT(low_bits) + 256 * (int32_t)log2);
}

/* to = from >> 32 */
static inline void e_high_half(struct emitter *e, unsigned to, unsigned from)
{
    if (e->bmi2) {
        e_rorx(e, to, from, 32);
        e_mov32(e, to, to);
    } else {
        e_store_state(e, from, STATE_SHIFT);
        e_load_state32(e, to, STATE_SHIFT + 4);
    }
}

/* to = from << 32 | from >> 32 */
static inline void e_swap_halves(struct emitter *e, unsigned to, unsigned from)
{
    if (e->bmi2) {
        e_rorx(e, to, from, 32);
    } else {
        e_store_state(e, from, STATE_SHIFT);
        e_store_state(e, from, STATE_SHIFT + 8);
        e_load_state(e, to, STATE_SHIFT + 4);
    }
}

/* to = the n-th 16 bits of from */
static inline void e_word(struct emitter *e, unsigned to, unsigned from, unsigned n)
{
    if (e->bmi2) {
        e_rorx(e, to, from, 16 * n);
        e_movzx16(e, to, to);
    } else {
        e_store_state(e, from, STATE_SHIFT);
        e_load_state16(e, to, STATE_SHIFT + 2 * (int32_t)n);
    }
}

/* to = the number of the window region that the linear address in `from` is in: softmmu/window.h */
static inline void e_region(struct emitter *e, unsigned to, unsigned from)
{
    if (e->fast_pext)
        e_pext(e, to, from, CONSTANT(region_mask));
    else
        e_word(e, to, from, WINDOW_REGION_BITS / 16);
}

/* to = from >> count, signed; from the lower 32 bits, if not w, sign-extended. to is neither `from` nor RAX. */
static inline void e_shift_signed(struct emitter *e, bool w, unsigned to, unsigned from, unsigned count)
{
    if (e->bmi2) {
        e_mov_imm(e, to, count);
        e_sarx(e, w, to, from, to);
        if (!w)
            e_movsxd(e, to, to);
        return;
    }
    if (w)
        e_mov(e, to, from);
    else
        e_movsxd(e, to, from);
    e_flags_save(e);
    e_shift(e, SHIFT_SAR, to, count);
    e_flags_restore(e);
}

/* to = offset of the linear address's slot, in the plain layout: bits 12 to 38, moved to 5 to 31 */
static inline void e_slot(struct emitter *e, unsigned to, unsigned from)
{
    if (e->bmi2) {
        e_rorx(e, to, from, 12);
    } else { /* bits 12 to 43 */
        e_lea(e, true, to, HOST_NONE, from, 8, 0);
        e_lea(e, true, to, to, to, 1, 0);
        e_store_state(e, to, STATE_SHIFT);
        e_load_state32(e, to, STATE_SHIFT + 2);
    }
    e_lea(e, false, to, HOST_NONE, to, 8, 0);
    e_lea(e, false, to, HOST_NONE, to, 4, 0);
}

/* to = the shadow entry of `table` for the linear address in `from` */
static inline void e_load_entry(struct emitter *e, unsigned to, unsigned from, int32_t table)
{
    if (e->fast_pext) {
        e_pext(e, to, from, CONSTANT(index_mask));
        e_load_table(e, to, to, 8, table);
    } else {
        e_slot(e, to, from);
        e_load_table(e, to, to, 1, (int32_t)entry_offset(true, table, 0));
    }
}

/* The same where the index is known. */
static inline void e_load_entry_at(struct emitter *e, unsigned to, uint64_t index, int32_t table)
{
    int64_t offset = entry_offset(!e->fast_pext, table, index);
    if (offset == (int32_t)offset) {
        e_load_state(e, to, (int32_t)offset);
    } else {
        e_mov_imm(e, to, 32 * index);
        e_load_table(e, to, to, 1, (int32_t)(offset - (int64_t)(32 * index)));
    }
}

/* to = where the jump cache has the entry for the target in `from`, for the two below; not RSP */
static inline void e_jump_index(struct emitter *e, unsigned to, unsigned from)
{
    if (e->fast_pext) {
        e_pext(e, to, from, CONSTANT(jump_mask));
        return;
    }
    _Static_assert(JUMP_BITS + 5 == 16, "the entry's number times 32 is 16 bits long");
    e_lea(e, false, to, HOST_NONE, from, 8, 0);
    e_lea(e, false, to, HOST_NONE, to, 4, 0);
    e_movzx16(e, to, to);
}

static inline void e_load_jump_tag(struct emitter *e, unsigned to, unsigned index)
{
    if (e->fast_pext)
        e_load_table(e, to, index, 8, VIEW_JUMP_TAGS);
    else
        e_load_table(e, to, index, 1, VIEW_JUMP_SLOTS);
}

/* jmp gs:[the host code] */
static inline void e_jump_indexed(struct emitter *e, unsigned index)
{
    e8(e, 0x65);
    e_rex(e, false, 0, index, 0);
    e8(e, 0xff);
    if (e->fast_pext)
        e_modrm_mem(e, 4, HOST_NONE, index, 8, VIEW_JUMP_HOSTS);
    else
        e_modrm_mem(e, 4, HOST_NONE, index, 1, VIEW_JUMP_SLOTS + 8);
}

#endif
