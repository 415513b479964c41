/*
 * The guest's exception and interrupt handlers, copied to HANDLERS16, 32 and 64 (layout.h): each occurrence is logged;
 * #DB and vectors from 20h on return with RF set, #PF makes the page present, writable and the user's and returns if
 * that changes anything; everything else halts with interrupts off.
 */
#include "tests/blocks/layout.h"

    .section .rodata

/* Vectors with an error code. */
#define HAS_CODE(v) ((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17)

    .globl handlers64, handlers64_end
handlers64:
    .code64
    .set v, 0
    .rept HANDLER_COUNT
    .org handlers64 + v * 16
    .if HAS_CODE(v)
    .else
    push $0
    .endif
    push $v
    .byte 0xe9
    .long common64 - . - 4
    .set v, v + 1
    .endr
common64: /* 0 rdx, 8 rcx, 16 rbx, 24 rax, 32 vector, 40 error code, 48 rip, 56 cs, 64 rflags */
    push %rax
    push %rbx
    push %rcx
    push %rdx
    mov LOG_AT, %ebx
    mov 48(%rsp), %rax
    mov %rax, LOG(%rbx)
    mov 32(%rsp), %ecx
    mov %ecx, LOG + 8(%rbx)
    mov 64(%rsp), %eax
    mov %eax, LOG + 12(%rbx)
    mov 40(%rsp), %eax
    mov %rax, LOG + 16(%rbx)
    mov %cr2, %rdx
    mov %rdx, LOG + 24(%rbx)
    add $32, %ebx
    and $0xfe0, %ebx
    mov %ebx, LOG_AT
    cmp $14, %ecx
    je 2f
    cmp $1, %ecx
    je 1f
    cmp $32, %ecx
    jb 9f
1:  orl $0x10000, 64(%rsp)
    pop %rdx
    pop %rcx
    pop %rbx
    pop %rax
    add $16, %rsp
    iretq
2:  cmp $0x60000, %rdx
    jae 9f
    shr $12, %edx
    mov PT64(, %rdx, 8), %eax
    and $7, %eax
    cmp $7, %eax
    je 9f
    orl $7, PT64(, %rdx, 8)
    jmp 1b
9:  cli
    hlt
    jmp 9b
handlers64_end:

    .globl handlers32, handlers32_end
handlers32:
    .code32
    .set v, 0
    .rept HANDLER_COUNT
    .org handlers32 + v * 16
    .if HAS_CODE(v)
    .else
    pushl $0
    .endif
    pushl $v
    .byte 0xe9
    .long common32 - . - 4
    .set v, v + 1
    .endr
common32: /* 0 ds, 4 edx, 8 ecx, 12 ebx, 16 eax, 20 vector, 24 error code, 28 eip, 32 cs, 36 eflags */
    push %eax
    push %ebx
    push %ecx
    push %edx
    push %ds
    mov $SEL_DATA0, %eax
    mov %eax, %ds
    mov LOG_AT, %ebx
    mov 28(%esp), %eax
    mov %eax, LOG(%ebx)
    movl $0, LOG + 4(%ebx)
    mov 20(%esp), %ecx
    mov %ecx, LOG + 8(%ebx)
    mov 36(%esp), %eax
    mov %eax, LOG + 12(%ebx)
    mov 24(%esp), %eax
    mov %eax, LOG + 16(%ebx)
    mov %cr2, %edx
    mov %edx, LOG + 24(%ebx)
    add $32, %ebx
    and $0xfe0, %ebx
    mov %ebx, LOG_AT
    cmp $14, %ecx
    je 2f
    cmp $1, %ecx
    je 1f
    cmp $32, %ecx
    jb 9f
1:  orl $0x10000, 36(%esp)
    pop %ds
    pop %edx
    pop %ecx
    pop %ebx
    pop %eax
    add $8, %esp
    iret
2:  cmp $0x60000, %edx
    jae 9f
    shr $12, %edx
    mov PT32(, %edx, 4), %eax
    and $7, %eax
    cmp $7, %eax
    je 9f
    orl $7, PT32(, %edx, 4)
    jmp 1b
9:  cli
    hlt
    jmp 9b
handlers32_end:

    .globl handlers16, handlers16_end
handlers16:
    .code16
    .set v, 0
    .rept HANDLER_COUNT
    .org handlers16 + v * 16
    pushw $v
    .byte 0xe9
    .word common16 - . - 2
    .set v, v + 1
    .endr
common16: /* 0 bp, 2 ds, 4 bx, 6 ax, 8 vector, 10 ip, 12 cs, 14 flags */
    push %ax
    push %bx
    push %ds
    push %bp
    mov %sp, %bp
    xor %ax, %ax
    mov %ax, %ds
    mov LOG_AT, %bx
    mov 10(%bp), %ax
    mov %ax, LOG(%bx)
    mov 14(%bp), %ax
    mov %ax, LOG + 12(%bx)
    mov 8(%bp), %ax
    mov %ax, LOG + 8(%bx)
    add $32, %bx
    and $0xfe0, %bx
    mov %bx, LOG_AT
    cmp $1, %ax
    je 1f
    cmp $32, %ax
    jb 9f
1:  pop %bp
    pop %ds
    pop %bx
    pop %ax
    add $2, %sp
    iret
9:  cli
    hlt
    jmp 9b
handlers16_end:

    .section .note.GNU-stack, "", @progbits
