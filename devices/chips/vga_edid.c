/*
 * What the monitor behind the VGA says of itself: an EDID block. See vga_int.h.
 *
 * Thread: any. Source: VESA Enhanced Extended Display Identification Data Standard, release A, revision 2 (EDID 1.4);
 * the timings are VESA's DMT standard's.
 */
#include "devices/chips/vga_int.h"

enum { CHECKSUM = VGA_EDID_SIZE - 1 };

#define LOW(value)  ((value)&0xff)
#define HIGH(value) ((value) >> 8)

/* A detailed timing: pixel clock in 10 kHz; then for both directions active, blanking, front porch and sync. */
#define DETAILED(clock, x, x_blank, x_front, x_sync, y, y_blank, y_front, y_sync, x_mm, y_mm)                          \
    LOW(clock), HIGH(clock), LOW(x), LOW(x_blank), HIGH(x) << 4 | HIGH(x_blank), LOW(y), LOW(y_blank),                 \
        HIGH(y) << 4 | HIGH(y_blank), x_front, x_sync, (y_front) << 4 | (y_sync), 0, LOW(x_mm), LOW(y_mm),             \
        HIGH(x_mm) << 4 | HIGH(y_mm), 0, 0, 0x18 /* digital, separate syncs, negative */

/* A standard timing of 60 Hz. */
enum { ASPECT_16_10 = 0x00, ASPECT_4_3 = 0x40, ASPECT_5_4 = 0x80, ASPECT_16_9 = 0xc0 };
#define STANDARD(width, aspect) (width) / 8 - 31, aspect

static const uint8_t block[VGA_EDID_SIZE] = {
    0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, /* header */
    0x49, 0xc7, 0x01, 0x00, 0, 0, 0, 0,             /* "RNG", product 1, no serial number */
    0, 34, 1, 4,                                    /* 2024; version 1.4 */
    0xa5, 27, 20, 120,                              /* digital with 8 bits a colour; 27 by 20 cm; gamma 2.2 */
    0x06,                                           /* sRGB; the first detailed timing is the native one */
    0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54, /* sRGB's chromaticities */
    0x21, 0x08, 0x00,                                           /* 640x480, 800x600, 1024x768 at 60 Hz */
    STANDARD(1920, ASPECT_16_9), STANDARD(1680, ASPECT_16_10), STANDARD(1600, ASPECT_16_9),
    STANDARD(1280, ASPECT_16_10), STANDARD(1280, ASPECT_5_4), STANDARD(1280, ASPECT_4_3), STANDARD(1280, ASPECT_16_9),
    STANDARD(1152, ASPECT_4_3), DETAILED(6500, 1024, 320, 24, 136, 768, 38, 3, 6, 271, 203),
    /* Limits: 50 to 125 Hz, 30 to 160 kHz, 250 MHz. */
    0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 25, 0x01, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    /* Its name. */
    0, 0, 0, 0xfc, 0, 'r', 'i', 'n', 'g', '3', ' ', 'm', 'o', 'n', 'i', 't', 'o', 'r',
    /* An unused descriptor; no more blocks; the checksum. */
    0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

uint8_t vga_edid(unsigned at)
{
    uint8_t sum = 0;

    if (at != CHECKSUM)
        return at < VGA_EDID_SIZE ? block[at] : 0;
    for (unsigned i = 0; i < CHECKSUM; i++)
        sum += block[i];
    return (uint8_t)-sum;
}
