"""A person at the terminal: a shell that answers, the line editor, reboot and power-off, Ctrl-a x."""
import termios

from debian_guest import Console, check

PROMPT = "# "


def session(flavour, what, leave):
    console = Console(flavour)
    before = termios.tcgetattr(console.slave)
    console.wait_for("ring3 demo guest: Linux")
    console.wait_for(PROMPT)
    what(console)
    leave(console)
    status = console.status()
    check(status == 0, f"{flavour}: exit status {status}: {console.output!r}")
    check(termios.tcgetattr(console.slave) == before, f"{flavour}: the terminal is not as it was")


def ask(console, line, answer):
    console.type(line + "\r")
    console.wait_for(line)  # its echo
    got = console.wait_for(PROMPT)
    check(answer in got, f"{line!r} answered {got!r}")


def typing(console):
    ask(console, "echo $((6*7))", "\n42\n")
    ask(console, "uname -a", "Linux")
    # Ctrl-C is the guest's, and ends what runs there. BusyBox loses it between its output and the sleep: try again.
    console.type('echo as""leep; sleep 1000\r')
    console.wait_for("asleep")
    for _ in range(30):
        console.type("\x03")
        if console.comes(PROMPT, 3):
            break
    ask(console, "echo status $?", "status 130")
    ask(console, "cat /proc/interrupts", "ttyS0")


def reboot(console):
    console.type("reboot\r")  # -no-reboot: the reset ends ring3


session("amd64", typing, reboot)
session("686-pae", typing, lambda console: console.type("poweroff\r"))
session("686", lambda console: None, lambda console: console.type("\x01x"))
