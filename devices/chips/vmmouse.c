/*
 * The absolute pointer of the VMware backdoor. See vmmouse.h.
 *
 * Invariant: queue_count is a multiple of four but while the version waits to be read: a position is in the queue
 * whole, or not at all when the guest does not read.
 *
 * Thread: whoever holds the machine lock.
 * Source: VMware's "vmmouse" driver of X.org, vmmouse_proto.h and vmmouse_client.c: commands, words, flags.
 */
#include "devices/chips/vmmouse.h"

#include "cpu-model/base/log.h"

#define MOUSE_VERSION 0x3442554au

enum {
    CMD_DATA = 39,
    CMD_STATUS = 40,
    CMD_COMMAND = 41,

    DISABLE = 0x000000f5,
    READ_ID = 0x45414552,
    REQUEST_RELATIVE = 0x4c455252,
    REQUEST_ABSOLUTE = 0x53424152,

    PACKET_WORDS = 4,
    READ_MAX = 4,
    /* the first word of a packet */
    RELATIVE = 0x10000,
    BUTTON_LEFT = 0x20,
    BUTTON_RIGHT = 0x10,
    BUTTON_MIDDLE = 0x08,
};

#define STATUS_ERROR 0xffff0000u

static void clear_queue(struct vmmouse *m)
{
    m->queue_first = m->queue_count = 0;
}

static void push(struct vmmouse *m, uint32_t word)
{
    m->queue[(m->queue_first + m->queue_count++) % VMMOUSE_QUEUE_WORDS] = word;
}

static uint32_t take(struct vmmouse *m)
{
    uint32_t word = m->queue[m->queue_first];
    m->queue_first = (m->queue_first + 1) % VMMOUSE_QUEUE_WORDS;
    m->queue_count--;
    return word;
}

static void disable(struct vmmouse *m)
{
    m->enabled = m->absolute = 0;
    clear_queue(m);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static void command(struct vmmouse *m, uint32_t what)
{
    switch (what) {
    case READ_ID:
        m->enabled = 1;
        clear_queue(m);
        push(m, MOUSE_VERSION);
        break;
    case DISABLE:
        disable(m);
        break;
    case REQUEST_RELATIVE:
    case REQUEST_ABSOLUTE:
        m->absolute = what == REQUEST_ABSOLUTE;
        break;
    default:
        log_line(LOG_GUEST, "vmmouse: unknown command %#x", what);
        break;
    }
}

/* EBX words of the queue, in EAX, EBX, ECX, EDX. Asking for what is not there ends the conversation. */
static void read_data(struct vmmouse *m, struct vmware_registers *r)
{
    uint32_t words[READ_MAX] = {0}, count = r->ebx;

    if (!count || count > READ_MAX || count > m->queue_count) {
        disable(m);
        r->eax = STATUS_ERROR;
        return;
    }
    for (unsigned i = 0; i < count; i++)
        words[i] = take(m);
    *r = (struct vmware_registers){words[0], words[1], words[2], words[3]};
}

bool vmmouse_call(struct vmmouse *m, struct vmware_registers *r)
{
    switch (r->ecx & 0xffff) {
    case CMD_DATA:
        read_data(m, r);
        return true;
    case CMD_STATUS:
        r->eax = m->enabled ? m->queue_count : STATUS_ERROR;
        return true;
    case CMD_COMMAND:
        command(m, r->ebx);
        r->eax = 0;
        return true;
    default:
        return false;
    }
}

/* --- what a person does ------------------------------------------------------------------------------------------- */

static bool sink_wanted(void *device)
{
    const struct vmmouse *m = device;
    return m->enabled && m->absolute;
}

/* A packet: where the pointer is, or with RELATIVE in flags how far it moved. */
static void tell(struct vmmouse *m, uint32_t flags, uint32_t x, uint32_t y, int clicks)
{
    if (!sink_wanted(m) || m->queue_count > VMMOUSE_QUEUE_WORDS - PACKET_WORDS)
        return;
    push(m, flags | (m->buttons & 1 << UI_BUTTON_LEFT ? BUTTON_LEFT : 0) |
                (m->buttons & 1 << UI_BUTTON_RIGHT ? BUTTON_RIGHT : 0) |
                (m->buttons & 1 << UI_BUTTON_MIDDLE ? BUTTON_MIDDLE : 0));
    push(m, x);
    push(m, y);
    push(m, (uint32_t)clicks);
    if (m->config.notify)
        m->config.notify(m->config.context);
}

/* Buttons or the wheel, with the position; if that is not known, with no step. */
static void tell_in_place(struct vmmouse *m, int clicks)
{
    if (m->placed)
        tell(m, 0, m->x, m->y, clicks);
    else
        tell(m, RELATIVE, 0, 0, clicks);
}

/* Who moves it by steps (a monitor) is understood too; up is positive in packets. */
static void sink_motion(void *device, int dx, int dy)
{
    struct vmmouse *m = device;
    m->placed = 0;
    tell(m, RELATIVE, (uint32_t)dx, 0 - (uint32_t)dy, 0);
}

static uint16_t scale(unsigned position)
{
    return (uint16_t)(position >= UI_POSITION_MAX ? 0xffff : position * 2);
}

static void sink_position(void *device, unsigned x, unsigned y)
{
    struct vmmouse *m = device;
    m->x = scale(x);
    m->y = scale(y);
    m->placed = 1;
    tell_in_place(m, 0);
}

static void sink_button(void *device, enum ui_button button, bool down)
{
    struct vmmouse *m = device;
    if ((unsigned)button > UI_BUTTON_EXTRA)
        return;
    m->buttons = (uint8_t)((m->buttons & ~(1u << button)) | (unsigned)down << button);
    tell_in_place(m, 0);
}

static void sink_wheel(void *device, int clicks)
{
    tell_in_place(device, clicks);
}

struct pointer_sink vmmouse_sink(struct vmmouse *m)
{
    return (struct pointer_sink){.motion = sink_motion,
                                 .position = sink_position,
                                 .button = sink_button,
                                 .wheel = sink_wheel,
                                 .wanted = sink_wanted,
                                 .device = m};
}

/* --- class -------------------------------------------------------------------------------------------------------- */

static void vmmouse_reset(void *device)
{
    disable(device); /* what is pressed stays pressed */
}

static void vmmouse_restored(void *device)
{
    struct vmmouse *m = device;
    m->queue_first %= VMMOUSE_QUEUE_WORDS;
    if (m->queue_count > VMMOUSE_QUEUE_WORDS)
        m->queue_count = 0;
    m->buttons = 0;
}

static const struct field fields[] = {
    FIELD(struct vmmouse, enabled),     FIELD(struct vmmouse, absolute),    FIELD(struct vmmouse, buttons),
    FIELD(struct vmmouse, placed),      FIELD(struct vmmouse, x),           FIELD(struct vmmouse, y),
    FIELD(struct vmmouse, queue_first), FIELD(struct vmmouse, queue_count), FIELD_ARRAY(struct vmmouse, queue),
};

const struct device_class vmmouse_class = {
    .name = "vmmouse",
    .version = 1,
    .reset = vmmouse_reset,
    .restored = vmmouse_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

void vmmouse_init(struct vmmouse *m, const struct vmmouse_config *config)
{
    *m = (struct vmmouse){.config = *config};
}
