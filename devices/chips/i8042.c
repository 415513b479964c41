/*
 * The 8042 keyboard controller. See i8042.h.
 *
 * The output buffer holds one byte. fill_output() puts the next one in when it is empty: the controller's own answers
 * first, then the keyboard's, then the mouse's bytes, each only while its port is enabled.
 *
 * Invariants: the irq lines follow from the status and the command byte; a device is asked for bytes only while the
 * output buffer is empty; nothing is lost while the guest does not read, except answers beyond the eighth.
 *
 * Thread: whoever holds the machine lock.
 * Source: IBM PC AT Technical Reference, "Keyboard controller"; IBM PS/2 Hardware Interface Technical Reference,
 * "Keyboard and auxiliary device controller"; scan code set translation as in its "Keyboard scan codes".
 *
 * Choices: commands take effect at once, so the input buffer is never full; the lock switch is open; writing to a
 * disabled port enables it, as on the PS/2; DDh and DFh (A20 off, on) as on later controllers.
 */
#include "devices/chips/i8042.h"

#include <string.h>

#include "cpu-model/base/log.h"

enum {
    STATUS_OBF = 0x01,
    STATUS_SYSTEM = 0x04,
    STATUS_COMMAND = 0x08, /* the last write went to port 64h */
    STATUS_UNLOCKED = 0x10,
    STATUS_AUX = 0x20, /* the byte is the mouse's */
    STATUS_TIMEOUT = 0x40,

    CTR_KEYBOARD_INT = 0x01,
    CTR_MOUSE_INT = 0x02,
    CTR_SYSTEM = 0x04,
    CTR_KEYBOARD_OFF = 0x10,
    CTR_MOUSE_OFF = 0x20,
    CTR_TRANSLATE = 0x40,
    CTR_MASK = 0x7f,

    P2_NOT_RESET = 0x01,
    P2_A20 = 0x02,
    P2_KEYBOARD_FULL = 0x10,
    P2_MOUSE_FULL = 0x20,
    P2_IDLE = 0xc0, /* keyboard clock and data high */

    INPUT_PORT = 0xa0, /* P1: lock open, no manufacturing jumper */
    NO_ANSWER = 0xfe,  /* what the controller says for a silent device */
    SELF_TEST_OK = 0x55,
    PORT_TEST_OK = 0x00,
    NO_PASSWORD = 0xf1,
    BREAK_PREFIX = 0xf0,
    BREAK_BIT = 0x80,
};

enum command {
    CMD_READ_RAM = 0x20,  /* to 3Fh; 20h: command byte */
    CMD_WRITE_RAM = 0x60, /* to 7Fh; 60h: command byte */
    CMD_TEST_PASSWORD = 0xa4,
    CMD_MOUSE_OFF = 0xa7,
    CMD_MOUSE_ON = 0xa8,
    CMD_TEST_MOUSE = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_TEST_KEYBOARD = 0xab,
    CMD_KEYBOARD_OFF = 0xad,
    CMD_KEYBOARD_ON = 0xae,
    CMD_READ_INPUT = 0xc0,
    CMD_READ_OUTPUT = 0xd0,
    CMD_WRITE_OUTPUT = 0xd1,
    CMD_FAKE_KEYBOARD = 0xd2,
    CMD_FAKE_MOUSE = 0xd3,
    CMD_TO_MOUSE = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_READ_TESTS = 0xe0,
    CMD_PULSE = 0xf0, /* to FFh: bits 0-3 that are 0 go low for 6 us */
};

/* Scan code set 2 to set 1, as the controller's ROM has it; codes above 84h pass unchanged. */
static const uint8_t set2_to_set1[] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40, 0x3e, 0x0f, 0x29, 0x59, /* 00 */
    0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a, 0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, /* 10 */
    0x67, 0x2e, 0x2d, 0x20, 0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d, /* 20 */
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24, 0x16, 0x08, 0x09, 0x5f, /* 30 */
    0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60, 0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, /* 40 */
    0x6d, 0x73, 0x28, 0x74, 0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76, /* 50 */
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b, 0x47, 0x7e, 0x7f, 0x6f, /* 60 */
    0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45, 0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54, /* 70 */
    0x80, 0x81, 0x82, 0x41, 0x54,                                                                   /* 80 */
};

static uint8_t *ctr(struct i8042 *kbc)
{
    return &kbc->ram[0];
}

static void update_irq(struct i8042 *kbc)
{
    bool full = kbc->status & STATUS_OBF, aux = kbc->status & STATUS_AUX;
    irq_set(&kbc->config.keyboard_irq, full && !aux && (*ctr(kbc) & CTR_KEYBOARD_INT));
    irq_set(&kbc->config.mouse_irq, full && aux && (*ctr(kbc) & CTR_MOUSE_INT));
}

static void set_output(struct i8042 *kbc, uint8_t byte, uint8_t status)
{
    kbc->output = byte;
    kbc->status = (kbc->status & ~(STATUS_AUX | STATUS_TIMEOUT)) | STATUS_OBF | status;
}

/* A keyboard byte on its way to the host. Returns false if it is a prefix that translation keeps to itself. */
static bool translate(struct i8042 *kbc, uint8_t *byte)
{
    if (!(*ctr(kbc) & CTR_TRANSLATE))
        return true;
    if (*byte == BREAK_PREFIX) {
        kbc->break_prefix = 1;
        return false;
    }
    if (*byte < sizeof(set2_to_set1))
        *byte = set2_to_set1[*byte];
    if (kbc->break_prefix)
        *byte |= BREAK_BIT;
    kbc->break_prefix = 0;
    return true;
}

static bool has_bytes(const struct i8042 *kbc, enum i8042_port port)
{
    uint8_t off = port == I8042_KEYBOARD ? CTR_KEYBOARD_OFF : CTR_MOUSE_OFF;
    return kbc->device[port] && kbc->device[port]->queue_count && !(kbc->ram[0] & off);
}

/* Puts the next byte into the output buffer if it is empty, and sets the lines. */
static void fill_output(struct i8042 *kbc)
{
    while (!(kbc->status & STATUS_OBF)) {
        if (kbc->reply_count) {
            unsigned i = kbc->reply_first % I8042_REPLY_BYTES;
            kbc->reply_first = (uint8_t)((i + 1) % I8042_REPLY_BYTES);
            kbc->reply_count--;
            set_output(kbc, kbc->reply[i], kbc->reply_status[i]);
        } else if (has_bytes(kbc, I8042_KEYBOARD)) {
            uint8_t byte = ps2_take(kbc->device[I8042_KEYBOARD]);
            if (translate(kbc, &byte))
                set_output(kbc, byte, 0);
        } else if (has_bytes(kbc, I8042_MOUSE)) {
            set_output(kbc, ps2_take(kbc->device[I8042_MOUSE]), STATUS_AUX);
        } else {
            break;
        }
    }
    update_irq(kbc);
}

static void device_queued(void *controller)
{
    fill_output(controller);
}

static void reply(struct i8042 *kbc, uint8_t byte, uint8_t status)
{
    if (kbc->reply_count == I8042_REPLY_BYTES) {
        log_line(LOG_GUEST, "i8042: the guest does not read its answers; %#x is lost", byte);
        return;
    }
    unsigned i = (kbc->reply_first + kbc->reply_count++) % I8042_REPLY_BYTES;
    kbc->reply[i] = byte;
    kbc->reply_status[i] = status;
}

static void send_to_device(struct i8042 *kbc, enum i8042_port port, uint8_t byte)
{
    struct ps2_device *device = kbc->device[port];
    *ctr(kbc) &= port == I8042_KEYBOARD ? ~CTR_KEYBOARD_OFF : ~CTR_MOUSE_OFF;
    if (device)
        device->receive(device, byte);
    else
        reply(kbc, NO_ANSWER, STATUS_TIMEOUT | (port == I8042_MOUSE ? STATUS_AUX : 0));
}

/* May come back into reset: nothing may be done to kbc after it. */
static void write_output_port(struct i8042 *kbc, uint8_t value)
{
    kbc->output_port = value & (P2_NOT_RESET | P2_A20);
    irq_set(&kbc->config.a20, value & P2_A20);
    if (!(value & P2_NOT_RESET) && kbc->config.request_reset)
        kbc->config.request_reset(kbc->config.context);
}

static uint8_t read_output_port(const struct i8042 *kbc)
{
    uint8_t full = 0;
    if (kbc->status & STATUS_OBF)
        full = kbc->status & STATUS_AUX ? P2_MOUSE_FULL : P2_KEYBOARD_FULL;
    return P2_IDLE | full | kbc->output_port;
}

static void write_ram(struct i8042 *kbc, unsigned index, uint8_t value)
{
    kbc->ram[index] = index ? value : value & CTR_MASK;
}

/* The byte at port 60h that `command` waited for. */
static void write_parameter(struct i8042 *kbc, uint8_t command, uint8_t value)
{
    switch (command) {
    case CMD_WRITE_OUTPUT:
        write_output_port(kbc, value);
        break;
    case CMD_FAKE_KEYBOARD:
        reply(kbc, value, 0);
        break;
    case CMD_FAKE_MOUSE:
        reply(kbc, value, STATUS_AUX);
        break;
    case CMD_TO_MOUSE:
        send_to_device(kbc, I8042_MOUSE, value);
        break;
    default:
        write_ram(kbc, command & (I8042_RAM_BYTES - 1), value);
        break;
    }
}

static void write_command(struct i8042 *kbc, uint8_t command)
{
    kbc->pending_command = 0;
    switch (command) {
    case CMD_READ_RAM ... CMD_READ_RAM + I8042_RAM_BYTES - 1:
        reply(kbc, kbc->ram[command & (I8042_RAM_BYTES - 1)], 0);
        break;
    case CMD_WRITE_RAM ... CMD_WRITE_RAM + I8042_RAM_BYTES - 1:
    case CMD_WRITE_OUTPUT ... CMD_TO_MOUSE:
        kbc->pending_command = command;
        break;
    case CMD_TEST_PASSWORD:
        reply(kbc, NO_PASSWORD, 0);
        break;
    case CMD_MOUSE_OFF:
        *ctr(kbc) |= CTR_MOUSE_OFF;
        break;
    case CMD_MOUSE_ON:
        *ctr(kbc) &= ~CTR_MOUSE_OFF;
        break;
    case CMD_SELF_TEST:
        *ctr(kbc) |= CTR_SYSTEM;
        reply(kbc, SELF_TEST_OK, 0);
        break;
    case CMD_TEST_KEYBOARD:
    case CMD_TEST_MOUSE:
        reply(kbc, PORT_TEST_OK, 0);
        break;
    case CMD_KEYBOARD_OFF:
        *ctr(kbc) |= CTR_KEYBOARD_OFF;
        break;
    case CMD_KEYBOARD_ON:
        *ctr(kbc) &= ~CTR_KEYBOARD_OFF;
        break;
    case CMD_READ_INPUT:
        reply(kbc, INPUT_PORT, 0);
        break;
    case CMD_READ_OUTPUT:
        reply(kbc, read_output_port(kbc), 0);
        break;
    case CMD_A20_OFF:
    case CMD_A20_ON:
        write_output_port(kbc, P2_NOT_RESET | (command == CMD_A20_ON ? P2_A20 : 0));
        break;
    case CMD_READ_TESTS: /* T0, T1: the clock lines, low while a port is disabled */
        reply(kbc, (*ctr(kbc) & CTR_KEYBOARD_OFF ? 0 : 1) | (*ctr(kbc) & CTR_MOUSE_OFF ? 0 : 2), 0);
        break;
    case CMD_PULSE ... 0xff:
        if (!(command & P2_NOT_RESET) && kbc->config.request_reset)
            kbc->config.request_reset(kbc->config.context);
        break;
    default:
        log_line(LOG_GUEST, "i8042: unknown command %#x", command);
        break;
    }
}

static uint64_t data_read(void *device, uint64_t offset, unsigned size)
{
    struct i8042 *kbc = device;
    uint8_t value = kbc->output;
    (void)offset, (void)size;
    kbc->status &= ~(STATUS_OBF | STATUS_AUX | STATUS_TIMEOUT);
    update_irq(kbc); /* the line falls between two bytes */
    fill_output(kbc);
    return value;
}

static void data_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8042 *kbc = device;
    uint8_t command = kbc->pending_command;
    (void)offset, (void)size;
    kbc->pending_command = 0;
    kbc->status &= ~STATUS_COMMAND;
    if (command)
        write_parameter(kbc, command, (uint8_t)value);
    else
        send_to_device(kbc, I8042_KEYBOARD, (uint8_t)value);
    fill_output(kbc);
}

static uint64_t status_read(void *device, uint64_t offset, unsigned size)
{
    struct i8042 *kbc = device;
    (void)offset, (void)size;
    return kbc->status | STATUS_UNLOCKED | (*ctr(kbc) & CTR_SYSTEM ? STATUS_SYSTEM : 0);
}

static void command_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct i8042 *kbc = device;
    (void)offset, (void)size;
    kbc->status |= STATUS_COMMAND;
    write_command(kbc, (uint8_t)value);
    fill_output(kbc);
}

const struct bus_ops i8042_data_ops = {.read = data_read, .write = data_write, .widths = 1};
const struct bus_ops i8042_command_ops = {.read = status_read, .write = command_write, .widths = 1};

static void i8042_reset(void *device)
{
    struct i8042 *kbc = device;
    memset(kbc->ram, 0, sizeof(kbc->ram));
    *ctr(kbc) = CTR_KEYBOARD_OFF | CTR_MOUSE_OFF | CTR_TRANSLATE;
    kbc->status = 0;
    kbc->output = 0;
    kbc->output_port = P2_NOT_RESET | P2_A20;
    kbc->pending_command = 0;
    kbc->break_prefix = 0;
    kbc->reply_first = kbc->reply_count = 0;
    irq_set(&kbc->config.a20, true);
    update_irq(kbc);
}

static void i8042_restored(void *device)
{
    struct i8042 *kbc = device;
    if (kbc->reply_count > I8042_REPLY_BYTES)
        kbc->reply_count = 0;
    irq_set(&kbc->config.a20, kbc->output_port & P2_A20);
    update_irq(kbc);
}

static const struct field fields[] = {
    FIELD_ARRAY(struct i8042, ram),       FIELD(struct i8042, status),
    FIELD(struct i8042, output),          FIELD(struct i8042, output_port),
    FIELD(struct i8042, pending_command), FIELD(struct i8042, break_prefix),
    FIELD_ARRAY(struct i8042, reply),     FIELD_ARRAY(struct i8042, reply_status),
    FIELD(struct i8042, reply_first),     FIELD(struct i8042, reply_count),
};

const struct device_class i8042_class = {
    .name = "i8042",
    .version = 1,
    .reset = i8042_reset,
    .restored = i8042_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int i8042_init(struct i8042 *kbc, const struct i8042_config *config)
{
    *kbc = (struct i8042){.config = *config};
    i8042_reset(kbc);
    return 0;
}

void i8042_attach(struct i8042 *kbc, enum i8042_port port, struct ps2_device *device)
{
    if (kbc->device[port]) {
        kbc->device[port]->queued = NULL;
        kbc->device[port]->controller = NULL;
    }
    kbc->device[port] = device;
    if (device) {
        device->queued = device_queued;
        device->controller = kbc;
    }
    fill_output(kbc);
}

void i8042_firmware_setup(struct i8042 *kbc)
{
    *ctr(kbc) = CTR_TRANSLATE | CTR_SYSTEM | CTR_KEYBOARD_INT;
    fill_output(kbc);
}
