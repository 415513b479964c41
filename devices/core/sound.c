/*
 * A one-bit loudspeaker's level over virtual time. See sound.h.
 *
 * Invariant: the valid waves' `at` rise strictly from the oldest to the newest; a wave with a period has
 * 0 < high < period.
 *
 * Thread: whoever holds the machine lock.
 */
#include "devices/core/sound.h"

void sound_init(struct sound *sound, struct vclock *clock, uint64_t hz)
{
    sound->clock = clock;
    sound->hz = hz;
    sound->next = sound->kept = 0;
}

/* The valid wave that is `back` before the newest. */
static const struct sound_wave *wave_at(const struct sound *sound, unsigned back)
{
    return &sound->wave[(sound->next + SOUND_KEPT - 1 - back) % SOUND_KEPT];
}

static bool same(const struct sound_wave *a, const struct sound_wave *b)
{
    if (a->period != b->period || a->high != b->high)
        return false;
    return a->period == 0 || (a->start - b->start) % a->period == 0;
}

void sound_tell(struct sound *sound, struct sound_wave wave)
{
    if (wave.high == 0 || wave.high >= wave.period)
        wave.period = 0;
    if (wave.period == 0)
        wave.high = wave.high > 0;
    while (sound->kept && wave_at(sound, 0)->at >= wave.at) {
        sound->next = (sound->next + SOUND_KEPT - 1) % SOUND_KEPT;
        sound->kept--;
    }
    if (sound->kept ? same(wave_at(sound, 0), &wave) : !wave.period && !wave.high)
        return; /* nothing changes */
    sound->wave[sound->next] = wave;
    sound->next = (sound->next + 1) % SOUND_KEPT;
    if (sound->kept < SOUND_KEPT)
        sound->kept++;
}

uint64_t sound_now(const struct sound *sound)
{
    return muldiv64(vclock_now(sound->clock), sound->hz, NS_PER_SECOND);
}

/* High ticks of the wave's whole periods and the rest, in the `ticks` after the beginning of a period. */
static uint64_t high_since_start(const struct sound_wave *wave, uint64_t ticks)
{
    uint64_t rest = ticks % wave->period;
    return ticks / wave->period * wave->high + (rest < wave->high ? rest : wave->high);
}

static uint64_t high_in_wave(const struct sound_wave *wave, uint64_t from, uint64_t to)
{
    if (wave->period == 0)
        return wave->high ? to - from : 0;
    /* `start` may lie after `from`: go on from the phase there. */
    uint64_t phase = from >= wave->start ? (from - wave->start) % wave->period
                                         : (wave->period - (wave->start - from) % wave->period) % wave->period;
    return high_since_start(wave, phase + (to - from)) - high_since_start(wave, phase);
}

uint64_t sound_high(const struct sound *sound, uint64_t from, uint64_t to)
{
    uint64_t high = 0;
    for (unsigned back = 0; back < sound->kept && from < to; back++) {
        const struct sound_wave *wave = wave_at(sound, back);
        if (wave->at >= to)
            continue;
        uint64_t begin = wave->at > from ? wave->at : from;
        high += high_in_wave(wave, begin, to);
        to = begin;
    }
    return high;
}

bool sound_steady(const struct sound *sound, uint64_t from, uint64_t to)
{
    for (unsigned back = 0; back < sound->kept; back++) {
        const struct sound_wave *wave = wave_at(sound, back);
        if (wave->at >= to)
            continue;
        if (wave->period || wave->at > from)
            return false;
        break;
    }
    return true;
}
