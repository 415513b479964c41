/*
 * What IN, OUT, INS and OUTS share.
 */
#ifndef RING3_EXEC_IO_H
#define RING3_EXEC_IO_H

#include "cpu-model/exec/memory.h"

/* May the current code access `size` ports from `port`? False: #GP(0), or a fault of reading the TSS, was raised. */
bool io_allowed(struct vcpu *vcpu, uint16_t port, unsigned size);

/* Width of an I/O instruction: 1, 2 or 4 bytes. */
unsigned io_operand_size(const struct insn *insn);

#endif
