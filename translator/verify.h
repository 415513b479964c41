/*
 * `-accel verify`: the translator in lock-step with the interpreter.
 *
 * Whenever translated code is about to be entered, the interpreter goes first, over branches of every kind, until
 * translated code must have polled VERIFY_POLLS times on that way, or to the first instruction that it may not take
 * back (a fault, a device, a system instruction). Its state is kept at each instruction boundary, and what it stored is
 * kept and taken back. When translated code comes back to C, the CPU's state, flags included, and the memory must be
 * those of the boundary with that RIP. On a difference both are put back and run once more, since page walks and
 * devices may have changed what was read; a second difference is one.
 *
 * Then all code is dropped, and from the same state the blocks are run one by one, unlinked; and the block that is
 * wrong again is run from its entry with 1, 2, 3... instructions, until one more makes it wrong: that is the first
 * wrong step. If all is right now, then a link, an entry of the jump cache, the landing of a RET or stale code was
 * wrong. The report says so, and which of the links and entries on the way do not lead where they should.
 *
 * What runs is the code that bt runs, with its links, jump cache and return stack; but a poll looks at a count of the
 * polls that are left (e_poll() in emit.h), so that translated code comes back before it gets out of sight, even if it
 * is wrong. RDTSC is the interpreter's.
 */
#ifndef RING3_TRANSLATOR_VERIFY_H
#define RING3_TRANSLATOR_VERIFY_H

#include "translator/bt.h"

enum {
    VERIFY_BOUNDARIES = 512,
    VERIFY_POLLS = 4,
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
    bool idle;        /* the last way out was at the entry, with nothing to do: the end of a block */
    unsigned attempt; /* differences seen in a row at the same entry */
    enum verify_search search;
    unsigned block_limit; /* SEARCH_STEPS: instructions in a block; else 0: no such limit */
    unsigned search_left; /* boundaries of the wrong run (block) not yet passed */
    uint64_t pc;          /* host code that was entered */
    unsigned polls;       /* while predicting: how many translated code makes on this way, at least */
    uint64_t straight;    /* while predicting: no branch was taken since here, */
    uint64_t loop;        /* where the last branch led back to without a poll, perhaps, */
    unsigned rounds;      /* and how often in a row */
    unsigned returns;     /* RETs on this way */
    uint64_t return_sp, landing[VERIFY_BOUNDARIES]; /* the return stack at the entry, as far as they reach */
    unsigned boundaries, stores, store_bytes, vectors, systems;
    struct verify_state boundary[VERIFY_BOUNDARIES], seen;
    struct verify_store store[VERIFY_STORES];
    uint8_t old[VERIFY_STORE_BYTES], new[VERIFY_STORE_BYTES];
    uint8_t system[VERIFY_BOUNDARIES][VERIFY_SYSTEM_SIZE]; /* segments and what follows them in struct vcpu */
    uint8_t vector[VERIFY_BOUNDARIES + 1][VERIFY_VECTOR_SIZE], seen_vector[VERIFY_VECTOR_SIZE];
    struct vcpu_wires wires;
    uint64_t blocks, instructions, unchecked, repeated; /* counters */
    char report[4096];
};

enum verify_verdict { VERIFY_RIGHT, VERIFY_AGAIN, VERIFY_ANEW, VERIFY_STOP };

/* The vCPU is about to enter translated code of the current view at host address pc. */
void verify_enter(struct bt *bt, struct vcpu *vcpu, uint64_t pc);

/* Translated code came back, all state is in the vCPU; done: C has nothing to do for the instruction there. AGAIN,
 * ANEW: state and memory are as at the entry; enter at verify->pc once more, or forget all code and enter a new block.
 * STOP: go to the loop. */
enum verify_verdict verify_leave(struct bt *bt, struct vcpu *vcpu, bool done);

/* Fills verify->report about the state that was seen and the boundary it should be. Ordinary code. */
void verify_describe(struct verify *verify, const struct vcpu *vcpu, const struct verify_state *expected);

/* Is this byte of a store overwritten by a later one of those before boundary `state`? */
bool verify_overwritten(const struct verify *verify, const struct verify_state *state, unsigned store, unsigned byte);

/* Forgets a difference that was found: for tests, which go on. */
void verify_reset(struct verify *verify);

int verify_create(struct bt *bt, struct error *err);

#endif
