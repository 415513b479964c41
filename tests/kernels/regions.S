/*
 * User code that works in several 4 GiB regions at once: stack, data and tables far apart, addresses that leave their
 * region by small steps, indices, and by non-canonical bases. What a translator may know about one base must not be
 * taken for another's.
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set PRESENT_WRITE_USER, 7
    /* Data at D = 512 GiB, at E = D + 16 GiB and on the page before it, and at F = 32 TiB. R15 holds D, R14 E, R13 F. */
.macro MAP table, index, target
    movl $(\target + PRESENT_WRITE_USER), \table + \index * 8(%rip)
    movl $0, \table + \index * 8 + 4(%rip)
.endm

/* The outcome, and RAX and RBX as the user left them. */
.macro RESULT
    ENDTRY
    mov rec_sp(%rip), %rcx
    mov F64_RAX(%rcx), %rax
    SHOW "rax"
    mov F64_RBX(%rcx), %rax
    SHOW "rbx"
.endm

    CODE32
main:
    ENTER_LONG
    MAP page_pml4, 1, pdpt_d            /* 512 GiB on */
    MAP page_pml4, 64, pdpt_f           /* 32 TiB on */
    MAP pdpt_d, 0, pd_d
    MAP pdpt_d, 15, pd_below
    MAP pdpt_d, 16, pd_e
    MAP pdpt_f, 0, pd_f
    MAP pd_d, 0, pt_d
    MAP pd_below, 511, pt_below
    MAP pd_e, 0, pt_e
    MAP pd_f, 0, pt_f
    MAP pt_d, 0, page_d
    MAP pt_below, 511, page_below
    MAP pt_e, 0, page_e
    MAP pt_f, 0, page_f
    mov $1, %r15d
    shl $39, %r15
    mov $4, %r14d
    shl $32, %r14
    add %r15, %r14
    mov $32, %r13d
    shl $40, %r13
    movq $0x1111, page_d(%rip)
    movq $0x2222, page_e(%rip)
    movq $0x3333, page_f(%rip)
    movq $0x4444, page_below + 4088(%rip)
    lea target(%rip), %rax
    mov %rax, page_d + 8(%rip)
    mov %rax, page_f + 8(%rip)

    /* Twice: the second time everything has been touched. */
    mov $2, %r12d
1:  call stack_and_data
    call steps
    call indices
    call faults
    call loops
    dec %r12d
    jnz 1b
    jmp finish64

stack_and_data:
    TRY "push from elsewhere"
    RING3
    mov $0x77, %ebx
    push %rbx
    push (%r15)
    push (%r13)
    pop %rax
    pop %rbx
    shl $16, %rax
    or %rbx, %rax
    pop %rbx
    DONE
    RESULT
    TRY "call through elsewhere"
    RING3
    push %rbx
    call *8(%r15)
    pop %rbx
    mov $0x88, %ebx
    push %rbx
    call *8(%r13)
    pop %rbx
    DONE
    RESULT
    TRY "call and push through spilled registers"
    RING3
    mov 8(%r13), %r10
    mov (%r14), %r11
    push %r11
    push %r15
    call *%r10
    pop %rbx
    pop %rbx
    DONE
    RESULT
    TRY "three places in turn"
    RING3
    mov (%r15), %rax
    add (%r14), %rax
    add (%r13), %rax
    push %rax
    add %rax, 16(%r15)
    mov %rax, 16(%r14)
    add (%r13), %rax
    mov 16(%r14), %rbx
    pop 24(%r13)
    sub 24(%r13), %rbx
    DONE
    RESULT
    TRY "a base that is loaded anew"
    RING3
    mov %r15, %rdx
    mov (%rdx), %rax
    mov %r13, %rdx
    add (%rdx), %rax
    lea (%r14), %rdx
    add (%rdx), %rax
    xchg %rdx, %rsi
    mov %r15, %rsi
    mov (%rsi), %rbx
    DONE
    RESULT
    TRY "pop into the stack pointer"
    RING3
    push %rax
    lea 64(%r13), %rdx
    push %rdx
    movq $0x5555, 64(%r13)
    pop %rsp
    pop %rax
    mov %rsp, %rbx
    DONE
    RESULT
    ret

steps:
    TRY "over the end of a region"
    RING3
    lea -8(%r14), %rsi
    mov (%rsi), %rax
    add $8, %rsi
    add (%rsi), %rax
    sub $8, %rsi
    mov (%rsi), %rbx
    DONE
    RESULT
    TRY "across the end of a region"
    RING3
    movabs $0x0807060504030201, %rax
    mov %rax, -4(%r14)
    mov -4(%r14), %rbx
    movq $0x2222, (%r14)
    movq $0x4444, -8(%r14)
    DONE
    RESULT
    TRY "a loop over the end of a region"
    RING3
    lea -64(%r14), %rsi
    mov $16, %ecx
    xor %eax, %eax
2:  add (%rsi), %rax
    add $8, %rsi
    dec %ecx
    jnz 2b
    mov %rsi, %rbx
    DONE
    RESULT
    ret

indices:
    TRY "an index below 4 G"
    RING3
    mov $4, %ecx
    lea (%r14), %rdx
    mov (%r15, %rcx, 8), %rax
    mov $0x80000000, %ecx
    add (%r15, %rcx, 8), %rax
    neg %ecx
    mov $0x1234, %ebx
    DONE
    RESULT
    TRY "an index that leads out"
    RING3
    mov $0xfffffff8, %ecx
    mov (%r15), %rax
    MARK
    mov (%r15, %rcx, 8), %rax
    DONE
    RESULT
    TRY "a negative index"
    RING3
    mov $-1, %rcx
    mov (%r14), %rax
    mov (%r14, %rcx, 8), %rbx
    DONE
    RESULT
    ret

faults:
    TRY "not mapped beside what is"
    RING3
    mov (%r15), %rax
    mov (%r13), %rbx
    MARK
    mov 4096(%r15), %rax
    DONE
    RESULT
    TRY "a base that is not canonical"
    RING3
    mov (%r15), %rax
    mov $1, %ebx
    shl $48, %rbx
    add %r15, %rbx
    MARK
    mov (%rbx), %rax
    DONE
    RESULT
    TRY "rep movs from a base that is not canonical"
    RING3
    mov $1, %esi
    shl $48, %rsi
    add %r15, %rsi
    mov (%r15), %rax
    mov %rax, 512(%r13)
    lea 512(%r13), %rdi
    mov %rdi, %rbx
    mov $8, %ecx
    MARK
    rep movsb
    DONE
    RESULT
    TRY "a kernel address"
    RING3
    mov (%r15), %rax
    mov $-4096, %rbx
    MARK
    mov (%rbx), %rax
    DONE
    RESULT
    TRY "address 0 with a far displacement"
    RING3
    mov (%r13), %rax
    xor %ebx, %ebx
    MARK
    mov -0x7ffffff8(%rbx), %rax
    DONE
    RESULT
    TRY "an absolute address"
    RING3
    mov (%r13), %rax
    mov 0x100000, %rbx          /* the Multiboot header */
    DONE
    RESULT
    ret

/* What is known in one round is not taken for true in the next. */
loops:
    TRY "a loop into what is not mapped"
    RING3
    movq $7, 4056(%r15)
    lea 4056(%r15), %rsi
    xor %eax, %eax
    xor %ebx, %ebx
2:  MARK
    add (%rsi), %rax
    add $8, %rsi
    inc %ebx
    cmp $100, %ebx
    jne 2b
    DONE
    RESULT
    TRY "a loop whose base changes regions"
    RING3
    mov %r15, %rsi
    mov %r13, %rdi
    xor %eax, %eax
    mov $20, %ecx
2:  add (%rsi), %rax
    xchg %rsi, %rdi
    dec %ecx
    jnz 2b
    mov %rsi, %rbx
    DONE
    RESULT
    TRY "a loop that adds to its base from memory"
    RING3
    mov %r15, %rsi
    movq $0, 512(%r15)
    mov %r14, %rax
    sub %r15, %rax
    mov %rax, 520(%r15)
    neg %rax
    mov %rax, 520(%r14)
    xor %eax, %eax
    mov $20, %ecx
2:  add (%rsi), %rax
    add 520(%rsi), %rsi
    dec %ecx
    jnz 2b
    mov %rsi, %rbx
    DONE
    RESULT
    TRY "a loop left in its middle"
    RING3
    xor %eax, %eax
    mov $37, %ebx
2:  add (%r15), %rax
    dec %ebx
    jz 3f
    add (%r13), %rax
    jmp 2b
3:  DONE
    RESULT
    TRY "a loop left after its first round"
    RING3
    xor %eax, %eax
    mov $1, %ebx
2:  add (%r14), %rax
    dec %ebx
    jnz 2b
    DONE
    RESULT
    TRY "a loop that changes its own next instruction"
    RING3
    xor %eax, %eax
    mov $25, %ebx
    movb $0, changed + 3(%rip)
2:  add (%r15), %rax
    incb changed + 3(%rip)
changed:
    add $0, %rax
    dec %ebx
    jnz 2b
    DONE
    RESULT
    TRY "a loop that changes the instruction before"
    RING3
    xor %eax, %eax
    mov $25, %ebx
    movb $0, before + 3(%rip)
before:
    add $0, %rax
    add (%r13), %rax
    incb before + 3(%rip)
    dec %ebx
    jnz before
    DONE
    RESULT
    TRY "a loop whose index leads out"
    RING3
    mov $0xfffffff0, %esi
    xor %eax, %eax
    xor %ebx, %ebx
2:  MARK
    add (%r15, %rsi), %bl
    add $1, %esi
    jnz 2b
    DONE
    RESULT
    ret

target:
    mov $0x99, %eax
    ret

    .bss
    .align 4096
pdpt_d: .skip 4096
pdpt_f: .skip 4096
pd_d: .skip 4096
pd_below: .skip 4096
pd_e: .skip 4096
pd_f: .skip 4096
pt_d: .skip 4096
pt_below: .skip 4096
pt_e: .skip 4096
pt_f: .skip 4096
page_d: .skip 4096
page_below: .skip 4096
page_e: .skip 4096
page_f: .skip 4096
