"""Keys through the monitors, to a guest that shows on the screen what it got: MikeOS's command line."""
import os
import sys
import time

from monitor_client import Machine
from tiny_guest import check

FLOPPY = os.path.join(os.path.dirname(__file__), "../../../shared/guests/mikeos-4.5.img")
if not os.path.exists(FLOPPY) or not os.path.exists("/usr/share/seabios/bios-256k.bin"):
    sys.exit(77)

machine = Machine("-fda", FLOPPY, "-snapshot")
hmp, qmp = machine.hmp(), machine.qmp()


def wait_for(text):
    for _ in range(6000):
        screen = hmp("info screen")
        if text in screen:
            return
        time.sleep(0.01)
    check(False, f"{text!r} on the screen:\n{screen}")


wait_for("Please select an interface")
hmp("sendkey right")  # Cancel: the command line
hmp("sendkey ret")
wait_for("VER, EXIT")
for key in ("v", "e", "r", "ret"):
    check(hmp(f"sendkey {key} 20") == "", f"sendkey {key}")
wait_for("MikeOS 4.5")
for key in ("shift-x", "shift-1", "minus", "ret"):
    hmp(f"sendkey {key}")
wait_for("> X!-")

# The same by QMP, as chords and as single events.
qmp("send-key", keys=[{"type": "qcode", "data": "shift"}, {"type": "qcode", "data": "q"}])
qmp("send-key", keys=[{"type": "number", "data": 0x11}])  # w
wait_for("> Qw")
for down in (True, False):
    qmp("input-send-event", events=[{"type": "key", "data": {"down": down, "key": {"type": "qcode", "data": "z"}}}])
wait_for("> Qwz")

# Keys wait while the machine is stopped.
qmp("stop")
hmp("sendkey k")
check("Qwzk" not in hmp("info screen"), "a key while stopped")
qmp("cont")
wait_for("> Qwzk")
qmp("quit")
check(machine.wait() == 0, "quit")
