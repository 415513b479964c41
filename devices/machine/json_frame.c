/*
 * Cuts a stream of bytes into JSON values. See json_frame.h.
 *
 * Only brackets and strings are understood; whether what stands between them is JSON is the parser's business.
 * Invariant: length < capacity <= JSON_FRAME_MAX. Thread: one at a time.
 */
#include "devices/machine/json_frame.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void json_frame_destroy(struct json_frame *f)
{
    free(f->text);
    *f = (struct json_frame){0};
}

static bool append(struct json_frame *f, char byte)
{
    if (f->length + 1 >= f->capacity) {
        size_t capacity = f->capacity ? f->capacity * 2 : 256;
        char *text = capacity <= JSON_FRAME_MAX ? realloc(f->text, capacity) : NULL;
        if (!text)
            return false;
        f->text = text;
        f->capacity = capacity;
    }
    f->text[f->length++] = byte;
    return true;
}

static void restart(struct json_frame *f)
{
    f->length = 0;
    f->depth = 0;
    f->quote = 0;
    f->escaped = f->word = f->complete = false;
}

static enum json_frame_result fail(struct json_frame *f, char byte)
{
    restart(f);
    f->skipping = byte != '\n';
    return JSON_FRAME_ERROR;
}

static enum json_frame_result complete(struct json_frame *f)
{
    f->complete = true;
    return JSON_FRAME_VALUE;
}

/* Inside a string. One in single quotes becomes one in double quotes. */
static bool string_byte(struct json_frame *f, char byte)
{
    if (f->escaped) {
        f->escaped = false;
        if (byte == '\'') { /* \' is no JSON */
            f->text[f->length - 1] = byte;
            return true;
        }
        return append(f, byte);
    }
    if (byte == f->quote) {
        f->quote = 0;
        return append(f, '"');
    }
    f->escaped = byte == '\\';
    if (byte == '"') /* inside single quotes */
        return append(f, '\\') && append(f, byte);
    return append(f, byte);
}

static enum json_frame_result top_byte(struct json_frame *f, char byte)
{
    bool ends = isspace((unsigned char)byte) || (byte && strchr("{[\"'", byte));
    if (f->word && ends && isspace((unsigned char)byte))
        return complete(f);
    if (!f->word && isspace((unsigned char)byte))
        return JSON_FRAME_MORE;
    if ((f->word && ends) || (byte && strchr("}],:", byte)) || (unsigned char)byte < 0x20 || (unsigned char)byte > 0x7e)
        return fail(f, byte);
    if (byte == '{' || byte == '[')
        f->depth = 1;
    else if (byte == '"' || byte == '\'')
        f->quote = byte;
    else
        f->word = true;
    return append(f, byte == '\'' ? '"' : byte) ? JSON_FRAME_MORE : fail(f, byte);
}

enum json_frame_result json_frame_byte(struct json_frame *f, char byte)
{
    if (f->complete)
        restart(f);
    if (f->skipping) {
        f->skipping = byte != '\n';
        return JSON_FRAME_MORE;
    }
    if (f->quote) {
        if (byte == '\n' || !byte || !string_byte(f, byte))
            return fail(f, byte);
        return !f->quote && !f->depth ? complete(f) : JSON_FRAME_MORE;
    }
    if (!f->depth)
        return top_byte(f, byte);
    if (byte == '"' || byte == '\'') {
        f->quote = byte;
        return append(f, '"') ? JSON_FRAME_MORE : fail(f, byte);
    }
    if (!byte || (unsigned char)byte == 0xff || !append(f, byte))
        return fail(f, byte);
    if ((byte == '{' || byte == '[') && ++f->depth > JSON_FRAME_DEPTH)
        return fail(f, byte);
    if ((byte == '}' || byte == ']') && --f->depth == 0)
        return complete(f);
    return JSON_FRAME_MORE;
}
