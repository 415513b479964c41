"""Keys reach a Linux guest through the 8042: Alt+SysRq+H has its kernel speak, with every PS/2 device found."""
import os
import socket
import tempfile

from debian_guest import Console, check

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "monitor")
    console = Console("amd64", "-monitor", f"unix:{path},server=on,wait=off")
    console.wait_for("ring3 demo guest: Linux")
    console.wait_for("# ")
    monitor = socket.socket(socket.AF_UNIX)
    monitor.connect(path)
    monitor.sendall(b"sendkey alt-print-h\n")
    console.wait_for("sysrq: HELP")
    console.type("grep Name= /proc/bus/input/devices; echo en\"\"d\r")
    names = console.wait_for("\nend")
    check("AT Translated Set 2 keyboard" in names, f"the input devices are {names}")
    console.type("poweroff\r")
    status = console.status()
    check(status == 0, f"exit status {status}")
