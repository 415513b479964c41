/*
 * Data instructions: re-encoded with renamed registers and a looked-up memory operand, otherwise as the guest wrote
 * them.
 *
 * Two host registers are free between guest instructions, rcx and t. They hold, in turn, the address, the shadow entry,
 * and guest registers that live in the vCPU or that the encoding wants elsewhere (CL as a count, registers beside AH).
 * What does not fit is left to the interpreter. Thread: the vCPU's own; ordinary code.
 */
#include "cpu-model/exec/reencode.h"
#include "translator/chaos.h"
#include "translator/emit.h"

/* Which of the two scratch registers hold which guest register for one instruction. */
struct scratch {
    uint8_t guest[2]; /* [0] rcx, [1] t: guest register, or HOST_NONE */
    bool busy[2];     /* not available */
    unsigned first;   /* tried first */
};

static const uint8_t scratch_host[2] = {HOST_RCX, HOST_T};

/* The host register for a guest register field; takes a scratch register if need be. HOST_NONE: none left. */
static unsigned place(const struct insn *insn, struct scratch *scratch, unsigned guest)
{
    unsigned host = host_of[guest];
    /* First: SHR ECX, CL has its operand where its count is. */
    for (unsigned i = 0; i < 2; i++)
        if (scratch->guest[i] == guest)
            return scratch_host[i];
    if (host != HOST_NONE && !(insn_no_rex(insn) && host >= 8))
        return host;
    for (unsigned n = 0; n < 2; n++) {
        unsigned i = n ^ scratch->first;
        if (!scratch->busy[i] && scratch->guest[i] == HOST_NONE && !(insn_no_rex(insn) && i == 1)) {
            scratch->guest[i] = (uint8_t)guest;
            return scratch_host[i];
        }
    }
    return HOST_NONE;
}

/* Places all register fields. False: too many for the scratch registers. */
static bool place_fields(const struct insn *insn, struct scratch *scratch, struct host_operands *host)
{
    unsigned reg = 0, rm = 0, vvvv = 0;
    if (insn->reg_is_gpr && !insn->high_byte_reg)
        reg = place(insn, scratch, insn->reg);
    if (insn->rm_is_gpr && !insn->high_byte_rm)
        rm = place(insn, scratch, insn->rm);
    if (insn->vvvv_is_gpr)
        vvvv = place(insn, scratch, insn->vvvv);
    host->reg = (uint8_t)reg;
    host->rm = (uint8_t)rm;
    host->vvvv = (uint8_t)vvvv;
    return reg != HOST_NONE && rm != HOST_NONE && vvvv != HOST_NONE;
}

/* Does the encoding name guest RCX itself: as a count, as an implicit operand, or as CH? */
static bool wants_rcx(const struct insn *insn)
{
    return insn->implicit >> REG_RCX & 1 || (insn->high_byte_reg && insn->reg == 5) ||
           (insn->high_byte_rm && insn->rm == 5);
}

/* May the host take an exception on this instruction besides its memory access? #UD counts wherever an extension is
 * involved: the CPU model should not offer what the host lacks, but a mistake there must not end the process. */
static bool may_trap(const struct insn *insn)
{
    bool divide = insn->map == 0 && (insn->opcode & 0xfe) == 0xf6 && (insn->modrm & 0x30) == 0x30;
    bool extension = insn->map >= 2 || insn->encoding == ENCODING_VEX ||
                     (insn->map == 1 && (insn->rep || (insn->opcode & 0xfe) == 0xc6 || insn->opcode == 0x0e));
    return divide || extension || insn->vector != VECTOR_NONE;
}

static bool vector_usable(const struct translation_job *job)
{
    switch ((enum vector_use)job->insn.vector) {
    case VECTOR_NONE:
        return true;
    case VECTOR_SSE:
        return job->mode.x87 && job->mode.sse;
    case VECTOR_AVX:
        return job->mode.avx;
    default:
        return job->mode.x87;
    }
}

static bool size_usable(unsigned size)
{
    return size == 1 || size == 2 || size == 4 || size == 8 || size == 10 || size == 16 || size == 32;
}

static void load_scratch(struct translation_job *job, const struct scratch *scratch)
{
    for (unsigned i = 0; i < 2; i++)
        if (scratch->guest[i] != HOST_NONE)
            emit_read_gpr(job, scratch_host[i], scratch->guest[i]);
}

static void store_scratch(struct translation_job *job, const struct scratch *scratch)
{
    for (unsigned i = 0; i < 2; i++)
        if (scratch->guest[i] != HOST_NONE && job->insn.gpr_written >> scratch->guest[i] & 1)
            emit_write_gpr(job, scratch->guest[i], scratch_host[i]);
}

/* How the looked-up operand [address + rcx] is brought into a form that leaves the scratch registers the instruction
 * needs. */
enum fold {
    FOLD_NONE, /* used as it is */
    FOLD_RCX,  /* [rcx]: everything stays below register 8 */
    FOLD_T,    /* [t]: rcx is free for a count or a register */
    FOLD_IMPOSSIBLE,
};

static enum fold choose_fold(const struct insn *insn, const struct scratch *scratch, bool t_free)
{
    unsigned needed = (scratch->guest[0] != HOST_NONE) + (scratch->guest[1] != HOST_NONE);
    if (insn_no_rex(insn))
        return needed ? FOLD_IMPOSSIBLE : FOLD_RCX;
    if (scratch->guest[0] != HOST_NONE)
        return needed > 1 ? FOLD_IMPOSSIBLE : FOLD_T;
    return needed && !t_free ? FOLD_IMPOSSIBLE : FOLD_NONE;
}

static void emit_fold(struct translation_job *job, enum fold fold, const struct address *address,
                      struct host_operands *host, uint32_t site)
{
    unsigned to = fold == FOLD_RCX ? HOST_RCX : HOST_T;
    host->base = address->base;
    host->index = address->base == HOST_RCX ? REG_NONE : HOST_RCX;
    host->disp = address->disp;
    if (fold == FOLD_NONE)
        return;
    e_lea(&job->e, true, to, host->base, host->index, 1, address->disp);
    host->base = (uint8_t)to;
    host->index = HOST_NONE;
    host->disp = 0;
    job->bt->cache.sites[site].folded = true;
}

static void note_objection(struct translation_job *job, uint32_t site)
{
    job->bt->cache.sites[site].objects = job->insn.vector != VECTOR_NONE || insn_insists_on_alignment(&job->insn);
}

/* The instruction itself, once its operand is at hand. */
static void emit_operation(struct translation_job *job, const struct scratch *scratch, const struct host_operands *host,
                           uint32_t site)
{
    load_scratch(job, scratch);
    note_objection(job, site);
    site_here(job, site);
    job->e.at += insn_reencode(job->e.at, &job->insn, host);
    store_scratch(job, scratch);
}

/* Is the operand [base + disp] with the base in a host register, so that t stays free? */
static bool leaves_t_free(const struct insn *insn)
{
    return insn->code_size == 8 && insn->mem.index == REG_NONE && insn->mem.base < 16 &&
           host_of[insn->mem.base] != HOST_NONE && insn->address_size == 8 && insn->mem.segment != SEG_FS &&
           insn->mem.segment != SEG_GS;
}

/*
 * Through a window, [base + index * scale + disp] with an index that is known to be below 2^32 needs the base's region
 * only, which is known before the index is:
 *
 *     lea   t, [base + rcx]
 *     op    [t + index * scale + disp]
 */
static bool indexed_in_window(const struct translation_job *job, const struct scratch *scratch)
{
    const struct insn *insn = &job->insn;
    const struct mem_operand *mem = &insn->mem;
    return job->mode.window && insn->code_size == 8 && insn->address_size == 8 && mem->base < 16 && mem->index < 16 &&
           host_of[mem->base] != HOST_NONE && host_of[mem->index] != HOST_NONE && mem->segment != SEG_FS &&
           mem->segment != SEG_GS && job->below_4g >> mem->index & 1 && scratch->guest[1] == HOST_NONE &&
           !insn_no_rex(insn) && !insn->bit_string;
}

static void emit_indexed(struct translation_job *job, const struct scratch *scratch, struct host_operands *host)
{
    static const uint8_t shift[9] = {[2] = 1, [4] = 2, [8] = 3};
    const struct insn *insn = &job->insn;
    const struct mem_operand *mem = &insn->mem;
    struct address address = {.base = host_of[mem->base]};
    uint32_t site = emit_lookup(job, &address, mem->size, mem->access & MEM_WRITE ? ACCESS_WRITE : ACCESS_READ, false);
    emit_room(job, 60);
    e_lea(&job->e, true, HOST_T, address.base, HOST_RCX, 1, 0);
    host->base = HOST_T;
    host->index = host_of[mem->index];
    host->shift = shift[mem->scale];
    host->disp = (int32_t)mem->disp;
    emit_operation(job, scratch, host, site);
    if (scratch->guest[0] == HOST_NONE)
        job->held_next.slot[0] = mem->base;
}

/*
 * Through a window, [base + disp] with both scratch registers free: either may hold the base's delta, now or for later.
 *     op    [base + rcx (t) + disp]
 */
static bool based_in_window(const struct translation_job *job, const struct scratch *scratch)
{
    return job->insn.code_size == 8 && window_usable(job) && leaves_t_free(&job->insn) &&
           scratch->guest[0] == HOST_NONE && scratch->guest[1] == HOST_NONE && !insn_no_rex(&job->insn);
}

static void emit_based(struct translation_job *job, struct host_operands *host)
{
    const struct insn *insn = &job->insn;
    const struct mem_operand *mem = &insn->mem;
    const struct scratch none = {{HOST_NONE, HOST_NONE}, {false, false}, 0};
    unsigned base = host_of[mem->base];
    int slot = held_slot(job, mem->base);
    bool known = slot >= 0;

    if (!known && job->held.slot[0] == REG_NONE)
        slot = 0;
    else if (!known)
        slot = job->held.slot[1] == REG_NONE ? 1 : !job->held_last;
    uint32_t site = emit_window_site(job, mem->size, mem->access & MEM_WRITE ? ACCESS_WRITE : ACCESS_READ);
    emit_room(job, 80);
    if (!known)
        emit_window_delta(job, scratch_host[slot], base);
    host->base = (uint8_t)base;
    host->index = scratch_host[slot];
    host->disp = (int32_t)mem->disp;
    emit_operation(job, &none, host, site);
    job->held_next = job->held;
    job->held_next.slot[slot] = mem->base;
    job->held_last = (uint8_t)slot;
}

/* Through a window an address that fits a displacement is one: [rcx + disp]. */
static bool absolute_in_window(const struct translation_job *job, const struct address *address)
{
    return job->mode.window && address->constant && address->value == sign_extend(address->value, 4) &&
           !job->insn.bit_string;
}

static void emit_with_memory(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    struct host_operands host = {0};
    struct scratch scratch = {{HOST_NONE, HOST_NONE}, {false, false}, 0};
    struct address address;
    bool t_free = leaves_t_free(insn), store = insn->mem.access & MEM_WRITE;

    if (wants_rcx(insn))
        scratch.guest[0] = REG_RCX;
    scratch.busy[t_free ? 0 : 1] = true;
    bool placed = size_usable(insn->mem.size) && place_fields(insn, &scratch, &host);
    enum fold fold = choose_fold(insn, &scratch, t_free);
    if (placed && fold != FOLD_IMPOSSIBLE && indexed_in_window(job, &scratch)) {
        emit_indexed(job, &scratch, &host);
        return;
    }
    if (placed && based_in_window(job, &scratch)) {
        emit_based(job, &host);
        return;
    }
    uint8_t *start = job->e.at;
    /* Decided before anything is emitted: what is emitted stays. */
    if (!placed || fold == FOLD_IMPOSSIBLE || !emit_address(job, &address)) {
        emit_interp(job);
        return;
    }
    if (absolute_in_window(job, &address)) {
        job->e.at = start;
        address = (struct address){
            .base = HOST_RCX, .constant = true, .disp = (int32_t)address.value, .value = address.value};
    }
    /* Where both the page-end check and the lookup would add the displacement, it is added once. */
    bool checked_with_disp = insn->mem.size > 8 || address.disp & (insn->mem.size - 1);
    if (!job->mode.window && t_free && fold == FOLD_NONE && scratch.guest[1] == HOST_NONE && address.disp &&
        checked_with_disp && insn->mem.size > 1 && !insn_insists_on_alignment(insn)) {
        e_lea(&job->e, true, HOST_T, address.base, HOST_NONE, 1, address.disp);
        address = (struct address){.base = HOST_T};
    }
    uint32_t site =
        emit_lookup(job, &address, insn->mem.size, store ? ACCESS_WRITE : ACCESS_READ, insn_insists_on_alignment(insn));
    emit_room(job, 60);
    emit_fold(job, fold, &address, &host, site);
    emit_operation(job, &scratch, &host, site);
    if (job->mode.window && address.base == HOST_RCX && scratch.guest[1] == HOST_NONE)
        job->held_next.slot[1] = job->held.slot[1]; /* t was not used */
}

/*
 * BT, BTS, BTR, BTC with a bit offset in a register: the word that holds the bit, then the bit within it.
 *     lea   t, [address]
 *     rcx = reg >> 6 (5)                          ; e_shift_signed()
 *     lea   t, [t + rcx * 8 (4)]
 *     lookup -> rcx
 *     lea   t, [t + rcx]
 *     rcx = reg & 63 (31)                         ; e_low_bits()
 *     op    [t], rcx
 */
static void emit_bit_string(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    struct emitter *e = &job->e;
    unsigned reg = host_of[insn->reg], size = insn->operand_size;
    struct address address;
    bool store = insn->mem.access & MEM_WRITE, add_base;

    if (size == 2 || !segment_is_plain(job, &add_base) || insn->address_size != insn->code_size ||
        insn->code_size == 2 || reg == HOST_NONE || !emit_address(job, &address)) {
        emit_interp(job);
        return;
    }
    if (!address.constant)
        e_lea(e, true, HOST_T, address.base, HOST_NONE, 1, address.disp);
    e_shift_signed(e, size == 8, HOST_RCX, reg, size == 8 ? 6 : 5);
    e_lea(e, insn->code_size == 8, HOST_T, HOST_T, HOST_RCX, size, 0);
    address = (struct address){.base = HOST_T};
    uint32_t site = emit_lookup(job, &address, size, store ? ACCESS_WRITE : ACCESS_READ, false);
    emit_room(job, 40);
    e_lea(e, true, HOST_T, HOST_T, HOST_RCX, 1, 0);
    e_low_bits(e, HOST_RCX, reg, size == 8 ? 6 : 5);
    struct host_operands host = {.reg = HOST_RCX, .base = HOST_T, .index = HOST_NONE};
    job->bt->cache.sites[site].folded = true;
    site_here(job, site);
    e->at += insn_reencode(e->at, insn, &host);
}

/* After a write to RSP: ADD and SUB of a multiple keep its alignment, AND with one makes it. */
static bool keeps_alignment(const struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    if (insn->map != 0 || (insn->opcode != 0x83 && insn->opcode != 0x81) || insn->rm != REG_RSP ||
        insn->operand_size != job->mode.stack_size || insn->imm & (job->mode.stack_size - 1))
        return false;
    switch (insn->modrm >> 3 & 7) {
    case 0: /* ADD */
    case 5: /* SUB */
        return job->sp_aligned;
    case 4: /* AND */
        return true;
    default:
        return false;
    }
}

static void emit_without_memory(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    struct host_operands host = {0};
    struct scratch scratch = {{HOST_NONE, HOST_NONE}, {false, false}, chaos_scratch(job->bt)};

    if (wants_rcx(insn))
        scratch.guest[0] = REG_RCX;
    if (!place_fields(insn, &scratch, &host)) {
        emit_interp(job);
        return;
    }
    load_scratch(job, &scratch);
    if (may_trap(insn)) {
        uint32_t site = site_add(job, SITE_INTERP);
        site_here(job, site);
    }
    job->e.at += insn_reencode(job->e.at, insn, &host);
    store_scratch(job, &scratch);
    for (unsigned i = 0; i < 2; i++)
        if (scratch.guest[i] == HOST_NONE)
            job->held_next.slot[i] = job->held.slot[i];
    if (insn->gpr_written >> REG_RSP & 1)
        job->sp_aligned = keeps_alignment(job);
}

void emit_native(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    bool no_vex = insn->encoding == ENCODING_VEX && job->mode.paragraphs;
    if (!vector_usable(job) || no_vex) {
        emit_interp(job);
        return;
    }
    emit_room(job, 40);
    if (insn->bit_string) {
        emit_bit_string(job);
        return;
    }
    if (insn->mem.present && insn->mem.access) {
        emit_with_memory(job);
        if (insn->gpr_written >> REG_RSP & 1)
            job->sp_aligned = false;
    } else {
        emit_without_memory(job);
    }
}

void emit_lea(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    const struct mem_operand *mem = &insn->mem;
    struct emitter *e = &job->e;
    unsigned to = host_of[insn->reg], base = HOST_NONE, index = HOST_NONE;

    if (insn->operand_size == 2 || insn->address_size == 2) {
        emit_lea_narrow(job);
        return;
    }
    emit_room(job, 40);
    bool spilled = to == HOST_NONE, wide = insn->operand_size == 8 && insn->address_size == 8;
    if (spilled)
        to = HOST_T;
    if (mem->base == REG_RIP_BASE) {
        uint64_t value = job->lin + insn->length + (uint64_t)mem->disp;
        e_mov_imm(e, to, wide ? value : (uint32_t)value);
    } else {
        if (mem->base != REG_NONE && (base = host_of[mem->base]) == HOST_NONE)
            e_load_state(e, base = HOST_T, gpr_state(mem->base));
        if (mem->index != REG_NONE && (index = host_of[mem->index]) == HOST_NONE)
            e_load_state(e, index = HOST_RCX, gpr_state(mem->index));
        e_lea(e, wide, to, base, index, mem->scale, (int32_t)mem->disp);
    }
    if (spilled)
        e_store_state(e, HOST_T, gpr_state(insn->reg));
    if (index != HOST_RCX)
        job->held_next.slot[0] = job->held.slot[0];
    if (!spilled && base != HOST_T)
        job->held_next.slot[1] = job->held.slot[1];
    if (insn->reg == REG_RSP)
        job->sp_aligned = job->sp_aligned && mem->base == REG_RSP && index == HOST_NONE &&
                          insn->operand_size == job->mode.stack_size && !(mem->disp & (job->mode.stack_size - 1));
}
