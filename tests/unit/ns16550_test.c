/* The 16550A: every register, the interrupt priorities, FIFOs, timeout, loopback. */
#include "devices/chips/ns16550.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/chip_fixture.h"

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

struct line {
    struct chardev chardev;
    char sent[512];
    size_t count;
    unsigned ready;
};

static struct bus bus;
static struct vclock vclock;
static struct wire irq;
static struct line line;
static struct ns16550 uart;

static void line_send(struct chardev *chardev, const uint8_t *bytes, size_t count)
{
    struct line *l = (struct line *)chardev;
    cr_assert_leq(l->count + count, sizeof(l->sent));
    memcpy(l->sent + l->count, bytes, count);
    l->count += count;
}

static void line_ready(struct chardev *chardev)
{
    ((struct line *)chardev)->ready++;
}

static void feed(const char *bytes)
{
    line.chardev.receive(line.chardev.device, (const uint8_t *)bytes, strlen(bytes));
}

static size_t room(void)
{
    return line.chardev.can_receive(line.chardev.device);
}

static void setup(void)
{
    vclock_init(&vclock, NULL, NULL);
    line.chardev.send = line_send;
    line.chardev.ready = line_ready;
    struct ns16550_config config = {.clock = &vclock, .irq = wire_line(&irq), .chardev = &line.chardev};
    cr_assert_eq(ns16550_init(&uart, &config), 0);
    bus_init(&bus, "ports");
    map(&bus, 0, 8, &ns16550_ops, &uart);
}

static void teardown(void)
{
    ns16550_class.destroy(&uart);
    bus_destroy(&bus);
}

TestSuite(ns16550, .init = setup, .fini = teardown);

Test(ns16550, wants_a_clock)
{
    struct ns16550 other;
    cr_assert_eq(ns16550_init(&other, &(struct ns16550_config){0}), -EINVAL);
}

Test(ns16550, reset_values)
{
    for (unsigned pass = 0; pass < 2; pass++) {
        cr_assert_eq(in8(&bus, IER), 0);
        cr_assert_eq(in8(&bus, IIR), 1);
        cr_assert_eq(in8(&bus, LCR), 0);
        cr_assert_eq(in8(&bus, MCR), 0);
        cr_assert_eq(in8(&bus, LSR), 0x60);
        cr_assert_eq(in8(&bus, MSR), 0xb0);
        cr_assert_eq(in8(&bus, DATA), 0);
        cr_assert_not(irq.level);
        out8(&bus, SCR, 0x77);
        out8(&bus, IER, 0x0f);
        out8(&bus, IIR, 0xc1);
        out8(&bus, LCR, 0x1f);
        out8(&bus, MCR, 0x1f);
        out8(&bus, MCR, 0x0f);
        ns16550_class.reset(&uart);
    }
    cr_assert_eq(in8(&bus, SCR), 0x77, "reset does not touch it");
}

Test(ns16550, read_write_masks)
{
    for (unsigned v = 0; v < 256; v++) {
        out8(&bus, IER, (uint8_t)v);
        cr_assert_eq(in8(&bus, IER), v & 0x0f);
        out8(&bus, MCR, (uint8_t)v);
        cr_assert_eq(in8(&bus, MCR), v & 0x1f);
        out8(&bus, SCR, (uint8_t)v);
        cr_assert_eq(in8(&bus, SCR), v);
        out8(&bus, LCR, (uint8_t)v);
        cr_assert_eq(in8(&bus, LCR), v);
        out8(&bus, LCR, 0);
    }
    out8(&bus, MCR, 0);
    in8(&bus, MSR);
    out8(&bus, LSR, 0xff);
    out8(&bus, MSR, 0xff);
    cr_assert_eq(in8(&bus, LSR), 0x60);
    cr_assert_eq(in8(&bus, MSR), 0xb0);
}

Test(ns16550, divisor_latch)
{
    out8(&bus, LCR, 0x80);
    cr_assert_eq(in8(&bus, DATA), 12);
    cr_assert_eq(in8(&bus, IER), 0);
    out8(&bus, DATA, 0x34);
    out8(&bus, IER, 0x12);
    cr_assert_eq(in8(&bus, DATA), 0x34);
    cr_assert_eq(in8(&bus, IER), 0x12);
    out8(&bus, LCR, 0);
    cr_assert_eq(in8(&bus, IER), 0);
    cr_assert_eq(line.count, 0);
    out8(&bus, IER, 0x05);
    out8(&bus, LCR, 0x80);
    cr_assert_eq(in8(&bus, IER), 0x12);
}

Test(ns16550, transmit)
{
    out8(&bus, LCR, 3);
    out8(&bus, DATA, 'o');
    out8(&bus, DATA, 'k');
    cr_assert_eq(line.count, 2);
    cr_assert_eq(memcmp(line.sent, "ok", 2), 0);
    cr_assert_eq(in8(&bus, LSR), 0x60);
}

Test(ns16550, word_length_masks_data)
{
    for (unsigned bits = 5; bits <= 8; bits++) {
        line.count = 0;
        out8(&bus, LCR, (uint8_t)(bits - 5));
        out8(&bus, DATA, 0xff);
        cr_assert_eq((uint8_t)line.sent[0], 0xff >> (8 - bits));
        feed("\xff");
        cr_assert_eq(in8(&bus, DATA), 0xff >> (8 - bits));
    }
}

Test(ns16550, thre_interrupt)
{
    out8(&bus, IER, 2);
    cr_assert(irq.level, "enabling it while empty raises it");
    cr_assert_eq(in8(&bus, IIR), 0x02);
    cr_assert_not(irq.level, "reading IIR as the source clears it");
    cr_assert_eq(in8(&bus, IIR), 0x01);
    out8(&bus, IER, 2);
    cr_assert_not(irq.level, "enabled already");
    out8(&bus, DATA, 'x');
    cr_assert(irq.level);
    unsigned rises = irq.rises;
    out8(&bus, DATA, 'y');
    cr_assert_eq(irq.rises, rises + 1, "a write takes it back for an instant");
    out8(&bus, IER, 0);
    cr_assert_not(irq.level);
    in8(&bus, IIR);
    out8(&bus, IER, 2);
    cr_assert(irq.level);
}

Test(ns16550, iir_read_for_another_source_keeps_thre)
{
    out8(&bus, IER, 3);
    feed("a");
    cr_assert_eq(in8(&bus, IIR), 0x04);
    in8(&bus, DATA);
    cr_assert_eq(in8(&bus, IIR), 0x02);
}

Test(ns16550, interrupt_priorities)
{
    out8(&bus, LCR, 3);
    out8(&bus, IER, 0x0f);
    ns16550_set_modem(&uart, 0);
    feed("ab"); /* character mode: overrun */
    cr_assert_eq(in8(&bus, IIR), 0x06);
    cr_assert_eq(in8(&bus, LSR), 0x63);
    cr_assert_eq(in8(&bus, IIR), 0x04);
    cr_assert_eq(in8(&bus, DATA), 'b');
    cr_assert_eq(in8(&bus, IIR), 0x02);
    cr_assert_eq(in8(&bus, IIR), 0x00);
    cr_assert(irq.level);
    cr_assert_eq(in8(&bus, MSR), 0x0b);
    cr_assert_eq(in8(&bus, IIR), 0x01);
    cr_assert_not(irq.level);
}

Test(ns16550, each_enable_gates_its_source)
{
    for (unsigned bit = 0; bit < 4; bit++) {
        ns16550_class.reset(&uart);
        ns16550_set_modem(&uart, bit & 1 ? 0x10 : 0x20);
        feed("ab");
        out8(&bus, DATA, 'x');
        cr_assert_not(irq.level);
        out8(&bus, IER, (uint8_t)(1 << bit));
        cr_assert(irq.level);
        cr_assert_eq(in8(&bus, IIR), ((const uint8_t[]){4, 2, 6, 0})[bit]);
    }
}

Test(ns16550, character_mode_holds_one)
{
    out8(&bus, LCR, 3);
    cr_assert_eq(room(), 1);
    feed("a");
    cr_assert_eq(room(), 0);
    cr_assert_eq(in8(&bus, LSR), 0x61);
    cr_assert_eq(in8(&bus, DATA), 'a');
    cr_assert_eq(line.ready, 1);
    cr_assert_eq(in8(&bus, LSR), 0x60);
    cr_assert_eq(in8(&bus, DATA), 'a', "the buffer keeps its last byte");
}

Test(ns16550, fifo_bits_and_control)
{
    out8(&bus, IIR, 0x01);
    cr_assert_eq(in8(&bus, IIR), 0xc1);
    out8(&bus, IIR, 0xc0);
    cr_assert_eq(in8(&bus, IIR), 0x01);
    cr_assert_eq(uart.fcr, 0, "nothing is programmed without the enable");
    out8(&bus, IIR, 0xff);
    cr_assert_eq(uart.fcr, 0xc9, "reset bits clear themselves");
}

Test(ns16550, fifo_order_and_overrun)
{
    out8(&bus, LCR, 3);
    out8(&bus, IIR, 0x01);
    cr_assert_eq(room(), 16);
    feed("0123456789abcdef");
    line.ready = 0;
    cr_assert_eq(room(), 0);
    cr_assert_eq(in8(&bus, LSR), 0x61);
    feed("X");
    cr_assert_eq(in8(&bus, LSR), 0x63);
    cr_assert_eq(in8(&bus, LSR), 0x61);
    for (unsigned i = 0; i < 16; i++) {
        cr_assert_eq(line.ready, 0);
        cr_assert_eq(in8(&bus, DATA), "0123456789abcdef"[i]);
    }
    cr_assert_eq(line.ready, 1, "asked for more when empty");
    cr_assert_eq(in8(&bus, LSR), 0x60);
}

Test(ns16550, fifo_resets)
{
    out8(&bus, IIR, 0x01);
    feed("abc");
    out8(&bus, IIR, 0x05);
    cr_assert_eq(uart.fifo_count, 3, "the transmitter's reset leaves the receiver");
    out8(&bus, IIR, 0x03);
    cr_assert_eq(in8(&bus, LSR), 0x60);
    feed("abc");
    out8(&bus, IIR, 0x00);
    cr_assert_eq(in8(&bus, LSR), 0x60, "changing the mode clears");
    feed("a");
    out8(&bus, IIR, 0x02);
    cr_assert_eq(in8(&bus, LSR), 0x61, "resets need the enable");
}

Test(ns16550, trigger_levels)
{
    static const uint8_t levels[] = {1, 4, 8, 14};
    out8(&bus, IER, 1);
    for (unsigned i = 0; i < 4; i++) {
        out8(&bus, IIR, (uint8_t)(i << 6 | 3));
        for (unsigned n = 1; n <= 16; n++) {
            feed("x");
            cr_assert_eq(irq.level, n >= levels[i]);
            cr_assert_eq(in8(&bus, IIR), n >= levels[i] ? 0xc4 : 0xc1);
        }
        for (unsigned n = 15; n; n--) {
            in8(&bus, DATA);
            cr_assert_eq(irq.level, n >= levels[i]);
        }
    }
}

Test(ns16550, character_timeout)
{
    /* 9600 baud 8N1: 10 bits each, four of them 4.1666 ms. */
    uint64_t four = 4 * (10 * 12 * NS_PER_SECOND / 115200);
    out8(&bus, LCR, 3);
    out8(&bus, IIR, 0xc1);
    out8(&bus, IER, 1);
    feed("ab");
    vclock_step(&vclock, four - 1);
    cr_assert_not(irq.level);
    feed("c"); /* restarts it */
    vclock_step(&vclock, four - 1);
    cr_assert_not(irq.level);
    vclock_step(&vclock, 1);
    cr_assert(irq.level);
    cr_assert_eq(in8(&bus, IIR), 0xcc);
    cr_assert_eq(in8(&bus, IIR), 0xcc, "IIR does not clear it");
    in8(&bus, DATA);
    cr_assert_not(irq.level);
    cr_assert_eq(in8(&bus, IIR), 0xc1);
    vclock_step(&vclock, four);
    cr_assert(irq.level, "again for what remains");
    in8(&bus, DATA);
    in8(&bus, DATA);
    cr_assert_eq(vclock_next_deadline(&vclock), VCLOCK_NEVER);
}

Test(ns16550, timeout_follows_the_line_settings)
{
    out8(&bus, IIR, 0xc1);
    out8(&bus, LCR, 0x80);
    out8(&bus, DATA, 1);
    out8(&bus, LCR, 0x0f); /* 8 bits, parity, 2 stop bits */
    feed("a");
    cr_assert_eq(vclock_next_deadline(&vclock), 4 * (12 * NS_PER_SECOND / 115200));
    out8(&bus, IIR, 0xc3);
    cr_assert_eq(vclock_next_deadline(&vclock), VCLOCK_NEVER);
    out8(&bus, IIR, 0);
    feed("a");
    cr_assert_eq(vclock_next_deadline(&vclock), VCLOCK_NEVER, "no timeout without FIFOs");
}

Test(ns16550, divisor_zero_is_harmless)
{
    out8(&bus, LCR, 0x83);
    out8(&bus, DATA, 0);
    out8(&bus, LCR, 3);
    out8(&bus, IIR, 1);
    feed("a");
    cr_assert_neq(vclock_next_deadline(&vclock), VCLOCK_NEVER);
}

Test(ns16550, break_arrives_with_its_character)
{
    out8(&bus, LCR, 3);
    out8(&bus, IIR, 1);
    out8(&bus, IER, 4);
    feed("a");
    ns16550_receive_break(&uart);
    feed("b");
    cr_assert_not(irq.level, "not on top yet");
    cr_assert_eq(in8(&bus, LSR), 0xe1);
    in8(&bus, DATA);
    cr_assert(irq.level);
    cr_assert_eq(in8(&bus, LSR), 0xf1);
    cr_assert_not(irq.level);
    cr_assert_eq(in8(&bus, LSR), 0x61);
    cr_assert_eq(in8(&bus, DATA), 0);
    cr_assert_eq(in8(&bus, DATA), 'b');
}

Test(ns16550, modem_status_deltas)
{
    in8(&bus, MSR);
    ns16550_set_modem(&uart, NS16550_CTS | NS16550_DSR);
    cr_assert_eq(in8(&bus, MSR), 0x38);
    cr_assert_eq(in8(&bus, MSR), 0x30);
    ns16550_set_modem(&uart, NS16550_RI);
    cr_assert_eq(in8(&bus, MSR), 0x43, "the ring's begin is no TERI");
    ns16550_set_modem(&uart, 0);
    cr_assert_eq(in8(&bus, MSR), 0x04);
}

Test(ns16550, loopback_modem_lines)
{
    static const struct {
        uint8_t mcr, msr;
    } lines[] = {{0x11, 0x20}, {0x12, 0x10}, {0x14, 0x40}, {0x18, 0x80}, {0x1a, 0x90}, {0x1f, 0xf0}, {0x10, 0}};
    for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
        out8(&bus, MCR, lines[i].mcr);
        cr_assert_eq(in8(&bus, MSR) & 0xf0, lines[i].msr);
    }
    ns16550_set_modem(&uart, 0xf0);
    cr_assert_eq(in8(&bus, MSR) & 0xf0, 0);
    out8(&bus, MCR, 0);
    cr_assert_eq(in8(&bus, MSR) & 0xf0, 0xf0);
}

Test(ns16550, loopback_data)
{
    out8(&bus, LCR, 3);
    out8(&bus, MCR, 0x10);
    out8(&bus, IIR, 1);
    cr_assert_eq(room(), 0, "the line is not read");
    for (unsigned i = 0; i < 256; i++)
        out8(&bus, DATA, (uint8_t)i);
    cr_assert_eq(line.count, 0);
    cr_assert_eq(in8(&bus, LSR), 0x63);
    for (unsigned i = 0; i < 16; i++)
        cr_assert_eq(in8(&bus, DATA), i);
    cr_assert_eq(in8(&bus, LSR), 0x60, "the FIFO holds 16");
    cr_assert_eq(line.ready, 0);
    out8(&bus, MCR, 0);
    cr_assert_eq(line.ready, 1);
}

Test(ns16550, out2_gates_the_interrupt_where_the_board_says_so)
{
    uart.config.out2_gates_irq = true;
    out8(&bus, IER, 2);
    cr_assert_not(irq.level);
    cr_assert_eq(in8(&bus, IIR), 0x02, "the chip itself asks");
    out8(&bus, MCR, 0x08);
    out8(&bus, DATA, 'x');
    cr_assert(irq.level);
    out8(&bus, MCR, 0x18);
    cr_assert_not(irq.level, "the pin is off in loopback");
}

Test(ns16550, works_unconnected)
{
    struct ns16550 bare;
    cr_assert_eq(ns16550_init(&bare, &(struct ns16550_config){.clock = &vclock}), 0);
    ns16550_ops.write(&bare, DATA, 'x', 1);
    cr_assert_eq(ns16550_ops.read(&bare, LSR, 1), 0x60);
    ns16550_ops.read(&bare, DATA, 1);
    ns16550_class.destroy(&bare);
}

Test(ns16550, destroy_lets_the_line_go)
{
    ns16550_class.destroy(&uart);
    cr_assert_null(line.chardev.receive);
    cr_assert_null(line.chardev.can_receive);
}

Test(ns16550, restore_arms_the_timeout)
{
    out8(&bus, IIR, 0xc1);
    feed("a");
    uint64_t deadline = vclock_next_deadline(&vclock);
    vtimer_cancel(&uart.timer);
    ns16550_class.restored(&uart);
    cr_assert_eq(vclock_next_deadline(&vclock), deadline);
}
