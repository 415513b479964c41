"""The screen as text and as pictures, through the monitors, while the firmware looks in vain for something to boot."""
import os
import sys
import time

from monitor_client import Machine
from tiny_guest import FOLDER, check

if not os.path.exists("/usr/share/seabios/bios-256k.bin"):
    sys.exit(77)

machine = Machine()
hmp, qmp = machine.hmp(), machine.qmp()
for _ in range(6000):
    screen = hmp("info screen")
    if "No bootable device" in screen:
        break
    time.sleep(0.01)
check("SeaBIOS" in screen and "No bootable device" in screen, f"screen: {screen}")

ppm, png = os.path.join(FOLDER.name, "screen.ppm"), os.path.join(FOLDER.name, "screen.png")
check(hmp(f"screendump {ppm}") == "", "screendump")
with open(ppm, "rb") as file:
    magic, width, height, depth, pixels = file.read().split(maxsplit=4)
check(magic == b"P6" and depth == b"255" and len(pixels) == int(width) * int(height) * 3, "a PPM")
check(int(width) >= 640 and int(height) >= 350 and any(pixels), "with something in it")
check(hmp(f"screendump {png} -f png") == "", "screendump -f png")
qmp("screendump", filename=png, format="png")
with open(png, "rb") as file:
    check(file.read(8) == b"\x89PNG\r\n\x1a\n", "a PNG")
check("Error: " in hmp("screendump /nix/nix.png"), "no such folder")
check("does not accept" in hmp(f"screendump {png} -f gif"), "no such format")
check("error" in qmp.raw("screendump", {"filename": png, "head": 1}), "no such head")
qmp("stop")
check("No bootable device" in hmp("info screen"), "text while stopped")
qmp("screendump", filename=png)
qmp("quit")
check(machine.wait() == 0, "quit")
