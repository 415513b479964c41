/*
 * Lock-step of translated code and interpreter: see verify.h.
 *
 * Invariants: a prediction leaves guest state and memory as it found them, page tables too: walks set no accessed or
 * dirty bit meanwhile. Only derived state may be dropped. It calls no device: the wires are others meanwhile.
 * Runs with the guest's vector state live. Thread: the vCPU's own.
 */
#include "cpu-model/base/log.h"
#include "cpu-model/exec/rules.h"
#include "cpu-model/state/vector.h"
#include "translator/emit.h"
#include "translator/verify.h"

/* ---- state ---- */

static void capture(const struct vcpu *vcpu, struct verify_state *state)
{
    __builtin_memcpy(state->gpr, vcpu->gpr, sizeof(state->gpr));
    state->rip = vcpu->rip;
    state->flags = vcpu->flags;
    state->eflags = vcpu->eflags;
    state->mmx_follows = false;
}

static void capture_system(struct verify *v, const struct vcpu *vcpu, struct verify_state *state)
{
    state->system = v->systems++;
    __builtin_memcpy(v->system[state->system], vcpu->segment, VERIFY_SYSTEM_SIZE);
}

static void restore(struct vcpu *vcpu, const struct verify *v, const struct verify_state *state)
{
    __builtin_memcpy(vcpu->gpr, state->gpr, sizeof(state->gpr));
    vcpu->rip = state->rip;
    vcpu->flags = state->flags;
    vcpu->eflags = state->eflags;
    __builtin_memcpy((void *)vcpu->segment, v->system[state->system], VERIFY_SYSTEM_SIZE);
}

static void capture_vector(struct vcpu *vcpu, uint8_t *to)
{
    vector_park(vcpu);
    __builtin_memcpy(to, vcpu->vector_area, VERIFY_VECTOR_SIZE);
}

static void restore_vector(struct vcpu *vcpu, const struct verify *verify)
{
    if (!verify->vectors_used)
        return;
    vector_park(vcpu);
    __builtin_memcpy(vcpu->vector_area, verify->vector[0], VERIFY_VECTOR_SIZE);
}

/* ---- what the interpreter stores, and whom it asks, meanwhile ---- */

static void log_store(void *context, uint8_t *host, uint64_t size)
{
    struct verify *v = ((struct bt *)((struct vcpu *)context)->engine)->verify;
    ASSERT(v->stores < VERIFY_STORES && v->store_bytes + size <= VERIFY_STORE_BYTES); /* see room() */
    v->store[v->stores++] = (struct verify_store){host, v->store_bytes, (uint32_t)size};
    __builtin_memcpy(v->old + v->store_bytes, host, size);
    v->store_bytes += (uint32_t)size;
}

static uint64_t no_io_read(void *verify, uint16_t port, unsigned size)
{
    (void)port, (void)size;
    ((struct verify *)verify)->give_up = true;
    return 0;
}

static void no_io_write(void *verify, uint16_t port, uint64_t value, unsigned size)
{
    (void)port, (void)value, (void)size;
    ((struct verify *)verify)->give_up = true;
}

static uint64_t no_mmio_read(void *verify, gpa_t gpa, unsigned size)
{
    (void)gpa, (void)size;
    ((struct verify *)verify)->give_up = true;
    return 0;
}

static void no_mmio_write(void *verify, gpa_t gpa, uint64_t value, unsigned size)
{
    (void)gpa, (void)value, (void)size;
    ((struct verify *)verify)->give_up = true;
}

static void no_ferr(void *verify)
{
    ((struct verify *)verify)->give_up = true;
}

/* Stores after the first `keep` are taken back; what they wrote is kept. */
static void take_back(struct verify *v, unsigned keep)
{
    for (unsigned i = v->stores; i-- > keep;) {
        const struct verify_store *store = &v->store[i];
        __builtin_memcpy(v->new + store->at, store->host, store->size);
        __builtin_memcpy(store->host, v->old + store->at, store->size);
    }
}

/* ---- the prediction ---- */

/* Can everything that the instruction does be taken back? What else there is, translated code calls C for. */
static bool reversible(const struct insn *insn)
{
    static exec_fn *const functions[] = {
        exec_lea,
        exec_hint,
        exec_pause,
        exec_push,
        exec_pop,
        exec_pusha,
        exec_popa,
        exec_pushf,
        exec_enter,
        exec_leave,
        exec_movs,
        exec_cmps,
        exec_stos,
        exec_lods,
        exec_scas,
        exec_xlat,
        exec_call,
        exec_jmp,
        exec_ret,
        exec_jcc,
        exec_jcxz,
        exec_loop,
        exec_cli,
        exec_sti,
        exec_cld,
        exec_std,
        exec_swapgs,
        exec_mov_sreg,
        exec_load_far_pointer,
    };
    if (insn->far)
        return false;
    if (insn->rule->flags & RULE_NATIVE) /* but RDRAND and RDSEED give something else each time */
        return !(insn->map == 1 && insn->opcode == 0xc7 && (insn->modrm & 0xf0) == 0xf0);
    for (unsigned i = 0; i < ARRAY_LEN(functions); i++)
        if (insn->rule->function == functions[i])
            return true;
    return false;
}

/* Others that are reversible leave the segment registers alone. */
static bool loads_segment(const struct insn *insn)
{
    exec_fn *function = insn->rule->function;
    return function == exec_pop || function == exec_swapgs || function == exec_mov_sreg ||
           function == exec_load_far_pointer;
}

/* For one more boundary, and whatever one instruction stores: a page of a string, byte for byte. */
static bool room(const struct verify *v)
{
    return v->boundaries < VERIFY_BOUNDARIES && v->stores + GUEST_PAGE_SIZE + 64 <= VERIFY_STORES &&
           v->store_bytes + 4 * GUEST_PAGE_SIZE <= VERIFY_STORE_BYTES;
}

/*
 * A branch was taken, from one linear address to another: how far can translated code get without a poll? Direct
 * branches back and indirect ones poll. Where there are windows a loop may be laid out several times in a row, and then
 * only one of LOOP_COPIES rounds polls. A RET may poll or not, and is not counted.
 */
static void note_branch(struct verify *v, const struct vcpu *vcpu, const struct insn *insn, uint64_t from, uint64_t to)
{
    bool ret = insn->rule->function == exec_ret, indirect = insn->map == 0 && insn->opcode == 0xff;
    bool back = !ret && !indirect && to <= from;
    bool round = back && to >= v->straight && view_window_open(vcpu->shadow->current);
    v->rounds = !round ? 0 : to == v->loop ? v->rounds + 1 : 1;
    v->loop = round ? to : 0;
    v->polls += round ? v->rounds % LOOP_COPIES == 0 : back || indirect;
    v->returns += ret;
    v->straight = to;
}

/* One instruction further. False: the prediction ends at this boundary, or at the one before. */
static bool predict_one(struct verify *v, struct vcpu *vcpu)
{
    struct verify_state *state = &v->boundary[v->boundaries];
    unsigned stores = v->stores, bytes = v->store_bytes;
    const struct cached_insn *entry = interp_fetch(vcpu);
    if (!entry)
        return false;
    const struct insn *insn = &entry->insn;
    if (!reversible(insn)) {
        v->complete = !(insn->rule->flags & RULE_NATIVE);
        return false;
    }
    if (insn->vector != VECTOR_NONE && !v->vectors_used) {
        capture_vector(vcpu, v->vector[0]);
        v->vectors_used = true;
    }
    vcpu->interrupt_shadow = vcpu->debug_shadow = false;
    state[-1].mmx_follows = insn->vector == VECTOR_MMX && insn->mem.present;
    uint64_t from = code_linear(vcpu, vcpu->rip);
    enum exec_result result = interp_execute(vcpu, insn);
    if (v->give_up || result == EXEC_FAULT || result == EXEC_HALT || result == EXEC_SHUTDOWN) {
        take_back(v, stores);
        v->stores = stores;
        v->store_bytes = bytes;
        restore(vcpu, v, state - 1);
        if (insn->vector != VECTOR_NONE && room(v)) { /* a SIMD exception leaves its flag in MXCSR */
            *state = state[-1];
            state->vector = ++v->vectors;
            capture_vector(vcpu, v->vector[state->vector]);
            v->boundaries++;
        }
        return false;
    }
    capture(vcpu, state);
    state->stores = v->stores;
    state->vector = state[-1].vector;
    state->system = state[-1].system;
    if (loads_segment(insn))
        capture_system(v, vcpu, state);
    if (insn->vector != VECTOR_NONE) {
        state->vector = ++v->vectors;
        capture_vector(vcpu, v->vector[state->vector]);
    }
    v->boundaries++;
    if (v->block_limit && v->boundaries > v->block_limit)
        return false;
    if (result == EXEC_JUMP)
        note_branch(v, vcpu, insn, from, code_linear(vcpu, vcpu->rip));
    return v->polls < VERIFY_POLLS;
}

/* The last poll on the way sends translated code back to C. Where it must come back anyway, wrong code does, too. */
static uint32_t polls_to_pass(const struct verify *v, bool whole)
{
    if (whole)
        return 2 * v->boundaries; /* an indirect branch may poll twice */
    return v->polls > 1 ? v->polls - 1 : 1;
}

/* What RETs on the way take from the return stack, calls may write over. */
static void keep_landings(struct verify *v, const struct view *view)
{
    uint64_t most = (view->return_empty - view->return_sp) / 8;
    v->return_sp = view->return_sp;
    v->returns = most < v->returns ? (unsigned)most : v->returns;
    __builtin_memcpy(v->landing, (const void *)(uintptr_t)v->return_sp, 8 * v->returns);
}

static void predict(struct verify *v, struct vcpu *vcpu)
{
    const struct vcpu_wires *wires = vcpu->wires;
    v->give_up = v->vectors_used = false;
    v->complete = true;
    v->boundaries = 1;
    v->stores = v->store_bytes = v->vectors = v->systems = 0;
    v->polls = v->rounds = v->returns = 0;
    v->loop = v->straight = 0;
    capture(vcpu, &v->boundary[0]);
    capture_system(v, vcpu, &v->boundary[0]);
    v->boundary[0].stores = v->boundary[0].vector = 0;
    v->wires = (struct vcpu_wires){.machine = v,
                                   .io_read = no_io_read,
                                   .io_write = no_io_write,
                                   .mmio_read = no_mmio_read,
                                   .mmio_write = no_mmio_write,
                                   .ferr = no_ferr};
    vcpu->wires = &v->wires;
    uint32_t run = __atomic_exchange_n(&vcpu->run, 0, __ATOMIC_SEQ_CST); /* string instructions stop at a page's end */
    /* What is taken back is no change of code: the blocks stay, and so do their pages' flags. */
    void (*code_written)(void *, uint64_t, uint64_t) = vcpu->space->code_written;
    vcpu->space->code_written = NULL;
    vcpu->space->store_log = log_store;
    struct fetch_page page = {0};
    ((struct bt *)vcpu->engine)->interp.fetched = &page;
    bool ends = false;
    while (!ends && room(v))
        ends = !predict_one(v, vcpu);
    if (!ends && v->polls < 2) /* out of room, and perhaps translated code has no poll before that */
        v->complete = false;
    vcpu->polls = polls_to_pass(v, ends && v->polls < VERIFY_POLLS);
    ((struct bt *)vcpu->engine)->interp.fetched = NULL;
    vcpu->space->store_log = NULL;
    vcpu->space->code_written = code_written;
    vcpu->wires = wires;
    __atomic_store_n(&vcpu->run, run, __ATOMIC_SEQ_CST); /* over a kick, perhaps: C looks at the events anyway, soon */
    take_back(v, 0);
    restore(vcpu, v, &v->boundary[0]);
    restore_vector(vcpu, v);
}

void verify_enter(struct bt *bt, struct vcpu *vcpu, uint64_t pc)
{
    struct verify *v = bt->verify;
    struct view *view = vcpu->shadow->current;
    if (v->search != SEARCH_NONE)
        view->return_sp = view->return_empty;
    if (v->search == SEARCH_BLOCKS && v->search_left && vcpu->rip != v->seen.rip) /* what C did is right */
        v->search_left--;
    v->pc = pc;
    predict(v, vcpu);
    keep_landings(v, view);
    v->active = true;
}

/* ---- the comparison ---- */

bool verify_overwritten(const struct verify *v, const struct verify_state *state, unsigned store, unsigned byte)
{
    const uint8_t *host = v->store[store].host + byte;
    for (unsigned i = store + 1; i < state->stores; i++)
        if (host >= v->store[i].host && host < v->store[i].host + v->store[i].size)
            return true;
    return false;
}

static bool memory_equal(const struct verify *v, const struct verify_state *state)
{
    for (unsigned i = 0; i < state->stores; i++) {
        const struct verify_store *store = &v->store[i];
        if (!__builtin_memcmp(store->host, v->new + store->at, store->size))
            continue;
        for (unsigned byte = 0; byte < store->size; byte++)
            if (store->host[byte] != v->new[store->at + byte] && !verify_overwritten(v, state, i, byte))
                return false;
    }
    return true;
}

/* Instruction and data pointers and the last opcode of the x87, bytes 6 to 23, are the host's. */
static bool vector_equal(const uint8_t *a, const uint8_t *b)
{
    return !__builtin_memcmp(a, b, 6) && !__builtin_memcmp(a + 24, b + 24, 416 - 24) &&
           !__builtin_memcmp(a + 576, b + 576, VERIFY_VECTOR_SIZE - 576);
}

static bool same_vectors(const struct verify *v, const struct verify_state *state)
{
    const uint8_t *expected = v->vector[state->vector];
    uint8_t touched[VERIFY_VECTOR_SIZE];
    if (!v->vectors_used || vector_equal(expected, v->seen_vector))
        return true;
    if (!state->mmx_follows)
        return false;
    __builtin_memcpy(touched, expected, sizeof(touched));
    vector_zero_top(touched);
    return vector_equal(touched, v->seen_vector);
}

static bool equal(const struct verify *v, const struct vcpu *vcpu, const struct verify_state *state)
{
    const struct verify_state *seen = &v->seen;
    return state->rip == seen->rip && !__builtin_memcmp(state->gpr, seen->gpr, sizeof(seen->gpr)) &&
           state->flags == seen->flags && state->eflags == seen->eflags &&
           !__builtin_memcmp(v->system[state->system], vcpu->segment, VERIFY_SYSTEM_COMPARED) &&
           memory_equal(v, state) && same_vectors(v, state);
}

/* ---- the search for the first wrong step ---- */

/* State and memory as at the entry, and the return stack. */
static void back_to_entry(struct verify *v, struct vcpu *vcpu)
{
    for (unsigned i = v->stores; i-- > 0;)
        __builtin_memcpy(v->store[i].host, v->old + v->store[i].at, v->store[i].size);
    restore(vcpu, v, &v->boundary[0]);
    restore_vector(vcpu, v);
    vcpu->shadow->current->return_sp = v->return_sp;
    __builtin_memcpy((void *)(uintptr_t)v->return_sp, v->landing, 8 * v->returns);
}

static enum verify_verdict fail(struct verify *v)
{
    v->failed = true;
    return VERIFY_STOP;
}

/* Once more from the entry, in newly translated code. */
static enum verify_verdict translate_again(struct verify *v, struct vcpu *vcpu)
{
    back_to_entry(v, vcpu);
    v->attempt = 0;
    return VERIFY_ANEW;
}

static enum verify_verdict different(struct verify *v, struct vcpu *vcpu, const struct verify_state *expected)
{
    if (v->attempt++ == 0) {
        back_to_entry(v, vcpu);
        return VERIFY_AGAIN;
    }
    vector_park(vcpu);
    verify_describe(v, vcpu, expected);
    if (v->search == SEARCH_STEPS)
        return fail(v);
    v->search++;
    v->search_left = v->boundaries - (v->search == SEARCH_BLOCKS); /* what faults behind the last one is a step, too */
    v->block_limit = v->search == SEARCH_STEPS;
    return translate_again(v, vcpu);
}

/* Right up to boundary `passed`; where is it wrong, then? */
static enum verify_verdict search_on(struct verify *v, struct vcpu *vcpu, unsigned passed)
{
    bool whole = v->search == SEARCH_STEPS && passed >= v->block_limit;
    if (v->search == SEARCH_NONE)
        return VERIFY_RIGHT;
    if (whole ? v->block_limit >= v->search_left : passed >= v->search_left)
        return fail(v); /* nowhere: the report of the whole stands */
    if (whole) {
        v->block_limit++;
        return translate_again(v, vcpu);
    }
    v->search_left -= passed;
    return VERIFY_RIGHT;
}

/* How much of what is seen the boundary does not explain. */
static unsigned distance(const struct verify *v, const struct verify_state *state)
{
    unsigned count = v->seen.flags != state->flags;
    for (unsigned i = 0; i < 16; i++)
        count += v->seen.gpr[i] != state->gpr[i];
    return count;
}

enum verify_verdict verify_leave(struct bt *bt, struct vcpu *vcpu, bool done)
{
    struct verify *v = bt->verify;
    const struct verify_state *expected = NULL;
    if (!v->active)
        return VERIFY_RIGHT;
    v->active = false;
    capture(vcpu, &v->seen);
    if (v->vectors_used)
        capture_vector(vcpu, v->seen_vector);
    unsigned first = v->idle && done; /* not there twice: it would be for ever */
    for (unsigned i = v->boundaries; i-- > first;) {
        const struct verify_state *state = &v->boundary[i];
        if (state->rip != v->seen.rip)
            continue;
        if (equal(v, vcpu, state)) {
            v->repeated += v->attempt;
            v->attempt = 0;
            v->idle = done && i == 0;
            v->blocks++;
            v->instructions += i;
            return search_on(v, vcpu, i);
        }
        if (!expected || distance(v, state) < distance(v, expected))
            expected = state;
    }
    if (!v->complete) {
        v->unchecked++;
        v->attempt = 0;
        v->idle = false;
        return VERIFY_RIGHT;
    }
    return different(v, vcpu, expected ? expected : &v->boundary[v->boundaries - 1]);
}
