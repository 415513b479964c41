"""The real window, under Xvfb: keys in, pixels out, views, menus, full screen, and the ways it closes.

The guest is a boot sector that echoes keys. What the window shows is compared with the monitor's screen dump, pixel by
pixel; what was typed is read from the guest's text screen.
"""
import glob
import os
import subprocess

from desktop import (BAR, RING3, SECONDS, Session, ask_to_close, check, clipboard, desktop, find_window, picture, press,
                     type_text, wait_until)

# mov ax,3; int 10h; mov al,'>'; again: mov ah,0eh; mov bx,7; int 10h; mov ah,0; int 16h; jmp again
ECHO = bytes.fromhex("b80300cd10b03eb40ebb0700cd10b400cd16ebf3")
MACHINE, KEYS, MEDIA, VIEW = range(4)  # the menus


def floppy(folder, name="floppy.img"):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write((ECHO.ljust(510, b"\0") + b"\x55\xaa").ljust(1440 << 10, b"\0"))
    return path


def start(folder):
    session = Session(folder, "-m", "32", "-fda", floppy(folder), "-boot", "a", "-name", "window test")
    check(find_window(r"window test - ring3 \[running\]"), "the title says the machine's name and state")
    wait_for_text(session, ">")
    return session


def wait_for_text(session, text):
    wait_until(lambda: text in session.qmp.monitor("info screen"), f"{text!r} on the guest's screen")


def typing(session):
    type_text("Hello, World 42")
    wait_for_text(session, "Hello, World 42")
    wait_until(session.shows_screen, "the window shows the guest's screen")
    with clipboard("Paste: {x} ~1"):
        press("ctrl+alt+v")
        wait_for_text(session, "Paste: {x} ~1")


def views(session):
    guest = picture(session.window)
    press("ctrl+alt+2")
    wait_until(lambda: picture(session.window) != guest, "the monitor's view")
    type_text("stop")
    press("Return")
    wait_until(lambda: session.qmp.status() == "paused", "a command typed in the monitor's view")
    wait_until(lambda: find_window(r"ring3 \[paused\]"), "the title tells of the pause")
    press("ctrl+alt+p")
    wait_until(lambda: session.qmp.status() == "running", "Ctrl+Alt+P goes on")
    monitor = picture(session.window)
    press("ctrl+alt+3")
    wait_until(lambda: picture(session.window) != monitor, "the serial console")
    press("ctrl+alt+1")
    wait_until(session.shows_screen, "the display again")


def sizes(session):
    width = picture(session.window)[0]
    press("ctrl+alt+plus")
    wait_until(lambda: picture(session.window)[0] > width, "Ctrl+Alt+plus")
    press("ctrl+alt+minus", "ctrl+alt+minus")
    wait_until(lambda: picture(session.window)[0] < width, "Ctrl+Alt+minus")
    press("ctrl+alt+u")
    wait_until(lambda: picture(session.window)[0] == width, "Ctrl+Alt+U")
    press("ctrl+alt+f")
    wait_until(lambda: picture(session.window)[:2] == (1280, 900), "full screen")
    press("ctrl+alt+f")
    wait_until(lambda: picture(session.window)[0] == width, "and back")
    wait_until(session.shows_screen, "the guest's screen again")


def machine_menu(session):
    session.menu(MACHINE, 1)
    wait_until(lambda: session.qmp.status() == "paused", "Pause")
    session.menu(MACHINE, 1)
    wait_until(lambda: session.qmp.status() == "running", "Continue")
    session.menu(MACHINE, 2)
    wait_until(lambda: session.qmp.saw("RESET"), "Reset")
    wait_until(lambda: session.qmp.monitor("info screen").strip() == ">", "it starts anew")
    session.menu(MACHINE, 3)
    wait_until(lambda: session.qmp.saw("POWERDOWN"), "Power off")
    session.menu(MACHINE, 4)
    saved = wait_until(lambda: glob.glob(os.path.join(session.folder, "ring3-*.png")), "Screenshot")[0]
    wait_until(lambda: subprocess.run(["identify", saved], capture_output=True, check=False).stdout.split()[1:3] ==
               [b"PNG", b"720x400"], "a PNG of the screen")
    check(session.qmp.monitor("info screen").strip() == ">", "keys of the menus are not the guest's")


def keys_menu(session):
    session.menu(KEYS, 1)
    wait_until(lambda: session.qmp.saw("RESET"), "Ctrl+Alt+Del: the BIOS resets")
    wait_for_text(session, ">")
    with clipboard("from the menu"):
        session.menu(KEYS, 5)
        wait_for_text(session, "from the menu")
    session.menu(KEYS, 6)
    wait_until(lambda: find_window("Ctrl.Alt.G lets"), "the title tells of the grab")
    press("ctrl+alt+g")
    wait_until(lambda: not find_window("Ctrl.Alt.G lets"), "Ctrl+Alt+G lets go")


def drive(session, name):
    return next(d for d in session.qmp.command("query-block") if d["device"] == name).get("inserted", {}).get("file")


def media_menu(session):
    other, cd = floppy(session.folder, "other.img"), os.path.join(session.folder, "cd.iso")
    with open(cd, "wb") as file:
        file.write(bytes(1 << 20))
    for item, name, path in ((1, "ide1-cd0", cd), (3, "floppy0", other)):
        session.menu(MEDIA, item)
        type_text(path)
        press("Return")
        wait_until(lambda: drive(session, name) == path, f"Change: {name}")
        session.menu(MEDIA, item + 1)
        wait_until(lambda: drive(session, name) is None, f"Eject: {name}")
    session.menu(MEDIA, 1)
    type_text("/nix/nix")
    press("Return")
    wait_until(session.shows_screen, "the question is gone")
    check(drive(session, "ide1-cd0") is None and session.process.poll() is None, "a missing image changes nothing")


def sandboxed(folder):
    """Media lie together; what is not allowed is said in the window, in as many lines as that takes."""
    cds = [os.path.join(folder, "one.iso"), os.path.join(folder, "two.iso")]
    for path in cds:
        with open(path, "wb") as file:
            file.write((bytes(16 * 2048 + 1) + b"CD001").ljust(18 * 2048, b"\0"))
    with Session(folder, "-sandbox", "on", "-S", "-m", "16", "-cdrom", cds[0], title="prelaunch") as session:
        plain, files = picture(session.window), set(os.listdir(folder))
        session.menu(MEDIA, 1)
        type_text(cds[1])
        press("Return")
        wait_until(lambda: drive(session, "ide1-cd0") == cds[1], "another CD from the same folder")
        wait_until(lambda: picture(session.window) == plain, "the message goes")
        for keys in (lambda: press("ctrl+alt+s"), lambda: (session.menu(MEDIA, 1), type_text(RING3), press("Return"))):
            keys()
            wait_until(lambda: below_bar(session) != below_bar(session, plain), "a message under the bar")
            wait_until(lambda: picture(session.window) == plain, "the message goes")
        check(drive(session, "ide1-cd0") == cds[1] and set(os.listdir(folder)) == files, "nothing was done")


def below_bar(session, image=None):
    """Two lines of text."""
    width, _, pixels = image or picture(session.window)
    return pixels[3 * width * BAR:3 * width * (BAR + 44)]


def view_menu(session):
    display = picture(session.window)
    for item in (2, 3):
        session.menu(VIEW, item)
        wait_until(lambda: picture(session.window)[0] != display[0], f"view {item}")
        session.menu(VIEW, 1)
        wait_until(lambda: picture(session.window)[0] == display[0], "Display")
    session.menu(VIEW, 4)
    wait_until(lambda: picture(session.window)[0] == 1280, "Full screen")
    session.menu(VIEW, 4)
    wait_until(lambda: picture(session.window)[0] == display[0], "and back")


def closing(session):
    session.menu(MACHINE, 5)
    press("Escape")
    wait_until(session.shows_screen, "Esc closes the question")
    session.menu(MEDIA, 1)
    ask_to_close(session.window)
    press("Escape")  # a close over another question asks its own
    wait_until(session.shows_screen, "Esc closes the question")
    ask_to_close(session.window)
    wait_until(lambda: not session.shows_screen(), "the close button asks")
    check(session.process.poll() is None, "it asks before it closes")
    press("Left", "Return")  # from Cancel to End at once
    check(session.process.wait(SECONDS) == 0, f"exit status {session.process.returncode}")


def closing_twice(session):
    ask_to_close(session.window)
    wait_until(lambda: not session.shows_screen(), "the close button asks")
    ask_to_close(session.window)
    check(session.process.wait(SECONDS) == 0, "it asks once")


def no_display():
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    for change, word in (({}, "set DISPLAY"), ({"DISPLAY": ":9999"}, "check DISPLAY")):
        done = subprocess.run([RING3, "-display", "sdl", "-m", "16"], env={**environment, **change},
                              capture_output=True, timeout=SECONDS, check=False, text=True)
        check(done.returncode == 1 and done.stderr.count("\n") == 1 and word in done.stderr,
              f"{change}: {done.returncode} {done.stderr!r}")


no_display()
with desktop() as place:
    with start(place) as one:
        for part in (typing, views, sizes, machine_menu, keys_menu, media_menu, view_menu, closing):
            part(one)
    with start(place) as one:
        closing_twice(one)
    sandboxed(place)
