/*
 * Delivery of exceptions and interrupts in every mode, double and triple faults, and the INT family of instructions.
 *
 * Invariant: a delivery that fails has changed nothing but accessed bits (and, through a task gate, perhaps the task),
 * so the exception it raised is delivered for the instruction at vcpu->rip. Runs on the vCPU's thread with the guest's
 * vector state live. SDM Vol. 3 "Interrupt and exception handling", "Interrupt 8 - Double fault exception", "Error
 * code", "64-bit mode stack frame", "Class 5 software interrupt handling"; Vol. 2 "INT n/INTO/INT3/INT1", "BOUND".
 */
#include "cpu-model/exec/exec.h"

#include "cpu-model/exec/exec_int.h"
#include "cpu-model/state/trace.h"

enum { ERROR_EXT = 1, ERROR_IDT = 2 };
enum { DR7_GD = 1 << 13 };

/* What is being delivered. */
struct event {
    uint8_t vector;
    bool exception; /* counts for double faults */
    bool software;  /* INT n, INT3, INTO: the gate's DPL is checked */
    bool external;  /* EXT in the error codes of what goes wrong */
    bool has_error;
    uint32_t error_code;
    uint32_t eflags; /* image to be pushed */
    uint64_t rip;
};

/* --- Real mode ---------------------------------------------------------------------------------------------------- */

static bool deliver_real(struct vcpu *vcpu, const struct event *event)
{
    unsigned offset = event->vector * 4;
    struct frame frame;
    uint64_t entry;

    if (offset + 3 > vcpu->idtr.limit)
        return vcpu_fault_code(vcpu, EXC_GP, event->vector * 8u | ERROR_IDT);
    if (!mmu_read(vcpu, lin((uint32_t)(vcpu->idtr.base + offset)), 4, false, &entry))
        return false;
    frame_begin(&frame, vcpu, 2);
    frame_push(&frame, event->eflags);
    frame_push(&frame, vcpu->segment[SEG_CS].selector);
    frame_push(&frame, event->rip);
    if (!frame_commit(vcpu, &frame))
        return false;
    segment_set_real(vcpu, SEG_CS, (uint16_t)(entry >> 16));
    vcpu->rip = entry & 0xffff;
    vcpu->eflags &= ~(uint32_t)(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
    return true;
}

/* --- Gates -------------------------------------------------------------------------------------------------------- */

static bool gate_fault(struct vcpu *vcpu, uint8_t vector, const struct event *event)
{
    return vcpu_fault_code(vcpu, vector, event->vector * 8u | ERROR_IDT);
}

/* Checks common to all gates; `types` are the types allowed, as bits. */
static bool gate_ok(struct vcpu *vcpu, const struct event *event, const struct descriptor *gate, unsigned types)
{
    uint32_t a = descriptor_attributes(gate);
    unsigned type = descriptor_type(gate);

    if (type > 15 || !(types >> type & 1))
        return gate_fault(vcpu, EXC_GP, event);
    if (event->software && attributes_dpl(a) < vcpu->cpl)
        return gate_fault(vcpu, EXC_GP, event);
    return (a & SEG_P) || gate_fault(vcpu, EXC_NP, event);
}

/* The code segment of an interrupt or trap gate. */
static bool handler_segment(struct vcpu *vcpu, uint16_t selector, struct descriptor *code)
{
    uint32_t a;

    if (selector_null(selector))
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    if (!descriptor_read(vcpu, selector, EXC_GP, code))
        return false;
    a = descriptor_attributes(code);
    if (!attributes_code(a) || attributes_dpl(a) > vcpu->cpl)
        return vcpu_fault_code(vcpu, EXC_GP, selector_code(selector));
    if (vcpu_long_mode(vcpu) && (a & (SEG_L | SEG_DB)) != SEG_L)
        return vcpu_fault_code(vcpu, EXC_GP, selector_code(selector));
    return (a & SEG_P) || vcpu_fault_code(vcpu, EXC_NP, selector_code(selector));
}

/* Bit 0 of the type tells a trap gate, which leaves IF, from an interrupt gate. */
static uint32_t cleared_flags(const struct descriptor *gate)
{
    return FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | (descriptor_type(gate) & 1 ? 0 : FLAG_IF);
}

/* --- Long mode ---------------------------------------------------------------------------------------------------- */

static bool deliver_long(struct vcpu *vcpu, const struct event *event)
{
    unsigned offset = event->vector * 16, cpl = vcpu->cpl, ist, count = 0;
    uint64_t image[6], entry[2], rip, sp = vcpu->gpr[REG_RSP];
    struct descriptor gate, code;
    uint16_t selector;

    if (offset + 15 > vcpu->idtr.limit)
        return gate_fault(vcpu, EXC_GP, event);
    if (!mmu_read_bytes(vcpu, lin(vcpu->idtr.base + offset), entry, 16, false))
        return false;
    gate.low = entry[0];
    gate.high = (uint32_t)entry[1];
    if (!gate_ok(vcpu, event, &gate, 1 << SYSTEM_INTERRUPT_GATE32 | 1 << SYSTEM_TRAP_GATE32))
        return false;
    selector = gate_selector(&gate);
    if (!handler_segment(vcpu, selector, &code))
        return false;
    if (!attributes_conforming(descriptor_attributes(&code)))
        cpl = attributes_dpl(descriptor_attributes(&code));
    ist = (unsigned)(gate.low >> 32) & 7;
    if (ist ? !task_stack64(vcpu, 3 + ist, &sp) : cpl < vcpu->cpl && !task_stack64(vcpu, cpl, &sp))
        return false;
    sp &= ~15ull;
    if (!lin_canonical(sp - 1) || !lin_canonical(sp - 48))
        return vcpu_fault_code(vcpu, EXC_SS, 0);
    rip = gate_offset(&gate);
    if (!lin_canonical(rip))
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    if (!descriptor_mark_accessed(vcpu, &code))
        return false;

    if (event->has_error)
        image[count++] = event->error_code;
    image[count++] = event->rip;
    image[count++] = vcpu->segment[SEG_CS].selector;
    image[count++] = event->eflags;
    image[count++] = vcpu->gpr[REG_RSP];
    image[count++] = vcpu->segment[SEG_SS].selector;
    sp -= count * 8;
    if (!mmu_write_bytes(vcpu, lin(sp), image, count * 8, cpl == 3))
        return frame_fault_at_push(vcpu, lin(sp + count * 8), 8, count, cpl == 3);

    segment_from_descriptor(&vcpu->segment[SEG_CS], (uint16_t)((selector & ~SELECTOR_RPL) | cpl), code.low);
    if (cpl < vcpu->cpl) {
        vcpu->segment[SEG_SS] = segment_null_stack(cpl);
        vcpu_set_cpl(vcpu, cpl);
    }
    vcpu->gpr[REG_RSP] = sp;
    vcpu->rip = rip;
    vcpu->eflags &= ~cleared_flags(&gate);
    return true;
}

/* --- Protected mode ----------------------------------------------------------------------------------------------- */

static bool deliver_task(struct vcpu *vcpu, const struct event *event, const struct descriptor *gate)
{
    struct task_switch t = {
        .reason = TASK_INTERRUPT,
        .rip_next = event->rip,
        .eflags = event->eflags,
        .has_error = event->has_error,
        .error_code = event->error_code,
    };

    return task_gate(vcpu, &t, gate);
}

/* What every gate pushes last. */
static void push_return(const struct vcpu *vcpu, const struct event *event, struct frame *frame)
{
    frame_push(frame, event->eflags);
    frame_push(frame, vcpu->segment[SEG_CS].selector);
    frame_push(frame, event->rip);
    if (event->has_error)
        frame_push(frame, event->error_code);
}

static void enter_handler(struct vcpu *vcpu, const struct descriptor *gate, uint16_t selector, unsigned cpl,
                          const struct descriptor *code, const struct frame *frame, uint64_t rip)
{
    segment_from_descriptor(&vcpu->segment[SEG_CS], (uint16_t)((selector & ~SELECTOR_RPL) | cpl), code->low);
    vcpu_set_cpl(vcpu, cpl);
    reg_write(vcpu, REG_RSP, frame->sp_size, frame->sp);
    vcpu->rip = rip;
    vcpu->eflags &= ~cleared_flags(gate);
}

/* To more privilege: the stack comes from the TSS. From virtual-8086 mode the data segments are pushed and emptied. */
static bool deliver_inner(struct vcpu *vcpu, const struct event *event, const struct descriptor *gate,
                          struct descriptor *code, uint64_t rip)
{
    static const uint8_t data_segments[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};
    unsigned dpl = attributes_dpl(descriptor_attributes(code));
    bool v86 = vcpu_v86(vcpu);
    struct segment ss, cs;
    struct frame frame;

    if (v86 && dpl != 0)
        return vcpu_fault_code(vcpu, EXC_GP, selector_code(gate_selector(gate)));
    if (!task_inner_stack(vcpu, dpl, &ss, &frame.sp))
        return false;
    frame.ss = &ss;
    frame.sp_size = ss.attributes & SEG_DB ? 4 : 2;
    frame.item_size = descriptor_type(gate) & SYSTEM_32BIT ? 4 : 2;
    frame.user = false;
    frame.fault_code = (uint16_t)selector_code(ss.selector);
    frame.count = 0;
    if (v86)
        for (unsigned i = 0; i < ARRAY_LEN(data_segments); i++)
            frame_push(&frame, vcpu->segment[data_segments[i]].selector);
    frame_push(&frame, vcpu->segment[SEG_SS].selector);
    frame_push(&frame, vcpu->gpr[REG_RSP]);
    push_return(vcpu, event, &frame);
    segment_from_descriptor(&cs, 0, code->low);
    if (!frame_fits(vcpu, &frame) || !far_target_ok(vcpu, &cs, rip) || !descriptor_mark_accessed(vcpu, code) ||
        !frame_store(vcpu, &frame))
        return false;

    vcpu->segment[SEG_SS] = ss;
    if (v86)
        for (unsigned i = 0; i < ARRAY_LEN(data_segments); i++)
            vcpu->segment[data_segments[i]] = (struct segment){.attributes = SEG_UNUSABLE};
    enter_handler(vcpu, gate, gate_selector(gate), dpl, code, &frame, rip);
    return true;
}

/* At the same privilege, on the current stack. */
static bool deliver_same(struct vcpu *vcpu, const struct event *event, const struct descriptor *gate,
                         struct descriptor *code, uint64_t rip)
{
    struct segment cs;
    struct frame frame;

    if (vcpu_v86(vcpu))
        return vcpu_fault_code(vcpu, EXC_GP, selector_code(gate_selector(gate)));
    frame_begin(&frame, vcpu, descriptor_type(gate) & SYSTEM_32BIT ? 4 : 2);
    push_return(vcpu, event, &frame);
    segment_from_descriptor(&cs, 0, code->low);
    if (!frame_fits(vcpu, &frame) || !far_target_ok(vcpu, &cs, rip) || !descriptor_mark_accessed(vcpu, code) ||
        !frame_store(vcpu, &frame))
        return false;
    enter_handler(vcpu, gate, gate_selector(gate), vcpu->cpl, code, &frame, rip);
    return true;
}

static bool deliver_protected(struct vcpu *vcpu, const struct event *event)
{
    enum {
        TYPES = 1 << SYSTEM_TASK_GATE | 1 << SYSTEM_INTERRUPT_GATE16 | 1 << SYSTEM_TRAP_GATE16 |
                1 << SYSTEM_INTERRUPT_GATE32 | 1 << SYSTEM_TRAP_GATE32
    };
    unsigned offset = event->vector * 8;
    struct descriptor gate = {0}, code;
    uint64_t rip;
    uint32_t a;

    if (offset + 7 > vcpu->idtr.limit)
        return gate_fault(vcpu, EXC_GP, event);
    if (!mmu_read(vcpu, lin((uint32_t)(vcpu->idtr.base + offset)), 8, false, &gate.low))
        return false;
    if (!gate_ok(vcpu, event, &gate, TYPES))
        return false;
    if (descriptor_type(&gate) == SYSTEM_TASK_GATE)
        return deliver_task(vcpu, event, &gate);
    if (!handler_segment(vcpu, gate_selector(&gate), &code))
        return false;
    rip = gate_offset(&gate);
    if (!(descriptor_type(&gate) & SYSTEM_32BIT))
        rip &= 0xffff;
    a = descriptor_attributes(&code);
    if (!attributes_conforming(a) && attributes_dpl(a) < vcpu->cpl)
        return deliver_inner(vcpu, event, &gate, &code, rip);
    return deliver_same(vcpu, event, &gate, &code, rip);
}

/* --- One delivery, and what follows when it fails ----------------------------------------------------------------- */

static bool deliver(struct vcpu *vcpu, const struct event *event)
{
    struct exception *e = &vcpu->exception;
    bool done;

    if (vcpu_long_mode(vcpu))
        done = deliver_long(vcpu, event);
    else if (vcpu_real(vcpu))
        done = deliver_real(vcpu, event);
    else
        done = deliver_protected(vcpu, event);
    if (!done && event->external && e->vector >= EXC_TS && e->vector <= EXC_GP)
        e->error_code |= ERROR_EXT;
    return done;
}

enum exception_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT };

static enum exception_class exception_class(uint8_t vector)
{
    switch (vector) {
    case EXC_DE:
    case EXC_TS:
    case EXC_NP:
    case EXC_SS:
    case EXC_GP:
        return CLASS_CONTRIBUTORY;
    case EXC_PF:
        return CLASS_PAGE_FAULT;
    default:
        return CLASS_BENIGN;
    }
}

/* Faults push RF = 1, so that an instruction breakpoint does not hit again; #DB decides by itself (RF = 0 here). */
static bool pushes_rf(uint8_t vector)
{
    switch (vector) {
    case EXC_DB:
    case EXC_NMI:
    case EXC_BP:
    case EXC_OF:
    case EXC_DF:
    case EXC_MC:
        return false;
    default:
        return true;
    }
}

/* The event for vcpu->exception, with its side effects on CR2, DR6 and DR7. */
static struct event event_from_exception(struct vcpu *vcpu)
{
    const struct exception *e = &vcpu->exception;
    struct event event = {
        .vector = e->vector,
        .exception = true,
        .external = true,
        .has_error = e->has_error_code,
        .error_code = e->error_code,
        .eflags = vcpu_eflags(vcpu) | (pushes_rf(e->vector) ? FLAG_RF : 0),
        .rip = vcpu->rip,
    };

    if (e->vector == EXC_PF) {
        vcpu->cr2 = e->cr2;
    } else if (e->vector == EXC_DB) {
        vcpu->dr[6] |= e->dr6;
        vcpu->dr[7] &= ~(uint64_t)DR7_GD;
    }
    return event;
}

/* Replaces an event whose delivery raised vcpu->exception by what comes next. False: shutdown. */
static bool event_after_fault(struct vcpu *vcpu, struct event *event)
{
    enum exception_class first = event->exception ? exception_class(event->vector) : CLASS_BENIGN;
    enum exception_class second = exception_class(vcpu->exception.vector);
    bool double_fault = event->exception && event->vector == EXC_DF;

    if (double_fault && second != CLASS_BENIGN)
        return false;
    if ((first == CLASS_CONTRIBUTORY && second == CLASS_CONTRIBUTORY) ||
        (first == CLASS_PAGE_FAULT && second != CLASS_BENIGN)) {
        if (vcpu->exception.vector == EXC_PF)
            vcpu->cr2 = vcpu->exception.cr2;
        vcpu_fault_code(vcpu, EXC_DF, 0);
    }
    *event = event_from_exception(vcpu);
    return true;
}

/* Benign exceptions that raise each other for ever (#AC on a CPL 3 handler's stack) hang a processor. */
enum { NESTING_MAX = 16 };

static const char *const kind_names[] = {
    [INTERRUPT_EXTERNAL] = "interrupt", [INTERRUPT_NMI] = "NMI",    [INTERRUPT_EXCEPTION] = "exception",
    [INTERRUPT_SOFTWARE] = "INT",       [INTERRUPT_ICEBP] = "INT1",
};

enum exec_result interrupt_deliver(struct vcpu *vcpu, enum interrupt_kind kind, uint8_t vector, uint64_t rip_next)
{
    struct exception first = vcpu->exception; /* for reports: what a shutdown began with */
    struct event event;

    vcpu->deliveries++;
    trace(vcpu, LOG_INT, "%s %02x error %x cr2 %llx at %04x:%llx cpl %u", kind_names[kind], vector,
          kind == INTERRUPT_EXCEPTION ? vcpu->exception.error_code : 0,
          kind == INTERRUPT_EXCEPTION ? (unsigned long long)vcpu->exception.cr2 : 0, vcpu->segment[SEG_CS].selector,
          (unsigned long long)vcpu->rip, vcpu->cpl);
    if (kind == INTERRUPT_SOFTWARE || kind == INTERRUPT_ICEBP) {
        event = (struct event){.vector = vector, .software = kind == INTERRUPT_SOFTWARE};
        event.external = kind == INTERRUPT_ICEBP;
        event.exception = false;
        event.eflags = vcpu_eflags(vcpu) & ~(uint32_t)FLAG_RF; /* the instruction completes */
        event.rip = rip_next;
        if (kind == INTERRUPT_ICEBP)
            vcpu->dr[7] &= ~(uint64_t)DR7_GD;
    } else {
        vcpu->rip = rip_next;
        if (kind == INTERRUPT_EXCEPTION)
            event = event_from_exception(vcpu);
        else
            event = (struct event){.vector = vector, .external = true, .eflags = vcpu_eflags(vcpu), .rip = rip_next};
    }
    vcpu->interrupt_shadow = vcpu->debug_shadow = false;
    vcpu->halted = false;
    for (unsigned i = 0; i < NESTING_MAX; i++) {
        if (deliver(vcpu, &event)) {
            if (kind == INTERRUPT_NMI)
                vcpu->nmi_blocked = true;
            return EXEC_JUMP;
        }
        if (i == 0 && kind != INTERRUPT_EXCEPTION)
            first = vcpu->exception;
        if (!event_after_fault(vcpu, &event))
            break;
    }
    vcpu->exception = first;
    return EXEC_SHUTDOWN;
}

enum exec_result exception_deliver(struct vcpu *vcpu)
{
    return interrupt_deliver(vcpu, INTERRUPT_EXCEPTION, vcpu->exception.vector, vcpu->rip);
}

/* --- INT n and its kin -------------------------------------------------------------------------------------------- */

/* V86 mode with CR4.VME: a clear bit in the TSS's bitmap sends INT n to the 8086 program's own handler. */
static bool v86_redirected(struct vcpu *vcpu, uint8_t vector, bool *redirected)
{
    const struct segment *tr = &vcpu->segment[SEG_TR];
    uint64_t io_base, bits, at;

    if (!(tr->attributes & SYSTEM_32BIT) || tr->limit < 0x67)
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    if (!mmu_read(vcpu, lin((uint32_t)(tr->base + 0x66)), 2, false, &io_base))
        return false;
    at = io_base + vector / 8; /* the bitmap's 32 bytes end where the I/O bitmap begins */
    if (at < 32 || at - 32 > tr->limit)
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    if (!mmu_read(vcpu, lin((uint32_t)(tr->base + at - 32)), 1, false, &bits))
        return false;
    *redirected = !(bits >> vector % 8 & 1);
    return true;
}

/* An interrupt that stays inside virtual-8086 mode. */
static enum exec_result v86_interrupt(struct vcpu *vcpu, uint8_t vector, uint64_t rip_next)
{
    uint32_t flags = vcpu_eflags(vcpu), iopl3 = vcpu_iopl(vcpu) == 3;
    struct frame frame;
    uint64_t entry;

    if (!mmu_read(vcpu, lin(vector * 4u), 4, false, &entry))
        return EXEC_FAULT;
    if (!iopl3)
        flags = (flags & ~(uint32_t)FLAG_IF) | FLAG_IOPL | (flags & FLAG_VIF ? FLAG_IF : 0);
    frame_begin(&frame, vcpu, 2);
    frame_push(&frame, flags);
    frame_push(&frame, vcpu->segment[SEG_CS].selector);
    frame_push(&frame, rip_next);
    if (!frame_commit(vcpu, &frame))
        return EXEC_FAULT;
    segment_set_real(vcpu, SEG_CS, (uint16_t)(entry >> 16));
    vcpu->rip = entry & 0xffff;
    vcpu->eflags &= ~(uint32_t)(FLAG_TF | FLAG_RF | (iopl3 ? FLAG_IF : FLAG_VIF));
    vcpu->interrupt_shadow = vcpu->debug_shadow = false;
    return EXEC_JUMP;
}

enum exec_result interrupt_software(struct vcpu *vcpu, const struct insn *insn, uint8_t vector)
{
    uint64_t rip_next = rip_after(vcpu, insn);
    bool redirected = false;

    if (vcpu_v86(vcpu) && insn->opcode == 0xcd) { /* INT3 and INTO ask neither IOPL nor the bitmap */
        if ((vcpu->cr4 & CR4_VME) && !v86_redirected(vcpu, vector, &redirected))
            return EXEC_FAULT;
        if (redirected)
            return v86_interrupt(vcpu, vector, rip_next);
        if (vcpu_iopl(vcpu) < 3)
            return exec_fault_code(vcpu, EXC_GP, 0);
    }
    return interrupt_deliver(vcpu, INTERRUPT_SOFTWARE, vector, rip_next);
}

enum exec_result exec_int(struct vcpu *vcpu, const struct insn *insn)
{
    return interrupt_software(vcpu, insn, (uint8_t)insn->imm);
}

enum exec_result exec_int3(struct vcpu *vcpu, const struct insn *insn)
{
    return interrupt_software(vcpu, insn, EXC_BP);
}

enum exec_result exec_into(struct vcpu *vcpu, const struct insn *insn)
{
    return vcpu->flags & FLAG_OF ? interrupt_software(vcpu, insn, EXC_OF) : EXEC_NEXT;
}

enum exec_result exec_int1(struct vcpu *vcpu, const struct insn *insn)
{
    return interrupt_deliver(vcpu, INTERRUPT_ICEBP, EXC_DB, rip_after(vcpu, insn));
}

/* BOUND r, m: two signed bounds in memory. #BR is a fault. */
enum exec_result exec_bound(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = insn->operand_size;
    uint64_t at = insn_offset(vcpu, insn), low, high;
    int64_t index = (int64_t)sign_extend(reg_read(vcpu, insn->reg, size), size);

    if (!insn->mem.present)
        return exec_fault(vcpu, EXC_UD);
    if (!seg_read(vcpu, insn->mem.segment, at, size, &low) ||
        !seg_read(vcpu, insn->mem.segment, zero_extend(at + size, insn->address_size), size, &high))
        return EXEC_FAULT;
    if (index < (int64_t)sign_extend(low, size) || index > (int64_t)sign_extend(high, size))
        return exec_fault(vcpu, EXC_BR);
    return EXEC_NEXT;
}
