/*
 * What translated code calls: the slow path, exits, dispatch; and the engine's loop around it.
 *
 * Everything here runs with the guest's vector state live in host registers, on the C stack. Invariants: each bt_*
 * function gets all guest state saved in the vCPU, with RIP implied by the site or exit, and returns a host address for
 * exactly the state it leaves behind (GS set, vector state live), or 0 for the loop. Thread: the vCPU's own.
 */
#include "translator/runtime.h"
#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/memory.h"
#include "cpu-model/state/trace.h"
#include "cpu-model/state/vector.h"
#include "translator/chaos.h"
#include "translator/verify.h"

static struct bt *bt_of(struct vcpu *vcpu)
{
    return vcpu->engine;
}

/* The jump cache's name for code: see mode_salt(). */
static uint64_t jump_target(struct vcpu *vcpu, uint64_t linear, uint32_t mode)
{
    return linear + mode_salt(&bt_of(vcpu)->modes.key[mode], mode);
}

/* ---- views ---- */

static void set_gs(struct bt *bt, uint64_t base)
{
    if (bt->gs == base)
        return;
    bt->gs = base;
    host_set_gs(&bt->host, base);
}

/* Translated code was left: its return stack's pointer is the view's again. */
static void sync_out(struct vcpu *vcpu)
{
    struct view *view = vcpu->shadow->current;
    uint64_t sp = vcpu->return_sp;
    view->return_sp = sp > view->return_empty ? view->return_empty : sp; /* the bottom entry may just have been taken */
}

/* About to enter translated code of the current view. */
static uint64_t sync_in(struct vcpu *vcpu, uint64_t pc)
{
    struct bt *bt = bt_of(vcpu);
    if (__builtin_expect(bt->verify != NULL, 0))
        verify_enter(bt, vcpu, pc);
    vcpu->return_sp = vcpu->shadow->current->return_sp;
    set_gs(bt, (uint64_t)(uintptr_t)vcpu->shadow->current->base);
    if (!vcpu->vector_live)
        vector_unpark(vcpu);
    return pc;
}

/* ---- dispatch ---- */

static bool must_leave(const struct vcpu *vcpu)
{
    return !vcpu->run || vcpu->halted || events_due(vcpu) || interp_must_step(vcpu);
}

static bool deliver(struct vcpu *vcpu)
{
    if (exception_deliver(vcpu) != EXEC_SHUTDOWN)
        return true;
    bt_of(vcpu)->shutdown = true;
    return false;
}

static bool step(struct vcpu *vcpu)
{
    bt_of(vcpu)->cache.interp_steps++;
    if (interp_step(vcpu))
        return true;
    bt_of(vcpu)->shutdown = true;
    return false;
}

enum found { FOUND_BLOCK, FOUND_FAULT, FOUND_NOTHING };

/* The arena offset of the code at linear address `at`, as the current view sees it. */
static enum found find_code(struct vcpu *vcpu, uint64_t at, uint64_t *offset)
{
    struct shadow *shadow = vcpu->shadow;
    uint64_t entry = *view_entry(shadow->current, VIEW_EXEC, shadow_index(shadow, at));
    uint64_t host = entry + at - (uint64_t)(uintptr_t)vcpu->space->arena;
    struct translation t;

    if (entry && host < vcpu->space->arena_size) {
        *offset = host;
        return FOUND_BLOCK;
    }
    if (vcpu_code64(vcpu) && !lin_canonical(at)) {
        vcpu_fault_code(vcpu, EXC_GP, 0);
        return FOUND_FAULT;
    }
    if (!mmu_walk(vcpu, lin(at), ACCESS_EXEC, vcpu->cpl == 3, &t))
        return FOUND_FAULT;
    if (!t.host)
        return FOUND_NOTHING;
    shadow_fill(vcpu, lin(at), ACCESS_EXEC, &t);
    *offset = space_offset(vcpu->space, t.host) + (at & GUEST_PAGE_OFFSET);
    return FOUND_BLOCK;
}

static void jump_cache_set(struct view *view, uint64_t target, uint64_t pc)
{
    *view_jump_tag(view, target) = -target;
    *view_jump_host(view, target) = pc;
}

/* User code of the current view has run for a while. */
static void consider_window(struct vcpu *vcpu)
{
    vector_park(vcpu);
    shadow_window_tick(vcpu, __builtin_ia32_rdtsc(), vcpu->tsc_hz / 1000);
}

/* The mode for blocks that run in a view with an open window: they rely on no alignment. Segmented code has no use for
 * windows. */
static uint32_t mode_in_view(struct vcpu *vcpu, const struct view *view, uint32_t mode)
{
    struct mode_key key = bt_of(vcpu)->modes.key[mode];
    if (!view_window_open(view) || !mode_plain(&key))
        return mode;
    key.window = 1;
    key.sp_aligned = 0;
    return mode_number(vcpu, &key);
}

static uint64_t block_pc(const struct bt *bt, const struct tb *tb)
{
    return (uint64_t)(uintptr_t)(bt->cache.rx + tb->code);
}

/* Under verify, which has gone back to where it entered: enters a new block there. 0: there is none. */
static uint64_t enter_anew(struct vcpu *vcpu)
{
    struct bt *bt = bt_of(vcpu);
    uint64_t at = code_linear(vcpu, vcpu->rip), offset;
    uint32_t mode = mode_in_view(vcpu, vcpu->shadow->current, mode_now(vcpu));
    struct tb *tb = NULL;
    if (find_code(vcpu, at, &offset) == FOUND_BLOCK) {
        vector_park(vcpu);
        tcache_flush(&bt->cache, vcpu);
        tb = translate_block(bt, vcpu, at, offset & ~(uint64_t)GUEST_PAGE_OFFSET, mode);
    }
    bt->verify->failed = !tb;
    return tb ? sync_in(vcpu, block_pc(bt, tb)) : 0;
}

/*
 * Under verify: is what translated code has done wrong? Then *pc is what to do: the code to enter once more, or 0. All
 * state is in the vCPU, RIP too. done: C has nothing to do for the instruction there.
 */
static bool wrong(struct vcpu *vcpu, bool done, uint64_t *pc)
{
    struct bt *bt = bt_of(vcpu);
    if (__builtin_expect(!bt->verify, 1))
        return false;
    enum verify_verdict verdict = verify_leave(bt, vcpu, done);
    *pc = verdict == VERIFY_AGAIN ? sync_in(vcpu, bt->verify->pc) : verdict == VERIFY_ANEW ? enter_anew(vcpu) : 0;
    return verdict != VERIFY_RIGHT;
}

/* Selects the view for the present state. False: leave to the loop. */
static bool prepare(struct vcpu *vcpu, uint32_t *mode)
{
    if (must_leave(vcpu) || bt_of(vcpu)->shutdown)
        return false;
    chaos_flush(bt_of(vcpu), vcpu);
    if (vcpu->rip > vcpu->segment[SEG_CS].limit && !vcpu_code64(vcpu)) /* the interpreter raises #GP */
        return false;
    *mode = mode_now(vcpu);
    struct view *view = shadow_select(vcpu);
    if (vcpu->shadow->eager_windows && vcpu->cpl == 3 && !view_window_open(view) && !view->window_refused)
        consider_window(vcpu);
    *mode = mode_in_view(vcpu, view, *mode);
    if (view->mode_key != *mode && !jump_target(vcpu, 0, *mode)) {
        view_forget_code(view);
        view->mode_key = *mode;
    }
    return true;
}

/* The block for the state in the vCPU, for which prepare() gave `mode`; made if need be. Null: leave to the loop. */
static struct tb *dispatch(struct vcpu *vcpu, uint32_t mode)
{
    struct bt *bt = bt_of(vcpu);
    uint64_t offset;
    do {
        uint64_t at = code_linear(vcpu, vcpu->rip);
        switch (find_code(vcpu, at, &offset)) {
        case FOUND_FAULT:
            if (!deliver(vcpu))
                return NULL;
            continue;
        case FOUND_NOTHING:
            if (!step(vcpu))
                return NULL;
            continue;
        case FOUND_BLOCK:
            break;
        }
        struct tb *tb = tcache_find(&bt->cache, at, offset, mode);
        if (!tb) {
            vector_park(vcpu);
            if (tcache_full(&bt->cache))
                tcache_flush(&bt->cache, vcpu);
            tb = translate_block(bt, vcpu, at, offset & ~(uint64_t)GUEST_PAGE_OFFSET, mode);
        }
        if (tb)
            return tb;
        if (!step(vcpu)) /* crosses the page's end into what is not there */
            return NULL;
    } while (prepare(vcpu, &mode));
    return NULL;
}

/* With -d exec every block is entered from here, as when verify looks for the wrong one: nothing is linked or cached.
 */
static bool entered_from_here(struct vcpu *vcpu)
{
    struct bt *bt = bt_of(vcpu);
    trace(vcpu, LOG_EXEC, "block %04x:%llx", vcpu->segment[SEG_CS].selector, (unsigned long long)vcpu->rip);
    return log_mask & LOG_EXEC || chaos_unlinked(bt) || (bt->verify && bt->verify->search != SEARCH_NONE);
}

/* Anywhere to anywhere: dispatch and enter. */
static uint64_t go(struct vcpu *vcpu)
{
    struct bt *bt = bt_of(vcpu);
    uint32_t mode;
    if (!prepare(vcpu, &mode))
        return 0;
    const struct view *view = vcpu->shadow->current;
    uint64_t target = jump_target(vcpu, code_linear(vcpu, vcpu->rip), mode);
    if (*view_jump_tag(view, target) == -target)
        return sync_in(vcpu, *view_jump_host(view, target));
    struct tb *tb = dispatch(vcpu, mode);
    if (!tb)
        return 0;
    if (!entered_from_here(vcpu))
        jump_cache_set(vcpu->shadow->current, jump_target(vcpu, tb->lin, tb->mode), block_pc(bt, tb));
    return sync_in(vcpu, block_pc(bt, tb));
}

uint64_t bt_jump(struct vcpu *vcpu, uint64_t target)
{
    struct bt *bt = bt_of(vcpu);
    sync_out(vcpu);
    bt->cache.jump_misses++;
    vcpu->rip = code_offset_of(vcpu, target); /* bits 48 on carry the mode, outside 64-bit mode */
    bool fault = vcpu_code64(vcpu) && !lin_canonical(target);
    if (fault) { /* #GP belongs to the branch: take it back and let the interpreter do it */
        const struct site *site = &bt->cache.sites[vcpu->last_branch];
        vcpu->rip = bt->cache.tbs[site->tb].lin + site->guest;
        vcpu->gpr[REG_RSP] += (uint64_t)(int64_t)(int32_t)site->insn;
    }
    uint64_t pc;
    if (wrong(vcpu, !fault, &pc))
        return pc;
    return fault && !step(vcpu) ? 0 : go(vcpu);
}

uint64_t bt_exit(struct vcpu *vcpu, uint32_t index)
{
    struct bt *bt = bt_of(vcpu);
    struct exit *exit = &bt->cache.exits[index];
    uint64_t flushes = bt->cache.flushes, target = exit->target;
    uint64_t pc;
    uint32_t mode;

    sync_out(vcpu);
    vcpu->rip = code_offset_of(vcpu, target);
    if (wrong(vcpu, true, &pc))
        return pc;
    struct tb *tb = prepare(vcpu, &mode) ? dispatch(vcpu, mode) : NULL;
    if (!tb)
        return 0;
    if (!entered_from_here(vcpu) && flushes == bt->cache.flushes && exit->patch && exit->to == NO_INDEX &&
        tb->lin == target && tb->mode == exit->mode)
        tcache_link(&bt->cache, vcpu, exit, tb);
    return sync_in(vcpu, block_pc(bt, tb));
}

/* ---- the slow path ---- */

static unsigned rounded(unsigned size)
{
    return size == 10 ? 16 : size;
}

/* Can an access reach this linear address in the present mode? */
static bool addressable(const struct vcpu *vcpu, uint64_t linear)
{
    return vcpu_code64(vcpu) ? lin_canonical(linear) : !(linear >> 32);
}

/* Would a walk for this store set the dirty bit of a page that may not come to be stored to? */
static bool dirty_too_early(const struct vcpu *vcpu, const struct site *site, uint64_t linear)
{
    struct translation t;
    return site->objects && !(mmu_walk_debug(vcpu, lin(linear), &t) && t.dirty);
}

/*
 * Fills the shadow entry for an access, so that it can be retried. False: the interpreter must perform the instruction,
 * which also raises whatever exception is due.
 */
static bool fill_access(struct vcpu *vcpu, const struct site *site, uint64_t linear)
{
    struct shadow *shadow = vcpu->shadow;
    struct translation t;
    bool store = site->access == ACCESS_WRITE;

    if ((linear & GUEST_PAGE_OFFSET) + rounded(site->size) > GUEST_PAGE_SIZE)
        return false;
    if (!addressable(vcpu, linear))
        return false;
    if (store && dirty_too_early(vcpu, site, linear))
        return false;
    if (!mmu_walk(vcpu, lin(linear), site->access, vcpu->cpl == 3, &t) || !t.host || (store && t.rom))
        return false;
    uint64_t value = (uint64_t)(uintptr_t)t.host - (linear & ~(uint64_t)GUEST_PAGE_OFFSET);
    int table = store ? VIEW_WRITE : site->access == ACCESS_EXEC ? VIEW_EXEC : VIEW_READ;
    uint64_t *entry = view_entry(shadow->current, table, shadow_index(shadow, linear));
    /* Right already: another page than the one translated from, a stack that is misaligned, a conservative page-end
     * check, or the instruction itself objects. */
    if (*entry == value)
        return false;
    shadow_fill(vcpu, lin(linear), site->access, &t);
    return *entry == value;
}

/* The linear address of a site's access, from the registers, which are as at its instruction's beginning. */
static uint64_t site_linear(const struct vcpu *vcpu, const struct site_address *address)
{
    uint64_t at = (uint64_t)address->disp;
    if (address->base != REG_NONE)
        at += vcpu->gpr[address->base];
    if (address->index != REG_NONE)
        at += vcpu->gpr[address->index] * address->scale;
    if (address->size == 4)
        at = (uint32_t)at;
    if (address->add_base)
        at += vcpu->segment[address->segment].base;
    return vcpu_code64(vcpu) ? at : (uint32_t)at;
}

/* A host fault on an access through a window: maps what the guest's tables allow. False as for fill_access(). */
static bool fill_window(struct vcpu *vcpu, const struct site *site)
{
    struct view *view = vcpu->shadow->current;
    uint64_t first = site_linear(vcpu, &site->address), last = first + rounded(site->size) - 1;
    struct translation t;
    bool filled = false;

    if (!view_window_open(view) || !window_charge(view->window))
        return false;
    for (uint64_t at = first; at <= last; at = (at | GUEST_PAGE_OFFSET) + 1) {
        if (!addressable(vcpu, at) || (site->access == ACCESS_WRITE && dirty_too_early(vcpu, site, at)) ||
            !mmu_walk(vcpu, lin(at), site->access, vcpu->cpl == 3, &t) || !t.host)
            return false;
        shadow_fill(vcpu, lin(at), site->access, &t);
        filled |= window_fill(vcpu, view->window, lin(at), site->access, &t);
    }
    return filled;
}

/* A block for a window is of no use without. */
static bool still_as_promised(struct vcpu *vcpu, const struct tb *tb)
{
    const struct mode_key *mode = &bt_of(vcpu)->modes.key[tb->mode];
    return mode_holds(vcpu, mode) && (!mode->window || view_window_open(vcpu->shadow->current));
}

/* On within a block: the scratch registers get the window deltas again that the code relies on. */
static uint64_t resume(struct vcpu *vcpu, uint32_t code, struct held held)
{
    const uint64_t *regions = (const uint64_t *)(vcpu->shadow->current->base + VIEW_REGIONS);
    for (unsigned i = 0; i < 2; i++)
        if (held.slot[i] != REG_NONE)
            vcpu->resume_scratch[i] = regions[vcpu->gpr[held.slot[i]] >> WINDOW_REGION_BITS & (WINDOW_REGIONS - 1)];
    return sync_in(vcpu, (uint64_t)(uintptr_t)(bt_of(vcpu)->cache.rx + code));
}

/* What must not have changed for a block to be gone on with. */
struct before {
    uint64_t flushes, deliveries;
};

/*
 * After an instruction was performed in C: on in the same block if that is what comes next. Not after an exception,
 * even if its handler is just there: the instruction has not done what the block takes for granted.
 */
static uint64_t go_on(struct vcpu *vcpu, uint32_t index, struct before before)
{
    struct bt *bt = bt_of(vcpu);
    if (before.flushes == bt->cache.flushes && before.deliveries == vcpu->deliveries) {
        const struct site *site = &bt->cache.sites[index];
        const struct tb *tb = &bt->cache.tbs[site->tb];
        if (!site->leave && tb->valid && vcpu->rip == code_offset_of(vcpu, tb->lin + site->guest + site->length) &&
            !must_leave(vcpu) && still_as_promised(vcpu, tb))
            return resume(vcpu, site->next, site->next_held);
    }
    return go(vcpu);
}

/* Executes a decoded instruction that C has a function for. False: shutdown. */
static bool helper(struct vcpu *vcpu, const struct insn *insn)
{
    for (;;) {
        switch (insn_execute(vcpu, insn)) {
        case EXEC_NEXT:
        case EXEC_HALT:
            vcpu->rip = rip_after(vcpu, insn);
            return true;
        case EXEC_JUMP:
            return true;
        case EXEC_REPEAT:
            if (must_leave(vcpu))
                return true;
            break;
        case EXEC_FAULT:
            return deliver(vcpu);
        case EXEC_SHUTDOWN:
            bt_of(vcpu)->shutdown = true;
            return false;
        }
    }
}

uint64_t bt_slow(struct vcpu *vcpu, uint32_t index, uint64_t linear)
{
    struct bt *bt = bt_of(vcpu);
    struct tcache *cache = &bt->cache;
    const struct site *site = &cache->sites[index];
    int trap = bt->trap_pending - 1;
    struct before before = {cache->flushes, vcpu->deliveries};
    uint64_t pc;

    bt->trap_pending = 0;
    sync_out(vcpu);
    vcpu->rip = code_offset_of(vcpu, cache->tbs[site->tb].lin + site->guest);
    if (wrong(vcpu, false, &pc))
        return pc;
    if (site->kind == SITE_HELPER) {
        cache->helper_calls++;
        if (!helper(vcpu, &cache->insns[site->insn]))
            return 0;
        return go_on(vcpu, index, before);
    }
    bool memory_trap = trap == EXC_PF || trap == EXC_GP || trap == EXC_SS, filled = false;
    if (site->window && memory_trap) {
        cache->window_faults++;
        filled = fill_window(vcpu, site);
    } else if (site->kind == SITE_ACCESS && (trap < 0 || (memory_trap && !site->folded))) {
        cache->slow_access++;
        filled = fill_access(vcpu, site, linear);
    }
    if (filled)
        return resume(vcpu, site->retry, site->retry_held);
    if (!step(vcpu))
        return 0;
    return go_on(vcpu, index, before);
}

/* ---- host exceptions ---- */

/* The site whose host instruction is at `offset`, or 0. */
static uint32_t site_at(const struct tcache *cache, uint32_t offset)
{
    uint32_t low = 1, high = cache->site_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (cache->sites[middle].code < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < cache->site_count && cache->sites[low].code == offset ? low : 0;
}

bool bt_trap(void *context, int trap, void *ucontext)
{
    struct vcpu *vcpu = context;
    struct bt *bt = bt_of(vcpu);
    const struct view *view = vcpu->shadow->current;
    uint64_t sp = trap_register(ucontext, REG_RSP), stack = (uint64_t)(uintptr_t)view->return_stack;

    if (sp >= stack && sp <= stack + 4096 + 8) { /* the return stack is full: forget it all */
        trap_set_register(ucontext, REG_RSP, view->return_empty);
        return true;
    }
    uint32_t site = site_at(&bt->cache, (uint32_t)(trap_pc(ucontext) - (uint64_t)(uintptr_t)bt->cache.rx));
    if (!site)
        return false;
    bt->trap_pending = trap + 1;
    if (bt->cache.sites[site].stub) {
        trap_set_pc(ucontext, bt->cache.rx + bt->cache.sites[site].stub);
    } else {
        trap_set_register(ucontext, REG_RCX, site);
        trap_set_pc(ucontext, bt_trap_entry);
    }
    return true;
}

/* ---- the loop ---- */

enum run_exit bt_loop(struct vcpu *vcpu)
{
    struct bt *bt = bt_of(vcpu);
    for (;;) {
        if (!vcpu->run || vcpu->halted || events_due(vcpu)) {
            if (vcpu->cpl == 3 && vcpu->shadow->current_user)
                consider_window(vcpu);
            enum run_exit exit = events_handle(vcpu);
            if (exit != RUN_CONTINUE)
                return exit;
            if (vcpu->halted)
                continue;
        }
        uint64_t pc = go(vcpu);
        if (pc)
            bt_enter(vcpu, pc);
        else if (!bt->shutdown && !vcpu->halted && !events_due(vcpu) && vcpu->run)
            step(vcpu);
        if (bt->shutdown) {
            bt->shutdown = false;
            return RUN_SHUTDOWN;
        }
        if (bt->verify && bt->verify->failed)
            return RUN_FAILED;
    }
}
