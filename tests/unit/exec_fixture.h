/*
 * A vCPU with 2 MiB of RAM and hand-made descriptor tables, for tests of control transfer and segmentation.
 *
 * Memory map: GDT 1000h, IDT 2000h, TSS 3000h (a second one at 3100h, a third at 3200h), LDT 3800h, page tables
 * 10000h-13fffh (all of RAM, identity, user), stacks and code anywhere above 20000h.
 */
#ifndef RING3_TESTS_EXEC_FIXTURE_H
#define RING3_TESTS_EXEC_FIXTURE_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/rules.h"

enum {
    GDT = 0x1000,
    IDT = 0x2000,
    TSS_A = 0x3000,
    TSS_B = 0x3100,
    TSS_C = 0x3200,
    LDT = 0x3800,
    PAGES = 0x10000,
    PAGE_TABLE = 0x13000,
    KERNEL_STACK = 0x30000,
    IST_STACK = 0x38000,
    USER_STACK = 0x40000,
    STACK = 0x50000,
    HANDLER = 0x60000,
    CODE = 0x70000,
};

/* Selectors of the fixture's GDT. */
enum {
    SEL_CODE0 = 0x08,
    SEL_DATA0 = 0x10,
    SEL_CODE3 = 0x18 | 3,
    SEL_DATA3 = 0x20 | 3,
    SEL_CONFORMING = 0x28, /* DPL 0 */
    SEL_ABSENT_CODE = 0x30,
    SEL_ABSENT_DATA = 0x38,
    SEL_READ_ONLY = 0x40,
    SEL_EXECUTE_ONLY = 0x48,
    SEL_TSS_A = 0x50, /* 16 bytes in long mode */
    SEL_TSS_B = 0x60,
    SEL_TSS_C = 0x70,
    SEL_LDT = 0x80,
    SEL_GATE = 0x90,       /* tests put gates here */
    SEL_SMALL_CODE = 0xa0, /* limit fffh */
    SEL_CODE64 = 0xa8,
    SEL_CODE64_3 = 0xb0 | 3,
    SEL_CODE16 = 0xb8,
    SEL_DATA16 = 0xc0,
    SEL_EXPAND_DOWN = 0xc8,
    SEL_TASK_GATE = 0xd0,
    SEL_DATA1 = 0xd8 | 1,
    GDT_LIMIT = 0xff,
};

struct bench {
    struct space space;
    struct vcpu vcpu;
    struct insn insn;
    uint8_t *ram;
};

static inline void poke(struct bench *b, uint64_t at, unsigned size, uint64_t value)
{
    memcpy(b->ram + at, &value, size);
}

static inline uint64_t peek(struct bench *b, uint64_t at, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, b->ram + at, size);
    return value;
}

/* access: bits 40-47; flags: G, D/B, L, AVL as the high nibble of byte 6. */
static inline uint64_t make_descriptor(uint32_t base, uint32_t limit, uint8_t access, uint8_t flags)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(flags & 0xf) << 52 | (uint64_t)(base >> 24) << 56;
}

/* type with DPL and P: the access byte. */
static inline uint64_t make_gate(uint16_t selector, uint32_t offset, uint8_t access, uint8_t count)
{
    return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)count << 32 | (uint64_t)access << 40 |
           (uint64_t)(offset >> 16) << 48;
}

static inline void set_gdt(struct bench *b, uint16_t selector, uint64_t descriptor)
{
    poke(b, GDT + (selector & 0xfff8u), 8, descriptor);
}

static inline void fill_gdt(struct bench *b)
{
    set_gdt(b, SEL_CODE0, make_descriptor(0, 0xfffff, 0x9a, 0xc));
    set_gdt(b, SEL_DATA0, make_descriptor(0, 0xfffff, 0x92, 0xc));
    set_gdt(b, SEL_CODE3, make_descriptor(0, 0xfffff, 0xfa, 0xc));
    set_gdt(b, SEL_DATA3, make_descriptor(0, 0xfffff, 0xf2, 0xc));
    set_gdt(b, SEL_CONFORMING, make_descriptor(0, 0xfffff, 0x9e, 0xc));
    set_gdt(b, SEL_ABSENT_CODE, make_descriptor(0, 0xfffff, 0x1a, 0xc));
    set_gdt(b, SEL_ABSENT_DATA, make_descriptor(0, 0xfffff, 0x12, 0xc));
    set_gdt(b, SEL_READ_ONLY, make_descriptor(0, 0xfffff, 0xf0, 0xc));
    set_gdt(b, SEL_EXECUTE_ONLY, make_descriptor(0, 0xfffff, 0x98, 0xc));
    set_gdt(b, SEL_TSS_A, make_descriptor(TSS_A, 0x67, 0x89, 0));
    set_gdt(b, SEL_TSS_B, make_descriptor(TSS_B, 0x67, 0x89, 0));
    set_gdt(b, SEL_TSS_C, make_descriptor(TSS_C, 0x2b, 0x81, 0));
    set_gdt(b, SEL_LDT, make_descriptor(LDT, 0x1f, 0x82, 0));
    set_gdt(b, SEL_SMALL_CODE, make_descriptor(0, 0xfff, 0x9a, 0x4));
    set_gdt(b, SEL_CODE64, make_descriptor(0, 0xfffff, 0x9a, 0xa));
    set_gdt(b, SEL_CODE64_3, make_descriptor(0, 0xfffff, 0xfa, 0xa));
    set_gdt(b, SEL_CODE16, make_descriptor(0, 0xffff, 0x9a, 0));
    set_gdt(b, SEL_DATA16, make_descriptor(0, 0xffff, 0x92, 0));
    set_gdt(b, SEL_EXPAND_DOWN, make_descriptor(0, 0xfff, 0x96, 0x4));
    set_gdt(b, SEL_TASK_GATE, make_gate(SEL_TSS_B, 0, 0x85, 0));
    set_gdt(b, SEL_DATA1, make_descriptor(0, 0xfffff, 0xb2, 0xc));
}

/* Outside RAM there is nothing. */
static inline uint64_t nothing_read(void *machine, gpa_t at, unsigned size)
{
    (void)machine, (void)at, (void)size;
    return ~0ull;
}

static inline void nothing_written(void *machine, gpa_t at, uint64_t value, unsigned size)
{
    (void)machine, (void)at, (void)value, (void)size;
}

static inline struct bench *bench_real(void)
{
    static const struct vcpu_wires wires = {.mmio_read = nothing_read, .mmio_write = nothing_written};
    struct bench *b = aligned_alloc(64, (sizeof(*b) + 63) & ~63ull);
    struct error err;
    memset(b, 0, sizeof(*b));
    cr_assert_eq(space_init(&b->space, 2 << 20, &err), 0, "%s", err.text);
    cr_assert_eq(space_add(&b->space, 0, 2 << 20, false, "ram", &b->ram, &err), 0);
    b->vcpu.space = &b->space;
    b->vcpu.wires = &wires;
    b->vcpu.features = (struct cpu_features){.vendor = VENDOR_INTEL, .family = 6, .model = 0x9e, .stepping = 10};
    vcpu_reset(&b->vcpu, false);
    b->vcpu.idtr = (struct table_register){.limit = 0x3ff};
    segment_set_real(&b->vcpu, SEG_CS, 0x1000);
    segment_set_real(&b->vcpu, SEG_SS, 0x2000);
    b->vcpu.rip = 0x100;
    b->vcpu.gpr[REG_RSP] = 0x1000;
    b->insn = (struct insn){.length = 2,
                            .code_size = 2,
                            .operand_size = 2,
                            .address_size = 2,
                            .mem = {.base = REG_NONE, .index = REG_NONE, .scale = 1, .segment = SEG_DS}};
    return b;
}

static inline void bench_free(struct bench *b)
{
    space_destroy(&b->space);
    free(b);
}

/* Puts a segment register at a GDT entry without checks. */
static inline void set_segment(struct bench *b, unsigned segment, uint16_t selector)
{
    segment_from_descriptor(&b->vcpu.segment[segment], selector, peek(b, GDT + (selector & 0xfff8u), 8));
}

static inline void set_privilege(struct bench *b, unsigned cpl)
{
    set_segment(b, SEG_CS, cpl ? SEL_CODE3 : SEL_CODE0);
    set_segment(b, SEG_SS, cpl ? SEL_DATA3 : SEL_DATA0);
    for (unsigned i = SEG_DS; i < SEG_COUNT; i++)
        set_segment(b, i, SEL_DATA3);
    set_segment(b, SEG_ES, SEL_DATA3);
    vcpu_set_cpl(&b->vcpu, cpl);
    b->vcpu.gpr[REG_RSP] = cpl ? USER_STACK : STACK;
}

/* 32-bit protected mode without paging, TR at TSS A with SS0:ESP0 = KERNEL_STACK. */
static inline struct bench *bench_protected(unsigned cpl)
{
    struct bench *b = bench_real();
    fill_gdt(b);
    b->vcpu.cr0 |= CR0_PE;
    b->vcpu.gdtr = (struct table_register){.base = GDT, .limit = GDT_LIMIT};
    b->vcpu.idtr = (struct table_register){.base = IDT, .limit = 0x7ff};
    set_segment(b, SEG_TR, SEL_TSS_A);
    b->vcpu.segment[SEG_TR].attributes |= 2;
    poke(b, GDT + SEL_TSS_A + 5, 1, 0x8b);
    set_segment(b, SEG_LDTR, SEL_LDT);
    poke(b, TSS_A + 4, 4, KERNEL_STACK);
    poke(b, TSS_A + 8, 2, SEL_DATA0);
    set_privilege(b, cpl);
    b->vcpu.rip = CODE;
    b->insn.code_size = b->insn.operand_size = b->insn.address_size = 4;
    return b;
}

/* 64-bit mode, RAM mapped at 0 in 4 KiB user pages. */
static inline struct bench *bench_long(unsigned cpl)
{
    struct bench *b = bench_protected(cpl);
    poke(b, PAGES, 8, (PAGES + 0x1000) | 7);
    poke(b, PAGES + 0x1000, 8, (PAGES + 0x2000) | 7);
    poke(b, PAGES + 0x2000, 8, PAGE_TABLE | 7);
    for (unsigned i = 0; i < 512; i++)
        poke(b, PAGE_TABLE + i * 8, 8, i << 12 | 7);
    b->vcpu.cr0 |= CR0_PG | CR0_WP;
    b->vcpu.cr4 |= CR4_PAE;
    b->vcpu.cr3 = PAGES;
    b->vcpu.efer = EFER_LME | EFER_LMA | EFER_SCE | EFER_NXE;
    b->vcpu.idtr.limit = 0xfff;
    set_segment(b, SEG_CS, cpl ? SEL_CODE64_3 : SEL_CODE64);
    poke(b, TSS_A + 4, 8, KERNEL_STACK);
    poke(b, TSS_A + 36, 8, IST_STACK + 8); /* IST1, not aligned */
    b->vcpu.segment[SEG_LDTR].attributes = SEG_UNUSABLE;
    b->insn.code_size = b->insn.operand_size = b->insn.address_size = 8;
    return b;
}

static inline void set_idt(struct bench *b, unsigned vector, uint64_t gate)
{
    poke(b, IDT + vector * 8, 8, gate);
}

static inline void set_idt64(struct bench *b, unsigned vector, uint16_t selector, uint64_t offset, uint8_t access,
                             unsigned ist)
{
    poke(b, IDT + vector * 16, 8, make_gate(selector, (uint32_t)offset, access, (uint8_t)ist));
    poke(b, IDT + vector * 16 + 8, 8, offset >> 32);
}

/* The call faulted with this vector and code, and nothing in the architectural registers changed. */
#define expect_fault(b, call, fault_vector, code)                                                                      \
    do {                                                                                                               \
        struct vcpu before_ = (b)->vcpu;                                                                               \
        cr_expect_eq((call), EXEC_FAULT);                                                                              \
        cr_expect_eq((b)->vcpu.exception.vector, (fault_vector), "vector %u", (b)->vcpu.exception.vector);             \
        cr_expect_eq((b)->vcpu.exception.error_code, (uint32_t)(code), "code %x", (b)->vcpu.exception.error_code);     \
        before_.exception = (b)->vcpu.exception;                                                                       \
        cr_expect_eq(memcmp(&before_, &(b)->vcpu, offsetof(struct vcpu, vector_area)), 0, "registers changed");        \
    } while (0)

#endif
