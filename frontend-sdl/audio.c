/*
 * The PC speaker, heard: its level over virtual time becomes samples, which SDL plays from a queue.
 *
 * The host's sound device is opened at a beep and closed again when the speaker has been silent for a while (a paused
 * one would go on playing silence); that a host has none is told once, in the bar. A sample is the part of its time in
 * which the speaker was out, so tones above what samples can carry fade instead of folding, and pulses of changing
 * width play as what they mean. A high-pass filter takes away the resting level, as the loudspeaker's paper does.
 *
 * Invariant: samples before `next` are played or lost. Thread: the window's; the machine's lock is held while a piece
 * is computed.
 */
#include "frontend-sdl/window_int.h"

#include "devices/core/sound.h"

enum {
    RATE = 48000,
    PIECE = RATE / 10,      /* the most that is computed at once; what is older is lost */
    LEAD = RATE / 25,       /* silence ahead of a tone, so that the queue does not run dry between two looks */
    BACKLOG = RATE / 4,     /* more than this waits to be played: the host's clock is slower than ours */
    SILENT_PER_SECOND = 10, /* steady for that part of a second: silent */
    LOUDNESS = 9000,
    CLOSE_AFTER_MS = 3000,
};

static const float PAPER = 0.998f; /* high-pass at 15 Hz */

static void say_nothing(const char *file, int line, const char *function, int err, const char *format, ...)
{
    (void)file, (void)line, (void)function, (void)err, (void)format;
}

/* ALSA's library, which SDL may have loaded, writes to stderr why it finds no device. SDL_GetError() is enough. */
static void quieten_alsa(void)
{
    typedef void handler(const char *, int, const char *, int, const char *, ...);
    void *library = SDL_LoadObject("libasound.so.2");
    int (*set_handler)(handler *) = NULL;

    if (library)
        *(void **)&set_handler = SDL_LoadFunction(library, "snd_lib_error_set_handler");
    if (set_handler)
        set_handler(say_nothing);
}

static bool open_device(struct window *w)
{
    struct window_audio *a = &w->audio;
    const SDL_AudioSpec wanted = {.freq = RATE, .format = AUDIO_S16SYS, .channels = 1, .samples = 512};

    if (a->device || a->failed)
        return a->device;
    quieten_alsa();
    if (!SDL_WasInit(SDL_INIT_AUDIO))
        SDL_InitSubSystem(SDL_INIT_AUDIO);
    if (SDL_WasInit(SDL_INIT_AUDIO))
        a->device = SDL_OpenAudioDevice(NULL, 0, &wanted, NULL, 0);
    a->failed = !a->device;
    if (a->failed)
        window_message(w, "The guest beeps, but this host has no sound: %s", SDL_GetError());
    return a->device;
}

static uint64_t tick_of_sample(const struct sound *sound, uint64_t sample)
{
    return muldiv64(sample, sound->hz, RATE);
}

static unsigned compute(struct window_audio *a, const struct sound *sound, uint64_t end, int16_t *samples)
{
    unsigned count = 0;

    if (end - a->next > PIECE)
        a->next = end - PIECE;
    for (; a->next < end; a->next++) {
        uint64_t from = tick_of_sample(sound, a->next), to = tick_of_sample(sound, a->next + 1);
        float level = (float)sound_high(sound, from, to) / (float)(to - from);
        a->filtered = PAPER * (a->filtered + level - a->level);
        a->level = level;
        samples[count++] = (int16_t)(a->filtered * LOUDNESS);
    }
    return count;
}

/* What the speaker has done since the last call, as samples; 0: it is silent, or time stands still. */
static unsigned listen(struct window *w, int16_t *samples)
{
    struct window_audio *a = &w->audio;
    struct sound *sound = machine_lock_ui(w->machine)->speaker;
    unsigned count = 0;

    if (sound) {
        uint64_t now = sound_now(sound), lately = sound->hz / SILENT_PER_SECOND;
        uint64_t end = muldiv64(now, RATE, sound->hz); /* the first sample that is not over yet */
        uint64_t since = a->playing ? now - SDL_min(now, lately) : tick_of_sample(sound, a->next);
        if (end < a->next || sound_steady(sound, since, now))
            a->next = end;
        else
            count = compute(a, sound, end, samples);
    }
    machine_unlock_ui(w->machine);
    return count;
}

void audio_play(struct window *w)
{
    static const int16_t silence[LEAD];
    struct window_audio *a = &w->audio;
    int16_t samples[PIECE];
    unsigned count = a->failed ? 0 : listen(w, samples);

    if (count && open_device(w)) {
        uint32_t waiting = SDL_GetQueuedAudioSize(a->device) / sizeof(samples[0]);
        if (waiting == 0)
            SDL_QueueAudio(a->device, silence, sizeof(silence));
        if (waiting < BACKLOG)
            SDL_QueueAudio(a->device, samples, count * (uint32_t)sizeof(samples[0]));
        if (!a->playing)
            SDL_PauseAudioDevice(a->device, 0);
        a->playing = true;
    } else if (a->playing && SDL_GetQueuedAudioSize(a->device) == 0) {
        SDL_PauseAudioDevice(a->device, 1);
        a->playing = false;
        a->silent_since = SDL_GetTicks64();
    } else if (a->device && !a->playing && SDL_GetTicks64() - a->silent_since > CLOSE_AFTER_MS) {
        SDL_CloseAudioDevice(a->device);
        a->device = 0;
    }
}
