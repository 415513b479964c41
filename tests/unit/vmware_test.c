/* The VMware backdoor: versions and clocks by its calls; the absolute pointer's packets, and what is wrong. */
#include "devices/chips/vmmouse.h"

#include <criterion/criterion.h>

#include "tests/unit/chip_fixture.h"

enum { MAGIC = 0x564d5868, READ_ID = 0x45414552, ABSOLUTE = 0x53424152, RELATIVE = 0x4c455252, DISABLE = 0xf5 };
#define TSC_HZ 5100200300ull
enum { VERSION = 10, HZ = 45, VCPU_INFO = 68, DATA = 39, STATUS = 40, COMMAND = 41 };

static struct bus bus;
static struct vmware backdoor;
static struct vmmouse mouse;
static struct vmware_registers regs;
static bool no_processor;
static unsigned told;

static bool fetch(void *context, struct vmware_registers *r)
{
    (void)context;
    *r = regs;
    return !no_processor;
}

static void store(void *context, const struct vmware_registers *r)
{
    (void)context;
    regs = *r;
}

static void notify(void *context)
{
    (void)context;
    told++;
}

static void setup(void)
{
    vmmouse_init(&mouse, &(struct vmmouse_config){.notify = notify});
    backdoor.config = (struct vmware_config){
        .fetch = fetch, .store = store, .mouse = &mouse, .tsc_hz = TSC_HZ, .apic_hz = 1000000000, .x2apic = true};
    bus_init(&bus, "ports");
    map(&bus, VMWARE_PORT, VMWARE_PORTS, &vmware_ops, &backdoor);
}

static void teardown(void)
{
    bus_destroy(&bus);
}

TestSuite(vmware, .init = setup, .fini = teardown);

static uint32_t call(uint32_t number, uint32_t ebx)
{
    regs = (struct vmware_registers){.eax = MAGIC, .ebx = ebx, .ecx = number, .edx = VMWARE_PORT};
    return (uint32_t)bus_read(&bus, VMWARE_PORT, 4);
}

static void turn_on(void)
{
    call(COMMAND, READ_ID);
    cr_assert_eq(call(STATUS, 0), 1);
    cr_assert_eq(call(DATA, 1), 0x3442554a);
    call(COMMAND, ABSOLUTE);
}

Test(vmware, version)
{
    cr_assert_eq(call(VERSION, ~(uint32_t)MAGIC), 6);
    cr_assert_eq(regs.ebx, MAGIC);
    cr_assert_eq(regs.ecx, 2);
}

Test(vmware, clocks)
{
    cr_assert_eq(call(HZ, UINT32_MAX), (uint32_t)TSC_HZ);
    cr_assert_eq(regs.ebx, 1); /* TSC_HZ >> 32 */
    cr_assert_eq(regs.ecx, 1000000000);
    cr_assert_eq(call(VCPU_INFO, 0), 1 << 3 | 1 << 1);
    backdoor.config.x2apic = false;
    cr_assert_eq(call(VCPU_INFO, 0), 1 << 1);
}

Test(vmware, nothing_without_the_magic_number)
{
    regs = (struct vmware_registers){.eax = 1, .ebx = 2, .ecx = VERSION, .edx = 3};
    cr_assert_eq(bus_read(&bus, VMWARE_PORT, 4), 0xffffffff);
    cr_assert_eq(regs.ebx, 2);
    regs.eax = MAGIC;
    no_processor = true;
    cr_assert_eq(bus_read(&bus, VMWARE_PORT, 4), 0xffffffff);
    cr_assert_eq(regs.ebx, 2);
}

Test(vmware, off_until_asked)
{
    struct pointer_sink sink = vmmouse_sink(&mouse);
    cr_assert_eq(call(STATUS, 0), 0xffff0000);
    cr_assert_not(sink.wanted(sink.device));
    sink.position(sink.device, 1, 2);
    cr_assert_eq(told, 0);
    call(COMMAND, READ_ID);
    cr_assert_not(sink.wanted(sink.device));
    call(COMMAND, ABSOLUTE);
    cr_assert(sink.wanted(sink.device));
    call(COMMAND, RELATIVE);
    cr_assert_not(sink.wanted(sink.device));
    call(COMMAND, DISABLE);
    cr_assert_eq(call(STATUS, 0), 0xffff0000);
}

Test(vmware, packets)
{
    struct pointer_sink sink = vmmouse_sink(&mouse);
    turn_on();
    sink.position(sink.device, 0x1000, UI_POSITION_MAX);
    cr_assert_eq(told, 1);
    cr_assert_eq(call(STATUS, 0), 4);
    cr_assert_eq(call(DATA, 4), 0);
    cr_assert_eq(regs.ebx, 0x2000);
    cr_assert_eq(regs.ecx, 0xffff);
    cr_assert_eq(regs.edx, 0);
    sink.button(sink.device, UI_BUTTON_LEFT, true);
    cr_assert_eq(call(DATA, 4), 0x20);
    cr_assert_eq(regs.ebx, 0x2000);
    sink.button(sink.device, UI_BUTTON_RIGHT, true);
    cr_assert_eq(call(DATA, 4), 0x30);
    sink.button(sink.device, UI_BUTTON_LEFT, false);
    cr_assert_eq(call(DATA, 4), 0x10);
    sink.button(sink.device, UI_BUTTON_MIDDLE, true);
    cr_assert_eq(call(DATA, 4), 0x18);
    sink.wheel(sink.device, -2);
    cr_assert_eq(call(DATA, 4), 0x18);
    cr_assert_eq(regs.edx, (uint32_t)-2);
    sink.motion(sink.device, -3, 4); /* down */
    cr_assert_eq(call(DATA, 4), 0x10018);
    cr_assert_eq(regs.ebx, (uint32_t)-3);
    cr_assert_eq(regs.ecx, (uint32_t)-4);
}

/* A packet with a position would move the pointer back to where it was before the steps. */
Test(vmware, buttons_and_wheel_leave_the_pointer_where_steps_have_moved_it)
{
    struct pointer_sink sink = vmmouse_sink(&mouse);
    turn_on();
    sink.button(sink.device, UI_BUTTON_LEFT, true); /* nor to a corner before there was a position */
    cr_assert_eq(call(DATA, 4), 0x10020);
    sink.position(sink.device, 0x1000, 0x1000);
    sink.motion(sink.device, 5, 5);
    sink.button(sink.device, UI_BUTTON_LEFT, false);
    sink.wheel(sink.device, 1);
    call(DATA, 4);
    call(DATA, 4);
    cr_assert_eq(call(DATA, 4), 0x10000);
    cr_assert_eq(regs.ebx, 0);
    cr_assert_eq(regs.ecx, 0);
    cr_assert_eq(call(DATA, 4), 0x10000);
    cr_assert_eq(regs.edx, 1);
    sink.position(sink.device, 0x2000, 0);
    sink.button(sink.device, UI_BUTTON_RIGHT, true);
    call(DATA, 4);
    cr_assert_eq(call(DATA, 4), 0x10);
    cr_assert_eq(regs.ebx, 0x4000);
}

Test(vmware, reading_what_is_not_there_is_an_error)
{
    static const uint32_t counts[] = {0, 1, 4, 5, UINT32_MAX};
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        turn_on();
        cr_assert_eq(call(DATA, counts[i]), 0xffff0000);
        cr_assert_eq(call(STATUS, 0), 0xffff0000, "the driver has to start anew");
    }
}

Test(vmware, a_guest_that_does_not_read)
{
    struct pointer_sink sink = vmmouse_sink(&mouse);
    turn_on();
    for (unsigned i = 0; i < 1000; i++)
        sink.position(sink.device, i, i);
    cr_assert_eq(call(STATUS, 0), VMMOUSE_QUEUE_WORDS);
    call(DATA, 4);
    cr_assert_eq(regs.ebx, 0);
    call(DATA, 4);
    cr_assert_eq(regs.ebx, 2, "whole packets, oldest first");
}

Test(vmware, unknown_calls)
{
    cr_assert_eq(call(99, 0), 0xffffffff);
    turn_on();
    call(COMMAND, 0x12345678);
    cr_assert_eq(call(STATUS, 0), 0);
}

Test(vmware, reset)
{
    turn_on();
    vmmouse_class.reset(&mouse);
    cr_assert_eq(call(STATUS, 0), 0xffff0000);
}

Test(vmware, any_width_at_any_port)
{
    turn_on();
    for (unsigned size = 1; size <= 8; size *= 2)
        for (unsigned port = VMWARE_PORT - 8; port < VMWARE_PORT + 8; port++) {
            regs.eax = MAGIC;
            bus_read(&bus, port, size);
            bus_write(&bus, port, MAGIC, size);
        }
}
