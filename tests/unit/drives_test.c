/* The drives of the command line: places, properties, what is refused. */
#include "devices/machine/drives.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static struct drive_options drives;
static struct error err;

static int add(const char *text)
{
    return drives_add(&drives, text, &err);
}

Test(drives, images_by_name)
{
    cr_assert_eq(drives_add_image(&drives, "-hda", DRIVE_IDE, 0, false, "a.img", &err), 0);
    cr_assert_eq(drives_add_image(&drives, "-cdrom", DRIVE_IDE, 2, true, "b.iso", &err), 0);
    cr_assert_eq(drives_place(&drives, &err), 0);
    cr_assert_eq(drives_add_image(&drives, "-hdc", DRIVE_IDE, 2, false, "c.img", &err), 0);
    cr_assert_eq(drives_place(&drives, &err), -EINVAL);
    cr_assert_not_null(strstr(err.text, "-cdrom b.iso"), "%s", err.text);
}

Test(drives, free_places_are_taken_in_order)
{
    cr_assert_eq(add("file=one,index=1"), 0);
    cr_assert_eq(add("file=two"), 0);
    cr_assert_eq(add("file=three"), 0);
    cr_assert_eq(add("file=four,bus=1,unit=1"), 0);
    cr_assert_eq(drives_place(&drives, &err), 0);
    cr_assert_eq(drives.drive[1].index, 0);
    cr_assert_eq(drives.drive[2].index, 2);
    cr_assert_eq(drives.drive[3].index, 3);
    cr_assert_eq(add("file=five"), 0);
    cr_assert_eq(drives_place(&drives, &err), -EINVAL);
}

Test(drives, properties)
{
    cr_assert_eq(add("file=a,,b.img,format=raw,if=floppy,readonly=on,snapshot=on,cache=unsafe,id=x"), 0);
    cr_assert_str_eq(drives.drive[0].path, "a,b.img");
    cr_assert_eq(drives.drive[0].interface, DRIVE_FLOPPY);
    cr_assert(drives.drive[0].readonly && drives.drive[0].snapshot);
    cr_assert_eq(drives.drive[0].cache, BLOCK_UNSAFE);
    cr_assert_eq(add("media=cdrom"), 0); /* an empty drive */
    cr_assert_eq(add("file=d.img,serial=12345678901234567890"), 0);
    cr_assert_str_eq(drives.drive[2].serial, "12345678901234567890");
    cr_assert_neq(add("file=e.img,serial=123456789012345678901"), 0);
}

Test(drives, refusals)
{
    static const struct {
        const char *text, *says;
    } cases[] = {{"if=ide", "file=IMAGE"},
                 {"file=a,if=virtio", "pflash"},
                 {"file=a,format=qcow2", "raw"},
                 {"file=a,colour=red", "readonly"},
                 {"file=a,index=x", "number"},
                 {"file=a,media=tape", "cdrom"},
                 {"file=a,readonly=maybe", "on or off"},
                 {"file=a,cache=big", "writethrough"}};
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        cr_assert_eq(add(cases[i].text), -EINVAL, "%s", cases[i].text);
        cr_assert_not_null(strstr(err.text, cases[i].says), "%s: %s", cases[i].text, err.text);
    }
    cr_assert_eq(drives.count, 0);
}

/* -device ide-hd,... as options_device.c writes it down. */
static void add_device(const char *drive, bool cdrom, int bus, int unit, int boot_index)
{
    struct drive_device *device = &drives.device[drives.devices++];
    *device = (struct drive_device){.cdrom = cdrom, .bus = bus, .unit = unit, .boot_index = boot_index};
    strcpy(device->drive, drive);
}

Test(drives, devices_take_drives_by_name)
{
    cr_assert_eq(add("if=none,id=a,file=a.img"), 0);
    cr_assert_eq(add("if=none,id=b,file=b.iso,media=cdrom"), 0);
    add_device("b", true, 0, 1, 5);
    add_device("a", false, 1, -1, -1);
    add_device("", true, -1, -1, -1);
    cr_assert_eq(drives_place(&drives, &err), 0, "%s", err.text);
    cr_assert_eq(drives.drive[0].index, 2);
    cr_assert_eq(drives.drive[0].boot_index, -1);
    cr_assert_eq(drives.drive[1].index, 1);
    cr_assert_eq(drives.drive[1].boot_index, 5);
    cr_assert(drives.drive[1].cdrom);
    cr_assert_eq(drives.drive[2].index, 0);
    cr_assert(drives.drive[2].cdrom);
}

Test(drives, devices_and_drives_that_do_not_fit)
{
    cr_assert_eq(add("if=none,id=a,file=a.img"), 0);
    cr_assert_eq(drives_place(&drives, &err), -EINVAL);
    cr_assert_not_null(strstr(err.text, "-device ide-hd,drive=a"), "%s", err.text);
    add_device("x", false, -1, -1, -1);
    cr_assert_eq(drives_place(&drives, &err), -EINVAL);
    cr_assert_not_null(strstr(err.text, "id=x"), "%s", err.text);
    drives.devices = 0;
    add_device("", false, -1, -1, -1);
    cr_assert_eq(drives_place(&drives, &err), -EINVAL);
    cr_assert_not_null(strstr(err.text, "drive=ID"), "%s", err.text);
}

Test(drives, the_empty_ones_ask_for_no_boot)
{
    struct drive_set set;
    cr_assert_eq(drives_open(&drives, NULL, &set, &err), 0, "%s", err.text);
    cr_assert(set.drive[DRIVE_FLOPPY][0].present);
    cr_assert_eq(set.drive[DRIVE_FLOPPY][0].boot_index, -1);
    cr_assert(set.drive[DRIVE_IDE][2].cdrom);
    cr_assert_eq(set.drive[DRIVE_IDE][2].boot_index, -1);
}

Test(drives, boot_indices_differ)
{
    cr_assert_eq(add("file=a.img,bootindex=2"), 0);
    cr_assert_eq(add("file=b.img,bootindex=1"), 0);
    cr_assert_eq(drives_place(&drives, &err), 0);
    cr_assert_eq(add("file=c.img,bootindex=2"), 0);
    cr_assert_eq(drives_place(&drives, &err), -EINVAL);
    cr_assert_not_null(strstr(err.text, "bootindex=2"), "%s", err.text);
    cr_assert_eq(add("file=c.img,bootindex=-1"), -EINVAL);
}

Test(drives, as_many_as_there_are)
{
    for (unsigned i = 0; i < DRIVES_MAX; i++)
        cr_assert_eq(add("file=a"), 0);
    cr_assert_eq(add("file=a"), -EINVAL);
}
