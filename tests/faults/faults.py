#!/usr/bin/env python3
"""The host fails: the n-th allocation, mapping, thread, read, write or flush of a whole run does. What may come of it is a
run like any other, a stop with one line, or an I/O error that the guest sees; never a crash, a hang or a loss that
nobody is told of.

Usage: faults.py [--long]: every n; else a few of each kind. Environment: RING3, TEST_KERNELS, FAULT_SHIM, FAULT_SECTOR.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = tempfile.TemporaryDirectory()
RING3, KERNELS, SHIM = os.environ["RING3"], os.environ["TEST_KERNELS"], os.environ["FAULT_SHIM"]
EXIT = "-device isa-debug-exit,iobase=0xf4,iosize=0x04".split()
SECTOR = b"GNIR" + b"3" * 508
DONE, ERROR = 0x10 << 1 | 1, 0x11 << 1 | 1
PER_KIND = 6


def path(name):
    return os.path.join(FOLDER.name, name)


BOOT_SECTOR = pathlib.Path(os.environ["FAULT_SECTOR"]).read_bytes()[:512]


class Workload:
    def __init__(self, name, arguments, output):
        self.name, self.arguments, self.output = name, arguments, output
        self.disk, self.patience = "-hda" in arguments, 60

    def run(self, **fault):
        """Exit status (None: it hangs), output, messages."""
        with open(path("disk"), "wb") as file:
            file.write((BOOT_SECTOR + SECTOR).ljust(1 << 20, b"\0"))
        environment = {**os.environ, "LD_PRELOAD": SHIM, **{key: str(value) for key, value in fault.items()}}
        try:
            done = subprocess.run([RING3, *self.arguments, *EXIT], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=self.patience, env=environment, check=False)
        except subprocess.TimeoutExpired:
            return None, b"", f"still running after {self.patience} s"
        return done.returncode, done.stdout, done.stderr.decode("latin1")

    def counts(self):
        status, output, text = self.run(FAULT_COUNTS=path("counts"))
        if status != DONE or output != self.output or text:
            raise SystemExit(f"FAILED: {self.name} without faults: status {status}, {output}, {text}")
        with open(path("counts")) as file:
            return {kind: int(n) for kind, n in (line.split(": ") for line in file)}

    def written(self):
        with open(path("disk"), "rb") as file:
            file.seek(1024)
            return file.read(512) == SECTOR

    def wrong(self, kind, status, output, text):
        """What is wrong with that outcome, or None."""
        if status == DONE:
            if output != self.output and "output was lost" not in text:
                return f"done with other output: {output[-80:]}"
            if self.disk and not self.written():
                return "done, but the sector is not on the disk"
            return None
        if status == ERROR and self.disk and kind not in ("malloc", "calloc", "realloc"):
            return None
        if status is None and self.disk and "preadv" in kind:
            return None  # the firmware could not read the boot sector: it waits for another disk
        lines = text.strip("\n").split("\n")
        if status == 1 and len(lines) == 1 and lines[0].startswith("ring3: "):
            return None
        return f"status {status}: {text.strip()[-400:]}"


REGIONS = (HERE.parent / "kernels" / "regions.expected").read_bytes()
KERNEL = ["-m", "16", "-kernel", f"{KERNELS}/regions", "-nographic", "-accel"]
WORKLOADS = [
    Workload("test kernel", [*KERNEL, "bt,without=patience"], REGIONS),
    Workload("test kernel, interp", [*KERNEL, "interp", "-monitor", f"unix:{path('monitor')},server=on,wait=off"], REGIONS),
    Workload("disk", ["-m", "16", "-hda", path("disk"), "-boot", "c", "-display", "none", "-serial", "stdio", "-vga", "none"], b"d"),
]


def main():
    every = "--long" in sys.argv
    failed = runs = 0
    for workload in WORKLOADS:
        for kind, count in workload.counts().items():
            numbers = range(1, count + 1)
            workload.patience = 15 if kind == "preadv" else 60
            if not every and count > PER_KIND:
                numbers = sorted({1, 2, count} | {1 + i * (count - 1) // (PER_KIND - 1) for i in range(PER_KIND)})
            if every and count > 2000:  # a pass over a long run: each of the first thousand, then every hundredth
                numbers = [*range(1, 1001), *range(1001, count + 1, 100)]
            outcomes = {}
            for n in numbers:
                for later in (0, 1):
                    outcome = workload.run(FAULT_KIND=kind, FAULT_AT=n, FAULT_FROM=later)
                    wrong = workload.wrong(kind, *outcome)
                    outcomes[outcome[0]] = outcomes.get(outcome[0], 0) + 1
                    runs += 1
                    if wrong:
                        failed += 1
                        print(f"FAILED: {workload.name}, {kind} {n}{' and on' if later else ''}: {wrong}", flush=True)
            if outcomes:
                print(f"{workload.name}, {kind}: {count} calls; exit statuses " +
                      ", ".join(f"{status} ({times})" for status, times in sorted(outcomes.items(), key=str)), flush=True)
    print(f"{runs} faults injected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
