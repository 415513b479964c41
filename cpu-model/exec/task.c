/*
 * Hardware task switches, and the stacks that the task state segment holds for inner privilege levels.
 *
 * Invariant: everything that can fault in the old task (TSS reads, room to save, busy bits) is read or probed before
 * the first store; what is checked afterwards faults in the new task, with vcpu->rip at its first instruction. Runs on
 * the vCPU's thread with the guest's vector state live. SDM Vol. 3 "Task management", "Task switching", "Exception
 * conditions checked during a task switch".
 */
#include "cpu-model/exec/exec.h"

#include "cpu-model/exec/exec_int.h"

/* The 32-bit TSS; in brackets the 16-bit one. */
enum {
    TSS32_CR3 = 0x1c,
    TSS32_EIP = 0x20, /* EIP, EFLAGS, eight registers, six selectors, LDT: a dword each */
    TSS32_SELECTORS = 0x48,
    TSS32_LDT = 0x60,
    TSS32_TRAP = 0x64,
    TSS32_SAVED = 0x60 - TSS32_EIP,
    TSS32_SIZE = 0x68,
    TSS16_IP = 0x0e, /* IP, FLAGS, eight registers, ES, CS, SS, DS, LDT: a word each */
    TSS16_SELECTORS = 0x22,
    TSS16_LDT = 0x2a,
    TSS16_SAVED = TSS16_LDT - TSS16_IP,
    TSS16_SIZE = 0x2c,
};

enum { DR7_LOCAL = 0x155 };

static bool tss_fault(struct vcpu *vcpu, uint16_t selector)
{
    return vcpu_fault_code(vcpu, EXC_TS, selector_code(selector));
}

/* A stack segment that a TSS names. */
static bool read_stack(struct vcpu *vcpu, uint16_t selector, unsigned level, struct segment *ss)
{
    return selector_null(selector) ? tss_fault(vcpu, 0) : segment_read_stack(vcpu, selector, level, EXC_TS, ss);
}

static lin_t tss_linear(const struct vcpu *vcpu, const struct segment *tss, uint64_t offset)
{
    return lin(vcpu_long_mode(vcpu) ? tss->base + offset : (uint32_t)(tss->base + offset));
}

/* --- Stacks for inner levels -------------------------------------------------------------------------------------- */

bool task_stack64(struct vcpu *vcpu, unsigned slot, uint64_t *sp)
{
    const struct segment *tr = &vcpu->segment[SEG_TR];
    unsigned offset = 4 + slot * 8;

    if (offset + 7 > tr->limit)
        return tss_fault(vcpu, tr->selector);
    return mmu_read(vcpu, tss_linear(vcpu, tr, offset), 8, false, sp);
}

bool task_inner_stack(struct vcpu *vcpu, unsigned dpl, struct segment *ss, uint64_t *sp)
{
    const struct segment *tr = &vcpu->segment[SEG_TR];
    unsigned size = tr->attributes & SYSTEM_32BIT ? 4 : 2, offset = size == 4 ? dpl * 8 + 4 : dpl * 4 + 2;
    uint64_t value;

    if (offset + size + 1 > tr->limit)
        return tss_fault(vcpu, tr->selector);
    if (!mmu_read(vcpu, tss_linear(vcpu, tr, offset), size, false, sp) ||
        !mmu_read(vcpu, tss_linear(vcpu, tr, offset + size), 2, false, &value))
        return false;
    return read_stack(vcpu, (uint16_t)value, dpl, ss);
}

/* --- The switch --------------------------------------------------------------------------------------------------- */

/* A task state, 16-bit ones widened. Order of registers and selectors as in both TSS formats and in enum gpr. */
struct task_image {
    bool wide; /* 32-bit TSS */
    bool trap;
    uint32_t cr3, eip, eflags;
    uint32_t gpr[8];
    uint16_t selector[SEG_COUNT];
    uint16_t ldt;
};

static uint32_t get(const uint32_t *image, unsigned offset, unsigned size)
{
    uint32_t value = image[offset / 4] >> offset % 4 * 8; /* fields are aligned to their size */

    return (uint32_t)zero_extend(value, size);
}

static bool read_image(struct vcpu *vcpu, const struct segment *tss, struct task_image *out)
{
    uint32_t image[TSS32_SIZE / 4];
    bool wide = tss->attributes & SYSTEM_32BIT;
    unsigned size = wide ? 4 : 2, first = wide ? TSS32_EIP : TSS16_IP;
    unsigned selectors = wide ? TSS32_SELECTORS : TSS16_SELECTORS;

    if (!mmu_read_bytes(vcpu, tss_linear(vcpu, tss, 0), image, wide ? TSS32_SIZE : TSS16_SIZE, false))
        return false;
    out->wide = wide;
    out->trap = wide && (image[TSS32_TRAP / 4] & 1);
    out->cr3 = wide ? image[TSS32_CR3 / 4] : 0;
    out->eip = get(image, first, size);
    out->eflags = get(image, first + size, size);
    for (unsigned i = 0; i < 8; i++)
        out->gpr[i] = get(image, first + (2 + i) * size, size) | (wide ? 0 : 0xffff0000);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        out->selector[i] = wide || i < SEG_FS ? (uint16_t)get(image, selectors + i * size, 2) : 0;
    out->ldt = (uint16_t)get(image, wide ? TSS32_LDT : TSS16_LDT, 2);
    return true;
}

/* The new task's TSS descriptor, checked: *tss gets the cache. */
static bool open_tss(struct vcpu *vcpu, const struct task_switch *t, struct descriptor *d, struct segment *tss)
{
    uint8_t vector = t->reason == TASK_IRET ? EXC_TS : EXC_GP;
    unsigned type;

    if ((t->selector & SELECTOR_TI) || selector_null(t->selector))
        return vcpu_fault_code(vcpu, vector, selector_code(t->selector));
    if (!descriptor_read(vcpu, t->selector, vector, d))
        return false;
    type = descriptor_type(d);
    if ((type & ~(unsigned)(SYSTEM_32BIT | SYSTEM_TSS_BUSY)) != SYSTEM_TSS16 ||
        !(type & SYSTEM_TSS_BUSY) != (t->reason != TASK_IRET))
        return vcpu_fault_code(vcpu, vector, selector_code(t->selector));
    if (!(descriptor_attributes(d) & SEG_P))
        return vcpu_fault_code(vcpu, EXC_NP, selector_code(t->selector));
    segment_from_descriptor(tss, t->selector, d->low);
    if (tss->limit < (type & SYSTEM_32BIT ? TSS32_SIZE : TSS16_SIZE) - 1u)
        return tss_fault(vcpu, t->selector);
    return true;
}

/* Where the current task's TSS descriptor is, for its busy bit. */
static lin_t current_descriptor(const struct vcpu *vcpu)
{
    return lin((uint32_t)(vcpu->gdtr.base + (vcpu->segment[SEG_TR].selector & SELECTOR_INDEX)));
}

/* Will all stores of the switch succeed? */
static bool probe_stores(struct vcpu *vcpu, const struct task_switch *t, const struct descriptor *d,
                         const struct segment *tss)
{
    const struct segment *tr = &vcpu->segment[SEG_TR];
    bool wide = tr->attributes & SYSTEM_32BIT;
    unsigned first = wide ? TSS32_EIP : TSS16_IP, saved = wide ? TSS32_SAVED : TSS16_SAVED;
    bool leaves = t->reason == TASK_JMP || t->reason == TASK_IRET;

    if (first + saved - 1 > tr->limit)
        return tss_fault(vcpu, tr->selector);
    if (!mmu_probe(vcpu, tss_linear(vcpu, tr, first), saved, ACCESS_WRITE, false))
        return false;
    if (leaves && !mmu_probe(vcpu, lin(current_descriptor(vcpu).v + 5), 1, ACCESS_WRITE, false))
        return false;
    if (!leaves && !mmu_probe(vcpu, tss_linear(vcpu, tss, 0), 2, ACCESS_WRITE, false))
        return false;
    return t->reason == TASK_IRET || mmu_probe(vcpu, lin(d->at.v + 5), 1, ACCESS_WRITE, false);
}

static bool save_state(struct vcpu *vcpu, uint64_t rip, uint32_t eflags)
{
    const struct segment *tr = &vcpu->segment[SEG_TR];
    bool wide = tr->attributes & SYSTEM_32BIT;
    unsigned size = wide ? 4 : 2, first = wide ? TSS32_EIP : TSS16_IP;
    unsigned selectors = wide ? TSS32_SELECTORS : TSS16_SELECTORS, count = wide ? SEG_COUNT : SEG_FS;

    if (!mmu_write(vcpu, tss_linear(vcpu, tr, first), size, false, zero_extend(rip, size)) ||
        !mmu_write(vcpu, tss_linear(vcpu, tr, first + size), size, false, zero_extend(eflags, size)))
        return false;
    for (unsigned i = 0; i < 8; i++)
        if (!mmu_write(vcpu, tss_linear(vcpu, tr, first + (2 + i) * size), size, false,
                       zero_extend(vcpu->gpr[i], size)))
            return false;
    for (unsigned i = 0; i < count; i++)
        if (!mmu_write(vcpu, tss_linear(vcpu, tr, selectors + i * size), 2, false, vcpu->segment[i].selector))
            return false;
    return true;
}

static bool load_ldt(struct vcpu *vcpu, uint16_t selector)
{
    struct descriptor d;

    if (selector_null(selector))
        return true;
    if (selector & SELECTOR_TI)
        return tss_fault(vcpu, selector);
    if (!descriptor_read(vcpu, selector, EXC_TS, &d))
        return false;
    if (descriptor_type(&d) != SYSTEM_LDT || !(descriptor_attributes(&d) & SEG_P))
        return tss_fault(vcpu, selector);
    segment_from_descriptor(&vcpu->segment[SEG_LDTR], selector, d.low);
    return true;
}

/* CS and SS of the new task: not null. */
static bool load_code(struct vcpu *vcpu, uint16_t selector)
{
    return selector_null(selector) ? tss_fault(vcpu, 0) : segment_load_code(vcpu, selector, EXC_TS);
}

static bool load_stack(struct vcpu *vcpu, uint16_t selector)
{
    return read_stack(vcpu, selector, vcpu->cpl, &vcpu->segment[SEG_SS]);
}

static bool load_data(struct vcpu *vcpu, unsigned segment, uint16_t selector)
{
    return selector_null(selector) || segment_load_data(vcpu, segment, selector, EXC_TS);
}

/* Registers and bare selectors of the new task; the descriptor caches are filled after it. */
static void load_registers(struct vcpu *vcpu, const struct task_image *image, bool nested)
{
    for (unsigned i = 0; i < 8; i++)
        vcpu->gpr[i] = image->gpr[i];
    vcpu->rip = image->eip;
    vcpu_set_eflags(vcpu, image->eflags | (nested ? FLAG_NT : 0));
    for (unsigned i = 0; i < SEG_COUNT; i++)
        vcpu->segment[i] = (struct segment){.attributes = SEG_UNUSABLE, .selector = image->selector[i]};
    vcpu->segment[SEG_LDTR] = (struct segment){.attributes = SEG_UNUSABLE, .selector = image->ldt};
    vcpu->cr0 |= CR0_TS;
    vcpu->dr[7] &= ~(uint64_t)DR7_LOCAL;
    vcpu_set_cpl(vcpu, vcpu_v86(vcpu) ? 3 : image->selector[SEG_CS] & SELECTOR_RPL);
}

static bool load_root(struct vcpu *vcpu, const struct task_image *image)
{
    if (!image->wide || !(vcpu->cr0 & CR0_PG))
        return true;
    if ((vcpu->cr4 & CR4_PAE) && !mmu_load_pdptes(vcpu, image->cr3))
        return false;
    vcpu->cr3 = image->cr3;
    mmu_set_root(vcpu, false);
    return true;
}

static bool load_segments(struct vcpu *vcpu, const struct task_image *image)
{
    if (!load_ldt(vcpu, image->ldt))
        return false;
    if (vcpu_v86(vcpu)) {
        for (unsigned i = 0; i < SEG_COUNT; i++)
            segment_set_real(vcpu, i, image->selector[i]);
    } else if (!load_code(vcpu, image->selector[SEG_CS]) || !load_stack(vcpu, image->selector[SEG_SS]) ||
               !load_data(vcpu, SEG_DS, image->selector[SEG_DS]) || !load_data(vcpu, SEG_ES, image->selector[SEG_ES]) ||
               !load_data(vcpu, SEG_FS, image->selector[SEG_FS]) || !load_data(vcpu, SEG_GS, image->selector[SEG_GS])) {
        return false;
    }
    return far_target_ok(vcpu, &vcpu->segment[SEG_CS], vcpu->rip);
}

static bool push_error_code(struct vcpu *vcpu, bool wide, uint32_t error_code)
{
    struct frame frame;

    frame_begin(&frame, vcpu, wide ? 4 : 2);
    frame_push(&frame, error_code);
    return frame_commit(vcpu, &frame);
}

bool task_switch(struct vcpu *vcpu, const struct task_switch *t)
{
    bool nests = t->reason == TASK_CALL || t->reason == TASK_INTERRUPT;
    uint16_t old = vcpu->segment[SEG_TR].selector;
    struct task_image image;
    struct descriptor d;
    struct segment tss;

    if (!open_tss(vcpu, t, &d, &tss) || !read_image(vcpu, &tss, &image) || !probe_stores(vcpu, t, &d, &tss))
        return false;

    if (!nests && !descriptor_mark_busy(vcpu, current_descriptor(vcpu), false))
        return false;
    if (!save_state(vcpu, t->rip_next, t->reason == TASK_IRET ? t->eflags & ~(uint32_t)FLAG_NT : t->eflags))
        return false;
    if (nests && !mmu_write(vcpu, tss_linear(vcpu, &tss, 0), 2, false, old))
        return false;
    if (t->reason != TASK_IRET && !descriptor_mark_busy(vcpu, d.at, true))
        return false;

    /* From here on faults belong to the new task. */
    tss.attributes |= SYSTEM_TSS_BUSY;
    vcpu->segment[SEG_TR] = tss;
    load_registers(vcpu, &image, nests);
    if (!load_root(vcpu, &image) || !load_segments(vcpu, &image))
        return false;
    if (t->has_error && !push_error_code(vcpu, image.wide, t->error_code))
        return false;
    if (image.trap) {
        vcpu->exception = (struct exception){.vector = EXC_DB, .dr6 = DR6_BT};
        return false;
    }
    return true;
}

bool task_gate(struct vcpu *vcpu, struct task_switch *t, const struct descriptor *gate)
{
    t->selector = gate_selector(gate);
    return task_switch(vcpu, t);
}
