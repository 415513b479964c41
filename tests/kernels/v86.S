/* Virtual-8086 mode without VME; real mode reached from protected mode and left again; 16-bit segments; A20. */
#include "tests/kernels/lib.inc"

    .set S_BIG, SEL_FREE            /* data, 4 GiB: makes a segment "unreal" */
    .set IOPL3, 0x23002

    .section .data.low
low_bounds: .word -1, 1
low_seen: .word 0
low_lret: .byte 0xcb
    .text

/*
 * Runs a snippet of 16-bit code in virtual-8086 mode; the offset printed is from its start.
 * At IOPL 0 the INT that ends a snippet is #GP itself, so that "#d" at the snippet's end means that all went well.
 */
.macro V86 name, insn, flags=0x20002
    .pushsection .data.low
    .code16
778:
    \insn
    int $VECTOR_EXIT
    .popsection
    .code32
    TRY "\name"
    movl $LOW(778b), try_ip
    ENTER_V86 778b, \flags
    ENDTRY
.endm

.macro SHOW_LOW name, label
    movzwl LOW_BASE + LOW(\label), %eax
    SHOW "\name"
.endm

.macro SHOW_FRAME name, offset
    mov rec_sp, %eax
    mov \offset(%eax), %eax
    SHOW "\name"
.endm

main:
    DESC S_BIG, 0, 0xfffff, 0x93, 0xc0
    /* The bitmap allows port 61h; the exit's gate is for everybody. */
    movl $0xfffffffd, tss_bitmap + 12
    andb $~2, gdt + SEL_TSS + 5
    DESC SEL_TSS, tss, 104 + 32, 0x89, 0
    mov $SEL_TSS, %eax
    ltr %ax
    call v86
    call real
    ret

v86:
    V86 "v86 nop", "nop"
    V86 "v86 cli", "cli"
    V86 "v86 sti", "sti"
    V86 "v86 pushf", "pushf"
    V86 "v86 popf", "pushl $0; popf"
    V86 "v86 pushfl", "pushfl"
    V86 "v86 int 21h", "int $0x21"
    V86 "v86 int3", "int3"
    V86 "v86 into", "movw $0x7fff, %ax; incw %ax; into"
    V86 "v86 iret", "iret"
    V86 "v86 hlt", "hlt"
    V86 "v86 in", "in $0x60, %al"
    V86 "v86 in by the bitmap", "in $0x61, %al"
    V86 "v86 out", "out %al, $0x60"
    V86 "v86 mov cr0", "movl %cr0, %eax"
    V86 "v86 mov dr7", "movl %dr7, %eax"
    V86 "v86 lgdt", "lgdt 0"
    V86 "v86 sgdt", "sgdt 0x7f00"      /* behind the code */
    V86 "v86 lldt", "lldt %ax"
    V86 "v86 ltr", "ltr %ax"
    V86 "v86 sldt", "sldt %ax"
    V86 "v86 str", "str %ax"
    V86 "v86 arpl", "arpl %ax, %ax"
    V86 "v86 verr", "verr %ax"
    V86 "v86 lar", "lar %ax, %ax"
    V86 "v86 smsw", "smsw %ax"
    V86 "v86 lmsw", "lmsw %ax"
    V86 "v86 clts", "clts"
    V86 "v86 rdmsr", "rdmsr"
    V86 "v86 invlpg", "invlpg 0"
    V86 "v86 wbinvd", "wbinvd"
    V86 "v86 ud2", "ud2"
    V86 "v86 div by 0", "xorw %cx, %cx; divw %cx"
    V86 "v86 bound", "movw $5, %ax; boundw %ax, low_bounds - low_start"
    V86 "v86 read at FFFFh", "movw 0xffff, %ax"
    V86 "v86 read beyond 64 KiB", "movl $0x10000, %ebx; movb (%ebx), %al"
    V86 "v86 push at sp 1", "movw $1, %sp; pushw %ax"
    V86 "v86 lcall and lret", "lcall $0x800, $(low_lret - low_start)"
    V86 "v86 mov ds", "movw $0x1234, %ax; movw %ax, %ds; movw 0, %bx"
    V86 "v86 lds", "ldsw low_bounds - low_start, %bx"
    V86 "v86 lock nop", ".byte 0xf0, 0x90"
    V86 "v86 syscall", ".byte 0x0f, 0x05"
    V86 "v86 sysenter", "sysenter"
    /* IOPL 3. */
    V86 "v86 IOPL 3: cli", "cli", IOPL3
    V86 "v86 IOPL 3: sti", "sti", IOPL3
    V86 "v86 IOPL 3: pushf and popf", "pushfw; popfw", IOPL3
    V86 "v86 IOPL 3: int 21h", "int $0x21", IOPL3
    V86 "v86 IOPL 3: int3", "int3", IOPL3
    V86 "v86 IOPL 3: in", "in $0x60, %al", IOPL3
    V86 "v86 IOPL 3: hlt", "hlt", IOPL3
    V86 "v86 IOPL 3: iret", "pushfw; pushw $0x800; pushw $1f - low_start; iretw; 1: nop", IOPL3
    V86 "v86 IOPL 3: popf cannot change IOPL and VM", "pushfl; andl $0xfffcc0ff, (%esp); popfl; pushfl; popl %eax; movw %ax, low_seen - low_start", IOPL3
    SHOW_LOW "flags seen", low_seen
    V86 "v86 frame", "movw $0x1111, %ax; movw %ax, %ds; movw $0x2222, %ax; movw %ax, %es; movw $0x3333, %ax; movw %ax, %fs; movw $0x4444, %ax; movw %ax, %gs"
    SHOW_FRAME "cs", F_CS
    SHOW_FRAME "eflags", F_EFLAGS
    SHOW_FRAME "esp", F_ESP
    SHOW_FRAME "ss", F_SS
    SHOW_FRAME "es", F_SS + 4
    SHOW_FRAME "ds", F_SS + 8
    SHOW_FRAME "fs", F_SS + 12
    SHOW_FRAME "gs", F_SS + 16
    SHOW_FRAME "ds inside", F_DS
    /* A handler that is not at CPL 0 cannot take an interrupt from virtual-8086 mode. */
    DESC SEL_FREE + 8, 0, 0xfffff, 0x9f, 0xc0
    IDT_GATE 0x50, SEL_FREE + 8, 0, 0xee
    V86 "v86 int to conforming code", "int $0x50", IOPL3
    TRY "iret to v86 from ring 3 ignores VM"
    RING3
    push $0x20002
    push $SEL_USER32
    push $1f
    iretl
1:  DONE
    ENDTRY
    mov rec_sp, %eax
    mov F_EFLAGS(%eax), %eax
    and $0x20000, %eax
    SHOW "VM"
    ret

/* To real mode, and back at low_back. */
real:
    pushal
    mov %esp, saved_esp
    mov $S_BIG, %eax
    mov %eax, %fs
    mov %eax, %gs
    ljmp $SEL_CODE16, $LOW(low_pm16)
back:
    mov $SEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov saved_esp, %esp
    lidt idt_pointer32
    popal
    SHOW_LOW "16-bit protected: sp after a push", low_pm_sp
    SHOW_LOW "16-bit protected: limit of cs", low_pm_limit
    SHOW_LOW "real: cs", low_cs
    SHOW_LOW "real: read through 1234:5678 style", low_read
    SHOW_LOW "real: int, its ip offset", low_int_ip
    SHOW_LOW "real: int, flags inside", low_int_flags
    SHOW_LOW "real: int 12h", low_int12
    SHOW_LOW "real: int 15h, an unknown function and carry", low_int15
    SHOW_LOW "real: divide error, its ip offset", low_de_ip
    SHOW_LOW "real: unreal read at 1 MiB", low_unreal
    SHOW_LOW "real: and again after a load of FS", low_unreal_again
    SHOW_LOW "real: read over 64 KiB faults with", low_gp
    SHOW_LOW "real: smsw", low_smsw
    SHOW_LOW "real: lldt faults with", low_ud
    SHOW_LOW "a20 open: FFFFh:0510h is 100500h", low_a20_open
    SHOW_LOW "a20 masked: it is 500h", low_a20_masked
    SHOW_LOW "a20 open again", low_a20_again
    SHOW_LOW "code of 32 bits in a segment of 16", low_prefixed
    ret

    .section .data.low
    .code16
low_pm16:
    movw $SEL_DATA, %bx
    movw %bx, %ds
    movl $LOW_BASE, %ebx
    movw $SEL_DATA16, %ax
    movw %ax, %ss
    movl $0x00007000, %esp
    pushw %ax
    movw %sp, LOW(low_pm_sp)(%ebx)
    movw $SEL_CODE16, %cx
    lslw %cx, %ax
    movw %ax, LOW(low_pm_limit)(%ebx)
    movw $SEL_DATA16, %ax           /* real mode keeps limits: 64 KiB for all but FS and GS */
    movw %ax, %ds
    movw %ax, %es
    movw $0x3ff, LOW_BASE + LOW(low_idt)
    lidt LOW_BASE + LOW(low_idt)
    movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    ljmp $LOW_SEG, $LOW(1f)
1:  movw %cs, %ax
    movw %ax, %ds
    movw %ax, LOW(low_cs)
    xorw %ax, %ax
    movw %ax, %ss
    movw $0x7000, %sp
    movw $0x7ff, %ax                /* 07FF:0010 is the start of the segment at 8000h */
    movw %ax, %es
    movw $0xbeef, LOW(low_pattern)
    movw %es:LOW(low_pattern)+16, %ax
    movw %ax, LOW(low_read)
    /* Handlers in the table at 0. */
    xorw %ax, %ax
    movw %ax, %es
    movw $LOW(low_handler), %es:0x50*4
    movw $LOW_SEG, %es:0x50*4+2
    movw $LOW(low_fault), %es:0*4
    movw $LOW_SEG, %es:0*4+2
    movw $LOW(low_fault6), %es:6*4
    movw $LOW_SEG, %es:6*4+2
    movw $LOW(low_fault13), %es:13*4
    movw $LOW_SEG, %es:13*4+2
    sti
    int $0x50
2:  cli
    subw $LOW(2b), LOW(low_int_ip)
    int $0x12                       /* the BIOS's, or what is there without one */
    movw %ax, LOW(low_int12)
    movw $0xc900, %ax
    int $0x15
    setc %al
    movw %ax, LOW(low_int15)
    movw $LOW(4f), LOW(low_next)
3:  xorw %cx, %cx
    divw %cx
4:  subw $LOW(3b), LOW(low_de_ip)
    /* FS came with 4 GiB. */
    movl $0x100000, %ebx
    movw %fs:(%ebx), %ax
    movw %ax, LOW(low_unreal)
    movw $0x1000, %ax               /* a load in real mode moves the base only */
    movw %ax, %fs
    movl $0xf0000, %ebx
    movw %fs:(%ebx), %ax
    movw %ax, LOW(low_unreal_again)
    movw $LOW(5f), LOW(low_next)
    movl $0x10000, %ebx
    movw $0, LOW(low_vector)
    movw (%ebx), %ax
5:  movw LOW(low_vector), %ax
    movw %ax, LOW(low_gp)
    movw $0, LOW(low_vector)
    movw $LOW(6f), LOW(low_next)
    lldt %ax
6:  movw LOW(low_vector), %ax
    movw %ax, LOW(low_ud)
    smsww %ax
    andw $1, %ax
    movw %ax, LOW(low_smsw)
    /* A20. */
    movw $0xffff, %ax
    movw %ax, %gs
    movb $0xdd, %al                 /* the keyboard controller's half of the gate is closed for this test */
    outb %al, $0x64
    inb $0x92, %al
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92
    movw $0x1111, %es:0x500
    movw $0x2222, %gs:0x510
    movw %es:0x500, %ax
    movw %ax, LOW(low_a20_open)
    inb $0x92, %al
    andb $0xfc, %al
    outb %al, $0x92
    movw $0x3333, %es:0x500
    movw %gs:0x510, %ax
    movw %ax, LOW(low_a20_masked)
    movw $0x4444, %gs:0x510
    movw %es:0x500, %cx
    addw %cx, LOW(low_a20_masked)
    inb $0x92, %al
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92
    movw %gs:0x510, %ax
    movw %ax, LOW(low_a20_again)
    movb $0xdf, %al
    outb %al, $0x64
    movl $0x12345678, %eax
    shrl $16, %eax
    movw %ax, LOW(low_prefixed)
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    ljmpl $SEL_CODE32, $back

low_handler:
    pushw %bp
    movw %sp, %bp
    movw 2(%bp), %ax
    movw %ax, LOW(low_int_ip)
    popw %bp
    pushfw
    popw %ax
    andw $0x300, %ax
    movw %ax, LOW(low_int_flags)
    iretw
low_fault:
    movw $0, LOW(low_vector)
    popw LOW(low_de_ip)
    addw $4, %sp
    jmp *LOW(low_next)
low_fault6:
    movw $6, LOW(low_vector)
    addw $6, %sp
    jmp *LOW(low_next)
low_fault13:
    movw $13, LOW(low_vector)
    addw $6, %sp
    jmp *LOW(low_next)
    .align 4
low_idt: .word 0
    .long 0
low_next: .word 0
low_vector: .word 0
low_pattern: .word 0
low_pm_sp: .word 0
low_pm_limit: .word 0
low_cs: .word 0
low_read: .word 0
low_int_ip: .word 0
low_int_flags: .word 0
low_int12: .word 0
low_int15: .word 0
low_de_ip: .word 0
low_unreal: .word 0
low_unreal_again: .word 0
low_gp: .word 0
low_smsw: .word 0
low_ud: .word 0
low_a20_open: .word 0
low_a20_masked: .word 0
low_a20_again: .word 0
low_prefixed: .word 0
    .code32

    .data
saved_esp: .long 0
