/*
 * Symptom: a guest that had misaligned its stack hung.
 * Cause: an aligned stack is part of a block's key; code that found it otherwise came back to the same block for ever.
 *
 * Prints:
 *   level 0: ok
 *   sum: 12c0
 *   user: ok
 *   sum: 12c0
 *   user, over a page's end: ok
 *   sum: 12c0
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

.macro BODY
    xor %ebx, %ebx
    mov $100, %ebp
1:  push %rbp
    call add_one
    sub $3, %rsp
    call add_one
    push $7
    pop %rcx
    pushf
    popf
    add %rcx, %rbx
    enter $16, $0
    push $8
    pop %rcx
    leave
    add %rcx, %rbx
    call add_one
    add $3, %rsp
    pop %rbp
    add $30, %rbx
    dec %ebp
    jnz 1b
.endm

    CODE32
main:
    ENTER_LONG
    TRY "level 0"
    dec %rsp
    BODY
    mov %rbx, kept(%rip)
    ENDTRY
    mov kept(%rip), %rax
    SHOW "sum"
    TRY "user"
    RING3
    sub $5, %rsp
    BODY
    DONE
    ENDTRY
    mov rec_sp(%rip), %rax
    mov F64_RBX(%rax), %rax
    SHOW "sum"
    TRY "user, over a page's end"
    RING3
    mov $pages + 4096 + 11, %esp
    BODY
    DONE
    ENDTRY
    mov rec_sp(%rip), %rax
    mov F64_RBX(%rax), %rax
    SHOW "sum"
    jmp finish64

add_one:
    inc %ebx
    ret

    .data
    .align 8
kept: .quad 0
    .bss
    .align 4096
pages: .skip 8192
