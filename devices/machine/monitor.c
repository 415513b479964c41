/*
 * Sessions of the human monitor, and how a line becomes a command. See monitor.h.
 *
 * Invariants: the vCPU is held while a command runs, so that every command sees registers and memory at rest. No input
 * is taken while much output waits for its reader.
 *
 * Thread: the main thread, with the machine lock held.
 */
#include "devices/machine/monitor.h"

#include "devices/machine/line_edit.h"
#include "devices/machine/monitor_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PROMPT "(qemu) "

enum { BACKLOG_MAX = 64 << 10 };

struct monitor {
    struct machine *machine;
    struct chardev *chardev;
    struct monitor *next;
    bool terminal, greeted;
    struct line_edit edit;
    char line[MONITOR_LINE_MAX]; /* not on a terminal */
    size_t length;
};

/* --- lines to commands -------------------------------------------------------------------------------------------- */

/* Whether `name` is one of the alternatives. */
static bool is_named(const struct monitor_command *command, const char *name, size_t length)
{
    const char *at = command->names;
    for (;;) {
        size_t one = strcspn(at, "|");
        if (one == length && !strncmp(at, name, length))
            return true;
        if (!at[one])
            return false;
        at += one + 1;
    }
}

const struct monitor_command *monitor_find(const struct monitor_command *table, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (is_named(&table[i], name, strlen(name)))
            return &table[i];
    return NULL;
}

int monitor_file_refused(const struct machine *m, int code, const char *path, struct error *err)
{
    if (code == -EPERM && m->options.sandbox)
        return error_set(err, code, "cannot write '%s': -sandbox on allows no new files; start without it to save some",
                         path);
    return error_set(err, code, "cannot open '%s': %s", path, strerror(-code));
}

static int run_line(struct machine *m, const char *line, FILE *out, struct error *err)
{
    char name[64];
    const char *rest = line;
    struct monitor_args args;

    if (!monitor_word(&rest, name, sizeof(name)))
        return 0;
    char *slash = strchr(name, '/'); /* "x/10i" is "x /10i" */
    if (slash) {
        rest = strchr(line, '/');
        *slash = 0;
    }
    const struct monitor_command *command = monitor_find(monitor_commands, monitor_command_count, name);
    if (!command)
        return error_set(err, -ENOENT, "unknown command: '%s'", name);
    int r = monitor_parse_args(command->args, rest, monitor_register, m, &args, err);
    if (r) {
        fprintf(out, "%s: %s\n", name, err->text);
        snprintf(err->text, sizeof(err->text), "try \"help %s\" for more information", name);
        return r;
    }
    struct monitor_call call = {.machine = m, .arg = args.arg, .out = out};
    r = command->run(&call, err);
    if (r && strncmp(err->text, "Error: ", 7)) {
        struct error plain = *err;
        snprintf(err->text, sizeof(err->text), "Error: %.500s", plain.text);
    }
    return r;
}

int monitor_execute(struct machine *m, const char *line, char **output)
{
    struct error err;
    size_t size;

    *output = NULL;
    FILE *out = open_memstream(output, &size);
    if (!out)
        return -ENOMEM;
    machine_hold_locked(m);
    if (run_line(m, line, out, &err))
        fprintf(out, "%s\n", err.text);
    machine_release_locked(m);
    bool failed = ferror(out);
    if (fclose(out) || failed || !*output) {
        free(*output);
        *output = NULL;
        return -ENOMEM;
    }
    return 0;
}

/* --- help and completion ------------------------------------------------------------------------------------------ */

static void print_help(FILE *out, const struct monitor_command *command, const char *before)
{
    char args[160];
    monitor_describe_args(command->args, args, sizeof(args));
    fprintf(out, "%s%s %s%s-- %s\n", before, command->names, args, args[0] ? " " : "", command->help);
}

int monitor_help(struct monitor_call *call, struct error *err)
{
    char name[64];
    const char *what = call->arg[0].given ? call->arg[0].text : "";

    if (monitor_word(&what, name, sizeof(name)) && !strcmp(name, "info")) {
        bool one = monitor_word(&what, name, sizeof(name));
        for (unsigned i = 0; i < monitor_info_count; i++)
            if (!one || is_named(&monitor_infos[i], name, strlen(name)))
                print_help(call->out, &monitor_infos[i], "info ");
        return 0;
    }
    if (!call->arg[0].given) {
        for (unsigned i = 0; i < monitor_command_count; i++)
            print_help(call->out, &monitor_commands[i], "");
        return 0;
    }
    const struct monitor_command *command = monitor_find(monitor_commands, monitor_command_count, name);
    if (!command)
        return error_set(err, -ENOENT, "unknown command: '%s'; \"help\" lists them", name);
    print_help(call->out, command, "");
    return 0;
}

/* Names in `table` that begin with `start`. */
static unsigned complete_name(const struct monitor_command *table, unsigned count, const char *start,
                              char words[][LINE_EDIT_WORD], unsigned max)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count && found < max; i++)
        if (!strncmp(table[i].names, start, strlen(start)))
            snprintf(words[found++], LINE_EDIT_WORD, "%.*s", (int)strcspn(table[i].names, "|"), table[i].names);
    return found;
}

static unsigned complete(void *context, const char *text, char words[][LINE_EDIT_WORD], unsigned max)
{
    char word[64];
    const char *space = strrchr(text, ' '), *last = space ? space + 1 : text, *at = text;
    (void)context;

    if (!space)
        return complete_name(monitor_commands, monitor_command_count, last, words, max);
    if (!monitor_word(&at, word, sizeof(word)))
        return 0;
    if (!strcmp(word, "info"))
        return complete_name(monitor_infos, monitor_info_count, last, words, max);
    if (!strcmp(word, "help") || !strcmp(word, "?"))
        return complete_name(monitor_commands, monitor_command_count, last, words, max);
    return 0;
}

/* --- sessions ----------------------------------------------------------------------------------------------------- */

/* Newlines become CR LF, which terminals in raw mode need and scripts written for QEMU expect. */
static void send_text(void *context, const char *text)
{
    struct monitor *mon = context;
    size_t length;

    if (mon->machine->exiting) /* no prompt after "quit" */
        return;
    for (; *text; text += length) {
        length = strcspn(text, "\n");
        if (length)
            chardev_send(mon->chardev, (const uint8_t *)text, length);
        if (text[length] && !(length && text[length - 1] == '\r'))
            chardev_send(mon->chardev, (const uint8_t *)"\r\n", 2);
        else if (text[length])
            chardev_send(mon->chardev, (const uint8_t *)"\n", 1);
        length += text[length] != 0;
    }
}

static void on_line(void *context, const char *line)
{
    struct monitor *mon = context;
    char *output;

    if (monitor_execute(mon->machine, line, &output)) {
        send_text(mon, "Error: no memory\n");
        return;
    }
    send_text(mon, output);
    free(output);
}

static void plain_byte(struct monitor *mon, char byte)
{
    if (byte != '\n' && byte != '\r') {
        if (mon->length + 1 < sizeof(mon->line))
            mon->line[mon->length] = byte;
        mon->length++;
        return;
    }
    bool fits = mon->length < sizeof(mon->line);
    if (byte == '\n' || mon->length) { /* CR LF is one end */
        if (fits) {
            mon->line[mon->length] = 0;
            send_text(mon, mon->line);
            send_text(mon, "\n");
            on_line(mon, mon->line);
        } else {
            send_text(mon, "the line is too long\n");
        }
        send_text(mon, PROMPT);
    }
    mon->length = 0;
}

static size_t can_receive(void *device)
{
    const struct monitor *mon = device;
    const struct chardev *c = mon->chardev;
    return !mon->machine->exiting && !(c->backlog && c->backlog(c) > BACKLOG_MAX);
}

static void receive(void *device, const uint8_t *bytes, size_t count)
{
    struct monitor *mon = device;

    for (size_t i = 0; i < count && !mon->machine->exiting; i++) {
        if (mon->terminal)
            line_edit_byte(&mon->edit, (char)bytes[i]);
        else
            plain_byte(mon, (char)bytes[i]);
    }
}

static void connected(void *device, bool connected)
{
    struct monitor *mon = device;

    mon->length = 0;
    if (!connected) {
        if (mon->terminal)
            send_text(mon, "\n");
        return;
    }
    send_text(mon, mon->greeted ? "\n" : "ring3 " RING3_VERSION " monitor - type 'help' for more information\n");
    mon->greeted = mon->terminal; /* a socket's next client is another person */
    if (mon->terminal)
        line_edit_start(&mon->edit);
    else
        send_text(mon, PROMPT);
}

struct monitor *monitor_create(struct machine *m, struct chardev *chardev, bool terminal)
{
    struct monitor *mon = calloc(1, sizeof(*mon));
    if (!mon)
        return NULL;
    mon->machine = m;
    mon->chardev = chardev;
    mon->terminal = terminal;
    mon->edit =
        (struct line_edit){.prompt = PROMPT, .context = mon, .send = send_text, .line = on_line, .complete = complete};
    chardev->can_receive = can_receive;
    chardev->receive = receive;
    chardev->connected = connected;
    chardev->device = mon;
    mon->next = m->monitors;
    m->monitors = mon;
    return mon;
}

void monitor_destroy(struct monitor *mon)
{
    if (!mon)
        return;
    for (struct monitor **at = &mon->machine->monitors; *at; at = &(*at)->next) {
        if (*at != mon)
            continue;
        *at = mon->next;
        break;
    }
    mon->chardev->receive = NULL;
    mon->chardev->connected = NULL;
    line_edit_destroy(&mon->edit);
    free(mon);
}
