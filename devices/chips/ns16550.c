/*
 * The 16550A serial port. See ns16550.h.
 *
 * Invariants: LSR's DR says that the FIFO is not empty; its PE, FE and BI are those of the character on top, latched
 * until LSR is read; iir() is a pure function of state. Without FIFOs the receiver buffer is the FIFO with one place.
 *
 * Thread: whoever holds the machine lock.
 * Source: National Semiconductor PC16550D datasheet, "Registers", "FIFO interrupt mode operation", "FIFO polled mode
 * operation", "Reset configuration".
 *
 * Choices: baud generator input 1.8432 MHz; a divisor of 0 counts as 65536. DMA mode (FCR bit 3) reaches no pin of
 * ours. A break that the guest sends has nowhere to go. In loopback the line is not read: the back end keeps its bytes.
 */
#include "devices/chips/ns16550.h"

#include <errno.h>

enum {
    REG_DATA, /* RBR read, THR write; DLL with DLAB */
    REG_IER,  /* DLM with DLAB */
    REG_IIR,  /* read; FCR write */
    REG_LCR,
    REG_MCR,
    REG_LSR,
    REG_MSR,
    REG_SCR,
};

enum {
    IER_RECEIVED = 0x01,
    IER_THRE = 0x02,
    IER_LINE = 0x04,
    IER_MODEM = 0x08,
    IER_MASK = 0x0f,

    IIR_NONE = 0x01,
    IIR_MODEM = 0x00,
    IIR_THRE = 0x02,
    IIR_RECEIVED = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,

    FCR_ENABLE = 0x01,
    FCR_RESET_RX = 0x02,
    FCR_RESET_TX = 0x04, /* no effect: the transmitter FIFO is always empty */
    FCR_DMA = 0x08,
    FCR_TRIGGER_SHIFT = 6,

    LCR_BITS = 0x03,
    LCR_STOP = 0x04,
    LCR_PARITY = 0x08,
    LCR_DLAB = 0x80,

    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_MASK = 0x1f,

    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_PE = 0x04,
    LSR_FE = 0x08,
    LSR_BI = 0x10,
    LSR_ERRORS = LSR_PE | LSR_FE | LSR_BI, /* of a character */
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_FIFO_ERROR = 0x80,

    MSR_DELTAS = 0x0f,
    MSR_TERI = 0x04,
    MSR_INPUTS = 0xf0,

    BAUD_BASE = 115200, /* the baud rate of divisor 1 */
    RESET_DIVISOR = 12, /* 9600 baud; the datasheet leaves it open */
    TIMEOUT_CHARACTERS = 4,
};

static bool fifos_on(const struct ns16550 *uart)
{
    return uart->fcr & FCR_ENABLE;
}

static unsigned capacity(const struct ns16550 *uart)
{
    return fifos_on(uart) ? NS16550_FIFO_BYTES : 1;
}

static unsigned trigger_level(const struct ns16550 *uart)
{
    static const uint8_t levels[] = {1, 4, 8, 14};
    return fifos_on(uart) ? levels[uart->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* The interrupt of the highest priority, without the FIFO bits. */
static uint8_t iir(const struct ns16550 *uart)
{
    if ((uart->ier & IER_LINE) && (uart->lsr & (LSR_OE | LSR_ERRORS)))
        return IIR_LINE;
    if ((uart->ier & IER_RECEIVED) && uart->fifo_count >= trigger_level(uart))
        return IIR_RECEIVED;
    if ((uart->ier & IER_RECEIVED) && uart->timeout_pending)
        return IIR_TIMEOUT;
    if ((uart->ier & IER_THRE) && uart->thre_pending)
        return IIR_THRE;
    if ((uart->ier & IER_MODEM) && (uart->msr & MSR_DELTAS))
        return IIR_MODEM;
    return IIR_NONE;
}

static void update_irq(struct ns16550 *uart)
{
    /* In loopback the OUT2 pin is off whatever MCR says. */
    bool gate = !uart->config.out2_gates_irq || (uart->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
    irq_set(&uart->config.irq, gate && iir(uart) != IIR_NONE);
}

static uint64_t character_ns(const struct ns16550 *uart)
{
    unsigned bits = 1 + 5 + (uart->lcr & LCR_BITS) + !!(uart->lcr & LCR_PARITY) + 1 + !!(uart->lcr & LCR_STOP);
    uint64_t divisor = uart->divisor ? uart->divisor : 65536;
    return bits * divisor * NS_PER_SECOND / BAUD_BASE;
}

/* The timeout counts from the last character received or read, while any waits. */
static void restart_timeout(struct ns16550 *uart)
{
    bool wanted = fifos_on(uart) && uart->fifo_count;
    uart->timeout_at = wanted ? vclock_now(uart->config.clock) + TIMEOUT_CHARACTERS * character_ns(uart) : VCLOCK_NEVER;
    vtimer_arm(&uart->timer, uart->timeout_at);
}

static void timer_fired(void *device)
{
    struct ns16550 *uart = device;
    uart->timeout_at = VCLOCK_NEVER;
    uart->timeout_pending = 1;
    update_irq(uart);
}

/* DR, the errors of the character that has come to the top, and the summary of those behind it. */
static void show_top(struct ns16550 *uart)
{
    uart->lsr &= ~(LSR_DR | LSR_FIFO_ERROR);
    if (!uart->fifo_count)
        return;
    uart->lsr |= LSR_DR | uart->fifo_errors[uart->fifo_first];
    for (unsigned i = 0; fifos_on(uart) && i < uart->fifo_count; i++)
        if (uart->fifo_errors[(uart->fifo_first + i) % NS16550_FIFO_BYTES])
            uart->lsr |= LSR_FIFO_ERROR;
}

static void receive_character(struct ns16550 *uart, uint8_t byte, uint8_t errors)
{
    byte &= 0xff >> (3 - (uart->lcr & LCR_BITS));
    if (uart->fifo_count == capacity(uart)) {
        uart->lsr |= LSR_OE;
        if (fifos_on(uart))
            return; /* it stays in the shift register and is lost */
        uart->fifo_count = 0;
    }
    unsigned place = (uart->fifo_first + uart->fifo_count++) % NS16550_FIFO_BYTES;
    uart->fifo[place] = byte;
    uart->fifo_errors[place] = errors;
    if (uart->fifo_count == 1)
        uart->last_received = byte;
    show_top(uart);
    restart_timeout(uart);
}

static size_t can_receive(void *device)
{
    struct ns16550 *uart = device;
    return uart->mcr & MCR_LOOP ? 0 : capacity(uart) - uart->fifo_count;
}

static void receive(void *device, const uint8_t *bytes, size_t count)
{
    struct ns16550 *uart = device;
    for (size_t i = 0; i < count; i++)
        receive_character(uart, bytes[i], 0);
    update_irq(uart);
}

void ns16550_receive_break(struct ns16550 *uart)
{
    if (!(uart->mcr & MCR_LOOP))
        receive_character(uart, 0, LSR_BI);
    update_irq(uart);
}

/* May bring bytes in before it returns. */
static void ask_for_input(struct ns16550 *uart)
{
    struct chardev *chardev = uart->config.chardev;
    if (chardev && chardev->ready && can_receive(uart))
        chardev->ready(chardev);
}

static void clear_receiver(struct ns16550 *uart)
{
    uart->fifo_first = uart->fifo_count = 0;
    uart->timeout_pending = 0;
    uart->lsr &= ~LSR_ERRORS;
    show_top(uart);
    restart_timeout(uart);
}

static uint8_t read_data(struct ns16550 *uart)
{
    if (!uart->fifo_count)
        return uart->last_received;
    uint8_t byte = uart->fifo[uart->fifo_first];
    /* Errors the guest did not look at go with their character; overrun stays until LSR is read. */
    uart->lsr &= ~LSR_ERRORS;
    uart->fifo_first = (uart->fifo_first + 1) % NS16550_FIFO_BYTES;
    uart->fifo_count--;
    uart->last_received = byte;
    uart->timeout_pending = 0;
    show_top(uart);
    restart_timeout(uart);
    update_irq(uart);
    if (!uart->fifo_count)
        ask_for_input(uart);
    return byte;
}

static void write_data(struct ns16550 *uart, uint8_t value)
{
    uint8_t byte = value & (0xff >> (3 - (uart->lcr & LCR_BITS)));
    /* Full for an instant: the interrupt falls, and rises again when the byte has left. */
    uart->thre_pending = 0;
    update_irq(uart);
    if (uart->mcr & MCR_LOOP)
        receive_character(uart, byte, 0);
    else
        chardev_send(uart->config.chardev, &byte, 1);
    uart->thre_pending = 1;
    update_irq(uart);
}

static void write_ier(struct ns16550 *uart, uint8_t value)
{
    /* Enabling it while the transmitter is empty raises it. */
    if ((value & IER_THRE) && !(uart->ier & IER_THRE))
        uart->thre_pending = 1;
    uart->ier = value & IER_MASK;
}

static void write_fcr(struct ns16550 *uart, uint8_t value)
{
    bool toggled = (value ^ uart->fcr) & FCR_ENABLE;
    if (!(value & FCR_ENABLE))
        uart->fcr = 0; /* the other bits are not programmed without it */
    else
        uart->fcr = value & (FCR_ENABLE | FCR_DMA | 3 << FCR_TRIGGER_SHIFT);
    if (toggled || ((value & FCR_ENABLE) && (value & FCR_RESET_RX)))
        clear_receiver(uart);
}

/* The modem status the chip sees: from outside, or in loopback from its own outputs. */
static uint8_t modem_lines(const struct ns16550 *uart)
{
    if (!(uart->mcr & MCR_LOOP))
        return uart->modem_inputs;
    return (uart->mcr & MCR_RTS ? NS16550_CTS : 0) | (uart->mcr & MCR_DTR ? NS16550_DSR : 0) |
           (uart->mcr & MCR_OUT1 ? NS16550_RI : 0) | (uart->mcr & MCR_OUT2 ? NS16550_DCD : 0);
}

static void update_modem(struct ns16550 *uart)
{
    uint8_t lines = modem_lines(uart), changed = lines ^ (uart->msr & MSR_INPUTS);
    uint8_t deltas = changed >> 4;
    if (lines & NS16550_RI) /* only the ring's end counts */
        deltas &= ~MSR_TERI;
    uart->msr = lines | (uart->msr & MSR_DELTAS) | deltas;
}

void ns16550_set_modem(struct ns16550 *uart, uint8_t inputs)
{
    uart->modem_inputs = inputs & MSR_INPUTS;
    update_modem(uart);
    update_irq(uart);
}

static uint8_t read_iir(struct ns16550 *uart)
{
    uint8_t value = iir(uart);
    if (value == IIR_THRE) {
        uart->thre_pending = 0;
        update_irq(uart);
    }
    return value | (fifos_on(uart) ? IIR_FIFOS : 0);
}

static uint8_t read_lsr(struct ns16550 *uart)
{
    uint8_t value = uart->lsr;
    uart->lsr &= ~(LSR_OE | LSR_ERRORS);
    if (uart->fifo_count)
        uart->fifo_errors[uart->fifo_first] = 0; /* seen */
    show_top(uart);
    update_irq(uart);
    return value;
}

static uint64_t ns16550_read(void *device, uint64_t offset, unsigned size)
{
    struct ns16550 *uart = device;
    uint8_t value;
    (void)size;
    switch (offset) {
    case REG_DATA:
        return uart->lcr & LCR_DLAB ? (uint8_t)uart->divisor : read_data(uart);
    case REG_IER:
        return uart->lcr & LCR_DLAB ? uart->divisor >> 8 : uart->ier;
    case REG_IIR:
        return read_iir(uart);
    case REG_LCR:
        return uart->lcr;
    case REG_MCR:
        return uart->mcr;
    case REG_LSR:
        return read_lsr(uart);
    case REG_MSR:
        value = uart->msr;
        uart->msr &= ~MSR_DELTAS;
        update_irq(uart);
        return value;
    default:
        return uart->scr;
    }
}

static void ns16550_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct ns16550 *uart = device;
    uint8_t byte = (uint8_t)value, old_mcr = uart->mcr, old_fcr = uart->fcr;
    (void)size;
    switch (offset) {
    case REG_DATA:
        if (!(uart->lcr & LCR_DLAB))
            write_data(uart, byte);
        else
            uart->divisor = (uart->divisor & 0xff00) | byte;
        break;
    case REG_IER:
        if (!(uart->lcr & LCR_DLAB))
            write_ier(uart, byte);
        else
            uart->divisor = (uint16_t)((uart->divisor & 0xff) | byte << 8);
        break;
    case REG_IIR:
        write_fcr(uart, byte);
        break;
    case REG_LCR:
        uart->lcr = byte;
        break;
    case REG_MCR:
        uart->mcr = byte & MCR_MASK;
        update_modem(uart);
        break;
    case REG_SCR:
        uart->scr = byte;
        break;
    default:
        break; /* LSR and MSR: factory tests only */
    }
    update_irq(uart);
    /* Leaving loopback or emptying the receiver makes room. */
    if ((old_mcr & MCR_LOOP & ~uart->mcr) || (offset == REG_IIR && (byte & FCR_RESET_RX)) ||
        (old_fcr ^ uart->fcr) & FCR_ENABLE)
        ask_for_input(uart);
}

const struct bus_ops ns16550_ops = {.read = ns16550_read, .write = ns16550_write, .widths = 1};

/* The MR pin. SCR and the divisor are not changed by it. */
static void ns16550_reset(void *device)
{
    struct ns16550 *uart = device;
    uart->ier = uart->fcr = uart->lcr = uart->mcr = 0;
    uart->lsr = LSR_THRE | LSR_TEMT;
    uart->msr = modem_lines(uart);
    uart->thre_pending = 0;
    clear_receiver(uart);
    update_irq(uart);
}

static void ns16550_destroy(void *device)
{
    struct ns16550 *uart = device;
    struct chardev *chardev = uart->config.chardev;
    vtimer_cancel(&uart->timer);
    if (chardev && chardev->device == uart) {
        chardev->can_receive = NULL;
        chardev->receive = NULL;
        chardev->device = NULL;
    }
}

static void ns16550_restored(void *device)
{
    struct ns16550 *uart = device;
    uart->fifo_first %= NS16550_FIFO_BYTES;
    if (uart->fifo_count > capacity(uart))
        uart->fifo_count = (uint8_t)capacity(uart);
    vtimer_arm(&uart->timer, uart->timeout_at);
    update_irq(uart);
}

static const struct field fields[] = {
    FIELD(struct ns16550, ier),          FIELD(struct ns16550, fcr),
    FIELD(struct ns16550, lcr),          FIELD(struct ns16550, mcr),
    FIELD(struct ns16550, lsr),          FIELD(struct ns16550, msr),
    FIELD(struct ns16550, scr),          FIELD(struct ns16550, divisor),
    FIELD(struct ns16550, thre_pending), FIELD(struct ns16550, timeout_pending),
    FIELD(struct ns16550, modem_inputs), FIELD(struct ns16550, last_received),
    FIELD_ARRAY(struct ns16550, fifo),   FIELD_ARRAY(struct ns16550, fifo_errors),
    FIELD(struct ns16550, fifo_first),   FIELD(struct ns16550, fifo_count),
    FIELD(struct ns16550, timeout_at),
};

const struct device_class ns16550_class = {
    .name = "ns16550",
    .version = 1,
    .reset = ns16550_reset,
    .destroy = ns16550_destroy,
    .restored = ns16550_restored,
    .fields = fields,
    .field_count = ARRAY_LEN(fields),
};

int ns16550_init(struct ns16550 *uart, const struct ns16550_config *config)
{
    if (!config->clock)
        return -EINVAL;
    *uart = (struct ns16550){
        .config = *config,
        .divisor = RESET_DIVISOR,
        .modem_inputs = NS16550_CTS | NS16550_DSR | NS16550_DCD,
        .timeout_at = VCLOCK_NEVER,
    };
    vtimer_init(&uart->timer, config->clock, timer_fired, uart);
    ns16550_reset(uart);
    if (config->chardev) {
        config->chardev->device = uart;
        config->chardev->can_receive = can_receive;
        config->chardev->receive = receive;
    }
    return 0;
}
