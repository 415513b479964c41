/* Stacks that the TSS holds for inner levels: what is wrong with them and who says so, by INT, by call gate, by exception. */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set S_CODE1, SEL_FREE          /* code and stacks of level 1 */
    .set S_STACK1, SEL_FREE + 0x08
    .set S_NP1, SEL_FREE + 0x10
    .set S_RO1, SEL_FREE + 0x18
    .set S_SMALL1, SEL_FREE + 0x20  /* limit FFFh */
    .set S_GATE1, SEL_FREE + 0x28   /* call gates to level 1; two slots */
    .set S_GATE1_16, SEL_FREE + 0x38
    .set S_F, SEL_FREE + 0x40       /* the task that takes faults */
    .set S_CODE1_64, SEL_FREE + 0x48
    .set S_PARAMETERS, SEL_FREE + 0x50
    .set S_BEYOND, 0x200

    .set ESP1, 12
    .set SS1, 16

/* The three ways inwards. */
.macro WAYS name
    TRY "int, \name"
    RING3
    int $0x50
    ENDTRY
    TRY "lcall, \name"
    RING3
    .if BITS == 64
    lcall *far_gate(%rip)
    .else
    lcall $S_GATE1 + 3, $0
    .endif
    ENDTRY
    TRY "ud, \name"
    RING3
    ud2
    ENDTRY
.endm

.macro STACK1 name, ss, esp=stack1_top
    movl $\ss, tss + SS1
    movl $\esp, tss + ESP1
    WAYS "\name"
.endm

/* Reloads TR with another limit. */
.macro TSS_LIMIT limit, type=0x89, base=tss
    DESC SEL_TSS, \base, \limit, \type, 0
    .if BITS == 64
    .error "32-bit code only"
    .endif
    mov $SEL_TSS, %eax
    ltr %ax
.endm

    CODE32
main:
    DESC S_CODE1, 0, 0xfffff, 0xbb, 0xc0
    DESC S_STACK1, 0, 0xfffff, 0xb3, 0xc0
    DESC S_NP1, 0, 0xfffff, 0x33, 0xc0
    DESC S_RO1, 0, 0xfffff, 0xb1, 0xc0
    DESC S_SMALL1, 0, 0xfff, 0xb3, 0x40
    DESC S_F, tss_f, 103, 0x89, 0
    DESC S_CODE1_64, 0, 0xfffff, 0xbb, 0xa0
    GATE S_GATE1, S_CODE1, inside1, 0xec
    GATE S_GATE1_16, S_CODE1, 0, 0xe4
    GATE S_PARAMETERS, S_CODE1, inside1, 0xec, 31
    IDT_GATE 0x50, S_CODE1, inside1, 0xee
    IDT_GATE 6, S_CODE1, inside1, 0x8e
    call selectors
    call limits
    call outermost
    call long_stacks
    jmp finish64

    CODE32
inside1:
    mov %ss, %ebx
    mov $stack1_top, %esi
    sub %esp, %esi
    DONE

selectors:
    STACK1 "good", S_STACK1 + 1
    mov rec_sp, %edx
    mov F_REGS + 16(%edx), %eax
    SHOW "ss inside"
    mov F_REGS + 4(%edx), %eax
    SHOW "pushed by ud"
    STACK1 "null", 0
    STACK1 "null, rpl 1", 1
    STACK1 "rpl 0", S_STACK1
    STACK1 "rpl 3", S_STACK1 + 3
    STACK1 "dpl 0", SEL_DATA + 1
    STACK1 "dpl 3", (SEL_USER_DATA & ~3) + 1
    STACK1 "read only", S_RO1 + 1
    STACK1 "code", S_CODE1 + 1
    STACK1 "not present", S_NP1 + 1
    STACK1 "not present, rpl 0", S_NP1
    STACK1 "tss", SEL_TSS + 1
    STACK1 "beyond the gdt", S_BEYOND + 1
    STACK1 "in the ldt, without one", 5
    STACK1 "above the limit", S_SMALL1 + 1, 0x1004
    STACK1 "below 0", S_SMALL1 + 1, 8
    STACK1 "at the limit", S_SMALL1 + 1, 0x1000
    movl $S_STACK1 + 1, tss + SS1
    movl $stack1_top, tss + ESP1
    TRY "31 parameters"
    RING3
    sub $124, %esp
    lcall $S_PARAMETERS + 3, $0
    ENDTRY
    mov rec_sp, %edx
    mov F_REGS + 4(%edx), %eax
    SHOW "pushed"
    ret

limits:
    TSS_LIMIT 17
    WAYS "limit at the end of SS1"
    TSS_LIMIT 16
    WAYS "limit within SS1"
    TSS_LIMIT 11
    WAYS "limit before ESP1"
    movw $0x7000, tss_16 + 6
    movw $S_STACK1 + 1, tss_16 + 8
    movw $0x6000, tss_16 + 2
    movw $SEL_DATA, tss_16 + 4
    TSS_LIMIT 43, 0x81, tss_16
    WAYS "16-bit TSS"
    mov rec_sp, %edx
    mov F_REGS + 4(%edx), %eax
    sub $stack1_top - 0x7000, %eax
    SHOW "pushed"
    movw $0, tss_16 + 8
    WAYS "16-bit TSS, null"
    movw $S_STACK1 + 1, tss_16 + 8
    TSS_LIMIT 8, 0x81, tss_16
    WAYS "16-bit TSS, limit within SS1"
    TSS_LIMIT 103
    ret

/* Level 0's own stack: what goes wrong is taken by a task. */
.macro STACK0 name, ss, esp=int_stack_top
    movl $-1, seen
    call reset_task
    TRY "\name"
    movl $\ss, tss + 8
    movl $\esp, tss + 4
    RING3
    int $VECTOR_EXIT
    ENDTRY
    movl $SEL_DATA, tss + 8
    movl $int_stack_top, tss + 4
    call reset_task
    mov seen, %eax
    SHOW "\name, error code"
.endm

.macro USUAL_GATE vector
    mov $stubs32 + \vector * 16, %eax
    mov %ax, idt32 + \vector * 8
    movw $SEL_CODE32, idt32 + \vector * 8 + 2
    movw $0x8e00, idt32 + \vector * 8 + 4
    shr $16, %eax
    mov %ax, idt32 + \vector * 8 + 6
.endm

reset_task:
    movb $0x89, gdt + S_F + 5
    andb $~2, gdt + SEL_TSS + 5
    mov $SEL_TSS, %eax
    ltr %ax
    clts
    movl $fault_task, tss_f + 32
    movl $2, tss_f + 36
    movl $stack_f_top, tss_f + 56
    .irp offset, 72, 80, 84
    movl $SEL_DATA, tss_f + \offset
    .endr
    movl $SEL_CODE32, tss_f + 76
    ret

outermost:
    IDT_GATE 10, S_F, 0, 0x85
    IDT_GATE 12, S_F, 0, 0x85
    DESC S_NP1, 0, 0xfffff, 0x13, 0xc0
    DESC S_SMALL1, 0, 0xfff, 0x93, 0x40
    STACK0 "ss0 null, by a task", 0
    STACK0 "ss0 of dpl 3, by a task", SEL_USER_DATA
    STACK0 "ss0 not present, by a task", S_NP1
    STACK0 "ss0 too small, by a task", S_SMALL1, 16
    USUAL_GATE 10
    USUAL_GATE 12
    IDT_GATE 8, S_F, 0, 0x85
    STACK0 "ss0 null, double fault", 0
    mov tss_f, %eax
    SHOW "back link"
    mov tss + 76, %eax
    SHOW "cs of the task that failed"
    USUAL_GATE 8
    ret

fault_task:
    pop %eax
    mov %eax, seen
    mov try_sp, %esp
    push $2
    popf
    jmp *try_resume

/* --- long mode ----------------------------------------------------------------------------------------------------- */

.macro GATE64 table, index, selector, target, access, ist=0
    mov $\target, %eax
    movw %ax, \table + \index(%rip)
    movw $\selector, \table + \index + 2(%rip)
    movb $\ist, \table + \index + 4(%rip)
    movb $\access, \table + \index + 5(%rip)
    shr $16, %eax
    movw %ax, \table + \index + 6(%rip)
    movq $0, \table + \index + 8(%rip)
.endm

.macro TSS64_LIMIT limit
    movw $\limit, gdt + SEL_TSS(%rip)
    movb $0x89, gdt + SEL_TSS + 5(%rip)
    mov $SEL_TSS, %eax
    ltr %ax
.endm

    .set RSP1, 12
    .set IST7, 84

long_stacks:
    ENTER_LONG
    GATE64 gdt, S_GATE1, S_CODE1_64, inside1_64, 0xec
    GATE64 idt64, 0x500, S_CODE1_64, inside1_64, 0xee
    GATE64 idt64, 0x060, S_CODE1_64, inside1_64, 0x8e
    GATE64 idt64, 0x510, SEL_CODE64, inside1_64, 0xee, 7
    movl $stack1_top, tss64 + RSP1(%rip)
    WAYS "64-bit"
    mov rec_sp(%rip), %rcx
    mov F64_RBX(%rcx), %rax
    SHOW "ss inside"
    mov F64_RSI(%rcx), %rax
    SHOW "pushed by ud"
    TSS64_LIMIT 19
    WAYS "limit at the end of RSP1"
    TSS64_LIMIT 18
    WAYS "limit within RSP1"
    TSS64_LIMIT 103
    movl $0x00008000, tss64 + RSP1 + 4(%rip)
    WAYS "RSP1 non-canonical"
    movl $0, tss64 + RSP1 + 4(%rip)
    movl $8, tss64 + RSP1(%rip)
    WAYS "pushes below 0"
    movl $stack1_top, tss64 + RSP1(%rip)
    movl $ist1_top, tss64 + IST7(%rip)
    TRY "IST 7"
    int $0x51
    ENDTRY
    TRY "user, IST 7"
    RING3
    int $0x51
    ENDTRY
    TSS64_LIMIT 91
    TRY "IST 7, limit at its end"
    int $0x51
    ENDTRY
    TSS64_LIMIT 90
    TRY "IST 7, limit within"
    int $0x51
    ENDTRY
    TRY "user, IST 7, limit within"
    RING3
    int $0x51
    ENDTRY
    GATE64 idt64, 0x060, SEL_CODE64, inside1_64, 0x8e, 7
    TRY "ud, IST 7, limit within"
    ud2
    ENDTRY
    TSS64_LIMIT 103
    movl $0x00008000, tss64 + IST7 + 4(%rip)
    TRY "IST 7, non-canonical"
    int $0x51
    ENDTRY
    TRY "user, IST 7, non-canonical"
    RING3
    int $0x51
    ENDTRY
    TRY "ud, IST 7, non-canonical"
    ud2
    ENDTRY
    jmp finish64

inside1_64:
    mov %ss, %ebx
    mov $stack1_top, %esi
    sub %rsp, %rsi
    DONE

    .data
    .align 8
far_gate: .long 0, S_GATE1 + 3
seen: .long 0
    .align 16
tss_16: .skip 44
    .align 16
tss_f: .skip 104

    .bss
    .align 16
    .skip 4096
stack1_top:
    .skip 1024
stack_f_top:
