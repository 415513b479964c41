#!/bin/sh
# Makes the demo and boot-test guests: Debian's own kernels, and an initramfs of BusyBox with tests/guest/init.
#
# Usage: make-guests.sh OUTDIR [amd64] [i386] [others]      (all when none is named)
#   amd64: OUTDIR/vmlinuz-amd64, OUTDIR/initrd-amd64.gz, and OUTDIR/modules-amd64.gz, the kernel's disk drivers, an
#          archive that may follow the initramfs in one file
#   i386:  OUTDIR/vmlinuz-686, OUTDIR/vmlinuz-686-pae, OUTDIR/initrd-i386.gz
#   others: OUTDIR/xen-4.17-amd64.gz, OUTDIR/memtest86+x64.iso, memtest86+ia32.iso and memtest86+ia32.bin; installed,
#          their packages would put themselves into the boot menu of this very machine
#
# Needs no privileges: packages are downloaded and unpacked, not installed. Where the system's package lists lack what is
# wanted (no lists at all, i386 not enabled, a mirror between two states), OUTDIR/apt gets lists of its own.
# What is there already is kept; an initramfs is made again when its sources are newer.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { echo "usage: $0 OUTDIR [amd64] [i386] [others]" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- amd64 i386 others

work=$out/work.$$
trap 'rm -rf "$work" "$out/apt"' EXIT
trap 'exit 1' INT TERM

say() { echo "ring3: $*" >&2; }

# --- packages ------------------------------------------------------------------------------------------------------

private_lists=no
# apt COMMAND ARGS...: apt-get or apt-cache, with the system's lists or with ours. Root downloads as root, because the
# sandbox user cannot write into a private folder.
apt() {
    tool=$1
    shift
    if [ $private_lists = yes ]; then
        "$tool" -o Dir::State::Lists="$out/apt/lists" -o Dir::Cache="$out/apt/cache" \
            -o APT::Architectures=amd64,i386 -o APT::Sandbox::User=root "$@"
    else
        "$tool" -o APT::Sandbox::User=root "$@"
    fi
}

use_private_lists() {
    private_lists=yes
    [ ! -d "$out/apt" ] || return 0
    say "downloading package lists for the guests alone"
    mkdir -p "$out/apt/lists/partial" "$out/apt/cache/archives/partial"
    apt apt-get -q=2 update >&2 || say "apt-get update reported problems; going on with what there is"
}

# candidates PACKAGE ARCH: what to try, best first. A kernel's metapackage stands for the versioned packages: the one
# it depends on, then any other, newest first. Of other packages any version will do: the best one may be known only
# because it is installed here.
candidates() {
    case $1 in
    linux-image-*)
        apt apt-cache depends "$1:$2" 2>/dev/null | sed -n "s/^ *Depends: \(linux-image-[0-9][^ :]*\).*/\1:$2/p"
        apt apt-cache pkgnames linux-image- 2>/dev/null |
            grep -E "^linux-image-[0-9][0-9.-]*-(deb[0-9]+-)?${1#linux-image-}\$" | sort -Vr | sed "s/\$/:$2/"
        ;;
    *)
        echo "$1:$2"
        apt apt-cache madison "$1:$2" 2>/dev/null | sed -n "s/^ *[^ ]* | *\([^ ]*\) | .*Packages\$/$1:$2=\1/p"
        ;;
    esac
}

# try_download PACKAGE ARCH: leaves one .deb as $work/PACKAGE.deb
try_download() {
    for name in $(candidates "$1" "$2"); do
        say "downloading $name"
        mkdir -p "$work/download"
        if (cd "$work/download" && apt apt-get -q=2 download "$name" >"$work/log" 2>&1); then
            mv "$work/download"/*.deb "$work/$1.deb"
            return 0
        fi
        rm -rf "$work/download"
    done
    return 1
}

download() {
    mkdir -p "$work"
    private_lists=no
    try_download "$1" "$2" && return 0
    use_private_lists
    try_download "$1" "$2" && return 0
    say "cannot download $1 for $2: $(tail -n 1 "$work/log" 2>/dev/null || echo 'no such package in the lists')"
    exit 1
}

# unpack PACKAGE PATTERN...: the package's files that match, under $work/root
unpack() {
    package=$work/$1.deb
    shift
    mkdir -p "$work/root"
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work/root" --wildcards "$@"
    rm "$package"
}

# archive TREE IMAGE: the same bytes from the same files (sorted, owned by root, all times zero)
archive() {
    find "$1" -exec touch -h -d @0 {} +
    (cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) | gzip -9n >"$work/archive"
    mv "$work/archive" "$2"
}

# --- guests --------------------------------------------------------------------------------------------------------

# What SCSI disks and CD-ROMs behind an IDE controller need, and the folders it lies in. Some are built in, by version.
disk_modules="crct10dif_common crct10dif_generic crc-t10dif crc64 crc64-rocksoft t10-pi scsi_common scsi_mod libata
    ata_piix sd_mod cdrom sr_mod"
module_folders="lib crypto block drivers/ata drivers/scsi drivers/cdrom"

# kernel FLAVOUR ARCH
kernel() {
    [ -s "$out/vmlinuz-$1" ] && { [ "$1" != amd64 ] || [ -s "$out/modules-$1.gz" ]; } && return 0
    download "linux-image-$1" "$2"
    rm -rf "$work/root"
    set -- "$1" './boot/vmlinuz-*'
    [ "$1" != amd64 ] || for folder in $module_folders; do
        set -- "$@" "./lib/modules/*/kernel/$folder/*"
    done
    unpack "linux-image-$@"
    [ "$1" != amd64 ] || modules "$1"
    mv "$work"/root/boot/vmlinuz-* "$out/vmlinuz-$1"
}

# modules FLAVOUR: /modules with the disk drivers and /modules/order, which names them as they are to be loaded
modules() {
    mkdir -p "$work/drivers/modules"
    for module in $disk_modules; do
        for file in $(find "$work/root/lib/modules" -name "$module.ko*"); do
            cp "$file" "$work/drivers/modules"
            basename "$file" >>"$work/drivers/modules/order"
        done
    done
    archive "$work/drivers" "$out/modules-$1.gz"
}

busybox() {
    [ -s "$out/busybox-$1" ] && return 0
    download busybox-static "$1"
    rm -rf "$work/root"
    unpack busybox-static './bin/busybox'
    mv "$work/root/bin/busybox" "$out/busybox-$1"
}

# initramfs ARCH. The device nodes come from the kernel's built-in archive (/dev/console) and devtmpfs.
initramfs() {
    image=$out/initrd-$1.gz
    if [ -s "$image" ] && [ -z "$(find "$here" "$out/busybox-$1" -newer "$image" -type f)" ]; then
        return 0
    fi
    tree=$work/tree
    rm -rf "$tree"
    mkdir -p "$tree/bin" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/tmp" "$tree/root" "$tree/etc" "$tree/scripts"
    cp "$out/busybox-$1" "$tree/bin/busybox"
    for applet in $("$out/busybox-amd64" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
    done
    cp "$here/init" "$tree/init"
    cp "$here"/scripts/* "$tree/scripts/"
    chmod 755 "$tree/init" "$tree"/scripts/* "$tree/bin/busybox"
    archive "$tree" "$image"
}

# package_files PACKAGE PATH...: some of its files
package_files() {
    package=$1
    shift
    for path; do
        [ -s "$out/${path##*/}" ] && continue
        download "$package" amd64
        rm -rf "$work/root"
        unpack "$package" "$@"
        for path; do
            mv "$work/root/$path" "$out/"
        done
    done
}

for arch; do
    case $arch in
    amd64) kernel amd64 amd64 ;;
    i386) kernel 686 i386 && kernel 686-pae i386 ;;
    others)
        (package_files xen-hypervisor-4.17-amd64 ./boot/xen-4.17-amd64.gz) || say "going on without Xen"
        (package_files memtest86+ ./usr/lib/memtest86+/memtest86+x64.iso ./usr/lib/memtest86+/memtest86+ia32.iso \
            ./boot/memtest86+ia32.bin) || say "going on without memtest86+"
        continue
        ;;
    *) say "unknown guest $arch" && exit 2 ;;
    esac
    busybox amd64 # also the one that lists the applets
    busybox "$arch"
    mkdir -p "$work"
    initramfs "$arch"
done
