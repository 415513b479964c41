"""Debian's drivers of screen and mouse, from its disk: bochs-drm reads the EDID and has a console on the frame buffer; the PS/2
mouse moves, clicks and has a wheel."""
import re

from debian_disk_guest import DebianGuest, Disk, check

KEY, RELATIVE = 1, 2
REL_X, REL_Y, REL_WHEEL, BUTTON_LEFT, BUTTON_RIGHT = 0, 1, 8, 0x110, 0x111


def screen(guest):
    connector = "/sys/class/drm/card0-Virtual-1"
    modes = guest.order(f"cat {connector}/modes").split()
    check(modes[0] == "1024x768" and {"1920x1080", "1680x1050", "1280x800", "800x600", "640x480"} <= set(modes),
          f"modes: {modes}")
    edid = guest.order(f"od -An -tx1 {connector}/edid").split()
    check(edid[:8] == "00 ff ff ff ff ff ff 00".split() and len(edid) == 128, f"EDID: {edid}")
    check("bochs" in guest.order("cat /proc/fb"), "no frame buffer of the bochs driver")
    width, height, _ = guest.look()
    check((width, height) == (1024, 768), f"the screen has {width}x{height}")
    guest.order("printf '\\033[2J\\033[H\\033[47m          \\n' >/dev/tty1")
    _, _, pixel = guest.look()
    check(pixel(40, 4) == "aaaaaa" and pixel(1000, 700) == "000000", f"the console shows {pixel(40, 4)}")


def events(guest, node, *commands):
    """{(type, code): values} of what these commands of the monitor do, one after the other."""
    guest.order(f"cat /dev/input/{node} >events & sleep 2")
    for command in commands:
        guest.monitor(command)
    guest.order("sleep 2; kill %1; wait")
    found = {}
    for line in guest.order("od -An -v -w24 -tx2 events").splitlines():
        words = line.split()
        if len(words) == 12:
            value = int(words[11] + words[10], 16)
            found.setdefault((int(words[8], 16), int(words[9], 16)), []).append(value - (value >> 31 << 32))
    return found


def mouse(guest):
    devices = guest.order("cat /proc/bus/input/devices").split("\n\n")
    device = next((block for block in devices if "Explorer Mouse" in block), "")
    node = re.search(r"event\d+", device)
    check(node, f"no mouse with a wheel: {devices}")
    seen = events(guest, node[0], "mouse_move 30 -20", "mouse_button 1", "mouse_button 0", "mouse_move 0 0 1",
                  "mouse_button 2", "mouse_button 0")
    moved = [sum(seen.get((RELATIVE, axis), [])) for axis in (REL_X, REL_Y, REL_WHEEL)]
    check(moved == [30, -20, 1], f"motion and wheel: {seen}")
    check(seen.get((KEY, BUTTON_LEFT)) == [1, 0] and seen.get((KEY, BUTTON_RIGHT)) == [1, 0], f"buttons: {seen}")


guest = DebianGuest(Disk("debian-12.img", 1))
guest.hear("*Debian GNU/Linux")
guest.say("\r")
guest.log_in()
guest.order("bind 'set enable-bracketed-paste off'")
screen(guest)
mouse(guest)
guest.say("poweroff\r")
guest.expect_off()
