/*
 * What a window needs of the machine beyond its life cycle: the user interface under the lock, consoles, monitor
 * commands, and text typed as keys.
 *
 * Threads: any; each call takes the lock.
 */
#include "devices/machine/machine_int.h"
#include "devices/machine/monitor.h"

enum { TYPE_HOLD_MS = 12 };

struct ui *machine_lock_ui(struct machine *m)
{
    pthread_mutex_lock(&m->lock);
    return &m->ui;
}

void machine_unlock_ui(struct machine *m)
{
    event_loop_set_timer(&m->loop, machine_next_deadline(m)); /* input may have armed timers */
    pthread_mutex_unlock(&m->lock);
}

int machine_console(struct machine *m, enum machine_console console)
{
    int fd = -1;

    pthread_mutex_lock(&m->lock);
    struct stream **streams = console == MACHINE_CONSOLE_SERIAL ? m->serial : m->monitor_stream;
    unsigned count = console == MACHINE_CONSOLE_SERIAL ? MACHINE_SERIALS : MACHINE_MONITORS;
    for (unsigned i = 0; i < count && fd < 0; i++)
        if (streams[i])
            fd = streams[i]->window_end;
    pthread_mutex_unlock(&m->lock);
    return fd;
}

int machine_command(struct machine *m, const char *line, char **output)
{
    pthread_mutex_lock(&m->lock);
    int r = monitor_execute(m, line, output);
    pthread_mutex_unlock(&m->lock);
    return r;
}

/* --- typing ------------------------------------------------------------------------------------------------------- */

/* The US keyboard's keys in the order of enum ui_key from UI_KEY_1 on, without and with Shift; 0: types nothing. */
static const char plain[] = "1234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./";
static const char shifted[] = "!@#$%^&*()_+\0\0QWERTYUIOP{}\0\0ASDFGHJKL:\"~\0|ZXCVBNM<>?";

/* The keys for a character: their number, 0 if there are none. */
static unsigned keys_for(char c, enum ui_key *keys)
{
    if (c == ' ') {
        keys[0] = UI_KEY_SPC;
        return 1;
    }
    for (unsigned i = 0; i < sizeof(plain) - 1; i++) {
        bool shift = shifted[i] == c;
        if (!c || (!shift && plain[i] != c))
            continue;
        keys[0] = shift ? UI_KEY_SHIFT : (enum ui_key)(UI_KEY_1 + i);
        keys[1] = (enum ui_key)(UI_KEY_1 + i);
        return shift ? 2 : 1;
    }
    return 0;
}

size_t machine_type(struct machine *m, const char *text)
{
    enum ui_key keys[2];
    size_t taken = 0;

    pthread_mutex_lock(&m->lock);
    for (; text[taken]; taken++) {
        char c = text[taken] == '\r' ? '\n' : text[taken];
        if (c == '\n' && taken && text[taken - 1] == '\r')
            continue;
        unsigned count = keys_for(c, keys);
        if (count && keyboard_queue_add(&m->keyboard, keys, count, TYPE_HOLD_MS))
            break;
    }
    pthread_mutex_unlock(&m->lock);
    return taken;
}
