/* 64-bit mode: delivery with IST, IRETQ, SYSCALL and its kin, 64-bit call gates, SWAPGS; and hardware task switches. */
#include "tests/unit/exec_fixture.h"

/* --- Delivery and IRETQ ------------------------------------------------------------------------------------------- */

static void expect_frame64(struct bench *b, const uint64_t *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        cr_expect_eq(peek(b, b->vcpu.gpr[REG_RSP] + i * 8, 8), items[i], "item %u: %lx", i,
                     (unsigned long)peek(b, b->vcpu.gpr[REG_RSP] + i * 8, 8));
}

Test(long_mode, page_fault_from_user_and_back)
{
    struct bench *b = bench_long(3);
    set_idt64(b, EXC_PF, SEL_CODE64, HANDLER, 0x8e, 0);
    vcpu_set_eflags(&b->vcpu, FLAG_IF | FLAG_OF);
    b->vcpu.gpr[REG_RSP] = 0x7fff12345678;
    b->vcpu.exception =
        (struct exception){.vector = EXC_PF, .has_error_code = true, .error_code = 6, .cr2 = 0x123456789000};
    cr_expect_eq(exception_deliver(&b->vcpu), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    cr_expect_eq(b->vcpu.cpl, 0);
    cr_expect_eq(b->vcpu.cr2, 0x123456789000);
    cr_expect_eq(b->vcpu.segment[SEG_SS].selector, 0);
    cr_expect(b->vcpu.segment[SEG_SS].attributes & SEG_UNUSABLE);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], KERNEL_STACK - 48);
    expect_frame64(
        b, (uint64_t[]){6, CODE, SEL_CODE64_3, FLAG_IF | FLAG_OF | FLAG_RF | FLAG_FIXED, 0x7fff12345678, SEL_DATA3}, 6);
    b->vcpu.gpr[REG_RSP] += 8;
    cr_expect_eq(exec_iret(&b->vcpu, &(struct insn){.code_size = 8, .rex = 0x48, .length = 2}), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, CODE);
    cr_expect_eq(b->vcpu.cpl, 3);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0x7fff12345678);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_IF | FLAG_OF | FLAG_RF | FLAG_FIXED);
    bench_free(b);
}

Test(long_mode, same_level_aligns_the_stack_and_iretq_takes_a_null_ss)
{
    struct bench *b = bench_long(0);
    set_idt64(b, 0x20, SEL_CODE64, 0xffffffff80000000, 0x8e, 0);
    b->vcpu.segment[SEG_SS] = (struct segment){.attributes = SEG_UNUSABLE};
    b->vcpu.gpr[REG_RSP] = STACK + 13;
    cr_expect_eq(interrupt_deliver(&b->vcpu, INTERRUPT_EXTERNAL, 0x20, CODE), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0xffffffff80000000);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], STACK - 40);
    expect_frame64(b, (uint64_t[]){CODE, SEL_CODE64, FLAG_FIXED, STACK + 13, 0}, 5);
    cr_expect_eq(exec_iret(&b->vcpu, &(struct insn){.code_size = 8, .rex = 0x48}), EXEC_JUMP);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], STACK + 13);
    cr_expect_eq(b->vcpu.segment[SEG_SS].selector, 0);
    bench_free(b);
}

Test(long_mode, interrupt_stack_table)
{
    struct bench *b = bench_long(0);
    set_idt64(b, EXC_DF, SEL_CODE64, HANDLER, 0x8e, 1);
    vcpu_fault_code(&b->vcpu, EXC_GP, 0); /* no gate for #GP */
    b->vcpu.segment[SEG_SS].selector = SEL_DATA0;
    cr_expect_eq(exception_deliver(&b->vcpu), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], IST_STACK - 48);
    cr_expect_eq(b->vcpu.segment[SEG_SS].selector, SEL_DATA0, "SS stays without a privilege change");
    bench_free(b);
}

Test(long_mode, delivery_checks)
{
    static const struct {
        const char *what;
        uint16_t selector;
        uint64_t offset;
        uint8_t access;
        unsigned ist;
        uint8_t vector;
        uint32_t code;
    } rows[] = {
        {"DPL", SEL_CODE64, HANDLER, 0x8e, 0, EXC_GP, 0x202},
        {"task gate", SEL_CODE64, HANDLER, 0xe5, 0, EXC_GP, 0x202},
        {"absent", SEL_CODE64, HANDLER, 0x6e, 0, EXC_NP, 0x202},
        {"not 64-bit code", SEL_CODE0, HANDLER, 0xee, 0, EXC_GP, SEL_CODE0},
        {"null", 0, HANDLER, 0xee, 0, EXC_GP, 0},
        {"target not canonical", SEL_CODE64, 0x800000000000, 0xee, 0, EXC_GP, 0},
        {"stack not canonical", SEL_CODE64, HANDLER, 0xee, 2, EXC_SS, 0},
        {"TSS too short", SEL_CODE64, HANDLER, 0xee, 7, EXC_TS, SEL_TSS_A},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_long(3);
        set_idt64(b, 0x40, rows[i].selector, rows[i].offset, rows[i].access, rows[i].ist);
        for (unsigned vector = EXC_TS; vector <= EXC_GP; vector++)
            set_idt64(b, vector, SEL_CODE64, HANDLER + vector, 0x8e, 0);
        poke(b, TSS_A + 36 + 8, 8, 0x8000000000000000);
        b->vcpu.segment[SEG_TR].limit = 0x50;
        b->insn.opcode = 0xcd;
        b->insn.imm = 0x40;
        cr_expect_eq(exec_int(&b->vcpu, &b->insn), EXEC_JUMP);
        cr_expect_eq(b->vcpu.rip, HANDLER + rows[i].vector, "%s: %lx", rows[i].what, (unsigned long)b->vcpu.rip);
        expect_frame64(b, (uint64_t[]){rows[i].code, CODE, SEL_CODE64_3}, 3);
        bench_free(b);
    }
}

Test(long_mode, fault_on_the_stack_is_that_of_the_first_push)
{
    struct bench *b = bench_long(3);
    set_idt64(b, EXC_PF, SEL_CODE64, HANDLER, 0x8e, 1);
    set_idt64(b, 0x40, SEL_CODE64, HANDLER + 1, 0xee, 0);
    poke(b, PAGE_TABLE + (KERNEL_STACK / 4096 - 1) * 8, 8, 0);
    b->insn.opcode = 0xcd;
    b->insn.imm = 0x40;
    cr_expect_eq(exec_int(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    cr_expect_eq(b->vcpu.cr2, KERNEL_STACK - 8);
    expect_frame64(b, (uint64_t[]){PF_W, CODE, SEL_CODE64_3}, 3);
    bench_free(b);
}

Test(long_mode, iretq_checks)
{
    static const struct {
        uint64_t rip, cs, ss;
        uint32_t flags;
        uint8_t vector;
        uint32_t code;
    } rows[] = {
        {0x2000, SEL_CODE64, SEL_DATA0, FLAG_NT, EXC_GP, 0}, /* NT now */
        {0x2000, 0, SEL_DATA0, 0, EXC_GP, 0},
        {0x2000, SEL_CODE64_3, 3, 0, EXC_GP, 0}, /* null SS for CPL 3 */
        {0x2000, SEL_CODE0, 0, 0, EXC_GP, 0},    /* null SS for compatibility mode */
        {0x2000, SEL_CODE64_3, SEL_DATA0, 0, EXC_GP, SEL_DATA0},
        {0x800000000000, SEL_CODE64_3, SEL_DATA3, 0, EXC_GP, 0},
        {0x2000, SEL_ABSENT_CODE, SEL_DATA0, 0, EXC_NP, SEL_ABSENT_CODE},
        {0x100000000, SEL_CODE3, SEL_DATA3, 0, EXC_GP, 0}, /* beyond 4 GiB in compatibility mode */
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_long(0);
        struct insn insn = {.code_size = 8, .rex = 0x48};
        uint64_t items[] = {rows[i].rip, rows[i].cs, FLAG_FIXED, USER_STACK, rows[i].ss};
        for (unsigned k = 0; k < 5; k++)
            poke(b, STACK + k * 8, 8, items[k]);
        b->vcpu.eflags |= rows[i].flags;
        expect_fault(b, exec_iret(&b->vcpu, &insn), rows[i].vector, rows[i].code);
        bench_free(b);
    }
}

Test(long_mode, return_to_compatibility_mode)
{
    struct bench *b = bench_long(0);
    uint64_t items[] = {0x2000, SEL_CODE3, FLAG_IF, 0xdeadbeef0, SEL_DATA3};
    for (unsigned k = 0; k < 5; k++)
        poke(b, STACK + k * 8, 8, items[k]);
    cr_expect_eq(exec_iret(&b->vcpu, &(struct insn){.code_size = 8, .rex = 0x48}), EXEC_JUMP);
    cr_expect_eq(vcpu_code_size(&b->vcpu), 4);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0xeadbeef0);
    bench_free(b);
}

Test(long_mode, call_gate_to_level_0)
{
    struct bench *b = bench_long(3);
    poke(b, GDT + SEL_GATE, 8, make_gate(SEL_CODE64, 0x12345678, 0xec, 0));
    poke(b, GDT + SEL_GATE + 8, 8, 0x7fff);
    b->insn.opcode = 0xff;
    b->insn.far = true;
    b->insn.length = 7;
    b->insn.mem.present = 1;
    b->insn.mem.disp = 0x20000;
    poke(b, 0x20004, 2, SEL_GATE);
    cr_expect_eq(exec_call(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0x7fff12345678);
    cr_expect_eq(b->vcpu.cpl, 0);
    cr_expect_eq(b->vcpu.segment[SEG_SS].selector, 0);
    expect_frame64(b, (uint64_t[]){CODE + 7, SEL_CODE64_3, USER_STACK, SEL_DATA3}, 4);
    b->insn.opcode = 0xcb;
    b->insn.rex = 0x48;
    cr_expect_eq(exec_ret(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, CODE + 7);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], USER_STACK);
    bench_free(b);

    b = bench_long(0); /* the second half must have type 0, and far jumps of 32-bit gates mean the 64-bit ones */
    poke(b, GDT + SEL_GATE, 8, make_gate(SEL_CODE64, 0, 0xec, 0));
    poke(b, GDT + SEL_GATE + 8, 8, 1ull << 40);
    b->insn.opcode = 0xff;
    b->insn.far = true;
    b->insn.mem.present = 1;
    b->insn.mem.disp = 0x20000;
    poke(b, 0x20004, 2, SEL_GATE);
    expect_fault(b, exec_jmp(&b->vcpu, &b->insn), EXC_GP, SEL_GATE);
    poke(b, 0x20004, 2, SEL_TSS_B);
    expect_fault(b, exec_jmp(&b->vcpu, &b->insn), EXC_GP, SEL_TSS_B);
    bench_free(b);
}

/* --- Fast system calls -------------------------------------------------------------------------------------------- */

Test(syscall, there_and_back)
{
    struct bench *b = bench_long(3);
    b->vcpu.star = (uint64_t)0x23 << 48 | (uint64_t)0x10 << 32;
    b->vcpu.lstar = 0xffffffff81000000;
    b->vcpu.sfmask = FLAG_IF | FLAG_TF | FLAG_CF;
    vcpu_set_eflags(&b->vcpu, FLAG_IF | FLAG_CF | FLAG_ZF | FLAG_RF);
    cr_expect_eq(exec_syscall(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0xffffffff81000000);
    cr_expect_eq(b->vcpu.gpr[REG_RCX], CODE + 2);
    cr_expect_eq(b->vcpu.gpr[11], FLAG_IF | FLAG_CF | FLAG_ZF | FLAG_FIXED);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_ZF | FLAG_FIXED);
    cr_expect_eq(b->vcpu.cpl, 0);
    cr_expect_eq(b->vcpu.segment[SEG_CS].selector, 0x10);
    cr_expect_eq(b->vcpu.segment[SEG_CS].attributes, 0xa09b);
    cr_expect_eq(b->vcpu.segment[SEG_SS].selector, 0x18);
    cr_expect_eq(b->vcpu.segment[SEG_SS].attributes, 0xc093);
    b->insn.rex = 0x48;
    cr_expect_eq(exec_sysret(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, CODE + 2);
    cr_expect_eq(b->vcpu.cpl, 3);
    cr_expect_eq(b->vcpu.segment[SEG_CS].selector, 0x33);
    cr_expect_eq(b->vcpu.segment[SEG_CS].attributes, 0xa0fb);
    cr_expect_eq(b->vcpu.segment[SEG_SS].selector, 0x2b);
    cr_expect_eq(b->vcpu.segment[SEG_SS].attributes, 0xc0f3);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_IF | FLAG_CF | FLAG_ZF | FLAG_FIXED);
    bench_free(b);
}

Test(syscall, availability_by_vendor)
{
    struct bench *b = bench_long(3);
    b->vcpu.efer &= ~(uint64_t)EFER_SCE;
    expect_fault(b, exec_syscall(&b->vcpu, &b->insn), EXC_UD, 0);
    b->vcpu.efer |= EFER_SCE;
    set_segment(b, SEG_CS, SEL_CODE3); /* compatibility mode */
    b->insn.code_size = 4;
    b->vcpu.cstar = 0x1234;
    b->vcpu.sysenter_cs = 8;
    expect_fault(b, exec_syscall(&b->vcpu, &b->insn), EXC_UD, 0);
    b->vcpu.features.vendor = VENDOR_AMD;
    expect_fault(b, exec_sysenter(&b->vcpu, &b->insn), EXC_UD, 0);
    cr_expect_eq(exec_syscall(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0x1234);
    cr_expect(vcpu_code64(&b->vcpu));
    bench_free(b);
}

Test(syscall, sysret_to_a_bad_address)
{
    struct bench *b = bench_long(0);
    b->insn.rex = 0x48;
    b->vcpu.gpr[REG_RCX] = 0x800000000000;
    expect_fault(b, exec_sysret(&b->vcpu, &b->insn), EXC_GP, 0);
    b->vcpu.features.vendor = VENDOR_AMD;
    cr_expect_eq(exec_sysret(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.cpl, 3);
    bench_free(b);
}

Test(syscall, sysenter_and_sysexit)
{
    struct bench *b = bench_protected(3);
    b->vcpu.eflags |= FLAG_IF;
    expect_fault(b, exec_sysenter(&b->vcpu, &b->insn), EXC_GP, 0);
    b->vcpu.sysenter_cs = 0x60;
    b->vcpu.sysenter_eip = HANDLER;
    b->vcpu.sysenter_esp = KERNEL_STACK;
    cr_expect_eq(exec_sysenter(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], KERNEL_STACK);
    cr_expect_eq(b->vcpu.segment[SEG_CS].selector, 0x60);
    cr_expect_eq(b->vcpu.segment[SEG_CS].attributes, 0xc09b);
    cr_expect_eq(b->vcpu.segment[SEG_SS].selector, 0x68);
    cr_expect_not(b->vcpu.eflags & FLAG_IF);
    b->vcpu.gpr[REG_RCX] = USER_STACK;
    b->vcpu.gpr[REG_RDX] = CODE;
    cr_expect_eq(exec_sysexit(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, CODE);
    cr_expect_eq(b->vcpu.cpl, 3);
    cr_expect_eq(b->vcpu.segment[SEG_CS].selector, 0x73);
    cr_expect_eq(b->vcpu.segment[SEG_SS].selector, 0x7b);
    bench_free(b);
}

Test(swapgs, exchanges_bases)
{
    struct bench *b = bench_long(0);
    b->vcpu.segment[SEG_GS].base = 1;
    b->vcpu.kernel_gs_base = 2;
    cr_expect_eq(exec_swapgs(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.segment[SEG_GS].base, 2);
    cr_expect_eq(b->vcpu.kernel_gs_base, 1);
    b->insn.code_size = 4;
    expect_fault(b, exec_swapgs(&b->vcpu, &b->insn), EXC_UD, 0);
    bench_free(b);
}

/* --- Task switches ------------------------------------------------------------------------------------------------ */

/* A state for TSS B: CPL 0, EIP HANDLER, ESP STACK + 0x800. */
static struct bench *bench_tasks(unsigned cpl)
{
    static const uint16_t selectors[] = {SEL_DATA0, SEL_CODE0, SEL_DATA0, SEL_DATA0, 0, SEL_DATA3};
    struct bench *b = bench_protected(cpl);
    poke(b, TSS_B + 0x20, 4, HANDLER);
    poke(b, TSS_B + 0x24, 4, FLAG_CF | FLAG_FIXED);
    for (unsigned i = 0; i < 8; i++)
        poke(b, TSS_B + 0x28 + i * 4, 4, 0x1000 + i);
    poke(b, TSS_B + 0x38, 4, STACK + 0x800);
    for (unsigned i = 0; i < 6; i++)
        poke(b, TSS_B + 0x48 + i * 4, 4, selectors[i]);
    poke(b, TSS_B + 0x60, 2, SEL_LDT);
    b->insn.opcode = 0xea;
    b->insn.far = true;
    b->insn.length = 7;
    b->insn.selector = SEL_TSS_B;
    return b;
}

Test(tasks, jump_to_a_tss)
{
    struct bench *b = bench_tasks(0);
    b->vcpu.gpr[REG_RBX] = 0x12345678;
    b->vcpu.dr[7] = 0x4ff;
    cr_expect_eq(exec_jmp(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    cr_expect_eq(b->vcpu.gpr[REG_RDI], 0x1007);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], STACK + 0x800);
    cr_expect_eq(b->vcpu.segment[SEG_TR].selector, SEL_TSS_B);
    cr_expect_eq(b->vcpu.segment[SEG_GS].selector, SEL_DATA3);
    cr_expect(b->vcpu.segment[SEG_FS].attributes & SEG_UNUSABLE);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_CF | FLAG_FIXED);
    cr_expect(b->vcpu.cr0 & CR0_TS);
    cr_expect_eq(b->vcpu.dr[7], 0x4aa);
    cr_expect_eq(peek(b, GDT + SEL_TSS_A + 5, 1), 0x89, "no longer busy");
    cr_expect_eq(peek(b, GDT + SEL_TSS_B + 5, 1), 0x8b, "busy");
    cr_expect_eq(peek(b, TSS_A + 0x20, 4), CODE + 7);
    cr_expect_eq(peek(b, TSS_A + 0x34, 4), 0x12345678);
    cr_expect_eq(peek(b, TSS_A + 0x4c, 2), SEL_CODE0);
    bench_free(b);
}

Test(tasks, call_nests_and_iret_returns)
{
    struct bench *b = bench_tasks(3);
    set_gdt(b, SEL_TASK_GATE, make_gate(SEL_TSS_B, 0, 0xe5, 0));
    b->insn.opcode = 0x9a;
    b->insn.selector = SEL_TASK_GATE | 3;
    b->vcpu.eflags |= FLAG_IF;
    cr_expect_eq(exec_call(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.cpl, 0);
    cr_expect(b->vcpu.eflags & FLAG_NT);
    cr_expect_eq(peek(b, TSS_B, 2), SEL_TSS_A);
    cr_expect_eq(peek(b, GDT + SEL_TSS_A + 5, 1), 0x8b, "still busy");
    b->vcpu.rip = HANDLER + 0x10;
    cr_expect_eq(exec_iret(&b->vcpu, &(struct insn){.code_size = 4, .operand_size = 4, .length = 1}), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, CODE + 7);
    cr_expect_eq(b->vcpu.cpl, 3);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], USER_STACK);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_IF | FLAG_FIXED);
    cr_expect_eq(peek(b, GDT + SEL_TSS_B + 5, 1), 0x89);
    cr_expect_eq(peek(b, TSS_B + 0x20, 4), HANDLER + 0x11);
    cr_expect_not(peek(b, TSS_B + 0x24, 4) & FLAG_NT);
    bench_free(b);
}

Test(tasks, double_fault_through_a_task_gate)
{
    struct bench *b = bench_tasks(0);
    set_idt(b, EXC_DF, make_gate(SEL_TSS_B, 0, 0x85, 0));
    set_segment(b, SEG_SS, SEL_EXPAND_DOWN); /* no room on the stack for anything */
    b->vcpu.gpr[REG_RSP] = 0x800;
    set_idt(b, EXC_GP, make_gate(SEL_CODE0, HANDLER, 0x8e, 0));
    set_idt(b, EXC_SS, make_gate(SEL_CODE0, HANDLER, 0x8e, 0));
    vcpu_fault_code(&b->vcpu, EXC_GP, 0);
    cr_expect_eq(exception_deliver(&b->vcpu), EXEC_JUMP);
    cr_expect_eq(b->vcpu.segment[SEG_TR].selector, SEL_TSS_B);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], STACK + 0x800 - 4, "error code pushed");
    cr_expect_eq(peek(b, STACK + 0x800 - 4, 4), 0);
    cr_expect_eq(peek(b, TSS_A + 0x20, 4), CODE);
    cr_expect_eq(peek(b, TSS_A + 0x38, 4), 0x800);
    bench_free(b);
}

Test(tasks, to_a_16_bit_tss)
{
    struct bench *b = bench_tasks(0);
    poke(b, TSS_C + 0x0e, 2, 0x8000);
    poke(b, TSS_C + 0x10, 2, FLAG_ZF);
    for (unsigned i = 0; i < 8; i++)
        poke(b, TSS_C + 0x12 + i * 2, 2, 0x100 + i);
    poke(b, TSS_C + 0x22, 2, SEL_DATA16);
    poke(b, TSS_C + 0x24, 2, SEL_CODE16);
    poke(b, TSS_C + 0x26, 2, SEL_DATA16);
    b->insn.selector = SEL_TSS_C;
    cr_expect_eq(exec_jmp(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect_eq(b->vcpu.rip, 0x8000);
    cr_expect_eq(b->vcpu.gpr[REG_RSI] & 0xffff, 0x106);
    cr_expect_eq(vcpu_code_size(&b->vcpu), 2);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_ZF | FLAG_FIXED);
    cr_expect(b->vcpu.segment[SEG_LDTR].attributes & SEG_UNUSABLE);
    bench_free(b);
}

Test(tasks, debug_trap_bit)
{
    struct bench *b = bench_tasks(0);
    poke(b, TSS_B + 0x64, 1, 1);
    cr_expect_eq(exec_jmp(&b->vcpu, &b->insn), EXEC_FAULT);
    cr_expect_eq(b->vcpu.exception.vector, EXC_DB);
    cr_expect_eq(b->vcpu.exception.dr6, 0x8000);
    cr_expect_eq(b->vcpu.rip, HANDLER);
    bench_free(b);
}

Test(tasks, faults_in_the_old_task_change_nothing)
{
    struct bench *b = bench_tasks(0);
    set_gdt(b, SEL_TSS_B, make_descriptor(TSS_B, 0x66, 0x89, 0));
    expect_fault(b, exec_jmp(&b->vcpu, &b->insn), EXC_TS, SEL_TSS_B);
    set_gdt(b, SEL_TSS_B, make_descriptor(TSS_B, 0x67, 0x09, 0));
    expect_fault(b, exec_jmp(&b->vcpu, &b->insn), EXC_NP, SEL_TSS_B);
    b->vcpu.eflags |= FLAG_NT;
    poke(b, TSS_A, 2, SEL_TSS_B);
    set_gdt(b, SEL_TSS_B, make_descriptor(TSS_B, 0x67, 0x89, 0));
    struct insn iret = {.code_size = 4, .operand_size = 4, .length = 1};
    expect_fault(b, exec_iret(&b->vcpu, &iret), EXC_TS, SEL_TSS_B); /* not busy */
    cr_expect_eq(peek(b, GDT + SEL_TSS_A + 5, 1), 0x8b);
    bench_free(b);
}

Test(tasks, faults_in_the_new_task)
{
    static const struct {
        unsigned field; /* offset in TSS B */
        uint16_t selector;
        uint8_t vector;
        uint32_t code;
    } rows[] = {
        {0x60, 4, EXC_TS, 4},                 /* LDT in an LDT */
        {0x60, SEL_DATA0, EXC_TS, SEL_DATA0}, /* not an LDT */
        {0x4c, 0, EXC_TS, 0},                 /* CS */
        {0x4c, SEL_DATA0, EXC_TS, SEL_DATA0},
        {0x4c, SEL_ABSENT_CODE, EXC_NP, SEL_ABSENT_CODE},
        {0x50, 0, EXC_TS, 0}, /* SS */
        {0x50, SEL_DATA3, EXC_TS, SEL_DATA3 & ~3},
        {0x50, SEL_ABSENT_DATA, EXC_SS, SEL_ABSENT_DATA},
        {0x54, SEL_EXECUTE_ONLY, EXC_TS, SEL_EXECUTE_ONLY}, /* DS */
        {0x54, SEL_ABSENT_DATA, EXC_NP, SEL_ABSENT_DATA},
        {0x5c, 0x100, EXC_TS, 0x100}, /* GS */
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_tasks(0);
        poke(b, TSS_B + rows[i].field, 2, rows[i].selector);
        cr_expect_eq(exec_jmp(&b->vcpu, &b->insn), EXEC_FAULT);
        cr_expect_eq(b->vcpu.exception.vector, rows[i].vector, "row %u", i);
        cr_expect_eq(b->vcpu.exception.error_code, rows[i].code, "row %u", i);
        cr_expect_eq(b->vcpu.rip, HANDLER, "the new task's");
        cr_expect_eq(b->vcpu.segment[SEG_TR].selector, SEL_TSS_B);
        bench_free(b);
    }
}

Test(tasks, to_virtual_8086_mode)
{
    struct bench *b = bench_tasks(0);
    poke(b, TSS_B + 0x20, 4, 0x123);
    poke(b, TSS_B + 0x24, 4, FLAG_VM | FLAG_FIXED);
    poke(b, TSS_B + 0x4c, 2, 0xf000);
    cr_expect_eq(exec_jmp(&b->vcpu, &b->insn), EXEC_JUMP);
    cr_expect(vcpu_v86(&b->vcpu));
    cr_expect_eq(b->vcpu.cpl, 3);
    cr_expect_eq(b->vcpu.segment[SEG_CS].base, 0xf0000);
    cr_expect_eq(b->vcpu.segment[SEG_DS].attributes, 0xf3);
    bench_free(b);
}
