/*
 * Guest memory as C code of the CPU model sees it: page walks, and reads and writes of linear addresses.
 *
 * A function that returns false has raised vcpu->exception (#PF with its error code) and changed nothing. Walks set
 * accessed and dirty bits as the SDM says, with atomic updates. Segmentation has already happened (exec/memory.h).
 * These files run while the guest's vector state is live in host registers: no libc, no vector code (see style notes in
 * softmmu/ARCHITECTURE.md).
 *
 * Source: SDM Vol. 3 "Paging".
 */
#ifndef RING3_SOFTMMU_MMU_H
#define RING3_SOFTMMU_MMU_H

#include "cpu-model/state/vcpu.h"
#include "softmmu/space.h"

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };

/* What a walk found out about one 4 KiB linear page (large pages are reported as the 4 KiB piece asked for). */
struct translation {
    gpa_t page;    /* guest-physical page address, A20 applied */
    uint8_t *host; /* its host address; null: MMIO */
    bool rom;
    bool user;       /* user accesses are allowed */
    bool writable;   /* R/W is set at all levels (supervisor may also write read-only pages while CR0.WP = 0) */
    bool dirty;      /* D is set: stores need no further walk */
    bool executable; /* NX is clear at all levels or not in force */
    bool global;
    uint8_t page_shift; /* 12, 21, 22 or 30 */
};

/*
 * Walks the tables for one access. user: made with user rights (CPL 3, not an implicit system access). Checks rights in
 * the SDM's order, then sets A (and D for writes). With paging off: identity.
 */
bool mmu_walk(struct vcpu *vcpu, lin_t lin, enum access access, bool user, struct translation *out);

/* As mmu_walk, for debuggers and the monitor: no rights checked, no bits set, no exception raised; false: not mapped.
 */
bool mmu_walk_debug(const struct vcpu *vcpu, lin_t lin, struct translation *out);

/*
 * One data access of 1, 2, 4 or 8 bytes at any alignment; may cross a page end (both pages are checked first; a fault
 * names the first failing byte) and may hit MMIO. RAM accesses inside a page are single host accesses.
 */
bool mmu_read(struct vcpu *vcpu, lin_t lin, unsigned size, bool user, uint64_t *value);
bool mmu_write(struct vcpu *vcpu, lin_t lin, unsigned size, bool user, uint64_t value);

/* size <= 4096 bytes, at most one page end crossed; all or nothing. */
bool mmu_read_bytes(struct vcpu *vcpu, lin_t lin, void *buffer, unsigned size, bool user);
bool mmu_write_bytes(struct vcpu *vcpu, lin_t lin, const void *buffer, unsigned size, bool user);

/* Checks that the access would succeed (setting A/D), touching no data. size <= 4096. */
bool mmu_probe(struct vcpu *vcpu, lin_t lin, unsigned size, enum access access, bool user);

/* Instruction fetch: copies up to `size` bytes, fewer at a page end whose next page faults; 0: exception raised for the
 * first byte. */
unsigned mmu_fetch(struct vcpu *vcpu, lin_t lin, uint8_t *buffer, unsigned size);

/* Loads vcpu->pdpte from CR3 (PAE paging). False: #GP(0) raised, a reserved bit is set. */
bool mmu_load_pdptes(struct vcpu *vcpu, uint64_t cr3);

/* Bits of a physical address the CPU model has (MAXPHYADDR, CPUID 8000_0008h EAX). */
enum { MMU_PHYS_BITS = 40 };

/*
 * Flushes, called by whoever changes what translations depend on. The derived state lives in shadow.c; with an engine
 * that keeps none they do nothing.
 */
void mmu_flush_page(struct vcpu *vcpu, lin_t lin);                     /* INVLPG: current PCID, global entries too */
void mmu_flush_page_pcid(struct vcpu *vcpu, lin_t lin, uint16_t pcid); /* INVPCID type 0: not global */
void mmu_flush_pcid(struct vcpu *vcpu, uint16_t pcid);                 /* INVPCID type 1: not global */
void mmu_flush_all(struct vcpu *vcpu, bool global);                    /* every PCID; global entries too if asked */
void mmu_set_root(struct vcpu *vcpu, bool keep); /* CR3 was loaded; keep: bit 63 was set under PCIDE */
void mmu_mode_changed(struct vcpu *vcpu);        /* CR0.PG/WP, CR4 paging bits, EFER.NXE, A20 changed */

#endif
