/*
 * The VMware backdoor at port 5658h: what a guest asks its hypervisor there. It learns how fast its clocks run, so that
 * it need not measure them on a busy host, and drives the absolute pointer (vmmouse.h).
 *
 * A call is an IN of 32 bits whose arguments and results are the processor's registers: the magic number in EAX, the
 * command in CX. The chip knows no processor: the board gives it two functions that fetch and store those registers of
 * the one that makes the access. An IN without the magic number reads an empty bus. CPUID leaf 4000_0000h tells a guest
 * that the backdoor is there.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_VMWARE_H
#define RING3_DEVICES_VMWARE_H

#include "cpu-model/base/bus.h"

struct vmmouse;

enum { VMWARE_PORT = 0x5658, VMWARE_PORTS = 4 };

struct vmware_registers {
    uint32_t eax, ebx, ecx, edx;
};

struct vmware_config {
    /* The registers of the processor whose IN is under way. False: it is not a processor that reads. */
    bool (*fetch)(void *context, struct vmware_registers *registers);
    /* EBX, ECX and EDX get these values; EAX is what is read. */
    void (*store)(void *context, const struct vmware_registers *registers);
    void *context;
    struct vmmouse *mouse;
    uint64_t tsc_hz;
    uint32_t apic_hz; /* what the local APIC's timer divides */
    bool x2apic;      /* offered, and works without an IOMMU that remaps interrupts */
};

struct vmware {
    struct vmware_config config; /* has no other state */
};

extern const struct bus_ops vmware_ops; /* VMWARE_PORTS at VMWARE_PORT */

#endif
