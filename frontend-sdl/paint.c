/*
 * Text and boxes. The font is the VGA's own, 8 by 16, taken from the VGA BIOS when ring3 is built; a texture holds its
 * 256 characters side by side, white on nothing, and is tinted as it is drawn.
 */
#include "frontend-sdl/window_int.h"
#include "vga_font.h"

static const uint32_t palette[16] = {0x000000, 0x0000aa, 0x00aa00, 0x00aaaa, 0xaa0000, 0xaa00aa, 0xaa5500, 0xaaaaaa,
                                     0x555555, 0x5555ff, 0x55ff55, 0x55ffff, 0xff5555, 0xff55ff, 0xffff55, 0xffffff};

enum { GLYPHS = 256, GLYPHS_IN_ROW = 32 };

bool paint_create(struct window *w)
{
    const int width = GLYPHS_IN_ROW * GLYPH_WIDTH, height = GLYPHS / GLYPHS_IN_ROW * GLYPH_HEIGHT;
    uint32_t *pixels = SDL_calloc((size_t)(width * height), sizeof(*pixels));

    if (!pixels)
        return false;
    for (int i = 0; i < GLYPHS * GLYPH_HEIGHT; i++) {
        int glyph = i / GLYPH_HEIGHT, y = glyph / GLYPHS_IN_ROW * GLYPH_HEIGHT + i % GLYPH_HEIGHT;
        for (int x = 0; x < GLYPH_WIDTH; x++)
            if (vga_font[i] >> (GLYPH_WIDTH - 1 - x) & 1)
                pixels[y * width + glyph % GLYPHS_IN_ROW * GLYPH_WIDTH + x] = 0xffffffff;
    }
    w->font = SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_ARGB8888, SDL_TEXTUREACCESS_STATIC, width, height);
    if (w->font) {
        SDL_UpdateTexture(w->font, NULL, pixels, width * 4);
        SDL_SetTextureBlendMode(w->font, SDL_BLENDMODE_BLEND);
    }
    SDL_free(pixels);
    return w->font;
}

static void tint(struct window *w, uint32_t colour)
{
    SDL_SetTextureColorMod(w->font, (uint8_t)(colour >> 16), (uint8_t)(colour >> 8), (uint8_t)colour);
}

static void glyph(struct window *w, SDL_Rect to, uint8_t code)
{
    const SDL_Rect from = {code % GLYPHS_IN_ROW * GLYPH_WIDTH, code / GLYPHS_IN_ROW * GLYPH_HEIGHT, GLYPH_WIDTH,
                           GLYPH_HEIGHT};
    SDL_RenderCopy(w->renderer, w->font, &from, &to);
}

int paint_text(struct window *w, int x, int y, const char *text, uint32_t colour)
{
    tint(w, colour);
    for (; *text; text++, x += GLYPH_WIDTH)
        if (*text != ' ')
            glyph(w, (SDL_Rect){x, y, GLYPH_WIDTH, GLYPH_HEIGHT}, (uint8_t)*text);
    return x;
}

void paint_rect(struct window *w, SDL_Rect rect, uint32_t colour)
{
    SDL_SetRenderDrawColor(w->renderer, (uint8_t)(colour >> 16), (uint8_t)(colour >> 8), (uint8_t)colour, 255);
    SDL_RenderFillRect(w->renderer, &rect);
}

/* Edges of row or column i, so that neighbours meet at any scale. */
static int edge(int start, int size, unsigned i, unsigned count)
{
    return start + (int)((long)size * i / count);
}

void paint_console(struct window *w, const struct terminal_view *view, SDL_Rect place)
{
    for (unsigned row = 0; row < TERMINAL_ROWS; row++) {
        int y = edge(place.y, place.h, row, TERMINAL_ROWS), bottom = edge(place.y, place.h, row + 1, TERMINAL_ROWS);
        for (unsigned column = 0; column < TERMINAL_COLUMNS; column++) {
            struct terminal_cell cell = terminal_view_cell(view, row, column);
            bool cursor = !view->cursor_hidden && row == view->row + view->back && column == view->column;
            uint8_t attributes = cursor ? (uint8_t)(cell.attributes >> 4 | cell.attributes << 4) : cell.attributes;
            int x = edge(place.x, place.w, column, TERMINAL_COLUMNS);
            SDL_Rect to = {x, y, edge(place.x, place.w, column + 1, TERMINAL_COLUMNS) - x, bottom - y};
            if (attributes >> 4)
                paint_rect(w, to, palette[attributes >> 4]);
            if (cell.code == ' ' || !cell.code)
                continue;
            tint(w, palette[attributes & 15]);
            glyph(w, to, cell.code);
        }
    }
}
