/* Compares what an engine and the host made of an experiment, and says how they differ. */
#ifndef RING3_TESTS_INSTRUCTIONS_COMPARE_H
#define RING3_TESTS_INSTRUCTIONS_COMPARE_H

#include "tests/instructions/build.h"
#include "tests/instructions/lab.h"
#include "tests/instructions/oracle.h"

/* True if equal; else the first differences are in text. */
bool results_equal(const struct lab *lab, const struct program *program, const struct slot *slot,
                   const struct image *guest, char *text, size_t room);

#endif
