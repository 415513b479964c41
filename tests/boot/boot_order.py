"""Which drive is booted: -boot order=, once= and menu=on, bootindex= of -drive and -device, strict=on."""
import os
import shutil
import struct
import subprocess

from screen_guest import ScreenGuest, check, skip
from tiny_guest import FOLDER

# xor ax, ax; mov ds, ax; mov si, TEXT; cld; 1: lodsb; test al, al; jz 2f; mov ah, 0eh; mov bx, 7; int 10h; jmp 1b
# 2: hlt; jmp 2b
CODE = (b"\x31\xc0\x8e\xd8\xbe" + struct.pack("<H", 0x7C40) + b"\xfc\xac\x84\xc0\x74\x09\xb4\x0e\xbb\x07\x00\xcd\x10"
        b"\xeb\xf2\xf4\xeb\xfd")


def sector(name):
    return (CODE.ljust(0x40, b"\0") + f"this is {name}\r\n".encode()).ljust(510, b"\0") + b"\x55\xaa"


def image(name, size=1 << 20):
    path = os.path.join(FOLDER.name, name)
    with open(path, "wb") as file:
        file.write(sector(name))
        file.truncate(size)
    return path


def cdrom(name):
    folder = os.path.join(FOLDER.name, name)
    os.makedirs(folder)
    with open(os.path.join(folder, "boot.bin"), "wb") as file:
        file.write(sector(name).ljust(2048, b"\0"))
    path = os.path.join(FOLDER.name, name + ".iso")
    subprocess.run(["xorriso", "-as", "mkisofs", "-o", path, "-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4",
                    folder], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


def boots(name, *arguments, then=None):
    """That this one is booted; with then: and after a reset that one."""
    guest = ScreenGuest(*arguments)
    guest.wait_for(f"this is {name}")
    if then:
        guest.monitor("system_reset")
        guest.wait_for(f"this is {then}")
    guest.end()


def menu(*arguments):
    guest = ScreenGuest("-boot", "menu=on,splash-time=60000", *arguments)
    guest.wait_for("Press ESC for boot menu")
    guest.keys("esc")
    screen = guest.wait_for("Select boot device", "HARDDISK", "CD-ROM")
    number = next(line.split(".")[0].strip() for line in screen.splitlines() if "CD-ROM" in line)
    check(number in "12345", screen)
    guest.keys(number)
    guest.wait_for("this is cd")
    guest.end()


if not shutil.which("xorriso"):
    skip("no xorriso")
disk, second, cd, floppy = image("disk"), image("second"), cdrom("cd"), image("floppy", 1440 << 10)
all_of_them = ("-hda", disk, "-cdrom", cd, "-fda", floppy)
boots("disk", *all_of_them)
boots("cd", *all_of_them, "-boot", "d")
boots("floppy", *all_of_them, "-boot", "order=ac")
boots("cd", *all_of_them, "-boot", "once=d", then="disk")
boots("second", "-drive", f"file={disk},bootindex=7", "-drive", f"file={second},bootindex=3", "-cdrom", cd, "-boot", "d")
boots("floppy", "-hda", disk, "-drive", f"file={floppy},if=floppy,bootindex=0")
boots("cd", "-device", "ide-cd,drive=b,bus=ide.0,unit=1,bootindex=1", "-device", "ide-hd,drive=a,bus=ide.1,bootindex=2",
      "-drive", f"if=none,id=a,file={disk}", "-drive", f"if=none,id=b,file={cd},readonly=on")
menu("-hda", disk, "-cdrom", cd)
empty = image("empty")
with open(empty, "r+b") as file:
    file.write(bytes(512))
boots_nothing = ScreenGuest("-drive", f"file={empty},bootindex=0", "-hdb", disk, "-boot", "strict=on")
boots_nothing.wait_for("No bootable device")
check("this is" not in boots_nothing.text(), "something was booted, strict or not")
boots_nothing.end()
