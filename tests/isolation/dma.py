#!/usr/bin/env python3
"""Devices that read and write memory reach the guest's own and nothing else, wherever they are told to.

The guest is hostile32, which runs scripts of port accesses here. The IDE bus master, the 8237 with the floppy controller,
and fw_cfg's DMA get addresses in RAM, over its end, beyond it, around 4 GiB and at the end of all addresses, in ROM, in
video memory and at the local APIC, as places for data and for their own tables; and the windows of PCI functions are moved
over RAM, ROM, other devices and address ends, for processor and bus master to reach them there. Only the pages that the
addresses name may change, and what is read from elsewhere has to be all ones, above all nothing of ring3.

Usage: dma.py [--long]; environment: RING3, TEST_KERNELS.
"""
import os
import random
import struct
import sys

from isolation import CANARY, FOLDER, check, never_both
from isolation32 import Machine

RAM = 16 << 20
OUT8, OUT16, OUT32, IN8, IN16, IN32, STORE32, LOAD32, WAIT8 = range(0, 36, 4)
END = 0xFFFFFFFF
MASTER = 0xC100  # where the bus master's ports are put
SECTORS, MARK = 256, b"a disk's sector "
PLACES = [0x400000, RAM - 0x1000, RAM - 0x10, RAM, RAM + 0x100000, 0x20000000, 0x7FFFF000, 0x80000000, 0xBFFFF000, 0xC0000000,
          0xFEC00000, 0xFEE00000, 0xFFFC0000, 0xFFFFF000, 0xFFFFFFF0, 0xA0000, 0xBFFF0, 0xC0000, 0xE0000, 0xF0000]
HIGH = [1 << 32, (1 << 32) - 8, 1 << 36, (1 << 40) - 0x1000, 1 << 47, (1 << 47) - 0x1000, 1 << 63, (1 << 64) - 0x1000,
        (1 << 64) - 0x10, 0x123456789ABC0000]
LFB, REGISTERS, BUS_MASTER = 0x10, 0x18, 0x20  # base address registers of the display adapter, and of IDE
FREE = 0x80000000
WINDOWS = [FREE, 0x400000, 0xA0000, 0xC0000, 0xF0000, RAM - 0x1000, RAM, 0x7F000000, 0xBF000000, 0xFD000000, 0xFEC00000,
           0xFED00000, 0xFEE00000, 0xFEFFF000, 0xFF000000, 0xFFFE0000, 0xFFFFF000]
PORTS = [0, 0x20, 0x60, 0xF0, 0x1F0, 0x4D0, 0x510, 0xCF0, 0x5650, 0x8000, 0xFFF0]


class Agent(Machine):
    def __init__(self, engine, long):
        self.disk = os.path.join(FOLDER.name, f"disk{Machine.count}")
        self.floppy = os.path.join(FOLDER.name, f"floppy{Machine.count}")
        for path, size in ((self.disk, SECTORS * 512), (self.floppy, 2880 * 512)):
            with open(path, "wb") as file:
                file.write(MARK * (size // 16))
        super().__init__(engine, "-drive", f"file={self.disk},format=raw,if=ide", "-drive", f"file={self.floppy},format=raw,if=floppy")
        self.long = long
        self.changes = self.turn = self.attempts = 0

    def script(self, *steps):
        """Each (what, where, value[, value to wait for]); the values at the end."""
        data = b"".join(struct.pack("<4I", step[0], step[1], step[2], step[3] if len(step) > 3 else 0) for step in steps)
        self.write(self.copies, data + struct.pack("<4I", END, 0, 0, 0))
        self.socket.sendall(b"p")
        self.receive()
        return [struct.unpack("<I", self.read(self.copies + 16 * i + 8, 4))[0] for i in range(len(steps))]

    def guarded(self, what, allowed, *steps, always=False):
        """Runs steps after which only the `allowed` ranges of RAM may have changed. Without --long only some of them."""
        self.turn += 1
        if not always and not self.long and self.turn % 10:
            return None
        self.attempts += 1
        before = self.read(0, RAM)
        values = self.script(*steps)
        after = bytearray(self.read(0, RAM))
        own = [(self.copies, self.copies + 16 * len(steps) + 16), (0x100000, self.copies)]  # the script, the guest's stack
        for first, behind in [*allowed, *own]:
            first, behind = max(first, 0), min(behind, RAM)
            if first < behind:
                self.changes += first >= self.copies and after[first:behind] != before[first:behind]
                after[first:behind] = before[first:behind]
        check(after == before, f"{self.engine}: {what}: memory changed that it did not name")
        return values


def find_function(machine, wanted):
    """The place in PCI configuration space of a function of this class."""
    for slot in range(64):
        at = 0x80000000 | slot >> 1 << 11 | (slot & 1) << 8
        if machine.script((OUT32, 0xCF8, at | 8), (IN32, 0xCFC, 0))[1] >> 16 == wanted:
            return at
    return check(False, f"no PCI function of class {wanted:#x}")


def move_window(function, register, where, command):
    return [(OUT32, 0xCF8, function | 4), (OUT16, 0xCFC, 0), (OUT32, 0xCF8, function | register), (OUT32, 0xCFC, where),
            (OUT32, 0xCF8, function | 4), (OUT16, 0xCFC, command)]


def ide(table, count, write, sector=0):
    """Steps for READ or WRITE DMA by a table of regions."""
    return [(OUT8, MASTER, 0), (OUT8, MASTER + 2, 6), *((OUT8, MASTER + 4 + i, table >> 8 * i & 0xFF) for i in range(4)),
            (OUT8, 0x3F6, 2), (OUT8, 0x1F6, 0xE0), (WAIT8, 0x1F7, 0xC0, 0x40), (OUT8, 0x1F2, count), (OUT8, 0x1F3, sector),
            (OUT8, 0x1F4, 0), (OUT8, 0x1F5, 0), (OUT8, 0x1F7, 0xCA if write else 0xC8), (OUT8, MASTER, 1 if write else 9),
            (WAIT8, 0x1F7, 0x80, 0), (IN8, MASTER + 2, 0), (OUT8, MASTER, 0), (OUT8, 0x3F6, 6), (OUT8, 0x3F6, 2),
            (WAIT8, 0x1F7, 0xC0, 0x40)]


def sectors(machine, first, count):
    with open(machine.disk, "rb") as file:
        file.seek(512 * first)
        return file.read(512 * count)


def attack_ide(machine, long):
    machine.script(*move_window(find_function(machine, 0x0101), BUS_MASTER, MASTER, 5))
    table = 0x500000
    for place in PLACES:
        for offset, size in ((0, 0x2000), (8, 0x1000), (0, 0x10000)):
            at = place + offset & 0xFFFFFFFE
            machine.write(table, struct.pack("<IHH", at, size & 0xFFFF, 0x8000))
            allowed = [(at, at + size), (at - (1 << 32), at + size - (1 << 32))]
            machine.guarded(f"IDE to {at:#x}", allowed, *ide(table, size // 512 or 128, False))
            # Back from there to the disk.
            if not machine.guarded(f"IDE from {at:#x}", [], *ide(table, 8, True, 128)):
                continue
            got = sectors(machine, 128, 8)
            check(CANARY.encode()[:64] not in got, f"{machine.engine}: the disk got a canary from {at:#x}")
            if RAM <= at and at + 4096 <= 0xC0000000:
                check(got in (b"\xff" * 4096, MARK * 256), f"{machine.engine}: the disk got {got[:16]} from {at:#x}")
    for where in [*PLACES, 0xFFFFFFFC, 0xFFFC, 0x1FFFC]:  # the table itself
        for write in (False, True):
            near = where & 0xFFFFFFFC
            entries = machine.read(near, 4096) if near + 4096 <= RAM else b""
            allowed = [(at, at + (size or 0x10000)) for at, size, _ in struct.iter_unpack("<IHH", entries)] if near + 4096 <= RAM else []
            if near < RAM <= near + 4096:
                continue
            if allowed and any(first < 0x400000 for first, _ in allowed if first):
                continue  # what lies there as a table would overwrite the guest
            machine.guarded(f"an IDE table at {near:#x}", allowed, *ide(near, 8, write, 200))
    # Tables of many regions, in pieces.
    source = random.Random(4)
    for _ in range(100 if long else 10):
        regions = [(source.choice(PLACES[:13]) + source.randrange(0, 0x8000, 2) & 0xFFFFFFFE, source.choice([2, 6, 512, 1022, 0x8000])) for _ in range(20)]
        machine.write(table, b"".join(struct.pack("<IHH", at, size, 0x8000 * (i == 19)) for i, (at, size) in enumerate(regions)))
        for write in (False, True):
            machine.guarded(f"IDE regions {regions}", [] if write else [(at, at + size) for at, size in regions], *ide(table, 64, write, 128))
    check(CANARY.encode()[:64] not in sectors(machine, 0, SECTORS), f"{machine.engine}: a canary is on the disk")


def attack_fw_cfg(machine, long):
    control = 0x500000

    def run(at):
        return [(OUT32, 0x514, int.from_bytes((at >> 32).to_bytes(4, "big"), "little")),
                (OUT32, 0x518, int.from_bytes((at & 0xFFFFFFFF).to_bytes(4, "big"), "little"))]

    for place in PLACES + HIGH:
        for command in (0x0000000A, 0x00110000 | 0xA, 0x00190000 | 0xA, 2, 4, 0x10, 0x1E):
            for length in (0, 1, 0x1000, 0x20000, 0xFFFFFFFF):
                if place < 0x100000 < place + length or length == 0xFFFFFFFF and (place < RAM - 0x1000 or not long and command != 0xA):
                    continue
                machine.write(control, struct.pack(">IIQ", command, length, place))
                allowed = [(control, control + 4), (place, place + length)]
                machine.guarded(f"fw_cfg {command:#x} of {length:#x} to {place:#x}", allowed, *run(control))
        if place != 0x400000:  # the command block itself
            machine.guarded(f"a fw_cfg command at {place:#x}", [(place, place + 16)] if place < RAM else [], *run(place))


def floppy(*command):
    for byte in command:
        yield WAIT8, 0x3F4, 0xC0, 0x80
        yield OUT8, 0x3F5, byte


def attack_isa(machine, _):
    """The floppy's channel of the 8237: 24 bits of address, that wrap at 64 KiB."""
    results = [step for _ in range(7) for step in ((WAIT8, 0x3F4, 0xC0, 0xC0), (IN8, 0x3F5, 0))]
    machine.script((OUT8, 0x3F2, 0), (OUT8, 0x3F2, 0x1C), *(step for _ in range(4) for step in (
        *floppy(8), (WAIT8, 0x3F4, 0xC0, 0xC0), (IN8, 0x3F5, 0), (WAIT8, 0x3F4, 0xC0, 0xC0), (IN8, 0x3F5, 0))),
        *floppy(3, 0xDF, 2), *floppy(7, 0), *floppy(8), (WAIT8, 0x3F4, 0xC0, 0xC0), (IN8, 0x3F5, 0), (WAIT8, 0x3F4, 0xC0, 0xC0), (IN8, 0x3F5, 0))
    for page in (0x50, 0x51, 0xFE, 0xFF, 0x0A, 0x0B, 0x0C, 0x0E, 0x0F):
        for offset in (0, 0x1000, 0xFFF0, 0xFFFF):
            for count in (511, 1023, 0xFFFF):
                for mode in (0x46, 0x66, 0x4A, 0x56):  # to memory, downwards, from memory, again and again
                    base = page << 16
                    allowed = [] if mode == 0x4A else [(base, base + 0x10000)]
                    command = 0xC5 if mode == 0x4A else 0xE6
                    machine.guarded(
                        f"ISA DMA, mode {mode:#x}, at {base + offset:#x}", allowed, (OUT8, 0x0A, 6), (OUT8, 0x0C, 0), (OUT8, 4, offset & 0xFF),
                        (OUT8, 4, offset >> 8), (OUT8, 5, count & 0xFF), (OUT8, 5, count >> 8), (OUT8, 0x81, page), (OUT8, 0x0B, mode),
                        (OUT8, 0x0A, 2), *floppy(command, 0, 0, 0, 1, 2, 18, 0x1B, 0xFF), *results)
    with open(machine.floppy, "rb") as file:
        check(CANARY.encode()[:64] not in file.read(), f"{machine.engine}: a canary is on the floppy")


def attack_windows(machine, _):
    """Where windows of PCI functions lie: on RAM, ROM, each other, other devices, at the ends of addresses."""
    card, disk, table = find_function(machine, 0x0300), find_function(machine, 0x0101), 0x500000
    for register, size in ((LFB, 16 << 20), (REGISTERS, 4096)):
        home, = machine.script((OUT32, 0xCF8, card | register), (IN32, 0xCFC, 0))[1:]
        for window in WINDOWS:
            at = window & -size
            if not at:
                continue  # what lies in RAM stays RAM, and there is the guest
            edges = [at, at + size - 4 & END, at + size & END, at - 4]
            reach = [(what, edge, 0x6C6C6C6C) for edge in edges if edge >= 0x400000 for what in (STORE32, LOAD32)]
            machine.write(table, struct.pack("<IHHIHH", at + 0x40, 2048, 0, at + size - 0x800 & END, 2048, 0x8000))
            seen = machine.guarded(
                f"window {register:#x} at {at:#x}", [(at - 4, at + size + 0x1000)], *move_window(card, register, at, 7), *reach,
                *ide(table, 8, False), *ide(table, 8, True, 128), (LOAD32, at + 0x40, 0), *move_window(card, register, home, 3),
                always=window == FREE)
            if register == LFB and window == FREE:
                there = struct.pack("<I", seen[-7])
                check(there == MARK[:4] == sectors(machine, 128, 1)[:4], f"{machine.engine}: the bus master wrote {there} to a window")
    for port in PORTS:
        machine.guarded(f"bus master at port {port:#x}", [], *move_window(disk, BUS_MASTER, port, 5), (IN8, port + 2, 0),
                        (OUT32, 0xCF8, disk | 4), (OUT16, 0xCFC, 0))
    machine.write(table, struct.pack("<IHH", 0x400000, 4096, 0x8000))
    machine.guarded("after all that", [(0x400000, 0x401000)], *move_window(disk, BUS_MASTER, MASTER, 5), *ide(table, 8, False),
                    always=True)
    check(CANARY.encode()[:64] not in sectors(machine, 0, SECTORS), f"{machine.engine}: a canary is on the disk")


def attack(engine, long):
    machine = Agent(engine, long)
    canaries = list(machine.find(CANARY.encode(), lambda *m: m[2] in ("[heap]", "[stack]") or not m[2]))
    done = {}
    for name, function in (("IDE", attack_ide), ("fw_cfg", attack_fw_cfg), ("8237", attack_isa), ("windows", attack_windows)):
        machine.changes = machine.attempts = 0
        function(machine, long)
        done[name] = machine.attempts
        check(machine.changes > 0, f"{engine}: {name} moved nothing at all")
        never_both(machine)
    for at in canaries:
        check(os.pread(machine.memory.fileno(), len(CANARY), at) == CANARY.encode(), f"{engine}: a canary at {at:x} was changed")
    machine.end()
    print(f"{engine}: {done} transfers, none left the guest's memory", flush=True)


if __name__ == "__main__":
    LONG = "--long" in sys.argv
    for name in ["bt", "interp", "bt,chaos=1"] if LONG else ["bt"]:
        attack(name, LONG)
