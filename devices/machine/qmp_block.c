/*
 * QMP's drives: query-block, eject, change, blockdev-change-medium. See qmp_int.h and media.h.
 *
 * Thread: the main thread, with the machine lock held.
 */
#include "devices/machine/media.h"
#include "devices/machine/qmp_int.h"

#include <errno.h>
#include <string.h>

static json_t *describe_medium(const struct media *media)
{
    const char *path = block_path(media->block);
    json_t *image = json_pack("{s:s,s:s,s:I,s:b}", "filename", path, "format", "raw", "virtual-size",
                              (json_int_t)block_size(media->block), "dirty-flag", 0);
    return json_pack("{s:s,s:s,s:b,s:o,s:b,s:s,s:i,s:i}", "file", path, "drv", "raw", "ro",
                     block_readonly(media->block), "image", image, "encrypted", 0, "detect_zeroes", "off",
                     "backing_file_depth", block_snapshot(media->block) ? 1 : 0, "write_threshold", 0);
}

int qmp_query_block(struct qmp_call *call, json_t **result, struct error *err)
{
    struct media media;
    (void)err;

    *result = json_array();
    for (unsigned at = 0; media_next(call->machine, &at, &media);) {
        json_t *drive = json_pack("{s:s,s:s,s:s,s:b,s:b}", "device", media.name, "qdev", media.name, "type", "unknown",
                                  "removable", media.removable, "locked", media.locked);
        if (media.removable)
            json_object_set_new(drive, "tray_open", json_boolean(media.tray_open));
        if (media.block) {
            json_object_set_new(drive, "inserted", describe_medium(&media));
            json_object_set_new(drive, "io-status", json_string("ok"));
        }
        json_array_append_new(*result, drive);
    }
    return 0;
}

/* The drive that "device" or "id" names. */
static int find(struct qmp_call *call, struct media *media, struct error *err)
{
    const char *name = json_string_value(json_object_get(call->arguments, "device"));
    if (!name)
        name = json_string_value(json_object_get(call->arguments, "id"));
    if (!name)
        return error_set(err, -EINVAL, "Parameter 'id' is missing");
    if (media_find(call->machine, name, media))
        return 0;
    call->class = QMP_DEVICE_NOT_FOUND;
    return error_set(err, -ENODEV, "Device '%.100s' not found", name);
}

static bool flag(const struct qmp_call *call, const char *name)
{
    return json_is_true(json_object_get(call->arguments, name));
}

int qmp_eject(struct qmp_call *call, json_t **result, struct error *err)
{
    struct media media;
    (void)result;
    int r = find(call, &media, err);
    return r ? r : media_eject(call->machine, &media, flag(call, "force"), err);
}

static int change(struct qmp_call *call, const char *path, struct error *err)
{
    const char *format = json_string_value(json_object_get(call->arguments, "format"));
    const char *mode = json_string_value(json_object_get(call->arguments, "read-only-mode"));
    enum media_access access = MEDIA_RETAIN;
    struct media media;

    if (format && strcmp(format, "raw"))
        return error_set(err, -ENOTSUP, "Unknown driver '%.40s'; there is raw", format);
    if (mode && !strcmp(mode, "read-only"))
        access = MEDIA_READ_ONLY;
    else if (mode && !strcmp(mode, "read-write"))
        access = MEDIA_READ_WRITE;
    else if (mode && strcmp(mode, "retain"))
        return error_set(err, -EINVAL, "Parameter 'read-only-mode' does not accept value '%.40s'", mode);
    int r = find(call, &media, err);
    return r ? r : media_change(call->machine, &media, path, access, flag(call, "force"), err);
}

int qmp_change_medium(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    return change(call, json_string_value(json_object_get(call->arguments, "filename")), err);
}

int qmp_change(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    return change(call, json_string_value(json_object_get(call->arguments, "target")), err);
}
