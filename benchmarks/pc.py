"""The rows of the PC around the processor: a disk's boot through its firmware and boot loader, and the screen.

`grub` and `login` are of one boot of the disk that tests/guest/make-disk.sh makes: from the start of the process to the
boot loader's menu, whose first entry is taken at once, and to the login prompt; `uefi-grub` and `uefi-login` the same of
its disk for UEFI, under OVMF with fresh variables. `scroll` and `redraw` are of the test
kernel screen.S: it scrolls a text screen of 80x25 by a line, and fills 1024x768 points of 32 bits, as often as it is told.
"""
import shutil
import subprocess
import sys
import time
from pathlib import Path

from kernels import build_kernel
from machine import Machine

BIOS_ROWS, UEFI_ROWS = ["grub", "login"], ["uefi-grub", "uefi-login"]
BOOT_ROWS = [*BIOS_ROWS, *UEFI_ROWS]
SCREEN_ROWS = {"scroll": ("t", "S", 16 * 256, "lines"), "redraw": ("g", "F", 8 * 64, "screens")}  # see screen.S
OVMF_CODE, OVMF_VARS = (Path(f"/usr/share/OVMF/OVMF_{part}_4M.fd") for part in ("CODE", "VARS"))
ROWS = [*BOOT_ROWS, *SCREEN_ROWS]


def build(root, work, guests, rows):
    """Makes what the rows need; rows that cannot be measured here, each with the reason."""
    missing = {}
    if set(rows) & set(BOOT_ROWS):
        made = subprocess.run(["sh", root / "tests/guest/make-disk.sh", guests], stderr=subprocess.PIPE, text=True,
                              check=False)
        if made.returncode:
            reason = (made.stderr.strip() or "make-disk.sh failed").splitlines()[-1]
            missing |= dict.fromkeys(BOOT_ROWS, reason)
    if not OVMF_CODE.exists():
        missing |= dict.fromkeys(UEFI_ROWS, f"no {OVMF_CODE}: package ovmf")
    if set(rows) & set(SCREEN_ROWS):
        try:
            build_kernel(root, "screen", work / "screen")
        except subprocess.CalledProcessError:
            missing |= dict.fromkeys(SCREEN_ROWS, "gcc -m32 cannot build tests/kernels/screen.S")
    return {row: reason for row, reason in missing.items() if row in rows}


def boot(command, image, menu, timeout):
    """Seconds to the menu's text, and to the login, of one boot from the image, as far as it gets."""
    machine = Machine([*command, "-m", "512", "-nographic", "-drive", f"file={image},format=raw,if=ide,snapshot=on"])
    times = []
    for text, answer in ((menu, "\r"), ("login:", "")):
        at = machine.wait_for(text, timeout)
        if at is None:
            break
        times.append(at)
        machine.type(answer)
    machine.process.kill()  # a snapshot: nothing is lost
    machine.close()
    return times


def boot_bios(command, work, guests, timeout):
    """{row: seconds} of one boot."""
    return dict(zip(BIOS_ROWS, boot(command, guests / "debian-12.img", "Debian GNU/Linux on a text screen", timeout)))


def boot_uefi(command, work, guests, timeout):
    store = work / "vars.fd"
    shutil.copyfile(OVMF_VARS, store)
    flash = [f"if=pflash,format=raw,readonly=on,file={OVMF_CODE}", f"if=pflash,format=raw,file={store}"]
    command = [*command, *(word for drive in flash for word in ("-drive", drive))]
    return dict(zip(UEFI_ROWS, boot(command, guests / "debian-12-efi.img", "*Debian ", timeout)))


def screen(command, work, rows, repeats, timeout):
    """{row: [seconds]} of the screen's rows. Each command is a letter and is answered by a dot."""
    machine = Machine([*command, "-m", "64", "-kernel", str(work / "screen"), "-vga", "std", "-display", "none",
                     "-serial", "stdio", "-monitor", "none"])
    times = {}

    def do(letters):
        machine.type(letters)
        return all(machine.wait_for(".", timeout) is not None for _ in letters)

    for row in [row for row in SCREEN_ROWS if row in rows]:
        mode, letter, work_units, _ = SCREEN_ROWS[row]
        letters = letter * (work_units // {"S": 256, "F": 64}[letter])
        if not do(mode + letter):  # once unmeasured
            break
        for _ in range(repeats):
            begin = time.monotonic()
            if not all(do(one) for one in letters):
                break
            times.setdefault(row, []).append(time.monotonic() - begin)
    machine.process.kill()
    machine.close()
    return times


def rates(table):
    """Lines that say the screen's rows in units a second."""
    for row, (_, _, work_units, unit) in SCREEN_ROWS.items():
        if row in table:
            figures = [f"{engine} {work_units / table[row][engine]:.0f}" for engine in ("ring3", "tcg")
                       if engine in table[row]]
            if figures:
                yield f"{row}: {', '.join(figures)} {unit} a second"
