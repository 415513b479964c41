/*
 * Symptom: an x87 store that raised an unmasked exception left zeros where nothing should have been written.
 * Cause: the operand crossed a page's end, so that the store went to a buffer, and the buffer to memory. Not on TCG: it
 * stores as if the exception were masked.
 *
 * Prints:
 *   fstps within a page: #10 ip+6
 *   memory: 5a5a5a5a
 *   fstps over a page's end: #10 ip+6
 *   memory: 5a5a5a5a
 *   fistpl over a page's end: #10 ip+6
 *   memory: 5a5a5a5a
 *   masked: ok
 *   memory: 7f800000
 *   cvtpi2ps of a missing page, exception pending: #e err=0 ip+0 cr2=4000000
 *   movaps, misaligned and missing: #d err=0 ip+0
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set HOLE, 0x4000000

/* A number too large for the operand, with what that raises unmasked; FWAIT reports it. */
.macro STORE name, insn, control, at
    movl $0x5a5a5a5a, \at(%rip)
    movw $\control, word(%rip)
    TRY "\name"
    fninit
    fldcw word(%rip)
    fldl huge(%rip)
    mov $\at, %edi
    MARK
    \insn (%rdi)
    nop
    nop
    nop
    nop
    fwait
    ENDTRY
    fninit
    mov \at(%rip), %eax
    SHOW "memory"
.endm

    CODE32
main:
    ENTER_LONG
    mov %cr0, %rax
    or $0x22, %eax                  /* NE, MP */
    mov %rax, %cr0
    ENABLE_SSE
    movl $0, page_dirs + (HOLE >> 21) * 8(%rip)
    mov %cr3, %rax
    mov %rax, %cr3
    STORE "fstps within a page", fstps, 0x377, pages
    STORE "fstps over a page's end", fstps, 0x377, (pages + 4094)
    STORE "fistpl over a page's end", fistpl, 0x37e, (pages + 4094)
    STORE "masked", fstps, 0x37f, (pages + 4094)
    movw $0x37b, word(%rip)
    TRY "cvtpi2ps of a missing page, exception pending"
    fninit
    fldcw word(%rip)
    fld1
    fldz
    fdivrp
    mov $HOLE, %edi
    MARK
    cvtpi2ps (%rdi), %xmm0
    ENDTRY
    fninit
    TRY "movaps, misaligned and missing"
    mov $HOLE + 8, %edi
    MARK
    movaps (%rdi), %xmm0
    ENDTRY
    jmp finish64

    .data
    .align 8
huge: .quad 0x7e37e43c8800759c      /* 1e300 */
word: .word 0
    .bss
    .align 4096
pages: .skip 8192
