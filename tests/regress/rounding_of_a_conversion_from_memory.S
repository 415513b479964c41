/*
 * Symptom: conversions from memory rounded as the host's C code does, FISTTP and FCOMI worked on its x87 stack.
 * Cause: the tables did not say that these instructions use the x87 and MXCSR state of the guest.
 *
 * Prints:
 *   cvtsd2si, nearest: 2
 *   cvtsd2si, up: 3
 *   cvtsd2si, down: 2
 *   cvtss2si, up: 3
 *   cvtsi2ss, up: 4b800001
 *   cvtsi2ss, down: 4b800000
 *   cvtpd2ps, up: 3f800001
 *   cvtps2pi, up: 3
 *   fisttp: 2
 *   fistp, up: 3
 *   fcomi: 1
 *   mxcsr: 5fa0
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

.macro ROUND mode
    movl $(0x1f80 | \mode << 13), word(%rip)
    ldmxcsr word(%rip)
.endm

    CODE32
main:
    ENTER_LONG
    ENABLE_SSE
    fninit
    ROUND 0
    cvtsd2si two_and_a_bit(%rip), %eax
    SHOW "cvtsd2si, nearest"
    ROUND 2
    cvtsd2si two_and_a_bit(%rip), %eax
    SHOW "cvtsd2si, up"
    ROUND 1
    cvtsd2si two_and_a_bit(%rip), %eax
    SHOW "cvtsd2si, down"
    ROUND 2
    cvtss2si two_single(%rip), %eax
    SHOW "cvtss2si, up"
    cvtsi2ssl big(%rip), %xmm0
    movd %xmm0, %eax
    SHOW "cvtsi2ss, up"
    ROUND 1
    cvtsi2ssl big(%rip), %xmm0
    movd %xmm0, %eax
    SHOW "cvtsi2ss, down"
    ROUND 2
    cvtpd2ps one_and_a_bit(%rip), %xmm0
    movd %xmm0, %eax
    SHOW "cvtpd2ps, up"
    cvtps2pi two_single(%rip), %mm0
    movd %mm0, %eax
    emms
    SHOW "cvtps2pi, up"
    fldl two_and_a_bit(%rip)
    fisttpl word(%rip)
    mov word(%rip), %eax
    SHOW "fisttp"
    movw $0xb7f, word(%rip)
    fldcw word(%rip)
    fldl two_and_a_bit(%rip)
    fistpl word(%rip)
    mov word(%rip), %eax
    SHOW "fistp, up"
    fld1
    fldl two_and_a_bit(%rip)
    fcomi %st(1)
    seta %al
    movzx %al, %eax
    SHOW "fcomi"
    stmxcsr word(%rip)
    mov word(%rip), %eax
    SHOW "mxcsr"
    jmp finish64

    .data
    .align 16
one_and_a_bit: .quad 0x3ff0000000000001, 0x3ff0000000000001
two_and_a_bit: .quad 0x4000000000000001
two_single: .long 0x40000001, 0x40000001
big: .long 0x1000001
word: .long 0
