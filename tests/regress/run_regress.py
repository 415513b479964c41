#!/usr/bin/env python3
"""Boots a kernel of this folder on every engine, and on QEMU's TCG where installed, and compares what it prints.

The lines that NAME.S says it "Prints:" in its first comment are what the SDM says; "Not on TCG" there leaves TCG out. Usage:
run_regress.py NAME...; environment as for kernels/run_kernels.py, which boots them.
"""
import difflib
import os
import pathlib
import re
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "kernels"))
from run_kernels import boot  # noqa: E402

ENGINES = ["interp", "bt", "bt,without=patience", "verify"]


def description(name):
    return re.match(r"/\*(.*?)\*/", (HERE / f"{name}.S").read_text(), re.DOTALL).group(1)


def expected(name):
    lines = [line.strip(" *") for line in description(name).split("Prints:\n")[1].split("\n")]
    return [line for line in lines if line] + ["done"]


def engines(name):
    tcg = shutil.which("qemu-system-x86_64") and "Not on TCG" not in description(name)
    return ENGINES + (["tcg"] if tcg else [])


def main():
    failed = 0
    for name in sys.argv[1:]:
        for engine in engines(name):
            lines, end = boot(engine, os.path.join(os.environ["TEST_KERNELS"], "regress", name))
            wrong = list(difflib.unified_diff(expected(name), lines, "expected", engine, lineterm="", n=0))
            failed += bool(wrong or end)
            print(f"{name} on {engine}: {'FAILED ' + end if wrong or end else 'ok'}", flush=True)
            print("".join(f"    {line}\n" for line in wrong[2:42]), end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
