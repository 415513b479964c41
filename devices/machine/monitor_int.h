/* The monitor's commands: one table each for commands and for what `info` knows. */
#ifndef RING3_MACHINE_MONITOR_INT_H
#define RING3_MACHINE_MONITOR_INT_H

#include "devices/machine/machine_int.h"
#include "devices/machine/monitor.h"
#include "devices/machine/monitor_parse.h"

#include <stdio.h>

/* What a command gets. */
struct monitor_call {
    struct machine *machine;
    const struct monitor_arg *arg; /* as the specification says */
    FILE *out;
};

struct monitor_command {
    const char *names; /* alternatives separated by '|' */
    const char *args;  /* specification; see monitor_parse.h */
    const char *help;
    /* 0, or -errno with a message; what was printed before stays. */
    int (*run)(struct monitor_call *call, struct error *err);
};

extern const struct monitor_command monitor_commands[], monitor_infos[];
extern const unsigned monitor_command_count, monitor_info_count;

/* The command of that name, or null. */
const struct monitor_command *monitor_find(const struct monitor_command *table, unsigned count, const char *name);

/* A register of the vCPU by its name: a monitor_register_fn. context: struct machine, whose vCPU is held. */
bool monitor_register(void *context, const char *name, uint64_t *value);

#define MONITOR_COMMAND(name) int name(struct monitor_call *call, struct error *err)

/* monitor_memory.c */
MONITOR_COMMAND(monitor_x);
MONITOR_COMMAND(monitor_xp);
MONITOR_COMMAND(monitor_print);
MONITOR_COMMAND(monitor_in);
MONITOR_COMMAND(monitor_out);
MONITOR_COMMAND(monitor_memsave);
MONITOR_COMMAND(monitor_pmemsave);
MONITOR_COMMAND(monitor_gva2gpa);
MONITOR_COMMAND(monitor_info_mem);
MONITOR_COMMAND(monitor_info_tlb);

/* monitor_screen.c */
MONITOR_COMMAND(monitor_screendump);
MONITOR_COMMAND(monitor_info_screen);

/* monitor_media.c */
MONITOR_COMMAND(monitor_info_block);
MONITOR_COMMAND(monitor_eject);
MONITOR_COMMAND(monitor_change);

/* monitor_pci.c */
MONITOR_COMMAND(monitor_info_pci);

/* monitor_info.c */
MONITOR_COMMAND(monitor_info);

/* monitor.c */
MONITOR_COMMAND(monitor_help);

/* A file could not be opened for writing: says why, and returns `code` (-errno). */
int monitor_file_refused(const struct machine *m, int code, const char *path, struct error *err);

#endif
