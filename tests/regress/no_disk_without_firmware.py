"""Symptom: Linux, entered without firmware, found no disk. Cause: the IDE channels' decoding was off, which firmware turns on."""
import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from tiny_guest import FOLDER, HANG, check, kernel, run  # noqa: E402

EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
STATUS = b"\x66\xba\xf7\x01\xec\xe6\xf4"  # mov dx, 1f7h; in al, dx; out f4h, al
READY = 0x50  # DRDY, DSC

image = os.path.join(FOLDER.name, "disk")
with open(image, "wb") as file:
    file.truncate(1 << 20)
for engine in ("bt", "interp"):
    common = ["-kernel", kernel(STATUS + HANG), "-m", "16", "-nographic", "-accel", engine, *EXIT]
    result = run(*common, "-drive", f"file={image},format=raw,if=ide")
    check(result.returncode == (READY << 1 | 1) & 0xFF, f"with a disk ({engine}): {result}")
