/*
 * Segments that are not flat: 16-bit offsets, limits, bases; the limit of CS; segment registers in real and
 * virtual-8086 mode.
 *
 * Invariants: no flag is touched; what a check refuses is stepped by the interpreter, which finds out what is wrong and
 * raises it. Bases and limits come from the vCPU's descriptor caches when the code runs, so code depends on a segment's
 * kind only (struct mode_key). Thread: the vCPU's own; ordinary code. SDM Vol. 1 "Specifying an offset", Vol. 3 "Limit
 * checking".
 *
 * A word at [bx + si + disp] through a paragraph (KIND_PARAGRAPH):
 *
 *     lea   t, [rbx + rsi + disp]; movzx t, t16
 *     pext  rcx, t, gs:[low_mask]           ; an aligned operand ends in its paragraph, its segment and its page
 *     jrcxz 1f
 *     jmp   offset_stub                     ; looks closer
 *  1: mov   rcx, gs:[base]; lea t, [t + rcx]
 *
 * With a 32-bit offset the mask also holds all bits from 16 on. Through a segment of any limit (KIND_LIMITED):
 *
 *     mov   ecx, gs:[limit]; not ecx
 *     lea   rcx, [rcx + t + size - 1]       ; has a bit from 32 on if the last byte is beyond the limit
 *     rorx  rcx, rcx, 32; mov ecx, ecx
 *     jrcxz 1f
 *     jmp   interpret
 *  1: mov   rcx, gs:[base]; lea t, [t + rcx]
 */
#include "cpu-model/exec/rules.h"
#include "translator/emit.h"

static enum segment_kind kind_of(const struct translation_job *job, unsigned segment)
{
    return (enum segment_kind)job->mode.kind[segment];
}

static bool kind_writable(enum segment_kind kind)
{
    return kind != KIND_NONE && kind < KIND_FLAT_RO;
}

static bool kind_flat(enum segment_kind kind)
{
    return kind == KIND_FLAT || kind == KIND_FLAT_RO;
}

static bool kind_based(enum segment_kind kind)
{
    return kind == KIND_BASED || kind == KIND_BASED_RO;
}

bool segment_is_plain(const struct translation_job *job, bool *add_base)
{
    const struct mem_operand *mem = &job->insn.mem;
    if (job->insn.code_size == 8) {
        *add_base = mem->segment == SEG_FS || mem->segment == SEG_GS;
        return true;
    }
    enum segment_kind kind = kind_of(job, mem->segment);
    *add_base = kind_based(kind);
    return (kind_flat(kind) || kind_based(kind)) && (kind_writable(kind) || !(mem->access & MEM_WRITE));
}

bool segment_serves(const struct translation_job *job, const struct segment_access *access)
{
    enum segment_kind kind = kind_of(job, access->segment);
    return kind != KIND_NONE && (kind_writable(kind) || !access->write) && access->size;
}

void emit_limit_compare(struct translation_job *job, unsigned segment, int32_t more)
{
    struct emitter *e = &job->e;
    e_load_state32(e, HOST_RCX, segment_state(segment, offsetof(struct segment, limit)));
    e_not32(e, HOST_RCX);
    e_lea(e, true, HOST_RCX, HOST_RCX, HOST_T, 1, more);
    e_high_half(e, HOST_RCX, HOST_RCX);
}

/* Goes on if rcx is 0, else to a stub of a new site that interprets the instruction. */
static struct stub *emit_or_interpret(struct translation_job *job, enum stub_kind kind)
{
    uint8_t *right = e_jrcxz(&job->e);
    struct stub *stub = stub_add(job, kind, site_add(job, SITE_INTERP));
    stub->from32 = e_jmp32(&job->e);
    stub->address = (struct address){.base = HOST_T};
    e_patch8(right, job->e.at);
    return stub;
}

static void emit_paragraph_check(struct translation_job *job, const struct segment_access *access)
{
    unsigned log2 = log2_of(access->size);
    if (access->narrow && (!log2 || access->aligned))
        return;
    if (access->narrow)
        e_low_bits(&job->e, HOST_RCX, HOST_T, log2);
    else
        e_extract(&job->e, HOST_RCX, HOST_T, CONSTANT(paragraph_mask) + 8 * (int32_t)log2);
    struct stub *stub = emit_or_interpret(job, log2 ? STUB_OFFSET : STUB_SLOW);
    stub->log2 = (uint8_t)log2;
    stub->segment = access->segment;
    stub->back = job->e.at;
}

/*
 *     lea   rcx, [t + size - 1]; pext rcx, rcx, gs:[paragraph_mask]
 *     jrcxz 1f
 *  0: call  slow_entry
 *  1: mov   rcx, gs:[base]; lea ecx, [rcx + t]
 *     pext  rcx, rcx, gs:[page_offset]; movzx ecx, byte gs:[rcx + fits]
 *     jrcxz 0b
 *     jmp   back
 */
void emit_offset_stub(struct translation_job *job, const struct stub *stub)
{
    struct emitter *e = &job->e;
    e_lea(e, true, HOST_RCX, HOST_T, HOST_NONE, 1, (1 << stub->log2) - 1);
    e_extract(e, HOST_RCX, HOST_RCX, CONSTANT(paragraph_mask));
    uint8_t *within = e_jrcxz(e), *interpret = e->at;
    emit_slow_call(job, stub->index);
    e_patch8(within, e->at);
    e_load_state(e, HOST_RCX, segment_base_state(stub->segment));
    e_lea(e, false, HOST_RCX, HOST_RCX, HOST_T, 1, 0);
    e_extract(e, HOST_RCX, HOST_RCX, CONSTANT(page_offset));
    e_load_byte_table(e, HOST_RCX, HOST_RCX, CONSTANT(fits) + stub->log2 * 4096);
    e_patch8(e_jrcxz(e), interpret);
    e_patch32(e_jmp32(e), stub->back);
}

void emit_segment_linear(struct translation_job *job, const struct segment_access *access, struct address *address)
{
    struct emitter *e = &job->e;
    enum segment_kind kind = kind_of(job, access->segment);

    emit_room(job, 100);
    *address = (struct address){.base = HOST_T};
    if (kind == KIND_PARAGRAPH && access->size <= 16) {
        emit_paragraph_check(job, access);
        address->inside = true;
    } else if (!kind_flat(kind) && !kind_based(kind)) {
        emit_limit_compare(job, access->segment, access->size - 1);
        emit_or_interpret(job, STUB_SLOW);
    }
    if (access->segment == SEG_SS && access->aligned && access->size <= 16) /* its base is a multiple of 16 */
        address->inside = true;
    if (!kind_flat(kind)) {
        e_load_state(e, HOST_RCX, segment_base_state(access->segment));
        e_lea(e, false, HOST_T, HOST_T, HOST_RCX, 1, 0);
    }
}

/* ---- offsets ---- */

/* The offset of an operand without registers. */
static uint32_t constant_offset(const struct insn *insn)
{
    return (uint32_t)zero_extend((uint64_t)insn->mem.disp, insn->address_size);
}

static bool offset_constant(const struct insn *insn)
{
    return insn->mem.base == REG_NONE && insn->mem.index == REG_NONE;
}

void emit_offset(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    struct emitter *e = &job->e;
    bool narrow = insn->address_size == 2;
    unsigned base, index;

    if (offset_constant(insn)) {
        e_mov_imm(e, HOST_T, constant_offset(insn));
        return;
    }
    emit_load_parts(job, &base, &index);
    if (narrow && index == HOST_NONE && !insn->mem.disp) {
        e_movzx16(e, HOST_T, base);
        return;
    }
    e_lea(e, false, HOST_T, base, index, insn->mem.scale, (int32_t)insn->mem.disp);
    if (narrow)
        e_movzx16(e, HOST_T, HOST_T);
}

/* Does a constant offset fit a segment of 64 KiB, so that nothing is left to check when the code runs? */
static bool constant_fits(const struct insn *insn)
{
    return (uint64_t)constant_offset(insn) + insn->mem.size <= 0x10000;
}

bool emit_segment_address(struct translation_job *job, struct address *address)
{
    const struct insn *insn = &job->insn;
    struct segment_access access = {.segment = insn->mem.segment,
                                    .size = insn->mem.size,
                                    .write = insn->mem.access & MEM_WRITE,
                                    .narrow = insn->address_size == 2};
    if (insn->code_size == 8 || !segment_serves(job, &access))
        return false;
    if (offset_constant(insn)) {
        access.aligned = !(constant_offset(insn) & ((1u << log2_of(access.size)) - 1));
        access.narrow = constant_fits(insn) && (access.narrow || access.aligned);
        if (!constant_fits(insn) && kind_of(job, access.segment) == KIND_PARAGRAPH)
            return false;
    }
    emit_room(job, 40);
    emit_offset(job);
    emit_segment_linear(job, &access, address);
    return true;
}

void emit_lea_narrow(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    const struct mem_operand *mem = &insn->mem;
    unsigned to = host_of[insn->reg];

    if (mem->base == REG_RIP_BASE || to == HOST_NONE) {
        emit_interp(job);
        return;
    }
    emit_room(job, 40);
    emit_offset(job);
    if (insn->operand_size == 2)
        e_mov16(&job->e, to, HOST_T);
    else
        e_mov32(&job->e, to, HOST_T);
    if (insn->reg == REG_RSP)
        job->sp_aligned = job->sp_aligned && mem->base == REG_RSP && mem->index == REG_NONE &&
                          insn->operand_size >= job->mode.stack_size && !(mem->disp & (job->mode.stack_size - 1));
}

/* ---- the limit of CS ---- */

uint32_t job_offset(const struct translation_job *job)
{
    return (uint32_t)(job->lin - job->mode.cs_base);
}

uint32_t job_last_offset(const struct translation_job *job)
{
    return job->mode.code_limit == CODE_64K ? 0xffff : 0xffffffff;
}

uint8_t *emit_code_limit(struct translation_job *job)
{
    struct emitter *e = &job->e;
    if (job->mode.code_limit != CODE_LIMITED)
        return NULL;
    job->lin = job->tb->lin;
    job->begin = e->at;
    job->insn.length = 0;
    e_rex(e, false, 0, 0, HOST_T); /* mov t, imm32 */
    e8(e, 0xb8 | (HOST_T & 7));
    uint8_t *place = e->at;
    e32(e, 0);
    emit_limit_compare(job, SEG_CS, 0);
    uint32_t site = job->bt->cache.site_count;
    emit_or_interpret(job, STUB_SLOW);
    job->bt->cache.sites[site].leave = true;
    return place;
}

void emit_code_limit_end(struct translation_job *job, uint8_t *place)
{
    uint32_t last = (uint32_t)(job->tb->lin - job->mode.cs_base) + job->tb->guest_size - 1;
    if (place)
        __builtin_memcpy(place, &last, 4);
}

/* ---- segment registers ---- */

bool paragraph_loadable(const struct translation_job *job, unsigned segment)
{
    enum segment_kind kind = kind_of(job, segment);
    return job->mode.paragraphs && segment != SEG_CS && segment != SEG_SS && segment < SEG_COUNT &&
           (kind == KIND_PARAGRAPH || kind == KIND_BASED);
}

/*
 *     mov   gs:[selector], t16
 *     lea   rcx, [t * 8]; lea rcx, [rcx + rcx]
 *     mov   gs:[base], rcx
 */
void emit_load_paragraph(struct translation_job *job, unsigned segment)
{
    struct emitter *e = &job->e;
    e_operand16(e);
    e_state(e, false, 0x89, HOST_T, selector_state(segment));
    e_lea(e, true, HOST_RCX, HOST_NONE, HOST_T, 8, 0);
    e_lea(e, true, HOST_RCX, HOST_RCX, HOST_RCX, 1, 0);
    e_store_state(e, HOST_RCX, segment_base_state(segment));
}

/* t = the word that MOV Sreg or half of LES and its kin reads at the operand. */
static bool emit_read_word(struct translation_job *job)
{
    struct address address;
    if (!job->insn.mem.present) {
        e_movzx16(&job->e, HOST_T, host_of[job->insn.rm]);
        return true;
    }
    if (!emit_address(job, &address))
        return false;
    uint32_t site = emit_lookup(job, &address, 2, ACCESS_READ, false);
    site_here(job, site);
    e_load16(&job->e, HOST_T, address.base, HOST_RCX, address.disp);
    return true;
}

/* MOV r, Sreg: the selector, as wide as the register. */
static bool emit_read_selector(struct translation_job *job, unsigned segment)
{
    const struct insn *insn = &job->insn;
    unsigned to = host_of[insn->rm];
    if (insn->mem.present || segment >= SEG_COUNT || to == HOST_NONE || insn->operand_size == 8)
        return false;
    if (insn->operand_size == 2) {
        e_load_state16(&job->e, HOST_T, selector_state(segment));
        e_mov16(&job->e, to, HOST_T);
    } else {
        e_load_state16(&job->e, to, selector_state(segment));
    }
    if (insn->rm == REG_RSP)
        job->sp_aligned = false;
    return true;
}

/*
 * LDS, LES, LFS, LGS with a 16-bit offset: both halves by one access.
 *     lookup READ dword
 *     mov   t, [address + rcx]
 *     mov   reg16, t16
 *     rorx  t, t, 16; movzx t, t16
 */
static bool emit_far_pointer(struct translation_job *job, unsigned segment)
{
    struct emitter *e = &job->e;
    struct insn *insn = &job->insn;
    struct address address;
    if (!insn->mem.present || insn->operand_size != 2 || !paragraph_loadable(job, segment))
        return false;
    if (insn->address_size == 2 && kind_of(job, insn->mem.segment) != KIND_PARAGRAPH) /* the selector may wrap */
        return false;
    struct mem_operand mem = insn->mem;
    insn->mem.size = 4;
    insn->mem.access = MEM_READ;
    bool possible = emit_address(job, &address);
    if (possible) {
        uint32_t site = emit_lookup(job, &address, 4, ACCESS_READ, false);
        site_here(job, site);
        e_op_mem(e, false, 0x8b, HOST_T, address.base, HOST_RCX, 1, address.disp);
        emit_room(job, 60);
        e_mov16(e, host_of[insn->reg], HOST_T);
        e_word(e, HOST_T, HOST_T, 1);
        emit_load_paragraph(job, segment);
        if (insn->reg == REG_RSP)
            job->sp_aligned = false;
    }
    insn->mem = mem;
    return possible;
}

bool emit_segment_register(struct translation_job *job)
{
    const struct insn *insn = &job->insn;
    emit_room(job, 80);
    if (insn->rule->function == exec_load_far_pointer) {
        static const uint8_t of_opcode[] = {[0xb2 & 7] = SEG_SS, [0xb4 & 7] = SEG_FS, [0xb5 & 7] = SEG_GS};
        return emit_far_pointer(job, insn->map ? of_opcode[insn->opcode & 7] : insn->opcode == 0xc4 ? SEG_ES : SEG_DS);
    }
    if (insn->rule->function != exec_mov_sreg)
        return false;
    unsigned segment = insn->modrm >> 3 & 7;
    if (insn->opcode == 0x8c)
        return emit_read_selector(job, segment);
    if (!paragraph_loadable(job, segment) || !emit_read_word(job))
        return false;
    emit_room(job, 60);
    emit_load_paragraph(job, segment);
    return true;
}
