/*
 * Fuzz target: decoder and translator on any bytes in any mode; what they emit is read back and checked.
 *
 * The input is the CPU's state in a few bytes, then code. Nothing is run. The host code of each block may use memory
 * only through GS (tables, vCPU) or with a scratch register in the address (where the deltas are), and may hold no
 * instruction that reaches the kernel or the host's segments, stacks and modes, but for what the prologue has.
 */
#include "tests/fuzz/script.h"

#include "cpu-model/exec/engine.h"
#include "cpu-model/exec/exec.h"
#include "cpu-model/state/vector.h"
#include "softmmu/shadow.h"
#include "translator/emit.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <stdlib.h>

enum { RAM = 1 << 20, PAGE = 0x8000 };

static struct space space;
static struct vcpu *vcpu;
static uint8_t *ram;

static const struct vcpu_wires no_wires;

static void create(void)
{
    struct error err;
    if (space_init(&space, RAM, &err) || space_add(&space, 0, RAM, false, "ram", &ram, &err))
        goto failed;
    space.reservation.aliases_failed = 0; /* sanitizers leave no room for them; nothing is run here */
    vcpu = shadow_vcpu_create(&err);
    if (!vcpu || cpu_model_parse("max", &vcpu->features, &err))
        goto failed;
    vcpu->space = &space;
    vcpu->wires = &no_wires;
    vector_reset(vcpu);
    vcpu_reset(vcpu, false);
    if (!engine_bt.create(vcpu, &(const struct engine_config){.cache_bytes = 4 << 20}, &err))
        return;
failed:
    fprintf(stderr, "fuzz_translate: %s\n", err.text);
    exit(1);
}

/* --- the CPU's state ---------------------------------------------------------------------------------------------- */

static void take_segment(struct script *script, struct segment *segment)
{
    static const uint32_t limits[] = {0xffffffff, 0xffff, 0, 0xfff, 0x12345, 0xfffffffe, 0xffffffff, 0xffff};
    static const uint64_t bases[] = {0, 0, 0, 0x10, 0xffff0, 0x12345, 0xfffffff0, 0x80000000};
    unsigned bits = (unsigned)script_take(script, 2);
    segment->limit = limits[bits & 7];
    segment->base = bases[bits >> 3 & 7];
    segment->attributes = bits & 0x40 ? SEG_UNUSABLE
                                      : (SEG_S | SEG_P) | (bits & 0x80 ? SEG_TYPE_WRITABLE : 0) |
                                            (bits & 0x100 ? SEG_TYPE_CODE : 0) |
                                            (bits & 0x200 ? SEG_TYPE_EXPAND_DOWN : 0) | (bits & 0x400 ? SEG_DB : 0);
    if (!segment->limit && !(bits & 0x800))
        segment->limit = 0xffffffff;
}

static uint64_t take_state(struct script *script)
{
    unsigned mode = (unsigned)script_take(script, 1), flags = (unsigned)script_take(script, 1);
    unsigned code = mode % 5; /* 64, compatibility 32, protected 32, protected 16, real or virtual-8086 16 */
    struct segment *cs = &vcpu->segment[SEG_CS];

    vcpu->efer = code < 2 ? EFER_LMA | EFER_LME : 0;
    vcpu->cr0 = (code == 4 && mode & 0x80 ? 0 : CR0_PE) | (flags & 1 ? CR0_TS : 0) | (flags & 2 ? CR0_EM : 0);
    vcpu->cr4 = (flags & 4 ? 0 : CR4_OSFXSR) | (flags & 8 ? 0 : CR4_OSXSAVE) | (flags & 16 ? CR4_TSD : 0);
    vcpu->xcr0 = flags & 32 ? 3 : 7;
    vcpu->eflags = FLAG_FIXED | (code == 4 && !(mode & 0x80) ? FLAG_VM : 0);
    vcpu->cpl = code == 4 ? (mode & 0x80 ? 0 : 3) : flags & 64 ? 3 : 0;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        take_segment(script, &vcpu->segment[i]);
    cs->attributes = SEG_S | SEG_P | SEG_TYPE_CODE | SEG_TYPE_WRITABLE | (code == 0 ? SEG_L : code < 3 ? SEG_DB : 0);
    if (code == 0 || code == 1)
        cs->base = 0;
    vcpu->gpr[REG_RSP] = flags & 128 ? 0x1234 : 0x1000;
    shadow_select(vcpu);
    return code == 0 && mode & 0x40 ? 0xffffffff80000000 : code == 0 && mode & 0x20 ? 0x7ffffffff000 : PAGE;
}

/* --- the check ---------------------------------------------------------------------------------------------------- */

static const char *forbidden(const ZydisDecodedInstruction *z)
{
    switch (z->meta.category) {
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_SEGOP:
    case ZYDIS_CATEGORY_XSAVE:
    case ZYDIS_CATEGORY_XSAVEOPT:
    case ZYDIS_CATEGORY_RDWRFSGS:
    case ZYDIS_CATEGORY_CET:
    case ZYDIS_CATEGORY_PKU:
    case ZYDIS_CATEGORY_MPX:
    case ZYDIS_CATEGORY_AVX512:
    case ZYDIS_CATEGORY_AVX2GATHER:
    case ZYDIS_CATEGORY_CLFLUSHOPT:
    case ZYDIS_CATEGORY_CLWB:
    case ZYDIS_CATEGORY_ENQCMD:
    case ZYDIS_CATEGORY_MOVDIR:
        return z->mnemonic == ZYDIS_MNEMONIC_RDTSC ? NULL : "a forbidden category";
    default:
        break;
    }
    switch (z->mnemonic) {
    case ZYDIS_MNEMONIC_STD:
    case ZYDIS_MNEMONIC_CLI:
    case ZYDIS_MNEMONIC_STI:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_LEAVE:
    case ZYDIS_MNEMONIC_XBEGIN:
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_XLAT:
        return "a forbidden instruction";
    default:
        return z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ? "a far transfer" : NULL;
    }
}

/* RSP is the return stack's: calls, returns, and flags that go through it into a register. */
static bool on_return_stack(const ZydisDecodedInstruction *z)
{
    return z->meta.category == ZYDIS_CATEGORY_CALL || z->meta.category == ZYDIS_CATEGORY_RET ||
           z->meta.category == ZYDIS_CATEGORY_PUSH || z->meta.category == ZYDIS_CATEGORY_POP;
}

static bool scratch(ZydisRegister reg)
{
    return reg == ZYDIS_REGISTER_RCX || reg == ZYDIS_REGISTER_R15;
}

/* GS: the state, constants and tables of a view. */
static bool gs_ok(const ZydisDecodedOperand *op)
{
    bool plain = op->mem.base == ZYDIS_REGISTER_NONE;
    return (plain || op->mem.base == ZYDIS_REGISTER_RCX || scratch(op->mem.base)) &&
           (op->mem.index == ZYDIS_REGISTER_NONE || scratch(op->mem.index));
}

static const char *memory_wrong(const ZydisDecodedInstruction *z, const ZydisDecodedOperand *op)
{
    if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
        return NULL;
    if (on_return_stack(z))
        return op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN ? NULL : "memory besides the return stack";
    if (op->mem.segment == ZYDIS_REGISTER_GS)
        return gs_ok(op) ? NULL : "GS with a guest register";
    if (op->mem.segment == ZYDIS_REGISTER_FS)
        return "FS";
    if (z->meta.category == ZYDIS_CATEGORY_STRINGOP) /* REP MOVS and STOS, between look-ups: see emit_string.c */
        return z->mnemonic == ZYDIS_MNEMONIC_MOVSB || z->mnemonic == ZYDIS_MNEMONIC_STOSB ||
                       z->mnemonic == ZYDIS_MNEMONIC_MOVSD || z->mnemonic == ZYDIS_MNEMONIC_STOSD ||
                       z->mnemonic == ZYDIS_MNEMONIC_MOVSQ || z->mnemonic == ZYDIS_MNEMONIC_STOSQ
                   ? NULL
                   : "a string instruction";
    if (op->size > 32 * 8)
        return "an access of more than 32 bytes";
    return scratch(op->mem.base) || scratch(op->mem.index) ? NULL : "an address without a look-up";
}

static void complain(const struct tb *tb, uint64_t at, const char *why)
{
    const struct bt *bt = vcpu->engine;
    fprintf(stderr, "host code at +%llx: %s; block of %u instructions, code size %u:\n", (unsigned long long)at, why,
            tb->instructions, vcpu_code_size(vcpu));
    for (unsigned i = 0; i < tb->guest_size; i++)
        fprintf(stderr, " %02x", space.arena[tb->page[0] + (tb->lin & GUEST_PAGE_OFFSET) + i]);
    fprintf(stderr, "\nhost:");
    for (unsigned i = 0; i < tb->code_size; i++)
        fprintf(stderr, "%s%02x", i == at ? " >>" : " ", bt->cache.rw[tb->code + i]);
    fprintf(stderr, "\n");
    abort();
}

static void check(const struct tb *tb)
{
    const struct bt *bt = vcpu->engine;
    const uint8_t *code = bt->cache.rw + tb->code;
    ZydisDecoder decoder;
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (uint64_t at = 0; at < tb->code_size;) {
        if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code + at, tb->code_size - at, &z, operands)))
            complain(tb, at, "not an instruction");
        const char *why = forbidden(&z);
        for (unsigned i = 0; i < z.operand_count && !why; i++) {
            why = memory_wrong(&z, &operands[i]);
            bool writes = operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
            if (!why && operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER && writes && !on_return_stack(&z) &&
                ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operands[i].reg.value) ==
                    ZYDIS_REGISTER_RSP)
                why = "a write to RSP";
        }
        if (why)
            complain(tb, at, why);
        at += z.length;
        if (z.mnemonic == ZYDIS_MNEMONIC_CALL && operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            uint64_t target = tb->code + at + (uint64_t)operands[0].imm.value.s;
            if (target == bt->slow_entry || target == bt->exit_entry)
                at += 4; /* the number of the site or exit */
        }
    }
}

const char *__asan_default_options(void);

/* What lives as long as the process is not a leak; the sanitizer does not look into shared mappings. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!vcpu)
        create();
    struct bt *bt = vcpu->engine;
    struct script script = {data, data + size};
    uint64_t at = take_state(&script);
    uint64_t page = (uint64_t)(ram - space.arena) + PAGE;
    size_t length = script_ended(&script) ? 0 : (size_t)(script.end - script.at);

    memset(ram + PAGE, 0x90, 2 * GUEST_PAGE_SIZE);
    memcpy(ram + PAGE, script.at, length < GUEST_PAGE_SIZE ? length : GUEST_PAGE_SIZE);
    tcache_flush(&bt->cache, vcpu);
    uint32_t mode = mode_now(vcpu);
    if (size & 1 && vcpu->cpl == 3 && mode_plain(&bt->modes.key[mode])) {
        struct mode_key key = bt->modes.key[mode];
        key.window = 1;
        key.sp_aligned = 0;
        mode = mode_number(vcpu, &key);
    }
    for (unsigned offset = 0; offset < length && offset < GUEST_PAGE_SIZE;) {
        if (tcache_full(&bt->cache))
            break;
        struct tb *tb = translate_block(bt, vcpu, at + offset, page, mode);
        if (!tb)
            break;
        check(tb);
        offset += tb->guest_size;
    }
    return 0;
}
