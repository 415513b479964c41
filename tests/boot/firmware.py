"""SeaBIOS without anything to boot: its message comes, on the display and on the serial console, and ring3 obeys."""
import subprocess

from screen_guest import ScreenGuest, check
from tiny_guest import RING3

guest = ScreenGuest()
guest.wait_for("No bootable device")
guest.monitor("system_reset")
guest.wait_for("No bootable device")
guest.end()

process = subprocess.Popen([RING3, "-nographic", "-monitor", "none", "-serial", "stdio", "-boot", "n"],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
text = b""
while b"No bootable device" not in text:
    more = process.stdout.read1(4096)
    check(more, f"no message on the serial console, but {text!r}")
    text += more
process.terminate()
process.wait(10)
