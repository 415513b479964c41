/*
 * QMP's commands. See qmp_int.h; the schema is QEMU's.
 *
 * Thread: the main thread, with the machine lock held.
 */
#include "cpu-model/base/log.h"
#include "devices/machine/monitor.h"
#include "devices/machine/monitor_memory.h"
#include "devices/machine/monitor_screen.h"
#include "devices/machine/qmp_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *string_of(const struct qmp_call *call, const char *name)
{
    return json_string_value(json_object_get(call->arguments, name));
}

static uint64_t integer_of(const struct qmp_call *call, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(call->arguments, name));
}

/* --- questions ---------------------------------------------------------------------------------------------------- */

static int query_status(struct qmp_call *call, json_t **result, struct error *err)
{
    const struct machine *m = call->machine;
    (void)err;
    *result =
        json_pack("{s:b,s:b,s:s}", "running", !m->paused, "singlestep", 0, "status", machine_state_name(m->state));
    return 0;
}

static int query_version(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)call;
    (void)err;
    *result = qmp_version();
    return 0;
}

static int query_name(struct qmp_call *call, json_t **result, struct error *err)
{
    const char *name = call->machine->options.name;
    (void)err;
    *result = name ? json_pack("{s:s}", "name", name) : json_object();
    return 0;
}

static int query_kvm(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)call;
    (void)err;
    *result = json_pack("{s:b,s:b}", "enabled", 0, "present", 0);
    return 0;
}

static int query_cpus(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)call;
    (void)err;
    *result = json_pack("[{s:i,s:s,s:s,s:{s:i,s:i,s:i}}]", "cpu-index", 0, "qom-path", "/machine/cpu[0]", "target",
                        "x86_64", "props", "core-id", 0, "thread-id", 0, "socket-id", 0);
    return 0;
}

static int query_target(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)call;
    (void)err;
    *result = json_pack("{s:s}", "arch", "x86_64");
    return 0;
}

static int query_commands(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)call;
    (void)err;
    *result = json_array();
    json_array_append_new(*result, json_pack("{s:s}", "name", "qmp_capabilities"));
    for (unsigned i = 0; i < qmp_command_count; i++)
        json_array_append_new(*result, json_pack("{s:s}", "name", qmp_commands[i].name));
    return 0;
}

/* --- the machine -------------------------------------------------------------------------------------------------- */

static int run_stop(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    (void)err;
    machine_stop_locked(call->machine);
    return 0;
}

static int run_cont(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    return machine_continue_locked(call->machine, err);
}

static int run_reset(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    (void)err;
    machine_reset_locked(call->machine, CAUSE_HOST_RESET);
    return 0;
}

static int run_powerdown(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    (void)err;
    machine_power_button_locked(call->machine);
    return 0;
}

static int run_quit(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    (void)err;
    machine_quit_locked(call->machine, 0, CAUSE_HOST_QUIT);
    return 0;
}

static int run_inject_nmi(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    (void)err;
    machine_kick(call->machine, EVENT_NMI);
    return 0;
}

/* --- memory ------------------------------------------------------------------------------------------------------- */

static int save(struct qmp_call *call, bool physical, struct error *err)
{
    if (integer_of(call, "cpu-index"))
        return error_set(err, -EINVAL, "Parameter 'cpu-index' expects a CPU number");
    machine_hold_locked(call->machine);
    int r = monitor_save_memory(call->machine, integer_of(call, "val"), integer_of(call, "size"), physical,
                                string_of(call, "filename"), err);
    machine_release_locked(call->machine);
    return r;
}

static int run_memsave(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    return save(call, false, err);
}

static int run_pmemsave(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    return save(call, true, err);
}

/* --- the screen --------------------------------------------------------------------------------------------------- */

static int run_screendump(struct qmp_call *call, json_t **result, struct error *err)
{
    (void)result;
    if (integer_of(call, "head"))
        return error_set(err, -EINVAL, "there is head 0 only");
    return monitor_save_screen(call->machine, string_of(call, "filename"), string_of(call, "format"), err);
}

/* --- the human monitor -------------------------------------------------------------------------------------------- */

static int run_human(struct qmp_call *call, json_t **result, struct error *err)
{
    char *output;

    if (integer_of(call, "cpu-index"))
        return error_set(err, -EINVAL, "Parameter 'cpu-index' expects a CPU number");
    if (monitor_execute(call->machine, string_of(call, "command-line"), &output))
        return error_set(err, -ENOMEM, "no memory for the command's output");
    /* QEMU ends lines as on a terminal. */
    size_t length = strlen(output), newlines = 0, at = 0;
    for (size_t i = 0; i < length; i++)
        newlines += output[i] == '\n';
    char *text = malloc(length + newlines + 1);
    for (size_t i = 0; text && i < length; i++) {
        if (output[i] == '\n')
            text[at++] = '\r';
        text[at++] = output[i];
    }
    *result = text ? json_stringn(text, at) : NULL;
    free(text);
    free(output);
    return *result ? 0 : error_set(err, -EINVAL, "the command's output is not UTF-8");
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

const struct qmp_command qmp_commands[] = {
    {"query-status", "", query_status},
    {"query-version", "", query_version},
    {"query-name", "", query_name},
    {"query-kvm", "", query_kvm},
    {"query-cpus-fast", "", query_cpus},
    {"query-target", "", query_target},
    {"query-commands", "", query_commands},
    {"stop", "", run_stop},
    {"cont", "", run_cont},
    {"system_reset", "", run_reset},
    {"system_powerdown", "", run_powerdown},
    {"quit", "", run_quit},
    {"inject-nmi", "", run_inject_nmi},
    {"query-block", "", qmp_query_block},
    {"eject", "device:s? id:s? force:b?", qmp_eject},
    {"blockdev-change-medium", "device:s? id:s? filename:s format:s? force:b? read-only-mode:s?", qmp_change_medium},
    {"change", "device:s target:s arg:s?", qmp_change},
    {"screendump", "filename:s device:s? head:i? format:s?", run_screendump},
    {"send-key", "keys:a hold-time:i?", qmp_send_key},
    {"input-send-event", "device:s? head:i? events:a", qmp_input_send_event},
    {"memsave", "val:i size:i filename:s cpu-index:i?", run_memsave},
    {"pmemsave", "val:i size:i filename:s cpu-index:i?", run_pmemsave},
    {"human-monitor-command", "command-line:s cpu-index:i?", run_human},
};
const unsigned qmp_command_count = ARRAY_LEN(qmp_commands);
