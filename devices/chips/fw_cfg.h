/*
 * fw_cfg: how the machine hands tables and settings to firmware. Items are read by number, through a byte port or by
 * DMA; item 19h is the directory of named files.
 *
 * Two regions: fw_cfg_ports_ops (2 ports: selector, and data in the second, at 510h) and fw_cfg_dma_ops (8 bytes, at
 * 514h). Items are read-only for the guest.
 *
 * Source: the interface's specification, "QEMU Firmware Configuration (fw_cfg) Device".
 * @locks the machine lock is held in every function and callback.
 */
#ifndef RING3_DEVICES_FW_CFG_H
#define RING3_DEVICES_FW_CFG_H

#include "cpu-model/base/bus.h"
#include "devices/core/device.h"
#include "softmmu/dma.h"

enum {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_CPUS = 0x05,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_DIRECTORY = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_LOCAL = 0x8000, /* items of the architecture */
    FW_CFG_IRQ0_OVERRIDE = FW_CFG_LOCAL + 2,
    FW_CFG_FILES_MAX = 48,
    FW_CFG_NAME_MAX = 56,
    FW_CFG_ITEMS_MAX = 64,
};

struct fw_cfg_item {
    uint16_t key;
    char name[FW_CFG_NAME_MAX]; /* files only */
    const uint8_t *data;        /* owned by whoever added it, unless `copy` */
    uint8_t *copy;
    uint32_t size;
};

struct fw_cfg_config {
    struct space *space; /* for DMA */
    void *context;
    /* Called before the guest reads an item: a chance to build it as the machine now is. May be null. */
    void (*selected)(void *context, uint16_t key);
};

struct fw_cfg {
    struct fw_cfg_config config;
    struct fw_cfg_item item[FW_CFG_ITEMS_MAX];
    unsigned items, files;
    uint8_t directory[4 + FW_CFG_FILES_MAX * 64];
    uint16_t selected;
    uint32_t position;
    uint64_t dma_address;
};

int fw_cfg_init(struct fw_cfg *fw, const struct fw_cfg_config *config);

/* An item of up to 8 bytes, little-endian; copied. Replaces the item of that number. Returns 0, or -ENOSPC, -ENOMEM. */
int fw_cfg_add_number(struct fw_cfg *fw, uint16_t key, uint64_t value, unsigned size);

/* The same of any size. */
int fw_cfg_add_item(struct fw_cfg *fw, uint16_t key, const void *data, uint32_t size);

/* A file; the bytes are copied. A file of this name is replaced. Returns 0, or -ENOSPC, -ENOMEM, -ENAMETOOLONG. */
int fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, uint32_t size);

/* The number of a file, or 0. */
uint16_t fw_cfg_file_key(const struct fw_cfg *fw, const char *name);

extern const struct bus_ops fw_cfg_ports_ops, fw_cfg_dma_ops;
extern const struct device_class fw_cfg_class;

#endif
