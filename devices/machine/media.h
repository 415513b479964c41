/*
 * The drives of a running machine by QEMU's names (ide0-hd0, ide1-cd0, floppy0), and changing what is in them. For the
 * monitors and the window.
 *
 * @locks all calls are made with the machine lock held, on the main thread.
 */
#ifndef RING3_MACHINE_MEDIA_H
#define RING3_MACHINE_MEDIA_H

#include "devices/core/block.h"
#include "devices/machine/drives.h"

struct machine;

enum { MEDIA_NAME_MAX = 24 };

enum media_access { MEDIA_RETAIN, MEDIA_READ_ONLY, MEDIA_READ_WRITE };

/* One drive as it is now. */
struct media {
    char name[MEDIA_NAME_MAX];
    enum drive_interface interface;
    unsigned index;
    bool removable, locked, tray_open;
    struct block *block; /* null: no medium */
};

/* The drive after `at` (start with zero), in order. False: no more. */
bool media_next(const struct machine *m, unsigned *at, struct media *media);

/* By name; the short forms cdrom, floppy0/floppya and hda... are understood too. False: no such drive. */
bool media_find(const struct machine *m, const char *name, struct media *media);

/* Takes the medium out. A guest that has locked the tray is asked, and -EBUSY returned, unless `force`. */
int media_eject(struct machine *m, const struct media *media, bool force, struct error *err);

/* Puts an image in, instead of what is there. */
int media_change(struct machine *m, const struct media *media, const char *path, enum media_access access, bool force,
                 struct error *err);

#endif
