/*
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT and the registers that say where they lead to: pads that go back (pads.S), or an
 * item of the program. Both vendors' ways: which of them exist in which mode is different. See maker.h.
 */
#include "tests/blocks/maker.h"
#include "tests/blocks/selectors.h"

enum {
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_EIP = 0x176,
    MSR_EFER = 0xc0000080,
    MSR_STAR,
    MSR_LSTAR,
    MSR_CSTAR,
    MSR_SFMASK
};

static uint32_t pad_for_syscall(struct maker *m)
{
    static const uint32_t pads[] = {PAD64_SYSRETQ, PAD64_SYSRETQ, PAD64_SWAPGS, PAD64_SYSRETL};
    return pads[any(m, ARRAY_LEN(pads))];
}

void choose_system_calls(struct maker *m)
{
    static const uint32_t masks[] = {0, FLAG_IF, FLAG_TF, FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_AC | FLAG_NT};
    bool long_mode = m->mode < MODE_32_KERNEL;
    struct system_calls *s = &m->program->start.calls;

    s->intel = any(m, 2);
    s->efer_sce = !one_in(m->r, 12);
    s->star = (uint64_t)(long_mode ? SEL_SYSENTER64 + 0x10 : SEL_SYSENTER32 + 0x10) << 48 |
              (uint64_t)(long_mode ? SEL_SYSENTER64 : SEL_SYSENTER32) << 32 | PAD32_SYSRET;
    s->lstar = pad_for_syscall(m);
    s->cstar = PAD64_SYSRETL;
    s->sfmask = one_in(m->r, 8) ? (uint32_t)random_word(m->r) : masks[any(m, ARRAY_LEN(masks))];
    s->sysenter_cs = one_in(m->r, 12) ? any(m, 4) : long_mode ? SEL_SYSENTER64 : SEL_SYSENTER32;
    s->sysenter_esp = STACK0_TOP - 0x200 - any(m, 16);
    s->sysenter_eip = !long_mode ? PAD32_SYSEXIT : any(m, 3) ? PAD64_SYSEXITQ : PAD64_SYSEXITL;
    m->program->called = one_in(m->r, 4) ? (uint8_t)(1 + any(m, ITEMS_MAX / 2)) : 0;
}

/* mov ecx or edx, an item */
static void target_to(struct maker *m, unsigned reg)
{
    b(m, 0xb8 | reg);
    absolute_target(m, m->code_size == 2 ? 2 : 4, 0);
}

/* mov ecx, esp (rsp) */
static void stack_to_ecx(struct maker *m)
{
    if (wide(m))
        b(m, 0x48);
    bytes(m, 0xe189, 2);
}

/* bts reg, 63 */
static void not_canonical(struct maker *m, unsigned reg)
{
    bytes(m, 0xba0f48, 3);
    b(m, 0xe8 | reg);
    b(m, 63);
}

static void return_from_syscall(struct maker *m)
{
    target_to(m, REG_RCX);
    if (wide(m)) {
        if (one_in(m->r, 16))
            not_canonical(m, REG_RCX);
        if (any(m, 4))
            bytes(m, 0x5b419c, 3); /* pushf; pop r11 */
        if (any(m, 8))
            b(m, 0x48);
    }
    bytes(m, 0x070f, 2);
}

static void enter_or_exit(struct maker *m, unsigned opcode)
{
    target_to(m, REG_RDX);
    stack_to_ecx(m);
    if (wide(m) && one_in(m->r, 16))
        not_canonical(m, any(m, 2) ? REG_RCX : REG_RDX);
    if (wide(m) && opcode == 0x35 && any(m, 8))
        b(m, 0x48);
    b(m, 0x0f);
    b(m, opcode);
}

/* mov ecx or eax, 32 bits */
static void load32(struct maker *m, unsigned reg, uint32_t value)
{
    if (m->code_size == 2)
        b(m, 0x66);
    b(m, 0xb8 | reg);
    bytes(m, value, 4);
}

/* One of the registers gets a value that leads somewhere, or the one it has, SCE changed or not. */
static void write_register(struct maker *m)
{
    static const uint32_t kept[] = {MSR_EFER, MSR_STAR, MSR_CSTAR, MSR_SYSENTER_EIP};
    unsigned pick = any(m, ARRAY_LEN(kept) + 3);
    if (pick < ARRAY_LEN(kept)) {
        load32(m, REG_RCX, kept[pick]);
        bytes(m, 0x320f, 2); /* rdmsr */
        if (kept[pick] == MSR_EFER && any(m, 2))
            bytes(m, 0x01f083, 3); /* xor eax, SCE */
    } else {
        static const uint32_t changed[] = {MSR_LSTAR, MSR_SFMASK, MSR_SYSENTER_CS};
        unsigned i = pick - ARRAY_LEN(kept);
        load32(m, REG_RCX, changed[i]);
        load32(m, REG_RAX,
               i == 0   ? pad_for_syscall(m)
               : i == 1 ? (uint32_t)random_word(m->r)
                        : any(m, 2) * SEL_SYSENTER64);
        bytes(m, 0xd231, 2); /* xor edx, edx */
    }
    bytes(m, 0x300f, 2); /* wrmsr */
}

void make_system_call(struct maker *m)
{
    switch (any(m, m->user ? 4 : 8)) {
    case 0:
    case 1:
        bytes(m, 0x050f, 2);
        break;
    case 2:
    case 3:
        enter_or_exit(m, 0x34);
        break;
    case 4:
        enter_or_exit(m, 0x35);
        break;
    case 5:
    case 6:
        return_from_syscall(m);
        break;
    default:
        write_register(m);
    }
}
