"""make-disk.sh: disks are kept as long as the script that made them says the same, whatever the files' times are; where
they cannot be made it says why."""
import hashlib
import os
import subprocess
from pathlib import Path

from screen_guest import FOLDER, check

SCRIPT = Path(__file__).resolve().parents[1] / "guest/make-disk.sh"
TOOLS = ["cat", "id", "mkdir", "sha256sum"]  # all it needs before it begins

folder = Path(FOLDER.name)
tools, images = folder / "tools", [folder / "out/debian-12.img", folder / "out/debian-12-efi.img"]
tools.mkdir()
images[0].parent.mkdir()
for tool in TOOLS:
    (tools / tool).symlink_to(next(p for d in ("/usr/bin", "/bin") if (p := Path(d) / tool).exists()))
for image in images:
    image.write_text("a disk")
    os.utime(image, (0, 0))
made = folder / "out/debian-12.made"


def run():
    return subprocess.run(["/bin/sh", SCRIPT, folder / "out"], env={"PATH": str(tools)}, capture_output=True, text=True, check=False)


made.write_text(f"{hashlib.sha256(SCRIPT.read_bytes()).hexdigest()}  -\n")
check(run().returncode == 0 and all(image.read_text() == "a disk" for image in images), "disks of this script are kept")
made.write_text("another script's")
for end in (None, made.unlink, images[1].unlink):  # other disks, disks that nobody vouches for, a disk that is gone
    if end:
        end()
    result = run()
    check(result.returncode == 77 and "no Debian disks" in result.stderr and "mmdebstrap" in result.stderr, result)
