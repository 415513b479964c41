/*
 * What firmware finds, and what it would have done where there is none. See pc.h.
 *
 * With firmware: sizes and boot order in CMOS, and items in fw_cfg. The ACPI tables are made when they are asked for,
 * because they say where firmware has put things by then.
 * Without: pc_firmware_setup() leaves the machine as firmware leaves it to a boot loader.
 *
 * Thread: whoever holds the machine lock. Source: ACPI specification; the layouts of etc/e820 and etc/table-loader as
 * SeaBIOS and OVMF read them.
 */
#include "devices/machine/pc_int.h"

#include "devices/machine/acpi_tables.h"
#include "softmmu/mmu.h"

#include <stdio.h>
#include <string.h>

/* --- CMOS --------------------------------------------------------------------------------------------------------- */

/* The device to try as number n, as firmware writes it down in CMOS. */
static uint8_t boot_device(const struct pc_boot *boot, unsigned n)
{
    switch (boot->order[n]) {
    case 'a':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
        return 4;
    default:
        return 0;
    }
}

static void setup_cmos(struct pc *pc)
{
    uint64_t ram = pc->config.ram_bytes, low = ram < PCI_HOLE ? ram : PCI_HOLE;
    uint64_t extended = (low - HIGH_MEMORY) >> 10;                      /* KiB above 1 MiB */
    uint64_t above_16m = low > 16 << 20 ? (low - (16 << 20)) >> 16 : 0; /* 64 KiB blocks */
    uint64_t above_4g = (ram - low) >> 16;                              /* 64 KiB blocks */
    const struct pc_boot *boot = &pc->config.boot;
    uint8_t floppy[I82077_DRIVES], floppies = 0;
    for (unsigned i = 0; i < I82077_DRIVES; i++) {
        floppy[i] = i82077_drive_kind(&pc->fdc, i);
        floppies += floppy[i] != I82077_NO_DRIVE;
    }
    const struct {
        uint8_t index, bytes;
        uint64_t value;
    } values[] = {
        {0x10, 1, floppy[0] << 4 | floppy[1]},
        {0x14, 1, 0x06 | (floppies ? 1 | (floppies - 1) << 6 : 0)}, /* equipment: coprocessor, PS/2 mouse, floppies */
        {0x15, 2, 640},
        {0x17, 2, extended < 0xffff ? extended : 0xffff},
        {0x30, 2, extended < 0xffff ? extended : 0xffff},
        {0x34, 2, above_16m < 0xffff ? above_16m : 0xffff},
        {0x5b, 3, above_4g},
        {0x5f, 1, 0}, /* processors but the first */
        {0x3d, 1, boot_device(boot, 0) | boot_device(boot, 1) << 4},
        {0x38, 1, boot_device(boot, 2) << 4 | 1 /* floppies boot without the signature */},
    };

    for (unsigned i = 0; i < ARRAY_LEN(values); i++)
        for (unsigned byte = 0; byte < values[i].bytes; byte++)
            mc146818_set_cmos(&pc->rtc, values[i].index + byte, (uint8_t)(values[i].value >> 8 * byte));
}

/* --- ACPI -----------------------------------------------------------------------------------------------------------
 */

/* Firmware gives addresses to PCI devices from 2 GiB on where memory leaves room. */
static uint32_t pci_hole(const struct pc *pc)
{
    uint64_t ram = pc->config.ram_bytes;
    return ram <= 0x80000000 ? 0x80000000 : (uint32_t)PCI_HOLE;
}

static struct acpi_tables_config acpi_config(const struct pc *pc)
{
    uint16_t pm_base = piix4_pm_base(&pc->piix4_pm);
    return (struct acpi_tables_config){.cpu_count = 1,
                                       .lapic_base = LAPIC_DEFAULT_BASE,
                                       .ioapic_base = IOAPIC_DEFAULT_BASE,
                                       .pm_port = pm_base ? pm_base : PM_BASE,
                                       .smi_port = SMI_PORT,
                                       .reset_port = RESET_PORT,
                                       .sci_irq = IRQ_SCI,
                                       .pci_hole = pci_hole(pc),
                                       .hpet_base = HPET_BASE,
                                       .cmos_century = MC146818_CENTURY,
                                       .vga = pc->config.vga};
}

/* --- fw_cfg ------------------------------------------------------------------------------------------------------- */

static void put_little(uint8_t *to, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> i * 8);
}

/* etc/e820: entries of base, size (64 bits each) and type (32). RAM only; firmware knows where the rest is. */
static void add_e820(struct pc *pc)
{
    uint64_t ram = pc->config.ram_bytes, low = ram < PCI_HOLE ? ram : PCI_HOLE;
    uint8_t entries[2][20];

    put_little(entries[0], 0, 8);
    put_little(entries[0] + 8, low, 8);
    put_little(entries[0] + 16, MEMORY_RAM, 4);
    put_little(entries[1], PCI_HOLE_END, 8);
    put_little(entries[1] + 8, ram - low, 8);
    put_little(entries[1] + 16, MEMORY_RAM, 4);
    fw_cfg_add_file(&pc->fw_cfg, "etc/e820", entries, ram > low ? 40 : 20);
}

static void add_acpi(struct pc *pc)
{
    uint8_t tables[ACPI_TABLES_MAX], rsdp[ACPI_RSDP_SIZE], script[ACPI_LOADER_MAX];
    struct acpi_tables_config config = acpi_config(pc);
    struct acpi_links links;

    size_t size = acpi_tables_build(&config, tables, sizeof(tables), rsdp, &links);
    size_t script_size = acpi_loader_build(&links, tables, rsdp, script);
    fw_cfg_add_file(&pc->fw_cfg, ACPI_FILE_TABLES, tables, (uint32_t)size);
    fw_cfg_add_file(&pc->fw_cfg, ACPI_FILE_RSDP, rsdp, sizeof(rsdp));
    fw_cfg_add_file(&pc->fw_cfg, ACPI_FILE_LOADER, script, (uint32_t)script_size);
}

static struct smbios_config smbios_config(const struct pc *pc)
{
    const struct pc_config *c = &pc->config;
    uint64_t low = c->ram_bytes < PCI_HOLE ? c->ram_bytes : PCI_HOLE;
    return (struct smbios_config){.options = c->smbios,
                                  .low = low,
                                  .high = c->ram_bytes - low,
                                  .cpuid = {c->cpuid[0], c->cpuid[1]},
                                  .mhz = (uint16_t)(c->tsc_hz / 1000000)};
}

static void add_smbios(struct pc *pc)
{
    uint8_t tables[SMBIOS_TABLES_MAX], anchor[SMBIOS_ANCHOR_SIZE];
    struct smbios_config config = smbios_config(pc);

    size_t size = smbios_build(&config, tables, anchor);
    fw_cfg_add_file(&pc->fw_cfg, SMBIOS_FILE_TABLES, tables, (uint32_t)size);
    fw_cfg_add_file(&pc->fw_cfg, SMBIOS_FILE_ANCHOR, anchor, sizeof(anchor));
}

/* The drive whose boot index is the lowest from `floor` on. False: there is none. */
static bool next_boot_drive(const struct drive_set *drives, int64_t floor, unsigned *interface, unsigned *place)
{
    int64_t lowest = INT64_MAX;
    for (unsigned i = 0; i < DRIVE_INTERFACES; i++)
        for (unsigned p = 0; p < DRIVES_IDE; p++) {
            int64_t index = drives->drive[i][p].boot_index;
            if (!drives->drive[i][p].present || i == DRIVE_FLASH || index < floor || index >= lowest)
                continue;
            lowest = index;
            *interface = i;
            *place = p;
        }
    return lowest != INT64_MAX;
}

/* "bootorder": Open Firmware's paths of the drives with a boot index, one in a line, the first to try first. */
static void add_boot_order(struct pc *pc)
{
    const struct drive_set *drives = &pc->config.drives;
    unsigned interface = 0, place = 0;
    char text[512];
    size_t used = 0;

    for (int64_t floor = 0; next_boot_drive(drives, floor, &interface, &place);
         floor = (int64_t)drives->drive[interface][place].boot_index + 1)
        used +=
            (size_t)(interface == DRIVE_IDE
                         ? snprintf(text + used, sizeof(text) - used, "/pci@i0cf8/ide@1,1/drive@%u/disk@%u\n",
                                    place / 2, place % 2)
                         : snprintf(text + used, sizeof(text) - used, "/pci@i0cf8/isa@1/fdc@03f0/floppy@%u\n", place));
    if (pc->config.boot.strict)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "HALT\n");
    if (!used)
        return;
    text[used - 1] = 0; /* in place of the last newline */
    fw_cfg_add_file(&pc->fw_cfg, "bootorder", text, (uint32_t)used);
}

void pc_prepare_firmware(struct pc *pc)
{
    static const uint8_t sleep_states[6] = {128, 0, 0, 1, 2, 128}; /* S0 and S5 */
    const struct pc_boot *boot = &pc->config.boot;
    struct fw_cfg *fw = &pc->fw_cfg;
    uint8_t wait[2];

    setup_cmos(pc);
    fw_cfg_add_number(fw, FW_CFG_RAM_SIZE, pc->config.ram_bytes, 8);
    fw_cfg_add_number(fw, FW_CFG_CPUS, 1, 2);
    fw_cfg_add_number(fw, FW_CFG_MAX_CPUS, 1, 2);
    fw_cfg_add_number(fw, FW_CFG_NOGRAPHIC, boot->no_graphics, 2);
    fw_cfg_add_number(fw, FW_CFG_BOOT_MENU, boot->menu, 2);
    fw_cfg_add_number(fw, FW_CFG_IRQ0_OVERRIDE, 1, 1);
    add_e820(pc);
    add_acpi(pc);
    add_smbios(pc);
    add_boot_order(pc);
    fw_cfg_add_item(fw, FW_CFG_UUID, pc->config.smbios->uuid, SMBIOS_UUID_SIZE);
    fw_cfg_add_file(fw, "etc/system-states", sleep_states, sizeof(sleep_states));
    if (boot->menu_wait >= 0) {
        put_little(wait, (uint64_t)boot->menu_wait, 2);
        fw_cfg_add_file(fw, "etc/boot-menu-wait", wait, 2);
    }
}

/* The script is read first. By then firmware has put the ACPI registers where it wants them. */
void pc_firmware_item_selected(void *context, uint16_t key)
{
    struct pc *pc = context;
    if (key && key == fw_cfg_file_key(&pc->fw_cfg, ACPI_FILE_LOADER))
        add_acpi(pc);
}

/* --- without firmware --------------------------------------------------------------------------------------------- */

static void setup_acpi(struct pc *pc)
{
    uint8_t tables[ACPI_TABLES_MAX], rsdp[ACPI_RSDP_SIZE];
    struct acpi_tables_config config = acpi_config(pc);

    config.base = gpa(pc->acpi_base);
    size_t size = acpi_tables_build(&config, tables, sizeof(tables), rsdp, NULL);
    space_write_bytes(pc->config.space, gpa(pc->acpi_base), tables, size);
    space_write_bytes(pc->config.space, gpa(ACPI_RSDP_ADDRESS), rsdp, sizeof(rsdp));
}

static void setup_smbios(struct pc *pc)
{
    uint8_t tables[SMBIOS_TABLES_MAX], anchor[SMBIOS_ANCHOR_SIZE];
    struct smbios_config config = smbios_config(pc);

    config.bios = true;
    config.base = SMBIOS_TABLES_ADDRESS;
    size_t size = smbios_build(&config, tables, anchor);
    space_write_bytes(pc->config.space, gpa(SMBIOS_TABLES_ADDRESS), tables, size);
    space_write_bytes(pc->config.space, gpa(SMBIOS_ANCHOR_ADDRESS), anchor, sizeof(anchor));
}

/* 115200 baud, 8 data bits, no parity: test kernels and boot loaders write without setting the line. */
static void setup_serial(struct pc *pc)
{
    static const uint16_t ports[PC_SERIALS] = {SERIAL1_PORT, SERIAL2_PORT};

    for (unsigned i = 0; i < PC_SERIALS; i++) {
        if (!pc->config.serial_present[i])
            continue;
        bus_write(pc->config.io, ports[i] + 3, 0x83, 1); /* LCR: divisor access */
        bus_write(pc->config.io, ports[i], 1, 1);
        bus_write(pc->config.io, ports[i] + 1, 0, 1);
        bus_write(pc->config.io, ports[i] + 3, 0x03, 1);
    }
}

/* All of C0000h-FFFFFh is RAM; the ACPI registers answer; the interrupt links go to IRQ 10 and 11, level-triggered. */
static void setup_chipset(struct pc *pc)
{
    static const uint8_t route[PCI_LINKS] = {10, 10, 11, 11};

    pci_config_write(&pc->pci, PCI_DEVFN(0, 0), 0x59, 0x30, 1);
    for (unsigned i = 0; i < 6; i++)
        pci_config_write(&pc->pci, PCI_DEVFN(0, 0), 0x5a + i, 0x33, 1);
    for (unsigned i = 0; i < PCI_LINKS; i++)
        pci_config_write(&pc->pci, PCI_DEVFN(1, 0), PIIX3_PIRQ_ROUTE + i, route[i], 1);
    for (unsigned i = 0; i < PIIX3_IDE_CHANNELS; i++)
        pci_config_write(&pc->pci, PC_DEVFN_IDE, PIIX3_IDE_TIMING + 2 * i, PIIX3_IDE_DECODE, 2);
    pci_config_write(&pc->pci, PC_DEVFN_IDE, PCI_COMMAND, PCI_COMMAND_IO, 2);
    pci_config_write(&pc->pci, PC_DEVFN_PM, PIIX4_PM_BASE, PM_BASE, 4);
    pci_config_write(&pc->pci, PC_DEVFN_PM, PIIX4_PM_ENABLE, 1, 1);
    pci_config_write(&pc->pci, PC_DEVFN_PM, PCI_INTERRUPT_LINE, IRQ_SCI, 1);
}

void pc_firmware_setup(struct pc *pc)
{
    static const uint16_t base_kilobytes = EBDA >> 10, ebda_segment = EBDA >> 4, ebda_kilobytes = 1;

    lapic_set_virtual_wire(&pc->lapic);
    i8042_firmware_setup(&pc->kbc);
    setup_serial(pc);
    setup_chipset(pc);
    bus_write(pc->config.io, 0x4d1, 0x0e, 1); /* IRQ 9 to 11: the SCI and PCI */
    setup_acpi(pc);
    setup_smbios(pc);
    /* BIOS data area: base memory size and where the EBDA is; the EBDA's first word is its size. */
    space_write_bytes(pc->config.space, gpa(0x413), &base_kilobytes, 2);
    space_write_bytes(pc->config.space, gpa(0x40e), &ebda_segment, 2);
    space_write_bytes(pc->config.space, gpa(EBDA), &ebda_kilobytes, 2);
    pc_vectors(pc);
    if (pc->config.vga)
        pc_text_mode(pc);
}

void pc_firmware_mtrrs(struct vcpu *vcpu)
{
    enum { WRITE_BACK = 6, UNCACHED = 0, FIXED_ENABLE = 1 << 10, ENABLE = 1 << 11, VALID = 1 << 11, VIDEO = 2 };

    vcpu->mtrr_def_type = ENABLE | FIXED_ENABLE | WRITE_BACK;
    for (unsigned i = 0; i < ARRAY_LEN(vcpu->mtrr_fixed); i++)
        vcpu->mtrr_fixed[i] = i == VIDEO ? 0 : 0x0606060606060606; /* a0000-bffff uncached */
    vcpu->mtrr_base[0] = PCI_HOLE | UNCACHED;
    vcpu->mtrr_mask[0] = (BIT(MMU_PHYS_BITS) - (PCI_HOLE_END - PCI_HOLE)) | VALID;
}
