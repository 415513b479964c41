/*
 * The guest side of the instruction tests. See lab.h.
 *
 * Guest-physical memory: tables and handlers below 64 KiB, page tables from 64 KiB on, data and code pages in an order
 * that makes linear neighbours physical strangers. Linear: tables at SYSTEM_BASE, supervisor only. SDM Vol. 3 "Paging",
 * "Segment descriptors", "Task-state segment".
 */
#include "tests/instructions/lab.h"

#include <errno.h>
#include <string.h>

#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/trap.h"
#include "cpu-model/state/vector.h"
#include "softmmu/mmu.h"
#include "softmmu/shadow.h"

enum {
    SYSTEM_BASE = 0x38000000,
    RAM_BYTES = 4 << 20,
    GDT = 0x1000,
    IDT64 = 0x2000,
    IDT32 = 0x3000,
    TSS64 = 0x4000,
    TSS32 = 0x4800,
    LDT = 0x5000,
    HANDLERS = 0x6000, /* 16 bytes each */
    STACK_TOP = 0x9000,
    PML4 = 0x10000,
    PDPT = 0x11000,
    PDPT_PAE = 0x12000,
    PD = 0x13000,
    PT_DATA = 0x14000,
    PT_CODE = 0x15000,
    PT_SYSTEM = 0x16000,
    PAGES = 0x40000,
};
enum {
    SEL_KERNEL64 = 0x10,
    SEL_KERNEL_DATA = 0x18,
    SEL_KERNEL32 = 0x38,
    SEL_TSS64 = 0x40,
    SEL_TSS32 = 0x50,
    SEL_LDT = 0x58,
};
enum { PTE_P = 1, PTE_RW = 2, PTE_US = 4 };
#define PTE_NX (1ull << 63)

/* Physical places of data pages 0 to 6 and code pages 7 and 8. */
static uint64_t page_gpa(unsigned page)
{
    static const uint8_t place[DATA_PAGES + CODE_PAGES] = {6, 2, 15, 9, 4, 12, 15, 7, 1};
    return PAGES + place[page] * 4096ull;
}

static void put64(struct lab *lab, uint64_t at, uint64_t value)
{
    memcpy(lab->ram + at, &value, 8);
}

static void put16(struct lab *lab, uint64_t at, unsigned value)
{
    memcpy(lab->ram + at, &value, 2);
}

static uint64_t get(struct lab *lab, uint64_t at, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, lab->ram + at, size);
    return value;
}

uint8_t *lab_data(const struct lab *lab, unsigned page)
{
    return lab->ram + page_gpa(page);
}

static uint8_t *lab_code(const struct lab *lab, unsigned offset)
{
    return lab->ram + page_gpa(DATA_PAGES + offset / 4096) + offset % 4096;
}

/* ---- tables ---- */

/* access: bits 40-47; nibble: G, D/B, L, AVL. */
static uint64_t descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned nibble)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)nibble << 52 | (uint64_t)(base >> 24) << 56;
}

static void make_descriptors(struct lab *lab)
{
    const uint64_t gdt[] = {
        [2] = descriptor(0, 0xfffff, 0x9b, 0xa), /* kernel code, 64 bits */
        [3] = descriptor(0, 0xfffff, 0x93, 0xc),
        [4] = descriptor(0, 0xfffff, 0xfb, 0xc),
        [5] = descriptor(0, 0xfffff, 0xf3, 0xc),
        [6] = descriptor(0, 0xfffff, 0xfb, 0xa),
        [7] = descriptor(0, 0xfffff, 0x9b, 0xc), /* kernel code, 32 bits */
        [8] = descriptor(SYSTEM_BASE + TSS64, 0x67, 0x8b, 0),
        [10] = descriptor(SYSTEM_BASE + TSS32, 0x67, 0x8b, 0),
        [11] = descriptor(SYSTEM_BASE + LDT, 0x1f, 0x82, 0),
    };
    const uint64_t ldt[] = {descriptor(FS_BASE, 0xfffff, 0xf3, 0xc), descriptor(GS_BASE, 0xfffff, 0xf3, 0xc),
                            descriptor(CODE_BASE, 0xffff, 0xfb, 0), descriptor(DATA_BASE, 0xffff, 0xf3, 0)};
    memcpy(lab->ram + GDT, gdt, sizeof(gdt));
    memcpy(lab->ram + LDT, ldt, sizeof(ldt));
    for (unsigned vector = 0; vector < 32; vector++) {
        uint64_t handler = SYSTEM_BASE + HANDLERS + vector * 16;
        uint64_t gate = (handler & 0xffff) | (handler >> 16) << 48;
        unsigned access = 0xee; /* interrupt gate, DPL 3 */
        put64(lab, IDT64 + vector * 16, gate | SEL_KERNEL64 << 16 | (uint64_t)access << 40 | 1ull << 32 /* IST 1 */);
        put64(lab, IDT32 + vector * 8, gate | SEL_KERNEL32 << 16 | (uint64_t)access << 40);
        memcpy(lab->ram + HANDLERS + vector * 16, "\xf4\xeb\xfd", 3); /* hlt; jmp */
    }
    put64(lab, TSS64 + 4, SYSTEM_BASE + STACK_TOP);
    put64(lab, TSS64 + 0x24, SYSTEM_BASE + STACK_TOP); /* IST1 */
    put16(lab, TSS64 + 0x66, 0x68);
    put64(lab, TSS32 + 4, (SYSTEM_BASE + STACK_TOP) | (uint64_t)SEL_KERNEL_DATA << 32);
    put16(lab, TSS32 + 0x66, 0x68);
}

static void map_page(struct lab *lab, uint64_t table, uint64_t linear, uint64_t gpa_of, uint64_t rights)
{
    put64(lab, table + (linear >> 12 & 511) * 8, gpa_of | rights | PTE_P);
}

static void make_page_tables(struct lab *lab)
{
    put64(lab, PML4, PDPT | PTE_P | PTE_RW | PTE_US);
    put64(lab, PDPT, PD | PTE_P | PTE_RW | PTE_US);
    put64(lab, PDPT_PAE, PD | PTE_P);
    put64(lab, PD + (DATA_BASE >> 21) * 8, PT_DATA | PTE_P | PTE_RW | PTE_US);
    put64(lab, PD + (CODE_BASE >> 21) * 8, PT_CODE | PTE_P | PTE_RW | PTE_US);
    put64(lab, PD + (SYSTEM_BASE >> 21) * 8, PT_SYSTEM | PTE_P | PTE_RW | PTE_US);
    for (unsigned i = 0; i < 16; i++)
        map_page(lab, PT_SYSTEM, SYSTEM_BASE + i * 4096, i * 4096, PTE_RW);
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        bool read_only = i == PAGE_RO0 || i == PAGE_RO1;
        if (i == PAGE_HOLE0 || i == PAGE_HOLE1)
            continue;
        map_page(lab, PT_DATA, DATA_BASE + i * 4096, page_gpa(i), PTE_NX | PTE_US | (read_only ? 0 : PTE_RW));
        if (read_only)
            memcpy(lab_data(lab, i), read_only_content(i), 4096);
    }
    for (unsigned i = 0; i < CODE_PAGES; i++) {
        map_page(lab, PT_CODE, CODE_BASE + i * 4096, page_gpa(DATA_PAGES + i), PTE_US | PTE_RW);
        memset(lab_code(lab, i * 4096), 0xcc, 4096);
    }
}

/* ---- the machine around it: nothing ---- */

static uint64_t io_read(void *machine, uint16_t port, unsigned size)
{
    (void)machine, (void)port, (void)size;
    return 0;
}

static void io_write(void *machine, uint16_t port, uint64_t value, unsigned size)
{
    (void)machine, (void)port, (void)value, (void)size;
}

static uint64_t mmio_read(void *machine, gpa_t at, unsigned size)
{
    (void)machine, (void)at, (void)size;
    return 0;
}

static void mmio_write(void *machine, gpa_t at, uint64_t value, unsigned size)
{
    (void)machine, (void)at, (void)value, (void)size;
}

static bool pending_interrupt(void *machine)
{
    (void)machine;
    return false;
}

static int acknowledge_interrupt(void *machine)
{
    (void)machine;
    return -1;
}

static int apic_read(void *machine, uint32_t msr, uint64_t *value)
{
    (void)machine, (void)msr, (void)value;
    return 1;
}

static int apic_write(void *machine, uint32_t msr, uint64_t value)
{
    (void)machine, (void)msr, (void)value;
    return 1;
}

static uint8_t get_tpr(void *machine)
{
    (void)machine;
    return 0;
}

static void set_tpr(void *machine, uint8_t value)
{
    (void)machine, (void)value;
}

static void ferr(void *machine)
{
    (void)machine;
}

/* ---- life ---- */

int lab_create(struct lab *lab, const struct engine_ops *engine, unsigned host_without, struct error *err)
{
    *lab = (struct lab){.engine = engine, .mode = LAB_MODES};
    lab->wires = (struct vcpu_wires){.machine = lab,
                                     .io_read = io_read,
                                     .io_write = io_write,
                                     .mmio_read = mmio_read,
                                     .mmio_write = mmio_write,
                                     .pending_interrupt = pending_interrupt,
                                     .acknowledge_interrupt = acknowledge_interrupt,
                                     .apic_msr_read = apic_read,
                                     .apic_msr_write = apic_write,
                                     .get_tpr = get_tpr,
                                     .set_tpr = set_tpr,
                                     .ferr = ferr};
    int r = trap_install(err);
    if (!r)
        r = trap_thread_start(err);
    if (!r)
        r = space_init(&lab->space, RAM_BYTES, err);
    if (!r)
        r = space_add(&lab->space, 0, RAM_BYTES, false, "ram", &lab->ram, err);
    if (r)
        return r;
    lab->vcpu = shadow_vcpu_create(err);
    if (!lab->vcpu)
        return -ENOMEM;
    lab->vcpu->space = &lab->space;
    lab->vcpu->wires = &lab->wires;
    r = cpu_model_parse("max", &lab->vcpu->features, err);
    if (r)
        return r;
    vector_reset(lab->vcpu);
    vcpu_reset(lab->vcpu, false);
    make_descriptors(lab);
    make_page_tables(lab);
    return engine->create(lab->vcpu, &(const struct engine_config){.host_without = host_without}, err);
}

void lab_destroy(struct lab *lab)
{
    lab->engine->destroy(lab->vcpu);
    shadow_vcpu_destroy(lab->vcpu);
    space_destroy(&lab->space);
    trap_thread_stop();
}

/* ---- modes ---- */

static void set_segment(struct lab *lab, unsigned segment, uint16_t selector)
{
    struct vcpu *vcpu = lab->vcpu;
    uint64_t table = selector & 4 ? LDT : GDT;
    segment_from_descriptor(&vcpu->segment[segment], selector, get(lab, table + (selector & 0xfff8u), 8));
}

static void set_code_segments(struct lab *lab, unsigned mode, unsigned cpl)
{
    static const uint16_t code[LAB_MODES] = {SELECTOR_CODE64, SELECTOR_CODE32, SELECTOR_CODE32, SELECTOR_CODE16};
    struct vcpu *vcpu = lab->vcpu;
    uint16_t data = mode == LAB_COMPAT16 ? SELECTOR_DATA16 : SELECTOR_DATA;

    set_segment(lab, SEG_CS, cpl ? code[mode] : SEL_KERNEL64);
    set_segment(lab, SEG_SS, cpl ? data : SEL_KERNEL_DATA);
    set_segment(lab, SEG_DS, data);
    set_segment(lab, SEG_ES, data);
    if (mode == LAB_64) {
        const struct segment null = {.attributes = SEG_UNUSABLE};
        vcpu->segment[SEG_FS] = vcpu->segment[SEG_GS] = null;
        vcpu->segment[SEG_FS].base = FS_BASE;
        vcpu->segment[SEG_GS].base = GS_BASE;
    } else {
        set_segment(lab, SEG_FS, SELECTOR_FS32);
        set_segment(lab, SEG_GS, SELECTOR_GS32);
    }
    vcpu_set_cpl(vcpu, cpl);
}

static void set_mode(struct lab *lab, unsigned mode)
{
    struct vcpu *vcpu = lab->vcpu;
    bool legacy = mode == LAB_LEGACY32;

    vcpu->cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG;
    vcpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE;
    vcpu->efer = EFER_NXE | (legacy ? 0 : EFER_SCE | EFER_LME | EFER_LMA);
    vcpu->cr3 = legacy ? PDPT_PAE : PML4;
    vcpu->xcr0 = 7;
    if (legacy)
        mmu_load_pdptes(vcpu, PDPT_PAE);
    vcpu->gdtr = (struct table_register){.base = SYSTEM_BASE + GDT, .limit = 0x5f};
    vcpu->idtr = (struct table_register){.base = SYSTEM_BASE + (legacy ? IDT32 : IDT64), .limit = 0x1ff};
    if (legacy)
        vcpu->idtr.limit = 0xff;
    set_segment(lab, SEG_TR, legacy ? SEL_TSS32 : SEL_TSS64);
    set_segment(lab, SEG_LDTR, SEL_LDT);
    mmu_mode_changed(vcpu);
    mmu_flush_all(vcpu, true);
}

/* ---- one experiment ---- */

static void write_code(struct lab *lab, const struct experiment *x)
{
    for (unsigned done = 0; done < x->code_size;) {
        unsigned at = x->code_at + done, piece = 4096 - at % 4096;
        if (piece > x->code_size - done)
            piece = x->code_size - done;
        uint8_t *host = lab_code(lab, at);
        space_written(&lab->space, host, piece);
        memcpy(host, x->code + done, piece);
        done += piece;
    }
}

/* All of it, as instructions may have stored into the code pages. */
static void clear_code(struct lab *lab)
{
    for (unsigned at = 0; at < CODE_BYTES; at += 4096) {
        space_written(&lab->space, lab_code(lab, at), 4096);
        memset(lab_code(lab, at), 0xcc, 4096);
    }
}

static void fill_data(struct lab *lab, const struct experiment *x)
{
    for (unsigned i = 0; i < WRITABLE_PAGES; i++) {
        uint8_t *host = lab_data(lab, writable_page[i]);
        space_written(&lab->space, host, 4096);
        memcpy(host, data_pool + x->data_from + i * 4096, 4096);
    }
    for (unsigned i = 0; i < x->pokes; i++) {
        unsigned offset = x->poke[i].at - DATA_BASE;
        for (unsigned byte = 0; byte < 8; byte++) /* may cross */
            lab_data(lab, (offset + byte) / 4096)[(offset + byte) % 4096] = (uint8_t)(x->poke[i].value >> (8 * byte));
    }
}

void lab_load(struct lab *lab, const struct experiment *x)
{
    struct vcpu *vcpu = lab->vcpu;
    uint64_t components = 7;

    if (lab->mode != x->mode)
        set_mode(lab, x->mode);
    lab->mode = x->mode;
    lab->cpl = x->cpl;
    set_code_segments(lab, x->mode, x->cpl);
    if (x->flush)
        mmu_flush_all(vcpu, true);
    memcpy(vcpu->gpr, x->before.gpr, sizeof(vcpu->gpr));
    vcpu->rip = x->before.rip;
    vcpu_set_eflags(vcpu, (uint32_t)x->before.flags | FLAG_IF);
    memcpy(vcpu->vector_area, x->before.vector, 28);
    memcpy(vcpu->vector_area + 32, x->before.vector + 32, VECTOR_BYTES - 32);
    memcpy(vcpu->vector_area + 512, &components, 8);
    vcpu->vector_live = false;
    vcpu->cr2 = 0;
    vcpu->halted = vcpu->interrupt_shadow = vcpu->debug_shadow = false;
    vcpu->exception = (struct exception){0};
    vcpu->events = 0;
    vcpu->run = 1;
    fill_data(lab, x);
    write_code(lab, x);
}

static bool has_error_code(unsigned vector)
{
    return vector == EXC_DF || (vector >= EXC_TS && vector <= EXC_PF) || vector == EXC_AC;
}

bool lab_run(struct lab *lab, const struct experiment *x, struct image *after, const char **why)
{
    struct vcpu *vcpu = lab->vcpu;
    enum run_exit exit = lab->engine->run(vcpu);

    clear_code(lab);
    *why = exit == RUN_SHUTDOWN ? "shutdown" : exit == RUN_STOPPED ? "hang" : NULL;
    uint64_t handler = vcpu->rip - (SYSTEM_BASE + HANDLERS);
    if (!*why && (handler >= 32 * 16 || handler % 16 != 1))
        *why = "halted outside the handlers";
    if (*why)
        return false;
    unsigned item = x->mode == LAB_LEGACY32 ? 4 : 8;
    uint64_t at = vcpu->gpr[REG_RSP] - SYSTEM_BASE;
    if (at >= STACK_TOP) {
        *why = "stack of the handler is elsewhere";
        return false;
    }
    memcpy(after->gpr, vcpu->gpr, sizeof(after->gpr));
    after->trap = (uint8_t)(handler / 16);
    after->error_code = 0;
    if (has_error_code(after->trap)) {
        after->error_code = (uint32_t)get(lab, at, 4);
        at += item;
    }
    after->rip = get(lab, at, item);
    after->flags = get(lab, at + 2 * item, item);
    after->gpr[REG_RSP] = get(lab, at + 3 * item, item);
    after->cr2 = vcpu->cr2;
    memcpy(after->vector, vcpu->vector_area, VECTOR_BYTES);
    return true;
}
