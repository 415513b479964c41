#!/bin/sh
# Makes DIR/demo-amd64.iso, a CD that boots DIR's Debian kernel and BusyBox with a console on the screen.
# Usage: make-demo-iso.sh DIR      (after make-guests.sh DIR amd64; needs isolinux, syslinux-common and xorriso)
set -eu
dir=$1
iso=$dir/demo-amd64.iso
if [ -f "$iso" ] && [ "$iso" -nt "$dir/vmlinuz-amd64" ] && [ "$iso" -nt "$dir/initrd-amd64.gz" ]; then
    exit 0
fi

echo "ring3: making the demo CD" >&2
tree=$(mktemp -d)
trap 'rm -rf "$tree" "$tree.log"' EXIT
mkdir "$tree/isolinux"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$tree/isolinux"
cp "$dir/vmlinuz-amd64" "$tree/vmlinuz"
cp "$dir/initrd-amd64.gz" "$tree/initrd.gz"
cat >"$tree/isolinux/isolinux.cfg" <<'END'
default demo
prompt 0
label demo
  kernel /vmlinuz
  append initrd=/initrd.gz console=ttyS0 console=tty0
END
xorriso -as mkisofs -quiet -o "$iso.new" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$tree" 2>"$tree.log" || { cat "$tree.log" >&2; exit 1; }
mv "$iso.new" "$iso"
