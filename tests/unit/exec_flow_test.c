/* Near and far control transfer, interrupt delivery, IRET, fast system calls: results, faults, and that faults change
 * nothing. */
#include "tests/unit/exec_fixture.h"

/* --- Near branches ------------------------------------------------------------------------------------------------ */

Test(near, relative_call_pushes_the_next_instruction)
{
    struct bench *b = bench_protected(0);
    b->insn.opcode = 0xe8;
    b->insn.length = 5;
    b->insn.imm = -0x100;
    cr_expect_eq(exec_call(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, CODE + 5 - 0x100);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], STACK - 4);
    cr_expect_eq(peek(b, STACK - 4, 4), CODE + 5);
    bench_free(b);
}

Test(near, operand_size_cuts_ip)
{
    struct bench *b = bench_real();
    b->vcpu.rip = 0xfff0;
    b->insn.opcode = 0xeb;
    b->insn.imm = 0x20;
    cr_expect_eq(exec_jmp(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0x12);
    bench_free(b);
}

Test(near, targets_are_checked_before_the_push)
{
    struct bench *b = bench_protected(0);
    set_segment(b, SEG_CS, SEL_SMALL_CODE);
    b->vcpu.rip = 0x800;
    b->insn.opcode = 0xe8;
    b->insn.imm = 0x10000;
    poke(b, STACK - 4, 4, 0x5a5a5a5a);
    expect_fault(b, exec_call(&b->vcpu, &b->insn), EXC_GP, 0);
    cr_expect_eq(peek(b, STACK - 4, 4), 0x5a5a5a5a);
    bench_free(b);

    b = bench_long(0);
    b->insn.opcode = 0xff;
    b->insn.rm = REG_RAX;
    b->vcpu.gpr[REG_RAX] = 0x0000800000000000;
    expect_fault(b, exec_jmp(&b->vcpu, &b->insn), EXC_GP, 0);
    expect_fault(b, exec_call(&b->vcpu, &b->insn), EXC_GP, 0);
    poke(b, STACK, 8, 0x0000800000000000);
    b->insn.opcode = 0xc3;
    expect_fault(b, exec_ret(&b->vcpu, &b->insn), EXC_GP, 0);
    bench_free(b);
}

Test(near, ret_releases_arguments)
{
    struct bench *b = bench_long(0);
    poke(b, STACK, 8, 0x1234);
    b->insn.opcode = 0xc2;
    b->insn.imm = -16; /* an immediate above 7fffh, however the decoder extends it */
    cr_expect_eq(exec_ret(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0x1234);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], STACK + 8 + 0xfff0);
    bench_free(b);
}

static bool condition_by_name(unsigned code, bool o, bool c, bool z, bool s, bool p)
{
    bool table[16] = {o, !o, c, !c, z, !z, c || z, !(c || z), s, !s, p, !p, s != o, s == o, z || s != o, !z && s == o};
    return table[code];
}

Test(near, every_condition_with_every_flag)
{
    struct bench *b = bench_protected(0);
    b->insn.imm = 0x40;
    for (unsigned code = 0; code < 16; code++)
        for (unsigned bits = 0; bits < 32; bits++) {
            b->vcpu.rip = CODE;
            b->vcpu.flags = (bits & 1 ? FLAG_OF : 0) | (bits & 2 ? FLAG_CF : 0) | (bits & 4 ? FLAG_ZF : 0) |
                            (bits & 8 ? FLAG_SF : 0) | (bits & 16 ? FLAG_PF : 0);
            b->insn.opcode = (uint8_t)(bits & 1 ? 0x70 + code : 0x80 + code);
            bool taken = condition_by_name(code, bits & 1, bits & 2, bits & 4, bits & 8, bits & 16);
            cr_assert_eq(exec_jcc(&b->vcpu, &b->insn), taken ? EXEC_JUMP : EXEC_NEXT, "%x %x", code, bits);
            cr_assert_eq(b->vcpu.rip, taken ? CODE + 2 + 0x40 : CODE);
        }
    bench_free(b);
}

Test(near, loops_count_in_the_address_size)
{
    struct bench *b = bench_long(0);
    b->insn.imm = -4;
    b->insn.opcode = 0xe2;
    b->insn.address_size = 4;
    b->vcpu.gpr[REG_RCX] = 0xffffffff00000001;
    cr_expect_eq(exec_loop(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.gpr[REG_RCX], 0);
    cr_expect_eq(exec_jcxz(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(exec_loop(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.gpr[REG_RCX], 0xffffffff);
    b->vcpu.flags = FLAG_ZF;
    b->insn.opcode = 0xe0;
    cr_expect_eq(exec_loop(&b->vcpu, &b->insn), EXEC_NEXT, "LOOPNE");
    b->insn.opcode = 0xe1;
    cr_expect_eq(exec_loop(&b->vcpu, &b->insn), EXEC_JUMP, "LOOPE");
    bench_free(b);

    b = bench_protected(0); /* a loop whose target faults does not count */
    set_segment(b, SEG_CS, SEL_SMALL_CODE);
    b->vcpu.rip = 0;
    b->vcpu.gpr[REG_RCX] = 5;
    b->insn.opcode = 0xe2;
    b->insn.imm = -0x10;
    expect_fault(b, exec_loop(&b->vcpu, &b->insn), EXC_GP, 0);
    bench_free(b);
}

/* --- Real mode ---------------------------------------------------------------------------------------------------- */

Test(real, interrupt_and_return)
{
    struct bench *b = bench_real();
    poke(b, 0x21 * 4, 4, 0x30000456);
    vcpu_set_eflags(&b->vcpu, FLAG_IF | FLAG_CF | FLAG_TF | FLAG_AC);
    b->insn.opcode = 0xcd;
    b->insn.imm = 0x21;
    b->vcpu.interrupt_shadow = true;
    cr_expect_eq(exec_int(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.segment[SEG_CS].selector, 0x3000);
    cr_expect_eq(b->vcpu.segment[SEG_CS].base, 0x30000);
    cr_expect_eq(b->vcpu.rip, 0x456);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0xffa);
    cr_expect_eq(peek(b, 0x20ffa, 2), 0x102);
    cr_expect_eq(peek(b, 0x20ffc, 2), 0x1000);
    cr_expect_eq(peek(b, 0x20ffe, 2), FLAG_IF | FLAG_CF | FLAG_TF | FLAG_FIXED);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_CF | FLAG_FIXED);
    cr_expect_not(b->vcpu.interrupt_shadow);
    b->vcpu.nmi_blocked = true;
    cr_expect_eq(exec_iret(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0x102);
    cr_expect_eq(b->vcpu.segment[SEG_CS].base, 0x10000);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0x1000);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_IF | FLAG_CF | FLAG_TF | FLAG_FIXED);
    cr_expect_not(b->vcpu.nmi_blocked);
    bench_free(b);
}

Test(real, stack_wraps_at_64k)
{
    struct bench *b = bench_real();
    b->vcpu.gpr[REG_RSP] = 0xabcd0000;
    cr_expect_eq(interrupt_deliver(&b->vcpu, INTERRUPT_EXTERNAL, 8, 0x100), EXEC_JUMP);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0xabcdfffa);
    cr_expect_eq(peek(b, 0x2fffa, 2), 0x100);

    b->vcpu.rip = 0x100;
    b->vcpu.gpr[REG_RSP] = 2; /* wraps between two pushes */
    cr_expect_eq(interrupt_deliver(&b->vcpu, INTERRUPT_EXTERNAL, 8, 0x200), EXEC_JUMP);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0xfffc);
    cr_expect_eq(peek(b, 0x2fffc, 2), 0x200);
    bench_free(b);
}

Test(real, far_call_and_return)
{
    struct bench *b = bench_real();
    b->insn.opcode = 0x9a;
    b->insn.far = true;
    b->insn.length = 5;
    b->insn.selector = 0x4000;
    b->insn.imm = 0x10;
    cr_expect_eq(exec_call(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.segment[SEG_CS].base, 0x40000);
    cr_expect_eq(b->vcpu.rip, 0x10);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0xffc);
    b->insn.opcode = 0xca;
    b->insn.imm = 6;
    cr_expect_eq(exec_ret(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.segment[SEG_CS].base, 0x10000);
    cr_expect_eq(b->vcpu.rip, 0x105);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0x1006);
    bench_free(b);
}

Test(real, vector_outside_the_table_shuts_down)
{
    struct bench *b = bench_real();
    b->vcpu.idtr.limit = 3;
    cr_expect_eq(interrupt_deliver(&b->vcpu, INTERRUPT_EXTERNAL, 8, 0x100), EXEC_SHUTDOWN);
    bench_free(b);
}

/* --- Protected mode ----------------------------------------------------------------------------------------------- */

Test(protected_mode, interrupt_to_inner_level_and_back)
{
    struct bench *b = bench_protected(3);
    set_idt(b, 0x80, make_gate(SEL_CODE0, HANDLER, 0xee, 0));
    vcpu_set_eflags(&b->vcpu, FLAG_IF | FLAG_ZF | FLAG_NT | FLAG_ID);
    b->vcpu.gpr[REG_RSP] = 0xdead0000;
    b->insn.opcode = 0xcd;
    b->insn.imm = (int8_t)0x80;
    cr_expect_eq(exec_int(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    cr_expect_eq(b->vcpu.cpl, 0);
    cr_expect_eq(b->vcpu.segment[SEG_CS].selector, SEL_CODE0);
    cr_expect_eq(b->vcpu.segment[SEG_SS].selector, SEL_DATA0);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], KERNEL_STACK - 20);
    cr_expect_eq(peek(b, KERNEL_STACK - 4, 4), SEL_DATA3);
    cr_expect_eq(peek(b, KERNEL_STACK - 8, 4), 0xdead0000);
    cr_expect_eq(peek(b, KERNEL_STACK - 12, 4), FLAG_IF | FLAG_ZF | FLAG_NT | FLAG_ID | FLAG_FIXED);
    cr_expect_eq(peek(b, KERNEL_STACK - 16, 4), SEL_CODE3);
    cr_expect_eq(peek(b, KERNEL_STACK - 20, 4), CODE + 2);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_ZF | FLAG_ID | FLAG_FIXED);
    cr_expect_eq(peek(b, GDT + SEL_CODE0 + 5, 1), 0x9b, "accessed");

    set_segment(b, SEG_DS, SEL_DATA0);
    cr_expect_eq(exec_iret(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, CODE + 2);
    cr_expect_eq(b->vcpu.cpl, 3);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0xdead0000);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_IF | FLAG_ZF | FLAG_NT | FLAG_ID | FLAG_FIXED);
    cr_expect(b->vcpu.segment[SEG_DS].attributes & SEG_UNUSABLE, "kernel data is out of reach");
    cr_expect_eq(b->vcpu.segment[SEG_ES].selector, SEL_DATA3);
    bench_free(b);
}

Test(protected_mode, iret_at_cpl3_keeps_if_and_iopl)
{
    struct bench *b = bench_protected(3);
    poke(b, USER_STACK, 4, CODE);
    poke(b, USER_STACK + 4, 4, SEL_CODE3);
    poke(b, USER_STACK + 8, 4, FLAG_IOPL | FLAG_VM | FLAG_VIF | FLAG_AC | FLAG_CF);
    vcpu_set_eflags(&b->vcpu, FLAG_IF);
    cr_expect_eq(exec_iret(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_IF | FLAG_AC | FLAG_CF | FLAG_FIXED);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], USER_STACK + 12);
    bench_free(b);
}

/* Where gates go wrong: each row is a gate for INT 40h at CPL 3, and the exception with its code. */
Test(protected_mode, gate_checks)
{
    static const struct {
        const char *what;
        uint16_t selector;
        uint8_t access;
        uint8_t vector;
        uint32_t code;
    } rows[] = {
        {"DPL below CPL", SEL_CODE0, 0x8e, EXC_GP, 0x40 * 8 + 2},
        {"not a gate for the IDT", SEL_CODE0, 0xec, EXC_GP, 0x40 * 8 + 2},
        {"a code segment", SEL_CODE0, 0xfe, EXC_GP, 0x40 * 8 + 2},
        {"absent gate", SEL_CODE0, 0x6e, EXC_NP, 0x40 * 8 + 2},
        {"null handler segment", 3, 0xee, EXC_GP, 0},
        {"outside the GDT", 0x100, 0xee, EXC_GP, 0x100},
        {"outside the LDT", 0x24, 0xee, EXC_GP, 0x24},
        {"data segment", SEL_DATA0, 0xee, EXC_GP, SEL_DATA0},
        {"absent code", SEL_ABSENT_CODE, 0xee, EXC_NP, SEL_ABSENT_CODE},
        {"TSS by task gate from the LDT", 0x4, 0xe5, EXC_GP, 0x4},
        {"task gate to no TSS", SEL_DATA0, 0xe5, EXC_GP, SEL_DATA0},
        {"task gate to the busy TSS", SEL_TSS_A, 0xe5, EXC_GP, SEL_TSS_A},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_protected(3);
        set_idt(b, 0x40, make_gate(rows[i].selector, HANDLER, rows[i].access, 0));
        set_idt(b, EXC_GP, make_gate(SEL_CODE0, HANDLER + EXC_GP, 0x8e, 0));
        set_idt(b, EXC_NP, make_gate(SEL_CODE0, HANDLER + EXC_NP, 0x8e, 0));
        b->insn.opcode = 0xcd;
        b->insn.imm = 0x40;
        cr_expect_eq(exec_int(&b->vcpu, &b->insn), EXEC_JUMP);
        cr_expect_eq(b->vcpu.rip, HANDLER + rows[i].vector, "%s", rows[i].what);
        cr_expect_eq(peek(b, KERNEL_STACK - 24, 4), rows[i].code, "%s: %x", rows[i].what,
                     (unsigned)peek(b, KERNEL_STACK - 24, 4));
        cr_expect_eq(peek(b, KERNEL_STACK - 20, 4), CODE, "%s: returns to the INT", rows[i].what);
        cr_expect_eq(peek(b, KERNEL_STACK - 12, 4) & FLAG_RF, FLAG_RF, "%s", rows[i].what);
        bench_free(b);
    }
}

Test(protected_mode, errors_of_external_events_have_ext)
{
    struct bench *b = bench_protected(0);
    set_idt(b, 0x40, make_gate(SEL_ABSENT_CODE, HANDLER, 0x8e, 0));
    set_idt(b, EXC_NP, make_gate(SEL_CODE0, HANDLER, 0x8e, 0));
    cr_expect_eq(interrupt_deliver(&b->vcpu, INTERRUPT_EXTERNAL, 0x40, CODE + 7), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    cr_expect_eq(peek(b, STACK - 16, 4), SEL_ABSENT_CODE | 1);
    cr_expect_eq(peek(b, STACK - 12, 4), CODE + 7);
    bench_free(b);
}

/* Inner stacks out of the TSS. */
Test(protected_mode, inner_stack_checks)
{
    static const struct {
        const char *what;
        uint32_t tss_limit;
        uint16_t ss;
        uint8_t vector;
        uint32_t code;
    } rows[] = {
        {"TSS too short", 8, SEL_DATA0, EXC_TS, SEL_TSS_A},
        {"null", 0x67, 0, EXC_TS, 0},
        {"outside the GDT", 0x67, 0x100, EXC_TS, 0x100},
        {"RPL", 0x67, SEL_DATA0 | 1, EXC_TS, SEL_DATA0},
        {"DPL", 0x67, SEL_DATA3 & ~3, EXC_TS, SEL_DATA3 & ~3},
        {"read-only", 0x67, SEL_READ_ONLY, EXC_TS, SEL_READ_ONLY},
        {"absent", 0x67, SEL_ABSENT_DATA, EXC_SS, SEL_ABSENT_DATA},
        {"no room", 0x67, SEL_EXPAND_DOWN, EXC_SS, SEL_EXPAND_DOWN},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_protected(3);
        set_idt(b, 0x40, make_gate(SEL_CODE0, HANDLER, 0xee, 0));
        /* The handlers run on the user stack: conforming code at CPL 3. */
        set_idt(b, EXC_TS, make_gate(SEL_CONFORMING, HANDLER + EXC_TS, 0x8e, 0));
        set_idt(b, EXC_SS, make_gate(SEL_CONFORMING, HANDLER + EXC_SS, 0x8e, 0));
        b->vcpu.segment[SEG_TR].limit = rows[i].tss_limit;
        poke(b, TSS_A + 8, 2, rows[i].ss);
        poke(b, TSS_A + 4, 4, 0x1008); /* 8 bytes above the expand-down limit */
        b->insn.opcode = 0xcd;
        b->insn.imm = 0x40;
        cr_expect_eq(exec_int(&b->vcpu, &b->insn), EXEC_JUMP);
        cr_expect_eq(b->vcpu.rip, HANDLER + rows[i].vector, "%s", rows[i].what);
        cr_expect_eq(b->vcpu.cpl, 3);
        cr_expect_eq(b->vcpu.segment[SEG_CS].selector, SEL_CONFORMING | 3);
        cr_expect_eq(peek(b, USER_STACK - 16, 4), rows[i].code, "%s: %x", rows[i].what,
                     (unsigned)peek(b, USER_STACK - 16, 4));
        bench_free(b);
    }
}

Test(protected_mode, double_fault_classes)
{
    static const struct {
        uint8_t first, missing; /* the gate of `first` is absent (#NP), or leads to a null segment (#GP) */
        uint8_t expected;
    } rows[] = {
        {EXC_UD, EXC_UD, EXC_NP}, {EXC_GP, EXC_GP, EXC_DF}, {EXC_PF, EXC_PF, EXC_DF},
        {EXC_DE, EXC_DE, EXC_DF}, {EXC_AC, EXC_AC, EXC_NP}, {EXC_NM, EXC_NM, EXC_NP},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_protected(0);
        for (unsigned vector = 0; vector < 32; vector++)
            set_idt(b, vector, make_gate(SEL_CODE0, HANDLER + vector, vector == rows[i].missing ? 0x0e : 0x8e, 0));
        vcpu_fault_code(&b->vcpu, rows[i].first, 0);
        cr_expect_eq(exception_deliver(&b->vcpu), EXEC_JUMP);
        cr_expect_eq(b->vcpu.rip, HANDLER + rows[i].expected, "row %u: %lx", i, (unsigned long)b->vcpu.rip);
        if (rows[i].expected == EXC_DF)
            cr_expect_eq(peek(b, STACK - 16, 4), 0);
        bench_free(b);
    }
}

Test(protected_mode, triple_fault_is_shutdown)
{
    struct bench *b = bench_protected(0);
    vcpu_fault_code(&b->vcpu, EXC_GP, 0);
    cr_expect_eq(exception_deliver(&b->vcpu), EXEC_SHUTDOWN);
    bench_free(b);
}

Test(protected_mode, endless_benign_exceptions_end)
{
    struct bench *b = bench_protected(3);
    set_idt(b, EXC_AC, make_gate(SEL_CODE3, HANDLER, 0xee, 0));
    b->vcpu.cr0 |= CR0_AM;
    b->vcpu.eflags |= FLAG_AC;
    b->vcpu.gpr[REG_RSP] = USER_STACK + 1;
    vcpu_fault_code(&b->vcpu, EXC_AC, 0);
    cr_expect_eq(exception_deliver(&b->vcpu), EXEC_SHUTDOWN);
    bench_free(b);
}

Test(protected_mode, debug_exceptions_update_dr6_and_dr7)
{
    struct bench *b = bench_protected(0);
    set_idt(b, EXC_DB, make_gate(SEL_CODE0, HANDLER, 0x8e, 0));
    b->vcpu.dr[7] |= 1 << 13;
    vcpu_fault(&b->vcpu, EXC_DB);
    b->vcpu.exception.dr6 = 0x4000;
    cr_expect_eq(exception_deliver(&b->vcpu), EXEC_JUMP);
    cr_expect_eq(b->vcpu.dr[6], 0xffff4ff0);
    cr_expect_eq(b->vcpu.dr[7], 0x400);
    cr_expect_not(peek(b, STACK - 4, 4) & FLAG_RF);
    bench_free(b);
}

Test(protected_mode, software_interrupt_of_kernel_only_gate_versus_int1)
{
    struct bench *b = bench_protected(3);
    set_idt(b, EXC_DB, make_gate(SEL_CODE0, HANDLER, 0x8e, 0));
    cr_expect_eq(exec_int1(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    cr_expect_eq(peek(b, KERNEL_STACK - 20, 4), CODE + 2);
    bench_free(b);
}

Test(protected_mode, nmi_blocks_nmis_and_wakes)
{
    struct bench *b = bench_protected(0);
    set_idt(b, EXC_NMI, make_gate(SEL_CODE0, HANDLER, 0x8e, 0));
    b->vcpu.halted = true;
    cr_expect_eq(interrupt_deliver(&b->vcpu, INTERRUPT_NMI, EXC_NMI, CODE), EXEC_JUMP);
    cr_expect(b->vcpu.nmi_blocked);
    cr_expect_not(b->vcpu.halted);
    bench_free(b);
}

Test(protected_mode, bound_is_a_fault)
{
    struct bench *b = bench_protected(0);
    b->insn.mem.present = 1;
    b->insn.mem.disp = 0x20000;
    poke(b, 0x20000, 4, (uint32_t)-5);
    poke(b, 0x20004, 4, 9);
    b->insn.reg = REG_RAX;
    b->vcpu.gpr[REG_RAX] = 0xfffffffb;
    cr_expect_eq(exec_bound(&b->vcpu, &b->insn), EXEC_NEXT);
    b->vcpu.gpr[REG_RAX] = 10;
    expect_fault(b, exec_bound(&b->vcpu, &b->insn), EXC_BR, 0);
    bench_free(b);
}

/* --- Virtual-8086 mode -------------------------------------------------------------------------------------------- */

/* Enters V86 mode by IRETD from CPL 0: CS 1000, SS 2000, ES-GS 3000-6000. */
static struct bench *bench_v86(unsigned iopl)
{
    static const uint16_t selectors[] = {0x2000, 0x3000, 0x4000, 0x5000, 0x6000};
    struct bench *b = bench_protected(0);
    poke(b, STACK, 4, 0x100);
    poke(b, STACK + 4, 4, 0x1000);
    poke(b, STACK + 8, 4, FLAG_VM | FLAG_IF | iopl << FLAG_IOPL_SHIFT);
    poke(b, STACK + 12, 4, 0x800);
    for (unsigned i = 0; i < 5; i++)
        poke(b, STACK + 16 + i * 4, 4, selectors[i]);
    cr_assert_eq(exec_iret(&b->vcpu, &b->insn), EXEC_JUMP);
    b->insn.code_size = b->insn.operand_size = b->insn.address_size = 2;
    return b;
}

Test(v86, entry_and_exit_by_interrupt)
{
    struct bench *b = bench_v86(3);
    cr_expect_eq(b->vcpu.cpl, 3);
    cr_expect(vcpu_v86(&b->vcpu));
    cr_expect_eq(b->vcpu.rip, 0x100);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0x800);
    cr_expect_eq(b->vcpu.segment[SEG_CS].base, 0x10000);
    cr_expect_eq(b->vcpu.segment[SEG_GS].base, 0x60000);
    cr_expect_eq(b->vcpu.segment[SEG_ES].limit, 0xffff);
    set_idt(b, 0x40, make_gate(SEL_CODE0, HANDLER, 0xee, 0));
    b->insn.opcode = 0xcd;
    b->insn.imm = 0x40;
    cr_expect_eq(exec_int(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    cr_expect_eq(b->vcpu.cpl, 0);
    cr_expect_not(vcpu_v86(&b->vcpu));
    static const uint32_t frame[] = {
        0x102, 0x1000, FLAG_VM | FLAG_IF | FLAG_IOPL | FLAG_FIXED, 0x800, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000};
    cr_expect_eq(b->vcpu.gpr[REG_RSP], KERNEL_STACK - sizeof(frame));
    for (unsigned i = 0; i < ARRAY_LEN(frame); i++)
        cr_expect_eq(peek(b, KERNEL_STACK - sizeof(frame) + i * 4, 4), frame[i], "item %u", i);
    cr_expect(b->vcpu.segment[SEG_DS].attributes & SEG_UNUSABLE);
    bench_free(b);
}

Test(v86, iopl_guards_int_and_iret_but_not_int3)
{
    struct bench *b = bench_v86(0);
    set_idt(b, EXC_BP, make_gate(SEL_CODE0, HANDLER, 0xee, 0));
    b->insn.opcode = 0xcd;
    b->insn.imm = 0x40;
    expect_fault(b, exec_int(&b->vcpu, &b->insn), EXC_GP, 0);
    expect_fault(b, exec_iret(&b->vcpu, &b->insn), EXC_GP, 0);
    b->insn.opcode = 0xcc;
    cr_expect_eq(exec_int3(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    bench_free(b);
}

Test(v86, handlers_must_be_at_level_0)
{
    struct bench *b = bench_v86(3);
    set_idt(b, 0x40, make_gate(SEL_CODE3, HANDLER, 0xee, 0));
    set_idt(b, EXC_GP, make_gate(SEL_CODE0, HANDLER + 1, 0x8e, 0));
    b->insn.opcode = 0xcd;
    b->insn.imm = 0x40;
    cr_expect_eq(exec_int(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER + 1);
    cr_expect_eq(peek(b, KERNEL_STACK - 40, 4), SEL_CODE3 & ~3);
    bench_free(b);
}

Test(v86, vme_redirects_to_the_programs_own_table)
{
    struct bench *b = bench_v86(0);
    b->vcpu.cr4 |= CR4_VME;
    b->vcpu.segment[SEG_TR].limit = 0x200;
    poke(b, TSS_A + 0x66, 2, 0x88); /* bitmap at 68h, all clear */
    poke(b, 0x21 * 4, 4, 0x7000abcd);
    b->vcpu.eflags = (b->vcpu.eflags | FLAG_VIF) & ~(uint32_t)FLAG_IF;
    b->insn.opcode = 0xcd;
    b->insn.imm = 0x21;
    cr_expect_eq(exec_int(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0xabcd);
    cr_expect_eq(b->vcpu.segment[SEG_CS].base, 0x70000);
    cr_expect_eq(peek(b, 0x207fe, 2), FLAG_IF | FLAG_IOPL | FLAG_FIXED);
    cr_expect_not(b->vcpu.eflags & FLAG_VIF);
    cr_expect_eq(exec_iret(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0x102);
    cr_expect(b->vcpu.eflags & FLAG_VIF);
    cr_expect_not(b->vcpu.eflags & FLAG_IF);
    cr_expect_eq(vcpu_iopl(&b->vcpu), 0);
    poke(b, TSS_A + 0x68 + 0x21 / 8, 1, 1 << 0x21 % 8);
    expect_fault(b, exec_int(&b->vcpu, &b->insn), EXC_GP, 0);
    bench_free(b);
}

/* --- Call gates and far returns ----------------------------------------------------------------------------------- */

static void far_immediate(struct bench *b, bool call, uint16_t selector, uint32_t offset)
{
    b->insn.opcode = call ? 0x9a : 0xea;
    b->insn.far = true;
    b->insn.length = 7;
    b->insn.selector = selector;
    b->insn.imm = offset;
}

Test(gates, call_to_inner_level_copies_parameters_and_returns)
{
    struct bench *b = bench_protected(3);
    set_gdt(b, SEL_GATE, make_gate(SEL_CODE0, HANDLER, 0xec, 2));
    poke(b, USER_STACK, 4, 0x11111111);
    poke(b, USER_STACK + 4, 4, 0x22222222);
    far_immediate(b, true, SEL_GATE | 3, 0xffffffff);
    cr_expect_eq(exec_call(&b->vcpu, &b->insn), EXEC_JUMP);
    static const uint32_t frame[] = {CODE + 7, SEL_CODE3, 0x11111111, 0x22222222, USER_STACK, SEL_DATA3};
    cr_expect_eq(b->vcpu.rip, HANDLER);
    cr_expect_eq(b->vcpu.cpl, 0);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], KERNEL_STACK - sizeof(frame));
    for (unsigned i = 0; i < ARRAY_LEN(frame); i++)
        cr_expect_eq(peek(b, KERNEL_STACK - sizeof(frame) + i * 4, 4), frame[i], "item %u", i);
    b->insn.opcode = 0xca;
    b->insn.imm = 8;
    cr_expect_eq(exec_ret(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, CODE + 7);
    cr_expect_eq(b->vcpu.cpl, 3);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], USER_STACK + 8);
    bench_free(b);
}

Test(gates, call_through_a_16_bit_gate)
{
    struct bench *b = bench_protected(0);
    set_gdt(b, SEL_GATE, make_gate(SEL_CODE0, 0x77771234, 0x84, 0));
    far_immediate(b, true, SEL_GATE, 0);
    cr_expect_eq(exec_call(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0x1234);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], STACK - 4);
    cr_expect_eq(peek(b, STACK - 4, 2), (CODE + 7) & 0xffff);
    cr_expect_eq(peek(b, STACK - 2, 2), SEL_CODE0);
    bench_free(b);
}

Test(gates, far_targets_that_fault)
{
    static const struct {
        const char *what;
        unsigned cpl;
        bool call;
        uint16_t selector;
        uint64_t gate; /* 0: none */
        uint8_t vector;
        uint32_t code;
    } rows[] = {
        {"null", 0, false, 3, 0, EXC_GP, 0},
        {"outside", 0, false, 0x100, 0, EXC_GP, 0x100},
        {"data", 0, false, SEL_DATA0, 0, EXC_GP, SEL_DATA0},
        {"nonconforming, inner", 3, true, SEL_CODE0, 0, EXC_GP, SEL_CODE0},
        {"nonconforming, outer", 0, true, SEL_CODE3 & ~3, 0, EXC_GP, SEL_CODE3 & ~3},
        {"RPL above CPL", 0, false, SEL_CODE0 | 1, 0, EXC_GP, SEL_CODE0},
        {"absent", 0, false, SEL_ABSENT_CODE, 0, EXC_NP, SEL_ABSENT_CODE},
        {"beyond the limit", 0, false, SEL_SMALL_CODE, 0, EXC_GP, 0},
        {"an LDT", 0, false, SEL_LDT, 0, EXC_GP, SEL_LDT},
        {"busy TSS", 0, false, SEL_TSS_A, 0, EXC_GP, SEL_TSS_A},
        {"TSS with DPL below CPL", 3, false, SEL_TSS_B, 0, EXC_GP, SEL_TSS_B},
        {"gate DPL", 3, true, SEL_GATE, 0x8c, EXC_GP, SEL_GATE},
        {"gate RPL", 0, true, SEL_GATE | 3, 0x8c, EXC_GP, SEL_GATE},
        {"absent gate", 0, true, SEL_GATE, 0x0c, EXC_NP, SEL_GATE},
        {"JMP cannot raise privilege", 3, false, SEL_GATE, 0xec, EXC_GP, SEL_CODE0},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_protected(rows[i].cpl);
        if (rows[i].gate)
            set_gdt(b, SEL_GATE, make_gate(SEL_CODE0, HANDLER, (uint8_t)rows[i].gate, 0));
        far_immediate(b, rows[i].call, rows[i].selector, 0x2000);
        expect_fault(b, (rows[i].call ? exec_call : exec_jmp)(&b->vcpu, &b->insn), rows[i].vector, rows[i].code);
        cr_expect_eq(b->vcpu.exception.vector, rows[i].vector, "%s", rows[i].what);
        bench_free(b);
    }
}

Test(gates, conforming_code_keeps_cpl)
{
    struct bench *b = bench_protected(3);
    far_immediate(b, true, SEL_CONFORMING, 0x2000);
    cr_expect_eq(exec_call(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.cpl, 3);
    cr_expect_eq(b->vcpu.segment[SEG_CS].selector, SEL_CONFORMING | 3);
    cr_expect_eq(peek(b, USER_STACK - 8, 4), CODE + 7);
    cr_expect_eq(peek(b, USER_STACK - 4, 4), SEL_CODE3);
    bench_free(b);
}

Test(gates, far_return_checks)
{
    static const struct {
        unsigned cpl;
        uint16_t cs, ss;
        uint8_t vector;
        uint32_t code;
    } rows[] = {
        {0, 0, 0, EXC_GP, 0},
        {0, 0x100, 0, EXC_GP, 0x100},
        {0, SEL_DATA0, 0, EXC_GP, SEL_DATA0},
        {3, SEL_CODE0, 0, EXC_GP, SEL_CODE0},     /* RPL below CPL */
        {0, SEL_CODE0 | 3, 0, EXC_GP, SEL_CODE0}, /* DPL is not the RPL */
        {0, SEL_ABSENT_CODE, 0, EXC_NP, SEL_ABSENT_CODE},
        {0, SEL_CODE3, 0, EXC_GP, 0},                 /* outer: null stack */
        {0, SEL_CODE3, SEL_DATA0, EXC_GP, SEL_DATA0}, /* outer: RPL of the stack */
        {0, SEL_CODE3, SEL_READ_ONLY | 3, EXC_GP, SEL_READ_ONLY},
        {0, SEL_CODE3, SEL_ABSENT_DATA | 3, EXC_GP, SEL_ABSENT_DATA}, /* DPL comes before P */
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_protected(rows[i].cpl);
        uint64_t stack = b->vcpu.gpr[REG_RSP];
        poke(b, stack, 4, 0x2000);
        poke(b, stack + 4, 4, rows[i].cs);
        poke(b, stack + 8, 4, USER_STACK);
        poke(b, stack + 12, 4, rows[i].ss);
        b->insn.opcode = 0xcb;
        expect_fault(b, exec_ret(&b->vcpu, &b->insn), rows[i].vector, rows[i].code);
        bench_free(b);
    }
}
