/*
 * Instructions on descriptor tables: LGDT and its kin, and the checks LAR, LSL, VERR, VERW, ARPL.
 *
 * Invariant: reads of descriptors are supervisor accesses whatever the CPL. Runs on the vCPU's thread with the guest's
 * vector state live. SDM Vol. 2 by mnemonic; Vol. 3 "Pointer validation", "System descriptor types".
 */
#include "cpu-model/exec/exec.h"

#include "cpu-model/exec/exec_int.h"

static bool umip_denies(struct vcpu *vcpu)
{
    if (!(vcpu->cr4 & CR4_UMIP) || vcpu->cpl == 0)
        return false;
    vcpu_fault_code(vcpu, EXC_GP, 0);
    return true;
}

/* --- GDTR, IDTR --------------------------------------------------------------------------------------------------- */

static enum exec_result load_table(struct vcpu *vcpu, const struct insn *insn, struct table_register *table)
{
    bool code64 = insn->code_size == 8;
    uint64_t limit, base;
    lin_t at;

    if (vcpu->cpl)
        return exec_fault_code(vcpu, EXC_GP, 0);
    if (!insn_linear(vcpu, insn, code64 ? 10 : 6, ACCESS_READ, &at) || !mmu_read(vcpu, at, 2, false, &limit) ||
        !mmu_read(vcpu, lin(at.v + 2), code64 ? 8 : 4, false, &base))
        return EXEC_FAULT;
    if (code64 && !lin_canonical(base))
        return exec_fault_code(vcpu, EXC_GP, 0);
    if (!code64 && insn->operand_size == 2)
        base &= 0xffffff;
    *table = (struct table_register){.base = base, .limit = (uint16_t)limit};
    return EXEC_NEXT;
}

static enum exec_result store_table(struct vcpu *vcpu, const struct insn *insn, const struct table_register *table)
{
    unsigned size = insn->code_size == 8 ? 10 : 6;
    uint64_t image[2] = {table->limit | table->base << 16, table->base >> 48};
    lin_t at;

    if (umip_denies(vcpu))
        return EXEC_FAULT;
    if (!insn_linear(vcpu, insn, size, ACCESS_WRITE, &at) || !mmu_write_bytes(vcpu, at, image, size, vcpu_user(vcpu)))
        return EXEC_FAULT;
    return EXEC_NEXT;
}

enum exec_result exec_lgdt(struct vcpu *vcpu, const struct insn *insn)
{
    return load_table(vcpu, insn, &vcpu->gdtr);
}

enum exec_result exec_lidt(struct vcpu *vcpu, const struct insn *insn)
{
    return load_table(vcpu, insn, &vcpu->idtr);
}

enum exec_result exec_sgdt(struct vcpu *vcpu, const struct insn *insn)
{
    return store_table(vcpu, insn, &vcpu->gdtr);
}

enum exec_result exec_sidt(struct vcpu *vcpu, const struct insn *insn)
{
    return store_table(vcpu, insn, &vcpu->idtr);
}

/* --- LDTR, TR ----------------------------------------------------------------------------------------------------- */

/* The system descriptor for LLDT and LTR; in long mode all 16 bytes. */
static bool system_descriptor(struct vcpu *vcpu, uint16_t selector, struct descriptor *d)
{
    if (selector & SELECTOR_TI)
        return vcpu_fault_code(vcpu, EXC_GP, selector_code(selector));
    if (!descriptor_read(vcpu, selector, EXC_GP, d))
        return false;
    return true;
}

/* Completes a system segment's base in long mode. */
static bool system_base(struct vcpu *vcpu, uint16_t selector, struct descriptor *d, struct segment *segment)
{
    if (vcpu_long_mode(vcpu) && !descriptor_read_high(vcpu, selector, EXC_GP, d))
        return false;
    segment_from_descriptor(segment, selector, d->low);
    segment->base |= d->high << 32;
    return lin_canonical(segment->base) || vcpu_fault_code(vcpu, EXC_GP, selector_code(selector));
}

enum exec_result exec_lldt(struct vcpu *vcpu, const struct insn *insn)
{
    struct segment ldtr;
    struct descriptor d;
    uint16_t selector;
    uint64_t value;

    if (vcpu_paragraphs(vcpu))
        return exec_fault(vcpu, EXC_UD);
    if (vcpu->cpl)
        return exec_fault_code(vcpu, EXC_GP, 0);
    if (!insn_read_rm(vcpu, insn, 2, &value))
        return EXEC_FAULT;
    selector = (uint16_t)value;
    if (selector_null(selector)) {
        vcpu->segment[SEG_LDTR] = (struct segment){.attributes = SEG_UNUSABLE, .selector = selector};
        return EXEC_NEXT;
    }
    if (!system_descriptor(vcpu, selector, &d))
        return EXEC_FAULT;
    if (descriptor_type(&d) != SYSTEM_LDT)
        return exec_fault_code(vcpu, EXC_GP, selector_code(selector));
    if (!(descriptor_attributes(&d) & SEG_P))
        return exec_fault_code(vcpu, EXC_NP, selector_code(selector));
    if (!system_base(vcpu, selector, &d, &ldtr))
        return EXEC_FAULT;
    vcpu->segment[SEG_LDTR] = ldtr;
    return EXEC_NEXT;
}

enum exec_result exec_ltr(struct vcpu *vcpu, const struct insn *insn)
{
    struct segment tr;
    struct descriptor d;
    uint16_t selector;
    uint64_t value;
    unsigned type;

    if (vcpu_paragraphs(vcpu))
        return exec_fault(vcpu, EXC_UD);
    if (vcpu->cpl)
        return exec_fault_code(vcpu, EXC_GP, 0);
    if (!insn_read_rm(vcpu, insn, 2, &value))
        return EXEC_FAULT;
    selector = (uint16_t)value;
    if (selector_null(selector))
        return exec_fault_code(vcpu, EXC_GP, 0);
    if (!system_descriptor(vcpu, selector, &d))
        return EXEC_FAULT;
    type = descriptor_type(&d);
    if (type != SYSTEM_TSS32 && (type != SYSTEM_TSS16 || vcpu_long_mode(vcpu)))
        return exec_fault_code(vcpu, EXC_GP, selector_code(selector));
    if (!(descriptor_attributes(&d) & SEG_P))
        return exec_fault_code(vcpu, EXC_NP, selector_code(selector));
    if (!system_base(vcpu, selector, &d, &tr) || !descriptor_mark_busy(vcpu, d.at, true))
        return EXEC_FAULT;
    tr.attributes |= SYSTEM_TSS_BUSY;
    vcpu->segment[SEG_TR] = tr;
    return EXEC_NEXT;
}

static enum exec_result store_system(struct vcpu *vcpu, const struct insn *insn, unsigned segment)
{
    unsigned size = insn->mem.present ? 2 : insn->operand_size;

    if (vcpu_paragraphs(vcpu))
        return exec_fault(vcpu, EXC_UD);
    if (umip_denies(vcpu))
        return EXEC_FAULT;
    return insn_write_rm(vcpu, insn, size, vcpu->segment[segment].selector) ? EXEC_NEXT : EXEC_FAULT;
}

enum exec_result exec_sldt(struct vcpu *vcpu, const struct insn *insn)
{
    return store_system(vcpu, insn, SEG_LDTR);
}

enum exec_result exec_str(struct vcpu *vcpu, const struct insn *insn)
{
    return store_system(vcpu, insn, SEG_TR);
}

/* --- Pointer validation ------------------------------------------------------------------------------------------- */

static void set_zf(struct vcpu *vcpu, bool zf)
{
    vcpu->flags = zf ? vcpu->flags | FLAG_ZF : vcpu->flags & ~(uint64_t)FLAG_ZF;
}

/*
 * The selector operand's descriptor. False in *found: none that could be looked at, so ZF is to be cleared. Returns
 * false on a fault.
 */
static bool visible_descriptor(struct vcpu *vcpu, const struct insn *insn, struct descriptor *d, uint16_t *selector,
                               bool *found)
{
    enum descriptor_result result;
    uint64_t value;

    if (vcpu_paragraphs(vcpu))
        return vcpu_fault(vcpu, EXC_UD);
    if (!insn_read_rm(vcpu, insn, 2, &value))
        return false;
    *selector = (uint16_t)value;
    *found = false;
    if (selector_null(*selector))
        return true;
    result = descriptor_find(vcpu, *selector, d);
    *found = result == DESCRIPTOR_OK;
    return result != DESCRIPTOR_FAULT;
}

/* May code at CPL with this RPL see a descriptor? Conforming code: always. */
static bool privilege_allows(const struct vcpu *vcpu, uint16_t selector, uint32_t attributes)
{
    unsigned dpl = attributes_dpl(attributes);

    if (attributes_code(attributes) && attributes_conforming(attributes))
        return true;
    return dpl >= vcpu->cpl && dpl >= (selector & SELECTOR_RPL);
}

/* Bits of system types. In long mode only the LDT, the TSS and the call gate of 64 bits exist. */
enum {
    LAR_TYPES = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 9 | 1 << 11 | 1 << 12,
    LAR_TYPES_LONG = 1 << 2 | 1 << 9 | 1 << 11 | 1 << 12,
    LSL_TYPES = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 11,
    LSL_TYPES_LONG = 1 << 2 | 1 << 9 | 1 << 11,
};

/* LAR and LSL: `types` are the system types that count. */
static bool query(struct vcpu *vcpu, const struct insn *insn, unsigned types, struct descriptor *d, bool *ok)
{
    uint16_t selector;

    if (!visible_descriptor(vcpu, insn, d, &selector, ok))
        return false;
    if (*ok && descriptor_type(d) < 16)
        *ok = types >> descriptor_type(d) & 1;
    *ok = *ok && privilege_allows(vcpu, selector, descriptor_attributes(d));
    return true;
}

enum exec_result exec_lar(struct vcpu *vcpu, const struct insn *insn)
{
    struct descriptor d;
    bool ok;

    if (!query(vcpu, insn, vcpu_long_mode(vcpu) ? LAR_TYPES_LONG : LAR_TYPES, &d, &ok))
        return EXEC_FAULT;
    if (ok)
        reg_write(vcpu, insn->reg, insn->operand_size, d.low >> 32 & 0xf0ff00);
    set_zf(vcpu, ok);
    return EXEC_NEXT;
}

enum exec_result exec_lsl(struct vcpu *vcpu, const struct insn *insn)
{
    struct descriptor d;
    bool ok;

    if (!query(vcpu, insn, vcpu_long_mode(vcpu) ? LSL_TYPES_LONG : LSL_TYPES, &d, &ok))
        return EXEC_FAULT;
    if (ok)
        reg_write(vcpu, insn->reg, insn->operand_size, descriptor_limit(d.low));
    set_zf(vcpu, ok);
    return EXEC_NEXT;
}

/* VERR (0F 00 /4) and VERW (/5). */
enum exec_result exec_verr(struct vcpu *vcpu, const struct insn *insn)
{
    bool write = insn->modrm & 8;
    struct descriptor d;
    uint16_t selector;
    uint32_t a;
    bool ok;

    if (!visible_descriptor(vcpu, insn, &d, &selector, &ok))
        return EXEC_FAULT;
    if (ok) {
        a = descriptor_attributes(&d);
        ok = (write ? attributes_writable(a) : attributes_readable(a)) && privilege_allows(vcpu, selector, a);
    }
    set_zf(vcpu, ok);
    return EXEC_NEXT;
}

enum exec_result exec_arpl(struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t destination, rpl = reg_read(vcpu, insn->reg, 2) & SELECTOR_RPL;
    bool raise;

    if (vcpu_paragraphs(vcpu))
        return exec_fault(vcpu, EXC_UD);
    if (!insn_read_rm(vcpu, insn, 2, &destination))
        return EXEC_FAULT;
    raise = (destination & SELECTOR_RPL) < rpl;
    if (raise && !insn_write_rm(vcpu, insn, 2, (destination & ~(uint64_t)SELECTOR_RPL) | rpl))
        return EXEC_FAULT;
    set_zf(vcpu, raise);
    return EXEC_NEXT;
}
