/*
 * One channel of the DMA controller, between the controller and the device on it.
 *
 * A device asserts DREQ and then moves bytes; which address they go to or come from, and how many there may be, is the
 * controller's knowledge. While the channel is masked nothing moves; `granted` says when it is worth another try.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_ISA_DMA_H
#define RING3_DEVICES_ISA_DMA_H

#include "cpu-model/base/types.h"

struct isa_dma {
    /* Controller's half. Moves up to `count` bytes between buffer and memory, or with a null buffer only counts.
     * Returns how many moved; *terminal_count says that the last of them was the channel's last. */
    size_t (*move)(struct isa_dma *dma, bool to_memory, uint8_t *buffer, size_t count, bool *terminal_count);
    void (*dreq_changed)(struct isa_dma *dma);
    void *controller;
    unsigned channel;

    /* Device's half: the channel may transfer now and DREQ is asserted. May be null. */
    void (*granted)(void *device);
    void *device;

    bool dreq;
};

/* Asserting it does not call granted(): the device tries at once. */
static inline void isa_dma_request(struct isa_dma *dma, bool dreq)
{
    if (!dma || dma->dreq == dreq)
        return;
    dma->dreq = dreq;
    if (dma->dreq_changed)
        dma->dreq_changed(dma);
}

static inline size_t isa_dma_move(struct isa_dma *dma, bool to_memory, uint8_t *buffer, size_t count,
                                  bool *terminal_count)
{
    *terminal_count = false;
    return dma && dma->move ? dma->move(dma, to_memory, buffer, count, terminal_count) : 0;
}

#endif
