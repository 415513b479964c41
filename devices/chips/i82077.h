/*
 * The 82077AA floppy disk controller in its AT mode, with two drives.
 *
 * What a drive holds follows from its image's size: 160K to 2.88M, all with sectors of 512 bytes. Data goes by DMA or,
 * as SPECIFY says, byte by byte through the data register.
 */
#ifndef RING3_CHIPS_I82077_H
#define RING3_CHIPS_I82077_H

#include "cpu-model/base/bus.h"
#include "devices/core/block.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"
#include "devices/core/isa_dma.h"
#include "devices/core/vclock.h"

enum { I82077_DRIVES = 2, I82077_SIZE = 6, I82077_TRACK_SECTORS = 36 };

/* What the drives are, as the CMOS memory tells them. */
enum i82077_kind {
    I82077_NO_DRIVE,
    I82077_360K,
    I82077_1200K,
    I82077_720K,
    I82077_1440K,
    I82077_2880K,
};

/* How a disk is recorded. */
struct i82077_format {
    uint32_t bytes;
    uint8_t cylinders, heads, sectors;
    uint8_t rates;         /* a bit for each data rate code that reads it */
    enum i82077_kind kind; /* the usual drive for it */
};

struct i82077_config {
    struct vclock *clock;
    struct irq_line irq;
    struct isa_dma *dma; /* null: none; the controller then waits for ever in DMA mode */
    bool present[I82077_DRIVES];
    struct block *block[I82077_DRIVES]; /* null: no disk in it */
};

struct i82077_drive {
    struct block *block;
    const struct i82077_format *format; /* null: no disk */
    uint8_t track;
    uint8_t changed; /* the disk change line */
    uint8_t next_id; /* READ ID: the sector under the head, from 0 */
};

enum i82077_phase { I82077_COMMAND, I82077_BUSY, I82077_DATA_IN, I82077_DATA_OUT, I82077_RESULT };

struct i82077 {
    struct i82077_config config;
    struct i82077_drive drive[I82077_DRIVES];

    uint8_t dor, tdr, rate;
    uint8_t specify[2], configure[2], perpendicular, locked;
    uint8_t phase;    /* enum i82077_phase */
    uint8_t fifo[16]; /* command or result bytes */
    uint8_t fifo_position, fifo_length;
    uint8_t irq; /* level, before the DMA gate */

    /* Interrupts that wait for SENSE INTERRUPT STATUS */
    uint8_t reset_pending;           /* drives not yet reported after a reset */
    uint8_t seek_pending, seek_busy; /* a bit for each of four drives */
    uint8_t seek_status[4], seek_track[4];

    /* The command in progress */
    uint8_t unit, head, c, h, r, n, eot;
    uint8_t st0, st1, st2;
    uint8_t sectors_left; /* VERIFY with a count */
    uint8_t run_sectors;  /* that the buffer is for, from r on */
    uint8_t terminal_count;
    uint8_t result_pending;    /* a result that the timer brings */
    uint32_t position, filled; /* in the buffer */
    uint8_t buffer[I82077_TRACK_SECTORS * BLOCK_SECTOR];
    uint64_t timer_at;

    struct vtimer timer;
    struct block_request request; /* in progress; no state, because snapshots wait for it */
    struct iovec vector;
    bool requested;
};

extern const struct bus_ops i82077_ops;     /* 6 ports: 3F0h; 3F6h is the IDE's */
extern const struct bus_ops i82077_dir_ops; /* 1 port: 3F7h */
extern const struct device_class i82077_class;

/* Returns 0, or -EINVAL without a clock or with an image that is no disk. */
int i82077_init(struct i82077 *fdc, const struct i82077_config *config);

/* The format with that many bytes, or null. */
const struct i82077_format *i82077_find_format(uint64_t bytes);

/* The sizes there are, for messages: "160K, 180K, ..." */
extern const char i82077_sizes[];

/* What kind of drive it is: by its disk at first; 1.44M without one. */
enum i82077_kind i82077_drive_kind(const struct i82077 *fdc, unsigned drive);

/* Puts another disk into a drive; null takes it out. The former one is no longer used. */
void i82077_change_disk(struct i82077 *fdc, unsigned drive, struct block *block);

#endif
