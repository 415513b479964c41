/* x87 exceptions as a PC of old reports them: CR0.NE clear, FERR# is IRQ 13, a write of port F0h lets instructions go on. */
#include "tests/kernels/lib.inc"

    .set V_MASTER, 0x60
    .set V_SLAVE, 0x68              /* IRQ 13 is 6Dh */

    /* How the handler answers. */
    .set CLEARS, 1                  /* FNCLEX */
    .set MASKS, 2                   /* masks the exception */

.macro OUTB port, value
    mov $\value, %al
    out %al, $\port
.endm

/* 5 / 0 with the zero-divide exception unmasked; the next instruction that waits reports it. */
.macro DIVIDE
    fninit
    fldcw unmasked
    fld1
    fldz
    fdivrp
.endm

.macro CASE name, how=CLEARS
    movl $0, count
    movl $\how, answer
    TRY "\name", irq_hook
    sti
.endm
.macro ENDCASE name
    cli
    ENDTRY
    mov count, %eax
    SHOW "\name, interrupts"
    mov seen, %eax
    SHOW "\name, status and flags seen"
    movl $0, seen
.endm

/* EAX 0: goes on. */
irq_hook:
    cmpl $V_SLAVE + 5, F_VECTOR(%ebp)
    jne 9f
    incl count
    cmpl $5, count
    ja 9f
    fnstsw seen
    andl $0x84, seen                /* ES, ZE */
    mov F_EFLAGS(%ebp), %eax
    and $0x200, %eax
    or %eax, seen
    out %al, $0xf0
    OUTB 0xa0, 0x20
    OUTB 0x20, 0x20
    testl $CLEARS, answer
    jz 1f
    fnclex
1:  testl $MASKS, answer
    jz 2f
    fldcw masked
2:  xor %eax, %eax
    ret
9:  mov $1, %eax
    ret

main:
    mov %cr0, %eax
    and $~0x2e, %eax                /* MP, EM, TS, NE */
    or $2, %eax
    mov %eax, %cr0
    .irp port, 0x20, 0xa0
    OUTB \port, 0x11
    .endr
    OUTB 0x21, V_MASTER
    OUTB 0xa1, V_SLAVE
    OUTB 0x21, 4
    OUTB 0xa1, 2
    OUTB 0x21, 1
    OUTB 0xa1, 1
    OUTB 0x21, 0xfb
    OUTB 0xa1, 0xdf
    mov $0x1b, %ecx                 /* the local APIC is out of the way */
    rdmsr
    and $~0x800, %eax
    wrmsr

    CASE "fwait"
    DIVIDE
    fwait
    nop
    ENDCASE "fwait"
    CASE "the next x87 instruction"
    DIVIDE
    fld1
    fistpl result
    fwait
    ENDCASE "the next x87 instruction"
    mov result, %eax
    SHOW "its result"
    CASE "fninit, fnstsw and fnclex do not wait"
    DIVIDE
    fnstsw %ax
    fnclex
    fwait
    fnstcw result
    DIVIDE
    fninit
    fwait
    ENDCASE "fninit, fnstsw and fnclex do not wait"
    CASE "masked in the handler", MASKS
    DIVIDE
    fwait
    fnstsw %ax
    and $0x84, %eax
    mov %eax, result
    fnclex
    ENDCASE "masked in the handler"
    mov result, %eax
    SHOW "status afterwards"
    CASE "in a loop"
    mov $5, %ecx
1:  DIVIDE
    fwait
    nop
    loop 1b
    ENDCASE "in a loop"
    CASE "mmx instruction"
    DIVIDE
    movd %eax, %mm0
    nop
    emms
    ENDCASE "mmx instruction"
    mov %cr0, %eax
    or $0x20, %eax
    mov %eax, %cr0
    CASE "with NE"
    DIVIDE
    MARK
    fwait
    ENDCASE "with NE"
    ret

    .data
    .align 4
unmasked: .word 0x37b
masked: .word 0x37f
count: .long 0
answer: .long 0
seen: .long 0
result: .long 0
