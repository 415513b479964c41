/* What the command line's files share: options whose arguments are lists of properties. */
#ifndef RING3_MACHINE_OPTIONS_INT_H
#define RING3_MACHINE_OPTIONS_INT_H

#include "devices/machine/options.h"

/* options_machine.c. Each of these, and of those below, returns 0, or -EINVAL with a message. */
int options_set_memory(struct machine_options *o, const char *value, struct error *err);
int options_set_accel(struct machine_options *o, const char *value, struct error *err);
int options_set_machine(struct machine_options *o, const char *value, struct error *err);
int options_set_smp(struct machine_options *o, const char *value, struct error *err);
int options_set_rtc(struct machine_options *o, const char *value, struct error *err);
int options_set_boot(struct machine_options *o, const char *value, struct error *err);
int options_set_sandbox(struct machine_options *o, const char *value, struct error *err);
/* "help" or "?" */
bool options_is_help(const char *value);

/* options_device.c */
int options_set_device(struct machine_options *o, const char *value, struct error *err);
int options_set_global(struct machine_options *o, const char *value, struct error *err);
int options_set_chardev(struct machine_options *o, const char *value, struct error *err);
int options_set_mon(struct machine_options *o, const char *value, struct error *err);
/* When all options are there: drives find their devices, and "chardev:ID" its place. */
int options_connect(struct machine_options *o, struct error *err);

#endif
