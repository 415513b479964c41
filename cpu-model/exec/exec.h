/*
 * What engines call to run system behaviour: exception and interrupt delivery, segment loading, reset, and the mode
 * facts that decoded code depends on.
 */
#ifndef RING3_EXEC_EXEC_H
#define RING3_EXEC_EXEC_H

#include "cpu-model/exec/insn.h"

enum interrupt_kind {
    INTERRUPT_EXTERNAL, /* INTR */
    INTERRUPT_NMI,
    INTERRUPT_EXCEPTION, /* vcpu->exception: fault, trap or abort of the current instruction */
    INTERRUPT_SOFTWARE,  /* INT n, INT3, INTO: DPL of the gate is checked, RIP pushed is rip_next */
    INTERRUPT_ICEBP,     /* INT1: as an exception #DB, without the DPL check */
};

/*
 * Delivers through the IDT or IVT. rip_next: what the handler returns to (for faults the instruction itself). Double
 * faults as the SDM's table of classes says; EXEC_SHUTDOWN on a triple fault; otherwise EXEC_JUMP (RIP is at the
 * handler). CR2/DR6 are written here, RF set in the pushed image for faults. Sources: SDM Vol. 3 "Interrupt and
 * exception handling".
 */
enum exec_result interrupt_deliver(struct vcpu *vcpu, enum interrupt_kind kind, uint8_t vector, uint64_t rip_next);

/* Delivers vcpu->exception, raised by the instruction at vcpu->rip. */
enum exec_result exception_deliver(struct vcpu *vcpu);

/* INT n and friends from an exec function: IOPL and VME rules of virtual-8086 mode included. */
enum exec_result interrupt_software(struct vcpu *vcpu, const struct insn *insn, uint8_t vector);

/* Loads ES, DS, FS, GS or SS with all checks (MOV, POP, LDS...). Real and V86 mode: base = selector * 16. */
bool segment_load(struct vcpu *vcpu, unsigned segment, uint16_t selector);
/* As SDM pseudo code needs it elsewhere: sets the descriptor cache of a real-mode or V86 segment. */
void segment_set_real(struct vcpu *vcpu, unsigned segment, uint16_t selector);
/* Fills a descriptor cache from an 8-byte descriptor. */
void segment_from_descriptor(struct segment *segment, uint16_t selector, uint64_t descriptor);

/* Sets CPL and what follows from it. CPL changes only through here. */
void vcpu_set_cpl(struct vcpu *vcpu, unsigned cpl);

/* Power-up or INIT state (SDM Vol. 3 "Processor state after reset"). */
void vcpu_reset(struct vcpu *vcpu, bool init);

/* A line per register group, for -d cpu_reset, triple-fault reports and the monitor. */
void vcpu_dump(const struct vcpu *vcpu, char *text, size_t size);

/* Guest TSC now. */
uint64_t vcpu_tsc(const struct vcpu *vcpu);

/* CPU models: fills features for `-cpu` text such as "max,-avx2" within what the host can do. 0, or -EINVAL with a
 * message. */
struct error;
int cpu_model_parse(const char *text, struct cpu_features *features, struct error *err);
/* The clock that CPUID tells of, leaves 15h and 4000_0010h: what the local APIC's timer divides. */
enum { APIC_TIMER_HZ = 1000000000 };
/* The CPUID instruction's answer. */
void cpuid_leaf(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* Names of all models, null-terminated, for -cpu help. */
extern const char *const cpu_model_names[];

#endif
