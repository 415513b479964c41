/* Windows: what is mapped where, what faults, and what a view's credit does. See softmmu/window.h. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "softmmu/shadow.h"

enum { MIB = 1 << 20, PAGES = 16 };
#define HIGH 0x7f1234560000ull /* an address in the upper part of user space */

struct fixture {
    struct vcpu *vcpu;
    struct space space;
    struct window *window;
    uint64_t *regions;
    uint8_t *ram;
    int probe[2];
};

static struct fixture f;

static void setup(void)
{
    struct error err;
    f.vcpu = shadow_vcpu_create(&err);
    cr_assert(f.vcpu);
    cr_assert_eq(space_init(&f.space, 8 * MIB, &err), 0);
    cr_assert_eq(space_add(&f.space, 0, 4 * MIB, false, "ram", &f.ram, &err), 0);
    f.vcpu->space = &f.space;
    f.regions = calloc(WINDOW_REGIONS, sizeof(uint64_t));
    f.window = window_create(f.vcpu, f.regions);
    cr_assert(f.window);
    cr_assert_eq(pipe2(f.probe, O_NONBLOCK), 0);
}

static void teardown(void)
{
    window_destroy(f.window);
    free(f.regions);
    space_destroy(&f.space);
    shadow_vcpu_destroy(f.vcpu);
    close(f.probe[0]);
    close(f.probe[1]);
}

TestSuite(window, .init = setup, .fini = teardown);

/* Where translated code would look. */
static void *host_of_linear(uint64_t linear)
{
    return (void *)(uintptr_t)(f.regions[linear >> WINDOW_REGION_BITS & (WINDOW_REGIONS - 1)] + linear);
}

/* The kernel's view of whether the address can be read, and written (with what is there). */
static bool readable(uint64_t linear)
{
    uint8_t byte;
    bool yes = write(f.probe[1], host_of_linear(linear), 1) == 1;
    if (yes)
        cr_assert_eq(read(f.probe[0], &byte, 1), 1);
    return yes;
}

static bool writable(uint64_t linear)
{
    uint8_t byte;
    if (!readable(linear))
        return false;
    cr_assert_eq(write(f.probe[1], host_of_linear(linear), 1), 1);
    bool yes = read(f.probe[0], host_of_linear(linear), 1) == 1;
    if (!yes)
        cr_assert_eq(read(f.probe[0], &byte, 1), 1);
    return yes;
}

static struct translation page_at(uint64_t gpa, unsigned shift, bool write)
{
    return (struct translation){.page = {gpa},
                                .host = f.ram + gpa,
                                .user = true,
                                .writable = write,
                                .dirty = write,
                                .page_shift = (uint8_t)shift};
}

static bool fill(uint64_t linear, enum access access, struct translation t)
{
    return window_fill(f.vcpu, f.window, lin(linear), access, &t);
}

Test(window, nothing_is_mapped_at_first)
{
    static const uint64_t addresses[] = {0, 0x400000, HIGH, 0x7fffffffe000, 0xffffffff81000000, 0xffff888000000000};
    for (unsigned i = 0; i < ARRAY_LEN(addresses); i++)
        cr_assert(!readable(addresses[i]), "%llx", (unsigned long long)addresses[i]);
}

Test(window, a_filled_page_shows_the_guests_memory_and_no_more)
{
    f.ram[0x5010] = 0x77;
    cr_assert(fill(HIGH, ACCESS_READ, page_at(0x5000, 12, true)));
    cr_assert_eq(*(uint8_t *)host_of_linear(HIGH + 0x10), 0x77);
    *(uint8_t *)host_of_linear(HIGH + 0x11) = 0x78;
    cr_assert_eq(f.ram[0x5011], 0x78);
    cr_assert(!readable(HIGH - 1));
    cr_assert(!readable(HIGH + GUEST_PAGE_SIZE));
    cr_assert(!readable(HIGH + BIT(WINDOW_REGION_BITS)), "the next region");
    cr_assert(!readable(HIGH + BIT(48)), "not canonical");
    cr_assert(!readable(HIGH + 0xffffull * BIT(48)), "not canonical");
}

Test(window, a_clean_page_is_read_only_until_it_is_dirty)
{
    cr_assert(fill(HIGH, ACCESS_READ, page_at(0x5000, 12, false)));
    cr_assert(readable(HIGH) && !writable(HIGH));
    cr_assert(!fill(HIGH, ACCESS_READ, page_at(0x5000, 12, false)), "it is there already");
    cr_assert(!fill(HIGH, ACCESS_WRITE, page_at(0x5000, 12, false)), "it may not be written");
    cr_assert(fill(HIGH, ACCESS_WRITE, page_at(0x5000, 12, true)));
    cr_assert(writable(HIGH));
}

Test(window, a_large_page_comes_as_a_whole_but_for_its_code_pages)
{
    f.space.page_flags[space_offset(&f.space, f.ram + 0x207000) >> GUEST_PAGE_SHIFT] = PAGE_CODE;
    cr_assert(fill(0x40003000, ACCESS_WRITE, page_at(0x203000, 21, true)));
    cr_assert(writable(0x40000000) && writable(0x401ff000));
    cr_assert(readable(0x40007000) && !writable(0x40007000));
    cr_assert(!readable(0x40200000) && !readable(0x3ffff000));
}

Test(window, a_page_that_gets_code_becomes_read_only_everywhere)
{
    uint64_t page = space_offset(&f.space, f.ram + 0x6000) >> GUEST_PAGE_SHIFT;
    fill(HIGH, ACCESS_WRITE, page_at(0x6000, 12, true));
    fill(0x400000, ACCESS_WRITE, page_at(0x6000, 12, true));
    fill(0x401000, ACCESS_WRITE, page_at(0x7000, 12, true));
    window_protect(f.window, page);
    cr_assert(readable(HIGH) && !writable(HIGH));
    cr_assert(readable(0x400000) && !writable(0x400000));
    cr_assert(writable(0x401000));
}

Test(window, dropped_pages_are_gone)
{
    for (unsigned i = 0; i < PAGES; i++) {
        fill(HIGH + i * GUEST_PAGE_SIZE, ACCESS_WRITE, page_at(0x8000 + i * GUEST_PAGE_SIZE, 12, true));
        fill(0x400000 + i * GUEST_PAGE_SIZE, ACCESS_WRITE, page_at(0x8000 + i * GUEST_PAGE_SIZE, 12, true));
    }
    window_drop_range(f.window, HIGH + 2 * GUEST_PAGE_SIZE, 3);
    for (unsigned i = 0; i < PAGES; i++)
        cr_assert_eq(readable(HIGH + i * GUEST_PAGE_SIZE), i < 2 || i > 4);
    cr_assert(fill(HIGH + 3 * GUEST_PAGE_SIZE, ACCESS_READ, page_at(0x1000, 12, false)), "and can come back");
    window_drop_all(f.window);
    for (unsigned i = 0; i < PAGES; i++)
        cr_assert(!readable(HIGH + i * GUEST_PAGE_SIZE) && !readable(0x400000 + i * GUEST_PAGE_SIZE));
}

Test(window, more_regions_than_slots_are_refused)
{
    for (uint64_t i = 0; i < WINDOW_SLOTS; i++)
        cr_assert(fill(i << 33, ACCESS_READ, page_at(0x5000, 12, false)));
    cr_assert(!fill(100ull << 33, ACCESS_READ, page_at(0x5000, 12, false)));
    cr_assert(!readable(100ull << 33));
}

Test(window, more_runs_than_fit_are_dropped_not_lost)
{
    for (uint64_t i = 0; i < WINDOW_RUNS + 10; i++)
        cr_assert(fill(i * 2 * GUEST_PAGE_SIZE, ACCESS_READ, page_at(0x5000, 12, false)));
    cr_assert(readable((WINDOW_RUNS + 9) * 2 * GUEST_PAGE_SIZE) && !readable(0));
}

Test(window, running_opens_it_and_faults_close_it)
{
    uint64_t now = 0;
    unsigned charges = 0;
    cr_assert(!f.window->open);
    for (unsigned i = 0; i < 100 && !f.window->open; i++)
        window_tick(f.window, now += 1000, 1000);
    cr_assert(f.window->open);
    fill(HIGH, ACCESS_READ, page_at(0x5000, 12, false));
    while (window_charge(f.window))
        charges++;
    cr_assert_gt(charges, 100);
    cr_assert(!f.window->open && !readable(HIGH));
    window_tick(f.window, now += 10, 1000);
    cr_assert(!f.window->open, "time too short to count");
}

/* ---- a host that takes nothing away: every mapping of no access, and every mprotect, fails in this test's process
 * ---- */

#define LOAD(member)        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define RETURN(what)        BPF_STMT(BPF_RET | BPF_K, (what))

static void host_takes_nothing_away(void)
{
    struct sock_filter code[] = {
        LOAD(nr),
        UNLESS(SYS_mmap, 3),
        LOAD(args[2]),
        UNLESS(PROT_NONE, 3),
        RETURN(SECCOMP_RET_ERRNO | ENOMEM),
        UNLESS(SYS_mprotect, 1),
        RETURN(SECCOMP_RET_ERRNO | ENOMEM),
        RETURN(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
}

Test(window, what_the_host_does_not_unmap_cannot_be_reached_any_more)
{
    fill(HIGH, ACCESS_WRITE, page_at(0x5000, 12, true));
    fill(0x400000, ACCESS_WRITE, page_at(0x6000, 12, true));
    host_takes_nothing_away();
    window_drop_range(f.window, HIGH, 1);
    cr_assert(!readable(HIGH));
    cr_assert(writable(0x400000), "another region");
    cr_assert(f.window->broken);
    window_drop_all(f.window);
    cr_assert(!readable(0x400000));
    if (fill(HIGH, ACCESS_READ, page_at(0x7000, 12, true))) /* in another slot */
        cr_assert(readable(HIGH) && !readable(HIGH + GUEST_PAGE_SIZE));
}

Test(window, what_the_host_does_not_protect_cannot_be_reached_any_more)
{
    uint64_t page = space_offset(&f.space, f.ram + 0x6000) >> GUEST_PAGE_SHIFT;
    fill(HIGH, ACCESS_WRITE, page_at(0x6000, 12, true));
    fill(0x400000, ACCESS_WRITE, page_at(0x6000, 12, true));
    fill(0x300000000, ACCESS_WRITE, page_at(0x7000, 12, true));
    host_takes_nothing_away();
    window_protect(f.window, page);
    cr_assert(!writable(HIGH) && !writable(0x400000));
    cr_assert(writable(0x300000000), "another page, in another region");
}
