/*
 * Visits the guest's paging structures from the root. See map.h.
 *
 * Invariant: a guest can make tables that refer to themselves, so the number of tables visited is bounded.
 * Thread: any, while the vCPU is stopped. Source: SDM Vol. 3 "32-bit paging", "PAE paging", "4-level paging".
 */
#include "softmmu/map.h"

#include "softmmu/mmu.h"

enum { TABLES_MAX = 1 << 18 };

enum { PTE_P = 1, PTE_RW = 2, PTE_US = 4, PTE_PS = 0x80 };
#define PTE_NX   BIT(63)
#define PTE_ADDR (BIT(MMU_PHYS_BITS) - GUEST_PAGE_SIZE)

struct visit {
    const struct vcpu *vcpu;
    bool (*each)(void *context, const struct mapping *mapping);
    void *context;
    unsigned tables, entry_size, index_bits;
    bool four_level;
};

static uint64_t load_entry(const struct visit *v, uint64_t address)
{
    uint64_t value = 0;
    gpa_t at = gpa(address & ~((uint64_t)v->vcpu->a20_masked << 20));
    const uint8_t *host = space_host(v->vcpu->space, at);
    if (!host)
        return 0;
    if (v->entry_size == 4)
        value = __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
    else
        value = __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED);
    return value;
}

static bool is_leaf(const struct visit *v, unsigned level, uint64_t entry)
{
    if (level == 1)
        return true;
    if (!(entry & PTE_PS) || level == 4)
        return false;
    if (v->entry_size == 4)
        return v->vcpu->cr4 & CR4_PSE;
    return level == 2 || (level == 3 && v->four_level);
}

static bool report(const struct visit *v, unsigned level, struct mapping *m)
{
    m->size = BIT(12 + v->index_bits * (level - 1));
    m->physical = v->entry_size == 4 ? m->entry & 0xfffff000 : m->entry & PTE_ADDR;
    m->physical &= ~(m->size - 1);
    if (v->entry_size == 4 && level == 2)
        m->physical |= (m->entry & 0x1fe000) << 19; /* PSE-36 */
    if (v->four_level)
        m->linear = (uint64_t)((int64_t)(m->linear << 16) >> 16);
    return v->each(v->context, m);
}

/* The table at `table`, whose first entry maps above->linear; `above` has the rights so far. */
static bool visit_table(struct visit *v, uint64_t table, unsigned level, const struct mapping *above)
{
    unsigned shift = 12 + v->index_bits * (level - 1);

    if (++v->tables > TABLES_MAX)
        return false;
    for (uint64_t i = 0; i < BIT(v->index_bits); i++) {
        uint64_t entry = load_entry(v, table + i * v->entry_size);
        if (!(entry & PTE_P))
            continue;
        struct mapping m = {
            .linear = above->linear | i << shift,
            .entry = entry,
            .user = above->user && entry & PTE_US,
            .writable = above->writable && entry & PTE_RW,
            .no_execute = above->no_execute || (entry & PTE_NX && v->vcpu->efer & EFER_NXE),
        };
        bool more = is_leaf(v, level, entry) ? report(v, level, &m) : visit_table(v, entry & PTE_ADDR, level - 1, &m);
        if (!more)
            return false;
    }
    return true;
}

bool mmu_map_each(const struct vcpu *vcpu, bool (*each)(void *, const struct mapping *), void *context)
{
    struct visit v = {.vcpu = vcpu, .each = each, .context = context, .entry_size = 8, .index_bits = 9};
    struct mapping all = {.user = true, .writable = true};

    v.four_level = vcpu->efer & EFER_LMA;
    if (v.four_level)
        return visit_table(&v, vcpu->cr3 & PTE_ADDR, 4, &all);
    if (!(vcpu->cr4 & CR4_PAE)) {
        v.entry_size = 4;
        v.index_bits = 10;
        return visit_table(&v, vcpu->cr3 & 0xfffff000, 2, &all);
    }
    for (unsigned i = 0; i < 4; i++) {
        all.linear = (uint64_t)i << 30;
        if (vcpu->pdpte[i] & PTE_P && !visit_table(&v, vcpu->pdpte[i] & PTE_ADDR, 2, &all))
            return false;
    }
    return true;
}
