/*
 * The SMBIOS structures of the PC. See smbios.h.
 *
 * Invariants: nothing is written beyond SMBIOS_TABLES_MAX; structures end with two zeros; handles are unique.
 * Threads: any. Source: DSP0134 2.8, "Structure definitions" by type, "SMBIOS 2.1 (32-bit) Entry Point".
 */
#include "devices/machine/smbios.h"

#include <stdio.h>
#include <string.h>

enum { MAJOR = 2, MINOR = 8 };

/* Handles, by structure type; there is one of each but of the memory's. */
enum {
    HANDLE_BIOS = 0x000,
    HANDLE_SYSTEM = 0x100,
    HANDLE_BOARD = 0x200,
    HANDLE_CHASSIS = 0x300,
    HANDLE_CPU = 0x400,
    HANDLE_MEMORY = 0x1000,
    HANDLE_DEVICE = 0x1100,
    HANDLE_RANGE = 0x1300,
    HANDLE_BOOT = 0x2000,
    HANDLE_END = 0x7f00,
    HANDLE_NONE = 0xfffe,
};

enum { UNKNOWN = 2, SAFE = 3, FIELD_UNKNOWN = 0xffff };

#define DEVICE_SIZE                                                                                                    \
    (16ull << 30) /* of one memory module: what its size field can say in megabytes is less than 32 GiB */

static const char *const standard[] = {
#define SMBIOS_STANDARD(id, type, key, text) text,
    SMBIOS_TEXTS(SMBIOS_STANDARD)
#undef SMBIOS_STANDARD
};

struct writer {
    const struct smbios_config *config;
    uint8_t *bytes;
    size_t size, structure; /* where the structure under way begins */
    size_t count, largest;
    char strings[8][SMBIOS_TEXT_MAX + 16];
    unsigned string_count;
};

static void put(struct writer *w, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++, w->size++)
        if (w->size < SMBIOS_TABLES_MAX)
            w->bytes[w->size] = (uint8_t)(value >> 8 * i);
}

static void begin(struct writer *w, uint8_t type, uint16_t handle)
{
    w->structure = w->size;
    w->string_count = 0;
    put(w, type, 1);
    put(w, 0, 1); /* length: see end() */
    put(w, handle, 2);
}

/* The number of a string in the structure; 0 stands for none. */
static void put_string(struct writer *w, const char *text)
{
    if (text[0])
        snprintf(w->strings[w->string_count++], sizeof(w->strings[0]), "%s", text);
    put(w, text[0] ? w->string_count : 0, 1);
}

static const char *text_of(const struct writer *w, enum smbios_text_id id)
{
    const char *given = w->config->options->text[id];
    return given[0] ? given : standard[id];
}

static void put_text(struct writer *w, enum smbios_text_id id)
{
    put_string(w, text_of(w, id));
}

/* Closes the formatted part, writes the strings. */
static void end(struct writer *w)
{
    w->bytes[w->structure + 1] = (uint8_t)(w->size - w->structure);
    for (unsigned i = 0; i < w->string_count; i++)
        for (const char *at = w->strings[i];; at++) {
            put(w, (uint8_t)*at, 1);
            if (!*at)
                break;
        }
    put(w, 0, w->string_count ? 1 : 2);
    w->count++;
    if (w->size - w->structure > w->largest)
        w->largest = w->size - w->structure;
}

/* --- structures --------------------------------------------------------------------------------------------------- */

static void put_bios(struct writer *w)
{
    enum { NO_CHARACTERISTICS = 1 << 3, ACPI = 1, VIRTUAL_MACHINE = 1 << 4, TARGETED = 1 << 2, NO_RELEASE = 0xff };

    begin(w, 0, HANDLE_BIOS);
    put_text(w, SMBIOS_BIOS_VENDOR);
    put_text(w, SMBIOS_BIOS_VERSION);
    put(w, 0xe800, 2); /* segment */
    put_text(w, SMBIOS_BIOS_DATE);
    put(w, 0, 1); /* ROM size: 64 KiB */
    put(w, NO_CHARACTERISTICS, 8);
    put(w, ACPI, 1);
    put(w, VIRTUAL_MACHINE | TARGETED, 1);
    put(w, NO_RELEASE | NO_RELEASE << 8, 2);           /* of the BIOS */
    put(w, NO_RELEASE | (uint32_t)NO_RELEASE << 8, 2); /* of an embedded controller */
    end(w);
}

static void put_system(struct writer *w)
{
    enum { POWER_SWITCH = 6 };
    static const uint8_t order[SMBIOS_UUID_SIZE] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

    begin(w, 1, HANDLE_SYSTEM);
    put_text(w, SMBIOS_SYSTEM_MANUFACTURER);
    put_text(w, SMBIOS_SYSTEM_PRODUCT);
    put_text(w, SMBIOS_SYSTEM_VERSION);
    put_text(w, SMBIOS_SYSTEM_SERIAL);
    for (unsigned i = 0; i < SMBIOS_UUID_SIZE; i++) /* its first three fields are little-endian */
        put(w, w->config->options->uuid[order[i]], 1);
    put(w, POWER_SWITCH, 1); /* what woke it */
    put_text(w, SMBIOS_SYSTEM_SKU);
    put_text(w, SMBIOS_SYSTEM_FAMILY);
    end(w);
}

static void put_board(struct writer *w)
{
    enum { HOSTING = 1, MOTHERBOARD = 10 };

    begin(w, 2, HANDLE_BOARD);
    put_text(w, SMBIOS_BOARD_MANUFACTURER);
    put_text(w, SMBIOS_BOARD_PRODUCT);
    put_text(w, SMBIOS_BOARD_VERSION);
    put_text(w, SMBIOS_BOARD_SERIAL);
    put_text(w, SMBIOS_BOARD_ASSET);
    put(w, HOSTING, 1);
    put_text(w, SMBIOS_BOARD_LOCATION);
    put(w, HANDLE_CHASSIS, 2);
    put(w, MOTHERBOARD, 1);
    put(w, 0, 1); /* contained objects */
    end(w);
}

static void put_chassis(struct writer *w)
{
    enum { OTHER = 1 };

    begin(w, 3, HANDLE_CHASSIS);
    put_text(w, SMBIOS_CHASSIS_MANUFACTURER);
    put(w, OTHER, 1);
    put_text(w, SMBIOS_CHASSIS_VERSION);
    put_text(w, SMBIOS_CHASSIS_SERIAL);
    put_text(w, SMBIOS_CHASSIS_ASSET);
    put(w, SAFE, 1);    /* state at boot */
    put(w, SAFE, 1);    /* power supply */
    put(w, SAFE, 1);    /* temperature */
    put(w, UNKNOWN, 1); /* security */
    put(w, 0, 4);       /* OEM */
    put(w, 0, 1);       /* height */
    put(w, 0, 1);       /* power cords */
    put(w, 0, 2);       /* contained elements: count, length */
    put_text(w, SMBIOS_CHASSIS_SKU);
    end(w);
}

static void put_processor(struct writer *w)
{
    enum { CENTRAL = 3, OTHER = 1, POPULATED_ENABLED = 0x41 };
    char socket[SMBIOS_TEXT_MAX + 16];

    begin(w, 4, HANDLE_CPU);
    snprintf(socket, sizeof(socket), "%s 0", text_of(w, SMBIOS_CPU_SOCKET));
    put_string(w, socket);
    put(w, CENTRAL, 1);
    put(w, OTHER, 1); /* family */
    put_text(w, SMBIOS_CPU_MANUFACTURER);
    put(w, w->config->cpuid[0], 4);
    put(w, w->config->cpuid[1], 4);
    put_text(w, SMBIOS_CPU_VERSION);
    put(w, 0, 1); /* voltage */
    put(w, 0, 2); /* external clock */
    put(w, w->config->mhz, 2);
    put(w, w->config->mhz, 2);
    put(w, POPULATED_ENABLED, 1);
    put(w, OTHER, 1);         /* upgrade */
    put(w, FIELD_UNKNOWN, 2); /* caches: no structures describe them */
    put(w, FIELD_UNKNOWN, 2);
    put(w, FIELD_UNKNOWN, 2);
    put_text(w, SMBIOS_CPU_SERIAL);
    put_text(w, SMBIOS_CPU_ASSET);
    put_text(w, SMBIOS_CPU_PART);
    put(w, 1, 1);       /* cores */
    put(w, 1, 1);       /* enabled */
    put(w, 1, 1);       /* threads */
    put(w, UNKNOWN, 2); /* characteristics */
    put(w, OTHER, 2);   /* family again */
    end(w);
}

static void put_memory_array(struct writer *w, uint64_t size, unsigned devices)
{
    enum { OTHER = 1, SYSTEM_MEMORY = 3, MULTI_BIT_ECC = 6 };

    begin(w, 16, HANDLE_MEMORY);
    put(w, OTHER, 1);
    put(w, SYSTEM_MEMORY, 1);
    put(w, MULTI_BIT_ECC, 1);
    put(w, size >> 10, 4);
    put(w, HANDLE_NONE, 2); /* error information */
    put(w, devices, 2);
    put(w, 0, 8); /* extended size: not needed */
    end(w);
}

static void put_memory_device(struct writer *w, unsigned number, uint64_t size)
{
    enum { DIMM = 9, RAM = 7, OTHER_DETAIL = 1 << 1 };
    char locator[SMBIOS_TEXT_MAX + 16];

    begin(w, 17, (uint16_t)(HANDLE_DEVICE + number));
    put(w, HANDLE_MEMORY, 2);
    put(w, HANDLE_NONE, 2);
    put(w, FIELD_UNKNOWN, 2); /* width */
    put(w, FIELD_UNKNOWN, 2); /* width of the data */
    put(w, size >> 20, 2);
    put(w, DIMM, 1);
    put(w, 0, 1); /* set */
    snprintf(locator, sizeof(locator), "%s %u", text_of(w, SMBIOS_MEMORY_LOCATOR), number);
    put_string(w, locator);
    put_text(w, SMBIOS_MEMORY_BANK);
    put(w, RAM, 1);
    put(w, OTHER_DETAIL, 2);
    put(w, 0, 2); /* speed */
    put_text(w, SMBIOS_MEMORY_MANUFACTURER);
    put_text(w, SMBIOS_MEMORY_SERIAL);
    put_text(w, SMBIOS_MEMORY_ASSET);
    put_text(w, SMBIOS_MEMORY_PART);
    put(w, 0, 1); /* rank */
    put(w, 0, 4); /* extended size */
    put(w, 0, 2); /* configured speed */
    put(w, 0, 6); /* voltages */
    end(w);
}

/* A range of addresses; from 4 TiB on in the extended fields only, and there is never as much. */
static void put_memory_range(struct writer *w, unsigned number, uint64_t base, uint64_t size)
{
    begin(w, 19, (uint16_t)(HANDLE_RANGE + number));
    put(w, base >> 10, 4);
    put(w, (base + size - 1) >> 10, 4);
    put(w, HANDLE_MEMORY, 2);
    put(w, 1, 1); /* devices in a row */
    put(w, 0, 8); /* extended: first and last */
    put(w, 0, 8);
    end(w);
}

static void put_memory(struct writer *w)
{
    const struct smbios_config *c = w->config;
    uint64_t size = c->low + c->high;
    unsigned devices = (unsigned)((size + DEVICE_SIZE - 1) / DEVICE_SIZE);

    put_memory_array(w, size, devices);
    for (unsigned i = 0; i < devices; i++)
        put_memory_device(w, i, i + 1 < devices ? DEVICE_SIZE : size - i * DEVICE_SIZE);
    put_memory_range(w, 0, 0, c->low);
    if (c->high)
        put_memory_range(w, 1, BIT(32), c->high);
}

/* --- entry point -------------------------------------------------------------------------------------------------- */

static uint8_t checksum(const uint8_t *bytes, size_t count)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return (uint8_t)-sum;
}

/* Both checksums of the entry point, over all of it and over its second half. */
static void write_anchor(const struct writer *w, uint8_t anchor[SMBIOS_ANCHOR_SIZE])
{
    enum { CHECKSUM = 4, MIDDLE = 16, MIDDLE_CHECKSUM = 21 };
    uint32_t base = w->config->base;
    const uint8_t bytes[SMBIOS_ANCHOR_SIZE] = {'_',
                                               'S',
                                               'M',
                                               '_',
                                               0,
                                               SMBIOS_ANCHOR_SIZE,
                                               MAJOR,
                                               MINOR,
                                               (uint8_t)w->largest,
                                               (uint8_t)(w->largest >> 8),
                                               0, /* revision of the entry point */
                                               0,
                                               0,
                                               0,
                                               0,
                                               0,
                                               '_',
                                               'D',
                                               'M',
                                               'I',
                                               '_',
                                               0, /* then its checksum */
                                               (uint8_t)w->size,
                                               (uint8_t)(w->size >> 8), /* of all structures */
                                               (uint8_t)base,
                                               (uint8_t)(base >> 8),
                                               (uint8_t)(base >> 16),
                                               (uint8_t)(base >> 24),
                                               (uint8_t)w->count,
                                               (uint8_t)(w->count >> 8),
                                               MAJOR << 4 | MINOR};

    memcpy(anchor, bytes, SMBIOS_ANCHOR_SIZE);
    anchor[MIDDLE_CHECKSUM] = checksum(anchor + MIDDLE, SMBIOS_ANCHOR_SIZE - MIDDLE);
    anchor[CHECKSUM] = checksum(anchor, SMBIOS_ANCHOR_SIZE);
}

size_t smbios_build(const struct smbios_config *config, uint8_t tables[SMBIOS_TABLES_MAX],
                    uint8_t anchor[SMBIOS_ANCHOR_SIZE])
{
    struct writer w = {.config = config, .bytes = tables};

    if (config->bios || config->options->given[0])
        put_bios(&w);
    put_system(&w);
    if (config->options->given[2])
        put_board(&w);
    put_chassis(&w);
    put_processor(&w);
    put_memory(&w);
    begin(&w, 32, HANDLE_BOOT);
    put(&w, 0, 7); /* reserved; no errors */
    end(&w);
    begin(&w, 127, HANDLE_END);
    end(&w);
    write_anchor(&w, anchor);
    return w.size;
}
