/*
 * The VGA's registers: miscellaneous, sequencer, CRT controller, graphics controller, attribute controller, DAC. See
 * vga.h.
 *
 * Invariants: an index register holds what was written, masked; indices without a register read as 0 and ignore writes.
 * Each write that matters to memory accesses ends in vga_update_window(). Thread: whoever holds the machine lock.
 * Source: IBM VGA XGA Technical Reference, "VGA Registers", "Video Digital-to-Analog Converter".
 */
#include "devices/chips/vga.h"

#include "devices/chips/vga_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t seq_mask[] = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
static const uint8_t gc_mask[] = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
static const uint8_t attr_mask[] = {0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0x3f,
                                    0x3f, 0x3f, 0x3f, 0x3f, 0x3f, 0xef, 0xff, 0x3f, 0x0f, 0x0f};

/* --- CRT controller ----------------------------------------------------------------------------------------------- */

enum { CRTC_LATCH = 0x22, CRTC_ATTR_STATE = 0x24, CRTC_ATTR_INDEX = 0x26, V_SYNC_END_PROTECT = 0x80 };

static uint8_t crtc_read(const struct vga *vga)
{
    switch (vga->crtc_index) {
    case CRTC_LATCH: /* what every VGA has, and IBM does not document */
        return vga->latch[vga->gc[GC_READ_MAP]];
    case CRTC_ATTR_STATE:
        return vga->attr_data ? 0x80 : 0;
    case CRTC_ATTR_INDEX:
        return vga->attr_index;
    }
    return vga->crtc_index < VGA_CRTC_REGISTERS ? vga->crtc[vga->crtc_index] : 0;
}

static void crtc_write(struct vga *vga, uint8_t value)
{
    uint8_t index = vga->crtc_index;

    if (index >= VGA_CRTC_REGISTERS)
        return;
    if (index <= CRTC_OVERFLOW && vga->crtc[CRTC_V_SYNC_END] & V_SYNC_END_PROTECT) {
        if (index == CRTC_OVERFLOW) /* line compare's bit 8 is not protected */
            vga->crtc[index] = (uint8_t)((vga->crtc[index] & ~0x10) | (value & 0x10));
        return;
    }
    vga->crtc[index] = value;
}

/* --- attribute controller ----------------------------------------------------------------------------------------- */

static void attr_write(struct vga *vga, uint8_t value)
{
    uint8_t index = vga->attr_index & 0x1f;

    if (!vga->attr_data)
        vga->attr_index = value & 0x3f;
    else if (index < sizeof(vga->attr))
        vga->attr[index] = value & attr_mask[index];
    vga->attr_data = !vga->attr_data;
}

static uint8_t attr_read(const struct vga *vga)
{
    uint8_t index = vga->attr_index & 0x1f;
    return index < sizeof(vga->attr) ? vga->attr[index] : 0;
}

/* --- DAC ---------------------------------------------------------------------------------------------------------- */

enum { DAC_WRITING = 0, DAC_READING = 3 };

static uint8_t dac_bits(const struct vga *vga)
{
    return vga->dispi[DISPI_ENABLE] & DISPI_8BIT_DAC ? 0xff : 0x3f;
}

/* A colour takes effect with its third component. */
static void dac_write(struct vga *vga, uint8_t value)
{
    value &= dac_bits(vga);
    if (vga->dac_component < 2) {
        vga->dac_input[vga->dac_component++] = value;
        return;
    }
    uint8_t *colour = &vga->dac[3 * vga->dac_write++];
    colour[0] = vga->dac_input[0];
    colour[1] = vga->dac_input[1];
    colour[2] = value;
    vga->dac_component = 0;
}

static uint8_t dac_read(struct vga *vga)
{
    uint8_t value = vga->dac[3 * vga->dac_read + vga->dac_component];
    if (++vga->dac_component == 3) {
        vga->dac_component = 0;
        vga->dac_read++;
    }
    return value;
}

uint32_t vga_dac_pixel(const struct vga *vga, uint8_t index)
{
    const uint8_t *colour = &vga->dac[3 * (index & vga->dac_mask)];
    bool wide = dac_bits(vga) == 0xff;
    uint32_t pixel = 0;

    for (unsigned i = 0; i < 3; i++)
        pixel = pixel << 8 | (wide ? colour[i] : (uint8_t)((colour[i] & 0x3f) << 2 | (colour[i] & 0x3f) >> 4));
    return pixel;
}

/* --- ports -------------------------------------------------------------------------------------------------------- */

enum { SWITCH_SENSE = 0x10 };

/* The ports at 3Bxh or 3Dxh that exist are told by the miscellaneous output register. */
static bool crtc_ports_there(const struct vga *vga, unsigned port)
{
    return (port >= VGA_COLOUR_PORTS) == (vga->misc & MISC_COLOUR_PORTS);
}

static uint8_t crtc_port_read(struct vga *vga, unsigned port)
{
    if (!crtc_ports_there(vga, port))
        return 0xff;
    switch (port & 0xf) {
    case 0x4:
        return vga->crtc_index;
    case 0x5:
        return crtc_read(vga);
    case 0xa:
        vga->attr_data = false;
        return vga_retrace(vga);
    }
    return 0xff;
}

uint8_t vga_port_read(struct vga *vga, unsigned port)
{
    switch (port) {
    case 0x3c0:
        return vga->attr_index;
    case 0x3c1:
        return attr_read(vga);
    case 0x3c2:
        return SWITCH_SENSE; /* a colour monitor */
    case 0x3c3:
        return vga->enabled;
    case 0x3c4:
        return vga->seq_index;
    case 0x3c5:
        return vga->seq_index < sizeof(vga->seq) ? vga->seq[vga->seq_index] : 0;
    case 0x3c6:
        return vga->dac_mask;
    case 0x3c7:
        return vga->dac_state;
    case 0x3c8:
        return vga->dac_write;
    case 0x3c9:
        return dac_read(vga);
    case 0x3ca:
        return vga->feature;
    case 0x3cc:
        return vga->misc;
    case 0x3ce:
        return vga->gc_index;
    case 0x3cf:
        return vga->gc_index < sizeof(vga->gc) ? vga->gc[vga->gc_index] : 0;
    }
    return port >= VGA_PORTS && port < VGA_COLOUR_PORTS ? 0xff : crtc_port_read(vga, port);
}

static void crtc_port_write(struct vga *vga, unsigned port, uint8_t value)
{
    if (!crtc_ports_there(vga, port))
        return;
    switch (port & 0xf) {
    case 0x4:
        vga->crtc_index = value & 0x3f;
        break;
    case 0x5:
        crtc_write(vga, value);
        break;
    case 0xa:
        vga->feature = value;
        break;
    }
}

static void dac_port_write(struct vga *vga, unsigned port, uint8_t value)
{
    switch (port) {
    case 0x3c6:
        vga->dac_mask = value;
        break;
    case 0x3c7:
        vga->dac_read = value;
        vga->dac_component = 0;
        vga->dac_state = DAC_READING;
        break;
    case 0x3c8:
        vga->dac_write = value;
        vga->dac_component = 0;
        vga->dac_state = DAC_WRITING;
        break;
    case 0x3c9:
        dac_write(vga, value);
        break;
    }
}

void vga_port_write(struct vga *vga, unsigned port, uint8_t value)
{
    switch (port) {
    case 0x3c0:
        attr_write(vga, value);
        break;
    case 0x3c2:
        vga->misc = value & 0xef;
        vga_update_window(vga);
        break;
    case 0x3c3:
        vga->enabled = value & 1;
        vga_update_window(vga);
        break;
    case 0x3c4:
        vga->seq_index = value & 0x07;
        break;
    case 0x3c5:
        if (vga->seq_index < sizeof(vga->seq))
            vga->seq[vga->seq_index] = value & seq_mask[vga->seq_index];
        vga_update_window(vga);
        break;
    case 0x3c6:
    case 0x3c7:
    case 0x3c8:
    case 0x3c9:
        dac_port_write(vga, port, value);
        break;
    case 0x3ce:
        vga->gc_index = value & 0x0f;
        break;
    case 0x3cf:
        if (vga->gc_index < sizeof(vga->gc))
            vga->gc[vga->gc_index] = value & gc_mask[vga->gc_index];
        vga_update_window(vga);
        break;
    default:
        if (port < VGA_PORTS || port >= VGA_COLOUR_PORTS)
            crtc_port_write(vga, port, value);
    }
}

#define PORT_OPS(name, base)                                                                                           \
    static uint64_t name##_read(void *device, uint64_t offset, unsigned size)                                          \
    {                                                                                                                  \
        (void)size;                                                                                                    \
        return vga_port_read(device, (base) + (unsigned)offset);                                                       \
    }                                                                                                                  \
    static void name##_write(void *device, uint64_t offset, uint64_t value, unsigned size)                             \
    {                                                                                                                  \
        (void)size;                                                                                                    \
        vga_port_write(device, (base) + (unsigned)offset, (uint8_t)value);                                             \
    }                                                                                                                  \
    const struct bus_ops vga_##name = {name##_read, name##_write, 1};

PORT_OPS(mono_ops, VGA_MONO_PORTS)
PORT_OPS(ops, VGA_PORTS)
PORT_OPS(colour_ops, VGA_COLOUR_PORTS)

/* --- the device --------------------------------------------------------------------------------------------------- */

static void vga_reset(void *device)
{
    struct vga *vga = device;

    vga->misc = vga->feature = 0;
    vga->enabled = 1;
    vga->seq_index = vga->crtc_index = vga->gc_index = vga->attr_index = 0;
    vga->attr_data = false;
    memset(vga->seq, 0, sizeof(vga->seq));
    memset(vga->crtc, 0, sizeof(vga->crtc));
    memset(vga->gc, 0, sizeof(vga->gc));
    memset(vga->attr, 0, sizeof(vga->attr));
    memset(vga->latch, 0, sizeof(vga->latch));
    memset(vga->dac, 0, sizeof(vga->dac));
    vga->dac_mask = 0xff;
    vga->dac_write = vga->dac_read = vga->dac_component = vga->dac_state = 0;
    vga_dispi_reset(vga);
    vga_update_window(vga);
    pci_reset(&vga->pci); /* memory keeps its contents */
}

static void vga_restored(void *device)
{
    struct vga *vga = device;

    vga->picture->state.kind = PICTURE_NONE;
    vga_update_window(vga);
    pci_restored(&vga->pci);
}

static void vga_destroy(void *device)
{
    struct vga *vga = device;

    if (vga->picture)
        free(vga->picture->cells);
    free(vga->picture);
    free(vga->dirty);
    display_destroy(&vga->display);
    vga->picture = NULL;
    vga->dirty = NULL;
}

static const struct field vga_fields[] = {
    FIELD(struct vga, misc),        FIELD(struct vga, feature),         FIELD(struct vga, enabled),
    FIELD(struct vga, seq_index),   FIELD(struct vga, crtc_index),      FIELD(struct vga, gc_index),
    FIELD(struct vga, attr_index),  FIELD(struct vga, attr_data),       FIELD_ARRAY(struct vga, seq),
    FIELD_ARRAY(struct vga, crtc),  FIELD_ARRAY(struct vga, gc),        FIELD_ARRAY(struct vga, attr),
    FIELD_ARRAY(struct vga, latch), FIELD_ARRAY(struct vga, dac),       FIELD(struct vga, dac_mask),
    FIELD(struct vga, dac_write),   FIELD(struct vga, dac_read),        FIELD(struct vga, dac_component),
    FIELD(struct vga, dac_state),   FIELD_ARRAY(struct vga, dac_input), FIELD(struct vga, dispi_index),
    FIELD_ARRAY(struct vga, dispi), PCI_FIELDS(struct vga, pci),
};

const struct device_class vga_class = {
    .name = "vga",
    .version = 1,
    .reset = vga_reset,
    .destroy = vga_destroy,
    .restored = vga_restored,
    .fields = vga_fields,
    .field_count = ARRAY_LEN(vga_fields),
};

int vga_init(struct vga *vga, const struct vga_config *config, struct error *err)
{
    *vga = (struct vga){.config = *config, .frame_buffer = PCI_UNMAPPED, .rom_base = PCI_UNMAPPED};
    vga->display.ops = &vga_display_ops;
    vga->display.device = vga;
    vga->picture = calloc(1, sizeof(*vga->picture));
    vga->dirty = calloc(1, VGA_MEMORY_SIZE / GUEST_PAGE_SIZE);
    vga_edid_fill(vga->edid, config->width ? config->width : 1024, config->height ? config->height : 768);
    if (!vga->picture || !vga->dirty)
        return error_set(err, -ENOMEM, "no memory for the VGA");
    int r = space_reserve(config->space, VGA_MEMORY_SIZE, "video memory", &vga->memory, err);
    if (r)
        return r;
    space_track(config->space, vga->memory, VGA_MEMORY_SIZE);
    r = vga_pci_init(vga, err);
    if (!r)
        vga_reset(vga);
    return r;
}
