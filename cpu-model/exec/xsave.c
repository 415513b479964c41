/*
 * FXSAVE, FXRSTOR, XSAVE, XSAVEOPT, XSAVEC, XRSTOR, XGETBV and XSETBV.
 *
 * The guest's state is parked first, by the host's own XSAVE; these instructions then copy between vcpu->vector_area
 * (standard form, 64-bit pointers) and guest memory. All checks and probes come before the first change, and only bytes
 * that the instruction writes are written: outside 64-bit mode XMM8-15 and YMM8-15 are left alone on both sides.
 * XSAVEOPT omits components in their initial configuration and does not track modifications, which is allowed.
 * Deviation: x87 instruction and data pointers are those of the translated code (APM and SDM call them unreliable).
 * Thread: the vCPU's own. Source: SDM Vol. 1 "Managing state using the XSAVE feature set", Vol. 2 by mnemonic.
 */
#include <string.h>

#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/rules.h"
#include "cpu-model/exec/vector_int.h"
#include "cpu-model/state/vector.h"

enum { XCR0_X87 = 1, XCR0_SSE = 2, XCR0_AVX = 4 };

/* The image in guest memory; the legacy region of vector_area has the same places. */
enum {
    AT_FIP = 8,
    AT_FDP = 16,
    AT_ST = 32,
    AT_HEADER = 512,
    AT_XCOMP_BV = 520,
    HEADER_SIZE = 64,
    LEGACY_SIZE = 512,
    AT_EXTENDED = AT_HEADER + HEADER_SIZE,
    IMAGE_SIZE = AT_EXTENDED + 256,
    FCW_INIT = 0x37f,
};

#define XCOMP_COMPACTED BIT(63)

static enum exec_result fault(struct vcpu *vcpu, uint8_t vector)
{
    vcpu_fault(vcpu, vector);
    return EXEC_FAULT;
}

static enum exec_result gp0(struct vcpu *vcpu)
{
    vcpu_fault_code(vcpu, EXC_GP, 0);
    return EXEC_FAULT;
}

static uint64_t load64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static uint32_t load32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

/* Components not in their initial configuration. State must be parked. */
static uint64_t in_use(const struct vcpu *vcpu)
{
    return vcpu->vector_mask ? load64(vcpu->vector_area + AREA_XSTATE_BV) & 7 : XCR0_X87 | XCR0_SSE;
}

static void set_in_use(struct vcpu *vcpu, uint64_t components)
{
    memcpy(vcpu->vector_area + AREA_XSTATE_BV, &components, sizeof(components));
}

static unsigned vector_registers(const struct insn *insn)
{
    return insn->code_size == 8 ? 16 : 8;
}

/* --- the x87 part: two forms of pointers -------------------------------------------------------------------------- */

static bool pointers64(const struct insn *insn)
{
    return insn->rex & 8;
}

/* vector_area's control words and pointers, as the instruction's form stores them. The 32-bit form has selectors in the
 * upper halves, which this CPU deprecates: 0. */
static void x87_to_image(const struct vcpu *vcpu, const struct insn *insn, uint8_t *image)
{
    memcpy(image, vcpu->vector_area, 24);
    if (!pointers64(insn)) {
        memset(image + AT_FIP + 4, 0, 4);
        memset(image + AT_FDP + 4, 0, 4);
    }
    memcpy(image + AT_ST, vcpu->vector_area + AT_ST, AREA_XMM - AT_ST);
}

static void x87_from_image(struct vcpu *vcpu, const struct insn *insn, const uint8_t *image)
{
    memcpy(vcpu->vector_area, image, 24);
    if (!pointers64(insn)) {
        memset(vcpu->vector_area + AT_FIP + 4, 0, 4);
        memset(vcpu->vector_area + AT_FDP + 4, 0, 4);
    }
    memcpy(vcpu->vector_area + AT_ST, image + AT_ST, AREA_XMM - AT_ST);
}

static void x87_init(struct vcpu *vcpu)
{
    const uint16_t fcw = FCW_INIT;
    memset(vcpu->vector_area, 0, 24);
    memcpy(vcpu->vector_area, &fcw, sizeof(fcw));
    memset(vcpu->vector_area + AT_ST, 0, AREA_XMM - AT_ST);
}

static void mxcsr_to_image(const struct vcpu *vcpu, uint8_t *image)
{
    const uint32_t mask = MXCSR_WRITABLE;
    memcpy(image + AREA_MXCSR, vcpu->vector_area + AREA_MXCSR, 4);
    memcpy(image + AREA_MXCSR_MASK, &mask, 4);
}

/* --- where and whether -------------------------------------------------------------------------------------------- */

/* The operand's linear address after the segment and alignment checks. Silicon asks for all of an image that is to be
 * written, even of what stays as it is: XSAVE reads the header, but what it raises is a fault of a write. */
static bool save_area(struct vcpu *vcpu, const struct insn *insn, unsigned size, unsigned alignment, enum access access,
                      lin_t *at)
{
    if (!insn_linear(vcpu, insn, size, access, at))
        return false;
    if (at->v & (alignment - 1))
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    return access == ACCESS_READ || mmu_probe(vcpu, *at, size, ACCESS_WRITE, vcpu_user(vcpu));
}

static lin_t lin_plus(lin_t at, unsigned offset)
{
    return lin(at.v + offset);
}

/* Bytes [from, to) of an image that are to be written. */
struct range {
    uint16_t from, to;
};

/* All of the ranges, or none. The image was probed. */
static bool write_ranges(struct vcpu *vcpu, lin_t at, const uint8_t *image, const struct range *range, unsigned count)
{
    bool user = vcpu_user(vcpu);
    for (unsigned i = 0; i < count; i++)
        if (!mmu_write_bytes(vcpu, lin_plus(at, range[i].from), image + range[i].from, range[i].to - range[i].from,
                             user))
            return false;
    return true;
}

/* --- FXSAVE, FXRSTOR ---------------------------------------------------------------------------------------------- */

enum exec_result exec_fxsave(struct vcpu *vcpu, const struct insn *insn)
{
    uint8_t image[LEGACY_SIZE];
    lin_t at;
    if (vcpu->cr0 & (CR0_EM | CR0_TS))
        return fault(vcpu, EXC_NM);
    if (!save_area(vcpu, insn, LEGACY_SIZE, 16, ACCESS_WRITE, &at))
        return EXEC_FAULT;
    vector_park(vcpu);
    x87_to_image(vcpu, insn, image);
    mxcsr_to_image(vcpu, image);
    unsigned xmm_size = vector_registers(insn) * 16;
    memcpy(image + AREA_XMM, vcpu->vector_area + AREA_XMM, xmm_size);
    const struct range range = {0, (uint16_t)(AREA_XMM + xmm_size)}; /* the rest is software's */
    return write_ranges(vcpu, at, image, &range, 1) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec_result exec_fxrstor(struct vcpu *vcpu, const struct insn *insn)
{
    uint8_t image[LEGACY_SIZE];
    lin_t at;
    if (vcpu->cr0 & (CR0_EM | CR0_TS))
        return fault(vcpu, EXC_NM);
    if (!save_area(vcpu, insn, LEGACY_SIZE, 16, ACCESS_READ, &at) ||
        !mmu_read_bytes(vcpu, at, image, LEGACY_SIZE, vcpu_user(vcpu)))
        return EXEC_FAULT;
    if (load32(image + AREA_MXCSR) & ~(uint32_t)MXCSR_WRITABLE)
        return gp0(vcpu);
    vector_park(vcpu);
    x87_from_image(vcpu, insn, image);
    memcpy(vcpu->vector_area + AREA_MXCSR, image + AREA_MXCSR, 4);
    memcpy(vcpu->vector_area + AREA_XMM, image + AREA_XMM, vector_registers(insn) * 16);
    set_in_use(vcpu, in_use(vcpu) | XCR0_X87 | XCR0_SSE);
    return EXEC_NEXT;
}

/* --- XSAVE and its variants --------------------------------------------------------------------------------------- */

/* #UD and #NM of the whole family. */
static bool xsave_allowed(struct vcpu *vcpu)
{
    if (!(vcpu->cr4 & CR4_OSXSAVE))
        return vcpu_fault(vcpu, EXC_UD);
    return vcpu->cr0 & CR0_TS ? vcpu_fault(vcpu, EXC_NM) : true;
}

/* Requested-feature bitmap: EDX:EAX and XCR0. */
static uint64_t requested(const struct vcpu *vcpu)
{
    return ((uint32_t)vcpu->gpr[REG_RAX] | vcpu->gpr[REG_RDX] << 32) & vcpu->xcr0;
}

static unsigned image_size(uint64_t components)
{
    return components & XCR0_AVX ? IMAGE_SIZE : AT_EXTENDED;
}

/* Fills image and range for the components to be written. mxcsr: it is among them. Returns the number of ranges. */
static unsigned components_to_image(const struct vcpu *vcpu, const struct insn *insn, uint64_t components, bool mxcsr,
                                    uint8_t *image, struct range *range)
{
    unsigned n = 0, size = vector_registers(insn) * 16;
    if (components & XCR0_X87) {
        x87_to_image(vcpu, insn, image);
        range[n++] = (struct range){0, AREA_MXCSR};
        range[n++] = (struct range){AT_ST, AREA_XMM};
    }
    if (mxcsr) {
        mxcsr_to_image(vcpu, image);
        range[n++] = (struct range){AREA_MXCSR, AT_ST};
    }
    if (components & XCR0_SSE) {
        memcpy(image + AREA_XMM, vcpu->vector_area + AREA_XMM, size);
        range[n++] = (struct range){AREA_XMM, (uint16_t)(AREA_XMM + size)};
    }
    if (components & XCR0_AVX) {
        memcpy(image + AT_EXTENDED, vcpu->vector_area + AREA_YMM_HIGH, size);
        range[n++] = (struct range){AT_EXTENDED, (uint16_t)(AT_EXTENDED + size)};
    }
    return n;
}

/* 0F AE /4 XSAVE, 0F AE /6 XSAVEOPT, 0F C7 /4 XSAVEC */
enum exec_result exec_xsave(struct vcpu *vcpu, const struct insn *insn)
{
    uint8_t image[IMAGE_SIZE];
    struct range range[6];
    lin_t at;
    bool compact = insn->opcode == 0xc7, optimize = (insn->modrm >> 3 & 7) == 6;
    if (!xsave_allowed(vcpu))
        return EXEC_FAULT;
    uint64_t rfbm = requested(vcpu), bv;
    if (!save_area(vcpu, insn, image_size(rfbm), 64, ACCESS_WRITE, &at))
        return EXEC_FAULT;
    vector_park(vcpu);
    uint64_t used = in_use(vcpu) & rfbm, header[2] = {0};
    bool mxcsr = rfbm & (XCR0_SSE | XCR0_AVX);
    if (compact) {
        if ((rfbm & XCR0_SSE) && load32(vcpu->vector_area + AREA_MXCSR) != MXCSR_INIT)
            used |= XCR0_SSE;
        mxcsr = used & XCR0_SSE;
        header[0] = used;
        header[1] = rfbm | XCOMP_COMPACTED;
    } else {
        if (!mmu_read(vcpu, lin_plus(at, AT_HEADER), 8, vcpu_user(vcpu), &bv))
            return EXEC_FAULT;
        header[0] = (bv & ~rfbm) | used;
    }
    unsigned n = components_to_image(vcpu, insn, compact || optimize ? used : rfbm, mxcsr, image, range);
    memcpy(image + AT_HEADER, header, sizeof(header));
    range[n++] = (struct range){AT_HEADER, compact ? AT_HEADER + 16 : AT_HEADER + 8};
    return write_ranges(vcpu, at, image, range, n) ? EXEC_NEXT : EXEC_FAULT;
}

/* The header of an image to be restored, and the MXCSR in it, are legal. */
static bool image_legal(const struct vcpu *vcpu, const uint8_t *image, uint64_t rfbm)
{
    uint64_t bv = load64(image + AT_HEADER), xcomp = load64(image + AT_XCOMP_BV);
    bool compact = xcomp & XCOMP_COMPACTED, mxcsr;
    if (compact) {
        if (!cpu_has(&vcpu->features, XSAVEC) || (xcomp & ~XCOMP_COMPACTED & ~vcpu->xcr0) ||
            (bv & ~(xcomp & ~XCOMP_COMPACTED)))
            return false;
        for (unsigned i = AT_XCOMP_BV + 8; i < AT_EXTENDED; i++)
            if (image[i])
                return false;
        mxcsr = bv & rfbm & XCR0_SSE;
    } else {
        if ((bv & ~vcpu->xcr0) || xcomp || load64(image + AT_XCOMP_BV + 8))
            return false;
        mxcsr = rfbm & (XCR0_SSE | XCR0_AVX);
    }
    return !mxcsr || !(load32(image + AREA_MXCSR) & ~(uint32_t)MXCSR_WRITABLE);
}

/* Registers of one kind at area: from `from`, or zeroed (null). */
static void registers_from_image(struct vcpu *vcpu, const struct insn *insn, unsigned area, const uint8_t *from)
{
    unsigned size = vector_registers(insn) * 16;
    if (from)
        memcpy(vcpu->vector_area + area, from, size);
    else
        memset(vcpu->vector_area + area, 0, size);
}

enum exec_result exec_xrstor(struct vcpu *vcpu, const struct insn *insn)
{
    uint8_t image[IMAGE_SIZE];
    lin_t at;
    if (!xsave_allowed(vcpu))
        return EXEC_FAULT;
    uint64_t rfbm = requested(vcpu);
    if (!save_area(vcpu, insn, image_size(rfbm), 64, ACCESS_READ, &at) ||
        !mmu_read_bytes(vcpu, at, image, image_size(rfbm), vcpu_user(vcpu)))
        return EXEC_FAULT;
    if (!image_legal(vcpu, image, rfbm))
        return gp0(vcpu);

    vector_park(vcpu);
    uint64_t load = load64(image + AT_HEADER) & rfbm, used = (in_use(vcpu) & ~rfbm) | load;
    bool compact = load64(image + AT_XCOMP_BV) & XCOMP_COMPACTED;
    if (load & XCR0_X87)
        x87_from_image(vcpu, insn, image);
    else if (rfbm & XCR0_X87)
        x87_init(vcpu);
    if (rfbm & XCR0_SSE)
        registers_from_image(vcpu, insn, AREA_XMM, load & XCR0_SSE ? image + AREA_XMM : NULL);
    if (rfbm & XCR0_AVX)
        registers_from_image(vcpu, insn, AREA_YMM_HIGH, load & XCR0_AVX ? image + AT_EXTENDED : NULL);
    if (compact ? load & XCR0_SSE : rfbm & (XCR0_SSE | XCR0_AVX)) {
        memcpy(vcpu->vector_area + AREA_MXCSR, image + AREA_MXCSR, 4);
    } else if (rfbm & XCR0_SSE) {
        const uint32_t initial = MXCSR_INIT;
        memcpy(vcpu->vector_area + AREA_MXCSR, &initial, 4);
    }
    if (insn->code_size != 8) /* the upper eight registers may be in use */
        used |= rfbm & (XCR0_SSE | XCR0_AVX);
    set_in_use(vcpu, used);
    return EXEC_NEXT;
}

/* --- XCR0 --------------------------------------------------------------------------------------------------------- */

enum exec_result exec_xgetbv(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    if (!(vcpu->cr4 & CR4_OSXSAVE))
        return fault(vcpu, EXC_UD);
    uint32_t index = (uint32_t)vcpu->gpr[REG_RCX];
    uint64_t value = vcpu->xcr0;
    if (index == 1 && cpu_has(&vcpu->features, XGETBV1)) {
        vector_park(vcpu);
        value &= in_use(vcpu);
    } else if (index != 0) {
        return gp0(vcpu);
    }
    vcpu->gpr[REG_RAX] = (uint32_t)value;
    vcpu->gpr[REG_RDX] = value >> 32;
    return EXEC_NEXT;
}

enum exec_result exec_xsetbv(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    if (!(vcpu->cr4 & CR4_OSXSAVE))
        return fault(vcpu, EXC_UD);
    if (vcpu->cpl)
        return gp0(vcpu);
    uint64_t value = (uint32_t)vcpu->gpr[REG_RAX] | vcpu->gpr[REG_RDX] << 32;
    uint64_t offered = XCR0_X87 | XCR0_SSE | (cpu_has(&vcpu->features, AVX) ? XCR0_AVX : 0);
    if ((uint32_t)vcpu->gpr[REG_RCX] != 0 || (value & ~offered) || !(value & XCR0_X87))
        return gp0(vcpu);
    if ((value & XCR0_AVX) && !(value & XCR0_SSE))
        return gp0(vcpu);
    vcpu->xcr0 = value;
    return EXEC_NEXT;
}
