/*
 * The border between C and translated code. See translator/ARCHITECTURE.md, "Registers".
 *
 * In translated code: guest registers in the host registers of the same name, but guest RCX in R10, RSP in R11, and R10, R11, R15 in
 * the vCPU; RCX and R15 are scratch, RSP is the return stack, arithmetic flags are the guest's, GS points into the view.
 */
#include "cpu-model/state/vcpu_offsets.h"

    .text

/* Guest state -> vCPU. Clobbers RAX; RCX and R15 survive. */
.macro SAVE_GUEST
    mov %rax, %gs:VCPU_GPR + 0
    mov %r10, %gs:VCPU_GPR + 8
    mov %rdx, %gs:VCPU_GPR + 16
    mov %rbx, %gs:VCPU_GPR + 24
    mov %r11, %gs:VCPU_GPR + 32
    mov %rbp, %gs:VCPU_GPR + 40
    mov %rsi, %gs:VCPU_GPR + 48
    mov %rdi, %gs:VCPU_GPR + 56
    mov %r8, %gs:VCPU_GPR + 64
    mov %r9, %gs:VCPU_GPR + 72
    mov %r12, %gs:VCPU_GPR + 96
    mov %r13, %gs:VCPU_GPR + 104
    mov %r14, %gs:VCPU_GPR + 112
    lahf
    seto %al
    movzbl %ah, %edx
    and $0xd5, %edx
    movzbl %al, %eax
    shl $11, %eax
    or %edx, %eax
    mov %rax, %gs:VCPU_FLAGS
    mov %rsp, %gs:VCPU_RETURN_SP
    mov %gs:VCPU_HOST_SP, %rsp
.endm

/* vCPU -> guest state, and on to resume_pc. */
    .globl bt_resume
bt_resume:
    mov %rsp, %gs:VCPU_HOST_SP
    mov %gs:VCPU_RETURN_SP, %rsp
    mov %gs:VCPU_FLAGS, %rax
    mov %eax, %edx
    shr $11, %edx
    and $1, %edx
    mov %al, %ah
    mov %dl, %al
    add $0x7f, %al /* OF */
    sahf
    mov %gs:VCPU_RESUME_SCRATCH + 0, %rcx
    mov %gs:VCPU_RESUME_SCRATCH + 8, %r15
    mov %gs:VCPU_GPR + 8, %r10
    mov %gs:VCPU_GPR + 16, %rdx
    mov %gs:VCPU_GPR + 24, %rbx
    mov %gs:VCPU_GPR + 32, %r11
    mov %gs:VCPU_GPR + 40, %rbp
    mov %gs:VCPU_GPR + 48, %rsi
    mov %gs:VCPU_GPR + 56, %rdi
    mov %gs:VCPU_GPR + 64, %r8
    mov %gs:VCPU_GPR + 72, %r9
    mov %gs:VCPU_GPR + 96, %r12
    mov %gs:VCPU_GPR + 104, %r13
    mov %gs:VCPU_GPR + 112, %r14
    mov %gs:VCPU_GPR + 0, %rax
    jmp *%gs:VCPU_RESUME_PC

/* void bt_enter(struct vcpu *vcpu, uint64_t pc): runs translated code until it leaves. GS is set by the caller. */
    .globl bt_enter
    .type bt_enter, @function
bt_enter:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    mov %rsi, %gs:VCPU_RESUME_PC
    jmp bt_resume

/* C said: go on at RAX, or leave when it is 0. */
.Lcontinue:
    mov %rax, %gs:VCPU_RESUME_PC
    test %rax, %rax
    jnz bt_resume
    add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .size bt_enter, . - bt_enter

/* A site's stub called: its number follows the call. R15: the linear address of an access. */
    .globl bt_slow_entry
bt_slow_entry:
    pop %rcx
    SAVE_GUEST
    mov %gs:VCPU_SELF, %rdi
    mov (%rcx), %esi
    mov %r15, %rdx
    call *%gs:VCPU_SLOW_FUNCTION
    jmp .Lcontinue

/* The trap handler sends a block here. ECX: the site whose instruction trapped. */
    .globl bt_trap_entry
bt_trap_entry:
    SAVE_GUEST
    mov %gs:VCPU_SELF, %rdi
    mov %ecx, %esi
    mov %r15, %rdx
    call *%gs:VCPU_SLOW_FUNCTION
    jmp .Lcontinue

/* An exit's stub called: its number follows the call. */
    .globl bt_exit_entry
bt_exit_entry:
    pop %rcx
    SAVE_GUEST
    mov %gs:VCPU_SELF, %rdi
    mov (%rcx), %esi
    call *%gs:VCPU_EXIT_FUNCTION
    jmp .Lcontinue

/* An indirect branch found nothing in the jump cache. R15: the linear target. */
    .globl bt_jump_entry
bt_jump_entry:
    SAVE_GUEST
    mov %gs:VCPU_SELF, %rdi
    mov %r15, %rsi
    call *%gs:VCPU_JUMP_FUNCTION
    jmp .Lcontinue

    .section .note.GNU-stack, "", @progbits
