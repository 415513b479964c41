/* See tables.h. SDM Vol. 3 "Paging", "Segment descriptors", "Gate descriptors", "Task management". */
#include "tests/blocks/tables.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "tests/blocks/selectors.h"

extern const uint8_t handlers64[], handlers64_end[], handlers32[], handlers32_end[], handlers16[], handlers16_end[];
extern const uint8_t pads[], pads_end[];

static void put(uint8_t *ram, uint64_t at, unsigned size, uint64_t value)
{
    memcpy(ram + at, &value, size);
}

/* access: bits 40-47; nibble: G, D/B, L, AVL. */
static uint64_t descriptor(uint32_t base, uint32_t limit, unsigned access, unsigned nibble)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
           (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)nibble << 52 | (uint64_t)(base >> 24) << 56;
}

/* A gate of 8 bytes, or the lower half of one of 16. `count`: parameters, or the IST. */
static uint64_t gate(unsigned selector, uint32_t offset, unsigned access, unsigned count)
{
    return (offset & 0xffff) | (uint64_t)selector << 16 | (uint64_t)count << 32 | (uint64_t)access << 40 |
           (uint64_t)(offset >> 16) << 48;
}

static uint64_t task_gate(enum task task, unsigned dpl)
{
    return gate(task_selector(task), 0, 0x85 | dpl << 5, 0);
}

static void make_segments(uint64_t *gdt)
{
    gdt[SEL_CODE64_0 / 8] = descriptor(0, 0xfffff, 0x9b, 0xa);
    gdt[SEL_DATA0 / 8] = descriptor(0, 0xfffff, 0x93, 0xc);
    gdt[SEL_CODE32_0 / 8] = descriptor(0, 0xfffff, 0x9b, 0xc);
    gdt[SEL_CODE32_3 / 8] = descriptor(0, 0xfffff, 0xfb, 0xc);
    gdt[SEL_DATA3 / 8] = descriptor(0, 0xfffff, 0xf3, 0xc);
    gdt[SEL_CODE64_3 / 8] = descriptor(0, 0xfffff, 0xfb, 0xa);
    gdt[SEL_CODE16_0 / 8] = descriptor(CODE, 0xffff, 0x9b, 0);
    gdt[SEL_DATA16_3 / 8] = descriptor(DATA, 0xffff, 0xf3, 0);
    gdt[SEL_CODE16_3 / 8] = descriptor(CODE, 0xffff, 0xfb, 0);
    gdt[SEL_LIMITED / 8] = descriptor(DATA - 0x800, 0x8fff, 0xf3, 4);
    gdt[SEL_EXPAND_DOWN / 8] = descriptor(DATA, 0xfff, 0xf7, 4);
    gdt[SEL_READ_ONLY / 8] = descriptor(0, 0xfffff, 0xf1, 0xc);
    gdt[SEL_TSS32 / 8] = descriptor(TSS32, 0x67, 0x8b, 0);
    gdt[SEL_TSS64 / 8] = descriptor(TSS64, 0x67, 0x8b, 0);
    gdt[SEL_CONFORMING32 / 8] = descriptor(0, 0xfffff, 0x9f, 0xc);
    gdt[SEL_CONFORMING64 / 8] = descriptor(0, 0xfffff, 0x9f, 0xa);
    gdt[SEL_CONFORMING16 / 8] = descriptor(CODE, 0xffff, 0x9f, 0);
    gdt[SEL_FRESH32 / 8] = descriptor(0, 0xfffff, 0xfa, 0xc);
    gdt[SEL_FRESH64 / 8] = descriptor(0, 0xfffff, 0xfa, 0xa);
    gdt[SEL_FRESH16 / 8] = descriptor(CODE, 0xffff, 0xfa, 0);
    gdt[SEL_CODE_ABSENT / 8] = descriptor(0, 0xfffff, 0x7b, 0xc);
    gdt[SEL_CODE_LIMITED / 8] = descriptor(0, CODE + 0x1fff, 0xfb, 4);
    gdt[SEL_CODE32_1 / 8] = descriptor(0, 0xfffff, 0xbb, 0xc);
    gdt[SEL_DATA1 / 8] = descriptor(0, 0xfffff, 0xb3, 0xc);
    gdt[SEL_EXECUTE_ONLY / 8] = descriptor(0, 0xfffff, 0xf9, 0xc);
    static const uint8_t sysenter[6] = {0x08, 0x10, 0x20, 0x28, 0x30, 0x28};
    for (unsigned i = 0; i < 6; i++)
        gdt[SEL_SYSENTER64 / 8 + i] = gdt[sysenter[i] / 8];
    for (unsigned i = 0; i < 4; i++)
        gdt[SEL_SYSENTER32 / 8 + i] = gdt[i ? sysenter[i] / 8 : SEL_CODE32_0 / 8];
}

static void make_call_gates(uint64_t *gdt)
{
    gdt[SEL_GATE32 / 8] = gate(SEL_CODE32_0, PAD32_RETL, 0xec, 0);
    gdt[SEL_GATE32_1 / 8] = gate(SEL_CODE32_0, PAD32_RETL_4, 0xec, 1);
    gdt[SEL_GATE32_3 / 8] = gate(SEL_CODE32_0, PAD32_RETL_12, 0xec, 3);
    gdt[SEL_GATE16_2 / 8] = gate(SEL_CODE16_0, PAD16_RETW_4 - CODE, 0xe4, 2);
    gdt[SEL_GATE16_SAME / 8] = gate(SEL_CODE16_3, PAD16_RETW - CODE, 0xe4, 0);
    gdt[SEL_GATE32_RING1 / 8] = gate(SEL_CODE32_1, PAD32_RETL, 0xec, 0);
    gdt[SEL_GATE32_CONFORMING / 8] = gate(SEL_CONFORMING32, PAD32_RETL, 0xec, 0);
    gdt[SEL_GATE32_KERNEL / 8] = gate(SEL_CODE32_0, PAD32_RETL, 0x8c, 0);
    gdt[SEL_GATE32_ABSENT / 8] = gate(SEL_CODE32_0, PAD32_RETL, 0x6c, 0);
    gdt[SEL_GATE32_TO_DATA / 8] = gate(SEL_DATA0, PAD32_RETL, 0xec, 0);
    gdt[SEL_GATE32_TO_NULL / 8] = gate(0, PAD32_RETL, 0xec, 0);
    gdt[SEL_GATE32_CLIMB / 8] = gate(SEL_CODE32_0, PAD32_CLIMB, 0xec, 0);
    gdt[SEL_GATE64 / 8] = gate(SEL_CODE64_0, PAD64_RETQ, 0xec, 0);
    gdt[SEL_GATE64_CLIMB / 8] = gate(SEL_CODE64_0, PAD64_CLIMB, 0xec, 0);
    gdt[SEL_GATE64_TO_32 / 8] = gate(SEL_CODE32_0, PAD32_RETL, 0xec, 0);
    gdt[SEL_GATE64_ABSENT / 8] = gate(SEL_CODE64_0, PAD64_RETQ, 0x6c, 0);
    gdt[SEL_GATE64_KERNEL / 8] = gate(SEL_CODE64_0, PAD64_RETQ, 0x8c, 0);
    gdt[SEL_GATE64_FAR_AWAY / 8] = gate(SEL_CODE64_0, PAD64_RETQ, 0xec, 0);
    gdt[SEL_GATE64_FAR_AWAY / 8 + 1] = 0x8000;
    gdt[SEL_GATE64_UPPER_TYPE / 8] = gate(SEL_CODE64_0, PAD64_RETQ, 0xec, 0);
    gdt[SEL_GATE64_UPPER_TYPE / 8 + 1] = 0xcull << 40;
}

static void make_interrupts(uint8_t *ram)
{
    const unsigned interrupt = 0xee, trap = 0xef;
    const uint64_t wide = gate(SEL_CODE64_0, PAD64_IRET, trap, 0);
    const struct {
        uint64_t legacy, wide;
    } own[INT_END - HANDLER_COUNT] = {
        [INT_TRAP - 0x40] = {gate(SEL_CODE32_0, PAD32_IRETL, trap, 0), gate(SEL_CODE64_0, PAD64_IRET, trap, 0)},
        [INT_16 - 0x40] = {gate(SEL_CODE16_0, PAD16_IRETW - CODE, 0xe6, 0), gate(SEL_CODE64_0, PAD64_IRET, 0xe6, 0)},
        [INT_LEAVE_V86 - 0x40] = {gate(SEL_CODE32_0, PAD32_LEAVE_V86, interrupt, 0),
                                  gate(SEL_CODE32_0, PAD32_IRETL, interrupt, 0)},
        [INT_RING1 - 0x40] = {gate(SEL_CODE32_1, PAD32_IRETL, trap, 0), gate(SEL_CODE64_0, PAD64_IRET, interrupt, 1)},
        [INT_CONFORMING - 0x40] = {gate(SEL_CONFORMING32, PAD32_IRETL, interrupt, 0),
                                   gate(SEL_CONFORMING64, PAD64_IRET, interrupt, 0)},
        [INT_KERNEL - 0x40] = {gate(SEL_CODE32_0, PAD32_IRETL, 0x8e, 0), gate(SEL_CODE64_0, PAD64_IRET, 0x8e, 0)},
        [INT_ABSENT - 0x40] = {gate(SEL_CODE32_0, PAD32_IRETL, 0x6e, 0), gate(SEL_CODE64_0, PAD64_IRET, 0x6e, 0)},
        [INT_TO_DATA - 0x40] = {gate(SEL_DATA0, PAD32_IRETL, interrupt, 0), gate(SEL_DATA0, PAD64_IRET, interrupt, 0)},
        [INT_TASK - 0x40] = {task_gate(TASK_KERNEL, 3), wide},
        [INT_TASK_NEXT - 0x40] = {task_gate(TASK_NEXT, 3), wide},
        [INT_TASK_OVER_PAGES - 0x40] = {task_gate(TASK_OVER_PAGES, 3), wide},
        [INT_TASK_KERNEL - 0x40] = {task_gate(TASK_KERNEL, 0), wide},
    };
    for (unsigned v = 0; v < INT_END; v++) {
        bool handler = v < HANDLER_COUNT;
        put(ram, IDT64 + v * 16, 8,
            handler ? gate(SEL_CODE64_0, HANDLERS64 + v * 16, interrupt, 0) : own[v - HANDLER_COUNT].wide);
        put(ram, IDT32 + v * 8, 8,
            handler ? gate(SEL_CODE32_0, HANDLERS32 + v * 16, interrupt, 0) : own[v - HANDLER_COUNT].legacy);
        put(ram, IVT + v * 4, 4, handler ? HANDLERS16 / 16 << 16 | v * 16 : CODE / 16 << 16 | (PAD16_IRETW - CODE));
    }
    put(ram, IDT32 + VECTOR_TASK_FAULT * 8, 8, task_gate(TASK_OF_FAULT, 0));
    put(ram, IDT32 + VECTOR_TASK_INTERRUPT * 8, 8, task_gate(TASK_OF_INTERRUPT, 0));
}

static uint32_t task_place(enum task task)
{
    return task == TASK_OVER_PAGES ? TASK_PAGED : TASKS + (uint32_t)task * 0x80;
}

static void make_task16(uint8_t *ram, uint32_t at)
{
    put(ram, at + 14, 2, PAD16_TASK_IRET - CODE);
    put(ram, at + 16, 2, 2);
    put(ram, at + 26, 2, TASK_TOP);
    put(ram, at + 34, 2, SEL_DATA0);
    put(ram, at + 36, 2, SEL_CODE16_0);
    put(ram, at + 38, 2, SEL_DATA0);
}

static void make_task32(uint8_t *ram, uint32_t at, enum task task)
{
    bool user = task == TASK_USER, jumps = task == TASK_NEXT || task == TASK_LINKED;
    unsigned data = user ? SEL_DATA3 : SEL_DATA0, code = user ? SEL_CODE32_3 : SEL_CODE32_0;
    memset(ram + at, 0, 0x68);
    put(ram, at + 4, 8, STACK0_TOP | (uint64_t)SEL_DATA0 << 32);
    put(ram, at + 0x1c, 4, PD32);
    put(ram, at + 0x20, 4, jumps ? PAD32_TASK_JMP : task == TASK_OF_FAULT ? PAD32_TASK_END : PAD32_TASK_IRET);
    put(ram, at + 0x24, 4, task == TASK_KERNEL || user ? 0x3202 : 2); /* IF, IOPL 3 */
    put(ram, at + 0x38, 4, user ? STACK + 0x7f0 : TASK_TOP);
    for (unsigned i = 0; i < 6; i++)
        put(ram, at + 0x48 + i * 4, 4, data);
    put(ram, at + 0x4c, 4, task == TASK_WITHOUT_CODE ? 0 : code);
    if (task == TASK_BAD_STACK)
        put(ram, at + 0x50, 4, SEL_DATA3);
    put(ram, at + 0x64, 4, 0x680000 | (task == TASK_TRAPPED));
}

static void make_other_tasks(uint8_t *ram)
{
    uint64_t *gdt = (uint64_t *)(ram + GDT);
    for (enum task task = 0; task < TASK_COUNT; task++) {
        uint32_t at = task_place(task);
        unsigned dpl = task <= TASK_NEXT || task == TASK_OVER_PAGES ? 3 : 0;
        unsigned type = task == TASK_16 ? 1 : task == TASK_LINKED ? 0xb : 9;
        gdt[task_selector(task) / 8] = descriptor(at, task == TASK_16 ? 0x2b : 0x67, 0x80 | dpl << 5 | type, 0);
        if (task == TASK_16)
            make_task16(ram, at);
        else
            make_task32(ram, at, task);
    }
    gdt[SEL_TASK_SHORT / 8] = descriptor(TASKS, 0x66, 0xe9, 0);
    gdt[SEL_TASK_ABSENT / 8] = descriptor(TASKS, 0x67, 0x69, 0);
    gdt[SEL_TASK_GATE / 8] = task_gate(TASK_KERNEL, 3);
    gdt[SEL_TASK_GATE_NEXT / 8] = task_gate(TASK_NEXT, 3);
    gdt[SEL_TASK_GATE_KERNEL / 8] = task_gate(TASK_16, 0);
    gdt[SEL_TASK_GATE_ABSENT / 8] = task_gate(TASK_KERNEL, 3) & ~(1ull << 47);
    gdt[SEL_TASK_GATE_TO_CODE / 8] = gate(SEL_CODE32_0, 0, 0xe5, 0);
}

static void make_tasks(uint8_t *ram)
{
    put(ram, TSS64 + 4, 8, STACK0_TOP);
    put(ram, TSS64 + 0x24, 8, IST1_TOP);
    put(ram, TSS64 + 0x66, 2, 0x68);
    put(ram, TSS32, 2, task_selector(TASK_LINKED));
    put(ram, TSS32 + 4, 8, STACK0_TOP | (uint64_t)SEL_DATA0 << 32);
    put(ram, TSS32 + 12, 8, STACK1_TOP | (uint64_t)SEL_DATA1 << 32);
    put(ram, TSS32 + 0x1c, 4, PD32);
    put(ram, TSS32 + 0x66, 2, 0x68);
    make_other_tasks(ram);
}

unsigned tables_page(unsigned page, unsigned *bits)
{
    static const uint8_t code[3] = {0x40, 0x43, 0x41}, data[8] = {0x50, 0x55, 0x52, 0x53, 0x51, 0x57, 0x36, 0x54};
    static const uint8_t rights[8] = {7, 7, 5, 6, 7, 3, 7, 7}; /* P, R/W, U/S of the data pages */
    *bits = PTE_P | PTE_RW | (page < 0x10 ? 0 : PTE_US);
    if (page >= 0x20 && page < 0x28) {
        if ((page & 3) == 3)
            *bits = 0;
        return code[(page & 3) % 3];
    }
    if (page >= 0x30 && page < 0x38) {
        *bits = rights[page - 0x30];
        return data[page - 0x30];
    }
    if (page == STACK >> 12 || page == (STACK >> 12) + 1)
        return page == STACK >> 12 ? 0x5c : 0x5a;
    if (page >= 0x10)
        *bits = PTE_RW | PTE_US; /* made present by the handler */
    return page >= 0x38 && page < 0x3c ? 0x58 + (page & 3) : page;
}

static void make_page_tables(uint8_t *ram)
{
    const unsigned all = PTE_P | PTE_RW | PTE_US;
    put(ram, PML4, 8, PDPT | all);
    put(ram, PDPT, 8, PD64 | all);
    put(ram, PD64, 8, PT64 | all);
    put(ram, PD32, 4, PT32 | all);
    for (unsigned page = 0; page < RAM_BYTES >> 12; page++) {
        unsigned bits, to = tables_page(page, &bits);
        put(ram, PT64 + page * 8, 8, to << 12 | bits);
        put(ram, PT32 + page * 4, 4, to << 12 | bits);
    }
}

void tables_make(uint8_t *ram)
{
    make_segments((uint64_t *)(ram + GDT));
    make_call_gates((uint64_t *)(ram + GDT));
    make_interrupts(ram);
    make_tasks(ram);
    make_page_tables(ram);
    memcpy(ram + HANDLERS64, handlers64, (size_t)(handlers64_end - handlers64));
    memcpy(ram + HANDLERS32, handlers32, (size_t)(handlers32_end - handlers32));
    memcpy(ram + HANDLERS16, handlers16, (size_t)(handlers16_end - handlers16));
    memcpy(ram + PADS, pads, (size_t)(pads_end - pads));
    put(ram, SAVED_ESP, 8, (STACK0_TOP - 0x400) | (uint64_t)PAD32_RETL << 32);
}
