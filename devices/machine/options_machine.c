/*
 * Options that say what the machine is: -m, -accel, -machine, -smp, -rtc, -boot, -sandbox. See options.h.
 *
 * Thread: start-up only.
 */
#include "devices/machine/options_int.h"

#include "cpu-model/exec/engine.h"
#include "devices/machine/pairs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define INVALID(...) error_set(err, -EINVAL, __VA_ARGS__)

bool options_is_help(const char *value)
{
    return !strcmp(value, "help") || !strcmp(value, "?");
}

/* A number with an optional K, M, G or T; without one it counts `unit` bytes. */
static int parse_size(const char *text, uint64_t unit, uint64_t *size)
{
    static const char suffixes[] = "KMGT";
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return -EINVAL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno)
        return -EINVAL;
    if (*end && *end != 'B' && *end != 'b') {
        const char *suffix = strchr(suffixes, toupper((unsigned char)*end));
        if (!suffix)
            return -EINVAL;
        unit = 1024ull << 10 * (suffix - suffixes);
        end++;
    }
    if (*end && strcasecmp(end, "b") && strcasecmp(end, "iB"))
        return -EINVAL;
    return __builtin_mul_overflow((uint64_t)number, unit, size) ? -EINVAL : 0;
}

int options_set_memory(struct machine_options *o, const char *value, struct error *err)
{
    const char *text = strncmp(value, "size=", 5) ? value : value + 5;

    if (parse_size(text, 1 << 20, &o->ram_bytes))
        return INVALID("-m %s: not a size; write megabytes or a unit, such as -m 512 or -m 2G", value);
    if (o->ram_bytes < OPTIONS_MIN_RAM)
        return INVALID("-m %s: too little; the machine needs at least 2 MiB, most kernels 64 MiB or more (-m 512)",
                       value);
    if (o->ram_bytes > OPTIONS_MAX_RAM)
        return INVALID("-m %s: too much; the machine takes at most 64 GiB (-m 64G)", value);
    o->ram_bytes &= ~(uint64_t)GUEST_PAGE_OFFSET;
    return 0;
}

/* --- engines ------------------------------------------------------------------------------------------------------ */

/* Host features that the engine shall do without. Nonzero: an unknown name. */
static int parse_without(const char *names, unsigned *mask)
{
    static const struct {
        const char *name;
        unsigned bit;
    } features[] = {{"bmi2", HOST_BMI2},
                    {"pext", HOST_FAST_PEXT},
                    {"fsgsbase", HOST_FSGSBASE},
                    {"windows", HOST_WINDOWS},
                    {"patience", HOST_PATIENCE}};
    while (*names) {
        size_t length = strcspn(names, "+");
        unsigned bit = 0;
        for (unsigned i = 0; i < ARRAY_LEN(features); i++)
            if (strlen(features[i].name) == length && !strncmp(names, features[i].name, length))
                bit = features[i].bit;
        if (!bit)
            return -1;
        *mask |= bit;
        names += length + (names[length] == '+');
    }
    return 0;
}

/* The first that exists of "kvm:bt". `option` and `value`: as given. */
static int set_engine(struct machine_options *o, const char *names, const char *option, const char *value,
                      struct error *err)
{
    static const char *const engines[] = {"bt", "interp", "verify"};
    bool kvm = !strcmp(names, "kvm");

    for (const char *name = names; *name; name += strspn(name, ":")) {
        size_t length = strcspn(name, ":");
        for (unsigned i = 0; i < ARRAY_LEN(engines); i++)
            if (strlen(engines[i]) == length && !strncmp(name, engines[i], length)) {
                o->accel = engines[i];
                return 0;
            }
        name += length;
    }
    if (kvm)
        return INVALID("%s %s: not built yet; use -accel bt", option, value);
    return INVALID("%s %s: no such engine '%s'; there are bt (translates), interp (interprets) and verify (does both "
                   "and compares)",
                   option, value, names);
}

static int set_accel_property(struct machine_options *o, const struct pairs *pair, const char *value, struct error *err)
{
    char *end;

    if (!strcmp(pair->key, "without"))
        return parse_without(pair->value, &o->host_without)
                   ? INVALID("-accel %s: without= takes bmi2, pext, fsgsbase, windows and patience, joined by '+'",
                             value)
                   : 0;
    if (!strcmp(pair->key, "chaos")) {
        o->chaos = (uint32_t)strtoul(pair->value, &end, 10);
        return o->chaos && !*end ? 0 : INVALID("-accel %s: chaos takes a seed from 1 on", value);
    }
    if (strcmp(pair->key, "tb-size"))
        return INVALID("-accel %s: unknown property '%s'; there are tb-size=MEGABYTES, without=FEATURE+FEATURE and "
                       "chaos=SEED",
                       value, pair->key);
    if (parse_size(pair->value, 1 << 20, &o->cache_bytes) || !o->cache_bytes || o->cache_bytes > 1ull << 30)
        return INVALID("-accel %s: tb-size takes 1 to 1024 megabytes", value);
    return 0;
}

int options_set_accel(struct machine_options *o, const char *value, struct error *err)
{
    struct pairs pairs = {.rest = value, .implied = "accel"};
    int r = 0;

    if (options_is_help(value)) {
        o->action = OPTIONS_ACCEL_HELP;
        return 0;
    }
    o->accel_given = true;
    while (!r && pairs_next(&pairs))
        r = strcmp(pairs.key, "accel") ? set_accel_property(o, &pairs, value, err)
                                       : set_engine(o, pairs.value, "-accel", value, err);
    return r;
}

/* --- the machine -------------------------------------------------------------------------------------------------- */

/* Parts of the machine; also what QEMU's users say of those that it always or never has. */
static int set_part(struct machine_options *o, const struct pairs *pair, const char *value, struct error *err)
{
    static const struct {
        const char *key;
        bool there;
    } parts[] = {{"acpi", true},  {"hpet", true}, {"pic", true},   {"pit", true},    {"i8042", true},
                 {"smbus", true}, {"usb", false}, {"sata", false}, {"nvdimm", false}};
    bool on;

    if (!strcmp(pair->key, "vmport")) {
        if (!strcmp(pair->value, "auto"))
            on = true;
        else if (!pairs_switch(pair, &on))
            return INVALID("-machine %s: vmport takes on, off or auto", value);
        o->no_vmport = !on;
        return 0;
    }
    if (!strcmp(pair->key, "dump-guest-core") || !strcmp(pair->key, "mem-merge"))
        return 0; /* nothing here depends on them */
    for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
        if (strcmp(parts[i].key, pair->key))
            continue;
        if (!strcmp(pair->value, "auto") || (pairs_switch(pair, &on) && on == parts[i].there))
            return 0;
        return INVALID("-machine %s: this machine has %s=%s always; leave it out", value, pair->key,
                       parts[i].there ? "on" : "off");
    }
    return INVALID("-machine %s: unknown property '%s'; there are type=pc, accel=ENGINE and vmport=on|off", value,
                   pair->key);
}

int options_set_machine(struct machine_options *o, const char *value, struct error *err)
{
    struct pairs pairs = {.rest = value, .implied = "type"};
    int r = 0;

    if (options_is_help(value)) {
        o->action = OPTIONS_MACHINE_HELP;
        return 0;
    }
    while (!r && pairs_next(&pairs)) {
        if (!strcmp(pairs.key, "accel")) {
            o->machine_accel_given = true;
            r = set_engine(o, pairs.value, "-machine", value, err);
        } else if (strcmp(pairs.key, "type")) {
            r = set_part(o, &pairs, value, err);
        } else if (strcmp(pairs.value, "pc")) {
            r = INVALID("-machine %s: no such machine; there is pc (-machine help)", value);
        }
    }
    return r;
}

int options_set_smp(struct machine_options *o, const char *value, struct error *err)
{
    static const char *const keys[] = {"cpus", "maxcpus", "sockets", "dies", "clusters", "cores", "threads"};
    struct pairs pairs = {.rest = value, .implied = "cpus"};
    (void)o;

    while (pairs_next(&pairs)) {
        unsigned i = 0;
        while (i < ARRAY_LEN(keys) && strcmp(keys[i], pairs.key))
            i++;
        if (i == ARRAY_LEN(keys) || strcmp(pairs.value, "1"))
            return INVALID("-smp %s: the machine has one processor so far; use -smp 1", value);
    }
    return 0;
}

int options_set_rtc(struct machine_options *o, const char *value, struct error *err)
{
    struct pairs pairs = {.rest = value};

    if (!pairs_next(&pairs) || strcmp(pairs.key, "base") || *pairs.rest)
        return INVALID("-rtc %s: write -rtc base=utc, base=localtime or base=2026-01-31T12:00:00", value);
    if (!strcmp(pairs.value, "utc")) {
        o->rtc_base = RTC_UTC;
    } else if (!strcmp(pairs.value, "localtime")) {
        o->rtc_base = RTC_LOCALTIME;
    } else {
        struct tm tm = {0};
        const char *end = strptime(pairs.value, "%Y-%m-%dT%H:%M:%S", &tm);
        if (!end)
            end = strptime(pairs.value, "%Y-%m-%d", &tm);
        if (!end || *end)
            return INVALID("-rtc %s: not a date; write base=2026-01-31T12:00:00 or base=2026-01-31", value);
        o->rtc_base = RTC_DATE;
        o->rtc_epoch = timegm(&tm);
    }
    return 0;
}

/* --- booting ------------------------------------------------------------------------------------------------------ */

/* Drive letters in the order to try them. */
static int set_order(char order[4], const char *letters, const char *value, struct error *err)
{
    size_t length = strlen(letters);
    if (!length || length > 3 || strspn(letters, "acdn") != length)
        return INVALID(
            "-boot %s: '%s' is no boot order; write up to three of a (floppy), c (disk), d (CD-ROM), n (network)",
            value, letters);
    for (size_t i = 0; i < length; i++)
        if (strchr(letters + i + 1, letters[i]))
            return INVALID("-boot %s: '%c' is there twice; name each drive once", value, letters[i]);
    memcpy(order, letters, length + 1);
    return 0;
}

static int set_boot_property(struct machine_options *o, const struct pairs *pair, const char *value, struct error *err)
{
    bool *flag = !strcmp(pair->key, "menu") ? &o->boot_menu : !strcmp(pair->key, "strict") ? &o->boot_strict : NULL;

    if (!strcmp(pair->key, "order"))
        return set_order(o->boot_order, pair->value, value, err);
    if (!strcmp(pair->key, "once"))
        return set_order(o->boot_once, pair->value, value, err);
    if (flag)
        return pairs_switch(pair, flag) ? 0 : INVALID("-boot %s: %s is on or off", value, pair->key);
    if (strcmp(pair->key, "splash-time"))
        return INVALID("-boot %s: unknown property '%s'; there are order=, once=, menu=on|off, strict=on|off and "
                       "splash-time=MS",
                       value, pair->key);
    char *end;
    long wait = strtol(pair->value, &end, 10);
    if (*end || end == pair->value || wait < 0 || wait > 0xffff)
        return INVALID("-boot %s: splash-time takes 0 to 65535 milliseconds", value);
    o->boot_menu_wait = (int32_t)wait;
    return 0;
}

int options_set_boot(struct machine_options *o, const char *value, struct error *err)
{
    struct pairs pairs = {.rest = value, .implied = "order"};
    int r = *value ? 0 : set_order(o->boot_order, value, value, err);

    while (!r && pairs_next(&pairs))
        r = set_boot_property(o, &pairs, value, err);
    return r;
}

/* --- the sandbox -------------------------------------------------------------------------------------------------- */

/* QEMU's parts of it: all of them are denied here, always. */
static bool is_always_denied(const char *key)
{
    return !strcmp(key, "obsolete") || !strcmp(key, "elevateprivileges") || !strcmp(key, "spawn") ||
           !strcmp(key, "resourcecontrol");
}

int options_set_sandbox(struct machine_options *o, const char *value, struct error *err)
{
    struct pairs pairs = {.rest = value, .implied = "enable"};
    bool given = false;

    while (pairs_next(&pairs)) {
        bool always = is_always_denied(pairs.key);
        if (!strcmp(pairs.key, "enable") && pairs_switch(&pairs, &o->sandbox))
            given = true;
        else if (!strcmp(pairs.key, "media") && pairs.value[0] && strlen(pairs.value) < sizeof(o->media_folder))
            strcpy(o->media_folder, pairs.value);
        else if (!always)
            return INVALID("-sandbox %s: unknown; write on or off, or on,media=FOLDER", value);
        else if (strcmp(pairs.value, "deny"))
            return INVALID("-sandbox %s: %s is always denied; leave it out, or write deny", value, pairs.key);
    }
    return given ? 0 : INVALID("-sandbox %s: write on or off", value);
}
