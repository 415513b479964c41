/*
 * The PS/2 mouse. See ps2_mouse.h.
 *
 * Movement is counted, not queued: a packet is made when the sample clock allows one and the last one has been read, so
 * a slow guest sees fewer, larger steps and never an old one.
 *
 * Invariants: `sample` is armed exactly for next_at; a packet is in the queue whole or not at all, until a command
 * drops it.
 *
 * Thread: whoever holds the machine lock.
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Mouse"; Microsoft, "Mouse drivers: wheel support" (the
 * sequences 200, 100, 80 and 200, 200, 80; the fourth byte).
 *
 * Choices: one count is one pixel of the host's pointer at any resolution; what exceeds a packet's nine bits follows in
 * the next packets instead of being lost with the overflow bit set; the self-test takes no time.
 */
#include "devices/chips/ps2_mouse.h"

#include "cpu-model/base/log.h"

enum command {
    CMD_SCALE_1_1 = 0xe6,
    CMD_SCALE_2_1 = 0xe7,
    CMD_RESOLUTION = 0xe8,
    CMD_STATUS = 0xe9,
    CMD_STREAM = 0xea,
    CMD_READ = 0xeb,
    CMD_UNWRAP = 0xec,
    CMD_WRAP = 0xee,
    CMD_REMOTE = 0xf0,
    CMD_IDENTIFY = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};

enum { MODE_STREAM, MODE_REMOTE };
enum { TYPE_STANDARD = 0, TYPE_WHEEL = 3, TYPE_EXPLORER = 4 };

enum {
    DEFAULT_RATE = 100,
    DEFAULT_RESOLUTION = 2,
    RESOLUTION_MAX = 3,

    STATUS_REMOTE = 0x40,
    STATUS_ENABLED = 0x20,
    STATUS_SCALED = 0x10,
    STATUS_LEFT = 0x04,
    STATUS_MIDDLE = 0x02,
    STATUS_RIGHT = 0x01,

    PACKET_ALWAYS = 0x08,
    PACKET_X_NEGATIVE = 0x10,
    PACKET_Y_NEGATIVE = 0x20,
    PACKET_BUTTONS = 0x07,
    STEP_MAX = 255, /* nine bits and a sign */
    COUNT_MAX = 1 << 20,
    WHEEL_MAX = 7,
};

static int32_t clamp(int32_t value, int32_t limit)
{
    return value > limit ? limit : value < -limit ? -limit : value;
}

/* --- packets ------------------------------------------------------------------------------------------------------ */

/* 2:1 scaling of one step, in stream mode only. */
static int32_t scale(const struct ps2_mouse *m, int32_t step)
{
    static const uint8_t small[] = {0, 1, 1, 3, 6, 9};
    int32_t size = step < 0 ? -step : step;
    if (!m->scaled || m->mode != MODE_STREAM)
        return step;
    size = size < (int32_t)ARRAY_LEN(small) ? small[size] : clamp(size * 2, STEP_MAX);
    return step < 0 ? -size : size;
}

/* Takes as much of the counted movement as a packet holds. */
static void make_packet(struct ps2_mouse *m)
{
    int32_t limit = m->scaled && m->mode == MODE_STREAM ? STEP_MAX / 2 : STEP_MAX;
    int32_t dx = clamp(m->dx, limit), dy = clamp(m->dy, limit), dz = clamp(m->dz, WHEEL_MAX);
    m->dx -= dx;
    m->dy -= dy;
    m->dz -= dz;
    dx = scale(m, dx);
    dy = scale(m, dy);
    uint8_t buttons = m->buttons ^ m->clicked;
    m->packet[0] = (uint8_t)(PACKET_ALWAYS | (buttons & PACKET_BUTTONS) | (dx < 0 ? PACKET_X_NEGATIVE : 0) |
                             (dy < 0 ? PACKET_Y_NEGATIVE : 0));
    m->packet[1] = (uint8_t)dx;
    m->packet[2] = (uint8_t)dy;
    m->packet_bytes = 3;
    if (m->type != TYPE_STANDARD)
        m->packet_bytes = 4;
    m->packet[3] = m->type == TYPE_EXPLORER ? (uint8_t)((dz & 0x0f) | (buttons & ~PACKET_BUTTONS) << 1) : (uint8_t)dz;
    m->buttons_sent = buttons;
    m->clicked = m->nudged = 0;
}

static bool has_news(const struct ps2_mouse *m)
{
    return m->nudged || m->dx || m->dy || (m->dz && m->type != TYPE_STANDARD) || m->buttons != m->buttons_sent ||
           m->clicked;
}

static void arm_sample(struct ps2_mouse *m, uint64_t at)
{
    m->next_at = at;
    vtimer_arm(&m->sample, at);
}

/* Sends a packet if there is something to say and it may. */
static void sample(struct ps2_mouse *m)
{
    if (m->wrap || m->mode != MODE_STREAM || !m->reporting || m->next_at != VCLOCK_NEVER || !has_news(m))
        return;
    arm_sample(m, vclock_now(m->sample.clock) + NS_PER_SECOND / m->rate);
    if (m->ps2.queue_count)
        return; /* the last one is not read yet: look again then */
    make_packet(m);
    for (unsigned i = 0; i < m->packet_bytes; i++)
        ps2_send(&m->ps2, m->packet[i]);
}

static void sample_fired(void *device)
{
    struct ps2_mouse *m = device;
    arm_sample(m, VCLOCK_NEVER);
    sample(m);
}

static void forget_movement(struct ps2_mouse *m)
{
    m->dx = m->dy = m->dz = m->nudged = m->clicked = 0;
}

/* --- what a person does ------------------------------------------------------------------------------------------- */

/* Movement counts only while it is wanted: a driver that enables the mouse starts from now. */
static bool counts(const struct ps2_mouse *m)
{
    return m->mode == MODE_REMOTE || m->reporting;
}

void ps2_mouse_motion(struct ps2_mouse *m, int dx, int dy)
{
    if (!counts(m))
        return;
    m->dx = clamp(m->dx + clamp(dx, COUNT_MAX), COUNT_MAX);
    m->dy = clamp(m->dy - clamp(dy, COUNT_MAX), COUNT_MAX);
    sample(m);
}

void ps2_mouse_button(struct ps2_mouse *m, enum ui_button button, bool down)
{
    if ((unsigned)button > UI_BUTTON_EXTRA)
        return;
    if (m->type != TYPE_EXPLORER && button > UI_BUTTON_MIDDLE)
        return;
    uint8_t bit = (uint8_t)(1u << button), now = down ? bit : 0;
    /* A click shorter than a sample is one all the same. */
    if ((m->buttons & bit) != now && counts(m))
        m->clicked = (m->buttons_sent & bit) == now ? m->clicked | bit : m->clicked & (uint8_t)~bit;
    m->buttons = (m->buttons & (uint8_t)~bit) | now;
    sample(m);
}

void ps2_mouse_wheel(struct ps2_mouse *m, int clicks)
{
    if (!counts(m) || m->type == TYPE_STANDARD)
        return;
    m->dz = clamp(m->dz + clamp(clicks, COUNT_MAX), COUNT_MAX);
    sample(m);
}

void ps2_mouse_nudge(struct ps2_mouse *m)
{
    m->nudged = counts(m);
    sample(m);
}

static void sink_motion(void *device, int dx, int dy)
{
    ps2_mouse_motion(device, dx, dy);
}

static void sink_button(void *device, enum ui_button button, bool down)
{
    ps2_mouse_button(device, button, down);
}

static void sink_wheel(void *device, int clicks)
{
    ps2_mouse_wheel(device, clicks);
}

struct pointer_sink ps2_mouse_sink(struct ps2_mouse *m)
{
    return (struct pointer_sink){.motion = sink_motion, .button = sink_button, .wheel = sink_wheel, .device = m};
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static void answer(struct ps2_mouse *m, const uint8_t *bytes, unsigned count)
{
    m->refused = 0;
    ps2_answer(&m->ps2, PS2_ACK);
    for (unsigned i = 0; i < count; i++) {
        m->packet[i] = bytes[i];
        ps2_answer(&m->ps2, bytes[i]);
    }
    m->packet_bytes = (uint8_t)count;
    if (!count) {
        m->packet[0] = PS2_ACK;
        m->packet_bytes = 1;
    }
}

static void acknowledge(struct ps2_mouse *m)
{
    answer(m, NULL, 0);
}

/* Once "resend", and if the next byte is no better, "error". */
static void refuse(struct ps2_mouse *m, uint8_t byte)
{
    log_line(LOG_GUEST, "PS/2 mouse: unknown command or parameter %#x", byte);
    ps2_answer(&m->ps2, m->refused ? PS2_ERROR : PS2_RESEND);
    m->refused = !m->refused;
}

static void set_defaults(struct ps2_mouse *m)
{
    m->mode = MODE_STREAM;
    m->wrap = 0;
    m->reporting = 0;
    m->rate = DEFAULT_RATE;
    m->resolution = DEFAULT_RESOLUTION;
    m->scaled = 0;
    m->pending_command = 0;
    m->knock[0] = m->knock[1] = 0;
    forget_movement(m);
    arm_sample(m, VCLOCK_NEVER);
}

static void power_on(struct ps2_mouse *m)
{
    ps2_flush(&m->ps2);
    set_defaults(m);
    m->type = TYPE_STANDARD;
    m->refused = 0;
    m->buttons &= PACKET_BUTTONS; /* fingers do not move with a reset */
    m->buttons_sent = m->buttons;
    m->packet_bytes = 0;
}

static void send_status(struct ps2_mouse *m)
{
    const uint8_t status[] = {
        (uint8_t)((m->mode == MODE_REMOTE ? STATUS_REMOTE : 0) | (m->reporting ? STATUS_ENABLED : 0) |
                  (m->scaled ? STATUS_SCALED : 0) | (m->buttons & 1 << UI_BUTTON_LEFT ? STATUS_LEFT : 0) |
                  (m->buttons & 1 << UI_BUTTON_MIDDLE ? STATUS_MIDDLE : 0) |
                  (m->buttons & 1 << UI_BUTTON_RIGHT ? STATUS_RIGHT : 0)),
        m->resolution,
        m->rate,
    };
    answer(m, status, sizeof(status));
}

static void set_rate(struct ps2_mouse *m, uint8_t rate)
{
    static const uint8_t rates[] = {10, 20, 40, 60, 80, 100, 200};

    for (unsigned i = 0; i < ARRAY_LEN(rates); i++) {
        if (rates[i] != rate)
            continue;
        if (rate == 80 && m->knock[1] == 200 && m->knock[0] == 100 && m->type == TYPE_STANDARD)
            m->type = TYPE_WHEEL;
        else if (rate == 80 && m->knock[1] == 200 && m->knock[0] == 200)
            m->type = TYPE_EXPLORER;
        m->knock[1] = m->knock[0];
        m->knock[0] = m->rate = rate;
        acknowledge(m);
        return;
    }
    refuse(m, rate);
    m->pending_command = CMD_RATE;
}

static void take_parameter(struct ps2_mouse *m, uint8_t command, uint8_t value)
{
    if (command == CMD_RATE) {
        set_rate(m, value);
    } else if (value <= RESOLUTION_MAX) {
        m->resolution = value;
        acknowledge(m);
    } else {
        refuse(m, value);
        m->pending_command = command;
    }
}

static void read_data(struct ps2_mouse *m)
{
    make_packet(m);
    uint8_t bytes = m->packet_bytes, packet[PS2_MOUSE_PACKET_BYTES];
    for (unsigned i = 0; i < bytes; i++)
        packet[i] = m->packet[i];
    answer(m, packet, bytes);
}

static void resend(struct ps2_mouse *m)
{
    for (unsigned i = 0; i < m->packet_bytes; i++)
        ps2_answer(&m->ps2, m->packet[i]);
}

static void take_command(struct ps2_mouse *m, uint8_t command)
{
    static const uint8_t tested[] = {PS2_SELF_TEST_PASSED, TYPE_STANDARD};

    switch (command) {
    case CMD_SCALE_1_1:
    case CMD_SCALE_2_1:
        m->scaled = command == CMD_SCALE_2_1;
        break;
    case CMD_RESOLUTION:
    case CMD_RATE:
        m->pending_command = command;
        break;
    case CMD_STATUS:
        send_status(m);
        return;
    case CMD_READ:
        read_data(m);
        return;
    case CMD_STREAM:
    case CMD_REMOTE:
        m->mode = command == CMD_STREAM ? MODE_STREAM : MODE_REMOTE;
        forget_movement(m);
        break;
    case CMD_UNWRAP: /* outside wrap mode it does nothing */
        break;
    case CMD_WRAP:
        m->wrap = 1;
        break;
    case CMD_IDENTIFY:
        answer(m, &m->type, 1);
        return;
    case CMD_ENABLE:
    case CMD_DISABLE:
        m->reporting = command == CMD_ENABLE;
        m->buttons_sent = m->buttons;
        forget_movement(m);
        break;
    case CMD_DEFAULTS:
        set_defaults(m);
        break;
    case CMD_RESEND:
        resend(m);
        return;
    case CMD_RESET:
        power_on(m);
        answer(m, tested, sizeof(tested));
        return;
    default:
        refuse(m, command);
        return;
    }
    acknowledge(m);
}

static void mouse_receive(struct ps2_device *device, uint8_t byte)
{
    struct ps2_mouse *m = (struct ps2_mouse *)device;
    uint8_t command = m->pending_command;

    if (m->wrap && byte != CMD_RESET && byte != CMD_UNWRAP) {
        ps2_answer(&m->ps2, byte);
        return;
    }
    m->wrap = 0;
    m->pending_command = 0;
    ps2_flush(&m->ps2); /* a byte from the host ends the packet under way and older answers */
    if (command && byte < CMD_SCALE_1_1)
        take_parameter(m, command, byte);
    else
        take_command(m, byte);
}

/* --- class -------------------------------------------------------------------------------------------------------- */

static void mouse_reset(void *device)
{
    power_on(device);
}

static void mouse_restored(void *device)
{
    struct ps2_mouse *m = device;

    ps2_restored(&m->ps2);
    m->mode = m->mode == MODE_REMOTE ? MODE_REMOTE : MODE_STREAM;
    if (m->rate < 10)
        m->rate = DEFAULT_RATE;
    if (m->type != TYPE_WHEEL && m->type != TYPE_EXPLORER)
        m->type = TYPE_STANDARD;
    if (m->resolution > RESOLUTION_MAX)
        m->resolution = DEFAULT_RESOLUTION;
    if (m->pending_command != CMD_RATE && m->pending_command != CMD_RESOLUTION)
        m->pending_command = 0;
    if (m->packet_bytes > PS2_MOUSE_PACKET_BYTES)
        m->packet_bytes = 0;
    m->dx = clamp(m->dx, COUNT_MAX);
    m->dy = clamp(m->dy, COUNT_MAX);
    m->dz = clamp(m->dz, COUNT_MAX);
    vtimer_arm(&m->sample, m->next_at);
}

static void mouse_destroy(void *device)
{
    vtimer_cancel(&((struct ps2_mouse *)device)->sample);
}

static const struct field fields[] = {
    PS2_DEVICE_FIELDS(struct ps2_mouse),   FIELD(struct ps2_mouse, mode),
    FIELD(struct ps2_mouse, wrap),         FIELD(struct ps2_mouse, reporting),
    FIELD(struct ps2_mouse, rate),         FIELD(struct ps2_mouse, resolution),
    FIELD(struct ps2_mouse, scaled),       FIELD(struct ps2_mouse, type),
    FIELD_ARRAY(struct ps2_mouse, knock),  FIELD(struct ps2_mouse, pending_command),
    FIELD(struct ps2_mouse, refused),      FIELD(struct ps2_mouse, nudged),
    FIELD(struct ps2_mouse, buttons),      FIELD(struct ps2_mouse, buttons_sent),
    FIELD(struct ps2_mouse, clicked),      FIELD_ARRAY(struct ps2_mouse, packet),
    FIELD(struct ps2_mouse, packet_bytes), FIELD(struct ps2_mouse, dx),
    FIELD(struct ps2_mouse, dy),           FIELD(struct ps2_mouse, dz),
    FIELD(struct ps2_mouse, next_at),
};

const struct device_class ps2_mouse_class = {
    .name = "ps2-mouse",
    .version = 1,
    .reset = mouse_reset,
    .destroy = mouse_destroy,
    .restored = mouse_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

void ps2_mouse_init(struct ps2_mouse *m, struct vclock *clock)
{
    *m = (struct ps2_mouse){.ps2.receive = mouse_receive};
    vtimer_init(&m->sample, clock, sample_fired, m);
    arm_sample(m, VCLOCK_NEVER);
    power_on(m);
}
