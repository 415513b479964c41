/*
 * Fuzz target: both monitors. The first byte chooses lines of the human monitor on a terminal, not on one, or QMP's
 * JSON; the rest is what comes in. The machine stands still; commands that open files get /dev/null.
 */
#include "tests/fuzz/fuzz_machine.h"
#include "tests/fuzz/script.h"

#include "devices/machine/monitor.h"
#include "devices/machine/qmp.h"

#include <fcntl.h>
#include <stdio.h>

/* Linked with --wrap: the commands' own calls come here. */
int __wrap_open(const char *path, int flags, ...);
int __real_open(const char *path, int flags, ...);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__real_fopen(const char *path, const char *mode);

static bool files_are_null;

int __wrap_open(const char *path, int flags, ...)
{
    return files_are_null ? __real_open("/dev/null", O_RDWR | O_CLOEXEC) : __real_open(path, flags, 0600);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    return __real_fopen(files_are_null ? "/dev/null" : path, mode);
}

static void ignore(struct chardev *chardev, const uint8_t *bytes, size_t count)
{
    (void)chardev;
    for (size_t i = 0; i < count; i++) /* reads them, for the sanitizers */
        *(volatile const uint8_t *)&bytes[i];
}

static void feed(struct chardev *chardev, const uint8_t *data, size_t size)
{
    if (chardev->connected)
        chardev->connected(chardev->device, true);
    for (size_t done = 0; done < size;) {
        size_t n = chardev->can_receive(chardev->device);
        if (!n)
            break;
        if (n > size - done)
            n = size - done;
        chardev->receive(chardev->device, data + done, n);
        done += n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char greeting[] = "{\"execute\":\"qmp_capabilities\"}";
    struct chardev chardev = {.send = ignore};
    struct machine *m = fuzz_machine();

    if (!size)
        return 0;
    files_are_null = true;
    pthread_mutex_lock(&m->lock);
    fuzz_machine_reset_locked(m);
    if (data[0] % 3 < 2) {
        struct monitor *monitor = monitor_create(m, &chardev, data[0] % 3);
        feed(&chardev, data + 1, size - 1);
        if (monitor)
            monitor_destroy(monitor);
    } else {
        struct qmp *qmp = qmp_create(m, &chardev);
        if (!(data[0] & 0x80))
            feed(&chardev, (const uint8_t *)greeting, sizeof(greeting) - 1);
        feed(&chardev, data + 1, size - 1);
        if (qmp)
            qmp_destroy(qmp);
    }
    block_queue_deliver(&m->block_queue);
    pthread_mutex_unlock(&m->lock);
    files_are_null = false;
    return 0;
}
