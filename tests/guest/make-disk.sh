#!/bin/sh
# Makes a disk with Debian 12 on it as its installer leaves one: an MBR, GRUB, an ext4 partition, systemd.
#
# Usage: make-disk.sh OUTDIR      leaves OUTDIR/debian-12.img, a raw image; user root, password ring3
#
# GRUB shows its menu, and Linux a login prompt, on the screen and on the first serial port.
# Wants root (mmdebstrap's unprivileged modes need what containers often lack), but no loop devices: mke2fs fills the
# partition from a folder, and GRUB's first sectors are put into their places by hand, as grub-bios-setup would.
# What is there already is kept, unless this script is newer.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
disk=$out/debian-12.img

say() { echo "ring3: $*" >&2; }

if [ -s "$disk" ] && [ ! "$0" -nt "$disk" ]; then
    exit 0
fi
[ "$(id -u)" -eq 0 ] || { say "no Debian disk: making one needs root; run 'sudo sh $0 $1'"; exit 1; }

work=$out/disk.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir "$work"
root=$work/root

GRUB=/usr/lib/grub/i386-pc
ROOT_UUID=3e6be9de-8139-4a1d-9a8b-9f2c1f2d7a10
SECTOR=512
FIRST_SECTOR=2048 # of the partition; GRUB's core.img lies in the gap before it
PARTITION_MIB=700

# Kernel modules for hardware no PC of ours has: most of a kernel's size, and of the time depmod and initramfs-tools take.
exclude() {
    for path in 'kernel/sound/*' 'kernel/drivers/gpu/drm/amd/*' 'kernel/drivers/gpu/drm/i915/*' \
        'kernel/drivers/gpu/drm/nouveau/*' 'kernel/drivers/gpu/drm/radeon/*' 'kernel/drivers/net/wireless/*' \
        'kernel/drivers/net/ethernet/[a-hj-qs-z]*' 'kernel/drivers/media/*' 'kernel/drivers/infiniband/*' \
        'kernel/drivers/iio/*' 'kernel/drivers/staging/*' 'kernel/drivers/isdn/*' 'kernel/drivers/hwmon/*' \
        'kernel/drivers/scsi/[b-rt-z]*'; do
        echo "path-exclude=/lib/modules/*/$path"
    done
    echo 'path-exclude=/usr/share/doc/*'
    echo 'path-exclude=/usr/share/man/*'
    echo 'path-exclude=/usr/share/locale/*'
}

say "making $disk: downloading and unpacking Debian 12 (a few minutes)"
exclude >"$work/dpkg.conf"
mmdebstrap --quiet --mode=root --variant=minbase --include=linux-image-amd64,systemd-sysv,udev,login \
    --aptopt='APT::Install-Recommends "false"' --dpkgopt="$work/dpkg.conf" bookworm "$root" >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    say "mmdebstrap failed: no Debian disk"
    exit 1
}

echo debian >"$root/etc/hostname"
echo "UUID=$ROOT_UUID / ext4 errors=remount-ro 0 1" >"$root/etc/fstab"
rm -f "$root/etc/resolv.conf" "$root"/etc/dpkg/dpkg.cfg.d/*mmdebstrap
echo root:ring3 | chroot "$root" chpasswd

# --- GRUB ----------------------------------------------------------------------------------------------------------

mkdir -p "$root/boot/grub/i386-pc"
cp "$GRUB"/*.mod "$GRUB"/*.lst "$root/boot/grub/i386-pc/"
kernel=$(cd "$root/boot" && ls vmlinuz-*)
cat >"$root/boot/grub/grub.cfg" <<END
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=10
search --no-floppy --fs-uuid --set=root $ROOT_UUID
set linux="/boot/$kernel root=UUID=$ROOT_UUID ro console=ttyS0,115200 console=tty0"
menuentry 'Debian GNU/Linux' {
	linux \$linux
	initrd /boot/initrd.img-${kernel#vmlinuz-}
}
menuentry 'Debian GNU/Linux on a text screen' {
	linux \$linux nomodeset
	initrd /boot/initrd.img-${kernel#vmlinuz-}
}
END
grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o "$work/core.img" biosdisk part_msdos ext2

# --- the disk ------------------------------------------------------------------------------------------------------

say "making $disk: file system and boot sectors"
partition=$work/partition
truncate -s ${PARTITION_MIB}M "$partition"
mke2fs -q -t ext4 -U $ROOT_UUID -L debian -d "$root" "$partition"

# boot.img loads the sector at LBA 1, core.img's first, which loads the others from LBA 2 on: both programs' defaults.
[ "$(stat -c %s "$work/core.img")" -le $(((FIRST_SECTOR - 1) * SECTOR)) ]
dd if=$GRUB/boot.img of="$work/disk" bs=440 count=1 status=none
dd if="$work/core.img" of="$work/disk" bs=$SECTOR seek=1 status=none
dd if="$partition" of="$work/disk" bs=1M seek=$((FIRST_SECTOR * SECTOR / 1048576)) conv=sparse status=none
truncate -s $((PARTITION_MIB + 1))M "$work/disk"
echo "start=$FIRST_SECTOR, type=83, bootable" | sfdisk -q --wipe never "$work/disk" >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
mv "$work/disk" "$disk"
say "made $disk, $(du -m "$disk" | cut -f 1) MB"
