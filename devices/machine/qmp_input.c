/*
 * QMP's keyboard and pointer: send-key and input-send-event. See qmp_int.h.
 *
 * Invariant: a list of events is checked whole before the first is sent.
 * Thread: the main thread, with the machine lock held.
 */
#include "devices/machine/qmp_int.h"

#include <errno.h>
#include <string.h>

/* A KeyValue, {"type": "qcode"|"number", "data": ...}, to a key. Negative: an error is set. */
static int key_of(const json_t *value, struct error *err)
{
    const char *type = json_string_value(json_object_get(value, "type"));
    const json_t *data = json_object_get(value, "data");
    const char *name = json_string_value(data);

    if (!type || !data)
        return error_set(err, -EINVAL, "a key has a type (qcode or number) and data");
    if (!strcmp(type, "qcode")) {
        int key = name ? ui_key_by_name(name) : -1;
        return key >= 0 ? key
                        : error_set(err, -EINVAL, "Parameter 'data' does not accept value '%.40s'",
                                    name ? name : "(not a string)");
    }
    if (strcmp(type, "number") || !json_is_integer(data))
        return error_set(err, -EINVAL, "Parameter 'type' does not accept value '%.40s'", type);
    json_int_t number = json_integer_value(data);
    if (number <= 0 || number > 0x58 || !ui_key_name((enum ui_key)number))
        return error_set(err, -EINVAL, "no key has the number %lld", (long long)number);
    return (int)number;
}

int qmp_send_key(struct qmp_call *call, json_t **result, struct error *err)
{
    const json_t *keys = json_object_get(call->arguments, "keys"), *hold;
    enum ui_key chord[KEYBOARD_CHORD_MAX];
    size_t count = json_array_size(keys);
    (void)result;

    hold = json_object_get(call->arguments, "hold-time");
    json_int_t hold_ms = hold ? json_integer_value(hold) : KEYBOARD_HOLD_MS;
    if (count > KEYBOARD_CHORD_MAX)
        return error_set(err, -EINVAL, "too many keys; at most %d at once", KEYBOARD_CHORD_MAX);
    if (hold_ms < 0 || hold_ms > 60000)
        return error_set(err, -EINVAL, "Parameter 'hold-time' expects 0 to 60000 ms");
    for (size_t i = 0; i < count; i++) {
        int key = key_of(json_array_get(keys, i), err);
        if (key < 0)
            return key;
        chord[i] = (enum ui_key)key;
    }
    int r = keyboard_queue_add(&call->machine->keyboard, chord, (unsigned)count, (uint32_t)hold_ms);
    return r ? error_set(err, r, "too many keys wait already; try again a little later") : 0;
}

/* --- input-send-event --------------------------------------------------------------------------------------------- */

struct pointer {
    int dx, dy;
    unsigned x, y;
    bool moved, placed;
};

static int button_event(struct ui *ui, const json_t *data, bool send, struct error *err)
{
    static const char *const names[] = {"left", "right", "middle", "side", "extra"};
    const char *name = json_string_value(json_object_get(data, "button"));
    const json_t *down = json_object_get(data, "down");

    if (!name || !json_is_boolean(down))
        return error_set(err, -EINVAL, "a btn event has a button and down");
    if (!strcmp(name, "wheel-up") || !strcmp(name, "wheel-down")) {
        if (send && json_is_true(down))
            ui_wheel(ui, name[6] == 'u' ? -1 : 1);
        return 0;
    }
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]))
            continue;
        if (send)
            ui_button(ui, (enum ui_button)i, json_is_true(down));
        return 0;
    }
    return error_set(err, -EINVAL, "Parameter 'button' does not accept value '%.40s'", name);
}

static int move_event(const json_t *data, bool absolute, struct pointer *p, struct error *err)
{
    const char *axis = json_string_value(json_object_get(data, "axis"));
    const json_t *value = json_object_get(data, "value");

    if (!axis || (strcmp(axis, "x") && strcmp(axis, "y")) || !json_is_integer(value))
        return error_set(err, -EINVAL, "a %s event has an axis (x or y) and a value", absolute ? "abs" : "rel");
    json_int_t n = json_integer_value(value);
    if (n < (absolute ? 0 : -UI_POSITION_MAX) || n > UI_POSITION_MAX)
        return error_set(err, -EINVAL, "Parameter 'value' is out of range; it ends at %d", UI_POSITION_MAX);
    if (absolute)
        *(axis[0] == 'x' ? &p->x : &p->y) = (unsigned)n;
    else
        *(axis[0] == 'x' ? &p->dx : &p->dy) += (int)n;
    *(absolute ? &p->placed : &p->moved) = true;
    return 0;
}

static int one_event(struct machine *m, const json_t *event, bool send, struct pointer *p, struct error *err)
{
    const char *type = json_string_value(json_object_get(event, "type"));
    const json_t *data = json_object_get(event, "data");

    if (!type || !json_is_object(data))
        return error_set(err, -EINVAL, "an event has a type (key, btn, rel or abs) and data");
    if (!strcmp(type, "btn"))
        return button_event(&m->ui, data, send, err);
    if (!strcmp(type, "rel") || !strcmp(type, "abs"))
        return move_event(data, type[0] == 'a', p, err);
    if (strcmp(type, "key"))
        return error_set(err, -EINVAL, "Parameter 'type' does not accept value '%.40s'", type);
    const json_t *down = json_object_get(data, "down");
    int key = key_of(json_object_get(data, "key"), err);
    if (key < 0)
        return key;
    if (!json_is_boolean(down))
        return error_set(err, -EINVAL, "a key event has a key and down");
    if (send)
        ui_key(&m->ui, (enum ui_key)key, json_is_true(down));
    return 0;
}

int qmp_input_send_event(struct qmp_call *call, json_t **result, struct error *err)
{
    const json_t *events = json_object_get(call->arguments, "events"), *event;
    struct machine *m = call->machine;
    size_t i;
    (void)result;

    struct pointer check = {.x = m->pointer_x, .y = m->pointer_y};
    json_array_foreach(events, i, event)
    {
        int r = one_event(m, event, false, &check, err);
        if (r)
            return r;
    }
    /* Axes of one list are one movement; it comes before the buttons. */
    if (check.placed) {
        m->pointer_x = check.x;
        m->pointer_y = check.y;
        ui_position(&m->ui, m->pointer_x, m->pointer_y);
    }
    if (check.moved)
        ui_motion(&m->ui, check.dx, check.dy);
    json_array_foreach(events, i, event) one_event(m, event, true, &check, err);
    return 0;
}
