/*
 * The VGA as a BIOS leaves it: mode 3, 80 by 25 characters of 9 by 16 dots. See pc_int.h.
 *
 * Everything goes through the ports and the window at A0000h, as a BIOS would do it, so that the chip sees no
 * difference.
 *
 * Thread: whoever holds the machine lock while no vCPU runs.
 * Source: IBM VGA XGA Technical Reference, "VGA Function" (register contents of mode 3), and the BIOS data area of
 * IBM's PS/2 and PC BIOS Interface Technical Reference.
 */
#include "devices/machine/loader.h"
#include "devices/machine/pc_int.h"
#include "vga_font.h"

enum {
    FONT_PLANE = 2,
    GLYPH_ROOM = 32, /* bytes from glyph to glyph in the font's plane */
    TEXT_MEMORY = 0xb8000,
    TEXT_PAGE = 0x1000, /* bytes of a page of text, as the BIOS counts them */
    BLANK = 0x0720,
    EGA_MEMORY_256K = 3,
};

static const uint8_t sequencer[] = {0x03, 0x00, 0x03, 0x00, 0x02};
static const uint8_t crtc[] = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
                               0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff};
static const uint8_t graphics[] = {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x0f, 0xff};
static const uint8_t attribute[] = {0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a,
                                    0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00};

static void out(struct pc *pc, uint16_t port, uint8_t value)
{
    bus_write(pc->config.io, port, value, 1);
}

static void set(struct pc *pc, uint16_t port, unsigned index, uint8_t value)
{
    out(pc, port, (uint8_t)index);
    out(pc, port + 1, value);
}

static void load_font(struct pc *pc)
{
    set(pc, 0x3c4, 2, 1 << FONT_PLANE);
    set(pc, 0x3c4, 4, 0x06); /* sequential */
    set(pc, 0x3ce, 1, 0);    /* data as it is written */
    set(pc, 0x3ce, 3, 0);
    set(pc, 0x3ce, 5, 0);
    set(pc, 0x3ce, 6, 0x05); /* A0000h, 64 KiB */
    set(pc, 0x3ce, 8, 0xff);
    for (unsigned i = 0; i < sizeof(vga_font); i++)
        bus_write(pc->config.mmio, VGA_WINDOW + i / LOAD_GLYPH_HEIGHT * GLYPH_ROOM + i % LOAD_GLYPH_HEIGHT, vga_font[i],
                  1);
}

/* The 64 colours of the EGA: two bits for each component, the dimmer one in bits 3 to 5. */
static void load_palette(struct pc *pc)
{
    out(pc, 0x3c6, 0xff);
    out(pc, 0x3c8, 0);
    for (unsigned i = 0; i < 64; i++)
        for (unsigned bit = 4; bit; bit >>= 1)
            out(pc, 0x3c9, (uint8_t)((i & bit ? 0x2a : 0) + (i & bit << 3 ? 0x15 : 0)));
}

static void load_registers(struct pc *pc)
{
    for (unsigned i = 0; i < sizeof(sequencer); i++)
        set(pc, 0x3c4, i, sequencer[i]);
    set(pc, 0x3d4, 0x11, 0); /* no protection */
    for (unsigned i = 0; i < sizeof(crtc); i++)
        set(pc, 0x3d4, i, crtc[i]);
    for (unsigned i = 0; i < sizeof(graphics); i++)
        set(pc, 0x3ce, i, graphics[i]);
    bus_read(pc->config.io, 0x3da, 1); /* an index comes next */
    for (unsigned i = 0; i < sizeof(attribute); i++) {
        out(pc, 0x3c0, (uint8_t)i);
        out(pc, 0x3c0, attribute[i]);
    }
    out(pc, 0x3c0, 0x20); /* the screen is on */
}

static void fill_data_area(struct pc *pc)
{
    const struct {
        uint16_t at, value;
        uint8_t size;
    } data[] = {
        {0x449, LOAD_TEXT_MODE, 1},
        {0x44a, LOAD_TEXT_COLUMNS, 2},
        {0x44c, TEXT_PAGE, 2},
        {0x44e, 0, 2},      /* where the page shown starts */
        {0x450, 0, 2},      /* the cursor's place, */
        {0x460, 0x0d0e, 2}, /* its first and last line */
        {0x463, 0x3d4, 2},  /* the CRT controller */
        {0x484, LOAD_TEXT_ROWS - 1, 1},
        {0x485, LOAD_GLYPH_HEIGHT, 2},
        {0x487, EGA_MEMORY_256K << 5, 1},
        {0x488, 0xf9, 1}, /* switches: an EGA's for a colour display */
        {0x489, 0x11, 1}, /* 400 lines, a VGA */
    };
    for (unsigned i = 0; i < ARRAY_LEN(data); i++)
        space_write_bytes(pc->config.space, gpa(data[i].at), &data[i].value, data[i].size);
}

void pc_text_mode(struct pc *pc)
{
    out(pc, 0x3c2, 0x67); /* colour ports, memory on, 28 MHz */
    load_font(pc);
    load_palette(pc);
    load_registers(pc);
    for (unsigned i = 0; i < LOAD_TEXT_COLUMNS * LOAD_TEXT_ROWS; i++)
        bus_write(pc->config.mmio, TEXT_MEMORY + 2 * i, BLANK, 2);
    fill_data_area(pc);
}
