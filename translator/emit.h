/*
 * What the parts of the code generator share: the state of one translation, the memory access sequence, stubs and
 * exits.
 *
 * translate.c walks the guest's instructions; emit_memory.c writes address computation and shadow-table lookups,
 * emit_segment.c what segments add to them; emit_native.c data instructions; emit_flow.c stack and control flow of flat
 * code, emit_near.c of all other. None of the code emitted around a guest
 * instruction touches flags.
 */
#ifndef RING3_TRANSLATOR_EMIT_H
#define RING3_TRANSLATOR_EMIT_H

#include "translator/asm_bits.h"
#include "translator/bt.h"

/* Out-of-line code that main code jumps to. */
enum stub_kind {
    STUB_SLOW,       /* load or store that the table cannot serve */
    STUB_MISALIGNED, /* misaligned: goes back if it stays in the page, else to the slow path */
    STUB_OFFSET,     /* misaligned, in a segment of 64 KiB: goes back if it stays in segment and page */
    STUB_EXIT,       /* leaves through an exit */
};

/* A linear address: host register base + disp; or a constant that is in t. */
struct address {
    uint8_t base; /* host register; HOST_T when it was computed there */
    bool constant;
    bool inside; /* known not to cross its page's end */
    int32_t disp;
    uint64_t value; /* constant */
};

struct stub {
    enum stub_kind kind;
    uint8_t *from8, *from32; /* one of them: the jump to it */
    uint8_t *back;           /* STUB_MISALIGNED */
    struct address address;
    uint32_t index;  /* site or exit */
    uint8_t log2;    /* of the size */
    uint8_t segment; /* STUB_OFFSET */
};

enum { STUBS_MAX = 1024, BLOCK_INSTRUCTIONS = 96, BLOCK_BRANCHES = 16 };
/* A hot loop that is one block is laid out several times in a row, so that it polls, and looks up what its base
 * registers need, once in so many rounds. */
enum { LOOP_INSTRUCTIONS = 64, LOOP_COPIES = 8 };

struct translation_job {
    struct bt *bt;
    struct vcpu *vcpu;
    struct emitter e;
    struct tb *tb;
    struct mode_key mode;
    uint64_t salt;         /* of the mode: see bt.h */
    struct insn insn;      /* the current one */
    uint64_t lin;          /* its linear address */
    uint8_t *begin;        /* its host code */
    uint32_t first_site;   /* of the current instruction */
    bool sp_aligned;       /* RSP is known to be a multiple of the stack width: checked in this block */
    struct held held;      /* window deltas in the scratch registers now; see translate.c */
    struct held held_next; /* set by emitters that leave some behind for the next instruction */
    uint8_t held_last;     /* the slot that was used last */
    uint16_t below_4g;     /* guest registers known to be zero-extended from 32 bits */
    unsigned branches;     /* conditional ones that the block went on behind */
    unsigned limit;        /* instructions that the block may have */
    unsigned offset;       /* of the current instruction from the block's start */
    unsigned rounds;       /* how often the block's guest code is laid out in a row: a loop */
    unsigned round;        /* instructions of one round, where there are more */
    bool again;            /* the next instruction is the block's first again */
    bool ended;            /* the block ends with this instruction */
    unsigned stub_count;
    unsigned near_first; /* stubs from here on may still have an unpatched short jump */
    struct stub stubs[STUBS_MAX];
};

/* The engine's state. */
struct bt {
    struct interp interp; /* first: see interp.h */
    struct tcache cache;
    struct host_cpu host;
    struct mode_table modes;
    uint32_t slow_entry, exit_entry, jump_entry; /* trampolines in the cache */
    uint32_t jump_lookup, return_empty;          /* shared code: target in t */
    uint64_t gs;                                 /* what GS holds now */
    struct translation_job job;                  /* the one translation going on */
    int trap_pending;                            /* host trap number + 1 that led to the slow path */
    bool shutdown;
    struct verify *verify; /* lock-step with the interpreter; null: no */
    uint32_t chaos;        /* state of the generator of odd behaviour; 0: none. See chaos.h */
    uint32_t current;      /* block whose site is being served: dropped meanwhile? */
};

/* Which slot (0: rcx, 1: t) holds the delta of a guest register's region now, or -1. */
static inline int held_slot(const struct translation_job *job, unsigned guest)
{
    for (int i = 0; i < 2 && guest < 16; i++)
        if (job->held.slot[i] == guest)
            return i;
    return -1;
}

/* Guest register -> host register, or HOST_NONE: it is in the vCPU. */
extern const uint8_t host_of[16];

static inline int32_t gpr_state(unsigned reg)
{
    return (int32_t)(offsetof(struct vcpu, gpr) + 8 * reg);
}

static inline uint32_t code_offset(const struct translation_job *job, const uint8_t *at)
{
    return (uint32_t)(at - job->bt->cache.rw);
}

/* Members of a segment's descriptor cache, relative to GS. */
static inline int32_t segment_state(unsigned segment, size_t member)
{
    return (int32_t)(offsetof(struct vcpu, segment) + segment * sizeof(struct segment) + member);
}

static inline int32_t segment_base_state(unsigned segment)
{
    return segment_state(segment, offsetof(struct segment, base));
}

static inline int32_t selector_state(unsigned segment)
{
    return segment_state(segment, offsetof(struct segment, selector));
}

static inline unsigned log2_of(unsigned size)
{
    unsigned log2 = 0;
    while ((1u << log2) < size)
        log2++;
    return log2;
}

/*
 * mov ecx, gs:[run]; jrcxz leave. Returns the place to patch. Under verify `polls` takes the place of `run` and is
 * counted down: lea ecx, [rcx - 1]; mov gs:[polls], ecx.
 */
static inline uint8_t *e_poll(struct emitter *e)
{
    e_load_state32(e, HOST_RCX, e->verify ? offsetof(struct vcpu, polls) : offsetof(struct vcpu, run));
    uint8_t *leave = e_jrcxz(e);
    if (e->verify) {
        e_lea(e, false, HOST_RCX, HOST_RCX, HOST_NONE, 1, -1);
        e_state(e, false, 0x89, HOST_RCX, offsetof(struct vcpu, polls));
    }
    return leave;
}

/* rcx = index of t; mov rcx, gs:[TAGS + rcx]; lea rcx, [rcx + t]; jrcxz hit. Returns the place to patch. */
static inline uint8_t *e_jump_compare(struct emitter *e)
{
    e_jump_index(e, HOST_RCX, HOST_T);
    e_load_jump_tag(e, HOST_RCX, HOST_RCX);
    e_lea(e, true, HOST_RCX, HOST_RCX, HOST_T, 1, 0);
    return e_jrcxz(e);
}

/* rcx = index of t; jmp gs:[HOSTS + rcx] */
static inline void e_jump_take(struct emitter *e)
{
    e_jump_index(e, HOST_RCX, HOST_T);
    e_jump_indexed(e, HOST_RCX);
}

/* Call before `bytes` more are emitted: short jumps to stubs that would get out of reach are given their islands. */
void emit_room(struct translation_job *job, unsigned bytes);

struct stub *stub_add(struct translation_job *job, enum stub_kind kind, uint32_t index);
uint32_t site_add(struct translation_job *job, enum site_kind kind);
uint32_t exit_add(struct translation_job *job, uint64_t target);

/* The site's host instruction comes next. */
static inline void site_here(struct translation_job *job, uint32_t site)
{
    job->bt->cache.sites[site].code = code_offset(job, job->e.at);
}

/* Host registers of the operand's base and index, or HOST_NONE; those that live in the vCPU are loaded into t and rcx.
 */
void emit_load_parts(struct translation_job *job, unsigned *base, unsigned *index);

/* call slow_entry; .long site: never comes back by itself */
void emit_slow_call(struct translation_job *job, uint32_t site);

/* Leaves the address of the memory operand in *address (may use rcx and t). False: this form is interpreted. */
bool emit_address(struct translation_job *job, struct address *address);

/* ---- emit_segment.c: what is not flat ---- */

/* An access through a segment, at the offset in t. */
struct segment_access {
    uint8_t segment;
    uint16_t size;
    bool write;
    bool narrow;  /* the offset is below 64 KiB */
    bool aligned; /* the offset is known to be a multiple of the size */
};

/* Can emit_segment_linear() serve this access in this mode? */
bool segment_serves(const struct translation_job *job, const struct segment_access *access);
/* Checks the access against its segment, and makes the offset in t a linear address. What fails is interpreted. */
void emit_segment_linear(struct translation_job *job, const struct segment_access *access, struct address *address);
/* emit_address() for operands that emit_address() itself does not serve. */
bool emit_segment_address(struct translation_job *job, struct address *address);
/* May accesses of this instruction go to the sum of offset and base (*add_base: of 0 and the base) unchecked? */
bool segment_is_plain(const struct translation_job *job, bool *add_base);
/* ecx = 0 if t (the last byte's offset, less `more`) is within the segment's limit. */
void emit_limit_compare(struct translation_job *job, unsigned segment, int32_t more);
/* t = the operand's offset, cut to the address size (2 or 4). */
void emit_offset(struct translation_job *job);
void emit_offset_stub(struct translation_job *job, const struct stub *stub);
/* LEA with 16-bit operands or addresses. */
void emit_lea_narrow(struct translation_job *job);
/* A block in a segment with an odd limit compares it first; *place is for emit_code_limit_end(). */
uint8_t *emit_code_limit(struct translation_job *job);
void emit_code_limit_end(struct translation_job *job, uint8_t *place);
/* Offset in CS of the instruction that is being translated, and of the last byte that CS may have. */
uint32_t job_offset(const struct translation_job *job);
uint32_t job_last_offset(const struct translation_job *job);
/* Loads segment registers and reads them: inline in real and virtual-8086 mode. True if code was emitted. */
bool emit_segment_register(struct translation_job *job);
/* The segment register becomes the selector in t, as in real and virtual-8086 mode. Uses rcx. */
void emit_load_paragraph(struct translation_job *job, unsigned segment);
bool paragraph_loadable(const struct translation_job *job, unsigned segment);

/*
 * Leaves the shadow entry for [address, +size) in rcx, so that the operand is [address + rcx]; misses go to the slow
 * path of a new site, whose index is returned. aligned: the instruction itself insists on alignment, so the page end
 * needs no check.
 */
uint32_t emit_lookup(struct translation_job *job, const struct address *address, unsigned size, enum access access,
                     bool aligned);

/* May the access use the view's window? What C cannot find again from the registers goes through the tables. */
bool window_usable(const struct translation_job *job);
/* The site of an access through the window, and the delta of the region of the address in `base`. */
uint32_t emit_window_site(struct translation_job *job, unsigned size, enum access access);
void emit_window_delta(struct translation_job *job, unsigned to, unsigned base);

/* mov reg, [guest register]; mov [guest register], reg: wherever it lives. */
void emit_read_gpr(struct translation_job *job, unsigned host, unsigned guest);
void emit_write_gpr(struct translation_job *job, unsigned guest, unsigned host);

/* The interpreter steps the current instruction / C executes it as decoded. */
void emit_interp(struct translation_job *job);
void emit_helper(struct translation_job *job);

/*
 * Goes on only if the EXEC entry of `linear` plus `minus_entry` is 0, else to the stub `kind` of site or exit `index`.
 * Returns the place of minus_entry in the code, for links that learn it later. Uses rcx and t.
 */
uint8_t *emit_exec_guard(struct translation_job *job, uint64_t linear, uint64_t minus_entry, enum stub_kind kind,
                         uint32_t index);

/* Goes on only if the linear page `next` still shows the arena page at `offset`; else C looks again, or interprets. */
void emit_page_guard(struct translation_job *job, uint64_t next, uint64_t offset);

/* Direct jump to a linear address, linked when first taken. */
void emit_jump(struct translation_job *job, uint64_t target);

/* The parts of that, and of other branches; see emit_flow.c. Jumps and landings are patched when linked. */
/* All that has to be right for a direct branch or call; returns its exit. */
uint32_t emit_before_leaving(struct translation_job *job, uint64_t target);
void exit_place(struct translation_job *job, uint32_t exit, uint8_t *place);
void emit_sp_check_indirect(struct translation_job *job, int32_t undo);
/* To `target` if the condition (as in Jcc's opcode) holds, else on; ends the block. */
void emit_branch_if(struct translation_job *job, unsigned condition, uint64_t target);
/* Behind a host CALL: where the RET that belongs to it comes back to. */
void emit_landing(struct translation_job *job, uint64_t back);
/* To the code whose linear address, with the mode's salt, is in t. */
void emit_jump_cached(struct translation_job *job, int32_t undo);

void emit_native(struct translation_job *job);
void emit_lea(struct translation_job *job);
/* True if the instruction was one of stack or near control flow that has inline code; else nothing was emitted. */
bool emit_flow(struct translation_job *job);

/* The same for 16-bit operands, 16-bit code, stacks that are not flat, LOOP and JCXZ. */
bool emit_near(struct translation_job *job);

/* t = EFLAGS: arithmetic bits from the host's, the others from the vCPU (RF and VM are clear in translated code). */
void emit_eflags_to_t(struct translation_job *job);

/* True if it was a system instruction with inline code for this mode; else nothing was emitted. */
bool emit_system(struct translation_job *job);
/* True if it was a REP MOVS or REP STOS with inline code; else nothing was emitted. */
bool emit_string(struct translation_job *job);
/* Pushes a host register other than rcx (t in 64-bit mode only) onto the guest's stack. */
void emit_push_register(struct translation_job *job, unsigned value);

/* Stub bodies, at the end of the block. */
void emit_stubs(struct translation_job *job);

#endif
