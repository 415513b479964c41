"""Debian's kernels on the other CPU models: what the guest sees is the model, and everything runs.

Not here: `-cpu 486`. Debian's 686 kernels need a Pentium Pro (CMOV) and stop without a word, before they have a
console, on every machine with an older CPU; so does the amd64 kernel without long mode.
"""
from debian_guest import check, smoke


def flags(flavour, model):
    return next(line for line in smoke(flavour, "-cpu", model) if line.startswith("flags")).split()


seen = flags("amd64", "qemu64")
check("lm" in seen and "avx" not in seen, f"qemu64 in the guest: {seen}")
seen = flags("686-pae", "pentium3")
check("sse" in seen and "sse2" not in seen and "lm" not in seen, f"pentium3 in the guest: {seen}")
seen = flags("amd64", "max,-avx2")
check("lm" in seen and "avx2" not in seen, f"max,-avx2 in the guest: {seen}")
