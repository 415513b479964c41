/* QMP's commands: one table, from which arguments are checked too. */
#ifndef RING3_MACHINE_QMP_INT_H
#define RING3_MACHINE_QMP_INT_H

#include "devices/machine/machine_int.h"
#include "devices/machine/qmp.h"

#include <jansson.h>

enum qmp_class { QMP_GENERIC_ERROR, QMP_COMMAND_NOT_FOUND, QMP_DEVICE_NOT_FOUND, QMP_DEVICE_NOT_ACTIVE };

struct qmp_call {
    struct machine *machine;
    const json_t *arguments; /* an object, checked against the specification */
    enum qmp_class class;    /* of the error, if there is one */
};

struct qmp_command {
    const char *name;
    /* "name:kind" separated by spaces; kinds s string, i integer, b boolean, a array, o object; ? behind: optional. */
    const char *args;
    /* What is returned (null: an empty object) in *result. Returns 0 or -errno with a message. */
    int (*run)(struct qmp_call *call, json_t **result, struct error *err);
};

extern const struct qmp_command qmp_commands[];
extern const unsigned qmp_command_count;

/* Checks values against a specification. Returns 0, or -EINVAL with a message. */
int qmp_check(const char *specification, const json_t *values, struct error *err);

json_t *qmp_version(void);

#define QMP_COMMAND(name) int name(struct qmp_call *call, json_t **result, struct error *err)

/* qmp_block.c */
QMP_COMMAND(qmp_query_block);
QMP_COMMAND(qmp_eject);
QMP_COMMAND(qmp_change_medium);
QMP_COMMAND(qmp_change);

/* qmp_input.c */
QMP_COMMAND(qmp_send_key);
QMP_COMMAND(qmp_input_send_event);

#endif
