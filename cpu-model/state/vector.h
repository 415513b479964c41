/*
 * The guest's x87/SSE/AVX state, which is in the host's registers while guest code runs and the C code of the CPU model
 * with it.
 *
 * Whoever calls code that may use vector registers (libc, devices, the translator) calls vector_park() first; whoever
 * is about to run guest vector code calls vector_unpark(). Both are cheap when there is nothing to do. Thread: the
 * vCPU's own.
 */
#ifndef RING3_STATE_VECTOR_H
#define RING3_STATE_VECTOR_H

#include "cpu-model/state/vcpu.h"

/* Registers -> vector_area, if live; leaves the host's x87/MXCSR in the state C code expects. */
void vector_park(struct vcpu *vcpu);
/* vector_area -> registers, if parked. */
void vector_unpark(struct vcpu *vcpu);
/* Parked state of FNINIT + MXCSR 1F80h + zeroed registers. */
void vector_reset(struct vcpu *vcpu);

/* Has TOP of a parked area's x87 go to 0, with the registers staying as they are: an image numbers them from TOP on. An
 * MMX instruction whose access faults on the host may have done that already. */
void vector_zero_top(uint8_t *area);

#endif
