/*
 * The command: options in, a machine run, its exit status out. All that is printed for the user is printed here.
 */
#include "cpu-model/base/log.h"
#include "cpu-model/exec/exec.h"
#include "devices/machine/machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *text)
{
    fprintf(stderr, "ring3: %s\n", text);
    return 1;
}

static void print_cpus(void)
{
    printf("CPU models; add or remove features as in -cpu max,-avx2:\n");
    for (unsigned i = 0; cpu_model_names[i]; i++)
        printf("  %s\n", cpu_model_names[i]);
    printf("Features:\n ");
#define X(symbol, word, bit, name) printf(" %s", name);
    CPU_FEATURES(X)
#undef X
    printf("\n");
}

static void print_log_items(void)
{
    printf("Log items for -d, separated by commas:\n");
#define X(name, symbol, help) printf("  %-14s %s\n", name, help);
    LOG_ITEMS(X)
#undef X
}

static void print_answer(enum options_action action)
{
    switch (action) {
    case OPTIONS_HELP:
        options_print_help(stdout);
        break;
    case OPTIONS_VERSION:
        printf("ring3 version " RING3_VERSION "\n");
        break;
    case OPTIONS_CPU_HELP:
        print_cpus();
        break;
    case OPTIONS_ACCEL_HELP:
        printf("Engines:\n  bt      translates guest code to host code (default)\n"
               "  interp  interprets one instruction at a time\n"
               "  verify  does both and compares: stops at the first difference\n"
               "Properties of bt:\n"
               "  tb-size=MB       size of the translation cache\n"
               "  without=A+B...   do without bmi2, pext, fsgsbase or windows (user pages mapped by the host's MMU),\n"
               "                   or without patience before windows open: slower or the same, never wrong\n"
               "  chaos=SEED       drop derived state at random, for tests\n");
        break;
    case OPTIONS_MACHINE_HELP:
        printf("Machines:\n  pc      a PC with APICs and ACPI (default)\n");
        break;
    case OPTIONS_LOG_HELP:
        print_log_items();
        break;
    case OPTIONS_RUN:
        break;
    }
}

static int start_log(const struct machine_options *options, struct error *err)
{
    const char *bad;

    if (options->log_items && log_enable(options->log_items, &bad))
        return error_set(err, -EINVAL, "-d %s: unknown item '%.*s'; -d help lists them", options->log_items,
                         (int)strcspn(bad, ","), bad);
    int r = options->log_file ? log_open(options->log_file) : 0;
    if (r)
        return error_set(err, r, "-D %s: %s; check the path and its permissions", options->log_file, strerror(-r));
    return 0;
}

/* Decides whether there will be a window. Returns 0, or -EINVAL with a message. */
static int choose_display(struct machine_options *options, struct error *err)
{
    if (options->display == DISPLAY_SDL && !frontend_sdl.usable())
        return error_set(err, -EINVAL,
                         "-display sdl: there is no display to open a window on; set DISPLAY, or use -nographic or "
                         "-display none");
    if (options->nographic || options->display == DISPLAY_NONE)
        return 0;
    options->window = frontend_sdl.usable();
    return 0;
}

static int run(struct machine *machine, const struct machine_options *options)
{
    struct error err;
    int status;

    if (!options->window && !options->nographic && options->display == DISPLAY_DEFAULT)
        fprintf(stderr, "ring3: no display, so no window: the serial console is here (set DISPLAY for a window; "
                        "-nographic or -display none if none is wanted)\n");
    if (!options->window)
        return machine_run(machine);
    return frontend_sdl.run(machine, options, &status, &err) ? fail(err.text) : status;
}

int main(int argc, char *argv[])
{
    struct machine_options options;
    struct error err;

    if (options_parse(argc, argv, &options, &err))
        return fail(err.text);
    if (options.action != OPTIONS_RUN) {
        print_answer(options.action);
        return fflush(stdout) ? fail("cannot write to standard output") : 0;
    }
    if (start_log(&options, &err))
        return fail(err.text);
    if (choose_display(&options, &err))
        return fail(err.text);
    struct machine *machine = machine_create(&options, &err);
    if (!machine)
        return fail(err.text);
    int status = run(machine, &options);
    if (machine_report(machine)[0])
        fail(machine_report(machine));
    machine_destroy(machine);
    return status;
}
