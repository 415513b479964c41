/*
 * Keys pressed on somebody's behalf (sendkey, send-key, pasted text): pressed one after the other, held for a while of
 * virtual time, released in reverse order.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_MACHINE_KEYBOARD_QUEUE_H
#define RING3_MACHINE_KEYBOARD_QUEUE_H

#include "devices/core/ui.h"
#include "devices/core/vclock.h"

enum { KEYBOARD_QUEUE_MAX = 1024, KEYBOARD_CHORD_MAX = 16, KEYBOARD_HOLD_MS = 100 };

struct keyboard_queue {
    struct ui *ui;
    struct vtimer timer;
    struct {
        uint16_t key;
        bool down;
        uint32_t wait_ms; /* after this one */
    } item[KEYBOARD_QUEUE_MAX];
    unsigned first, count;
};

void keyboard_queue_init(struct keyboard_queue *queue, struct ui *ui, struct vclock *clock);

/* Presses the keys of a chord together. Returns 0, or -ENOSPC: too many keys wait already. */
int keyboard_queue_add(struct keyboard_queue *queue, const enum ui_key *keys, unsigned count, uint32_t hold_ms);

#endif
