/* The DMA controllers: flip-flop, counters, masks, terminal count, both widths, pages, autoinitialize. */
#include "devices/chips/i8237.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/chip_fixture.h"

enum { LOW = 0x00, PAGES = 0x80, HIGH = 0xc0, TO_MEMORY = 0x44, FROM_MEMORY = 0x48, AUTO = 0x10, DOWN = 0x20 };

static struct bus bus;
static struct space space;
static struct i8237 dma;
static unsigned grants;
static struct error err;

static void on_granted(void *device)
{
    (void)device;
    grants++;
}

static void setup(void)
{
    cr_assert_eq(space_init(&space, 1 << 20, &err), 0, "%s", err.text);
    cr_assert_eq(space_add(&space, 0, 1 << 20, false, "RAM", NULL, &err), 0, "%s", err.text);
    cr_assert_eq(i8237_init(&dma, &(struct i8237_config){.space = &space}), 0);
    bus_init(&bus, "ports");
    map(&bus, LOW, 16, &i8237_low_ops, &dma);
    map(&bus, PAGES, 16, &i8237_page_ops, &dma);
    map(&bus, HIGH, 32, &i8237_high_ops, &dma);
    out8(&bus, HIGH + 0x16, 0xc0); /* channel 4: cascade */
    out8(&bus, HIGH + 0x14, 0);
}

static void teardown(void)
{
    bus_destroy(&bus);
    space_destroy(&space);
}

TestSuite(i8237, .init = setup, .fini = teardown);

/* Channel 2, as the floppy's. */
static void program(uint8_t mode, uint32_t address, uint16_t count)
{
    out8(&bus, 0x0a, 6);
    out8(&bus, 0x0c, 0);
    out8(&bus, 0x0b, mode | 2);
    out8(&bus, 4, (uint8_t)address);
    out8(&bus, 4, (uint8_t)(address >> 8));
    out8(&bus, 5, (uint8_t)count);
    out8(&bus, 5, (uint8_t)(count >> 8));
    out8(&bus, 0x81, (uint8_t)(address >> 16));
    out8(&bus, 0x0a, 2);
}

static uint16_t counter(uint64_t port)
{
    out8(&bus, 0x0c, 0);
    uint8_t low = in8(&bus, port);
    return (uint16_t)(low | in8(&bus, port) << 8);
}

Test(i8237, wants_memory)
{
    cr_assert_eq(i8237_init(&dma, &(struct i8237_config){0}), -EINVAL);
}

Test(i8237, reset_masks_all_and_clears_the_flip_flop)
{
    out8(&bus, 0x0e, 0);
    out8(&bus, 2, 0x12);
    out8(&bus, 8, 4);
    i8237_class.reset(&dma);
    cr_assert_eq(in8(&bus, 0x0f), 0xff);
    cr_assert_eq(in8(&bus, HIGH + 0x1e), 0xff);
    cr_assert_eq(in8(&bus, 8), 0);
    cr_assert_eq(in8(&bus, 2), 0x12, "low byte first");
    cr_assert_eq(in8(&bus, 0x0d), 0, "temporary register");
}

Test(i8237, mask_registers)
{
    out8(&bus, 0x0f, 0x05);
    cr_assert_eq(in8(&bus, 0x0f), 0xf5);
    out8(&bus, 0x0a, 4 | 1);
    out8(&bus, 0x0a, 2);
    cr_assert_eq(in8(&bus, 0x0f), 0xf3);
    out8(&bus, 0x0a, 0);
    cr_assert_eq(in8(&bus, 0x0f), 0xf2);
    out8(&bus, 0x0e, 0);
    cr_assert_eq(in8(&bus, 0x0f), 0xf0);
    out8(&bus, 0x0d, 0);
    cr_assert_eq(in8(&bus, 0x0f), 0xff, "master clear");
}

Test(i8237, bytes_to_memory_until_the_count_ends)
{
    uint8_t bytes[600], back[600];
    bool tc;
    memset(bytes, 0x5a, sizeof(bytes));
    program(TO_MEMORY, 0x23000, 511);
    struct isa_dma *line = i8237_line(&dma, 2);
    isa_dma_request(line, true);
    cr_assert_eq(in8(&bus, 8), 0x40, "the request shows");
    cr_assert_eq(isa_dma_move(line, true, bytes, 200, &tc), 200);
    cr_assert(!tc);
    cr_assert_eq(counter(4), 0x3000 + 200);
    cr_assert_eq(counter(5), 511 - 200);
    cr_assert_eq(isa_dma_move(line, true, bytes, 600, &tc), 312);
    cr_assert(tc);
    cr_assert_eq(in8(&bus, 8) & 0xf, 4);
    cr_assert_eq(in8(&bus, 8) & 0xf, 0, "reading clears it");
    cr_assert_eq(in8(&bus, 0x0f), 0xff, "it masked itself");
    cr_assert_eq(counter(5), 0xffff);
    cr_assert_eq(isa_dma_move(line, true, bytes, 1, &tc), 0);
    space_read_bytes(&space, gpa(0x23000), back, sizeof(back));
    cr_assert_arr_eq(back, bytes, 512);
    cr_assert_eq(back[512], 0);
}

Test(i8237, from_memory_and_against_its_sense)
{
    uint8_t bytes[4] = {0};
    bool tc;
    space_write_bytes(&space, gpa(0x5000), "abcd", 4);
    program(FROM_MEMORY, 0x5000, 99);
    struct isa_dma *line = i8237_line(&dma, 2);
    cr_assert_eq(isa_dma_move(line, false, bytes, 4, &tc), 4);
    cr_assert_arr_eq(bytes, "abcd", 4);
    cr_assert_eq(isa_dma_move(line, true, bytes, 4, &tc), 4, "counted");
    program(0x40, 0x5000, 9); /* verify */
    bytes[0] = 'x';
    cr_assert_eq(isa_dma_move(line, false, bytes, 20, &tc), 10);
    cr_assert(tc && bytes[0] == 'x');
}

Test(i8237, the_page_does_not_carry)
{
    uint8_t bytes[4] = {1, 2, 3, 4}, back[2];
    bool tc;
    program(TO_MEMORY, 0x1fffe, 3);
    cr_assert_eq(isa_dma_move(i8237_line(&dma, 2), true, bytes, 4, &tc), 4);
    space_read_bytes(&space, gpa(0x1fffe), back, 2);
    cr_assert_arr_eq(back, bytes, 2);
    space_read_bytes(&space, gpa(0x10000), back, 2);
    cr_assert_arr_eq(back, bytes + 2, 2);
}

Test(i8237, downwards_and_autoinitialize)
{
    uint8_t bytes[4] = {1, 2, 3, 4}, back[4];
    bool tc;
    program(TO_MEMORY | DOWN | AUTO, 0x6003, 3);
    cr_assert_eq(isa_dma_move(i8237_line(&dma, 2), true, bytes, 6, &tc), 4);
    cr_assert(tc);
    space_read_bytes(&space, gpa(0x6000), back, 4);
    cr_assert_arr_eq(back, ((uint8_t[]){4, 3, 2, 1}), 4);
    cr_assert_eq(counter(4), 0x6003);
    cr_assert_eq(counter(5), 3);
    cr_assert_eq(in8(&bus, 0x0f) & 4, 0, "not masked");
}

Test(i8237, words_on_the_second_controller)
{
    uint8_t bytes[5] = {1, 2, 3, 4, 5}, back[4];
    bool tc;
    out8(&bus, HIGH + 0x16, TO_MEMORY | 1); /* channel 5 */
    out8(&bus, HIGH + 0x18, 0);
    out8(&bus, HIGH + 4, 0x00); /* word address 1000h */
    out8(&bus, HIGH + 4, 0x10);
    out8(&bus, HIGH + 6, 9);
    out8(&bus, HIGH + 6, 0);
    out8(&bus, 0x8b, 0x03); /* bit 0 is not an address bit */
    out8(&bus, HIGH + 0x14, 1);
    cr_assert_eq(isa_dma_move(i8237_line(&dma, 5), true, bytes, 5, &tc), 4, "whole words only");
    space_read_bytes(&space, gpa(0x22000), back, 4);
    cr_assert_arr_eq(back, bytes, 4);
}

Test(i8237, unmasking_grants)
{
    struct isa_dma *line = i8237_line(&dma, 2);
    bool tc;
    line->granted = on_granted;
    isa_dma_request(line, true);
    program(TO_MEMORY, 0, 0);
    cr_assert_geq(grants, 1);
    grants = 0;
    out8(&bus, 8, 4); /* disabled */
    out8(&bus, 0x0a, 2);
    cr_assert_eq(grants, 0);
    cr_assert_eq(isa_dma_move(line, true, NULL, 1, &tc), 0);
    out8(&bus, 8, 0);
    cr_assert_eq(grants, 1);
    out8(&bus, HIGH + 0x14, 4); /* the cascade is masked */
    cr_assert_eq(isa_dma_move(line, true, NULL, 1, &tc), 0);
    out8(&bus, HIGH + 0x14, 0);
    cr_assert_eq(grants, 2);
}

Test(i8237, every_page_register_is_a_byte)
{
    for (unsigned i = 0; i < 16; i++)
        out8(&bus, PAGES + i, (uint8_t)(i * 7));
    for (unsigned i = 0; i < 16; i++)
        cr_assert_eq(in8(&bus, PAGES + i), (uint8_t)(i * 7));
}
