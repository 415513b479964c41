/*
 * Address kinds as distinct types, and small helpers every layer uses.
 *
 * A linear address, a guest-physical address and a plain integer never mix by accident: each kind is its own
 * one-member struct, so the compiler refuses the confusion. Host addresses are ordinary pointers.
 */
#ifndef RING3_BASE_TYPES_H
#define RING3_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Linear address: after segmentation, before paging. */
typedef struct {
    uint64_t v;
} lin_t;

/* Guest-physical address: after paging. */
typedef struct {
    uint64_t v;
} gpa_t;

static inline lin_t lin(uint64_t v)
{
    return (lin_t){v};
}

static inline gpa_t gpa(uint64_t v)
{
    return (gpa_t){v};
}

enum {
    GUEST_PAGE_SHIFT = 12,
    GUEST_PAGE_SIZE = 1 << GUEST_PAGE_SHIFT,
    GUEST_PAGE_OFFSET = GUEST_PAGE_SIZE - 1,
};

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)       (1ull << (n))

/* The low `size` bytes of v. size: 1, 2, 4 or 8. */
static inline uint64_t zero_extend(uint64_t v, unsigned size)
{
    return size >= 8 ? v : v & (BIT(size * 8) - 1);
}

/* The low `size` bytes of v, sign-extended to 64 bits. size: 1, 2, 4 or 8. */
static inline uint64_t sign_extend(uint64_t v, unsigned size)
{
    unsigned shift = 64 - size * 8;
    return size >= 8 ? v : (uint64_t)((int64_t)(v << shift) >> shift);
}

#endif
