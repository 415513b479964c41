/* Disassembly for people: the log's in_asm and out_asm, and reports. */
#ifndef RING3_EXEC_DISASSEMBLE_H
#define RING3_EXEC_DISASSEMBLE_H

#include "cpu-model/base/types.h"

/* Logs the code at bytes[0..size), which runs at `address` in code of 2, 4 or 8 bytes' size, a line an instruction,
 * under a heading. */
void disassemble(const uint8_t *bytes, size_t size, uint64_t address, unsigned code_size, const char *heading);

/* One instruction as text, without its bytes. Returns its length; 0: it is none (text says so). */
unsigned disassemble_one(const uint8_t *bytes, size_t size, uint64_t address, unsigned code_size, char *text,
                         size_t text_size);

#endif
