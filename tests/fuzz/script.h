/* A fuzz target's input, read bit by bit; zeros behind its end. */
#ifndef RING3_TESTS_FUZZ_SCRIPT_H
#define RING3_TESTS_FUZZ_SCRIPT_H

#include "cpu-model/base/types.h"

#include <stddef.h>
#include <string.h>

struct script {
    const uint8_t *at, *end;
};

static inline bool script_ended(const struct script *script)
{
    return script->at >= script->end;
}

/* The next `size` bytes (1 to 8) as a little-endian number. */
static inline uint64_t script_take(struct script *script, unsigned size)
{
    uint64_t value = 0;
    size_t left = (size_t)(script->end - script->at), n = size < left ? size : left;
    if (n)
        memcpy(&value, script->at, n);
    script->at += n;
    return value;
}

/* The entry point, as libFuzzer wants it; driver.c calls it without libFuzzer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
