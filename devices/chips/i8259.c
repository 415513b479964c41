/*
 * Two cascaded 8259A interrupt controllers. See i8259.h.
 *
 * Invariants: IRR holds, for a level-triggered input, its level; for an edge-triggered one, a transition that was not
 * acknowledged and whose line is still high. The slave's output is the master's input 2. Everything else follows from
 * the registers: request() is a pure function of them, and update() carries its result to the wires.
 *
 * Thread: whoever holds the machine lock.
 * Source: Intel 8259A datasheet, "Interrupt sequence", "Initialization command words", "Operation command words";
 * Intel 82371AB (PIIX4) datasheet, "ELCR1, ELCR2 - edge/level control registers".
 *
 * Choices where the datasheet is silent: ICW1 also clears ISR; poll without a request reads 0; a cascade input whose
 * slave does not answer to its identity leaves the data bus floating (vector FFh). The 8085 mode (ICW4 bit 0 clear) and
 * buffered mode have no effect on a PC.
 */
#include "devices/chips/i8259.h"

enum {
    /* Command port writes */
    ICW1_SELECT = 0x10,
    ICW1_IC4 = 0x01,
    ICW1_SNGL = 0x02,
    ICW1_LTIM = 0x08,
    OCW3_SELECT = 0x08,
    OCW3_RIS = 0x01,
    OCW3_RR = 0x02,
    OCW3_POLL = 0x04,
    OCW3_SMM = 0x20,
    OCW3_ESMM = 0x40,
    OCW2_LEVEL = 0x07,

    ICW4_AEOI = 0x02,
    ICW4_SFNM = 0x10,

    CASCADE = 2,             /* the master's input where the slave is */
    SPURIOUS = 7,            /* what an acknowledge without a request gives */
    FLOATING = 0xff,         /* nobody drives the data bus */
    POLL_REQUEST = 0x80,     /* poll byte: there is a request */
    ELCR_MASTER_MASK = 0xf8, /* inputs 0, 1, 2 (timer, keyboard, cascade) are edge-triggered for ever */
    ELCR_SLAVE_MASK = 0xde,  /* so are 8 (RTC) and 13 (FERR) */
};

enum ocw2_command {
    OCW2_ROTATE_AEOI_CLEAR,
    OCW2_EOI,
    OCW2_NOP,
    OCW2_EOI_SPECIFIC,
    OCW2_ROTATE_AEOI_SET,
    OCW2_ROTATE_EOI,
    OCW2_SET_PRIORITY,
    OCW2_ROTATE_EOI_SPECIFIC,
};

static uint8_t level_mask(const struct i8259_chip *chip)
{
    return chip->icw1 & ICW1_LTIM ? 0xff : chip->elcr;
}

/* The input with the highest priority among `inputs`, as its rank: 0 is highest, 8 means none. */
static unsigned best_rank(const struct i8259_chip *chip, uint8_t inputs)
{
    unsigned rank = 0;
    while (rank < 8 && !(inputs >> ((chip->lowest + 1 + rank) & 7) & 1))
        rank++;
    return rank;
}

static unsigned input_at(const struct i8259_chip *chip, unsigned rank)
{
    return (chip->lowest + 1 + rank) & 7;
}

/* The input this chip asks to serve now, or -1. */
static int request(const struct i8259_chip *chip)
{
    unsigned wanted = best_rank(chip, chip->irr & ~chip->imr);
    if (wanted == 8)
        return -1;
    /* Special mask mode: an input in service that is masked holds nobody back. */
    unsigned serving = best_rank(chip, chip->special_mask ? chip->isr & ~chip->imr : chip->isr);
    /* Special fully nested mode: a slave in service may ask again; the master does not know its inner priorities. */
    bool again = wanted == serving && (chip->icw4 & ICW4_SFNM) && !chip->is_slave;
    again = again && (chip->icw3 >> input_at(chip, wanted) & 1);
    return wanted < serving || again ? (int)input_at(chip, wanted) : -1;
}

static void set_lines(struct i8259_chip *chip, unsigned input, bool level)
{
    uint8_t bit = 1u << input;
    bool rose = level && !(chip->lines & bit);
    chip->lines = level ? chip->lines | bit : chip->lines & ~bit;
    if (rose)
        chip->irr |= bit;
    else if (!level)
        chip->irr &= ~bit;
}

bool i8259_intr(const struct i8259 *pic)
{
    return request(&pic->master) >= 0;
}

static void update(struct i8259 *pic)
{
    set_lines(&pic->master, CASCADE, request(&pic->slave) >= 0);
    irq_set(&pic->config.intr, i8259_intr(pic));
}

static void i8259_set_input(void *sink, unsigned input, bool level)
{
    struct i8259 *pic = sink;
    if (input >= 16 || input == CASCADE)
        return;
    set_lines(input < 8 ? &pic->master : &pic->slave, input & 7, level);
    update(pic);
}

struct irq_line i8259_input(struct i8259 *pic, unsigned input)
{
    return (struct irq_line){.set = i8259_set_input, .sink = pic, .input = input};
}

static void end_of_interrupt(struct i8259_chip *chip, unsigned input, bool rotate)
{
    chip->isr &= ~(1u << input);
    if (rotate)
        chip->lowest = input;
}

/* The chip's half of an acknowledge cycle. Returns the input now in service, or -1 if there was no request. */
static int acknowledge(struct i8259_chip *chip)
{
    int input = request(chip);
    if (input < 0)
        return -1;
    uint8_t bit = 1u << input;
    chip->isr |= bit;
    if (!(level_mask(chip) & bit))
        chip->irr &= ~bit;
    if (chip->icw4 & ICW4_AEOI)
        end_of_interrupt(chip, (unsigned)input, chip->rotate_on_aeoi);
    return input;
}

/* The same for the slave, whose output falls during the cycle: what it asks next is a new edge for the master. */
static int acknowledge_slave(struct i8259 *pic)
{
    int input = acknowledge(&pic->slave);
    set_lines(&pic->master, CASCADE, false);
    return input;
}

int i8259_input_vector(const struct i8259 *pic, unsigned input)
{
    const struct i8259_chip *chip = input < 8 ? &pic->master : &pic->slave;

    return chip->imr >> (input & 7) & 1 ? -1 : chip->base + (int)(input & 7);
}

int i8259_acknowledge(struct i8259 *pic)
{
    struct i8259_chip *master = &pic->master, *slave = &pic->slave;
    int input = acknowledge(master);
    int vector = master->base + (input < 0 ? SPURIOUS : input);
    bool cascaded = input >= 0 && !(master->icw1 & ICW1_SNGL) && (master->icw3 >> input & 1);
    if (cascaded && slave->icw3 == input && input == CASCADE) {
        input = acknowledge_slave(pic);
        vector = slave->base + (input < 0 ? SPURIOUS : input);
    } else if (cascaded) {
        vector = FLOATING;
    }
    update(pic);
    return vector;
}

static void write_icw1(struct i8259_chip *chip, uint8_t value)
{
    chip->icw1 = value & (ICW1_IC4 | ICW1_SNGL | ICW1_LTIM);
    chip->imr = 0;
    chip->isr = 0;
    chip->irr = chip->lines & level_mask(chip); /* edge inputs must make a new transition */
    chip->lowest = 7;
    chip->special_mask = 0;
    chip->rotate_on_aeoi = 0;
    chip->read_isr = 0;
    chip->poll = 0;
    if (!(value & ICW1_IC4))
        chip->icw4 = 0;
    chip->init_step = 2;
}

static void write_ocw2(struct i8259_chip *chip, uint8_t value)
{
    unsigned level = value & OCW2_LEVEL;
    /* A non-specific EOI does not see what special mask mode hides. */
    unsigned rank = best_rank(chip, chip->special_mask ? chip->isr & ~chip->imr : chip->isr);

    switch ((enum ocw2_command)(value >> 5)) {
    case OCW2_ROTATE_AEOI_CLEAR:
    case OCW2_ROTATE_AEOI_SET:
        chip->rotate_on_aeoi = value >> 7;
        break;
    case OCW2_EOI:
    case OCW2_ROTATE_EOI:
        if (rank < 8)
            end_of_interrupt(chip, input_at(chip, rank), value >> 7);
        break;
    case OCW2_EOI_SPECIFIC:
    case OCW2_ROTATE_EOI_SPECIFIC:
        end_of_interrupt(chip, level, value >> 7);
        break;
    case OCW2_SET_PRIORITY:
        chip->lowest = level;
        break;
    case OCW2_NOP:
        break;
    }
}

static void write_ocw3(struct i8259_chip *chip, uint8_t value)
{
    if (value & OCW3_POLL)
        chip->poll = 1;
    if (value & OCW3_RR)
        chip->read_isr = value & OCW3_RIS;
    if (value & OCW3_ESMM)
        chip->special_mask = !!(value & OCW3_SMM);
}

static void write_data(struct i8259_chip *chip, uint8_t value)
{
    switch (chip->init_step) {
    case 2:
        chip->base = value & 0xf8;
        if (!(chip->icw1 & ICW1_SNGL))
            chip->init_step = 3;
        else
            chip->init_step = chip->icw1 & ICW1_IC4 ? 4 : 0;
        break;
    case 3:
        chip->icw3 = chip->is_slave ? value & 7 : value;
        chip->init_step = chip->icw1 & ICW1_IC4 ? 4 : 0;
        break;
    case 4:
        chip->icw4 = value;
        chip->init_step = 0;
        break;
    default:
        chip->imr = value;
        break;
    }
}

static void chip_write(struct i8259 *pic, struct i8259_chip *chip, uint64_t offset, uint8_t value)
{
    if (offset == 1)
        write_data(chip, value);
    else if (value & ICW1_SELECT)
        write_icw1(chip, value);
    else if (value & OCW3_SELECT)
        write_ocw3(chip, value);
    else
        write_ocw2(chip, value);
    update(pic);
}

static uint8_t chip_read(struct i8259 *pic, struct i8259_chip *chip, uint64_t offset)
{
    if (chip->poll) {
        chip->poll = 0;
        int input = chip->is_slave ? acknowledge_slave(pic) : acknowledge(chip);
        update(pic);
        return input < 0 ? 0 : (uint8_t)(POLL_REQUEST | input);
    }
    if (offset == 1)
        return chip->imr;
    return chip->read_isr ? chip->isr : chip->irr;
}

static uint64_t master_read(void *device, uint64_t offset, unsigned size)
{
    struct i8259 *pic = device;
    (void)size;
    return chip_read(pic, &pic->master, offset);
}

static void master_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8259 *pic = device;
    (void)size;
    chip_write(pic, &pic->master, offset, (uint8_t)value);
}

static uint64_t slave_read(void *device, uint64_t offset, unsigned size)
{
    struct i8259 *pic = device;
    (void)size;
    return chip_read(pic, &pic->slave, offset);
}

static void slave_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8259 *pic = device;
    (void)size;
    chip_write(pic, &pic->slave, offset, (uint8_t)value);
}

static uint64_t elcr_read(void *device, uint64_t offset, unsigned size)
{
    struct i8259 *pic = device;
    (void)size;
    return offset ? pic->slave.elcr : pic->master.elcr;
}

static void elcr_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8259 *pic = device;
    struct i8259_chip *chip = offset ? &pic->slave : &pic->master;
    (void)size;
    chip->elcr = value & (offset ? ELCR_SLAVE_MASK : ELCR_MASTER_MASK);
    /* A line that is high and now level-triggered asks; one that became edge-triggered keeps what it asked. */
    chip->irr |= chip->lines & level_mask(chip);
    update(pic);
}

const struct bus_ops i8259_master_ops = {.read = master_read, .write = master_write, .widths = 1};
const struct bus_ops i8259_slave_ops = {.read = slave_read, .write = slave_write, .widths = 1};
const struct bus_ops i8259_elcr_ops = {.read = elcr_read, .write = elcr_write, .widths = 1};

/* Power-on: the input levels are the outside world's and stay. */
static void reset_chip(struct i8259_chip *chip, uint8_t icw3)
{
    *chip = (struct i8259_chip){.is_slave = chip->is_slave, .lines = chip->lines, .lowest = 7, .icw3 = icw3};
}

static void i8259_reset(void *device)
{
    struct i8259 *pic = device;
    reset_chip(&pic->master, 1u << CASCADE);
    reset_chip(&pic->slave, CASCADE);
    pic->master.lines &= ~(1u << CASCADE);
    update(pic);
}

static void i8259_restored(void *device)
{
    struct i8259 *pic = device;
    pic->master.lowest &= 7;
    pic->slave.lowest &= 7;
    irq_set(&pic->config.intr, i8259_intr(pic));
}

#define CHIP_FIELDS(chip)                                                                                              \
    FIELD(struct i8259, chip.irr), FIELD(struct i8259, chip.imr), FIELD(struct i8259, chip.isr),                       \
        FIELD(struct i8259, chip.lines), FIELD(struct i8259, chip.elcr), FIELD(struct i8259, chip.lowest),             \
        FIELD(struct i8259, chip.icw1), FIELD(struct i8259, chip.base), FIELD(struct i8259, chip.icw3),                \
        FIELD(struct i8259, chip.icw4), FIELD(struct i8259, chip.init_step), FIELD(struct i8259, chip.read_isr),       \
        FIELD(struct i8259, chip.poll), FIELD(struct i8259, chip.special_mask),                                        \
        FIELD(struct i8259, chip.rotate_on_aeoi)

static const struct field fields[] = {CHIP_FIELDS(master), CHIP_FIELDS(slave)};

const struct device_class i8259_class = {
    .name = "i8259",
    .version = 1,
    .reset = i8259_reset,
    .restored = i8259_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int i8259_init(struct i8259 *pic, const struct i8259_config *config)
{
    *pic = (struct i8259){.config = *config, .slave.is_slave = true};
    i8259_reset(pic);
    return 0;
}
