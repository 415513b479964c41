"""memtest86+, 64- and 32-bit, makes a whole pass over 64 MiB and finds nothing. Minutes: label long."""
import os
import re
import time

from screen_guest import ScreenGuest, check, skip

ISO = os.path.join(os.environ["GUESTS"], "memtest86+{}.iso")
SECONDS = 900

for bits in ("x64", "ia32"):
    if not os.path.exists(ISO.format(bits)):
        skip(f"no {ISO.format(bits)}")
for bits in ("x64", "ia32"):
    guest = ScreenGuest("-cdrom", ISO.format(bits))
    guest.wait_for("Memtest86+", "Pass")
    end = time.monotonic() + SECONDS
    while True:
        screen = guest.text()
        passes, errors = (re.search(rf"{what}: +(\d+)", screen) for what in ("Pass", "Errors"))
        if passes and errors:
            check(errors[1] == "0", f"{bits}:\n{screen}")
            if int(passes[1]):
                break
        check(time.monotonic() < end, f"{bits}: no pass within {SECONDS} s:\n{screen}")
        time.sleep(2)
    guest.end()
