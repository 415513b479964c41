/*
 * The GDT of the block tests, the vectors that have gates of their own, and what they lead to. tables.c writes them.
 *
 * "Pads" (pads.S) are what calls, interrupts and system calls come to: a few instructions and the way back. Theirs are
 * user pages, so that a pad runs at any privilege; the page is not present at first.
 */
#ifndef RING3_TESTS_BLOCKS_SELECTORS_H
#define RING3_TESTS_BLOCKS_SELECTORS_H

#include "tests/blocks/layout.h"

enum {
    SEL_CODE64_0 = 0x08,
    SEL_CODE32_0 = 0x18,
    SEL_CODE32_3 = 0x20 | 3,
    SEL_DATA3 = 0x28 | 3,
    SEL_CODE64_3 = 0x30 | 3,
    SEL_CODE16_0 = 0x38,
    SEL_DATA16_3 = 0x40 | 3,
    SEL_CODE16_3 = 0x48 | 3,
    SEL_LIMITED = 0x50 | 3,     /* base DATA - 800h, limit 8fffh */
    SEL_EXPAND_DOWN = 0x58 | 3, /* base DATA, offsets from 1000h on */
    SEL_READ_ONLY = 0x60 | 3,
    SEL_TSS64 = 0x70, /* 16 bytes; SEL_TSS32 is 68h */
    SEL_CONFORMING32 = 0x80,
    SEL_CONFORMING64 = 0x88,
    SEL_CONFORMING16 = 0x90,
    SEL_FRESH32 = 0x98 | 3, /* code of the user, never accessed */
    SEL_FRESH64 = 0xa0 | 3,
    SEL_FRESH16 = 0xa8 | 3,
    SEL_CODE_ABSENT = 0xb0 | 3,
    SEL_CODE_LIMITED = 0xb8 | 3, /* the first two pages of code */
    SEL_CODE32_1 = 0xc0 | 1,
    SEL_DATA1 = 0xc8 | 1,
    SEL_EXECUTE_ONLY = 0xd0 | 3,
    SEL_SYSENTER64 = 0xd8, /* and the five behind it that SYSEXIT means */
    SEL_SYSENTER32 = 0x108,
    SEL_GATE32 = 0x128, /* to ring 0, with 0, 1 and 3 parameters */
    SEL_GATE32_1 = 0x130,
    SEL_GATE32_3 = 0x138,
    SEL_GATE16_2 = 0x140,
    SEL_GATE16_SAME = 0x148, /* to ring 3 */
    SEL_GATE32_RING1 = 0x150,
    SEL_GATE32_CONFORMING = 0x158,
    SEL_GATE32_KERNEL = 0x160, /* DPL 0 */
    SEL_GATE32_ABSENT = 0x168,
    SEL_GATE32_TO_DATA = 0x170,
    SEL_GATE32_TO_NULL = 0x178,
    SEL_GATE32_CLIMB = 0x180,
    SEL_GATE64 = 0x188, /* 16 bytes each */
    SEL_GATE64_CLIMB = 0x198,
    SEL_GATE64_TO_32 = 0x1a8,
    SEL_GATE64_ABSENT = 0x1b8,
    SEL_GATE64_KERNEL = 0x1c8,
    SEL_GATE64_FAR_AWAY = 0x1d8, /* not canonical */
    SEL_GATE64_UPPER_TYPE = 0x1e8,
    SEL_TASKS = 0x1f8, /* one for each of TASK_COUNT */
    SEL_TASK_SHORT = 0x250,
    SEL_TASK_ABSENT = 0x258,
    SEL_TASK_GATE = 0x260,
    SEL_TASK_GATE_NEXT = 0x268,
    SEL_TASK_GATE_KERNEL = 0x270, /* DPL 0 */
    SEL_TASK_GATE_ABSENT = 0x278,
    SEL_TASK_GATE_TO_CODE = 0x280,
    SEL_END = 0x288,
    SEL_BEYOND = 0xff8,
};

/* Tasks that a program may go to. Those that IRET go back to who called them. */
enum task {
    TASK_KERNEL,
    TASK_16,           /* a 16-bit TSS */
    TASK_USER,         /* ring 3 */
    TASK_NEXT,         /* jumps to the program's TSS */
    TASK_LINKED,       /* the program's back link; busy; jumps */
    TASK_TRAPPED,      /* its T bit is set */
    TASK_OVER_PAGES,   /* at TASK_PAGED */
    TASK_WITHOUT_CODE, /* CS is null */
    TASK_BAD_STACK,
    TASK_OF_FAULT, /* of #NP; halts */
    TASK_OF_INTERRUPT,
    TASK_COUNT,
};

static inline unsigned task_selector(enum task task)
{
    return SEL_TASKS + (unsigned)task * 8;
}

enum {
    VECTOR_TASK_FAULT = 11, /* outside long mode these have task gates */
    VECTOR_TASK_INTERRUPT = 0x3f,
    INT_TRAP = 0x40,
    INT_16, /* a 16-bit gate */
    INT_LEAVE_V86,
    INT_RING1, /* in long mode with a stack of its own (IST) */
    INT_CONFORMING,
    INT_KERNEL, /* DPL 0 */
    INT_ABSENT,
    INT_TO_DATA,
    INT_TASK,
    INT_TASK_NEXT,
    INT_TASK_OVER_PAGES,
    INT_TASK_KERNEL, /* DPL 0 */
    INT_END,
};

#endif
