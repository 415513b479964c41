"""Kernels started without firmware have a text screen: Linux's console on the VGA, and its shell by the keyboard."""
import os

from screen_guest import ScreenGuest, check, skip

GUESTS = os.environ["GUESTS"]


def linux(flavour, arch):
    kernel, initrd = (os.path.join(GUESTS, name) for name in (f"vmlinuz-{flavour}", f"initrd-{arch}.gz"))
    if not os.path.exists(kernel):
        skip(f"no {kernel}")
    guest = ScreenGuest("-kernel", kernel, "-initrd", initrd, "-append", "console=tty0", "-m", "256")
    guest.wait_for("/root #", seconds=300)
    guest.type("clear\n")
    guest.type("dmesg | grep colour\n")
    screen = guest.wait_for("Console: colour VGA+ 80x25", seconds=60)
    check("ring3 demo guest" not in screen, f"the screen was not cleared:\n{screen}")
    width, height, pixel = guest.look()
    check((width, height) == (720, 400), f"a screen of {width}x{height}")
    row = next(i for i, line in enumerate(screen.splitlines()) if "#" in line)
    column = screen.splitlines()[row].index("#")
    shape = ["".join(" #"[pixel(9 * column + x, 16 * row + y) == "aaaaaa"] for x in range(8)) for y in range(16)]
    check(shape.count("####### ") == 2 and shape.count(" ## ##  ") >= 4, f"the prompt is drawn as {shape}")
    guest.end()


linux("amd64", "amd64")
