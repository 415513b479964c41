/*
 * The drives of the command line. See drives.h.
 *
 * Invariant: after drives_place() no two drives have the same interface and index, and each index exists.
 * Thread: start-up only.
 */
#include "devices/machine/drives.h"

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
    *drive = (struct drive_option){.index = -1, .option = option};
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

/* The next KEY=VALUE of *text; a comma in the value is written twice. False at the end. */
static bool next_pair(const char **text, char *key, size_t key_size, char *value, size_t value_size)
{
    size_t k = 0, v = 0;
    const char *at = *text;

    if (!*at)
        return false;
    while (*at && *at != '=' && *at != ',') {
        if (k + 1 < key_size)
            key[k++] = *at;
        at++;
    }
    key[k] = 0;
    if (*at == '=')
        for (at++; *at && (*at != ',' || at[1] == ','); at++) {
            at += *at == ',';
            if (v + 1 < value_size)
                value[v++] = *at;
        }
    value[v] = 0;
    *text = at + (*at == ',');
    return true;
}

static int parse_switch(const char *key, const char *value, bool *to, struct error *err)
{
    *to = !strcmp(value, "on") || !strcmp(value, "true") || !strcmp(value, "yes");
    if (!*to && strcmp(value, "off") && strcmp(value, "false") && strcmp(value, "no"))
        return INVALID("-drive %s=%s: write on or off", key, value);
    return 0;
}

static int set_interface(struct drive_option *drive, const char *value, struct error *err)
{
    for (unsigned i = 0; i < DRIVE_INTERFACES; i++)
        if (!strcmp(value, interface_name[i])) {
            drive->interface = i;
            return 0;
        }
    return INVALID("-drive if=%s: no such interface; there are ide, floppy and pflash", value);
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

static int set_number(const char *key, const char *value, int *number, struct error *err)
{
    char *end;
    long n = strtol(value, &end, 10);
    if (*end || end == value || n < 0 || n > 15)
        return INVALID("-drive %s=%s: not a drive's number", key, value);
    *number = (int)n;
    return 0;
}

struct addressing {
    int bus, unit;
};

static int set_pair(struct drive_option *drive, struct addressing *at, const char *key, const char *value,
                    struct error *err)
{
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
        return set_number(key, value, &drive->index, err);
    if (!strcmp(key, "bus"))
        return set_number(key, value, &at->bus, err);
    if (!strcmp(key, "unit"))
        return set_number(key, value, &at->unit, err);
    if (!strcmp(key, "readonly") || !strcmp(key, "read-only"))
        return parse_switch(key, value, &drive->readonly, err);
    if (!strcmp(key, "snapshot"))
        return parse_switch(key, value, &drive->snapshot, err);
    if (!strcmp(key, "cache"))
        return set_cache(drive, value, err);
    if (!strcmp(key, "id") || !strcmp(key, "aio") || !strcmp(key, "discard") || !strcmp(key, "detect-zeroes"))
        return 0; /* nothing here depends on them */
    return INVALID("-drive: unknown property '%s'; there are file, if, media, index, bus, unit, format, readonly, "
                   "snapshot and cache",
                   key);
}

int drives_add(struct drive_options *drives, const char *text, struct error *err)
{
    char key[32], value[DRIVE_PATH_MAX];
    struct addressing at = {-1, -1};
    struct drive_option *drive = new_drive(drives, "-drive", err);
    int r = drive ? 0 : -EINVAL;

    while (!r && next_pair(&text, key, sizeof(key), value, sizeof(value)))
        r = set_pair(drive, &at, key, value, err);
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

int drives_place(struct drive_options *drives, struct error *err)
{
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

int drives_open(const struct drive_options *drives, struct block_queue *queue, struct drive_set *set, struct error *err)
{
    int r = 0;
    *set = (struct drive_set){0};
    for (unsigned i = 0; i < drives->count && !r; i++) {
        const struct drive_option *drive = &drives->drive[i];
        struct block **block = &set->drive[drive->interface][drive->index].block;
        set->drive[drive->interface][drive->index].present = true;
        set->drive[drive->interface][drive->index].cdrom = drive->cdrom;
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
