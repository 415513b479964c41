/*
 * String instructions: MOVS, CMPS, STOS, LODS, SCAS, INS, OUTS and XLAT, with all REP prefixes.
 *
 * One call works through pages until the count is used up or somebody wants the vCPU (EXEC_REPEAT). Runs of elements
 * inside one page of RAM on each side are done at once by the host's own string instruction of the same element size
 * and direction, whose order of elements is the guest's, overlap included. Everything else (MMIO, ROM, elements across
 * page ends, alignment checks, single-stepping, data breakpoints) goes element by element.
 * Invariant: rCX, rSI and rDI are right after each element, so a fault leaves them at the element that faulted; the
 * arithmetic flags change only when the instruction stops without a fault.
 * Thread: the vCPU's own; guest vector state live (INS and OUTS park it).
 * Source: SDM Vol. 2 "REP/REPE/REPZ/REPNE/REPNZ" and by mnemonic; Vol. 3 "Segment limit checking".
 */
#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/io.h"
#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/prefix.h"
#include "cpu-model/exec/rules.h"
#include "cpu-model/state/vector.h"
#include "softmmu/shadow.h"
#include "softmmu/unaligned.h"

/* What of the instruction stays the same for all its elements. */
struct string_op {
    unsigned size; /* of an element: 1 << shift */
    unsigned shift;
    unsigned width;   /* of rSI, rDI and rCX */
    unsigned source;  /* segment of rSI */
    bool down;        /* DF */
    bool repeated;    /* any REP prefix */
    bool one_by_one;  /* traps or alignment checks: no runs, and back to the engine after each element */
    uint64_t advance; /* added to rSI and rDI for each element */
};

enum { DR7_ENABLES = 0xff };

static struct string_op string_begin(const struct vcpu *vcpu, const struct insn *insn, unsigned size)
{
    struct string_op op = {.size = size, .width = insn->address_size, .source = insn_implicit_segment(insn)};
    op.shift = size == 8 ? 3 : size >> 1;
    op.down = vcpu->eflags & FLAG_DF;
    op.repeated = insn->rep || insn->repne;
    op.advance = op.down ? -(uint64_t)size : size;
    op.one_by_one = (vcpu->eflags & FLAG_TF) || (vcpu->dr[7] & DR7_ENABLES) ||
                    ((vcpu->eflags & FLAG_AC) && (vcpu->cr0 & CR0_AM) && vcpu->cpl == 3);
    return op;
}

static unsigned element_size(const struct insn *insn)
{
    return insn->opcode & 1 ? insn->operand_size : 1;
}

/* Elements left to do. */
static uint64_t string_count(const struct vcpu *vcpu, const struct string_op *op)
{
    return op->repeated ? reg_read(vcpu, REG_RCX, op->width) : 1;
}

static void string_advance(struct vcpu *vcpu, const struct string_op *op, unsigned reg, uint64_t elements)
{
    reg_write(vcpu, reg, op->width, vcpu->gpr[reg] + op->advance * elements);
}

static void string_counted(struct vcpu *vcpu, const struct string_op *op, uint64_t elements)
{
    if (op->repeated)
        reg_write(vcpu, REG_RCX, op->width, vcpu->gpr[REG_RCX] - elements);
}

/* After some progress with elements left: must the engine have a look before the next? */
static bool string_interrupted(const struct vcpu *vcpu, const struct string_op *op)
{
    return op->one_by_one || !__atomic_load_n(&vcpu->run, __ATOMIC_RELAXED);
}

/* So many of the elements left are done. True: not the last, and the engine must have a look. */
static bool string_pauses(struct vcpu *vcpu, const struct string_op *op, uint64_t *left, uint64_t done)
{
    string_counted(vcpu, op, done);
    *left -= done;
    return *left && string_interrupted(vcpu, op);
}

/* How many elements from the one at `offset` on, in the direction of DF, lie in its 4 KiB page and do not wrap the
 * address register. 0: the element itself crosses the page end. */
static uint64_t run_length(const struct string_op *op, uint64_t offset, uint64_t linear)
{
    uint64_t in_page = linear & GUEST_PAGE_OFFSET, top = op->width == 8 ? UINT64_MAX : BIT(op->width * 8) - 1;
    if (in_page + op->size > GUEST_PAGE_SIZE)
        return 0;
    uint64_t by_page, by_register;
    if (op->down) {
        by_page = (in_page >> op->shift) + 1;
        by_register = (offset >> op->shift) + 1;
    } else {
        by_page = (GUEST_PAGE_SIZE - in_page) >> op->shift;
        by_register = (top - offset) >> op->shift; /* one less than possible: the last goes alone */
    }
    return by_page < by_register ? by_page : by_register;
}

/*
 * Finds the run at segment:rN for at most `count` elements. Returns its length, with the host address of the element at
 * rN in *host; 0 where only the slow way is right (no exception is pending then: the slow way finds it again).
 */
static uint64_t string_run(struct vcpu *vcpu, const struct string_op *op, unsigned segment, unsigned reg,
                           enum access access, uint64_t count, uint8_t **host)
{
    uint64_t offset = reg_read(vcpu, reg, op->width);
    lin_t at, lowest;
    if (op->one_by_one || count < 2 || !seg_linear(vcpu, segment, offset, op->size, access, &at))
        return 0;
    uint64_t n = run_length(op, offset, at.v);
    if (n > count)
        n = count;
    if (n < 2)
        return 0;
    /* Segment limits: all of the run, or none. */
    uint64_t first = op->down ? offset - (n - 1) * op->size : offset;
    if (!seg_linear(vcpu, segment, first, (unsigned)(n * op->size), access, &lowest))
        return 0;
    struct translation page;
    *host = shadow_cached(vcpu, at, access, vcpu_user(vcpu));
    if (*host)
        return n;
    if (!mmu_walk(vcpu, at, access, vcpu_user(vcpu), &page) || !page.host)
        return 0;
    if (access == ACCESS_WRITE && page.rom)
        return 0;
    *host = page.host + (at.v & GUEST_PAGE_OFFSET);
    return n;
}

/* Says that the run at `host` is about to be written. */
static void run_written(struct vcpu *vcpu, const struct string_op *op, uint8_t *host, uint64_t n)
{
    space_stored(vcpu->space, op->down ? host - (n - 1) * op->size : host, n * op->size);
}

/* --- MOVS --------------------------------------------------------------------------------------------------------- */

#define HOST_STRING(insn, ...)                                                                                         \
    do {                                                                                                               \
        if (op->down)                                                                                                  \
            __asm__ volatile("std; rep " insn "; cld" : __VA_ARGS__ : : "memory", "cc");                               \
        else                                                                                                           \
            __asm__ volatile("rep " insn:__VA_ARGS__ : : "memory", "cc");                                              \
    } while (0)

static void host_movs(const struct string_op *op, uint8_t *to, const uint8_t *from, uint64_t n)
{
    switch (op->size) {
    case 1:
        HOST_STRING("movsb", "+D"(to), "+S"(from), "+c"(n));
        break;
    case 2:
        HOST_STRING("movsw", "+D"(to), "+S"(from), "+c"(n));
        break;
    case 4:
        HOST_STRING("movsl", "+D"(to), "+S"(from), "+c"(n));
        break;
    default:
        HOST_STRING("movsq", "+D"(to), "+S"(from), "+c"(n));
        break;
    }
}

/* One step of MOVS: a run or an element. Returns the elements done, 0 on a fault. */
static uint64_t movs_step(struct vcpu *vcpu, const struct string_op *op, uint64_t count)
{
    uint8_t *from, *to;
    uint64_t n = string_run(vcpu, op, op->source, REG_RSI, ACCESS_READ, count, &from);
    if (n)
        n = string_run(vcpu, op, SEG_ES, REG_RDI, ACCESS_WRITE, n, &to);
    if (n) {
        run_written(vcpu, op, to, n);
        host_movs(op, to, from, n);
        return n;
    }
    uint64_t value;
    if (!seg_read(vcpu, op->source, reg_read(vcpu, REG_RSI, op->width), op->size, &value) ||
        !seg_write(vcpu, SEG_ES, reg_read(vcpu, REG_RDI, op->width), op->size, value))
        return 0;
    return 1;
}

enum exec_result exec_movs(struct vcpu *vcpu, const struct insn *insn)
{
    struct string_op op = string_begin(vcpu, insn, element_size(insn));
    for (uint64_t count = string_count(vcpu, &op); count;) {
        uint64_t done = movs_step(vcpu, &op, count);
        if (!done)
            return EXEC_FAULT;
        string_advance(vcpu, &op, REG_RSI, done);
        string_advance(vcpu, &op, REG_RDI, done);
        if (string_pauses(vcpu, &op, &count, done))
            return EXEC_REPEAT;
    }
    return EXEC_NEXT;
}

/* --- STOS, LODS --------------------------------------------------------------------------------------------------- */

static void host_stos(const struct string_op *op, uint8_t *to, uint64_t value, uint64_t n)
{
    switch (op->size) {
    case 1:
        HOST_STRING("stosb", "+D"(to), "+a"(value), "+c"(n));
        break;
    case 2:
        HOST_STRING("stosw", "+D"(to), "+a"(value), "+c"(n));
        break;
    case 4:
        HOST_STRING("stosl", "+D"(to), "+a"(value), "+c"(n));
        break;
    default:
        HOST_STRING("stosq", "+D"(to), "+a"(value), "+c"(n));
        break;
    }
}

enum exec_result exec_stos(struct vcpu *vcpu, const struct insn *insn)
{
    struct string_op op = string_begin(vcpu, insn, element_size(insn));
    for (uint64_t count = string_count(vcpu, &op); count;) {
        uint8_t *to;
        uint64_t done = string_run(vcpu, &op, SEG_ES, REG_RDI, ACCESS_WRITE, count, &to);
        if (done) {
            run_written(vcpu, &op, to, done);
            host_stos(&op, to, vcpu->gpr[REG_RAX], done);
        } else {
            if (!seg_write(vcpu, SEG_ES, reg_read(vcpu, REG_RDI, op.width), op.size, vcpu->gpr[REG_RAX]))
                return EXEC_FAULT;
            done = 1;
        }
        string_advance(vcpu, &op, REG_RDI, done);
        if (string_pauses(vcpu, &op, &count, done))
            return EXEC_REPEAT;
    }
    return EXEC_NEXT;
}

enum exec_result exec_lods(struct vcpu *vcpu, const struct insn *insn)
{
    struct string_op op = string_begin(vcpu, insn, element_size(insn));
    for (uint64_t count = string_count(vcpu, &op); count;) {
        uint64_t value;
        if (!seg_read(vcpu, op.source, reg_read(vcpu, REG_RSI, op.width), op.size, &value))
            return EXEC_FAULT;
        reg_write(vcpu, REG_RAX, op.size, value);
        string_advance(vcpu, &op, REG_RSI, 1);
        if (string_pauses(vcpu, &op, &count, 1))
            return EXEC_REPEAT;
    }
    return EXEC_NEXT;
}

/* --- CMPS, SCAS --------------------------------------------------------------------------------------------------- */

/* The flags of `a - b`. */
static uint64_t flags_of_compare(uint64_t a, uint64_t b, unsigned size)
{
    uint64_t result = zero_extend(a - b, size), sign = BIT(size * 8 - 1);
    return (a < b ? FLAG_CF : 0) | (__builtin_parity((unsigned)result & 0xff) ? 0 : FLAG_PF) |
           ((a ^ b ^ result) & FLAG_AF) | (result ? 0 : FLAG_ZF) | (result & sign ? FLAG_SF : 0) |
           ((a ^ b) & (a ^ result) & sign ? FLAG_OF : 0);
}

/* Does REPE or REPNE (or no prefix at all) end the instruction after this pair? */
static bool compare_stops(const struct insn *insn, uint64_t a, uint64_t b)
{
    return insn->rep ? a != b : insn->repne ? a == b : false;
}

/* Compares up to `count` pairs; `fixed` holds the accumulator for SCAS, whose a[] is null. Returns the pairs compared;
 * the last one is in *last_a and *last_b. */
static uint64_t compare_run(const struct insn *insn, const struct string_op *op, const uint8_t *a, const uint8_t *b,
                            uint64_t fixed, uint64_t count, uint64_t *last_a, uint64_t *last_b)
{
    uint64_t x = fixed, y = 0, n = 0;
    do {
        if (a) {
            x = unaligned_load(a, op->size);
            a += (int64_t)op->advance;
        }
        y = unaligned_load(b, op->size);
        b += (int64_t)op->advance;
        n++;
    } while (n < count && !compare_stops(insn, x, y));
    *last_a = x;
    *last_b = y;
    return n;
}

/* One step of CMPS (scan = false) or SCAS. Returns the pairs compared, 0 on a fault. */
static uint64_t compare_step(struct vcpu *vcpu, const struct insn *insn, const struct string_op *op, bool scan,
                             uint64_t count, uint64_t *a, uint64_t *b)
{
    uint64_t fixed = reg_read(vcpu, REG_RAX, op->size), n = count;
    uint8_t *host_a = NULL, *host_b;
    if (!scan)
        n = string_run(vcpu, op, op->source, REG_RSI, ACCESS_READ, n, &host_a);
    if (n)
        n = string_run(vcpu, op, SEG_ES, REG_RDI, ACCESS_READ, n, &host_b);
    if (n)
        return compare_run(insn, op, host_a, host_b, fixed, n, a, b);
    *a = fixed;
    if (!scan && !seg_read(vcpu, op->source, reg_read(vcpu, REG_RSI, op->width), op->size, a))
        return 0;
    return seg_read(vcpu, SEG_ES, reg_read(vcpu, REG_RDI, op->width), op->size, b) ? 1 : 0;
}

static enum exec_result compare(struct vcpu *vcpu, const struct insn *insn, bool scan)
{
    struct string_op op = string_begin(vcpu, insn, element_size(insn));
    for (uint64_t count = string_count(vcpu, &op); count;) {
        uint64_t a, b, done = compare_step(vcpu, insn, &op, scan, count, &a, &b);
        if (!done)
            return EXEC_FAULT;
        if (!scan)
            string_advance(vcpu, &op, REG_RSI, done);
        string_advance(vcpu, &op, REG_RDI, done);
        string_counted(vcpu, &op, done);
        count -= done;
        bool stop = !count || compare_stops(insn, a, b);
        /* Else a fault at a later pair would show whether the engine had had a look in between. */
        if (stop || op.one_by_one)
            vcpu->flags = flags_of_compare(a, b, op.size);
        if (stop)
            return EXEC_NEXT;
        if (string_interrupted(vcpu, &op))
            return EXEC_REPEAT;
    }
    return EXEC_NEXT;
}

enum exec_result exec_cmps(struct vcpu *vcpu, const struct insn *insn)
{
    return compare(vcpu, insn, false);
}

enum exec_result exec_scas(struct vcpu *vcpu, const struct insn *insn)
{
    return compare(vcpu, insn, true);
}

/* --- INS, OUTS, XLAT ---------------------------------------------------------------------------------------------- */

enum exec_result exec_ins(struct vcpu *vcpu, const struct insn *insn)
{
    struct string_op op = string_begin(vcpu, insn, io_operand_size(insn));
    uint16_t port = (uint16_t)vcpu->gpr[REG_RDX];
    for (uint64_t count = string_count(vcpu, &op); count;) {
        lin_t at;
        /* The store must be known to succeed before the device gives its datum away. */
        if (!io_allowed(vcpu, port, op.size) ||
            !seg_linear(vcpu, SEG_ES, reg_read(vcpu, REG_RDI, op.width), op.size, ACCESS_WRITE, &at) ||
            !mmu_probe(vcpu, at, op.size, ACCESS_WRITE, vcpu_user(vcpu)))
            return EXEC_FAULT;
        vector_park(vcpu);
        uint64_t value = vcpu->wires->io_read(vcpu->wires->machine, port, op.size);
        if (!mmu_write(vcpu, at, op.size, vcpu_user(vcpu), value))
            return EXEC_FAULT;
        string_advance(vcpu, &op, REG_RDI, 1);
        if (string_pauses(vcpu, &op, &count, 1))
            return EXEC_REPEAT;
    }
    return EXEC_NEXT;
}

enum exec_result exec_outs(struct vcpu *vcpu, const struct insn *insn)
{
    struct string_op op = string_begin(vcpu, insn, io_operand_size(insn));
    uint16_t port = (uint16_t)vcpu->gpr[REG_RDX];
    for (uint64_t count = string_count(vcpu, &op); count;) {
        uint64_t value;
        if (!io_allowed(vcpu, port, op.size) ||
            !seg_read(vcpu, op.source, reg_read(vcpu, REG_RSI, op.width), op.size, &value))
            return EXEC_FAULT;
        vector_park(vcpu);
        vcpu->wires->io_write(vcpu->wires->machine, port, value, op.size);
        string_advance(vcpu, &op, REG_RSI, 1);
        if (string_pauses(vcpu, &op, &count, 1))
            return EXEC_REPEAT;
    }
    return EXEC_NEXT;
}

enum exec_result exec_xlat(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t offset = zero_extend(vcpu->gpr[REG_RBX] + reg_read(vcpu, REG_RAX, 1), insn->address_size), value;
    if (!seg_read(vcpu, insn_implicit_segment(insn), offset, 1, &value))
        return EXEC_FAULT;
    reg_write(vcpu, REG_RAX, 1, value);
    return EXEC_NEXT;
}
