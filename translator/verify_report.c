/*
 * What verify.h found, in words; creation. Ordinary code: the vector state is parked. Thread: the vCPU's own.
 */
#include "cpu-model/exec/disassemble.h"
#include "translator/emit.h"
#include "translator/verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Appends to the report. */
static void say(struct verify *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct verify *v, const char *format, ...)
{
    size_t used = strlen(v->report);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(v->report + used, sizeof(v->report) - used, format, arguments);
    va_end(arguments);
}

static void say_difference(struct verify *v, const char *name, uint64_t seen, uint64_t expected)
{
    if (seen != expected)
        say(v, "  %s: translated %llx, interpreted %llx\n", name, (unsigned long long)seen,
            (unsigned long long)expected);
}

static void say_flags(struct verify *v, uint64_t seen, uint64_t expected)
{
    static const char *const names[22] = {
        [0] = "CF",  [2] = "PF",  [4] = "AF",  [6] = "ZF",  [7] = "SF",  [8] = "TF",  [9] = "IF",   [10] = "DF",
        [11] = "OF", [14] = "NT", [16] = "RF", [17] = "VM", [18] = "AC", [21] = "ID", [19] = "VIF", [20] = "VIP"};
    say_difference(v, "flags", seen, expected);
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if ((seen ^ expected) >> i & 1)
            say(v, "    %s: translated %u, interpreted %u\n", names[i] ? names[i] : "IOPL", (unsigned)(seen >> i & 1),
                (unsigned)(expected >> i & 1));
}

static void say_segments(struct verify *v, const struct vcpu *vcpu, const uint8_t *system)
{
    static const char *const names[SEG_ALL] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    struct segment want[SEG_ALL];
    memcpy(want, system, sizeof(want));
    for (unsigned i = 0; i < SEG_ALL; i++) {
        const struct segment *seen = &vcpu->segment[i];
        if (!memcmp(seen, &want[i], sizeof(*seen)))
            continue;
        say(v,
            "  %s: translated %04x base %llx limit %x attributes %x, interpreted %04x base %llx limit %x attributes "
            "%x\n",
            names[i], seen->selector, (unsigned long long)seen->base, seen->limit, seen->attributes, want[i].selector,
            (unsigned long long)want[i].base, want[i].limit, want[i].attributes);
    }
}

static void say_registers(struct verify *v, const struct vcpu *vcpu, const struct verify_state *expected)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    const struct verify_state *seen = &v->seen;
    for (unsigned i = 0; i < 16; i++)
        say_difference(v, names[i], seen->gpr[i], expected->gpr[i]);
    say_difference(v, "rip", seen->rip, expected->rip);
    if (seen->flags != expected->flags || seen->eflags != expected->eflags)
        say_flags(v, seen->flags | seen->eflags, expected->flags | expected->eflags);
    const uint8_t *system = (const uint8_t *)vcpu->segment, *want = v->system[expected->system];
    say_segments(v, vcpu, want);
    for (unsigned i = sizeof(vcpu->segment); i < VERIFY_SYSTEM_COMPARED; i++)
        if (system[i] != want[i]) {
            say(v, "  system state, byte %u from the segment registers: translated %x, interpreted %x\n", i, system[i],
                want[i]);
            break;
        }
}

static uint64_t word_at(const uint8_t *bytes, unsigned size)
{
    uint64_t word = 0;
    memcpy(&word, bytes, size);
    return word;
}

static void say_vector(struct verify *v, const struct verify_state *expected)
{
    /* As XSAVE lays them out: [at, + size * count), each `step` from the last. */
    static const struct {
        const char *name;
        unsigned at, step, size, count;
    } part[] = {{"fcw", 0, 0, 2, 1},
                {"fsw", 2, 0, 2, 1},
                {"ftw", 4, 0, 2, 1},
                {"mxcsr", 24, 0, 4, 1},
                {"st", 32, 16, 16, 8},
                {"xmm", 160, 16, 16, 16},
                {"upper half of ymm", 576, 16, 16, 16}};
    const uint8_t *want = v->vector[expected->vector];
    if (!v->vectors_used)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(part); i++)
        for (unsigned n = 0; n < part[i].count; n++) {
            const uint8_t *seen = v->seen_vector + part[i].at + n * part[i].step,
                          *right = want + (seen - v->seen_vector);
            char name[32];
            snprintf(name, sizeof(name), part[i].count > 1 ? "%s%u" : "%s", part[i].name, n);
            if (part[i].size <= 8)
                say_difference(v, name, word_at(seen, part[i].size), word_at(right, part[i].size));
            else if (memcmp(seen, right, part[i].size))
                say(v, "  %s: translated %016llx%016llx, interpreted %016llx%016llx\n", name,
                    (unsigned long long)word_at(seen + 8, 8), (unsigned long long)word_at(seen, 8),
                    (unsigned long long)word_at(right + 8, 8), (unsigned long long)word_at(right, 8));
        }
}

static void say_memory(struct verify *v, const struct vcpu *vcpu, const struct verify_state *expected)
{
    for (unsigned i = 0, said = 0; i < expected->stores; i++)
        for (unsigned byte = 0; byte < v->store[i].size && said < 16; byte++) {
            const struct verify_store *store = &v->store[i];
            if (store->host[byte] == v->new[store->at + byte] || verify_overwritten(v, expected, i, byte))
                continue;
            say(v, "  RAM, byte %llx: translated %x, interpreted %x\n",
                (unsigned long long)space_offset(vcpu->space, store->host + byte), store->host[byte],
                v->new[store->at + byte]);
            said++;
        }
}

/* The instruction at a boundary; nothing is known about what is not mapped. */
static void say_instruction(struct verify *v, const struct vcpu *vcpu, const struct verify_state *state)
{
    uint64_t at = code_linear(vcpu, state->rip), next = (at | GUEST_PAGE_OFFSET) + 1;
    struct translation first, second;
    uint8_t bytes[15] = {0};
    char text[96] = "?";
    size_t left = next - at < sizeof(bytes) ? (size_t)(next - at) : sizeof(bytes);
    if (mmu_walk_debug(vcpu, lin(at), &first) && first.host) {
        memcpy(bytes, first.host + (at & GUEST_PAGE_OFFSET), left);
        if (left < sizeof(bytes) && mmu_walk_debug(vcpu, lin(next), &second) && second.host)
            memcpy(bytes + left, second.host, sizeof(bytes) - left);
        disassemble_one(bytes, sizeof(bytes), at, vcpu_code_size(vcpu), text, sizeof(text));
    }
    say(v, "  %llx: %s\n", (unsigned long long)state->rip, text);
}

/* The linear address, if the way to `expected` came by it; else 0. */
static bool on_the_way(const struct verify *v, const struct vcpu *vcpu, const struct verify_state *expected,
                       uint64_t linear)
{
    for (const struct verify_state *state = v->boundary; state <= expected; state++)
        if (code_linear(vcpu, state->rip) == linear)
            return true;
    return false;
}

/* Where host code of the cache belongs to. */
static void say_place(struct verify *v, const struct bt *bt, uint64_t offset, uint32_t mode)
{
    const struct tb *tb = tcache_block_at(&bt->cache, offset);
    if (!tb)
        say(v, "no block\n");
    else
        say(v, "%s block %sat %llx\n", tb->valid ? "the" : "a dropped", tb->mode == mode ? "" : "of another mode ",
            (unsigned long long)tb->lin);
}

static void say_links(struct verify *v, const struct vcpu *vcpu, const struct verify_state *expected)
{
    const struct bt *bt = vcpu->engine;
    const struct tcache *cache = &bt->cache;
    for (uint32_t i = 1; i < cache->exit_count; i++) {
        const struct exit *exit = &cache->exits[i];
        int32_t distance;
        if (!exit->patch || !on_the_way(v, vcpu, expected, exit->target))
            continue;
        memcpy(&distance, cache->rw + exit->patch, 4);
        uint32_t to = exit->patch + 4 + (uint32_t)distance;
        const struct tb *tb = tcache_block_at(cache, to);
        bool unlinked = tb && to != tb->code && tb == tcache_block_at(cache, exit->patch); /* to a stub */
        if (unlinked || (tb && tb->valid && tb->code == to && tb->lin == exit->target && tb->mode == exit->mode))
            continue;
        say(v, "  the link to %llx leads to ", (unsigned long long)exit->target);
        say_place(v, bt, to, exit->mode);
    }
}

static void say_jump_cache(struct verify *v, const struct vcpu *vcpu, const struct verify_state *expected)
{
    const struct bt *bt = vcpu->engine;
    const struct view *view = vcpu->shadow->current;
    for (unsigned i = 0; i < JUMP_ENTRIES; i++) {
        uint64_t target = -*view_jump_tag(view, i);
        bool salted = !vcpu_code64(vcpu) && target >> 48; /* see mode_salt() */
        uint64_t linear = salted ? (uint32_t)target : target;
        uint32_t mode = salted ? (uint32_t)(target >> 48) : view->mode_key;
        uint64_t offset = *view_jump_host(view, i) - (uint64_t)(uintptr_t)bt->cache.rx;
        if ((target & (JUMP_ENTRIES - 1)) != i || !on_the_way(v, vcpu, expected, linear))
            continue;
        const struct tb *tb = tcache_block_at(&bt->cache, offset);
        if (tb && tb->valid && tb->code == offset && tb->lin == linear && tb->mode == mode)
            continue;
        say(v, "  the jump cache's entry for %llx leads to ", (unsigned long long)linear);
        say_place(v, bt, offset, mode);
    }
}

/* Links and entries of the jump cache on the way that lead elsewhere than they should. */
static void say_ways(struct verify *v, const struct vcpu *vcpu, const struct verify_state *expected)
{
    size_t before = strlen(v->report);
    say_links(v, vcpu, expected);
    say_jump_cache(v, vcpu, expected);
    if (strlen(v->report) == before)
        say(v, "  links and jump cache lead where they should\n");
}

/* Which step is wrong, as far as the search has come. */
static void say_step(struct verify *v, const struct vcpu *vcpu, const struct verify_state *expected)
{
    if (v->search == SEARCH_STEPS) {
        unsigned last = v->block_limit < v->boundaries ? v->block_limit : v->boundaries;
        say(v, last > 1 ? "first wrong step, in a block with those before it:\n" : "first wrong step:\n");
        for (unsigned i = last > 8 ? last - 8 : 0; i < last; i++)
            say_instruction(v, vcpu, &v->boundary[i]);
        return;
    }
    say(v, "%s\n",
        v->search == SEARCH_BLOCKS ? "wrong as a block; each of its instructions alone is right"
                                   : "wrong where blocks are linked, or stale: translated again, it is right");
    if (v->search == SEARCH_NONE)
        say_ways(v, vcpu, expected);
    for (const struct verify_state *state = expected - v->boundary < 32 ? v->boundary : expected - 31;
         state <= expected; state++)
        say_instruction(v, vcpu, state);
}

void verify_describe(struct verify *v, const struct vcpu *vcpu, const struct verify_state *expected)
{
    const struct bt *bt = vcpu->engine;
    const struct tb *tb = tcache_block_at(&bt->cache, v->pc - (uint64_t)(uintptr_t)bt->cache.rx);
    v->report[0] = 0;
    say(v, "translated code and interpreter differ, in the block at %llx, entered at %llx, %u-bit code, CPL %u\n",
        (unsigned long long)(tb ? tb->lin : 0), (unsigned long long)v->boundary[0].rip, vcpu_code_size(vcpu) * 8,
        vcpu->cpl);
    say_step(v, vcpu, expected);
    say_registers(v, vcpu, expected);
    say_vector(v, expected);
    say_memory(v, vcpu, expected);
}

void verify_reset(struct verify *v)
{
    v->failed = v->idle = false;
    v->attempt = v->block_limit = 0;
    v->search = SEARCH_NONE;
}

int verify_create(struct bt *bt, struct error *err)
{
    bt->verify = calloc(1, sizeof(*bt->verify));
    return bt->verify ? 0 : error_set(err, -ENOMEM, "no memory for -accel verify");
}
