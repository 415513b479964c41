/* Operand access, segment loads, descriptor-table instructions, reset and dump. */
#include "tests/unit/exec_fixture.h"

/* --- Operand access ----------------------------------------------------------------------------------------------- */

Test(memory, offsets_wrap_to_the_address_size)
{
    struct bench *b = bench_long(0);
    b->insn.mem = (struct mem_operand){.present = 1, .base = REG_RBX, .index = REG_RSI, .scale = 8, .disp = -1};
    b->vcpu.gpr[REG_RBX] = 0xffffffff00000000;
    b->vcpu.gpr[REG_RSI] = 1;
    cr_expect_eq(insn_offset(&b->vcpu, &b->insn), 0xffffffff00000007);
    b->insn.address_size = 4;
    cr_expect_eq(insn_offset(&b->vcpu, &b->insn), 7);
    b->insn.address_size = 2;
    b->vcpu.gpr[REG_RBX] = 0x1fff8;
    cr_expect_eq(insn_offset(&b->vcpu, &b->insn), 0xffff);
    b->insn.address_size = 8;
    b->insn.mem = (struct mem_operand){.present = 1, .base = REG_RIP_BASE, .index = REG_NONE, .disp = 0x10};
    cr_expect_eq(insn_offset(&b->vcpu, &b->insn), CODE + 2 + 0x10);
    bench_free(b);
}

/* access 'r' or 'w' of 4 bytes through DS loaded with the selector. */
Test(memory, limits_and_types)
{
    static const struct {
        uint16_t selector;
        char access;
        uint32_t offset;
        bool allowed;
    } rows[] = {
        {SEL_DATA16, 'r', 0xfffc, true},
        {SEL_DATA16, 'r', 0xfffd, false},
        {SEL_DATA16, 'w', 0xffffffff, false},
        {SEL_EXPAND_DOWN, 'w', 0xfff, false},
        {SEL_EXPAND_DOWN, 'w', 0x1000, true},
        {SEL_EXPAND_DOWN, 'w', 0xfffffffc, true},
        {SEL_EXPAND_DOWN, 'w', 0xfffffffd, false},
        {SEL_READ_ONLY, 'r', 0x1000, true},
        {SEL_READ_ONLY, 'w', 0x1000, false},
        {SEL_EXECUTE_ONLY, 'r', 0x1000, false},
        {SEL_CODE0, 'r', 0x1000, true},
        {SEL_CODE0, 'w', 0x1000, false},
        {SEL_DATA0, 'w', 0xfffffffe, true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_protected(0);
        lin_t at = lin(1);
        set_segment(b, SEG_DS, rows[i].selector);
        bool ok =
            seg_linear(&b->vcpu, SEG_DS, rows[i].offset, 4, rows[i].access == 'r' ? ACCESS_READ : ACCESS_WRITE, &at);
        cr_expect_eq(ok, rows[i].allowed, "row %u", i);
        if (ok)
            cr_expect_eq(at.v, rows[i].offset);
        else
            cr_expect(b->vcpu.exception.vector == EXC_GP && b->vcpu.exception.error_code == 0, "row %u", i);
        bench_free(b);
    }
}

Test(memory, stack_segment_faults_are_ss)
{
    struct bench *b = bench_protected(0);
    lin_t at;
    set_segment(b, SEG_SS, SEL_DATA16);
    cr_expect_not(seg_linear(&b->vcpu, SEG_SS, 0x10000, 1, ACCESS_READ, &at));
    cr_expect_eq(b->vcpu.exception.vector, EXC_SS);
    b->vcpu.gpr[REG_RSP] = 1;
    cr_expect_not(stack_push(&b->vcpu, 4, 0));
    cr_expect_eq(b->vcpu.exception.vector, EXC_SS);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 1);
    bench_free(b);

    b = bench_long(0);
    cr_expect_not(seg_linear(&b->vcpu, SEG_SS, 0x7ffffffffffd, 8, ACCESS_READ, &at));
    cr_expect_eq(b->vcpu.exception.vector, EXC_SS);
    cr_expect_not(seg_linear(&b->vcpu, SEG_DS, 0x8000000000000000, 1, ACCESS_READ, &at));
    cr_expect_eq(b->vcpu.exception.vector, EXC_GP);
    b->vcpu.segment[SEG_FS].base = 0xffff800000000000;
    cr_expect(seg_linear(&b->vcpu, SEG_FS, 0x10, 8, ACCESS_READ, &at));
    cr_expect_eq(at.v, 0xffff800000000010);
    b->vcpu.segment[SEG_DS].base = 0x1000;
    cr_expect(seg_linear(&b->vcpu, SEG_DS, 0x10, 8, ACCESS_READ, &at));
    cr_expect_eq(at.v, 0x10, "DS has no base in 64-bit mode");
    bench_free(b);
}

Test(memory, alignment_check)
{
    struct bench *b = bench_protected(3);
    uint64_t value;
    b->vcpu.cr0 |= CR0_AM;
    b->vcpu.eflags |= FLAG_AC;
    cr_expect(seg_read(&b->vcpu, SEG_DS, 0x20004, 4, &value));
    cr_expect_not(seg_read(&b->vcpu, SEG_DS, 0x20002, 4, &value));
    cr_expect_eq(b->vcpu.exception.vector, EXC_AC);
    vcpu_set_cpl(&b->vcpu, 0);
    cr_expect(seg_read(&b->vcpu, SEG_DS, 0x20002, 4, &value));
    bench_free(b);
}

Test(memory, high_byte_registers)
{
    struct bench *b = bench_protected(0);
    uint64_t value;
    b->vcpu.gpr[REG_RBX] = 0x11223344;
    b->insn.rm = 7;
    b->insn.high_byte_rm = true;
    cr_expect(insn_read_rm(&b->vcpu, &b->insn, 1, &value));
    cr_expect_eq(value, 0x33);
    cr_expect(insn_write_rm(&b->vcpu, &b->insn, 1, 0x1aa));
    cr_expect_eq(b->vcpu.gpr[REG_RBX], 0x1122aa44);
    bench_free(b);
}

/* --- Segment loads ------------------------------------------------------------------------------------------------ */

static void mov_sreg(struct bench *b, unsigned segment, uint16_t selector)
{
    b->insn.opcode = 0x8e;
    b->insn.modrm = (uint8_t)(0xc0 | segment << 3);
    b->insn.rm = REG_RAX;
    b->vcpu.gpr[REG_RAX] = 0xdead0000u | selector;
}

Test(segments, loads)
{
    enum { OK = 0xff };
    static const struct {
        unsigned cpl, segment;
        uint16_t selector;
        uint8_t vector; /* or OK */
        uint32_t code;
    } rows[] = {
        {0, SEG_DS, SEL_DATA0, OK, 0},
        {0, SEG_DS, SEL_DATA0 | 3, EXC_GP, SEL_DATA0},
        {3, SEG_DS, SEL_DATA0, EXC_GP, SEL_DATA0},
        {3, SEG_DS, SEL_CONFORMING | 3, OK, 0},
        {0, SEG_DS, SEL_EXECUTE_ONLY, EXC_GP, SEL_EXECUTE_ONLY},
        {0, SEG_DS, SEL_TSS_B, EXC_GP, SEL_TSS_B},
        {0, SEG_DS, SEL_ABSENT_DATA, EXC_NP, SEL_ABSENT_DATA},
        {0, SEG_DS, 0x100, EXC_GP, 0x100},
        {0, SEG_DS, 0x24, EXC_GP, 0x24},
        {0, SEG_DS, 3, OK, 0},
        {0, SEG_SS, 0, EXC_GP, 0},
        {0, SEG_SS, SEL_DATA0, OK, 0},
        {3, SEG_SS, SEL_DATA3, OK, 0},
        {0, SEG_SS, SEL_DATA0 | 1, EXC_GP, SEL_DATA0},
        {0, SEG_SS, SEL_DATA3 & ~3, EXC_GP, SEL_DATA3 & ~3},
        {3, SEG_SS, SEL_READ_ONLY | 3, EXC_GP, SEL_READ_ONLY},
        {0, SEG_SS, SEL_CODE0, EXC_GP, SEL_CODE0},
        {0, SEG_SS, SEL_ABSENT_DATA, EXC_SS, SEL_ABSENT_DATA},
        {0, SEG_CS, SEL_CODE0, EXC_UD, 0},
        {0, 6, SEL_DATA0, EXC_UD, 0},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_protected(rows[i].cpl);
        mov_sreg(b, rows[i].segment, rows[i].selector);
        if (rows[i].vector == OK) {
            cr_expect_eq(exec_mov_sreg(&b->vcpu, &b->insn), EXEC_NEXT, "row %u", i);
            cr_expect_eq(b->vcpu.segment[rows[i].segment].selector, rows[i].selector);
            cr_expect_eq(b->vcpu.interrupt_shadow, rows[i].segment == SEG_SS);
            cr_expect_eq(b->vcpu.debug_shadow, rows[i].segment == SEG_SS);
            if (rows[i].selector > 3)
                cr_expect(peek(b, GDT + (rows[i].selector & 0xfff8u) + 5, 1) & 1, "accessed");
        } else {
            expect_fault(b, exec_mov_sreg(&b->vcpu, &b->insn), rows[i].vector, rows[i].code);
        }
        bench_free(b);
    }
}

Test(segments, null_selectors)
{
    struct bench *b = bench_long(0);
    mov_sreg(b, SEG_SS, 0);
    cr_expect_eq(exec_mov_sreg(&b->vcpu, &b->insn), EXEC_NEXT, "64-bit mode at CPL 0");
    mov_sreg(b, SEG_SS, 1);
    expect_fault(b, exec_mov_sreg(&b->vcpu, &b->insn), EXC_GP, 0);
    b->vcpu.segment[SEG_FS].base = 0x123000;
    mov_sreg(b, SEG_FS, 0);
    b->vcpu.features.vendor = VENDOR_AMD;
    cr_expect_eq(exec_mov_sreg(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.segment[SEG_FS].base, 0x123000, "AMD keeps the base");
    b->vcpu.features.vendor = VENDOR_INTEL;
    cr_expect_eq(exec_mov_sreg(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.segment[SEG_FS].base, 0, "Intel clears it");
    bench_free(b);

    b = bench_protected(0);
    uint64_t value;
    mov_sreg(b, SEG_ES, 0);
    cr_expect_eq(exec_mov_sreg(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_not(seg_read(&b->vcpu, SEG_ES, 0x100, 1, &value));
    cr_expect_eq(b->vcpu.exception.vector, EXC_GP);
    b->vcpu.cr0 &= ~(uint64_t)CR0_PE; /* usable again once real mode loads it */
    mov_sreg(b, SEG_ES, 0x1000);
    cr_expect_eq(exec_mov_sreg(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect(seg_read(&b->vcpu, SEG_ES, 0x100, 1, &value));
    bench_free(b);
}

Test(segments, unreal_mode_keeps_the_limit)
{
    struct bench *b = bench_protected(0);
    uint64_t value;
    b->vcpu.cr0 &= ~(uint64_t)CR0_PE;
    mov_sreg(b, SEG_DS, 0x10);
    cr_expect_eq(exec_mov_sreg(&b->vcpu, &b->insn), EXEC_NEXT);
    poke(b, 0x123456, 1, 0x5a);
    cr_expect(seg_read(&b->vcpu, SEG_DS, 0x123356, 1, &value));
    cr_expect_eq(value, 0x5a);
    bench_free(b);
}

Test(segments, stores_are_16_bits_in_memory)
{
    struct bench *b = bench_protected(0);
    b->insn.opcode = 0x8c;
    b->insn.modrm = 0xc0 | SEG_SS << 3;
    b->insn.rm = REG_RCX;
    b->vcpu.gpr[REG_RCX] = ~0ull;
    cr_expect_eq(exec_mov_sreg(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.gpr[REG_RCX], SEL_DATA0);
    b->insn.mem.present = 1;
    b->insn.mem.disp = 0x20000;
    poke(b, 0x20000, 4, 0xffffffff);
    cr_expect_eq(exec_mov_sreg(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(peek(b, 0x20000, 4), 0xffff0000u | SEL_DATA0);
    bench_free(b);
}

Test(segments, far_pointers)
{
    struct bench *b = bench_protected(0);
    b->insn.map = 1;
    b->insn.opcode = 0xb2;
    b->insn.reg = REG_RSP;
    b->insn.mem.present = 1;
    b->insn.mem.disp = 0x20000;
    poke(b, 0x20000, 4, 0x45678);
    poke(b, 0x20004, 2, SEL_DATA16);
    cr_expect_eq(exec_load_far_pointer(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.gpr[REG_RSP], 0x45678);
    cr_expect_eq(b->vcpu.segment[SEG_SS].selector, SEL_DATA16);
    poke(b, 0x20004, 2, SEL_ABSENT_DATA);
    expect_fault(b, exec_load_far_pointer(&b->vcpu, &b->insn), EXC_SS, SEL_ABSENT_DATA);
    bench_free(b);
}

/* --- Descriptor tables -------------------------------------------------------------------------------------------- */

Test(tables, load_and_store_gdt)
{
    struct bench *b = bench_protected(0);
    b->insn.mem.present = 1;
    b->insn.mem.disp = 0x20000;
    poke(b, 0x20000, 8, 0x1234567890ab);
    b->insn.operand_size = 2;
    cr_expect_eq(exec_lgdt(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.gdtr.base, 0x345678);
    b->insn.operand_size = 4;
    cr_expect_eq(exec_lidt(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.idtr.base, 0x12345678);
    cr_expect_eq(b->vcpu.idtr.limit, 0x90ab);
    b->insn.mem.disp = 0x20010;
    poke(b, 0x20010, 8, ~0ull);
    cr_expect_eq(exec_sidt(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(peek(b, 0x20010, 8), 0xffff1234567890ab);
    bench_free(b);

    b = bench_long(0);
    b->insn.mem.present = 1;
    b->insn.mem.disp = 0x20000;
    poke(b, 0x20002, 8, 0x800000000000);
    expect_fault(b, exec_lgdt(&b->vcpu, &b->insn), EXC_GP, 0);
    poke(b, 0x20002, 8, 0xffffffff12345678);
    cr_expect_eq(exec_lgdt(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.gdtr.base, 0xffffffff12345678);
    b->insn.mem.disp = 0x20011;
    cr_expect_eq(exec_sgdt(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(peek(b, 0x20013, 8), 0xffffffff12345678);
    bench_free(b);
}

Test(tables, umip)
{
    struct bench *b = bench_protected(3);
    b->insn.rm = REG_RAX;
    cr_expect_eq(exec_str(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.gpr[REG_RAX], SEL_TSS_A);
    b->vcpu.cr4 |= CR4_UMIP;
    expect_fault(b, exec_str(&b->vcpu, &b->insn), EXC_GP, 0);
    expect_fault(b, exec_sldt(&b->vcpu, &b->insn), EXC_GP, 0);
    b->insn.mem.present = 1;
    expect_fault(b, exec_sgdt(&b->vcpu, &b->insn), EXC_GP, 0);
    bench_free(b);
}

Test(tables, load_task_register_and_ldt)
{
    struct bench *b = bench_protected(0);
    b->insn.rm = REG_RAX;
    b->vcpu.gpr[REG_RAX] = SEL_TSS_B;
    cr_expect_eq(exec_ltr(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.segment[SEG_TR].base, TSS_B);
    cr_expect_eq(peek(b, GDT + SEL_TSS_B + 5, 1), 0x8b);
    expect_fault(b, exec_ltr(&b->vcpu, &b->insn), EXC_GP, SEL_TSS_B); /* busy */
    expect_fault(b, exec_lldt(&b->vcpu, &b->insn), EXC_GP, SEL_TSS_B);
    b->vcpu.gpr[REG_RAX] = 4;
    expect_fault(b, exec_lldt(&b->vcpu, &b->insn), EXC_GP, 4);
    b->vcpu.gpr[REG_RAX] = 0;
    expect_fault(b, exec_ltr(&b->vcpu, &b->insn), EXC_GP, 0);
    cr_expect_eq(exec_lldt(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect(b->vcpu.segment[SEG_LDTR].attributes & SEG_UNUSABLE);
    bench_free(b);

    b = bench_long(0);
    b->insn.rm = REG_RAX;
    b->vcpu.gpr[REG_RAX] = SEL_TSS_B;
    poke(b, GDT + SEL_TSS_B + 8, 8, 0xffff8000);
    cr_expect_eq(exec_ltr(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.segment[SEG_TR].base, 0xffff800000000000 | TSS_B);
    set_gdt(b, SEL_TSS_B, make_descriptor(TSS_B, 0x67, 0x89, 0));
    poke(b, GDT + SEL_TSS_B + 8, 8, 0x8000);
    expect_fault(b, exec_ltr(&b->vcpu, &b->insn), EXC_GP, SEL_TSS_B); /* base not canonical */
    b->vcpu.gpr[REG_RAX] = SEL_TSS_C;
    expect_fault(b, exec_ltr(&b->vcpu, &b->insn), EXC_GP, SEL_TSS_C); /* 16-bit TSS */
    bench_free(b);
}

Test(tables, privileged_in_user_mode_and_absent_in_real_mode)
{
    struct bench *b = bench_protected(3);
    b->insn.mem.present = 1;
    expect_fault(b, exec_lgdt(&b->vcpu, &b->insn), EXC_GP, 0);
    expect_fault(b, exec_ltr(&b->vcpu, &b->insn), EXC_GP, 0);
    bench_free(b);
    b = bench_real();
    expect_fault(b, exec_ltr(&b->vcpu, &b->insn), EXC_UD, 0);
    expect_fault(b, exec_lar(&b->vcpu, &b->insn), EXC_UD, 0);
    expect_fault(b, exec_verr(&b->vcpu, &b->insn), EXC_UD, 0);
    expect_fault(b, exec_arpl(&b->vcpu, &b->insn), EXC_UD, 0);
    bench_free(b);
}

/* LAR, LSL, VERR, VERW of a selector: what ZF says. */
Test(tables, visibility)
{
    static const struct {
        unsigned cpl;
        uint16_t selector;
        bool lar, lsl, verr, verw;
    } rows[] = {
        {0, 0, false, false, false, false},
        {0, 0x100, false, false, false, false},
        {0, SEL_DATA0, true, true, true, true},
        {3, SEL_DATA0, false, false, false, false},
        {0, SEL_DATA0 | 3, false, false, false, false},
        {3, SEL_DATA3, true, true, true, true},
        {0, SEL_READ_ONLY, true, true, true, false},
        {0, SEL_EXECUTE_ONLY, true, true, false, false},
        {3, SEL_CONFORMING | 3, true, true, true, false},
        {0, SEL_TSS_A, true, true, false, false},
        {0, SEL_LDT, true, true, false, false},
        {0, SEL_TASK_GATE, true, false, false, false},
        {0, SEL_ABSENT_DATA, true, true, true, true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b = bench_protected(rows[i].cpl);
        b->insn.rm = REG_RAX;
        b->insn.reg = REG_RDX;
        b->vcpu.gpr[REG_RAX] = rows[i].selector;
        b->vcpu.flags = FLAG_CF | (i & 1 ? FLAG_ZF : 0);
        cr_expect_eq(exec_lar(&b->vcpu, &b->insn), EXEC_NEXT);
        cr_expect_eq(b->vcpu.flags, FLAG_CF | (rows[i].lar ? FLAG_ZF : 0), "LAR, row %u", i);
        cr_expect_eq(exec_lsl(&b->vcpu, &b->insn), EXEC_NEXT);
        cr_expect_eq(b->vcpu.flags, FLAG_CF | (rows[i].lsl ? FLAG_ZF : 0), "LSL, row %u", i);
        b->insn.modrm = 0xe0;
        cr_expect_eq(exec_verr(&b->vcpu, &b->insn), EXEC_NEXT);
        cr_expect_eq(b->vcpu.flags, FLAG_CF | (rows[i].verr ? FLAG_ZF : 0), "VERR, row %u", i);
        b->insn.modrm = 0xe8;
        cr_expect_eq(exec_verr(&b->vcpu, &b->insn), EXEC_NEXT);
        cr_expect_eq(b->vcpu.flags, FLAG_CF | (rows[i].verw ? FLAG_ZF : 0), "VERW, row %u", i);
        bench_free(b);
    }
}

Test(tables, lar_lsl_arpl_results)
{
    struct bench *b = bench_protected(0);
    b->insn.rm = REG_RAX;
    b->insn.reg = REG_RDX;
    b->vcpu.gpr[REG_RAX] = SEL_DATA3;
    exec_lar(&b->vcpu, &b->insn);
    cr_expect_eq(b->vcpu.gpr[REG_RDX], 0xc0f200);
    exec_lsl(&b->vcpu, &b->insn);
    cr_expect_eq(b->vcpu.gpr[REG_RDX], 0xffffffff);
    b->vcpu.gpr[REG_RAX] = 0x1230;
    b->vcpu.gpr[REG_RDX] = 2;
    exec_arpl(&b->vcpu, &b->insn);
    cr_expect_eq(b->vcpu.gpr[REG_RAX], 0x1232);
    cr_expect(b->vcpu.flags & FLAG_ZF);
    exec_arpl(&b->vcpu, &b->insn);
    cr_expect_not(b->vcpu.flags & FLAG_ZF);
    bench_free(b);
}

Test(tables, fs_and_gs_bases)
{
    struct bench *b = bench_long(3);
    b->insn.rm = REG_RAX;
    b->insn.modrm = 0xd8; /* /3: WRGSBASE */
    expect_fault(b, exec_wrfsbase(&b->vcpu, &b->insn), EXC_UD, 0);
    b->vcpu.cr4 |= CR4_FSGSBASE;
    b->vcpu.gpr[REG_RAX] = 0x800000000000;
    expect_fault(b, exec_wrfsbase(&b->vcpu, &b->insn), EXC_GP, 0);
    b->vcpu.gpr[REG_RAX] = 0xffff800012345678;
    cr_expect_eq(exec_wrfsbase(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.segment[SEG_GS].base, 0xffff800012345678);
    b->insn.operand_size = 4;
    b->insn.modrm = 0xc8; /* /1: RDGSBASE */
    cr_expect_eq(exec_rdfsbase(&b->vcpu, &b->insn), EXEC_NEXT);
    cr_expect_eq(b->vcpu.gpr[REG_RAX], 0x12345678);
    bench_free(b);
}

/* --- Reset, dump -------------------------------------------------------------------------------------------------- */

Test(reset, power_up_and_init)
{
    struct bench *b = bench_long(3);
    b->vcpu.pat = 1;
    b->vcpu.kernel_gs_base = 2;
    b->vcpu.xcr0 = 7;
    b->vcpu.cr0 &= ~(uint64_t)(CR0_CD | CR0_NW);
    b->vcpu.halted = true;
    vcpu_reset(&b->vcpu, true);
    cr_expect_eq(b->vcpu.cr0, CR0_ET);
    cr_expect_eq(b->vcpu.efer, 0);
    cr_expect_eq(b->vcpu.rip, 0xfff0);
    cr_expect_eq(b->vcpu.segment[SEG_CS].base, 0xffff0000);
    cr_expect_eq(vcpu_code_size(&b->vcpu), 2);
    cr_expect_eq(b->vcpu.gpr[REG_RDX], 0x906ea);
    cr_expect_eq(vcpu_eflags(&b->vcpu), FLAG_FIXED);
    cr_expect_eq(b->vcpu.cpl, 0);
    cr_expect_not(b->vcpu.halted);
    cr_expect(b->vcpu.pat == 1 && b->vcpu.kernel_gs_base == 2 && b->vcpu.xcr0 == 7, "INIT keeps MSRs");
    vcpu_reset(&b->vcpu, false);
    cr_expect_eq(b->vcpu.cr0, 0x60000010);
    cr_expect_eq(b->vcpu.pat, 0x0007040600070406);
    cr_expect_eq(b->vcpu.xcr0, 1);
    bench_free(b);
}

Test(dump, is_cut_to_the_buffer)
{
    struct bench *b = bench_long(0);
    char text[4096];
    vcpu_dump(&b->vcpu, text, sizeof(text));
    cr_expect(strstr(text, "CPL=0"));
    cr_expect(strstr(text, "\nRIP="));
    cr_expect(strstr(text, "CS64 ["));
    cr_expect(strstr(text, "XMM15="));
    size_t length = strlen(text);
    for (size_t size = 0; size < length; size += 7) {
        memset(text, 'x', sizeof(text));
        vcpu_dump(&b->vcpu, text, size);
        cr_expect_eq(text[size], 'x');
        cr_expect(size == 0 || strlen(text) == size - 1, "%zu", size);
    }
    bench_free(b);
}
