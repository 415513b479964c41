/*
 * Far control transfer: CALL, JMP and RET through code segments, call gates, task gates and task state segments.
 *
 * Invariant: all checks and all stores come before the first change of a register. CPL changes through vcpu_set_cpl()
 * only. Runs on the vCPU's thread with the guest's vector state live. SDM Vol. 2 "CALL", "JMP", "RET"; Vol. 3
 * "Accessing a code segment through a call gate", "64-bit mode call gates".
 */
#include "cpu-model/exec/exec.h"

#include "cpu-model/exec/exec_int.h"

bool far_target_ok(struct vcpu *vcpu, const struct segment *cs, uint64_t rip)
{
    bool code64 = vcpu_long_mode(vcpu) && (cs->attributes & SEG_L);

    if (code64 ? lin_canonical(rip) : rip <= cs->limit)
        return true;
    return vcpu_fault_code(vcpu, EXC_GP, 0);
}

/* Segment cache for CS; the RPL of the selector becomes `cpl`. */
static void code_cache(struct segment *cs, uint16_t selector, unsigned cpl, const struct descriptor *d)
{
    segment_from_descriptor(cs, (uint16_t)((selector & ~SELECTOR_RPL) | cpl), d->low);
}

static bool selector_fault(struct vcpu *vcpu, uint8_t vector, uint16_t selector)
{
    return vcpu_fault_code(vcpu, vector, selector_code(selector));
}

/* The far pointer operand, immediate or in memory. */
static bool far_pointer(struct vcpu *vcpu, const struct insn *insn, unsigned size, uint16_t *selector, uint64_t *offset)
{
    uint64_t at, value;

    if (!insn->mem.present) {
        *selector = insn->selector;
        *offset = zero_extend((uint64_t)insn->imm, size);
        return true;
    }
    at = insn_offset(vcpu, insn);
    if (!seg_read(vcpu, insn->mem.segment, at, size, offset) ||
        !seg_read(vcpu, insn->mem.segment, zero_extend(at + size, insn->address_size), 2, &value))
        return false;
    *selector = (uint16_t)value;
    return true;
}

/* The last of a far CALL's frame: CS and the way back. False: there is no room. */
static bool push_return(struct vcpu *vcpu, const struct insn *insn, struct frame *frame)
{
    frame_push(frame, vcpu->segment[SEG_CS].selector);
    frame_push(frame, rip_after(vcpu, insn));
    return frame_fits(vcpu, frame);
}

/* --- Real and virtual-8086 mode ----------------------------------------------------------------------------------- */

static enum exec_result far_paragraphs(struct vcpu *vcpu, const struct insn *insn, uint16_t selector, uint64_t offset,
                                       bool call)
{
    struct frame frame;

    if (call) {
        frame_begin(&frame, vcpu, insn->operand_size);
        if (!push_return(vcpu, insn, &frame))
            return EXEC_FAULT;
    }
    if (offset > vcpu->segment[SEG_CS].limit)
        return exec_fault_code(vcpu, EXC_GP, 0);
    if (call && !frame_commit(vcpu, &frame))
        return EXEC_FAULT;
    segment_set_real(vcpu, SEG_CS, selector);
    vcpu->rip = offset;
    return EXEC_JUMP;
}

/* --- Code segments ------------------------------------------------------------------------------------------------ */

/* L and D together are reserved in long mode. */
static bool reserved_size(const struct vcpu *vcpu, uint32_t attributes)
{
    return vcpu_long_mode(vcpu) && (attributes & SEG_L) && (attributes & SEG_DB);
}

/* Goes to `offset` in the code segment of `d`, which is checked and in *cs; privilege stays. `frame`: of a CALL, or
 * null. */
static enum exec_result enter_code(struct vcpu *vcpu, struct segment *cs, struct descriptor *d, uint64_t offset,
                                   struct frame *frame)
{
    if (!far_target_ok(vcpu, cs, offset) || !descriptor_mark_accessed(vcpu, d))
        return EXEC_FAULT;
    if (frame && !frame_commit(vcpu, frame))
        return EXEC_FAULT;
    cs->attributes |= SEG_TYPE_ACCESSED;
    vcpu->segment[SEG_CS] = *cs;
    vcpu->rip = offset;
    return EXEC_JUMP;
}

/* A direct far CALL or JMP to a code segment. */
static enum exec_result far_code(struct vcpu *vcpu, const struct insn *insn, uint16_t selector, uint64_t offset,
                                 struct descriptor *d, bool call)
{
    uint32_t a = descriptor_attributes(d);
    unsigned dpl = attributes_dpl(a);
    struct segment cs;
    struct frame frame;
    bool allowed;

    if (attributes_conforming(a))
        allowed = dpl <= vcpu->cpl;
    else
        allowed = dpl == vcpu->cpl && (selector & SELECTOR_RPL) <= (int)vcpu->cpl;
    if (!attributes_code(a) || !allowed || reserved_size(vcpu, a))
        return exec_fault_code(vcpu, EXC_GP, selector_code(selector));
    if (!(a & SEG_P))
        return exec_fault_code(vcpu, EXC_NP, selector_code(selector));
    if (call) {
        frame_begin(&frame, vcpu, far_operand_size(insn));
        if (!push_return(vcpu, insn, &frame))
            return EXEC_FAULT;
    }
    code_cache(&cs, selector, vcpu->cpl, d);
    if (vcpu_long_mode(vcpu) && !(a & SEG_L))
        offset = (uint32_t)offset;
    return enter_code(vcpu, &cs, d, offset, call ? &frame : NULL);
}

/* --- Call gates --------------------------------------------------------------------------------------------------- */

/* What a call gate leads to, checked. */
struct gate_target {
    struct descriptor code;
    uint16_t selector;
    uint64_t offset;
    unsigned item_size; /* of what is pushed: 2, 4, 8 by the gate's type */
    unsigned parameters;
    unsigned dpl; /* of the code segment */
    bool inner;   /* more privilege: the stack changes */
};

static bool gate_code(struct vcpu *vcpu, struct gate_target *t, bool call)
{
    uint32_t a;

    if (selector_null(t->selector))
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    if (!descriptor_read(vcpu, t->selector, EXC_GP, &t->code))
        return false;
    a = descriptor_attributes(&t->code);
    t->dpl = attributes_dpl(a);
    if (!attributes_code(a) || t->dpl > vcpu->cpl)
        return selector_fault(vcpu, EXC_GP, t->selector);
    if (!call && !attributes_conforming(a) && t->dpl != vcpu->cpl)
        return selector_fault(vcpu, EXC_GP, t->selector);
    if (vcpu_long_mode(vcpu) && (!(a & SEG_L) || (a & SEG_DB)))
        return selector_fault(vcpu, EXC_GP, t->selector);
    if (!(a & SEG_P))
        return selector_fault(vcpu, EXC_NP, t->selector);
    t->inner = !attributes_conforming(a) && t->dpl < vcpu->cpl;
    return true;
}

static bool gate_open(struct vcpu *vcpu, uint16_t selector, struct descriptor *gate, bool call, struct gate_target *t)
{
    uint32_t a = descriptor_attributes(gate);

    if (attributes_dpl(a) < vcpu->cpl || (int)attributes_dpl(a) < (selector & SELECTOR_RPL))
        return selector_fault(vcpu, EXC_GP, selector);
    if (vcpu_long_mode(vcpu) && !descriptor_read_high(vcpu, selector, EXC_GP, gate))
        return false;
    if (!(a & SEG_P))
        return selector_fault(vcpu, EXC_NP, selector);
    t->selector = gate_selector(gate);
    t->offset = gate_offset(gate);
    t->parameters = (unsigned)(gate->low >> 32) & 0x1f;
    if (vcpu_long_mode(vcpu)) {
        t->item_size = 8;
        t->parameters = 0;
    } else if (descriptor_type(gate) & SYSTEM_32BIT) {
        t->item_size = 4;
    } else {
        t->item_size = 2;
        t->offset &= 0xffff;
    }
    return gate_code(vcpu, t, call);
}

/* Copies the parameters, the first pushed first, from the caller's stack. */
static bool gate_parameters(struct vcpu *vcpu, const struct gate_target *t, struct frame *frame)
{
    uint64_t items[FRAME_MAX];

    if (t->parameters == 0)
        return true;
    if (!stack_read(vcpu, 0, t->item_size, t->parameters, items))
        return false;
    for (unsigned i = t->parameters; i > 0; i--)
        frame_push(frame, items[i - 1]);
    return true;
}

/* CALL to more privilege: a stack from the TSS. */
static enum exec_result gate_call_inner(struct vcpu *vcpu, const struct insn *insn, struct gate_target *t)
{
    struct segment ss, cs;
    struct frame frame;

    if (vcpu_long_mode(vcpu)) {
        if (!task_stack64(vcpu, t->dpl, &frame.sp))
            return EXEC_FAULT;
        ss = segment_null_stack(t->dpl);
        frame.sp_size = 8;
    } else {
        if (!task_inner_stack(vcpu, t->dpl, &ss, &frame.sp))
            return EXEC_FAULT;
        frame.sp_size = ss.attributes & SEG_DB ? 4 : 2;
    }
    frame.ss = &ss;
    frame.user = false;
    frame.count = 0;
    frame.item_size = (uint8_t)t->item_size;
    frame.fault_code = (uint16_t)selector_code(ss.selector);
    code_cache(&cs, t->selector, t->dpl, &t->code);
    frame_push(&frame, vcpu->segment[SEG_SS].selector);
    frame_push(&frame, vcpu->gpr[REG_RSP]);
    if (!gate_parameters(vcpu, t, &frame))
        return EXEC_FAULT;
    if (!push_return(vcpu, insn, &frame) || !far_target_ok(vcpu, &cs, t->offset) ||
        !descriptor_mark_accessed(vcpu, &t->code) || !frame_store(vcpu, &frame))
        return EXEC_FAULT;
    cs.attributes |= SEG_TYPE_ACCESSED;
    vcpu->segment[SEG_CS] = cs;
    vcpu->segment[SEG_SS] = ss;
    vcpu_set_cpl(vcpu, t->dpl);
    reg_write(vcpu, REG_RSP, frame.sp_size, frame.sp);
    vcpu->rip = t->offset;
    return EXEC_JUMP;
}

static enum exec_result far_gate(struct vcpu *vcpu, const struct insn *insn, uint16_t selector, struct descriptor *gate,
                                 bool call)
{
    struct gate_target t;
    struct segment cs;
    struct frame frame;

    if (!gate_open(vcpu, selector, gate, call, &t))
        return EXEC_FAULT;
    if (call && t.inner)
        return gate_call_inner(vcpu, insn, &t);
    code_cache(&cs, t.selector, vcpu->cpl, &t.code);
    if (call) {
        frame_begin(&frame, vcpu, t.item_size);
        if (vcpu_long_mode(vcpu))
            frame.sp_size = 8; /* the pushes are made in the new mode */
        if (!push_return(vcpu, insn, &frame))
            return EXEC_FAULT;
    }
    return enter_code(vcpu, &cs, &t.code, t.offset, call ? &frame : NULL);
}

/* --- CALL, JMP ---------------------------------------------------------------------------------------------------- */

/* A TSS descriptor or a task gate; not in long mode. */
static enum exec_result far_task(struct vcpu *vcpu, const struct insn *insn, uint16_t selector,
                                 const struct descriptor *d, bool call)
{
    uint32_t a = descriptor_attributes(d);
    struct task_switch t = {
        .reason = call ? TASK_CALL : TASK_JMP,
        .selector = selector,
        .rip_next = rip_after(vcpu, insn),
        .eflags = vcpu_eflags(vcpu),
    };
    bool done;

    if (attributes_dpl(a) < vcpu->cpl || (int)attributes_dpl(a) < (selector & SELECTOR_RPL))
        return exec_fault_code(vcpu, EXC_GP, selector_code(selector));
    if (descriptor_type(d) == SYSTEM_TASK_GATE) {
        if (!(a & SEG_P))
            return exec_fault_code(vcpu, EXC_NP, selector_code(selector));
        done = task_gate(vcpu, &t, d);
    } else {
        if (selector & SELECTOR_TI)
            return exec_fault_code(vcpu, EXC_GP, selector_code(selector));
        done = task_switch(vcpu, &t);
    }
    return done ? EXEC_JUMP : EXEC_FAULT;
}

static enum exec_result far_transfer(struct vcpu *vcpu, const struct insn *insn, bool call)
{
    unsigned size = far_operand_size(insn);
    struct descriptor d;
    uint16_t selector;
    uint64_t offset;

    if (!far_pointer(vcpu, insn, size, &selector, &offset))
        return EXEC_FAULT;
    if (vcpu_paragraphs(vcpu))
        return far_paragraphs(vcpu, insn, selector, offset, call);
    if (selector_null(selector))
        return exec_fault_code(vcpu, EXC_GP, 0);
    if (!descriptor_read(vcpu, selector, EXC_GP, &d))
        return EXEC_FAULT;
    if (descriptor_attributes(&d) & SEG_S)
        return far_code(vcpu, insn, selector, offset, &d, call);

    switch (descriptor_type(&d)) {
    case SYSTEM_CALL_GATE32:
        return far_gate(vcpu, insn, selector, &d, call);
    case SYSTEM_CALL_GATE16:
        if (!vcpu_long_mode(vcpu))
            return far_gate(vcpu, insn, selector, &d, call);
        break;
    case SYSTEM_TASK_GATE:
    case SYSTEM_TSS16:
    case SYSTEM_TSS32:
    case SYSTEM_TSS16 | SYSTEM_TSS_BUSY:
    case SYSTEM_TSS32 | SYSTEM_TSS_BUSY:
        if (!vcpu_long_mode(vcpu))
            return far_task(vcpu, insn, selector, &d, call);
        break;
    default:
        break;
    }
    return exec_fault_code(vcpu, EXC_GP, selector_code(selector));
}

enum exec_result far_call(struct vcpu *vcpu, const struct insn *insn)
{
    return far_transfer(vcpu, insn, true);
}

enum exec_result far_jmp(struct vcpu *vcpu, const struct insn *insn)
{
    return far_transfer(vcpu, insn, false);
}

/* --- RET ---------------------------------------------------------------------------------------------------------- */

bool far_return_segment(struct vcpu *vcpu, uint16_t selector, struct segment *cs)
{
    unsigned rpl = selector & SELECTOR_RPL, dpl;
    struct descriptor d;
    uint32_t a;

    if (selector_null(selector))
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    if (!descriptor_read(vcpu, selector, EXC_GP, &d))
        return false;
    a = descriptor_attributes(&d);
    dpl = attributes_dpl(a);
    if (!attributes_code(a) || rpl < vcpu->cpl || (attributes_conforming(a) ? dpl > rpl : dpl != rpl) ||
        reserved_size(vcpu, a))
        return selector_fault(vcpu, EXC_GP, selector);
    if (!(a & SEG_P))
        return selector_fault(vcpu, EXC_NP, selector);
    if (!descriptor_mark_accessed(vcpu, &d))
        return false;
    segment_from_descriptor(cs, selector, d.low);
    return true;
}

static enum exec_result far_ret_paragraphs(struct vcpu *vcpu, unsigned size, unsigned release)
{
    uint64_t items[2];

    if (!stack_read(vcpu, 0, size, 2, items))
        return EXEC_FAULT;
    if (items[0] > vcpu->segment[SEG_CS].limit)
        return exec_fault_code(vcpu, EXC_GP, 0);
    stack_adjust(vcpu, 2 * size + release);
    segment_set_real(vcpu, SEG_CS, (uint16_t)items[1]);
    vcpu->rip = items[0];
    return EXEC_JUMP;
}

/* RETF to less privilege: SS:eSP lie above the parameters, which both stacks lose. */
static enum exec_result far_ret_outer(struct vcpu *vcpu, unsigned size, unsigned release, const struct segment *cs,
                                      uint64_t rip)
{
    unsigned rpl = cs->selector & SELECTOR_RPL;
    uint64_t items[2];
    struct segment ss;

    if (!stack_read(vcpu, 2 * size + release, size, 2, items) ||
        !segment_check_return_stack(vcpu, (uint16_t)items[1], rpl, vcpu_long_mode(vcpu) && (cs->attributes & SEG_L),
                                    &ss) ||
        !far_target_ok(vcpu, cs, rip))
        return EXEC_FAULT;
    vcpu->segment[SEG_CS] = *cs;
    vcpu->segment[SEG_SS] = ss;
    vcpu->rip = rip;
    vcpu_set_cpl(vcpu, rpl);
    reg_write(vcpu, REG_RSP, vcpu_stack_size(vcpu), items[0] + release);
    segments_drop_privileged(vcpu);
    return EXEC_JUMP;
}

/* CB; CA also releases imm16 bytes of parameters. */
enum exec_result far_ret(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = far_operand_size(insn), release = insn->opcode == 0xca ? (uint16_t)insn->imm : 0;
    uint64_t items[2];
    struct segment cs;

    if (vcpu_paragraphs(vcpu))
        return far_ret_paragraphs(vcpu, size, release);
    if (!stack_read(vcpu, 0, size, 2, items) || !far_return_segment(vcpu, (uint16_t)items[1], &cs))
        return EXEC_FAULT;
    if ((cs.selector & SELECTOR_RPL) != (int)vcpu->cpl)
        return far_ret_outer(vcpu, size, release, &cs, items[0]);
    if (!far_target_ok(vcpu, &cs, items[0]))
        return EXEC_FAULT;
    stack_adjust(vcpu, 2 * size + release);
    vcpu->segment[SEG_CS] = cs;
    vcpu->rip = items[0];
    return EXEC_JUMP;
}
