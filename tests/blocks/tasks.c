/*
 * Task switches: jumps and calls to a TSS or a task gate, interrupts through task gates, IRET with NT set. The
 * program's own task is SEL_TSS32; the others (selectors.h) come back to it. See maker.h. SDM Vol. 3 "Task management".
 */
#include "tests/blocks/maker.h"
#include "tests/blocks/selectors.h"

static unsigned task_destination(struct maker *m)
{
    static const uint16_t gates[] = {SEL_TASK_GATE, SEL_TASK_GATE_NEXT};
    static const uint16_t bad[] = {SEL_TASK_SHORT,       SEL_TASK_ABSENT,       SEL_TASK_GATE_KERNEL,
                                   SEL_TASK_GATE_ABSENT, SEL_TASK_GATE_TO_CODE, SEL_TSS32};
    if (one_in(m->r, 8))
        return bad[any(m, ARRAY_LEN(bad))];
    if (one_in(m->r, 3))
        return gates[any(m, ARRAY_LEN(gates))];
    return task_selector((enum task)any(m, TASK_COUNT));
}

/* To a task that goes back to who called it, or jumps. */
static void go_to_task(struct maker *m)
{
    unsigned selector = task_destination(m);
    bool jumps = selector == task_selector(TASK_NEXT) || selector == SEL_TASK_GATE_NEXT;
    go_far(m, selector | (one_in(m->r, 4) ? any(m, 8) : 0), 1 + any(m, 0x10000), 0,
           one_in(m->r, 8) ? any(m, 2) : !jumps);
}

static void return_from_task(struct maker *m)
{
    change_flags(m, FLAG_NT, 0);
    b(m, 0x9d); /* popf */
    b(m, 0xcf);
}

void make_task_switch(struct maker *m)
{
    if (m->mode < MODE_32_KERNEL || m->mode == MODE_REAL) {
        make_far(m);
        return;
    }
    unsigned pick = any(m, 4);
    if (pick < 2 && m->mode != MODE_V86) {
        go_to_task(m);
    } else if (pick == 2 && m->mode != MODE_V86) {
        return_from_task(m);
    } else {
        b(m, 0xcd);
        b(m, INT_TASK + any(m, INT_TASK_KERNEL - INT_TASK + 1));
    }
}
