/*
 * The human monitor's arguments and expressions. See monitor_parse.h.
 *
 * Invariant: nothing is trusted. Lines are bounded by MONITOR_LINE_MAX, recursion by EXPRESSION_DEPTH.
 * Thread: any.
 */
#include "devices/machine/monitor_parse.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INVALID(...) error_set(err, -EINVAL, __VA_ARGS__)

enum { EXPRESSION_DEPTH = 64 };

static void skip_space(const char **text)
{
    while (isspace((unsigned char)**text))
        (*text)++;
}

/* --- expressions -------------------------------------------------------------------------------------------------- */

struct expression {
    const char *at;
    monitor_register_fn *registers;
    void *context;
    unsigned depth;
    struct error *err;
};

static int sum(struct expression *e, uint64_t *value);

static int number(struct expression *e, uint64_t *value)
{
    struct error *err = e->err;
    char *end;

    if (!isdigit((unsigned char)*e->at))
        return *e->at ? INVALID("invalid char '%c' in expression", *e->at) : INVALID("unexpected end of expression");
    errno = 0;
    *value = strtoull(e->at, &end, 0);
    if (errno == ERANGE)
        return INVALID("number too large");
    if (isalnum((unsigned char)*end) || *end == '_')
        return INVALID("invalid char '%c' in a number", *end);
    e->at = end;
    skip_space(&e->at);
    return 0;
}

static int register_value(struct expression *e, uint64_t *value)
{
    struct error *err = e->err;
    char name[32];
    size_t length = 0;

    e->at++;
    while (isalnum((unsigned char)e->at[length]) || e->at[length] == '_' || e->at[length] == '.')
        length++;
    snprintf(name, sizeof(name), "%.*s", (int)length, e->at);
    if (!e->registers || !e->registers(e->context, name, value))
        return INVALID("unknown register $%s", name);
    e->at += length;
    skip_space(&e->at);
    return 0;
}

static int unary(struct expression *e, uint64_t *value)
{
    struct error *err = e->err;
    char op = *e->at;
    int r;

    if (++e->depth > EXPRESSION_DEPTH)
        return INVALID("expression too deep");
    switch (op) {
    case '+':
    case '-':
    case '~':
        e->at++;
        skip_space(&e->at);
        r = unary(e, value);
        *value = op == '-' ? 0 - *value : op == '~' ? ~*value : *value;
        break;
    case '(':
        e->at++;
        skip_space(&e->at);
        r = sum(e, value);
        if (!r && *e->at != ')')
            r = INVALID("')' expected");
        if (!r) {
            e->at++;
            skip_space(&e->at);
        }
        break;
    case '\'':
        if (!e->at[1] || e->at[2] != '\'')
            return INVALID("a character in quotes expected");
        *value = (uint8_t)e->at[1];
        e->at += 3;
        skip_space(&e->at);
        r = 0;
        break;
    case '$':
        r = register_value(e, value);
        break;
    default:
        r = number(e, value);
    }
    e->depth--;
    return r;
}

static int product(struct expression *e, uint64_t *value)
{
    struct error *err = e->err;
    int r = unary(e, value);

    while (!r && *e->at && strchr("*/%", *e->at)) {
        uint64_t right = 0;
        char op = *e->at++;
        skip_space(&e->at);
        r = unary(e, &right);
        if (!r && !right && op != '*')
            r = INVALID("division by zero");
        else if (!r)
            *value = op == '*' ? *value * right : op == '/' ? *value / right : *value % right;
    }
    return r;
}

static int logic(struct expression *e, uint64_t *value)
{
    int r = product(e, value);

    while (!r && *e->at && strchr("&|^", *e->at)) {
        uint64_t right = 0;
        char op = *e->at++;
        skip_space(&e->at);
        r = product(e, &right);
        *value = op == '&' ? *value & right : op == '|' ? *value | right : *value ^ right;
    }
    return r;
}

static int sum(struct expression *e, uint64_t *value)
{
    int r = logic(e, value);

    while (!r && *e->at && strchr("+-", *e->at)) {
        uint64_t right = 0;
        char op = *e->at++;
        skip_space(&e->at);
        r = logic(e, &right);
        *value = op == '+' ? *value + right : *value - right;
    }
    return r;
}

int monitor_expression(const char **text, monitor_register_fn *registers, void *context, uint64_t *value,
                       struct error *err)
{
    struct expression e = {.at = *text, .registers = registers, .context = context, .err = err};

    *value = 0;
    skip_space(&e.at);
    int r = sum(&e, value);
    *text = e.at;
    return r;
}

/* --- words and formats -------------------------------------------------------------------------------------------- */

int monitor_format(const char **text, struct monitor_format *format, struct error *err)
{
    static const char sizes[] = "bhwg", formats[] = "xduocis";
    const char *at = *text + 1;

    *format = (struct monitor_format){.count = 1};
    if (isdigit((unsigned char)*at)) {
        char *end;
        errno = 0;
        format->count = strtoull(at, &end, 10);
        if (errno || !format->count)
            return INVALID("invalid count in format");
        at = end;
    }
    for (; *at && !isspace((unsigned char)*at); at++) {
        const char *size = strchr(sizes, *at);
        if (size)
            format->size = 1u << (size - sizes);
        else if (strchr(formats, *at))
            format->format = *at;
        else
            return INVALID("invalid char in format: '%c'; there are x d u o c i s, and the sizes b h w g", *at);
    }
    *text = at;
    return 0;
}

bool monitor_word(const char **text, char *word, size_t size)
{
    static const char escapes[] = "n\nr\rt\t";
    const char *at = *text;
    size_t length = 0;

    while (isspace((unsigned char)*at))
        at++;
    if (!*at || !size)
        return false;
    char quote = *at == '"' ? *at++ : 0;
    for (; quote ? *at != quote : *at && !isspace((unsigned char)*at); at++) {
        char byte = *at;
        if (!byte)
            return false;
        if (quote && byte == '\\' && at[1]) {
            byte = *++at;
            const char *escape = strchr(escapes, byte);
            if (escape && (escape - escapes) % 2 == 0)
                byte = escape[1];
        }
        if (length + 1 < size)
            word[length++] = byte;
    }
    word[length] = 0;
    *text = at + (quote != 0);
    return true;
}

/* --- specifications ----------------------------------------------------------------------------------------------- */

struct specification {
    char name[24];
    char kind;
    bool optional;
};

/* The next one of a list. False: no more. */
static bool next_specification(const char **list, struct specification *s)
{
    skip_space(list);
    if (!**list)
        return false;
    size_t length = strcspn(*list, ":");
    snprintf(s->name, sizeof(s->name), "%.*s", (int)length, *list);
    s->kind = (*list)[length + 1];
    *list += length + 2;
    s->optional = **list == '?' || s->kind == '-' || s->kind == 'o';
    *list += **list == '?';
    return true;
}

void monitor_describe_args(const char *list, char *text, size_t size)
{
    struct specification s;
    size_t used = 0;

    text[0] = 0;
    while (next_specification(&list, &s) && used < size) {
        const char *open = s.optional && s.kind != '/' ? "[" : "", *close = *open ? "]" : "";
        const char *dash = s.kind == '-' || s.kind == 'o' ? "-" : s.kind == '/' ? "/" : "";
        used += (size_t)snprintf(text + used, size - used, "%s%s%s%s%s%s", used ? " " : "", open, dash, s.name,
                                 s.kind == 'o' ? " value" : "", close);
    }
}

/* A flag "-x" at *line, or "-x word"; *line moves behind the letter. */
static bool take_flag(const char **line, char letter)
{
    const char *at = *line;
    if (at[0] != '-' || at[1] != letter || (at[2] && !isspace((unsigned char)at[2])))
        return false;
    *line = at + 2;
    return true;
}

struct reader {
    const char *line;
    char *text; /* room for the next text */
    size_t left;
    monitor_register_fn *registers;
    void *context;
};

static int take_text(struct reader *r, const struct specification *s, struct monitor_arg *arg, struct error *err)
{
    if (s->kind == 't') {
        snprintf(r->text, r->left, "%s", r->line);
        r->line += strlen(r->line);
    } else if (!monitor_word(&r->line, r->text, r->left)) {
        return *r->line ? INVALID("%s: the quote is not closed", s->name) : INVALID("%s: argument missing", s->name);
    }
    size_t used = strlen(r->text) + 1;
    arg->text = r->text;
    r->text += used;
    r->left -= used;
    return 0;
}

static int take_arg(struct reader *r, const struct specification *s, struct monitor_arg *arg, struct error *err)
{
    skip_space(&r->line);
    switch (s->kind) {
    case '-':
        arg->given = take_flag(&r->line, s->name[0]);
        arg->value = arg->given;
        return 0;
    case 'o':
        arg->given = take_flag(&r->line, s->name[0]);
        return arg->given ? take_text(r, s, arg, err) : 0;
    case '/':
        arg->format.count = 1;
        arg->given = *r->line == '/';
        return arg->given ? monitor_format(&r->line, &arg->format, err) : 0;
    }
    if (!*r->line)
        return s->optional ? 0 : INVALID("missing argument: %s", s->name);
    arg->given = true;
    if (s->kind != 'e')
        return take_text(r, s, arg, err);
    return monitor_expression(&r->line, r->registers, r->context, &arg->value, err);
}

int monitor_parse_args(const char *list, const char *line, monitor_register_fn *registers, void *context,
                       struct monitor_args *args, struct error *err)
{
    struct reader reader = {line, args->text, sizeof(args->text), registers, context};
    struct specification s;

    memset(args->arg, 0, sizeof(args->arg));
    for (unsigned i = 0; i < MONITOR_MAX_ARGS && next_specification(&list, &s); i++) {
        int r = take_arg(&reader, &s, &args->arg[i], err);
        if (r)
            return r;
    }
    skip_space(&reader.line);
    return *reader.line ? INVALID("extra characters at the end of line: %s", reader.line) : 0;
}
