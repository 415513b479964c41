/*
 * Symptom: LFENCE, MFENCE, SFENCE and MOVNTI in 16-bit code were invalid instructions.
 * Cause: an operand size prefix was put before them where they were re-encoded for the host, as for the general registers'.
 *
 * Prints:
 *   16-bit code: ok
 *   movnti: 1234abcd
 */
#include "tests/kernels/lib.inc"

main:
    ENABLE_SSE
    TRY "16-bit code"
    ljmp $SEL_CODE16, $LOW(low_code)
    ENDTRY
    mov LOW_BASE + LOW(low_word), %eax
    SHOW "movnti"
    ret

    .section .data.low
    .code16
low_code:
    mov $3, %cx
1:  lfence
    mfence
    sfence
    movl $0x1234abcd, %eax
    movl $LOW_BASE + LOW(low_word), %ebx
    movnti %eax, (%ebx)
    prefetcht0 (%bx)
    clflush (%ebx)
    loop 1b
    int $VECTOR_EXIT
    .align 4
low_word: .long 0
