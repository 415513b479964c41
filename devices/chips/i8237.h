/*
 * The two 8237 DMA controllers of the PC with their page registers, as the PIIX has them.
 *
 * Channels 0 to 3 move bytes, 5 to 7 move words, channel 4 is the cascade. Addresses are 24 bits; the page does not
 * change when the low 16 bits wrap.
 */
#ifndef RING3_CHIPS_I8237_H
#define RING3_CHIPS_I8237_H

#include "cpu-model/base/bus.h"
#include "devices/core/device.h"
#include "devices/core/isa_dma.h"
#include "softmmu/space.h"

enum { I8237_CHANNELS = 8, I8237_PAGES = 16 };

struct i8237_config {
    struct space *space;
};

struct i8237 {
    struct i8237_config config;
    struct isa_dma line[I8237_CHANNELS];

    uint16_t base_address[I8237_CHANNELS], base_count[I8237_CHANNELS];
    uint16_t address[I8237_CHANNELS], count[I8237_CHANNELS];
    uint8_t mode[I8237_CHANNELS];
    uint8_t command[2], mask[2], request[2], terminal[2]; /* of each controller, a bit for each channel */
    uint8_t flip_flop[2];                                 /* the next byte is the high one */
    uint8_t page[I8237_PAGES];                            /* 80h to 8Fh, those of no channel included */
};

extern const struct bus_ops i8237_low_ops;  /* 16 ports, 00h: channels 0 to 3 */
extern const struct bus_ops i8237_high_ops; /* 32 ports, C0h: channels 4 to 7, each register at two addresses */
extern const struct bus_ops i8237_page_ops; /* 16 ports, 80h */
extern const struct device_class i8237_class;

/* Returns 0, or -EINVAL without memory. */
int i8237_init(struct i8237 *dma, const struct i8237_config *config);

/* The channel's line, for the device on it. Valid as long as the controller. */
struct isa_dma *i8237_line(struct i8237 *dma, unsigned channel);

#endif
