/*
 * A display's surface, and who has seen what of it. See ui.h.
 *
 * Invariant: the rectangles kept are inside the surface; they are forgotten when it changes its size.
 * Thread: whoever holds the machine lock.
 */
#include "devices/core/cp437.h"
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
        unsigned character = cp437_to_unicode(codes[i]);
        bool blank = character == ' ' || character == CP437_NO_BREAK_SPACE;
        to += utf8(blank ? ' ' : character, to);
        if (!blank)
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
