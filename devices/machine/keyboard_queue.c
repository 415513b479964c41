/*
 * Keys pressed on somebody's behalf. See keyboard_queue.h.
 *
 * Invariant: the timer is armed exactly while items wait. Thread: whoever holds the machine lock.
 */
#include "devices/machine/keyboard_queue.h"

#include <errno.h>

enum { NS_PER_MS = 1000000, GAP_MS = 10 };

static void serve(struct keyboard_queue *q)
{
    while (q->count) {
        unsigned at = q->first;
        q->first = (q->first + 1) % KEYBOARD_QUEUE_MAX;
        q->count--;
        ui_key(q->ui, (enum ui_key)q->item[at].key, q->item[at].down);
        if (!q->item[at].wait_ms)
            continue;
        vtimer_arm(&q->timer, vclock_now(q->timer.clock) + (uint64_t)q->item[at].wait_ms * NS_PER_MS);
        return;
    }
}

static void on_timer(void *device)
{
    serve(device);
}

void keyboard_queue_init(struct keyboard_queue *q, struct ui *ui, struct vclock *clock)
{
    *q = (struct keyboard_queue){.ui = ui};
    vtimer_init(&q->timer, clock, on_timer, q);
}

static void add(struct keyboard_queue *q, enum ui_key key, bool down, uint32_t wait_ms)
{
    unsigned at = (q->first + q->count++) % KEYBOARD_QUEUE_MAX;
    q->item[at].key = (uint16_t)key;
    q->item[at].down = down;
    q->item[at].wait_ms = wait_ms;
}

int keyboard_queue_add(struct keyboard_queue *q, const enum ui_key *keys, unsigned count, uint32_t hold_ms)
{
    if (count > KEYBOARD_CHORD_MAX || q->count + 2 * count > KEYBOARD_QUEUE_MAX)
        return -ENOSPC;
    for (unsigned i = 0; i < count; i++)
        add(q, keys[i], true, i + 1 < count ? 0 : hold_ms ? hold_ms : 1);
    for (unsigned i = count; i-- > 0;)
        add(q, keys[i], false, i ? 0 : GAP_MS);
    if (q->timer.deadline == VCLOCK_NEVER)
        serve(q);
    return 0;
}
