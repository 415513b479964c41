"""Debian's text installer for i386 on the VGA's text screen."""
from installer_guest import walk_text

walk_text("i386")
