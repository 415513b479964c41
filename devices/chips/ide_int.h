/* What the channel (ide.c) and the drives' commands (ide_disk.c, atapi*.c) share. */
#ifndef RING3_CHIPS_IDE_INT_H
#define RING3_CHIPS_IDE_INT_H

#include "devices/chips/ide.h"

enum {
    IDE_BSY = 0x80,
    IDE_DRDY = 0x40,
    IDE_DF = 0x20,
    IDE_DSC = 0x10,
    IDE_DRQ = 0x08,
    IDE_ERR = 0x01,

    IDE_ERROR_UNC = 0x40,
    IDE_ERROR_IDNF = 0x10,
    IDE_ERROR_ABRT = 0x04,

    IDE_DEVICE_LBA = 0x40,
    IDE_DEVICE_SLAVE = 0x10,
};

static inline struct ide_drive *ide_active(struct ide *ide)
{
    return &ide->drive[ide->active];
}

/* --- ide.c: for the drives ---------------------------------------------------------------------------------------- */

/* The end of a command: with success, or with bits of the error register; an interrupt either way. Reading by ports
 * ends without one. */
void ide_finish(struct ide *ide);
void ide_finish_quietly(struct ide *ide);
void ide_fail(struct ide *ide, uint8_t error);

/* Raises INTRQ. */
void ide_interrupt(struct ide *ide);

/* Offers [position, filled) of the buffer through the data port in blocks of block_bytes; asks for that much. The drive
 * gets ide_*_moved() when the last block has moved. The first block of data to the drive has no interrupt. */
void ide_data_in(struct ide *ide, uint32_t bytes, uint32_t block_bytes, enum ide_task task);
void ide_data_out(struct ide *ide, uint32_t bytes, uint32_t block_bytes, enum ide_task task);

/* A request to the image, with the buffer's bytes from `at` on; the drive gets *_requested() when it is done. */
void ide_request(struct ide *ide, enum block_operation operation, uint64_t offset, uint32_t at, uint32_t bytes);

/* A DMA transfer of `bytes` bytes of the medium at `offset`, or of the buffer; the drive gets ide_*_dma_done(). */
void ide_dma(struct ide *ide, bool medium, bool to_memory, uint64_t offset, uint64_t bytes);

/* The signature of a drive after a reset or EXECUTE DEVICE DIAGNOSTIC. */
void ide_signature(struct ide *ide, unsigned drive);
void ide_diagnose(struct ide *ide);

/* Text in the byte order of IDENTIFY, padded with spaces. */
void ide_text(uint8_t *to, const char *text, unsigned bytes);
void ide_word(uint8_t *to, unsigned word, uint16_t value);

/* --- the drives --------------------------------------------------------------------------------------------------- */

void ide_disk_reset(struct ide_drive *drive);
void ide_disk_command(struct ide *ide, uint8_t command);
void ide_disk_moved(struct ide *ide);
void ide_disk_requested(struct ide *ide, int result);
void ide_disk_dma_done(struct ide *ide, int result, uint64_t transferred);
uint64_t ide_disk_sectors(const struct ide_drive *drive);
void ide_disk_identify(struct ide *ide);     /* into the buffer */
void ide_disk_smart(struct ide *ide);        /* command B0h */
bool ide_disk_set_features(struct ide *ide); /* command EFh: whether it is known */
bool ide_set_transfer_mode(struct ide_drive *drive, uint8_t mode);

void atapi_reset(struct ide_drive *drive);
void atapi_command(struct ide *ide, uint8_t command);
void atapi_moved(struct ide *ide);
void atapi_requested(struct ide *ide, int result);
void atapi_dma_done(struct ide *ide, int result);
uint32_t atapi_sectors(const struct ide_drive *drive); /* of 2048 bytes; 0: no medium */

enum {
    SENSE_NONE = 0,
    SENSE_NOT_READY = 2,
    SENSE_MEDIUM_ERROR = 3,
    SENSE_ILLEGAL_REQUEST = 5,
    SENSE_UNIT_ATTENTION = 6,

    ASC_READ_ERROR = 0x11,
    ASC_INVALID_COMMAND = 0x20,
    ASC_OUT_OF_RANGE = 0x21,
    ASC_INVALID_FIELD = 0x24,
    ASC_MEDIUM_CHANGED = 0x28,
    ASC_SAVING = 0x39,
    ASC_NO_MEDIUM = 0x3a,
    ASC_REMOVAL_PREVENTED = 0x53,
    ASC_ILLEGAL_MODE = 0x64,
};

enum { ATAPI_UNKNOWN = -1, ATAPI_FAILED = -2 };

/* The packet commands that only tell something: their answer goes into the buffer. Returns its length before the
 * command's allocation length cuts it, ATAPI_UNKNOWN, or ATAPI_FAILED with the sense set. */
int atapi_answer(struct ide *ide, uint32_t *allocation);
int atapi_fail_field(struct ide_drive *drive); /* sets "invalid field"; returns ATAPI_FAILED */
void atapi_sense(struct ide_drive *drive, uint8_t key, uint8_t asc, uint8_t ascq);
void atapi_identify(struct ide *ide);
void atapi_put_msf(uint8_t *to, uint32_t lba); /* a zero byte, minute, second, frame */

static inline uint32_t get_be32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint32_t get_be16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static inline void put_be(uint8_t *to, uint32_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

#endif
