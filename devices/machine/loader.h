/*
 * Loading a kernel without firmware: the file formats, where things go in guest memory, and the CPU state at entry.
 *
 * Files are hostile input: every offset and size in them is checked against the file and against guest RAM before use.
 * Each format is recognized by content: bzImage (linux_boot.c), Multiboot 1 (multiboot.c), ELF with a PVH entry note
 * (pvh.c), tried in that order.
 *
 * Low memory while a kernel is entered:
 *     00000  real-mode vectors (pc_vectors.c)
 *     00400  BIOS data area (base memory size, EBDA segment, video mode)
 *     01000  GDT: 10h flat code, 18h flat data, 20h TSS
 *     10000  boot_params, Multiboot information or hvm_start_info, with their tables
 *     20000  kernel command line
 *     9fc00  EBDA (reserved)
 *
 * Thread: whoever holds the machine lock while no vCPU runs.
 */
#ifndef RING3_MACHINE_LOADER_H
#define RING3_MACHINE_LOADER_H

#include "cpu-model/base/error.h"
#include "cpu-model/state/vcpu.h"
#include "softmmu/space.h"

/* E820 types, which Multiboot and PVH share. */
enum { MEMORY_RAM = 1, MEMORY_RESERVED = 2, MEMORY_ACPI = 3 };

enum { MEMORY_MAP_MAX = 16 };

struct memory_range {
    uint64_t base, size;
    uint32_t type;
};

struct memory_map {
    struct memory_range range[MEMORY_MAP_MAX]; /* sorted by base */
    unsigned count;
};

enum {
    LOAD_GDT = 0x1000,
    LOAD_GDT_CODE = 0x10,
    LOAD_GDT_DATA = 0x18,
    LOAD_GDT_TSS = 0x20,
    LOAD_GDT_SIZE = 0x28,
    LOAD_INFO = 0x10000, /* the protocol's information block and its tables, up to the command line */
    LOAD_COMMAND_LINE = 0x20000,
    LOAD_COMMAND_LINE_MAX = 0x10000, /* bytes, the final 0 included */
    LOAD_HIGH = 0x100000,
};

/* The text screen, where there is one: the BIOS' mode 3. */
enum { LOAD_TEXT_MODE = 3, LOAD_TEXT_COLUMNS = 80, LOAD_TEXT_ROWS = 25, LOAD_GLYPH_HEIGHT = 16 };

/* Files that stay open for the next load, where the process may open none later (-sandbox). Zeroed at first. */
struct load_files {
    struct {
        char *path;
        int fd;
    } * file;
    unsigned count;
};

void load_files_close(struct load_files *files);

/* What to boot, and on what. */
struct load_request {
    const char *kernel, *initrd, *append; /* initrd and append may be null */
    struct load_files *files;             /* null: opened anew each time */
    struct space *space;
    const struct memory_map *map;
    uint64_t rsdp;     /* guest-physical address, or 0 */
    bool no_long_mode; /* the CPU model cannot run a 64-bit kernel */
    bool text_screen;  /* a VGA is there, in text mode */
};

/* How to enter it: 32-bit flat protected mode without paging. */
struct load_entry {
    uint32_t eip, eax, ebx, esi, esp;
    const char *protocol; /* for messages */
};

/* Loads the kernel and all that goes with it. Returns 0, or a negative errno with a message naming the file. */
int load_kernel(const struct load_request *request, struct load_entry *entry, struct error *err);

/* Puts a freshly reset vCPU into that state. The GDT was written by load_kernel(). */
void load_enter(struct vcpu *vcpu, const struct load_entry *entry);

/* --- for the formats ---------------------------------------------------------------------------------------------- */

struct blob {
    uint8_t *data;
    uint64_t size;
};

/* Reads a whole file of at most `max` bytes; pipes too. `option` is named in messages ("-kernel"). */
int blob_read(struct blob *blob, const char *option, const char *path, uint64_t max, struct error *err);
void blob_free(struct blob *blob);
/* The same for a file of a request, as large as its RAM at most. */
int load_file(const struct load_request *request, struct blob *blob, const char *option, const char *path,
              struct error *err);

/* Replaces a gzip file's bytes by what it holds, at most `max` bytes; another file stays. Returns 0, -EFBIG, -ENOMEM,
 * or -EILSEQ when it is damaged. (inflate.c) */
int blob_inflate(struct blob *blob, uint64_t max);

/* Little-endian fields of a file image. The caller has checked the bounds. */
static inline uint16_t blob_u16(const struct blob *blob, uint64_t offset)
{
    uint16_t v;
    __builtin_memcpy(&v, blob->data + offset, sizeof(v));
    return v;
}

static inline uint32_t blob_u32(const struct blob *blob, uint64_t offset)
{
    uint32_t v;
    __builtin_memcpy(&v, blob->data + offset, sizeof(v));
    return v;
}

static inline uint64_t blob_u64(const struct blob *blob, uint64_t offset)
{
    uint64_t v;
    __builtin_memcpy(&v, blob->data + offset, sizeof(v));
    return v;
}

/* Whether [offset, offset + size) lies in the file. */
static inline bool blob_holds(const struct blob *blob, uint64_t offset, uint64_t size)
{
    return offset <= blob->size && size <= blob->size - offset;
}

/* Whether [base, base + size) lies inside one range of RAM of the map. */
bool load_in_ram(const struct memory_map *map, uint64_t base, uint64_t size);

/* The highest page-aligned address at or above `floor` where `size` bytes fit into RAM and end at or below `limit`; 0
 * if there is none. */
uint64_t load_place_high(const struct memory_map *map, uint64_t floor, uint64_t limit, uint64_t size);

/* Bytes of RAM in all, for messages. */
uint64_t load_ram_size(const struct memory_map *map);

/* Writes to guest RAM; -EFBIG with a message if the range is not RAM. `what` names the thing. */
int load_write(const struct load_request *request, uint64_t base, const void *data, uint64_t size, const char *what,
               struct error *err);
int load_zero(const struct load_request *request, uint64_t base, uint64_t size, const char *what, struct error *err);

/* Writes the command line (prefix and -append) to LOAD_COMMAND_LINE. max: its longest length without the final 0. */
int load_command_line(const struct load_request *request, const char *prefix, uint64_t max, struct error *err);

/* The ELF program headers' segments, loaded at their physical addresses. *low and *high get the range they took;
 * *entry the physical entry point. */
int load_elf(const struct load_request *request, const struct blob *kernel, uint64_t *low, uint64_t *high,
             uint64_t *entry, struct error *err);
bool elf_is(const struct blob *kernel);
/* Finds an ELF note; *offset and *size get its description. False: not there. */
bool elf_find_note(const struct blob *kernel, const char *owner, uint32_t type, uint64_t *offset, uint64_t *size);

/* Each returns 1 when the file is not of this format. */
int load_linux(const struct load_request *request, const struct blob *kernel, struct load_entry *entry,
               struct error *err);
int load_multiboot(const struct load_request *request, const struct blob *kernel, struct load_entry *entry,
                   struct error *err);
int load_pvh(const struct load_request *request, const struct blob *kernel, struct load_entry *entry,
             struct error *err);

#endif
