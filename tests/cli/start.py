"""-d host, -D, -S, -version and -help, as QEMU's users expect them."""
import os
import resource
import subprocess

from tiny_guest import FOLDER, RING3, check, kernel, out16, run, say

POWER_OFF = out16(0x604, 1 << 13)
GUEST = kernel(say("guest") + POWER_OFF)


def boot(*arguments, **keywords):
    result = run("-kernel", GUEST, "-m", "16", "-nographic", *arguments, **keywords)
    check(result.returncode == 0, f"{arguments}: {result}")
    return result.stdout.decode(), result.stderr.decode()


# Which way was chosen for what the host has, and for what it is told not to have.
for without, lines in {
    "bmi2": ["BMI2 no", "fast PEXT no (addresses by LEA and memory)"],
    "pext": ["fast PEXT no (addresses by "],
    "fsgsbase": ["FSGSBASE no (GS by arch_prctl)"],
    "windows": ["shared memory no (user pages by look-up only)"],
    "bmi2+pext+fsgsbase+windows+patience": ["BMI2 no", "FSGSBASE no", "shared memory no"],
}.items():
    out, log = boot("-d", "host", "-accel", f"bt,without={without}")
    check(out == "guest", out)
    for line in ["host: engine bt", "AVX ", *lines]:
        check(line in log, f"without={without}: no {line!r} in {log!r}")
check("engine interp" in boot("-d", "host", "-accel", "interp")[1], "interp")


def small_address_space():
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))


command = [RING3, "-kernel", GUEST, "-m", "16", "-nographic"]
result = subprocess.run(command, capture_output=True, preexec_fn=small_address_space, timeout=60, check=False)
check(result.returncode == 0 and result.stdout == b"guest" and b"interpreting instead" in result.stderr, result)

# The log goes to a file, which is emptied first, or else to standard error.
path = os.path.join(FOLDER.name, "log")
for _ in range(2):
    out, log = boot("-d", "host,cpu_reset", "-D", path)
    check(out == "guest" and not log, f"with -D: {out!r} {log!r}")
    with open(path) as file:
        text = file.read()
    check(text.count("host: engine") == 1, text)
check(boot() == ("guest", ""), "nothing is logged unasked")

# Nothing runs under -S until the monitor says so.
out, _ = boot("-S", stdin=b"\x01cinfo status\ncont\n")
check("VM status: paused (prelaunch)" in out and out.index("prelaunch") < out.index("guest"), out)

check(run("-version").stdout.decode().startswith("ring3 version "), "-version")
text = run("-help").stdout.decode()
for option in ("-m SIZE", "-kernel FILE", "-append TEXT", "-nographic", "-serial WHERE", "-cpu MODEL", "-accel ENGINE",
               "-no-reboot", "-d ITEMS", "-D FILE", "-S ", "-help", "-version"):
    check(f"\n  {option}" in text, f"-help without {option}")
check(run("-kernel", "/nix", "-m", "64", "-version", "-nix").returncode == 0, "a question is answered at once")
