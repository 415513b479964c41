"""All guests do the same under the translator's odd behaviour (-accel bt,chaos=SEED), whatever the seed.

Linux does not check its timer where it sees a hypervisor that it knows; with `nopv` it looks for none.
"""
import debian_guest
from screen_guest import ScreenGuest, shared

debian_guest.SECONDS = 900
for seed in 1, 2, 3:
    for flavour, append in ("686", ""), ("686-pae", "nopv"), ("amd64", ""):
        debian_guest.smoke(flavour, "-accel", f"bt,chaos={seed}", append=append)
    for image, *texts in (["freedos-1440k.img", "A:\\>"], ["mikeos-4.5.img", "Thanks for trying"],
                          ["elks-0.6.0.img", "VFS: Mounted root", "#"], ["prettyos.img", "PrettyOS Booted"]):
        guest = ScreenGuest("-snapshot", "-accel", f"bt,chaos={seed}", "-fda", shared(image))
        guest.wait_for(*texts, seconds=300)
        guest.end()
