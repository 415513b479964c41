/* What the CPU said to the world outside. */
#ifndef RING3_TESTS_BLOCKS_TALK_H
#define RING3_TESTS_BLOCKS_TALK_H

#include "cpu-model/base/types.h"

struct talk {
    uint64_t hash;
    unsigned reads, writes, interrupts, acknowledged;
};

#endif
