/*
 * A flash memory with the Intel command set (CFI 0001), 8 bits wide: the firmware's code or its variables.
 *
 * The contents are in memory that the owner provides, so that the guest reads and executes them directly while the chip
 * shows its array; otherwise its reads come here. What is programmed goes into the image at once.
 */
#ifndef RING3_CHIPS_PFLASH_H
#define RING3_CHIPS_PFLASH_H

#include "cpu-model/base/bus.h"
#include "devices/core/block.h"
#include "devices/core/device.h"

enum { PFLASH_BLOCK = 4096 }; /* what is erased at once */

struct pflash_config {
    uint8_t *storage; /* size bytes */
    uint32_t size;    /* a multiple of PFLASH_BLOCK */
    bool readonly;
    struct block *block; /* null: nothing is kept */
    /* Whether reads show the array: the owner maps the storage, or takes it away. May be null. */
    void (*array_shown)(void *context, bool shown);
    /* The storage is about to change, or has changed. May be null. */
    void (*changed)(void *context, uint32_t offset, uint32_t size);
    void *context;
};

struct pflash {
    struct pflash_config config;
    uint8_t mode;   /* what reads show: private to the chip */
    uint8_t status; /* the status register */
    uint8_t setup;  /* the command whose further cycles come, or 0 */
    uint8_t cycle;
    uint16_t count, filled; /* the write buffer: bytes announced, bytes there */
    uint32_t buffer_base;
    uint8_t buffer[256];
    uint32_t dirty_start, dirty_end; /* not yet in the image; empty if equal */

    struct block_request request; /* in progress: no state */
    struct iovec vector;
    bool requested;
};

extern const struct bus_ops pflash_ops; /* size bytes */
extern const struct device_class pflash_class;

/* Returns 0 or -EINVAL. The storage holds what the image holds. */
int pflash_init(struct pflash *flash, const struct pflash_config *config);

#endif
