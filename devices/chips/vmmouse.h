/*
 * The absolute pointer of the VMware backdoor (vmware.h): with that the host's pointer moves in and out of the window
 * freely.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_VMMOUSE_H
#define RING3_DEVICES_VMMOUSE_H

#include "devices/chips/vmware.h"
#include "devices/core/device.h"
#include "devices/core/ui.h"

enum { VMMOUSE_QUEUE_WORDS = 1024 };

struct vmmouse_config {
    /* There is something to read: the guest learns it by the interrupt of its ordinary mouse. May be null. */
    void (*notify)(void *context);
    void *context;
};

struct vmmouse {
    struct vmmouse_config config;
    uint8_t enabled;  /* the driver has identified itself */
    uint8_t absolute; /* and asked for positions */
    uint8_t buttons;  /* mask of 1 << enum ui_button */
    uint8_t placed;   /* the pointer is at x, y: it has not moved by steps since */
    uint16_t x, y;    /* 0 to FFFFh */
    uint16_t queue_first, queue_count;
    uint32_t queue[VMMOUSE_QUEUE_WORDS];
};

extern const struct device_class vmmouse_class;

void vmmouse_init(struct vmmouse *mouse, const struct vmmouse_config *config);

/* Answers a call of the backdoor in its registers. Returns whether it is one of the pointer's. */
bool vmmouse_call(struct vmmouse *mouse, struct vmware_registers *registers);

/* The pointer as a sink of ui.h; it is wanted while a driver asks for positions. */
struct pointer_sink vmmouse_sink(struct vmmouse *mouse);

#endif
