/*
 * Fuzz target: the loaders of kernels (bzImage, Multiboot, ELF with a PVH note) and of what goes with them. The first
 * byte chooses whether the rest is the kernel, or kernel and initial RAM disk.
 */
#include "tests/fuzz/script.h"

#include "devices/machine/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RAM = 16 << 20, ACPI_AT = RAM - 0x10000 };

static struct space space;
static struct memory_map map = {{{0, 0x9fc00, MEMORY_RAM},
                                 {0x9fc00, 0x400, MEMORY_RESERVED},
                                 {0x100000, ACPI_AT - 0x100000, MEMORY_RAM},
                                 {ACPI_AT, 0x10000, MEMORY_ACPI}},
                                4};

struct file {
    int fd;
    char path[64];
};

static void make(struct file *file, const uint8_t *data, size_t size)
{
    file->fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (file->fd < 0 || write(file->fd, data, size) != (ssize_t)size) {
        perror("fuzz_loaders: cannot make a file");
        exit(1);
    }
    snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err;
    struct load_entry entry;
    struct file kernel, initrd = {.fd = -1};

    if (!size)
        return 0;
    if (!space.arena && (space_init(&space, RAM, &err) || space_add(&space, 0, 0xa0000, false, "base", NULL, &err) ||
                         space_add(&space, 0x100000, RAM - 0x100000, false, "low", NULL, &err))) {
        fprintf(stderr, "fuzz_loaders: %s\n", err.text);
        exit(1);
    }
    uint8_t how = data[0];
    make(&kernel, data + 1, size - 1);
    struct load_request request = {.kernel = kernel.path, .space = &space, .map = &map, .rsdp = 0xf0000};
    request.no_long_mode = how & 1;
    if (how & 2)
        request.append = "console=ttyS0 one two";
    if (how & 4) {
        make(&initrd, data, size);
        request.initrd = initrd.path;
    }
    load_kernel(&request, &entry, &err);
    close(kernel.fd);
    if (initrd.fd >= 0)
        close(initrd.fd);
    return 0;
}
