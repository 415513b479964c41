/*
 * Draws as it is told over the serial port, a letter each, and answers each with a dot; for screen.py and for measuring.
 *
 *     g  1024x768 with 32 bits, at E0000000h; line y is y * 010203h (its low 24 bits)
 *     p  one pixel white: line 100, a column further each time        s  everything up by a line (REP MOVSD)
 *     c  chained 256 colours: 320x200, pixel n is n                   d  one pixel 63 in the window at A0000h
 *     t  text, 80x25                                                  h  "hello" in the middle
 *     F  64 full redraws at E0000000h, each another colour            S  256 scrolls of the text by a line
 *     q  end
 */
#include "tests/kernels/lib.inc"

    .set FRAME, 0xe0000000
    .set PITCH, 4096

.macro OUT8 port, value
    mov $\value, %al
    mov $\port, %dx
    out %al, %dx
.endm
.macro OUT16 port, value
    mov $\value, %ax
    mov $\port, %dx
    out %ax, %dx
.endm
.macro DISPI index, value
    OUT16 0x1ce, \index
    OUT16 0x1cf, \value
.endm
.macro CONFIG offset, value
    mov $0x80001000 + \offset, %eax  /* 00:02.0 */
    mov $0xcf8, %dx
    out %eax, %dx
    mov $\value, %eax
    mov $0xcfc, %dx
    out %eax, %dx
.endm

.macro ON name, letter
    cmp $\letter, %al
    je do_\name
.endm

/* Index and value pairs of one register file, ended by FFh. */
load_pairs:                          /* ESI, DX the index port */
    lodsw
    cmp $0xff, %al
    je 1f
    out %ax, %dx
    jmp load_pairs
1:  ret

.macro PAIRS port, table
    mov $\table, %esi
    mov $\port, %edx
    call load_pairs
.endm

    .global main
main:
    CONFIG 0x10, FRAME
    CONFIG 4, 3
    OUT8 0x3c2, 0x63
    jmp 1f
command:
    mov $'.', %al
    call putc32
1:  mov $0x3fd, %edx
    in %dx, %al
    test $1, %al
    jz 1b
    mov $0x3f8, %edx
    in %dx, %al
    ON g, 'g
    ON p, 'p
    ON s, 's
    ON c, 'c
    ON d, 'd
    ON t, 't
    ON h, 'h
    ON F, 'F
    ON S, 'S
    ON q, 'q
    jmp command

show_screen:
    mov $0x3da, %edx
    in %dx, %al
    OUT8 0x3c0, 0x20
    jmp command

do_q:
    ret

do_g:
    DISPI 4, 0
    DISPI 1, 1024
    DISPI 2, 768
    DISPI 3, 32
    DISPI 4, 0x41
    mov $FRAME, %edi
    xor %ebx, %ebx
1:  mov $1024, %ecx
2:  mov %ebx, (%edi)
    add $4, %edi
    dec %ecx
    jnz 2b
    add $0x010203, %ebx
    cmp $768 * 0x010203, %ebx
    jne 1b
    movl $FRAME + 100 * PITCH, next_pixel
    jmp show_screen

do_p:
    mov next_pixel, %edi
    movl $0xffffff, (%edi)
    addl $4, next_pixel
    jmp command

do_s:
    mov $FRAME + PITCH, %esi
    mov $FRAME, %edi
    mov $767 * 1024, %ecx
    rep movsl
    jmp command

do_F:
    mov $64, %ebx
1:  mov $FRAME, %edi
    mov $768 * 1024, %ecx
2:  mov %ebx, (%edi)
    add $4, %edi
    dec %ecx
    jnz 2b
    dec %ebx
    jnz 1b
    jmp command

/* Register files are loaded whole, but for what does not matter here. */
do_c:
    DISPI 4, 0
    PAIRS 0x3c4, chained_sequencer
    PAIRS 0x3d4, chained_crtc
    PAIRS 0x3ce, chained_graphics
    OUT8 0x3c8, 0
    xor %ecx, %ecx
    mov $0x3c9, %edx
1:  mov %cl, %al                     /* entry n is grey n / 4 */
    shr $2, %al
    out %al, %dx
    out %al, %dx
    out %al, %dx
    inc %cl
    jnz 1b
    mov $0xa0000, %edi
2:  mov %cl, (%edi)
    inc %cl
    inc %edi
    cmp $0xa0000 + 64000, %edi
    jne 2b
    movl $0xa0000 + 320 * 50, next_pixel
    jmp show_screen

do_d:
    mov next_pixel, %edi
    movb $255, (%edi)
    incl next_pixel
    jmp command

do_t:
    DISPI 4, 0
    PAIRS 0x3c4, text_sequencer
    PAIRS 0x3d4, text_crtc
    PAIRS 0x3ce, text_graphics
    mov $0xb8000, %edi
    mov $2000, %ecx
    mov $0x0720, %ax
    rep stosw
    jmp show_screen

do_h:
    mov $hello, %esi
    mov $0xb8000 + 2 * (12 * 80 + 37), %edi
1:  lodsb
    test %al, %al
    jz command
    movb %al, (%edi)
    add $2, %edi
    jmp 1b

do_S:
    mov $256, %ebx
1:  mov $0xb8000 + 160, %esi
    mov $0xb8000, %edi
    mov $24 * 40, %ecx
    rep movsl
    mov $0x0720, %eax
    add %ebx, %eax
    mov $80, %ecx
    rep stosw
    dec %ebx
    jnz 1b
    jmp command

    .data
    .align 4
next_pixel: .long FRAME
hello: .asciz "hello"
chained_sequencer: .byte 0, 3, 1, 1, 2, 0x0f, 3, 0, 4, 0x0e, 0xff, 0xff
chained_graphics: .byte 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0x40, 6, 5, 7, 0x0f, 8, 0xff, 0xff, 0xff
chained_crtc: .byte 0x11, 0, 0, 0x5f, 1, 0x4f, 6, 0xbf, 7, 0x1f, 8, 0, 9, 0x41, 0x0c, 0, 0x0d, 0, 0x10, 0x9c
    .byte 0x12, 0x8f, 0x13, 0x28, 0x14, 0x40, 0x17, 0xa3, 0x18, 0xff, 0xff, 0xff
text_sequencer: .byte 0, 3, 1, 0, 2, 3, 3, 0, 4, 2, 0xff, 0xff
text_graphics: .byte 0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0x10, 6, 0x0e, 7, 0, 8, 0xff, 0xff, 0xff
text_crtc: .byte 0x11, 0, 0, 0x5f, 1, 0x4f, 6, 0xbf, 7, 0x1f, 8, 0, 9, 0x4f, 0x0a, 0x20, 0x0c, 0, 0x0d, 0
    .byte 0x10, 0x9c, 0x12, 0x8f, 0x13, 0x28, 0x14, 0x1f, 0x17, 0xa3, 0x18, 0xff, 0xff, 0xff
