/*
 * Where everything lies in the world of the block tests; for C and assembly.
 *
 * With paging, linear pages below 10h are physical ones of the same number, for the supervisor; what the programs use
 * lies elsewhere than its linear addresses say, so that neighbours are not neighbours (world.c). Without, all is where
 * it says.
 */
#ifndef RING3_TESTS_BLOCKS_LAYOUT_H
#define RING3_TESTS_BLOCKS_LAYOUT_H

#define IVT        0x00000
#define GDT        0x01000
#define IDT64      0x02000
#define IDT32      0x03000
#define TSS64      0x03800
#define TSS32      0x03c00
#define HANDLERS32 0x04000 /* 16 bytes for each vector, then what they have in common */
#define HANDLERS64 0x05000
#define HANDLERS16 0x06000
#define SAVED_ESP  0x06ff0 /* of the kernel that went into virtual-8086 mode, and where it goes on */
#define SAVED_EIP  0x06ff4
#define LOG_AT     0x06ff8 /* offset in the log of the next entry */
#define LOG        0x07000 /* 32 bytes for each exception or interrupt: RIP, vector, flags, error code, CR2; a ring */
#define TASK_TOP   0x08300 /* a stack for tasks */
#define IST1_TOP   0x08400
#define STACK1_TOP 0x08800
#define STACK0_TOP 0x09000
#define TASKS      0x09000 /* TSSs of 80h bytes each */
#define PML4       0x0a000
#define PDPT       0x0b000
#define PD64       0x0c000
#define PT64       0x0d000
#define PD32       0x0e000
#define PT32       0x0f000

#define CODE       0x20000 /* 3 pages */
#define CODE_ALIAS 0x24000 /* the same again, with paging */
#define DATA       0x30000 /* 8 pages with different rights */
#define DEVICE     0x36000 /* one of them: 0 to ffh: a write asks for an interrupt; 100h: a write is a DMA into code */
#define COUNTER    0x37ff0
#define STACK      0x3c000 /* 2 pages, those below are not present */
#define TASK_PAGED 0x18fc0 /* a TSS over a page end; neither page is present at first */
#define RAM_BYTES  0x60000

#define PADS            0x28000 /* pads.S; a page, not present at first */
#define PAD64_RETQ      (PADS + 0x0)
#define PAD64_RETL      (PADS + 0x10)
#define PAD64_RETW      (PADS + 0x20)
#define PAD64_CLIMB     (PADS + 0x30)
#define PAD64_IRET      (PADS + 0x40)
#define PAD64_SYSRETQ   (PADS + 0x50)
#define PAD64_SYSRETL   (PADS + 0x60)
#define PAD64_SWAPGS    (PADS + 0x70)
#define PAD64_SYSEXITQ  (PADS + 0x90)
#define PAD64_SYSEXITL  (PADS + 0xa0)
#define PAD32_RETL      (PADS + 0x200)
#define PAD32_RETW      (PADS + 0x210)
#define PAD32_RETL_4    (PADS + 0x220)
#define PAD32_RETL_12   (PADS + 0x230)
#define PAD32_CLIMB     (PADS + 0x240)
#define PAD32_IRETL     (PADS + 0x250)
#define PAD32_IRETW     (PADS + 0x260)
#define PAD32_SYSRET    (PADS + 0x270)
#define PAD32_SYSEXIT   (PADS + 0x280)
#define PAD32_TASK_IRET (PADS + 0x290)
#define PAD32_TASK_JMP  (PADS + 0x2a0)
#define PAD32_TASK_END  (PADS + 0x2b0)
#define PAD32_INTO_V86  (PADS + 0x300)
#define PAD32_LEAVE_V86 (PADS + 0x340)
#define PAD16_RETW      (PADS + 0x400)
#define PAD16_RETL      (PADS + 0x410)
#define PAD16_RETW_4    (PADS + 0x420)
#define PAD16_IRETW     (PADS + 0x430)
#define PAD16_IRETL     (PADS + 0x440)
#define PAD16_V86       (PADS + 0x450)
#define PAD16_TASK_IRET (PADS + 0x460)

#define SEL_TSS32 0x68 /* of the program itself, outside long mode */

#define SEL_DATA0     0x10
#define HANDLER_COUNT 64

#endif
