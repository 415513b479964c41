"""Images that no drive takes: one line that says what and how to mend it, exit status 1."""
import fcntl
import os

from tiny_guest import FOLDER, HANG, check, kernel, run


def image(name, size, content=b"", at=0):
    path = os.path.join(FOLDER.name, name)
    with open(path, "wb") as file:
        file.truncate(size)
        file.seek(at)
        file.write(content)
    return path


good = kernel(HANG)
disk = image("disk", 1 << 20)
fifo = os.path.join(FOLDER.name, "fifo")
os.mkfifo(fifo)
locked = open(image("locked", 1 << 20), "r+b")
fcntl.lockf(locked, fcntl.LOCK_EX)
iso = image("iso", 1 << 20, b"\x01CD001", 32768)

CASES = [
    (["-hda", "/nonexistent/disk"], "no such file"),
    (["-hda", image("empty", 0)], "is empty"),
    (["-hda", "/etc"], "directory"),
    (["-hda", fifo], "neither a file nor a block device"),
    (["-hda", image("odd", 1000)], "truncate -s %512"),
    (["-hda", locked.name], "in use"),
    (["-drive", f"file={locked.name},readonly=on"], "in use"),
    (["-hda", disk, "-hdb", disk], "in use"),
    (["-hda", image("qcow2", 1 << 20, b"QFI\xfb")], "qemu-img convert"),
    (["-fda", iso], "-cdrom"),
    (["-fda", image("small", 1000 * 512)], "1440K"),
    (["-cdrom", image("short", 512)], "truncated"),
    (["-drive", f"if=pflash,file={image('flash', 5000)}"], "4096"),
    (["-hda", disk, "-drive", f"file={iso},index=0"], "index="),
]
if os.geteuid() != 0:
    protected = image("protected", 1 << 20)
    os.chmod(protected, 0o444)
    CASES.append((["-hda", protected], "readonly=on"))

for arguments, needle in CASES:
    result = run("-kernel", good, "-display", "none", *arguments)
    text = result.stderr.decode()
    check(result.returncode == 1, f"{arguments}: status {result.returncode}, {text!r}")
    check(text.startswith("ring3: ") and text.count("\n") == 1 and text.endswith("\n"), f"{arguments}: {text!r}")
    check(needle in text, f"{arguments}: {text!r} does not say {needle!r}")
