/*
 * The local APIC (xAPIC and x2APIC).
 *
 * Source: SDM Vol. 3 "Advanced Programmable Interrupt Controller (APIC)", in particular "Local APIC", "Handling Local
 * Interrupts", "Issuing Interprocessor Interrupts", "Handling Interrupts", "Spurious Interrupt" and "Extended XAPIC
 * (x2APIC)". The version register says 14h with EOI-broadcast suppression and six LVT entries (no CMCI).
 *
 * Invariants: a vector below 16 is never in IRR or ISR; while disabled by software every LVT entry is masked; while
 * disabled by IA32_APIC_BASE the registers hold their power-up values.
 *
 * @locks the machine lock is held in every function. Threads: vCPUs and whoever runs the clock.
 */
#include "devices/chips/lapic.h"

#include <errno.h>

#include "cpu-model/base/log.h"
#include "devices/chips/lapic_int.h"

enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0, MSR_X2APIC_FIRST = 0x800, MSR_X2APIC_LAST = 0x8ff };

/* Registers: the xAPIC offset / 16, which is also the x2APIC MSR - 800h. */
enum {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_APR = 0x09,
    REG_PPR = 0x0a,
    REG_EOI = 0x0b,
    REG_RRD = 0x0c,
    REG_LDR = 0x0d,
    REG_DFR = 0x0e,
    REG_SVR = 0x0f,
    REG_ISR = 0x10, /* eight each */
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR = 0x30,
    REG_ICR_HIGH = 0x31,
    REG_LVT = 0x32, /* six, in the order of enum lapic_lvt */
    REG_LVT_LAST = REG_LVT + LAPIC_LVT_COUNT - 1,
    REG_INITIAL_COUNT = 0x38,
    REG_CURRENT_COUNT = 0x39,
    REG_DIVIDE = 0x3e,
    REG_SELF_IPI = 0x3f, /* x2APIC only */
};

/* Version 14h (integrated APIC), highest LVT entry 5, bit 24: EOI broadcasts can be suppressed. */
#define VERSION (0x14u | (LAPIC_LVT_COUNT - 1) << 16 | 1u << 24)

enum { DIVIDE_BITS = 0xb };
#define DFR_RESERVED 0x0fffffffu /* read as ones */

static void notify(const struct lapic *lapic, enum lapic_event event, uint8_t vector)
{
    if (lapic->config.notify)
        lapic->config.notify(lapic->config.context, event, vector);
}

/* --- priority -------------------------------------------------------------------------------------------------- */

static int highest_vector(const uint32_t set[8])
{
    for (int i = 7; i >= 0; i--)
        if (set[i])
            return i * 32 + 31 - __builtin_clz(set[i]);
    return -1;
}

static bool vector_in(const uint32_t set[8], unsigned vector)
{
    return set[vector / 32] >> (vector % 32) & 1;
}

static void vector_put(uint32_t set[8], unsigned vector, bool member)
{
    uint32_t bit = 1u << (vector % 32);
    set[vector / 32] = member ? set[vector / 32] | bit : set[vector / 32] & ~bit;
}

/* SDM "Task and Processor Priorities". */
static uint32_t processor_priority(const struct lapic *lapic)
{
    int in_service = highest_vector(lapic->isr);
    uint32_t service_class = in_service < 0 ? 0 : (uint32_t)in_service & 0xf0;
    return (lapic->tpr & 0xf0) >= service_class ? lapic->tpr : service_class;
}

uint32_t lapic_arbitration_priority(const struct lapic *lapic)
{
    int requested = highest_vector(lapic->irr), in_service = highest_vector(lapic->isr);
    uint32_t busy = (uint32_t)(requested > in_service ? requested : in_service);
    if (requested < 0 && in_service < 0)
        return lapic->tpr;
    return (lapic->tpr & 0xf0) >= (busy & 0xf0) ? lapic->tpr : busy & 0xf0;
}

static int deliverable_vector(const struct lapic *lapic)
{
    if (!lapic_hardware_enabled(lapic))
        return -1;
    int vector = highest_vector(lapic->irr);
    return vector >= 0 && (uint32_t)vector >> 4 > processor_priority(lapic) >> 4 ? vector : -1;
}

bool lapic_has_interrupt(const struct lapic *lapic)
{
    return deliverable_vector(lapic) >= 0;
}

static void update_intr(const struct lapic *lapic)
{
    if (lapic_has_interrupt(lapic))
        notify(lapic, LAPIC_EVENT_INTR, 0);
}

int lapic_acknowledge(struct lapic *lapic)
{
    int vector = deliverable_vector(lapic);
    if (vector >= 0) {
        vector_put(lapic->irr, (unsigned)vector, false);
        vector_put(lapic->isr, (unsigned)vector, true);
    }
    return vector;
}

static void set_tpr(struct lapic *lapic, uint32_t value)
{
    bool lowered = value < lapic->tpr;
    lapic->tpr = value;
    if (lowered)
        update_intr(lapic);
}

void lapic_set_tpr(struct lapic *lapic, uint8_t cr8)
{
    set_tpr(lapic, (uint32_t)(cr8 & 0xf) << 4);
}

uint8_t lapic_get_tpr(const struct lapic *lapic)
{
    return (uint8_t)(lapic->tpr >> 4);
}

/* --- accepting interrupts -------------------------------------------------------------------------------------- */

void lapic_raise_error(struct lapic *lapic, uint32_t error)
{
    bool known = lapic->esr_pending & error;
    lapic->esr_pending |= error;
    if (!known)
        lapic_raise_local(lapic, LAPIC_LVT_ERROR);
}

static bool accept_fixed(struct lapic *lapic, uint8_t vector, bool level)
{
    if (!lapic_software_enabled(lapic))
        return false;
    if (vector < FIRST_LEGAL_VECTOR) {
        lapic_raise_error(lapic, ESR_RECEIVE_ILLEGAL);
        return false;
    }
    vector_put(lapic->irr, vector, true);
    vector_put(lapic->tmr, vector, level);
    update_intr(lapic);
    return true;
}

/* All but the APIC ID and IA32_APIC_BASE: SDM "Local APIC State After Power-Up or Reset" and "... an INIT Reset". */
static void reset_registers(struct lapic *lapic)
{
    lapic->tpr = lapic->ldr = lapic->esr = lapic->esr_pending = 0;
    lapic->icr_low = lapic->icr_high = 0;
    lapic->initial_count = lapic->divide = lapic->count_base = 0;
    lapic->count_time = lapic->tsc_deadline = 0;
    lapic->dfr = UINT32_MAX;
    lapic->svr = SVR_VECTOR;
    lapic->extint_pending = false;
    for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
        lapic->lvt[i] = LVT_MASKED;
    for (unsigned i = 0; i < 8; i++)
        lapic->irr[i] = lapic->isr[i] = lapic->tmr[i] = 0;
    vtimer_cancel(&lapic->timer);
}

bool lapic_deliver(struct lapic *lapic, const struct apic_message *message)
{
    if (!lapic_hardware_enabled(lapic))
        return false;
    switch (message->delivery) {
    case APIC_FIXED:
    case APIC_LOWEST_PRIORITY:
        return accept_fixed(lapic, message->vector, message->level);
    case APIC_SMI:
        notify(lapic, LAPIC_EVENT_SMI, 0);
        return true;
    case APIC_NMI:
        notify(lapic, LAPIC_EVENT_NMI, 0);
        return true;
    case APIC_INIT:
        reset_registers(lapic);
        notify(lapic, LAPIC_EVENT_INIT, 0);
        return true;
    case APIC_STARTUP:
        notify(lapic, LAPIC_EVENT_SIPI, message->vector);
        return true;
    case APIC_EXTINT:
        lapic->extint_pending = true;
        notify(lapic, LAPIC_EVENT_INTR, 0);
        return true;
    default:
        log_line(LOG_GUEST, "lapic %u: message with reserved delivery mode %u", lapic->config.apic_id,
                 message->delivery);
        return false;
    }
}

/* SDM "Local Vector Table": an edge of a local source. Returns whether an interrupt was accepted. */
static bool signal_lvt(struct lapic *lapic, enum lapic_lvt source, bool level)
{
    uint32_t entry = lapic->lvt[source];
    if (entry & LVT_MASKED)
        return false;
    struct apic_message message = {.vector = entry & LVT_VECTOR, .level = level};
    message.delivery = (entry & LVT_DELIVERY) >> LVT_DELIVERY_SHIFT;
    return lapic_deliver(lapic, &message);
}

void lapic_raise_local(struct lapic *lapic, enum lapic_lvt source)
{
    signal_lvt(lapic, source, false);
}

void lapic_local_interrupt(struct lapic *lapic, enum lapic_lvt source)
{
    lapic_raise_local(lapic, source);
    if (source == LAPIC_LVT_PERF) /* SDM: the performance counter entry masks itself */
        lapic->lvt[LAPIC_LVT_PERF] |= LVT_MASKED;
}

/* --- the LINT pins --------------------------------------------------------------------------------------------- */

static bool lint_active(const struct lapic *lapic, unsigned pin)
{
    return lapic->lint[pin] != !!(lapic->lvt[LAPIC_LVT_LINT0 + pin] & LVT_ACTIVE_LOW);
}

/* Acts on an active pin; `edge`: it has just become active. LINT1 is edge-triggered whatever its entry says. */
static void lint_update(struct lapic *lapic, unsigned pin, bool edge)
{
    uint32_t *entry = &lapic->lvt[LAPIC_LVT_LINT0 + pin];
    unsigned delivery = (*entry & LVT_DELIVERY) >> LVT_DELIVERY_SHIFT;
    if (*entry & LVT_MASKED || !lint_active(lapic, pin))
        return;
    if (delivery == APIC_EXTINT) {
        notify(lapic, LAPIC_EVENT_INTR, 0);
    } else if (delivery == APIC_FIXED && *entry & LVT_LEVEL && pin == 0) {
        if (!(*entry & LVT_REMOTE_IRR) && signal_lvt(lapic, LAPIC_LVT_LINT0, true))
            *entry |= LVT_REMOTE_IRR;
    } else if (edge) {
        signal_lvt(lapic, LAPIC_LVT_LINT0 + pin, false);
    }
}

void lapic_set_lint(void *sink, unsigned pin, bool level)
{
    struct lapic *lapic = sink;
    if (pin > 1)
        return;
    bool was_active = lint_active(lapic, pin), was = lapic->lint[pin];
    lapic->lint[pin] = level;
    if (lapic_hardware_enabled(lapic))
        lint_update(lapic, pin, !was_active);
    else if (level && !was) /* the pins are INTR and NMI then */
        notify(lapic, pin ? LAPIC_EVENT_NMI : LAPIC_EVENT_INTR, 0);
}

bool lapic_accepts_pic(const struct lapic *lapic)
{
    uint32_t entry = lapic->lvt[LAPIC_LVT_LINT0];
    if (!lapic_hardware_enabled(lapic) || lapic->extint_pending)
        return true;
    return !(entry & LVT_MASKED) && (entry & LVT_DELIVERY) >> LVT_DELIVERY_SHIFT == APIC_EXTINT;
}

void lapic_pic_acknowledged(struct lapic *lapic)
{
    lapic->extint_pending = false;
}

static void end_of_interrupt(struct lapic *lapic)
{
    int in_service = highest_vector(lapic->isr);
    if (in_service < 0)
        return;
    unsigned vector = (unsigned)in_service;
    uint32_t *lint0 = &lapic->lvt[LAPIC_LVT_LINT0];
    vector_put(lapic->isr, vector, false);
    if (vector_in(lapic->tmr, vector)) {
        if (*lint0 & LVT_REMOTE_IRR && (*lint0 & LVT_VECTOR) == vector) {
            *lint0 &= ~(uint32_t)LVT_REMOTE_IRR;
            lint_update(lapic, 0, false);
        }
        if (lapic->config.eoi && !(lapic->svr & SVR_NO_EOI_BROADCAST))
            lapic->config.eoi(lapic->config.context, (uint8_t)vector);
    }
    update_intr(lapic);
}

/* --- registers ------------------------------------------------------------------------------------------------- */

/* Bits of an LVT entry that software can write. */
static uint32_t lvt_writable(const struct lapic *lapic, enum lapic_lvt source)
{
    switch (source) {
    case LAPIC_LVT_TIMER:
        return LVT_VECTOR | LVT_MASKED | (lapic->config.tsc_deadline ? LVT_TIMER_MODE : (uint32_t)LVT_TIMER_PERIODIC);
    case LAPIC_LVT_ERROR:
        return LVT_VECTOR | LVT_MASKED;
    case LAPIC_LVT_LINT0:
    case LAPIC_LVT_LINT1:
        return LVT_VECTOR | LVT_MASKED | LVT_DELIVERY | LVT_ACTIVE_LOW | LVT_LEVEL;
    default:
        return LVT_VECTOR | LVT_MASKED | LVT_DELIVERY;
    }
}

static void write_lvt(struct lapic *lapic, enum lapic_lvt source, uint32_t value)
{
    uint32_t entry = value & lvt_writable(lapic, source);
    if (!lapic_software_enabled(lapic))
        entry |= LVT_MASKED;
    if (source == LAPIC_LVT_TIMER) {
        lapic_timer_write_entry(lapic, entry);
        return;
    }
    if (entry & LVT_LEVEL)
        entry |= lapic->lvt[source] & LVT_REMOTE_IRR;
    lapic->lvt[source] = entry;
    if (source == LAPIC_LVT_LINT0 || source == LAPIC_LVT_LINT1)
        lint_update(lapic, source - LAPIC_LVT_LINT0, false);
    if (source == LAPIC_LVT_LINT0 && lapic_accepts_pic(lapic)) /* for a machine that does not drive the pin */
        notify(lapic, LAPIC_EVENT_INTR, 0);
}

static void write_svr(struct lapic *lapic, uint32_t value)
{
    lapic_timer_catch_up(lapic); /* while it can still interrupt */
    lapic->svr = value & SVR_BITS;
    if (lapic_software_enabled(lapic))
        return;
    for (unsigned i = 0; i < LAPIC_LVT_COUNT; i++)
        lapic->lvt[i] |= LVT_MASKED;
    lapic_timer_arm(lapic);
}

/* Reads a register that both modes have, or only xAPIC mode. Returns false for a reserved one. */
static bool read_register(struct lapic *lapic, unsigned reg, uint32_t *value)
{
    *value = 0;
    if (reg >= REG_ISR && reg < REG_ESR) {
        const uint32_t *set = reg < REG_TMR ? lapic->isr : reg < REG_IRR ? lapic->tmr : lapic->irr;
        *value = set[reg % 8];
        return true;
    }
    if (reg >= REG_LVT && reg <= REG_LVT_LAST) {
        *value = lapic->lvt[reg - REG_LVT];
        return true;
    }
    switch (reg) {
    case REG_ID:
        *value = lapic_x2apic_mode(lapic) ? lapic->config.apic_id : (uint32_t)lapic->xapic_id << 24;
        return true;
    case REG_VERSION:
        *value = VERSION;
        return true;
    case REG_TPR:
        *value = lapic->tpr;
        return true;
    case REG_APR:
        *value = lapic_arbitration_priority(lapic);
        return true;
    case REG_PPR:
        *value = processor_priority(lapic);
        return true;
    case REG_EOI: /* write-only */
    case REG_RRD: /* remote read went with the APIC bus */
        return true;
    case REG_LDR:
        *value = lapic_x2apic_mode(lapic) ? lapic_x2apic_ldr(lapic) : lapic->ldr;
        return true;
    case REG_DFR:
        *value = lapic->dfr;
        return true;
    case REG_SVR:
        *value = lapic->svr;
        return true;
    case REG_ESR:
        *value = lapic->esr;
        return true;
    case REG_ICR:
        *value = lapic->icr_low;
        return true;
    case REG_ICR_HIGH:
        *value = lapic->icr_high;
        return true;
    case REG_INITIAL_COUNT:
        *value = lapic->initial_count;
        return true;
    case REG_CURRENT_COUNT:
        *value = lapic_timer_count(lapic);
        return true;
    case REG_DIVIDE:
        *value = lapic->divide;
        return true;
    default:
        return false;
    }
}

/* Writes a register; bits it does not have are ignored, as are writes to read-only ones. Returns false for a reserved
 * one. */
static bool write_register(struct lapic *lapic, unsigned reg, uint32_t value)
{
    if (reg >= REG_LVT && reg <= REG_LVT_LAST) {
        write_lvt(lapic, reg - REG_LVT, value);
        return true;
    }
    switch (reg) {
    case REG_ID:
        lapic->xapic_id = (uint8_t)(value >> 24);
        return true;
    case REG_TPR:
        set_tpr(lapic, value & 0xff);
        return true;
    case REG_EOI:
        end_of_interrupt(lapic);
        return true;
    case REG_LDR:
        lapic->ldr = value & 0xff000000;
        return true;
    case REG_DFR:
        lapic->dfr = value | DFR_RESERVED;
        return true;
    case REG_SVR:
        write_svr(lapic, value);
        return true;
    case REG_ESR: /* publishes what was collected, and re-arms the error interrupt */
        lapic->esr = lapic->esr_pending;
        lapic->esr_pending = 0;
        return true;
    case REG_ICR:
        lapic->icr_low = value & ICR_BITS;
        lapic_send_ipi(lapic);
        return true;
    case REG_ICR_HIGH:
        lapic->icr_high = value & 0xff000000;
        return true;
    case REG_INITIAL_COUNT:
        lapic_timer_write_initial(lapic, value);
        return true;
    case REG_DIVIDE:
        lapic_timer_write_divide(lapic, value & DIVIDE_BITS);
        return true;
    case REG_VERSION:
    case REG_APR:
    case REG_PPR:
    case REG_RRD:
    case REG_CURRENT_COUNT:
        return true;
    default:
        return reg >= REG_ISR && reg < REG_ESR;
    }
}

static uint64_t lapic_read(void *device, uint64_t offset, unsigned size)
{
    struct lapic *lapic = device;
    uint32_t value;
    if (!lapic_hardware_enabled(lapic) || lapic_x2apic_mode(lapic))
        return zero_extend(UINT64_MAX, size);
    if (offset % 16) /* only the first dword of each 16 bytes is a register */
        return 0;
    if (!read_register(lapic, (unsigned)(offset / 16), &value)) {
        log_line(LOG_GUEST, "lapic %u: read of reserved register %03x", lapic->config.apic_id, (unsigned)offset);
        lapic_raise_error(lapic, ESR_ILLEGAL_REGISTER);
    }
    return value;
}

static void lapic_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct lapic *lapic = device;
    (void)size;
    if (!lapic_hardware_enabled(lapic) || lapic_x2apic_mode(lapic) || offset % 16)
        return;
    if (!write_register(lapic, (unsigned)(offset / 16), (uint32_t)value)) {
        log_line(LOG_GUEST, "lapic %u: write to reserved register %03x", lapic->config.apic_id, (unsigned)offset);
        lapic_raise_error(lapic, ESR_ILLEGAL_REGISTER);
    }
}

const struct bus_ops lapic_ops = {.read = lapic_read, .write = lapic_write, .widths = 4};

/* --- MSRs ------------------------------------------------------------------------------------------------------ */

static void base_changed(const struct lapic *lapic)
{
    uint64_t base = lapic->base_msr & ~(uint64_t)GUEST_PAGE_OFFSET;
    if (lapic->config.base_changed)
        lapic->config.base_changed(lapic->config.context, gpa(base),
                                   lapic_hardware_enabled(lapic) && !lapic_x2apic_mode(lapic));
}

/* SDM "Local APIC State", "x2APIC State Transitions": invalid | disabled | xAPIC | x2APIC by EXTD and EN. */
static int write_base(struct lapic *lapic, uint64_t value)
{
    unsigned phys_bits = lapic->config.phys_bits ? lapic->config.phys_bits : 36;
    uint64_t allowed = (BIT(phys_bits) - GUEST_PAGE_SIZE) | BASE_BSP | BASE_EN;
    if (lapic->config.x2apic)
        allowed |= BASE_EXTD;
    bool enable = value & BASE_EN, extend = value & BASE_EXTD;
    if (value & ~allowed || (extend && !enable))
        return -1;
    if (extend && !lapic_hardware_enabled(lapic)) /* disabled -> x2APIC */
        return -1;
    if (enable && !extend && lapic_x2apic_mode(lapic)) /* x2APIC -> xAPIC */
        return -1;
    uint64_t changed = lapic->base_msr ^ value;
    lapic->base_msr = value;
    if (!enable && changed & BASE_EN) {
        reset_registers(lapic);
        lapic->xapic_id = (uint8_t)lapic->config.apic_id;
        notify(lapic, LAPIC_EVENT_INTR, 0); /* the 8259 is connected now */
    }
    if (extend && changed & BASE_EXTD) {
        lapic->icr_high = 0;
        lapic->xapic_id = (uint8_t)lapic->config.apic_id;
    }
    if (changed & ~(uint64_t)BASE_BSP)
        base_changed(lapic);
    return 0;
}

static int x2apic_read(struct lapic *lapic, unsigned reg, uint64_t *value)
{
    uint32_t low;
    switch (reg) {
    case REG_APR:
    case REG_EOI:
    case REG_RRD:
    case REG_DFR:
    case REG_ICR_HIGH:
        return -1;
    default:
        if (!read_register(lapic, reg, &low))
            return -1;
        *value = reg == REG_ICR ? (uint64_t)lapic->icr_high << 32 | low : low;
        return 0;
    }
}

/* The bits that WRMSR may set in an x2APIC register. Returns false if it cannot be written. */
static bool x2apic_writable(const struct lapic *lapic, unsigned reg, uint64_t *bits)
{
    if (reg >= REG_LVT && reg <= REG_LVT_LAST) {
        /* The read-only bits may be written back as they were read. */
        *bits = lvt_writable(lapic, reg - REG_LVT) | LVT_STATUS;
        if (reg == REG_LVT + LAPIC_LVT_LINT0 || reg == REG_LVT + LAPIC_LVT_LINT1)
            *bits |= LVT_REMOTE_IRR;
        return true;
    }
    switch (reg) {
    case REG_TPR:
    case REG_SELF_IPI:
        *bits = 0xff;
        return true;
    case REG_EOI:
    case REG_ESR:
        *bits = 0;
        return true;
    case REG_SVR:
        *bits = SVR_BITS;
        return true;
    case REG_ICR:
        *bits = 0xffffffff00000000 | ICR_BITS | ICR_STATUS;
        return true;
    case REG_INITIAL_COUNT:
        *bits = UINT32_MAX;
        return true;
    case REG_DIVIDE:
        *bits = DIVIDE_BITS;
        return true;
    default:
        return false;
    }
}

static int x2apic_write(struct lapic *lapic, unsigned reg, uint64_t value)
{
    uint64_t bits;
    if (!x2apic_writable(lapic, reg, &bits) || value & ~bits)
        return -1;
    if (reg == REG_ICR)
        lapic->icr_high = (uint32_t)(value >> 32);
    if (reg != REG_SELF_IPI)
        return write_register(lapic, reg, (uint32_t)value) ? 0 : -1;
    if (value < FIRST_LEGAL_VECTOR)
        lapic_raise_error(lapic, ESR_SEND_ILLEGAL);
    else
        accept_fixed(lapic, (uint8_t)value, false);
    return 0;
}

int lapic_msr_read(struct lapic *lapic, uint32_t msr, uint64_t *value)
{
    if (msr == MSR_APIC_BASE) {
        *value = lapic->base_msr;
        return 0;
    }
    if (msr == MSR_TSC_DEADLINE && lapic->config.tsc_deadline) {
        lapic_timer_catch_up(lapic);
        *value = lapic->tsc_deadline;
        return 0;
    }
    if (msr < MSR_X2APIC_FIRST || msr > MSR_X2APIC_LAST || !lapic_x2apic_mode(lapic))
        return -1;
    return x2apic_read(lapic, msr - MSR_X2APIC_FIRST, value);
}

int lapic_msr_write(struct lapic *lapic, uint32_t msr, uint64_t value)
{
    if (msr == MSR_APIC_BASE)
        return write_base(lapic, value);
    if (msr == MSR_TSC_DEADLINE && lapic->config.tsc_deadline) {
        lapic_timer_write_deadline(lapic, value);
        return 0;
    }
    if (msr < MSR_X2APIC_FIRST || msr > MSR_X2APIC_LAST || !lapic_x2apic_mode(lapic))
        return -1;
    return x2apic_write(lapic, msr - MSR_X2APIC_FIRST, value);
}

/* --- life cycle ------------------------------------------------------------------------------------------------ */

static void lapic_reset(void *device)
{
    struct lapic *lapic = device;
    uint64_t old = lapic->base_msr;
    lapic->base_msr = LAPIC_DEFAULT_BASE | BASE_EN | (lapic->config.bsp ? BASE_BSP : 0);
    lapic->xapic_id = (uint8_t)lapic->config.apic_id;
    reset_registers(lapic);
    if ((old ^ lapic->base_msr) & ~(uint64_t)BASE_BSP)
        base_changed(lapic);
}

int lapic_init(struct lapic *lapic, const struct lapic_config *config)
{
    if (!config->clock || (config->tsc_deadline && (!config->tsc_now || !config->tsc_hz)))
        return -EINVAL;
    *lapic = (struct lapic){.config = *config, .base_msr = LAPIC_DEFAULT_BASE | BASE_EN};
    vtimer_init(&lapic->timer, config->clock, lapic_timer_expired, lapic);
    lapic_reset(lapic);
    return 0;
}

void lapic_set_virtual_wire(struct lapic *lapic)
{
    write_svr(lapic, SVR_ENABLE | SVR_VECTOR);
    write_lvt(lapic, LAPIC_LVT_LINT0, APIC_EXTINT << LVT_DELIVERY_SHIFT);
    write_lvt(lapic, LAPIC_LVT_LINT1, APIC_NMI << LVT_DELIVERY_SHIFT);
}

static void lapic_destroy(void *device)
{
    struct lapic *lapic = device;
    vtimer_cancel(&lapic->timer);
}

static void lapic_restored(void *device)
{
    struct lapic *lapic = device;
    lapic_timer_arm(lapic);
    base_changed(lapic);
    notify(lapic, LAPIC_EVENT_INTR, 0);
}

static const struct field lapic_fields[] = {
    FIELD(struct lapic, base_msr),     FIELD(struct lapic, xapic_id),    FIELD(struct lapic, tpr),
    FIELD(struct lapic, ldr),          FIELD(struct lapic, dfr),         FIELD(struct lapic, svr),
    FIELD(struct lapic, esr),          FIELD(struct lapic, esr_pending), FIELD(struct lapic, icr_low),
    FIELD(struct lapic, icr_high),     FIELD_ARRAY(struct lapic, lvt),   FIELD_ARRAY(struct lapic, irr),
    FIELD_ARRAY(struct lapic, isr),    FIELD_ARRAY(struct lapic, tmr),   FIELD(struct lapic, initial_count),
    FIELD(struct lapic, divide),       FIELD(struct lapic, count_base),  FIELD(struct lapic, count_time),
    FIELD(struct lapic, tsc_deadline), FIELD_ARRAY(struct lapic, lint),  FIELD(struct lapic, extint_pending),
};

const struct device_class lapic_class = {
    .name = "lapic",
    .version = 1,
    .reset = lapic_reset,
    .destroy = lapic_destroy,
    .restored = lapic_restored,
    .fields = lapic_fields,
    .field_count = ARRAY_LEN(lapic_fields),
};
