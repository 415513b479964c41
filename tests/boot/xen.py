"""Xen from Debian's package, by Multiboot, with a Debian kernel and initramfs as modules: to dom0's shell and off."""
import os

from debian_guest import GUESTS, Terminal, check
from screen_guest import skip

XEN = os.path.join(GUESTS, "xen-4.17-amd64.gz")

if not os.path.exists(XEN):
    skip(f"no {XEN}")
kernel, initrd = os.path.join(GUESTS, "vmlinuz-amd64"), os.path.join(GUESTS, "initrd-amd64.gz")
terminal = Terminal("-m", "768", "-kernel", XEN, "-append", "console=com1 com1=115200,8n1", "-initrd",
                    f"{kernel} console=hvc0 quiet,{initrd}", "-nographic", "-no-reboot")
terminal.wait_for("Bootloader: ring3")
terminal.wait_for("ring3 demo guest: Linux")
terminal.wait_for("# ")
terminal.type("dmesg | grep -c 'Hypervisor detected: Xen PV'; cat /sys/hypervisor/type /sys/hypervisor/version/major\r")
said = terminal.wait_for("# ").split()
check(said[-4:-1] == ["1", "xen", "4"], f"dom0 says {said}")
terminal.type("poweroff\r")
status = terminal.status()
check(status == 0, f"exit status {status}")
