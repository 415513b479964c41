/* Single steps and breakpoints of 64-bit code: TF across SYSCALL and SYSRET, IRETQ, system instructions, strings that fault. */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set HOLE, 0x4000000            /* 2 MiB that are not mapped until a snippet asks for them */

/* Prints " offset" for a single step, with "k" in level 0 of a snippet of level 3, " offset/DR6" for anything else. */
db_hook:
    cmpl $14, F64_VECTOR(%rbp)
    je 5f
    cmpl $1, F64_VECTOR(%rbp)
    jne 9f
    PRINT " "
    mov F64_RIP(%rbp), %rax
    sub try_ip(%rip), %rax
    cmp $0x1000, %rax
    jb 1f
    mov $0xfff, %eax        /* elsewhere */
1:  call hex64
    cmpl $0, user_snippet(%rip)
    je 2f
    testl $3, F64_CS(%rbp)
    jnz 2f
    PRINT "k"
2:  mov %dr6, %rax
    and $0xe00f, %eax
    cmp $0x4000, %eax
    je 3f
    PRINT "/"
    call hex64
3:  mov $0xffff0ff0, %eax
    mov %rax, %dr6
    orl $0x10000, F64_RFLAGS(%rbp)      /* RF: a breakpoint does not hit again */
    decl steps_left(%rip)
    jz 8f
    xor %eax, %eax
    ret
5:  PRINT " pf"             /* maps the page it was about */
    movl $(HOLE + 0x87), page_dirs + (HOLE >> 21) * 8(%rip)
    xor %eax, %eax
    ret
8:  PRINT " too many"
9:  mov $1, %eax
    ret

.macro STEP name
    PRINT "\name, steps:"
    movl $60, steps_left(%rip)
    movl $0, user_snippet(%rip)
    TRY "\name", db_hook
    pushf
    orl $0x100, (%rsp)
    popf
    MARK
.endm
.macro USER_STEP name, flags=0x102
    PRINT "\name, steps:"
    movl $60, steps_left(%rip)
    movl $1, user_snippet(%rip)
    TRY "\name", db_hook
    RING3 \flags
.endm
.macro ENDSTEP
    pushf
    andl $~0x100, (%rsp)
    popf
    QUIET_ENDTRY
    call newline64
    call try_report64
.endm
.macro END_USER_STEP
    DONE
    QUIET_ENDTRY
    call newline64
    call try_report64
.endm

.macro BREAK name, address, dr7, high=0
    PRINT "\name, hits:"
    movl $60, steps_left(%rip)
    movl $0, user_snippet(%rip)
    TRY "\name", db_hook
    mov $\address, %eax
    .if \high
    bts $32, %rax
    .endif
    mov %rax, %dr0
    mov $\dr7, %eax
    mov %rax, %dr7
    MARK
.endm
.macro ENDBREAK
    QUIET_ENDTRY
    mov $0x400, %ecx
    mov %rcx, %dr7
    call newline64
    call try_report64
.endm

.macro MSR index, low, high=0
    mov $\index, %ecx
    mov $\low, %eax
    mov $\high, %edx
    wrmsr
.endm
.macro FMASK bits
    MSR 0xc0000084, \bits
.endm
.macro LSTAR target
    MSR 0xc0000082, \target
.endm

.macro SHOW_REC name, offset
    mov rec_sp(%rip), %rax
    mov \offset(%rax), %rax
    SHOW "\name"
.endm

    CODE32
main:
    ENTER_LONG
    mov %cr4, %rax
    or $0x608, %eax         /* DE */
    mov %rax, %cr4
    MSR 0xc0000081, 0, (SEL_CODE64 | SEL_USER32 << 16)
    movl $0, page_dirs + (HOLE >> 21) * 8(%rip)
    mov %cr3, %rax
    mov %rax, %cr3
    mov $plain_iret, %eax
    mov %ax, idt64 + 0x500(%rip)
    shr $16, %eax
    mov %ax, idt64 + 0x506(%rip)
    call fast_calls
    call others
    call breakpoints
    jmp finish64

fast_calls:
    FMASK 0
    LSTAR syscall1
    USER_STEP "syscall, TF not masked"
    nop
    syscall
1:  nop
    nop
    jmp 2f
syscall1:
    nop
    mov %r11, %rbx
    sysretq
2:  END_USER_STEP
    SHOW_REC "r11", F64_RBX
    FMASK 0x100
    LSTAR syscall2
    USER_STEP "syscall, TF masked"
    nop
    syscall
1:  nop
    nop
    jmp 2f
syscall2:
    nop
    mov %r11, %rbx
    sysretq
2:  END_USER_STEP
    SHOW_REC "r11", F64_RBX
    FMASK 0x100
    LSTAR syscall3
    USER_STEP "syscall without TF, sysretq that sets it", 2
    nop
    syscall
1:  nop
    nop
    jmp 2f
syscall3:
    or $0x100, %r11
    sysretq
2:  END_USER_STEP
    LSTAR syscall4
    USER_STEP "sysretq that clears it"
    nop
    syscall
1:  nop
    nop
    jmp 2f
syscall4:
    and $~0x100, %r11
    sysretq
2:  END_USER_STEP
    FMASK 0
    LSTAR syscall5
    USER_STEP "sysretq with TF that clears it"
    syscall
1:  nop
    jmp 2f
syscall5:
    and $~0x100, %r11
    sysretq
2:  END_USER_STEP
    FMASK 0x100
    LSTAR syscall6
    USER_STEP "iretq that sets it", 2
    syscall
1:  nop
    nop
    jmp 2f
syscall6:
    push $SEL_USER_DATA
    push %rsp
    push $0x102
    push $SEL_USER64
    push %rcx
    iretq
2:  END_USER_STEP
    LSTAR syscall7
    USER_STEP "sysretl that sets it", 2
    syscall
    CODE32
1:  nop
    nop
    jmp 2f
    CODE64
syscall7:
    or $0x100, %r11
    sysretl
    CODE32
2:  DONE
    CODE64
    QUIET_ENDTRY
    call newline64
    call try_report64
    ret

others:
    STEP "system instructions"
    swapgs
    swapgs
    mov %cr3, %rax
    mov %rax, %cr3
    invlpg (%rax)
    mov $0xc0000080, %ecx
    rdmsr
    wrmsr
    mov %cr8, %rax
    mov %rax, %cr8
    sti
    cli
    ENDSTEP
    STEP "mov ss"
    mov $SEL_DATA, %eax
    mov %eax, %ss
    nop
    mov %eax, %ss
    mov %eax, %ss
    nop
    nop
    ENDSTEP
    STEP "sti"
    sti
    nop
    cli
    nop
    ENDSTEP
    STEP "iretq"
    mov %rsp, %rdx
    push $SEL_DATA
    push %rdx
    pushf
    push $SEL_CODE64
    lea 1f(%rip), %rax
    push %rax
    iretq
1:  nop
    nop
    ENDSTEP
    STEP "rep stosb that faults"
    mov $HOLE - 2, %edi
    mov $4, %ecx
    rep stosb
    nop
    ENDSTEP
    mov %ecx, %eax
    SHOW "ecx"
    movl $0, page_dirs + (HOLE >> 21) * 8(%rip)
    mov %cr3, %rax
    mov %rax, %cr3
    STEP "read that faults"
    mov HOLE, %eax
    nop
    ENDSTEP
    STEP "rep of nothing"
    xor %ecx, %ecx
    rep stosb
    repe cmpsb
    nop
    ENDSTEP
    STEP "locked and 16 bytes"
    lock incl scratch(%rip)
    lock cmpxchg16b scratch(%rip)
    xchg %eax, scratch(%rip)
    nop
    ENDSTEP
    STEP "int and its iretq"
    int $0x50
    nop
    nop
    ENDSTEP
    call is_tcg
    je 1f
    STEP "hlt"
    hlt
    nop
    nop
    ENDSTEP
    jmp 2f
1:  PRINT "hlt, steps:\nhlt: ok\n"
2:  ret

    /* DR7: R/W0 in 16-17: 0 code, 1 write, 3 read or write; LEN0 in 18-19: 0 1 byte, 1 2, 2 8, 3 4. */
breakpoints:
    BREAK "8 bytes", (scratch + 8), 0x90401
    mov %al, scratch + 7(%rip)
    mov %al, scratch + 8(%rip)
    mov %al, scratch + 15(%rip)
    mov %al, scratch + 16(%rip)
    movups %xmm0, scratch(%rip)
    nop
    ENDBREAK
    BREAK "an address above 4 GiB", scratch, 0xd0401, 1
    mov %eax, scratch(%rip)
    nop
    ENDBREAK
    BREAK "movsq and stosq", (scratch + 8), 0xb0401
    mov $scratch, %esi
    mov $scratch + 8, %edi
    movsq
    movsq
    stosq
    nop
    ENDBREAK
    BREAK "stack of pushes and calls", (int_stack_top - 64), 0x90401
    mov %rsp, %rcx
    mov $int_stack_top - 48, %esp
    push %rax
    push %rax
    pop %rax
    call 1f
1:  mov %rcx, %rsp
    nop
    ENDBREAK
    BREAK "code of level 3", user_break, 0x401
    RING3
user_break:
    nop
    DONE
    ENDBREAK
    BREAK "xsave area, fxsave", scratch, 0x90401
    fxsave scratch(%rip)
    nop
    ENDBREAK
    TRY "dr7, upper half"
    mov $1, %eax
    shl $32, %rax
    MARK
    mov %rax, %dr7
    ENDTRY
    TRY "dr6, upper half"
    mov $1, %eax
    shl $32, %rax
    MARK
    mov %rax, %dr6
    ENDTRY
    TRY "dr0, upper half"
    mov $1, %eax
    shl $47, %rax
    mov %rax, %dr0
    mov %dr0, %rax
    ENDTRY
    SHOW "dr0"
    TRY "user mov dr0"
    RING3
    mov %dr0, %rax
    ENDTRY
    ret

plain_iret:
    nop
    iretq

    .data
    .align 16
scratch: .skip 1024
steps_left: .long 0
user_snippet: .long 0
