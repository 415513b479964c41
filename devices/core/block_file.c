/*
 * Raw disk images: the host's file, its lock, and the overlay of snapshot=on. See block_int.h.
 *
 * Invariants: `size` is what it was at opening; a file that shrinks later gives errors, none is ever made longer. A
 * cluster's bit in `allocated` is set only when the overlay holds the whole cluster.
 *
 * Locks are open-file-description locks on the whole file (fcntl): they end with the process, conflict between two
 * opens of one process too, and with other programs that lock disk images this way.
 *
 * Threads: the opener's until block_file_open() has returned, then the image's worker.
 */
#include "devices/core/block_int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLUSTER = 4096, VECTOR_MAX = 256, AHEAD_FROM = 64 << 10, AHEAD = 1 << 20 };

/* --- moving bytes ------------------------------------------------------------------------------------------------- */

/* A place in a request's vector. */
struct cursor {
    const struct iovec *vector;
    unsigned count;
    size_t skip; /* of vector[0] */
};

static void advance(struct cursor *cursor, uint64_t bytes)
{
    while (cursor->count && bytes >= cursor->vector->iov_len - cursor->skip) {
        bytes -= cursor->vector->iov_len - cursor->skip;
        cursor->vector++;
        cursor->count--;
        cursor->skip = 0;
    }
    cursor->skip += bytes;
}

/* The next `bytes` bytes, or as many as VECTOR_MAX pieces hold. */
static unsigned slice(const struct cursor *cursor, uint64_t bytes, struct iovec *pieces)
{
    unsigned n = 0;
    size_t skip = cursor->skip;

    for (unsigned i = 0; i < cursor->count && n < VECTOR_MAX && bytes; i++, skip = 0) {
        size_t length = cursor->vector[i].iov_len - skip;
        if (length > bytes)
            length = bytes;
        pieces[n++] = (struct iovec){(uint8_t *)cursor->vector[i].iov_base + skip, length};
        bytes -= length;
    }
    return n;
}

/* Moves `bytes` bytes between fd and the cursor, which moves on by what was really moved. */
static int move(int fd, bool write, struct cursor *cursor, uint64_t offset, uint64_t bytes)
{
    struct iovec pieces[VECTOR_MAX];

    while (bytes) {
        int count = (int)slice(cursor, bytes, pieces);
        ssize_t n = write ? pwritev(fd, pieces, count, (off_t)offset) : preadv(fd, pieces, count, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) /* 0: the file ends before its size at opening */
            return n ? -errno : -EIO;
        advance(cursor, (uint64_t)n);
        offset += (uint64_t)n;
        bytes -= (uint64_t)n;
    }
    return 0;
}

/* --- the overlay -------------------------------------------------------------------------------------------------- */

static bool is_allocated(const struct block_file *file, uint64_t cluster)
{
    return file->allocated[cluster / 8] >> cluster % 8 & 1;
}

static void set_allocated(struct block_file *file, uint64_t cluster)
{
    file->allocated[cluster / 8] |= (uint8_t)(1 << cluster % 8);
}

/* The bytes of a cluster that the image has: the last may be cut short. */
static uint64_t cluster_bytes(const struct block_file *file, uint64_t cluster)
{
    uint64_t left = file->size - cluster * CLUSTER;
    return left < CLUSTER ? left : CLUSTER;
}

/* Brings a cluster into the overlay as it is in the image. */
static int copy_up(struct block_file *file, uint64_t cluster)
{
    uint8_t bytes[CLUSTER];
    const struct iovec vector = {bytes, cluster_bytes(file, cluster)};
    struct cursor in = {&vector, 1, 0}, out = in;

    if (is_allocated(file, cluster))
        return 0;
    int r = move(file->fd, false, &in, cluster * CLUSTER, vector.iov_len);
    if (!r)
        r = move(file->overlay_fd, true, &out, cluster * CLUSTER, vector.iov_len);
    if (!r)
        set_allocated(file, cluster);
    return r;
}

static int overlay_write(struct block_file *file, struct cursor *cursor, uint64_t offset, uint64_t bytes)
{
    uint64_t first = offset / CLUSTER, last = (offset + bytes - 1) / CLUSTER, end = offset + bytes;
    int r = 0;

    if (offset % CLUSTER)
        r = copy_up(file, first);
    if (!r && end % CLUSTER && end != file->size)
        r = copy_up(file, last);
    if (!r)
        r = move(file->overlay_fd, true, cursor, offset, bytes);
    for (uint64_t i = first; !r && i <= last; i++)
        set_allocated(file, i);
    return r;
}

/* In runs of clusters that are all here or all there. */
static int overlay_read(struct block_file *file, struct cursor *cursor, uint64_t offset, uint64_t bytes)
{
    while (bytes) {
        uint64_t cluster = offset / CLUSTER, length = CLUSTER - offset % CLUSTER;
        bool here = is_allocated(file, cluster);
        while (length < bytes && is_allocated(file, ++cluster) == here)
            length += CLUSTER;
        if (length > bytes)
            length = bytes;
        int r = move(here ? file->overlay_fd : file->fd, false, cursor, offset, length);
        if (r)
            return r;
        offset += length;
        bytes -= length;
    }
    return 0;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static int flush(struct block_file *file)
{
    if (file->readonly || file->overlay_fd >= 0 || file->cache == BLOCK_UNSAFE)
        return 0;
    return fdatasync(file->fd) ? -errno : 0;
}

static uint64_t vector_bytes(const struct iovec *vector, unsigned count)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; i++)
        bytes += vector[i].iov_len;
    return bytes;
}

/*
 * A guest that reads in sequence has the host read on meanwhile: it asks for more only when it has got the last, and
 * what the host's kernel reads ahead by itself is less than one such request.
 */
static void read_ahead(struct block_file *file, uint64_t offset, uint64_t bytes)
{
    if (offset == file->read_end && bytes >= AHEAD_FROM)
        posix_fadvise(file->fd, (off_t)(offset + bytes), AHEAD, POSIX_FADV_WILLNEED);
    file->read_end = offset + bytes;
}

int block_file_perform(struct block_file *file, struct block_request *request)
{
    bool write = request->operation == BLOCK_WRITE;
    struct cursor cursor = {request->vector, request->count, 0};
    int r;

    if (request->operation == BLOCK_FLUSH)
        return flush(file);
    uint64_t bytes = vector_bytes(request->vector, request->count);
    if (request->offset > file->size || bytes > file->size - request->offset)
        return -EIO;
    if (write && file->readonly)
        return -EROFS;
    if (!bytes)
        return 0;
    if (!write)
        read_ahead(file, request->offset, bytes);
    if (file->overlay_fd < 0)
        r = move(file->fd, write, &cursor, request->offset, bytes);
    else
        r = (write ? overlay_write : overlay_read)(file, &cursor, request->offset, bytes);
    request->transferred = bytes - (vector_bytes(cursor.vector, cursor.count) - cursor.skip);
    return r;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

#define FAILED(code, text, ...) error_set(err, code, "%s: " text, path, ##__VA_ARGS__)

/* A descriptor or -errno. */
static int open_path(const struct block_config *config, bool write, struct error *err)
{
    bool sync = config->cache == BLOCK_WRITETHROUGH;

    if (config->open)
        return config->open(config->context, config->path, write, err);
    /* O_NONBLOCK: a FIFO would wait for its writer. */
    int fd = open(config->path, (write ? O_RDWR : O_RDONLY) | (sync ? O_DSYNC : 0) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

static int open_image(const struct block_config *config, bool write, struct error *err)
{
    int code = open_path(config, write, err);
    const char *path = config->path;

    if (code >= 0)
        return code;
    switch (code) {
    case -EXDEV:
        return config->open ? code : FAILED(code, "cannot be opened: %s", strerror(-code));
    case -ENOENT:
        if (!write)
            return FAILED(code, "no such file; check its name");
        return FAILED(code, "no such file; an empty disk is made with: truncate -s 10G %s (1440K for a floppy)", path);
    case -EISDIR:
        return FAILED(code, "is a directory; give the image's file");
    case -EACCES:
    case -EPERM:
    case -EROFS:
        if (write && !access(path, R_OK))
            return FAILED(code, "cannot be written (%s); use -drive file=%s,readonly=on, or -snapshot", strerror(-code),
                          path);
        return FAILED(code, "%s; check its permissions", strerror(-code));
    default:
        return FAILED(code, "cannot be opened: %s", strerror(-code));
    }
}

static int find_size(struct block_file *file, struct error *err)
{
    const char *path = file->path;
    struct stat st;

    if (fstat(file->fd, &st))
        return FAILED(-errno, "%s", strerror(errno));
    if (S_ISDIR(st.st_mode))
        return FAILED(-EISDIR, "is a directory; give the image's file");
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(file->fd, BLKGETSIZE64, &file->size))
            return FAILED(-errno, "its size cannot be found: %s", strerror(errno));
    } else if (S_ISREG(st.st_mode)) {
        file->size = (uint64_t)st.st_size;
    } else {
        return FAILED(-EINVAL, "is neither a file nor a block device; give a raw disk image");
    }
    if (!file->size)
        return FAILED(-EINVAL,
                      "is empty; give another image, or make it an empty disk: truncate -s 10G %s (1440K for a floppy)",
                      path);
    return 0;
}

static int lock_image(struct block_file *file, bool write, struct error *err)
{
    struct flock lock = {.l_type = write ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    const char *path = file->path;

    if (!fcntl(file->fd, F_OFD_SETLK, &lock))
        return 0;
    if (errno != EAGAIN && errno != EACCES)
        return 0; /* this file system has no locks */
    return FAILED(-EBUSY, "is in use by another machine, or twice in this one; end that, or make a copy of the image");
}

/* In memory: for a process that may make no files. */
static int create_memory_overlay(struct block_file *file, struct error *err)
{
    const char *path = file->path;

    file->overlay_fd = memfd_create("snapshot", MFD_CLOEXEC);
    if (file->overlay_fd < 0 || ftruncate(file->overlay_fd, (off_t)file->size))
        return FAILED(-errno, "no memory for its snapshot (%s)", strerror(errno));
    return 0;
}

static int create_file_overlay(struct block_file *file, struct error *err)
{
    const char *folder = getenv("TMPDIR"), *path = file->path;
    char name[512];

    if (!folder || !folder[0])
        folder = "/var/tmp";
    file->overlay_fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file->overlay_fd < 0 && snprintf(name, sizeof(name), "%s/ring3-XXXXXX", folder) < (int)sizeof(name)) {
        file->overlay_fd = mkostemp(name, O_CLOEXEC);
        if (file->overlay_fd >= 0)
            unlink(name);
    }
    if (file->overlay_fd < 0 || ftruncate(file->overlay_fd, (off_t)file->size))
        return FAILED(-errno, "no temporary file for its snapshot in %s (%s); set TMPDIR to another folder", folder,
                      strerror(errno));
    return 0;
}

static int create_overlay(struct block_file *file, bool in_memory, struct error *err)
{
    const char *path = file->path;
    int r = (in_memory ? create_memory_overlay : create_file_overlay)(file, err);

    if (r)
        return r;
    file->allocated = calloc(1, file->size / CLUSTER / 8 + 1);
    return file->allocated ? 0 : FAILED(-ENOMEM, "no memory for its snapshot");
}

int block_file_open(struct block_file *file, const struct block_config *config, struct error *err)
{
    const char *path = config->path;
    bool write = !config->readonly && !config->snapshot;

    *file = (struct block_file){.fd = -1, .overlay_fd = -1, .readonly = config->readonly, .cache = config->cache};
    file->path = strdup(path);
    if (!file->path)
        return FAILED(-ENOMEM, "no memory to open it");
    file->fd = open_image(config, write, err);
    int r = file->fd < 0 ? file->fd : find_size(file, err);
    if (!r)
        r = lock_image(file, write, err);
    if (!r && config->snapshot && !config->readonly)
        r = create_overlay(file, config->open, err);
    if (r)
        block_file_close(file);
    return r;
}

void block_file_close(struct block_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    if (file->overlay_fd >= 0)
        close(file->overlay_fd);
    free(file->allocated);
    free(file->path);
}
