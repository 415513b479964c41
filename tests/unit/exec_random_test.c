/* Random descriptor tables, registers and instructions: no crash, no hang, and a fault changes no register. */
#include "tests/unit/exec_fixture.h"

struct random {
    uint64_t state;
};

static uint64_t next(struct random *r)
{
    r->state ^= r->state << 13;
    r->state ^= r->state >> 7;
    r->state ^= r->state << 17;
    return r->state;
}

static uint64_t below(struct random *r, uint64_t n)
{
    return next(r) % n;
}

/* A selector that is often one of the table's. */
static uint16_t selector(struct random *r)
{
    return (uint16_t)(below(r, 8) ? below(r, 36) * 8 | (below(r, 2) ? 0 : below(r, 8)) : next(r));
}

/* An address that is mostly RAM, often near a page's or the address space's end. */
static uint64_t address(struct random *r)
{
    static const uint64_t ends[] = {0, 0x10000, 0x100000000, 0x800000000000, 0xffff800000000000};
    if (below(r, 4) == 0)
        return ends[below(r, ARRAY_LEN(ends))] + below(r, 64) - 32;
    return (0x20000 + below(r, 0x60000)) & ~(below(r, 2) ? 0xfull : 0ull);
}

/* Descriptors of every type with plausible bases. */
static uint64_t descriptor(struct random *r)
{
    uint8_t access = (uint8_t)(next(r) | (below(r, 8) ? 0x80 : 0));
    if (below(r, 2))
        return make_gate(selector(r), (uint32_t)address(r), access, (uint8_t)next(r));
    return make_descriptor(below(r, 4) ? 0 : (uint32_t)next(r), below(r, 2) ? 0xfffff : (uint32_t)next(r), access,
                           (uint8_t)next(r));
}

static struct bench *random_bench(struct random *r)
{
    struct bench *b;
    switch (below(r, 8)) {
    case 0:
        b = bench_real();
        break;
    case 1:
    case 2:
    case 3:
        b = bench_protected(below(r, 2) ? 3 : 0);
        break;
    default:
        b = bench_long(below(r, 2) ? 3 : 0);
        break;
    }
    for (unsigned i = 0; i < 8; i++)
        set_gdt(b, (uint16_t)(below(r, 32) * 8), descriptor(r));
    for (unsigned i = 0; i < 512; i++)
        poke(b, IDT + i * 8, 8,
             below(r, 3)
                 ? make_gate(selector(r), (uint32_t)address(r), (uint8_t)(0x8e | below(r, 128)), (uint8_t)below(r, 8))
                 : next(r));
    for (unsigned i = 0; i < 0x40; i++) {
        poke(b, TSS_A + 4 + i * 4, 4, below(r, 2) ? address(r) : selector(r));
        poke(b, LDT + i * 8, 8, descriptor(r));
    }
    for (unsigned i = 0; i < 16; i++)
        b->vcpu.gpr[i] = below(r, 4) ? address(r) : next(r);
    for (uint64_t at = b->vcpu.gpr[REG_RSP] & 0x1fff0; at < 0x20000; at += 8)
        poke(b, at, 8, selector(r));
    if (below(r, 2)) { /* a stack with something to return to */
        unsigned size = 2u << below(r, 3);
        b->vcpu.gpr[REG_RSP] = STACK;
        for (unsigned i = 0; i < 9; i++)
            poke(b, STACK + i * size, size, i == 2 ? next(r) : i == 0 || i == 3 ? address(r) : selector(r));
    }
    vcpu_set_eflags(&b->vcpu, (uint32_t)next(r) & ~(uint32_t)(FLAG_VM | (below(r, 4) ? FLAG_NT : 0)));
    if (vcpu_protected(&b->vcpu) && !vcpu_long_mode(&b->vcpu) && below(r, 4) == 0) {
        b->vcpu.eflags |= FLAG_VM;
        for (unsigned i = 0; i < SEG_COUNT; i++)
            segment_set_real(&b->vcpu, i, (uint16_t)next(r));
        vcpu_set_cpl(&b->vcpu, 3);
    }
    b->vcpu.cr4 |= (below(r, 2) ? CR4_VME : 0) | (below(r, 2) ? CR4_FSGSBASE : 0);
    b->vcpu.cr0 |= below(r, 2) ? CR0_AM : 0;
    b->vcpu.features.vendor = (uint8_t)below(r, 2);
    b->vcpu.star = next(r);
    b->vcpu.sysenter_cs = selector(r);
    b->vcpu.rip = vcpu_code_size(&b->vcpu) == 2 ? below(r, 0x10000) : address(r);
    return b;
}

static void random_insn(struct random *r, struct bench *b, uint8_t opcode)
{
    static const uint8_t sizes[] = {2, 4, 8};
    unsigned code_size = vcpu_code_size(&b->vcpu);
    b->insn = (struct insn){
        .length = (uint8_t)(1 + below(r, 15)),
        .code_size = (uint8_t)code_size,
        .operand_size = sizes[below(r, code_size == 8 ? 3 : 2)],
        .address_size = code_size == 8 ? sizes[1 + below(r, 2)] : sizes[below(r, 2)],
        .opcode = opcode,
        .modrm = (uint8_t)next(r),
        .rex = code_size == 8 && below(r, 2) ? 0x48 : 0,
        .far = below(r, 2),
        .reg = (uint8_t)below(r, 16),
        .rm = (uint8_t)below(r, 16),
        .selector = selector(r),
        .imm = (int64_t)(below(r, 2) ? below(r, 256) : address(r)),
        .mem = {.present = (uint8_t)below(r, 2),
                .segment = (uint8_t)below(r, SEG_COUNT),
                .base = below(r, 2) ? REG_NONE : (uint8_t)below(r, 16),
                .index = REG_NONE,
                .scale = 1,
                .disp = (int64_t)address(r)},
    };
    if (b->insn.mem.present)
        poke(b, 0x20000 + below(r, 0x8000) * 4, 6, selector(r));
}

static const struct {
    const char *name;
    exec_fn *function;
    uint8_t opcodes[4];
} subjects[] = {
    {"CALL", exec_call, {0x9a, 0xe8, 0xff, 0xff}},         {"JMP", exec_jmp, {0xea, 0xeb, 0xff, 0xff}},
    {"RET", exec_ret, {0xc2, 0xc3, 0xca, 0xcb}},           {"IRET", exec_iret, {0xcf, 0xcf, 0xcf, 0xcf}},
    {"INT", exec_int, {0xcd, 0xcd, 0xcd, 0xcd}},           {"INT3", exec_int3, {0xcc, 0xcc, 0xcc, 0xcc}},
    {"INT1", exec_int1, {0xf1, 0xf1, 0xf1, 0xf1}},         {"INTO", exec_into, {0xce, 0xce, 0xce, 0xce}},
    {"BOUND", exec_bound, {0x62, 0x62, 0x62, 0x62}},       {"LOOP", exec_loop, {0xe0, 0xe1, 0xe2, 0xe2}},
    {"MOV", exec_mov_sreg, {0x8c, 0x8e, 0x8e, 0x8e}},      {"LES", exec_load_far_pointer, {0xc4, 0xc5, 0xb2, 0xb4}},
    {"LAR", exec_lar, {0x02, 0x02, 0x02, 0x02}},           {"LSL", exec_lsl, {0x03, 0x03, 0x03, 0x03}},
    {"VERR", exec_verr, {0x00, 0x00, 0x00, 0x00}},         {"ARPL", exec_arpl, {0x63, 0x63, 0x63, 0x63}},
    {"LGDT", exec_lgdt, {0x01, 0x01, 0x01, 0x01}},         {"SIDT", exec_sidt, {0x01, 0x01, 0x01, 0x01}},
    {"LLDT", exec_lldt, {0x00, 0x00, 0x00, 0x00}},         {"LTR", exec_ltr, {0x00, 0x00, 0x00, 0x00}},
    {"SYSCALL", exec_syscall, {0x05, 0x05, 0x05, 0x05}},   {"SYSRET", exec_sysret, {0x07, 0x07, 0x07, 0x07}},
    {"SYSENTER", exec_sysenter, {0x34, 0x34, 0x34, 0x34}}, {"SYSEXIT", exec_sysexit, {0x35, 0x35, 0x35, 0x35}},
    {"SWAPGS", exec_swapgs, {0x01, 0x01, 0x01, 0x01}},     {"WRFSBASE", exec_wrfsbase, {0xae, 0xae, 0xae, 0xae}},
};

/* The selectors name what a V86 or real-mode segment starts at; CPL is that of the mode. */
static void expect_consistent(const struct vcpu *vcpu, const char *name)
{
    cr_assert(vcpu->cpl <= 3);
    if (!vcpu_protected(vcpu))
        cr_assert_eq(vcpu->cpl, 0, "%s", name);
    else if (vcpu_v86(vcpu))
        cr_assert_eq(vcpu->cpl, 3, "%s", name);
    else
        cr_assert_eq(vcpu->segment[SEG_CS].selector & 3, vcpu->cpl, "%s", name);
    cr_assert_not(vcpu->flags & ~(uint64_t)FLAGS_ARITHMETIC, "%s", name);
    cr_assert_not(vcpu->eflags & FLAGS_ARITHMETIC, "%s", name);
}

Test(random, faults_change_nothing)
{
    struct random r = {0x9e3779b97f4a7c15};
    unsigned results[EXEC_SHUTDOWN + 1] = {0};
    cr_log_info("seed %lx", (unsigned long)r.state);
    for (unsigned round = 0; round < 400; round++) {
        struct bench *b = random_bench(&r);
        struct vcpu before = b->vcpu;
        for (unsigned i = 0; i < 40; i++) {
            b->vcpu = before;
            unsigned which = (unsigned)below(&r, ARRAY_LEN(subjects));
            random_insn(&r, b, subjects[which].opcodes[below(&r, 4)]);
            enum exec_result result = subjects[which].function(&b->vcpu, &b->insn);
            cr_assert(result <= EXEC_SHUTDOWN);
            results[result]++;
            bool new_task = b->vcpu.segment[SEG_TR].selector != before.segment[SEG_TR].selector;
            if (result == EXEC_FAULT && !new_task) {
                before.exception = b->vcpu.exception;
                cr_assert_eq(memcmp(&before, &b->vcpu, offsetof(struct vcpu, vector_area)), 0, "%s in round %u",
                             subjects[which].name, round);
            }
            if (result != EXEC_SHUTDOWN && !new_task)
                expect_consistent(&b->vcpu, subjects[which].name);
        }
        bench_free(b);
    }
    for (unsigned i = 0; i <= EXEC_SHUTDOWN; i++)
        cr_log_info("result %u: %u", i, results[i]);
    cr_assert(results[EXEC_JUMP] > 300 && results[EXEC_FAULT] > 300 && results[EXEC_NEXT] > 300);
}
