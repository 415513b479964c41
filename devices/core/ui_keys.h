/*
 * The keys of a PC keyboard by the names QEMU's users type, with the numbers of Linux's input events.
 *
 * A number says where a key is, not what is printed on it: UI_KEY_Q is the key right of Tab on every layout.
 * Included by ui.h.
 */
#ifndef RING3_DEVICES_UI_KEYS_H
#define RING3_DEVICES_UI_KEYS_H

/* X(name, symbol, number) */
#define UI_KEYS(X)                                                                                                     \
    X("esc", ESC, 1)                                                                                                   \
    X("1", 1, 2)                                                                                                       \
    X("2", 2, 3)                                                                                                       \
    X("3", 3, 4)                                                                                                       \
    X("4", 4, 5)                                                                                                       \
    X("5", 5, 6)                                                                                                       \
    X("6", 6, 7)                                                                                                       \
    X("7", 7, 8)                                                                                                       \
    X("8", 8, 9)                                                                                                       \
    X("9", 9, 10)                                                                                                      \
    X("0", 0, 11)                                                                                                      \
    X("minus", MINUS, 12)                                                                                              \
    X("equal", EQUAL, 13)                                                                                              \
    X("backspace", BACKSPACE, 14)                                                                                      \
    X("tab", TAB, 15)                                                                                                  \
    X("q", Q, 16)                                                                                                      \
    X("w", W, 17)                                                                                                      \
    X("e", E, 18)                                                                                                      \
    X("r", R, 19)                                                                                                      \
    X("t", T, 20)                                                                                                      \
    X("y", Y, 21)                                                                                                      \
    X("u", U, 22)                                                                                                      \
    X("i", I, 23)                                                                                                      \
    X("o", O, 24)                                                                                                      \
    X("p", P, 25)                                                                                                      \
    X("bracket_left", BRACKET_LEFT, 26)                                                                                \
    X("bracket_right", BRACKET_RIGHT, 27)                                                                              \
    X("ret", RET, 28)                                                                                                  \
    X("ctrl", CTRL, 29)                                                                                                \
    X("a", A, 30)                                                                                                      \
    X("s", S, 31)                                                                                                      \
    X("d", D, 32)                                                                                                      \
    X("f", F, 33)                                                                                                      \
    X("g", G, 34)                                                                                                      \
    X("h", H, 35)                                                                                                      \
    X("j", J, 36)                                                                                                      \
    X("k", K, 37)                                                                                                      \
    X("l", L, 38)                                                                                                      \
    X("semicolon", SEMICOLON, 39)                                                                                      \
    X("apostrophe", APOSTROPHE, 40)                                                                                    \
    X("grave_accent", GRAVE_ACCENT, 41)                                                                                \
    X("shift", SHIFT, 42)                                                                                              \
    X("backslash", BACKSLASH, 43)                                                                                      \
    X("z", Z, 44)                                                                                                      \
    X("x", X, 45)                                                                                                      \
    X("c", C, 46)                                                                                                      \
    X("v", V, 47)                                                                                                      \
    X("b", B, 48)                                                                                                      \
    X("n", N, 49)                                                                                                      \
    X("m", M, 50)                                                                                                      \
    X("comma", COMMA, 51)                                                                                              \
    X("dot", DOT, 52)                                                                                                  \
    X("slash", SLASH, 53)                                                                                              \
    X("shift_r", SHIFT_R, 54)                                                                                          \
    X("kp_multiply", KP_MULTIPLY, 55)                                                                                  \
    X("alt", ALT, 56)                                                                                                  \
    X("spc", SPC, 57)                                                                                                  \
    X("caps_lock", CAPS_LOCK, 58)                                                                                      \
    X("f1", F1, 59)                                                                                                    \
    X("f2", F2, 60)                                                                                                    \
    X("f3", F3, 61)                                                                                                    \
    X("f4", F4, 62)                                                                                                    \
    X("f5", F5, 63)                                                                                                    \
    X("f6", F6, 64)                                                                                                    \
    X("f7", F7, 65)                                                                                                    \
    X("f8", F8, 66)                                                                                                    \
    X("f9", F9, 67)                                                                                                    \
    X("f10", F10, 68)                                                                                                  \
    X("num_lock", NUM_LOCK, 69)                                                                                        \
    X("scroll_lock", SCROLL_LOCK, 70)                                                                                  \
    X("kp_7", KP_7, 71)                                                                                                \
    X("kp_8", KP_8, 72)                                                                                                \
    X("kp_9", KP_9, 73)                                                                                                \
    X("kp_subtract", KP_SUBTRACT, 74)                                                                                  \
    X("kp_4", KP_4, 75)                                                                                                \
    X("kp_5", KP_5, 76)                                                                                                \
    X("kp_6", KP_6, 77)                                                                                                \
    X("kp_add", KP_ADD, 78)                                                                                            \
    X("kp_1", KP_1, 79)                                                                                                \
    X("kp_2", KP_2, 80)                                                                                                \
    X("kp_3", KP_3, 81)                                                                                                \
    X("kp_0", KP_0, 82)                                                                                                \
    X("kp_decimal", KP_DECIMAL, 83)                                                                                    \
    X("less", LESS, 86)                                                                                                \
    X("f11", F11, 87)                                                                                                  \
    X("f12", F12, 88)                                                                                                  \
    X("ro", RO, 89)                                                                                                    \
    X("henkan", HENKAN, 92)                                                                                            \
    X("katakanahiragana", KATAKANAHIRAGANA, 93)                                                                        \
    X("muhenkan", MUHENKAN, 94)                                                                                        \
    X("kp_enter", KP_ENTER, 96)                                                                                        \
    X("ctrl_r", CTRL_R, 97)                                                                                            \
    X("kp_divide", KP_DIVIDE, 98)                                                                                      \
    X("print", PRINT, 99)                                                                                              \
    X("alt_r", ALT_R, 100)                                                                                             \
    X("home", HOME, 102)                                                                                               \
    X("up", UP, 103)                                                                                                   \
    X("pgup", PGUP, 104)                                                                                               \
    X("left", LEFT, 105)                                                                                               \
    X("right", RIGHT, 106)                                                                                             \
    X("end", END, 107)                                                                                                 \
    X("down", DOWN, 108)                                                                                               \
    X("pgdn", PGDN, 109)                                                                                               \
    X("insert", INSERT, 110)                                                                                           \
    X("delete", DELETE, 111)                                                                                           \
    X("audiomute", AUDIOMUTE, 113)                                                                                     \
    X("volumedown", VOLUMEDOWN, 114)                                                                                   \
    X("volumeup", VOLUMEUP, 115)                                                                                       \
    X("power", POWER, 116)                                                                                             \
    X("kp_equals", KP_EQUALS, 117)                                                                                     \
    X("pause", PAUSE, 119)                                                                                             \
    X("kp_comma", KP_COMMA, 121)                                                                                       \
    X("lang1", LANG1, 122)                                                                                             \
    X("lang2", LANG2, 123)                                                                                             \
    X("yen", YEN, 124)                                                                                                 \
    X("meta_l", META_L, 125)                                                                                           \
    X("meta_r", META_R, 126)                                                                                           \
    X("menu", MENU, 127) /* QEMU: "compose" is the same key */                                                         \
    X("calculator", CALCULATOR, 140)                                                                                   \
    X("sleep", SLEEP, 142)                                                                                             \
    X("wake", WAKE, 143)                                                                                               \
    X("mail", MAIL, 155)                                                                                               \
    X("ac_bookmarks", AC_BOOKMARKS, 156)                                                                               \
    X("computer", COMPUTER, 157)                                                                                       \
    X("ac_back", AC_BACK, 158)                                                                                         \
    X("ac_forward", AC_FORWARD, 159)                                                                                   \
    X("audionext", AUDIONEXT, 163)                                                                                     \
    X("audioplay", AUDIOPLAY, 164)                                                                                     \
    X("audioprev", AUDIOPREV, 165)                                                                                     \
    X("audiostop", AUDIOSTOP, 166)                                                                                     \
    X("ac_home", AC_HOME, 172)                                                                                         \
    X("ac_refresh", AC_REFRESH, 173)                                                                                   \
    X("mediaselect", MEDIASELECT, 226)

enum ui_key {
    UI_KEY_NONE,
#define X(name, symbol, number) UI_KEY_##symbol = number,
    UI_KEYS(X)
#undef X
        UI_KEY_COUNT = 256 /* all numbers are below */
};

#endif
