/*
 * Guest memory as devices see it: bus masters that read and write guest-physical addresses.
 *
 * Address line 20 is the CPU's business, so it is not masked here. Addresses that no memory answers read as ff; writes
 * there and to ROM are dropped. Every function reports that by false, and has transferred the rest. All writes pass
 * the door of space.h, so translated code made from overwritten memory is dropped.
 *
 * Threads: any, while the memory map does not change (space.h).
 */
#ifndef RING3_SOFTMMU_DMA_H
#define RING3_SOFTMMU_DMA_H

#include "softmmu/space.h"

bool dma_read(struct space *space, gpa_t gpa, void *buffer, uint64_t size);
bool dma_write(struct space *space, gpa_t gpa, const void *buffer, uint64_t size);
bool dma_fill(struct space *space, gpa_t gpa, uint8_t byte, uint64_t size);

/* One little-endian value of 1, 2, 4 or 8 bytes; a single access when aligned (ring indices, status words). */
uint64_t dma_load(struct space *space, gpa_t gpa, unsigned size); /* all-ones where nothing answers */
bool dma_store(struct space *space, gpa_t gpa, uint64_t value, unsigned size);

/*
 * For transfers without a copy: the host address of [gpa, gpa + *size), with *size cut to what is contiguous there;
 * null where nothing answers (for writing: or ROM). After the bytes have been written, dma_unmap_written() must be
 * called with the size really written.
 */
const uint8_t *dma_map_read(struct space *space, gpa_t gpa, uint64_t *size);
uint8_t *dma_map_write(struct space *space, gpa_t gpa, uint64_t *size);
void dma_unmap_written(struct space *space, uint8_t *host, uint64_t size);

#endif
