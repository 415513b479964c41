/*
 * The ACPI tables: checksums, addresses, lengths, and the fields that must agree with the chips.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "devices/chips/acpi_pm.h"
#include "devices/machine/acpi_tables.h"

enum { BASE = 0x1ff0000 };

static const struct acpi_tables_config config = {
    .base = {BASE},
    .cpu_count = 2,
    .lapic_base = 0xfee00000,
    .ioapic_base = 0xfec00000,
    .ioapic_id = 5,
    .pm_port = 0x600,
    .smi_port = 0xb2,
    .reset_port = 0xcf9,
    .sci_irq = 9,
    .cmos_century = 0x32,
    .pci_hole = 0x20000000,
    .hpet_base = 0xfed00000,
};

struct tables {
    uint8_t rsdp[ACPI_RSDP_SIZE];
    uint8_t bytes[ACPI_TABLES_MAX];
    size_t size;
};

static struct tables build(const struct acpi_tables_config *from)
{
    struct tables tables = {0};
    tables.size = acpi_tables_build(from, tables.bytes, sizeof(tables.bytes), tables.rsdp, NULL);
    return tables;
}

static uint64_t get(const uint8_t *bytes, size_t offset, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)bytes[offset + i] << (i * 8);
    return value;
}

static uint8_t sum(const uint8_t *bytes, size_t count)
{
    uint8_t total = 0;
    for (size_t i = 0; i < count; i++)
        total = (uint8_t)(total + bytes[i]);
    return total;
}

/* The table at a guest-physical address, checked to lie in the block and (but for the FACS) to sum to zero. */
static const uint8_t *table_at(const struct tables *tables, uint64_t address, const char *signature)
{
    cr_assert(address >= BASE && address + 36 <= BASE + tables->size, "%s at %#lx", signature, (unsigned long)address);
    const uint8_t *table = tables->bytes + (address - BASE);
    uint64_t length = get(table, 4, 4);
    cr_assert(memcmp(table, signature, 4) == 0, "no %s", signature);
    cr_assert(address + length <= BASE + tables->size);
    if (strcmp(signature, "FACS") != 0)
        cr_assert_eq(sum(table, length), 0, "checksum of %s", signature);
    return table;
}

static const uint8_t *listed_table(const struct tables *tables, unsigned index, const char *signature)
{
    const uint8_t *xsdt = table_at(tables, get(tables->rsdp, 24, 8), "XSDT");
    return table_at(tables, get(xsdt, 36 + index * 8, 8), signature);
}

Test(acpi_tables, rsdp_points_at_both_root_tables)
{
    struct tables tables = build(&config);
    cr_assert_neq(tables.size, 0);
    cr_assert(memcmp(tables.rsdp, "RSD PTR ", 8) == 0);
    cr_assert_eq(sum(tables.rsdp, 20), 0);
    cr_assert_eq(sum(tables.rsdp, 36), 0);
    cr_assert_eq(tables.rsdp[15], 2);
    const uint8_t *rsdt = table_at(&tables, get(tables.rsdp, 16, 4), "RSDT");
    const uint8_t *xsdt = table_at(&tables, get(tables.rsdp, 24, 8), "XSDT");
    cr_assert_eq((get(rsdt, 4, 4) - 36) / 4, (get(xsdt, 4, 4) - 36) / 8);
    for (unsigned i = 0; i < (get(rsdt, 4, 4) - 36) / 4; i++)
        cr_assert_eq(get(rsdt, 36 + i * 4, 4), get(xsdt, 36 + i * 8, 8));
}

Test(acpi_tables, fadt_describes_the_fixed_hardware)
{
    struct tables tables = build(&config);
    const uint8_t *fadt = listed_table(&tables, 0, "FACP");
    cr_assert_eq(get(fadt, 4, 4), 244);
    cr_assert_eq(fadt[8], 3);
    const uint8_t *facs = table_at(&tables, get(fadt, 36, 4), "FACS");
    cr_assert_eq((facs - tables.bytes) % 64, 0);
    cr_assert_eq(get(facs, 4, 4), 64);
    cr_assert_eq(facs[32], 1);
    table_at(&tables, get(fadt, 40, 4), "DSDT");
    cr_assert_eq(get(fadt, 140, 8), get(fadt, 40, 4));
    cr_assert_eq(get(fadt, 132, 8), 0);

    cr_assert_eq(get(fadt, 46, 2), 9);
    cr_assert_eq(get(fadt, 48, 4), 0xb2);
    cr_assert_eq(fadt[52], ACPI_SMI_ENABLE);
    cr_assert_eq(fadt[53], ACPI_SMI_DISABLE);
    cr_assert_eq(get(fadt, 56, 4), 0x600 + ACPI_PM1_EVENT);
    cr_assert_eq(get(fadt, 64, 4), 0x600 + ACPI_PM1_CONTROL);
    cr_assert_eq(get(fadt, 76, 4), 0x600 + ACPI_PM_TIMER);
    cr_assert_eq(get(fadt, 80, 4), 0x600 + ACPI_GPE0);
    cr_assert_eq(fadt[88], 4);
    cr_assert_eq(fadt[89], 2);
    cr_assert_eq(fadt[91], 4);
    cr_assert_eq(fadt[92], 4);
    cr_assert_eq(fadt[108], 0x32);
    cr_assert_eq(get(fadt, 109, 2), 7); /* legacy, 8042, no VGA */
    cr_assert_eq(get(fadt, 112, 4), 1 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 10);
    cr_assert_eq(fadt[116], 1);
    cr_assert_eq(get(fadt, 120, 8), 0xcf9);
    cr_assert_eq(fadt[128], ACPI_RESET_VALUE);
}

Test(acpi_tables, fadt_32_and_64_bit_addresses_agree)
{
    static const struct {
        unsigned legacy, length, extended;
    } blocks[] = {{56, 88, 148}, {64, 89, 172}, {76, 91, 208}, {80, 92, 220}};
    struct tables tables = build(&config);
    const uint8_t *fadt = listed_table(&tables, 0, "FACP");
    for (unsigned i = 0; i < ARRAY_LEN(blocks); i++) {
        cr_assert_eq(fadt[blocks[i].extended], 1, "block %u is not in I/O space", i);
        cr_assert_eq(fadt[blocks[i].extended + 1], fadt[blocks[i].length] * 8);
        cr_assert_eq(get(fadt, blocks[i].extended + 4, 8), get(fadt, blocks[i].legacy, 4));
    }
}

Test(acpi_tables, vga_flag_follows_the_configuration)
{
    struct acpi_tables_config with_vga = config;
    with_vga.vga = true;
    struct tables tables = build(&with_vga);
    cr_assert_eq(get(listed_table(&tables, 0, "FACP"), 109, 2), 3);
}

Test(acpi_tables, madt_lists_processors_and_routing)
{
    static const uint8_t expected[] = {
        0, 8,  0, 0,  1,  0, 0,    0,                                 /* processor 0 */
        0, 8,  1, 1,  1,  0, 0,    0,                                 /* processor 1 */
        1, 12, 5, 0,  0,  0, 0xc0, 0xfe, 0,   0, 0, 0,                /* I/O APIC */
        2, 10, 0, 0,  2,  0, 0,    0,    0,   0,                      /* IRQ 0 is GSI 2 */
        2, 10, 0, 5,  5,  0, 0,    0,    0xd, 0,                      /* PCI: level, active high */
        2, 10, 0, 9,  9,  0, 0,    0,    0xd, 0,                      /* SCI: the same */
        2, 10, 0, 10, 10, 0, 0,    0,    0xd, 0,                      /* PCI */
        2, 10, 0, 11, 11, 0, 0,    0,    0xd, 0, 4, 6, 0xff, 0, 0, 1, /* NMI on LINT1 */
    };
    struct tables tables = build(&config);
    const uint8_t *madt = listed_table(&tables, 2, "APIC");
    cr_assert_eq(get(madt, 36, 4), 0xfee00000);
    cr_assert_eq(get(madt, 40, 4), 1);
    cr_assert_eq(get(madt, 4, 4), 44 + sizeof(expected));
    cr_assert(memcmp(madt + 44, expected, sizeof(expected)) == 0);
}

Test(acpi_tables, ssdt_declares_each_processor)
{
    static const uint8_t expected[] = {
        0x08, '\\', 'P',  'C',  'I', 'B', 0x0c, 0,   0, 0, 0x20,       /* Name (\PCIB, 20000000h) */
        0x10, 0x41, 0x02, '\\', '_', 'S', 'B',  '_',                   /* Scope, 21h bytes */
        0x5b, 0x83, 0x0b, 'C',  'P', '0', '0',  0,   0, 0, 0,    0, 0, /* Processor */
        0x5b, 0x83, 0x0b, 'C',  'P', '0', '1',  1,   0, 0, 0,    0, 0,
    };
    struct tables tables = build(&config);
    const uint8_t *ssdt = listed_table(&tables, 1, "SSDT");
    cr_assert_eq(get(ssdt, 4, 4), 36 + sizeof(expected));
    cr_assert(memcmp(ssdt + 36, expected, sizeof(expected)) == 0);
}

Test(acpi_tables, dsdt_soft_off_type_is_the_chips)
{
    struct tables tables = build(&config);
    const uint8_t *dsdt = table_at(&tables, get(listed_table(&tables, 0, "FACP"), 40, 4), "DSDT");
    const uint8_t *s5 = memmem(dsdt, get(dsdt, 4, 4), "_S5_", 4);
    cr_assert_not_null(s5);
    cr_assert_eq(s5[4], 0x12); /* Package, length, four elements, byte */
    cr_assert_eq(s5[6], 4);
    cr_assert_eq(s5[7], 0); /* ZeroOp */
    cr_assert_eq(ACPI_SLP_TYP_S5, 0);
}

Test(acpi_tables, largest_configuration_fits)
{
    struct acpi_tables_config many = config;
    many.cpu_count = ACPI_MAX_CPUS;
    struct tables tables = build(&many);
    cr_assert(tables.size > 0 && tables.size <= ACPI_TABLES_MAX);
    listed_table(&tables, 1, "SSDT");
    listed_table(&tables, 2, "APIC");
}

Test(acpi_tables, refuses_what_it_cannot_describe)
{
    struct acpi_tables_config bad = config;
    bad.cpu_count = 0;
    cr_assert_eq(build(&bad).size, 0);
    bad.cpu_count = ACPI_MAX_CPUS + 1;
    cr_assert_eq(build(&bad).size, 0);
    bad = config;
    bad.base = gpa(BASE + 32);
    cr_assert_eq(build(&bad).size, 0);
    bad.base = gpa(0x100000000);
    cr_assert_eq(build(&bad).size, 0);
}

Test(acpi_tables, never_writes_beyond_the_capacity)
{
    size_t size = build(&config).size;
    for (size_t capacity = 0; capacity <= size; capacity++) {
        uint8_t rsdp[ACPI_RSDP_SIZE], tables[ACPI_TABLES_MAX];
        memset(tables, 0xa5, sizeof(tables));
        cr_assert_eq(acpi_tables_build(&config, tables, capacity, rsdp, NULL), capacity == size ? size : 0);
        for (size_t i = capacity; i < sizeof(tables); i++)
            cr_assert_eq(tables[i], 0xa5);
    }
}

Test(acpi_tables, hpet)
{
    struct tables tables = build(&config);
    const uint8_t *hpet = listed_table(&tables, 3, "HPET");
    cr_assert_eq(get(hpet, 4, 4), 56);
    cr_assert_eq(get(hpet, 36, 4), 0x8086a201);
    cr_assert_eq(get(hpet, 44, 8), 0xfed00000);
}

/* Does what firmware's loader does, and compares with the tables built for the place. UEFI's counts the old checksum
 * among the bytes. */
Test(acpi_tables, the_loader_script_moves_them)
{
    static uint8_t script[ACPI_LOADER_MAX];
    struct acpi_tables_config moved = config;
    struct acpi_links links;
    struct tables tables = {0}, expected = build(&config);

    moved.base = gpa(0);
    tables.size = acpi_tables_build(&moved, tables.bytes, sizeof(tables.bytes), tables.rsdp, &links);
    cr_assert_eq(tables.size, expected.size);
    size_t size = acpi_loader_build(&links, tables.bytes, tables.rsdp, script);
    cr_assert_eq(size % ACPI_LOADER_ENTRY, 0);
    for (size_t at = 0; at < size; at += ACPI_LOADER_ENTRY) {
        const uint8_t *entry = script + at;
        uint8_t *file = !strcmp((const char *)entry + 4, ACPI_FILE_RSDP) ? tables.rsdp : tables.bytes;
        if (entry[0] == 2) {
            uint8_t *field = file + get(entry, 116, 4);
            uint64_t value = get(field, 0, entry[120]) + BASE;
            for (unsigned i = 0; i < entry[120]; i++)
                field[i] = (uint8_t)(value >> i * 8);
        } else if (entry[0] == 3) {
            file[get(entry, 60, 4)] = (uint8_t)-sum(file + get(entry, 64, 4), get(entry, 68, 4));
        }
    }
    cr_assert(!memcmp(tables.bytes, expected.bytes, expected.size));
    cr_assert(!memcmp(tables.rsdp, expected.rsdp, sizeof(expected.rsdp)));
}
