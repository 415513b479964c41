#!/usr/bin/env python3
"""Code that runs while the guest's vector state is live may not call C library functions, which use SSE and AVX freely.

Looks at the objects compiled for general registers only, as they stand in the archives: their undefined symbols must be
defined in the project or stand on the list below.

Usage: vector_live.py LIST   (lines "ARCHIVE SOURCE", the vector-live sources; lines "ARCHIVE -", all the archives)
"""
import subprocess
import sys
from pathlib import Path

# C library symbols these objects may use, and why that is safe.
ALLOWED = {
    "_GLOBAL_OFFSET_TABLE_": "not a call",
    "environ": "not a call",
    "__errno_location": "returns an address; general registers only",
    "mmap": "a bare system call",
    "munmap": "a bare system call",
    "mprotect": "a bare system call",
    "madvise": "a bare system call",
    "abort": "never returns to the guest",
    "__stack_chk_fail": "never returns to the guest",
}


def lines_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def read_symbols(archive):
    """Symbols of an archive: {member: [(kind, name)]}, kinds as nm prints them."""
    members = {name: [] for name in lines_of("ar", "t", archive)}
    member = None
    for line in lines_of("nm", archive):
        if line.endswith(":"):
            member = line[:-1]
        elif line.strip():
            *_, kind, name = line.split()
            members[member].append((kind, name))
    return members


def main():
    lines = [line.split() for line in Path(sys.argv[1]).read_text().splitlines() if line]
    archives = {archive: read_symbols(archive) for archive, _ in lines}
    defined = {name for members in archives.values() for entries in members.values() for kind, name in entries
               if kind not in "Uw"}
    live = [(archive, source) for archive, source in lines if source != "-"]
    problems = []
    for archive, source in live:
        member = Path(source).name + ".o"
        if member not in archives[archive]:
            problems.append(f"{source}: no {member} in {archive}")
        for kind, name in archives[archive].get(member, ()):
            if kind in "Uw" and name not in defined and name not in ALLOWED:
                problems.append(f"{source}: calls {name}() while the guest's vector state is live")
    print("\n".join(problems) or f"vector_live: {len(live)} objects keep the guest's vector state")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
