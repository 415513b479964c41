/*
 * Far jumps, calls and returns, interrupts through gates of their own, virtual-8086 mode: to the program's own items,
 * or to a pad and back (selectors.h). See maker.h. SDM Vol. 3 "Privilege checking when transferring control".
 */
#include "tests/blocks/maker.h"
#include "tests/blocks/selectors.h"

static bool real_segments(const struct maker *m)
{
    return m->mode >= MODE_V86;
}

/* Paragraphs that CS is below the usual place, where segments are paragraphs. */
static unsigned far_shift(struct maker *m)
{
    return real_segments(m) && one_in(m->r, 3) ? any(m, 0x100) : 0;
}

static unsigned own_code(const struct maker *m)
{
    static const uint8_t own[] = {SEL_CODE64_0, SEL_CODE64_3, SEL_CODE32_3, SEL_CODE16_3,
                                  SEL_CODE32_0, SEL_CODE32_3, SEL_CODE16_0};
    return own[m->mode];
}

/* For code of the program's own size, mostly. */
static unsigned code_selector(struct maker *m)
{
    static const uint16_t alike[3][5] = {
        {SEL_CODE64_3, SEL_CODE64_0, SEL_FRESH64, SEL_CONFORMING64, SEL_CODE64_0 | 3},
        {SEL_CODE32_3, SEL_CODE32_0, SEL_FRESH32, SEL_CONFORMING32, SEL_CODE_LIMITED},
        {SEL_CODE16_3, SEL_CODE16_0, SEL_FRESH16, SEL_CONFORMING16, SEL_CODE16_3 & ~3},
    };
    static const uint16_t bad[] = {0,
                                   3,
                                   SEL_DATA0,
                                   SEL_DATA3,
                                   SEL_CODE_ABSENT,
                                   SEL_READ_ONLY,
                                   SEL_TSS32,
                                   SEL_BEYOND,
                                   SEL_BEYOND | 3,
                                   SEL_CODE32_3 | 4,
                                   SEL_CODE32_1,
                                   SEL_EXECUTE_ONLY,
                                   SEL_TSS64,
                                   SEL_CODE32_3,
                                   SEL_CODE64_3,
                                   SEL_CODE16_3};
    unsigned size = m->code_size == 8 ? 0 : m->code_size == 4 ? 1 : 2;
    unsigned pick = any(m, 12);
    if (pick == 0)
        return bad[any(m, ARRAY_LEN(bad))];
    return pick < 6 ? own_code(m) : alike[size][any(m, 5)];
}

void absolute_target(struct maker *m, unsigned size, unsigned shift)
{
    m->item->far_at = m->item->length;
    m->item->far_size = (uint8_t)size;
    m->item->far_bias = (uint16_t)(shift << 4);
    m->item->target = (uint8_t)(m->item - m->program->item + 1 + any(m, 4));
    bytes(m, 0, size);
}

static unsigned selector_for(struct maker *m, unsigned shift)
{
    return real_segments(m) ? (CODE >> 4) - shift : code_selector(m);
}

/* mov to memory, of 2 bytes or (`full`) as many as an offset has. */
static void store_to(struct maker *m, uint32_t at, bool full)
{
    if (!full && m->code_size != 2)
        b(m, 0x66);
    b(m, 0xc7);
    absolute_operand(m, 0, at);
}

/* A pointer's offset; 0: to an item. */
static void pointer_offset(struct maker *m, uint32_t offset, unsigned shift)
{
    unsigned size = m->code_size == 2 ? 2 : 4;
    if (offset)
        bytes(m, offset, size);
    else
        absolute_target(m, size, shift);
}

/* Writes a pointer to memory and goes there: FF /3 or /5. */
static void indirect(struct maker *m, unsigned selector, uint32_t offset, unsigned shift, unsigned what)
{
    uint32_t at = DATA + data_address(m);
    store_to(m, at, true);
    pointer_offset(m, offset, shift);
    store_to(m, at + (m->code_size == 2 ? 2 : 4), false);
    bytes(m, selector, 2);
    b(m, 0xff);
    absolute_operand(m, what, at);
}

static void direct(struct maker *m, unsigned selector, uint32_t offset, unsigned shift, bool call)
{
    b(m, call ? 0x9a : 0xea);
    pointer_offset(m, offset, shift);
    bytes(m, selector, 2);
}

void go_far(struct maker *m, unsigned selector, uint32_t offset, unsigned shift, bool call)
{
    if (wide(m) || any(m, 2))
        indirect(m, selector, offset, shift, call ? 3 : 5);
    else
        direct(m, selector, offset, shift, call);
}

static void push_immediate(struct maker *m, unsigned value)
{
    b(m, 0x68);
    bytes(m, value, m->code_size == 2 ? 2 : 4);
}

/* The outer stack of a return: mov eax, esp; push selector; push eax. */
static void push_stack(struct maker *m)
{
    static const uint16_t odd[] = {SEL_DATA0, SEL_DATA3, 0, 3, SEL_READ_ONLY, SEL_CODE32_3, SEL_BEYOND, SEL_DATA1};
    unsigned selector = m->user || any(m, 2) ? (m->mode == MODE_COMPAT16 ? SEL_DATA16_3 : SEL_DATA3) : SEL_DATA0;
    if (one_in(m->r, 10))
        selector = odd[any(m, ARRAY_LEN(odd))];
    if (wide(m))
        b(m, 0x48);
    bytes(m, 0xe089, 2);
    push_immediate(m, selector);
    b(m, 0x50);
}

static void far_return(struct maker *m)
{
    unsigned shift = far_shift(m), selector = selector_for(m, shift);
    bool outer = wide(m) || (!real_segments(m) && any(m, 2)), iret = any(m, 2);
    if (outer)
        push_stack(m);
    if (iret) {
        b(m, 0x9c);
        if (!real_segments(m) && one_in(m->r, 12)) { /* NT: a task return, without a task */
            bytes(m, m->code_size == 2 ? 0x240c8167 : 0x240c8166, 4);
            bytes(m, 0x4000, 2);
        }
    }
    push_immediate(m, selector);
    b(m, 0x68);
    absolute_target(m, m->code_size == 2 ? 2 : 4, shift);
    if (wide(m) && !one_in(m->r, 10))
        b(m, 0x48);
    if (iret) {
        b(m, 0xcf);
    } else if (any(m, 2)) {
        b(m, 0xcb);
    } else {
        b(m, 0xca);
        bytes(m, outer ? 0 : any(m, 4) * 2, 2);
    }
}

/* A call to a pad of any code size, which returns with what the call pushed. */
static void call_pad(struct maker *m)
{
    if (real_segments(m)) {
        unsigned shift = far_shift(m);
        go_far(m, (CODE >> 4) - shift, PAD16_RETW - CODE + (shift << 4), 0, true);
        return;
    }
    static const uint16_t code[3][3] = {{SEL_CODE64_0, SEL_CODE64_3, SEL_CONFORMING64},
                                        {SEL_CODE32_0, SEL_CODE32_3, SEL_CONFORMING32},
                                        {SEL_CODE16_0, SEL_CODE16_3, SEL_CONFORMING16}};
    static const uint32_t pad[3][2] = {
        {PAD64_RETW, PAD64_RETL}, {PAD32_RETW, PAD32_RETL}, {PAD16_RETW - CODE, PAD16_RETL - CODE}};
    unsigned size = m->mode < MODE_32_KERNEL ? any(m, 3) : 1 + any(m, 2);
    if (m->code_size == 2)
        size = 2; /* 16 bits of offset do not reach the others */
    unsigned which = one_in(m->r, 4) ? 2 : one_in(m->r, 10) ? any(m, 2) : m->user;
    go_far(m, code[size][which], pad[size][m->code_size != 2], 0, true);
}

static void call_gate(struct maker *m)
{
    static const uint16_t legacy[] = {SEL_GATE32,      SEL_GATE32_1,     SEL_GATE32_3,          SEL_GATE16_2,
                                      SEL_GATE16_SAME, SEL_GATE32_RING1, SEL_GATE32_CONFORMING, SEL_GATE32_CLIMB,
                                      SEL_GATE32_CLIMB};
    static const uint16_t longs[] = {SEL_GATE64, SEL_GATE64, SEL_GATE64_CLIMB};
    static const uint16_t bad[] = {SEL_GATE32_KERNEL,     SEL_GATE32_ABSENT, SEL_GATE32_TO_DATA, SEL_GATE32_TO_NULL,
                                   SEL_GATE64_TO_32,      SEL_GATE64_ABSENT, SEL_GATE64_KERNEL,  SEL_GATE64_FAR_AWAY,
                                   SEL_GATE64_UPPER_TYPE, SEL_GATE32,        SEL_GATE64,         SEL_END - 8};
    bool long_mode = m->mode < MODE_32_KERNEL;
    unsigned selector = one_in(m->r, 8) ? bad[any(m, ARRAY_LEN(bad))]
                        : long_mode     ? longs[any(m, ARRAY_LEN(longs))]
                                        : legacy[any(m, ARRAY_LEN(legacy))];
    go_far(m, selector | any(m, 4), 1 + any(m, 0x10000), 0, any(m, 6));
}

/* mov eax, the next item; jmp to the pad that goes into virtual-8086 mode and comes back there. */
static void visit_v86(struct maker *m)
{
    b(m, 0xb8);
    absolute_target(m, 4, 0);
    b(m, 0xea);
    bytes(m, PAD32_INTO_V86, 4);
    bytes(m, SEL_CODE32_0, 2);
}

void make_far(struct maker *m)
{
    switch (any(m, 6)) {
    case 0: {
        unsigned shift = far_shift(m);
        go_far(m, selector_for(m, shift), 0, shift, any(m, 2));
        break;
    }
    case 1:
        far_return(m);
        break;
    case 2:
        call_pad(m);
        break;
    case 3:
        if (real_segments(m))
            call_pad(m);
        else
            call_gate(m);
        break;
    case 4:
        b(m, 0xcd);
        b(m, HANDLER_COUNT + (one_in(m->r, 4) ? any(m, INT_END - HANDLER_COUNT + 1) : any(m, 4)));
        if (m->item->bytes[1] == INT_LEAVE_V86)
            m->item->bytes[1] = INT_TRAP;
        break;
    default:
        if (m->mode == MODE_32_KERNEL)
            visit_v86(m);
        else
            far_return(m);
    }
}
