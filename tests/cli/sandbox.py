"""-sandbox on: a machine works as before, all its threads are under the filter, and what it may not do is said clearly."""
import os
import signal
import subprocess

from monitor_client import Hmp, Machine, connect
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
        check("-sandbox on" in answer and not os.path.exists(picture), f"pmemsave: {answer}")
        check("-sandbox on" in hmp(f"logfile {picture}"), "logfile")
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


def image(path, size, volume=b""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.truncate(size)
        file.seek(16 * 2048 + 1)
        file.write(volume)
    return path


def refused(qmp, device, path, *why):
    hmp = qmp("human-monitor-command", command_line=f"change {device} {path}")
    error = qmp.raw("blockdev-change-medium", {"device": device, "filename": path}).get("error", {})
    for text in (hmp, error.get("desc", "")):
        check(all(part in text for part in (path, *why)), f"change {device} {path}: {hmp!r} {error}")


def medium(qmp, device):
    return next(drive for drive in qmp("query-block") if drive["device"] == device).get("inserted", {})


# Media: those beside the first ones and below -sandbox on,media=; nothing else, and nothing that is no medium.
near, far = (os.path.join(FOLDER.name, name) for name in ("near", "far"))
cds = [image(os.path.join(near, f"{name}.iso"), 1 << 20, b"CD001") for name in "ab"]
floppies = [image(os.path.join(far, "below", f"{name}.img"), 1440 << 10) for name in "ab"]
letters, other = image(os.path.join(near, "letters"), 1 << 20), image(os.path.join(FOLDER.name, "other.iso"), 1 << 20, b"CD001")
for snapshot in ([], ["-snapshot"]):
    machine = Machine("-sandbox", f"on,media={far}", "-kernel", kernel(HANG), "-cdrom", cds[0], *snapshot)
    qmp = machine.qmp()
    for cd in (cds[1], cds[0], cds[0]):
        qmp("blockdev-change-medium", device="ide1-cd0", filename=cd)
        check(medium(qmp, "ide1-cd0")["file"] == cd and medium(qmp, "ide1-cd0")["ro"], f"{cd} in the drive")
    for floppy in floppies:
        answer = qmp("human-monitor-command", command_line=f"change floppy0 {floppy}")
        check(not answer and medium(qmp, "floppy0")["file"] == floppy and not medium(qmp, "floppy0")["ro"], f"{floppy}: {answer}")
    os.chmod(floppies[0], 0o400)
    qmp("blockdev-change-medium", device="floppy0", filename=floppies[0], read_only_mode="read-only")
    check(medium(qmp, "floppy0")["ro"], "a floppy to be read")
    refused(qmp, "ide1-cd0", other, "-sandbox on", "media=FOLDER")
    refused(qmp, "ide1-cd0", letters, "-sandbox on", "ISO 9660")
    refused(qmp, "floppy0", letters, "-sandbox on", "size")
    refused(qmp, "ide1-cd0", os.path.join(near, "none.iso"), "no such file")
    check(medium(qmp, "ide1-cd0")["file"] == cds[0], "refusals change nothing")
    qmp("quit")
    check(machine.wait() == 0, "end")
machine = Machine("-sandbox", "on", "-kernel", kernel(HANG))
refused(machine.qmp(), "ide1-cd0", cds[0], "-sandbox on", "media=FOLDER")
machine.process.kill()
machine.wait()

result = run("-sandbox", "on,media=/nowhere", "-m", "16", "-display", "none", "-serial", "null", "-kernel", kernel(HANG))
check(result.returncode == 1 and b"/nowhere" in result.stderr and b"folder" in result.stderr, result)
result = run("-sandbox", "on,spawn=allow")
check(result.returncode == 1 and b"always denied" in result.stderr, result)
result = run("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny", "-version")
check(result.returncode == 0, result)
result = run("-sandbox", "on", "-m", "16", "-nographic", "-kernel", kernel(say("on a terminal") + POWER_OFF + HANG))
check(result.returncode == 0 and result.stdout == b"on a terminal", result)
result = run("-sandbox", "maybe")
check(result.returncode == 1 and b"on or off" in result.stderr, result)
result = subprocess.run([os.environ["RING3"], "-sandbox", "off", "-version"], stdout=subprocess.PIPE, check=False)
check(result.returncode == 0, result)
