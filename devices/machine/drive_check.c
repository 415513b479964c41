/*
 * Whether an image is what its drive takes. See drives.h.
 *
 * Thread: start-up, or whoever changes a medium with the machine lock held.
 */
#include "devices/machine/drives.h"

#include "devices/chips/i82077.h"

#include <errno.h>
#include <string.h>

enum { CD_SECTOR = 2048, CD_DESCRIPTOR = 16 * CD_SECTOR };

/* Formats of other machines, by the bytes they begin with. A raw image with these bytes can be named: format=raw. */
static const char *foreign_format(struct block *block)
{
    static const struct {
        const char *magic, *name;
    } formats[] = {{"QFI\xfb", "qcow2"}, {"KDMV", "vmdk"}, {"conectix", "vpc"}, {"vhdxfile", "vhdx"}, {"QED", "qed"}};
    char start[8] = {0};

    if (block_size(block) < sizeof(start) || block_read_now(block, 0, start, sizeof(start)))
        return NULL;
    for (unsigned i = 0; i < ARRAY_LEN(formats); i++)
        if (!memcmp(start, formats[i].magic, strlen(formats[i].magic)))
            return formats[i].name;
    return NULL;
}

static bool is_iso(struct block *block)
{
    char magic[5];
    return block_size(block) >= CD_DESCRIPTOR + CD_SECTOR &&
           !block_read_now(block, CD_DESCRIPTOR + 1, magic, sizeof(magic)) && !memcmp(magic, "CD001", sizeof(magic));
}

static int check_floppy(struct block *block, struct error *err)
{
    unsigned long long size = block_size(block);

    if (i82077_find_format(size))
        return 0;
    if (is_iso(block))
        return error_set(err, -EINVAL, "%s is the image of a CD-ROM; use -cdrom %s", block_path(block),
                         block_path(block));
    return error_set(err, -EINVAL,
                     "%s: %llu bytes is no floppy disk's size: there are %s (truncate -s 1440K makes a smaller image "
                     "one)",
                     block_path(block), size, i82077_sizes);
}

int drives_check(struct block *block, enum drive_interface interface, bool cdrom, bool raw, struct error *err)
{
    const char *foreign = raw ? NULL : foreign_format(block), *path = block_path(block);

    if (foreign)
        return error_set(err, -EINVAL,
                         "%s is a %s image, and only raw ones can be used; convert it: qemu-img convert -O raw %s "
                         "disk.img",
                         path, foreign, path);
    if (interface == DRIVE_FLOPPY)
        return check_floppy(block, err);
    if (interface == DRIVE_IDE && cdrom && block_size(block) < CD_SECTOR)
        return error_set(err, -EINVAL, "%s is shorter than one sector of a CD-ROM; is it truncated?", path);
    if (interface == DRIVE_IDE && block_size(block) % BLOCK_SECTOR)
        return error_set(err, -EINVAL,
                         "%s: %llu bytes are no whole number of sectors; is it truncated? (truncate -s %%512 %s rounds "
                         "it up)",
                         path, (unsigned long long)block_size(block), path);
    return 0;
}
