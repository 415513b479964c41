/*
 * The drives of the command line. See drives.h.
 *
 * Invariant: after drives_place() no two drives have the same interface and index, and each index exists.
 * Thread: start-up only.
 */
#include "devices/machine/drives.h"

#include "devices/machine/pairs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INVALID(...) error_set(err, -EINVAL, __VA_ARGS__)

static const char *const interface_name[DRIVE_INTERFACES] = {"ide", "floppy", "pflash"};
static const int interface_places[DRIVE_INTERFACES] = {DRIVES_IDE, DRIVES_FLOPPY, DRIVES_FLASH};

static struct drive_option *new_drive(struct drive_options *drives, const char *option, struct error *err)
{
    if (drives->count == DRIVES_MAX) {
        INVALID("%s: there are %d drives already; drop one", option, DRIVES_MAX);
        return NULL;
    }
    struct drive_option *drive = &drives->drive[drives->count];
    *drive = (struct drive_option){.index = -1, .boot_index = -1, .option = option};
    return drive;
}

static int set_path(struct drive_option *drive, const char *path, struct error *err)
{
    if (strlen(path) >= DRIVE_PATH_MAX)
        return INVALID("%s: the image's name is too long; use a shorter path", drive->option);
    strcpy(drive->path, path);
    return 0;
}

int drives_add_image(struct drive_options *drives, const char *option, enum drive_interface interface, int index,
                     bool cdrom, const char *path, struct error *err)
{
    struct drive_option *drive = new_drive(drives, option, err);
    if (!drive)
        return -EINVAL;
    if (!path[0])
        return INVALID("%s '': names no image; give a file's name", option);
    drive->interface = interface;
    drive->index = index;
    drive->cdrom = cdrom;
    int r = set_path(drive, path, err);
    drives->count += !r;
    return r;
}

/* --- -drive ------------------------------------------------------------------------------------------------------- */

static int parse_switch(const struct pairs *pair, bool *to, struct error *err)
{
    return pairs_switch(pair, to) ? 0 : INVALID("-drive %s=%s: write on or off", pair->key, pair->value);
}

static int set_interface(struct drive_option *drive, const char *value, struct error *err)
{
    drive->loose = !strcmp(value, "none");
    if (drive->loose)
        return 0;
    for (unsigned i = 0; i < DRIVE_INTERFACES; i++)
        if (!strcmp(value, interface_name[i])) {
            drive->interface = i;
            return 0;
        }
    return INVALID("-drive if=%s: no such interface; there are ide, floppy, pflash and none", value);
}

static int set_cache(struct drive_option *drive, const char *value, struct error *err)
{
    if (!strcmp(value, "writeback") || !strcmp(value, "none"))
        drive->cache = BLOCK_WRITEBACK;
    else if (!strcmp(value, "writethrough") || !strcmp(value, "directsync"))
        drive->cache = BLOCK_WRITETHROUGH;
    else if (!strcmp(value, "unsafe"))
        drive->cache = BLOCK_UNSAFE;
    else
        return INVALID("-drive cache=%s: there are writeback, writethrough, none, directsync and unsafe", value);
    return 0;
}

static int set_number(const char *key, const char *value, long max, int *number, struct error *err)
{
    char *end;
    long n = strtol(value, &end, 10);
    if (*end || end == value || n < 0 || n > max)
        return INVALID("-drive %s=%s: not a drive's number", key, value);
    *number = (int)n;
    return 0;
}

int drives_set_serial(char *serial, const char *option, const char *value, struct error *err)
{
    if (strlen(value) >= DRIVE_SERIAL_MAX)
        return INVALID("%s serial=%s: too long; at most %d characters", option, value, DRIVE_SERIAL_MAX - 1);
    strcpy(serial, value);
    return 0;
}

struct addressing {
    int bus, unit;
};

static int set_pair(struct drive_option *drive, struct addressing *at, const struct pairs *pair, struct error *err)
{
    const char *key = pair->key, *value = pair->value;

    if (!strcmp(key, "file"))
        return set_path(drive, value, err);
    if (!strcmp(key, "if"))
        return set_interface(drive, value, err);
    if (!strcmp(key, "format")) {
        drive->raw = true;
        return strcmp(value, "raw") ? INVALID("-drive format=%s: only raw images can be used; convert it to raw", value)
                                    : 0;
    }
    if (!strcmp(key, "media")) {
        drive->cdrom = !strcmp(value, "cdrom");
        return drive->cdrom || !strcmp(value, "disk") ? 0 : INVALID("-drive media=%s: write disk or cdrom", value);
    }
    if (!strcmp(key, "index"))
        return set_number(key, value, 15, &drive->index, err);
    if (!strcmp(key, "bus"))
        return set_number(key, value, 15, &at->bus, err);
    if (!strcmp(key, "unit"))
        return set_number(key, value, 15, &at->unit, err);
    if (!strcmp(key, "readonly") || !strcmp(key, "read-only"))
        return parse_switch(pair, &drive->readonly, err);
    if (!strcmp(key, "snapshot"))
        return parse_switch(pair, &drive->snapshot, err);
    if (!strcmp(key, "cache"))
        return set_cache(drive, value, err);
    if (!strcmp(key, "serial"))
        return drives_set_serial(drive->serial, "-drive", value, err);
    if (!strcmp(key, "bootindex"))
        return set_number(key, value, INT32_MAX, &drive->boot_index, err);
    if (!strcmp(key, "id")) {
        if (strlen(value) >= sizeof(drive->id))
            return INVALID("-drive id=%s: too long; at most %d characters", value, DRIVE_ID_MAX - 1);
        strcpy(drive->id, value);
        return 0;
    }
    if (!strcmp(key, "aio") || !strcmp(key, "discard") || !strcmp(key, "detect-zeroes"))
        return 0; /* nothing here depends on them */
    return INVALID("-drive: unknown property '%s'; there are file, if, media, index, bus, unit, format, readonly, "
                   "snapshot, cache, serial, bootindex and id",
                   key);
}

int drives_add(struct drive_options *drives, const char *text, struct error *err)
{
    struct pairs pairs = {.rest = text};
    struct addressing at = {-1, -1};
    struct drive_option *drive = new_drive(drives, "-drive", err);
    int r = drive ? 0 : -EINVAL;

    while (!r && pairs_next(&pairs))
        r = set_pair(drive, &at, &pairs, err);
    if (r)
        return r;
    if (at.bus >= 0 || at.unit >= 0) {
        int units = drive->interface == DRIVE_IDE ? 2 : DRIVES_FLOPPY;
        drive->index = (at.bus > 0 ? at.bus * units : 0) + (at.unit > 0 ? at.unit : 0);
    }
    if (!drive->path[0] && !drive->cdrom && drive->interface != DRIVE_FLOPPY)
        return INVALID("-drive: no image; add file=IMAGE");
    drives->count++;
    return 0;
}

/* --- places ------------------------------------------------------------------------------------------------------- */

const struct drive_option *drives_find(const struct drive_options *drives, enum drive_interface interface, int index)
{
    for (unsigned i = 0; i < drives->count; i++)
        if (drives->drive[i].interface == interface && drives->drive[i].index == index)
            return &drives->drive[i];
    return NULL;
}

/* The drive that a device names; for a CD-ROM drive without one, a new one. */
static struct drive_option *drive_of(struct drive_options *drives, const struct drive_device *device, struct error *err)
{
    const char *name = device->cdrom ? "ide-cd" : "ide-hd";

    for (unsigned i = 0; i < drives->count && device->drive[0]; i++)
        if (drives->drive[i].loose && !strcmp(drives->drive[i].id, device->drive))
            return &drives->drive[i];
    if (device->drive[0]) {
        INVALID("-device %s: no free drive '%s'; add -drive if=none,id=%s,file=IMAGE", name, device->drive,
                device->drive);
        return NULL;
    }
    if (!device->cdrom) {
        INVALID("-device ide-hd: no drive; add drive=ID and -drive if=none,id=ID,file=IMAGE");
        return NULL;
    }
    struct drive_option *drive = new_drive(drives, "-device ide-cd", err);
    drives->count += !!drive;
    return drive;
}

static int plug(struct drive_options *drives, const struct drive_device *device, struct error *err)
{
    struct drive_option *drive = drive_of(drives, device, err);

    if (!drive)
        return -EINVAL;
    drive->loose = false;
    drive->interface = DRIVE_IDE;
    drive->cdrom = device->cdrom;
    drive->index = device->bus < 0 && device->unit < 0
                       ? -1
                       : (device->bus > 0 ? 2 * device->bus : 0) + (device->unit > 0 ? device->unit : 0);
    if (device->serial[0])
        strcpy(drive->serial, device->serial);
    if (device->boot_index >= 0)
        drive->boot_index = device->boot_index;
    return 0;
}

static int check_drive(const struct drive_options *drives, const struct drive_option *drive, struct error *err)
{
    if (drive->loose)
        return INVALID("-drive %s: if=none, and no device takes it; add -device ide-hd,drive=%s", drive->path,
                       drive->id[0] ? drive->id : "ID, and id=ID here");
    for (unsigned i = 0; i < drives->count && drive->boot_index >= 0; i++) {
        const struct drive_option *other = &drives->drive[i];
        if (other != drive && other->boot_index == drive->boot_index)
            return INVALID("%s %s: bootindex=%d is taken by %s %s; choose another", drive->option, drive->path,
                           drive->boot_index, other->option, other->path);
    }
    return 0;
}

int drives_place(struct drive_options *drives, struct error *err)
{
    int r = 0;
    for (unsigned i = 0; i < drives->devices && !r; i++)
        r = plug(drives, &drives->device[i], err);
    drives->devices = 0;
    for (unsigned i = 0; i < drives->count && !r; i++)
        r = check_drive(drives, &drives->drive[i], err);
    if (r)
        return r;
    for (unsigned i = 0; i < drives->count; i++) {
        struct drive_option *drive = &drives->drive[i];
        int places = interface_places[drive->interface];
        const char *name = interface_name[drive->interface];
        if (drive->index < 0) {
            int index = 0;
            while (index < places && drives_find(drives, drive->interface, index))
                index++;
            drive->index = index;
        } else {
            const struct drive_option *other = drives_find(drives, drive->interface, drive->index);
            if (other != drive)
                return INVALID("%s %s: place %d of %s is taken by %s %s; choose another index=", drive->option,
                               drive->path, drive->index, name, other->option, other->path);
        }
        if (drive->index >= places)
            return INVALID("%s %s: %s has %d places only", drive->option, drive->path, name, places);
    }
    return 0;
}

/* A CD-ROM's image is never written; others are unless that was asked for. */
static int open_image(const struct drive_option *drive, bool snapshot, struct block_queue *queue, struct block **block,
                      struct error *err)
{
    struct error cause;
    const struct block_config config = {.path = drive->path,
                                        .readonly = drive->readonly || drive->cdrom,
                                        .snapshot = (snapshot || drive->snapshot) && !drive->cdrom,
                                        .cache = drive->cache,
                                        .queue = queue};
    *block = block_open(&config, &cause);
    if (*block && !drives_check(*block, drive->interface, drive->cdrom, drive->raw, &cause))
        return 0;
    return error_set(err, -EINVAL, "%s %s", drive->option, cause.text);
}

/* A PC has a floppy drive and a CD-ROM drive, with something in them or not. */
static void add_empty_drives(const struct drive_options *drives, struct drive_set *set)
{
    bool cdrom = false;

    set->drive[DRIVE_FLOPPY][0].present = true;
    set->drive[DRIVE_FLOPPY][0].boot_index = set->drive[DRIVE_IDE][CDROM_INDEX].boot_index = -1;
    for (unsigned i = 0; i < drives->count; i++)
        cdrom |= drives->drive[i].cdrom;
    if (!cdrom && !drives_find(drives, DRIVE_IDE, CDROM_INDEX))
        set->drive[DRIVE_IDE][CDROM_INDEX].present = set->drive[DRIVE_IDE][CDROM_INDEX].cdrom = true;
}

int drives_open(const struct drive_options *drives, struct block_queue *queue, struct drive_set *set, struct error *err)
{
    int r = 0;
    *set = (struct drive_set){0};
    if (!drives->no_empty)
        add_empty_drives(drives, set);
    for (unsigned i = 0; i < drives->count && !r; i++) {
        const struct drive_option *drive = &drives->drive[i];
        struct block **block = &set->drive[drive->interface][drive->index].block;
        set->drive[drive->interface][drive->index].present = true;
        set->drive[drive->interface][drive->index].cdrom = drive->cdrom;
        strcpy(set->drive[drive->interface][drive->index].serial, drive->serial);
        set->drive[drive->interface][drive->index].boot_index = drive->boot_index;
        if (drive->path[0])
            r = open_image(drive, drives->snapshot, queue, block, err);
    }
    return r;
}

void drives_close(struct drive_set *set)
{
    for (unsigned interface = 0; interface < DRIVE_INTERFACES; interface++)
        for (unsigned i = 0; i < DRIVES_IDE; i++) {
            block_close(set->drive[interface][i].block);
            set->drive[interface][i].block = NULL;
        }
}
