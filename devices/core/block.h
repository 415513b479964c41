/*
 * A disk image: bytes that outlive the machine. Chips submit requests and are told when they are done; the host's I/O
 * happens on a thread of the image's own, straight from and into the memory the request names.
 *
 * Raw files and block devices. Requests of one image are carried out in the order they were submitted, one at a time:
 * a flush covers every write submitted before it. Errors of the host (a full disk, a bad sector, a file that became
 * shorter) are results of the request, never lost.
 *
 * Done requests wait in a queue until block_queue_deliver() is called with the machine lock held: the one place where
 * the outside's timing enters the machine, and so the one place for a recorder to stand.
 *
 * @locks all calls are made with the machine lock held; block_queue_config.notify is called without it.
 */
#ifndef RING3_DEVICES_BLOCK_H
#define RING3_DEVICES_BLOCK_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"

#include <pthread.h>
#include <sys/uio.h>

enum { BLOCK_SECTOR = 512 };

enum block_operation { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

struct block;

struct block_request {
    enum block_operation operation;
    uint64_t offset; /* bytes; any alignment */
    /* Where the bytes are in the host's memory; stays the submitter's, unchanged until done. */
    const struct iovec *vector;
    unsigned count;
    void (*done)(struct block_request *request); /* machine lock held; may submit this or another request */
    void *device;

    int result;           /* 0, or -errno */
    uint64_t transferred; /* bytes before the one that failed */

    struct block *block; /* private from here on */
    struct block_request *next;
};

/* Requests that are done. One for each machine. */
struct block_queue {
    pthread_mutex_t mutex; /* guards this and the images' pending requests; never held while calling out */
    struct block_request *first, *last;
    /* A request was added: see to it that block_queue_deliver() is called soon. Any thread. May be null. */
    void (*notify)(void *context);
    void *context;
};

enum block_cache {
    BLOCK_WRITEBACK,    /* a write is durable after the next flush */
    BLOCK_WRITETHROUGH, /* a write is durable when it is done */
    BLOCK_UNSAFE,       /* flushes are ignored */
};

struct block_config {
    const char *path;
    bool readonly;
    bool snapshot; /* writes go to a temporary file that vanishes with the machine */
    enum block_cache cache;
    struct block_queue *queue;
    /* Opens the path in place of open(2), where the process may not; null otherwise. Returns a descriptor; -EXDEV with
     * a message that starts with the path; or another -errno. The snapshot of such an image is in memory. */
    int (*open)(void *context, const char *path, bool write, struct error *err);
    void *context;
};

void block_queue_init(struct block_queue *queue, void (*notify)(void *context), void *context);
void block_queue_destroy(struct block_queue *queue); /* its images are closed */

/* Calls done() of every request that is done. */
void block_queue_deliver(struct block_queue *queue);

/*
 * Opens and locks an image. Another machine, or another drive of this one, may have it open only if neither writes.
 * Null with a message that starts with the path.
 */
struct block *block_open(const struct block_config *config, struct error *err);
void block_close(struct block *block); /* waits for its requests; null is allowed */

const char *block_path(const struct block *block);
uint64_t block_size(const struct block *block); /* bytes, never 0 */
bool block_readonly(const struct block *block);
bool block_snapshot(const struct block *block);

/* Hands a request over; it and its memory stay valid until done() is called. Never calls done() itself. */
void block_submit(struct block *block, struct block_request *request);

/* Waits until every request of the image is done, and delivers. For resets: devices call it before they forget. */
void block_drain(struct block *block);

/* For start-up: reads at once, past the requests pending. Returns 0 or -errno. */
int block_read_now(struct block *block, uint64_t offset, void *buffer, size_t size);

#endif
