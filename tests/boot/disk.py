"""Linux with an IDE disk and a CD-ROM, by DMA; and a SIGKILL loses nothing that the guest was told is on the disk."""
import hashlib
import os
import re
import subprocess
import tempfile
import threading

from debian_guest import GUESTS, SECONDS, check, command, run

MIB = 1 << 20
RECORDS = 60

folder = tempfile.TemporaryDirectory()


def make(name, content, size=None):
    path = os.path.join(folder.name, name)
    with open(path, "wb") as file:
        file.write(content)
        file.truncate(size)
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


def copy(initrd):
    disk_start, cd_content = os.urandom(MIB), os.urandom(3 * MIB)
    disk, cd = make("disk.img", disk_start, 32 * MIB), make("cd.iso", cd_content)
    lines = run("amd64", "ring3.script=disk ring3.arg=copy", "-initrd", initrd, "-drive",
                f"file={disk},format=raw,if=ide", "-cdrom", cd)
    output = "\n".join(lines)
    check("ring3-guest: disk: status 0" in lines, f"the script failed:\n{output}")
    for port in "ata1", "ata2":
        check(re.search(rf"{port} transfers by .*DMA", output), f"{port} does not use DMA:\n{output}")

    def reported(what):
        return next(line.removeprefix(f"{what}: ") for line in lines if line.startswith(f"{what}: "))

    content = read(disk)
    check(reported("disk") == hashlib.sha256(disk_start).hexdigest(), "the guest read something else from the disk")
    check(reported("cdrom") == hashlib.sha256(cd_content).hexdigest(), "the guest read something else from the CD-ROM")
    check(reported("read back") == reported("written"), "the guest read back something else than it wrote")
    check(reported("written") == hashlib.sha256(content[MIB:9 * MIB]).hexdigest(), "what was written is not in the image")
    check(content[:MIB] == disk_start and not any(content[9 * MIB:]), "the guest's writes went elsewhere too")
    check(read(cd) == cd_content, "the CD-ROM has changed")


def kill(initrd):
    disk = make("kill.img", b"", 32 * MIB)
    records = command("amd64", "quiet ring3.script=disk ring3.arg=records", "-initrd", initrd, "-hda", disk)
    process = subprocess.Popen(records, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    late = threading.Timer(SECONDS, process.kill)
    late.start()
    last, output = 0, b""
    for line in process.stdout:  # to the end: what is still in the pipe was reported too
        output += line
        flushed = re.match(rb"flushed (\d+)\r*\n", line)
        if flushed:
            last = int(flushed[1])
            if last == RECORDS:
                process.kill()
    late.cancel()
    process.wait()
    check(last >= RECORDS, f"only {last} records: {output!r}")
    content = read(disk)
    for number in range(1, last + 1):
        record = content[number * 512:(number + 1) * 512].rstrip(b"\0")
        check(record == b"record %d\n" % number, f"{last} records were reported, but number {number} is {record!r}")


archives = [read(os.path.join(GUESTS, name)) for name in ("initrd-amd64.gz", "modules-amd64.gz")]
both = make("initrd.gz", b"".join(archives))
copy(both)
kill(both)
