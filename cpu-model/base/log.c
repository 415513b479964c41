/* The debug log. See log.h. */
#include "cpu-model/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned log_mask;
static FILE *log_file;

static const char *const item_names[] = {
#define X(name, symbol, help) name,
    LOG_ITEMS(X)
#undef X
};

static unsigned item_bit(const char *name, size_t length)
{
    for (unsigned i = 0; i < ARRAY_LEN(item_names); i++)
        if (strlen(item_names[i]) == length && !memcmp(item_names[i], name, length))
            return 1u << i;
    return 0;
}

int log_enable(const char *items, const char **bad)
{
    while (*items) {
        size_t length = strcspn(items, ",");
        unsigned bit = item_bit(items, length);
        if (!bit) {
            *bad = items;
            return -EINVAL;
        }
        log_mask |= bit;
        items += length + (items[length] == ',');
    }
    return 0;
}

int log_open(const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return -errno;
    setvbuf(file, NULL, _IOLBF, 0);
    log_file = file;
    return 0;
}

void log_write(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof(text) - 1, format, args);
    va_end(args);
    if (length < 0)
        return;
    if ((size_t)length > sizeof(text) - 2)
        length = sizeof(text) - 2;
    text[length] = '\n';
    fwrite(text, 1, (size_t)length + 1, log_file ? log_file : stderr);
}

_Noreturn void bug(const char *file, int line, const char *what)
{
    fprintf(stderr, "ring3: internal error at %s:%d: %s\n", file, line, what);
    abort();
}
