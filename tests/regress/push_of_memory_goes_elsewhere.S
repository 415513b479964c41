/*
 * Symptom: Debian's graphical installer ended the process: values were pushed to where no stack is.
 * Cause: PUSH m and CALL m fetch through the scratch registers of the translator, which may hold what is known about the
 * stack from the instruction before; the push believed them.
 *
 * Prints:
 *   pushes: ok
 *   sum: 6666
 *   calls: ok
 *   through: 5
 *   calls by registers: ok
 *   through: 5
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set PRESENT_WRITE_USER, 7
.macro MAP table, index, target
    movl $(\target + PRESENT_WRITE_USER), \table + \index * 8(%rip)
.endm

    CODE32
main:
    ENTER_LONG
    MAP page_pml4, 1, pdpt
    MAP pdpt, 0, pd
    MAP pd, 0, pt
    MAP pt, 0, page
    mov $1, %r15d
    shl $39, %r15
    movq $0x1111, page(%rip)
    movq $0x2222, page + 8(%rip)
    mov $function, %eax
    mov %rax, page + 16(%rip)
    TRY "pushes"
    RING3
    xor %ebx, %ebx
    mov $50, %ecx
1:  push %rcx
    push (%r15)
    push 8(%r15)
    push (%r15)
    push 8(%r15)
    pop %rax
    pop %rdx
    add %rdx, %rax
    pop %rdx
    add %rdx, %rax
    pop %rdx
    add %rdx, %rax
    mov %rax, %rbx
    pop %rcx
    dec %ecx
    jnz 1b
    DONE
    ENDTRY
    mov rec_sp(%rip), %rax
    mov F64_RBX(%rax), %rax
    SHOW "sum"
    TRY "calls"
    RING3
    mov $50, %ecx
1:  push %rcx
    xor %ebx, %ebx
    push %rbx
    call *16(%r15)
    call *16(%r15)
    pop %rax
    push %rax
    call *16(%r15)
    push 16(%r15)
    call *16(%r15)
    pop %rax
    call *%rax
    pop %rax
    pop %rcx
    dec %ecx
    jnz 1b
    DONE
    ENDTRY
    mov rec_sp(%rip), %rax
    mov F64_RBX(%rax), %rax
    SHOW "through"
    TRY "calls by registers"
    RING3
    mov $50, %ebp
1:  xor %ebx, %ebx
    mov 16(%r15), %rax
    mov 16(%r15), %r10
    mov 16(%r15), %rcx
    mov 16(%r15), %r11
    mov 16(%r15), %rdi
    push %r15
    call *%rax
    push (%r15)
    call *%r10
    mov (%r15), %rdx
    call *%rcx
    call *%r11
    mov %rdx, 24(%r15)
    call *%rdi
    pop %rdx
    pop %rdx
    dec %ebp
    jnz 1b
    DONE
    ENDTRY
    mov rec_sp(%rip), %rax
    mov F64_RBX(%rax), %rax
    SHOW "through"
    jmp finish64

function:
    inc %ebx
    ret

    .bss
    .align 4096
pdpt: .skip 4096
pd: .skip 4096
pt: .skip 4096
page: .skip 4096
