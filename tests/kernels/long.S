/*
 * Long mode: exceptions and far transfers of 64-bit code, non-canonical addresses, IST, SYSCALL and its kin, bases of FS
 * and GS, MSRs, UMIP. The processor is AMD's: SYSENTER is #UD in long mode.
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set S_GATE, SEL_FREE           /* 64-bit call gate, two slots */
    .set S_GATE_BAD, SEL_FREE + 0x10
    .set S_LD, SEL_FREE + 0x20      /* L and D */
    .set S_BASE, SEL_FREE + 0x28    /* data with a base */
    .set S_NP, SEL_FREE + 0x30
    .set S_CODE_NP, SEL_FREE + 0x38
    .set S_CONF, SEL_FREE + 0x40    /* conforming 64-bit code */
    .set S_FREE, SEL_FREE + 0x50    /* two slots */

.macro UD name, bytes:vararg
    TRY "\name"
    .byte \bytes
    ENDTRY
.endm

.macro NONCANONICAL reg=rax
    mov $1, %\reg
    shl $47, %\reg
.endm

.macro USER name, a, b
    TRY "user \name"
    RING3
    \a
    .ifnb \b
    \b
    .endif
    DONE
    ENDTRY
.endm

/* GATE64 table, byte offset, selector, target, type and DPL, IST */
.macro GATE64 table, index, selector, target, access, ist=0
    mov $\target, %eax
    movw %ax, \table + \index(%rip)
    movw $\selector, \table + \index + 2(%rip)
    movb $\ist, \table + \index + 4(%rip)
    movb $\access, \table + \index + 5(%rip)
    shr $16, %eax
    movw %ax, \table + \index + 6(%rip)
    movq $0, \table + \index + 8(%rip)
.endm

.macro WRITE_MSR name, msr, low, high=0
    TRY "wrmsr \name"
    mov $\msr, %ecx
    mov $\low, %eax
    mov $\high, %edx
    MARK
    wrmsr
    ENDTRY
.endm

.macro SHOW_REC name, offset
    mov rec_sp(%rip), %rax
    mov \offset(%rax), %rax
    SHOW "\name"
.endm

    CODE32
main:
    call sysenter32
    DESC S_LD, 0, 0xfffff, 0x9b, 0xe0
    DESC S_BASE, 0x12345678, 0xfffff, 0xf3, 0xc0
    DESC S_NP, 0, 0xfffff, 0x13, 0xc0
    DESC S_CODE_NP, 0, 0xfffff, 0x1b, 0xa0
    DESC S_CONF, 0, 0xfffff, 0x9f, 0xa0
    ENTER_LONG
    ENABLE_SSE
    GATE64 gdt, S_GATE, SEL_CODE64, gate_target, 0xec
    GATE64 gdt, S_GATE_BAD, SEL_CODE64, gate_target, 0xec
    movb $5, gdt + S_GATE_BAD + 13(%rip)
    call invalid
    call canonical
    call gates
    call stacks
    call transfers
    call syscalls
    call bases
    call msrs
    call cpuid_bits
    call rights
    jmp finish64

    CODE32
sysenter32:
    TRY "sysenter, CS 0"
    mov $0x174, %ecx
    xor %eax, %eax
    xor %edx, %edx
    wrmsr
    MARK
    sysenter
    ENDTRY
    TRY "sysexit, CS 0"
    sysexit
    ENDTRY
    mov $0x174, %ecx
    mov $SEL_CODE64, %eax       /* the descriptors are not looked at */
    xor %edx, %edx
    wrmsr
    inc %ecx
    mov $int_stack_top, %eax
    wrmsr
    inc %ecx
    mov $sysenter_target, %eax
    wrmsr
    TRY "sysenter"
    RING3 0x3202
    sysenter
sysenter_target:
    mov %cs, %ebx
    mov %ss, %esi
    mov %esp, %edi
    pushf
    pop %ebp
    DONE
    ENDTRY
    mov rec_sp, %edx
    mov F_REGS + 16(%edx), %eax
    SHOW "cs"
    mov F_REGS + 4(%edx), %eax
    SHOW "ss"
    mov F_REGS(%edx), %eax
    sub $int_stack_top, %eax
    SHOW "esp"
    mov F_REGS + 8(%edx), %eax
    and $0x33200, %eax
    SHOW "flags"
    TRY "sysexit"
    mov $1f, %edx
    mov $user_stack_top, %ecx
    sysexit
1:  mov %ss, %ebx
    DONE
    ENDTRY
    mov rec_cs, %eax
    SHOW "cs"
    mov rec_sp, %edx
    mov F_REGS + 16(%edx), %eax
    SHOW "ss"
    TRY "user sysexit"
    RING3
    sysexit
    ENDTRY
    ret

    CODE64
invalid:
    UD "push es", 0x06
    UD "pop ds", 0x1f
    UD "daa", 0x27
    UD "aas", 0x3f
    UD "pusha", 0x60
    UD "popa", 0x61
    UD "82", 0x82, 0xc0, 0
    UD "lcall direct", 0x9a, 0, 0, 0, 0, 8, 0
    UD "into", 0xce
    UD "aam", 0xd4, 10
    UD "salc", 0xd6
    UD "ljmp direct", 0xea, 0, 0, 0, 0, 8, 0
    UD "lds", 0xc5, 0x00
    UD "rsm", 0x0f, 0xaa
    UD "sysenter in long mode", 0x0f, 0x34
    UD "sysexit in long mode", 0x0f, 0x35
    UD "vmcall", 0x0f, 0x01, 0xc1
    UD "mov cr9", 0x41, 0x0f, 0x20, 0xc8
    UD "mov dr8", 0x44, 0x0f, 0x21, 0xc0
    UD "cmpxchg16b of a register", 0x48, 0x0f, 0xc7, 0xc8
    UD "avx without OSXSAVE", 0xc5, 0xf8, 0x57, 0xc0
    UD "xgetbv without OSXSAVE", 0x0f, 0x01, 0xd0
    TRY "div by 0"
    xor %ecx, %ecx
    div %rcx
    ENDTRY
    TRY "idiv overflow"
    mov $1, %edx
    ror %rdx
    mov %rdx, %rax
    cqo
    mov $-1, %rcx
    idiv %rcx
    ENDTRY
    TRY "cmpxchg16b unaligned"
    lea scratch + 8(%rip), %rdi
    MARK
    cmpxchg16b (%rdi)
    ENDTRY
    TRY "movaps unaligned"
    lea scratch + 8(%rip), %rdi
    MARK
    movaps (%rdi), %xmm0
    ENDTRY
    TRY "fxsave unaligned"
    lea scratch + 8(%rip), %rdi
    MARK
    fxsave (%rdi)
    ENDTRY
    ret

canonical:
    TRY "read"
    NONCANONICAL
    MARK
    mov (%rax), %eax
    ENDTRY
    TRY "write"
    NONCANONICAL
    MARK
    mov %eax, (%rax)
    ENDTRY
    TRY "read over the edge"
    NONCANONICAL
    MARK
    mov -4(%rax), %rax
    ENDTRY
    TRY "read below the upper half"
    NONCANONICAL
    neg %rax
    MARK
    mov -8(%rax), %rax
    ENDTRY
    TRY "read by rbp"
    NONCANONICAL rbp
    MARK
    mov (%rbp), %eax
    ENDTRY
    TRY "read by rsp and index"
    NONCANONICAL rax
    MARK
    mov (%rsp, %rax), %eax
    ENDTRY
    TRY "read by rbp as index"
    NONCANONICAL rbp
    xor %eax, %eax
    MARK
    mov (%rax, %rbp), %eax
    ENDTRY
    TRY "fs overrides the stack"
    NONCANONICAL rbp
    MARK
    mov %fs:(%rbp), %eax
    ENDTRY
    TRY "jmp"
    NONCANONICAL
    MARK
    jmp *%rax
    ENDTRY
    TRY "call"
    NONCANONICAL
    MARK
    call *%rax
    ENDTRY
    TRY "ret"
    NONCANONICAL
    push %rax
    MARK
    ret
    ENDTRY
    TRY "iretq"
    NONCANONICAL
    push $SEL_DATA
    push %rsp
    push $2
    push $SEL_CODE64
    push %rax
    MARK
    iretq
    ENDTRY
    TRY "iretq to ring 3"
    NONCANONICAL
    push $SEL_USER_DATA
    push $0
    push $2
    push $SEL_USER64
    push %rax
    MARK
    iretq
    ENDTRY
    TRY "pop"
    NONCANONICAL
    RING3
    NONCANONICAL rsp
    MARK
    pop %rcx
    ENDTRY
    TRY "push"
    RING3
    NONCANONICAL rsp
    add $16, %rsp
    MARK
    push %rcx
    DONE
    ENDTRY
    call is_tcg
    je 1f
    TRY "lgdt"
    NONCANONICAL
    movw $0xfff, scratch(%rip)
    mov %rax, scratch + 2(%rip)
    MARK
    lgdt scratch(%rip)
    ENDTRY
1:
    TRY "invlpg"
    NONCANONICAL
    invlpg (%rax)
    ENDTRY
    TRY "prefetch"
    NONCANONICAL
    prefetcht0 (%rax)
    ENDTRY
    TRY "clflush"
    NONCANONICAL
    MARK
    clflush (%rax)
    ENDTRY
    ret

gates:
    GATE64 idt64, 0x400, 0, trap64, 0xee
    GATE64 idt64, 0x410, SEL_CODE32, trap64, 0xee
    GATE64 idt64, 0x420, SEL_DATA, trap64, 0xee
    GATE64 idt64, 0x430, S_CODE_NP, trap64, 0xee
    GATE64 idt64, 0x440, SEL_CODE64, trap64, 0x6e
    GATE64 idt64, 0x450, SEL_CODE64, trap64, 0xec
    GATE64 idt64, 0x460, SEL_TSS, trap64, 0xe5
    GATE64 idt64, 0x470, SEL_CODE64, trap64, 0xe6
    GATE64 idt64, 0x480, S_LD, trap64, 0xee
    .irp vector, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48
    TRY "int \vector"
    int $\vector
    ENDTRY
    .endr
    TRY "lcall gate"
    mov %rsp, %rbx
    lcall *far_gate(%rip)
    ENDTRY
    TRY "lcall gate with a type in the upper half"
    lcall *far_gate_bad(%rip)
    ENDTRY
    TRY "user lcall gate"
    RING3
    lcall *far_gate(%rip)
    DONE
    ENDTRY
    SHOW_REC "ss inside", F64_RBX
    SHOW_REC "stack inside, from the top", F64_RSI
    mov rec_cs(%rip), %rax
    SHOW "cs after"
    USER "int 0x21", "int $0x21"
    USER "int3", "int3"
    ret

gate_target:
    mov %ss, %ebx
    mov $int_stack_top, %esi
    sub %rsp, %rsi
    lretq

stacks:
    TRY "stack of an exception from ring 3", stack_hook
    RING3
    ud2
    ENDTRY
    mov stack_seen(%rip), %rax
    SHOW "ss"
    mov stack_seen + 8(%rip), %rax
    mov $int_stack_top, %ecx
    sub %rcx, %rax
    neg %rax
    SHOW "below RSP0"
    TRY "frame from ring 0 is aligned", stack_hook
    and $~15, %rsp
    sub $5, %rsp
    mov %rsp, %rbx
    ud2
    ENDTRY
    mov stack_seen(%rip), %rax
    SHOW "ss"
    mov stack_seen + 8(%rip), %rax
    and $15, %eax
    SHOW "alignment"
    SHOW_REC "saved ss", F64_SS
    mov rec_sp(%rip), %rcx
    mov F64_RBX(%rcx), %rax
    sub F64_RSP(%rcx), %rax
    SHOW "saved rsp is off by"
    movb $1, idt64 + 6 * 16 + 4(%rip)
    TRY "IST 1", stack_hook
    ud2
    ENDTRY
    mov stack_seen + 8(%rip), %rax
    mov $ist1_top, %ecx
    sub %rcx, %rax
    neg %rax
    SHOW "below IST1"
    movb $0, idt64 + 6 * 16 + 4(%rip)
    movb $2, idt64 + 8 * 16 + 4(%rip)
    TRY "ud with a non-canonical stack"
    NONCANONICAL rsp
    MARK
    ud2
    ENDTRY
    TRY "ud with an unmapped stack"
    mov $1, %esp
    shl $40, %rsp
    MARK
    ud2
    ENDTRY
    movb $0x0e, idt64 + 14 * 16 + 5(%rip)       /* #PF not present */
    TRY "pf with an absent gate"
    mov $1, %eax
    shl $40, %rax
    MARK
    mov (%rax), %eax
    ENDTRY
    movb $0x8e, idt64 + 14 * 16 + 5(%rip)
    movb $0x0e, idt64 + 6 * 16 + 5(%rip)
    TRY "ud with an absent gate"
    ud2
    ENDTRY
    movb $0x8e, idt64 + 6 * 16 + 5(%rip)
    ret

stack_hook:
    mov %ss, %eax
    mov %rax, stack_seen(%rip)
    lea F64_VECTOR + 56(%rbp), %rax
    mov %rax, stack_seen + 8(%rip)
    mov $1, %eax
    ret

.macro LOAD name, reg, selector
    TRY "mov \reg \name"
    mov $\selector, %eax
    MARK
    mov %eax, %\reg
    ENDTRY
.endm

.macro IRET_TO name, cs, ss, flags=2
    TRY "iretq \name"
    push $\ss
    lea user_stack_top(%rip), %rax
    push %rax
    push $\flags
    push $\cs
    lea 2f(%rip), %rax
    push %rax
    MARK
    iretq
2:  DONE
    ENDTRY
.endm

transfers:
    LOAD "null", ss, 0
    LOAD "null rpl 3", ss, 3
    LOAD "null", ds, 0
    LOAD "null", gs, 3
    LOAD "beyond", es, 0x200
    LOAD "not present", es, S_NP
    LOAD "not present", ss, S_NP
    LOAD "code64", ds, SEL_CODE64
    IRET_TO "to ring 0, ss null", SEL_CODE64, 0
    IRET_TO "to ring 3, ss null", SEL_USER64, 0
    IRET_TO "to ring 3, ss null rpl 3", SEL_USER64, 3
    IRET_TO "to ring 3", SEL_USER64, SEL_USER_DATA
    IRET_TO "to compatibility, ring 3", SEL_USER32, SEL_USER_DATA
    IRET_TO "to compatibility, ss null", SEL_USER32, 3
    IRET_TO "to L and D", S_LD, SEL_DATA
    IRET_TO "to null", 0, SEL_DATA
    IRET_TO "to data", SEL_DATA, SEL_DATA
    IRET_TO "to not present", S_CODE_NP, SEL_DATA
    IRET_TO "vm is ignored", SEL_CODE64, SEL_DATA, 0x20002
    TRY "iretq with NT"
    pushf
    orl $0x4000, (%rsp)
    popf
    MARK
    iretq
    ENDTRY
    TRY "ljmp to L and D"
    ljmp *far_ld(%rip)
    ENDTRY
    TRY "ljmp to the TSS"
    ljmp *far_tss(%rip)
    ENDTRY
    TRY "ljmp to not present"
    ljmp *far_np(%rip)
    ENDTRY
    TRY "ljmp to null"
    ljmp *far_null(%rip)
    ENDTRY
    TRY "ljmp to conforming, and back"
    ljmp *far_conf(%rip)
conf_target:
    DONE
    ENDTRY
    TRY "ltr of a busy tss"
    mov $SEL_TSS, %eax
    ltr %ax
    ENDTRY
    TRY "lldt null"
    xor %eax, %eax
    lldt %ax
    ENDTRY
    /* Compatibility mode of ring 0. */
    TRY "compatibility: one byte inc, 32 bits"
    mov $-1, %rax
    ljmp *far_compatibility(%rip)
    CODE32
compatibility:
    mov $0xffffffff, %eax
    inc %eax
    .byte 0x41                  /* inc ecx, not REX */
    nop
    push %es
    pop %es
    DONE
    CODE64
    ENDTRY
    TRY "compatibility: syscall of user code"
    RING3
    lea 1f(%rip), %rax
    push $SEL_USER32
    push %rax
    lretq
    CODE32
1:  MARK
    ud2
    CODE64
    ENDTRY
    TRY "compatibility: rdfsbase"
    ljmp *far_compatibility2(%rip)
    CODE32
compatibility2:
    MARK
    .byte 0xf3, 0x0f, 0xae, 0xc0
    CODE64
    ENDTRY
    TRY "compatibility: iret of 32 bits to 64-bit code"
    ljmp *far_compatibility3(%rip)
    CODE32
compatibility3:
    pushl $2
    pushl $SEL_CODE64
    pushl $1f
    iretl
    CODE64
1:  lea 1f(%rip), %rax
1:  DONE
    ENDTRY
    ret

syscalls:
    mov $0xc0000081, %ecx           /* STAR */
    xor %eax, %eax
    mov $SEL_CODE64 | SEL_USER32 << 16, %edx
    wrmsr
    inc %ecx                        /* LSTAR */
    mov $syscall_target, %eax
    xor %edx, %edx
    wrmsr
    inc %ecx                        /* CSTAR */
    mov $cstar_target, %eax
    wrmsr
    inc %ecx                        /* FMASK */
    mov $0x200 | 1, %eax
    wrmsr
    TRY "syscall"
    RING3 0x3202
    stc
    syscall
1:  ud2
syscall_target:
    pushf
    pop %rax
    lea 1b(%rip), %rdx
    sub %rdx, %rcx
    mov %cs, %ebx
    mov %ss, %esi
    mov %rsp, %rdi
    DONE
    ENDTRY
    SHOW_REC "rcx is off by", F64_RCX
    SHOW_REC "cs", F64_RBX
    SHOW_REC "ss", F64_RSI
    SHOW_REC "flags", F64_RAX
    mov rec_sp(%rip), %rax
    mov F64_RDI(%rax), %rax
    mov $user_stack_top, %ecx
    sub %rcx, %rax
    SHOW "rsp is off by"
    TRY "syscall, r11"
    RING3 0x2
    movl $r11_target, %eax
    lea 1f(%rip), %rcx
    std
    stc
    mov $0xc0000082, %ecx
    syscall
1:
    ENDTRY
    TRY "sysretq"
    lea 1f(%rip), %rcx
    mov $0x257cd7, %r11d            /* RF is dropped */
    mov $user_stack_top, %esp
    sysretq
1:  pushf
    pop %rax
    mov %ss, %ebx
    cld
    push $2
    popf
    DONE
    ENDTRY
    SHOW_REC "flags", F64_RAX
    SHOW_REC "ss", F64_RBX
    mov rec_cs(%rip), %rax
    SHOW "cs"
    TRY "sysretl, and syscall of compatibility mode"
    lea 1f(%rip), %rcx
    mov $2, %r11d
    mov $user_stack_top, %esp
    sysretl
    CODE32
1:  mov %cs, %ebx
    syscall
    CODE64
1:  ud2
cstar_target:
    lea 1b(%rip), %rdx
    sub %rdx, %rcx
    DONE
    ENDTRY
    SHOW_REC "cs was", F64_RBX
    SHOW_REC "rcx is off by", F64_RCX
    USER "sysretq", sysretq
    mov $MSR_EFER, %ecx
    rdmsr
    and $~1, %eax
    wrmsr
    TRY "syscall without SCE"
    syscall
    ENDTRY
    TRY "sysret without SCE"
    sysretq
    ENDTRY
    mov $MSR_EFER, %ecx
    rdmsr
    or $1, %eax
    wrmsr
    ret
r11_target:
    ud2

bases:
    TRY "fs base of a descriptor"
    mov $S_BASE, %eax
    mov %eax, %fs
    mov $0xc0000100, %ecx
    rdmsr
    shl $32, %rdx
    or %rdx, %rax
    ENDTRY
    SHOW "fs base"
    TRY "rdfsbase without FSGSBASE"
    rdfsbase %rax
    ENDTRY
    mov %cr4, %rax
    or $0x10000, %eax
    mov %rax, %cr4
    TRY "wrfsbase, rdfsbase"
    mov $scratch, %eax
    bts $40, %rax
    wrfsbase %rax
    xor %eax, %eax
    rdfsbase %rax
    shr $32, %rax
    ENDTRY
    SHOW "upper half"
    TRY "32-bit forms"
    mov $-1, %rax
    wrgsbase %eax
    rdgsbase %rax
    ENDTRY
    SHOW "gs base"
    TRY "wrfsbase, non-canonical"
    NONCANONICAL
    MARK
    wrfsbase %rax
    ENDTRY
    USER "wrfsbase and access", "lea scratch(%rip), %rax; wrfsbase %rax", "mov %fs:8, %rax"
    TRY "es, ds, cs, ss bases are 0"
    mov $S_BASE, %eax
    mov %eax, %es
    mov %eax, %ds
    mov $scratch, %eax
    mov %es:(%rax), %ecx
    mov %ds:(%rax), %ecx
    ENDTRY
    mov $SEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    TRY "swapgs"
    mov $0xc0000102, %ecx
    mov $0x1234, %eax
    xor %edx, %edx
    wrmsr
    mov $0x5678, %eax
    wrgsbase %rax
    swapgs
    rdgsbase %rax
    ENDTRY
    SHOW "gs"
    mov $0xc0000102, %ecx
    rdmsr
    SHOW "kernel gs"
    USER "swapgs", swapgs
    TRY "address size prefix cuts after the base is added?"
    mov $scratch, %eax
    sub $0x10, %eax
    wrgsbase %rax
    mov $0x1234, %eax
    mov %eax, scratch(%rip)
    mov $0x10, %edi
    mov $1, %ecx
    shl $40, %rcx
    or %rcx, %rdi
    mov %gs:(%edi), %eax
    ENDTRY
    SHOW "read"
    TRY "rdtscp and rdpid"
    mov $0xc0000103, %ecx
    mov $0x77, %eax
    xor %edx, %edx
    wrmsr
    rdtscp
    mov %ecx, %ebx
    MARK
    rdpid %rax
    ENDTRY
    SHOW "rdpid"
    mov %ebx, %eax
    SHOW "rdtscp"
    mov %cr4, %rax
    or $4, %eax
    mov %rax, %cr4
    USER "rdtsc with TSD", rdtsc
    USER "rdtscp with TSD", rdtscp
    TRY "rdtsc of ring 0 with TSD"
    rdtsc
    ENDTRY
    mov %cr4, %rax
    and $~4, %eax
    or $0x800, %eax
    mov %rax, %cr4
    USER "sgdt with UMIP", "sgdt scratch(%rip)"
    USER "sidt with UMIP", "sidt scratch(%rip)"
    USER "sldt with UMIP", "sldt %eax"
    USER "str with UMIP", "str %eax"
    USER "smsw with UMIP", "smsw %eax"
    TRY "sgdt of ring 0 with UMIP"
    sgdt scratch(%rip)
    ENDTRY
    mov %cr4, %rax
    and $~0x800, %eax
    mov %rax, %cr4
    USER "sgdt", "sgdt scratch(%rip)"
    USER "str", "str %eax"
    ret

msrs:
    TRY "rdmsr of nothing"
    mov $0x12345, %ecx
    MARK
    rdmsr
    ENDTRY
    WRITE_MSR "of nothing", 0x12345, 0
    WRITE_MSR "lstar, non-canonical", 0xc0000082, 0, 0x8000
    WRITE_MSR "fs base, non-canonical", 0xc0000100, 0, 0x8000
    WRITE_MSR "kernel gs base, non-canonical", 0xc0000102, 0, 0x8000
    WRITE_MSR "sysenter eip, non-canonical", 0x176, 0, 0x8000
    WRITE_MSR "pat, type 2", 0x277, 0x02, 0
    WRITE_MSR "pat", 0x277, 0x00070406, 0x00070406
    WRITE_MSR "apic base, reserved bit", 0x1b, 0xfee00801, 0
    WRITE_MSR "mtrrcap", 0xfe, 0, 0
    WRITE_MSR "efer, reserved bit", 0xc0000080, 0x80000d01, 0
    USER "rdmsr of nothing", "mov $0x12345, %ecx", rdmsr
    TRY "tsc goes on from a write"
    mov $0x10, %ecx
    xor %eax, %eax
    mov $0x1000, %edx
    wrmsr
    rdtsc
    mov %edx, %eax
    ENDTRY
    SHOW "tsc, upper half"
    ret

cpuid_bits:
    xor %eax, %eax
    cpuid
    cmp $0xd, %eax
    setae %al
    movzx %al, %eax
    SHOW "leaf 0dh"
    mov %ebx, %eax
    SHOW "vendor"
    mov $0x80000000, %eax
    cpuid
    cmp $0x80000008, %eax
    setae %al
    movzx %al, %eax
    SHOW "leaf 80000008h"
    mov %ebx, %eax
    SHOW "vendor again"
    mov $1, %eax
    cpuid
    mov %edx, %eax
    and $0x0780a979, %eax       /* FPU PSE TSC MSR PAE CX8 SEP PGE CMOV MMX FXSR SSE SSE2 */
    SHOW "1.edx"
    mov %ecx, %eax
    and $0x08000000, %eax
    SHOW "OSXSAVE"
    mov $0x80000001, %eax
    cpuid
    mov %edx, %eax
    and $0x20100800, %eax       /* LM NX SYSCALL */
    SHOW "80000001.edx"
    mov $0x80000008, %eax
    xor %ecx, %ecx
    cpuid
    and $0xff00, %eax
    SHOW "linear bits"
    TRY "user cpuid"
    RING3
    mov $-1, %rax
    mov $7, %eax
    mov $-1, %rcx
    xor %ecx, %ecx
    cpuid
    shr $32, %rax
    shr $32, %rcx
    DONE
    ENDTRY
    SHOW_REC "upper halves are cleared", F64_RAX
    ret

/* Which of the 16 system types an instruction accepts: a bit each. */
.macro TYPES insn
    xor %ebx, %ebx
    mov $15, %edx
1:  lea 0x80(%rdx), %eax            /* present, DPL 0 */
    movb %al, gdt + S_FREE + 5(%rip)
    add %ebx, %ebx
    mov $S_FREE, %ecx
    \insn %ecx, %eax
    jnz 2f
    inc %ebx
2:  dec %edx
    jns 1b
    mov %ebx, %eax
    SHOW "\insn, system types"
.endm

/* ZF for a selector, from level 3. */
.macro USER_ZF insn, selector
    TRY "user \insn \selector"
    RING3
    mov $\selector, %ecx
    \insn
    setz %al
    movzx %al, %eax
    DONE
    ENDTRY
    SHOW_REC "zf", F64_RAX
.endm

rights:
    movq $0xffff, gdt + S_FREE(%rip)
    movq $0, gdt + S_FREE + 8(%rip)
    TYPES lar
    TYPES lsl
    USER_ZF "lar %ecx, %eax", SEL_DATA
    USER_ZF "lar %ecx, %eax", SEL_USER_DATA
    USER_ZF "lsl %ecx, %eax", SEL_CODE64
    USER_ZF "lsl %ecx, %eax", S_CONF
    USER_ZF "lar %ecx, %eax", SEL_TSS
    USER_ZF "verr %cx", S_CONF
    USER_ZF "verr %cx", SEL_CODE64
    USER_ZF "verw %cx", SEL_USER_DATA
    USER_ZF "verw %cx", SEL_USER64
    TRY "lsl with pages"
    mov $SEL_USER64, %ecx
    mov $-1, %rax
    .byte 0x48, 0x0f, 0x03, 0xc1    /* lsl rax, ecx */
    ENDTRY
    SHOW "limit"
    ret

    .data
    .align 16
scratch: .quad 0, 0, 0, 0
far_gate: .long 0, S_GATE
far_gate_bad: .long 0, S_GATE_BAD
far_ld: .long main, S_LD
far_tss: .long 0, SEL_TSS
far_np: .long 0, S_CODE_NP
far_null: .long 0, 0
far_conf: .long conf_target, S_CONF
far_compatibility: .long compatibility, SEL_CODE32
far_compatibility2: .long compatibility2, SEL_CODE32
far_compatibility3: .long compatibility3, SEL_CODE32
stack_seen: .quad 0, 0
