/*
 * The PS/2 keyboard (101 to 122 keys): scan code sets 1, 2 and 3, typematic on the virtual clock, and every command of
 * the IBM reference. It plugs into the 8042's first port and is a sink of ui.h's keys.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_PS2_KEYBOARD_H
#define RING3_DEVICES_PS2_KEYBOARD_H

#include "devices/chips/ps2.h"
#include "devices/core/device.h"
#include "devices/core/ui.h"
#include "devices/core/vclock.h"

enum { PS2_SET3_CODES = 0x90 };

struct ps2_keyboard {
    struct ps2_device ps2; /* first */
    uint8_t scan_set;      /* 1, 2, 3 */
    uint8_t scanning;
    uint8_t leds;                     /* mask of enum ui_led, as the guest set them */
    uint8_t rate;                     /* parameter of the command "set typematic rate and delay" */
    uint8_t pending_command;          /* waits for its parameter; 0: none */
    uint8_t key_type[PS2_SET3_CODES]; /* by set 3 code: what set 3 sends for it */
    uint8_t held[UI_KEY_COUNT / 8];   /* keys that are down */
    uint8_t shifts_faked;             /* shift codes sent that no shift key stands behind */
    uint16_t repeating;               /* the key that typematic repeats; 0: none */
    uint64_t repeat_at;               /* VCLOCK_NEVER: not at all */
    struct vtimer repeat;             /* derived: armed for repeat_at */
};

extern const struct device_class ps2_keyboard_class;

/* Scanning, set 2, lights off. */
void ps2_keyboard_init(struct ps2_keyboard *keyboard, struct vclock *clock);

/* A key goes down or up. Going down once more without having gone up does nothing: the keyboard repeats by itself. */
void ps2_keyboard_key(struct ps2_keyboard *keyboard, enum ui_key key, bool down);

/* The lights: a mask of enum ui_led. */
uint8_t ps2_keyboard_leds(const struct ps2_keyboard *keyboard);

/* The keyboard as a sink of ui.h. */
struct keyboard_sink ps2_keyboard_sink(struct ps2_keyboard *keyboard);

#endif
