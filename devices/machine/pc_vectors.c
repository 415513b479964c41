/*
 * Real mode's interrupt table for kernels that are entered without firmware. See pc_int.h.
 *
 * There is no BIOS, but some kernels ask one all the same (Xen, in its trampoline) and take the carry flag for an
 * answer. So each service says that it is not there, interrupts of devices are finished, and INT 11h and 12h, which
 * cannot fail, answer from the BIOS data area.
 *
 * Thread: whoever holds the machine lock while no vCPU runs.
 * Source: IBM PS/2 and PC BIOS Interface Technical Reference, "Interrupts".
 */
#include "devices/machine/pc_int.h"

enum {
    CODE_SEGMENT = 0xf000,
    CODE = 0xf000, /* its offset there */
    ROUTINE = 16,  /* bytes for each */
    VECTORS = 256,
    EQUIPMENT = 0x410, /* in the BIOS data area: */
    HAS_COPROCESSOR = 1 << 1,
    HAS_MOUSE = 1 << 2,
    COLOUR_TEXT = 2 << 4,
};

enum routine { UNSUPPORTED, MASTER_INTERRUPT, SLAVE_INTERRUPT, GET_EQUIPMENT, GET_MEMORY, ROUTINES };

static const uint8_t code[ROUTINES][ROUTINE] = {
    /* push bp; mov bp, sp; or byte [bp + 6], 1 (carry, in the flags to return); pop bp; mov ah, 86h; iret */
    [UNSUPPORTED] = {0x55, 0x89, 0xe5, 0x80, 0x4e, 0x06, 0x01, 0x5d, 0xb4, 0x86, 0xcf},
    /* push ax; mov al, 20h; out 20h, al; pop ax; iret */
    [MASTER_INTERRUPT] = {0x50, 0xb0, 0x20, 0xe6, 0x20, 0x58, 0xcf},
    /* push ax; mov al, 20h; out a0h, al; out 20h, al; pop ax; iret */
    [SLAVE_INTERRUPT] = {0x50, 0xb0, 0x20, 0xe6, 0xa0, 0xe6, 0x20, 0x58, 0xcf},
    /* push ds; xor ax, ax; mov ds, ax; mov ax, [410h] or [413h]; pop ds; iret */
    [GET_EQUIPMENT] = {0x1e, 0x31, 0xc0, 0x8e, 0xd8, 0xa1, 0x10, 0x04, 0x1f, 0xcf},
    [GET_MEMORY] = {0x1e, 0x31, 0xc0, 0x8e, 0xd8, 0xa1, 0x13, 0x04, 0x1f, 0xcf},
};

static enum routine routine_of(unsigned vector)
{
    if (vector >= 0x08 && vector < 0x10)
        return MASTER_INTERRUPT;
    if (vector >= 0x70 && vector < 0x78)
        return SLAVE_INTERRUPT;
    return vector == 0x11 ? GET_EQUIPMENT : vector == 0x12 ? GET_MEMORY : UNSUPPORTED;
}

void pc_vectors(struct pc *pc)
{
    static const uint16_t equipment = HAS_COPROCESSOR | HAS_MOUSE | COLOUR_TEXT;
    uint32_t table[VECTORS];

    for (unsigned i = 0; i < VECTORS; i++)
        table[i] = (uint32_t)CODE_SEGMENT << 16 | (CODE + ROUTINE * routine_of(i));
    space_write_bytes(pc->config.space, gpa(0), table, sizeof(table));
    space_write_bytes(pc->config.space, gpa((CODE_SEGMENT << 4) + CODE), code, sizeof(code));
    space_write_bytes(pc->config.space, gpa(EQUIPMENT), &equipment, sizeof(equipment));
}
