/*
 * The generator of the block tests. See generate.h.
 *
 * Registers have roles that instructions mostly respect: RBX, RSI, RDI, RBP (and R8 to R11) point into the data, near
 * the ends of pages with different rights; RCX is small; the others are anything. SDM Vol. 2 for the encodings.
 */
#include "tests/blocks/generate.h"
#include "tests/blocks/maker.h"

#include <string.h>

enum {
    FLAVOUR_DATA = 1,
    FLAVOUR_FLOW = 2,
    FLAVOUR_STRINGS = 4,
    FLAVOUR_WINDOWS = 8,
    FLAVOUR_SMC = 16,
    FLAVOUR_DEVICE = 32,
    FLAVOUR_DEBUG = 64,
    FLAVOUR_VECTOR = 128,
    FLAVOUR_SYSTEM = 256,
    FLAVOUR_FAR = 512,
    FLAVOUR_SYSTEM_CALLS = 1024,
    FLAVOUR_TASKS = 2048,
    FLAVOURS = 12
};

/* ---- the flavours ---- */

static void make_alu(struct maker *m)
{
    unsigned reg = result_register(m);
    switch (any(m, 16)) {
    case 0:
    case 1:
    case 2:
    case 3: {
        unsigned form = any(m, 4);
        modrm_instruction(
            m, (struct op){.opcode = any(m, 8) << 3 | form, .byte = !(form & 1), .reg = reg, .lockable = form < 2});
        break;
    }
    case 4: {
        unsigned opcode = (unsigned[]){0x84, 0x85, 0x86, 0x87}[any(m, 4)];
        modrm_instruction(m, (struct op){.opcode = opcode, .byte = !(opcode & 1), .reg = reg});
        break;
    }
    case 5:
    case 6: {
        unsigned opcode = 0x88 + any(m, 4);
        modrm_instruction(m, (struct op){.opcode = opcode, .byte = !(opcode & 1), .reg = reg});
        break;
    }
    case 7: {
        unsigned opcode = (unsigned[]){0x80, 0x81, 0x83}[any(m, 3)];
        modrm_instruction(m, (struct op){.opcode = opcode, .byte = opcode == 0x80, .reg = any(m, 8), .lockable = true});
        immediate(m, opcode != 0x81);
        break;
    }
    case 8: {
        unsigned opcode = (unsigned[]){0xc0, 0xc1, 0xd0, 0xd1, 0xd2, 0xd3}[any(m, 6)];
        modrm_instruction(m, (struct op){.opcode = opcode, .byte = !(opcode & 1), .reg = any(m, 8)});
        if (opcode < 0xd0)
            immediate(m, true);
        break;
    }
    case 9: {
        unsigned opcode = 0xf6 + any(m, 2), what = any(m, 20) ? any(m, 6) : 6 + any(m, 2);
        modrm_instruction(
            m, (struct op){.opcode = opcode, .byte = opcode == 0xf6, .reg = what, .lockable = what == 2 || what == 3});
        if (what < 2)
            immediate(m, opcode == 0xf6);
        break;
    }
    case 10: {
        unsigned opcode = 0xfe + any(m, 2);
        modrm_instruction(m, (struct op){.opcode = opcode, .byte = opcode == 0xfe, .reg = any(m, 2), .lockable = true});
        break;
    }
    case 11: {
        unsigned opcode = 0xc6 + any(m, 2);
        modrm_instruction(m, (struct op){.opcode = opcode, .byte = opcode == 0xc6});
        immediate(m, opcode == 0xc6);
        break;
    }
    case 12:
        modrm_instruction(m, (struct op){.opcode = 0x8d, .reg = reg, .rules = MEMORY_ONLY});
        break;
    case 13:
        b(m, 0xb8 | (reg & 7));
        immediate(m, false);
        break;
    case 14:
        b(m, (unsigned[]){0xf5, 0xf8, 0xf9, 0x98, 0x99, 0x9e, 0x9f, 0x90}[any(m, 8)]);
        break;
    default:
        b(m, 0x04 | any(m, 8) << 3);
        immediate(m, true);
    }
}

static void make_alu_0f(struct maker *m)
{
    unsigned reg = result_register(m), pick = any(m, 12);
    static const struct {
        uint8_t opcode, byte, lockable, rules;
    } ops[12] = {{0xaf, 0, 0, 0}, {0xb6, 0, 0, 0}, {0xb7, 0, 0, 0}, {0xbe, 0, 0, 0}, {0xbf, 0, 0, 0}, {0xb0, 1, 1, 0},
                 {0xb1, 0, 1, 0}, {0xc0, 1, 1, 0}, {0xc1, 0, 1, 0}, {0xbc, 0, 0, 0}, {0xa5, 0, 0, 0}, {0xad, 0, 0, 0}};
    switch (any(m, 6)) {
    case 0:
        modrm_instruction(m, (struct op){.map = 1, .opcode = 0x40 | any(m, 16), .reg = reg});
        break;
    case 1:
        modrm_instruction(m, (struct op){.map = 1, .opcode = 0x90 | any(m, 16), .byte = true});
        break;
    case 2:
        modrm_instruction(
            m,
            (struct op){.map = 1, .opcode = 0xa3 | any(m, 4) << 3, .reg = one_in(m->r, 4) ? reg : 1, .lockable = true});
        break;
    case 3:
        modrm_instruction(m, (struct op){.map = 1, .opcode = 0xba, .reg = 4 + any(m, 4), .lockable = true});
        immediate(m, true);
        break;
    case 4:
        modrm_instruction(m, (struct op){.map = 1, .opcode = 0xc7, .reg = 1, .rules = MEMORY_ONLY, .lockable = true});
        break;
    default:
        modrm_instruction(m, (struct op){.map = 1,
                                         .opcode = ops[pick].opcode,
                                         .byte = ops[pick].byte,
                                         .reg = reg,
                                         .lockable = ops[pick].lockable});
    }
}

static void make_stack(struct maker *m)
{
    unsigned reg = result_register(m) & 7;
    if (reg == 4)
        reg = 0;
    switch (any(m, 10)) {
    case 0:
    case 1:
        b(m, 0x50 | any(m, 8));
        break;
    case 2:
    case 3:
        b(m, 0x58 | reg);
        break;
    case 4:
        b(m, 0x6a);
        immediate(m, true);
        break;
    case 5:
        if (one_in(m->r, 3))
            b(m, 0x66);
        b(m, 0x68);
        immediate(m, false);
        break;
    case 6:
        modrm_instruction(m, (struct op){.opcode = 0xff, .reg = 6});
        break;
    case 7:
        modrm_instruction(m, (struct op){.opcode = 0x8f, .reg = 0});
        break;
    case 8:
        b(m, 0x9c);
        break;
    default:
        if (wide(m) || any(m, 2)) {
            b(m, any(m, 2) ? 0xc9 : 0xc8);
            if (m->item->bytes[0] == 0xc8)
                bytes(m, any(m, 32) | any(m, 4) << 16, 3);
        } else {
            b(m, any(m, 2) ? 0x60 : 0x61);
        }
    }
}

static void branch_to(struct maker *m, unsigned size)
{
    m->item->rel_at = m->item->length;
    m->item->rel_size = (uint8_t)size;
    m->item->target = (uint8_t)(m->item - m->program->item + 1 + any(m, 4));
    bytes(m, 0, size);
}

static void make_flow(struct maker *m)
{
    unsigned near = m->code_size == 2 ? 2 : 4;
    switch (any(m, 12)) {
    case 0:
    case 1:
    case 2:
        b(m, 0x70 | any(m, 16));
        branch_to(m, 1);
        break;
    case 3:
    case 4:
        b(m, 0x0f);
        b(m, 0x80 | any(m, 16));
        branch_to(m, near);
        break;
    case 5:
        b(m, 0xeb);
        branch_to(m, 1);
        break;
    case 6:
        b(m, 0xe9);
        branch_to(m, near);
        break;
    case 7:
        b(m, 0xe0 | any(m, 4));
        branch_to(m, 1);
        break;
    case 8:
    case 9: /* call over a return: the pair meets */
        b(m, 0xe8);
        bytes(m, 2, near);
        b(m, 0xeb);
        b(m, 1);
        b(m, 0xc3);
        break;
    case 10: /* call forward; what it pushed is popped somewhere */
        b(m, 0xe8);
        branch_to(m, near);
        break;
    default: /* call and jump by a register: over the return behind it */
        b(m, 0xe8);
        bytes(m, 0, near);
        b(m, 0x58); /* pop (r)ax: here */
        if (wide(m))
            bytes(m, 0x06c08348, 4); /* add rax, 6 */
        else
            bytes(m, 0x05c083, 3); /* add (e)ax, 5 */
        b(m, 0xff);
        b(m, any(m, 2) ? 0xe0 : 0xd0); /* jmp, call rax */
    }
}

static void make_string(struct maker *m)
{
    static const uint8_t ops[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};
    unsigned op = ops[any(m, sizeof(ops))];
    if (any(m, 3)) { /* mov cl, n; movzx ecx, cl; rep */
        b(m, 0xb9);
        m->item->imm_at = 1;
        bytes(m, any(m, 40), m->code_size == 2 ? 2 : 4);
        if (one_in(m->r, 6))
            b(m, 0x67);
        if (one_in(m->r, 6))
            b(m, 0x66);
        b(m, 0xf2 + any(m, 2));
        if (wide(m) && any(m, 2))
            b(m, 0x48);
    } else if (one_in(m->r, 6)) {
        b(m, any(m, 2) ? 0xfc : 0xfd);
    }
    b(m, op);
}

/* AVX and AVX2, and the general instructions that are encoded as they are (BMI). */
static void make_vex(struct maker *m)
{
    static const struct {
        uint8_t map, opcode, pp, immediate;
        bool general;
    } ops[] = {{1, 0x10, 0, 0, false}, {1, 0x11, 0, 0, false}, {1, 0x28, 0, 0, false}, {1, 0x29, 0, 0, false},
               {1, 0x6f, 2, 0, false}, {1, 0x7f, 2, 0, false}, {1, 0x58, 0, 0, false}, {1, 0xef, 1, 0, false},
               {1, 0xfe, 1, 0, false}, {2, 0x58, 1, 0, false}, {3, 0x06, 1, 1, false}, {2, 0xf2, 0, 0, true},
               {2, 0xf7, 0, 0, true},  {2, 0xf7, 1, 0, true},  {2, 0xf7, 2, 0, true},  {2, 0xf7, 3, 0, true},
               {2, 0xf5, 2, 0, true},  {2, 0xf5, 3, 0, true},  {2, 0xf6, 3, 0, true},  {3, 0xf0, 3, 1, true}};
    unsigned i = any(m, ARRAY_LEN(ops)), reg = result_register(m), vvvv = result_register(m), rm = result_register(m);
    bool three = !((ops[i].map == 1 && ops[i].opcode != 0x58 && ops[i].opcode < 0xe0) || ops[i].opcode == 0xf0 ||
                   (ops[i].map == 2 && ops[i].opcode == 0x58));
    struct operand o = {.modrm = 0xc0 | (rm & 7), .rex = rm >> 3};
    if (any(m, 3)) {
        o = (struct operand){0};
        memory_operand(m, &o);
    }
    if (o.address_prefix)
        b(m, 0x67);
    b(m, 0xc4);
    b(m, (unsigned)(!(reg >> 3) << 7 | !(o.rex >> 1 & 1) << 6 | !(o.rex & 1) << 5) | ops[i].map);
    b(m, (ops[i].general && wide(m) ? any(m, 2) << 7 : 0) | (three ? ~vvvv & 15 : 15) << 3 |
             (ops[i].general    ? 0
              : ops[i].map == 3 ? 4
                                : any(m, 2) << 2) |
             ops[i].pp);
    b(m, ops[i].opcode);
    b(m, o.modrm | (reg & 7) << 3);
    if (o.has_sib)
        b(m, o.sib);
    bytes(m, o.disp, o.disp_size);
    if (ops[i].immediate)
        b(m, any(m, 256));
}

static void make_vector(struct maker *m)
{
    static const struct {
        uint8_t prefix, opcode;
    } sse[] = {{0, 0x10},    {0, 0x11},    {0, 0x28},    {0, 0x29},    {0, 0x58}, {0xf2, 0x5a}, {0x66, 0x6f},
               {0x66, 0x7f}, {0xf3, 0x6f}, {0xf3, 0x7f}, {0x66, 0xef}, {0, 0x6f}, {0, 0x7f},    {0x66, 0xd6},
               {0xf3, 0x10}, {0xf2, 0x11}, {0x66, 0x6e}, {0x66, 0x7e}, {0, 0x2e}, {0x66, 0x2f}, {0, 0x57}};
    static const uint8_t x87[][2] = {{0xd8, 0}, {0xd9, 0}, {0xd9, 3}, {0xdd, 0}, {0xdd, 3}, {0xdb, 5},
                                     {0xdb, 7}, {0xdf, 5}, {0xdf, 7}, {0xd9, 7}, {0xda, 4}, {0xdc, 1}};
    if (one_in(m->r, 3)) {
        make_vex(m);
    } else if (any(m, 3)) {
        unsigned i = any(m, ARRAY_LEN(sse));
        modrm_instruction(m, (struct op){.map = 1,
                                         .opcode = sse[i].opcode,
                                         .prefix = sse[i].prefix,
                                         .reg = any(m, wide(m) ? 16 : 8),
                                         .no_size = !(sse[i].opcode == 0x6e || sse[i].opcode == 0x7e)});
    } else {
        unsigned i = any(m, ARRAY_LEN(x87));
        modrm_instruction(m, (struct op){.opcode = x87[i][0], .reg = x87[i][1], .rules = MEMORY_ONLY, .no_size = true});
    }
}

void change_flags(struct maker *m, unsigned set, unsigned clear)
{
    b(m, 0x9c);
    if (m->code_size == 2)
        b(m, 0x67);
    else
        b(m, 0x66);
    bytes(m, 0x240c81, 3); /* or word [esp], imm16 */
    bytes(m, set, 2);
    if (m->code_size == 2)
        b(m, 0x67);
    else
        b(m, 0x66);
    bytes(m, 0x242481, 3); /* and word [esp], imm16 */
    bytes(m, ~clear, 2);
}

/* Returns to the same privilege with the flags on the stack: everything after PUSHF. */
static void return_by_iret(struct maker *m)
{
    if (wide(m)) {
        /* A frame beside: pop rdx (the flags); mov eax, ss; push rax; lea rax, [rsp+8]; push rax; push rdx; mov eax,
         * cs; push rax; call over; jmp on; iretq */
        bytes(m, 0x50d08c5a, 4);
        bytes(m, 0x0824448d48, 5);
        b(m, 0x50);
        b(m, 0x52);
        bytes(m, 0x50c88c, 3);
        b(m, 0xe8);
        bytes(m, 2, 4);
        bytes(m, 0xcf4802eb, 4);
        return;
    }
    b(m, 0x0e);
    b(m, 0xe8);
    bytes(m, 2, m->code_size == 2 ? 2 : 4);
    bytes(m, 0xcf01eb, 3);
}

static void make_window(struct maker *m)
{
    unsigned flag = one_in(m->r, 10) ? 0x100 : 0x200; /* TF, IF */
    switch (any(m, 9)) {
    case 0:
    case 1:
        b(m, 0xfb);
        break;
    case 2:
        b(m, 0xfa);
        break;
    case 3: /* mov eax, ss; mov ss, eax */
    case 4:
        bytes(m, 0xd08ed08c, 4);
        break;
    case 5:
        if (wide(m)) {
            b(m, 0xfb);
            break;
        }
        bytes(m, 0x1716, 2); /* push ss; pop ss */
        break;
    case 6:
        change_flags(m, any(m, 2) ? flag : 0, any(m, 2) ? flag : 0);
        b(m, 0x9d);
        break;
    case 7:
        change_flags(m, any(m, 2) ? flag : 0, any(m, 2) ? flag : 0);
        if (m->code_size == 2 && m->mode == MODE_COMPAT16) /* the stack's selector stays */
            b(m, 0x9d);
        else
            return_by_iret(m);
        break;
    default:
        b(m, 0xcd);
        b(m, 0x20 + any(m, 16));
    }
}

/* mov byte [item's immediate], n by its own address or by the alias; or the same by DMA. */
static void make_self_modifying(struct maker *m)
{
    struct item *item = m->item;
    item->target = (uint8_t)any(m, m->program->items + 1 + 8);
    if (one_in(m->r, 3)) { /* mov dword [DEVICE + 100h], offset << 8 | byte */
        if (m->code_size == 2)
            b(m, 0x66);
        b(m, 0xc7);
        absolute_operand(m, 0, DEVICE + 0x100);
        b(m, any(m, 256));
        item->patch_at = item->length;
        item->patch_size = 3;
        bytes(m, 0, 3);
        return;
    }
    item->alias = m->code_size != 2 && any(m, 2);
    if (m->code_size == 2) {
        b(m, 0x2e);
        b(m, 0xc6);
        b(m, 6);
    } else {
        b(m, any(m, 2) ? 0xc6 : 0x80); /* mov, add */
        b(m, wide(m) ? 4 : 5);
        if (wide(m))
            b(m, 0x25);
    }
    item->patch_at = item->length;
    item->patch_size = m->code_size == 2 ? 2 : 4;
    bytes(m, 0, item->patch_size);
    b(m, any(m, 256));
}

/* mov byte [DEVICE + offset], n */
static void store_to_device(struct maker *m, unsigned offset, unsigned n)
{
    b(m, 0xc6);
    absolute_operand(m, 0, DEVICE + offset);
    b(m, n);
}

static void make_device(struct maker *m)
{
    if (any(m, 3)) {
        store_to_device(m, any(m, 2) * 0x200, any(m, 256));
    } else {
        b(m, 0xe4 + any(m, 4));
        b(m, any(m, 256));
    }
}

static void make_debug(struct maker *m)
{
    if (m->user || one_in(m->r, 3)) {
        change_flags(m, any(m, 3) ? 0x100 : 0, 0);
        if (!any(m, 3))
            m->item->length = 1;
        b(m, 0x9d);
    } else { /* mov eax, n; mov dr7, eax */
        if (m->code_size == 2)
            b(m, 0x66);
        b(m, 0xb8);
        bytes(m, any(m, 2) ? 0 : 0x400 | any(m, 256) | (uint32_t)any(m, 0x10000) << 16, 4);
        bytes(m, 0xf8230f, 3);
    }
}

static void make_system(struct maker *m)
{
    unsigned pick = any(m, m->user ? 3 : 8);
    switch (pick) {
    case 0:
        modrm_instruction(m, (struct op){.opcode = 0x8c, .reg = any(m, 6)});
        break;
    case 1: /* mov ax, selector; mov es, ds, fs or gs, ax */
        if (m->code_size != 2)
            b(m, 0x66);
        b(m, 0xb8);
        bytes(m,
              m->mode >= MODE_V86 ? 0x3000 + any(m, 0x800) : (unsigned[]){0x2b, 0x43, 0x53, 0x5b, 0x63, 0}[any(m, 6)],
              2);
        b(m, 0x8e);
        b(m, 0xc0 | (unsigned[]){0, 3, 4, 5}[any(m, 4)] << 3);
        break;
    case 2:
        modrm_instruction(
            m, (struct op){.map = !wide(m) && any(m, 2) ? 0 : 1, .opcode = 0xb4, .reg = 0, .rules = MEMORY_ONLY});
        if (!has_prefix(m->item, 0x0f)) /* LES, LDS instead */
            for (unsigned i = 0; i < m->item->length; i++)
                if (m->item->bytes[i] == 0xb4) {
                    m->item->bytes[i] = 0xc4;
                    break;
                }
        break;
    case 3: /* mov rax, cr3; mov cr3, rax */
        bytes(m, 0xd8200f, 3);
        bytes(m, 0xd8220f, 3);
        break;
    case 4:
        modrm_instruction(m, (struct op){.map = 1, .opcode = 0x01, .reg = 7, .rules = MEMORY_ONLY, .no_size = true});
        break;
    case 5:
        if (wide(m))
            bytes(m, 0xf8010f, 3); /* swapgs */
        else
            bytes(m, 0x060f, 2); /* clts */
        break;
    case 6: /* smsw eax */
        bytes(m, 0xe0010f, 3);
        break;
    default: /* mov rax, cr0; xor eax, 8; mov cr0, rax: CR0.TS */
        bytes(m, 0xc0200f, 3);
        if (m->code_size == 2)
            b(m, 0x66);
        bytes(m, 0x08f083, 3);
        bytes(m, 0xc0220f, 3);
    }
}

static void make_item(struct maker *m)
{
    static void (*const makers[FLAVOURS])(struct maker *) = {
        make_alu,   make_flow,   make_string, make_window, make_self_modifying, make_device,
        make_debug, make_vector, make_system, make_far,    make_system_call,    make_task_switch};
    unsigned flavour;
    *m->item = (struct item){0};
    do
        flavour = any(m, FLAVOURS);
    while (!(m->flavours >> flavour & 1));
    if (one_in(m->r, 4))
        flavour = 0;
    if (flavour == 0 && any(m, 3) == 0)
        make_alu_0f(m);
    else if (flavour <= 1 && one_in(m->r, 3))
        make_stack(m);
    else
        makers[flavour](m);
    if (one_in(m->r, 40)) { /* a prefix that means nothing, or changes everything */
        static const uint8_t prefixes[] = {0x66, 0x67, 0x2e, 0x3e, 0x26, 0x64, 0xf2, 0xf3, 0xf0, 0x40, 0x48};
        if (m->item->length < ITEM_BYTES) {
            memmove(m->item->bytes + 1, m->item->bytes, m->item->length++);
            m->item->bytes[0] = prefixes[any(m, sizeof(prefixes))];
            m->item->rel_at += m->item->rel_size != 0;
            m->item->far_at += m->item->far_size != 0;
            m->item->patch_at += m->item->patch_size != 0;
            m->item->imm_at += m->item->imm_at != 0;
        }
    }
}

/* ---- the program ---- */

static void set_registers(struct maker *m)
{
    struct start *s = &m->program->start;
    uint32_t base = m->code_size == 2 ? 0 : DATA;
    for (unsigned i = 0; i < 16; i++)
        s->gpr[i] = random_value(m->r);
    static const uint8_t pointers[] = {3, 6, 7, 5, 8, 9, 10, 11};
    for (unsigned i = 0; i < sizeof(pointers); i++)
        s->gpr[pointers[i]] = base + data_address(m);
    s->gpr[REG_RCX] = any(m, 20);
    if (any(m, 2))
        s->gpr[REG_RDX] = any(m, 64);
    s->gpr[REG_RSP] = (m->code_size == 2 && m->mode != MODE_16_KERNEL ? STACK - DATA : STACK) +
                      (one_in(m->r, 4) ? any(m, 64) : 0x800 + any(m, 0x7c0)) / 8 * 8;
    if (one_in(m->r, 5))
        s->gpr[REG_RSP] += any(m, 8);
    if (!wide(m))
        for (unsigned i = 0; i < 16; i++)
            s->gpr[i] = i < 8 ? (uint32_t)s->gpr[i] : 0;
    s->eflags = FLAG_FIXED | (any(m, 2) ? FLAG_IF : 0) | ((uint32_t)random_word(m->r) & FLAGS_ARITHMETIC);
    if (one_in(m->r, 8))
        s->eflags |= FLAG_DF;
    if (m->user && !one_in(m->r, 8))
        s->eflags |= FLAG_IOPL;
    if (m->flavours & FLAVOUR_DEBUG && one_in(m->r, 4))
        s->eflags |= FLAG_TF;
    s->interrupts = m->flavours & (FLAVOUR_WINDOWS | FLAVOUR_DEVICE) ? any(m, 4) : 0;
    s->fpu_off = one_in(m->r, 20);
    s->chaos = (uint32_t)random_word(m->r) | 1;
}

/* Breakpoints on instructions, and on data; DR7 may come to be loaded later. */
static void set_breakpoints(struct maker *m)
{
    struct start *s = &m->program->start;
    for (unsigned i = 0; i < 4; i++)
        s->dr[i] = any(m, 2) ? DATA + data_address(m) : m->program->address[any(m, m->program->items)];
    s->dr7 = 0;
    if (m->flavours & FLAVOUR_DEBUG && any(m, 2))
        for (unsigned i = 0; i < 4; i++) {
            bool code = s->dr[i] < DATA;
            if (code && m->mode == MODE_REAL) /* its handler cannot set RF */
                continue;
            s->dr7 |= (uint64_t)any(m, 2) << (2 * i) | (uint64_t)(code ? 0 : (any(m, 2) ? 1 : 3) | any(m, 4) << 2)
                                                           << (16 + 4 * i);
        }
}

/* dec word [COUNTER]; jnz to the first instruction; int3 */
static void add_loop(struct maker *m)
{
    struct item *item = m->item = &m->program->item[m->program->items++];
    *item = (struct item){0};
    if (m->code_size != 2)
        b(m, 0x66);
    b(m, 0xff);
    absolute_operand(m, 1, COUNTER);
    b(m, 0x0f);
    b(m, 0x85);
    item->rel_at = item->length;
    item->rel_size = m->code_size == 2 ? 2 : 4;
    item->target = 1;
    bytes(m, 0, item->rel_size);
    b(m, 0xcc);
}

/* The first instruction: mov word [COUNTER], n */
static void add_count(struct maker *m)
{
    m->item = &m->program->item[m->program->items++];
    *m->item = (struct item){0};
    if (m->code_size != 2)
        b(m, 0x66);
    b(m, 0xc7);
    absolute_operand(m, 0, COUNTER);
    bytes(m, 1 + any(m, 5), 2);
}

void program_interrupt_item(struct program *program, unsigned at)
{
    struct maker m = {.program = program, .item = &program->item[at]};
    m.mode = program->start.mode;
    m.code_size = mode_code_size(m.mode);
    *m.item = (struct item){0};
    store_to_device(&m, 0, 0);
}

static void begin(struct maker *m, enum block_mode mode)
{
    memset(m->program, 0, sizeof(*m->program));
    m->mode = m->program->start.mode = mode;
    m->code_size = mode_code_size(mode);
    m->user = mode_user(mode);
}

void program_from_code(struct program *program, enum block_mode mode, const uint8_t *code, unsigned size,
                       struct random *r)
{
    struct maker m = {.program = program, .r = r};
    begin(&m, mode);
    random_vector(r, program->start.vector);
    set_registers(&m);
    choose_system_calls(&m);
    add_count(&m);
    m.item = &program->item[program->items++];
    memcpy(m.item->bytes, code, size);
    m.item->length = (uint8_t)size;
    add_loop(&m);
    program->start.entry = CODE + any(&m, 0x1000);
}

void program_generate(struct program *program, struct random *r)
{
    struct maker m = {.program = program, .r = r};
    begin(&m, (enum block_mode)random_below(r, BLOCK_MODES));
    m.flavours = one_in(r, 4) ? (unsigned)random_word(r) : 3u | 1u << any(&m, FLAVOURS) | 1u << any(&m, FLAVOURS);
    m.flavours |= 1;
    if (!one_in(r, 4))
        m.flavours &= ~(unsigned)FLAVOUR_DEBUG;
    random_vector(r, program->start.vector);
    /* x87 exceptions masked: a store that is not made because of one may come before its page fault, or after. */
    program->start.vector[0] |= 0x3f;
    program->start.vector[2] &= 0x7f;
    program->start.vector[3] &= 0x7f;
    set_registers(&m);
    choose_system_calls(&m);
    add_count(&m);
    unsigned items = 2 + any(&m, one_in(r, 3) ? ITEMS_MAX - 4 : 12);
    while (program->items < items) {
        m.item = &program->item[program->items];
        make_item(&m);
        program->items++;
    }
    add_loop(&m);
    program->start.entry = CODE + (any(&m, 2) ? any(&m, 0x400) : 0xf80 + any(&m, 0x80));
    program_layout(program);
    set_breakpoints(&m);
}

static void put(struct item *item, unsigned at, unsigned size, uint32_t value)
{
    memcpy(item->bytes + at, &value, size);
}

void program_layout(struct program *program)
{
    uint32_t at = program->start.entry;
    bool small = mode_code_size(program->start.mode) == 2;
    for (unsigned i = 0; i < program->items; i++) {
        program->address[i] = at;
        at += program->item[i].dropped ? 0 : program->item[i].length;
    }
    program->address[program->items] = at;
    memset(program->start.code, 0xcc, sizeof(program->start.code));
    for (unsigned i = 0; i < program->items; i++) {
        struct item *item = &program->item[i];
        unsigned target = item->target < program->items ? item->target : program->items - 1;
        uint32_t to = program->address[target];
        if (item->rel_size)
            put(item, item->rel_at, item->rel_size, to - (program->address[i] + item->rel_at + item->rel_size));
        if (item->far_size)
            put(item, item->far_at, item->far_size, to - (small ? CODE : 0) + item->far_bias);
        if (item->patch_size) {
            to += program->item[target].imm_at - CODE;
            put(item, item->patch_at, item->patch_size,
                item->patch_size == 3 || small ? to : to + (item->alias ? CODE_ALIAS : CODE));
        }
        if (!item->dropped)
            memcpy(program->start.code + (program->address[i] - CODE), item->bytes, item->length);
    }
    if (program->called) {
        unsigned called = program->called < program->items ? program->called : 1;
        program->start.calls.lstar = program->start.calls.sysenter_eip = program->address[called];
    }
    program->end = program->address[program->items] - CODE;
}
