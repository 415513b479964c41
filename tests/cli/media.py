"""Drives through the monitors: what is in them, taking it out, putting something else in."""
import os

from monitor_client import Machine
from tiny_guest import FOLDER, HANG, check, kernel


def image(name, size):
    path = os.path.join(FOLDER.name, name)
    with open(path, "wb") as file:
        file.write(name.encode() + bytes(size - len(name)))
    return path


disk, cd, other_cd = image("disk.img", 1 << 20), image("one.iso", 1 << 16), image("two.iso", 1 << 17)
floppy, other_floppy = image("one.flp", 1440 << 10), image("two.flp", 720 << 10)

machine = Machine("-kernel", kernel(HANG), "-hda", disk, "-cdrom", cd, "-fda", floppy)
hmp, qmp = machine.hmp(), machine.qmp()


def drives():
    return {drive["device"]: drive for drive in qmp("query-block")}


def file_in(name):
    return drives()[name].get("inserted", {}).get("file")


def hmp_says(line, text):
    got = hmp(line)
    check(text in got if text else not got, f"{line}: {got!r}")


def fails(command, class_name, text, **arguments):
    error = qmp.raw(command, arguments).get("error", {})
    check(error.get("class") == class_name and text in error.get("desc", ""), f"{command} {arguments}: {error}")


check(set(drives()) >= {"ide0-hd0", "ide1-cd0", "floppy0"}, f"names: {drives()}")
check(file_in("ide0-hd0") == disk and file_in("ide1-cd0") == cd and file_in("floppy0") == floppy, "files")
check(drives()["ide0-hd0"]["inserted"]["image"]["virtual-size"] == 1 << 20, "size")
check(not drives()["ide0-hd0"]["removable"] and drives()["ide1-cd0"]["removable"], "removable")
check(drives()["ide1-cd0"]["inserted"]["ro"] and not drives()["ide0-hd0"]["inserted"]["ro"], "read-only")
hmp_says("info block", f"ide1-cd0: {cd} (raw, read-only)\n    Removable device: not locked, tray closed")

hmp_says("eject ide1-cd0", "")
check(file_in("ide1-cd0") is None, "ejected")
hmp_says("info block", "ide1-cd0: [not inserted]")
hmp_says(f"change ide1-cd0 {other_cd}", "")
check(file_in("ide1-cd0") == other_cd, "changed")
qmp("blockdev-change-medium", device="ide1-cd0", filename=cd)
check(file_in("ide1-cd0") == cd, "changed by blockdev-change-medium")
qmp("change", device="floppy0", target=other_floppy)
check(file_in("floppy0") == other_floppy and not drives()["floppy0"]["inserted"]["ro"], "another floppy")
hmp_says(f"change floppy0 {other_floppy} raw read-only", "")
check(drives()["floppy0"]["inserted"]["ro"], "the same floppy, read-only")
qmp("eject", device="floppy0")
check(file_in("floppy0") is None, "floppy taken out")

hmp_says("eject nix", "Device 'nix' not found")
hmp_says("eject ide0-hd0", "not removable")
hmp_says("change ide1-cd0 /nix/nix", "/nix/nix")
check(file_in("ide1-cd0") == cd, "what cannot be opened leaves what was there")
hmp_says(f"change floppy0 {disk}", disk)  # in use by the disk
fails("eject", "DeviceNotFound", "Device 'nix' not found", device="nix")
fails("eject", "GenericError", "not removable", device="ide0-hd0")
fails("blockdev-change-medium", "GenericError", "/nix/nix", device="ide1-cd0", filename="/nix/nix")
qmp("quit")
check(machine.wait() == 0, "quit")

# Drives that every machine has, and nothing is in; a disk in the CD-ROM drive's place is alone there.
machine = Machine("-kernel", kernel(HANG))
hmp, qmp = machine.hmp(), machine.qmp()
check(set(drives()) == {"ide1-cd0", "floppy0"} and not file_in("ide1-cd0") and not file_in("floppy0"), f"{drives()}")
hmp_says(f"change ide1-cd0 {cd}", "")
check(file_in("ide1-cd0") == cd, "a CD in the drive that was empty")
qmp("quit")
check(machine.wait() == 0, "quit")
machine = Machine("-kernel", kernel(HANG), "-hdc", disk)
qmp = machine.qmp()
check(set(drives()) == {"ide1-hd0", "floppy0"}, f"{drives()}")
qmp("quit")
check(machine.wait() == 0, "quit")
machine = Machine("-kernel", kernel(HANG), "-nodefaults")
hmp, qmp = machine.hmp(), machine.qmp()
check(not drives(), f"-nodefaults: {drives()}")
hmp("o /b 0x70 0x10")
hmp_says("i /b 0x71", "= 0x00")  # the floppy drives' types in CMOS
qmp("quit")
check(machine.wait() == 0, "quit")
