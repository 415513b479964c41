"""Debian's graphical installer for amd64."""
from installer_guest import walk_graphical

walk_graphical("amd64")
