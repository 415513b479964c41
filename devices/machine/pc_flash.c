/*
 * The PC's flash memories: `-drive if=pflash` once for the firmware, and once more for its variables. See pc_int.h.
 *
 * Invariant: bank 0 ends at 4 GiB and bank 1 ends where bank 0 starts; a bank is mapped as ROM exactly while its chip
 * shows its array, and the chip answers on the memory bus always: stores come to it either way.
 *
 * Thread: whoever holds the machine lock.
 */
#include "devices/machine/pc_int.h"

#include <errno.h>
#include <string.h>

enum { FLASH_MAX = 8 << 20 };

static void on_array_shown(void *context, bool shown)
{
    struct pc_flash *flash = context;
    struct error err;
    if (shown)
        space_map(flash->space, &flash->slot, &err);
    else
        space_unmap(flash->space, flash->slot.base);
}

static void on_changed(void *context, uint32_t offset, uint32_t size)
{
    struct pc_flash *flash = context;
    space_written(flash->space, flash->slot.host + offset, size);
}

static int create_bank(struct pc *pc, unsigned i, uint64_t end, struct block *block, struct error *err)
{
    struct pc_flash *flash = &pc->flash[i];
    uint64_t size = block_size(block);

    if (size % PFLASH_BLOCK || size > FLASH_MAX)
        return error_set(err, -EINVAL,
                         "%s: %llu bytes are no flash memory: it must be a multiple of 4096 bytes and at most 8 MiB",
                         block_path(block), (unsigned long long)size);
    flash->space = pc->config.space;
    flash->slot = (struct space_slot){.base = end - size, .size = size, .rom = true, .name = "flash"};
    int r = space_reserve(flash->space, size, "flash", &flash->slot.host, err);
    if (r)
        return r;
    r = block_read_now(block, 0, flash->slot.host, size);
    if (r)
        return error_set(err, r, "%s: cannot be read: %s", block_path(block), strerror(-r));
    r = pflash_init(&flash->chip, &(struct pflash_config){.storage = flash->slot.host,
                                                          .size = (uint32_t)size,
                                                          .readonly = block_readonly(block),
                                                          .block = block,
                                                          .array_shown = on_array_shown,
                                                          .changed = on_changed,
                                                          .context = flash});
    if (r)
        return error_set(err, r, "the flash memory refused its configuration: %s", strerror(-r));
    pc_add_device(pc, &pflash_class, &flash->chip);
    r = space_map(flash->space, &flash->slot, err);
    const struct bus_region region = {
        .base = end - size, .size = size, .ops = &pflash_ops, .device = &flash->chip, .name = "flash"};
    return r ? r : bus_map(pc->config.mmio, &region, err);
}

int pc_create_flash(struct pc *pc, struct error *err)
{
    uint64_t end = PCI_HOLE_END;
    int r = 0;

    for (unsigned i = 0; i < DRIVES_FLASH && !r; i++) {
        struct block *block = pc->config.drives.drive[DRIVE_FLASH][i].block;
        if (!block)
            continue;
        r = create_bank(pc, i, end, block, err);
        end -= block_size(block);
    }
    if (!r && pc->flash[0].slot.host) { /* the firmware, whose end also shows below 1 MiB */
        pc->rom = pc->flash[0].slot.host;
        pc->config.boot.rom_size = pc->flash[0].chip.config.size;
    }
    return r;
}
