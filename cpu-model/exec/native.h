/*
 * Data instructions on the host's silicon: the interpreter's thunks, and the traps that they take.
 *
 * A thunk loads the guest registers that one instruction uses, runs the instruction with its memory operand at a host
 * pointer, and stores what it wrote. A host exception inside it (#DE, #MF, #XM, #GP for alignment) becomes the guest's,
 * with nothing stored.
 */
#ifndef RING3_EXEC_NATIVE_H
#define RING3_EXEC_NATIVE_H

#include "cpu-model/base/error.h"
#include "cpu-model/exec/insn.h"
#include "cpu-model/exec/trap.h"

enum { THUNK_MAX = 224, INSN_CACHE_BITS = 16 };

/* One decoded instruction and its thunk; found by its bytes, so nothing the guest does makes it stale. */
struct cached_insn {
    struct insn insn;
    uint64_t key[2];      /* the 15 bytes and the code size */
    const uint8_t *thunk; /* null until first run natively */
};

struct insn_cache {
    struct cached_insn *entries;
    uint8_t *code_rw, *code_rx; /* one slot of THUNK_MAX bytes an entry, mapped twice */
    int fd;
    uint64_t decodes, thunks;
};

int insn_cache_create(struct insn_cache *cache, struct error *err);
void insn_cache_destroy(struct insn_cache *cache);

/* The instruction that starts with these 15 bytes (zero-filled after `size` valid ones). Null: more bytes needed. */
struct cached_insn *insn_cache_get(struct insn_cache *cache, struct vcpu *vcpu, unsigned code_size,
                                   const uint8_t *bytes, unsigned size);

/* Writes the thunk if there is none yet. */
void insn_cache_thunk(struct insn_cache *cache, struct cached_insn *entry);

/* #NM, #UD as CR0.EM/TS/MP, CR4.OSFXSR/OSXSAVE and XCR0 demand before an instruction that uses vector state. */
bool vector_check(struct vcpu *vcpu, enum vector_use use);

/* Runs a thunk: returns 0, or 100h + host trap number. In native_entry.S. */
unsigned native_call(struct vcpu *vcpu, void *memory, const uint8_t *thunk);
extern const char native_trapped[]; /* where the trap handler sends a trapped thunk: RDI vCPU, EAX result */
bool native_trap(void *vcpu, int trap, void *ucontext);

#endif
