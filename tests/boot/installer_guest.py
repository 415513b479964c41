"""Debian's installer from a CD-ROM of its netboot package, by keyboard: language, country, keyboard, no network; one step by mouse.

The graphical one's pages are compared with parts of screenshots in the folder installer/, which a person looked at."""
import os
import pathlib
import shutil
import subprocess
import time

from screen_guest import FOLDER, ScreenGuest, check, skip

IMAGES = "/usr/lib/debian-installer/images/12"
ISOLINUX = "/usr/lib/ISOLINUX/isolinux.bin"
LDLINUX = "/usr/lib/syslinux/modules/bios/ldlinux.c32"
REFERENCES = pathlib.Path(__file__).resolve().parent / "installer"
SECONDS = 900  # for one page: machines that run tests are slow and noisy

# Without a frame buffer the text installer stays on the VGA's text screen.
CONFIG = """PROMPT 1
TIMEOUT 0
SAY Debian's installer
LABEL text
  KERNEL /linux
  APPEND initrd=/initrd.gz vga=normal fb=false nomodeset --- quiet
LABEL graphical
  KERNEL /linux
  APPEND initrd=/initrd.gz vga=788 --- quiet
"""

# Of each page, the part that the references show: width x height + x + y. The keyboard page shows the keyboard that
# goes with the country chosen before.
PAGES = {"language": "1024x70+0+80", "country": "1024x70+0+80", "keyboard": "1024x400+0+80", "driver": "1024x70+0+80",
         "no-network": "1024x160+0+80"}
DIFFERENT_PIXELS_MAX = 200


def boot(architecture, kind, label):
    files = f"{IMAGES}/{architecture}/{kind}/debian-installer/{architecture}"
    for path in (f"{files}/initrd.gz", ISOLINUX, LDLINUX):
        if not os.path.exists(path):
            skip(f"no {path}")
    for tool in "xorriso", "compare":
        if not shutil.which(tool):
            skip(f"no {tool}")
    config, iso = os.path.join(FOLDER.name, "isolinux.cfg"), os.path.join(FOLDER.name, "installer.iso")
    with open(config, "w", encoding="ascii") as file:
        file.write(CONFIG)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", iso, "-graft-points", "-b", "isolinux/isolinux.bin",
                    "-c", "isolinux/boot.cat", "-no-emul-boot", "-boot-load-size", "4", "-boot-info-table",
                    f"isolinux/isolinux.bin={ISOLINUX}", f"isolinux/ldlinux.c32={LDLINUX}",
                    f"isolinux/isolinux.cfg={config}", f"linux={files}/linux", f"initrd.gz={files}/initrd.gz"],
                   check=True)
    guest = ScreenGuest("-m", "1024", "-cdrom", iso)
    guest.wait_for("Debian's installer", "boot:")
    guest.type(f"{label}\n")
    return guest


def walk_text(architecture):
    guest = boot(architecture, "text", "text")
    guest.wait_for("Select a language", "English", seconds=SECONDS)
    guest.keys("ret")
    guest.wait_for("Select your location", "United Kingdom", seconds=SECONDS)
    guest.keys("up", "ret")  # from the United States
    guest.wait_for("Configure the keyboard", "British English", seconds=SECONDS)
    guest.keys("ret")
    guest.wait_for("Detect network hardware", "No Ethernet card was detected", seconds=SECONDS)
    guest.keys("ret")
    guest.wait_for("Configure the network", "No network interfaces were found", seconds=SECONDS)
    guest.end()


def differing_pixels(guest, page):
    """How many pixels are not those of the reference; all of them while the screen has another size."""
    picture, part = os.path.join(FOLDER.name, "page.png"), os.path.join(FOLDER.name, "part.png")
    guest.monitor(f"screendump {picture}")
    subprocess.run(["convert", picture, "-crop", PAGES[page], "+repage", part], check=True, stderr=subprocess.DEVNULL)
    done = subprocess.run(["compare", "-metric", "AE", "-fuzz", "20%", part, REFERENCES / f"{page}.png", "null:"],
                          stderr=subprocess.PIPE, check=False)
    return float(done.stderr) if done.returncode < 2 else float("inf")


def wait_for_page(guest, page):
    end = time.monotonic() + SECONDS
    while (different := differing_pixels(guest, page)) > DIFFERENT_PIXELS_MAX:
        check(time.monotonic() < end, f"the page '{page}' does not come; {different} pixels differ")
        check(guest.machine.process.poll() is None, "ring3 ended")
        time.sleep(1)


def click(guest, x, y):
    """With the absolute pointer, at this pixel of 1024x768."""
    qmp = guest.machine.qmp()
    place = [{"type": "abs", "data": {"axis": axis, "value": pixel * 0x7FFF // size}}
             for axis, pixel, size in (("x", x, 1024), ("y", y, 768))]
    qmp("input-send-event", events=place)
    for down in True, False:
        qmp("input-send-event", events=[{"type": "btn", "data": {"down": down, "button": "left"}}])
        time.sleep(0.3)


def walk_graphical(architecture):
    guest = boot(architecture, "gtk", "graphical")
    wait_for_page(guest, "language")
    click(guest, 950, 745)  # Continue
    wait_for_page(guest, "country")
    guest.keys("up", "ret")
    wait_for_page(guest, "keyboard")
    guest.keys("ret")
    wait_for_page(guest, "driver")
    guest.keys("ret")
    wait_for_page(guest, "no-network")
    guest.end()
