/*
 * The drives of the command line: -hda to -hdd, -cdrom, -fda, -fdb, -drive and -snapshot, and the images behind them.
 *
 * Thread: start-up only.
 */
#ifndef RING3_MACHINE_DRIVES_H
#define RING3_MACHINE_DRIVES_H

#include "devices/core/block.h"

enum { DRIVES_MAX = 8, DRIVES_IDE = 4, DRIVES_FLOPPY = 2, DRIVES_FLASH = 2, CDROM_INDEX = 2, DRIVE_PATH_MAX = 1024 };

enum drive_interface { DRIVE_IDE, DRIVE_FLOPPY, DRIVE_FLASH, DRIVE_INTERFACES };

enum { DRIVE_ID_MAX = 32, DRIVE_SERIAL_MAX = 21 }; /* with the final 0 */

/* One drive as asked for. */
struct drive_option {
    enum drive_interface interface;
    int index; /* on its interface; -1: the next free one */
    bool cdrom, readonly, raw;
    bool snapshot;
    bool loose;     /* if=none: a -device takes it */
    int boot_index; /* when to boot from it, 0 first; -1: after those that say when */
    enum block_cache cache;
    char id[DRIVE_ID_MAX];
    char serial[DRIVE_SERIAL_MAX]; /* empty: the drive's own */
    char path[DRIVE_PATH_MAX];     /* empty: a drive without a medium (CD-ROM, floppy) */
    const char *option;            /* for messages: "-hda" */
};

/* -device ide-hd or ide-cd. */
struct drive_device {
    char drive[DRIVE_ID_MAX];      /* empty: none, which only a CD-ROM drive may be */
    char serial[DRIVE_SERIAL_MAX]; /* empty: what the drive says */
    bool cdrom;
    int bus, unit, boot_index; /* -1: not given */
};

struct drive_options {
    struct drive_option drive[DRIVES_MAX];
    unsigned count;
    struct drive_device device[DRIVES_MAX];
    unsigned devices;
    bool snapshot; /* all of them */
    bool no_empty; /* none but those that were asked for */
};

/* -hda FILE and its like: `option` is "-hda". */
int drives_add_image(struct drive_options *drives, const char *option, enum drive_interface interface, int index,
                     bool cdrom, const char *path, struct error *err);

/* -drive KEY=VALUE,... */
int drives_add(struct drive_options *drives, const char *value, struct error *err);

/* A serial number of an option; -EINVAL with a message when no drive has room for it. */
int drives_set_serial(char *serial, const char *option, const char *value, struct error *err);

/* Brings devices and their drives together and gives every drive its index. Returns 0, or -EINVAL with a message, such
 * as when two want the same place. */
int drives_place(struct drive_options *drives, struct error *err);

/* The drive in a place, or null. */
const struct drive_option *drives_find(const struct drive_options *drives, enum drive_interface interface, int index);

/* What the images are, by interface and index. */
struct drive_set {
    struct {
        bool present, cdrom;
        int boot_index; /* of struct drive_option */
        char serial[DRIVE_SERIAL_MAX];
        struct block *block; /* null: no medium */
    } drive[DRIVE_INTERFACES][DRIVES_IDE];
};

/* Whether the image fits the drive. `raw`: the user says that it is one, whatever it begins with. */
int drives_check(struct block *block, enum drive_interface interface, bool cdrom, bool raw, struct error *err);

/* Opens the images, and adds the drives that every machine has: an empty CD-ROM (where there is none, and the place of
 * -cdrom is free) and the first floppy drive. On failure what was opened is in the set. */
int drives_open(const struct drive_options *drives, struct block_queue *queue, struct drive_set *set,
                struct error *err);

/* Closes them, when no chip uses them any more. */
void drives_close(struct drive_set *set);

#endif
