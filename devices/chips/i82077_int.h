/* What the controller (i82077.c) and its data commands (i82077_data.c) share. */
#ifndef RING3_CHIPS_I82077_INT_H
#define RING3_CHIPS_I82077_INT_H

#include "devices/chips/i82077.h"

enum {
    I82077_READ_TRACK = 0x02,
    I82077_WRITE = 0x05,
    I82077_READ = 0x06,
    I82077_WRITE_DELETED = 0x09,
    I82077_READ_ID = 0x0a,
    I82077_READ_DELETED = 0x0c,
    I82077_FORMAT = 0x0d,
    I82077_SCAN_EQUAL = 0x11,
    I82077_VERIFY = 0x16,
    I82077_SCAN_LOW = 0x19,
    I82077_SCAN_HIGH = 0x1d,
    I82077_OPERATION = 0x1f, /* of a command byte; above it: */
    I82077_SKIP = 0x20,
    I82077_MFM = 0x40,
    I82077_MT = 0x80,
};

/* i82077_data.c: starts the command in the FIFO, which is one of those above. */
void i82077_start_data(struct i82077 *fdc);
/* More bytes may move: the DMA channel is open, or the guest has read or written the data register. */
void i82077_continue(struct i82077 *fdc);
/* The image has answered. */
void i82077_requested(struct i82077 *fdc);
/* One byte through the data register in the execution phase. */
uint8_t i82077_read_data(struct i82077 *fdc);
void i82077_write_data(struct i82077 *fdc, uint8_t byte);

/* i82077.c */

/* Ends the command with the seven result bytes: ST0 to ST2, C, H, R, N. Later, by the timer: as real ones do. */
void i82077_result(struct i82077 *fdc);
void i82077_result_later(struct i82077 *fdc);
void i82077_request(struct i82077 *fdc, enum block_operation operation, uint64_t offset, uint32_t bytes);
/* Enters the execution phase's part in which bytes move. */
void i82077_move(struct i82077 *fdc, enum i82077_phase phase);
bool i82077_uses_dma(const struct i82077 *fdc);
void i82077_update_irq(struct i82077 *fdc);

#endif
