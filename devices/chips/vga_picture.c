/*
 * What the VGA shows: registers described as a picture, its rows, the beam's place, and the display's refresh. See
 * vga_int.h.
 *
 * Invariant: after a refresh the surface shows what memory held when the dirty pages were taken, or later; what was
 * stored after that is dirty again. Counters count units of four bytes, one of each plane, in byte, word and doubleword
 * mode alike: chained memory is packed (vga_memory.c). Thread: whoever holds the machine lock. Source: IBM VGA XGA
 * Technical Reference, "CRT Controller Registers", "Attribute Controller Registers".
 */
#include "devices/chips/vga_int.h"

#include <string.h>

enum {
    BLANK_WIDTH = 640,
    BLANK_HEIGHT = 480,
    MODE_SUBSTITUTE_13 = 1 << 0, /* CRTC_MODE: 0 is in force */
    MODE_SUBSTITUTE_14 = 1 << 1,
    MODE_HALF_LINES = 1 << 2,
    MODE_BYTES = 1 << 6,
    MAX_SCAN_DOUBLE = 1 << 7,
    CURSOR_OFF = 1 << 5,
    CLASSIC_MEMORY = 256 << 10,
};

/* --- registers to numbers ----------------------------------------------------------------------------------------- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* A vertical counter: eight bits of a register, bit 8 and bit 9 of the overflow register. */
static unsigned vertical(const struct vga *vga, unsigned index, unsigned bit8, unsigned bit9)
{
    uint8_t overflow = vga->crtc[CRTC_OVERFLOW];
    return vga->crtc[index] | (overflow >> bit8 & 1u) << 8 | (overflow >> bit9 & 1u) << 9;
}

static bool blank(const struct vga *vga)
{
    return !vga->enabled || !(vga->attr_index & ATTR_PALETTE_ON) || vga->seq[SEQ_CLOCKING] & CLOCKING_SCREEN_OFF;
}

/* The attribute controller: four bits of a pixel to a DAC entry. */
static uint8_t attribute_colour(const struct vga *vga, unsigned pixel)
{
    uint8_t colour = vga->attr[pixel & vga->attr[ATTR_PLANES] & 0xf], select = vga->attr[ATTR_COLOUR_SELECT];

    if (vga->attr[ATTR_MODE] & ATTRMODE_PALETTE_54)
        colour = (uint8_t)((colour & 0x0f) | (select & 3) << 4);
    return (uint8_t)((colour & 0x3f) | (select & 0xc) << 4);
}

static void describe_palette(const struct vga *vga, struct picture_state *state)
{
    bool direct = state->kind == PICTURE_256 || state->kind == PICTURE_PACKED;

    if (state->kind == PICTURE_PACKED && state->bpp != 8)
        return;
    for (unsigned i = 0; i < (direct ? 256 : 16); i++)
        state->palette[i] = vga_dac_pixel(vga, direct ? (uint8_t)i : attribute_colour(vga, i));
}

static void describe_dispi(const struct vga *vga, struct picture_state *state)
{
    const uint16_t *r = vga->dispi;
    unsigned line = vga_dispi_line_bytes(vga);

    state->width = r[DISPI_XRES];
    state->height = r[DISPI_YRES];
    state->split = state->height;
    state->dot_width = state->cell_height = state->repeat = 1;
    state->bpp = r[DISPI_BPP];
    if (state->bpp == 4) {
        state->kind = PICTURE_PLANAR;
        state->columns = r[DISPI_XRES] / 8;
        state->dots = 8;
        state->offset = line / 4;
        state->start = r[DISPI_Y_OFFSET] * state->offset + r[DISPI_X_OFFSET] / 8;
        state->pan = r[DISPI_X_OFFSET] & 7;
    } else {
        state->kind = PICTURE_PACKED;
        state->offset = line;
        state->start = r[DISPI_Y_OFFSET] * line + r[DISPI_X_OFFSET] * ((state->bpp + 7) / 8);
    }
}

static unsigned describe_pan(const struct vga *vga, const struct picture_state *state)
{
    unsigned pan = vga->attr[ATTR_PANNING];

    if (state->kind == PICTURE_256)
        return pan & 6;
    if (state->dots == 9)
        return pan >= 8 ? 0 : pan + 1;
    return pan & 7;
}

static unsigned font_at(unsigned select)
{
    return (select & 3) * 0x4000 + (select >> 2 & 1) * 0x2000;
}

static void describe_text(const struct vga *vga, struct picture_state *state)
{
    uint8_t fonts = vga->seq[SEQ_FONTS];

    state->kind = PICTURE_TEXT;
    state->dots = vga->seq[SEQ_CLOCKING] & CLOCKING_8_DOTS ? 8 : 9;
    if (vga->seq[SEQ_MEMORY] & MEMORY_EXTENDED) {
        state->font[0] = font_at((fonts & 3u) | (fonts >> 2 & 4u));
        state->font[1] = font_at((fonts >> 2 & 3u) | (fonts >> 3 & 4u));
    }
    state->underline = vga->crtc[CRTC_UNDERLINE] & 0x1f;
    state->nine_copies = vga->attr[ATTR_MODE] & ATTRMODE_LINE_GRAPHICS;
    state->blinking = vga->attr[ATTR_MODE] & ATTRMODE_BLINK;
}

static void describe_classic(const struct vga *vga, struct picture_state *state)
{
    const uint8_t *crtc = vga->crtc;
    unsigned halves = crtc[CRTC_MODE] & MODE_HALF_LINES ? 2 : 1;

    if (vga->gc[GC_MISC] & GCMISC_GRAPHICS) {
        unsigned shift = vga->gc[GC_MODE] >> MODE_SHIFT & 3;
        state->kind = shift >= 2 ? PICTURE_256 : shift == 1 ? PICTURE_CGA : PICTURE_PLANAR;
        state->dots = 8;
        state->substitute13 = !(crtc[CRTC_MODE] & MODE_SUBSTITUTE_13);
        state->substitute14 = !(crtc[CRTC_MODE] & MODE_SUBSTITUTE_14);
        state->substitute_shift = crtc[CRTC_MODE] & MODE_BYTES ? 0 : 1;
    } else {
        describe_text(vga, state);
    }
    state->columns = crtc[CRTC_H_END] + 1u;
    state->dot_width = vga->seq[SEQ_CLOCKING] & CLOCKING_HALF ? 2 : 1;
    state->width = state->columns * state->dots * state->dot_width;
    state->height = (vertical(vga, CRTC_V_END, 1, 6) + 1) * halves;
    state->cell_height = (crtc[CRTC_MAX_SCAN] & 0x1fu) + 1;
    state->repeat = (crtc[CRTC_MAX_SCAN] & MAX_SCAN_DOUBLE ? 2 : 1) * halves;
    state->start = (uint32_t)(crtc[CRTC_START_HIGH] << 8 | crtc[CRTC_START_LOW]) + (crtc[CRTC_PRESET_ROW] >> 5 & 3);
    state->offset = crtc[CRTC_OFFSET] * 2u;
    state->preset = least(crtc[CRTC_PRESET_ROW] & 0x1f, state->cell_height - 1);
    unsigned compare =
        crtc[CRTC_LINE_COMPARE] | (crtc[CRTC_OVERFLOW] & 0x10u) << 4 | (crtc[CRTC_MAX_SCAN] & 0x40u) << 3;
    state->split = least((compare + 1) * halves, state->height);
    state->split_unpanned = vga->attr[ATTR_MODE] & ATTRMODE_SPLIT_UNPANNED;
    state->pan = describe_pan(vga, state);
}

void vga_describe(const struct vga *vga, struct picture_state *state)
{
    const struct surface *surface = &vga->display.surface;

    memset(state, 0, sizeof(*state));
    state->mask = vga_plane_mask(vga);
    if (blank(vga)) {
        state->kind = PICTURE_BLANK;
        state->width = surface->width ? surface->width : BLANK_WIDTH;
        state->height = surface->height ? surface->height : BLANK_HEIGHT;
        return;
    }
    if (vga_dispi_on(vga))
        describe_dispi(vga, state);
    else
        describe_classic(vga, state);
    describe_palette(vga, state);
}

void vga_describe_phase(const struct vga *vga, struct picture_phase *phase)
{
    const uint8_t *crtc = vga->crtc;
    uint64_t frame = vclock_now(vga->config.clock) / vga_frame_ns(vga);

    memset(phase, 0, sizeof(*phase));
    phase->blink = !(frame & 16);
    phase->cursor = !(crtc[CRTC_CURSOR_START] & CURSOR_OFF) && !(frame & 8);
    phase->cursor_at = (uint32_t)(crtc[CRTC_CURSOR_HIGH] << 8 | crtc[CRTC_CURSOR_LOW]) +
                       (crtc[CRTC_CURSOR_END] >> 5 & 3); /* the cursor's skew */
    phase->cursor_first = crtc[CRTC_CURSOR_START] & 0x1f;
    phase->cursor_last = crtc[CRTC_CURSOR_END] & 0x1f;
}

bool picture_next_row(const struct picture_state *state, struct picture_row *row)
{
    if (!row->lines) {
        *row = (struct picture_row){.scan = state->preset, .at = state->start, .pan = state->pan};
    } else {
        row->y += row->lines;
        row->scan = 0;
        if (row->y == state->split) {
            row->at = 0;
            row->pan = state->split_unpanned ? 0 : row->pan;
        } else {
            row->at += state->offset;
        }
    }
    if (row->y >= state->height)
        return false;
    row->lines = least((state->cell_height - row->scan) * state->repeat, state->height - row->y);
    if (row->y < state->split)
        row->lines = least(row->lines, state->split - row->y);
    return true;
}

/* --- timing ------------------------------------------------------------------------------------------------------- */

/* In characters and lines; all are at least 1. */
struct timing {
    unsigned width, total_width, height, total_height, sync_start, sync_end;
    uint64_t frame_ns;
};

static struct timing vga_timing(const struct vga *vga)
{
    const uint8_t *crtc = vga->crtc;
    struct timing t;

    if (vga_dispi_on(vga)) {
        unsigned lines = vga->dispi[DISPI_YRES];
        return (struct timing){80, 100, lines, lines + 45, lines + 10, lines + 12, NS_PER_SECOND / 60};
    }
    uint64_t hertz = (vga->misc >> 2 & 3) == 1 ? 28322000 : 25175000;
    unsigned dots = vga->seq[SEQ_CLOCKING] & CLOCKING_8_DOTS ? 8 : 9;
    if (vga->seq[SEQ_CLOCKING] & CLOCKING_HALF)
        hertz /= 2;
    t.width = crtc[CRTC_H_END] + 1u;
    t.total_width = crtc[CRTC_H_TOTAL] + 5u;
    t.height = vertical(vga, CRTC_V_END, 1, 6) + 1;
    t.total_height = vertical(vga, CRTC_V_TOTAL, 0, 5) + 2;
    t.sync_start = vertical(vga, CRTC_V_SYNC_START, 2, 7);
    t.sync_end = (t.sync_start & ~0xfu) | (crtc[CRTC_V_SYNC_END] & 0xf);
    if (t.sync_end <= t.sync_start)
        t.sync_end += 16;
    t.frame_ns = muldiv64((uint64_t)t.total_width * dots * t.total_height, NS_PER_SECOND, hertz);
    if (t.total_width <= t.width || t.sync_start >= t.total_height || t.total_height < 100) /* not programmed */
        return (struct timing){80, 100, 400, 449, 412, 414, NS_PER_SECOND / 70};
    return t;
}

uint64_t vga_frame_ns(const struct vga *vga)
{
    return vga_timing(vga).frame_ns;
}

uint8_t vga_retrace(const struct vga *vga)
{
    struct timing t = vga_timing(vga);
    uint64_t position = vclock_now(vga->config.clock) % t.frame_ns * t.total_height; /* in lines, times frame_ns */
    unsigned line = (unsigned)(position / t.frame_ns);
    unsigned character = (unsigned)(position % t.frame_ns * t.total_width / t.frame_ns);
    bool sync = line >= t.sync_start && line < t.sync_end;
    bool hidden = line >= t.height || character >= t.width;
    return (uint8_t)(sync << 3 | hidden);
}

/* --- refresh ------------------------------------------------------------------------------------------------------ */

/* The memory that a picture may show, whole pages. */
static void picture_range(const struct picture_state *state, uint64_t *first, uint64_t *size)
{
    uint64_t unit = state->kind == PICTURE_PACKED ? 1 : 4;
    uint64_t start = state->start * unit, end = start + ((uint64_t)state->offset * state->height + 1) * unit;

    *first = 0;
    *size = CLASSIC_MEMORY;
    if (!state->bpp)
        return;
    *first = start & ~(uint64_t)GUEST_PAGE_OFFSET;
    end = (end + GUEST_PAGE_OFFSET) & ~(uint64_t)GUEST_PAGE_OFFSET;
    *size = (end < VGA_MEMORY_SIZE ? end : VGA_MEMORY_SIZE) - *first;
}

static void take_dirty(void *argument)
{
    struct vga *vga = argument;
    uint64_t first = vga->picture->first;
    space_take_dirty(vga->config.space, vga->memory + first, vga->picture->size,
                     vga->dirty + (first >> GUEST_PAGE_SHIFT));
}

/* Whether two states show the same cells in the same way; where they are in memory does not matter to text, whose cells
 * are compared one by one. */
static bool same_picture(const struct picture_state *old, const struct picture_state *new)
{
    struct picture_state moved = *old;
    if (new->kind == PICTURE_TEXT)
        moved.start = new->start;
    return !memcmp(&moved, new, sizeof(moved));
}

static void draw_blank(struct vga *vga, bool all)
{
    struct surface *surface = &vga->display.surface;
    if (!all)
        return;
    memset(surface->pixels, 0, (size_t)surface->stride * surface->height);
    display_damage(&vga->display, (struct rect){0, 0, surface->width, surface->height});
}

static void vga_refresh(void *device)
{
    struct vga *vga = device;
    struct vga_picture *picture = vga->picture;
    struct picture_state state;
    struct picture_phase phase;

    vga_describe(vga, &state);
    picture_range(&state, &picture->first, &picture->size);
    uint64_t first = picture->first, size = picture->size;
    if (state.kind != PICTURE_BLANK && space_any_dirty(vga->config.space, vga->memory + first, size)) {
        if (vga->config.between_instructions)
            vga->config.between_instructions(vga->config.context, take_dirty, vga);
        else
            take_dirty(vga);
        vga_describe(vga, &state); /* the guest has run on */
    }
    vga_describe_phase(vga, &phase);
    uint8_t *dirty = vga->dirty + (first >> GUEST_PAGE_SHIFT);
    bool any = memchr(dirty, 1, size >> GUEST_PAGE_SHIFT), all = !same_picture(&picture->state, &state);
    bool moved = state.start != picture->state.start || memcmp(&phase, &picture->phase, sizeof(phase));
    const struct surface *surface = &vga->display.surface;
    if ((surface->width != state.width || surface->height != state.height) &&
        !display_resize(&vga->display, state.width, state.height))
        return; /* no memory: the old picture stays */
    if (state.kind == PICTURE_BLANK)
        draw_blank(vga, all);
    picture->state = state;
    if (state.kind == PICTURE_TEXT && (all || any || moved))
        vga_draw_text(vga, &phase, all);
    else if (state.kind > PICTURE_TEXT && (all || any))
        vga_draw_graphics(vga, all);
    picture->phase = phase;
    memset(dirty, 0, size >> GUEST_PAGE_SHIFT);
}

const struct display_ops vga_display_ops = {.refresh = vga_refresh, .read_text = vga_read_text};
