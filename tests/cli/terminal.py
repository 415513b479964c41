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


def session(way_out, *arguments):
    """Starts ring3 as the foreground job of a new terminal, waits for its output, and leaves it."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)

    def take_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    process = subprocess.Popen([RING3, "-kernel", kernel(say("ready") + ECHO), "-m", "16", *arguments], stdin=slave,
                               stdout=slave, stderr=slave, preexec_fn=take_terminal)
    read_until(master, b"ready")
    wait_until(lambda: raw(slave), "raw mode")
    way_out(process, master, slave)
    status = process.wait(30)
    check(termios.tcgetattr(slave) == before, f"the terminal after status {status}")
    os.close(master)
    os.close(slave)
    return status


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


def by(number):
    return lambda process, master, slave: process.send_signal(number)


check(session(keys, "-nographic") == 0, "Ctrl-a x")
check(session(stopped_and_continued, "-nographic") == 0, "SIGCONT")
check(session(lambda p, master, s: os.write(master, b"\x03"), "-serial", "stdio") == 128 + signal.SIGINT, "Ctrl-C")
for way in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    check(session(by(way), "-nographic") == 128 + way, f"signal {way}")
for way in (signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT):
    check(session(by(way), "-nographic") == -way, f"fatal signal {way}")
