/*
 * Symptom: a loop went astray now and then.
 * Cause: a branch that crosses a page's end is guarded by a look at its second page. Where that was another one by now C
 * performed the branch; one that was not taken, or that led to the next instruction, then went on behind its block's end.
 *
 * Prints:
 *   jz: ok
 *   taken and not taken: 808
 *   jmp to the next instruction: ok
 *   rounds: 8
 *   call of the next instruction: ok
 *   rounds: 8
 *   loop: ok
 *   rounds: 8
 *   jrcxz: ok
 *   rounds: 8
 *   indirect jmp to the next instruction: ok
 *   rounds: 8
 *   ret: ok
 *   rounds: 8
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set T, 0x4000000               /* the cases run here, two pages each; the second one is one of two equal frames */

/* A page that ends `bytes` behind this place, and the page after it. */
.macro CODE_PAGES name, bytes
    .balign 4096
\name\()_pages:
    .skip 4096 - \bytes, 0x90
.endm

/* T's pages for the case: its own, and the second one or the copy of it. */
.macro SECOND_PAGE frame
    movl $(\frame + 7), pt + 8(%rip)
    mov %cr3, %rax
    mov %rax, %cr3
.endm

.macro CASE name, pages
    mov $\pages\()_pages + 4096, %esi
    mov $copy, %edi
    mov $512, %ecx
    rep movsq
    movl $(\pages\()_pages + 7), pt(%rip)
    TRY "\name"
    xor %ebx, %ebx
    mov $8, %ebp
1:  testl $1, %ebp
    jz 2f
    SECOND_PAGE \pages\()_pages + 4096
    jmp 3f
2:  SECOND_PAGE copy
3:
.endm
.macro AGAIN
    dec %ebp
    jnz 1b
    mov %ebx, kept(%rip)
    ENDTRY
    mov kept(%rip), %eax
.endm
.macro RUN bytes
    mov $T + 4096 - \bytes, %eax
    call *%rax
.endm

    CODE32
main:
    ENTER_LONG
    movl $(pt + 7), page_dirs + (T >> 21) * 8(%rip)
    CASE "jz", jz
    xor %ecx, %ecx
    RUN 4
    mov $1, %ecx
    RUN 4
    AGAIN
    SHOW "taken and not taken"
    CASE "jmp to the next instruction", jmp
    RUN 1
    AGAIN
    SHOW "rounds"
    CASE "call of the next instruction", call
    RUN 3
    AGAIN
    SHOW "rounds"
    CASE "loop", loop
    mov $2, %ecx
    RUN 1
    AGAIN
    SHOW "rounds"
    CASE "jrcxz", jrcxz
    mov $1, %ecx
    RUN 1
    AGAIN
    SHOW "rounds"
    movl $T + 4096 + 1, pointer(%rip)
    mov $pointer, %r8d
    CASE "indirect jmp to the next instruction", indirect
    RUN 2
    AGAIN
    SHOW "rounds"
    CASE "ret", ret
    lea 4f(%rip), %rax
    push %rax
    mov $T + 4096 + 1, %eax
    push %rax
    mov $T + 4096 - 2, %eax
    jmp *%rax
4:  AGAIN
    SHOW "rounds"
    jmp finish64

    CODE_PAGES jz, 4
    test %ecx, %ecx                 /* 2 bytes */
    .byte 0x0f, 0x84                /* jz, its offset on the second page */
    .long 2f - 1f
1:  inc %ebx
    ret
    ud2
2:  add $0x100, %ebx
    ret
    CODE_PAGES jmp, 1
    jmp 1f
1:  inc %ebx
    ret
    CODE_PAGES call, 3
    .byte 0xe8
    .long 0
    pop %rcx
    inc %ebx
    ret
    CODE_PAGES loop, 1
    loop 1f                         /* taken, to the next instruction */
1:  inc %ebx
    ret
    CODE_PAGES jrcxz, 1
    jrcxz 1f                        /* not taken */
    inc %ebx
    ret
1:  ud2
    CODE_PAGES indirect, 2
    jmp *(%r8)                      /* 3 bytes */
    inc %ebx
    ret
    CODE_PAGES ret, 2
    .byte 0xc2, 0, 0                /* ret 0, to the next instruction */
    inc %ebx
    ret
    .balign 4096, 0xcc

    .data
    .align 8
pointer: .quad 0
kept: .long 0
    .bss
    .align 4096
pt: .skip 4096
copy: .skip 4096
