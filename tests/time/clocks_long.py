#!/usr/bin/env python3
"""The guest's clocks go as fast as the host's under full load, after stop and cont, and on a busy host; a 1000 Hz timer loses
no tick that the host could serve; the latency of its interrupts is printed. Usage: clocks_long.py [SECONDS for each]."""
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from monitor_client import FOLDER, Hmp, check, connect  # noqa: E402
from tiny_guest import start  # noqa: E402

SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 30
PIT, PM = 1193181.8, 3579545.0
PERIOD = 1193 / PIT
KERNEL = os.path.join(os.environ["TEST_KERNELS"], "clocks")
ENGINES = ["bt", "interp"]


def waited(pid):
    """Milliseconds in which threads of the process could have run and were not let: what the host could not serve."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[1])
    return total / 1e6


class Clocks:
    def __init__(self, engine):
        self.engine = engine
        serial, monitor = (os.path.join(FOLDER.name, f"{name}-{engine}") for name in ("clocks", "monitor"))
        self.process = start("-m", "16", "-accel", engine, "-kernel", KERNEL, "-display", "none", "-serial",
                             f"unix:{serial},server=on,wait=off", "-monitor", f"unix:{monitor},server=on,wait=off", "-device",
                             "isa-debug-exit,iobase=0xf4,iosize=0x04")
        self.socket = connect(serial)
        self.hmp = Hmp(monitor)
        time.sleep(0.5)

    def read(self):
        """Host seconds, within how many, and the guest's numbers; the quickest of some answers."""
        best = None
        for _ in range(20):
            before = time.monotonic()
            self.socket.sendall(b"r")
            line = b""
            while not line.endswith(b"\n"):
                line += self.socket.recv(256)
            took = time.monotonic() - before
            numbers = [int(high, 16) << 32 | int(low, 16) for high, low in (word.split(b":") for word in line.split())]
            if best:
                numbers[4] = max(numbers[4], best[2]["worst"])  # these two are since the answer before
                numbers[5] += best[2]["sum"]
            if best and took >= best[1]:
                best[2].update(worst=numbers[4], sum=numbers[5])
            else:
                best = before + took / 2, took, dict(zip(("ticks", "tsc", "pm", "hpet", "worst", "sum"), numbers))
            if best[1] < 0.002:
                break
        return best

    def measure(self, what, seconds, stopped=0.0):
        late = waited(self.process.pid)
        host0, unsure0, guest0 = self.read()
        time.sleep(seconds)
        unsure = 0.0  # seconds: within how much it is known when the machine stood still
        if stopped:
            times = [time.monotonic()]
            self.hmp("stop")
            times.append(time.monotonic())
            time.sleep(stopped)
            times.append(time.monotonic())
            self.hmp("cont")
            times.append(time.monotonic())
            unsure = (times[1] - times[0] + times[3] - times[2]) / 2
            stopped = times[3] - times[0] - unsure
            time.sleep(seconds)
        host1, unsure1, guest1 = self.read()
        unsure += (unsure0 + unsure1) / 2
        late = waited(self.process.pid) - late
        elapsed = host1 - host0 - stopped
        delta = {name: guest1[name] - guest0[name] for name in guest0}
        self.tsc_hz = getattr(self, "tsc_hz", None) or delta["tsc"] / elapsed
        drifts = {"tsc": delta["tsc"] / self.tsc_hz, "pm": delta["pm"] / PM, "hpet": delta["hpet"] * 1e-8}
        drifts = {name: (guest / elapsed - 1) * 100 for name, guest in drifts.items()}
        lost = elapsed / PERIOD - delta["ticks"]
        print(f"{self.engine}, {what}: {elapsed:.2f} s; drift " + ", ".join(f"{name} {drift:+.4f} %" for name, drift in drifts.items()) +
              f"; 1000 Hz ticks {delta['ticks']}, lost {lost:.0f}, the host let its threads wait for {late:.0f} ms; "
              f"interrupt latency mean {guest1['sum'] / max(1, delta['ticks']) / PIT * 1e6:.1f} us, worst {guest1['worst'] / PIT * 1e6:.0f} us", flush=True)
        for name, drift in drifts.items():
            check(abs(drift) < 0.1 + unsure / elapsed * 100, f"{self.engine}, {what}: {name} drifts by {drift:.3f} %")
        allowed = elapsed / PERIOD * 0.001 + 2 + late + unsure / PERIOD
        check(lost < allowed, f"{self.engine}, {what}: {lost:.0f} ticks lost; the host could not have served {allowed:.0f}")
        check(lost > -elapsed, f"{self.engine}, {what}: {-lost:.0f} ticks too many")

    def end(self):
        self.socket.sendall(b"q")
        check(self.process.wait(60) == 33, f"{self.engine}: status {self.process.returncode}")


for name in ENGINES:
    clocks = Clocks(name)
    clocks.measure("full load", SECONDS)
    clocks.measure("stop and cont", SECONDS / 2, stopped=SECONDS / 6)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * os.cpu_count())]
    try:
        clocks.measure("busy host", SECONDS)
    finally:
        for process in busy:
            process.kill()
    clocks.end()
