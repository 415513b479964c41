/* When interrupts are taken in 64-bit code: shadows, IRETQ, SYSCALL and SYSRET, CR8, HLT, stacks and IST, loops of all kinds. */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set APIC, 0xfee00000
    .set V_SELF, 0x60
    .set V_TIMER, 0x61

.macro EOI
    movabs $(APIC + 0xb0), %rax
    movl $0, (%rax)
.endm

recording_hook:
    EOI
    mov $1, %eax
    ret

/* Counts and goes on at `diversion` if that is set; exceptions are recorded, but UD2 is stepped over. */
counting_hook:
    mov F64_VECTOR(%rbp), %rax
    cmp $6, %eax
    jne 1f
    addq $2, F64_RIP(%rbp)
    jmp 3f
1:  cmp $V_SELF, %eax
    jb 9f
    cmp $V_TIMER, %eax
    ja 9f
    incl count(%rip)
    EOI
    mov diversion(%rip), %eax
    test %eax, %eax
    jz 3f
    mov %rax, F64_RIP(%rbp)
    movl $SEL_CODE64, F64_CS(%rbp)
    movl $SEL_DATA, F64_SS(%rbp)
    mov try_sp(%rip), %rax
    mov %rax, F64_RSP(%rbp)
3:  xor %eax, %eax
    ret
9:  mov $1, %eax
    ret

.macro SELF_IPI vector=V_SELF
    movl $(0x44000 | \vector), 0x300(%r15)
.endm

/* Runs with an interrupt pending and IF clear; R15 is the APIC all the time. */
.macro PENDING name
    cli
    SELF_IPI
    TRY "\name", recording_hook
.endm
.macro DRAIN
    movl $counting_hook, hook(%rip)
    movl $0, diversion(%rip)
    sti
    nop
    nop
    cli
    movl $0, hook(%rip)
.endm

.macro DIVERTED name, body
    TRY "\name", counting_hook
    movl $0, count(%rip)
    movl $772f, diversion(%rip)
    movl $2000, 0x380(%r15)
    sti
    \body
    ENDTRY
    cli
    mov count(%rip), %eax
    SHOW "\name, count"
.endm

.macro MSR index, low, high=0
    mov $\index, %ecx
    mov $\low, %eax
    mov $\high, %edx
    wrmsr
.endm

    CODE32
main:
    ENTER_LONG
    mov $APIC, %r15d
    movl $0x1ff, 0xf0(%r15)
    movl $0, 0x80(%r15)
    movl $0xb, 0x3e0(%r15)
    movl $V_TIMER, 0x320(%r15)
    mov $plain_iret, %eax
    mov %ax, idt64 + 0x500(%rip)
    shr $16, %eax
    mov %ax, idt64 + 0x506(%rip)
    MSR 0xc0000081, 0, (SEL_CODE64 | SEL_USER32 << 16)
    MSR 0xc0000084, 0x200
    call shadows
    call system_calls
    call priorities
    call loops
    jmp finish64

plain_iret:
    iretq

shadows:
    PENDING "sti: one instruction later"
    sti
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
    PENDING "popfq: at once"
    push $0x202
    popfq
    nop
    ENDTRY
    PENDING "iretq: at once"
    mov %rsp, %rax
    push $SEL_DATA
    push %rax
    push $0x202
    push $SEL_CODE64
    lea 1f(%rip), %rax
    push %rax
    iretq
1:  nop
    ENDTRY
    PENDING "sti, iretq"
    mov %rsp, %rax
    push $SEL_DATA
    push %rax
    push $0x202
    push $SEL_CODE64
    lea 1f(%rip), %rax
    push %rax
    sti
    iretq
1:  nop
    ENDTRY
    PENDING "sti, ret"
    lea 1f(%rip), %rax
    push %rax
    sti
    ret
    nop
1:  nop
    ENDTRY
    PENDING "sti, call"
    sti
    call 1f
    nop
1:  nop
    ENDTRY
    PENDING "sti, jmp"
    lea 1f(%rip), %rax
    sti
    jmp *%rax
    nop
1:  nop
    ENDTRY
    PENDING "sti, hlt"
    sti
    hlt
    nop
    ENDTRY
    PENDING "sti, swapgs"
    sti
    swapgs
    nop
    ENDTRY
    PENDING "sti, mov cr3"
    mov %cr3, %rax
    sti
    mov %rax, %cr3
    nop
    ENDTRY
    PENDING "sti, pushfq, cli"
    sti
    pushfq
    cli
    ENDTRY
    DRAIN
    PENDING "sti, read that faults"
    mov $1, %eax
    shl $47, %rax
    movl $0, hook(%rip)
    sti
    mov (%rax), %eax
    nop
    ENDTRY
    DRAIN
    PENDING "sti, store that crosses a page's end"
    mov $pages + 4094, %edi
    sti
    mov %rax, (%rdi)
    nop
    ENDTRY
    PENDING "sti, jcc"
    xor %eax, %eax
    sti
    jnz 1f
    nop
1:  nop
    ENDTRY
    movb $1, idt64 + V_SELF * 16 + 4(%rip)
    PENDING "on IST 1"
    sti
    nop
    nop
    ENDTRY
    movb $0, idt64 + V_SELF * 16 + 4(%rip)
    mov rec_stack(%rip), %rax
    mov $ist1_top - 112, %ecx
    sub %rcx, %rax
    SHOW "stack is off by"
    PENDING "from ring 3"
    RING3 0x202
    nop
    nop
    DONE
    ENDTRY
    mov rec_stack(%rip), %rax
    mov $int_stack_top - 112, %ecx
    sub %rcx, %rax
    SHOW "stack is off by"
    ret

system_calls:
    MSR 0xc0000082, syscall_target
    TRY "syscall masks IF, pending inside", recording_hook
    RING3 0x202
    syscall
1:  nop
    nop
    DONE
syscall_target:
    SELF_IPI
    nop
    nop
    nop
    sysretq
    ENDTRY
    mov rec_cs(%rip), %rax
    SHOW "taken in"
    MSR 0xc0000082, syscall_target2
    TRY "sti, sysretq", recording_hook
    RING3 0x202
    syscall
1:  nop
    nop
    DONE
syscall_target2:
    SELF_IPI
    sti
    sysretq
    ENDTRY
    MSR 0xc0000082, syscall_target3
    TRY "sysretq with IF clear: never", recording_hook
    RING3 2
    syscall
1:  nop
    nop
    DONE
syscall_target3:
    SELF_IPI
    sysretq
    ENDTRY
    DRAIN
    ret

priorities:
    TRY "cr8 holds it back", recording_hook
    mov $6, %eax
    mov %rax, %cr8
    SELF_IPI
    sti
    nop
    nop
    cli
    ENDTRY
    TRY "until cr8 is lowered", recording_hook
    mov $5, %eax
    sti
    nop
    MARK
    mov %rax, %cr8
    nop
    nop
    ENDTRY
    xor %eax, %eax
    mov %rax, %cr8
    mov $7, %eax
    mov %rax, %cr8
    mov 0x80(%r15), %eax
    SHOW "cr8 7 is TPR"
    movl $0x35, 0x80(%r15)
    mov %cr8, %rax
    SHOW "TPR 35h is cr8"
    xor %eax, %eax
    mov %rax, %cr8
    ret

loops:
    DIVERTED "jmp .", "1: jmp 1b"
    DIVERTED "hlt", "1: hlt; jmp 1b"
    DIVERTED "sti, hlt, cli", "1: sti; hlt; cli; jmp 1b"
    DIVERTED "pause", "1: pause; jmp 1b"
    DIVERTED "indirect", "lea 1f(%rip), %rax; 1: jmp *%rax"
    DIVERTED "calls", "1: call 2f; jmp 1b; 2: ret"
    DIVERTED "rep movsb", "1: mov $pages, %esi; mov $pages + 4096, %edi; mov $4000, %ecx; rep movsb; jmp 1b"
    DIVERTED "rep of nothing", "1: xor %ecx, %ecx; rep stosb; jmp 1b"
    DIVERTED "sti, cli, then popfq", "1: sti; cli; push $0x202; popfq; jmp 1b"
    DIVERTED "sti and ret", "1: cli; call 2f; jmp 1b; 2: sti; ret"
    DIVERTED "mov ss", "mov $SEL_DATA, %eax; 1: mov %eax, %ss; mov %eax, %ss; jmp 1b"
    DIVERTED "int", "1: int $0x50; jmp 1b"
    DIVERTED "faults", "1: ud2; jmp 1b"
    DIVERTED "code that writes itself", "1: movb $0x90, 2f(%rip); 2: nop; jmp 1b"
    DIVERTED "flushes", "mov %cr3, %rax; 1: mov %rax, %cr3; jmp 1b"
    DIVERTED "ring 3", "RING3 0x202; 1: jmp 1b"
    MSR 0xc0000082, syscall_target4
    DIVERTED "system calls", "RING3 0x202; 1: syscall; jmp 1b; syscall_target4: sysretq"
    DIVERTED "loop over a page's end", "call straddling"
    ret

    .balign 4096
    .skip 4095, 0x90
straddling:
    jmp straddling              /* crosses the page's end */

    .data
    .align 4
count: .long 0
diversion: .long 0
    .bss
    .align 4096
pages: .skip 3 * 4096
