/*
 * Stack, flag, control-register, MSR, I/O permission and decimal instructions: results, the checks of the SDM, and that
 * faults change nothing.
 */
#include <sys/mman.h>

#include "tests/unit/exec_system_fixture.h"

static struct bench *bench_v86(unsigned iopl)
{
    struct bench *b = equip(bench_protected(3));
    b->vcpu.eflags |= FLAG_VM | iopl << FLAG_IOPL_SHIFT;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        segment_set_real(&b->vcpu, i, i == SEG_SS ? 0x5000 : 0x4000);
    b->vcpu.gpr[REG_RSP] = 0x100;
    return b;
}

/* --- stack -------------------------------------------------------------------------------------------------------- */

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

/* --- flags -------------------------------------------------------------------------------------------------------- */

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

/* --- I/O permission ----------------------------------------------------------------------------------------------- */

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

/* --- control registers -------------------------------------------------------------------------------------------- */

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

Test(control, registers_that_are_not_there)
{
    struct bench *b = equip(bench_long(0));
    for (unsigned cr = 0; cr < 16; cr++) {
        bool there = cr == 0 || (cr >= 2 && cr <= 4) || cr == 8;
        for (unsigned opcode = 0x20; opcode <= 0x22 && !there; opcode += 2) {
            const uint8_t bytes[15] = {(uint8_t)(0x40 | cr >> 3 << 2), 0x0f, (uint8_t)opcode,
                                       (uint8_t)(0xc0 | (cr & 7) << 3)};
            insn_decode(&b->insn, &b->vcpu.features, 8, bytes, sizeof(bytes));
            expect_fault(b, b->insn.rule->function(&b->vcpu, &b->insn), EXC_UD, 0);
        }
    }
    b->vcpu.gpr[REG_RAX] = 0x123456789abcdef0;
    cr_expect_eq(RUN(b, 0x0f, 0x22, 0xd0), EXEC_NEXT); /* mov cr2, rax */
    cr_expect_eq(b->vcpu.cr2, 0x123456789abcdef0);
    cr_expect_eq(RUN(b, 0x0f, 0x20, 0xd3), EXEC_NEXT); /* mov rbx, cr2 */
    cr_expect_eq(b->vcpu.gpr[REG_RBX], 0x123456789abcdef0);
    bench_free(b);
}

Test(control, caches_are_coherent_anyway)
{
    struct bench *b = equip(bench_long(0));
    struct vcpu before = b->vcpu;
    cr_expect_eq(RUN(b, 0x0f, 0x08), EXEC_NEXT); /* invd */
    cr_expect_eq(RUN(b, 0x0f, 0x09), EXEC_NEXT); /* wbinvd */
    cr_expect_arr_eq(b->vcpu.gpr, before.gpr, sizeof(before.gpr));
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
    v->gpr[REG_RBX] = 0x40000000; /* not mapped */
    expect_fault(b, RUN(b, 0x66, 0x0f, 0x38, 0x82, 0x03), EXC_PF, 0);
    bench_free(b);
    b = bench_v86(3);
    expect_fault(b, RUN(b, 0x66, 0x0f, 0x38, 0x82, 0x07), EXC_GP, 0);
    bench_free(b);
}

/* --- time and MSRs ------------------------------------------------------------------------------------------------ */

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

/* What a register reads as, and the one value that may be written to it; NO: none may. */
Test(msr, what_cannot_be_changed)
{
    enum { NO = -1 };
    static const struct {
        const char *cpu;
        uint32_t msr;
        uint64_t value;
        int64_t accepted;
        uint64_t refused;
    } cases[] = {
        {"max", 0x0, 0, 0, 1},           /* P5_MC_ADDR */
        {"max", 0x1, 0, 0, 1},           /* P5_MC_TYPE */
        {"max", 0xfe, 0x508, NO, 0x508}, /* 8 variable MTRRs, fixed ones, write combining */
        {"max", 0x179, 0x104, NO, 0},    /* 4 banks, MCG_CTL */
        {"max", 0x17a, 0, 0, 4},
        {"max", 0x1d9, 0, 0, 1}, /* DEBUGCTL */
        {"max", 0x1dd, 0, 0, 1},
        {"max", 0xc0010010, 0, 0, BIT(18)},
        {"max", 0xc0010058, 0, 0, 1},
        {"max", 0xc0011029, BIT(1), BIT(1), BIT(0)}, /* LFENCE serializes */
        {"pentium3", 0x17, 0, NO, 0},
        {"pentium3", 0x2a, 0, 0, 1},
        {"pentium3", 0x1a0, BIT(11) | BIT(12) | 1, BIT(11) | BIT(12), BIT(18)},
        {"pentium3,+arch-capabilities", 0x10a, 0x400000000900e169, NO, 0},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b = equip(bench_protected(0));
        struct error err;
        uint64_t value;
        cr_assert_eq(cpu_model_parse(cases[i].cpu, &b->vcpu.features, &err), 0, "%s", err.text);
        cr_expect_eq(read_msr(b, cases[i].msr, &value), EXEC_NEXT, "%x", cases[i].msr);
        cr_expect_eq(value, cases[i].value, "%x: %lx", cases[i].msr, value);
        if (cases[i].accepted != NO)
            cr_expect_eq(write_msr(b, cases[i].msr, (uint64_t)cases[i].accepted), EXEC_NEXT, "%x", cases[i].msr);
        cr_expect_eq(write_msr(b, cases[i].msr, cases[i].refused), EXEC_FAULT, "%x", cases[i].msr);
        cr_expect_eq(b->vcpu.exception.vector, EXC_GP);
        bench_free(b);
    }
}

Test(msr, fast_strings_can_be_switched_off)
{
    struct bench *b = equip(bench_protected(0));
    struct error err;
    uint64_t value;
    cr_assert_eq(cpu_model_parse("pentium3", &b->vcpu.features, &err), 0);
    cr_expect_eq(write_msr(b, 0x1a0, 1), EXEC_NEXT);
    read_msr(b, 0x1a0, &value);
    cr_expect_eq(value & 1, 1);
    cr_expect_eq(write_msr(b, 0x1a0, 0), EXEC_NEXT);
    read_msr(b, 0x1a0, &value);
    cr_expect_eq(value & 1, 0);
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
    cr_expect_eq(read_msr(b, 0x10, &value), EXEC_NEXT);
    cr_expect(value >= tsc, "%lx then %lx", tsc, value);
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

/* --- decimal: against the host in 32-bit code --------------------------------------------------------------------- */

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
