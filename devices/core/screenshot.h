/*
 * A surface as a picture file, for screen dumps and tests.
 *
 * @locks the caller holds whatever keeps the surface from changing (ui.h).
 */
#ifndef RING3_DEVICES_SCREENSHOT_H
#define RING3_DEVICES_SCREENSHOT_H

#include "cpu-model/base/error.h"
#include "devices/core/ui.h"

enum screenshot_format { SCREENSHOT_PPM, SCREENSHOT_PNG };

/* Writes (and replaces) the file `path`. Returns 0, or -errno with a message; -ENODATA: the surface is empty. */
int screenshot_write(const struct surface *surface, const char *path, enum screenshot_format format, struct error *err);

#endif
