/*
 * FXSAVE, the XSAVE family, parking of the vector state, masked moves and gathers: what is written and what is not, the
 * checks of the SDM, and that faults change nothing.
 */
#include "tests/unit/exec_system_fixture.h"

#include "cpu-model/state/vector.h"

/* --- XSAVE -------------------------------------------------------------------------------------------------------- */

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

/* --- masked moves and gathers ------------------------------------------------------------------------------------- */

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
