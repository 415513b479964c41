/*
 * Operand access: effective addresses, segmentation, registers by width, the stack and frames on stacks.
 *
 * Invariant: checks first, then memory, then registers, so a fault changes nothing. Runs on the vCPU's thread with the
 * guest's vector state live. SDM Vol. 3 "Limit checking", "Type checking", "Segment limit checking in 64-bit mode",
 * "Interrupt 17 - Alignment check exception".
 */
#include "cpu-model/exec/memory.h"

#include "cpu-model/exec/exec_int.h"

uint64_t insn_offset(const struct vcpu *vcpu, const struct insn *insn)
{
    const struct mem_operand *m = &insn->mem;
    uint64_t offset = (uint64_t)m->disp;

    if (m->base == REG_RIP_BASE)
        offset += vcpu->rip + insn->length;
    else if (m->base != REG_NONE)
        offset += vcpu->gpr[m->base & 15];
    if (m->index != REG_NONE)
        offset += vcpu->gpr[m->index & 15] * m->scale;
    return zero_extend(offset, insn->address_size);
}

bool segment_holds(const struct segment *segment, uint64_t offset, uint64_t size)
{
    uint64_t last = offset + size - 1;

    if ((segment->attributes & (SEG_S | SEG_TYPE_CODE | SEG_TYPE_EXPAND_DOWN)) == (SEG_S | SEG_TYPE_EXPAND_DOWN))
        return offset > segment->limit && last <= (segment->attributes & SEG_DB ? 0xffffffff : 0xffff);
    /* A 4 GiB segment has no end to cross: addresses wrap. */
    return last <= segment->limit || segment->limit == 0xffffffff;
}

static bool segment_fault(struct vcpu *vcpu, unsigned segment)
{
    return vcpu_fault_code(vcpu, segment == SEG_SS ? EXC_SS : EXC_GP, 0);
}

static bool aligned(const struct vcpu *vcpu, uint64_t linear, unsigned size)
{
    if (!(vcpu->eflags & FLAG_AC) || !(vcpu->cr0 & CR0_AM) || vcpu->cpl != 3)
        return true;
    switch (size) {
    case 2:
    case 4:
    case 8:
        return !(linear & (size - 1));
    case 6: /* 16:32 pointers */
        return !(linear & 3);
    case 10: /* x87 extended precision, 16:64 pointers */
        return !(linear & 7);
    default:
        return true;
    }
}

/* Rights of a segment outside real mode. V86 segments are writable data, so they pass. */
static bool segment_allows(const struct vcpu *vcpu, uint32_t attributes, enum access access)
{
    if (attributes & SEG_UNUSABLE)
        return false;
    if (vcpu_real(vcpu))
        return true;
    if (access == ACCESS_READ)
        return attributes_readable(attributes);
    return access == ACCESS_EXEC || attributes_writable(attributes);
}

/* Segmentation alone, without the alignment check. */
static inline bool seg_translate(struct vcpu *vcpu, unsigned segment, uint64_t offset, unsigned size,
                                 enum access access, uint64_t *out)
{
    const struct segment *s = &vcpu->segment[segment];

    if (vcpu_code64(vcpu)) {
        uint64_t linear = segment >= SEG_FS ? s->base + offset : offset;

        if (!lin_canonical(linear) || (size > 1 && !lin_canonical(linear + size - 1)))
            return segment_fault(vcpu, segment);
        *out = linear;
        return true;
    }
    if (!segment_allows(vcpu, s->attributes, access) || !segment_holds(s, offset, size ? size : 1))
        return segment_fault(vcpu, segment);
    *out = (uint32_t)(s->base + offset);
    return true;
}

bool seg_linear(struct vcpu *vcpu, unsigned segment, uint64_t offset, unsigned size, enum access access, lin_t *out)
{
    uint64_t linear;

    if (!seg_translate(vcpu, segment, offset, size, access, &linear))
        return false;
    if (!aligned(vcpu, linear, size))
        return vcpu_fault_code(vcpu, EXC_AC, 0);
    *out = lin(linear);
    return true;
}

bool insn_linear(struct vcpu *vcpu, const struct insn *insn, unsigned size, enum access access, lin_t *out)
{
    return seg_linear(vcpu, insn->mem.segment, insn_offset(vcpu, insn), size, access, out);
}

bool seg_read(struct vcpu *vcpu, unsigned segment, uint64_t offset, unsigned size, uint64_t *value)
{
    lin_t at;

    return seg_linear(vcpu, segment, offset, size, ACCESS_READ, &at) &&
           mmu_read(vcpu, at, size, vcpu_user(vcpu), value);
}

bool seg_write(struct vcpu *vcpu, unsigned segment, uint64_t offset, unsigned size, uint64_t value)
{
    lin_t at;

    return seg_linear(vcpu, segment, offset, size, ACCESS_WRITE, &at) &&
           mmu_write(vcpu, at, size, vcpu_user(vcpu), value);
}

bool insn_read(struct vcpu *vcpu, const struct insn *insn, unsigned size, uint64_t *value)
{
    return seg_read(vcpu, insn->mem.segment, insn_offset(vcpu, insn), size, value);
}

bool insn_write(struct vcpu *vcpu, const struct insn *insn, unsigned size, uint64_t value)
{
    return seg_write(vcpu, insn->mem.segment, insn_offset(vcpu, insn), size, value);
}

bool insn_read_rm(struct vcpu *vcpu, const struct insn *insn, unsigned size, uint64_t *value)
{
    if (insn->mem.present)
        return insn_read(vcpu, insn, size, value);
    if (size == 1 && insn->high_byte_rm)
        *value = vcpu->gpr[insn->rm & 3] >> 8 & 0xff;
    else
        *value = reg_read(vcpu, insn->rm, size);
    return true;
}

bool insn_write_rm(struct vcpu *vcpu, const struct insn *insn, unsigned size, uint64_t value)
{
    if (insn->mem.present)
        return insn_write(vcpu, insn, size, value);
    if (size == 1 && insn->high_byte_rm)
        vcpu->gpr[insn->rm & 3] = (vcpu->gpr[insn->rm & 3] & ~0xff00ull) | (value & 0xff) << 8;
    else
        reg_write(vcpu, insn->rm, size, value);
    return true;
}

/* --- The stack ---------------------------------------------------------------------------------------------------- */

bool stack_push(struct vcpu *vcpu, unsigned size, uint64_t value)
{
    unsigned width = vcpu_stack_size(vcpu);
    uint64_t sp = zero_extend(vcpu->gpr[REG_RSP] - size, width);

    if (!seg_write(vcpu, SEG_SS, sp, size, value))
        return false;
    reg_write(vcpu, REG_RSP, width, sp);
    return true;
}

bool stack_peek(struct vcpu *vcpu, int64_t displacement, unsigned size, uint64_t *value)
{
    uint64_t sp = zero_extend(vcpu->gpr[REG_RSP] + (uint64_t)displacement, vcpu_stack_size(vcpu));

    return seg_read(vcpu, SEG_SS, sp, size, value);
}

void stack_adjust(struct vcpu *vcpu, int64_t displacement)
{
    reg_write(vcpu, REG_RSP, vcpu_stack_size(vcpu), vcpu->gpr[REG_RSP] + (uint64_t)displacement);
}

/* --- Frames ------------------------------------------------------------------------------------------------------- */

void frame_begin(struct frame *frame, const struct vcpu *vcpu, unsigned item_size)
{
    frame->ss = &vcpu->segment[SEG_SS];
    frame->sp = vcpu->gpr[REG_RSP];
    frame->sp_size = (uint8_t)vcpu_stack_size(vcpu);
    frame->item_size = (uint8_t)item_size;
    frame->user = vcpu_user(vcpu);
    frame->fault_code = 0;
    frame->count = 0;
}

static uint64_t frame_offset(const struct frame *frame, unsigned index)
{
    return zero_extend(frame->sp - (uint64_t)(index + 1) * frame->item_size, frame->sp_size);
}

static lin_t frame_linear(const struct frame *frame, uint64_t offset)
{
    return lin(frame->sp_size == 8 ? offset : (uint32_t)(frame->ss->base + offset));
}

/* Do the items lie one below the other, without the stack pointer wrapping between them? */
static bool frame_contiguous(const struct frame *frame)
{
    return frame_offset(frame, frame->count - 1u) <= frame_offset(frame, 0);
}

bool frame_fits(struct vcpu *vcpu, const struct frame *frame)
{
    uint64_t low = frame_offset(frame, frame->count - 1u), size = (uint64_t)frame->count * frame->item_size;
    bool fits = true;

    if (frame->sp_size == 8)
        fits = lin_canonical(low) && lin_canonical(low + size - 1);
    else if (frame->ss->attributes & SEG_UNUSABLE)
        fits = false;
    else if (frame_contiguous(frame))
        fits = segment_holds(frame->ss, low, size);
    else
        for (unsigned i = 0; i < frame->count && fits; i++)
            fits = segment_holds(frame->ss, frame_offset(frame, i), frame->item_size);
    return fits || vcpu_fault_code(vcpu, EXC_SS, frame->fault_code);
}

/* The items as they lie in memory, lowest address (last push) first. */
static void frame_image(const struct frame *frame, uint64_t *image)
{
    unsigned bits = frame->item_size * 8u;

    for (unsigned i = 0; i < frame->count; i++) {
        uint64_t value = zero_extend(frame->item[frame->count - 1 - i], frame->item_size);
        unsigned bit = i * bits;

        if (bit % 64 == 0)
            image[bit / 64] = value;
        else
            image[bit / 64] |= value << bit % 64;
    }
}

static bool frame_store_wrapped(struct vcpu *vcpu, const struct frame *frame)
{
    for (unsigned i = 0; i < frame->count; i++)
        if (!mmu_probe(vcpu, frame_linear(frame, frame_offset(frame, i)), frame->item_size, ACCESS_WRITE, frame->user))
            return false;
    for (unsigned i = 0; i < frame->count; i++)
        if (!mmu_write(vcpu, frame_linear(frame, frame_offset(frame, i)), frame->item_size, frame->user,
                       frame->item[i]))
            return false;
    return true;
}

bool frame_fault_at_push(struct vcpu *vcpu, lin_t top, unsigned item_size, unsigned count, bool user)
{
    for (unsigned i = 1; i <= count; i++)
        if (!mmu_probe(vcpu, lin(top.v - (uint64_t)i * item_size), item_size, ACCESS_WRITE, user))
            break;
    return false;
}

bool frame_store(struct vcpu *vcpu, struct frame *frame)
{
    uint64_t image[FRAME_MAX];
    uint64_t low = frame_offset(frame, frame->count - 1u);
    unsigned size = (unsigned)frame->count * frame->item_size;
    lin_t at = frame_linear(frame, low);

    if (!frame_fits(vcpu, frame))
        return false;
    if (frame->user && !aligned(vcpu, at.v, frame->item_size))
        return vcpu_fault_code(vcpu, EXC_AC, 0);
    if (frame_contiguous(frame)) {
        frame_image(frame, image);
        if (!mmu_write_bytes(vcpu, at, image, size, frame->user))
            return frame_fault_at_push(vcpu, lin(at.v + size), frame->item_size, frame->count, frame->user);
    } else if (!frame_store_wrapped(vcpu, frame)) {
        return false;
    }
    frame->sp = low;
    return true;
}

bool frame_commit(struct vcpu *vcpu, struct frame *frame)
{
    if (!frame_store(vcpu, frame))
        return false;
    reg_write(vcpu, REG_RSP, frame->sp_size, frame->sp);
    return true;
}

bool stack_read(struct vcpu *vcpu, uint64_t displacement, unsigned item_size, unsigned count, uint64_t *items)
{
    unsigned width = vcpu_stack_size(vcpu), size = item_size * count;
    uint64_t low = zero_extend(vcpu->gpr[REG_RSP] + displacement, width);
    uint64_t image[FRAME_MAX], at;

    if (zero_extend(low + size - 1, width) < low) { /* SP wraps inside the frame */
        for (unsigned i = 0; i < count; i++)
            if (!stack_peek(vcpu, (int64_t)(displacement + (uint64_t)i * item_size), item_size, &items[i]))
                return false;
        return true;
    }
    if (!seg_translate(vcpu, SEG_SS, low, size, ACCESS_READ, &at))
        return false;
    if (!aligned(vcpu, at, item_size))
        return vcpu_fault_code(vcpu, EXC_AC, 0);
    if (!mmu_read_bytes(vcpu, lin(at), image, size, vcpu_user(vcpu)))
        return false;
    for (unsigned i = 0; i < count; i++) {
        unsigned bit = i * item_size * 8;

        items[i] = zero_extend(image[bit / 64] >> bit % 64, item_size);
    }
    return true;
}
