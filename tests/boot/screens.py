"""What firmware and small 16-bit systems show on the VGA: text, its colours, and graphics."""
import os
import sys

from screen_guest import SKIPPED, ScreenGuest, check, shared

if not os.path.exists("/usr/share/seabios/vgabios-stdvga.bin"):
    print("skipped: Debian's package seabios is not installed")
    sys.exit(SKIPPED)

guest = ScreenGuest()
guest.wait_for("SeaBIOS (version", "No bootable device.")
width, height, _ = guest.look()
check((width, height) == (720, 400), f"the firmware's screen has {width}x{height}")
guest.end()

guest = ScreenGuest("-fda", shared("mikeos-4.5.img"), "-snapshot")
guest.wait_for("Thanks for trying out MikeOS!", "Version 4.5")
_, _, pixel = guest.look()
check(pixel(10, 30) == "5555ff", f"its background, an intense blue, is {pixel(10, 30)}")  # no blinking
check(pixel(200, 160) == "aa0000", f"its box, red, is {pixel(200, 160)}")
guest.keys("right", "ret")  # "Cancel": the command line
guest.wait_for("Commands: DIR")
guest.keys("d", "i", "r", "ret")
guest.wait_for("KERNEL.BIN")
guest.end()

guest = ScreenGuest("-fda", shared("tetros.bin", 1440 << 10))


def shows_the_game(width, height, pixel):
    colours = {pixel(x, y) for x in range(4, width, 8) for y in range(4, height, 8)}
    return len(colours) >= 3 and "SeaBIOS" not in guest.text()  # walls, a brick, nothing


guest.look_until(shows_the_game)
guest.end()
