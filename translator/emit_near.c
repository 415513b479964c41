/*
 * Stack and near control flow of code that is not flat, and of 16-bit operands in code that is: PUSH, POP, CALL, RET,
 * LEAVE, PUSHF, JMP, Jcc; LOOP and JCXZ of all code.
 *
 * As emit_flow.c, with three differences. The stack is a segment (emit_segment.c). Targets are offsets in CS: direct
 * ones become linear addresses here, indirect ones when they run, and the mode's salt is added (bt.h). A target beyond
 * the limit of CS is for the interpreter, which raises #GP at the branch. Thread: the vCPU's own; ordinary code. SDM
 * Vol. 2 by mnemonic.
 */
#include "cpu-model/exec/rules.h"
#include "translator/emit.h"

#define TEMP ((int32_t)offsetof(struct vcpu, temp))

static void e_operand(struct emitter *e, unsigned size)
{
    if (size == 2)
        e_operand16(e);
}

/* ---- the stack ---- */

/* t = (eSP or a register that takes its place) + disp, as wide as the stack pointer */
static void emit_stack_offset(struct translation_job *job, unsigned base, int32_t disp)
{
    struct emitter *e = &job->e;
    bool narrow = job->mode.stack_size == 2;
    if (narrow && !disp) {
        e_movzx16(e, HOST_T, base);
        return;
    }
    e_lea(e, false, HOST_T, base, HOST_NONE, 1, disp);
    if (narrow)
        e_movzx16(e, HOST_T, HOST_T);
}

static bool stack_serves(const struct translation_job *job)
{
    return job->insn.code_size != 8 && job->mode.kind[SEG_SS] != KIND_NONE && job->mode.kind[SEG_SS] < KIND_FLAT_RO;
}

/*
 * Proves once a block that the stack pointer is aligned, where the mode says that it was at the start. A stack that is
 * not leaves the block.
 */
static void emit_stack_aligned(struct translation_job *job)
{
    struct emitter *e = &job->e;
    if (job->sp_aligned || !job->mode.sp_aligned)
        return;
    emit_room(job, 40);
    e_low_bits(e, HOST_RCX, HOST_R11, log2_of(job->mode.stack_size));
    uint8_t *aligned = e_jrcxz(e);
    uint32_t site = site_add(job, SITE_INTERP);
    job->bt->cache.sites[site].leave = true;
    struct stub *misaligned = stub_add(job, STUB_SLOW, site);
    misaligned->from32 = e_jmp32(e);
    misaligned->address = (struct address){.base = HOST_T};
    e_patch8(aligned, e->at);
    job->sp_aligned = true;
}

/* t = linear address, rcx = shadow entry of `size` bytes at SS:(base + disp). Returns the site. */
static uint32_t stack_access(struct translation_job *job, unsigned base, int32_t disp, unsigned size, bool write)
{
    struct segment_access access = {
        .segment = SEG_SS, .size = (uint16_t)size, .write = write, .narrow = job->mode.stack_size == 2};
    struct address address;

    if (base == HOST_R11 && size <= job->mode.stack_size) {
        emit_stack_aligned(job);
        access.aligned = job->sp_aligned;
    }
    emit_room(job, 40);
    emit_stack_offset(job, base, disp);
    emit_segment_linear(job, &access, &address);
    struct mem_operand saved = job->insn.mem; /* says nothing about this access */
    job->insn.mem.present = false;
    uint32_t site = emit_lookup(job, &address, size, write ? ACCESS_WRITE : ACCESS_READ, false);
    job->insn.mem = saved;
    emit_room(job, 60);
    return site;
}

/* eSP = base + n, as wide as the stack pointer */
static void emit_set_sp(struct translation_job *job, unsigned base, int32_t n)
{
    e_operand(&job->e, job->mode.stack_size);
    e_lea(&job->e, false, HOST_R11, base, HOST_NONE, 1, n);
}

/* After eSP moved by n. */
static void note_sp(struct translation_job *job, int32_t n)
{
    job->sp_aligned = job->sp_aligned && !(n & (job->mode.stack_size - 1));
}

static void emit_pushed(struct translation_job *job, unsigned size)
{
    emit_set_sp(job, HOST_R11, -(int32_t)size);
    note_sp(job, (int32_t)size);
}

/* mov [t + rcx], host */
static void emit_push_host(struct translation_job *job, unsigned size, unsigned host)
{
    uint32_t site = stack_access(job, HOST_R11, -(int32_t)size, size, true);
    site_here(job, site);
    e_operand(&job->e, size);
    e_op_mem(&job->e, false, 0x89, host, HOST_T, HOST_RCX, 1, 0);
    emit_pushed(job, size);
}

/* mov [t + rcx], value */
static void emit_push_value(struct translation_job *job, unsigned size, uint64_t value)
{
    struct emitter *e = &job->e;
    uint32_t site = stack_access(job, HOST_R11, -(int32_t)size, size, true);
    site_here(job, site);
    e_operand(e, size);
    e_op_mem(e, false, 0xc7, 0, HOST_T, HOST_RCX, 1, 0);
    if (size == 2) {
        e8(e, (unsigned)value);
        e8(e, (unsigned)(value >> 8));
    } else {
        e32(e, (uint32_t)value);
    }
    emit_pushed(job, size);
}

/*
 * Pushes what is in the vCPU: a selector (16 bits, extended) or `temp`.
 *     lea   t, [t + rcx]
 *     mov   ecx, gs:[state]
 *     mov   [t], rcx
 */
static void emit_push_state(struct translation_job *job, unsigned size, int32_t state, bool selector)
{
    struct emitter *e = &job->e;
    uint32_t site = stack_access(job, HOST_R11, -(int32_t)size, size, true);
    e_lea(e, true, HOST_T, HOST_T, HOST_RCX, 1, 0);
    if (selector)
        e_load_state16(e, HOST_RCX, state);
    else
        e_load_state32(e, HOST_RCX, state);
    job->bt->cache.sites[site].folded = true;
    site_here(job, site);
    e_operand(e, size);
    e_op_mem(e, false, 0x89, HOST_RCX, HOST_T, HOST_NONE, 1, 0);
    emit_pushed(job, size);
}

/* t = `size` bytes at SS:(base + disp), zero-extended */
static void emit_stack_read(struct translation_job *job, unsigned base, int32_t disp, unsigned size)
{
    uint32_t site = stack_access(job, base, disp, size, false);
    site_here(job, site);
    if (size == 2)
        e_load16(&job->e, HOST_T, HOST_T, HOST_RCX, 0);
    else
        e_op_mem(&job->e, false, 0x8b, HOST_T, HOST_T, HOST_RCX, 1, 0);
}

static void emit_write_narrow(struct translation_job *job, unsigned guest, unsigned size)
{
    if (size == 2)
        e_mov16(&job->e, host_of[guest], HOST_T);
    else
        e_mov32(&job->e, host_of[guest], HOST_T);
}

/* t = the operand of PUSH, CALL or JMP, zero-extended. False: interpreted. */
static bool emit_operand(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    struct address address;
    unsigned size = insn->operand_size;
    if (!insn->mem.present) {
        if (size == 2)
            e_movzx16(&job->e, HOST_T, host_of[insn->rm]);
        else
            e_mov32(&job->e, HOST_T, host_of[insn->rm]);
        return true;
    }
    if (!emit_address(job, &address))
        return false;
    uint32_t site = emit_lookup(job, &address, size, ACCESS_READ, false);
    emit_room(job, 60);
    site_here(job, site);
    if (size == 2)
        e_load16(&job->e, HOST_T, address.base, HOST_RCX, address.disp);
    else
        e_op_mem(&job->e, false, 0x8b, HOST_T, address.base, HOST_RCX, 1, address.disp);
    return true;
}

static unsigned opcode_segment(const struct insn *insn)
{
    if (insn->map == 1)
        return insn->opcode >= 0xa8 ? SEG_GS : SEG_FS;
    return insn->opcode < 0x20 ? insn->opcode >> 3 : SEG_COUNT;
}

static bool emit_push(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    unsigned size = insn->operand_size, segment = opcode_segment(insn);
    if (!stack_serves(job))
        return false;
    if (segment < SEG_COUNT) {
        emit_push_state(job, size, selector_state(segment), true);
    } else if (insn->opcode == 0x68 || insn->opcode == 0x6a) {
        emit_push_value(job, size, (uint64_t)insn->imm);
    } else if (insn->reg_in_opcode) {
        emit_push_host(job, size, host_of[insn->reg]);
    } else if (insn->mem.present) {
        if (!emit_operand(job))
            return false;
        e_store_state(&job->e, HOST_T, TEMP);
        emit_push_state(job, size, TEMP, false);
    } else {
        emit_push_host(job, size, host_of[insn->rm]);
    }
    return true;
}

static bool emit_pop(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    unsigned size = insn->operand_size, segment = opcode_segment(insn);
    if (!stack_serves(job) || (segment < SEG_COUNT ? !paragraph_loadable(job, segment) : !insn->reg_in_opcode))
        return false;
    emit_stack_read(job, HOST_R11, 0, size);
    emit_set_sp(job, HOST_R11, (int32_t)size);
    note_sp(job, (int32_t)size);
    if (segment < SEG_COUNT) {
        if (size == 4) /* of which the upper half means nothing */
            e_movzx16(&job->e, HOST_T, HOST_T);
        emit_load_paragraph(job, segment);
        return true;
    }
    emit_write_narrow(job, insn->reg, size);
    if (insn->reg == REG_RSP)
        job->sp_aligned = false;
    return true;
}

static bool emit_leave(struct translation_job *job)
{
    unsigned size = job->insn.operand_size;
    if (!stack_serves(job))
        return false;
    emit_stack_read(job, HOST_RBP, 0, size);
    emit_set_sp(job, HOST_RBP, (int32_t)size);
    emit_write_narrow(job, REG_RBP, size);
    job->sp_aligned = false;
    return true;
}

/* Not in virtual-8086 mode, where IOPL and VME have a say. */
static bool emit_pushf(struct translation_job *job)
{
    bool v86 = job->mode.paragraphs && !job->mode.cpl0;
    if (!stack_serves(job) || v86)
        return false;
    emit_eflags_to_t(job);
    e_store_state(&job->e, HOST_T, TEMP);
    emit_push_state(job, job->insn.operand_size, TEMP, false);
    return true;
}

/* ---- targets ---- */

/* An offset in CS as a linear address. */
static uint64_t linear_of(const struct translation_job *job, uint64_t offset)
{
    return job->insn.code_size == 8 ? offset : (uint32_t)(offset + job->mode.cs_base);
}

/* Offset behind this instruction, as the operand size cuts it. */
static uint64_t offset_behind(const struct translation_job *job)
{
    return zero_extend(job_offset(job) + (uint64_t)job->insn.length, job->insn.operand_size);
}

/* Where a relative branch goes: an offset in CS. In 64-bit code that is the linear address. */
static uint64_t relative_target(const struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    uint64_t from = insn->code_size == 8 ? job->lin : job_offset(job);
    return zero_extend(from + insn->length + (uint64_t)insn->imm, insn->operand_size);
}

/* Can this direct branch be translated? */
static bool target_serves(const struct translation_job *job, uint64_t target)
{
    if (job->insn.code_size == 8)
        return job->insn.operand_size == 8;
    return target <= job_last_offset(job);
}

/* rcx = 0, or the instruction is interpreted. Nothing of it may have been done. */
static void emit_unless_interpreted(struct translation_job *job)
{
    uint8_t *right = e_jrcxz(&job->e);
    struct stub *stub = stub_add(job, STUB_SLOW, site_add(job, SITE_INTERP));
    stub->from32 = e_jmp32(&job->e);
    stub->address = (struct address){.base = HOST_T};
    e_patch8(right, job->e.at);
}

/* A constant target may be beyond the limit. Uses t. */
static void emit_target_check(struct translation_job *job, uint64_t target)
{
    if (job->mode.code_limit != CODE_LIMITED)
        return;
    emit_room(job, 60);
    e_mov_imm(&job->e, HOST_T, target);
    emit_limit_compare(job, SEG_CS, 0);
    emit_unless_interpreted(job);
}

/* Likewise one in t, of the operand's size. */
static void emit_target_check_t(struct translation_job *job)
{
    emit_room(job, 60);
    if (job->mode.code_limit == CODE_LIMITED)
        emit_limit_compare(job, SEG_CS, 0);
    else if (job->mode.code_limit == CODE_64K && job->insn.operand_size > 2)
        e_extract(&job->e, HOST_RCX, HOST_T, CONSTANT(paragraph_mask));
    else
        return;
    emit_unless_interpreted(job);
}

/* The offset in t becomes what the jump cache and landings know. */
static void emit_target_linear(struct translation_job *job)
{
    struct emitter *e = &job->e;
    emit_room(job, 40);
    if (job->mode.cs_base)
        e_lea(e, false, HOST_T, HOST_T, HOST_NONE, 1, (int32_t)job->mode.cs_base);
    if (job->salt) {
        e_mov_imm(e, HOST_RCX, job->salt);
        e_lea(e, true, HOST_T, HOST_T, HOST_RCX, 1, 0);
    }
}

/* ---- branches ---- */

static bool emit_jmp(struct translation_job *job)
{
    uint64_t target = relative_target(job);
    if (!target_serves(job, target))
        return false;
    emit_target_check(job, target);
    emit_jump(job, linear_of(job, target));
    job->ended = true;
    return true;
}

static void emit_go_on(struct translation_job *job)
{
    uint64_t next = job->lin + job->insn.length;
    emit_jump(job, job->insn.code_size == 8 ? next : (uint32_t)next);
    job->ended = true;
}

static bool emit_jcc(struct translation_job *job)
{
    uint64_t target = relative_target(job);
    unsigned condition = job->insn.opcode & 15;
    if (!target_serves(job, target))
        return false;
    if (job->mode.code_limit != CODE_LIMITED) {
        emit_branch_if(job, condition, linear_of(job, target));
        return true;
    }
    uint8_t *fall = e_jcc32(&job->e, condition ^ 1);
    emit_target_check(job, target);
    emit_jump(job, linear_of(job, target));
    e_patch32(fall, job->e.at);
    emit_go_on(job);
    return true;
}

/* rcx = the counter, as wide as the address size */
static void emit_counter(struct translation_job *job)
{
    switch (job->insn.address_size) {
    case 2:
        e_movzx16(&job->e, HOST_RCX, host_of[REG_RCX]);
        break;
    case 4:
        e_mov32(&job->e, HOST_RCX, host_of[REG_RCX]);
        break;
    default:
        e_mov(&job->e, HOST_RCX, host_of[REG_RCX]);
        break;
    }
}

/*
 * LOOP, LOOPE, LOOPNE, JCXZ:
 *     lea   counter, [counter - 1]      ; not JCXZ
 *     mov   rcx, counter
 *     jrcxz 1f
 *     jmp   2f                          ; JCXZ: the other way round
 *  1: jmp   next
 *  2: jnz   next                        ; LOOPE; jz: LOOPNE
 *     jump to the target
 */
static bool emit_loop(struct translation_job *job)
{
    struct emitter *e = &job->e;
    const struct insn *insn = &job->insn;
    bool jcxz = insn->opcode == 0xe3;
    uint64_t target = relative_target(job);
    uint8_t *by_flag = NULL;
    if (!target_serves(job, target))
        return false;
    emit_target_check(job, target);
    emit_room(job, 60);
    if (!jcxz) {
        e_operand(e, insn->address_size);
        e_lea(e, insn->address_size == 8, host_of[REG_RCX], host_of[REG_RCX], HOST_NONE, 1, -1);
    }
    emit_counter(job);
    uint8_t *zero = e_jrcxz(e), *taken = NULL;
    if (!jcxz) {
        taken = e_jmp8(e);
        e_patch8(zero, e->at);
    }
    uint8_t *next = e_jmp32(e);
    e_patch8(jcxz ? zero : taken, e->at);
    if (insn->opcode < 0xe2)
        by_flag = e_jcc32(e, insn->opcode == 0xe1 ? 5 /* NZ */ : 4 /* Z */);
    emit_jump(job, linear_of(job, target));
    e_patch32(next, e->at);
    if (by_flag)
        e_patch32(by_flag, e->at);
    emit_go_on(job);
    return true;
}

static bool emit_call_direct(struct translation_job *job)
{
    uint64_t offset = relative_target(job), target = linear_of(job, offset);
    if (!stack_serves(job) || !target_serves(job, offset))
        return false;
    emit_target_check(job, offset);
    emit_push_value(job, job->insn.operand_size, offset_behind(job));
    uint32_t exit = emit_before_leaving(job, target);
    emit_room(job, 60);
    exit_place(job, exit, e_call32(&job->e));
    emit_landing(job, linear_of(job, offset_behind(job)));
    job->ended = true;
    return true;
}

static bool emit_jmp_indirect(struct translation_job *job)
{
    if (job->insn.code_size == 8 || job->insn.far || !emit_operand(job))
        return false;
    emit_target_check_t(job);
    emit_target_linear(job);
    emit_jump_cached(job, 0);
    job->ended = true;
    return true;
}

/* The target waits in the vCPU while its return address is pushed. */
static bool emit_call_indirect(struct translation_job *job)
{
    struct emitter *e = &job->e;
    if (job->insn.far || !stack_serves(job) || !emit_operand(job))
        return false;
    emit_target_check_t(job);
    emit_target_linear(job);
    e_store_state(e, HOST_T, TEMP);
    emit_push_value(job, job->insn.operand_size, offset_behind(job));
    e_load_state(e, HOST_T, TEMP);
    emit_room(job, 80);
    uint8_t *call = e_call32(e);
    emit_landing(job, linear_of(job, offset_behind(job)));
    e_patch32(call, e->at);
    emit_jump_cached(job, (int32_t)job->insn.operand_size);
    job->ended = true;
    return true;
}

static bool emit_ret(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    int32_t popped = insn->operand_size + (insn->imm_size ? (int32_t)(insn->imm & 0xffff) : 0);
    if (insn->far || !stack_serves(job))
        return false;
    emit_stack_read(job, HOST_R11, 0, insn->operand_size);
    emit_target_check_t(job);
    emit_target_linear(job);
    emit_set_sp(job, HOST_R11, popped);
    note_sp(job, popped);
    emit_sp_check_indirect(job, -popped);
    e8(&job->e, 0xc3);
    job->ended = true;
    return true;
}

bool emit_near(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    exec_fn *function = insn->rule->function;
    emit_room(job, 40);
    if (function == exec_loop || function == exec_jcxz)
        return emit_loop(job);
    if (insn->code_size == 8)
        return false;
    if (function == exec_jcc)
        return emit_jcc(job);
    if (function == exec_push)
        return emit_push(job);
    if (function == exec_pop)
        return emit_pop(job);
    if (function == exec_leave)
        return emit_leave(job);
    if (function == exec_pushf)
        return emit_pushf(job);
    if (function == exec_ret)
        return emit_ret(job);
    if (function == exec_call && insn->opcode != 0x9a)
        return insn->opcode == 0xe8 ? emit_call_direct(job) : emit_call_indirect(job);
    if (function == exec_jmp && insn->opcode != 0xea)
        return insn->opcode == 0xff ? emit_jmp_indirect(job) : emit_jmp(job);
    return false;
}
