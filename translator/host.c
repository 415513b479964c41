/* What the engine asks of the host kernel. */
#include "translator/runtime.h"

#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

void host_set_gs(const struct host_cpu *host, uint64_t base)
{
    if (host->fsgsbase)
        __asm__ volatile("wrgsbase %0" : : "r"(base));
    else
        syscall(SYS_arch_prctl, ARCH_SET_GS, base);
}
