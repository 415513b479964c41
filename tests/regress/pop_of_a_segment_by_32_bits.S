/*
 * Symptom: after POP ES or POP DS with a 32-bit operand in virtual-8086 or real mode, the segment led far above 1 MiB.
 * Cause: all 32 bits that were popped counted for the base; a selector has 16.
 *
 * Prints:
 *   pop es, pop ds: ok
 *   read through ES: 5a
 *   read through DS: a5
 */
#include "tests/kernels/lib.inc"

    .set FLAGS, 0x23002 /* VM, IOPL 3 */

    .section .data.low
low_there: .byte 0x5a, 0xa5
low_seen: .word 0
    .code16
low_pops:
    pushl $0x7fff0000 + LOW_SEG
    popl %es
    movb %es:LOW(low_there), %al
    movb %al, LOW(low_seen)
    pushl $0x7fff0000 + LOW_SEG
    popl %ds
    movb LOW(low_there) + 1, %al
    movb %al, LOW(low_seen) + 1
    int $VECTOR_EXIT

    .text
    .code32
main:
    TRY "pop es, pop ds"
    ENTER_V86 low_pops, FLAGS
    ENDTRY
    movzbl LOW_BASE + LOW(low_seen), %eax
    SHOW "read through ES"
    movzbl LOW_BASE + LOW(low_seen) + 1, %eax
    SHOW "read through DS"
    ret
