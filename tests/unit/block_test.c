/* Disk images: requests, order, errors, locks, the overlay of snapshot=on, and what cannot be opened. */
#include "devices/core/block.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[] = "/tmp/ring3-block-XXXXXX";
static struct block_queue queue;
static unsigned notified, done;
static struct block_request *order[8];
static struct error err;

static void on_notify(void *context)
{
    (void)context;
    __atomic_add_fetch(&notified, 1, __ATOMIC_SEQ_CST);
}

static void on_done(struct block_request *request)
{
    if (done < ARRAY_LEN(order))
        order[done] = request;
    done++;
}

/* Every byte says where it is. */
static uint8_t pattern(uint64_t offset)
{
    return (uint8_t)(offset ^ offset >> 8 ^ offset >> 16);
}

static void make_image(size_t bytes)
{
    int fd = mkstemp(path);
    for (size_t i = 0; i < bytes; i += 4096) {
        uint8_t page[4096];
        for (size_t k = 0; k < sizeof(page); k++)
            page[k] = pattern(i + k);
        size_t part = bytes - i < sizeof(page) ? bytes - i : sizeof(page);
        cr_assert_eq(write(fd, page, part), (ssize_t)part);
    }
    close(fd);
}

static void setup(void)
{
    block_queue_init(&queue, on_notify, NULL);
}

static void teardown(void)
{
    block_queue_destroy(&queue);
    unlink(path);
}

TestSuite(block, .init = setup, .fini = teardown);

static struct block *open_with(struct block_config config)
{
    config.path = path;
    config.queue = &queue;
    return block_open(&config, &err);
}

static int transfer(struct block *block, enum block_operation operation, uint64_t offset, void *buffer, size_t size)
{
    const struct iovec vector = {buffer, size};
    struct block_request request = {
        .operation = operation, .offset = offset, .vector = &vector, .count = 1, .done = on_done};
    block_submit(block, &request);
    block_drain(block);
    cr_assert(request.result || operation == BLOCK_FLUSH || request.transferred == size);
    return request.result;
}

Test(block, reads_into_many_pieces_and_tells_in_order)
{
    static uint8_t bytes[3][5000];
    make_image(1 << 20);
    struct block *block = open_with((struct block_config){.readonly = true});
    cr_assert(block, "%s", err.text);
    cr_assert_eq(block_size(block), 1 << 20);
    struct iovec vector[] = {{bytes[0], 5000}, {bytes[1], 1}, {bytes[2], 4999}};
    struct block_request requests[2] = {{.vector = vector, .count = 3, .offset = 777, .done = on_done},
                                        {.vector = vector, .count = 1, .offset = 100000, .done = on_done}};
    block_submit(block, &requests[0]);
    while (!__atomic_load_n(&notified, __ATOMIC_SEQ_CST))
        usleep(100);
    cr_assert_eq(done, 0, "nothing is told before delivery");
    block_queue_deliver(&queue);
    cr_assert_eq(done, 1);
    cr_assert_eq(requests[0].result, 0);
    cr_assert_eq(requests[0].transferred, 10000);
    cr_assert_eq(bytes[0][10], pattern(787));
    cr_assert_eq(bytes[1][0], pattern(777 + 5000));
    cr_assert_eq(bytes[2][4998], pattern(777 + 9999));
    block_submit(block, &requests[1]);
    block_submit(block, &requests[0]);
    block_drain(block);
    cr_assert_eq(done, 3);
    cr_assert_eq(order[1], &requests[1]);
    cr_assert_eq(order[2], &requests[0]);
    block_close(block);
}

Test(block, writes_reach_the_file_and_flush)
{
    uint8_t bytes[700], back[700];
    make_image(8192);
    struct block *block = open_with((struct block_config){0});
    cr_assert(block, "%s", err.text);
    memset(bytes, 0xa5, sizeof(bytes));
    cr_assert_eq(transfer(block, BLOCK_WRITE, 4000, bytes, sizeof(bytes)), 0);
    cr_assert_eq(transfer(block, BLOCK_FLUSH, 0, NULL, 0), 0);
    int fd = open(path, O_RDONLY);
    cr_assert_eq(pread(fd, back, sizeof(back), 4000), (ssize_t)sizeof(back));
    cr_assert_arr_eq(back, bytes, sizeof(back));
    cr_assert_eq(lseek(fd, 0, SEEK_END), 8192);
    close(fd);
    cr_assert_eq(transfer(block, BLOCK_WRITE, 8192 - 699, bytes, sizeof(bytes)), -EIO, "past the end");
    block_close(block);
}

Test(block, readonly_refuses_writes)
{
    uint8_t byte = 1;
    make_image(4096);
    struct block *block = open_with((struct block_config){.readonly = true});
    cr_assert_eq(transfer(block, BLOCK_WRITE, 0, &byte, 1), -EROFS);
    cr_assert_eq(transfer(block, BLOCK_FLUSH, 0, NULL, 0), 0);
    block_close(block);
}

Test(block, a_file_that_shrinks_is_an_error_with_what_there_was)
{
    static uint8_t bytes[8192];
    make_image(8192);
    struct block *block = open_with((struct block_config){0});
    cr_assert_eq(truncate(path, 5000), 0);
    const struct iovec vector = {bytes, sizeof(bytes)};
    struct block_request request = {.vector = &vector, .count = 1, .done = on_done};
    block_submit(block, &request);
    block_drain(block);
    cr_assert_eq(request.result, -EIO);
    cr_assert_eq(request.transferred, 5000);
    block_close(block);
}

Test(block, a_full_host_disk_is_an_error)
{
    static uint8_t bytes[4096];
    make_image(8192);
    struct block *block = open_with((struct block_config){0});
    /* A file size limit stands for the full disk; the worker has SIGXFSZ blocked. */
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){4096, 4096});
    int r = transfer(block, BLOCK_WRITE, 4096, bytes, sizeof(bytes));
    cr_assert_eq(r, -EFBIG, "%d", r);
    cr_assert_eq(transfer(block, BLOCK_WRITE, 0, bytes, sizeof(bytes)), 0, "the rest still works");
    block_close(block);
}

static int open_for_reading(void *context, const char *name, bool write, struct error *error)
{
    *(unsigned *)context += 1;
    return write ? error_set(error, -EXDEV, "%s: not to be written", name) : open(name, O_RDONLY);
}

Test(block, somebody_else_may_open_it)
{
    uint8_t byte = 0x5a;
    unsigned opened = 0;
    make_image(1 << 20);
    cr_assert_null(open_with((struct block_config){.open = open_for_reading, .context = &opened}));
    cr_assert(strstr(err.text, "not to be written") && opened == 1, "%s", err.text);
    struct block *block =
        open_with((struct block_config){.snapshot = true, .open = open_for_reading, .context = &opened});
    cr_assert(block && block_snapshot(block) && opened == 2, "%s", err.text);
    cr_assert_eq(transfer(block, BLOCK_WRITE, 4097, &byte, 1), 0);
    byte = 0;
    cr_assert_eq(transfer(block, BLOCK_READ, 4097, &byte, 1), 0);
    cr_assert_eq(byte, 0x5a);
    cr_assert_eq(transfer(block, BLOCK_READ, 4096, &byte, 1), 0);
    cr_assert_eq(byte, pattern(4096));
    block_close(block);
}

Test(block, snapshot_leaves_the_file_alone)
{
    enum { SIZE = 64 * 1024 + 512 };
    static uint8_t shadow[SIZE], bytes[SIZE];
    unsigned random = 12345;
    make_image(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        shadow[i] = pattern(i);
    struct block *block = open_with((struct block_config){.snapshot = true});
    cr_assert(block, "%s", err.text);
    cr_assert(block_snapshot(block) && !block_readonly(block));
    for (unsigned i = 0; i < 300; i++) {
        random = random * 1103515245 + 12345;
        size_t offset = random / 7 % SIZE, size = 1 + random / 65536 % 9000;
        if (size > SIZE - offset)
            size = SIZE - offset;
        if (i % 3) {
            cr_assert_eq(transfer(block, BLOCK_READ, offset, bytes, size), 0);
            cr_assert_arr_eq(bytes, shadow + offset, size);
        } else {
            memset(shadow + offset, (int)i, size);
            cr_assert_eq(transfer(block, BLOCK_WRITE, offset, shadow + offset, size), 0);
        }
    }
    cr_assert_eq(transfer(block, BLOCK_READ, 0, bytes, SIZE), 0);
    cr_assert_arr_eq(bytes, shadow, SIZE);
    block_close(block);
    int fd = open(path, O_RDONLY);
    cr_assert_eq(read(fd, bytes, SIZE), SIZE);
    for (size_t i = 0; i < SIZE; i++)
        cr_assert_eq(bytes[i], pattern(i));
    close(fd);
}

Test(block, two_may_read_but_nobody_beside_a_writer)
{
    make_image(4096);
    struct block *one = open_with((struct block_config){.readonly = true});
    struct block *two = open_with((struct block_config){.snapshot = true});
    cr_assert(one && two, "%s", err.text);
    cr_assert_null(open_with((struct block_config){0}));
    cr_assert(strstr(err.text, path) && strstr(err.text, "in use"), "%s", err.text);
    block_close(one);
    block_close(two);
    one = open_with((struct block_config){0});
    cr_assert(one, "%s", err.text);
    cr_assert_null(open_with((struct block_config){0}));
    cr_assert_null(open_with((struct block_config){.readonly = true}));
    block_close(one);
    one = open_with((struct block_config){0});
    cr_assert(one, "the lock ends with the image");
    block_close(one);
}

static void expect_refusal(const char *what, const char *needle)
{
    struct block_config config = {.path = what, .queue = &queue};
    cr_assert_null(block_open(&config, &err));
    cr_assert(!strncmp(err.text, what, strlen(what)) && strstr(err.text, needle), "%s", err.text);
}

Test(block, what_cannot_be_opened_is_said)
{
    make_image(0);
    expect_refusal("/nonexistent/disk", "no such file");
    expect_refusal("/tmp", "directory");
    expect_refusal("/dev/null", "neither a file nor a block device");
    expect_refusal(path, "is empty");
    unlink(path);
    cr_assert_eq(mkfifo(path, 0600), 0);
    expect_refusal(path, "neither a file nor a block device");
}
