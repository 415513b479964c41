/*
 * The mode of the CPU as translated code depends on it, and the numbers that modes go by.
 *
 * Invariant: what a key promises holds until an instruction that ends blocks (or a fault, an interrupt) changes it. In
 * real and virtual-8086 mode loading a segment register changes only its base, which no key contains but for CS, and a
 * base that is a multiple of 16 is no worse than another. Vector-live code; thread: the vCPU's own. SDM Vol. 3 "Limit
 * checking", "Type checking", Vol. 3 "Real-address mode operation".
 */
#include "cpu-model/exec/memory.h"
#include "translator/emit.h"

static bool expand_down(const struct segment *segment)
{
    return (segment->attributes & (SEG_S | SEG_TYPE_CODE | SEG_TYPE_EXPAND_DOWN)) == (SEG_S | SEG_TYPE_EXPAND_DOWN);
}

/* flat: a base of 0 may be relied on, because this mode has instructions that cost less with it. */
static enum segment_kind kind_of(const struct segment *segment, bool real, bool flat)
{
    uint32_t type = segment->attributes & (SEG_S | SEG_TYPE_CODE | SEG_TYPE_WRITABLE);
    bool writable = real || type == (SEG_S | SEG_TYPE_WRITABLE);
    bool readable = writable || ((type & SEG_S) && type != (SEG_S | SEG_TYPE_CODE));
    if (segment->attributes & SEG_UNUSABLE || expand_down(segment) || !readable)
        return KIND_NONE;
    if (segment->limit == 0xffffffff) {
        if (flat && segment->base == 0)
            return writable ? KIND_FLAT : KIND_FLAT_RO;
        return writable ? KIND_BASED : KIND_BASED_RO;
    }
    if (segment->limit == 0xffff && !(segment->base & 15) && writable)
        return KIND_PARAGRAPH;
    return writable ? KIND_LIMITED : KIND_LIMITED_RO;
}

/* What differs between segmented code and 64-bit code. */
static void add_segments(const struct vcpu *vcpu, struct mode_key *key)
{
    const struct segment *segment = vcpu->segment;
    bool real = !vcpu_protected(vcpu);

    key->paragraphs = real || vcpu_v86(vcpu);
    for (unsigned i = 0; i < SEG_COUNT; i++)
        key->kind[i] = (uint8_t)kind_of(&segment[i], real, key->code_size == 4 && !key->paragraphs && i < SEG_FS);
    if (segment[SEG_SS].base & 15) /* that the stack pointer is aligned would mean nothing */
        key->kind[SEG_SS] = KIND_NONE;
    key->cs_base = (uint32_t)segment[SEG_CS].base;
    key->code_limit = segment[SEG_CS].limit == 0xffffffff ? CODE_UNLIMITED
                      : segment[SEG_CS].limit == 0xffff   ? CODE_64K
                                                          : CODE_LIMITED;
}

static struct mode_key key_now(const struct vcpu *vcpu)
{
    struct mode_key key = {.code_size = vcpu_code_size(vcpu) & 15, .stack_size = vcpu_stack_size(vcpu) & 15};
    if (key.code_size != 8)
        add_segments(vcpu, &key);
    key.x87 = !(vcpu->cr0 & (CR0_EM | CR0_TS));
    key.sse = (vcpu->cr4 & CR4_OSFXSR) != 0;
    key.avx = key.x87 && !key.paragraphs && vcpu->cr4 & CR4_OSXSAVE && (vcpu->xcr0 & 6) == 6;
    key.cpl0 = vcpu->cpl == 0;
    key.sp_aligned = !(vcpu->gpr[REG_RSP] & (key.stack_size - 1u));
    key.rdtsc = (vcpu->cpl == 0 || !(vcpu->cr4 & CR4_TSD)) && !((const struct bt *)vcpu->engine)->verify;
    return key;
}

_Static_assert(sizeof(struct mode_key) == 16, "compared and hashed as two words, so it has no holes");

static bool same_key(const struct mode_key *a, const struct mode_key *b)
{
    uint64_t x[2], y[2];
    __builtin_memcpy(x, a, sizeof(x));
    __builtin_memcpy(y, b, sizeof(y));
    return x[0] == y[0] && x[1] == y[1];
}

static uint32_t first_place(const struct mode_key *key)
{
    uint64_t x[2];
    __builtin_memcpy(x, key, sizeof(x));
    return (uint32_t)(((x[0] * 0x9e3779b97f4a7c15ull) ^ x[1]) * 0xd6e8feb86659fd93ull >> 40) % MODES_MAX;
}

/* An entry of 0 is free: every key has a code size. Entry 0 stays free, so that no mode has the number 0. */
uint32_t mode_number(struct vcpu *vcpu, const struct mode_key *key)
{
    struct bt *bt = vcpu->engine;
    struct mode_table *modes = &bt->modes;

    if (same_key(&modes->key[modes->last], key))
        return modes->last;
    uint32_t i = first_place(key);
    while (!i || (modes->key[i].code_size && !same_key(&modes->key[i], key)))
        i = (i + 1) % MODES_MAX;
    if (!modes->key[i].code_size) {
        if (modes->used == MODES_MAX / 2) {
            tcache_flush(&bt->cache, vcpu);
            *modes = (struct mode_table){0};
            i = first_place(key);
            i += !i;
        }
        modes->used++;
        modes->key[i] = *key;
    }
    modes->last = i;
    return i;
}

uint32_t mode_now(struct vcpu *vcpu)
{
    struct mode_key key = key_now(vcpu);
    return mode_number(vcpu, &key);
}

bool mode_holds(const struct vcpu *vcpu, const struct mode_key *key)
{
    if (key->cpl0 != (vcpu->cpl == 0) || key->code_size != vcpu_code_size(vcpu))
        return false;
    if (key->code_size != 8 && key->cs_base != vcpu->segment[SEG_CS].base)
        return false;
    return !key->sp_aligned || !(vcpu->gpr[REG_RSP] & (key->stack_size - 1u));
}
