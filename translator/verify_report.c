/*
 * What verify.h found, in words; creation. Ordinary code: the vector state is parked. Thread: the vCPU's own.
 */
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

static void say_registers(struct verify *v, const struct vcpu *vcpu, const struct verify_state *expected)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    const struct verify_state *seen = &v->seen;
    for (unsigned i = 0; i < 16; i++)
        say_difference(v, names[i], seen->gpr[i], expected->gpr[i]);
    say_difference(v, "rip", seen->rip, expected->rip);
    say_difference(v, "flags", seen->flags | seen->eflags, expected->flags | expected->eflags);
    const uint8_t *system = (const uint8_t *)vcpu->segment, *want = v->system[expected->system];
    for (unsigned i = 0; i < VERIFY_SYSTEM_COMPARED; i++)
        if (system[i] != want[i]) {
            say(v, "  system state, byte %u from the segment registers: translated %x, interpreted %x\n", i, system[i],
                want[i]);
            break;
        }
}

static void say_vector(struct verify *v, const struct verify_state *expected)
{
    const uint8_t *want = v->vector[expected->vector];
    if (!v->vectors_used)
        return;
    for (unsigned i = 0, said = 0; i < VERIFY_VECTOR_SIZE && said < 16; i++) {
        bool compared = i < 6 || (i >= 24 && i < 416) || i >= 576;
        if (compared && v->seen_vector[i] != want[i]) {
            say(v, "  XSAVE area, byte %u: translated %x, interpreted %x\n", i, v->seen_vector[i], want[i]);
            said++;
        }
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

/* The code, from the block's entry, as bytes: the monitor and the log disassemble. */
static void say_code(struct verify *v, const struct bt *bt, const struct vcpu *vcpu)
{
    const struct tb *tb = &bt->cache.tbs[v->tb];
    const uint8_t *code = vcpu->space->arena + tb->page[0] + (tb->lin & GUEST_PAGE_OFFSET);
    unsigned in_page = GUEST_PAGE_SIZE - (unsigned)(tb->lin & GUEST_PAGE_OFFSET);
    say(v, "block at %llx, mode %08x, entered at %llx, %u instructions of %u-bit code:\n ", (unsigned long long)tb->lin,
        tb->mode, (unsigned long long)v->boundary[0].rip, tb->instructions, vcpu_code_size(vcpu) * 8);
    for (unsigned i = 0; i < tb->guest_size && i < in_page && i < 256; i++)
        say(v, " %02x", code[i]);
    say(v, "\n");
}

void verify_describe(struct verify *v, const struct vcpu *vcpu, const struct verify_state *expected)
{
    const struct bt *bt = vcpu->engine;
    v->report[0] = 0;
    say(v, "translated code and interpreter differ\n");
    say_code(v, bt, vcpu);
    if (v->block_limit || v->boundaries <= 2)
        say(v, "first wrong step: the instruction at %llx\n", (unsigned long long)v->boundary[0].rip);
    else
        say(v, "only the whole block is wrong, each of its instructions alone is right\n");
    say_registers(v, vcpu, expected);
    say_vector(v, expected);
    say_memory(v, vcpu, expected);
}

int verify_create(struct bt *bt, struct error *err)
{
    bt->verify = calloc(1, sizeof(*bt->verify));
    return bt->verify ? 0 : error_set(err, -ENOMEM, "no memory for -accel verify");
}
