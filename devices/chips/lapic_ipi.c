/*
 * The bus between local APICs: which of them a message addresses, lowest-priority arbitration, and sending through the
 * interrupt command register.
 *
 * Source: SDM Vol. 3 "Issuing Interprocessor Interrupts", "Determining IPI Destination", "Lowest Priority Delivery
 * Mode", "Logical Destination Mode in x2APIC Mode". Between equal priorities the first APIC wins; there is no focus
 * processor.
 *
 * @locks the machine lock is held in every function. Threads: vCPUs and whoever raises interrupt lines.
 */
#include "devices/chips/lapic_int.h"

#include "cpu-model/base/log.h"

#define DFR_CLUSTER 0u /* model, bits 31:28; 1111 is flat */

uint32_t lapic_x2apic_ldr(const struct lapic *lapic)
{
    return lapic->config.apic_id >> 4 << 16 | 1u << (lapic->config.apic_id & 0xf);
}

/* SDM "Determining IPI Destination" and "Logical Destination Mode in x2APIC Mode". */
static bool addressed(const struct lapic *lapic, const struct lapic *source, const struct apic_message *message)
{
    uint32_t to = message->destination;
    if (!lapic_hardware_enabled(lapic))
        return false;
    if (message->shorthand != APIC_TO_DESTINATION)
        return message->shorthand == APIC_TO_ALL || (message->shorthand == APIC_TO_SELF) == (lapic == source);
    if (to == APIC_BROADCAST)
        return true;
    if (!message->logical)
        return to == (lapic_x2apic_mode(lapic) ? lapic->config.apic_id : lapic->xapic_id);
    if (lapic_x2apic_mode(lapic)) {
        uint32_t ldr = lapic_x2apic_ldr(lapic);
        return to >> 16 == ldr >> 16 && to & ldr & 0xffff;
    }
    uint32_t ldr = lapic->ldr >> 24;
    if (to > 0xff)
        return false;
    if (lapic->dfr >> 28 == DFR_CLUSTER)
        return to >> 4 == ldr >> 4 && to & ldr & 0xf;
    return to & ldr;
}

bool lapic_route(struct lapic *const *lapics, unsigned count, const struct lapic *source,
                 const struct apic_message *message)
{
    struct lapic *lowest = NULL;
    bool accepted = false;
    for (unsigned i = 0; i < count; i++) {
        if (!addressed(lapics[i], source, message))
            continue;
        if (message->delivery != APIC_LOWEST_PRIORITY)
            accepted |= lapic_deliver(lapics[i], message);
        else if (lapic_software_enabled(lapics[i]) &&
                 (!lowest || lapic_arbitration_priority(lapics[i]) < lapic_arbitration_priority(lowest)))
            lowest = lapics[i];
    }
    return lowest ? lapic_deliver(lowest, message) : accepted;
}

/* SDM "Interrupt Command Register". IPIs are edge-triggered; the level bits matter for INIT de-assert only, which is
 * no longer supported and does nothing. */
void lapic_send_ipi(struct lapic *lapic)
{
    struct apic_message message = {
        .vector = lapic->icr_low & 0xff,
        .delivery = lapic->icr_low >> 8 & 7,
        .logical = lapic->icr_low & ICR_LOGICAL,
        .shorthand = lapic->icr_low >> ICR_SHORTHAND_SHIFT & 3,
        .destination = lapic_x2apic_mode(lapic) ? lapic->icr_high : lapic->icr_high >> 24,
    };
    if (!lapic_x2apic_mode(lapic) && message.destination == 0xff)
        message.destination = APIC_BROADCAST;
    if (message.delivery == APIC_INIT && lapic->icr_low & ICR_LEVEL && !(lapic->icr_low & ICR_ASSERT))
        return;
    if (message.delivery == APIC_EXTINT || message.delivery == 3) {
        log_line(LOG_GUEST, "lapic %u: IPI with reserved delivery mode %u", lapic->config.apic_id, message.delivery);
        return;
    }
    if (message.delivery <= APIC_LOWEST_PRIORITY && message.vector < FIRST_LEGAL_VECTOR) {
        lapic_raise_error(lapic, ESR_SEND_ILLEGAL);
        return;
    }
    if (lapic->config.deliver_ipi && message.shorthand != APIC_TO_SELF)
        lapic->config.deliver_ipi(lapic->config.context, lapic, &message);
    else
        lapic_route(&lapic, 1, lapic, &message);
}
