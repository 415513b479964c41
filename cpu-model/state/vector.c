/*
 * Moves the guest's x87/SSE/AVX state between the host's registers and vcpu->vector_area.
 *
 * vector_area always holds the standard (non-compacted) XSAVE image with 64-bit x87 pointers, every component of
 * vector_mask written out in full; XSTATE_BV tells which are in use. While parked, host MXCSR and x87 are as the C ABI
 * wants them. Thread: the vCPU's own. Source: SDM Vol. 1 "Managing state using the XSAVE feature set".
 */
#include "cpu-model/state/vector.h"

enum {
    AREA_FCW = 0,
    AREA_FSW = 2,
    AREA_FTW = 4, /* abridged: a bit per physical register in use */
    AREA_MXCSR = 24,
    AREA_MXCSR_MASK = 28,
    AREA_XSTATE_BV = 512,
    FCW_INIT = 0x37f,
    MXCSR_INIT = 0x1f80,
    MXCSR_WRITABLE = 0xffff,
    XCR0_X87_SSE_AVX = 7,
};

typedef uint16_t area16_t __attribute__((may_alias));
typedef uint32_t area32_t __attribute__((may_alias));
typedef uint64_t area64_t __attribute__((may_alias));

/* XSAVE components of the host that the guest can have; 0: the host has no XSAVE in use, FXSAVE serves. */
static uint64_t host_components(void)
{
    uint32_t eax = 1, ebx, ecx = 0, edx, low, high;
    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if (!(ecx >> 27 & 1)) /* OSXSAVE */
        return 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low & XCR0_X87_SSE_AVX;
}

void vector_park(struct vcpu *vcpu)
{
    if (!vcpu->vector_live)
        return;
    uint8_t *area = vcpu->vector_area;
    uint32_t mask = (uint32_t)vcpu->vector_mask;
    if (mask) {
        __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(mask), "d"(0) : "memory");
        if (mask & 4)
            __asm__ volatile("vzeroupper");
    } else {
        __asm__ volatile("fxsave64 (%0)" : : "r"(area) : "memory");
    }
    vcpu->vector_live = false;

    uint32_t mxcsr = MXCSR_INIT;
    if (*(area32_t *)(area + AREA_MXCSR) != mxcsr)
        __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    /* Without this a pending x87 exception would trap in C, and MMX state would make x87 arithmetic overflow. */
    if (*(area16_t *)(area + AREA_FCW) != FCW_INIT || *(area16_t *)(area + AREA_FSW) != 0 || area[AREA_FTW] != 0)
        __asm__ volatile("fninit");
}

void vector_unpark(struct vcpu *vcpu)
{
    if (vcpu->vector_live)
        return;
    uint32_t mask = (uint32_t)vcpu->vector_mask;
    if (mask)
        __asm__ volatile("xrstor64 (%0)" : : "r"(vcpu->vector_area), "a"(mask), "d"(0) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" : : "r"(vcpu->vector_area) : "memory");
    vcpu->vector_live = true;
}

void vector_reset(struct vcpu *vcpu)
{
    uint8_t *area = vcpu->vector_area;
    if (vcpu->vector_live)
        vector_park(vcpu); /* cleans the host's registers */
    for (unsigned i = 0; i < VECTOR_AREA_SIZE; i++)
        area[i] = 0;
    *(area16_t *)(area + AREA_FCW) = FCW_INIT;
    *(area32_t *)(area + AREA_MXCSR) = MXCSR_INIT;
    *(area32_t *)(area + AREA_MXCSR_MASK) = MXCSR_WRITABLE;
    vcpu->vector_mask = host_components();
    /* XSTATE_BV = 0: all components in their initial configuration, which is what the area holds, too. */
    *(area64_t *)(area + AREA_XSTATE_BV) = 0;
}

void vector_zero_top(uint8_t *area)
{
    enum { ST0 = 32, REGISTER = 16, REGISTERS = 8, TOP_SHIFT = 11 - 8, TOP = 7 << TOP_SHIFT };
    uint8_t stack[REGISTERS * REGISTER];
    unsigned top = (area[AREA_FSW + 1] & TOP) >> TOP_SHIFT;
    for (unsigned i = 0; i < sizeof(stack); i++)
        stack[(i + top * REGISTER) % sizeof(stack)] = area[ST0 + i];
    for (unsigned i = 0; i < sizeof(stack); i++)
        area[ST0 + i] = stack[i];
    area[AREA_FSW + 1] &= (uint8_t)~TOP;
}
