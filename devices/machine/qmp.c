/*
 * QMP sessions: greeting, negotiation, dispatch, events. See qmp.h.
 *
 * Invariants: an answer or event is one line, sent whole. Nothing but qmp_capabilities is answered before the
 * negotiation, and no event sent. No input is taken while many answers wait for their reader.
 *
 * Threads: input on the main thread; machine_event_locked() on any. All with the machine lock held.
 * Source: QEMU's docs/interop/qmp-spec.txt.
 */
#include "devices/machine/qmp.h"

#include "devices/machine/json_frame.h"
#include "devices/machine/qmp_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { BACKLOG_MAX = 64 << 10 };

struct qmp {
    struct machine *machine;
    struct chardev *chardev;
    struct qmp *next;
    bool negotiated;
    struct json_frame frame;
};

static void send_json(struct qmp *q, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII) : NULL;
    if (text) {
        chardev_send(q->chardev, (const uint8_t *)text, strlen(text));
        chardev_send(q->chardev, (const uint8_t *)"\r\n", 2);
    }
    free(text);
    json_decref(value);
}

json_t *qmp_version(void)
{
    int major = 0, minor = 0, micro = 0;
    sscanf(RING3_VERSION, "%d.%d.%d", &major, &minor, &micro);
    return json_pack("{s:{s:i,s:i,s:i},s:s}", "qemu", "micro", micro, "minor", minor, "major", major, "package",
                     "ring3-" RING3_VERSION);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void answer_error(struct qmp *q, enum qmp_class class, const char *text, json_t *id)
{
    static const char *const names[] = {"GenericError", "CommandNotFound", "DeviceNotFound", "DeviceNotActive"};
    json_t *answer = json_pack("{s:{s:s,s:s+}}", "error", "class", names[class], "desc", text, "");

    if (!answer) /* text from the outside that is not UTF-8 */
        answer = json_pack("{s:{s:s,s:s}}", "error", "class", names[class], "desc", "the input is not UTF-8");
    if (id)
        json_object_set(answer, "id", id);
    send_json(q, answer);
}

static void answer(struct qmp *q, json_t *result, json_t *id)
{
    json_t *answer = json_pack("{s:o}", "return", result ? result : json_object());
    if (id)
        json_object_set(answer, "id", id);
    send_json(q, answer);
}

/* --- checking ----------------------------------------------------------------------------------------------------- */

struct kind {
    char letter;
    const char *name;
};

static bool is_kind(const json_t *value, char kind)
{
    switch (kind) {
    case 's':
        return json_is_string(value);
    case 'i':
        return json_is_integer(value);
    case 'b':
        return json_is_boolean(value);
    case 'a':
        return json_is_array(value);
    default:
        return json_is_object(value);
    }
}

static const char *kind_name(char kind)
{
    static const struct kind kinds[] = {
        {'s', "string"}, {'i', "integer"}, {'b', "boolean"}, {'a', "array"}, {'o', "object"}};
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].letter == kind)
            return kinds[i].name;
    return "?";
}

int qmp_check(const char *specification, const json_t *values, struct error *err)
{
    size_t known = 0;
    char name[48];

    for (const char *at = specification; *at; at += *at == ' ') {
        size_t length = strcspn(at, ":");
        snprintf(name, sizeof(name), "%.*s", (int)length, at);
        char kind = at[length + 1];
        at += length + 2;
        bool optional = *at == '?';
        at += optional;
        const json_t *value = json_object_get(values, name);
        known += value != NULL;
        if (!value && !optional)
            return error_set(err, -EINVAL, "Parameter '%s' is missing", name);
        if (value && !is_kind(value, kind))
            return error_set(err, -EINVAL, "Invalid parameter type for '%s', expected: %s", name, kind_name(kind));
    }
    if (json_object_size(values) == known)
        return 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)values, key, value)
    {
        const char *found = specification;
        size_t length = strlen(key);
        while ((found = strstr(found, key)) && !((found == specification || found[-1] == ' ') && found[length] == ':'))
            found++;
        if (!found || !length)
            return error_set(err, -EINVAL, "Parameter '%.100s' is unexpected", key);
    }
    return 0;
}

/* --- dispatch ----------------------------------------------------------------------------------------------------- */

static void negotiate(struct qmp *q, const json_t *arguments, json_t *id)
{
    struct error err;

    if (q->negotiated) {
        answer_error(q, QMP_COMMAND_NOT_FOUND, "Capabilities negotiation is already complete, command ignored", id);
    } else if (qmp_check("enable:a?", arguments, &err)) {
        answer_error(q, QMP_GENERIC_ERROR, err.text, id);
    } else if (json_array_size(json_object_get(arguments, "enable"))) {
        answer_error(q, QMP_GENERIC_ERROR, "Capability is not available: none were offered", id);
    } else {
        q->negotiated = true;
        answer(q, NULL, id);
    }
}

static const struct qmp_command *find(const char *name)
{
    for (unsigned i = 0; i < qmp_command_count; i++)
        if (!strcmp(qmp_commands[i].name, name))
            return &qmp_commands[i];
    return NULL;
}

static void execute(struct qmp *q, const char *name, const json_t *arguments, json_t *id)
{
    struct error err;
    struct qmp_call call = {.machine = q->machine, .arguments = arguments};
    json_t *result = NULL;
    char text[200];

    if (!strcmp(name, "qmp_capabilities")) {
        negotiate(q, arguments, id);
        return;
    }
    if (!q->negotiated) {
        answer_error(q, QMP_COMMAND_NOT_FOUND, "Expecting capabilities negotiation with 'qmp_capabilities'", id);
        return;
    }
    const struct qmp_command *command = find(name);
    if (!command) {
        snprintf(text, sizeof(text), "The command %.100s has not been found", name);
        answer_error(q, QMP_COMMAND_NOT_FOUND, text, id);
        return;
    }
    int r = qmp_check(command->args, arguments, &err);
    if (!r)
        r = command->run(&call, &result, &err);
    if (!r) {
        answer(q, result, id);
    } else {
        json_decref(result);
        answer_error(q, call.class, err.text, id);
    }
}

static void on_value(struct qmp *q, const json_t *request)
{
    json_t *id = json_object_get(request, "id"), *arguments = json_object_get(request, "arguments");
    const char *name = json_string_value(json_object_get(request, "execute"));
    const char *key;
    json_t *value;
    char text[200];

    if (!json_is_object(request)) {
        answer_error(q, QMP_GENERIC_ERROR, "QMP input must be a JSON object", NULL);
        return;
    }
    json_object_foreach((json_t *)request, key, value)
    {
        if (strcmp(key, "id") && strcmp(key, "execute") && strcmp(key, "arguments")) {
            snprintf(text, sizeof(text), "QMP input member '%.100s' is unexpected", key);
            answer_error(q, QMP_GENERIC_ERROR, text, id);
            return;
        }
    }
    if (!name) {
        bool there = json_object_get(request, "execute");
        answer_error(q, QMP_GENERIC_ERROR,
                     there ? "QMP input member 'execute' must be a string" : "QMP input lacks member 'execute'", id);
        return;
    }
    if (arguments && !json_is_object(arguments)) {
        answer_error(q, QMP_GENERIC_ERROR, "QMP input member 'arguments' must be an object", id);
        return;
    }
    json_t *none = arguments ? NULL : json_object();
    execute(q, name, arguments ? arguments : none, id);
    json_decref(none);
}

static void on_text(struct qmp *q)
{
    json_error_t error;
    char text[300];
    json_t *request = json_loadb(q->frame.text, q->frame.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    if (!request) {
        snprintf(text, sizeof(text), "JSON parse error, %s", error.text);
        answer_error(q, QMP_GENERIC_ERROR, text, NULL);
        return;
    }
    on_value(q, request);
    json_decref(request);
}

/* --- the back end ------------------------------------------------------------------------------------------------- */

static size_t can_receive(void *device)
{
    const struct qmp *q = device;
    const struct chardev *c = q->chardev;
    return !q->machine->exiting && !(c->backlog && c->backlog(c) > BACKLOG_MAX);
}

static void receive(void *device, const uint8_t *bytes, size_t count)
{
    struct qmp *q = device;

    for (size_t i = 0; i < count && !q->machine->exiting; i++) {
        enum json_frame_result r = json_frame_byte(&q->frame, (char)bytes[i]);
        if (r == JSON_FRAME_VALUE)
            on_text(q);
        else if (r == JSON_FRAME_ERROR)
            answer_error(q, QMP_GENERIC_ERROR, "JSON parse error, invalid, too long or too deeply nested input", NULL);
    }
}

static void connected(void *device, bool connected)
{
    struct qmp *q = device;

    json_frame_destroy(&q->frame);
    q->negotiated = false;
    if (connected)
        send_json(q, json_pack("{s:{s:o,s:[]}}", "QMP", "version", qmp_version(), "capabilities"));
}

struct qmp *qmp_create(struct machine *m, struct chardev *chardev)
{
    struct qmp *q = calloc(1, sizeof(*q));
    if (!q)
        return NULL;
    q->machine = m;
    q->chardev = chardev;
    chardev->can_receive = can_receive;
    chardev->receive = receive;
    chardev->connected = connected;
    chardev->device = q;
    q->next = m->qmps;
    m->qmps = q;
    return q;
}

void qmp_destroy(struct qmp *q)
{
    if (!q)
        return;
    for (struct qmp **at = &q->machine->qmps; *at; at = &(*at)->next) {
        if (*at != q)
            continue;
        *at = q->next;
        break;
    }
    q->chardev->receive = NULL;
    q->chardev->connected = NULL;
    json_frame_destroy(&q->frame);
    free(q);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static json_t *event_json(enum machine_event event, enum machine_cause cause)
{
    static const char *const names[] = {
#define X(symbol, name) name,
        MACHINE_EVENTS(X)
#undef X
    };
    static const struct {
        const char *name;
        bool guest;
    } causes[] = {
#define X(symbol, name, guest) {name, guest},
        MACHINE_CAUSES(X)
#undef X
    };
    struct timeval now;

    gettimeofday(&now, NULL);
    json_t *json = json_pack("{s:{s:I,s:I},s:s}", "timestamp", "seconds", (json_int_t)now.tv_sec, "microseconds",
                             (json_int_t)now.tv_usec, "event", names[event]);
    if (cause != CAUSE_NONE)
        json_object_set_new(json, "data",
                            json_pack("{s:b,s:s}", "guest", causes[cause].guest, "reason", causes[cause].name));
    return json;
}

void machine_event_locked(struct machine *m, enum machine_event event, enum machine_cause cause)
{
    for (struct qmp *q = m->qmps; q; q = q->next)
        if (q->negotiated)
            send_json(q, event_json(event, cause));
}
