/*
 * Register dump for -d cpu_reset, triple-fault reports and the monitor, in the form of QEMU's, which scripts read.
 *
 * Ordinary code (it formats text): the guest's vector state is parked first. Runs on the vCPU's thread, or on any while
 * it does not run.
 */
#include "cpu-model/exec/exec.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cpu-model/state/vector.h"

struct text {
    char *at;
    size_t left;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    int length;

    if (text->left == 0)
        return;
    va_start(arguments, format);
    length = vsnprintf(text->at, text->left, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= text->left)
        length = (int)text->left - 1; /* cut */
    text->at += length;
    text->left -= (size_t)length;
    if (text->left == 1)
        text->left = 0;
}

/* QEMU's words for a descriptor's type. */
static void add_type(struct text *text, const struct vcpu *vcpu, const struct segment *s)
{
    static const char *const systems[2][16] = {
        {"Reserved", "TSS16-avl", "LDT", "TSS16-busy", "CallGate16", "TaskGate", "IntGate16", "TrapGate16", "Reserved",
         "TSS32-avl", "Reserved", "TSS32-busy", "CallGate32", "Reserved", "IntGate32", "TrapGate32"},
        {"<hiword>", "Reserved", "LDT", "Reserved", "Reserved", "Reserved", "Reserved", "Reserved", "Reserved",
         "TSS64-avl", "Reserved", "TSS64-busy", "CallGate64", "Reserved", "IntGate64", "TrapGate64"},
    };
    uint32_t a = s->attributes;

    if (!vcpu_protected(vcpu) || !(a & SEG_P) || a & SEG_UNUSABLE)
        return;
    add(text, " DPL=%u ", (a & SEG_DPL) >> SEG_DPL_SHIFT);
    if (!(a & SEG_S))
        add(text, "%s", systems[vcpu_long_mode(vcpu)][a & SEG_TYPE]);
    else if (a & SEG_TYPE_CODE)
        add(text, "%s [%c%c%c]",
            a & SEG_L    ? "CS64"
            : a & SEG_DB ? "CS32"
                         : "CS16",
            a & SEG_TYPE_CONFORMING ? 'C' : '-', a & SEG_TYPE_READABLE ? 'R' : '-', a & SEG_TYPE_ACCESSED ? 'A' : '-');
    else
        add(text, "%s [%c%c%c]", a & SEG_DB || vcpu_long_mode(vcpu) ? "DS" : "DS16",
            a & SEG_TYPE_EXPAND_DOWN ? 'E' : '-', a & SEG_TYPE_WRITABLE ? 'W' : '-', a & SEG_TYPE_ACCESSED ? 'A' : '-');
}

static void add_segments(struct text *text, const struct vcpu *vcpu, int digits)
{
    static const char *const names[SEG_ALL] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"};

    for (unsigned i = 0; i < SEG_ALL; i++) {
        const struct segment *s = &vcpu->segment[i];

        /* The attributes where a descriptor's second word has them. */
        add(text, "%-3s=%04x %0*" PRIx64 " %08" PRIx32 " %08" PRIx32, names[i], s->selector, digits, s->base, s->limit,
            (s->attributes & 0xf0ff) << 8 | (s->limit & 0xf0000));
        add_type(text, vcpu, s);
        add(text, "\n");
    }
    add(text, "GDT=     %0*" PRIx64 " %08x\n", digits, vcpu->gdtr.base, vcpu->gdtr.limit);
    add(text, "IDT=     %0*" PRIx64 " %08x\n", digits, vcpu->idtr.base, vcpu->idtr.limit);
}

/* RFL or EFL, with the flags that QEMU spells out. */
static void add_flags(struct text *text, const struct vcpu *vcpu, char prefix)
{
    static const struct {
        uint32_t flag;
        char letter;
    } flags[] = {{FLAG_DF, 'D'}, {FLAG_OF, 'O'}, {FLAG_SF, 'S'}, {FLAG_ZF, 'Z'},
                 {FLAG_AF, 'A'}, {FLAG_PF, 'P'}, {FLAG_CF, 'C'}};
    uint32_t eflags = vcpu_eflags(vcpu);
    char letters[sizeof(flags) / sizeof(flags[0]) + 1] = "";

    for (unsigned i = 0; i < ARRAY_LEN(flags); i++)
        letters[i] = eflags & flags[i].flag ? flags[i].letter : '-';
    add(text, " %cFL=%08" PRIx32 " [%s] CPL=%u II=%u A20=%u SMM=0 HLT=%u\n", prefix, eflags, letters, vcpu->cpl,
        vcpu->interrupt_shadow, !vcpu->a20_masked, vcpu->halted);
}

static void add_general(struct text *text, const struct vcpu *vcpu)
{
    static const char names[8][3] = {"AX", "BX", "CX", "DX", "SI", "DI", "BP", "SP"};
    static const uint8_t order[8] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP};
    bool wide = vcpu_code64(vcpu);

    for (unsigned i = 0; i < (wide ? 16 : 8); i++) {
        char end = i % 4 == 3 ? '\n' : ' ';
        if (i >= 8)
            add(text, "R%-2u=%016" PRIx64 "%c", i, vcpu->gpr[i], end);
        else if (wide)
            add(text, "R%s=%016" PRIx64 "%c", names[i], vcpu->gpr[order[i]], end);
        else
            add(text, "E%s=%08" PRIx32 "%c", names[i], (uint32_t)vcpu->gpr[order[i]], end);
    }
    if (wide)
        add(text, "RIP=%016" PRIx64, vcpu->rip);
    else
        add(text, "EIP=%08" PRIx32, (uint32_t)vcpu->rip);
    add_flags(text, vcpu, wide ? 'R' : 'E');
}

/* From the XSAVE area: FCW 0, FSW 2, FTW 4, MXCSR 24, ST0 32, XMM0 160. */
static void add_vector(struct text *text, const struct vcpu *vcpu)
{
    const uint8_t *area = vcpu->vector_area;
    unsigned count = vcpu_code64(vcpu) ? 16 : 8;
    uint16_t fcw, fsw;
    uint32_t mxcsr;

    memcpy(&fcw, area, 2);
    memcpy(&fsw, area + 2, 2);
    memcpy(&mxcsr, area + 24, 4);
    add(text, "FCW=%04x FSW=%04x [ST=%u] FTW=%02x MXCSR=%08" PRIx32 "\n", fcw, fsw & ~0x3800u, fsw >> 11 & 7, area[4],
        mxcsr);
    for (unsigned i = 0; i < 8; i++) {
        uint64_t mantissa;
        uint16_t exponent;
        memcpy(&mantissa, area + 32 + 16 * i, 8);
        memcpy(&exponent, area + 40 + 16 * i, 2);
        add(text, "FPR%u=%016" PRIx64 " %04x%c", i, mantissa, exponent, i % 2 ? '\n' : ' ');
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t half[2];
        memcpy(half, area + 160 + 16 * (size_t)i, 16);
        add(text, "XMM%02u=%016" PRIx64 " %016" PRIx64 "%c", i, half[1], half[0], i % 2 ? '\n' : ' ');
    }
}

void vcpu_dump(const struct vcpu *vcpu, char *buffer, size_t size)
{
    struct text text = {buffer, size};
    int digits = vcpu_long_mode(vcpu) ? 16 : 8;

    if (vcpu->vector_live)
        vector_park((struct vcpu *)vcpu); /* moves state, changes none */
    if (size > 0)
        buffer[0] = '\0';
    add_general(&text, vcpu);
    add_segments(&text, vcpu, digits);
    add(&text, "CR0=%08" PRIx64 " CR2=%0*" PRIx64 " CR3=%0*" PRIx64 " CR4=%08" PRIx64 "\n", vcpu->cr0, digits,
        vcpu->cr2, digits, vcpu->cr3, vcpu->cr4);
    add(&text, "DR0=%016" PRIx64 " DR1=%016" PRIx64 " DR2=%016" PRIx64 " DR3=%016" PRIx64 " \n", vcpu->dr[0],
        vcpu->dr[1], vcpu->dr[2], vcpu->dr[3]);
    add(&text, "DR6=%016" PRIx64 " DR7=%016" PRIx64 "\n", vcpu->dr[6], vcpu->dr[7]);
    add(&text, "EFER=%016" PRIx64 " XCR0=%" PRIx64 " KGS=%016" PRIx64 " exception=%u (%" PRIx32 ")%s%s\n", vcpu->efer,
        vcpu->xcr0, vcpu->kernel_gs_base, vcpu->exception.vector, vcpu->exception.error_code,
        vcpu->nmi_blocked ? " nmi-blocked" : "", vcpu->waiting_for_sipi ? " waiting-for-sipi" : "");
    add_vector(&text, vcpu);
}
