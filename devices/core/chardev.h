/*
 * A character back end: where a serial port's bytes go and come from. The chip holds one; the machine connects a
 * terminal, a file, a socket or nothing.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_CHARDEV_H
#define RING3_DEVICES_CHARDEV_H

#include "cpu-model/base/types.h"

struct chardev {
    /* Back end's half: sends bytes out. Takes them all (it may buffer). Null: bytes vanish. */
    void (*send)(struct chardev *chardev, const uint8_t *bytes, size_t count);

    /* Front end's half (set by the chip): how many bytes it can take now, and taking them. Null: nobody listens. */
    size_t (*can_receive)(void *device);
    void (*receive)(void *device, const uint8_t *bytes, size_t count);
    /* Somebody came to the other end, or went. Null: that is all the same to the front end. */
    void (*connected)(void *device, bool connected);
    void *device;

    /* Front end calls it when it can take bytes again; the back end then looks for input. May be null. */
    void (*ready)(struct chardev *chardev);

    /* How many bytes sent are still waiting for a slow reader. Null: none ever are. */
    size_t (*backlog)(const struct chardev *chardev);
};

static inline void chardev_send(struct chardev *chardev, const uint8_t *bytes, size_t count)
{
    if (chardev && chardev->send)
        chardev->send(chardev, bytes, count);
}

#endif
