/* A machine for fuzz targets: no processor runs, time moves when the script says so. */
#ifndef RING3_TESTS_FUZZ_FUZZ_MACHINE_H
#define RING3_TESTS_FUZZ_FUZZ_MACHINE_H

#include "devices/machine/machine_int.h"

/* The machine, made at the first call, with disks, CD-ROM, floppy and flash of zeros; its lock is not held. */
struct machine *fuzz_machine(void);

/* As after power-up. With the lock held. */
void fuzz_machine_reset_locked(struct machine *m);

#endif
