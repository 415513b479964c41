/* The VGA's registers and memory, its DISPI registers and BARs, without a CPU. */
#include "tests/unit/vga_fixture.h"

Test(vga, registers_have_masks_and_indices)
{
    struct vga_lab lab;
    lab_init(&lab);
    set(&lab, 0x3c4, 1, 0xff);
    cr_assert_eq(get(&lab, 0x3c4, 1), 0x3d);
    set(&lab, 0x3ce, 4, 0xff);
    cr_assert_eq(get(&lab, 0x3ce, 4), 0x03);
    set(&lab, 0x3ce, 8, 0xa5);
    cr_assert_eq(get(&lab, 0x3ce, 8), 0xa5);
    set(&lab, 0x3ce, 9, 0xa5); /* no such register */
    cr_assert_eq(get(&lab, 0x3ce, 9), 0);
    out8(&lab.io, 0x3c6, 0x12);
    cr_assert_eq(in8(&lab.io, 0x3c6), 0x12);
    vga_class.reset(&lab.vga);
    cr_assert_eq(in8(&lab.io, 0x3c6), 0xff);
    cr_assert_eq(get(&lab, 0x3ce, 8), 0);
    lab_destroy(&lab);
}

Test(vga, crtc_ports_follow_the_miscellaneous_register)
{
    struct vga_lab lab;
    lab_init(&lab);
    set(&lab, 0x3b4, 0x0f, 0x5a);
    cr_assert_eq(get(&lab, 0x3b4, 0x0f), 0x5a);
    cr_assert_eq(in8(&lab.io, 0x3d5), 0xff);
    out8(&lab.io, 0x3c2, 1);
    cr_assert_eq(in8(&lab.io, 0x3cc), 1);
    cr_assert_eq(get(&lab, 0x3d4, 0x0f), 0x5a);
    cr_assert_eq(in8(&lab.io, 0x3b5), 0xff);
    out8(&lab.io, 0x3da, 3);
    cr_assert_eq(in8(&lab.io, 0x3ca), 3);
    lab_destroy(&lab);
}

Test(vga, crtc_registers_0_to_7_can_be_protected)
{
    struct vga_lab lab;
    lab_init(&lab);
    out8(&lab.io, 0x3c2, 1);
    set(&lab, 0x3d4, 0x00, 0x11);
    set(&lab, 0x3d4, 0x11, 0x80);
    set(&lab, 0x3d4, 0x00, 0x22);
    set(&lab, 0x3d4, 0x07, 0xff);
    cr_assert_eq(get(&lab, 0x3d4, 0x00), 0x11);
    cr_assert_eq(get(&lab, 0x3d4, 0x07), 0x10); /* line compare's bit 8 */
    set(&lab, 0x3d4, 0x08, 0x1f);
    cr_assert_eq(get(&lab, 0x3d4, 0x08), 0x1f);
    set(&lab, 0x3d4, 0x11, 0x00);
    set(&lab, 0x3d4, 0x00, 0x22);
    cr_assert_eq(get(&lab, 0x3d4, 0x00), 0x22);
    lab_destroy(&lab);
}

Test(vga, attribute_port_alternates)
{
    struct vga_lab lab;
    lab_init(&lab);
    out8(&lab.io, 0x3c2, 1);
    set_attr(&lab, 0x05, 0xff);
    in8(&lab.io, 0x3da);
    out8(&lab.io, 0x3c0, 0x05 | 0x20);
    cr_assert_eq(in8(&lab.io, 0x3c1), 0x3f);
    cr_assert_eq(in8(&lab.io, 0x3c0), 0x25);
    cr_assert_eq(get(&lab, 0x3d4, 0x24), 0x80);
    in8(&lab.io, 0x3da);
    cr_assert_eq(get(&lab, 0x3d4, 0x24), 0);
    lab_destroy(&lab);
}

Test(vga, dac_counts_and_has_6_or_8_bits)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_dac(&lab, 7, 0xff, 0x40, 0x01);
    out8(&lab.io, 0x3c9, 9); /* goes on with entry 8 */
    out8(&lab.io, 0x3c7, 7);
    cr_assert_eq(in8(&lab.io, 0x3c7), 3);
    cr_assert_eq(in8(&lab.io, 0x3c9), 0x3f);
    cr_assert_eq(in8(&lab.io, 0x3c9), 0x00);
    cr_assert_eq(in8(&lab.io, 0x3c9), 0x01);
    cr_assert_eq(in8(&lab.io, 0x3c9), 0x00); /* entry 8 has not had its third component */
    out8(&lab.io, 0x3c8, 0);
    cr_assert_eq(in8(&lab.io, 0x3c7), 0);
    set_dispi(&lab, 4, 0x20);
    set_dac(&lab, 7, 0xff, 0x40, 0x01);
    out8(&lab.io, 0x3c7, 7);
    cr_assert_eq(in8(&lab.io, 0x3c9), 0xff);
    cr_assert_eq(in8(&lab.io, 0x3c9), 0x40);
    lab_destroy(&lab);
}

Test(vga, retrace_toggles_with_virtual_time)
{
    struct vga_lab lab;
    unsigned rises = 0, hidden = 0, samples = 10000;
    uint8_t last = 0;
    lab_init(&lab);
    set_mode(&lab, &mode_03);
    for (unsigned i = 0; i < samples; i++) {
        uint8_t now = in8(&lab.io, 0x3da);
        rises += now & 8 && !(last & 8);
        hidden += now & 1;
        last = now;
        vclock_step(&lab.clock, 10000); /* 100 ms in all */
    }
    cr_assert(rises == 7, "%u frames in 100 ms of a 70 Hz mode", rises);
    cr_assert(hidden > samples / 5 && hidden < samples / 2, "%u", hidden);
    lab_destroy(&lab);
}

Test(vga_memory, write_modes)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_mode(&lab, &mode_12);
    uint8_t *unit = lab.vga.memory + 4 * 0x100;
    const uint64_t at = 0xa0100;

    set(&lab, 0x3c4, 2, 0x05); /* mode 0, planes 0 and 2 */
    poke(&lab, at, 0x81);
    cr_assert_eq(memcmp(unit, "\x81\x00\x81\x00", 4), 0);
    set(&lab, 0x3c4, 2, 0x0f);
    set(&lab, 0x3ce, 3, 4); /* rotated by 4 */
    set(&lab, 0x3ce, 0, 0x08);
    set(&lab, 0x3ce, 1, 0x0c); /* plane 2 is reset, plane 3 set */
    poke(&lab, at, 0x12);
    cr_assert_eq(memcmp(unit, "\x21\x21\x00\xff", 4), 0);

    set(&lab, 0x3ce, 1, 0);
    set(&lab, 0x3ce, 3, 0x18); /* XOR, only the low four bits */
    set(&lab, 0x3ce, 8, 0x0f);
    cr_assert_eq(peek(&lab, at), 0x21);
    poke(&lab, at, 0xff);
    cr_assert_eq(memcmp(unit, "\x2e\x2e\x0f\xf0", 4), 0);

    set(&lab, 0x3ce, 3, 0);
    set(&lab, 0x3ce, 8, 0xff);
    set(&lab, 0x3ce, 5, 1); /* mode 1 copies latches */
    peek(&lab, at);
    poke(&lab, at + 1, 0);
    cr_assert_eq(memcmp(unit + 4, "\x2e\x2e\x0f\xf0", 4), 0);

    set(&lab, 0x3ce, 5, 2); /* mode 2: a colour, under the bit mask */
    set(&lab, 0x3ce, 8, 0xf0);
    peek(&lab, at);
    poke(&lab, at, 0x05);
    cr_assert_eq(memcmp(unit, "\xfe\x0e\xff\x00", 4), 0);

    set(&lab, 0x3ce, 5, 3); /* mode 3: set/reset under data and bit mask */
    set(&lab, 0x3ce, 0, 0x02);
    peek(&lab, at);
    poke(&lab, at, 0xc3);
    cr_assert_eq(memcmp(unit, "\x3e\xce\x3f\x00", 4), 0);
    lab_destroy(&lab);
}

Test(vga_memory, read_modes)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_mode(&lab, &mode_12);
    memcpy(lab.vga.memory, "\x0f\x33\x55\xff", 4);
    for (uint8_t plane = 0; plane < 4; plane++) {
        set(&lab, 0x3ce, 4, plane);
        cr_assert_eq(peek(&lab, 0xa0000), lab.vga.memory[plane]);
    }
    set(&lab, 0x3ce, 5, 8);
    set(&lab, 0x3ce, 2, 0x09); /* colour 9 ... */
    cr_assert_eq(peek(&lab, 0xa0000), 0x08);
    set(&lab, 0x3ce, 7, 0x08); /* ... of plane 3 only */
    cr_assert_eq(peek(&lab, 0xa0000), 0xff);
    lab_destroy(&lab);
}

Test(vga_memory, odd_and_even_addresses_and_windows)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_mode(&lab, &mode_03);
    bus_write(&lab.mmio, 0xb8000, 0x1f41, 2);
    cr_assert_eq(lab.vga.memory[0], 0x41);
    cr_assert_eq(lab.vga.memory[1], 0x1f);
    cr_assert_eq(bus_read(&lab.mmio, 0xb8000, 2), 0x1f41);
    poke(&lab, 0xa0000, 0x55); /* not this window */
    cr_assert_eq(peek(&lab, 0xa0000), 0xff);
    cr_assert_eq(peek(&lab, 0xb0000), 0xff);
    out8(&lab.io, 0x3c2, 0x65); /* RAM disabled */
    cr_assert_eq(peek(&lab, 0xb8000), 0xff);
    lab_destroy(&lab);
}

Test(vga_memory, chained_modes_are_mapped_directly)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_mode(&lab, &mode_12);
    cr_assert_null(space_host(&lab.space, gpa(0xa0000)));
    set_mode(&lab, &mode_13);
    cr_assert_eq(space_host(&lab.space, gpa(0xa1234)), lab.vga.memory + 0x1234);
    cr_assert_null(space_host(&lab.space, gpa(0xb0000)));
    set(&lab, 0x3ce, 8, 0x7f); /* a bit mask is in the way; what was written is found the long way too */
    cr_assert_null(space_host(&lab.space, gpa(0xa0000)));
    lab.vga.memory[0x1235] = 0x77;
    cr_assert_eq(peek(&lab, 0xa1235), 0x77);
    set(&lab, 0x3ce, 8, 0xff);
    set(&lab, 0x3c4, 4, 6); /* mode X */
    set(&lab, 0x3c4, 2, 2);
    poke(&lab, 0xa0010, 0x66);
    cr_assert_eq(lab.vga.memory[0x41], 0x66);
    vga_class.reset(&lab.vga);
    cr_assert_null(space_host(&lab.space, gpa(0xa0000)));
    lab_destroy(&lab);
}

Test(vga_dispi, identifies_itself_and_tells_its_limits)
{
    struct vga_lab lab;
    lab_init(&lab);
    cr_assert_eq(get_dispi(&lab, 0), 0xb0c5);
    set_dispi(&lab, 0, 0xb0c2);
    cr_assert_eq(get_dispi(&lab, 0), 0xb0c2);
    set_dispi(&lab, 0, 0x1234);
    cr_assert_eq(get_dispi(&lab, 0), 0xb0c2);
    cr_assert_eq(get_dispi(&lab, 10), 256);
    set_dispi(&lab, 4, 2);
    cr_assert_geq(get_dispi(&lab, 1), 1920);
    cr_assert_geq(get_dispi(&lab, 2), 1080);
    cr_assert_eq(get_dispi(&lab, 3), 32);
    cr_assert_eq(get_dispi(&lab, 99), 0);
    lab_destroy(&lab);
}

static void dispi_mode(struct vga_lab *lab, uint16_t width, uint16_t height, uint16_t bpp)
{
    set_dispi(lab, 4, 0);
    set_dispi(lab, 1, width);
    set_dispi(lab, 2, height);
    set_dispi(lab, 3, bpp);
    set_dispi(lab, 4, 0x41);
    in8(&lab->io, 0x3da);
    out8(&lab->io, 0x3c0, 0x20);
}

Test(vga_dispi, virtual_size_and_offsets_are_fitted)
{
    struct vga_lab lab;
    lab_init(&lab);
    out8(&lab.io, 0x3c2, 3);
    lab.vga.memory[100] = 1;
    dispi_mode(&lab, 1024, 768, 32);
    cr_assert_eq(lab.vga.memory[100], 0);
    cr_assert_eq(get_dispi(&lab, 6), 1024);
    cr_assert_eq(get_dispi(&lab, 7), 4096);
    set_dispi(&lab, 6, 2048);
    cr_assert_eq(get_dispi(&lab, 6), 2048);
    cr_assert_eq(get_dispi(&lab, 7), 2048);
    set_dispi(&lab, 8, 5000);
    set_dispi(&lab, 9, 5000);
    cr_assert_eq(get_dispi(&lab, 8), 1024);
    cr_assert_eq(get_dispi(&lab, 9), 1280);
    set_dispi(&lab, 4, 0);
    lab.vga.memory[100] = 1;
    set_dispi(&lab, 4, 0x81); /* not cleared */
    cr_assert_eq(lab.vga.memory[100], 1);
    dispi_mode(&lab, 4096, 4096, 32); /* more than there is memory for */
    cr_assert_eq(get_dispi(&lab, 2), 1024);
    dispi_mode(&lab, 0, 0, 24);
    cr_assert_eq(get_dispi(&lab, 1), 8);
    cr_assert_eq(get_dispi(&lab, 2), 1);
    look(&lab, NULL);
    lab_destroy(&lab);
}

Test(vga_dispi, banks_move_the_window)
{
    struct vga_lab lab;
    lab_init(&lab);
    set_mode(&lab, &mode_13);
    dispi_mode(&lab, 640, 480, 8);
    set_dispi(&lab, 5, 3);
    cr_assert_eq(space_host(&lab.space, gpa(0xa0000)), lab.vga.memory + 0x30000);
    set(&lab, 0x3ce, 3, 0x18);
    cr_assert_eq(peek(&lab, 0xa0000), 0);
    poke(&lab, 0xa0005, 0x42);
    cr_assert_eq(lab.vga.memory[0x30005], 0x42);
    lab_destroy(&lab);
}

Test(vga_pci, bars_are_as_documented)
{
    struct vga_lab lab;
    struct pci_bus bus;
    struct error err;
    lab_init(&lab);
    pci_bus_init(&bus, &lab.io, &lab.mmio);
    cr_assert_eq(pci_plug(&bus, PCI_DEVFN(2, 0), &lab.vga.pci, &err), 0, "%s", err.text);
    cr_assert_eq(pci_config_read(&bus, PCI_DEVFN(2, 0), 0, 4), 0x11111234);
    cr_assert_eq(pci_config_read(&bus, PCI_DEVFN(2, 0), 8, 4), 0x03000002);
    pci_config_write(&bus, PCI_DEVFN(2, 0), 0x10, 0xffffffff, 4);
    cr_assert_eq(pci_config_read(&bus, PCI_DEVFN(2, 0), 0x10, 4), 0xff000008);
    pci_config_write(&bus, PCI_DEVFN(2, 0), 0x10, 0xfd000000, 4);
    pci_config_write(&bus, PCI_DEVFN(2, 0), 0x18, 0xfebf0000, 4);
    pci_config_write(&bus, PCI_DEVFN(2, 0), 4, 2, 2);
    cr_assert_eq(space_host(&lab.space, gpa(0xfd000123)), lab.vga.memory + 0x123);
    bus_write(&lab.mmio, 0xfebf0506, 32, 2);
    cr_assert_eq(get_dispi(&lab, 3), 32);
    cr_assert_eq(bus_read(&lab.mmio, 0xfebf0500, 2), 0xb0c5);
    bus_write(&lab.mmio, 0xfebf0402, 1, 1);
    cr_assert_eq(in8(&lab.io, 0x3cc), 1);
    cr_assert_eq(bus_read(&lab.mmio, 0xfebf0604, 4), 0x1e1e1e1e);
    uint8_t sum = 0;
    for (unsigned i = 0; i < 128; i++)
        sum += (uint8_t)bus_read(&lab.mmio, 0xfebf0000 + i, 1);
    cr_assert_eq(sum, 0, "EDID's checksum");
    cr_assert_eq(bus_read(&lab.mmio, 0xfebf0000, 4), 0xffffff00);
    cr_assert_eq(bus_read(&lab.mmio, 0xfebf0012, 2), 0x0401, "EDID 1.4");
    unsigned width = (unsigned)(bus_read(&lab.mmio, 0xfebf0038, 1) | (bus_read(&lab.mmio, 0xfebf003a, 1) & 0xf0) << 4);
    unsigned height = (unsigned)(bus_read(&lab.mmio, 0xfebf003b, 1) | (bus_read(&lab.mmio, 0xfebf003d, 1) & 0xf0) << 4);
    cr_assert_eq(width, 1024, "the native mode");
    cr_assert_eq(height, 768);
    cr_assert_eq(bus_read(&lab.mmio, 0xfebf0026, 2), 0xc0d1, "1920x1080");
    cr_assert_eq(bus_read(&lab.mmio, 0xfebf0080, 4), 0);
    pci_config_write(&bus, PCI_DEVFN(2, 0), 4, 0, 2);
    cr_assert_null(space_host(&lab.space, gpa(0xfd000123)));
    lab_destroy(&lab);
}

Test(vga_pci, registers_need_not_be_in_memory)
{
    struct vclock clock;
    struct space space;
    struct bus io, mmio;
    struct pci_bus bus;
    struct vga vga;
    struct error err;
    vclock_init(&clock, NULL, NULL);
    bus_init(&io, "ports");
    bus_init(&mmio, "memory");
    cr_assert_eq(space_init(&space, 18 << 20, &err), 0, "%s", err.text);
    cr_assert_eq(vga_init(&vga, &(struct vga_config){.clock = &clock, .space = &space}, &err), 0, "%s", err.text);
    pci_bus_init(&bus, &io, &mmio);
    cr_assert_eq(pci_plug(&bus, PCI_DEVFN(2, 0), &vga.pci, &err), 0, "%s", err.text);
    pci_config_write(&bus, PCI_DEVFN(2, 0), 0x18, 0xffffffff, 4);
    cr_assert_eq(pci_config_read(&bus, PCI_DEVFN(2, 0), 0x18, 4), 0);
    vga_class.destroy(&vga);
    bus_destroy(&io);
    bus_destroy(&mmio);
    space_destroy(&space);
}

/* Any port, any value, any width; what is drawn then is nonsense, and nothing breaks. */
Test(vga, survives_nonsense)
{
    static const uint16_t ports[] = {0x3c0, 0x3c2, 0x3c4, 0x3ce, 0x3d4, 0x3b4, 0x1ce, 0x1cf, 0x3c8};
    struct vga_lab lab;
    uint64_t random = 1;
    char text[64];
    lab_init(&lab);
    for (unsigned i = 0; i < 60000; i++) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        uint32_t r = (uint32_t)(random >> 32);
        uint16_t value = (uint16_t)(r >> 16);
        if (r % 4 == 0)
            value = (uint16_t)((value & 0xff00) | (value & 0xf));
        bus_write(&lab.io, ports[(r >> 4) % 9], value, 1u << (r >> 2 & 1));
        bus_write(&lab.mmio, VGA_WINDOW + (r >> 3) % VGA_WINDOW_SIZE, random, 1u << (r >> 8 & 3));
        bus_read(&lab.mmio, VGA_WINDOW + (r >> 5) % VGA_WINDOW_SIZE, 1u << (r >> 10 & 3));
        in8(&lab.io, (r & 1) ? 0x3da : 0x3ba);
        if (i % 200 == 0) {
            out8(&lab.io, 0x3c2, 0x63);
            in8(&lab.io, 0x3da);
            out8(&lab.io, 0x3c0, 0x20);
            vclock_step(&lab.clock, 100000000);
            look(&lab, NULL);
            display_read_text(&lab.vga.display, text, sizeof(text), NULL);
        }
    }
    lab_destroy(&lab);
}
