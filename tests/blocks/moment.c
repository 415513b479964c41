/* Moments of a run. See late.h. */
#include <string.h>

#include "cpu-model/exec/exec.h"
#include "softmmu/mmu.h"
#include "tests/blocks/world.h"

void moment_take(struct moment *moment, const struct world *world)
{
    const struct vcpu *vcpu = world->running;
    memcpy(moment->gpr, vcpu->gpr, sizeof(moment->gpr));
    moment->rip = vcpu->rip;
    moment->eflags = vcpu_eflags(vcpu);
    moment->cs = vcpu->segment[SEG_CS].selector;
    moment->cpl = vcpu->cpl;
    moment->talk = world->talk;
    memcpy(moment->ram, world->ram, RAM_BYTES);
}

static bool same_memory(const uint8_t *a, const uint8_t *b)
{
    enum { FLAGS = 1 << 5 | 1 << 6 }; /* accessed, dirty */
    for (unsigned at = 0; at < RAM_BYTES; at++)
        if (a[at] != b[at] && (at < PML4 || at >= PT32 + 0x1000 || (a[at] ^ b[at]) & ~FLAGS))
            return false;
    return true;
}

bool moment_is(const struct moment *moment, const struct world *world)
{
    const struct vcpu *vcpu = world->running;
    return moment->rip == vcpu->rip && moment->cs == vcpu->segment[SEG_CS].selector && moment->cpl == vcpu->cpl &&
           moment->eflags == vcpu_eflags(vcpu) && !memcmp(moment->gpr, vcpu->gpr, sizeof(moment->gpr)) &&
           !memcmp(&moment->talk, &world->talk, sizeof(moment->talk)) && same_memory(moment->ram, world->ram);
}
