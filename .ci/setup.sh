# Sourced by ./run and ./test: install_packages NAME..., after saying which. No apt call when all are there.
install_packages() {
    missing=
    for package; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
        [ "$status" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0

    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "These Debian packages are missing; install them as root and try again:$missing" >&2
            return 1
        }
        as_root=sudo
    fi
    echo "Installing Debian packages with apt-get${as_root:+ (through sudo)}:$missing"
    $as_root apt-get -q=2 update || echo "apt-get update reported problems; going on with the lists there are" >&2
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q=2 -y --no-install-recommends install $missing
}

# What a build needs: compiler and CMake; Zydis decodes guest code, Capstone prints it, iasl compiles the ACPI tables,
# libpng writes screen dumps, SDL opens the window, whose font is that of SeaBIOS's VGA BIOS.
BUILD_PACKAGES="gcc libc6-dev binutils cmake ninja-build pkg-config libzydis-dev libcapstone-dev libjansson-dev acpica-tools libpng-dev libsdl2-dev seabios"
# What making the guests needs besides.
GUEST_PACKAGES="cpio ca-certificates"
# What making the demo CD needs: ISOLINUX boots it, xorriso writes it.
CD_PACKAGES="isolinux syslinux-common xorriso"
# What making the Debian disk (tests/guest/make-disk.sh) needs: a Debian of its own, GRUB for a BIOS, file system, partitions.
DISK_PACKAGES="mmdebstrap grub-pc-bin grub-common e2fsprogs fdisk"
# Boot loaders, firmware and memtest86+ as guests of the boot tests; mtools and xorriso write their media.
BOOT_PACKAGES="grub-common grub-pc-bin syslinux syslinux-common memtest86+ u-boot-qemu mtools xorriso"
# What the tests need besides: Criterion for unit tests, Clang as the second compiler, an X server without a screen and
# somebody who types and looks for the window.
TEST_PACKAGES="libcriterion-dev clang clang-format python3 xvfb xdotool imagemagick $BOOT_PACKAGES"
