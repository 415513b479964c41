/*
 * Page walks: from linear to guest-physical addresses by the guest's own tables, with the SDM's checks and its accessed
 * and dirty bits.
 *
 * Every mode is walked first without side effects (struct walk); rights are judged on the result; only then are A and D
 * set, each entry by compare-exchange on the value that was judged. If an entry has changed meanwhile, all is done
 * again. Entries that no RAM holds read as all-ones, which is a reserved-bit fault in every format but the small-page
 * 32-bit one; updates of those, and of entries in ROM, are dropped.
 *
 * Deviation: an implicit supervisor access (descriptor tables, TSS) made at CPL < 3 with EFLAGS.AC = 1 passes SMAP,
 * since callers do not tell it from an explicit one.
 *
 * @tb-context: runs with the guest's vector state in host registers. Thread: the vCPU's own; mmu_walk_debug also from
 * others while the vCPU is stopped. Source: SDM Vol. 3 "Paging" ("32-bit paging", "PAE paging", "4-level paging",
 * "Access rights", "Page-fault exceptions", "Accessed and dirty flags").
 */
#include "softmmu/mmu.h"

/* Bits of paging-structure entries. */
#define PTE_P    BIT(0)
#define PTE_RW   BIT(1)
#define PTE_US   BIT(2)
#define PTE_A    BIT(5)
#define PTE_D    BIT(6)
#define PTE_PS   BIT(7)
#define PTE_G    BIT(8)
#define PTE_NX   BIT(63)
#define PTE_ADDR (BIT(MMU_PHYS_BITS) - GUEST_PAGE_SIZE)

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum walk_result { WALK_MAPPED, WALK_NOT_PRESENT, WALK_RESERVED };

enum { MAX_LEVELS = 4 };

/* What the tables say about one linear address. Filled without side effects. */
struct walk {
    struct {
        uint8_t *host; /* null: updates are dropped (no RAM there, or ROM) */
        uint64_t value;
    } step[MAX_LEVELS]; /* root first; PAE's PDPTEs, which have no A bit, are not steps */
    unsigned steps;
    uint8_t entry_size; /* 4 or 8 */
    uint8_t page_shift;
    uint64_t all;     /* AND of all entries: P, R/W, U/S */
    uint64_t any;     /* OR of all entries: NX */
    uint64_t address; /* guest-physical address of the byte, before the A20 gate */
};

static inline gpa_t a20_gate(const struct vcpu *vcpu, uint64_t address)
{
    return gpa(address & ~((uint64_t)vcpu->a20_masked << 20));
}

/* Reads one entry and notes it as the next step. */
static inline uint64_t read_entry(const struct vcpu *vcpu, struct walk *walk, uint64_t address)
{
    gpa_t at = a20_gate(vcpu, address);
    const struct space_slot *slot = space_find(vcpu->space, at);
    uint8_t *host = NULL;
    uint64_t value = walk->entry_size == 4 ? UINT32_MAX : UINT64_MAX;
    if (LIKELY(slot)) {
        host = slot->host + (at.v - slot->base);
        if (walk->entry_size == 4)
            value = __atomic_load_n((uint32_t *)host, __ATOMIC_RELAXED);
        else
            value = __atomic_load_n((uint64_t *)host, __ATOMIC_RELAXED);
        if (slot->rom)
            host = NULL;
    }
    walk->step[walk->steps].host = host;
    walk->step[walk->steps++].value = value;
    walk->all &= value;
    walk->any |= value;
    return value;
}

/*
 * 32-bit paging. Page directory entry of a 4 MiB page:
 *   31:22 address 31:22 | 21:13 with PSE-36: address 39:32 and a reserved bit 21, else reserved | 12 PAT | 11:0 flags
 */
static enum walk_result walk_32bit(const struct vcpu *vcpu, uint64_t v, struct walk *walk)
{
    walk->entry_size = 4;
    uint64_t pde = read_entry(vcpu, walk, (vcpu->cr3 & 0xfffff000) + (v >> 22 & 0x3ff) * 4);
    if (!(pde & PTE_P))
        return WALK_NOT_PRESENT;
    if (pde & PTE_PS && vcpu->cr4 & CR4_PSE) {
        bool pse36 = cpu_has(&vcpu->features, PSE36);
        if (pde & (pse36 ? 0x200000 : 0x3fe000))
            return WALK_RESERVED;
        walk->page_shift = 22;
        walk->address = (pde & 0xffc00000) | (pde & 0x1fe000) << 19 | (v & 0x3fffff);
        return WALK_MAPPED;
    }
    uint64_t pte = read_entry(vcpu, walk, (pde & 0xfffff000) + (v >> 12 & 0x3ff) * 4);
    if (!(pte & PTE_P))
        return WALK_NOT_PRESENT;
    walk->page_shift = 12;
    walk->address = (pte & 0xfffff000) | (v & GUEST_PAGE_OFFSET);
    return WALK_MAPPED;
}

/* The levels with 8-byte entries, from `level` (4: PML4, 3: PDPT, 2: page directory, 1: page table) down. */
static enum walk_result walk_levels(const struct vcpu *vcpu, uint64_t v, uint64_t table, unsigned level,
                                    struct walk *walk)
{
    /* PAE: 62:40 are reserved; 4-level: 51:40. Bit 63 is NX, or reserved too. */
    uint64_t always = (level == 4 ? BIT(52) : BIT(63)) - BIT(MMU_PHYS_BITS);
    if (!(vcpu->efer & EFER_NXE))
        always |= PTE_NX;
    for (;; level--) {
        unsigned shift = 12 + 9 * (level - 1);
        uint64_t entry = read_entry(vcpu, walk, table + (v >> shift & 0x1ff) * 8);
        if (!(entry & PTE_P))
            return WALK_NOT_PRESENT;
        uint64_t reserved = always;
        bool leaf = level == 1;
        if (!leaf && entry & PTE_PS) {
            leaf = level == 2 || (level == 3 && cpu_has(&vcpu->features, PDPE1GB));
            reserved |= leaf ? BIT(shift) - BIT(13) : PTE_PS; /* bit 12 of a large page is PAT */
        }
        if (UNLIKELY(entry & reserved))
            return WALK_RESERVED;
        if (leaf) {
            uint64_t offset = BIT(shift) - 1;
            walk->page_shift = (uint8_t)shift;
            walk->address = (entry & PTE_ADDR & ~offset) | (v & offset);
            return WALK_MAPPED;
        }
        table = entry & PTE_ADDR;
    }
}

/* Paging is on. */
static enum walk_result walk_tables(const struct vcpu *vcpu, uint64_t v, struct walk *walk)
{
    walk->steps = 0;
    walk->entry_size = 8;
    walk->all = UINT64_MAX;
    walk->any = 0;
    if (vcpu->efer & EFER_LMA)
        return walk_levels(vcpu, v, vcpu->cr3 & PTE_ADDR, 4, walk);
    if (!(vcpu->cr4 & CR4_PAE))
        return walk_32bit(vcpu, v, walk);
    uint64_t pdpte = vcpu->pdpte[v >> 30 & 3];
    if (!(pdpte & PTE_P))
        return WALK_NOT_PRESENT;
    return walk_levels(vcpu, v, pdpte & PTE_ADDR, 2, walk);
}

static inline bool nx_in_force(const struct vcpu *vcpu)
{
    return vcpu->cr4 & CR4_PAE && vcpu->efer & EFER_NXE;
}

/* SDM "Determination of access rights". */
static bool allowed(const struct vcpu *vcpu, const struct walk *walk, enum access access, bool user)
{
    bool user_page = walk->all & PTE_US;
    if (user && !user_page)
        return false;
    if (access == ACCESS_EXEC) {
        if (!user && user_page && vcpu->cr4 & CR4_SMEP)
            return false;
        return !(walk->any & PTE_NX && nx_in_force(vcpu));
    }
    if (!user && user_page && vcpu->cr4 & CR4_SMAP) {
        bool implicit = vcpu->cpl == 3;
        if (implicit || !(vcpu->eflags & FLAG_AC))
            return false;
    }
    if (access == ACCESS_WRITE && !(walk->all & PTE_RW))
        return !user && !(vcpu->cr0 & CR0_WP);
    return true;
}

static bool page_fault(struct vcpu *vcpu, lin_t at, enum access access, bool user, uint32_t code)
{
    if (access == ACCESS_WRITE)
        code |= PF_W;
    if (user)
        code |= PF_U;
    if (access == ACCESS_EXEC && (nx_in_force(vcpu) || vcpu->cr4 & CR4_SMEP))
        code |= PF_I;
    vcpu->exception = (struct exception){.vector = EXC_PF, .has_error_code = true, .error_code = code, .cr2 = at.v};
    return false;
}

/* Sets bits in one entry through the write door. False: the entry is no longer what the walk saw. */
static bool update_entry(struct vcpu *vcpu, struct walk *walk, unsigned step, uint64_t bits)
{
    uint8_t *host = walk->step[step].host;
    uint64_t seen = walk->step[step].value;
    walk->step[step].value |= bits;
    if (!host || vcpu->space->store_log) /* what is only tried out leaves no bits */
        return true;
    space_written(vcpu->space, host, walk->entry_size);
    if (walk->entry_size == 4) {
        uint32_t expected = (uint32_t)seen;
        return __atomic_compare_exchange_n((uint32_t *)host, &expected, expected | (uint32_t)bits, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    }
    return __atomic_compare_exchange_n((uint64_t *)host, &seen, seen | bits, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

static bool set_accessed_dirty(struct vcpu *vcpu, struct walk *walk, bool write)
{
    for (unsigned i = 0; i < walk->steps; i++) {
        uint64_t bits = PTE_A;
        if (write && i == walk->steps - 1)
            bits |= PTE_D;
        if (UNLIKELY(~walk->step[i].value & bits) && !update_entry(vcpu, walk, i, bits))
            return false;
    }
    return true;
}

/* Where the byte at guest-physical `address` is. */
static inline void locate(const struct vcpu *vcpu, uint64_t address, struct translation *out)
{
    out->page = a20_gate(vcpu, address & ~(uint64_t)GUEST_PAGE_OFFSET);
    const struct space_slot *slot = space_find(vcpu->space, out->page);
    out->host = slot ? slot->host + (out->page.v - slot->base) : NULL;
    out->rom = slot && slot->rom;
}

static void describe_identity(const struct vcpu *vcpu, uint64_t v, struct translation *out)
{
    locate(vcpu, v, out);
    out->user = out->writable = out->dirty = out->executable = true;
    out->global = false;
    out->page_shift = 12;
}

static void describe(const struct vcpu *vcpu, const struct walk *walk, struct translation *out)
{
    uint64_t leaf = walk->step[walk->steps - 1].value;
    locate(vcpu, walk->address, out);
    out->user = walk->all & PTE_US;
    out->writable = walk->all & PTE_RW;
    out->dirty = leaf & PTE_D;
    out->executable = !(walk->any & PTE_NX && nx_in_force(vcpu));
    out->global = leaf & PTE_G && vcpu->cr4 & CR4_PGE;
    out->page_shift = walk->page_shift;
}

bool mmu_walk(struct vcpu *vcpu, lin_t at, enum access access, bool user, struct translation *out)
{
    if (!(vcpu->cr0 & CR0_PG)) {
        describe_identity(vcpu, at.v, out);
        return true;
    }
    struct walk walk;
    do {
        enum walk_result result = walk_tables(vcpu, at.v, &walk);
        if (result == WALK_NOT_PRESENT)
            return page_fault(vcpu, at, access, user, 0);
        if (result == WALK_RESERVED)
            return page_fault(vcpu, at, access, user, PF_P | PF_RSVD);
        if (!allowed(vcpu, &walk, access, user))
            return page_fault(vcpu, at, access, user, PF_P);
    } while (!set_accessed_dirty(vcpu, &walk, access == ACCESS_WRITE));
    describe(vcpu, &walk, out);
    return true;
}

bool mmu_walk_debug(const struct vcpu *vcpu, lin_t at, struct translation *out)
{
    if (!(vcpu->cr0 & CR0_PG)) {
        describe_identity(vcpu, at.v, out);
        return true;
    }
    struct walk walk;
    if (walk_tables(vcpu, at.v, &walk) != WALK_MAPPED)
        return false;
    describe(vcpu, &walk, out);
    return true;
}

bool mmu_load_pdptes(struct vcpu *vcpu, uint64_t cr3)
{
    /* 62:40, 8:5 and 2:1, and bit 63, which is no NX here. */
    const uint64_t reserved = (0 - BIT(MMU_PHYS_BITS)) | 0x1e6;
    uint64_t pdpte[4];
    struct walk walk = {.entry_size = 8};
    for (unsigned i = 0; i < 4; i++) {
        pdpte[i] = read_entry(vcpu, &walk, (cr3 & 0xffffffe0) + i * 8);
        if (pdpte[i] & PTE_P && pdpte[i] & reserved)
            return vcpu_fault_code(vcpu, EXC_GP, 0);
    }
    for (unsigned i = 0; i < 4; i++)
        vcpu->pdpte[i] = pdpte[i];
    return true;
}
