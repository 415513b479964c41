"""Debian's graphical installer for i386."""
from installer_guest import walk_graphical

walk_graphical("i386")
