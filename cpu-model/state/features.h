/*
 * What CPUID offers the guest: one list of feature bits, each with its QEMU-compatible name and its place in CPUID.
 *
 * Everything that depends on a feature (decoder policy, CPUID leaves, CR4 reserved bits, -cpu +name,-name) derives from
 * this list. Sources: SDM Vol. 2 "CPUID", AMD APM Vol. 3 appendix E for the 8000_xxxx leaves.
 */
#ifndef RING3_STATE_FEATURES_H
#define RING3_STATE_FEATURES_H

#include "cpu-model/base/types.h"

enum cpuid_word {
    CPUID_1_EDX,
    CPUID_1_ECX,
    CPUID_7_EBX,
    CPUID_7_ECX,
    CPUID_7_EDX,
    CPUID_D1_EAX,
    CPUID_8000_0001_EDX,
    CPUID_8000_0001_ECX,
    CPUID_8000_0007_EDX,
    CPUID_8000_0008_EBX,
    CPUID_8000_0021_EAX,
    CPUID_WORDS
};

/* X(symbol, word, bit, name) */
#define CPU_FEATURES(X)                                                                                                \
    X(FPU, CPUID_1_EDX, 0, "fpu")                                                                                      \
    X(VME, CPUID_1_EDX, 1, "vme")                                                                                      \
    X(DE, CPUID_1_EDX, 2, "de")                                                                                        \
    X(PSE, CPUID_1_EDX, 3, "pse")                                                                                      \
    X(TSC, CPUID_1_EDX, 4, "tsc")                                                                                      \
    X(MSR, CPUID_1_EDX, 5, "msr")                                                                                      \
    X(PAE, CPUID_1_EDX, 6, "pae")                                                                                      \
    X(MCE, CPUID_1_EDX, 7, "mce")                                                                                      \
    X(CX8, CPUID_1_EDX, 8, "cx8")                                                                                      \
    X(APIC, CPUID_1_EDX, 9, "apic")                                                                                    \
    X(SEP, CPUID_1_EDX, 11, "sep")                                                                                     \
    X(MTRR, CPUID_1_EDX, 12, "mtrr")                                                                                   \
    X(PGE, CPUID_1_EDX, 13, "pge")                                                                                     \
    X(MCA, CPUID_1_EDX, 14, "mca")                                                                                     \
    X(CMOV, CPUID_1_EDX, 15, "cmov")                                                                                   \
    X(PAT, CPUID_1_EDX, 16, "pat")                                                                                     \
    X(PSE36, CPUID_1_EDX, 17, "pse36")                                                                                 \
    X(CLFLUSH, CPUID_1_EDX, 19, "clflush")                                                                             \
    X(MMX, CPUID_1_EDX, 23, "mmx")                                                                                     \
    X(FXSR, CPUID_1_EDX, 24, "fxsr")                                                                                   \
    X(SSE, CPUID_1_EDX, 25, "sse")                                                                                     \
    X(SSE2, CPUID_1_EDX, 26, "sse2")                                                                                   \
    X(SSE3, CPUID_1_ECX, 0, "sse3")                                                                                    \
    X(PCLMULQDQ, CPUID_1_ECX, 1, "pclmulqdq")                                                                          \
    X(SSSE3, CPUID_1_ECX, 9, "ssse3")                                                                                  \
    X(FMA, CPUID_1_ECX, 12, "fma")                                                                                     \
    X(CX16, CPUID_1_ECX, 13, "cx16")                                                                                   \
    X(PCID, CPUID_1_ECX, 17, "pcid")                                                                                   \
    X(SSE41, CPUID_1_ECX, 19, "sse4.1")                                                                                \
    X(SSE42, CPUID_1_ECX, 20, "sse4.2")                                                                                \
    X(X2APIC, CPUID_1_ECX, 21, "x2apic")                                                                               \
    X(MOVBE, CPUID_1_ECX, 22, "movbe")                                                                                 \
    X(POPCNT, CPUID_1_ECX, 23, "popcnt")                                                                               \
    X(TSC_DEADLINE, CPUID_1_ECX, 24, "tsc-deadline")                                                                   \
    X(AES, CPUID_1_ECX, 25, "aes")                                                                                     \
    X(XSAVE, CPUID_1_ECX, 26, "xsave")                                                                                 \
    X(AVX, CPUID_1_ECX, 28, "avx")                                                                                     \
    X(F16C, CPUID_1_ECX, 29, "f16c")                                                                                   \
    X(RDRAND, CPUID_1_ECX, 30, "rdrand")                                                                               \
    X(HYPERVISOR, CPUID_1_ECX, 31, "hypervisor")                                                                       \
    X(FSGSBASE, CPUID_7_EBX, 0, "fsgsbase")                                                                            \
    X(TSC_ADJUST, CPUID_7_EBX, 1, "tsc-adjust")                                                                        \
    X(BMI1, CPUID_7_EBX, 3, "bmi1")                                                                                    \
    X(AVX2, CPUID_7_EBX, 5, "avx2")                                                                                    \
    X(SMEP, CPUID_7_EBX, 7, "smep")                                                                                    \
    X(BMI2, CPUID_7_EBX, 8, "bmi2")                                                                                    \
    X(ERMS, CPUID_7_EBX, 9, "erms")                                                                                    \
    X(INVPCID, CPUID_7_EBX, 10, "invpcid")                                                                             \
    X(RDSEED, CPUID_7_EBX, 18, "rdseed")                                                                               \
    X(ADX, CPUID_7_EBX, 19, "adx")                                                                                     \
    X(CLFLUSHOPT, CPUID_7_EBX, 23, "clflushopt")                                                                       \
    X(CLWB, CPUID_7_EBX, 24, "clwb")                                                                                   \
    X(SHA, CPUID_7_EBX, 29, "sha-ni")                                                                                  \
    X(UMIP, CPUID_7_ECX, 2, "umip")                                                                                    \
    X(GFNI, CPUID_7_ECX, 8, "gfni")                                                                                    \
    X(VAES, CPUID_7_ECX, 9, "vaes")                                                                                    \
    X(VPCLMULQDQ, CPUID_7_ECX, 10, "vpclmulqdq")                                                                       \
    X(RDPID, CPUID_7_ECX, 22, "rdpid")                                                                                 \
    X(FSRM, CPUID_7_EDX, 4, "fsrm")                                                                                    \
    X(ARCH_CAPABILITIES, CPUID_7_EDX, 29, "arch-capabilities")                                                         \
    X(XSAVEOPT, CPUID_D1_EAX, 0, "xsaveopt")                                                                           \
    X(XSAVEC, CPUID_D1_EAX, 1, "xsavec")                                                                               \
    X(XGETBV1, CPUID_D1_EAX, 2, "xgetbv1")                                                                             \
    X(SYSCALL, CPUID_8000_0001_EDX, 11, "syscall")                                                                     \
    X(NX, CPUID_8000_0001_EDX, 20, "nx")                                                                               \
    X(PDPE1GB, CPUID_8000_0001_EDX, 26, "pdpe1gb")                                                                     \
    X(RDTSCP, CPUID_8000_0001_EDX, 27, "rdtscp")                                                                       \
    X(LM, CPUID_8000_0001_EDX, 29, "lm")                                                                               \
    X(LAHF_LM, CPUID_8000_0001_ECX, 0, "lahf-lm")                                                                      \
    X(ABM, CPUID_8000_0001_ECX, 5, "abm")                                                                              \
    X(PREFETCHW, CPUID_8000_0001_ECX, 8, "3dnowprefetch")                                                              \
    X(TOPOEXT, CPUID_8000_0001_ECX, 22, "topoext")                                                                     \
    X(INVTSC, CPUID_8000_0007_EDX, 8, "invtsc")                                                                        \
    X(XSAVEERPTR, CPUID_8000_0008_EBX, 2, "xsaveerptr")                                                                \
    X(LFENCE_SERIALIZING, CPUID_8000_0021_EAX, 2, "lfence-always-serializing")                                         \
    X(NULL_SEL_CLR_BASE, CPUID_8000_0021_EAX, 6, "null-sel-clr-base")                                                  \
    X(AUTO_IBRS, CPUID_8000_0021_EAX, 8, "auto-ibrs")                                                                  \
    X(SRSO_NO, CPUID_8000_0021_EAX, 29, "srso-no")

enum cpu_feature {
#define X(symbol, word, bit, name) FEATURE_##symbol,
    CPU_FEATURES(X)
#undef X
        FEATURE_COUNT
};

enum cpu_vendor { VENDOR_INTEL, VENDOR_AMD };

struct cpu_features {
    uint32_t word[CPUID_WORDS];
    uint8_t vendor; /* enum cpu_vendor; the vendor string says it to the guest */
    uint8_t family, model, stepping;
    uint32_t max_leaf,
        max_extended_leaf; /* max_leaf 0: no CPUID instruction (486 before DX4) is not modelled; 1 at least */
    char brand[49];
    bool vmware; /* the machine has VMware's backdoor: CPUID tells guests where they look for it */
};

static inline bool cpu_has_bit(const struct cpu_features *f, enum cpuid_word word, unsigned bit)
{
    return f->word[word] >> bit & 1;
}

/* cpu_has(&vcpu->features, AVX2) */
bool cpu_has_feature(const struct cpu_features *features, enum cpu_feature feature);
#define cpu_has(features, symbol) cpu_has_feature(features, FEATURE_##symbol)

#endif
