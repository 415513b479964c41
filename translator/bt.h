/*
 * The `bt` engine's state, and what its parts ask of each other: engine (the loop), translate (guest code to host
 * code), runtime (what translated code calls).
 */
#ifndef RING3_TRANSLATOR_BT_H
#define RING3_TRANSLATOR_BT_H

#include "cpu-model/exec/interp.h"
#include "translator/tcache.h"

/* What the host offers, and so which code forms are emitted; shown by -d host. */
struct host_cpu {
    bool bmi2;
    bool fast_pext; /* PEXT in a few cycles: not AMD before Zen 3 */
    bool fsgsbase;  /* WRGSBASE without a system call */
    bool avx;
};

struct bt;

/* The linear address of CS:offset, and back. */
static inline uint64_t code_linear(const struct vcpu *vcpu, uint64_t offset)
{
    return vcpu_code64(vcpu) ? offset : (uint32_t)(vcpu->segment[SEG_CS].base + offset);
}

static inline uint64_t code_offset_of(const struct vcpu *vcpu, uint64_t linear)
{
    return vcpu_code64(vcpu) ? linear : (uint32_t)(linear - vcpu->segment[SEG_CS].base);
}

/* All modes met since the cache was last emptied, by number. */
struct mode_table {
    struct mode_key key[MODES_MAX]; /* hashed; a number is an index */
    uint32_t used, last;
};

/* The number of the CPU's present mode, and of any. May empty the cache, when there are too many. */
uint32_t mode_now(struct vcpu *vcpu);
uint32_t mode_number(struct vcpu *vcpu, const struct mode_key *key);
/* The mode that code was translated for still holds, as far as the instructions inside a block can tell. */
bool mode_holds(const struct vcpu *vcpu, const struct mode_key *key);

/*
 * 16-bit code, and code in a segment that does not start at 0 or end at 4 GiB, changes its mode with every far
 * transfer. So its targets in the jump cache and behind calls carry the mode's number in bits 48 on, which makes them
 * differ from all others. Other modes add 0 here, and their targets are forgotten when the mode changes.
 */
static inline bool mode_plain(const struct mode_key *key)
{
    return key->code_size == 8 || (key->code_size == 4 && !key->cs_base && key->code_limit == CODE_UNLIMITED);
}

static inline uint64_t mode_salt(const struct mode_key *key, uint32_t number)
{
    return mode_plain(key) ? 0 : (uint64_t)number << 48;
}

/* Translates the block at linear address `at` on the arena page `page` (an offset). Null: its first instruction cannot
 * be translated (it crosses the page's end): interpret it. The cache has room. */
struct tb *translate_block(struct bt *bt, struct vcpu *vcpu, uint64_t at, uint64_t page, uint32_t mode);

/* Emits the shared routines at the start of the empty cache. */
void translate_prologue(struct bt *bt, struct vcpu *vcpu);

/* The C side of translated code (runtime.c). Each returns the host address to go on at, or 0 to leave. */
uint64_t bt_slow(struct vcpu *vcpu, uint32_t site, uint64_t linear);
uint64_t bt_exit(struct vcpu *vcpu, uint32_t exit);
uint64_t bt_jump(struct vcpu *vcpu, uint64_t target);

/* Assembly. */
void bt_enter(struct vcpu *vcpu, uint64_t pc);
extern const char bt_slow_entry[], bt_exit_entry[], bt_jump_entry[], bt_trap_entry[];

bool bt_trap(void *vcpu, int trap, void *ucontext);

#endif
