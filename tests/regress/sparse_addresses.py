"""ring3 stays within the guest's memory and 256 MiB when the guest of sparse_addresses.S touches 128 GiB of addresses."""
import os
import pathlib
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from tiny_guest import RING3, check, die_with_parent  # noqa: E402

EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
RAM_MIB, MORE_MIB = 16, 256

for engine in ("bt", "bt,without=pext"):
    kernel = os.path.join(os.environ["TEST_KERNELS"], "regress", "sparse_addresses")
    process = subprocess.Popen([RING3, "-accel", engine, "-m", str(RAM_MIB), "-kernel", kernel, "-nographic", *EXIT],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    check(b"done" in output, f"{engine}: {output}")
    check(usage.ru_maxrss >> 10 < RAM_MIB + MORE_MIB, f"{engine}: {usage.ru_maxrss >> 10} MiB")
