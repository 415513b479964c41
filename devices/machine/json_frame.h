/*
 * Cuts a stream of bytes into JSON values, so that a parser sees whole ones only. Hostile input is bounded in length
 * and depth. QEMU's dialect: 'strings' in single quotes too.
 *
 * Thread: one at a time.
 */
#ifndef RING3_MACHINE_JSON_FRAME_H
#define RING3_MACHINE_JSON_FRAME_H

#include "cpu-model/base/types.h"

enum { JSON_FRAME_MAX = 1 << 20, JSON_FRAME_DEPTH = 1024 };

enum json_frame_result {
    JSON_FRAME_MORE,  /* go on */
    JSON_FRAME_VALUE, /* text[0..length) is one value, valid until the next byte */
    JSON_FRAME_ERROR, /* too long, too deep, or no value begins like this; it goes on with the next line or value */
};

struct json_frame {
    char *text;
    size_t length, capacity;
    unsigned depth;
    char quote; /* inside a string: what ends it */
    bool escaped;
    bool word;     /* inside a number or a literal at the top */
    bool complete; /* text is to be dropped with the next byte */
    bool skipping; /* after an error, to the end of the line */
};

void json_frame_destroy(struct json_frame *frame);

enum json_frame_result json_frame_byte(struct json_frame *frame, char byte);

#endif
