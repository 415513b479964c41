/*
 * The I/O APIC: 24 interrupt inputs, each with a redirection entry that says which message a local APIC gets.
 *
 * Register window: IOREGSEL 00h, IOWIN 10h, EOIR 40h (version 20h). Inputs are electrical levels: a pin that the guest
 * programs active low interrupts while the level is false. ISA's IRQ0 on pin 2 is the machine's affair.
 *
 * @locks every call is made with the machine lock held; the callback is made with it held as well.
 */
#ifndef RING3_DEVICES_IOAPIC_H
#define RING3_DEVICES_IOAPIC_H

#include "cpu-model/base/bus.h"
#include "cpu-model/base/types.h"
#include "devices/chips/lapic.h" /* struct apic_message */
#include "devices/core/device.h"

enum { IOAPIC_PINS = 24 };

#define IOAPIC_DEFAULT_BASE 0xfec00000ull
#define IOAPIC_WINDOW_SIZE  0x1000ull

struct ioapic_config {
    /* Hands a message to the local APICs (`return lapic_route(all, count, NULL, message)`). Returns whether one
     * accepted it. */
    bool (*deliver)(void *context, const struct apic_message *message);
    void *context;
};

struct ioapic {
    struct ioapic_config config;
    uint8_t select;          /* IOREGSEL */
    uint8_t id, arbitration; /* 4 bits each */
    uint64_t redirection[IOAPIC_PINS];
    uint32_t levels; /* electrical level of each pin */
};

/* Returns 0, or -EINVAL (no deliver callback). */
int ioapic_init(struct ioapic *ioapic, const struct ioapic_config *config);

/* An input pin: an irq_line's `set`, with the ioapic as sink and the pin as input. */
void ioapic_set_pin(void *ioapic, unsigned pin, bool level);

/* The vector that an edge on the pin raises; -1: none, as it is masked, level-triggered or no plain interrupt. */
int ioapic_edge_vector(const struct ioapic *ioapic, unsigned pin);

/* A local APIC finished the level-triggered interrupt `vector`. */
void ioapic_eoi(struct ioapic *ioapic, uint8_t vector);

extern const struct bus_ops ioapic_ops; /* device: struct ioapic */
extern const struct device_class ioapic_class;

#endif
