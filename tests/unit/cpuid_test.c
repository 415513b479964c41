/*
 * CPU models and the CPUID leaves they lead to: what is offered, what never is, and what mirrors state.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu-model/base/error.h"
#include "cpu-model/exec/exec.h"

enum { EAX, EBX, ECX, EDX };

static struct vcpu *make(const char *cpu)
{
    struct error err;
    struct vcpu *vcpu = aligned_alloc(64, (sizeof(*vcpu) + 63) & ~63ull);
    memset(vcpu, 0, sizeof(*vcpu));
    cr_assert_eq(cpu_model_parse(cpu, &vcpu->features, &err), 0, "%s: %s", cpu, err.text);
    vcpu->xcr0 = 1;
    vcpu->tsc_hz = 2595123000;
    return vcpu;
}

static uint32_t leaf(const struct vcpu *vcpu, uint32_t number, uint32_t subleaf, unsigned reg)
{
    uint32_t out[4];
    cpuid_leaf(vcpu, number, subleaf, out);
    return out[reg];
}

static void host(uint32_t number, uint32_t subleaf, uint32_t out[4])
{
    __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(number), "c"(subleaf));
}

Test(cpuid, vendor_strings)
{
    struct vcpu *vcpu = make("max");
    uint32_t out[4];
    char text[13] = {0};
    cpuid_leaf(vcpu, 0, 0, out);
    memcpy(text, &out[EBX], 4);
    memcpy(text + 4, &out[EDX], 4);
    memcpy(text + 8, &out[ECX], 4);
    cr_expect_str_eq(text, "AuthenticAMD");
    cr_expect_eq(leaf(vcpu, 0x80000000, 0, EBX), out[EBX]);
    cr_expect_eq(leaf(vcpu, 1, 0, EAX), 0x00a10f11); /* family 19h, model 11h, stepping 1 */
    cpuid_leaf(vcpu, 0x40000000, 0, out);
    memcpy(text, &out[EBX], 12);
    cr_expect_str_eq(text, "VMwareVMware");
    cr_expect_eq(out[EAX], 0x40000010);
    vcpu->features.vmware = false;
    cpuid_leaf(vcpu, 0x40000000, 0, out);
    memcpy(text, &out[EBX], 12);
    cr_expect_str_eq(text, "ring3ring3ri");
    free(vcpu);

    vcpu = make("486");
    cr_expect_eq(leaf(vcpu, 0, 0, EBX), 0x756e6547);
    cr_expect_eq(leaf(vcpu, 1, 0, EAX), 0x480);
    cr_expect_eq(leaf(vcpu, 1, 0, EDX), BIT(0) | BIT(1) | BIT(3));
    cr_expect_eq(leaf(vcpu, 0x80000000, 0, EAX), leaf(vcpu, 1, 0, EAX), "Intel answers with its highest basic leaf");
    free(vcpu);
}

Test(cpuid, max_offers_nothing_the_host_lacks)
{
    struct vcpu *vcpu = make("max");
    uint32_t out[4];
    host(1, 0, out);
    /* SSE3, PCLMULQDQ, SSSE3, FMA, CX16, SSE4, MOVBE, POPCNT, AES, AVX, F16C, RDRAND */
    uint32_t native =
        1 | 1 << 1 | 1 << 9 | 1 << 12 | 1 << 13 | 3 << 19 | 3 << 22 | 1 << 25 | 1 << 28 | 1 << 29 | 1 << 30;
    cr_expect_eq(leaf(vcpu, 1, 0, ECX) & native & ~out[ECX], 0);
    host(7, 0, out);
    native = 1 << 3 | 1 << 5 | 1 << 8 | 1 << 18 | 1 << 19 | 1 << 29; /* BMI1, AVX2, BMI2, RDSEED, ADX, SHA */
    cr_expect_eq(leaf(vcpu, 7, 0, EBX) & native & ~out[EBX], 0);
    /* AVX-512, MPX, RTM, HLE, SMAP, PKU and LA57 are not modelled. */
    cr_expect_eq(leaf(vcpu, 7, 0, EBX) & (BIT(16) | BIT(14) | BIT(11) | BIT(4) | BIT(20) | BIT(31)), 0);
    cr_expect_eq(leaf(vcpu, 7, 0, ECX) & (BIT(3) | BIT(16) | BIT(1)), 0);
    cr_expect_eq(leaf(vcpu, 1, 0, ECX) & (BIT(5) | BIT(3)), 0, "VMX, MONITOR");
    free(vcpu);
}

Test(cpuid, osxsave_mirrors_cr4)
{
    struct vcpu *vcpu = make("max");
    cr_expect_not(leaf(vcpu, 1, 0, ECX) & BIT(27));
    vcpu->cr4 = CR4_OSXSAVE;
    cr_expect(leaf(vcpu, 1, 0, ECX) & BIT(27));
    free(vcpu);
}

Test(cpuid, xsave_sizes_follow_xcr0)
{
    struct vcpu *vcpu = make("max");
    if (!cpu_has(&vcpu->features, AVX))
        cr_skip_test("the host has no AVX");
    cr_expect_eq(leaf(vcpu, 0xd, 0, EAX), 7);
    cr_expect_eq(leaf(vcpu, 0xd, 0, EBX), 576);
    cr_expect_eq(leaf(vcpu, 0xd, 0, ECX), 832);
    vcpu->xcr0 = 7;
    cr_expect_eq(leaf(vcpu, 0xd, 0, EBX), 832);
    cr_expect_eq(leaf(vcpu, 0xd, 1, EBX), 832);
    cr_expect_eq(leaf(vcpu, 0xd, 2, EAX), 256);
    cr_expect_eq(leaf(vcpu, 0xd, 2, EBX), 576);
    cr_expect_eq(leaf(vcpu, 0xd, 9, EAX), 0);
    free(vcpu);

    vcpu = make("max,-avx");
    cr_expect_eq(leaf(vcpu, 0xd, 0, EAX), 3);
    cr_expect_eq(leaf(vcpu, 0xd, 0, ECX), 576);
    cr_expect_eq(leaf(vcpu, 0xd, 2, EAX), 0);
    free(vcpu);
}

Test(cpuid, tsc_frequency_is_exact_to_the_kilohertz)
{
    struct vcpu *vcpu = make("max");
    uint32_t out[4];
    cpuid_leaf(vcpu, 0x15, 0, out);
    cr_expect_eq((unsigned __int128)out[ECX] * out[EBX] / out[EAX] == 2595123000u, true);
    cr_expect_eq(leaf(vcpu, 0x16, 0, EAX), 2595);
    cpuid_leaf(vcpu, 0x40000010, 0, out);
    cr_expect_eq(out[EAX], 2595123);
    cr_expect_eq(out[EBX], 1000000);
    free(vcpu);
}

/* Both of AMD's ways to tell the caches agree; and the sizes are what a person would read off them. */
Test(cpuid, caches)
{
    static const struct {
        unsigned type, level, kib;
    } cache[] = {{1, 1, 32}, {2, 1, 32}, {3, 2, 1024}, {3, 3, 32 << 10}};
    struct vcpu *vcpu = make("max");
    uint32_t out[4];
    for (unsigned i = 0; i < ARRAY_LEN(cache); i++) {
        cpuid_leaf(vcpu, 0x8000001d, i, out);
        uint32_t line = (out[EBX] & 0xfff) + 1, ways = (out[EBX] >> 22) + 1, sets = out[ECX] + 1;
        cr_expect_eq(out[EAX] & 31, cache[i].type);
        cr_expect_eq(out[EAX] >> 5 & 7, cache[i].level);
        cr_expect_eq(line * ways * sets, cache[i].kib << 10, "cache %u: %u", i, line * ways * sets);
    }
    cr_expect_eq(leaf(vcpu, 0x8000001d, ARRAY_LEN(cache), EAX), 0, "the end of the list");
    cr_expect_eq(leaf(vcpu, 0x80000005, 0, ECX) >> 24, 32);
    cr_expect_eq(leaf(vcpu, 0x80000005, 0, EDX) >> 24, 32);
    cr_expect_eq(leaf(vcpu, 0x80000006, 0, ECX) >> 16, 1024);
    cr_expect_eq(leaf(vcpu, 0x80000006, 0, EDX) >> 18, (32 << 10) / 512);
    cr_expect_eq(leaf(vcpu, 0x80000006, 0, EDX) & 0xff, leaf(vcpu, 1, 0, EBX) >> 8 << 3 & 0xff, "lines");
    free(vcpu);
    vcpu = make("pentium3");
    cr_expect_eq(leaf(vcpu, 2, 0, EAX) & 0xff, 1, "one leaf of descriptors");
    free(vcpu);
}

Test(cpuid, one_thread_in_one_core)
{
    struct vcpu *vcpu = make("max");
    for (unsigned level = 0; level < 3; level++) {
        cr_expect_eq(leaf(vcpu, 0xb, level, EAX), 0, "no bits of the APIC ID");
        cr_expect_eq(leaf(vcpu, 0xb, level, EBX), level < 2, "logical processors");
        cr_expect_eq(leaf(vcpu, 0xb, level, ECX), level | (level < 2 ? (level + 1) << 8 : 0));
    }
    cr_expect_eq(leaf(vcpu, 1, 0, EBX) >> 16, 1);
    cr_expect_eq(leaf(vcpu, 0x8000001e, 0, EBX) & 0xff, 0);
    free(vcpu);
    vcpu = make("max,-apic");
    cr_expect_eq(leaf(vcpu, 0xb, 0, EBX), 0);
    cr_expect_eq(leaf(vcpu, 6, 0, EAX), 0);
    free(vcpu);
}

Test(cpuid, names_and_clocks)
{
    struct vcpu *vcpu = make("max");
    char name[49] = {0};
    for (unsigned i = 0; i < 12; i++) {
        uint32_t word = leaf(vcpu, 0x80000002 + i / 4, 0, i % 4);
        memcpy(name + i * 4, &word, 4);
    }
    cr_expect_str_eq(name, "ring3 virtual CPU");
    cr_expect(leaf(vcpu, 0x80000007, 0, EDX) & BIT(8), "the TSC is invariant");
    cr_expect(leaf(vcpu, 6, 0, EAX) & BIT(2), "the APIC timer runs while halted");
    cr_expect(leaf(vcpu, 0x80000021, 0, EAX) & BIT(2), "LFENCE serializes");
    free(vcpu);
}

Test(cpuid, no_hypervisor_leaves_on_a_bare_processor)
{
    struct vcpu *vcpu = make("max,-hypervisor");
    cr_expect_eq(leaf(vcpu, 1, 0, ECX) & BIT(31), 0);
    for (unsigned reg = EAX; reg <= EDX; reg++)
        cr_expect_eq(leaf(vcpu, 0x40000000, 0, reg) | leaf(vcpu, 0x40000010, 0, reg), 0);
    free(vcpu);
}

Test(cpuid, features_rest_on_each_other)
{
    struct vcpu *vcpu = make("max,-sse2");
    cr_expect_not(cpu_has(&vcpu->features, SSE3));
    cr_expect_not(cpu_has(&vcpu->features, AES));
    cr_expect(cpu_has(&vcpu->features, SSE));
    free(vcpu);
    vcpu = make("max,xsave=off");
    cr_expect_not(cpu_has(&vcpu->features, AVX2));
    cr_expect_not(cpu_has(&vcpu->features, FMA));
    cr_expect_eq(leaf(vcpu, 0xd, 0, ECX), 0);
    free(vcpu);
    vcpu = make("max,-lm");
    cr_expect_not(cpu_has(&vcpu->features, PCID));
    cr_expect_eq(leaf(vcpu, 0x80000008, 0, EAX) & 0xff, 36);
    free(vcpu);
}

Test(cpuid, features_can_be_added)
{
    struct vcpu *vcpu = make("pentium3,+sse2,+nx");
    cr_expect(leaf(vcpu, 1, 0, EDX) & BIT(26));
    cr_expect(leaf(vcpu, 0x80000001, 0, EDX) & BIT(20), "the leaf comes with the feature");
    cr_expect_eq(leaf(vcpu, 0x80000000, 0, EAX), 0x80000001);
    cr_expect_not(leaf(vcpu, 0x80000001, 0, EDX) & BIT(4), "Intel does not repeat leaf 1");
    free(vcpu);
    vcpu = make("qemu64,sse4_1=on,+ssse3");
    cr_expect(cpu_has(&vcpu->features, SSE41));
    cr_expect(leaf(vcpu, 0x80000001, 0, EDX) & BIT(4), "AMD repeats leaf 1");
    free(vcpu);
}

static void expect_error(const char *cpu, const char *part)
{
    struct cpu_features features;
    struct error err = {{0}};
    cr_expect_eq(cpu_model_parse(cpu, &features, &err), -EINVAL, "%s", cpu);
    cr_expect(strstr(err.text, part), "%s: %s", cpu, err.text);
    cr_expect_not(strchr(err.text, '\n'));
}

Test(cpuid, mistakes_are_named)
{
    expect_error("", "unknown model ''");
    expect_error("host", "use max, qemu64, pentium3 or 486");
    expect_error("ma", "unknown model");
    expect_error("maxi,+avx", "unknown model 'maxi'");
    expect_error("max,+avx512f", "unknown feature 'avx512f'; -cpu help");
    expect_error("max,", "unknown feature ''");
    expect_error("max,+", "unknown feature ''");
    expect_error("max,avx=maybe", "write avx=on or avx=off");
    expect_error("486,+avx", "avx needs xsave");
    expect_error("max,+sse4.1,-ssse3", "sse4.1 needs ssse3; add +ssse3");
}

Test(cpuid, reserved_leaves_of_amd_are_zero)
{
    struct vcpu *vcpu = make("max");
    const uint32_t numbers[] = {2, 3, 4, 5, 8, 9, 10, 12, 0x17, 0x1000, 0x40000001, 0x8000000a, 0x80000022, 0xc0000000};
    for (unsigned i = 0; i < ARRAY_LEN(numbers); i++)
        for (unsigned reg = 0; reg < 4; reg++)
            cr_expect_eq(leaf(vcpu, numbers[i], 0, reg), 0, "leaf %x", numbers[i]);
    free(vcpu);
}
