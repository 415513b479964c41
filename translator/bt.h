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

/* The key for the CPU's present state. *possible: false if this mode is only interpreted. */
uint32_t mode_key_now(const struct vcpu *vcpu, bool *possible);

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
