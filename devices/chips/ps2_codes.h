/* Scan codes of the PS/2 keyboard's keys. */
#ifndef RING3_DEVICES_PS2_CODES_H
#define RING3_DEVICES_PS2_CODES_H

#include "devices/core/ui.h"

enum ps2_key_kind {
    PS2_KEY_PLAIN,
    PS2_KEY_EXTENDED,   /* prefix E0h in sets 1 and 2 */
    PS2_KEY_NAVIGATION, /* the same, and hidden from Num Lock and Shift by shift codes around it */
    PS2_KEY_DIVIDE,     /* the same, hidden from Shift */
    PS2_KEY_PRINT,      /* three forms */
    PS2_KEY_PAUSE,      /* two forms, no break code, never repeated */
    PS2_KEY_MAKE_ONLY,  /* Hangul and Hanja: no break code in any set */
};

struct ps2_codes {
    uint8_t set1, set2; /* 0: the keyboard has no such key */
    uint8_t set3;       /* 0: the key does not exist in set 3 */
    uint8_t kind;
};

extern const struct ps2_codes ps2_codes[UI_KEY_COUNT];

#endif
