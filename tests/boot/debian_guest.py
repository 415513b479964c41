"""Boots of Debian's kernels with the BusyBox initramfs of tests/guest."""
import os
import pty
import select
import subprocess
import time

RING3 = os.environ["RING3"]
GUESTS = os.environ["GUESTS"]
SECONDS = 180  # far more than a boot takes: machines that run tests are slow and noisy
INITRD = {"amd64": "amd64", "686": "i386", "686-pae": "i386"}

# The lines of tests/guest/scripts/smoke.
SMOKE = ["pipes and awk: ok", "files and sha256: ok", "floating point: ok", "fork and wait: ok", "signals: ok",
         "time: ok", "ring3-guest: smoke: status 0"]


def check(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")


def command(flavour, append, *arguments):
    return [RING3, "-kernel", os.path.join(GUESTS, f"vmlinuz-{flavour}"),
            "-initrd", os.path.join(GUESTS, f"initrd-{INITRD[flavour]}.gz"), "-append", f"console=ttyS0 {append}",
            "-nographic", "-no-reboot", *arguments]


def run(flavour, append, *arguments):
    """Boots until the guest powers off. Returns the lines on the console; the exit status must be 0."""
    what = f"{flavour} {' '.join(arguments)}"
    try:
        done = subprocess.run(command(flavour, append, *arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        raise SystemExit(f"{text(late.stdout)}\nFAILED: {what}: still running after {SECONDS} s") from None
    if done.returncode != 0:
        raise SystemExit(f"{text(done.stdout)}\nFAILED: {what}: exit status {done.returncode}")
    return text(done.stdout).split("\n")


def text(output):
    return (output or b"").decode("latin1").replace("\r", "")


def smoke(flavour, *arguments, append=""):
    """Boots, runs the script `smoke` and powers off. Returns the lines on the console."""
    lines = run(flavour, f"ring3.script=smoke {append}".strip(), *arguments)
    missing = [line for line in SMOKE if line not in lines]
    if missing:
        print("\n".join(lines))
    check(not missing, f"{flavour} {' '.join(arguments)}: no line {missing}")
    check(any("Power down" in line for line in lines), f"{flavour}: the kernel did not power off")
    return lines


class Terminal:
    """A guest on a terminal of its own, and somebody who types."""

    def __init__(self, *arguments):
        self.master, self.slave = pty.openpty()
        self.output = b""
        self.process = subprocess.Popen([RING3, *arguments], stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        start_new_session=True)

    def wait_for(self, wanted):
        """Reads until `wanted` comes, and returns what came before it."""
        wanted = wanted.encode()
        end = time.monotonic() + SECONDS
        while wanted not in self.output:
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                self.process.kill()
                raise SystemExit(f"{text(self.output)}\nFAILED: no {wanted} within {SECONDS} s")
            self.output += os.read(self.master, 4096)
        before, self.output = self.output.split(wanted, 1)
        return text(before)

    def comes(self, wanted, seconds):
        """Whether `wanted` comes within so many seconds; it stays to be read."""
        end = time.monotonic() + seconds
        while wanted.encode() not in self.output:
            if not select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
                return False
            self.output += os.read(self.master, 4096)
        return True

    def type(self, keys):
        os.write(self.master, keys.encode())

    def status(self):
        """The exit status, once it is there; what is still written meanwhile is read."""
        end = time.monotonic() + SECONDS
        while self.process.poll() is None:
            if time.monotonic() > end:
                self.process.kill()
                raise SystemExit(f"{text(self.output)}\nFAILED: still running after {SECONDS} s")
            if select.select([self.master], [], [], 0.05)[0]:
                self.output += os.read(self.master, 4096)
        return self.process.returncode


class Console(Terminal):
    """A Debian guest's."""

    def __init__(self, flavour, *arguments):
        super().__init__(*command(flavour, "quiet", *arguments)[1:])
