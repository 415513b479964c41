/*
 * Symptom: Debian's graphical installer ended the process: values were pushed to where no stack is.
 * Cause: PUSH m and CALL m fetch through the scratch registers of the translator, which may hold what is known about the
 * stack from the instruction before; the push believed them. It mattered where the window (softmmu/window.h) of the data and
 * a third one are as far apart as the stack is from the data; windows mostly are 48 or 80 GiB apart, and so are the stacks here.
 *
 * Prints:
 *   pushes, -48: ok
 *   sum: 6666
 *   calls, -48: ok
 *   through: 5
 *   pushes, -80: ok
 *   sum: 6666
 *   calls, -80: ok
 *   through: 5
 *   pushes, 48: ok
 *   sum: 6666
 *   calls, 48: ok
 *   through: 5
 *   pushes, 80: ok
 *   sum: 6666
 *   calls, 80: ok
 *   through: 5
 *   behind the data: 0
 *   before the data: 0
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set DATA, 512                  /* GiB; all are mapped in one large page each */
    .set BEFORE, 1040               /* its window is made before the one of the data, the next one behind */
    .set BEHIND, 1024
    .set STACK, 0x8000
    .set PLACES, 7

.macro MAP table, index, target, flags
    movl $(\target + \flags), \table + (\index) * 8(%rip)
.endm

    CODE32
main:
    ENTER_LONG
    MAP page_pml4, 1, pdpt_1, 7
    MAP page_pml4, 2, pdpt_2, 7
    MAP page_pdpt, (DATA - 48), pd, 7
    MAP page_pdpt, (DATA - 80), (pd + 0x5000), 7
    MAP pdpt_1, 0, (pd + 0x1000), 7
    MAP pdpt_1, 48, (pd + 0x2000), 7
    MAP pdpt_1, 80, (pd + 0x6000), 7
    MAP pdpt_2, 0, (pd + 0x3000), 7
    MAP pdpt_2, 16, (pd + 0x4000), 7
    .irp n, 0, 1, 2, 3, 4, 5, 6
    MAP (pd + \n * 0x1000), 0, (0x2000000 + \n * 0x200000), 0x87
    .endr
    movq $0x1111, 0x2200000
    movq $0x2222, 0x2200008
    movl $function, 0x2200010
    .irp distance, -48, -80, 48, 80
    TRY "pushes, \distance"
    mov $(DATA + \distance), %r12d
    RING3
    call touch
    call pushes
    DONE
    ENDTRY
    mov sum(%rip), %rax
    SHOW "sum"
    TRY "calls, \distance"
    mov $(DATA + \distance), %r12d
    RING3
    call touch
    call calls
    DONE
    ENDTRY
    mov through(%rip), %rax
    SHOW "through"
    .endr
    mov 0x2600000 + STACK - 16, %eax
    or 0x2600000 + STACK - 8, %eax
    SHOW "behind the data"
    mov 0x2800000 + STACK - 16, %eax
    or 0x2800000 + STACK - 8, %eax
    SHOW "before the data"
    jmp finish64

/* User code. The windows come into being in this order; the pages that a stack has lie in them. RSI: the data, RDI: the
 * stack's top, R12 GiB up. */
touch:
    mov $BEFORE, %eax
    shl $30, %rax
    movl $0, STACK - 4096(%rax)
    mov $DATA, %esi
    shl $30, %rsi
    mov (%rsi), %eax
    mov $BEHIND, %eax
    shl $30, %rax
    movl $0, STACK - 4096(%rax)
    mov %r12, %rdi
    shl $30, %rdi
    movl $0, STACK - 4096(%rdi)
    add $STACK, %rdi
    ret

pushes:
    mov %rsp, %rbp
    mov %rdi, %rsp
    mov $50, %ecx
1:  push %rcx
    push (%rsi)
    push %rcx
    push 8(%rsi)
    push %rcx
    push (%rsi)
    push %rcx
    push 8(%rsi)
    pop %rax
    pop %rdx
    pop %rdx
    add %rdx, %rax
    pop %rdx
    pop %rdx
    add %rdx, %rax
    pop %rdx
    pop %rdx
    add %rdx, %rax
    mov %rax, sum(%rip)
    pop %rcx
    dec %ecx
    jnz 1b
    mov %rbp, %rsp
    ret

calls:
    mov %rsp, %rbp
    mov %rdi, %rsp
    mov $50, %ecx
1:  xor %ebx, %ebx
    push %rcx
    call *16(%rsi)
    push %rcx
    call *16(%rsi)
    pop %rax
    call *16(%rsi)
    mov 16(%rsi), %rax
    push %rcx
    call *%rax
    mov 16(%rsi), %rax
    call *%rax
    pop %rcx
    pop %rcx
    mov %rbx, through(%rip)
    dec %ecx
    jnz 1b
    mov %rbp, %rsp
    ret

function:
    inc %ebx
    ret

    .data
    .align 8
sum: .quad 0
through: .quad 0
    .bss
    .align 4096
pdpt_1: .skip 4096
pdpt_2: .skip 4096
pd: .skip PLACES * 4096
