/*
 * What the lapic*.c files share: layouts of registers, and the doors between core, timer and IPIs.
 */
#ifndef RING3_DEVICES_LAPIC_INT_H
#define RING3_DEVICES_LAPIC_INT_H

#include "devices/chips/lapic.h"

/* IA32_APIC_BASE */
enum { BASE_BSP = 1 << 8, BASE_EXTD = 1 << 10, BASE_EN = 1 << 11 };

enum {
    SVR_VECTOR = 0xff,
    SVR_ENABLE = 1 << 8,
    SVR_FOCUS_DISABLED = 1 << 9, /* held, without effect since the Pentium 4 */
    SVR_NO_EOI_BROADCAST = 1 << 12,
    SVR_BITS = SVR_VECTOR | SVR_ENABLE | SVR_FOCUS_DISABLED | SVR_NO_EOI_BROADCAST,
};

enum { ESR_SEND_ILLEGAL = 1 << 5, ESR_RECEIVE_ILLEGAL = 1 << 6, ESR_ILLEGAL_REGISTER = 1 << 7 };

/*
 * LVT entry: 7:0 vector | 10:8 delivery mode | 12 delivery status (RO, always idle here) | 13 active low |
 * 14 remote IRR (RO) | 15 level | 16 masked | 18:17 timer mode
 */
enum {
    LVT_VECTOR = 0xff,
    LVT_DELIVERY_SHIFT = 8,
    LVT_DELIVERY = 7 << 8,
    LVT_STATUS = 1 << 12,
    LVT_ACTIVE_LOW = 1 << 13,
    LVT_REMOTE_IRR = 1 << 14,
    LVT_LEVEL = 1 << 15,
    LVT_MASKED = 1 << 16,
    LVT_TIMER_MODE = 3 << 17,
    LVT_TIMER_ONE_SHOT = 0 << 17,
    LVT_TIMER_PERIODIC = 1 << 17,
    LVT_TIMER_TSC_DEADLINE = 2 << 17,
};

/*
 * ICR: 7:0 vector | 10:8 delivery mode | 11 logical | 12 delivery status (RO) | 14 assert | 15 level |
 * 19:18 shorthand | destination in 63:56 (xAPIC) or 63:32 (x2APIC)
 */
enum {
    ICR_LOGICAL = 1 << 11,
    ICR_STATUS = 1 << 12,
    ICR_ASSERT = 1 << 14,
    ICR_LEVEL = 1 << 15,
    ICR_SHORTHAND_SHIFT = 18,
    ICR_BITS = 0xff | 7 << 8 | ICR_LOGICAL | ICR_ASSERT | ICR_LEVEL | 3 << ICR_SHORTHAND_SHIFT,
};

enum { FIRST_LEGAL_VECTOR = 16 };

static inline bool lapic_hardware_enabled(const struct lapic *lapic)
{
    return lapic->base_msr & BASE_EN;
}

static inline bool lapic_software_enabled(const struct lapic *lapic)
{
    return lapic->svr & SVR_ENABLE;
}

static inline bool lapic_x2apic_mode(const struct lapic *lapic)
{
    return lapic->base_msr & BASE_EXTD;
}

/* lapic.c */

/* Collects an error and raises the error interrupt, once for each kind until software writes to ESR. */
void lapic_raise_error(struct lapic *lapic, uint32_t error);

/* SDM "Arbitration Priority Register": as the processor priority, but what is requested counts as well. */
uint32_t lapic_arbitration_priority(const struct lapic *lapic);

/* An edge of a local source, through its entry of the local vector table. */
void lapic_raise_local(struct lapic *lapic, enum lapic_lvt source);

/* lapic_timer.c */

/* Arms the vtimer for what the registers say. A deadline in the past is armed for now. */
void lapic_timer_arm(struct lapic *lapic);

/* The vtimer's callback. */
void lapic_timer_expired(void *device);

/* Expires a timer that is due but whose clock has not run yet, before its registers are looked at or changed. */
void lapic_timer_catch_up(struct lapic *lapic);

/* The current count register. */
uint32_t lapic_timer_count(struct lapic *lapic);

void lapic_timer_write_entry(struct lapic *lapic, uint32_t entry); /* LVT timer entry, reserved bits clear */
void lapic_timer_write_initial(struct lapic *lapic, uint32_t count);
void lapic_timer_write_divide(struct lapic *lapic, uint32_t value);
void lapic_timer_write_deadline(struct lapic *lapic, uint64_t deadline); /* IA32_TSC_DEADLINE */

/* lapic_ipi.c */

/* Sends what the ICR says. */
void lapic_send_ipi(struct lapic *lapic);

/* The logical ID of x2APIC mode: a function of the APIC ID. */
uint32_t lapic_x2apic_ldr(const struct lapic *lapic);

#endif
