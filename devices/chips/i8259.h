/*
 * The PC's two cascaded 8259A interrupt controllers with the edge/level control registers of later chip sets.
 *
 * Inputs 0-7 are the master's, 8-15 the slave's; input 2 belongs to the slave and is ignored from outside. In edge mode
 * a request is a low-to-high transition that stays high until it is acknowledged, as the datasheet demands; an input
 * that falls earlier takes its request back. INTR is a level, true while the master has a request to deliver.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_I8259_H
#define RING3_DEVICES_I8259_H

#include "cpu-model/base/bus.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"

struct i8259_config {
    struct irq_line intr; /* to the CPU (or the local APIC's LINT0) */
};

/* One 8259A. */
struct i8259_chip {
    bool is_slave;
    uint8_t irr, imr, isr;
    uint8_t lines;     /* input levels as they are now */
    uint8_t elcr;      /* 1: the input is level-triggered */
    uint8_t lowest;    /* the input with the lowest priority; 7 after ICW1 */
    uint8_t icw1;      /* LTIM, SNGL, IC4 */
    uint8_t base;      /* ICW2: vector of input 0 */
    uint8_t icw3;      /* master: mask of inputs with slaves; slave: its identity */
    uint8_t icw4;      /* SFNM, AEOI */
    uint8_t init_step; /* which ICW the next data write is; 0: none, it is OCW1 */
    uint8_t read_isr;  /* a command port read gives ISR, not IRR */
    uint8_t poll;      /* the next read is an acknowledge */
    uint8_t special_mask;
    uint8_t rotate_on_aeoi;
};

struct i8259 {
    struct i8259_config config;
    struct i8259_chip master, slave;
};

extern const struct bus_ops i8259_master_ops; /* 2 ports: 20h */
extern const struct bus_ops i8259_slave_ops;  /* 2 ports: A0h */
extern const struct bus_ops i8259_elcr_ops;   /* 2 ports: 4D0h */
extern const struct device_class i8259_class;

/* Returns 0. */
int i8259_init(struct i8259 *pic, const struct i8259_config *config);

/* The line a device drives. input: 0-15. */
struct irq_line i8259_input(struct i8259 *pic, unsigned input);

/* The CPU's interrupt acknowledge cycle: returns the vector. Never fails: without a request it is the spurious one. */
int i8259_acknowledge(struct i8259 *pic);

/* The vector of an input; -1 if it is masked. */
int i8259_input_vector(const struct i8259 *pic, unsigned input);

/* The level of INTR. */
bool i8259_intr(const struct i8259 *pic);

#endif
