/*
 * The VGA's window at A0000h-BFFFFh: how an address chooses planes, and what the graphics controller does with data.
 *
 * Byte `a` of plane p is byte 4 * a + p of video memory. Chain-4 takes the plane from address bits 0-1 and odd/even
 * from bit 0; the IBM VGA then leaves holes in the planes (address bits 0 and 1 are replaced by others), here the
 * remaining bits are moved down, so that chained memory is packed. Displaying does the same (vga_picture.c), so a guest
 * sees it only if it fills memory in one addressing mode and shows it in another.
 *
 * While bytes pass unchanged both ways and addresses are packed (chain-4, write mode 0 and read mode 0 with nothing
 * else in force: mode 13h and VBE's banked modes), the window is mapped to the guest directly; the latches do not
 * follow reads then. Thread: whoever holds the machine lock. Source: IBM VGA XGA Technical Reference, "Memory
 * Operations", "Graphics Controller Registers".
 */
#include "devices/chips/vga_int.h"

#include <string.h>

/* --- which bytes -------------------------------------------------------------------------------------------------- */

struct place {
    uint32_t at;   /* in each plane */
    uint8_t write; /* mask of planes that a write goes to, before the map mask */
    uint8_t read;  /* the plane that read mode 0 reads */
};

static void window_range(const struct vga *vga, uint32_t *base, uint32_t *size)
{
    static const uint32_t range[4][2] = {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}};
    const uint32_t *r = range[vga->gc[GC_MISC] >> 2 & 3];
    *base = r[0];
    *size = r[1];
}

/* False: the VGA does not answer there. */
static bool locate(const struct vga *vga, uint64_t offset, struct place *place)
{
    uint32_t base, size;

    window_range(vga, &base, &size);
    if (!vga->enabled || !(vga->misc & MISC_RAM_ENABLE) || offset < base || offset - base >= size)
        return false;
    uint32_t at = (uint32_t)offset - base;
    uint8_t memory = vga->seq[SEQ_MEMORY];
    place->write = 0xf;
    place->read = vga->gc[GC_READ_MAP];
    if (vga_dispi_on(vga))
        at += (uint32_t)vga->dispi[DISPI_BANK] << 16;
    if (memory & MEMORY_CHAIN4) {
        place->write = (uint8_t)(1 << (at & 3));
        place->read = at & 3;
        at >>= 2;
    } else {
        if (!(memory & MEMORY_SEQUENTIAL))
            place->write = (uint8_t)(5 << (at & 1));
        if (vga->gc[GC_MODE] & MODE_ODD_EVEN)
            place->read = (uint8_t)((place->read & 2) | (at & 1));
        if (vga->gc[GC_MISC] & GCMISC_CHAIN)
            at >>= 1;
    }
    place->at = at & vga_plane_mask(vga);
    return true;
}

/* --- the data path ------------------------------------------------------------------------------------------------ */

static uint32_t spread(uint8_t byte)
{
    return byte * 0x01010101u;
}

/* A mask of planes to a mask of their bytes. */
static uint32_t planes(uint8_t mask)
{
    return (mask & 1 ? 0xffu : 0) | (mask & 2 ? 0xff00u : 0) | (mask & 4 ? 0xff0000u : 0) |
           (mask & 8 ? 0xff000000u : 0);
}

static uint32_t load32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return value;
}

static uint8_t rotated(const struct vga *vga, uint8_t value)
{
    unsigned count = vga->gc[GC_ROTATE] & 7;
    return (uint8_t)(value >> count | value << (8 - count));
}

static uint32_t combine(const struct vga *vga, uint32_t value, uint32_t latch)
{
    switch (vga->gc[GC_ROTATE] >> 3 & 3) {
    case 1:
        return value & latch;
    case 2:
        return value | latch;
    case 3:
        return value ^ latch;
    }
    return value;
}

/* What a write of `byte` puts into the four planes. */
static uint32_t written(const struct vga *vga, uint8_t byte)
{
    uint32_t latch = load32(vga->latch), value, bits = spread(vga->gc[GC_BIT_MASK]);
    uint32_t set = planes(vga->gc[GC_SET_RESET]), enable = planes(vga->gc[GC_ENABLE_SET_RESET]);

    switch (vga->gc[GC_MODE] & 3) {
    case 0:
        value = (spread(rotated(vga, byte)) & ~enable) | (set & enable);
        break;
    case 1:
        return latch;
    case 2:
        value = planes(byte & 0xf);
        break;
    default: /* 3: set/reset everywhere, the data is one more bit mask */
        bits &= spread(rotated(vga, byte));
        value = set;
    }
    return (combine(vga, value, latch) & bits) | (latch & ~bits);
}

static void write_byte(struct vga *vga, uint64_t offset, uint8_t byte)
{
    struct place place;

    if (!locate(vga, offset, &place))
        return;
    uint8_t *to = vga->memory + 4 * (size_t)place.at;
    uint32_t mask = planes(place.write & vga->seq[SEQ_MAP_MASK]);
    uint32_t value = (written(vga, byte) & mask) | (load32(to) & ~mask);
    space_written(vga->config.space, to, 4);
    memcpy(to, &value, sizeof(value));
}

static uint8_t read_byte(struct vga *vga, uint64_t offset)
{
    struct place place;

    if (!locate(vga, offset, &place))
        return 0xff;
    memcpy(vga->latch, vga->memory + 4 * (size_t)place.at, 4);
    if (!(vga->gc[GC_MODE] & MODE_READ1))
        return vga->latch[place.read];
    uint8_t differ = 0;
    for (unsigned p = 0; p < 4; p++)
        if (vga->gc[GC_DONT_CARE] >> p & 1)
            differ |= vga->latch[p] ^ (vga->gc[GC_COMPARE] >> p & 1 ? 0xff : 0);
    return (uint8_t)~differ;
}

static uint64_t memory_read(void *device, uint64_t offset, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)read_byte(device, offset + i) << 8 * i;
    return value;
}

static void memory_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        write_byte(device, offset + i, (uint8_t)(value >> 8 * i));
}

const struct bus_ops vga_memory_ops = {memory_read, memory_write, 1 | 2 | 4 | 8};

/* --- the direct window -------------------------------------------------------------------------------------------- */

static bool passes_through(const struct vga *vga)
{
    const uint8_t *gc = vga->gc;
    return vga->enabled && vga->misc & MISC_RAM_ENABLE && vga->seq[SEQ_MEMORY] & MEMORY_CHAIN4 &&
           vga->seq[SEQ_MAP_MASK] == 0xf && !gc[GC_ENABLE_SET_RESET] && !gc[GC_ROTATE] &&
           !(gc[GC_MODE] & (3 | MODE_READ1)) && gc[GC_BIT_MASK] == 0xff;
}

void vga_update_window(struct vga *vga)
{
    struct space_slot wanted = {.base = VGA_WINDOW, .host = vga->memory, .name = "VGA window"};
    uint32_t base = 0, size = 0;
    struct error err;

    if (passes_through(vga)) {
        window_range(vga, &base, &size);
        if (vga_dispi_on(vga))
            wanted.host += (size_t)vga->dispi[DISPI_BANK] << 16;
        wanted.base += base;
        wanted.size = size;
        if (wanted.host + size > vga->memory + VGA_MEMORY_SIZE) /* the last bank, 128 KiB wide */
            wanted.size = 0;
    }
    if (wanted.size == vga->window.size &&
        (!wanted.size || (wanted.base == vga->window.base && wanted.host == vga->window.host)))
        return;
    if (vga->window.size)
        space_unmap(vga->config.space, vga->window.base);
    if (wanted.size && space_map(vga->config.space, &wanted, &err))
        wanted.size = 0; /* something else is there (SMRAM): it goes the long way */
    vga->window = wanted;
}
