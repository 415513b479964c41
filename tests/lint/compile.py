#!/usr/bin/env python3
"""Compiles without output: every header alone with GCC, and every source and header with Clang, warnings as errors.

Usage: compile.py BUILD_DIR   (reads its compile_commands.json; the build is GCC's)
"""
import json
import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TOPS = ["cpu-model", "softmmu", "translator", "devices", "frontend-sdl", "tests", "benchmarks"]
ROOT = Path(__file__).resolve().parents[2]


def clang_commands(entries):
    """Each C source's own command, by Clang instead, without writing an object (but with code generation)."""
    for entry in entries:
        words = shlex.split(entry["command"])
        if not entry["file"].endswith(".c"):
            continue
        output = words.index("-o")
        del words[output : output + 2]
        yield entry["file"], ["clang", *words[1:], "-o", "/dev/null"]


def header_commands(entries):
    """Each header of ours alone, with the include folders and warnings of the sources."""
    sample = next(shlex.split(e["command"]) for e in entries if e["file"].endswith(".c"))
    flags = [w for w in sample if w.startswith(("-I", "-D", "-W", "-std="))]
    for top in TOPS:
        for header in sorted((ROOT / top).rglob("*.h")):
            if top == "frontend-sdl":
                continue  # needs SDL's flags; its sources compile it
            for compiler in ("gcc", "clang"):
                alone = [compiler, *flags, "-fsyntax-only", "-x", "c", "-include", str(header), "/dev/null"]
                yield f"{header} alone", alone


def run(job):
    name, command = job
    done = subprocess.run(command, cwd=sys.argv[1], capture_output=True, text=True)
    return (name, command[0], done.stderr) if done.returncode else None


def main():
    entries = json.loads((Path(sys.argv[1]) / "compile_commands.json").read_text())
    jobs = [*clang_commands(entries), *header_commands(entries)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [f for f in pool.map(run, jobs) if f]
    for name, compiler, text in failures:
        print(f"--- {compiler}: {name}\n{text}")
    print(f"compile: {len(jobs)} compilations, {len(failures)} failed")
    return 1 if failures or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
