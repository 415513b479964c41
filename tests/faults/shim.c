/*
 * Preloaded into ring3: makes the n-th call of one kind fail, as a host might.
 *
 * Environment: FAULT_KIND (a name below, or empty: none fails), FAULT_AT (which call, from 1 on), FAULT_FROM (1: that
 * one and all later ones), FAULT_COUNTS (a file that gets "kind count" lines when the process ends by exit()). Calls
 * before main() are not counted.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define KINDS(X)                                                                                                       \
    X(MALLOC, "malloc")                                                                                                \
    X(CALLOC, "calloc")                                                                                                \
    X(REALLOC, "realloc")                                                                                              \
    X(MMAP, "mmap")                                                                                                    \
    X(THREAD, "pthread_create")                                                                                        \
    X(OPEN, "open")                                                                                                    \
    X(READ, "read")                                                                                                    \
    X(PREAD, "preadv")                                                                                                 \
    X(WRITE, "write")                                                                                                  \
    X(PWRITE, "pwritev")                                                                                               \
    X(SHORT_PREAD, "short preadv")                                                                                     \
    X(SHORT_PWRITE, "short pwritev")                                                                                   \
    X(FSYNC, "fsync")                                                                                                  \
    X(MEMFD, "memfd_create")                                                                                           \
    X(MPROTECT, "mprotect")

enum kind {
#define X(symbol, name) symbol,
    KINDS(X)
#undef X
        KIND_COUNT
};

static const char *const names[] = {
#define X(symbol, name) name,
    KINDS(X)
#undef X
};

static unsigned long count[KIND_COUNT], fault_at;
static int fault_kind = -1, from_then_on;
static volatile bool started;

static bool fails(enum kind kind, int code)
{
    if (!started)
        return false;
    unsigned long n = __atomic_add_fetch(&count[kind], 1, __ATOMIC_RELAXED);
    if ((int)kind != fault_kind || (n != fault_at && !(from_then_on && n > fault_at)))
        return false;
    errno = code;
    return true;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* dlsym may allocate, so the allocator is reached by its other names. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    return fails(MALLOC, ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails(CALLOC, ENOMEM) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return fails(REALLOC, ENOMEM) ? NULL : __libc_realloc(old, size);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails(MMAP, ENOMEM) ? MAP_FAILED : REAL(mmap)(at, size, protection, flags, fd, offset);
}

int mprotect(void *at, size_t size, int protection)
{
    return fails(MPROTECT, ENOMEM) ? -1 : REAL(mprotect)(at, size, protection);
}

int memfd_create(const char *name, unsigned flags)
{
    return fails(MEMFD, EMFILE) ? -1 : REAL(memfd_create)(name, flags);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *context)
{
    return fails(THREAD, EAGAIN) ? EAGAIN : REAL(pthread_create)(thread, attributes, start, context);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & O_CREAT) {
        __builtin_va_list list;
        __builtin_va_start(list, flags);
        mode = __builtin_va_arg(list, mode_t);
        __builtin_va_end(list);
    }
    return fails(OPEN, EMFILE) ? -1 : REAL(open)(path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    return fails(OPEN, EMFILE) ? NULL : REAL(fopen)(path, mode);
}

ssize_t read(int fd, void *to, size_t size)
{
    return fails(READ, EIO) ? -1 : REAL(read)(fd, to, size);
}

ssize_t write(int fd, const void *from, size_t size)
{
    return fails(WRITE, EIO) ? -1 : REAL(write)(fd, from, size);
}

/* Half of the first piece: a short transfer. */
static ssize_t half(bool writing, int fd, const struct iovec *pieces, off_t offset)
{
    struct iovec piece = {pieces[0].iov_base, pieces[0].iov_len > 1 ? pieces[0].iov_len / 2 : pieces[0].iov_len};
    return writing ? REAL(pwritev)(fd, &piece, 1, offset) : REAL(preadv)(fd, &piece, 1, offset);
}

ssize_t preadv(int fd, const struct iovec *pieces, int pieces_count, off_t offset)
{
    if (fails(PREAD, EIO))
        return -1;
    return fails(SHORT_PREAD, 0) ? half(false, fd, pieces, offset) : REAL(preadv)(fd, pieces, pieces_count, offset);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int pieces_count, off_t offset)
{
    if (fails(PWRITE, ENOSPC))
        return -1;
    return fails(SHORT_PWRITE, 0) ? half(true, fd, pieces, offset) : REAL(pwritev)(fd, pieces, pieces_count, offset);
}

int fsync(int fd)
{
    return fails(FSYNC, EIO) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    return fails(FSYNC, EIO) ? -1 : REAL(fdatasync)(fd);
}

static void tell_counts(void)
{
    const char *path = getenv("FAULT_COUNTS");
    started = false;
    FILE *file = path ? fopen(path, "w") : NULL;
    for (int i = 0; file && i < KIND_COUNT; i++)
        fprintf(file, "%s: %lu\n", names[i], count[i]);
    if (file)
        fclose(file);
}

static int (*program)(int, char **, char **);

static int counted_main(int argc, char **argv, char **environment)
{
    const char *kind = getenv("FAULT_KIND"), *at = getenv("FAULT_AT"), *from = getenv("FAULT_FROM");
    for (int i = 0; kind && i < KIND_COUNT; i++)
        if (!strcmp(kind, names[i]))
            fault_kind = i;
    fault_at = at ? strtoul(at, NULL, 10) : 0;
    from_then_on = from && *from == '1';
    atexit(tell_counts);
    started = true;
    return program(argc, argv, environment);
}

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end);

int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void), void (*fini)(void),
                      void (*rtld_fini)(void), void *stack_end)
{
    program = main;
    return REAL(__libc_start_main)(counted_main, argc, argv, init, fini, rtld_fini, stack_end);
}
