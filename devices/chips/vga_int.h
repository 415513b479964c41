/* The VGA's parts among themselves: registers (vga.c), memory (vga_memory.c), DISPI and PCI (vga_vbe.c), the monitor's
 * data (vga_edid.c), pictures (vga_picture.c says what is shown, vga_graphics.c and vga_text.c draw it). */
#ifndef RING3_DEVICES_VGA_INT_H
#define RING3_DEVICES_VGA_INT_H

#include "devices/chips/vga.h"

/* --- registers, as IBM numbers them ------------------------------------------------------------------------------- */

enum {
    MISC_COLOUR_PORTS = 1 << 0,
    MISC_RAM_ENABLE = 1 << 1,

    SEQ_RESET = 0,
    SEQ_CLOCKING = 1,
    CLOCKING_8_DOTS = 1 << 0,
    CLOCKING_HALF = 1 << 3,
    CLOCKING_SCREEN_OFF = 1 << 5,
    SEQ_MAP_MASK = 2,
    SEQ_FONTS = 3,
    SEQ_MEMORY = 4,
    MEMORY_EXTENDED = 1 << 1,
    MEMORY_SEQUENTIAL = 1 << 2, /* 0: odd/even */
    MEMORY_CHAIN4 = 1 << 3,

    GC_SET_RESET = 0,
    GC_ENABLE_SET_RESET = 1,
    GC_COMPARE = 2,
    GC_ROTATE = 3,
    GC_READ_MAP = 4,
    GC_MODE = 5,
    MODE_READ1 = 1 << 3,
    MODE_ODD_EVEN = 1 << 4,
    MODE_SHIFT = 5, /* 0: planar, 1: CGA's two bits, 2: 256 colours */
    GC_MISC = 6,
    GCMISC_GRAPHICS = 1 << 0,
    GCMISC_CHAIN = 1 << 1,
    GC_DONT_CARE = 7,
    GC_BIT_MASK = 8,

    CRTC_H_TOTAL = 0x00,
    CRTC_H_END = 0x01,
    CRTC_V_TOTAL = 0x06,
    CRTC_OVERFLOW = 0x07,
    CRTC_PRESET_ROW = 0x08,
    CRTC_MAX_SCAN = 0x09,
    CRTC_CURSOR_START = 0x0a,
    CRTC_CURSOR_END = 0x0b,
    CRTC_START_HIGH = 0x0c,
    CRTC_START_LOW = 0x0d,
    CRTC_CURSOR_HIGH = 0x0e,
    CRTC_CURSOR_LOW = 0x0f,
    CRTC_V_SYNC_START = 0x10,
    CRTC_V_SYNC_END = 0x11,
    CRTC_V_END = 0x12,
    CRTC_OFFSET = 0x13,
    CRTC_UNDERLINE = 0x14,
    CRTC_MODE = 0x17,
    CRTC_LINE_COMPARE = 0x18,

    ATTR_MODE = 0x10,
    ATTRMODE_LINE_GRAPHICS = 1 << 2,
    ATTRMODE_BLINK = 1 << 3,
    ATTRMODE_SPLIT_UNPANNED = 1 << 5,
    ATTRMODE_PALETTE_54 = 1 << 7,
    ATTR_OVERSCAN = 0x11,
    ATTR_PLANES = 0x12,
    ATTR_PANNING = 0x13,
    ATTR_COLOUR_SELECT = 0x14,
    ATTR_PALETTE_ON = 1 << 5, /* in the index register: the screen is not blank */

    DISPI_ID = 0,
    DISPI_XRES = 1,
    DISPI_YRES = 2,
    DISPI_BPP = 3,
    DISPI_ENABLE = 4,
    DISPI_BANK = 5,
    DISPI_VIRT_WIDTH = 6,
    DISPI_VIRT_HEIGHT = 7,
    DISPI_X_OFFSET = 8,
    DISPI_Y_OFFSET = 9,
    DISPI_MEMORY_64K = 10,

    DISPI_ENABLED = 0x01,
    DISPI_GET_CAPS = 0x02,
    DISPI_8BIT_DAC = 0x20,
    DISPI_LFB = 0x40,
    DISPI_NO_CLEAR = 0x80,
};

static inline bool vga_dispi_on(const struct vga *vga)
{
    return vga->dispi[DISPI_ENABLE] & DISPI_ENABLED;
}

/* Bytes of each plane that addresses and counters wrap in, minus 1. */
static inline uint32_t vga_plane_mask(const struct vga *vga)
{
    return vga_dispi_on(vga) ? VGA_MEMORY_SIZE / 4 - 1 : 0xffff;
}

/* --- vga.c -------------------------------------------------------------------------------------------------------- */

uint8_t vga_port_read(struct vga *vga, unsigned port);
void vga_port_write(struct vga *vga, unsigned port, uint8_t value);

/* --- vga_memory.c ------------------------------------------------------------------------------------------------- */

/* Registers that matter to memory accesses have changed: maps or unmaps the direct window. */
void vga_update_window(struct vga *vga);

/* --- vga_vbe.c ---------------------------------------------------------------------------------------------------- */

int vga_pci_init(struct vga *vga, struct error *err);
void vga_dispi_reset(struct vga *vga);
unsigned vga_dispi_line_bytes(const struct vga *vga); /* of video memory, from line to line */

/* --- vga_edid.c --------------------------------------------------------------------------------------------------- */

/* For a monitor whose own size is this, in pixels. */
void vga_edid_fill(uint8_t edid[VGA_EDID_SIZE], unsigned width, unsigned height);

/* --- vga_picture.c ------------------------------------------------------------------------------------------------ */

enum picture_kind {
    PICTURE_NONE,
    PICTURE_BLANK,
    PICTURE_TEXT,
    PICTURE_PLANAR,
    PICTURE_CGA,
    PICTURE_256,
    PICTURE_PACKED
};

/* All that a picture depends on, but for memory: two equal ones show the same memory alike. No padding is compared:
 * it is zeroed before it is filled. */
struct picture_state {
    enum picture_kind kind;
    unsigned width, height; /* of the surface */
    unsigned columns;       /* characters (text) or units of four bytes (planar, CGA, 256) in a line */
    unsigned dot_width;     /* surface pixels for each dot: 2 at half clock */
    unsigned dots;          /* for each character or unit */
    unsigned cell_height;   /* scan lines of a row, before doubling */
    unsigned repeat;        /* surface lines for each scan line */
    uint32_t start, offset; /* first character or unit, and from row to row; PACKED: bytes */
    uint32_t mask;          /* units wrap here */
    unsigned preset, split; /* first scan line of the first row; the surface line after which counting starts anew */
    unsigned pan;           /* dots */
    bool split_unpanned, substitute13, substitute14; /* scan line bits 0 and 1 become address bits */
    unsigned substitute_shift;                       /* word mode: one bit lower */
    unsigned bpp;                                    /* PACKED */
    uint32_t palette[256];                           /* 16 in text and planar modes, after the attribute controller */
    /* Text. */
    unsigned font[2]; /* in plane 2 */
    unsigned underline;
    bool nine_copies, blinking;
};

/* What moves in a text screen. */
struct picture_phase {
    bool cursor, blink;
    uint32_t cursor_at; /* in characters */
    uint8_t cursor_first, cursor_last;
};

struct vga_picture {
    struct picture_state state;
    struct picture_phase phase;
    uint32_t *cells; /* text: what each shows, [row * columns + column] */
    size_t cell_room;
    uint64_t first, size; /* the part of video memory that a refresh asks about */
    uint8_t font[2][256][32];
};

/* A run of scan lines of the same memory row. */
struct picture_row {
    unsigned y, lines; /* on the surface */
    unsigned scan;     /* of the first line; then counted up every `repeat` lines */
    uint32_t at;       /* character, unit or byte */
    unsigned pan;
};

/* The next run after *row (zeroed: the first); false: the picture is complete. */
bool picture_next_row(const struct picture_state *state, struct picture_row *row);

/* The palette of a DAC entry as a pixel. */
uint32_t vga_dac_pixel(const struct vga *vga, uint8_t index);

/* Draw. all: everything; else what vga->dirty says has changed. */
void vga_draw_graphics(struct vga *vga, bool all);
void vga_draw_text(struct vga *vga, const struct picture_phase *phase, bool all);

/* The text screen for display_ops.read_text. */
void vga_read_text(void *device, struct text_screen *text, uint8_t *codes, size_t size);

/* Registers now. */
void vga_describe(const struct vga *vga, struct picture_state *state);
void vga_describe_phase(const struct vga *vga, struct picture_phase *phase);

/* Timing: virtual nanoseconds of a frame, and where in it the beam is. */
uint64_t vga_frame_ns(const struct vga *vga);
uint8_t vga_retrace(const struct vga *vga); /* bits 0 and 3 of input status 1 */

extern const struct display_ops vga_display_ops;

#endif
