/*
 * A display's surface, and who has seen what of it. See ui.h.
 *
 * Invariant: the rectangles kept are inside the surface; they are forgotten when it changes its size.
 * Thread: whoever holds the machine lock.
 */
#include "devices/core/ui.h"

#include <stdlib.h>

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned most(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

static struct rect both(struct rect a, struct rect b)
{
    unsigned x = least(a.x, b.x), y = least(a.y, b.y);
    return (struct rect){x, y, most(a.x + a.width, b.x + b.width) - x, most(a.y + a.height, b.y + b.height) - y};
}

void display_refresh(struct display *display)
{
    if (display->ops)
        display->ops->refresh(display->device);
}

bool display_resize(struct display *display, unsigned width, unsigned height)
{
    struct surface *surface = &display->surface;
    uint32_t *pixels = calloc((size_t)width * height, sizeof(*pixels));

    if (!pixels)
        return false;
    free(surface->pixels);
    *surface = (struct surface){.width = width, .height = height, .stride = width * 4, .pixels = pixels};
    display->mode++;
    display_damage(display, (struct rect){0, 0, width, height});
    return true;
}

void display_damage(struct display *display, struct rect rect)
{
    const struct surface *surface = &display->surface;

    if (rect.x >= surface->width || rect.y >= surface->height)
        return;
    rect.width = least(rect.width, surface->width - rect.x);
    rect.height = least(rect.height, surface->height - rect.y);
    if (rect.width && rect.height)
        display->damaged[display->damage++ % DISPLAY_DAMAGE_KEPT] = rect;
}

unsigned display_changes(const struct display *display, struct display_seen *seen, struct rect *rects, unsigned max,
                         bool *resized)
{
    uint64_t new = display->damage - seen->damage;
    bool other = display->mode != seen->mode;
    unsigned count = 0;

    seen->damage = display->damage;
    seen->mode = display->mode;
    if (resized)
        *resized = other;
    if (!new && !other)
        return 0;
    if (other || new > DISPLAY_DAMAGE_KEPT) {
        rects[0] = (struct rect){0, 0, display->surface.width, display->surface.height};
        return rects[0].width && rects[0].height;
    }
    for (uint64_t i = display->damage - new; i < display->damage; i++) {
        struct rect rect = display->damaged[i % DISPLAY_DAMAGE_KEPT];
        if (count < max)
            rects[count++] = rect;
        else
            rects[max - 1] = both(rects[max - 1], rect);
    }
    return count;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

/* Code page 437 in Unicode: 00h-1fh as glyphs, and 7fh-ffh. */
static const uint16_t low_glyph[32] = {
    0x0020, 0x263a, 0x263b, 0x2665, 0x2666, 0x2663, 0x2660, 0x2022, 0x25d8, 0x25cb, 0x25d9,
    0x2642, 0x2640, 0x266a, 0x266b, 0x263c, 0x25ba, 0x25c4, 0x2195, 0x203c, 0x00b6, 0x00a7,
    0x25ac, 0x21a8, 0x2191, 0x2193, 0x2192, 0x2190, 0x221f, 0x2194, 0x25b2, 0x25bc,
};
static const uint16_t high_glyph[129] = {
    0x2302, 0x00c7, 0x00fc, 0x00e9, 0x00e2, 0x00e4, 0x00e0, 0x00e5, 0x00e7, 0x00ea, 0x00eb, 0x00e8, 0x00ef,
    0x00ee, 0x00ec, 0x00c4, 0x00c5, 0x00c9, 0x00e6, 0x00c6, 0x00f4, 0x00f6, 0x00f2, 0x00fb, 0x00f9, 0x00ff,
    0x00d6, 0x00dc, 0x00a2, 0x00a3, 0x00a5, 0x20a7, 0x0192, 0x00e1, 0x00ed, 0x00f3, 0x00fa, 0x00f1, 0x00d1,
    0x00aa, 0x00ba, 0x00bf, 0x2310, 0x00ac, 0x00bd, 0x00bc, 0x00a1, 0x00ab, 0x00bb, 0x2591, 0x2592, 0x2593,
    0x2502, 0x2524, 0x2561, 0x2562, 0x2556, 0x2555, 0x2563, 0x2551, 0x2557, 0x255d, 0x255c, 0x255b, 0x2510,
    0x2514, 0x2534, 0x252c, 0x251c, 0x2500, 0x253c, 0x255e, 0x255f, 0x255a, 0x2554, 0x2569, 0x2566, 0x2560,
    0x2550, 0x256c, 0x2567, 0x2568, 0x2564, 0x2565, 0x2559, 0x2558, 0x2552, 0x2553, 0x256b, 0x256a, 0x2518,
    0x250c, 0x2588, 0x2584, 0x258c, 0x2590, 0x2580, 0x03b1, 0x00df, 0x0393, 0x03c0, 0x03a3, 0x03c3, 0x00b5,
    0x03c4, 0x03a6, 0x0398, 0x03a9, 0x03b4, 0x221e, 0x03c6, 0x03b5, 0x2229, 0x2261, 0x00b1, 0x2265, 0x2264,
    0x2320, 0x2321, 0x00f7, 0x2248, 0x00b0, 0x2219, 0x00b7, 0x221a, 0x207f, 0x00b2, 0x25a0, 0x0020, /* the no-break
                                                                                                       space, too, is
                                                                                                       blank */
};

static unsigned unicode(uint8_t code)
{
    return code < 0x20 ? low_glyph[code] : code < 0x7f ? code : high_glyph[code - 0x7f];
}

/* Returns the number of bytes, 1 to 3. */
static unsigned utf8(unsigned character, char bytes[3])
{
    if (character < 0x80) {
        bytes[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        bytes[0] = (char)(0xc0 | character >> 6);
        bytes[1] = (char)(0x80 | (character & 0x3f));
        return 2;
    }
    bytes[0] = (char)(0xe0 | character >> 12);
    bytes[1] = (char)(0x80 | (character >> 6 & 0x3f));
    bytes[2] = (char)(0x80 | (character & 0x3f));
    return 3;
}

/* One line at `to`, which has room for 3 bytes a column and the newline. Returns its length. */
static size_t put_line(const uint8_t *codes, unsigned columns, char *to)
{
    char *start = to, *end = to;

    for (unsigned i = 0; i < columns; i++) {
        to += utf8(unicode(codes[i]), to);
        if (unicode(codes[i]) != ' ')
            end = to;
    }
    *end++ = '\n';
    return (size_t)(end - start);
}

size_t display_read_text(struct display *display, char *buffer, size_t size, struct text_screen *text)
{
    static const struct text_screen none;
    struct text_screen screen = none;
    uint8_t *codes = NULL;
    size_t length = 0;

    if (display->ops && display->ops->read_text)
        display->ops->read_text(display->device, &screen, NULL, 0);
    size_t cells = (size_t)screen.columns * screen.rows;
    char *line = malloc((size_t)screen.columns * 3 + 1);
    if (cells)
        codes = malloc(cells);
    if (!codes || !line)
        screen = none;
    else
        display->ops->read_text(display->device, &screen, codes, cells);
    for (unsigned row = 0; row < screen.rows; row++) {
        size_t bytes = put_line(codes + (size_t)row * screen.columns, screen.columns, line);
        for (size_t i = 0; i < bytes && length + 1 < size; i++)
            buffer[length++] = line[i];
    }
    if (size)
        buffer[length] = 0;
    if (text)
        *text = screen;
    free(line);
    free(codes);
    return length;
}

void display_destroy(struct display *display)
{
    free(display->surface.pixels);
    display->surface = (struct surface){0};
}
