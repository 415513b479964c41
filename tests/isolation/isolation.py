#!/usr/bin/env python3
"""Hostile guest code that knows where everything of ring3 lies in its process cannot reach it.

hostile.S tries every form of memory access at the addresses this script chooses: it sees the process's mappings, as the
best informed attacker would, and aims at all of them from each place where a guest page lies on the host: at the
translation cache, the shadow tables, stacks, heap, libraries, canaries. Further: at addresses that share an entry of the
shadow tables, at non-canonical and neighbouring ones, and, from ring 3, at a page of the guest's kernel.

Usage: isolation.py [--long]; environment: RING3, TEST_KERNELS.
"""
import os
import pathlib
import re
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from monitor_client import FOLDER, check, connect  # noqa: E402
from tiny_guest import start  # noqa: E402

KERNEL = os.path.join(os.environ["TEST_KERNELS"], "hostile")
MAGIC = struct.pack("<Q", 0x484F53544D414749)
MAGIC += struct.pack("<Q", (0x484F53544D414749 << 16 | 0x484F) & (1 << 64) - 1)
HOME32 = 0x50810000
CANARY = "do-not-touch-" * 8
MASK = (1 << 64) - 1
ENGINES = ["bt,without=patience", "bt", "interp"]
ENGINES_LONG = ENGINES + ["bt,without=bmi2", "bt,without=pext", "bt,without=windows", "bt,chaos=1", "bt,without=patience,chaos=2", "bt,without=patience,chaos=3"]


class Hostile:
    count = 0

    def __init__(self, engine, kernel=KERNEL, *options):
        Hostile.count += 1
        path = os.path.join(FOLDER.name, f"isolation{Hostile.count}")
        self.process = start("-m", "16", "-display", "none", "-kernel", kernel, "-accel", engine, "-name", CANARY, "-serial",
                             f"unix:{path},server=on,wait=off", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", *options,
                             env={**os.environ, "RING3_CANARY": CANARY})
        self.socket = connect(path)
        self.attempts = self.last = 0
        self.engine = engine
        self.memory = open(f"/proc/{self.process.pid}/mem", "r+b", buffering=0)

    def mappings(self):
        """(first, behind, rights, name) of each."""
        with open(f"/proc/{self.process.pid}/maps") as file:
            for line in file:
                first, behind, rights, name = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)", line).groups()
                yield int(first, 16), int(behind, 16), rights, name

    def find(self, needle, accept):
        """Where `needle` lies in accepted mappings."""
        for first, behind, rights, name in self.mappings():
            if rights[0] != "r" or not accept(first, behind, name) or behind - first > 1 << 28:
                continue
            try:
                self.memory.seek(first)
                data = self.memory.read(behind - first)
            except OSError:
                continue
            at = data.find(needle)
            while at >= 0:
                yield first + at
                at = data.find(needle, at + 1)

    def receive(self):
        try:
            answer = self.socket.recv(1)
        except TimeoutError:
            answer = None
        check(answer, f"{self.engine}: no answer, status {self.process.poll()}, last distance {self.last:#x}")
        return answer

    def warm(self, command=b"w"):
        self.socket.sendall(command)
        return self.receive()[0]

    def aim(self, distance, command=b"d"):
        self.last = distance & MASK
        self.socket.sendall(command + struct.pack("<Q", distance & MASK))
        answer = self.receive()
        if answer != b".":
            ring = self.receive()
            check(False, f"{self.engine}: form {answer[0]} in ring {ring.decode()} reached HOME + {self.last:#x}")
        self.attempts += command != b"c"

    def end(self):
        self.socket.sendall(b"q")
        check(self.process.wait(60) == 33, f"{self.engine}: exit status {self.process.returncode}")


def never_both(machine):
    for first, _, rights, name in machine.mappings():
        check(not ("w" in rights and "x" in rights), f"{machine.engine}: {first:x} is {rights}: {name}")


def interesting(machine, long):
    """Addresses in the process that no guest may reach: the ends of mappings, and canaries."""
    guest = [(first, behind) for first, behind, _, name in machine.mappings() if "ring3-memory" in name]
    for first, behind, rights, name in machine.mappings():
        if name == "[vsyscall]" or (first, behind) in guest:
            continue
        if rights != "---p":
            yield first
            yield behind - 64
            if long:
                yield (first + behind) // 2 & ~63


def attack_compat(machine, distances):
    """The same from compatibility mode, where all places lie below 4 GiB: the guest's page does at HOME32, nothing else
    from 16 MiB on."""
    worked = machine.warm(b"v")
    check(worked > 100, f"{machine.engine}: only {worked} forms work in compatibility mode")
    attempts = 0
    for distance in distances:
        place = HOME32 + distance & 0xFFFFFFFF
        if 0x1020000 < place < HOME32 - 0x20000 or HOME32 + 0x20000 < place < 0xFFFE0000:
            machine.aim(distance, b"c")
            attempts += worked
    check(machine.warm(b"v") == worked, f"{machine.engine}: the guest no longer reaches its own page")
    return attempts


def neighbours(long):
    for k in range(-1024, 1025) if long else range(-6, 7):
        if k:
            yield k << 37  # the same entry of the shadow tables
            yield k << 32
            yield (k << 32) + 8
            yield (k << 32) - 8192
    for bit in range(42, 64):
        yield 1 << bit
        yield -1 << bit
        yield (1 << bit) + 4096 * 3
    for page in (-1, -2, 3, 4, 511, 512, -16, -17):
        yield page << 12


def attack(engine, long):
    machine = Hostile(engine)
    worked = machine.warm()
    never_both(machine)
    check(worked > 110, f"{engine}: only {worked} forms work on the guest's own page")
    machine.warm()
    for distance in neighbours(long):
        machine.aim(distance)
    for bytes_left in range(1, 8):
        machine.aim(4096 - bytes_left, b"x")
    machine.warm()
    homes = sorted({at - 4080 for at in machine.find(MAGIC, lambda *m: "ring3-memory" in m[2])})
    check(homes, f"{engine}: the guest's page is nowhere")
    never_both(machine)
    canaries = list(machine.find(CANARY.encode(), lambda *m: m[2] in ("[heap]", "[stack]") or not m[2]))
    check(len(canaries) > 1, f"{engine}: {len(canaries)} canaries")
    targets = sorted({*interesting(machine, long)} | {at & ~63 for at in canaries})
    for home in homes if long else homes[:1] + homes[-1:]:
        for target in targets:
            machine.aim(target - home)
    compat = attack_compat(machine, [*neighbours(long), *(target - home for home in homes[:None if long else 1]
                                                          for target in targets[::1 if long else 4])])
    never_both(machine)
    for at in canaries:
        machine.memory.seek(at)
        check(machine.memory.read(len(CANARY)) == CANARY.encode(), f"{engine}: a canary at {at:x} was changed")
    check(machine.warm() == worked, f"{engine}: the guest no longer reaches its own page")
    machine.end()
    print(f"{engine}: {machine.attempts * worked} attempts at {machine.attempts} places, from {len(homes)} homes, and {compat} in "
          "compatibility mode: none got through", flush=True)


if __name__ == "__main__":
    LONG = "--long" in sys.argv
    for name in ENGINES_LONG if LONG else ENGINES:
        attack(name, LONG)
