/*
 * Host exceptions in code that we generated: native thunks and translated blocks.
 *
 * Each thread that runs guest code registers its regions; a region's handler gets the host's trap number and may
 * redirect the interrupted context through the accessors below (numbered as the hardware numbers registers).
 * @signal-safe
 */
#ifndef RING3_EXEC_TRAP_H
#define RING3_EXEC_TRAP_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"

struct trap_region {
    const uint8_t *start, *end;
    bool (*handle)(void *context, int trap, void *ucontext); /* false: not ours after all */
    void *context;
};

int trap_install(struct error *err);      /* once per process: SIGSEGV, SIGBUS, SIGFPE, SIGILL */
int trap_thread_start(struct error *err); /* once per thread: alternate stack */
void trap_thread_stop(void);

/* Region `slot` (0 to 3) of the calling thread: 0 native thunks, 1 translated code. */
void trap_region_set(unsigned slot, const struct trap_region *region);

uint64_t trap_pc(void *ucontext);
void trap_set_pc(void *ucontext, const void *pc);
uint64_t trap_register(void *ucontext, unsigned reg); /* 0 RAX, 1 RCX, ... 15 R15 */
void trap_set_register(void *ucontext, unsigned reg, uint64_t value);

#endif
