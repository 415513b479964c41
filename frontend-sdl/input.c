/*
 * What a person does, on its way to the guest or to a console.
 *
 * Invariants: a key or button that the guest saw go down goes up for it as well: when it is let go, when the window
 * loses the focus, when another view is chosen. Ctrl+Alt with one of our keys is ours, and that key is not sent.
 */
#include "frontend-sdl/window_int.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { WHEEL_LINES = 3 };

/* --- the guest's keyboard ----------------------------------------------------------------------------------------- */

static bool is_held(const struct window *w, enum ui_key key)
{
    return w->held[key / 8] >> key % 8 & 1;
}

static void send_key(struct window *w, enum ui_key key, bool down)
{
    if (key == UI_KEY_NONE || is_held(w, key) == down)
        return;
    w->held[key / 8] ^= (uint8_t)(1u << key % 8);
    ui_key(machine_lock_ui(w->machine), key, down);
    machine_unlock_ui(w->machine);
}

void input_release_all(struct window *w)
{
    for (unsigned key = 0; key < UI_KEY_COUNT; key++)
        if (is_held(w, (enum ui_key)key))
            send_key(w, (enum ui_key)key, false);
    struct ui *ui = machine_lock_ui(w->machine);
    for (unsigned button = 0; button <= UI_BUTTON_EXTRA; button++)
        if (w->buttons >> button & 1)
            ui_button(ui, (enum ui_button)button, false);
    machine_unlock_ui(w->machine);
    w->buttons = 0;
}

/* Keys pressed on the guest's keyboard by us, whatever else is held. */
void input_chord(struct window *w, const enum ui_key *keys, unsigned count)
{
    window_view(w, VIEW_DISPLAY);
    input_release_all(w);
    struct ui *ui = machine_lock_ui(w->machine);
    for (unsigned i = 0; i < count; i++)
        ui_key(ui, keys[i], true);
    for (unsigned i = count; i-- > 0;)
        ui_key(ui, keys[i], false);
    machine_unlock_ui(w->machine);
}

void input_grab(struct window *w, bool on)
{
    if (on == w->grabbed || (on && w->view != VIEW_DISPLAY))
        return;
    w->grabbed = on;
    SDL_SetWindowKeyboardGrab(w->window, on);
    struct ui *ui = machine_lock_ui(w->machine);
    bool absolute = ui_wants_position(ui);
    machine_unlock_ui(w->machine);
    if (!on || !absolute)
        SDL_SetRelativeMouseMode(on);
    w->dirty = true;
}

/* --- pasting ------------------------------------------------------------------------------------------------------ */

void input_paste(struct window *w)
{
    SDL_free(w->paste);
    w->paste = SDL_GetClipboardText();
    w->pasted = 0;
    if (!w->paste || !w->paste[0])
        window_message(w, "There is no text to paste");
    input_release_all(w);
}

void input_paste_more(struct window *w)
{
    if (!w->paste)
        return;
    const char *rest = w->paste + w->pasted;
    if (w->view == VIEW_DISPLAY) {
        w->pasted += machine_type(w->machine, rest);
    } else {
        ssize_t n = write(w->console_fd[w->view], rest, strlen(rest));
        w->pasted += n > 0 ? (size_t)n : n < 0 && errno != EAGAIN ? strlen(rest) : 0;
    }
    if (!w->paste[w->pasted]) {
        SDL_free(w->paste);
        w->paste = NULL;
    }
}

/* --- our own keys ------------------------------------------------------------------------------------------------- */

/* By the letter on the key where there is one, so that they are where the host's layout has them. */
static bool own_key(struct window *w, const SDL_Keysym *key)
{
    static const struct {
        SDL_Keycode code;
        void (*action)(struct window *w);
    } by_letter[] = {
        {SDLK_g, action_grab},        {SDLK_f, action_full_screen},    {SDLK_u, action_actual_size},
        {SDLK_p, action_pause},       {SDLK_s, action_screenshot},     {SDLK_v, input_paste},
        {SDLK_PLUS, action_larger},   {SDLK_EQUALS, action_larger},    {SDLK_KP_PLUS, action_larger},
        {SDLK_MINUS, action_smaller}, {SDLK_KP_MINUS, action_smaller}, {SDLK_INSERT, action_ctrl_alt_del},
    };

    if (!(key->mod & KMOD_CTRL) || !(key->mod & KMOD_LALT))
        return false;
    for (unsigned i = 0; i < SDL_arraysize(by_letter); i++)
        if (key->sym == by_letter[i].code) {
            by_letter[i].action(w);
            return true;
        }
    if (key->scancode >= SDL_SCANCODE_1 && key->scancode <= SDL_SCANCODE_3) {
        window_view(w, (enum view)(key->scancode - SDL_SCANCODE_1));
        return true;
    }
    if (key->sym == SDLK_m) {
        input_grab(w, false);
        input_release_all(w);
        bar_open_menu(w, w->menu < 0 ? 0 : -1);
        return true;
    }
    return false;
}

/* --- consoles ----------------------------------------------------------------------------------------------------- */

static void console_send(struct window *w, const char *text, size_t count)
{
    /* What does not fit is lost, as on a line without flow control; a person does not type 100 KiB ahead. */
    ssize_t unused = write(w->console_fd[w->view], text, count);
    (void)unused;
}

static void console_key(struct window *w, const SDL_Keysym *key)
{
    static const struct {
        SDL_Scancode code;
        const char *text;
    } keys[] = {
        {SDL_SCANCODE_RETURN, "\r"},     {SDL_SCANCODE_KP_ENTER, "\r"},   {SDL_SCANCODE_BACKSPACE, "\177"},
        {SDL_SCANCODE_TAB, "\t"},        {SDL_SCANCODE_ESCAPE, "\33"},    {SDL_SCANCODE_UP, "\33[A"},
        {SDL_SCANCODE_DOWN, "\33[B"},    {SDL_SCANCODE_RIGHT, "\33[C"},   {SDL_SCANCODE_LEFT, "\33[D"},
        {SDL_SCANCODE_HOME, "\33[H"},    {SDL_SCANCODE_END, "\33[F"},     {SDL_SCANCODE_INSERT, "\33[2~"},
        {SDL_SCANCODE_DELETE, "\33[3~"}, {SDL_SCANCODE_PAGEUP, "\33[5~"}, {SDL_SCANCODE_PAGEDOWN, "\33[6~"},
    };
    struct terminal_view *view = &w->console[w->view];

    if (key->mod & KMOD_SHIFT && (key->scancode == SDL_SCANCODE_PAGEUP || key->scancode == SDL_SCANCODE_PAGEDOWN)) {
        terminal_view_scroll(view, key->scancode == SDL_SCANCODE_PAGEUP ? TERMINAL_ROWS - 1 : 1 - TERMINAL_ROWS);
        return;
    }
    for (unsigned i = 0; i < SDL_arraysize(keys); i++)
        if (keys[i].code == key->scancode) {
            console_send(w, keys[i].text, strlen(keys[i].text));
            return;
        }
    if (key->mod & KMOD_CTRL && !(key->mod & KMOD_ALT) && key->sym >= '@' && key->sym < 0x7f) {
        char control = (char)(key->sym & 0x1f);
        console_send(w, &control, 1);
    }
}

/* --- pointer ------------------------------------------------------------------------------------------------------ */

static void send_position(struct window *w, struct ui *ui, int x, int y)
{
    SDL_Rect place = window_place(w);
    if (place.w < 2 || place.h < 2)
        return;
    int px = SDL_clamp(x - place.x, 0, place.w - 1), py = SDL_clamp(y - place.y, 0, place.h - 1);
    ui_position(ui, (unsigned)((int64_t)px * UI_POSITION_MAX / (place.w - 1)),
                (unsigned)((int64_t)py * UI_POSITION_MAX / (place.h - 1)));
}

static bool over_screen(const struct window *w, int x, int y)
{
    SDL_Rect place = window_place(w);
    const SDL_Point point = {x, y};
    return SDL_PointInRect(&point, &place);
}

/* The guest draws its own pointer; ours is hidden over its screen then. */
static void show_pointer(struct window *w, bool absolute, bool over)
{
    w->pointer_inside = absolute && over;
    SDL_ShowCursor(w->pointer_inside ? SDL_DISABLE : SDL_ENABLE);
}

static void motion(struct window *w, const SDL_MouseMotionEvent *event)
{
    struct ui *ui = machine_lock_ui(w->machine);
    bool absolute = ui_wants_position(ui);
    if (absolute)
        send_position(w, ui, event->x, event->y);
    else if (w->grabbed)
        ui_motion(ui, event->xrel, event->yrel);
    machine_unlock_ui(w->machine);
    if (!w->grabbed || absolute)
        show_pointer(w, absolute, over_screen(w, event->x, event->y));
    if (absolute && w->grabbed && SDL_GetRelativeMouseMode())
        SDL_SetRelativeMouseMode(SDL_FALSE); /* the guest's driver has come up */
}

static int button_of(uint8_t button)
{
    static const int buttons[] = {
        [SDL_BUTTON_LEFT] = UI_BUTTON_LEFT,     [SDL_BUTTON_RIGHT] = UI_BUTTON_RIGHT,
        [SDL_BUTTON_MIDDLE] = UI_BUTTON_MIDDLE, [SDL_BUTTON_X1] = UI_BUTTON_SIDE,
        [SDL_BUTTON_X2] = UI_BUTTON_EXTRA,
    };
    return button > 0 && button < SDL_arraysize(buttons) ? buttons[button] : -1;
}

static void button(struct window *w, const SDL_MouseButtonEvent *event)
{
    bool down = event->type == SDL_MOUSEBUTTONDOWN, known = true;
    int which = button_of(event->button);

    if (which < 0 || (down && !w->grabbed && !over_screen(w, event->x, event->y)))
        return;
    struct ui *ui = machine_lock_ui(w->machine);
    if (ui_wants_position(ui))
        send_position(w, ui, event->x, event->y);
    else
        known = w->grabbed;
    if (known || !down) {
        ui_button(ui, (enum ui_button)which, down);
        w->buttons = down ? w->buttons | 1u << which : w->buttons & ~(1u << which);
    }
    machine_unlock_ui(w->machine);
    if (!known && down) /* a mouse that only knows movement: the click takes it in */
        input_grab(w, true);
}

static void wheel(struct window *w, const SDL_MouseWheelEvent *event)
{
    int clicks = event->direction == SDL_MOUSEWHEEL_FLIPPED ? -event->y : event->y;

    if (w->view != VIEW_DISPLAY) {
        terminal_view_scroll(&w->console[w->view], clicks * WHEEL_LINES);
        return;
    }
    struct ui *ui = machine_lock_ui(w->machine);
    if (w->grabbed || ui_wants_position(ui))
        ui_wheel(ui, -clicks);
    machine_unlock_ui(w->machine);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static void key_event(struct window *w, const SDL_KeyboardEvent *event)
{
    bool down = event->type == SDL_KEYDOWN;

    if (w->view == VIEW_DISPLAY && !event->repeat) /* the guest's keyboard repeats by itself */
        send_key(w, keymap(event->keysym.scancode), down);
    else if (w->view != VIEW_DISPLAY && down)
        console_key(w, &event->keysym);
}

void input_event(struct window *w, const SDL_Event *event)
{
    bool display = w->view == VIEW_DISPLAY;

    switch (event->type) {
    case SDL_KEYDOWN:
        if (!own_key(w, &event->key.keysym))
            key_event(w, &event->key);
        break;
    case SDL_KEYUP:
        key_event(w, &event->key);
        break;
    case SDL_TEXTINPUT:
        if (!display)
            console_send(w, event->text.text, strlen(event->text.text));
        break;
    case SDL_MOUSEMOTION:
        if (display)
            motion(w, &event->motion);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        if (display)
            button(w, &event->button);
        break;
    case SDL_MOUSEWHEEL:
        wheel(w, &event->wheel);
        break;
    }
}
