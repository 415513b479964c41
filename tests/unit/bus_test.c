/* The bus: claims, lookups down to the last edge, and the widths a device sees. */
#include "cpu-model/base/bus.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

/* A device that holds bytes and logs every access it gets. */
struct memory {
    uint8_t bytes[64];
    unsigned count;
    struct {
        bool write;
        uint64_t offset, value;
        unsigned size;
    } log[32];
};

static void note(struct memory *m, bool write, uint64_t offset, uint64_t value, unsigned size)
{
    cr_assert_lt(m->count, 32);
    m->log[m->count].write = write;
    m->log[m->count].offset = offset;
    m->log[m->count].value = value;
    m->log[m->count++].size = size;
}

static uint64_t memory_read(void *device, uint64_t offset, unsigned size)
{
    struct memory *m = device;
    uint64_t value = 0;
    cr_assert_leq(offset + size, sizeof(m->bytes));
    memcpy(&value, m->bytes + offset, size);
    note(m, false, offset, value, size);
    return value;
}

static void memory_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct memory *m = device;
    cr_assert_leq(offset + size, sizeof(m->bytes));
    cr_assert_eq(value, zero_extend(value, size));
    note(m, true, offset, value, size);
    memcpy(m->bytes + offset, &value, size);
}

static const struct bus_ops ops1 = {memory_read, memory_write, 1};
static const struct bus_ops ops2 = {memory_read, memory_write, 2};
static const struct bus_ops ops4 = {memory_read, memory_write, 4};
static const struct bus_ops ops14 = {memory_read, memory_write, 1 | 4};
static const struct bus_ops ops_all = {memory_read, memory_write, 15};

static struct bus bus;
static struct memory memory;

static void setup(void)
{
    bus_init(&bus, "test bus");
    memset(&memory, 0, sizeof(memory));
    for (unsigned i = 0; i < sizeof(memory.bytes); i++)
        memory.bytes[i] = (uint8_t)(0x10 + i);
}

static void teardown(void)
{
    bus_destroy(&bus);
}

static int try_map(uint64_t base, uint64_t size, const struct bus_ops *ops, const char *name, struct error *err)
{
    struct bus_region region = {base, size, ops, &memory, name};
    return bus_map(&bus, &region, err);
}

TestSuite(bus, .init = setup, .fini = teardown);

Test(bus, empty_bus_gives_ones_and_swallows_writes)
{
    cr_assert_null(bus_find(&bus, 0));
    cr_assert_eq(bus_read(&bus, 0, 1), 0xff);
    cr_assert_eq(bus_read(&bus, 5, 2), 0xffff);
    cr_assert_eq(bus_read(&bus, 5, 4), 0xffffffff);
    cr_assert_eq(bus_read(&bus, UINT64_MAX, 8), UINT64_MAX);
    bus_write(&bus, UINT64_MAX, 1, 8);
}

Test(bus, find_respects_the_last_edge)
{
    struct error err;
    cr_assert_eq(try_map(0x20, 4, &ops1, "b", &err), 0);
    cr_assert_eq(try_map(0x10, 1, &ops1, "a", &err), 0);
    cr_assert_eq(try_map(0x24, 2, &ops1, "c", &err), 0);
    cr_assert_eq(try_map(UINT64_MAX, 1, &ops1, "top", &err), 0);
    for (uint64_t addr = 0; addr < 0x40; addr++) {
        const struct bus_region *r = bus_find(&bus, addr);
        const char *want = addr == 0x10                   ? "a"
                           : addr >= 0x20 && addr <= 0x23 ? "b"
                           : addr == 0x24 || addr == 0x25 ? "c"
                                                          : NULL;
        if (want)
            cr_assert_str_eq(r->name, want);
        else
            cr_assert_null(r);
    }
    cr_assert_str_eq(bus_find(&bus, UINT64_MAX)->name, "top");
    cr_assert_null(bus_find(&bus, UINT64_MAX - 1));
}

Test(bus, overlap_names_both_claimants)
{
    struct error err;
    static const struct {
        uint64_t base, size;
    } bad[] = {{0x20, 4}, {0x1f, 2}, {0x23, 1}, {0x23, 9}, {0, 0x100}, {0, 0x21}, {0x21, 1}};
    cr_assert_eq(try_map(0x20, 4, &ops1, "first", &err), 0);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        cr_assert_eq(try_map(bad[i].base, bad[i].size, &ops1, "second", &err), -EEXIST);
        cr_assert(strstr(err.text, "first") && strstr(err.text, "second"), "%s", err.text);
    }
    cr_assert_eq(try_map(0x1f, 1, &ops1, "below", &err), 0);
    cr_assert_eq(try_map(0x24, 1, &ops1, "above", &err), 0);
    cr_assert_eq(bus.count, 3);
}

Test(bus, impossible_regions_are_refused)
{
    struct error err;
    static const struct bus_ops none = {memory_read, memory_write, 0}, odd = {memory_read, memory_write, 16};
    cr_assert_eq(try_map(0x20, 0, &ops1, "empty", &err), -EINVAL);
    cr_assert_eq(try_map(0, 0, &ops1, "empty", &err), -EINVAL);
    cr_assert_eq(try_map(UINT64_MAX, 2, &ops1, "wraps", &err), -EINVAL);
    cr_assert_eq(try_map(0x20, 1, &none, "none", &err), -EINVAL);
    cr_assert_eq(try_map(0x20, 1, &odd, "odd", &err), -EINVAL);
    cr_assert_eq(try_map(0x20, 1, NULL, "null", &err), -EINVAL);
    cr_assert_eq(bus.count, 0);
    cr_assert_eq(try_map(0, UINT64_MAX, &ops1, "nearly all", NULL), 0);
}

Test(bus, unmap_wants_base_and_owner)
{
    int other;
    cr_assert_eq(try_map(0x20, 4, &ops1, "a", NULL), 0);
    cr_assert_eq(bus_unmap(&bus, 0x21, &memory), -ENOENT);
    cr_assert_eq(bus_unmap(&bus, 0x20, &other), -ENOENT);
    cr_assert_eq(bus_unmap(&bus, 0x20, &memory), 0);
    cr_assert_eq(bus_unmap(&bus, 0x20, &memory), -ENOENT);
    cr_assert_null(bus_find(&bus, 0x20));
}

Test(bus, many_regions_stay_sorted)
{
    for (unsigned i = 0; i < 200; i++)
        cr_assert_eq(try_map((uint64_t)(i * 37 % 200) * 16, 8, &ops1, "r", NULL), 0);
    for (unsigned i = 0; i < 200 * 16; i++)
        cr_assert_eq(!!bus_find(&bus, i), i % 16 < 8);
    for (unsigned i = 0; i < 200; i += 2)
        cr_assert_eq(bus_unmap(&bus, i * 16, &memory), 0);
    for (unsigned i = 0; i < 200 * 16; i++)
        cr_assert_eq(!!bus_find(&bus, i), i % 32 >= 16 && i % 16 < 8);
}

Test(bus, implemented_widths_pass_through)
{
    cr_assert_eq(try_map(0x100, 64, &ops_all, "m", NULL), 0);
    for (unsigned size = 1; size <= 8; size *= 2) {
        uint64_t want = 0;
        memory.count = 0;
        memcpy(&want, memory.bytes + 3, size);
        cr_assert_eq(bus_read(&bus, 0x103, size), want);
        bus_write(&bus, 0x105, 0x8877665544332211, size);
        cr_assert_eq(memory.count, 2);
        cr_assert_eq(memory.log[0].offset, 3);
        cr_assert_eq(memory.log[0].size, size);
        cr_assert_eq(memory.log[1].offset, 5);
        cr_assert_eq(memory.log[1].value, zero_extend(0x8877665544332211, size));
    }
}

Test(bus, wide_access_splits_low_part_first)
{
    cr_assert_eq(try_map(0, 64, &ops2, "m", NULL), 0);
    cr_assert_eq(bus_read(&bus, 4, 8), 0x1b1a191817161514);
    cr_assert_eq(memory.count, 4);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(memory.log[i].offset, 4 + 2 * i);
        cr_assert_eq(memory.log[i].size, 2);
    }
    memory.count = 0;
    bus_write(&bus, 8, 0xddccbbaa, 4);
    cr_assert_eq(memory.count, 2);
    cr_assert_eq(memory.log[0].value, 0xbbaa);
    cr_assert_eq(memory.log[1].value, 0xddcc);
}

Test(bus, widest_implemented_width_is_chosen)
{
    cr_assert_eq(try_map(0, 64, &ops14, "m", NULL), 0);
    bus_read(&bus, 0, 8);
    cr_assert_eq(memory.count, 2);
    cr_assert_eq(memory.log[1].size, 4);
    memory.count = 0;
    cr_assert_eq(bus_read(&bus, 0, 2), 0x1110);
    cr_assert_eq(memory.count, 2);
    cr_assert_eq(memory.log[1].size, 1);
}

Test(bus, narrow_read_takes_its_bytes_and_narrow_write_is_dropped)
{
    cr_assert_eq(try_map(0, 64, &ops4, "m", NULL), 0);
    cr_assert_eq(bus_read(&bus, 6, 1), 0x16);
    cr_assert_eq(memory.log[0].offset, 4);
    cr_assert_eq(memory.log[0].size, 4);
    cr_assert_eq(bus_read(&bus, 6, 2), 0x1716);
    cr_assert_eq(memory.count, 2);
    cr_assert_eq(bus_read(&bus, 7, 2), 0x1817, "crosses two registers");
    cr_assert_eq(memory.count, 4);
    bus_write(&bus, 6, 0, 1);
    bus_write(&bus, 6, 0, 2);
    cr_assert_eq(memory.count, 4);
}

Test(bus, narrow_read_at_the_end_of_a_region_of_odd_size)
{
    cr_assert_eq(try_map(0, 6, &ops4, "m", NULL), 0);
    cr_assert_eq(bus_read(&bus, 3, 1), 0x13);
    cr_assert_eq(bus_read(&bus, 5, 1), 0xff);
    cr_assert_eq(bus_read(&bus, 3, 2), 0xff13);
    cr_assert_eq(memory.count, 2);
}

Test(bus, straddling_access_is_made_bytewise)
{
    cr_assert_eq(try_map(0x10, 2, &ops1, "a", NULL), 0);
    cr_assert_eq(try_map(0x12, 1, &ops_all, "b", NULL), 0);
    cr_assert_eq(bus_read(&bus, 0x10, 4), 0xff101110);
    cr_assert_eq(bus_read(&bus, 0xe, 4), 0x1110ffff);
    memory.count = 0;
    bus_write(&bus, 0xf, 0x44332211, 4);
    cr_assert_eq(memory.count, 3);
    cr_assert_eq(memory.log[0].value, 0x22);
    cr_assert_eq(memory.log[2].value, 0x44);
    cr_assert_eq(memory.log[2].offset, 0);
}

Test(bus, access_that_wraps_the_address_space)
{
    cr_assert_eq(try_map(UINT64_MAX, 1, &ops1, "top", NULL), 0);
    cr_assert_eq(try_map(0, 1, &ops1, "bottom", NULL), 0);
    memory.bytes[0] = 0x5a;
    cr_assert_eq(bus_read(&bus, UINT64_MAX, 4), 0xffff5a5a);
    bus_write(&bus, UINT64_MAX - 1, 0x112233, 4);
    cr_assert_eq(memory.log[2].value, 0x22);
    cr_assert_eq(memory.log[3].value, 0x11);
}

Test(bus, missing_callbacks_are_harmless)
{
    static const struct bus_ops deaf = {NULL, NULL, 1 | 2};
    cr_assert_eq(try_map(0, 8, &deaf, "deaf", NULL), 0);
    cr_assert_eq(bus_read(&bus, 0, 4), 0xffffffff);
    bus_write(&bus, 0, 1, 4);
}

static void moving_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    (void)offset, (void)value, (void)size;
    cr_assert_eq(device, &memory);
    /* Gives itself up and takes many others: the array moves under the access. */
    if (bus_unmap(&bus, 0, &memory) == 0)
        for (unsigned i = 0; i < 40; i++)
            cr_assert_eq(try_map(0x1000 + i, 1, &ops1, "new", NULL), 0);
    note(&memory, true, offset, value, size);
}

Test(bus, device_may_move_during_its_access)
{
    static const struct bus_ops moving = {NULL, moving_write, 1};
    cr_assert_eq(try_map(0, 8, &moving, "moving", NULL), 0);
    bus_write(&bus, 0, 0x04030201, 4);
    cr_assert_eq(memory.count, 4);
    cr_assert_null(bus_find(&bus, 0));
}
