/*
 * The host's CPU as the oracle: a child process that runs experiments natively, in batches.
 *
 * Two batches can be on their way, so that the child works while the engine does. Thread: one.
 */
#ifndef RING3_TESTS_INSTRUCTIONS_ORACLE_H
#define RING3_TESTS_INSTRUCTIONS_ORACLE_H

#include "tests/instructions/image.h"

enum { BATCH = 48, BATCHES = 2 };

struct slot {
    struct experiment experiment;
    struct image after;
    bool died; /* it killed or hung the child: no result */
    uint8_t data[DATA_BYTES];
};

struct batch {
    unsigned count;
    struct slot slot[BATCH];
};

struct oracle; /* opaque */

/* Call before anything else takes memory or signals: the child should be small. Null: impossible here (message
 * printed). */
struct oracle *oracle_start(void);
void oracle_stop(struct oracle *oracle);

struct batch *oracle_batch(struct oracle *oracle, unsigned number);
void oracle_submit(struct oracle *oracle, unsigned number);
/* Waits for its results; every slot has them, or `died`. */
void oracle_wait(struct oracle *oracle, unsigned number);

#endif
