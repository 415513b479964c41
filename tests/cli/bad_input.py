"""Bad input on the command line: one line that says what and how to mend it, exit status 1, nothing on stdout."""
import os

from tiny_guest import FOLDER, HANG, check, kernel, run

good = kernel(HANG)
unreadable = os.path.join(FOLDER.name, "unreadable")
open(unreadable, "w").close()
os.chmod(unreadable, 0)
empty = os.path.join(FOLDER.name, "empty")
open(empty, "w").close()
big = os.path.join(FOLDER.name, "big")
with open(big, "w") as file:
    file.truncate(1 << 30)
truncated = os.path.join(FOLDER.name, "truncated")  # the head of a bzImage whose two setup sectors are missing
with open(truncated, "wb") as file:
    file.write(bytes(0x1F1) + b"\2" + bytes(0xC) + b"\x55\xaa\xeb\x66HdrS\x0f\x02" + bytes(0x58))

CASES = [  # arguments, what the message must name
    (["-append", "quiet"], "-kernel"),
    (["-bios", "/nonexistent"], "/nonexistent"),
    (["-bios", "/dev/null"], "-bios"),
    (["-bios", big], "16 MiB"),
    (["-bios", "/etc/passwd"], "64 KiB"),
    (["-boot", "order=x"], "floppy"),
    (["-boot", "menu=maybe"], "on or off"),
    (["-boot", "splash=x"], "order="),
    (["-kernel"], "needs an argument"),
    (["-kernel", "/nonexistent"], "/nonexistent"),
    (["-kernel", "/etc"], "directory"),
    (["-kernel", "/etc/passwd"], "not a kernel"),
    (["-kernel", "/dev/zero"], "/dev/zero"),
    (["-kernel", big], "-m"),
    (["-kernel", truncated], "truncated"),
    (["-kernel", empty], "not a kernel"),
    (["-kernel", "/bin/true"], "PVH"),
    (["-kernel", ""], "no such file"),
    (["-kernel", good, "-initrd", "/nonexistent"], "/nonexistent"),
    (["-kernel", good, "-initrd", "/etc"], "directory"),
    (["-initrd", good], "-kernel"),
    (["-kernel", good, "-initrd", big], "-m"),
    (["-kernel", good, "-m", "0"], "-m 512"),
    (["-kernel", good, "-m", "3T"], "64"),
    (["-kernel", good, "-m", "abc"], "-m 2G"),
    (["-kernel", good, "-m", "-1"], "-m 2G"),
    (["-kernel", good, "-m", ""], "-m 2G"),
    (["-m"], "needs an argument: -m SIZE"),
    (["-kernel", good, "-noreboot"], "did you mean -no-reboot?"),
    (["-kernel=" + good], "did you mean -kernel?"),
    (["-kernel", good, "-zzzzzzzz"], "-zzzzzzzz: unknown option; -help lists all"),
    (["-"], "-help"),
    ([""], "names no image"),
    (["-kernal", good], "-kernel"),
    (["-kernel", good, "-cpu", "z80"], "max, qemu64, pentium3 or 486"),
    (["-kernel", good, "-cpu", "max,+nosuch"], "'nosuch'; -cpu help"),
    (["-kernel", good, "-cpu", "max,"], "unknown feature"),
    (["-kernel", good, "-cpu", "max,aes=maybe"], "aes=on or aes=off"),
    (["-kernel", good, "-accel", "kvm"], "not built yet"),
    (["-kernel", good, "-accel", "warp"], "interp"),
    (["-kernel", good, "-accel", "bt,colour=red"], "colour=red"),
    (["-kernel", good, "-accel", "bt,tb-size=0"], "1 to 1024"),
    (["-kernel", good, "-accel", "bt,without=bmi3"], "bmi2, pext, fsgsbase"),
    (["-kernel", good, "-d", "everything"], "-d help"),
    (["-kernel", good, "-D", "/tmp"], "directory"),
    (["-kernel", good, "-d", "int", "-D", "/nonexistent/log"], "/nonexistent/log"),
    (["-kernel", good, "-smp", "4"], "-smp 1"),
    (["-kernel", good, "-machine", "q35"], "pc"),
    (["-kernel", good, "-serial", "udp::1234"], "file:PATH"),
    (["-kernel", good, "-serial", "tcp:127.0.0.1:1"], "add server=on to listen"),
    (["-kernel", good, "-serial", "tcp:1234,server=on"], "tcp:HOST:PORT"),
    (["-kernel", good, "-serial", "tcp::1234,server=maybe"], "server=on, wait=off"),
    (["-kernel", good, "-serial", "unix:/tmp/x,wait=off"], "add server=on to listen"),
    (["-kernel", good, "-qmp", "tcp:nix:nix,server,nowait"], "check host and port"),
    (["-kernel", good, "-monitor", "stdio", "-qmp", "stdio"], "already"),
    (["-kernel", good, "-monitor", "mon:stdio"], "write -monitor stdio"),
    (["-kernel", good, "-qmp", "unix:/nonexistent/x,server=on,wait=off"], "/nonexistent/x"),
    (["-kernel", good, "-serial", "file:/nonexistent/x"], "/nonexistent/x"),
    (["-kernel", good, "-serial", "unix:/nonexistent/x,server=on,wait=off"], "/nonexistent/x"),
    (["-kernel", good, "-serial", "unix:/nonexistent/x"], "add server=on to listen"),
    (["-kernel", good, "-serial", "stdio", "-serial", "stdio"], "already"),
    (["-kernel", good, "-device", "isa-debug-exit,iobase=0x60"], "8042"),
    (["-kernel", good, "-device", "e1000"], "isa-debug-exit"),
    (["disk.img"], "disk.img"),
]
if os.geteuid() != 0:
    CASES.append((["-kernel", unreadable], "permission"))

for arguments, needle in CASES:
    result = run(*arguments)
    text = result.stderr.decode()
    check(result.returncode == 1, f"{arguments}: status {result.returncode}, {text!r}")
    check(text.startswith("ring3: ") and text.count("\n") == 1 and text.endswith("\n"), f"{arguments}: {text!r}")
    check(needle.lower() in text.lower(), f"{arguments}: {text!r} does not say {needle!r}")
    check(not result.stdout, f"{arguments}: wrote {result.stdout!r}")

for question in (["-help"], ["--help"], ["-h"], ["-version"], ["-cpu", "help"], ["-accel", "help"], ["-d", "help"],
                 ["-machine", "help"]):
    result = run(*question)
    check(result.returncode == 0 and result.stdout and not result.stderr, f"{question}: {result}")
