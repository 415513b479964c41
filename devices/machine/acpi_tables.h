/*
 * The ACPI tables: RSDP, RSDT, XSDT, FADT, FACS, DSDT (dsdt.asl), an SSDT with what depends on options, MADT and HPET.
 * A machine without firmware puts them into memory itself; firmware gets them with instructions (acpi_loader_build).
 *
 * The tables go to one block of RAM that E820 reports as ACPI data; the RSDP goes anywhere in E0000h-FFFFFh at a
 * multiple of 16, and to boot protocols that pass its address.
 */
#ifndef RING3_MACHINE_ACPI_TABLES_H
#define RING3_MACHINE_ACPI_TABLES_H

#include "cpu-model/base/types.h"

enum {
    ACPI_RSDP_SIZE = 36,
    ACPI_TABLES_ALIGN = 64,      /* of the base address: the FACS wants it */
    ACPI_TABLES_MAX = 0x4000,    /* enough for any configuration */
    ACPI_MAX_CPUS = 255,         /* APIC IDs 0 to FEh */
    ACPI_RSDP_ADDRESS = 0xf0000, /* a good place */
};

struct acpi_tables_config {
    gpa_t base;         /* where the tables will be; below 4 GiB, a multiple of ACPI_TABLES_ALIGN */
    unsigned cpu_count; /* APIC IDs count from 0 */
    uint32_t lapic_base, ioapic_base;
    uint8_t ioapic_id;
    uint16_t pm_port, smi_port, reset_port; /* of the three regions of devices/chips/acpi_pm.h */
    uint8_t sci_irq;                        /* ISA IRQ and GSI of the SCI: active high, level */
    uint8_t cmos_century;                   /* CMOS register of the century; 0: none */
    uint32_t pci_hole;                      /* where memory for PCI devices begins below 4 GiB */
    uint32_t hpet_base;
    bool vga; /* there is a VGA that the OS may probe */
};

enum { ACPI_LINKS_MAX = 32 };

/* Where the block of tables holds addresses of its own, and which of its bytes sum to zero. */
struct acpi_links {
    struct {
        uint32_t offset;
        uint8_t size;
    } pointer[ACPI_LINKS_MAX];
    struct {
        uint32_t start, length;
    } table[ACPI_LINKS_MAX];
    unsigned pointers, tables;
};

/*
 * Writes the tables, as they shall stand at config->base, to `tables`, and the RSDP to `rsdp`. *links (may be null)
 * gets what must be mended when they are moved. A pure function. Returns the size of the tables in bytes, or 0 if they
 * need more than `capacity` or the configuration is not valid.
 */
size_t acpi_tables_build(const struct acpi_tables_config *config, uint8_t *tables, size_t capacity,
                         uint8_t rsdp[ACPI_RSDP_SIZE], struct acpi_links *links);

/* The files that firmware reads: tables and RSDP as built for base 0, and the script that says how to place them. */
#define ACPI_FILE_TABLES "etc/acpi/tables"
#define ACPI_FILE_RSDP   "etc/acpi/rsdp"
#define ACPI_FILE_LOADER "etc/table-loader"

enum { ACPI_LOADER_ENTRY = 128, ACPI_LOADER_MAX = (2 * ACPI_LINKS_MAX + 6) * ACPI_LOADER_ENTRY };

/*
 * Writes the script for tables and an RSDP built for base 0; returns its size, at most ACPI_LOADER_MAX. Clears the
 * checksums that the script computes: some firmware counts the old one among the bytes.
 */
size_t acpi_loader_build(const struct acpi_links *links, uint8_t *tables, uint8_t rsdp[ACPI_RSDP_SIZE],
                         uint8_t script[ACPI_LOADER_MAX]);

#endif
