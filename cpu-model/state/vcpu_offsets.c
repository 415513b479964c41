/* Proves vcpu_offsets.h against the struct. */
#include "cpu-model/state/vcpu_offsets.h"
#include "cpu-model/state/vcpu.h"

_Static_assert(offsetof(struct vcpu, gpr) == VCPU_GPR, "VCPU_GPR");
_Static_assert(offsetof(struct vcpu, rip) == VCPU_RIP, "VCPU_RIP");
_Static_assert(offsetof(struct vcpu, flags) == VCPU_FLAGS, "VCPU_FLAGS");
_Static_assert(offsetof(struct vcpu, run) == VCPU_RUN, "VCPU_RUN");
_Static_assert(offsetof(struct vcpu, native_sp) == VCPU_NATIVE_SP, "VCPU_NATIVE_SP");
