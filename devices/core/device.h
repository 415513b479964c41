/*
 * What every device declares: a name, its reset, and its state as named, versioned fields (for snapshots and for
 * tests).
 *
 * Derived state is never a field. A device is created by its own `<chip>_create(struct <chip>_config)` function,
 * because each needs other wires; the class is what the machine needs of all of them alike.
 */
#ifndef RING3_DEVICES_DEVICE_H
#define RING3_DEVICES_DEVICE_H

#include "cpu-model/base/types.h"

struct field {
    const char *name;
    uint32_t offset; /* in the device's state struct */
    uint16_t size;   /* bytes of one element: 1, 2, 4 or 8; or any, for opaque bytes (count 1) */
    uint32_t count;
};

#define FIELD(type, member)                                                                                            \
    {                                                                                                                  \
#member, offsetof(type, member), sizeof(((type *)0)->member), 1                                                \
    }
#define FIELD_ARRAY(type, member)                                                                                      \
    {                                                                                                                  \
#member, offsetof(type, member), sizeof(((type *)0)->member[0]), ARRAY_LEN(((type *)0)->member)                \
    }

struct device_class {
    const char *name;
    uint16_t version;
    void (*reset)(void *device);
    void (*destroy)(void *device);  /* may be null: nothing to give back */
    void (*restored)(void *device); /* after fields were loaded: recompute derived state; may be null */
    const struct field *fields;
    unsigned field_count;
};

#endif
