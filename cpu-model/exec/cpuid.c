/*
 * The CPUID instruction: every leaf, computed from struct cpu_features and the few state bits that CPUID mirrors.
 *
 * What a leaf says about caches and topology is one package with one core and the caches of a Zen 4 core. Leaves that
 * the model does not have read as the vendor documents: zero on AMD, the highest basic leaf on Intel.
 * Thread: the vCPU's own; guest vector state live.
 * Source: SDM Vol. 2 "CPUID", AMD APM Vol. 3 appendix E "Obtaining processor information via the CPUID instruction".
 */
#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/memory.h"

enum { EAX, EBX, ECX, EDX };

enum {
    LEAF_EXTENDED = 0x80000000,
    LEAF_HYPERVISOR = 0x40000000,
    LEAF_HYPERVISOR_CLOCKS = 0x40000010,
    CACHE_LINE = 64,
    BIT_APIC = 1 << 9,       /* leaf 1 EDX */
    BIT_OSXSAVE = 1 << 27,   /* leaf 1 ECX */
    MIRRORED = 0x0183f3ff,   /* bits of leaf 1 EDX that AMD repeats in 8000_0001h EDX */
    XSAVE_LEGACY_SIZE = 576, /* legacy region and header */
    XSAVE_AVX_SIZE = 256,
};

static uint32_t signature(const struct cpu_features *f)
{
    uint32_t base_family = f->family < 15 ? f->family : 15, extended_family = f->family - base_family;
    return extended_family << 20 | (uint32_t)(f->model >> 4) << 16 | base_family << 8 | (f->model & 15u) << 4 |
           (f->stepping & 15u);
}

/* Twelve characters in the order EBX, EDX, ECX (vendors) or EBX, ECX, EDX (hypervisors). */
static uint32_t four_characters(const char *text)
{
    return (uint32_t)(uint8_t)text[0] | (uint32_t)(uint8_t)text[1] << 8 | (uint32_t)(uint8_t)text[2] << 16 |
           (uint32_t)(uint8_t)text[3] << 24;
}

static void vendor_leaf(const struct cpu_features *f, uint32_t max, uint32_t out[4])
{
    const char *name = f->vendor == VENDOR_AMD ? "AuthenticAMD" : "GenuineIntel";
    out[EAX] = max;
    out[EBX] = four_characters(name);
    out[EDX] = four_characters(name + 4);
    out[ECX] = four_characters(name + 8);
}

/* Leaf 4 (Intel) and 8000_001Dh (AMD) share a form: L1 data, L1 code, L2, L3. */
static void cache_leaf(uint32_t subleaf, uint32_t out[4])
{
    static const struct {
        uint8_t type, level, ways;
        uint16_t sets;
        uint8_t flags; /* EDX: bit 1 inclusive */
    } cache[] = {{1, 1, 8, 64, 0}, {2, 1, 8, 64, 0}, {3, 2, 8, 2048, 2}, {3, 3, 16, 32768, 0}};
    if (subleaf >= ARRAY_LEN(cache))
        return;
    out[EAX] = cache[subleaf].type | (uint32_t)cache[subleaf].level << 5 | 1 << 8; /* self-initializing */
    out[EBX] = (CACHE_LINE - 1) | (uint32_t)(cache[subleaf].ways - 1) << 22;
    out[ECX] = cache[subleaf].sets - 1u;
    out[EDX] = cache[subleaf].flags;
}

static uint32_t xsave_size(uint64_t components)
{
    return XSAVE_LEGACY_SIZE + (components & 4 ? XSAVE_AVX_SIZE : 0);
}

static void xsave_leaf(const struct vcpu *vcpu, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_features *f = &vcpu->features;
    uint32_t offered = cpu_has(f, AVX) ? 7 : 3;
    if (!cpu_has(f, XSAVE))
        return;
    if (subleaf == 0) {
        out[EAX] = offered;
        out[EBX] = xsave_size(vcpu->xcr0);
        out[ECX] = xsave_size(offered);
    } else if (subleaf == 1) {
        out[EAX] = f->word[CPUID_D1_EAX];
        out[EBX] = cpu_has(f, XSAVEC) ? xsave_size(vcpu->xcr0) : 0;
    } else if (subleaf == 2 && cpu_has(f, AVX)) {
        out[EAX] = XSAVE_AVX_SIZE;
        out[EBX] = XSAVE_LEGACY_SIZE;
    }
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* TSC frequency = crystal * EBX / EAX, to the kHz. */
static void tsc_leaf(const struct vcpu *vcpu, uint32_t out[4])
{
    uint32_t khz = (uint32_t)(vcpu->tsc_hz / 1000), crystal_khz = APIC_TIMER_HZ / 1000;
    if (!khz)
        return;
    uint32_t divisor = common_divisor(khz, crystal_khz);
    out[EAX] = crystal_khz / divisor;
    out[EBX] = khz / divisor;
    out[ECX] = APIC_TIMER_HZ;
}

/* One thread in one core: the levels exist and need no bits of the APIC ID. */
static void topology_leaf(uint32_t subleaf, uint32_t out[4])
{
    out[ECX] = subleaf & 0xff;
    if (subleaf > 1)
        return;
    out[EBX] = 1;
    out[ECX] |= (subleaf + 1) << 8; /* 1: thread, 2: core */
}

static void feature_leaf(const struct vcpu *vcpu, uint32_t out[4])
{
    const struct cpu_features *f = &vcpu->features;
    out[EAX] = signature(f);
    out[EBX] = (cpu_has(f, CLFLUSH) ? CACHE_LINE / 8 << 8 : 0) | 1 << 16; /* one logical processor, APIC ID 0 */
    out[ECX] = f->word[CPUID_1_ECX] & ~(uint32_t)BIT_OSXSAVE;
    if (vcpu->cr4 & CR4_OSXSAVE)
        out[ECX] |= BIT_OSXSAVE;
    out[EDX] = f->word[CPUID_1_EDX];
}

static void basic_leaf(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_features *f = &vcpu->features;
    bool intel = f->vendor == VENDOR_INTEL;
    switch (leaf) {
    case 0:
        vendor_leaf(f, f->max_leaf, out);
        break;
    case 1:
        feature_leaf(vcpu, out);
        break;
    case 2:
        if (intel) { /* TLBs; 16 KiB L1 caches; 256 KiB L2 */
            out[EAX] = 0x03020101;
            out[EDX] = 0x0c040882;
        }
        break;
    case 4:
        if (intel)
            cache_leaf(subleaf, out);
        break;
    case 6:
        out[EAX] = cpu_has(f, APIC) ? 1 << 2 : 0; /* ARAT: the APIC timer runs while halted */
        break;
    case 7:
        if (subleaf == 0) {
            out[EBX] = f->word[CPUID_7_EBX];
            out[ECX] = f->word[CPUID_7_ECX];
            out[EDX] = f->word[CPUID_7_EDX];
        }
        break;
    case 0xb:
        if (cpu_has(f, APIC))
            topology_leaf(subleaf, out);
        break;
    case 0xd:
        xsave_leaf(vcpu, subleaf, out);
        break;
    case 0x15:
        tsc_leaf(vcpu, out);
        break;
    case 0x16:
        out[EAX] = out[EBX] = (uint32_t)(vcpu->tsc_hz / 1000000);
        out[ECX] = 100;
        break;
    default: /* 5: no MONITOR; the rest is reserved or not modelled */
        break;
    }
}

/* The parts that only AMD documents. */
static void amd_leaf(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_features *f = &vcpu->features;
    switch (leaf) {
    case 0x80000005: /* L1: 64-entry TLBs, fully associative; 32 KiB, 8 ways */
        out[EAX] = out[EBX] = 0xff40ff40;
        out[ECX] = out[EDX] = 32u << 24 | 8 << 16 | 1 << 8 | CACHE_LINE;
        break;
    case 0x80000006:                      /* L2: 1 MiB, 8 ways; L3: 32 MiB, 16 ways */
        out[EAX] = out[EBX] = 0x64006400; /* 1024-entry TLBs for 4 KiB pages, 8 ways */
        out[ECX] = 1024u << 16 | 6 << 12 | 1 << 8 | CACHE_LINE;
        out[EDX] = 64u << 18 | 8 << 12 | 1 << 8 | CACHE_LINE;
        break;
    case 0x8000001d:
        if (cpu_has(f, TOPOEXT))
            cache_leaf(subleaf, out);
        break;
    case 0x80000021:
        out[EAX] = f->word[CPUID_8000_0021_EAX];
        out[ECX] = cpu_has(f, SRSO_NO) ? 3 << 1 : 0; /* TSA_SQ_NO, TSA_L1_NO */
        break;
    default: /* 8000_001Eh: extended APIC ID 0, core 0, one thread, node 0 of one */
        break;
    }
}

static void extended_leaf(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_features *f = &vcpu->features;
    bool amd = f->vendor == VENDOR_AMD;
    switch (leaf) {
    case 0x80000000:
        if (amd)
            vendor_leaf(f, f->max_extended_leaf, out);
        else
            out[EAX] = f->max_extended_leaf;
        break;
    case 0x80000001:
        out[EAX] = amd ? signature(f) : 0;
        out[ECX] = f->word[CPUID_8000_0001_ECX];
        out[EDX] = f->word[CPUID_8000_0001_EDX] | (amd ? f->word[CPUID_1_EDX] & MIRRORED : 0);
        break;
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        for (unsigned i = 0; i < 4; i++)
            out[i] = four_characters(f->brand + (leaf - 0x80000002) * 16 + i * 4);
        break;
    case 0x80000007:
        out[EDX] = f->word[CPUID_8000_0007_EDX];
        break;
    case 0x80000008:
        out[EAX] = (cpu_has(f, LM) ? MMU_PHYS_BITS : cpu_has(f, PAE) ? 36 : 32) | (cpu_has(f, LM) ? 48 : 32) << 8;
        out[EBX] = f->word[CPUID_8000_0008_EBX];
        break;
    default:
        if (amd)
            amd_leaf(vcpu, leaf, subleaf, out);
        break;
    }
}

/*
 * By VMware's signature guests find its backdoor (devices/chips/vmware.h): then they take the frequencies of their
 * clocks as told, where a measurement on a busy host can be far off.
 */
static void hypervisor_leaf(const struct vcpu *vcpu, uint32_t leaf, uint32_t out[4])
{
    if (leaf == LEAF_HYPERVISOR) {
        out[EAX] = LEAF_HYPERVISOR_CLOCKS; /* the highest */
        const char *name = vcpu->features.vmware ? "VMwareVMware" : "ring3ring3ri";
        out[EBX] = four_characters(name);
        out[ECX] = four_characters(name + 4);
        out[EDX] = four_characters(name + 8);
    } else if (leaf == LEAF_HYPERVISOR_CLOCKS) {
        out[EAX] = (uint32_t)(vcpu->tsc_hz / 1000);
        out[EBX] = APIC_TIMER_HZ / 1000;
    }
}

void cpuid_leaf(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
    const struct cpu_features *f = &vcpu->features;
    out[EAX] = out[EBX] = out[ECX] = out[EDX] = 0;
    if (leaf >= LEAF_HYPERVISOR && leaf <= LEAF_HYPERVISOR_CLOCKS && cpu_has(f, HYPERVISOR))
        hypervisor_leaf(vcpu, leaf, out);
    else if (leaf >= LEAF_EXTENDED && leaf <= f->max_extended_leaf)
        extended_leaf(vcpu, leaf, subleaf, out);
    else if (leaf <= f->max_leaf)
        basic_leaf(vcpu, leaf, subleaf, out);
    else if (f->vendor == VENDOR_INTEL)
        basic_leaf(vcpu, f->max_leaf, subleaf, out);
}
