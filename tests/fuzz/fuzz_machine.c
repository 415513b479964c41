/* See fuzz_machine.h. Thread: the fuzzer's one. */
#include "tests/fuzz/fuzz_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *__asan_default_options(void);

/* The machine is not a leak; the sanitizer does not look into shared mappings. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

/* An image of zeros, whose name is gone once it is open. The text is for good. */
static char *image(off_t size, const char *rest)
{
    char path[] = "/tmp/ring3-fuzz-XXXXXX", *option;
    int fd = mkstemp(path);
    if (fd < 0 || ftruncate(fd, size) || asprintf(&option, "file=/proc/self/fd/%d,%s", fd, rest) < 0) {
        perror("fuzz_machine: cannot make an image");
        exit(1);
    }
    unlink(path);
    return option;
}

struct machine *fuzz_machine(void)
{
    static struct machine *machine;
    struct machine_options options;
    struct error err;

    if (machine)
        return machine;
    char *argv[] = {
        "ring3",
        "-m",
        "8",
        "-accel",
        "interp",
        "-display",
        "none",
        "-monitor",
        "none",
        "-serial",
        "null",
        "-serial",
        "null",
        "-debugcon",
        "null",
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=0x04",
        "-global",
        "VGA.mmio=on",
        "-drive",
        image(1 << 20, "if=ide,index=0"),
        "-drive",
        image(1 << 20, "if=ide,index=1,readonly=on"),
        "-drive",
        image(1 << 20, "if=ide,index=2,media=cdrom"),
        "-drive",
        image(1474560, "if=floppy,index=0"),
        "-drive",
        image(256 << 10, "if=pflash,index=0"),
    };
    if (!options_parse(ARRAY_LEN(argv), argv, &options, &err))
        machine = machine_create(&options, &err);
    if (!machine) {
        fprintf(stderr, "fuzz_machine: %s\n", err.text);
        exit(1);
    }
    machine->clock.source = NULL; /* stepped from here on */
    machine->state = MACHINE_RUNNING;
    return machine;
}

void fuzz_machine_reset_locked(struct machine *m)
{
    struct error err;
    m->exiting = m->paused = m->reset_wanted = m->power_button = false;
    m->state = MACHINE_RUNNING;
    if (machine_boot_locked(m, &err)) {
        fprintf(stderr, "fuzz_machine: %s\n", err.text);
        abort();
    }
}
