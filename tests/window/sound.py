"""The PC speaker through the window: SDL writes what it would play to a file, and the tone is in it.

The guest is a boot sector that plays 1000 Hz for some ticks of the BIOS's timer and then is silent.
"""
import array
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

RING3 = os.environ["RING3"]
SECONDS = 60
RATE = 48000
# mov al,0b6h; out 43h,al; mov ax,1193; out 42h,al; mov al,ah; out 42h,al; in al,61h; or al,3; out 61h,al
# mov cx,27; wait: hlt; loop wait; in al,61h; and al,0fch; out 61h,al; end: hlt; jmp end
BEEP = bytes.fromhex("b0b6e643b8a904e64288e0e642e4610c03e661b91b00f4e2fde46124fce661f4ebfd")


def check(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def read_samples(path):
    if not os.path.exists(path):
        return array.array("h")
    with open(path, "rb") as file:
        data = file.read()
    return array.array("h", data[:len(data) & ~1])


def wait_for_silence(path, ring3):
    """The samples, when a tone has come and gone."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        check(ring3.poll() is None, f"ring3 ended: {ring3.returncode}")
        samples = read_samples(path)
        if any(samples) and len(samples) > RATE and not any(samples[-RATE // 10:]):
            return samples
        time.sleep(0.2)
    raise SystemExit(f"FAILED: a tone and silence after it, in {len(samples)} samples")


def session(display, folder, **variables):
    """A started ring3 that beeps, with SDL's environment."""
    floppy = os.path.join(folder, "floppy.img")
    with open(floppy, "wb") as file:
        file.write((BEEP.ljust(510, b"\0") + b"\x55\xaa").ljust(1440 << 10, b"\0"))
    return subprocess.Popen([RING3, "-m", "32", "-fda", floppy, "-boot", "a"], stderr=subprocess.PIPE,
                            env={**os.environ, "DISPLAY": display, "SDL_VIDEODRIVER": "x11", **variables})


def tone(display, folder):
    path = os.path.join(folder, "samples")
    with session(display, folder, SDL_AUDIODRIVER="disk", SDL_DISKAUDIOFILE=path) as ring3:
        try:
            samples = wait_for_silence(path, ring3)
        finally:
            ring3.kill()
    rises = [i for i in range(1, len(samples)) if samples[i - 1] <= 0 < samples[i]]
    periods = [after - before for before, after in zip(rises, rises[1:])]
    check(len(rises) > 500, f"a tone of more than half a second: {len(rises)} periods")
    check(statistics.median(periods) == RATE // 1000, f"1000 Hz: {statistics.median(periods)} samples")
    common = sum(47 <= period <= 49 for period in periods)
    check(common > 0.9 * len(periods), f"a clean tone: {common} of {len(periods)} periods")


def no_device(display, folder, driver):
    """Where there is no sound, nothing but the sound is missing. (With "", SDL looks for what the host has.)"""
    with session(display, folder, SDL_AUDIODRIVER=driver) as ring3:
        time.sleep(4)
        check(ring3.poll() is None, f"it runs without a sound device: {ring3.returncode}")
        ring3.terminate()
        errors = ring3.communicate(timeout=SECONDS)[1]
        check(not errors, f"no word of it on the terminal: {errors!r}")


if not shutil.which("Xvfb"):
    sys.exit(77)
with tempfile.TemporaryDirectory() as place:
    read_end, write_end = os.pipe()
    with subprocess.Popen(["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1024x768x24"], pass_fds=[write_end],
                          stderr=subprocess.DEVNULL) as server:
        try:
            name = f":{os.read(read_end, 16).decode().strip()}"
            tone(name, place)
            no_device(name, place, "none-such")
            no_device(name, place, "")
        finally:
            server.terminate()
