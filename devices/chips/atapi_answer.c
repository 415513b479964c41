/*
 * The packet commands that only tell something: INQUIRY, sense, modes, table of contents, features, events. See
 * ide_int.h.
 *
 * Invariant: an answer fits in the first 512 bytes of the buffer, which are zero at its start.
 *
 * Thread: whoever holds the machine lock.
 * Source: MMC-4 (T10 1545D), "Commands"; SPC-3 (T10 1416D), "INQUIRY", "REQUEST SENSE"; SFF-8020i.
 */
#include "devices/chips/ide_int.h"

#include <stdio.h>
#include <string.h>

enum {
    OP_REQUEST_SENSE = 0x03,
    OP_INQUIRY = 0x12,
    OP_MODE_SENSE_6 = 0x1a,
    OP_READ_CAPACITY = 0x25,
    OP_READ_SUBCHANNEL = 0x42,
    OP_READ_TOC = 0x43,
    OP_READ_HEADER = 0x44,
    OP_GET_CONFIGURATION = 0x46,
    OP_GET_EVENT_STATUS = 0x4a,
    OP_DISC_INFORMATION = 0x51,
    OP_TRACK_INFORMATION = 0x52,
    OP_MODE_SENSE_10 = 0x5a,
    OP_MECHANISM_STATUS = 0xbd,

    PROFILE_CD = 0x08,
    PROFILE_DVD = 0x10,
    CD_SECTORS = 450000, /* more than this is a DVD: 100 minutes */

    DATA_TRACK = 0x14, /* ADR 1, control: data */
    LEAD_OUT = 0xaa,
    MEDIA_CLASS = 4,
};

/* --- who it is ---------------------------------------------------------------------------------------------------- */

static int inquiry(struct ide *ide)
{
    uint8_t *to = ide->buffer;
    if (ide->packet[1] & 1) /* vital product data */
        return atapi_fail_field(ide_active(ide));
    to[0] = 5; /* CD-ROM */
    to[1] = 0x80;
    to[2] = 0; /* version: as ATAPI */
    to[3] = 0x21;
    to[4] = 31;
    memcpy(to + 8, "RING3   ", 8);
    memcpy(to + 16, "CD-ROM          ", 16);
    snprintf((char *)to + 32, 5, "%-4.4s", RING3_VERSION);
    return 36;
}

void atapi_identify(struct ide *ide)
{
    const struct ide_drive *d = ide_active(ide);
    uint8_t *to = ide->buffer;
    char serial[21];

    memset(to, 0, BLOCK_SECTOR);
    ide_word(to, 0, 0x85c0); /* ATAPI, CD-ROM, removable, DRQ within 50 us, packets of 12 bytes */
    snprintf(serial, sizeof(serial), "R3-%04u%u", ide->config.number, (unsigned)ide->active);
    ide_text(to + 20, d->config.serial ? d->config.serial : serial, 20);
    ide_text(to + 46, RING3_VERSION, 8);
    ide_text(to + 54, "RING3 CD-ROM", 40);
    ide_word(to, 49, 0x0f00);
    ide_word(to, 50, 0x4000);
    ide_word(to, 51, 0x0200);
    ide_word(to, 53, 0x0006);
    ide_word(to, 63, (uint16_t)(0x0007 | ((d->dma_mode & 0xf8) == 0x20 ? 0x100 << (d->dma_mode & 7) : 0)));
    ide_word(to, 64, 0x0003);
    for (unsigned i = 65; i <= 68; i++)
        ide_word(to, i, 120);
    ide_word(to, 80, 0x007e);
    ide_word(to, 82, 0x0210); /* DEVICE RESET, PACKET */
    ide_word(to, 83, 0x4000);
    ide_word(to, 84, 0x4000);
    ide_word(to, 85, 0x0210);
    ide_word(to, 87, 0x4000);
    ide_word(to, 88, (uint16_t)(0x003f | ((d->dma_mode & 0xf8) == 0x40 ? 0x100 << (d->dma_mode & 7) : 0)));
}

static int request_sense(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    uint8_t *to = ide->buffer;
    to[0] = 0x70;
    to[2] = d->sense_key;
    to[7] = 10;
    to[12] = d->asc;
    to[13] = d->ascq;
    atapi_sense(d, SENSE_NONE, 0, 0);
    return 18;
}

/* --- mode pages --------------------------------------------------------------------------------------------------- */

static unsigned put_page(const struct ide_drive *d, uint8_t *to, uint8_t page)
{
    switch (page) {
    case 0x01: /* read error recovery */
        to[0] = 0x01;
        to[1] = 0x0a;
        to[3] = 5; /* retries */
        return 12;
    case 0x0e: /* audio */
        to[0] = 0x0e;
        to[1] = 0x0e;
        to[2] = 4;
        return 16;
    case 0x2a: /* capabilities */
        to[0] = 0x2a;
        to[1] = 0x12;
        to[2] = 0x3b; /* reads CD-R, CD-RW, DVD-ROM, -R, -RAM */
        to[4] = 0x70; /* mode 2 form 1 and 2, multisession */
        to[5] = 0x01;
        to[6] = (uint8_t)(0x29 | (d->locked ? 2 : 0)); /* tray, eject, lock */
        put_be(to + 8, 706, 2);                        /* 4x */
        put_be(to + 10, 2, 2);
        put_be(to + 12, 512, 2);
        put_be(to + 14, 706, 2);
        return 20;
    default:
        return 0;
    }
}

static int mode_sense(struct ide *ide, unsigned header)
{
    static const uint8_t pages[] = {0x01, 0x0e, 0x2a};
    struct ide_drive *d = ide_active(ide);
    uint8_t *to = ide->buffer, page = ide->packet[2] & 0x3f, control = ide->packet[2] >> 6;
    unsigned length = header;

    if (control == 3) {
        atapi_sense(d, SENSE_ILLEGAL_REQUEST, ASC_SAVING, 0);
        return ATAPI_FAILED;
    }
    for (unsigned i = 0; i < ARRAY_LEN(pages); i++) {
        if (page != 0x3f && page != pages[i])
            continue;
        unsigned size = put_page(d, to + length, pages[i]);
        if (control == 1) /* nothing can be changed */
            memset(to + length + 2, 0, size - 2);
        length += size;
    }
    if (length == header)
        return atapi_fail_field(d);
    uint8_t medium = d->tray_open ? 0x71 : d->loaded ? 0x01 : 0x70;
    if (header == 8) {
        put_be(to, length - 2, 2);
        to[2] = medium;
    } else {
        to[0] = (uint8_t)(length - 1);
        to[1] = medium;
    }
    return (int)length;
}

/* --- the medium --------------------------------------------------------------------------------------------------- */

static void put_address(uint8_t *to, uint32_t lba, bool msf)
{
    if (msf)
        atapi_put_msf(to, lba);
    else
        put_be(to, lba, 4);
}

static unsigned put_track(uint8_t *to, uint8_t track, uint32_t lba, bool msf)
{
    to[1] = DATA_TRACK;
    to[2] = track;
    put_address(to + 4, lba, msf);
    return 8;
}

/* One entry of the full table of contents: what the lead-in says. */
static unsigned put_point(uint8_t *to, uint8_t point, uint8_t minute, uint8_t second, uint8_t frame)
{
    const uint8_t entry[11] = {1, DATA_TRACK, 0, point, 0, 0, 0, 0, minute, second, frame};
    memcpy(to, entry, sizeof(entry));
    return sizeof(entry);
}

static int read_toc(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    const uint8_t *p = ide->packet;
    bool msf = p[1] & 2;
    uint8_t format = p[2] & 0xf ? p[2] & 0xf : p[9] >> 6, first = p[6], end[4], *to = ide->buffer;
    unsigned length = 4;

    atapi_put_msf(end, atapi_sectors(d));
    switch (format) {
    case 0:
        if (first > 1 && first != LEAD_OUT)
            return atapi_fail_field(d);
        if (first <= 1)
            length += put_track(to + length, 1, 0, msf);
        length += put_track(to + length, LEAD_OUT, atapi_sectors(d), msf);
        break;
    case 1: /* one session, whose first track is 1 */
        length += put_track(to + length, 1, 0, msf);
        break;
    case 2:
        length += put_point(to + length, 0xa0, 1, 0, 0);
        length += put_point(to + length, 0xa1, 1, 0, 0);
        length += put_point(to + length, 0xa2, end[1], end[2], end[3]);
        length += put_point(to + length, 1, 0, 2, 0);
        break;
    default:
        return atapi_fail_field(d);
    }
    put_be(to, length - 2, 2);
    to[2] = to[3] = 1;
    return (int)length;
}

static int read_capacity(struct ide *ide)
{
    put_be(ide->buffer, atapi_sectors(ide_active(ide)) - 1, 4);
    put_be(ide->buffer + 4, 2048, 4);
    return 8;
}

static int read_header(struct ide *ide)
{
    uint32_t lba = get_be32(ide->packet + 2);
    if (lba >= atapi_sectors(ide_active(ide))) {
        atapi_sense(ide_active(ide), SENSE_ILLEGAL_REQUEST, ASC_OUT_OF_RANGE, 0);
        return ATAPI_FAILED;
    }
    ide->buffer[0] = 1;
    put_address(ide->buffer + 4, lba, ide->packet[1] & 2);
    return 8;
}

static int read_subchannel(struct ide *ide)
{
    uint8_t *to = ide->buffer;
    to[1] = 0x15; /* nothing plays */
    if (!(ide->packet[2] & 0x40))
        return 4;
    if (ide->packet[3] != 1)
        return atapi_fail_field(ide_active(ide));
    to[3] = 12;
    to[4] = 1;
    to[5] = DATA_TRACK;
    to[6] = to[7] = 1;
    put_address(to + 8, 0, ide->packet[1] & 2);
    put_address(to + 12, 0, ide->packet[1] & 2);
    return 16;
}

static int disc_information(struct ide *ide)
{
    uint8_t *to = ide->buffer;
    put_be(to, 32, 2);
    to[2] = 0x0e; /* complete, last session complete */
    to[3] = to[4] = to[5] = to[6] = 1;
    to[7] = 0x20; /* unrestricted use */
    memset(to + 16, 0xff, 8);
    return 34;
}

static int track_information(struct ide *ide)
{
    uint8_t *to = ide->buffer;
    put_be(to, 34, 2);
    to[2] = to[3] = 1;
    to[5] = 4;
    to[6] = 1;
    put_be(to + 24, atapi_sectors(ide_active(ide)), 4);
    return 36;
}

/* --- the drive's state -------------------------------------------------------------------------------------------- */

static unsigned put_feature(uint8_t *to, uint16_t code, uint8_t flags, const uint8_t *data, uint8_t length)
{
    put_be(to, code, 2);
    to[2] = flags; /* version, persistent, current */
    to[3] = length;
    memcpy(to + 4, data, length);
    return 4u + length;
}

static int get_configuration(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    uint8_t type = ide->packet[1] & 3, *to = ide->buffer;
    uint32_t first = get_be16(ide->packet + 2), sectors = atapi_sectors(d);
    bool dvd = sectors > CD_SECTORS, cd = sectors && !dvd;
    const struct {
        uint16_t code;
        uint8_t flags, length, data[12];
    } features[] = {
        {0x0000, 0x03, 8, {0, PROFILE_DVD, dvd, 0, 0, PROFILE_CD, cd, 0}},
        {0x0001, 0x0b, 8, {0, 0, 0, 2, 1, 0, 0, 0}},            /* core: ATAPI */
        {0x0002, 0x07, 4, {2, 0, 0, 0}},                        /* morphing: events of operational change */
        {0x0003, 0x07, 4, {0x29, 0, 0, 0}},                     /* removable: tray, eject, lock */
        {0x0010, sectors ? 1 : 0, 8, {0, 0, 8, 0, 0, 1, 0, 0}}, /* random readable: 2048 bytes */
        {0x001e, cd ? 0x09 : 0x08, 4, {0, 0, 0, 0}},            /* CD read */
        {0x001f, dvd ? 1 : 0, 4, {0, 0, 0, 0}},                 /* DVD read */
        {0x0100, 0x03, 0, {0}},                                 /* power management */
        {0x0105, 0x07, 4, {0, 0, 0, 0}},                        /* timeout */
    };
    unsigned length = 8;

    if (type == 3)
        return atapi_fail_field(d);
    for (unsigned i = 0; i < ARRAY_LEN(features); i++) {
        bool wanted = type == 2 ? features[i].code == first : features[i].code >= first;
        if (wanted && (type != 1 || (features[i].flags & 1)))
            length +=
                put_feature(to + length, features[i].code, features[i].flags, features[i].data, features[i].length);
    }
    put_be(to, length - 4, 4);
    put_be(to + 6, dvd ? PROFILE_DVD : cd ? PROFILE_CD : 0, 2);
    return (int)length;
}

static int get_event_status(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    uint8_t *to = ide->buffer;

    if (!(ide->packet[1] & 1)) /* asynchronous notification */
        return atapi_fail_field(d);
    to[3] = 1 << MEDIA_CLASS;
    if (!(ide->packet[4] & 1 << MEDIA_CLASS)) {
        to[1] = 2;
        to[2] = 0x80; /* no class of those asked for */
        return 4;
    }
    to[1] = 6;
    to[2] = MEDIA_CLASS;
    to[4] = d->event;
    to[5] = (uint8_t)((d->tray_open ? 1 : 0) | (atapi_sectors(d) ? 2 : 0));
    d->event = 0;
    return 8;
}

static int mechanism_status(struct ide *ide)
{
    ide->buffer[1] = ide_active(ide)->tray_open ? 0x10 : 0;
    ide->buffer[5] = 1; /* slots; their table is empty */
    return 8;
}

int atapi_answer(struct ide *ide, uint32_t *allocation)
{
    const uint8_t *p = ide->packet;

    *allocation = get_be16(p + 7);
    switch (p[0]) {
    case OP_REQUEST_SENSE:
        *allocation = p[4];
        return request_sense(ide);
    case OP_INQUIRY:
        *allocation = get_be16(p + 3);
        return inquiry(ide);
    case OP_MODE_SENSE_6:
        *allocation = p[4];
        return mode_sense(ide, 4);
    case OP_MODE_SENSE_10:
        return mode_sense(ide, 8);
    case OP_READ_CAPACITY:
        *allocation = 8;
        return read_capacity(ide);
    case OP_READ_TOC:
        return read_toc(ide);
    case OP_READ_HEADER:
        return read_header(ide);
    case OP_READ_SUBCHANNEL:
        return read_subchannel(ide);
    case OP_DISC_INFORMATION:
        return disc_information(ide);
    case OP_TRACK_INFORMATION:
        return track_information(ide);
    case OP_GET_CONFIGURATION:
        return get_configuration(ide);
    case OP_GET_EVENT_STATUS:
        return get_event_status(ide);
    case OP_MECHANISM_STATUS:
        *allocation = get_be16(p + 8);
        return mechanism_status(ide);
    default:
        return ATAPI_UNKNOWN;
    }
}
