/* fw_cfg: items, the directory, the byte port and DMA. */
#include "devices/chips/fw_cfg.h"

#include <errno.h>
#include <stdio.h>

#include "tests/unit/chip_fixture.h"

static struct bus io;
static struct space space;
static struct fw_cfg fw;
static uint16_t last_selected;

static void on_selected(void *context, uint16_t key)
{
    (void)context;
    last_selected = key;
}

static void setup(void)
{
    struct error err;
    bus_init(&io, "ports");
    cr_assert_eq(space_init(&space, 1 << 20, &err), 0);
    cr_assert_eq(space_add(&space, 0, 0x10000, false, "RAM", NULL, &err), 0);
    cr_assert_eq(fw_cfg_init(&fw, &(struct fw_cfg_config){.space = &space, .selected = on_selected}), 0);
    map(&io, 0x510, 2, &fw_cfg_ports_ops, &fw);
    map(&io, 0x514, 8, &fw_cfg_dma_ops, &fw);
}

static void teardown(void)
{
    fw_cfg_class.destroy(&fw);
    space_destroy(&space);
    bus_destroy(&io);
}

TestSuite(fw_cfg, .init = setup, .fini = teardown);

static void read_item(uint16_t key, void *buffer, unsigned size)
{
    bus_write(&io, 0x510, key, 2);
    for (unsigned i = 0; i < size; i++)
        ((uint8_t *)buffer)[i] = in8(&io, 0x511);
}

static void big(uint8_t *to, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> (size - 1 - i) * 8);
}

static uint32_t dma(uint32_t control, uint32_t length, uint64_t address)
{
    uint8_t block[16];
    big(block, control, 4);
    big(block + 4, length, 4);
    big(block + 8, address, 8);
    space_write_bytes(&space, gpa(0x8000), block, 16);
    bus_write(&io, 0x514, 0, 4);
    bus_write(&io, 0x518, __builtin_bswap32(0x8000), 4);
    return __builtin_bswap32((uint32_t)dma_load(&space, gpa(0x8000), 4));
}

Test(fw_cfg, signature_and_features)
{
    char text[6] = "xxxxx";
    uint32_t id;
    read_item(FW_CFG_SIGNATURE, text, 5);
    cr_assert_eq(memcmp(text, "QEMU\0", 5), 0); /* zeros behind the end */
    read_item(FW_CFG_ID, &id, 4);
    cr_assert_eq(id, 3);
    cr_assert_eq(bus_read(&io, 0x514, 4), 0x554d4551);
    cr_assert_eq(bus_read(&io, 0x518, 4), 0x47464320);
}

Test(fw_cfg, numbers_and_files)
{
    uint8_t directory[4 + 128];
    char text[4];
    uint16_t cpus;
    cr_assert_eq(fw_cfg_add_number(&fw, FW_CFG_CPUS, 0x1234, 2), 0);
    read_item(FW_CFG_CPUS, &cpus, 2);
    cr_assert_eq(cpus, 0x1234);
    cr_assert_eq(last_selected, FW_CFG_CPUS);
    cr_assert_eq(fw_cfg_add_file(&fw, "etc/one", "abcd", 4), 0);
    cr_assert_eq(fw_cfg_add_file(&fw, "etc/two", "x", 1), 0);
    cr_assert_eq(fw_cfg_add_file(&fw, "etc/one", "efg", 3), 0);
    read_item(FW_CFG_DIRECTORY, directory, sizeof(directory));
    cr_assert_eq(directory[3], 2);
    cr_assert_eq(directory[7], 3);
    cr_assert_eq(directory[9], FW_CFG_FILE_FIRST);
    cr_assert_str_eq((char *)directory + 12, "etc/one");
    cr_assert_str_eq((char *)directory + 76, "etc/two");
    read_item(fw_cfg_file_key(&fw, "etc/one"), text, 4);
    cr_assert_eq(memcmp(text, "efg\0", 4), 0);
    cr_assert_eq(fw_cfg_file_key(&fw, "etc/three"), 0);
    read_item(0x3fff, text, 1);
    cr_assert_eq(text[0], 0);
}

Test(fw_cfg, limits)
{
    char name[FW_CFG_NAME_MAX + 1];
    memset(name, 'n', sizeof(name));
    name[FW_CFG_NAME_MAX] = 0;
    cr_assert_eq(fw_cfg_add_file(&fw, name, "", 0), -ENAMETOOLONG);
    name[FW_CFG_NAME_MAX - 1] = 0;
    cr_assert_eq(fw_cfg_add_file(&fw, name, "", 0), 0);
    for (unsigned i = 1; i < FW_CFG_FILES_MAX; i++) {
        snprintf(name, sizeof(name), "file%u", i);
        cr_assert_eq(fw_cfg_add_file(&fw, name, "", 0), 0);
    }
    cr_assert_eq(fw_cfg_add_file(&fw, "more", "", 0), -ENOSPC);
}

Test(fw_cfg, dma_reads_skips_and_selects)
{
    char text[8];
    cr_assert_eq(fw_cfg_add_file(&fw, "f", "0123456789", 10), 0);
    cr_assert_eq(dma(FW_CFG_FILE_FIRST << 16 | 8 | 2, 4, 0x1000), 0);
    cr_assert_eq(dma(4, 2, 0), 0);
    cr_assert_eq(dma(2, 8, 0x1004), 0);
    space_read_bytes(&space, gpa(0x1000), text, 4);
    cr_assert_eq(memcmp(text, "0123", 4), 0);
    space_read_bytes(&space, gpa(0x1004), text, 8);
    cr_assert_eq(memcmp(text, "6789\0\0\0\0", 8), 0);
}

Test(fw_cfg, dma_ends_with_all_addresses)
{
    char text[32];
    memset(text, 'x', sizeof(text));
    cr_assert_eq(fw_cfg_add_file(&fw, "f", text, sizeof(text)), 0);
    space_write_bytes(&space, gpa(0), text, sizeof(text));
    cr_assert_eq(dma(FW_CFG_FILE_FIRST << 16 | 8 | 2, 64, UINT64_MAX - 15), 1);
    memset(text, 0, sizeof(text));
    space_read_bytes(&space, gpa(0), text, sizeof(text));
    for (unsigned i = 0; i < sizeof(text); i++)
        cr_assert_eq(text[i], 'x', "byte %u", i);
}

Test(fw_cfg, dma_errors)
{
    cr_assert_eq(dma(FW_CFG_SIGNATURE << 16 | 8 | 16, 4, 0x1000), 1); /* nothing can be written */
    cr_assert_eq(dma(8 | 2, 4, 0xffff0000), 1);                       /* no memory there */
    cr_assert_eq(dma(8 | 2, 0xffffffff, 0), 1);
    bus_write(&io, 0x514, ~0ull, 4);
    bus_write(&io, 0x518, ~0ull, 4); /* a block that is nowhere */
    bus_write(&io, 0x516, 1, 1);
}
