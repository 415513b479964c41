/*
 * Control and debug registers, TLB invalidation, CPUID and the time-stamp counter instructions.
 *
 * A refused write (#GP) changes nothing. Every change that translations depend on ends in one mmu_ call, as SDM Vol. 3
 * "Operations that invalidate TLBs" lists them. Thread: the vCPU's own; guest vector state live.
 * Source: SDM Vol. 3 "Control registers", "Initializing IA-32e mode", "PDPTE registers", "Debug registers"; Vol. 2 by
 * mnemonic.
 */
#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/rules.h"
#include "cpu-model/state/vector.h"

static const uint32_t cr0_writable =
    CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;

static enum exec_result gp0(struct vcpu *vcpu)
{
    vcpu_fault_code(vcpu, EXC_GP, 0);
    return EXEC_FAULT;
}

static enum exec_result ud(struct vcpu *vcpu)
{
    vcpu_fault(vcpu, EXC_UD);
    return EXEC_FAULT;
}

static bool pae_paging(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & (EFER_LMA | EFER_LME));
}

/* The combinations of CR0 that raise #GP. */
static bool cr0_legal(const struct vcpu *vcpu, uint64_t value)
{
    if (value >> 32)
        return false;
    if ((value & CR0_PG) && !(value & CR0_PE))
        return false;
    if ((value & CR0_NW) && !(value & CR0_CD))
        return false;
    bool was_paging = vcpu->cr0 & CR0_PG, paging = value & CR0_PG;
    if (!was_paging && paging && (vcpu->efer & EFER_LME))
        return (vcpu->cr4 & CR4_PAE) && !(vcpu->segment[SEG_CS].attributes & SEG_L);
    if (was_paging && !paging)
        return !(vcpu->cr4 & CR4_PCIDE) && !vcpu_code64(vcpu);
    return true;
}

static enum exec_result cr0_write(struct vcpu *vcpu, uint64_t value)
{
    if (!cr0_legal(vcpu, value))
        return gp0(vcpu);
    value = (value & cr0_writable) | CR0_ET;
    uint64_t changed = vcpu->cr0 ^ value;
    if (pae_paging(value, vcpu->cr4, vcpu->efer) && (changed & (CR0_PG | CR0_CD | CR0_NW)) &&
        !mmu_load_pdptes(vcpu, vcpu->cr3))
        return EXEC_FAULT;
    vcpu->cr0 = value;
    if (changed & CR0_PG) {
        if ((value & CR0_PG) && (vcpu->efer & EFER_LME))
            vcpu->efer |= EFER_LMA;
        else
            vcpu->efer &= ~(uint64_t)EFER_LMA;
        mmu_flush_all(vcpu, true);
    }
    if (changed & (CR0_PG | CR0_WP | CR0_PE))
        mmu_mode_changed(vcpu);
    return EXEC_NEXT;
}

static enum exec_result cr3_write(struct vcpu *vcpu, uint64_t value)
{
    bool keep = false;
    if (vcpu_long_mode(vcpu)) {
        if (vcpu->cr4 & CR4_PCIDE) {
            keep = value >> 63;
            value &= ~BIT(63);
        }
        if (value >> MMU_PHYS_BITS)
            return gp0(vcpu);
    } else {
        value = (uint32_t)value;
        if (pae_paging(vcpu->cr0, vcpu->cr4, vcpu->efer) && !mmu_load_pdptes(vcpu, value))
            return EXEC_FAULT;
    }
    vcpu->cr3 = value;
    mmu_set_root(vcpu, keep);
    return EXEC_NEXT;
}

/* CR4 bits that the CPU model's features make writable. */
static uint64_t cr4_writable(const struct cpu_features *f)
{
    return (cpu_has(f, VME) ? CR4_VME | CR4_PVI : 0) | (cpu_has(f, TSC) ? CR4_TSD : 0) | (cpu_has(f, DE) ? CR4_DE : 0) |
           (cpu_has(f, PSE) ? CR4_PSE : 0) | (cpu_has(f, PAE) ? CR4_PAE : 0) | (cpu_has(f, MCE) ? CR4_MCE : 0) |
           (cpu_has(f, PGE) ? CR4_PGE : 0) | (f->family >= 6 ? CR4_PCE : 0) | (cpu_has(f, FXSR) ? CR4_OSFXSR : 0) |
           (cpu_has(f, SSE) ? CR4_OSXMMEXCPT : 0) | (cpu_has(f, UMIP) ? CR4_UMIP : 0) |
           (cpu_has(f, FSGSBASE) ? CR4_FSGSBASE : 0) | (cpu_has(f, PCID) ? CR4_PCIDE : 0) |
           (cpu_has(f, XSAVE) ? CR4_OSXSAVE : 0) | (cpu_has(f, SMEP) ? CR4_SMEP : 0);
}

static enum exec_result cr4_write(struct vcpu *vcpu, uint64_t value)
{
    uint64_t changed = vcpu->cr4 ^ value;
    if (value & ~cr4_writable(&vcpu->features))
        return gp0(vcpu);
    if (vcpu_long_mode(vcpu) && !(value & CR4_PAE))
        return gp0(vcpu);
    if ((changed & value & CR4_PCIDE) && (!vcpu_long_mode(vcpu) || (vcpu->cr3 & 0xfff)))
        return gp0(vcpu);
    if (pae_paging(vcpu->cr0, value, vcpu->efer) && (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) &&
        !mmu_load_pdptes(vcpu, vcpu->cr3))
        return EXEC_FAULT;
    vcpu->cr4 = value;
    if ((changed & (CR4_PSE | CR4_PAE | CR4_PGE)) || (changed & ~value & CR4_PCIDE) || (changed & value & CR4_SMEP))
        mmu_flush_all(vcpu, true);
    if (changed & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP))
        mmu_mode_changed(vcpu);
    return EXEC_NEXT;
}

static enum exec_result mov_to_cr(struct vcpu *vcpu, unsigned cr, uint64_t value)
{
    switch (cr) {
    case 0:
        return cr0_write(vcpu, value);
    case 2:
        vcpu->cr2 = value;
        return EXEC_NEXT;
    case 3:
        return cr3_write(vcpu, value);
    case 4:
        return cr4_write(vcpu, value);
    case 8:
        if (value > 15)
            return gp0(vcpu);
        vector_park(vcpu);
        vcpu->wires->set_tpr(vcpu->wires->machine, (uint8_t)value);
        return EXEC_NEXT;
    default:
        return ud(vcpu);
    }
}

enum exec_result exec_mov_cr(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = insn->code_size == 8 ? 8 : 4, cr = insn->reg;
    if (insn->opcode & 2)
        return mov_to_cr(vcpu, cr, reg_read(vcpu, insn->rm, size));
    uint64_t value;
    switch (cr) {
    case 0:
        value = vcpu->cr0;
        break;
    case 2:
        value = vcpu->cr2;
        break;
    case 3:
        value = vcpu->cr3;
        break;
    case 4:
        value = vcpu->cr4;
        break;
    case 8:
        vector_park(vcpu);
        value = vcpu->wires->get_tpr(vcpu->wires->machine);
        break;
    default:
        return ud(vcpu);
    }
    reg_write(vcpu, insn->rm, size, value);
    return EXEC_NEXT;
}

enum { DR7_GD = 1 << 13 };

enum exec_result exec_mov_dr(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = insn->code_size == 8 ? 8 : 4, dr = insn->reg;
    if (dr > 7 || ((dr == 4 || dr == 5) && (vcpu->cr4 & CR4_DE)))
        return ud(vcpu);
    if (dr == 4 || dr == 5)
        dr += 2;
    if (vcpu->dr[7] & DR7_GD) { /* delivery clears GD */
        vcpu_fault(vcpu, EXC_DB);
        vcpu->exception.dr6 = DR6_BD;
        return EXEC_FAULT;
    }
    if (!(insn->opcode & 2)) {
        reg_write(vcpu, insn->rm, size, vcpu->dr[dr]);
        return EXEC_NEXT;
    }
    uint64_t value = reg_read(vcpu, insn->rm, size);
    if (dr >= 6 && value >> 32)
        return gp0(vcpu);
    if (dr == 6)
        value = (value & 0xe00f) | 0xffff0ff0; /* B0-B3, BD, BS, BT; the rest reads as fixed */
    else if (dr == 7)
        value = (value & 0xffff23ff) | 0x400;
    vcpu->dr[dr] = value;
    return EXEC_NEXT;
}

enum exec_result exec_clts(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    vcpu->cr0 &= ~(uint64_t)CR0_TS;
    return EXEC_NEXT;
}

enum exec_result exec_lmsw(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t value;
    if (!insn_read_rm(vcpu, insn, 2, &value))
        return EXEC_FAULT;
    /* PE can be set but not cleared. */
    uint64_t cr0 = (vcpu->cr0 & ~(uint64_t)(CR0_MP | CR0_EM | CR0_TS)) | (value & 0xf);
    return cr0_write(vcpu, cr0);
}

enum exec_result exec_smsw(struct vcpu *vcpu, const struct insn *insn)
{
    if ((vcpu->cr4 & CR4_UMIP) && vcpu->cpl > 0)
        return gp0(vcpu);
    unsigned size = insn->mem.present ? 2 : insn->operand_size;
    return insn_write_rm(vcpu, insn, size, vcpu->cr0) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec_result exec_invlpg(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t at = insn_offset(vcpu, insn);
    unsigned segment = insn->mem.segment;
    if (insn->code_size != 8)
        at = (uint32_t)(at + vcpu->segment[segment].base); /* the address only: no limit or rights check */
    else if (segment == SEG_FS || segment == SEG_GS)
        at += vcpu->segment[segment].base;
    if (lin_canonical(at)) /* a no-operation otherwise */
        mmu_flush_page(vcpu, lin(at));
    return EXEC_NEXT;
}

enum invpcid_type { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL_GLOBAL, INVPCID_ALL };

enum exec_result exec_invpcid(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t type = reg_read(vcpu, insn->reg, insn->code_size == 8 ? 8 : 4), descriptor[2];
    lin_t at;
    if (vcpu_v86(vcpu))
        return gp0(vcpu);
    if (!insn_linear(vcpu, insn, sizeof(descriptor), ACCESS_READ, &at) ||
        !mmu_read_bytes(vcpu, at, descriptor, sizeof(descriptor), vcpu_user(vcpu)))
        return EXEC_FAULT;
    uint16_t pcid = descriptor[0] & 0xfff;
    if (type > INVPCID_ALL || descriptor[0] >> 12)
        return gp0(vcpu);
    if (type <= INVPCID_CONTEXT && pcid && !(vcpu->cr4 & CR4_PCIDE))
        return gp0(vcpu);
    if (type == INVPCID_ADDRESS && !lin_canonical(descriptor[1]))
        return gp0(vcpu);
    switch (type) {
    case INVPCID_ADDRESS:
        mmu_flush_page_pcid(vcpu, lin(descriptor[1]), pcid);
        break;
    case INVPCID_CONTEXT:
        mmu_flush_pcid(vcpu, pcid);
        break;
    default:
        mmu_flush_all(vcpu, type == INVPCID_ALL_GLOBAL);
        break;
    }
    return EXEC_NEXT;
}

/* INVD too: the host's caches are coherent and stay as they are. */
enum exec_result exec_wbinvd(struct vcpu *vcpu, const struct insn *insn)
{
    (void)vcpu;
    (void)insn;
    return EXEC_NEXT;
}

enum exec_result exec_cpuid(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    uint32_t out[4];
    cpuid_leaf(vcpu, (uint32_t)vcpu->gpr[REG_RAX], (uint32_t)vcpu->gpr[REG_RCX], out);
    vcpu->gpr[REG_RAX] = out[0];
    vcpu->gpr[REG_RBX] = out[1];
    vcpu->gpr[REG_RCX] = out[2];
    vcpu->gpr[REG_RDX] = out[3];
    return EXEC_NEXT;
}

enum exec_result exec_rdtsc(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    if ((vcpu->cr4 & CR4_TSD) && vcpu->cpl > 0)
        return gp0(vcpu);
    uint64_t tsc = vcpu_tsc(vcpu);
    vcpu->gpr[REG_RAX] = (uint32_t)tsc;
    vcpu->gpr[REG_RDX] = tsc >> 32;
    return EXEC_NEXT;
}

enum exec_result exec_rdtscp(struct vcpu *vcpu, const struct insn *insn)
{
    enum exec_result result = exec_rdtsc(vcpu, insn);
    if (result == EXEC_NEXT)
        vcpu->gpr[REG_RCX] = (uint32_t)vcpu->tsc_aux;
    return result;
}

/* No performance counter exists, so every index is out of range; without CR4.PCE users do not get that far. */
enum exec_result exec_rdpmc(struct vcpu *vcpu, const struct insn *insn)
{
    (void)insn;
    return gp0(vcpu);
}

enum exec_result exec_rdpid(struct vcpu *vcpu, const struct insn *insn)
{
    reg_write(vcpu, insn->rm, insn->code_size == 8 ? 8 : 4, (uint32_t)vcpu->tsc_aux);
    return EXEC_NEXT;
}
