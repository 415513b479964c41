/*
 * The human monitor's commands: the table, and those that are short. See monitor_int.h.
 *
 * Thread: the main thread, lock and vCPU held.
 */
#include "cpu-model/base/log.h"
#include "devices/machine/monitor_int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- the machine -------------------------------------------------------------------------------------------------- */

static int run_stop(struct monitor_call *call, struct error *err)
{
    (void)err;
    machine_stop_locked(call->machine);
    return 0;
}

static int run_cont(struct monitor_call *call, struct error *err)
{
    return machine_continue_locked(call->machine, err);
}

static int run_reset(struct monitor_call *call, struct error *err)
{
    (void)err;
    machine_reset_locked(call->machine, CAUSE_HOST_RESET);
    return 0;
}

static int run_powerdown(struct monitor_call *call, struct error *err)
{
    (void)err;
    machine_power_button_locked(call->machine);
    return 0;
}

static int run_quit(struct monitor_call *call, struct error *err)
{
    (void)err;
    machine_quit_locked(call->machine, 0, CAUSE_HOST_QUIT);
    return 0;
}

static int run_nmi(struct monitor_call *call, struct error *err)
{
    (void)err;
    machine_kick(call->machine, EVENT_NMI);
    return 0;
}

static int run_cpu(struct monitor_call *call, struct error *err)
{
    return call->arg[0].value ? error_set(err, -EINVAL, "invalid CPU index; there is CPU 0") : 0;
}

static int run_log(struct monitor_call *call, struct error *err)
{
    const char *bad;

    if (!strcmp(call->arg[0].text, "help")) {
        fprintf(call->out, "Log items, separated by commas, or none:\n");
#define X(name, symbol, help) fprintf(call->out, "  %-14s %s\n", name, help);
        LOG_ITEMS(X)
#undef X
        return 0;
    }
    unsigned old = __atomic_exchange_n(&log_mask, 0, __ATOMIC_RELAXED);
    if (!strcmp(call->arg[0].text, "none") || !log_enable(call->arg[0].text, &bad))
        return 0;
    __atomic_store_n(&log_mask, old, __ATOMIC_RELAXED);
    return error_set(err, -EINVAL, "unknown item '%.*s'; \"log help\" lists them", (int)strcspn(bad, ","), bad);
}

static int run_logfile(struct monitor_call *call, struct error *err)
{
    int r = log_open(call->arg[0].text);
    return r ? monitor_file_refused(call->machine, r, call->arg[0].text, err) : 0;
}

/* --- keys and pointer --------------------------------------------------------------------------------------------- */

/* A key by name, or by its number in QEMU's way: 0x and a scan code of set 1, which is Linux's number below 58h. */
static int key_of(const char *name)
{
    char *end;
    if (name[0] != '0' || name[1] != 'x')
        return ui_key_by_name(name);
    unsigned long number = strtoul(name, &end, 16);
    return !*end && number < 0x59 && ui_key_name((enum ui_key)number) ? (int)number : -1;
}

static int run_sendkey(struct monitor_call *call, struct error *err)
{
    enum ui_key keys[KEYBOARD_CHORD_MAX];
    uint64_t hold = call->arg[1].given ? call->arg[1].value : KEYBOARD_HOLD_MS;
    unsigned count = 0;
    char name[32];

    for (const char *at = call->arg[0].text; *at;) {
        size_t length = strcspn(at, "-");
        snprintf(name, sizeof(name), "%.*s", (int)length, at);
        int key = key_of(!strcmp(name, "<") ? "less" : name);
        if (key < 0)
            return error_set(err, -EINVAL, "invalid parameter: %s", name);
        if (count == KEYBOARD_CHORD_MAX)
            return error_set(err, -EINVAL, "too many keys; at most %d at once", KEYBOARD_CHORD_MAX);
        keys[count++] = (enum ui_key)key;
        at += length + (at[length] == '-');
    }
    if (hold > 60000)
        return error_set(err, -EINVAL, "a key is held for at most 60000 ms");
    int r = keyboard_queue_add(&call->machine->keyboard, keys, count, (uint32_t)hold);
    return r ? error_set(err, r, "too many keys wait already; try again a little later") : 0;
}

static int run_mouse_move(struct monitor_call *call, struct error *err)
{
    struct ui *ui = &call->machine->ui;
    int by[3] = {0}; /* as numbers, not expressions: "30 -20" are two */

    for (unsigned i = 0; i < ARRAY_LEN(by) && call->arg[i].given; i++) {
        char *end;
        long value = strtol(call->arg[i].text, &end, 0);
        if (!call->arg[i].text[0] || *end || value < -UI_POSITION_MAX || value > UI_POSITION_MAX)
            return error_set(err, -EINVAL, "invalid parameter: %s", call->arg[i].text);
        by[i] = (int)value;
    }
    if (by[0] || by[1])
        ui_motion(ui, by[0], by[1]);
    if (by[2])
        ui_wheel(ui, -by[2]); /* up is positive here */
    return 0;
}

static int run_mouse_button(struct monitor_call *call, struct error *err)
{
    struct machine *m = call->machine;
    static const enum ui_button buttons[] = {UI_BUTTON_LEFT, UI_BUTTON_RIGHT, UI_BUTTON_MIDDLE};
    uint64_t state = call->arg[0].value;

    if (state > 7)
        return error_set(err, -EINVAL, "a state is the sum of 1 left, 2 right, 4 middle");
    for (unsigned i = 0; i < ARRAY_LEN(buttons); i++)
        if ((state ^ m->monitor_buttons) >> i & 1)
            ui_button(&m->ui, buttons[i], state >> i & 1);
    m->monitor_buttons = (uint8_t)state;
    return 0;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

const struct monitor_command monitor_commands[] = {
    {"help|?", "command:t?", "show the help of one command, or of all", monitor_help},
    {"info", "what:t?", "show what is known; \"info\" alone lists", monitor_info},
    {"quit|q", "", "end the machine", run_quit},
    {"stop|s", "", "stop the processor and its time", run_stop},
    {"cont|c", "", "go on", run_cont},
    {"system_reset", "", "reset the machine, as its button does", run_reset},
    {"system_powerdown", "", "press the power button; the guest shuts down if it listens", run_powerdown},
    {"x", "fmt:/ addr:e", "show memory at a linear address: /count format size, such as x /10i $rip", monitor_x},
    {"xp", "fmt:/ addr:e", "show memory at a guest-physical address", monitor_xp},
    {"print|p", "fmt:/ expr:e", "show the value of an expression ($reg for registers)", monitor_print},
    {"i", "fmt:/ port:e", "read an I/O port: /b, /h or /w", monitor_in},
    {"o", "fmt:/ port:e value:e", "write to an I/O port", monitor_out},
    {"memsave", "addr:e size:e file:f", "save memory at a linear address to a file", monitor_memsave},
    {"pmemsave", "addr:e size:e file:f", "save memory at a guest-physical address to a file", monitor_pmemsave},
    {"gva2gpa", "addr:e", "show the guest-physical address of a linear one", monitor_gva2gpa},
    {"eject", "f:- device:s", "take the medium out of a drive (-f: even if the guest has locked it)", monitor_eject},
    {"change", "f:- device:s file:f format:s? access:s?",
     "put an image into a drive; access: retain, read-only or read-write", monitor_change},
    {"screendump", "file:f f:o", "save the screen; -f png or ppm (default: by the file's name, else ppm)",
     monitor_screendump},
    {"sendkey", "keys:s hold_ms:e?", "press keys together, such as ctrl-alt-delete", run_sendkey},
    {"mouse_move", "dx:s dy:s dz:s?", "move the mouse so far to the right and down; turn its wheel up", run_mouse_move},
    {"mouse_button", "state:e", "set the mouse's buttons: 1 left, 2 right, 4 middle", run_mouse_button},
    {"nmi", "", "a non-maskable interrupt", run_nmi},
    {"cpu", "index:e", "choose the processor that commands are about", run_cpu},
    {"log", "items:s", "log these items from now on, or none (\"log help\" lists them)", run_log},
    {"logfile", "file:f", "write the log to this file", run_logfile},
};
const unsigned monitor_command_count = ARRAY_LEN(monitor_commands);
