"""A machine with nothing to boot says so and stays in hand: a floppy put in afterwards boots after a reset."""
import os

from screen_guest import FOLDER, ScreenGuest, check

# mov ax,3; int 10h; mov ax,0e21h ('!'); mov bx,7; int 10h; hlt; jmp $-1
BOOTS = bytes.fromhex("b80300cd10b8210ebb0700cd10f4ebfd")
floppy, blank = (os.path.join(FOLDER.name, name) for name in ("boots.img", "blank.img"))
with open(floppy, "wb") as file:
    file.write((BOOTS.ljust(510, b"\0") + b"\x55\xaa").ljust(1440 << 10, b"\0"))
with open(blank, "wb") as file:
    file.truncate(1 << 20)

for arguments in ((), ("-hda", blank)):
    guest = ScreenGuest(*arguments)
    guest.wait_for("No bootable device")
    check("running" in guest.monitor("info status"), "the machine does not run")
    guest.monitor("stop")
    check("paused" in guest.monitor("info status"), "the machine does not stop")
    guest.monitor("cont")
    check(not guest.monitor(f"change floppy0 {floppy}").strip(), "the floppy was not taken")
    guest.monitor("system_reset")
    guest.wait_for("!")
    check(guest.text().strip() == "!", f"another screen:\n{guest.text()}")
    guest.end()
