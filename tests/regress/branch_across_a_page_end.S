/*
 * Symptom: a loop went astray now and then.
 * Cause: a branch that crosses a page's end is guarded by a look at its second page. Where the guard failed C performed
 * the branch; one that was not taken, or that led to the next instruction, then went on behind the end of its block.
 *
 * Prints:
 *   jz: ok
 *   taken and not taken: 808
 *   jmp to the next instruction: ok
 *   rounds: 8
 *   call of the next instruction: ok
 *   rounds: 8
 *   loop and jecxz: ok
 *   rounds: 808
 *   indirect jmp to the next instruction: ok
 *   rounds: 8
 *   ret: ok
 *   rounds: 8
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

/* The next instruction begins `bytes` before a page's end. */
.macro BEFORE_PAGE_END bytes
    .balign 4096
    .skip 4096 - \bytes, 0x90
.endm

/* Everything known about pages is forgotten, translated code stays. */
.macro FORGET
    mov %cr3, %rax
    mov %rax, %cr3
.endm

.macro CASE name
    TRY "\name"
    xor %ebx, %ebx
    mov $8, %ebp
.endm
.macro AGAIN from
    dec %ebp
    jnz \from
    mov %ebx, kept(%rip)
    ENDTRY
    mov kept(%rip), %eax
.endm

    CODE32
main:
    ENTER_LONG
    CASE "jz"
1:  FORGET
    xor %ecx, %ecx
    call jz_straddling
    FORGET
    mov $1, %ecx
    call jz_straddling
    AGAIN 1b
    SHOW "taken and not taken"
    CASE "jmp to the next instruction"
1:  FORGET
    call jmp_straddling
    AGAIN 1b
    SHOW "rounds"
    CASE "call of the next instruction"
1:  FORGET
    call call_straddling
    AGAIN 1b
    SHOW "rounds"
    CASE "loop and jecxz"
1:  FORGET
    mov $2, %ecx
    call loop_straddling
    FORGET
    mov $1, %ecx
    call jrcxz_straddling
    AGAIN 1b
    SHOW "rounds"
    lea indirect_next(%rip), %rax
    mov %rax, pointer(%rip)
    CASE "indirect jmp to the next instruction"
1:  FORGET
    call indirect_straddling
    AGAIN 1b
    SHOW "rounds"
    CASE "ret"
1:  FORGET
    lea ret_next(%rip), %rcx
    push %rcx
    jmp ret_straddling
ret_out:
    AGAIN 1b
    SHOW "rounds"
    jmp finish64

    .text
    BEFORE_PAGE_END 4
jz_straddling:
    test %ecx, %ecx         /* 2 bytes */
    .byte 0x0f, 0x84        /* jz over the page's end */
    .long jz_taken - 1f
1:  inc %ebx
    ret
    ud2
jz_taken:
    add $0x100, %ebx
    ret
    BEFORE_PAGE_END 1
jmp_straddling:
    jmp 1f
1:  inc %ebx
    ret
    BEFORE_PAGE_END 3
call_straddling:
    .byte 0xe8
    .long 0
    pop %rcx
    inc %ebx
    ret
    BEFORE_PAGE_END 1
loop_straddling:
    loop 1f                 /* taken at 2: to the next instruction */
1:  inc %ebx
    dec %ecx
    jnz 2f
    ret
2:  ud2
    BEFORE_PAGE_END 1
jrcxz_straddling:
    jrcxz 1f                /* not taken */
    add $0x100, %ebx
    ret
1:  ud2
    BEFORE_PAGE_END 3
indirect_straddling:
    jmp *pointer(%rip)
indirect_next:
    inc %ebx
    ret
    BEFORE_PAGE_END 2
ret_straddling:
    .byte 0xc2, 0, 0        /* ret 0 */
ret_next:
    inc %ebx
    jmp ret_out

    .data
    .align 8
pointer: .quad 0
kept: .long 0
