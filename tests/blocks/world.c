/*
 * The world of the block tests: memory, tables, devices, the two runs and their comparison. See world.h.
 *
 * Both vCPUs share the memory and take turns. Everything that the engine under test derived from memory is dropped
 * before each program, so that a program alone repeats a failure. Thread: one. SDM Vol. 3 "Paging", "Segment
 * descriptors", "Task management".
 */
#include "tests/blocks/world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu-model/exec/exec.h"
#include "cpu-model/exec/trap.h"
#include "cpu-model/state/vector.h"
#include "softmmu/mmu.h"
#include "tests/blocks/selectors.h"
#include "tests/blocks/tables.h"
#include "tests/instructions/image.h"
#include "tests/instructions/random.h"
#include "translator/emit.h"
#include "translator/verify.h"

/* Where a byte of the programs' linear space lies. */
static uint32_t place(enum block_mode mode, uint32_t linear)
{
    unsigned bits;
    return mode_paging(mode) ? tables_page(linear >> 12, &bits) << 12 | (linear & 0xfff) : linear;
}

/* ---- devices ---- */

static void say_to(struct world *world, uint64_t what)
{
    world->talk.hash = (world->talk.hash ^ what) * 0x9e3779b97f4a7c15ull;
    world->talk.hash ^= world->talk.hash >> 29;
}

static uint64_t answer(struct world *world, uint64_t asked, unsigned size)
{
    say_to(world, asked << 4 | size);
    return world->talk.hash * ++world->talk.reads >> 7;
}

static uint64_t io_read(void *machine, uint16_t port, unsigned size)
{
    return answer(machine, port, size);
}

static void io_write(void *machine, uint16_t port, uint64_t value, unsigned size)
{
    struct world *world = machine;
    world->talk.writes++;
    say_to(world, value ^ (uint64_t)port << 40 ^ (uint64_t)size << 60);
}

static uint64_t mmio_read(void *machine, gpa_t at, unsigned size)
{
    return answer(machine, at.v, size);
}

static void mmio_write(void *machine, gpa_t at, uint64_t value, unsigned size)
{
    struct world *world = machine;
    unsigned offset = (unsigned)at.v & 0xfff;
    world->talk.writes++;
    say_to(world, value ^ at.v << 40 ^ (uint64_t)size << 60);
    if (offset < 0x100) {
        world->talk.interrupts++;
        vcpu_kick(world->running, EVENT_INTR);
    } else if (offset == 0x100 && size == 4) { /* a byte, and above it the offset in the code */
        uint8_t byte = (uint8_t)value;
        bool paging = world->running->cr0 & CR0_PG;
        uint32_t to = place(paging ? MODE_64_USER : MODE_REAL, CODE + (value >> 8) % (3 * 4096));
        space_write_bytes(&world->space, gpa(to), &byte, 1);
    }
}

static bool pending_interrupt(void *machine)
{
    const struct world *world = machine;
    return world->talk.acknowledged < world->talk.interrupts || world->late.pending;
}

/* The late interrupt is taken, and counts from now on. */
static void take_late(struct world *world)
{
    struct late *late = &world->late;
    if (!late->replaying) {
        vector_park(world->running); /* memcpy uses vector registers */
        moment_take(&late->moment, world);
        late->taken = true;
    }
    late->pending = 0;
    world->talk.interrupts++;
}

static int acknowledge_interrupt(void *machine)
{
    struct world *world = machine;
    if (world->talk.acknowledged >= world->talk.interrupts)
        take_late(world);
    say_to(world, world->running->rip);
    return 0x30 + (world->talk.acknowledged++ & 15);
}

/* From a signal handler. */
static void raise_late(void *context)
{
    struct world *world = context;
    world->late.pending = 1;
    vcpu_kick(world->running, EVENT_INTR);
}

static int apic_msr(void *machine, uint32_t msr, uint64_t *value)
{
    (void)machine, (void)msr, (void)value;
    return 1;
}

static int apic_msr_write(void *machine, uint32_t msr, uint64_t value)
{
    (void)machine, (void)msr, (void)value;
    return 1;
}

static uint8_t get_tpr(void *machine)
{
    (void)machine;
    return 0;
}

static void set_tpr(void *machine, uint8_t value)
{
    say_to(machine, value);
}

static void ferr(void *machine)
{
    say_to(machine, 13);
}

/* ---- life ---- */

static int make_vcpu(struct world *world, struct vcpu **vcpu, const struct engine_ops *engine,
                     const struct engine_config *config, struct error *err)
{
    *vcpu = shadow_vcpu_create(err);
    if (!*vcpu)
        return -ENOMEM;
    (*vcpu)->space = &world->space;
    (*vcpu)->wires = &world->wires;
    int r = cpu_model_parse("max", &(*vcpu)->features, err);
    if (r)
        return r;
    vector_reset(*vcpu);
    vcpu_reset(*vcpu, false);
    return engine->create(*vcpu, config, err);
}

int world_create(struct world *world, const struct engine_ops *engine, const struct engine_config *config,
                 struct error *err)
{
    *world = (struct world){.engine = engine};
    world->wires = (struct vcpu_wires){.machine = world,
                                       .io_read = io_read,
                                       .io_write = io_write,
                                       .mmio_read = mmio_read,
                                       .mmio_write = mmio_write,
                                       .pending_interrupt = pending_interrupt,
                                       .acknowledge_interrupt = acknowledge_interrupt,
                                       .apic_msr_read = apic_msr,
                                       .apic_msr_write = apic_msr_write,
                                       .get_tpr = get_tpr,
                                       .set_tpr = set_tpr,
                                       .ferr = ferr};
    int r = trap_install(err);
    if (!r)
        r = trap_thread_start(err);
    if (!r)
        r = space_init_at(&world->space, RAM_BYTES, config->chaos, err);
    if (!r)
        r = space_reserve(&world->space, RAM_BYTES, "ram", &world->ram, err);
    /* All but the device's page. */
    struct space_slot low = {.base = 0, .size = DEVICE, .host = world->ram, .name = "low"};
    struct space_slot high = {.base = DEVICE + 0x1000,
                              .size = RAM_BYTES - DEVICE - 0x1000,
                              .host = world->ram + DEVICE + 0x1000,
                              .name = "high"};
    if (!r)
        r = space_map(&world->space, &low, err);
    if (!r)
        r = space_map(&world->space, &high, err);
    if (!r)
        r = make_vcpu(world, &world->reference, &engine_interp, &(const struct engine_config){0}, err);
    if (!r)
        r = make_vcpu(world, &world->tested, engine, config, err);
    if (r)
        return r;
    world->fresh = malloc(RAM_BYTES);
    world->result[0].ram = malloc(RAM_BYTES);
    world->late_ram = malloc(RAM_BYTES);
    world->late.moment.ram = malloc(RAM_BYTES);
    if (!world->fresh || !world->result[0].ram || !world->late_ram || !world->late.moment.ram ||
        !late_timer_create(raise_late, world))
        return error_set(err, -ENOMEM, "no memory for the programs, or no timer");
    world->result[1].ram = world->ram;
    memcpy(world->fresh, data_pool, POOL_BYTES);
    for (unsigned at = 0; at < RAM_BYTES; at += 0x1000)
        memcpy(world->fresh + at, data_pool + at % POOL_BYTES, 0x1000);
    memset(world->fresh, 0, 0x10000);
    tables_make(world->fresh);
    return 0;
}

void world_destroy(struct world *world)
{
    engine_interp.destroy(world->reference);
    world->engine->destroy(world->tested);
    shadow_vcpu_destroy(world->reference);
    shadow_vcpu_destroy(world->tested);
    late_timer_destroy();
    free(world->late.moment.ram);
    free(world->fresh);
    free(world->late_ram);
    free(world->result[0].ram);
    space_destroy(&world->space);
    trap_thread_stop();
}

/* ---- the start of a program ---- */

static void set_segment(struct world *world, struct vcpu *vcpu, unsigned segment, uint16_t selector)
{
    uint64_t entry;
    memcpy(&entry, world->fresh + GDT + (selector & 0xfff8), 8);
    segment_from_descriptor(&vcpu->segment[segment], selector, entry);
}

static void set_segments(struct world *world, struct vcpu *vcpu, enum block_mode mode)
{
    static const uint16_t code[BLOCK_MODES] = {SEL_CODE64_0, SEL_CODE64_3, SEL_CODE32_3, SEL_CODE16_3,
                                               SEL_CODE32_0, SEL_CODE32_3, SEL_CODE16_0};
    bool user = mode_user(mode), small = mode == MODE_COMPAT16 || mode == MODE_16_KERNEL;
    if (mode == MODE_V86 || mode == MODE_REAL) {
        static const uint16_t value[SEG_COUNT] = {DATA >> 4, CODE >> 4,          DATA >> 4,
                                                  DATA >> 4, (DATA >> 4) + 0x7f, (DATA >> 4) + 0x100};
        for (unsigned i = 0; i < SEG_COUNT; i++)
            segment_set_real(vcpu, i, value[i]);
    } else {
        set_segment(world, vcpu, SEG_CS, code[mode]);
        set_segment(world, vcpu, SEG_SS, mode == MODE_COMPAT16 ? SEL_DATA16_3 : user ? SEL_DATA3 : SEL_DATA0);
        set_segment(world, vcpu, SEG_DS, small ? SEL_DATA16_3 : SEL_DATA3);
        set_segment(world, vcpu, SEG_ES, small ? SEL_DATA16_3 : SEL_DATA3);
        set_segment(world, vcpu, SEG_FS, SEL_LIMITED);
        set_segment(world, vcpu, SEG_GS, SEL_EXPAND_DOWN);
    }
    if (mode_code_size(mode) == 8) {
        vcpu->segment[SEG_FS].base = DATA + 0x7fc;
        vcpu->segment[SEG_GS].base = DATA + 0x1000;
    }
    vcpu_set_cpl(vcpu, user ? 3 : 0);
}

static void set_mode(struct world *world, struct vcpu *vcpu, enum block_mode mode)
{
    bool legacy = mode >= MODE_32_KERNEL;
    vcpu->cr0 = CR0_ET | CR0_NE | CR0_MP;
    if (mode != MODE_REAL)
        vcpu->cr0 |= CR0_PE | CR0_WP | CR0_PG;
    vcpu->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_DE | (legacy ? 0 : CR4_PAE | CR4_OSXSAVE | CR4_FSGSBASE);
    vcpu->efer = legacy ? 0 : EFER_LME | EFER_LMA | EFER_NXE;
    vcpu->cr3 = legacy ? PD32 : PML4;
    vcpu->xcr0 = 7;
    vcpu->gdtr = (struct table_register){.base = GDT, .limit = SEL_END - 1};
    if (mode == MODE_REAL)
        vcpu->idtr = (struct table_register){.base = IVT, .limit = 0x3ff};
    else
        vcpu->idtr = legacy ? (struct table_register){.base = IDT32, .limit = INT_END * 8 - 1}
                            : (struct table_register){.base = IDT64, .limit = INT_END * 16 - 1};
    set_segment(world, vcpu, SEG_TR, legacy ? SEL_TSS32 : SEL_TSS64);
    vcpu->segment[SEG_LDTR] = (struct segment){.attributes = SEG_UNUSABLE};
}

static void set_call_registers(struct vcpu *vcpu, const struct system_calls *calls)
{
    vcpu->features.vendor = calls->intel ? VENDOR_INTEL : VENDOR_AMD;
    vcpu->efer |= calls->efer_sce ? EFER_SCE : 0;
    vcpu->star = calls->star;
    vcpu->lstar = calls->lstar;
    vcpu->cstar = calls->cstar;
    vcpu->sfmask = calls->sfmask;
    vcpu->sysenter_cs = calls->sysenter_cs;
    vcpu->sysenter_esp = calls->sysenter_esp;
    vcpu->sysenter_eip = calls->sysenter_eip;
}

static void set_state(struct world *world, struct vcpu *vcpu, const struct start *start)
{
    uint64_t components = 7;
    vcpu_reset(vcpu, false);
    set_mode(world, vcpu, start->mode);
    set_call_registers(vcpu, &start->calls);
    vcpu_set_eflags(vcpu, start->eflags | (start->mode == MODE_V86 ? FLAG_VM : 0));
    set_segments(world, vcpu, start->mode);
    if (start->fpu_off)
        vcpu->cr0 |= CR0_TS;
    memcpy(vcpu->gpr, start->gpr, sizeof(vcpu->gpr));
    memcpy(vcpu->dr, start->dr, sizeof(start->dr));
    vcpu->dr[7] = start->dr7 | 0x400;
    vcpu->rip = start->entry - (mode_code_size(start->mode) == 2 ? CODE : 0);
    memcpy(vcpu->vector_area, start->vector, 28);
    memcpy(vcpu->vector_area + 32, start->vector + 32, sizeof(start->vector) - 32);
    memcpy(vcpu->vector_area + 512, &components, 8);
    vcpu->vector_live = false;
    vcpu->kernel_gs_base = DATA + 0x1800;
    vcpu->tsc_offset = 0;
    vcpu->exception = (struct exception){0};
    vcpu->halted = vcpu->interrupt_shadow = vcpu->debug_shadow = vcpu->nmi_blocked = false;
    vcpu->watch_hit = 0;
    vcpu->events = start->interrupts ? EVENT_INTR : 0;
    vcpu->run = 1;
    mmu_flush_all(vcpu, true);
}

static void set_world(struct world *world, struct vcpu *vcpu, const struct start *start)
{
    memcpy(world->ram, world->fresh, RAM_BYTES);
    for (unsigned at = 0; at < sizeof(start->code); at += 0x1000)
        memcpy(world->ram + place(start->mode, CODE + at), start->code + at, 0x1000);
    world->talk = (struct talk){.interrupts = start->interrupts};
    world->running = vcpu;
    world->space.code_written = NULL;
    world->space.cleaned = NULL;
    set_state(world, vcpu, start);
}

/* ---- the runs ---- */

static uint64_t code_at(const struct vcpu *vcpu)
{
    return vcpu_code64(vcpu) ? vcpu->rip : (uint32_t)(vcpu->segment[SEG_CS].base + vcpu->rip);
}

/* Where programs and handlers are. Elsewhere is data, which may mean anything. */
static bool in_code(const struct vcpu *vcpu)
{
    uint64_t at = code_at(vcpu);
    return (at >= CODE && at < CODE_ALIAS + 0x3000) || (at >= PADS && at < PADS + 0x1000) ||
           (at >= HANDLERS32 && at < HANDLERS16 + 0x1000);
}

static bool is_prefix(const struct vcpu *vcpu, uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64 ... 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3:
        return true;
    default:
        return vcpu_code64(vcpu) && (byte & 0xf0) == 0x40;
    }
}

/* The first three bytes of the instruction at CS:RIP behind its prefixes, the first lowest. Without libc, which uses
 * vector registers: the guest's are live. */
static uint32_t opcode_at(const struct world *world, const struct vcpu *vcpu, enum block_mode mode)
{
    uint32_t at = (uint32_t)code_at(vcpu), opcode = 0;
    for (unsigned i = 0; i < 5 && is_prefix(vcpu, world->ram[place(mode, at)]); i++)
        at++;
    for (unsigned i = 0; i < 3; i++)
        opcode |= (uint32_t)world->ram[place(mode, at + i)] << 8 * i;
    return opcode;
}

/* Other registers are clocks, or the same in one model only. */
static bool known_msr(uint32_t index)
{
    return (index >= 0x174 && index <= 0x176) || (index >= 0xc0000080 && index <= 0xc0000084);
}

/* Code that was changed may read the clock, or store what only the host knows: RDTSC, RDTSCP, RDMSR, RDRAND, and the
 * x87's pointers by FNSTENV, FNSAVE, FXSAVE, XSAVE. */
static bool repeatable(const struct vcpu *vcpu, uint32_t opcode)
{
    if (code_at(vcpu) < CODE || code_at(vcpu) >= PADS)
        return true;
    uint8_t first = (uint8_t)opcode, second = (uint8_t)(opcode >> 8), third = (uint8_t)(opcode >> 16);
    if (first == 0x0f && second == 0x32)
        return known_msr((uint32_t)vcpu->gpr[REG_RCX]);
    if (first == 0x0f)
        return second != 0x31 && second != 0xae && !(second == 0x01 && third == 0xf9) &&
               !(second == 0xc7 && third >= 0xf0);
    return !((first == 0xd9 || first == 0xdd) && (second >> 3 & 7) == 6);
}

/* Flags of page table entries that may change, in each 8 bytes. */
#define LONG_FLAGS   ((uint64_t)(PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D))
#define LEGACY_FLAGS (LONG_FLAGS << 32 | LONG_FLAGS)

/* Do the entries in [at, end) map what they did? */
static bool entries_kept(const struct world *world, unsigned at, unsigned end, uint64_t flags)
{
    uint64_t changed = 0;
    for (; at < end; at += 8)
        changed |= *(const uint64_t *)(world->ram + at) ^ *(const uint64_t *)(world->fresh + at);
    return !(changed & ~flags);
}

/*
 * A program that writes to its page tables (the #PF handler gives it any page) sees what the CPU happens to have
 * cached: not worth comparing, even if it undoes that. These are the entries that map something.
 */
static bool mapping_in_use_kept(const struct world *world, enum block_mode mode)
{
    enum { PAGES = RAM_BYTES >> 12 };
    if (mode == MODE_REAL)
        return true;
    if (mode >= MODE_32_KERNEL)
        return entries_kept(world, PT32, PT32 + PAGES * 4, LEGACY_FLAGS) &&
               entries_kept(world, PD32, PD32 + 8, LEGACY_FLAGS);
    return entries_kept(world, PT64, PT64 + PAGES * 8, LONG_FLAGS) && entries_kept(world, PD64, PD64 + 8, LONG_FLAGS) &&
           entries_kept(world, PDPT, PDPT + 8, LONG_FLAGS) && entries_kept(world, PML4, PML4 + 8, LONG_FLAGS);
}

/* Nor did it make entries anew. */
static bool mapping_kept(const struct world *world)
{
    return entries_kept(world, PML4, PD32, LONG_FLAGS) && entries_kept(world, PD32, PT32 + 0x1000, LEGACY_FLAGS);
}

/* One step that is worth comparing, and what came of it. */
static bool step(struct world *world, struct vcpu *vcpu, enum block_mode mode)
{
    if (!in_code(vcpu) || !mapping_in_use_kept(world, mode))
        return false;
    uint16_t task = vcpu->segment[SEG_TR].selector;
    uint32_t opcode = opcode_at(world, vcpu, mode);
    if (!repeatable(vcpu, opcode) || !interp_step(vcpu))
        return false;
    uint16_t two = (uint16_t)opcode;
    bool call = two == 0x050f || two == 0x070f || two == 0x340f || two == 0x350f;
    world->system_calls += call && code_at(vcpu) >= CODE; /* else it was an exception */
    world->task_switches += vcpu->segment[SEG_TR].selector != task;
    return true;
}

static void give_late(struct world *world, struct vcpu *vcpu)
{
    struct late *late = &world->late;
    vector_park(vcpu); /* memcmp uses vector registers */
    if (!late->given && moment_is(&late->moment, world)) {
        late->given = true;
        late->pending = 1;
        vcpu_kick(vcpu, EVENT_INTR);
    }
}

bool world_run_reference(struct world *world, const struct start *start, uint64_t budget)
{
    struct vcpu *vcpu = world->reference;
    struct interp *interp = vcpu->engine;
    struct trap_region region = {.start = interp->cache.code_rx,
                                 .end = interp->cache.code_rx + ((size_t)THUNK_MAX << INSN_CACHE_BITS),
                                 .handle = native_trap,
                                 .context = vcpu};
    enum run_exit exit = RUN_CONTINUE;

    set_world(world, vcpu, start);
    trap_region_set(0, &region);
    world->system_calls = world->task_switches = 0;
    for (world->steps = 0; world->steps < budget && exit == RUN_CONTINUE; world->steps++) {
        if (world->late.replaying)
            give_late(world, vcpu);
        if (!vcpu->run || vcpu->halted || events_due(vcpu))
            exit = events_handle(vcpu);
        if (exit != RUN_CONTINUE || vcpu->halted)
            continue;
        /* The string instruction that was interrupted stops wherever it may; not the others, which may write over
         * themselves. */
        if (world->late.replaying && !world->late.given && vcpu->rip == world->late.moment.rip)
            vcpu->run = 0;
        if (!step(world, vcpu, start->mode))
            exit = RUN_SHUTDOWN;
    }
    vector_park(vcpu);
    world->result[0].talk = world->talk;
    memcpy(world->result[0].ram, world->ram, RAM_BYTES);
    return exit == RUN_HALTED && in_code(vcpu) && (!mode_paging(start->mode) || mapping_kept(world));
}

void world_run_tested(struct world *world, const struct start *start)
{
    struct vcpu *vcpu = world->tested;
    struct bt *bt = vcpu->engine;
    set_world(world, vcpu, start);
    if (world->engine != &engine_interp) {
        tcache_flush(&bt->cache, vcpu);
        bt->modes = (struct mode_table){0};
        bt->chaos = start->chaos;
    }
    enum run_exit exit = world->engine->run(vcpu);
    world->result[1].end = exit == RUN_HALTED    ? NULL
                           : exit == RUN_STOPPED ? "it does not end"
                           : exit == RUN_FAILED  ? world->engine->failure(vcpu)
                                                 : "the CPU shut down";
    world->result[1].talk = world->talk;
    if (exit == RUN_FAILED)
        verify_reset(bt->verify);
}

bool world_run_late(struct world *world, const struct start *start, uint64_t budget, long nanoseconds)
{
    struct late *late = &world->late;
    late->taken = late->given = false;
    late_timer_start(nanoseconds);
    world_run_tested(world, start);
    late_timer_stop();
    late->pending = 0;
    if (!late->taken)
        return false;
    memcpy(world->late_ram, world->ram, RAM_BYTES);
    late->replaying = true;
    bool worth = world_run_reference(world, start, budget);
    late->replaying = false;
    memcpy(world->ram, world->late_ram, RAM_BYTES);
    if (!late->given)
        world->result[1].end = "an interrupt was taken where no instruction ends";
    return worth || !late->given;
}

/* ---- the comparison ---- */

struct report {
    char *text;
    size_t room, used;
    unsigned differences;
};

static void differ(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void differ(struct report *r, const char *format, ...)
{
    va_list arguments;
    if (r->differences++ > 24 || r->used >= r->room)
        return;
    va_start(arguments, format);
    int n = vsnprintf(r->text + r->used, r->room - r->used, format, arguments);
    va_end(arguments);
    r->used += (size_t)n;
}

static void compare(struct report *r, const char *name, uint64_t reference, uint64_t tested)
{
    if (reference != tested)
        differ(r, "  %-10s interpreted %llx, tested %llx\n", name, (unsigned long long)reference,
               (unsigned long long)tested);
}

static void compare_segment(struct report *r, const char *name, const struct segment *a, const struct segment *b)
{
    if (a->selector != b->selector || a->base != b->base || a->limit != b->limit || a->attributes != b->attributes)
        differ(
            r,
            "  %-10s interpreted %x, base %llx limit %x attributes %x, tested %x, base %llx limit %x attributes %x\n",
            name, a->selector, (unsigned long long)a->base, a->limit, a->attributes, b->selector,
            (unsigned long long)b->base, b->limit, b->attributes);
}

static void compare_registers(struct report *r, const struct vcpu *a, const struct vcpu *b)
{
    static const char *const names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    static const char *const segments[SEG_ALL] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    for (unsigned i = 0; i < 16; i++)
        compare(r, names[i], a->gpr[i], b->gpr[i]);
    compare(r, "rip", a->rip, b->rip);
    compare(r, "flags", vcpu_eflags(a), vcpu_eflags(b));
    for (unsigned i = 0; i < SEG_ALL; i++)
        compare_segment(r, segments[i], &a->segment[i], &b->segment[i]);
    compare(r, "cr0", a->cr0, b->cr0);
    compare(r, "cr2", a->cr2, b->cr2);
    compare(r, "cr3", a->cr3, b->cr3);
    compare(r, "efer", a->efer, b->efer);
    compare(r, "star", a->star, b->star);
    compare(r, "lstar", a->lstar, b->lstar);
    compare(r, "cstar", a->cstar, b->cstar);
    compare(r, "sfmask", a->sfmask, b->sfmask);
    compare(r, "sysenter cs", a->sysenter_cs, b->sysenter_cs);
    compare(r, "sysenter sp", a->sysenter_esp, b->sysenter_esp);
    compare(r, "sysenter ip", a->sysenter_eip, b->sysenter_eip);
    compare(r, "dr6", a->dr[6], b->dr[6]);
    compare(r, "dr7", a->dr[7], b->dr[7]);
    compare(r, "gs base", a->kernel_gs_base, b->kernel_gs_base);
    compare(r, "cpl", a->cpl, b->cpl);
    compare(r, "shadows", a->interrupt_shadow | a->debug_shadow << 1, b->interrupt_shadow | b->debug_shadow << 1);
}

/* Of the exception that ended the program. */
static unsigned last_vector(const struct world *world)
{
    uint32_t at, vector;
    memcpy(&at, world->ram + LOG_AT, 4);
    memcpy(&vector, world->ram + LOG + ((at - 32) & 0xfe0) + 8, 4);
    return vector;
}

/* All but the x87's pointers and last opcode. An MMX instruction whose access faults may have set TOP to 0, or not. */
static void compare_vector(struct report *r, struct world *world)
{
    uint8_t area[2][832];
    memcpy(area[0], world->reference->vector_area, sizeof(area[0]));
    memcpy(area[1], world->tested->vector_area, sizeof(area[1]));
    unsigned vector = last_vector(world);
    bool faulted = vector == EXC_PF || vector == EXC_GP || vector == EXC_SS;
    if (faulted && (area[0][3] ^ area[1][3]) & 0x38 && (!(area[0][3] & 0x38) || !(area[1][3] & 0x38))) {
        vector_zero_top(area[0]);
        vector_zero_top(area[1]);
    }
    for (unsigned i = 0; i < sizeof(area[0]); i++)
        if ((i < 6 || (i >= 24 && i < 416) || i >= 576) && area[0][i] != area[1][i])
            differ(r, "  XSAVE area, byte %u: interpreted %x, tested %x\n", i, area[0][i], area[1][i]);
}

/* Accessed bits of pages may be set ahead of what the program does. A CALL to an address that is not canonical has
 * pushed its return address, which lies below RSP then (translator/ARCHITECTURE.md). */
static uint8_t compared_bits(const struct world *world, unsigned at)
{
    bool entry = at >= PT64 && at < PT64 + 0x300 ? at % 8 == 0 : at >= PT32 && at < PT32 + 0x180 && at % 4 == 0;
    bool pushed = vcpu_code64(world->reference) && last_vector(world) == EXC_GP;
    if (entry)
        return (uint8_t) ~(PTE_A | (pushed ? PTE_D : 0));
    return pushed && at >= 0x58000 && at < 0x5d000 ? 0 : 0xff;
}

bool world_same(struct world *world, char *text, size_t room)
{
    struct report r = {.text = text, .room = room};
    const struct result *a = &world->result[0], *b = &world->result[1];
    text[0] = 0;
    if (b->end)
        differ(&r, "  %s\n", b->end);
    compare_registers(&r, world->reference, world->tested);
    compare_vector(&r, world);
    if (memcmp(a->ram, b->ram, RAM_BYTES))
        for (unsigned i = 0; i < RAM_BYTES; i++)
            if ((a->ram[i] ^ b->ram[i]) & compared_bits(world, i))
                differ(&r, "  RAM %05x   interpreted %02x, tested %02x\n", i, a->ram[i], b->ram[i]);
    compare(&r, "talk", a->talk.hash, b->talk.hash);
    compare(&r, "reads", a->talk.reads, b->talk.reads);
    compare(&r, "writes", a->talk.writes, b->talk.writes);
    compare(&r, "interrupts", a->talk.acknowledged, b->talk.acknowledged);
    return !r.differences;
}
