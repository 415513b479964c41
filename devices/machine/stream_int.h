/* What the files of streams share: stream.c (bytes in and out) and stream_socket.c (sockets and telnet). */
#ifndef RING3_MACHINE_STREAM_INT_H
#define RING3_MACHINE_STREAM_INT_H

#include "devices/machine/stream.h"

/* stream.c: starts watching the two, each of which may be -1. */
int stream_watch(struct stream *s, int input, int output, struct error *err);
void stream_tell_connected(struct stream *s, bool connected);

/* stream_socket.c */

/* Listens or connects as `where` says, if it names a socket. Returns 0, or -errno with a message. */
bool stream_names_socket(const char *where);
int stream_open_socket(struct stream *s, struct error *err);

/* Whether a byte from a telnet client is data. False: it belongs to a command. */
bool stream_telnet_data(struct stream *s, uint8_t byte);

enum { TELNET_IAC = 255 };

#endif
