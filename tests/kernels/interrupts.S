/* When interrupts and NMIs are taken: shadows, IF changes, HLT, timers, string instructions, loops; xAPIC and x2APIC. */
#include "tests/kernels/lib.inc"

    .set APIC, 0xfee00000
    .set V_SELF, 0x60
    .set V_TIMER, 0x61
    .set V_PIT, 0x62
    .set BUFFER, 0x1000000
    .set BUFFER_SIZE, 0x1000000

/* Counts, acknowledges, and goes on at `diversion` if that is set. EAX 1: let the recorder print. */
counting_hook:
    incl count
    mov F_VECTOR(%ebp), %eax
    cmp $V_PIT, %eax
    jne 1f
    mov $0x20, %al
    out %al, $0x20
    jmp 2f
1:  cmp $6, %eax            /* goes on behind UD2 */
    jne 1f
    addl $2, F_EIP(%ebp)
    decl count
    jmp 3f
1:  cmp $V_SELF, %eax
    jb 9f
    cmp $V_TIMER, %eax
    ja 9f
    movl $0, APIC + 0xb0
2:  mov diversion, %eax
    test %eax, %eax
    jz 3f
    mov %eax, F_EIP(%ebp)
3:  xor %eax, %eax
    ret
9:  mov $1, %eax
    ret

recording_hook:
    movl $0, APIC + 0xb0
    mov $1, %eax
    ret

.macro SELF_IPI vector=V_SELF
    movl $(0x44000 | \vector), APIC + 0x300
.endm

/* Runs with an interrupt pending and IF clear. */
.macro PENDING name
    cli
    SELF_IPI
    TRY "\name", recording_hook
.endm

/* Takes what is still pending, so that the next snippet starts clean. */
.macro DRAIN
    movl $counting_hook, hook
    movl $0, diversion
    sti
    nop
    nop
    cli
.endm

.macro ONE_SHOT count=2000
    movl $\count, APIC + 0x380
.endm

main:
    mov $0x1b, %ecx
    rdmsr
    and $0x900, %eax
    SHOW "apic base, enabled and bsp"
    movl $0x1ff, APIC + 0xf0
    movl $0x700, APIC + 0x350       /* LINT0: ExtINT */
    movl $0, APIC + 0x80
    movl $0xb, APIC + 0x3e0         /* divide by 1 */
    movl $V_TIMER, APIC + 0x320
    call shadows
    call nmi
    call timers
    call strings
    call x2apic
    ret

shadows:
    PENDING "sti: one instruction later"
    sti
    nop
    nop
    nop
    ENDTRY
    PENDING "sti, cli: never"
    sti
    cli
    nop
    nop
    ENDTRY
    DRAIN
    PENDING "sti when IF is set already: no shadow"
    pushf
    orl $0x200, (%esp)
    popf
    sti
    nop
    ENDTRY
    PENDING "popf: at once"
    pushf
    orl $0x200, (%esp)
    popf
    nop
    nop
    ENDTRY
    PENDING "iret: at once"
    push $0x202
    push $SEL_CODE32
    push $1f
    iret
1:  nop
    nop
    ENDTRY
    PENDING "sti, jmp"
    sti
    jmp 1f
    nop
1:  nop
    nop
    ENDTRY
    PENDING "sti, hlt"
    sti
    hlt
    nop
    ENDTRY
    PENDING "sti, ret"
    push $1f
    sti
    ret
    nop
1:  nop
    nop
    ENDTRY
    PENDING "sti, mov ss"
    mov $SEL_DATA, %eax
    sti
    mov %eax, %ss
    nop
    nop
    ENDTRY
    PENDING "mov ss, sti"
    mov $SEL_DATA, %eax
    mov %eax, %ss
    sti
    nop
    nop
    ENDTRY
    PENDING "mov ss, popf: at once"
    push $0x202
    mov $SEL_DATA, %eax
    mov %eax, %ss
    popf
    nop
    ENDTRY
    PENDING "sti, cli, sti"
    sti
    cli
    sti
    nop
    nop
    ENDTRY
    PENDING "sti, pushf, popf"
    sti
    pushf
    popf
    nop
    ENDTRY
    PENDING "sti, popf that clears IF: never"
    push $2
    sti
    popf
    nop
    nop
    ENDTRY
    DRAIN
    PENDING "sti, iret that clears IF: never"
    push $2
    push $SEL_CODE32
    push $1f
    sti
    iret
1:  nop
    nop
    ENDTRY
    DRAIN
    PENDING "sti, int: not in the handler"
    IDT_GATE 0x50, SEL_CODE32, counted_iret, 0x8e
    movl $0, count
    sti
    int $0x50
    nop
    ENDTRY
    mov count, %eax
    SHOW "handler ran"
    PENDING "sti, rep stosb of nothing"
    xor %ecx, %ecx
    sti
    rep stosb
    nop
    ENDTRY
    PENDING "sti, cpuid"
    xor %eax, %eax
    sti
    cpuid
    nop
    ENDTRY
    PENDING "ring 3, popf with IOPL 0 leaves IF clear: never"
    RING3
    pushf
    orl $0x200, (%esp)
    popf
    nop
    DONE
    ENDTRY
    DRAIN
    PENDING "ring 3 with IOPL 3: sti"
    RING3 0x3002
    sti
    nop
    nop
    DONE
    ENDTRY
    PENDING "ring 3 with IOPL 3: popf"
    RING3 0x3002
    push $0x202
    popf
    nop
    DONE
    ENDTRY
    PENDING "sti, fault first"
    movl $0, hook
    sti
    ud2
    ENDTRY
    DRAIN
    PENDING "ring 3 with IF"
    RING3 0x202
    nop
    nop
    DONE
    ENDTRY
    TRY "higher of two", recording_hook
    SELF_IPI 0x63
    SELF_IPI 0x71
    sti
    nop
    nop
    ENDTRY
    DRAIN
    movl $0, APIC + 0xb0
    TRY "TPR holds it back", recording_hook
    movl $0x70, APIC + 0x80
    SELF_IPI
    sti
    nop
    nop
    mov APIC + 0x200 + 0x30, %eax   /* IRR of 60h..7Fh */
    cli
    ENDTRY
    SHOW "irr"
    TRY "until TPR is lowered", recording_hook
    sti
    nop
    MARK
    movl $0, APIC + 0x80
1:  jmp 1b
    ENDTRY
    TRY "in service holds lower ones back", counting_hook
    movl $0, count
    movl $nested_hook, hook
    SELF_IPI
    sti
    nop
    nop
    nop
    cli
    ENDTRY
    mov count, %eax
    SHOW "seen inside"
    ret

/* Another of the same class must wait for the EOI. */
nested_hook:
    SELF_IPI
    sti
    nop
    nop
    cli
    cmpl $0, count
    jne 1f
    movl $1, count
1:  movl $counting_hook, hook
    movl $0, APIC + 0xb0
    xor %eax, %eax
    ret

.macro SEND_NMI
    movl $0, APIC + 0x310
    movl $0x4400, APIC + 0x300
.endm

/* The first NMI sends another one, which must wait for the IRET. */
nmi_hook:
    incl depth
    mov depth, %eax
    cmp deepest, %eax
    jbe 1f
    mov %eax, deepest
1:  incl count
    cmpl $1, count
    jne 2f
    SEND_NMI
    nop
    nop
    nop
2:  decl depth
    xor %eax, %eax
    ret

nmi_record_hook:
    mov $1, %eax
    ret

nmi:
    movl $0, count
    TRY "nmi", nmi_hook
    SEND_NMI
    nop
    nop
    nop
    ENDTRY
    mov count, %eax
    SHOW "nmis"
    mov deepest, %eax
    SHOW "deepest"
    TRY "nmi again, IF clear", nmi_record_hook
    MARK
    SEND_NMI
1:  jmp 1b
    ENDTRY
    /* The recorder left without IRET. */
    push $2
    push $SEL_CODE32
    push $1f
    iret
1:  ret

.macro DIVERTED name, body
    TRY "\name", counting_hook
    movl $0, count
    movl $772f, diversion
    ONE_SHOT
    sti
    \body
    ENDTRY
    cli
    mov count, %eax
    SHOW "\name, count"
.endm

timers:
    DIVERTED "apic timer, jmp .", "1: jmp 1b"
    DIVERTED "apic timer, call and ret", "1: call 2f; jmp 1b; 2: ret"
    DIVERTED "apic timer, indirect jumps", "mov $3f, %ebx; 3: jmp *%ebx"
    DIVERTED "apic timer, loop", "1: mov $-1, %ecx; 2: loop 2b; jmp 1b"
    DIVERTED "apic timer, sti and ret", "1: cli; call 2f; jmp 1b; 2: sti; ret"
    DIVERTED "apic timer, sti and nop in a loop", "1: cli; sti; nop; jmp 1b"
    DIVERTED "apic timer, mov ss in a loop", "mov $SEL_DATA, %eax; 1: mov %eax, %ss; mov %eax, %ss; jmp 1b"
    DIVERTED "apic timer, pop ss in a loop", "1: push %ss; pop %ss; jmp 1b"
    DIVERTED "apic timer, sti and mov ss in a loop", "mov $SEL_DATA, %eax; 1: sti; mov %eax, %ss; jmp 1b"
    DIVERTED "apic timer, popf and cli in a loop", "1: push $0x202; popf; cli; jmp 1b"
    DIVERTED "apic timer, iret in a loop", "1: push $0x202; push $SEL_CODE32; push $1b; iret"
    IDT_GATE 0x50, SEL_CODE32, plain_iret, 0x8e
    DIVERTED "apic timer, int in a loop", "1: int $0x50; jmp 1b"
    DIVERTED "apic timer, faults in a loop", "1: ud2; jmp 1b"
    DIVERTED "apic timer, rep movsb of nothing in a loop", "1: xor %ecx, %ecx; rep movsb; jmp 1b"
    DIVERTED "apic timer, code that writes itself", "1: movb $0x90, 2f; 2: nop; jmp 1b"
    TRY "apic timer, hlt", counting_hook
    movl $0, count
    movl $0, diversion
    ONE_SHOT 1000000
    sti
    hlt
    cli
    ENDTRY
    mov count, %eax
    SHOW "count"
    movl $V_TIMER | 0x20000, APIC + 0x320
    TRY "periodic, three times", counting_hook
    movl $0, count
    ONE_SHOT 1000000
1:  sti
    hlt
    cli
    cmpl $3, count
    jb 1b
    movl $0, APIC + 0x380
    ENDTRY
    mov count, %eax
    SHOW "count"
    movl $V_TIMER, APIC + 0x320
    DRAIN                           /* a fourth one, on a slow host */
    mov APIC + 0x390, %eax
    SHOW "current count, stopped"
    mov $1, %eax
    cpuid
    test $1 << 24, %ecx
    jz 2f
    movl $V_TIMER | 0x40000, APIC + 0x320
    TRY "tsc deadline", counting_hook
    movl $0, count
    rdtsc
    add $1000000, %eax
    adc $0, %edx
    mov $0x6e0, %ecx
    wrmsr
    sti
    hlt
    cli
    rdmsr
    ENDTRY
    SHOW "deadline afterwards"
    mov count, %eax
    SHOW "count"
    movl $V_TIMER, APIC + 0x320
    jmp 3f
2:  PRINT "no tsc deadline\n"
3:  /* The PIC at vectors 60h.., IRQ 0 is V_PIT. */
    mov $0x11, %al
    out %al, $0x20
    mov $V_PIT & 0xf8, %al
    out %al, $0x21
    mov $4, %al
    out %al, $0x21
    mov $1, %al
    out %al, $0x21
    mov $0xff, %al
    out %al, $0x21
    IDT_GATE 0x60, SEL_CODE32, pit_stub, 0x8e
    TRY "pit through the pic, hlt", counting_hook
    movl $0, count
    mov $0x30, %al              /* channel 0, mode 0 */
    out %al, $0x43
    mov $0, %al
    out %al, $0x40
    mov $8, %al
    out %al, $0x40
    mov $0xfe, %al
    out %al, $0x21
    sti
    hlt
    cli
    ENDTRY
    mov count, %eax
    SHOW "count"
    mov $0xff, %al
    out %al, $0x21
    mov $stubs32 + 0x60 * 16, %eax
    mov %ax, idt32 + 0x60 * 8
    shr $16, %eax
    mov %ax, idt32 + 0x60 * 8 + 6
    ret

pit_stub:
    push $0
    push $V_PIT
    jmp trap32

/* REP STOSB is interrupted: ECX and EDI say how far it was, and it goes on. */
string_hook:
    movl $0, APIC + 0xb0
    cmpl $string_instruction, F_EIP(%ebp)
    jne 1f
    incl count
    mov F_REGS(%ebp), %eax
    add F_ECX(%ebp), %eax
    sub $BUFFER + BUFFER_SIZE, %eax
    or %eax, inconsistent
1:  cmpl $20, count
    ja 2f
    ONE_SHOT 50000
2:  xor %eax, %eax
    ret

strings:
    movl $0, count
    movl $V_TIMER, APIC + 0x320
    mov $200, %ebx
    TRY "rep stosb interrupted", string_hook
1:  mov $BUFFER, %edi
    mov $BUFFER_SIZE, %ecx
    mov %bl, %al
    ONE_SHOT 50000
    sti
    nop                     /* TCG keeps the shadow for all of the string otherwise */
string_instruction:
    rep stosb
    cli
    cmpl $0, count
    jne 2f
    dec %ebx
    jnz 1b
2:  mov $BUFFER, %edi
    mov $BUFFER_SIZE, %ecx
    repe scasb
    ENDTRY
    setz %al
    movzx %al, %eax
    SHOW "all written"
    xor %eax, %eax
    cmp %eax, count
    setnz %al
    SHOW "interrupted"
    mov inconsistent, %eax
    SHOW "inconsistent"
    movl $0, APIC + 0x380
    DRAIN
    movl $0, hook
    ret

counted_iret:
    incl count
plain_iret:
    iret

x2apic:
    mov $1, %eax
    cpuid
    test $1 << 21, %ecx
    jz 9f
    TRY "x2apic msrs in xapic mode"
    mov $0x802, %ecx
    rdmsr
    ENDTRY
    mov $0x1b, %ecx
    rdmsr
    or $0x400, %eax
    wrmsr
    TRY "x2apic: self ipi", x2_hook
    mov $0x83f, %ecx
    mov $V_SELF, %eax
    xor %edx, %edx
    wrmsr
    sti
    nop
    MARK
    nop
    cli
    ENDTRY
    TRY "x2apic: id"
    mov $0x802, %ecx
    rdmsr
    ENDTRY
    SHOW "id"
    TRY "x2apic: write of the id"
    mov $0x802, %ecx
    MARK
    wrmsr
    ENDTRY
    TRY "x2apic: eoi of 1"
    mov $0x80b, %ecx
    mov $1, %eax
    xor %edx, %edx
    MARK
    wrmsr
    ENDTRY
    TRY "x2apic: no DFR"
    mov $0x80e, %ecx
    MARK
    rdmsr
    ENDTRY
    TRY "x2apic: back to xapic at once"
    mov $0x1b, %ecx
    rdmsr
    and $~0x400, %eax
    MARK
    wrmsr
    ENDTRY
    ret
9:  PRINT "no x2apic\n"
    ret
x2_hook:
    mov $0x80b, %ecx
    xor %eax, %eax
    xor %edx, %edx
    wrmsr
    mov $1, %eax
    ret

    .data
    .align 4
count: .long 0
diversion: .long 0
depth: .long 0
deepest: .long 0
inconsistent: .long 0
