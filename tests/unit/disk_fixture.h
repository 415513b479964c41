/* What the tests of disk controllers share: images in temporary files, and memory. */
#ifndef RING3_TESTS_DISK_FIXTURE_H
#define RING3_TESTS_DISK_FIXTURE_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/core/block.h"
#include "softmmu/space.h"
#include "tests/unit/chip_fixture.h"

static struct block_queue disk_queue;

/* Sector n is filled with what this says, so that every sector of a small image differs from its neighbours. */
static inline uint8_t sector_byte(uint64_t sector)
{
    return (uint8_t)(sector * 7 + 1);
}

/* An image of `sectors` sectors in a file that has no name any more. */
static inline struct block *make_disk(uint64_t sectors, bool readonly)
{
    char path[] = "/tmp/ring3-disk-XXXXXX";
    struct error err = {{0}};
    int fd = mkstemp(path);

    for (uint64_t i = 0; i < sectors && i < 8192; i++) {
        uint8_t bytes[BLOCK_SECTOR];
        memset(bytes, sector_byte(i), sizeof(bytes));
        cr_assert_eq(pwrite(fd, bytes, sizeof(bytes), (off_t)i * BLOCK_SECTOR), BLOCK_SECTOR);
    }
    cr_assert_eq(ftruncate(fd, (off_t)sectors * BLOCK_SECTOR), 0);
    close(fd);
    struct block *block =
        block_open(&(struct block_config){.path = path, .readonly = readonly, .queue = &disk_queue}, &err);
    cr_assert(block, "%s", err.text);
    unlink(path);
    return block;
}

static inline uint8_t disk_byte(struct block *block, uint64_t offset)
{
    uint8_t byte;
    cr_assert_eq(block_read_now(block, offset, &byte, 1), 0);
    return byte;
}

static inline void make_memory(struct space *space, uint64_t bytes)
{
    struct error err;
    cr_assert_eq(space_init(space, bytes, &err), 0, "%s", err.text);
    cr_assert_eq(space_add(space, 0, bytes, false, "RAM", NULL, &err), 0, "%s", err.text);
}

#endif
