"""A Debian 12 disk of tests/guest/make-disk.sh as a guest: copies of it, logging in, and looking into it afterwards."""
import os
import shutil
import subprocess

from screen_guest import FOLDER, SerialGuest, check, skip

PROMPT = "root@debian:~# "


def run(*command, statuses=(0,)):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    output = (done.stdout + done.stderr).decode(errors="replace")
    check(done.returncode in statuses, f"{command}: exit status {done.returncode}: {output}")
    return done.stdout


class Disk:
    """A copy of one of the disks, with its ext4 partition at so many MiB."""

    def __init__(self, name, mib):
        original = os.path.join(os.environ["GUESTS"], name)
        if not os.path.exists(original):
            skip(f"no {original}: make it with 'sh tests/guest/make-disk.sh {os.environ['GUESTS']}'")
        for tool in "e2fsck", "debugfs":
            if not shutil.which(tool):
                skip(f"no {tool}: package e2fsprogs")
        self.path = os.path.join(FOLDER.name, name)
        self.mib = mib
        self.partition = f"{self.path}?offset={mib << 20}"
        run("cp", "--reflink=auto", "--sparse=always", original, self.path)

    def check_clean(self):
        """The file system was unmounted and is without a fault."""
        header = run("debugfs", "-R", "show_super_stats -h", self.partition).decode()
        check("needs_recovery" not in header, f"the file system was not unmounted:\n{header}")
        run("e2fsck", "-fn", self.partition)

    def recover(self):
        """Replays its journal, as a mount would, in a copy of the partition; nothing else may need mending."""
        self.partition = f"{self.path}.partition"  # e2fsck forgets the offset when it has replayed a journal
        run("dd", f"if={self.path}", f"of={self.partition}", "bs=1M", f"skip={self.mib}", "conv=sparse")
        run("e2fsck", "-p", self.partition, statuses=(0, 1))
        run("e2fsck", "-fn", self.partition)

    def read(self, path):
        return run("debugfs", "-R", f"cat {path}", self.partition)


class DebianGuest(SerialGuest):
    def __init__(self, disk, *arguments):
        super().__init__("-m", "512", "-drive", f"file={disk.path},format=raw", *arguments)

    def log_in(self):
        """As root, over the serial port."""
        self.hear("debian login: ")
        self.say("root\r")
        self.hear("Password: ")
        self.say("ring3\r")
        self.hear(PROMPT)

    def order(self, command):
        """Types a command over the serial port; returns what it answers."""
        self.say(f"{command}\r")
        self.hear("\n")
        return self.hear(PROMPT)

    def expect_off(self):
        status = self.status()
        check(status == 0, f"exit status {status} after the guest powered off")
