/*
 * The VMware backdoor's calls. See vmware.h.
 *
 * Thread: whoever holds the machine lock.
 * Source: open-vm-tools, backdoor_def.h; VMware's knowledge base "Mechanisms to determine if software is running in a
 * VMware virtual machine".
 */
#include "devices/chips/vmware.h"

#include "cpu-model/base/log.h"
#include "devices/chips/vmmouse.h"

#define MAGIC 0x564d5868u /* "VMXh" */

enum {
    CMD_GET_VERSION = 10,
    CMD_GET_HZ = 45,
    CMD_GET_VCPU_INFO = 68,

    BACKDOOR_VERSION = 6,
    PRODUCT_TYPE = 2, /* ECX of GET_VERSION */

    /* GET_VCPU_INFO: bits of EAX */
    VCPU_SYNCED_TSCS = 1 << 1,
    VCPU_LEGACY_X2APIC = 1 << 3,
};

static void call(struct vmware *v, struct vmware_registers *r)
{
    const struct vmware_config *c = &v->config;

    switch (r->ecx & 0xffff) {
    case CMD_GET_VERSION:
        r->eax = BACKDOOR_VERSION;
        r->ebx = MAGIC;
        r->ecx = PRODUCT_TYPE;
        break;
    case CMD_GET_HZ:
        r->eax = (uint32_t)c->tsc_hz;
        r->ebx = (uint32_t)(c->tsc_hz >> 32);
        r->ecx = c->apic_hz;
        break;
    case CMD_GET_VCPU_INFO:
        r->eax = VCPU_SYNCED_TSCS | (c->x2apic ? VCPU_LEGACY_X2APIC : 0);
        break;
    default:
        if (vmmouse_call(c->mouse, r))
            break;
        log_line(LOG_GUEST, "VMware backdoor: unknown command %u", r->ecx & 0xffff);
        r->eax = UINT32_MAX;
        break;
    }
}

static uint64_t vmware_read(void *device, uint64_t offset, unsigned size)
{
    struct vmware *v = device;
    struct vmware_registers r;
    (void)size;

    if (offset || !v->config.fetch(v->config.context, &r) || r.eax != MAGIC)
        return UINT32_MAX;
    call(v, &r);
    v->config.store(v->config.context, &r);
    return r.eax;
}

static void vmware_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    (void)device, (void)offset, (void)value, (void)size; /* calls that send in bulk; there are none here */
}

const struct bus_ops vmware_ops = {.read = vmware_read, .write = vmware_write, .widths = 4};
