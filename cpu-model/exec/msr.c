/*
 * RDMSR and WRMSR: one table of model-specific registers with what offers them, and the time-stamp counter.
 *
 * A register that is not in the table, or whose feature or vendor is not the CPU model's, is #GP(0); so is a write with
 * reserved bits set. A refused access changes nothing. Thread: the vCPU's own; guest vector state live, parked before
 * calls into the machine.
 * Source: SDM Vol. 4 "Model-specific registers", Vol. 3 "Memory type range registers", "Page attribute table",
 * "Machine-check architecture"; AMD APM Vol. 2 "System registers", "Model-specific registers (MSRs)".
 */
#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/rules.h"

#include "cpu-model/base/log.h"
#include "cpu-model/state/vector.h"

#define EFER_AUTO_IBRS BIT(21)

enum {
    MC_BANKS = 4,
    MTRR_VARIABLE = 8,
    MTRR_CAP = MTRR_VARIABLE | 1 << 8 | 1 << 10, /* fixed ranges, write combining */
    MCG_CAP = MC_BANKS | 1 << 8,                 /* MCG_CTL is there */
    NEEDS_NOTHING = FEATURE_COUNT,               /* any CPU model that has MSRs at all */
};

/* Any vendor, or just one. */
enum vendor_rule { ANY, INTEL, AMD };

struct msr {
    uint32_t first, last;
    uint8_t feature;                                                /* enum cpu_feature or NEEDS_NOTHING */
    uint8_t vendor;                                                 /* enum vendor_rule */
    bool (*read)(struct vcpu *vcpu, uint32_t msr, uint64_t *value); /* false: #GP */
    bool (*write)(struct vcpu *vcpu, uint32_t msr, uint64_t value); /* null: read-only */
    uint16_t offset; /* of a plain register in struct vcpu, for the read and write functions that use it */
};

static const struct msr *msr_find(const struct vcpu *vcpu, uint32_t index);

/* --- plain storage ------------------------------------------------------------------------------------------------ */

static uint64_t *plain(struct vcpu *vcpu, uint32_t index)
{
    const struct msr *msr = msr_find(vcpu, index);
    return (uint64_t *)((char *)vcpu + msr->offset) + (index - msr->first);
}

static bool read_plain(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    *value = *plain(vcpu, msr);
    return true;
}

static bool write_plain(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    *plain(vcpu, msr) = value;
    return true;
}

static bool write_low32(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    return !(value >> 32) && write_plain(vcpu, msr, value);
}

static bool write_canonical(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    return lin_canonical(value) && write_plain(vcpu, msr, value);
}

static bool read_zero(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu;
    (void)msr;
    *value = 0;
    return true;
}

/* A register of which no bit can be set here. */
static bool write_zero(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)vcpu;
    (void)msr;
    return value == 0;
}

/* --- long mode and system calls ----------------------------------------------------------------------------------- */

static bool write_efer(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    const struct cpu_features *f = &vcpu->features;
    uint64_t writable = (cpu_has(f, SYSCALL) ? EFER_SCE : 0) | (cpu_has(f, LM) ? EFER_LME : 0) |
                        (cpu_has(f, NX) ? EFER_NXE : 0) | (cpu_has(f, AUTO_IBRS) ? EFER_AUTO_IBRS : 0);
    if (value & ~(writable | EFER_LMA))
        return false;
    uint64_t changed = (vcpu->efer ^ value) & writable;
    if ((changed & EFER_LME) && (vcpu->cr0 & CR0_PG))
        return false;
    vcpu->efer ^= changed; /* LMA follows CR0.PG, not writes */
    if (changed & EFER_NXE) {
        mmu_flush_all(vcpu, true);
        mmu_mode_changed(vcpu);
    }
    return true;
}

static bool read_fs_gs_base(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    *value = vcpu->segment[msr & 1 ? SEG_GS : SEG_FS].base;
    return true;
}

static bool write_fs_gs_base(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    if (!lin_canonical(value))
        return false;
    vcpu->segment[msr & 1 ? SEG_GS : SEG_FS].base = value;
    return true;
}

/* Outside 64-bit CPU models SYSENTER_ESP and EIP are 32 bits wide. */
static bool write_sysenter(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    return cpu_has(&vcpu->features, LM) ? write_canonical(vcpu, msr, value) : write_plain(vcpu, msr, (uint32_t)value);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static uint64_t host_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

uint64_t vcpu_tsc(const struct vcpu *vcpu)
{
    return host_tsc() + vcpu->tsc_offset;
}

static bool read_tsc(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = vcpu_tsc(vcpu);
    return true;
}

static bool write_tsc(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    uint64_t delta = value - vcpu_tsc(vcpu);
    vcpu->tsc_offset += delta;
    vcpu->tsc_adjust += delta;
    return true;
}

static bool write_tsc_adjust(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    vcpu->tsc_offset += value - vcpu->tsc_adjust;
    vcpu->tsc_adjust = value;
    return true;
}

/* --- the local APIC ----------------------------------------------------------------------------------------------- */

static bool read_apic(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    vector_park(vcpu);
    return vcpu->wires->apic_msr_read(vcpu->wires->machine, msr, value) == 0;
}

static bool write_apic(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    vector_park(vcpu);
    return vcpu->wires->apic_msr_write(vcpu->wires->machine, msr, value) == 0;
}

/* --- memory types: kept for the guest; the host's caches are coherent whatever they say --------------------------- */

static bool memory_type_valid(unsigned type, bool pat)
{
    return type < 8 && (0x73 | (pat ? 0x80 : 0)) >> type & 1; /* UC WC WT WP WB, in the PAT also UC- */
}

static bool write_pat(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    for (unsigned i = 0; i < 8; i++)
        if (!memory_type_valid(value >> (i * 8) & 0xff, true))
            return false;
    vcpu->pat = value;
    return true;
}

static bool read_mtrr_cap(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu;
    (void)msr;
    *value = MTRR_CAP;
    return true;
}

static bool write_mtrr_def_type(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    if (value & ~0xcffull || !memory_type_valid(value & 0xff, false))
        return false;
    vcpu->mtrr_def_type = value;
    return true;
}

static bool read_mtrr_variable(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    unsigned pair = (msr - 0x200) / 2;
    *value = msr & 1 ? vcpu->mtrr_mask[pair] : vcpu->mtrr_base[pair];
    return true;
}

static bool write_mtrr_variable(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    unsigned pair = (msr - 0x200) / 2;
    if (value >> MMU_PHYS_BITS)
        return false;
    if (msr & 1) {
        if (value & 0x7ff)
            return false;
        vcpu->mtrr_mask[pair] = value;
        return true;
    }
    if ((value & 0xf00) || !memory_type_valid(value & 0xff, false))
        return false;
    vcpu->mtrr_base[pair] = value;
    return true;
}

/* 250h, 258h, 259h, 268h..26Fh */
static uint64_t *mtrr_fixed(struct vcpu *vcpu, uint32_t msr)
{
    unsigned index = msr == 0x250 ? 0 : msr <= 0x259 ? msr - 0x258 + 1 : msr - 0x268 + 3;
    return &vcpu->mtrr_fixed[index];
}

static bool read_mtrr_fixed(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    *value = *mtrr_fixed(vcpu, msr);
    return true;
}

static bool write_mtrr_fixed(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        if (!memory_type_valid(value >> (i * 8) & 0xff, false))
            return false;
    *mtrr_fixed(vcpu, msr) = value;
    return true;
}

/* --- machine check: the banks exist and never report -------------------------------------------------------------- */

static bool read_mcg_cap(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu;
    (void)msr;
    *value = MCG_CAP;
    return true;
}

/* Each bank: CTL, STATUS, ADDR, MISC. Only CTL takes anything but zero. */
static bool write_mc_bank(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    return ((msr & 3) == 0 || value == 0) && write_plain(vcpu, msr, value);
}

/* The two registers of the Pentium, on every model with MCE. */
static bool read_p5_mc(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    return read_zero(vcpu, msr, value);
}

/* --- Intel -------------------------------------------------------------------------------------------------------- */

/* Write 0, execute CPUID, read the revision: the write has nothing to do. Firmware does that on AMD's processors too,
 * where hypervisors let it pass. */
static bool write_microcode_rev(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    return vcpu->features.vendor == VENDOR_INTEL || !value;
}

/*
 * IA32_ARCH_CAPABILITIES: RDCL_NO (Meltdown), SKIP_L1DFL_VMENTRY, MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO,
 * FBSDP_NO, PSDP_NO, PBRSB_NO, RFDS_NO, ITS_NO; SSB_NO and IBRS_ALL are left clear. A guest's user code reaches guest
 * memory only through its own shadow tables, which hold no supervisor page while CPL is 3.
 */
static bool read_arch_capabilities(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu;
    (void)msr;
    *value = BIT(0) | BIT(3) | BIT(5) | BIT(6) | BIT(8) | BIT(13) | BIT(14) | BIT(15) | BIT(24) | BIT(27) | BIT(62);
    return true;
}

/* Fast strings (bit 0) can be switched; performance monitoring (bit 7) is not there; no BTS, no PEBS (11, 12). */
static bool read_misc_enable(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = (vcpu->misc_enable & 1) | BIT(11) | BIT(12);
    return true;
}

static bool write_misc_enable(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    if (value & ~(BIT(0) | BIT(11) | BIT(12)))
        return false;
    vcpu->misc_enable = value;
    return true;
}

/* --- AMD ---------------------------------------------------------------------------------------------------------- */

enum {
    HWCR_TLB_CACHE_DISABLE = 1 << 3,
    HWCR_FLUSH_FILTER_DISABLE = 1 << 6,
    HWCR_IGNNE_EMULATION = 1 << 8,
    HWCR_TSC_FREQUENCY_P0 = 1 << 24, /* the TSC counts at a constant rate: always */
    HWCR_STORED = HWCR_TLB_CACHE_DISABLE | HWCR_FLUSH_FILTER_DISABLE | HWCR_IGNNE_EMULATION,
};

static bool read_hwcr(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)msr;
    *value = vcpu->amd_hwcr | HWCR_TSC_FREQUENCY_P0;
    return true;
}

static bool write_hwcr(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    if (value & ~(uint64_t)(HWCR_STORED | HWCR_TSC_FREQUENCY_P0))
        return false;
    vcpu->amd_hwcr = value & HWCR_STORED;
    return true;
}

/* NB_CFG1: EnableCf8ExtCfg (bit 46) is kept; the rest configures hardware that is not there. */
static bool write_nb_cfg(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)msr;
    vcpu->amd_nb_cfg = value & BIT(46);
    return true;
}

/* DE_CFG: LFENCE serializes always (bit 1), and stays so. */
static bool read_de_cfg(struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    (void)vcpu;
    (void)msr;
    *value = BIT(1);
    return true;
}

static bool write_de_cfg(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    (void)vcpu;
    (void)msr;
    return (value & ~BIT(1)) == 0;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

#define STORED(field) offsetof(struct vcpu, field)

static const struct msr table[] = {
    {0x000, 0x001, FEATURE_MCE, ANY, read_p5_mc, write_zero, 0}, /* P5_MC_ADDR, P5_MC_TYPE */
    {0x010, 0x010, FEATURE_TSC, ANY, read_tsc, write_tsc, 0},
    {0x017, 0x017, NEEDS_NOTHING, INTEL, read_zero, NULL, 0},       /* IA32_PLATFORM_ID */
    {0x01b, 0x01b, FEATURE_APIC, ANY, read_apic, write_apic, 0},    /* IA32_APIC_BASE */
    {0x02a, 0x02a, NEEDS_NOTHING, INTEL, read_zero, write_zero, 0}, /* EBL_CR_POWERON */
    {0x03b, 0x03b, FEATURE_TSC_ADJUST, ANY, read_plain, write_tsc_adjust, STORED(tsc_adjust)},
    {0x08b, 0x08b, NEEDS_NOTHING, ANY, read_plain, write_microcode_rev, STORED(microcode_rev)},
    {0x0fe, 0x0fe, FEATURE_MTRR, ANY, read_mtrr_cap, NULL, 0},
    {0x10a, 0x10a, FEATURE_ARCH_CAPABILITIES, ANY, read_arch_capabilities, NULL, 0},
    {0x174, 0x174, FEATURE_SEP, ANY, read_plain, write_low32, STORED(sysenter_cs)},
    {0x175, 0x175, FEATURE_SEP, ANY, read_plain, write_sysenter, STORED(sysenter_esp)},
    {0x176, 0x176, FEATURE_SEP, ANY, read_plain, write_sysenter, STORED(sysenter_eip)},
    {0x179, 0x179, FEATURE_MCA, ANY, read_mcg_cap, NULL, 0},
    {0x17a, 0x17a, FEATURE_MCA, ANY, read_plain, write_zero, STORED(mcg_status)},
    {0x17b, 0x17b, FEATURE_MCA, ANY, read_plain, write_plain, STORED(mcg_ctl)},
    {0x1a0, 0x1a0, NEEDS_NOTHING, INTEL, read_misc_enable, write_misc_enable, 0},
    {0x1d9, 0x1d9, NEEDS_NOTHING, ANY, read_zero, write_zero, 0}, /* DEBUGCTL: neither BTF nor LBR */
    {0x1db, 0x1de, NEEDS_NOTHING, ANY, read_zero, write_zero, 0}, /* last branch and last interrupt from, to */
    {0x200, 0x200 + 2 * MTRR_VARIABLE - 1, FEATURE_MTRR, ANY, read_mtrr_variable, write_mtrr_variable, 0},
    {0x250, 0x250, FEATURE_MTRR, ANY, read_mtrr_fixed, write_mtrr_fixed, 0},
    {0x258, 0x259, FEATURE_MTRR, ANY, read_mtrr_fixed, write_mtrr_fixed, 0},
    {0x268, 0x26f, FEATURE_MTRR, ANY, read_mtrr_fixed, write_mtrr_fixed, 0},
    {0x277, 0x277, FEATURE_PAT, ANY, read_plain, write_pat, STORED(pat)},
    {0x2ff, 0x2ff, FEATURE_MTRR, ANY, read_plain, write_mtrr_def_type, STORED(mtrr_def_type)},
    {0x400, 0x400 + 4 * MC_BANKS - 1, FEATURE_MCA, ANY, read_plain, write_mc_bank, STORED(mc_bank)},
    {0x6e0, 0x6e0, FEATURE_TSC_DEADLINE, ANY, read_apic, write_apic, 0},
    {0x800, 0x8ff, FEATURE_X2APIC, ANY, read_apic, write_apic, 0},
    {0xc0000080, 0xc0000080, NEEDS_NOTHING, ANY, read_plain, write_efer, STORED(efer)},
    {0xc0000081, 0xc0000081, FEATURE_SYSCALL, ANY, read_plain, write_plain, STORED(star)},
    {0xc0000082, 0xc0000082, FEATURE_LM, ANY, read_plain, write_canonical, STORED(lstar)},
    {0xc0000083, 0xc0000083, FEATURE_LM, ANY, read_plain, write_canonical, STORED(cstar)},
    {0xc0000084, 0xc0000084, FEATURE_LM, ANY, read_plain, write_low32, STORED(sfmask)},
    {0xc0000100, 0xc0000101, FEATURE_LM, ANY, read_fs_gs_base, write_fs_gs_base, 0},
    {0xc0000102, 0xc0000102, FEATURE_LM, ANY, read_plain, write_canonical, STORED(kernel_gs_base)},
    {0xc0000103, 0xc0000103, FEATURE_RDTSCP, ANY, read_plain, write_low32, STORED(tsc_aux)},
    {0xc0010010, 0xc0010010, NEEDS_NOTHING, AMD, read_zero, write_zero,
     0}, /* SYSCFG: no encryption, no fixed-MTRR DRAM bits */
    {0xc0010015, 0xc0010015, NEEDS_NOTHING, AMD, read_hwcr, write_hwcr, 0},
    {0xc001001f, 0xc001001f, NEEDS_NOTHING, AMD, read_plain, write_nb_cfg, STORED(amd_nb_cfg)},
    {0xc0010058, 0xc0010058, NEEDS_NOTHING, AMD, read_zero, write_zero, 0}, /* MMIO configuration base: off */
    {0xc0011029, 0xc0011029, NEEDS_NOTHING, AMD, read_de_cfg, write_de_cfg, 0},
};

/* EFER exists where it has a bit to write. */
static bool msr_offered(const struct cpu_features *f, const struct msr *msr)
{
    if (msr->vendor == INTEL ? f->vendor != VENDOR_INTEL : msr->vendor == AMD && f->vendor != VENDOR_AMD)
        return false;
    if (msr->read == read_plain && msr->write == write_efer)
        return cpu_has(f, LM) || cpu_has(f, NX) || cpu_has(f, SYSCALL);
    if (msr->first == 0x08b || msr->first == 0x1d9 || msr->first == 0x1db)
        return f->family >= 6;
    return msr->feature == NEEDS_NOTHING || cpu_has_feature(f, msr->feature);
}

static const struct msr *msr_find(const struct vcpu *vcpu, uint32_t index)
{
    for (unsigned i = 0; i < ARRAY_LEN(table); i++)
        if (index >= table[i].first && index <= table[i].last)
            return msr_offered(&vcpu->features, &table[i]) ? &table[i] : NULL;
    return NULL;
}

enum exec_result exec_rdmsr(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    uint32_t index = (uint32_t)vcpu->gpr[REG_RCX];
    const struct msr *msr = msr_find(vcpu, index);
    uint64_t value;
    if (!msr || !msr->read(vcpu, index, &value)) {
        vector_park(vcpu); /* the log is ordinary code */
        log_line(LOG_MSR, "rdmsr %x at %llx: #GP", index, (unsigned long long)vcpu->rip);
        vcpu_fault_code(vcpu, EXC_GP, 0);
        return EXEC_FAULT;
    }
    vcpu->gpr[REG_RAX] = (uint32_t)value;
    vcpu->gpr[REG_RDX] = value >> 32;
    return EXEC_NEXT;
}

enum exec_result exec_wrmsr(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    uint32_t index = (uint32_t)vcpu->gpr[REG_RCX];
    uint64_t value = (uint32_t)vcpu->gpr[REG_RAX] | vcpu->gpr[REG_RDX] << 32;
    const struct msr *msr = msr_find(vcpu, index);
    if (!msr || !msr->write || !msr->write(vcpu, index, value)) {
        vector_park(vcpu);
        log_line(LOG_MSR, "wrmsr %x = %llx at %llx: #GP", index, (unsigned long long)value,
                 (unsigned long long)vcpu->rip);
        vcpu_fault_code(vcpu, EXC_GP, 0);
        return EXEC_FAULT;
    }
    return EXEC_NEXT;
}
