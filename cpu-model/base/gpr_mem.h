/*
 * memcpy and friends on general registers only, for code that runs while the guest's vector state is live in the host's
 * registers (glibc's use SSE or AVX). Same contracts as the C library's.
 *
 * Write memcpy() as usual in state, softmmu, exec and translator/runtime*.c: the build redirects those objects' calls
 * here, the compiler's own implicit ones included (gpr_mem.syms). Call gpr_*() by name only where that is not so.
 * The direction flag is clear, as everywhere in C.
 */
#ifndef RING3_BASE_GPR_MEM_H
#define RING3_BASE_GPR_MEM_H

#include <stddef.h>

void *gpr_memcpy(void *restrict to, const void *restrict from, size_t count);
void *gpr_memmove(void *to, const void *from, size_t count);
void *gpr_memset(void *to, int byte, size_t count);
int gpr_memcmp(const void *a, const void *b, size_t count);

#endif
