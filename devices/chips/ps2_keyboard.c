/*
 * The PS/2 keyboard. See ps2_keyboard.h.
 *
 * A key's bytes are collected in a burst and queued together or, when the guest does not read, not at all; then an
 * overrun code stands for what is lost. Some room is always left for answers.
 *
 * Invariants: `repeat` is armed exactly for repeat_at; a held key is in `held`, whether it was sent or not.
 *
 * Thread: whoever holds the machine lock.
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard": commands, scan code sets, typematic.
 *
 * Choices: the self-test takes no time; power-up sends no AAh (firmware has taken it); a repetition that comes while
 * earlier bytes still wait is left out, so that a slow guest does not go on repeating after the key is up.
 */
#include "devices/chips/ps2_keyboard.h"

#include "cpu-model/base/log.h"
#include "devices/chips/ps2_codes.h"

#include <string.h>

enum command {
    CMD_LEDS = 0xed,
    CMD_ECHO = 0xee,
    CMD_SCAN_SET = 0xf0,
    CMD_IDENTIFY = 0xf2,
    CMD_RATE = 0xf3,
    CMD_ENABLE = 0xf4,
    CMD_DEFAULTS_DISABLE = 0xf5,
    CMD_DEFAULTS = 0xf6,
    CMD_ALL_TYPEMATIC = 0xf7,
    CMD_ALL_MAKE_BREAK = 0xf8,
    CMD_ALL_MAKE = 0xf9,
    CMD_ALL_BOTH = 0xfa,
    CMD_KEY_TYPEMATIC = 0xfb,
    CMD_KEY_MAKE_BREAK = 0xfc,
    CMD_KEY_MAKE = 0xfd,
    CMD_RESEND = 0xfe,
    CMD_RESET = 0xff,
};

enum { KEY_BREAKS = 1, KEY_REPEATS = 2 }; /* a key's type in set 3; 0: make only */

enum {
    IDENTITY_1 = 0xab,
    IDENTITY_2 = 0x83,
    DEFAULT_RATE = 0x2b, /* 10.9 a second after 500 ms */
    RATE_MASK = 0x7f,
    LEDS_MASK = 0x07,
    DEFAULT_SET = 2,
    BREAK = 0xf0,     /* prefix in sets 2 and 3 */
    BREAK_BIT = 0x80, /* in set 1 */
    EXTENDED = 0xe0,
    PAUSE_PREFIX = 0xe1,
    SET1_OVERRUN = 0xff,
    SET23_OVERRUN = 0x00,
    ANSWER_ROOM = 16, /* bytes of the queue that keys leave alone */
};

/* Shift codes that were sent though no shift key moved. */
enum { FAKE_LEFT_DOWN = 1, FAKE_LEFT_UP = 2, FAKE_RIGHT_UP = 4 };

struct burst {
    uint8_t byte[24];
    unsigned count;
};

/* --- scan codes --------------------------------------------------------------------------------------------------- */

static bool is_held(const struct ps2_keyboard *k, unsigned key)
{
    return k->held[key / 8] >> key % 8 & 1;
}

static void put(struct burst *b, uint8_t byte)
{
    if (b->count < sizeof(b->byte))
        b->byte[b->count++] = byte;
}

/* One code of set 1 or 2 as the chosen set has it. */
static void put_code(const struct ps2_keyboard *k, struct burst *b, const struct ps2_codes *codes, bool down)
{
    if (k->scan_set == 1) {
        put(b, codes->set1 | (down ? 0 : BREAK_BIT));
        return;
    }
    if (!down)
        put(b, BREAK);
    put(b, codes->set2);
}

static void put_extended(const struct ps2_keyboard *k, struct burst *b, const struct ps2_codes *codes, bool down)
{
    put(b, EXTENDED);
    put_code(k, b, codes, down);
}

static void put_fake(const struct ps2_keyboard *k, struct burst *b, enum ui_key shift, bool down)
{
    put_extended(k, b, &ps2_codes[shift], down);
}

/* Ends what hide_from_shift() began. */
static void unhide(struct ps2_keyboard *k, struct burst *b)
{
    if (k->shifts_faked & FAKE_LEFT_DOWN)
        put_fake(k, b, UI_KEY_SHIFT, false);
    if (k->shifts_faked & FAKE_LEFT_UP)
        put_fake(k, b, UI_KEY_SHIFT, true);
    if (k->shifts_faked & FAKE_RIGHT_UP)
        put_fake(k, b, UI_KEY_SHIFT_R, true);
    k->shifts_faked = 0;
}

/* A grey key means the same whatever Num Lock and Shift say: to a host that takes it for its number pad twin, the
 * keyboard pretends that Shift is as the grey key's meaning needs it. */
static void hide_from_shift(struct ps2_keyboard *k, struct burst *b, bool only_shift)
{
    bool left = is_held(k, UI_KEY_SHIFT), right = is_held(k, UI_KEY_SHIFT_R);
    bool num_lock = k->leds & UI_LED_NUM && !only_shift;

    if (num_lock == (left || right))
        return;
    if (num_lock) {
        k->shifts_faked |= FAKE_LEFT_DOWN;
        put_fake(k, b, UI_KEY_SHIFT, true);
    }
    if (left) {
        k->shifts_faked |= FAKE_LEFT_UP;
        put_fake(k, b, UI_KEY_SHIFT, false);
    }
    if (right) {
        k->shifts_faked |= FAKE_RIGHT_UP;
        put_fake(k, b, UI_KEY_SHIFT_R, false);
    }
}

static void put_print(struct ps2_keyboard *k, struct burst *b, bool down)
{
    static const struct ps2_codes system_request = {.set1 = 0x54, .set2 = 0x84};
    bool ctrl = is_held(k, UI_KEY_CTRL) || is_held(k, UI_KEY_CTRL_R);
    bool shift = is_held(k, UI_KEY_SHIFT) || is_held(k, UI_KEY_SHIFT_R);

    if (is_held(k, UI_KEY_ALT) || is_held(k, UI_KEY_ALT_R)) {
        put_code(k, b, &system_request, down);
        return;
    }
    bool alone = !ctrl && !shift;
    if (alone && down)
        put_fake(k, b, UI_KEY_SHIFT, true);
    put_extended(k, b, &ps2_codes[UI_KEY_PRINT], down);
    if (alone && !down)
        put_fake(k, b, UI_KEY_SHIFT, false);
}

/* Pause sends its make and break codes at once; with Ctrl it is Break. */
static void put_pause(struct ps2_keyboard *k, struct burst *b, bool down)
{
    static const struct ps2_codes interrupt = {.set1 = 0x46, .set2 = 0x7e};

    if (!down)
        return;
    for (unsigned up = 0; up < 2; up++) {
        if (is_held(k, UI_KEY_CTRL) || is_held(k, UI_KEY_CTRL_R)) {
            put_extended(k, b, &interrupt, !up);
            continue;
        }
        put(b, PAUSE_PREFIX);
        if (k->scan_set != 1 && !up) { /* E1 14 77, E1 F0 14 F0 77 */
            put(b, ps2_codes[UI_KEY_CTRL].set2);
            put(b, ps2_codes[UI_KEY_PAUSE].set2);
            continue;
        }
        put_code(k, b, &ps2_codes[UI_KEY_CTRL], !up);
        put_code(k, b, &ps2_codes[UI_KEY_PAUSE], !up);
    }
}

static void put_set3(const struct ps2_keyboard *k, struct burst *b, const struct ps2_codes *codes, bool down)
{
    if (!codes->set3 || (!down && !(k->key_type[codes->set3] & KEY_BREAKS)))
        return;
    if (!down)
        put(b, BREAK);
    put(b, codes->set3);
}

static void put_key(struct ps2_keyboard *k, struct burst *b, enum ui_key key, bool down, bool again)
{
    const struct ps2_codes *codes = &ps2_codes[key];

    if (k->scan_set == 3) {
        put_set3(k, b, codes, down);
        return;
    }
    if (down && !again)
        unhide(k, b);
    else if (key == UI_KEY_SHIFT || key == UI_KEY_SHIFT_R) /* let go, it is not to come back */
        k->shifts_faked &= (uint8_t) ~(key == UI_KEY_SHIFT ? FAKE_LEFT_UP : FAKE_RIGHT_UP);
    switch (codes->kind) {
    case PS2_KEY_PLAIN:
        put_code(k, b, codes, down);
        break;
    case PS2_KEY_MAKE_ONLY:
        if (down)
            put(b, k->scan_set == 1 ? codes->set1 : codes->set2);
        break;
    case PS2_KEY_NAVIGATION:
    case PS2_KEY_DIVIDE:
        if (down && !again)
            hide_from_shift(k, b, codes->kind == PS2_KEY_DIVIDE);
        put_extended(k, b, codes, down);
        break;
    case PS2_KEY_EXTENDED:
        put_extended(k, b, codes, down);
        break;
    case PS2_KEY_PRINT:
        put_print(k, b, down);
        break;
    case PS2_KEY_PAUSE:
        put_pause(k, b, down);
        break;
    }
    if (!down)
        unhide(k, b);
}

/* Queues a burst whole, or the overrun code, or nothing when that is there already. */
static bool send_burst(struct ps2_keyboard *k, const struct burst *b)
{
    unsigned room = ps2_room(&k->ps2);

    if (room >= b->count + ANSWER_ROOM + 1) {
        for (unsigned i = 0; i < b->count; i++)
            ps2_send(&k->ps2, b->byte[i]);
        return true;
    }
    if (room > ANSWER_ROOM)
        for (unsigned i = room; i > ANSWER_ROOM; i--)
            ps2_send(&k->ps2, k->scan_set == 1 ? SET1_OVERRUN : SET23_OVERRUN);
    return false;
}

/* --- typematic ---------------------------------------------------------------------------------------------------- */

static void arm_repeat(struct ps2_keyboard *k, uint64_t at)
{
    k->repeat_at = at;
    vtimer_arm(&k->repeat, at);
}

static void stop_repeat(struct ps2_keyboard *k)
{
    k->repeating = UI_KEY_NONE;
    arm_repeat(k, VCLOCK_NEVER);
}

static uint64_t repeat_delay(const struct ps2_keyboard *k)
{
    return ((k->rate >> 5 & 3) + 1) * (NS_PER_SECOND / 4);
}

/* (8 + A) * 2^B * 4.17 ms, A the low three bits and B the next two. */
static uint64_t repeat_period(const struct ps2_keyboard *k)
{
    return (8 + (k->rate & 7ull)) * (1u << (k->rate >> 3 & 3)) * (NS_PER_SECOND / 240);
}

static bool repeats(const struct ps2_keyboard *k, enum ui_key key)
{
    const struct ps2_codes *codes = &ps2_codes[key];
    if (codes->kind == PS2_KEY_PAUSE || codes->kind == PS2_KEY_MAKE_ONLY)
        return false;
    return k->scan_set != 3 || (codes->set3 && k->key_type[codes->set3] & KEY_REPEATS);
}

static void repeat_fired(void *device)
{
    struct ps2_keyboard *k = device;
    struct burst b = {0};

    if (!k->scanning || k->repeating == UI_KEY_NONE) {
        stop_repeat(k);
        return;
    }
    if (!k->ps2.queue_count) {
        put_key(k, &b, k->repeating, true, true);
        send_burst(k, &b);
    }
    arm_repeat(k, vclock_now(k->repeat.clock) + repeat_period(k));
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

void ps2_keyboard_key(struct ps2_keyboard *k, enum ui_key key, bool down)
{
    struct burst b = {0};

    if ((unsigned)key >= UI_KEY_COUNT || !ps2_codes[key].set2 || is_held(k, key) == down)
        return;
    if (k->scanning) {
        put_key(k, &b, key, down, false);
        send_burst(k, &b);
    }
    k->held[key / 8] ^= (uint8_t)(1u << key % 8);
    if (down && k->scanning && repeats(k, key)) {
        k->repeating = (uint16_t)key;
        arm_repeat(k, vclock_now(k->repeat.clock) + repeat_delay(k));
    } else if (down || k->repeating == key) {
        stop_repeat(k);
    }
}

uint8_t ps2_keyboard_leds(const struct ps2_keyboard *k)
{
    return k->leds;
}

static void sink_key(void *device, enum ui_key key, bool down)
{
    ps2_keyboard_key(device, key, down);
}

static uint8_t sink_leds(void *device)
{
    return ps2_keyboard_leds(device);
}

struct keyboard_sink ps2_keyboard_sink(struct ps2_keyboard *k)
{
    return (struct keyboard_sink){.key = sink_key, .leds = sink_leds, .device = k};
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static void set_all_types(struct ps2_keyboard *k, uint8_t type)
{
    memset(k->key_type, type, sizeof(k->key_type));
}

/* Set 3 after power-on: most keys repeat and do not tell when they go up. */
static void default_types(struct ps2_keyboard *k)
{
    static const enum ui_key make_break[] = {UI_KEY_SHIFT, UI_KEY_SHIFT_R, UI_KEY_CTRL, UI_KEY_ALT, UI_KEY_CAPS_LOCK};
    static const enum ui_key make_only[] = {
        UI_KEY_ESC,         UI_KEY_F1,    UI_KEY_F2,          UI_KEY_F3,       UI_KEY_F4,        UI_KEY_F5,
        UI_KEY_F6,          UI_KEY_F7,    UI_KEY_F8,          UI_KEY_F9,       UI_KEY_F10,       UI_KEY_F11,
        UI_KEY_F12,         UI_KEY_PRINT, UI_KEY_SCROLL_LOCK, UI_KEY_PAUSE,    UI_KEY_INSERT,    UI_KEY_HOME,
        UI_KEY_PGUP,        UI_KEY_END,   UI_KEY_PGDN,        UI_KEY_NUM_LOCK, UI_KEY_KP_DIVIDE, UI_KEY_KP_MULTIPLY,
        UI_KEY_KP_SUBTRACT, UI_KEY_KP_0,  UI_KEY_KP_1,        UI_KEY_KP_2,     UI_KEY_KP_3,      UI_KEY_KP_4,
        UI_KEY_KP_5,        UI_KEY_KP_6,  UI_KEY_KP_7,        UI_KEY_KP_8,     UI_KEY_KP_9,      UI_KEY_KP_DECIMAL,
        UI_KEY_KP_ENTER,    UI_KEY_ALT_R, UI_KEY_CTRL_R,      UI_KEY_META_L,   UI_KEY_META_R,    UI_KEY_MENU,
    };
    set_all_types(k, KEY_REPEATS);
    for (unsigned i = 0; i < ARRAY_LEN(make_break); i++)
        k->key_type[ps2_codes[make_break[i]].set3] = KEY_BREAKS;
    for (unsigned i = 0; i < ARRAY_LEN(make_only); i++)
        k->key_type[ps2_codes[make_only[i]].set3] = 0;
}

static void clear_output(struct ps2_keyboard *k)
{
    ps2_flush_data(&k->ps2);
    k->shifts_faked = 0;
    stop_repeat(k);
}

/* The commands "default" and "default disable" keep the lights; set 2 returns only with a reset. */
static void set_defaults(struct ps2_keyboard *k)
{
    clear_output(k);
    k->rate = DEFAULT_RATE;
    default_types(k);
}

static void power_on(struct ps2_keyboard *k)
{
    ps2_flush(&k->ps2);
    set_defaults(k);
    k->scan_set = DEFAULT_SET;
    k->scanning = 1;
    k->leds = 0;
    k->pending_command = 0;
}

static uint8_t type_of_command(uint8_t command)
{
    static const uint8_t types[] = {KEY_REPEATS, KEY_BREAKS, 0, KEY_REPEATS | KEY_BREAKS};
    return types[command >= CMD_KEY_TYPEMATIC ? command - CMD_KEY_TYPEMATIC : command - CMD_ALL_TYPEMATIC];
}

static void set_scan_set(struct ps2_keyboard *k, uint8_t value)
{
    if (value > 3) {
        ps2_answer(&k->ps2, PS2_RESEND);
        return;
    }
    if (value) {
        clear_output(k);
        k->scan_set = value;
    }
    ps2_answer(&k->ps2, PS2_ACK);
    if (!value)
        ps2_answer(&k->ps2, k->scan_set);
}

/* The byte that `command` waited for. Returns false if it is a command itself, which leaves all as it was. */
static bool take_parameter(struct ps2_keyboard *k, uint8_t command, uint8_t value)
{
    if (value >= CMD_LEDS)
        return false;
    switch (command) {
    case CMD_LEDS:
        k->leds = value & LEDS_MASK;
        ps2_answer(&k->ps2, PS2_ACK);
        break;
    case CMD_RATE:
        k->rate = value & RATE_MASK;
        ps2_answer(&k->ps2, PS2_ACK);
        break;
    case CMD_SCAN_SET:
        set_scan_set(k, value);
        break;
    default: /* keys by their set 3 codes, until a command comes */
        if (value < PS2_SET3_CODES)
            k->key_type[value] = type_of_command(command);
        ps2_answer(&k->ps2, value < PS2_SET3_CODES ? PS2_ACK : PS2_RESEND);
        k->pending_command = command;
        break;
    }
    return true;
}

static void take_command(struct ps2_keyboard *k, uint8_t command)
{
    switch (command) {
    case CMD_ECHO:
        ps2_answer(&k->ps2, CMD_ECHO);
        return;
    case CMD_RESEND:
        ps2_answer(&k->ps2, k->ps2.last);
        return;
    case CMD_LEDS:
    case CMD_SCAN_SET:
    case CMD_RATE:
        k->pending_command = command;
        break;
    case CMD_KEY_TYPEMATIC ... CMD_KEY_MAKE:
        clear_output(k);
        k->scanning = 0;
        k->pending_command = command;
        break;
    case CMD_IDENTIFY:
        ps2_answer(&k->ps2, PS2_ACK);
        ps2_answer(&k->ps2, IDENTITY_1);
        ps2_answer(&k->ps2, IDENTITY_2);
        return;
    case CMD_ENABLE:
        clear_output(k);
        k->scanning = 1;
        break;
    case CMD_DEFAULTS_DISABLE:
    case CMD_DEFAULTS:
        set_defaults(k);
        k->scanning = command == CMD_DEFAULTS;
        break;
    case CMD_ALL_TYPEMATIC ... CMD_ALL_BOTH:
        clear_output(k);
        set_all_types(k, type_of_command(command));
        break;
    case CMD_RESET:
        power_on(k);
        ps2_answer(&k->ps2, PS2_ACK);
        ps2_answer(&k->ps2, PS2_SELF_TEST_PASSED);
        return;
    default:
        log_line(LOG_GUEST, "PS/2 keyboard: unknown command %#x", command);
        ps2_answer(&k->ps2, PS2_RESEND);
        return;
    }
    ps2_answer(&k->ps2, PS2_ACK);
}

static void keyboard_receive(struct ps2_device *device, uint8_t byte)
{
    struct ps2_keyboard *k = (struct ps2_keyboard *)device;
    uint8_t command = k->pending_command;

    k->pending_command = 0;
    if (!command || !take_parameter(k, command, byte))
        take_command(k, byte);
}

/* --- class -------------------------------------------------------------------------------------------------------- */

static void keyboard_reset(void *device)
{
    power_on(device); /* what is held stays held: fingers do not move with a reset */
}

static void keyboard_restored(void *device)
{
    struct ps2_keyboard *k = device;

    ps2_restored(&k->ps2);
    if (k->scan_set < 1 || k->scan_set > 3)
        k->scan_set = DEFAULT_SET;
    k->leds &= LEDS_MASK;
    k->rate &= RATE_MASK;
    if (k->pending_command != CMD_LEDS && k->pending_command != CMD_SCAN_SET && k->pending_command != CMD_RATE &&
        (k->pending_command < CMD_KEY_TYPEMATIC || k->pending_command > CMD_KEY_MAKE))
        k->pending_command = 0;
    if (k->repeating >= UI_KEY_COUNT)
        k->repeating = UI_KEY_NONE;
    memset(k->held, 0, sizeof(k->held)); /* other fingers, or none */
    stop_repeat(k);
}

static void keyboard_destroy(void *device)
{
    vtimer_cancel(&((struct ps2_keyboard *)device)->repeat);
}

static const struct field fields[] = {
    PS2_DEVICE_FIELDS(struct ps2_keyboard),     FIELD(struct ps2_keyboard, scan_set),
    FIELD(struct ps2_keyboard, scanning),       FIELD(struct ps2_keyboard, leds),
    FIELD(struct ps2_keyboard, rate),           FIELD(struct ps2_keyboard, pending_command),
    FIELD_ARRAY(struct ps2_keyboard, key_type), FIELD_ARRAY(struct ps2_keyboard, held),
    FIELD(struct ps2_keyboard, shifts_faked),   FIELD(struct ps2_keyboard, repeating),
    FIELD(struct ps2_keyboard, repeat_at),
};

const struct device_class ps2_keyboard_class = {
    .name = "ps2-keyboard",
    .version = 1,
    .reset = keyboard_reset,
    .destroy = keyboard_destroy,
    .restored = keyboard_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

void ps2_keyboard_init(struct ps2_keyboard *k, struct vclock *clock)
{
    *k = (struct ps2_keyboard){.ps2.receive = keyboard_receive};
    vtimer_init(&k->repeat, clock, repeat_fired, k);
    power_on(k);
}
