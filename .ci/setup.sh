# Sourced by ./run and ./test, in the project's folder: telling what happens, Debian packages, building.

say() { echo "ring3: $*" >&2; }

# quietly NAME COMMAND...: what it prints goes to build/log/NAME; if it fails, the end of that is shown.
quietly() {
    log=build/log/$1
    shift
    mkdir -p build/log
    "$@" </dev/null >"$log" 2>&1 && return 0
    tail -n 40 "$log" >&2
    say "${log##*/} failed; all it said is in $log"
    return 1
}

# install_packages NAME...: after saying which. No apt call when all are there.
install_packages() {
    missing=
    for package; do
        case "$missing " in *" $package "*) continue ;; esac
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
        [ "$status" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0

    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    if [ -n "$as_root" ] && ! command -v sudo >/dev/null; then
        say "Debian packages are missing, and there is no sudo; have an administrator run: $(apt_command)"
        return 1
    fi
    say "installing Debian packages with ${as_root:+sudo }apt-get, which takes a few minutes:$missing"
    if [ -n "$as_root" ] && ! sudo true; then
        say "sudo does not let you; have an administrator run: $(apt_command)"
        return 1
    fi
    mkdir -p build/log
    $as_root apt-get -q -o APT::Update::Error-Mode=any update >build/log/apt-update 2>&1 </dev/null ||
        say "apt-get update failed (is there a network? see build/log/apt-update); going on with the lists there are"
    # shellcheck disable=SC2086
    quietly apt-install $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install $missing
}

apt_command() { echo "apt-get update && apt-get install --no-install-recommends$missing"; }

# build PRESET TARGET [tests]: compiles what changed; configures before, where that was not done yet or tests are wanted
build() {
    tests=OFF
    [ "${3-}" != tests ] || tests=ON
    if [ ! -f "build/$1/build.ninja" ] || [ $tests = ON ]; then
        quietly "configure-$1" cmake --preset "$1" -DRING3_TESTS=$tests || return 1
    fi
    quietly "build-$1" cmake --build "build/$1" --target "$2" -- --quiet
}

# What a build needs: compiler and CMake; Zydis decodes guest code, Capstone prints it, iasl compiles the ACPI tables,
# libpng writes screen dumps, zlib inflates kernels, libseccomp forbids system calls (-sandbox), SDL opens the window, whose font is that of SeaBIOS's VGA BIOS.
BUILD_PACKAGES="gcc libc6-dev binutils cmake ninja-build pkg-config libzydis-dev libcapstone-dev libjansson-dev acpica-tools libpng-dev zlib1g-dev libsdl2-dev libseccomp-dev seabios"
# What making the guests needs besides.
GUEST_PACKAGES="cpio ca-certificates"
# What making the demo CD needs: ISOLINUX boots it, xorriso writes it.
CD_PACKAGES="isolinux syslinux-common xorriso"
# What making the Debian disks (tests/guest/make-disk.sh) needs: a Debian of its own, GRUB for a BIOS and for UEFI, file
# systems, partitions, and sub-uids for those who are not root.
DISK_PACKAGES="mmdebstrap uidmap grub-pc-bin grub-efi-amd64-bin grub-common e2fsprogs dosfstools mtools fdisk"
# Boot loaders and firmware as guests of the boot tests; mtools and xorriso write their media.
BOOT_PACKAGES="grub-common grub-pc-bin syslinux syslinux-common u-boot-qemu ipxe mtools xorriso"
# UEFI firmware for the boot tests, and Debian's installers, which ISOLINUX boots.
INSTALLER_PACKAGES="ovmf isolinux debian-installer-12-netboot-amd64 debian-installer-12-netboot-i386"
# What the tests need besides: Criterion for unit tests, Clang as the second compiler, an X server without a screen,
# a window manager, and somebody who types and looks for the window.
TEST_PACKAGES="libcriterion-dev clang clang-format python3 xvfb openbox xdotool imagemagick $BOOT_PACKAGES $DISK_PACKAGES $INSTALLER_PACKAGES"
