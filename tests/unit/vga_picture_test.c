/* What the VGA shows: text, planar, CGA, 256-colour and packed pictures, split screens, panning, and what has changed.
 */
#include "tests/unit/vga_fixture.h"

static void text_mode(struct vga_lab *lab)
{
    set_mode(lab, &mode_03);
    set(lab, 0x3d4, 0x0a, 0x20); /* no cursor */
    for (unsigned i = 0; i < 4000; i += 2)
        bus_write(&lab->mmio, 0xb8000 + i, 0x0720, 2);
}

static void put_glyph(struct vga_lab *lab, unsigned font, uint8_t code, unsigned row, uint8_t bits)
{
    lab->vga.memory[4 * (font + code * 32u + row) + 2] = bits;
}

Test(vga_text, a_cell_has_its_glyph_and_colours)
{
    struct vga_lab lab;
    struct rect rect = {0};
    lab_init(&lab);
    text_mode(&lab);
    put_glyph(&lab, 0, 'A', 3, 0x81);
    put_glyph(&lab, 0, 0xc4, 3, 0x81); /* a line graphics character: its 8th dot is doubled */
    bus_write(&lab.mmio, 0xb8000 + 2 * (80 + 2), 0x1f41, 2);
    bus_write(&lab.mmio, 0xb8000 + 2 * (80 + 3), 0x1fc4, 2);
    cr_assert_eq(look(&lab, NULL), 1);
    cr_assert_eq(lab.vga.display.surface.width, 720);
    cr_assert_eq(lab.vga.display.surface.height, 400);
    cr_assert_eq(pixel(&lab, 18, 19), grey(15));
    cr_assert_eq(pixel(&lab, 19, 19), grey(1));
    cr_assert_eq(pixel(&lab, 25, 19), grey(15));
    cr_assert_eq(pixel(&lab, 26, 19), grey(1));
    cr_assert_eq(pixel(&lab, 35, 19), grey(15));
    cr_assert_eq(pixel(&lab, 18, 18), grey(1));
    cr_assert_eq(look(&lab, NULL), 0);

    bus_write(&lab.mmio, 0xb8000 + 2 * (80 * 5 + 7), 0x41, 1);
    cr_assert_eq(look(&lab, &rect), 1);
    cr_assert_eq(rect.x, 63);
    cr_assert_eq(rect.width, 9);
    cr_assert_eq(rect.y, 80);
    cr_assert_eq(rect.height, 16);
    lab_destroy(&lab);
}

Test(vga_text, attribute_bit_3_chooses_the_font)
{
    struct vga_lab lab;
    lab_init(&lab);
    text_mode(&lab);
    set(&lab, 0x3c4, 3, 0x04); /* map A (bit 3 set): font 1, map B: font 0 */
    put_glyph(&lab, 0x4000, 'A', 0, 0x80);
    bus_write(&lab.mmio, 0xb8000, 0x0741, 2);
    bus_write(&lab.mmio, 0xb8002, 0x0f41, 2);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 0, 0), grey(0));
    cr_assert_eq(pixel(&lab, 9, 0), grey(15));
    put_glyph(&lab, 0x4000, 'A', 0, 0x00); /* another glyph is seen */
    space_written(&lab.space, lab.vga.memory + 4 * 0x4000, 4);
    space_written(&lab.space, lab.vga.memory + 4 * (0x4000 + 'A' * 32), 4);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 9, 0), grey(0));
    lab_destroy(&lab);
}

Test(vga_text, cursor_and_attributes_blink)
{
    struct vga_lab lab;
    struct rect rect = {0};
    lab_init(&lab);
    text_mode(&lab);
    put_glyph(&lab, 0, 'A', 0, 0x80);
    bus_write(&lab.mmio, 0xb8000, 0x8741, 2);
    set(&lab, 0x3d4, 0x0a, 0x0d);
    set(&lab, 0x3d4, 0x0e, 0);
    set(&lab, 0x3d4, 0x0f, 82);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 0, 0), grey(7));
    cr_assert_eq(pixel(&lab, 18, 16 + 12), grey(0));
    cr_assert_eq(pixel(&lab, 18, 16 + 13), grey(7));
    cr_assert_eq(pixel(&lab, 26, 16 + 14), grey(7));
    cr_assert_eq(pixel(&lab, 18, 16 + 15), grey(0));
    vclock_step(&lab.clock, 8 * NS_PER_SECOND / 70 + 1000000); /* eight frames */
    cr_assert_eq(look(&lab, &rect), 1);
    cr_assert_eq(rect.x, 18);
    cr_assert_eq(rect.width, 9);
    cr_assert_eq(pixel(&lab, 18, 16 + 13), grey(0));
    cr_assert_eq(pixel(&lab, 0, 0), grey(7));
    vclock_step(&lab.clock, 8 * NS_PER_SECOND / 70 + 1000000);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 0, 0), grey(0)); /* hidden: background 0, not 8 */
    set_attr(&lab, 0x10, 0x04);               /* bit 7 is an intense background instead */
    out8(&lab.io, 0x3c0, 0x20);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 0, 0), grey(7));
    cr_assert_eq(pixel(&lab, 1, 0), grey(8));
    lab_destroy(&lab);
}

Test(vga_text, the_screen_can_be_read)
{
    struct vga_lab lab;
    struct text_screen text;
    char buffer[4096];
    lab_init(&lab);
    text_mode(&lab);
    for (unsigned i = 0; i < 5; i++)
        bus_write(&lab.mmio, 0xb8000 + 160 * 3 + 4 + 2 * i, (uint8_t) "hello"[i], 1);
    set(&lab, 0x3d4, 0x0a, 0);
    set(&lab, 0x3d4, 0x0e, 0);
    set(&lab, 0x3d4, 0x0f, 247);
    display_read_text(&lab.vga.display, buffer, sizeof(buffer), &text);
    cr_assert_eq(text.columns, 80);
    cr_assert_eq(text.rows, 25);
    cr_assert_eq(text.cursor_row, 3);
    cr_assert_eq(text.cursor_column, 7);
    cr_assert(text.cursor_visible);
    cr_assert_eq(strncmp(buffer, "\n\n\n  hello\n\n", 12), 0, "%s", buffer);
    set(&lab, 0x3d4, 0x0d, 240); /* scrolled by three lines */
    display_read_text(&lab.vga.display, buffer, sizeof(buffer), NULL);
    cr_assert_eq(strncmp(buffer, "  hello\n\n", 9), 0);
    set_mode(&lab, &mode_12);
    cr_assert_eq(display_read_text(&lab.vga.display, buffer, sizeof(buffer), &text), 0);
    cr_assert_eq(text.columns, 0);
    lab_destroy(&lab);
}

Test(vga_graphics, planes_make_colours)
{
    struct vga_lab lab;
    struct rect rect = {0};
    lab_init(&lab);
    set_mode(&lab, &mode_12);
    look(&lab, NULL);
    cr_assert_eq(lab.vga.display.surface.width, 640);
    cr_assert_eq(lab.vga.display.surface.height, 480);
    set(&lab, 0x3c4, 2, 0x0a);
    poke(&lab, 0xa0000 + 80 * 100 + 1, 0x81);
    cr_assert_eq(look(&lab, &rect), 1);
    cr_assert(rect.y <= 100 && rect.y + rect.height > 100 && rect.height < 40);
    cr_assert_eq(pixel(&lab, 8, 100), grey(10));
    cr_assert_eq(pixel(&lab, 9, 100), grey(0));
    cr_assert_eq(pixel(&lab, 15, 100), grey(10));
    set_attr(&lab, 0x12, 0x07); /* plane 3 is not shown */
    out8(&lab.io, 0x3c0, 0x20);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 8, 100), grey(2));
    cr_assert_eq(look(&lab, NULL), 0);
    lab_destroy(&lab);
}

Test(vga_graphics, the_split_screen_starts_at_0_and_need_not_pan)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_mode(&lab, &mode_12);
    set(&lab, 0x3c4, 2, 0x0f);
    poke(&lab, 0xa0000, 0x80);        /* the split part's first dot */
    poke(&lab, 0xa0000 + 8000, 0x08); /* the upper part's fifth */
    set(&lab, 0x3d4, 0x0c, 8000 >> 8);
    set(&lab, 0x3d4, 0x0d, 8000 & 0xff);
    set(&lab, 0x3d4, 0x18, 199); /* the 200 lines above; line compare's bits 8 and 9 are 0 */
    set(&lab, 0x3d4, 0x07, 0x2e);
    set(&lab, 0x3d4, 0x09, 0x00);
    set_attr(&lab, 0x13, 4);
    set_attr(&lab, 0x10, 0x21);
    out8(&lab.io, 0x3c0, 0x20);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 0, 0), grey(15)); /* moved left by four */
    cr_assert_eq(pixel(&lab, 4, 0), grey(0));
    cr_assert_eq(pixel(&lab, 0, 199), grey(0));
    cr_assert_eq(pixel(&lab, 0, 200), grey(15));
    set_attr(&lab, 0x10, 0x01); /* now both pan */
    out8(&lab.io, 0x3c0, 0x20);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 0, 200), grey(0));
    lab_destroy(&lab);
}

Test(vga_graphics, mode_13h_doubles_dots_and_lines)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_mode(&lab, &mode_13);
    set_dac(&lab, 200, 63, 0, 1);
    look(&lab, NULL);
    cr_assert_eq(lab.vga.display.surface.width, 640);
    cr_assert_eq(lab.vga.display.surface.height, 400);
    poke(&lab, 0xa0000 + 320 * 10 + 5, 200);
    look(&lab, NULL);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(pixel(&lab, 10 + (i & 1), 20 + (i >> 1)), 0xff0004);
    cr_assert_eq(pixel(&lab, 12, 20), 0);
    cr_assert_eq(pixel(&lab, 10, 22), 0);
    out8(&lab.io, 0x3c6, 0x0f); /* the DAC's mask */
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 10, 20), grey(8));
    lab_destroy(&lab);
}

Test(vga_graphics, mode_x_pages_flip)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_mode(&lab, &mode_13);
    set(&lab, 0x3c4, 4, 0x06);
    set(&lab, 0x3d4, 0x14, 0x00);
    set(&lab, 0x3d4, 0x17, 0xe3);
    set(&lab, 0x3c4, 2, 0x04);
    poke(&lab, 0xa0000 + 16000, 7); /* pixel 2 of the second page */
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 4, 0), 0);
    set(&lab, 0x3d4, 0x0c, 16000 >> 8);
    set(&lab, 0x3d4, 0x0d, 16000 & 0xff);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 4, 0), grey(7));
    cr_assert_eq(pixel(&lab, 3, 0), 0);
    lab_destroy(&lab);
}

Test(vga_graphics, cga_interleaves_lines)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_mode(&lab, &mode_04);
    look(&lab, NULL);
    cr_assert_eq(lab.vga.display.surface.width, 640);
    cr_assert_eq(lab.vga.display.surface.height, 400);
    poke(&lab, 0xb8000, 0x1b);          /* colours 0 1 2 3 */
    poke(&lab, 0xb8000 + 81, 0xc0);     /* line 2, pixel 4 */
    poke(&lab, 0xb8000 + 0x2000, 0x40); /* line 1 */
    look(&lab, NULL);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(pixel(&lab, 2 * i + 1, 1), grey(i));
    cr_assert_eq(pixel(&lab, 0, 2), grey(1));
    cr_assert_eq(pixel(&lab, 8, 4), grey(3));
    cr_assert_eq(pixel(&lab, 8, 6), grey(0));
    lab_destroy(&lab);
}

static void packed(struct vga_lab *lab, uint16_t bpp)
{
    set_dispi(lab, 4, 0);
    set_dispi(lab, 1, 640);
    set_dispi(lab, 2, 480);
    set_dispi(lab, 3, bpp);
    set_dispi(lab, 4, 0x41);
    look(lab, NULL);
}

static void store(struct vga_lab *lab, uint64_t at, const char *bytes, size_t count)
{
    space_written(&lab->space, lab->vga.memory + at, count);
    memcpy(lab->vga.memory + at, bytes, count);
    look(lab, NULL);
}

Test(vga_graphics, packed_pixels_of_all_depths)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_mode(&lab, &mode_12);
    packed(&lab, 8);
    store(&lab, 640 * 7 + 3, "\x0b", 1);
    cr_assert_eq(pixel(&lab, 3, 7), grey(11));
    packed(&lab, 15);
    store(&lab, 1280 * 7 + 6, "\x1f\x7c", 2);
    cr_assert_eq(pixel(&lab, 3, 7), 0xff00ff);
    packed(&lab, 16);
    store(&lab, 1280 * 7 + 6, "\xe0\x07", 2);
    cr_assert_eq(pixel(&lab, 3, 7), 0x00ff00);
    packed(&lab, 24);
    store(&lab, 1920 * 7 + 9, "\x01\x02\x03", 3);
    cr_assert_eq(pixel(&lab, 3, 7), 0x030201);
    packed(&lab, 32);
    store(&lab, 2560 * 7 + 12, "\x01\x02\x03\xff", 4);
    cr_assert_eq(pixel(&lab, 3, 7), 0x030201);
    packed(&lab, 4);
    store(&lab, 4 * (80 * 7), "\x10\x10\x00\x00", 4);
    cr_assert_eq(pixel(&lab, 3, 7), grey(3));
    lab_destroy(&lab);
}

Test(vga_graphics, only_lines_on_dirty_pages_are_drawn)
{
    struct vga_lab lab;
    struct rect rect = {0};
    lab_init(&lab);
    set_mode(&lab, &mode_12);
    set_dispi(&lab, 1, 1024);
    set_dispi(&lab, 2, 768);
    set_dispi(&lab, 3, 32);
    set_dispi(&lab, 4, 0x41);
    look(&lab, NULL);
    cr_assert_eq(look(&lab, NULL), 0);
    space_written(&lab.space, lab.vga.memory + 4096 * 500, 4096 * 2);
    cr_assert_eq(look(&lab, &rect), 1);
    cr_assert_eq(rect.y, 500);
    cr_assert_eq(rect.height, 2);
    cr_assert_eq(rect.width, 1024);
    space_written(&lab.space, lab.vga.memory + 4096 * 768, 4); /* below the picture */
    cr_assert_eq(look(&lab, NULL), 0);
    lab.vga.memory[4096 * 768] = 0x55;
    set_dispi(&lab, 9, 1);
    cr_assert_eq(look(&lab, NULL), 1);
    cr_assert_eq(pixel(&lab, 0, 767), 0x55);
    lab_destroy(&lab);
}

Test(vga_graphics, a_blanked_screen_is_black)
{
    struct vga_lab lab;
    lab_init(&lab);
    look(&lab, NULL); /* nobody has set a mode */
    cr_assert_eq(pixel(&lab, 639, 479), 0);
    set_mode(&lab, &mode_12);
    set(&lab, 0x3c4, 2, 0x0f);
    poke(&lab, 0xa0000, 0xff);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 0, 0), grey(15));
    set(&lab, 0x3c4, 1, 0x21);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 0, 0), 0);
    cr_assert_eq(look(&lab, NULL), 0);
    set(&lab, 0x3c4, 1, 0x01);
    look(&lab, NULL);
    cr_assert_eq(pixel(&lab, 0, 0), grey(15));
    lab_destroy(&lab);
}
