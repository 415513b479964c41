/* XSAVE and its kin in 64-bit code: OSXSAVE, XCR0, TS and EM, alignment, headers, what each form reads and writes. */
#define WITH_LONG_MODE
#include "tests/kernels/lib.inc"

    .set HOLE, 0x4000000            /* 2 MiB that are not mapped */
    .set BV, 512
    .set XCOMP, 520
    .set MXCSR, 24

/* RFBM in EDX:EAX, the image at RDI. */
.macro DO name, insn, rfbm=7, at=area, high=0
    TRY "\name"
    mov $\at, %edi
    mov $\rfbm, %eax
    mov $\high, %edx
    MARK
    \insn (%rdi)
    ENDTRY
.endm

.macro EACH name, rfbm=7, at=area
    .irp insn, xsave, xsaveopt, xsavec, xrstor
    DO "\insn \name", \insn, \rfbm, \at
    .endr
.endm

.macro SETBV name, low, high=0, index=0
    TRY "xsetbv \name"
    mov $\index, %ecx
    mov $\low, %eax
    mov $\high, %edx
    MARK
    xsetbv
    ENDTRY
.endm

.macro XCR0 value
    xor %ecx, %ecx
    mov $\value, %eax
    xor %edx, %edx
    xsetbv
.endm

.macro SHOW_XCR0 name
    xor %ecx, %ecx
    xgetbv
    shl $32, %rdx
    or %rdx, %rax
    SHOW "\name"
.endm

.macro CR0_SET bits
    mov %cr0, %rax
    or $\bits, %eax
    mov %rax, %cr0
.endm
.macro CR0_CLEAR bits
    mov %cr0, %rax
    and $~(\bits), %eax
    mov %rax, %cr0
.endm

/* The image as XSAVE leaves it, but for a header with these fields. */
.macro RESTORE name, bv, xcomp=0, rfbm=7, offset=528, value=0, mxcsr=0x1f80, xcomp_high=0, bv_high=0
    call legal_image
    movl $\bv, area + BV(%rip)
    movl $\bv_high, area + BV + 4(%rip)
    movl $\xcomp, area + XCOMP(%rip)
    movl $\xcomp_high, area + XCOMP + 4(%rip)
    movl $\mxcsr, area + MXCSR(%rip)
    movl $\value, area + \offset(%rip)
    DO "xrstor \name", xrstor, \rfbm
.endm
.macro COMPACT name, bv, xcomp, rfbm=7, offset=528, value=0, mxcsr=0x1f80
    RESTORE "compact, \name", \bv, \xcomp, \rfbm, \offset, \value, \mxcsr, 0x80000000
.endm

    CODE32
main:
    ENTER_LONG
    ENABLE_SSE
    movl $0, page_dirs + (HOLE >> 21) * 8(%rip)
    mov %cr3, %rax
    mov %rax, %cr3
    call off
    mov %cr4, %rax
    or $0x40000, %eax
    mov %rax, %cr4
    call control
    call task_switched
    call places
    call headers
    call effects
    jmp finish64

.macro SHOW_OSXSAVE
    mov $1, %eax
    cpuid
    mov %ecx, %eax
    shr $27, %eax
    and $1, %eax
    SHOW "cpuid, OSXSAVE"
.endm

off:
    SHOW_OSXSAVE
    EACH "without OSXSAVE"
    DO "xsave misaligned without OSXSAVE", xsave, at=(area + 8)
    SETBV "without OSXSAVE", 7
    TRY "user xsetbv without OSXSAVE"
    RING3
    xsetbv
    ENDTRY
    TRY "user xgetbv without OSXSAVE"
    RING3
    xgetbv
    ENDTRY
    CR0_SET CR0_TS
    DO "xsave without OSXSAVE, with TS", xsave
    clts
    ret

control:
    SHOW_OSXSAVE
    SHOW_XCR0 "xcr0 after reset"
    TRY "avx with xcr0 1"
    vxorps %ymm0, %ymm0, %ymm0
    ENDTRY
    TRY "sse with xcr0 1"
    xorps %xmm0, %xmm0
    ENDTRY
    SETBV "3", 3
    TRY "avx with xcr0 3"
    vxorps %ymm0, %ymm0, %ymm0
    ENDTRY
    TRY "avx of 128 bits with xcr0 3"
    vxorps %xmm0, %xmm0, %xmm0
    ENDTRY
    mov $0xd, %eax
    xor %ecx, %ecx
    cpuid
    mov %ebx, %eax
    SHOW "size for 3"
    SETBV "7", 7
    TRY "avx with xcr0 7"
    vxorps %ymm0, %ymm0, %ymm0
    ENDTRY
    mov $0xd, %eax
    xor %ecx, %ecx
    cpuid
    mov %ebx, %eax
    SHOW "size for 7"
    SETBV "0", 0
    SETBV "without x87", 6
    SETBV "without sse", 5
    SETBV "x87 and avx's upper bit only", 4
    SETBV "with bit 62", 7, 0x40000000
    SETBV "with bit 63", 7, 0x80000000
    SETBV "with bit 8", 0x107
    SETBV "of register 1", 7, 0, 1
    SETBV "of register -1", 7, 0, -1
    TRY "xsetbv ignores the upper halves"
    mov $1, %ecx
    shl $32, %rcx
    lea 7(%rcx), %rax
    mov %rcx, %rdx
    xsetbv
    ENDTRY
    TRY "user xsetbv"
    RING3
    xor %ecx, %ecx
    mov $7, %eax
    xor %edx, %edx
    MARK
    xsetbv
    ENDTRY
    SHOW_XCR0 "xcr0"
    TRY "xgetbv of register 2"
    mov $2, %ecx
    MARK
    xgetbv
    ENDTRY
    TRY "user xgetbv"
    RING3
    xor %ecx, %ecx
    mov $-1, %rax
    mov $-1, %rdx
    xgetbv
    lea (%rax, %rdx), %rax
    DONE
    ENDTRY
    mov rec_sp(%rip), %rax
    mov F64_RAX(%rax), %rax
    SHOW "xgetbv clears the upper halves"
    TRY "xsave with 66"
    .byte 0x66, 0x0f, 0xae, 0x27
    ENDTRY
    TRY "xrstor with f2"
    .byte 0xf2, 0x0f, 0xae, 0x2f
    ENDTRY
    TRY "lock xsave"
    .byte 0xf0, 0x0f, 0xae, 0x27
    ENDTRY
    TRY "xsavec of a register"
    .byte 0x0f, 0xc7, 0xe0
    ENDTRY
    ret

task_switched:
    CR0_SET CR0_TS
    EACH "with TS"
    DO "xsave misaligned with TS", xsave, at=(area + 8)
    TRY "xgetbv with TS"
    xor %ecx, %ecx
    xgetbv
    ENDTRY
    TRY "avx with TS"
    vxorps %ymm0, %ymm0, %ymm0
    ENDTRY
    XCR0 3
    TRY "avx with TS and xcr0 3"
    vxorps %ymm0, %ymm0, %ymm0
    ENDTRY
    XCR0 7
    clts
    CR0_SET 4
    DO "xsave with EM", xsave
    DO "xrstor with EM", xrstor
    CR0_CLEAR 4
    ret

places:
    EACH "at 8", at=(area + 8)
    EACH "at 16", at=(area + 16)
    EACH "at 32", at=(area + 32)
    EACH "at 32 in the hole", at=(HOLE + 32)
    EACH "in the hole", at=HOLE
    .irp insn, xsave, xrstor
    TRY "\insn, non-canonical"
    mov $1, %edi
    shl $47, %rdi
    mov $7, %eax
    xor %edx, %edx
    MARK
    \insn (%rdi)
    ENDTRY
    TRY "\insn by rbp, non-canonical"
    mov $1, %ebp
    shl $47, %rbp
    mov $7, %eax
    xor %edx, %edx
    MARK
    \insn (%rbp)
    ENDTRY
    .endr
    DO "xsave, header in the hole", xsave, at=(HOLE - 512)
    DO "fxsave, software's part in the hole", fxsave, at=(HOLE - 416)
    DO "xsave 3 up to the hole", xsave, 3, (HOLE - 576)
    DO "xrstor 3 up to the hole", xrstor, 3, (HOLE - 576)
    vpcmpeqd %xmm0, %xmm0, %xmm0
    vinsertf128 $1, %xmm0, %ymm0, %ymm0
    DO "xsave, avx in the hole", xsave, at=(HOLE - 576)
    DO "xsave, all requested", xsave, -1, area, -1
    mov area + BV(%rip), %rax
    and $4, %eax
    SHOW "avx in use"
    ret

/* An image whose components are all in use. */
legal_image:
    mov $area, %edi
    mov $832 / 8, %ecx
    xor %eax, %eax
    rep stosq
    movw $0x37f, area(%rip)
    movl $0x1f80, area + MXCSR(%rip)
    ret

headers:
    RESTORE "nothing in use", 0
    RESTORE "all in use", 7
    RESTORE "of more than xcr0", 0x200
    RESTORE "of more than xcr0, not requested", 0x200, rfbm=3
    XCR0 3
    RESTORE "of avx, xcr0 3", 7
    RESTORE "of avx, xcr0 3, not requested", 7, rfbm=1
    XCR0 7
    RESTORE "xcomp 1", 7, 1
    RESTORE "header byte 16", 7, value=1
    RESTORE "header byte 23", 7, offset=532, value=0x01000000
    RESTORE "header bytes from 24", 7, offset=536, value=1
    RESTORE "header byte 63", 7, offset=572, value=0x80000000
    RESTORE "mxcsr, reserved bit", 7, mxcsr=0x11f80
    RESTORE "mxcsr, reserved bit, x87 requested", 7, rfbm=1, mxcsr=0x11f80
    RESTORE "mxcsr, reserved bit, avx requested", 7, rfbm=4, mxcsr=0x11f80
    RESTORE "mxcsr, reserved bit, nothing in use", 0, mxcsr=0x11f80
    RESTORE "mxcsr, reserved bit, nothing requested", 7, rfbm=0, mxcsr=0x11f80
    COMPACT "all", 7, 7
    COMPACT "some", 2, 3
    COMPACT "empty", 0, 0
    COMPACT "more than xcr0", 7, 0x207
    COMPACT "in use but not in it", 7, 3
    COMPACT "in use but not in it, not requested", 7, 3, rfbm=3
    RESTORE "compact, bit 63 in use", 7, 7, bv_high=0x80000000, xcomp_high=0x80000000
    COMPACT "header byte 16", 7, 7, value=1
    COMPACT "header byte 63", 7, 7, offset=572, value=0x80000000
    COMPACT "mxcsr, reserved bit", 7, 7, mxcsr=0x11f80
    COMPACT "mxcsr, reserved bit, sse not in use", 5, 7, mxcsr=0x11f80
    ret

.macro SHOW_XMM0 name
    movq %xmm0, %rax
    SHOW "\name"
.endm
.macro ONES
    vpcmpeqd %xmm0, %xmm0, %xmm0
    vinsertf128 $1, %xmm0, %ymm0, %ymm0
.endm
.macro SHOW_UPPER name
    vextractf128 $1, %ymm0, %xmm1
    movq %xmm1, %rax
    SHOW "\name"
.endm
.macro SHOW_MXCSR name
    stmxcsr scratch(%rip)
    mov scratch(%rip), %eax
    SHOW "\name"
.endm
.macro FILL value
    mov $area, %edi
    mov $832 / 8, %ecx
    mov $\value, %rax
    rep stosq
.endm
.macro SHOW_AT name, offset
    mov area + \offset(%rip), %rax
    SHOW "\name"
.endm

effects:
    ONES
    RESTORE "x87 only", 7, rfbm=1
    SHOW_XMM0 "xmm0"
    SHOW_UPPER "upper half"
    RESTORE "sse only", 7, rfbm=2, mxcsr=0x1fa0
    SHOW_XMM0 "xmm0"
    SHOW_UPPER "upper half"
    SHOW_MXCSR "mxcsr"
    ONES
    RESTORE "avx only", 7, rfbm=4, mxcsr=0x1fc0
    SHOW_XMM0 "xmm0"
    SHOW_UPPER "upper half"
    SHOW_MXCSR "mxcsr, loaded with avx"
    ONES
    RESTORE "initial state", 0, mxcsr=0x1fa0
    SHOW_XMM0 "xmm0"
    SHOW_UPPER "upper half"
    SHOW_MXCSR "mxcsr"
    ONES
    COMPACT "initial state", 0, 7, mxcsr=0x1fa0
    SHOW_XMM0 "xmm0, compact"
    SHOW_UPPER "upper half, compact"
    SHOW_MXCSR "mxcsr, compact"
    movw $0x27f, scratch(%rip)
    fldcw scratch(%rip)
    RESTORE "initial x87", 6, rfbm=1
    fnstcw scratch(%rip)
    movzwl scratch(%rip), %eax
    SHOW "control word"
    ONES
    mov $1, %ecx
    xgetbv
    and $4, %eax
    SHOW "xgetbv 1, avx in use"
    RESTORE "avx to its initial state", 3, rfbm=4
    mov $1, %ecx
    xgetbv
    and $4, %eax
    SHOW "xgetbv 1, avx not in use"
    /* What is written. */
    fld1
    ONES
    FILL 0x5a5a5a5a5a5a5a5a
    DO "xsave 1", xsave, 1
    SHOW_AT "mxcsr", 24
    SHOW_AT "xmm0", 160
    SHOW_AT "bv", BV
    SHOW_AT "xcomp", XCOMP
    SHOW_AT "software's", 464
    FILL 0x5a5a5a5a5a5a5a5a
    DO "xsave 4", xsave, 4
    SHOW_AT "control word", 0
    SHOW_AT "xmm0", 160
    SHOW_AT "bv", BV
    SHOW_AT "upper half", 576
    FILL 0x5a5a5a5a5a5a5a5a
    DO "xsavec 2", xsavec, 2
    SHOW_AT "control word, xsavec", 0
    SHOW_AT "xmm0, xsavec", 160
    SHOW_AT "bv, xsavec", BV
    SHOW_AT "xcomp, xsavec", XCOMP
    SHOW_AT "next, xsavec", XCOMP + 8
    SHOW_AT "upper half, xsavec", 576
    RESTORE "avx to its initial state", 3, rfbm=4
    FILL 0x5a5a5a5a5a5a5a5a
    DO "xsaveopt of an initial component", xsaveopt, 4
    SHOW_AT "bv, avx initial", BV
    SHOW_AT "upper half, avx initial", 576
    FILL 0x5a5a5a5a5a5a5a5a
    DO "xsave of an initial component", xsave, 4
    SHOW_AT "bv, avx initial", BV
    SHOW_AT "upper half, avx initial", 576
    fninit
    ret

    .data
    .align 64
area: .skip 1024
scratch: .quad 0, 0
