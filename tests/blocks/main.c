/*
 * Random blocks: programs in all modes on the interpreter and on an engine, which must agree on everything.
 *
 * blocks [--engine NAME] [--seed N] [--seconds S] [--first N] [--count N] [--show N]
 * A program is a function of seed and number, so that a failure is repeated with what its report prints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu-model/exec/disassemble.h"
#include "tests/blocks/generate.h"
#include "tests/instructions/watchdog.h"

enum { DEFAULT_SECONDS = 20, BUDGET = 4000 };

static const struct variant {
    const char *name;
    const struct engine_ops *engine;
    struct engine_config config;
} variants[] = {
    {"bt", &engine_bt, {.host_without = HOST_WINDOWS}},
    {"windows", &engine_bt, {.host_without = HOST_PATIENCE}},
    {"chaos", &engine_bt, {.chaos = 1}},
    {"verify", &engine_verify, {0}},
    {"verify-windows", &engine_verify, {.host_without = HOST_PATIENCE}},
    {"no-bmi2", &engine_bt, {.host_without = HOST_BMI2, .chaos = 1}},
    {"slow-pext", &engine_bt, {.host_without = HOST_FAST_PEXT, .chaos = 1}},
    {"interp", &engine_interp, {0}},
};

/* Code that was once executed wrongly. */
static const struct {
    const char *symptom;
    enum block_mode mode;
    uint8_t code[20];
} once_wrong[] = {
    {"a misaligned MOVDQA set the dirty bit before it faulted", MODE_64_USER, {0x66, 0x0f, 0x7f, 0x5e, 0x01}},
    {"so did CMPXCHG16B", MODE_64_KERNEL, {0x48, 0x0f, 0xc7, 0x0e}},
    /* push edx; pop es: and a load from there */
    {"POP ES of 32 bits took all of them for the base", MODE_V86, {0x66, 0x52, 0x66, 0x07, 0x26, 0x8a, 0x04}},
    {"the same in real mode, POP DS", MODE_REAL, {0x66, 0x52, 0x66, 0x1f, 0x8a, 0x04}},
};

struct run {
    const struct variant *variant;
    uint64_t seed, first, count;
    unsigned seconds, show;
    struct world world;
    uint64_t programs, modes[BLOCK_MODES], steps, left_out, failures, interrupts, late, system_calls, task_switches;
};

static void stop_vcpu(void *vcpu)
{
    vcpu_kick(vcpu, EVENT_STOP);
}

/* True: no difference, or nothing to compare. */
static bool check(struct run *run, struct program *program, char *text, size_t room, bool *left_out)
{
    program_layout(program);
    *left_out = !world_run_reference(&run->world, &program->start, BUDGET);
    if (*left_out)
        return true;
    world_run_tested(&run->world, &program->start);
    return world_same(&run->world, text, room);
}

static void shrink(struct run *run, struct program *program, char *text, size_t room)
{
    char scratch[4096];
    bool left_out;
    for (bool again = true; again;) {
        again = false;
        for (unsigned i = program->items; i-- > 0;) {
            if (program->item[i].dropped)
                continue;
            program->item[i].dropped = true;
            watchdog_begin(i);
            if (check(run, program, scratch, sizeof(scratch), &left_out)) {
                program->item[i].dropped = false;
            } else {
                again = true;
                snprintf(text, room, "%s", scratch);
            }
            watchdog_end();
        }
    }
    program_layout(program);
}

static void print_program(const struct program *program)
{
    static const char *const modes[BLOCK_MODES] = {"64-bit, kernel",           "64-bit, user",   "32-bit compatibility",
                                                   "16-bit compatibility",     "32-bit, kernel", "32-bit, user",
                                                   "16-bit protected, kernel", "virtual-8086",   "real"};
    const struct start *s = &program->start;
    unsigned code_size = mode_code_size(s->mode);
    printf("%s mode; flags %x, %u interrupts waiting, dr7 %llx%s\n", modes[s->mode], s->eflags, s->interrupts,
           (unsigned long long)s->dr7, s->fpu_off ? ", CR0.TS" : "");
    for (unsigned i = 0; i < (code_size == 8 ? 16u : 8u); i++)
        printf("%s%llx", i ? " " : "  ", (unsigned long long)s->gpr[i]);
    printf("\n");
    for (unsigned i = 0; i < program->items; i++) {
        const struct item *item = &program->item[i];
        char text[96];
        for (unsigned at = 0, length; at < item->length && !item->dropped; at += length) {
            uint32_t linear = program->address[i] + at;
            length = disassemble_one(item->bytes + at, item->length - at, linear, code_size, text, sizeof(text));
            printf("  %05x  %s\n", linear, text);
            if (!length)
                break;
        }
    }
}

static void fail(struct run *run, struct program *program, uint64_t number, char *text, size_t room)
{
    if (run->failures++ >= run->show)
        return;
    printf("FAILED program %llu before shrinking:\n%s", (unsigned long long)number, text);
    fflush(stdout);
    shrink(run, program, text, room);
    print_program(program);
    printf("%s  repeat: blocks --engine %s --seed %llu --first %llu --count 1\n\n", text, run->variant->name,
           (unsigned long long)run->seed, (unsigned long long)number);
    fflush(stdout);
}

static void count(struct run *run, const struct program *program, bool left_out)
{
    run->programs++;
    run->left_out += left_out;
    run->modes[program->start.mode] += !left_out;
    run->steps += left_out ? 0 : run->world.steps;
    run->interrupts += left_out ? 0 : run->world.talk.acknowledged;
    run->system_calls += left_out ? 0 : run->world.system_calls;
    run->task_switches += left_out ? 0 : run->world.task_switches;
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The program with `mov byte [DEVICE], n`, which raises an interrupt, before item `at`. False: no room. */
static bool interrupted(const struct program *program, struct program *with, unsigned at)
{
    if (program->items == ITEMS_MAX)
        return false;
    *with = *program;
    memmove(&with->item[at + 1], &with->item[at], (program->items - at) * sizeof(with->item[0]));
    program_interrupt_item(with, at);
    with->items++;
    for (unsigned i = 0; i < with->items; i++)
        with->item[i].target += i != at && with->item[i].target >= at;
    with->start.eflags |= FLAG_IF;
    return true;
}

/* An interrupt before each of its instructions, in turn. */
static void check_interrupts(struct run *run, const struct program *program, uint64_t number)
{
    static struct program with;
    char text[4096];
    bool left_out;
    for (unsigned at = 1; at < program->items && interrupted(program, &with, at); at++) {
        watchdog_begin(number);
        bool same = check(run, &with, text, sizeof(text), &left_out);
        watchdog_end();
        count(run, &with, left_out);
        if (!same)
            fail(run, &with, number, text, sizeof(text));
    }
}

/* An interrupt that comes at any time, a few times. What fails is not shrunk: it may not come again. */
static void check_late(struct run *run, struct program *program, uint64_t number, struct random *r)
{
    enum { TRIES = 4, LONGEST_NS = 80000 };
    char text[4096];
    program->start.eflags |= FLAG_IF;
    if (!world_run_reference(&run->world, &program->start, BUDGET))
        return; /* with interrupts on it is another program, and may run into data before that one comes */
    for (unsigned i = 0; i < TRIES; i++) {
        watchdog_begin(number);
        bool worth = world_run_late(&run->world, &program->start, BUDGET, 1 + (long)(random_word(r) % LONGEST_NS));
        bool same = !worth || world_same(&run->world, text, sizeof(text));
        watchdog_end();
        run->late += worth;
        if (same || run->failures++ >= run->show)
            continue;
        printf("FAILED program %llu with an interrupt at %llx, of %u tries:\n%s", (unsigned long long)number,
               (unsigned long long)run->world.late.moment.rip, TRIES, text);
        print_program(program);
        fflush(stdout);
    }
}

/* Each a few times, with registers and places by chance. */
static void run_known(struct run *run)
{
    static struct program program;
    struct random r = {run->seed};
    char text[4096];
    bool left_out;
    for (unsigned i = 0; i < ARRAY_LEN(once_wrong) * 16; i++) {
        unsigned size = sizeof(once_wrong[0].code), which = i / 16;
        while (!once_wrong[which].code[size - 1])
            size--;
        program_from_code(&program, once_wrong[which].mode, once_wrong[which].code, size, &r);
        watchdog_begin(i);
        bool same = check(run, &program, text, sizeof(text), &left_out);
        watchdog_end();
        count(run, &program, left_out);
        if (!same)
            printf("again: %s\n", once_wrong[which].symptom);
        if (!same)
            fail(run, &program, 0, text, sizeof(text));
    }
}

static void run_programs(struct run *run)
{
    static struct program program;
    double begin = seconds_now();
    for (uint64_t number = run->first; !run->count || number < run->first + run->count; number++) {
        char text[4096];
        bool left_out;
        struct random r = {run->seed * 0x9e3779b97f4a7c15ull ^ number * 0xd1342543de82ef95ull};
        random_word(&r);
        if (!run->count && seconds_now() - begin >= run->seconds)
            break;
        program_generate(&program, &r);
        watchdog_begin(number);
        bool same = check(run, &program, text, sizeof(text), &left_out);
        watchdog_end();
        count(run, &program, left_out);
        if (!same)
            fail(run, &program, number, text, sizeof(text));
        else if (number % 8 == 0)
            check_interrupts(run, &program, number);
        else if (number % 8 == 1 && !left_out)
            check_late(run, &program, number, &r);
    }
    printf("%llu programs in %.1f s\n", (unsigned long long)run->programs, seconds_now() - begin);
}

static int summary(struct run *run)
{
    char text[1024];
    printf("%llu left out (longer than %u steps, or shut down); by mode:", (unsigned long long)run->left_out, BUDGET);
    for (unsigned i = 0; i < BLOCK_MODES; i++)
        printf(" %llu", (unsigned long long)run->modes[i]);
    run->world.engine->report(run->world.tested, text, sizeof(text));
    printf(
        "\n%llu instructions, %llu fast system calls and returns, %llu task switches, %llu interrupts, %llu that came "
        "while the program ran\n%s\n%s: %llu failures\n",
        (unsigned long long)run->steps, (unsigned long long)run->system_calls, (unsigned long long)run->task_switches,
        (unsigned long long)run->interrupts, (unsigned long long)run->late, text, run->variant->name,
        (unsigned long long)run->failures);
    return run->failures ? 1 : 0;
}

static bool parse(int argc, char **argv, struct run *run)
{
    *run = (struct run){.variant = &variants[0], .seed = 1, .seconds = DEFAULT_SECONDS, .show = 5};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            return false;
        const char *name = argv[i];
        uint64_t value = strtoull(argv[i + 1], NULL, 0);
        bool known = false;
        for (unsigned v = 0; v < ARRAY_LEN(variants) && !strcmp(name, "--engine"); v++)
            if (!strcmp(variants[v].name, argv[i + 1])) {
                run->variant = &variants[v];
                known = true;
            }
        if (!strcmp(name, "--seed"))
            run->seed = value;
        else if (!strcmp(name, "--seconds"))
            run->seconds = (unsigned)value;
        else if (!strcmp(name, "--first"))
            run->first = value;
        else if (!strcmp(name, "--count"))
            run->count = value;
        else if (!strcmp(name, "--show"))
            run->show = (unsigned)value;
        else if (!known)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct run run;
    struct error err;
    if (!parse(argc, argv, &run)) {
        fprintf(stderr, "usage: blocks [--engine NAME] [--seed N] [--seconds S] [--first N] [--count N] [--show N]\n"
                        "engines:");
        for (unsigned i = 0; i < ARRAY_LEN(variants); i++)
            fprintf(stderr, " %s", variants[i].name);
        fprintf(stderr, "\n");
        return 2;
    }
    printf("blocks: engine %s, seed %llu\n", run.variant->name, (unsigned long long)run.seed);
    data_pool_fill(1);
    if (world_create(&run.world, run.variant->engine, &run.variant->config, &err)) {
        fprintf(stderr, "cannot make the world: %s\n", err.text);
        return 77;
    }
    watchdog_start(stop_vcpu, run.world.tested);
    run_known(&run);
    run_programs(&run);
    int status = summary(&run);
    world_destroy(&run.world);
    return status;
}
