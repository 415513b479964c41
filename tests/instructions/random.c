/* Values that find mistakes: integer and floating-point corner cases among noise. See random.h. */
#include "tests/instructions/random.h"

#include <string.h>

#include "tests/instructions/image.h"

uint8_t data_pool[POOL_BYTES + DATA_BYTES];

static const uint64_t corners[] = {
    0,
    1,
    2,
    7,
    8,
    15,
    16,
    31,
    32,
    63,
    64,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000,
    0xffff,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    0x100000000,
    0x7fffffffffffffff,
    0x8000000000000000,
    0xffffffffffffffff,
    0xfffffffffffffffe,
    0xffffffff80000000,
    0xff00ff00ff00ff00,
    0x5555555555555555,
};

static const uint64_t doubles[] = {0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000,
                                   0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000000, 0x7ff0000000000001,
                                   0x0000000000000001, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff,
                                   0x41e0000000000000, 0xc1e0000000000000, 0x43e0000000000000, 0x3fe0000000000000,
                                   0x400921fb54442d18, 0x3fd5555555555555};
static const uint32_t floats[] = {0x00000000, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000,
                                  0x7fc00000, 0x7f800001, 0x00000001, 0x007fffff, 0x00800000, 0x7f7fffff,
                                  0x4f000000, 0xcf000000, 0x5f000000, 0x3f000000, 0x40490fdb, 0x3eaaaaab};

uint64_t random_value(struct random *r)
{
    switch (random_below(r, 4)) {
    case 0:
        return corners[random_below(r, ARRAY_LEN(corners))];
    case 1:
        return random_word(r) >> random_below(r, 64);
    case 2:
        return 0 - (random_word(r) >> random_below(r, 64));
    default:
        return random_word(r);
    }
}

static void random_bytes(struct random *r, uint8_t *p) /* 8 of them */
{
    uint64_t v;
    switch (random_below(r, 8)) {
    case 0:
    case 1:
        v = doubles[random_below(r, ARRAY_LEN(doubles))];
        break;
    case 2:
    case 3:
        v = floats[random_below(r, ARRAY_LEN(floats))] | (uint64_t)floats[random_below(r, ARRAY_LEN(floats))] << 32;
        break;
    case 4: /* two ordinary floats */
        v = (random_word(r) & 0x83ffffff83ffffff) | 0x3c0000003c000000;
        break;
    case 5: /* an ordinary double */
        v = (random_word(r) & 0x803fffffffffffff) | 0x3fc0000000000000;
        break;
    default:
        v = random_value(r);
    }
    memcpy(p, &v, 8);
}

void data_pool_fill(uint64_t seed)
{
    struct random r = {seed};
    for (unsigned i = 0; i < sizeof(data_pool); i += 8)
        random_bytes(&r, data_pool + i);
}

/* An 80-bit number: sign and exponent in the upper word. */
static void random_extended(struct random *r, uint8_t *p)
{
    uint64_t fraction = random_word(r);
    unsigned upper = (unsigned)random_word(r) & 0xffff;
    switch (random_below(r, 8)) {
    case 0: /* zero, denormal */
        upper &= 0x8000;
        fraction = one_in(r, 2) ? 0 : fraction >> 1;
        break;
    case 1: /* infinity, NaN */
        upper |= 0x7fff;
        fraction = one_in(r, 2) ? 0x8000000000000000 : fraction | 0x8000000000000000;
        break;
    case 2: /* anything, unnormals too */
        break;
    case 3: /* an integer */
        upper = (upper & 0x8000) | (0x3fff + random_below(r, 64));
        fraction = 0x8000000000000000 | (fraction & (0xff00000000000000 >> random_below(r, 56)));
        break;
    default: /* ordinary */
        upper = (upper & 0x8000) | (0x3fff - 40 + random_below(r, 80));
        fraction |= 0x8000000000000000;
    }
    memcpy(p, &fraction, 8);
    memcpy(p + 8, &upper, 2);
}

void random_vector(struct random *r, uint8_t *area)
{
    unsigned fcw = 0x37f, fsw = random_below(r, 8) << 11 | (random_below(r, 16) & 7) << 8 | random_below(r, 2) << 14;
    unsigned ftw = one_in(r, 3) ? 0xff : one_in(r, 3) ? 0 : (unsigned)random_word(r) & 0xff;
    uint32_t mxcsr = 0x1f80;

    memset(area, 0, VECTOR_BYTES);
    if (one_in(r, 2))
        fcw = 0x40 | (one_in(r, 4) ? random_below(r, 64) : 0x3f) | random_below(r, 4) << 8 | random_below(r, 4) << 10;
    if (one_in(r, 4))
        fsw |= random_below(r, 128);
    if (fsw & ~fcw & 0x3f && !one_in(r, 8))
        fsw &= ~0x3fu; /* a pending exception only now and then */
    if (fsw & ~fcw & 0x3f)
        fsw |= 0x8080;
    else
        fsw &= ~0x8080u;
    if (one_in(r, 2)) {
        mxcsr = (one_in(r, 4) ? random_below(r, 64) << 7 : 0x1f80) | random_below(r, 4) << 13 | random_below(r, 64);
        mxcsr |= one_in(r, 3) ? 0x8000 : 0;
        mxcsr |= one_in(r, 3) ? 0x40 : 0;
    }
    memcpy(area, &fcw, 2);
    memcpy(area + 2, &fsw, 2);
    area[4] = (uint8_t)ftw;
    memcpy(area + 24, &mxcsr, 4);
    for (unsigned i = 0; i < 8; i++)
        random_extended(r, area + 32 + 16 * i);
    unsigned from = random_below(r, POOL_BYTES / 8) * 8;
    memcpy(area + 160, data_pool + from, 256);
    memcpy(area + 576, data_pool + from + 256, 256);
    for (unsigned i = 0; i < 4; i++)
        random_bytes(r, area + 160 + 8 * random_below(r, 32));
}
