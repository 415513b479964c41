/*
 * Disk images: the worker thread of an image, and opening. The I/O itself is in block_file.c. See block.h.
 *
 * Invariants: a request is in exactly one place: pending (its image's list), running (the worker's hands), or done (the
 * queue). `busy` counts the first two. Only the worker touches the file while requests are pending.
 *
 * Threads: the worker runs work(); everything else is called with the machine lock held.
 */
#include "devices/core/block.h"

#include "cpu-model/base/log.h"
#include "devices/core/block_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block_file file;
    struct block_queue *queue;
    pthread_cond_t wake, idle;
    pthread_t worker;
    bool started, ending;
    struct block_request *first, *last; /* pending */
    unsigned busy;                      /* pending or running */
    bool complained;
};

/* --- the queue of done requests ----------------------------------------------------------------------------------- */

static void append(struct block_request **first, struct block_request **last, struct block_request *request)
{
    request->next = NULL;
    if (*first)
        (*last)->next = request;
    else
        *first = request;
    *last = request;
}

static struct block_request *take_first(struct block_request **first)
{
    struct block_request *request = *first;
    if (request)
        *first = request->next;
    return request;
}

void block_queue_init(struct block_queue *queue, void (*notify)(void *context), void *context)
{
    *queue = (struct block_queue){.notify = notify, .context = context};
    pthread_mutex_init(&queue->mutex, NULL);
}

void block_queue_destroy(struct block_queue *queue)
{
    pthread_mutex_destroy(&queue->mutex);
}

void block_queue_deliver(struct block_queue *queue)
{
    for (;;) {
        pthread_mutex_lock(&queue->mutex);
        struct block_request *request = take_first(&queue->first);
        pthread_mutex_unlock(&queue->mutex);
        if (!request)
            return;
        request->done(request);
    }
}

/* --- the worker --------------------------------------------------------------------------------------------------- */

/* The guest gets a disk error; the user should know that it is the host's. Once for each image. */
static void complain(struct block *block, const struct block_request *request)
{
    static const char *const what[] = {[BLOCK_READ] = "reading", [BLOCK_WRITE] = "writing", [BLOCK_FLUSH] = "flushing"};

    if (block->complained)
        return;
    block->complained = true;
    log_write("%s: %s failed: %s; the guest sees a disk error", block->file.path, what[request->operation],
              strerror(-request->result));
}

static void *work(void *context)
{
    struct block *block = context;
    struct block_queue *queue = block->queue;

    pthread_mutex_lock(&queue->mutex);
    for (;;) {
        struct block_request *request = take_first(&block->first);
        if (!request) {
            if (block->ending)
                break;
            pthread_cond_wait(&block->wake, &queue->mutex);
            continue;
        }
        pthread_mutex_unlock(&queue->mutex);
        request->transferred = 0;
        request->result = block_file_perform(&block->file, request);
        if (request->result)
            complain(block, request);
        pthread_mutex_lock(&queue->mutex);
        append(&queue->first, &queue->last, request);
        if (!--block->busy)
            pthread_cond_broadcast(&block->idle);
        if (queue->notify) {
            pthread_mutex_unlock(&queue->mutex);
            queue->notify(queue->context);
            pthread_mutex_lock(&queue->mutex);
        }
    }
    pthread_mutex_unlock(&queue->mutex);
    return NULL;
}

/* Signals are for the threads that expect them. */
static int start_worker(struct block *block)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&block->worker, NULL, work, block);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    block->started = !r;
    return -r;
}

void block_submit(struct block *block, struct block_request *request)
{
    struct block_queue *queue = block->queue;

    request->block = block;
    pthread_mutex_lock(&queue->mutex);
    append(&block->first, &block->last, request);
    block->busy++;
    pthread_cond_signal(&block->wake);
    pthread_mutex_unlock(&queue->mutex);
}

void block_drain(struct block *block)
{
    pthread_mutex_lock(&block->queue->mutex);
    while (block->busy)
        pthread_cond_wait(&block->idle, &block->queue->mutex);
    pthread_mutex_unlock(&block->queue->mutex);
    block_queue_deliver(block->queue);
}

int block_read_now(struct block *block, uint64_t offset, void *buffer, size_t size)
{
    const struct iovec vector = {.iov_base = buffer, .iov_len = size};
    struct block_request request = {.operation = BLOCK_READ, .offset = offset, .vector = &vector, .count = 1};

    block_drain(block);
    return block_file_perform(&block->file, &request);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

struct block *block_open(const struct block_config *config, struct error *err)
{
    struct block *block = calloc(1, sizeof(*block));
    if (!block) {
        error_set(err, -ENOMEM, "%s: no memory to open it", config->path);
        return NULL;
    }
    if (block_file_open(&block->file, config, err)) {
        free(block);
        return NULL;
    }
    block->queue = config->queue;
    pthread_cond_init(&block->wake, NULL);
    pthread_cond_init(&block->idle, NULL);
    int r = start_worker(block);
    if (r) {
        error_set(err, r, "%s: cannot start a thread for it: %s", config->path, strerror(-r));
        block_close(block);
        return NULL;
    }
    return block;
}

void block_close(struct block *block)
{
    if (!block)
        return;
    if (block->started) {
        block_drain(block);
        pthread_mutex_lock(&block->queue->mutex);
        block->ending = true;
        pthread_cond_signal(&block->wake);
        pthread_mutex_unlock(&block->queue->mutex);
        pthread_join(block->worker, NULL);
    }
    pthread_cond_destroy(&block->wake);
    pthread_cond_destroy(&block->idle);
    block_file_close(&block->file);
    free(block);
}

const char *block_path(const struct block *block)
{
    return block->file.path;
}

uint64_t block_size(const struct block *block)
{
    return block->file.size;
}

bool block_readonly(const struct block *block)
{
    return block->file.readonly;
}

bool block_snapshot(const struct block *block)
{
    return block->file.overlay_fd >= 0;
}
