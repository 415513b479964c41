/* Offsets into struct vcpu for assembly files; vcpu_offsets.c proves them right at compile time. */
#ifndef RING3_STATE_VCPU_OFFSETS_H
#define RING3_STATE_VCPU_OFFSETS_H

#define VCPU_GPR            0
#define VCPU_RIP            128
#define VCPU_FLAGS          136
#define VCPU_RUN            144
#define VCPU_NATIVE_SP      152
#define VCPU_HOST_SP        160
#define VCPU_RETURN_SP      168
#define VCPU_RESUME_PC      176
#define VCPU_SLOW_FUNCTION  184
#define VCPU_EXIT_FUNCTION  192
#define VCPU_JUMP_FUNCTION  200
#define VCPU_SELF           208
#define VCPU_EVENTS         216
#define VCPU_RESUME_SCRATCH 248

#endif
