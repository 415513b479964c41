/* The CD-ROM: packet protocol by ports and by DMA, reading, table of contents, sense, the tray. */
#include "devices/chips/piix3_ide.h"

#include <criterion/criterion.h>

#include "tests/unit/disk_fixture.h"

enum { DATA, ERROR, COUNT, LOW, MID, HIGH, DEVICE, STATUS, CONTROL };
enum { DRQ = 8, ERR = 1, READY = 0x50, SECTORS = 400 /* of 2048 bytes */ };

static struct bus bus;
static struct ide ide;
static struct wire irq;
static struct block *disc, *other;
static uint8_t bytes[65536];
static uint8_t memory[8192];
static unsigned mapped;

static unsigned dma_map(void *context, bool to_memory, uint64_t size, struct iovec *pieces, unsigned max)
{
    (void)context, (void)to_memory, (void)max;
    pieces[0] = (struct iovec){memory + mapped, size < 1000 ? size : 1000}; /* in small pieces */
    mapped += (unsigned)pieces[0].iov_len;
    cr_assert_leq(mapped, sizeof(memory));
    return 1;
}

static void dma_unmap(void *context, bool to_memory, const struct iovec *pieces, unsigned count)
{
    (void)context, (void)to_memory, (void)pieces, (void)count;
}

static const struct ide_dma_ops dma = {dma_map, dma_unmap};

static void setup(void)
{
    block_queue_init(&disk_queue, NULL, NULL);
    disc = make_disk(SECTORS * 4, true);
    other = make_disk(80, true);
    struct ide_config config = {.irq = wire_line(&irq), .dma = &dma};
    config.drive[0] = (struct ide_drive_config){.kind = IDE_CDROM, .block = disc};
    cr_assert_eq(ide_init(&ide, &config), 0);
    bus_init(&bus, "ports");
    map(&bus, 0, 8, &ide_command_ops, &ide);
    map(&bus, 8, 1, &ide_control_ops, &ide);
}

static void teardown(void)
{
    ide_class.destroy(&ide);
    block_close(disc);
    block_close(other);
    bus_destroy(&bus);
}

TestSuite(atapi, .init = setup, .fini = teardown);

static void settle(void)
{
    for (unsigned i = 0; i < 12; i++)
        block_drain(disc);
    block_drain(other);
}

static void send_packet(uint8_t features, uint16_t limit, const uint8_t packet[12])
{
    out8(&bus, ERROR, features);
    out8(&bus, MID, (uint8_t)limit);
    out8(&bus, HIGH, (uint8_t)(limit >> 8));
    out8(&bus, STATUS, 0xa0);
    cr_assert_eq(in8(&bus, STATUS), READY | DRQ);
    cr_assert_eq(in8(&bus, COUNT) & 3, 1, "a command");
    for (unsigned i = 0; i < 12; i += 2)
        bus_write(&bus, DATA, packet[i] | packet[i + 1] << 8, 2);
    settle();
}

/* Takes all data of a packet command; returns how much, or minus the sense key. */
static int packet_with(uint16_t limit, const uint8_t packet[12])
{
    int total = 0;
    send_packet(0, limit, packet);
    while (in8(&bus, STATUS) & DRQ) {
        unsigned length = in8(&bus, MID) | in8(&bus, HIGH) << 8;
        cr_assert_eq(in8(&bus, COUNT) & 3, 2, "data to the host");
        cr_assert(length && length <= limit);
        for (unsigned i = 0; i < length; i += 2, total += 2) {
            uint16_t word = (uint16_t)bus_read(&bus, DATA, 2);
            memcpy(bytes + total, &word, 2);
        }
        settle();
    }
    cr_assert_eq(in8(&bus, COUNT) & 3, 3, "the end");
    return in8(&bus, STATUS) & ERR ? -(in8(&bus, ERROR) >> 4) : total;
}

#define PACKET(limit, ...) packet_with(limit, (const uint8_t[12]){__VA_ARGS__})

static unsigned be32(const uint8_t *at)
{
    return (unsigned)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static uint32_t sense(void)
{
    cr_assert_eq(PACKET(512, 3, 0, 0, 0, 18), 18);
    return (uint32_t)(bytes[2] << 16 | bytes[12] << 8 | bytes[13]);
}

Test(atapi, is_recognized_by_its_signature)
{
    out8(&bus, CONTROL, 4);
    out8(&bus, CONTROL, 0);
    cr_assert_eq(in8(&bus, MID), 0x14);
    cr_assert_eq(in8(&bus, HIGH), 0xeb);
    cr_assert_eq(in8(&bus, STATUS), 0);
    out8(&bus, MID, 0);
    out8(&bus, STATUS, 0xec);
    cr_assert_eq(in8(&bus, STATUS) & ERR, ERR);
    cr_assert_eq(in8(&bus, ERROR), 4);
    cr_assert_eq(in8(&bus, MID), 0x14);
    out8(&bus, MID, 0);
    out8(&bus, STATUS, 8);
    cr_assert_eq(in8(&bus, HIGH), 0xeb);
    out8(&bus, STATUS, 0xa1);
    cr_assert_eq(bus_read(&bus, DATA, 2), 0x85c0);
    for (unsigned i = 1; i < 256; i++)
        bus_read(&bus, DATA, 2);
    cr_assert_eq(in8(&bus, STATUS), READY);
}

Test(atapi, inquiry_is_cut_to_the_allocation)
{
    cr_assert_eq(PACKET(100, 0x12, 0, 0, 0, 36), 36);
    cr_assert_eq(bytes[0], 5);
    cr_assert_arr_eq(bytes + 8, "RING3   CD-ROM ", 15);
    cr_assert_eq(PACKET(100, 0x12, 0, 0, 0, 6), 6);
    cr_assert_eq(PACKET(100, 0x12, 0, 0, 0, 0), 0);
    cr_assert_eq(PACKET(100, 0x12, 1, 0x80, 0, 36), -5);
    cr_assert_eq(sense(), 0x052400);
}

Test(atapi, reads_in_blocks_of_the_byte_count)
{
    cr_assert_eq(PACKET(8, 0x25), 8);
    cr_assert_eq(be32(bytes), SECTORS - 1);
    cr_assert_eq(be32(bytes + 4), 2048);
    unsigned rises = irq.rises;
    cr_assert_eq(PACKET(2048, 0x28, 0, 0, 0, 0, 10, 0, 0, 2), 4096);
    cr_assert_eq(irq.rises, rises + 3);
    cr_assert_eq(bytes[0], sector_byte(40));
    cr_assert_eq(bytes[4095], sector_byte(47));
    cr_assert_eq(PACKET(5000, 0x28, 0, 0, 0, 0, 10, 0, 0, 20), 40960, "a byte count that divides nothing");
    cr_assert_eq(bytes[20000], sector_byte(40 + 20000 / 512));
    cr_assert_eq(PACKET(0xfffe, 0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 31), 31 * 2048);
    cr_assert_eq(PACKET(2048, 0x28, 0, 0, 0, 1, 0x8f, 0, 0, 2), -5);
    cr_assert_eq(sense(), 0x052100);
    cr_assert_eq(sense(), 0, "once");
    cr_assert_eq(PACKET(2048, 0x28), 0, "nothing asked for");
}

Test(atapi, more_than_a_chunk_in_one_command)
{
    int total = 0;
    send_packet(0, 0x8000, (const uint8_t[12]){0x28, 0, 0, 0, 0, 0, 0, 0, 200});
    while (in8(&bus, STATUS) & DRQ) {
        unsigned length = in8(&bus, MID) | in8(&bus, HIGH) << 8;
        for (unsigned i = 0; i < length; i += 4, total += 4)
            cr_assert_eq(bus_read(&bus, DATA, 4) & 0xff, sector_byte((unsigned)total / 512));
        settle();
    }
    cr_assert_eq(total, 200 * 2048);
}

Test(atapi, dma)
{
    send_packet(1, 0, (const uint8_t[12]){0x28, 0, 0, 0, 0, 20, 0, 0, 3});
    cr_assert_eq(in8(&bus, STATUS), READY);
    cr_assert_eq(in8(&bus, COUNT) & 3, 3);
    cr_assert_eq(mapped, 3 * 2048);
    cr_assert_eq(memory[0], sector_byte(80));
    cr_assert_eq(memory[3 * 2048 - 1], sector_byte(91));
    mapped = 0;
    send_packet(1, 0, (const uint8_t[12]){0x12, 0, 0, 0, 36});
    cr_assert_eq(mapped, 36);
    cr_assert_arr_eq(memory + 8, "RING3", 5);
    mapped = 0;
    send_packet(1, 0, (const uint8_t[12]){0xbe, 0, 0, 0, 0, 20, 0, 0, 2, 0xf8});
    cr_assert_eq(mapped, 2 * 2352);
    cr_assert_eq(memory[2352 + 16], sector_byte(84));
}

Test(atapi, raw_sectors)
{
    static const uint8_t start[16] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 2, 0x16, 1};
    cr_assert_eq(PACKET(2352, 0xbe, 0, 0, 0, 0, 16, 0, 0, 1, 0xf8), 2352);
    cr_assert_arr_eq(bytes, start, 16);
    cr_assert_eq(bytes[16], sector_byte(64));
    cr_assert_eq(bytes[2351], 0);
    cr_assert_eq(PACKET(2048, 0xbe, 0, 0, 0, 0, 16, 0, 0, 1, 0x10), 2048);
    cr_assert_eq(PACKET(2048, 0xb9, 0, 0, 0, 2, 16, 0, 2, 17, 0x10), 2048);
    cr_assert_eq(bytes[0], sector_byte(64));
    cr_assert_eq(PACKET(2048, 0xbe, 4, 0, 0, 0, 16, 0, 0, 1, 0x10), -5, "audio");
}

Test(atapi, table_of_contents)
{
    cr_assert_eq(PACKET(512, 0x43, 0, 0, 0, 0, 0, 0, 0, 100), 20);
    cr_assert_eq(bytes[1], 18);
    cr_assert_eq(bytes[6], 1);
    cr_assert_eq(bytes[14], 0xaa);
    cr_assert_eq(be32(bytes + 16), SECTORS);
    cr_assert_eq(PACKET(512, 0x43, 2, 0, 0, 0, 0, 0xaa, 0, 100), 12);
    cr_assert_eq(be32(bytes + 8), (SECTORS + 150) / 75 << 8 | (SECTORS + 150) % 75);
    cr_assert_eq(PACKET(512, 0x43, 0, 1, 0, 0, 0, 0, 0, 100), 12);
    cr_assert_eq(PACKET(512, 0x43, 0, 0, 0, 0, 0, 0, 0, 100, 0x80), 48, "the old place of the format");
    cr_assert_eq(PACKET(512, 0x43, 0, 0, 0, 0, 0, 2, 0, 100), -5);
}

Test(atapi, modes_features_and_events)
{
    cr_assert_eq(PACKET(512, 0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 100), 28);
    cr_assert_eq(bytes[1], 26);
    cr_assert_eq(bytes[8], 0x2a);
    cr_assert_eq(PACKET(512, 0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 200), 56);
    cr_assert_eq(PACKET(512, 0x5a, 0, 0xc1, 0, 0, 0, 0, 0, 100), -5);
    cr_assert_eq(sense(), 0x053900);
    int length = PACKET(512, 0x46, 0, 0, 0, 0, 0, 0, 2, 0);
    cr_assert_eq(be32(bytes), (unsigned)length - 4);
    cr_assert_eq(bytes[7], 8, "a CD");
    cr_assert_eq(PACKET(512, 0x46, 2, 0, 3, 0, 0, 0, 2, 0), 16);
    cr_assert_eq(PACKET(512, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    cr_assert_eq(bytes[5], 2, "a medium is in");
    cr_assert_eq(PACKET(512, 0x4a, 0, 0, 0, 0x10, 0, 0, 0, 8), -5);
    cr_assert_eq(PACKET(512, 0x4a, 1, 0, 0, 0x02, 0, 0, 0, 8), 4);
    cr_assert_eq(PACKET(512, 0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8), 8);
    cr_assert_eq(PACKET(512, 0x51, 0, 0, 0, 0, 0, 0, 0, 34), 34);
    cr_assert_eq(PACKET(512, 0xdd), -5);
    cr_assert_eq(sense(), 0x052000);
}

Test(atapi, mode_select_takes_its_parameters)
{
    send_packet(0, 6, (const uint8_t[12]){0x55, 0x10, 0, 0, 0, 0, 0, 0, 16});
    for (unsigned i = 0; i < 8; i++) {
        cr_assert_eq(in8(&bus, STATUS), READY | DRQ);
        cr_assert_eq(in8(&bus, COUNT) & 3, 0);
        bus_write(&bus, DATA, 0, 2);
    }
    cr_assert_eq(in8(&bus, STATUS), READY);
    cr_assert_eq(in8(&bus, COUNT) & 3, 3);
}

Test(atapi, media_change)
{
    cr_assert_eq(PACKET(512, 0), 0);
    ide_change_medium(&ide, 0, NULL);
    cr_assert_eq(PACKET(512, 0), -2);
    cr_assert_eq(sense(), 0x023a02);
    cr_assert_eq(PACKET(512, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    cr_assert_eq(bytes[4], 3, "removed");
    ide_change_medium(&ide, 0, other);
    cr_assert_eq(PACKET(512, 0x12, 0, 0, 0, 36), 36, "INQUIRY is not disturbed");
    cr_assert_eq(PACKET(2048, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), -6);
    cr_assert_eq(sense(), 0x062800);
    cr_assert_eq(PACKET(8, 0x25), 8);
    cr_assert_eq(be32(bytes), 19);
    cr_assert_eq(PACKET(512, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    cr_assert_eq(bytes[4], 2, "new medium");
}

Test(atapi, the_tray)
{
    cr_assert_eq(PACKET(512, 0x1e, 0, 0, 0, 1), 0);
    cr_assert(ide_tray_locked(&ide, 0));
    cr_assert_eq(PACKET(512, 0x1b, 0, 0, 0, 2), -5);
    cr_assert_eq(sense(), 0x055302);
    ide_eject_request(&ide, 0);
    cr_assert_eq(PACKET(512, 0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8), 8);
    cr_assert_eq(bytes[4], 1);
    cr_assert_eq(PACKET(512, 0x1e), 0);
    cr_assert_eq(PACKET(512, 0x1b, 0, 0, 0, 2), 0);
    cr_assert(ide_tray_open(&ide, 0));
    cr_assert_eq(PACKET(512, 0), -2);
    cr_assert_eq(PACKET(512, 0x1b, 0, 0, 0, 3), 0);
    cr_assert_eq(PACKET(512, 0), -6);
    cr_assert_eq(PACKET(512, 0), 0);
}

Test(atapi, a_medium_taken_out_while_it_is_read)
{
    out8(&bus, MID, 0);
    out8(&bus, HIGH, 8);
    send_packet(0, 2048, (const uint8_t[12]){0x28, 0, 0, 0, 0, 0, 0, 0, 100});
    ide_change_medium(&ide, 0, NULL);
    cr_assert_eq(in8(&bus, STATUS), READY | ERR);
    cr_assert_eq(sense(), 0x023a00);
}
