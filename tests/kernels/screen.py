#!/usr/bin/env python3
"""What guest code stores to video memory is on the screen, from the first store to a page and from later ones: frame
buffer and window at A0000h mapped directly, the text window through the device, on both engines."""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from monitor_client import FOLDER, Hmp, Machine, check, connect, read_ppm  # noqa: E402

KERNEL = os.path.join(os.environ["TEST_KERNELS"], "screen")


class Screen:
    """The kernel of screen.S, its serial port and the screen."""

    def __init__(self, *arguments):
        self.serial_path = os.path.join(FOLDER.name, f"serial{Machine.count}")
        self.picture = os.path.join(FOLDER.name, "screen.ppm")
        self.machine = Machine("-kernel", KERNEL, "-serial", f"unix:{self.serial_path},server=on,wait=off", "-device",
                               "isa-debug-exit,iobase=0xf4,iosize=0x04", *arguments)
        self.serial = connect(self.serial_path)
        self.monitor = Hmp(self.machine.hmp_path)

    def wait(self):
        answer = self.serial.recv(1)
        check(answer == b".", f"the kernel says {answer}")

    def do(self, letters):
        for letter in letters:
            self.serial.sendall(letter.encode())
            self.wait()

    def look(self):
        """Width, height, and a function from x and y to RRGGBB."""
        self.monitor(f"screendump {self.picture}")
        return read_ppm(self.picture)

    def end(self):
        self.serial.sendall(b"q")
        self.machine.process.wait(60)


def frame_buffer(screen):
    screen.do("g")
    width, height, pixel = screen.look()
    check((width, height) == (1024, 768), f"a screen of {width}x{height}")
    for y in (0, 1, 99, 767):
        check(pixel(1023, y) == f"{y * 0x010203 & 0xffffff:06x}", f"line {y} is {pixel(1023, y)}")
    for x in range(4):  # by the same code each time, before and after the page was written to
        screen.do("p")
        if x == 2:
            screen.do("p")
        _, _, pixel = screen.look()
        check(pixel(x, 100) == "ffffff", f"pixel {x} is {pixel(x, 100)}")
    screen.do("s")
    _, _, pixel = screen.look()
    check(pixel(0, 99) == "ffffff", "the line did not scroll")
    check(pixel(5, 766) == f"{767 * 0x010203 & 0xffffff:06x}", f"the last line but one is {pixel(5, 766)}")


def window(screen):
    screen.do("c")
    width, height, pixel = screen.look()
    check((width, height) == (640, 400), f"a screen of {width}x{height}")
    check(pixel(2 * 64, 0) == "414141", f"colour 64 is {pixel(128, 0)}")
    for x in range(3):
        screen.do("d")
        _, _, pixel = screen.look()
        check(pixel(2 * x, 100) == "ffffff", f"pixel {x} is {pixel(2 * x, 100)}")


def text(screen):
    screen.do("th")
    answer = screen.monitor("info screen").splitlines()
    check(any(line == " " * 37 + "hello" for line in answer), f"the screen shows {answer}")
    width, height, _ = screen.look()
    check((width, height) == (720, 400), f"a screen of {width}x{height}")


for engine in ("bt", "interp"):
    screen = Screen("-accel", engine)
    frame_buffer(screen)
    window(screen)
    text(screen)
    window(screen)
    screen.end()
