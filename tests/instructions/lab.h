/*
 * A vCPU with page tables, descriptor tables and handlers that stop the run, for running snippets in any mode.
 *
 * The code at DATA_BASE and CODE_BASE sees the memory image.h describes. Every exception, INT3 included, leads to a
 * handler that halts; lab_run() returns with the state at the exception. One lab a process. Thread: one.
 */
#ifndef RING3_TESTS_INSTRUCTIONS_LAB_H
#define RING3_TESTS_INSTRUCTIONS_LAB_H

#include "cpu-model/exec/engine.h"
#include "softmmu/space.h"
#include "tests/instructions/image.h"

struct lab {
    struct space space;
    struct vcpu *vcpu;
    const struct engine_ops *engine;
    struct vcpu_wires wires;
    uint8_t *ram;
    uint8_t mode, cpl; /* what the vCPU is set up for now */
};

/* host_without: see struct engine_config. */
int lab_create(struct lab *lab, const struct engine_ops *engine, unsigned host_without, struct error *err);
void lab_destroy(struct lab *lab);

/* Sets all state that an experiment starts from. */
void lab_load(struct lab *lab, const struct experiment *experiment);

/* Runs to the first exception and reads the state there. False: the guest shut down or hung (told by *why). */
bool lab_run(struct lab *lab, const struct experiment *experiment, struct image *after, const char **why);

/* Host address of a data page. */
uint8_t *lab_data(const struct lab *lab, unsigned page);

#endif
