/*
 * Keyboard and pointer: from consumers to the devices behind them, and the keys' names. See ui.h.
 *
 * Thread: whoever holds the machine lock.
 */
#include "devices/core/ui.h"

#include <string.h>

static const char *const names[UI_KEY_COUNT] = {
#define X(name, symbol, number) [number] = name,
    UI_KEYS(X)
#undef X
};

int ui_key_by_name(const char *name)
{
    if (!strcmp(name, "compose"))
        return UI_KEY_MENU;
    if (!strcmp(name, "asterisk"))
        return UI_KEY_KP_MULTIPLY;
    if (!strcmp(name, "sysrq"))
        return UI_KEY_PRINT;
    for (int i = 0; i < UI_KEY_COUNT; i++)
        if (names[i] && !strcmp(names[i], name))
            return i;
    return -1;
}

const char *ui_key_name(enum ui_key key)
{
    return (unsigned)key < UI_KEY_COUNT ? names[key] : NULL;
}

void ui_key(struct ui *ui, enum ui_key key, bool down)
{
    if (ui->keyboard.key)
        ui->keyboard.key(ui->keyboard.device, key, down);
}

uint8_t ui_leds(const struct ui *ui)
{
    return ui->keyboard.leds ? ui->keyboard.leds(ui->keyboard.device) : 0;
}

bool ui_wants_position(const struct ui *ui)
{
    const struct pointer_sink *sink = &ui->absolute;
    return sink->position && (!sink->wanted || sink->wanted(sink->device));
}

/* The device that the guest listens to. */
static const struct pointer_sink *pointer(const struct ui *ui)
{
    return ui_wants_position(ui) ? &ui->absolute : &ui->relative;
}

void ui_motion(struct ui *ui, int dx, int dy)
{
    if (pointer(ui)->motion)
        pointer(ui)->motion(pointer(ui)->device, dx, dy);
}

void ui_position(struct ui *ui, unsigned x, unsigned y)
{
    if (!ui_wants_position(ui))
        return;
    ui->absolute.position(ui->absolute.device, x < UI_POSITION_MAX ? x : UI_POSITION_MAX,
                          y < UI_POSITION_MAX ? y : UI_POSITION_MAX);
}

void ui_button(struct ui *ui, enum ui_button button, bool down)
{
    if (pointer(ui)->button)
        pointer(ui)->button(pointer(ui)->device, button, down);
}

void ui_wheel(struct ui *ui, int clicks)
{
    if (pointer(ui)->wheel)
        pointer(ui)->wheel(pointer(ui)->device, clicks);
}
