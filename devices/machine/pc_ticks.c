/*
 * Timer ticks that found no room: how a guest that counts them keeps time though its processor or the whole process
 * was not scheduled for a while.
 *
 * A tick of IRQ 0 is lost when the one before it is still waiting for the processor, or when it came and went before
 * the clock was run. Such ticks are owed, and paid one by one: as soon as the processor takes one, the next is raised.
 * A real PC's processor is always there, so that it loses ticks only to software that keeps interrupts off.
 *
 * Invariants: nothing is owed while the interrupt is masked; what is owed is bounded.
 * Thread: whoever holds the machine lock.
 */
#include "devices/machine/pc_int.h"

enum { OWED_MAX = 1000 };

/* The vector that IRQ 0 has now, or -1. */
static int tick_vector(const struct pc *pc)
{
    int vector = ioapic_edge_vector(&pc->ioapic, IOAPIC_TIMER_PIN);

    if (vector < 0 && lapic_accepts_pic(&pc->lapic))
        vector = i8259_input_vector(&pc->pic, IRQ_TIMER);
    return vector;
}

/* Whoever had another vector, or had it masked, is owed nothing. */
static void owe(struct pc *pc, uint64_t count)
{
    int vector = tick_vector(pc);

    if (vector < 0 || vector != pc->tick_vector) {
        pc->ticks_owed = 0;
        pc->tick_waits = false;
    }
    pc->tick_vector = vector;
    if (vector >= 0)
        pc->ticks_owed = count > OWED_MAX - pc->ticks_owed ? OWED_MAX : pc->ticks_owed + (uint32_t)count;
}

void pc_ticks_lost(struct pc *pc, uint64_t count)
{
    owe(pc, count);
}

void pc_tick_comes(struct pc *pc)
{
    owe(pc, 0);
    if (pc->tick_waits)
        owe(pc, 1);
    pc->tick_waits = pc->tick_vector >= 0;
}

static void show(struct pc *pc, bool level)
{
    irq_set(&pc->isa[IRQ_TIMER], level);
    ioapic_set_pin(&pc->ioapic, IOAPIC_TIMER_PIN, level);
}

void pc_interrupt_taken(struct pc *pc, int vector)
{
    bool level = pc->isa_levels >> IRQ_TIMER & 1;

    if (vector != pc->tick_vector)
        return;
    pc->tick_waits = false;
    if (!pc->ticks_owed || vector != tick_vector(pc) || !level) /* low: an 8259 wants a request held; another time */
        return;
    pc->ticks_owed--;
    pc->tick_waits = true;
    show(pc, false);
    show(pc, true);
}
