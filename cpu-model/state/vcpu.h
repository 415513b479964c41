/*
 * The state of one virtual CPU: everything the SDM calls architectural, and the few words by which the outside asks it
 * to stop or take an interrupt.
 *
 * Translated code addresses this struct relative to GS, so it holds no host pointers that differ between its mappings,
 * and its first page holds what translated code touches. Layer `state`: no behaviour here beyond accessors.
 *
 * Threads: only the vCPU's own thread touches it, except `events` and `run`, which anyone may change with vcpu_kick().
 */
#ifndef RING3_STATE_VCPU_H
#define RING3_STATE_VCPU_H

#include "cpu-model/base/types.h"
#include "cpu-model/state/features.h"

enum gpr {
    REG_RAX,
    REG_RCX,
    REG_RDX,
    REG_RBX,
    REG_RSP,
    REG_RBP,
    REG_RSI,
    REG_RDI,
    REG_R8,
    REG_R15 = 15,
    REG_NONE = 0xff
};

enum segment_index { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_COUNT, SEG_LDTR = SEG_COUNT, SEG_TR, SEG_ALL };

/* Segment attributes, laid out as bits 40..55 of a descriptor (access byte low), plus our own "unusable" bit. */
enum {
    SEG_TYPE = 0xf,
    SEG_TYPE_ACCESSED = 1, /* code and data */
    SEG_TYPE_WRITABLE = 2, /* data */
    SEG_TYPE_READABLE = 2, /* code */
    SEG_TYPE_EXPAND_DOWN = 4,
    SEG_TYPE_CONFORMING = 4,
    SEG_TYPE_CODE = 8,
    SEG_S = 0x10, /* 1: code or data, 0: system */
    SEG_DPL_SHIFT = 5,
    SEG_DPL = 3 << 5,
    SEG_P = 0x80,
    SEG_AVL = 0x1000,
    SEG_L = 0x2000,
    SEG_DB = 0x4000,
    SEG_G = 0x8000,
    SEG_UNUSABLE = 0x10000, /* null selector loaded */
};

/* A segment register with its descriptor cache. */
struct segment {
    uint64_t base;
    uint32_t limit; /* in bytes, granularity applied: the last valid offset (or, expand-down, the last invalid one) */
    uint32_t attributes;
    uint16_t selector;
};

struct table_register {
    uint64_t base;
    uint16_t limit;
};

/* EFLAGS */
enum {
    FLAG_CF = 1 << 0,
    FLAG_FIXED = 1 << 1,
    FLAG_PF = 1 << 2,
    FLAG_AF = 1 << 4,
    FLAG_ZF = 1 << 6,
    FLAG_SF = 1 << 7,
    FLAG_TF = 1 << 8,
    FLAG_IF = 1 << 9,
    FLAG_DF = 1 << 10,
    FLAG_OF = 1 << 11,
    FLAG_IOPL = 3 << 12,
    FLAG_IOPL_SHIFT = 12,
    FLAG_NT = 1 << 14,
    FLAG_RF = 1 << 16,
    FLAG_VM = 1 << 17,
    FLAG_AC = 1 << 18,
    FLAG_VIF = 1 << 19,
    FLAG_VIP = 1 << 20,
    FLAG_ID = 1 << 21,
    FLAGS_ARITHMETIC = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
    FLAGS_DEFINED = 0x3f7fd5,
};

enum {
    CR0_PE = 1 << 0,
    CR0_MP = 1 << 1,
    CR0_EM = 1 << 2,
    CR0_TS = 1 << 3,
    CR0_ET = 1 << 4,
    CR0_NE = 1 << 5,
    CR0_WP = 1 << 16,
    CR0_AM = 1 << 18,
    CR0_NW = 1 << 29,
    CR0_CD = 1 << 30,
};
#define CR0_PG (1u << 31)

enum {
    CR4_VME = 1 << 0,
    CR4_PVI = 1 << 1,
    CR4_TSD = 1 << 2,
    CR4_DE = 1 << 3,
    CR4_PSE = 1 << 4,
    CR4_PAE = 1 << 5,
    CR4_MCE = 1 << 6,
    CR4_PGE = 1 << 7,
    CR4_PCE = 1 << 8,
    CR4_OSFXSR = 1 << 9,
    CR4_OSXMMEXCPT = 1 << 10,
    CR4_UMIP = 1 << 11,
    CR4_FSGSBASE = 1 << 16,
    CR4_PCIDE = 1 << 17,
    CR4_OSXSAVE = 1 << 18,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21,
};

enum { EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11 };

/* Exception vectors. */
enum {
    EXC_DE = 0,
    EXC_DB = 1,
    EXC_NMI = 2,
    EXC_BP = 3,
    EXC_OF = 4,
    EXC_BR = 5,
    EXC_UD = 6,
    EXC_NM = 7,
    EXC_DF = 8,
    EXC_TS = 10,
    EXC_NP = 11,
    EXC_SS = 12,
    EXC_GP = 13,
    EXC_PF = 14,
    EXC_MF = 16,
    EXC_AC = 17,
    EXC_MC = 18,
    EXC_XM = 19,
};

/* Page-fault error code bits. */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_I = 16 };

/* DR6: access to a debug register under DR7.GD, single step, task switch. */
enum { DR6_BD = 1 << 13, DR6_BS = 1 << 14, DR6_BT = 1 << 15 };

/* An exception that an instruction raised and that has not been delivered yet. */
struct exception {
    uint8_t vector;
    bool has_error_code;
    uint32_t error_code;
    uint64_t cr2; /* EXC_PF: the linear address */
    uint64_t dr6; /* EXC_DB: bits to merge into DR6 */
};

/* Why the vCPU should leave guest code soon; bits of vcpu->events. */
enum {
    EVENT_INTR = 1 << 0, /* the interrupt controllers may have something: ask vcpu->wires->pending_interrupt */
    EVENT_NMI = 1 << 1,
    EVENT_INIT = 1 << 2,
    EVENT_SIPI = 1 << 3,  /* vector in vcpu->sipi_vector */
    EVENT_STOP = 1 << 4,  /* leave vcpu_run(): the machine wants the thread */
    EVENT_RESET = 1 << 5, /* leave vcpu_run(): the machine resets */
    EVENT_FLUSH = 1 << 6, /* A20 or memory map changed: drop derived state */
};

/* XSAVE area in the standard (non-compacted) form: legacy region, header, AVX. */
enum { VECTOR_AREA_SIZE = 1024 };

struct vcpu;
struct space;
struct shadow;

/* What a vCPU needs from the machine around it. All are called on the vCPU's thread; they take the machine lock
 * themselves. */
struct vcpu_wires {
    void *machine;
    uint64_t (*io_read)(void *machine, uint16_t port, unsigned size);
    void (*io_write)(void *machine, uint16_t port, uint64_t value, unsigned size);
    /* A guest-physical access that no RAM answers; 1, 2, 4 or 8 bytes, never across a page end. */
    uint64_t (*mmio_read)(void *machine, gpa_t gpa, unsigned size);
    void (*mmio_write)(void *machine, gpa_t gpa, uint64_t value, unsigned size);
    /* True while an unmasked external interrupt waits (local APIC above TPR, or the 8259's INTR through it). */
    bool (*pending_interrupt)(void *machine);
    int (*acknowledge_interrupt)(void *machine); /* its vector, or -1 if it went away */
    /* x2APIC and APIC base MSRs. Nonzero: #GP. */
    int (*apic_msr_read)(void *machine, uint32_t msr, uint64_t *value);
    int (*apic_msr_write)(void *machine, uint32_t msr, uint64_t value);
    uint8_t (*get_tpr)(void *machine); /* CR8 */
    void (*set_tpr)(void *machine, uint8_t cr8);
    /* FERR#: an unmasked x87 exception while CR0.NE = 0 (IRQ 13 on a PC). */
    void (*ferr)(void *machine);
};

struct vcpu {
    /* --- touched by translated code; offsets are encoded into host code --- */
    uint64_t gpr[16];
    uint64_t rip;       /* at instruction boundaries seen by C: the current instruction's offset in CS */
    uint64_t flags;     /* the six arithmetic flags only (FLAGS_ARITHMETIC) */
    uint32_t run;       /* 1; 0 asks translated code to leave at its next poll */
    uint32_t eflags;    /* every other EFLAGS bit, bit 1 included */
    uint64_t native_sp; /* exec/native.c: stack pointer to unwind to when a native instruction traps */
    uint64_t host_sp;   /* C stack pointer while translated code runs */
    uint64_t return_sp; /* its own return stack's pointer while C runs */
    uint64_t resume_pc; /* where translated code goes on */
    uint64_t slow_function, exit_function, jump_function; /* C entry points of the translator's runtime */
    struct vcpu *self;                                    /* the C mapping */
    uint32_t events;                                      /* EVENT_*: requests from outside, any thread; atomic */
    uint64_t temp[2];                                     /* translated code, within one guest instruction */
    uint32_t polls;             /* under -accel verify: how many more polls translated code may pass */
    uint32_t last_branch;       /* site of the indirect branch that translated code could not resolve itself */
    uint64_t resume_scratch[2]; /* host RCX and R15 where translated code goes on */
    uint64_t shift[2];          /* translated code, within a few instructions: see translator/asm_bits.h */
    uint64_t flags_rax;
    struct segment segment[SEG_ALL];

    /* --- system state --- */
    uint64_t cr0, cr2, cr3, cr4;
    uint64_t dr[8];    /* 4 and 5 unused */
    uint64_t pdpte[4]; /* PAE paging: loaded with CR3 */
    struct table_register gdtr, idtr;
    uint64_t efer, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, tsc_aux, misc_enable;
    uint64_t mtrr_def_type, mtrr_fixed[11], mtrr_base[8], mtrr_mask[8];
    uint64_t mcg_status, mcg_ctl, mc_bank[4 * 4];
    uint64_t microcode_rev;
    uint64_t xcr0;
    uint64_t tsc_offset; /* guest TSC = host TSC + tsc_offset */
    uint64_t tsc_adjust; /* IA32_TSC_ADJUST: sum of what WRMSR to the TSC added */
    uint64_t amd_nb_cfg, amd_hwcr;
    uint8_t cpl;
    bool interrupt_shadow; /* STI or MOV SS/POP SS just executed: no external interrupt before the next instruction ends
                            */
    bool debug_shadow;     /* MOV SS/POP SS just executed: #DB is held back as well */
    bool nmi_blocked;      /* until IRET */
    bool halted;
    bool waiting_for_sipi;
    bool a20_masked; /* address line 20 forced to 0 */
    bool ignne;      /* IGNNE#: a pending x87 exception is ignored while CR0.NE = 0 (exec/native.c) */
    uint8_t sipi_vector;
    uint8_t watch_hit;          /* data breakpoints (DR6 bits) that the current instruction's accesses hit */
    struct exception exception; /* valid only right after a function said that it faulted */
    uint64_t deliveries;        /* exceptions and interrupts that went to a handler, or were about to */

    /* --- guest x87/SSE/AVX state --- */
    bool vector_live;     /* true: it is in the host's registers; false: in vector_area (see exec/vector.h) */
    uint64_t vector_mask; /* XSAVE components saved and restored: what host and guest CPU model share */
    uint8_t vector_area[VECTOR_AREA_SIZE] __attribute__((aligned(64)));

    /* --- configuration --- */
    struct cpu_features features;
    const struct vcpu_wires *wires;
    struct space *space;
    struct shadow *shadow; /* shadow page tables; null: the engine keeps none */
    int memory_fd;         /* the memory this struct lives in, for views to map */
    void *engine;          /* the engine's own state */
    uint64_t tsc_hz;
    uint64_t instructions; /* retired, where the engine counts them (interp) */
};

static inline uint32_t vcpu_eflags(const struct vcpu *vcpu)
{
    return vcpu->eflags | (uint32_t)vcpu->flags;
}

/* Sets all of EFLAGS; the caller has masked what the instruction may not change. */
static inline void vcpu_set_eflags(struct vcpu *vcpu, uint32_t value)
{
    vcpu->flags = value & FLAGS_ARITHMETIC;
    vcpu->eflags = (value & FLAGS_DEFINED & ~FLAGS_ARITHMETIC) | FLAG_FIXED;
}

static inline bool vcpu_protected(const struct vcpu *vcpu)
{
    return vcpu->cr0 & CR0_PE;
}

static inline bool vcpu_v86(const struct vcpu *vcpu)
{
    return vcpu->eflags & FLAG_VM;
}

static inline bool vcpu_long_mode(const struct vcpu *vcpu) /* 64-bit or compatibility */
{
    return vcpu->efer & EFER_LMA;
}

static inline bool vcpu_code64(const struct vcpu *vcpu)
{
    return vcpu_long_mode(vcpu) && (vcpu->segment[SEG_CS].attributes & SEG_L);
}

static inline unsigned vcpu_iopl(const struct vcpu *vcpu)
{
    return (vcpu->eflags & FLAG_IOPL) >> FLAG_IOPL_SHIFT;
}

/* Default operand and address size of code, in bytes: 2, 4 or 8. */
static inline unsigned vcpu_code_size(const struct vcpu *vcpu)
{
    if (vcpu_code64(vcpu))
        return 8;
    return vcpu->segment[SEG_CS].attributes & SEG_DB ? 4 : 2;
}

/* Width of the stack pointer in use, in bytes. */
static inline unsigned vcpu_stack_size(const struct vcpu *vcpu)
{
    if (vcpu_code64(vcpu))
        return 8;
    return vcpu->segment[SEG_SS].attributes & SEG_DB ? 4 : 2;
}

/* Raises an exception: fills vcpu->exception and returns false, so that `return vcpu_fault(...)` reads well. */
static inline bool vcpu_fault(struct vcpu *vcpu, uint8_t vector)
{
    vcpu->exception = (struct exception){.vector = vector};
    return false;
}

static inline bool vcpu_fault_code(struct vcpu *vcpu, uint8_t vector, uint32_t error_code)
{
    vcpu->exception = (struct exception){.vector = vector, .has_error_code = true, .error_code = error_code};
    return false;
}

/* Asks the vCPU, from any thread, to look at its events soon. The caller wakes it if it sleeps. */
static inline void vcpu_kick(struct vcpu *vcpu, uint32_t events)
{
    __atomic_or_fetch(&vcpu->events, events, __ATOMIC_SEQ_CST);
    __atomic_store_n(&vcpu->run, 0, __ATOMIC_SEQ_CST);
}

#endif
