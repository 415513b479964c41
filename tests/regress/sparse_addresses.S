/*
 * Symptom: a guest that touches far more addresses than it has memory made ring3 grow by gigabytes.
 * Cause: pages of shadow tables that had once held an entry were never given back. sparse_addresses.py looks at the size.
 *
 * Prints:
 *   found: 20000
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set LARGE, 0x400000 + 0x87     /* 2 MiB of memory: present, writable, for users, large */
    .set LARGE_PAGE, 0x200000
    .set STRETCH, 64 << 9           /* large pages: 64 GiB */

/* RDI: a table, whose entries become 512 times RAX. */
    CODE64
fill_table:
    mov $512, %ecx
    rep stosq
    ret

/* Increments the quadword at the start of STRETCH large pages from R14 on, which are all the same memory. */
touch:
    mov $STRETCH, %ecx
    mov %r14, %rbx
1:  incq (%rbx)
    add $LARGE_PAGE, %rbx
    dec %ecx
    jnz 1b
    ret

    CODE32
main:
    ENTER_LONG
    lea same_memory(%rip), %rdi
    mov $LARGE, %eax
    call fill_table
    lea same_directory(%rip), %rdi
    lea same_memory + 7(%rip), %rax
    call fill_table
    lea same_directory + 7(%rip), %rax
    mov %rax, page_pml4 + 8 * 8(%rip)   /* 4 TiB on */
    movq $0, 0x400000

    mov $4 << 40, %r14                  /* addresses whose bits 40 and 41 differ are other entries of the tables */
    call touch
    mov $36, %ecx
    mov $1, %eax
    shl %cl, %rax
    add %rax, %r14
    call touch                          /* the next 64 GiB */
    mov $4 << 40, %r14
    call touch                          /* what was there before, and may be gone */
    call touch
    mov 0x400000, %rax
    SHOW "found"
    jmp finish64

    .bss
    .align 4096
same_memory: .skip 4096
same_directory: .skip 4096
