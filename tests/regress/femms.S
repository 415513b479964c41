/*
 * Symptom: FEMMS, an instruction of AMD's 3DNow, killed the translator on hosts without it; VLDMXCSR could set bits of MXCSR
 * that the guest's CPU does not have.
 * Cause: both went to the host as they were. Not on TCG, which has 3DNow and does not check MXCSR.
 *
 * Prints:
 *   femms: #6 ip+0
 *   user femms: #6 ip+0 cs=4b
 *   3dnow: #6 ip+0
 *   vldmxcsr with a reserved bit: #d err=0 ip+0
 *   ldmxcsr with a reserved bit: #d err=0 ip+0
 *   mxcsr: 1f80
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    CODE32
main:
    ENTER_LONG
    mov %cr4, %rax
    or $0x40600, %eax               /* OSXSAVE, OSFXSR, OSXMMEXCPT */
    mov %rax, %cr4
    xor %ecx, %ecx
    mov $7, %eax
    xor %edx, %edx
    xsetbv
    TRY "femms"
    .byte 0x0f, 0x0e
    ENDTRY
    TRY "user femms"
    RING3
    .byte 0x0f, 0x0e
    ENDTRY
    TRY "3dnow"
    .byte 0x0f, 0x0f, 0xc1, 0x9e    /* pfadd mm0, mm1 */
    ENDTRY
    movl $0x11f80, word(%rip)
    TRY "vldmxcsr with a reserved bit"
    vldmxcsr word(%rip)
    ENDTRY
    TRY "ldmxcsr with a reserved bit"
    ldmxcsr word(%rip)
    ENDTRY
    stmxcsr word(%rip)
    mov word(%rip), %eax
    SHOW "mxcsr"
    jmp finish64

    .data
    .align 4
word: .long 0
