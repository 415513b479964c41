/*
 * Compares engine and host: everything that the architecture defines and, as both ran on the same silicon, what it
 * leaves undefined. Not compared: the last x87 instruction's address, opcode and operand (FIP, FDP, FOP), in registers
 * or as FNSTENV and FNSAVE store them. Where vendors differ and the engine does one of both, leeway_of() and
 * either_exception() say so; encodings that are not tried at all are in insn_testable(), build.c says where an operand
 * of some is not put. "Intel" was seen on a Xeon that has AMX, "AMD" on family 19h.
 */
#include "tests/instructions/compare.h"

#include "cpu-model/exec/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    FLAGS_COMPARED = FLAGS_ARITHMETIC | FLAG_DF | FLAG_NT | FLAG_RF | FLAG_AC,
};

/* What implementations may do differently when an access faults. */
enum leeway {
    EXACT = 0,
    ANY_ADDRESS = 1 << 0,   /* which of the accesses comes first: FNSTENV and kin, CMPS, masked stores */
    ANY_FLAGS = 1 << 1,     /* REP CMPS, REP SCAS: some write the flags of the iterations done */
    ANY_REGISTERS = 1 << 2, /* POPA: some keep what was popped */
    ANY_VECTORS = 1 << 3,   /* gathers: some write back what was gathered */
    ANY_TOP = 1 << 4,       /* MMX stores: Intel has set TOP to 0 by then */
    ANY_MXCSR = 1 << 5,     /* VCVTPS2PH: Intel has set the flags of the conversion by then */
    PART_STORED = 1 << 6,   /* 80-bit x87 stores across pages: Intel has stored the fraction's 8 bytes by then */
    /* Faults or not: */
    ANY_UPPER = 1 << 7,   /* repeated string instructions with 32-bit addresses in 64-bit code, see any_upper() */
    HALF_PUSHED = 1 << 8, /* PUSH of a segment register, 32 bits: Intel stores 16 (SDM), AMD 32 */
};

/* What differences are judged by. */
struct context {
    const struct program *program;
    const struct image *host, *guest;
    uint64_t flags;  /* FLAG_*: those to be compared */
    unsigned leeway; /* enum leeway */
};

struct report {
    char *text;
    size_t room, used;
    unsigned differences;
};

static void __attribute__((format(printf, 2, 3))) differ(struct report *r, const char *format, ...)
{
    va_list args;
    if (r->differences++ >= 12 || r->used >= r->room)
        return;
    va_start(args, format);
    r->used += (size_t)vsnprintf(r->text + r->used, r->room - r->used, format, args);
    va_end(args);
}

static bool memory_fault(const struct image *after)
{
    return after->trap >= EXC_SS && after->trap <= EXC_PF;
}

static bool vcvtps2ph(const struct insn *insn)
{
    return insn->encoding == ENCODING_VEX && insn->map == 3 && insn->opcode == 0x1d;
}

static unsigned leeway_of_fault(const struct insn *insn)
{
    exec_fn *f = insn->rule->function;
    bool store = insn->mem.present && insn->mem.access & MEM_WRITE;
    if (f == exec_vgather || f == exec_maskmov || (f == exec_vmaskmov && store))
        return ANY_VECTORS | ANY_ADDRESS;
    if (f == exec_popa)
        return ANY_REGISTERS | ANY_ADDRESS;
    if ((f == exec_scas || f == exec_cmps) && (insn->rep || insn->repne))
        return ANY_FLAGS | ANY_ADDRESS;
    if (f == exec_cmps || f == exec_enter || insn->mem.size > 64)
        return ANY_ADDRESS;
    if (insn->vector == VECTOR_X87)
        return insn->mem.size > 10 ? ANY_ADDRESS : insn->mem.size == 10 && store ? PART_STORED : EXACT;
    if (insn->vector == VECTOR_MMX && store)
        return ANY_TOP;
    return store && vcvtps2ph(insn) ? ANY_MXCSR : EXACT;
}

/* Intel clears the upper halves of RCX, RSI and RDI even if ECX was 0 or the first access faults; AMD does once an
 * iteration has been done. */
static bool any_upper(const struct insn *insn, const struct program *program, const struct image *host)
{
    exec_fn *f = insn->rule->function;
    bool string = f == exec_movs || f == exec_cmps || f == exec_stos || f == exec_lods || f == exec_scas;
    return string && (insn->rep || insn->repne) && insn->code_size == 8 && insn->address_size == 4 &&
           (memory_fault(host) || !(uint32_t)program->experiment.before.gpr[REG_RCX]);
}

static unsigned leeway_of(const struct insn *insn, const struct program *program, const struct image *host)
{
    return (memory_fault(host) ? leeway_of_fault(insn) : 0) | (any_upper(insn, program, host) ? ANY_UPPER : 0) |
           (insn_pushes_half(insn) ? HALF_PUSHED : 0);
}

/*
 * Where not even the exception is the same:
 *  - MASKMOVDQU: bytes that are not stored may fault or not;
 *  - BOUND: Intel reads the lower bound and traps, AMD reads both bounds first;
 *  - x87 stores of what raises an unmasked exception: Intel stores nothing and does not look at the place, AMD does;
 *  - VCVTPS2PH: on Intel an unmasked exception of the conversion comes before page faults, on AMD after them;
 *  - SHA: on Intel the operand must be aligned, and that comes before page faults;
 *  - PUSH of a segment register: the half that Intel does not store does not fault.
 */
static bool either_exception(const struct insn *insn, const struct image *host, const struct image *guest)
{
    exec_fn *f = insn->rule->function;
    if (f == exec_maskmov)
        return memory_fault(host) && guest->trap == EXC_BP;
    if (!memory_fault(guest))
        return false;
    if (insn->vector == VECTOR_X87)
        return insn->mem.access & MEM_WRITE && ~guest->vector[0] & 0x3f && !memory_fault(host);
    if (vcvtps2ph(insn))
        return host->trap == EXC_XM;
    if (guest->trap != EXC_PF)
        return false;
    if (f == exec_bound)
        return host->trap == EXC_BR;
    if (insn->map == 2 && insn->opcode >= 0xc8 && insn->opcode <= 0xcd && insn->encoding != ENCODING_VEX)
        return host->trap == EXC_GP;
    if (insn->map == 3 && insn->opcode == 0xcc && insn->encoding != ENCODING_VEX)
        return host->trap == EXC_GP;
    return insn_pushes_half(insn) && host->trap == EXC_BP;
}

/* The program's only instruction, or the one of a sequence that `after` says faulted. NULL: none. */
static const struct insn *insn_at_fault(const struct lab *lab, const struct program *program, const struct image *after,
                                        struct insn *insn)
{
    const struct experiment *x = &program->experiment;
    uint64_t at = x->before.rip;
    if (program->items == 1 && program->insn.rule)
        return &program->insn;
    for (unsigned i = 0; i < program->items; i++) {
        const struct item *item = &program->item[i];
        if (item->dropped)
            continue;
        if (at == after->rip)
            return insn_decode(insn, &lab->vcpu->features, lab_code_size(x->mode), item->bytes, 15) ? insn : NULL;
        at += item->length;
    }
    return NULL;
}

static void compare_words(struct report *r, const struct context *c)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    const struct image *host = c->host, *guest = c->guest;
    bool wide = c->program->experiment.mode == LAB_64;
    uint64_t mask = wide ? ~0ull : 0xffffffff;
    for (unsigned i = 0; i < (wide ? 16u : 8u) && !(c->leeway & ANY_REGISTERS); i++) {
        bool counts = i == REG_RCX || i == REG_RSI || i == REG_RDI;
        if ((host->gpr[i] ^ guest->gpr[i]) & (c->leeway & ANY_UPPER && counts ? 0xffffffff : mask))
            differ(r, "  %-6s host %016llx  guest %016llx\n", names[i], (unsigned long long)host->gpr[i],
                   (unsigned long long)guest->gpr[i]);
    }
    if ((host->rip ^ guest->rip) & mask)
        differ(r, "  rip    host %016llx  guest %016llx\n", (unsigned long long)host->rip,
               (unsigned long long)guest->rip);
    if ((host->flags ^ guest->flags) & c->flags && !(c->leeway & ANY_FLAGS))
        differ(r, "  flags  host %08llx  guest %08llx\n", (unsigned long long)host->flags,
               (unsigned long long)guest->flags);
}

static void compare_exception(struct report *r, const struct context *c)
{
    const struct image *host = c->host, *guest = c->guest;
    uint32_t code = 0xffffffff;
    if (host->trap != guest->trap) {
        differ(r, "  exception: host %u (code %x, cr2 %llx), guest %u (code %x, cr2 %llx)\n", host->trap,
               host->error_code, (unsigned long long)host->cr2, guest->trap, guest->error_code,
               (unsigned long long)guest->cr2);
        return;
    }
    if (c->program->experiment.cpl == 0)
        code &= ~(uint32_t)PF_U;
    if (host->trap == EXC_PF && host->cr2 >> 47) /* Linux hides what is mapped there */
        code &= ~(uint32_t)PF_P;
    if ((host->error_code ^ guest->error_code) & code && host->trap != EXC_BP)
        differ(r, "  error code of exception %u: host %x, guest %x\n", host->trap, host->error_code, guest->error_code);
    if (host->trap == EXC_PF && host->cr2 != guest->cr2 && !(c->leeway & ANY_ADDRESS))
        differ(r, "  cr2    host %016llx  guest %016llx\n", (unsigned long long)host->cr2,
               (unsigned long long)guest->cr2);
}

static uint64_t load(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, p, size);
    return v;
}

/* Turns the host's x87 stack, if its TOP is 0, to the guest's TOP. */
static void turn_stack(uint8_t *host, const uint8_t *guest)
{
    unsigned top = guest[3] >> 3 & 7;
    uint8_t stack[8][16];
    if (host[3] & 0x38)
        return;
    memcpy(stack, host + 32, sizeof(stack));
    for (unsigned i = 0; i < 8; i++)
        memcpy(host + 32 + 16 * i, stack[(i + top) & 7], 16);
    host[3] |= (uint8_t)(top << 3);
}

static void compare_vector(struct report *r, const struct context *c)
{
    const uint8_t *guest = c->guest->vector;
    unsigned registers = c->program->experiment.mode == LAB_64 ? 16 : 8;
    uint8_t host[VECTOR_BYTES];
    memcpy(host, c->host->vector, sizeof(host));
    if (c->leeway & ANY_TOP)
        turn_stack(host, guest);
    if (c->leeway & ANY_MXCSR)
        host[24] = (uint8_t)((host[24] & ~0x3f) | (guest[24] & 0x3f));
    static const struct {
        const char *name;
        uint8_t at, size;
    } fields[] = {{"fcw", 0, 2}, {"fsw", 2, 2}, {"ftw", 4, 1}, {"mxcsr", 24, 4}};
    for (unsigned i = 0; i < ARRAY_LEN(fields); i++)
        if (memcmp(host + fields[i].at, guest + fields[i].at, fields[i].size))
            differ(r, "  %-6s host %llx  guest %llx\n", fields[i].name,
                   (unsigned long long)load(host + fields[i].at, fields[i].size),
                   (unsigned long long)load(guest + fields[i].at, fields[i].size));
    for (unsigned i = 0; i < 8; i++) {
        const uint8_t *a = host + 32 + 16 * i, *b = guest + 32 + 16 * i;
        if (memcmp(a, b, 10))
            differ(r, "  st%u    host %04llx.%016llx  guest %04llx.%016llx\n", i, (unsigned long long)load(a + 8, 2),
                   (unsigned long long)load(a, 8), (unsigned long long)load(b + 8, 2), (unsigned long long)load(b, 8));
    }
    for (unsigned i = 0; i < 32; i++) {
        if (i % 16 >= registers) /* out of reach of the code */
            continue;
        unsigned at = i < 16 ? 160 + 16 * i : 576 + 16 * (i - 16);
        const uint8_t *a = host + at, *b = guest + at;
        if (memcmp(a, b, 16))
            differ(r, "  %s%u%s   host %016llx.%016llx  guest %016llx.%016llx\n", i < 16 ? "xmm" : "ymm", i % 16,
                   i < 16 ? "" : "h", (unsigned long long)load(a + 8, 8), (unsigned long long)load(a, 8),
                   (unsigned long long)load(b + 8, 8), (unsigned long long)load(b, 8));
    }
}

/* FNSTENV and FNSAVE store what is not compared. */
static bool stores_environment(const struct program *program)
{
    for (unsigned i = 0; i < program->items; i++) {
        const struct item *item = &program->item[i];
        for (unsigned at = 0; at + 1 < item->length; at++)
            if ((item->bytes[at] == 0xd9 || item->bytes[at] == 0xdd) && item->bytes[at + 1] < 0xc0 &&
                (item->bytes[at + 1] >> 3 & 7) == 6)
                return true;
    }
    return false;
}

/* Bytes of memory that may differ: an end of what an instruction stores. */
static bool may_differ(const struct context *c, uint64_t at)
{
    bool short_stack = c->program->experiment.mode == LAB_COMPAT16;
    uint64_t rsp = c->host->gpr[REG_RSP];
    uint64_t top = short_stack ? DATA_BASE + (rsp & 0xffff) : (uint32_t)rsp;
    if (c->leeway & HALF_PUSHED && at >= top + 2 && at < top + 4)
        return true;
    return c->leeway & PART_STORED && at + 9 >= c->host->cr2 && at < c->host->cr2;
}

static void compare_data(struct report *r, const struct context *c, const struct lab *lab, const struct slot *slot)
{
    bool environment = stores_environment(c->program);
    for (unsigned p = 0; p < WRITABLE_PAGES; p++) {
        const uint8_t *host = slot->data + p * 4096, *guest = lab_data(lab, writable_page[p]);
        unsigned base = DATA_BASE + writable_page[p] * 4096u;
        if (environment || !memcmp(host, guest, 4096))
            continue;
        for (unsigned i = 0; i < 4096; i++)
            if (host[i] != guest[i] && !may_differ(c, base + i))
                differ(r, "  [%08x] host %02x  guest %02x  before %02x\n", base + i, host[i], guest[i],
                       data_pool[c->program->experiment.data_from + p * 4096 + i]);
    }
    for (unsigned page = PAGE_RO0; page <= PAGE_RO1; page += PAGE_RO1 - PAGE_RO0)
        if (memcmp(lab_data(lab, page), read_only_content(page), 4096))
            differ(r, "  read-only page %u was written\n", page);
}

bool results_equal(const struct lab *lab, const struct program *program, const struct slot *slot,
                   const struct image *guest, char *text, size_t room)
{
    struct report r = {.text = text, .room = room};
    struct context c = {.program = program, .host = &slot->after, .guest = guest, .flags = FLAGS_COMPARED};
    struct insn decoded;
    const struct insn *insn = insn_at_fault(lab, program, guest, &decoded);
    text[0] = 0;
    if (insn && either_exception(insn, c.host, guest))
        return true;
    if (insn) {
        c.leeway = leeway_of(insn, program, c.host);
        c.flags &= ~insn_flags_undefined(insn);
    }
    compare_exception(&r, &c);
    compare_words(&r, &c);
    if (!(c.leeway & ANY_VECTORS))
        compare_vector(&r, &c);
    compare_data(&r, &c, lab, slot);
    return r.differences == 0;
}
