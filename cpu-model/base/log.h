/*
 * The debug log behind `-d ITEM[,ITEM]` and `-D FILE`, and the report that precedes an abort.
 *
 * Items are bits so that a disabled item costs one test. Any thread may log; a line is written with one call.
 */
#ifndef RING3_BASE_LOG_H
#define RING3_BASE_LOG_H

#include "cpu-model/base/types.h"

/* X(name for -d, symbol, help) */
#define LOG_ITEMS(X)                                                                                                   \
    X("host", LOG_HOST, "what the host CPU offers and which code forms were chosen")                                   \
    X("int", LOG_INT, "interrupts and exceptions as they are delivered")                                               \
    X("guest_errors", LOG_GUEST, "guest actions that have no defined effect")                                          \
    X("cpu_reset", LOG_RESET, "CPU state at reset and at triple faults")                                               \
    X("in_asm", LOG_IN_ASM, "guest code of each block translated")                                                     \
    X("out_asm", LOG_OUT_ASM, "host code of each block translated")                                                    \
    X("mmu", LOG_MMU, "page-table roots loaded and flushes")                                                           \
    X("msr", LOG_MSR, "model-specific register accesses that fault")                                                   \
    X("ioport", LOG_IO, "port and MMIO accesses nobody claims")                                                        \
    X("disk", LOG_DISK, "commands to disks, CD-ROMs and floppies")                                                     \
    X("exec", LOG_EXEC, "each block or instruction as it is entered (slow)")                                           \
    X("jit", LOG_JIT, "translation cache counters at exit")

enum log_item_index {
#define X(name, symbol, help) symbol##_INDEX,
    LOG_ITEMS(X)
#undef X
        LOG_ITEM_COUNT
};

enum log_item {
#define X(name, symbol, help) symbol = 1 << symbol##_INDEX,
    LOG_ITEMS(X)
#undef X
};

extern unsigned log_mask; /* set once at start-up, before any other thread exists */

/* Turns on the comma-separated items. Returns 0, or -EINVAL with the unknown item in *bad (points into `items`). */
int log_enable(const char *items, const char **bad);

/* Sends the log to `path` instead of stderr. Returns 0 or -errno. */
int log_open(const char *path);

/* Writes one formatted line if `item` is on. The newline is added. */
#define log_line(item, ...)                                                                                            \
    do {                                                                                                               \
        if (__builtin_expect(log_mask & (item), 0))                                                                    \
            log_write(__VA_ARGS__);                                                                                    \
    } while (0)

void log_write(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* An invariant of ours is broken: says which and aborts, in release builds too. Never for anything a guest can cause.
 */
_Noreturn void bug(const char *file, int line, const char *what);
#define BUG(what) bug(__FILE__, __LINE__, what)
#define ASSERT(condition)                                                                                              \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0))                                                                         \
            bug(__FILE__, __LINE__, #condition);                                                                       \
    } while (0)

#endif
