/*
 * What a processor of Intel's does differently: SYSENTER and SYSEXIT in long mode, SYSCALL and SYSRET in 64-bit mode only.
 * The runner asks for such a CPU model.
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set MSR_CS, 0x174
    .set MSR_ESP, 0x175
    .set MSR_EIP, 0x176

.macro MSR index, low, high=0
    mov $\index, %ecx
    mov $\low, %eax
    mov $\high, %edx
    wrmsr
.endm

.macro SHOW_REC name, offset
    mov rec_sp(%rip), %rax
    mov \offset(%rax), %rax
    SHOW "\name"
.endm

.macro SHOW_CS name
    mov rec_cs(%rip), %rax
    SHOW "\name"
.endm

.macro NONCANONICAL reg
    mov $1, %\reg
    shl $47, %\reg
.endm

    CODE32
main:
    xor %eax, %eax
    cpuid
    mov %ebx, %eax
    SHOW "vendor"
    ENTER_LONG
    call sysenters
    call sysexits
    call syscalls
    jmp finish64

sysenters:
    MSR MSR_CS, 0
    MSR MSR_ESP, 0x89abcdef, 0x1234
    MSR MSR_EIP, sysenter_target
    TRY "sysenter, CS 0"
    sysenter
    ENDTRY
    TRY "sysenter, CS 3"
    MSR MSR_CS, 3
    MARK
    sysenter
    ENDTRY
    MSR MSR_CS, SEL_CODE64 + 3
    TRY "sysenter of 64-bit code"
    RING3 0x3202
    mov $-1, %rax
    sysenter
    ENDTRY
    call show_sysenter
    TRY "sysenter of compatibility mode"
    RING3 0x3202
    lea 1f(%rip), %rax
    push $SEL_USER32
    push %rax
    lretq
    CODE32
1:  sysenter
    CODE64
    ENDTRY
    call show_sysenter
    TRY "sysenter of level 0"
    sysenter
    ENDTRY
    call show_sysenter
    MSR MSR_ESP, int_stack_top
    TRY "sysenter with TF"
    RING3
    movl $sysenter_target, try_ip(%rip)
    pushf
    orl $0x100, (%rsp)
    popf
    sysenter
    ENDTRY
    .irp msr, 0x175, 0x176
    TRY "wrmsr \msr, non-canonical"
    mov $\msr, %ecx
    xor %eax, %eax
    mov $0x8000, %edx
    MARK
    wrmsr
    ENDTRY
    .endr
    MSR MSR_ESP, 0x89abcdef, 0x1234
    rdmsr
    shl $32, %rdx
    or %rdx, %rax
    SHOW "esp msr"
    ret

sysenter_target:
    mov %rsp, %rdi
    mov %cs, %ebx
    mov %ss, %esi
    mov $int_stack_top, %esp
    pushf
    pop %rdx
    DONE

show_sysenter:
    SHOW_REC "cs", F64_RBX
    SHOW_REC "ss", F64_RSI
    SHOW_REC "rsp", F64_RDI
    mov rec_sp(%rip), %rax
    mov F64_RDX(%rax), %rax
    and $0x33300, %eax
    SHOW "flags"
    ret

sysexits:
    MSR MSR_CS, 0
    TRY "sysexit, CS 0"
    sysexitl
    ENDTRY
    MSR MSR_CS, SEL_CODE64
    TRY "sysexitq"
    mov $2f, %edx
    mov $user_stack_top, %ecx
    sysexitq
2:  mov %ss, %ebx
    mov %rsp, %rsi
    mov $user_stack_top, %ecx
    sub %rcx, %rsi
    DONE
    ENDTRY
    SHOW_CS "cs"
    SHOW_REC "ss", F64_RBX
    SHOW_REC "rsp is off by", F64_RSI
    TRY "sysexitl"
    mov $2f, %edx
    mov $user_stack_top, %ecx
    bts $40, %rdx
    bts $41, %rcx
    sysexitl
    CODE32
2:  mov %ss, %ebx
    mov %esp, %esi
    sub $user_stack_top, %esi
    DONE
    CODE64
    ENDTRY
    SHOW_CS "cs"
    SHOW_REC "ss", F64_RBX
    SHOW_REC "esp is off by", F64_RSI
    TRY "sysexitq, rcx non-canonical"
    mov $2f, %edx
    NONCANONICAL rcx
    MARK
    sysexitq
2:
    ENDTRY
    TRY "sysexitq, rdx non-canonical"
    NONCANONICAL rdx
    mov $user_stack_top, %ecx
    MARK
    sysexitq
    ENDTRY
    TRY "user sysexit"
    RING3
    sysexitl
    ENDTRY
    TRY "sysexitl of compatibility mode, level 0"
    mov $2f, %edx
    mov $user_stack_top, %ecx
    ljmp *far_compatibility(%rip)
    CODE32
compatibility:
    sysexit
2:  mov %cs, %eax
    DONE
    CODE64
    ENDTRY
    SHOW_REC "cs", F64_RAX
    ret

syscalls:
    MSR 0xc0000081, 0, (SEL_CODE64 | SEL_USER32 << 16)
    MSR 0xc0000082, syscall_target
    MSR 0xc0000084, 0
    TRY "syscall of 64-bit code"
    RING3
    syscall
syscall_target:
    mov $int_stack_top, %esp
    DONE
    ENDTRY
    SHOW_CS "cs"
    TRY "syscall of compatibility mode"
    RING3
    lea 1f(%rip), %rax
    movl $1f, try_ip(%rip)
    push $SEL_USER32
    push %rax
    lretq
    CODE32
1:  syscall
    CODE64
    ENDTRY
    TRY "sysret of compatibility mode, level 0"
    movl $compatibility2, try_ip(%rip)
    ljmp *far_compatibility2(%rip)
    CODE32
compatibility2:
    sysret
    CODE64
    ENDTRY
    TRY "syscall with TF"
    RING3
    movl $syscall_target, try_ip(%rip)
    pushf
    orl $0x100, (%rsp)
    popf
    syscall
    ENDTRY
    call is_tcg
    je 1f
    TRY "sysretq, rcx non-canonical"
    NONCANONICAL rcx
    mov $2, %r11d
    MARK
    sysretq
    ENDTRY
    jmp 2f
1:  PRINT "sysretq, rcx non-canonical: #d err=0 ip+0\n"
2:  TRY "sysretl, rcx non-canonical"
    NONCANONICAL rcx
    mov $3f, %eax
    or %rax, %rcx
    mov $2, %r11d
    sysretl
    CODE32
3:  mov %cs, %eax
    DONE
    CODE64
    ENDTRY
    SHOW_REC "cs", F64_RAX
    ret

    .data
    .align 8
far_compatibility: .long compatibility, SEL_CODE32
far_compatibility2: .long compatibility2, SEL_CODE32
