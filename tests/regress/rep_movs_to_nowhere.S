/*
 * Symptom: a guest's REP MOVS or STOS to an address that is not canonical ended the process.
 * Cause: the inline form faulted on the host at a place of which nothing was recorded.
 *
 * Prints:
 *   rep stosb, canonical first: ok
 *   rep stosb, non-canonical: #d err=0 ip+0 cs=4b
 *   rcx: 64
 *   rep movsq, non-canonical source: #d err=0 ip+0 cs=4b
 *   rcx: 64
 *   rep movsb, non-canonical target: #d err=0 ip+0 cs=4b
 *   rcx: 64
 *   rep stosq, not mapped: #e err=6 ip+0 cr2=10000002000 cs=4b
 *   rcx: 64
 *   rep stosb, same place in another region: #e err=6 ip+0 cr2=20000111000 cs=4b
 *   rcx: 64
 *   rep movsb, same place in another region: #e err=4 ip+0 cr2=20000111000 cs=4b
 *   rcx: 64
 *   rep stosb of level 0, non-canonical: #d err=0 ip+0
 *   rcx: 64
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set PLACE, 0x111000 /* its page is used at linear = physical and looked for elsewhere */

/* The string instruction, 100 elements from RSI to RDI, with code around that is run first where all is well. */
.macro STRING name, insn, to, from, ring3=1
    TRY "\name"
    .if \ring3
    RING3
    .endif
    mov $2, %ebp
    movabs $PLACE, %rsi
    movabs $PLACE + 2048, %rdi
1:  mov $100, %ecx
    MARK
2:  rep \insn
    mov \to, %rdi
    mov \from, %rsi
    dec %ebp
    jnz 1b
    DONE
    ENDTRY
    mov rec_sp(%rip), %rax
    mov F64_RCX(%rax), %rax
    SHOW "rcx"
.endm

    CODE32
main:
    ENTER_LONG
    mov $1, %r15d
    shl $47, %r15
    add $PLACE, %r15                /* not canonical, and like PLACE below bit 47 */
    mov $0x10000002000, %r14        /* not mapped */
    mov $0x20000000000 + PLACE, %r13
    mov $PLACE, %r12d
    TRY "rep stosb, canonical first"
    mov $PLACE, %edi
    mov $100, %ecx
    rep stosb
    ENDTRY
    STRING "rep stosb, non-canonical", stosb, %r15, %r12
    STRING "rep movsq, non-canonical source", movsq, %r12, %r15
    STRING "rep movsb, non-canonical target", movsb, %r15, %r12
    STRING "rep stosq, not mapped", stosq, %r14, %r12
    STRING "rep stosb, same place in another region", stosb, %r13, %r12
    STRING "rep movsb, same place in another region", movsb, %r12, %r13
    STRING "rep stosb of level 0, non-canonical", stosb, %r15, %r12, 0
    jmp finish64

    .bss
    .align 4096
    .skip 0x20000
