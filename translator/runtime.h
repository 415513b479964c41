/* Between the engine's ordinary half (engine.c) and its vector-live half (runtime.c). */
#ifndef RING3_TRANSLATOR_RUNTIME_H
#define RING3_TRANSLATOR_RUNTIME_H

#include "translator/emit.h"

/* Runs guest code until there is something that the loop's caller must do. */
enum run_exit bt_loop(struct vcpu *vcpu);

/* GS base := base, by WRGSBASE or by system call. */
void host_set_gs(const struct host_cpu *host, uint64_t base);

#endif
