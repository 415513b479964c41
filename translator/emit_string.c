/*
 * REP MOVS and REP STOS inline, for the case that all their bytes lie in one page on each side: the host's own
 * instruction on host addresses. Everything else (longer, backward, misses, MMIO) is exec_movs and exec_stos in C.
 *
 * The conditions are summed up in t, each a number that is zero when it holds, so that no flag is needed and one branch
 * decides: t  = DF t += count >> 12 t += (page offset of RSI + count * size - 1) >> 12      ; the same for RDI mov rcx,
 * t; jrcxz 1f; jmp C 1: lookup READ [rsi]  -> t = host source lookup WRITE [rdi] -> rcx push rsi; push rdi; lea rdi,
 * [rdi + rcx]; mov rsi, t; mov rcx, count; rep movs; pop rdi; pop rsi rsi += count * size; rdi += count * size; count =
 * 0 Thread: the vCPU's own; ordinary code. Source: SDM Vol. 2 "REP".
 */
#include "cpu-model/exec/prefix.h"
#include "cpu-model/exec/rules.h"
#include "translator/emit.h"

#define TEMP(n) ((int32_t)(offsetof(struct vcpu, temp) + 8 * (n)))
enum { COUNT = HOST_R10 /* guest RCX */ };

/* t += rcx */
static void emit_sum(struct emitter *e)
{
    e_lea(e, true, HOST_T, HOST_T, HOST_RCX, 1, 0);
}

/* t += (page offset of reg + count * size - 1) >> 12: zero when the run stays in the page */
static void emit_run_in_page(struct emitter *e, unsigned reg, unsigned size)
{
    e_extract(e, HOST_RCX, reg, CONSTANT(page_offset));
    e_lea(e, true, HOST_RCX, HOST_RCX, COUNT, size, -1);
    e_extract(e, HOST_RCX, HOST_RCX, CONSTANT(page_mask));
    emit_sum(e);
}

/* rcx = the entry for the address in reg; without one, to `missing` (behind) */
static void emit_entry(struct emitter *e, unsigned reg, int32_t table, const uint8_t *missing)
{
    e_load_entry(e, HOST_RCX, reg, table);
    e_patch8(e_jrcxz(e), missing);
}

static void emit_rep(struct emitter *e, unsigned opcode, unsigned size)
{
    e8(e, 0xf3);
    if (size == 8)
        e8(e, 0x48);
    e8(e, size == 1 ? opcode : opcode | 1);
}

bool emit_string(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    struct emitter *e = &job->e;
    bool movs = insn->rule->function == exec_movs;
    unsigned size = insn->opcode & 1 ? insn->operand_size : 1;
    if ((!movs && insn->rule->function != exec_stos) || !insn->rep || size == 2 || insn->code_size != 8 ||
        insn->address_size != 8 || insn_implicit_segment(insn) != SEG_DS)
        return false;

    emit_room(job, 300);
    e_load_state32(e, HOST_RCX, offsetof(struct vcpu, eflags));
    e_flags_save(e);
    e_extract(e, HOST_T, HOST_RCX, CONSTANT(only_df));
    e_extract(e, HOST_RCX, COUNT, CONSTANT(page_mask));
    emit_sum(e);
    if (movs)
        emit_run_in_page(e, HOST_RSI, size);
    emit_run_in_page(e, HOST_RDI, size);
    e_flags_restore(e);
    e_mov(e, HOST_RCX, HOST_T);
    uint8_t *inside = e_jrcxz(e), *to_c = e->at, *outside = e_jmp32(e);
    e_patch8(inside, e->at);

    if (movs) {
        emit_entry(e, HOST_RSI, VIEW_READ, to_c);
        e_lea(e, true, HOST_T, HOST_RSI, HOST_RCX, 1, 0);
    }
    emit_entry(e, HOST_RDI, VIEW_WRITE, to_c);
    if (movs)
        e_store_state(e, HOST_RSI, TEMP(0));
    e_store_state(e, HOST_RDI, TEMP(1));
    e_lea(e, true, HOST_RDI, HOST_RDI, HOST_RCX, 1, 0);
    if (movs)
        e_mov(e, HOST_RSI, HOST_T);
    e_mov(e, HOST_RCX, COUNT);
    /* Colliding entries and non-canonical addresses fault at the first byte: nothing is done yet, C does it all. */
    uint32_t rep = site_add(job, SITE_INTERP);
    emit_rep(e, movs ? 0xa4 : 0xaa, size);
    e_load_state(e, HOST_RDI, TEMP(1));
    if (movs) {
        e_load_state(e, HOST_RSI, TEMP(0));
        e_lea(e, true, HOST_RSI, HOST_RSI, COUNT, size, 0);
    }
    e_lea(e, true, HOST_RDI, HOST_RDI, COUNT, size, 0);
    e_mov_imm(e, COUNT, 0);
    uint8_t *done = e_jmp8(e);

    job->bt->cache.sites[rep].stub = code_offset(job, e->at);
    e_load_state(e, HOST_RDI, TEMP(1));
    if (movs)
        e_load_state(e, HOST_RSI, TEMP(0));
    e_patch32(outside, e->at);
    emit_helper(job);
    e_patch8(done, e->at);
    return true;
}
