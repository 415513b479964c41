/*
 * Vector instructions with implicit or several memory operands: MASKMOVQ, MASKMOVDQU, VMASKMOVPS/PD, VPMASKMOVD/Q, the
 * AVX2 gathers; and LDMXCSR, whose operand must be checked before the host loads it.
 *
 * The vector state is parked and edited in vcpu->vector_area. Elements whose mask is clear are neither accessed nor
 * checked. Stores are probed whole before the first byte; gathers commit element by element, as the SDM defines.
 * Thread: the vCPU's own. Source: SDM Vol. 2 by mnemonic, "Vector SIB (VSIB) memory addressing".
 */
#include <string.h>

#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/native.h"
#include "cpu-model/exec/prefix.h"
#include "cpu-model/exec/rules.h"
#include "cpu-model/exec/vector_int.h"
#include "cpu-model/state/vector.h"

enum { XMM_SIZE = 16, YMM_SIZE = 32, USES_X87 = 1, USES_SSE = 2, USES_AVX = 4 };

static enum exec_result gp0(struct vcpu *vcpu)
{
    vcpu_fault_code(vcpu, EXC_GP, 0);
    return EXEC_FAULT;
}

static void mark_used(struct vcpu *vcpu, uint64_t components)
{
    uint64_t used;
    memcpy(&used, vcpu->vector_area + AREA_XSTATE_BV, sizeof(used));
    used |= components;
    memcpy(vcpu->vector_area + AREA_XSTATE_BV, &used, sizeof(used));
}

static void ymm_read(const struct vcpu *vcpu, unsigned reg, uint8_t value[YMM_SIZE])
{
    memcpy(value, vcpu->vector_area + AREA_XMM + reg * XMM_SIZE, XMM_SIZE);
    memcpy(value + XMM_SIZE, vcpu->vector_area + AREA_YMM_HIGH + reg * XMM_SIZE, XMM_SIZE);
}

static void ymm_write(struct vcpu *vcpu, unsigned reg, const uint8_t value[YMM_SIZE])
{
    memcpy(vcpu->vector_area + AREA_XMM + reg * XMM_SIZE, value, XMM_SIZE);
    memcpy(vcpu->vector_area + AREA_YMM_HIGH + reg * XMM_SIZE, value + XMM_SIZE, XMM_SIZE);
    mark_used(vcpu, USES_SSE | USES_AVX);
}

static uint64_t element(const uint8_t *vector, unsigned index, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, vector + index * size, size);
    return value;
}

static void set_element(uint8_t *vector, unsigned index, unsigned size, uint64_t value)
{
    memcpy(vector + index * size, &value, size);
}

/* The top bit of an element says whether it takes part. */
static bool selected(const uint8_t *mask, unsigned index, unsigned size)
{
    return mask[index * size + size - 1] & 0x80;
}

static unsigned vex_length(const struct insn *insn)
{
    return insn->vex_byte >> 2 & 1 ? YMM_SIZE : XMM_SIZE;
}

/* --- stores of selected elements ---------------------------------------------------------------------------------- */

/* Probes, then writes the selected elements of `data` at segment:offset, offset wrapping at the address size. */
static bool masked_store(struct vcpu *vcpu, const struct insn *insn, unsigned segment, uint64_t offset,
                         const uint8_t *data, const uint8_t *mask, unsigned count, unsigned size)
{
    lin_t at[YMM_SIZE];
    bool user = vcpu_user(vcpu);
    for (unsigned i = 0; i < count; i++)
        if (selected(mask, i, size) && (!seg_linear(vcpu, segment, zero_extend(offset + i * size, insn->address_size),
                                                    size, ACCESS_WRITE, &at[i]) ||
                                        !mmu_probe(vcpu, at[i], size, ACCESS_WRITE, user)))
            return false;
    for (unsigned i = 0; i < count; i++)
        if (selected(mask, i, size) && !mmu_write(vcpu, at[i], size, user, element(data, i, size)))
            return false;
    return true;
}

/*
 * What every MMX instruction does to the x87 state: TOP = 0 and all registers valid. FXSAVE keeps registers by their
 * distance from TOP, so they move. Afterwards MMi is at AREA_ST + 16 * i.
 */
static void enter_mmx(struct vcpu *vcpu)
{
    uint8_t *area = vcpu->vector_area, old[8 * 16];
    uint16_t status;
    memcpy(&status, area + AREA_FSW, sizeof(status));
    unsigned top = status >> 11 & 7;
    memcpy(old, area + AREA_ST, sizeof(old));
    for (unsigned i = 0; i < 8; i++)
        memcpy(area + AREA_ST + i * 16, old + ((i - top) & 7) * 16, 16);
    status &= (uint16_t) ~(7 << 11);
    memcpy(area + AREA_FSW, &status, sizeof(status));
    area[AREA_FTW] = 0xff;
    mark_used(vcpu, USES_X87);
}

/* A pending unmasked x87 exception comes before any MMX instruction. */
static bool x87_pending(const struct vcpu *vcpu)
{
    return vcpu->vector_area[AREA_FSW] & 0x80; /* ES */
}

enum exec_result exec_maskmov(struct vcpu *vcpu, const struct insn *insn)
{
    bool mmx = insn->encoding == ENCODING_LEGACY && !insn->opsize_prefix;
    unsigned size = mmx ? 8 : XMM_SIZE;
    if (!vector_check(vcpu, mmx ? VECTOR_MMX : insn->encoding == ENCODING_VEX ? VECTOR_AVX : VECTOR_SSE))
        return EXEC_FAULT;
    vector_park(vcpu);
    if (mmx && x87_pending(vcpu) && (vcpu->cr0 & CR0_NE || !vcpu->ignne)) {
        if (!(vcpu->cr0 & CR0_NE)) { /* waits for IRQ 13 */
            vcpu->wires->ferr(vcpu->wires->machine);
            return EXEC_REPEAT;
        }
        vcpu_fault(vcpu, EXC_MF);
        return EXEC_FAULT;
    }
    const uint8_t *area = vcpu->vector_area;
    uint8_t data[XMM_SIZE], mask[XMM_SIZE];
    unsigned top = mmx ? area[AREA_FSW + 1] >> 3 & 7 : 0;
    unsigned reg = insn->reg & (mmx ? 7 : 15), rm = insn->rm & (mmx ? 7 : 15);
    memcpy(data, area + (mmx ? AREA_ST + ((reg - top) & 7) * 16 : AREA_XMM + reg * 16), size);
    memcpy(mask, area + (mmx ? AREA_ST + ((rm - top) & 7) * 16 : AREA_XMM + rm * 16), size);
    uint64_t offset = reg_read(vcpu, REG_RDI, insn->address_size);
    if (!masked_store(vcpu, insn, insn_implicit_segment(insn), offset, data, mask, size, 1))
        return EXEC_FAULT;
    if (mmx)
        enter_mmx(vcpu);
    return EXEC_NEXT;
}

/* 0F38 2C/2D load PS/PD, 2E/2F store; 8C load D/Q, 8E store. The mask is in vvvv. */
enum exec_result exec_vmaskmov(struct vcpu *vcpu, const struct insn *insn)
{
    bool integer = insn->opcode >= 0x80, store = integer ? insn->opcode & 2 : insn->opcode >= 0x2e;
    unsigned size = (integer ? insn->vex_byte & 0x80 : insn->opcode & 1) ? 8 : 4, count = vex_length(insn) / size;
    if (!vector_check(vcpu, VECTOR_AVX))
        return EXEC_FAULT;
    vector_park(vcpu);
    uint8_t mask[YMM_SIZE], data[YMM_SIZE];
    uint64_t offset = insn_offset(vcpu, insn), value;
    ymm_read(vcpu, insn->vvvv, mask);
    if (store) {
        ymm_read(vcpu, insn->reg, data);
        return masked_store(vcpu, insn, insn->mem.segment, offset, data, mask, count, size) ? EXEC_NEXT : EXEC_FAULT;
    }
    memset(data, 0, sizeof(data));
    for (unsigned i = 0; i < count; i++) {
        if (!selected(mask, i, size))
            continue;
        if (!seg_read(vcpu, insn->mem.segment, zero_extend(offset + i * size, insn->address_size), size, &value))
            return EXEC_FAULT;
        set_element(data, i, size, value);
    }
    ymm_write(vcpu, insn->reg, data);
    return EXEC_NEXT;
}

/* --- gathers ------------------------------------------------------------------------------------------------------ */

/* Index register and scale of a VSIB byte, which the general decoding of addresses does not cover. */
static void vsib(const struct insn *insn, unsigned *index, unsigned *shift)
{
    unsigned i = 0;
    while (insn->bytes[i] != 0xc4) /* gathers have the three-byte VEX prefix; C4 is no legacy prefix */
        i++;
    unsigned vex_x = insn->code_size == 8 && !(insn->bytes[i + 1] & 0x40) ? 8 : 0;
    uint8_t sib = insn->bytes[i + 5]; /* C4 xx xx opcode ModRM SIB */
    *index = (sib >> 3 & 7) | vex_x;
    *shift = sib >> 6;
}

/* 0F38 90/92: doubleword indices, 91/93: quadword indices; W: quadword elements. The mask is in vvvv. */
enum exec_result exec_vgather(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = insn->vex_byte & 0x80 ? 8 : 4, index_size = insn->opcode & 1 ? 8 : 4;
    unsigned count = vex_length(insn) / (size > index_size ? size : index_size), index, shift;
    if (!vector_check(vcpu, VECTOR_AVX))
        return EXEC_FAULT;
    vsib(insn, &index, &shift);
    if (insn->reg == index || insn->reg == insn->vvvv || index == insn->vvvv) {
        vcpu_fault(vcpu, EXC_UD);
        return EXEC_FAULT;
    }
    vector_park(vcpu);
    uint8_t data[YMM_SIZE], mask[YMM_SIZE], indices[YMM_SIZE];
    ymm_read(vcpu, insn->reg, data);
    ymm_read(vcpu, insn->vvvv, mask);
    ymm_read(vcpu, index, indices);
    for (unsigned i = 0; i < YMM_SIZE / size; i++) /* beyond the elements gathered: zero in both */
        if (i >= count) {
            set_element(mask, i, size, 0);
            set_element(data, i, size, 0);
        } else {
            set_element(mask, i, size, selected(mask, i, size) ? UINT64_MAX : 0);
        }
    uint64_t base = insn->mem.base == REG_NONE ? 0 : vcpu->gpr[insn->mem.base & 15], value;
    enum exec_result result = EXEC_NEXT;
    for (unsigned i = 0; i < count && result == EXEC_NEXT; i++) {
        if (!selected(mask, i, size))
            continue;
        uint64_t offset =
            base + (uint64_t)insn->mem.disp + (sign_extend(element(indices, i, index_size), index_size) << shift);
        if (!seg_read(vcpu, insn->mem.segment, zero_extend(offset, insn->address_size), size, &value)) {
            result = EXEC_FAULT;
        } else {
            set_element(data, i, size, value);
            set_element(mask, i, size, 0);
        }
    }
    /* A fault leaves what was gathered so far, and the mask of what was not. */
    ymm_write(vcpu, insn->reg, data);
    ymm_write(vcpu, insn->vvvv, mask);
    return result;
}

/* --- MXCSR -------------------------------------------------------------------------------------------------------- */

enum exec_result exec_ldmxcsr(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t value;
    if (!vector_check(vcpu, insn->encoding == ENCODING_VEX ? VECTOR_AVX : VECTOR_SSE) ||
        !insn_read(vcpu, insn, 4, &value))
        return EXEC_FAULT;
    if (value & ~(uint64_t)MXCSR_WRITABLE)
        return gp0(vcpu);
    uint32_t mxcsr = (uint32_t)value;
    if (vcpu->vector_live)
        __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
    else
        memcpy(vcpu->vector_area + AREA_MXCSR, &mxcsr, sizeof(mxcsr));
    return EXEC_NEXT;
}
