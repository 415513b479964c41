/* Decoding's own exports beside insn.h: the rule of instructions that do not exist. */
#ifndef RING3_EXEC_DECODE_H
#define RING3_EXEC_DECODE_H

#include "cpu-model/exec/insn.h"

extern const struct insn_rule insn_rule_ud;

/* Runs a data instruction on the host's silicon (native.c). */
exec_fn exec_native;

#endif
