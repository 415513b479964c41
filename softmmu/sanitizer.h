/*
 * The arena's aliases in builds with AddressSanitizer, which takes a good part of the address space for itself: its
 * shadow (a byte for eight of the program) and the room for its heap. Most of both is never touched, and what is not
 * may lie where an alias is wanted, once it is inaccessible. Without AddressSanitizer there is nothing of it.
 *
 * Thread: start-up and shutdown only.
 */
#ifndef RING3_SOFTMMU_SANITIZER_H
#define RING3_SOFTMMU_SANITIZER_H

#include "cpu-model/base/types.h"

#ifdef __SANITIZE_ADDRESS__
#define SANITIZER_TAKES_ADDRESSES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZER_TAKES_ADDRESSES 1
#endif
#endif
#ifndef SANITIZER_TAKES_ADDRESSES
#define SANITIZER_TAKES_ADDRESSES 0
#endif

#define SANITIZER_STRETCH (2ull << 30) /* bytes of each that may come into use */

#if SANITIZER_TAKES_ADDRESSES

/* Where the shadow of an address lies. */
uint64_t sanitizer_shadow(uint64_t address);

/* Its heap has places, each for another size of object, of which those in use grow from their start and from near their
 * end. Where the n-th of these stretches begins. */
enum { SANITIZER_STRETCHES = 128 };
uint64_t sanitizer_stretch(unsigned n);

/* Makes [start, +size) inaccessible for as long as the arena lives, if it is the sanitizer's and not in use. */
bool sanitizer_lends(uint64_t start, uint64_t size);
void sanitizer_gets_back(uint64_t start, uint64_t size);

#else

enum { SANITIZER_STRETCHES = 0 };

static inline uint64_t sanitizer_stretch(unsigned n)
{
    return n;
}

static inline uint64_t sanitizer_shadow(uint64_t address)
{
    return address;
}

static inline bool sanitizer_lends(uint64_t start, uint64_t size)
{
    (void)start, (void)size;
    return false;
}

static inline void sanitizer_gets_back(uint64_t start, uint64_t size)
{
    (void)start, (void)size;
}

#endif
#endif
