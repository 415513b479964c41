/*
 * Instruction tests: every form that the decoder accepts, and random sequences of them, on an engine and on the host's
 * own CPU; both must leave the same state.
 *
 * instructions [--engine interp|bt] [--seed N] [--seconds S] [--count N] [--first N] [--filter MNEMONIC]
 *              [--blocks PERCENT] [--show N] [--without HOST_BITS]
 * A case is a function of seed, number and filter, so that a failure is repeated with what its report prints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu-model/exec/exec.h"
#include "tests/instructions/compare.h"
#include "tests/instructions/watchdog.h"

enum { DEFAULT_SECONDS = 40 };

struct options {
    const struct engine_ops *engine;
    const char *filter;
    uint64_t seed, first, count;
    unsigned seconds, blocks, show;
    unsigned without; /* host features not to be used, HOST_* */
};

struct names { /* failures by mnemonic */
    char name[20];
    unsigned failures;
};

struct run {
    struct options options;
    struct oracle *oracle;
    struct lab lab;
    struct forms forms;
    struct program program[BATCHES][BATCH];
    uint64_t number[BATCHES][BATCH];
    uint64_t current; /* case that the engine runs */
    uint64_t cases, blocks, failures, unbuilt, died;
    uint64_t traps[32];
    uint8_t *covered;
    struct names names[512];
    unsigned name_count;
};

static void stop_vcpu(void *vcpu)
{
    vcpu_kick(vcpu, EVENT_STOP);
}

/* ---- cases ---- */

/* False: chance found nothing that can be encoded. */
static bool build(struct run *run, uint64_t number, struct program *program)
{
    struct random r = {run->options.seed * 0x9e3779b97f4a7c15ull ^ number * 0xd1342543de82ef95ull};
    const struct cpu_features *features = &run->lab.vcpu->features;
    memset(program, 0, sizeof(*program));
    random_word(&r);
    if (random_below(&r, 100) < run->options.blocks) {
        run->blocks++;
        return build_block(program, &run->forms, features, &r);
    }
    /* Forms in turn, in an order that mixes modes. */
    unsigned form = (unsigned)(number * 7919 % run->forms.count);
    run->covered[form] = 1;
    return build_single(program, &run->forms, form, features, &r);
}

static bool run_guest(struct run *run, const struct program *program, const struct slot *slot, char *text, size_t room)
{
    struct image guest;
    const char *why;
    lab_load(&run->lab, &program->experiment);
    watchdog_begin(run->current);
    bool ran = lab_run(&run->lab, &program->experiment, &guest, &why);
    watchdog_end();
    if (!ran) {
        snprintf(text, room, "  guest: %s at %llx\n", why, (unsigned long long)run->lab.vcpu->rip);
        return false;
    }
    return results_equal(&run->lab, program, slot, &guest, text, room);
}

/* One program at once, for shrinking: both batches are free. Dead oracle: counts as equal. */
static bool check_now(struct run *run, struct program *program, char *text, size_t room)
{
    struct batch *batch = oracle_batch(run->oracle, 0);
    program_layout(program);
    batch->count = 1;
    batch->slot[0].experiment = program->experiment;
    oracle_submit(run->oracle, 0);
    oracle_wait(run->oracle, 0);
    return batch->slot[0].died || run_guest(run, program, &batch->slot[0], text, room);
}

static void shrink(struct run *run, struct program *program, char *text, size_t room)
{
    char scratch[2048];
    for (bool again = program->items > 1; again;) {
        again = false;
        for (unsigned i = program->items; i-- > 0;) {
            if (program->item[i].dropped)
                continue;
            program->item[i].dropped = true;
            if (check_now(run, program, scratch, sizeof(scratch))) {
                program->item[i].dropped = false;
            } else {
                again = true;
                snprintf(text, room, "%s", scratch);
            }
        }
    }
    program_layout(program);
}

static bool worth_showing(struct run *run, const char *name)
{
    unsigned i = 0;
    while (i < run->name_count && strcmp(run->names[i].name, name))
        i++;
    if (i == run->name_count) {
        if (i == ARRAY_LEN(run->names))
            return false;
        snprintf(run->names[run->name_count++].name, sizeof(run->names[0].name), "%s", name);
    }
    return run->names[i].failures++ < run->options.show;
}

static void print_code(const struct program *program)
{
    const struct experiment *x = &program->experiment;
    unsigned offset = 0;
    char text[200];
    for (unsigned i = 0; i < program->items; i++) {
        const struct item *item = &program->item[i];
        if (item->dropped)
            continue;
        insn_text(lab_code_size(x->mode), item->bytes, item->length, x->before.rip + offset, text, sizeof(text));
        printf("  %08llx  %s\n", (unsigned long long)x->before.rip + offset, text);
        offset += item->length;
    }
}

static void report(struct run *run, struct program *program, uint64_t number, const char *text)
{
    static const char *const modes[LAB_MODES] = {"64-bit", "32-bit compatibility", "32-bit", "16-bit"};
    const struct options *o = &run->options;
    const struct experiment *x = &program->experiment;
    printf("FAILED %s: %s code, CPL %u%s\n", program->name, modes[x->mode], x->cpl, x->flush ? ", cold" : "");
    print_code(program);
    printf("  before: flags %08llx fcw %04x fsw %04x mxcsr %08x", (unsigned long long)x->before.flags,
           x->before.vector[0] | x->before.vector[1] << 8, x->before.vector[2] | x->before.vector[3] << 8,
           (unsigned)(x->before.vector[24] | x->before.vector[25] << 8));
    for (unsigned i = 0; i < (x->mode == LAB_64 ? 16u : 8u); i++)
        printf("%s%016llx", i % 8 ? " " : "\n   ", (unsigned long long)x->before.gpr[i]);
    printf("\n%s  repeat: instructions --engine %s --seed %llu --first %llu --count 1 --blocks %u%s%s\n\n", text,
           o->engine->name, (unsigned long long)o->seed, (unsigned long long)number, o->blocks,
           o->filter ? " --filter " : "", o->filter ? o->filter : "");
    fflush(stdout);
}

/* ---- batches ---- */

static void fill_batch(struct run *run, unsigned b, uint64_t *next, uint64_t end)
{
    struct batch *batch = oracle_batch(run->oracle, b);
    batch->count = 0;
    while (batch->count < BATCH && *next < end) {
        struct program *program = &run->program[b][batch->count];
        run->number[b][batch->count] = *next;
        if (!build(run, (*next)++, program)) {
            run->unbuilt++;
            continue;
        }
        batch->slot[batch->count++].experiment = program->experiment;
    }
    if (batch->count)
        oracle_submit(run->oracle, b);
}

struct failure {
    struct program program;
    uint64_t number;
    char text[2048];
};

static void check_batch(struct run *run, unsigned b, struct failure *failures, unsigned *failed)
{
    struct batch *batch = oracle_batch(run->oracle, b);
    if (!batch->count)
        return;
    oracle_wait(run->oracle, b);
    for (unsigned i = 0; i < batch->count; i++) {
        struct failure *f = &failures[*failed];
        struct slot *slot = &batch->slot[i];
        struct program *program = &run->program[b][i];
        if (slot->died) {
            run->died++;
            if (worth_showing(run, "(oracle died)")) {
                printf("the oracle died at case %llu\n", (unsigned long long)run->number[b][i]);
                print_code(program);
            }
            continue;
        }
        run->cases++;
        run->traps[slot->after.trap & 31]++;
        run->current = run->number[b][i];
        if (run_guest(run, program, slot, f->text, sizeof(f->text)))
            continue;
        run->failures++;
        f->program = *program;
        f->number = run->number[b][i];
        ++*failed;
    }
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void report_failures(struct run *run, struct failure *failures, unsigned failed)
{
    for (unsigned i = 0; i < failed; i++) {
        struct failure *f = &failures[i];
        if (!worth_showing(run, f->program.name))
            continue;
        shrink(run, &f->program, f->text, sizeof(f->text));
        report(run, &f->program, f->number, f->text);
    }
}

static void run_cases(struct run *run)
{
    static struct failure failures[BATCH * BATCHES];
    const struct options *o = &run->options;
    uint64_t next = o->first, end = o->count ? o->first + o->count : UINT64_MAX;
    double start = seconds_now();

    while (next < end && (o->count || seconds_now() - start < o->seconds)) {
        unsigned failed = 0;
        /* Two batches: the oracle works on one while the engine does the other. */
        for (unsigned round = 0; round < 16; round++) {
            fill_batch(run, 0, &next, end);
            fill_batch(run, 1, &next, end);
            check_batch(run, 0, failures, &failed);
            check_batch(run, 1, failures, &failed);
            if (failed)
                break;
        }
        report_failures(run, failures, failed);
    }
    double took = seconds_now() - start;
    printf("%llu cases in %.1f s (%.0f a second)\n", (unsigned long long)run->cases, took, (double)run->cases / took);
}

static int summary(const struct run *run)
{
    char text[1024];
    unsigned covered = 0;
    for (unsigned i = 0; i < run->forms.count; i++)
        covered += run->covered[i];
    printf("%u of %u forms covered; %u encodings skipped: system instructions, far transfers, RDRAND, RDSEED\n",
           covered, run->forms.count, run->forms.skipped);
    printf("%llu cases, %llu of them sequences; %llu not encodable, %llu killed the oracle; exceptions:",
           (unsigned long long)run->cases, (unsigned long long)run->blocks, (unsigned long long)run->unbuilt,
           (unsigned long long)run->died);
    for (unsigned i = 0; i < 32; i++)
        if (run->traps[i])
            printf(" #%u %llu", i, (unsigned long long)run->traps[i]);
    run->options.engine->report(run->lab.vcpu, text, sizeof(text));
    printf("\n%s\n", text);
    for (unsigned i = 0; i < run->name_count; i++)
        printf("failed %6u  %s\n", run->names[i].failures, run->names[i].name);
    printf("%s: %llu failures\n", run->options.engine->name, (unsigned long long)run->failures);
    return run->failures ? 1 : 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: instructions [--engine interp|bt] [--seed N] [--seconds S] [--count N] [--first N]\n"
                    "                    [--filter MNEMONIC] [--blocks PERCENT] [--show N] [--without HOST_BITS]\n");
    return 2;
}

static bool parse(int argc, char **argv, struct options *o)
{
    *o = (struct options){.engine = &engine_bt, .seed = 1, .seconds = DEFAULT_SECONDS, .blocks = 15, .show = 2};
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc)
            return false;
        const char *name = argv[i], *text = argv[i + 1];
        uint64_t value = strtoull(text, NULL, 0);
        if (!strcmp(name, "--engine") && (!strcmp(text, "interp") || !strcmp(text, "bt")))
            o->engine = !strcmp(text, "bt") ? &engine_bt : &engine_interp;
        else if (!strcmp(name, "--filter"))
            o->filter = text;
        else if (!strcmp(name, "--seed"))
            o->seed = value;
        else if (!strcmp(name, "--seconds"))
            o->seconds = (unsigned)value;
        else if (!strcmp(name, "--count"))
            o->count = value;
        else if (!strcmp(name, "--first"))
            o->first = value;
        else if (!strcmp(name, "--blocks"))
            o->blocks = (unsigned)value;
        else if (!strcmp(name, "--without"))
            o->without = (unsigned)value;
        else if (!strcmp(name, "--show"))
            o->show = (unsigned)value;
        else
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct run run;
    struct error err;
    if (!parse(argc, argv, &run.options))
        return usage();
    printf("instructions: engine %s, seed %llu\n", run.options.engine->name, (unsigned long long)run.options.seed);
    fflush(stdout); /* the oracle's child must not print it again */
    data_pool_fill(1);
    run.oracle = oracle_start();
    if (!run.oracle)
        return 77;
    int r = lab_create(&run.lab, run.options.engine, run.options.without, &err);
    if (r) {
        fprintf(stderr, "cannot make the lab: %s\n", err.text);
        return 77;
    }
    forms_collect(&run.forms, &run.lab.vcpu->features, run.options.filter);
    if (!run.forms.count) {
        fprintf(stderr, "no form has \"%s\" in its name\n", run.options.filter ? run.options.filter : "");
        return 2;
    }
    run.covered = calloc(run.forms.count, 1);
    watchdog_start(stop_vcpu, run.lab.vcpu);
    run_cases(&run);
    int status = summary(&run);
    oracle_stop(run.oracle);
    lab_destroy(&run.lab);
    forms_free(&run.forms);
    free(run.covered);
    return status;
}
