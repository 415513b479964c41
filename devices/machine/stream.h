/*
 * Character back ends over file descriptors: standard input and output (with or without the control keys), a file, a
 * pseudo-terminal, a UNIX or TCP socket (a server for one client at a time, with or without telnet's protocol; or a
 * client), or nothing.
 *
 * Output is collected for a moment and written without ever blocking; what cannot be written yet waits in a buffer of
 * at most `output_max` bytes, and beyond that is dropped (and counted). Input is read only as fast as the front end
 * takes it.
 *
 * A stream with control keys can have a second front end, the monitor: Ctrl-a c says which of the two is typed to.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_MACHINE_STREAM_H
#define RING3_MACHINE_STREAM_H

#include "cpu-model/base/error.h"
#include "devices/core/chardev.h"
#include "devices/core/vclock.h"
#include "devices/machine/event_loop.h"

enum {
    STREAM_INPUT_BYTES = 4096,
    STREAM_OUTPUT_MAX = 1 << 20,          /* for a serial port */
    STREAM_OUTPUT_MAX_MONITOR = 64 << 20, /* dumps are long */
    STREAM_ESCAPE = 1,                    /* Ctrl-a */
};

struct stream;

struct stream_config {
    struct event_loop *loop;
    struct vclock *clock; /* for collecting output; null: it is written at once */
    size_t output_max;
    void *context;
    void (*key)(void *context, struct stream *stream, char key); /* after Ctrl-a, on mon:stdio: any key but Ctrl-a */
};

struct stream {
    struct chardev chardev; /* first */
    struct chardev second;  /* the monitor's, with `keys`; it must take whatever comes */
    bool to_second;         /* what is typed goes there */
    struct stream_config config;
    bool keys;     /* with control keys */
    bool terminal; /* somebody types and reads */
    bool escaped;  /* Ctrl-a was read */
    bool waits;    /* the machine starts when its first client is there */
    bool telnet;   /* bytes are as telnet's protocol has them */
    enum { TELNET_DATA, TELNET_COMMAND, TELNET_OPTION, TELNET_PARAMETERS, TELNET_PARAMETERS_COMMAND } telnet_state;
    bool non_blocking; /* output.fd never blocks; otherwise it is asked before each small write */
    struct event_source input, output, listener; /* fd -1: none */
    int pty_slave;
    int window_end;    /* of "vc": where the window reads and writes, or -1 */
    char *socket_path; /* to unlink */
    uint8_t in[STREAM_INPUT_BYTES];
    unsigned in_first, in_count;
    uint8_t *out;
    size_t out_first, out_count, out_capacity;
    uint64_t dropped;           /* bytes, for want of room */
    int lost;                   /* errno of the first write that failed although somebody was there */
    const char *option, *where; /* as given */
    struct vtimer flush_timer;
};

/*
 * Makes what a -serial argument describes. *stream is null for "none". notice (may be empty) gets a line for the user,
 * such as the name of the pseudo-terminal. Returns 0 or -errno with a message that starts with `option`.
 */
int stream_create(struct stream **stream, const char *option, const char *where, const struct stream_config *config,
                  char *notice, size_t notice_size, struct error *err);
void stream_destroy(struct stream *stream);

/* Somebody else removes its socket from the file system. */
void stream_leave_socket(struct stream *stream);

/* Writes out what waits; gives up after `patience_ms` without progress. */
void stream_drain(struct stream *stream, int patience_ms);

/* Null, or what output was lost for: then the message says where. */
const char *stream_lost(const struct stream *stream, char *message, size_t size);

/* Whether the machine shall not start before a client is there, and none is yet. `where` gets the place to connect to.
 */
bool stream_awaited(const struct stream *stream, char *where, size_t size);

/* Whether somebody may be at the other end now. */
bool stream_connected(const struct stream *stream);

/* Ctrl-a c: the other front end is typed to from now on. Does nothing without a second one. */
void stream_switch(struct stream *stream);

/* Input as if it had been typed. */
void stream_inject(struct stream *stream, uint8_t byte);

#endif
