/*
 * The cache of decoded instructions and the writing of thunks. See native.h.
 *
 * An entry is found by the instruction's bytes and code size, so it never becomes stale; entries overwrite each other
 * on a collision. Thunk code is mapped twice: writable here, executable there. Thread: the vCPU's own.
 */
#include "cpu-model/exec/native.h"
#include "cpu-model/exec/reencode.h"
#include "cpu-model/state/vector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ENTRIES = 1 << INSN_CACHE_BITS };
enum { H_RAX, H_RCX, H_RDX, H_RBX, H_RSP, H_RBP, H_RSI, H_RDI };

int insn_cache_create(struct insn_cache *cache, struct error *err)
{
    size_t code_size = (size_t)ENTRIES * THUNK_MAX;
    *cache = (struct insn_cache){.fd = memfd_create("ring3-thunks", MFD_CLOEXEC)};
    if (cache->fd < 0 || ftruncate(cache->fd, (off_t)code_size))
        return error_set(err, -errno, "cannot make memory for native thunks: %s", strerror(errno));
    cache->code_rw = mmap(NULL, code_size, PROT_READ | PROT_WRITE, MAP_SHARED, cache->fd, 0);
    cache->code_rx = mmap(NULL, code_size, PROT_READ | PROT_EXEC, MAP_SHARED, cache->fd, 0);
    cache->entries = calloc(ENTRIES, sizeof(*cache->entries));
    if (cache->code_rw == MAP_FAILED || cache->code_rx == MAP_FAILED || !cache->entries)
        return error_set(err, -ENOMEM, "cannot map memory for native thunks (is executable memory forbidden?)");
    return 0;
}

void insn_cache_destroy(struct insn_cache *cache)
{
    size_t code_size = (size_t)ENTRIES * THUNK_MAX;
    munmap(cache->code_rw, code_size);
    munmap(cache->code_rx, code_size);
    close(cache->fd);
    free(cache->entries);
}

static uint8_t *put32(uint8_t *out, uint32_t v)
{
    memcpy(out, &v, 4);
    return out + 4;
}

/* mov between a register and [base + disp32], 64 bits. opcode: 8B load, 89 store. */
static uint8_t *put_mov_state(uint8_t *out, uint8_t opcode, unsigned reg, unsigned base, size_t disp)
{
    *out++ = (uint8_t)(0x48 | (reg >= 8 ? 4 : 0) | (base >= 8 ? 1 : 0));
    *out++ = opcode;
    *out++ = (uint8_t)(0x80 | (reg & 7) << 3 | (base & 7));
    if ((base & 7) == 4)
        *out++ = 0x24;
    return put32(out, (uint32_t)disp);
}

static uint8_t *put_mov_reg(uint8_t *out, unsigned to, unsigned from)
{
    *out++ = (uint8_t)(0x48 | (from >= 8 ? 4 : 0) | (to >= 8 ? 1 : 0));
    *out++ = 0x89;
    *out++ = (uint8_t)(0xc0 | (from & 7) << 3 | (to & 7));
    return out;
}

/* op with one ModRM memory operand [base + disp32]: FF /6 push, 8F /0 pop. */
static uint8_t *put_stack_state(uint8_t *out, uint8_t opcode, unsigned extension, unsigned base, size_t disp)
{
    if (base >= 8)
        *out++ = 0x41;
    *out++ = opcode;
    *out++ = (uint8_t)(0x80 | extension << 3 | (base & 7));
    if ((base & 7) == 4)
        *out++ = 0x24;
    return put32(out, (uint32_t)disp);
}

/* A host register that the instruction does not use; *used is updated. `limit` 8 keeps REX away. */
static unsigned pick(uint16_t *used, unsigned limit)
{
    for (unsigned reg = limit; reg-- > 0;)
        if (!(*used >> reg & 1)) {
            *used |= (uint16_t)(1 << reg);
            return reg;
        }
    return H_RAX; /* not reached: no instruction uses so many */
}

void insn_cache_thunk(struct insn_cache *cache, struct cached_insn *entry)
{
    size_t slot = (size_t)(entry - cache->entries) * THUNK_MAX;
    const struct insn *insn = &entry->insn;
    uint8_t *out = cache->code_rw + slot;
    uint16_t touched = insn->gpr_read | insn->gpr_written;
    uint16_t used = touched | 1 << H_RSP;
    uint8_t map[16];

    for (unsigned i = 0; i < 16; i++)
        map[i] = (uint8_t)i;
    unsigned limit = insn_no_rex(insn) ? 8 : 16;
    unsigned memory = pick(&used, limit), state = pick(&used, 16);
    if (touched >> REG_RSP & 1)
        map[REG_RSP] = (uint8_t)pick(&used, limit);

    /* Order: vCPU and memory pointers arrive in RDI and RSI; move them away without one overwriting the other. */
    *out++ = 0x57; /* push rdi */
    if (insn->mem.present && insn->mem.access)
        out = put_mov_reg(out, memory, H_RSI);
    *out++ = 0x41, *out++ = 0x5b; /* pop r11 */
    if (state != 11)
        out = put_mov_reg(out, state, 11);
    out = put_stack_state(out, 0xff, 6, state, offsetof(struct vcpu, flags));
    *out++ = 0x9d; /* popfq */
    for (unsigned i = 0; i < 16; i++)
        if (touched >> i & 1)
            out = put_mov_state(out, 0x8b, map[i], state, offsetof(struct vcpu, gpr) + 8 * i);

    struct host_operands host = {.reg = map[insn->reg & 15],
                                 .rm = map[insn->rm & 15],
                                 .vvvv = map[insn->vvvv & 15],
                                 .base = (uint8_t)memory,
                                 .index = REG_NONE};
    out += insn_reencode(out, insn, &host);

    for (unsigned i = 0; i < 16; i++)
        if (insn->gpr_written >> i & 1)
            out = put_mov_state(out, 0x89, map[i], state, offsetof(struct vcpu, gpr) + 8 * i);
    *out++ = 0x9c; /* pushfq */
    *out++ = 0x58; /* pop rax: stored already */
    *out++ = 0x25; /* and eax, imm32 */
    out = put32(out, FLAGS_ARITHMETIC);
    out = put_mov_state(out, 0x89, H_RAX, state, offsetof(struct vcpu, flags));
    *out++ = 0xc3;
    entry->thunk = cache->code_rx + slot;
    cache->thunks++;
}

struct cached_insn *insn_cache_get(struct insn_cache *cache, struct vcpu *vcpu, unsigned code_size,
                                   const uint8_t *bytes, unsigned size)
{
    uint64_t key[2];
    __builtin_memcpy(&key[0], bytes, 8);
    __builtin_memcpy(&key[1], bytes + 7, 8);
    key[1] = key[1] >> 8 | (uint64_t)code_size << 56;
    uint64_t hash = (key[0] * 0x9e3779b97f4a7c15ull) ^ (key[1] * 0xc2b2ae3d27d4eb4full);
    struct cached_insn *entry = &cache->entries[(hash ^ hash >> 29) >> (64 - INSN_CACHE_BITS) & (ENTRIES - 1)];
    if (entry->key[0] == key[0] && entry->key[1] == key[1])
        return entry;
    vector_park(vcpu); /* the decoder library is ordinary code */
    entry->key[1] = 0;
    if (!insn_decode(&entry->insn, &vcpu->features, code_size, bytes, size))
        return NULL;
    cache->decodes++;
    entry->key[0] = key[0];
    entry->key[1] = key[1];
    entry->thunk = NULL;
    return entry;
}

bool native_trap(void *vcpu, int trap, void *ucontext)
{
    trap_set_register(ucontext, H_RDI, (uint64_t)(uintptr_t)vcpu);
    trap_set_register(ucontext, H_RAX, 0x100 + (unsigned)trap);
    trap_set_pc(ucontext, native_trapped);
    return true;
}
