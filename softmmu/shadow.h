/*
 * Shadow page tables: what translated code reads to turn a linear address into a host address, and the views that own
 * them.
 *
 * A view is one address space at one privilege. It is a 4 GiB stretch of host address space that GS points into the
 * middle of:
 *
 *     -2 GiB  READ   8-byte entries, indexed by shadow_index(linear)
 *     -1 GiB  WRITE
 *      0      the vCPU's state (the same memory in every view)
 *     +VIEW_CONSTANTS, +VIEW_JUMP_TAGS, +VIEW_JUMP_HOSTS: see below
 *     +VIEW_REGIONS: where the view's windows lie, see window.h
 *     +1 GiB  EXEC   checked by links between pages, filled when code is fetched
 *
 * On hosts without a fast PEXT the index is what RORX and LEA can make of the address (translator/asm_bits.h), and the
 * layout another:
 *
 *     0            the vCPU's state and what follows it, as above
 *     +VIEW_SLOTS  32 bytes for each index: READ, WRITE, EXEC, unused
 *
 * An entry is (host address of the page) - (linear address of the page); 0 means "take the slow path". Entries appear
 * when the slow path walked the guest's tables, and a log of them makes a flush cost what was filled. Host memory that
 * entries have lain in is counted, and given back when it is too much: a guest may touch more addresses than it has
 * memory. All of it may be dropped at any instruction boundary. Pages that hold translated code have no WRITE entry in
 * any view (shadow_protect), and video pages have none until they are stored to (shadow_clean_pages).
 *
 * Thread: the vCPU's own. Design and measurements: softmmu/ARCHITECTURE.md.
 */
#ifndef RING3_SOFTMMU_SHADOW_H
#define RING3_SOFTMMU_SHADOW_H

#include "cpu-model/base/error.h"
#include "softmmu/window.h"

#define VIEW_TABLE_SIZE (1ull << 30)
enum {
    VIEW_READ = -0x7fffffff - 1,
    VIEW_WRITE = -0x40000000,
    VIEW_EXEC = 0x40000000,
    VIEW_STATE_SIZE = 0x2000,         /* struct vcpu, rounded up */
    VIEW_CONSTANTS = VIEW_STATE_SIZE, /* struct view_constants */
    VIEW_JUMP_TAGS = 0x9000,          /* [JUMP_ENTRIES] of minus the linear target */
    JUMP_BITS = 11,
    JUMP_ENTRIES = 1 << JUMP_BITS,
    VIEW_JUMP_HOSTS = VIEW_JUMP_TAGS + 8 * JUMP_ENTRIES,
    VIEW_LOCAL_END = VIEW_JUMP_HOSTS + 8 * JUMP_ENTRIES,
    VIEW_JUMP_SLOTS = 0x20000, /* plain index: [JUMP_ENTRIES] of 32 bytes, minus the target and the host code */
    VIEW_REGIONS = 0x100000,   /* [WINDOW_REGIONS] of host minus linear */
    VIEW_SLOTS = 0x200000,     /* plain index: see above */
    VIEW_COUNT = 9,            /* one for the kernel, the others for users by PCID */
    VIEW_KERNEL = 0,
    SHADOW_INDEX_BITS = 27,
    CHUNK_BITS = 9, /* a chunk: what lies in one page of each table */
    CHUNKS = 1 << (SHADOW_INDEX_BITS - CHUNK_BITS),
    CHUNKS_MAX = 4096, /* of all views together: 48 MiB of tables, 64 MiB in the plain layout */
};

/* Operands that emitted code takes from memory, at GS + VIEW_CONSTANTS. */
struct view_constants {
    uint64_t index_mask;             /* the linear-address bits that make the index, for PEXT */
    uint64_t jump_mask;              /* the bits that index the jump cache */
    uint64_t page_offset;            /* fffh */
    uint64_t low_mask[7];            /* [log2 size]: size - 1, for sizes 1 to 64 */
    uint64_t page_mask;              /* all bits but fffh */
    uint64_t only_df;                /* the DF bit of EFLAGS */
    uint64_t without_if, without_df; /* EFLAGS bits but IF, but DF */
    uint64_t arithmetic;             /* FLAGS_ARITHMETIC */
    uint64_t region_mask;            /* the linear-address bits that number a window's region */
    uint64_t paragraph_mask[5];      /* [log2 size]: size - 1, and all bits above FFFFh */
    uint8_t fits[6][4096];           /* [log2 size][page offset]: 1 if that many bytes from there stay in the page */
    uint8_t low_bits[7][256];        /* [log2 size][low byte]: the byte & (size - 1) */
};

struct view {
    uint8_t *base;    /* what GS holds */
    bool plain_index; /* which of the two layouts */
    uint16_t pcid;
    bool in_use;
    uint64_t large[8]; /* set of 4 MiB regions that hold entries of larger pages, hashed: see large_bit() */
    bool huge;         /* entries from 1 GiB pages exist */
    uint32_t mode_key; /* of the code that the jump cache and the return stack refer to */
    uint64_t last_used;
    struct window *window; /* null: none yet, or never (window.h) */
    bool window_refused;   /* the host has no room for one */
    uint32_t *log[2];      /* indices filled: [0] not global, [1] global */
    uint32_t logged[2];
    uint64_t touched[CHUNKS / 64]; /* chunks that have held an entry: host memory is behind them */
    uint32_t chunks;               /* so many */
    uint8_t *return_stack;         /* host return stack of translated code: see translator/ARCHITECTURE.md */
    uint64_t return_sp;
    uint64_t return_empty;
};

struct shadow {
    struct view view[VIEW_COUNT];
    struct view *current;
    bool current_user; /* it shows what user accesses see */
    uint64_t index_mask;
    bool no_windows;    /* none are opened */
    bool eager_windows; /* every user view has its window open, always */
    bool plain_index;   /* the mask is contiguous, and the layout the one for it: hosts without a fast PEXT */
    uint64_t clock;
    uint32_t *writers;           /* [arena page]: 0 no WRITE entry; WRITERS_MANY; else view << 27 | index, plus 1 */
    uint32_t chunks, chunks_max; /* touched in all views; CHUNKS_MAX, or less for tests */
    uint64_t fills, flushes, page_flushes, evictions, trims;
};

/* Room for a vCPU that views can share. Null with a message on failure. */
struct vcpu *shadow_vcpu_create(struct error *err);
void shadow_vcpu_destroy(struct vcpu *vcpu);

/* Attaches shadow tables to vcpu->shadow. fast_pext: the host's PEXT is fit for use. */
int shadow_create(struct vcpu *vcpu, bool fast_pext, struct error *err);
void shadow_destroy(struct vcpu *vcpu);

/* Chooses the view for the current CPL and CR3/PCID as vcpu->shadow->current, and returns it. */
struct view *shadow_select(struct vcpu *vcpu);

/* Gives a user's view away, as if another PCID had needed it; for tests. The vCPU is between two instructions, and
 * selects a view before it goes on. */
void shadow_evict(struct vcpu *vcpu, unsigned view);

/* The current view has run user code for a while: considers a window for it (window_tick). Ordinary code. */
void shadow_window_tick(struct vcpu *vcpu, uint64_t now, uint64_t cycles_per_ms);

static inline bool view_window_open(const struct view *view)
{
    return view->window && view->window->open;
}

/* The vCPU as a view shows it, and as C code holds it: the same memory. */
static inline uint64_t shadow_index(const struct shadow *shadow, uint64_t linear)
{
    if (shadow->plain_index)
        return linear >> 12 & ((1u << SHADOW_INDEX_BITS) - 1);
    return (linear >> 12 & 0x1ffffff) | (linear >> 40 & 3) << 25;
}

/* Where the view has the entry for an index, relative to its base. */
static inline int64_t entry_offset(bool plain_index, int table, uint64_t index)
{
    if (plain_index)
        return VIEW_SLOTS + (int64_t)(32 * index) + (table == VIEW_READ ? 0 : table == VIEW_WRITE ? 8 : 16);
    return table + (int64_t)(8 * index);
}

static inline uint64_t *view_entry(const struct view *view, int table, uint64_t index)
{
    return (uint64_t *)(view->base + entry_offset(view->plain_index, table, index));
}

/* The jump cache's entry for a linear target: minus the target it holds, and the host code for it. */
static inline uint64_t *view_jump_tag(const struct view *view, uint64_t target)
{
    uint64_t index = target & (JUMP_ENTRIES - 1);
    return (uint64_t *)(view->base + (view->plain_index ? VIEW_JUMP_SLOTS + 32 * index : VIEW_JUMP_TAGS + 8 * index));
}

static inline uint64_t *view_jump_host(const struct view *view, uint64_t target)
{
    return view_jump_tag(view, target) + (view->plain_index ? 1 : JUMP_ENTRIES);
}

/* Fills what a walk found: READ or EXEC, and WRITE where a store may go straight to memory. RAM only. */
void shadow_fill(struct vcpu *vcpu, lin_t lin, enum access access, const struct translation *t);

/* Removes every WRITE entry to the arena page at `offset`, in all views: it is about to hold translated code. */
void shadow_protect(struct vcpu *vcpu, uint64_t arena_offset);

/* The same for all pages of [arena_offset, +size) that are PAGE_CLEAN: the next store to each is to be noticed. The
 * vCPU is between two instructions. */
void shadow_clean_pages(struct vcpu *vcpu, uint64_t arena_offset, uint64_t size);

/*
 * The host address of the byte at `at`, if the current view has it for this access and privilege; else null, and a walk
 * must say. No fault, no watchpoint, no MMIO, no code page can be behind a non-null answer for a byte range within the
 * page.
 */
static inline uint8_t *shadow_cached(const struct vcpu *vcpu, lin_t at, enum access access, bool user)
{
    const struct shadow *shadow = vcpu->shadow;
    if (!shadow || shadow->current_user != user || (vcpu->dr[7] & 0xff))
        return NULL;
    int table = access == ACCESS_WRITE ? VIEW_WRITE : VIEW_READ;
    uint64_t entry = *view_entry(shadow->current, table, shadow_index(shadow, at.v));
    uint64_t host = entry + at.v; /* of another page with the same index: outside the arena, wherever that lies */
    return entry && host - (uint64_t)(uintptr_t)vcpu->space->arena < vcpu->space->arena_size
               ? (uint8_t *)(uintptr_t)host
               : NULL;
}

/* Forgets cached jump targets and return addresses of all views: translation blocks were dropped. */
void shadow_forget_code(struct vcpu *vcpu);
void view_forget_code(struct view *view);

#endif
