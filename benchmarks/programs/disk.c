/* A disk read as `dd iflag=direct bs=1M` reads it: one request after the other, past the cache of the system it runs
 * on. */
#define _GNU_SOURCE
#include "benchmarks/programs/bench.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/*
 * BENCH_DISK names an image or a disk. Each repetition reads the next 128 MiB of it: what was read before may lie in a
 * cache of the host's. (benchmarks/run fills all parts with the same bytes.)
 */
uint64_t bench_disk(void)
{
    enum { CHUNK = 1 << 20, PART = 128 * CHUNK };
    static off_t next;
    const char *path = getenv("BENCH_DISK");
    uint64_t sum = 0;
    char *buffer;

    if (!path)
        return BENCH_SKIP;
    int disk = open(path, O_RDONLY | O_DIRECT);
    CHECK(disk >= 0);
    buffer = aligned_alloc(4096, CHUNK);
    CHECK(buffer);
    for (off_t end = next + PART; next < end; next += CHUNK) {
        CHECK(pread(disk, buffer, CHUNK, next) == CHUNK);
        for (size_t i = 0; i < CHUNK; i += 512) {
            uint64_t word;
            memcpy(&word, buffer + i, sizeof(word));
            sum = sum * 31 + word;
        }
    }
    free(buffer);
    close(disk);
    return sum;
}
