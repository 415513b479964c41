/*
 * ELF executables, 32 and 64 bits: program headers and notes. Little-endian x86 only; every offset is checked. See
 * loader.h.
 */
#include "devices/machine/loader.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* What we need of either width. */
struct header {
    bool wide;
    uint64_t entry, table;
    unsigned count, entry_size;
};

struct segment_header {
    uint32_t type;
    uint64_t offset, virtual_address, physical_address, file_size, memory_size, align;
};

bool elf_is(const struct blob *kernel)
{
    return kernel->size >= EI_NIDENT && !memcmp(kernel->data, ELFMAG, SELFMAG);
}

static bool read_header(const struct blob *kernel, struct header *h)
{
    if (!elf_is(kernel) || kernel->data[EI_DATA] != ELFDATA2LSB)
        return false;
    if (kernel->data[EI_CLASS] == ELFCLASS64 && kernel->size >= sizeof(Elf64_Ehdr)) {
        Elf64_Ehdr e;
        memcpy(&e, kernel->data, sizeof(e));
        *h = (struct header){true, e.e_entry, e.e_phoff, e.e_phnum, e.e_phentsize};
        return e.e_machine == EM_X86_64 && h->entry_size >= sizeof(Elf64_Phdr);
    }
    if (kernel->data[EI_CLASS] == ELFCLASS32 && kernel->size >= sizeof(Elf32_Ehdr)) {
        Elf32_Ehdr e;
        memcpy(&e, kernel->data, sizeof(e));
        *h = (struct header){false, e.e_entry, e.e_phoff, e.e_phnum, e.e_phentsize};
        return e.e_machine == EM_386 && h->entry_size >= sizeof(Elf32_Phdr);
    }
    return false;
}

static bool read_segment(const struct blob *kernel, const struct header *h, unsigned index, struct segment_header *s)
{
    if (!blob_holds(kernel, h->table, (uint64_t)h->count * h->entry_size))
        return false;
    const uint8_t *at = kernel->data + h->table + (uint64_t)index * h->entry_size;
    if (h->wide) {
        Elf64_Phdr p;
        memcpy(&p, at, sizeof(p));
        *s = (struct segment_header){p.p_type, p.p_offset, p.p_vaddr, p.p_paddr, p.p_filesz, p.p_memsz, p.p_align};
    } else {
        Elf32_Phdr p;
        memcpy(&p, at, sizeof(p));
        *s = (struct segment_header){p.p_type, p.p_offset, p.p_vaddr, p.p_paddr, p.p_filesz, p.p_memsz, p.p_align};
    }
    return blob_holds(kernel, s->offset, s->file_size);
}

static int damaged(const struct load_request *request, struct error *err)
{
    return error_set(err, -ENOEXEC, "-kernel %s: a damaged ELF file (its headers point outside it); build it again",
                     request->kernel);
}

int load_elf(const struct load_request *request, const struct blob *kernel, uint64_t *low, uint64_t *high,
             uint64_t *entry, struct error *err)
{
    struct header h;

    if (!read_header(kernel, &h))
        return error_set(err, -ENOEXEC, "-kernel %s: an ELF file, but not for x86; give an i386 or x86-64 kernel",
                         request->kernel);
    *low = UINT64_MAX;
    *high = 0;
    *entry = h.entry;
    for (unsigned i = 0; i < h.count; i++) {
        struct segment_header s;
        if (!read_segment(kernel, &h, i, &s))
            return damaged(request, err);
        if (s.type != PT_LOAD || !s.memory_size)
            continue;
        if (s.memory_size < s.file_size)
            return damaged(request, err);
        int r = load_write(request, s.physical_address, kernel->data + s.offset, s.file_size, "-kernel", err);
        if (!r)
            r = load_zero(request, s.physical_address + s.file_size, s.memory_size - s.file_size, "-kernel", err);
        if (r)
            return r;
        if (s.physical_address < *low)
            *low = s.physical_address;
        if (s.physical_address + s.memory_size > *high)
            *high = s.physical_address + s.memory_size;
        /* Kernels linked high give a virtual entry point. */
        if (h.entry >= s.virtual_address && h.entry - s.virtual_address < s.memory_size)
            *entry = s.physical_address + (h.entry - s.virtual_address);
    }
    if (!*high)
        return error_set(err, -ENOEXEC, "-kernel %s: an ELF file with nothing to load; give a linked kernel",
                         request->kernel);
    return 0;
}

/* Looks through one note segment. Names and descriptions are padded to `align`. */
static bool find_in(const struct blob *kernel, uint64_t at, uint64_t end, uint64_t align, const char *owner,
                    uint32_t type, uint64_t *offset, uint64_t *size)
{
    while (end - at >= 12) {
        uint64_t name_size = blob_u32(kernel, at), body_size = blob_u32(kernel, at + 4);
        uint32_t note_type = blob_u32(kernel, at + 8);
        uint64_t name = at + 12;
        uint64_t body = name + ((name_size + align - 1) & ~(align - 1));
        if (body > end || body_size > end - body)
            return false;
        if (note_type == type && name_size == strlen(owner) + 1 && !memcmp(kernel->data + name, owner, name_size)) {
            *offset = body;
            *size = body_size;
            return true;
        }
        at = body + ((body_size + align - 1) & ~(align - 1));
        if (at > end)
            return false;
    }
    return false;
}

bool elf_find_note(const struct blob *kernel, const char *owner, uint32_t type, uint64_t *offset, uint64_t *size)
{
    struct header h;

    if (!read_header(kernel, &h))
        return false;
    for (unsigned i = 0; i < h.count; i++) {
        struct segment_header s;
        if (!read_segment(kernel, &h, i, &s))
            return false;
        if (s.type == PT_NOTE &&
            find_in(kernel, s.offset, s.offset + s.file_size, s.align == 8 ? 8 : 4, owner, type, offset, size))
            return true;
    }
    return false;
}
