"""A guest whose screen is looked at, and whose keyboard is typed on, through the monitor."""
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from monitor_client import FOLDER, Machine, check, connect, read_ppm  # noqa: E402

SKIPPED = 77
KEYS = {" ": "spc", "\n": "ret", "-": "minus", "/": "slash", ".": "dot", ";": "semicolon", "=": "equal", ">": "shift-dot",
        ":": "shift-semicolon", "|": "shift-backslash"}
SHARED = HERE.parent.parent.parent / "shared" / "guests"


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def shared(name, size=None):
    """The path of a small guest nobody here wrote; with size: of a copy padded to that many bytes."""
    path = SHARED / name
    if not path.is_file():
        skip(f"no {path}")
    if not size:
        return str(path)
    padded = os.path.join(FOLDER.name, name)
    with open(padded, "wb") as file:
        file.write(path.read_bytes())
        file.truncate(size)
    return padded


class ScreenGuest:
    def __init__(self, *arguments):
        serial = () if "-serial" in arguments else ("-serial", "null")  # a second -serial is the second port's
        self.machine = Machine("-m", "64", *serial, *arguments)
        self.monitor = self.machine.hmp()
        self.picture = os.path.join(FOLDER.name, f"picture{Machine.count}.ppm")

    def text(self):
        return self.monitor("info screen")

    def wait_for(self, *texts, seconds=120):
        """Until all of them are on the text screen at once."""
        end = time.monotonic() + seconds
        while True:
            screen = self.text()
            if all(text in screen for text in texts):
                return screen
            check(time.monotonic() < end, f"no {texts} on the screen, but:\n{screen}")
            check(self.machine.process.poll() is None, f"ring3 ended; the screen was:\n{screen}")
            time.sleep(0.2)

    def keys(self, *names):
        for name in names:
            self.monitor(f"sendkey {name}")
            time.sleep(0.2)

    def type(self, text):
        self.keys(*(KEYS.get(character, character) for character in text))

    def look(self):
        """Width, height, and a function from x and y to RRGGBB."""
        self.monitor(f"screendump {self.picture}")
        return read_ppm(self.picture)

    def look_until(self, wanted, seconds=120):
        """Until wanted(width, height, pixel) holds for what look() gives."""
        end = time.monotonic() + seconds
        while not wanted(*self.look()):
            check(time.monotonic() < end, f"the screen never shows what is wanted: see {self.picture}")
            time.sleep(0.05)

    def status(self, seconds=120):
        """The exit status, once the guest has ended it."""
        try:
            return self.machine.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.machine.process.kill()
            raise SystemExit(f"FAILED: still running after {seconds} s; the screen was:\n{self.text()}") from None

    def end(self):
        self.monitor.socket.sendall(b"quit\n")
        try:
            status = self.machine.process.wait(60)
        except subprocess.TimeoutExpired:
            self.machine.process.kill()
            raise SystemExit("FAILED: ring3 does not end") from None
        check(status == 0, f"exit status {status}")


class SerialGuest(ScreenGuest):
    """The same, and its first serial port on a socket."""

    def __init__(self, *arguments):
        path = os.path.join(FOLDER.name, f"serial{Machine.count + 1}")
        super().__init__("-serial", f"unix:{path},server=on,wait=off", *arguments)
        self.line = connect(path)
        self.heard = b""

    def hears(self, wanted, seconds=0.5):
        """Whether this comes over the serial port in time; what was heard stays."""
        end = time.monotonic() + seconds
        while wanted.encode() not in self.heard:
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.line.settimeout(left)
            try:
                more = self.line.recv(65536)
            except TimeoutError:
                return False
            check(more, f"ring3 ended before {wanted!r}:\n{self.heard.decode(errors='replace')}")
            self.heard += more
        return True

    def hear(self, wanted, seconds=180):
        """Until this comes over the serial port; returns what came before it, and forgets both."""
        heard = self.hears(wanted, seconds)
        check(heard, f"no {wanted!r} over the serial port, but:\n{self.heard.decode(errors='replace')}")
        before, self.heard = self.heard.split(wanted.encode(), 1)
        return before.decode(errors="replace").replace("\r", "")

    def say(self, text):
        self.line.sendall(text.encode())
