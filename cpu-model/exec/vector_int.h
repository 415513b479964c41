/*
 * Places in vcpu->vector_area, for the files that edit the parked vector state.
 *
 * Whoever changes a component there sets its bit in XSTATE_BV, or the next unpark would initialize it.
 */
#ifndef RING3_EXEC_VECTOR_INT_H
#define RING3_EXEC_VECTOR_INT_H

enum {
    AREA_FCW = 0,
    AREA_FSW = 2,
    AREA_FTW = 4, /* abridged */
    AREA_MXCSR = 24,
    AREA_MXCSR_MASK = 28,
    AREA_ST = 32,   /* ST(i) at 16 * i */
    AREA_XMM = 160, /* 16 bytes each */
    AREA_XSTATE_BV = 512,
    AREA_YMM_HIGH = 576, /* 16 bytes each */
    MXCSR_INIT = 0x1f80,
    MXCSR_WRITABLE = 0xffff,
};

#endif
