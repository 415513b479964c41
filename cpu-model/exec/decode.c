/*
 * Decodes guest instructions with Zydis into struct insn, and decides by default-deny which of them exist for this CPU
 * model.
 *
 * Invariants: an instruction whose ISA extension CPUID does not offer, or whose category is not known to be plain data
 * processing and has no row in insn.def, gets the #UD rule. Nothing here looks at CPU state other than the code size.
 * Thread: any; no shared state but constant tables. Ordinary code (not vector-live): callers park the guest's vector
 * state.
 */
#include "cpu-model/exec/decode.h"
#include "cpu-model/exec/rules.h"

#include <Zydis/Zydis.h>
#include <string.h>

/* Mnemonics of our own, for the forms of MOV that have rules of their own. */
enum { ZYDIS_MNEMONIC_MOV_SREG = ZYDIS_MNEMONIC_MAX_VALUE + 1, ZYDIS_MNEMONIC_MOV_CR, ZYDIS_MNEMONIC_MOV_DR };

static const struct insn_rule rules[ZYDIS_MNEMONIC_MOV_DR + 1] = {
#define INSN(mnemonic, fn, rule_flags) [ZYDIS_MNEMONIC_##mnemonic] = {#mnemonic, fn, rule_flags},
#include "cpu-model/exec/insn.def"
#undef INSN
};

const struct insn_rule insn_rule_ud = {"UD", exec_ud, RULE_BRANCH | RULE_DENY};
static const struct insn_rule rule_native = {"native", exec_native, RULE_NATIVE};
static const struct insn_rule rule_pop_segment = {"POP_SREG", exec_pop, RULE_END};

/* Does the CPU model offer the instruction-set extension? */
static bool isa_offered(ZydisISASet isa, const struct cpu_features *f)
{
    switch (isa) {
    case ZYDIS_ISA_SET_I86:
    case ZYDIS_ISA_SET_I186:
    case ZYDIS_ISA_SET_I286PROTECTED:
    case ZYDIS_ISA_SET_I286REAL:
    case ZYDIS_ISA_SET_I386:
    case ZYDIS_ISA_SET_I486:
    case ZYDIS_ISA_SET_I486REAL:
    case ZYDIS_ISA_SET_FAT_NOP:
    case ZYDIS_ISA_SET_PREFETCH_NOP:
    case ZYDIS_ISA_SET_PAUSE:
        return true;
    case ZYDIS_ISA_SET_PENTIUMREAL:
        return cpu_has(f, TSC) || cpu_has(f, CX8) || cpu_has(f, MSR);
    case ZYDIS_ISA_SET_PPRO:
        return f->family >= 6;
    case ZYDIS_ISA_SET_RDPMC:
        return f->family >= 6;
    case ZYDIS_ISA_SET_CMOV:
        return cpu_has(f, CMOV);
    case ZYDIS_ISA_SET_FCMOV:
        return cpu_has(f, CMOV) && cpu_has(f, FPU);
    case ZYDIS_ISA_SET_X87:
        return cpu_has(f, FPU);
    case ZYDIS_ISA_SET_PENTIUMMMX:
        return cpu_has(f, MMX);
    case ZYDIS_ISA_SET_FXSAVE:
        return cpu_has(f, FXSR);
    case ZYDIS_ISA_SET_FXSAVE64:
        return cpu_has(f, FXSR) && cpu_has(f, LM);
    case ZYDIS_ISA_SET_LONGMODE:
        return cpu_has(f, LM) || cpu_has(f, SYSCALL);
    case ZYDIS_ISA_SET_AMD: /* SYSCALL and SYSRET outside 64-bit mode */
        return cpu_has(f, SYSCALL);
    case ZYDIS_ISA_SET_LAHF:
        return true; /* 64-bit mode: checked by the caller */
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSEMXCSR:
    case ZYDIS_ISA_SET_SSE_PREFETCH:
        return cpu_has(f, SSE);
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
        return cpu_has(f, SSE2);
    case ZYDIS_ISA_SET_SSE3:
    case ZYDIS_ISA_SET_SSE3X87:
        return cpu_has(f, SSE3);
    case ZYDIS_ISA_SET_SSSE3:
    case ZYDIS_ISA_SET_SSSE3MMX:
        return cpu_has(f, SSSE3);
    case ZYDIS_ISA_SET_SSE4:
        return cpu_has(f, SSE41);
    case ZYDIS_ISA_SET_SSE42:
        return cpu_has(f, SSE42);
    case ZYDIS_ISA_SET_POPCNT:
        return cpu_has(f, POPCNT);
    case ZYDIS_ISA_SET_AES:
        return cpu_has(f, AES);
    case ZYDIS_ISA_SET_PCLMULQDQ:
        return cpu_has(f, PCLMULQDQ);
    case ZYDIS_ISA_SET_SHA:
        return cpu_has(f, SHA);
    case ZYDIS_ISA_SET_GFNI:
        return cpu_has(f, GFNI);
    case ZYDIS_ISA_SET_AVX_GFNI:
        return cpu_has(f, GFNI) && cpu_has(f, AVX);
    case ZYDIS_ISA_SET_AVX:
        return cpu_has(f, AVX);
    case ZYDIS_ISA_SET_AVXAES:
        return cpu_has(f, AVX) && cpu_has(f, AES);
    case ZYDIS_ISA_SET_VAES:
        return cpu_has(f, AVX) && cpu_has(f, VAES);
    case ZYDIS_ISA_SET_VPCLMULQDQ:
        return cpu_has(f, AVX) && cpu_has(f, VPCLMULQDQ);
    case ZYDIS_ISA_SET_AVX2:
    case ZYDIS_ISA_SET_AVX2GATHER:
        return cpu_has(f, AVX2);
    case ZYDIS_ISA_SET_FMA:
        return cpu_has(f, FMA);
    case ZYDIS_ISA_SET_F16C:
        return cpu_has(f, F16C);
    case ZYDIS_ISA_SET_BMI1:
        return cpu_has(f, BMI1);
    case ZYDIS_ISA_SET_BMI2:
        return cpu_has(f, BMI2);
    case ZYDIS_ISA_SET_LZCNT:
        return cpu_has(f, ABM);
    case ZYDIS_ISA_SET_ADOX_ADCX:
        return cpu_has(f, ADX);
    case ZYDIS_ISA_SET_MOVBE:
        return cpu_has(f, MOVBE);
    case ZYDIS_ISA_SET_CMPXCHG16B:
        return cpu_has(f, CX16);
    case ZYDIS_ISA_SET_CLFSH:
        return cpu_has(f, CLFLUSH);
    case ZYDIS_ISA_SET_CLFLUSHOPT:
        return cpu_has(f, CLFLUSHOPT);
    case ZYDIS_ISA_SET_CLWB:
        return cpu_has(f, CLWB);
    case ZYDIS_ISA_SET_AMD3DNOW: /* only PREFETCH and PREFETCHW have rows */
        return cpu_has(f, PREFETCHW);
    case ZYDIS_ISA_SET_RDRAND:
        return cpu_has(f, RDRAND);
    case ZYDIS_ISA_SET_RDSEED:
        return cpu_has(f, RDSEED);
    case ZYDIS_ISA_SET_RDTSCP:
        return cpu_has(f, RDTSCP);
    case ZYDIS_ISA_SET_RDPID:
        return cpu_has(f, RDPID);
    case ZYDIS_ISA_SET_RDWRFSGS:
        return cpu_has(f, FSGSBASE);
    case ZYDIS_ISA_SET_INVPCID:
        return cpu_has(f, INVPCID);
    case ZYDIS_ISA_SET_XSAVE:
        return cpu_has(f, XSAVE);
    case ZYDIS_ISA_SET_XSAVEOPT:
        return cpu_has(f, XSAVEOPT);
    case ZYDIS_ISA_SET_XSAVEC:
        return cpu_has(f, XSAVEC);
    default:
        return false;
    }
}

/* Categories whose instructions only compute on registers, flags and at most one memory operand: the host may run them.
 */
static bool category_native(ZydisInstructionCategory category)
{
    switch (category) {
    case ZYDIS_CATEGORY_ADOX_ADCX:
    case ZYDIS_CATEGORY_AES:
    case ZYDIS_CATEGORY_AVX:
    case ZYDIS_CATEGORY_AVX2:
    case ZYDIS_CATEGORY_BINARY:
    case ZYDIS_CATEGORY_BITBYTE:
    case ZYDIS_CATEGORY_BLEND:
    case ZYDIS_CATEGORY_BMI1:
    case ZYDIS_CATEGORY_BMI2:
    case ZYDIS_CATEGORY_BROADCAST:
    case ZYDIS_CATEGORY_CMOV:
    case ZYDIS_CATEGORY_CONVERT:
    case ZYDIS_CATEGORY_DATAXFER:
    case ZYDIS_CATEGORY_FCMOV:
    case ZYDIS_CATEGORY_FLAGOP:
    case ZYDIS_CATEGORY_GFNI:
    case ZYDIS_CATEGORY_LOGICAL:
    case ZYDIS_CATEGORY_LOGICAL_FP:
    case ZYDIS_CATEGORY_LZCNT:
    case ZYDIS_CATEGORY_MISC:
    case ZYDIS_CATEGORY_MMX:
    case ZYDIS_CATEGORY_PCLMULQDQ:
    case ZYDIS_CATEGORY_RDRAND:
    case ZYDIS_CATEGORY_RDSEED:
    case ZYDIS_CATEGORY_ROTATE:
    case ZYDIS_CATEGORY_SEMAPHORE:
    case ZYDIS_CATEGORY_SETCC:
    case ZYDIS_CATEGORY_SHA:
    case ZYDIS_CATEGORY_SHIFT:
    case ZYDIS_CATEGORY_SSE:
    case ZYDIS_CATEGORY_STTNI:
    case ZYDIS_CATEGORY_VAES:
    case ZYDIS_CATEGORY_VEX:
    case ZYDIS_CATEGORY_VFMA:
    case ZYDIS_CATEGORY_VPCLMULQDQ:
    case ZYDIS_CATEGORY_X87_ALU:
        return true;
    default:
        return false;
    }
}

static enum vector_use vector_use_of(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
        /* VEX forms of BMI touch no vector register and need no AVX state. */
        for (unsigned i = 0; i < z->operand_count; i++)
            if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER) {
                ZydisRegisterClass class = ZydisRegisterGetClass(operands[i].reg.value);
                if (class == ZYDIS_REGCLASS_XMM || class == ZYDIS_REGCLASS_YMM)
                    return VECTOR_AVX;
            }
        return z->meta.isa_set == ZYDIS_ISA_SET_BMI1 || z->meta.isa_set == ZYDIS_ISA_SET_BMI2 ? VECTOR_NONE
                                                                                              : VECTOR_AVX;
    }
    if (z->mnemonic == ZYDIS_MNEMONIC_FWAIT)
        return VECTOR_WAIT;
    if (z->meta.isa_set == ZYDIS_ISA_SET_X87 || z->meta.isa_set == ZYDIS_ISA_SET_FCMOV ||
        z->meta.isa_set == ZYDIS_ISA_SET_SSE3X87)
        return VECTOR_X87;
    if (z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (z->opcode & 0xf8) == 0xd8) /* FCOMI, FISTTP: other sets */
        return VECTOR_X87;
    bool mmx = z->meta.isa_set == ZYDIS_ISA_SET_PENTIUMMMX, sse = false;
    /* Conversions from memory to general or MMX registers name no XMM register, and use MXCSR. */
    if (z->opcode_map == ZYDIS_OPCODE_MAP_0F && (z->opcode == 0x2c || z->opcode == 0x2d))
        return VECTOR_SSE;
    for (unsigned i = 0; i < z->operand_count; i++) {
        if (operands[i].type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        ZydisRegisterClass class = ZydisRegisterGetClass(operands[i].reg.value);
        mmx |= class == ZYDIS_REGCLASS_MMX;
        sse |= class == ZYDIS_REGCLASS_XMM || operands[i].reg.value == ZYDIS_REGISTER_MXCSR;
    }
    return sse ? VECTOR_SSE : mmx ? VECTOR_MMX : VECTOR_NONE;
}

static const struct insn_rule *rule_of(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
    unsigned mnemonic = z->mnemonic;
    bool map0f = z->opcode_map == ZYDIS_OPCODE_MAP_0F;
    if (mnemonic == ZYDIS_MNEMONIC_MOV && map0f && (z->opcode & 0xfc) == 0x20)
        mnemonic = z->opcode & 1 ? ZYDIS_MNEMONIC_MOV_DR : ZYDIS_MNEMONIC_MOV_CR;
    else if (mnemonic == ZYDIS_MNEMONIC_MOV && !map0f && (z->opcode == 0x8c || z->opcode == 0x8e))
        mnemonic = ZYDIS_MNEMONIC_MOV_SREG;
    else if ((mnemonic == ZYDIS_MNEMONIC_MOVSD || mnemonic == ZYDIS_MNEMONIC_CMPSD) && map0f)
        return &rule_native; /* the SSE2 instructions of the same name */
    else if (mnemonic == ZYDIS_MNEMONIC_POP && operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
             ZydisRegisterGetClass(operands[0].reg.value) == ZYDIS_REGCLASS_SEGMENT)
        return &rule_pop_segment;
    if (rules[mnemonic].function)
        return &rules[mnemonic];
    return category_native(z->meta.category) ? &rule_native : &insn_rule_ud;
}

static unsigned gpr_number(ZydisRegister reg)
{
    ZydisRegister full = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return full == ZYDIS_REGISTER_NONE ? REG_NONE : (unsigned)ZydisRegisterGetId(full);
}

static bool is_gpr(ZydisRegister reg)
{
    ZydisRegisterClass class = ZydisRegisterGetClass(reg);
    return class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64;
}

static unsigned segment_number(ZydisRegister reg)
{
    return (unsigned)ZydisRegisterGetId(reg);
}

static void note_register(struct insn *insn, const ZydisDecodedOperand *op)
{
    if (!is_gpr(op->reg.value))
        return;
    unsigned reg = gpr_number(op->reg.value);
    bool high = op->reg.value >= ZYDIS_REGISTER_AH && op->reg.value <= ZYDIS_REGISTER_BH;
    /* A partial write keeps the rest of the register, so it reads it as well. */
    if (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ || op->size < 32 || op->actions & ZYDIS_OPERAND_ACTION_CONDWRITE)
        insn->gpr_read |= (uint16_t)(1 << reg);
    if (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
        insn->gpr_written |= (uint16_t)(1 << reg);
    switch (op->encoding) {
    case ZYDIS_OPERAND_ENCODING_MODRM_REG:
        insn->reg_is_gpr = true;
        insn->high_byte_reg = high;
        break;
    case ZYDIS_OPERAND_ENCODING_MODRM_RM:
        insn->rm_is_gpr = true;
        insn->high_byte_rm = high;
        break;
    case ZYDIS_OPERAND_ENCODING_NDSNDD:
        insn->vvvv_is_gpr = true;
        insn->vvvv = (uint8_t)reg;
        break;
    case ZYDIS_OPERAND_ENCODING_OPCODE:
        insn->reg_is_gpr = insn->reg_in_opcode = true;
        insn->high_byte_reg = high;
        insn->reg = high ? (uint8_t)(reg + 4) : (uint8_t)reg;
        break;
    default:
        insn->implicit |= (uint8_t)(1 << (reg & 7));
    }
}

static void note_memory(struct insn *insn, const ZydisDecodedOperand *op)
{
    struct mem_operand *mem = &insn->mem;
    if (op->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM && op->encoding != ZYDIS_OPERAND_ENCODING_DISP16_32_64)
        return;
    mem->present = true;
    mem->segment =
        (uint8_t)segment_number(op->mem.segment == ZYDIS_REGISTER_NONE ? ZYDIS_REGISTER_DS : op->mem.segment);
    mem->size = op->size / 8;
    mem->scale = op->mem.scale ? op->mem.scale : 1;
    mem->disp = op->mem.disp.has_displacement ? op->mem.disp.value : 0;
    mem->base = mem->index = REG_NONE;
    if (op->mem.base == ZYDIS_REGISTER_RIP || op->mem.base == ZYDIS_REGISTER_EIP)
        mem->base = REG_RIP_BASE;
    else if (op->mem.base != ZYDIS_REGISTER_NONE)
        mem->base = (uint8_t)gpr_number(op->mem.base);
    if (op->mem.index != ZYDIS_REGISTER_NONE && is_gpr(op->mem.index))
        mem->index = (uint8_t)gpr_number(op->mem.index);
    if (op->mem.type == ZYDIS_MEMOP_TYPE_MEM) {
        if (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ)
            mem->access |= MEM_READ;
        if (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
            mem->access |= MEM_WRITE;
    }
    if (mem->base < 16)
        insn->gpr_read |= (uint16_t)(1 << mem->base);
    if (mem->index < 16)
        insn->gpr_read |= (uint16_t)(1 << mem->index);
}

/* SIB base 101 with mod 00 is no base, whatever REX.B says: the library forgets that with 32-bit addresses. */
static void note_missing_base(struct insn *insn, const ZydisDecodedInstruction *z)
{
    if (!insn->mem.present || !(z->attributes & ZYDIS_ATTRIB_HAS_SIB) || z->raw.modrm.mod || z->raw.sib.base != 5 ||
        insn->mem.base == REG_NONE)
        return;
    insn->mem.base = REG_NONE;
    insn->mem.disp = z->raw.disp.value;
}

static void note_prefixes(struct insn *insn, const ZydisDecodedInstruction *z)
{
    for (unsigned i = 0; i < z->raw.prefix_count; i++)
        switch (z->raw.prefixes[i].value) {
        case 0xf0:
            insn->lock = true;
            break;
        case 0xf2:
            insn->repne = true;
            insn->rep = false;
            break;
        case 0xf3:
            insn->rep = true;
            insn->repne = false;
            break;
        case 0x66:
            insn->opsize_prefix = true;
            break;
        default:
            break;
        }
}

/* Does VEX.W choose between 32- and 64-bit general registers? Outside 64-bit mode it means nothing then. */
static bool vex_w_is_operand_size(const ZydisDecodedInstruction *z)
{
    switch (z->opcode_map) {
    case ZYDIS_OPCODE_MAP_0F: /* conversions, VMOVD */
        return z->opcode == 0x2a || z->opcode == 0x2c || z->opcode == 0x2d || z->opcode == 0x6e || z->opcode == 0x7e;
    case ZYDIS_OPCODE_MAP_0F38: /* BMI */
        return z->opcode >= 0xf2;
    default: /* VPEXTR, VPINSR, VPCMPESTR, RORX */
        return z->opcode == 0x16 || z->opcode == 0x22 || (z->opcode & 0xfe) == 0x60 || z->opcode == 0xf0;
    }
}

static void note_encoding(struct insn *insn, const ZydisDecodedInstruction *z)
{
    unsigned rex_r = 0, rex_b = 0;
    if (z->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX) {
        insn->encoding = ENCODING_VEX;
        insn->vex_byte = (uint8_t)(z->raw.vex.W << 7 | z->raw.vex.L << 2 | z->raw.vex.pp);
        if (insn->code_size != 8 && vex_w_is_operand_size(z))
            insn->vex_byte &= 0x7f;
        /* These fields are stored inverted. Outside 64-bit mode only the low eight registers exist. */
        insn->vvvv = (uint8_t)(~z->raw.vex.vvvv & (insn->code_size == 8 ? 15 : 7));
        rex_r = insn->code_size == 8 && !z->raw.vex.R;
        rex_b = insn->code_size == 8 && !z->raw.vex.B;
    } else if (z->attributes & ZYDIS_ATTRIB_HAS_REX) {
        insn->rex = (uint8_t)(0x40 | z->raw.rex.W << 3 | z->raw.rex.R << 2 | z->raw.rex.X << 1 | z->raw.rex.B);
        rex_r = z->raw.rex.R;
        rex_b = z->raw.rex.B;
    }
    insn->has_modrm = z->attributes & ZYDIS_ATTRIB_HAS_MODRM;
    insn->has_sib = z->attributes & ZYDIS_ATTRIB_HAS_SIB;
    if (insn->has_modrm) {
        insn->modrm = (uint8_t)(z->raw.modrm.mod << 6 | z->raw.modrm.reg << 3 | z->raw.modrm.rm);
        insn->reg = (uint8_t)(z->raw.modrm.reg | rex_r << 3);
        insn->rm = (uint8_t)(z->raw.modrm.rm | rex_b << 3);
    } else if (!insn->reg_in_opcode) {
        insn->reg = (uint8_t)((z->opcode & 7) | rex_b << 3);
    }
    switch (z->opcode_map) {
    case ZYDIS_OPCODE_MAP_DEFAULT:
        insn->map = 0;
        break;
    case ZYDIS_OPCODE_MAP_0F:
        insn->map = 1;
        break;
    case ZYDIS_OPCODE_MAP_0F38:
        insn->map = 2;
        break;
    default:
        insn->map = 3;
    }
    insn->opcode = z->opcode;
}

static void note_immediates(struct insn *insn, const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
    for (int i = 0; i < 2; i++) {
        if (!z->raw.imm[i].size)
            continue;
        if (!insn->imm_size)
            insn->imm_offset = z->raw.imm[i].offset;
        insn->imm_size += z->raw.imm[i].size / 8;
    }
    insn->imm = z->raw.imm[0].size ? z->raw.imm[0].value.s : 0;
    insn->imm2 = z->raw.imm[1].size ? z->raw.imm[1].value.s : 0;
    if (operands[0].type == ZYDIS_OPERAND_TYPE_POINTER) {
        insn->imm = (int64_t)operands[0].ptr.offset;
        insn->selector = operands[0].ptr.segment;
    }
}

/* The instruction exists: describes it. */
static void describe(struct insn *insn, const ZydisDecodedInstruction *z, const ZydisDecodedOperand *operands)
{
    insn->operand_size = z->operand_width == 8 ? (z->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE ? 2 : 4)
                                               : (uint8_t)(z->operand_width / 8);
    insn->address_size = z->address_width / 8;
    insn->far = z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
    insn->vector = vector_use_of(z, operands);
    for (unsigned i = 0; i < z->operand_count; i++) {
        if (operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER)
            note_register(insn, &operands[i]);
        else if (operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            note_memory(insn, &operands[i]);
    }
    note_missing_base(insn, z);
    note_prefixes(insn, z);
    note_encoding(insn, z);
    note_immediates(insn, z, operands);
    if (z->cpu_flags) {
        insn->flags_read = z->cpu_flags->tested & FLAGS_ARITHMETIC;
        insn->flags_written =
            (z->cpu_flags->modified | z->cpu_flags->set_0 | z->cpu_flags->set_1 | z->cpu_flags->undefined) &
            FLAGS_ARITHMETIC;
    }
    insn->keep_prefixes = insn->map && ((insn->vector != VECTOR_NONE && insn->vector != VECTOR_X87) ||
                                        z->mnemonic == ZYDIS_MNEMONIC_ADCX);
    insn->bit_string = insn->mem.present && insn->map == 1 && (insn->opcode & 0xe7) == 0xa3;
    if (insn->rep && insn->map == 1 && (z->mnemonic == ZYDIS_MNEMONIC_BSF || z->mnemonic == ZYDIS_MNEMONIC_BSR))
        insn->rep = false; /* no LZCNT/TZCNT on this CPU model: the prefix means nothing, and must not reach the host */
}

static void decoder_init(ZydisDecoder *decoder, const struct cpu_features *features, unsigned code_size)
{
    static const struct {
        ZydisMachineMode mode;
        ZydisStackWidth width;
    } modes[] = {[2] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
                 [4] = {ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
                 [8] = {ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64}};
    ZydisDecoderInit(decoder, modes[code_size].mode, modes[code_size].width);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_WBNOINVD, ZYAN_FALSE);
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_LZCNT, cpu_has(features, ABM));
    ZydisDecoderEnableMode(decoder, ZYDIS_DECODER_MODE_TZCNT, cpu_has(features, BMI1));
}

bool insn_decode(struct insn *insn, const struct cpu_features *features, unsigned code_size, const uint8_t *bytes,
                 unsigned size)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

    memset(insn, 0, sizeof(*insn));
    insn->rule = &insn_rule_ud;
    insn->code_size = (uint8_t)code_size;
    insn->operand_size = insn->address_size = (uint8_t)code_size;
    decoder_init(&decoder, features, code_size);
    if (size > sizeof(insn->bytes))
        size = sizeof(insn->bytes);
    ZyanStatus status = ZydisDecoderDecodeFull(&decoder, bytes, size, &z, operands);
    if (status == ZYDIS_STATUS_NO_MORE_DATA)
        return size == sizeof(insn->bytes); /* 15 bytes and still incomplete: too long, length stays 0 */
    if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG)
        return true;
    if (ZYAN_FAILED(status)) {
        insn->length = 1;
        memcpy(insn->bytes, bytes, size);
        return true;
    }
    insn->length = z.length;
    memcpy(insn->bytes, bytes, z.length);
    if (z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && z.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX)
        return true;
    if (!isa_offered(z.meta.isa_set, features) || z.mnemonic == ZYDIS_MNEMONIC_FEMMS)
        return true;
    if (z.meta.isa_set == ZYDIS_ISA_SET_LAHF && code_size == 8 && !cpu_has(features, LAHF_LM))
        return true;
    if (code_size != 8 && z.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX && z.raw.vex.W &&
        z.opcode_map == ZYDIS_OPCODE_MAP_0F3A && (z.opcode == 0x16 || z.opcode == 0x22))
        return true; /* VPEXTRQ, VPINSRQ: 64-bit mode only */
    describe(insn, &z, operands);
    insn->rule = rule_of(&z, operands);
    return true;
}
