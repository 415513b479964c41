/*
 * `-cpu MODEL[,+FEATURE][,-FEATURE][,FEATURE=on|off]`: what CPUID will offer, within what the host's silicon can do.
 *
 * A feature whose instructions run natively is never offered on a host without it: models drop it silently, asking for
 * it by name is an error. A feature whose foundation is missing (AVX2 without AVX) is dropped, too.
 *
 * `max` is an AMD processor on every host. Guests know by that vendor, without any capability bit, that Meltdown, L1TF,
 * MDS and the swapgs variant do not concern them. For the rest the model offers what real CPUs of family 19h report:
 * automatic IBRS (Linux 6.1 then leaves indirect branches as they are instead of building retpolines) and SRSO_NO and
 * the TSA bits (no return thunks, no VERW at exits). What Linux 6.1 makes of it: page-table isolation off; Spectre v1
 * pointer masking; Spectre v2 "Enhanced / Automatic IBRS" and RSB filling at context switches; speculative store
 * bypass "Vulnerable" at no cost. Deviation to know: guest code is translated, so the predictors are the host's and no
 * mitigation inside a guest, cheap or dear, changes what they do; users of a guest are isolated from its kernel by the
 * shadow page tables only. Nobody who needs protection from speculation between a guest's own users has it here.
 * Linux calibrates the TSC of AMD processors by the PIT; it reads CPUID 15h on Intel's only.
 *
 * Start-up code on ordinary threads; nothing here runs while guest vector state is live.
 * Source: SDM Vol. 2 "CPUID"; AMD APM Vol. 3 appendix E; AMD "Software techniques for managing speculation".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cpu-model/base/error.h"
#include "cpu-model/exec/exec.h"

/* Each feature as FEATURE_<first>, needing FEATURE_<second>. */
#define NEEDS(X)                                                                                                       \
    X(SSE, FXSR)                                                                                                       \
    X(SSE2, SSE)                                                                                                       \
    X(SSE3, SSE2)                                                                                                      \
    X(SSSE3, SSE3)                                                                                                     \
    X(SSE41, SSSE3)                                                                                                    \
    X(SSE42, SSE41)                                                                                                    \
    X(PCLMULQDQ, SSE2)                                                                                                 \
    X(AES, SSE2)                                                                                                       \
    X(SHA, SSE2)                                                                                                       \
    X(GFNI, SSE2)                                                                                                      \
    X(XSAVE, FXSR)                                                                                                     \
    X(XSAVEOPT, XSAVE)                                                                                                 \
    X(XSAVEC, XSAVE)                                                                                                   \
    X(XGETBV1, XSAVE)                                                                                                  \
    X(XSAVEERPTR, FXSR)                                                                                                \
    X(AVX, XSAVE)                                                                                                      \
    X(AVX2, AVX)                                                                                                       \
    X(FMA, AVX)                                                                                                        \
    X(F16C, AVX)                                                                                                       \
    X(VAES, AVX)                                                                                                       \
    X(VPCLMULQDQ, AVX)                                                                                                 \
    X(MMX, FPU)                                                                                                        \
    X(FXSR, FPU)                                                                                                       \
    X(PSE36, PSE)                                                                                                      \
    X(LM, PAE)                                                                                                         \
    X(NX, PAE)                                                                                                         \
    X(PDPE1GB, LM)                                                                                                     \
    X(LAHF_LM, LM)                                                                                                     \
    X(PCID, LM)                                                                                                        \
    X(FSGSBASE, LM)                                                                                                    \
    X(CX16, CX8)                                                                                                       \
    X(MCA, MCE)                                                                                                        \
    X(X2APIC, APIC)                                                                                                    \
    X(TSC_DEADLINE, APIC)                                                                                              \
    X(TSC_ADJUST, TSC)                                                                                                 \
    X(RDTSCP, TSC)                                                                                                     \
    X(INVTSC, TSC)                                                                                                     \
    X(RDPID, RDTSCP)                                                                                                   \
    X(CLFLUSHOPT, CLFLUSH)                                                                                             \
    X(CLWB, CLFLUSH)

/* Features whose instructions exec_native() and the translator hand to the host, or that describe its silicon. The ones
 * every x86-64 host has are left out. */
#define NATIVE(X)                                                                                                      \
    X(SSE3)                                                                                                            \
    X(SSSE3)                                                                                                           \
    X(SSE41)                                                                                                           \
    X(SSE42)                                                                                                           \
    X(PCLMULQDQ)                                                                                                       \
    X(FMA)                                                                                                             \
    X(CX16)                                                                                                            \
    X(MOVBE)                                                                                                           \
    X(POPCNT)                                                                                                          \
    X(AES)                                                                                                             \
    X(AVX)                                                                                                             \
    X(F16C)                                                                                                            \
    X(RDRAND)                                                                                                          \
    X(BMI1)                                                                                                            \
    X(AVX2)                                                                                                            \
    X(BMI2)                                                                                                            \
    X(RDSEED)                                                                                                          \
    X(ADX)                                                                                                             \
    X(SHA)                                                                                                             \
    X(GFNI)                                                                                                            \
    X(VAES)                                                                                                            \
    X(VPCLMULQDQ)                                                                                                      \
    X(LAHF_LM)                                                                                                         \
    X(ABM)                                                                                                             \
    X(INVTSC)                                                                                                          \
    X(XSAVEERPTR)

static const struct {
    const char *name;
    uint8_t word, bit;
} places[] = {
#define X(symbol, word, bit, name) {name, word, bit},
    CPU_FEATURES(X)
#undef X
};

static const struct {
    uint8_t feature, needs;
} needs[] = {
#define X(feature, foundation) {FEATURE_##feature, FEATURE_##foundation},
    NEEDS(X)
#undef X
};

static const uint8_t native_features[] = {
#define X(feature) FEATURE_##feature,
    NATIVE(X)
#undef X
};

static void feature_set(struct cpu_features *f, unsigned feature, bool on)
{
    uint32_t bit = (uint32_t)1 << places[feature].bit;
    if (on)
        f->word[places[feature].word] |= bit;
    else
        f->word[places[feature].word] &= ~bit;
}

/* --- the host ----------------------------------------------------------------------------------------------------- */

static void host_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(subleaf));
}

/* The host's CPUID in the form of struct cpu_features, without AVX and its kin where the host's kernel keeps no YMM. */
static void host_features(struct cpu_features *f)
{
    static const struct {
        uint32_t leaf, subleaf;
        uint8_t word, reg;
    } sources[] = {
        {1, 0, CPUID_1_EDX, 3},
        {1, 0, CPUID_1_ECX, 2},
        {7, 0, CPUID_7_EBX, 1},
        {7, 0, CPUID_7_ECX, 2},
        {7, 0, CPUID_7_EDX, 3},
        {0xd, 1, CPUID_D1_EAX, 0},
        {0x80000001, 0, CPUID_8000_0001_EDX, 3},
        {0x80000001, 0, CPUID_8000_0001_ECX, 2},
        {0x80000007, 0, CPUID_8000_0007_EDX, 3},
        {0x80000008, 0, CPUID_8000_0008_EBX, 1},
        {0x80000021, 0, CPUID_8000_0021_EAX, 0},
    };
    uint32_t out[4], max, max_extended, xcr0 = 0, high;
    memset(f, 0, sizeof(*f));
    host_cpuid(0, 0, out);
    max = out[0];
    bool intel = out[1] == 0x756e6547; /* "Genu" */
    host_cpuid(0x80000000, 0, out);
    max_extended = out[0];
    for (unsigned i = 0; i < ARRAY_LEN(sources); i++) {
        if (sources[i].leaf > (sources[i].leaf & 0x80000000 ? max_extended : max))
            continue;
        host_cpuid(sources[i].leaf, sources[i].subleaf, out);
        f->word[sources[i].word] = out[sources[i].reg];
    }
    if (f->word[CPUID_1_ECX] >> 27 & 1) /* OSXSAVE */
        __asm__ volatile("xgetbv" : "=a"(xcr0), "=d"(high) : "c"(0));
    if ((xcr0 & 7) != 7)
        feature_set(f, FEATURE_AVX, false);
    if (intel) /* saves the error pointers always and has no bit that says so */
        feature_set(f, FEATURE_XSAVEERPTR, true);
}

/* --- models ------------------------------------------------------------------------------------------------------- */

/* X(feature): what each model adds to the one before. */
#define FEATURES_486(X) X(FPU) X(VME) X(PSE)
#define FEATURES_PENTIUM3(X)                                                                                           \
    FEATURES_486(X)                                                                                                    \
    X(DE)                                                                                                              \
    X(TSC)                                                                                                             \
    X(MSR)                                                                                                             \
    X(PAE)                                                                                                             \
    X(MCE) X(CX8) X(APIC) X(SEP) X(MTRR) X(PGE) X(MCA) X(CMOV) X(PAT) X(PSE36) X(MMX) X(FXSR) X(SSE) X(HYPERVISOR)
#define FEATURES_QEMU64(X)                                                                                             \
    FEATURES_PENTIUM3(X)                                                                                               \
    X(CLFLUSH) X(SSE2) X(SSE3) X(CX16) X(LM) X(SYSCALL) X(NX) X(LAHF_LM)

static const uint8_t features_486[] = {
#define X(feature) FEATURE_##feature,
    FEATURES_486(X)
#undef X
};
static const uint8_t features_pentium3[] = {
#define X(feature) FEATURE_##feature,
    FEATURES_PENTIUM3(X)
#undef X
};
static const uint8_t features_qemu64[] = {
#define X(feature) FEATURE_##feature,
    FEATURES_QEMU64(X)
#undef X
};

static const struct model {
    const char *name;
    uint8_t vendor, family, model, stepping;
    uint32_t max_leaf, max_extended_leaf;
    const char *brand;
    const uint8_t *features; /* null: all */
    unsigned feature_count;
} models[] = {
    {"max", VENDOR_AMD, 0x19, 0x11, 1, 0x16, 0x80000021, "ring3 virtual CPU", NULL, 0},
    {"qemu64", VENDOR_AMD, 15, 107, 1, 0xd, 0x80000008, "ring3 virtual CPU qemu64", features_qemu64,
     ARRAY_LEN(features_qemu64)},
    {"pentium3", VENDOR_INTEL, 6, 8, 3, 2, 0, "", features_pentium3, ARRAY_LEN(features_pentium3)},
    {"486", VENDOR_INTEL, 4, 8, 0, 1, 0, "", features_486, ARRAY_LEN(features_486)},
};

const char *const cpu_model_names[] = {"max", "qemu64", "pentium3", "486", NULL};

static void model_fill(struct cpu_features *f, const struct model *m)
{
    memset(f, 0, sizeof(*f));
    f->vendor = m->vendor;
    f->family = m->family;
    f->model = m->model;
    f->stepping = m->stepping;
    f->max_leaf = m->max_leaf;
    f->max_extended_leaf = m->max_extended_leaf;
    snprintf(f->brand, sizeof(f->brand), "%s", m->brand);
    f->vmware = true;
    for (unsigned i = 0; i < m->feature_count; i++)
        feature_set(f, m->features[i], true);
    if (!m->features) {
        for (unsigned i = 0; i < FEATURE_COUNT; i++)
            feature_set(f, i, true);
        feature_set(f, FEATURE_ARCH_CAPABILITIES, false); /* AMD's way is the vendor and 8000_0021h */
    }
}

/* Turns off what the host cannot run, then whatever rested on something that is off. */
static void drop_impossible(struct cpu_features *f, const struct cpu_features *host)
{
    for (unsigned i = 0; i < ARRAY_LEN(native_features); i++)
        if (!cpu_has_feature(host, native_features[i]))
            feature_set(f, native_features[i], false);
    for (bool again = true; again;) {
        again = false;
        for (unsigned i = 0; i < ARRAY_LEN(needs); i++)
            if (cpu_has_feature(f, needs[i].feature) && !cpu_has_feature(f, needs[i].needs)) {
                feature_set(f, needs[i].feature, false);
                again = true;
            }
    }
}

/* Added features may need leaves the model did not have. */
static void extend_leaves(struct cpu_features *f)
{
    uint32_t leaf = 0, extended = 0;
    if (f->word[CPUID_7_EBX] | f->word[CPUID_7_ECX] | f->word[CPUID_7_EDX])
        leaf = 7;
    if (cpu_has(f, XSAVE))
        leaf = 0xd;
    if (f->word[CPUID_8000_0001_EDX] | f->word[CPUID_8000_0001_ECX])
        extended = 0x80000001;
    if (f->word[CPUID_8000_0007_EDX] | f->word[CPUID_8000_0008_EBX])
        extended = 0x80000008;
    if (f->word[CPUID_8000_0021_EAX])
        extended = 0x80000021;
    if (f->max_leaf < leaf)
        f->max_leaf = leaf;
    if (f->max_extended_leaf < extended)
        f->max_extended_leaf = extended;
}

/* --- the command line --------------------------------------------------------------------------------------------- */

/* Equal but for '_', '-' and '.', which QEMU's names mix. */
static bool same_name(const char *name, const char *text, size_t length)
{
    if (strlen(name) != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        bool separators = strchr("_-.", name[i]) && strchr("_-.", text[i]);
        if (name[i] != text[i] && !separators)
            return false;
    }
    return true;
}

static int unknown_model(const char *text, size_t length, struct error *err)
{
    return error_set(err, -EINVAL, "-cpu: unknown model '%.*s'; use max, qemu64, pentium3 or 486", (int)length, text);
}

static int unknown_feature(const char *text, size_t length, struct error *err)
{
    return error_set(err, -EINVAL, "-cpu: unknown feature '%.*s'; -cpu help lists those there are", (int)length, text);
}

static bool is_native(unsigned feature)
{
    for (unsigned i = 0; i < ARRAY_LEN(native_features); i++)
        if (native_features[i] == feature)
            return true;
    return false;
}

/* One item of the list: "+name", "-name", "name", "name=on" or "name=off". */
static int apply_item(struct cpu_features *f, const struct cpu_features *host, const char *item, size_t length,
                      bool asked[FEATURE_COUNT], struct error *err)
{
    const char *name = item, *equals = memchr(item, '=', length);
    bool on = true;
    if (length && (*name == '+' || *name == '-')) {
        on = *name == '+';
        name++;
        length--;
    } else if (equals) {
        size_t value = length - (size_t)(equals + 1 - item);
        length = (size_t)(equals - item);
        on = value == 2 && !memcmp(equals + 1, "on", 2);
        if (!on && !(value == 3 && !memcmp(equals + 1, "off", 3)))
            return error_set(err, -EINVAL, "-cpu: write %.*s=on or %.*s=off", (int)length, name, (int)length, name);
    }
    unsigned feature = 0;
    while (feature < FEATURE_COUNT && !same_name(places[feature].name, name, length))
        feature++;
    if (feature == FEATURE_COUNT)
        return unknown_feature(name, length, err);
    if (on && is_native(feature) && !cpu_has_feature(host, feature))
        return error_set(err, -EINVAL, "-cpu: this host's CPU has no %s; leave it out", places[feature].name);
    feature_set(f, feature, on);
    asked[feature] = on;
    return 0;
}

/* Everything that was asked for by name is there, or the first that is not is an error. */
static int check_asked(const struct cpu_features *f, const bool asked[FEATURE_COUNT], struct error *err)
{
    for (unsigned i = 0; i < ARRAY_LEN(needs); i++) {
        const char *name = places[needs[i].feature].name, *foundation = places[needs[i].needs].name;
        if (asked[needs[i].feature] && !cpu_has_feature(f, needs[i].needs))
            return error_set(err, -EINVAL, "-cpu: %s needs %s; add +%s", name, foundation, foundation);
    }
    return 0;
}

int cpu_model_parse(const char *text, struct cpu_features *features, struct error *err)
{
    struct cpu_features host;
    bool asked[FEATURE_COUNT] = {false};
    size_t length = strcspn(text, ",");
    unsigned i = 0;
    while (i < ARRAY_LEN(models) && !(strlen(models[i].name) == length && !memcmp(models[i].name, text, length)))
        i++;
    if (i == ARRAY_LEN(models))
        return unknown_model(text, length, err);

    host_features(&host);
    model_fill(features, &models[i]);
    drop_impossible(features, &host);
    for (text += length; *text; text += length) {
        text++; /* the comma */
        length = strcspn(text, ",");
        int result = apply_item(features, &host, text, length, asked, err);
        if (result)
            return result;
    }
    drop_impossible(features, &host);
    extend_leaves(features);
    return check_asked(features, asked, err);
}
