/*
 * Symptom: vector registers of a guest program held another program's data.
 * Cause: code for a data instruction was written by the host's C code, and by its use of vector registers, while the guest's
 * were live in them.
 *
 * Prints:
 *   new instructions: ok
 *   xmm0-7 are as they were: 1
 *   x87: 3
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    CODE32
main:
    ENTER_LONG
    ENABLE_SSE
    mov $128, %ecx
    mov $pattern, %edi
1:  mov %cl, %al
    imul $37, %eax, %eax
    stosb
    loop 1b
    fninit
    fld1
    fld1
    fld1
    faddp
    faddp
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    movups pattern + \n * 16(%rip), %xmm\n
    .endr
    TRY "new instructions"
    mov $pattern + 512, %esi
    /* Each is met for the first time: forms, sizes, displacements. */
    .set n, 0
    .rept 64
    mov n(%rsi), %rax
    add %rax, n * 2(%rsi)
    xor n * 4(%rsi), %eax
    bt $n, %rax
    shld $n, %rax, %rdx
    imul $(n * 77), n * 8(%rsi), %ecx
    lock xadd %rax, n * 8(%rsi)
    movzbl n(%rsi), %edx
    .set n, n + 1
    .endr
    in $0x61, %al
    xor %eax, %eax
    cpuid
    rdtsc
    mov %cr3, %rax
    mov %rax, %cr3
    push $2
    popf
    ENDTRY
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    movups %xmm\n, seen + \n * 16(%rip)
    .endr
    mov $seen, %esi
    mov $pattern, %edi
    mov $128, %ecx
    repe cmpsb
    setz %al
    movzx %al, %eax
    SHOW "xmm0-7 are as they were"
    fistpl seen(%rip)
    mov seen(%rip), %eax
    SHOW "x87"
    jmp finish64

    .bss
    .align 16
pattern: .skip 4096
seen: .skip 128
