"""The small systems come up from SeaBIOS with the translator and the interpreter in lock-step, without a difference."""
from screen_guest import ScreenGuest, shared

for image, *texts in (["freedos-1440k.img", "A:\\>"], ["mikeos-4.5.img", "Thanks for trying"],
                      ["elks-0.6.0.img", "VFS: Mounted root", "#"], ["prettyos.img", "PrettyOS Booted"]):
    guest = ScreenGuest("-snapshot", "-accel", "verify", "-fda", shared(image))
    guest.wait_for(*texts, seconds=300)
    guest.end()
