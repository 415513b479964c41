/* The screen for the monitors. */
#ifndef RING3_MACHINE_MONITOR_SCREEN_H
#define RING3_MACHINE_MONITOR_SCREEN_H

#include "cpu-model/base/error.h"

struct machine;

/* Saves the screen. format: "png", "ppm", or null: by the file's name, PPM unless it ends in .png. Lock held. */
int monitor_save_screen(struct machine *m, const char *path, const char *format, struct error *err);

#endif
