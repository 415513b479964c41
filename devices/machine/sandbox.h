/*
 * -sandbox on: what the process may still ask of the kernel once the machine runs.
 *
 * Everything is open by then: images, sockets, terminal, window. So all threads lose the system calls that start
 * programs, open or remove files, make sockets or connections, map code, reach other processes or gain rights; they
 * fail with EPERM. What stays is reading, writing and waiting on what is open, accepting on sockets that listen,
 * memory, threads, time.
 *
 * Sockets in the file system are removed at the end by a small process that does nothing but wait for it.
 * Another one opens media (opener.h).
 */
#ifndef RING3_MACHINE_SANDBOX_H
#define RING3_MACHINE_SANDBOX_H

#include "cpu-model/base/error.h"

#include <sys/types.h>

struct sandbox {
    pid_t janitor; /* 0: none */
    int janitor_fd;
};

/* Forks the process that removes `paths` when sandbox_end() is called or this process ends, however it does. The only
 * thread that matters calls it, before sandbox_enter(). */
int sandbox_remove_at_end(struct sandbox *sandbox, const char *const *paths, unsigned count, struct error *err);

/* From now on, for all threads and for good. Returns 0, or -errno with a message. */
int sandbox_enter(struct error *err);

/* A process beside this one, with no signals and no descriptor but `fd`, as its descriptor 0. Returns as fork() does.
 * In the child only system calls may follow: other threads of the parent may have held any lock. */
pid_t sandbox_fork(int fd);

/* The filter of opener.h's process: opening existing files, looking at them, passing them on. Returns 0 or -errno. */
int sandbox_enter_opener(void);

void sandbox_end(struct sandbox *sandbox);

#endif
