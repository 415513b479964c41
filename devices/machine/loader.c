/*
 * What all boot protocols share: reading files, placing things in guest RAM, the GDT and the CPU state at entry. See
 * loader.h.
 *
 * Invariant: guest memory is written only through space_write_bytes(), after the range was found to be RAM.
 * Thread: whoever holds the machine lock while no vCPU runs.
 */
#include "devices/machine/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- files -------------------------------------------------------------------------------------------------------- */

static int grow(struct blob *blob, uint64_t *capacity)
{
    uint64_t bigger = *capacity ? *capacity * 2 : 1 << 20;
    uint8_t *data = realloc(blob->data, bigger);
    if (!data)
        return -ENOMEM;
    blob->data = data;
    *capacity = bigger;
    return 0;
}

static int read_all(int fd, struct blob *blob, uint64_t max)
{
    struct stat st;
    uint64_t capacity = 0;

    if (fstat(fd, &st))
        return -errno;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (S_ISCHR(st.st_mode)) /* /dev/zero would never end */
        return -EINVAL;
    if (S_ISREG(st.st_mode)) {
        if ((uint64_t)st.st_size > max)
            return -EFBIG;
        capacity = (uint64_t)st.st_size + 1; /* one more, to meet the end of the file without growing */
        blob->data = malloc(capacity);
        if (!blob->data)
            return -ENOMEM;
    }
    for (;;) {
        if (blob->size == capacity && grow(blob, &capacity))
            return -ENOMEM;
        ssize_t n = read(fd, blob->data + blob->size, capacity - blob->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        blob->size += (uint64_t)n;
        if (blob->size > max)
            return -EFBIG;
    }
}

/* The whole file behind fd (or -errno, which open() gave). */
static int read_file(struct blob *blob, int fd, const char *option, const char *path, uint64_t max, struct error *err)
{
    *blob = (struct blob){0};
    int r = fd < 0 ? fd : read_all(fd, blob, max);
    if (!r)
        return 0;
    blob_free(blob);
    if (r == -EFBIG)
        return error_set(err, r, "%s %s: larger than the guest's memory; give it more with -m", option, path);
    return error_set(err, r, "%s %s: %s; check the path and its permissions", option, path, strerror(-r));
}

static int open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int blob_read(struct blob *blob, const char *option, const char *path, uint64_t max, struct error *err)
{
    int fd = open_file(path), r = read_file(blob, fd, option, path, max, err);
    if (fd >= 0)
        close(fd);
    return r;
}

/* The descriptor kept for a path, at the file's beginning; opened at the first time. Or -errno. */
static int kept_file(struct load_files *files, const char *path)
{
    for (unsigned i = 0; i < files->count; i++)
        if (!strcmp(files->file[i].path, path)) {
            lseek(files->file[i].fd, 0, SEEK_SET); /* a pipe's contents are gone */
            return files->file[i].fd;
        }
    int fd = open_file(path);
    if (fd < 0)
        return fd;
    void *more = realloc(files->file, (files->count + 1) * sizeof(*files->file));
    char *copy = strdup(path);
    if (more)
        files->file = more;
    if (!more || !copy) {
        free(copy);
        close(fd);
        return -ENOMEM;
    }
    files->file[files->count].path = copy;
    files->file[files->count++].fd = fd;
    return fd;
}

void load_files_close(struct load_files *files)
{
    for (unsigned i = 0; i < files->count; i++) {
        free(files->file[i].path);
        close(files->file[i].fd);
    }
    free(files->file);
    *files = (struct load_files){0};
}

int load_file(const struct load_request *request, struct blob *blob, const char *option, const char *path,
              struct error *err)
{
    uint64_t max = load_ram_size(request->map);
    if (!request->files)
        return blob_read(blob, option, path, max, err);
    return read_file(blob, kept_file(request->files, path), option, path, max, err);
}

void blob_free(struct blob *blob)
{
    free(blob->data);
    *blob = (struct blob){0};
}

/* --- guest memory ------------------------------------------------------------------------------------------------- */

bool load_in_ram(const struct memory_map *map, uint64_t base, uint64_t size)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct memory_range *range = &map->range[i];
        if (range->type == MEMORY_RAM && base >= range->base && base - range->base <= range->size &&
            size <= range->size - (base - range->base))
            return true;
    }
    return false;
}

uint64_t load_place_high(const struct memory_map *map, uint64_t floor, uint64_t limit, uint64_t size)
{
    for (unsigned i = map->count; i-- > 0;) {
        const struct memory_range *range = &map->range[i];
        uint64_t low = range->base > floor ? range->base : floor;
        uint64_t high = range->base + range->size < limit ? range->base + range->size : limit;
        if (range->type != MEMORY_RAM || high < low || high - low < size)
            continue;
        uint64_t place = (high - size) & ~(uint64_t)GUEST_PAGE_OFFSET;
        if (place >= low)
            return place;
    }
    return 0;
}

uint64_t load_ram_size(const struct memory_map *map)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < map->count; i++)
        if (map->range[i].type == MEMORY_RAM)
            sum += map->range[i].size;
    return sum;
}

static int not_ram(uint64_t base, uint64_t size, const char *what, struct error *err)
{
    return error_set(err, -EFBIG,
                     "%s does not fit: it wants guest memory %" PRIx64 "h to %" PRIx64 "h; give more with -m", what,
                     base, base + size);
}

int load_write(const struct load_request *request, uint64_t base, const void *data, uint64_t size, const char *what,
               struct error *err)
{
    if (!load_in_ram(request->map, base, size))
        return not_ram(base, size, what, err);
    if (size && !space_write_bytes(request->space, gpa(base), data, size))
        return not_ram(base, size, what, err);
    return 0;
}

int load_zero(const struct load_request *request, uint64_t base, uint64_t size, const char *what, struct error *err)
{
    static const uint8_t zeros[GUEST_PAGE_SIZE];

    if (!load_in_ram(request->map, base, size))
        return not_ram(base, size, what, err);
    while (size) {
        uint64_t piece = size < sizeof(zeros) ? size : sizeof(zeros);
        /* Fresh pages are zero already: reading does not make the host commit them, writing would. */
        uint8_t now[GUEST_PAGE_SIZE];
        space_read_bytes(request->space, gpa(base), now, piece);
        if (memcmp(now, zeros, piece))
            space_write_bytes(request->space, gpa(base), zeros, piece);
        base += piece;
        size -= piece;
    }
    return 0;
}

int load_command_line(const struct load_request *request, const char *prefix, uint64_t max, struct error *err)
{
    const char *append = request->append ? request->append : "";
    uint64_t length = strlen(prefix) + strlen(append);

    if (max > LOAD_COMMAND_LINE_MAX - 1)
        max = LOAD_COMMAND_LINE_MAX - 1;
    if (length > max)
        return error_set(err, -E2BIG,
                         "-append: %" PRIu64 " characters are too many, this kernel takes %" PRIu64 "; shorten it",
                         length, max);
    int r = load_write(request, LOAD_COMMAND_LINE, prefix, strlen(prefix), "the command line", err);
    return r ? r
             : load_write(request, LOAD_COMMAND_LINE + strlen(prefix), append, strlen(append) + 1, "the command line",
                          err);
}

/* --- entry -------------------------------------------------------------------------------------------------------- */

static const uint64_t gdt[LOAD_GDT_SIZE / 8] = {
    [LOAD_GDT_CODE / 8] = 0x00cf9b000000ffff,
    [LOAD_GDT_DATA / 8] = 0x00cf93000000ffff,
    [LOAD_GDT_TSS / 8] = 0x00008b0000000067,
};

static int read_kernel(const struct load_request *request, struct blob *kernel, struct error *err)
{
    uint64_t max = load_ram_size(request->map);
    int r = load_file(request, kernel, "-kernel", request->kernel, err);
    if (r)
        return r;
    r = blob_inflate(kernel, max);
    if (!r)
        return 0;
    blob_free(kernel);
    if (r == -EILSEQ)
        return error_set(err, r, "-kernel %s: a damaged or truncated gzip file; get it again", request->kernel);
    return error_set(err, r, "-kernel %s: larger than the guest's memory when inflated; give it more with -m",
                     request->kernel);
}

int load_kernel(const struct load_request *request, struct load_entry *entry, struct error *err)
{
    static int (*const formats[])(const struct load_request *, const struct blob *, struct load_entry *,
                                  struct error *) = {load_linux, load_multiboot, load_pvh};
    struct blob kernel;
    int r = read_kernel(request, &kernel, err);
    if (r)
        return r;
    *entry = (struct load_entry){.esp = LOAD_INFO};
    r = 1;
    for (unsigned i = 0; i < ARRAY_LEN(formats) && r == 1; i++)
        r = formats[i](request, &kernel, entry, err);
    if (r == 1)
        r = error_set(err, -ENOEXEC,
                      "-kernel %s: not a kernel that can be booted; give a Linux bzImage, a Multiboot 1 kernel or an "
                      "ELF file with a PVH entry",
                      request->kernel);
    blob_free(&kernel);
    return r ? r : load_write(request, LOAD_GDT, gdt, sizeof(gdt), "the descriptor table", err);
}

void load_enter(struct vcpu *vcpu, const struct load_entry *entry)
{
    struct segment flat = {
        .limit = 0xffffffff,
        .attributes = SEG_P | SEG_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED | SEG_DB | SEG_G,
        .selector = LOAD_GDT_DATA,
    };

    for (unsigned i = 0; i < SEG_COUNT; i++)
        vcpu->segment[i] = flat;
    vcpu->segment[SEG_CS].attributes |= SEG_TYPE_CODE;
    vcpu->segment[SEG_CS].selector = LOAD_GDT_CODE;
    vcpu->segment[SEG_TR] =
        (struct segment){.limit = 0x67, .attributes = SEG_P | 0xb /* busy 32-bit TSS */, .selector = LOAD_GDT_TSS};
    vcpu->gdtr = (struct table_register){.base = LOAD_GDT, .limit = LOAD_GDT_SIZE - 1};
    vcpu->idtr = (struct table_register){0}; /* until the kernel loads its own, an exception is a triple fault */
    vcpu->cr0 = CR0_PE | CR0_ET;
    for (unsigned i = 0; i < ARRAY_LEN(vcpu->gpr); i++)
        vcpu->gpr[i] = 0;
    vcpu->gpr[REG_RAX] = entry->eax;
    vcpu->gpr[REG_RBX] = entry->ebx;
    vcpu->gpr[REG_RSI] = entry->esi;
    vcpu->gpr[REG_RSP] = entry->esp;
    vcpu->rip = entry->eip;
}
