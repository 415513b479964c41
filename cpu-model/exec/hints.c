/*
 * Instructions that only hint at caches or code layout: they move no data.
 *
 * CLFLUSH, CLFLUSHOPT and CLWB fault as a byte load of their operand would; prefetches and NOP never fault.
 * Thread: the vCPU's own; guest vector state live. Source: SDM Vol. 2 by mnemonic.
 */
#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/rules.h"

enum exec_result exec_clflush(struct vcpu *vcpu, const struct insn *insn)
{
    lin_t at;
    if (!insn_linear(vcpu, insn, 1, ACCESS_READ, &at) || !mmu_probe(vcpu, at, 1, ACCESS_READ, vcpu_user(vcpu)))
        return EXEC_FAULT;
    return EXEC_NEXT; /* the host keeps its caches coherent: nothing to write back */
}

enum exec_result exec_hint(struct vcpu *vcpu, const struct insn *insn)
{
    (void)vcpu;
    (void)insn;
    return EXEC_NEXT;
}
