/*
 * A hostile guest outside 64-bit mode: every form of forms32.inc at addresses that isolation32.py chooses, in protected
 * mode of 32 and 16 bits, kernel and user, with and without paging, in virtual-8086 and in real mode.
 *
 * isolation32.py works on the page `block` through /proc: it reads where things lie, writes page tables and the
 * description of an attack, and reads what became of it. The serial port only carries the doorbell: `g` runs the forms,
 * `p` the script at `copies`, both answered with `.`; `q` ends.
 *
 * In protected mode each form is a task of its own, and each exception a task gate, since forms leave any stack behind.
 * STR tells a handler its vector. Task switches set TS, so #NM alone is an interrupt gate.
 */
#include "tests/kernels/lib.inc"
#include "tests/isolation/form.inc"

    .set SEL_TARGET, 0x60           /* the attacked segment, for the form's CPL */
    .set SEL_TARGET0, 0x68          /* and for CPL 0 */
    .set SEL_TARGET_CODE, 0x70      /* as code */
    .set SEL_INNER_GATE, 0x78
    .set SEL_USER16, 0x80           /* SEL_CODE16 for users */
    .set SEL_ATTACK, 0x88           /* the task of the form */
    .set SEL_HANDLERS, 0x90         /* 33 tasks: vectors 0 to 31 and the exit */
    .set VECTOR_INNER, 0x31
    .set RECORD, 64
    .set NOT_RUN, -2


/* ---- the forms, twice ---- */

    .section .rodata.forms32, "a"
form_table32:
    .section .rodata.forms16, "a"
form_table16:
    .section .rodata.absolutes, "a"
absolutes:
    .text
    .balign 4096
forms32_start:
    FORM_TABLE .rodata.forms32
    .set B, 32
    CODE32
#include "tests/isolation/forms32.inc"
    int $VECTOR_EXIT
    .set form_count32, forms
inner:
    int $VECTOR_EXIT
    .balign 4096
forms32_end:

    .purgem FORM
    .purgem A32
    .purgem LONG_FORM
    FORM_TABLE .rodata.forms16, low_start, LOW_BASE
    .set B, 16
    .section .data.low, "aw"
    .code16
#include "tests/isolation/forms32.inc"
    int $VECTOR_EXIT
    .set form_count16, forms
    .section .rodata.absolutes_end, "a"
absolutes_end:

/* ---- real mode ---- */

    .section .data.low, "aw"
    .align 4
real_idt: .word 0x3ff
    .long 0
    .align 4
real_registers: .skip 32        /* EAX ECX EDX EBX ESP EBP ESI EDI, in and out */
real_target: .skip 4
real_frame: .skip 8             /* vector, IP, CS, flags */
real_a20: .skip 4
    .code16
real_start:                     /* still protected; all segments but CS as the form shall find them */
    lidtl %cs:LOW(real_idt)
    mov %cr0, %eax
    and $~CR0_PE, %eax
    mov %eax, %cr0
    ljmp $LOW_SEG, $LOW(1f)
1:  cmpb $0, %cs:LOW(real_a20)
    je 2f
    in $0x92, %al
    and $~2, %al
    out %al, $0x92
2:  mov %cs:LOW(real_registers) + 4, %ecx
    mov %cs:LOW(real_registers) + 8, %edx
    mov %cs:LOW(real_registers) + 12, %ebx
    mov %cs:LOW(real_registers) + 16, %esp
    mov %cs:LOW(real_registers) + 20, %ebp
    mov %cs:LOW(real_registers) + 24, %esi
    mov %cs:LOW(real_registers) + 28, %edi
    xor %eax, %eax
    jmp *%cs:LOW(real_target)
    .align 8
real_stubs:
    .set vector, 0
    .rept 256
    .align 8
    pushw $vector
    jmp real_trap
    .set vector, vector + 1
    .endr
real_trap:
    mov %eax, %cs:LOW(real_registers)
    mov %ecx, %cs:LOW(real_registers) + 4
    mov %edx, %cs:LOW(real_registers) + 8
    mov %ebx, %cs:LOW(real_registers) + 12
    popl %cs:LOW(real_frame)
    popl %cs:LOW(real_frame) + 4
    mov %esp, %cs:LOW(real_registers) + 16
    mov %ebp, %cs:LOW(real_registers) + 20
    mov %esi, %cs:LOW(real_registers) + 24
    mov %edi, %cs:LOW(real_registers) + 28
    cmpb $0, %cs:LOW(real_a20)
    je 3f
    in $0x92, %al
    or $2, %al
    out %al, $0x92
3:  mov %cr0, %eax
    or $CR0_PE, %eax
    mov %eax, %cr0
    ljmpl $SEL_CODE32, $real_back
    .text
    CODE32

/* EBP: the record. The form at real_target, with EAX..EDI of the task's TSS. */
real_attack:
    mov $task + 40, %esi
    mov $LOW_BASE + LOW(real_registers), %edi
    mov $8, %ecx
    rep movsl
    mov task + 32, %eax
    mov %eax, LOW_BASE + LOW(real_target)
    mov p_a20, %eax
    mov %eax, LOW_BASE + LOW(real_a20)
    mov %ebp, saved_ebp
    clts
    mov $SEL_TARGET0, %eax
    .irp reg, ds, es, fs, gs
    mov %eax, %\reg
    .endr
    mov %cs:task + 80, %eax
    mov %eax, %ss
    ljmp $SEL_CODE16, $LOW(real_start)
real_back:
    mov $SEL_DATA, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $stack_top, %esp
    cld
    lidt idt_pointer32
    mov $LOW_BASE + LOW(real_registers), %esi
    mov $task + 40, %edi
    mov $8, %ecx
    rep movsl
    movzwl LOW_BASE + LOW(real_frame) + 2, %eax
    mov %eax, task + 32
    movzwl LOW_BASE + LOW(real_frame) + 6, %eax
    mov %eax, task + 36
    movzwl LOW_BASE + LOW(real_frame) + 4, %eax
    mov %eax, task + 76
    mov saved_ebp, %ebp
    movzwl LOW_BASE + LOW(real_frame), %eax
    xor %edx, %edx
    jmp record

/* ---- the driver ---- */

no_math:
    clts
    iretl

main:
    DESC SEL_USER16, LOW_BASE, 0xffff, 0xfb, 0
    DESC SEL_ATTACK, task, 103, 0x89, 0
    GATE SEL_INNER_GATE, SEL_CODE32, inner, 0xec, 31
    /* Handlers. */
    xor %esi, %esi
1:  imul $104, %esi, %eax
    lea handlers(%eax), %eax
    movl $handled, 32(%eax)
    movl $2, 36(%eax)
    movl $stack_top, 56(%eax)
    movl $SEL_CODE32, 76(%eax)
    .irp offset, 72, 80, 84
    movl $SEL_DATA, \offset(%eax)
    .endr
    movl $104 << 16, 100(%eax)
    lea SEL_HANDLERS(, %esi, 8), %ecx
    mov $103, %edx
    mov $0x89, %ebx
    call set_descriptor
    lea (, %esi, 8), %edx
    cmp $32, %esi
    jb 2f
    mov $VECTOR_EXIT * 8, %edx
2:  mov %ecx, %eax
    shl $16, %eax
    mov %eax, idt32(%edx)
    movl $0x8500, idt32 + 4(%edx)
    inc %esi
    cmp $33, %esi
    jb 1b
    movb $0xe5, idt32 + 3 * 8 + 5
    movb $0xe5, idt32 + 4 * 8 + 5
    movb $0xe5, idt32 + VECTOR_EXIT * 8 + 5
    IDT_GATE 7, SEL_CODE32, no_math, 0x8e
    IDT_GATE VECTOR_INNER, SEL_CODE32, inner, 0xee
    /* The real-mode table. */
    xor %edi, %edi
    mov $(LOW_SEG << 16) + LOW(real_stubs), %eax
3:  stosl
    add $8, %eax
    cmp $1024, %edi
    jb 3b
    mov %cr0, %eax
    and $~0xc, %eax             /* EM, TS */
    or $0x22, %eax              /* MP, NE */
    mov %eax, %cr0
    mov $0x600, %eax            /* OSFXSR, OSXMMEXCPT */
    mov %eax, own_cr4
    mov %eax, %cr4
    mov $MSR_EFER, %ecx
    rdmsr
    or $0x800, %eax             /* NXE */
    TRY "efer", 0
    wrmsr
    QUIET_ENDTRY
    mov $7, %eax
    xor %ecx, %ecx
    cpuid
    shr $7, %ebx                /* SMEP */
    and $1, %ebx
    mov %ebx, smep
    mov $1, %eax
    cpuid
    bt $26, %ecx
    jnc 4f
    orl $0x40000, own_cr4       /* OSXSAVE */
    mov own_cr4, %eax
    mov %eax, %cr4
    xor %ecx, %ecx
    xor %edx, %edx
    mov $3, %eax
    xsetbv
    mov $7, %eax
    xsetbv
4:  mov $0x174, %ecx            /* SYSENTER_CS */
    mov $SEL_CODE32, %eax
    xor %edx, %edx
    wrmsr
    inc %ecx
    inc %ecx
    mov $sysenter_entry, %eax
    wrmsr

commands:
    mov $stack_top, %esp
    mov $0x3fd, %edx
1:  in %dx, %al
    test $1, %al
    jz 1b
    mov $0x3f8, %edx
    in %dx, %al
    cmp $'q', %al
    je finish
    cmp $'p', %al
    je script
    cmp $'g', %al
    jne commands
    /* Paging, descriptors, the forms with an address in them. */
    mov %cr0, %eax
    and $~CR0_PG, %eax
    mov %eax, %cr0
    mov p_cr4, %ecx
    or own_cr4, %ecx
    mov %ecx, %cr4
    mov p_kernel_cr3, %ecx
    mov %ecx, %cr3
    mov $handlers, %edi
    mov $33, %edx
2:  mov %ecx, 28(%edi)
    add $104, %edi
    dec %edx
    jnz 2b
    cmpl $0, p_paging
    je 3f
    or $CR0_PG | CR0_WP, %eax
    mov %eax, %cr0
3:  mov $p_descriptors, %esi
    .irp selector, SEL_TARGET, SEL_TARGET0, SEL_TARGET_CODE
    mov $gdt + \selector, %edi
    movsl
    movsl
    .endr
    mov p_home, %eax
    add p_distance, %eax
    mov $absolutes, %esi
4:  mov (%esi), %edi
    mov %eax, (%edi)
    add $4, %esi
    cmp $absolutes_end, %esi
    jb 4b
    xor %edx, %edx
    mov $0x175, %ecx            /* SYSENTER_ESP */
    wrmsr
    movl $0, form
    movl $results, result
    movl $copies, copy

one:
    mov form, %eax
    mov $form_table32, %esi
    mov $form_count32, %ecx
    cmpl $16, p_bits
    jne 1f
    mov $form_table16, %esi
    mov $form_count16, %ecx
1:  cmp %ecx, %eax
    jae answer
    mov 4(%esi, %eax, 8), %ebx
    mov (%esi, %eax, 8), %ecx
    mov result, %ebp
    cmp p_only, %eax
    je 2f
    cmpl $-1, p_only
    jne 3f
2:  test p_skip, %ebx
    jz 4f
3:  movl $NOT_RUN, (%ebp)
    jmp next
4:  mov %ecx, form_code
    cmpl $0, p_copies
    je 5f
    mov $page_template, %esi
    mov $page_home, %edi
    mov $1024, %ecx
    rep movsl
5:  call fill_task
    fninit
    ldmxcsr default_mxcsr
    cmpl $0, p_real
    jne real_attack
    ljmp $SEL_ATTACK, $0
handled:
    xor %eax, %eax
    str %ax
    sub $SEL_HANDLERS, %eax
    shr $3, %eax
    cmp $32, %eax
    jb 1f
    mov $VECTOR_EXIT, %eax
1:  xor %edx, %edx
    cmp $stack_top, %esp
    je record
    pop %edx
record:                         /* EAX: vector, EDX: error code */
    mov result, %ebp
    push $2
    popfl                       /* without NT */
    mov %eax, (%ebp)
    mov %edx, 4(%ebp)
    mov %cr2, %eax
    mov %eax, 8(%ebp)
    mov task + 36, %eax         /* EFLAGS */
    mov %eax, 12(%ebp)
    mov task + 32, %eax         /* EIP, from the form's start */
    sub form_code, %eax
    mov %eax, 16(%ebp)
    mov $task + 40, %esi        /* EAX ECX EDX EBX ESP EBP ESI EDI */
    lea 20(%ebp), %edi
    mov $8, %ecx
    rep movsl
    .irp offset, 76, 80, 72     /* CS SS ES */
    mov task + \offset, %eax
    stosl
    .endr
    clts
    cmpl $0, p_copies
    je next
    mov copy, %edi
    mov $page_home, %esi
    mov $2048, %ecx
    rep movsl
    mov %edi, copy
next:
    addl $RECORD, result
    incl form
    jmp one

answer:
    mov $'.', %al
    call putc32
    jmp commands

/* Steps of 16 bytes: what to do, where, and a value (a mask at first, for a wait); without paging. What was read is put
 * in the value's place. */
script:
    mov $copies, %esi
1:  mov (%esi), %ebx
    mov 4(%esi), %edx
    mov 8(%esi), %eax
    cmp $script_end - script_table, %ebx
    jae answer
    jmp *script_table(%ebx)
2:  mov %eax, 8(%esi)
    add $16, %esi
    jmp 1b
    .section .rodata
    .align 4
script_table: .long out8, out16, out32, in8, in16, in32, store32, load32, wait8
script_end:
    .text
out8:
    out %al, %dx
    jmp 2b
out16:
    out %ax, %dx
    jmp 2b
out32:
    out %eax, %dx
    jmp 2b
in8:
    xor %eax, %eax
    in %dx, %al
    jmp 2b
in16:
    xor %eax, %eax
    in %dx, %ax
    jmp 2b
in32:
    in %dx, %eax
    jmp 2b
store32:
    mov %eax, (%edx)
    jmp 2b
load32:
    mov (%edx), %eax
    jmp 2b
wait8:                          /* until IN gives 12(%esi) under the mask; 0: it did not */
    mov $1000000, %ecx
3:  in %dx, %al
    and 8(%esi), %al
    cmp %al, 12(%esi)
    loopne 3b
    mov %ecx, %eax
    jmp 2b

/* EBX: the form's flags. The TSS that it starts from. */
fill_task:
    mov $task, %edi
    mov $26, %ecx
    xor %eax, %eax
    rep stosl
    movl $104 << 16, task + 100
    movl $int_stack_top, task + 4
    movl $SEL_DATA, task + 8
    mov p_home, %eax
    mov %eax, task + 52
    mov p_distance, %ecx
    mov %ecx, task + 64
    add %ecx, %eax
    mov %eax, task + 48
    mov %eax, task + 60
    mov %eax, task + 68
    mov p_index, %ecx
    mov %ecx, task + 44
    test $INNER, %ebx
    jz 1f
    mov %eax, task + 4
    movl $SEL_TARGET0, task + 8
1:  mov p_esp, %ecx
    mov p_ss, %edx
    test $STACK, %ebx
    jz 2f
    mov %eax, %ecx
    mov p_selector, %edx
2:  mov %ecx, task + 56
    mov %edx, task + 80
    mov p_cr3, %eax
    mov %eax, task + 28
    mov p_code, %eax
    add %eax, form_code
    mov form_code, %eax
    mov %eax, task + 32
    mov p_eflags, %eax
    mov %eax, task + 36
    mov p_cs, %eax
    mov %eax, task + 76
    mov p_selector, %eax
    mov %eax, task + 72
    mov %eax, task + 84
    mov %eax, task + 88
    mov %eax, task + 92
    movb $0x89, gdt + SEL_ATTACK + 5
    ret

sysenter_entry:
    push %eax
    int $VECTOR_EXIT

    .data
    .balign 4096
block:
p_magic: .ascii "hostile32 is here, at its block."
    .long block, page_home, page_template, forms32_start, forms32_end, low_start, low_end
    .long stack_of_users, results, copies, tables, form_table32, form_count32, form_table16, form_count16, high_memory
smep: .long 0
    .balign 256
p_paging: .long 0
p_cr4: .long 0
p_kernel_cr3: .long 0
p_cr3: .long 0
p_bits: .long 0
p_real: .long 0
p_a20: .long 0
p_cs: .long 0
p_ss: .long 0
p_esp: .long 0
p_eflags: .long 0
p_selector: .long 0
p_home: .long 0
p_distance: .long 0
p_index: .long 0
p_skip: .long 0
p_only: .long 0
p_copies: .long 0
p_code: .long 0                 /* where the code is mapped as well, from where it was linked for */
p_descriptors: .skip 24
    .balign 4096
default_mxcsr: .long 0x1f80
    .section .data.last, "aw"
    .balign 4096
high_memory: .skip 8192         /* reached from real mode, unless A20 is masked: then low memory that nobody uses */

    .bss
own_cr4: .skip 4
form: .skip 4
form_code: .skip 4
result: .skip 4
copy: .skip 4
saved_ebp: .skip 4
    .balign 128
task: .skip 128
handlers: .skip 33 * 104
    .balign 4096
stack_of_users: .skip 4096
    .skip 4096
page_home: .skip 4096
page_kernel: .skip 4096
page_template: .skip 4096
results: .skip 256 * RECORD
    .balign 4096
tables: .skip 256 * 1024
copies: .skip 256 * 8192
