/*
 * The `bt` engine behind engine.h: creation, host features, report. Ordinary code around runtime.c.
 * Thread: create and destroy on the machine's thread, run on the vCPU's.
 */
#include "cpu-model/base/log.h"
#include "cpu-model/state/vector.h"
#include "translator/chaos.h"
#include "translator/runtime.h"
#include "translator/verify.h"

#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

static void host_detect(struct host_cpu *host, unsigned without)
{
    unsigned a = 0, b = 0, c = 0, d = 0, vendor = 0, family;
    __get_cpuid(0, &a, &vendor, &c, &d);
    __get_cpuid(1, &a, &b, &c, &d);
    host->avx = c >> 28 & 1;
    family = (a >> 8 & 15) + (a >> 20 & 255);
    __get_cpuid_count(7, 0, &a, &b, &c, &d);
    host->bmi2 = (b >> 8 & 1) && !(without & HOST_BMI2);
    /* AMD before family 19h microcodes PEXT: correct, and slow. */
    host->fast_pext = host->bmi2 && !(without & HOST_FAST_PEXT) && (vendor != signature_AMD_ebx || family >= 0x19);
    host->fsgsbase = (getauxval(AT_HWCAP2) >> 1 & 1) && !(without & HOST_FSGSBASE);
    log_line(LOG_HOST, "host: BMI2 %s, fast PEXT %s (addresses by %s), FSGSBASE %s (GS by %s), AVX %s",
             host->bmi2 ? "yes" : "no", host->fast_pext ? "yes" : "no",
             host->fast_pext ? "PEXT"
             : host->bmi2    ? "RORX and LEA"
                             : "LEA and memory",
             host->fsgsbase ? "yes" : "no", host->fsgsbase ? "WRGSBASE" : "arch_prctl", host->avx ? "yes" : "no");
}

static int create(struct vcpu *vcpu, const struct engine_config *config, bool verify, struct error *err)
{
    struct bt *bt = calloc(1, sizeof(*bt));
    if (!bt)
        return error_set(err, -ENOMEM, "no memory for the translator");
    host_detect(&bt->host, config->host_without);
    if (vcpu->space->reservation.aliases_failed) {
        /* A colliding shadow entry would reach whatever lies there instead of faulting (sanitizers, small ulimit -v).
         */
        unsigned failed = vcpu->space->reservation.aliases_failed;
        free(bt);
        return error_set(err, -ENOTSUP, "%u address ranges that translated code relies on are taken in this process",
                         failed);
    }
    vcpu->engine = bt;
    bt->chaos = config->chaos;
    uint64_t cache_bytes = config->cache_bytes ? config->cache_bytes
                           : config->chaos     ? CHAOS_CACHE_BYTES
                                               : TCACHE_DEFAULT_BYTES;
    int r = interp_init(&bt->interp, vcpu, err);
    if (!r)
        r = tcache_create(&bt->cache, cache_bytes, vcpu->space->arena_size, err);
    if (!r)
        r = shadow_create(vcpu, bt->host.fast_pext, err);
    if (!r && verify)
        r = verify_create(bt, err);
    if (r)
        return r;
    if (config->chaos)
        vcpu->shadow->chunks_max = CHAOS_CHUNKS;
    vcpu->shadow->no_windows = config->host_without & HOST_WINDOWS;
    vcpu->shadow->eager_windows = config->host_without & HOST_PATIENCE;
    translate_prologue(bt, vcpu);
    tcache_flush(&bt->cache, vcpu);
    vcpu->slow_function = (uint64_t)(uintptr_t)bt_slow;
    vcpu->exit_function = (uint64_t)(uintptr_t)bt_exit;
    vcpu->jump_function = (uint64_t)(uintptr_t)bt_jump;
    return 0;
}

static int bt_create(struct vcpu *vcpu, const struct engine_config *config, struct error *err)
{
    return create(vcpu, config, false, err);
}

static int bt_verify_create(struct vcpu *vcpu, const struct engine_config *config, struct error *err)
{
    return create(vcpu, config, true, err);
}

static const char *bt_failure(struct vcpu *vcpu)
{
    return ((const struct bt *)vcpu->engine)->verify->report;
}

static void bt_destroy(struct vcpu *vcpu)
{
    struct bt *bt = vcpu->engine;
    free(bt->verify);
    interp_destroy(&bt->interp);
    tcache_destroy(&bt->cache);
    shadow_destroy(vcpu);
    free(bt);
    vcpu->engine = NULL;
}

static void on_code_written(void *context, uint64_t offset, uint64_t size)
{
    struct vcpu *vcpu = context;
    tcache_written(&((struct bt *)vcpu->engine)->cache, vcpu, offset, size);
}

static void on_cleaned(void *context, uint64_t offset, uint64_t size)
{
    shadow_clean_pages(context, offset, size);
}

static enum run_exit bt_run(struct vcpu *vcpu)
{
    struct bt *bt = vcpu->engine;
    struct trap_region thunks = {.start = bt->interp.cache.code_rx,
                                 .end = bt->interp.cache.code_rx + ((size_t)THUNK_MAX << INSN_CACHE_BITS),
                                 .handle = native_trap,
                                 .context = vcpu};
    struct trap_region blocks = {
        .start = bt->cache.rx, .end = bt->cache.rx + bt->cache.size, .handle = bt_trap, .context = vcpu};
    trap_region_set(0, &thunks);
    trap_region_set(1, &blocks);
    vcpu->space->code_written = on_code_written;
    vcpu->space->cleaned = on_cleaned;
    vcpu->space->code_context = vcpu;
    bt->gs = 0; /* the thread may be another one */
    enum run_exit exit = bt_loop(vcpu);
    vector_park(vcpu);
    return exit;
}

static void bt_report(struct vcpu *vcpu, char *text, size_t size)
{
    const struct bt *bt = vcpu->engine;
    const struct tcache *c = &bt->cache;
    const struct shadow *s = vcpu->shadow;
    struct window w = {0};
    for (unsigned i = 0; i < VIEW_COUNT; i++)
        if (s->view[i].window) {
            w.fills += s->view[i].window->fills;
            w.drops += s->view[i].window->drops;
            w.openings += s->view[i].window->openings;
        }
#define N(x) (unsigned long long)(x)
    snprintf(text, size,
             "bt: %llu blocks from %llu guest bytes, %llu KiB of code in use (of %llu), %llu flushes, %llu dropped\n"
             "bt: %llu links, %llu lookups, %llu jump misses, %llu slow accesses, %llu interpreted, %llu helper calls\n"
             "bt: shadow: %llu fills, %llu flushes, %llu page flushes, %llu evictions, %llu trims\n"
             "bt: windows: %llu host faults, %llu fills, %llu drops, %llu openings",
             N(c->translated), N(c->guest_bytes), N(c->used >> 10), N(c->size >> 10), N(c->flushes - 1), N(c->dropped),
             N(c->links), N(c->lookups), N(c->jump_misses), N(c->slow_access), N(c->interp_steps), N(c->helper_calls),
             N(s->fills), N(s->flushes), N(s->page_flushes), N(s->evictions), N(s->trims), N(c->window_faults),
             N(w.fills), N(w.drops), N(w.openings));
    size_t used = strlen(text);
    if (bt->verify)
        snprintf(text + used, size - used,
                 "\nverify: %llu pieces of blocks, %llu instructions right, %llu compared twice, %llu not compared",
                 N(bt->verify->blocks), N(bt->verify->instructions), N(bt->verify->repeated), N(bt->verify->unchecked));
#undef N
}

const struct engine_ops engine_bt = {
    .name = "bt",
    .create = bt_create,
    .destroy = bt_destroy,
    .run = bt_run,
    .report = bt_report,
};

const struct engine_ops engine_verify = {
    .name = "verify",
    .create = bt_verify_create,
    .destroy = bt_destroy,
    .run = bt_run,
    .report = bt_report,
    .failure = bt_failure,
};
