/* Screen dumps: what was written can be read back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/core/screenshot.h"

static uint32_t pixels[4] = {0xff0000, 0x00ff00, 0x123456, 0xff123457}; /* the highest byte means nothing */
static const uint8_t rgb[12] = {0xff, 0, 0, 0, 0xff, 0, 0x12, 0x34, 0x56, 0x12, 0x34, 0x57};
static const struct surface surface = {.width = 2, .height = 2, .stride = 8, .pixels = pixels};

Test(screenshot, ppm)
{
    char path[] = "/tmp/ring3-shot-XXXXXX";
    uint8_t bytes[64];
    struct error err;
    close(mkstemp(path));
    cr_assert_eq(screenshot_write(&surface, path, SCREENSHOT_PPM, &err), 0, "%s", err.text);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    unlink(path);
    cr_assert_eq(size, 11 + sizeof(rgb));
    cr_assert_eq(memcmp(bytes, "P6\n2 2\n255\n", 11), 0);
    cr_assert_eq(memcmp(bytes + 11, rgb, sizeof(rgb)), 0);
}

Test(screenshot, png)
{
    char path[] = "/tmp/ring3-shot-XXXXXX";
    uint8_t bytes[sizeof(rgb)];
    png_image image = {.version = PNG_IMAGE_VERSION};
    struct error err;
    close(mkstemp(path));
    cr_assert_eq(screenshot_write(&surface, path, SCREENSHOT_PNG, &err), 0, "%s", err.text);
    cr_assert(png_image_begin_read_from_file(&image, path));
    image.format = PNG_FORMAT_RGB;
    cr_assert_eq(image.width, 2);
    cr_assert(png_image_finish_read(&image, NULL, bytes, 0, NULL));
    unlink(path);
    cr_assert_eq(memcmp(bytes, rgb, sizeof(rgb)), 0);
}

Test(screenshot, failures_have_a_message)
{
    const struct surface empty = {0};
    struct error err;
    cr_assert_eq(screenshot_write(&empty, "/tmp/x", SCREENSHOT_PNG, &err), -ENODATA);
    cr_assert_eq(screenshot_write(&surface, "/nonexistent/x.png", SCREENSHOT_PNG, &err), -ENOENT);
    cr_assert_not_null(strstr(err.text, "/nonexistent/x.png"));
    cr_assert_eq(screenshot_write(&surface, "/dev/full", SCREENSHOT_PPM, &err), -ENOSPC);
}
