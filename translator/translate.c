/*
 * Guest code to host code: walks a block's instructions, picks the emitter for each, closes the block.
 *
 * A block is straight-line code within one page. It ends at a branch, at an instruction that may change the mode or the
 * interrupt window, before an instruction that crosses the page's end, or when it is long enough. Between two guest
 * instructions all guest state is in its home, so any instruction boundary can be left or entered. Thread: the vCPU's
 * own; ordinary code.
 */
#include "cpu-model/base/log.h"
#include "cpu-model/exec/disassemble.h"
#include "cpu-model/exec/rules.h"
#include "translator/chaos.h"
#include "translator/verify.h"

/* ---- shared routines ---- */

/* jmp [rip + 0]; .quad entry: C and assembly are out of a rel32's reach. */
static uint32_t emit_trampoline(struct emitter *e, const uint8_t *base, const char *entry)
{
    uint32_t offset = (uint32_t)(e->at - base);
    e8(e, 0xff);
    e8(e, 0x25);
    e32(e, 0);
    e64(e, (uint64_t)(uintptr_t)entry);
    return offset;
}

/*
 * return_empty: RET found the bottom of the return stack; puts it back.
 *     lea   rsp, [rsp - 8]
 * jump_lookup:
 *     mov   ecx, gs:[run]; jrcxz miss
 *     rcx = index of t; mov rcx, gs:[TAGS + rcx]; lea rcx, [rcx + t]; jrcxz hit
 * miss:
 *     jmp   jump_entry
 * hit:
 *     rcx = index of t; jmp gs:[HOSTS + rcx]
 */
static void emit_lookup_routine(struct bt *bt, struct emitter *e)
{
    const uint8_t *base = bt->cache.rw;
    bt->return_empty = (uint32_t)(e->at - base);
    e_lea(e, true, HOST_RSP, HOST_RSP, HOST_NONE, 1, -8);
    bt->jump_lookup = (uint32_t)(e->at - base);
    uint8_t *kicked = e_poll(e);
    uint8_t *hit = e_jump_compare(e);
    e_patch8(kicked, e->at);
    e_patch32(e_jmp32(e), bt->cache.rw + bt->jump_entry);
    e_patch8(hit, e->at);
    e_jump_take(e);
}

static struct emitter emitter_at(const struct bt *bt, const struct vcpu *vcpu, uint8_t *at)
{
    return (struct emitter){.at = at,
                            .bmi2 = bt->host.bmi2,
                            .fast_pext = bt->host.fast_pext,
                            .verify = bt->verify,
                            .view = vcpu->shadow->view[0].base};
}

void translate_prologue(struct bt *bt, struct vcpu *vcpu)
{
    struct emitter e = emitter_at(bt, vcpu, bt->cache.rw);
    bt->slow_entry = emit_trampoline(&e, bt->cache.rw, bt_slow_entry);
    bt->exit_entry = emit_trampoline(&e, bt->cache.rw, bt_exit_entry);
    bt->jump_entry = emit_trampoline(&e, bt->cache.rw, bt_jump_entry);
    emit_lookup_routine(bt, &e);
    bt->cache.start = bt->cache.used = ((uint64_t)(e.at - bt->cache.rw) + 63) & ~63ull;
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        *(uint64_t *)(uintptr_t)vcpu->shadow->view[i].return_empty =
            (uint64_t)(uintptr_t)(bt->cache.rx + bt->return_empty);
}

/* ---- one instruction ---- */

static void emit_instruction(struct translation_job *job)
{
    const struct insn_rule *rule = job->insn.rule;
    if (rule->flags & RULE_NATIVE) {
        emit_native(job);
    } else if (rule->function == exec_lea) {
        emit_lea(job);
    } else if (rule->function == exec_hint) {
        job->held_next = job->held; /* no effect that a guest can see */
    } else if (!emit_flow(job) && !emit_near(job) && !emit_system(job) && !emit_string(job) &&
               !emit_segment_register(job)) {
        uint32_t site = job->bt->cache.site_count;
        emit_helper(job);
        job->ended = rule->flags & (RULE_BRANCH | RULE_END);
        job->bt->cache.sites[site].leave = job->ended;
    }
}

/* Sites of the current instruction learn where the next one begins, and what rcx holds at both ends. */
static void close_instruction(struct translation_job *job, struct held held_before)
{
    struct tcache *cache = &job->bt->cache;
    for (uint32_t i = job->first_site; i < cache->site_count; i++) {
        cache->sites[i].next = code_offset(job, job->e.at);
        cache->sites[i].retry_held = held_before;
        cache->sites[i].next_held = job->held;
        /* Nothing follows a branch in its block, even one that leads to the next instruction. */
        cache->sites[i].leave |= job->ended;
    }
}

/* ---- what is known between instructions ---- */

enum { SMALL_STEP = 1 << 24 }; /* BLOCK_INSTRUCTIONS of them stay within a window's guard zones */

/* Does the instruction change `reg` by a small constant only? */
static bool small_step(const struct insn *insn, unsigned reg)
{
    if (insn->map != 0 || insn->encoding != ENCODING_LEGACY || insn->operand_size != 8)
        return false;
    unsigned extension = insn->modrm >> 3 & 7;
    switch (insn->opcode) {
    case 0x50 ... 0x57: /* PUSH, POP of another register */
    case 0x68:
    case 0x6a:
        return reg == REG_RSP;
    case 0x58 ... 0x5f:
        return reg == REG_RSP && insn->reg != REG_RSP;
    case 0x81:
    case 0x83: /* ADD, SUB */
        return !insn->mem.present && insn->rm == reg && (extension == 0 || extension == 5) && insn->imm < SMALL_STEP &&
               insn->imm > -SMALL_STEP;
    case 0x8d:
        return insn->mem.base == reg && insn->mem.index == REG_NONE && insn->address_size == 8 &&
               insn->mem.disp < SMALL_STEP && insn->mem.disp > -SMALL_STEP;
    case 0xff: /* INC, DEC */
        return !insn->mem.present && insn->rm == reg && extension < 2;
    default:
        return false;
    }
}

/* Does it write its general register as 32 bits, which zeroes the upper half? Only forms that are worth knowing. */
static bool zero_extends(const struct insn *insn)
{
    if (insn->encoding != ENCODING_LEGACY || insn->operand_size != 4 || insn->rex & 8)
        return false;
    if (insn->map == 1) /* CMOVcc, IMUL, MOVZX, MOVSX */
        return (insn->opcode & 0xf0) == 0x40 || insn->opcode == 0xaf || insn->opcode == 0xb6 || insn->opcode == 0xb7 ||
               insn->opcode == 0xbe || insn->opcode == 0xbf;
    if (insn->map != 0)
        return false;
    switch (insn->opcode) {
    case 0xb8 ... 0xbf:
    case 0x69:
    case 0x6b:
    case 0x81:
    case 0x83:
    case 0x89:
    case 0x8b:
    case 0x8d:
    case 0xc1:
    case 0xd1:
    case 0xd3:
        return true;
    default: /* ADD, OR, ADC, SBB, AND, SUB, XOR of registers */
        return insn->opcode < 0x38 && ((insn->opcode & 7) == 1 || (insn->opcode & 7) == 3);
    }
}

static void note_results(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    job->held = job->held_next;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t guest = job->held.slot[i];
        if (guest != REG_NONE && insn->gpr_written >> guest & 1 && !small_step(insn, guest))
            job->held.slot[i] = REG_NONE;
    }
    job->below_4g &= (uint16_t)~insn->gpr_written;
    if (zero_extends(insn))
        job->below_4g |= insn->gpr_written;
}

static void log_block(const struct translation_job *job, const uint8_t *guest)
{
    const struct tb *tb = job->tb;
    if (log_mask & LOG_IN_ASM && !tb->straddles)
        disassemble(guest, tb->guest_size, tb->lin, job->mode.code_size, "guest");
    if (log_mask & LOG_OUT_ASM)
        disassemble(job->bt->cache.rw + tb->code, tb->code_size, (uint64_t)(uintptr_t)(job->bt->cache.rx + tb->code), 8,
                    "host");
}

/* Emits one decoded instruction at the block's present end. */
static void add_instruction(struct translation_job *job)
{
    struct tb *tb = job->tb;
    job->lin = tb->lin + job->offset;
    job->begin = job->e.at;
    job->first_site = job->bt->cache.site_count;
    struct held held_before = job->held;
    job->held_next = HELD_NOTHING;
    emit_instruction(job);
    note_results(job);
    close_instruction(job, held_before);
    unsigned behind = job->offset + job->insn.length;
    if (behind > tb->guest_size)
        tb->guest_size = (uint16_t)behind;
    job->offset = job->again ? 0 : behind;
    job->again = false;
    tb->instructions++;
}

/* How many bytes may follow the first one of the block before the limit of CS, where it is known now. */
static uint64_t code_left(const struct translation_job *job)
{
    if (job->mode.code_size == 8)
        return UINT64_MAX;
    return job_last_offset(job) - (uint32_t)(job->tb->lin - job->mode.cs_base);
}

/* Decodes the instruction whose first `left` bytes are the last of the page. False: it stays with the interpreter. */
static bool decode_straddling(struct translation_job *job, const uint8_t *bytes, unsigned left)
{
    struct vcpu *vcpu = job->vcpu;
    uint64_t next = (job->tb->lin | GUEST_PAGE_OFFSET) + 1;
    uint8_t both[15];
    struct translation t;
    if (left >= 15 || (job->mode.code_size != 8 && next >> 32))
        return false;
    if (!mmu_walk(vcpu, lin(next), ACCESS_EXEC, vcpu->cpl == 3, &t) || !t.host)
        return false;
    __builtin_memcpy(both, bytes, left);
    __builtin_memcpy(both + left, t.host, 15 - left);
    if (!insn_decode(&job->insn, &vcpu->features, job->mode.code_size, both, 15) || !job->insn.length)
        return false;
    if (job->insn.length - 1u > code_left(job))
        return false;
    shadow_fill(vcpu, lin(next), ACCESS_EXEC, &t);
    job->tb->page[1] = space_offset(vcpu->space, t.host);
    job->tb->straddles = true;
    return true;
}

/* A block of the one instruction that crosses the page's end; it first checks that the second page is still the same.
 */
static bool emit_straddling(struct translation_job *job, const uint8_t *bytes, unsigned left)
{
    if (!decode_straddling(job, bytes, left))
        return false;
    job->lin = job->tb->lin;
    job->begin = job->e.at;
    job->first_site = job->bt->cache.site_count;
    emit_page_guard(job, (job->tb->lin | GUEST_PAGE_OFFSET) + 1, job->tb->page[1]);
    close_instruction(job, HELD_NOTHING);
    uint32_t guard = job->bt->cache.site_count - 1;
    add_instruction(job);
    job->bt->cache.sites[guard].next = code_offset(job, job->e.at);
    job->bt->cache.sites[guard].leave |= job->ended;
    return true;
}

static unsigned longest_block(struct bt *bt)
{
    if (bt->verify && bt->verify->block_limit)
        return bt->verify->block_limit;
    return chaos_block_limit(bt, BLOCK_INSTRUCTIONS);
}

/* Emits instructions up to `end`, an offset in the page. */
static void emit_instructions(struct translation_job *job, const uint8_t *page, unsigned end)
{
    struct tb *tb = job->tb;
    unsigned start = (unsigned)(tb->lin & GUEST_PAGE_OFFSET);
    const uint8_t *limit = job->e.at + (24 << 10);
    job->limit = longest_block(job->bt);

    while (!job->ended && start + job->offset < end && tb->instructions < job->limit && job->e.at < limit) {
        unsigned offset = start + job->offset, left = end - offset;
        if (!insn_decode(&job->insn, &job->vcpu->features, job->mode.code_size, page + offset, left < 15 ? left : 15) ||
            !job->insn.length || job->insn.length > left)
            break; /* crosses the page's end, or is too long */
        add_instruction(job);
    }
}

/* True if the block has at least one instruction. */
static bool emit_block(struct translation_job *job, const uint8_t *page)
{
    struct tb *tb = job->tb;
    unsigned offset = (unsigned)(tb->lin & GUEST_PAGE_OFFSET), end = GUEST_PAGE_SIZE;
    uint8_t *code_limit = emit_code_limit(job);

    if (code_left(job) < GUEST_PAGE_SIZE - 1 - offset)
        end = offset + (unsigned)code_left(job) + 1;
    emit_instructions(job, page, end);
    if (!tb->instructions && (end != GUEST_PAGE_SIZE || !emit_straddling(job, page + offset, GUEST_PAGE_SIZE - offset)))
        return false;
    if (!job->ended) {
        uint64_t next = tb->lin + job->offset;
        emit_jump(job, job->mode.code_size == 8 ? next : (uint32_t)next);
    }
    emit_code_limit_end(job, code_limit);
    emit_stubs(job);
    return true;
}

/* An exit's stub is the first code that calls out for it; exits without a poll or guard have just the patch place's. */
static void close_exits(struct tcache *cache, uint32_t first)
{
    for (uint32_t i = first; i < cache->exit_count; i++)
        ASSERT(cache->exits[i].stub);
}

struct tb *translate_block(struct bt *bt, struct vcpu *vcpu, uint64_t at, uint64_t page, uint32_t mode)
{
    struct tcache *cache = &bt->cache;
    struct translation_job *job = &bt->job;
    struct tb *tb = &cache->tbs[cache->tb_count];
    uint32_t sites = cache->site_count, exits = cache->exit_count, insns = cache->insn_count;

    *tb = (struct tb){.lin = at, .page = {page}, .mode = mode, .code = (uint32_t)cache->used};
    job->bt = bt;
    job->vcpu = vcpu;
    job->e = emitter_at(bt, vcpu, cache->rw + cache->used);
    job->tb = tb;
    job->mode = bt->modes.key[mode];
    job->salt = mode_salt(&job->mode, mode);
    job->sp_aligned = job->mode.sp_aligned;
    job->held = HELD_NOTHING;
    job->below_4g = 0;
    job->branches = 0;
    job->offset = 0;
    job->rounds = 1;
    job->again = job->ended = false;
    job->stub_count = job->near_first = 0;
    if (!emit_block(job, vcpu->space->arena + page)) {
        cache->site_count = sites;
        cache->exit_count = exits;
        cache->insn_count = insns;
        return NULL;
    }
    close_exits(cache, exits);
    for (uint32_t i = sites; i < cache->site_count; i++)
        ASSERT(i == 1 || cache->sites[i].code >= cache->sites[i - 1].code);
    tb->code_size = (uint32_t)(job->e.at - cache->rw) - tb->code;
    cache->used = (cache->used + tb->code_size + 15) & ~15ull;
    cache->tb_count++;
    cache->translated++;
    cache->guest_bytes += tb->guest_size;
    if (log_mask & (LOG_IN_ASM | LOG_OUT_ASM))
        log_block(job, vcpu->space->arena + page + (at & GUEST_PAGE_OFFSET));
    tcache_insert(cache, vcpu, tb);
    return tb;
}
