#!/usr/bin/env python3
"""Boots each test kernel on both engines of ring3 and, where installed, on QEMU's TCG, and compares what it prints.

`NAME.expected` beside NAME.S is what the SDM (or, for CPUID's vendor AMD, the APM) says. DEVIATIONS lists the lines
in which TCG of QEMU 7.2 is known to differ, with the reason: TCG's results there are not looked at. Usage:
run_kernels.py [-e interp|bt|tcg] [NAME...]; environment: RING3 the binary, TEST_KERNELS the folder of the kernels.
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
SECONDS = 60
STOP = "-no-reboot -device isa-debug-exit,iobase=0xf4,iosize=0x04 -nographic".split()
SUCCESS = 0x10 << 1 | 1  # what isa-debug-exit makes of the kernels' last OUT
SKIPPED = 77

# {kernel: {pattern of the line's name: why TCG differs}}
NO_LIMITS = "TCG checks neither segment limits nor the rights of data segments"
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
    },
}


def command(engine, image):
    if engine == "tcg":
        return ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-kernel", image] + STOP
    return [os.environ["RING3"], "-accel", engine, "-kernel", image] + STOP


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

    def comparable(line):
        key = line.rsplit(": ", 1)[0]
        return key if any(fnmatch.fnmatchcase(key, pattern) for pattern in known) else line

    return list(difflib.unified_diff([comparable(line) for line in expected], [comparable(line) for line in lines],
                                     "expected", engine, lineterm="", n=0))


def main():
    arguments = sys.argv[1:]
    engines = ["interp", "bt"] + (["tcg"] if shutil.which("qemu-system-x86_64") else [])
    if arguments[:1] == ["-e"]:
        engines, arguments = [arguments[1]], arguments[2:]
    names = arguments or sorted(path.stem for path in HERE.glob("*.expected"))
    failed = 0
    for name in names:
        expected = (HERE / f"{name}.expected").read_text().strip("\n").split("\n")
        for engine in engines:
            lines, end = boot(engine, os.path.join(os.environ["TEST_KERNELS"], name))
            wrong = differences(name, engine, expected, lines)
            failed += bool(wrong or end)
            print(f"{name} on {engine}: {'FAILED ' + end if wrong or end else 'ok'}", flush=True)
            print("".join(f"    {line}\n" for line in wrong[2:]), end="")
    return 1 if failed else 0 if names else SKIPPED


if __name__ == "__main__":
    sys.exit(main())
