/*
 * memcpy, memmove, memset and memcmp on general registers only. See gpr_mem.h.
 *
 * Assembly, because a compiler may turn a C copy loop into a call of memcpy. Sizes up to 16 use two overlapping moves
 * (all loads precede all stores, so they serve memmove too); more goes to the string instructions, which are fast on
 * every host with ERMS. memmove copies upward unless the target lies inside the source, then downward by qwords.
 */
        .text

/* void *gpr_memcpy(rdi: to, rsi: from, rdx: count) */
        .globl  gpr_memcpy, gpr_memmove
        .type   gpr_memcpy, @function
        .type   gpr_memmove, @function
        .p2align 4
gpr_memmove:
        mov     %rdi, %rax
        cmp     $16, %rdx
        jbe     .Lcopy_small
        mov     %rdi, %rcx
        sub     %rsi, %rcx
        cmp     %rdx, %rcx              /* unsigned: to - from < count only if the target begins inside the source */
        jb      .Lcopy_down
        mov     %rdx, %rcx
        rep movsb
        ret

        .p2align 4
gpr_memcpy:
        mov     %rdi, %rax
        cmp     $16, %rdx
        jbe     .Lcopy_small
        mov     %rdx, %rcx
        cmp     $64, %rdx
        ja      .Lcopy_string
        mov     -8(%rsi,%rdx), %r8      /* 17..64: qwords, then the last one, overlapping */
        shr     $3, %rcx
        xor     %r9d, %r9d
1:      mov     (%rsi,%r9,8), %r10
        mov     %r10, (%rdi,%r9,8)
        inc     %r9
        cmp     %rcx, %r9
        jb      1b
        mov     %r8, -8(%rdi,%rdx)
        ret
.Lcopy_string:
        rep movsb
        ret

.Lcopy_small:
        cmp     $8, %edx
        jae     .Lcopy_8_16
        cmp     $4, %edx
        jae     .Lcopy_4_7
        test    %edx, %edx
        jz      1f
        movzbl  (%rsi), %ecx            /* 1..3: first, last and middle byte */
        movzbl  -1(%rsi,%rdx), %r8d
        mov     %edx, %r9d
        shr     $1, %r9d
        movzbl  (%rsi,%r9), %r10d
        mov     %cl, (%rdi)
        mov     %r10b, (%rdi,%r9)
        mov     %r8b, -1(%rdi,%rdx)
1:      ret
.Lcopy_4_7:
        mov     (%rsi), %ecx
        mov     -4(%rsi,%rdx), %r8d
        mov     %ecx, (%rdi)
        mov     %r8d, -4(%rdi,%rdx)
        ret
.Lcopy_8_16:
        mov     (%rsi), %rcx
        mov     -8(%rsi,%rdx), %r8
        mov     %rcx, (%rdi)
        mov     %r8, -8(%rdi,%rdx)
        ret

.Lcopy_down:                            /* more than 16 bytes, target above source and overlapping it */
        mov     (%rsi), %r8             /* the first qword, stored last */
1:      mov     -8(%rsi,%rdx), %rcx
        mov     %rcx, -8(%rdi,%rdx)
        sub     $8, %rdx
        cmp     $8, %rdx
        ja      1b
        mov     %r8, (%rdi)
        ret
        .size   gpr_memcpy, . - gpr_memcpy
        .size   gpr_memmove, gpr_memcpy - gpr_memmove

/* void *gpr_memset(rdi: to, esi: byte, rdx: count) */
        .globl  gpr_memset
        .type   gpr_memset, @function
        .p2align 4
gpr_memset:
        mov     %rdi, %r8
        mov     %esi, %eax
        mov     %rdx, %rcx
        rep stosb
        mov     %r8, %rax
        ret
        .size   gpr_memset, . - gpr_memset

/* int gpr_memcmp(rdi: a, rsi: b, rdx: count) */
        .globl  gpr_memcmp, gpr_bcmp
        .type   gpr_memcmp, @function
        .type   gpr_bcmp, @function
        .p2align 4
gpr_bcmp:                               /* Clang's name for memcmp() == 0 */
gpr_memcmp:
        xor     %ecx, %ecx
        sub     $8, %rdx
        jb      2f
1:      mov     (%rdi,%rcx), %rax       /* whole qwords while they are equal */
        cmp     (%rsi,%rcx), %rax
        jne     2f
        add     $8, %rcx
        cmp     %rdx, %rcx
        jbe     1b
2:      add     $8, %rdx
3:      cmp     %rdx, %rcx
        jae     4f
        movzbl  (%rdi,%rcx), %eax
        movzbl  (%rsi,%rcx), %r8d
        inc     %rcx
        sub     %r8d, %eax
        jz      3b
        ret
4:      xor     %eax, %eax
        ret
        .size   gpr_memcmp, . - gpr_memcmp

        .section .note.GNU-stack, "", @progbits
