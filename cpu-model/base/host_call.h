/*
 * System calls of the host from code that runs with the guest's vector state in host registers, where the C library may
 * not be called: the kernel itself keeps vector registers.
 */
#ifndef RING3_BASE_HOST_CALL_H
#define RING3_BASE_HOST_CALL_H

#include "cpu-model/base/types.h"

/* The raw call: a result, or -errno. */
static inline long host_call6(long number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#endif
