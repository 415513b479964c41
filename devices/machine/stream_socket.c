/*
 * Sockets of streams: UNIX and TCP, listening or connecting, with or without telnet's protocol. See stream.h.
 *
 * Invariants: a listening socket is watched exactly while nobody is connected. One client at a time.
 * Thread: start-up; then whoever holds the machine lock. Sources: RFC 854 to 858 (telnet), QEMU's manual for the words.
 */
#include "devices/machine/stream_int.h"

#include "devices/machine/pairs.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FAILED(code, text, ...) error_set(err, code, "%s %s: " text, s->option, s->where, ##__VA_ARGS__)

/* --- telnet ------------------------------------------------------------------------------------------------------- */

enum { TELNET_SE = 240, TELNET_SB = 250, TELNET_WILL = 251, TELNET_WONT, TELNET_DO, TELNET_DONT };
enum { OPTION_BINARY = 0, OPTION_ECHO = 1, OPTION_SUPPRESS_GO_AHEAD = 3 };

/* One byte at a time in both directions, as it is, and no echo at the other end. */
static const uint8_t telnet_greeting[] = {
    TELNET_IAC, TELNET_WILL, OPTION_ECHO,   TELNET_IAC, TELNET_WILL, OPTION_SUPPRESS_GO_AHEAD,
    TELNET_IAC, TELNET_WILL, OPTION_BINARY, TELNET_IAC, TELNET_DO,   OPTION_BINARY};

bool stream_telnet_data(struct stream *s, uint8_t byte)
{
    switch (s->telnet_state) {
    case TELNET_DATA:
        s->telnet_state = byte == TELNET_IAC ? TELNET_COMMAND : TELNET_DATA;
        return byte != TELNET_IAC;
    case TELNET_COMMAND:
        s->telnet_state = byte == TELNET_SB                            ? TELNET_PARAMETERS
                          : byte >= TELNET_WILL && byte <= TELNET_DONT ? TELNET_OPTION
                                                                       : TELNET_DATA;
        return byte == TELNET_IAC; /* written twice */
    case TELNET_OPTION:
        s->telnet_state = TELNET_DATA;
        return false;
    case TELNET_PARAMETERS:
        if (byte == TELNET_IAC)
            s->telnet_state = TELNET_PARAMETERS_COMMAND;
        return false;
    case TELNET_PARAMETERS_COMMAND:
        s->telnet_state = byte == TELNET_SE ? TELNET_DATA : TELNET_PARAMETERS;
        return false;
    }
    return true;
}

/* --- connections -------------------------------------------------------------------------------------------------- */

/* From now on the stream's. Input and output end one after the other, so each has a descriptor. */
static int take_connection(struct stream *s, int fd, struct error *err)
{
    int output = fcntl(fd, F_DUPFD_CLOEXEC, 0), one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* fails on others, which need it not */
    if (output >= 0 && !stream_watch(s, fd, output, err))
        return 0;
    close(fd);
    if (output >= 0)
        close(output);
    event_loop_remove(s->config.loop, &s->input);
    event_loop_remove(s->config.loop, &s->output);
    s->input.fd = s->output.fd = -1;
    return -ENOSPC;
}

static void on_client(void *context, short events)
{
    struct stream *s = context;
    struct error err;
    (void)events;

    int fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || take_connection(s, fd, &err))
        return;
    s->listener.events = 0; /* one client at a time */
    if (s->telnet) {
        s->telnet_state = TELNET_DATA;
        ssize_t unused = write(fd, telnet_greeting, sizeof(telnet_greeting)); /* the socket is empty */
        (void)unused;
    }
    stream_tell_connected(s, true);
}

/* Watches a listening socket, which is now the stream's. */
static int listen_on(struct stream *s, int fd, struct error *err)
{
    s->non_blocking = true;
    s->listener = (struct event_source){.fd = fd, .events = POLLIN, .ready = on_client, .context = s};
    return event_loop_add(s->config.loop, &s->listener)
               ? error_set(err, -ENOSPC, "too many character devices; use fewer")
               : 0;
}

static int start_client(struct stream *s, int fd, struct error *err)
{
    s->non_blocking = true;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return take_connection(s, fd, err) ? error_set(err, -ENOSPC, "too many character devices; use fewer") : 0;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

struct words {
    bool server, waits, telnet;
};

/* ",server=on,wait=off" and so on: QEMU's spellings, old and new, in any order. */
static int parse_words(const struct stream *s, const char *text, struct words *words, struct error *err)
{
    struct pairs pairs = {.rest = text + (text[0] == ',')};
    bool on, wait_given = false;

    *words = (struct words){.waits = true, .telnet = !strncmp(s->where, "telnet:", 7)};
    while (pairs_next(&pairs)) {
        bool known = pairs_switch(&pairs, &on);
        if (!strcmp(pairs.key, "server")) {
            words->server = on;
        } else if (!strcmp(pairs.key, "wait") || !strcmp(pairs.key, "nowait")) {
            words->waits = on == (pairs.key[0] == 'w');
            wait_given = true;
        } else if (!strcmp(pairs.key, "telnet")) {
            words->telnet = on;
        } else if (strcmp(pairs.key, "nodelay")) { /* it never delays */
            known = false;
        }
        if (!known)
            return FAILED(-EINVAL, "'%s' is unknown; there are server=on, wait=off, telnet=on and nodelay=on",
                          pairs.key);
    }
    if (wait_given && !words->server)
        return FAILED(-EINVAL, "wait is for servers; add server=on to listen, or leave it out to connect");
    return 0;
}

/* Keeps what the words say for later. */
static void apply_words(struct stream *s, const struct words *words)
{
    s->waits = words->server && words->waits;
    s->telnet = words->telnet;
    s->terminal = words->telnet;
}

/* --- UNIX sockets ------------------------------------------------------------------------------------------------- */

static int listen_unix(struct stream *s, const struct sockaddr_un *address, struct error *err)
{
    struct stat st;

    if (!stat(address->sun_path, &st) && S_ISSOCK(st.st_mode))
        unlink(address->sun_path); /* left behind by an earlier run */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)address, sizeof(*address)) || listen(fd, 1)) {
        int code = -errno;
        if (fd >= 0)
            close(fd);
        return FAILED(code, "%s; check the path and its permissions", strerror(-code));
    }
    s->socket_path = strdup(address->sun_path);
    if (!s->socket_path) {
        close(fd);
        unlink(address->sun_path);
        return error_set(err, -ENOMEM, "no memory for a character device");
    }
    return listen_on(s, fd, err);
}

static int open_unix(struct stream *s, const char *text, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strcspn(text, ",");
    struct words words;

    int r = parse_words(s, text + length, &words, err);
    if (r)
        return r;
    if (!length || length >= sizeof(address.sun_path))
        return FAILED(-EINVAL, "the path must have 1 to %zu characters", sizeof(address.sun_path) - 1);
    memcpy(address.sun_path, text, length);
    apply_words(s, &words);
    if (words.server)
        return listen_unix(s, &address, err);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !connect(fd, (const struct sockaddr *)&address, sizeof(address)))
        return start_client(s, fd, err);
    int code = -errno;
    if (fd >= 0)
        close(fd);
    return FAILED(code, "cannot connect: %s; add server=on to listen there", strerror(-code));
}

/* --- TCP ---------------------------------------------------------------------------------------------------------- */

/* A socket that listens at, or is connected to, the first of the addresses that works; or -errno. */
static int tcp_socket(const struct addrinfo *addresses, bool server)
{
    int code = -EADDRNOTAVAIL, one = 1;

    for (const struct addrinfo *a = addresses; a; a = a->ai_next) {
        int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (server ? !bind(fd, a->ai_addr, a->ai_addrlen) && !listen(fd, 1) : !connect(fd, a->ai_addr, a->ai_addrlen)) {
            fcntl(fd, F_SETFL, O_NONBLOCK);
            return fd;
        }
        code = -errno;
        close(fd);
    }
    return code;
}

static int open_tcp(struct stream *s, const char *text, struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
    size_t length = strcspn(text, ",");
    struct words words;
    char host[256];

    int r = parse_words(s, text + length, &words, err);
    if (r)
        return r;
    snprintf(host, sizeof(host), "%.*s", (int)length, text);
    char *port = strrchr(host, ':'), *name = host;
    if (!port || !port[1] || length >= sizeof(host))
        return FAILED(-EINVAL, "names no port; write tcp:HOST:PORT");
    *port++ = 0;
    if (host[0] == '[' && port[-2] == ']') { /* IPv6 */
        port[-2] = 0;
        name++;
    }
    apply_words(s, &words);
    hints.ai_flags = words.server ? AI_PASSIVE : 0;
    r = getaddrinfo(name[0] ? name : NULL, port, &hints, &addresses);
    if (r)
        return FAILED(-EINVAL, "%s; check host and port", gai_strerror(r));
    int fd = tcp_socket(addresses, words.server);
    freeaddrinfo(addresses);
    if (fd < 0 && words.server)
        return FAILED(fd, "%s; choose another port or host", strerror(-fd));
    if (fd < 0)
        return FAILED(fd, "cannot connect: %s; add server=on to listen there", strerror(-fd));
    return words.server ? listen_on(s, fd, err) : start_client(s, fd, err);
}

/* --- kinds -------------------------------------------------------------------------------------------------------- */

bool stream_names_socket(const char *where)
{
    return !strncmp(where, "unix:", 5) || !strncmp(where, "tcp:", 4) || !strncmp(where, "telnet:", 7);
}

int stream_open_socket(struct stream *s, struct error *err)
{
    const char *text = strchr(s->where, ':') + 1;
    return s->where[0] == 'u' ? open_unix(s, text, err) : open_tcp(s, text, err);
}

bool stream_awaited(const struct stream *s, char *where, size_t size)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_storage largest;
    } address = {0};
    socklen_t length = sizeof(address);
    char host[64], port[16];

    if (!s->waits || stream_connected(s))
        return false;
    getsockname(s->listener.fd, &address.any, &length);
    if (address.any.sa_family == AF_UNIX)
        snprintf(where, size, "unix:%s", address.local.sun_path);
    else if (!getnameinfo(&address.any, length, host, sizeof(host), port, sizeof(port),
                          NI_NUMERICHOST | NI_NUMERICSERV))
        snprintf(where, size, address.any.sa_family == AF_INET6 ? "tcp:[%s]:%s" : "tcp:%s:%s", host, port);
    else
        snprintf(where, size, "%s", s->where);
    return true;
}
