/*
 * What an ATA disk says of itself: IDENTIFY DEVICE, SMART, and the settings of SET FEATURES. See ide_int.h.
 *
 * Thread: whoever holds the machine lock.
 * Source: ATA/ATAPI-6 (T13 1410D), "IDENTIFY DEVICE", "SET FEATURES", "SMART".
 *
 * SMART is honest and short: the disk is well, it has a few attributes that do not change, and its logs are empty.
 */
#include "devices/chips/ide_int.h"

#include <stdio.h>
#include <string.h>

enum {
    FEATURE_WRITE_CACHE = 0x02,
    FEATURE_TRANSFER_MODE = 0x03,
    FEATURE_NO_LOOK_AHEAD = 0x55,
    FEATURE_KEEP_SETTINGS = 0x66,
    FEATURE_NO_WRITE_CACHE = 0x82,
    FEATURE_LOOK_AHEAD = 0xaa,
    FEATURE_DROP_SETTINGS = 0xcc,

    MULTIWORD_DMA = 0x20,
    ULTRA_DMA = 0x40,

    SMART_READ_DATA = 0xd0,
    SMART_READ_THRESHOLDS = 0xd1,
    SMART_AUTOSAVE = 0xd2,
    SMART_SAVE = 0xd3,
    SMART_TEST = 0xd4,
    SMART_READ_LOG = 0xd5,
    SMART_WRITE_LOG = 0xd6,
    SMART_ENABLE = 0xd8,
    SMART_DISABLE = 0xd9,
    SMART_STATUS = 0xda,
    SMART_AUTO_OFFLINE = 0xdb,
};

bool ide_set_transfer_mode(struct ide_drive *drive, uint8_t mode)
{
    /* PIO default, PIO 0-4, multiword DMA 0-2, Ultra DMA 0-5 */
    bool known = mode <= 1 || (mode >= 8 && mode <= 12) || (mode >= MULTIWORD_DMA && mode <= MULTIWORD_DMA + 2) ||
                 (mode >= ULTRA_DMA && mode <= ULTRA_DMA + 5);
    if (known && mode >= MULTIWORD_DMA)
        drive->dma_mode = mode;
    return known;
}

bool ide_disk_set_features(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    switch (d->feature[0]) {
    case FEATURE_WRITE_CACHE:
        d->write_cache = 1;
        return true;
    case FEATURE_NO_WRITE_CACHE:
        d->write_cache = 0;
        return true;
    case FEATURE_LOOK_AHEAD:
        d->look_ahead = 1;
        return true;
    case FEATURE_NO_LOOK_AHEAD:
        d->look_ahead = 0;
        return true;
    case FEATURE_TRANSFER_MODE:
        return ide_set_transfer_mode(d, d->count[0]);
    case FEATURE_KEEP_SETTINGS:
    case FEATURE_DROP_SETTINGS:
        return true;
    default:
        return false;
    }
}

/* --- IDENTIFY DEVICE ---------------------------------------------------------------------------------------------- */

static void identify_geometry(uint8_t *to, const struct ide_drive *d)
{
    uint64_t sectors = d->max_address, cylinders = sectors / (16 * 63);
    uint64_t current = sectors / (d->heads * d->sectors);

    cylinders = cylinders < 16383 ? cylinders : 16383;
    current = current < 65535 ? current : 65535;
    uint64_t reachable = current * d->heads * d->sectors;
    uint64_t lba28 = sectors < 0x0fffffff ? sectors : 0x0fffffff;
    ide_word(to, 1, (uint16_t)cylinders);
    ide_word(to, 3, 16);
    ide_word(to, 6, 63);
    ide_word(to, 54, (uint16_t)current);
    ide_word(to, 55, d->heads);
    ide_word(to, 56, d->sectors);
    ide_word(to, 57, (uint16_t)reachable);
    ide_word(to, 58, (uint16_t)(reachable >> 16));
    ide_word(to, 60, (uint16_t)lba28);
    ide_word(to, 61, (uint16_t)(lba28 >> 16));
    for (unsigned i = 0; i < 4; i++)
        ide_word(to, 100 + i, (uint16_t)(sectors >> 16 * i));
}

static uint16_t chosen(const struct ide_drive *d, uint8_t base, unsigned modes)
{
    unsigned mode = d->dma_mode - base;
    return d->dma_mode >= base && mode < modes ? (uint16_t)(0x100 << mode) : 0;
}

void ide_disk_identify(struct ide *ide)
{
    const struct ide_drive *d = ide_active(ide);
    uint8_t *to = ide->buffer;
    char serial[21];
    static const struct {
        uint8_t word;
        uint16_t value;
    } constant[] = {
        {0, 0x0040},                /* a fixed disk */
        {47, 0x8080},               /* READ MULTIPLE: up to 128 sectors */
        {49, 0x2f00},               /* standby timer as the standard says, IORDY, LBA, DMA */
        {50, 0x4000}, {51, 0x0200}, /* PIO timing mode 2, for those that do not know word 64 */
        {53, 0x0007},               /* words 54-58, 64-70 and 88 are valid */
        {64, 0x0003},               /* PIO modes 3 and 4 */
        {65, 120},                  /* cycle times, ns */
        {66, 120},    {67, 120},    {68, 120},    {80, 0x007e}, /* ATA-1 to ATA-6 */
        {82, 0x3469}, /* WRITE/READ BUFFER, host protected area, look-ahead, write cache, power, SMART */
        {83, 0x7400}, /* FLUSH CACHE EXT, FLUSH CACHE, LBA48 */
        {84, 0x4043}, /* FUA, SMART self-test and error log */
        {86, 0x3400}, {87, 0x4043}, {93, 0x600b}, /* hardware reset: device 0, 80-conductor cable */
    };

    memset(to, 0, BLOCK_SECTOR);
    for (unsigned i = 0; i < ARRAY_LEN(constant); i++)
        ide_word(to, constant[i].word, constant[i].value);
    identify_geometry(to, d);
    snprintf(serial, sizeof(serial), "R3-%04u%u", ide->config.number, (unsigned)ide->active);
    ide_text(to + 20, d->config.serial ? d->config.serial : serial, 20);
    ide_text(to + 46, RING3_VERSION, 8);
    ide_text(to + 54, "RING3 HARDDISK", 40);
    ide_word(to, 59, (uint16_t)(d->multiple ? 0x100 | d->multiple : 0));
    ide_word(to, 63, 0x0007 | chosen(d, MULTIWORD_DMA, 3));
    ide_word(to, 88, 0x003f | chosen(d, ULTRA_DMA, 6));
    ide_word(to, 85,
             (uint16_t)(0x3408 | (d->smart ? 0x01 : 0) | (d->write_cache ? 0x20 : 0) | (d->look_ahead ? 0x40 : 0)));
    uint8_t sum = 0xa5;
    to[510] = 0xa5;
    for (unsigned i = 0; i < 510; i++)
        sum += to[i];
    to[511] = (uint8_t)-sum;
}

/* --- SMART -------------------------------------------------------------------------------------------------------- */

static void checksum(uint8_t *to)
{
    uint8_t sum = 0;
    for (unsigned i = 0; i < 511; i++)
        sum += to[i];
    to[511] = (uint8_t)-sum;
}

static const uint8_t attributes[] = {1, 3, 4, 5, 9, 12, 190}; /* of the vendors' common list; errors, hours, degrees */

static void smart_data(uint8_t *to)
{
    to[0] = 1; /* revision */
    for (unsigned i = 0; i < ARRAY_LEN(attributes); i++) {
        uint8_t *at = to + 2 + i * 12;
        at[0] = attributes[i];
        at[1] = 3;           /* pre-failure, updated on line */
        at[3] = at[4] = 100; /* value, worst */
        at[5] = attributes[i] == 190 ? 31 : 0;
    }
    to[362] = 0x02; /* off-line data collection completed */
    to[364] = 0x01;
    to[367] = 0x5b; /* self-tests and immediate off-line are there */
    to[368] = 0x03;
    to[370] = 0x01; /* error logging */
    to[372] = 2;    /* minutes of the short and the extended self-test */
    to[373] = 2;
    checksum(to);
}

static void smart_thresholds(uint8_t *to)
{
    to[0] = 1;
    for (unsigned i = 0; i < ARRAY_LEN(attributes); i++)
        to[2 + i * 12] = attributes[i];
    checksum(to);
}

static bool smart_log(const struct ide_drive *d, uint8_t *to)
{
    switch (d->low[0]) {
    case 0: /* directory: revision, then the sectors of each log */
        to[0] = 1;
        to[2] = to[12] = 1;
        return true;
    case 1: /* summary error log */
    case 6: /* self-test log */
        to[0] = 1;
        checksum(to);
        return true;
    default:
        return false;
    }
}

void ide_disk_smart(struct ide *ide)
{
    struct ide_drive *d = ide_active(ide);
    uint8_t *to = ide->buffer;
    bool good = d->mid[0] == 0x4f && d->high[0] == 0xc2 && (d->smart || d->feature[0] == SMART_ENABLE);
    bool answers = false;

    memset(to, 0, BLOCK_SECTOR);
    switch (good ? d->feature[0] : 0) {
    case SMART_READ_DATA:
        smart_data(to);
        answers = true;
        break;
    case SMART_READ_THRESHOLDS:
        smart_thresholds(to);
        answers = true;
        break;
    case SMART_READ_LOG:
        good = answers = d->count[0] == 1 && smart_log(d, to);
        break;
    case SMART_ENABLE:
        d->smart = 1;
        break;
    case SMART_DISABLE:
        d->smart = 0;
        break;
    case SMART_STATUS: /* 4Fh and C2h stay: no threshold exceeded */
    case SMART_AUTOSAVE:
    case SMART_SAVE:
    case SMART_TEST:
    case SMART_AUTO_OFFLINE:
        break;
    default: /* logs cannot be written */
        good = false;
        break;
    }
    if (!good)
        ide_fail(ide, IDE_ERROR_ABRT);
    else if (answers)
        ide_data_in(ide, BLOCK_SECTOR, BLOCK_SECTOR, IDE_TASK_ANSWER);
    else
        ide_finish(ide);
}
