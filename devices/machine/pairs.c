/*
 * Lists of KEY=VALUE. See pairs.h.
 *
 * Thread: start-up only.
 */
#include "devices/machine/pairs.h"

#include <stdio.h>
#include <string.h>

/* Copies up to a comma that stands alone, and returns where. */
static const char *copy_value(char *value, const char *at)
{
    size_t n = 0;

    for (; *at && (*at != ',' || at[1] == ','); at++) {
        at += *at == ',';
        if (n + 1 < PAIRS_VALUE_MAX)
            value[n++] = *at;
    }
    value[n] = 0;
    return at;
}

bool pairs_next(struct pairs *pairs)
{
    const char *at = pairs->rest, *implied = pairs->implied;
    size_t length = strcspn(at, "=,");

    if (!*at)
        return false;
    pairs->implied = NULL;
    pairs->value[0] = 0;
    if (implied && at[length] != '=') {
        snprintf(pairs->key, sizeof(pairs->key), "%s", implied);
        at = copy_value(pairs->value, at);
    } else {
        snprintf(pairs->key, sizeof(pairs->key), "%.*s", (int)length, at);
        at += length;
        if (*at == '=')
            at = copy_value(pairs->value, at + 1);
    }
    pairs->rest = at + (*at == ',');
    return true;
}

bool pairs_switch(const struct pairs *pairs, bool *on)
{
    const char *value = pairs->value;

    *on = !value[0] || !strcmp(value, "on") || !strcmp(value, "true") || !strcmp(value, "yes") || !strcmp(value, "y");
    return *on || !strcmp(value, "off") || !strcmp(value, "false") || !strcmp(value, "no") || !strcmp(value, "n");
}
