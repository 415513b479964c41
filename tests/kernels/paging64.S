/* 4-level paging: error codes, rights, accessed and dirty bits, reserved bits, what must leave the TLB, PCID, page ends. */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    /* The test window T: 2 MiB at 512 GiB, by test_pdpt, test_pd, test_pt. R15 holds T all the time. */
    .set P, 1
    .set W, 2
    .set U, 4
    .set A, 0x20
    .set D, 0x40
    .set PS, 0x80
    .set G, 0x100
    .set NX, 1 << 31            /* in the upper half */

.macro SET_ENTRY table, index, target, flags, high=0
    movl $(\target + \flags), \table + \index * 8(%rip)
    movl $\high, \table + \index * 8 + 4(%rip)
.endm
.macro SET_PTE index, target, flags, high=0
    SET_ENTRY test_pt, \index, \target, (\flags), \high
    lea \index * 4096(%r15), %rdi
    invlpg (%rdi)
.endm
.macro RELOAD_CR3
    mov %cr3, %rdi
    mov %rdi, %cr3
.endm
.macro CR4_SET bits
    mov %cr4, %rdi
    or $\bits, %rdi
    mov %rdi, %cr4
.endm
.macro CR4_CLEAR bits
    mov %cr4, %rdi
    and $~(\bits), %rdi
    mov %rdi, %cr4
.endm

.macro ACCESSES name
    TRY "\name, read"
    mov (%r15), %eax
    ENDTRY
    TRY "\name, write"
    mov %eax, 8(%r15)
    ENDTRY
    TRY "\name, fetch"
    call *%r15
    ENDTRY
    TRY "\name, user read"
    RING3
    mov (%r15), %eax
    DONE
    ENDTRY
    TRY "\name, user write"
    RING3
    mov %eax, 8(%r15)
    DONE
    ENDTRY
    TRY "\name, user fetch"
    RING3
    call *%r15
    DONE
    ENDTRY
.endm

    CODE32
main:
    ENTER_LONG
    mov $1, %r15d
    shl $39, %r15
    SET_ENTRY page_pml4, 1, test_pdpt, 7
    SET_ENTRY test_pdpt, 0, test_pd, 7
    SET_ENTRY test_pd, 0, test_pt, 7
    movl $0xc3c3c3c3, page_a(%rip)      /* ret */
    movl $0xc3c3c3c3, page_b(%rip)
    movl $0xc3c3c3c3, page_rets(%rip)
    call rights
    call reserved
    call accessed_dirty
    call page_ends
    call flushes
    call pcid
    call control_registers
    jmp finish64

rights:
    SET_PTE 0, page_rets, 0
    ACCESSES "not present"
    SET_PTE 0, page_rets, P | W
    ACCESSES "supervisor"
    movl $0xc3c3c3c3, page_rets(%rip)
    SET_PTE 0, page_rets, P
    ACCESSES "supervisor read only"
    SET_PTE 0, page_rets, P | U
    ACCESSES "read only"
    SET_PTE 0, page_rets, P | U | W
    ACCESSES "read write"
    movl $0xc3c3c3c3, page_rets(%rip)
    SET_PTE 0, page_rets, (P | U | W), NX
    ACCESSES "no execute"
    SET_PTE 0, page_rets, (P | W), NX
    ACCESSES "supervisor no execute"
    movl $0xc3c3c3c3, page_rets(%rip)
    SET_PTE 0, page_rets, (P | W | U)
    SET_ENTRY test_pd, 0, test_pt, P | W
    RELOAD_CR3
    ACCESSES "supervisor by the directory"
    SET_ENTRY test_pd, 0, test_pt, P | U
    RELOAD_CR3
    ACCESSES "read only by the directory"
    SET_ENTRY test_pd, 0, test_pt, (P | U | W), NX
    RELOAD_CR3
    ACCESSES "no execute by the directory"
    SET_ENTRY test_pd, 0, 0, 0
    RELOAD_CR3
    ACCESSES "no directory entry"
    SET_ENTRY test_pd, 0, test_pt, P | W | U
    RELOAD_CR3
    movl $0xc3c3c3c3, page_rets(%rip)

    SET_PTE 0, page_rets, P | U
    mov %cr0, %rax
    and $~CR0_WP, %eax
    mov %rax, %cr0
    TRY "write to read only without WP"
    movl $0x12345678, (%r15)
    ENDTRY
    mov page_rets(%rip), %eax
    SHOW "written"
    TRY "user write to read only without WP"
    RING3
    movl $0, (%r15)
    DONE
    ENDTRY
    mov %cr0, %rax
    or $CR0_WP, %eax
    mov %rax, %cr0
    TRY "and WP again"
    movl $0, (%r15)
    ENDTRY
    movl $0xc3c3c3c3, page_rets(%rip)
    SET_PTE 0, page_rets, P | U | W
    mov $7, %eax
    xor %ecx, %ecx
    cpuid
    test $0x80, %bl             /* SMEP */
    jz 1f
    mov (%r15), %eax
    /* All of the kernel lies in user pages: with SMEP it needs supervisor ones. */
    andl $~4, page_pml4(%rip)
    CR4_SET 0x100000
    RELOAD_CR3
    TRY "SMEP, fetch of a user page"
    call *%r15
    ENDTRY
    TRY "SMEP, read of a user page"
    mov (%r15), %eax
    ENDTRY
    SET_PTE 0, page_rets, P | W
    TRY "SMEP, fetch of a supervisor page"
    call *%r15
    ENDTRY
    SET_PTE 0, page_rets, P | W | U
    SET_ENTRY test_pd, 0, test_pt, P | W
    RELOAD_CR3
    TRY "SMEP, fetch of a page that is a supervisor's by the directory"
    call *%r15
    ENDTRY
    SET_ENTRY test_pd, 0, test_pt, P | W | U
    RELOAD_CR3
    TRY "SMEP, jump within a page of user code"
    movl $0xc3c3c3c3, page_rets(%rip)
    CR4_CLEAR 0x100000
    call *%r15
    CR4_SET 0x100000
    MARK
    call *%r15
    ENDTRY
    SET_PTE 0, page_rets, 0
    mov $MSR_EFER, %ecx
    rdmsr
    and $~0x800, %eax
    wrmsr
    TRY "SMEP without NXE, not present, fetch"
    call *%r15
    ENDTRY
    SET_PTE 0, page_rets, P | W | U
    TRY "SMEP without NXE, fetch of a user page"
    call *%r15
    ENDTRY
    TRY "SMEP without NXE, read of a missing page"
    mov 4096(%r15), %eax
    ENDTRY
    mov $MSR_EFER, %ecx
    rdmsr
    or $0x800, %eax
    wrmsr
    SET_PTE 0, page_rets, P | W
    CR4_CLEAR 0x100000
    orl $4, page_pml4(%rip)
    RELOAD_CR3
    jmp 2f
1:  PRINT "no SMEP\n"
2:  ret

reserved:
    SET_PTE 0, page_rets, (P | W | U), 0x00080000       /* bit 51 */
    ACCESSES "reserved bit 51"
    SET_PTE 0, page_rets, 0, 0x00080000
    TRY "reserved bit without present"
    mov (%r15), %eax
    ENDTRY
    SET_PTE 0, page_rets, (P | W | U), 0x7ff00000
    TRY "ignored bits"
    mov (%r15), %eax
    ENDTRY
    SET_ENTRY test_pd, 0, 0x2000, P | W | U | PS
    RELOAD_CR3
    TRY "reserved bit 13 of a large page"
    mov (%r15), %eax
    ENDTRY
    SET_ENTRY test_pd, 0, 0x1000, P | W | U | PS
    RELOAD_CR3
    TRY "PAT bit of a large page"
    mov (%r15), %eax
    ENDTRY
    SET_ENTRY test_pd, 0, test_pt, P | W | U
    SET_ENTRY page_pml4, 1, test_pdpt, P | W | U | PS
    RELOAD_CR3
    TRY "PS in the PML4"
    mov (%r15), %eax
    ENDTRY
    SET_ENTRY page_pml4, 1, test_pdpt, P | W | U
    SET_PTE 0, page_rets, (P | W | U), NX
    mov $MSR_EFER, %ecx
    rdmsr
    and $~0x800, %eax
    wrmsr
    RELOAD_CR3
    TRY "bit 63 without NXE"
    mov (%r15), %eax
    ENDTRY
    TRY "bit 63 without NXE, user write"
    RING3
    mov %eax, (%r15)
    DONE
    ENDTRY
    SET_PTE 0, page_rets, 0
    TRY "fetch without NXE"
    call *%r15
    ENDTRY
    mov $MSR_EFER, %ecx
    rdmsr
    or $0x800, %eax
    wrmsr
    RELOAD_CR3
    ret

.macro SHOW_AD name, cell=test_pt
    mov \cell(%rip), %eax
    and $0xe60, %eax
    SHOW "\name"
.endm

accessed_dirty:
    SET_PTE 0, page_a, P | W | U | 0xe00
    SHOW_AD "untouched"
    mov (%r15), %eax
    SHOW_AD "after a read"
    mov %eax, (%r15)
    SHOW_AD "after a write"
    SET_PTE 0, page_a, P | W | U
    mov %eax, (%r15)
    SHOW_AD "after a write only"
    SET_PTE 0, page_a, P | W | U
    movl $1, page_a(%rip)
    xor %eax, %eax
    mov $5, %ecx
    cmpxchg %ecx, (%r15)
    SHOW_AD "after cmpxchg that fails"
    SET_PTE 0, page_a, P | W | U
    mov $0, %ecx
    add $0, %eax
    shlb %cl, (%r15)
    SHOW_AD "after shl by 0, A only or both"
    SET_PTE 0, page_a, P | W | U
    xor %ecx, %ecx
    mov %r15, %rdi
    rep stosb
    SHOW_AD "after rep stosb of nothing"
    SET_PTE 0, page_a, P | U
    TRY "write to read only"
    mov %eax, (%r15)
    ENDTRY
    mov test_pt(%rip), %eax
    and $D, %eax
    SHOW "D after that"
    movl $0xc3c3c3c3, page_a(%rip)
    SET_PTE 0, page_a, P | W | U
    call *%r15
    SHOW_AD "after a fetch"
    andl $~0x60, test_pd(%rip)
    andl $~0x60, test_pdpt(%rip)
    andl $~0x60, page_pml4 + 8(%rip)
    RELOAD_CR3
    mov %eax, (%r15)
    SHOW_AD "directory", test_pd
    SHOW_AD "pdpt", test_pdpt
    SHOW_AD "pml4", page_pml4+8
    SET_ENTRY test_pd, 0, 0, P | W | U | PS
    RELOAD_CR3
    mov 0x500(%r15), %eax
    SHOW_AD "large page after a read", test_pd
    mov %eax, 0x500(%r15)
    SHOW_AD "large page after a write", test_pd
    SET_ENTRY test_pd, 0, test_pt, P | W | U
    SET_PTE 0, page_a, P | W | U
    RELOAD_CR3
    mov %eax, (%r15)
    andl $~0x60, test_pt(%rip)
    invlpg (%r15)
    mov (%r15), %eax
    SHOW_AD "cleared, invlpg, read"
    andl $~0x60, test_pt(%rip)
    RELOAD_CR3
    mov %eax, (%r15)
    SHOW_AD "cleared, CR3, write"
    mov $page_b, %eax
    ret

/* The first page is there, the second is not, or is read-only. */
.macro CROSS name, setup, insn, length=8
    mov $0x5a, %al
    mov $page_a, %edi
    mov $4096, %ecx
    rep stosb
    TRY "\name"
    lea 0x1000 - \length / 2(%r15), %rbx
    xor %eax, %eax
    \setup
    MARK
    \insn
    ENDTRY
    mov page_a + 0x1000 - 8(%rip), %rax
    SHOW "\name, memory"
.endm

page_ends:
    ENABLE_SSE
    SET_PTE 0, page_a, P | W | U
    SET_PTE 1, page_b, 0
    CROSS "read 8", nop, "mov (%rbx), %rax"
    CROSS "write 8", nop, "mov %rax, (%rbx)"
    CROSS "write 2", nop, "mov %ax, (%rbx)", 2
    CROSS "add 4", nop, "add %eax, (%rbx)", 4
    CROSS "lock xadd", nop, "lock xadd %rax, (%rbx)"
    CROSS "xchg", nop, "xchg %rax, (%rbx)"
    CROSS "push", "RING3; lea 8(%rbx), %rsp", "push %rax"
    CROSS "call", "RING3; lea 8(%rbx), %rsp", "call main"
    CROSS "pop to memory", "push $0", "pop (%rbx)"
    CROSS "movups", "xorps %xmm0, %xmm0", "movups %xmm0, (%rbx)", 16
    CROSS "movsq", "mov %rbx, %rdi; lea page_b(%rip), %rsi", "movsq"
    CROSS "rep stosb", "mov %rbx, %rdi; mov $8, %ecx", "rep stosb"
    mov rec_sp(%rip), %rax
    mov F64_RCX(%rax), %rax
    SHOW "rcx left"
    CROSS "rep stosw over the end", "lea -3(%rbx), %rdi; mov $8, %ecx", "rep stosw"
    mov rec_sp(%rip), %rax
    mov F64_RCX(%rax), %rax
    SHOW "rcx left of words"
    CROSS "fstpt", "fninit; fld1", "fstpt (%rbx)", 10
    CROSS "fnstenv", "fninit", "fnstenv (%rbx)", 28
    CROSS "sgdt", nop, "sgdt (%rbx)", 10
    CROSS "enter", "RING3; lea 8(%rbx), %rsp", "enter $0, $0"
    CROSS "btsq", "mov $9, %eax", "btsl %eax, (%rbx)", 4
    CROSS "cmpxchg8b that fails", "mov $1, %edx", "cmpxchg8b (%rbx)", 8
    SET_PTE 1, page_b, P | U
    CROSS "write 8, second read only", nop, "mov %rax, (%rbx)"
    CROSS "read 8, second read only", nop, "mov (%rbx), %rax"
    CROSS "add 8, second read only", nop, "add %rax, (%rbx)"
    SET_PTE 0, page_a, 0
    CROSS "read, first missing", nop, "mov (%rbx), %rax"
    SET_PTE 1, page_b, 0
    CROSS "write, both missing", nop, "mov %rax, (%rbx)"
    /* Code: "mov $imm32, %eax" with two bytes on the second page. */
    SET_PTE 0, page_a, P | W | U
    movl $0x1111b890, page_a + 0xffc(%rip)
    TRY "fetch over the end"
    lea 0xffd(%r15), %rbx
    jmp *%rbx
    ENDTRY
    TRY "nop before it"
    lea 0xffc(%r15), %rbx
    jmp *%rbx
    ENDTRY
    SET_PTE 1, page_b, P | W | U
    movl $0x00c32222, page_b(%rip)
    TRY "fetch over the end, present"
    lea 0xffc(%r15), %rbx
    call *%rbx
    ENDTRY
    SHOW "immediate"
    SET_PTE 1, page_c, P | W | U
    movl $0x00c33333, page_c(%rip)
    TRY "second page remapped"
    lea 0xffc(%r15), %rbx
    call *%rbx
    ENDTRY
    SHOW "immediate"
    movl $0x00c34444, page_c(%rip)
    lea 0xffc(%r15), %rbx
    call *%rbx
    SHOW "second page rewritten"
    movb $0xcc, page_a + 0xffe(%rip)
    call *%rbx
    SHOW "first page rewritten"
    ret

.macro EXPECT name
    mov (%r15), %eax
    SHOW "\name"
.endm

.macro SWITCH target, flags=7
    movl $\target + \flags, test_pt(%rip)
.endm

flushes:
    SET_PTE 0, page_a, P | W | U
    movl $0xa, page_a(%rip)
    movl $0xb, page_b(%rip)
    movl $0xc, page_c(%rip)
    EXPECT "first"
    SWITCH page_b
    invlpg (%r15)
    EXPECT "invlpg"
    SWITCH page_a
    invlpg 0xfff(%r15)
    EXPECT "invlpg of the last byte"
    SWITCH page_b
    RELOAD_CR3
    EXPECT "cr3"
    mov %eax, (%r15)
    SWITCH page_a
    RELOAD_CR3
    movl $0x1a, (%r15)
    mov page_a(%rip), %eax
    SHOW "cr3, write"
    mov page_b(%rip), %eax
    SHOW "cr3, write, the other"
    movl $0xa, page_a(%rip)
    /* Global pages. */
    CR4_SET 0x80
    SWITCH page_a, 0x107
    RELOAD_CR3
    EXPECT "global"
    SWITCH page_b, 0x107
    CR4_CLEAR 0x80
    EXPECT "global, PGE cleared"
    CR4_SET 0x80
    EXPECT "global, PGE set"
    SWITCH page_a, 0x107
    invlpg (%r15)
    EXPECT "global, invlpg"
    SWITCH page_b, 7
    invlpg (%r15)
    EXPECT "no longer global"
    SWITCH page_a
    RELOAD_CR3
    EXPECT "no longer global, cr3"
    SWITCH page_b, 0x107
    mov %cr0, %rax
    CR4_CLEAR 0x80
    EXPECT "global, PGE cleared again"
    /* Absent entries are not cached: no flush needed. */
    SWITCH page_a, 0
    invlpg (%r15)
    TRY "absent"
    mov (%r15), %eax
    ENDTRY
    SWITCH page_a
    EXPECT "present without a flush"
    /* A fault on a stale entry removes it. */
    SWITCH page_a, 5
    invlpg (%r15)
    TRY "read only"
    mov %eax, (%r15)
    ENDTRY
    SWITCH page_a, 7
    TRY "writable without a flush, after a fault"
    mov %eax, (%r15)
    ENDTRY
    /* 2 MiB pages. */
    SET_ENTRY test_pd, 0, 0x400000, P | W | U | PS
    RELOAD_CR3
    movl $0x4a, 0x400000
    movl $0x6a, 0x600000
    movl $0x4b, 0x5ff000
    movl $0x6b, 0x7ff000
    EXPECT "large page"
    mov 0x1ff000(%r15), %eax
    SHOW "large page, end"
    SET_ENTRY test_pd, 0, 0x600000, P | W | U | PS
    invlpg 0x12345(%r15)
    EXPECT "large page, invlpg elsewhere in it"
    mov 0x1ff000(%r15), %eax
    SHOW "large page, invlpg elsewhere in it, end"
    SET_ENTRY test_pd, 0, test_pt, P | W | U
    invlpg (%r15)
    movl $0x1a, page_a(%rip)
    EXPECT "large page to small ones"
    /* Through a page table that is itself rewritten by its own mapping. */
    SET_PTE 2, test_pt, P | W | U
    movl $page_b + 7, 0x2000(%r15)
    invlpg (%r15)
    EXPECT "page table through itself"
    /* Code pages. */
    movl $0x000001b8, page_a(%rip)
    movl $0x0000c300, page_a + 4(%rip)
    movl $0x000002b8, page_b(%rip)
    movl $0x0000c300, page_b + 4(%rip)
    SWITCH page_a
    invlpg (%r15)
    call *%r15
    SHOW "code"
    SWITCH page_b
    invlpg (%r15)
    call *%r15
    SHOW "code, invlpg"
    SWITCH page_a
    RELOAD_CR3
    call *%r15
    SHOW "code, cr3"
    movb $3, page_a + 1(%rip)
    call *%r15
    SHOW "code written through another mapping"
    movb $4, 1(%r15)
    call *%r15
    SHOW "code written through its own"
    mov $page_a, %edi
    call *%rdi
    SHOW "and called through the other"
    SWITCH page_a, 5
    invlpg (%r15)
    movb $5, page_a + 1(%rip)
    call *%r15
    SHOW "code, read only here"
    movl $page_a + 7, test_pt + 8(%rip)
    lea 0x1000(%r15), %rdi
    call *%rdi
    SHOW "a second alias"
    movb $6, 0x1001(%r15)
    call *%r15
    SHOW "written through the second alias"
    SWITCH page_a, 7
    movl $NX, test_pt + 4(%rip)
    invlpg (%r15)
    TRY "code page turned NX"
    call *%r15
    ENDTRY
    movl $0, test_pt + 4(%rip)
    SWITCH page_a, 3
    invlpg (%r15)
    call *%r15
    SHOW "code page turned supervisor"
    TRY "user calls it"
    RING3
    call *%r15
    DONE
    ENDTRY
    ret

pcid:
    mov $1, %eax
    cpuid
    test $1 << 17, %ecx
    jz no_pcid
    mov %cr3, %rax
    or $1, %rax
    mov %rax, %cr3
    TRY "PCIDE with PCID not 0"
    mov %cr4, %rax
    or $0x20000, %eax
    MARK
    mov %rax, %cr4
    ENDTRY
    mov $page_pml4, %eax
    mov %rax, %cr3
    CR4_SET 0x20000
    movl $0xa, page_a(%rip)
    movl $0xb, page_b(%rip)
    SWITCH page_a
    invlpg (%r15)
    mov $page_pml4 + 1, %eax
    mov %rax, %cr3
    EXPECT "pcid 1"
    mov $page_pml4 + 2, %eax
    mov %rax, %cr3
    EXPECT "pcid 2"
    SWITCH page_b
    mov $page_pml4 + 1, %eax
    mov %rax, %cr3
    EXPECT "pcid 1, flushed by cr3"
    mov $page_pml4 + 2, %eax
    mov %rax, %cr3
    EXPECT "pcid 2, flushed by cr3"
    SWITCH page_a
    invlpg (%r15)
    mov $page_pml4 + 1, %eax
    bts $63, %rax
    mov %rax, %cr3
    invlpg (%r15)
    EXPECT "pcid 1 kept, invlpg"
    mov %cr3, %rax
    and $0xfff, %eax
    SHOW "cr3 reads without bit 63, low bits"
    SWITCH page_b
    .irp type, 0, 1, 2, 3
    mov $\type, %ecx
    movq $1, descriptor(%rip)
    mov %r15, descriptor + 8(%rip)
    invpcid descriptor(%rip), %rcx
    EXPECT "invpcid \type"
    mov (%r15), %eax
    mov $page_a, %edx
    xor $page_b, %edx
    xor %edx, test_pt(%rip)
    .endr
    mov $page_a, %edx
    xor $page_b, %edx
    xor %edx, test_pt(%rip)
    /* From another PCID, then back without a flush. */
    mov $page_pml4 + 1, %eax
    mov %rax, %cr3
    SWITCH page_a
    invlpg (%r15)
    EXPECT "before"
    mov $page_pml4 + 3, %eax
    mov %rax, %cr3
    SWITCH page_b
    mov $1, %ecx
    invpcid descriptor(%rip), %rcx
    mov $page_pml4 + 1, %eax
    bts $63, %rax
    mov %rax, %cr3
    EXPECT "invpcid 1 from another pcid"
    SWITCH page_a
    mov $page_pml4 + 3, %eax
    bts $63, %rax
    mov %rax, %cr3
    mov $2, %ecx
    invpcid descriptor(%rip), %rcx
    mov $page_pml4 + 1, %eax
    bts $63, %rax
    mov %rax, %cr3
    EXPECT "invpcid 2 from another pcid"
    TRY "invpcid 4"
    mov $4, %ecx
    MARK
    invpcid descriptor(%rip), %rcx
    ENDTRY
    TRY "invpcid, reserved bits of the descriptor"
    movq $0x1001, descriptor(%rip)
    mov $1, %ecx
    MARK
    invpcid descriptor(%rip), %rcx
    ENDTRY
    movq $1, descriptor(%rip)
    TRY "invpcid 0, non-canonical"
    mov $1, %rax
    shl $47, %rax
    mov %rax, descriptor + 8(%rip)
    xor %ecx, %ecx
    MARK
    invpcid descriptor(%rip), %rcx
    ENDTRY
    TRY "user invpcid"
    RING3
    invpcid descriptor(%rip), %rcx
    DONE
    ENDTRY
    TRY "PG off with PCIDE"
    ljmp *far_compatibility(%rip)
    CODE32
in_compatibility:
    MARK
    mov %cr0, %eax
    and $0x7fffffff, %eax
    MARK
    mov %eax, %cr0
    CODE64
    ENDTRY
    mov $page_pml4, %eax
    mov %rax, %cr3
    CR4_CLEAR 0x20000
    TRY "invpcid 1 of pcid 1 without PCIDE"
    movq $1, descriptor(%rip)
    mov $1, %ecx
    MARK
    invpcid descriptor(%rip), %rcx
    ENDTRY
    ret
no_pcid:
    PRINT "no PCID\n"
    ret

.macro CR name, register, value, insn="nop"
    TRY "\name"
    mov %\register, %rax
    \value
    \insn
    MARK
    mov %rax, %\register
    ENDTRY
.endm

control_registers:
    call is_tcg
    je 9f
    CR "cr0: PG without PE", cr0, "and $~1, %eax"
    CR "cr0: upper half", cr0, "bts $32, %rax"
    CR "cr0: NW without CD", cr0, "or $0x20000000, %eax"
    CR "cr0: PG off in 64-bit code", cr0, "btr $31, %rax"
    CR "cr3: bit 62", cr3, "bts $62, %rax"
    CR "cr3: bit 52", cr3, "bts $52, %rax"
    CR "cr3: bit 63 without PCIDE", cr3, "bts $63, %rax"
    CR "cr4: PAE off", cr4, "and $~0x20, %eax"
    CR "cr4: bit 63", cr4, "bts $63, %rax"
    CR "cr4: bit 31", cr4, "bts $31, %rax"
    CR "cr4: bit 15", cr4, "bts $15, %rax"
    TRY "cr8"
    mov $5, %eax
    mov %rax, %cr8
    xor %eax, %eax
    mov %cr8, %rax
    ENDTRY
    SHOW "cr8 reads"
    TRY "cr8 of 16"
    mov $16, %eax
    MARK
    mov %rax, %cr8
    ENDTRY
    xor %eax, %eax
    mov %rax, %cr8
    TRY "LME off while paging"
    mov $MSR_EFER, %ecx
    rdmsr
    and $~0x100, %eax
    MARK
    wrmsr
    ENDTRY
    TRY "efer, reserved bit"
    mov $MSR_EFER, %ecx
    rdmsr
    or $0x200, %eax
    MARK
    wrmsr
    ENDTRY
    TRY "invlpg, non-canonical"
    mov $1, %rax
    shl $47, %rax
    invlpg (%rax)
    ENDTRY
    TRY "clts and cr0.ET"
    mov %cr0, %rax
    and $~0x10, %eax
    mov %rax, %cr0
    mov %cr0, %rax
    ENDTRY
    and $0x10, %eax
    SHOW "ET"
9:  ret

    .data
    .align 16
descriptor: .quad 0, 0
far_compatibility: .long in_compatibility, SEL_CODE32
    .bss
    .align 4096
test_pdpt: .skip 4096
test_pd: .skip 4096
test_pt: .skip 4096
page_a: .skip 4096
page_b: .skip 4096
page_c: .skip 4096
page_rets: .skip 4096
