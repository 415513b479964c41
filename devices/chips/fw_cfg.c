/*
 * The firmware configuration device. See fw_cfg.h.
 *
 * Invariants: `directory` lists the items with names, in the order they were added. A DMA command ends before the write
 * that started it does, and always answers in the control word: 0, or the error bit.
 * Thread: whoever holds the machine lock. Source: see fw_cfg.h.
 */
#include "devices/chips/fw_cfg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ID_TRADITIONAL = 1, ID_DMA = 2 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
enum { DIRECTORY_ENTRY = 64, KEY_BITS = 0xbfff /* bit 14 asked for writing, long ago */ };

#define DMA_SIGNATURE 0x51454d5520434647ull /* "QEMU CFG", big-endian */

static struct fw_cfg_item *find(const struct fw_cfg *fw, uint16_t key)
{
    for (unsigned i = 0; i < fw->items; i++)
        if (fw->item[i].key == key)
            return (struct fw_cfg_item *)&fw->item[i];
    return NULL;
}

uint16_t fw_cfg_file_key(const struct fw_cfg *fw, const char *name)
{
    for (unsigned i = 0; i < fw->items; i++)
        if (fw->item[i].name[0] && !strcmp(fw->item[i].name, name))
            return fw->item[i].key;
    return 0;
}

/* --- adding ------------------------------------------------------------------------------------------------------- */

static void put_big(uint8_t *to, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> (size - 1 - i) * 8);
}

static void update_directory(struct fw_cfg *fw)
{
    uint8_t *entry = fw->directory + 4;

    put_big(fw->directory, fw->files, 4);
    for (unsigned i = 0; i < fw->items; i++) {
        const struct fw_cfg_item *item = &fw->item[i];
        if (!item->name[0])
            continue;
        put_big(entry, item->size, 4);
        put_big(entry + 4, item->key, 2);
        put_big(entry + 6, 0, 2);
        memcpy(entry + 8, item->name, FW_CFG_NAME_MAX);
        entry += DIRECTORY_ENTRY;
    }
    struct fw_cfg_item *directory = find(fw, FW_CFG_DIRECTORY);
    if (directory)
        directory->size = 4 + fw->files * DIRECTORY_ENTRY;
}

static int set_data(struct fw_cfg_item *item, const void *data, uint32_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        return -ENOMEM;
    if (size)
        memcpy(copy, data, size);
    free(item->copy);
    item->copy = copy;
    item->data = copy;
    item->size = size;
    return 0;
}

static int add(struct fw_cfg *fw, uint16_t key, const char *name, const void *data, uint32_t size)
{
    struct fw_cfg_item *item = find(fw, key);
    if (item)
        return set_data(item, data, size);
    if (fw->items == FW_CFG_ITEMS_MAX)
        return -ENOSPC;
    item = &fw->item[fw->items];
    *item = (struct fw_cfg_item){.key = key};
    strncpy(item->name, name, FW_CFG_NAME_MAX - 1);
    int r = set_data(item, data, size);
    if (!r)
        fw->items++;
    return r;
}

int fw_cfg_add_number(struct fw_cfg *fw, uint16_t key, uint64_t value, unsigned size)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> i * 8);
    return add(fw, key, "", bytes, size < 8 ? size : 8);
}

int fw_cfg_add_item(struct fw_cfg *fw, uint16_t key, const void *data, uint32_t size)
{
    return add(fw, key, "", data, size);
}

int fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, uint32_t size)
{
    uint16_t key = fw_cfg_file_key(fw, name);

    if (!name[0] || strlen(name) >= FW_CFG_NAME_MAX)
        return -ENAMETOOLONG;
    if (!key && fw->files == FW_CFG_FILES_MAX)
        return -ENOSPC;
    int r = add(fw, key ? key : (uint16_t)(FW_CFG_FILE_FIRST + fw->files), name, data, size);
    if (r)
        return r;
    fw->files += !key;
    update_directory(fw);
    return 0;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void select_item(struct fw_cfg *fw, uint16_t key)
{
    fw->selected = key & KEY_BITS;
    fw->position = 0;
    if (fw->config.selected)
        fw->config.selected(fw->config.context, fw->selected);
}

/* The selected item's bytes from the position on: up to `wanted` of them, at *data. Behind the end there are zeros. */
static uint32_t available(const struct fw_cfg *fw, uint32_t wanted, const uint8_t **data)
{
    const struct fw_cfg_item *item = find(fw, fw->selected);
    if (!item || fw->position >= item->size)
        return 0;
    *data = item->data + fw->position;
    return wanted < item->size - fw->position ? wanted : item->size - fw->position;
}

static void advance(struct fw_cfg *fw, uint32_t count)
{
    fw->position = count > UINT32_MAX - fw->position ? UINT32_MAX : fw->position + count;
}

static uint64_t ports_read(void *device, uint64_t offset, unsigned size)
{
    struct fw_cfg *fw = device;
    const uint8_t *data;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)(available(fw, 1, &data) ? *data : 0) << i * 8;
        advance(fw, 1);
    }
    (void)offset; /* the selector reads as the data port: it has nothing else to show */
    return value;
}

static void ports_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    if (offset == 0 && size == 2)
        select_item(device, (uint16_t)value);
}

const struct bus_ops fw_cfg_ports_ops = {.read = ports_read, .write = ports_write, .widths = 1 | 2};

/* --- DMA ---------------------------------------------------------------------------------------------------------- */

static uint64_t get_big(const uint8_t *from, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value = value << 8 | from[i];
    return value;
}

/* Copies the selected item to guest memory, zeros behind its end. */
static bool dma_out(struct fw_cfg *fw, uint64_t address, uint32_t length)
{
    const uint8_t *data;
    uint32_t count = available(fw, length, &data);
    bool ok = !count || dma_write(fw->config.space, gpa(address), data, count);
    if (count == length)
        return ok;
    if (address + count < address) /* past the end of all addresses */
        return false;
    return dma_fill(fw->config.space, gpa(address + count), 0, length - count) && ok;
}

/* The command block: control, length (32 bits each), address (64 bits), all big-endian. */
static void dma_run(struct fw_cfg *fw)
{
    uint8_t block[16], answer[4];
    gpa_t at = gpa(fw->dma_address);
    bool ok = true;

    fw->dma_address = 0;
    if (!dma_read(fw->config.space, at, block, sizeof(block)))
        return;
    uint32_t control = (uint32_t)get_big(block, 4), length = (uint32_t)get_big(block + 4, 4);
    if (control & DMA_SELECT)
        select_item(fw, (uint16_t)(control >> 16));
    if (control & DMA_READ)
        ok = dma_out(fw, get_big(block + 8, 8), length);
    else if (control & DMA_WRITE)
        ok = false; /* no item can be written */
    if (control & (DMA_READ | DMA_WRITE | DMA_SKIP))
        advance(fw, length);
    put_big(answer, ok ? 0 : DMA_ERROR, 4);
    dma_write(fw->config.space, at, answer, sizeof(answer));
}

static uint64_t dma_port_read(void *device, uint64_t offset, unsigned size)
{
    (void)device;
    uint64_t signature = __builtin_bswap64(DMA_SIGNATURE);
    return zero_extend(signature >> offset * 8, size);
}

/* Big-endian too; the low half starts the command. */
static void dma_port_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct fw_cfg *fw = device;

    if (offset == 0 && size == 4) {
        fw->dma_address = (uint64_t)__builtin_bswap32((uint32_t)value) << 32;
    } else if (offset == 4 && size == 4) {
        fw->dma_address |= __builtin_bswap32((uint32_t)value);
        dma_run(fw);
    } else if (offset == 0 && size == 8) {
        fw->dma_address = __builtin_bswap64(value);
        dma_run(fw);
    }
}

const struct bus_ops fw_cfg_dma_ops = {.read = dma_port_read, .write = dma_port_write, .widths = 1 | 2 | 4 | 8};

/* --- life cycle --------------------------------------------------------------------------------------------------- */

static void fw_cfg_reset(void *device)
{
    struct fw_cfg *fw = device;
    fw->selected = 0;
    fw->position = 0;
    fw->dma_address = 0;
}

static void fw_cfg_destroy(void *device)
{
    struct fw_cfg *fw = device;
    for (unsigned i = 0; i < fw->items; i++)
        free(fw->item[i].copy);
    fw->items = 0;
}

static const struct field fields[] = {
    FIELD(struct fw_cfg, selected),
    FIELD(struct fw_cfg, position),
    FIELD(struct fw_cfg, dma_address),
};

const struct device_class fw_cfg_class = {
    .name = "fw_cfg",
    .version = 1,
    .reset = fw_cfg_reset,
    .destroy = fw_cfg_destroy,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int fw_cfg_init(struct fw_cfg *fw, const struct fw_cfg_config *config)
{
    memset(fw, 0, sizeof(*fw));
    fw->config = *config;
    fw->item[fw->items++] = (struct fw_cfg_item){.key = FW_CFG_DIRECTORY, .data = fw->directory, .size = 4};
    int r = add(fw, FW_CFG_SIGNATURE, "", "QEMU", 4);
    if (!r)
        r = fw_cfg_add_number(fw, FW_CFG_ID, ID_TRADITIONAL | ID_DMA, 4);
    if (r)
        fw_cfg_destroy(fw);
    return r;
}
