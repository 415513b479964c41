/*
 * Finding and reading the firmware's image: SeaBIOS from the distribution, or what -bios names.
 *
 * Thread: start-up only.
 */
#ifndef RING3_MACHINE_FIRMWARE_H
#define RING3_MACHINE_FIRMWARE_H

#include "devices/machine/loader.h"

#define FIRMWARE_DEFAULT "bios-256k.bin"
#define FIRMWARE_VGA     "vgabios-stdvga.bin"

/*
 * Reads the image `bios` (null: the default). A name without a slash that is no file here is looked for in `directory`
 * (may be null) and where distributions keep firmware. Images are padded in front to a multiple of 64 KiB: their last
 * byte belongs at the top of the address space. Returns 0 or -errno with a message.
 */
int firmware_read(struct blob *image, const char *bios, const char *directory, struct error *err);

/* Reads the VGA's BIOS, looked for in the same places. Returns 0 or -errno with a message. */
int firmware_read_vga(struct blob *image, const char *directory, struct error *err);

#endif
