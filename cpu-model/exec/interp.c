/*
 * The `interp` engine: fetch, decode, execute, one instruction at a time; the oracle that the translator is checked
 * against.
 *
 * Only control flow and system instructions are C: data instructions run on the host's silicon (native.c). Invariant:
 * between two steps all guest state is in struct vcpu, but for the vector state, which may be live. Thread: the vCPU's
 * own.
 */
#include "cpu-model/exec/interp.h"
#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/memory.h"
#include "cpu-model/state/trace.h"
#include "cpu-model/state/vector.h"

/* mmu_fetch(), by way of interp->fetched. */
static unsigned fetch(struct vcpu *vcpu, uint64_t at, uint8_t *bytes, unsigned want)
{
    struct fetch_page *page = ((struct interp *)vcpu->engine)->fetched;
    unsigned offset = (unsigned)(at & GUEST_PAGE_OFFSET);
    struct translation t;

    if (!page || want != 15 || offset > GUEST_PAGE_SIZE - 15)
        return mmu_fetch(vcpu, lin(at), bytes, want);
    if (page->linear != at - offset || !page->host) {
        if (!mmu_walk(vcpu, lin(at), ACCESS_EXEC, vcpu->cpl == 3, &t))
            return 0;
        if (!t.host)
            return mmu_fetch(vcpu, lin(at), bytes, want);
        *page = (struct fetch_page){.linear = at - offset, .host = t.host};
    }
    __builtin_memcpy(bytes, page->host + offset, 15);
    return 15;
}

struct cached_insn *interp_fetch(struct vcpu *vcpu)
{
    struct interp *interp = vcpu->engine;
    const struct segment *cs = &vcpu->segment[SEG_CS];
    uint8_t bytes[16] = {0};
    unsigned code_size = vcpu_code_size(vcpu), want = 15;
    uint64_t at = vcpu->rip;

    if (code_size != 8) {
        if (at > cs->limit) {
            vcpu_fault_code(vcpu, EXC_GP, 0);
            return NULL;
        }
        if (cs->limit - at < 14)
            want = (unsigned)(cs->limit - at) + 1;
        at = (uint32_t)(at + cs->base);
    }
    unsigned got = fetch(vcpu, at, bytes, want);
    if (!got)
        return NULL;
    for (unsigned i = got; i < 15; i++)
        bytes[i] = 0;
    struct cached_insn *entry = insn_cache_get(&interp->cache, vcpu, code_size, bytes, got);
    if (entry && entry->insn.length && entry->insn.length <= got)
        return entry;
    if (entry && !entry->insn.length) { /* longer than 15 bytes */
        vcpu_fault_code(vcpu, EXC_GP, 0);
        return NULL;
    }
    /* It goes on past what could be fetched: past the limit, or into a page that faults. */
    if (got == want && want < 15)
        vcpu_fault_code(vcpu, EXC_GP, 0);
    else
        mmu_fetch(vcpu, lin(code_size == 8 ? at + got : (uint32_t)(at + got)), bytes, 1);
    return NULL;
}

/* Instruction breakpoints that match here: DR6 bits, or 0. */
static uint64_t breakpoints_here(const struct vcpu *vcpu)
{
    uint64_t hit = 0, at = vcpu->segment[SEG_CS].base + vcpu->rip;
    if (!vcpu_code64(vcpu))
        at = (uint32_t)at;
    else
        at = vcpu->rip;
    for (unsigned i = 0; i < 4; i++)
        if ((vcpu->dr[7] >> (2 * i) & 3) && !(vcpu->dr[7] >> (16 + 4 * i) & 15) && vcpu->dr[i] == at)
            hit |= BIT(i);
    return hit;
}

static enum exec_result debug_fault(struct vcpu *vcpu, uint64_t dr6)
{
    vcpu->exception = (struct exception){.vector = EXC_DB, .dr6 = dr6};
    return EXEC_FAULT;
}

enum exec_result insn_execute(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned flags = insn->rule->flags;
    if (__builtin_expect(flags & (RULE_CPL0 | RULE_PROTECTED), 0)) {
        if (flags & RULE_PROTECTED && (!vcpu_protected(vcpu) || vcpu_v86(vcpu))) {
            vcpu_fault(vcpu, EXC_UD);
            return EXEC_FAULT;
        }
        if (flags & RULE_CPL0 && vcpu->cpl) {
            vcpu_fault_code(vcpu, EXC_GP, 0);
            return EXEC_FAULT;
        }
    }
    return insn->rule->function(vcpu, insn);
}

enum exec_result interp_execute(struct vcpu *vcpu, const struct insn *insn)
{
    uint16_t task = vcpu->segment[SEG_TR].selector;
    enum exec_result result = insn_execute(vcpu, insn);
    if (result == EXEC_NEXT || result == EXEC_HALT) {
        vcpu->rip = rip_after(vcpu, insn);
        vcpu->eflags &= ~(uint32_t)FLAG_RF;
    } else if (result == EXEC_JUMP && insn->rule->flags & RULE_BRANCH && insn->opcode != 0xcf &&
               vcpu->segment[SEG_TR].selector == task) {
        vcpu->eflags &= ~(uint32_t)FLAG_RF; /* IRET or a task switch may have set it for what comes next */
    }
    return result;
}

/* Delivers a trap that follows a finished instruction: RIP already points past it. */
static bool deliver_debug_trap(struct vcpu *vcpu, uint64_t dr6)
{
    vcpu->exception = (struct exception){.vector = EXC_DB, .dr6 = dr6};
    return interrupt_deliver(vcpu, INTERRUPT_EXCEPTION, EXC_DB, vcpu->rip) != EXEC_SHUTDOWN;
}

bool interp_step(struct vcpu *vcpu)
{
    struct interp *interp = vcpu->engine;
    bool debug_shadow = vcpu->debug_shadow, single_step = vcpu->eflags & FLAG_TF;
    enum exec_result result;
    struct cached_insn *entry = NULL;

    interp->steps++;
    trace(vcpu, LOG_EXEC, "step %04x:%llx", vcpu->segment[SEG_CS].selector, (unsigned long long)vcpu->rip);
    if (!debug_shadow) /* else: what MOV SS met is still to be delivered */
        vcpu->watch_hit = 0;
    uint64_t hit = vcpu->dr[7] & 0xff && !(vcpu->eflags & FLAG_RF) && !debug_shadow ? breakpoints_here(vcpu) : 0;
    if (hit) {
        result = debug_fault(vcpu, hit);
    } else {
        entry = interp_fetch(vcpu);
        vcpu->interrupt_shadow = vcpu->debug_shadow = false;
        result = entry ? interp_execute(vcpu, &entry->insn) : EXEC_FAULT;
    }
    switch (result) {
    case EXEC_NEXT:
    case EXEC_HALT:
    case EXEC_JUMP:
        break;
    case EXEC_REPEAT:
        if (!single_step && !vcpu->watch_hit)
            return true;
        break; /* each iteration is a step */
    case EXEC_FAULT:
        return exception_deliver(vcpu) != EXEC_SHUTDOWN;
    case EXEC_SHUTDOWN:
        return false;
    }
    /* Delivering an interrupt or entering the kernel cleared TF: the trap is not taken there. */
    uint64_t trap = vcpu->watch_hit;
    if (single_step && (result != EXEC_JUMP || vcpu->eflags & FLAG_TF))
        trap |= DR6_BS;
    if (trap && !vcpu->debug_shadow)
        return deliver_debug_trap(vcpu, trap);
    return true;
}

int interp_init(struct interp *interp, struct vcpu *vcpu, struct error *err)
{
    interp->steps = 0;
    interp->fetched = NULL;
    (void)vcpu;
    return insn_cache_create(&interp->cache, err);
}

void interp_destroy(struct interp *interp)
{
    insn_cache_destroy(&interp->cache);
}
