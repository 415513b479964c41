/*
 * The kernel loaders on made-up images: what lands where in guest memory, what is refused, and that damaged files of
 * any kind do no harm (random mutations, seed printed; RING3_SEED=n repeats one).
 */
#include "devices/machine/loader.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { RAM = 64 << 20, ACPI_AT = RAM - 0x10000 };

static struct space space;
static struct memory_map map;
static struct load_request request;
static struct load_entry entry;
static struct error err;
static char kernel_path[] = "/tmp/ring3-loader-XXXXXX", initrd_path[] = "/tmp/ring3-loader-XXXXXX";
static uint8_t image[64 << 10];

static void setup(void)
{
    cr_assert_eq(space_init(&space, RAM, &err), 0, "%s", err.text);
    cr_assert_eq(space_add(&space, 0, 0xa0000, false, "base", NULL, &err), 0, "%s", err.text);
    cr_assert_eq(space_add(&space, 0x100000, RAM - 0x100000, false, "low", NULL, &err), 0, "%s", err.text);
    map = (struct memory_map){{{0, 0x9fc00, MEMORY_RAM},
                               {0x9fc00, 0x400, MEMORY_RESERVED},
                               {0x100000, ACPI_AT - 0x100000, MEMORY_RAM},
                               {ACPI_AT, 0x10000, MEMORY_ACPI}},
                              4};
    close(mkstemp(kernel_path));
    close(mkstemp(initrd_path));
    request = (struct load_request){.kernel = kernel_path, .space = &space, .map = &map, .rsdp = 0xf0000};
    memset(image, 0, sizeof(image));
}

static void teardown(void)
{
    unlink(kernel_path);
    unlink(initrd_path);
    space_destroy(&space);
}

TestSuite(loader, .init = setup, .fini = teardown);

static void put(unsigned offset, uint64_t value, unsigned size)
{
    memcpy(image + offset, &value, size);
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
}

static int load(size_t size)
{
    write_file(kernel_path, image, size);
    err.text[0] = 0;
    return load_kernel(&request, &entry, &err);
}

static uint64_t guest(uint64_t base, unsigned size)
{
    uint64_t value = 0;
    cr_assert(space_read_bytes(&space, gpa(base), &value, size));
    return value;
}

/* --- Linux -------------------------------------------------------------------------------------------------------- */

enum { SETUP = 5 * 512, LINUX_SIZE = SETUP + 8192 };

/* A bzImage of protocol 2.15 with 4 setup sectors and 8 KiB of code. */
static void make_linux(void)
{
    image[0x1f1] = 4;
    put(0x1f4, 8192 / 16, 4);
    put(0x1fe, 0xaa55, 2);
    image[0x201] = 0x66;
    memcpy(image + 0x202, "HdrS", 4);
    put(0x206, 0x20f, 2);
    image[0x211] = 1;
    put(0x22c, 0x7fffffff, 4);
    put(0x238, 2047, 4);
    put(0x258, 0x1000000, 8);
    put(0x260, 0x800000, 4);
    memset(image + SETUP, 0x90, 8192);
}

Test(loader, linux_image_parameters_and_entry)
{
    make_linux();
    request.append = "console=ttyS0";
    cr_assert_eq(load(LINUX_SIZE), 0, "%s", err.text);
    cr_assert_eq(entry.eip, 0x100000);
    cr_assert_eq(guest(entry.eip, 4), 0x90909090);
    uint64_t bp = entry.esi;
    cr_assert_eq(guest(bp + 0x202, 4), 0x53726448);
    cr_assert_eq(guest(bp + 0x210, 1), 0xff);
    cr_assert_eq(guest(bp + 0x070, 8), 0xf0000);
    cr_assert_eq(guest(bp + 0x1e8, 1), 4);
    cr_assert_eq(guest(bp + 0x2d0 + 2 * 20, 8), 0x100000);
    cr_assert_eq(guest(bp + 0x2d0 + 3 * 20 + 16, 4), MEMORY_ACPI);
    char line[16];
    space_read_bytes(&space, gpa(guest(bp + 0x228, 4)), line, sizeof(line));
    cr_assert_str_eq(line, "console=ttyS0");
    cr_assert_eq(guest(LOAD_GDT + LOAD_GDT_CODE, 8), 0x00cf9b000000ffff);
}

Test(loader, linux_knows_the_screen_there_is)
{
    make_linux();
    cr_assert_eq(load(LINUX_SIZE), 0, "%s", err.text);
    cr_assert_eq(guest(entry.esi, 8), 0);
    cr_assert_eq(guest(entry.esi + 8, 8), 0);
    request.text_screen = true;
    cr_assert_eq(load(LINUX_SIZE), 0, "%s", err.text);
    cr_assert_eq(guest(entry.esi, 8), 80ull << 56 | 3ull << 48, "mode 3, 80 columns, the cursor at the top");
    cr_assert_eq(guest(entry.esi + 0x0a, 2), 3, "a colour display, 256 KiB");
    cr_assert_eq(guest(entry.esi + 0x0e, 1), 25);
    cr_assert_eq(guest(entry.esi + 0x0f, 1), 1, "a VGA");
    cr_assert_eq(guest(entry.esi + 0x10, 2), 16);
}

Test(loader, linux_64_bit_kernel_needs_long_mode)
{
    make_linux();
    put(0x236, 1, 2);
    cr_assert_eq(load(LINUX_SIZE), 0, "%s", err.text);
    request.no_long_mode = true;
    cr_assert_lt(load(LINUX_SIZE), 0);
    cr_assert_not_null(strstr(err.text, "64-bit"), "%s", err.text);
}

Test(loader, linux_initrd_goes_to_the_top_below_its_limit)
{
    static uint8_t initrd[5000];
    make_linux();
    memset(initrd, 0x5a, sizeof(initrd));
    write_file(initrd_path, initrd, sizeof(initrd));
    request.initrd = initrd_path;
    cr_assert_eq(load(LINUX_SIZE), 0, "%s", err.text);
    cr_assert_eq(guest(entry.esi + 0x218, 4), ACPI_AT - 0x2000);
    cr_assert_eq(guest(entry.esi + 0x21c, 4), sizeof(initrd));
    cr_assert_eq(guest(ACPI_AT - 0x2000 + 4999, 1), 0x5a);

    put(0x22c, 0x2ffffff, 4);
    cr_assert_eq(load(LINUX_SIZE), 0, "%s", err.text);
    cr_assert_eq(guest(entry.esi + 0x218, 4), 0x2ffe000);

    put(0x22c, 0x17fffff, 4); /* all of it where the kernel unpacks itself */
    cr_assert(load(LINUX_SIZE) < 0);
    cr_assert(strstr(err.text, "-initrd"), "%s", err.text);
}

Test(loader, linux_refusals_say_why)
{
    static char line[2049];
    make_linux();
    cr_assert(load(SETUP) < 0);
    cr_assert(strstr(err.text, "truncated"), "%s", err.text);
    cr_assert(load(LINUX_SIZE - 4096) < 0);
    cr_assert(strstr(err.text, "truncated"), "%s", err.text);
    put(0x260, 0x8000000, 4);
    cr_assert(load(LINUX_SIZE) < 0);
    cr_assert(strstr(err.text, "-m"), "%s", err.text);
    make_linux();
    memset(line, 'x', sizeof(line) - 1);
    request.append = line;
    cr_assert(load(LINUX_SIZE) < 0);
    cr_assert(strstr(err.text, "2047"), "%s", err.text);
    request.append = NULL;
    put(0x206, 0x201, 2);
    cr_assert(load(LINUX_SIZE) < 0);
    request.initrd = "/nonexistent/initrd";
    make_linux();
    cr_assert(load(LINUX_SIZE) < 0);
    cr_assert(strstr(err.text, "/nonexistent/initrd"), "%s", err.text);
}

Test(loader, initrd_larger_than_ram)
{
    make_linux();
    cr_assert_eq(truncate(initrd_path, RAM), 0);
    request.initrd = initrd_path;
    cr_assert(load(LINUX_SIZE) < 0);
    cr_assert(strstr(err.text, "larger than the guest's memory"), "%s", err.text);
}

/* --- ELF: Multiboot and PVH --------------------------------------------------------------------------------------- */

enum { ELF_CODE = 0x1000, ELF_SIZE = 0x3000, ELF_AT = 0x200000, NOTE = 0x800 };

/* One segment at 2 MiB, 1000h bytes in the file and as many again of zeros; linked at C0200000h. */
static void make_elf32(void)
{
    Elf32_Ehdr header = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, 1},
                         .e_type = ET_EXEC,
                         .e_machine = EM_386,
                         .e_entry = 0xc0000000 + ELF_AT + 0x10,
                         .e_phoff = sizeof(header),
                         .e_phentsize = sizeof(Elf32_Phdr),
                         .e_phnum = 2};
    Elf32_Phdr segment[2] = {{.p_type = PT_LOAD,
                              .p_offset = ELF_CODE,
                              .p_vaddr = 0xc0000000 + ELF_AT,
                              .p_paddr = ELF_AT,
                              .p_filesz = 0x1000,
                              .p_memsz = 0x2000},
                             {.p_type = PT_NOTE, .p_offset = NOTE, .p_filesz = 20, .p_memsz = 20, .p_align = 4}};
    memcpy(image, &header, sizeof(header));
    memcpy(image + sizeof(header), segment, sizeof(segment));
    memset(image + ELF_CODE, 0xcc, 0x1000);
}

static void make_note(uint32_t start)
{
    put(NOTE, 4, 4);
    put(NOTE + 4, 4, 4);
    put(NOTE + 8, 18, 4);
    memcpy(image + NOTE + 12, "Xen", 4);
    put(NOTE + 16, start, 4);
}

static void make_multiboot(unsigned at, uint32_t flags)
{
    put(at, 0x1badb002, 4);
    put(at + 4, flags, 4);
    put(at + 8, 0u - 0x1badb002 - flags, 4);
}

Test(loader, multiboot_elf_with_modules)
{
    char modules[128];
    make_elf32();
    make_multiboot(ELF_CODE + 0x20, 3);
    write_file(initrd_path, "module", 6);
    snprintf(modules, sizeof(modules), "%s one,%s", initrd_path, initrd_path);
    request.initrd = modules;
    request.append = "quiet";
    /* The zeros at the end of the segment are made, not assumed. */
    uint64_t dirt = ~0ull;
    space_write_bytes(&space, gpa(ELF_AT + 0x1800), &dirt, 8);
    cr_assert_eq(load(ELF_SIZE), 0, "%s", err.text);
    cr_assert_eq(entry.eip, ELF_AT + 0x10);
    cr_assert_eq(entry.eax, 0x2badb002);
    cr_assert_eq(guest(ELF_AT + 0x1800, 8), 0);
    uint64_t info = entry.ebx;
    cr_assert_eq(guest(info, 4) & 0x4f, 0x4d);
    cr_assert_eq(guest(info + 4, 4), 639);
    cr_assert_eq(guest(info + 8, 4), (ACPI_AT - 0x100000) >> 10);
    cr_assert_eq(guest(info + 20, 4), 2);
    uint64_t module = guest(info + 24, 4);
    cr_assert_eq(guest(module, 4), ELF_AT + 0x2000);
    cr_assert_eq(guest(module + 4, 4), ELF_AT + 0x2006);
    cr_assert_eq(guest(module + 16, 4), ELF_AT + 0x3000);
    char text[64];
    space_read_bytes(&space, gpa(guest(module + 8, 4)), text, sizeof(text));
    cr_assert(strstr(text, " one"), "%s", text);
    space_read_bytes(&space, gpa(guest(info + 16, 4)), text, sizeof(text));
    cr_assert(strstr(text, " quiet"), "%s", text);
    uint64_t ranges = guest(info + 48, 4);
    cr_assert_eq(guest(info + 44, 4), 4 * 24);
    cr_assert_eq(guest(ranges, 4), 20);
    cr_assert_eq(guest(ranges + 48 + 4, 8), 0x100000);
}

Test(loader, multiboot_by_address_fields)
{
    make_multiboot(0x40, 1 << 16);
    put(0x4c, 0x300040, 4); /* header */
    put(0x50, 0x300000, 4); /* load */
    put(0x54, 0x300200, 4); /* load end */
    put(0x58, 0x301000, 4); /* bss end */
    put(0x5c, 0x300060, 4); /* entry */
    image[0x60] = 0xf4;
    cr_assert_eq(load(0x400), 0, "%s", err.text);
    cr_assert_eq(entry.eip, 0x300060);
    cr_assert_eq(guest(0x300060, 1), 0xf4);

    put(0x54, 0x3fffff, 4); /* more than the file has */
    cr_assert(load(0x400) < 0);
    put(0x54, 0x300200, 4);
    put(0x58, 0x300100, 4); /* ends before what is loaded */
    cr_assert(load(0x400) < 0);
    put(0x58, 0xfffffff0, 4);
    cr_assert(load(0x400) < 0);
    put(0x4c, 0x2fffff, 4);
    cr_assert(load(0x400) < 0);
}

static int load_gzip(const uint8_t *data, unsigned size, unsigned repeat, unsigned cut)
{
    gzFile file = gzopen(kernel_path, "wb9");
    cr_assert_not_null(file);
    for (unsigned i = 0; i < repeat; i++)
        cr_assert_eq(gzwrite(file, data, size), (int)size);
    cr_assert_eq(gzclose(file), Z_OK);
    if (cut)
        cr_assert_eq(truncate(kernel_path, cut), 0);
    err.text[0] = 0;
    return load_kernel(&request, &entry, &err);
}

Test(loader, gzip_is_inflated)
{
    static uint8_t zeros[1 << 20];
    make_elf32();
    make_multiboot(ELF_CODE + 0x20, 3);
    cr_assert_eq(load_gzip(image, ELF_SIZE, 1, 0), 0, "%s", err.text);
    cr_assert_eq(entry.eip, ELF_AT + 0x10);
    cr_assert(load_gzip(image, ELF_SIZE, 1, 60) < 0);
    cr_assert(strstr(err.text, "gzip"), "%s", err.text);
    cr_assert(load_gzip(image, ELF_SIZE, 1, 5) < 0);
    cr_assert(load_gzip(zeros, sizeof(zeros), 65, 0) < 0); /* more than RAM, from a small file */
    cr_assert(strstr(err.text, "-m"), "%s", err.text);
    cr_assert(load_gzip(zeros, sizeof(zeros), 3, 0) < 0);
    cr_assert(strstr(err.text, "not a kernel"), "%s", err.text);
}

Test(loader, multiboot_unknown_requirements)
{
    make_elf32();
    make_multiboot(ELF_CODE, 1 << 5);
    cr_assert(load(ELF_SIZE) < 0);
    cr_assert(strstr(err.text, "flags 20h"), "%s", err.text);
}

Test(loader, pvh)
{
    make_elf32();
    make_note(ELF_AT + 0x30);
    write_file(initrd_path, "ramdisk", 7);
    request.initrd = initrd_path;
    cr_assert_eq(load(ELF_SIZE), 0, "%s", err.text);
    cr_assert_eq(entry.eip, ELF_AT + 0x30);
    uint64_t info = entry.ebx;
    cr_assert_eq(guest(info, 4), 0x336ec578);
    cr_assert_eq(guest(info + 12, 4), 1);
    cr_assert_eq(guest(info + 32, 8), 0xf0000);
    uint64_t module = guest(info + 16, 8);
    cr_assert_eq(guest(module + 8, 8), 7);
    cr_assert_eq(guest(guest(module, 8), 1), 'r');
    cr_assert_eq(guest(info + 48, 4), 4);
    cr_assert_eq(guest(guest(info + 40, 8) + 2 * 24, 8), 0x100000);

    make_note(0x10); /* an entry outside the kernel */
    cr_assert(load(ELF_SIZE) < 0);
}

Test(loader, not_a_kernel)
{
    cr_assert(load(0) < 0);
    cr_assert(load(4096) < 0);
    cr_assert(strstr(err.text, "not a kernel"), "%s", err.text);
    make_elf32();
    cr_assert(load(ELF_SIZE) < 0);
    cr_assert(strstr(err.text, "CONFIG_PVH"), "%s", err.text);
    request.kernel = "/dev/zero";
    cr_assert(load_kernel(&request, &entry, &err) < 0);
    request.kernel = "/tmp";
    cr_assert(load_kernel(&request, &entry, &err) < 0);
}

Test(loader, segments_outside_ram)
{
    static const uint32_t bases[] = {0x9f000, 0xa0000, 0xff000, ACPI_AT - 0x1000, RAM, 0xfffff000};
    for (unsigned i = 0; i < ARRAY_LEN(bases); i++) {
        make_elf32();
        make_note(bases[i]);
        put(sizeof(Elf32_Ehdr) + offsetof(Elf32_Phdr, p_paddr), bases[i], 4);
        cr_assert(load(ELF_SIZE) < 0, "%x", bases[i]);
        cr_assert(strstr(err.text, "-m"), "%s", err.text);
    }
}

/* --- damaged files ------------------------------------------------------------------------------------------------ */

static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 33;
}

static void make_any(unsigned kind)
{
    memset(image, 0, sizeof(image));
    if (kind == 0) {
        make_linux();
        return;
    }
    make_elf32();
    make_note(ELF_AT + 0x30);
    if (kind == 1)
        make_multiboot(ELF_CODE + 0x20, 3);
    if (kind == 2)
        make_multiboot(0x400, 1 << 16);
}

Test(loader, damaged_files_do_no_harm)
{
    static const uint64_t interesting[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffff000, ELF_AT, ~0ull};
    const char *seed = getenv("RING3_SEED");
    random_state = seed ? strtoull(seed, NULL, 0) : 20261123;
    cr_log_info("seed %llu", (unsigned long long)random_state);
    for (unsigned round = 0; round < 2000; round++) {
        make_any(round % 4);
        for (unsigned n = random_next() % 6; n-- > 0;) {
            unsigned area = random_next() % 4;
            unsigned offset = area == 0   ? random_next() % 0x80
                              : area == 1 ? 0x1f0 + random_next() % 0x80
                              : area == 2 ? NOTE + random_next() % 24
                                          : 0x400 + random_next() % 0x20;
            uint64_t value = random_next() % 2 ? random_next() : interesting[random_next() % ARRAY_LEN(interesting)];
            put(offset, value, 1u << random_next() % 4);
        }
        size_t size = random_next() % 4 ? ELF_SIZE : random_next() % ELF_SIZE;
        int r = load(size);
        cr_assert(r <= 0);
        cr_assert(!r || err.text[0]);
    }
}
