#!/usr/bin/env python3
"""Boots each test kernel on the engines of ring3 (bt also under chaos) and, where installed, on QEMU's TCG, and compares what it prints.

`NAME.expected` beside NAME.S is what the SDM (or, for CPUID's vendor AMD, the APM) says. DEVIATIONS lists the lines
in which TCG of QEMU 7.2 is known to differ, with the reason: TCG's results there are not looked at. Usage:
run_kernels.py [-e ENGINE] [NAME...], ENGINE as for -accel, or tcg; environment: RING3 the binary, TEST_KERNELS the folder of the kernels.
"""
import difflib
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ENGINES = ["interp", "bt", "bt,without=patience", "bt,without=pext", "bt,without=bmi2", "verify", "bt,chaos=1", "bt,chaos=2"]
SECONDS = 30
STOP = "-no-reboot -device isa-debug-exit,iobase=0xf4,iosize=0x04 -nographic".split()
SUCCESS = 0x10 << 1 | 1  # what isa-debug-exit makes of the kernels' last OUT
SKIPPED = 77

# {kernel: {pattern of the line's name: why TCG differs}}
NO_LIMITS = "TCG checks neither segment limits nor the rights of data segments"
NO_P = "TCG leaves the P bit of the error code clear"
READ_FIRST = "TCG faults as a read; CPUs read with the intent to write"
NO_PCID = "TCG of QEMU 7.2 offers no PCID"
NO_CR_CHECKS = "TCG accepts most bad values of control registers; the kernel leaves this out"
LATE = "TCG faults at the target"
L_AND_D = "TCG does not refuse code segments with both L and D"
MSRS = "TCG knows every MSR, and does not check values"
IDT_ERROR = "TCG of QEMU 7.2 makes the error code 16 * vector + 2, the SDM 8 * vector + 2 + EXT"
NO_XSAVEC = "TCG of QEMU 7.2 offers no XSAVEC and no compacted images"
XSAVE_TS = "TCG does not look at TS"
NO_XINUSE = "TCG tracks no initial states"
NO_X2APIC = "TCG of QEMU 7.2 offers neither x2APIC mode nor the TSC deadline"
TWO_SHADOWS = "after one shadow a second one is up to the CPU"
CPUS = {"intel": "pentium3,+lm,+nx,+syscall"}  # the rest runs on max
NOT_ON_TCG = {"x87_irq": "QEMU 7.2 aborts when it signals FERR#"}
DEVIATIONS = {
    "exceptions32": {
        "int1": "TCG has no INT1",
        "user int1": "TCG has no INT1",
        "ltr null": "TCG loads null into TR",
        "x87 divide by 0, unmasked": "TCG reports pending x87 exceptions to FWAIT only",
        "sse divide by 0, unmasked*": "TCG raises no SIMD floating-point exceptions",
        "ldmxcsr with a reserved bit": "TCG does not check MXCSR",
        "alignment check*": "TCG has no alignment checks",
        "limit, *": NO_LIMITS,
        "nothing written": NO_LIMITS,
        "expand-down*": NO_LIMITS,
        "write to read only": NO_LIMITS,
        "write to code": NO_LIMITS,
        "read through null": NO_LIMITS,
        "read from execute only": NO_LIMITS,
        "stack limit*": NO_LIMITS,
        "xlat beyond the limit": NO_LIMITS,
        "rep movs to the limit": NO_LIMITS,
        "ecx": NO_LIMITS,
        "iret, stack limit": NO_LIMITS,
        "lcall beyond the code limit": "TCG's error code is the selector, the SDM's 0",
        "int: task gate to the ldt": "TCG raises #TS, the SDM #GP",
        "*ret ring 3, ss dpl 3 not present": "TCG raises #NP, the SDM #SS",
        "ud with an absent gate: np": "TCG leaves EXT clear for exceptions",
    },
    "debug": {
        "code with RF, rep, hits": "TCG looks for instruction breakpoints at each iteration",
        "mov ss holds its own back, hits": "TCG does not hold the breakpoint back",
        "GD, hits*": "TCG has no GD",
        "dr6, all ones": "TCG keeps reserved bits",
        "dr7, all ones but GD": "TCG keeps reserved bits",
    },
    "interrupts": {
        "sti, mov ss": TWO_SHADOWS,
        "mov ss, sti": TWO_SHADOWS,
        "no tsc deadline": NO_X2APIC,
        "tsc deadline": NO_X2APIC,
        "deadline afterwards": NO_X2APIC,
        "count": NO_X2APIC,
        "no x2apic": NO_X2APIC,
        "x2apic*": NO_X2APIC,
        "id": NO_X2APIC,
    },
    "tasks": {
        "debug trap": "TCG ignores the T flag of a TSS",
        "dr6": "TCG ignores the T flag of a TSS",
        "jmp from one too short": "TCG saves the old task without a look at the limit",
        "ss not present, vector": "TCG raises #NP, the SDM #SS",
    },
    "v86": {
        "v86 read at FFFFh": NO_LIMITS,
        "eflags": "TCG never pushes RF",
        "v86 read beyond 64 KiB": NO_LIMITS,
        "v86 push at sp 1": NO_LIMITS,
        "real: read over 64 KiB faults with": NO_LIMITS,
        "iret to v86 from ring 3 ignores VM": "TCG enters virtual-8086 mode from every privilege level",
        "VM": "TCG enters virtual-8086 mode from every privilege level",
    },
    "long": {
        "read over the edge": "TCG looks at the first byte only",
        "read by r*": "TCG raises #GP for non-canonical stack references, too",
        "jmp": LATE,
        "call": LATE,
        "ret": LATE,
        "iretq": LATE,
        "iretq to ring 3": LATE,
        "pop": "TCG raises #GP for non-canonical stack references, too",
        "push": "TCG raises #GP for non-canonical stack references, too",
        "lgdt": "TCG loads non-canonical bases; the kernel leaves this out",
        "clflush": "TCG does not check the operand",
        "int 0x4[4-7]": IDT_ERROR,
        "user int 0x21": IDT_ERROR,
        "mov ss null rpl 3": "TCG does not compare RPL and CPL",
        "ud with an absent gate": IDT_ERROR,
        "iretq to L and D": L_AND_D,
        "ljmp to L and D": L_AND_D,
        "wrfsbase, non-canonical": "TCG does not check bases",
        "rdtscp and rdpid": "TCG of QEMU 7.2 lacks RDPID",
        "rdpid": "TCG of QEMU 7.2 lacks RDPID",
        "rdmsr of nothing": MSRS,
        "wrmsr *": MSRS,
        "tsc, upper half": "TCG ignores writes of the TSC",
        "linear bits": "TCG offers LA57",
        "l??, system types": "TCG accepts in long mode what is legal outside",
    },
    "stack_switches": {
        "ud, *": "TCG leaves EXT clear for exceptions",
        "int, not present": "TCG raises #TS, the SDM #SS",
        "lcall, not present": "TCG raises #TS, the SDM #SS",
        "*, above the limit": NO_LIMITS,
        "*, below 0": NO_LIMITS,
        "ss0 too small, *": NO_LIMITS,
        "*, limit at the end of SS1": "TCG asks for the two bytes behind SS1, too",
    },
    "intel": {
        "sysenter, CS 3": "TCG looks at the RPL as well",
        "wrmsr *": MSRS,
        "sysexitq, r?x non-canonical": LATE,
        "syscall of compatibility mode": "TCG has SYSCALL and SYSRET there for every vendor",
        "sysret of compatibility mode*": "TCG has SYSCALL and SYSRET there for every vendor",
        "sysretq, rcx non-canonical": "TCG faults at the target; the kernel leaves this out",
    },
    "steps64": {
        "system instructions, steps": "TCG holds single steps back after STI",
        "sti, steps": "TCG holds single steps back after STI",
        "hlt, steps*": "TCG would sleep; the kernel leaves this out",
    },
    "xsave": {
        "user xsetbv without OSXSAVE": "TCG looks at the privilege level first",
        "xsave with TS": XSAVE_TS,
        "xsaveopt with TS": XSAVE_TS,
        "xrstor with TS": XSAVE_TS,
        "xsave misaligned with TS": XSAVE_TS,
        "xsavec*": NO_XSAVEC,
        "*, xsavec": NO_XSAVEC,
        "xrstor compact,*": NO_XSAVEC,
        "*, compact": NO_XSAVEC,
        "xrstor in the hole": "TCG reads the header first",
        "xsave, header in the hole": "TCG writes the legacy region first",
        "fxsave, software's part in the hole": "TCG does not ask for what stays as it is",
        "*by rbp, non-canonical": "TCG raises #GP for non-canonical stack references, too",
        "xrstor mxcsr, reserved bit*": "TCG does not check MXCSR",
        "mxcsr, loaded with avx": "TCG loads MXCSR with SSE only",
        "xgetbv 1, avx not in use": NO_XINUSE,
        "*, avx initial": NO_XINUSE,
    },
    "paging32": {
        "PG without PE": NO_CR_CHECKS,
        "LME while paging": NO_CR_CHECKS,
        "PE off while paging": NO_CR_CHECKS,
        "LME, PG without PAE": NO_CR_CHECKS,
        "cr4, reserved bit": NO_CR_CHECKS,
        "PCIDE outside long mode": NO_CR_CHECKS,
        "pdpte, reserved bit 1": NO_CR_CHECKS,
        "large page, reserved bit 21": NO_P,
        "pae, *reserved bit *": NO_P,
    },
    "paging64": {
        "reserved bit 51, *": NO_P,
        "reserved bit 13 of a large page": NO_P,
        "PS in the PML4": NO_P,
        "bit 63 without NXE*": NO_P,
        "add 4": READ_FIRST,
        "lock xadd": READ_FIRST,
        "xchg": READ_FIRST,
        "btsq": READ_FIRST,
        "cmpxchg8b that fails": READ_FIRST,
        "movups, memory": "TCG stores the halves one after the other",
        "fnstenv, memory": "TCG stores the fields one after the other",
        "sgdt, memory": "TCG stores the fields one after the other",
        "no PCID": NO_PCID,
        "PCIDE with PCID not 0": NO_PCID,
        "pcid *": NO_PCID,
        "cr3 reads without bit 63, low bits": NO_PCID,
        "invpcid *": NO_PCID,
        "invpcid, *": NO_PCID,
        "before": NO_PCID,
        "user invpcid": NO_PCID,
        "PG off with PCIDE": NO_PCID,
        "cr[0348]*": NO_CR_CHECKS,
        "LME off while paging": NO_CR_CHECKS,
        "efer, reserved bit": NO_CR_CHECKS,
        "invlpg, non-canonical": NO_CR_CHECKS,
        "clts and cr0.ET": NO_CR_CHECKS,
        "ET": NO_CR_CHECKS,
    },
}


def command(engine, image):
    program = ["qemu-system-x86_64" if engine == "tcg" else os.environ["RING3"], "-accel", engine]
    return program + ["-cpu", CPUS.get(os.path.basename(image), "max"), "-kernel", image] + STOP


def boot(engine, image):
    """The kernel's lines and how it ended."""
    try:
        done = subprocess.run(command(engine, image), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
        output, end = done.stdout, "" if done.returncode == SUCCESS else f"exit status {done.returncode}"
    except subprocess.TimeoutExpired as late:
        output, end = late.stdout or b"", f"still running after {SECONDS} s"
    text = output.decode("latin1").replace("\r", "")
    text = re.sub(r"(?s)^.*Booting from ROM\.*", "", text)  # QEMU's firmware
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc", "", text)
    return text.strip("\n").split("\n"), end


def differences(name, engine, expected, lines):
    known = DEVIATIONS.get(name, {}) if engine == "tcg" else {}

    def compared(all_lines):
        return [line for line in all_lines
                if not any(fnmatch.fnmatchcase(line.rsplit(": ", 1)[0], pattern) for pattern in known)]

    return list(difflib.unified_diff(compared(expected), compared(lines), "expected", engine, lineterm="", n=0))


def main():
    arguments = sys.argv[1:]
    engines = ENGINES + (["tcg"] if shutil.which("qemu-system-x86_64") else [])
    if arguments[:1] == ["-e"]:
        engines, arguments = [arguments[1]], arguments[2:]
    names = arguments or sorted(path.stem for path in HERE.glob("*.expected"))
    failed = 0
    for name in names:
        expected = (HERE / f"{name}.expected").read_text().strip("\n").split("\n")
        for engine in engines:
            if engine == "tcg" and name in NOT_ON_TCG:
                continue
            lines, end = boot(engine, os.path.join(os.environ["TEST_KERNELS"], name))
            wrong = differences(name, engine, expected, lines)
            failed += bool(wrong or end)
            print(f"{name} on {engine}: {'FAILED ' + end if wrong or end else 'ok'}", flush=True)
            print("".join(f"    {line}\n" for line in wrong[2:42]), end="")
    return 1 if failed else 0 if names else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
