/*
 * A line typed at a terminal: editing keys, history and completion. Bytes in, text for the terminal out.
 *
 * Keys: arrows, Home, End, Delete, Backspace; Ctrl-a e b f u k w l p n d; Tab; Ctrl-c gives the line up.
 * Thread: one at a time.
 */
#ifndef RING3_MACHINE_LINE_EDIT_H
#define RING3_MACHINE_LINE_EDIT_H

#include "cpu-model/base/types.h"

enum { LINE_EDIT_MAX = 1024, LINE_EDIT_HISTORY = 50, LINE_EDIT_COMPLETIONS = 128, LINE_EDIT_WORD = 24 };

struct line_edit {
    const char *prompt;
    void *context;
    void (*send)(void *context, const char *text);
    void (*line)(void *context, const char *line); /* Enter was pressed */
    /* Fills words[] with what may stand for the last word of `text`; returns how many. May be null. */
    unsigned (*complete)(void *context, const char *text, char words[][LINE_EDIT_WORD], unsigned max);

    char text[LINE_EDIT_MAX];
    unsigned length, cursor;
    char escape[8]; /* a sequence begun */
    unsigned escaped;
    char *history[LINE_EDIT_HISTORY]; /* oldest first */
    unsigned remembered, shown;       /* shown: index in history; remembered: the new line */
};

/* Forgets the line and its history. */
void line_edit_destroy(struct line_edit *edit);

/* Shows the prompt with an empty line. */
void line_edit_start(struct line_edit *edit);

void line_edit_byte(struct line_edit *edit, char byte);

#endif
