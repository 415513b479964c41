/*
 * Golden listings: what chosen guest code is translated to, as text that is read in reviews.
 *
 * listings FOLDER compares with FOLDER/NAME.txt; listings --write FOLDER writes them anew. Addresses are given names:
 * members of the vCPU and of the view's tables, and places in the block relative to its start, so that a listing
 * changes only with the code. For hosts with BMI2 and a fast PEXT.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu-model/exec/disassemble.h"
#include "cpu-model/state/vector.h"
#include "tests/instructions/lab.h"
#include "tests/instructions/random.h"
#include "translator/emit.h"

#define CODE(...) .code = {__VA_ARGS__}, .size = sizeof((uint8_t[]){__VA_ARGS__})

static const struct snippet {
    const char *name, *what;
    enum lab_mode mode;
    bool kernel, window;
    uint8_t code[32];
    uint8_t size;
} snippets[] = {
    {"load", "a load of an aligned word, then a byte beside it", LAB_64, false, false,
     CODE(0x48, 0x8b, 0x43, 0x10, 0x8a, 0x4b, 0x11)},
    {"store", "a store, and a read-modify-write of a register that lives in the vCPU", LAB_64, false, false,
     CODE(0x89, 0x03, 0x4c, 0x01, 0x3e)},
    {"index", "base and index that live in the vCPU", LAB_64, false, false, CODE(0x43, 0x8b, 0x44, 0x97, 0x08)},
    {"shift", "a count in CL, which is R10B here", LAB_64, false, false, CODE(0xd3, 0xe2, 0x48, 0xd3, 0x2b)},
    {"stack", "pushes and pops: one check that RSP is aligned", LAB_64, false, false,
     CODE(0x53, 0x41, 0x57, 0x59, 0x6a, 0x05)},
    {"call", "call and return", LAB_64, false, false, CODE(0xe8, 0x01, 0x00, 0x00, 0x00, 0xcc, 0xc3)},
    {"loop", "a branch that leads back polls", LAB_64, false, false, CODE(0xff, 0xc9, 0x75, 0xfc)},
    {"indirect", "a jump through memory", LAB_64, false, false, CODE(0xff, 0x23)},
    {"vector", "a load of 16 bytes at any address, and one that must be aligned", LAB_64, false, false,
     CODE(0x0f, 0x10, 0x46, 0x05, 0x0f, 0x28, 0x0e)},
    {"bit-string", "a bit string in memory", LAB_64, false, false, CODE(0x0f, 0xab, 0x03)},
    {"segment", "32-bit code with a segment that has a base", LAB_LEGACY32, false, false,
     CODE(0x64, 0xa1, 0x04, 0x00, 0x00, 0x00)},
    {"sixteen-bit", "16-bit code in segments of 64 KiB", LAB_COMPAT16, false, false, CODE(0x8b, 0x40, 0x04, 0x50)},
    {"interrupts", "CLI and STI of a kernel", LAB_64, true, false, CODE(0xfa, 0xfb)},
    {"window", "loads through a window: the base's region is looked up once", LAB_64, false, true,
     CODE(0x48, 0x8b, 0x43, 0x10, 0x48, 0x8b, 0x53, 0x18)},
};

static struct lab lab;

/* ---- names ---- */

struct name {
    int64_t from, size;
    const char *text;
    unsigned step; /* of its elements; 0: one thing */
};

#define STATE(member)                                                                                                  \
    {                                                                                                                  \
        offsetof(struct vcpu, member), sizeof(((struct vcpu *)0)->member), #member, 0                                  \
    }
#define TABLE(member, bytes)                                                                                           \
    {                                                                                                                  \
        CONSTANT(member), sizeof(((struct view_constants *)0)->member), #member, bytes                                 \
    }

static const struct name names[] = {
    STATE(rip),
    STATE(flags),
    STATE(run),
    STATE(eflags),
    STATE(events),
    STATE(temp),
    STATE(last_branch),
    STATE(host_sp),
    {offsetof(struct vcpu, gpr), 128, "gpr", 8},
    {offsetof(struct vcpu, segment), sizeof(struct segment) * SEG_ALL, "segment", sizeof(struct segment)},
    TABLE(index_mask, 0),
    TABLE(jump_mask, 0),
    TABLE(page_offset, 0),
    TABLE(low_mask, 8),
    TABLE(page_mask, 0),
    TABLE(only_df, 0),
    TABLE(without_if, 0),
    TABLE(without_df, 0),
    TABLE(arithmetic, 0),
    TABLE(region_mask, 0),
    TABLE(paragraph_mask, 8),
    TABLE(low_bits, 256),
    TABLE(fits, 4096),
    {VIEW_JUMP_TAGS, 8 * JUMP_ENTRIES, "JUMP_TAGS", 0},
    {VIEW_JUMP_HOSTS, 8 * JUMP_ENTRIES, "JUMP_HOSTS", 0},
    {VIEW_REGIONS, 8 * WINDOW_REGIONS, "REGIONS", 0},
    {VIEW_READ, 1 << 30, "READ", 0},
    {VIEW_WRITE, 1 << 30, "WRITE", 0},
    {VIEW_EXEC, 1 << 30, "EXEC", 0},
};

/* A displacement from GS. */
static void name_state(int64_t disp, char *text, size_t room)
{
    static const char *const registers[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                              "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        int64_t into = disp - names[i].from;
        if (into < 0 || into >= names[i].size)
            continue;
        if (!strcmp(names[i].text, "gpr"))
            snprintf(text, room, "guest %s", registers[into / 8]);
        else if (names[i].step)
            snprintf(text, room, into % names[i].step ? "%s[%d] + %d" : "%s[%d]", names[i].text,
                     (int)(into / names[i].step), (int)(into % names[i].step));
        else
            snprintf(text, room, into ? "%s + %xh" : "%s", names[i].text, (unsigned)into);
        return;
    }
    snprintf(text, room, "%llxh", (unsigned long long)disp);
}

/* A place in host code. */
static void name_code(const struct bt *bt, const struct tb *tb, uint64_t at, char *text, size_t room)
{
    uint64_t offset = at - (uint64_t)(uintptr_t)bt->cache.rx;
    if (offset == bt->slow_entry)
        snprintf(text, room, "slow_entry");
    else if (offset == bt->exit_entry)
        snprintf(text, room, "exit_entry");
    else if (offset == bt->jump_entry)
        snprintf(text, room, "jump_entry");
    else if (offset == bt->jump_lookup)
        snprintf(text, room, "jump_lookup");
    else if (offset - tb->code < tb->code_size)
        snprintf(text, room, "+%02llx", (unsigned long long)(offset - tb->code));
    else
        snprintf(text, room, "another block");
}

/* Replaces the number at `from`, of `length` characters. */
static void replace(char *text, size_t room, char *from, size_t length, const char *with)
{
    char rest[160];
    snprintf(rest, sizeof(rest), "%s", from + length);
    snprintf(from, room - (size_t)(from - text), "%s%s", with, rest);
}

/* One host instruction with names for what may lie elsewhere tomorrow. */
static void give_names(const struct bt *bt, const struct tb *tb, char *text, size_t room)
{
    char name[64], *gs = strstr(text, "gs:[");
    if (gs) {
        char *number = strstr(gs, "0x");
        if (!number)
            return;
        int64_t value = (int64_t)strtoull(number, NULL, 16);
        char *start = number;
        if (number > gs + 6 && number[-2] == '-') {
            value = -value;
            start = number - 2;
        }
        name_state((int32_t)value, name, sizeof(name));
        size_t digits = 2 + strspn(number + 2, "0123456789abcdef");
        if (start != number) {
            memmove(start, "+ ", 2);
            start = number;
        }
        replace(text, room, number, digits, name);
        return;
    }
    char *number = strstr(text, " 0x");
    if (!number)
        return;
    uint64_t value = strtoull(number + 1, NULL, 16);
    size_t digits = 2 + strspn(number + 3, "0123456789abcdef");
    if (text[0] == 'j' || !strncmp(text, "call", 4)) {
        name_code(bt, tb, value, name, sizeof(name));
        replace(text, room, number + 1, digits, name);
    } else if (!strncmp(text, "movabs", 6) && value + (1ull << 46) > 1ull << 32 && value >> 32 != 0xffffffff) {
        replace(text, room, number + 1, digits, "-entry"); /* of a page that holds code: a host address */
    }
}

/* ---- listings ---- */

static void list_guest(FILE *out, const struct snippet *snippet)
{
    char text[96];
    for (unsigned at = 0, length; at < snippet->size; at += length) {
        length = disassemble_one(snippet->code + at, snippet->size - at, at, lab_code_size(snippet->mode), text,
                                 sizeof(text));
        fprintf(out, "    %s\n", text);
        if (!length)
            break;
    }
}

static void list_host(FILE *out, const struct bt *bt, const struct tb *tb)
{
    char text[192];
    for (uint32_t at = 0, length; at < tb->code_size; at += length) {
        const uint8_t *code = bt->cache.rw + tb->code + at;
        uint64_t address = (uint64_t)(uintptr_t)(bt->cache.rx + tb->code + at);
        length = disassemble_one(code, tb->code_size - at, address, 8, text, sizeof(text));
        give_names(bt, tb, text, sizeof(text));
        fprintf(out, "  +%02x  %s\n", at, text);
        if (!length)
            break;
        if (strstr(text, "slow_entry") || strstr(text, "exit_entry"))
            length += 4; /* the number of the site or exit */
    }
}

/* The block that the snippet begins with. */
static void list(FILE *out, const struct snippet *snippet)
{
    struct bt *bt = lab.vcpu->engine;
    struct experiment x = {.mode = (uint8_t)snippet->mode, .cpl = snippet->kernel ? 0 : 3, .flush = true};
    memcpy(x.code, snippet->code, snippet->size);
    x.code[snippet->size] = 0xcc;
    x.code_size = snippet->size + 1;
    random_vector(&(struct random){1}, x.before.vector);
    x.before.rip = snippet->mode == LAB_COMPAT16 ? 0 : CODE_BASE;
    x.before.flags = FLAG_FIXED;
    for (unsigned i = 0; i < 16; i++)
        x.before.gpr[i] = (snippet->mode == LAB_COMPAT16 ? 0 : DATA_BASE) + 0x100 + 0x40 * i;
    x.before.gpr[REG_RCX] = 1;
    lab.vcpu->shadow->no_windows = !snippet->window;
    lab.vcpu->shadow->eager_windows = snippet->window;
    tcache_flush(&bt->cache, lab.vcpu);
    lab_load(&lab, &x);
    lab.engine->run(lab.vcpu);
    fprintf(out, "%s\n\n", snippet->what);
    list_guest(out, snippet);
    fprintf(out, "\n");
    const struct tb *tb = NULL;
    for (uint32_t i = 1; i < bt->cache.tb_count && !tb; i++)
        if (bt->cache.tbs[i].lin == CODE_BASE && bt->modes.key[bt->cache.tbs[i].mode].window == snippet->window)
            tb = &bt->cache.tbs[i];
    if (tb)
        list_host(out, bt, tb);
}

static bool compare(const struct snippet *snippet, const char *path, const char *listing)
{
    char *line = NULL;
    size_t room = 0;
    unsigned number = 1;
    FILE *file = fopen(path, "r");
    bool same = file;
    while (same) {
        ssize_t got = getline(&line, &room, file);
        size_t length = got < 0 ? 0 : (size_t)got;
        same = !strncmp(line ? line : "", listing, length) && (length || !*listing);
        if (!same)
            printf("%s.txt, line %u: the listing is now\n%s", snippet->name, number, listing);
        if (!length)
            break;
        listing += length;
        number++;
    }
    if (!file)
        printf("no %s\n", path);
    else
        fclose(file);
    free(line);
    return same;
}

int main(int argc, char **argv)
{
    bool writing = argc == 3 && !strcmp(argv[1], "--write");
    struct error err;
    unsigned failed = 0;
    if (argc != 2 && !writing) {
        fprintf(stderr, "usage: listings [--write] FOLDER\n");
        return 2;
    }
    data_pool_fill(1);
    if (lab_create(&lab, &engine_bt, HOST_PATIENCE, &err)) {
        printf("cannot make the lab: %s\n", err.text);
        return 77;
    }
    if (!((struct bt *)lab.vcpu->engine)->host.fast_pext) {
        printf("this host gets other code\n");
        return 77;
    }
    for (unsigned i = 0; i < ARRAY_LEN(snippets); i++) {
        char path[512], *listing;
        size_t size;
        FILE *out = open_memstream(&listing, &size);
        list(out, &snippets[i]);
        fclose(out);
        snprintf(path, sizeof(path), "%s/%s.txt", argv[argc - 1], snippets[i].name);
        FILE *file = writing ? fopen(path, "w") : NULL;
        if (file) {
            fwrite(listing, 1, size, file);
            fclose(file);
        } else {
            failed += writing || !compare(&snippets[i], path, listing);
        }
        free(listing);
    }
    if (failed)
        printf("%u differ; if that is what was meant: listings --write tests/listings, and read them\n", failed);
    lab_destroy(&lab);
    return failed ? 1 : 0;
}
