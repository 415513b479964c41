/*
 * ACPI tables, for a machine without firmware and for firmware's loader.
 *
 * Source: ACPI specification "ACPI Software Programming Model" (RSDP, RSDT, XSDT, FADT revision 3, FACS, MADT), "ACPI
 * Machine Language (AML) Specification" for the processors' SSDT. The hardware described is devices/chips/acpi_pm.h.
 *
 * Invariants: nothing is written beyond the capacity; every table but the FACS sums to zero. Threads: any.
 */
#include "devices/machine/acpi_tables.h"

#include <string.h>

#include "devices/chips/acpi_pm.h"
#include "devices/chips/hpet.h"
#include "dsdt.h" /* made from dsdt.asl: dsdt_aml_code */

enum {
    HEADER_LENGTH = 4,
    HEADER_CHECKSUM = 9,
    FACS_SIZE = 64,
    RSDP_V1_SIZE = 20,
    RSDP_CHECKSUM = 8, /* of the first 20 bytes */
    RSDP_EXTENDED_CHECKSUM = 32,
};

/* FADT flags */
enum {
    FADT_WBINVD = 1 << 0,
    FADT_PROC_C1 = 1 << 2,
    FADT_SLP_BUTTON = 1 << 5, /* set: no fixed-feature sleep button (bit 4 clear: there is a fixed power button) */
    FADT_FIX_RTC = 1 << 6,    /* set: no RTC wake status */
    FADT_TMR_VAL_EXT = 1 << 8,
    FADT_RESET_REG_SUP = 1 << 10,
};

/* FADT IA-PC boot architecture flags; bit 5 clear: there is a CMOS RTC */
enum { BOOT_LEGACY_DEVICES = 1 << 0, BOOT_8042 = 1 << 1, BOOT_VGA_NOT_PRESENT = 1 << 2 };

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_NMI = 4 };
enum { MADT_ALL_PROCESSORS = 0xff, MADT_PCAT_COMPAT = 1, INTI_ACTIVE_HIGH = 1, INTI_LEVEL = 3 << 2 };

enum { NO_C_STATE = 0xfff };      /* latency that says so */
enum { HPET_MINIMUM_TICK = 500 }; /* in periods: 5 microseconds */

/* The block of tables as it grows. Past the capacity it only counts. */
struct table_writer {
    uint8_t *bytes;
    size_t size, capacity;
    uint32_t base;
    struct acpi_links *links;
};

static void put_bytes(struct table_writer *writer, const void *bytes, size_t count)
{
    if (writer->size + count <= writer->capacity)
        memcpy(writer->bytes + writer->size, bytes, count);
    writer->size += count;
}

/* Little-endian, whatever the host is. size: up to 8. */
static void put(struct table_writer *writer, uint64_t value, unsigned size)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (i * 8));
    put_bytes(writer, bytes, size);
}

/* An address inside the block. */
static void put_pointer(struct table_writer *writer, uint64_t address, uint8_t size)
{
    struct acpi_links *links = writer->links;
    if (links->pointers < ACPI_LINKS_MAX) {
        links->pointer[links->pointers].offset = (uint32_t)writer->size;
        links->pointer[links->pointers++].size = size;
    }
    put(writer, address, size);
}

static void put_zeros(struct table_writer *writer, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put(writer, 0, 1);
}

static uint8_t checksum(const uint8_t *bytes, size_t count)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return (uint8_t)-sum;
}

/* Starts a table at the next multiple of 16 and returns its offset. */
static size_t begin_table(struct table_writer *writer, const char signature[4], uint8_t revision)
{
    put_zeros(writer, -writer->size % 16);
    size_t start = writer->size;
    put_bytes(writer, signature, 4);
    put(writer, 0, 4); /* length: see end_table */
    put(writer, revision, 1);
    put(writer, 0, 1); /* checksum */
    put_bytes(writer, "RING3 ", 6);
    put_bytes(writer, "RING3PC ", 8);
    put(writer, 1, 4);
    put_bytes(writer, "RNG3", 4);
    put(writer, 1, 4);
    return start;
}

/* Fills in the length and the checksum; returns the table's guest-physical address. */
static uint32_t end_table(struct table_writer *writer, size_t start)
{
    size_t length = writer->size - start;
    if (writer->size <= writer->capacity) {
        uint8_t *table = writer->bytes + start;
        for (unsigned i = 0; i < 4; i++)
            table[HEADER_LENGTH + i] = (uint8_t)(length >> (i * 8));
        table[HEADER_CHECKSUM] = checksum(table, length);
    }
    if (writer->links->tables < ACPI_LINKS_MAX) {
        writer->links->table[writer->links->tables].start = (uint32_t)start;
        writer->links->table[writer->links->tables++].length = (uint32_t)length;
    }
    return writer->base + (uint32_t)start;
}

/* Generic address structure of an I/O port range; length 0: all zeros. */
static void put_io_address(struct table_writer *writer, uint16_t port, unsigned length)
{
    put(writer, length ? 1 : 0, 1); /* system I/O */
    put(writer, length * 8, 1);
    put(writer, 0, 1); /* bit offset */
    put(writer, 0, 1); /* access size: as the register's own */
    put(writer, length ? port : 0, 8);
}

static uint32_t put_facs(struct table_writer *writer)
{
    put_zeros(writer, -writer->size % ACPI_TABLES_ALIGN);
    size_t start = writer->size;
    put_bytes(writer, "FACS", 4);
    put(writer, FACS_SIZE, 4);
    put_zeros(writer, 24); /* hardware signature, waking vectors, global lock, flags */
    put(writer, 1, 1);     /* version */
    put_zeros(writer, FACS_SIZE - 33);
    return writer->base + (uint32_t)start;
}

static uint32_t put_dsdt(struct table_writer *writer)
{
    put_zeros(writer, -writer->size % 16);
    size_t start = writer->size;
    put_bytes(writer, dsdt_aml_code, sizeof(dsdt_aml_code));
    return writer->base + (uint32_t)start;
}

/* AML PkgLength of a package with `content` bytes after it: two bytes hold 12 bits, itself included. */
static void put_package_length(struct table_writer *writer, unsigned content)
{
    unsigned length = content + 2;
    put(writer, 0x40 | (length & 0xf), 1);
    put(writer, length >> 4 & 0xff, 1);
}

/* Scope (\_SB) { Processor (CPxx, id, 0, 0) {} ... }; the object form that every ACPI OS knows. 13 bytes each: 255 of
 * them fit the two-byte length. */
static uint32_t put_ssdt(struct table_writer *writer, unsigned cpu_count, uint32_t pci_hole)
{
    enum { PROCESSOR_SIZE = 13, SCOPE_NAME_SIZE = 5 };
    static const char digits[] = "0123456789ABCDEF";
    size_t start = begin_table(writer, "SSDT", 2);
    put_bytes(writer, "\x08\\PCIB\x0c", 7); /* Name (\PCIB, dword) */
    put(writer, pci_hole, 4);
    put(writer, 0x10, 1); /* ScopeOp */
    put_package_length(writer, SCOPE_NAME_SIZE + cpu_count * PROCESSOR_SIZE);
    put_bytes(writer, "\\_SB_", SCOPE_NAME_SIZE);
    for (unsigned i = 0; i < cpu_count; i++) {
        char name[4] = {'C', 'P', digits[i / 16], digits[i % 16]};
        put(writer, 0x835b, 2); /* ProcessorOp */
        put(writer, PROCESSOR_SIZE - 2, 1);
        put_bytes(writer, name, 4);
        put(writer, i, 1);
        put(writer, 0, 5); /* no P_BLK: address, length */
    }
    return end_table(writer, start);
}

/* The 64-bit copies of the register addresses, at offset 148. */
static void put_fadt_extended(struct table_writer *writer, const struct acpi_tables_config *config)
{
    put_io_address(writer, config->pm_port + ACPI_PM1_EVENT, ACPI_PM1_EVENT_LENGTH);
    put_io_address(writer, 0, 0); /* PM1b event */
    put_io_address(writer, config->pm_port + ACPI_PM1_CONTROL, ACPI_PM1_CONTROL_LENGTH);
    put_io_address(writer, 0, 0); /* PM1b control */
    put_io_address(writer, 0, 0); /* PM2 control */
    put_io_address(writer, config->pm_port + ACPI_PM_TIMER, ACPI_PM_TIMER_LENGTH);
    put_io_address(writer, config->pm_port + ACPI_GPE0, ACPI_GPE0_LENGTH);
    put_io_address(writer, 0, 0); /* GPE1 */
}

static uint32_t put_fadt(struct table_writer *writer, const struct acpi_tables_config *config, uint32_t facs,
                         uint32_t dsdt)
{
    size_t start = begin_table(writer, "FACP", 3);
    put_pointer(writer, facs, 4);
    put_pointer(writer, dsdt, 4);
    put(writer, 0, 1); /* reserved (interrupt model of ACPI 1.0) */
    put(writer, 1, 1); /* preferred profile: desktop */
    put(writer, config->sci_irq, 2);
    put(writer, config->smi_port, 4);
    put(writer, ACPI_SMI_ENABLE, 1);
    put(writer, ACPI_SMI_DISABLE, 1);
    put(writer, 0, 2); /* S4BIOS_REQ, PSTATE_CNT: not supported */
    put(writer, config->pm_port + ACPI_PM1_EVENT, 4);
    put(writer, 0, 4); /* PM1b event */
    put(writer, config->pm_port + ACPI_PM1_CONTROL, 4);
    put(writer, 0, 4); /* PM1b control */
    put(writer, 0, 4); /* PM2 control */
    put(writer, config->pm_port + ACPI_PM_TIMER, 4);
    put(writer, config->pm_port + ACPI_GPE0, 4);
    put(writer, 0, 4); /* GPE1 */
    put(writer, ACPI_PM1_EVENT_LENGTH, 1);
    put(writer, ACPI_PM1_CONTROL_LENGTH, 1);
    put(writer, 0, 1); /* PM2 control */
    put(writer, ACPI_PM_TIMER_LENGTH, 1);
    put(writer, ACPI_GPE0_LENGTH, 1);
    put(writer, 0, 3); /* GPE1 length and base, CST_CNT */
    put(writer, NO_C_STATE, 2);
    put(writer, NO_C_STATE, 2);
    put(writer, 0, 4); /* flush size and stride: WBINVD works */
    put(writer, 0, 2); /* duty offset and width */
    put(writer, 0, 2); /* day and month alarm */
    put(writer, config->cmos_century, 1);
    put(writer, BOOT_LEGACY_DEVICES | BOOT_8042 | (config->vga ? 0 : BOOT_VGA_NOT_PRESENT), 2);
    put(writer, 0, 1);
    put(writer, FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP, 4);
    put_io_address(writer, config->reset_port, 1);
    put(writer, ACPI_RESET_VALUE, 1);
    put(writer, 0, 3);
    put(writer, 0, 8); /* X_FIRMWARE_CTRL: zero while the 32-bit field is used */
    put_pointer(writer, dsdt, 8);
    put_fadt_extended(writer, config);
    return end_table(writer, start);
}

static void put_override(struct table_writer *writer, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    put(writer, MADT_OVERRIDE, 1);
    put(writer, 10, 1);
    put(writer, 0, 1); /* ISA */
    put(writer, irq, 1);
    put(writer, gsi, 4);
    put(writer, flags, 2);
}

static uint32_t put_madt(struct table_writer *writer, const struct acpi_tables_config *config)
{
    size_t start = begin_table(writer, "APIC", 1);
    put(writer, config->lapic_base, 4);
    put(writer, MADT_PCAT_COMPAT, 4);
    for (unsigned i = 0; i < config->cpu_count; i++) {
        put(writer, MADT_LAPIC, 1);
        put(writer, 8, 1);
        put(writer, i, 1); /* the Processor object's ID */
        put(writer, i, 1); /* APIC ID */
        put(writer, 1, 4); /* enabled */
    }
    put(writer, MADT_IOAPIC, 1);
    put(writer, 12, 1);
    put(writer, config->ioapic_id, 1);
    put(writer, 0, 1);
    put(writer, config->ioapic_base, 4);
    put(writer, 0, 4); /* first GSI */
    put_override(writer, 0, 2, 0);
    put_override(writer, 5, 5, INTI_ACTIVE_HIGH | INTI_LEVEL); /* 5, 10, 11: where the PCI links may go */
    put_override(writer, config->sci_irq, config->sci_irq, INTI_ACTIVE_HIGH | INTI_LEVEL);
    put_override(writer, 10, 10, INTI_ACTIVE_HIGH | INTI_LEVEL);
    put_override(writer, 11, 11, INTI_ACTIVE_HIGH | INTI_LEVEL);
    put(writer, MADT_LAPIC_NMI, 1);
    put(writer, 6, 1);
    put(writer, MADT_ALL_PROCESSORS, 1);
    put(writer, 0, 2); /* polarity and trigger: as the bus has it */
    put(writer, 1, 1); /* LINT1 */
    return end_table(writer, start);
}

static uint32_t put_hpet(struct table_writer *writer, uint32_t base)
{
    size_t start = begin_table(writer, "HPET", 1);
    put(writer, hpet_id(), 4);
    put(writer, 64 << 8, 4); /* generic address: memory, 64 bits */
    put(writer, base, 8);
    put(writer, 0, 1); /* its number */
    put(writer, HPET_MINIMUM_TICK, 2);
    put(writer, 0, 1); /* no page protection */
    return end_table(writer, start);
}

static void build_rsdp(uint8_t rsdp[ACPI_RSDP_SIZE], uint32_t rsdt, uint32_t xsdt)
{
    struct table_writer writer = {.bytes = rsdp, .capacity = ACPI_RSDP_SIZE};
    put_bytes(&writer, "RSD PTR ", 8);
    put(&writer, 0, 1); /* checksum of the first 20 bytes */
    put_bytes(&writer, "RING3 ", 6);
    put(&writer, 2, 1);
    put(&writer, rsdt, 4);
    put(&writer, ACPI_RSDP_SIZE, 4);
    put(&writer, xsdt, 8);
    put(&writer, 0, 4); /* checksum of all, reserved */
    rsdp[RSDP_CHECKSUM] = checksum(rsdp, RSDP_V1_SIZE);
    rsdp[RSDP_EXTENDED_CHECKSUM] = checksum(rsdp, ACPI_RSDP_SIZE);
}

size_t acpi_tables_build(const struct acpi_tables_config *config, uint8_t *tables, size_t capacity,
                         uint8_t rsdp[ACPI_RSDP_SIZE], struct acpi_links *links)
{
    struct acpi_links unused;
    struct acpi_links *noted = links ? links : &unused;
    if (!config->cpu_count || config->cpu_count > ACPI_MAX_CPUS || config->base.v % ACPI_TABLES_ALIGN ||
        config->base.v > UINT32_MAX - ACPI_TABLES_MAX)
        return 0;
    struct table_writer writer = {
        .bytes = tables, .capacity = capacity, .base = (uint32_t)config->base.v, .links = noted};
    *noted = (struct acpi_links){0};
    uint32_t facs = put_facs(&writer);
    uint32_t dsdt = put_dsdt(&writer);
    uint32_t listed[4] = {put_fadt(&writer, config, facs, dsdt)};
    listed[1] = put_ssdt(&writer, config->cpu_count, config->pci_hole);
    listed[2] = put_madt(&writer, config);
    listed[3] = put_hpet(&writer, config->hpet_base);

    size_t rsdt = begin_table(&writer, "RSDT", 1);
    for (unsigned i = 0; i < ARRAY_LEN(listed); i++)
        put_pointer(&writer, listed[i], 4);
    uint32_t rsdt_address = end_table(&writer, rsdt);

    size_t xsdt = begin_table(&writer, "XSDT", 1);
    for (unsigned i = 0; i < ARRAY_LEN(listed); i++)
        put_pointer(&writer, listed[i], 8);
    uint32_t xsdt_address = end_table(&writer, xsdt);

    if (writer.size > capacity)
        return 0;
    build_rsdp(rsdp, rsdt_address, xsdt_address);
    return writer.size;
}

/* --- the loader's script ------------------------------------------------------------------------------------------ */

enum { LOADER_ALLOCATE = 1, LOADER_POINTER = 2, LOADER_CHECKSUM = 3, ZONE_HIGH = 1, ZONE_BIOS = 2, LOADER_NAME = 56 };

static void put_name(struct table_writer *writer, const char *name)
{
    put_bytes(writer, name, strlen(name));
    put_zeros(writer, LOADER_NAME - strlen(name));
}

static void end_entry(struct table_writer *writer)
{
    put_zeros(writer, -writer->size % ACPI_LOADER_ENTRY);
}

static void put_allocate(struct table_writer *writer, const char *file, uint32_t align, uint8_t zone)
{
    put(writer, LOADER_ALLOCATE, 4);
    put_name(writer, file);
    put(writer, align, 4);
    put(writer, zone, 1);
    end_entry(writer);
}

/* The field in `file` holds an offset into the tables; their address is added to it. */
static void put_add_pointer(struct table_writer *writer, const char *file, uint32_t offset, uint8_t size)
{
    put(writer, LOADER_POINTER, 4);
    put_name(writer, file);
    put_name(writer, ACPI_FILE_TABLES);
    put(writer, offset, 4);
    put(writer, size, 1);
    end_entry(writer);
}

static void put_add_checksum(struct table_writer *writer, const char *file, uint32_t at, uint32_t start,
                             uint32_t length)
{
    put(writer, LOADER_CHECKSUM, 4);
    put_name(writer, file);
    put(writer, at, 4);
    put(writer, start, 4);
    put(writer, length, 4);
    end_entry(writer);
}

size_t acpi_loader_build(const struct acpi_links *links, uint8_t *tables, uint8_t rsdp[ACPI_RSDP_SIZE],
                         uint8_t script[ACPI_LOADER_MAX])
{
    enum { RSDP_RSDT = 16, RSDP_XSDT = 24 };
    struct table_writer writer = {.bytes = script, .capacity = ACPI_LOADER_MAX};

    put_allocate(&writer, ACPI_FILE_TABLES, ACPI_TABLES_ALIGN, ZONE_HIGH);
    put_allocate(&writer, ACPI_FILE_RSDP, 16, ZONE_BIOS);
    for (unsigned i = 0; i < links->pointers; i++)
        put_add_pointer(&writer, ACPI_FILE_TABLES, links->pointer[i].offset, links->pointer[i].size);
    for (unsigned i = 0; i < links->tables; i++) {
        put_add_checksum(&writer, ACPI_FILE_TABLES, links->table[i].start + HEADER_CHECKSUM, links->table[i].start,
                         links->table[i].length);
        tables[links->table[i].start + HEADER_CHECKSUM] = 0;
    }
    rsdp[RSDP_CHECKSUM] = rsdp[RSDP_EXTENDED_CHECKSUM] = 0;
    put_add_pointer(&writer, ACPI_FILE_RSDP, RSDP_RSDT, 4);
    put_add_pointer(&writer, ACPI_FILE_RSDP, RSDP_XSDT, 8);
    put_add_checksum(&writer, ACPI_FILE_RSDP, RSDP_CHECKSUM, 0, RSDP_V1_SIZE);
    put_add_checksum(&writer, ACPI_FILE_RSDP, RSDP_EXTENDED_CHECKSUM, 0, ACPI_RSDP_SIZE);
    return writer.size;
}
