"""README's tables have every option of -help, no others, and every package that .ci/setup.sh installs.

Usage: readme.py ROOT RING3
"""
import re
import subprocess
import sys
from pathlib import Path

root = Path(sys.argv[1])
readme = (root / "README.md").read_text()
options = set(re.findall(r"^  (-\S+(?: \S+)?)  ", subprocess.check_output([sys.argv[2], "-help"], text=True), re.M))
rows = [row.split(" | ")[0] for row in readme.splitlines() if row.startswith("| `-")]
described = {option for row in rows for option in re.findall(r"`([^`]*)`", row)}
packages = set(re.findall(r'^\w+_PACKAGES="([^"]*)"', (root / ".ci/setup.sh").read_text(), re.M))
packages = {name for line in packages for name in line.split() if not name.startswith("$")}

wrong = [f"option {option}: in -help, not in README.md's table" for option in sorted(options - described)]
wrong += [f"option {option}: in README.md's table, not in -help" for option in sorted(described - options)]
wrong += [f"package {name}: in .ci/setup.sh, not in README.md's table" for name in sorted(packages)
          if f"`{name}`" not in readme]
for line in wrong:
    print(line)
if wrong or not options or not packages:
    sys.exit(1)
