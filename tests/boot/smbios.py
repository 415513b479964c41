"""What the machine says it is: Linux reads it with and without firmware in between, GRUB through SeaBIOS."""
import os
import shutil
import subprocess

from debian_guest import Console, check
from screen_guest import ScreenGuest, skip
from tiny_guest import FOLDER

GRUB_MODULES = "/usr/lib/grub/i386-pc"
UUID = "00112233-4455-6677-8899-aabbccddeeff"
SMBIOS = ("-smbios", "type=1,manufacturer=Acme,, Inc.,serial=S-42", "-uuid", UUID, "-smbios", "type=3,asset=A7")
CONFIG = """smbios --type 1 --get-string 4 --set maker
smbios --type 1 --get-uuid 8 --set uuid
smbios --type 17 --get-word 12 --set size
smbios --type 0 --get-string 4 --set vendor
echo "made by $maker: $uuid, $size MiB, $vendor"
sleep 1000
"""


def without_firmware():
    console = Console("amd64", *SMBIOS)
    console.wait_for("# ")
    console.type("cd /sys/class/dmi/id; grep . sys_vendor product_name product_serial product_uuid chassis_asset_tag "
                 "bios_vendor; echo en\"\"d\r")
    said = console.wait_for("\nend")
    for line in ("sys_vendor:Acme, Inc.", "product_name:Standard PC (i440FX + PIIX, 1996)", "product_serial:S-42",
                 f"product_uuid:{UUID}", "chassis_asset_tag:A7", "bios_vendor:ring3"):
        check(line in said, f"no line {line} in {said}")
    console.type("poweroff\r")
    status = console.status()
    check(status == 0, f"exit status {status}")


def through_seabios():
    folder = os.path.join(FOLDER.name, "smbios", "boot", "grub")
    os.makedirs(folder)
    with open(os.path.join(folder, "grub.cfg"), "w", encoding="ascii") as file:
        file.write(CONFIG)
    iso = os.path.join(FOLDER.name, "smbios.iso")
    subprocess.run(["grub-mkrescue", "-d", GRUB_MODULES, "-o", iso, os.path.join(FOLDER.name, "smbios")], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    guest = ScreenGuest("-cdrom", iso, *SMBIOS)
    guest.wait_for(f"made by Acme, Inc.: {UUID}, 64 MiB, SeaBIOS")
    guest.end()


without_firmware()
if not shutil.which("grub-mkrescue") or not os.path.exists(GRUB_MODULES):
    skip("no grub-mkrescue")
through_seabios()
