/*
 * An interrupt line as a value: who drives it does not know who listens. Levels only; edges are the listener's
 * business.
 */
#ifndef RING3_DEVICES_IRQ_H
#define RING3_DEVICES_IRQ_H

#include "cpu-model/base/types.h"

struct irq_line {
    void (*set)(void *sink, unsigned input, bool level); /* null: not connected */
    void *sink;
    unsigned input;
};

static inline void irq_set(const struct irq_line *line, bool level)
{
    if (line->set)
        line->set(line->sink, line->input, level);
}

#endif
