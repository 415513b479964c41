/*
 * Segment registers and descriptor tables: loads with all checks, and the descriptor cache.
 *
 * Invariant: a segment register changes only after every check and memory access of its instruction succeeded. Runs on
 * the vCPU's thread with the guest's vector state live. SDM Vol. 3 "Segment descriptors", "Type checking", "Privilege
 * levels"; Vol. 2 "MOV", "LDS/LES/LFS/LGS/LSS". The instructions on descriptor tables are in tables.c.
 */
#include "cpu-model/exec/exec.h"

#include "cpu-model/exec/exec_int.h"

/* --- Descriptors -------------------------------------------------------------------------------------------------- */

/* The table that a selector points into. False: an unusable LDT, which has no entries. */
static bool table_of(const struct vcpu *vcpu, uint16_t selector, uint64_t *base, uint32_t *limit)
{
    const struct segment *ldtr = &vcpu->segment[SEG_LDTR];

    if (!(selector & SELECTOR_TI)) {
        *base = vcpu->gdtr.base;
        *limit = vcpu->gdtr.limit;
        return true;
    }
    *base = ldtr->base;
    *limit = ldtr->limit;
    return !(ldtr->attributes & SEG_UNUSABLE);
}

enum descriptor_result descriptor_find(struct vcpu *vcpu, uint16_t selector, struct descriptor *d)
{
    uint32_t offset = selector & SELECTOR_INDEX, limit;
    uint64_t base;

    if (!table_of(vcpu, selector, &base, &limit) || offset + 7 > limit)
        return DESCRIPTOR_OUTSIDE;
    d->at = lin(base + offset);
    if (!vcpu_long_mode(vcpu))
        d->at = lin((uint32_t)d->at.v);
    d->high = 0;
    return mmu_read(vcpu, d->at, 8, false, &d->low) ? DESCRIPTOR_OK : DESCRIPTOR_FAULT;
}

bool descriptor_read(struct vcpu *vcpu, uint16_t selector, uint8_t vector, struct descriptor *d)
{
    enum descriptor_result result = descriptor_find(vcpu, selector, d);

    if (result == DESCRIPTOR_OUTSIDE)
        return vcpu_fault_code(vcpu, vector, selector_code(selector));
    return result == DESCRIPTOR_OK;
}

bool descriptor_read_high(struct vcpu *vcpu, uint16_t selector, uint8_t vector, struct descriptor *d)
{
    uint32_t offset = selector & SELECTOR_INDEX, limit;
    uint64_t base;

    if (!table_of(vcpu, selector, &base, &limit) || offset + 15 > limit)
        return vcpu_fault_code(vcpu, vector, selector_code(selector));
    if (!mmu_read(vcpu, lin(d->at.v + 8), 8, false, &d->high))
        return false;
    if (d->high >> 40 & 0x1f) /* must not look like a descriptor of its own */
        return vcpu_fault_code(vcpu, vector, selector_code(selector));
    d->high = (uint32_t)d->high;
    return true;
}

bool descriptor_mark_accessed(struct vcpu *vcpu, struct descriptor *d)
{
    if (d->low & (uint64_t)SEG_TYPE_ACCESSED << 40)
        return true;
    if (!mmu_write(vcpu, lin(d->at.v + 5), 1, false, (d->low >> 40 & 0xff) | SEG_TYPE_ACCESSED))
        return false;
    d->low |= (uint64_t)SEG_TYPE_ACCESSED << 40;
    return true;
}

bool descriptor_mark_busy(struct vcpu *vcpu, lin_t at, bool busy)
{
    uint64_t access;

    if (!mmu_read(vcpu, lin(at.v + 5), 1, false, &access))
        return false;
    access = busy ? access | SYSTEM_TSS_BUSY : access & ~(uint64_t)SYSTEM_TSS_BUSY;
    return mmu_write(vcpu, lin(at.v + 5), 1, false, access);
}

void segment_from_descriptor(struct segment *segment, uint16_t selector, uint64_t descriptor)
{
    segment->base = (descriptor >> 16 & 0xffffff) | (descriptor >> 32 & 0xff000000);
    segment->limit = descriptor_limit(descriptor);
    segment->attributes = (uint32_t)(descriptor >> 40) & 0xf0ff;
    segment->selector = selector;
}

/* --- Segment registers -------------------------------------------------------------------------------------------- */

void segment_set_real(struct vcpu *vcpu, unsigned segment, uint16_t selector)
{
    struct segment *s = &vcpu->segment[segment];

    if (vcpu_v86(vcpu)) {
        s->limit = 0xffff;
        s->attributes = 3 << SEG_DPL_SHIFT | SEG_P | SEG_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED;
    } else if (s->attributes & SEG_UNUSABLE) {
        s->limit = 0xffff;
        s->attributes = SEG_P | SEG_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED;
    } /* else limit and attributes stay as protected mode left them ("unreal" mode) */
    s->selector = selector;
    s->base = (uint32_t)selector << 4;
}

void segment_set_null(struct vcpu *vcpu, unsigned segment, uint16_t selector)
{
    struct segment *s = &vcpu->segment[segment];

    if (segment == SEG_SS) {
        *s = segment_null_stack(selector & SELECTOR_RPL);
        return;
    }
    /* AMD kept base and limit until it said otherwise. */
    if (vcpu->features.vendor == VENDOR_INTEL || cpu_has(&vcpu->features, NULL_SEL_CLR_BASE))
        *s = (struct segment){0};
    s->attributes = SEG_UNUSABLE;
    s->selector = selector;
}

void segments_drop_privileged(struct vcpu *vcpu)
{
    static const uint8_t data_segments[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};

    for (unsigned i = 0; i < ARRAY_LEN(data_segments); i++) {
        struct segment *s = &vcpu->segment[data_segments[i]];
        uint32_t a = s->attributes;

        if ((a & SEG_UNUSABLE) || attributes_dpl(a) >= vcpu->cpl)
            continue;
        if (attributes_code(a) && attributes_conforming(a))
            continue;
        s->selector = 0; /* the base stays: FS and GS of 64-bit mode */
        s->attributes = SEG_UNUSABLE;
    }
}

/* The descriptor passed its checks: present it must be too (else `absent`), then it is marked and cached. */
static bool finish_load(struct vcpu *vcpu, struct segment *segment, uint16_t selector, struct descriptor *d,
                        uint8_t absent)
{
    if (!(descriptor_attributes(d) & SEG_P))
        return vcpu_fault_code(vcpu, absent, selector_code(selector));
    if (!descriptor_mark_accessed(vcpu, d))
        return false;
    segment_from_descriptor(segment, selector, d->low);
    return true;
}

bool segment_read_stack(struct vcpu *vcpu, uint16_t selector, unsigned level, uint8_t vector, struct segment *ss)
{
    struct descriptor d;

    if (!descriptor_read(vcpu, selector, vector, &d))
        return false;
    uint32_t a = descriptor_attributes(&d);
    if ((selector & SELECTOR_RPL) != (int)level || !attributes_writable(a) || attributes_dpl(a) != level)
        return vcpu_fault_code(vcpu, vector, selector_code(selector));
    return finish_load(vcpu, ss, selector, &d, EXC_SS);
}

bool segment_load_data(struct vcpu *vcpu, unsigned segment, uint16_t selector, uint8_t vector)
{
    unsigned rpl = selector & SELECTOR_RPL;
    struct descriptor d;

    if (!descriptor_read(vcpu, selector, vector, &d))
        return false;
    uint32_t a = descriptor_attributes(&d);
    unsigned dpl = attributes_dpl(a);
    if (!attributes_readable(a))
        return vcpu_fault_code(vcpu, vector, selector_code(selector));
    if (!(attributes_code(a) && attributes_conforming(a)) && (rpl > dpl || vcpu->cpl > dpl))
        return vcpu_fault_code(vcpu, vector, selector_code(selector));
    return finish_load(vcpu, &vcpu->segment[segment], selector, &d, EXC_NP);
}

bool segment_load_code(struct vcpu *vcpu, uint16_t selector, uint8_t vector)
{
    unsigned rpl = selector & SELECTOR_RPL;
    struct descriptor d;

    if (!descriptor_read(vcpu, selector, vector, &d))
        return false;
    uint32_t a = descriptor_attributes(&d);
    unsigned dpl = attributes_dpl(a);
    if (!attributes_code(a) || (attributes_conforming(a) ? dpl > rpl : dpl != rpl))
        return vcpu_fault_code(vcpu, vector, selector_code(selector));
    return finish_load(vcpu, &vcpu->segment[SEG_CS], selector, &d, EXC_NP);
}

/* SS by MOV, POP and LSS; null only in 64-bit mode. */
static bool load_stack_segment(struct vcpu *vcpu, uint16_t selector)
{
    if (!selector_null(selector))
        return segment_read_stack(vcpu, selector, vcpu->cpl, EXC_GP, &vcpu->segment[SEG_SS]);
    if (!vcpu_code64(vcpu) || vcpu->cpl == 3 || (selector & SELECTOR_RPL) != vcpu->cpl)
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    segment_set_null(vcpu, SEG_SS, selector);
    return true;
}

bool segment_load(struct vcpu *vcpu, unsigned segment, uint16_t selector)
{
    if (vcpu_paragraphs(vcpu)) {
        segment_set_real(vcpu, segment, selector);
        return true;
    }
    if (segment == SEG_SS)
        return load_stack_segment(vcpu, selector);
    if (!selector_null(selector))
        return segment_load_data(vcpu, segment, selector, EXC_GP);
    segment_set_null(vcpu, segment, selector);
    return true;
}

bool segment_check_return_stack(struct vcpu *vcpu, uint16_t selector, unsigned rpl, bool code64, struct segment *ss)
{
    if (selector_null(selector)) {
        if (!code64 || rpl == 3 || (selector & SELECTOR_RPL) != rpl)
            return vcpu_fault_code(vcpu, EXC_GP, 0);
        *ss = segment_null_stack(rpl);
        return true;
    }
    return segment_read_stack(vcpu, selector, rpl, EXC_GP, ss);
}

/* --- Instructions ------------------------------------------------------------------------------------------------- */

/* MOV r/m, Sreg (8C) and MOV Sreg, r/m (8E). */
enum exec_result exec_mov_sreg(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned segment = insn->modrm >> 3 & 7; /* REX.R is ignored */
    uint64_t selector;

    if (segment >= SEG_COUNT || (insn->opcode == 0x8e && segment == SEG_CS))
        return exec_fault(vcpu, EXC_UD);
    if (insn->opcode == 0x8c) {
        unsigned size = insn->mem.present ? 2 : insn->operand_size;

        return insn_write_rm(vcpu, insn, size, vcpu->segment[segment].selector) ? EXEC_NEXT : EXEC_FAULT;
    }
    if (!insn_read_rm(vcpu, insn, 2, &selector) || !segment_load(vcpu, segment, (uint16_t)selector))
        return EXEC_FAULT;
    if (segment == SEG_SS)
        vcpu->interrupt_shadow = vcpu->debug_shadow = true;
    return EXEC_NEXT;
}

/* LDS (C5), LES (C4), LSS (0F B2), LFS (0F B4), LGS (0F B5). */
enum exec_result exec_load_far_pointer(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = insn->operand_size;
    uint64_t offset, selector;
    unsigned segment;
    uint64_t at;

    switch (insn->opcode) {
    case 0xc4:
        segment = SEG_ES;
        break;
    case 0xc5:
        segment = SEG_DS;
        break;
    case 0xb2:
        segment = SEG_SS;
        break;
    case 0xb4:
        segment = SEG_FS;
        break;
    default:
        segment = SEG_GS;
        break;
    }
    if (!insn->mem.present)
        return exec_fault(vcpu, EXC_UD);
    at = insn_offset(vcpu, insn);
    if (!seg_read(vcpu, insn->mem.segment, at, size, &offset) ||
        !seg_read(vcpu, insn->mem.segment, zero_extend(at + size, insn->address_size), 2, &selector) ||
        !segment_load(vcpu, segment, (uint16_t)selector))
        return EXEC_FAULT;
    reg_write(vcpu, insn->reg, size, offset);
    return EXEC_NEXT;
}

/* SWAPGS: 64-bit mode only. */
enum exec_result exec_swapgs(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t base = vcpu->segment[SEG_GS].base;

    if (insn->code_size != 8)
        return exec_fault(vcpu, EXC_UD);
    if (vcpu->cpl)
        return exec_fault_code(vcpu, EXC_GP, 0);
    vcpu->segment[SEG_GS].base = vcpu->kernel_gs_base;
    vcpu->kernel_gs_base = base;
    return EXEC_NEXT;
}

static struct segment *based_segment(struct vcpu *vcpu, const struct insn *insn)
{
    return &vcpu->segment[insn->modrm & 8 ? SEG_GS : SEG_FS]; /* F3 0F AE /0 FS, /1 GS; /2, /3 write */
}

enum exec_result exec_rdfsbase(struct vcpu *vcpu, const struct insn *insn)
{
    if (insn->code_size != 8 || !(vcpu->cr4 & CR4_FSGSBASE))
        return exec_fault(vcpu, EXC_UD);
    reg_write(vcpu, insn->rm, insn->operand_size == 8 ? 8 : 4, based_segment(vcpu, insn)->base);
    return EXEC_NEXT;
}

enum exec_result exec_wrfsbase(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t base = reg_read(vcpu, insn->rm, insn->operand_size == 8 ? 8 : 4);

    if (insn->code_size != 8 || !(vcpu->cr4 & CR4_FSGSBASE))
        return exec_fault(vcpu, EXC_UD);
    if (!lin_canonical(base))
        return exec_fault_code(vcpu, EXC_GP, 0);
    based_segment(vcpu, insn)->base = base;
    return EXEC_NEXT;
}
