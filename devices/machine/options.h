/*
 * The command line, in the spelling that QEMU's users know. One table drives parsing and -help.
 *
 * Thread: start-up only. Strings point into argv, or into the options they were parsed to.
 */
#ifndef RING3_MACHINE_OPTIONS_H
#define RING3_MACHINE_OPTIONS_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"

#include "devices/machine/drives.h"
#include "devices/machine/smbios.h"

#include <stdio.h>

enum { MACHINE_SERIALS = 2, MACHINE_MONITORS = 4, MACHINE_CHARDEVS = 8, CHARDEV_ID_MAX = 32, CHARDEV_WHERE_MAX = 256 };

/* -chardev: a name, and the place in -serial's words. */
struct chardev_option {
    char id[CHARDEV_ID_MAX], where[CHARDEV_WHERE_MAX];
};

/* What the command line asks for. */
enum options_action {
    OPTIONS_RUN,
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_CPU_HELP,
    OPTIONS_ACCEL_HELP,
    OPTIONS_MACHINE_HELP,
    OPTIONS_LOG_HELP,
};

enum display_choice { DISPLAY_DEFAULT, DISPLAY_NONE, DISPLAY_SDL };

enum rtc_base { RTC_UTC, RTC_LOCALTIME, RTC_DATE };

struct machine_options {
    enum options_action action;
    uint64_t ram_bytes;
    const char *kernel, *initrd, *append; /* null: not given */
    const char *bios, *firmware_dir;      /* null: the default */
    char boot_order[4], boot_once[4];     /* drive letters; once empty: none */
    bool boot_menu, boot_strict;
    int32_t boot_menu_wait; /* ms; negative: not given */
    struct drive_options drives;
    const char *cpu;
    const char *accel; /* "bt", "interp" or "verify" */
    bool accel_given, machine_accel_given;
    unsigned host_without; /* HOST_* of cpu-model/exec/engine.h */
    uint32_t chaos;        /* of struct engine_config */
    uint64_t cache_bytes;
    const char *serial[MACHINE_SERIALS]; /* null: the default */
    unsigned serials;
    struct chardev_option chardev[MACHINE_CHARDEVS];
    unsigned chardevs;
    const char *debugcon;
    char debugcon_chardev[CHARDEV_ID_MAX + 8]; /* "chardev:ID" of -device isa-debugcon */
    uint16_t debugcon_base;
    struct {
        const char *where;
        bool qmp;
    } monitor[MACHINE_MONITORS];                            /* -monitor, -qmp and -mon in order */
    char mon_chardev[MACHINE_MONITORS][CHARDEV_ID_MAX + 8]; /* "chardev:ID" of -mon */
    unsigned monitors;
    bool monitor_given; /* -monitor, be it none */
    bool nographic;
    enum display_choice display;
    bool full_screen;
    bool window; /* the machine is shown in a window; its consoles are there unless said otherwise */
    bool no_vga, vga_given;
    bool no_vmport; /* the machine is without VMware's backdoor */
    bool no_defaults;
    enum { VGA_MMIO_AUTO, VGA_MMIO_OFF, VGA_MMIO_ON } vga_mmio; /* auto: on, but for firmware that -bios names */
    unsigned vga_width, vga_height;                             /* pixels that the monitor likes best; 0: not said */
    bool no_reboot, no_shutdown;
    bool start_stopped;
    bool sandbox;
    char media_folder[DRIVE_PATH_MAX]; /* where media may be taken from then; empty: not given */
    bool debug_exit;
    uint16_t debug_exit_base, debug_exit_size;
    enum rtc_base rtc_base;
    int64_t rtc_epoch; /* RTC_DATE: seconds since 1970 of what the guest's clock shows */
    struct smbios_options smbios;
    const char *log_items, *log_file;
    const char *name;
};

#define OPTIONS_DEFAULT_RAM (512ull << 20)
#define OPTIONS_MIN_RAM     (2ull << 20)
#define OPTIONS_MAX_RAM     (64ull << 30)

/* Fills *options with the defaults and what argv says. Returns 0, or -EINVAL with a message. Prints nothing. */
int options_parse(int argc, char *const argv[], struct machine_options *options, struct error *err);

/* The text of -help: one line for each option. */
void options_print_help(FILE *out);

#endif
