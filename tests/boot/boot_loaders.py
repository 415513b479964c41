"""GRUB from a CD-ROM and SYSLINUX from a floppy, both made here, obey the keyboard; memtest86+ from either finds no errors."""
import os
import re
import shutil
import subprocess
import time

from screen_guest import ScreenGuest, check, skip
from tiny_guest import FOLDER

GRUB_MODULES = "/usr/lib/grub/i386-pc"
MEMTEST, MEMTEST_32 = (os.path.join(os.environ["GUESTS"], f"memtest86+{name}") for name in ("x64.iso", "ia32.bin"))
GRUB_MENU = """set timeout=-1
menuentry "first entry" { echo "first was chosen"; sleep 1000 }
menuentry "second entry" { echo "second was chosen"; sleep 1000 }
"""
SYSLINUX_MENU = """PROMPT 1
TIMEOUT 0
SAY entries: first second
F1 help.txt
"""


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    check(done.returncode == 0, f"{command[0]} failed: {done.stdout.decode(errors='replace')}")


def written(name, text):
    path = os.path.join(FOLDER.name, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    return path


def grub():
    written("grub/boot/grub/grub.cfg", GRUB_MENU)
    iso = os.path.join(FOLDER.name, "grub.iso")
    run("grub-mkrescue", "-d", GRUB_MODULES, "-o", iso, os.path.join(FOLDER.name, "grub"))
    guest = ScreenGuest("-cdrom", iso)
    guest.wait_for("*first entry", "second entry")
    guest.keys("down")
    guest.wait_for("*second entry")
    guest.keys("ret")
    guest.wait_for("second was chosen")
    guest.end()


def syslinux():
    floppy = os.path.join(FOLDER.name, "syslinux.img")
    run("mformat", "-C", "-i", floppy, "-f", "1440", "::")
    run("syslinux", "--install", floppy)
    run("mcopy", "-i", floppy, written("syslinux.cfg", SYSLINUX_MENU), "::")
    run("mcopy", "-i", floppy, written("help.txt", "the page of help\n"), "::")
    guest = ScreenGuest("-fda", floppy)
    guest.wait_for("entries: first second", "boot:")
    guest.type("second")
    guest.wait_for("boot: second")
    guest.keys("f1")
    guest.wait_for("the page of help")
    guest.end()


def memtest(*medium):
    guest = ScreenGuest(*medium)
    done = 0
    while done < 5:  # percent of a pass; memtest_long.py waits for the whole
        screen = guest.wait_for("Memtest86+", "Pass", "Errors: 0")
        percent = re.search(r"Pass +(\d+)%", screen)
        done = int(percent[1]) if percent else 0
        time.sleep(0.5)
    guest.end()


def floppy(path):
    """A floppy that begins with this file."""
    image = os.path.join(FOLDER.name, os.path.basename(path) + ".img")
    shutil.copyfile(path, image)
    os.truncate(image, 1440 << 10)
    return image


for tool in ("grub-mkrescue", "syslinux", "mformat", "xorriso"):
    if not shutil.which(tool):
        skip(f"no {tool}")
for path in (GRUB_MODULES, MEMTEST, MEMTEST_32):
    if not os.path.exists(path):
        skip(f"no {path}")
grub()
syslinux()
memtest("-cdrom", MEMTEST)
memtest("-fda", floppy(MEMTEST_32))
