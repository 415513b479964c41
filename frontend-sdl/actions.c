/* What menus and keys do. */
#include "frontend-sdl/window_int.h"

#include <stdio.h>
#include <time.h>

/* --- machine ------------------------------------------------------------------------------------------------------ */

void action_pause(struct window *w)
{
    if (machine_state(w->machine) == MACHINE_RUNNING)
        machine_pause(w->machine);
    else
        machine_continue(w->machine);
    w->dirty = true;
}

void action_reset(struct window *w)
{
    machine_reset(w->machine);
    window_message(w, "Reset");
}

void action_power_button(struct window *w)
{
    machine_power_button(w->machine);
    window_message(w, "Power button pressed: the guest shuts down if it listens");
}

void action_quit(struct window *w)
{
    dialog_ask_close(w);
}

void action_screenshot(struct window *w)
{
    char name[64];
    time_t now = time(NULL);
    struct tm tm;

    strftime(name, sizeof(name), "ring3-%Y%m%d-%H%M%S.png", localtime_r(&now, &tm));
    if (window_command(w, "screendump %s -f png", name))
        window_message(w, "Saved %s", name);
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

#define CHORD(...)                                                                                                     \
    do {                                                                                                               \
        static const enum ui_key keys[] = {__VA_ARGS__};                                                               \
        input_chord(w, keys, sizeof(keys) / sizeof(keys[0]));                                                          \
    } while (0)

void action_ctrl_alt_del(struct window *w)
{
    CHORD(UI_KEY_CTRL, UI_KEY_ALT, UI_KEY_DELETE);
}

void action_ctrl_alt_f1(struct window *w)
{
    CHORD(UI_KEY_CTRL, UI_KEY_ALT, UI_KEY_F1);
}

void action_ctrl_alt_f2(struct window *w)
{
    CHORD(UI_KEY_CTRL, UI_KEY_ALT, UI_KEY_F2);
}

void action_ctrl_alt_f7(struct window *w)
{
    CHORD(UI_KEY_CTRL, UI_KEY_ALT, UI_KEY_F7);
}

void action_grab(struct window *w)
{
    input_grab(w, !w->grabbed);
}

/* --- media -------------------------------------------------------------------------------------------------------- */

static bool change(struct window *w, const char *device, const char *what, const char *path)
{
    bool changed = path[0] && window_command(w, "change %s \"%s\"", device, path);
    if (changed)
        window_message(w, "%s: %s", what, path);
    return changed;
}

static void cd_chosen(struct window *w)
{
    change(w, "ide1-cd0", "CD", w->dialog.text);
}

static void floppy_chosen(struct window *w)
{
    change(w, "floppy0", "Floppy", w->dialog.text);
}

void action_change_cd(struct window *w)
{
    dialog_ask_path(w, "Path of the CD image (or drop a file on the window):", cd_chosen);
}

void action_change_floppy(struct window *w)
{
    dialog_ask_path(w, "Path of the floppy image (or drop a file on the window):", floppy_chosen);
}

void action_eject_cd(struct window *w)
{
    if (window_command(w, "eject ide1-cd0"))
        window_message(w, "CD ejected");
}

void action_eject_floppy(struct window *w)
{
    if (window_command(w, "eject floppy0"))
        window_message(w, "Floppy ejected");
}

/* A file was dropped on the window: a floppy if it has a floppy's size, else a CD. Under -sandbox on its size cannot be
 * asked for here, and only such a file goes into a floppy drive there. */
void action_drop(struct window *w, const char *path)
{
    enum { FLOPPY_MAX = 2880 << 10 };
    SDL_RWops *file = SDL_RWFromFile(path, "rb");
    int64_t size = file ? SDL_RWsize(file) : -1;

    if (file)
        SDL_RWclose(file);
    bool unknown = size < 0 && w->options->sandbox;
    if (size < 0 && !unknown)
        window_message(w, "%s: cannot be read", path);
    else if (size <= FLOPPY_MAX && change(w, "floppy0", "Floppy", path))
        return;
    else if (unknown || size > FLOPPY_MAX)
        change(w, "ide1-cd0", "CD", path);
}

/* --- view --------------------------------------------------------------------------------------------------------- */

void action_display(struct window *w)
{
    window_view(w, VIEW_DISPLAY);
}

void action_monitor(struct window *w)
{
    window_view(w, VIEW_MONITOR);
}

void action_serial(struct window *w)
{
    window_view(w, VIEW_SERIAL);
}

void action_full_screen(struct window *w)
{
    window_full_screen(w, !w->full_screen);
}

void action_larger(struct window *w)
{
    window_zoom(w, 1);
}

void action_smaller(struct window *w)
{
    window_zoom(w, -1);
}

void action_actual_size(struct window *w)
{
    window_zoom(w, 0);
}
