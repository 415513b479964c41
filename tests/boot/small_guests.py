"""The small systems of ../shared/guests from floppies and a CD-ROM, each to what its README says, used by keyboard."""
from screen_guest import ScreenGuest, shared

guest = ScreenGuest("-snapshot", "-fda", shared("freedos-1440k.img"))
guest.wait_for("A:\\>")
guest.type("dir\n")
guest.wait_for("66,090", "bytes free")
guest.end()

for medium in (["-fda", shared("mikeos-4.5.img")], ["-cdrom", shared("mikeos-4.5.iso")]):
    guest = ScreenGuest("-snapshot", *medium)
    guest.wait_for("Thanks for trying")
    guest.end()

guest = ScreenGuest("-snapshot", "-fda", shared("elks-0.6.0.img"))
guest.wait_for("VFS: Mounted root", "#")
guest.type("uname -a\n")
guest.wait_for("ELKS elks")
guest.end()
