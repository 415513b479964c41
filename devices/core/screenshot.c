/*
 * PNG and PPM files of a surface. See screenshot.h.
 *
 * Thread: any. Source: Netpbm "PPM format specification"; libpng manual, "The simplified libpng API".
 */
#include "devices/core/screenshot.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes R, G, B, row by row. Null: no memory. */
static uint8_t *to_rgb(const struct surface *surface)
{
    uint8_t *bytes = malloc((size_t)surface->width * surface->height * 3), *to = bytes;

    for (unsigned y = 0; bytes && y < surface->height; y++) {
        const uint32_t *from = surface->pixels + (size_t)y * (surface->stride / 4);
        for (unsigned x = 0; x < surface->width; x++) {
            *to++ = (uint8_t)(from[x] >> 16);
            *to++ = (uint8_t)(from[x] >> 8);
            *to++ = (uint8_t)from[x];
        }
    }
    return bytes;
}

static bool write_ppm(const struct surface *surface, const uint8_t *rgb, FILE *file)
{
    size_t size = (size_t)surface->width * surface->height * 3;
    fprintf(file, "P6\n%u %u\n255\n", surface->width, surface->height);
    return fwrite(rgb, 1, size, file) == size;
}

static bool write_png(const struct surface *surface, const uint8_t *rgb, FILE *file)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = surface->width, .height = surface->height, .format = PNG_FORMAT_RGB};
    return png_image_write_to_stdio(&image, file, 0, rgb, 0, NULL);
}

int screenshot_write(const struct surface *surface, const char *path, enum screenshot_format format, struct error *err)
{
    if (!surface->width || !surface->height)
        return error_set(err, -ENODATA, "the display shows nothing yet");
    uint8_t *rgb = to_rgb(surface);
    if (!rgb)
        return error_set(err, -ENOMEM, "no memory for a screen dump");
    FILE *file = fopen(path, "wbe");
    int r = file ? 0 : -errno;
    if (file) {
        errno = 0;
        bool written = format == SCREENSHOT_PNG ? write_png(surface, rgb, file) : write_ppm(surface, rgb, file);
        int code = errno;
        if (fclose(file)) {
            written = false;
            code = errno;
        }
        r = written ? 0 : code ? -code : -EIO;
    }
    free(rgb);
    return r ? error_set(err, r, "cannot write %s: %s", path, strerror(-r)) : 0;
}
