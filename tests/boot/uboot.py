"""U-Boot's firmware images, 32- and 64-bit, come to their prompt and obey; the 32-bit one shows it on the screen."""
import os

from debian_guest import Terminal
from screen_guest import ScreenGuest, check, skip

IMAGES = "/usr/lib/u-boot/{}/u-boot.rom"


def prompt(board):
    terminal = Terminal("-m", "256", "-bios", IMAGES.format(board), "-nographic")
    terminal.wait_for("Hit any key to stop autoboot")
    terminal.type(" ")
    terminal.wait_for("=> ")
    terminal.type("echo this is $board; pci short\r")
    terminal.wait_for("this is qemu-x86")
    terminal.wait_for("0x8086     0x1237     Bridge device")
    terminal.type("\x01x")
    status = terminal.status()
    check(status == 0, f"{board}: exit status {status}")


def screen():
    """U-Boot runs the VGA's BIOS in real mode, asks it for 1024x768, and draws its text itself."""
    guest = ScreenGuest("-bios", IMAGES.format("qemu-x86"))
    while True:
        width, height, pixel = guest.look()
        colours = {pixel(x, 4) for x in range(min(width, 400))}
        if (width, height) == (1024, 768) and len(colours) > 1:
            break
    guest.end()


for board in ("qemu-x86", "qemu-x86_64"):
    if not os.path.exists(IMAGES.format(board)):
        skip(f"no {IMAGES.format(board)}")
for board in ("qemu-x86", "qemu-x86_64"):
    prompt(board)
screen()
