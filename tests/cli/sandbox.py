"""-sandbox on: a machine works as before, all its threads are under the filter, and what it may not do is said clearly."""
import os
import signal
import subprocess

from monitor_client import Hmp, connect
from tiny_guest import ECHO, FOLDER, HANG, check, kernel, out16, run, say, start

POWER_OFF = out16(0x604, 1 << 13)

for engine in ("bt", "interp"):
    serial, monitor = (os.path.join(FOLDER.name, f"{name}-{engine}") for name in ("serial", "monitor"))
    picture = os.path.join(FOLDER.name, "picture.ppm")
    disk = os.path.join(FOLDER.name, "disk")
    with open(disk, "wb") as file:
        file.truncate(1 << 20)
    arguments = ["-sandbox", "on", "-m", "16", "-accel", engine, "-display", "none", "-kernel", kernel(say("!") + ECHO), "-serial",
                 f"unix:{serial},server=on,wait=off", "-monitor", f"unix:{monitor},server=on,wait=off", "-hda", disk]
    for end in ("quit", signal.SIGTERM, signal.SIGKILL):
        process = start(*arguments)
        hmp = Hmp(monitor)
        port = connect(serial)
        port.sendall(b"hello")
        got = b""
        while b"hello" not in got:
            got += port.recv(64)
        for task in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{task}/status") as file:
                check("Seccomp:\t2" in file.read(), f"{engine}: thread {task} is not under the filter")
        hmp("system_reset")  # the kernel is loaded again
        while not got.endswith(b"!"):
            got = port.recv(64)
        port.sendall(b"again")
        got = b""
        while b"again" not in got:
            got += port.recv(64)
        answer = hmp(f"screendump {picture}")
        check("-sandbox on" in answer and not os.path.exists(picture), f"screendump: {answer}")
        answer = hmp(f'pmemsave 0 4096 "{picture}"')
        check("not permitted" in answer and not os.path.exists(picture), f"pmemsave: {answer}")
        if end == "quit":
            hmp.socket.sendall(b"quit\n")
        else:
            process.send_signal(end)
        status = process.wait(30)
        check(status == {"quit": 0, signal.SIGTERM: 128 + signal.SIGTERM, signal.SIGKILL: -signal.SIGKILL}[end], f"{end}: status {status}")
        if end == signal.SIGKILL:
            while os.path.exists(serial) or os.path.exists(monitor):
                pass
        check(not os.path.exists(serial) and not os.path.exists(monitor), f"{end}: sockets are left")

result = run("-sandbox", "on", "-m", "16", "-nographic", "-kernel", kernel(say("on a terminal") + POWER_OFF + HANG))
check(result.returncode == 0 and result.stdout == b"on a terminal", result)
result = run("-sandbox", "maybe")
check(result.returncode == 1 and b"on or off" in result.stderr, result)
result = subprocess.run([os.environ["RING3"], "-sandbox", "off", "-version"], stdout=subprocess.PIPE, check=False)
check(result.returncode == 0, result)
