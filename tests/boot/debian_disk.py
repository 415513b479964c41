"""Debian 12 from its disk, by SeaBIOS and GRUB, used on the screen and over the serial port; what it writes is there after
poweroff, after the power button, and, as far as it was flushed, after a SIGKILL."""
import hashlib
import re

from debian_disk_guest import DebianGuest, Disk, check

ROOT_MIB = 1
FLUSHES = 12
# Each file is told when sync has returned; others are written all the while.
WRITER = ("mkdir k; cp -r /usr/lib/x86_64-linux-gnu k/noise & n=0; while :; do n=$((n+1)); "
          "head -c 100000 /dev/urandom >k/$n; sync; echo flushed $n $(sha256sum <k/$n); done")


def power_off(disk):
    """Text console: GRUB's second entry, chosen by keyboard."""
    guest = DebianGuest(disk)
    guest.wait_for("*Debian GNU/Linux")
    guest.keys("down")
    guest.wait_for("*Debian GNU/Linux on a text screen")
    guest.keys("ret")
    guest.wait_for("Debian GNU/Linux 12 debian tty1", "debian login:", seconds=180)
    guest.type("root\n")
    guest.wait_for("Password:")
    guest.type("ring3\n")
    guest.wait_for("root@debian:~#")
    guest.type("echo by keys > typed; sync\n")
    guest.log_in()
    guest.order("cat typed; seq 100000 >numbers; sync")
    guest.say("poweroff\r")
    guest.expect_off()
    disk.check_clean()
    check(disk.read("/root/typed") == b"by keys\n", "the file typed on the screen is not on the disk")
    numbers = b"".join(b"%d\n" % number for number in range(1, 100001))
    check(disk.read("/root/numbers") == numbers, "the file written over the serial port is not on the disk")


def power_button(disk):
    """Graphics: the driver of the VGA sets a mode; the serial port is GRUB's as well."""
    guest = DebianGuest(disk)
    guest.hear("*Debian GNU/Linux")
    guest.say("\r")
    guest.log_in()
    check("100000 588895" in guest.order("wc numbers").replace("  ", " "), "the guest reads another file")
    check("degraded" not in guest.order("systemctl is-system-running --wait"), guest.order("systemctl --failed"))
    width, height, _ = guest.look()
    check((width, height) == (1024, 768), f"the screen has {width}x{height}")
    guest.order("seq 5 >unflushed")
    guest.monitor("system_powerdown")
    guest.expect_off()
    disk.check_clean()
    check(disk.read("/root/unflushed") == b"1\n2\n3\n4\n5\n", "the last file is not on the disk")


def kill(disk):
    guest = DebianGuest(disk)
    guest.wait_for("*Debian GNU/Linux")
    guest.keys("ret")
    guest.log_in()
    guest.say(WRITER + "\r")
    told = {}
    while len(told) < FLUSHES:
        guest.hear("flushed ")
        number, digest = re.match(r"(\d+) ([0-9a-f]{64})|", guest.hear("-")).groups()
        if number:  # not the command's echo
            told[number] = digest
    guest.machine.process.kill()
    guest.machine.process.wait()
    disk.recover()
    for number, digest in told.items():
        found = hashlib.sha256(disk.read(f"/root/k/{number}")).hexdigest()
        check(found == digest, f"of {len(told)} flushed files number {number} is not on the disk as it was")


debian = Disk("debian-12.img", ROOT_MIB)
power_off(debian)
power_button(debian)
kill(debian)
