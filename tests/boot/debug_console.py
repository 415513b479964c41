"""SeaBIOS's log on its debug console (port 402h), by -device isa-debugcon and by -debugcon."""
import os
import subprocess
import time

from screen_guest import ScreenGuest, check
from tiny_guest import FOLDER, start

LOG = os.path.join(FOLDER.name, "bios.log")
guest = ScreenGuest("-chardev", f"file,id=log,path={LOG}", "-device", "isa-debugcon,iobase=0x402,chardev=log")
guest.wait_for("No bootable device")
guest.end()
with open(LOG, encoding="ascii", errors="replace") as file:
    text = file.read()
for line in ("SeaBIOS (version", "Found QEMU fw_cfg", "Relocating init", "Booting from Hard Disk"):
    check(line in text, f"no '{line}' in SeaBIOS's log:\n{text}")

process = start("-display", "none", "-serial", "null", "-debugcon", "stdio", "-global", "isa-debugcon.iobase=0x402",
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
text, end = b"", time.monotonic() + 60
while b"No bootable device" not in text:
    text += process.stdout.read1(4096)
    check(time.monotonic() < end and process.poll() is None, f"SeaBIOS's log ends at {text!r}")
process.terminate()
process.wait(10)
