/*
 * SMBIOS tables: what the machine says it is. Firmware gets them through fw_cfg and places them; a machine without
 * firmware has them in memory.
 *
 * Source: DMTF DSP0134, "System Management BIOS (SMBIOS) Reference Specification", version 2.8.
 */
#ifndef RING3_MACHINE_SMBIOS_H
#define RING3_MACHINE_SMBIOS_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"

/* The texts that -smbios sets: structure type, the option's key, and what it is without. */
#define SMBIOS_TEXTS(X)                                                                                                \
    X(BIOS_VENDOR, 0, "vendor", "ring3")                                                                               \
    X(BIOS_VERSION, 0, "version", RING3_VERSION)                                                                       \
    X(BIOS_DATE, 0, "date", "01/01/2026")                                                                              \
    X(SYSTEM_MANUFACTURER, 1, "manufacturer", "ring3")                                                                 \
    X(SYSTEM_PRODUCT, 1, "product", "Standard PC (i440FX + PIIX, 1996)")                                               \
    X(SYSTEM_VERSION, 1, "version", "pc")                                                                              \
    X(SYSTEM_SERIAL, 1, "serial", "")                                                                                  \
    X(SYSTEM_SKU, 1, "sku", "")                                                                                        \
    X(SYSTEM_FAMILY, 1, "family", "")                                                                                  \
    X(BOARD_MANUFACTURER, 2, "manufacturer", "ring3")                                                                  \
    X(BOARD_PRODUCT, 2, "product", "")                                                                                 \
    X(BOARD_VERSION, 2, "version", "")                                                                                 \
    X(BOARD_SERIAL, 2, "serial", "")                                                                                   \
    X(BOARD_ASSET, 2, "asset", "")                                                                                     \
    X(BOARD_LOCATION, 2, "location", "")                                                                               \
    X(CHASSIS_MANUFACTURER, 3, "manufacturer", "ring3")                                                                \
    X(CHASSIS_VERSION, 3, "version", "pc")                                                                             \
    X(CHASSIS_SERIAL, 3, "serial", "")                                                                                 \
    X(CHASSIS_ASSET, 3, "asset", "")                                                                                   \
    X(CHASSIS_SKU, 3, "sku", "")                                                                                       \
    X(CPU_SOCKET, 4, "sock_pfx", "CPU")                                                                                \
    X(CPU_MANUFACTURER, 4, "manufacturer", "ring3")                                                                    \
    X(CPU_VERSION, 4, "version", "ring3 virtual CPU")                                                                  \
    X(CPU_SERIAL, 4, "serial", "")                                                                                     \
    X(CPU_ASSET, 4, "asset", "")                                                                                       \
    X(CPU_PART, 4, "part", "")                                                                                         \
    X(MEMORY_LOCATOR, 17, "loc_pfx", "DIMM")                                                                           \
    X(MEMORY_BANK, 17, "bank", "")                                                                                     \
    X(MEMORY_MANUFACTURER, 17, "manufacturer", "ring3")                                                                \
    X(MEMORY_SERIAL, 17, "serial", "")                                                                                 \
    X(MEMORY_ASSET, 17, "asset", "")                                                                                   \
    X(MEMORY_PART, 17, "part", "")

#define SMBIOS_ID(id, type, key, standard) SMBIOS_##id,
enum smbios_text_id { SMBIOS_TEXTS(SMBIOS_ID) SMBIOS_TEXT_COUNT };
#undef SMBIOS_ID

enum {
    SMBIOS_TABLES_MAX = 0x3000, /* enough for any configuration */
    SMBIOS_ANCHOR_SIZE = 31,
    SMBIOS_UUID_SIZE = 16,
    SMBIOS_TEXT_MAX = 64, /* characters of a text, as the specification advises, and the final 0 */
};

/* What the user sets; zeros: nothing. */
struct smbios_options {
    char text[SMBIOS_TEXT_COUNT][SMBIOS_TEXT_MAX + 1]; /* empty: the standard */
    bool given[5];                                     /* -smbios type=0 to 4 was there */
    bool uuid_given;
    uint8_t uuid[SMBIOS_UUID_SIZE]; /* in the order it is written */
};

/* -smbios type=N,KEY=VALUE,... and -uuid. Return 0, or -EINVAL with a message. */
int smbios_option(struct smbios_options *options, const char *value, struct error *err);
int smbios_uuid(struct smbios_options *options, const char *option, const char *value, struct error *err);

struct smbios_config {
    const struct smbios_options *options;
    bool bios;          /* a structure of type 0 too, which firmware else adds; always with -smbios type=0 */
    uint64_t low, high; /* bytes of RAM from 0 and from 4 GiB on */
    uint32_t cpuid[2];  /* EAX and EDX of CPUID leaf 1 */
    uint16_t mhz;
    uint32_t base; /* where the tables will be */
};

/*
 * Writes the structures to `tables` and the 32-bit entry point to `anchor`. A pure function. Returns the size of the
 * structures in bytes, at most SMBIOS_TABLES_MAX.
 */
size_t smbios_build(const struct smbios_config *config, uint8_t tables[SMBIOS_TABLES_MAX],
                    uint8_t anchor[SMBIOS_ANCHOR_SIZE]);

#define SMBIOS_FILE_TABLES "etc/smbios/smbios-tables"
#define SMBIOS_FILE_ANCHOR "etc/smbios/smbios-anchor"

#endif
