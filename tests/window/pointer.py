"""The keyboard and the pointer in the real window: what a guest gets of them, told by the test kernel pointer.S; and how
much is drawn for it."""
import os
import pathlib
import socket
import subprocess
import threading

from desktop import Session, check, clipboard, desktop, find_window, other_window, press, tool, wait_until

KERNEL = os.path.join(os.environ["TEST_KERNELS"], "pointer")
HERE = pathlib.Path(__file__).resolve().parent


class Guest(Session):
    def __init__(self, folder, *arguments, **environment):
        path = os.path.join(folder, "serial")
        super().__init__(folder, "-m", "32", "-kernel", KERNEL, "-serial", f"unix:{path},server=on,wait=off", *arguments,
                         serial=path, **environment)

    def connect(self, path):
        self.serial = socket.socket(socket.AF_UNIX)
        wait_until(lambda: self.serial.connect_ex(path) == 0, "the serial port")
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.serial.makefile("r"):
            self.lines.append(line.strip())

    def do(self, letter):
        self.lines.clear()
        self.serial.sendall(letter.encode())
        self.wait_for(".")

    def wait_for(self, *lines):
        """Until these came, in this order; forgets what came."""
        def came():
            rest = iter(list(self.lines))
            return all(line in rest for line in lines)
        wait_until(came, f"{lines}, but: {self.lines}")
        self.lines.clear()

    def mouse(self):
        """The mouse's packets so far: (buttons, right, down, wheel)."""
        found = [int(line.split()[1], 16) for line in list(self.lines) if line.startswith("mouse ")]
        packets = [found[i:i + 4] for i in range(0, len(found) // 4 * 4, 4)]
        return [(a & 7, b - (a << 4 & 0x100), (a << 3 & 0x100) - c, d - (d << 1 & 0x100)) for a, b, c, d in packets]

    def point(self, x, y):
        tool("xdotool", "mousemove", "--window", self.window, str(x), str(y))

    def grabbed(self):
        return bool(find_window("Ctrl.Alt.G lets"))


def keys(guest):
    press("a")
    guest.wait_for("key 1e", "key 9e")
    press("shift+b")
    guest.wait_for("key 2a", "key 30", "key b0")
    tool("xdotool", "keydown", "s")
    guest.wait_for("key 1f")
    with other_window():
        guest.wait_for("key 9f")  # the guest's key goes up when the window no longer hears of it
        tool("xdotool", "keyup", "s")
    tool("xdotool", "windowactivate", guest.window)
    press("d")
    guest.wait_for("key 20", "key a0")
    press("ctrl+alt+m", "Escape", "f")
    guest.wait_for("key 1d", "key 38", "key 21", "key a1")
    press("ctrl+alt+m", "Escape", "g")
    check(not {"key 32", "key 1"} & set(guest.lines), f"our own keys go to the guest: {guest.lines}")
    with clipboard("aB"):
        press("ctrl+alt+v")
        guest.wait_for("key 1e", "key 9e", "key 2a", "key 30", "key b0", "key aa")


def relative(guest):
    guest.point(100, 100)
    guest.lines.clear()
    guest.point(120, 110)
    check(not guest.grabbed() and not guest.mouse(), "a pointer that only passes by is not the guest's")
    tool("xdotool", "click", "1")
    wait_until(guest.grabbed, "a click takes the pointer in")
    guest.lines.clear()
    tool("xdotool", "mousemove_relative", "7", "5")
    wait_until(lambda: (sum(p[1] for p in guest.mouse()), sum(p[2] for p in guest.mouse())) == (7, 5), "motion")
    guest.lines.clear()
    for button, packets in (("1", [(1, 0, 0, 0), (0, 0, 0, 0)]), ("3", [(2, 0, 0, 0), (0, 0, 0, 0)]),
                            ("4", [(0, 0, 0, -1)]), ("5", [(0, 0, 0, 1)])):
        tool("xdotool", "click", button)
        wait_until(lambda expected=packets: guest.mouse() == expected, f"button {button}: {packets}")
        guest.lines.clear()
    tool("xdotool", "mousedown", "1")
    wait_until(lambda: guest.mouse() == [(1, 0, 0, 0)], "a button goes down")
    press("ctrl+alt+g")
    wait_until(lambda: not guest.grabbed(), "Ctrl+Alt+G lets go")
    tool("xdotool", "mouseup", "1")
    wait_until(lambda: guest.mouse()[-1][0] == 0, "and up")
    guest.lines.clear()
    tool("xdotool", "mousemove_relative", "7", "5")
    press("ctrl+alt+g")
    wait_until(guest.grabbed, "Ctrl+Alt+G takes it in as well")
    with other_window():
        wait_until(lambda: not guest.grabbed(), "another window lets it go")
    tool("xdotool", "windowactivate", guest.window)


def absolute(guest):
    guest.do("a")
    width, height = 720, 400
    for x, y in ((0, 0), (width - 1, height - 1), (width // 2, height // 2)):
        guest.point(x, y + 24)
        want = f"at 0 {x * 0xffff // (width - 1):x} {y * 0xffff // (height - 1):x} 0"
        near = [int(word, 16) for word in want.split()[1:]]
        wait_until(lambda near=near: any(
            all(abs(int(a, 16) - b) < 128 for a, b in zip(line.split()[1:], near))
            for line in list(guest.lines) if line.startswith("at ")), f"{want}, but: {guest.lines}")
        guest.lines.clear()
    tool("xdotool", "click", "1")
    wait_until(lambda: any(line.startswith("at 20 ") for line in list(guest.lines)), "the left button")
    tool("xdotool", "click", "5")
    wait_until(lambda: any(line.startswith("at 0 ") and line.endswith(" 1") for line in list(guest.lines)), "the wheel")
    check(not guest.grabbed(), "no grab is needed")
    tool("xdotool", "mousemove", "3", "4")
    place = tool("xdotool", "getmouselocation").decode()
    check(place.startswith("x:3 y:4 "), f"the pointer leaves the window freely: {place}")
    guest.do("r")


def drawing(folder):
    """An idle guest costs no frames, and of a screen only what changed goes to the window."""
    shim, log = os.path.join(folder, "frames.so"), os.path.join(folder, "frames")
    subprocess.run(["cc", "-shared", "-fPIC", "-O", "-I/usr/include/SDL2", "-o", shim, HERE / "frames.c"], check=True)

    def frames():
        with open(log) as file:
            return [line.split() for line in file]

    kernel = os.path.join(os.environ["TEST_KERNELS"], "screen")
    with Guest(folder, "-kernel", kernel, LD_PRELOAD=shim, FRAMES=log) as guest:
        guest.serial.sendall(b"g")
        wait_until(lambda: any(line == ["upload", "1024", "768"] for line in frames()), "the first picture is whole")
        wait_until(guest.shows_screen, "the frame buffer")
        before = len(frames())
        guest.qmp.status()
        threading.Event().wait(2)
        check(len(frames()) == before, f"an idle guest is drawn: {frames()[before:]}")
        guest.serial.sendall(b"p")
        wait_until(lambda: len(frames()) > before, "a pixel is drawn")
        threading.Event().wait(1)
        new = frames()[before:]
        check(new[-1] == ["frame"] and new.count(["frame"]) == 1, f"one frame for one change: {new}")
        rows = sum(int(line[2]) for line in new if line[0] == "upload")
        check(0 < rows < 16, f"a pixel costs {rows} lines: {new}")


with desktop() as place:
    with Guest(place) as one:
        one.do("r")
        for part in (keys, relative, absolute):
            part(one)
    drawing(place)
