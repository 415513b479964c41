/* Integer loops: table look-ups, branches, calls, pointers, dispatch. */
#include "benchmarks/programs/bench.h"

#include <string.h>

/* CRC-32, one table look-up a byte. */
uint64_t bench_crc(void)
{
    static uint32_t table[256];
    static uint8_t data[1 << 16];
    uint64_t random = 1;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int bit = 0; bit < 8; bit++)
            v = v & 1 ? v >> 1 ^ 0xedb88320 : v >> 1;
        table[i] = v;
    }
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)bench_random(&random);
    uint32_t crc = ~0u;
    for (int pass = 0; pass < 2000; pass++)
        for (size_t i = 0; i < sizeof(data); i++)
            crc = crc >> 8 ^ table[(crc ^ data[i]) & 255];
    return crc;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The C library's qsort: calls through a pointer, unpredictable branches. */
uint64_t bench_sort(void)
{
    enum { COUNT = 1 << 18 };
    static uint32_t values[COUNT];
    uint64_t random = 2, sum = 0;
    for (int pass = 0; pass < 8; pass++) {
        for (size_t i = 0; i < COUNT; i++)
            values[i] = (uint32_t)bench_random(&random);
        qsort(values, COUNT, sizeof(values[0]), compare_u32);
        for (size_t i = 0; i < COUNT; i += 1000)
            sum = sum * 31 + values[i];
    }
    return sum;
}

struct node {
    struct node *child[2];
    uint64_t key;
};

/* Inserting into an unbalanced binary tree, then looking keys up: dependent loads. */
uint64_t bench_tree(void)
{
    enum { COUNT = 100000 };
    static struct node nodes[COUNT];
    uint64_t random = 3, found = 0;
    struct node *root = NULL;
    memset(nodes, 0, sizeof(nodes));
    for (size_t i = 0; i < COUNT; i++) {
        struct node **link = &root;
        nodes[i].key = bench_random(&random) >> 40;
        while (*link)
            link = &(*link)->child[nodes[i].key > (*link)->key];
        *link = &nodes[i];
    }
    for (int i = 0; i < 1000000; i++) {
        uint64_t key = bench_random(&random) >> 40;
        const struct node *node = root;
        while (node && node->key != key)
            node = node->child[key > node->key];
        found += node != NULL;
    }
    return found;
}

/* The empty asm statements keep the compiler from turning one of the calls into a loop. */
__attribute__((noinline)) static uint64_t fib(unsigned n)
{
    if (n < 2)
        return n;
    uint64_t first = fib(n - 1);
    __asm__ volatile("" : "+r"(first));
    uint64_t second = fib(n - 2);
    __asm__ volatile("" : "+r"(second));
    return first + second;
}

/* Recursion: calls, returns and the stack. */
uint64_t bench_fib(void)
{
    return fib(39);
}

uint64_t bench_sieve(void)
{
    enum { LIMIT = 2000000 };
    static uint8_t composite[LIMIT];
    uint64_t count = 0;
    for (int pass = 0; pass < 75; pass++) {
        memset(composite, 0, sizeof(composite));
        for (size_t i = 2; i < LIMIT; i++) {
            if (composite[i])
                continue;
            count++;
            for (size_t multiple = i * i; multiple < LIMIT; multiple += i)
                composite[multiple] = 1;
        }
    }
    return count;
}

/* Open-addressing hash table: multiplications, scattered loads and stores. */
uint64_t bench_hash(void)
{
    enum { SLOTS = 1 << 16 };
    static struct {
        uint64_t key, count;
    } slots[SLOTS];
    uint64_t random = 5, sum = 0;
    memset(slots, 0, sizeof(slots));
    for (int i = 0; i < 80000000; i++) {
        uint64_t key = (bench_random(&random) & 0x7fff) + 1;
        size_t at = key * 0x9e3779b97f4a7c15 >> 48;
        while (slots[at].key && slots[at].key != key)
            at = (at + 1) % SLOTS;
        slots[at].key = key;
        slots[at].count++;
    }
    for (size_t i = 0; i < SLOTS; i++)
        sum = sum * 31 + slots[i].key * slots[i].count;
    return sum;
}

/* A bytecode interpreter with a switch: indirect jumps. The program counts Collatz steps. */
uint64_t bench_interpreter(void)
{
    enum op { LOAD, DIV2, MUL3, INC, STEP, ODD, JUMP, ONE, NEXT, HALT };
    static const uint8_t program[] = {
        LOAD,       /* 0: value = next */
        ONE,  13,   /* 1: done when it is 1 */
        ODD,  8,    /* 3 */
        DIV2,       /* 5 */
        JUMP, 10,   /* 6 */
        MUL3, INC,  /* 8 */
        STEP,       /* 10 */
        JUMP, 1,    /* 11 */
        NEXT, HALT, /* 13: the next lower number, from 0 again */
    };
    uint64_t value = 0, steps = 0, next = 400000;
    for (size_t pc = 0;;) {
        switch (program[pc++]) {
        case LOAD:
            value = next;
            break;
        case ONE:
            pc = value == 1 ? program[pc] : pc + 1;
            break;
        case ODD:
            pc = value & 1 ? program[pc] : pc + 1;
            break;
        case DIV2:
            value >>= 1;
            break;
        case MUL3:
            value *= 3;
            break;
        case INC:
            value++;
            break;
        case STEP:
            steps++;
            break;
        case JUMP:
            pc = program[pc];
            break;
        case NEXT:
            if (--next)
                pc = 0;
            break;
        case HALT:
            return steps;
        }
    }
}

/* Longest common subsequence by dynamic programming: loads, compares, conditional moves. */
uint64_t bench_lcs(void)
{
    enum { LENGTH = 4096 };
    static uint8_t a[LENGTH], b[LENGTH];
    static uint16_t best[2][LENGTH + 1];
    uint64_t random = 7, sum = 0;
    for (int pass = 0; pass < 24; pass++) {
        for (size_t i = 0; i < LENGTH; i++) {
            a[i] = bench_random(&random) & 3;
            b[i] = bench_random(&random) & 3;
        }
        memset(best, 0, sizeof(best));
        for (size_t i = 0; i < LENGTH; i++) {
            const uint16_t *above = best[i & 1];
            uint16_t *row = best[~i & 1];
            for (size_t j = 0; j < LENGTH; j++) {
                uint16_t skip = above[j + 1] > row[j] ? above[j + 1] : row[j];
                row[j + 1] = a[i] == b[j] ? above[j] + 1 : skip;
            }
        }
        sum = sum * 31 + best[0][LENGTH];
    }
    return sum;
}
