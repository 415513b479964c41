/*
 * Media for a machine that may open no files (-sandbox on): a small process, started before that holds, opens them.
 *
 * It opens regular files that lie in or below certain folders and are what the drive takes: for a CD-ROM drive an
 * ISO 9660 or UDF volume, to be read; for a floppy drive a file of a floppy disk's size. So whoever takes over the
 * machine's process still gets no other file. The process lives as long as the machine's and is under a filter too.
 *
 * @locks calls are made with the machine lock held, on the main thread.
 */
#ifndef RING3_MACHINE_OPENER_H
#define RING3_MACHINE_OPENER_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"

#include <sys/types.h>

enum { OPENER_FOLDERS = 9 };

/* Zeroed at first. */
struct opener {
    char *folder[OPENER_FOLDERS]; /* canonical */
    unsigned folders;
    bool read_only; /* floppies too */
    pid_t process;  /* 0: none */
    int fd;
};

/* Another folder, which must exist. The same one twice counts once. Before the start. */
int opener_add_folder(struct opener *opener, const char *path, struct error *err);

/* Starts the process, if there are folders. Returns 0, or -errno with a message. */
int opener_start(struct opener *opener, struct error *err);

/* A descriptor; -EXDEV with a message that starts with the path if this file is none for it; or -errno as of open(2).
 * Works without a process too: then no file is one for it. */
int opener_open(const struct opener *opener, const char *path, bool floppy, bool write, struct error *err);

void opener_end(struct opener *opener);

#endif
