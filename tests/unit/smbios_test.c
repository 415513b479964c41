/* SMBIOS: the structures as a guest walks them, and what -smbios says. */
#include "devices/machine/smbios.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct smbios_options options;
static struct error err;
static uint8_t tables[SMBIOS_TABLES_MAX], anchor[SMBIOS_ANCHOR_SIZE];
static size_t size;

static void build(uint64_t low, uint64_t high, bool bios)
{
    const struct smbios_config config = {.options = &options,
                                         .bios = bios,
                                         .low = low,
                                         .high = high,
                                         .cpuid = {0x663, 0x178bfbff},
                                         .mhz = 2600,
                                         .base = 0xf0100};
    size = smbios_build(&config, tables, anchor);
    cr_assert_leq(size, SMBIOS_TABLES_MAX);
}

static uint64_t little(const uint8_t *from, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | from[i];
    return value;
}

/* The structure after this one, by its length and its strings. */
static const uint8_t *next(const uint8_t *at)
{
    at += at[1];
    while (at[0] || at[1])
        at++;
    return at + 2;
}

/* Number n of a type, or null. */
static const uint8_t *find(uint8_t type, unsigned n)
{
    for (const uint8_t *at = tables; at < tables + size; at = next(at))
        if (at[0] == type && !n--)
            return at;
    return NULL;
}

static const char *string(const uint8_t *structure, unsigned field)
{
    unsigned number = structure[field];
    const char *at = (const char *)structure + structure[1];
    if (!number)
        return "";
    while (--number)
        at += strlen(at) + 1;
    return at;
}

static uint8_t sum(const uint8_t *bytes, size_t count)
{
    uint8_t total = 0;
    while (count--)
        total = (uint8_t)(total + *bytes++);
    return total;
}

Test(smbios, entry_point)
{
    unsigned count = 0, largest = 0;
    build(512 << 20, 0, true);
    cr_assert_eq(memcmp(anchor, "_SM_", 4), 0);
    cr_assert_eq(anchor[5], 31);
    cr_assert_eq(sum(anchor, 31), 0);
    cr_assert_eq(memcmp(anchor + 16, "_DMI_", 5), 0);
    cr_assert_eq(sum(anchor + 16, 15), 0);
    cr_assert_eq(little(anchor + 22, 2), size);
    cr_assert_eq(little(anchor + 24, 4), 0xf0100);
    for (const uint8_t *at = tables; at < tables + size; at = next(at), count++)
        if ((unsigned)(next(at) - at) > largest)
            largest = (unsigned)(next(at) - at);
    cr_assert_eq(little(anchor + 28, 2), count);
    cr_assert_eq(little(anchor + 8, 2), largest);
    cr_assert_eq(anchor[30], 0x28);
}

Test(smbios, structures_of_a_small_machine)
{
    static const uint8_t types[] = {1, 3, 4, 16, 17, 19, 32, 127};
    static const uint8_t lengths[] = {0x1b, 0x16, 0x2a, 0x17, 0x28, 0x1f, 0x0b, 0x04};
    const uint8_t *at = tables;
    build(512 << 20, 0, false);
    for (unsigned i = 0; i < sizeof(types); i++, at = next(at)) {
        cr_assert_eq(at[0], types[i]);
        cr_assert_eq(at[1], lengths[i], "type %u has length %u", types[i], at[1]);
    }
    cr_assert_eq(at, tables + size);
    cr_assert_str_eq(string(find(1, 0), 4), "ring3");
    cr_assert_str_eq(string(find(1, 0), 5), "Standard PC (i440FX + PIIX, 1996)");
    cr_assert_str_eq(string(find(4, 0), 4), "CPU 0");
    cr_assert_eq(little(find(4, 0) + 8, 4), 0x663);
    cr_assert_eq(little(find(4, 0) + 20, 2), 2600);
    cr_assert_eq(little(find(17, 0) + 12, 2), 512);
    cr_assert_eq(little(find(17, 0) + 4, 2), little(find(16, 0) + 2, 2)); /* its array */
    cr_assert_eq(little(find(19, 0) + 8, 4), (512 << 10) - 1);
    build(512 << 20, 0, true);
    cr_assert_eq(tables[0], 0);
    cr_assert_eq(tables[1], 0x18);
    cr_assert_str_eq(string(tables, 4), "ring3");
}

Test(smbios, memory_above_4_gib)
{
    build(3ull << 30, 32ull << 30, false);
    cr_assert_eq(little(find(16, 0) + 7, 4), 35u << 20);
    cr_assert_eq(little(find(16, 0) + 13, 2), 3);
    cr_assert_eq(little(find(17, 0) + 12, 2), 16384);
    cr_assert_eq(little(find(17, 2) + 12, 2), 3 * 1024);
    cr_assert_null(find(17, 3));
    cr_assert_eq(little(find(19, 1) + 4, 4), 4u << 20);
    cr_assert_eq(little(find(19, 1) + 8, 4), (36u << 20) - 1);
}

Test(smbios, options)
{
    cr_assert_eq(
        smbios_option(&options, "type=1,manufacturer=A,, B,serial=42,uuid=00112233-4455-6677-8899-aabbccddeeff", &err),
        0, "%s", err.text);
    cr_assert_eq(smbios_option(&options, "type=2,product=board", &err), 0);
    cr_assert_eq(smbios_option(&options, "type=17,loc_pfx=SLOT", &err), 0);
    build(64 << 20, 0, false);
    cr_assert_str_eq(string(find(1, 0), 4), "A, B");
    cr_assert_str_eq(string(find(1, 0), 7), "42");
    static const uint8_t uuid[] = {0x33, 0x22, 0x11, 0,    0x55, 0x44, 0x77, 0x66,
                                   0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    cr_assert_eq(memcmp(find(1, 0) + 8, uuid, 16), 0);
    cr_assert_str_eq(string(find(2, 0), 5), "board");
    cr_assert_str_eq(string(find(17, 0), 16), "SLOT 0");
    cr_assert_null(find(0, 0));
    cr_assert_eq(smbios_option(&options, "type=0,vendor=me", &err), 0);
    build(64 << 20, 0, false);
    cr_assert_str_eq(string(find(0, 0), 4), "me");
}

Test(smbios, refusals)
{
    static const struct {
        const char *text, *says;
    } cases[] = {{"serial=1", "type="},
                 {"type=5", "type="},
                 {"type=x", "type="},
                 {"type=1,colour=red", "manufacturer, product"},
                 {"type=1,uuid=1234", "550e8400"},
                 {"type=1,uuid=00112233-4455-6677-8899-aabbccddeeff0", "550e8400"},
                 {"type=3,serial=12345678901234567890123456789012345678901234567890123456789012345", "shorten"}};
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        cr_assert_eq(smbios_option(&options, cases[i].text, &err), -EINVAL, "%s", cases[i].text);
        cr_assert_not_null(strstr(err.text, cases[i].says), "%s: %s", cases[i].text, err.text);
    }
}

/* Every text as long as can be, and all of memory. */
Test(smbios, the_largest_fits)
{
    for (unsigned i = 0; i < SMBIOS_TEXT_COUNT; i++)
        memset(options.text[i], 'x', SMBIOS_TEXT_MAX);
    memset(options.given, true, sizeof(options.given));
    build(3ull << 30, 61ull << 30, true);
    cr_assert_eq(find(127, 0) + 6, tables + size);
}
