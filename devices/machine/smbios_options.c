/*
 * -smbios and -uuid. See smbios.h.
 *
 * Thread: start-up only.
 */
#include "devices/machine/smbios.h"

#include "devices/machine/pairs.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INVALID(...) error_set(err, -EINVAL, __VA_ARGS__)

static const struct {
    uint8_t type;
    const char *key;
} texts[] = {
#define SMBIOS_TEXT(id, type, key, standard) {type, key},
    SMBIOS_TEXTS(SMBIOS_TEXT)
#undef SMBIOS_TEXT
};

/* "550e8400-e29b-41d4-a716-446655440000" */
int smbios_uuid(struct smbios_options *options, const char *option, const char *value, struct error *err)
{
    unsigned digits = 0;

    for (const char *at = value; *at; at++) {
        bool dash = digits == 8 || digits == 12 || digits == 16 || digits == 20;
        if (*at == '-' && dash && at > value && at[-1] != '-')
            continue;
        if (!isxdigit((unsigned char)*at) || digits == 2 * SMBIOS_UUID_SIZE)
            return INVALID("%s %s: not a UUID; write it as 550e8400-e29b-41d4-a716-446655440000", option, value);
        const char digit[2] = {*at, 0};
        uint8_t *byte = &options->uuid[digits / 2];
        *byte = (uint8_t)(*byte << 4 | strtoul(digit, NULL, 16));
        digits++;
    }
    if (digits != 2 * SMBIOS_UUID_SIZE)
        return INVALID("%s %s: not a UUID; write it as 550e8400-e29b-41d4-a716-446655440000", option, value);
    options->uuid_given = true;
    return 0;
}

/* The keys of a type, for messages. */
static const char *keys_of(unsigned long type, char *names, size_t size)
{
    size_t used = 0;

    names[0] = 0;
    for (unsigned i = 0; i < SMBIOS_TEXT_COUNT; i++)
        if (texts[i].type == type && used < size)
            used += (size_t)snprintf(names + used, size - used, "%s%s", used ? ", " : "", texts[i].key);
    return names;
}

static int set_text(struct smbios_options *options, unsigned long type, const char *key, const char *value,
                    struct error *err)
{
    char names[160];

    if (type == 1 && !strcmp(key, "uuid"))
        return smbios_uuid(options, "-smbios type=1,uuid=", value, err);
    for (unsigned i = 0; i < SMBIOS_TEXT_COUNT; i++) {
        if (texts[i].type != type || strcmp(texts[i].key, key))
            continue;
        if (strlen(value) > SMBIOS_TEXT_MAX)
            return INVALID("-smbios type=%lu,%s=%s: at most %d characters; shorten it", type, key, value,
                           SMBIOS_TEXT_MAX);
        strcpy(options->text[i], value);
        return 0;
    }
    return INVALID("-smbios type=%lu: unknown property '%s'; there are %s%s", type, key,
                   keys_of(type, names, sizeof(names)), type == 1 ? ", uuid" : "");
}

int smbios_option(struct smbios_options *options, const char *value, struct error *err)
{
    struct pairs pairs = {.rest = value};
    char names[160], *end = pairs.value;
    unsigned long type = 0;
    int r = 0;

    if (pairs_next(&pairs) && !strcmp(pairs.key, "type"))
        type = strtoul(pairs.value, &end, 10);
    if (end == pairs.value || *end || !keys_of(type, names, sizeof(names))[0])
        return INVALID("-smbios %s: begin with type=0, 1, 2, 3, 4 or 17, as in -smbios type=1,serial=42", value);
    if (type < ARRAY_LEN(options->given))
        options->given[type] = true;
    while (!r && pairs_next(&pairs))
        r = set_text(options, type, pairs.key, pairs.value, err);
    return r;
}
