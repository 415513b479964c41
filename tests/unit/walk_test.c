/*
 * Page walks in every paging mode, against hand-built tables and a reference written from the SDM's text on access
 * rights, and not from walk.c.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "softmmu/map.h"
#include "softmmu/mmu.h"

enum { P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, PS = 0x80, G = 0x100 };
#define NX (1ull << 63)

#define LONG_LINEAR 0xffffc5a9d3b7a678ull /* different indices at all four levels */

/* Guest-physical layout: page tables from TABLES on, one page for each level; a data page at DATA. */
enum { TABLES = 0x10000, ROM = 0xf0000, HOLE = 0xa0000, MIB = 1 << 20 };
#define HIGH            0x140000000ull /* RAM that large pages of all sizes can name */
#define TABLE_AT(level) (TABLES + (level)*0x1000ull)

enum mode { MODE_32_4K, MODE_32_4M, MODE_PAE_4K, MODE_PAE_2M, MODE_LONG_4K, MODE_LONG_2M, MODE_LONG_1G, MODES };

static const struct {
    const char *name;
    unsigned levels; /* entries read, the leaf included */
    unsigned entry_size, page_shift, index_bits;
    uint64_t linear, leaf; /* address bits of the leaf entry, PS included */
    uint64_t page;         /* where that leads for `linear` */
} modes[MODES] = {
    [MODE_32_4K] = {"32-bit 4K", 2, 4, 12, 10, 0xd3b7a678, 0x200000, 0x200000},
    [MODE_32_4M] = {"32-bit 4M", 1, 4, 22, 10, 0xd3b7a678, 0x400000 | PS, 0x77a000},
    [MODE_PAE_4K] = {"PAE 4K", 2, 8, 12, 9, 0xd3b7a678, HIGH + 0x5000, HIGH + 0x5000},
    [MODE_PAE_2M] = {"PAE 2M", 1, 8, 21, 9, 0xd3b7a678, HIGH + 0x200000 + PS, HIGH + 0x37a000},
    [MODE_LONG_4K] = {"4-level 4K", 4, 8, 12, 9, LONG_LINEAR, HIGH + 0x5000, HIGH + 0x5000},
    [MODE_LONG_2M] = {"4-level 2M", 3, 8, 21, 9, LONG_LINEAR, HIGH + 0x200000 + PS, HIGH + 0x37a000},
    [MODE_LONG_1G] = {"4-level 1G", 2, 8, 30, 9, LONG_LINEAR, HIGH + PS, HIGH + 0x13b7a000},
};

struct setup {
    struct space space;
    struct vcpu vcpu;
    enum mode mode;
    uint8_t *entry[4]; /* root first */
};

static struct setup *make_setup(enum mode mode)
{
    struct setup *s = aligned_alloc(64, (sizeof(*s) + 63) & ~63ull);
    struct error err;
    memset(s, 0, sizeof(*s));
    cr_assert_eq(space_init(&s->space, 1024 * MIB, &err), 0, "%s", err.text);
    cr_assert_eq(space_add(&s->space, 0, 0xa0000, false, "low", NULL, &err), 0);
    cr_assert_eq(space_add(&s->space, ROM, 0x10000, true, "rom", NULL, &err), 0);
    cr_assert_eq(space_add(&s->space, MIB, 15 * MIB, false, "ram", NULL, &err), 0);
    cr_assert_eq(space_add(&s->space, HIGH, 512 * MIB, false, "high", NULL, &err), 0);
    struct vcpu *vcpu = &s->vcpu;
    vcpu->space = &s->space;
    vcpu->self = vcpu;
    vcpu->features.word[CPUID_8000_0001_EDX] = BIT(26) | BIT(20); /* 1 GiB pages, NX */
    vcpu->features.word[CPUID_1_EDX] = BIT(17) | BIT(3);          /* PSE-36, PSE */
    vcpu->cr0 = CR0_PE | CR0_PG | CR0_WP;
    vcpu->cr3 = TABLE_AT(0);
    s->mode = mode;
    if (mode >= MODE_PAE_4K) {
        vcpu->cr4 |= CR4_PAE;
        vcpu->efer = EFER_NXE;
    } else {
        vcpu->cr4 |= CR4_PSE;
    }
    if (mode >= MODE_LONG_4K)
        vcpu->efer |= EFER_LME | EFER_LMA;
    else if (mode >= MODE_PAE_4K)
        vcpu->pdpte[modes[mode].linear >> 30] = TABLE_AT(0) | P;

    unsigned levels = modes[mode].levels, bits = modes[mode].index_bits;
    for (unsigned i = 0; i < levels; i++) {
        unsigned shift = modes[mode].page_shift + bits * (levels - 1 - i);
        uint64_t index = modes[mode].linear >> shift & (BIT(bits) - 1);
        s->entry[i] = space_host(&s->space, gpa(TABLE_AT(i) + index * modes[mode].entry_size));
    }
    return s;
}

static void free_setup(struct setup *s)
{
    space_destroy(&s->space);
    free(s);
}

static void put(struct setup *s, unsigned level, uint64_t value)
{
    if (modes[s->mode].entry_size == 4)
        *(uint32_t *)s->entry[level] = (uint32_t)value;
    else
        *(uint64_t *)s->entry[level] = value;
}

static uint64_t get(struct setup *s, unsigned level)
{
    return modes[s->mode].entry_size == 4 ? *(uint32_t *)s->entry[level] : *(uint64_t *)s->entry[level];
}

/* The entry's address part, without flags. */
static uint64_t target(enum mode mode, unsigned level)
{
    return level == modes[mode].levels - 1 ? modes[mode].leaf : TABLE_AT(level + 1);
}

static void put_all(struct setup *s, uint64_t flags)
{
    for (unsigned i = 0; i < modes[s->mode].levels; i++)
        put(s, i, target(s->mode, i) | flags);
}

static bool walk(struct setup *s, enum access access, bool user, struct translation *out)
{
    memset(&s->vcpu.exception, 0, sizeof(s->vcpu.exception));
    return mmu_walk(&s->vcpu, lin(modes[s->mode].linear), access, user, out);
}

static void expect_fault(struct setup *s, enum access access, bool user, uint32_t code)
{
    struct translation t;
    cr_assert_not(walk(s, access, user, &t));
    cr_assert_eq(s->vcpu.exception.vector, EXC_PF);
    cr_assert(s->vcpu.exception.has_error_code);
    cr_assert_eq(s->vcpu.exception.error_code, code, "%s: %x, not %x", modes[s->mode].name,
                 s->vcpu.exception.error_code, code);
    cr_assert_eq(s->vcpu.exception.cr2, modes[s->mode].linear);
}

/* --- Rights: the full cross product against a reference ----------------------------------------------------------- */

struct circumstances {
    bool wp, nxe, smep, smap, ac, user;
    enum access access;
};

enum { FINE = -1 };

/* SDM Vol. 3 "Access rights" and "Page-fault exceptions", clause by clause. Returns an error code or FINE. */
static int reference(enum mode mode, const uint64_t *flags, const struct circumstances *c)
{
    bool pae = mode >= MODE_PAE_4K;
    int code = (c->access == ACCESS_WRITE ? 2 : 0) + (c->user ? 4 : 0);
    if (c->access == ACCESS_EXEC && (c->smep || (pae && c->nxe)))
        code += 16;
    bool user_mode_address = true, read_write = true, execute_disable = false;
    for (unsigned i = 0; i < modes[mode].levels; i++) {
        if (!(flags[i] & P))
            return code;
        if (pae && flags[i] & NX) {
            if (!c->nxe)
                return code + 8 + 1;
            execute_disable = true;
        }
        if (!(flags[i] & US))
            user_mode_address = false;
        if (!(flags[i] & RW))
            read_write = false;
    }
    bool fine = true;
    if (c->user) {
        if (c->access == ACCESS_READ)
            fine = user_mode_address;
        else if (c->access == ACCESS_WRITE)
            fine = user_mode_address && read_write;
        else
            fine = user_mode_address && !execute_disable;
    } else if (!user_mode_address) { /* supervisor-mode address */
        if (c->access == ACCESS_WRITE)
            fine = c->wp ? read_write : true;
        else if (c->access == ACCESS_EXEC)
            fine = !execute_disable;
    } else {
        if (c->access == ACCESS_READ)
            fine = !c->smap || c->ac;
        else if (c->access == ACCESS_WRITE)
            fine = (!c->smap || c->ac) && (!c->wp || read_write);
        else
            fine = !c->smep && !execute_disable;
    }
    return fine ? FINE : code + 1;
}

static void apply(struct vcpu *vcpu, const struct circumstances *c, bool pae)
{
    vcpu->cr0 = CR0_PE | CR0_PG | (c->wp ? CR0_WP : 0);
    vcpu->cr4 = (vcpu->cr4 & ~(uint64_t)(CR4_SMEP | CR4_SMAP)) | (c->smep ? CR4_SMEP : 0) | (c->smap ? CR4_SMAP : 0);
    /* NXE without PAE has no effect: set it there always. */
    vcpu->efer = (vcpu->efer & ~(uint64_t)EFER_NXE) | (c->nxe || !pae ? EFER_NXE : 0);
    vcpu->eflags = FLAG_FIXED | (c->ac ? FLAG_AC : 0);
    vcpu->cpl = c->user ? 3 : 0;
}

static void check_one(struct setup *s, const uint64_t *flags, const struct circumstances *c)
{
    enum mode mode = s->mode;
    unsigned levels = modes[mode].levels;
    for (unsigned i = 0; i < levels; i++)
        put(s, i, target(mode, i) | flags[i]);
    struct translation t;
    bool ok = walk(s, c->access, c->user, &t);
    int expected = reference(mode, flags, c);
    int got = ok ? FINE : (int)s->vcpu.exception.error_code;
    bool entries_right = true;
    for (unsigned i = 0; i < levels; i++) {
        uint64_t value = target(mode, i) | flags[i];
        if (expected == FINE)
            value |= A | (i == levels - 1 && c->access == ACCESS_WRITE ? D : 0);
        entries_right &= get(s, i) == value;
    }
    bool right = got == expected && entries_right && (!ok || t.page.v == modes[mode].page);
    if (!right)
        cr_assert_fail("%s wp %d nxe %d smep %d smap %d ac %d user %d access %d flags %lx %lx %lx %lx: "
                       "got %d, expected %d, entries %d",
                       modes[mode].name, c->wp, c->nxe, c->smep, c->smap, c->ac, c->user, c->access, (long)flags[0],
                       (long)flags[1], (long)flags[2], (long)flags[3], got, expected, entries_right);
}

static uint64_t flags_from(unsigned bits)
{
    return (bits & 7) | (bits & 8 ? NX : 0);
}

static void cross_product(enum mode mode)
{
    struct setup *s = make_setup(mode);
    bool pae = mode >= MODE_PAE_4K;
    unsigned flag_bits = pae ? 4 : 3, levels = modes[mode].levels;
    /* With 2^16 tables the rarer control bits are left to the smaller modes, but for a random choice. */
    bool large = flag_bits * levels > 12;
    unsigned seed = 1;
    for (unsigned tables = 0; tables < 1u << flag_bits * levels; tables++) {
        uint64_t flags[4] = {0};
        for (unsigned i = 0; i < levels; i++)
            flags[i] = flags_from(tables >> i * flag_bits & ((1u << flag_bits) - 1));
        for (unsigned k = 0; k < (large ? 12 : 32 * 6); k++) {
            unsigned control = large ? (k / 6 ? 3 : 2) : k / 6;
            struct circumstances c = {
                .wp = control & 1,
                .nxe = control & 2,
                .smep = control & 4,
                .smap = control & 8,
                .ac = control & 16,
                .user = k % 6 / 3,
                .access = (enum access)(k % 3),
            };
            apply(&s->vcpu, &c, pae);
            check_one(s, flags, &c);
        }
        if (large) {
            seed = seed * 1103515245 + 12345;
            unsigned r = seed >> 16;
            struct circumstances c = {r & 1, r & 2, r & 4, r & 8, r & 16, r & 32, (enum access)((r >> 6 & 0xff) % 3)};
            apply(&s->vcpu, &c, pae);
            check_one(s, flags, &c);
        }
    }
    free_setup(s);
}

Test(walk, rights_32bit_4k)
{
    cross_product(MODE_32_4K);
}

Test(walk, rights_32bit_4m)
{
    cross_product(MODE_32_4M);
}

Test(walk, rights_pae_4k)
{
    cross_product(MODE_PAE_4K);
}

Test(walk, rights_pae_2m)
{
    cross_product(MODE_PAE_2M);
}

Test(walk, rights_4level_4k)
{
    cross_product(MODE_LONG_4K);
}

Test(walk, rights_4level_2m)
{
    cross_product(MODE_LONG_2M);
}

Test(walk, rights_4level_1g)
{
    cross_product(MODE_LONG_1G);
}

/* An implicit supervisor access from CPL 3 is not excused by EFLAGS.AC. */
Test(walk, smap_and_implicit_accesses)
{
    struct setup *s = make_setup(MODE_LONG_4K);
    struct translation t;
    put_all(s, P | RW | US);
    s->vcpu.cr4 |= CR4_SMAP;
    s->vcpu.eflags = FLAG_FIXED | FLAG_AC;
    cr_assert(walk(s, ACCESS_READ, false, &t));
    s->vcpu.cpl = 3;
    expect_fault(s, ACCESS_READ, false, PF_P);
    cr_assert(walk(s, ACCESS_READ, true, &t));
    free_setup(s);
}

/* --- Reserved bits ------------------------------------------------------------------------------------------------ */

/* With MAXPHYADDR 40, from the figures "Formats of CR3 and paging-structure entries"; all with NXE = 1. */
static const uint64_t reserved_masks[MODES][4] = {
    [MODE_32_4K] = {0, 0},
    [MODE_32_4M] = {0x00200000},
    [MODE_PAE_4K] = {0x7fffff0000000000, 0x7fffff0000000000},
    [MODE_PAE_2M] = {0x7fffff00001fe000},
    [MODE_LONG_4K] = {0x000fff0000000080, 0x000fff0000000000, 0x000fff0000000000, 0x000fff0000000000},
    [MODE_LONG_2M] = {0x000fff0000000080, 0x000fff0000000000, 0x000fff00001fe000},
    [MODE_LONG_1G] = {0x000fff0000000080, 0x000fff003fffe000},
};

Test(walk, every_reserved_bit_faults_and_no_other)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        struct setup *s = make_setup(mode);
        for (unsigned level = 0; level < modes[mode].levels; level++) {
            for (unsigned bit = 1; bit < modes[mode].entry_size * 8; bit++) {
                bool leaf = level == modes[mode].levels - 1;
                /* Address and PS bits of entries that point to tables lead elsewhere: not this test's subject. */
                bool structural = !leaf && ((bit >= 12 && bit < 40) || bit == 7);
                bool reserved = reserved_masks[mode][level] >> bit & 1;
                if (structural && !reserved)
                    continue;
                put_all(s, P | RW | US);
                put(s, level, get(s, level) | BIT(bit));
                uint64_t before = get(s, level);
                struct translation t;
                bool ok = walk(s, ACCESS_READ, true, &t);
                cr_assert_eq(ok, !reserved, "%s level %u bit %u", modes[mode].name, level, bit);
                if (reserved) {
                    cr_assert_eq(s->vcpu.exception.error_code, PF_P | PF_RSVD | PF_U);
                    cr_assert_eq(get(s, level), before);
                }
                put(s, level, before & ~(uint64_t)P); /* reserved bits of absent entries do not count */
                expect_fault(s, ACCESS_WRITE, false, PF_W);
            }
        }
        free_setup(s);
    }
}

Test(walk, features_decide_about_reserved_bits)
{
    struct translation t;
    struct setup *s = make_setup(MODE_LONG_1G);
    put_all(s, P | RW | US);
    cr_assert(walk(s, ACCESS_READ, true, &t));
    s->vcpu.features.word[CPUID_8000_0001_EDX] = 0;
    expect_fault(s, ACCESS_READ, true, PF_P | PF_RSVD | PF_U);
    free_setup(s);

    s = make_setup(MODE_32_4M);
    for (unsigned bit = 13; bit <= 21; bit++) {
        s->vcpu.features.word[CPUID_1_EDX] = BIT(3) | BIT(17);
        put_all(s, P | RW | US | BIT(bit));
        cr_assert_eq(walk(s, ACCESS_READ, true, &t), bit < 21);
        if (bit < 21)
            cr_assert_eq(t.page.v, BIT(bit + 19) + 0x77a000);
        s->vcpu.features.word[CPUID_1_EDX] = BIT(3);
        put_all(s, P | RW | US | BIT(bit));
        expect_fault(s, ACCESS_READ, true, PF_P | PF_RSVD | PF_U);
    }
    free_setup(s);
}

Test(walk, pse_off_ignores_the_size_bit)
{
    struct setup *s = make_setup(MODE_32_4K);
    struct translation t;
    put_all(s, P | RW | US);
    put(s, 0, get(s, 0) | PS);
    s->vcpu.cr4 &= ~(uint64_t)CR4_PSE;
    cr_assert(walk(s, ACCESS_READ, true, &t));
    cr_assert_eq(t.page.v, 0x200000);
    cr_assert_eq(t.page_shift, 12);
    free_setup(s);
}

/* --- What a translation says ---------------------------------------------------------------------------------------
 */

Test(walk, translations_describe_the_page)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        struct setup *s = make_setup(mode);
        struct translation t;
        put_all(s, P | RW | US | G);
        cr_assert(walk(s, ACCESS_READ, true, &t));
        cr_assert_eq(t.page.v, modes[mode].page);
        cr_assert_eq(t.host, space_host(&s->space, gpa(modes[mode].page)));
        cr_assert_eq(t.page_shift, modes[mode].page_shift, "%s", modes[mode].name);
        cr_assert(t.user && t.writable && t.executable && !t.rom && !t.dirty && !t.global);
        s->vcpu.cr4 |= CR4_PGE;
        cr_assert(walk(s, ACCESS_WRITE, true, &t));
        cr_assert(t.dirty && t.global);
        put_all(s, P);
        s->vcpu.cr0 &= ~(uint64_t)CR0_WP;
        cr_assert(walk(s, ACCESS_WRITE, false, &t));
        cr_assert(t.dirty && !t.writable && !t.user && !t.global);
        if (mode >= MODE_PAE_4K) {
            put_all(s, P | NX);
            cr_assert(walk(s, ACCESS_READ, false, &t));
            cr_assert_not(t.executable);
        }
        free_setup(s);
    }
}

Test(walk, debug_walk_has_no_effects)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        struct setup *s = make_setup(mode);
        struct translation t;
        lin_t at = lin(modes[mode].linear);
        put_all(s, P);
        s->vcpu.exception.vector = 99;
        cr_assert(mmu_walk_debug(&s->vcpu, at, &t));
        cr_assert_eq(t.page.v, modes[mode].page);
        for (unsigned i = 0; i < modes[mode].levels; i++) {
            put(s, i, get(s, i) & ~(uint64_t)P);
            cr_assert_not(mmu_walk_debug(&s->vcpu, at, &t));
            put(s, i, get(s, i) | P);
            cr_assert_eq(get(s, i) & (A | D), 0);
        }
        cr_assert_eq(s->vcpu.exception.vector, 99);
        free_setup(s);
    }
}

Test(walk, no_paging_is_identity)
{
    struct setup *s = make_setup(MODE_32_4K);
    struct translation t;
    s->vcpu.cr0 = 0;
    cr_assert(mmu_walk(&s->vcpu, lin(0x123456), ACCESS_WRITE, true, &t));
    cr_assert_eq(t.page.v, 0x123000);
    cr_assert_eq(t.host, space_host(&s->space, gpa(0x123000)));
    cr_assert(t.user && t.writable && t.dirty && t.executable && !t.rom);
    cr_assert(mmu_walk(&s->vcpu, lin(ROM + 5), ACCESS_WRITE, true, &t));
    cr_assert(t.rom && t.host);
    cr_assert(mmu_walk(&s->vcpu, lin(HOLE), ACCESS_READ, true, &t));
    cr_assert_null(t.host);
    free_setup(s);
}

Test(walk, a20_gate_masks_tables_and_pages)
{
    struct setup *s = make_setup(MODE_LONG_4K);
    struct translation t;
    s->vcpu.a20_masked = true;
    /* All table addresses name the odd megabyte, the tables are in the even one. */
    s->vcpu.cr3 |= MIB;
    for (unsigned i = 0; i < 4; i++)
        put(s, i, target(MODE_LONG_4K, i) | MIB | P | RW | US);
    cr_assert(walk(s, ACCESS_WRITE, true, &t));
    cr_assert_eq(t.page.v, HIGH + 0x5000);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(get(s, i) & A, A);
    s->vcpu.cr0 = 0;
    cr_assert(mmu_walk(&s->vcpu, lin(0x100000), ACCESS_READ, true, &t));
    cr_assert_eq(t.page.v, 0);
    free_setup(s);
    /* A large page's pieces, too: bit 20 comes from the linear address there. */
    s = make_setup(MODE_PAE_2M);
    s->vcpu.a20_masked = true;
    put_all(s, P | RW | US);
    cr_assert(walk(s, ACCESS_READ, true, &t));
    cr_assert_eq(t.page.v, modes[MODE_PAE_2M].page & ~(uint64_t)MIB);
    free_setup(s);
}

/* --- Accessed and dirty bits -----------------------------------------------------------------------------------------
 */

struct hook {
    struct setup *setup;
    unsigned calls;
    uint64_t last_size;
    unsigned clear_present_at; /* at this call, counted from 1 */
};

static void hook_code_written(void *context, uint64_t offset, uint64_t size)
{
    struct hook *hook = context;
    (void)offset;
    hook->last_size = size;
    if (++hook->calls == hook->clear_present_at)
        put(hook->setup, modes[hook->setup->mode].levels - 1, 0);
}

static void watch_tables(struct setup *s, struct hook *hook)
{
    s->space.code_written = hook_code_written;
    s->space.code_context = hook;
    for (unsigned i = 0; i < modes[s->mode].levels; i++)
        s->space.page_flags[space_offset(&s->space, s->entry[i]) >> 12] = PAGE_CODE;
}

Test(walk, updates_pass_the_write_door_only_when_needed)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        struct setup *s = make_setup(mode);
        struct hook hook = {.setup = s};
        struct translation t;
        watch_tables(s, &hook);
        put_all(s, P | RW | US);
        cr_assert(walk(s, ACCESS_READ, true, &t));
        cr_assert_eq(hook.calls, modes[mode].levels);
        cr_assert_eq(hook.last_size, modes[mode].entry_size);
        cr_assert(walk(s, ACCESS_READ, true, &t));
        cr_assert_eq(hook.calls, modes[mode].levels);
        cr_assert(walk(s, ACCESS_WRITE, true, &t)); /* D of the leaf only */
        cr_assert_eq(hook.calls, modes[mode].levels + 1);
        free_setup(s);
    }
}

/* The leaf is cleared by somebody else between walk and update: it must not be resurrected. */
Test(walk, an_entry_changed_meanwhile_is_walked_again)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        struct setup *s = make_setup(mode);
        struct hook hook = {.setup = s, .clear_present_at = modes[mode].levels};
        watch_tables(s, &hook);
        put_all(s, P | RW | US);
        expect_fault(s, ACCESS_WRITE, true, PF_W | PF_U);
        cr_assert_eq(get(s, modes[mode].levels - 1), 0);
        free_setup(s);
    }
}

Test(walk, tables_in_rom_are_not_written)
{
    struct setup *s = make_setup(MODE_LONG_4K);
    struct translation t;
    put_all(s, P | RW | US);
    uint8_t tables[4 * 4096], after[4 * 4096];
    cr_assert(space_read_bytes(&s->space, gpa(TABLES), tables, sizeof(tables)));
    for (unsigned i = 0; i < 3; i++) {
        uint64_t *entry =
            (uint64_t *)(tables + (s->entry[i] - s->entry[0] + (s->entry[0] - space_host(&s->space, gpa(TABLES)))));
        *entry = (ROM + (i + 1) * 0x1000ull) | P | RW | US;
    }
    cr_assert(space_write_bytes(&s->space, gpa(ROM), tables, sizeof(tables)));
    s->vcpu.cr3 = ROM;
    cr_assert(walk(s, ACCESS_WRITE, true, &t));
    cr_assert_eq(t.page.v, HIGH + 0x5000);
    cr_assert(t.dirty);
    cr_assert(space_read_bytes(&s->space, gpa(ROM), after, sizeof(after)));
    cr_assert_arr_eq(after, tables, sizeof(after));
    free_setup(s);
}

/* All-ones where no RAM is: reserved bits, but for the small-page entries of 32-bit paging, which have none. */
Test(walk, tables_nowhere)
{
    static const uint64_t places[] = {HOLE, 0xe0000000};
    for (enum mode mode = 0; mode < MODES; mode++) {
        struct setup *s = make_setup(mode);
        for (unsigned i = 0; i < ARRAY_LEN(places); i++) {
            s->vcpu.cr3 = places[i];
            if (mode == MODE_PAE_2M || mode == MODE_PAE_4K)
                s->vcpu.pdpte[3] = places[i] | P;
            expect_fault(s, ACCESS_READ, false, PF_P | PF_RSVD);
        }
        free_setup(s);
    }
    struct setup *s = make_setup(MODE_32_4K);
    struct translation t;
    put(s, 0, 0xe0000000 | P | RW);
    cr_assert(walk(s, ACCESS_WRITE, false, &t));
    cr_assert_eq(t.page.v, 0xfffff000);
    cr_assert_null(t.host);
    free_setup(s);
}

/* --- PDPTEs
 * ----------------------------------------------------------------------------------------------------------- */

Test(walk, pdptes_are_loaded_once_and_checked)
{
    struct setup *s = make_setup(MODE_PAE_4K);
    struct translation t;
    put_all(s, P | RW | US);
    uint64_t *memory = (uint64_t *)space_host(&s->space, gpa(0x20020));
    memory[0] = 0x1e6; /* absent: anything goes */
    memory[3] = TABLE_AT(0) | P | 0x18;
    cr_assert(mmu_load_pdptes(&s->vcpu, 0x2003f)); /* bits 4:0 of CR3 do not count */
    cr_assert_eq(s->vcpu.pdpte[0], 0x1e6);
    cr_assert_eq(s->vcpu.pdpte[3], TABLE_AT(0) | P | 0x18);
    memory[3] = 0; /* later changes of memory have no effect */
    cr_assert(walk(s, ACCESS_READ, true, &t));
    s->vcpu.pdpte[3] = TABLE_AT(0);
    expect_fault(s, ACCESS_READ, true, PF_U);

    for (unsigned bit = 1; bit < 64; bit++) {
        bool reserved = (0xffffff00000001e6ull >> bit) & 1;
        memory[2] = P | BIT(bit);
        s->vcpu.pdpte[2] = 42;
        cr_assert_eq(mmu_load_pdptes(&s->vcpu, 0x20020), !reserved, "bit %u", bit);
        if (reserved) {
            cr_assert_eq(s->vcpu.exception.vector, EXC_GP);
            cr_assert(s->vcpu.exception.has_error_code);
            cr_assert_eq(s->vcpu.exception.error_code, 0);
            cr_assert_eq(s->vcpu.pdpte[2], 42);
        }
    }
    cr_assert_not(mmu_load_pdptes(&s->vcpu, HOLE));
    free_setup(s);
}

/* --- all mappings, for the monitor -------------------------------------------------------------------------------- */

struct visited {
    unsigned count, max;
    struct mapping last;
};

static bool visit(void *context, const struct mapping *mapping)
{
    struct visited *visited = context;
    visited->last = *mapping;
    return ++visited->count < visited->max;
}

Test(map, finds_the_page_in_every_mode_and_sets_no_bits)
{
    for (enum mode mode = 0; mode < MODES; mode++) {
        struct setup *s = make_setup(mode);
        struct visited visited = {.max = 10};
        struct translation t;
        put_all(s, P | RW);
        cr_assert(mmu_map_each(&s->vcpu, visit, &visited), "%s", modes[mode].name);
        uint64_t offset = BIT(modes[mode].page_shift) - 1;
        cr_expect_eq(visited.count, 1, "%s", modes[mode].name);
        cr_expect_eq(visited.last.linear, modes[mode].linear & ~offset, "%s", modes[mode].name);
        cr_expect_eq(visited.last.size, offset + 1);
        cr_expect(visited.last.writable && !visited.last.user && !visited.last.no_execute);
        cr_assert(mmu_walk_debug(&s->vcpu, lin(modes[mode].linear), &t));
        cr_expect_eq(visited.last.physical | (modes[mode].linear & offset & ~0xfffull), t.page.v);
        for (unsigned i = 0; i < modes[mode].levels; i++)
            cr_expect_not(get(s, i) & (A | D), "%s", modes[mode].name);
        put(s, 0, 0);
        visited.count = 0;
        cr_expect(mmu_map_each(&s->vcpu, visit, &visited));
        cr_expect_eq(visited.count, 0);
        free_setup(s);
    }
}

Test(map, tables_that_refer_to_themselves_end, .timeout = 60)
{
    struct setup *s = make_setup(MODE_LONG_4K);
    struct visited visited = {.max = UINT32_MAX};
    uint64_t *table = (uint64_t *)space_host(&s->space, gpa(TABLE_AT(0)));
    for (unsigned i = 0; i < 512; i++)
        table[i] = TABLE_AT(0) | P;
    cr_expect_not(mmu_map_each(&s->vcpu, visit, &visited));
    visited = (struct visited){.max = 5};
    cr_expect_not(mmu_map_each(&s->vcpu, visit, &visited));
    cr_expect_eq(visited.count, 5);
    s->vcpu.cr3 = HOLE; /* no memory there: nothing is mapped */
    visited.count = 0;
    cr_expect(mmu_map_each(&s->vcpu, visit, &visited));
    cr_expect_eq(visited.count, 0);
    free_setup(s);
}
