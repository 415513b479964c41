/*
 * -device, -global, -chardev and -mon: what refers to each other by name, in whatever order it comes.
 *
 * Invariant: after options_connect() each console names a place that stream_create() knows, or one it will refuse.
 * Thread: start-up only.
 */
#include "devices/machine/options_int.h"

#include "devices/machine/pairs.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INVALID(...) error_set(err, -EINVAL, __VA_ARGS__)

static int parse_number(const char *text, unsigned long max, unsigned long *value)
{
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return -EINVAL;
    *value = strtoul(text, &end, 0);
    return *end || *value > max ? -EINVAL : 0;
}

/* --- -device ------------------------------------------------------------------------------------------------------ */

struct device_pair {
    const char *device, *key, *value;
};

static int unknown_property(const struct device_pair *pair, const char *known, struct error *err)
{
    return INVALID("-device %s: unknown property '%s'; there are %s", pair->device, pair->key, known);
}

static int set_port(const struct device_pair *pair, uint16_t *port, struct error *err)
{
    unsigned long number;

    if (parse_number(pair->value, 0xffff, &number))
        return INVALID("-device %s: '%s' is not a number from 0 to 0xffff", pair->device, pair->value);
    *port = (uint16_t)number;
    return 0;
}

static int set_debug_exit(struct machine_options *o, const struct device_pair *pair, struct error *err)
{
    o->debug_exit = true;
    if (!pair->key)
        return !o->debug_exit_size || o->debug_exit_base + o->debug_exit_size > 0x10000
                   ? INVALID("-device %s: iosize must be at least 1 and the ports end at 0xffff", pair->device)
                   : 0;
    if (!strcmp(pair->key, "iobase"))
        return set_port(pair, &o->debug_exit_base, err);
    if (!strcmp(pair->key, "iosize"))
        return set_port(pair, &o->debug_exit_size, err);
    return unknown_property(pair, "iobase=PORT and iosize=BYTES", err);
}

static int set_debugcon(struct machine_options *o, const struct device_pair *pair, struct error *err)
{
    if (!pair->key)
        return o->debugcon ? 0 : INVALID("-device %s: no output; add chardev=ID and -chardev", pair->device);
    if (!strcmp(pair->key, "iobase"))
        return set_port(pair, &o->debugcon_base, err);
    if (strcmp(pair->key, "chardev"))
        return unknown_property(pair, "iobase=PORT and chardev=ID", err);
    snprintf(o->debugcon_chardev, sizeof(o->debugcon_chardev), "chardev:%s", pair->value);
    o->debugcon = o->debugcon_chardev;
    return 0;
}

/* The drive itself says what it is by then. */
static int set_ide(struct machine_options *o, const struct device_pair *pair, struct error *err)
{
    struct drive_device *device = &o->drives.device[o->drives.devices];
    unsigned long number = 0;

    if (!pair->key) {
        device->cdrom = !strncmp(pair->device, "ide-cd", 6);
        o->drives.devices++;
        return 0;
    }
    if (!strcmp(pair->key, "drive")) {
        snprintf(device->drive, sizeof(device->drive), "%s", pair->value);
        return 0;
    }
    if (!strcmp(pair->key, "serial"))
        return drives_set_serial(device->serial, "-device", pair->value, err);
    if (!strcmp(pair->key, "id") || !strcmp(pair->key, "model"))
        return 0; /* nothing here depends on them */
    const char *text = strcmp(pair->key, "bus") || strncmp(pair->value, "ide.", 4) ? pair->value : pair->value + 4;
    int *to = !strcmp(pair->key, "bus")         ? &device->bus
              : !strcmp(pair->key, "unit")      ? &device->unit
              : !strcmp(pair->key, "bootindex") ? &device->boot_index
                                                : NULL;
    if (!to)
        return unknown_property(pair, "drive=ID, bus=ide.N, unit=N, serial=TEXT and bootindex=N", err);
    if (parse_number(text, to == &device->boot_index ? INT32_MAX : 1, &number))
        return INVALID("-device %s: %s=%s is no such number", pair->device, pair->key, pair->value);
    *to = (int)number;
    return 0;
}

int options_set_device(struct machine_options *o, const char *value, struct error *err)
{
    static const struct {
        const char *name;
        /* For each property, and at the end once more without one. */
        int (*set)(struct machine_options *o, const struct device_pair *pair, struct error *err);
    } devices[] = {
        {"isa-debug-exit", set_debug_exit}, {"isa-debugcon", set_debugcon}, {"ide-hd", set_ide}, {"ide-cd", set_ide}};
    struct pairs pairs = {.rest = value, .implied = "driver"};
    unsigned i = 0;

    pairs_next(&pairs);
    while (i < ARRAY_LEN(devices) && strcmp(devices[i].name, pairs.value))
        i++;
    if (i == ARRAY_LEN(devices))
        return INVALID("-device %s: no such device; there are isa-debug-exit,iobase=0xf4,iosize=0x04, isa-debugcon, "
                       "ide-hd and ide-cd",
                       value);
    if (devices[i].set == set_ide) {
        if (o->drives.devices == DRIVES_MAX)
            return INVALID("-device %s: there are %d drives already; drop one", value, DRIVES_MAX);
        o->drives.device[o->drives.devices] = (struct drive_device){.bus = -1, .unit = -1, .boot_index = -1};
    }
    struct device_pair pair = {.device = value, .key = pairs.key, .value = pairs.value};
    int r = 0;
    while (!r && pairs_next(&pairs))
        r = devices[i].set(o, &pair, err);
    pair.key = NULL;
    return r ? r : devices[i].set(o, &pair, err);
}

/* Sizes that EDID and DISPI can say, and that fit into the video memory. */
static int set_monitor_size(unsigned *pixels, const char *value, unsigned long low, unsigned long high,
                            struct error *err)
{
    unsigned long number = 0;
    const char *digits = strchr(value, '=') + 1;

    if (parse_number(digits, high, &number) || number < low || number % 8)
        return INVALID("-global %s: takes a multiple of 8 from %lu to %lu", value, low, high);
    *pixels = (unsigned)number;
    return 0;
}

int options_set_global(struct machine_options *o, const char *value, struct error *err)
{
    unsigned long port;

    if (!strncmp(value, "isa-debugcon.iobase=", 20) && !parse_number(value + 20, 0xffff, &port)) {
        o->debugcon_base = (uint16_t)port;
        return 0;
    }
    if (!strncmp(value, "VGA.xres=", 9))
        return set_monitor_size(&o->vga_width, value, 640, 2560, err);
    if (!strncmp(value, "VGA.yres=", 9))
        return set_monitor_size(&o->vga_height, value, 480, 1600, err);
    bool on = !strcmp(value, "VGA.mmio=on");
    o->vga_mmio = on ? VGA_MMIO_ON : VGA_MMIO_OFF;
    if (!on && strcmp(value, "VGA.mmio=off"))
        return INVALID("-global %s: no such property; there are VGA.xres=PIXELS, VGA.yres=PIXELS, VGA.mmio=on|off and "
                       "isa-debugcon.iobase=PORT",
                       value);
    return 0;
}

/* --- -chardev ----------------------------------------------------------------------------------------------------- */

/* What -chardev says, as -serial would: "socket,path=P,server=on" is "unix:P,server=on". */
struct backend {
    char name[CHARDEV_WHERE_MAX], path[CHARDEV_WHERE_MAX], host[CHARDEV_WHERE_MAX], port[CHARDEV_WHERE_MAX];
    char flags[2 * CHARDEV_WHERE_MAX];
    bool mux;
};

static int write_where(char *where, size_t size, const struct backend *b, const char *value, struct error *err)
{
    int length = -1;

    if (!strcmp(b->name, "null") || !strcmp(b->name, "pty") || !strcmp(b->name, "vc"))
        length = snprintf(where, size, "%s", b->name);
    else if (!strcmp(b->name, "stdio"))
        length = snprintf(where, size, b->mux ? "mon:stdio" : "stdio");
    else if (!strcmp(b->name, "file") && b->path[0])
        length = snprintf(where, size, "file:%s", b->path);
    else if (!strcmp(b->name, "socket") && b->path[0])
        length = snprintf(where, size, "unix:%s%s", b->path, b->flags);
    else if (!strcmp(b->name, "socket") && b->port[0])
        length = snprintf(where, size, "tcp:%s:%s%s", b->host, b->port, b->flags);
    if (length < 0 || (size_t)length >= size)
        return INVALID("-chardev %s: write null, stdio, pty, vc, file,path=PATH, socket,path=PATH or "
                       "socket,host=HOST,port=PORT, and id=ID",
                       value);
    return 0;
}

static int set_backend(struct backend *b, struct chardev_option *chardev, const struct pairs *pair, const char *value,
                       struct error *err)
{
    const char *key = pair->key, *text = pair->value;
    size_t used = strlen(b->flags);

    if (strlen(text) >= CHARDEV_WHERE_MAX)
        return INVALID("-chardev %s: %s is too long; at most %d characters", value, key, CHARDEV_WHERE_MAX - 1);
    if (!strcmp(key, "id") && strlen(text) < sizeof(chardev->id))
        strcpy(chardev->id, text);
    else if (!strcmp(key, "path"))
        strcpy(b->path, text);
    else if (!strcmp(key, "host"))
        strcpy(b->host, text);
    else if (!strcmp(key, "port"))
        strcpy(b->port, text);
    else if (!strcmp(key, "mux"))
        b->mux = !strcmp(text, "on");
    else if (used < CHARDEV_WHERE_MAX && (!strcmp(key, "server") || !strcmp(key, "wait") || !strcmp(key, "nowait") ||
                                          !strcmp(key, "telnet") || !strcmp(key, "nodelay")))
        snprintf(b->flags + used, sizeof(b->flags) - used, ",%s%s%.8s", key, text[0] ? "=" : "", text); /* on or off */
    else if (strcmp(key, "signal"))
        return INVALID(
            "-chardev %s: unknown property '%s'; there are id, path, host, port, server, wait, telnet, nodelay and mux",
            value, key);
    return 0;
}

int options_set_chardev(struct machine_options *o, const char *value, struct error *err)
{
    struct pairs pairs = {.rest = value, .implied = "backend"};
    struct backend b = {0};
    int r = 0;

    if (o->chardevs == MACHINE_CHARDEVS)
        return INVALID("-chardev %s: at most %d of them; drop one", value, MACHINE_CHARDEVS);
    struct chardev_option *chardev = &o->chardev[o->chardevs];
    pairs_next(&pairs);
    snprintf(b.name, sizeof(b.name), "%.*s", CHARDEV_WHERE_MAX - 1, pairs.value);
    while (!r && pairs_next(&pairs))
        r = set_backend(&b, chardev, &pairs, value, err);
    if (!r && !chardev->id[0])
        r = INVALID("-chardev %s: no name; add id=ID", value);
    if (!r)
        r = write_where(chardev->where, sizeof(chardev->where), &b, value, err);
    o->chardevs += !r;
    return r;
}

/* --- -mon --------------------------------------------------------------------------------------------------------- */

int options_set_mon(struct machine_options *o, const char *value, struct error *err)
{
    struct pairs pairs = {.rest = value, .implied = "chardev"};

    if (o->monitors == MACHINE_MONITORS)
        return INVALID("-mon %s: the machine has at most %d monitors; drop one", value, MACHINE_MONITORS);
    unsigned i = o->monitors++;
    o->monitor[i].qmp = false;
    o->monitor[i].where = o->mon_chardev[i];
    while (pairs_next(&pairs)) {
        if (!strcmp(pairs.key, "mode") && (!strcmp(pairs.value, "control") || !strcmp(pairs.value, "readline")))
            o->monitor[i].qmp = pairs.value[0] == 'c';
        else if (!strcmp(pairs.key, "chardev") && strlen(pairs.value) < CHARDEV_ID_MAX)
            snprintf(o->mon_chardev[i], sizeof(o->mon_chardev[i]), "chardev:%.*s", CHARDEV_ID_MAX - 1, pairs.value);
        else if (strcmp(pairs.key, "pretty"))
            return INVALID("-mon %s: '%s' is unknown; write chardev=ID,mode=control or chardev=ID,mode=readline", value,
                           pairs.key);
    }
    if (!o->mon_chardev[i][0])
        return INVALID("-mon %s: no place; add chardev=ID and -chardev", value);
    o->monitor_given |= !o->monitor[i].qmp;
    return 0;
}

static int connect_console(struct machine_options *o, const char **where, struct error *err)
{
    if (!*where || strncmp(*where, "chardev:", 8))
        return 0;
    for (unsigned i = 0; i < o->chardevs; i++)
        if (!strcmp(o->chardev[i].id, *where + 8)) {
            *where = o->chardev[i].where;
            return 0;
        }
    return INVALID("%s: no -chardev has this id; add -chardev BACKEND,id=%s", *where, *where + 8);
}

int options_connect(struct machine_options *o, struct error *err)
{
    int r = connect_console(o, &o->debugcon, err);
    for (unsigned i = 0; i < o->serials && !r; i++)
        r = connect_console(o, &o->serial[i], err);
    for (unsigned i = 0; i < o->monitors && !r; i++)
        r = connect_console(o, &o->monitor[i].where, err);
    return r ? r : drives_place(&o->drives, err);
}
