/*
 * The interface of an engine: what makes guest instructions happen. `interp` and `bt` stand behind it.
 *
 * run() is called on the vCPU's thread without the machine lock; it parks the guest's vector state before it returns.
 */
#ifndef RING3_EXEC_ENGINE_H
#define RING3_EXEC_ENGINE_H

#include "cpu-model/base/error.h"
#include "cpu-model/state/vcpu.h"

enum run_exit {
    RUN_STOPPED,  /* EVENT_STOP or EVENT_RESET is pending; the machine clears it */
    RUN_HALTED,   /* HLT and nothing to do: call run() again once vcpu->events != 0 */
    RUN_SHUTDOWN, /* triple fault; the state is as it was when the last exception could not be delivered */
    RUN_FAILED,   /* the engine found that it is wrong: failure() tells how */
    RUN_CONTINUE, /* only inside engines: guest code can go on */
};

/* Things a host may lack, for engines to be told to do without (tests, comparisons). */
enum {
    HOST_BMI2 = 1 << 0,
    HOST_FAST_PEXT = 1 << 1,
    HOST_FSGSBASE = 1 << 2,
    HOST_WINDOWS = 1 << 3,  /* softmmu/window.h: shared memory and address space for them */
    HOST_PATIENCE = 1 << 4, /* without it windows open at once and stay, whatever they cost: for tests */
};

struct engine_config {
    uint64_t cache_bytes;  /* size of the translation cache; 0: the default */
    unsigned host_without; /* HOST_*: not to be used even if the host has it */
    uint32_t chaos;        /* seed of odd but right behaviour, for tests; 0: none */
};

struct engine_ops {
    const char *name;
    /* 0 or -errno; -ENOTSUP: this host's CPU cannot run it, another engine can. */
    int (*create)(struct vcpu *vcpu, const struct engine_config *config, struct error *err);
    void (*destroy)(struct vcpu *vcpu);
    enum run_exit (*run)(struct vcpu *vcpu);
    void (*report)(struct vcpu *vcpu, char *text, size_t size); /* counters, for -d jit */
    const char *(*failure)(struct vcpu *vcpu);                  /* after RUN_FAILED; null for engines without */
};

/* engine_verify: bt in lock-step with the interpreter. */
extern const struct engine_ops engine_interp, engine_bt, engine_verify;

#endif
