/* Hardware task switches by JMP, CALL, INT and IRET, 32 and 16 bit; TS, busy bits, back links, T; faults of a switch. */
#include "tests/kernels/lib.inc"

    .set S_B, SEL_FREE              /* 32-bit TSS */
    .set S_C, SEL_FREE + 8          /* 16-bit TSS */
    .set S_GATE, SEL_FREE + 0x10    /* task gates to B */
    .set S_GATE3, SEL_FREE + 0x18
    .set S_NP, SEL_FREE + 0x20      /* TSS not present */
    .set S_SHORT, SEL_FREE + 0x28   /* TSS whose limit is too small */
    .set S_F, SEL_FREE + 0x30       /* the task that takes faults */
    .set S_NP_DATA, SEL_FREE + 0x38
    .set S_LDT, SEL_FREE + 0x40
    .set S_LDT_GOOD, SEL_FREE + 0x48
    .set S_LDT_NP, SEL_FREE + 0x50
    .set S_CODE_NP, SEL_FREE + 0x58
    .set S_F11, SEL_FREE + 0x60     /* as F, for the vectors after #TS */
    .set S_F12, SEL_FREE + 0x68
    .set S_F13, SEL_FREE + 0x70
    .set S_SHORT16, SEL_FREE + 0x78

/* Offsets in a 32-bit TSS. */
    .set T_LINK, 0
    .set T_EIP, 32
    .set T_EFLAGS, 36
    .set T_EAX, 40
    .set T_ESP, 56
    .set T_ES, 72
    .set T_CS, 76
    .set T_SS, 80
    .set T_DS, 84
    .set T_LDT, 96
    .set T_TRAP, 100

/* A fresh task B that runs `entry`. */
.macro TASK entry, eflags=2
    call reset_tasks
    movl $\entry, tss_b + T_EIP
    movl $\eflags, tss_b + T_EFLAGS
.endm

.macro SHOW_BUSY name
    movzbl gdt + SEL_TSS + 5, %eax
    shl $8, %eax
    movb gdt + S_B + 5, %al
    SHOW "\name, types of main and B"
.endm

.macro SHOW_TS name
    mov %cr0, %eax
    and $8, %eax
    SHOW "\name, TS"
    clts
.endm

main:
    DESC S_NP, tss_b, 103, 0x09, 0
    DESC S_SHORT, tss_b, 102, 0x89, 0
    DESC S_NP_DATA, 0, 0xfffff, 0x13, 0xc0
    DESC S_LDT, tss_b, 15, 0x82, 0
    DESC S_LDT_GOOD, ldt, 15, 0x82, 0
    DESC S_LDT_NP, ldt, 15, 0x02, 0
    DESC S_CODE_NP, 0, 0xfffff, 0x1b, 0xc0
    DESC S_SHORT16, tss_c, 42, 0x81, 0
    GATE S_GATE, S_B, 0, 0x85
    GATE S_GATE3, S_B, 0, 0xe5
    IDT_GATE 0x50, S_B, 0, 0x85
    IDT_GATE 0x51, S_B, 0, 0xe5
    call switches
    call refusals
    call sixteen
    call faults
    ret

/* Descriptors and task B as at the start; main is the current task again. */
reset_tasks:
    pushal
    DESC S_B, tss_b, 103, 0x89, 0
    DESC S_C, tss_c, 43, 0x81, 0
    .irp selector, S_F, S_F11, S_F12, S_F13
    DESC \selector, tss_f, 103, 0x89, 0
    .endr
    andb $~2, gdt + SEL_TSS + 5
    mov $SEL_TSS, %eax
    ltr %ax
    clts
    cld
    mov $tss_b, %edi
    mov $26, %ecx
    xor %eax, %eax
    rep stosl
    movl $stack_b_top, tss_b + T_ESP
    movl $int_stack_top, tss_b + 4
    movl $SEL_DATA, tss_b + 8
    .irp offset, T_ES, T_SS, T_DS
    movl $SEL_DATA, tss_b + \offset
    .endr
    movl $SEL_CODE32, tss_b + T_CS
    movl $104 << 16, tss_b + 100
    mov $tss_f, %edi
    mov $26, %ecx
    xor %eax, %eax
    rep stosl
    movl $stack_f_top, tss_f + T_ESP
    movl $fault_task, tss_f + T_EIP
    movl $2, tss_f + T_EFLAGS
    .irp offset, T_ES, T_SS, T_DS
    movl $SEL_DATA, tss_f + \offset
    .endr
    movl $SEL_CODE32, tss_f + T_CS
    movl $104 << 16, tss_f + 100
    popal
    ret

switches:
    TASK task_jump_back
    TRY "jmp and jmp back"
    mov $0x1234, %esi
    movl $0x77, tss_b + T_EAX
    ljmp $S_B, $0
    ENDTRY
    mov seen, %eax
    SHOW "eax of B"
    mov seen + 4, %eax
    SHOW "flags of B"
    mov seen + 8, %eax
    SHOW "tr of B"
    mov tss + T_EIP, %eax
    sub try_ip, %eax
    SHOW "main's eip"
    mov tss + 64, %eax
    SHOW "main's esi"
    mov tss_b + T_LINK, %eax
    SHOW "back link"
    SHOW_TS "jmp"
    SHOW_BUSY "jmp and back"
    TASK task_busy_jump
    TRY "jmp, busy bits inside"
    ljmp $S_B, $0
    ENDTRY
    mov seen, %eax
    SHOW "inside, types of main and B"
    TASK task_iret
    TRY "call and iret"
    lcall $S_B, $0
    pushf
    pop %eax
    ENDTRY
    and $0x4000, %eax
    SHOW "NT of main"
    mov seen, %eax
    SHOW "inside, types of main and B"
    mov seen + 4, %eax
    SHOW "flags of B"
    mov tss_b + T_LINK, %eax
    SHOW "back link"
    SHOW_BUSY "call and iret"
    mov tss_b + T_EFLAGS, %eax
    and $0x4302, %eax
    SHOW "saved flags of B"
    TASK task_iret
    TRY "call through a gate"
    lcall $S_GATE, $0
    ENDTRY
    TASK task_iret
    TRY "call again goes on after iret"
    movl $0, seen + 12
    lcall $S_GATE, $0
    lcall $S_GATE, $0
    ENDTRY
    mov seen + 12, %eax
    SHOW "rounds"
    TASK task_iret
    TRY "int through a task gate"
    sti
    int $0x50
    pushf
    pop %eax
    cli
    ENDTRY
    and $0x200, %eax
    SHOW "IF of main again"
    mov seen + 4, %eax
    SHOW "flags of B"
    TASK task_iret
    TRY "ring 3: int through a task gate, dpl 0"
    RING3
    int $0x50
    DONE
    ENDTRY
    TASK task_iret
    TRY "ring 3: int through a task gate"
    RING3
    int $0x51
    DONE
    ENDTRY
    mov rec_cs, %eax
    SHOW "cs"
    TASK task_iret
    TRY "ring 3: call through a task gate"
    RING3
    lcall $S_GATE3 + 3, $0
    DONE
    ENDTRY
    TASK task_local
    TRY "local breakpoints and the ldt"
    movl $S_LDT_GOOD, tss_b + T_LDT
    movl $4, tss_b + 92             /* GS: the first of that LDT */
    mov $0x4ff, %eax
    mov %eax, %dr7
    ljmp $S_B, $0
    ENDTRY
    mov seen, %eax
    SHOW "dr7 of B"
    mov seen + 4, %eax
    SHOW "ldtr of B"
    mov seen + 8, %eax
    SHOW "through gs of B"
    mov tss_b + 92, %eax
    SHOW "saved gs of B"
    xor %eax, %eax
    sldt %ax
    SHOW "ldtr of main"
    mov $0x400, %eax
    mov %eax, %dr7
    TASK LOW(low_v86), 0x20002
    TRY "to a virtual-8086 task"
    movl $LOW_SEG, tss_b + T_CS
    movl $0x700, tss_b + T_SS
    movl $0x1111, tss_b + T_DS
    movl $0x800, tss_b + T_ES
    movl $0x1000, tss_b + T_ESP
    ljmp $S_B, $0
    ENDTRY
    movzwl LOW_BASE + LOW(low_seen), %eax
    SHOW "its ds"
    TASK task_ring3
    TRY "to a task of ring 3"
    movl $SEL_USER32, tss_b + T_CS
    movl $SEL_USER_DATA, tss_b + T_SS
    movl $SEL_USER_DATA, tss_b + T_DS
    movl $SEL_USER_DATA, tss_b + T_ES
    ljmp $S_B, $0
    ENDTRY
    mov rec_cs, %eax
    SHOW "cs"
    TASK task_jump_back
    TRY "debug trap"
    movb $1, tss_b + T_TRAP
    movl $task_jump_back, try_ip
    ljmp $S_B, $0
    ENDTRY
    mov %dr6, %eax
    and $0xe00f, %eax
    SHOW "dr6"
    xor %eax, %eax
    mov %eax, %dr6
    /* An exception with an error code by a task gate. */
    IDT_GATE 13, S_F, 0, 0x85
    TASK task_iret
    TRY "gp by a task gate"
    movl $0, seen + 16
    mov $S_NP + 4 + 0x100, %eax
    MARK
    mov %eax, %ds
    ENDTRY
    call show_fault
    call reset_tasks
    IDT_GATE 13, SEL_CODE32, "(stubs32 + 13 * 16)", 0x8e
    ret

show_fault:
    mov seen + 16, %eax
    SHOW "error code"
    mov seen + 20, %eax
    SHOW "back link"
    mov seen + 24, %eax
    sub try_ip, %eax
    cmp $0x1000, %eax
    jb 1f
    mov $-1, %eax
1:  SHOW "saved eip"
    ret

refusals:
    TASK task_iret
    TRY "jmp to the busy one"
    ljmp $SEL_TSS, $0
    ENDTRY
    TRY "call of the busy one"
    lcall $SEL_TSS, $0
    ENDTRY
    TRY "jmp to one not present"
    ljmp $S_NP, $0
    ENDTRY
    TRY "jmp to one too short"
    ljmp $S_SHORT, $0
    ENDTRY
    TRY "jmp to one of 16 bits too short"
    ljmp $S_SHORT16, $0
    ENDTRY
    TRY "iret, link too short"
    movb $0x8b, gdt + S_SHORT + 5
    movl $S_SHORT, tss
    pushf
    orl $0x4000, (%esp)
    popf
    MARK
    iret
    ENDTRY
    TRY "iret, link not present"
    movb $0x0b, gdt + S_NP + 5
    movl $S_NP, tss
    pushf
    orl $0x4000, (%esp)
    popf
    MARK
    iret
    ENDTRY
    movb $0x09, gdt + S_NP + 5
    movb $0x89, gdt + S_SHORT + 5
    movl $0, tss
    TRY "ring 3: jmp to a TSS"
    RING3
    ljmp $S_B, $0
    ENDTRY
    TRY "ring 3: gate of dpl 0"
    RING3
    ljmp $S_GATE, $0
    ENDTRY
    TRY "iret, link null"
    movl $0, tss
    pushf
    orl $0x4000, (%esp)
    popf
    MARK
    iret
    ENDTRY
    TRY "iret, link not busy"
    movl $S_B, tss
    pushf
    orl $0x4000, (%esp)
    popf
    MARK
    iret
    ENDTRY
    TRY "iret, link to data"
    movl $SEL_DATA, tss
    pushf
    orl $0x4000, (%esp)
    popf
    MARK
    iret
    ENDTRY
    movl $0, tss
    TASK task_jump_back
    TRY "jmp from one too short"
    DESC SEL_TSS, tss, 0x5e, 0x89, 0
    mov $SEL_TSS, %eax
    ltr %ax
    MARK
    ljmp $S_B, $0
    ENDTRY
    DESC SEL_TSS, tss, 103, 0x89, 0
    mov $SEL_TSS, %eax
    ltr %ax
    ret

sixteen:
    call reset_tasks
    TRY "jmp to a 16-bit TSS and back"
    movw $LOW(low_task), tss_c + 14
    movw $2, tss_c + 16
    movw $0x7000, tss_c + 26
    movw $0x5678, tss_c + 18
    movw $SEL_DATA, tss_c + 34
    movw $SEL_CODE16, tss_c + 36
    movw $SEL_DATA16, tss_c + 38
    movw $SEL_DATA, tss_c + 40
    ljmp $S_C, $0
    ENDTRY
    movzwl LOW_BASE + LOW(low_seen), %eax
    SHOW "ax of C"
    movzwl tss_c + 14, %eax
    sub $LOW(low_task_left), %eax
    SHOW "ip of C, from the instruction after"
    movzwl tss_c + 18, %eax
    SHOW "saved ax of C"
    SHOW_TS "16 bit"
    ret

/* Each leaves task B with something wrong; the fault is taken by task F through a task gate, B's state being complete. */
.macro BAD name, field, value
    TASK task_jump_back
    TRY "\name"
    movl $-1, seen + 16
    movl $\value, tss_b + \field
    ljmp $S_B, $0
    ENDTRY
    mov seen + 28, %eax
    SHOW "\name, vector"
    call show_bad
.endm

show_bad:
    mov seen + 16, %eax
    SHOW "error code"
    mov seen + 20, %eax
    SHOW "back link"
    ret

faults:
    IDT_GATE 10, S_F, 0, 0x85
    IDT_GATE 11, S_F11, 0, 0x85
    IDT_GATE 12, S_F12, 0, 0x85
    IDT_GATE 13, S_F13, 0, 0x85
    BAD "cs null", T_CS, 0
    BAD "cs data", T_CS, SEL_DATA
    BAD "cs of ring 3, rpl 0", T_CS, SEL_USER32 & ~3
    BAD "ss null", T_SS, 0
    BAD "ss of ring 3", T_SS, SEL_USER_DATA
    BAD "ss not present", T_SS, S_NP_DATA
    BAD "ds not present", T_DS, S_NP_DATA
    BAD "ds tss", T_DS, SEL_TSS
    BAD "es beyond", T_ES, 0x200
    BAD "ldt is data", T_LDT, SEL_DATA
    BAD "ldt", T_LDT, S_LDT
    BAD "ldt not present", T_LDT, S_LDT_NP
    BAD "ldt in the ldt", T_LDT, 4
    BAD "cs not present", T_CS, S_CODE_NP
    BAD "cs beyond", T_CS, 0x200
    BAD "ss beyond", T_SS, 0x200
    BAD "ss code", T_SS, SEL_CODE32
    BAD "fs not present", 88, S_NP_DATA
    BAD "gs execute only", 92, S_LDT
    BAD "eip beyond the limit", T_CS, SEL_CODE16
    movl $SEL_CODE32, tss_b + T_CS
    call reset_tasks
    ret

/* Task B. */
task_jump_back:
    mov %eax, seen
    pushf
    pop seen + 4
    andl $0x4302, seen + 4
    xor %eax, %eax
    str %ax
    mov %eax, seen + 8
    ljmp $SEL_TSS, $0
task_busy_jump:
    movzbl gdt + SEL_TSS + 5, %eax
    shl $8, %eax
    movb gdt + S_B + 5, %al
    mov %eax, seen
    ljmp $SEL_TSS, $0
task_iret:
    incl seen + 12
    movzbl gdt + SEL_TSS + 5, %eax
    shl $8, %eax
    movb gdt + S_B + 5, %al
    mov %eax, seen
    pushf
    pop seen + 4
    andl $0x4302, seen + 4
    iret
    jmp task_iret
task_ring3:
    DONE
task_local:
    mov %dr7, %eax
    mov %eax, seen
    xor %eax, %eax
    sldt %ax
    mov %eax, seen + 4
    mov %gs:marker, %eax
    mov %eax, seen + 8
    ljmp $SEL_TSS, $0

/* Task F: entered by a task gate with an error code on its stack. */
fault_task:
    pop %eax
    mov %eax, seen + 16
    xor %eax, %eax
    str %ax
    sub $S_F11, %eax
    shr $3, %eax                    /* S_F is far below */
    cmp $3, %eax
    jb 1f
    mov $-1, %eax
1:  add $11, %eax
    mov %eax, seen + 28
    movzwl tss_f + T_LINK, %eax
    mov %eax, seen + 20
    mov tss + T_EIP, %eax
    mov %eax, seen + 24
    mov $SEL_DATA, %eax
    mov %eax, %ss
    mov try_sp, %esp
    push $2
    popf
    jmp *try_resume

    .section .data.low
    .code16
low_task:
    movl $LOW_BASE + LOW(low_seen), %ebx
    mov %ax, (%ebx)         /* DS is flat */
    ljmp $SEL_TSS, $0
low_task_left:
low_v86:
    mov %ds, %ax
    mov %ax, %es:LOW(low_seen)
    int $VECTOR_EXIT
low_seen: .word 0
    .code32

    .data
    .align 16
ldt: .quad 0x00cf93000000ffff, 0
marker: .long 0x600d
seen: .long 0, 0, 0, 0, 0, 0, 0, 0
tss_b: .skip 104
    .align 16
tss_c: .skip 44
    .align 16
tss_f: .skip 104

    .bss
    .skip 1024
stack_b_top:
    .skip 1024
stack_f_top:
