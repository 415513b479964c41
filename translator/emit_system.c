/*
 * System instructions that kernels execute all the time, inline: CLI, STI, CLD, SWAPGS, PUSHF, RDTSC.
 *
 * Each is the C function of the same instruction for the case that the mode key promises (exec/flags.c, segment.c,
 * stack.c, control.c); whatever else may happen goes there. No flag is touched: bits of EFLAGS are cut and set with
 * e_and() and LEA. Thread: the vCPU's own; ordinary code. Source: SDM Vol. 2 by mnemonic.
 */
#include "cpu-model/exec/rules.h"
#include "translator/emit.h"

#define STATE(member) ((int32_t)offsetof(struct vcpu, member))

/* ecx = eflags without the bits that `mask` leaves out */
static void emit_eflags_without(struct translation_job *job, int32_t mask)
{
    struct emitter *e = &job->e;
    e_load_state32(e, HOST_RCX, STATE(eflags));
    e_and(e, HOST_RCX, mask);
}

static void emit_store_eflags(struct translation_job *job)
{
    e_state(&job->e, false, 0x89, HOST_RCX, STATE(eflags));
}

static void emit_clear(struct translation_job *job, int32_t mask)
{
    emit_room(job, 60);
    emit_eflags_without(job, mask);
    emit_store_eflags(job);
}

/*
 * With no event waiting, an interrupt that comes right now is taken at a poll, and there is none before the next
 * instruction has ended: the shadow of STI needs no state. With one waiting, C opens the window as it must. mov   ecx,
 * gs:[events]; jrcxz 1f call  C 1: eflags |= IF
 */
static void emit_sti(struct translation_job *job)
{
    struct emitter *e = &job->e;
    emit_room(job, 90);
    e_load_state32(e, HOST_RCX, STATE(events));
    uint8_t *none = e_jrcxz(e);
    bool sp_aligned = job->sp_aligned;
    uint32_t site = job->bt->cache.site_count;
    emit_helper(job);
    job->bt->cache.sites[site].leave = true;
    job->sp_aligned = sp_aligned;
    e_patch8(none, e->at);
    emit_eflags_without(job, CONSTANT(without_if));
    e_lea(e, false, HOST_RCX, HOST_RCX, HOST_NONE, 1, FLAG_IF);
    emit_store_eflags(job);
}

static void emit_swapgs(struct translation_job *job)
{
    struct emitter *e = &job->e;
    int32_t base = segment_base_state(SEG_GS);
    emit_room(job, 60);
    e_load_state(e, HOST_RCX, STATE(kernel_gs_base));
    e_load_state(e, HOST_T, base);
    e_store_state(e, HOST_RCX, base);
    e_store_state(e, HOST_T, STATE(kernel_gs_base));
}

void emit_eflags_to_t(struct translation_job *job)
{
    struct emitter *e = &job->e;
    emit_room(job, 90);
    e8(e, 0x9c); /* pushfq, on the return stack */
    e_pop(e, HOST_T);
    e_and(e, HOST_T, CONSTANT(arithmetic));
    e_load_state32(e, HOST_RCX, STATE(eflags));
    e_lea(e, true, HOST_T, HOST_T, HOST_RCX, 1, 0);
}

/*
 *     rdtsc
 *     t = rdx << 32; lea t, [t + rax]
 *     mov   rcx, gs:[tsc_offset]; lea t, [t + rcx]
 *     mov   eax, r15d; rdx = t >> 32
 */
static void emit_rdtsc(struct translation_job *job)
{
    struct emitter *e = &job->e;
    emit_room(job, 60);
    e8(e, 0x0f);
    e8(e, 0x31);
    e_swap_halves(e, HOST_T, HOST_RDX);
    e_lea(e, true, HOST_T, HOST_T, HOST_RAX, 1, 0);
    e_load_state(e, HOST_RCX, STATE(tsc_offset));
    e_lea(e, true, HOST_T, HOST_T, HOST_RCX, 1, 0);
    e_mov32(e, HOST_RAX, HOST_T);
    e_high_half(e, HOST_RDX, HOST_T);
}

bool emit_system(struct translation_job *job)
{
    exec_fn *function = job->insn.rule->function;
    if (function == exec_rdtsc && job->mode.rdtsc) {
        emit_rdtsc(job);
    } else if (function == exec_cld) {
        emit_clear(job, CONSTANT(without_df));
    } else if (!job->mode.cpl0) {
        return false;
    } else if (function == exec_cli) {
        emit_clear(job, CONSTANT(without_if));
    } else if (function == exec_sti) {
        emit_sti(job);
    } else if (function == exec_swapgs && job->insn.code_size == 8) {
        emit_swapgs(job);
    } else if (function == exec_pushf && job->insn.code_size == 8 && job->insn.operand_size == 8) {
        emit_eflags_to_t(job);
        emit_push_register(job, HOST_T);
    } else {
        return false;
    }
    return true;
}
