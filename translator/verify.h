/*
 * `-accel verify`: the translator in lock-step with the interpreter.
 *
 * Whenever translated code is about to be entered, the interpreter goes first, as far as translated code may go without
 * C: over blocks and the links between them, to a branch that leads back (but over the rounds of a hot loop), an
 * indirect one, or the first instruction that it may not take back (a fault, a device, a system instruction). Its state
 * is kept at each instruction boundary, and what it stored is kept and taken back. When translated code comes back to
 * C, the CPU's state, flags included, and the memory must be those of the boundary with that RIP. On a difference both
 * are put back and run once more, since page walks and devices may have changed what was read; a second difference is
 * one.
 *
 * Then all code is dropped, and from the same state the blocks are run one by one, unlinked; and the block that is
 * wrong again is run from its entry with 1, 2, 3... instructions, until one more makes it wrong: that is the first
 * wrong step. If all is right now, then links or stale code were wrong, and the report says so.
 *
 * Links are made only forward, and RET goes by the return stack only to calls since the last entry, so that translated
 * code comes back soon. The jump cache is not used. RDTSC is the interpreter's.
 */
#ifndef RING3_TRANSLATOR_VERIFY_H
#define RING3_TRANSLATOR_VERIFY_H

#include "translator/bt.h"

enum {
    VERIFY_BOUNDARIES = 512,
    VERIFY_LOOPS = 8,
    VERIFY_STORES = 16 << 10,
    VERIFY_STORE_BYTES = 64 << 10,
    VERIFY_VECTOR_SIZE = 576 + 256, /* legacy region, header, AVX */
    VERIFY_SYSTEM_SIZE = offsetof(struct vcpu, vector_live) - offsetof(struct vcpu, segment),
    VERIFY_SYSTEM_COMPARED = offsetof(struct vcpu, cpl) + 1 - offsetof(struct vcpu, segment),
};

/* The CPU between two instructions. */
struct verify_state {
    uint64_t gpr[16], rip, flags;
    uint32_t eflags;
    uint32_t stores;  /* made so far */
    uint32_t vector;  /* which of struct verify's vectors; 0: as it was at the block's entry */
    uint32_t system;  /* which of struct verify's systems; 0: as it was at the block's entry */
    bool mmx_follows; /* an MMX instruction with a memory operand comes next */
};

struct verify_store {
    uint8_t *host;
    uint32_t at, size; /* in old and new */
};

/* What is being looked for after a difference. */
enum verify_search {
    SEARCH_NONE,
    SEARCH_BLOCKS, /* the wrong block */
    SEARCH_STEPS,  /* the wrong instruction in it */
};

struct verify {
    bool active;   /* translated code runs, and `boundary` is what it must do */
    bool complete; /* no boundary is missing at which translated code may come back */
    bool give_up;  /* while predicting: a device was asked, or a table is full */
    bool vectors_used;
    bool failed;
    unsigned attempt; /* differences seen in a row at the same entry */
    enum verify_search search;
    unsigned block_limit; /* SEARCH_STEPS: instructions in a block; else 0: no such limit */
    unsigned search_left; /* boundaries of the wrong run (block) not yet passed */
    uint32_t tb;          /* the block that was entered */
    uint64_t pc;          /* host code that was entered */
    unsigned calls;       /* while predicting: not yet returned from */
    uint64_t loop;        /* while predicting: where the last branch back led to, */
    unsigned rounds;      /* how often in a row, */
    unsigned loops;       /* and how many such places there were */
    unsigned boundaries, stores, store_bytes, vectors, systems;
    struct verify_state boundary[VERIFY_BOUNDARIES], seen;
    struct verify_store store[VERIFY_STORES];
    uint8_t old[VERIFY_STORE_BYTES], new[VERIFY_STORE_BYTES];
    uint8_t system[VERIFY_BOUNDARIES][VERIFY_SYSTEM_SIZE]; /* segments and what follows them in struct vcpu */
    uint8_t vector[VERIFY_BOUNDARIES + 1][VERIFY_VECTOR_SIZE], seen_vector[VERIFY_VECTOR_SIZE];
    struct vcpu_wires wires;
    uint64_t blocks, instructions, unchecked, repeated; /* counters */
    char report[3072];
};

enum verify_verdict { VERIFY_RIGHT, VERIFY_AGAIN, VERIFY_STOP };

/* The vCPU is about to enter translated code of `tb` at host address pc. Leaves everything as it was. */
void verify_enter(struct bt *bt, struct vcpu *vcpu, const struct tb *tb, uint64_t pc);

/* Translated code came back, all state is in the vCPU. AGAIN: state and memory are as at the entry; enter at verify->pc
 * once more. STOP: go to the loop. */
enum verify_verdict verify_leave(struct bt *bt, struct vcpu *vcpu);

/* May this exit be linked to its target's block? */
bool verify_links(const struct verify *verify, const struct exit *exit);

/* Fills verify->report about the state that was seen and the boundary it should be. Ordinary code. */
void verify_describe(struct verify *verify, const struct vcpu *vcpu, const struct verify_state *expected);

/* Is this byte of a store overwritten by a later one of those before boundary `state`? */
bool verify_overwritten(const struct verify *verify, const struct verify_state *state, unsigned store, unsigned byte);

int verify_create(struct bt *bt, struct error *err);

#endif
