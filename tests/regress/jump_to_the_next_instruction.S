/*
 * Symptom: programs ran off into other code at the first use of a function of a shared library.
 * Cause: an indirect jump that C performed and that led to the next instruction, as a PLT's first use does, went on behind
 * the end of its block in the translation cache.
 *
 * Prints:
 *   user: ok
 *   rounds: 8c
 *   level 0: ok
 *   rounds: 8c
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    /* Pointers at 512 GiB whose page is looked up anew in each round, and one that crosses a page's end. */
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
    MAP pt, 1, page2
    MAP pt, 2, page3
    mov $1, %r15d
    shl $39, %r15
    TRY "user"
    call pointers
    RING3
    xor %ebx, %ebx
    mov $35, %r12d
user_code:
    jmp *(%r15)
user_1:
    inc %ebx
    jmp *4092(%r15)
user_2:
    inc %ebx
    call *8(%r15)
user_3:
    pop %rax
    inc %ebx
    push 16(%r15)
    ret
user_4:
    inc %ebx
    mov 8192(%r15), %eax
    dec %r12d
    jz 1f
    jmp user_code
1:  DONE
    ENDTRY
    mov rec_sp(%rip), %rax
    mov F64_RBX(%rax), %rax
    SHOW "rounds"
    TRY "level 0"
    call pointers_0
    xor %ebx, %ebx
    mov $35, %r12d
code:
    mov %cr3, %rax
    mov %rax, %cr3
    jmp *(%r15)
code_1:
    inc %ebx
    jmp *4092(%r15)
code_2:
    inc %ebx
    call *8(%r15)
code_3:
    pop %rax
    inc %ebx
    push 16(%r15)
    ret
code_4:
    inc %ebx
    dec %r12d
    jz 1f
    jmp code
1:  mov %ebx, kept(%rip)
    ENDTRY
    mov kept(%rip), %eax
    SHOW "rounds"
    jmp finish64

.macro POINTERS prefix
    mov $\prefix\()_1, %eax
    mov %rax, (%r15)
    mov $\prefix\()_2, %eax
    mov %rax, 4092(%r15)
    mov $\prefix\()_3, %eax
    mov %rax, 8(%r15)
    mov $\prefix\()_4, %eax
    mov %rax, 16(%r15)
.endm
pointers:
    POINTERS user
    ret
pointers_0:
    POINTERS code
    ret

    .data
kept: .long 0
    .bss
    .align 4096
pdpt: .skip 4096
pd: .skip 4096
pt: .skip 4096
page: .skip 4096
page3: .skip 4096
page2: .skip 4096
