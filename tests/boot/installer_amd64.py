"""Debian's text installer for amd64 on the VGA's text screen."""
from installer_guest import walk_text

walk_text("amd64")
