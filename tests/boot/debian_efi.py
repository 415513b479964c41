"""Debian 12 installed for UEFI: OVMF finds GRUB in the EFI system partition; login, variables from Linux, poweroff."""
import os
import shutil

from debian_disk_guest import DebianGuest, Disk, check
from screen_guest import FOLDER, skip

CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
ROOT_MIB = 41
VARIABLE = "/sys/firmware/efi/efivars/Ring3-3b6f0f5e-5d1c-4b52-9c35-8a1c0f2f6d11"

if not os.path.exists(CODE):
    skip(f"no {CODE}: package ovmf")
disk = Disk("debian-12-efi.img", ROOT_MIB)
store = os.path.join(FOLDER.name, "vars.fd")
shutil.copy(VARS, store)
guest = DebianGuest(disk, "-drive", f"if=pflash,format=raw,readonly=on,file={CODE}", "-drive",
                    f"if=pflash,format=raw,file={store}")
guest.hear("*Debian ")  # GRUB's line, in the firmware's pieces
width, height, _ = guest.look()
check((width, height) == (1024, 768), f"GRUB's screen has {width}x{height}, not what the EDID prefers")
guest.keys("ret")
guest.log_in()
check("degraded" not in guest.order("systemctl is-system-running --wait"), guest.order("systemctl --failed"))
check("vfat" in guest.order("mount"), "the EFI system partition is not mounted")
clocks = guest.order("cat /sys/devices/system/clocksource/clocksource0/available_clocksource")
check("hpet" in clocks and "acpi_pm" in clocks, f"Linux has found the clocks {clocks}")
check("FACP" in guest.order("ls /sys/firmware/acpi/tables"), "the firmware has not installed the ACPI tables")
guest.order(f"printf '\\007\\0\\0\\0ring3 was here' >{VARIABLE}")
guest.order("seq 5 >numbers")
guest.say("poweroff\r")
guest.expect_off()
disk.check_clean()
check(disk.read("/root/numbers") == b"1\n2\n3\n4\n5\n", "the file is not on the disk")
with open(store, "rb") as file:
    check(b"ring3 was here" in file.read(), "the variable is not in the flash memory")
