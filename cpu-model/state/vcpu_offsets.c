/* Proves vcpu_offsets.h against the struct. */
#include "cpu-model/state/vcpu_offsets.h"
#include "cpu-model/state/vcpu.h"

_Static_assert(offsetof(struct vcpu, gpr) == VCPU_GPR, "VCPU_GPR");
_Static_assert(offsetof(struct vcpu, rip) == VCPU_RIP, "VCPU_RIP");
_Static_assert(offsetof(struct vcpu, flags) == VCPU_FLAGS, "VCPU_FLAGS");
_Static_assert(offsetof(struct vcpu, run) == VCPU_RUN, "VCPU_RUN");
_Static_assert(offsetof(struct vcpu, native_sp) == VCPU_NATIVE_SP, "VCPU_NATIVE_SP");
_Static_assert(offsetof(struct vcpu, host_sp) == VCPU_HOST_SP, "VCPU_HOST_SP");
_Static_assert(offsetof(struct vcpu, return_sp) == VCPU_RETURN_SP, "VCPU_RETURN_SP");
_Static_assert(offsetof(struct vcpu, resume_pc) == VCPU_RESUME_PC, "VCPU_RESUME_PC");
_Static_assert(offsetof(struct vcpu, resume_scratch) == VCPU_RESUME_SCRATCH, "VCPU_RESUME_SCRATCH");
_Static_assert(offsetof(struct vcpu, slow_function) == VCPU_SLOW_FUNCTION, "VCPU_SLOW_FUNCTION");
_Static_assert(offsetof(struct vcpu, exit_function) == VCPU_EXIT_FUNCTION, "VCPU_EXIT_FUNCTION");
_Static_assert(offsetof(struct vcpu, jump_function) == VCPU_JUMP_FUNCTION, "VCPU_JUMP_FUNCTION");
_Static_assert(offsetof(struct vcpu, self) == VCPU_SELF, "VCPU_SELF");
_Static_assert(offsetof(struct vcpu, events) == VCPU_EVENTS, "VCPU_EVENTS");
