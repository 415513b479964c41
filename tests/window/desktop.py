"""A desktop for tests of the window: a virtual X server, ring3 in a window on it, real key and pointer events, pixels."""
import contextlib
import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

RING3 = os.environ["RING3"]
BAR = 24
SECONDS = 60


def check(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def wait_until(condition, what):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.1)
    raise SystemExit(f"FAILED: {what}")


class Qmp:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        wait_until(lambda: self.socket.connect_ex(path) == 0, "the QMP socket")
        self.file = self.socket.makefile("r")
        self.events = []
        self.file.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self.socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer:
                return answer["return"]
            check("error" not in answer, f"{name}: {answer}")
            self.events.append(answer["event"])

    def monitor(self, line):
        return self.command("human-monitor-command", **{"command-line": line})

    def status(self):
        return self.command("query-status")["status"]

    def saw(self, event):
        """Whether the event came since the last time it was asked for."""
        self.status()
        seen = event in self.events
        self.events = [other for other in self.events if other != event]
        return seen


def read_ppm(data):
    """(width, height, pixels) of a binary PPM."""
    magic, width, height, depth, pixels = data.split(None, 4)
    check(magic == b"P6" and depth == b"255", "a PPM")
    return int(width), int(height), data[-int(width) * int(height) * 3:] if pixels else b""


def tool(*command):
    return subprocess.run(command, capture_output=True, timeout=SECONDS, check=False).stdout


def press(*keys):
    for key in keys:
        tool("xdotool", "key", key)


def type_text(text):
    tool("xdotool", "type", "--delay", "60", text)


def find_window(title):
    return tool("xdotool", "search", "--name", title).decode().split()


def picture(window):
    return read_ppm(tool("import", "-window", window, "-depth", "8", "ppm:-"))


def ask_to_close(window):
    """What a window manager sends when its close button is pressed."""
    x = ctypes.CDLL("libX11.so.6")
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XInternAtom.restype = ctypes.c_ulong

    class ClientMessage(ctypes.Structure):
        _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
                    ("display", ctypes.c_void_p), ("window", ctypes.c_ulong), ("message", ctypes.c_ulong),
                    ("format", ctypes.c_int), ("data", ctypes.c_long * 5), ("room", ctypes.c_long * 12)]

    display = ctypes.c_void_p(x.XOpenDisplay(None))
    protocols, delete = (x.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    message = ClientMessage(type=33, window=int(window), message=protocols, format=32)
    message.data[0] = delete
    x.XSendEvent(display, ctypes.c_ulong(int(window)), 0, ctypes.c_long(0), ctypes.byref(message))
    x.XCloseDisplay(display)


CLIPBOARD_PROGRAM = """
import ctypes, sys, time
sdl = ctypes.CDLL("libSDL2-2.0.so.0")
sdl.SDL_Init(0x20)
sdl.SDL_CreateWindow.restype = ctypes.c_void_p
sdl.SDL_CreateWindow(b"", 0, 0, 1, 1, 8)  # hidden
sdl.SDL_SetClipboardText(sys.argv[1].encode())
print(flush=True)
while True:
    sdl.SDL_PumpEvents()
    time.sleep(0.01)
"""


@contextlib.contextmanager
def clipboard(text):
    """Another program, without a window, that has text on the clipboard."""
    with subprocess.Popen([sys.executable, "-c", CLIPBOARD_PROGRAM, text], stdout=subprocess.PIPE) as owner:
        owner.stdout.readline()
        try:
            yield
        finally:
            owner.kill()


@contextlib.contextmanager
def other_window():
    """Another window, which has the keyboard."""
    with subprocess.Popen([RING3, "-S", "-m", "16", "-name", "other"]) as owner:
        try:
            other = wait_until(lambda: find_window("^other"), "another window")[0]
            tool("xdotool", "windowactivate", other)
            yield
        finally:
            owner.kill()


@contextlib.contextmanager
def desktop():
    """A folder for files; DISPLAY is set, and a window manager runs. Skips the test where the tools are missing."""
    if missing := [name for name in ("Xvfb", "xdotool", "import", "openbox") if not shutil.which(name)]:
        print(f"skipped: no {', '.join(missing)}")
        sys.exit(77)
    read_end, write_end = os.pipe()
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(
            ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1280x900x24"], pass_fds=[write_end],
            stderr=subprocess.DEVNULL) as server:
        try:
            os.environ["DISPLAY"] = f":{os.read(read_end, 16).decode().strip()}"
            with subprocess.Popen(["openbox"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as manager:
                try:
                    wait_until(lambda: tool("xdotool", "get_num_desktops").strip(), "the window manager")
                    time.sleep(1)  # it says so before it looks at what windows ask for
                    yield folder
                finally:
                    manager.kill()
        finally:
            server.terminate()


class Session:
    """ring3 in a window, and its QMP."""

    def __init__(self, folder, *arguments, serial=None, title="running", **environment):
        self.folder = folder
        path = os.path.join(folder, "qmp")
        self.process = subprocess.Popen([RING3, "-qmp", f"unix:{path},server=on,wait=off", *arguments], cwd=folder,
                                        env={**os.environ, "SDL_VIDEODRIVER": "x11", "SDL_AUDIODRIVER": "dummy",
                                             **environment}, stderr=subprocess.PIPE)
        if serial:
            self.connect(serial)
        self.qmp = Qmp(path)
        self.window = wait_until(lambda: find_window(rf"ring3 \[{title}\]"), "a window")[0]
        tool("xdotool", "windowactivate", self.window)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def screen(self):
        """The guest's screen, by the monitor."""
        path = os.path.join(self.folder, "screen.ppm")
        self.qmp.monitor(f"screendump {path}")
        with open(path, "rb") as file:
            return read_ppm(file.read())

    def shows_screen(self):
        """Whether the window, without its bar, is the guest's screen."""
        width, height, screen = self.screen()
        shown_width, shown_height, shown = picture(self.window)
        if shown_width < width or shown_height < height + BAR:
            return False
        left = (shown_width - width) // 2
        rows = [shown[3 * ((y + BAR) * shown_width + left):][:3 * width] for y in range(height)]
        return b"".join(rows) == screen and any(screen)

    def menu(self, title, item):
        """Chooses an item, by the keyboard: the n-th menu, and how often Down is pressed in it."""
        press("ctrl+alt+m", *["Right"] * title, *["Down"] * item, "Return")
