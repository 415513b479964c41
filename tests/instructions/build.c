/*
 * Makes experiments. See build.h.
 *
 * An instruction is drawn at random from its form, decoded, and then the registers of its address are solved for the
 * place its operand is to have: inside a page, at its end, across into a neighbour of the same or other rights.
 */
#include "tests/instructions/build.h"

#include <stdio.h>
#include <string.h>

#include "cpu-model/exec/rules.h"

struct builder {
    struct program *program;
    const struct cpu_features *features;
    struct random *r;
    unsigned mode;
    bool block;
    uint16_t clean; /* block: registers that still hold data addresses */
    bool rcx_small;
};

/* ---- where operands go ---- */

static uint64_t page_at(unsigned page)
{
    return DATA_BASE + page * 4096ull;
}

static uint64_t inside(struct builder *b, unsigned page, unsigned size, bool aligned)
{
    unsigned offset = random_below(b->r, 4096 - (size < 4096 ? size : 0) + 1);
    if (aligned && size)
        offset &= ~((size & (size - 1) ? 16 : size) - 1);
    return page_at(page) + offset;
}

/* Across the end of `page`. */
static uint64_t across(struct builder *b, unsigned page, unsigned size)
{
    return page_at(page + 1) - (size > 1 ? 1 + random_below(b->r, size - 1) : 1);
}

static uint64_t choose_place(struct builder *b, unsigned size)
{
    unsigned rw = writable_page[random_below(b->r, WRITABLE_PAGES)];
    switch (random_below(b->r, 20)) {
    default:
        return inside(b, rw, size, true);
    case 8:
    case 9:
    case 10:
        return inside(b, rw, size, false);
    case 11:
    case 12:
        return page_at(rw + 1) - (size < 4096 ? size : 0);
    case 13:
    case 14:
        return across(b, PAGE_RW0, size);
    case 15:
        return across(b, PAGE_RW1, size);
    case 16:
        return across(b, PAGE_RW2, size); /* into a read-only page */
    case 17:
        return one_in(b->r, 2) ? across(b, PAGE_RO0, size) : across(b, PAGE_RO1, size);
    case 18:
        return inside(b, PAGE_RO0, size, one_in(b->r, 2));
    case 19:
        return one_in(b->r, 2) ? inside(b, PAGE_HOLE0, size, false) : across(b, PAGE_HOLE0, size);
    }
}

static uint64_t segment_base(const struct builder *b, unsigned segment)
{
    if (segment == SEG_FS)
        return FS_BASE;
    if (segment == SEG_GS)
        return GS_BASE;
    if (b->mode != LAB_COMPAT16)
        return 0;
    return segment == SEG_CS ? CODE_BASE : DATA_BASE;
}

static void poke(struct builder *b, uint64_t at, uint64_t value)
{
    struct experiment *x = &b->program->experiment;
    static const bool writable[DATA_PAGES + 1] = {true, true, false, false, true, false, false, false};
    uint64_t first = (at - DATA_BASE) / 4096, last = (at + 7 - DATA_BASE) / 4096;
    if (at < DATA_BASE || last >= DATA_PAGES || !writable[first] || !writable[last] || x->pokes == POKES_MAX)
        return;
    x->poke[x->pokes++] = (struct poke){.at = (uint32_t)at, .value = value};
}

/* An address in the code pages, where INT3s are. */
static uint64_t code_address(struct builder *b)
{
    uint64_t at = random_below(b->r, CODE_BYTES);
    const struct experiment *x = &b->program->experiment;
    if (at >= x->code_at && at < x->code_at + 16u)
        at = (at + 32) % CODE_BYTES;
    return b->mode == LAB_COMPAT16 ? at : CODE_BASE + at;
}

/* ---- encodings ---- */

static unsigned put_modrm_memory(struct builder *b, uint8_t *out, unsigned reg, unsigned address_size, bool vsib,
                                 unsigned *rex_xb)
{
    struct random *r = b->r;
    unsigned n = 0, mod = random_below(r, 3), rm = random_below(r, 8);
    *rex_xb = b->mode == LAB_64 ? random_below(r, 4) : 0;
    if (vsib)
        rm = 4;
    if (b->block && address_size != 2) { /* only registers that hold data addresses */
        unsigned base;
        do
            base = random_below(r, b->mode == LAB_64 ? 16 : 8);
        while (!(b->clean >> base & 1));
        rm = base & 7;
        *rex_xb = base >> 3;
        if (mod == 0 && rm == 5)
            mod = 1;
    }
    unsigned disp = mod == 1 ? 1 : mod == 2 ? (address_size == 2 ? 2 : 4) : 0;
    out[n++] = (uint8_t)(mod << 6 | reg << 3 | rm);
    if (address_size == 2) {
        if (mod == 0 && rm == 6)
            disp = 2;
    } else if (rm == 4) {
        unsigned base = b->block ? 4 : random_below(r, 8), index = b->block ? 4 : random_below(r, 8);
        out[n++] = (uint8_t)(random_below(r, 4) << 6 | index << 3 | base);
        if (mod == 0 && base == 5)
            disp = 4;
    } else if (mod == 0 && rm == 5) {
        disp = 4;
    }
    uint32_t value = (uint32_t)random_word(r);
    if (disp == 4 && !one_in(r, 8))
        value = (uint32_t)((int32_t)value >> 20);
    if (disp == 4 && b->block)
        value = (uint32_t)((int32_t)value >> 22);
    if (b->block && !one_in(r, 8)) /* aligned, lest most sequences end at their first vector access */
        value &= ~31u;
    memcpy(out + n, &value, 4);
    return n + disp;
}

static unsigned put_prefixes(struct builder *b, uint8_t *out, const struct form *form, unsigned *address_size)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    struct random *r = b->r;
    unsigned n = 0;
    bool idle_rep = !form->vex && !form->prefix_rep && form->map == 0 && one_in(r, 48) &&
                    (form->opcode & 0xfe) != 0xe0; /* LOOPE and LOOPNE with one: hosts differ */
    *address_size = form->code_size;
    if (one_in(r, form->memory ? 6 : 24) && !b->block)
        out[n++] = segments[random_below(r, 6)];
    if (one_in(r, 12) && !b->block) {
        out[n++] = 0x67;
        *address_size = form->code_size == 4 ? 2 : 4;
    }
    if (form->prefix66)
        out[n++] = 0x66;
    if (form->prefix_rep)
        out[n++] = form->prefix_rep;
    else if (idle_rep)
        out[n++] = one_in(r, 2) ? 0xf2 : 0xf3;
    if (!form->vex && form->memory && form->map < 2 && one_in(r, 16))
        out[n++] = 0xf0; /* mostly #UD */
    return n;
}

static unsigned put_opcode(struct builder *b, uint8_t *out, const struct form *form, unsigned r_bit, unsigned xb)
{
    static const uint8_t escape[4] = {0, 0, 0x38, 0x3a};
    unsigned n = 0;
    if (form->vex) {
        unsigned vvvv = form->vvvv ? random_below(b->r, form->code_size == 8 ? 16 : 8) : 0;
        if (form->map == 1 && !form->w && !xb && one_in(b->r, 2)) {
            out[n++] = 0xc5;
            out[n++] = (uint8_t)((r_bit ? 0 : 0x80) | (~vvvv & 15) << 3 | form->l << 2 | form->pp);
        } else {
            out[n++] = 0xc4;
            out[n++] = (uint8_t)((r_bit ? 0 : 0x80) | (~xb & 3) << 5 | form->map);
            out[n++] = (uint8_t)(form->w << 7 | (~vvvv & 15) << 3 | form->l << 2 | form->pp);
        }
    } else {
        unsigned rex = (unsigned)form->w << 3 | r_bit << 2 | xb;
        if (rex || (form->code_size == 8 && one_in(b->r, 4)))
            out[n++] = (uint8_t)(0x40 | rex);
        if (form->map)
            out[n++] = 0x0f;
        if (form->map > 1)
            out[n++] = escape[form->map];
    }
    out[n++] = form->opcode;
    return n;
}

/* Draws one encoding of the form. */
static void draw(struct builder *b, const struct form *form, uint8_t bytes[32])
{
    struct random *r = b->r;
    bool wide = form->code_size == 8;
    unsigned address_size, n = put_prefixes(b, bytes, form, &address_size);
    unsigned reg = form->reg == ANY ? random_below(r, 8) : form->reg;
    unsigned r_bit = wide && form->reg == ANY && form->has_modrm ? random_below(r, 2) : 0, xb = 0, m = 0;
    uint8_t modrm[8];

    for (unsigned i = n; i < 32; i += 8) {
        uint64_t noise = random_value(r);
        memcpy(bytes + i, &noise, i + 8 <= 32 ? 8 : 32 - i);
    }
    if (form->has_modrm && form->memory) {
        bool vsib = form->vex && form->map == 2 && form->opcode >= 0x90 && form->opcode <= 0x93;
        m = put_modrm_memory(b, modrm, reg, address_size, vsib, &xb);
    } else if (form->has_modrm) {
        modrm[m++] = (uint8_t)(0xc0 | reg << 3 | (form->rm == ANY ? random_below(r, 8) : form->rm));
        xb = wide && form->rm == ANY ? random_below(r, 2) : 0;
    } else {
        xb = wide && !form->vex ? random_below(r, 2) : 0; /* +r opcodes */
    }
    n += put_opcode(b, bytes + n, form, r_bit, xb);
    memcpy(bytes + n, modrm, m);
}

/* ---- registers of addresses ---- */

static uint64_t *gpr(struct builder *b, unsigned reg)
{
    return &b->program->experiment.before.gpr[reg];
}

/* Sets a register to an address; with short addresses its upper part may be anything. */
static void set_address(struct builder *b, unsigned reg, uint64_t value, unsigned address_size)
{
    if (address_size == 8)
        *gpr(b, reg) = value;
    else if (b->mode == LAB_64)
        *gpr(b, reg) = (value & 0xffffffff) | random_word(b->r) << 32;
    else
        *gpr(b, reg) = (uint32_t)value;
    if (address_size == 2)
        *gpr(b, reg) = (value & 0xffff) | (reg == REG_RSP ? 0 : random_word(b->r) & 0xffff0000);
}

static bool gather(const struct insn *insn)
{
    return insn->rule->function == exec_vgather;
}

/* VSIB: all elements of the index register small; returns nothing to add. */
static void small_indices(struct builder *b, unsigned reg, bool quadwords)
{
    uint8_t *area = b->program->experiment.before.vector;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *half = i < 4 ? area + 160 + 16 * reg + 4 * i : area + 576 + 16 * reg + 4 * (i - 4);
        int32_t value = (int32_t)random_below(b->r, 256) - 128;
        if (quadwords && i & 1)
            memcpy(&value, half - 4, 4), value >>= 31;
        memcpy(half, &value, 4);
    }
}

/* Makes the memory operand's offset in its segment `offset`; *item gets what only the layout knows. */
static void solve(struct builder *b, const struct insn *insn, uint64_t offset, struct item *item)
{
    const struct mem_operand *mem = &insn->mem;
    uint64_t value = offset - (uint64_t)mem->disp;
    unsigned size = insn->address_size;
    bool moffs = !insn->has_modrm;

    if (mem->base == REG_RIP_BASE) {
        item->rip_disp = (uint8_t)(insn->length - insn->imm_size - 4);
        item->target = (uint32_t)offset;
    } else if (moffs || (mem->base == REG_NONE && mem->index == REG_NONE)) {
        unsigned bytes = moffs ? size : size == 2 ? 2 : 4;
        memcpy(item->bytes + insn->length - insn->imm_size - bytes, &offset, bytes);
    } else if (mem->base != REG_NONE && mem->base == mem->index) {
        set_address(b, mem->base, value / (1u + mem->scale), size);
    } else if (mem->base == REG_NONE) {
        set_address(b, mem->index, (uint64_t)((int64_t)value / mem->scale), size);
    } else {
        if (mem->index != REG_NONE) {
            uint64_t index = one_in(b->r, 4) ? random_value(b->r) : random_below(b->r, 512) - 256ull;
            set_address(b, mem->index, index, size);
            value -= *gpr(b, mem->index) * mem->scale;
        }
        set_address(b, mem->base, value, size);
    }
}

/* ---- implicit operands ---- */

static bool is(const struct insn *insn, exec_fn *function)
{
    return insn->rule->function == function;
}

static bool string_insn(const struct insn *insn)
{
    return is(insn, exec_movs) || is(insn, exec_cmps) || is(insn, exec_stos) || is(insn, exec_lods) ||
           is(insn, exec_scas);
}

static bool stack_insn(const struct insn *insn)
{
    return is(insn, exec_push) || is(insn, exec_pop) || is(insn, exec_call) || is(insn, exec_ret) ||
           is(insn, exec_leave) || is(insn, exec_enter) || is(insn, exec_pusha) || is(insn, exec_popa) ||
           is(insn, exec_pushf) || is(insn, exec_popf);
}

static void set_string(struct builder *b, const struct insn *insn)
{
    unsigned size = insn->opcode & 1 ? insn->operand_size : 1, a = insn->address_size;
    unsigned counts[] = {0, 1, 2, 1 + random_below(b->r, 64), random_below(b->r, 5000), 3};
    set_address(b, REG_RSI, choose_place(b, size) - segment_base(b, SEG_DS), a);
    set_address(b, REG_RDI, choose_place(b, size) - segment_base(b, SEG_ES), a);
    if (insn->rep || insn->repne)
        set_address(b, REG_RCX, counts[random_below(b->r, 6)], a);
    if (is(insn, exec_cmps) && one_in(b->r, 2))
        *gpr(b, REG_RDI) = *gpr(b, REG_RSI);
}

static void set_stack(struct builder *b, const struct insn *insn)
{
    unsigned size = insn->operand_size, width = b->mode == LAB_64 ? 8 : b->mode == LAB_COMPAT16 ? 2 : 4;
    uint64_t base = segment_base(b, SEG_SS), place = choose_place(b, size);
    bool pushes = is(insn, exec_push) || is(insn, exec_call) || is(insn, exec_pushf) || is(insn, exec_enter) ||
                  is(insn, exec_pusha);
    set_address(b, REG_RSP, place - base + (pushes ? size : 0), width);
    if (is(insn, exec_leave) || is(insn, exec_enter))
        set_address(b, REG_RBP, choose_place(b, size) - base, width);
    if (is(insn, exec_ret))
        poke(b, place, one_in(b->r, 16) ? random_value(b->r) : code_address(b));
}

/* A relative branch goes to INT3s: not into its own bytes, seldom out of the pages. */
static void set_branch(struct builder *b, const struct insn *insn, struct item *item)
{
    const struct experiment *x = &b->program->experiment;
    uint8_t *field = item->bytes + insn->imm_offset;
    uint64_t start = CODE_BASE + x->code_at, target;
    if (insn->imm_size >= 2 && (is(insn, exec_call) || !one_in(b->r, 8))) {
        uint32_t rel = (uint32_t)(code_address(b) - (start - (b->mode == LAB_COMPAT16 ? CODE_BASE : 0)) - insn->length);
        memcpy(field, &rel, insn->imm_size);
    }
    int64_t rel = insn->imm_size == 1 ? (int8_t)*field : insn->imm_size == 2 ? (int16_t)(field[0] | field[1] << 8) : 0;
    if (insn->imm_size == 4)
        memcpy(&rel, field, 4), rel = (int32_t)rel;
    target = start + insn->length + (uint64_t)rel;
    if (target >= start && target < start + insn->length)
        memset(field, 0, insn->imm_size), field[0] = 9;
}

static void set_implicit(struct builder *b, const struct insn *insn, struct item *item)
{
    bool relative = insn->imm_size && (is(insn, exec_call) || is(insn, exec_jmp) || is(insn, exec_jcc) ||
                                       is(insn, exec_jcxz) || is(insn, exec_loop));
    if (string_insn(insn))
        set_string(b, insn);
    if (stack_insn(insn))
        set_stack(b, insn);
    if (relative)
        set_branch(b, insn, item);
    else if ((is(insn, exec_call) || is(insn, exec_jmp)) && !insn->mem.present)
        *gpr(b, insn->rm) = is(insn, exec_jmp) && one_in(b->r, 16) ? random_value(b->r) : code_address(b);
    if (is(insn, exec_jcxz) || is(insn, exec_loop))
        *gpr(b, REG_RCX) = one_in(b->r, 4) ? random_value(b->r) : random_below(b->r, 4);
    if (is(insn, exec_xlat))
        set_address(b, REG_RBX, choose_place(b, 1) - segment_base(b, SEG_DS) - (*gpr(b, REG_RAX) & 0xff),
                    insn->address_size);
    if (is(insn, exec_maskmov))
        set_address(b, REG_RDI, inside(b, PAGE_RW0, 16, false) - segment_base(b, SEG_DS), insn->address_size);
    if (insn->map == 0 && (insn->opcode & 0xfe) == 0xf6 && (insn->modrm & 0x30) == 0x30 && !one_in(b->r, 3))
        *gpr(b, REG_RDX) = random_below(b->r, 3) - 1ull; /* DIV, IDIV: let some quotients fit */
}

/* Where the operand really is: solve() may have had to round. */
static uint64_t effective(struct builder *b, const struct insn *insn, uint64_t wanted)
{
    const struct mem_operand *mem = &insn->mem;
    if (mem->base == REG_RIP_BASE || (mem->base == REG_NONE && mem->index == REG_NONE))
        return wanted;
    uint64_t offset = (uint64_t)mem->disp + (mem->base != REG_NONE ? *gpr(b, mem->base) : 0) +
                      (mem->index != REG_NONE ? *gpr(b, mem->index) * mem->scale : 0);
    return zero_extend(zero_extend(offset, insn->address_size) + segment_base(b, mem->segment),
                       b->mode == LAB_64 ? 8 : 4);
}

static void set_memory(struct builder *b, const struct insn *insn, struct item *item)
{
    unsigned size = insn->mem.size ? insn->mem.size : 8;
    uint64_t place = choose_place(b, size), bit = 0;
    if (insn->bit_string) {
        if (!one_in(b->r, 8))
            *gpr(b, insn->reg) = random_below(b->r, 40000) - 20000ull;
        int64_t index = (int64_t)sign_extend(*gpr(b, insn->reg), insn->operand_size);
        bit = (uint64_t)((index & -(int64_t)(insn->operand_size * 8)) >> 3);
    }
    if (gather(insn)) {
        /* the decoder gives no index register: vector registers are not general ones */
        unsigned at = 0;
        while (item->bytes[at] != 0xc4)
            at++;
        small_indices(b, (item->bytes[at + 5] >> 3 & 7) | (b->mode == LAB_64 && !(item->bytes[at + 1] & 0x40)) << 3,
                      insn->opcode & 1);
    }
    if (is(insn, exec_ldmxcsr)) { /* bit 17 exists on AMD's processors and is not offered to guests */
        place = inside(b, PAGE_RW0, 4, false);
        poke(b, place, random_word(b->r) & (one_in(b->r, 4) ? 0xfffdffff : 0xffff));
    }
    if (is(insn, exec_call)) /* what is pushed before a bad target faults is the vendors' choice */
        place = inside(b, PAGE_RW0, size, one_in(b->r, 2));
    uint64_t offset = place - segment_base(b, insn->mem.segment);
    if (b->mode != LAB_64 && (uint32_t)offset >= 0xffffff00) /* whether 4 GiB segments end or wrap: vendors differ */
        offset += 0x2000;
    solve(b, insn, offset - bit, item);
    if ((is(insn, exec_call) || is(insn, exec_jmp)) && insn->mem.access & MEM_READ)
        poke(b, effective(b, insn, place),
             is(insn, exec_jmp) && one_in(b->r, 16) ? random_value(b->r) : code_address(b));
}

/* ---- experiments ---- */

static void random_state(struct builder *b)
{
    struct experiment *x = &b->program->experiment;
    struct random *r = b->r;
    for (unsigned i = 0; i < 16; i++) {
        x->before.gpr[i] = random_value(r);
        if (b->mode != LAB_64)
            x->before.gpr[i] = i < 8 ? (uint32_t)x->before.gpr[i] : 0;
    }
    if (b->mode == LAB_COMPAT16)
        x->before.gpr[REG_RSP] &= 0xffff;
    x->before.flags = FLAG_FIXED | FLAG_IF | (random_word(r) & FLAGS_ARITHMETIC) | (one_in(r, 3) ? FLAG_DF : 0);
    random_vector(r, x->before.vector);
    x->data_from = (uint16_t)random_below(r, POOL_BYTES);
    x->pokes = 0;
    x->flush = one_in(r, 24);
    x->mode = (uint8_t)b->mode;
    x->code_at = (uint16_t)(one_in(r, 12) ? 4096 - random_below(r, 16) : random_below(r, 3500));
    x->before.rip = x->code_at + (b->mode == LAB_COMPAT16 ? 0 : CODE_BASE);
}

static bool draw_testable(struct builder *b, const struct form *form, struct item *item, struct insn *insn)
{
    uint8_t bytes[32];
    char name[20];
    for (unsigned attempt = 0; attempt < 10; attempt++) {
        draw(b, form, bytes);
        if (!insn_decode(insn, b->features, form->code_size, bytes, 15) || !insn->length)
            continue;
        /* #UD is fine where a lock prefix makes it; other encodings may exist on the host but not in the model. */
        if (insn->rule->flags & RULE_DENY)
            continue;
        unsigned length = insn_name(form->code_size, bytes, 15, name);
        (void)length;
        if (!insn_testable(insn, length ? name : ""))
            continue;
        memset(item, 0, sizeof(*item));
        memcpy(item->bytes, bytes, 15);
        item->length = insn->length;
        return true;
    }
    return false;
}

static void init(struct builder *b, struct program *program, unsigned code_size)
{
    b->program = program;
    b->mode = code_size == 8 ? LAB_64 : code_size == 2 ? LAB_COMPAT16 : one_in(b->r, 2) ? LAB_COMPAT32 : LAB_LEGACY32;
    program->items = 0;
    random_state(b);
    program->experiment.cpl = b->mode == LAB_64 && one_in(b->r, 4) ? 0 : 3;
}

bool build_single(struct program *program, const struct forms *forms, unsigned number,
                  const struct cpu_features *features, struct random *r)
{
    const struct form *form = &forms->form[number];
    struct builder b = {.features = features, .r = r};
    struct item *item = &program->item[0];
    struct insn *insn = &program->insn;

    init(&b, program, form->code_size);
    memcpy(program->name, form->name, sizeof(program->name));
    if (!draw_testable(&b, form, item, insn))
        return false;
    if (is(insn, exec_call) && insn->mem.present && insn->mem.segment == SEG_CS && b.mode == LAB_COMPAT16)
        return false; /* no data there to call by */
    set_implicit(&b, insn, item);
    if (insn->mem.present)
        set_memory(&b, insn, item);
    if (is(insn, exec_popf) || (is(insn, exec_push) && !insn->mem.present))
        program->experiment.cpl = 3; /* IF, IOPL and selectors are not the host's at CPL 0 */
    program->items = 1;
    program_layout(program);
    return true;
}

/* Registers that must hold a data address for the instruction to do something sensible. */
static uint16_t implicit_addresses(const struct insn *insn)
{
    uint16_t need = 0;
    if (string_insn(insn))
        need |= 1 << REG_RSI | 1 << REG_RDI;
    if (stack_insn(insn))
        need |= 1 << REG_RSP;
    if (is(insn, exec_leave) || is(insn, exec_enter))
        need |= 1 << REG_RBP;
    if (is(insn, exec_xlat))
        need |= 1 << REG_RBX;
    if (is(insn, exec_maskmov))
        need |= 1 << REG_RDI;
    return need;
}

static bool fits_block(struct builder *b, const struct insn *insn, struct item *item)
{
    bool relative =
        insn->imm_size && (is(insn, exec_jmp) || is(insn, exec_jcc) || is(insn, exec_jcxz) || is(insn, exec_call));
    if (is(insn, exec_ret) || is(insn, exec_popf) || is(insn, exec_loop) || is(insn, exec_into) ||
        is(insn, exec_bound) || is(insn, exec_ldmxcsr) || insn->bit_string || gather(insn))
        return false;
    if (insn_flags_undefined(insn) || insn_pushes_half(insn)) /* what hosts leave differs, and would spread */
        return false;
    if ((is(insn, exec_jmp) || is(insn, exec_call)) && !relative)
        return false;
    if (relative && insn->operand_size == 2)
        return false;
    if (is(insn, exec_pop) && !insn->mem.present && (insn->reg_in_opcode ? insn->reg : insn->rm) == REG_RSP)
        return false;
    if ((insn->rep || insn->repne) && string_insn(insn) && !b->rcx_small)
        return false;
    if (insn->vector == VECTOR_X87 && insn->mem.size > 10 && insn->mem.access & MEM_WRITE)
        return false; /* FIP and FDP are not to get into other registers */
    uint16_t need = implicit_addresses(insn), keep = need;
    if ((need & b->clean) != need)
        return false;
    uint16_t lost = insn->gpr_written & b->clean & (uint16_t)~keep;
    if (lost && (__builtin_popcount(b->clean & (uint16_t)~lost) < 3 || lost >> REG_RSP & 1) && !one_in(b->r, 8))
        return false;
    if (!(b->clean & (uint16_t)~lost))
        return false;
    b->clean &= (uint16_t)~lost;
    if (is(insn, exec_enter) || is(insn, exec_leave))
        b->clean &= (uint16_t) ~(1 << REG_RBP | 1 << REG_RSP);
    if (!b->clean)
        b->clean = 1 << REG_RSI;
    if (insn->gpr_written >> REG_RCX & 1 && !string_insn(insn))
        b->rcx_small = false;
    if (relative) {
        item->rel_at = insn->imm_offset;
        item->rel_size = insn->imm_size;
        item->skip = (uint8_t)random_below(b->r, 4);
    }
    return true;
}

bool build_block(struct program *program, const struct forms *forms, const struct cpu_features *features,
                 struct random *r)
{
    struct builder b = {.features = features, .r = r, .block = true, .rcx_small = true};
    struct experiment *x = &program->experiment;
    unsigned wanted = 4 + random_below(r, PROGRAM_MAX - 4), attempts = 0;
    unsigned code_size = forms->form[random_below(r, forms->count)].code_size == 8 || one_in(r, 2) ? 8 : 4;

    init(&b, program, code_size);
    snprintf(program->name, sizeof(program->name), "(block)");
    for (unsigned i = 0; i < (code_size == 8 ? 16u : 8u); i++)
        if (i != REG_RCX && !one_in(r, 4)) {
            x->before.gpr[i] = DATA_BASE + 4096 + random_below(r, 2048) - 1024;
            if (!one_in(r, 8))
                x->before.gpr[i] &= ~31ull;
            b.clean |= (uint16_t)(1 << i);
        }
    x->before.gpr[REG_RSP] = page_at(PAGE_RW1) + 8 * random_below(r, 256);
    b.clean |= 1 << REG_RSP;
    x->before.gpr[REG_RCX] = random_below(r, 40);
    if (x->code_at > 3500)
        x->code_at = (uint16_t)(4096 - random_below(r, 120));
    else
        x->code_at = (uint16_t)random_below(r, 3000);
    x->before.rip = CODE_BASE + x->code_at;
    while (program->items < wanted && attempts++ < 400) {
        const struct form *form = &forms->form[random_below(r, forms->count)];
        struct item *item = &program->item[program->items];
        struct insn insn;
        if (form->code_size != code_size || !draw_testable(&b, form, item, &insn) || !fits_block(&b, &insn, item))
            continue;
        if (x->cpl == 0 && (is(&insn, exec_pushf) || is(&insn, exec_push)) && !insn.reg_in_opcode)
            continue;
        if (insn.mem.present && (insn.mem.base == REG_RIP_BASE || !insn.has_modrm))
            solve(&b, &insn, page_at(PAGE_RW0) + random_below(r, 8000), item);
        program->items++;
    }
    program_layout(program);
    return program->items > 0;
}

void program_layout(struct program *program)
{
    struct experiment *x = &program->experiment;
    unsigned offset[PROGRAM_MAX + 1], n = 0;
    for (unsigned i = 0; i < program->items; i++) {
        offset[i] = n;
        if (!program->item[i].dropped)
            n += program->item[i].length;
    }
    offset[program->items] = n;
    for (unsigned i = 0; i < program->items; i++) {
        struct item *item = &program->item[i];
        unsigned end = offset[i] + item->length;
        if (item->dropped)
            continue;
        if (item->rip_disp) {
            uint32_t disp = item->target - (uint32_t)(CODE_BASE + x->code_at + end);
            memcpy(item->bytes + item->rip_disp, &disp, 4);
        }
        if (item->rel_size) {
            unsigned to = i + 1 + item->skip;
            uint32_t rel = offset[to < program->items ? to : program->items] - end;
            memcpy(item->bytes + item->rel_at, &rel, item->rel_size);
        }
        memcpy(x->code + offset[i], item->bytes, item->length);
    }
    /* The INT3 that ends it is the filler behind it. */
    x->code_size = (uint16_t)n;
}
