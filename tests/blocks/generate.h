/*
 * Random programs for world.h: a body of instructions that runs a few times, with what the issue is about strewn in:
 * faults at each memory step, page ends, code that changes code, interrupts, breakpoints, mode windows.
 *
 * Everything is a function of the seed. A program keeps its instructions apart, so that a failing one can be shrunk.
 */
#ifndef RING3_TESTS_BLOCKS_GENERATE_H
#define RING3_TESTS_BLOCKS_GENERATE_H

#include "tests/blocks/world.h"
#include "tests/instructions/random.h"

enum { ITEMS_MAX = 48, ITEM_BYTES = 40 };

struct item {
    uint8_t bytes[ITEM_BYTES];
    uint8_t length;
    uint8_t rel_at, rel_size;     /* a branch's displacement, to item `target` */
    uint8_t patch_at, patch_size; /* an address, or a DMA's offset << 8, of the immediate of item `target` */
    uint8_t far_at, far_size;     /* an absolute branch's offset, of item `target` */
    uint16_t far_bias;
    uint8_t imm_at; /* a byte that may be changed without changing the length; 0: none */
    uint8_t target;
    bool dropped, alias; /* alias: the address is in CODE_ALIAS */
};

struct program {
    struct start start;
    struct item item[ITEMS_MAX];
    unsigned items;
    uint8_t called;                  /* the item that system calls go to; 0: pads */
    uint32_t address[ITEMS_MAX + 1]; /* linear; by program_layout() */
    unsigned end;                    /* in start.code */
};

void program_generate(struct program *program, struct random *r);
/* A program of given code, between what all programs begin and end with, and its registers by chance. */
void program_from_code(struct program *program, enum block_mode mode, const uint8_t *code, unsigned size,
                       struct random *r);
/* Makes item `at` a store to the device that raises an interrupt. */
void program_interrupt_item(struct program *program, unsigned at);
/* Writes what is not dropped into start.code. */
void program_layout(struct program *program);

#endif
