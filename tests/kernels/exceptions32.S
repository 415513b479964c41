/* Exceptions of 32-bit protected mode without paging: vector, error code, saved EIP; who may load which selector how. */
#include "tests/kernels/lib.inc"

    .set S_CODE_CONF, SEL_FREE          /* conforming, DPL 0 */
    .set S_CODE_XO, SEL_FREE + 0x08     /* execute only */
    .set S_RO, SEL_FREE + 0x10          /* data, read only */
    .set S_NP, SEL_FREE + 0x18          /* data, not present */
    .set S_CODE_NP, SEL_FREE + 0x20
    .set S_SMALL, SEL_FREE + 0x28       /* data, limit FFFh */
    .set S_DOWN, SEL_FREE + 0x30        /* expand-down, 32-bit, limit FFFh */
    .set S_DOWN16, SEL_FREE + 0x38      /* expand-down, 16-bit */
    .set S_USER_CODE_0, SEL_USER32 - 3
    .set S_LDT, SEL_FREE + 0x40
    .set S_DPL3, SEL_USER_DATA - 3
    .set S_GATE0, SEL_FREE + 0x48       /* call gates: DPL 0 and 3, to CPL 0, with 2 parameters */
    .set S_GATE3, SEL_FREE + 0x50
    .set S_GATE3_2, SEL_FREE + 0x58
    .set S_GATE_NP, SEL_FREE + 0x60
    .set S_GATE_NULL, SEL_FREE + 0x68
    .set S_GATE_DATA, SEL_FREE + 0x70
    .set S_GATE16, SEL_FREE + 0x78
    .set S_GATE_CONF, SEL_FREE + 0x80
    .set S_CONF3, SEL_FREE + 0x88       /* conforming, DPL 3 */
    .set S_SMALL_CODE, SEL_FREE + 0x90  /* code, limit FFFh */
    .set S_INTGATE, SEL_FREE + 0x98     /* an interrupt gate in the GDT: no use to anybody */
    .set S_LDT_NP, SEL_FREE + 0xa0
    .set S_NP3, SEL_FREE + 0xa8
    .set S_SMALL3, SEL_FREE + 0xb0
    .set S_BEYOND, 0x200

.macro LOAD name, reg, selector
    TRY "mov \reg \name"
    mov $\selector, %eax
    MARK
    mov %eax, %\reg
    ENDTRY
.endm

.macro SEGMENTS reg
    LOAD "null", \reg, 0
    LOAD "null rpl 3", \reg, 3
    LOAD "data", \reg, SEL_DATA
    LOAD "data rpl 3", \reg, SEL_DATA + 3
    LOAD "data dpl 3", \reg, S_DPL3
    LOAD "data dpl 3 rpl 3", \reg, S_DPL3 + 3
    LOAD "code", \reg, SEL_CODE32
    LOAD "conforming code rpl 3", \reg, S_CODE_CONF + 3
    LOAD "execute only", \reg, S_CODE_XO
    LOAD "read only", \reg, S_RO
    LOAD "not present", \reg, S_NP
    LOAD "tss", \reg, SEL_TSS
    LOAD "beyond limit", \reg, S_BEYOND
    LOAD "last byte beyond limit", \reg, 0x1000
    LOAD "of the ldt", \reg, 0x0c
.endm

main:
    DESC S_CODE_CONF, 0, 0xfffff, 0x9f, 0xc0
    DESC S_CODE_XO, 0, 0xfffff, 0x99, 0xc0
    DESC S_RO, 0, 0xfffff, 0x91, 0xc0
    DESC S_NP, 0, 0xfffff, 0x13, 0xc0
    DESC S_NP3, 0, 0xfffff, 0x73, 0xc0
    DESC S_SMALL3, 0, 0xfff, 0xf3
    DESC S_CODE_NP, 0, 0xfffff, 0x1b, 0xc0
    DESC S_SMALL, 0, 0xfff, 0x93
    DESC S_DOWN, 0, 0xfff, 0x97
    DESC S_DOWN16, 0, 0xfff, 0x97, 0
    DESC S_LDT, ldt, 15, 0x82, 0
    DESC S_LDT_NP, ldt, 15, 0x02, 0
    DESC S_CONF3, 0, 0xfffff, 0xff, 0xc0
    DESC S_SMALL_CODE, 0, 0xfff, 0x9b
    GATE S_GATE0, SEL_CODE32, gate_target, 0x8c
    GATE S_GATE3, SEL_CODE32, gate_target, 0xec
    GATE S_GATE3_2, SEL_CODE32, gate_target_2, 0xec, 2
    GATE S_GATE_NP, SEL_CODE32, gate_target, 0x6c
    GATE S_GATE_NULL, 0, gate_target, 0xec
    GATE S_GATE_DATA, SEL_DATA, gate_target, 0xec
    GATE S_GATE16, SEL_CODE32, gate_target, 0xe4
    GATE S_GATE_CONF, S_CODE_CONF, gate_target_conf, 0xec
    GATE S_INTGATE, SEL_CODE32, gate_target, 0xee

    call instructions
    SEGMENTS ds
    SEGMENTS ss
    call limits
    call far_transfers
    call far_returns
    call user
    call gates
    call int_gates
    call checks
    call double_fault
    ret

instructions:
    TRY "div by 0"
    xor %ecx, %ecx
    div %ecx
    ENDTRY
    TRY "idiv overflow"
    mov $0x80000000, %eax
    cltd
    mov $-1, %ecx
    idiv %ecx
    ENDTRY
    TRY "aam 0"
    mov $100, %eax
    aam $0
    ENDTRY
    TRY "int3"
    int3
    ENDTRY
    TRY "int 3, two bytes"
    .byte 0xcd, 3
    ENDTRY
    TRY "into without overflow"
    xor %eax, %eax
    into
    ENDTRY
    TRY "into"
    mov $0x7fffffff, %eax
    inc %eax
    into
    ENDTRY
    TRY "int1"
    .byte 0xf1
    ENDTRY
    TRY "bound inside"
    mov $5, %eax
    bound %eax, bounds
    ENDTRY
    TRY "bound above"
    mov $11, %eax
    bound %eax, bounds
    ENDTRY
    TRY "bound below, signed"
    mov $-6, %eax
    bound %eax, bounds
    ENDTRY
    TRY "ud2"
    ud2
    ENDTRY
    TRY "ud1"
    ud1 %eax, %eax
    ENDTRY
    TRY "lock without memory"
    .byte 0xf0, 0x01, 0xc0      /* lock add %eax, %eax */
    ENDTRY
    TRY "lock cmp"
    .byte 0xf0, 0x39, 0x05
    .long bounds
    ENDTRY
    TRY "lock nop"
    .byte 0xf0, 0x90
    ENDTRY
    TRY "mov to cs"
    .byte 0x8e, 0xc8
    ENDTRY
    TRY "mov from segment 6"
    .byte 0x8c, 0xf0
    ENDTRY
    TRY "les with register"
    .byte 0xc4, 0xc0
    ENDTRY
    TRY "lea with register"
    .byte 0x8d, 0xc0
    ENDTRY
    TRY "15 bytes"
    .fill 14, 1, 0x3e
    .byte 0x90
    ENDTRY
    TRY "16 bytes"
    .fill 15, 1, 0x3e
    .byte 0x90
    ENDTRY
    TRY "mov cr1"
    .byte 0x0f, 0x20, 0xc8
    ENDTRY
    TRY "mov cr5"
    .byte 0x0f, 0x22, 0xe8
    ENDTRY
    TRY "sldt, 32-bit register"
    mov $-1, %eax
    sldt %eax
    ENDTRY
    SHOW "sldt eax"
    TRY "lldt null"
    xor %eax, %eax
    lldt %ax
    ENDTRY
    TRY "lldt of a tss"
    mov $SEL_TSS, %eax
    lldt %ax
    ENDTRY
    TRY "lldt not present"
    mov $S_LDT_NP, %eax
    lldt %ax
    ENDTRY
    TRY "lldt from the ldt"
    mov $0x0c, %eax
    lldt %ax
    ENDTRY
    TRY "ltr of the busy tss"
    mov $SEL_TSS, %eax
    ltr %ax
    ENDTRY
    TRY "ltr null"
    xor %eax, %eax
    ltr %ax
    ENDTRY
    andb $~2, gdt + SEL_TSS + 5     /* not busy: back to the usual task, whatever became of that */
    mov $SEL_TSS, %eax
    ltr %ax
    TRY "ltr of data"
    mov $SEL_DATA, %eax
    ltr %ax
    ENDTRY
    TRY "lldt"
    mov $S_LDT, %eax
    lldt %ax
    mov $0x0c, %eax
    mov %eax, %fs
    mov %fs:bounds, %eax
    ENDTRY
    SHOW "through the ldt"
    LOAD "beyond the ldt", es, 0x14
    LOAD "ldt not present segment", es, 0x04
    TRY "fpu with EM"
    mov %cr0, %eax
    or $4, %eax
    mov %eax, %cr0
    MARK
    fninit
    ENDTRY
    TRY "sse with EM"
    MARK
    xorps %xmm0, %xmm0
    ENDTRY
    mov %cr0, %eax
    and $~4, %eax
    or $CR0_TS, %eax
    mov %eax, %cr0
    TRY "fpu with TS"
    fninit
    ENDTRY
    TRY "wait with TS without MP"
    fwait
    ENDTRY
    mov %cr0, %eax
    or $2, %eax
    mov %eax, %cr0
    TRY "wait with TS and MP"
    fwait
    ENDTRY
    TRY "sse without OSFXSR"
    xorps %xmm0, %xmm0
    ENDTRY
    mov %cr4, %eax
    or $0x200, %eax
    mov %eax, %cr4
    TRY "sse with TS"
    xorps %xmm0, %xmm0
    ENDTRY
    TRY "mmx with TS"
    movq %mm0, %mm1
    ENDTRY
    TRY "clts"
    clts
    fninit
    ENDTRY
    mov %cr0, %eax
    or $0x20, %eax              /* NE */
    mov %eax, %cr0
    TRY "x87 divide by 0, unmasked"
    fldcw cw_unmasked
    fld1
    fdivs zero
    MARK
    fld1
    ENDTRY
    TRY "x87 divide by 0, unmasked, seen by fwait"
    fninit
    fldcw cw_unmasked
    fld1
    fdivs zero
    MARK
    fwait
    ENDTRY
    TRY "fnstsw ignores a pending exception"
    fnstsw %ax
    and $4, %eax
    ENDTRY
    SHOW "ZE"
    TRY "fnclex"
    fnclex
    fninit
    fld1
    fninit
    ENDTRY
    TRY "sse divide by 0, unmasked without OSXMMEXCPT"
    ldmxcsr mxcsr_unmasked
    movss one, %xmm0
    xorps %xmm1, %xmm1
    MARK
    divss %xmm1, %xmm0
    ENDTRY
    mov %cr4, %eax
    or $0x400, %eax
    mov %eax, %cr4
    TRY "sse divide by 0, unmasked"
    divss %xmm1, %xmm0
    ENDTRY
    stmxcsr mxcsr
    mov mxcsr, %eax
    and $0x3f, %eax
    SHOW "mxcsr flags"
    ldmxcsr mxcsr_default
    TRY "ldmxcsr with a reserved bit"
    ldmxcsr mxcsr_bad
    ENDTRY
    ldmxcsr mxcsr_default
    TRY "movaps unaligned"
    movaps bounds + 4, %xmm0
    ENDTRY
    TRY "alignment check needs cpl 3"
    mov %cr0, %eax
    or $0x40000, %eax
    mov %eax, %cr0
    pushf
    orl $0x40000, (%esp)
    popf
    mov bounds + 1, %eax
    ENDTRY
    TRY "alignment check"
    RING3 0x40002
    mov bounds + 1, %eax
    DONE
    ENDTRY
    TRY "alignment check, 2 bytes"
    RING3 0x40002
    mov bounds + 2, %ax
    mov bounds + 1, %ax
    DONE
    ENDTRY
    TRY "alignment check, stack"
    RING3 0x40002
    dec %esp
    push %eax
    DONE
    ENDTRY
    mov %cr0, %eax
    and $~0x40000, %eax
    mov %eax, %cr0
    ret

limits:
    TRY "limit, last byte"
    mov $S_SMALL, %eax
    mov %eax, %fs
    mov %fs:0xfff, %al
    mov %fs:0xffc, %eax
    ENDTRY
    TRY "limit, 1 over"
    mov $S_SMALL, %eax
    mov %eax, %fs
    MARK
    mov %fs:0xffd, %eax
    ENDTRY
    TRY "limit, write 1 over"
    mov $S_SMALL, %eax
    mov %eax, %fs
    movl $0x5a5a5a5a, 0xffc
    MARK
    movl $0, %fs:0xffe
    ENDTRY
    mov 0xffc, %eax
    SHOW "nothing written"
    TRY "limit, wrapped"
    mov $S_SMALL, %eax
    mov %eax, %fs
    MARK
    mov %fs:-1, %eax
    ENDTRY
    TRY "expand-down, above the limit"
    mov $S_DOWN, %eax
    mov %eax, %fs
    mov %fs:0x1000, %eax
    ENDTRY
    TRY "expand-down, at the limit"
    mov $S_DOWN, %eax
    mov %eax, %fs
    MARK
    mov %fs:0xfff, %al
    ENDTRY
    TRY "expand-down 16, top"
    mov $S_DOWN16, %eax
    mov %eax, %fs
    mov %fs:0xfffc, %eax
    MARK
    mov %fs:0xfffd, %eax
    ENDTRY
    TRY "write to read only"
    mov $S_RO, %eax
    mov %eax, %fs
    mov %fs:0x1000, %eax
    MARK
    mov %eax, %fs:0x1000
    ENDTRY
    TRY "write to code"
    MARK
    mov %eax, %cs:0x1000
    ENDTRY
    TRY "read through null"
    xor %eax, %eax
    mov %eax, %fs
    MARK
    mov %fs:0, %eax
    ENDTRY
    TRY "read from execute only"
    ljmp $S_CODE_XO, $1f
1:  MARK
    mov %cs:0x1000, %eax
    ENDTRY
    ljmp $SEL_CODE32, $1f
1:
    TRY "stack limit, push"
    RING3
    mov $S_SMALL3 + 3, %eax
    mov %eax, %ss
    mov $0x1002, %esp
    MARK ds
    push %eax
    DONE
    ENDTRY
    TRY "stack limit, pop by bp"
    mov $S_SMALL, %eax
    mov %eax, %ss
    mov $0xffe, %ebp
    mov $0x800, %esp
    MARK ds
    mov (%ebp), %eax
    ENDTRY
    TRY "stack limit, call"
    RING3
    mov $S_SMALL3 + 3, %eax
    mov %eax, %ss
    mov $2, %esp
    MARK ds
    call 1f
1:  DONE
    ENDTRY
    TRY "stack limit, enter"
    mov $S_SMALL, %eax
    mov %eax, %ss
    mov $0x800, %esp
    MARK ds
    enter $0x900, $0
    ENDTRY
    TRY "jmp beyond the code limit"
    ljmp $S_SMALL_CODE, $0x1000
    ENDTRY
    TRY "xlat beyond the limit"
    mov $S_SMALL, %eax
    mov %eax, %fs
    mov $0xff0, %ebx
    mov $0x10, %eax
    MARK
    xlat %fs:(%ebx)
    ENDTRY
    TRY "rep movs to the limit"
    mov $S_SMALL, %eax
    mov %eax, %es
    mov $0x2000, %esi
    mov $0xff8, %edi
    mov $4, %ecx
    MARK
    rep movsl
    QUIET_ENDTRY
    call try_report32
    mov rec_sp, %eax
    mov F_ECX(%eax), %eax
    SHOW "ecx"
    ret

.macro FAR name, selector
    TRY "ljmp \name"
    ljmp $\selector, $772f
    ENDTRY
    ljmp $SEL_CODE32, $1f
1:
.endm

far_transfers:
    FAR "null", 0
    FAR "code", SEL_CODE32
    FAR "code rpl 3", SEL_CODE32 + 3
    FAR "conforming", S_CODE_CONF
    FAR "conforming rpl 3", S_CODE_CONF + 3
    FAR "conforming dpl 3", S_CONF3
    FAR "data", SEL_DATA
    FAR "code dpl 3", S_USER_CODE_0
    FAR "not present", S_CODE_NP
    FAR "beyond", S_BEYOND
    FAR "ldt segment", S_LDT
    FAR "interrupt gate", S_INTGATE
    FAR "gate not present", S_GATE_NP
    FAR "gate to null", S_GATE_NULL
    FAR "gate to data", S_GATE_DATA
    TRY "lcall beyond the code limit"
    lcall $S_SMALL_CODE, $0x2000
    ENDTRY
    TRY "lcall and lret"
    lcall $SEL_CODE32, $2f
    jmp 3f
2:  lret
3:  ENDTRY
    TRY "lret 8"
    mov %esp, %ebx
    push $1
    push $2
    push $SEL_CODE32
    push $2f
    lret $8
2:  sub %esp, %ebx
    ENDTRY
    mov %ebx, %eax
    SHOW "stack difference"
    TRY "mov ss from memory, bad selector changes nothing"
    pushl $S_NP
    MARK
    pop %ss
    ENDTRY
    ret

.macro FAR_RETURN name, selector, stack=SEL_USER_DATA
    TRY "lret \name"
    push $\stack
    push $user_stack_top
    push $\selector
    push $772f
    MARK
    lret
    ENDTRY
    TRY "iret \name"
    push $\stack
    push $user_stack_top
    push $2
    push $\selector
    push $2f
    MARK
    iret
2:  DONE
    ENDTRY
.endm

far_returns:
    FAR_RETURN "null", 0
    FAR_RETURN "code rpl 1 of dpl 0", SEL_CODE32 + 1
    FAR_RETURN "data", SEL_DATA
    FAR_RETURN "not present", S_CODE_NP
    FAR_RETURN "beyond", S_BEYOND
    FAR_RETURN "dpl 3 rpl 0", S_USER_CODE_0
    FAR_RETURN "ring 3, ss null", SEL_USER32, 0
    FAR_RETURN "ring 3, ss rpl 0", SEL_USER32, S_DPL3
    FAR_RETURN "ring 3, ss dpl 0", SEL_USER32, SEL_DATA+3
    FAR_RETURN "ring 3, ss not present", SEL_USER32, S_NP+3
    FAR_RETURN "ring 3, ss dpl 3 not present", SEL_USER32, S_NP3+3
    FAR_RETURN "ring 3, ss code", SEL_USER32, SEL_USER32
    TRY "lret to ring 3"
    push $SEL_USER_DATA
    push $user_stack_top
    push $SEL_USER32
    push $2f
    MARK
    lret
2:  DONE
    ENDTRY
    mov rec_cs, %eax
    SHOW "cs"
    TRY "iret to ring 3 nulls ds, es of ring 0"
    mov $S_CODE_CONF, %eax
    mov %eax, %gs
    mov $SEL_DATA, %eax
    mov %eax, %fs
    push $SEL_USER_DATA
    push $user_stack_top
    push $2
    push $SEL_USER32
    push $2f
    iret
2:  mov %ds, %eax
    mov %fs, %ebx
    mov %gs, %ecx
    DONE
    ENDTRY
    mov rec_sp, %edx
    mov F_EAX(%edx), %eax
    SHOW "ds"
    mov F_REGS + 16(%edx), %eax
    SHOW "fs"
    mov F_ECX(%edx), %eax
    SHOW "gs"
    TRY "iret with NT and no back link"
    pushf
    orl $0x4000, (%esp)
    popf
    MARK
    iret
    ENDTRY
    TRY "iret, stack limit"
    mov $S_SMALL, %eax
    mov %eax, %ss
    mov $0xff8, %esp
    MARK ds
    iret
    ENDTRY
    TRY "iret16"
    pushw $2
    pushw $SEL_CODE16
    pushw $LOW(low_int)
    MARK
    iretw
    ENDTRY
    ret

.macro USER name, a, b, c
    TRY "user \name"
    RING3
    \a
    .ifnb \b
    \b
    .endif
    .ifnb \c
    \c
    .endif
    DONE
    ENDTRY
.endm

user:
    USER "cli", cli
    USER "sti", sti
    USER "hlt", hlt
    USER "in", "in $0x60, %al"
    USER "out dx", "xor %edx, %edx", "out %al, %dx"
    USER "insb", "insb"
    USER "lgdt", "lgdt gdt_pointer"
    USER "lidt", "lidt idt_pointer32"
    USER "sgdt", "sgdt scratch"
    USER "lldt", "lldt %ax"
    USER "ltr", "ltr %ax"
    USER "clts", "clts"
    USER "invd", "invd"
    USER "wbinvd", "wbinvd"
    USER "lmsw", "lmsw %ax"
    USER "smsw", "smsw %ax"
    USER "mov cr0", "mov %cr0, %eax"
    USER "mov to cr3", "mov %eax, %cr3"
    USER "mov dr7", "mov %dr7, %eax"
    USER "mov to dr0", "mov %eax, %dr0"
    USER "rdmsr", "mov $0x1b, %ecx", rdmsr
    USER "wrmsr", "mov $0x1b, %ecx", wrmsr
    USER "rdpmc", "xor %ecx, %ecx", rdpmc
    USER "invlpg", "invlpg scratch"
    USER "rdtsc", rdtsc
    USER "cpuid", "xor %eax, %eax", cpuid
    USER "int 0x21", "int $0x21"
    USER "int 14", "int $14"
    USER "int 255", "int $255"
    USER "int3", int3
    USER "int1", ".byte 0xf1"
    USER "popf leaves IF and IOPL", "push $0x3202", popf
    USER "ds of ring 0", "mov $SEL_DATA, %eax", "mov %eax, %ds"
    USER "ds of ring 0 rpl 3", "mov $SEL_DATA + 3, %eax", "mov %eax, %ds"
    USER "ds conforming", "mov $S_CODE_CONF + 3, %eax", "mov %eax, %ds"
    USER "ss null", "xor %eax, %eax", "mov %eax, %ss"
    USER "ss null rpl 3", "mov $3, %eax", "mov %eax, %ss"
    USER "ss rpl 0", "mov $S_DPL3, %eax", "mov %eax, %ss"
    USER "ljmp ring 0", "ljmp $SEL_CODE32, $main"
    USER "ljmp conforming", "ljmp $S_CODE_CONF, $1f", 1:
    USER "lcall ring 0", "lcall $SEL_CODE32, $main"
    USER "lret to ring 0", "push $SEL_CODE32", "push $main", lret
    USER "iret to ring 0", "push $2", "push $SEL_CODE32; push $main", iret
    USER "gate dpl 0", "lcall $S_GATE0, $0"
    USER "gate dpl 3, rpl 3", "lcall $S_GATE3 + 3, $0"
    USER "ljmp through a gate inwards", "ljmp $S_GATE3, $0"
    USER "ljmp to tss", "ljmp $SEL_TSS, $0"
    USER "verr", "mov $SEL_DATA, %eax", "verr %ax"
    TRY "user popf, IOPL 0"
    RING3
    push $0x3202
    popf
    pushf
    pop %eax
    DONE
    ENDTRY
    mov rec_sp, %eax
    mov F_EAX(%eax), %eax
    and $0x3200, %eax
    SHOW "popf kept"
    TRY "user with IOPL 3"
    RING3 0x3002
    sti
    cli
    in $0x61, %al
    push $0x3202
    popf
    pushf
    pop %eax
    cli
    DONE
    ENDTRY
    mov rec_sp, %eax
    mov F_EAX(%eax), %eax
    and $0x3200, %eax
    SHOW "popf with IOPL 3"
    mov tss + 102, %eax
    push %eax
    movw $104, tss + 102
    DESC SEL_TSS, tss, 104 + 32, 0x89, 0
    mov $SEL_TSS, %eax
    ltr %ax
    movl $0xfffffffe, tss_bitmap        /* port 0 is allowed */
    movl $0xfffffffd, tss_bitmap + 12   /* port 61h */
    USER "in 0 by the bitmap", "in $0, %al"
    USER "in 1 by the bitmap", "in $1, %al"
    USER "inw 0 by the bitmap", "in $0, %ax"
    USER "in 61h by the bitmap", "in $0x61, %al"
    USER "in beyond the bitmap", "mov $0x400, %edx", "in %dx, %al"
    USER "in of the byte after the last", "mov $0xff, %edx", "in %dx, %al"
    movl $0x00ffffff, tss_bitmap + 28
    USER "in FFh", "mov $0xff, %edx", "in %dx, %al"
    USER "inw FFh", "mov $0xff, %edx", "in %dx, %ax"
    pop %eax
    mov %eax, tss + 102
    ret

gates:
    TRY "gate, same level"
    lcall $S_GATE0, $0x12345
    ENDTRY
    SHOW "through it"
    TRY "gate, ljmp same level"
    mov %esp, %ebx
    pushl $SEL_CODE32           /* what lret of the target finds */
    pushl $2f
    ljmp $S_GATE0, $0
2:  ENDTRY
    SHOW "through it"
    TRY "gate of 16 bits"
    GATE S_GATE16, SEL_CODE16, 0, 0xe4
    movw $LOW(low_int), gdt + S_GATE16
    MARK
    lcall $S_GATE16, $0
    ENDTRY
    mov try_sp, %eax
    sub rec_stack, %eax
    sub $F_ESP, %eax
    SHOW "16-bit gate pushed"
    TRY "gate inwards with 2 parameters"
    RING3
    push $0x1111
    push $0x2222
    lcall $S_GATE3_2, $0
    DONE
    ENDTRY
    mov rec_sp, %eax
    mov F_EAX(%eax), %eax
    SHOW "sum"
    mov rec_cs, %eax
    SHOW "cs after"
    mov rec_sp, %eax
    mov F_ESP(%eax), %eax
    sub $user_stack_top, %eax
    SHOW "stack after"
    USER "gate to conforming", "lcall $S_GATE_CONF, $0"
    USER "gate not present", "lcall $S_GATE_NP + 3, $0"
    USER "gate to null", "lcall $S_GATE_NULL + 3, $0"
    USER "gate to data", "lcall $S_GATE_DATA + 3, $0"
    ret

int_gates:
    IDT_GATE 0x40, 0, trap32, 0xee
    IDT_GATE 0x41, SEL_DATA, trap32, 0xee
    IDT_GATE 0x42, S_CODE_NP, trap32, 0xee
    IDT_GATE 0x43, SEL_CODE32, trap32, 0x6e
    IDT_GATE 0x44, SEL_CODE32, trap32, 0xec     /* a call gate */
    IDT_GATE 0x45, S_BEYOND, trap32, 0xee
    IDT_GATE 0x46, S_USER_CODE_0, trap32, 0xee
    IDT_GATE 0x47, SEL_CODE32, trap_gate_target, 0xef
    IDT_GATE 0x48, SEL_CODE32, trap_gate_target, 0xee
    IDT_GATE 0x49, S_CODE_CONF, conforming_target, 0xee
    IDT_GATE 0x4a, 0x55, 0, 0xe5                /* a task gate to the LDT */
    TRY "int: null"
    int $0x40
    ENDTRY
    TRY "int: data"
    int $0x41
    ENDTRY
    TRY "int: segment not present"
    int $0x42
    ENDTRY
    TRY "int: gate not present"
    int $0x43
    ENDTRY
    TRY "int: call gate"
    int $0x44
    ENDTRY
    TRY "int: beyond the gdt"
    int $0x45
    ENDTRY
    TRY "int: outwards"
    int $0x46
    ENDTRY
    TRY "int: task gate to the ldt"
    int $0x4a
    ENDTRY
    TRY "int: trap gate"
    sti
    int $0x47
    ENDTRY
    SHOW "flags inside"
    TRY "int: interrupt gate"
    sti
    int $0x48
    ENDTRY
    SHOW "flags inside"
    USER "int to conforming", "int $0x49"
    mov rec_cs, %eax
    SHOW "cs inside, conforming"
    lidt idt_short
    TRY "int beyond the idt"
    int $0x40
    ENDTRY
    lidt idt_pointer32
    ret

trap_gate_target:
    pushf
    pop %eax
    and $0x4300, %eax
    iret
conforming_target:
    mov $SEL_USER_DATA, %eax
    mov %eax, %ds
    mov %cs, %eax
    DONE

.macro CHECK instruction, selector
    mov $0x55, %eax
    mov $\selector, %ecx
    \instruction
    mov $0, %edx
    setz %dl
    mov %edx, %eax
    SHOW "\instruction \selector zf"
.endm

checks:
    .irp instruction, "verr %cx", "verw %cx", "lar %ecx, %eax", "lsl %ecx, %eax"
    .irp selector, 0, SEL_CODE32, SEL_DATA, S_RO, S_CODE_XO, S_NP, S_TSS_, S_LDT, S_GATE3, S_INTGATE, S_BEYOND
    CHECK "\instruction", \selector
    .endr
    .endr
    mov $S_SMALL, %ecx
    lsl %ecx, %eax
    SHOW "lsl small"
    mov $SEL_DATA, %ecx
    lsl %ecx, %eax
    SHOW "lsl flat"
    lar %ecx, %eax
    SHOW "lar flat"
    mov $S_GATE3, %ecx
    lar %ecx, %eax
    and $0xff00, %eax           /* the rest is undefined for gates */
    SHOW "lar gate"
    mov $0x10, %eax
    mov $3, %ecx
    arpl %cx, %ax
    SHOW "arpl"
    TRY "arpl in ring 0 lowers nothing"
    mov $0x13, %eax
    mov $1, %ecx
    arpl %cx, %ax
    ENDTRY
    ret
    .set S_TSS_, SEL_TSS

double_fault:
    movb $0x0e, idt32 + 13 * 8 + 5              /* #GP's gate is not present: #NP while delivering #GP */
    TRY "contributory while contributory"
    int $0x21 + 0                               /* fine */
    ENDTRY
    TRY "gp with an absent gate: df"
    mov $S_BEYOND, %eax
    mov %eax, %ds
    ENDTRY
    TRY "int 13 with an absent gate: np"
    int $13
    ENDTRY
    movb $0x8e, idt32 + 13 * 8 + 5
    movb $0x0e, idt32 + 6 * 8 + 5
    TRY "ud with an absent gate: np"
    ud2
    ENDTRY
    movb $0x8e, idt32 + 6 * 8 + 5
    movb $0x0e, idt32 + 0 * 8 + 5
    TRY "de with an absent gate: df"
    xor %ecx, %ecx
    div %ecx
    ENDTRY
    movb $0x8e, idt32 + 0 * 8 + 5
    ret

gate_target:
    mov $0x900d, %eax
    lret
gate_target_2:
    mov 8(%esp), %eax
    add 12(%esp), %eax
    lret $8
gate_target_conf:
    DONE

    .section .data.low
    .code16
low_int:
    int $VECTOR_EXIT
    .code32

    .data
    .align 16
bounds: .long -5, 10, 0, 0, 0, 0
one: .float 1
zero: .float 0
cw_unmasked: .word 0x37b, 0
mxcsr_unmasked: .long 0x1d80
mxcsr_default: .long 0x1f80
mxcsr_bad: .long 0x80001f80
mxcsr: .long 0
scratch: .long 0, 0
    .align 8
    .word 0, 0, 0
idt_short: .word 0x1ff
    .long idt32
ldt: .quad 0x00cf13000000ffff, 0x00cf93000000ffff   /* 04h: not present; 0Ch: as SEL_DATA */
    .skip 64
