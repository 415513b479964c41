/*
 * Register dump for -d cpu_reset, triple-fault reports and the monitor.
 *
 * Ordinary code (it formats text): the guest's vector state is parked first. Runs on the vCPU's thread, or on any while
 * it does not run.
 */
#include "cpu-model/exec/exec.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

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

static void add_segments(struct text *text, const struct vcpu *vcpu)
{
    static const char *const names[SEG_ALL] = {"ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"};

    for (unsigned i = 0; i < SEG_ALL; i++) {
        const struct segment *s = &vcpu->segment[i];

        add(text, "%-3s %04x base %016" PRIx64 " limit %08" PRIx32 " attributes %05" PRIx32 "%s\n", names[i],
            s->selector, s->base, s->limit, s->attributes, s->attributes & SEG_UNUSABLE ? " (null)" : "");
    }
}

void vcpu_dump(const struct vcpu *vcpu, char *buffer, size_t size)
{
    static const char *const names[16] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                          "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"};
    struct text text = {buffer, size};

    if (vcpu->vector_live)
        vector_park((struct vcpu *)vcpu); /* moves state, changes none */
    if (size > 0)
        buffer[0] = '\0';
    for (unsigned i = 0; i < 16; i++)
        add(&text, "%s %016" PRIx64 "%c", names[i], vcpu->gpr[i], i % 4 == 3 ? '\n' : ' ');
    add(&text, "RIP %016" PRIx64 " EFL %08" PRIx32 " CPL %u IOPL %u code %u-bit%s%s%s%s\n", vcpu->rip,
        vcpu_eflags(vcpu), vcpu->cpl, vcpu_iopl(vcpu), vcpu_code_size(vcpu) * 8, vcpu->halted ? " halted" : "",
        vcpu->interrupt_shadow ? " interrupt-shadow" : "", vcpu->nmi_blocked ? " nmi-blocked" : "",
        vcpu->waiting_for_sipi ? " waiting-for-sipi" : "");
    add_segments(&text, vcpu);
    add(&text, "GDT %016" PRIx64 " %04x IDT %016" PRIx64 " %04x\n", vcpu->gdtr.base, vcpu->gdtr.limit, vcpu->idtr.base,
        vcpu->idtr.limit);
    add(&text, "CR0 %08" PRIx64 " CR2 %016" PRIx64 " CR3 %016" PRIx64 " CR4 %08" PRIx64 " EFER %03" PRIx64 "\n",
        vcpu->cr0, vcpu->cr2, vcpu->cr3, vcpu->cr4, vcpu->efer);
    add(&text, "DR0 %016" PRIx64 " DR1 %016" PRIx64 " DR2 %016" PRIx64 " DR3 %016" PRIx64 "\n", vcpu->dr[0],
        vcpu->dr[1], vcpu->dr[2], vcpu->dr[3]);
    add(&text, "DR6 %08" PRIx64 " DR7 %08" PRIx64 " XCR0 %" PRIx64 " KGS %016" PRIx64 " exception %u (%" PRIx32 ")\n",
        vcpu->dr[6], vcpu->dr[7], vcpu->xcr0, vcpu->kernel_gs_base, vcpu->exception.vector, vcpu->exception.error_code);
}
