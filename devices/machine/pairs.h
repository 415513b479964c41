/*
 * "KEY=VALUE,KEY=VALUE": how options write what they are made of. A comma in a value is written twice.
 */
#ifndef RING3_MACHINE_PAIRS_H
#define RING3_MACHINE_PAIRS_H

#include "cpu-model/base/types.h"

enum { PAIRS_KEY_MAX = 32, PAIRS_VALUE_MAX = 1026 }; /* room for a longer path than any that can be used */

/* A list that is being read: initialize `rest`, and `implied` if there is such a key. */
struct pairs {
    const char *rest;                                /* what comes next */
    const char *implied;                             /* key of a first value that has none, as in "pc,accel=bt" */
    char key[PAIRS_KEY_MAX], value[PAIRS_VALUE_MAX]; /* cut to their sizes; without '=' the value is empty */
};

/* The next pair. False at the end. */
bool pairs_next(struct pairs *pairs);

/* Whether the value is on or off, in one of QEMU's spellings; a key alone is on. */
bool pairs_switch(const struct pairs *pairs, bool *on);

#endif
