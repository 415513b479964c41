/*
 * Guest operands in host memory: one host load or store of the operand's size at any alignment.
 *
 * A memory reference that the compiler may neither split nor repeat, so that an aligned guest access is atomic, as the
 * SDM promises (Vol. 3 "Guaranteed atomic operations").
 */
#ifndef RING3_SOFTMMU_UNALIGNED_H
#define RING3_SOFTMMU_UNALIGNED_H

#include "cpu-model/base/types.h"

typedef uint16_t unaligned16_t __attribute__((aligned(1), may_alias));
typedef uint32_t unaligned32_t __attribute__((aligned(1), may_alias));
typedef uint64_t unaligned64_t __attribute__((aligned(1), may_alias));

/* size: 1, 2, 4 or 8. Zero-extended. */
static inline uint64_t unaligned_load(const void *host, unsigned size)
{
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)host;
    case 2:
        return *(const volatile unaligned16_t *)host;
    case 4:
        return *(const volatile unaligned32_t *)host;
    default:
        return *(const volatile unaligned64_t *)host;
    }
}

static inline void unaligned_store(void *host, uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        *(volatile uint8_t *)host = (uint8_t)value;
        break;
    case 2:
        *(volatile unaligned16_t *)host = (uint16_t)value;
        break;
    case 4:
        *(volatile unaligned32_t *)host = (uint32_t)value;
        break;
    default:
        *(volatile unaligned64_t *)host = value;
        break;
    }
}

#endif
