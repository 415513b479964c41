/*
 * A terminal in a window. See terminal_view.h.
 *
 * Invariants: row < TERMINAL_ROWS, column < TERMINAL_COLUMNS, region_first < region_last < TERMINAL_ROWS; whatever the
 * other end sends, nothing outside the grid is touched.
 *
 * Source: ECMA-48; VT100 User Guide, "Programmer information".
 */
#include "frontend-sdl/terminal_view.h"

#include "devices/core/cp437.h"

#include <stdio.h>
#include <string.h>

enum { ESC = 0x1b, DEFAULT_FRONT = 7, DEFAULT_BEHIND = 0, UNKNOWN = '?' };

static uint8_t code_of(uint32_t rune)
{
    if (rune < 0x80)
        return (uint8_t)rune;
    int code = cp437_from_unicode(rune);
    if (code >= 0)
        return (uint8_t)code;
    switch (rune) {
    case 0x2018:
    case 0x2019:
        return '\'';
    case 0x201c:
    case 0x201d:
        return '"';
    case 0x2010 ... 0x2015:
        return '-';
    case 0x25cf:
        return 0x07; /* bullet */
    default:
        return UNKNOWN;
    }
}

static struct terminal_cell *line(struct terminal_view *t, unsigned row)
{
    return t->line[(t->top + row) % TERMINAL_HISTORY];
}

static uint8_t attributes(const struct terminal_view *t)
{
    uint8_t front = t->front | (t->bold && t->front < 8 ? 8 : 0);
    return t->reversed ? (uint8_t)(t->behind | front << 4) : (uint8_t)(front | t->behind << 4);
}

static void erase(struct terminal_view *t, unsigned row, unsigned first, unsigned end)
{
    struct terminal_cell *cells = line(t, row);
    for (unsigned i = first; i < end && i < TERMINAL_COLUMNS; i++)
        cells[i] = (struct terminal_cell){' ', (uint8_t)(t->front | t->behind << 4)};
}

/* Moves lines first..last of the screen up (positive) or down; new ones are empty. */
static void scroll(struct terminal_view *t, unsigned first, unsigned last, int lines)
{
    while (lines > 0) {
        lines--;
        if (first == 0 && last == TERMINAL_ROWS - 1) { /* the line goes to the history */
            t->top = (t->top + 1) % TERMINAL_HISTORY;
            if (t->history < TERMINAL_HISTORY - TERMINAL_ROWS)
                t->history++;
        } else {
            for (unsigned row = first; row < last; row++)
                memcpy(line(t, row), line(t, row + 1), sizeof(t->line[0]));
        }
        erase(t, last, 0, TERMINAL_COLUMNS);
    }
    while (lines < 0) {
        lines++;
        for (unsigned row = last; row > first; row--)
            memcpy(line(t, row), line(t, row - 1), sizeof(t->line[0]));
        erase(t, first, 0, TERMINAL_COLUMNS);
    }
}

static void line_feed(struct terminal_view *t)
{
    if (t->row == t->region_last)
        scroll(t, t->region_first, t->region_last, 1);
    else if (t->row < TERMINAL_ROWS - 1)
        t->row++;
}

static void put(struct terminal_view *t, uint8_t code)
{
    if (t->wrap) {
        t->column = 0;
        line_feed(t);
    }
    line(t, t->row)[t->column] = (struct terminal_cell){code, attributes(t)};
    t->wrap = t->column == TERMINAL_COLUMNS - 1;
    t->column += !t->wrap;
}

static void move(struct terminal_view *t, int row, int column)
{
    t->row = row < 0 ? 0 : row < TERMINAL_ROWS ? (unsigned)row : TERMINAL_ROWS - 1;
    t->column = column < 0 ? 0 : column < TERMINAL_COLUMNS ? (unsigned)column : TERMINAL_COLUMNS - 1;
    t->wrap = false;
}

/* --- control sequences -------------------------------------------------------------------------------------------- */

/* Argument i, at least 1, bounded to something that cannot overflow. */
static int count_arg(const struct terminal_view *t, unsigned i)
{
    unsigned n = i < t->args ? t->arg[i] : 0;
    return n == 0 ? 1 : n > 999 ? 999 : (int)n;
}

static void set_colours(struct terminal_view *t)
{
    static const uint8_t vga[8] = {0, 4, 2, 6, 1, 5, 3, 7}; /* red and blue change places */

    for (unsigned i = 0; i < t->args || i == 0; i++) {
        unsigned n = i < t->args ? t->arg[i] : 0;
        if (n == 0) {
            t->front = DEFAULT_FRONT;
            t->behind = DEFAULT_BEHIND;
            t->bold = t->reversed = false;
        } else if (n == 1 || n == 22) {
            t->bold = n == 1;
        } else if (n == 7 || n == 27) {
            t->reversed = n == 7;
        } else if (n >= 30 && n <= 37) {
            t->front = vga[n - 30];
        } else if (n >= 90 && n <= 97) {
            t->front = vga[n - 90] | 8;
        } else if (n >= 40 && n <= 47) {
            t->behind = vga[n - 40];
        } else if (n >= 100 && n <= 107) {
            t->behind = vga[n - 100] | 8;
        } else if (n == 38 || n == 48) {
            i += i + 1 < t->args && t->arg[i + 1] == 2 ? 4 : 2; /* colours we do not have */
        } else if (n == 39) {
            t->front = DEFAULT_FRONT;
        } else if (n == 49) {
            t->behind = DEFAULT_BEHIND;
        }
    }
}

static void erase_screen(struct terminal_view *t, unsigned which)
{
    if (which == 0)
        erase(t, t->row, t->column, TERMINAL_COLUMNS);
    if (which == 1)
        erase(t, t->row, 0, t->column + 1);
    for (unsigned row = 0; row < TERMINAL_ROWS; row++)
        if (which >= 2 || (which == 0 && row > t->row) || (which == 1 && row < t->row))
            erase(t, row, 0, TERMINAL_COLUMNS);
}

/* Inserts (positive) or deletes characters at the cursor. */
static void shift_line(struct terminal_view *t, int count)
{
    struct terminal_cell *cells = line(t, t->row) + t->column;
    unsigned rest = TERMINAL_COLUMNS - t->column;
    unsigned n = (unsigned)(count < 0 ? -count : count);

    if (n > rest)
        n = rest;
    if (count > 0) {
        memmove(cells + n, cells, (rest - n) * sizeof(*cells));
        erase(t, t->row, t->column, t->column + n);
    } else {
        memmove(cells, cells + n, (rest - n) * sizeof(*cells));
        erase(t, t->row, TERMINAL_COLUMNS - n, TERMINAL_COLUMNS);
    }
}

static void set_region(struct terminal_view *t)
{
    unsigned first = (unsigned)count_arg(t, 0) - 1;
    unsigned last = t->args > 1 && t->arg[1] ? (unsigned)count_arg(t, 1) - 1 : TERMINAL_ROWS - 1;

    if (last >= TERMINAL_ROWS)
        last = TERMINAL_ROWS - 1;
    if (first >= last)
        return;
    t->region_first = first;
    t->region_last = last;
    move(t, 0, 0);
}

static void report(struct terminal_view *t)
{
    if (t->arg[0] == 5)
        snprintf(t->answer, sizeof(t->answer), "\33[0n");
    else if (t->arg[0] == 6)
        snprintf(t->answer, sizeof(t->answer), "\33[%u;%uR", t->row + 1, t->column + 1);
}

static void scroll_from_cursor(struct terminal_view *t, int lines)
{
    if (t->row >= t->region_first && t->row <= t->region_last)
        scroll(t, t->row, t->region_last,
               lines > TERMINAL_ROWS    ? TERMINAL_ROWS
               : lines < -TERMINAL_ROWS ? -TERMINAL_ROWS
                                        : lines);
}

static void edit(struct terminal_view *t, char final)
{
    int n = count_arg(t, 0);

    switch (final) {
    case 'J':
        erase_screen(t, t->arg[0]);
        break;
    case 'K':
        erase(t, t->row, t->arg[0] ? 0 : t->column, t->arg[0] == 1 ? t->column + 1 : TERMINAL_COLUMNS);
        break;
    case 'X':
        erase(t, t->row, t->column, t->column + (unsigned)n);
        break;
    case '@':
        shift_line(t, n);
        break;
    case 'P':
        shift_line(t, -n);
        break;
    case 'L':
        scroll_from_cursor(t, -n);
        break;
    case 'M':
        scroll_from_cursor(t, n);
        break;
    case 'h':
    case 'l':
        if (t->private && t->arg[0] == 25)
            t->cursor_hidden = final == 'l';
        break;
    case 'm':
        set_colours(t);
        break;
    case 'n':
        report(t);
        break;
    case 'r':
        set_region(t);
        break;
    }
}

static void control_sequence(struct terminal_view *t, char final)
{
    int n = count_arg(t, 0), row = (int)t->row, column = (int)t->column;

    switch (final) {
    case 'A':
        move(t, row - n, column);
        break;
    case 'B':
        move(t, row + n, column);
        break;
    case 'C':
        move(t, row, column + n);
        break;
    case 'D':
        move(t, row, column - n);
        break;
    case 'G':
        move(t, row, n - 1);
        break;
    case 'd':
        move(t, n - 1, column);
        break;
    case 'H':
    case 'f':
        move(t, n - 1, count_arg(t, 1) - 1);
        break;
    case 's':
        t->saved_row = t->row;
        t->saved_column = t->column;
        break;
    case 'u':
        move(t, (int)t->saved_row, (int)t->saved_column);
        break;
    default:
        edit(t, final);
        break;
    }
}

static void escape(struct terminal_view *t, uint8_t byte)
{
    t->state = TERMINAL_GROUND;
    switch (byte) {
    case '[':
        t->state = TERMINAL_CSI;
        t->args = 0;
        t->private = false;
        memset(t->arg, 0, sizeof(t->arg));
        break;
    case ']':
    case 'P':
    case '_':
        t->state = TERMINAL_STRING;
        break;
    case '(':
    case ')':
    case '#':
        t->state = TERMINAL_CHARSET;
        break;
    case '7':
        t->saved_row = t->row;
        t->saved_column = t->column;
        break;
    case '8':
        move(t, (int)t->saved_row, (int)t->saved_column);
        break;
    case 'M':
        if (t->row == t->region_first)
            scroll(t, t->region_first, t->region_last, -1);
        else if (t->row)
            t->row--;
        break;
    case 'D':
        line_feed(t);
        break;
    case 'E':
        t->column = 0;
        line_feed(t);
        break;
    case 'c':
        terminal_view_init(t);
        break;
    }
}

static void csi(struct terminal_view *t, uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        if (!t->args)
            t->args = 1;
        unsigned *arg = &t->arg[t->args - 1];
        *arg = *arg < 10000 ? *arg * 10 + (byte - '0') : *arg;
    } else if (byte == ';') {
        if (!t->args)
            t->args = 1;
        if (t->args < TERMINAL_ARGS)
            t->args++;
    } else if (byte == '?' || byte == '>' || byte == '=') {
        t->private = true;
    } else if (byte >= 0x40) {
        t->state = TERMINAL_GROUND;
        control_sequence(t, (char)byte);
    }
}

/* --- characters --------------------------------------------------------------------------------------------------- */

static void control(struct terminal_view *t, uint8_t byte)
{
    switch (byte) {
    case '\b':
        move(t, (int)t->row, (int)t->column - 1);
        break;
    case '\t':
        move(t, (int)t->row, (int)((t->column | 7) + 1));
        break;
    case '\n':
    case '\v':
    case '\f':
        t->wrap = false;
        line_feed(t);
        break;
    case '\r':
        move(t, (int)t->row, 0);
        break;
    case ESC:
        t->state = TERMINAL_ESCAPE;
        break;
    }
}

static void character(struct terminal_view *t, uint8_t byte)
{
    if (byte < 0x20 || byte == 0x7f) {
        t->rune_left = 0;
        control(t, byte);
    } else if (byte < 0x80) {
        t->rune_left = 0;
        put(t, byte);
    } else if (byte >= 0xc0) {
        t->rune_left = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
        t->rune = byte & (0x3fu >> t->rune_left);
    } else if (t->rune_left) {
        t->rune = t->rune << 6 | (byte & 0x3f);
        if (!--t->rune_left)
            put(t, code_of(t->rune));
    } else {
        put(t, UNKNOWN);
    }
}

void terminal_view_write(struct terminal_view *t, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t byte = bytes[i];
        switch (t->state) {
        case TERMINAL_GROUND:
            character(t, byte);
            break;
        case TERMINAL_ESCAPE:
            escape(t, byte);
            break;
        case TERMINAL_CHARSET:
            t->state = TERMINAL_GROUND;
            break;
        case TERMINAL_CSI:
            if (byte < 0x20)
                control(t, byte);
            else
                csi(t, byte);
            break;
        case TERMINAL_STRING:
            if (byte == '\a' || byte == '\\')
                t->state = TERMINAL_GROUND;
            break;
        }
    }
    t->back = 0;
    t->changed |= count != 0;
}

void terminal_view_init(struct terminal_view *t)
{
    *t = (struct terminal_view){
        .front = DEFAULT_FRONT, .behind = DEFAULT_BEHIND, .region_last = TERMINAL_ROWS - 1, .changed = true};
    for (unsigned row = 0; row < TERMINAL_HISTORY; row++)
        for (unsigned column = 0; column < TERMINAL_COLUMNS; column++)
            t->line[row][column] = (struct terminal_cell){' ', DEFAULT_FRONT};
}

struct terminal_cell terminal_view_cell(const struct terminal_view *t, unsigned row, unsigned column)
{
    return t->line[(t->top + TERMINAL_HISTORY - t->back + row) % TERMINAL_HISTORY][column];
}

void terminal_view_scroll(struct terminal_view *t, int lines)
{
    int back = (int)t->back + lines;
    t->back = back < 0 ? 0 : back > (int)t->history ? t->history : (unsigned)back;
    t->changed = true;
}
