/*
 * The ACPI tables of a machine that boots a kernel without firmware: RSDP, RSDT, XSDT, FADT, FACS, DSDT (dsdt.asl), an
 * SSDT with the processors, and MADT.
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
    bool vga;                               /* there is a VGA that the OS may probe */
};

/*
 * Writes the tables, as they shall stand at config->base, to `tables`, and the RSDP to `rsdp`. A pure function. Returns
 * the size of the tables in bytes, or 0 if they need more than `capacity` or the configuration is not valid.
 */
size_t acpi_tables_build(const struct acpi_tables_config *config, uint8_t *tables, size_t capacity,
                         uint8_t rsdp[ACPI_RSDP_SIZE]);

#endif
