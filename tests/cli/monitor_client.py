"""Clients of ring3's monitors for tests: HMP (lines and a prompt) and QMP (JSON lines) over UNIX sockets."""
import json
import os
import socket
import subprocess
import time

from tiny_guest import FOLDER, check, start

TIMEOUT = 60


def connect(path):
    """To a UNIX socket's path, or a (host, port)."""
    for _ in range(1000):
        client = socket.socket(socket.AF_INET if isinstance(path, tuple) else socket.AF_UNIX)
        client.settimeout(TIMEOUT)
        try:
            client.connect(path)
            return client
        except (FileNotFoundError, ConnectionError):
            client.close()
            time.sleep(0.01)
    raise SystemExit(f"FAILED: nobody listens at {path}")


def read_ppm(path):
    """Width, height, and a function from x and y to RRGGBB, of a screen dump."""
    with open(path, "rb") as file:
        magic, width, height, _ = (file.readline() + file.readline() + file.readline()).split()
        pixels = file.read()
    check(magic == b"P6", f"a screen dump that starts with {magic}")
    width, height = int(width), int(height)
    return width, height, lambda x, y: pixels[3 * (y * width + x):3 * (y * width + x) + 3].hex()


class Hmp:
    PROMPT = b"(qemu) "

    def __init__(self, path):
        self.socket = connect(path)
        self.greeting = self.read()

    def read(self):
        got = b""
        while not got.endswith(self.PROMPT):
            more = self.socket.recv(65536)
            if not more:
                break
            got += more
        return got.removesuffix(self.PROMPT).decode().replace("\r\n", "\n")

    def __call__(self, line):
        """The answer, without the echo of the line before it."""
        self.socket.sendall(line.encode() + b"\n")
        answer = self.read()
        return answer.removeprefix(line + "\n")


class Qmp:
    """As QEMU's qmp-spec says: greeting, qmp_capabilities, then commands; events come in between."""

    def __init__(self, path, negotiate=True):
        self.socket = connect(path)
        self.file = self.socket.makefile("rb")
        self.events = []
        self.greeting = self.read()
        if negotiate:
            self("qmp_capabilities")

    def read(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def answer(self):
        while True:
            message = self.read()
            if message is None or "event" not in message:
                return message
            self.events.append(message)

    def raw(self, command, arguments=None, **members):
        message = {"execute": command, **members}
        if arguments is not None:
            message["arguments"] = arguments
        self.send(json.dumps(message))
        return self.answer()

    def __call__(self, command, **arguments):
        names = {name.replace("_", "-"): value for name, value in arguments.items()}
        answer = self.raw(command, names or None)
        if answer is None or "return" not in answer:
            raise SystemExit(f"FAILED: {command}: {answer}")
        return answer["return"]

    def event(self, name):
        """Waits for an event and forgets those before it."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if event["event"] == name:
                    return event
            message = self.read()
            if message is None:
                raise SystemExit(f"FAILED: no event {name}")
            self.events.append(message)


class Machine:
    """ring3 with both monitors on sockets."""

    count = 0

    def __init__(self, *arguments):
        Machine.count += 1
        self.hmp_path = os.path.join(FOLDER.name, f"hmp{Machine.count}")
        self.qmp_path = os.path.join(FOLDER.name, f"qmp{Machine.count}")
        self.process = start("-m", "16", "-display", "none", "-monitor", f"unix:{self.hmp_path},server=on,wait=off",
                             "-qmp", f"unix:{self.qmp_path},server=on,wait=off", *arguments, stdin=subprocess.DEVNULL)

    def hmp(self):
        return Hmp(self.hmp_path)

    def qmp(self, **keywords):
        return Qmp(self.qmp_path, **keywords)

    def wait(self):
        return self.process.wait(TIMEOUT)
