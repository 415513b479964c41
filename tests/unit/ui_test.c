/* The display's change list and text, and where input goes. */
#include <criterion/criterion.h>
#include <string.h>

#include "devices/core/ui.h"

Test(ui, a_new_consumer_sees_everything_once)
{
    struct display display = {0};
    struct display_seen seen = {0};
    struct rect rects[4];
    bool resized;

    cr_assert_eq(display_changes(&display, &seen, rects, 4, &resized), 0);
    cr_assert_not(resized);
    cr_assert(display_resize(&display, 64, 48));
    cr_assert_eq(display_changes(&display, &seen, rects, 4, &resized), 1);
    cr_assert(resized);
    cr_assert_eq(rects[0].width, 64);
    cr_assert_eq(rects[0].height, 48);
    cr_assert_eq(display_changes(&display, &seen, rects, 4, &resized), 0);
    cr_assert_not(resized);
    display_destroy(&display);
}

Test(ui, consumers_do_not_disturb_each_other)
{
    struct display display = {0};
    struct display_seen one = {0}, two = {0};
    struct rect rects[4];

    cr_assert(display_resize(&display, 64, 48));
    display_changes(&display, &one, rects, 4, NULL);
    display_damage(&display, (struct rect){60, 40, 20, 20}); /* clipped */
    display_damage(&display, (struct rect){64, 0, 1, 1});    /* outside */
    display_damage(&display, (struct rect){0, 0, 0, 5});     /* empty */
    cr_assert_eq(display_changes(&display, &one, rects, 4, NULL), 1);
    cr_assert_eq(rects[0].x, 60);
    cr_assert_eq(rects[0].width, 4);
    cr_assert_eq(rects[0].height, 8);
    cr_assert_eq(display_changes(&display, &two, rects, 4, NULL), 1);
    cr_assert_eq(rects[0].width, 64);
    display_destroy(&display);
}

Test(ui, many_changes_become_fewer_larger_ones)
{
    struct display display = {0};
    struct display_seen seen = {0};
    struct rect rects[2];

    cr_assert(display_resize(&display, 64, 48));
    display_changes(&display, &seen, rects, 2, NULL);
    for (unsigned i = 0; i < 3; i++)
        display_damage(&display, (struct rect){i * 10, i * 10, 5, 5});
    cr_assert_eq(display_changes(&display, &seen, rects, 2, NULL), 2);
    cr_assert_eq(rects[1].x, 10);
    cr_assert_eq(rects[1].y, 10);
    cr_assert_eq(rects[1].width, 15);
    cr_assert_eq(rects[1].height, 15);
    for (unsigned i = 0; i < DISPLAY_DAMAGE_KEPT + 1; i++)
        display_damage(&display, (struct rect){0, 0, 1, 1});
    cr_assert_eq(display_changes(&display, &seen, rects, 2, NULL), 1);
    cr_assert_eq(rects[0].width, 64);
    display_destroy(&display);
}

static void read_text(void *device, struct text_screen *text, uint8_t *codes, size_t size)
{
    const char *screen = device;
    *text = (struct text_screen){.columns = 4, .rows = 2, .cursor_column = 3, .cursor_row = 1};
    memcpy(codes ? codes : (uint8_t[8]){0}, screen, size < 8 ? size : 8);
}

Test(ui, text_is_utf8_without_trailing_spaces)
{
    static const struct display_ops ops = {.read_text = read_text};
    struct display display = {.ops = &ops, .device = "ab\xc4 \x00\x01\x81\x20"};
    struct text_screen text;
    char buffer[32];

    size_t length = display_read_text(&display, buffer, sizeof(buffer), &text);
    cr_assert_str_eq(buffer, "ab\u2500\n \u263a\u00fc\n");
    cr_assert_eq(length, strlen(buffer));
    cr_assert_eq(text.cursor_row, 1);
    cr_assert_eq(display_read_text(&display, buffer, 3, NULL), 2);
    cr_assert_str_eq(buffer, "ab");
    display.ops = NULL;
    cr_assert_eq(display_read_text(&display, buffer, sizeof(buffer), &text), 0);
    cr_assert_str_empty(buffer);
}

Test(ui, keys_have_qemu_names)
{
    cr_assert_eq(ui_key_by_name("ret"), UI_KEY_RET);
    cr_assert_eq(ui_key_by_name("0"), 11);
    cr_assert_eq(ui_key_by_name("compose"), UI_KEY_MENU);
    cr_assert_eq(ui_key_by_name("nonesuch"), -1);
    cr_assert_str_eq(ui_key_name(UI_KEY_SHIFT_R), "shift_r");
    cr_assert_null(ui_key_name((enum ui_key)84));
    cr_assert_null(ui_key_name((enum ui_key)1000));
}

static void note_button(void *device, enum ui_button button, bool down)
{
    *(int *)device = down ? (int)button + 1 : 0;
}

static void note_position(void *device, unsigned x, unsigned y)
{
    *(int *)device = (int)(x + y);
}

static bool wanted(void *device)
{
    return *(int *)device >= 0;
}

Test(ui, the_absolute_pointer_takes_over_while_wanted)
{
    int mouse = 0, tablet = -1;
    struct ui ui = {
        .relative = {.button = note_button, .device = &mouse},
        .absolute = {.button = note_button, .position = note_position, .wanted = wanted, .device = &tablet},
    };

    ui_position(&ui, 1, 2);
    ui_button(&ui, UI_BUTTON_RIGHT, true);
    cr_assert_eq(tablet, -1);
    cr_assert_eq(mouse, UI_BUTTON_RIGHT + 1);
    tablet = 0;
    cr_assert(ui_wants_position(&ui));
    ui_button(&ui, UI_BUTTON_MIDDLE, true);
    cr_assert_eq(tablet, UI_BUTTON_MIDDLE + 1);
    ui_position(&ui, 99999, 1);
    cr_assert_eq(tablet, UI_POSITION_MAX + 1);
    ui_key(&ui, UI_KEY_A, true); /* nowhere */
    ui_wheel(&ui, 1);
    ui_motion(&ui, 1, 1);
    cr_assert_eq(ui_leds(&ui), 0);
}
