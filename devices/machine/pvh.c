/*
 * PVH: an ELF kernel whose Xen note names a 32-bit physical entry point, started with EBX pointing to an
 * hvm_start_info. Uncompressed Linux (vmlinux with CONFIG_PVH) and the BSDs have one.
 *
 * Source: Xen's public header "hvm/start_info.h" (layout version 1) and its document "x86/HVM direct boot ABI".
 */
#include "devices/machine/loader.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { XEN_ELFNOTE_PHYS32_ENTRY = 18 };

/* Written to guest memory as they are. */
struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
};

struct module {
    uint64_t base, size, command_line, reserved;
};

struct memory_map_entry {
    uint64_t base, size;
    uint32_t type, reserved;
};

struct block {
    struct start_info info;
    struct module module;
    struct memory_map_entry map[MEMORY_MAP_MAX];
};

static int place_initrd(const struct load_request *request, uint64_t kernel_end, struct module *module,
                        struct error *err)
{
    struct blob initrd;
    int r = load_file(request, &initrd, "-initrd", request->initrd, err);
    if (r)
        return r;
    /* Below 1 GiB, so that 32-bit kernels reach it before they have a memory map. */
    uint64_t base = load_place_high(request->map, kernel_end, 0x37ffffff, initrd.size);
    if (!base)
        r = error_set(err, -EFBIG,
                      "-initrd %s: its %" PRIu64 " KiB do not fit above the kernel; give the guest more with -m",
                      request->initrd, (initrd.size + 1023) >> 10);
    else
        r = load_write(request, base, initrd.data, initrd.size, "-initrd", err);
    *module = (struct module){.base = base, .size = initrd.size};
    blob_free(&initrd);
    return r;
}

int load_pvh(const struct load_request *request, const struct blob *kernel, struct load_entry *entry, struct error *err)
{
    struct block block = {
        .info =
            {
                .magic = 0x336ec578,
                .version = 1,
                .command_line = LOAD_COMMAND_LINE,
                .rsdp = request->rsdp,
                .memory_map = LOAD_INFO + offsetof(struct block, map),
                .memory_map_entries = request->map->count,
            },
    };
    uint64_t low, high, elf_entry, note, note_size, start = 0;

    if (!elf_is(kernel))
        return 1;
    if (!elf_find_note(kernel, "Xen", XEN_ELFNOTE_PHYS32_ENTRY, &note, &note_size) ||
        (note_size != 4 && note_size != 8))
        return error_set(
            err, -ENOEXEC,
            "-kernel %s: an ELF file with neither a PVH entry note nor a Multiboot header; give a bzImage, "
            "or a kernel with CONFIG_PVH",
            request->kernel);
    memcpy(&start, kernel->data + note, note_size);
    int r = load_elf(request, kernel, &low, &high, &elf_entry, err);
    if (r)
        return r;
    if (start < low || start >= high || start > UINT32_MAX)
        return error_set(err, -ENOEXEC,
                         "-kernel %s: its PVH entry %" PRIx64 "h lies outside the kernel; build it again",
                         request->kernel, start);
    r = load_command_line(request, "", LOAD_COMMAND_LINE_MAX - 1, err);
    if (!r && request->initrd) {
        r = place_initrd(request, high, &block.module, err);
        block.info.module_count = 1;
        block.info.modules = LOAD_INFO + offsetof(struct block, module);
    }
    if (r)
        return r;
    for (unsigned i = 0; i < request->map->count; i++)
        block.map[i] = (struct memory_map_entry){.base = request->map->range[i].base,
                                                 .size = request->map->range[i].size,
                                                 .type = request->map->range[i].type};
    entry->eip = (uint32_t)start;
    entry->ebx = LOAD_INFO;
    entry->protocol = "PVH";
    return load_write(request, LOAD_INFO, &block, sizeof(block), "hvm_start_info", err);
}
