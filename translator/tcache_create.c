/* Creation of the translation cache's memory. Ordinary code: runs before any guest does. */
#include "translator/tcache.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *pool(uint64_t count, size_t size)
{
    return mmap(NULL, count * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

int tcache_create(struct tcache *cache, uint64_t bytes, uint64_t arena_size, struct error *err)
{
    *cache = (struct tcache){.size = bytes, .fd = memfd_create("ring3-code", MFD_CLOEXEC)};
    cache->tb_max = (uint32_t)(bytes / 96);
    cache->site_max = (uint32_t)(bytes / 24);
    cache->exit_max = (uint32_t)(bytes / 64);
    cache->insn_max = (uint32_t)(bytes / 256);
    cache->page_count = arena_size >> GUEST_PAGE_SHIFT;
    if (cache->fd < 0 || ftruncate(cache->fd, (off_t)bytes))
        return error_set(err, -errno, "cannot make the translation cache: %s", strerror(errno));
    cache->rw = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, cache->fd, 0);
    cache->rx = mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_SHARED, cache->fd, 0);
    cache->tbs = pool(cache->tb_max, sizeof(struct tb));
    cache->sites = pool(cache->site_max, sizeof(struct site));
    cache->exits = pool(cache->exit_max, sizeof(struct exit));
    cache->insns = pool(cache->insn_max, sizeof(struct insn));
    cache->pages = pool(cache->page_count, sizeof(struct page_code));
    if (cache->rw == MAP_FAILED || cache->rx == MAP_FAILED)
        return error_set(err, -ENOMEM, "cannot map the translation cache (is executable memory forbidden here?)");
    if (cache->tbs == MAP_FAILED || cache->sites == MAP_FAILED || cache->exits == MAP_FAILED ||
        cache->insns == MAP_FAILED || cache->pages == MAP_FAILED)
        return error_set(err, -ENOMEM, "no memory for the translation cache's records");
    return 0;
}

void tcache_destroy(struct tcache *cache)
{
    munmap(cache->rw, cache->size);
    munmap(cache->rx, cache->size);
    munmap(cache->tbs, cache->tb_max * sizeof(struct tb));
    munmap(cache->sites, cache->site_max * sizeof(struct site));
    munmap(cache->exits, cache->exit_max * sizeof(struct exit));
    munmap(cache->insns, cache->insn_max * sizeof(struct insn));
    munmap(cache->pages, cache->page_count * sizeof(struct page_code));
    close(cache->fd);
}
