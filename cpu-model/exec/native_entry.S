/* Entry to and exit from native thunks. See native.h. */
#include "cpu-model/state/vcpu_offsets.h"
    .text
    .globl native_call, native_trapped
    .type native_call, @function
/* unsigned native_call(struct vcpu *vcpu, void *memory, const uint8_t *thunk) */
native_call:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    mov %rsp, VCPU_NATIVE_SP(%rdi)
    call *%rdx
    xor %eax, %eax
.Lreturn:
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    cld
    ret
native_trapped:
    mov VCPU_NATIVE_SP(%rdi), %rsp
    jmp .Lreturn
    .size native_call, . - native_call
    .section .note.GNU-stack, "", @progbits
