/*
 * QMP: the machine protocol of QEMU's scripts. JSON over a character back end; see QEMU's "QEMU Machine Protocol
 * Specification" for the words.
 *
 * @locks all calls are made with the machine lock held; input on the main thread (a command may wait for the vCPU).
 */
#ifndef RING3_MACHINE_QMP_H
#define RING3_MACHINE_QMP_H

#include "devices/core/chardev.h"

struct machine;
struct qmp;

/* A session on a back end, which it takes over as the front end. The greeting comes when the back end says
 * `connected`. Null: no memory. */
struct qmp *qmp_create(struct machine *machine, struct chardev *chardev);
void qmp_destroy(struct qmp *qmp);

#endif
