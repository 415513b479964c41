/*
 * What a person has of the machine: a display that shows, and a keyboard and a pointer that act. Independent of any
 * window system; windows, monitors, screen dumps and tests are its users ("consumers").
 *
 * A display is pulled. A consumer, as often as it likes, asks display_refresh() to bring the surface up to date and
 * then display_changes() what changed since it last looked; each consumer keeps its own `struct display_seen`, so they
 * do not disturb each other. A machine that draws nothing changes nothing, and both calls are cheap then.
 *
 * Input goes the other way: a consumer calls ui_key() and its like, which pass to whatever device the machine has put
 * behind them, or nowhere.
 *
 * @locks every call is made with the machine lock held, and a surface's pixels are read with it held.
 */
#ifndef RING3_DEVICES_UI_H
#define RING3_DEVICES_UI_H

#include "cpu-model/base/types.h"
#include "devices/core/ui_keys.h"

/* --- display ------------------------------------------------------------------------------------------------------ */

/* Pixels are 00RRGGBBh, rows top to bottom. Valid until the next display_refresh(). */
struct surface {
    unsigned width, height; /* 0 before the first refresh */
    unsigned stride;        /* bytes from row to row; a multiple of 4 */
    uint32_t *pixels;
};

struct rect {
    unsigned x, y, width, height;
};

/* How far a consumer has looked. Zeroed: it has seen nothing, so it will be told of the whole surface. */
struct display_seen {
    uint64_t damage;
    uint32_t mode;
};

/* A screen of characters, as screen readers and tests want it. */
struct text_screen {
    unsigned columns, rows; /* 0: the display shows graphics */
    unsigned cursor_column, cursor_row;
    bool cursor_visible;
};

struct display_ops {
    /* Draws what changed into display->surface, through display_resize() and display_damage(). */
    void (*refresh)(void *device);
    /* Fills *text, and codes[row * columns + column] with code page 437 characters as far as `size` reaches. */
    void (*read_text)(void *device, struct text_screen *text, uint8_t *codes, size_t size);
};

enum { DISPLAY_DAMAGE_KEPT = 64 };

struct display {
    struct surface surface;
    uint32_t mode;                            /* counts changes of the surface's size */
    uint64_t damage;                          /* counts damaged rectangles; the last ones: */
    struct rect damaged[DISPLAY_DAMAGE_KEPT]; /* [damage % DISPLAY_DAMAGE_KEPT] */
    const struct display_ops *ops;            /* null: nothing ever changes */
    void *device;
};

/*
 * Brings the surface up to date. Where guest code writes to video memory just now, its thread is asked for what it has
 * written, for which the machine lock is dropped for a moment.
 */
void display_refresh(struct display *display);

/*
 * What changed since `seen`, which is brought up to now: up to `max` rectangles inside the surface (at least 1; more
 * changes are told as fewer, larger rectangles), which may overlap. Returns their number, 0 if nothing changed.
 * *resized (may be null) is whether the surface has another size, or is another one, since then.
 */
unsigned display_changes(const struct display *display, struct display_seen *seen, struct rect *rects, unsigned max,
                         bool *resized);

/* The text screen as UTF-8: lines without trailing spaces, each ended by a newline. Returns the length without the
 * final 0 (at most size - 1), 0 when there are graphics; *text (may be null) is filled too. */
size_t display_read_text(struct display *display, char *buffer, size_t size, struct text_screen *text);

/* For the device: another size (pixels are lost, all is damaged; false: no memory, nothing changed), and what it has
 * drawn (clipped; empty: ignored). */
bool display_resize(struct display *display, unsigned width, unsigned height);
void display_damage(struct display *display, struct rect rect);
void display_destroy(struct display *display);

/* --- input -------------------------------------------------------------------------------------------------------- */

enum ui_button { UI_BUTTON_LEFT, UI_BUTTON_RIGHT, UI_BUTTON_MIDDLE, UI_BUTTON_SIDE, UI_BUTTON_EXTRA };
enum ui_led { UI_LED_SCROLL = 1, UI_LED_NUM = 2, UI_LED_CAPS = 4 }; /* as in the PS/2 keyboard's command EDh */
enum { UI_POSITION_MAX = 0x7fff };

/* A device's half. Any function may be null: such input vanishes. */
struct keyboard_sink {
    void (*key)(void *device, enum ui_key key, bool down); /* repeated `down` is the host's typematic */
    uint8_t (*leds)(void *device);                         /* mask of enum ui_led */
    void *device;
};

struct pointer_sink {
    void (*motion)(void *device, int dx, int dy);           /* relative; right and down are positive */
    void (*position)(void *device, unsigned x, unsigned y); /* absolute; 0 to UI_POSITION_MAX over the screen */
    void (*button)(void *device, enum ui_button button, bool down);
    void (*wheel)(void *device, int clicks); /* towards the person is positive */
    bool (*wanted)(void *device);            /* a guest's driver listens now; null: always */
    void *device;
};

struct sound;

struct ui {
    struct display *display; /* null: the machine has none */
    struct sound *speaker;   /* to be heard (core/sound.h); null: there is none */
    struct keyboard_sink keyboard;
    struct pointer_sink relative; /* a mouse */
    struct pointer_sink absolute; /* a tablet; all goes there while it is wanted, else to the mouse */
};

/* -1: no such name. QEMU's second names of a key ("compose", "asterisk", "sysrq") are understood too. Null: no such
 * key. */
int ui_key_by_name(const char *name);
const char *ui_key_name(enum ui_key key);

void ui_key(struct ui *ui, enum ui_key key, bool down);
uint8_t ui_leds(const struct ui *ui);

/* Whether the guest wants ui_position(): then the host's pointer needs no grab. Else it wants ui_motion(). */
bool ui_wants_position(const struct ui *ui);
void ui_motion(struct ui *ui, int dx, int dy);
void ui_position(struct ui *ui, unsigned x, unsigned y);
void ui_button(struct ui *ui, enum ui_button button, bool down);
void ui_wheel(struct ui *ui, int clicks);

#endif
