/*
 * How the human monitor reads a command line: words, /formats and expressions, as a command's argument specification
 * asks for them. No machine in here: registers come from a function.
 *
 * A specification is a list "name:kind name:kind ...". A kind is a letter, and `?` behind it makes the argument
 * optional:
 *
 *     s  a word, or "a string in quotes"            e  an expression: 0x1000+$rip*2
 *     t  the rest of the line                       /  a format: /20xw
 *     f  the name of a file (as s)                  -  a flag: its name is the letter
 *     o  -name WORD: the name is the letter
 *
 * Thread: any.
 */
#ifndef RING3_MACHINE_MONITOR_PARSE_H
#define RING3_MACHINE_MONITOR_PARSE_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"

enum { MONITOR_MAX_ARGS = 6, MONITOR_LINE_MAX = 4096 };

/* The value of a register by its name without the $. False: there is none. */
typedef bool monitor_register_fn(void *context, const char *name, uint64_t *value);

/* /COUNT FORMAT SIZE, each optional, in gdb's way. */
struct monitor_format {
    uint64_t count; /* at least 1 */
    char format;    /* x d u o c i s; 0: not said */
    unsigned size;  /* 1, 2, 4 or 8; 0: not said */
};

struct monitor_arg {
    bool given;
    const char *text; /* s, t, f, o */
    uint64_t value;   /* e; -: 1 */
    struct monitor_format format;
};

struct monitor_args {
    struct monitor_arg arg[MONITOR_MAX_ARGS]; /* in the specification's order */
    char text[MONITOR_LINE_MAX];              /* what they point to */
};

/*
 * Evaluates the expression at *text and moves *text behind it. As in QEMU, + and - bind weakest, then & | ^, then
 * * / %; there are ~ - + ( ) 'c', decimal, 0x and 0 octal numbers. Returns 0, or -EINVAL with a message.
 */
int monitor_expression(const char **text, monitor_register_fn *registers, void *context, uint64_t *value,
                       struct error *err);

/* Reads the format at *text ('/' first), and moves *text behind it. */
int monitor_format(const char **text, struct monitor_format *format, struct error *err);

/* Reads a command's arguments. Returns 0, or -EINVAL with a message. */
int monitor_parse_args(const char *specification, const char *line, monitor_register_fn *registers, void *context,
                       struct monitor_args *args, struct error *err);

/* The arguments for people: "/fmt addr", "[-f] device". */
void monitor_describe_args(const char *specification, char *text, size_t size);

/* Reads a word, in quotes or not, into at most `size` bytes. False: nothing there, or the quote is not closed. */
bool monitor_word(const char **text, char *word, size_t size);

#endif
