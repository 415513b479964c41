/*
 * What a one-bit loudspeaker does: its level over virtual time, told by its device as waves and read by whoever plays
 * it
 * ("consumers": a window, tests). Independent of any sound system; nothing runs while the level stays, and none of it
 * is needed where nobody listens.
 *
 * Time is counted in ticks of the device's own clock since virtual time 0, so a tone has exactly its frequency. The
 * last SOUND_KEPT changes of wave are kept; what is older reads as low.
 *
 * @locks all calls are made with the machine lock held.
 */
#ifndef RING3_DEVICES_SOUND_H
#define RING3_DEVICES_SOUND_H

#include "devices/core/vclock.h"

/* From tick `at` on, until the next wave: high in the first `high` ticks of every `period`, counted from `start`, which
 * may lie after `at`. Period 0: steady, high or low as `high` says. */
struct sound_wave {
    uint64_t at, start;
    uint32_t high, period;
};

enum { SOUND_KEPT = 4096 };

struct sound {
    struct vclock *clock;
    uint64_t hz;         /* ticks in a second */
    unsigned next, kept; /* index of the next wave to be written; how many before it are valid */
    struct sound_wave wave[SOUND_KEPT];
};

/* Low since ever. `hz` must not be 0. */
void sound_init(struct sound *sound, struct vclock *clock, uint64_t hz);

/* For the device: what follows from wave.at on, which may lie in the future. Waves told before to begin then or later
 * are taken back. A period above 0 wants 0 < high < period; anything else is steady. */
void sound_tell(struct sound *sound, struct sound_wave wave);

/* The present tick. */
uint64_t sound_now(const struct sound *sound);

/* In how many of the ticks from..to-1 the level is high. */
uint64_t sound_high(const struct sound *sound, uint64_t from, uint64_t to);

/* Whether the level does not change between the ticks from and to-1, as far as the waves tell. */
bool sound_steady(const struct sound *sound, uint64_t from, uint64_t to);

#endif
