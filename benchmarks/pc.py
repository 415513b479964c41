"""The rows of the PC around the processor: a disk's boot through its firmware and boot loader, and the screen.

`grub` and `login` are of one boot of the disk that tests/guest/make-disk.sh makes: from the start of the process to the
boot loader's menu, whose first entry is taken at once, and to the login prompt. `scroll` and `redraw` are of the test
kernel screen.S: it scrolls a text screen of 80x25 by a line, and fills 1024x768 points of 32 bits, as often as it is told.
"""
import subprocess
import sys
import time

from kernels import build_kernel
from machine import Machine

BOOT_ROWS = ["grub", "login"]
SCREEN_ROWS = {"scroll": ("t", "S", 16 * 256, "lines"), "redraw": ("g", "F", 8 * 64, "screens")}  # see screen.S
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
    if set(rows) & set(SCREEN_ROWS):
        try:
            build_kernel(root, "screen", work / "screen")
        except subprocess.CalledProcessError:
            missing |= dict.fromkeys(SCREEN_ROWS, "gcc -m32 cannot build tests/kernels/screen.S")
    return {row: reason for row, reason in missing.items() if row in rows}


def boot(command, guests, timeout):
    """{row: seconds} of one boot from the disk, as far as it gets."""
    machine = Machine([*command, "-m", "512", "-nographic", "-drive",
                     f"file={guests / 'debian-12.img'},format=raw,if=ide,snapshot=on"])
    times = {}
    for row, text, answer in (("grub", "Debian GNU/Linux on a text screen", "\r"), ("login", "login:", "")):
        times[row] = machine.wait_for(text, timeout)
        if times[row] is None:
            break
        machine.type(answer)
    machine.process.kill()  # a snapshot: nothing is lost
    machine.close()
    return {row: seconds for row, seconds in times.items() if seconds is not None}


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
