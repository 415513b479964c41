/* Logging with the guest's vector state out of the way. See trace.h. Ordinary code. */
#include "cpu-model/state/trace.h"
#include "cpu-model/state/vector.h"

#include <stdarg.h>
#include <stdio.h>

/* Entered with vector registers live: parks them before anything that may use them, variadic prologue aside. */
void trace_write(struct vcpu *vcpu, const char *format, ...)
{
    char text[512];
    va_list args;
    vector_park(vcpu);
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_write("%s", text);
}
