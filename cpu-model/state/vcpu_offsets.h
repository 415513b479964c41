/* Offsets into struct vcpu for assembly files; vcpu_offsets.c proves them right at compile time. */
#ifndef RING3_STATE_VCPU_OFFSETS_H
#define RING3_STATE_VCPU_OFFSETS_H

#define VCPU_GPR       0
#define VCPU_RIP       128
#define VCPU_FLAGS     136
#define VCPU_RUN       144
#define VCPU_NATIVE_SP 152

#endif
