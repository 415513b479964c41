/*
 * One experiment as both sides see it: code, registers and memory before, and what is left after.
 *
 * The same linear addresses hold the same bytes in the guest (lab.c) and in the host process that is the oracle
 * (oracle.c). Seven data pages with different rights, so that accesses may cross into any of them; two code pages that
 * are filled with INT3, so that whatever jumps there stops at once.
 */
#ifndef RING3_TESTS_INSTRUCTIONS_IMAGE_H
#define RING3_TESTS_INSTRUCTIONS_IMAGE_H

#include "cpu-model/base/types.h"

enum {
    DATA_BASE = 0x10000000,
    CODE_BASE = 0x20000000,
    CODE_PAGES = 2,
    CODE_BYTES = CODE_PAGES * 4096,
    FS_BASE = 0x0fff0000,
    GS_BASE = 0x10002000, /* in the middle of the data: displacements of both signs */
};

/* The data pages in linear order; in the guest, neighbours are not neighbours in physical memory. */
enum { PAGE_RW0, PAGE_RW1, PAGE_HOLE0, PAGE_RO0, PAGE_RW2, PAGE_RO1, PAGE_HOLE1, DATA_PAGES };
enum { WRITABLE_PAGES = 3, DATA_BYTES = WRITABLE_PAGES * 4096 };
static const uint8_t writable_page[WRITABLE_PAGES] = {PAGE_RW0, PAGE_RW1, PAGE_RW2};

/* Selectors as Linux has them, so that an instruction that stores one stores the same on both sides. */
enum {
    SELECTOR_CODE32 = 0x23,
    SELECTOR_DATA = 0x2b,
    SELECTOR_CODE64 = 0x33,
    /* In the LDT: */
    SELECTOR_FS32 = 0x07,
    SELECTOR_GS32 = 0x0f,
    SELECTOR_CODE16 = 0x17,
    SELECTOR_DATA16 = 0x1f,
};

/* How the code runs. The host has no legacy mode below it: compatibility mode stands for both. */
enum lab_mode {
    LAB_64,
    LAB_COMPAT32, /* 32-bit code of long mode */
    LAB_LEGACY32, /* protected mode with PAE paging */
    LAB_COMPAT16, /* base of code CODE_BASE, of data and stack DATA_BASE, limits of 64 KiB */
    LAB_MODES,
};

static inline unsigned lab_code_size(unsigned mode)
{
    return mode == LAB_64 ? 8 : mode == LAB_COMPAT16 ? 2 : 4;
}

enum { VECTOR_BYTES = 832, POKES_MAX = 8, CODE_MAX = 512, TRAP_NONE = 0xff };

struct image {
    uint64_t gpr[16];
    uint64_t rip, flags;
    uint8_t vector[VECTOR_BYTES] __attribute__((aligned(64))); /* as XSAVE stores x87, SSE and AVX */
    /* After: */
    uint8_t trap; /* exception vector */
    uint32_t error_code;
    uint64_t cr2;
};

struct poke {
    uint32_t at; /* linear; within a writable page */
    uint64_t value;
};

struct experiment {
    struct image before;
    uint8_t mode; /* enum lab_mode */
    uint8_t cpl;  /* in the guest; the oracle is always at 3 */
    bool flush;   /* the guest starts with cold derived state */
    uint16_t code_at, code_size;
    uint8_t code[CODE_MAX];
    uint16_t data_from; /* where in the pool the writable pages are filled from */
    uint8_t pokes;
    struct poke poke[POKES_MAX];
};

/* Random bytes with the floating-point and integer corner cases strewn in: what memory is filled from. */
enum { POOL_BYTES = 1 << 16 };
extern uint8_t data_pool[POOL_BYTES + DATA_BYTES];
/* The read-only pages hold this part of it. */
static inline const uint8_t *read_only_content(unsigned page)
{
    return data_pool + (page == PAGE_RO0 ? 0 : 4096);
}

#endif
