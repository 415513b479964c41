/* Preloaded into ring3: writes to the file $FRAMES what the window uploads ("upload WIDTH HEIGHT") and each "frame". */
#define _GNU_SOURCE
#include <SDL.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static FILE *file(void)
{
    static FILE *log;
    if (!log) {
        log = fopen(getenv("FRAMES"), "w");
        setlinebuf(log);
    }
    return log;
}

int SDL_UpdateTexture(SDL_Texture *texture, const SDL_Rect *rect, const void *pixels, int pitch)
{
    int (*next)(SDL_Texture *, const SDL_Rect *, const void *, int) = dlsym(RTLD_NEXT, "SDL_UpdateTexture");
    if (rect)
        fprintf(file(), "upload %d %d\n", rect->w, rect->h);
    return next(texture, rect, pixels, pitch);
}

void SDL_RenderPresent(SDL_Renderer *renderer)
{
    void (*next)(SDL_Renderer *) = dlsym(RTLD_NEXT, "SDL_RenderPresent");
    fprintf(file(), "frame\n");
    next(renderer);
}
