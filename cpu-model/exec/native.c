/*
 * exec_native: one data instruction on the host's silicon, its memory operand in place or in a bounce buffer.
 *
 * Invariants: a fault leaves guest state unchanged; a store that spans two pages or reaches MMIO is checked whole
 * before any byte is written. In-place operands keep the host's atomicity, LOCK included. Runs with the guest's vector
 * state live; no libc. Thread: the vCPU's own. Source: SDM Vol. 1 "Operand addressing", Vol. 3 "Handling SIMD
 * floating-point exceptions".
 */
#include "cpu-model/exec/native.h"
#include "cpu-model/exec/decode.h"
#include "cpu-model/exec/interp.h"
#include "cpu-model/exec/memory.h"
#include "cpu-model/exec/reencode.h"
#include "cpu-model/exec/rules.h"
#include "cpu-model/exec/vector_int.h"
#include "cpu-model/state/vector.h"

enum { X87_EXCEPTIONS = 0x3f, FSW_SUMMARY = 0x8080 /* ES, B */, NATIVE_TRAP = 0x100 };

static enum exec_result native_fault(struct vcpu *vcpu, unsigned trap);

bool vector_check(struct vcpu *vcpu, enum vector_use use)
{
    switch (use) {
    case VECTOR_NONE:
        return true;
    case VECTOR_WAIT:
        return (vcpu->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS) ? vcpu_fault(vcpu, EXC_NM) : true;
    case VECTOR_X87:
        return vcpu->cr0 & (CR0_EM | CR0_TS) ? vcpu_fault(vcpu, EXC_NM) : true;
    case VECTOR_SSE:
        if (!(vcpu->cr4 & CR4_OSFXSR))
            return vcpu_fault(vcpu, EXC_UD);
        /* fall through */
    case VECTOR_MMX:
        if (vcpu->cr0 & CR0_EM)
            return vcpu_fault(vcpu, EXC_UD);
        return vcpu->cr0 & CR0_TS ? vcpu_fault(vcpu, EXC_NM) : true;
    case VECTOR_AVX:
        if (!vcpu_protected(vcpu) || vcpu_v86(vcpu) || !(vcpu->cr4 & CR4_OSXSAVE) || (vcpu->xcr0 & 6) != 6)
            return vcpu_fault(vcpu, EXC_UD);
        return vcpu->cr0 & CR0_TS ? vcpu_fault(vcpu, EXC_NM) : true;
    }
    return true;
}

/* The guest's x87 control and status words; the state is parked. ES and B follow from the rest. */
static uint16_t x87_word(const struct vcpu *vcpu, unsigned at)
{
    return (uint16_t)(vcpu->vector_area[at] | vcpu->vector_area[at + 1] << 8);
}

static void set_x87_words(struct vcpu *vcpu, uint16_t fcw, uint16_t fsw)
{
    fsw &= (uint16_t)~FSW_SUMMARY;
    if (fsw & ~fcw & X87_EXCEPTIONS)
        fsw |= FSW_SUMMARY;
    vcpu->vector_area[AREA_FCW] = (uint8_t)fcw;
    vcpu->vector_area[AREA_FCW + 1] = (uint8_t)(fcw >> 8);
    vcpu->vector_area[AREA_FSW] = (uint8_t)fsw;
    vcpu->vector_area[AREA_FSW + 1] = (uint8_t)(fsw >> 8);
}

/* An instruction that would wait for an x87 exception, with IGNNE# asserted: runs with that exception masked. */
static enum exec_result ignore_exception(struct vcpu *vcpu, const struct insn *insn, void *memory, const void *thunk)
{
    vector_park(vcpu);
    uint16_t fcw = x87_word(vcpu, AREA_FCW), fsw = x87_word(vcpu, AREA_FSW);
    uint16_t pending = fsw & (uint16_t)~fcw & X87_EXCEPTIONS, masked = fcw | pending;
    set_x87_words(vcpu, masked, fsw);
    vector_unpark(vcpu);
    unsigned trap = native_call(vcpu, memory, thunk);
    vector_park(vcpu);
    /* FLDCW, FLDENV and FRSTOR have brought a control word of their own. */
    unsigned extension = insn->modrm >> 3 & 7;
    bool loads = insn->mem.present && ((insn->opcode == 0xd9 && (extension == 4 || extension == 5)) ||
                                       (insn->opcode == 0xdd && extension == 4));
    fcw = x87_word(vcpu, AREA_FCW);
    fsw = x87_word(vcpu, AREA_FSW);
    set_x87_words(vcpu, loads && !trap ? fcw : fcw & (uint16_t)~pending, fsw);
    vcpu->ignne = vcpu->vector_area[AREA_FSW] & FSW_SUMMARY & 0xff;
    return trap ? native_fault(vcpu, trap - NATIVE_TRAP) : EXEC_NEXT;
}

/* The host's exception inside a thunk, as the guest's. */
static enum exec_result native_fault(struct vcpu *vcpu, unsigned trap)
{
    switch (trap) {
    case EXC_DE:
        vcpu_fault(vcpu, EXC_DE);
        break;
    case EXC_MF:
        if (!(vcpu->cr0 & CR0_NE)) { /* reported through IRQ 13, and the instruction waits for it: EXEC_REPEAT */
            vector_park(vcpu);
            vcpu->wires->ferr(vcpu->wires->machine);
            return EXEC_REPEAT;
        }
        vcpu_fault(vcpu, EXC_MF);
        break;
    case EXC_XM:
        vcpu_fault(vcpu, vcpu->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
        break;
    case EXC_UD: /* an encoding this host does not have */
        vcpu_fault(vcpu, EXC_UD);
        break;
    default: /* #GP: misaligned operand of an instruction that needs alignment */
        vcpu_fault_code(vcpu, EXC_GP, 0);
    }
    return EXEC_FAULT;
}

static enum exec_result run_thunk(struct vcpu *vcpu, const struct insn *insn, void *memory)
{
    struct interp *interp = vcpu->engine;
    struct cached_insn *entry = (struct cached_insn *)(uintptr_t)insn;
    if (!entry->thunk) {
        vector_park(vcpu); /* ordinary code */
        insn_cache_thunk(&interp->cache, entry);
    }
    if (insn->vector != VECTOR_NONE)
        vector_unpark(vcpu);
    unsigned trap = native_call(vcpu, memory, entry->thunk);
    if (__builtin_expect(!trap, 1))
        return EXEC_NEXT;
    if (trap == NATIVE_TRAP + EXC_MF && vcpu->ignne && !(vcpu->cr0 & CR0_NE))
        return ignore_exception(vcpu, insn, memory, entry->thunk);
    return native_fault(vcpu, trap - NATIVE_TRAP);
}

/* How far the bit that BT, BTS, BTR or BTC means lies from the operand's address: a multiple of the operand size. */
static int64_t bit_string_offset(const struct vcpu *vcpu, const struct insn *insn)
{
    int64_t bit = (int64_t)sign_extend(vcpu->gpr[insn->reg], insn->operand_size);
    int64_t bits = insn->operand_size * 8;
    return ((bit & ~(bits - 1)) >> 3);
}

/*
 * The memory operand's exception is raised. An x87 exception that was pending comes first on all instructions that wait
 * for it: those but FNSTENV, FNSTCW, FNSAVE and FNSTSW (D9 and DD, /6 and /7).
 */
static enum exec_result operand_fault(struct vcpu *vcpu, const struct insn *insn)
{
    enum { FSW_ES = 0x80 };
    bool converts = insn->map == 1 && !insn->rep && !insn->repne && /* from memory to MMX registers */
                    (insn->opcode == 0x2c || insn->opcode == 0x2d);
    bool waits = insn->vector == VECTOR_MMX || (insn->vector == VECTOR_SSE && converts) ||
                 (insn->vector == VECTOR_X87 && !((insn->opcode & 0xfb) == 0xd9 && (insn->modrm & 0x30) == 0x30));
    if (!waits)
        return EXEC_FAULT;
    vector_park(vcpu);
    return vcpu->vector_area[2] & FSW_ES ? native_fault(vcpu, EXC_MF) : EXEC_FAULT;
}

/* The operand is not plain RAM within one page: runs on a copy. adjust: see exec_native. */
static enum exec_result run_bounced(struct vcpu *vcpu, const struct insn *insn, lin_t at, int64_t adjust)
{
    uint8_t buffer[192] __attribute__((aligned(64))); /* 63 + FNSAVE's 108 */
    unsigned size = insn->mem.size;
    uint8_t *operand = buffer + (at.v & 63); /* keeps the alignment that the instruction may insist on */
    bool user = vcpu_user(vcpu), store = insn->mem.access & MEM_WRITE;
    if (store && !mmu_probe(vcpu, at, size, ACCESS_WRITE, user))
        return operand_fault(vcpu, insn);
    /* An x87 store whose exception is not masked stores nothing and traps later: what is there must stay. Other plain
     * stores need not read. */
    if ((insn->mem.access & MEM_READ || insn->vector == VECTOR_X87) && !mmu_read_bytes(vcpu, at, operand, size, user))
        return operand_fault(vcpu, insn);
    enum exec_result result = run_thunk(vcpu, insn, operand - adjust);
    if (result == EXEC_NEXT && store && !mmu_write_bytes(vcpu, at, operand, size, user))
        return EXEC_FAULT;
    return result;
}

static bool misaligned(const struct insn *insn, lin_t at)
{
    return insn_insists_on_alignment(insn) && at.v & (insn->mem.size - 1);
}

enum exec_result exec_native(struct vcpu *vcpu, const struct insn *insn)
{
    lin_t at;
    struct translation page;

    if (insn->vector != VECTOR_NONE && !vector_check(vcpu, insn->vector))
        return EXEC_FAULT;
    if (!insn->mem.present || !insn->mem.access)
        return run_thunk(vcpu, insn, NULL);

    /* The thunk of a bit-string instruction adds the register's part itself, so its pointer is moved back by as much.
     */
    int64_t adjust = insn->bit_string ? bit_string_offset(vcpu, insn) : 0;
    unsigned size = insn->mem.size;
    bool store = insn->mem.access & MEM_WRITE;
    enum access access = store ? ACCESS_WRITE : ACCESS_READ;
    uint64_t offset = insn_offset(vcpu, insn) + (uint64_t)adjust;
    if (!seg_linear(vcpu, insn->mem.segment, zero_extend(offset, insn->address_size), size, access, &at))
        return operand_fault(vcpu, insn);
    if (misaligned(insn, at)) {
        vcpu_fault_code(vcpu, EXC_GP, 0);
        return operand_fault(vcpu, insn);
    }
    if (size > 64 || vcpu->dr[7] & 0xff)
        return run_bounced(vcpu, insn, at, adjust); /* x87 environments; data breakpoints are noted there */
    if ((at.v & GUEST_PAGE_OFFSET) + size > GUEST_PAGE_SIZE)
        return run_bounced(vcpu, insn, at, adjust);
    if (!mmu_walk(vcpu, at, access, vcpu_user(vcpu), &page))
        return operand_fault(vcpu, insn);
    if (!page.host || (store && page.rom))
        return run_bounced(vcpu, insn, at, adjust);
    uint8_t *host = page.host + (at.v & GUEST_PAGE_OFFSET);
    if (store)
        space_stored(vcpu->space, host, size);
    return run_thunk(vcpu, insn, host - adjust);
}

/* LEA: the offset itself; no memory is touched, no segment checked. */
enum exec_result exec_lea(struct vcpu *vcpu, const struct insn *insn)
{
    reg_write(vcpu, insn->reg, insn->operand_size, insn_offset(vcpu, insn));
    return EXEC_NEXT;
}
