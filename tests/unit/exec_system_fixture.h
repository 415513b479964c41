/*
 * What tests of system instructions add to exec_fixture.h: the CPU model `max`, a machine behind the wires, and running
 * instructions from their bytes.
 */
#ifndef RING3_TESTS_EXEC_SYSTEM_FIXTURE_H
#define RING3_TESTS_EXEC_SYSTEM_FIXTURE_H

#include "tests/unit/exec_fixture.h"

static inline uint64_t wire_io_read(void *machine, uint16_t port, unsigned size)
{
    (void)machine;
    return size == 1 ? 0x5a : port;
}

static inline void wire_io_write(void *machine, uint16_t port, uint64_t value, unsigned size)
{
    uint64_t *last = machine;
    *last = (uint64_t)port << 48 | (uint64_t)size << 32 | (uint32_t)value;
}

static inline int wire_apic_read(void *machine, uint32_t msr, uint64_t *value)
{
    (void)machine;
    *value = msr;
    return msr == 0x1b ? 0 : -1;
}

static inline int wire_apic_write(void *machine, uint32_t msr, uint64_t value)
{
    uint64_t *last = machine;
    *last = value;
    return msr == 0x1b ? 0 : -1;
}

static inline uint8_t wire_get_tpr(void *machine)
{
    return *(uint64_t *)machine & 15;
}

static inline void wire_set_tpr(void *machine, uint8_t tpr)
{
    *(uint64_t *)machine = tpr;
}

static uint64_t device; /* the last value that went out */
static const struct vcpu_wires wires = {.machine = &device,
                                        .io_read = wire_io_read,
                                        .io_write = wire_io_write,
                                        .apic_msr_read = wire_apic_read,
                                        .apic_msr_write = wire_apic_write,
                                        .get_tpr = wire_get_tpr,
                                        .set_tpr = wire_set_tpr};

static inline struct bench *equip(struct bench *b)
{
    struct error err;
    cr_assert_eq(cpu_model_parse("max", &b->vcpu.features, &err), 0, "%s", err.text);
    b->vcpu.wires = &wires;
    b->vcpu.run = 1;
    return b;
}

/* Decodes the bytes for the current mode and executes them. RIP stays. */
#define RUN(b, ...) run_bytes(b, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline enum exec_result run_bytes(struct bench *b, const uint8_t *bytes, unsigned size)
{
    cr_assert(insn_decode(&b->insn, &b->vcpu.features, vcpu_code_size(&b->vcpu), bytes, size));
    cr_assert_eq(b->insn.length, size, "length %u of %u", b->insn.length, size);
    return b->insn.rule->function(&b->vcpu, &b->insn);
}

#endif
