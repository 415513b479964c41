/*
 * Bochs' DISPI registers, which give the VGA packed modes of any size, and the VGA as a PCI function. See vga.h.
 *
 * Invariant: while DISPI is enabled, resolution, virtual size and offsets describe a picture inside video memory;
 * whatever else is written is fitted. Thread: whoever holds the machine lock. Source: Bochs "VBE DISPI"; QEMU
 * docs/specs/standard-vga.
 */
#include "devices/chips/vga_int.h"

#include <errno.h>
#include <string.h>

enum {
    ID_OLDEST = 0xb0c0,
    ID_NEWEST = 0xb0c5,
    MAX_WIDTH = 4096,
    MAX_HEIGHT = 4096,
    MAX_BPP = 32,
};

/* --- DISPI -------------------------------------------------------------------------------------------------------- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static unsigned most(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* Bytes of `pixels` pixels, a multiple of 8; four planes of a bit each count as half a byte. */
static unsigned line_bytes(unsigned bpp, unsigned pixels)
{
    return bpp == 4 ? pixels / 2 : pixels * ((bpp + 7) / 8);
}

unsigned vga_dispi_line_bytes(const struct vga *vga)
{
    return line_bytes(vga->dispi[DISPI_BPP], vga->dispi[DISPI_VIRT_WIDTH]);
}

static void fit_virtual(struct vga *vga)
{
    uint16_t *r = vga->dispi;
    unsigned widest = VGA_MEMORY_SIZE / r[DISPI_YRES] / line_bytes(r[DISPI_BPP], 8) * 8;

    r[DISPI_VIRT_WIDTH] = (uint16_t)least(most(r[DISPI_VIRT_WIDTH] & ~7u, r[DISPI_XRES]), least(widest, 0xfff8));
    unsigned lines = VGA_MEMORY_SIZE / vga_dispi_line_bytes(vga);
    r[DISPI_VIRT_HEIGHT] = (uint16_t)least(lines, 0xffff);
    r[DISPI_X_OFFSET] = (uint16_t)least(r[DISPI_X_OFFSET], r[DISPI_VIRT_WIDTH] - r[DISPI_XRES]);
    r[DISPI_Y_OFFSET] = (uint16_t)least(r[DISPI_Y_OFFSET], r[DISPI_VIRT_HEIGHT] - r[DISPI_YRES]);
}

static void fit_resolution(struct vga *vga)
{
    uint16_t *r = vga->dispi;

    r[DISPI_XRES] = (uint16_t)most(r[DISPI_XRES] & ~7u, 8);
    unsigned lines = VGA_MEMORY_SIZE / line_bytes(r[DISPI_BPP], r[DISPI_XRES]);
    r[DISPI_YRES] = (uint16_t)most(least(r[DISPI_YRES], lines), 1);
}

/* The VGA's own registers as the mode would have them, for whoever looks. */
static void set_vga_registers(struct vga *vga)
{
    const uint16_t *r = vga->dispi;
    unsigned end = r[DISPI_YRES] - 1u;
    bool packed = r[DISPI_BPP] != 4;

    vga->gc[GC_MISC] = (uint8_t)((vga->gc[GC_MISC] & ~0xc) | 4 | GCMISC_GRAPHICS);
    vga->gc[GC_MODE] = (uint8_t)((vga->gc[GC_MODE] & ~0x60) | (packed ? 2 << MODE_SHIFT : 0));
    vga->crtc[CRTC_MODE] |= 3;
    vga->crtc[CRTC_OFFSET] = (uint8_t)(vga_dispi_line_bytes(vga) >> 3);
    vga->crtc[CRTC_H_END] = (uint8_t)(r[DISPI_XRES] / 8 - 1);
    vga->crtc[CRTC_V_END] = (uint8_t)end;
    vga->crtc[CRTC_OVERFLOW] =
        (uint8_t)((vga->crtc[CRTC_OVERFLOW] & ~0x42) | (end >> 7 & 0x02) | (end >> 3 & 0x40) | 0x10);
    vga->crtc[CRTC_LINE_COMPARE] = 0xff;
    vga->crtc[CRTC_MAX_SCAN] = (uint8_t)((vga->crtc[CRTC_MAX_SCAN] & ~0x9f) | 0x40);
    if (packed) {
        vga->seq[SEQ_MEMORY] |= MEMORY_CHAIN4;
        vga->seq[SEQ_MAP_MASK] = 0xf;
    } else {
        vga->seq[SEQ_CLOCKING] &= (uint8_t)~CLOCKING_HALF;
    }
}

/* After a change of one register: those of a mode in force are made to agree. */
static void refit(struct vga *vga)
{
    if (!vga_dispi_on(vga))
        return;
    fit_resolution(vga);
    fit_virtual(vga);
    set_vga_registers(vga);
    vga_update_window(vga);
}

static void write_enable(struct vga *vga, uint16_t value)
{
    uint16_t *r = vga->dispi;
    bool was_on = vga_dispi_on(vga);

    r[DISPI_ENABLE] = value & (DISPI_ENABLED | DISPI_GET_CAPS | DISPI_8BIT_DAC | DISPI_LFB | DISPI_NO_CLEAR);
    r[DISPI_BANK] = 0;
    if (value & DISPI_ENABLED && !was_on) {
        r[DISPI_VIRT_WIDTH] = r[DISPI_XRES];
        r[DISPI_X_OFFSET] = r[DISPI_Y_OFFSET] = 0;
        fit_resolution(vga);
        fit_virtual(vga);
        set_vga_registers(vga);
        if (!(value & DISPI_NO_CLEAR)) {
            uint64_t size = (uint64_t)r[DISPI_YRES] * vga_dispi_line_bytes(vga);
            space_written(vga->config.space, vga->memory, size);
            memset(vga->memory, 0, size);
        }
    }
    vga_update_window(vga);
}

static uint16_t dispi_read(const struct vga *vga, unsigned index)
{
    static const uint16_t caps[] = {[DISPI_XRES] = MAX_WIDTH, [DISPI_YRES] = MAX_HEIGHT, [DISPI_BPP] = MAX_BPP};

    if (index == DISPI_MEMORY_64K)
        return VGA_MEMORY_SIZE >> 16;
    if (index >= VGA_DISPI_REGISTERS)
        return 0;
    if (vga->dispi[DISPI_ENABLE] & DISPI_GET_CAPS && index >= DISPI_XRES && index <= DISPI_BPP)
        return caps[index];
    return vga->dispi[index];
}

static bool bpp_known(unsigned bpp)
{
    return bpp == 4 || bpp == 8 || bpp == 15 || bpp == 16 || bpp == 24 || bpp == 32;
}

static void dispi_write(struct vga *vga, unsigned index, uint16_t value)
{
    uint16_t *r = vga->dispi;

    switch (index) {
    case DISPI_ID:
        if (value >= ID_OLDEST && value <= ID_NEWEST)
            r[DISPI_ID] = value;
        break;
    case DISPI_XRES:
        r[index] = (uint16_t)least(value, MAX_WIDTH);
        refit(vga);
        break;
    case DISPI_YRES:
        r[index] = (uint16_t)least(value, MAX_HEIGHT);
        refit(vga);
        break;
    case DISPI_BPP:
        if (bpp_known(value ? value : 8))
            r[index] = value ? value : 8;
        refit(vga);
        break;
    case DISPI_ENABLE:
        write_enable(vga, value);
        break;
    case DISPI_BANK:
        r[index] = value & ((VGA_MEMORY_SIZE >> 16) - 1);
        vga_update_window(vga);
        break;
    case DISPI_VIRT_WIDTH:
    case DISPI_X_OFFSET:
    case DISPI_Y_OFFSET:
        r[index] = value;
        refit(vga);
        break;
    }
}

void vga_dispi_reset(struct vga *vga)
{
    memset(vga->dispi, 0, sizeof(vga->dispi));
    vga->dispi[DISPI_ID] = ID_NEWEST;
    vga->dispi[DISPI_BPP] = 8;
    vga->dispi_index = 0;
}

/* 1CEh: the index; 1CFh, and 1D0h for those who cannot reach an odd port: the data. */
static uint64_t port_read(void *device, uint64_t offset, unsigned size)
{
    const struct vga *vga = device;
    (void)size;
    if (offset == 0)
        return vga->dispi_index;
    return offset < 3 ? dispi_read(vga, vga->dispi_index) : 0xffff;
}

static void port_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct vga *vga = device;
    (void)size;
    if (offset == 0)
        vga->dispi_index = (uint16_t)value;
    else if (offset < 3)
        dispi_write(vga, vga->dispi_index, (uint16_t)value);
}

const struct bus_ops vga_dispi_ops = {port_read, port_write, 2};

/* --- PCI ---------------------------------------------------------------------------------------------------------- */

/*
 * The register BAR:  000h-3FFh  the monitor's EDID, and zeros
 *                    400h-41Fh  the ports 3C0h-3DFh
 *                    500h-515h  the DISPI registers, 16 bits each
 *                    600h       size of the extended registers; 604h: byte order of the frame buffer
 */
enum {
    REGISTERS_SIZE = 0x1000,
    REGISTERS_VGA = 0x400,
    REGISTERS_DISPI = 0x500,
    REGISTERS_EXTENDED = 0x600,
    EXTENDED_SIZE = 8,
    LITTLE_ENDIAN_FB = 0x1e1e1e1e,
};

static uint64_t registers_read(void *device, uint64_t offset, unsigned size)
{
    struct vga *vga = device;

    if (offset < REGISTERS_VGA) {
        uint64_t value = 0;
        for (unsigned i = 0; i < size && offset + i < VGA_EDID_SIZE; i++)
            value |= (uint64_t)vga->edid[offset + i] << 8 * i;
        return value;
    }
    if (offset >= REGISTERS_VGA && offset < REGISTERS_VGA + 0x20) {
        uint64_t value = 0;
        for (unsigned i = 0; i < size; i++)
            value |= (uint64_t)vga_port_read(vga, VGA_PORTS + (unsigned)offset - REGISTERS_VGA + i) << 8 * i;
        return value;
    }
    if (offset >= REGISTERS_DISPI && offset < REGISTERS_DISPI + 2 * VGA_DISPI_REGISTERS) {
        uint16_t value = dispi_read(vga, (unsigned)(offset - REGISTERS_DISPI) / 2);
        return size == 1 ? value >> 8 * (offset & 1) & 0xff : value;
    }
    if (offset == REGISTERS_EXTENDED)
        return EXTENDED_SIZE;
    if (offset == REGISTERS_EXTENDED + 4)
        return zero_extend(LITTLE_ENDIAN_FB, size);
    return 0;
}

static void registers_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct vga *vga = device;

    if (offset >= REGISTERS_VGA && offset < REGISTERS_VGA + 0x20)
        for (unsigned i = 0; i < size; i++)
            vga_port_write(vga, VGA_PORTS + (unsigned)offset - REGISTERS_VGA + i, (uint8_t)(value >> 8 * i));
    else if (offset >= REGISTERS_DISPI && offset < REGISTERS_DISPI + 2 * VGA_DISPI_REGISTERS && size >= 2)
        dispi_write(vga, (unsigned)(offset - REGISTERS_DISPI) / 2, (uint16_t)value);
}

static const struct bus_ops registers_ops = {registers_read, registers_write, 1 | 2 | 4};

/* Moves one mapping of `memory`; *at is where it is. */
static void move(struct vga *vga, uint64_t *at, uint64_t base, const struct space_slot *slot)
{
    struct space_slot moved = *slot;
    struct error err;

    if (*at != PCI_UNMAPPED)
        space_unmap(vga->config.space, *at);
    moved.base = base;
    /* On top of other memory, while the guest sizes or moves BARs: it keeps answering. */
    *at = base == PCI_UNMAPPED || space_map(vga->config.space, &moved, &err) ? PCI_UNMAPPED : base;
}

static void frame_buffer_moved(void *device, uint64_t base)
{
    struct vga *vga = device;
    move(vga, &vga->frame_buffer, base,
         &(struct space_slot){.size = VGA_MEMORY_SIZE, .host = vga->memory, .name = "frame buffer"});
}

static void rom_moved(void *device, uint64_t base)
{
    struct vga *vga = device;
    move(vga, &vga->rom_base, base,
         &(struct space_slot){.size = vga->pci.bar[PCI_ROM].size, .host = vga->rom, .rom = true, .name = "VGA BIOS"});
}

static int add_rom(struct vga *vga, struct error *err)
{
    uint32_t size = GUEST_PAGE_SIZE;

    while (size < vga->config.rom_size)
        size *= 2;
    int r = space_reserve(vga->config.space, size, "VGA BIOS", &vga->rom, err);
    if (r)
        return r;
    memcpy(vga->rom, vga->config.rom, vga->config.rom_size);
    pci_add_bar(&vga->pci, PCI_ROM,
                &(struct pci_bar){.kind = PCI_BAR_MEMORY, .size = size, .device = vga, .moved = rom_moved});
    return 0;
}

int vga_pci_init(struct vga *vga, struct error *err)
{
    pci_init(&vga->pci, &(struct pci_config){.name = "VGA",
                                             .vendor = 0x1234,
                                             .device = 0x1111,
                                             .revision = 2,
                                             .subsystem_vendor = 0x1af4,
                                             .subsystem = 0x1100,
                                             .class_code = 0x030000});
    pci_add_bar(&vga->pci, 0,
                &(struct pci_bar){.kind = PCI_BAR_MEMORY,
                                  .size = VGA_MEMORY_SIZE,
                                  .prefetchable = true,
                                  .device = vga,
                                  .moved = frame_buffer_moved});
    if (vga->config.registers_in_memory)
        pci_add_bar(&vga->pci, 2,
                    &(struct pci_bar){.kind = PCI_BAR_MEMORY,
                                      .size = REGISTERS_SIZE,
                                      .ops = &registers_ops,
                                      .device = vga,
                                      .name = "VGA registers"});
    if (vga->config.rom_size > 16 << 20)
        return error_set(err, -EINVAL, "a VGA BIOS of more than 16 MiB");
    return vga->config.rom ? add_rom(vga, err) : 0;
}
