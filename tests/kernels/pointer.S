/*
 * Tells over the serial port what comes from keyboard and pointer, a line each; for the tests of the window:
 *
 *     key 1e               a byte of the keyboard's
 *     mouse 8              a byte of the mouse's, which has a wheel and so sends four each time
 *     at 20 1234 5678 0    VMware's pointer: flags, X, Y, wheel
 *
 * Letters over the serial port: a  the VMware pointer from here on, r  no more, q  end. Each is answered by a dot.
 */
#include "tests/kernels/lib.inc"

    .set MAGIC, 0x564d5868
    .set STATUS, 40
    .set DATA, 39
    .set COMMAND, 41
    .set READ_ID, 0x45414552
    .set ABSOLUTE, 0x53424152
    .set DISABLE, 0xf5

.macro BACKDOOR command, argument
    mov $MAGIC, %eax
    mov $\argument, %ebx
    mov $\command, %ecx
    mov $0x5658, %edx
    in %dx, %eax
.endm

/* AL to the controller, or its data port. */
.macro CONTROLLER port, value
    call wait_writable
    mov $\value, %al
    out %al, $\port
.endm
.macro MOUSE value
    CONTROLLER 0x64, 0xd4
    CONTROLLER 0x60, \value
    call read_byte                   /* the acknowledgement */
.endm

wait_writable:
    in $0x64, %al
    test $2, %al
    jnz wait_writable
    ret

read_byte:
    in $0x64, %al
    test $1, %al
    jz read_byte
    in $0x60, %al
    ret

print_byte:                          /* BL: the byte, EAX: the word before it */
    call puts32
    movzbl %bl, %eax
    jmp hexline32

    .global main
main:
    CONTROLLER 0x64, 0xa8            /* a second port */
    CONTROLLER 0x64, 0x60
    CONTROLLER 0x60, 0x44            /* no interrupts, keys translated */
    MOUSE 0xf3
    MOUSE 200
    MOUSE 0xf3
    MOUSE 100
    MOUSE 0xf3
    MOUSE 80
    MOUSE 0xf4
answer:
    mov $'.', %al
    call putc32
    call newline32
again:
    in $0x64, %al
    mov %al, %ah
    test $1, %al
    jz 2f
    in $0x60, %al
    mov %al, %bl
    test $0x20, %ah
    mov $key, %eax
    jz 1f
    mov $mouse, %eax
1:  call print_byte
2:  cmpb $0, absolute
    je 3f
    BACKDOOR STATUS, 0
    cmp $4, %ax
    jb 3f
    BACKDOOR DATA, 4
    push %edx
    push %ecx
    push %ebx
    push %eax
    mov $at, %eax
    call puts32
    mov $4, %ebp
4:  mov $' ', %al
    call putc32
    pop %eax
    call hex32
    dec %ebp
    jnz 4b
    call newline32
3:  mov $0x3fd, %edx
    in %dx, %al
    test $1, %al
    jz again
    mov $0x3f8, %edx
    in %dx, %al
    cmp $'q, %al
    je 5f
    cmp $'r, %al
    je relative
    cmp $'a, %al
    jne again
    BACKDOOR COMMAND, READ_ID
    BACKDOOR DATA, 1
    BACKDOOR COMMAND, ABSOLUTE
    movb $1, absolute
    jmp answer
relative:
    BACKDOOR COMMAND, DISABLE
    movb $0, absolute
    jmp answer
5:  ret

    .data
absolute: .byte 0
key: .asciz "key "
mouse: .asciz "mouse "
at: .asciz "at"
