/* The floppy controller: reset, seeks, reading and writing by DMA and by bytes, formats, errors, the change line. */
#include "devices/chips/i82077.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "devices/chips/i8237.h"
#include "tests/unit/disk_fixture.h"

enum { SRA, SRB, DOR, TDR, MSR, FIFO, DIR = 7, DMA = 0x10, PAGE = 0x30, BUFFER = 0x20000 };
enum { RQM = 0x80, DIO = 0x40, NDMA = 0x20, CB = 0x10, TO_MEMORY = 0x46, FROM_MEMORY = 0x4a };

static struct bus bus;
static struct vclock vclock;
static struct space space;
static struct i8237 dma;
static struct i82077 fdc;
static struct wire irq;
static struct block *disk, *protected_disk;

static void settle(void)
{
    for (unsigned i = 0; i < 40; i++)
        block_drain(disk);
    block_drain(protected_disk);
    vclock_step(&vclock, 1000000);
}

static void setup(void)
{
    block_queue_init(&disk_queue, NULL, NULL);
    vclock_init(&vclock, NULL, NULL);
    make_memory(&space, 1 << 20);
    disk = make_disk(2880, false);
    protected_disk = make_disk(720, true);
    cr_assert_eq(i8237_init(&dma, &(struct i8237_config){.space = &space}), 0);
    struct i82077_config config = {.clock = &vclock,
                                   .irq = wire_line(&irq),
                                   .dma = i8237_line(&dma, 2),
                                   .present = {true, true},
                                   .block = {disk, protected_disk}};
    cr_assert_eq(i82077_init(&fdc, &config), 0);
    bus_init(&bus, "ports");
    map(&bus, 0, I82077_SIZE, &i82077_ops, &fdc);
    map(&bus, DIR, 1, &i82077_dir_ops, &fdc);
    map(&bus, DMA, 16, &i8237_low_ops, &dma);
    map(&bus, PAGE, 16, &i8237_page_ops, &dma);
    map(&bus, 0x40, 32, &i8237_high_ops, &dma);
    out8(&bus, 0x40 + 0x14, 0);
}

static void teardown(void)
{
    i82077_class.destroy(&fdc);
    block_close(disk);
    block_close(protected_disk);
    bus_destroy(&bus);
    space_destroy(&space);
}

TestSuite(i82077, .init = setup, .fini = teardown);

static void command_bytes(const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(in8(&bus, MSR) & (RQM | DIO), RQM, "byte %u of command %02x", i, bytes[0]);
        out8(&bus, FIFO, bytes[i]);
    }
}

#define COMMAND(...) command_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static uint8_t result[16];

static unsigned take_result(void)
{
    unsigned count = 0;
    while ((in8(&bus, MSR) & (RQM | DIO)) == (RQM | DIO)) {
        cr_assert_lt(count, sizeof(result));
        result[count++] = in8(&bus, FIFO);
    }
    cr_assert_eq(in8(&bus, MSR) & CB, 0);
    return count;
}

static void expect_result(uint8_t st0, uint8_t st1, uint8_t st2, uint8_t c, uint8_t h, uint8_t r)
{
    settle();
    cr_assert(irq.level);
    cr_assert_eq(take_result(), 7);
    cr_assert(!irq.level, "the first byte takes it away");
    const uint8_t wanted[] = {st0, st1, st2, c, h, r, 2};
    cr_assert_arr_eq(result, wanted, 7, "%02x %02x %02x %u %u %u", result[0], result[1], result[2], result[3],
                     result[4], result[5]);
}

static void sense_interrupt(uint8_t st0, uint8_t track)
{
    COMMAND(8);
    cr_assert_eq(take_result(), 2);
    cr_assert_eq(result[0], st0, "%02x", result[0]);
    cr_assert_eq(result[1], track);
}

/* Out of reset, motors on, 500 kbit/s, DMA. */
static void start(void)
{
    out8(&bus, DOR, 0x3c);
    settle();
    for (uint8_t i = 0; i < 4; i++)
        sense_interrupt(0xc0 | i, 0);
    out8(&bus, DIR, 0);
    COMMAND(3, 0xaf, 0x02);
}

static void set_dma(uint8_t mode, unsigned bytes)
{
    out8(&bus, DMA + 0xa, 6);
    out8(&bus, DMA + 0xc, 0);
    out8(&bus, DMA + 0xb, mode);
    out8(&bus, DMA + 4, 0);
    out8(&bus, DMA + 4, 0);
    out8(&bus, DMA + 5, (uint8_t)(bytes - 1));
    out8(&bus, DMA + 5, (uint8_t)((bytes - 1) >> 8));
    out8(&bus, PAGE + 1, BUFFER >> 16);
    out8(&bus, DMA + 0xa, 2);
}

static void seek(uint8_t unit, uint8_t track)
{
    COMMAND(0xf, unit, track);
    cr_assert_eq(in8(&bus, MSR), RQM | 1 << unit);
    cr_assert(!irq.level, "not inside the write");
    settle();
    cr_assert(irq.level);
    sense_interrupt(0x20 | unit, track);
    cr_assert(!irq.level);
}

static uint8_t memory_byte(unsigned offset)
{
    uint8_t byte;
    space_read_bytes(&space, gpa(BUFFER + offset), &byte, 1);
    return byte;
}

static unsigned sector(unsigned c, unsigned h, unsigned r)
{
    return (c * 2 + h) * 18 + r - 1;
}

Test(i82077, reset)
{
    cr_assert_eq(in8(&bus, MSR), 0);
    cr_assert_eq(in8(&bus, DOR), 0);
    cr_assert_eq(in8(&bus, SRA), 0xff);
    out8(&bus, DOR, 0x0c);
    cr_assert(!irq.level);
    settle();
    cr_assert(irq.level);
    cr_assert_eq(in8(&bus, MSR), RQM);
    sense_interrupt(0xc0, 0);
    cr_assert(!irq.level);
    for (uint8_t i = 1; i < 4; i++)
        sense_interrupt(0xc0 | i, 0);
    COMMAND(8);
    cr_assert_eq(take_result(), 1);
    cr_assert_eq(result[0], 0x80, "nothing is left to sense");
    out8(&bus, MSR, 0x80); /* DSR: reset */
    settle();
    cr_assert(irq.level);
    out8(&bus, DOR, 0x04);
    cr_assert(!irq.level, "the DMA gate gates it");
}

Test(i82077, wants_a_clock_and_a_disk_of_a_known_size)
{
    struct i82077 other;
    struct block *odd = make_disk(100, true);
    cr_assert_eq(i82077_init(&other, &(struct i82077_config){0}), -EINVAL);
    struct i82077_config config = {.clock = &vclock, .present = {true}, .block = {odd}};
    cr_assert_eq(i82077_init(&other, &config), -EINVAL);
    block_close(odd);
    cr_assert_eq(i82077_drive_kind(&fdc, 0), I82077_1440K);
    cr_assert_eq(i82077_drive_kind(&fdc, 1), I82077_360K);
    for (unsigned sectors = 0; sectors < 6000; sectors++) {
        const struct i82077_format *f = i82077_find_format(sectors * 512ull);
        cr_assert(!f || f->cylinders * f->heads * f->sectors == (int)sectors);
    }
}

Test(i82077, reads_by_dma_until_terminal_count)
{
    start();
    seek(0, 3);
    set_dma(TO_MEMORY, 3 * 512);
    COMMAND(0xe6, 0, 3, 0, 2, 2, 18, 0x1b, 0xff);
    cr_assert_eq(in8(&bus, MSR), CB);
    expect_result(0, 0, 0, 3, 0, 5);
    cr_assert_eq(memory_byte(0), sector_byte(sector(3, 0, 2)));
    cr_assert_eq(memory_byte(1535), sector_byte(sector(3, 0, 4)));
    cr_assert_eq(memory_byte(1536), 0);
}

Test(i82077, both_heads_of_a_cylinder)
{
    start();
    seek(0, 1);
    set_dma(TO_MEMORY, 36 * 512);
    COMMAND(0xe6, 0, 1, 0, 1, 2, 18, 0x1b, 0xff);
    expect_result(4, 0, 0, 2, 0, 1);
    cr_assert_eq(memory_byte(17 * 512), sector_byte(sector(1, 0, 18)));
    cr_assert_eq(memory_byte(18 * 512), sector_byte(sector(1, 1, 1)));
    cr_assert_eq(memory_byte(36 * 512 - 1), sector_byte(sector(1, 1, 18)));
}

Test(i82077, end_of_cylinder_without_terminal_count)
{
    start();
    set_dma(TO_MEMORY, 10 * 512);
    COMMAND(0x46, 4, 0, 1, 17, 2, 18, 0x1b, 0xff);
    expect_result(0x44, 0x80, 0, 1, 1, 1);
    cr_assert_eq(memory_byte(512), sector_byte(sector(0, 1, 18)));
}

Test(i82077, writes_and_fills_the_last_sector_with_zeros)
{
    uint8_t data[1024];
    memset(data, 0x6d, sizeof(data));
    space_write_bytes(&space, gpa(BUFFER), data, sizeof(data));
    start();
    seek(0, 2);
    set_dma(FROM_MEMORY, 700);
    COMMAND(0xc5, 0, 2, 0, 5, 2, 18, 0x1b, 0xff);
    expect_result(0, 0, 0, 2, 0, 7);
    cr_assert_eq(disk_byte(disk, sector(2, 0, 5) * 512), 0x6d);
    cr_assert_eq(disk_byte(disk, sector(2, 0, 6) * 512 + 187), 0x6d);
    cr_assert_eq(disk_byte(disk, sector(2, 0, 6) * 512 + 188), 0);
    cr_assert_eq(disk_byte(disk, sector(2, 0, 7) * 512), sector_byte(sector(2, 0, 7)));
}

Test(i82077, waits_for_the_dma_channel)
{
    start();
    out8(&bus, DMA + 0xa, 6);
    COMMAND(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    settle();
    cr_assert_eq(in8(&bus, MSR), CB);
    cr_assert_eq(in8(&bus, DMA + 8) & 0x40, 0x40, "DREQ");
    set_dma(TO_MEMORY, 512);
    expect_result(0, 0, 0, 0, 0, 2);
}

Test(i82077, bytes_through_the_data_register)
{
    start();
    COMMAND(3, 0xaf, 0x03);
    COMMAND(0x46, 0, 0, 0, 18, 2, 18, 0x1b, 0xff);
    settle();
    for (unsigned i = 0; i < 512; i++) {
        cr_assert_eq(in8(&bus, MSR), RQM | DIO | NDMA | CB);
        cr_assert(irq.level);
        cr_assert_eq(in8(&bus, FIFO), sector_byte(17));
    }
    expect_result(0x40, 0x80, 0, 1, 0, 1);
    COMMAND(0x45, 0, 0, 0, 18, 2, 18, 0x1b, 0xff);
    for (unsigned i = 0; i < 512; i++) {
        cr_assert_eq(in8(&bus, MSR), RQM | NDMA | CB);
        out8(&bus, FIFO, (uint8_t)i);
    }
    expect_result(0x40, 0x80, 0, 1, 0, 1);
    cr_assert_eq(disk_byte(disk, 17 * 512 + 200), 200);
}

Test(i82077, what_is_not_there)
{
    start();
    set_dma(TO_MEMORY, 512);
    COMMAND(0x46, 0, 0, 0, 19, 2, 18, 0x1b, 0xff);
    expect_result(0x40, 0x04, 0, 0, 0, 19);
    COMMAND(0x46, 0, 5, 0, 1, 2, 18, 0x1b, 0xff);
    expect_result(0x40, 0x04, 0x10, 5, 0, 1); /* another cylinder */
    COMMAND(0x06, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    expect_result(0x40, 0x01, 0, 0, 0, 1); /* FM */
    out8(&bus, DIR, 2);
    COMMAND(0x46, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    expect_result(0x40, 0x01, 0, 0, 0, 1); /* 250 kbit/s */
    COMMAND(0x46, 1, 0, 0, 1, 2, 9, 0x1b, 0xff);
    expect_result(0x01, 0, 0, 0, 0, 2); /* which the 360K disk has */
    COMMAND(0x45, 1, 0, 0, 1, 2, 9, 0x1b, 0xff);
    expect_result(0x41, 0x02, 0, 0, 0, 1); /* but it is protected */
    COMMAND(0x46, 2, 0, 0, 1, 2, 9, 0x1b, 0xff);
    expect_result(0x42, 0x01, 0, 0, 0, 1); /* no such drive */
}

Test(i82077, recalibrate)
{
    start();
    seek(0, 10);
    COMMAND(7, 0);
    settle();
    sense_interrupt(0x20, 0);
    COMMAND(7, 3);
    settle();
    sense_interrupt(0x73, 0);
    COMMAND(0xcf, 0, 7); /* relative, up */
    settle();
    sense_interrupt(0x20, 7);
    COMMAND(0x8f, 0, 3);
    settle();
    sense_interrupt(0x20, 4);
    COMMAND(4, 0);
    cr_assert_eq(take_result(), 1);
    cr_assert_eq(result[0], 0x28);
    COMMAND(4, 5);
    take_result();
    cr_assert_eq(result[0], 0x28 | 0x10 | 0x40 | 5, "track 0, protected");
}

Test(i82077, read_id_goes_round_the_track)
{
    start();
    seek(0, 9);
    for (uint8_t i = 0; i < 20; i++) {
        COMMAND(0x4a, 4);
        expect_result(4, 0, 0, 9, 1, (uint8_t)(i % 18 + 1));
    }
}

Test(i82077, format_fills_a_track)
{
    start();
    seek(0, 79);
    for (uint8_t i = 0; i < 18; i++)
        space_write_bytes(&space, gpa(BUFFER + i * 4u), (uint8_t[]){79, 0, i + 1, 2}, 4);
    set_dma(FROM_MEMORY, 18 * 4);
    COMMAND(0x4d, 0, 2, 18, 0x54, 0xf6);
    settle();
    cr_assert_eq(take_result(), 7);
    cr_assert_eq(result[0], 0);
    for (unsigned r = 1; r <= 18; r++)
        cr_assert_eq(disk_byte(disk, sector(79, 0, r) * 512 + r), 0xf6);
    cr_assert_eq(disk_byte(disk, sector(79, 1, 1) * 512), sector_byte(sector(79, 1, 1)));
}

Test(i82077, verify_moves_no_data)
{
    start();
    COMMAND(0xf6, 0x80, 0, 0, 1, 2, 18, 0x1b, 20); /* EC: 20 sectors over both heads */
    expect_result(4, 0, 0, 0, 1, 3);
    COMMAND(0x56, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
    expect_result(0, 0, 0, 1, 0, 1);
}

Test(i82077, scan_compares)
{
    uint8_t data[1024];
    memset(data, sector_byte(1), sizeof(data));
    space_write_bytes(&space, gpa(BUFFER), data, sizeof(data));
    start();
    set_dma(FROM_MEMORY, 1024);
    COMMAND(0x51, 0, 0, 0, 1, 2, 18, 0x1b, 1);
    settle();
    cr_assert_eq(take_result(), 7);
    cr_assert_eq(result[2] & 0xc, 8, "the second sector is equal");
    set_dma(FROM_MEMORY, 1024);
    COMMAND(0x51, 0, 0, 0, 5, 2, 18, 0x1b, 1);
    settle();
    take_result();
    cr_assert_eq(result[2] & 0xc, 4, "none is");
}

Test(i82077, small_commands)
{
    start();
    COMMAND(0x10);
    take_result();
    cr_assert_eq(result[0], 0x90);
    COMMAND(0x13, 0, 0x57, 3);
    COMMAND(0x94);
    take_result();
    cr_assert_eq(result[0], 0x10);
    COMMAND(0x12, 0x84);
    COMMAND(0x0e);
    cr_assert_eq(take_result(), 10);
    cr_assert_eq(result[4], 0xaf);
    cr_assert_eq(result[7], 0x84);
    cr_assert_eq(result[8], 0x57);
    cr_assert_eq(result[9], 3);
    out8(&bus, MSR, 0x80);
    settle();
    for (uint8_t i = 0; i < 4; i++)
        sense_interrupt(0xc0 | i, 0);
    COMMAND(0x0e);
    take_result();
    cr_assert_eq(result[8], 0x07, "locked: the threshold stays");
    COMMAND(0x00);
    cr_assert_eq(take_result(), 1);
    cr_assert_eq(result[0], 0x80);
    COMMAND(0xf0);
    cr_assert_eq(take_result(), 1);
}

Test(i82077, implied_seek)
{
    start();
    COMMAND(0x13, 0, 0x40, 0);
    set_dma(TO_MEMORY, 512);
    COMMAND(0x46, 0, 40, 0, 1, 2, 18, 0x1b, 0xff);
    expect_result(0, 0, 0, 40, 0, 2);
    cr_assert_eq(memory_byte(0), sector_byte(sector(40, 0, 1)));
}

Test(i82077, change_line)
{
    start();
    cr_assert_eq(in8(&bus, DIR), 0x80, "as at power-up");
    seek(0, 1);
    cr_assert_eq(in8(&bus, DIR), 0);
    i82077_change_disk(&fdc, 0, NULL);
    cr_assert_eq(in8(&bus, DIR), 0x80);
    seek(0, 2);
    cr_assert_eq(in8(&bus, DIR), 0x80, "no disk: it stays");
    set_dma(TO_MEMORY, 512);
    COMMAND(0x46, 0, 2, 0, 1, 2, 18, 0x1b, 0xff);
    expect_result(0x40, 1, 0, 2, 0, 1);
    i82077_change_disk(&fdc, 0, disk);
    seek(0, 1);
    cr_assert_eq(in8(&bus, DIR), 0);
    COMMAND(0x46, 0, 1, 0, 1, 2, 18, 0x1b, 0xff);
    expect_result(0, 0, 0, 1, 0, 2);
}

Test(i82077, reset_in_the_middle)
{
    start();
    for (unsigned i = 0; i < 50; i++) {
        set_dma(TO_MEMORY, 36 * 512);
        COMMAND(0xe6, 0, 0, 0, 1, 2, 18, 0x1b, 0xff);
        out8(&bus, DOR, 0);
        start();
    }
}
