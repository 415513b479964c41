/*
 * Re-encoding of guest data instructions for the host. See reencode.h.
 *
 * Invariant: the result does on host registers and memory exactly what the guest's instruction does on its own, flags
 * included. Source: SDM Vol. 2 "Instruction format". Thread: any (pure).
 */
#include "cpu-model/exec/reencode.h"

struct form {
    uint8_t opcode, reg, rm;
    bool modrm; /* has a ModRM byte on the host */
    bool memory;
};

static uint8_t *put_modrm(uint8_t *out, const struct form *form, const struct host_operands *host)
{
    unsigned reg = (form->reg & 7u) << 3;
    if (!form->memory) {
        *out++ = (uint8_t)(0xc0 | reg | (form->rm & 7));
        return out;
    }
    bool sib = host->index != REG_NONE || (host->base & 7) == 4;
    bool disp8 = host->disp == (int8_t)host->disp;
    bool disp0 = host->disp == 0 && (host->base & 7) != 5;
    unsigned mod = disp0 ? 0 : disp8 ? 0x40 : 0x80;
    *out++ = (uint8_t)(mod | reg | (sib ? 4 : host->base & 7u));
    if (sib)
        *out++ = (uint8_t)((unsigned)host->shift << 6 | (host->index == REG_NONE ? 4u : host->index & 7u) << 3 |
                           (host->base & 7u));
    if (!disp0) {
        uint32_t disp = (uint32_t)host->disp;
        for (int i = 0; i < (disp8 ? 1 : 4); i++, disp >>= 8)
            *out++ = (uint8_t)disp;
    }
    return out;
}

/* What the fields become on the host, and the one-byte forms that 64-bit mode encodes otherwise. */
static struct form host_form(const struct insn *insn, const struct host_operands *host)
{
    struct form form = {.opcode = insn->opcode,
                        .reg = insn->reg_is_gpr && !insn->high_byte_reg ? host->reg : insn->reg,
                        .rm = insn->rm_is_gpr && !insn->high_byte_rm ? host->rm : insn->rm,
                        .modrm = insn->has_modrm,
                        .memory = insn->mem.present};
    if (insn->map == 0 && insn->encoding == ENCODING_LEGACY) {
        if (insn->code_size != 8 && (insn->opcode & 0xf0) == 0x40) { /* INC, DEC r */
            form.rm = form.reg;
            form.reg = insn->opcode >> 3 & 1;
            form.opcode = 0xff;
            form.modrm = true;
        } else if (insn->opcode == 0x82) { /* alias of 80 */
            form.opcode = 0x80;
        } else if ((insn->opcode & 0xfc) == 0xa0) { /* MOV between accumulator and absolute address */
            form.opcode = (uint8_t)(0x88 | (insn->opcode & 1) | (insn->opcode & 2 ? 0 : 2));
            form.reg = 0;
            form.modrm = true;
        }
    }
    return form;
}

/* Outside 64-bit mode a register in an immediate (VBLENDV) has three bits. */
static bool register_in_immediate(const struct insn *insn)
{
    return insn->encoding == ENCODING_VEX && insn->map == 3 && insn->opcode >= 0x4a && insn->opcode <= 0x4c;
}

static uint8_t *put_immediates(uint8_t *out, const struct insn *insn)
{
    for (unsigned i = 0; i < insn->imm_size; i++)
        *out++ = insn->bytes[insn->imm_offset + i];
    if (insn->code_size != 8 && register_in_immediate(insn))
        out[-1] &= 0x7f;
    return out;
}

/* Fences and MOVNTI do not exist with an operand-size prefix, so 16-bit code must not give them one. */
static bool no_operand_size(const struct insn *insn)
{
    return insn->map == 1 && (insn->opcode == 0xae || insn->opcode == 0xc3);
}

static unsigned reencode_vex(uint8_t *out, const struct insn *insn, const struct host_operands *host)
{
    uint8_t *start = out;
    struct form form = host_form(insn, host);
    unsigned vvvv = insn->vvvv_is_gpr ? host->vvvv : insn->vvvv;
    unsigned r = form.reg >> 3, x = form.memory && host->index != REG_NONE ? host->index >> 3 : 0;
    unsigned b = form.memory ? host->base >> 3 : form.rm >> 3;
    *out++ = 0xc4;
    *out++ = (uint8_t)(!r << 7 | !x << 6 | !b << 5 | insn->map);
    *out++ = (uint8_t)((insn->vex_byte & 0x87) | (~vvvv & 15) << 3);
    *out++ = form.opcode;
    if (form.modrm)
        out = put_modrm(out, &form, host);
    out = put_immediates(out, insn);
    return (unsigned)(out - start);
}

unsigned insn_reencode(uint8_t *out, const struct insn *insn, const struct host_operands *host)
{
    if (insn->encoding == ENCODING_VEX)
        return reencode_vex(out, insn, host);
    uint8_t *start = out;
    struct form form = host_form(insn, host);
    bool opsize = insn->keep_prefixes ? insn->opsize_prefix : insn->operand_size == 2 && !no_operand_size(insn);
    if (insn->lock)
        *out++ = 0xf0;
    if (opsize)
        *out++ = 0x66;
    if (insn->rep)
        *out++ = 0xf3;
    else if (insn->repne)
        *out++ = 0xf2;

    bool in_opcode = insn->reg_in_opcode && !form.modrm;
    unsigned w = insn->rex & 8;
    unsigned r = form.modrm && form.reg >= 8 ? 4 : 0;
    unsigned x = form.memory && host->index != REG_NONE && host->index >= 8 ? 2 : 0;
    unsigned b = (form.memory ? host->base : in_opcode ? form.reg : form.rm) >= 8 ? 1 : 0;
    if (!form.modrm && !in_opcode)
        b = 0;
    /* SPL, BPL, SIL and DIL exist only with a REX prefix; elsewhere an empty one does no harm. */
    bool low_byte = (insn->reg_is_gpr && form.reg >= 4 && form.reg < 8 && !insn->high_byte_reg) ||
                    (insn->rm_is_gpr && form.rm >= 4 && form.rm < 8 && !insn->high_byte_rm);
    if (w | r | x | b || (low_byte && !insn_no_rex(insn)))
        *out++ = (uint8_t)(0x40 | w | r | x | b);

    static const uint8_t escape[4] = {0, 0, 0x38, 0x3a};
    if (insn->map)
        *out++ = 0x0f;
    if (insn->map > 1)
        *out++ = escape[insn->map];
    *out++ = in_opcode ? (uint8_t)((form.opcode & 0xf8) | (form.reg & 7)) : form.opcode;
    if (form.modrm)
        out = put_modrm(out, &form, host);
    out = put_immediates(out, insn);
    return (unsigned)(out - start);
}

bool insn_insists_on_alignment(const struct insn *insn)
{
    unsigned op = insn->opcode;
    if (insn->mem.size < 16)
        return false;
    if (insn->vector < VECTOR_SSE)
        return insn->map == 1 && op == 0xc7; /* CMPXCHG16B */
    if (insn->encoding == ENCODING_VEX) {
        unsigned pp = insn->vex_byte & 3;
        if (insn->map == 1)
            return op == 0x28 || op == 0x29 || op == 0x2b || op == 0xe7 || ((op == 0x6f || op == 0x7f) && pp == 1);
        return insn->map == 2 && op == 0x2a;
    }
    if (insn->map == 1 && (op == 0x10 || op == 0x11 || op == 0xf0))
        return false;
    if (insn->map == 1 && (op == 0x6f || op == 0x7f))
        return !insn->rep;
    /* PCMPxSTRx never do; the SHA instructions only on some hosts. */
    if (insn->map == 2)
        return op < 0xc8 || op > 0xcd;
    return insn->map != 3 || !((op >= 0x60 && op <= 0x63) || op == 0xcc);
}
