/* The process that opens media under -sandbox on: what it opens, what it does not, and how it says so. */
#include "devices/machine/opener.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLOPPY_BYTES = 1440 << 10 };

static char folder[] = "/tmp/ring3-opener-XXXXXX", text[PATH_MAX];
static struct opener opener;
static struct error err;

static const char *inside(const char *name)
{
    snprintf(text, sizeof(text), "%s/%s", folder, name);
    return text;
}

static void make_file(const char *name, off_t size, const char *volume)
{
    int fd = open(inside(name), O_RDWR | O_CREAT, 0600);
    cr_assert(fd >= 0 && !ftruncate(fd, size));
    cr_assert_eq(pwrite(fd, volume, strlen(volume), 16 * 2048 + 1), (ssize_t)strlen(volume));
    close(fd);
}

static void setup(void)
{
    char secret[PATH_MAX];

    cr_assert(mkdtemp(folder));
    cr_assert(!mkdir(inside("media"), 0700) && !mkdir(inside("media/below"), 0700));
    make_file("media/cd.iso", 1 << 20, "CD001");
    make_file("media/below/dvd.iso", 1 << 20, "BEA01");
    make_file("media/floppy.img", FLOPPY_BYTES, "");
    make_file("media/letters.txt", 1 << 20, "");
    make_file("secret.iso", 1 << 20, "CD001");
    snprintf(secret, sizeof(secret), "%s", inside("secret.iso"));
    cr_assert_eq(symlink(secret, inside("media/link.iso")), 0);
    cr_assert_eq(mkfifo(inside("media/fifo"), 0600), 0);
    cr_assert_eq(opener_add_folder(&opener, inside("media"), &err), 0, "%s", err.text);
    cr_assert_eq(opener_start(&opener, &err), 0, "%s", err.text);
}

static void teardown(void)
{
    char command[PATH_MAX];
    opener_end(&opener);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(opener, .init = setup, .fini = teardown);

/* The descriptor's flags; or -errno. */
static int access_of(const char *name, bool floppy, bool write)
{
    err.text[0] = 0;
    int fd = opener_open(&opener, inside(name), floppy, write, &err);
    int flags = fd < 0 ? fd : fcntl(fd, F_GETFL) & O_ACCMODE;
    if (fd >= 0)
        close(fd);
    return flags;
}

static void assert_refused(const char *name, bool floppy, const char *why)
{
    cr_assert_eq(access_of(name, floppy, false), -EXDEV, "%s", name);
    cr_assert(strstr(err.text, why), "%s: %s", name, err.text);
}

Test(opener, opens_media_in_and_below_its_folders)
{
    char byte;
    cr_assert_eq(access_of("media/cd.iso", false, false), O_RDONLY);
    cr_assert_eq(access_of("media/cd.iso", false, true), O_RDONLY);
    cr_assert_eq(access_of("media/below/dvd.iso", false, false), O_RDONLY);
    cr_assert_eq(access_of("media/below/../floppy.img", true, false), O_RDONLY);
    cr_assert_eq(access_of("media/floppy.img", true, true), O_RDWR);
    int fd = opener_open(&opener, inside("media/cd.iso"), false, false, &err);
    cr_assert(pread(fd, &byte, 1, 16 * 2048 + 1) == 1 && byte == 'C');
    close(fd);
}

Test(opener, opens_nothing_else)
{
    assert_refused("secret.iso", false, "media only");
    assert_refused("media/../secret.iso", false, "media=FOLDER");
    assert_refused("media/link.iso", false, "media=FOLDER");
    assert_refused("media/letters.txt", false, "ISO 9660");
    assert_refused("media/letters.txt", true, "floppy disk's size");
    assert_refused("media/cd.iso", true, "floppy disk's size");
    assert_refused("media/fifo", false, "ISO 9660");
    cr_assert_eq(access_of("media/none.iso", false, false), -ENOENT);
    cr_assert_eq(access_of("media/below", false, false), -EISDIR);
    memset(text, 'a', sizeof(text) - 1);
    cr_assert_eq(opener_open(&opener, text, false, false, &err), -ENAMETOOLONG);
}

Test(opener, folders_must_exist)
{
    cr_assert_eq(opener_add_folder(&opener, inside("media/cd.iso"), &err), -ENOTDIR);
    cr_assert_eq(opener_add_folder(&opener, inside("nothing"), &err), -ENOENT);
    cr_assert(strstr(err.text, "-sandbox on: ") && strstr(err.text, "nothing"));
}

Test(opener, writes_no_floppy_of_a_machine_whose_images_stay_as_they_are)
{
    struct opener reader = {.read_only = true};
    cr_assert(!opener_add_folder(&reader, inside("media"), &err) && !opener_start(&reader, &err));
    int fd = opener_open(&reader, inside("media/floppy.img"), true, true, &err);
    cr_assert_eq(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    close(fd);
    opener_end(&reader);
}

Test(opener, without_folders_or_process_there_is_an_answer)
{
    struct opener none = {0};
    cr_assert_eq(opener_start(&none, &err), 0);
    cr_assert_eq(opener_open(&none, inside("media/cd.iso"), false, false, &err), -EXDEV);
    cr_assert(strstr(err.text, "media=FOLDER"));
    opener_end(&none);
    kill(opener.process, SIGKILL);
    int r = opener_open(&opener, inside("media/cd.iso"), false, false, &err);
    cr_assert(r == -EPIPE || r == -ECONNRESET, "%d", r);
}
