/*
 * The local APIC of one vCPU: interrupt acceptance and priority, timer, local vector table and inter-processor
 * interrupts, reached as xAPIC registers in memory or as x2APIC MSRs.
 *
 * The chip knows no CPU: the machine maps lapic_ops (4 KiB) where IA32_APIC_BASE says, forwards the APIC's MSRs and
 * CR8, and asks has_interrupt/acknowledge when `notify` said that it is worth asking.
 *
 * The timer's input clock is LAPIC_TIMER_HZ (one tick a nanosecond before the divider): CPUID leaf 15h may report it as
 * the crystal clock.
 *
 * @locks every call is made with the machine lock held; callbacks are made with it held as well.
 */
#ifndef RING3_DEVICES_LAPIC_H
#define RING3_DEVICES_LAPIC_H

#include "cpu-model/base/bus.h"
#include "cpu-model/base/types.h"
#include "devices/core/device.h"
#include "devices/core/vclock.h"

#define LAPIC_TIMER_HZ     NS_PER_SECOND
#define LAPIC_DEFAULT_BASE 0xfee00000ull
#define LAPIC_WINDOW_SIZE  0x1000ull

/* Delivery modes, as the ICR, the LVT, the I/O APIC and MSI encode them. */
enum apic_delivery {
    APIC_FIXED = 0,
    APIC_LOWEST_PRIORITY = 1,
    APIC_SMI = 2,
    APIC_NMI = 4,
    APIC_INIT = 5,
    APIC_STARTUP = 6,
    APIC_EXTINT = 7,
};

/* Destination shorthands, as the ICR encodes them. */
enum apic_shorthand { APIC_TO_DESTINATION, APIC_TO_SELF, APIC_TO_ALL, APIC_TO_OTHERS };

#define APIC_BROADCAST UINT32_MAX /* destination: every local APIC, in either destination mode */

/* What travels between APICs. A sender with 8-bit destinations turns its FFh into APIC_BROADCAST. */
struct apic_message {
    uint32_t destination;
    uint8_t vector;
    uint8_t delivery;  /* enum apic_delivery */
    uint8_t shorthand; /* enum apic_shorthand */
    bool logical;      /* destination mode */
    bool level;        /* trigger mode; the EOI is then broadcast */
};

enum lapic_event {
    LAPIC_EVENT_INTR, /* ask lapic_has_interrupt (and, if lapic_accepts_pic, the 8259) again */
    LAPIC_EVENT_NMI,
    LAPIC_EVENT_SMI,
    LAPIC_EVENT_INIT, /* the APIC's own registers are reset already */
    LAPIC_EVENT_SIPI,
};

/* Local interrupt sources, in the order of the local vector table. */
enum lapic_lvt {
    LAPIC_LVT_TIMER,
    LAPIC_LVT_THERMAL,
    LAPIC_LVT_PERF,
    LAPIC_LVT_LINT0,
    LAPIC_LVT_LINT1,
    LAPIC_LVT_ERROR,
    LAPIC_LVT_COUNT,
};

struct lapic;

struct lapic_config {
    uint32_t apic_id; /* initial APIC ID; xAPIC mode sees its low 8 bits */
    bool bsp;
    bool x2apic, tsc_deadline; /* as CPUID.1:ECX says */
    uint8_t phys_bits;         /* MAXPHYADDR; 0: 36 */
    struct vclock *clock;
    void *context; /* first argument of the callbacks; each may be null */

    /* The vCPU should look at its APIC soon. `vector`: SIPI only. */
    void (*notify)(void *context, enum lapic_event event, uint8_t vector);
    /* An IPI other than to self. Returns whether somebody took it: `return lapic_route(all, count, source, message)`.
     * Null: this is the only local APIC. */
    bool (*deliver_ipi)(void *context, const struct lapic *source, const struct apic_message *message);
    /* A level-triggered interrupt was finished: tell the I/O APICs. */
    void (*eoi)(void *context, uint8_t vector);
    /* The register window moved (or came or went). Not called for the state after lapic_init: default base, mapped. */
    void (*base_changed)(void *context, gpa_t base, bool mapped);
    /* The guest's TSC now, and its frequency. Needed with tsc_deadline. */
    uint64_t (*tsc_now)(void *context);
    uint64_t tsc_hz;
};

struct lapic {
    struct lapic_config config;
    uint64_t base_msr;
    uint8_t xapic_id;
    uint32_t tpr, ldr, dfr, svr;
    uint32_t esr, esr_pending; /* as read; collected since the last write to ESR */
    uint32_t icr_low, icr_high;
    uint32_t lvt[LAPIC_LVT_COUNT];
    uint32_t irr[8], isr[8], tmr[8];
    uint32_t initial_count, divide;
    uint32_t count_base; /* the timer's count at count_time; 0: stopped */
    uint64_t count_time;
    uint64_t tsc_deadline; /* 0: disarmed */
    bool lint[2];          /* electrical level of the pins */
    bool extint_pending;   /* an ExtINT message came and the 8259 has not been acknowledged */
    struct vtimer timer;   /* derived */
};

/* Returns 0, or -EINVAL (no clock; TSC deadline without a TSC). The APIC is in its power-up state: enabled by
 * IA32_APIC_BASE, disabled by software, everything masked. */
int lapic_init(struct lapic *lapic, const struct lapic_config *config);

/* What a PC's firmware leaves behind on the boot processor: "virtual wire" mode, LINT0 = ExtINT (the 8259 pair), LINT1
 * = NMI. A machine that boots a kernel without firmware calls it after reset. */
void lapic_set_virtual_wire(struct lapic *lapic);

/* Whether an interrupt stands above the processor priority. */
bool lapic_has_interrupt(const struct lapic *lapic);

/*
 * Takes that interrupt (IRR to ISR) and returns its vector, or -1 if there is none. The spurious vector is never
 * returned: it exists because real INTR and INTA cycles are apart; here the test and the acknowledge are one step, and
 * an interrupt that went away in between is -1.
 */
int lapic_acknowledge(struct lapic *lapic);

/* Whether the 8259's INTR reaches the processor. After acknowledging the 8259, call lapic_pic_acknowledged. */
bool lapic_accepts_pic(const struct lapic *lapic);
void lapic_pic_acknowledged(struct lapic *lapic);

/* CR8: the task priority class, 0 to 15. */
void lapic_set_tpr(struct lapic *lapic, uint8_t cr8);
uint8_t lapic_get_tpr(const struct lapic *lapic);

/* IA32_APIC_BASE (1Bh), IA32_TSC_DEADLINE (6E0h) and 800h-8FFh. Nonzero: #GP. */
int lapic_msr_read(struct lapic *lapic, uint32_t msr, uint64_t *value);
int lapic_msr_write(struct lapic *lapic, uint32_t msr, uint64_t value);

/* The guest's TSC jumped (WRMSR to TSC or TSC_ADJUST, restore): a pending deadline is computed anew. */
void lapic_tsc_changed(struct lapic *lapic);

/* The LINT0 and LINT1 pins: an irq_line's `set`, with the lapic as sink and the pin as input. */
void lapic_set_lint(void *lapic, unsigned pin, bool level);

/* An event inside the processor: LAPIC_LVT_THERMAL or LAPIC_LVT_PERF. */
void lapic_local_interrupt(struct lapic *lapic, enum lapic_lvt source);

/* Hands a message to this APIC whatever its destination. Returns whether it was accepted. */
bool lapic_deliver(struct lapic *lapic, const struct apic_message *message);

/* The system bus: delivers to every APIC that the message addresses, or to the one of lowest priority. `source`: the
 * sender of an IPI, null for others. Returns whether anybody accepted it. */
bool lapic_route(struct lapic *const *lapics, unsigned count, const struct lapic *source,
                 const struct apic_message *message);

extern const struct bus_ops lapic_ops; /* device: struct lapic */
extern const struct device_class lapic_class;

#endif
