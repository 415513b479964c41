/*
 * The human monitor's view of registers, memory and ports: x, xp, print, i, o, memsave, pmemsave, gva2gpa, info mem,
 * info tlb.
 *
 * Invariant: nothing here changes the guest but `o`, and reads of devices as far as their registers have side effects.
 * Page tables are walked without setting their bits. Output is bounded, so that a slip of the finger does not fill
 * memory.
 *
 * Thread: the main thread, lock and vCPU held.
 */
#include "devices/machine/monitor_memory.h"

#include "cpu-model/exec/disassemble.h"
#include "devices/machine/monitor_int.h"
#include "softmmu/map.h"
#include "softmmu/mmu.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS_MAX = 1 << 16, LINES_MAX = 1 << 19, STRING_MAX = 1024 };

/* --- registers ---------------------------------------------------------------------------------------------------- */

static bool general_register(const struct vcpu *vcpu, const char *name, uint64_t *value)
{
    static const char names[8][3] = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};

    for (unsigned i = 0; i < 8; i++) {
        if (strcmp(name + (name[0] == 'r' || name[0] == 'e'), names[i]))
            continue;
        *value = vcpu->gpr[i];
        if (name[0] != 'r')
            *value = zero_extend(*value, name[0] == 'e' ? 4 : 2);
        return true;
    }
    char *end;
    unsigned long number = name[0] == 'r' && isdigit((unsigned char)name[1]) ? strtoul(name + 1, &end, 10) : 0;
    if (number < 8 || number > 15 || *end)
        return false;
    *value = vcpu->gpr[number];
    return true;
}

static bool segment_register(const struct vcpu *vcpu, const char *name, uint64_t *value)
{
    static const char names[SEG_ALL][5] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    size_t length = strcspn(name, ".");

    for (unsigned i = 0; i < SEG_ALL; i++) {
        const struct segment *s = &vcpu->segment[i];
        if (strncmp(name, names[i], length) || names[i][length])
            continue;
        const char *part = name + length;
        if (!*part || !strcmp(part, ".selector"))
            *value = s->selector;
        else if (!strcmp(part, ".base"))
            *value = s->base;
        else if (!strcmp(part, ".limit"))
            *value = s->limit;
        else if (!strcmp(part, ".attr"))
            *value = s->attributes;
        else
            return false;
        return true;
    }
    return false;
}

bool monitor_register(void *context, const char *name, uint64_t *value)
{
    const struct vcpu *vcpu = ((struct machine *)context)->vcpu;
    const struct {
        const char *name;
        uint64_t value;
    } others[] = {
        {"rip", vcpu->rip},
        {"eip", (uint32_t)vcpu->rip},
        {"pc", vcpu->segment[SEG_CS].base + vcpu->rip},
        {"rflags", vcpu_eflags(vcpu)},
        {"eflags", vcpu_eflags(vcpu)},
        {"cr0", vcpu->cr0},
        {"cr2", vcpu->cr2},
        {"cr3", vcpu->cr3},
        {"cr4", vcpu->cr4},
        {"efer", vcpu->efer},
        {"dr0", vcpu->dr[0]},
        {"dr1", vcpu->dr[1]},
        {"dr2", vcpu->dr[2]},
        {"dr3", vcpu->dr[3]},
        {"dr6", vcpu->dr[6]},
        {"dr7", vcpu->dr[7]},
        {"gdt.base", vcpu->gdtr.base},
        {"gdt.limit", vcpu->gdtr.limit},
        {"idt.base", vcpu->idtr.base},
        {"idt.limit", vcpu->idtr.limit},
        {"cpl", vcpu->cpl},
    };

    if (general_register(vcpu, name, value) || segment_register(vcpu, name, value))
        return true;
    for (unsigned i = 0; i < ARRAY_LEN(others); i++) {
        if (strcmp(name, others[i].name))
            continue;
        *value = others[i].value;
        return true;
    }
    return false;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

/* Up to 8 bytes at a guest-physical address inside one page: RAM, or a device's answer. False: nobody there. */
static bool read_physical(struct machine *m, uint64_t address, uint8_t *bytes, unsigned size)
{
    const uint8_t *host = space_host(&m->space, gpa(address));
    if (host) {
        memcpy(bytes, host, size);
        return true;
    }
    for (unsigned i = 0; i < size;) {
        unsigned width = 8;
        while (width > size - i || (address + i) & (width - 1))
            width /= 2;
        if (!bus_find(&m->mmio, address + i))
            return false;
        uint64_t value = bus_read(&m->mmio, address + i, width);
        memcpy(bytes + i, &value, width);
        i += width;
    }
    return true;
}

bool monitor_read(struct machine *m, uint64_t address, bool physical, uint8_t *bytes, unsigned size)
{
    while (size) {
        unsigned part = GUEST_PAGE_SIZE - (unsigned)(address & GUEST_PAGE_OFFSET);
        uint64_t at = address;
        struct translation t;
        if (part > size)
            part = size;
        if (!physical) {
            if (!mmu_walk_debug(m->vcpu, lin(address), &t))
                return false;
            at = t.page.v | (address & GUEST_PAGE_OFFSET);
        }
        for (unsigned done = 0; done < part;) {
            unsigned some = part - done < 8 ? part - done : 8;
            if (!read_physical(m, at + done, bytes + done, some))
                return false;
            done += some;
        }
        address += part;
        bytes += part;
        size -= part;
    }
    return true;
}

/* --- x and xp ----------------------------------------------------------------------------------------------------- */

static void print_char(FILE *out, uint8_t byte)
{
    static const char special[] = "\nn\rr\tt\\\\''";
    const char *escape = byte ? strchr(special, byte) : NULL;

    if (escape && (escape - special) % 2 == 0)
        fprintf(out, "'\\%c'", escape[1]);
    else if (byte >= 0x20 && byte < 0x7f)
        fprintf(out, "'%c'", byte);
    else
        fprintf(out, "'\\x%02x'", byte);
}

static void print_item(FILE *out, char format, unsigned size, uint64_t value)
{
    int bits = (int)size * 8, decimal = (bits * 10 + 32) / 33;

    switch (format) {
    case 'o':
        fprintf(out, "%#*" PRIo64, (bits + 2) / 3, value);
        break;
    case 'u':
        fprintf(out, "%*" PRIu64, decimal, value);
        break;
    case 'd':
        fprintf(out, "%*" PRId64, decimal, (int64_t)sign_extend(value, size));
        break;
    case 'c':
        print_char(out, (uint8_t)value);
        break;
    default:
        fprintf(out, "0x%0*" PRIx64, bits / 4, value);
    }
}

static void dump_code(struct monitor_call *call, uint64_t count, uint64_t address, bool physical)
{
    const struct vcpu *vcpu = call->machine->vcpu;
    uint8_t bytes[15];
    char text[200];

    while (count--) {
        unsigned have = sizeof(bytes);
        while (have && !monitor_read(call->machine, address, physical, bytes, have))
            have--;
        if (!have) {
            fprintf(call->out, "0x%08" PRIx64 ":  Cannot access memory\n", address);
            return;
        }
        unsigned length = disassemble_one(bytes, have, address, vcpu_code_size(vcpu), text, sizeof(text));
        length = length ? length : 1;
        fprintf(call->out, "0x%08" PRIx64 ":  ", address);
        for (unsigned i = 0; i < length; i++)
            fprintf(call->out, "%02x ", bytes[i]);
        fprintf(call->out, "%*s%s\n", length < 8 ? (int)(8 - length) * 3 : 0, "", text);
        address += length;
    }
}

static void dump_strings(struct monitor_call *call, uint64_t count, uint64_t address, bool physical)
{
    while (count--) {
        uint8_t byte = 0;
        unsigned length = 0;
        fprintf(call->out, "%016" PRIx64 ": \"", address);
        for (; length < STRING_MAX; length++) {
            if (!monitor_read(call->machine, address++, physical, &byte, 1)) {
                fprintf(call->out, "\" Cannot access memory\n");
                return;
            }
            if (!byte)
                break;
            if (byte == '"' || byte == '\\')
                fprintf(call->out, "\\%c", byte);
            else if (byte >= 0x20 && byte < 0x7f)
                fputc(byte, call->out);
            else
                fprintf(call->out, "\\x%02x", byte);
        }
        fprintf(call->out, byte ? "\"...\n" : "\"\n");
    }
}

static void dump_items(struct monitor_call *call, const struct monitor_format *f, uint64_t address, bool physical)
{
    unsigned line = f->size == 1 ? 8 : 16;

    for (uint64_t left = f->count * f->size; left;) {
        uint8_t bytes[16];
        unsigned length = left < line ? (unsigned)left : line;
        fprintf(call->out, "%016" PRIx64 ":", address);
        if (!monitor_read(call->machine, address, physical, bytes, length)) {
            fprintf(call->out, " Cannot access memory\n");
            return;
        }
        for (unsigned i = 0; i < length; i += f->size) {
            uint64_t value = 0;
            memcpy(&value, bytes + i, f->size);
            fputc(' ', call->out);
            print_item(call->out, f->format, f->size, value);
        }
        fputc('\n', call->out);
        address += length;
        left -= length;
    }
}

static int dump(struct monitor_call *call, bool physical, struct error *err)
{
    struct monitor_format f = call->arg[0].format;
    uint64_t address = call->arg[1].value;

    if (f.count > ITEMS_MAX)
        return error_set(err, -E2BIG, "%" PRIu64 " items are too many at a time; at most %d", f.count, ITEMS_MAX);
    if (!f.format)
        f.format = 'x';
    if (f.format == 'c')
        f.size = 1;
    if (!f.size)
        f.size = 4;
    if (f.format == 'i')
        dump_code(call, f.count, address, physical);
    else if (f.format == 's')
        dump_strings(call, f.count, address, physical);
    else
        dump_items(call, &f, address, physical);
    return 0;
}

int monitor_x(struct monitor_call *call, struct error *err)
{
    return dump(call, false, err);
}

int monitor_xp(struct monitor_call *call, struct error *err)
{
    return dump(call, true, err);
}

int monitor_print(struct monitor_call *call, struct error *err)
{
    const struct monitor_format *f = &call->arg[0].format;
    uint64_t value = call->arg[1].value;
    (void)err;

    switch (f->format) {
    case 'o':
        fprintf(call->out, "%#" PRIo64, value);
        break;
    case 'd':
        fprintf(call->out, "%" PRId64, (int64_t)value);
        break;
    case 'u':
        fprintf(call->out, "%" PRIu64, value);
        break;
    case 'c':
        print_char(call->out, (uint8_t)value);
        break;
    default:
        fprintf(call->out, "%#" PRIx64, value);
    }
    fputc('\n', call->out);
    return 0;
}

/* --- ports -------------------------------------------------------------------------------------------------------- */

static int port_and_size(const struct monitor_call *call, unsigned *size, struct error *err)
{
    *size = call->arg[0].format.size ? call->arg[0].format.size : 4;
    if (*size > 4)
        return error_set(err, -EINVAL, "a port access has 1, 2 or 4 bytes: /b, /w or /h");
    if (call->arg[1].value > 0xffff)
        return error_set(err, -EINVAL, "%#" PRIx64 " is no port; they end at 0xffff", call->arg[1].value);
    return 0;
}

int monitor_in(struct monitor_call *call, struct error *err)
{
    unsigned size;
    int r = port_and_size(call, &size, err);
    if (r)
        return r;
    uint64_t value = bus_read(&call->machine->io, call->arg[1].value, size);
    fprintf(call->out, "port%c[0x%04x] = 0x%0*" PRIx64 "\n",
            size == 1   ? 'b'
            : size == 2 ? 'w'
                        : 'l',
            (unsigned)call->arg[1].value, (int)size * 2, value);
    return 0;
}

int monitor_out(struct monitor_call *call, struct error *err)
{
    unsigned size;
    int r = port_and_size(call, &size, err);
    if (!r)
        bus_write(&call->machine->io, call->arg[1].value, zero_extend(call->arg[2].value, size), size);
    return r;
}

/* --- saving ------------------------------------------------------------------------------------------------------- */

int monitor_save_memory(struct machine *m, uint64_t address, uint64_t size, bool physical, const char *path,
                        struct error *err)
{
    uint8_t page[GUEST_PAGE_SIZE];
    FILE *file = fopen(path, "wbe");
    int r = 0;

    if (!file)
        return monitor_file_refused(m, -errno, path, err);
    while (size && !r) {
        unsigned part = GUEST_PAGE_SIZE - (unsigned)(address & GUEST_PAGE_OFFSET);
        if (part > size)
            part = (unsigned)size;
        if (!monitor_read(m, address, physical, page, part))
            r = error_set(err, -EFAULT, "Invalid addr 0x%016" PRIx64 " specified: no memory there", address);
        else if (fwrite(page, part, 1, file) != 1)
            r = error_set(err, -errno, "writing memory to '%s' failed: %s", path, strerror(errno));
        address += part;
        size -= part;
    }
    if (fclose(file) && !r)
        r = error_set(err, -errno, "writing memory to '%s' failed: %s", path, strerror(errno));
    return r;
}

int monitor_memsave(struct monitor_call *call, struct error *err)
{
    return monitor_save_memory(call->machine, call->arg[0].value, call->arg[1].value, false, call->arg[2].text, err);
}

int monitor_pmemsave(struct monitor_call *call, struct error *err)
{
    return monitor_save_memory(call->machine, call->arg[0].value, call->arg[1].value, true, call->arg[2].text, err);
}

/* --- page tables -------------------------------------------------------------------------------------------------- */

int monitor_gva2gpa(struct monitor_call *call, struct error *err)
{
    struct translation t;
    (void)err;

    if (mmu_walk_debug(call->machine->vcpu, lin(call->arg[0].value), &t))
        fprintf(call->out, "gpa: %#" PRIx64 "\n", t.page.v | (call->arg[0].value & GUEST_PAGE_OFFSET));
    else
        fprintf(call->out, "Unmapped\n");
    return 0;
}

struct listing {
    FILE *out;
    unsigned lines;
    struct mapping range; /* info mem: what is collected, size 0: nothing */
};

static bool list_page(void *context, const struct mapping *m)
{
    struct listing *list = context;
    uint64_t e = m->entry;
    bool large = m->size > GUEST_PAGE_SIZE;

    fprintf(list->out, "%016" PRIx64 ": %016" PRIx64 " %c%c%c%c%c%c%c%c%c\n", m->linear, m->physical,
            m->no_execute ? 'X' : '-', e & 0x100 ? 'G' : '-', large ? 'P' : '-', e & 0x40 ? 'D' : '-',
            e & 0x20 ? 'A' : '-', e & 0x10 ? 'C' : '-', e & 8 ? 'T' : '-', m->user ? 'U' : '-',
            m->writable ? 'W' : '-');
    return ++list->lines < LINES_MAX;
}

static bool flush_range(struct listing *list)
{
    const struct mapping *r = &list->range;
    if (!r->size)
        return true;
    fprintf(list->out, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %cr%c\n", r->linear, r->linear + r->size, r->size,
            r->user ? 'u' : '-', r->writable ? 'w' : '-');
    return ++list->lines < LINES_MAX;
}

static bool collect_range(void *context, const struct mapping *m)
{
    struct listing *list = context;
    struct mapping *r = &list->range;

    if (r->size && r->linear + r->size == m->linear && r->user == m->user && r->writable == m->writable) {
        r->size += m->size;
        return true;
    }
    bool more = flush_range(list);
    *r = *m;
    return more;
}

static int list_mappings(struct monitor_call *call, bool ranges)
{
    struct listing list = {.out = call->out};

    if (!(call->machine->vcpu->cr0 & CR0_PG)) {
        fprintf(call->out, "PG disabled\n");
        return 0;
    }
    bool all = mmu_map_each(call->machine->vcpu, ranges ? collect_range : list_page, &list);
    if (ranges)
        flush_range(&list);
    if (!all)
        fprintf(call->out, "(and more)\n");
    return 0;
}

int monitor_info_mem(struct monitor_call *call, struct error *err)
{
    (void)err;
    return list_mappings(call, true);
}

int monitor_info_tlb(struct monitor_call *call, struct error *err)
{
    (void)err;
    return list_mappings(call, false);
}
