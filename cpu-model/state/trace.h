/*
 * The debug log from code that runs while the guest's vector state is live: parks it, then logs.
 *
 *     trace(vcpu, LOG_INT, "interrupt %02x at %llx", vector, ...)
 *
 * A disabled item costs one test. Thread: the vCPU's own.
 */
#ifndef RING3_STATE_TRACE_H
#define RING3_STATE_TRACE_H

#include "cpu-model/base/log.h"
#include "cpu-model/state/vcpu.h"

#define trace(vcpu, item, ...)                                                                                         \
    do {                                                                                                               \
        if (__builtin_expect(log_mask & (item), 0))                                                                    \
            trace_write(vcpu, __VA_ARGS__);                                                                            \
    } while (0)

void trace_write(struct vcpu *vcpu, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
