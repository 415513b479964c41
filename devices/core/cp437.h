/*
 * Code page 437, the characters of the PC's text screens, in Unicode. Those of 00h to 1Fh and 7Fh are the glyphs that a
 * screen shows; 00h is blank.
 */
#ifndef RING3_DEVICES_CP437_H
#define RING3_DEVICES_CP437_H

#include <stdint.h>

#define CP437_NO_BREAK_SPACE 0x00a0u /* FFh */

unsigned cp437_to_unicode(uint8_t code);

/* The code of a Unicode character, -1 if there is none. */
int cp437_from_unicode(unsigned character);

#endif
