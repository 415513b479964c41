/*
 * Symptom: U-Boot stopped early with a general-protection exception.
 * Cause: it asks for the microcode revision as the SDM says: zero to MSR 8Bh, CPUID, then a read. The write was refused.
 *
 * Prints:
 *   the write: ok
 *   the read: ok
 */
#include "tests/kernels/lib.inc"

main:
    TRY "the write"
    mov $0x8b, %ecx
    xor %eax, %eax
    xor %edx, %edx
    wrmsr
    ENDTRY
    TRY "the read"
    mov $1, %eax
    cpuid
    mov $0x8b, %ecx
    rdmsr
    ENDTRY
    ret
