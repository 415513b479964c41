/* Disassembly with Capstone, which prints for people better than the decoder library does. See disassemble.h. */
#include "cpu-model/exec/disassemble.h"
#include "cpu-model/base/log.h"

#include <capstone/capstone.h>
#include <stdio.h>

static void one_line(const cs_insn *insn, char *text, size_t size)
{
    char bytes[3 * 16 + 1] = "";
    for (unsigned i = 0; i < insn->size && i < 15; i++)
        snprintf(bytes + 2 * i, 3, "%02x", insn->bytes[i]);
    snprintf(text, size, "  %016llx  %-30s %s %s", (unsigned long long)insn->address, bytes, insn->mnemonic,
             insn->op_str);
}

static cs_mode mode_of(unsigned code_size)
{
    return code_size == 8 ? CS_MODE_64 : code_size == 4 ? CS_MODE_32 : CS_MODE_16;
}

void disassemble(const uint8_t *bytes, size_t size, uint64_t address, unsigned code_size, const char *heading)
{
    csh handle;
    cs_insn *insn;
    char text[256];
    if (cs_open(CS_ARCH_X86, mode_of(code_size), &handle) != CS_ERR_OK)
        return;
    insn = cs_malloc(handle);
    log_write("%s %016llx, %zu bytes", heading, (unsigned long long)address, size);
    while (size) {
        if (cs_disasm_iter(handle, &bytes, &size, &address, insn)) {
            one_line(insn, text, sizeof(text));
            log_write("%s", text);
        } else { /* data after a call: site numbers */
            log_write("  %016llx  %02x", (unsigned long long)address, *bytes);
            bytes++, size--, address++;
        }
    }
    cs_free(insn, 1);
    cs_close(&handle);
}

unsigned disassemble_one(const uint8_t *bytes, size_t size, uint64_t address, unsigned code_size, char *text,
                         size_t text_size)
{
    csh handle;
    unsigned length = 0;

    snprintf(text, text_size, "(bad)");
    if (cs_open(CS_ARCH_X86, mode_of(code_size), &handle) != CS_ERR_OK)
        return 0;
    cs_insn *insn = cs_malloc(handle);
    if (cs_disasm_iter(handle, &bytes, &size, &address, insn)) {
        length = insn->size;
        snprintf(text, text_size, "%s%s%s", insn->mnemonic, insn->op_str[0] ? " " : "", insn->op_str);
    }
    cs_free(insn, 1);
    cs_close(&handle);
    return length;
}
