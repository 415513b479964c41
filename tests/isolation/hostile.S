/*
 * A hostile guest: tries to reach any address through every kind of memory access, in ring 3 and in ring 0.
 *
 * isolation.py tells it where to aim, over the serial port: a command byte and, but for `w`, a distance D of 8 bytes.
 * HOME is a page of its own, far from everything else; the page behind HOME is the kernel's alone and its neighbour in
 * memory too. Each form below makes one access to HOME + D, most after one to HOME itself, so that whatever a translator
 * may know about HOME could be taken for HOME + D.
 *
 *     w   D = 0: answers with the number of forms that worked, as a byte
 *     d   every form has to fault, at HOME + D where it is a page fault; answers '.', or the number of the first form
 *         that did not, and 'u' or 'k' for the ring
 *     x   as `d` in ring 3 only; forms of less than 8 bytes may succeed; the kernel's page may not change
 *     c   the forms of forms32.inc in compatibility mode, at HOME32 + D modulo 4 GiB, have to fault there: the registers
 *         hold all 64 bits of the sum, FS, GS and RSP its upper half; answers as `d`, rings 'U' and 'K'
 *     v   D = 0: answers with the number of those that worked
 *     q   ends
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"
#include "tests/isolation/form.inc"

    .set ANY, 0
    .set USER, 1            /* in ring 3 only */
    .set WIDE, 2            /* 8 bytes or more */
    .set TRUNCATES, 4       /* uses the low 32 bits of the address, and may well succeed where the low 16 MiB are hit */
    .set SILENT, 8          /* does not fault */
    .set HOME32, 0x50810000
    .set ALIAS, 1 << 39
    .set TRAMPOLINE, 16     /* #SS is handled in ring 3, at form_trampoline */

    /* A form: name, flags; the code follows. On entry RBX, R12 hold HOME; RSI, R8, R11, R14 hold D; RDX, RDI, RBP, R9,
     * R10, R13, R15 hold HOME + D; RCX holds D / 8. */
    FORM_TABLE .rodata.forms
    .section .rodata.forms, "a"
    .align 8
form_table:
    .text

    CODE32
main:
    ENTER_LONG
    /* The identity mapping ends at 16 MiB. */
    lea page_dirs + 8 * 8(%rip), %rdi
    mov $(2048 - 8), %ecx
    xor %eax, %eax
    rep stosq
    movl $(pdpt_home + 7), page_pml4 + 3 * 8(%rip)
    movl $(pd_home + 7), pdpt_home + 5 * 8(%rip)
    movl $(pt_home + 7), pd_home + 8 * 8(%rip)
    movl $(page_home + 7), pt_home + 16 * 8(%rip)
    movl $(page_kernel + 3), pt_home + 17 * 8(%rip)
    mov $page_pml4, %eax
    mov %rax, %cr3
    movl $(pt_home32 + 7), page_dirs + 0x1000 + (HOME32 >> 21 & 511) * 8(%rip)
    movl $(page_home + 7), pt_home32 + (HOME32 >> 12 & 511) * 8(%rip)
    movl $(page_pdpt + 7), page_pml4 + 8(%rip) /* all of it once more, at the same indices of the shadow tables */
    movw $0x30cd, 0             /* a jump to address 0 is a way out */
    /* All exceptions on a stack of their own: forms leave any stack pointer behind. */
    lea idt64(%rip), %rdi
    mov $256, %ecx
1:  movb $1, 4(%rdi)
    add $16, %rdi
    loop 1b
    mov %cr0, %rax
    and $~0xc, %eax             /* EM, TS */
    or $0x22, %eax              /* MP, NE */
    mov %rax, %cr0
    ENABLE_SSE
    mov $7, %eax
    xor %ecx, %ecx
    cpuid
    test $1, %bl
    jz 2f
    mov %cr4, %rax
    or $0x10000, %eax           /* FSGSBASE */
    mov %rax, %cr4
2:  mov $1, %eax
    cpuid
    bt $26, %ecx
    jnc 3f
    mov %cr4, %rax
    or $0x40000, %eax           /* OSXSAVE */
    mov %rax, %cr4
    xor %ecx, %ecx
    xor %edx, %edx
    mov $3, %eax
    xsetbv
    mov $7, %eax
    TRY "ymm", 0
    xsetbv
    QUIET_ENDTRY
3:

commands:
    call get
    cmp $'w', %al
    je warm
    cmp $'d', %al
    je attack
    cmp $'x', %al
    je edge
    cmp $'c', %al
    je attack_compat
    cmp $'v', %al
    je warm_compat
    cmp $'q', %al
    jne commands
    jmp finish64

get:
    mov $0x3fd, %edx
1:  in %dx, %al
    test $1, %al
    jz 1b
    mov $0x3f8, %edx
    in %dx, %al
    ret

put:
    jmp putc64

fill_kernel_page:
    lea page_kernel(%rip), %rdi
    mov $0x5a, %al
    mov $4096, %ecx
    rep stosb
    ret

get_distance:
    mov $8, %ecx
1:  call get
    shrd $8, %rax, %rsi
    loop 1b
    mov %rsi, distance(%rip)
    ret

mark_home:
    movabs $0x484f53544d414749, %rax    /* isolation.py looks for these */
    mov %rax, page_home + 4080(%rip)
    mov $16, %cl
    rol %cl, %rax
    mov %rax, page_home + 4088(%rip)
    ret

warm:
    movq $0, distance(%rip)
    movl $0, worked(%rip)
    movl $0, form(%rip)
1:  call try_user
    cmpl $VECTOR_EXIT, rec_vector(%rip)
    jne 2f
    incl worked(%rip)
2:  testl $USER, form_flags(%rip)
    jnz 3f
    call try_kernel
3:  incl form(%rip)
    cmpl $form_count, form(%rip)
    jb 1b
    call mark_home
    mov worked(%rip), %al
    call put
    jmp commands

attack:
    call get_distance
    movl $0, form(%rip)
1:  call try_user
    mov $'u', %bl
    call judge
    jc failed
    testl $USER, form_flags(%rip)
    jnz 2f
    call try_kernel
    mov $'k', %bl
    call judge
    jc failed
2:  incl form(%rip)
    cmpl $form_count, form(%rip)
    jb 1b
    mov $'.', %al
    call put
    jmp commands

edge:
    call get_distance
    call fill_kernel_page
    movl $0, form(%rip)
1:  call try_user
    cmpl $VECTOR_EXIT, rec_vector(%rip)
    jne 2f
    testl $WIDE, form_flags(%rip)
    mov $'u', %bl
    jnz failed
2:  lea page_kernel(%rip), %rdi
    mov $0x5a, %al
    mov $4096, %ecx
    repe scasb
    mov $'c', %bl
    jne failed
    incl form(%rip)
    cmpl $form_count, form(%rip)
    jb 1b
    mov $'.', %al
    call put
    jmp commands

failed:
    mov form(%rip), %al
    call put
    mov %bl, %al
    call put
    jmp commands

/* CF: the form that was tried came through. */
judge:
    mov rec_vector(%rip), %eax
    mov form_flags(%rip), %ecx
    cmp $VECTOR_EXIT, %eax
    je 3f
    cmp $14, %eax
    jne 2f
    test $TRUNCATES, %ecx
    jnz 2f
    mov rec_cr2(%rip), %rax     /* within 64 KiB: some read or write at a distance */
    sub distance(%rip), %rax
    sub home(%rip), %rax
    add $0x8000, %rax
    shr $16, %rax
    jnz 4f
2:  clc
    ret
3:  test $SILENT, %ecx
    jnz 2b
    test $TRUNCATES, %ecx
    jz 4f
    mov home(%rip), %eax
    add distance(%rip), %eax
    cmp $(16 << 20), %eax
    jb 2b
4:  stc
    ret

load_form:
    cld
    fninit
    mov home(%rip), %rdi        /* zeros, whatever the form before left */
    mov $128, %ecx
    xor %eax, %eax
    rep stosq
    mov form(%rip), %eax
    lea form_table(%rip), %rdx
    mov (%rdx, %rax, 8), %ecx
    mov 4(%rdx, %rax, 8), %edx
    mov %edx, form_flags(%rip)
    mov %ecx, form_code(%rip)
    lea 2f(%rip), %rax
    mov %rax, try_resume(%rip)
    movl $0, hook(%rip)
    movl $-1, rec_vector(%rip)
    /* The forms with an address in them: written by the kernel, so code changes as well. */
    mov home(%rip), %rax
    add distance(%rip), %rax
    mov %rax, form_absolute + 2(%rip)
    mov %eax, form_moffs32 + 2(%rip)
    sub $(form_relative + 7), %eax
    mov %eax, form_relative + 3(%rip)
    testl $TRAMPOLINE, %edx
    jz 1f
    lea form_trampoline(%rip), %rax
    mov %ax, idt64 + 12 * 16(%rip)
    movw $SEL_USER64, idt64 + 12 * 16 + 2(%rip)
    movb $0, idt64 + 12 * 16 + 4(%rip)
    shr $16, %eax
    mov %ax, idt64 + 12 * 16 + 6(%rip)
    ret
1:  lea stubs64 + 12 * 16(%rip), %rax
    mov %ax, idt64 + 12 * 16(%rip)
    movw $SEL_CODE64, idt64 + 12 * 16 + 2(%rip)
    movb $1, idt64 + 12 * 16 + 4(%rip)
    shr $16, %eax
    mov %ax, idt64 + 12 * 16 + 6(%rip)
    ret
2:  movl $0, hook(%rip)
    ret                         /* the recorder put the stack pointer back to what it was in the caller of try_* */

load_registers:
    mov home(%rip), %rbx
    mov %rbx, %r12
    mov distance(%rip), %rsi
    mov %rsi, %r8
    mov %rsi, %r11
    mov %rsi, %r14
    lea (%rbx, %rsi), %rdx
    .irp reg, rdi, rbp, r9, r10, r13, r15
    mov %rdx, %\reg
    .endr
    mov %rsi, %rcx
    sar $3, %rcx
    ret

try_user:
    mov %rsp, try_sp(%rip)
    call load_form
    call load_registers
    push $SEL_USER_DATA
    lea user_stack_top(%rip), %rax
    push %rax
    push $2
    push $SEL_USER64
    mov form_code(%rip), %eax
    push %rax
    xor %eax, %eax
    iretq

try_kernel:
    mov %rsp, try_sp(%rip)
    call load_form
    call load_registers
    xor %eax, %eax
    jmp *form_code(%rip)

    /* --- compatibility mode --- */

warm_compat:
    movq $0, distance(%rip)
    movb $0, worked(%rip)
    movl $0, form(%rip)
    call write_absolutes
1:  call try_compat_user
    cmpl $VECTOR_EXIT, rec_vector(%rip)
    jne 2f
    incb worked(%rip)
2:  call try_compat_kernel
    incl form(%rip)
    cmpl $form_count32, form(%rip)
    jb 1b
    call mark_home
    mov worked(%rip), %al
    call put
    jmp commands

attack_compat:
    call get_distance
    call write_absolutes
    movl $0, form(%rip)
1:  call try_compat_user
    mov $'U', %bl
    call judge_compat
    jc failed
    call try_compat_kernel
    mov $'K', %bl
    call judge_compat
    jc failed
    incl form(%rip)
    cmpl $form_count32, form(%rip)
    jb 1b
    mov $'.', %al
    call put
    jmp commands

write_absolutes:
    mov distance(%rip), %eax
    add $HOME32, %eax
    lea absolutes(%rip), %rsi
    lea absolutes_end(%rip), %rdx
1:  mov (%rsi), %edi
    mov %eax, (%rdi)
    add $4, %rsi
    cmp %rdx, %rsi
    jb 1b
    ret

/* CF: the form came through, or faulted elsewhere. */
judge_compat:
    mov rec_vector(%rip), %eax
    cmp $VECTOR_EXIT, %eax
    je 3f
    cmp $14, %eax
    jne 2f
    mov $HOME32, %ecx
    add distance(%rip), %ecx    /* without what is above 32 bits */
    mov rec_cr2(%rip), %rax
    sub %rcx, %rax
    add $0x11000, %rax
    cmp $0x22000, %rax
    jae 4f
2:  clc
    ret
3:  testl $SILENT32, form_flags(%rip)
    jnz 2b
4:  stc
    ret

try_compat_user:
    mov $SEL_USER32, %eax
    mov $SEL_USER_DATA, %edx
    jmp 1f
try_compat_kernel:
    mov $SEL_CODE32, %eax
    mov $SEL_DATA, %edx
1:  mov %rsp, try_sp(%rip)
    mov %eax, compat_cs(%rip)
    mov %edx, compat_ss(%rip)
    lea 9f(%rip), %rax
    mov %rax, try_resume(%rip)
    movl $0, hook(%rip)
    movl $-1, rec_vector(%rip)
    cld
    fninit
    mov home(%rip), %rdi
    mov $128, %ecx
    xor %eax, %eax
    rep stosq
    mov form(%rip), %eax
    lea form_table32(%rip), %rdx
    mov (%rdx, %rax, 8), %ecx
    mov %ecx, form_code(%rip)
    mov 4(%rdx, %rax, 8), %r9d
    mov %r9d, form_flags(%rip)
    movl $VECTOR_EXIT, rec_vector(%rip)
    test $NARROW32, %r9d        /* low memory is there */
    jnz 9f
    movl $-1, rec_vector(%rip)
    mov $SEL_USER_DATA, %eax
    .irp reg, ds, es, fs, gs
    mov %eax, %\reg
    .endr
    mov distance(%rip), %rax
    shr $32, %rax
    mov %eax, %edx              /* EDX: the upper half */
    add $0x8000, %eax
    shr $16, %eax
    jz 2f
    cmp $1, %eax
    ja 3f                       /* not canonical */
2:  xor %eax, %eax
    mov $0xc0000100, %ecx       /* FS and GS */
    wrmsr
    inc %ecx
    wrmsr
3:  movabs $ALIAS + HOME32, %rcx
    mov (%rcx), %rax
    mov %rax, 8(%rcx)
    /* Registers. */
    mov $HOME32, %ebx
    mov distance(%rip), %rsi
    mov %rsi, %r8
    lea (%rbx, %rsi), %rdi
    mov %rdi, %rbp
    mov %rsi, %rcx
    sar $3, %rcx
    mov compat_ss(%rip), %eax
    push %rax
    mov %rdi, %rax
    test $STACK32, %r9d
    jnz 4f
    shr $32, %rax
    shl $32, %rax
    lea user_stack_top(%rip), %rdx
    add %rdx, %rax
4:  push %rax
    push $2
    mov compat_cs(%rip), %eax
    push %rax
    mov form_code(%rip), %eax
    push %rax
    .irp reg, rdx, r9, r10, r11, r12, r13, r14, r15
    mov %rdi, %\reg
    .endr
    mov %rdi, %rax              /* EAX is 0 */
    shr $32, %rax
    shl $32, %rax
    iretq
9:  ret

    /* --- the forms --- */
    .align 16
    FORM WIDE
    mov (%rbx), %rax
    mov (%rbx, %rsi), %rax
    FORM WIDE
    mov (%rbx), %rax
    mov (%rdx), %rax
    FORM ANY
    mov (%rbx), %rax
    mov (%rbx, %rcx, 8), %rax
    FORM ANY
    add %rcx, %rcx
    mov (%rbx), %rax
    mov (%rbx, %rcx, 4), %rax
    FORM WIDE
    mov (%rbx), %rax
    mov -8(%rbx, %rsi), %rax
    mov 8(%rbx, %rsi), %rax
    FORM ANY                   /* an index that was known to be small */
    mov (%rbx), %rax
    mov %ecx, %eax
    mov %rcx, %rax
    mov (%rbx, %rax, 8), %rax
    FORM ANY                   /* and one that a partial write makes large again */
    mov %rcx, %rdi
    mov $1, %eax
    xchg %rax, %rcx
    mov (%rbx), %rcx
    mov (%rbx, %rax, 8), %rax
    FORM WIDE                   /* a base that moves */
    mov (%rbx), %rax
    add %rsi, %rbx
    mov (%rbx), %rax
    FORM WIDE
    mov (%rbx), %rax
    lea (%rbx, %rsi), %rbx
    mov (%rbx), %rax
    FORM WIDE
    mov (%rbx), %rax
    mov %rdx, %rbx
    mov (%rbx), %rax
    FORM WIDE
    mov (%rbx), %rax
    xchg %rbx, %rdx
    mov (%rbx), %rax
    FORM WIDE
    mov (%rbx), %rax
    xadd %rbx, %rsi
    mov (%rsi), %rax
    FORM WIDE                   /* registers that a translator may keep elsewhere */
    mov (%r12), %rax
    mov (%r10), %rax
    FORM WIDE
    mov (%r12, %r11), %r15
    FORM WIDE
    mov (%r15), %r15
    FORM WIDE
    mov (%r12, %r14), %rcx
    FORM TRUNCATES
    mov (%rbx), %rax
    mov (%edx), %rax
    FORM TRUNCATES
    mov (%ebx, %esi), %rax
    FORM TRUNCATES
    mov %rsi, %rax
    mov (%r12d, %r11d), %rax
    FORM WIDE
form_absolute:
    movabs 0x1122334455667788, %rax
    FORM TRUNCATES
form_relative:
    mov 0x11223344(%rip), %rax
    FORM TRUNCATES
form_moffs32:
    .byte 0x67, 0xa1
    .long 0
    FORM WIDE
    mov %rax, (%rbx)
    mov %rax, (%rdx)
    FORM WIDE
    mov %rax, (%rbx, %rsi)
    FORM ANY
    mov %rax, (%rbx, %rcx, 8)
    FORM ANY
    movb $0x77, (%rbx, %rsi)
    FORM ANY
    movw $0x7777, (%rdx)
    FORM ANY
    movl $0x77777777, (%rdx)
    FORM WIDE
    movnti %rax, (%rdx)
    FORM WIDE
    add %rax, (%rdx)
    FORM WIDE
    lock xadd %rax, (%rdx)
    FORM WIDE
    xchg %rax, (%rdx)
    FORM WIDE
    lock cmpxchg %rax, (%rdx)
    FORM WIDE
    lock cmpxchg8b (%rdx)
    FORM WIDE
    cmpxchg16b (%r9)
    FORM ANY
    lea (, %rsi, 8), %rax       /* as far as a bit offset reaches */
    sar $3, %rax
    sub %rax, %rsi
    add %rsi, %rbx
    shl $3, %rax
    bts %rax, (%rbx)
    FORM ANY
    bt %eax, (%rdx)
    FORM ANY
    btr %rax, (%rdx)
    FORM ANY
    setc (%rdx)
    FORM ANY
    movzbl (%rdx), %eax
    FORM ANY
    mov (%rdx), %ah
    FORM ANY
    mov %bh, (%rdx)
    FORM ANY
    movzwl (%rdx), %ecx
    FORM ANY
    shll %cl, (%rdx)
    FORM WIDE
    imul (%rdx), %rax
    FORM WIDE
    movbe (%rdx), %rax
    FORM WIDE
    crc32q (%rdx), %rax
    FORM WIDE
    mulx (%rdx), %rax, %rcx
    FORM ANY
    mov %rdx, %rbx
    xlat
    FORM ANY
    clflush (%rdx)
    FORM SILENT
    prefetcht0 (%rdx)
    nopl (%rdx)
    FORM SILENT
    lea (%rbx, %rsi), %rax
    /* stacks */
    FORM WIDE
    mov %rdx, %rsp
    pop %rax
    FORM WIDE
    lea 8(%rdx), %rsp
    push %rax
    FORM WIDE
    push %rax
    lea 8(%rdx), %rsp
    push %rax
    FORM WIDE
    mov (%rbx), %rax
    mov %rbx, %rsp
    add %rsi, %rsp
    pop %rax
    FORM ANY
    mov %rdx, %rsp
    pushf
    FORM WIDE
    mov %rdx, %rsp
    popf
    FORM ANY
    mov %rdx, %rsp
    call 1f
1:  nop
    FORM WIDE
    mov %rdx, %rsp
    ret
    FORM ANY
    mov %rdx, %rsp
    lea 1b(%rip), %rax
    call *%rax
    FORM WIDE
    leave
    FORM ANY
    mov %rdx, %rsp
    enter $16, $0
    FORM ANY
    mov %rdx, %rsp
    enter $16, $3
    FORM WIDE
    mov %rdx, %rsp
    iretq
    FORM WIDE
    mov %rdx, %rsp
    lretq
    FORM WIDE
    mov %rdx, %rsp
    pop (%rbx)
    FORM WIDE
    push (%rdx)
    FORM WIDE
    pop (%rdx)
    FORM WIDE
    mov %rbx, %rsp
    mov (%rsp), %rax
    mov (%rsp, %rsi), %rax
    FORM ANY
    mov %rdx, %rsp
    push %fs
    FORM ANY
    mov %rdx, %rsp
    pushw $0x77
    /* code */
    FORM WIDE
    jmp *(%rdx)
    FORM WIDE
    call *(%rdx)
    FORM ANY
    ljmp *(%rdx)
    FORM USER                   /* the kernel can jump where it likes: the fetch faults */
    jmp *%rdx
    FORM USER
    push %rdx
    ret
    FORM USER
    call *%r10
    /* segments */
    FORM WIDE
    wrfsbase %rdx
    mov %fs:0, %rax
    FORM WIDE
    wrfsbase %rsi
    mov %fs:(%rbx), %rax
    FORM WIDE
    wrgsbase %rsi
    mov (%rbx), %rax
    mov %gs:(%rbx), %rax
    FORM WIDE
    wrgsbase %rdx
    xor %eax, %eax
    mov %rax, %gs:(%rax)
    FORM WIDE
    wrfsbase %rsi
    mov %rbx, %rsi
    lea 64(%rbx), %rdi
    mov $16, %ecx
    rep movsb %fs:(%rsi), (%rdi)
    FORM WIDE
    wrgsbase %rsi
    incq %gs:(%rbx)
    /* strings */
    FORM WIDE
    mov %rdx, %rsi
    mov %rbx, %rdi
    mov $8, %ecx
    rep movsb
    FORM WIDE
    mov %rbx, %rsi
    mov $2, %ecx
    rep movsq
    FORM WIDE
    mov $8, %ecx
    rep stosb
    FORM WIDE
    mov $-1, %rcx
    shr $1, %rcx
    rep stosb
    FORM WIDE
    mov %rbx, %rsi
    mov $1, %ecx
    shl $61, %rcx
    inc %rcx
    rep movsq
    FORM WIDE
    std
    mov $1, %ecx
    rep stosq
    FORM WIDE
    mov %rbx, %rsi
    movsq
    FORM WIDE
    mov %rdx, %rsi
    lodsq
    FORM WIDE
    scasq
    FORM WIDE
    mov %rbx, %rsi
    cmpsq
    FORM WIDE
    mov %rbx, %rsi
    mov $8, %ecx
    repe cmpsb
    /* x87, SSE, AVX */
    FORM WIDE
    fldt (%rdx)
    FORM WIDE
    fldl (%rdx)
    FORM WIDE
    fldz
    fstpt (%rdx)
    FORM WIDE
    fnstenv (%rdx)
    FORM WIDE
    fnsave (%rdx)
    FORM WIDE
    frstor (%rdx)
    FORM WIDE
    fldenv (%rdx)
    FORM WIDE
    fbld (%rdx)
    FORM ANY
    fldcw (%rdx)
    FORM ANY
    fnstsw (%rdx)
    FORM WIDE
    fxsave (%rdx)
    FORM WIDE
    fxrstor (%rdx)
    FORM WIDE
    mov %rdx, %rdi
    mov $7, %eax
    xor %edx, %edx
    xsave (%rdi)
    FORM WIDE
    mov %rdx, %rdi
    mov $7, %eax
    xor %edx, %edx
    xrstor (%rdi)
    FORM WIDE
    mov %rdx, %rdi
    mov $7, %eax
    xor %edx, %edx
    xsavec (%rdi)
    FORM WIDE
    movups (%rdx), %xmm0
    FORM WIDE
    movaps %xmm0, (%rdx)
    FORM WIDE
    movntdq %xmm0, (%rdx)
    FORM WIDE
    movdqu (%rbx, %rsi), %xmm15
    FORM WIDE
    movlps (%rdx), %xmm1
    FORM WIDE
    pxor (%rdx), %mm1
    FORM WIDE
    pcmpeqd %xmm1, %xmm1
    maskmovdqu %xmm1, %xmm1
    FORM WIDE
    pcmpeqd %mm1, %mm1
    maskmovq %mm1, %mm1
    FORM ANY
    stmxcsr (%rdx)
    FORM ANY
    ldmxcsr (%rdx)
    FORM WIDE
    pcmpestri $0, (%rdx), %xmm0
    FORM WIDE
    vmovups (%rdx), %ymm1
    FORM WIDE
    vmovdqa %ymm1, (%rdx)
    FORM WIDE
    vbroadcastsd (%rdx), %ymm1
    FORM WIDE
    vpcmpeqd %ymm1, %ymm1, %ymm1
    vmaskmovps (%rdx), %ymm1, %ymm2
    FORM WIDE
    vpcmpeqd %ymm1, %ymm1, %ymm1
    vpmaskmovq %ymm2, %ymm1, (%rdx)
    FORM WIDE
    vpcmpeqd %xmm1, %xmm1, %xmm1
    vmovq %rsi, %xmm2
    vpunpcklqdq %xmm2, %xmm2, %xmm2
    vpgatherqq %xmm1, (%rbx, %xmm2), %xmm3
    FORM ANY
    vpcmpeqd %xmm1, %xmm1, %xmm1
    vmovq %rcx, %xmm2
    vpunpcklqdq %xmm2, %xmm2, %xmm2
    vgatherqpd %xmm1, (%rbx, %xmm2, 8), %xmm3
    /* tables */
    FORM WIDE
    sgdt (%rdx)
    FORM WIDE
    sidt (%rdx)
    FORM ANY
    sldt (%rdx)
    FORM ANY
    str (%rdx)
    FORM ANY
    smsw (%rdx)
    FORM ANY
    verr (%rdx)
    FORM ANY
    lar (%rdx), %eax
    FORM ANY
    mov (%rdx), %fs
    FORM ANY
    mov %ds, (%rdx)
    FORM ANY
    lss (%rdx), %eax
    /* An instruction faults, and its handler, in ring 3 as well, is the instruction behind it: what the first one would
     * have made of RCX is not to be relied on. */
    FORM USER | TRAMPOLINE
    mov $1, %ebp
    shl $62, %rbp
    mov (%rbx), %rdi
    mov (%rbp), %ecx
form_trampoline:
    mov (%rbx, %rcx, 8), %rax
    int $VECTOR_EXIT
    .set form_count, forms

    .purgem FORM
    .purgem LONG_FORM
    FORM_TABLE .rodata.forms32
    .set B, 32
    .set SEL_TARGET_CODE, 0x1e8     /* neither is there */
    .set SEL_INNER_GATE, 0x1f0
    .set VECTOR_INNER, 0x31
    .section .rodata.forms32, "a"
    .align 8
form_table32:
    .section .rodata.absolutes, "a"
    .align 4
absolutes:
    .text
    CODE32
#include "tests/isolation/forms32.inc"
    int $VECTOR_EXIT
    CODE64
    .set form_count32, forms
    .set SILENT32, SILENT | EITHER | NARROW
    .set NARROW32, NARROW
    .set STACK32, STACK
    .section .rodata.absolutes_end, "a"
absolutes_end:

    .data
    .align 8
home: .quad 3 << 39 | 5 << 30 | 8 << 21 | 16 << 12
    .bss
    .align 8
distance: .skip 8
form: .skip 4
form_flags: .skip 4
form_code: .skip 8
worked: .skip 8
compat_cs: .skip 4
compat_ss: .skip 4
    .align 4096
pdpt_home: .skip 4096
pt_home32: .skip 4096
pd_home: .skip 4096
pt_home: .skip 4096
page_home: .skip 4096
page_kernel: .skip 4096
