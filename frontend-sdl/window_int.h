/* The window's state, shared by the files of this folder. Everything runs on the thread that owns SDL. */
#ifndef RING3_FRONTEND_WINDOW_INT_H
#define RING3_FRONTEND_WINDOW_INT_H

#include "devices/core/ui.h"
#include "devices/machine/machine.h"
#include "frontend-sdl/terminal_view.h"

#include <SDL.h>

enum { BAR_HEIGHT = 24, GLYPH_WIDTH = 8, GLYPH_HEIGHT = 16, DIALOG_BUTTONS = 3, DIALOG_TEXT = 1024 };

enum view { VIEW_DISPLAY, VIEW_MONITOR, VIEW_SERIAL, VIEW_COUNT };

struct window;

struct dialog {
    const char *question; /* null: no dialog is shown */
    bool takes_text, asks_to_close;
    char text[DIALOG_TEXT];
    unsigned buttons, focus;
    struct {
        const char *label;
        void (*action)(struct window *w);
        SDL_Rect place;
    } button[DIALOG_BUTTONS];
};

struct window_audio {
    SDL_AudioDeviceID device; /* 0: not opened yet */
    bool failed;              /* and never will be */
    bool playing;             /* the queue is not yet played to its end; if it is: */
    uint64_t silent_since;    /* SDL_GetTicks64() */
    uint64_t next;            /* the first sample not yet computed, counted from virtual time 0 */
    float level, filtered;    /* the last sample's */
};

struct window {
    struct machine *machine;
    const struct machine_options *options;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *font;
    bool dirty;   /* the picture is not what it should be */
    bool visible; /* not minimized */

    /* The guest's display */
    SDL_Texture *screen;
    unsigned screen_width, screen_height; /* 0: nothing shown yet */
    struct display_seen seen;
    uint64_t changed_at, refreshed_at; /* SDL_GetTicks64() */

    enum view view;
    struct terminal_view console[VIEW_COUNT]; /* VIEW_DISPLAY's is not used */
    int console_fd[VIEW_COUNT];               /* -1: that console is elsewhere */

    unsigned zoom; /* in quarters */
    bool full_screen;
    int fit_width, fit_height; /* the size the window was given to fit; another one is the user's */

    bool grabbed;        /* keyboard and pointer are the guest's */
    bool pointer_inside; /* over the guest's screen */
    uint32_t buttons;    /* held in the guest, by enum ui_button */
    uint8_t held[UI_KEY_COUNT / 8];
    bool led_shown;

    struct window_audio audio;

    enum machine_state state;
    char title[256];
    char message[512]; /* in the bar, for a while */
    uint64_t message_until;
    int menu, menu_item; /* open menu and the item under the pointer; -1: none */
    struct dialog dialog;
    char *paste; /* text being typed into the guest; null: none */
    size_t pasted;

    /* Of the thread that runs the machine */
    bool ended; /* atomic */
    int status;
};

/* --- window.c --- */
void window_message(struct window *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void window_view(struct window *w, enum view view);
void window_zoom(struct window *w, int quarters); /* 0: back to actual size */
void window_fit(struct window *w);
void window_full_screen(struct window *w, bool on);
/* Runs a monitor command; what it answers becomes the message. False: it answered, which means it failed. */
bool window_command(struct window *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The size of what the view shows, and where in the window that is. */
void window_content(const struct window *w, unsigned *width, unsigned *height);
SDL_Rect window_place(const struct window *w);
bool window_bar_shown(const struct window *w);

/* --- input.c --- */
void input_event(struct window *w, const SDL_Event *event);
void input_release_all(struct window *w);
void input_grab(struct window *w, bool on);
void input_chord(struct window *w, const enum ui_key *keys, unsigned count);
void input_paste(struct window *w);
void input_paste_more(struct window *w);

/* --- bar.c: the bar, its menus and dialogs. An event they take is not for the guest. --- */
bool bar_event(struct window *w, const SDL_Event *event);
void bar_draw(struct window *w);
void bar_open_menu(struct window *w, int menu);
void dialog_ask_close(struct window *w);
void dialog_draw(struct window *w);
bool dialog_event(struct window *w, const SDL_Event *event);
void dialog_close(struct window *w);
void dialog_ask_path(struct window *w, const char *question, void (*action)(struct window *w));

/* --- actions.c: what menus and keys do --- */
void action_pause(struct window *w);
void action_reset(struct window *w);
void action_power_button(struct window *w);
void action_quit(struct window *w);
void action_screenshot(struct window *w);
void action_ctrl_alt_del(struct window *w);
void action_ctrl_alt_f1(struct window *w);
void action_ctrl_alt_f2(struct window *w);
void action_ctrl_alt_f7(struct window *w);
void action_change_cd(struct window *w);
void action_eject_cd(struct window *w);
void action_change_floppy(struct window *w);
void action_eject_floppy(struct window *w);
void action_drop(struct window *w, const char *path);
void action_display(struct window *w);
void action_monitor(struct window *w);
void action_serial(struct window *w);
void action_full_screen(struct window *w);
void action_larger(struct window *w);
void action_smaller(struct window *w);
void action_actual_size(struct window *w);
void action_grab(struct window *w);

/* --- audio.c --- */
void audio_play(struct window *w); /* what the PC speaker has done since the last call */

/* --- paint.c --- */
bool paint_create(struct window *w);
/* Code page 437 text; returns the x behind it. */
int paint_text(struct window *w, int x, int y, const char *text, uint32_t colour);
void paint_rect(struct window *w, SDL_Rect rect, uint32_t colour);
void paint_console(struct window *w, const struct terminal_view *view, SDL_Rect place);

/* --- keymap.c --- */
enum ui_key keymap(SDL_Scancode code); /* UI_KEY_NONE: a PC keyboard has no such key */

#endif
