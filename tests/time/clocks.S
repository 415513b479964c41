/*
 * A busy guest with a 1000 Hz timer, which tells what its clocks say. clocks_long.py asks by a byte on the serial port:
 *
 *     r   "ticks tsc pm hpet worst sum\n", in hex: timer interrupts; TSC; ACPI PM timer and HPET, counted on past their
 *         wraps; worst and summed latency of an interrupt since the last `r`, in ticks of the PIT (1.193182 MHz)
 *     q   ends
 *
 * The latency is read from the PIT itself in the handler: how far it has counted since it raised the interrupt; what
 * takes longer than a period shows as missing ticks.
 */
#include "tests/kernels/lib.inc"

    .set RELOAD, 1193           /* 0.99985 ms */
    .set VECTOR_TIMER, 0x40
    .set HPET, 0xfed00000
    .set PM_TIMER, 0x608

    CODE32
main:
    mov $0x3fb, %edx            /* 8 bits, FIFO on */
    mov $3, %al
    out %al, %dx
    mov $0x3fa, %edx
    mov $1, %al
    out %al, %dx
    mov $0x11, %al
    out %al, $0x20
    mov $VECTOR_TIMER, %al
    out %al, $0x21
    mov $4, %al
    out %al, $0x21
    mov $1, %al
    out %al, $0x21
    mov $0xfe, %al
    out %al, $0x21
    IDT_GATE VECTOR_TIMER, SEL_CODE32, on_timer, 0x8e
    mov $1, %eax                /* HPET on */
    mov %eax, HPET + 0x10
    mov $0x34, %al
    out %al, $0x43
    mov $(RELOAD & 255), %al
    out %al, $0x40
    mov $(RELOAD >> 8), %al
    out %al, $0x40
    sti

/* Load of several kinds, and a look at the serial port now and then. */
work:
    mov $20000, %ecx
1:  imul $1103515245, %eax
    add $12345, %eax
    mov %eax, %ebx
    and $0xffc, %ebx
    xor %eax, table(%ebx)
    dec %ecx
    jnz 1b
    mov $PM_TIMER, %edx
    in %dx, %eax
    mov %eax, %ebx              /* 24 bits; wraps after 4.7 s */
    sub pm_last, %eax
    mov %ebx, pm_last
    and $0xffffff, %eax
    add %eax, pm
    adcl $0, pm + 4
    mov HPET + 0xf0, %eax
    mov %eax, %ebx
    sub hpet_last, %eax
    mov %ebx, hpet_last
    add %eax, hpet
    adcl $0, hpet + 4
    mov $0x3fd, %edx
    in %dx, %al
    test $1, %al
    jz work
    mov $0x3f8, %edx
    in %dx, %al
    cmp $'q', %al
    je quit
    cmp $'r', %al
    jne work
    cli
    rdtsc
    mov %eax, tsc
    mov %edx, tsc + 4
    mov $ticks, %esi
    mov $answer, %edi
    mov $12, %ecx
    rep movsl
    movl $0, worst
    movl $0, sum
    movl $0, sum + 4
    sti
    mov $answer, %esi
    mov $6, %edi
2:  mov 4(%esi), %eax
    call hex32
    mov $':', %al
    call putc32
    mov (%esi), %eax
    call hex32
    mov $' ', %al
    call putc32
    add $8, %esi
    dec %edi
    jnz 2b
    call newline32
    jmp work
quit:
    cli
    ret

on_timer:
    push %eax
    push %ecx
    mov $0, %al                 /* latch counter 0 */
    out %al, $0x43
    in $0x40, %al
    mov %al, %cl
    in $0x40, %al
    mov %al, %ch
    movzwl %cx, %ecx
    mov $RELOAD, %eax
    sub %ecx, %eax
    jnb 1f
    xor %eax, %eax
1:  add %eax, sum
    adcl $0, sum + 4
    cmp worst, %eax
    jb 2f
    mov %eax, worst
2:  incl ticks
    mov $0x20, %al
    out %al, $0x20
    pop %ecx
    pop %eax
    iret

    .data
    .align 8
ticks: .quad 0
tsc: .quad 0
pm: .quad 0
hpet: .quad 0
worst: .quad 0
sum: .quad 0
pm_last: .long 0
hpet_last: .long 0
    .bss
    .align 8
answer: .skip 48
table: .skip 4096
