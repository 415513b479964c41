/* Writing the instructions of random programs: prefixes, opcodes, operands that land where the tests want them. */
#ifndef RING3_TESTS_BLOCKS_MAKER_H
#define RING3_TESTS_BLOCKS_MAKER_H

#include "tests/blocks/generate.h"

struct maker {
    struct program *program;
    struct random *r;
    struct item *item;
    enum block_mode mode;
    unsigned code_size, flavours;
    bool user;
};

static inline void b(struct maker *m, unsigned byte)
{
    if (m->item->length < ITEM_BYTES)
        m->item->bytes[m->item->length++] = (uint8_t)byte;
}

static inline void bytes(struct maker *m, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        b(m, (unsigned)(value >> 8 * i) & 0xff);
}

static inline unsigned any(struct maker *m, unsigned n)
{
    return random_below(m->r, n);
}

static inline bool wide(const struct maker *m)
{
    return m->code_size == 8;
}

/* A register to be written: mostly none of those that point somewhere. */
static inline unsigned result_register(struct maker *m)
{
    static const uint8_t loose[] = {0, 1, 2, 12, 13, 14, 15, 0, 2};
    unsigned reg = one_in(m->r, 12) ? any(m, 16) : loose[any(m, sizeof(loose))];
    return wide(m) ? reg : reg & 7;
}

/* ---- operands ---- */

struct operand {
    unsigned rex, modrm, sib, disp_size;
    bool has_sib, address_prefix;
    uint32_t disp;
};

/* An address in the data: often at a page's end. */
static inline uint32_t data_address(struct maker *m)
{
    uint32_t page = any(m, 8) << 12;
    if (one_in(m->r, 12))
        page = 12u << 12; /* the stack */
    return page + (any(m, 2) ? any(m, 0x1000) : (0xff0 + any(m, 0x18)) & 0xfff);
}

static inline void memory_operand(struct maker *m, struct operand *o)
{
    bool small = m->code_size == 2;
    if (one_in(m->r, 16) && !wide(m)) {
        o->address_prefix = true;
        small = !small;
    } else if (wide(m) && one_in(m->r, 16)) {
        o->address_prefix = true;
    }
    if (small) {
        unsigned form = any(m, 3);
        o->modrm = form << 6 | any(m, 8);
        o->disp_size = form == 1 ? 1 : form == 2 || (o->modrm & 7) == 6 ? 2 : 0;
        if (form == 1 && (o->modrm & 7) == 6)
            o->disp_size = 1;
        o->disp = o->disp_size == 1 ? any(m, 32) - 16u : form == 0 ? data_address(m) & 0x7fff : any(m, 0x2000);
        return;
    }
    unsigned kind = any(m, 10);
    uint32_t base = m->code_size == 2 ? 0 : DATA; /* 32-bit addresses in segments that start at DATA */
    if (kind == 0) {                              /* absolute; in 64-bit code by a SIB byte */
        o->modrm = wide(m) ? 4 : 5;
        o->has_sib = wide(m);
        o->sib = 0x25;
        o->disp_size = 4;
        o->disp = base + data_address(m);
        return;
    }
    static const uint8_t pointers[] = {3, 6, 7, 5, 8, 9, 10, 11};
    unsigned reg = pointers[any(m, wide(m) ? 8 : 4)], form = any(m, 3);
    if (one_in(m->r, 10))
        reg = 4; /* the stack pointer */
    if (form == 0 && (reg & 7) == 5)
        form = 1;
    o->rex |= reg >> 3;
    o->disp_size = form == 1 ? 1 : form == 2 ? 4 : 0;
    o->disp = form == 1 ? any(m, 64) - 32u : any(m, 2) ? any(m, 0x1000) - 0x800u : any(m, 32);
    o->modrm = form << 6 | (reg & 7);
    if ((reg & 7) == 4 || kind < 4) {
        unsigned index = kind < 4 ? (one_in(m->r, 8) ? any(m, 16) : one_in(m->r, 2) ? 1 : 2) : 4;
        if (!wide(m))
            index &= 7;
        o->modrm = form << 6 | 4;
        o->has_sib = true;
        o->rex |= index >> 3 << 1;
        o->sib = any(m, 4) << 6 | (index & 7) << 3 | (reg & 7);
    }
}

/* ModRM with the operand [at], an address in the segment that starts at DATA in 16-bit code; in 64-bit code by a SIB
 * byte. */
static inline void absolute_operand(struct maker *m, unsigned reg, uint32_t at)
{
    bool small = m->code_size == 2;
    b(m, reg << 3 | (wide(m) ? 4u : small ? 6u : 5u));
    if (wide(m))
        b(m, 0x25);
    bytes(m, small ? at - DATA : at, small ? 2 : 4);
}

enum { REGISTER_ONLY = 1, MEMORY_ONLY = 2 };

struct op {
    unsigned map; /* 0, 0Fh */
    unsigned opcode, prefix, reg;
    unsigned size; /* 0: as it comes; else REX.W */
    unsigned rules;
    bool byte, reg_is_result, lockable, no_size;
};

/* Prefixes, opcode, ModRM and what follows it. */
static inline void modrm_instruction(struct maker *m, struct op op)
{
    struct operand o = {0};
    bool memory = op.rules == MEMORY_ONLY || (op.rules != REGISTER_ONLY && any(m, 8) < 5);
    unsigned rm = result_register(m);
    if (memory) {
        memory_operand(m, &o);
    } else {
        o.modrm = 0xc0 | (rm & 7);
        o.rex |= rm >> 3;
    }
    o.modrm |= (op.reg & 7) << 3;
    o.rex |= op.reg >> 3 << 2;
    if (wide(m) && !op.no_size && any(m, 2))
        o.rex |= 8;
    if (memory && one_in(m->r, 8)) {
        static const uint8_t overrides[] = {0x26, 0x36, 0x3e, 0x64, 0x65, 0x64};
        b(m, overrides[any(m, 6)]);
    }
    if (memory && op.lockable && one_in(m->r, 4))
        b(m, 0xf0);
    if (!op.no_size && !op.byte && one_in(m->r, 5))
        b(m, 0x66);
    if (o.address_prefix)
        b(m, 0x67);
    if (op.prefix)
        b(m, op.prefix);
    if (wide(m) && (o.rex || (op.byte && one_in(m->r, 4))))
        b(m, 0x40 | o.rex);
    if (op.map)
        b(m, 0x0f);
    b(m, op.opcode);
    b(m, o.modrm);
    if (o.has_sib)
        b(m, o.sib);
    bytes(m, o.disp, o.disp_size);
}

static inline bool has_prefix(const struct item *item, unsigned prefix)
{
    for (unsigned i = 0; i < item->length && i < 5; i++)
        if (item->bytes[i] == prefix)
            return true;
    return false;
}

/* far.c: a far transfer; one to selector:offset, or (offset 0) to an item; the offset in the segment, which starts
 * `shift` paragraphs lower, of one of the next items. */
void make_far(struct maker *m);
void go_far(struct maker *m, unsigned selector, uint32_t offset, unsigned shift, bool call);
void absolute_target(struct maker *m, unsigned size, unsigned shift);

/* syscalls.c: a fast system call, or what belongs to one; and where they lead to in this program. */
void make_system_call(struct maker *m);
void choose_system_calls(struct maker *m);

/* tasks.c: a task switch; in long and real mode, which have none, a far transfer. */
void make_task_switch(struct maker *m);

/* generate.c: pushf; or word [(r)sp], set; and word [(r)sp], ~clear. Clobbers nothing. */
void change_flags(struct maker *m, unsigned set, unsigned clear);

/* The immediate of an instruction whose prefixes have been written. */
static inline void immediate(struct maker *m, bool byte)
{
    unsigned size = byte ? 1 : (m->code_size == 2) != has_prefix(m->item, 0x66) ? 2 : 4;
    m->item->imm_at = m->item->length;
    bytes(m, random_value(m->r), size);
}

#endif
