/*
 * The VMware backdoor at port 5658h, as far as its absolute pointer needs it: with that the host's pointer moves in and
 * out of the window freely.
 *
 * A call is an IN of 32 bits whose arguments and results are the processor's registers. The chip knows no processor:
 * the board gives it two functions that fetch and store those registers of the one that makes the access. An IN without
 * the magic number reads an empty bus.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_VMMOUSE_H
#define RING3_DEVICES_VMMOUSE_H

#include "cpu-model/base/bus.h"
#include "devices/core/device.h"
#include "devices/core/ui.h"

enum { VMMOUSE_PORT = 0x5658, VMMOUSE_PORTS = 4, VMMOUSE_QUEUE_WORDS = 1024 };

struct vmmouse_registers {
    uint32_t eax, ebx, ecx, edx;
};

struct vmmouse_config {
    /* The registers of the processor whose IN is under way. False: it is not a processor that reads. */
    bool (*fetch)(void *context, struct vmmouse_registers *registers);
    /* EBX, ECX and EDX get these values; EAX is what is read. */
    void (*store)(void *context, const struct vmmouse_registers *registers);
    /* There is something to read: the guest learns it by the interrupt of its ordinary mouse. May be null. */
    void (*notify)(void *context);
    void *context;
};

struct vmmouse {
    struct vmmouse_config config;
    uint8_t enabled;  /* the driver has identified itself */
    uint8_t absolute; /* and asked for positions */
    uint8_t buttons;  /* mask of 1 << enum ui_button */
    uint16_t x, y;    /* 0 to FFFFh */
    uint16_t queue_first, queue_count;
    uint32_t queue[VMMOUSE_QUEUE_WORDS];
};

extern const struct bus_ops vmmouse_ops; /* VMMOUSE_PORTS at VMMOUSE_PORT */
extern const struct device_class vmmouse_class;

void vmmouse_init(struct vmmouse *mouse, const struct vmmouse_config *config);

/* The pointer as a sink of ui.h; it is wanted while a driver asks for positions. */
struct pointer_sink vmmouse_sink(struct vmmouse *mouse);

#endif
