/*
 * Drives and their media. See media.h.
 *
 * Invariant: an image is closed only after its requests are done and the chip has been told that it is gone.
 * Thread: the main thread, with the machine lock held.
 */
#include "devices/machine/media.h"

#include "devices/machine/machine_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct ide *channel_of(const struct machine *m, unsigned index)
{
    return (struct ide *)&m->pc.ide.channel[index / IDE_DRIVES];
}

static void describe(const struct machine *m, enum drive_interface interface, unsigned index, struct media *media)
{
    bool cdrom = m->pc.config.drives.drive[interface][index].cdrom;

    *media = (struct media){.interface = interface,
                            .index = index,
                            .removable = cdrom || interface == DRIVE_FLOPPY,
                            .block = m->pc.config.drives.drive[interface][index].block};
    if (interface == DRIVE_IDE)
        snprintf(media->name, sizeof(media->name), "ide%u-%s%u", index / IDE_DRIVES, cdrom ? "cd" : "hd",
                 index % IDE_DRIVES);
    else
        snprintf(media->name, sizeof(media->name), "%s%u", interface == DRIVE_FLOPPY ? "floppy" : "pflash", index);
    if (interface == DRIVE_IDE && cdrom) {
        media->locked = ide_tray_locked(channel_of(m, index), index % IDE_DRIVES);
        media->tray_open = ide_tray_open(channel_of(m, index), index % IDE_DRIVES);
    }
}

bool media_next(const struct machine *m, unsigned *at, struct media *media)
{
    while (*at < DRIVE_INTERFACES * DRIVES_IDE) {
        unsigned interface = *at / DRIVES_IDE, index = *at % DRIVES_IDE;
        (*at)++;
        if (!m->pc.config.drives.drive[interface][index].present)
            continue;
        describe(m, (enum drive_interface)interface, index, media);
        return true;
    }
    return false;
}

/* Another way people say it. */
static bool is_short_for(const char *name, const struct media *media)
{
    char other[8];

    if (media->interface == DRIVE_IDE && !media->removable)
        snprintf(other, sizeof(other), "hd%c", 'a' + (int)media->index);
    else if (media->interface == DRIVE_IDE)
        snprintf(other, sizeof(other), "cdrom");
    else if (media->interface == DRIVE_FLOPPY)
        snprintf(other, sizeof(other), "fd%c", 'a' + (int)media->index);
    else
        return false;
    return !strcmp(name, other);
}

bool media_find(const struct machine *m, const char *name, struct media *media)
{
    for (unsigned at = 0; media_next(m, &at, media);)
        if (!strcmp(media->name, name))
            return true;
    for (unsigned at = 0; media_next(m, &at, media);)
        if (is_short_for(name, media))
            return true;
    return false;
}

/* --- changing ----------------------------------------------------------------------------------------------------- */

static int may_open(struct machine *m, const struct media *media, bool force, struct error *err)
{
    if (!media->removable)
        return error_set(err, -ENOTSUP, "Device '%s' is not removable", media->name);
    if (!media->locked || media->tray_open || force)
        return 0;
    ide_eject_request(channel_of(m, media->index), media->index % IDE_DRIVES);
    return error_set(err, -EBUSY,
                     "Device '%s' is locked and force was not specified, wait for tray to open and try again",
                     media->name);
}

static void set_medium(struct machine *m, const struct media *media, struct block *block)
{
    struct block **now = &m->pc.config.drives.drive[media->interface][media->index].block, *old = *now;

    if (old)
        block_drain(old);
    if (media->interface == DRIVE_FLOPPY)
        i82077_change_disk(&m->pc.fdc, media->index, block);
    else
        ide_change_medium(channel_of(m, media->index), media->index % IDE_DRIVES, block);
    *now = block;
    block_close(old);
}

int media_eject(struct machine *m, const struct media *media, bool force, struct error *err)
{
    int r = may_open(m, media, force, err);
    if (!r && media->block)
        set_medium(m, media, NULL);
    return r;
}

struct opening {
    const struct opener *opener;
    bool floppy;
};

static int open_through(void *context, const char *path, bool write, struct error *err)
{
    const struct opening *opening = context;
    return opener_open(opening->opener, path, opening->floppy, write, err);
}

int media_change(struct machine *m, const struct media *media, const char *path, enum media_access access, bool force,
                 struct error *err)
{
    int r = may_open(m, media, force, err);
    if (r)
        return r;
    bool floppy = media->interface == DRIVE_FLOPPY, retain = access == MEDIA_RETAIN;
    struct opening opening = {&m->opener, floppy};
    struct block_config config = {.path = path,
                                  .readonly = !floppy || access == MEDIA_READ_ONLY ||
                                              (retain && media->block && block_readonly(media->block)),
                                  .snapshot = floppy && m->options.drives.snapshot,
                                  .queue = &m->block_queue,
                                  .open = m->options.sandbox ? open_through : NULL,
                                  .context = &opening};
    if (media->block && !strcmp(block_path(media->block), path))
        set_medium(m, media, NULL); /* it would be in its own way */
    struct block *block = block_open(&config, err);
    if (!block && retain && !config.readonly) {
        config.readonly = true;
        block = block_open(&config, err);
    }
    if (block && drives_check(block, media->interface, !floppy, false, err)) {
        block_close(block);
        block = NULL;
    }
    if (!block)
        return -EIO;
    set_medium(m, media, block);
    return 0;
}
