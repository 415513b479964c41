/*
 * Runs experiments on the host's silicon. See oracle.h.
 *
 * In the child everything happens inside one signal handler: each experiment ends with a host exception, whose signal
 * frame is the result; the handler writes the next experiment into that frame and returns, so that the kernel loads all
 * registers, the vector state and the code segment (64-, 32- or 16-bit) at once. The child has the experiment's FS and
 * GS and no TLS, so it makes no libc call after start-up.
 */
#include "tests/instructions/oracle.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { DEADLINE_MS = 3000, ALT_STACK = 64 * 1024, HANDLER_FLAGS = 0x202 };
enum { AREA_SW_RESERVED = 464, AREA_XMM_END = 416, AREA_HEADER = 512, AREA_AVX = 576 };

struct shared {
    struct batch batch[BATCHES];
    volatile unsigned current; /* slot that the child is at */
};

struct oracle {
    struct shared *shared;
    pid_t child;
    int to_child, from_child;
    bool done[BATCHES];
};

/* The child's own state. */
struct child {
    struct shared *shared;
    int in, out;
    unsigned batch, next;
    bool running;
    uint8_t mode;
};
static struct child child;

/* ---- the child ---- */

static long raw_syscall(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

/* No call that the dynamic linker might have to bind: it looks at its thread's data. */
static void copy(void *to, const void *from, size_t size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* FS and GS as the mode wants them: bases without a selector in 64-bit mode, LDT segments below. */
static void set_segments(unsigned mode)
{
    child.mode = (uint8_t)mode;
    if (mode == LAB_64) {
        __asm__ volatile("mov %0, %%fs; mov %0, %%gs" : : "r"(0));
        raw_syscall(SYS_arch_prctl, ARCH_SET_FS, FS_BASE, 0);
        raw_syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE, 0);
    } else {
        __asm__ volatile("mov %0, %%fs; mov %1, %%gs" : : "r"(SELECTOR_FS32), "r"(SELECTOR_GS32));
    }
    unsigned data = mode == LAB_COMPAT16 ? SELECTOR_DATA16 : SELECTOR_DATA;
    __asm__ volatile("mov %0, %%ds; mov %0, %%es" : : "r"(data));
}

static void fill_data(const struct experiment *x)
{
    for (unsigned i = 0; i < WRITABLE_PAGES; i++)
        copy((void *)(uintptr_t)(DATA_BASE + writable_page[i] * 4096u), data_pool + x->data_from + i * 4096, 4096);
    for (unsigned i = 0; i < x->pokes; i++)
        copy((void *)(uintptr_t)x->poke[i].at, &x->poke[i].value, 8);
}

static const uint8_t gregs_of[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                     REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void save_result(struct slot *slot, const ucontext_t *uc)
{
    const greg_t *g = uc->uc_mcontext.gregs;
    struct image *after = &slot->after;
    for (unsigned i = 0; i < 16; i++)
        after->gpr[i] = (uint64_t)g[gregs_of[i]];
    after->rip = (uint64_t)g[REG_RIP];
    after->flags = (uint64_t)g[REG_EFL];
    after->trap = (uint8_t)g[REG_TRAPNO];
    after->error_code = (uint32_t)g[REG_ERR];
    after->cr2 = (uint64_t)g[REG_CR2];
    copy(after->vector, uc->uc_mcontext.fpregs, VECTOR_BYTES);
    for (unsigned i = 0; i < WRITABLE_PAGES; i++)
        copy(slot->data + i * 4096, (void *)(uintptr_t)(DATA_BASE + writable_page[i] * 4096u), 4096);
    /* All of it, as instructions may have stored into the code pages. */
    void *code = (void *)(uintptr_t)CODE_BASE;
    size_t size = CODE_BYTES;
    __asm__ volatile("rep stosb" : "+D"(code), "+c"(size) : "a"(0xcc) : "memory");
}

static void load_experiment(const struct experiment *x, ucontext_t *uc)
{
    static const uint16_t code[LAB_MODES] = {SELECTOR_CODE64, SELECTOR_CODE32, SELECTOR_CODE32, SELECTOR_CODE16};
    greg_t *g = uc->uc_mcontext.gregs;
    uint8_t *area = (uint8_t *)uc->uc_mcontext.fpregs;
    uint16_t stack = x->mode == LAB_COMPAT16 ? SELECTOR_DATA16 : SELECTOR_DATA;

    fill_data(x);
    copy((void *)(uintptr_t)(CODE_BASE + x->code_at), x->code, x->code_size);
    if (child.mode != x->mode)
        set_segments(x->mode);
    for (unsigned i = 0; i < 16; i++)
        g[gregs_of[i]] = (greg_t)x->before.gpr[i];
    g[REG_RIP] = (greg_t)x->before.rip;
    g[REG_EFL] = (greg_t)x->before.flags;
    g[REG_CSGSFS] = (greg_t)((uint64_t)code[x->mode] | (uint64_t)stack << 48);
    uint64_t components = 7;
    copy(area, x->before.vector, 28); /* MXCSR_MASK stays */
    copy(area + 32, x->before.vector + 32, AREA_XMM_END - 32);
    copy(area + AREA_HEADER, &components, 8);
    copy(area + AREA_AVX, x->before.vector + AREA_AVX, VECTOR_BYTES - AREA_AVX);
}

static void on_exception(int number, siginfo_t *info, void *ucontext)
{
    /* AC, NT and ID are the experiment's still. */
    __asm__ volatile("push %0; popfq" : : "i"(HANDLER_FLAGS) : "cc", "memory");
    struct batch *batch = &child.shared->batch[child.batch];
    (void)number;
    (void)info;
    if (child.running)
        save_result(&batch->slot[child.next++], ucontext);
    while (!child.running || child.next == batch->count) {
        char byte = (char)child.batch;
        if (child.running)
            raw_syscall(SYS_write, child.out, (long)&byte, 1);
        if (raw_syscall(SYS_read, child.in, (long)&byte, 1) != 1)
            raw_syscall(SYS_exit_group, 0, 0, 0);
        child.batch = (unsigned)byte;
        child.running = true;
        child.next = 0;
        batch = &child.shared->batch[child.batch];
    }
    child.shared->current = child.next;
    load_experiment(&batch->slot[child.next].experiment, ucontext);
}

static void set_ldt(unsigned selector, unsigned base, unsigned limit, bool code, bool big)
{
    struct user_desc d = {.entry_number = selector >> 3,
                          .base_addr = base,
                          .limit = big ? 0xfffff : limit,
                          .seg_32bit = big,
                          .limit_in_pages = big,
                          .contents = code ? 2 : 0,
                          .useable = 1};
    if (syscall(SYS_modify_ldt, 0x11, &d, sizeof(d)))
        _exit(2);
}

static void *map(uint64_t at, size_t size, int protection)
{
    void *p = mmap((void *)(uintptr_t)at, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    return p == (void *)(uintptr_t)at ? p : NULL;
}

static void child_main(struct shared *shared, int in, int out)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    struct sigaction action = {.sa_sigaction = on_exception, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    stack_t stack = {.ss_size = ALT_STACK};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    child = (struct child){.shared = shared, .in = in, .out = out, .mode = LAB_MODES};
    void *code = map(CODE_BASE, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
    void *data = map(DATA_BASE, DATA_PAGES * 4096, PROT_READ | PROT_WRITE);
    stack.ss_sp = mmap(NULL, ALT_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!code || !data || sigaltstack(&stack, NULL))
        _exit(2);
    memset(code, 0xcc, CODE_BYTES);
    for (unsigned page = PAGE_RO0; page <= PAGE_RO1; page += PAGE_RO1 - PAGE_RO0) {
        uint8_t *p = (uint8_t *)data + page * 4096;
        memcpy(p, read_only_content(page), 4096);
        mprotect(p, 4096, PROT_READ);
    }
    munmap((uint8_t *)data + PAGE_HOLE0 * 4096, 4096);
    munmap((uint8_t *)data + PAGE_HOLE1 * 4096, 4096);
    for (unsigned i = 0; i < ARRAY_LEN(signals); i++)
        sigaction(signals[i], &action, NULL);
    set_ldt(SELECTOR_FS32, FS_BASE, 0, false, true);
    set_ldt(SELECTOR_GS32, GS_BASE, 0, false, true);
    set_ldt(SELECTOR_CODE16, CODE_BASE, 0xffff, true, false);
    set_ldt(SELECTOR_DATA16, DATA_BASE, 0xffff, false, false);
    __asm__ volatile("int3"); /* and never back */
    _exit(3);
}

/* ---- the parent ---- */

static bool spawn(struct oracle *oracle)
{
    int to[2], from[2];
    if (pipe2(to, 0) || pipe2(from, 0))
        return false;
    oracle->child = fork();
    if (oracle->child == 0) {
        close(to[1]);
        close(from[0]);
        child_main(oracle->shared, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    oracle->to_child = to[1];
    oracle->from_child = from[0];
    return oracle->child > 0;
}

static void reap(struct oracle *oracle)
{
    kill(oracle->child, SIGKILL);
    waitpid(oracle->child, NULL, 0);
    close(oracle->to_child);
    close(oracle->from_child);
}

struct oracle *oracle_start(void)
{
    struct oracle *oracle = calloc(1, sizeof(*oracle));
    if (!oracle)
        return NULL;
    oracle->shared = mmap(NULL, sizeof(*oracle->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    signal(SIGPIPE, SIG_IGN);
    if (oracle->shared == MAP_FAILED || !spawn(oracle)) {
        fprintf(stderr, "cannot start the oracle: %s\n", strerror(errno));
        free(oracle);
        return NULL;
    }
    return oracle;
}

void oracle_stop(struct oracle *oracle)
{
    reap(oracle);
    munmap(oracle->shared, sizeof(*oracle->shared));
    free(oracle);
}

struct batch *oracle_batch(struct oracle *oracle, unsigned number)
{
    return &oracle->shared->batch[number];
}

static void send(struct oracle *oracle, unsigned number)
{
    char byte = (char)number;
    if (write(oracle->to_child, &byte, 1) != 1)
        return; /* it died: oracle_wait() finds out */
}

void oracle_submit(struct oracle *oracle, unsigned number)
{
    struct batch *batch = oracle_batch(oracle, number);
    for (unsigned i = 0; i < batch->count; i++)
        batch->slot[i].died = false;
    oracle->done[number] = false;
    send(oracle, number);
}

/* The child's answer: a batch's number, or -1 if it died or hangs. */
static int answer(struct oracle *oracle)
{
    struct pollfd fd = {.fd = oracle->from_child, .events = POLLIN};
    char byte;
    int r;
    do
        r = poll(&fd, 1, DEADLINE_MS);
    while (r < 0 && errno == EINTR);
    return r > 0 && read(oracle->from_child, &byte, 1) == 1 ? byte : -1;
}

/* The slot at which the child died gets no result; a new child runs the others of the batch, one slot on. */
static void revive(struct oracle *oracle, unsigned number)
{
    struct batch *batch = oracle_batch(oracle, number);
    unsigned culprit = oracle->shared->current;
    struct experiment harmless = batch->slot[0].experiment;

    reap(oracle);
    if (culprit >= batch->count || !spawn(oracle)) {
        fprintf(stderr, "the oracle died and cannot be revived\n");
        exit(2);
    }
    batch->slot[culprit].died = true;
    harmless.code_size = 1;
    harmless.code[0] = 0xcc;
    batch->slot[culprit].experiment = harmless;
    send(oracle, number);
}

void oracle_wait(struct oracle *oracle, unsigned number)
{
    while (!oracle->done[number]) {
        int done = answer(oracle);
        if (done >= 0) {
            oracle->done[done] = true;
            continue;
        }
        /* Batches are answered in order, so the other one, if it was submitted, had not been begun. */
        unsigned other = 1 - number;
        bool pending = !oracle->done[other] && oracle_batch(oracle, other)->count;
        revive(oracle, number);
        if (pending)
            send(oracle, other);
    }
}
