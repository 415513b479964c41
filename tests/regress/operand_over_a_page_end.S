/*
 * Symptom: a word that lay across two pages was half of another page's.
 * Cause: an operand at a constant address (absolute, or relative to RIP) was looked up as if it were one page.
 *
 * Prints:
 *   read: 2222222211111111
 *   first page: 4444444433333333
 *   second page: 6666666655555555
 *   the page behind in memory: 0
 *   16 bytes: ok
 *   their second half: 88888888
 *   add: aaaa9999
 *   missing second page: #e err=2 ip+0 cr2=4001000
 *   first page then: 4444444433333333
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set T, 0x4000000               /* two pages, not next to each other in memory */

    CODE32
main:
    ENTER_LONG
    movl $(pt + 7), page_dirs + (T >> 21) * 8(%rip)
    movl $(page_a + 7), pt(%rip)
    movl $(page_b + 7), pt + 8(%rip)
    mov %cr3, %rax
    mov %rax, %cr3
    ENABLE_SSE
    movabs $0x6666666655555555, %rcx
    movabs $0x4444444433333333, %rdx
    mov $3, %ebp                    /* the last round is what is shown */
1:  movl $0x11111111, page_a + 4092(%rip)
    movl $0x22222222, page_b(%rip)
    incl T + 16                     /* the first page is known to be there and writable */
    mov T + 4092, %r8
    mov %rcx, page_b(%rip)
    mov %rdx, page_a + 4088(%rip)
    movabs $0x5555555544444444, %rax
    mov %rax, T + 4092
    dec %ebp
    jnz 1b
    mov %r8, %rax
    SHOW "read"
    mov page_a + 4088(%rip), %rax
    SHOW "first page"
    mov page_b(%rip), %rax
    SHOW "second page"
    mov page_other(%rip), %rax
    SHOW "the page behind in memory"
    movl $0x88888888, page_b + 4(%rip)
    TRY "16 bytes"
    movups T + 4088, %xmm0
    movups %xmm0, scratch(%rip)
    ENDTRY
    mov scratch + 12(%rip), %eax
    SHOW "their second half"
    addl $0x55555555, T + 4094
    mov T + 4094, %eax
    SHOW "add"
    movups scratch(%rip), %xmm0
    movups %xmm0, T + 4088
    movl $0, pt + 8(%rip)
    invlpg T + 4096
    TRY "missing second page"
    mov %rdx, T + 4092
    ENDTRY
    mov page_a + 4088(%rip), %rax
    SHOW "first page then"
    jmp finish64

    .data
    .align 16
scratch: .quad 0, 0
    .bss
    .align 4096
pt: .skip 4096
page_b: .skip 4096
page_a: .skip 4096
page_other: .skip 4096
