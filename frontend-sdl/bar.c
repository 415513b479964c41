/*
 * The bar along the top of the window, its menus, and the dialogs. Everything can be done by mouse or by keyboard:
 * Ctrl+Alt+M opens the menus, the arrow keys, Enter and Esc do the rest.
 */
#include "frontend-sdl/window_int.h"

#include <string.h>

enum { PAD = 12, ROW = 22, TEXT_UP = (BAR_HEIGHT - GLYPH_HEIGHT) / 2, DIALOG_WIDTH = 600, DIALOG_HEIGHT = 120 };

enum {
    COLOUR_BAR = 0x2b303b,
    COLOUR_MENU = 0x343a46,
    COLOUR_EDGE = 0x4f5666,
    COLOUR_CHOSEN = 0x3d6fb4,
    COLOUR_TEXT = 0xe6e9ef,
    COLOUR_DIM = 0x98a0b0,
    COLOUR_FIELD = 0x1b1e25,
};

struct item {
    const char *text, *keys; /* text null: a line between items */
    void (*action)(struct window *w);
};

static const struct item machine_items[] = {
    {"Pause or continue", "Ctrl+Alt+P", action_pause},
    {"Reset", "", action_reset},
    {"Power off (ACPI button)", "", action_power_button},
    {NULL, NULL, NULL},
    {"Screenshot (PNG)", "Ctrl+Alt+S", action_screenshot},
    {NULL, NULL, NULL},
    {"Close...", "", action_quit},
};

static const struct item key_items[] = {
    {"Ctrl+Alt+Del", "Ctrl+Alt+Ins", action_ctrl_alt_del},
    {"Ctrl+Alt+F1", "", action_ctrl_alt_f1},
    {"Ctrl+Alt+F2", "", action_ctrl_alt_f2},
    {"Ctrl+Alt+F7", "", action_ctrl_alt_f7},
    {NULL, NULL, NULL},
    {"Paste text as keys", "Ctrl+Alt+V", input_paste},
    {"Grab keyboard and mouse", "Ctrl+Alt+G", action_grab},
};

static const struct item media_items[] = {
    {"Change CD...", "", action_change_cd},         {"Eject CD", "", action_eject_cd},         {NULL, NULL, NULL},
    {"Change floppy...", "", action_change_floppy}, {"Eject floppy", "", action_eject_floppy},
};

static const struct item view_items[] = {
    {"Display", "Ctrl+Alt+1", action_display},         {"Monitor", "Ctrl+Alt+2", action_monitor},
    {"Serial console", "Ctrl+Alt+3", action_serial},   {NULL, NULL, NULL},
    {"Full screen", "Ctrl+Alt+F", action_full_screen}, {"Larger", "Ctrl+Alt++", action_larger},
    {"Smaller", "Ctrl+Alt+-", action_smaller},         {"Actual size", "Ctrl+Alt+U", action_actual_size},
};

#define MENU(title, items)                                                                                             \
    {                                                                                                                  \
        title, items, sizeof(items) / sizeof(items[0])                                                                 \
    }

static const struct menu {
    const char *title;
    const struct item *item;
    unsigned count;
} menus[] = {
    MENU("Machine", machine_items),
    MENU("Keys", key_items),
    MENU("Media", media_items),
    MENU("View", view_items),
};

enum { MENU_COUNT = sizeof(menus) / sizeof(menus[0]) };

static bool inside(SDL_Rect rect, int x, int y)
{
    const SDL_Point point = {x, y};
    return SDL_PointInRect(&point, &rect);
}

static int text_width(const char *text)
{
    return (int)strlen(text) * GLYPH_WIDTH;
}

/* --- menus -------------------------------------------------------------------------------------------------------- */

static SDL_Rect title_place(unsigned menu)
{
    int x = 0;
    for (unsigned i = 0; i < menu; i++)
        x += text_width(menus[i].title) + 2 * PAD;
    return (SDL_Rect){x, 0, text_width(menus[menu].title) + 2 * PAD, BAR_HEIGHT};
}

static SDL_Rect menu_place(unsigned menu)
{
    int texts = 0, keys = 0;
    for (unsigned i = 0; i < menus[menu].count; i++) {
        const struct item *item = &menus[menu].item[i];
        if (!item->text)
            continue;
        texts = SDL_max(texts, text_width(item->text));
        keys = SDL_max(keys, text_width(item->keys));
    }
    return (SDL_Rect){title_place(menu).x, BAR_HEIGHT, texts + keys + 4 * PAD, (int)menus[menu].count * ROW + 8};
}

static int title_at(int x, int y)
{
    for (unsigned i = 0; i < MENU_COUNT; i++)
        if (inside(title_place(i), x, y))
            return (int)i;
    return -1;
}

static int item_at(const struct window *w, int x, int y)
{
    SDL_Rect place = menu_place((unsigned)w->menu);
    if (!inside(place, x, y))
        return -1;
    int i = (y - place.y - 4) / ROW;
    bool real = y >= place.y + 4 && i < (int)menus[w->menu].count && menus[w->menu].item[i].text;
    return real ? i : -1;
}

void bar_open_menu(struct window *w, int menu)
{
    w->menu = menu;
    w->menu_item = -1;
    w->dirty = true;
}

static void choose(struct window *w, int i)
{
    const struct item *item = &menus[w->menu].item[i];
    bar_open_menu(w, -1);
    item->action(w);
}

/* The next item in a direction, around the ends. */
static void step_item(struct window *w, int by)
{
    int count = (int)menus[w->menu].count;
    if (w->menu_item < 0)
        w->menu_item = by > 0 ? -1 : count;
    do
        w->menu_item = (w->menu_item + by + count) % count;
    while (!menus[w->menu].item[w->menu_item].text);
}

static void menu_key(struct window *w, SDL_Scancode code)
{
    switch (code) {
    case SDL_SCANCODE_ESCAPE:
        bar_open_menu(w, -1);
        break;
    case SDL_SCANCODE_LEFT:
        bar_open_menu(w, (w->menu + MENU_COUNT - 1) % MENU_COUNT);
        break;
    case SDL_SCANCODE_RIGHT:
        bar_open_menu(w, (w->menu + 1) % MENU_COUNT);
        break;
    case SDL_SCANCODE_UP:
        step_item(w, -1);
        break;
    case SDL_SCANCODE_DOWN:
        step_item(w, 1);
        break;
    case SDL_SCANCODE_RETURN:
    case SDL_SCANCODE_KP_ENTER:
        if (w->menu_item >= 0)
            choose(w, w->menu_item);
        break;
    default:
        break;
    }
    w->dirty = true;
}

static void menu_motion(struct window *w, int x, int y)
{
    int title = title_at(x, y);
    if (title >= 0 && title != w->menu)
        bar_open_menu(w, title);
    int item = item_at(w, x, y);
    if (item != w->menu_item) {
        w->menu_item = item;
        w->dirty = true;
    }
}

static bool mouse_pressed(struct window *w, int x, int y)
{
    int title = window_bar_shown(w) ? title_at(x, y) : -1;

    if (w->menu >= 0) {
        int item = item_at(w, x, y);
        if (item >= 0)
            choose(w, item);
        else
            bar_open_menu(w, title == w->menu ? -1 : title);
        return true;
    }
    if (title >= 0)
        bar_open_menu(w, title);
    return title >= 0 || (window_bar_shown(w) && y < BAR_HEIGHT);
}

bool bar_event(struct window *w, const SDL_Event *event)
{
    bool menu_open = w->menu >= 0; /* a key that closes it is not the guest's either */

    if (w->dialog.question)
        return dialog_event(w, event);
    switch (event->type) {
    case SDL_MOUSEBUTTONDOWN:
        return !w->grabbed && mouse_pressed(w, event->button.x, event->button.y);
    case SDL_MOUSEMOTION:
        if (menu_open)
            menu_motion(w, event->motion.x, event->motion.y);
        return menu_open;
    case SDL_KEYDOWN:
        if (menu_open)
            menu_key(w, event->key.keysym.scancode);
        return menu_open;
    case SDL_MOUSEWHEEL:
    case SDL_TEXTINPUT:
        return menu_open;
    default:
        return false;
    }
}

static void draw_menu(struct window *w, unsigned menu)
{
    SDL_Rect place = menu_place(menu);

    paint_rect(w, (SDL_Rect){place.x - 1, place.y - 1, place.w + 2, place.h + 2}, COLOUR_EDGE);
    paint_rect(w, place, COLOUR_MENU);
    for (unsigned i = 0; i < menus[menu].count; i++) {
        const struct item *item = &menus[menu].item[i];
        int y = place.y + 4 + (int)i * ROW;
        if (!item->text) {
            paint_rect(w, (SDL_Rect){place.x + PAD, y + ROW / 2, place.w - 2 * PAD, 1}, COLOUR_EDGE);
            continue;
        }
        if ((int)i == w->menu_item)
            paint_rect(w, (SDL_Rect){place.x, y, place.w, ROW}, COLOUR_CHOSEN);
        paint_text(w, place.x + PAD, y + 3, item->text, COLOUR_TEXT);
        paint_text(w, place.x + place.w - PAD - text_width(item->keys), y + 3, item->keys,
                   (int)i == w->menu_item ? COLOUR_TEXT : COLOUR_DIM);
    }
}

/* How many of the first characters make a line: up to a space, if there is one. */
static size_t line_length(const char *text, size_t room)
{
    size_t length = strlen(text), cut = room;

    if (length <= room)
        return length;
    while (cut && text[cut] != ' ')
        cut--;
    return cut ? cut : room;
}

/* What the bar has no room for is under it, in lines. */
static void draw_message(struct window *w, int width)
{
    const size_t room = width > 2 * PAD + GLYPH_WIDTH ? (size_t)(width - 2 * PAD) / GLYPH_WIDTH : 1;
    const char *rest = w->message;

    for (int y = BAR_HEIGHT; *rest; y += ROW) {
        char line[sizeof(w->message)];
        size_t length = line_length(rest, room);
        SDL_strlcpy(line, rest, length + 1);
        paint_rect(w, (SDL_Rect){0, y, width, ROW}, COLOUR_BAR);
        paint_text(w, PAD, y + (ROW - GLYPH_HEIGHT) / 2, line, COLOUR_TEXT);
        rest += length + (rest[length] == ' ');
    }
}

void bar_draw(struct window *w)
{
    static const char *const names[] = {"Display", "Monitor", "Serial console"};
    int width, height;

    SDL_GetRendererOutputSize(w->renderer, &width, &height);
    paint_rect(w, (SDL_Rect){0, 0, width, BAR_HEIGHT}, COLOUR_BAR);
    for (unsigned i = 0; i < MENU_COUNT; i++) {
        SDL_Rect place = title_place(i);
        if ((int)i == w->menu)
            paint_rect(w, place, COLOUR_CHOSEN);
        paint_text(w, place.x + PAD, TEXT_UP, menus[i].title, COLOUR_TEXT);
    }
    /* On the right what is going on, where there is room for it. */
    const char *text = w->message[0] ? w->message : names[w->view];
    const SDL_Rect last = title_place(MENU_COUNT - 1);
    if (last.x + last.w + text_width(text) + 2 * PAD <= width)
        paint_text(w, width - PAD - text_width(text), TEXT_UP, text, w->message[0] ? COLOUR_TEXT : COLOUR_DIM);
    else if (w->message[0])
        draw_message(w, width);
    if (w->menu >= 0)
        draw_menu(w, (unsigned)w->menu);
}

/* --- dialogs ------------------------------------------------------------------------------------------------------ */

void dialog_close(struct window *w)
{
    w->dialog.question = NULL;
    w->dirty = true;
    if (w->view == VIEW_DISPLAY)
        SDL_StopTextInput();
}

static void add_button(struct dialog *d, const char *label, void (*action)(struct window *w))
{
    d->button[d->buttons].label = label;
    d->button[d->buttons++].action = action;
}

static void open_dialog(struct window *w, const char *question)
{
    input_grab(w, false);
    input_release_all(w);
    bar_open_menu(w, -1);
    w->dialog = (struct dialog){.question = question};
}

static void end_machine(struct window *w)
{
    machine_quit(w->machine, 0);
}

void dialog_ask_close(struct window *w)
{
    open_dialog(w, "The guest is still running. What shall become of it?");
    add_button(&w->dialog, "Shut down", action_power_button);
    add_button(&w->dialog, "End at once", end_machine);
    add_button(&w->dialog, "Cancel", NULL);
    w->dialog.focus = 2;
    w->dialog.asks_to_close = true;
}

void dialog_ask_path(struct window *w, const char *question, void (*action)(struct window *w))
{
    open_dialog(w, question);
    w->dialog.takes_text = true;
    add_button(&w->dialog, "OK", action);
    add_button(&w->dialog, "Cancel", NULL);
    SDL_StartTextInput();
}

static void press_button(struct window *w, unsigned i)
{
    void (*action)(struct window * w) = w->dialog.button[i].action;
    dialog_close(w); /* its text stays until the next one opens */
    if (action)
        action(w);
}

static void add_text(struct dialog *d, const char *text)
{
    SDL_strlcat(d->text, text, sizeof(d->text));
}

static void remove_character(struct dialog *d)
{
    size_t length = strlen(d->text);
    while (length && (d->text[length - 1] & 0xc0) == 0x80)
        length--;
    if (length)
        length--;
    d->text[length] = 0;
}

static void dialog_key(struct window *w, const SDL_Keysym *key)
{
    struct dialog *d = &w->dialog;

    switch (key->scancode) {
    case SDL_SCANCODE_ESCAPE:
        dialog_close(w);
        break;
    case SDL_SCANCODE_RETURN:
    case SDL_SCANCODE_KP_ENTER:
        press_button(w, d->focus);
        break;
    case SDL_SCANCODE_TAB:
    case SDL_SCANCODE_RIGHT:
        d->focus = (d->focus + 1) % d->buttons;
        break;
    case SDL_SCANCODE_LEFT:
        d->focus = (d->focus + d->buttons - 1) % d->buttons;
        break;
    case SDL_SCANCODE_BACKSPACE:
        remove_character(d);
        break;
    case SDL_SCANCODE_V:
        if (d->takes_text && key->mod & KMOD_CTRL && SDL_HasClipboardText()) {
            char *text = SDL_GetClipboardText();
            text[strcspn(text, "\r\n")] = 0;
            add_text(d, text);
            SDL_free(text);
        }
        break;
    default:
        break;
    }
}

bool dialog_event(struct window *w, const SDL_Event *event)
{
    struct dialog *d = &w->dialog;

    switch (event->type) {
    case SDL_KEYDOWN:
        dialog_key(w, &event->key.keysym);
        break;
    case SDL_TEXTINPUT:
        if (d->takes_text)
            add_text(d, event->text.text);
        break;
    case SDL_MOUSEBUTTONDOWN:
        for (unsigned i = 0; i < d->buttons; i++)
            if (inside(d->button[i].place, event->button.x, event->button.y)) {
                press_button(w, i);
                break;
            }
        break;
    case SDL_MOUSEMOTION:
    case SDL_MOUSEWHEEL:
        return true;
    default:
        return false;
    }
    w->dirty = true;
    return true;
}

void dialog_draw(struct window *w)
{
    struct dialog *d = &w->dialog;
    int width, height, box_width;

    SDL_GetRendererOutputSize(w->renderer, &width, &height);
    box_width = SDL_min(DIALOG_WIDTH, width - 2 * PAD);
    SDL_Rect box = {(width - box_width) / 2, (height - DIALOG_HEIGHT) / 2, box_width, DIALOG_HEIGHT};
    paint_rect(w, (SDL_Rect){box.x - 1, box.y - 1, box.w + 2, box.h + 2}, COLOUR_EDGE);
    paint_rect(w, box, COLOUR_MENU);
    paint_text(w, box.x + PAD, box.y + PAD, d->question, COLOUR_TEXT);
    if (d->takes_text) {
        SDL_Rect field = {box.x + PAD, box.y + 38, box.w - 2 * PAD, ROW};
        size_t room = (size_t)(field.w / GLYPH_WIDTH) - 2, length = strlen(d->text);
        paint_rect(w, field, COLOUR_FIELD);
        int x = paint_text(w, field.x + 4, field.y + 3, d->text + (length > room ? length - room : 0), COLOUR_TEXT);
        paint_rect(w, (SDL_Rect){x, field.y + 3, 2, GLYPH_HEIGHT}, COLOUR_TEXT);
    }
    int x = box.x + PAD;
    for (unsigned i = 0; i < d->buttons; i++) {
        SDL_Rect place = {x, box.y + box.h - ROW - PAD, text_width(d->button[i].label) + 2 * PAD, ROW + 2};
        paint_rect(w, place, i == d->focus ? COLOUR_CHOSEN : COLOUR_EDGE);
        paint_text(w, place.x + PAD, place.y + 4, d->button[i].label, COLOUR_TEXT);
        d->button[i].place = place;
        x += place.w + PAD;
    }
}
