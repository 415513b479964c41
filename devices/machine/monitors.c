/*
 * Which monitors a machine has: what the options ask for, and one behind Ctrl-a c of a serial port with control keys.
 *
 * Invariant: a monitor is destroyed before the stream it talks over. Thread: with the machine lock held.
 */
#include "devices/machine/machine_int.h"
#include "devices/machine/monitor.h"
#include "devices/machine/qmp.h"

#include <errno.h>
#include <string.h>

int machine_create_monitors(struct machine *m, struct error *err)
{
    const struct stream_config config = {.loop = &m->loop, .output_max = STREAM_OUTPUT_MAX_MONITOR, .context = m};

    struct machine_options *o = &m->options;
    if (o->window && !o->monitor_given && o->monitors < MACHINE_MONITORS)
        o->monitor[o->monitors++].where = "vc";
    for (unsigned i = 0; i < m->options.monitors; i++) {
        const char *where = m->options.monitor[i].where;
        const char *option = m->options.monitor[i].qmp ? "-qmp" : "-monitor";
        struct stream **stream = &m->monitor_stream[i];
        if (!strncmp(where, "mon:", 4))
            return error_set(err, -EINVAL, "%s %s: a monitor has no monitor behind it; write %s %s", option, where,
                             option, where + 4);
        int r = machine_create_stream(m, stream, option, where, &config, err);
        if (r)
            return r;
        struct chardev *chardev = &(*stream)->chardev;
        if (m->options.monitor[i].qmp ? !qmp_create(m, chardev) : !monitor_create(m, chardev, (*stream)->terminal))
            return error_set(err, -ENOMEM, "no memory for %s", option);
    }
    return 0;
}

int machine_create_key_monitors(struct machine *m, struct error *err)
{
    for (unsigned i = 0; i < MACHINE_SERIALS; i++) {
        struct stream *s = m->serial[i];
        if (s && s->keys && !monitor_create(m, &s->second, s->terminal))
            return error_set(err, -ENOMEM, "no memory for a monitor");
    }
    return 0;
}

void machine_destroy_monitors(struct machine *m)
{
    while (m->monitors)
        monitor_destroy(m->monitors);
    while (m->qmps)
        qmp_destroy(m->qmps);
    for (unsigned i = 0; i < MACHINE_MONITORS; i++)
        stream_destroy(m->monitor_stream[i]);
}

void machine_start_monitors_locked(struct machine *m)
{
    for (unsigned i = 0; i < MACHINE_MONITORS; i++) {
        struct stream *s = m->monitor_stream[i];
        if (s && stream_connected(s) && s->listener.fd < 0)
            s->chardev.connected(s->chardev.device, true);
    }
}

void machine_serve_monitors_locked(struct machine *m)
{
    for (unsigned i = 0; i < MACHINE_MONITORS; i++)
        if (m->monitor_stream[i])
            m->monitor_stream[i]->chardev.ready(&m->monitor_stream[i]->chardev);
}
