/*
 * Finding and reading the firmware's image. See firmware.h.
 *
 * Thread: start-up only.
 */
#include "devices/machine/firmware.h"

#include "devices/machine/pc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 0x10000 };

/* Where Debian's packages seabios, ovmf and u-boot-qemu put theirs. */
static const char *const places[] = {"/usr/share/seabios", "/usr/share/ovmf",          "/usr/share/OVMF",
                                     "/usr/share/qemu",    "/usr/lib/u-boot/qemu-x86", "/usr/lib/u-boot/qemu-x86_64"};

static bool try_place(char *path, size_t size, const char *directory, const char *name)
{
    int length = snprintf(path, size, "%s/%s", directory, name);
    return length > 0 && (size_t)length < size && !access(path, R_OK);
}

/* The path of the image; false: it is nowhere. */
static bool find(char *path, size_t size, const char *name, const char *directory)
{
    if (directory && !strchr(name, '/') && try_place(path, size, directory, name))
        return true;
    if (!access(name, F_OK) || strchr(name, '/'))
        return (size_t)snprintf(path, size, "%s", name) < size;
    for (unsigned i = 0; i < ARRAY_LEN(places); i++)
        if (try_place(path, size, places[i], name))
            return true;
    return false;
}

int firmware_read(struct blob *image, const char *bios, const char *directory, struct error *err)
{
    char path[4096];
    const char *name = bios ? bios : FIRMWARE_DEFAULT;

    if (!find(path, sizeof(path), name, directory))
        return bios ? error_set(err, -ENOENT, "-bios %s: no such file here, in -L or in %s; check the name", name,
                                places[0])
                    : error_set(err, -ENOENT,
                                "no firmware: %s is not in %s; install Debian's package seabios, name an image with "
                                "-bios FILE, or boot a kernel with -kernel FILE",
                                name, places[0]);
    int r = blob_read(image, "-bios", path, PC_ROM_MAX, err);
    if (r == -EFBIG)
        return error_set(err, r, "-bios %s: larger than 16 MiB, so no PC firmware; check the file", path);
    if (r)
        return r;
    if (!image->size) {
        blob_free(image);
        return error_set(err, -EINVAL, "-bios %s: the file is empty; give a firmware image such as %s/%s", path,
                         places[0], FIRMWARE_DEFAULT);
    }
    if (image->size % BLOCK) {
        unsigned size = (unsigned)image->size;
        blob_free(image);
        return error_set(err, -EINVAL, "-bios %s: %u bytes is no firmware's size, a multiple of 64 KiB; check the file",
                         path, size);
    }
    return 0;
}

int firmware_read_vga(struct blob *image, const char *directory, struct error *err)
{
    enum { ROM_MAX = 1 << 20 };
    char path[4096];

    if (!find(path, sizeof(path), FIRMWARE_VGA, directory))
        return error_set(err, -ENOENT,
                         "no VGA BIOS: %s is not in %s; install Debian's package seabios, or use -vga none",
                         FIRMWARE_VGA, places[0]);
    return blob_read(image, "VGA BIOS", path, ROM_MAX, err);
}
