"""The real window, under Xvfb: keys in, pixels out, views, grab, full screen, and the ways it closes.

The guest is a boot sector that echoes keys. What the window shows is compared with the monitor's screen dump, pixel by
pixel; what was typed is read from the guest's text screen.
"""
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
# mov ax,3; int 10h; mov al,'>'; again: mov ah,0eh; mov bx,7; int 10h; mov ah,0; int 16h; jmp again
ECHO = bytes.fromhex("b80300cd10b03eb40ebb0700cd10b400cd16ebf3")


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
        self.file.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self.socket.sendall(json.dumps({"execute": name, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self.file.readline())
            if "return" in answer:
                return answer["return"]
            check("error" not in answer, f"{name}: {answer}")

    def monitor(self, line):
        return self.command("human-monitor-command", **{"command-line": line})

    def status(self):
        return self.command("query-status")["status"]


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


def find_window(title):
    return tool("xdotool", "search", "--name", title).decode().split()


def picture(window):
    return read_ppm(tool("import", "-window", window, "-depth", "8", "ppm:-"))


def same_picture(window, qmp, folder):
    """Whether the window, without its bar, is the guest's screen."""
    path = os.path.join(folder, "screen.ppm")
    qmp.monitor(f"screendump {path}")
    with open(path, "rb") as file:
        width, height, screen = read_ppm(file.read())
    shown_width, shown_height, shown = picture(window)
    if shown_width < width or shown_height < height + BAR:
        return False
    left = (shown_width - width) // 2
    rows = [shown[3 * ((y + BAR) * shown_width + left):][:3 * width] for y in range(height)]
    return b"".join(rows) == screen and any(screen)


def typing(window, qmp, folder):
    wait_until(lambda: qmp.monitor("info screen").strip() == ">", "the boot sector's prompt")
    tool("xdotool", "type", "--delay", "60", "Hello, World 42")
    wait_until(lambda: "Hello, World 42" in qmp.monitor("info screen"), "the typed text on the guest's screen")
    wait_until(lambda: same_picture(window, qmp, folder), "the window shows the guest's screen")


def views(window, qmp):
    guest = picture(window)
    press("ctrl+alt+2")
    wait_until(lambda: picture(window) != guest, "the monitor's view")
    tool("xdotool", "type", "--delay", "30", "stop")
    press("Return")
    wait_until(lambda: qmp.status() == "paused", "a command typed in the monitor's view")
    wait_until(lambda: find_window(r"ring3 \[paused\]"), "the title tells of the pause")
    press("ctrl+alt+p")
    wait_until(lambda: qmp.status() == "running", "Ctrl+Alt+P goes on")
    press("ctrl+alt+3", "ctrl+alt+1")


def grab_and_size(window):
    press("ctrl+alt+g")
    wait_until(lambda: find_window("Ctrl.Alt.G lets"), "the title tells of the grab")
    press("ctrl+alt+g")
    wait_until(lambda: not find_window("Ctrl.Alt.G lets"), "Ctrl+Alt+G lets go")
    width = picture(window)[0]
    press("ctrl+alt+plus")
    wait_until(lambda: picture(window)[0] > width, "Ctrl+Alt+plus")
    press("ctrl+alt+u")
    wait_until(lambda: picture(window)[0] == width, "Ctrl+Alt+U")


def session(display, folder):
    environment = {**os.environ, "DISPLAY": display, "SDL_VIDEODRIVER": "x11", "SDL_AUDIODRIVER": "dummy"}
    os.environ["DISPLAY"] = display
    floppy, qmp_path = os.path.join(folder, "floppy.img"), os.path.join(folder, "qmp")
    with open(floppy, "wb") as file:
        file.write((ECHO.ljust(510, b"\0") + b"\x55\xaa").ljust(1440 << 10, b"\0"))
    with subprocess.Popen([RING3, "-m", "32", "-fda", floppy, "-boot", "a", "-name", "window test", "-qmp",
                           f"unix:{qmp_path},server=on,wait=off"], env=environment, stderr=subprocess.PIPE) as ring3:
        try:
            window = wait_until(lambda: find_window(r"window test - ring3 \[running\]"), "a window")[0]
            qmp = Qmp(qmp_path)
            typing(window, qmp, folder)
            views(window, qmp)
            grab_and_size(window)
            wait_until(lambda: same_picture(window, qmp, folder), "the guest's screen again")
            press("ctrl+alt+m", "Up", "Return")  # the menu's last item asks
            time.sleep(1)
            check(ring3.poll() is None, "it asks before it closes")
            press("Left", "Return")  # from Cancel to End at once
            check(ring3.wait(SECONDS) == 0, f"exit status {ring3.returncode}: {ring3.stderr.read()}")
        finally:
            ring3.kill()


def no_display():
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    for change, word in (({}, "set DISPLAY"), ({"DISPLAY": ":9999"}, "check DISPLAY")):
        done = subprocess.run([RING3, "-display", "sdl", "-m", "16"], env={**environment, **change},
                              capture_output=True, timeout=SECONDS, check=False, text=True)
        check(done.returncode == 1 and done.stderr.count("\n") == 1 and word in done.stderr,
              f"{change}: {done.returncode} {done.stderr!r}")


no_display()
if not all(shutil.which(name) for name in ("Xvfb", "xdotool", "import")):
    sys.exit(77)
with tempfile.TemporaryDirectory() as place:
    read_end, write_end = os.pipe()
    with subprocess.Popen(["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1280x900x24"], pass_fds=[write_end],
                          stderr=subprocess.DEVNULL) as server:
        try:
            session(f":{os.read(read_end, 16).decode().strip()}", place)
        finally:
            server.terminate()
