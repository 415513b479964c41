"""A triple fault: a report and the end under -no-reboot, a reset without."""
import re
import struct

from tiny_guest import HANG, LOAD, check, kernel, out8, run, say

HEADER = 32
EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]

EMPTY_IDT = b"\x0f\x01\x1d" + struct.pack("<I", 0x600)  # lidt [600h], which is all zeros
REGISTERS = b"\xb8\x78\x56\x34\x12" b"\xbb\xef\xbe\xad\xde" b"\xbc\x00\x70\x00\x00"  # eax, ebx, esp
# Ways to it: (what, code, offset of the instruction that faults, its vector)
WAYS = [
    ("ud2", EMPTY_IDT + REGISTERS + b"\x0f\x0b", 22, 6),
    ("int 80h", EMPTY_IDT + REGISTERS + b"\xcd\x80", 22, 13),
    ("null selector", EMPTY_IDT + REGISTERS + b"\x31\xc9\x8e\xd1", 24, 13),  # mov ss, cx of 0
]
# inc dword [500h]; cmp dword [500h], 3; jne past the exit; out F4h, 10h
COUNT_TO_3 = b"\xff\x05\x00\x05\x00\x00\x83\x3d\x00\x05\x00\x00\x03\x75\x07" + out8(0xF4, 0x10)

for engine in ("bt", "interp", "verify"):
    for what, code, offset, vector in WAYS:
        result = run("-kernel", kernel(say("!") + code + HANG), "-m", "16", "-nographic", "-accel", engine, "-no-reboot")
        report = result.stderr.decode()
        where = f"{what} ({engine}): {result}"
        check(result.returncode == 1 and result.stdout == b"!", where)
        first, *registers = report.strip().split("\n")
        at = LOAD + HEADER + len(say("!")) + offset
        check(first.startswith(f"ring3: triple fault: exception {vector} at 0010:{at:x} ") and "-no-reboot" in first, where)
        check(report.count("triple fault") == 1, where)
        for name, value in (("EAX", 0x12345678), ("EBX", 0xDEADBEEF), ("ESP", 0x7000),
                            ("EIP", at)):
            check(re.search(rf"\b{name}={value:08x}\b", report), f"{name}, {where}")
        for name in ("CS ", "SS ", "GDT", "IDT", "CR0", "CR3", "EFER"):
            check(any(name + "=" in line for line in registers), f"{name}, {where}")
        check(f"exception={vector} " in report, where)

    # The memory outlives a reset, so that the guest can count them.
    for what, code, _, _ in WAYS:
        result = run("-kernel", kernel(say("!") + COUNT_TO_3 + code), "-m", "16", "-nographic", "-accel", engine, *EXIT)
        check(result.returncode == 33 and result.stdout == b"!!!" and result.stderr == b"", f"{what} ({engine}): {result}")
    result = run("-kernel", kernel(COUNT_TO_3 + WAYS[0][1]), "-m", "16", "-nographic", "-accel", engine, "-d", "cpu_reset",
                 *EXIT)
    check(result.returncode == 33 and result.stderr.count(b"triple fault") == 2, f"-d cpu_reset ({engine}): {result}")
