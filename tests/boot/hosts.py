"""Debian boots in the forms of translated code for hosts that lack something: a fast PEXT, BMI2, FSGSBASE, room for windows."""
from debian_guest import smoke

smoke("amd64", "-accel", "bt,without=bmi2+fsgsbase+windows")
smoke("686-pae", "-accel", "bt,without=pext")
