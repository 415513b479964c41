"""Consoles on sockets as QEMU's users write them: servers that wait for a client, clients, TCP, telnet."""
import os
import re
import signal
import socket
import subprocess

from monitor_client import Hmp, Qmp, connect
from tiny_guest import ECHO, FOLDER, HANG, check, kernel, say, start

IAC, WILL, DO, SB, SE = b"\xff", b"\xfb", b"\xfd", b"\xfa", b"\xf0"
ECHOES = kernel(say("!") + ECHO)


def path(name):
    return os.path.join(FOLDER.name, name)


def ring3(*arguments):
    return start("-m", "16", "-display", "none", *arguments, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def awaited(process):
    """Where the next line says that a connection is waited for."""
    line = process.stderr.readline().decode()
    found = re.search(r"waiting for connection on: (unix|tcp):(\S+)", line)
    check(found and line.startswith("ring3: "), f"waiting: {line!r}")
    if found[1] == "unix":
        return found[2]
    host, port = found[2].rsplit(":", 1)
    return host, int(port)


def read(client, end):
    got = b""
    while end not in got:
        more = client.recv(256)
        check(more, f"{end!r} does not come: {got!r}")
        got += more
    return got


def echoes(client):
    read(client, b"!")
    client.sendall(b"hello")
    read(client, b"hello")


# server=on waits, for all; the monitor answers meanwhile, and the processor starts when the last one is there.
for sandbox in ([], ["-sandbox", "on"]):
    process = ring3("-kernel", ECHOES, "-serial", f"unix:{path('a')},server=on", "-qmp", f"unix:{path('b')},server", *sandbox)
    check({awaited(process), awaited(process)} == {path("a"), path("b")}, "both are waited for")
    qmp = Qmp(path("b"))
    check(qmp("query-status")["status"] == "prelaunch", "not started yet")
    echoes(connect(path("a")))
    qmp.event("RESUME")
    check(qmp("query-status")["status"] == "running", "started")
    qmp("quit")
    check(process.wait(60) == 0 and not os.path.exists(path("a")), "end")

# The same by -chardev; -S still holds.
process = ring3("-S", "-kernel", ECHOES, "-chardev", f"socket,id=c,path={path('c')},server=on,wait=on", "-serial", "chardev:c",
                "-monitor", f"unix:{path('d')},server,nowait")
check(awaited(process) == path("c"), "a -chardev")
serial, hmp = connect(path("c")), Hmp(path("d"))
check("prelaunch" in hmp("info status"), "-S")
hmp("cont")
echoes(serial)
process.kill()
process.wait()

# It can be ended while it waits.
for end in (signal.SIGTERM, "quit"):
    process = ring3("-kernel", ECHOES, "-serial", f"unix:{path('e')},server=on", "-monitor", f"unix:{path('f')},server=on,wait=off")
    awaited(process)
    if end == "quit":
        Hmp(path("f")).socket.sendall(b"quit\n")
    else:
        process.send_signal(end)
    check(process.wait(60) == (0 if end == "quit" else 128 + end), f"{end} while it waits")
    check(not os.path.exists(path("e")) and not os.path.exists(path("f")), "sockets are left")

# TCP, with a port that the host chooses.
process = ring3("-kernel", ECHOES, "-serial", "tcp:127.0.0.1:0,server=on,nodelay=on")
echoes(connect(awaited(process)))
process.kill()
process.wait()

# A client.
for family, name in ((socket.AF_UNIX, path("g")), (socket.AF_INET, ("127.0.0.1", 0))):
    with socket.socket(family) as listener:
        listener.bind(name)
        listener.listen()
        listener.settimeout(60)
        where = f"unix:{name}" if family == socket.AF_UNIX else f"tcp:127.0.0.1:{listener.getsockname()[1]}"
        process = ring3("-kernel", ECHOES, "-serial", where)
        client = listener.accept()[0]
        client.settimeout(60)
        echoes(client)
        client.close()
        check(process.poll() is None, "a server that goes ends nothing")
        process.kill()
        process.wait()

# Telnet: its commands are no input, FFh is written twice, and the monitor edits lines.
process = ring3("-kernel", ECHOES, "-serial", "telnet:127.0.0.1:0,server=on", "-monitor", "telnet:localhost:0,server=on")
serial, monitor = connect(awaited(process)), connect(awaited(process))
GREETING = IAC + WILL + b"\1" + IAC + WILL + b"\3" + IAC + WILL + b"\0" + IAC + DO + b"\0"
check(read(serial, b"!") == GREETING + b"!", "telnet's greeting")
serial.sendall(b"a" + IAC + DO + b"\1" + IAC + SB + b"\x18\0x" + IAC + IAC + b"y" + IAC + SE + b"b" + IAC + IAC + IAC + b"\xf1c")
check(read(serial, b"c") == b"ab" + IAC + IAC + b"c", "telnet's commands")
read(monitor, b"(qemu) ")
monitor.sendall(b"info statux\x7fs\r")
check(b"VM status: running" in read(monitor, b"running\r\n"), "telnet's monitor")
monitor.sendall(b"quit\r")
check(process.wait(60) == 0, "quit by telnet")
