/*
 * Draws the VGA's text modes, cell by cell where a character, its attribute, its glyph or what blinks has changed. See
 * vga_int.h.
 *
 * Invariant: picture->cells holds what each cell on the surface shows; fonts are copied, so that a change is seen.
 * Thread: whoever holds the machine lock. Source: IBM VGA XGA Technical Reference, "Alphanumeric Modes", "RAM-Loadable
 * Character Generator".
 */
#include "devices/chips/vga_int.h"

#include <stdlib.h>
#include <string.h>

enum {
    PLANE_FONT = 2,
    FONT_BYTES = 256 * 32,
    CELL_CURSOR = 1 << 16, /* a cell: character, attribute << 8, and these */
    CELL_HIDDEN = 1 << 17,
    CELL_NOTHING = 1u << 31,
    ATTRIBUTE_BLINK = 0x80,
    ATTRIBUTE_UNDERLINE = 0x01,
    ATTRIBUTE_UNDERLINE_MASK = 0x77,
    LINE_GRAPHICS_FIRST = 0xc0,
    LINE_GRAPHICS_LAST = 0xdf,
};

/* Copies the fonts where their memory is dirty. True: glyphs have changed. */
static bool update_fonts(struct vga *vga, bool all)
{
    struct vga_picture *picture = vga->picture;
    bool changed = false;

    for (unsigned which = 0; which < 2; which++) {
        uint32_t at = 4 * picture->state.font[which];
        if (!all && !memchr(vga->dirty + (at >> GUEST_PAGE_SHIFT), 1, 4 * FONT_BYTES >> GUEST_PAGE_SHIFT))
            continue;
        uint8_t *font = picture->font[which][0];
        for (unsigned i = 0; i < FONT_BYTES; i++) {
            uint8_t row = vga->memory[at + 4 * i + PLANE_FONT];
            changed |= font[i] != row;
            font[i] = row;
        }
    }
    return changed;
}

/* The cells' memory, one more in each row than fit, for panning. False: none. */
static bool make_cells(struct vga_picture *picture)
{
    struct picture_row row = {0};
    size_t room = 0;

    while (picture_next_row(&picture->state, &row))
        room += picture->state.columns + 1;
    if (room > picture->cell_room) {
        free(picture->cells);
        picture->cells = malloc(room * sizeof(*picture->cells));
        picture->cell_room = picture->cells ? room : 0;
    }
    for (size_t i = 0; i < room && picture->cells; i++)
        picture->cells[i] = CELL_NOTHING;
    return picture->cells;
}

static uint32_t cell_now(const struct vga *vga, const struct picture_phase *phase, uint32_t at)
{
    const struct picture_state *state = &vga->picture->state;
    const uint8_t *unit = vga->memory + 4 * (size_t)(at & state->mask);
    uint32_t cell = unit[0] | (uint32_t)unit[1] << 8;

    if (phase->cursor && (at & state->mask) == (phase->cursor_at & state->mask))
        cell |= CELL_CURSOR;
    if (state->blinking && unit[1] & ATTRIBUTE_BLINK && !phase->blink)
        cell |= CELL_HIDDEN;
    return cell;
}

/* The dots of one scan line of a cell, the leftmost in bit 8. */
static unsigned cell_dots(const struct vga *vga, const struct picture_phase *phase, uint32_t cell, unsigned scan)
{
    const struct picture_state *state = &vga->picture->state;
    uint8_t code = (uint8_t)cell, attribute = (uint8_t)(cell >> 8);

    if (cell & CELL_CURSOR && scan >= phase->cursor_first && scan <= phase->cursor_last)
        return 0x1ff;
    if (cell & CELL_HIDDEN)
        return 0;
    if (scan == state->underline && (attribute & ATTRIBUTE_UNDERLINE_MASK) == ATTRIBUTE_UNDERLINE)
        return 0x1ff;
    unsigned dots = (unsigned)vga->picture->font[attribute >> 3 & 1][code][scan & 31] << 1;
    if (state->nine_copies && code >= LINE_GRAPHICS_FIRST && code <= LINE_GRAPHICS_LAST)
        dots |= dots >> 1 & 1;
    return dots;
}

/* x may be left of the surface or reach beyond it. */
static void draw_cell(struct vga *vga, const struct picture_phase *phase, uint32_t cell, const struct picture_row *row,
                      int x)
{
    const struct picture_state *state = &vga->picture->state;
    const struct surface *surface = &vga->display.surface;
    uint8_t attribute = (uint8_t)(cell >> 8);
    uint32_t front = state->palette[attribute & 0xf];
    uint32_t back = state->palette[attribute >> 4 & (state->blinking ? 7 : 15)];
    int width = (int)(state->dots * state->dot_width);

    for (unsigned i = 0; i < row->lines; i++) {
        unsigned dots = cell_dots(vga, phase, cell, row->scan + i / state->repeat);
        uint32_t *line = surface->pixels + (size_t)(row->y + i) * (surface->stride / 4);
        for (int j = 0; j < width; j++)
            if (x + j >= 0 && x + j < (int)surface->width)
                line[x + j] = dots >> (8 - (unsigned)j / state->dot_width) & 1 ? front : back;
    }
}

/* One row of cells: those that differ from `shown`. */
static void draw_row(struct vga *vga, const struct picture_phase *phase, const struct picture_row *row, uint32_t *shown)
{
    const struct picture_state *state = &vga->picture->state;
    int width = (int)(state->dots * state->dot_width), pan = (int)(row->pan * state->dot_width);
    int left = (int)state->width, right = 0;

    for (unsigned i = 0; i < state->columns + (pan ? 1 : 0); i++) {
        uint32_t cell = cell_now(vga, phase, row->at + i);
        if (cell == shown[i])
            continue;
        int x = (int)i * width - pan;
        draw_cell(vga, phase, cell, row, x);
        shown[i] = cell;
        left = x < left ? x : left;
        right = x + width;
    }
    if (left < 0)
        left = 0;
    if (right > left)
        display_damage(&vga->display, (struct rect){(unsigned)left, row->y, (unsigned)(right - left), row->lines});
}

void vga_draw_text(struct vga *vga, const struct picture_phase *phase, bool all)
{
    struct vga_picture *picture = vga->picture;
    const struct picture_phase *old = &picture->phase;
    struct picture_row row = {0};

    /* Another shape of cursor changes cells that look the same. */
    all |= old->cursor_first != phase->cursor_first || old->cursor_last != phase->cursor_last;
    all |= update_fonts(vga, all);
    if ((all || !picture->cells) && !make_cells(picture))
        return;
    for (uint32_t *cells = picture->cells; picture_next_row(&picture->state, &row); cells += picture->state.columns + 1)
        draw_row(vga, phase, &row, cells);
}

void vga_read_text(void *device, struct text_screen *text, uint8_t *codes, size_t size)
{
    struct vga *vga = device;
    struct picture_state state;
    struct picture_phase phase;
    struct picture_row row = {0};
    uint32_t first = 0;

    vga_describe(vga, &state);
    vga_describe_phase(vga, &phase);
    *text = (struct text_screen){0};
    if (state.kind != PICTURE_TEXT)
        return;
    text->columns = state.columns;
    for (; picture_next_row(&state, &row); text->rows++) {
        first = row.at & state.mask;
        for (unsigned i = 0; i < state.columns; i++) {
            size_t cell = (size_t)text->rows * state.columns + i;
            if (cell < size)
                codes[cell] = vga->memory[4 * (size_t)((first + i) & state.mask)];
        }
        uint32_t column = (phase.cursor_at - first) & state.mask;
        if (column < state.columns) {
            text->cursor_column = column;
            text->cursor_row = text->rows;
            text->cursor_visible = !(vga->crtc[CRTC_CURSOR_START] & 0x20);
        }
    }
}
