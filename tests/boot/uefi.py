"""OVMF: one image (-bios) to its boot manager and shell by keyboard; two flash memories whose variables persist."""
import os
import shutil
import time

from screen_guest import FOLDER, SerialGuest, check, skip

IMAGE = "/usr/share/ovmf/OVMF.fd"
CODE = "/usr/share/OVMF/OVMF_CODE_4M.fd"
VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"
GUID = "3b6f0f5e-5d1c-4b52-9c35-8a1c0f2f6d11"
SHELL = "Shell> "


def boot_manager():
    """Esc during the boot menu's wait leads to the front page, whose third line is the boot manager."""
    guest = SerialGuest("-m", "256", "-bios", IMAGE, "-boot", "menu=on,splash-time=30000")
    end = time.monotonic() + 180
    while not guest.hears("Boot Maintenance Manager"):
        check(time.monotonic() < end, f"no front page, but {guest.heard}")
        guest.keys("esc")
    width, height, pixel = guest.look()
    check((width, height) == (640, 480), f"the front page has {width}x{height}")
    check(pixel(10, 100) == "989898", f"its background is {pixel(10, 100)}")
    guest.keys("down", "down")
    guest.hear("take you to the Boot")  # the help beside the line, in lines of its own width
    guest.keys("ret")
    guest.hear("EFI Internal Shell")
    guest.keys("down")  # from the CD-ROM
    guest.hear("Fv(")  # the shell's device path: it is in the firmware
    guest.keys("ret")
    guest.hear(SHELL)
    guest.type("ver\n")
    guest.hear("UEFI v2")
    guest.hear(SHELL)
    guest.type("reset -s\n")
    check(guest.status() == 0, "the shell's power-off does not end ring3 with status 0")


def variables():
    store = os.path.join(FOLDER.name, "vars.fd")
    shutil.copy(VARS, store)
    code = os.stat(CODE).st_mtime_ns

    def shell(*orders):
        guest = SerialGuest("-m", "256", "-drive", f"if=pflash,format=raw,readonly=on,file={CODE}", "-drive",
                            f"if=pflash,format=raw,file={store}")
        guest.hear(SHELL)
        for order in orders:
            guest.say(order + "\r")
            answer = guest.hear(SHELL)
        guest.say("reset -s\r")
        check(guest.status() == 0, "the shell's power-off does not end ring3 with status 0")
        return answer

    name = f"setvar ring3test -guid {GUID}"
    answer = shell(f"{name} -bs -rt -nv =0x5A")
    check("rror" not in answer, f"setvar answered {answer}")
    check("5A" in shell(name), "the variable is gone after a restart")
    shell(f"{name} =")
    check("5A" not in shell(name), "the variable is still there after it was deleted")
    check(os.stat(CODE).st_mtime_ns == code, "the firmware's code was written to")


for path in IMAGE, CODE, VARS:
    if not os.path.exists(path):
        skip(f"no {path}: package ovmf")
boot_manager()
variables()
