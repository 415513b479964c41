/*
 * Stack and near control flow inline: PUSH, POP, CALL, RET, LEAVE, JMP, Jcc. See translator/ARCHITECTURE.md,
 * "Branches".
 *
 * A direct branch within a page jumps straight to its block once linked. One that leaves the page first compares the
 * target page's EXEC entry with the one it was linked for, so links survive address-space switches. Back edges and
 * indirect branches poll vcpu->run.
 *
 * CALL goes to its block by a host CALL, whose return address is the landing behind it; RET takes the host RET with the
 * guest's target in t, and the landing compares it with the one it is for. So the host's return predictor works for the
 * guest. No flag is touched: compare = LEA + JRCXZ.
 */
#include "translator/emit.h"

/* mov [base + rcx + disp], reg or the reverse, of `size` 4 or 8 */
static void e_stack_access(struct translation_job *job, unsigned opcode, unsigned size, unsigned reg, int32_t disp)
{
    e_op_mem(&job->e, size == 8, opcode, reg, HOST_R11, HOST_RCX, 1, disp);
}

/* Outside 64-bit mode the stack pointer is 32 bits wide: its address is taken in t. */
static struct address stack_address(struct translation_job *job, int32_t disp)
{
    if (job->mode.stack_size == 8)
        return (struct address){.base = HOST_R11, .disp = disp};
    e_lea(&job->e, false, HOST_T, HOST_R11, HOST_NONE, 1, disp);
    return (struct address){.base = HOST_T};
}

/* RSP += n */
static void emit_adjust_sp(struct translation_job *job, int32_t n)
{
    e_lea(&job->e, job->mode.stack_size == 8, HOST_R11, HOST_R11, HOST_NONE, 1, n);
}

static bool stack_inline(const struct translation_job *job)
{
    if (job->insn.code_size == 8)
        return job->insn.operand_size == 8;
    return job->insn.code_size == 4 && job->insn.operand_size == 4 && job->mode.stack_size == 4 &&
           job->mode.kind[SEG_SS] == KIND_FLAT;
}

/* Stack lookups have no memory operand of the instruction's: the aligned-stack rule looks at r11 or, in 32-bit code, at
 * `sp` below. */
static uint32_t stack_lookup(struct translation_job *job, const struct address *address, unsigned base, int32_t disp,
                             enum access access)
{
    struct mem_operand saved = job->insn.mem;
    uint8_t address_size = job->insn.address_size;
    job->insn.mem = (struct mem_operand){
        .present = true, .segment = SEG_SS, .base = (uint8_t)base, .index = REG_NONE, .scale = 1, .disp = disp};
    job->insn.address_size = job->mode.stack_size;
    uint32_t site = emit_lookup(job, address, job->mode.stack_size, access, false);
    job->insn.mem = saved;
    job->insn.address_size = address_size;
    return site;
}

/* rcx still holds the window delta of the stack, and t what it held unless the instruction used it. */
static void hold_stack(struct translation_job *job, bool t_kept)
{
    if (job->mode.window && job->mode.stack_size == 8)
        job->held_next = (struct held){{REG_RSP, t_kept ? job->held.slot[1] : REG_NONE}};
}

/*
 * Pushes host register `value` (not rcx; t only in 64-bit mode):
 *     lookup WRITE [r11 - 8] -> rcx
 *     mov   [r11 + rcx - 8], value
 *     lea   r11, [r11 - 8]
 * 32-bit code: the address is in t, so the value must be elsewhere.
 */
void emit_push_register(struct translation_job *job, unsigned value)
{
    struct emitter *e = &job->e;
    int32_t size = (int32_t)job->mode.stack_size;
    if (value == HOST_T)
        job->held = HELD_NOTHING; /* the value came by way of the scratch registers */
    struct address address = stack_address(job, -size);
    uint32_t site = stack_lookup(job, &address, REG_RSP, -size, ACCESS_WRITE);
    site_here(job, site);
    if (size == 8)
        e_stack_access(job, 0x89, 8, value, -8);
    else
        e_op_mem(e, false, 0x89, value, HOST_T, HOST_RCX, 1, 0);
    emit_adjust_sp(job, -size);
    hold_stack(job, value != HOST_T && !job->insn.mem.present);
}

/* Pushes a constant: in 64-bit mode through t unless it is a sign-extended imm32. */
static void emit_push_constant(struct translation_job *job, uint64_t value)
{
    struct emitter *e = &job->e;
    int32_t size = (int32_t)job->mode.stack_size;
    struct address address = stack_address(job, -size);
    uint32_t site = stack_lookup(job, &address, REG_RSP, -size, ACCESS_WRITE);
    if (size == 4 || value == sign_extend(value, 4)) {
        site_here(job, site);
        if (size == 8)
            e_op_mem(e, true, 0xc7, 0, HOST_R11, HOST_RCX, 1, -8);
        else
            e_op_mem(e, false, 0xc7, 0, HOST_T, HOST_RCX, 1, 0);
        e32(e, (uint32_t)value);
    } else {
        e_mov_imm(e, HOST_T, value);
        site_here(job, site);
        e_stack_access(job, 0x89, 8, HOST_T, -8);
    }
    emit_adjust_sp(job, -size);
    hold_stack(job, size == 4 || value == sign_extend(value, 4));
}

static bool emit_push(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    if (!stack_inline(job))
        return false;
    if (insn->reg_in_opcode) {
        unsigned host = host_of[insn->reg];
        if (host == HOST_NONE)
            e_load_state(&job->e, host = HOST_T, gpr_state(insn->reg));
        emit_push_register(job, host);
    } else if (insn->opcode == 0x68 || insn->opcode == 0x6a) {
        emit_push_constant(job, (uint64_t)insn->imm);
    } else if (insn->opcode == 0xff && insn->mem.present && insn->code_size == 8) {
        struct address address;
        uint8_t *start = job->e.at;
        if (!emit_address(job, &address)) {
            job->e.at = start;
            return false;
        }
        uint32_t site = emit_lookup(job, &address, 8, ACCESS_READ, false);
        site_here(job, site);
        e_op_mem(&job->e, true, 0x8b, HOST_T, address.base, HOST_RCX, 1, address.disp);
        emit_push_register(job, HOST_T);
    } else {
        return false;
    }
    return true;
}

static bool emit_pop(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    struct emitter *e = &job->e;
    int32_t size = (int32_t)job->mode.stack_size;
    if (!stack_inline(job) || !insn->reg_in_opcode)
        return false;
    unsigned host = host_of[insn->reg];
    struct address address = stack_address(job, 0);
    uint32_t site = stack_lookup(job, &address, REG_RSP, 0, ACCESS_READ);
    site_here(job, site);
    unsigned to = host == HOST_NONE || host == HOST_R11 ? HOST_T : host;
    e_op_mem(e, size == 8, 0x8b, to, address.base, HOST_RCX, 1, 0);
    emit_adjust_sp(job, size);
    if (to == HOST_T)
        emit_write_gpr(job, insn->reg, HOST_T);
    hold_stack(job, to != HOST_T);
    if (insn->reg == REG_RSP)
        job->sp_aligned = false;
    return true;
}

static bool emit_leave(struct translation_job *job)
{
    struct emitter *e = &job->e;
    int32_t size = (int32_t)job->mode.stack_size;
    if (!stack_inline(job))
        return false;
    job->sp_aligned = false;
    struct address address = {.base = HOST_RBP};
    if (size == 4) {
        e_mov32(e, HOST_T, HOST_RBP);
        address.base = HOST_T;
    }
    uint32_t site = stack_lookup(job, &address, REG_RBP, 0, ACCESS_READ);
    site_here(job, site);
    e_op_mem(e, size == 8, 0x8b, HOST_T, address.base, HOST_RCX, 1, 0);
    e_lea(e, size == 8, HOST_R11, HOST_RBP, HOST_NONE, 1, size);
    if (size == 8)
        e_mov(e, HOST_RBP, HOST_T);
    else
        e_mov32(e, HOST_RBP, HOST_T);
    return true;
}

/* ---- direct branches ---- */

static uint64_t branch_target(const struct translation_job *job)
{
    uint64_t target = job->lin + job->insn.length + (uint64_t)job->insn.imm;
    return job->insn.code_size == 8 ? target : (uint32_t)target;
}

static bool same_page(const struct translation_job *job, uint64_t target)
{
    return !((target ^ job->tb->lin) & ~(uint64_t)GUEST_PAGE_OFFSET);
}

static void emit_poll(struct translation_job *job, uint32_t exit)
{
    emit_room(job, 36);
    uint8_t *leave = e_poll(&job->e);
    struct stub *stub = stub_add(job, STUB_EXIT, exit);
    stub->from8 = leave;
}

/* The guard of a link that leaves the page; the entry it was linked for is filled in by tcache_link(). */
static void emit_guard(struct translation_job *job, uint64_t target, uint32_t exit)
{
    uint8_t *entry = emit_exec_guard(job, target, 1 /* not linked yet: no entry is minus one */, STUB_EXIT, exit);
    job->bt->cache.exits[exit].guard = code_offset(job, entry);
}

/* The patchable rel32 at `place`, which goes to the exit's stub until it is linked. */
void exit_place(struct translation_job *job, uint32_t exit, uint8_t *place)
{
    job->bt->cache.exits[exit].patch = code_offset(job, place);
    struct stub *stub = stub_add(job, STUB_EXIT, exit);
    stub->from32 = place;
}

/* rcx = 0 if RSP is aligned */
static void emit_sp_low(struct translation_job *job)
{
    emit_room(job, 40);
    e_low_bits(&job->e, HOST_RCX, HOST_R11, log2_of(job->mode.stack_size));
}

/* Must this way out of the block still prove that RSP is aligned, as the next block's mode key says? */
static bool sp_unproven(const struct translation_job *job)
{
    return job->mode.sp_aligned && !job->sp_aligned;
}

/* A direct way out with RSP misaligned goes to C, which chooses a block for that. */
static void emit_sp_check(struct translation_job *job, uint32_t exit)
{
    if (!sp_unproven(job))
        return;
    emit_sp_low(job);
    uint8_t *aligned = e_jrcxz(&job->e);
    struct stub *misaligned = stub_add(job, STUB_EXIT, exit);
    misaligned->from32 = e_jmp32(&job->e);
    e_patch8(aligned, job->e.at);
}

uint32_t emit_before_leaving(struct translation_job *job, uint64_t target)
{
    uint32_t exit = exit_add(job, target);
    emit_sp_check(job, exit);
    if (target <= job->lin)
        emit_poll(job, exit);
    if (!same_page(job, target))
        emit_guard(job, target, exit);
    return exit;
}

void emit_jump(struct translation_job *job, uint64_t target)
{
    uint32_t exit = emit_before_leaving(job, target);
    emit_room(job, 12);
    exit_place(job, exit, e_jmp32(&job->e));
}

/* The current instruction leads back to the block's start: true if another round of the loop is to follow it. */
static bool next_round(struct translation_job *job, uint64_t target)
{
    const struct tb *tb = job->tb;
    if (!job->mode.window || target != tb->lin || job->rounds >= LOOP_COPIES)
        return false;
    /* Only verify's search for a wrong step sets a limit that may cut a round. */
    unsigned limit = job->limit < LOOP_INSTRUCTIONS && !job->bt->verify ? job->limit : LOOP_INSTRUCTIONS;
    if (job->rounds == 1)
        job->round = tb->instructions + 1u;
    if (tb->instructions + 1u + job->round > limit)
        return false;
    job->rounds++;
    job->again = true;
    job->held_next = job->held;
    return true;
}

void emit_branch_if(struct translation_job *job, unsigned condition, uint64_t target)
{
    const struct insn *insn = &job->insn;
    uint64_t next = insn->code_size == 8 ? job->lin + insn->length : (uint32_t)(job->lin + insn->length);
    emit_room(job, 24);
    if (same_page(job, next) && next_round(job, target)) {
        exit_place(job, exit_add(job, next), e_jcc32(&job->e, condition ^ 1));
        return;
    }
    if (same_page(job, target) && !sp_unproven(job)) {
        if (target <= job->lin) /* polls before it is decided: an event is taken with the branch still to be executed */
            emit_poll(job, exit_add(job, job->lin));
        uint32_t exit = exit_add(job, target);
        emit_room(job, 24);
        exit_place(job, exit, e_jcc32(&job->e, condition));
    } else {
        uint8_t *fall = e_jcc32(&job->e, condition ^ 1);
        emit_jump(job, target);
        e_patch32(fall, job->e.at);
    }
    /* Hot code (that is what runs through windows) goes on behind a forward branch: what is known stays known. */
    if (job->mode.window && target > job->lin && job->branches++ < BLOCK_BRANCHES) {
        job->held_next = job->held;
        return;
    }
    emit_jump(job, next);
    job->ended = true;
}

static bool emit_jcc(struct translation_job *job)
{
    if (job->insn.operand_size == 2)
        return false;
    emit_branch_if(job, job->insn.opcode & 15, branch_target(job));
    return true;
}

/*
 * What a RET comes back to, right behind the host CALL; t is where the guest goes:
 *     mov   rcx, -(return address)
 *     lea   rcx, [rcx + t]
 *     jrcxz 1f
 *     jmp   jump_lookup                ; somewhere else: the return stack was out of step
 *  1: jump to the return address
 */
void emit_landing(struct translation_job *job, uint64_t back)
{
    struct emitter *e = &job->e;
    e_mov_imm(e, HOST_RCX, -(back + job->salt));
    e_lea(e, true, HOST_RCX, HOST_RCX, HOST_T, 1, 0);
    uint8_t *expected = e_jrcxz(e);
    e_patch32(e_jmp32(e), job->bt->cache.rw + job->bt->jump_lookup);
    e_patch8(expected, e->at);
    uint32_t exit = exit_add(job, back);
    if (!same_page(job, back))
        emit_guard(job, back, exit);
    emit_room(job, 12);
    exit_place(job, exit, e_jmp32(e));
}

static bool emit_call_direct(struct translation_job *job)
{
    struct emitter *e = &job->e;
    uint64_t back = job->lin + job->insn.length, target = branch_target(job);
    if (job->insn.code_size != 8)
        back = (uint32_t)back;
    emit_push_constant(job, back);
    uint32_t exit = emit_before_leaving(job, target);
    emit_room(job, 60);
    exit_place(job, exit, e_call32(e));
    emit_landing(job, back);
    job->ended = true;
    return true;
}

/* ---- indirect branches ---- */

/* t = target of an indirect JMP or CALL; it holds no delta any more. False: interpreted. */
static bool emit_target(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    struct address address;
    bool wide = insn->code_size == 8;
    if (insn->far || insn->operand_size != (wide ? 8 : 4))
        return false;
    if (!insn->mem.present) {
        if (host_of[insn->rm] == HOST_NONE)
            e_load_state(&job->e, HOST_T, gpr_state(insn->rm));
        else if (wide)
            e_mov(&job->e, HOST_T, host_of[insn->rm]);
        else
            e_mov32(&job->e, HOST_T, host_of[insn->rm]);
        job->held.slot[1] = REG_NONE;
        return true;
    }
    uint8_t *start = job->e.at;
    if (!emit_address(job, &address)) {
        job->e.at = start;
        return false;
    }
    uint32_t site = emit_lookup(job, &address, wide ? 8 : 4, ACCESS_READ, false);
    site_here(job, site);
    e_op_mem(&job->e, wide, 0x8b, HOST_T, address.base, HOST_RCX, 1, address.disp);
    job->held.slot[1] = REG_NONE;
    return true;
}

/* mov dword gs:[last_branch], site. undo: what to add to RSP to take the branch back. */
static void emit_note_branch(struct translation_job *job, int32_t undo)
{
    uint32_t site = site_add(job, SITE_BRANCH);
    job->bt->cache.sites[site].insn = (uint32_t)undo;
    e_state(&job->e, false, 0xc7, 0, offsetof(struct vcpu, last_branch));
    e32(&job->e, site);
}

/* An indirect branch with RSP misaligned goes to C. */
void emit_sp_check_indirect(struct translation_job *job, int32_t undo)
{
    struct emitter *e = &job->e;
    if (!sp_unproven(job))
        return;
    emit_sp_low(job);
    uint8_t *aligned = e_jrcxz(e);
    emit_note_branch(job, undo);
    e_patch32(e_jmp32(e), job->bt->cache.rw + job->bt->jump_entry);
    e_patch8(aligned, e->at);
}

/*
 * Inline look into the jump cache, so that the host predicts each site by itself:
 *     rcx = index of t                  ; e_jump_index()
 *     mov   rcx, gs:[TAGS + rcx]        ; minus the target
 *     lea   rcx, [rcx + t]
 *     jrcxz 1f
 *     mov   gs:[last_branch], site
 *     jmp   jump_lookup                 ; polls, looks again, asks C
 *  1: mov   ecx, gs:[run]; jrcxz 2f
 *     rcx = index of t
 *     jmp   gs:[HOSTS + rcx]            ; or call
 */
void emit_jump_cached(struct translation_job *job, int32_t undo)
{
    struct emitter *e = &job->e;
    emit_sp_check_indirect(job, undo);
    emit_room(job, 110);
    uint8_t *hit = e_jump_compare(e);
    uint8_t *miss = e->at;
    emit_note_branch(job, undo);
    e_patch32(e_jmp32(e), job->bt->cache.rw + job->bt->jump_lookup);
    e_patch8(hit, e->at);
    e_patch8(e_poll(e), miss);
    e_jump_take(e);
}

static bool emit_jmp_indirect(struct translation_job *job)
{
    if (!emit_target(job))
        return false;
    emit_jump_cached(job, 0);
    job->ended = true;
    return true;
}

/* The host CALL that pairs with the landing goes to the jump sequence, which sits after the landing. */
static bool emit_call_indirect(struct translation_job *job)
{
    struct emitter *e = &job->e;
    uint64_t back = job->lin + job->insn.length;
    if (job->insn.code_size != 8) /* t holds the 32-bit stack address: leave it to C */
        return false;
    if (!emit_target(job))
        return false;
    struct address address = stack_address(job, -8);
    uint32_t site = stack_lookup(job, &address, REG_RSP, -8, ACCESS_WRITE);
    if (back == sign_extend(back, 4)) {
        site_here(job, site);
        e_op_mem(e, true, 0xc7, 0, HOST_R11, HOST_RCX, 1, -8);
        e32(e, (uint32_t)back);
    } else { /* the target steps aside while t carries the constant */
        int32_t temp = offsetof(struct vcpu, temp);
        e_store_state(e, HOST_T, temp);
        e_mov_imm(e, HOST_T, back);
        site_here(job, site);
        e_stack_access(job, 0x89, 8, HOST_T, -8);
        e_load_state(e, HOST_T, temp);
    }
    emit_adjust_sp(job, -8);
    emit_room(job, 60);
    uint8_t *call = e_call32(e);
    emit_landing(job, back);
    e_patch32(call, e->at);
    emit_jump_cached(job, 8);
    job->ended = true;
    return true;
}

/*
 *     lookup READ [r11] -> rcx
 *     mov   t, [r11 + rcx]
 *     lea   r11, [r11 + 8 + n]
 *     mov   gs:[last_branch], site      ; to take it back if the address is not canonical
 *     ret                               ; to the landing of the last CALL, which compares
 */
static bool emit_ret(struct translation_job *job)
{
    struct emitter *e = &job->e;
    const struct insn *insn = &job->insn;
    int32_t size = (int32_t)job->mode.stack_size;
    if (insn->far || !stack_inline(job))
        return false;
    struct address address = stack_address(job, 0);
    uint32_t site = stack_lookup(job, &address, REG_RSP, 0, ACCESS_READ);
    emit_room(job, 60);
    site_here(job, site);
    e_op_mem(e, size == 8, 0x8b, HOST_T, address.base, HOST_RCX, 1, 0);
    emit_adjust_sp(job, size + (insn->imm_size ? (int32_t)(insn->imm & 0xffff) : 0));
    int32_t popped = size + (insn->imm_size ? (int32_t)(insn->imm & 0xffff) : 0);
    job->sp_aligned = job->sp_aligned && !(popped & (size - 1));
    emit_sp_check_indirect(job, -popped);
    emit_note_branch(job, -popped);
    e8(e, 0xc3);
    job->ended = true;
    return true;
}

bool emit_flow(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    emit_room(job, 40);
    if (job->salt) /* emit_near.c */
        return false;
    switch (insn->map) {
    case 1:
        return (insn->opcode & 0xf0) == 0x80 && insn->encoding == ENCODING_LEGACY && emit_jcc(job);
    case 0:
        break;
    default:
        return false;
    }
    switch (insn->opcode) {
    case 0x50 ... 0x57:
    case 0x68:
    case 0x6a:
        return emit_push(job);
    case 0x58 ... 0x5f:
        return emit_pop(job);
    case 0x70 ... 0x7f:
        return emit_jcc(job);
    case 0xc2:
    case 0xc3:
        return emit_ret(job);
    case 0xc9:
        return emit_leave(job);
    case 0xe8:
        return stack_inline(job) && emit_call_direct(job);
    case 0xe9:
    case 0xeb:
        if (insn->operand_size == 2)
            return false;
        if (next_round(job, branch_target(job)))
            return true;
        emit_jump(job, branch_target(job));
        job->ended = true;
        return true;
    case 0xff:
        switch (insn->modrm >> 3 & 7) {
        case 2:
            return stack_inline(job) && emit_call_indirect(job);
        case 4:
            return emit_jmp_indirect(job);
        case 6:
            return emit_push(job);
        default:
            return false;
        }
    default:
        return false;
    }
}
