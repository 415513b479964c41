/* Single steps through every kind of instruction, breakpoints, GD and RF, in 32-bit code. */
#include "tests/kernels/lib.inc"

    .set S_CONF, SEL_FREE

/* Prints " offset" for a single step, " offset/DR6" for anything else, and goes on. */
db_hook:
    mov F_VECTOR(%ebp), %eax
    cmp $1, %eax
    jne 9f
    PRINT " "
    mov F_EIP(%ebp), %eax
    sub try_ip, %eax
    cmp $0x1000, %eax
    jb 1f
    mov $0xfff, %eax        /* elsewhere */
1:  call hex32
    mov %dr6, %eax
    and $0xe00f, %eax
    cmp $0x4000, %eax
    je 2f
    PRINT "/"
    call hex32
    testl $0x10000, rf_seen
    jz 2f
    mov F_EFLAGS(%ebp), %eax
    test $0x10000, %eax
    jz 2f
    PRINT "/rf"
2:  mov $0xffff0ff0, %eax
    mov %eax, %dr6
    mov set_rf, %eax
    or %eax, F_EFLAGS(%ebp)
    decl steps_left
    jz 8f
    xor %eax, %eax
    ret
8:  PRINT " too many"
9:  mov $1, %eax
    ret

.macro STEP name
    PRINT "\name, steps:"
    movl $60, steps_left
    TRY "\name", db_hook
    pushf
    orl $0x100, (%esp)
    popf
    MARK
.endm
.macro ENDSTEP
    pushf
    andl $~0x100, (%esp)
    popf
    QUIET_ENDTRY
    call newline32
    call try_report32
.endm

.macro BREAK name, address, dr7
    PRINT "\name, hits:"
    movl $60, steps_left
    TRY "\name", db_hook
    mov $\address, %eax
    mov %eax, %dr0
    mov $\dr7, %eax
    mov %eax, %dr7
    MARK
.endm
.macro ENDBREAK
772:
    mov %cs:flat_selector, %ds
    mov try_sp, %esp
    movl $0, hook
    mov $0x400, %ecx
    mov %ecx, %dr7
    call newline32
    call try_report32
.endm

main:
    mov %cr4, %eax
    or $0x208, %eax         /* DE, OSFXSR */
    mov %eax, %cr4
    movl $0x10000, rf_seen
    call steps
    call breakpoints
    ret

steps:
    STEP "plain"
    nop
    mov %eax, %ecx
    add $1, %ecx
    push %ecx
    pop %ecx
    mov scratch, %ecx
    ENDSTEP
    STEP "jumps"
    jmp 1f
    nop
1:  mov $3, %ecx
2:  loop 2b
    call 3f
    jmp 4f
3:  ret
4:  xor %ecx, %ecx
    jz 5f
    nop
5:  ENDSTEP
    STEP "rep"
    mov $3, %ecx
    mov $scratch, %edi
    rep stosb
    rep stosb
    mov $2, %ecx
    mov $scratch, %esi
    repe cmpsb
    ENDSTEP
    STEP "mov ss"
    mov $SEL_DATA, %eax
    mov %eax, %ss
    nop
    push %ss
    pop %ss
    nop
    nop
    ENDSTEP
    STEP "mov ds"
    mov $SEL_DATA, %eax
    mov %eax, %ds
    nop
    ENDSTEP
    STEP "popf that keeps TF"
    pushf
    popf
    nop
    ENDSTEP
    STEP "popf that clears TF"
    pushl $2
    popf
    nop
    nop
    ENDSTEP
    STEP "iret that keeps TF"
    pushf
    push $SEL_CODE32
    push $1f
    iret
1:  nop
    ENDSTEP
    IDT_GATE 0x50, SEL_CODE32, plain_iret, 0x8e
    STEP "int"
    int $0x50
    nop
    nop
    ENDSTEP
    STEP "system instructions"
    xor %eax, %eax
    cpuid
    mov %cr0, %eax
    mov %eax, %cr0
    clts
    in $0x61, %al
    rdtsc
    sgdt scratch
    ENDSTEP
    STEP "x87 and sse"
    fninit
    fld1
    fstpl scratch
    xorps %xmm0, %xmm0
    movups %xmm0, scratch
    ENDSTEP
    STEP "lcall and lret"
    lcall $SEL_CODE32, $1f
    jmp 2f
1:  lret
2:  ENDSTEP
    STEP "fault"
    nop
    ud2
    ENDSTEP
    STEP "ring 3"
    RING3 0x102
    nop
    nop
    mov %eax, %eax
    DONE
    ENDSTEP
    STEP "code that writes itself"
    movb $0x41, 1f          /* inc %ecx instead of nop */
    xor %ecx, %ecx
1:  nop
    nop
    ENDSTEP
    mov %ecx, %eax
    SHOW "written"
    ret

    /* DR7: L0 = 1; R/W0 in 16-17: 0 code, 1 write, 2 I/O, 3 read or write; LEN0 in 18-19: 0 1 byte, 1 2, 3 4. */
breakpoints:
    BREAK "code without RF", 1f, 0x401
    movl $1, steps_left
    nop
1:  nop
    nop
    ENDBREAK
    movl $0x10000, set_rf
    BREAK "code with RF", 1f, 0x401
    nop
1:  nop
    nop
    jmp 2f
2:  ENDBREAK
    BREAK "code with RF, loop", 1f, 0x401
    mov $3, %ecx
1:  loop 1b
    ENDBREAK
    BREAK "code with RF, rep", 1f, 0x401
    mov $3, %ecx
    mov $scratch, %edi
1:  rep stosb
    nop
    ENDBREAK
    BREAK "code with RF, at a fault", 1f, 0x401
1:  ud2
    ENDBREAK
    movl $0, set_rf
    BREAK "write", scratch, 0xd0401
    mov scratch, %ecx
    mov %ecx, scratch
    nop
    movb $1, scratch + 3
    movb $1, scratch + 4
    mov %ecx, scratch - 2
    add %ecx, scratch
    ENDBREAK
    BREAK "read or write", scratch, 0xf0401
    mov scratch, %ecx
    mov %ecx, scratch
    cmpb $1, scratch + 3
    cmpb $1, scratch + 4
    lea scratch, %ecx
    ENDBREAK
    BREAK "one byte", scratch + 1, 0x10401
    mov %al, scratch
    mov %al, scratch + 1
    mov %eax, scratch - 2
    mov %ax, scratch + 2
    ENDBREAK
    BREAK "push and call", scratch + 8, 0xd0401
    mov %esp, %ecx
    mov $scratch + 16, %esp
    push %eax
    push %eax
    push %eax
    mov $scratch + 12, %esp
    call 1f
1:  mov %ecx, %esp
    ENDBREAK
    BREAK "rep stos", scratch + 4, 0xd0401
    mov $scratch, %edi
    mov $4, %ecx
    rep stosl
    ENDBREAK
    BREAK "port", 0x61, 0x20401
    in $0x61, %al
    nop
    in $0x60, %al
    ENDBREAK
    BREAK "mov ss delays", scratch, 0xd0401
    movl $SEL_DATA, scratch
    mov scratch, %ss
    nop
    ENDBREAK
    BREAK "mov ss holds its own back", scratch, 0xf0401
    mov scratch, %ss
    nop
    nop
    ENDBREAK
    BREAK "disabled", scratch, 0xd0400
    mov %eax, scratch
    ENDBREAK
    BREAK "global enable", scratch, 0xd0402
    mov %eax, scratch
    nop
    ENDBREAK
    BREAK "GD", 0, 0x2400
    nop
    mov %dr0, %ecx
    mov %dr7, %ecx
    ENDBREAK
    mov %ecx, %eax
    TRY "dr4 with DE"
    mov %dr4, %eax
    ENDTRY
    mov %cr4, %eax
    and $~8, %eax
    mov %eax, %cr4
    TRY "dr4 without DE"
    mov %dr4, %eax
    ENDTRY
    SHOW "dr6"
    mov $-1, %eax
    mov %eax, %dr6
    mov %dr6, %eax
    SHOW "dr6, all ones"
    mov $0xffffdfff, %eax
    mov %eax, %dr7
    mov %dr7, %eax
    SHOW "dr7, all ones but GD"
    mov $0x400, %eax
    mov %eax, %dr7
    xor %eax, %eax
    mov %eax, %dr6
    mov %dr6, %eax
    SHOW "dr6, zeros"
    xor %eax, %eax
    mov %eax, %dr7
    mov %dr7, %eax
    SHOW "dr7, zeros"
    ret

plain_iret:
    nop
    iret

    .data
    .align 16
    .long 0, 0, 0, 0
scratch: .long 0, 0, 0, 0, 0, 0, 0, 0
steps_left: .long 0
set_rf: .long 0
rf_seen: .long 0
