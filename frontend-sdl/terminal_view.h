/*
 * A terminal in a window: what a VT100 with colours understands, as a grid of characters in code page 437. It knows
 * neither SDL nor who talks to it.
 */
#ifndef RING3_FRONTEND_TERMINAL_VIEW_H
#define RING3_FRONTEND_TERMINAL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TERMINAL_COLUMNS = 80, TERMINAL_ROWS = 25, TERMINAL_HISTORY = 1000, TERMINAL_ARGS = 8 };

struct terminal_cell {
    uint8_t code;       /* code page 437 */
    uint8_t attributes; /* colours as in VGA text: low four bits in front, high four behind */
};

struct terminal_view {
    /* The last TERMINAL_HISTORY lines, as a ring; the last TERMINAL_ROWS of them are the screen. */
    struct terminal_cell line[TERMINAL_HISTORY][TERMINAL_COLUMNS];
    unsigned top;     /* index in `line` of the screen's first line */
    unsigned history; /* lines above it that were written */
    unsigned back;    /* how many lines the reader has scrolled back */
    unsigned row, column, saved_row, saved_column;
    unsigned region_first, region_last; /* what scrolls */
    bool wrap;                          /* the last column was written: the next character goes to the next line */
    bool cursor_hidden, bold, reversed, changed;
    uint8_t front, behind;
    enum { TERMINAL_GROUND, TERMINAL_ESCAPE, TERMINAL_CHARSET, TERMINAL_CSI, TERMINAL_STRING } state;
    bool private;
    unsigned arg[TERMINAL_ARGS], args;
    uint32_t rune; /* UTF-8 under way */
    unsigned rune_left;
    char answer[64]; /* what it wants to say to the other end; the owner sends and clears it */
};

void terminal_view_init(struct terminal_view *t);

/* Output of the other end. */
void terminal_view_write(struct terminal_view *t, const uint8_t *bytes, size_t count);

/* The cell shown at a place, history and all. */
struct terminal_cell terminal_view_cell(const struct terminal_view *t, unsigned row, unsigned column);

/* Scrolls back (positive) or on. */
void terminal_view_scroll(struct terminal_view *t, int lines);

#endif
