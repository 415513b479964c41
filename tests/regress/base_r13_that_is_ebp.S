/*
 * Symptom: an access through EBP or R13 with 32-bit addresses went to another place; FENCE and MOVNTI in 16-bit code faulted.
 * Cause: where the interpreter re-encodes an instruction, a base of 101 with REX.B was taken for R13 when it meant "none".
 *
 * Prints:
 *   (r13d): 100
 *   8(r13d, ecx): 110
 *   (ebp): 110
 *   (ebp, ecx, 2): 120
 *   table + 16(ecx), with REX.B: 118
 *   table + 8, with REX.B: 108
 *   movups, with REX.B: 118
 *   relative to rip, with REX.B: 100
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    CODE32
main:
    ENTER_LONG
    ENABLE_SSE
    mov $table, %r13d
    mov $table + 16, %ebp
    mov $8, %ecx
    mov (%r13d), %eax
    SHOW "(r13d)"
    mov 8(%r13d, %ecx), %eax
    SHOW "8(r13d, ecx)"
    mov (%ebp), %eax
    SHOW "(ebp)"
    mov (%ebp, %ecx, 2), %eax
    SHOW "(ebp, ecx, 2)"
    .byte 0x67, 0x41, 0x8b, 0x04, 0x0d      /* mov eax, [ecx + disp32], REX.B set: no base */
    .long table + 16
    SHOW "table + 16(ecx), with REX.B"
    .byte 0x41, 0x8b, 0x04, 0x25
    .long table + 8
    SHOW "table + 8, with REX.B"
    .byte 0x67, 0x41, 0x0f, 0x10, 0x04, 0x0d /* movups */
    .long table + 16
    movd %xmm0, %eax
    SHOW "movups, with REX.B"
    .byte 0x41, 0x8b, 0x05
    .long table - 1f
1:  SHOW "relative to rip, with REX.B"
    jmp finish64

    .data
    .align 16
table: .long 0x100, 1, 0x108, 2, 0x110, 3, 0x118, 4, 0x120, 5, 0x128, 6
