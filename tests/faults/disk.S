/*
 * A boot sector that reads sector 1, writes it to sector 2 and asks the disk to flush, through the BIOS and the drive's
 * own ports, and says on the serial port and by the exit status how it went: 'd' and 10h, or 'e' (an I/O error was
 * reported) and 11h. What sector 1 holds is not what the test expects: 'x' and 12h, which is a lie of the disk's.
 */
    .code16
    .globl _start
_start:
    xor %ax, %ax
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %ss
    mov $0x7c00, %sp
    mov $packet, %si
    mov $0x42, %ah
    mov $0x80, %dl
    int $0x13
    jc failed
    cmpl $0x52494e47, 0x8000
    jne lie
    cmpl $0x33333333, 0x81fc
    jne lie
    movb $2, packet + 8
    mov $packet, %si
    mov $0x4300, %ax
    mov $0x80, %dl
    int $0x13
    jc failed
    mov $0x1f6, %dx         /* FLUSH CACHE */
    mov $0xe0, %al
    out %al, %dx
    inc %dx
    mov $0xe7, %al
    out %al, %dx
1:  in %dx, %al
    test $0x80, %al
    jnz 1b
    test $0x21, %al
    jnz failed
    mov $('d' | 0x1000), %bx
    jmp say
failed:
    mov $('e' | 0x1100), %bx
    jmp say
lie:
    mov $('x' | 0x1200), %bx
say:
    mov $0x3fb, %dx         /* words of 8 bits */
    mov $3, %al
    out %al, %dx
    mov $0x3f8, %dx
    mov %bl, %al
    out %al, %dx
    mov %bh, %al
    out %al, $0xf4
    cli
    hlt

    .align 4
packet:
    .byte 16, 0
    .word 1, 0x8000, 0
    .quad 1
    .org 510
    .word 0xaa55
