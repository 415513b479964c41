/*
 * Kernels that are gzip files: Debian ships Xen as one, and a boot loader would inflate it.
 *
 * Invariant: however small the file, no more than `max` bytes come out of it.
 * Thread: whoever loads a kernel. Source: RFC 1952, through zlib.
 */
#include "devices/machine/loader.h"

#include <errno.h>
#include <stdlib.h>
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16 /* zlib: the largest window, and a gzip header */, FIRST_SIZE = 1 << 20 };

/* Inflates all of `packed` into *out, which grows up to `max` and one more. */
static int inflate_all(z_stream *stream, struct blob *out, uint64_t max)
{
    for (uint64_t capacity = 0;;) {
        if (out->size == capacity) {
            if (capacity > max)
                return -EFBIG;
            capacity = capacity ? capacity * 2 : FIRST_SIZE;
            if (capacity > max)
                capacity = max + 1;
            uint8_t *data = realloc(out->data, capacity);
            if (!data)
                return -ENOMEM;
            out->data = data;
        }
        uint64_t room = capacity - out->size < 1u << 30 ? capacity - out->size : 1u << 30;
        stream->next_out = out->data + out->size;
        stream->avail_out = (uInt)room;
        int status = inflate(stream, Z_NO_FLUSH);
        out->size += room - stream->avail_out;
        if (status == Z_STREAM_END)
            return out->size > max ? -EFBIG : 0;
        if (status != Z_OK)
            return status == Z_MEM_ERROR ? -ENOMEM : -EILSEQ;
    }
}

int blob_inflate(struct blob *blob, uint64_t max)
{
    z_stream stream = {.next_in = blob->data, .avail_in = (uInt)blob->size};
    struct blob out = {0};

    if (blob->size < 2 || blob->data[0] != 0x1f || blob->data[1] != 0x8b)
        return 0;
    if (blob->size > UINT32_MAX)
        return -EFBIG;
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return -ENOMEM;
    int r = inflate_all(&stream, &out, max);
    inflateEnd(&stream);
    if (r) {
        blob_free(&out);
        return r;
    }
    blob_free(blob);
    *blob = out;
    return 0;
}
