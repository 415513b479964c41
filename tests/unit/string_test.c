/*
 * String instructions: every element size, direction and address size against the host's own string instructions, and
 * what faults, interrupts and REP counts leave behind.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "tests/unit/exec_fixture.h"

enum {
    WINDOW = 0x100000, /* linear pages whose physical order the tests shuffle */
    WINDOW_PAGES = 8,
    WINDOW_SIZE = WINDOW_PAGES * 4096,
    SEED = 20240611,
};

struct machine_log {
    unsigned reads, writes;
    uint64_t written[64];
};

static uint64_t io_read(void *machine, uint16_t port, unsigned size)
{
    struct machine_log *log = machine;
    (void)size;
    return (uint64_t)port + log->reads++;
}

static void io_write(void *machine, uint16_t port, uint64_t value, unsigned size)
{
    struct machine_log *log = machine;
    (void)port;
    (void)size;
    log->written[log->writes++ % 64] = value;
}

static struct machine_log machine_log;
static const struct vcpu_wires wires = {.machine = &machine_log, .io_read = io_read, .io_write = io_write};

static struct bench *bench(unsigned cpl)
{
    struct bench *b = bench_long(cpl);
    machine_log = (struct machine_log){0};
    b->vcpu.wires = &wires;
    b->vcpu.run = 1;
    return b;
}

/* Sets the instruction: opcode, prefixes and sizes. */
static void set_string(struct bench *b, uint8_t opcode, unsigned size, char rep, unsigned address_size)
{
    struct insn *insn = &b->insn;
    insn->opcode = opcode;
    insn->operand_size = (uint8_t)(size == 1 ? 4 : size);
    insn->address_size = (uint8_t)address_size;
    insn->rep = rep == 'e';
    insn->repne = rep == 'n';
    insn->bytes[0] = opcode;
    insn->length = 1;
}

/* --- random cases against the host -------------------------------------------------------------------------------- */

enum string_kind { MOVS, CMPS, STOS, LODS, SCAS, STRING_KINDS };

static const uint8_t byte_opcode[STRING_KINDS] = {0xa4, 0xa6, 0xaa, 0xac, 0xae};
static exec_fn *const function[STRING_KINDS] = {exec_movs, exec_cmps, exec_stos, exec_lods, exec_scas};

struct registers {
    uint64_t rax, rcx, rsi, rdi, flags;
};

#define HOST(text)                                                                                                     \
    __asm__ volatile("pushq %4; popfq; " text "; pushfq; popq %4; cld"                                                 \
                     : "+a"(r->rax), "+c"(r->rcx), "+S"(r->rsi), "+D"(r->rdi), "+r"(r->flags)                          \
                     :                                                                                                 \
                     : "memory", "cc")
#define HOST_SIZES(prefix, name)                                                                                       \
    switch (size) {                                                                                                    \
    case 1:                                                                                                            \
        HOST(prefix name "b");                                                                                         \
        break;                                                                                                         \
    case 2:                                                                                                            \
        HOST(prefix name "w");                                                                                         \
        break;                                                                                                         \
    case 4:                                                                                                            \
        HOST(prefix name "l");                                                                                         \
        break;                                                                                                         \
    default:                                                                                                           \
        HOST(prefix name "q");                                                                                         \
        break;                                                                                                         \
    }
#define HOST_REPS(name)                                                                                                \
    do {                                                                                                               \
        if (rep == 'e')                                                                                                \
            HOST_SIZES("repe ", name)                                                                                  \
        else if (rep == 'n')                                                                                           \
            HOST_SIZES("repne ", name)                                                                                 \
        else                                                                                                           \
            HOST_SIZES("", name)                                                                                       \
    } while (0)

__attribute__((no_sanitize("address", "undefined"))) static void host_string(struct registers *r, enum string_kind kind,
                                                                             unsigned size, char rep)
{
    switch (kind) {
    case MOVS:
        HOST_REPS("movs");
        break;
    case CMPS:
        HOST_REPS("cmps");
        break;
    case STOS:
        HOST_REPS("stos");
        break;
    case LODS:
        HOST_REPS("lods");
        break;
    default:
        HOST_REPS("scas");
        break;
    }
}

/* Physical page of each window page; returns to the table. */
static void shuffle_window(struct bench *b, unsigned order[WINDOW_PAGES])
{
    for (unsigned i = 0; i < WINDOW_PAGES; i++)
        order[i] = i;
    for (unsigned i = WINDOW_PAGES - 1; i > 0; i--) {
        unsigned j = (unsigned)rand() % (i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
    for (unsigned i = 0; i < WINDOW_PAGES; i++)
        poke(b, PAGE_TABLE + (WINDOW / 4096 + i) * 8, 8, (WINDOW + order[i] * 4096u) | 7);
}

static void gather_window(struct bench *b, const unsigned order[WINDOW_PAGES], uint8_t *to)
{
    for (unsigned i = 0; i < WINDOW_PAGES; i++)
        memcpy(to + i * 4096, b->ram + WINDOW + order[i] * 4096, 4096);
}

static void random_case(struct bench *b, unsigned number)
{
    static uint8_t expected[WINDOW_SIZE] __attribute__((aligned(4096))), actual[WINDOW_SIZE];
    unsigned order[WINDOW_PAGES], size = 1u << rand() % 4;
    enum string_kind kind = (enum string_kind)(rand() % STRING_KINDS);
    char rep = "e\0n"[rand() % 3];
    bool down = rand() % 3 == 0;
    unsigned run = (unsigned)rand() % 2 ? 40 : 9000;
    uint64_t count = (uint64_t)rand() % run / size;
    unsigned span = (unsigned)(rep ? count : 1) * size, room = WINDOW_SIZE - span - 16;
    /* Offsets of the lowest element; often overlapping or near page ends. */
    unsigned source = (unsigned)rand() % room, target = (unsigned)rand() % room;
    if (rand() % 2)
        target = (source + (unsigned)rand() % 32) % room;
    if (rand() % 4 == 0)
        target = (source & ~4095u) % room;

    shuffle_window(b, order);
    bool constant = rand() % 2; /* for comparisons that go on */
    for (unsigned i = 0; i < WINDOW_SIZE; i++)
        b->ram[WINDOW + i] = constant ? 0x41 : (uint8_t)rand();
    if (constant)
        b->ram[WINDOW + (unsigned)rand() % WINDOW_SIZE] = 0x42;
    gather_window(b, order, expected);

    unsigned last = down && span ? span - size : 0;
    struct registers r = {.rax = constant ? 0x4141414141414141 : (uint64_t)rand() << 33 ^ (uint64_t)rand(),
                          .rcx = count,
                          .rsi = (uintptr_t)expected + source + last,
                          .rdi = (uintptr_t)expected + target + last};
    uint64_t flags = (rand() % 2 ? FLAG_CF | FLAG_ZF : FLAG_SF | FLAG_OF);
    r.flags = flags | FLAG_FIXED | FLAG_IF | (down ? FLAG_DF : 0);
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RAX] = r.rax;
    v->gpr[REG_RCX] = count;
    v->gpr[REG_RSI] = WINDOW + source + last;
    v->gpr[REG_RDI] = WINDOW + target + last;
    v->flags = flags;
    v->eflags = FLAG_FIXED | (down ? FLAG_DF : 0);
    v->run = rand() % 3 != 0;
    set_string(b, (uint8_t)(byte_opcode[kind] + (size > 1)), size, rep, rand() % 4 ? 8 : 4);

    host_string(&r, kind, size, rep);
    enum exec_result result;
    unsigned calls = 0;
    while ((result = function[kind](v, &b->insn)) == EXEC_REPEAT && ++calls < 100000)
        ;
    gather_window(b, order, actual);
    cr_assert_eq(result, EXEC_NEXT, "case %u", number);
    cr_assert_eq(memcmp(expected, actual, WINDOW_SIZE), 0, "case %u: memory, kind %d size %u", number, kind, size);
    cr_assert_eq(v->gpr[REG_RSI] - WINDOW, r.rsi - (uintptr_t)expected, "case %u: rsi", number);
    cr_assert_eq(v->gpr[REG_RDI] - WINDOW, r.rdi - (uintptr_t)expected, "case %u: rdi", number);
    cr_assert_eq(v->gpr[REG_RAX], r.rax, "case %u: rax", number);
    cr_assert_eq(v->gpr[REG_RCX], r.rcx, "case %u: rcx", number);
    cr_assert_eq(v->flags, r.flags & FLAGS_ARITHMETIC, "case %u: flags %lx for %lx", number, v->flags,
                 r.flags & FLAGS_ARITHMETIC);
}

Test(string, as_the_host_does_it)
{
    struct bench *b = bench(3);
    printf("seed %d\n", SEED);
    srand(SEED);
    for (unsigned i = 0; i < 4000; i++)
        random_case(b, i);
    bench_free(b);
}

/* --- what stops them ---------------------------------------------------------------------------------------------- */

Test(string, a_fault_leaves_the_registers_at_its_element)
{
    struct bench *b = bench(3);
    struct vcpu *v = &b->vcpu;
    poke(b, PAGE_TABLE + (WINDOW / 4096 + 2) * 8, 8, 0); /* the third page is missing */
    memset(b->ram + WINDOW - 0x4000, 0x77, 0x4000);
    v->gpr[REG_RSI] = WINDOW - 0x4000;
    v->gpr[REG_RDI] = WINDOW + 4;
    v->gpr[REG_RCX] = 4096;
    set_string(b, 0xa5, 4, 'e', 8);
    cr_expect_eq(exec_movs(v, &b->insn), EXEC_FAULT);
    cr_expect_eq(v->exception.vector, EXC_PF);
    cr_expect_eq(v->exception.error_code, PF_W | PF_U);
    cr_expect_eq(v->exception.cr2, WINDOW + 0x2000);
    unsigned done = (0x2000 - 4) / 4;
    cr_expect_eq(v->gpr[REG_RCX], 4096 - done);
    cr_expect_eq(v->gpr[REG_RDI], WINDOW + 0x2000);
    cr_expect_eq(v->gpr[REG_RSI], WINDOW - 0x4000 + done * 4);
    cr_expect_eq(v->rip, CODE);
    cr_expect_eq(peek(b, WINDOW + 0x1ffc, 4), 0x77777777);
    bench_free(b);
}

/* REPNE SCASB from the end of a page, never equal, into one that is not there. */
static struct bench *bench_with_scan(void)
{
    struct bench *b = bench(3);
    struct vcpu *v = &b->vcpu;
    poke(b, PAGE_TABLE + (WINDOW / 4096 + 1) * 8, 8, 0);
    v->gpr[REG_RDI] = WINDOW + 0xf00;
    v->gpr[REG_RCX] = 0x1000;
    v->gpr[REG_RAX] = 1; /* memory is zero */
    v->flags = FLAG_OF | FLAG_ZF;
    set_string(b, 0xae, 1, 'n', 8);
    return b;
}

Test(string, a_faulting_comparison_keeps_the_flags)
{
    struct bench *b = bench_with_scan();
    struct vcpu *v = &b->vcpu;
    cr_expect_eq(exec_scas(v, &b->insn), EXEC_FAULT);
    cr_expect_eq(v->gpr[REG_RDI], WINDOW + 0x1000);
    cr_expect_eq(v->gpr[REG_RCX], 0x1000 - 0x100);
    cr_expect_eq(v->flags, (uint64_t)(FLAG_OF | FLAG_ZF));
    bench_free(b);
}

Test(string, a_kick_before_the_fault_does_not_show_in_the_flags)
{
    struct bench *b = bench_with_scan();
    struct vcpu *v = &b->vcpu;
    v->run = 0;
    cr_expect_eq(exec_scas(v, &b->insn), EXEC_REPEAT);
    cr_expect_eq(v->gpr[REG_RCX], 0x1000 - 0x100);
    cr_expect_eq(v->flags, (uint64_t)(FLAG_OF | FLAG_ZF));
    v->run = 1;
    cr_expect_eq(exec_scas(v, &b->insn), EXEC_FAULT);
    cr_expect_eq(v->flags, (uint64_t)(FLAG_OF | FLAG_ZF));
    bench_free(b);
}

Test(string, count_zero_touches_nothing)
{
    struct bench *b = bench(3);
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RSI] = v->gpr[REG_RDI] = 0x8000000000000000; /* not canonical */
    v->gpr[REG_RCX] = 0;
    v->flags = FLAG_CF;
    set_string(b, 0xa6, 1, 'e', 8);
    cr_expect_eq(exec_cmps(v, &b->insn), EXEC_NEXT);
    set_string(b, 0xa4, 1, 'e', 8);
    cr_expect_eq(exec_movs(v, &b->insn), EXEC_NEXT);
    cr_expect_eq(v->flags, (uint64_t)FLAG_CF);
    cr_expect_eq(v->gpr[REG_RSI], 0x8000000000000000);
    bench_free(b);
}

Test(string, a_kick_stops_at_the_end_of_a_page)
{
    struct bench *b = bench(3);
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RDI] = WINDOW;
    v->gpr[REG_RCX] = WINDOW_SIZE;
    v->run = 0;
    set_string(b, 0xaa, 1, 'e', 8);
    cr_expect_eq(exec_stos(v, &b->insn), EXEC_REPEAT);
    cr_expect_eq(v->gpr[REG_RDI], WINDOW + 0x1000);
    cr_expect_eq(v->gpr[REG_RCX], WINDOW_SIZE - 0x1000);
    v->run = 1;
    cr_expect_eq(exec_stos(v, &b->insn), EXEC_NEXT);
    cr_expect_eq(v->gpr[REG_RCX], 0);
    bench_free(b);
}

Test(string, single_stepping_sees_each_element)
{
    struct bench *b = bench(3);
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RDI] = WINDOW;
    v->gpr[REG_RCX] = 3;
    v->eflags |= FLAG_TF;
    set_string(b, 0xaa, 1, 'e', 8);
    cr_expect_eq(exec_stos(v, &b->insn), EXEC_REPEAT);
    cr_expect_eq(v->gpr[REG_RCX], 2);
    cr_expect_eq(exec_stos(v, &b->insn), EXEC_REPEAT);
    cr_expect_eq(exec_stos(v, &b->insn), EXEC_NEXT);
    bench_free(b);
}

Test(string, real_mode_offsets_wrap)
{
    struct bench *b = bench_real();
    struct vcpu *v = &b->vcpu;
    v->wires = &wires;
    v->run = 1;
    segment_set_real(v, SEG_ES, 0x4000);
    v->gpr[REG_RDI] = 0xabcd0000fffeull;
    v->gpr[REG_RCX] = 0x10004;
    v->gpr[REG_RAX] = 0x55;
    set_string(b, 0xaa, 1, 'e', 2);
    cr_expect_eq(exec_stos(v, &b->insn), EXEC_NEXT);
    cr_expect_eq(v->gpr[REG_RDI], 0xabcd00000002ull); /* only DI moves, and CX counts */
    cr_expect_eq(v->gpr[REG_RCX], 0x10000);
    cr_expect_eq(peek(b, 0x4fffe, 4), 0x5555);
    cr_expect_eq(peek(b, 0x40000, 4), 0x5555);
    /* A word at FFFFh crosses the limit. */
    v->gpr[REG_RDI] = 0xffff;
    v->gpr[REG_RCX] = 2;
    set_string(b, 0xab, 2, 'e', 2);
    expect_fault(b, exec_stos(v, &b->insn), EXC_GP, 0);
    bench_free(b);
}

Test(string, short_addresses_clear_the_upper_half)
{
    struct bench *b = bench(0);
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RDI] = 0xffffffff00000000 | WINDOW;
    v->gpr[REG_RCX] = 0xffffffff00000002;
    set_string(b, 0xaa, 1, 'e', 4);
    cr_expect_eq(exec_stos(v, &b->insn), EXEC_NEXT);
    cr_expect_eq(v->gpr[REG_RDI], WINDOW + 2);
    cr_expect_eq(v->gpr[REG_RCX], 0);
    bench_free(b);
}

Test(string, overrides_apply_to_the_source_only)
{
    struct bench *b = bench_protected(0);
    struct vcpu *v = &b->vcpu;
    v->wires = &wires;
    v->run = 1;
    v->segment[SEG_FS].base = 0x80000;
    poke(b, 0x80010, 4, 0x11223344);
    v->gpr[REG_RSI] = 0x10;
    v->gpr[REG_RDI] = 0x90000;
    set_string(b, 0xa5, 4, 0, 4);
    b->insn.bytes[0] = 0x64;
    b->insn.bytes[1] = 0xa5;
    b->insn.length = 2;
    cr_expect_eq(exec_movs(v, &b->insn), EXEC_NEXT);
    cr_expect_eq(peek(b, 0x90000, 4), 0x11223344);
    bench_free(b);
}

static void note_code_written(void *context, uint64_t offset, uint64_t size)
{
    (void)offset;
    *(uint64_t *)context += size;
}

Test(string, stores_to_code_pages_are_announced)
{
    struct bench *b = bench(3);
    struct vcpu *v = &b->vcpu;
    uint64_t announced = 0;
    b->space.code_written = note_code_written;
    b->space.code_context = &announced;
    b->space.page_flags[space_offset(&b->space, b->ram + WINDOW) / 4096] |= PAGE_CODE;
    v->gpr[REG_RDI] = WINDOW + 0xff8;
    v->gpr[REG_RCX] = 8;
    set_string(b, 0xab, 4, 'e', 8);
    cr_expect_eq(exec_stos(v, &b->insn), EXEC_NEXT);
    cr_expect_eq(announced, 8);
    bench_free(b);
}

/* --- INS, OUTS, XLAT ---------------------------------------------------------------------------------------------- */

Test(string, ins_does_not_lose_data_to_a_fault)
{
    struct bench *b = bench(0);
    struct vcpu *v = &b->vcpu;
    poke(b, PAGE_TABLE + (WINDOW / 4096 + 1) * 8, 8, 0);
    v->gpr[REG_RDX] = 0x1f0;
    v->gpr[REG_RDI] = WINDOW + 0xffc;
    v->gpr[REG_RCX] = 4;
    set_string(b, 0x6d, 2, 'e', 8);
    cr_expect_eq(exec_ins(v, &b->insn), EXEC_FAULT);
    cr_expect_eq(machine_log.reads, 2);
    cr_expect_eq(v->gpr[REG_RCX], 2);
    cr_expect_eq(v->gpr[REG_RDI], WINDOW + 0x1000);
    cr_expect_eq(peek(b, WINDOW + 0xffc, 4), 0x01f101f0);
    bench_free(b);
}

Test(string, outs_checks_the_permission_first)
{
    struct bench *b = bench(3);
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RDX] = 0x3f8;
    v->gpr[REG_RSI] = WINDOW;
    v->gpr[REG_RCX] = 2;
    set_string(b, 0x6e, 1, 'e', 8);
    expect_fault(b, exec_outs(v, &b->insn), EXC_GP, 0);
    cr_expect_eq(machine_log.writes, 0);
    v->eflags |= FLAG_IOPL;
    poke(b, WINDOW, 2, 0x4241);
    cr_expect_eq(exec_outs(v, &b->insn), EXEC_NEXT);
    cr_expect_eq(machine_log.writes, 2);
    cr_expect_eq(machine_log.written[1], 0x42);
    bench_free(b);
}

Test(string, xlat_adds_al)
{
    struct bench *b = bench(3);
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RBX] = WINDOW;
    v->gpr[REG_RAX] = 0x123456f0;
    poke(b, WINDOW + 0xf0, 1, 0x9c);
    set_string(b, 0xd7, 1, 0, 8);
    cr_expect_eq(exec_xlat(v, &b->insn), EXEC_NEXT);
    cr_expect_eq(v->gpr[REG_RAX], 0x1234569c);
    bench_free(b);
}
