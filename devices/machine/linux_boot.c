/*
 * The Linux/x86 boot protocol, 2.02 and later, for bzImages: the 32-bit entry at code32_start, which every bzImage has
 * and which reaches 64-bit mode by itself where the kernel is a 64-bit one. No real-mode code of the kernel is run.
 *
 * The setup header is copied from the image into a zeroed boot_params page and completed there. Fields by their offset
 * in boot_params, as in the kernel's documents "The Linux/x86 Boot Protocol" and "Zero Page".
 */
#include "devices/machine/loader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
    BP_VIDEO_MODE = 0x006,
    BP_VIDEO_COLUMNS = 0x007,
    BP_EGA_BX = 0x00a, /* what INT 10h, AH=12h, BL=10h says in BX: a colour display, 256 KiB */
    BP_VIDEO_ROWS = 0x00e,
    BP_IS_VGA = 0x00f,
    BP_GLYPH_HEIGHT = 0x010,
    BP_ALT_MEM_K = 0x1e0,
    BP_ACPI_RSDP = 0x070,
    BP_E820_ENTRIES = 0x1e8,
    BP_SETUP_SECTS = 0x1f1,
    BP_SYSSIZE = 0x1f4,
    BP_BOOT_FLAG = 0x1fe,
    BP_JUMP = 0x200, /* its second byte says where the header ends */
    BP_MAGIC = 0x202,
    BP_VERSION = 0x206,
    BP_TYPE_OF_LOADER = 0x210,
    BP_LOADFLAGS = 0x211,
    BP_CODE32_START = 0x214,
    BP_RAMDISK_IMAGE = 0x218,
    BP_RAMDISK_SIZE = 0x21c,
    BP_HEAP_END_PTR = 0x224,
    BP_CMD_LINE_PTR = 0x228,
    BP_INITRD_ADDR_MAX = 0x22c,
    BP_XLOADFLAGS = 0x236, /* bit 0: a 64-bit kernel */
    BP_CMDLINE_SIZE = 0x238,
    BP_PREF_ADDRESS = 0x258,
    BP_INIT_SIZE = 0x260,
    BP_HEADER_END_MAX = 0x290, /* edd_mbr_sig_buffer follows */
    BP_E820_TABLE = 0x2d0,
    BP_SIZE = 0x1000,

    LOADED_HIGH = 1 << 0,
    CAN_USE_HEAP = 1 << 7,
};

static const uint32_t magic = 0x53726448; /* HdrS */

static void put(uint8_t *page, unsigned offset, uint64_t value, unsigned size)
{
    memcpy(page + offset, &value, size);
}

/* An older protocol's header does not have the later fields; what lies there is code. */
static uint64_t field(const struct blob *kernel, uint16_t since, unsigned offset, unsigned size, uint64_t otherwise)
{
    uint64_t value = 0;
    if (blob_u16(kernel, BP_VERSION) < since || !blob_holds(kernel, offset, size))
        return otherwise;
    memcpy(&value, kernel->data + offset, size);
    return value;
}

/* screen_info. The cursor is at the top, as its zeros say. */
static void fill_screen(uint8_t *page)
{
    page[BP_VIDEO_MODE] = LOAD_TEXT_MODE;
    page[BP_VIDEO_COLUMNS] = LOAD_TEXT_COLUMNS;
    put(page, BP_EGA_BX, 3, 2);
    page[BP_VIDEO_ROWS] = LOAD_TEXT_ROWS;
    page[BP_IS_VGA] = 1;
    put(page, BP_GLYPH_HEIGHT, LOAD_GLYPH_HEIGHT, 2);
}

static void fill_e820(uint8_t *page, const struct memory_map *map)
{
    for (unsigned i = 0; i < map->count; i++) {
        unsigned at = BP_E820_TABLE + i * 20;
        put(page, at, map->range[i].base, 8);
        put(page, at + 8, map->range[i].size, 8);
        put(page, at + 16, map->range[i].type, 4);
        if (map->range[i].type == MEMORY_RAM && map->range[i].base == LOAD_HIGH)
            put(page, BP_ALT_MEM_K, map->range[i].size >> 10, 4);
    }
    page[BP_E820_ENTRIES] = (uint8_t)map->count;
}

/* kernel_end: the first address that the kernel does not use while it unpacks itself. */
static int place_initrd(const struct load_request *request, const struct blob *kernel, uint64_t kernel_end,
                        uint8_t *page, struct error *err)
{
    struct blob initrd;
    int r = load_file(request, &initrd, "-initrd", request->initrd, err);
    if (r)
        return r;
    uint64_t limit = field(kernel, 0x203, BP_INITRD_ADDR_MAX, 4, 0x37ffffff) + 1;
    uint64_t base = load_place_high(request->map, kernel_end, limit, initrd.size);
    if (!base)
        r = error_set(err, -EFBIG,
                      "-initrd %s: its %" PRIu64 " KiB do not fit beside the kernel, which uses memory up to %" PRIu64
                      " KiB; give the guest more with -m",
                      request->initrd, (initrd.size + 1023) >> 10, kernel_end >> 10);
    else
        r = load_write(request, base, initrd.data, initrd.size, "-initrd", err);
    put(page, BP_RAMDISK_IMAGE, base, 4);
    put(page, BP_RAMDISK_SIZE, initrd.size, 4);
    blob_free(&initrd);
    return r;
}

int load_linux(const struct load_request *request, const struct blob *kernel, struct load_entry *entry,
               struct error *err)
{
    uint8_t page[BP_SIZE] = {0};

    if (!blob_holds(kernel, 0, BP_CMD_LINE_PTR + 4) || blob_u16(kernel, BP_BOOT_FLAG) != 0xaa55 ||
        blob_u32(kernel, BP_MAGIC) != magic)
        return 1;
    if (blob_u16(kernel, BP_VERSION) < 0x202 || !(kernel->data[BP_LOADFLAGS] & LOADED_HIGH))
        return error_set(err, -ENOEXEC,
                         "-kernel %s: a Linux image from before boot protocol 2.02, or a zImage; give a bzImage (2.4 "
                         "or later)",
                         request->kernel);
    unsigned setup_sectors = kernel->data[BP_SETUP_SECTS] ? kernel->data[BP_SETUP_SECTS] : 4;
    uint64_t setup_size = (setup_sectors + 1) * 512ull;
    if (setup_size >= kernel->size)
        return error_set(err, -ENOEXEC, "-kernel %s: a truncated bzImage (%" PRIu64 " bytes); get it again",
                         request->kernel, kernel->size);
    uint64_t image_size = kernel->size - setup_size;
    /* syssize counts 16-byte paragraphs; it was 16 bits wide before 2.04. The checksum may be missing. */
    if (field(kernel, 0x204, BP_SYSSIZE, 4, 0) * 16 > image_size + 15)
        return error_set(err, -ENOEXEC, "-kernel %s: a truncated bzImage (%" PRIu64 " bytes); get it again",
                         request->kernel, kernel->size);

    /* The kernel's own words about it go to the BIOS, which is not there. */
    if (request->no_long_mode && field(kernel, 0x20c, BP_XLOADFLAGS, 2, 0) & 1)
        return error_set(err, -ENOEXEC,
                         "-kernel %s: a 64-bit kernel, and the -cpu model has no long mode; use -cpu max",
                         request->kernel);

    uint64_t header_end = BP_MAGIC + kernel->data[BP_JUMP + 1];
    if (header_end > BP_HEADER_END_MAX)
        header_end = BP_HEADER_END_MAX;
    if (header_end > kernel->size)
        header_end = kernel->size;
    memcpy(page + BP_SETUP_SECTS, kernel->data + BP_SETUP_SECTS, header_end - BP_SETUP_SECTS);

    int r = load_write(request, LOAD_HIGH, kernel->data + setup_size, image_size, "-kernel", err);
    if (r)
        return r;
    uint64_t kernel_end = LOAD_HIGH + image_size;
    uint64_t unpack_base = field(kernel, 0x20a, BP_PREF_ADDRESS, 8, LOAD_HIGH);
    uint64_t unpack_size = field(kernel, 0x20a, BP_INIT_SIZE, 4, image_size * 4);
    if (unpack_base < LOAD_HIGH)
        unpack_base = LOAD_HIGH;
    if (!load_in_ram(request->map, unpack_base, unpack_size))
        return error_set(err, -EFBIG,
                         "-kernel %s: needs at least %" PRIu64 " MiB of memory to unpack itself; give it more with -m",
                         request->kernel, ((unpack_base + unpack_size) >> 20) + 1);
    if (unpack_base + unpack_size > kernel_end)
        kernel_end = unpack_base + unpack_size;

    r = load_command_line(request, "", field(kernel, 0x206, BP_CMDLINE_SIZE, 4, 255), err);
    if (!r && request->initrd)
        r = place_initrd(request, kernel, kernel_end, page, err);
    if (r)
        return r;
    page[BP_TYPE_OF_LOADER] = 0xff;
    page[BP_LOADFLAGS] |= CAN_USE_HEAP;
    put(page, BP_HEAP_END_PTR, 0xfe00, 2);
    put(page, BP_CODE32_START, LOAD_HIGH, 4);
    put(page, BP_CMD_LINE_PTR, LOAD_COMMAND_LINE, 4);
    put(page, BP_ACPI_RSDP, request->rsdp, 8);
    fill_e820(page, request->map);
    if (request->text_screen)
        fill_screen(page);

    entry->eip = LOAD_HIGH;
    entry->esi = LOAD_INFO;
    entry->protocol = "Linux";
    return load_write(request, LOAD_INFO, page, sizeof(page), "boot_params", err);
}
