#!/usr/bin/env python3
"""Hostile guest code outside 64-bit mode cannot reach ring3, nor users the guest's kernel.

hostile32.S tries the forms of forms32.inc as this script says: it writes page tables, segments and addresses into the
guest's memory and reads what came of each form. All engines get the same attacks one after another and have to agree on
every register, exception and stored byte; whether a form may get through is decided here, from the SDM's rules alone.

Usage: isolation32.py [--long] [--seed N]; environment: RING3, TEST_KERNELS.
"""
import dataclasses
import os
import random
import struct
import sys

from isolation import CANARY, ENGINES, ENGINES_LONG, Hostile, check, interesting, never_both

KERNEL = os.path.join(os.environ["TEST_KERNELS"], "hostile32")
MAGIC = b"hostile32 is here, at its block."
G4 = 1 << 32
STACK, SILENT, NARROW, HUGE, HOST, EITHER, FLAT, FETCH, READ, INNER, PROTECTED, LOADS, RESUMED = (1 << i for i in range(13))
PARAMETERS = ["paging", "cr4", "kernel_cr3", "cr3", "bits", "real", "a20", "cs", "ss", "esp", "eflags", "selector", "home",
              "distance", "index", "skip", "only", "copies", "code"]
RECORD = ["vector", "error", "cr2", "eflags", "eip", "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "cs", "ss", "es"]
EXIT, NOT_RUN = 0x30, 0xFFFFFFFE
TARGET, USER_CODE32, USER_CODE16, USER_DATA, CODE32, CODE16, DATA, DATA16 = 0x60, 0x3B, 0x83, 0x43, 0x08, 0x18, 0x10, 0x20
PRESENT, WRITABLE, USER, PSE = 1, 2, 4, 0x80
CR4_PSE, CR4_PAE, CR4_SMEP = 0x10, 0x20, 0x100000

HOME = 0x50810000  # where the attacked page is mapped; the page behind it is the kernel's
LOW_HOME = 0x70000  # and once more for virtual-8086 mode
LOW_STACK = 0x6F000
NOT_CODE = HOME + 0x10000  # the same page, in PAE without the right to execute it
KERNEL_CODE = 0x40000000  # here the forms are mapped for the kernel alone, from where they were linked for
BEYOND = 0x60000000  # pages that lead out of RAM
QUICK = 6  # attacks of a kind in each mode, without --long
OWN_TABLES = 0x78000000  # the page tables of the attacked page show here, to users too


@dataclasses.dataclass
class Mode:
    name: str
    paging: int  # 0: none, 1: 32-bit, 2: PAE
    ring: int
    bits: int
    kind: str = "protected"  # or v86, real


MODES = [Mode("kernel, no paging", 0, 0, 32), Mode("kernel", 1, 0, 32), Mode("user", 1, 3, 32), Mode("kernel, PAE", 2, 0, 32),
         Mode("user, PAE", 2, 3, 32), Mode("user, 16 bits", 1, 3, 16), Mode("kernel, 16 bits, PAE", 2, 0, 16),
         Mode("virtual-8086", 1, 3, 16, "v86"), Mode("virtual-8086, PAE", 2, 3, 16, "v86"), Mode("real", 0, 0, 16, "real")]


@dataclasses.dataclass
class Attack:
    mode: Mode
    base: int  # of the segment
    home: int  # H
    distance: int  # D
    expect: str = "same"  # "faults": no form may come through; "nowhere": reads give ones, nothing is stored
    limit: int = G4 - 1
    access: int = 0x93  # DPL 0
    big: bool = True
    high: int = 0  # bits 29 to 31 of the index, which the scale shifts out
    skip: int = 0
    eflags: int = 0
    copies: bool = False
    cr4: int = 0
    a20: int = 0
    template: bytes = b""
    only: int = G4 - 1
    code: int = 0  # runs at another mapping, this far away

    def __post_init__(self):
        self.base %= G4

    def linear(self):
        return (self.base + (self.home + self.distance) % G4) % G4

    def narrow(self):
        return (self.base + (self.home + self.distance) % 0x10000) % G4


def descriptor(attack, dpl, access=None):
    access = (attack.access if access is None else access) & 0x9F | dpl << 5
    limit, flags = attack.limit, 4 if attack.big else 0
    if limit > 0xFFFFF:
        limit, flags = limit >> 12, flags | 8
    return (limit & 0xFFFF | (attack.base & 0xFFFFFF) << 16 | access << 40 | (limit >> 16) << 48 | flags << 52
            | (attack.base >> 24) << 56)


def unmapped(linear):
    """For the kernel, and well away from what is mapped."""
    mapped = [(0, 16 << 20), (HOME, HOME + 0x20000), (BEYOND, BEYOND + 0x20000000)]
    return not any(first - 0x1000 < linear < behind + 0x200 for first, behind in mapped)


class Machine(Hostile):
    """A machine with hostile32 in it, and its memory."""

    def __init__(self, engine, *options):
        super().__init__(engine, KERNEL, *options)
        for _ in range(2):  # the first answer says that the guest has come so far
            self.socket.sendall(b"?")
        self.ram = self.block = None
        while not self.block:
            self.look()
        fields = struct.unpack("<17I", self.read(self.block + 32, 68))
        (_, self.page, self.template, self.code, self.code_end, self.low, self.low_end, self.stack, self.results, self.copies,
         self.tables, table32, count32, table16, count16, self.high, self.smep) = fields
        check(0x10A000 <= self.high < 0x10E000, f"the area above 1 MiB lies at {self.high:#x}")
        self.flags = {bits: [struct.unpack("<II", self.read(table + 8 * i, 8))[1] for i in range(count)]
                      for bits, table, count in ((32, table32, count32), (16, table16, count16))}
        self.roots, self.areas = [0, 0, 0], {}

    def look(self):
        for first, behind, _, name in self.mappings():
            if "ring3-memory" in name and behind - first >= 16 << 20:
                at = os.pread(self.memory.fileno(), 4 << 20, first).find(MAGIC)
                if at >= 0:
                    self.block, = struct.unpack("<I", os.pread(self.memory.fileno(), 4, first + at + 32))
                    self.ram = first + at - self.block

    def read(self, at, size):
        return os.pread(self.memory.fileno(), size, self.ram + at)

    def write(self, at, data):
        os.pwrite(self.memory.fileno(), data, self.ram + at)

    def set_tables(self, paging, extra):
        """Page tables of one kind: identity for the kernel, code and stacks for users, the attacked pages."""
        if self.roots[paging]:
            return
        pages = {page << 12: page << 12 | PRESENT | WRITABLE for page in range(4096)}
        for first, behind in ((self.code, self.code_end), (0x8000, 0x8000 + self.low_end - self.low)):
            for at in range(first, behind, 4096):
                pages[at] |= USER
        for at in (self.stack, LOW_STACK):
            pages[at] |= USER
        for at in (HOME, LOW_HOME):
            pages[at] = self.page | PRESENT | WRITABLE | USER
            pages[at + 4096] = self.page + 4096 | PRESENT | WRITABLE
        pages[NOT_CODE] = pages[HOME] | (1 << 63 if paging == 2 else 0)
        for page in range(0x72, 0x7F):
            del pages[page << 12]
        pages[LOW_HOME + 0xF000] = pages[LOW_HOME]
        for at in range(self.code, self.code_end, 4096):
            pages[at + KERNEL_CODE] = at | PRESENT
        pages.update(extra)
        size, shift, entries = (4, 22, 1024) if paging == 1 else (8, 21, 512)
        area, start = bytearray(128 * 1024), self.tables + (paging - 1) * 128 * 1024
        root, used = (0, 1) if paging == 1 else (4096, 5)
        form = "<I" if size == 4 else "<Q"
        if paging == 2:  # four directories at the start, the pointers behind
            for i in range(4):
                struct.pack_into("<Q", area, 0x4000 + 8 * i, start + 4096 * i | PRESENT)
            root = 0x4000
        made = {}
        for linear, entry in pages.items():
            slot = (linear >> shift) * size
            if entry & PSE:
                struct.pack_into(form, area, slot, entry)
                continue
            if slot not in made:
                made[slot] = used * 4096
                used += 1
                struct.pack_into(form, area, slot, start + made[slot] | PRESENT | WRITABLE | USER)
            struct.pack_into(form, area, made[slot] + (linear >> 12) % entries * size, entry)
        check(used <= 32, f"{used} pages of page tables")
        own = 0 if paging == 1 else 4096  # directory that maps HOME
        struct.pack_into(form, area, (OWN_TABLES >> shift) * size, start + own | PRESENT | WRITABLE | USER)
        self.roots[paging] = start + root
        self.areas[paging] = start, area
        self.write(start, area)

    def start(self, attack, extra):
        mode = attack.mode
        if mode.paging:
            self.set_tables(mode.paging, extra)
        cr3 = self.roots[mode.paging]
        if mode.kind == "v86":
            cs, ss, esp, selector = 0x800, LOW_STACK >> 4, 0xF00, attack.base >> 4
        elif mode.ring == 3:
            cs = USER_CODE32 if mode.bits == 32 else USER_CODE16
            ss, esp, selector = USER_DATA, self.stack + 0xF00, TARGET + 3
        else:
            cs, ss, esp, selector = CODE32 if mode.bits == 32 else CODE16, DATA, self.stack + 0xF00, TARGET
        if mode.kind == "real":
            ss, esp = DATA16, 0x7000
        index = (attack.distance % G4) // 8 | attack.high << 29
        values = {"paging": mode.paging, "cr4": attack.cr4 | (CR4_PSE if mode.paging == 1 else CR4_PAE if mode.paging else 0),
                  "kernel_cr3": cr3, "cr3": cr3, "bits": mode.bits, "real": mode.kind == "real", "a20": attack.a20, "cs": cs,
                  "ss": ss, "esp": esp, "selector": selector, "home": attack.home % G4, "distance": attack.distance % G4,
                  "index": index, "skip": attack.skip, "only": attack.only, "code": attack.code, "copies": attack.copies,
                  "eflags": 2 | attack.eflags | (0x3000 if mode.ring else 0) | (0x20000 if mode.kind == "v86" else 0)}
        data = struct.pack(f"<{len(PARAMETERS)}I", *(int(values[name]) for name in PARAMETERS))
        data += struct.pack("<3Q", descriptor(attack, mode.ring), descriptor(attack, 0), descriptor(attack, mode.ring, 0x9B))
        self.write(self.block + 256, data)
        self.write(self.template, attack.template.ljust(4096, b"\0"))
        self.write(self.page, bytes(4096) + b"\x5a" * 4096)
        self.socket.sendall(b"g")

    def finish(self, attack):
        self.receive()
        if attack.mode.paging:
            self.write(*self.areas[attack.mode.paging])
        count = len(self.flags[attack.mode.bits])
        return self.read(self.results, 64 * count), self.read(self.page, 8192)

    def copy(self, number):
        return self.read(self.copies + 8192 * number, 8192)


def records(data):
    return [dict(zip(RECORD, struct.unpack_from("<16I", data, at))) for at in range(0, len(data), 64)]


def differences(a, b, flags):
    if a["vector"] == b["vector"] == NOT_RUN:
        return {}
    return {key: f"{a[key]:#x} and {b[key]:#x}" for key in a if a[key] != b[key] and not (key == "eflags" and flags & RESUMED)}


def near(linear, place):
    return (linear - place + 0x11000) % G4 < 0x22000


class Judge:
    """Runs each attack on all machines."""

    def __init__(self, machines):
        self.machines = machines
        self.attempts = self.attacks = self.worked = 0
        self.wrong = []
        self.known = set()

    def complain(self, attack, number, what):
        key = attack.mode.name, number
        if key in self.known:
            return
        self.known.add(key)
        self.wrong.append(f"form {number}: {what}\n    {attack}")
        print(f"FAILED: {self.wrong[-1]}", flush=True)
        check(len(self.wrong) < 20, "too much is wrong")

    def judge(self, attack, machine, results, pages):
        flags = machine.flags[attack.mode.bits]
        for number, record in enumerate(records(results)):
            if record["vector"] == NOT_RUN:
                continue
            self.attempts += 1
            through = record["vector"] == EXIT and record["eip"] < 0x80
            self.worked += through
            if attack.expect == "faults" and not flags[number] & (SILENT | EITHER):
                if through:
                    self.complain(attack, number, f"{machine.engine}: no exception: {record}")
                elif record["vector"] == 14 and not any(near(record["cr2"], place) for place in
                                                         (attack.linear(), attack.narrow(), attack.base + attack.home)):
                    self.complain(attack, number, f"{machine.engine}: page fault at {record['cr2']:#x}")
            if attack.expect == "nowhere" and through and flags[number] & READ and record["eax"] != G4 - 1:
                self.complain(attack, number, f"{machine.engine}: read {record['eax']:#x}")
        if attack.expect == "nowhere" and attack.base and pages[:4096] != bytes(4096):
            self.complain(attack, -1, f"{machine.engine}: the page in RAM has changed")
        if attack.mode.ring == 3 and pages[4096:] != b"\x5a" * 4096:
            self.complain(attack, -1, f"{machine.engine}: the kernel's page has changed")

    def __call__(self, attack, extra={}):
        self.attacks += 1
        attack.skip |= skipped(attack)
        for machine in self.machines:
            machine.start(attack, extra)
        try:
            outcomes = [machine.finish(attack) for machine in self.machines]
        except SystemExit:
            print(attack, flush=True)
            raise
        first, expected = self.machines[0], outcomes[0]
        flags = first.flags[attack.mode.bits]
        for machine, outcome in zip(self.machines, outcomes):
            self.judge(attack, machine, *outcome)
            if machine is first:
                continue
            if outcome[0] != expected[0]:
                for number, (a, b) in enumerate(zip(records(expected[0]), records(outcome[0]))):
                    differ = differences(a, b, flags[number])
                    if differ:
                        self.complain(attack, number, f"{first.engine} and {machine.engine} differ, vector {a['vector']:#x}: {differ}")
            if attack.copies:
                run = [r["vector"] != NOT_RUN for r in records(expected[0])]
                number_of_copy = 0
                for number, ran in enumerate(run):
                    if not ran:
                        continue
                    if not flags[number] & HOST and first.copy(number_of_copy) != machine.copy(number_of_copy):
                        self.complain(attack, number, f"{first.engine} and {machine.engine} stored different bytes")
                    number_of_copy += 1


def skipped(attack):
    """The forms that make no sense for an attack, or would end the guest."""
    skip = 0
    mode = attack.mode
    if mode.kind != "protected":
        skip |= PROTECTED
    if mode.kind == "v86" and attack.home + attack.distance > 0xFFFF:
        skip |= STACK  # SP is what counts
    if mode.kind == "real":
        skip |= HUGE | FETCH | INNER
        at = attack.home + attack.distance
        if attack.big or attack.expect != "same" or at & 1 or not 0x100 <= at % 0x1000 <= 0xF00 or at > 0xFFFF:
            skip |= STACK  # the next exception would end the guest
    if attack.base:
        skip |= FLAT
    if not mode.paging:
        skip |= HUGE | FETCH
    if attack.expect != "faults":
        skip |= FETCH | FLAT
    if attack.copies or mode.ring == 0:
        skip |= INNER
    narrow = attack.narrow()
    at_home = any(home - 0x400 <= narrow < home + 0x1000 for home in (HOME, LOW_HOME))
    if narrow != attack.linear() and not (at_home and attack.expect != "faults" or mode.paging and unmapped(narrow)):
        skip |= NARROW
    if mode.paging and not unmapped(attack.linear()):
        skip |= INNER  # the kernel's rights
    return skip


UNMAPPED = [0x10000400, 0x7FFFF400, 0x80000400, 0xBFFFF7F8, 0xC0000008, 0xFFFFF400, 0xFFBFF400, HOME - 0x1C00, HOME + 0x2400, HOME + 0x400400]
KERNELS = [0x1400, 0x100400, HOME + 0x1400, 0xFFF400, LOW_HOME + 0x1400]


def flat_attacks(mode, long):
    """Through segments without a limit whose base and offsets add up to 4 GiB once and more."""
    places = UNMAPPED + (KERNELS if mode.ring == 3 else [])
    bases = [0, HOME, G4 - 16, HOME + 0x7FFFFFF0, 0x80000000, 0xFFFFF000, HOME - 0x10][:None if long else 4]
    for i, place in enumerate(places):
        for j, base in enumerate(bases):
            for high in {(i + 3 * j) % 8, (i + 3 * j + 3) % 8} if long else ((i + 3 * j) % 8,):
                home = (HOME - base) % G4
                distance = (place - HOME) % G4
                yield Attack(mode, base, home, distance, "faults", high=high, eflags=0x400 * (i + j & 1))


def limit_attacks(mode):
    """The page is there, the segment ends before; or begins behind it."""
    for base in (HOME, HOME - 0x8000, HOME - 0x12340000):
        start = HOME - base
        below = start + 0x5FF if start < 0x10000 else start - 1
        for offset in (0x900, 0xFF8, 0xFFF):
            for limit, access, big in ((below, 0x93, True), (start + 0x1FFF, 0x97, True), (0xFFFF, 0x97, False)):
                yield Attack(mode, base, start, offset, "faults", limit=limit, access=access, big=big)
    for last in (0x7FF, 0x800, 0x801, 0x803, 0x807, 0x80F, 0xFFF, 0x101F):
        for access in (0x93, 0x97, 0x91, 0x95):
            for offset in (0x800, 0xFFC):
                yield Attack(mode, HOME, 0, offset, limit=last, access=access, copies=True)
                yield Attack(mode, HOME, 0, offset, limit=last, access=access, big=False, copies=True)


def hits(mode, source):
    """At the page itself, up to its end, and over it; with wraps at 64 KiB and 4 GiB that come out there."""
    template = b"".join(struct.pack("<IHH", source.choice([0, 0x123, HOME, 0xFFFFFFFF, 0x10000]),
                                    source.choice([0, 0x10, 0x43, 0x60, 0x63, 0x68, 0x3B, 0x50, 0xFFF8]), source.getrandbits(16)) for _ in range(512))
    for big in (True, False):
        for base in (0, HOME, HOME - 0xF000, HOME + 0x400, HOME - 0x80000000, G4 - 0x1000):
            for offset in (0x10, 0x800, 0xC03, 0xFC0, 0xFE1, 0xFF1, 0xFF8, 0xFFC, 0xFFD, 0xFFF):
                home = (HOME - base) % G4
                if home + offset >= 1 << 16 and not big:
                    continue
                yield Attack(mode, base, home, offset, copies=True, big=big, template=template if offset & 1 else b"", high=offset % 8,
                             eflags=0x400 * (offset >> 1 & 1))
    for base in (HOME - 0xF000, HOME - 0xFFF0):  # 64 KiB end inside the page
        for offset in (0xFFF8, 0xFFFC, 0xFFFE, 0xFFFF):
            for limit in (0xFFFF, G4 - 1):
                yield Attack(mode, base, 0xF800, offset - 0xF800, copies=True, big=False, limit=limit)
    for back in (1, 2, 3, 4, 8, 15, 31, 100):  # 4 GiB do
        yield Attack(mode, HOME + 0x800, G4 - back - 0x100, 0x100, copies=True)
        yield Attack(mode, HOME + 0x800, 0, back, copies=True)
        yield Attack(mode, LOW_HOME, 0, back, copies=True, big=False, limit=0xFFFF)
        yield Attack(mode, LOW_HOME, 0, 0x10000 - back, copies=True, big=False, eflags=0x400)


def code_attacks(mode, machine):
    """The attacked page as code: users may not execute what NX says, nor the kernel what users may (SMEP), and no
    instruction goes on in a page that may not be read."""
    for number, flags in enumerate(machine.flags[mode.bits]):
        if not (flags & FLAT and flags & FETCH):
            continue
        if mode.ring == 0 and machine.smep:
            yield Attack(mode, 0, HOME, 0, "faults", only=number, cr4=CR4_SMEP, code=KERNEL_CODE)
        if mode.ring == 3 and mode.paging == 2:
            yield Attack(mode, 0, HOME, NOT_CODE - HOME, "faults", only=number)
        for code in (b"\xb8", b"\x90\x90\xe8\0", b"\x66", b"\x0f", b"\xf2\xf0\x2e", b"\x8b\x80\0\0\0", b"\xcd", b"\xc7\x05" + b"\0" * 5):
            template = bytes(4096 - len(code)) + code
            if mode.ring == 3:
                yield Attack(mode, 0, HOME, 4096 - len(code), "faults", only=number, template=template, copies=True)


def table_attacks(mode, machine):
    """The page-table entry of the attacked page, through a directory that maps itself; users may write it. One form at a
    time: what it makes of the entry may be anything."""
    entry = OWN_TABLES + ((HOME >> 12) * 4 if mode.paging == 1 else (HOME % (1 << 30) >> 12) * 8)
    for number, flags in enumerate(machine.flags[mode.bits]):
        yield Attack(mode, 0, HOME, entry - HOME, skip=HUGE | NARROW | FETCH, only=number)


def v86_attacks(mode):
    for start in (0, 0x10, 0x7FF0, 0xF000):
        base = LOW_HOME - start
        for offset in (0, 0x800, 0xFF0, 0xFF8, 0xFFC, 0xFFD, 0xFFF):
            yield Attack(mode, base, start, offset, copies=True)
        for place in (LOW_HOME + 0x1400, LOW_HOME + 0x2400, LOW_HOME + 0x4FF0):
            if place - base < 0x10000:
                yield Attack(mode, base, start, place - LOW_HOME, "faults")
        for distance in (0x10000, 0x7FFF0000, 0x80000000, 0xFFFF0000):
            yield Attack(mode, base, start, distance + 0x408, "faults", skip=NARROW, high=5)
    for base in (0xFFFF0, 0xFFF00, 0xF8000, 0xE0000):
        yield Attack(mode, base, 0xFFE0, 8, "faults")  # the kernel above 1 MiB
    for offset in (0, 1, 2, 3, 4, 7, 8, 15, 31, 0xFFF0, 0xFFFC, 0xFFFE, 0xFFFF):  # around the end, which is in the page too
        yield Attack(mode, LOW_HOME, 0, offset, copies=True, eflags=0x400 * (offset & 1))
    for offset in (0xFFF0, 0xFFF8, 0xFFFC, 0xFFFE, 0xFFFF):
        yield Attack(mode, LOW_HOME - 0xF000, 0xF800, offset - 0xF800, copies=True)


def nowhere_attacks(mode, extra_places):
    for place in extra_places:
        for offset in (0x400, 0xFF8):
            yield Attack(mode, 0, HOME if mode.paging else 0x60000, place + offset - (HOME if mode.paging else 0x60000), "nowhere", skip=NARROW | HUGE | STACK | INNER)
            yield Attack(mode, 0x1000, place - 0x1000, offset, "nowhere", skip=NARROW | HUGE | STACK | INNER, high=3)


def outside(machine, paging):
    """Pages that lead beyond RAM: (mappings, the first linear address of each)."""
    rights = PRESENT | WRITABLE | USER
    frames = [16 << 20, 0x3FFFF000, 0xC0000000, 0xDFFFF000]
    if paging == 2:
        frames += [G4 | machine.page, G4, 0xFFFFFF000, 37 << 32 | machine.page, 1 << 38 | machine.page]
    extra = {BEYOND + (i << 13): frame | rights for i, frame in enumerate(frames)}
    large = [frame & ~0x3FFFFF for frame in frames[2:]]
    for i, frame in enumerate(large):
        extra[BEYOND + 0x10000000 + (i << 22)] = frame | rights | PSE
    if paging == 1:  # PSE-36: bits 32 to 39 of the address in bits 13 to 20
        extra = {at: entry for at, entry in extra.items() if not entry & PSE}
        for i, high in enumerate((1, 2, 15, 0x80)):
            extra[BEYOND + 0x10000000 + (i << 22)] = rights | PSE | high << 13
    return extra


def kinds_of_attack(mode, machines, long, source):
    first = machines[0]
    if mode.kind == "v86":
        return [v86_attacks(mode)]
    if mode.kind == "real":
        return [real_attacks(mode, first), nowhere_attacks(mode, [16 << 20, 0x3FFFF000, 0xC0000000])]
    if not mode.paging:
        return [unpaged_attacks(mode, first), nowhere_attacks(mode, [16 << 20, 0x3FFFF000, 0x7FFFF000, 0xC0000000, 0xDFFFF000])]
    return [flat_attacks(mode, long), limit_attacks(mode), hits(mode, source), nowhere_attacks(mode, outside(first, mode.paging)),
            near_attacks(mode, machines, long), code_attacks(mode, first), table_attacks(mode, first)]


def attack_all(machines, long):
    judge = Judge(machines)
    source = random.Random(int(sys.argv[sys.argv.index("--seed") + 1]) if "--seed" in sys.argv else 32)
    extras = {paging: outside(machines[0], paging) for paging in (1, 2)}
    for mode in MODES:
        before, worked = judge.attempts, judge.worked
        for attacks in kinds_of_attack(mode, machines, long, source):
            attacks = list(attacks)
            for attack in attacks if long else source.sample(attacks, min(len(attacks), QUICK)):
                judge(attack, extras.get(mode.paging, {}))
            for machine in machines:
                never_both(machine)
        print(f"{mode.name}: {judge.attempts - before} attempts, {judge.worked - worked} of them rightly came through", flush=True)
        check(judge.worked > worked, f"{mode.name}: no form works at all")
    return judge


def unpaged_attacks(mode, machine):
    page = machine.page
    for base in (0, page, G4 - 0x1000, 0x80000000):
        for offset in (0x10, 0x800, 0xFF8, 0xFFD):
            yield Attack(mode, base, (page - base) % G4, offset, copies=True, skip=NARROW if base != page else 0)


def real_attacks(mode, machine):
    page = machine.page
    for limit in (0xFFFF, G4 - 1):
        for start in (0, 0x10, 0x8000, 0xF000):
            for offset in (0, 0x400, 0x800, 0x8F0, 0xFF0, 0xFFC, 0xFFD, 0xFFF):
                yield Attack(mode, page - start, start, offset, copies=True, limit=limit, big=offset & 0x100 != 0)
        for offset in (0xFFF0, 0xFFFC, 0xFFFF):
            yield Attack(mode, page - 0xF000, 0xF800, offset - 0xF800, copies=True, limit=limit)
    for distance in (0x10000, 0x7FFF0000, 0x80000000, 0xFFFF0000):
        yield Attack(mode, page, 0, distance + 0x408, "faults", limit=0xFFFF, skip=NARROW, high=5)
    for base in (0xFFFF0, 0xFFF00):
        for a20 in (0, 1):
            for offset in (0x800, 0xFFD):
                yield Attack(mode, base, 0x1000, machine.high + offset - base - 0x1000, a20=a20, limit=0xFFFF, skip=LOADS)


def near_attacks(mode, machines, long):
    """Parts of the process that an address reaches whose parts are added without an end at 4 GiB."""
    for machine in machines:
        for target in interesting(machine, long):
            distance = target - machine.ram - machine.page
            if 0 < distance < 8 * G4 and unmapped((HOME + distance) % G4):
                yield Attack(mode, 0, HOME, distance & ~7, "faults", high=distance // G4 % 8)


def main():
    long = "--long" in sys.argv
    engines = ENGINES_LONG if long else ENGINES
    machines = [Machine(engine) for engine in ["interp", *(name for name in engines if name != "interp")]]
    canaries = [list(machine.find(CANARY.encode(), lambda *m: m[2] in ("[heap]", "[stack]") or not m[2])) for machine in machines]
    judge = attack_all(machines, long)
    for machine, places in zip(machines, canaries):
        never_both(machine)
        check(len(places) > 1, f"{machine.engine}: {len(places)} canaries")
        for at in places:
            check(os.pread(machine.memory.fileno(), len(CANARY), at) == CANARY.encode(), f"{machine.engine}: a canary at {at:x} was changed")
        machine.end()
    check(not judge.wrong, f"{len(judge.wrong)} attempts")
    print(f"{judge.attempts // len(machines)} attempts in {judge.attacks} attacks on each of {len(machines)} engines")


if __name__ == "__main__":
    main()
