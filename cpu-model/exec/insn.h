/*
 * One decoded guest instruction, in the form both engines use, and the result of executing it.
 *
 * decode.c fills it (the only place that knows the decoder library); exec functions, named after the SDM's mnemonics,
 * read it. It is pure data: a function of the bytes and of the CPU mode they were decoded for.
 */
#ifndef RING3_EXEC_INSN_H
#define RING3_EXEC_INSN_H

#include "cpu-model/state/vcpu.h"

enum exec_result {
    EXEC_NEXT,   /* done: the caller advances RIP past the instruction */
    EXEC_JUMP,   /* done: RIP is set */
    EXEC_REPEAT, /* a string instruction made progress and is not finished: registers updated, RIP unchanged; interrupts
                    may come */
    EXEC_FAULT,  /* vcpu->exception is to be delivered; nothing else changed, RIP still at the instruction */
    EXEC_HALT,   /* done (RIP advanced by the caller), vcpu->halted is set */
    EXEC_SHUTDOWN, /* triple fault: the machine decides */
};

struct insn;
typedef enum exec_result exec_fn(struct vcpu *vcpu, const struct insn *insn);

/* What is particular about an instruction, from insn.def; bits of insn->rule->flags. */
enum {
    RULE_BRANCH = 1 << 0,    /* sets RIP: ends a block */
    RULE_END = 1 << 1,       /* may change the mode, the mapping or the interrupt window: ends a block */
    RULE_CPL0 = 1 << 2,      /* #GP(0) unless CPL 0 (checked before the function is called; real mode has CPL 0) */
    RULE_PROTECTED = 1 << 3, /* #UD in real and virtual-8086 mode */
    RULE_NATIVE = 1 << 4,    /* runs on the host's silicon (exec_native) */
    RULE_DENY = 1 << 5,      /* always #UD here */
};

/* What of the vector state an instruction uses, with the checks of CR0.EM/TS, CR4.OSFXSR/OSXSAVE that follow. */
enum vector_use { VECTOR_NONE, VECTOR_X87, VECTOR_MMX, VECTOR_SSE, VECTOR_AVX, VECTOR_WAIT };

struct insn_rule {
    const char *name;
    exec_fn *function;
    uint16_t flags;
};

enum { MEM_READ = 1, MEM_WRITE = 2 };

struct mem_operand {
    uint8_t present;
    uint8_t segment;     /* enum segment_index, override applied (64-bit mode: ES, CS, SS, DS have base 0) */
    uint8_t base, index; /* enum gpr or REG_NONE; base may be REG_RIP_BASE */
    uint8_t scale;       /* 1, 2, 4, 8 */
    uint8_t access;      /* MEM_READ | MEM_WRITE; 0: only the address is used (LEA, INVLPG, NOP) */
    uint16_t size;       /* bytes; 0 where the instruction decides (FXSAVE: 512, XSAVE: 0) */
    int64_t disp;
};
enum { REG_RIP_BASE = 0x20 };

enum insn_encoding { ENCODING_LEGACY, ENCODING_VEX };

struct insn {
    const struct insn_rule *rule;
    uint8_t length;
    uint8_t code_size;    /* 2, 4, 8: the mode it was decoded for */
    uint8_t operand_size; /* 2, 4, 8: the effective operand-size attribute (byte forms: see opcode; 64-bit defaults
                             applied) */
    uint8_t address_size; /* 2, 4, 8 */
    uint8_t encoding;     /* enum insn_encoding */
    uint8_t map;          /* 0: one-byte, 1: 0F, 2: 0F38, 3: 0F3A */
    uint8_t opcode;
    uint8_t modrm, rex; /* as encoded; rex 0 if absent */
    uint8_t vex_byte;   /* L, pp and W of a VEX prefix: W << 7 | L << 2 | pp */
    bool has_modrm, has_sib;
    bool lock, rep, repne, opsize_prefix;
    bool keep_prefixes; /* 66, F2 and F3 are part of the opcode (SSE, ADX, CRC32...) rather than modifiers */
    bool far;           /* CALL, JMP: far form */
    bool bit_string; /* BT, BTS, BTR, BTC with a register offset into memory: the operand may lie beyond the address */
    uint8_t vector;  /* enum vector_use */
    uint8_t reg;     /* ModRM.reg with REX.R/VEX.R; the register of +r opcodes */
    uint8_t rm;      /* ModRM.rm with REX.B, when mod = 3 */
    uint8_t vvvv;
    bool reg_is_gpr, rm_is_gpr, vvvv_is_gpr; /* the field names a general register that the instruction uses */
    bool reg_in_opcode;                      /* reg is the low three bits of the opcode */
    bool high_byte_reg, high_byte_rm;        /* the field means AH, CH, DH or BH (number 4..7) */
    uint8_t implicit;                        /* implicit general registers used natively: bit n = gpr n (0..7) */
    uint16_t gpr_read,
        gpr_written; /* all general registers read and written, implicit, address and memory ones included */
    uint32_t flags_read, flags_written; /* arithmetic flags; written includes undefined */
    struct mem_operand mem;
    uint8_t imm_offset, imm_size; /* where in bytes[] the immediates begin and all their length; 0: none */
    uint16_t selector;            /* far pointer immediates: the selector */
    int64_t imm;  /* first immediate, sign-extended where the instruction does; relative branches: the displacement */
    int64_t imm2; /* ENTER: the nesting level */
    uint8_t bytes[15];
};

/*
 * Decodes the instruction at bytes[0..size) for the given code size (2, 4, 8). Instructions that the CPU model does not
 * offer, or that do not exist, decode to the #UD rule (length as far as it is known, at least 1). Returns false only
 * when more bytes are needed than `size` (and size < 15), or, with 15 given, when it is too long (#GP): then
 * insn->length is 0.
 */
bool insn_decode(struct insn *insn, const struct cpu_features *features, unsigned code_size, const uint8_t *bytes,
                 unsigned size);

/* RIP advanced by n, wrapped to the code size of the current mode. */
static inline uint64_t rip_after(const struct vcpu *vcpu, const struct insn *insn)
{
    uint64_t rip = vcpu->rip + insn->length;
    return insn->code_size == 8 ? rip : (uint32_t)rip;
}

#endif
