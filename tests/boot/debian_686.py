"""Debian's 686 kernel boots, a script runs in its user space, and power-off ends ring3 with status 0."""
from debian_guest import smoke

smoke("686")
