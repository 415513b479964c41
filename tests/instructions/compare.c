/*
 * Compares engine and host: everything that the architecture defines and, as both ran on the same silicon, what it
 * leaves undefined. Not compared: the last x87 instruction's address, opcode and operand (FIP, FDP, FOP), in registers
 * or as FNSTENV and FNSAVE store them.
 */
#include "tests/instructions/compare.h"

#include "cpu-model/exec/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    FLAGS_COMPARED = FLAGS_ARITHMETIC | FLAG_DF | FLAG_NT | FLAG_RF | FLAG_AC,
};

/* What implementations may do differently when an access of an instruction with several of them faults. */
enum leeway {
    EXACT,
    ANY_ADDRESS,   /* which of the accesses comes first: FNSTENV and kin, CMPS, masked stores */
    ANY_FLAGS,     /* REP CMPS, REP SCAS: some write the flags of the iterations done */
    ANY_REGISTERS, /* POPA: some keep what was popped */
    ANY_VECTORS,   /* gathers: some write back what was gathered */
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

static enum leeway leeway_of_insn(const struct insn *insn)
{
    exec_fn *f = insn->rule->function;
    if (f == exec_vgather || f == exec_maskmov || (f == exec_vmaskmov && insn->mem.access & MEM_WRITE))
        return ANY_VECTORS;
    if (f == exec_popa)
        return ANY_REGISTERS;
    if ((f == exec_scas || f == exec_cmps) && (insn->rep || insn->repne))
        return ANY_FLAGS;
    if (f == exec_cmps || f == exec_enter)
        return ANY_ADDRESS;
    return insn->mem.size > 64 || (insn->vector == VECTOR_X87 && insn->mem.size > 10) ? ANY_ADDRESS : EXACT;
}

static enum leeway leeway_of(const struct program *program)
{
    return program->items == 1 ? leeway_of_insn(&program->insn) : EXACT;
}

static void compare_words(struct report *r, const struct program *program, const struct image *host,
                          const struct image *guest, enum leeway leeway)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    bool wide = program->experiment.mode == LAB_64;
    uint64_t mask = wide ? ~0ull : 0xffffffff;
    for (unsigned i = 0; i < (wide ? 16u : 8u) && leeway != ANY_REGISTERS; i++)
        if ((host->gpr[i] ^ guest->gpr[i]) & mask)
            differ(r, "  %-6s host %016llx  guest %016llx\n", names[i], (unsigned long long)host->gpr[i],
                   (unsigned long long)guest->gpr[i]);
    if ((host->rip ^ guest->rip) & mask)
        differ(r, "  rip    host %016llx  guest %016llx\n", (unsigned long long)host->rip,
               (unsigned long long)guest->rip);
    if ((host->flags ^ guest->flags) & FLAGS_COMPARED && leeway != ANY_FLAGS)
        differ(r, "  flags  host %08llx  guest %08llx\n", (unsigned long long)host->flags,
               (unsigned long long)guest->flags);
}

static void compare_exception(struct report *r, const struct program *program, const struct image *host,
                              const struct image *guest, enum leeway leeway)
{
    uint32_t code = 0xffffffff;
    if (host->trap != guest->trap) {
        differ(r, "  exception: host %u (code %x, cr2 %llx), guest %u (code %x, cr2 %llx)\n", host->trap,
               host->error_code, (unsigned long long)host->cr2, guest->trap, guest->error_code,
               (unsigned long long)guest->cr2);
        return;
    }
    if (program->experiment.cpl == 0)
        code &= ~(uint32_t)PF_U;
    if (host->trap == EXC_PF && host->cr2 >> 47) /* Linux hides what is mapped there */
        code &= ~(uint32_t)PF_P;
    if ((host->error_code ^ guest->error_code) & code && host->trap != EXC_BP)
        differ(r, "  error code of exception %u: host %x, guest %x\n", host->trap, host->error_code, guest->error_code);
    if (host->trap == EXC_PF && host->cr2 != guest->cr2 && leeway == EXACT)
        differ(r, "  cr2    host %016llx  guest %016llx\n", (unsigned long long)host->cr2,
               (unsigned long long)guest->cr2);
}

static uint64_t load(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;
    memcpy(&v, p, size);
    return v;
}

static void compare_vector(struct report *r, const struct program *program, const uint8_t *host, const uint8_t *guest)
{
    unsigned registers = program->experiment.mode == LAB_64 ? 16 : 8;
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

static void compare_data(struct report *r, const struct lab *lab, const struct program *program,
                         const struct slot *slot)
{
    bool environment = stores_environment(program);
    for (unsigned p = 0; p < WRITABLE_PAGES; p++) {
        const uint8_t *host = slot->data + p * 4096, *guest = lab_data(lab, writable_page[p]);
        if (environment || !memcmp(host, guest, 4096))
            continue;
        for (unsigned i = 0; i < 4096; i++)
            if (host[i] != guest[i])
                differ(r, "  [%08x] host %02x  guest %02x  before %02x\n", DATA_BASE + writable_page[p] * 4096 + i,
                       host[i], guest[i], data_pool[program->experiment.data_from + p * 4096 + i]);
    }
    for (unsigned page = PAGE_RO0; page <= PAGE_RO1; page += PAGE_RO1 - PAGE_RO0)
        if (memcmp(lab_data(lab, page), read_only_content(page), 4096))
            differ(r, "  read-only page %u was written\n", page);
}

bool results_equal(const struct lab *lab, const struct program *program, const struct slot *slot,
                   const struct image *guest, char *text, size_t room)
{
    struct report r = {.text = text, .room = room};
    text[0] = 0;
    if (program->items == 1 && program->insn.rule->function == exec_maskmov && slot->after.trap >= EXC_SS &&
        slot->after.trap <= EXC_PF && guest->trap == EXC_BP)
        return true; /* bytes that are not stored may fault or not */
    enum leeway leeway = slot->after.trap >= EXC_SS && slot->after.trap <= EXC_PF ? leeway_of(program) : EXACT;
    compare_exception(&r, program, &slot->after, guest, leeway);
    compare_words(&r, program, &slot->after, guest, leeway);
    if (leeway != ANY_VECTORS)
        compare_vector(&r, program, slot->after.vector, guest->vector);
    compare_data(&r, lab, program, slot);
    return r.differences == 0;
}
