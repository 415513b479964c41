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

Test(drives, as_many_as_there_are)
{
    for (unsigned i = 0; i < DRIVES_MAX; i++)
        cr_assert_eq(add("file=a"), 0);
    cr_assert_eq(add("file=a"), -EINVAL);
}
