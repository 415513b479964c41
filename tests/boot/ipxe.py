"""iPXE's CD-ROM: Ctrl-B at its banner gives its command line, which obeys."""
import os
import time

from screen_guest import ScreenGuest, check, skip

ISO = "/usr/lib/ipxe/ipxe.iso"

if not os.path.exists(ISO):
    skip(f"no {ISO}")
guest = ScreenGuest("-boot", "d", "-cdrom", ISO)
guest.wait_for("Open Source Network Boot Firmware")
end = time.monotonic() + 60
while "iPXE>" not in guest.text():  # it listens for two seconds
    check(time.monotonic() < end, f"no prompt, but:\n{guest.text()}")
    guest.keys("ctrl-b")
guest.type("show version\n")
guest.wait_for("iPXE> show version", "= 1.0.0+git")
guest.end()
