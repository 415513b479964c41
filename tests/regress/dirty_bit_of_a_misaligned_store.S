/*
 * Symptom: a page that no store had changed was marked dirty.
 * Cause: MOVDQA, MOVAPS and CMPXCHG16B looked their page up for writing, which sets the bit, before their alignment was
 * checked. SDM Vol. 3 "Accessed and dirty flags": the bit is set by a write.
 *
 * Prints:
 *   movdqa, misaligned: #d err=0 ip+0
 *   dirty: 0
 *   movaps, misaligned: #d err=0 ip+0
 *   dirty: 0
 *   cmpxchg16b, misaligned: #d err=0 ip+0
 *   dirty: 0
 *   movdqa, aligned: ok
 *   dirty: 40
 */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set PAGE, 0x800000 /* of 2 MiB */
    .set ENTRY, page_dirs + PAGE / 0x200000 * 8

.macro STORE name, insn:vararg
    andl $~0x60, ENTRY(%rip) /* neither accessed nor dirty */
    mov %cr3, %rax
    mov %rax, %cr3
    TRY "\name"
    mov $PAGE + 0x100, %edi
    MARK
    \insn
    ENDTRY
    mov ENTRY(%rip), %eax
    and $0x40, %eax
    SHOW "dirty"
.endm

    CODE32
main:
    ENTER_LONG
    ENABLE_SSE
    STORE "movdqa, misaligned", movdqa %xmm0, 1(%rdi)
    STORE "movaps, misaligned", movaps %xmm0, 8(%rdi)
    STORE "cmpxchg16b, misaligned", cmpxchg16b 8(%rdi)
    STORE "movdqa, aligned", movdqa %xmm0, (%rdi)
    jmp finish64
