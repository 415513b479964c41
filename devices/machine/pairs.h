/*
 * "KEY=VALUE,KEY=VALUE": how options write what they are made of. A comma in a value is written twice.
 */
#ifndef RING3_MACHINE_PAIRS_H
#define RING3_MACHINE_PAIRS_H

#include "cpu-model/base/types.h"

/* The next pair of *text, copied and cut to the sizes; without '=' the value is empty. False at the end. */
bool pairs_next(const char **text, char *key, size_t key_size, char *value, size_t value_size);

#endif
