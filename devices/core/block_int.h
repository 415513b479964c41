/* The file behind a disk image: opening, locking, reading and writing it. One thread at a time. */
#ifndef RING3_DEVICES_BLOCK_INT_H
#define RING3_DEVICES_BLOCK_INT_H

#include "devices/core/block.h"

struct block_file {
    char *path;
    int fd;
    uint64_t size;
    bool readonly;
    enum block_cache cache;
    int overlay_fd;     /* -1: writes go to fd */
    uint8_t *allocated; /* one bit for each cluster: it is in the overlay */
    uint64_t read_end;  /* where the last read ended */
};

/* Returns 0, or -errno with a message that starts with the path; nothing is left open then. */
int block_file_open(struct block_file *file, const struct block_config *config, struct error *err);
void block_file_close(struct block_file *file);

/* Carries a request out. Returns its result, and sets transferred. */
int block_file_perform(struct block_file *file, struct block_request *request);

#endif
