/* Guest memory for the monitors: read and saved without side effects on the guest's page tables. */
#ifndef RING3_MACHINE_MONITOR_MEMORY_H
#define RING3_MACHINE_MONITOR_MEMORY_H

#include "cpu-model/base/error.h"
#include "cpu-model/base/types.h"

struct machine;

/* Bytes at a linear or guest-physical address. False: not mapped, or neither memory nor device. vCPU held. */
bool monitor_read(struct machine *m, uint64_t address, bool physical, uint8_t *bytes, unsigned size);

/* Writes guest memory to a file. Returns 0 or -errno with a message. vCPU held. */
int monitor_save_memory(struct machine *m, uint64_t address, uint64_t size, bool physical, const char *path,
                        struct error *err);

#endif
