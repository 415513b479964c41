/*
 * The translation cache: blocks of host code, where they came from, and the records that lead from host code back to
 * the guest.
 *
 * Memory is taken in order and given back all at once (tcache_flush). A dropped block stays in place, unreachable,
 * until then. Host code is mapped twice, writable and executable; no mapping is both. Per arena page: the blocks on it
 * and a stamp, one bit for every 128 bytes that some block was made from. Thread: the vCPU's own.
 */
#ifndef RING3_TRANSLATOR_TCACHE_H
#define RING3_TRANSLATOR_TCACHE_H

#include "cpu-model/base/error.h"
#include "cpu-model/exec/insn.h"
#include "softmmu/shadow.h"

enum { TCACHE_DEFAULT_BYTES = 48 << 20, TB_HASH_BITS = 16, STAMP_SHIFT = 7, EMIT_RED_ZONE = 512 };
#define NO_INDEX 0xffffffffu

/*
 * What a segment asks of code that accesses memory through it. "Paragraph" is what segments are in real and
 * virtual-8086 mode. Through the kinds _RO nothing is written.
 */
enum segment_kind {
    KIND_NONE,      /* unusable, unreadable, expand-down, or a stack off a paragraph: the interpreter looks */
    KIND_FLAT,      /* base 0, 4 GiB: nothing to do */
    KIND_BASED,     /* 4 GiB: the base is added at run time */
    KIND_PARAGRAPH, /* limit FFFFh and a base that is a multiple of 16: an aligned operand at a 16-bit offset fits */
    KIND_LIMITED,   /* any other: the limit is compared at run time */
    KIND_FLAT_RO,
    KIND_BASED_RO,
    KIND_LIMITED_RO,
};

/* How code is kept below the limit of CS. */
enum code_limit {
    CODE_UNLIMITED, /* 4 GiB */
    CODE_64K,       /* FFFFh: known when code is translated */
    CODE_LIMITED,   /* any other: compared when a block is entered and before a branch */
};

/* What emitted code depends on besides the guest's bytes; equal keys mean interchangeable code. */
struct mode_key {
    uint32_t cs_base;        /* 0 in 64-bit mode */
    uint32_t code_size : 4;  /* decoding; 2, 4, 8 */
    uint32_t stack_size : 4; /* width of the stack pointer */
    uint32_t code_limit : 2; /* enum code_limit */
    uint32_t paragraphs : 1; /* real or virtual-8086 mode: loading a segment register changes base and selector only */
    uint32_t x87 : 1, sse : 1, avx : 1; /* usable now: CR0.EM/TS, CR4.OSFXSR, CR4.OSXSAVE and XCR0 */
    uint32_t cpl0 : 1;                  /* CLI, STI, SWAPGS, PUSHF need no check (outside virtual-8086 mode) */
    uint32_t sp_aligned : 1;            /* RSP is a multiple of stack_size at entry, and at every direct way out */
    uint32_t rdtsc : 1;                 /* CPL 0, or CR4.TSD clear; not under verify */
    uint32_t window : 1;                /* accesses go through the view's window (softmmu/window.h) */
    uint32_t unused : 14;
    uint8_t kind[SEG_COUNT]; /* enum segment_kind; 0 in 64-bit mode */
    uint8_t reserved[2];
};

/* A mode's number: which struct mode_key, see mode_now(). 0 is none. */
enum { MODES_MAX = 4096 };

/* One entry, straight-line guest code, and its host code. */
struct tb {
    uint64_t lin;     /* linear address of the first byte */
    uint64_t page[2]; /* arena offsets of the pages its bytes are on; [1] only if it straddles */
    uint32_t mode;    /* its number */
    uint32_t code;    /* host code, offset in the cache */
    uint32_t code_size;
    uint16_t guest_size; /* bytes; past the page's end only by the one instruction of a straddling block */
    uint16_t instructions;
    bool valid;
    bool straddles;        /* one instruction that crosses the page's end */
    uint32_t hash_next;    /* index, or NO_INDEX */
    uint32_t page_next[2]; /* next on each page's list, as in page_code.first */
    uint32_t incoming;     /* first exit linked to this block */
};

enum site_kind {
    SITE_ACCESS, /* a load or store by the shadow table: `size`, `access` */
    SITE_INTERP, /* the interpreter steps this instruction */
    SITE_BRANCH, /* an indirect branch that missed the jump cache: `insn` is what undoes its change of RSP */
    SITE_HELPER, /* insn_execute() on the instruction at `insn` */
};

/* The effective address of an access, as registers at its instruction's beginning give it: for host faults, which do
 * not tell the linear address. */
struct site_address {
    int64_t disp;
    uint8_t base, index; /* guest registers or REG_NONE */
    uint8_t scale, segment;
    uint8_t size;  /* of the address: 4 or 8 */
    bool add_base; /* the segment's base is added */
};

/* Guest registers whose window deltas rcx [0] and t [1] hold, or REG_NONE. */
struct held {
    uint8_t slot[2];
};
#define HELD_NOTHING ((struct held){{REG_NONE, REG_NONE}})

/* A place in host code that may enter the slow path or trap, and the guest instruction it belongs to: the unwind
 * record. */
struct site {
    uint32_t code;  /* offset of the host instruction that may trap */
    uint32_t stub;  /* offset of its slow-path stub */
    uint32_t retry; /* offset where the guest instruction begins */
    uint32_t next;  /* offset where the next one begins */
    uint32_t tb;
    uint32_t insn;  /* SITE_HELPER: index of the decoded instruction */
    uint16_t guest; /* guest bytes from the block's start */
    uint8_t length; /* of the guest instruction */
    uint8_t kind;
    uint8_t size, access; /* enum access */
    bool window;          /* SITE_ACCESS through a window: it has no stub, `address` tells where */
    bool folded;  /* t holds the host address when the instruction runs: a trap cannot tell the linear address */
    bool objects; /* a store that may fault by itself, so that the page must not become dirty before */
    bool leave;   /* the rest of the block relies on what did not hold: go on in another block */
    struct held retry_held, next_held; /* what the code there relies on */
    struct site_address address;
};

/* A direct branch out of a block; links to other blocks by patching. */
struct exit {
    uint64_t target; /* linear */
    uint32_t patch;  /* offset of the rel32; 0: a poll's, never linked */
    uint32_t stub;   /* what it points to while unlinked */
    uint32_t to;     /* block linked to; NO_INDEX: none */
    uint32_t mode;   /* of the block it leaves; links only to the same */
    uint32_t incoming_next;
    uint32_t guard; /* offset of the imm64 that the target page's EXEC entry is compared with; 0: same page, no guard */
};

struct page_code {
    uint32_t first; /* block * 2 + which of its pages this is; 0: none */
    uint32_t stamp;
};

struct tcache {
    uint8_t *rw, *rx;
    uint64_t size, used, start; /* [0, start): the runtime's trampolines */
    int fd;
    struct tb *tbs;
    struct site *sites;
    struct exit *exits;
    struct insn *insns;
    uint32_t tb_count, site_count, exit_count, insn_count; /* used; index 0 of each is never used */
    uint32_t tb_max, site_max, exit_max, insn_max;
    uint32_t hash[1 << TB_HASH_BITS];
    struct page_code *pages;
    uint64_t page_count;
    /* counters, reported by -d jit */
    uint64_t translated, guest_bytes, flushes, dropped, links, lookups, slow_access, interp_steps, helper_calls,
        jump_misses, window_faults;
};

int tcache_create(struct tcache *cache, uint64_t bytes, uint64_t arena_size, struct error *err);
void tcache_destroy(struct tcache *cache);

/* Forgets everything. The caller also resets views (shadow_forget_code) and holds no block. */
void tcache_flush(struct tcache *cache, struct vcpu *vcpu);
bool tcache_full(const struct tcache *cache);

/* The valid block for this code, or null. */
struct tb *tcache_find(struct tcache *cache, uint64_t linear, uint64_t arena_offset, uint32_t mode);

/* The block, dropped ones too, whose host code is at this offset; or null. */
const struct tb *tcache_block_at(const struct tcache *cache, uint64_t offset);

/* Enters a finished block into the hash and its page, protecting the page. */
void tcache_insert(struct tcache *cache, struct vcpu *vcpu, struct tb *tb);

/* Drops the blocks that [offset, offset + size) of the arena overlaps: it is about to change. */
void tcache_written(struct tcache *cache, struct vcpu *vcpu, uint64_t offset, uint64_t size);

/* Patches a direct exit to go to `to`. */
void tcache_link(struct tcache *cache, struct vcpu *vcpu, struct exit *exit, struct tb *to);

static inline uint32_t tb_index(const struct tcache *cache, const struct tb *tb)
{
    return (uint32_t)(tb - cache->tbs);
}

#endif
