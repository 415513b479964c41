/*
 * Character back ends over file descriptors. See stream.h.
 *
 * Invariants: input.events is POLLIN exactly while there is room in `in`; output.events is POLLOUT exactly while bytes
 * wait and the last write would have blocked. The descriptors of standard input and output are shared with other
 * processes, so their flags are never changed: output is opened anew where that is possible.
 *
 * Thread: whoever holds the machine lock (the vCPU's thread sends, the main thread reads).
 */
#include "devices/machine/stream.h"

#include "devices/machine/stream_int.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FLUSH_AT_ONCE = 4096,          /* bytes collected that are written without waiting for the timer */
    OUT_FIRST = 2 * FLUSH_AT_ONCE, /* room that is always there */
    SMALL_WRITE = 512,             /* what a descriptor that says it is writable surely takes */
};

static const uint64_t flush_delay = 1000000; /* ns */

/* --- output ------------------------------------------------------------------------------------------------------- */

/* One attempt: bytes written, 0 if it would block, -1 if nobody listens any more. */
static ssize_t write_some(struct stream *s)
{
    size_t count = s->out_count;

    if (!s->non_blocking) {
        struct pollfd fd = {.fd = s->output.fd, .events = POLLOUT};
        if (poll(&fd, 1, 0) <= 0)
            return 0;
        if (count > SMALL_WRITE)
            count = SMALL_WRITE;
    }
    ssize_t n = write(s->output.fd, s->out + s->out_first, count);
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    if (!s->lost && errno != EPIPE && errno != ECONNRESET && !s->terminal && s->pty_slave < 0)
        s->lost = errno;
    return -1;
}

/* Nothing waits any more: the room for an unusual lot is given back. */
static void release_output(struct stream *s)
{
    s->out_first = 0;
    if (s->out_capacity <= STREAM_OUTPUT_MAX)
        return;
    uint8_t *out = realloc(s->out, OUT_FIRST);
    if (!out)
        return;
    s->out = out;
    s->out_capacity = OUT_FIRST;
}

static void flush(struct stream *s)
{
    while (s->out_count && s->output.fd >= 0) {
        ssize_t n = write_some(s);
        if (n < 0)
            s->out_count = 0; /* the reader went away: its output is nobody's */
        if (n <= 0)
            break;
        s->out_count -= (size_t)n;
        s->out_first += (size_t)n;
    }
    if (!s->out_count)
        release_output(s);
    short events = s->out_count ? POLLOUT : 0;
    if (events != s->output.events) {
        s->output.events = events;
        event_loop_wake(s->config.loop);
    }
}

static void on_flush_timer(void *device)
{
    flush(device);
}

static bool make_room(struct stream *s, size_t count)
{
    if (s->out_first + s->out_count + count <= s->out_capacity)
        return true;
    if (s->out_first) {
        memmove(s->out, s->out + s->out_first, s->out_count);
        s->out_first = 0;
        return make_room(s, count);
    }
    size_t capacity = s->out_capacity;
    while (capacity < s->out_count + count)
        capacity *= 2;
    uint8_t *out = capacity <= s->config.output_max ? realloc(s->out, capacity) : NULL;
    if (!out)
        return false;
    s->out = out;
    s->out_capacity = capacity;
    return true;
}

static void collect(struct stream *s, const uint8_t *bytes, size_t count, bool at_once)
{
    if (s->output.fd < 0) /* no client */
        return;
    if (!make_room(s, count)) {
        s->dropped += count;
        return;
    }
    memcpy(s->out + s->out_first + s->out_count, bytes, count);
    s->out_count += count;
    if (s->output.events)
        return; /* the loop waits for the descriptor */
    if (at_once || s->out_count >= FLUSH_AT_ONCE)
        flush(s);
    else if (s->flush_timer.deadline == VCLOCK_NEVER)
        vtimer_arm(&s->flush_timer, vclock_now(s->config.clock) + flush_delay);
}

static void stream_send(struct chardev *chardev, const uint8_t *bytes, size_t count)
{
    struct stream *s = (struct stream *)chardev;
    bool at_once = !s->config.clock;
    const uint8_t *escape;

    while (s->telnet && (escape = memchr(bytes, TELNET_IAC, count))) {
        size_t part = (size_t)(escape - bytes) + 1;
        collect(s, bytes, part, at_once);
        collect(s, escape, 1, at_once); /* twice: it would be a command */
        bytes += part;
        count -= part;
    }
    collect(s, bytes, count, at_once);
}

static struct stream *stream_of_second(const struct chardev *second)
{
    return (struct stream *)((uint8_t *)second - offsetof(struct stream, second));
}

/* Virtual time may stand still while a monitor is used. */
static void second_send(struct chardev *second, const uint8_t *bytes, size_t count)
{
    collect(stream_of_second(second), bytes, count, true);
}

static size_t stream_backlog(const struct chardev *chardev)
{
    return ((const struct stream *)chardev)->out_count;
}

void stream_drain(struct stream *s, int patience_ms)
{
    if (!s)
        return;
    flush(s);
    while (s->out_count && s->output.fd >= 0) {
        struct pollfd fd = {.fd = s->output.fd, .events = POLLOUT};
        if (poll(&fd, 1, patience_ms) <= 0)
            return;
        flush(s);
    }
}

const char *stream_lost(const struct stream *s, char *message, size_t size)
{
    if (!s || !s->lost)
        return NULL;
    snprintf(message, size, "%s %s: output was lost: %s", s->option, s->where, strerror(s->lost));
    return message;
}

/* --- input -------------------------------------------------------------------------------------------------------- */

/* Hands the front end what it can take. */
static void deliver(struct stream *s)
{
    struct chardev *c = &s->chardev;

    while (s->in_count && c->receive) {
        size_t room = c->can_receive ? c->can_receive(c->device) : s->in_count;
        size_t count = s->in_count < room ? s->in_count : room;
        if (count > STREAM_INPUT_BYTES - s->in_first)
            count = STREAM_INPUT_BYTES - s->in_first;
        if (!count)
            break;
        const uint8_t *bytes = s->in + s->in_first;
        s->in_first = (s->in_first + (unsigned)count) % STREAM_INPUT_BYTES;
        s->in_count -= (unsigned)count;
        c->receive(c->device, bytes, count);
    }
    if (s->input.fd >= 0 && s->in_count < STREAM_INPUT_BYTES && !s->input.events) {
        s->input.events = POLLIN;
        event_loop_wake(s->config.loop);
    }
}

static void stream_ready(struct chardev *chardev)
{
    struct stream *s = (struct stream *)chardev;
    if (s->in_count)
        deliver(s);
}

static void push(struct stream *s, uint8_t byte)
{
    if (s->in_count == STREAM_INPUT_BYTES)
        return;
    s->in[(s->in_first + s->in_count++) % STREAM_INPUT_BYTES] = byte;
}

void stream_inject(struct stream *s, uint8_t byte)
{
    push(s, byte);
    deliver(s);
}

/* A byte that was typed: the control keys are ours, the rest the guest's. */
static void typed(struct stream *s, uint8_t byte)
{
    if (s->keys && !s->escaped && byte == STREAM_ESCAPE) {
        s->escaped = true;
    } else if (s->escaped && byte != STREAM_ESCAPE) {
        s->escaped = false;
        s->config.key(s->config.context, s, (char)byte);
    } else {
        s->escaped = false;
        if (s->to_second)
            s->second.receive(s->second.device, &byte, 1);
        else
            push(s, byte);
    }
}

void stream_switch(struct stream *s)
{
    if (!s->second.receive)
        return;
    s->to_second = !s->to_second;
    if (s->second.connected)
        s->second.connected(s->second.device, s->to_second);
}

void stream_tell_connected(struct stream *s, bool connected)
{
    if (s->chardev.connected)
        s->chardev.connected(s->chardev.device, connected);
}

bool stream_connected(const struct stream *s)
{
    return s->output.fd >= 0;
}

static void close_source(struct stream *s, struct event_source *source)
{
    event_loop_remove(s->config.loop, source);
    if (source->fd > STDERR_FILENO)
        close(source->fd);
    source->fd = -1;
    source->events = 0;
}

/* The client of a socket went; another may follow. */
static void client_gone(struct stream *s)
{
    close_source(s, &s->output);
    s->out_count = s->in_count = 0;
    release_output(s);
    s->listener.events = POLLIN;
    stream_tell_connected(s, false);
}

/* End of input. A socket's client may still read what waits for it. */
static void input_ended(struct stream *s)
{
    close_source(s, &s->input);
    if (s->listener.fd >= 0 && !s->out_count)
        client_gone(s);
}

static void on_writable(void *context, short events)
{
    struct stream *s = context;

    if (events & (POLLERR | POLLHUP))
        s->out_count = 0;
    flush(s);
    if (s->listener.fd >= 0 && s->input.fd < 0 && !s->out_count)
        client_gone(s);
}

static void on_readable(void *context, short events)
{
    struct stream *s = context;
    uint8_t bytes[STREAM_INPUT_BYTES];
    (void)events;

    ssize_t n = read(s->input.fd, bytes, STREAM_INPUT_BYTES - s->in_count);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        input_ended(s);
        return;
    }
    for (ssize_t i = 0; i < n; i++)
        if (!s->telnet || stream_telnet_data(s, bytes[i]))
            typed(s, bytes[i]);
    if (s->in_count == STREAM_INPUT_BYTES)
        s->input.events = 0;
    deliver(s);
}

/* --- kinds -------------------------------------------------------------------------------------------------------- */

int stream_watch(struct stream *s, int input, int output, struct error *err)
{
    s->input = (struct event_source){.fd = input, .events = POLLIN, .ready = on_readable, .context = s};
    s->output = (struct event_source){.fd = output, .ready = on_writable, .context = s};
    if ((input >= 0 && event_loop_add(s->config.loop, &s->input)) ||
        (output >= 0 && event_loop_add(s->config.loop, &s->output)))
        return error_set(err, -ENOSPC, "too many character devices; use fewer");
    return 0;
}

static int open_standard(struct stream *s, struct error *err)
{
    struct stat st = {0};
    int output = STDOUT_FILENO;

    /* A file description of our own can be non-blocking without doing that to the shell's. */
    if (!fstat(STDOUT_FILENO, &st) && (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode))) {
        int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0) {
            output = fd;
            s->non_blocking = true;
        }
    }
    if (S_ISREG(st.st_mode))
        s->non_blocking = true;
    return stream_watch(s, fcntl(STDIN_FILENO, F_GETFL) < 0 ? -1 : STDIN_FILENO, output, err);
}

static int open_file(struct stream *s, const char *option, const char *path, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0)
        return error_set(err, -errno, "%s file:%s: %s; check the path and its permissions", option, path,
                         strerror(errno));
    s->non_blocking = true;
    return stream_watch(s, -1, fd, err);
}

static int open_pty(struct stream *s, const char *option, char *notice, size_t notice_size, struct error *err)
{
    char name[128];
    int master;
    struct termios mode;

    /* The slave stays open here, so that the master never reports a hang-up while nobody uses it. */
    if (openpty(&master, &s->pty_slave, NULL, NULL, NULL) || ttyname_r(s->pty_slave, name, sizeof(name)))
        return error_set(err, -errno, "%s pty: %s; is /dev/pts mounted?", option, strerror(errno));
    if (!tcgetattr(s->pty_slave, &mode)) {
        cfmakeraw(&mode);
        tcsetattr(s->pty_slave, TCSANOW, &mode);
    }
    fcntl(master, F_SETFL, O_NONBLOCK);
    fcntl(master, F_SETFD, FD_CLOEXEC);
    s->non_blocking = s->terminal = true;
    snprintf(notice, notice_size, "char device redirected to %s", name);
    return stream_watch(s, master, fcntl(master, F_DUPFD_CLOEXEC, 0), err);
}

/* One end of a pair of sockets is ours, the other the window's. */
static int open_window(struct stream *s, const char *option, struct error *err)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
        return error_set(err, -errno, "%s vc: %s", option, strerror(errno));
    s->window_end = ends[1];
    s->non_blocking = true;
    s->terminal = true;
    return stream_watch(s, ends[0], fcntl(ends[0], F_DUPFD_CLOEXEC, 0), err);
}

int stream_create(struct stream **stream, const char *option, const char *where, const struct stream_config *config,
                  char *notice, size_t notice_size, struct error *err)
{
    int r = 0;

    *stream = NULL;
    notice[0] = 0;
    if (!strcmp(where, "none"))
        return 0;
    struct stream *s = calloc(1, sizeof(*s));
    if (!s)
        return error_set(err, -ENOMEM, "no memory for a character device");
    s->out = malloc(OUT_FIRST);
    if (!s->out) {
        free(s);
        return error_set(err, -ENOMEM, "no memory for a character device");
    }
    s->out_capacity = OUT_FIRST;
    s->option = option;
    s->where = where;
    s->config = *config;
    s->chardev.send = stream_send;
    s->chardev.ready = stream_ready;
    s->chardev.backlog = stream_backlog;
    s->second.send = second_send;
    s->input.fd = s->output.fd = s->listener.fd = s->pty_slave = s->window_end = -1;
    if (config->clock)
        vtimer_init(&s->flush_timer, config->clock, on_flush_timer, s);
    if (!strcmp(where, "stdio") || !strcmp(where, "mon:stdio")) {
        s->keys = where[0] == 'm';
        s->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
        r = open_standard(s, err);
    } else if (!strncmp(where, "file:", 5)) {
        r = open_file(s, option, where + 5, err);
    } else if (!strcmp(where, "pty")) {
        r = open_pty(s, option, notice, notice_size, err);
    } else if (!strcmp(where, "vc")) {
        r = open_window(s, option, err);
    } else if (stream_names_socket(where)) {
        r = stream_open_socket(s, err);
    } else if (strcmp(where, "null")) {
        r = error_set(err, -EINVAL,
                      "%s %s: unknown; there are mon:stdio, stdio, vc, null, none, pty, file:PATH, "
                      "unix:PATH, tcp:HOST:PORT and telnet:HOST:PORT (,server=on,wait=off listens)",
                      option, where);
    }
    if (r)
        stream_destroy(s);
    else
        *stream = s;
    return r;
}

void stream_leave_socket(struct stream *s)
{
    free(s->socket_path);
    s->socket_path = NULL;
}

void stream_destroy(struct stream *s)
{
    if (!s)
        return;
    if (s->config.clock)
        vtimer_cancel(&s->flush_timer);
    close_source(s, &s->input);
    close_source(s, &s->output);
    close_source(s, &s->listener);
    if (s->pty_slave >= 0)
        close(s->pty_slave);
    if (s->window_end >= 0)
        close(s->window_end);
    if (s->socket_path)
        unlink(s->socket_path);
    free(s->socket_path);
    free(s->out);
    free(s);
}
