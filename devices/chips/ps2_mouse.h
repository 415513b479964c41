/*
 * The PS/2 mouse: IBM's protocol, with the extensions of the IntelliMouse (wheel) and the IntelliMouse Explorer (five
 * buttons), which a driver turns on by its sequence of sample rates. It plugs into the 8042's second port and is a
 * sink of ui.h's relative pointer.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_PS2_MOUSE_H
#define RING3_DEVICES_PS2_MOUSE_H

#include "devices/chips/ps2.h"
#include "devices/core/device.h"
#include "devices/core/ui.h"
#include "devices/core/vclock.h"

enum { PS2_MOUSE_PACKET_BYTES = 4 };

struct ps2_mouse {
    struct ps2_device ps2; /* first */
    uint8_t mode;          /* enum in the .c: stream, remote */
    uint8_t wrap;
    uint8_t reporting; /* stream mode: enabled */
    uint8_t rate;      /* packets a second at most */
    uint8_t resolution;
    uint8_t scaled;   /* 2:1 */
    uint8_t type;     /* the ID it answers: 0, 3 (wheel), 4 (wheel and five buttons) */
    uint8_t knock[2]; /* the sample rates set before the last one, newest first */
    uint8_t pending_command;
    uint8_t refused;               /* the last byte was answered with "resend" */
    uint8_t nudged;                /* a packet is to be sent, news or not */
    uint8_t buttons, buttons_sent; /* mask of 1 << enum ui_button */
    uint8_t clicked; /* those that went and came back since the last packet: the next one tells of the first half */
    uint8_t packet[PS2_MOUSE_PACKET_BYTES], packet_bytes; /* the last answer or packet, for the command "resend" */
    int32_t dx, dy, dz;                                   /* not yet told; y grows upwards, z towards the person */
    uint64_t next_at;     /* when the next packet may be sent, while armed; else VCLOCK_NEVER */
    struct vtimer sample; /* derived: armed for next_at */
};

extern const struct device_class ps2_mouse_class;

/* Stream mode, disabled, 100 samples a second, 4 counts for each millimetre, 1:1. */
void ps2_mouse_init(struct ps2_mouse *mouse, struct vclock *clock);

/* Right and down are positive. */
void ps2_mouse_motion(struct ps2_mouse *mouse, int dx, int dy);
void ps2_mouse_button(struct ps2_mouse *mouse, enum ui_button button, bool down);
/* Towards the person is positive. */
void ps2_mouse_wheel(struct ps2_mouse *mouse, int clicks);

/* Sends a packet though nothing has moved: the interrupt tells a driver of the VMware pointer to look there. */
void ps2_mouse_nudge(struct ps2_mouse *mouse);

/* The mouse as a sink of ui.h. */
struct pointer_sink ps2_mouse_sink(struct ps2_mouse *mouse);

#endif
