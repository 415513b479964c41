"""Debian's kernels boot, run a script and power off in lock-step: thousands of millions of instructions, no difference.

no_timer_check: at that speed, and on a busy host, the kernel may count too few of ten ticks and give up.
"""
import debian_guest

debian_guest.SECONDS = 3600
for flavour in "686", "686-pae", "amd64":
    debian_guest.smoke(flavour, "-accel", "verify", append="no_timer_check")
