/*
 * Makes experiments: one instruction of a form with operands that land where the test wants them, or a random sequence.
 *
 * Everything is a function of the seed. A program keeps its instructions apart, so that a failing one can be shrunk by
 * leaving some out.
 */
#ifndef RING3_TESTS_INSTRUCTIONS_BUILD_H
#define RING3_TESTS_INSTRUCTIONS_BUILD_H

#include "tests/instructions/forms.h"
#include "tests/instructions/image.h"
#include "tests/instructions/random.h"

enum { PROGRAM_MAX = 30 };

struct item {
    uint8_t bytes[15];
    uint8_t length;
    uint8_t rip_disp;               /* offset of a RIP-relative displacement, or 0 */
    uint32_t target;                /* its linear target */
    uint8_t rel_at, rel_size, skip; /* relative branch within a sequence: over `skip` instructions */
    bool dropped;
};

struct program {
    struct item item[PROGRAM_MAX];
    unsigned items;
    struct experiment experiment; /* all but the code */
    struct insn insn;             /* of a program of one */
    char name[20];
};

/* False: no encoding found (the form does not combine with what chance wanted). */
bool build_single(struct program *program, const struct forms *forms, unsigned form,
                  const struct cpu_features *features, struct random *r);
bool build_block(struct program *program, const struct forms *forms, const struct cpu_features *features,
                 struct random *r);

/* Puts the instructions that are not dropped into the experiment. */
void program_layout(struct program *program);

#endif
