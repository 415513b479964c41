#!/usr/bin/env python3
"""Boot after boot, and reset after reset: each goes like the first, and nothing grows or is left over.

Usage: soak_long.py [BOOTS [RESETS]] (200 and 50); environment: RING3, GUESTS, TEST_KERNELS.
"""
import os
import pathlib
import subprocess
import sys
import time

os.environ.setdefault("ASAN_OPTIONS", "quarantine_size_mb=8")  # what AddressSanitizer keeps of freed memory is no growth

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from monitor_client import FOLDER, Hmp, check, connect  # noqa: E402
from tiny_guest import die_with_parent, start  # noqa: E402

RING3, GUESTS, KERNELS = (os.environ[name] for name in ("RING3", "GUESTS", "TEST_KERNELS"))
BOOTS = int(sys.argv[1]) if len(sys.argv) > 1 else 200
RESETS = int(sys.argv[2]) if len(sys.argv) > 2 else 50
EXIT = "-device isa-debug-exit,iobase=0xf4,iosize=0x04".split()


def linux(flavour, initrd):
    return ["-m", "256", "-kernel", f"{GUESTS}/vmlinuz-{flavour}", "-initrd", f"{GUESTS}/initrd-{initrd}.gz", "-append",
            "console=ttyS0 quiet ring3.script=smoke", "-nographic", "-no-reboot"], 0, b"ring3-guest: smoke: status 0"


def kernel(name):
    return ["-m", "16", "-kernel", f"{KERNELS}/{name}", "-nographic", *EXIT], 33, b"done"


# Engine, CPU model, guest: arguments, exit status, a line of its output. A 486 is enough for the test kernels in 32 bits.
KINDS = [
    ("bt", "max", *linux("amd64", "amd64")),
    ("interp", "max", *kernel("paging64")),
    ("bt", "qemu64", *linux("amd64", "amd64")),
    ("interp", "qemu64", *kernel("paging32")),
    ("bt", "pentium3", *linux("686", "i386")),
    ("interp", "pentium3", *kernel("exceptions32")),
    ("bt", "486", *kernel("tasks")),
    ("interp", "486", *kernel("v86")),
]


def boot(engine, model, arguments, status, line):
    """Runs it; returns its greatest size in KiB."""
    process = subprocess.Popen([RING3, "-accel", engine, "-cpu", model, *arguments], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
    output = process.stdout.read()
    _, result, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(result)
    check(process.returncode == status and line in output,
          f"{engine} {model}: status {process.returncode}: {output[-2000:].decode('latin1')}")
    return usage.ru_maxrss


def boots():
    before = set(os.listdir("/tmp"))
    sizes = {}
    for i in range(BOOTS):
        kind = KINDS[i % len(KINDS)]
        sizes.setdefault(kind[:2], []).append(boot(*kind))
        if i % 20 == 19:
            print(f"{i + 1} boots", flush=True)
    for kind, size in sizes.items():
        print(f"{' '.join(kind)}: {len(size)} boots, {min(size) >> 10} to {max(size) >> 10} MiB", flush=True)
        check(max(size) < 1.5 * min(size) + 32768, f"{kind}: from {min(size)} to {max(size)} KiB")
    left = [name for name in set(os.listdir("/tmp")) - before if name.startswith("ring3")]
    check(not left, f"left in /tmp: {left}")


def size_now(pid):
    """Threads, descriptors, mappings, KiB; guest memory is mapped at several places and counted once."""
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    with open(f"/proc/{pid}/maps") as file:
        maps = sum(1 for _ in file)
    with open(f"/proc/{pid}/smaps_rollup") as file:
        kib = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    return int(fields["Threads"]), len(os.listdir(f"/proc/{pid}/fd")), maps, kib


def size_of(pid):
    """The least of a few looks: a reset has files open for a moment."""
    looks = []
    for _ in range(5):
        time.sleep(0.1)
        looks.append(size_now(pid))
    return tuple(map(min, zip(*looks)))


def resets(name, engine, arguments, until, patience):
    """Resets a machine again and again: when its output shows `until`, or after a while in the middle of things."""
    serial, monitor = (os.path.join(FOLDER.name, f"{what}-{name}-{engine[:2]}") for what in ("serial", "monitor"))
    process = start("-S", "-accel", engine, *arguments, "-display", "none", "-serial", f"unix:{serial},server=on,wait=off", "-monitor",
                    f"unix:{monitor},server=on,wait=off")
    hmp, port = Hmp(monitor), connect(serial)
    early = None
    hmp("cont")
    for i in range(RESETS):
        if until:
            got = b""
            while until not in got:
                more = port.recv(65536)
                check(more, f"{name} {engine}: it ended in boot {i}")
                got = got[-64:] + more
        else:
            time.sleep(patience * (i % 7 + 1) / 7)
        hmp("system_reset")
        check(process.poll() is None, f"{name} {engine}: it ended at reset {i}")
        if i == min(9, RESETS // 2):
            early = size_of(process.pid)
    late = size_of(process.pid)
    hmp.socket.sendall(b"quit\n")
    check(process.wait(60) == 0, f"{name} {engine}: status {process.returncode}")
    print(f"{name} {engine}: {RESETS} resets; threads, descriptors, mappings, KiB: {early} then {late}", flush=True)
    check(late[0] <= early[0] and late[1] <= early[1], f"{name} {engine}: threads or descriptors grew")
    check(late[2] <= early[2] + 64, f"{name} {engine}: mappings grew")
    # Guest memory comes as it is touched, translation cache and tables up to their sizes: not growth.
    ram = int(arguments[arguments.index("-m") + 1]) << 10
    check(late[3] <= max(early[3] * 1.25 + 16384, ram + (160 << 10)), f"{name} {engine}: memory grew")


for accel in ("bt", "interp"):
    resets("kernel", accel, ["-m", "16", "-kernel", f"{KERNELS}/tasks"], b"done", 0)
    resets("firmware", accel, ["-m", "16"], None, 1)
resets("windows", "bt,without=patience", ["-m", "16", "-kernel", f"{KERNELS}/regions"], b"done", 0)
resets("chaos", "bt,chaos=1", ["-m", "16", "-kernel", f"{KERNELS}/tasks"], b"done", 0)
resets("linux", "bt", ["-m", "256", "-kernel", f"{GUESTS}/vmlinuz-amd64", "-initrd", f"{GUESTS}/initrd-amd64.gz", "-append",
                       "console=ttyS0"], None, 4)
boots()
