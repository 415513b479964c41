/*
 * What the monitors show and save of the screen. See monitor_screen.h.
 *
 * Thread: the main thread, with the machine lock held; the vCPU may run.
 */
#include "devices/machine/monitor_screen.h"

#include "devices/core/screenshot.h"
#include "devices/machine/monitor_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Null with a message: there is none. */
static struct display *display_of(struct machine *m, struct error *err)
{
    if (!m->ui.display)
        error_set(err, -ENODEV, "There is no console to take a screendump from");
    return m->ui.display;
}

int monitor_save_screen(struct machine *m, const char *path, const char *format, struct error *err)
{
    struct display *display = display_of(m, err);
    if (!display)
        return -ENODEV;
    if (format && strcmp(format, "png") && strcmp(format, "ppm"))
        return error_set(err, -EINVAL, "Parameter 'format' does not accept value '%.20s'; there are png and ppm",
                         format);
    const char *dot = strrchr(path, '.');
    bool png = format ? !strcmp(format, "png") : dot && !strcasecmp(dot, ".png");
    display_refresh(display);
    int r = screenshot_write(&display->surface, path, png ? SCREENSHOT_PNG : SCREENSHOT_PPM, err);
    return r == -EPERM ? monitor_file_refused(m, r, path, err) : r;
}

int monitor_screendump(struct monitor_call *call, struct error *err)
{
    return monitor_save_screen(call->machine, call->arg[0].text, call->arg[1].text, err);
}

int monitor_info_screen(struct monitor_call *call, struct error *err)
{
    enum { SIZE = 64 << 10 };
    struct text_screen text = {0};
    struct display *display = display_of(call->machine, err);

    if (!display)
        return -ENODEV;
    char *buffer = malloc(SIZE);
    if (!buffer)
        return error_set(err, -ENOMEM, "no memory");
    display_refresh(display); /* the size of graphics is the surface's */
    if (display_read_text(display, buffer, SIZE, &text))
        fputs(buffer, call->out);
    else if (text.columns)
        fprintf(call->out, "(blank)\n");
    else
        fprintf(call->out, "(graphics, %ux%u)\n", display->surface.width, display->surface.height);
    free(buffer);
    return 0;
}
