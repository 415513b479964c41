"""User space always runs through windows (softmmu/window.h): 64-bit and 32-bit boots do what they do without."""
from debian_guest import smoke

for flavour in "amd64", "686-pae", "686":
    smoke(flavour, "-accel", "bt,without=patience")
smoke("amd64", "-accel", "bt,without=windows")
