/* Descriptor tables, page tables, handlers and pads of the block tests' world. */
#ifndef RING3_TESTS_BLOCKS_TABLES_H
#define RING3_TESTS_BLOCKS_TABLES_H

#include <stdint.h>

enum { PTE_P = 1, PTE_RW = 2, PTE_US = 4, PTE_A = 0x20, PTE_D = 0x40 };

/* Writes all of them into RAM as it is before each program. */
void tables_make(uint8_t *ram);
/* The physical page of a linear one, and its entry's bits. */
unsigned tables_page(unsigned page, unsigned *bits);

#endif
