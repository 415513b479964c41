#!/bin/sh
# Makes disks with Debian 12 on them as its installer leaves them: GRUB, an ext4 partition, systemd.
#
# Usage: make-disk.sh OUTDIR      leaves two raw images, both with user root, password ring3:
#   OUTDIR/debian-12.img      an MBR with GRUB for a BIOS
#   OUTDIR/debian-12-efi.img  a GPT, an EFI system partition with GRUB for x86-64 UEFI where removable media have it
#
# GRUB shows its menu, and Linux a login prompt, on the screen and on the first serial port.
# Wants root, or an ordinary user with sub-uids, who is root in a name space of his own then; but no loop devices: mke2fs
# and mcopy fill the partitions from folders, and GRUB's first sectors are put into their places by hand, as
# grub-bios-setup would. What is there already is kept, unless another text of this script made it (OUTDIR/debian-12.made
# has its checksum). Exit status 77: it cannot be made here, and why.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 OUTDIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
BIOS=debian-12.img
EFI=debian-12-efi.img
MADE=debian-12.made
CANNOT=77

PATH=$PATH:/usr/sbin:/sbin

say() { echo "ring3: $*" >&2; }

checksum=$(sha256sum <"$0")
[ ! -s "$out/$BIOS" ] || [ ! -s "$out/$EFI" ] || [ "$(cat "$out/$MADE" 2>/dev/null)" != "$checksum" ] || exit 0

missing=
for tool in mmdebstrap:mmdebstrap grub-mkimage:grub-common mke2fs:e2fsprogs sfdisk:fdisk mkfs.vfat:dosfstools mcopy:mtools \
    /usr/lib/grub/i386-pc/boot.img:grub-pc-bin /usr/lib/grub/x86_64-efi/ext2.mod:grub-efi-amd64-bin; do
    command -v "${tool%:*}" >/dev/null || [ -f "${tool%:*}" ] || missing="$missing ${tool#*:}"
done
[ -z "$missing" ] || { say "no Debian disks: making them needs the packages$missing"; exit $CANNOT; }

# A user becomes root of a name space; the files of its other users belong to his sub-uids.
if [ "$(id -u)" -ne 0 ]; then
    name_space="unshare --map-root-user --map-auto --mount --pid --fork --kill-child"
    $name_space true 2>/dev/null && exec $name_space sh "$0" "$1"
    say "no Debian disks: making them needs root (run 'sudo sh $0 $1'), or the package uidmap and sub-uids (an administrator" \
        "runs 'usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)')"
    exit $CANNOT
fi

work=$(mktemp -d "$out/disk.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
root=$work/root

ROOT_UUID=3e6be9de-8139-4a1d-9a8b-9f2c1f2d7a10
ESP_ID=52d3a5c7 # the serial number of its FAT
SECTOR=512
ROOT_MIB=700
ESP_MIB=40

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

# --- Debian --------------------------------------------------------------------------------------------------------

say "making Debian disks in $out: downloading and unpacking Debian 12 (a few minutes)"
exclude >"$work/dpkg.conf"
# dbus: without it systemd-logind, which hears the power button, does not run; dosfstools checks the EFI partition.
mmdebstrap --quiet --mode=root --variant=minbase \
    --include=linux-image-amd64,systemd-sysv,udev,login,dbus,dosfstools \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' --dpkgopt="$work/dpkg.conf" \
    bookworm "$root" >"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    say "mmdebstrap failed: no Debian disks"
    exit 1
}

echo debian >"$root/etc/hostname"
rm -f "$root/etc/resolv.conf" "$root"/etc/dpkg/dpkg.cfg.d/*mmdebstrap
echo root:ring3 | chroot "$root" chpasswd

kernel=$(cd "$root/boot" && ls vmlinuz-*)
for platform in i386-pc x86_64-efi; do
    mkdir -p "$root/boot/grub/$platform"
    cp /usr/lib/grub/$platform/*.mod /usr/lib/grub/$platform/*.lst "$root/boot/grub/$platform/"
done
cat >"$root/boot/grub/grub.cfg" <<END
# UEFI firmware has the serial port in its own console.
if [ "\$grub_platform" = pc ]; then
	serial --unit=0 --speed=115200
	terminal_input console serial
	terminal_output console serial
fi
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

# --- partitions ----------------------------------------------------------------------------------------------------

# make_root FILE: the ext4 partition, of $root; the lines of fstab besides its own come from standard input
make_root() {
    { echo "UUID=$ROOT_UUID / ext4 errors=remount-ro 0 1" && cat; } >"$root/etc/fstab"
    truncate -s ${ROOT_MIB}M "$1"
    mke2fs -q -t ext4 -U $ROOT_UUID -L debian -d "$root" "$1"
}

make_esp() {
    cat >"$work/early.cfg" <<END
search.fs_uuid $ROOT_UUID root
set prefix=(\$root)/boot/grub
END
    mkdir -p "$work/esp/EFI/BOOT"
    grub-mkimage -O x86_64-efi -c "$work/early.cfg" -p /boot/grub -o "$work/esp/EFI/BOOT/BOOTX64.EFI" \
        part_gpt ext2 search_fs_uuid normal
    truncate -s ${ESP_MIB}M "$1"
    mkfs.vfat -F 32 -i $ESP_ID "$1" >"$work/log"
    mcopy -s -i "$1" "$work/esp/EFI" ::
}

# put FILE DISK MIB: the file at so many MiB into the disk
put() {
    dd if="$1" of="$2" bs=1M seek="$3" conv=sparse,notrunc status=none
}

# partition DISK: as sfdisk's standard input says
partition() {
    sfdisk -q --wipe never "$1" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
}

# --- the disk for a BIOS: GRUB's core.img lies in the gap before the partition ----------------------------------------

make_bios_disk() {
    GRUB=/usr/lib/grub/i386-pc
    grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o "$work/core.img" biosdisk part_msdos ext2
    # boot.img loads the sector at LBA 1, core.img's first, which loads the others from LBA 2 on: both programs' defaults.
    [ "$(stat -c %s "$work/core.img")" -le $((1048576 - SECTOR)) ]
    dd if=$GRUB/boot.img of="$work/bios" bs=440 count=1 status=none
    dd if="$work/core.img" of="$work/bios" bs=$SECTOR seek=1 status=none
    make_root "$work/partition" </dev/null
    put "$work/partition" "$work/bios" 1
    truncate -s $((1 + ROOT_MIB))M "$work/bios"
    echo 'start=1MiB, type=83, bootable' | partition "$work/bios"
}

# --- the disk for UEFI ------------------------------------------------------------------------------------------------

make_efi_disk() {
    make_esp "$work/system"
    rm -f "$work/partition"
    make_root "$work/partition" <<END
UUID=$(echo $ESP_ID | sed 's/^..../&-/' | tr a-f A-F) /boot/efi vfat umask=0077 0 1
END
    truncate -s $((1 + ESP_MIB + ROOT_MIB + 1))M "$work/efi"
    partition "$work/efi" <<END
label: gpt
start=1MiB, size=${ESP_MIB}MiB, type=uefi
start=$((1 + ESP_MIB))MiB, size=${ROOT_MIB}MiB, type=linux
END
    put "$work/system" "$work/efi" 1
    put "$work/partition" "$work/efi" $((1 + ESP_MIB))
}

say "making Debian disks in $out: file systems and boot sectors"
mkdir -p "$root/boot/efi"
rm -f "$out/$MADE"
make_bios_disk
make_efi_disk
mv "$work/bios" "$out/$BIOS"
mv "$work/efi" "$out/$EFI"
echo "$checksum" >"$out/$MADE"
say "made $out/$BIOS and $out/$EFI, $(du -cm "$out/$BIOS" "$out/$EFI" | tail -n 1 | cut -f 1) MB"
