/*
 * The command line: a table of options, each with the function that takes its argument. See options.h.
 *
 * Invariant: whatever is wrong is said in one line that names the argument and how to mend it; nothing is printed here.
 */
#include "devices/machine/options.h"
#include "devices/chips/debugcon.h"
#include "devices/machine/firmware.h"
#include "devices/machine/options_int.h"

#include <errno.h>
#include <string.h>

#define INVALID(...) error_set(err, -EINVAL, __VA_ARGS__)

#define STRING_SETTER(function, member)                                                                                \
    static int function(struct machine_options *o, const char *value, struct error *err)                               \
    {                                                                                                                  \
        (void)err;                                                                                                     \
        o->member = value;                                                                                             \
        return 0;                                                                                                      \
    }
STRING_SETTER(set_kernel, kernel)
STRING_SETTER(set_initrd, initrd)
STRING_SETTER(set_append, append)
STRING_SETTER(set_bios, bios)
STRING_SETTER(set_firmware_dir, firmware_dir)
STRING_SETTER(set_debugcon, debugcon)
STRING_SETTER(set_log_file, log_file)
STRING_SETTER(set_name, name)

#define FLAG_SETTER(function, statement)                                                                               \
    static int function(struct machine_options *o, const char *value, struct error *err)                               \
    {                                                                                                                  \
        (void)value;                                                                                                   \
        (void)err;                                                                                                     \
        statement;                                                                                                     \
        return 0;                                                                                                      \
    }
FLAG_SETTER(set_nographic, o->nographic = true)
FLAG_SETTER(set_full_screen, o->full_screen = true)
FLAG_SETTER(set_no_reboot, o->no_reboot = true)
FLAG_SETTER(set_no_shutdown, o->no_shutdown = true)
FLAG_SETTER(set_snapshot, o->drives.snapshot = true)
FLAG_SETTER(set_stopped, o->start_stopped = true)
FLAG_SETTER(set_help, o->action = OPTIONS_HELP)
FLAG_SETTER(set_version, o->action = OPTIONS_VERSION)

static int set_cpu(struct machine_options *o, const char *value, struct error *err)
{
    (void)err;
    o->cpu = value;
    if (options_is_help(value))
        o->action = OPTIONS_CPU_HELP;
    return 0;
}

static int set_serial(struct machine_options *o, const char *value, struct error *err)
{
    if (o->serials == MACHINE_SERIALS)
        return INVALID("-serial %s: the machine has %d serial ports; drop one -serial", value, MACHINE_SERIALS);
    o->serial[o->serials++] = value;
    return 0;
}

static int set_log(struct machine_options *o, const char *value, struct error *err)
{
    (void)err;
    o->log_items = value;
    if (options_is_help(value))
        o->action = OPTIONS_LOG_HELP;
    return 0;
}

static int set_display(struct machine_options *o, const char *value, struct error *err)
{
    if (!strcmp(value, "none"))
        o->display = DISPLAY_NONE;
    else if (!strcmp(value, "sdl"))
        o->display = DISPLAY_SDL;
    else
        return INVALID("-display %s: no such display; use -display sdl (a window), -display none or -nographic", value);
    return 0;
}

static int add_monitor(struct machine_options *o, const char *option, const char *where, bool qmp, struct error *err)
{
    if (!strcmp(where, "none"))
        return 0;
    if (o->monitors == MACHINE_MONITORS)
        return INVALID("%s %s: the machine has at most %d monitors; drop one", option, where, MACHINE_MONITORS);
    o->monitor[o->monitors].where = where;
    o->monitor[o->monitors++].qmp = qmp;
    return 0;
}

static int set_monitor(struct machine_options *o, const char *value, struct error *err)
{
    o->monitor_given = true;
    return add_monitor(o, "-monitor", value, false, err);
}

static int set_qmp(struct machine_options *o, const char *value, struct error *err)
{
    return add_monitor(o, "-qmp", value, true, err);
}

#define DRIVE_SETTER(function, option, interface, index, cdrom)                                                        \
    static int function(struct machine_options *o, const char *value, struct error *err)                               \
    {                                                                                                                  \
        return drives_add_image(&o->drives, option, interface, index, cdrom, value, err);                              \
    }
DRIVE_SETTER(set_hda, "-hda", DRIVE_IDE, 0, false)
DRIVE_SETTER(set_hdb, "-hdb", DRIVE_IDE, 1, false)
DRIVE_SETTER(set_hdc, "-hdc", DRIVE_IDE, 2, false)
DRIVE_SETTER(set_hdd, "-hdd", DRIVE_IDE, 3, false)
DRIVE_SETTER(set_cdrom, "-cdrom", DRIVE_IDE, CDROM_INDEX, true)
DRIVE_SETTER(set_fda, "-fda", DRIVE_FLOPPY, 0, false)
DRIVE_SETTER(set_fdb, "-fdb", DRIVE_FLOPPY, 1, false)

static int set_drive(struct machine_options *o, const char *value, struct error *err)
{
    return drives_add(&o->drives, value, err);
}

static int set_vga(struct machine_options *o, const char *value, struct error *err)
{
    o->vga_given = true;
    o->no_vga = !strcmp(value, "none");
    if (!o->no_vga && strcmp(value, "std"))
        return INVALID("-vga %s: there are std and none", value);
    return 0;
}

/* What QEMU's scripts say to be without a network, a printer, a file of settings: there is none anyway. */
static int set_none(struct machine_options *o, const char *value, struct error *err)
{
    (void)o;
    return strcmp(value, "none") ? INVALID("%s: there is no such device yet; write none", value) : 0;
}

static int set_nothing(struct machine_options *o, const char *value, struct error *err)
{
    (void)o;
    (void)value;
    (void)err;
    return 0;
}

static int set_no_defaults(struct machine_options *o, const char *value, struct error *err)
{
    (void)value;
    (void)err;
    o->no_defaults = true;
    return 0;
}

static int set_smbios(struct machine_options *o, const char *value, struct error *err)
{
    return smbios_option(&o->smbios, value, err);
}

static int set_uuid(struct machine_options *o, const char *value, struct error *err)
{
    return smbios_uuid(&o->smbios, "-uuid", value, err);
}

struct option {
    const char *name, *argument; /* argument null: takes none */
    int (*set)(struct machine_options *, const char *, struct error *);
    const char *help; /* null: an alias, not listed */
};

static const struct option table[] = {
    {"m", "SIZE", options_set_memory, "guest memory, in megabytes or with a unit: 512, 2G (default 512M)"},
    {"kernel", "FILE", set_kernel, "boot this Linux bzImage, Multiboot 1 kernel or PVH ELF kernel"},
    {"initrd", "FILE", set_initrd, "initial RAM disk; for Multiboot: modules \"file args,file2\""},
    {"append", "TEXT", set_append, "kernel command line"},
    {"hda", "FILE", set_hda, "disk image on the first IDE place; -hdb, -hdc and -hdd on the others"},
    {"hdb", "FILE", set_hdb, NULL},
    {"hdc", "FILE", set_hdc, NULL},
    {"hdd", "FILE", set_hdd, NULL},
    {"cdrom", "FILE", set_cdrom, "CD-ROM image (in place of -hdc)"},
    {"fda", "FILE", set_fda, "floppy image in the first drive; -fdb in the second"},
    {"fdb", "FILE", set_fdb, NULL},
    {"drive", "WHAT", set_drive,
     "file=FILE,if=ide|floppy|pflash|none,media=disk|cdrom,index=N,readonly=on,snapshot=on,cache=MODE,bootindex=N,id="
     "ID"},
    {"snapshot", NULL, set_snapshot, "images stay as they are: writes go to temporary files"},
    {"bios", "FILE", set_bios, "firmware image (default: SeaBIOS, " FIRMWARE_DEFAULT ")"},
    {"L", "DIR", set_firmware_dir, "look for firmware here first"},
    {"boot", "ORDER", options_set_boot,
     "drives to boot from: order=cdn,once=d,menu=on,strict=on,splash-time=MS (a floppy, c disk, d CD-ROM)"},
    {"nographic", NULL, set_nographic, "no window; the first serial port and the control keys on this terminal"},
    {"serial", "WHERE", set_serial,
     "serial port: vc (in the window), mon:stdio, stdio, null, none, pty, file:PATH, unix:PATH, tcp:HOST:PORT, "
     "telnet:HOST:PORT; sockets connect, listen with server=on, and wait for a client but with wait=off"},
    {"cpu", "MODEL", set_cpu, "CPU model and features, such as max,-avx2 (-cpu help)"},
    {"accel", "ENGINE", options_set_accel,
     "engine: bt[,tb-size=MB][,without=FEATURE+FEATURE] translates, interp interprets, "
     "verify does both and compares"},
    {"machine", "NAME", options_set_machine, "machine: pc[,accel=ENGINE][,vmport=off] (-machine help)"},
    {"M", "NAME", options_set_machine, NULL},
    {"smp", "N", options_set_smp, "number of processors: 1"},
    {"rtc", "base=B", options_set_rtc,
     "the guest's clock at start: utc, localtime, or a date such as 2026-01-31T12:00:00"},
    {"device", "DEVICE", options_set_device,
     "add a device: isa-debug-exit,iobase=0xf4,iosize=0x04; isa-debugcon,iobase=0x402,chardev=ID; "
     "ide-hd|ide-cd,drive=ID,bootindex=N"},
    {"chardev", "WHAT", options_set_chardev,
     "a place for consoles that name it as chardev:ID: stdio|null|pty|file,path=|socket,path=,id=ID"},
    {"smbios", "WHAT", set_smbios, "what the machine says it is: type=1,manufacturer=TEXT,serial=TEXT,uuid=UUID"},
    {"uuid", "UUID", set_uuid, "the machine's UUID"},
    {"debugcon", "WHERE", set_debugcon, "debug console (port E9h): as -serial"},
    {"vga", "CARD", set_vga, "display adapter: std (VGA with VBE) or none"},
    {"global", "WHAT", options_set_global,
     "VGA.xres=PIXELS, VGA.yres=PIXELS: the monitor's own size (1024, 768); VGA.mmio=on|off: the display adapter has "
     "its registers and EDID in memory (off with -bios); "
     "isa-debugcon.iobase=PORT: of -debugcon"},
    {"display", "WHERE", set_display, "sdl: a window (default where there is a display); none: no window"},
    {"full-screen", NULL, set_full_screen, "the window takes the whole screen"},
    {"monitor", "WHERE", set_monitor, "monitor for people: stdio, none, pty, or a socket as of -serial"},
    {"qmp", "WHERE", set_qmp, "monitor for programs (QMP): stdio, pty, or a socket as of -serial"},
    {"mon", "chardev=ID", options_set_mon,
     "monitor at a -chardev, in mode=readline (for people) or mode=control (QMP)"},
    {"nodefaults", NULL, set_no_defaults,
     "no empty drives, display adapter, serial port or monitor that was not asked for"},
    {"no-user-config", NULL, set_nothing, NULL},
    {"nic", "none", set_none, NULL},
    {"net", "none", set_none, NULL},
    {"parallel", "none", set_none, NULL},
    {"name", "TEXT", set_name, "a name for this machine"},
    {"sandbox", "on", options_set_sandbox,
     "once running: no programs, no other files and sockets than those of the options; on,media=FOLDER: CDs and "
     "floppies can be changed for others from there"},
    {"no-reboot", NULL, set_no_reboot, "end instead of resetting; a triple fault ends with a report and status 1"},
    {"no-shutdown", NULL, set_no_shutdown, "stop instead of ending when the guest powers off"},
    {"S", NULL, set_stopped, "do not start the processor"},
    {"d", "ITEMS", set_log, "log these items, separated by commas (-d help)"},
    {"D", "FILE", set_log_file, "write the log to a file"},
    {"help", NULL, set_help, "this text"},
    {"h", NULL, set_help, NULL},
    {"version", NULL, set_version, "the version"},
};

/* Edit distance of two short words. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[32];
    size_t columns = strlen(b);

    if (columns >= ARRAY_LEN(row))
        return UINT32_MAX;
    for (size_t j = 0; j <= columns; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < columns; j++) {
            unsigned best = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            if (best > row[j] + 1)
                best = row[j] + 1;
            if (best > diagonal + 1)
                best = diagonal + 1;
            row[j + 1] = best;
        }
    }
    return row[columns];
}

/* The option whose name is most like this one; null if none is. What follows a '=' does not count. */
static const char *nearest(const char *name)
{
    const char *best = NULL;
    char word[32];
    unsigned best_distance;

    snprintf(word, sizeof(word), "%.*s", (int)strcspn(name, "="), name);
    best_distance = (unsigned)strlen(word) / 2 + 1;
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        unsigned d = distance(word, table[i].name);
        if (d < best_distance) {
            best_distance = d;
            best = table[i].name;
        }
    }
    return best;
}

static int unknown_option(const char *text, const char *name, struct error *err)
{
    const char *best = nearest(name);
    if (!best)
        return INVALID("%s: unknown option; -help lists all", text);
    return INVALID("%s: unknown option; did you mean -%s? (-help lists all)", text, best);
}

static const struct option *find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(table); i++)
        if (!strcmp(name, table[i].name))
            return &table[i];
    return NULL;
}

/* What only makes sense together. */
static int check(struct machine_options *o, struct error *err)
{
    if (!o->kernel && (o->initrd || o->append))
        return INVALID("%s goes with a kernel; give one with -kernel FILE", o->initrd ? "-initrd" : "-append");
    if (o->accel_given && o->machine_accel_given)
        return INVALID("-machine accel= and -accel: both name the engine; drop one");
    if (o->no_defaults) {
        o->drives.no_empty = o->monitor_given = true;
        o->no_vga |= !o->vga_given;
        if (!o->serials && !o->nographic)
            o->serial[o->serials++] = "none";
    }
    return options_connect(o, err);
}

int options_parse(int argc, char *const argv[], struct machine_options *options, struct error *err)
{
    *options = (struct machine_options){
        .ram_bytes = OPTIONS_DEFAULT_RAM,
        .boot_order = "cad",
        .boot_menu_wait = -1,
        .cpu = "max",
        .accel = "bt",
        .debug_exit_base = 0x501, /* QEMU's defaults */
        .debug_exit_size = 2,
        .debugcon_base = DEBUGCON_BASE,
    };
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (name[0] != '-') { /* a disk image by itself */
            int r = set_hda(options, name, err);
            if (r)
                return r;
            continue;
        }
        if (!name[1])
            return INVALID("-: not an option; -help lists all");
        name += name[1] == '-' ? 2 : 1;
        const struct option *option = find(name);
        if (!option)
            return unknown_option(argv[i], name, err);
        const char *value = NULL;
        if (option->argument) {
            if (++i == argc)
                return INVALID("-%s: needs an argument: -%s %s", name, name, option->argument);
            value = argv[i];
        }
        int r = option->set(options, value, err);
        if (r)
            return r;
        if (options->action != OPTIONS_RUN)
            return 0;
    }
    return check(options, err);
}

void options_print_help(FILE *out)
{
    fprintf(out, "usage: ring3 [options]\n\n");
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        char left[40];
        if (!table[i].help)
            continue;
        snprintf(left, sizeof(left), "-%s%s%s", table[i].name, table[i].argument ? " " : "",
                 table[i].argument ? table[i].argument : "");
        fprintf(out, "  %-20s %s\n", left, table[i].help);
    }
    fprintf(out, "\nOn a terminal with -nographic: Ctrl-a x ends the machine, Ctrl-a h lists the keys.\n");
}
