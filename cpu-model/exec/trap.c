/*
 * Host exceptions taken by generated code: one process-wide handler that asks the regions of the faulting thread.
 *
 * Invariant: an exception outside every region is a defect of ours and goes to whoever handled the signal before (the
 * terminal is restored there), by default to the end of the process.
 * @signal-safe throughout.
 */
#include "cpu-model/exec/trap.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { TRAP_REGIONS = 4, TRAP_STACK = 64 * 1024 };

static __thread struct trap_region regions[TRAP_REGIONS];
static __thread void *trap_stack;
static struct sigaction previous[NSIG];

static void on_signal(int signal_number, siginfo_t *info, void *ucontext)
{
    greg_t *regs = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
    const uint8_t *pc = (const uint8_t *)(uintptr_t)regs[REG_RIP];
    for (unsigned i = 0; i < TRAP_REGIONS; i++)
        if (pc >= regions[i].start && pc < regions[i].end &&
            regions[i].handle(regions[i].context, (int)regs[REG_TRAPNO], ucontext))
            return;
    sigaction(signal_number, &previous[signal_number], NULL); /* the instruction faults again */
    if (info->si_code <= 0)                                   /* unless it was sent by kill() */
        raise(signal_number);
}

int trap_install(struct error *err)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
        struct sigaction old;
        if (sigaction(signals[i], &action, &old))
            return error_set(err, -errno, "cannot install a signal handler: %s", strerror(errno));
        if (old.sa_sigaction != on_signal) /* a second machine in this process */
            previous[signals[i]] = old;
    }
    return 0;
}

int trap_thread_start(struct error *err)
{
    trap_stack = mmap(NULL, TRAP_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (trap_stack == MAP_FAILED)
        return error_set(err, -errno, "no memory for a signal stack");
    stack_t stack = {.ss_sp = trap_stack, .ss_size = TRAP_STACK};
    if (sigaltstack(&stack, NULL))
        return error_set(err, -errno, "cannot set a signal stack: %s", strerror(errno));
    memset(regions, 0, sizeof(regions));
    return 0;
}

void trap_thread_stop(void)
{
    stack_t stack = {.ss_flags = SS_DISABLE};
    sigaltstack(&stack, NULL);
    munmap(trap_stack, TRAP_STACK);
    memset(regions, 0, sizeof(regions));
}

void trap_region_set(unsigned slot, const struct trap_region *region)
{
    regions[slot] = *region;
}

static const uint8_t register_index[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                           REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static greg_t *context_registers(void *ucontext)
{
    return ((ucontext_t *)ucontext)->uc_mcontext.gregs;
}

uint64_t trap_pc(void *ucontext)
{
    return (uint64_t)context_registers(ucontext)[REG_RIP];
}

void trap_set_pc(void *ucontext, const void *pc)
{
    context_registers(ucontext)[REG_RIP] = (greg_t)(uintptr_t)pc;
}

uint64_t trap_register(void *ucontext, unsigned reg)
{
    return (uint64_t)context_registers(ucontext)[register_index[reg]];
}

void trap_set_register(void *ucontext, unsigned reg, uint64_t value)
{
    context_registers(ucontext)[register_index[reg]] = (greg_t)value;
}
