/* Data accesses and fetches by the CPU model: page crossings, faults that name the right byte, MMIO, ROM, the door. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cpu-model/state/vector.h"
#include "softmmu/mmu.h"

enum { P = 1, RW = 2, US = 4, A = 0x20, D = 0x40 };
#define NX (1ull << 63)

/*
 * 4-level paging. The page table TABLE maps linear LINEAR + n * 4096 by its entry n; RAM is at 0-640 KiB and 1-16 MiB,
 * ROM at ROM, and devices are everywhere else.
 */
enum { PML4 = 0x10000, PDPT = 0x11000, PD = 0x12000, TABLE = 0x13000, ROM = 0xf0000, DEVICE = 0xb8000, RAM = 0x200000 };
#define LINEAR 0x7000400000ull

struct mmio_access {
    bool write;
    uint64_t gpa, value;
    unsigned size;
};

struct setup {
    struct space space;
    struct vcpu vcpu;
    struct vcpu_wires wires;
    struct mmio_access log[64];
    unsigned accesses, parked;
    uint64_t *table;
};

void vector_park(struct vcpu *vcpu)
{
    vcpu->vector_live = false;
}

/* Device memory reads as its own address bytes. */
static uint64_t device_read(void *machine, gpa_t at, unsigned size)
{
    struct setup *s = machine;
    cr_assert_not(s->vcpu.vector_live, "the machine is called with vector registers parked");
    s->log[s->accesses++] = (struct mmio_access){.gpa = at.v, .size = size};
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= ((at.v + i) & 0xff) << i * 8;
    return value;
}

static void device_write(void *machine, gpa_t at, uint64_t value, unsigned size)
{
    struct setup *s = machine;
    cr_assert_not(s->vcpu.vector_live);
    s->log[s->accesses++] = (struct mmio_access){.write = true, .gpa = at.v, .value = value, .size = size};
}

static void map_page(struct setup *s, unsigned page, uint64_t entry)
{
    s->table[page] = entry;
}

static struct setup *make_setup(void)
{
    struct setup *s = aligned_alloc(64, (sizeof(*s) + 63) & ~63ull);
    struct error err;
    memset(s, 0, sizeof(*s));
    cr_assert_eq(space_init(&s->space, 32 << 20, &err), 0, "%s", err.text);
    cr_assert_eq(space_add(&s->space, 0, 0xa0000, false, "low", NULL, &err), 0);
    cr_assert_eq(space_add(&s->space, ROM, 0x10000, true, "rom", NULL, &err), 0);
    cr_assert_eq(space_add(&s->space, 1 << 20, 15 << 20, false, "ram", NULL, &err), 0);
    s->wires = (struct vcpu_wires){.machine = s, .mmio_read = device_read, .mmio_write = device_write};
    struct vcpu *vcpu = &s->vcpu;
    vcpu->space = &s->space;
    vcpu->wires = &s->wires;
    vcpu->vector_live = true;
    vcpu->cr0 = CR0_PE | CR0_PG | CR0_WP;
    vcpu->cr4 = CR4_PAE;
    vcpu->efer = EFER_LME | EFER_LMA | EFER_NXE;
    vcpu->segment[SEG_CS].attributes = SEG_L | SEG_P | SEG_S;
    vcpu->cr3 = PML4;
    *(uint64_t *)space_host(&s->space, gpa(PML4 + (LINEAR >> 39 & 0x1ff) * 8)) = PDPT | P | RW | US;
    *(uint64_t *)space_host(&s->space, gpa(PDPT + (LINEAR >> 30 & 0x1ff) * 8)) = PD | P | RW | US;
    *(uint64_t *)space_host(&s->space, gpa(PD + (LINEAR >> 21 & 0x1ff) * 8)) = TABLE | P | RW | US;
    s->table = (uint64_t *)space_host(&s->space, gpa(TABLE));
    for (unsigned i = 0; i < 4096 * 4; i++)
        *space_host(&s->space, gpa(RAM + i)) = (uint8_t)(i * 7 + i / 256);
    return s;
}

static void free_setup(struct setup *s)
{
    space_destroy(&s->space);
    free(s);
}

static uint8_t pattern(unsigned i)
{
    return (uint8_t)(i * 7 + i / 256);
}

static uint64_t pattern_value(unsigned i, unsigned size)
{
    uint64_t value = 0;
    for (unsigned k = 0; k < size; k++)
        value |= (uint64_t)pattern(i + k) << k * 8;
    return value;
}

static void expect_fault(struct setup *s, uint64_t cr2, uint32_t code)
{
    cr_assert_eq(s->vcpu.exception.vector, EXC_PF);
    cr_assert_eq(s->vcpu.exception.cr2, cr2, "cr2 %lx", (unsigned long)s->vcpu.exception.cr2);
    cr_assert_eq(s->vcpu.exception.error_code, code);
}

static void expect_mmio(struct setup *s, unsigned i, bool write, uint64_t at, unsigned size)
{
    cr_assert_lt(i, s->accesses);
    cr_assert_eq(s->log[i].write, write);
    cr_assert_eq(s->log[i].gpa, at, "access %u at %lx", i, (unsigned long)s->log[i].gpa);
    cr_assert_eq(s->log[i].size, size, "access %u has size %u", i, s->log[i].size);
}

/* Two linear pages in swapped physical order, so that a host access across the page end would go wrong. */
static void map_swapped(struct setup *s)
{
    map_page(s, 0, (RAM + 0x1000) | P | RW | US);
    map_page(s, 1, RAM | P | RW | US);
}

static unsigned swapped_index(unsigned offset)
{
    return offset < 0x1000 ? 0x1000 + offset : offset - 0x1000;
}

Test(access, every_size_at_every_offset_of_a_page_end)
{
    struct setup *s = make_setup();
    map_swapped(s);
    for (unsigned size = 1; size <= 8; size *= 2) {
        for (unsigned offset = 0xff0; offset < 0x1010; offset++) {
            uint64_t value = 0, expected = 0;
            for (unsigned k = 0; k < size; k++)
                expected |= (uint64_t)pattern(swapped_index(offset + k)) << k * 8;
            cr_assert(mmu_read(&s->vcpu, lin(LINEAR + offset), size, true, &value));
            cr_assert_eq(value, expected);
            cr_assert(mmu_write(&s->vcpu, lin(LINEAR + offset), size, true, ~expected));
            for (unsigned k = 0; k < 16; k++) {
                unsigned at = offset - 4 + k;
                uint8_t byte = *space_host(&s->space, gpa(RAM + swapped_index(at)));
                bool inside = at >= offset && at < offset + size;
                cr_assert_eq(byte, (uint8_t)(inside ? ~pattern(swapped_index(at)) : pattern(swapped_index(at))));
            }
            cr_assert(mmu_write(&s->vcpu, lin(LINEAR + offset), size, true, expected));
        }
    }
    cr_assert(s->vcpu.vector_live, "RAM needs no parking");
    cr_assert_eq(s->accesses, 0);
    free_setup(s);
}

Test(access, blocks_of_bytes)
{
    struct setup *s = make_setup();
    uint8_t buffer[4096], back[4096];
    map_swapped(s);
    map_page(s, 2, (RAM + 0x3000) | P | RW | US);
    for (unsigned offset = 0; offset <= 0x1000; offset += 0x155) {
        for (unsigned i = 0; i < 4096; i++)
            buffer[i] = (uint8_t)(i ^ offset);
        cr_assert(mmu_write_bytes(&s->vcpu, lin(LINEAR + offset), buffer, 4096, true));
        cr_assert(mmu_read_bytes(&s->vcpu, lin(LINEAR + offset), back, 4096, true));
        cr_assert_arr_eq(buffer, back, 4096);
        uint64_t value;
        cr_assert(mmu_read(&s->vcpu, lin(LINEAR + offset), 1, true, &value));
        cr_assert_eq(value, buffer[0]);
    }
    free_setup(s);
}

Test(access, a_crossing_fault_names_the_first_failing_byte_and_changes_nothing)
{
    struct setup *s = make_setup();
    uint64_t value = 0x1234;
    uint8_t bytes[64] = {0};
    uint64_t before = *(uint64_t *)space_host(&s->space, gpa(RAM + 0xff8));

    map_page(s, 0, RAM | P | RW | US); /* the second page is missing */
    cr_assert_not(mmu_read(&s->vcpu, lin(LINEAR + 0xffd), 8, true, &value));
    expect_fault(s, LINEAR + 0x1000, PF_U);
    cr_assert_eq(value, 0x1234);
    cr_assert_not(mmu_write(&s->vcpu, lin(LINEAR + 0xffd), 8, true, 0));
    expect_fault(s, LINEAR + 0x1000, PF_U | PF_W);
    cr_assert_not(mmu_write_bytes(&s->vcpu, lin(LINEAR + 0xfe0), bytes, 64, false));
    expect_fault(s, LINEAR + 0x1000, PF_W);
    cr_assert_not(mmu_probe(&s->vcpu, lin(LINEAR + 0xfff), 2, ACCESS_READ, true));
    expect_fault(s, LINEAR + 0x1000, PF_U);
    cr_assert(mmu_probe(&s->vcpu, lin(LINEAR + 0xfff), 1, ACCESS_READ, true));

    map_page(s, 1, (RAM + 0x1000) | P | US); /* read-only */
    cr_assert_not(mmu_write(&s->vcpu, lin(LINEAR + 0xfff), 2, true, 0));
    expect_fault(s, LINEAR + 0x1000, PF_P | PF_U | PF_W);

    map_page(s, 0, 0); /* both fail: the first counts */
    cr_assert_not(mmu_write(&s->vcpu, lin(LINEAR + 0xffd), 8, true, 0));
    expect_fault(s, LINEAR + 0xffd, PF_U | PF_W);
    cr_assert_eq(*(uint64_t *)space_host(&s->space, gpa(RAM + 0xff8)), before);

    /* RAM first, then a fault; a device first, then a fault: the device sees nothing. */
    map_page(s, 0, DEVICE | P | RW | US);
    map_page(s, 1, 0);
    cr_assert_not(mmu_write(&s->vcpu, lin(LINEAR + 0xffe), 4, true, 0));
    cr_assert_not(mmu_read(&s->vcpu, lin(LINEAR + 0xffe), 4, true, &value));
    cr_assert_eq(s->accesses, 0);
    free_setup(s);
}

Test(access, probes_set_accessed_and_dirty)
{
    struct setup *s = make_setup();
    map_swapped(s);
    cr_assert(mmu_probe(&s->vcpu, lin(LINEAR + 0xfff), 2, ACCESS_READ, true));
    cr_assert_eq(s->table[0] & (A | D), A);
    cr_assert_eq(s->table[1] & (A | D), A);
    cr_assert(mmu_probe(&s->vcpu, lin(LINEAR + 0xfff), 1, ACCESS_WRITE, true));
    cr_assert_eq(s->table[0] & (A | D), A | D);
    cr_assert_eq(s->table[1] & (A | D), A);
    free_setup(s);
}

Test(access, mmio_is_cut_into_natural_pieces_in_ascending_order)
{
    struct setup *s = make_setup();
    uint64_t value;
    map_page(s, 0, DEVICE | P | RW | US);
    map_page(s, 1, (DEVICE + 0x4000) | P | RW | US);

    for (unsigned size = 1; size <= 8; size *= 2) { /* aligned: one access */
        s->accesses = 0;
        s->vcpu.vector_live = true;
        cr_assert(mmu_read(&s->vcpu, lin(LINEAR + 8), size, true, &value));
        cr_assert_eq(s->accesses, 1);
        expect_mmio(s, 0, false, DEVICE + 8, size);
        cr_assert_eq(value, 0x0f0e0d0c0b0a0908 & (~0ull >> (64 - size * 8)));
    }

    s->accesses = 0;
    cr_assert(mmu_write(&s->vcpu, lin(LINEAR + 1), 8, true, 0x8877665544332211));
    cr_assert_eq(s->accesses, 4);
    expect_mmio(s, 0, true, DEVICE + 1, 1);
    expect_mmio(s, 1, true, DEVICE + 2, 2);
    expect_mmio(s, 2, true, DEVICE + 4, 4);
    expect_mmio(s, 3, true, DEVICE + 8, 1);
    cr_assert_eq(s->log[0].value, 0x11);
    cr_assert_eq(s->log[1].value, 0x3322);
    cr_assert_eq(s->log[2].value, 0x77665544);
    cr_assert_eq(s->log[3].value, 0x88);

    s->accesses = 0;
    cr_assert(mmu_read(&s->vcpu, lin(LINEAR + 0xffd), 8, true, &value)); /* 3 bytes, then 5 on the other page */
    cr_assert_eq(s->accesses, 4);
    expect_mmio(s, 0, false, DEVICE + 0xffd, 1);
    expect_mmio(s, 1, false, DEVICE + 0xffe, 2);
    expect_mmio(s, 2, false, DEVICE + 0x4000, 4);
    expect_mmio(s, 3, false, DEVICE + 0x4004, 1);
    cr_assert_eq(value, 0x0403020100fffefd);

    s->accesses = 0;
    uint8_t bytes[16];
    cr_assert(mmu_read_bytes(&s->vcpu, lin(LINEAR + 0x10), bytes, 16, true));
    cr_assert_eq(s->accesses, 2);
    expect_mmio(s, 0, false, DEVICE + 0x10, 8);
    expect_mmio(s, 1, false, DEVICE + 0x18, 8);
    for (unsigned i = 0; i < 16; i++)
        cr_assert_eq(bytes[i], 0x10 + i);
    free_setup(s);
}

Test(access, from_ram_into_a_device)
{
    struct setup *s = make_setup();
    map_page(s, 0, RAM | P | RW | US);
    map_page(s, 1, DEVICE | P | RW | US);
    uint64_t value;
    cr_assert(mmu_read(&s->vcpu, lin(LINEAR + 0xffe), 4, true, &value));
    cr_assert_eq(value, pattern_value(0xffe, 2) | 0x01000000);
    cr_assert(mmu_write(&s->vcpu, lin(LINEAR + 0xffe), 4, true, 0xddccbbaa));
    cr_assert_eq(*space_host(&s->space, gpa(RAM + 0xffe)), 0xaa);
    cr_assert_eq(*space_host(&s->space, gpa(RAM + 0xfff)), 0xbb);
    expect_mmio(s, 1, true, DEVICE, 2);
    cr_assert_eq(s->log[1].value, 0xddcc);
    free_setup(s);
}

Test(access, rom_reads_and_offers_writes_to_the_devices)
{
    struct setup *s = make_setup();
    uint64_t value;
    map_page(s, 0, ROM | P | RW | US);
    cr_assert(space_write_bytes(&s->space, gpa(ROM), "ROM!", 4));
    cr_assert(mmu_write(&s->vcpu, lin(LINEAR), 4, true, 0));
    cr_assert(mmu_write_bytes(&s->vcpu, lin(LINEAR), "abcd", 4, true));
    cr_assert(mmu_read(&s->vcpu, lin(LINEAR), 4, true, &value));
    cr_assert_eq(value, 0x214d4f52);
    cr_assert_eq(s->accesses, 2);
    expect_mmio(s, 0, true, ROM, 4);
    expect_mmio(s, 1, true, ROM, 4);
    free_setup(s);
}

struct door {
    unsigned calls;
    uint64_t offset, bytes;
};

static void door_code_written(void *context, uint64_t offset, uint64_t size)
{
    struct door *door = context;
    door->offset = offset;
    door->bytes += size;
    door->calls++;
}

Test(access, stores_pass_the_write_door)
{
    struct setup *s = make_setup();
    struct door door = {0};
    map_swapped(s);
    s->space.code_written = door_code_written;
    s->space.code_context = &door;
    uint64_t page = space_offset(&s->space, space_host(&s->space, gpa(RAM)));
    s->space.page_flags[page >> 12] = PAGE_CODE;
    uint64_t value;
    cr_assert(mmu_read(&s->vcpu, lin(LINEAR + 0x1000), 8, true, &value));
    cr_assert(mmu_write(&s->vcpu, lin(LINEAR + 0xff8), 8, true, 0));
    cr_assert_eq(door.calls, 0);
    cr_assert(mmu_write(&s->vcpu, lin(LINEAR + 0x1004), 4, true, 0));
    cr_assert_eq(door.calls, 1);
    cr_assert_eq(door.offset, page + 4);
    cr_assert_eq(door.bytes, 4);
    cr_assert(mmu_write(&s->vcpu, lin(LINEAR + 0xffe), 4, true, 0)); /* its second half */
    cr_assert_eq(door.calls, 2);
    cr_assert_eq(door.offset, page);
    cr_assert_eq(door.bytes, 6);
    cr_assert(mmu_write_bytes(&s->vcpu, lin(LINEAR + 0x1100), "12345", 5, true));
    cr_assert_eq(door.calls, 3);
    cr_assert_eq(door.bytes, 11);
    free_setup(s);
}

Test(access, fetch)
{
    struct setup *s = make_setup();
    uint8_t code[15];
    map_swapped(s);
    s->vcpu.cpl = 3;
    cr_assert_eq(mmu_fetch(&s->vcpu, lin(LINEAR + 0x20), code, 15), 15);
    for (unsigned i = 0; i < 15; i++)
        cr_assert_eq(code[i], pattern(0x1020 + i));
    cr_assert_eq(s->table[0] & (A | D), A);
    cr_assert_eq(s->table[1] & (A | D), 0);
    cr_assert_eq(mmu_fetch(&s->vcpu, lin(LINEAR + 0xff1), code, 15), 15);
    cr_assert_eq(s->table[1] & A, 0, "the page after is not touched unless needed");
    cr_assert_eq(mmu_fetch(&s->vcpu, lin(LINEAR + 0xffa), code, 15), 15);
    for (unsigned i = 0; i < 15; i++)
        cr_assert_eq(code[i], pattern(swapped_index(0xffa + i)));

    map_page(s, 1, RAM | P | RW | US | NX);
    cr_assert_eq(mmu_fetch(&s->vcpu, lin(LINEAR + 0xffa), code, 15), 6);
    cr_assert_eq(mmu_fetch(&s->vcpu, lin(LINEAR + 0x1000), code, 15), 0);
    expect_fault(s, LINEAR + 0x1000, PF_P | PF_U | PF_I);
    map_page(s, 0, RAM | P); /* CPL decides about rights */
    cr_assert_eq(mmu_fetch(&s->vcpu, lin(LINEAR), code, 15), 0);
    expect_fault(s, LINEAR, PF_P | PF_U | PF_I);
    s->vcpu.cpl = 0;
    cr_assert_eq(mmu_fetch(&s->vcpu, lin(LINEAR), code, 15), 15);
    map_page(s, 0, DEVICE | P);
    cr_assert_eq(mmu_fetch(&s->vcpu, lin(LINEAR + 0x40), code, 15), 15);
    for (unsigned i = 0; i < 15; i++)
        cr_assert_eq(code[i], 0x40 + i);
    free_setup(s);
}

/* Outside 64-bit code an access at the top of the 4 GiB goes on at 0; in 64-bit code it does not. */
Test(access, linear_addresses_wrap_at_4_gib_outside_64_bit_code)
{
    struct setup *s = make_setup();
    uint64_t value;
    uint8_t code[8];
    struct error err;
    uint8_t *top;
    cr_assert_eq(space_add(&s->space, 0xffff0000, 0x10000, false, "top", &top, &err), 0);
    memset(top, 0xee, 0x10000);
    memcpy(space_host(&s->space, gpa(0)), "\x11\x22\x33\x44", 4);
    s->vcpu.cr0 = CR0_PE;
    s->vcpu.efer = 0;
    s->vcpu.segment[SEG_CS].attributes = SEG_DB;
    cr_assert(mmu_read(&s->vcpu, lin(0xfffffffe), 4, false, &value));
    cr_assert_eq(value, 0x2211eeee);
    cr_assert_eq(mmu_fetch(&s->vcpu, lin(0xfffffffc), code, 8), 8);
    cr_assert_arr_eq(code, "\xee\xee\xee\xee\x11\x22\x33\x44", 8);

    s->vcpu.cr0 = CR0_PE | CR0_PG;
    s->vcpu.efer = EFER_LME | EFER_LMA;
    s->vcpu.segment[SEG_CS].attributes = SEG_L;
    /* The last page below 4 GiB is mapped, the one above is not. */
    *(uint64_t *)space_host(&s->space, gpa(PML4)) = PDPT | P | RW | US;
    *(uint64_t *)space_host(&s->space, gpa(PDPT + 3 * 8)) = PD | P | RW | US;
    *(uint64_t *)space_host(&s->space, gpa(PD + 511 * 8)) = TABLE | P | RW | US;
    map_page(s, 511, 0xfffff000 | P | RW | US);
    cr_assert_not(mmu_read(&s->vcpu, lin(0xfffffffe), 4, false, &value));
    expect_fault(s, 0x100000000, 0);
    free_setup(s);
}

Test(access, a20_gate_applies_to_devices_and_memory)
{
    struct setup *s = make_setup();
    uint64_t value;
    s->vcpu.cr0 = 0;
    s->vcpu.a20_masked = true;
    cr_assert(mmu_write(&s->vcpu, lin(0x100010), 1, false, 0x77));
    cr_assert_eq(*space_host(&s->space, gpa(0x10)), 0x77);
    cr_assert(mmu_read(&s->vcpu, lin(DEVICE + 0x100000), 1, false, &value));
    expect_mmio(s, 0, false, DEVICE, 1);
    free_setup(s);
}
