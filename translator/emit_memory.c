/*
 * Guest memory accesses: linear addresses, the page-end check, the shadow-table lookup, and the stubs behind them.
 *
 * Invariant: nothing here touches a flag, so guest flags are right at every possible fault. SDM Vol. 1 "Operand
 * addressing". Thread: the vCPU's own. Ordinary code: the translator runs with the guest's vector state parked.
 *
 * A load of [base + disp], misses out of line:
 *
 *     rcx = base & (size - 1)               ; may it cross the page's end? (size > 1)
 *     jrcxz 1f
 *     jmp   misaligned_stub
 *  1: lea   rcx, [base + disp]
 *     rcx = gs:[READ + index of rcx]        ; e_load_entry()
 *     jrcxz slow_stub
 *     op    [base + rcx + disp]
 */
#include "translator/emit.h"

#include "cpu-model/base/log.h"

const uint8_t host_of[16] = {HOST_RAX, HOST_R10, HOST_RDX,  HOST_RBX,  HOST_R11, HOST_RBP, HOST_RSI, HOST_RDI,
                             HOST_R8,  HOST_R9,  HOST_NONE, HOST_NONE, HOST_R12, HOST_R13, HOST_R14, HOST_NONE};

void emit_read_gpr(struct translation_job *job, unsigned host, unsigned guest)
{
    if (host_of[guest] == HOST_NONE)
        e_load_state(&job->e, host, gpr_state(guest));
    else
        e_mov(&job->e, host, host_of[guest]);
}

void emit_write_gpr(struct translation_job *job, unsigned guest, unsigned host)
{
    if (host_of[guest] == HOST_NONE)
        e_store_state(&job->e, host, gpr_state(guest));
    else
        e_mov(&job->e, host_of[guest], host);
}

/* ---- stubs ---- */

/* Gives every pending short jump a long one that it can reach. */
static void emit_island(struct translation_job *job)
{
    struct emitter *e = &job->e;
    for (unsigned i = job->near_first; i < job->stub_count; i++) {
        struct stub *stub = &job->stubs[i];
        if (!stub->from8)
            continue;
        e_patch8(stub->from8, e->at);
        stub->from8 = NULL;
        stub->from32 = e_jmp32(e);
    }
    job->near_first = job->stub_count;
}

void emit_room(struct translation_job *job, unsigned bytes)
{
    struct emitter *e = &job->e;
    if (!e->fast_pext)
        bytes += 40; /* its substitutes are longer */
    uint8_t *earliest = NULL;
    unsigned pending = 0;
    for (unsigned i = job->near_first; i < job->stub_count; i++)
        if (job->stubs[i].from8) {
            if (!earliest)
                earliest = job->stubs[i].from8;
            pending++;
        }
    if (!earliest || e->at + bytes + 2 + 5 * (pending + 1) <= earliest + 1 + 127)
        return;
    uint8_t *over = e_jmp8(e);
    emit_island(job);
    e_patch8(over, e->at);
}

struct stub *stub_add(struct translation_job *job, enum stub_kind kind, uint32_t index)
{
    ASSERT(job->stub_count < STUBS_MAX);
    struct stub *stub = &job->stubs[job->stub_count++];
    *stub = (struct stub){.kind = kind, .index = index};
    return stub;
}

uint32_t site_add(struct translation_job *job, enum site_kind kind)
{
    struct tcache *cache = &job->bt->cache;
    uint32_t index = cache->site_count++;
    cache->sites[index] = (struct site){.kind = (uint8_t)kind,
                                        .tb = tb_index(cache, job->tb),
                                        .guest = (uint16_t)(job->lin - job->tb->lin),
                                        .length = job->insn.length,
                                        .retry_held = HELD_NOTHING,
                                        .next_held = HELD_NOTHING,
                                        .code = code_offset(job, job->e.at),
                                        .retry = code_offset(job, job->begin)};
    return index;
}

uint32_t exit_add(struct translation_job *job, uint64_t target)
{
    struct tcache *cache = &job->bt->cache;
    uint32_t index = cache->exit_count++;
    cache->exits[index] = (struct exit){.target = target, .to = NO_INDEX, .mode = job->tb->mode};
    return index;
}

static void e_call_entry(struct translation_job *job, uint32_t entry, uint32_t number)
{
    e_patch32(e_call32(&job->e), job->bt->cache.rw + entry);
    e32(&job->e, number);
}

void emit_slow_call(struct translation_job *job, uint32_t site)
{
    e_call_entry(job, job->bt->slow_entry, site);
}

/* t = the address */
static void emit_address_to_t(struct translation_job *job, const struct address *address)
{
    if (address->constant)
        e_mov_imm(&job->e, HOST_T, address->value);
    else if (address->base != HOST_T || address->disp)
        e_lea(&job->e, true, HOST_T, address->base, HOST_NONE, 1, address->disp);
}

static void emit_stub(struct translation_job *job, struct stub *stub)
{
    struct emitter *e = &job->e;
    struct tcache *cache = &job->bt->cache;
    switch (stub->kind) {
    case STUB_EXIT:
        if (!cache->exits[stub->index].stub)
            cache->exits[stub->index].stub = code_offset(job, e->at);
        e_call_entry(job, job->bt->exit_entry, stub->index);
        break;
    case STUB_MISALIGNED: {
        e_lea(e, true, HOST_RCX, stub->address.base, HOST_NONE, 1, stub->address.disp);
        e_extract(e, HOST_RCX, HOST_RCX, CONSTANT(page_offset));
        e_load_byte_table(e, HOST_RCX, HOST_RCX, CONSTANT(fits) + stub->log2 * 4096);
        uint8_t *crossing = e_jrcxz(e);
        e_patch32(e_jmp32(e), stub->back);
        e_patch8(crossing, e->at);
    }
    /* fall through */
    case STUB_SLOW:
        if (stub->kind == STUB_SLOW)
            cache->sites[stub->index].stub = code_offset(job, e->at);
        emit_address_to_t(job, &stub->address);
        emit_slow_call(job, stub->index);
        break;
    case STUB_OFFSET:
        emit_offset_stub(job, stub);
        break;
    }
}

void emit_stubs(struct translation_job *job)
{
    emit_island(job);
    for (unsigned i = 0; i < job->stub_count; i++) {
        struct stub *stub = &job->stubs[i];
        e_patch32(stub->from32, job->e.at);
        emit_stub(job, stub);
    }
}

/* ---- addresses ---- */

static void set_constant(struct translation_job *job, struct address *address, uint64_t value)
{
    *address = (struct address){.constant = true, .base = HOST_T, .value = value};
    e_mov_imm(&job->e, HOST_T, value);
}

void emit_load_parts(struct translation_job *job, unsigned *base, unsigned *index)
{
    const struct mem_operand *mem = &job->insn.mem;
    *base = *index = HOST_NONE;
    if (mem->base != REG_NONE) {
        *base = host_of[mem->base];
        if (*base == HOST_NONE) {
            e_load_state(&job->e, HOST_T, gpr_state(mem->base));
            *base = HOST_T;
        }
    }
    if (mem->index != REG_NONE) {
        *index = host_of[mem->index];
        if (*index == HOST_NONE) {
            e_load_state(&job->e, HOST_RCX, gpr_state(mem->index));
            *index = HOST_RCX;
        }
    }
}

bool emit_address(struct translation_job *job, struct address *address)
{
    const struct insn *insn = &job->insn;
    const struct mem_operand *mem = &insn->mem;
    struct emitter *e = &job->e;
    bool wide = insn->address_size == 8, add_base;
    unsigned base, index;

    if (insn->address_size == 2 || !segment_is_plain(job, &add_base))
        return emit_segment_address(job, address);
    int32_t segment_base = segment_base_state(mem->segment);
    if (mem->base == REG_RIP_BASE) {
        uint64_t value = job->lin + insn->length + (uint64_t)mem->disp;
        if (!wide)
            return false;
        if (!add_base) {
            set_constant(job, address, value);
        } else if (value == sign_extend(value, 4)) { /* per-CPU data of a kernel */
            e_load_state(e, HOST_T, segment_base);
            *address = (struct address){.base = HOST_T, .disp = (int32_t)value};
        } else {
            e_mov_imm(e, HOST_T, value);
            e_load_state(e, HOST_RCX, segment_base);
            e_lea(e, true, HOST_T, HOST_T, HOST_RCX, 1, 0);
            *address = (struct address){.base = HOST_T};
        }
        return true;
    }
    if (mem->base == REG_NONE && mem->index == REG_NONE) {
        uint64_t value = wide ? (uint64_t)mem->disp : (uint32_t)mem->disp;
        if (!add_base) {
            set_constant(job, address, value);
            return true;
        }
        if (insn->code_size == 8 && mem->disp == (int32_t)mem->disp && (wide || mem->disp >= 0)) {
            e_load_state(e, HOST_T, segment_base);
            *address = (struct address){.base = HOST_T, .disp = (int32_t)mem->disp};
            return true;
        }
        e_mov_imm(e, HOST_T, value);
    } else {
        emit_load_parts(job, &base, &index);
        if (wide && index == HOST_NONE && !add_base) {
            *address = (struct address){.base = (uint8_t)base, .disp = (int32_t)mem->disp};
            return true;
        }
        e_lea(e, wide, HOST_T, base, index, mem->scale, (int32_t)mem->disp);
    }
    if (add_base) { /* outside 64-bit mode the sum wraps at 4 GiB */
        e_load_state(e, HOST_RCX, segment_base);
        e_lea(e, insn->code_size == 8, HOST_T, HOST_T, HOST_RCX, 1, 0);
    }
    *address = (struct address){.base = HOST_T};
    return true;
}

/* ---- lookups ---- */

/* Is the address based on RSP, at a multiple of the size? */
static bool stack_based(const struct translation_job *job, const struct address *address, unsigned size)
{
    const struct mem_operand *mem = &job->insn.mem;
    if (size > job->mode.stack_size)
        return false;
    if (address->base == HOST_R11)
        return !(address->disp & (int32_t)(size - 1));
    return address->base == HOST_T && mem->present && mem->base == REG_RSP && mem->index == REG_NONE &&
           job->insn.code_size != 8 && mem->segment == SEG_SS && !(mem->disp & (int64_t)(size - 1));
}

/* The page-end check; see the head of this file. */
static void emit_page_end(struct translation_job *job, const struct address *address, unsigned size, uint32_t site)
{
    struct emitter *e = &job->e;
    unsigned log2 = log2_of(size), tested = address->base;
    bool stack = stack_based(job, address, size);

    if (stack && job->sp_aligned)
        return;
    if (size > 8 && e->fast_pext) { /* vectors are often misaligned: exact at once */
        if (address->disp) {
            e_lea(e, true, HOST_RCX, tested, HOST_NONE, 1, address->disp);
            tested = HOST_RCX;
        }
        e_pext(e, HOST_RCX, tested, CONSTANT(page_offset));
        e_load_byte_table(e, HOST_RCX, HOST_RCX, CONSTANT(fits) + (int32_t)log2 * 4096);
        struct stub *crossing = stub_add(job, STUB_SLOW, site);
        crossing->address = *address;
        crossing->from8 = e_jrcxz(e);
        return;
    }
    if (stack) { /* once a block: a misaligned stack leaves the block */
        e_low_bits(e, HOST_RCX, HOST_R11, log2_of(job->mode.stack_size));
        job->bt->cache.sites[site].leave = true;
    } else if (address->disp & (int32_t)(size - 1)) {
        e_lea(e, true, HOST_RCX, tested, HOST_NONE, 1, address->disp);
        e_low_bits(e, HOST_RCX, HOST_RCX, log2);
    } else {
        e_low_bits(e, HOST_RCX, tested, log2);
    }
    uint8_t *aligned = e_jrcxz(e);
    struct stub *misaligned = stub_add(job, stack ? STUB_SLOW : STUB_MISALIGNED, site);
    misaligned->from32 = e_jmp32(e);
    misaligned->address = *address;
    misaligned->log2 = (uint8_t)log2;
    misaligned->back = e->at;
    e_patch8(aligned, e->at);
    job->sp_aligned |= stack;
}

bool window_usable(const struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    bool add_base;
    return job->mode.window && segment_is_plain(job, &add_base) && insn->code_size != 2 && insn->mem.present &&
           !insn->bit_string && insn->address_size != 2;
}

static void note_address(struct translation_job *job, struct site *site)
{
    const struct insn *insn = &job->insn;
    const struct mem_operand *mem = &insn->mem;
    bool add_base;
    site->window = true;
    segment_is_plain(job, &add_base);
    site->address = (struct site_address){.disp = mem->disp,
                                          .base = mem->base,
                                          .index = mem->index,
                                          .scale = mem->scale,
                                          .segment = mem->segment,
                                          .size = insn->address_size,
                                          .add_base = add_base};
    if (mem->base == REG_RIP_BASE) {
        site->address.base = REG_NONE;
        site->address.disp += (int64_t)(job->lin + insn->length);
    }
}

/*
 * to = host minus linear in the window, for the region of the address in host register `base`; see softmmu/window.h:
 *     to = region of base               ; e_region()
 *     mov   to, gs:[to * 8 + REGIONS]
 */
void emit_window_delta(struct translation_job *job, unsigned to, unsigned base)
{
    struct emitter *e = &job->e;
    e_region(e, to, base);
    e_load_table(e, to, to, 8, VIEW_REGIONS);
}

/* rcx = the delta for an address: from where it is held, or, where the region is known (constants, 32-bit code), by one
 * load.
 */
static void emit_window(struct translation_job *job, const struct address *address)
{
    struct emitter *e = &job->e;
    int slot = address->constant || address->base == HOST_T ? -1 : held_slot(job, job->insn.mem.base);
    if (slot == 1)
        e_mov(e, HOST_RCX, HOST_T);
    else if (slot < 0 && (address->constant || job->insn.code_size != 8))
        e_load_state(
            e, HOST_RCX,
            (int32_t)(VIEW_REGIONS +
                      (address->constant ? 8 * (address->value >> WINDOW_REGION_BITS & (WINDOW_REGIONS - 1)) : 0)));
    else if (slot < 0)
        emit_window_delta(job, HOST_RCX, address->base);
}

uint32_t emit_window_site(struct translation_job *job, unsigned size, enum access access)
{
    uint32_t index = site_add(job, SITE_ACCESS);
    struct site *site = &job->bt->cache.sites[index];
    site->size = (uint8_t)size;
    site->access = (uint8_t)access;
    note_address(job, site);
    return index;
}

uint32_t emit_lookup(struct translation_job *job, const struct address *address, unsigned size, enum access access,
                     bool aligned)
{
    struct emitter *e = &job->e;
    int32_t table = access == ACCESS_WRITE ? VIEW_WRITE : VIEW_READ;

    emit_room(job, 40);
    if (window_usable(job)) {
        uint32_t site = emit_window_site(job, size, access);
        emit_window(job, address);
        job->held.slot[0] = REG_NONE; /* rcx is this access's now: a second one of the instruction looks again */
        return site;
    }
    job->held.slot[0] = REG_NONE;
    uint32_t site = site_add(job, SITE_ACCESS);
    job->bt->cache.sites[site].size = (uint8_t)size;
    job->bt->cache.sites[site].access = (uint8_t)access;
    if (size > 1 && !aligned && !address->constant && !address->inside)
        emit_page_end(job, address, size, site);
    emit_room(job, 60);
    if (address->constant && (address->value & GUEST_PAGE_OFFSET) + size > GUEST_PAGE_SIZE) {
        struct stub *crossing = stub_add(job, STUB_SLOW, site); /* always: what follows is not reached */
        crossing->from32 = e_jmp32(e);
        crossing->address = *address;
    }
    if (address->constant) {
        e_load_entry_at(e, HOST_RCX, shadow_index(job->vcpu->shadow, address->value), table);
    } else {
        unsigned from = address->base;
        if (address->disp) {
            e_lea(e, true, HOST_RCX, from, HOST_NONE, 1, address->disp);
            from = HOST_RCX;
        }
        e_load_entry(e, HOST_RCX, from, table);
    }
    struct stub *slow = stub_add(job, STUB_SLOW, site);
    slow->from8 = e_jrcxz(e);
    slow->address = *address;
    return site;
}

/*
 *     mov   rcx, gs:[EXEC + index]
 *     mov   t, imm64                   ; minus the entry that it should be
 *     lea   rcx, [rcx + t]
 *     jrcxz 1f
 *     jmp   stub
 *  1:
 */
uint8_t *emit_exec_guard(struct translation_job *job, uint64_t linear, uint64_t minus_entry, enum stub_kind kind,
                         uint32_t index)
{
    struct emitter *e = &job->e;
    emit_room(job, 48);
    e_load_entry_at(e, HOST_RCX, shadow_index(job->vcpu->shadow, linear), VIEW_EXEC);
    e_rex(e, true, 0, 0, HOST_T);
    e8(e, 0xb8 | (HOST_T & 7));
    uint8_t *place = e->at;
    e64(e, minus_entry);
    e_lea(e, true, HOST_RCX, HOST_RCX, HOST_T, 1, 0);
    uint8_t *right = e_jrcxz(e);
    struct stub *wrong = stub_add(job, kind, index);
    wrong->from32 = e_jmp32(e);
    wrong->address = (struct address){.constant = true, .base = HOST_T, .value = linear};
    e_patch8(right, e->at);
    return place;
}

void emit_page_guard(struct translation_job *job, uint64_t next, uint64_t offset)
{
    uint64_t host = (uint64_t)(uintptr_t)job->vcpu->space->arena + offset;
    uint32_t site = site_add(job, SITE_ACCESS);
    job->bt->cache.sites[site].size = 1;
    job->bt->cache.sites[site].access = ACCESS_EXEC;
    emit_exec_guard(job, next, -(host - next), STUB_SLOW, site);
}

/* ---- whole instructions by C ---- */

static void emit_call_site(struct translation_job *job, uint32_t site)
{
    emit_room(job, 16);
    site_here(job, site);
    emit_slow_call(job, site);
    job->sp_aligned = job->sp_aligned && job->mode.sp_aligned; /* C comes back here only with the stack as promised */
}

void emit_interp(struct translation_job *job)
{
    emit_call_site(job, site_add(job, SITE_INTERP));
}

void emit_helper(struct translation_job *job)
{
    struct tcache *cache = &job->bt->cache;
    uint32_t site = site_add(job, SITE_HELPER);
    cache->sites[site].insn = cache->insn_count;
    cache->insns[cache->insn_count++] = job->insn;
    emit_call_site(job, site);
}
