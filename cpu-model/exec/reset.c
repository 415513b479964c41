/*
 * Power-up and INIT state, and the one place where CPL changes.
 *
 * Invariant: what the machine owns (wires, space, events, features, TSC rate, A20) is not touched. Runs on the vCPU's
 * thread, or on any while it does not run. SDM Vol. 3 "Processor state after reset", table "IA-32 and Intel 64
 * processor states following power-up, reset, or INIT".
 */
#include "cpu-model/exec/exec.h"

#include "cpu-model/exec/exec_int.h"
#include "cpu-model/state/vector.h"

void vcpu_set_cpl(struct vcpu *vcpu, unsigned cpl)
{
    vcpu->cpl = (uint8_t)cpl;
}

/* Family, model and stepping as CPUID leaf 1 EAX has them; EDX after reset. */
static uint32_t signature(const struct cpu_features *f)
{
    uint32_t family = f->family < 15 ? f->family : 15, extended = f->family - family;

    return extended << 20 | (uint32_t)(f->model >> 4) << 16 | family << 8 | (f->model & 15u) << 4 | (f->stepping & 15u);
}

static void reset_segments(struct vcpu *vcpu)
{
    struct segment data = {
        .limit = 0xffff,
        .attributes = SEG_P | SEG_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED,
    };

    for (unsigned i = 0; i < SEG_COUNT; i++)
        vcpu->segment[i] = data;
    vcpu->segment[SEG_CS] = data;
    vcpu->segment[SEG_CS].selector = 0xf000;
    vcpu->segment[SEG_CS].base = 0xffff0000;
    vcpu->segment[SEG_LDTR] = (struct segment){.limit = 0xffff, .attributes = SEG_P | SYSTEM_LDT};
    vcpu->segment[SEG_TR] = (struct segment){.limit = 0xffff, .attributes = SEG_P | SYSTEM_TSS32 | SYSTEM_TSS_BUSY};
    vcpu->gdtr = (struct table_register){.limit = 0xffff};
    vcpu->idtr = (struct table_register){.limit = 0xffff};
}

/* What INIT leaves alone: MSRs, MTRRs, the TSC, XCR0 and the vector state. */
static void reset_power_up(struct vcpu *vcpu)
{
    vcpu->star = vcpu->lstar = vcpu->cstar = vcpu->sfmask = vcpu->kernel_gs_base = 0;
    vcpu->sysenter_cs = vcpu->sysenter_esp = vcpu->sysenter_eip = 0;
    vcpu->pat = 0x0007040600070406;
    vcpu->tsc_aux = 0;
    vcpu->misc_enable = 1; /* fast strings */
    vcpu->mtrr_def_type = 0;
    for (unsigned i = 0; i < ARRAY_LEN(vcpu->mtrr_fixed); i++)
        vcpu->mtrr_fixed[i] = 0;
    for (unsigned i = 0; i < ARRAY_LEN(vcpu->mtrr_base); i++)
        vcpu->mtrr_base[i] = vcpu->mtrr_mask[i] = 0;
    vcpu->mcg_status = vcpu->mcg_ctl = 0;
    for (unsigned i = 0; i < ARRAY_LEN(vcpu->mc_bank); i++)
        vcpu->mc_bank[i] = 0;
    vcpu->xcr0 = 1;
    vcpu->tsc_adjust = vcpu->amd_nb_cfg = vcpu->amd_hwcr = 0;
    vcpu->tsc_offset = 0 - __builtin_ia32_rdtsc();
    vector_reset(vcpu);
}

void vcpu_reset(struct vcpu *vcpu, bool init)
{
    uint64_t cache_bits = init ? vcpu->cr0 & (CR0_CD | CR0_NW) : CR0_CD | CR0_NW;

    for (unsigned i = 0; i < ARRAY_LEN(vcpu->gpr); i++)
        vcpu->gpr[i] = 0;
    vcpu->gpr[REG_RDX] = signature(&vcpu->features);
    vcpu->rip = 0xfff0;
    vcpu_set_eflags(vcpu, FLAG_FIXED);
    reset_segments(vcpu);
    vcpu->cr0 = cache_bits | CR0_ET;
    vcpu->cr2 = vcpu->cr3 = vcpu->cr4 = 0;
    for (unsigned i = 0; i < ARRAY_LEN(vcpu->pdpte); i++)
        vcpu->pdpte[i] = 0;
    for (unsigned i = 0; i < 4; i++)
        vcpu->dr[i] = 0;
    vcpu->dr[6] = 0xffff0ff0;
    vcpu->dr[7] = 0x400;
    vcpu->efer = 0;
    vcpu_set_cpl(vcpu, 0);
    vcpu->interrupt_shadow = vcpu->debug_shadow = vcpu->nmi_blocked = false;
    vcpu->halted = vcpu->ignne = false;
    vcpu->waiting_for_sipi = false; /* application processors: whoever resets them sets it */
    vcpu->exception = (struct exception){0};
    if (!init)
        reset_power_up(vcpu);
    mmu_mode_changed(vcpu);
    mmu_flush_all(vcpu, true);
}
