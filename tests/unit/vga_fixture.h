/* A VGA alone: its ports and memory on buses of their own, a stepped clock, and modes set as a BIOS sets them. */
#ifndef RING3_TESTS_VGA_FIXTURE_H
#define RING3_TESTS_VGA_FIXTURE_H

#include <string.h>

#include "devices/chips/vga.h"
#include "tests/unit/chip_fixture.h"

struct vga_lab {
    struct vclock clock;
    struct space space;
    struct bus io, mmio;
    struct vga vga;
    struct display_seen seen;
};

static inline void lab_init(struct vga_lab *lab)
{
    struct error err;

    memset(lab, 0, sizeof(*lab));
    vclock_init(&lab->clock, NULL, NULL);
    bus_init(&lab->io, "ports");
    bus_init(&lab->mmio, "memory");
    cr_assert_eq(space_init(&lab->space, 18 << 20, &err), 0, "%s", err.text);
    const struct vga_config config = {.clock = &lab->clock, .space = &lab->space, .registers_in_memory = true};
    cr_assert_eq(vga_init(&lab->vga, &config, &err), 0, "%s", err.text);
    map(&lab->io, VGA_MONO_PORTS, VGA_MONO_PORTS_SIZE, &vga_mono_ops, &lab->vga);
    map(&lab->io, VGA_PORTS, VGA_PORTS_SIZE, &vga_ops, &lab->vga);
    map(&lab->io, VGA_COLOUR_PORTS, VGA_COLOUR_PORTS_SIZE, &vga_colour_ops, &lab->vga);
    map(&lab->io, VGA_DISPI_PORTS, VGA_DISPI_PORTS_SIZE, &vga_dispi_ops, &lab->vga);
    map(&lab->mmio, VGA_WINDOW, VGA_WINDOW_SIZE, &vga_memory_ops, &lab->vga);
}

static inline void lab_destroy(struct vga_lab *lab)
{
    vga_class.destroy(&lab->vga);
    bus_destroy(&lab->io);
    bus_destroy(&lab->mmio);
    space_destroy(&lab->space);
}

static inline void set(struct vga_lab *lab, uint16_t port, uint8_t index, uint8_t value)
{
    bus_write(&lab->io, port, (uint64_t)value << 8 | index, 2);
}

static inline uint8_t get(struct vga_lab *lab, uint16_t port, uint8_t index)
{
    out8(&lab->io, port, index);
    return in8(&lab->io, port + 1);
}

static inline void set_attr(struct vga_lab *lab, uint8_t index, uint8_t value)
{
    in8(&lab->io, 0x3da);
    out8(&lab->io, 0x3c0, index);
    out8(&lab->io, 0x3c0, value);
}

static inline void set_dac(struct vga_lab *lab, uint8_t index, uint8_t red, uint8_t green, uint8_t blue)
{
    out8(&lab->io, 0x3c8, index);
    out8(&lab->io, 0x3c9, red);
    out8(&lab->io, 0x3c9, green);
    out8(&lab->io, 0x3c9, blue);
}

static inline void set_dispi(struct vga_lab *lab, uint16_t index, uint16_t value)
{
    bus_write(&lab->io, 0x1ce, index, 2);
    bus_write(&lab->io, 0x1cf, value, 2);
}

static inline uint16_t get_dispi(struct vga_lab *lab, uint16_t index)
{
    bus_write(&lab->io, 0x1ce, index, 2);
    return (uint16_t)bus_read(&lab->io, 0x1cf, 2);
}

/* The parameter tables of the IBM VGA BIOS for modes 3 (720x400 text), 4, 12h and 13h. */
struct vga_mode {
    uint8_t misc, seq[4], crtc[25], gc[9], attr_mode, planes;
};

static const struct vga_mode mode_03 = {0x67,
                                        {0x00, 0x03, 0x00, 0x02},
                                        {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00,
                                         0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
                                        {0, 0, 0, 0, 0, 0x10, 0x0e, 0x00, 0xff},
                                        0x0c,
                                        0x0f};
static const struct vga_mode mode_04 = {0x63,
                                        {0x09, 0x03, 0x00, 0x02},
                                        {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00,
                                         0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff},
                                        {0, 0, 0, 0, 0, 0x30, 0x0f, 0x00, 0xff},
                                        0x01,
                                        0x03};
static const struct vga_mode mode_12 = {0xe3,
                                        {0x01, 0x0f, 0x00, 0x06},
                                        {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00,
                                         0x00, 0x00, 0x00, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff},
                                        {0, 0, 0, 0, 0, 0x00, 0x05, 0x0f, 0xff},
                                        0x01,
                                        0x0f};
static const struct vga_mode mode_13 = {0x63,
                                        {0x01, 0x0f, 0x00, 0x0e},
                                        {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00,
                                         0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff},
                                        {0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff},
                                        0x41,
                                        0x0f};

/* Palette entries and DAC entries 0 to 15 are such that colour n is the pixel 00n0n0n0h / 4 * 4 and so on: grey. */
static inline uint32_t grey(unsigned n)
{
    unsigned v = n * 4;
    return (v << 2 | v >> 4) * 0x010101u;
}

static inline void set_mode(struct vga_lab *lab, const struct vga_mode *mode)
{
    out8(&lab->io, 0x3c2, mode->misc);
    set(lab, 0x3c4, 0, 3);
    for (unsigned i = 0; i < 4; i++)
        set(lab, 0x3c4, (uint8_t)(i + 1), mode->seq[i]);
    set(lab, 0x3d4, 0x11, 0);
    for (unsigned i = 0; i < 25; i++)
        set(lab, 0x3d4, (uint8_t)i, mode->crtc[i]);
    for (unsigned i = 0; i < 9; i++)
        set(lab, 0x3ce, (uint8_t)i, mode->gc[i]);
    for (unsigned i = 0; i < 16; i++) {
        set_attr(lab, (uint8_t)i, (uint8_t)i);
        set_dac(lab, (uint8_t)i, (uint8_t)(i * 4), (uint8_t)(i * 4), (uint8_t)(i * 4));
    }
    set_attr(lab, 0x10, mode->attr_mode);
    set_attr(lab, 0x12, mode->planes);
    set_attr(lab, 0x13, mode->attr_mode == 0x0c ? 8 : 0);
    in8(&lab->io, 0x3da);
    out8(&lab->io, 0x3c0, 0x20);
}

/* A guest's access: the direct window where there is one, else the device. */
static inline void poke(struct vga_lab *lab, uint64_t at, uint8_t value)
{
    uint8_t *host = space_host(&lab->space, gpa(at));
    if (host)
        space_store(&lab->space, space_find(&lab->space, gpa(at)), host, value, 1);
    else
        bus_write(&lab->mmio, at, value, 1);
}

static inline uint8_t peek(struct vga_lab *lab, uint64_t at)
{
    const uint8_t *host = space_host(&lab->space, gpa(at));
    return host ? *host : (uint8_t)bus_read(&lab->mmio, at, 1);
}

/* Refreshes; returns how many rectangles changed since the last call, the last one in *rect. */
static inline unsigned look(struct vga_lab *lab, struct rect *rect)
{
    struct rect rects[DISPLAY_DAMAGE_KEPT];
    display_refresh(&lab->vga.display);
    unsigned count = display_changes(&lab->vga.display, &lab->seen, rects, DISPLAY_DAMAGE_KEPT, NULL);
    if (rect && count)
        *rect = rects[count - 1];
    return count;
}

static inline uint32_t pixel(const struct vga_lab *lab, unsigned x, unsigned y)
{
    const struct surface *surface = &lab->vga.display.surface;
    cr_assert_lt(x, surface->width);
    cr_assert_lt(y, surface->height);
    return surface->pixels[y * (surface->stride / 4) + x];
}

#endif
