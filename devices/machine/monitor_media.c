/*
 * The human monitor's drives: info block, eject, change. See media.h.
 *
 * Thread: the main thread, lock and vCPU held.
 */
#include "devices/machine/media.h"
#include "devices/machine/monitor_int.h"

#include <errno.h>
#include <string.h>

static int find(struct monitor_call *call, const char *name, struct media *media, struct error *err)
{
    if (media_find(call->machine, name, media))
        return 0;
    return error_set(err, -ENODEV, "Device '%s' not found; \"info block\" lists them", name);
}

int monitor_info_block(struct monitor_call *call, struct error *err)
{
    struct media media;
    (void)err;

    for (unsigned at = 0, shown = 0; media_next(call->machine, &at, &media); shown++) {
        fprintf(call->out, "%s%s: ", shown ? "\n" : "", media.name);
        if (media.block)
            fprintf(call->out, "%s (raw%s%s)\n", block_path(media.block),
                    block_readonly(media.block) ? ", read-only" : "", block_snapshot(media.block) ? ", snapshot" : "");
        else
            fprintf(call->out, "[not inserted]\n");
        if (media.removable)
            fprintf(call->out, "    Removable device: %slocked, tray %s\n", media.locked ? "" : "not ",
                    media.tray_open ? "open" : "closed");
        if (media.block)
            fprintf(call->out, "    Size:             %llu bytes\n", (unsigned long long)block_size(media.block));
    }
    return 0;
}

int monitor_eject(struct monitor_call *call, struct error *err)
{
    struct media media;
    int r = find(call, call->arg[1].text, &media, err);
    return r ? r : media_eject(call->machine, &media, call->arg[0].given, err);
}

int monitor_change(struct monitor_call *call, struct error *err)
{
    enum media_access access = MEDIA_RETAIN;
    const char *format = call->arg[3].text, *mode = call->arg[4].text;
    struct media media;

    if (format && strcmp(format, "raw"))
        return error_set(err, -ENOTSUP, "Unknown driver '%s'; there is raw", format);
    if (mode && !strcmp(mode, "read-only"))
        access = MEDIA_READ_ONLY;
    else if (mode && !strcmp(mode, "read-write"))
        access = MEDIA_READ_WRITE;
    else if (mode && strcmp(mode, "retain"))
        return error_set(err, -EINVAL, "'%s' is no access; there are retain, read-only and read-write", mode);
    int r = find(call, call->arg[1].text, &media, err);
    return r ? r : media_change(call->machine, &media, call->arg[2].text, access, call->arg[0].given, err);
}
