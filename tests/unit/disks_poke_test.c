/* Random accesses of all widths to the disk controllers, with images behind them: nothing may crash, hang or overflow.
 */
#include <criterion/criterion.h>
#include <inttypes.h>

#include "devices/chips/i82077.h"
#include "devices/chips/i8237.h"
#include "devices/chips/pflash.h"
#include "devices/chips/piix3_ide.h"
#include "tests/unit/disk_fixture.h"

enum { MEMORY = 1 << 20, FLASH = 16 * PFLASH_BLOCK, MASTER = 0xc000, IMAGES = 5 };

struct board {
    struct bus io, mmio;
    struct pci_bus pci;
    struct vclock clock;
    struct space space;
    struct block *image[IMAGES]; /* two disks, a CD-ROM, two floppies */
    struct i8237 dma;
    struct piix3_ide ide;
    struct i82077 fdc;
    struct pflash flash;
    struct wire wires[3];
    uint64_t random;
};

static struct board board;
static uint8_t storage[FLASH];

static uint64_t next_random(void)
{
    board.random ^= board.random << 13;
    board.random ^= board.random >> 7;
    board.random ^= board.random << 17;
    return board.random;
}

static void for_all(void (*do_it)(const struct device_class *class, void *device))
{
    do_it(&i8237_class, &board.dma);
    do_it(&piix3_ide_class, &board.ide);
    do_it(&ide_class, &board.ide.channel[0]);
    do_it(&ide_class, &board.ide.channel[1]);
    do_it(&i82077_class, &board.fdc);
    do_it(&pflash_class, &board.flash);
}

static void enable_ports(void)
{
    for (unsigned i = 0; i < 2; i++)
        pci_config_write(&board.pci, PCI_DEVFN(1, 1), PIIX3_IDE_TIMING + 2 * i, PIIX3_IDE_DECODE, 2);
    pci_config_write(&board.pci, PCI_DEVFN(1, 1), PCI_BAR0 + 16, MASTER, 4);
    pci_config_write(&board.pci, PCI_DEVFN(1, 1), PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER, 2);
    bus_write(&board.io, 0xd4, 0, 1);
}

static void map_ports(void)
{
    map(&board.io, 0, 16, &i8237_low_ops, &board.dma);
    map(&board.io, 0x80, 16, &i8237_page_ops, &board.dma);
    map(&board.io, 0xc0, 32, &i8237_high_ops, &board.dma);
    map(&board.io, 0x3f0, I82077_SIZE, &i82077_ops, &board.fdc);
    map(&board.io, 0x3f7, 1, &i82077_dir_ops, &board.fdc);
    map(&board.mmio, 0, FLASH, &pflash_ops, &board.flash);
}

static void make_board(uint64_t seed)
{
    struct error err;
    board = (struct board){.random = seed};
    struct board *b = &board;
    block_queue_init(&disk_queue, NULL, NULL);
    vclock_init(&b->clock, NULL, NULL);
    make_memory(&b->space, MEMORY);
    static const struct {
        uint64_t sectors;
        bool readonly;
    } images[IMAGES] = {{3000, false}, {100, true}, {400, true}, {2880, false}, {720, true}};
    for (unsigned i = 0; i < IMAGES; i++)
        b->image[i] = make_disk(images[i].sectors, images[i].readonly);
    i8237_init(&b->dma, &(struct i8237_config){.space = &b->space});
    struct piix3_ide_config ide = {.space = &b->space, .irq = {wire_line(&b->wires[0]), wire_line(&b->wires[1])}};
    ide.drive[0][0] = (struct ide_drive_config){.kind = IDE_DISK, .block = b->image[0]};
    ide.drive[0][1] = (struct ide_drive_config){.kind = IDE_DISK, .block = b->image[1]};
    ide.drive[1][0] = (struct ide_drive_config){.kind = IDE_CDROM, .block = b->image[2]};
    cr_assert_eq(piix3_ide_init(&b->ide, &ide), 0);
    struct i82077_config fdc = {.clock = &b->clock,
                                .irq = wire_line(&b->wires[2]),
                                .dma = i8237_line(&b->dma, 2),
                                .present = {true, true},
                                .block = {b->image[3], b->image[4]}};
    cr_assert_eq(i82077_init(&b->fdc, &fdc), 0);
    cr_assert_eq(pflash_init(&b->flash, &(struct pflash_config){.storage = storage, .size = FLASH}), 0);
    bus_init(&b->io, "ports");
    bus_init(&b->mmio, "memory");
    pci_bus_init(&b->pci, &b->io, &b->mmio);
    cr_assert_eq(pci_plug(&b->pci, PCI_DEVFN(1, 1), &b->ide.pci, &err), 0);
    map_ports();
    enable_ports();
}

static void settle(void)
{
    for (unsigned i = 0; i < IMAGES; i++)
        block_drain(board.image[i]);
}

static void do_reset(const struct device_class *class, void *device)
{
    class->reset(device);
}

static void do_restored(const struct device_class *class, void *device)
{
    settle();
    if (class->restored)
        class->restored(device);
}

static void do_destroy(const struct device_class *class, void *device)
{
    if (class->destroy)
        class->destroy(device);
}

static void destroy_board(void)
{
    for_all(do_destroy);
    cr_assert_eq(vclock_next_deadline(&board.clock), VCLOCK_NEVER, "destroy cancels every timer");
    for (unsigned i = 0; i < IMAGES; i++)
        block_close(board.image[i]);
    bus_destroy(&board.io);
    bus_destroy(&board.mmio);
    space_destroy(&board.space);
}

/* --- what a driver would do, with junk in it ---------------------------------------------------------------------- */

static void ata_command(void)
{
    static const uint8_t commands[] = {0x20, 0x24, 0x25, 0x29, 0x30, 0x34, 0x35, 0x39, 0x40, 0x42, 0x91, 0xa0, 0xa0,
                                       0xa0, 0xa1, 0xb0, 0xc4, 0xc5, 0xc6, 0xc8, 0xca, 0xe7, 0xec, 0xef, 0xf8, 0xf9};
    uint64_t r = next_random();
    uint16_t base = r & 1 ? 0x1f0 : 0x170;
    bus_write(&board.io, base + 6, r >> 8 & 0xff, 1);
    for (unsigned i = 1; i < 6; i++)
        bus_write(&board.io, base + i, r >> (16 + i) & (r & 2 ? 0xff : 7), 1);
    bus_write(&board.io, base + 7, commands[(r >> 32) % ARRAY_LEN(commands)], 1);
}

static void packet(void)
{
    static const uint8_t operations[] = {0x00, 0x03, 0x12, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x42, 0x43, 0x44,
                                         0x46, 0x4a, 0x51, 0x52, 0x55, 0x5a, 0xa8, 0xb9, 0xbd, 0xbe};
    bus_write(&board.io, 0x176, 0, 1);
    bus_write(&board.io, 0x171, next_random() & 1, 1);
    bus_write(&board.io, 0x177, 0xa0, 1);
    bus_write(&board.io, 0x170, operations[next_random() % ARRAY_LEN(operations)] | (next_random() & 0x1f00), 2);
    for (unsigned i = 1; i < 6; i++)
        bus_write(&board.io, 0x170, next_random() & (next_random() & 1 ? 0xffff : 0x0303), 2);
}

static void move_data(void)
{
    uint16_t base = next_random() & 1 ? 0x1f0 : 0x170;
    unsigned size = 1u << next_random() % 3;
    for (unsigned i = next_random() % 2000; i; i--)
        if (next_random() & 1)
            bus_read(&board.io, base, size);
        else
            bus_write(&board.io, base, i, size);
}

static void bus_master(void)
{
    uint32_t region[2] = {(uint32_t)next_random() & (MEMORY * 2 - 1), (uint32_t)next_random() & 0x8000ffff};
    uint64_t base = MASTER + (next_random() & 8), table = next_random() & 0xffff8;
    space_write_bytes(&board.space, gpa(table), region, 8);
    bus_write(&board.io, base + 4, table, 4);
    bus_write(&board.io, base, (next_random() & 8) | 1, 1);
    if (next_random() & 1)
        bus_write(&board.io, base, 0, 1);
}

static void floppy_command(void)
{
    static const uint8_t commands[] = {0xe6, 0xc5, 0x46, 0x45, 0x0a, 0x4a, 0x4d, 0x42, 0x0f, 0x8f, 0x07, 0x08, 0x03,
                                       0x04, 0x0e, 0x13, 0x12, 0x94, 0x14, 0xf6, 0x51, 0x59, 0x5d, 0x4c, 0x49, 0x6c};
    if (!(next_random() & 7))
        bus_write(&board.io, 0x3f2, next_random() & 8 ? 0x3c : next_random(), 1);
    bus_write(&board.io, 0x3f7, next_random() & 2, 1);
    bus_write(&board.io, 0x3f5, commands[next_random() % ARRAY_LEN(commands)], 1);
    for (unsigned i = 0; i < 8; i++)
        bus_write(&board.io, 0x3f5, i == 4 ? 2 : next_random() & 0x13, 1);
    for (unsigned i = next_random() & 1 ? 0 : next_random() % 1500; i; i--)
        if (next_random() & 1)
            bus_read(&board.io, 0x3f5, 1);
        else
            bus_write(&board.io, 0x3f5, next_random() & 0x3f, 1);
}

static void any_access(void)
{
    static const uint16_t ports[] = {0x00, 0x80, 0xc0, 0x170, 0x1f0, 0x376, 0x3f0, 0x3f6, MASTER};
    uint64_t r = next_random();
    uint64_t port = ports[(r >> 8) % ARRAY_LEN(ports)] + (r >> 16) % 18 - 1;
    unsigned size = 1u << ((r >> 24) % 4);
    if (r & 1)
        bus_write(&board.io, port, next_random(), size);
    else
        cr_assert_eq(bus_read(&board.io, port, size) & ~zero_extend(UINT64_MAX, size), 0);
}

static void flash_access(void)
{
    static const uint8_t commands[] = {0xff, 0x10, 0x20, 0xd0, 0xe8, 0x70, 0x90, 0x98, 0x60, 0x50};
    uint64_t r = next_random();
    if (r & 1)
        bus_write(&board.mmio, (r >> 8) % FLASH, commands[(r >> 32) % ARRAY_LEN(commands)], 1u << (r >> 1 & 3));
    else
        bus_read(&board.mmio, (r >> 8) % FLASH, 1u << (r >> 1 & 3));
}

static void change_media(void)
{
    uint64_t r = next_random();
    settle();
    if (r & 1)
        ide_change_medium(&board.ide.channel[1], 0, r & 2 ? board.image[2] : NULL);
    else
        i82077_change_disk(&board.fdc, 0, r & 2 ? board.image[3] : NULL);
}

static void poke(void)
{
    static void (*const actions[])(void) = {ata_command,    packet,     move_data,  bus_master,
                                            floppy_command, any_access, any_access, any_access,
                                            flash_access,   settle,     settle};
    uint64_t r = next_random();
    if (r % 64 == 0)
        change_media();
    else if (r % 128 == 1)
        enable_ports();
    else if (r % 256 == 2)
        for_all(do_reset);
    else if (r % 256 == 3)
        for_all(do_restored);
    else if (r % 16 == 4)
        vclock_step(&board.clock, 1000000);
    else if (r % 128 == 5)
        pci_config_write(&board.pci, PCI_DEVFN(1, 1), r >> 32 & 0xfc, (uint32_t)next_random(), 4);
    else
        actions[(r >> 8) % ARRAY_LEN(actions)]();
}

Test(disks, random_pokes, .timeout = 120)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        cr_log_info("seed %" PRIu64, seed);
        make_board(seed * 0x9e3779b97f4a7c15);
        for (unsigned i = 0; i < 10000; i++)
            poke();
        destroy_board();
    }
}

/* Random bytes in every field, as from a damaged snapshot, then use. */
static void fill_fields(const struct device_class *class, void *device)
{
    settle();
    for (unsigned i = 0; i < class->field_count; i++)
        for (unsigned k = 0; k < (unsigned)class->fields[i].size * class->fields[i].count; k++)
            ((uint8_t *)device)[class->fields[i].offset + k] = (uint8_t)(next_random() & next_random());
    class->restored(device);
}

Test(disks, damaged_snapshot_does_not_crash, .timeout = 120)
{
    for (unsigned round = 0; round < 40; round++) {
        make_board(round * 77 + 1);
        for_all(fill_fields);
        enable_ports();
        for (unsigned i = 0; i < 200; i++) {
            any_access();
            move_data();
            bus_master();
            settle();
        }
        for_all(do_reset);
        destroy_board();
    }
}
