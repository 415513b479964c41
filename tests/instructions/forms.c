/* Finds the forms to test by asking the decoder about every opcode. See forms.h. */
#include "tests/instructions/forms.h"

#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu-model/exec/rules.h"

/* ---- names ---- */

static csh capstone_for(unsigned code_size)
{
    static csh handles[9];
    cs_mode mode = code_size == 8 ? CS_MODE_64 : code_size == 4 ? CS_MODE_32 : CS_MODE_16;
    if (!handles[code_size] && cs_open(CS_ARCH_X86, mode, &handles[code_size]) != CS_ERR_OK) {
        fprintf(stderr, "cannot open the disassembler\n");
        exit(2);
    }
    return handles[code_size];
}

unsigned insn_name(unsigned code_size, const uint8_t *bytes, unsigned size, char name[20])
{
    static cs_insn *insn;
    csh handle = capstone_for(code_size);
    uint64_t address = 0x1000;
    size_t left = size;
    if (!insn)
        insn = cs_malloc(handle);
    if (!cs_disasm_iter(handle, &bytes, &left, &address, insn))
        return 0;
    snprintf(name, 20, "%.19s", insn->mnemonic);
    return insn->size;
}

void insn_text(unsigned code_size, const uint8_t *bytes, unsigned size, uint64_t address, char *text, size_t room)
{
    csh handle = capstone_for(code_size);
    cs_insn *insn = cs_malloc(handle);
    size_t left = size;
    const uint8_t *p = bytes;
    char hex[32] = "";
    for (unsigned i = 0; i < size && i < 15; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    if (cs_disasm_iter(handle, &p, &left, &address, insn))
        snprintf(text, room, "%-30s %s %s", hex, insn->mnemonic, insn->op_str);
    else
        snprintf(text, room, "%-30s ?", hex);
    cs_free(insn, 1);
}

/* ---- which ---- */

static exec_fn *const testable_functions[] = {
    exec_lea,  exec_push,    exec_pop,     exec_call,     exec_jmp,     exec_ret,     exec_jcc,   exec_jcxz,
    exec_loop, exec_leave,   exec_enter,   exec_pusha,    exec_popa,    exec_pushf,   exec_popf,  exec_movs,
    exec_cmps, exec_stos,    exec_lods,    exec_scas,     exec_xlat,    exec_aaa,     exec_aas,   exec_aad,
    exec_aam,  exec_daa,     exec_das,     exec_salc,     exec_cld,     exec_std,     exec_into,  exec_bound,
    exec_hint, exec_clflush, exec_maskmov, exec_vmaskmov, exec_vgather, exec_ldmxcsr, exec_pause,
};

bool insn_testable(const struct insn *insn, const char *name)
{
    if (!strncmp(name, "rdrand", 6) || !strncmp(name, "rdseed", 6))
        return false; /* no two answers are the same */
    /* Vendors differ: operand-size prefixes of near branches in 64-bit mode, PREFETCHW of a register, F3 REX.B 90,
     * MOVSXD to a 16-bit register (reads 16 bits of memory on Intel, 32 on AMD). */
    if (insn->code_size == 8 && insn->opsize_prefix && insn->rule->flags & RULE_BRANCH)
        return false;
    if (insn->map == 1 && insn->opcode == 0x0d && insn->modrm >= 0xc0)
        return false;
    if (insn->map == 0 && insn->opcode == 0x90 && insn->rep && insn->rex & 1)
        return false;
    if (insn->code_size == 8 && insn->map == 0 && insn->opcode == 0x63 && insn->operand_size == 2)
        return false;
    if (insn->far || !strcmp(insn->rule->name, "POP_SREG"))
        return false;
    if (insn->rule->flags & RULE_NATIVE)
        return true;
    for (unsigned i = 0; i < ARRAY_LEN(testable_functions); i++)
        if (insn->rule->function == testable_functions[i])
            return true;
    return false;
}

bool insn_pushes_half(const struct insn *insn)
{
    bool segment = insn->map == 0 ? insn->opcode < 0x20 : insn->map == 1 && (insn->opcode & 0xf7) == 0xa0;
    return insn->rule->function == exec_push && segment && insn->operand_size == 4;
}

uint64_t insn_flags_undefined(const struct insn *insn)
{
    exec_fn *f = insn->rule->function;
    if (f == exec_aaa || f == exec_aas)
        return FLAG_OF | FLAG_SF | FLAG_ZF | FLAG_PF;
    if (f == exec_aad || f == exec_aam)
        return FLAG_OF | FLAG_AF | FLAG_CF;
    return f == exec_daa || f == exec_das ? FLAG_OF : 0;
}

/* ---- the walk ---- */

struct walk {
    struct forms *forms;
    const struct cpu_features *features;
    const char *filter;
    unsigned capacity;
};

static unsigned encode(const struct form *form, unsigned modrm, uint8_t *out)
{
    static const uint8_t escape[4] = {0, 0, 0x38, 0x3a};
    unsigned n = 0;
    memset(out, 0, 15);
    if (form->vex) {
        out[n++] = 0xc4;
        out[n++] = 0xe0 | form->map;
        out[n++] = (uint8_t)(form->w << 7 | (form->vvvv ? 14 : 15) << 3 | form->l << 2 | form->pp);
    } else {
        if (form->prefix66)
            out[n++] = form->prefix66;
        if (form->prefix_rep)
            out[n++] = form->prefix_rep;
        if (form->w)
            out[n++] = 0x48;
        if (form->map)
            out[n++] = 0x0f;
        if (form->map > 1)
            out[n++] = escape[form->map];
    }
    out[n++] = form->opcode;
    out[n++] = (uint8_t)modrm;
    if (modrm < 0xc0 && (modrm & 7) == 4)
        out[n++] = 0x20; /* VSIB needs an index; elsewhere: none */
    return n;
}

/* What the two decoders say about the encoding with this ModRM. False: no such instruction, or one not to be tested. */
static bool probe(struct walk *walk, const struct form *form, unsigned modrm, char name[20], bool *has_modrm)
{
    uint8_t bytes[15];
    struct insn insn;
    encode(form, modrm, bytes);
    name[0] = 0;
    if (!insn_decode(&insn, walk->features, form->code_size, bytes, 15) || insn.rule->flags & RULE_DENY)
        return false;
    if (form->prefix66 && !insn.opsize_prefix) /* taken for something else */
        return false;
    if (insn.map != form->map || insn.opcode != form->opcode || (insn.encoding == ENCODING_VEX) != form->vex)
        return false;
    *has_modrm = insn.has_modrm;
    if (!insn_name(form->code_size, bytes, 15, name))
        snprintf(name, 20, "%.19s", insn.rule->name); /* the second decoder may be older */
    if (insn_testable(&insn, name))
        return true;
    walk->forms->skipped++;
    return false;
}

static void add(struct walk *walk, struct form form, unsigned reg, unsigned rm, const char *name)
{
    struct forms *forms = walk->forms;
    if (walk->filter && !strstr(name, walk->filter))
        return;
    if (forms->count == walk->capacity) {
        walk->capacity = walk->capacity ? 2 * walk->capacity : 4096;
        forms->form = realloc(forms->form, walk->capacity * sizeof(form));
        if (!forms->form)
            exit(2);
    }
    form.reg = (uint8_t)reg;
    form.rm = (uint8_t)rm;
    snprintf(form.name, sizeof(form.name), "%s", name);
    forms->form[forms->count++] = form;
}

/* One value of ModRM.reg, registers in rm: one form if all eight are the same instruction, else eight. */
static bool same_for_all(char names[8][20], const bool *ok)
{
    for (unsigned i = 1; i < 8; i++)
        if (!ok[i] || strcmp(names[i], names[0]))
            return false;
    return ok[0];
}

static void walk_registers(struct walk *walk, struct form form)
{
    char name[8][8][20], first[8][20];
    bool ok[8][8], row[8], has_modrm;
    form.memory = false;
    for (unsigned reg = 0; reg < 8; reg++) {
        for (unsigned rm = 0; rm < 8; rm++)
            ok[reg][rm] = probe(walk, &form, 0xc0 | reg << 3 | rm, name[reg][rm], &has_modrm);
        row[reg] = same_for_all(name[reg], ok[reg]);
        memcpy(first[reg], name[reg][0], 20);
    }
    if (same_for_all(first, row)) {
        add(walk, form, ANY, ANY, first[0]);
        return;
    }
    for (unsigned reg = 0; reg < 8; reg++) {
        if (row[reg]) {
            add(walk, form, reg, ANY, first[reg]);
            continue;
        }
        for (unsigned rm = 0; rm < 8; rm++)
            if (ok[reg][rm])
                add(walk, form, reg, rm, name[reg][rm]);
    }
}

static void walk_memory(struct walk *walk, struct form form)
{
    char name[8][20];
    bool ok[8], has_modrm;
    form.memory = true;
    for (unsigned reg = 0; reg < 8; reg++)
        ok[reg] = probe(walk, &form, reg << 3 | 4, name[reg], &has_modrm);
    if (same_for_all(name, ok)) {
        add(walk, form, ANY, ANY, name[0]);
        return;
    }
    for (unsigned reg = 0; reg < 8; reg++)
        if (ok[reg])
            add(walk, form, reg, ANY, name[reg]);
}

static bool is_prefix(unsigned code_size, unsigned opcode)
{
    if (code_size == 8 && (opcode & 0xf0) == 0x40)
        return true;
    return opcode == 0x66 || opcode == 0x67 || opcode == 0xf0 || opcode == 0xf2 || opcode == 0xf3 || opcode == 0x0f ||
           (opcode & 0xe7) == 0x26 || opcode == 0x64 || opcode == 0x65;
}

/* Does the repeat prefix change nothing about the instruction? Such forms are left to random redundant prefixes. */
static bool idle_prefix(struct walk *walk, struct form form, unsigned modrm)
{
    char with[20], without[20];
    uint8_t bytes[15];
    struct insn insn;
    bool has_modrm;
    if (!form.prefix_rep || !probe(walk, &form, modrm, with, &has_modrm))
        return false;
    encode(&form, modrm, bytes);
    insn_decode(&insn, walk->features, form.code_size, bytes, 15);
    form.prefix_rep = 0;
    return !insn.keep_prefixes && probe(walk, &form, modrm, without, &has_modrm) && !strcmp(with, without);
}

static void walk_opcode(struct walk *walk, struct form form)
{
    char name[20];
    bool has_modrm = false;
    bool any = false;
    /* ModRM 0: exists in memory form; C0: in register form; 30: /6 and so on are tried by the walks. */
    static const uint8_t tries[] = {0xc0, 0x04, 0xf0, 0x34, 0xe8, 0x2c, 0xf8, 0x3c,
                                    0xc8, 0x0c, 0xd0, 0x14, 0xd8, 0x1c, 0xe0, 0x24};
    for (unsigned i = 0; i < ARRAY_LEN(tries) && !any; i++) {
        any = probe(walk, &form, tries[i], name, &has_modrm);
        if (any && idle_prefix(walk, form, tries[i]))
            return;
    }
    if (!any) /* one that lives in a corner of rm only */
        has_modrm = true;
    form.has_modrm = has_modrm;
    if (!has_modrm) {
        add(walk, form, ANY, ANY, name);
        return;
    }
    walk_registers(walk, form);
    walk_memory(walk, form);
}

static void walk_legacy(struct walk *walk, unsigned code_size)
{
    static const uint8_t prefixes[6][2] = {{0, 0}, {0x66, 0}, {0, 0xf2}, {0, 0xf3}, {0x66, 0xf2}, {0x66, 0xf3}};
    for (unsigned map = 0; map < 4; map++)
        for (unsigned p = 0; p < 6; p++)
            for (unsigned w = 0; w < (code_size == 8 ? 2 : 1); w++)
                for (unsigned opcode = 0; opcode < 256; opcode++) {
                    if (!map && is_prefix(code_size, opcode))
                        continue;
                    if (!map && (opcode == 0xc4 || opcode == 0xc5 || opcode == 0x62 || opcode == 0x8f) &&
                        (code_size == 8 && opcode != 0x8f))
                        continue;
                    walk_opcode(walk, (struct form){.code_size = (uint8_t)code_size,
                                                    .prefix66 = prefixes[p][0],
                                                    .prefix_rep = prefixes[p][1],
                                                    .map = (uint8_t)map,
                                                    .opcode = (uint8_t)opcode,
                                                    .w = w});
                }
}

static void walk_vex(struct walk *walk, unsigned code_size)
{
    for (unsigned i = 0; i < 3 * 4 * 2 * 2 * 256; i++) {
        struct form form = {.code_size = (uint8_t)code_size,
                            .vex = true,
                            .opcode = (uint8_t)i,
                            .w = i >> 8 & 1,
                            .l = i >> 9 & 1,
                            .pp = i >> 10 & 3,
                            .map = (uint8_t)(1 + (i >> 12)),
                            .vvvv = true};
        unsigned before = walk->forms->count;
        walk_opcode(walk, form);
        if (walk->forms->count == before) {
            form.vvvv = false;
            walk_opcode(walk, form);
        }
    }
}

void forms_collect(struct forms *forms, const struct cpu_features *features, const char *filter)
{
    struct walk walk = {.forms = forms, .features = features, .filter = filter};
    *forms = (struct forms){0};
    for (unsigned code_size = 8; code_size >= 2; code_size /= 2) {
        walk_legacy(&walk, code_size);
        walk_vex(&walk, code_size);
    }
}

void forms_free(struct forms *forms)
{
    free(forms->form);
    *forms = (struct forms){0};
}
