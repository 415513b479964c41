/*
 * What plugs into a PS/2 port: a device that takes bytes from the controller and has a queue of bytes for it.
 *
 * A device embeds `struct ps2_device` as its first member and fills in `receive`. The queue holds answers to commands
 * first and then what the device has to tell of its own (scan codes, packets): a real device answers at once, whatever
 * it has collected meanwhile.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_PS2_H
#define RING3_DEVICES_PS2_H

#include "cpu-model/base/types.h"

enum { PS2_QUEUE_BYTES = 64 };

/* Bytes that both keyboard and mouse send as answers. */
enum {
    PS2_ACK = 0xfa,
    PS2_SELF_TEST_PASSED = 0xaa,
    PS2_ERROR = 0xfc,
    PS2_RESEND = 0xfe,
};

struct ps2_device {
    void (*receive)(struct ps2_device *device, uint8_t byte); /* the host sends a command or parameter byte */

    /* The controller's half, set when plugged in. Null: not plugged in. */
    void (*queued)(void *controller); /* there is something in the queue */
    void *controller;

    uint8_t queue[PS2_QUEUE_BYTES];
    uint8_t queue_first, queue_count;
    uint8_t answers; /* how many of the queue's first bytes are answers */
    uint8_t last;    /* the byte taken last, for the command "resend" */
};

/* Queues one byte for the host, or drops it and returns false when the queue is full. */
bool ps2_send(struct ps2_device *device, uint8_t byte);

/* Queues an answer: behind other answers, ahead of the rest. In a full queue it takes the last byte's place. */
void ps2_answer(struct ps2_device *device, uint8_t byte);

/* Room in the queue, in bytes: a device sends a packet whole or not at all. */
unsigned ps2_room(const struct ps2_device *device);

/* Takes the next byte; the queue must not be empty. For the controller. */
uint8_t ps2_take(struct ps2_device *device);

/* Drops everything queued. */
void ps2_flush(struct ps2_device *device);

/* Drops what is queued but for answers. */
void ps2_flush_data(struct ps2_device *device);

/* After a snapshot: makes indices sane. */
void ps2_restored(struct ps2_device *device);

/* The queue's snapshot fields, for `type` whose member `ps2` is a struct ps2_device. */
#define PS2_DEVICE_FIELDS(type)                                                                                        \
    FIELD_ARRAY(type, ps2.queue), FIELD(type, ps2.queue_first), FIELD(type, ps2.queue_count),                          \
        FIELD(type, ps2.answers), FIELD(type, ps2.last)

#endif
