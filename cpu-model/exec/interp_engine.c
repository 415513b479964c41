/*
 * The `interp` engine's place behind engine.h: creation, the run loop, the report. Ordinary code around the vector-live
 * step. Thread: the vCPU's own.
 */
#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/interp.h"
#include "cpu-model/state/vector.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int interp_create(struct vcpu *vcpu, const struct engine_config *config, struct error *err)
{
    struct interp *interp = calloc(1, sizeof(*interp));
    (void)config;
    if (!interp)
        return error_set(err, -ENOMEM, "no memory for the interpreter");
    int r = interp_init(interp, vcpu, err);
    if (r)
        free(interp);
    else
        vcpu->engine = interp;
    return r;
}

static void interp_engine_destroy(struct vcpu *vcpu)
{
    interp_destroy(vcpu->engine);
    free(vcpu->engine);
    vcpu->engine = NULL;
}

static enum run_exit loop(struct vcpu *vcpu)
{
    for (;;) {
        /* `run`: what is pending may be masked, but string instructions pause until it has been looked at. */
        if (__builtin_expect(!__atomic_load_n(&vcpu->run, __ATOMIC_RELAXED) || vcpu->halted || events_due(vcpu), 0)) {
            enum run_exit exit = events_handle(vcpu);
            if (exit != RUN_CONTINUE)
                return exit;
            if (vcpu->halted)
                continue;
        }
        if (__builtin_expect(!interp_step(vcpu), 0))
            return RUN_SHUTDOWN;
    }
}

static enum run_exit interp_run(struct vcpu *vcpu)
{
    struct interp *interp = vcpu->engine;
    struct trap_region region = {.start = interp->cache.code_rx,
                                 .end = interp->cache.code_rx + ((size_t)THUNK_MAX << INSN_CACHE_BITS),
                                 .handle = native_trap,
                                 .context = vcpu};
    trap_region_set(0, &region);
    enum run_exit exit = loop(vcpu);
    vector_park(vcpu);
    return exit;
}

static void interp_report(struct vcpu *vcpu, char *text, size_t size)
{
    const struct interp *interp = vcpu->engine;
    snprintf(text, size, "interp: %llu instructions, %llu decoded, %llu native thunks written",
             (unsigned long long)interp->steps, (unsigned long long)interp->cache.decodes,
             (unsigned long long)interp->cache.thunks);
}

const struct engine_ops engine_interp = {
    .name = "interp",
    .create = interp_create,
    .destroy = interp_engine_destroy,
    .run = interp_run,
    .report = interp_report,
};
