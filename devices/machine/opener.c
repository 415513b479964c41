/*
 * The process that opens media for a machine under -sandbox on. See opener.h.
 *
 * Invariants: a file is looked at through the descriptor that is later opened anew, so that what was checked is what is
 * opened; devices and FIFOs are never opened. In the child nothing but system calls: other threads of the parent may
 * have held any lock.
 *
 * Thread: the main thread; the child has one.
 */
#include "devices/machine/opener.h"

#include "devices/chips/i82077.h"
#include "devices/machine/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VOLUME_DESCRIPTORS = 16 * 2048 };

struct question {
    bool floppy, write;
    char path[PATH_MAX];
};

/* Answers that are no -errno. 0 comes with a descriptor. */
enum { OUTSIDE = 1, NO_MEDIUM };

union descriptor_message {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(int))];
};

/* --- the child ---------------------------------------------------------------------------------------------------- */

static bool is_inside(const struct opener *opener, const char *path)
{
    for (unsigned i = 0; i < opener->folders; i++) {
        size_t length = strlen(opener->folder[i]);
        if (!strncmp(path, opener->folder[i], length) && (path[length] == '/' || length == 1))
            return true;
    }
    return false;
}

/* ISO 9660, ECMA-167 (UDF): volume descriptors, each with a name from its second byte on. */
static bool is_volume(int fd)
{
    char name[5];
    return pread(fd, name, sizeof(name), VOLUME_DESCRIPTORS + 1) == (ssize_t)sizeof(name) &&
           (!memcmp(name, "CD001", 5) || !memcmp(name, "BEA01", 5));
}

/* `found` names the file, and does nothing else. */
static int open_found(const struct opener *opener, int found, const struct question *q)
{
    char link[32], path[PATH_MAX];
    struct stat st;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", found);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    if (length < 0 || fstat(found, &st))
        return -errno;
    path[length] = 0;
    if (!is_inside(opener, path))
        return OUTSIDE;
    if (S_ISDIR(st.st_mode))
        return -EISDIR;
    if (!S_ISREG(st.st_mode) || (q->floppy && !i82077_find_format((uint64_t)st.st_size)))
        return NO_MEDIUM;
    int fd = open(link, (q->write && q->floppy && !opener->read_only ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK |
                            O_NOCTTY);
    if (fd < 0)
        return -errno;
    if (q->floppy || is_volume(fd)) {
        dup2(fd, found); /* which the caller has */
        close(fd);
        return 0;
    }
    close(fd);
    return NO_MEDIUM;
}

static void send_answer(int code, int fd)
{
    union descriptor_message control = {0};
    struct iovec vector = {&code, sizeof(code)};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};

    if (!code) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control);
        control.header =
            (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    sendmsg(0, &message, MSG_NOSIGNAL);
}

/* Descriptor 0 is the socket. */
static void serve(const struct opener *opener)
{
    static struct question q;

    for (;;) {
        ssize_t size = read(0, &q, sizeof(q));
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            _exit(0);
        q.path[sizeof(q.path) - 1] = 0;
        int found = size == sizeof(q) ? open(q.path, O_PATH | O_CLOEXEC) : -1;
        int code = size != sizeof(q) ? -EINVAL : found < 0 ? -errno : open_found(opener, found, &q);
        send_answer(code, found);
        if (found >= 0)
            close(found);
    }
}

/* --- the parent --------------------------------------------------------------------------------------------------- */

int opener_add_folder(struct opener *opener, const char *path, struct error *err)
{
    char *folder = realpath(path, NULL);
    struct stat st;

    if (!folder || stat(folder, &st) || !S_ISDIR(st.st_mode)) {
        int code = folder ? -ENOTDIR : -errno;
        free(folder);
        return error_set(err, code, "-sandbox on: %s: %s; name a folder with images", path, strerror(-code));
    }
    for (unsigned i = 0; i < opener->folders; i++)
        if (!strcmp(opener->folder[i], folder)) {
            free(folder);
            return 0;
        }
    if (opener->folders == OPENER_FOLDERS) {
        free(folder);
        return error_set(err, -ENOSPC, "-sandbox on: %s: too many folders of images; keep them together", path);
    }
    opener->folder[opener->folders++] = folder;
    return 0;
}

int opener_start(struct opener *opener, struct error *err)
{
    int fd[2];

    if (!opener->folders)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd))
        return error_set(err, -errno, "-sandbox on: no socket: %s", strerror(errno));
    pid_t child = sandbox_fork(fd[1]);
    if (!child) {
        if (sandbox_enter_opener())
            _exit(1);
        serve(opener);
    }
    int code = -errno;
    close(fd[1]);
    if (child < 0) {
        close(fd[0]);
        return error_set(err, code, "-sandbox on: cannot start a process that opens media: %s", strerror(-code));
    }
    opener->process = child;
    opener->fd = fd[0];
    return 0;
}

/* 0 and a descriptor, or what else was answered. */
static int receive_answer(const struct opener *opener, int *fd)
{
    union descriptor_message control = {0};
    int code;
    struct iovec vector = {&code, sizeof(code)};
    struct msghdr message = {
        .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    ssize_t size;

    do
        size = recvmsg(opener->fd, &message, MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    if (size != sizeof(code))
        return size < 0 ? -errno : -EPIPE;
    if (code)
        return code;
    if (message.msg_controllen < CMSG_LEN(sizeof(*fd)) || control.header.cmsg_type != SCM_RIGHTS)
        return -EMFILE; /* there was no room for it here */
    memcpy(fd, CMSG_DATA(&control.header), sizeof(*fd));
    return 0;
}

static int ask(const struct opener *opener, const char *path, bool floppy, bool write, int *fd)
{
    struct question q = {.floppy = floppy, .write = write};

    if (!opener->process)
        return OUTSIDE;
    if (strlen(path) >= sizeof(q.path))
        return -ENAMETOOLONG;
    strcpy(q.path, path);
    return send(opener->fd, &q, sizeof(q), MSG_NOSIGNAL) < 0 ? -errno : receive_answer(opener, fd);
}

static int refuse(const struct opener *opener, const char *path, struct error *err)
{
    if (!opener->folders)
        return error_set(err, -EXDEV,
                         "%s: -sandbox on opens no more files; start with -sandbox on,media=FOLDER to change media",
                         path);
    return error_set(err, -EXDEV,
                     "%s: -sandbox on opens media in %s%s only; put it there, or start with -sandbox on,media=FOLDER",
                     path, opener->folder[0], opener->folders > 1 ? " and the other images' folders" : "");
}

int opener_open(const struct opener *opener, const char *path, bool floppy, bool write, struct error *err)
{
    int fd = -1, code = ask(opener, path, floppy, write, &fd);

    if (code == OUTSIDE)
        return refuse(opener, path, err);
    if (code == NO_MEDIUM && floppy)
        return error_set(err, -EXDEV,
                         "%s: no floppy disk's size; -sandbox on opens nothing else for a floppy drive: "
                         "there are %s",
                         path, i82077_sizes);
    if (code == NO_MEDIUM)
        return error_set(err, -EXDEV,
                         "%s: no ISO 9660 or UDF volume; -sandbox on opens nothing else for a CD-ROM "
                         "drive",
                         path);
    return code ? code : fd;
}

void opener_end(struct opener *opener)
{
    if (opener->process) {
        close(opener->fd);
        while (waitpid(opener->process, NULL, 0) < 0 && errno == EINTR)
            ;
        opener->process = 0;
    }
    while (opener->folders)
        free(opener->folder[--opener->folders]);
}
