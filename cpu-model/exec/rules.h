/* Prototypes of all exec functions, from the instruction table. Each returns as enum exec_result says. */
#ifndef RING3_EXEC_RULES_H
#define RING3_EXEC_RULES_H

#include "cpu-model/exec/insn.h"

#define INSN(mnemonic, function, flags) exec_fn function;
#include "cpu-model/exec/insn.def"
#undef INSN

#endif
