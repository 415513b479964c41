"""More guest memory than fits below 4 GiB, little of it, and the sizes the kernel then finds."""
from debian_guest import check, run


def total_kib(flavour, size):
    lines = run(flavour, "ring3.script=memory", "-m", size)
    check("ring3-guest: memory: status 0" in lines, f"{flavour} -m {size}: the script: {lines[-20:]}")
    return int(next(line for line in lines if line.startswith("MemTotal:")).split()[1])


for flavour, size, mebibytes in (("amd64", "6G", 6144), ("686-pae", "5G", 5120), ("amd64", "128", 128)):
    total = total_kib(flavour, size)
    check(0.6 * mebibytes < total / 1024 <= mebibytes, f"{flavour} -m {size}: MemTotal is {total} KiB")
