"""Debian's drivers of screen and mouse, from its disk: bochs-drm reads the EDID and has a console on the frame buffer, in a
mode of 1920x1080 too; the absolute pointer is where it is put, moves, clicks and has a wheel, and so does the PS/2 mouse
without it."""
import re

from debian_disk_guest import DebianGuest, Disk, check

KEY, RELATIVE, ABSOLUTE = 1, 2, 3
ABS_X, ABS_Y = REL_X, REL_Y = 0, 1
REL_WHEEL, BUTTON_LEFT, BUTTON_RIGHT = 8, 0x110, 0x111


def screen(guest):
    connector = "/sys/class/drm/card0-Virtual-1"
    modes = guest.order(f"cat {connector}/modes").split()
    check(modes[0] == "1920x1080" and {"1024x768", "1680x1050", "1280x800", "800x600", "640x480"} <= set(modes),
          f"modes: {modes}")
    edid = guest.order(f"od -An -tx1 {connector}/edid").split()
    check(edid[:8] == "00 ff ff ff ff ff ff 00".split() and len(edid) == 128, f"EDID: {edid}")
    check("bochs" in guest.order("cat /proc/fb"), "no frame buffer of the bochs driver")
    width, height, _ = guest.look()
    check((width, height) == (1920, 1080), f"the screen has {width}x{height}")
    guest.order("printf '\\033[2J\\033[H\\033[47m          \\n' >/dev/tty1")
    _, _, pixel = guest.look()
    check(pixel(40, 4) == "aaaaaa" and pixel(1900, 1000) == "000000", f"the console shows {pixel(40, 4)}")


def events(guest, sources, *actions):
    """{(type, code): values} of what these actions do, one after the other."""
    for node in sources:
        guest.order(f"cat /dev/input/{node} >{node} &")
    guest.order("sleep 2")
    for action in actions:
        action()
    guest.order("sleep 2; kill $(jobs -p); wait")
    found = {}
    for line in guest.order(f"cat {' '.join(sources)} | od -An -v -w24 -tx2").splitlines():
        words = line.split()
        if len(words) == 12:
            value = int(words[11] + words[10], 16)
            found.setdefault((int(words[8], 16), int(words[9], 16)), []).append(value - (value >> 31 << 32))
    return found


def nodes(guest, name):
    devices = guest.order("cat /proc/bus/input/devices")
    found = [re.search(r"event\d+", block)[0] for block in devices.split("\n\n") if name in block]
    check(found, f"no {name}: {devices}")
    return found


def moves(guest, name):
    def order(text):
        return lambda: guest.monitor(text)

    seen = events(guest, nodes(guest, name), order("mouse_move 30 -20"), order("mouse_button 1"), order("mouse_button 0"),
                  order("mouse_move 0 0 1"), order("mouse_button 2"), order("mouse_button 0"))
    moved = [sum(seen.get((RELATIVE, axis), [])) for axis in (REL_X, REL_Y, REL_WHEEL)]
    check(moved == [30, -20, 1], f"{name}: motion and wheel: {seen}")
    check(seen.get((KEY, BUTTON_LEFT)) == [1, 0] and seen.get((KEY, BUTTON_RIGHT)) == [1, 0], f"{name}: buttons: {seen}")


def absolute(guest):
    qmp = guest.machine.qmp()

    def position(x, y):
        axes = [{"type": "abs", "data": {"axis": axis, "value": value}} for axis, value in (("x", x), ("y", y))]
        return lambda: qmp("input-send-event", events=axes)

    seen = events(guest, nodes(guest, "VMware VMMouse"), position(0, 0x7fff), position(0x4000, 0x1000))
    place = [seen.get((ABSOLUTE, axis), [-1])[-1] for axis in (ABS_X, ABS_Y)]
    check(place == [0x8000, 0x2000], f"positions: {seen}")


guest = DebianGuest(Disk("debian-12.img", 1), "-global", "VGA.xres=1920", "-global", "VGA.yres=1080")
guest.hear("*Debian GNU/Linux")
guest.say("\r")
guest.log_in()
guest.order("bind 'set enable-bracketed-paste off'")
screen(guest)
absolute(guest)
moves(guest, "VMware VMMouse")
guest.order("printf exps >/sys/bus/serio/devices/serio1/protocol")
moves(guest, "ImExPS/2")
guest.say("poweroff\r")
guest.expect_off()
