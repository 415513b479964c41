/* IDE disks: the task file, data by ports and by the PIIX3's bus master, addresses, errors, resets, IDENTIFY, SMART. */
#include "devices/chips/piix3_ide.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/disk_fixture.h"

enum {
    DATA = 0x1f0,
    ERROR,
    COUNT,
    LOW,
    MID,
    HIGH,
    DEVICE,
    STATUS,
    CONTROL = 0x3f6,
    MASTER = 0xc000,
    SECTORS = 4096,
    BSY = 0x80,
    DRDY = 0x40,
    DRQ = 8,
    ERR = 1,
    READY = 0x50,
    TABLE = 0x1000,
    MEMORY = 1 << 20,
};

static struct bus io, mmio;
static struct pci_bus pci;
static struct space space;
static struct piix3_ide ide;
static struct wire irq[2];
static struct block *disk, *small;
static uint8_t bytes[IDE_BUFFER_BYTES];

static void config16(unsigned offset, uint16_t value)
{
    pci_config_write(&pci, PCI_DEVFN(1, 1), offset, value, 2);
}

static void setup(void)
{
    struct error err;
    block_queue_init(&disk_queue, NULL, NULL);
    make_memory(&space, MEMORY);
    disk = make_disk(SECTORS, false);
    small = make_disk(100, true);
    struct piix3_ide_config config = {.space = &space, .irq = {wire_line(&irq[0]), wire_line(&irq[1])}};
    config.drive[0][0] = (struct ide_drive_config){.kind = IDE_DISK, .block = disk};
    config.drive[0][1] = (struct ide_drive_config){.kind = IDE_DISK, .block = small, .serial = "S123"};
    cr_assert_eq(piix3_ide_init(&ide, &config), 0);
    bus_init(&io, "ports");
    bus_init(&mmio, "memory");
    pci_bus_init(&pci, &io, &mmio);
    cr_assert_eq(pci_plug(&pci, PCI_DEVFN(1, 1), &ide.pci, &err), 0);
    config16(PIIX3_IDE_TIMING, PIIX3_IDE_DECODE);
    config16(PIIX3_IDE_TIMING + 2, PIIX3_IDE_DECODE);
    pci_config_write(&pci, PCI_DEVFN(1, 1), PCI_BAR0 + 16, MASTER, 4);
    config16(PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
}

static void teardown(void)
{
    for (unsigned i = 0; i < 2; i++)
        ide_class.destroy(&ide.channel[i]);
    block_close(disk);
    block_close(small);
    bus_destroy(&io);
    bus_destroy(&mmio);
    space_destroy(&space);
}

TestSuite(ide, .init = setup, .fini = teardown);

static void settle(void)
{
    block_drain(disk);
    block_drain(small);
    block_queue_deliver(&disk_queue);
}

static void command28(uint8_t command, uint32_t lba, uint8_t count)
{
    out8(&io, DEVICE, (uint8_t)(0xe0 | lba >> 24));
    out8(&io, COUNT, count);
    out8(&io, LOW, (uint8_t)lba);
    out8(&io, MID, (uint8_t)(lba >> 8));
    out8(&io, HIGH, (uint8_t)(lba >> 16));
    out8(&io, STATUS, command);
}

static void command48(uint8_t command, uint64_t lba, uint16_t count)
{
    out8(&io, DEVICE, 0xe0);
    out8(&io, COUNT, (uint8_t)(count >> 8));
    out8(&io, LOW, (uint8_t)(lba >> 24));
    out8(&io, MID, (uint8_t)(lba >> 32));
    out8(&io, HIGH, (uint8_t)(lba >> 40));
    out8(&io, COUNT, (uint8_t)count);
    out8(&io, LOW, (uint8_t)lba);
    out8(&io, MID, (uint8_t)(lba >> 8));
    out8(&io, HIGH, (uint8_t)(lba >> 16));
    out8(&io, STATUS, command);
}

static void read_words(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint16_t word = (uint16_t)bus_read(&io, DATA, 2);
        memcpy(bytes + i * 2, &word, 2);
    }
}

static void write_sector(uint8_t byte)
{
    for (unsigned i = 0; i < 128; i++)
        bus_write(&io, DATA, byte * 0x01010101u, 4);
}

static uint16_t word(unsigned i)
{
    return (uint16_t)(bytes[i * 2] | bytes[i * 2 + 1] << 8);
}

static void identify(void)
{
    out8(&io, STATUS, 0xec);
    cr_assert_eq(in8(&io, STATUS), READY | DRQ);
    read_words(256);
    cr_assert_eq(in8(&io, STATUS), READY);
}

Test(ide, ports_follow_decode_and_io_enables)
{
    cr_assert_eq(in8(&io, STATUS), READY);
    config16(PIIX3_IDE_TIMING, 0);
    cr_assert_eq(in8(&io, STATUS), 0xff);
    cr_assert_eq(in8(&io, CONTROL), 0xff);
    config16(PIIX3_IDE_TIMING, PIIX3_IDE_DECODE);
    config16(PCI_COMMAND, 0);
    cr_assert_eq(in8(&io, STATUS), 0xff);
    cr_assert_eq(pci_config_read(&pci, PCI_DEVFN(1, 1), PCI_VENDOR, 4), 0x70108086);
    cr_assert_eq(pci_config_read(&pci, PCI_DEVFN(1, 1), PCI_REVISION, 4) >> 8, 0x010180);
}

Test(ide, signature_after_reset)
{
    out8(&io, CONTROL, 4);
    cr_assert_eq(in8(&io, CONTROL), BSY);
    out8(&io, CONTROL, 0);
    cr_assert_eq(in8(&io, STATUS), READY);
    cr_assert_eq(in8(&io, ERROR), 1);
    cr_assert_eq(in8(&io, COUNT), 1);
    cr_assert_eq(in8(&io, LOW), 1);
    cr_assert_eq(in8(&io, MID), 0);
    cr_assert_eq(in8(&io, HIGH), 0);
    cr_assert_eq(in8(&io, DEVICE), 0xa0);
    cr_assert_eq(irq[0].rises, 0);
    out8(&io, STATUS, 0x90);
    cr_assert(irq[0].level);
    cr_assert_eq(in8(&io, ERROR), 1);
}

Test(ide, absent_drives_read_as_zero)
{
    for (unsigned i = 1; i < 8; i++)
        cr_assert_eq(in8(&io, 0x170 + i), 0);
    cr_assert_eq(in8(&io, 0x376), 0);
    out8(&io, 0x177, 0xec);
    cr_assert_eq(in8(&io, 0x177), 0);
}

Test(ide, task_file_remembers_two_values)
{
    out8(&io, LOW, 0x12);
    out8(&io, LOW, 0x34);
    cr_assert_eq(in8(&io, LOW), 0x34);
    out8(&io, CONTROL, 0x80);
    cr_assert_eq(in8(&io, LOW), 0x12);
    out8(&io, COUNT, 1);
    cr_assert_eq(in8(&io, LOW), 0x34, "any write ends it");
    bus_write(&io, LOW, 0x6655, 2);
    cr_assert_eq(bus_read(&io, LOW, 2), 0x6655);
}

Test(ide, identify_says_what_it_is)
{
    identify();
    cr_assert_eq(irq[0].rises, 1);
    cr_assert_eq(word(0), 0x40);
    cr_assert_eq(word(1), SECTORS / (16 * 63));
    cr_assert_eq(word(60) | word(61) << 16, SECTORS);
    cr_assert_eq(word(100), SECTORS);
    cr_assert_eq(word(49) & 0x300, 0x300, "LBA and DMA");
    cr_assert_eq(word(83) & 0xc400, 0x4400, "LBA48");
    cr_assert_arr_eq(bytes + 54, "IRGN3", 4);
    uint8_t sum = 0;
    for (unsigned i = 0; i < 512; i++)
        sum += bytes[i];
    cr_assert_eq(sum, 0);
    out8(&io, DEVICE, 0xf0);
    identify();
    cr_assert_arr_eq(bytes + 20, "1S32", 4);
    cr_assert_eq(word(60), 100);
}

Test(ide, reads_by_ports_with_an_interrupt_for_each_sector)
{
    command28(0x20, 1000, 3);
    settle();
    for (unsigned i = 0; i < 3; i++) {
        cr_assert(irq[0].level);
        cr_assert_eq(in8(&io, CONTROL), READY | DRQ);
        cr_assert(irq[0].level, "the alternate status leaves it");
        cr_assert_eq(in8(&io, STATUS), READY | DRQ);
        cr_assert(!irq[0].level);
        read_words(256);
        cr_assert_eq(bytes[0], sector_byte(1000 + i));
        cr_assert_eq(bytes[511], sector_byte(1000 + i));
    }
    cr_assert_eq(in8(&io, STATUS), READY);
    cr_assert_eq(irq[0].rises, 3);
    cr_assert_eq(bus_read(&io, DATA, 2), 0, "nothing is left");
}

Test(ide, multiple_sectors_in_a_block)
{
    command28(0xc4, 0, 5);
    cr_assert_eq(in8(&io, STATUS), READY | ERR, "not set");
    command28(0xc6, 0, 3);
    cr_assert_eq(in8(&io, STATUS), READY | ERR, "not a power of two");
    command28(0xc6, 0, 4);
    cr_assert_eq(in8(&io, STATUS), READY);
    irq[0].rises = 0;
    command28(0xc4, 10, 5);
    settle();
    read_words(256 * 4);
    cr_assert_eq(bytes[3 * 512], sector_byte(13));
    in8(&io, STATUS);
    read_words(256);
    cr_assert_eq(bytes[0], sector_byte(14));
    cr_assert_eq(in8(&io, STATUS), READY);
    identify();
    cr_assert_eq(word(59), 0x104);
}

Test(ide, count_0_is_256_and_longer_ones_come_in_chunks)
{
    command28(0x20, 0, 0);
    settle();
    read_words(256 * 256);
    cr_assert_eq(bytes[255 * 512], sector_byte(255));
    cr_assert_eq(in8(&io, STATUS), READY);
    command48(0x24, 100, 300);
    settle();
    for (unsigned i = 0; i < 300; i++) {
        read_words(256);
        settle();
        cr_assert_eq(bytes[5], sector_byte(100 + i));
    }
    cr_assert_eq(in8(&io, STATUS), READY);
}

Test(ide, writes_by_ports)
{
    command28(0x30, 20, 2);
    cr_assert_eq(in8(&io, STATUS), READY | DRQ);
    cr_assert_eq(irq[0].rises, 0, "none for the first");
    write_sector(0x77);
    cr_assert_eq(irq[0].rises, 1);
    write_sector(0x88);
    settle();
    cr_assert_eq(irq[0].rises, 1, "one is still pending");
    cr_assert_eq(in8(&io, STATUS), READY);
    cr_assert_eq(disk_byte(disk, 20 * 512), 0x77);
    cr_assert_eq(disk_byte(disk, 21 * 512 + 511), 0x88);
    cr_assert_eq(disk_byte(disk, 22 * 512), sector_byte(22));
    command48(0x34, 4000, 1);
    write_sector(1);
    settle();
    cr_assert_eq(disk_byte(disk, 4000 * 512), 1);
    out8(&io, DEVICE, 0xf0);
    out8(&io, STATUS, 0x30);
    cr_assert_eq(in8(&io, STATUS), READY | ERR, "read-only");
}

Test(ide, without_a_write_cache_each_write_is_flushed)
{
    out8(&io, ERROR, 0x82);
    out8(&io, STATUS, 0xef);
    identify();
    cr_assert_eq(word(85) & 0x20, 0);
    command28(0x30, 20, 1);
    write_sector(0x31);
    settle();
    settle();
    cr_assert_eq(in8(&io, STATUS), READY);
    cr_assert_eq(disk_byte(disk, 20 * 512), 0x31);
    out8(&io, STATUS, 0xe7);
    settle();
    cr_assert_eq(in8(&io, STATUS), READY);
}

Test(ide, chs_addresses)
{
    out8(&io, DEVICE, 0xa2);
    out8(&io, COUNT, 1);
    out8(&io, LOW, 5);
    out8(&io, MID, 1);
    out8(&io, HIGH, 0);
    out8(&io, STATUS, 0x20);
    settle();
    read_words(256);
    cr_assert_eq(bytes[0], sector_byte((1 * 16 + 2) * 63 + 4));
    out8(&io, LOW, 0);
    out8(&io, STATUS, 0x20);
    cr_assert_eq(in8(&io, STATUS), READY | ERR, "there is no sector 0");
    cr_assert_eq(in8(&io, ERROR), 0x10);
    out8(&io, DEVICE, 0xa3); /* 4 heads */
    out8(&io, COUNT, 17);
    out8(&io, STATUS, 0x91);
    out8(&io, DEVICE, 0xa1);
    out8(&io, COUNT, 1);
    out8(&io, LOW, 2);
    out8(&io, STATUS, 0x20);
    settle();
    read_words(256);
    cr_assert_eq(bytes[0], sector_byte((1 * 4 + 1) * 17 + 1));
}

Test(ide, past_the_end_is_id_not_found)
{
    command28(0x20, SECTORS - 1, 2);
    cr_assert_eq(in8(&io, STATUS), READY | ERR);
    cr_assert_eq(in8(&io, ERROR), 0x10);
    command28(0xf8, 0, 0);
    cr_assert_eq(in8(&io, MID) << 8 | in8(&io, LOW), SECTORS - 1);
    command28(0xf9, 999, 0); /* SET MAX ADDRESS */
    command28(0x20, 1000, 1);
    cr_assert_eq(in8(&io, STATUS), READY | ERR);
    identify();
    cr_assert_eq(word(60), 1000);
    command48(0x27, 0, 0);
    cr_assert_eq(in8(&io, MID) << 8 | in8(&io, LOW), SECTORS - 1, "the native maximum stays");
    command48(0x42, 0, 1000);
    for (unsigned i = 0; i < 6; i++)
        settle();
    cr_assert_eq(in8(&io, STATUS), READY, "verify");
    command48(0x24, 1ull << 40, 1);
    cr_assert_eq(in8(&io, STATUS), READY | ERR);
}

Test(ide, unknown_commands_abort)
{
    static const uint8_t commands[] = {0x00, 0x08, 0xa0, 0xa1, 0x87, 0xff, 0xf1, 0x06};
    for (unsigned i = 0; i < ARRAY_LEN(commands); i++) {
        out8(&io, STATUS, commands[i]);
        cr_assert_eq(in8(&io, STATUS), READY | ERR, "%02x", commands[i]);
        cr_assert_eq(in8(&io, ERROR), 4);
    }
    out8(&io, STATUS, 0x10);
    cr_assert_eq(in8(&io, STATUS), READY);
}

Test(ide, interrupts_can_be_disabled)
{
    out8(&io, CONTROL, 2);
    out8(&io, STATUS, 0x10);
    cr_assert(!irq[0].level);
    out8(&io, CONTROL, 0);
    cr_assert(irq[0].level, "it was pending");
    in8(&io, STATUS);
    cr_assert(!irq[0].level);
}

Test(ide, smart)
{
    out8(&io, MID, 0x4f);
    out8(&io, HIGH, 0xc2);
    out8(&io, ERROR, 0xda);
    out8(&io, STATUS, 0xb0);
    cr_assert_eq(in8(&io, STATUS), READY);
    cr_assert_eq(in8(&io, MID), 0x4f, "no threshold exceeded");
    out8(&io, ERROR, 0xd0);
    out8(&io, STATUS, 0xb0);
    read_words(256);
    uint8_t sum = 0;
    for (unsigned i = 0; i < 512; i++)
        sum += bytes[i];
    cr_assert_eq(sum, 0);
    out8(&io, ERROR, 0xd9);
    out8(&io, STATUS, 0xb0);
    out8(&io, ERROR, 0xda);
    out8(&io, STATUS, 0xb0);
    cr_assert_eq(in8(&io, STATUS), READY | ERR, "disabled");
    out8(&io, MID, 0);
    out8(&io, ERROR, 0xd8);
    out8(&io, STATUS, 0xb0);
    cr_assert_eq(in8(&io, STATUS), READY | ERR, "without the key");
}

Test(ide, power)
{
    out8(&io, STATUS, 0xe5);
    cr_assert_eq(in8(&io, COUNT), 0xff);
    out8(&io, STATUS, 0xe0);
    settle();
    out8(&io, STATUS, 0xe5);
    cr_assert_eq(in8(&io, COUNT), 0);
    out8(&io, STATUS, 0xe6);
    settle();
    out8(&io, STATUS, 0xec);
    cr_assert_eq(in8(&io, STATUS) & DRQ, 0, "asleep until a reset");
    out8(&io, CONTROL, 4);
    out8(&io, CONTROL, 0);
    identify();
}

/* --- bus master --------------------------------------------------------------------------------------------------- */

static void region(unsigned i, uint32_t address, uint32_t length, bool last)
{
    uint32_t entry[2] = {address, length | (last ? 0x80000000 : 0)};
    space_write_bytes(&space, gpa(TABLE + i * 8), entry, 8);
}

static void start(uint8_t direction)
{
    bus_write(&io, MASTER + 4, TABLE, 4);
    out8(&io, MASTER, direction);
    out8(&io, MASTER, direction | 1);
}

static uint8_t memory_byte(uint64_t address)
{
    uint8_t byte;
    space_read_bytes(&space, gpa(address), &byte, 1);
    return byte;
}

Test(ide, bus_master_reads_into_scattered_memory)
{
    region(0, 0x20000, 512, false);
    region(1, 0x20200, 512, false); /* goes on where the one before ended */
    region(2, 0x40002, 1024, true);
    command28(0xc8, 50, 4);
    cr_assert_eq(in8(&io, CONTROL) & BSY, 0);
    start(8);
    cr_assert_eq(in8(&io, MASTER + 2) & 1, 1, "active");
    settle();
    cr_assert(irq[0].level);
    cr_assert_eq(in8(&io, MASTER + 2), 4, "interrupt, no longer active");
    cr_assert_eq(memory_byte(0x20000), sector_byte(50));
    cr_assert_eq(memory_byte(0x203ff), sector_byte(51));
    cr_assert_eq(memory_byte(0x40002), sector_byte(52));
    cr_assert_eq(memory_byte(0x40401), sector_byte(53));
    cr_assert_eq(memory_byte(0x40402), 0);
    out8(&io, MASTER + 2, 4);
    cr_assert_eq(in8(&io, MASTER + 2), 0);
    out8(&io, MASTER, 0);
    cr_assert_eq(in8(&io, STATUS), READY);
}

Test(ide, bus_master_may_start_before_the_command)
{
    region(0, 0x20000, 0, true); /* 64 KiB: longer than the transfer */
    start(8);
    command48(0x25, 7, 1);
    settle();
    cr_assert_eq(in8(&io, MASTER + 2), 5, "still active");
    cr_assert_eq(memory_byte(0x20000), sector_byte(7));
    out8(&io, MASTER, 0);
    cr_assert_eq(in8(&io, MASTER + 2), 4);
}

Test(ide, bus_master_writes)
{
    uint8_t data[1024];
    memset(data, 0x3c, sizeof(data));
    space_write_bytes(&space, gpa(0x30000), data, sizeof(data));
    region(0, 0x30000, 1024, true);
    command28(0xca, 60, 2);
    start(0);
    settle();
    cr_assert_eq(in8(&io, STATUS), READY);
    cr_assert_eq(disk_byte(disk, 60 * 512), 0x3c);
    cr_assert_eq(disk_byte(disk, 62 * 512 - 1), 0x3c);
    cr_assert_eq(disk_byte(disk, 62 * 512), sector_byte(62));
    out8(&io, MASTER, 0);
    command48(0x3d, 70, 2); /* FUA */
    start(0);
    settle();
    settle();
    cr_assert_eq(in8(&io, STATUS), READY);
    cr_assert_eq(disk_byte(disk, 70 * 512), 0x3c);
}

Test(ide, a_table_that_is_too_short_stops_the_bus_master)
{
    region(0, 0x20000, 512, true);
    command28(0xc8, 0, 4);
    start(8);
    settle();
    cr_assert_eq(in8(&io, MASTER + 2), 0, "neither active nor interrupt");
    cr_assert_eq(in8(&io, CONTROL) & DRQ, DRQ, "the drive waits");
    out8(&io, MASTER, 0);
    start(8);
    settle();
    out8(&io, MASTER, 0);
    region(0, 0x20000, 1024, true);
    start(8);
    settle();
    cr_assert_eq(in8(&io, MASTER + 2), 4);
    cr_assert_eq(memory_byte(0x20000), sector_byte(2), "it went on");
}

Test(ide, no_memory_there_is_an_error_bit)
{
    region(0, MEMORY - 512, 1024, true);
    command28(0xc8, 0, 2);
    start(8);
    settle();
    cr_assert_eq(in8(&io, MASTER + 2), 6);
    cr_assert_eq(memory_byte(MEMORY - 1), sector_byte(0));
    cr_assert_eq(in8(&io, STATUS), READY);
}

Test(ide, a_reset_in_the_middle_of_a_transfer)
{
    region(0, 0x20000, 0, true);
    for (unsigned i = 0; i < 20; i++) {
        command28(0xc8, 0, 128);
        start(8);
        out8(&io, CONTROL, 4);
        out8(&io, CONTROL, 0);
        out8(&io, MASTER, 0);
        cr_assert_eq(in8(&io, STATUS), READY);
        command28(0xc8, 0, 128);
        start(8);
        out8(&io, MASTER, 0); /* stopped */
        out8(&io, MASTER + 2, 4);
        ide_class.reset(&ide.channel[0]);
    }
    identify();
}

Test(ide, another_command_while_busy_is_ignored)
{
    command28(0x30, 20, 1);
    out8(&io, STATUS, 0xec);
    cr_assert_eq(in8(&io, STATUS), READY | DRQ);
    write_sector(0x99);
    settle();
    cr_assert_eq(disk_byte(disk, 20 * 512), 0x99);
}

Test(ide, wants_an_image)
{
    struct ide other;
    cr_assert_eq(ide_init(&other, &(struct ide_config){.drive[0].kind = IDE_DISK}), -EINVAL);
}
