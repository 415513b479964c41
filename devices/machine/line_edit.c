/*
 * Line editing for a terminal that knows ECMA-48's cursor sequences. See line_edit.h.
 *
 * Invariant: cursor <= length < LINE_EDIT_MAX, and text[length] is 0. The line is drawn anew after each key: simple,
 * and a person types no faster. Thread: one at a time.
 */
#include "devices/machine/line_edit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CTRL = 0x1f, ESCAPE = 0x1b, DELETE = 0x7f };

static void draw(struct line_edit *e)
{
    char text[LINE_EDIT_MAX + 64];
    int used = snprintf(text, sizeof(text), "\r%s%s\x1b[K", e->prompt, e->text);
    if (e->cursor < e->length)
        snprintf(text + used, sizeof(text) - (size_t)used, "\x1b[%uD", e->length - e->cursor);
    e->send(e->context, text);
}

static void clear(struct line_edit *e)
{
    e->length = e->cursor = 0;
    e->text[0] = 0;
    e->shown = e->remembered;
}

void line_edit_start(struct line_edit *e)
{
    clear(e);
    draw(e);
}

void line_edit_destroy(struct line_edit *e)
{
    for (unsigned i = 0; i < e->remembered; i++)
        free(e->history[i]);
    e->remembered = 0;
}

/* --- changing the line -------------------------------------------------------------------------------------------- */

static void insert(struct line_edit *e, const char *text, size_t count)
{
    if (e->length + count >= LINE_EDIT_MAX)
        return;
    memmove(e->text + e->cursor + count, e->text + e->cursor, e->length - e->cursor + 1);
    memcpy(e->text + e->cursor, text, count);
    e->cursor += (unsigned)count;
    e->length += (unsigned)count;
}

/* Removes [from, to); the cursor is then at `from`. */
static void cut(struct line_edit *e, unsigned from, unsigned to)
{
    memmove(e->text + from, e->text + to, e->length - to + 1);
    e->length -= to - from;
    e->cursor = from;
}

static unsigned word_before(const struct line_edit *e)
{
    unsigned at = e->cursor;
    while (at && e->text[at - 1] == ' ')
        at--;
    while (at && e->text[at - 1] != ' ')
        at--;
    return at;
}

/* --- history ------------------------------------------------------------------------------------------------------ */

static void remember(struct line_edit *e)
{
    if (!e->length || (e->remembered && !strcmp(e->history[e->remembered - 1], e->text)))
        return;
    char *line = strdup(e->text);
    if (!line)
        return;
    if (e->remembered == LINE_EDIT_HISTORY) {
        free(e->history[0]);
        memmove(&e->history[0], &e->history[1], (LINE_EDIT_HISTORY - 1) * sizeof(e->history[0]));
        e->remembered--;
    }
    e->history[e->remembered++] = line;
}

static void show(struct line_edit *e, unsigned index)
{
    if (index > e->remembered)
        return;
    e->shown = index;
    snprintf(e->text, sizeof(e->text), "%s", index < e->remembered ? e->history[index] : "");
    e->length = e->cursor = (unsigned)strlen(e->text);
}

/* --- completion --------------------------------------------------------------------------------------------------- */

static size_t common_length(char words[][LINE_EDIT_WORD], unsigned count)
{
    size_t common = strlen(words[0]);
    for (unsigned i = 1; i < count; i++)
        for (size_t at = 0; at < common; at++)
            if (words[i][at] != words[0][at])
                common = at;
    return common;
}

static void complete(struct line_edit *e)
{
    char words[LINE_EDIT_COMPLETIONS][LINE_EDIT_WORD];
    char before[LINE_EDIT_MAX];

    snprintf(before, sizeof(before), "%.*s", (int)e->cursor, e->text);
    unsigned count = e->complete ? e->complete(e->context, before, words, LINE_EDIT_COMPLETIONS) : 0;
    if (!count)
        return;
    const char *space = strrchr(before, ' ');
    size_t typed = strlen(space ? space + 1 : before), common = common_length(words, count);
    if (common > typed)
        insert(e, words[0] + typed, common - typed);
    if (count == 1) {
        insert(e, " ", 1);
        return;
    }
    if (common > typed)
        return;
    e->send(e->context, "\r\n");
    for (unsigned i = 0; i < count; i++) {
        e->send(e->context, words[i]);
        e->send(e->context, i + 1 < count ? "  " : "\r\n");
    }
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

static void enter(struct line_edit *e)
{
    char line[LINE_EDIT_MAX];

    e->send(e->context, "\r\n");
    remember(e);
    memcpy(line, e->text, e->length + 1);
    clear(e);
    e->line(e->context, line);
    draw(e);
}

static void to(struct line_edit *e, unsigned position)
{
    if (position <= e->length)
        e->cursor = position;
}

/* A whole sequence behind ESC, such as "[A" or "[3~". */
static void sequence(struct line_edit *e, const char *s)
{
    if (!strcmp(s, "[A") || !strcmp(s, "OA"))
        show(e, e->shown ? e->shown - 1 : 0);
    else if (!strcmp(s, "[B") || !strcmp(s, "OB"))
        show(e, e->shown + 1);
    else if (!strcmp(s, "[C") || !strcmp(s, "OC"))
        to(e, e->cursor + 1);
    else if (!strcmp(s, "[D") || !strcmp(s, "OD"))
        to(e, e->cursor - 1);
    else if (!strcmp(s, "[H") || !strcmp(s, "OH") || !strcmp(s, "[1~") || !strcmp(s, "[7~"))
        to(e, 0);
    else if (!strcmp(s, "[F") || !strcmp(s, "OF") || !strcmp(s, "[4~") || !strcmp(s, "[8~"))
        to(e, e->length);
    else if (!strcmp(s, "[3~") && e->cursor < e->length)
        cut(e, e->cursor, e->cursor + 1);
}

/* True: the byte belonged to an escape sequence. */
static bool escape_byte(struct line_edit *e, char byte)
{
    if (!e->escaped) {
        if (byte != ESCAPE)
            return false;
        e->escaped = 1;
        return true;
    }
    unsigned have = e->escaped - 1;
    e->escape[have] = byte;
    e->escape[have + 1] = 0;
    bool introducer = have == 0 && (byte == '[' || byte == 'O');
    bool parameter = have > 0 && byte >= 0x20 && byte < 0x40;
    if (introducer || parameter) {
        if (have + 3 < sizeof(e->escape)) /* the rest of a longer one is read over */
            e->escaped++;
        return true;
    }
    e->escaped = 0;
    sequence(e, e->escape);
    return true;
}

static void key(struct line_edit *e, char byte)
{
    switch (byte) {
    case 'A' & CTRL:
        to(e, 0);
        break;
    case 'E' & CTRL:
        to(e, e->length);
        break;
    case 'B' & CTRL:
        to(e, e->cursor - 1);
        break;
    case 'F' & CTRL:
        to(e, e->cursor + 1);
        break;
    case 'D' & CTRL:
        if (e->cursor < e->length)
            cut(e, e->cursor, e->cursor + 1);
        break;
    case 'H' & CTRL:
    case DELETE:
        if (e->cursor)
            cut(e, e->cursor - 1, e->cursor);
        break;
    case 'K' & CTRL:
        cut(e, e->cursor, e->length);
        break;
    case 'U' & CTRL:
        cut(e, 0, e->cursor);
        break;
    case 'W' & CTRL:
        cut(e, word_before(e), e->cursor);
        break;
    case 'L' & CTRL:
        e->send(e->context, "\x1b[H\x1b[2J");
        break;
    case 'P' & CTRL:
        show(e, e->shown ? e->shown - 1 : 0);
        break;
    case 'N' & CTRL:
        show(e, e->shown + 1);
        break;
    case 'C' & CTRL:
        e->send(e->context, "^C\r\n");
        clear(e);
        break;
    case '\t':
        complete(e);
        break;
    default:
        if ((unsigned char)byte >= 0x20)
            insert(e, &byte, 1);
    }
}

void line_edit_byte(struct line_edit *e, char byte)
{
    if (!escape_byte(e, byte)) {
        if (byte == '\r' || byte == '\n') {
            enter(e);
            return;
        }
        key(e, byte);
    }
    if (!e->escaped)
        draw(e);
}
