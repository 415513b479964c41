/*
 * Two vCPUs in one small memory: the interpreter and the engine under test run the same program from the same state,
 * and must leave the same registers, memory, and talk with the devices.
 *
 * The devices are a page of registers (layout.h) and the ports: what they answer is a function of how often they were
 * asked. An interrupt is raised by a write to the device page, waits from the start, or comes at any time (late.h). One
 * world a process. Thread: one.
 */
#ifndef RING3_TESTS_BLOCKS_WORLD_H
#define RING3_TESTS_BLOCKS_WORLD_H

#include "cpu-model/exec/engine.h"
#include "cpu-model/exec/interp.h"
#include "softmmu/space.h"
#include "tests/blocks/late.h"
#include "tests/blocks/layout.h"
#include "tests/blocks/talk.h"

enum block_mode {
    MODE_64_KERNEL,
    MODE_64_USER,
    MODE_COMPAT32,
    MODE_COMPAT16,
    MODE_32_KERNEL,
    MODE_32_USER,
    MODE_16_KERNEL, /* protected mode, paging, segments of 64 KiB at CODE and DATA; flat stack */
    MODE_V86,
    MODE_REAL,
    BLOCK_MODES,
};

static inline unsigned mode_code_size(enum block_mode mode)
{
    return mode <= MODE_64_USER ? 8 : mode == MODE_COMPAT32 || mode == MODE_32_KERNEL || mode == MODE_32_USER ? 4 : 2;
}

static inline bool mode_user(enum block_mode mode)
{
    return mode == MODE_64_USER || mode == MODE_COMPAT32 || mode == MODE_COMPAT16 || mode == MODE_32_USER ||
           mode == MODE_V86;
}

static inline bool mode_paging(enum block_mode mode)
{
    return mode != MODE_REAL;
}

/* Where fast system calls lead to, and whose way they go. */
struct system_calls {
    bool intel, efer_sce;
    uint64_t star, lstar, cstar;
    uint32_t sfmask;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
};

/* What a program starts from. */
struct start {
    enum block_mode mode;
    uint64_t gpr[16], dr[4], dr7;
    uint32_t entry; /* linear; in the first code page */
    uint32_t eflags;
    unsigned interrupts; /* waiting from the start */
    bool fpu_off;        /* CR0.TS */
    struct system_calls calls;
    uint8_t vector[832];
    uint8_t code[3 * 4096]; /* from CODE on */
    uint32_t chaos;         /* the engine's, if it has any */
};

struct result {
    const char *end; /* how it ended; null: halted */
    struct talk talk;
    uint8_t *ram;
};

struct world {
    struct space space;
    uint8_t *ram;
    uint8_t *fresh; /* what RAM holds at the start of every program */
    struct vcpu_wires wires;
    struct vcpu *reference, *tested;
    const struct engine_ops *engine;
    struct vcpu *running;
    struct talk talk;
    struct result result[2];
    struct late late;
    uint8_t *late_ram;                    /* what the run with a late interrupt left */
    uint64_t steps;                       /* of the last reference run */
    unsigned system_calls, task_switches; /* among them, entries and returns, that were no faults */
};

int world_create(struct world *world, const struct engine_ops *engine, const struct engine_config *config,
                 struct error *err);
void world_destroy(struct world *world);

/* By the interpreter. False: it takes more than `budget` steps, runs data, changes its page tables, or the CPU shuts
 * down: not worth comparing. */
bool world_run_reference(struct world *world, const struct start *start, uint64_t budget);
/* By the engine, which is stopped when it hangs (EVENT_STOP by the caller's watchdog). */
void world_run_tested(struct world *world, const struct start *start);

/* The engine with an interrupt that comes late.h's way after so many nanoseconds, and then the reference with the same.
 * False: it came too late, or as for world_run_reference(). */
bool world_run_late(struct world *world, const struct start *start, uint64_t budget, long nanoseconds);

/* What differs between the two runs, as text. True: nothing. */
bool world_same(struct world *world, char *text, size_t room);

#endif
