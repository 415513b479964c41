/*
 * How a function that asked the host for something says why it could not: it returns -errno and fills one line of text.
 * The caller decides whether to print it. The line says what is wrong and, where there is one, the way to mend it.
 */
#ifndef RING3_BASE_ERROR_H
#define RING3_BASE_ERROR_H

struct error {
    char text[512]; /* one line, no newline */
};

/* Formats err->text (err may be null) and returns `code` (a negative errno), so that callers can `return
 * error_set(...)`. */
int error_set(struct error *err, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
