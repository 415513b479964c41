/*
 * An IDE channel with two drives: ATA-6 disks and ATAPI CD-ROMs.
 *
 * The channel is the task file and the transfer of data, by ports or through a bus master that the owner provides; the
 * drives' commands are in ide_disk.c and atapi*.c. One command of the channel is in progress at a time.
 */
#ifndef RING3_CHIPS_IDE_H
#define RING3_CHIPS_IDE_H

#include "cpu-model/base/bus.h"
#include "devices/core/block.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"

enum {
    IDE_DRIVES = 2,
    IDE_COMMAND_SIZE = 8,         /* ports of the command block */
    IDE_BUFFER_BYTES = 128 << 10, /* 256 sectors: what a LBA28 command moves at most */
    IDE_PIECES = 256,             /* of memory in one request of a bus master */
};

enum ide_kind { IDE_NONE, IDE_DISK, IDE_CDROM };

/*
 * The bus master's side of a DMA transfer. map() takes the next at most `bytes` bytes of the guest's scatter list as
 * pieces of host memory and returns how many pieces; 0: it is stopped, or the list is at its end. unmap() follows when
 * the bytes were moved.
 */
struct ide_dma_ops {
    unsigned (*map)(void *context, bool to_memory, uint64_t bytes, struct iovec *pieces, unsigned max);
    void (*unmap)(void *context, bool to_memory, const struct iovec *pieces, unsigned count);
};

struct ide_drive_config {
    enum ide_kind kind;
    struct block *block; /* a CD-ROM's may be null: no medium */
    const char *serial;  /* null: one made from the drive's place; not copied */
};

struct ide_config {
    struct irq_line irq;
    unsigned number;               /* of the channel, for serial numbers */
    const struct ide_dma_ops *dma; /* null: no bus master */
    void *dma_context;
    struct ide_drive_config drive[IDE_DRIVES];
};

/* What a drive does with the data that is moved; private to the chip. */
enum ide_task {
    IDE_TASK_NONE,
    IDE_TASK_READ,
    IDE_TASK_WRITE,
    IDE_TASK_VERIFY,
    IDE_TASK_FLUSH,
    IDE_TASK_ANSWER,  /* a block the drive made up */
    IDE_TASK_DISCARD, /* a block nobody needs */
    IDE_TASK_DMA,
    IDE_TASK_PACKET,
    IDE_TASK_PACKET_READ,
    IDE_TASK_PACKET_ANSWER,
    IDE_TASK_PACKET_DATA, /* MODE SELECT's parameters */
};

struct ide_drive {
    struct ide_drive_config config;
    /* The task file: [0] as written last, [1] the time before (HOB) */
    uint8_t feature[2], count[2], low[2], mid[2], high[2], device;
    uint8_t status, error;

    uint8_t multiple;                              /* sectors in a DRQ block of READ MULTIPLE; 0: not set */
    uint8_t dma_mode;                              /* SET FEATURES' transfer mode */
    uint8_t heads, sectors;                        /* the translation of CHS addresses */
    uint8_t write_cache, look_ahead, smart, power; /* power: what CHECK POWER MODE says */
    uint8_t asleep;
    uint64_t max_address; /* sectors that the host area protection leaves */

    /* CD-ROM */
    uint8_t sense_key, asc, ascq;
    uint8_t locked, tray_open, loaded; /* loaded: a medium that is not to be ignored */
    uint8_t attention;                 /* a unit attention waits: ASC */
    uint8_t event;                     /* GET EVENT STATUS NOTIFICATION: the media event that waits */
};

struct ide {
    struct ide_config config;
    struct ide_drive drive[IDE_DRIVES];
    uint8_t control; /* device control: nIEN, SRST, HOB */
    uint8_t intrq;   /* the selected drive's interrupt, before nIEN */

    /* The command in progress */
    int8_t active;                  /* its drive, or -1 */
    uint8_t task;                   /* enum ide_task */
    uint8_t extended, forced;       /* LBA48; FUA */
    uint64_t lba;                   /* of the next sector to move */
    uint32_t left;                  /* sectors not yet moved between medium and buffer */
    uint32_t block_bytes;           /* of a DRQ block */
    uint32_t position, end, filled; /* in the buffer: the next byte, the DRQ block's end, the data's end */
    uint8_t buffer[IDE_BUFFER_BYTES];

    /* A DMA transfer: of the medium, or of the buffer */
    uint8_t dma_waits, dma_medium, dma_to_memory;
    uint64_t dma_offset, dma_left; /* bytes */
    uint8_t packet[12];
    uint8_t packet_dma; /* the packet's data goes by DMA */
    uint8_t raw;        /* sectors of 2352 bytes */

    /* The request in progress; no state, because snapshots wait for it. */
    struct block_request request;
    bool requested;
    struct iovec pieces[IDE_PIECES];
    unsigned piece_count;
};

extern const struct bus_ops ide_command_ops; /* 8 ports: 1F0h */
extern const struct bus_ops ide_control_ops; /* 1 port: 3F6h */
extern const struct device_class ide_class;

/* Returns 0, or -EINVAL for a disk without an image. */
int ide_init(struct ide *ide, const struct ide_config *config);

/* The bus master: it was started (map() has memory now), or it was stopped while a transfer may be in progress. */
void ide_dma_started(struct ide *ide);
void ide_dma_stopped(struct ide *ide);

/* A CD-ROM's medium changes: null takes it out. The former one is no longer used. A guest that has locked the tray is
 * asked first with ide_eject_request(). */
void ide_change_medium(struct ide *ide, unsigned drive, struct block *block);
bool ide_tray_locked(const struct ide *ide, unsigned drive);
bool ide_tray_open(const struct ide *ide, unsigned drive);
void ide_eject_request(struct ide *ide, unsigned drive);

#endif
