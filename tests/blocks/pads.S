/*
 * What far calls, gates, interrupts and system calls come to: copied to PADS, at offsets that layout.h names. Each does
 * a little and goes back in its own way.
 */
#include "tests/blocks/layout.h"

    .section .rodata
    .globl pads, pads_end
.macro pad at
    .org pads + \at - PADS
.endm

pads:
    .code64
    pad PAD64_RETQ
    inc %rax
    lretq
    pad PAD64_RETL
    push %rax
    pop %rdx
    lretl
    pad PAD64_RETW
    lretw
    pad PAD64_CLIMB /* through a gate: stay here, on the new stack */
    pop %rax
    jmp *%rax
    pad PAD64_IRET
    add %eax, %edx
    iretq
    pad PAD64_SYSRETQ
    inc %rdx
    sysretq
    pad PAD64_SYSRETL
    sysretl
    pad PAD64_SWAPGS
    swapgs
    mov %gs:8, %edx
    swapgs
    sysretq
    pad PAD64_SYSEXITQ
    inc %rax
    sysexitq
    pad PAD64_SYSEXITL
    sysexitl

    .code32
    pad PAD32_RETL
    inc %eax
    lretl
    pad PAD32_RETW
    push %eax
    pop %edx
    lretw
    pad PAD32_RETL_4
    mov 8(%esp), %edx
    lretl $4
    pad PAD32_RETL_12
    mov 12(%esp), %edx
    lretl $12
    pad PAD32_CLIMB
    pop %eax
    jmp *%eax
    pad PAD32_IRETL
    add %eax, %edx
    iretl
    pad PAD32_IRETW
    iretw
    pad PAD32_SYSRET
    inc %edx
    sysretl
    pad PAD32_SYSEXIT
    inc %eax
    sti
    sysexit
    pad PAD32_TASK_IRET /* the task goes on behind it, when it is gone to again */
    inc %eax
    iretl
    jmp . - 2
    pad PAD32_TASK_JMP
    inc %eax
    ljmp $SEL_TSS32, $0
    jmp . - 8
    pad PAD32_TASK_END
    cli
    hlt
    pad PAD32_INTO_V86 /* and back to EAX */
    mov %esp, SAVED_ESP
    mov %eax, SAVED_EIP
    mov $DATA >> 4, %edx
    push %edx /* gs, fs, ds, es */
    push %edx
    push %edx
    push %edx
    push %edx /* ss:esp */
    push $STACK - DATA + 0x800
    push $0x23202 /* VM, IOPL 3, IF */
    push $CODE >> 4
    push $PAD16_V86 - CODE
    iretl
    pad PAD32_LEAVE_V86
    mov $SEL_DATA0, %eax
    mov %eax, %ds
    mov %eax, %es
    mov SAVED_ESP, %esp
    jmp *SAVED_EIP

    .code16
    pad PAD16_RETW
    inc %ax
    lretw
    pad PAD16_RETL
    push %ax
    pop %dx
    lretl
    pad PAD16_RETW_4
    lretw $4
    pad PAD16_IRETW
    add %ax, %dx
    iretw
    pad PAD16_IRETL
    iretl
    pad PAD16_V86
    push %ax
    sti
    pushf
    pop %bx
    int $0x42 /* INT_LEAVE_V86 */
    pad PAD16_TASK_IRET
    inc %ax
    iretw
    jmp . - 2
pads_end:

    .section .note.GNU-stack, "", @progbits
