/*
 * The guest-physical address space: which pages are RAM or ROM, and where they are in the host; everything else is
 * MMIO.
 *
 * All RAM, ROM and video RAM is one contiguous host region, the arena (see arena.h). A piece of the arena may be mapped
 * anywhere, moved, or mapped more than once (BIOS ROM, shadowed areas, the display's window). A guest store to ROM is
 * offered to the memory-mapped devices: that is how flash chips and write-only shadow RAM see it. Every write to guest
 * memory that is not made by translated code itself goes through space_store() or is followed by space_written(): the
 * one door behind which blocks made from overwritten code are dropped. Video memory is "tracked": its pages tell
 * whether anything was stored to them since somebody last asked.
 *
 * Threads: lookups from the vCPU's thread, or with the machine lock held. Changes with the lock held, by the vCPU's
 * thread (inside a device's access) or while the vCPU is stopped; `changed` then makes it drop its translations before
 * the next instruction.
 */
#ifndef RING3_SOFTMMU_SPACE_H
#define RING3_SOFTMMU_SPACE_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"
#include "softmmu/arena.h"

enum { SPACE_MAX_SLOTS = 32 };

struct space_slot {
    uint64_t base, size; /* guest-physical, page-aligned */
    uint8_t *host;       /* inside the arena */
    bool rom;            /* guest stores go to the devices */
    const char *name;
};

/* Per-page flags, one byte for each arena page. */
enum {
    PAGE_CODE = 1,    /* translated code was made from it */
    PAGE_TRACKED = 2, /* video memory: PAGE_CLEAN means something */
    PAGE_CLEAN = 4,   /* nobody stored to it since space_take_dirty(): the next store must come through the door */
};

struct space {
    struct space_slot slot[SPACE_MAX_SLOTS]; /* sorted by base */
    unsigned slots, largest;                 /* largest: index of the largest slot, which most lookups want */
    uint8_t *arena;                          /* host address of the arena */
    uint64_t arena_size, arena_used;
    struct arena reservation; /* what `arena` is part of; aliases_failed tells whether colliding entries can fault */
    uint8_t *page_flags;      /* [arena_size / 4096] */
    /* Called before memory on a PAGE_CODE page changes under the translator. Null: nobody keeps code. */
    void (*code_written)(void *context, uint64_t arena_offset, uint64_t size);
    void *code_context;
    /* Called when pages of [arena_offset, +size) have become PAGE_CLEAN: nobody may store to those directly any more.
     * Null: nobody does. Uses code_context. */
    void (*cleaned)(void *context, uint64_t arena_offset, uint64_t size);
    /* Called after the map changed. Null: nobody keeps translations. */
    void (*changed)(void *context);
    void *changed_context;
    /* Called before C code of the vCPU stores guest data, by who tries out instructions and takes their stores back;
     * page walks set no accessed and dirty bits meanwhile. Null: nobody does. */
    void (*store_log)(void *context, uint8_t *host, uint64_t size);
};

/* Reserves the arena for `bytes` of RAM and ROM in all. Returns 0 or -errno with a message. */
int space_init(struct space *space, uint64_t bytes, struct error *err);
/* The same at another place of the address space, which follows from `where`; for tests. */
int space_init_at(struct space *space, uint64_t bytes, uint32_t where, struct error *err);
void space_destroy(struct space *space);

/* Puts `size` bytes of zeroed memory at guest-physical `base`. Overlap: -EEXIST naming both. *host (may be null) gets
 * its address. */
int space_add(struct space *space, uint64_t base, uint64_t size, bool rom, const char *name, uint8_t **host,
              struct error *err);

/* Takes `size` bytes of zeroed memory out of the arena, to be mapped later. It is never given back. */
int space_reserve(struct space *space, uint64_t size, const char *name, uint8_t **host, struct error *err);

/* Maps a piece of the arena, slot->host on; slot->name is not copied. Overlap: -EEXIST naming both. */
int space_map(struct space *space, const struct space_slot *slot, struct error *err);

/* Takes away the slot that starts at base. Returns 0 or -ENOENT. */
int space_unmap(struct space *space, uint64_t base);

/* Starts tracking [host, host+size), whole pages, all of them dirty. */
void space_track(struct space *space, const uint8_t *host, uint64_t size);

/* Whether a tracked page of [host, host+size) is dirty. Any thread. */
bool space_any_dirty(const struct space *space, const uint8_t *host, uint64_t size);

/* Sets dirty[page] to 1 for the dirty pages of [host, host+size) and makes them clean. The vCPU is between two
 * instructions, and stays there meanwhile. */
void space_take_dirty(struct space *space, const uint8_t *host, uint64_t size, uint8_t *dirty);

/* The slot that holds gpa, or null (MMIO or nothing). */
const struct space_slot *space_find(const struct space *space, gpa_t gpa);

/* Host address of the byte at gpa, or null. The rest of its page follows contiguously. */
uint8_t *space_host(const struct space *space, gpa_t gpa);

/* Host address to gpa: the offset into the arena (for page_flags). */
static inline uint64_t space_offset(const struct space *space, const void *host)
{
    return (uint64_t)((const uint8_t *)host - space->arena);
}

/* Says that [host, host+size) is about to change. Cheap when no code page is hit. The range may span pages. */
void space_written(struct space *space, const void *host, uint64_t size);

/* The same for a store of guest data by the vCPU's C code, which may be logged; not for bits that page walks set. */
static inline void space_stored(struct space *space, uint8_t *host, uint64_t size)
{
    if (__builtin_expect(space->store_log != NULL, 0))
        space->store_log(space->code_context, host, size);
    space_written(space, host, size);
}

/* One guest store of 1, 2, 4 or 8 bytes within a page of RAM, as one host store (atomic when aligned). ROM: dropped. */
void space_store(struct space *space, const struct space_slot *slot, uint8_t *host, uint64_t value, unsigned size);

/* Host-side access by the loaders, DMA and debuggers. Bytes outside RAM read as ff and are not written; returns false
 * then. */
bool space_read_bytes(struct space *space, gpa_t gpa, void *buffer, uint64_t size);
bool space_write_bytes(struct space *space, gpa_t gpa, const void *buffer, uint64_t size); /* ROM is written too */

#endif
