"""QMP as scripts written for QEMU speak it."""
import json
import os
import random
import socket
import subprocess

from monitor_client import Machine, Qmp
from tiny_guest import FOLDER, HANG, check, kernel, out8, out16, start

POWER_OFF = out16(0x604, 1 << 13)
COUNT = b"\x46\xeb\xfd"  # 1: inc esi; jmp 1b


def fails(qmp, class_name, text, command, arguments=None):
    answer = qmp.raw(command, arguments)
    error = answer.get("error", {})
    check(error.get("class") == class_name and text in error.get("desc", ""), f"{command}: {answer}")


machine = Machine("-kernel", kernel(COUNT), "-name", "guest 1")

# Greeting and negotiation.
qmp = machine.qmp(negotiate=False)
check(isinstance(qmp.greeting["QMP"]["version"]["qemu"]["major"], int), f"greeting: {qmp.greeting}")
check(qmp.greeting["QMP"]["capabilities"] == [], "capabilities")
fails(qmp, "CommandNotFound", "qmp_capabilities", "query-status")
check(qmp.raw("qmp_capabilities", id=7) == {"return": {}, "id": 7}, "negotiation, with id")
fails(qmp, "CommandNotFound", "already complete", "qmp_capabilities")

# Questions.
check(qmp("query-status") == {"running": True, "singlestep": False, "status": "running"}, "status")
check(qmp("query-name") == {"name": "guest 1"}, "name")
check("package" in qmp("query-version"), "version")
names = [command["name"] for command in qmp("query-commands")]
check(set(names) >= {"qmp_capabilities", "stop", "cont", "quit", "human-monitor-command"}, f"commands: {names}")
check(qmp.raw("query-status", id={"any": ["thing"]})["id"] == {"any": ["thing"]}, "id of any kind")

# Errors.
fails(qmp, "CommandNotFound", "The command nix has not been found", "nix")
fails(qmp, "GenericError", "Parameter 'nix' is unexpected", "stop", {"nix": 1})
fails(qmp, "GenericError", "Parameter 'command-line' is missing", "human-monitor-command", {})
fails(qmp, "GenericError", "expected: string", "human-monitor-command", {"command-line": 1})
for text, error in (
    ("[]\n", "must be a JSON object"),
    ("{}\n", "lacks member 'execute'"),
    ('{"execute": 1}\n', "must be a string"),
    ('{"execute": "stop", "nix": 1}\n', "'nix' is unexpected"),
    ('{"execute": "stop", "arguments": []}\n', "must be an object"),
    ("nonsense\n", "JSON parse error"),
    ("{]\n", "JSON parse error"),
    ("\xff\n".encode("latin-1"), "JSON parse error"),
    (b'{"execute": "\xc3\x28"}\n', "JSON parse error"),
    ("[" * 5000 + "\n", "JSON parse error"),
):
    qmp.send(text)
    answer = qmp.answer()
    check(error in answer["error"]["desc"] and answer["error"]["class"] == "GenericError", f"{text[:40]!r}: {answer}")

# In pieces, several at once, and in QEMU's single quotes.
qmp.send('{"execute": "query-')
qmp.send('status"}{"execute":"query-name"} {\'execute\': \'query-kvm\', \'id\': \'it\\\'s\'}')
check(qmp.answer()["return"]["running"], "first of three")
check(qmp.answer()["return"] == {"name": "guest 1"}, "second of three")
check(qmp.answer()["id"] == "it's", "third of three")

# Many commands before the first answer is read.
qmp.send(json.dumps({"execute": "query-commands"}) * 2000)
for _ in range(2000):
    check(len(qmp.answer()["return"]) == len(names), "one of many")

# Noise of all kinds, from a client of its own at a time: the machine stays, and the next client is served.
noise = random.Random(1)
qmp.socket.close()
qmp.file.close()
for _ in range(20):
    client = machine.qmp(negotiate=False)
    client.send(b"".join(noise.choice((b'{"execute":"qmp_capabilities"}', b'{"execute":', b"}", b"[", b'"', b"\\", b"\n",
                                       b"'", bytes([noise.randrange(256)]), b'{"execute":"query-block","id":')) for _ in
                         range(2000)))
    client.socket.close()
    client.file.close()
qmp = machine.qmp()
check(qmp("query-status")["running"], "after the noise")

# Stop, cont, reset, power button and their events.
qmp("stop")
event = qmp.event("STOP")
check(event["timestamp"]["seconds"] > 1e9 and 0 <= event["timestamp"]["microseconds"] < 1e6, f"timestamp: {event}")
check(qmp("query-status") == {"running": False, "singlestep": False, "status": "paused"}, "paused")
check(qmp("stop") == {}, "stopping twice")
qmp("cont")
qmp.event("RESUME")
check(qmp("query-status")["running"], "running again")
qmp("system_reset")
check(qmp.event("RESET")["data"] == {"guest": False, "reason": "host-qmp-system-reset"}, "RESET")
qmp("system_powerdown")
qmp.event("POWERDOWN")

# The human monitor, memory, keys.
check(qmp("human-monitor-command", command_line="info status") == "VM status: running\r\n", "human-monitor-command")
check("unknown command" in qmp("human-monitor-command", command_line="nix"), "its errors are text")
path = os.path.join(FOLDER.name, "memory")
qmp("pmemsave", val=0x100000, size=4, filename=path)
with open(path, "rb") as file:
    check(file.read() == b"\x02\xb0\xad\x1b", "pmemsave")
fails(qmp, "GenericError", "cannot open", "pmemsave", {"val": 0, "size": 1, "filename": "/nix/nix"})
qmp("send-key", keys=[{"type": "qcode", "data": "ctrl"}, {"type": "qcode", "data": "a"}], hold_time=10)
fails(qmp, "GenericError", "nix", "send-key", {"keys": [{"type": "qcode", "data": "nix"}]})
press = {"type": "key", "data": {"down": True, "key": {"type": "qcode", "data": "ret"}}}
move = {"type": "rel", "data": {"axis": "x", "value": -5}}
place = {"type": "abs", "data": {"axis": "y", "value": 0x7FFF}}
click = {"type": "btn", "data": {"down": True, "button": "left"}}
qmp("input-send-event", events=[press, move, place, click])
for bad in ({"type": "nix", "data": {}}, {"type": "key"}, 5, {"type": "btn", "data": {"down": True, "button": "nix"}},
            {"type": "abs", "data": {"axis": "y", "value": 0x8000}}):
    check("error" in qmp.raw("input-send-event", {"events": [bad]}), f"bad event {bad}")

# A new client negotiates anew.
qmp.socket.close()
qmp.file.close()
qmp = machine.qmp(negotiate=False)
fails(qmp, "CommandNotFound", "qmp_capabilities", "query-status")
qmp("qmp_capabilities")
qmp("quit")
check(qmp.event("SHUTDOWN")["data"] == {"guest": False, "reason": "host-qmp-quit"}, "SHUTDOWN by quit")
check(machine.wait() == 0, "status of quit")

# The guest powers off: with -no-shutdown the machine stays, and only a reset leads on.
machine = Machine("-kernel", kernel(POWER_OFF + HANG), "-no-shutdown", "-S")
qmp = machine.qmp()
check(qmp("query-status")["status"] == "prelaunch", "-S")
qmp("cont")
check(qmp.event("SHUTDOWN")["data"] == {"guest": True, "reason": "guest-shutdown"}, "SHUTDOWN by the guest")
qmp.event("STOP")
check(qmp("query-status") == {"running": False, "singlestep": False, "status": "shutdown"}, "shutdown")
fails(qmp, "GenericError", "Resetting", "cont")
qmp("system_reset")
qmp.event("RESET")
check(qmp("query-status")["status"] == "prelaunch", "reset after shutdown")
qmp("cont")
qmp.event("SHUTDOWN")
machine.process.terminate()
check(qmp.event("SHUTDOWN")["data"]["reason"] == "host-signal", "SHUTDOWN by a signal")
check(machine.wait() == 128 + 15, "status of SIGTERM")

# A reset that the guest asks for.
machine = Machine("-kernel", kernel(out8(0x64, 0xFE) + HANG), "-no-reboot", "-S")
qmp = machine.qmp()
qmp("cont")
check(qmp.event("SHUTDOWN")["data"] == {"guest": True, "reason": "guest-reset"}, "SHUTDOWN by -no-reboot")
check(machine.wait() == 0, "status of -no-reboot")

# The same over TCP. The port was free a moment ago.
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
process = start("-kernel", kernel(HANG), "-m", "16", "-display", "none", "-serial", "null", "-qmp",
                f"tcp:127.0.0.1:{port},server,nowait", stdin=subprocess.DEVNULL)
qmp = Qmp(("127.0.0.1", port))
check(qmp("query-status")["running"], "over TCP")
qmp("quit")
check(process.wait(60) == 0, "quit over TCP")
