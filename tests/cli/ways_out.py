"""How a machine ends: power-off, reset, triple fault, debug exit, signals; and what its exit status is then."""
import os
import signal
import socket
import subprocess

from tiny_guest import ECHO, FOLDER, HANG, TRIPLE_FAULT, check, kernel, out16, out8, run, say, start

POWER_OFF = out16(0x604, 1 << 13)
EXIT = ["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]

ECHO_ONE = 2 * (b"\x66\xba\xfd\x03\xec\xa8\x01\x74\xf7" b"\x66\xba\xf8\x03\xec\xee")

# inc dword [500h]; cmp dword [500h], 3; jne past the exit; out F4h, 10h
COUNT_TO_3 = b"\xff\x05\x00\x05\x00\x00\x83\x3d\x00\x05\x00\x00\x03\x75\x07" + out8(0xF4, 0x10)

for engine in ("bt", "interp"):

    def boot(code, *arguments, stdin=b""):
        return run("-kernel", kernel(code), "-m", "16", "-nographic", "-accel", engine, *arguments, stdin=stdin)

    def expect(what, result, status, output=b"", message=""):
        got = f"{what} ({engine}): {result}"
        check(result.returncode == status and result.stdout == output and message in result.stderr.decode(), got)

    expect("power-off", boot(say("off") + POWER_OFF + HANG), 0, b"off")
    expect("debug exit", boot(out8(0xF4, 3) + HANG, *EXIT), 7)
    expect("keyboard controller reset", boot(out8(0x64, 0xFE) + HANG, "-no-reboot"), 0)
    expect("port 92h reset", boot(out8(0x92, 1) + HANG, "-no-reboot"), 0)
    expect("reset control register", boot(out8(0xCF9, 2) + out8(0xCF9, 6) + HANG, "-no-reboot"), 0)
    expect("triple fault", boot(TRIPLE_FAULT, "-no-reboot"), 1, b"", "triple fault")
    expect("reset boots again", boot(COUNT_TO_3 + out8(0x64, 0xFE) + HANG, *EXIT), 33)
    expect("triple fault boots again", boot(COUNT_TO_3 + TRIPLE_FAULT, *EXIT), 33)
    process = start("-kernel", kernel(ECHO), "-nographic", "-accel", engine, stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE, bufsize=0)
    process.stdin.write(b"hello\x01\x01")
    check(b"".join(process.stdout.read(1) for _ in range(6)) == b"hello\x01", "echo and Ctrl-a Ctrl-a")
    process.stdin.write(b"\x01x")
    check(process.wait(30) == 0, "Ctrl-a x")
    result = boot(HANG, stdin=b"\x01h\x01c\x01x")
    check(b"Ctrl-a x" in result.stdout and b"monitor - type" in result.stdout, f"help: {result}")
    expect("no keys without mon:", boot(ECHO_ONE + POWER_OFF, "-serial", "stdio", stdin=b"\x01x"), 0, b"\x01x")

    path = os.path.join(FOLDER.name, "serial")
    expect("serial to a file", boot(say("text") + POWER_OFF, "-serial", f"file:{path}"), 0)
    with open(path) as file:
        check(file.read() == "text", "what the file holds")
    expect("debug console", boot(out8(0xE9, ord("d")) + POWER_OFF, "-serial", "null", "-debugcon", "stdio"), 0, b"d")
    expect("serial none", boot(say("x") + POWER_OFF, "-serial", "none"), 0)
    # More than a pipe holds, to a reader that comes late: nothing is lost.
    many = b"\xb9" + (100000).to_bytes(4, "little") + b"\x66\xba\xf8\x03\xb0\x2e\xee\xe2\xf7"
    expect("much output", boot(many + POWER_OFF), 0, b"." * 100000)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for code in (HANG, b"\xeb\xfe"):  # halted, and busy
            sockets = [os.path.join(FOLDER.name, name) for name in ("monitor", "qmp")]
            process = start("-kernel", kernel(say("!") + code), "-nographic", "-accel", engine, "-monitor",
                            f"unix:{sockets[0]},server=on,wait=off", "-qmp", f"unix:{sockets[1]},server=on,wait=off",
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            check(process.stdout.read(1) == b"!", "started")
            process.send_signal(number)
            check(process.wait(30) == 128 + number, f"signal {number} ({engine}): {process.returncode}")
            check(not any(map(os.path.exists, sockets)), f"signal {number} ({engine}): sockets are left")

# A display that never answers: signals end what waits for it, and the user is told.
with socket.socket(socket.AF_UNIX) as display:
    number = next(n for n in range(90, 200) if not os.path.exists(f"/tmp/.X11-unix/X{n}"))
    os.makedirs("/tmp/.X11-unix", exist_ok=True)
    display.bind(f"/tmp/.X11-unix/X{number}")
    display.listen()
    try:
        for ending in (signal.SIGTERM, signal.SIGINT):
            monitor = os.path.join(FOLDER.name, "monitor")
            process = start("-m", "16", "-monitor", f"unix:{monitor},server=on,wait=off", stderr=subprocess.PIPE,
                            env={**os.environ, "DISPLAY": f":{number}"})
            check(b"does not show the window" in process.stderr.readline(), "no line about the display")
            process.send_signal(ending)
            check(process.wait(30) == 128 + ending, f"signal {ending} before there is a window: {process.returncode}")
            check(not os.path.exists(monitor), "the monitor's socket is left")
    finally:
        os.unlink(f"/tmp/.X11-unix/X{number}")
