/*
 * Draws the VGA's graphics modes, line by line where memory has changed. See vga_int.h.
 *
 * A line of the classic modes is `columns` units of four bytes, one of each plane, and eight dots wide each; a line of
 * DISPI's packed modes is bytes. Thread: whoever holds the machine lock. Source: IBM VGA XGA Technical Reference,
 * "Graphics Mode Register", "Display Modes"; Bochs "VBE DISPI".
 */
#include "devices/chips/vga_int.h"

#include <string.h>

enum { UNIT_DOTS = 8, MAX_COLUMNS = 512, LINE_ROOM = (MAX_COLUMNS + 1) * UNIT_DOTS * 2 };

/* --- units to dots ------------------------------------------------------------------------------------------------ */

/* Eight bits, the highest first, to eight bytes of 0 or 1. */
static uint64_t bits_to_bytes(uint8_t bits)
{
    uint64_t each = bits * 0x0101010101010101ull & 0x0102040810204080ull;
    return (each + 0x7f7f7f7f7f7f7f7full) >> 7 & 0x0101010101010101ull;
}

static uint64_t planar_dots(const uint8_t *unit)
{
    return bits_to_bytes(unit[0]) | bits_to_bytes(unit[1]) << 1 | bits_to_bytes(unit[2]) << 2 |
           bits_to_bytes(unit[3]) << 3;
}

/* Two bits a dot: four dots from planes 0 and 2, then four from planes 1 and 3, which give the upper bits. */
static uint64_t cga_dots(const uint8_t *unit)
{
    uint64_t dots = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned shift = 6 - 2 * (i & 3), low = unit[i >> 2] >> shift & 3, high = unit[2 + (i >> 2)] >> shift & 3;
        dots |= (uint64_t)(low | high << 2) << 8 * i;
    }
    return dots;
}

/* Four pixels of two dots. */
static uint64_t wide_dots(const uint8_t *unit)
{
    uint64_t dots = 0;
    for (unsigned i = 0; i < 4; i++)
        dots |= (uint64_t)unit[i] * 0x0101 << 16 * i;
    return dots;
}

static void draw_units(const struct vga *vga, const struct picture_state *state, uint32_t at, unsigned count,
                       uint32_t *to)
{
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *unit = vga->memory + 4 * (size_t)((at + i) & state->mask);
        uint64_t dots = state->kind == PICTURE_PLANAR ? planar_dots(unit)
                        : state->kind == PICTURE_CGA  ? cga_dots(unit)
                                                      : wide_dots(unit);
        for (unsigned dot = 0; dot < UNIT_DOTS; dot++, dots >>= 8)
            for (unsigned copy = 0; copy < state->dot_width; copy++)
                *to++ = state->palette[dots & 0xff];
    }
}

static void draw_classic_line(const struct vga *vga, const struct picture_state *state, uint32_t at, unsigned pan,
                              uint32_t *to)
{
    uint32_t line[LINE_ROOM];

    if (!pan) {
        draw_units(vga, state, at, state->columns, to);
        return;
    }
    draw_units(vga, state, at, state->columns + 1, line);
    memcpy(to, line + (size_t)pan * state->dot_width, state->width * sizeof(*to));
}

/* --- packed pixels ------------------------------------------------------------------------------------------------ */

static uint32_t widen(uint32_t value, unsigned bits)
{
    return value << (8 - bits) | value >> (2 * bits - 8);
}

static void draw_16(const uint8_t *from, unsigned width, unsigned green_bits, uint32_t *to)
{
    unsigned red_shift = 5 + green_bits;
    for (unsigned x = 0; x < width; x++) {
        uint32_t pixel = from[2 * x] | (uint32_t)from[2 * x + 1] << 8;
        to[x] = widen(pixel >> red_shift & 0x1f, 5) << 16 |
                widen(pixel >> 5 & ((1u << green_bits) - 1), green_bits) << 8 | widen(pixel & 0x1f, 5);
    }
}

static void draw_packed_line(const struct vga *vga, const struct picture_state *state, uint32_t at, uint32_t *to)
{
    const uint8_t *from = vga->memory + at;

    switch (state->bpp) {
    case 8:
        for (unsigned x = 0; x < state->width; x++)
            to[x] = state->palette[from[x]];
        break;
    case 15:
        draw_16(from, state->width, 5, to);
        break;
    case 16:
        draw_16(from, state->width, 6, to);
        break;
    case 24:
        for (unsigned x = 0; x < state->width; x++)
            to[x] = from[3 * x] | (uint32_t)from[3 * x + 1] << 8 | (uint32_t)from[3 * x + 2] << 16;
        break;
    case 32:
        for (unsigned x = 0; x < state->width; x++) {
            uint32_t pixel;
            memcpy(&pixel, from + 4 * (size_t)x, sizeof(pixel));
            to[x] = pixel & 0xffffff;
        }
        break;
    }
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

/* Is a page of [at, +bytes) of video memory dirty? at wraps after `room` bytes. */
static bool bytes_dirty(const struct vga *vga, uint64_t at, uint64_t bytes, uint64_t room)
{
    for (uint64_t page = at >> GUEST_PAGE_SHIFT; page <= (at + bytes - 1) >> GUEST_PAGE_SHIFT; page++)
        if (vga->dirty[page & ((room >> GUEST_PAGE_SHIFT) - 1)])
            return true;
    return false;
}

static bool line_dirty(const struct vga *vga, const struct picture_state *state, uint32_t at)
{
    if (state->kind == PICTURE_PACKED)
        return bytes_dirty(vga, at, (uint64_t)state->width * ((state->bpp + 7) / 8), VGA_MEMORY_SIZE);
    return bytes_dirty(vga, 4 * (uint64_t)(at & state->mask), 4 * (uint64_t)(state->columns + 1),
                       4 * ((uint64_t)state->mask + 1));
}

/* Where a scan line of a row starts: CGA and Hercules put the scan line's number into the address. */
static uint32_t line_at(const struct picture_state *state, uint32_t at, unsigned scan)
{
    if (state->substitute13) {
        unsigned bit = 13 - state->substitute_shift;
        at = (at & ~(1u << bit)) | (scan & 1) << bit;
    }
    if (state->substitute14) {
        unsigned bit = 14 - state->substitute_shift;
        at = (at & ~(1u << bit)) | (scan >> 1 & 1) << bit;
    }
    return at;
}

/* Lines drawn one below the other are told as one rectangle. */
struct drawn {
    unsigned y, lines;
};

static void tell(struct vga *vga, struct drawn *drawn)
{
    if (drawn->lines)
        display_damage(&vga->display, (struct rect){0, drawn->y, vga->display.surface.width, drawn->lines});
    drawn->lines = 0;
}

void vga_draw_graphics(struct vga *vga, bool all)
{
    const struct picture_state *state = &vga->picture->state;
    const struct surface *surface = &vga->display.surface;
    struct picture_row row = {0};
    struct drawn drawn = {0};

    while (picture_next_row(state, &row)) {
        uint32_t last = 0;
        for (unsigned i = 0; i < row.lines; i++) {
            uint32_t at = line_at(state, row.at, row.scan + i / state->repeat);
            unsigned y = row.y + i;
            uint32_t *to = surface->pixels + (size_t)y * (surface->stride / 4);
            if (!all && !line_dirty(vga, state, at)) {
                tell(vga, &drawn);
                continue;
            }
            if (drawn.lines && i && at == last)
                memcpy(to, to - surface->stride / 4, surface->stride);
            else if (state->kind == PICTURE_PACKED)
                draw_packed_line(vga, state, at, to);
            else
                draw_classic_line(vga, state, at, row.pan, to);
            last = at;
            drawn.y = drawn.lines ? drawn.y : y;
            drawn.lines++;
        }
    }
    tell(vga, &drawn);
}
