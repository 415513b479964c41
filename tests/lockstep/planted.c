/*
 * Shows that `-accel verify` finds mistakes of the translator: each test plants one into this program's copy of it,
 * runs a snippet that meets the mistake, and wants a report that names the instruction and what is wrong.
 *
 * The linker's --wrap puts the functions below between the translator's parts (tests/CMakeLists.txt), so that nothing
 * in the product knows of them. Without a planted mistake the same snippets must run to their end.
 */
#include <stdio.h>
#include <string.h>

#include "tests/instructions/lab.h"
#include "tests/instructions/random.h"
#include "tests/instructions/watchdog.h"
#include "translator/emit.h"
#include "translator/verify.h"

#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/reencode.h"

enum mistake {
    NO_MISTAKE,
    LOST_FLAG,
    WRONG_WIDTH,
    NOT_EXTENDED,
    WRONG_DISPLACEMENT,
    STALE_LOOKUP,
    WRONG_CONDITION,
    EARLY_CHANGE,
    WRONG_RIP,
    STALE_CODE,
    NO_SEGMENT_BASE,
    NO_PAGE_END,
    WRONG_VECTOR,
    WRONG_LINK,
    KEPT_LINK,
    KEPT_JUMP,
    OTHER_MODE_JUMP,
    BLIND_LANDING,
    ENDLESS_LOOP,
    WRONG_ROUND,
};

static enum mistake planted;
static struct lab lab;

/* ---- between the translator's parts ---- */

unsigned __real_insn_reencode(uint8_t *out, const struct insn *insn, const struct host_operands *host);
unsigned __wrap_insn_reencode(uint8_t *out, const struct insn *insn, const struct host_operands *host);
void __real_emit_native(struct translation_job *job);
void __wrap_emit_native(struct translation_job *job);
bool __real_emit_flow(struct translation_job *job);
bool __wrap_emit_flow(struct translation_job *job);
uint32_t __real_emit_lookup(struct translation_job *job, const struct address *address, unsigned size,
                            enum access access, bool aligned);
uint32_t __wrap_emit_lookup(struct translation_job *job, const struct address *address, unsigned size,
                            enum access access, bool aligned);
void __real_tcache_written(struct tcache *cache, struct vcpu *vcpu, uint64_t offset, uint64_t size);
void __wrap_tcache_written(struct tcache *cache, struct vcpu *vcpu, uint64_t offset, uint64_t size);
void __real_tcache_link(struct tcache *cache, struct vcpu *vcpu, struct exit *exit, struct tb *to);
void __wrap_tcache_link(struct tcache *cache, struct vcpu *vcpu, struct exit *exit, struct tb *to);

void __real_shadow_forget_code(struct vcpu *vcpu);
void __wrap_shadow_forget_code(struct vcpu *vcpu);
void __real_view_forget_code(struct view *view);
void __wrap_view_forget_code(struct view *view);

/* The interpreter writes its thunks with this too; they stay right. */
unsigned __wrap_insn_reencode(uint8_t *out, const struct insn *insn, const struct host_operands *host)
{
    const struct tcache *cache = &((const struct bt *)lab.vcpu->engine)->cache;
    struct insn changed = *insn;
    struct host_operands operands = *host;
    if (out < cache->rw || out >= cache->rw + cache->size)
        return __real_insn_reencode(out, insn, host);
    if (planted == WRONG_WIDTH && changed.operand_size == 2)
        changed.operand_size = 4;
    if (planted == NOT_EXTENDED && changed.opcode == 0x89)
        changed.rex |= 8;
    if (planted == WRONG_DISPLACEMENT && changed.mem.present)
        operands.disp += 8;
    if (planted == WRONG_VECTOR && changed.vector == VECTOR_SSE)
        changed.reg ^= 1;
    return __real_insn_reencode(out, &changed, &operands);
}

void __wrap_emit_native(struct translation_job *job)
{
    uint32_t sites = job->bt->cache.site_count;
    uint8_t segment = job->insn.mem.segment;
    if (planted == EARLY_CHANGE && job->insn.mem.present)
        e_lea(&job->e, true, HOST_RDX, HOST_RDX, HOST_NONE, 1, 1);
    if (planted == NO_SEGMENT_BASE)
        job->insn.mem.segment = SEG_DS;
    __real_emit_native(job);
    job->insn.mem.segment = segment;
    if (planted == EARLY_CHANGE && job->insn.mem.present)
        e_lea(&job->e, true, HOST_RDX, HOST_RDX, HOST_NONE, 1, -1);
    if (planted == LOST_FLAG && job->insn.flags_written)
        e8(&job->e, 0xf8); /* clc */
    if (planted == WRONG_ROUND && job->rounds > 1)
        e_lea(&job->e, true, HOST_RBX, HOST_RBX, HOST_NONE, 1, 8);
    for (uint32_t i = sites; planted == WRONG_RIP && i < job->bt->cache.site_count; i++)
        job->bt->cache.sites[i].guest = (uint16_t)(job->bt->cache.sites[i].guest + 1);
}

/* The landing behind a CALL jumps to the return address without having compared: JRCXZ becomes JMP. */
static void blind_landing(uint8_t *from, const uint8_t *to)
{
    static const uint8_t compare[] = {0xe3, 0x05, 0xe9}; /* jrcxz +5; jmp jump_lookup */
    for (; from + sizeof(compare) <= to; from++)
        if (!memcmp(from, compare, sizeof(compare)))
            *from = 0xeb;
}

bool __wrap_emit_flow(struct translation_job *job)
{
    uint8_t *start = job->e.at;
    bool jcc = job->insn.map == 0 && (job->insn.opcode & 0xf0) == 0x70;
    if ((planted == WRONG_CONDITION || planted == ENDLESS_LOOP) && jcc)
        job->insn.opcode ^= 1;
    bool done = __real_emit_flow(job);
    if (planted == BLIND_LANDING && job->insn.opcode == 0xe8)
        blind_landing(start, job->e.at);
    return done;
}

/* rcx still holds what the last look-up left. */
uint32_t __wrap_emit_lookup(struct translation_job *job, const struct address *address, unsigned size,
                            enum access access, bool aligned)
{
    if (planted == STALE_LOOKUP && job->tb->instructions) {
        uint32_t site = site_add(job, SITE_ACCESS);
        job->bt->cache.sites[site].size = (uint8_t)size;
        job->bt->cache.sites[site].access = (uint8_t)access;
        return site;
    }
    return __real_emit_lookup(job, address, size, access, aligned || planted == NO_PAGE_END);
}

static bool dropping; /* blocks, because they were written to */

/* KEPT_LINK: an exit keeps the way to a block that is dropped. */
void __wrap_tcache_written(struct tcache *cache, struct vcpu *vcpu, uint64_t offset, uint64_t size)
{
    static uint8_t link[64][4];
    if (planted == STALE_CODE)
        return;
    for (uint32_t i = 1; i < cache->exit_count && i < ARRAY_LEN(link); i++)
        memcpy(link[i], cache->rw + cache->exits[i].patch, 4);
    dropping = true;
    __real_tcache_written(cache, vcpu, offset, size);
    dropping = false;
    for (uint32_t i = 1; planted == KEPT_LINK && i < cache->exit_count && i < ARRAY_LEN(link); i++)
        if (cache->exits[i].patch)
            memcpy(cache->rw + cache->exits[i].patch, link[i], 4);
}

void __wrap_shadow_forget_code(struct vcpu *vcpu)
{
    if (planted != KEPT_JUMP || !dropping)
        __real_shadow_forget_code(vcpu);
}

/* Called when the view's mode is another one than before. */
void __wrap_view_forget_code(struct view *view)
{
    if (planted != OTHER_MODE_JUMP)
        __real_view_forget_code(view);
}

void __wrap_tcache_link(struct tcache *cache, struct vcpu *vcpu, struct exit *exit, struct tb *to)
{
    if (planted == WRONG_LINK)
        for (uint32_t i = 1; i < cache->tb_count; i++) /* another block of the page */
            if (cache->tbs[i].valid && cache->tbs[i].lin > to->lin && cache->tbs[i].mode == to->mode)
                to = &cache->tbs[i];
    __real_tcache_link(cache, vcpu, exit, to);
}

/* ---- the snippets ---- */

#define CODE(...) .code = {__VA_ARGS__}, .size = sizeof((uint8_t[]){__VA_ARGS__})
/* Far enough to stay when code at the beginning is written to. */
#define FAR_CODE(...) .far_code = {__VA_ARGS__}, .far_size = sizeof((uint8_t[]){__VA_ARGS__})
enum { FAR = 0x90 };

/* RBX: a word in the first data page; RSI: one in the second; RDI: one in the read-only page. 64-bit code at CODE_BASE.
 */
static const struct test {
    const char *name;
    enum mistake mistake;
    uint8_t code[64];
    uint8_t size;
    const char *report[6]; /* parts of it */
    bool windows;
    uint8_t far_code[32];
    uint8_t far_size;
} tests[] = {
    {"a flag is lost",
     LOST_FLAG,
     CODE(0xb8, 0xff, 0xff, 0xff, 0xff, /* mov eax, -1 */
          0x01, 0xd0,                   /* add eax, edx */
          0x89, 0xc1, 0xcc),
     {"first wrong step", "20000005: add eax, edx\n", "CF: translated 0, interpreted 1"}},
    {"16-bit operand executed as 32 bits",
     WRONG_WIDTH,
     CODE(0x31, 0xc0,             /* xor eax, eax */
          0x66, 0xff, 0xc8, 0xcc, /* dec ax */
          0xcc),
     {"first wrong step", "20000002: dec ax\n", "rax: translated ffffffff, interpreted ffff\n"}},
    {"32-bit result not zero-extended",
     NOT_EXTENDED,
     CODE(0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff, /* mov rax, -1 */
          0x89, 0xc2, 0xcc),                        /* mov edx, eax */
     {"first wrong step", "20000007: mov edx, eax\n", "rdx: translated ffffffffffffffff, interpreted ffffffff\n"}},
    {"displacement of a load",
     WRONG_DISPLACEMENT,
     CODE(0x90, 0x48, 0x8b, 0x43, 0x10, 0xcc), /* mov rax, [rbx + 10h] */
     {"first wrong step", "20000001: mov rax, qword ptr [rbx + 0x10]\n", "rax: translated "}},
    {"displacement of a store",
     WRONG_DISPLACEMENT,
     CODE(0x90, 0x89, 0x53, 0x10, 0xcc), /* mov [rbx + 10h], edx */
     {"first wrong step", "20000001: mov dword ptr [rbx + 0x10], edx\n", "RAM, byte "}},
    {"look-up of another page used again",
     STALE_LOOKUP,
     CODE(0x48, 0x8b, 0x03,        /* mov rax, [rbx] */
          0x48, 0x8b, 0x16, 0xcc), /* mov rdx, [rsi] */
     {"first wrong step, in a block with those before it", "20000003: mov rdx, qword ptr [rsi]\n", "rdx: translated "}},
    {"condition of a branch",
     WRONG_CONDITION,
     CODE(0x85, 0xdb,              /* test ebx, ebx */
          0x74, 0x02,              /* jz +2 */
          0xff, 0xc2, 0x90, 0xcc), /* inc edx */
     {"first wrong step", "20000002: je 0x20000006\n", "rip: translated 20000006, interpreted 20000004\n"}},
    {"a register changes before the fault",
     EARLY_CHANGE,
     CODE(0x90, 0x89, 0x07, 0xcc), /* mov [rdi], eax */
     {"first wrong step", "20000001: mov dword ptr [rdi], eax\n", "rdx: translated 2, interpreted 1\n"}},
    {"RIP of a fault",
     WRONG_RIP,
     CODE(0x90, 0x89, 0x07, 0xcc), /* mov [rdi], eax */
     {"first wrong step", "20000001: mov dword ptr [rdi], eax\n", "rip: translated 20000002, interpreted 20000001\n"}},
    {"changed code runs as it was",
     STALE_CODE,
     CODE(0xe8, 0x0e, 0x00, 0x00, 0x00,                   /* call 20000013h */
          0xfe, 0x05, 0x09, 0x00, 0x00, 0x00,             /* inc byte [20000014h] */
          0xe8, 0x03, 0x00, 0x00, 0x00, 0xcc, 0xcc, 0xcc, /* call 20000013h */
          0xb0, 0x05, 0xc3),                              /* mov al, 5; ret */
     {"stale: translated again, it is right", "20000013: mov al, 6\n", "rax: translated "}},
    {"no segment base",
     NO_SEGMENT_BASE,
     CODE(0x90, 0x64, 0x8b, 0x03, 0xcc), /* mov eax, fs:[rbx] */
     {"first wrong step", "20000001: mov eax, dword ptr fs:[rbx]\n", "rax: translated "}},
    {"page end not checked",
     NO_PAGE_END,
     CODE(0x8b, 0x03, 0x8b, 0x06, 0x89, 0x56, 0xfe, 0xcc), /* mov eax, [rbx]; mov eax, [rsi]; mov [rsi - 2], edx */
     {"first wrong step", "20000004: mov dword ptr [rsi - 2], edx\n", "RAM, byte "}},
    {"wrong vector register",
     WRONG_VECTOR,
     CODE(0x90, 0x0f, 0x28, 0xc2, 0xcc), /* movaps xmm0, xmm2 */
     {"first wrong step", "20000001: movaps xmm0, xmm2\n", "xmm0: translated ", "xmm1: translated "}},
    {"blocks linked to the wrong one",
     WRONG_LINK,
     CODE(0xf6, 0xc2, 0x01,  /* test dl, 1 */
          0x75, 0x02,        /* jnz 20000007h */
          0xff, 0xc0,        /* inc eax */
          0xff, 0xc2,        /* inc edx */
          0x83, 0xfa, 0x20,  /* cmp edx, 20h */
          0x75, 0xf2, 0xcc), /* jnz 20000000h */
     {"wrong where blocks are linked", "the link to 20000005 leads to the block at 20000007", "20000005: inc eax\n",
      "rax: translated"}},
    {"a link that leads back is kept", KEPT_LINK,
     CODE(0xb0, 0x05,                              /* mov al, 5 */
          0xe9, 0x89, 0x00, 0x00, 0x00),           /* jmp 20000090h */
     FAR_CODE(0xff, 0xc2,                          /* inc edx */
              0x83, 0xfa, 0x05, 0x74, 0x0b,        /* cmp edx, 5; jz 200000a2h */
              0xfe, 0x05, 0x64, 0xff, 0xff, 0xff,  /* inc byte [20000001h] */
              0xe9, 0x5e, 0xff, 0xff, 0xff, 0xcc), /* jmp 20000000h */
     .report = {"wrong where blocks are linked", "the link to 20000000 leads to a dropped block at 20000000\n",
                "20000000: mov al, ", "rax: translated"}},
    {"the jump cache has code that was changed", KEPT_JUMP,
     CODE(0xb0, 0x05,                                   /* mov al, 5 */
          0xe9, 0x89, 0x00, 0x00, 0x00),                /* jmp 20000090h */
     FAR_CODE(0xff, 0xc2,                               /* inc edx */
              0x83, 0xfa, 0x05, 0x74, 0x0f,             /* cmp edx, 5; jz 200000a6h */
              0xfe, 0x05, 0x64, 0xff, 0xff, 0xff,       /* inc byte [20000001h] */
              0x48, 0x8d, 0x0d, 0x5c, 0xff, 0xff, 0xff, /* lea rcx, [20000000h] */
              0xff, 0xe1, 0xcc),                        /* jmp rcx */
     .report = {"wrong where blocks are linked",
                "the jump cache's entry for 20000000 leads to a dropped block at 20000000\n", "20000000: mov al, ",
                "rax: translated"}},
    {"the jump cache has code of another mode",
     OTHER_MODE_JUMP,
     CODE(0x48, 0x8d, 0x0d, 0x02, 0x00, 0x00, 0x00, /* lea rcx, [20000009h] */
          0xff, 0xe1,                               /* jmp rcx */
          0x52, 0x58, 0xff, 0xc2,                   /* push rdx; pop rax; inc edx */
          0x83, 0xfa, 0x03, 0x74, 0x06,             /* cmp edx, 3; jz 20000018h */
          0x48, 0x8d, 0x66, 0x04,                   /* lea rsp, [rsi + 4] */
          0xff, 0xe1, 0xcc),                        /* jmp rcx */
     {"wrong where blocks are linked",
      "the jump cache's entry for 20000009 leads to the block of another mode at 20000009\n", "20000009: push rdx\n",
      "RAM, byte "}},
    {"a RET lands where it should not",
     BLIND_LANDING,
     CODE(0xe8, 0x03, 0x00, 0x00, 0x00,  /* call 20000008h */
          0xff, 0xc2, 0xcc,              /* inc edx */
          0x0f, 0xa2,                    /* cpuid: goes through C */
          0x80, 0x04, 0x24, 0x02, 0xc3), /* add byte [rsp], 2; ret */
     {"wrong where blocks are linked", "links and jump cache lead where they should", "2000000e: ret\n",
      "rip: translated 20000005, interpreted 20000007\n"}},
    {"a loop does not end",
     ENDLESS_LOOP,
     CODE(0x31, 0xc0, 0x85, 0xc0, 0x75, 0xfc, 0xcc), /* xor eax, eax; test eax, eax; jnz 20000002h */
     {"first wrong step", "20000004: jne 0x20000002\n", "rip: translated 20000002, interpreted 20000006\n"}},
    {"the second round of a loop", WRONG_ROUND,
     CODE(0x31, 0xc9,        /* xor ecx, ecx */
          0x31, 0xd2,        /* xor edx, edx */
          0xeb, 0x01, 0x90,  /* jmp 20000007h */
          0x8b, 0x03,        /* mov eax, [rbx] */
          0x83, 0xc2, 0x01,  /* add edx, 1 */
          0x83, 0xfa, 0x05,  /* cmp edx, 5 */
          0x75, 0xf6,        /* jnz 20000007h */
          0x83, 0xc1, 0x01,  /* add ecx, 1 */
          0x83, 0xf9, 0x0c,  /* cmp ecx, 12 */
          0x75, 0xe9, 0xcc), /* jnz 20000002h */
     .windows = true,        /* stays open: the last test */
     .report = {"first wrong step, in a block with those before it", "2000000f: jne 0x20000007\n  20000007: mov eax",
                "rbx: translated 10000108, interpreted 10000100\n"}},
};

static void load(const struct test *test)
{
    struct experiment x = {.mode = LAB_64, .cpl = 3, .flush = true, .code_size = FAR + sizeof(test->far_code)};
    memset(x.code, 0xcc, sizeof(x.code));
    memcpy(x.code, test->code, test->size);
    memcpy(x.code + FAR, test->far_code, test->far_size);
    lab.vcpu->shadow->no_windows = !test->windows;
    random_vector(&(struct random){1}, x.before.vector);
    x.before.rip = CODE_BASE;
    x.before.flags = FLAG_FIXED;
    x.before.gpr[REG_RDX] = 1;
    x.before.gpr[REG_RBX] = DATA_BASE + 0x100;
    x.before.gpr[REG_RSI] = DATA_BASE + 0x1000;
    x.before.gpr[REG_RDI] = DATA_BASE + PAGE_RO0 * 0x1000 + 0x20;
    x.before.gpr[REG_RSP] = DATA_BASE + 0x800;
    lab_load(&lab, &x);
}

static bool says_all(const char *report, const char *const *parts)
{
    for (unsigned i = 0; parts[i]; i++)
        if (!strstr(report, parts[i])) {
            printf("FAILED: the report does not say \"%s\":\n%s", parts[i], report);
            return false;
        }
    return true;
}

/* With the mistake, and before that without. */
static bool run(const struct test *test)
{
    struct bt *bt = lab.vcpu->engine;
    planted = NO_MISTAKE;
    tcache_flush(&bt->cache, lab.vcpu);
    load(test);
    if (lab.engine->run(lab.vcpu) != RUN_HALTED) {
        printf("FAILED: without the mistake verify says:\n%s", bt->verify->report);
        return false;
    }
    planted = test->mistake;
    tcache_flush(&bt->cache, lab.vcpu);
    load(test);
    enum run_exit exit = lab.engine->run(lab.vcpu);
    verify_reset(bt->verify);
    if (exit == RUN_FAILED)
        return says_all(bt->verify->report, test->report);
    printf("FAILED: verify does not see it\n");
    return false;
}

static void stop_vcpu(void *vcpu)
{
    vcpu_kick(vcpu, EVENT_STOP);
}

int main(int argc, char **argv)
{
    struct error err;
    unsigned failed = 0;
    data_pool_fill(1);
    if (lab_create(&lab, &engine_verify, HOST_PATIENCE, &err)) {
        printf("cannot make the lab: %s\n", err.text);
        return 77;
    }
    watchdog_start(stop_vcpu, lab.vcpu);
    for (unsigned i = 0; i < ARRAY_LEN(tests); i++) {
        watchdog_begin(i);
        bool right = run(&tests[i]);
        watchdog_end();
        printf("%-45s %s\n", tests[i].name, right ? "seen" : "NOT SEEN");
        if (argc > 1 && !strcmp(argv[1], "-v"))
            printf("%s\n", ((struct bt *)lab.vcpu->engine)->verify->report);
        failed += !right;
    }
    lab_destroy(&lab);
    return failed ? 1 : 0;
}
