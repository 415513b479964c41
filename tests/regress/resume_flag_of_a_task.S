/*
 * Symptom: a breakpoint on the first instruction of a task, gone to by JMP, was taken although the task's TSS sets RF.
 * Cause: the interpreter cleared RF after the JMP, as after any branch; the translator did not. SDM Vol. 3 "Resume flag":
 * not after a JMP, CALL or INT that switches tasks. Found by random blocks: the flag showed in the next TSS.
 *
 * Prints:
 *   a task with RF: ok
 *   without RF: #1 ip+0
 */
#include "tests/kernels/lib.inc"

    .set S_TASK, SEL_FREE

main:
    mov $entry, %eax
    mov %eax, %dr0
    mov $2, %eax /* G0: on execution, in all tasks */
    mov %eax, %dr7
    TRY "a task with RF"
    movl $0x10002, eflags
    call go
    ENDTRY
    TRY "without RF"
    movl $2, eflags
    movl $entry, try_ip
    call go
    ENDTRY
    ret

/* The descriptor is made anew: available. */
go: DESC S_TASK, task, 103, 0x89, 0
    movl $entry, eip
    movl $task_stack_top, esp
    movl $SEL_CODE32, cs
    movl $SEL_DATA, ss
    ljmp $S_TASK, $0
    ret

entry:
    nop
    ljmp $SEL_TSS, $0

    .bss
    .balign 16
    .skip 512
task_stack_top:
task:
    .skip 32
eip: .skip 4
eflags: .skip 4
    .skip 16
esp: .skip 16 /* and EBP, ESI, EDI */
    .skip 4 /* ES */
cs: .skip 4
ss: .skip 24
