/* The flash memory: commands, status, what reads show, what is kept. */
#include "devices/chips/pflash.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/disk_fixture.h"

enum { SIZE = 16 * 4096 };

static struct bus bus;
static struct pflash flash;
static struct block *image;
static uint8_t storage[SIZE];
static bool shown = true;

static void on_shown(void *context, bool is)
{
    (void)context;
    shown = is;
}

static void setup_with(bool readonly)
{
    struct pflash_config config = {
        .storage = storage, .size = SIZE, .readonly = readonly, .block = image, .array_shown = on_shown};
    cr_assert_eq(pflash_init(&flash, &config), 0);
    bus_init(&bus, "memory");
    map(&bus, 0, SIZE, &pflash_ops, &flash);
}

static void setup(void)
{
    block_queue_init(&disk_queue, NULL, NULL);
    image = make_disk(SIZE / 512, false);
    cr_assert_eq(block_read_now(image, 0, storage, SIZE), 0);
    setup_with(false);
}

static void teardown(void)
{
    pflash_class.destroy(&flash);
    block_close(image);
    bus_destroy(&bus);
}

TestSuite(pflash, .init = setup, .fini = teardown);

Test(pflash, wants_storage_of_whole_blocks)
{
    struct pflash other;
    cr_assert_eq(pflash_init(&other, &(struct pflash_config){.storage = storage, .size = 5000}), -EINVAL);
    cr_assert_eq(pflash_init(&other, &(struct pflash_config){.size = 4096}), -EINVAL);
}

Test(pflash, how_firmware_recognizes_it)
{
    uint8_t original = in8(&bus, 100);
    out8(&bus, 100, 0x50);
    cr_assert_eq(in8(&bus, 100), original);
    out8(&bus, 100, 0x70);
    cr_assert(!shown);
    cr_assert_eq(in8(&bus, 100), 0);
    out8(&bus, 100, 0xff);
    cr_assert(shown);
    cr_assert_eq(in8(&bus, 100), original);
}

Test(pflash, erase_and_program)
{
    out8(&bus, 0x2100, 0x20);
    out8(&bus, 0x2100, 0xd0);
    cr_assert_eq(in8(&bus, 0), 0x80);
    cr_assert_eq(storage[0x2000], 0xff);
    cr_assert_eq(storage[0x2fff], 0xff);
    cr_assert_neq(storage[0x3000], 0xff);
    out8(&bus, 0x2010, 0x10);
    out8(&bus, 0x2010, 0x5a);
    out8(&bus, 0x2010, 0x40);
    out8(&bus, 0x2010, 0xf0);
    cr_assert_eq(in8(&bus, 0x2010), 0x80);
    out8(&bus, 0, 0xff);
    cr_assert_eq(in8(&bus, 0x2010), 0x50, "bits only fall");
    pflash_class.destroy(&flash);
    cr_assert_eq(disk_byte(image, 0x2010), 0x50);
    cr_assert_eq(disk_byte(image, 0x2011), 0xff);
}

Test(pflash, write_buffer)
{
    out8(&bus, 0x1000, 0x20);
    out8(&bus, 0x1000, 0xd0);
    out8(&bus, 0x1000, 0xe8);
    cr_assert_eq(in8(&bus, 0x1000), 0x80, "free");
    out8(&bus, 0x1000, 3);
    for (unsigned i = 0; i < 4; i++)
        out8(&bus, 0x1004 + i, (uint8_t)i);
    out8(&bus, 0x1000, 0xd0);
    cr_assert_eq(in8(&bus, 0x1000), 0x80);
    out8(&bus, 0x1000, 0xff);
    cr_assert_eq(bus_read(&bus, 0x1004, 4), 0x03020100);
    cr_assert_eq(in8(&bus, 0x1008), 0xff);
    out8(&bus, 0x1000, 0xe8);
    out8(&bus, 0x1000, 1);
    out8(&bus, 0x3000, 0); /* outside */
    cr_assert_eq(in8(&bus, 0x1000), 0xb0);
}

Test(pflash, wrong_sequences)
{
    out8(&bus, 0, 0x20);
    out8(&bus, 0, 0x20);
    cr_assert_eq(in8(&bus, 0), 0xb0);
    out8(&bus, 0, 0x50);
    out8(&bus, 0, 0x70);
    cr_assert_eq(in8(&bus, 0), 0);
    out8(&bus, 0, 0x60);
    out8(&bus, 0, 0xd0);
    cr_assert_eq(in8(&bus, 0), 0x80, "nothing is locked");
}

Test(pflash, identifier_and_query)
{
    out8(&bus, 0, 0x90);
    cr_assert_eq(in8(&bus, 0), 0x89);
    cr_assert_eq(in8(&bus, 1), 0x18);
    cr_assert_eq(in8(&bus, 2), 0);
    out8(&bus, 0x55, 0x98);
    cr_assert_eq(bus_read(&bus, 0x10, 4), 0x01595251);
    cr_assert_eq(in8(&bus, 0x27), 16, "64 KiB");
    cr_assert_eq(in8(&bus, 0x2d), 15, "blocks, less one");
    cr_assert_eq(bus_read(&bus, 0x2f, 2), 16, "of 4096 bytes");
    pflash_class.reset(&flash);
    cr_assert(shown);
}

Test(pflash, read_only)
{
    bus_destroy(&bus);
    setup_with(true);
    uint8_t before = storage[5];
    out8(&bus, 5, 0x10);
    out8(&bus, 5, 0);
    cr_assert_eq(in8(&bus, 5), 0x92);
    out8(&bus, 5, 0x50);
    out8(&bus, 5, 0x20);
    out8(&bus, 5, 0xd0);
    cr_assert_eq(in8(&bus, 5), 0xa2);
    cr_assert_eq(storage[5], before);
}
