/*
 * The queue of a PS/2 device. See ps2.h.
 *
 * Invariants: answers <= queue_count <= PS2_QUEUE_BYTES; queue_first < PS2_QUEUE_BYTES.
 *
 * Thread: whoever holds the machine lock.
 * Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard" and "Mouse": an answer is sent ahead of buffered
 * data.
 */
#include "devices/chips/ps2.h"

static uint8_t *slot(struct ps2_device *device, unsigned index)
{
    return &device->queue[(device->queue_first + index) % PS2_QUEUE_BYTES];
}

static void tell(struct ps2_device *device)
{
    if (device->queued)
        device->queued(device->controller);
}

bool ps2_send(struct ps2_device *device, uint8_t byte)
{
    if (!ps2_room(device))
        return false;
    *slot(device, device->queue_count++) = byte;
    tell(device);
    return true;
}

void ps2_answer(struct ps2_device *device, uint8_t byte)
{
    if (device->answers == PS2_QUEUE_BYTES)
        return;
    if (device->queue_count < PS2_QUEUE_BYTES)
        device->queue_count++;
    for (unsigned i = device->queue_count - 1u; i > device->answers; i--)
        *slot(device, i) = *slot(device, i - 1);
    *slot(device, device->answers++) = byte;
    tell(device);
}

unsigned ps2_room(const struct ps2_device *device)
{
    return device->queue_count < PS2_QUEUE_BYTES ? PS2_QUEUE_BYTES - device->queue_count : 0;
}

uint8_t ps2_take(struct ps2_device *device)
{
    device->last = *slot(device, 0);
    device->queue_first = (device->queue_first + 1) % PS2_QUEUE_BYTES;
    device->queue_count--;
    device->answers -= device->answers != 0;
    return device->last;
}

void ps2_flush(struct ps2_device *device)
{
    device->queue_first = device->queue_count = device->answers = 0;
}

void ps2_flush_data(struct ps2_device *device)
{
    device->queue_count = device->answers;
}

void ps2_restored(struct ps2_device *device)
{
    device->queue_first %= PS2_QUEUE_BYTES;
    if (device->queue_count > PS2_QUEUE_BYTES)
        device->queue_count = 0;
    if (device->answers > device->queue_count)
        device->answers = 0;
}
