/*
 * Stack, flag, control-register, MSR, I/O permission, XSAVE, decimal and masked vector instructions: results, the
 * checks of the SDM, and that faults change nothing.
 */
#include <criterion/criterion.h>
#include <sys/mman.h>

#include "tests/unit/exec_fixture.h"

#include "cpu-model/state/vector.h"

static uint64_t io_read(void *machine, uint16_t port, unsigned size)
{
    (void)machine;
    return size == 1 ? 0x5a : port;
}

static void io_write(void *machine, uint16_t port, uint64_t value, unsigned size)
{
    uint64_t *last = machine;
    *last = (uint64_t)port << 48 | (uint64_t)size << 32 | (uint32_t)value;
}

static int apic_read(void *machine, uint32_t msr, uint64_t *value)
{
    (void)machine;
    *value = msr;
    return msr == 0x1b ? 0 : -1;
}

static int apic_write(void *machine, uint32_t msr, uint64_t value)
{
    uint64_t *last = machine;
    *last = value;
    return msr == 0x1b ? 0 : -1;
}

static uint8_t get_tpr(void *machine)
{
    return *(uint64_t *)machine & 15;
}

static void set_tpr(void *machine, uint8_t tpr)
{
    *(uint64_t *)machine = tpr;
}

static uint64_t device;
static const struct vcpu_wires wires = {.machine = &device,
                                        .io_read = io_read,
                                        .io_write = io_write,
                                        .apic_msr_read = apic_read,
                                        .apic_msr_write = apic_write,
                                        .get_tpr = get_tpr,
                                        .set_tpr = set_tpr};

static struct bench *equip(struct bench *b)
{
    struct error err;
    cr_assert_eq(cpu_model_parse("max", &b->vcpu.features, &err), 0, "%s", err.text);
    b->vcpu.wires = &wires;
    b->vcpu.run = 1;
    return b;
}

/* Decodes the bytes for the current mode and executes them. RIP stays. */
#define RUN(b, ...) run_bytes(b, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static enum exec_result run_bytes(struct bench *b, const uint8_t *bytes, unsigned size)
{
    cr_assert(insn_decode(&b->insn, &b->vcpu.features, vcpu_code_size(&b->vcpu), bytes, size));
    cr_assert_eq(b->insn.length, size, "length %u of %u", b->insn.length, size);
    return b->insn.rule->function(&b->vcpu, &b->insn);
}

static struct bench *bench_v86(unsigned iopl)
{
    struct bench *b = equip(bench_protected(3));
    b->vcpu.eflags |= FLAG_VM | iopl << FLAG_IOPL_SHIFT;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        segment_set_real(&b->vcpu, i, i == SEG_SS ? 0x5000 : 0x4000);
    b->vcpu.gpr[REG_RSP] = 0x100;
    return b;
}

/* --- stack
 * ------------------------------------------------------------------------------------------------------------- */

Test(stack, push_and_pop_of_the_stack_pointer)
{
    struct bench *b = equip(bench_long(3));
    struct vcpu *v = &b->vcpu;
    uint64_t sp = v->gpr[REG_RSP];
    cr_expect_eq(RUN(b, 0x54), EXEC_NEXT); /* push rsp */
    cr_expect_eq(peek(b, sp - 8, 8), sp);
    poke(b, sp - 8, 8, 0x123456);
    cr_expect_eq(RUN(b, 0x5c), EXEC_NEXT); /* pop rsp */
    cr_expect_eq(v->gpr[REG_RSP], 0x123456);
    bench_free(b);
}

Test(stack, pop_to_memory_computes_its_address_after_the_pop)
{
    struct bench *b = equip(bench_long(3));
    uint64_t sp = b->vcpu.gpr[REG_RSP];
    poke(b, sp, 8, 0xfeedface);
    cr_expect_eq(RUN(b, 0x8f, 0x44, 0x24, 0x08), EXEC_NEXT); /* pop [rsp + 8] */
    cr_expect_eq(peek(b, sp + 16, 8), 0xfeedface);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], sp + 8);
    b->vcpu.gpr[REG_RBX] = 0x40000000; /* not mapped */
    expect_fault(b, RUN(b, 0x8f, 0x03), EXC_PF, PF_U | PF_W);
    bench_free(b);
}

Test(stack, pushes_have_the_width_of_their_form)
{
    struct bench *b = equip(bench_long(3));
    struct vcpu *v = &b->vcpu;
    uint64_t sp = v->gpr[REG_RSP];
    poke(b, sp - 8, 8, UINT64_MAX);
    cr_expect_eq(RUN(b, 0x66, 0x6a, 0x80), EXEC_NEXT); /* push word -128 */
    cr_expect_eq(v->gpr[REG_RSP], sp - 2);
    cr_expect_eq(peek(b, sp - 2, 2), 0xff80);
    v->gpr[REG_RSP] = sp;
    cr_expect_eq(RUN(b, 0x68, 0x00, 0x00, 0x00, 0x80), EXEC_NEXT);
    cr_expect_eq(peek(b, sp - 8, 8), 0xffffffff80000000);
    v->gpr[REG_RSP] = sp;
    v->segment[SEG_FS].selector = 0x2b;
    cr_expect_eq(RUN(b, 0x0f, 0xa0), EXEC_NEXT); /* push fs */
    cr_expect_eq(peek(b, sp - 8, 8), 0x2b);
    bench_free(b);
}

Test(stack, pop_ss_holds_interrupts_and_debug_traps)
{
    struct bench *b = equip(bench_protected(0));
    struct vcpu *v = &b->vcpu;
    poke(b, STACK, 4, SEL_DATA0);
    cr_expect_eq(RUN(b, 0x17), EXEC_NEXT);
    cr_expect(v->interrupt_shadow && v->debug_shadow);
    cr_expect_eq(v->gpr[REG_RSP], STACK + 4);
    v->interrupt_shadow = v->debug_shadow = false;
    poke(b, STACK + 4, 4, SEL_READ_ONLY);
    expect_fault(b, RUN(b, 0x17), EXC_GP, SEL_READ_ONLY);
    bench_free(b);
}

Test(stack, pusha_and_popa)
{
    struct bench *b = equip(bench_protected(0));
    struct vcpu *v = &b->vcpu;
    for (unsigned i = 0; i < 8; i++)
        if (i != REG_RSP)
            v->gpr[i] = 0x11111111 * (i + 1);
    cr_expect_eq(RUN(b, 0x60), EXEC_NEXT);
    cr_expect_eq(v->gpr[REG_RSP], STACK - 32);
    cr_expect_eq(peek(b, STACK - 4, 4), 0x11111111);
    cr_expect_eq(peek(b, STACK - 20, 4), STACK);
    cr_expect_eq(peek(b, STACK - 32, 4), 0x88888888);
    poke(b, STACK - 20, 4, 0); /* the saved ESP is ignored */
    for (unsigned i = 0; i < 8; i++)
        if (i != REG_RSP)
            v->gpr[i] = 0;
    cr_expect_eq(RUN(b, 0x61), EXEC_NEXT);
    cr_expect_eq(v->gpr[REG_RSP], STACK);
    cr_expect_eq(v->gpr[REG_RDI], 0x88888888);
    cr_expect_eq(v->gpr[REG_RAX], 0x11111111);
    bench_free(b);
}

Test(stack, enter_builds_nested_frames)
{
    struct bench *b = equip(bench_protected(3));
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RBP] = USER_STACK + 0x100;
    poke(b, USER_STACK + 0xfc, 4, 0xaaaa);
    poke(b, USER_STACK + 0xf8, 4, 0xbbbb);
    cr_expect_eq(RUN(b, 0xc8, 0x20, 0x00, 0x03), EXEC_NEXT); /* enter 32, 3 */
    cr_expect_eq(v->gpr[REG_RBP], USER_STACK - 4);
    cr_expect_eq(peek(b, USER_STACK - 4, 4), USER_STACK + 0x100);
    cr_expect_eq(peek(b, USER_STACK - 8, 4), 0xaaaa);
    cr_expect_eq(peek(b, USER_STACK - 12, 4), 0xbbbb);
    cr_expect_eq(peek(b, USER_STACK - 16, 4), USER_STACK - 4);
    cr_expect_eq(v->gpr[REG_RSP], USER_STACK - 16 - 32);
    cr_expect_eq(RUN(b, 0xc9), EXEC_NEXT); /* leave */
    cr_expect_eq(v->gpr[REG_RSP], USER_STACK);
    cr_expect_eq(v->gpr[REG_RBP], USER_STACK + 0x100);
    bench_free(b);

    b = equip(bench_long(3));
    v = &b->vcpu;
    v->gpr[REG_RSP] = 0x1000;
    poke(b, PAGE_TABLE, 8, 0); /* the final stack pointer lies on a missing page */
    expect_fault(b, RUN(b, 0xc8, 0x00, 0x02, 0x00), EXC_PF, PF_U | PF_W);
    bench_free(b);
}

Test(stack, popf_changes_what_the_privilege_allows)
{
    struct bench *b = equip(bench_long(3));
    struct vcpu *v = &b->vcpu;
    uint64_t sp = v->gpr[REG_RSP];
    uint32_t all = FLAGS_DEFINED;
    poke(b, sp, 8, all);
    cr_expect_eq(RUN(b, 0x9d), EXEC_NEXT);
    uint32_t user = FLAGS_ARITHMETIC | FLAG_FIXED | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;
    cr_expect_eq(vcpu_eflags(v), user, "%x", vcpu_eflags(v));
    vcpu_set_eflags(v, FLAG_RF | FLAG_IOPL);
    v->gpr[REG_RSP] = sp;
    cr_expect_eq(RUN(b, 0x9d), EXEC_NEXT); /* IOPL 3: IF as well, IOPL itself never */
    cr_expect_eq(vcpu_eflags(v), user | FLAG_IF | FLAG_IOPL);
    bench_free(b);

    b = equip(bench_long(0));
    v = &b->vcpu;
    poke(b, STACK, 8, all);
    cr_expect_eq(RUN(b, 0x9d), EXEC_NEXT);
    cr_expect_eq(vcpu_eflags(v), user | FLAG_IF | FLAG_IOPL);
    vcpu_set_eflags(v, FLAG_AC | FLAG_ID);
    v->gpr[REG_RSP] = STACK;
    poke(b, STACK, 8, 0);
    cr_expect_eq(RUN(b, 0x66, 0x9d), EXEC_NEXT); /* 16 bits leave AC and ID */
    cr_expect_eq(vcpu_eflags(v), (uint32_t)(FLAG_AC | FLAG_ID | FLAG_FIXED));
    bench_free(b);
}

Test(stack, flags_of_virtual_8086_mode)
{
    struct bench *b = bench_v86(0);
    struct vcpu *v = &b->vcpu;
    expect_fault(b, RUN(b, 0x9c), EXC_GP, 0);
    expect_fault(b, RUN(b, 0x9d), EXC_GP, 0);
    expect_fault(b, RUN(b, 0xfa), EXC_GP, 0);
    v->cr4 |= CR4_VME;
    expect_fault(b, RUN(b, 0x66, 0x9c), EXC_GP, 0);
    v->eflags |= FLAG_VIF;
    cr_expect_eq(RUN(b, 0x9c), EXEC_NEXT);
    cr_expect_eq(peek(b, 0x500fe, 2), FLAG_FIXED | FLAG_IF | FLAG_IOPL);
    poke(b, 0x500fe, 2, FLAG_FIXED);
    cr_expect_eq(RUN(b, 0x9d), EXEC_NEXT);
    cr_expect_not(v->eflags & FLAG_VIF);
    cr_expect_eq(v->eflags & (FLAG_VM | FLAG_IOPL), (uint32_t)FLAG_VM);
    cr_expect_eq(RUN(b, 0xfb), EXEC_NEXT); /* sti sets VIF */
    cr_expect(v->eflags & FLAG_VIF);
    v->eflags |= FLAG_VIP;
    expect_fault(b, RUN(b, 0xfb), EXC_GP, 0);
    bench_free(b);

    b = bench_v86(3);
    cr_expect_eq(RUN(b, 0x66, 0x9c), EXEC_NEXT);
    cr_expect_eq(peek(b, 0x500fc, 4), FLAG_FIXED | FLAG_IOPL);
    bench_free(b);
}

/* --- flags
 * --------------------------------------------------------------------------------------------------------------- */

Test(flags, sti_opens_the_window_one_instruction_later)
{
    struct bench *b = equip(bench_protected(0));
    struct vcpu *v = &b->vcpu;
    cr_expect_eq(RUN(b, 0xfb), EXEC_NEXT);
    cr_expect(v->interrupt_shadow);
    v->interrupt_shadow = false;
    cr_expect_eq(RUN(b, 0xfb), EXEC_NEXT);
    cr_expect_not(v->interrupt_shadow);
    cr_expect_eq(RUN(b, 0xfa), EXEC_NEXT);
    cr_expect_not(v->eflags & FLAG_IF);
    bench_free(b);
    b = equip(bench_protected(3));
    expect_fault(b, RUN(b, 0xfb), EXC_GP, 0);
    b->vcpu.cr4 |= CR4_PVI;
    cr_expect_eq(RUN(b, 0xfb), EXEC_NEXT);
    cr_expect_eq(b->vcpu.eflags & (FLAG_VIF | FLAG_IF), (uint32_t)FLAG_VIF);
    bench_free(b);
}

/* --- I/O permission
 * -------------------------------------------------------------------------------------------------------- */

Test(io, the_bitmap_decides_for_users)
{
    struct bench *b = equip(bench_protected(3));
    struct vcpu *v = &b->vcpu;
    poke(b, TSS_A + 0x66, 2, 0x68);
    expect_fault(b, RUN(b, 0xe4, 0x60), EXC_GP, 0); /* the TSS has no bitmap */
    v->segment[SEG_TR].limit = 0x67 + 16;
    memset(b->ram + TSS_A + 0x68, 0xff, 16);
    poke(b, TSS_A + 0x68 + 0x60 / 8, 1, 0xfe); /* port 60h alone */
    cr_expect_eq(RUN(b, 0xe4, 0x60), EXEC_NEXT);
    cr_expect_eq(v->gpr[REG_RAX] & 0xff, 0x5a);
    expect_fault(b, RUN(b, 0xe5, 0x60), EXC_GP, 0); /* four ports */
    poke(b, TSS_A + 0x68 + 0x60 / 8, 1, 0x7f);
    poke(b, TSS_A + 0x68 + 0x68 / 8, 1, 0xfc);
    v->gpr[REG_RDX] = 0x66;
    v->gpr[REG_RAX] = 0x11223344;
    cr_expect_eq(RUN(b, 0xef), EXEC_FAULT); /* 66h is denied */
    poke(b, TSS_A + 0x68 + 0x60 / 8, 1, 0x3f);
    cr_expect_eq(RUN(b, 0xef), EXEC_NEXT); /* 66h to 69h, across bytes */
    cr_expect_eq(device, 0x66ull << 48 | 4ull << 32 | 0x11223344);
    v->gpr[REG_RDX] = 0x78;
    expect_fault(b, RUN(b, 0xec), EXC_GP, 0); /* beyond the limit less one */
    v->eflags |= FLAG_IOPL;
    cr_expect_eq(RUN(b, 0xec), EXEC_NEXT);
    v->eflags |= FLAG_VM; /* IOPL does not help virtual-8086 code */
    segment_set_real(v, SEG_CS, 0x4000);
    expect_fault(b, RUN(b, 0xec), EXC_GP, 0);
    bench_free(b);
}

/* --- control registers
 * -------------------------------------------------------------------------------------------------------- */

static enum exec_result write_cr(struct bench *b, unsigned cr, uint64_t value)
{
    b->vcpu.gpr[REG_RAX] = value;
    if (cr == 8)
        return RUN(b, 0x44, 0x0f, 0x22, 0xc0);
    return RUN(b, 0x0f, 0x22, (uint8_t)(0xc0 | cr << 3));
}

static void refuse_cr(struct bench *b, unsigned cr, uint64_t value)
{
    b->vcpu.gpr[REG_RAX] = value;
    expect_fault(b, write_cr(b, cr, value), EXC_GP, 0);
}

Test(control, illegal_combinations_of_cr0)
{
    struct bench *b = equip(bench_protected(0));
    uint64_t cr0 = b->vcpu.cr0;
    refuse_cr(b, 0, (cr0 | CR0_PG) & ~(uint64_t)CR0_PE);
    refuse_cr(b, 0, (cr0 | CR0_NW) & ~(uint64_t)CR0_CD);
    b->vcpu.efer = EFER_LME;
    refuse_cr(b, 0, cr0 | CR0_PG); /* without PAE */
    b->vcpu.cr4 |= CR4_PAE;
    b->vcpu.cr3 = PAGES;
    cr_expect_eq(write_cr(b, 0, cr0 | CR0_PG), EXEC_NEXT);
    cr_expect(b->vcpu.efer & EFER_LMA);
    cr_expect_eq(write_cr(b, 0, cr0 & ~(uint64_t)CR0_PG), EXEC_NEXT); /* from compatibility mode */
    cr_expect_not(b->vcpu.efer & EFER_LMA);
    b->vcpu.segment[SEG_CS].attributes |= SEG_L;
    refuse_cr(b, 0, cr0 | CR0_PG);
    bench_free(b);

    b = equip(bench_long(0));
    cr0 = b->vcpu.cr0;
    refuse_cr(b, 0, cr0 & ~(uint64_t)CR0_PG); /* 64-bit code */
    refuse_cr(b, 0, cr0 | BIT(32));
    cr_expect_eq(write_cr(b, 0, cr0 & ~(uint64_t)CR0_ET), EXEC_NEXT);
    cr_expect(b->vcpu.cr0 & CR0_ET);
    bench_free(b);
}

Test(control, cr3_and_cr4_reserve_bits)
{
    struct bench *b = equip(bench_long(0));
    struct vcpu *v = &b->vcpu;
    refuse_cr(b, 3, BIT(MMU_PHYS_BITS));
    refuse_cr(b, 3, BIT(63) | PAGES);
    refuse_cr(b, 4, v->cr4 & ~(uint64_t)CR4_PAE);
    refuse_cr(b, 4, v->cr4 | CR4_SMAP);
    refuse_cr(b, 4, v->cr4 | BIT(13));
    v->cr3 = PAGES | 8;
    refuse_cr(b, 4, v->cr4 | CR4_PCIDE); /* PCID must be 0 */
    v->cr3 = PAGES;
    cr_expect_eq(write_cr(b, 4, v->cr4 | CR4_PCIDE), EXEC_NEXT);
    cr_expect_eq(write_cr(b, 3, BIT(63) | PAGES | 7), EXEC_NEXT);
    cr_expect_eq(v->cr3, PAGES | 7ull);
    refuse_cr(b, 0, v->cr0 & ~(uint64_t)CR0_PG);
    cr_expect_eq(write_cr(b, 8, 9), EXEC_NEXT);
    cr_expect_eq(device, 9);
    refuse_cr(b, 8, 16);
    bench_free(b);
}

Test(control, pae_loads_its_pointers)
{
    struct bench *b = equip(bench_protected(0));
    struct vcpu *v = &b->vcpu;
    poke(b, 0x20000, 8, 0x21001);
    poke(b, 0x20008, 8, 0x22001 | 2); /* a reserved bit */
    v->cr4 |= CR4_PAE;
    v->cr3 = 0x20000;
    refuse_cr(b, 0, v->cr0 | CR0_PG);
    poke(b, 0x20008, 8, 0);
    cr_expect_eq(write_cr(b, 0, v->cr0 | CR0_PG), EXEC_NEXT);
    cr_expect_eq(v->pdpte[0], 0x21001);
    bench_free(b);
}

Test(control, debug_registers)
{
    struct bench *b = equip(bench_long(0));
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RAX] = 0xffffffff;
    cr_expect_eq(RUN(b, 0x0f, 0x23, 0xf0), EXEC_NEXT); /* dr6 */
    cr_expect_eq(v->dr[6], 0xffffefff);
    v->gpr[REG_RAX] = 0;
    cr_expect_eq(RUN(b, 0x0f, 0x23, 0xe0), EXEC_NEXT); /* dr4 is dr6 */
    cr_expect_eq(v->dr[6], 0xffff0ff0);
    v->gpr[REG_RAX] = BIT(32);
    expect_fault(b, RUN(b, 0x0f, 0x23, 0xf8), EXC_GP, 0);
    v->cr4 |= CR4_DE;
    expect_fault(b, RUN(b, 0x0f, 0x23, 0xe0), EXC_UD, 0);
    v->gpr[REG_RAX] = 0x2000;
    cr_expect_eq(RUN(b, 0x0f, 0x23, 0xf8), EXEC_NEXT); /* GD */
    cr_expect_eq(v->dr[7], 0x2400);
    expect_fault(b, RUN(b, 0x0f, 0x21, 0xc0), EXC_DB, 0);
    cr_expect_eq(v->exception.dr6, BIT(13));
    bench_free(b);
}

Test(control, machine_status_word)
{
    struct bench *b = equip(bench_real());
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RAX] = 0xfff1;
    cr_expect_eq(RUN(b, 0x0f, 0x01, 0xf0), EXEC_NEXT); /* lmsw ax */
    cr_expect(v->cr0 & CR0_PE);
    cr_expect_not(v->cr0 & CR0_TS);
    v->gpr[REG_RAX] = 8;
    cr_expect_eq(RUN(b, 0x0f, 0x01, 0xf0), EXEC_NEXT);
    cr_expect_eq(v->cr0 & 0xf, CR0_PE | CR0_TS, "PE cannot be cleared");
    cr_expect_eq(RUN(b, 0x0f, 0x06), EXEC_NEXT); /* clts */
    cr_expect_not(v->cr0 & CR0_TS);
    bench_free(b);

    b = equip(bench_long(3));
    v = &b->vcpu;
    cr_expect_eq(RUN(b, 0x48, 0x0f, 0x01, 0xe0), EXEC_NEXT); /* smsw rax */
    cr_expect_eq(v->gpr[REG_RAX], v->cr0);
    v->cr4 |= CR4_UMIP;
    expect_fault(b, RUN(b, 0x0f, 0x01, 0xe0), EXC_GP, 0);
    bench_free(b);
}

Test(control, invpcid_checks_its_descriptor)
{
    struct bench *b = equip(bench_long(0));
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RBX] = 0x80000;
    poke(b, 0x80000, 8, 0);
    poke(b, 0x80008, 8, 0x1000);
    for (v->gpr[REG_RAX] = 0; v->gpr[REG_RAX] < 4; v->gpr[REG_RAX]++)
        cr_expect_eq(RUN(b, 0x66, 0x0f, 0x38, 0x82, 0x03), EXEC_NEXT);
    expect_fault(b, RUN(b, 0x66, 0x0f, 0x38, 0x82, 0x03), EXC_GP, 0); /* type 4 */
    v->gpr[REG_RAX] = 0;
    poke(b, 0x80008, 8, 0x0000800000000000);
    expect_fault(b, RUN(b, 0x66, 0x0f, 0x38, 0x82, 0x03), EXC_GP, 0);
    poke(b, 0x80000, 8, 1); /* PCIDE is off */
    v->gpr[REG_RAX] = 1;
    expect_fault(b, RUN(b, 0x66, 0x0f, 0x38, 0x82, 0x03), EXC_GP, 0);
    v->cr4 |= CR4_PCIDE;
    cr_expect_eq(RUN(b, 0x66, 0x0f, 0x38, 0x82, 0x03), EXEC_NEXT);
    poke(b, 0x80000, 8, 0x1000);
    expect_fault(b, RUN(b, 0x66, 0x0f, 0x38, 0x82, 0x03), EXC_GP, 0);
    bench_free(b);
}

/* --- time and MSRs
 * ------------------------------------------------------------------------------------------------------------- */

static enum exec_result read_msr(struct bench *b, uint32_t msr, uint64_t *value)
{
    b->vcpu.gpr[REG_RCX] = msr;
    enum exec_result result = RUN(b, 0x0f, 0x32);
    *value = b->vcpu.gpr[REG_RDX] << 32 | (uint32_t)b->vcpu.gpr[REG_RAX];
    return result;
}

static enum exec_result write_msr(struct bench *b, uint32_t msr, uint64_t value)
{
    b->vcpu.gpr[REG_RCX] = msr;
    b->vcpu.gpr[REG_RAX] = (uint32_t)value;
    b->vcpu.gpr[REG_RDX] = value >> 32;
    return RUN(b, 0x0f, 0x30);
}

Test(msr, what_is_stored_and_what_is_refused)
{
    static const struct {
        uint32_t msr;
        uint64_t good, bad; /* bad 0: any value goes */
    } cases[] = {
        {0x174, 0x10, BIT(32)},
        {0x175, 0xffff800000001000, 0x0000800000000000},
        {0x277, 0x0007040600070406, 0x0007040600070402},
        {0x2ff, 0xc06, 0x1000},
        {0x200, 0x80000006, BIT(MMU_PHYS_BITS)},
        {0x201, 0x3f80000800, 0x3f80000001},
        {0x250, 0x0606060606060606, 0x0606060606060602},
        {0x26f, 0x0505050505050505, 0x0700000000000000},
        {0x400, 0xff, 0},
        {0xc0000081, 0x0023001000000000, 0},
        {0xc0000082, 0xffffffff81000000, 0x8000000000000000},
        {0xc0000084, 0x47700, BIT(32)},
        {0xc0000100, 0x00007fffffffffff, 0x0000800000000000},
        {0xc0000101, 0xffff888000000000, 0x0000800000000000},
        {0xc0000102, 0x1234, 0x0001000000000000},
        {0xc0000103, 0x77, BIT(32)},
        {0xc0010015, BIT(24) | BIT(6), BIT(0)},
        {0xc001001f, BIT(46), 0},
    };
    struct bench *b = equip(bench_long(0));
    uint64_t value;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        cr_expect_eq(write_msr(b, cases[i].msr, cases[i].good), EXEC_NEXT, "%x", cases[i].msr);
        cr_expect_eq(read_msr(b, cases[i].msr, &value), EXEC_NEXT, "%x", cases[i].msr);
        cr_expect_eq(value, cases[i].good, "%x: %lx", cases[i].msr, value);
        if (!cases[i].bad)
            continue;
        cr_expect_eq(write_msr(b, cases[i].msr, cases[i].bad), EXEC_FAULT, "%x", cases[i].msr);
        cr_expect_eq(b->vcpu.exception.vector, EXC_GP);
        read_msr(b, cases[i].msr, &value);
        cr_expect_eq(value, cases[i].good, "%x changed", cases[i].msr);
    }
    cr_expect_eq(b->vcpu.segment[SEG_GS].base, 0xffff888000000000);
    bench_free(b);
}

Test(msr, unknown_and_foreign_ones_fault)
{
    static const uint32_t absent[] = {2,     0x1a0,      0x17,       0x10a,      0xce,
                                      0x410, 0x40000000, 0xc0000104, 0xc0010114, 0xffffffff};
    struct bench *b = equip(bench_long(0));
    uint64_t value;
    for (unsigned i = 0; i < ARRAY_LEN(absent); i++) {
        cr_expect_eq(read_msr(b, absent[i], &value), EXEC_FAULT, "%x", absent[i]);
        cr_expect_eq(b->vcpu.exception.vector, EXC_GP);
        cr_expect_eq(write_msr(b, absent[i], 0), EXEC_FAULT, "%x", absent[i]);
    }
    cr_expect_eq(read_msr(b, 0x1b, &value), EXEC_NEXT);
    cr_expect_eq(value, 0x1b);
    cr_expect_eq(read_msr(b, 0x802, &value), EXEC_FAULT, "the APIC refuses it");
    cr_expect_eq(write_msr(b, 0x179, 0), EXEC_FAULT, "read-only");
    struct error err;
    cr_assert_eq(cpu_model_parse("pentium3", &b->vcpu.features, &err), 0);
    cr_expect_eq(read_msr(b, 0xc0000080, &value), EXEC_FAULT, "no EFER");
    cr_expect_eq(read_msr(b, 0xc0010015, &value), EXEC_FAULT, "AMD's");
    cr_expect_eq(read_msr(b, 0x1a0, &value), EXEC_NEXT);
    bench_free(b);
}

Test(msr, efer)
{
    struct bench *b = equip(bench_long(0));
    struct vcpu *v = &b->vcpu;
    cr_expect_eq(write_msr(b, 0xc0000080, v->efer & ~(uint64_t)EFER_LME), EXEC_FAULT, "LME while paging");
    cr_expect_eq(write_msr(b, 0xc0000080, v->efer | BIT(12)), EXEC_FAULT, "SVME");
    cr_expect_eq(write_msr(b, 0xc0000080, EFER_LME | EFER_NXE | BIT(21)), EXEC_NEXT);
    cr_expect_eq(v->efer, EFER_LME | EFER_LMA | EFER_NXE | BIT(21), "LMA is not written");
    bench_free(b);
}

Test(msr, the_time_stamp_counter)
{
    struct bench *b = equip(bench_long(0));
    struct vcpu *v = &b->vcpu;
    uint64_t value;
    cr_expect_eq(write_msr(b, 0x10, 0x1000000000), EXEC_NEXT);
    cr_expect_eq(RUN(b, 0x0f, 0x31), EXEC_NEXT);
    uint64_t tsc = v->gpr[REG_RDX] << 32 | v->gpr[REG_RAX];
    cr_expect(tsc >= 0x1000000000 && tsc < 0x3000000000, "%lx", tsc);
    uint64_t offset = v->tsc_offset;
    cr_expect_eq(read_msr(b, 0x3b, &value), EXEC_NEXT);
    cr_expect_eq(write_msr(b, 0x3b, value + 1000), EXEC_NEXT);
    cr_expect_eq(v->tsc_offset, offset + 1000);
    v->tsc_aux = 0x12345;
    cr_expect_eq(RUN(b, 0x0f, 0x01, 0xf9), EXEC_NEXT); /* rdtscp */
    cr_expect_eq(v->gpr[REG_RCX], 0x12345);
    cr_expect_eq(RUN(b, 0xf3, 0x0f, 0xc7, 0xfb), EXEC_NEXT); /* rdpid rbx */
    cr_expect_eq(v->gpr[REG_RBX], 0x12345);
    bench_free(b);
    b = equip(bench_long(3));
    cr_expect_eq(RUN(b, 0x0f, 0x31), EXEC_NEXT);
    b->vcpu.cr4 |= CR4_TSD;
    expect_fault(b, RUN(b, 0x0f, 0x31), EXC_GP, 0);
    expect_fault(b, RUN(b, 0x0f, 0x33), EXC_GP, 0); /* rdpmc */
    bench_free(b);
}

/* --- XSAVE
 * ------------------------------------------------------------------------------------------------------------------------
 */

enum { SAVE_AREA = 0x80000, XMM0 = 160, YMM0_HIGH = 576 };

static struct bench *bench_vector(bool long_mode)
{
    struct bench *b = equip(long_mode ? bench_long(0) : bench_protected(0));
    b->vcpu.cr0 &= ~(uint64_t)(CR0_EM | CR0_TS);
    b->vcpu.cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    b->vcpu.xcr0 = cpu_has(&b->vcpu.features, AVX) ? 7 : 3;
    b->vcpu.gpr[REG_RBX] = SAVE_AREA;
    memset(b->ram + SAVE_AREA, 0xcc, 1024);
    return b;
}

/* Gives all vector registers different contents. */
static void fill_vectors(struct bench *b)
{
    uint8_t *area = b->vcpu.vector_area;
    for (unsigned i = 0; i < 256; i++) {
        area[XMM0 + i] = (uint8_t)(i + 1);
        area[YMM0_HIGH + i] = (uint8_t)(i * 3 + 7);
    }
    area[512] = 7;
}

static unsigned untouched(struct bench *b, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (b->ram[SAVE_AREA + i] != 0xcc)
            return i;
    return to;
}

Test(xsave, fxsave_writes_what_the_mode_has)
{
    struct bench *b = bench_vector(true);
    fill_vectors(b);
    cr_expect_eq(RUN(b, 0x0f, 0xae, 0x03), EXEC_NEXT);
    cr_expect_eq(peek(b, SAVE_AREA, 2), 0x37f);
    cr_expect_eq(peek(b, SAVE_AREA + 24, 8), 0x0000ffff00001f80);
    cr_expect_eq(memcmp(b->ram + SAVE_AREA + XMM0, b->vcpu.vector_area + XMM0, 256), 0);
    cr_expect_eq(untouched(b, 416, 1024), 1024);
    b->vcpu.gpr[REG_RBX] += 8;
    expect_fault(b, RUN(b, 0x0f, 0xae, 0x03), EXC_GP, 0);
    b->vcpu.cr0 |= CR0_TS;
    expect_fault(b, RUN(b, 0x0f, 0xae, 0x03), EXC_NM, 0);
    bench_free(b);

    b = bench_vector(false);
    fill_vectors(b);
    cr_expect_eq(RUN(b, 0x0f, 0xae, 0x03), EXEC_NEXT);
    cr_expect_eq(untouched(b, XMM0 + 128, 1024), 1024, "XMM8-15 are left out");
    memset(b->ram + SAVE_AREA + XMM0, 0x11, 256);
    uint8_t upper[128];
    memcpy(upper, b->vcpu.vector_area + XMM0 + 128, 128);
    cr_expect_eq(RUN(b, 0x0f, 0xae, 0x0b), EXEC_NEXT); /* fxrstor */
    cr_expect_eq(b->vcpu.vector_area[XMM0 + 127], 0x11);
    cr_expect_eq(memcmp(upper, b->vcpu.vector_area + XMM0 + 128, 128), 0);
    poke(b, SAVE_AREA + 24, 4, 0x10000);
    expect_fault(b, RUN(b, 0x0f, 0xae, 0x0b), EXC_GP, 0);
    bench_free(b);
}

Test(xsave, only_what_was_asked_for)
{
    struct bench *b = bench_vector(true);
    struct vcpu *v = &b->vcpu;
    if (v->xcr0 != 7)
        cr_skip_test("the host has no AVX");
    fill_vectors(b);
    poke(b, SAVE_AREA + 512, 8, 1);
    v->gpr[REG_RAX] = 0xfffffffc; /* AVX, and bits that XCR0 has not */
    v->gpr[REG_RDX] = 0xffffffff;
    cr_expect_eq(RUN(b, 0x0f, 0xae, 0x23), EXEC_NEXT); /* xsave */
    cr_expect_eq(peek(b, SAVE_AREA + 512, 8), 5, "bit 0 is kept");
    cr_expect_eq(untouched(b, 0, 24), 24);
    cr_expect_eq(untouched(b, 32, 512), 512);
    cr_expect_eq(untouched(b, 520, 576), 576);
    cr_expect_eq(untouched(b, 832, 1024), 1024);
    cr_expect_eq(memcmp(b->ram + SAVE_AREA + 576, v->vector_area + YMM0_HIGH, 256), 0);

    v->vector_area[512] = 2; /* XSAVEC: initial components are left out */
    v->gpr[REG_RAX] = 7;
    memset(b->ram + SAVE_AREA, 0xcc, 1024);
    cr_expect_eq(RUN(b, 0x0f, 0xc7, 0x23), EXEC_NEXT);
    cr_expect_eq(peek(b, SAVE_AREA + 512, 8), 2);
    cr_expect_eq(peek(b, SAVE_AREA + 520, 8), BIT(63) | 7);
    cr_expect_eq(untouched(b, 0, 24), 24);
    cr_expect_eq(untouched(b, 528, 1024), 1024);
    v->gpr[REG_RBX] += 16;
    expect_fault(b, RUN(b, 0x0f, 0xae, 0x23), EXC_GP, 0);
    v->cr4 &= ~(uint64_t)CR4_OSXSAVE;
    expect_fault(b, RUN(b, 0x0f, 0xae, 0x23), EXC_UD, 0);
    bench_free(b);
}

Test(xsave, restore_initializes_and_checks)
{
    struct bench *b = bench_vector(true);
    struct vcpu *v = &b->vcpu;
    if (v->xcr0 != 7)
        cr_skip_test("the host has no AVX");
    memset(b->ram + SAVE_AREA, 0, 1024);
    poke(b, SAVE_AREA + 24, 4, 0x1f00);
    poke(b, SAVE_AREA + 512, 8, 4); /* AVX only; the others become initial */
    memset(b->ram + SAVE_AREA + 576, 0xab, 256);
    fill_vectors(b);
    v->gpr[REG_RAX] = 7;
    v->gpr[REG_RDX] = 0;
    cr_expect_eq(RUN(b, 0x0f, 0xae, 0x2b), EXEC_NEXT); /* xrstor */
    cr_expect_eq(v->vector_area[XMM0], 0);
    cr_expect_eq(v->vector_area[YMM0_HIGH + 255], 0xab);
    vector_unpark(v); /* through the host's registers and back */
    vector_park(v);
    cr_expect_eq(v->vector_area[YMM0_HIGH + 255], 0xab);
    cr_expect_eq(v->vector_area[24] | v->vector_area[25] << 8, 0x1f00, "MXCSR is loaded whatever XSTATE_BV says");
    v->gpr[REG_RCX] = 1;
    cr_expect_eq(RUN(b, 0x0f, 0x01, 0xd0), EXEC_NEXT); /* xgetbv 1 */
    cr_expect(v->gpr[REG_RAX] & 4);

    v->gpr[REG_RAX] = 7;
    v->gpr[REG_RDX] = 0;
    poke(b, SAVE_AREA + 512, 8, 8);
    expect_fault(b, RUN(b, 0x0f, 0xae, 0x2b), EXC_GP, 0);
    poke(b, SAVE_AREA + 512, 8, 1);
    poke(b, SAVE_AREA + 528, 8, 1);
    expect_fault(b, RUN(b, 0x0f, 0xae, 0x2b), EXC_GP, 0);
    poke(b, SAVE_AREA + 528, 8, 0);
    poke(b, SAVE_AREA + 520, 8, BIT(63));
    expect_fault(b, RUN(b, 0x0f, 0xae, 0x2b), EXC_GP, 0); /* a component that is not in XCOMP_BV */
    bench_free(b);
}

Test(xsave, xsetbv)
{
    struct bench *b = bench_vector(true);
    struct vcpu *v = &b->vcpu;
    v->gpr[REG_RCX] = v->gpr[REG_RDX] = 0;
    v->gpr[REG_RAX] = 2;
    expect_fault(b, RUN(b, 0x0f, 0x01, 0xd1), EXC_GP, 0); /* without x87 */
    v->gpr[REG_RAX] = 5;
    expect_fault(b, RUN(b, 0x0f, 0x01, 0xd1), EXC_GP, 0); /* AVX without SSE */
    v->gpr[REG_RAX] = 0xe7;
    expect_fault(b, RUN(b, 0x0f, 0x01, 0xd1), EXC_GP, 0);
    v->gpr[REG_RAX] = 3;
    cr_expect_eq(RUN(b, 0x0f, 0x01, 0xd1), EXEC_NEXT);
    cr_expect_eq(v->xcr0, 3);
    v->gpr[REG_RCX] = 2;
    expect_fault(b, RUN(b, 0x0f, 0x01, 0xd0), EXC_GP, 0);
    bench_free(b);
}

Test(vector, parking_cleans_what_c_code_uses)
{
    struct bench *b = bench_vector(true);
    struct vcpu *v = &b->vcpu;
    uint32_t mxcsr = 0x7f80, seen;
    uint16_t control = 0x40, status; /* all x87 exceptions unmasked */
    vector_unpark(v);
    __asm__ volatile("ldmxcsr %0; fldz; fldz; fldcw %1; fdivp" : : "m"(mxcsr), "m"(control)); /* 0/0 is pending now */
    vector_park(v);
    __asm__ volatile("stmxcsr %0; fnstsw %1" : "=m"(seen), "=m"(status));
    cr_expect_eq(seen, 0x1f80);
    cr_expect_eq(status, 0);
    cr_expect_eq(v->vector_area[0] | v->vector_area[1] << 8, 0x40);
    cr_expect_eq(v->vector_area[25], 0x7f);
    vector_unpark(v);
    __asm__ volatile("stmxcsr %0; fnstsw %1; fnclex" : "=m"(seen), "=m"(status));
    cr_expect_eq(seen, 0x7f80);
    cr_expect(status & 0x80, "still pending");
    vector_park(v);
    bench_free(b);
}

/* --- masked moves and gathers
 * ---------------------------------------------------------------------------------------------------- */

static void set_lane(struct bench *b, unsigned reg, unsigned lane, uint32_t value)
{
    memcpy(b->vcpu.vector_area + (lane < 4 ? XMM0 : YMM0_HIGH - 16) + reg * 16 + lane * 4, &value, 4);
    b->vcpu.vector_area[512] = 7;
}

static uint32_t lane(struct bench *b, unsigned reg, unsigned index)
{
    uint32_t value;
    memcpy(&value, b->vcpu.vector_area + (index < 4 ? XMM0 : YMM0_HIGH - 16) + reg * 16 + index * 4, 4);
    return value;
}

Test(masked, deselected_elements_do_not_fault)
{
    struct bench *b = bench_vector(true);
    struct vcpu *v = &b->vcpu;
    if (v->xcr0 != 7)
        cr_skip_test("the host has no AVX");
    poke(b, PAGE_TABLE + 0x81 * 8, 8, 0);
    v->gpr[REG_RBX] = 0x81000 - 16; /* lanes 4 to 7 on a missing page */
    for (unsigned i = 0; i < 8; i++) {
        set_lane(b, 2, i, i < 4 && i != 1 ? 0x80000000 : 0x7fffffff);
        set_lane(b, 1, i, 0x1000 + i);
        set_lane(b, 3, i, 0xffffffff);
    }
    cr_expect_eq(RUN(b, 0xc4, 0xe2, 0x6d, 0x2e, 0x0b), EXEC_NEXT); /* vmaskmovps [rbx], ymm2, ymm1 */
    cr_expect_eq(peek(b, 0x81000 - 16, 4), 0x1000);
    cr_expect_eq(peek(b, 0x81000 - 12, 4), 0);
    cr_expect_eq(peek(b, 0x81000 - 4, 4), 0x1003);
    cr_expect_eq(RUN(b, 0xc4, 0xe2, 0x6d, 0x8c, 0x1b), EXEC_NEXT); /* vpmaskmovd ymm3, ymm2, [rbx] */
    cr_expect_eq(lane(b, 3, 0), 0x1000);
    cr_expect_eq(lane(b, 3, 1), 0);
    cr_expect_eq(lane(b, 3, 7), 0);
    set_lane(b, 2, 5, 0x80000000);
    poke(b, 0x81000 - 16, 4, 0);
    expect_fault(b, RUN(b, 0xc4, 0xe2, 0x6d, 0x2e, 0x0b), EXC_PF, PF_W);
    cr_expect_eq(peek(b, 0x81000 - 16, 4), 0, "nothing is stored");
    bench_free(b);
}

Test(masked, maskmovdqu_writes_single_bytes)
{
    struct bench *b = bench_vector(true);
    struct vcpu *v = &b->vcpu;
    fill_vectors(b);
    for (unsigned i = 0; i < 4; i++)
        set_lane(b, 5, i, i == 2 ? 0x00800080 : 0);
    v->gpr[REG_RDI] = SAVE_AREA + 3;
    cr_expect_eq(RUN(b, 0x66, 0x0f, 0xf7, 0xe5), EXEC_NEXT); /* maskmovdqu xmm4, xmm5 */
    cr_expect_eq(b->ram[SAVE_AREA + 3 + 8], 4 * 16 + 8 + 1);
    cr_expect_eq(b->ram[SAVE_AREA + 3 + 10], 4 * 16 + 10 + 1);
    cr_expect_eq(b->ram[SAVE_AREA + 3 + 9], 0xcc);
    cr_expect_eq(untouched(b, 0, 11), 11);
    bench_free(b);
}

Test(masked, a_faulting_gather_keeps_its_progress)
{
    struct bench *b = bench_vector(true);
    struct vcpu *v = &b->vcpu;
    if (v->xcr0 != 7)
        cr_skip_test("the host has no AVX");
    poke(b, PAGE_TABLE + 0x90 * 8, 8, 0);
    for (unsigned i = 0; i < 8; i++) {
        poke(b, SAVE_AREA + i * 64, 4, 0x5000 + i);
        set_lane(b, 2, i, i == 5 ? 0x4000 : i * 16); /* index, scaled by 4 */
        set_lane(b, 3, i, i == 1 ? 0 : 0x80000000);
        set_lane(b, 1, i, 0xeeeeeeee);
    }
    /* vpgatherdd ymm1, [rbx + ymm2 * 4], ymm3 */
    cr_expect_eq(RUN(b, 0xc4, 0xe2, 0x65, 0x90, 0x0c, 0x93), EXEC_FAULT);
    cr_expect_eq(v->exception.vector, EXC_PF);
    cr_expect_eq(v->exception.cr2, 0x90000);
    cr_expect_eq(lane(b, 1, 0), 0x5000);
    cr_expect_eq(lane(b, 1, 1), 0xeeeeeeee);
    cr_expect_eq(lane(b, 1, 4), 0x5004);
    cr_expect_eq(lane(b, 1, 5), 0xeeeeeeee);
    cr_expect_eq(lane(b, 3, 4), 0);
    cr_expect_eq(lane(b, 3, 5), 0xffffffff);
    poke(b, PAGE_TABLE + 0x90 * 8, 8, 0x90000 | 7);
    poke(b, 0x90000, 4, 0x5005);
    cr_expect_eq(RUN(b, 0xc4, 0xe2, 0x65, 0x90, 0x0c, 0x93), EXEC_NEXT);
    cr_expect_eq(lane(b, 1, 5), 0x5005);
    cr_expect_eq(lane(b, 1, 7), 0x5007);
    cr_expect_eq(lane(b, 3, 7), 0);
    /* vpgatherqd xmm1, [rbx + xmm2 * 1], xmm3: two elements, the rest becomes zero */
    for (unsigned i = 0; i < 8; i++) {
        set_lane(b, 2, i, i & 1 ? 0 : i * 32);
        set_lane(b, 3, i, 0x80000000);
    }
    cr_expect_eq(RUN(b, 0xc4, 0xe2, 0x61, 0x91, 0x0c, 0x13), EXEC_NEXT);
    cr_expect_eq(lane(b, 1, 0), 0x5000);
    cr_expect_eq(lane(b, 1, 1), 0x5001);
    cr_expect_eq(lane(b, 1, 2) | lane(b, 1, 3) | lane(b, 1, 4), 0);
    bench_free(b);
}

Test(masked, ldmxcsr_refuses_reserved_bits)
{
    struct bench *b = bench_vector(true);
    poke(b, SAVE_AREA, 4, 0x1fc0);
    vector_unpark(&b->vcpu);
    cr_expect_eq(RUN(b, 0x0f, 0xae, 0x13), EXEC_NEXT);
    vector_park(&b->vcpu);
    cr_expect_eq(b->vcpu.vector_area[24], 0xc0);
    poke(b, SAVE_AREA, 4, 0x10000);
    expect_fault(b, RUN(b, 0x0f, 0xae, 0x13), EXC_GP, 0);
    bench_free(b);
}

/* --- decimal: against the host in 32-bit code
 * ------------------------------------------------------------------------------------- */

enum { LOW_CODE64 = 0, LOW_CODE32 = 0x100, LOW_STACK = 0x1000, USER32_CS = 0x23 };

/*
 * A page below 4 GiB with a 64-bit entry that switches to the stack there and calls 32-bit code far.
 * Entry: rdi = AX, rsi = flags; returns AX in eax and the flags in edx.
 */
static uint8_t *make_compat_page(void)
{
    static const uint8_t entry[] = {
        0x53,                         /* push rbx */
        0x89, 0xf8,                   /* mov eax, edi */
        0x89, 0xf3,                   /* mov ebx, esi */
        0x49, 0x89, 0xe0,             /* mov r8, rsp */
        0x48, 0x8d, 0x25, 0, 0, 0, 0, /* lea rsp, [rip + stack] */
        0xff, 0x1d, 6,    0, 0, 0,    /* call far [rip + 6] */
        0x4c, 0x89, 0xc4,             /* mov rsp, r8 */
        0x89, 0xda,                   /* mov edx, ebx */
        0x5b,                         /* pop rbx, then ret comes before the pointer */
    };
    uint8_t *page =
        mmap(NULL, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (page == MAP_FAILED)
        return NULL;
    memcpy(page, entry, sizeof(entry));
    uint32_t stack = LOW_STACK - 15;
    memcpy(page + 11, &stack, 4);
    uint32_t distance = 64 - 21; /* the pointer is at 64 */
    memcpy(page + 17, &distance, 4);
    page[sizeof(entry)] = 0xc3;
    uint32_t target = (uint32_t)(uintptr_t)page + LOW_CODE32;
    uint16_t selector = USER32_CS;
    memcpy(page + 64, &target, 4);
    memcpy(page + 68, &selector, 2);
    return page;
}

static void set_compat_code(uint8_t *page, const uint8_t *insn, unsigned size)
{
    uint8_t *code = page + LOW_CODE32;
    *code++ = 0x53; /* push ebx */
    *code++ = 0x9d; /* popfd */
    memcpy(code, insn, size);
    code += size;
    *code++ = 0x9c; /* pushfd */
    *code++ = 0x5b; /* pop ebx */
    *code++ = 0xcb; /* retf */
}

Test(decimal, flags_and_results_of_the_host)
{
    static const struct {
        uint8_t bytes[2], size;
    } cases[] = {{{0x37}, 1},    {{0x3f}, 1},       {{0x27}, 1},     {{0x2f}, 1},       {{0xd4, 10}, 2},
                 {{0xd4, 7}, 2}, {{0xd4, 0xff}, 2}, {{0xd5, 10}, 2}, {{0xd5, 0x83}, 2}, {{0xd5, 0}, 2}};
    uint32_t out[4];
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(0), "c"(0));
    uint8_t *page = make_compat_page();
    if (!page || out[1] != 0x68747541) /* "Auth": other vendors choose other undefined flags */
        cr_skip_test("needs an AMD host and memory below 4 GiB");
    uint64_t (*entry)(uint32_t, uint32_t) = (uint64_t(*)(uint32_t, uint32_t))(uintptr_t)page;
    struct bench *b = equip(bench_protected(3));
    struct vcpu *v = &b->vcpu;
    for (unsigned c = 0; c < ARRAY_LEN(cases); c++) {
        set_compat_code(page, cases[c].bytes, cases[c].size);
        cr_assert(insn_decode(&b->insn, &v->features, 4, cases[c].bytes, cases[c].size));
        for (uint32_t i = 0; i < 0x40000; i += 3) {
            uint32_t ax = i & 0xffff, flags = (i >> 16 & 1 ? FLAG_CF : 0) | (i >> 17 & 1 ? FLAG_AF : 0) | FLAG_ZF, seen;
            uint64_t eax;
            __asm__ volatile("call *%[entry]"
                             : "=a"(eax), "=d"(seen), "+D"(ax), "+S"(flags)
                             : [entry] "r"(entry)
                             : "rcx", "r8", "r9", "r10", "r11", "memory", "cc");
            v->gpr[REG_RAX] = i & 0xffff;
            v->flags = flags & FLAGS_ARITHMETIC;
            cr_assert_eq(b->insn.rule->function(v, &b->insn), EXEC_NEXT);
            cr_assert(v->gpr[REG_RAX] == (eax & 0xffffffff) && v->flags == (seen & FLAGS_ARITHMETIC),
                      "%02x ax %04x flags %x: %lx %lx, host %lx %x", cases[c].bytes[0], i & 0xffff, flags,
                      v->gpr[REG_RAX], v->flags, eax, seen & FLAGS_ARITHMETIC);
        }
    }
    v->gpr[REG_RAX] = 5;
    expect_fault(b, RUN(b, 0xd4, 0x00), EXC_DE, 0);
    bench_free(b);
    munmap(page, 0x2000);
}
