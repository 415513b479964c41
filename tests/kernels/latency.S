/*
 * How late interrupts come: the local APIC's timer runs periodically, and the handler first reads how far its count has gone
 * since the deadline (1 ns a tick in ring3 and in QEMU). 64-bit code, under an idle CPU and several loads.
 * Prints "load NAME", then one number in hex for each interrupt; benchmarks/latency makes figures of them.
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set APIC, 0xfee00000
    .set VECTOR, 0x61
    .set PERIOD, 5000000            /* ticks: 5 ms; nothing later than that is seen as such */
    .set WARM_UP, 20
    .set SAMPLES, 400
    .set BUFFER, 0x1000000          /* 16 MiB on: for loads */

/* Goes round until there are enough samples; a load may use every register but R15 and RSP. */
.macro LOAD name, body:vararg
    PRINT "load \name\n"
    call start
1:  \body
    cmpl $(WARM_UP + SAMPLES), taken(%rip)
    jb 1b
    call stop
.endm

    CODE32
main:
    ENTER_LONG
    ENABLE_SSE
    mov $handler, %eax
    mov %ax, idt64 + VECTOR * 16(%rip)
    shr $16, %eax
    mov %ax, idt64 + VECTOR * 16 + 6(%rip)
    mov $plain_iret, %eax
    mov %ax, idt64 + 0x500(%rip)
    shr $16, %eax
    mov %ax, idt64 + 0x506(%rip)
    mov $APIC, %r15d
    movl $0x1ff, 0xf0(%r15)
    movl $0, 0x80(%r15)
    movl $0xb, 0x3e0(%r15)          /* divide by 1 */
    movl $(0x20000 | VECTOR), 0x320(%r15)
    LOAD idle, hlt
    LOAD loop, mov $10000, %ecx; 2: dec %ecx; jnz 2b
    LOAD calls, mov $18, %edi; call fib
    LOAD copies, mov $BUFFER, %esi; mov $BUFFER + 0x800000, %edi; mov $0x80000, %ecx; rep movsq
    LOAD flushes, call flush_and_touch
    LOAD exceptions, int $0x50
    LOAD self-writing, incb written(%rip); call write_code
    jmp finish64

start:
    movl $0, taken(%rip)
    movl $PERIOD, 0x380(%r15)
    sti
    ret

stop:
    cli
    movl $0, 0x380(%r15)
    mov $samples + WARM_UP * 4, %ebx
    mov $SAMPLES, %ebp
1:  mov (%rbx), %eax
    call hexline64
    add $4, %ebx
    dec %ebp
    jnz 1b
    ret

handler:
    push %rax
    movabs APIC + 0x390, %eax
    push %rcx
    mov $PERIOD, %ecx
    sub %eax, %ecx
    mov taken(%rip), %eax
    cmp $(WARM_UP + SAMPLES), %eax
    jae 1f
    push %rdx
    lea samples(%rip), %rdx
    mov %ecx, (%rdx, %rax, 4)
    pop %rdx
    incl taken(%rip)
1:  movl $0, 0xb0(%r15)
    pop %rcx
    pop %rax
    iretq

plain_iret:
    iretq

fib:                                /* EDI; recursive */
    cmp $2, %edi
    jb 1f
    push %rdi
    dec %edi
    call fib
    pop %rdi
    sub $2, %edi
    call fib
1:  ret

flush_and_touch:
    mov %cr3, %rax
    mov %rax, %cr3
    mov $BUFFER, %edi
    mov $256, %ecx
1:  incl (%rdi)
    add $4096, %edi
    dec %ecx
    jnz 1b
    ret

write_code:
    mov written(%rip), %al
    mov %al, 1f + 1(%rip)
1:  mov $0, %al
    ret

    .data
    .align 4
taken: .long 0
written: .byte 0
    .bss
    .align 4
samples: .skip (WARM_UP + SAMPLES) * 4
