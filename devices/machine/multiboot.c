/*
 * Multiboot 1: header search, ELF or address-field loading, modules, and the information structure.
 *
 * -initrd "file args,file2" gives the modules: comma-separated (a doubled comma is a comma), each a path, and the whole
 * text as its string. Source: "Multiboot Specification version 0.6.96".
 */
#include "devices/machine/loader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEARCH = 8192, /* bytes of the file in which the header lies whole */
    HEADER_MAGIC = 0x1badb002,
    ENTRY_MAGIC = 0x2badb002,

    HEADER_PAGE_ALIGN = 1 << 0,
    HEADER_MEMORY = 1 << 1,
    HEADER_VIDEO = 1 << 2,
    HEADER_REQUIRED = 0xffff, /* the loader must know these or refuse */
    HEADER_ADDRESSES = 1 << 16,

    INFO_MEMORY = 1 << 0,
    INFO_COMMAND_LINE = 1 << 2,
    INFO_MODULES = 1 << 3,
    INFO_MEMORY_MAP = 1 << 6,
    INFO_LOADER_NAME = 1 << 9,

    MODULES_MAX = 64,
    STRINGS_MAX = 0x8000, /* of all modules together */
};

/* Written to guest memory as they are; all members are naturally aligned or the struct is packed. */
struct info {
    uint32_t flags, mem_lower, mem_upper, boot_device, command_line, module_count, modules, symbols[4], map_length, map,
        drives_length, drives, config_table, loader_name, apm_table, vbe[4], framebuffer[6];
};

struct module {
    uint32_t start, end, string, reserved;
};

struct map_entry {
    uint32_t size; /* of the rest */
    uint64_t base, length;
    uint32_t type;
} __attribute__((packed));

struct block {
    struct info info;
    struct module module[MODULES_MAX];
    struct map_entry map[MEMORY_MAP_MAX];
    char loader_name[16];
    char strings[STRINGS_MAX];
};

static bool find_header(const struct blob *kernel, uint64_t *at)
{
    uint64_t end = kernel->size < SEARCH ? kernel->size : SEARCH;
    for (*at = 0; *at + 12 <= end; *at += 4)
        if (blob_u32(kernel, *at) == HEADER_MAGIC &&
            !(uint32_t)(HEADER_MAGIC + blob_u32(kernel, *at + 4) + blob_u32(kernel, *at + 8)))
            return true;
    return false;
}

/* The a.out kludge: header address | load address | load end | bss end | entry, from offset 12 of the header. */
static int load_by_addresses(const struct load_request *request, const struct blob *kernel, uint64_t header,
                             uint64_t *high, uint64_t *entry, struct error *err)
{
    if (!blob_holds(kernel, header, 32))
        return error_set(err, -ENOEXEC, "-kernel %s: its Multiboot header is cut off; build it again", request->kernel);
    uint32_t header_address = blob_u32(kernel, header + 12), load = blob_u32(kernel, header + 16);
    uint32_t load_end = blob_u32(kernel, header + 20), bss_end = blob_u32(kernel, header + 24);
    if (header_address < load || header_address - load > header)
        return error_set(err, -ENOEXEC,
                         "-kernel %s: its Multiboot header's addresses do not fit the file; build it again",
                         request->kernel);
    uint64_t offset = header - (header_address - load);
    uint64_t size = load_end ? (uint64_t)load_end - load : kernel->size - offset;
    if ((load_end && load_end < load) || !blob_holds(kernel, offset, size) ||
        (bss_end && bss_end < (uint64_t)load + size))
        return error_set(err, -ENOEXEC,
                         "-kernel %s: its Multiboot header's addresses do not fit the file; build it again",
                         request->kernel);
    int r = load_write(request, load, kernel->data + offset, size, "-kernel", err);
    if (!r && bss_end)
        r = load_zero(request, load + size, bss_end - load - size, "-kernel", err);
    *high = bss_end ? bss_end : load + size;
    *entry = blob_u32(kernel, header + 28);
    return r;
}

/* Copies the text up to the next single comma; returns what follows it, or null at the end or when it does not fit. */
static const char *next_module(const char *text, char *copy, size_t size, bool *fits)
{
    size_t length = 0;
    *fits = true;
    for (; *text; text++) {
        if (*text == ',' && *++text != ',') {
            copy[length] = 0;
            return text;
        }
        if (length + 1 == size) {
            *fits = false;
            return NULL;
        }
        copy[length++] = *text;
    }
    copy[length] = 0;
    return NULL;
}

static int load_module(const struct load_request *request, const char *string, uint64_t *high, struct module *module,
                       struct error *err)
{
    char path[4096];
    struct blob file;

    snprintf(path, sizeof(path), "%.*s", (int)strcspn(string, " "), string);
    int r = load_file(request, &file, "-initrd", path, err);
    if (r)
        return r;
    uint64_t base = (*high + GUEST_PAGE_OFFSET) & ~(uint64_t)GUEST_PAGE_OFFSET;
    if (base < LOAD_HIGH)
        base = LOAD_HIGH;
    if (!load_in_ram(request->map, base, file.size) || base + file.size > UINT32_MAX)
        r = error_set(err, -EFBIG,
                      "-initrd %s: its %" PRIu64 " KiB do not fit above the kernel; give the guest more "
                      "with -m",
                      path, (file.size + 1023) >> 10);
    else
        r = load_write(request, base, file.data, file.size, "-initrd", err);
    *module = (struct module){.start = (uint32_t)base, .end = (uint32_t)(base + file.size)};
    *high = base + file.size;
    blob_free(&file);
    return r;
}

static int load_modules(const struct load_request *request, uint64_t high, struct block *block, struct error *err)
{
    const char *rest = request->initrd;
    size_t used = 0;
    bool fits;

    while (rest) {
        char *string = block->strings + used;
        if (block->info.module_count == MODULES_MAX)
            return error_set(err, -E2BIG, "-initrd: more than %d modules; give fewer", MODULES_MAX);
        rest = next_module(rest, string, sizeof(block->strings) - used, &fits);
        if (!fits)
            return error_set(err, -E2BIG, "-initrd: the modules' arguments are too long; shorten them");
        struct module *module = &block->module[block->info.module_count];
        int r = load_module(request, string, &high, module, err);
        if (r)
            return r;
        module->string = (uint32_t)(LOAD_INFO + offsetof(struct block, strings) + used);
        block->info.module_count++;
        used += strlen(string) + 1;
        if (rest && used >= sizeof(block->strings))
            return error_set(err, -E2BIG, "-initrd: the modules' arguments are too long; shorten them");
    }
    return 0;
}

static void fill_info(const struct load_request *request, struct block *block)
{
    struct info *info = &block->info;

    info->flags = INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME;
    info->command_line = LOAD_COMMAND_LINE;
    info->modules = LOAD_INFO + offsetof(struct block, module);
    info->map = LOAD_INFO + offsetof(struct block, map);
    info->map_length = request->map->count * (uint32_t)sizeof(struct map_entry);
    info->loader_name = LOAD_INFO + offsetof(struct block, loader_name);
    strcpy(block->loader_name, "ring3");
    for (unsigned i = 0; i < request->map->count; i++) {
        const struct memory_range *range = &request->map->range[i];
        block->map[i] = (struct map_entry){sizeof(struct map_entry) - 4, range->base, range->size, range->type};
        if (range->type == MEMORY_RAM && range->base == 0)
            info->mem_lower = (uint32_t)(range->size >> 10);
        if (range->type == MEMORY_RAM && range->base == LOAD_HIGH)
            info->mem_upper = (uint32_t)(range->size >> 10);
    }
}

/* The kernel itself; *high: where it ends. */
static int load_image(const struct load_request *request, const struct blob *kernel, uint64_t header, uint64_t *high,
                      struct load_entry *entry, struct error *err)
{
    uint32_t flags = blob_u32(kernel, header + 4);
    uint32_t unknown = flags & HEADER_REQUIRED & ~(HEADER_PAGE_ALIGN | HEADER_MEMORY | HEADER_VIDEO);
    uint64_t low, start;

    if (unknown)
        return error_set(err, -ENOEXEC,
                         "-kernel %s: wants Multiboot features that ring3 does not have (flags %" PRIx32
                         "h); build it without",
                         request->kernel, unknown);
    int r = flags & HEADER_ADDRESSES ? load_by_addresses(request, kernel, header, high, &start, err)
                                     : load_elf(request, kernel, &low, high, &start, err);
    if (r)
        return r;
    if (start > UINT32_MAX)
        return error_set(err, -ENOEXEC, "-kernel %s: its entry point %" PRIx64 "h is above 4 GiB; link it lower",
                         request->kernel, start);
    entry->eip = (uint32_t)start;
    return 0;
}

int load_multiboot(const struct load_request *request, const struct blob *kernel, struct load_entry *entry,
                   struct error *err)
{
    uint64_t header, high = 0;
    char prefix[4096 + 2];

    if (!find_header(kernel, &header))
        return 1;
    int r = load_image(request, kernel, header, &high, entry, err);
    if (r)
        return r;
    struct block *block = calloc(1, sizeof(*block));
    if (!block)
        return error_set(err, -ENOMEM, "no memory for the Multiboot information");
    snprintf(prefix, sizeof(prefix), "%s%s", request->kernel, request->append ? " " : "");
    r = load_command_line(request, prefix, LOAD_COMMAND_LINE_MAX - 1, err);
    if (!r && request->initrd)
        r = load_modules(request, high, block, err);
    if (!r) {
        fill_info(request, block);
        r = load_write(request, LOAD_INFO, block, sizeof(*block), "the Multiboot information", err);
    }
    free(block);
    entry->eax = ENTRY_MAGIC;
    entry->ebx = LOAD_INFO;
    entry->protocol = "Multiboot";
    return r;
}
