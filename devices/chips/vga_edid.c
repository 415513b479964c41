/*
 * What the monitor behind the VGA says of itself: an EDID block, with the size it likes best. See vga_int.h.
 *
 * Thread: any. Source: VESA Enhanced Extended Display Identification Data Standard, release A, revision 2 (EDID 1.4);
 * Coordinated Video Timings standard 1.1, reduced blanking.
 */
#include <string.h>

#include "devices/chips/vga_int.h"

enum { TIMING = 54, CHECKSUM = VGA_EDID_SIZE - 1 };

#define LOW(value)  (uint8_t)((value)&0xff)
#define HIGH(value) (uint8_t)((value) >> 8)

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
    STANDARD(1152, ASPECT_4_3), /* the detailed timing */ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    /* Limits: 50 to 125 Hz, 30 to 160 kHz, 250 MHz. */
    0, 0, 0, 0xfd, 0, 50, 125, 30, 160, 25, 0x01, 0x0a, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    /* Its name. */
    0, 0, 0, 0xfc, 0, 'r', 'i', 'n', 'g', '3', ' ', 'm', 'o', 'n', 'i', 't', 'o', 'r',
    /* An unused descriptor; no more blocks; the checksum. */
    0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

/* A detailed timing of 60 Hz, for which CVT's reduced blanking has 460 us and 160 pixels. */
static void put_timing(uint8_t *to, unsigned width, unsigned height)
{
    enum { X_BLANK = 160, X_FRONT = 48, X_SYNC = 32, Y_FRONT = 3, Y_SYNC = 5, FRAME_US = 16666, BLANK_US = 460 };
    unsigned y_blank = height * BLANK_US / (FRAME_US - BLANK_US) + 1;
    unsigned clock = 60 * (width + X_BLANK) * (height + y_blank) / 10000;
    unsigned x_mm = width * 254 / 960, y_mm = height * 254 / 960; /* 96 dots an inch */
    const uint8_t timing[] = {LOW(clock),
                              HIGH(clock),
                              LOW(width),
                              X_BLANK,
                              (uint8_t)(HIGH(width) << 4),
                              LOW(height),
                              LOW(y_blank),
                              (uint8_t)(HIGH(height) << 4 | HIGH(y_blank)),
                              X_FRONT,
                              X_SYNC,
                              Y_FRONT << 4 | Y_SYNC,
                              0,
                              LOW(x_mm),
                              LOW(y_mm),
                              (uint8_t)(HIGH(x_mm) << 4 | HIGH(y_mm)),
                              0,
                              0,
                              0x1a /* digital, separate syncs, the horizontal one positive */};

    memcpy(to, timing, sizeof(timing));
}

void vga_edid_fill(uint8_t edid[VGA_EDID_SIZE], unsigned width, unsigned height)
{
    uint8_t sum = 0;

    memcpy(edid, block, VGA_EDID_SIZE);
    put_timing(&edid[TIMING], width, height);
    for (unsigned i = 0; i < CHECKSUM; i++)
        sum += edid[i];
    edid[CHECKSUM] = (uint8_t)-sum;
}
