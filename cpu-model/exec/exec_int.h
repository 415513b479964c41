/*
 * What the control transfer and segmentation files share: descriptors, frames on stacks, far transfers, task switches.
 *
 * Functions that return bool have, on false, raised vcpu->exception and changed no register. Source: SDM Vol. 3
 * "Segment descriptors", "Protection", "Task management", Vol. 2 pseudo code of the instructions.
 */
#ifndef RING3_EXEC_EXEC_INT_H
#define RING3_EXEC_EXEC_INT_H

#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/rules.h"

/* Types of system descriptors (S = 0). */
enum {
    SYSTEM_TSS16 = 1,
    SYSTEM_LDT = 2,
    SYSTEM_TSS_BUSY = 2, /* this bit of the type of a TSS */
    SYSTEM_CALL_GATE16 = 4,
    SYSTEM_TASK_GATE = 5,
    SYSTEM_INTERRUPT_GATE16 = 6,
    SYSTEM_TRAP_GATE16 = 7,
    SYSTEM_TSS32 = 9, /* long mode: 64-bit TSS */
    SYSTEM_CALL_GATE32 = 12,
    SYSTEM_INTERRUPT_GATE32 = 14,
    SYSTEM_TRAP_GATE32 = 15,
    SYSTEM_32BIT = 8, /* this bit of the type of a TSS or gate */
};

enum { SELECTOR_RPL = 3, SELECTOR_TI = 4, SELECTOR_INDEX = 0xfff8 };

/* Attributes of flat segments as SYSCALL and its kin set them. */
enum {
    ATTRIBUTES_CODE64 = SEG_G | SEG_L | SEG_P | SEG_S | SEG_TYPE_CODE | SEG_TYPE_READABLE | SEG_TYPE_ACCESSED,
    ATTRIBUTES_CODE32 = SEG_G | SEG_DB | SEG_P | SEG_S | SEG_TYPE_CODE | SEG_TYPE_READABLE | SEG_TYPE_ACCESSED,
    ATTRIBUTES_DATA32 = SEG_G | SEG_DB | SEG_P | SEG_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED,
};

static inline enum exec_result exec_fault(struct vcpu *vcpu, uint8_t vector)
{
    vcpu_fault(vcpu, vector);
    return EXEC_FAULT;
}

static inline enum exec_result exec_fault_code(struct vcpu *vcpu, uint8_t vector, uint32_t error_code)
{
    vcpu_fault_code(vcpu, vector, error_code);
    return EXEC_FAULT;
}

/* The selector as an error code: RPL bits replaced by EXT = IDT = 0. */
static inline uint32_t selector_code(uint16_t selector)
{
    return selector & ~(uint32_t)SELECTOR_RPL;
}

static inline bool selector_null(uint16_t selector)
{
    return !(selector & ~SELECTOR_RPL);
}

static inline unsigned attributes_dpl(uint32_t attributes)
{
    return (attributes & SEG_DPL) >> SEG_DPL_SHIFT;
}

static inline bool attributes_code(uint32_t attributes)
{
    return (attributes & (SEG_S | SEG_TYPE_CODE)) == (SEG_S | SEG_TYPE_CODE);
}

static inline bool attributes_conforming(uint32_t attributes) /* of code */
{
    return attributes & SEG_TYPE_CONFORMING;
}

static inline bool attributes_writable(uint32_t attributes)
{
    return (attributes & (SEG_S | SEG_TYPE_CODE | SEG_TYPE_WRITABLE)) == (SEG_S | SEG_TYPE_WRITABLE);
}

/* Data, or code that may be read. */
static inline bool attributes_readable(uint32_t attributes)
{
    return (attributes & SEG_S) && (attributes & (SEG_TYPE_CODE | SEG_TYPE_READABLE)) != SEG_TYPE_CODE;
}

static inline bool vcpu_real(const struct vcpu *vcpu)
{
    return !(vcpu->cr0 & CR0_PE);
}

/* Real or virtual-8086 mode: selectors are paragraphs. */
static inline bool vcpu_paragraphs(const struct vcpu *vcpu)
{
    return vcpu_real(vcpu) || vcpu_v86(vcpu);
}

/* --- segment.c: descriptors --------------------------------------------------------------------------------------- */

struct descriptor {
    uint64_t low, high; /* high: the second half of the 16-byte forms, 0 if not read */
    lin_t at;
};

static inline uint32_t descriptor_attributes(const struct descriptor *d)
{
    return (uint32_t)(d->low >> 40) & 0xf0ff;
}

static inline unsigned descriptor_type(const struct descriptor *d)
{
    return (unsigned)(d->low >> 40) & 0x1f; /* S included: system descriptors are below 16 */
}

static inline uint32_t descriptor_limit(uint64_t low)
{
    uint32_t limit = (uint32_t)((low & 0xffff) | (low >> 32 & 0xf0000));
    return low & BIT(55) ? limit << 12 | 0xfff : limit;
}

/* The offset in a call, interrupt or trap gate; with the second half read, a 64-bit one. */
static inline uint64_t gate_offset(const struct descriptor *d)
{
    return (d->low & 0xffff) | (d->low >> 32 & 0xffff0000) | d->high << 32;
}

static inline uint16_t gate_selector(const struct descriptor *d)
{
    return (uint16_t)(d->low >> 16);
}

enum descriptor_result { DESCRIPTOR_OK, DESCRIPTOR_OUTSIDE, DESCRIPTOR_FAULT };

/* Reads the 8 bytes that the selector names; OUTSIDE: beyond the table's limit, nothing raised. */
enum descriptor_result descriptor_find(struct vcpu *vcpu, uint16_t selector, struct descriptor *d);
/* The same; outside the table is `vector` with the selector as its error code. */
bool descriptor_read(struct vcpu *vcpu, uint16_t selector, uint8_t vector, struct descriptor *d);
/* Reads the second half of a 16-byte descriptor; beyond the limit, or with a nonzero type there: vector(selector). */
bool descriptor_read_high(struct vcpu *vcpu, uint16_t selector, uint8_t vector, struct descriptor *d);
/* Sets the accessed bit of a code or data segment, in the table and in *d. */
bool descriptor_mark_accessed(struct vcpu *vcpu, struct descriptor *d);
/* Sets or clears the busy bit of a TSS descriptor in the table. */
bool descriptor_mark_busy(struct vcpu *vcpu, lin_t at, bool busy);

/*
 * Loads a segment register in protected mode from a selector that is not null, with the checks of MOV and of task
 * switches: selector and rights faults are `vector` (#GP or #TS) with the selector; absent segments are #NP, #SS for
 * the stack. CS: of a new task, whose CPL is the RPL.
 */
bool segment_load_data(struct vcpu *vcpu, unsigned segment, uint16_t selector, uint8_t vector);
bool segment_load_code(struct vcpu *vcpu, uint16_t selector, uint8_t vector);
/* The same for a stack of a privilege level, its DPL and the RPL; *ss gets the cache. */
bool segment_read_stack(struct vcpu *vcpu, uint16_t selector, unsigned level, uint8_t vector, struct segment *ss);

/* A segment register that holds a null selector; what stays in the cache differs between the vendors. */
void segment_set_null(struct vcpu *vcpu, unsigned segment, uint16_t selector);
/* Outer return: data segments that the new CPL may not use become null. */
void segments_drop_privileged(struct vcpu *vcpu);

/* Sets a flat segment's cache without looking at a table. */
static inline void segment_set_flat(struct segment *segment, uint16_t selector, uint32_t attributes)
{
    *segment = (struct segment){.limit = 0xffffffff, .attributes = attributes, .selector = selector};
}

/* A null SS as long mode has it: only its DPL means something. */
static inline struct segment segment_null_stack(unsigned rpl)
{
    return (struct segment){.attributes = SEG_UNUSABLE | rpl << SEG_DPL_SHIFT | SEG_DB | SEG_S | SEG_TYPE_WRITABLE |
                                          SEG_TYPE_ACCESSED,
                            .selector = (uint16_t)rpl};
}

/* A stack segment for a return to `rpl` (RET, IRET): SS checks with #GP; *ss gets the cache. Null only where long mode
 * allows it, which depends on the new code segment being a 64-bit one. */
bool segment_check_return_stack(struct vcpu *vcpu, uint16_t selector, unsigned rpl, bool code64, struct segment *ss);

/* --- memory.c: frames --------------------------------------------------------------------------------------------- */

/* Is [offset, offset + size) inside the segment (outside 64-bit mode)? */
bool segment_holds(const struct segment *segment, uint64_t offset, uint64_t size);

enum { FRAME_MAX = 36 };

/* Items to be pushed in one go on a stack that need not be the current one. */
struct frame {
    const struct segment *ss;
    uint64_t sp;         /* before the pushes; frame_store() leaves it at the new top */
    uint8_t sp_size;     /* width of the stack pointer: 2, 4, 8; 8 is a flat 64-bit stack */
    uint8_t item_size;   /* 2, 4, 8 */
    bool user;           /* rights of the stores */
    uint16_t fault_code; /* of #SS when there is no room */
    uint8_t count;
    uint64_t item[FRAME_MAX]; /* in the order of the pushes */
};

static inline void frame_push(struct frame *frame, uint64_t value)
{
    frame->item[frame->count++] = value;
}

/* A frame on the current stack. */
void frame_begin(struct frame *frame, const struct vcpu *vcpu, unsigned item_size);
/* Room for all items by segmentation, else #SS(fault_code). */
bool frame_fits(struct vcpu *vcpu, const struct frame *frame);
/* Checks and stores all items; the caller then commits frame->sp. */
bool frame_store(struct vcpu *vcpu, struct frame *frame);
/* Both, on the current stack. */
bool frame_commit(struct vcpu *vcpu, struct frame *frame);
/* After the store of a whole frame below `top` faulted: raises the #PF of its first push that fails. Returns false. */
bool frame_fault_at_push(struct vcpu *vcpu, lin_t top, unsigned item_size, unsigned count, bool user);

/* Reads `count` items upwards from eSP + displacement on the current stack, without moving eSP. */
bool stack_read(struct vcpu *vcpu, uint64_t displacement, unsigned item_size, unsigned count, uint64_t *items);

/* --- far.c -------------------------------------------------------------------------------------------------------- */

/* Operand size of far branches and returns: in 64-bit mode it is 4 unless prefixes say otherwise. */
static inline unsigned far_operand_size(const struct insn *insn)
{
    if (insn->code_size != 8)
        return insn->operand_size;
    return insn->rex & 8 ? 8 : insn->opsize_prefix ? 2 : 4;
}

enum exec_result far_call(struct vcpu *vcpu, const struct insn *insn);
enum exec_result far_jmp(struct vcpu *vcpu, const struct insn *insn);
enum exec_result far_ret(struct vcpu *vcpu, const struct insn *insn);

/* A branch target in a code segment with these attributes and limit: #GP(0) if outside or not canonical. */
bool far_target_ok(struct vcpu *vcpu, const struct segment *cs, uint64_t rip);

/* The code segment that a return (RET, IRET) goes to: all checks; accessed bit set; *cs gets the cache. */
bool far_return_segment(struct vcpu *vcpu, uint16_t selector, struct segment *cs);

/* --- task.c ------------------------------------------------------------------------------------------------------- */

enum task_reason { TASK_JMP, TASK_CALL, TASK_IRET, TASK_INTERRUPT };

/*
 * Switches to the task of a TSS selector; rip_next and eflags are what the old task resumes with. has_error: the error
 * code is pushed on the new stack. False: an exception, raised in the old task (nothing changed) or, after the point of
 * no return, in the new one (vcpu->rip is then the new task's; a T bit's #DB comes this way too).
 */
struct task_switch {
    enum task_reason reason;
    uint16_t selector;
    uint64_t rip_next;
    uint32_t eflags;
    bool has_error;
    uint32_t error_code;
};
bool task_switch(struct vcpu *vcpu, const struct task_switch *t);

/* Through a task gate: checks of the TSS selector in it are #GP, then as task_switch(). */
bool task_gate(struct vcpu *vcpu, struct task_switch *t, const struct descriptor *gate);

/* The stack of an inner privilege level, from a 16- or 32-bit TSS: #TS, #NP, #SS as the SDM says. */
bool task_inner_stack(struct vcpu *vcpu, unsigned dpl, struct segment *ss, uint64_t *sp);
/* Stack pointer from a 64-bit TSS: slot 0..2 RSPn, 4..10 IST1..7 (as 3 + IST). */
bool task_stack64(struct vcpu *vcpu, unsigned slot, uint64_t *sp);

#endif
