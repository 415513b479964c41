/* 32-bit paging with and without PSE, PAE paging: rights, error codes, PDPTEs, large pages, refused control registers. */
#include "tests/kernels/lib.inc"

    .set S_B, SEL_FREE              /* a TSS */
    .set T, 0x80000000              /* the test window: one page table's worth */
    .set P, 1
    .set W, 2
    .set U, 4
    .set PS, 0x80

.macro PTE flags, high=0
    movl $(page_a + (\flags)), %eax
    call *set_entry
    movl $\high, %eax
    call *set_high
    invlpg T
.endm

.macro ACCESSES name, flags, high=0
    PTE (\flags), \high
    TRY "\name, read"
    mov T, %eax
    ENDTRY
    TRY "\name, write"
    mov %eax, T + 8
    ENDTRY
    TRY "\name, fetch"
    mov $T, %eax
    call *%eax
    ENDTRY
    TRY "\name, user read"
    RING3
    mov T, %eax
    DONE
    ENDTRY
    TRY "\name, user write"
    RING3
    mov %eax, T + 8
    DONE
    ENDTRY
    TRY "\name, user fetch"
    RING3
    mov $T, %eax
    call *%eax
    DONE
    ENDTRY
.endm

/* Where TCG would not refuse the value and then not survive it. */
.macro CR_STRICT name, register, value
    cmpl $0x54474354, hypervisor    /* "TCGT" */
    je 9f
    CR "\name", \register, "\value"
9:
.endm

set_entry32:
    mov %eax, page_table
    ret
set_high32:
    ret
set_entry_pae:
    mov %eax, page_table
    ret
set_high_pae:
    mov %eax, page_table + 4
    ret

.macro CR name, register, value
    TRY "\name"
    mov %\register, %eax
    \value
    MARK
    mov %eax, %\register
    ENDTRY
.endm

/* A task with an address space of its own, and back. */
.macro SPACES name, root
    call reset_task
    movl $\root, tss_b + 28
    TRY "\name, jmp to a task and back"
    ljmp $S_B, $0
    ENDTRY
    mov seen, %eax
    SHOW "\name, there"
    mov T + 16, %eax
    SHOW "\name, here again"
    mov seen + 4, %eax
    sub $\root, %eax
    SHOW "\name, its cr3"
    call reset_task
    movl $\root, tss_b + 28
    movl $0, page_table2
    TRY "\name, a page that only the task lacks"
    movl $task_b_reads, try_ip
    ljmp $S_B, $0
    ENDTRY
    xor %eax, %eax
    str %ax
    SHOW "\name, tr then"
    mov %cr3, %eax
    sub $\root, %eax
    SHOW "\name, cr3 then"
    mov tss + 28, %eax
    mov %eax, %cr3
    call reset_task
.endm

/* Main is the current task; B is fresh. Its window is page B. */
reset_task:
    pushal
    mov %cr3, %eax
    mov %eax, tss + 28
    DESC S_B, tss_b, 103, 0x89, 0
    andb $~2, gdt + SEL_TSS + 5
    mov $SEL_TSS, %eax
    ltr %ax
    clts
    mov $tss_b, %edi
    mov $26, %ecx
    xor %eax, %eax
    rep stosl
    movl $task_b, tss_b + 32
    movl $2, tss_b + 36
    movl $stack_b_top, tss_b + 56
    .irp offset, 72, 80, 84
    movl $SEL_DATA, tss_b + \offset
    .endr
    movl $SEL_CODE32, tss_b + 76
    movl $104 << 16, tss_b + 100
    movl $page_b + 7, page_table2
    movl $0, page_table2 + 4
    movl $0xa, page_a + 16
    movl $0xb, page_b + 16
    popal
    ret

task_b:
    mov %cr3, %eax
    mov %eax, seen + 4
task_b_reads:
    mov T + 16, %eax
    mov %eax, seen
    ljmp $SEL_TSS, $0

main:
    mov $0x40000000, %eax
    cpuid
    mov %ebx, hypervisor
    movl $0xc3c3c3c3, page_a
    CR_STRICT "PG without PE", cr0, "mov $0x80000010, %eax"
    call two_level
    call pae
    ret

two_level:
    /* Identity by 4 MiB pages. */
    mov $page_directory, %edi
    mov $0x87, %eax
    mov $1024, %ecx
1:  stosl
    add $0x400000, %eax
    loop 1b
    movl $page_table + 7, page_directory + (T >> 22) * 4
    mov %cr4, %eax
    or $0x10, %eax                  /* PSE */
    mov %eax, %cr4
    mov $page_directory, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    or $CR0_PG | CR0_WP, %eax
    mov %eax, %cr0
    movl $set_entry32, set_entry
    movl $set_high32, set_high
    ACCESSES "32-bit, absent", 0
    ACCESSES "32-bit, supervisor", P|W
    ACCESSES "32-bit, read only", P|U
    ACCESSES "32-bit, read write", P|W|U
    mov page_table, %eax
    and $0x60, %eax
    SHOW "32-bit, A and D"
    movl $page_table + 5, page_directory + (T >> 22) * 4
    mov %cr3, %eax
    mov %eax, %cr3
    TRY "32-bit, write, read only directory"
    mov %eax, T + 8
    ENDTRY
    movl $page_table + 7, page_directory + (T >> 22) * 4
    PTE P|W|U
    mov $page_directory, %esi
    mov $page_directory2, %edi
    mov $1024, %ecx
    rep movsl
    movl $page_table2 + 7, page_directory2 + (T >> 22) * 4
    SPACES "32-bit", page_directory2
    mov %cr3, %eax
    mov %eax, %cr3
    mov %cr0, %eax
    and $~CR0_WP, %eax
    mov %eax, %cr0
    PTE P
    TRY "32-bit, write to read only without WP"
    mov %eax, T + 8
    ENDTRY
    mov %cr0, %eax
    or $CR0_WP, %eax
    mov %eax, %cr0
    PTE P|W|U
    TRY "32-bit, next page is missing"
    movl $0, page_table + 4
    movl $0x5a5a5a5a, page_a + 0xffc
    MARK
    mov %eax, T + 0xffe
    ENDTRY
    mov page_a + 0xffc, %eax
    SHOW "nothing written"
    /* A large page with A and D. */
    movl $0x87, page_directory + (T >> 22) * 4
    mov %cr3, %eax
    mov %eax, %cr3
    movl $0x1234, 0x1000
    mov T + 0x1000, %eax
    SHOW "large page"
    mov page_directory + (T >> 22) * 4, %eax
    and $0x60, %eax
    SHOW "large page, A and D"
    movl $0x200087, page_directory + (T >> 22) * 4
    invlpg T
    TRY "large page, reserved bit 21"
    mov T, %eax
    ENDTRY
    /* Without PSE the PS bit is ignored; only the kernel's own 4 MiB need a table then. */
    mov $own_table, %edi
    mov $7, %eax
    mov $1024, %ecx
1:  stosl
    add $0x1000, %eax
    loop 1b
    movl $own_table + 7, page_directory
    movl $page_table + 0x87, page_directory + (T >> 22) * 4
    mov %cr4, %eax
    and $~0x10, %eax
    mov %eax, %cr4
    movl $0x600d, page_a + 16
    PTE P|W|U
    TRY "PS without PSE"
    mov T + 16, %eax
    ENDTRY
    SHOW "read"
    mov %cr0, %eax
    and $0x7fffffff, %eax
    mov %eax, %cr0
    movl $0xc3c3c3c3, page_a
    ret

pae:
    mov $pae_directories, %edi
    mov $0x87, %eax
    mov $2048, %ecx
1:  mov %eax, (%edi)
    movl $0, 4(%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    .irp i, 0, 1, 2, 3
    movl $pae_directories + \i * 4096 + 1, pdpt + \i * 8
    .endr
    movl $page_table + 7, pae_directories + (T >> 21) * 8
    mov $page_table, %edi
    mov $1024, %ecx
    xor %eax, %eax
    rep stosl
    mov %cr4, %eax
    or $0x20, %eax
    mov %eax, %cr4
    mov $pdpt, %eax
    mov %eax, %cr3
    mov $MSR_EFER, %ecx
    rdmsr
    or $0x800, %eax
    wrmsr
    mov %cr0, %eax
    or $CR0_PG, %eax
    mov %eax, %cr0
    movl $set_entry_pae, set_entry
    movl $set_high_pae, set_high
    ACCESSES "pae, absent", 0
    ACCESSES "pae, supervisor", P|W
    ACCESSES "pae, read only", P|U
    ACCESSES "pae, read write", P|W|U
    ACCESSES "pae, no execute", P|W|U, 0x80000000
    PTE P|W|U, 0x00080000
    TRY "pae, reserved bit 51"
    mov T, %eax
    ENDTRY
    PTE P|W|U, 0x40000000
    TRY "pae, reserved bit 62"
    mov T, %eax
    ENDTRY
    PTE P|W|U
    movl $0x2087, pae_directories + (T >> 21) * 8
    invlpg T
    TRY "pae, large page, reserved bit 13"
    mov T, %eax
    ENDTRY
    movl $0x87, pae_directories + (T >> 21) * 8
    invlpg T
    movl $0x1234, 0x1000
    mov T + 0x1000, %eax
    SHOW "pae, large page"
    movl $page_table + 7, pae_directories + (T >> 21) * 8
    /* The entries of the pointer table are loaded with CR3 and checked then. */
    movl $pae_directories + 0x3003, pdpt + 24       /* R/W is reserved */
    CR_STRICT "pdpte, reserved bit 1", cr3, "nop"
    movl $0, pdpt + 24
    CR "pdpte, absent", cr3, "nop"
    TRY "read through the absent one"
    mov 0xc0000000, %eax
    ENDTRY
    movl $pae_directories + 0x3001, pdpt + 24
    CR "pdpte again", cr3, "nop"
    TRY "read through it"
    mov 0xc0000000, %eax
    ENDTRY
    mov $pae_directories + 0x2000, %esi
    mov $page_directory2, %edi
    mov $1024, %ecx
    rep movsl
    movl $page_table2 + 7, page_directory2
    mov $pdpt, %esi
    mov $pdpt2, %edi
    mov $8, %ecx
    rep movsl
    movl $page_directory2 + 1, pdpt2 + 16
    SPACES "pae", pdpt2
    CR_STRICT "LME while paging", cr0, "mov $MSR_EFER, %ecx; rdmsr; or $0x100, %eax; wrmsr"
    CR_STRICT "PCIDE outside long mode", cr4, "or $0x20000, %eax"
    CR_STRICT "PE off while paging", cr0, "and $~1, %eax"
    CR_STRICT "cr4, reserved bit", cr4, "or $0x8000, %eax"
    mov %cr0, %eax
    and $0x7fffffff, %eax
    mov %eax, %cr0
    mov %cr4, %eax
    and $~0x20, %eax
    mov %eax, %cr4
    mov $MSR_EFER, %ecx
    rdmsr
    or $0x100, %eax
    wrmsr
    CR_STRICT "LME, PG without PAE", cr0, "or $0x80000000, %eax"
    mov $MSR_EFER, %ecx
    rdmsr
    and $~0x100, %eax
    wrmsr
    ret

    .data
    .align 4
set_entry: .long 0
set_high: .long 0
hypervisor: .long 0
seen: .long 0, 0
    .align 16
tss_b: .skip 104
    .bss
    .align 4096
page_directory: .skip 4096
page_table: .skip 4096
own_table: .skip 4096
page_a: .skip 4096
pae_directories: .skip 4 * 4096
page_directory2: .skip 4096
page_table2: .skip 4096
page_b: .skip 4096
    .skip 1024
stack_b_top:
    .align 32
pdpt2: .skip 32
pdpt: .skip 32
