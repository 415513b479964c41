/*
 * Lists of KEY=VALUE. See pairs.h.
 *
 * Thread: start-up only.
 */
#include "devices/machine/pairs.h"

bool pairs_next(const char **text, char *key, size_t key_size, char *value, size_t value_size)
{
    size_t k = 0, v = 0;
    const char *at = *text;

    if (!*at)
        return false;
    while (*at && *at != '=' && *at != ',') {
        if (k + 1 < key_size)
            key[k++] = *at;
        at++;
    }
    key[k] = 0;
    if (*at == '=')
        for (at++; *at && (*at != ',' || at[1] == ','); at++) {
            at += *at == ',';
            if (v + 1 < value_size)
                value[v++] = *at;
        }
    value[v] = 0;
    *text = at + (*at == ',');
    return true;
}
