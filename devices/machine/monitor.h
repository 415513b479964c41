/*
 * The human monitor: commands in QEMU's words, over a terminal, a socket or a window's console.
 *
 * One table of commands (monitor_int.h) makes the help text, the completion and the parsing. On a terminal lines are
 * edited; over a socket they come whole, and each is echoed when it is complete: scripts written for QEMU wait for the
 * prompt and drop the first line of what came before it.
 *
 * @locks all calls are made with the machine lock held, on the main thread (a command may wait for the vCPU).
 */
#ifndef RING3_MACHINE_MONITOR_H
#define RING3_MACHINE_MONITOR_H

#include "cpu-model/base/error.h"
#include "devices/core/chardev.h"

struct machine;
struct monitor;

/*
 * A session on a character back end, which it takes over as the front end. terminal: there is somebody who edits lines.
 * The greeting comes when the back end says `connected`. Null: no memory.
 */
struct monitor *monitor_create(struct machine *machine, struct chardev *chardev, bool terminal);
void monitor_destroy(struct monitor *monitor);

/* Runs one command line; *output gets what it prints, to be freed. Returns 0 or -ENOMEM. */
int monitor_execute(struct machine *machine, const char *line, char **output);

#endif
