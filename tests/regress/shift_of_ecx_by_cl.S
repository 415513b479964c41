/*
 * Symptom: a shift or rotation of ECX by CL left ECX as it was.
 * Cause: the operand was shifted in one host register while the count was in another, which was then stored over it.
 *
 * Prints:
 *   shl %cl,%ecx: 23456040
 *   shl %cl,%rcx: 123456040
 *   shr %cl,%rcx: 923456040000000
 *   sar %cl,%ecx: f9234560
 *   rol %cl,%ecx: 23456041
 *   ror %cl,%cx: 12344560
 *   rcl %cl,%ecx: 91a2b018
 *   shl %cl,%cl: 12345618
 *   shr %cl,%ch: 12340a03
 *   shld %cl,%edx,%ecx: 23456048
 *   shrd %cl,%edx,%ecx: f1234560
 *   shl %cl,%ecx: 12345620
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    /* Twice, so that it is translated code. */
.macro SHIFT value, insn:vararg
    mov $3, %ebp
1:  movabs $\value, %rcx
    mov $0x89abcdef, %edx
    \insn
    dec %ebp
    jnz 1b
    mov %rcx, %rax
    SHOW "\insn"
.endm

    CODE32
main:
    ENTER_LONG
    SHIFT 0x12345604, shl %cl, %ecx
    SHIFT 0x12345604, shl %cl, %rcx
    SHIFT 0x9234560400000004, shr %cl, %rcx
    SHIFT 0x92345604, sar %cl, %ecx
    SHIFT 0x12345604, rol %cl, %ecx
    SHIFT 0x12345604, ror %cl, %cx
    SHIFT 0x12345603, rcl %cl, %ecx
    SHIFT 0x12345603, shl %cl, %cl
    SHIFT 0x12345603, shr %cl, %ch
    SHIFT 0x12345604, shld %cl, %edx, %ecx
    SHIFT 0x12345604, shrd %cl, %edx, %ecx
    SHIFT 0x12345620, shl %cl, %ecx
    jmp finish64
