/*
 * IN and OUT, and the permission check that INS and OUTS share.
 *
 * Wires run ordinary C code of devices: the guest's vector state is parked before each call.
 * Thread: the vCPU's own. Source: SDM Vol. 1 "Input/output: protected-mode I/O", Vol. 2 by mnemonic.
 */
#include "cpu-model/exec/io.h"
#include "cpu-model/exec/rules.h"
#include "cpu-model/state/vector.h"

enum {
    TSS_TYPE_AVAILABLE32 = 9, /* also the 64-bit TSS */
    TSS_TYPE_BUSY32 = 11,
    TSS_IO_MAP_BASE = 0x66,
    TSS_MINIMUM_LIMIT = 0x67,
    DR7_ENABLES = 0xff,
    DR7_PORT = 2,
};

/* The TSS's I/O permission bitmap allows all `size` ports from `port`. */
static bool bitmap_allows(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    const struct segment *tr = &vcpu->segment[SEG_TR];
    unsigned type = tr->attributes & SEG_TYPE;
    if ((type != TSS_TYPE_AVAILABLE32 && type != TSS_TYPE_BUSY32) || tr->limit < TSS_MINIMUM_LIMIT)
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    uint64_t map, bits;
    /* Implicit supervisor accesses, whatever the CPL. */
    if (!mmu_read(vcpu, lin(tr->base + TSS_IO_MAP_BASE), 2, false, &map))
        return false;
    /* Two bytes are read always, so that four ports from any one are covered: the last byte may be the all-ones one. */
    uint64_t offset = map + port / 8;
    if (offset + 1 > tr->limit)
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    if (!mmu_read(vcpu, lin(tr->base + offset), 2, false, &bits))
        return false;
    if (bits >> (port % 8) & ((1u << size) - 1))
        return vcpu_fault_code(vcpu, EXC_GP, 0);
    return true;
}

/* Notes the I/O breakpoints that an access meets; the engine delivers them when the instruction has ended. */
static void watch_port(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    static const uint8_t length[4] = {1, 2, 1, 4}; /* by DR7.LENn; 2 is undefined for ports */
    for (unsigned i = 0; i < 4; i++) {
        unsigned enabled = vcpu->dr[7] >> (2 * i) & 3, kind = vcpu->dr[7] >> (16 + 4 * i) & 3;
        unsigned watched = length[vcpu->dr[7] >> (18 + 4 * i) & 3];
        uint64_t first = vcpu->dr[i] & ~(uint64_t)(watched - 1);
        if (enabled && kind == DR7_PORT && port < first + watched && first < port + size)
            vcpu->watch_hit |= (uint8_t)(1u << i);
    }
}

bool io_allowed(struct vcpu *vcpu, uint16_t port, unsigned size)
{
    if (vcpu->dr[7] & DR7_ENABLES && vcpu->cr4 & CR4_DE)
        watch_port(vcpu, port, size);
    if (!vcpu_protected(vcpu))
        return true;
    if (!vcpu_v86(vcpu) && vcpu->cpl <= vcpu_iopl(vcpu))
        return true;
    return bitmap_allows(vcpu, port, size);
}

unsigned io_operand_size(const struct insn *insn)
{
    if (!(insn->opcode & 1))
        return 1;
    return insn->operand_size == 2 ? 2 : 4; /* REX.W does not make it wider */
}

/* E4..E7 name the port in an immediate byte, EC..EF use DX. */
static uint16_t insn_port(const struct vcpu *vcpu, const struct insn *insn)
{
    return insn->opcode & 8 ? (uint16_t)vcpu->gpr[REG_RDX] : (uint8_t)insn->imm;
}

enum exec_result exec_in(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = io_operand_size(insn);
    uint16_t port = insn_port(vcpu, insn);
    if (!io_allowed(vcpu, port, size))
        return EXEC_FAULT;
    vector_park(vcpu);
    reg_write(vcpu, REG_RAX, size, vcpu->wires->io_read(vcpu->wires->machine, port, size));
    return EXEC_NEXT;
}

enum exec_result exec_out(struct vcpu *vcpu, const struct insn *insn)
{
    unsigned size = io_operand_size(insn);
    uint16_t port = insn_port(vcpu, insn);
    if (!io_allowed(vcpu, port, size))
        return EXEC_FAULT;
    vector_park(vcpu);
    vcpu->wires->io_write(vcpu->wires->machine, port, reg_read(vcpu, REG_RAX, size), size);
    return EXEC_NEXT;
}
