"""The terminal is raw while the machine runs and as before on every way out."""
import fcntl
import os
import pty
import signal
import subprocess
import termios
import time

from tiny_guest import ECHO, RING3, check, kernel, say

LFLAG = 3


def raw(fd):
    return not termios.tcgetattr(fd)[LFLAG] & (termios.ICANON | termios.ECHO)


def wait_until(condition, what):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    check(False, what)


def read_until(fd, text):
    got = b""
    while text not in got:
        got += os.read(fd, 100)


def foreground_job(slave):
    """In a child of a session's leader, as shells do it."""
    os.setpgid(0, 0)
    os.tcsetpgrp(slave, os.getpid())
    for number in (signal.SIGTTOU, signal.SIGHUP, signal.SIGINT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)


def lead_session(way_out, expected, arguments):
    os.setsid()
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # the terminal is changed from the background
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    before = termios.tcgetattr(slave)
    process = subprocess.Popen([RING3, "-kernel", kernel(say("ready") + ECHO), "-m", "16", *arguments], stdin=slave,
                               stdout=slave, stderr=slave, preexec_fn=lambda: foreground_job(slave))
    if way_out:
        read_until(master, b"ready")
        wait_until(lambda: raw(slave), "raw mode")
        way_out(process, master, slave)
    status = process.wait(30)
    check(status == expected, f"status {status} instead of {expected}")
    check(termios.tcgetattr(slave) == before, f"the terminal after status {status}")


def session(what, way_out, expected, *arguments):
    """Starts ring3 as the foreground job of a new terminal, waits for its output, and leaves it."""
    child = os.fork()
    if not child:
        try:
            lead_session(way_out, expected, arguments)
            os._exit(0)
        except BaseException as wrong:
            print(f"{what}: {wrong}", flush=True)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    check(status == 0, what)


def keys(process, master, slave):
    os.write(master, b"\x03\x1a")  # Ctrl-C and Ctrl-Z are the guest's
    read_until(master, b"\x03\x1a")
    os.write(master, b"\x01x")


def stopped_and_continued(process, master, slave):
    cooked = termios.tcgetattr(slave)
    cooked[LFLAG] |= termios.ICANON | termios.ECHO
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    termios.tcsetattr(slave, termios.TCSANOW, cooked)  # as a shell does
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: raw(slave), "raw mode after SIGCONT")
    os.write(master, b"\x01x")


def suspended(process, master, slave, how=lambda process, master: process.send_signal(signal.SIGTSTP)):
    how(process, master)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    check(os.WIFSTOPPED(status), f"stopped by SIGTSTP: {status}")
    check(not raw(slave), "the terminal while suspended")
    process.send_signal(signal.SIGCONT)
    wait_until(lambda: raw(slave), "raw mode after a suspension")


def suspended_then_keys(process, master, slave):
    suspended(process, master, slave)
    os.write(master, b"\x01x")


def suspended_by_key(process, master, slave):
    suspended(process, master, slave, lambda process, master: os.write(master, b"\x1a"))
    os.write(master, b"\x03")


def by(number):
    return lambda process, master, slave: process.send_signal(number)


session("Ctrl-a x", keys, 0, "-nographic")
session("SIGCONT", stopped_and_continued, 0, "-nographic")
session("SIGTSTP", suspended_then_keys, 0, "-nographic")
session("Ctrl-Z", suspended_by_key, 128 + signal.SIGINT, "-serial", "stdio")
session("Ctrl-C", lambda p, master, s: os.write(master, b"\x03"), 128 + signal.SIGINT, "-serial", "stdio")
for way in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    session(f"signal {way}", by(way), 128 + way, "-nographic")
for way in (signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT):
    session(f"fatal signal {way}", by(way), -way, "-nographic")
session("sandbox", suspended_then_keys, 0, "-nographic", "-sandbox", "on")
session("sandbox, Ctrl-C", lambda p, master, s: os.write(master, b"\x03"), 128 + signal.SIGINT, "-serial", "stdio",
        "-sandbox", "on")
session("bad input", None, 1, "-nographic", "-serial", "nix")
session("no such file", None, 1, "-nographic", "-hda", "/nix/nix")
