/*
 * The forms of instructions: what insn_decode accepts and the host's CPU can be asked about, found by walking the
 * opcode maps.
 *
 * A form is an encoding up to its operands: prefixes that are part of it, map, opcode, ModRM fields that extend the
 * opcode, and whether ModRM.rm is memory.
 */
#ifndef RING3_TESTS_INSTRUCTIONS_FORMS_H
#define RING3_TESTS_INSTRUCTIONS_FORMS_H

#include "cpu-model/exec/insn.h"

enum { ANY = 0xff };

struct form {
    char name[20];                /* mnemonic, for reports and filters */
    uint8_t code_size;            /* 2, 4, 8 */
    uint8_t prefix66, prefix_rep; /* 66h or 0; F2h, F3h or 0 */
    uint8_t map, opcode;
    bool vex, w, l;
    uint8_t pp;
    bool has_modrm, memory;
    uint8_t reg, rm; /* fixed ModRM fields, or ANY; rm only without memory */
    bool vvvv;       /* VEX.vvvv names a register */
};

struct forms {
    struct form *form;
    unsigned count;
    unsigned skipped; /* accepted by the decoder, but nothing a host process can be asked about */
};

/* filter: only forms whose name contains it (null: all). */
void forms_collect(struct forms *forms, const struct cpu_features *features, const char *filter);
void forms_free(struct forms *forms);

/* May the instruction be tried on the host? */
bool insn_testable(const struct insn *insn, const char *name);

/* PUSH of a segment register, 32 bits: one may store only the selector. */
bool insn_pushes_half(const struct insn *insn);
/* FLAG_*: those that the SDM leaves undefined and that no silicon computes here. */
uint64_t insn_flags_undefined(const struct insn *insn);

/* The mnemonic, by a second decoder; returns the length it sees, 0 if it knows no such instruction. */
unsigned insn_name(unsigned code_size, const uint8_t *bytes, unsigned size, char name[20]);
/* One line of disassembly. */
void insn_text(unsigned code_size, const uint8_t *bytes, unsigned size, uint64_t address, char *text, size_t room);

#endif
