/*
 * The window: it runs the machine on a second thread, shows its display, and goes when the machine ends.
 *
 * The display is looked at up to 60 times a second while it changes, less often while it rests, and the window is drawn
 * only when something in it changed: of the guest's picture only the rectangles that did are uploaded.
 *
 * Threads: SDL wants the main thread, so machine_run() gets another one; it tells its end by an SDL event. Signals are
 * the machine's: they are blocked before any thread starts (opening.h), and SDL leaves them alone.
 */
#include "frontend-sdl/opening.h"
#include "frontend-sdl/window_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FRAME_MS = 16,
    RESTING_MS = 50,      /* between two looks at a display that */
    RESTS_AFTER_MS = 500, /* has not changed for so long */
    MESSAGE_MS = 4000,    /* messages are there so long, */
    READ_MS = 40,         /* and so much longer for each letter */
    ZOOM_UNIT = 4,        /* quarters */
    ZOOM_MIN = 2,
    ZOOM_MAX = 16,
    RECTS = 32,
    EMPTY_WIDTH = 640, /* of a display that shows nothing yet */
    EMPTY_HEIGHT = 400,
    MIN_WIDTH = 560,
    MIN_HEIGHT = 300,
};

/* --- layout ------------------------------------------------------------------------------------------------------- */

bool window_bar_shown(const struct window *w)
{
    return !w->full_screen || w->menu >= 0 || w->dialog.question || w->message[0];
}

void window_content(const struct window *w, unsigned *width, unsigned *height)
{
    bool console = w->view != VIEW_DISPLAY;
    *width = console ? TERMINAL_COLUMNS * GLYPH_WIDTH : w->screen_width ? w->screen_width : EMPTY_WIDTH;
    *height = console ? TERMINAL_ROWS * GLYPH_HEIGHT : w->screen_height ? w->screen_height : EMPTY_HEIGHT;
}

/* As large as it fits, in the middle, its proportions kept. */
SDL_Rect window_place(const struct window *w)
{
    int width, height, top = w->full_screen ? 0 : BAR_HEIGHT;
    unsigned content_width, content_height;

    SDL_GetRendererOutputSize(w->renderer, &width, &height);
    window_content(w, &content_width, &content_height);
    height = SDL_max(height - top, 1);
    double scale = SDL_min((double)width / content_width, (double)height / content_height);
    SDL_Rect place = {.w = (int)(content_width * scale + 0.5), .h = (int)(content_height * scale + 0.5)};
    place.x = (width - place.w) / 2;
    place.y = top + (height - place.h) / 2;
    return place;
}

/* The window as large as its content, unless the user has given it a size. */
void window_fit(struct window *w)
{
    unsigned width, height;
    uint32_t flags = SDL_GetWindowFlags(w->window);

    if (w->full_screen || flags & SDL_WINDOW_MAXIMIZED)
        return;
    window_content(w, &width, &height);
    w->fit_width = SDL_max((int)(width * w->zoom / ZOOM_UNIT), MIN_WIDTH);
    w->fit_height = SDL_max((int)(height * w->zoom / ZOOM_UNIT) + BAR_HEIGHT, MIN_HEIGHT);
    SDL_SetWindowSize(w->window, w->fit_width, w->fit_height);
    w->dirty = true;
}

void window_zoom(struct window *w, int quarters)
{
    w->zoom = quarters ? (unsigned)SDL_clamp((int)w->zoom + quarters, ZOOM_MIN, ZOOM_MAX) : ZOOM_UNIT;
    SDL_RestoreWindow(w->window);
    window_full_screen(w, false);
    window_fit(w);
}

void window_full_screen(struct window *w, bool on)
{
    if (on == w->full_screen)
        return;
    w->full_screen = on;
    SDL_SetWindowFullscreen(w->window, on ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    if (on)
        window_message(w, "Ctrl+Alt+F leaves full screen, Ctrl+Alt+M opens the menus");
    else
        window_fit(w);
    w->dirty = true;
}

void window_view(struct window *w, enum view view)
{
    if (view == w->view)
        return;
    if (view != VIEW_DISPLAY && w->console_fd[view] < 0) {
        window_message(w, "%s is not in this window: it was put elsewhere on the command line",
                       view == VIEW_MONITOR ? "The monitor" : "The serial console");
        return;
    }
    input_grab(w, false);
    input_release_all(w);
    SDL_ShowCursor(SDL_ENABLE);
    w->view = view;
    if (view == VIEW_DISPLAY)
        SDL_StopTextInput();
    else
        SDL_StartTextInput();
    window_fit(w);
}

/* --- words -------------------------------------------------------------------------------------------------------- */

void window_message(struct window *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(w->message, sizeof(w->message), format, args);
    va_end(args);
    w->message_until = SDL_GetTicks64() + MESSAGE_MS + READ_MS * strlen(w->message);
    w->dirty = true;
}

bool window_command(struct window *w, const char *format, ...)
{
    char line[2048], *output;
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (machine_command(w->machine, line, &output))
        return false;
    bool quiet = !output[strspn(output, " \r\n")];
    if (!quiet)
        window_message(w, "%.*s", (int)strcspn(output, "\r\n"), output);
    free(output);
    return quiet;
}

static void set_title(struct window *w)
{
    const char *name = w->options->name;
    char title[sizeof(w->title)];

    w->state = machine_state(w->machine);
    snprintf(title, sizeof(title), "%s%sring3 [%s]%s", name ? name : "", name ? " - " : "",
             machine_state_name(w->state), w->grabbed ? " - Ctrl+Alt+G lets keyboard and mouse go" : "");
    if (!strcmp(title, w->title))
        return;
    memcpy(w->title, title, sizeof(title));
    SDL_SetWindowTitle(w->window, title);
}

/* --- the guest's picture ------------------------------------------------------------------------------------------ */

static bool new_screen(struct window *w, const struct surface *surface)
{
    SDL_Texture *texture = SDL_CreateTexture(w->renderer, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING,
                                             (int)surface->width, (int)surface->height);
    if (!texture)
        return false;
    if (w->screen)
        SDL_DestroyTexture(w->screen);
    w->screen = texture;
    w->screen_width = surface->width;
    w->screen_height = surface->height;
    return true;
}

static void upload(struct window *w, const struct surface *surface, const struct rect *rect)
{
    const SDL_Rect to = {(int)rect->x, (int)rect->y, (int)rect->width, (int)rect->height};
    const uint8_t *from = (const uint8_t *)surface->pixels + (size_t)rect->y * surface->stride + (size_t)rect->x * 4;
    SDL_UpdateTexture(w->screen, &to, from, (int)surface->stride);
}

/* Brings the texture up to date. */
static void look(struct window *w)
{
    struct rect rects[RECTS];
    bool resized = false;
    struct ui *ui = machine_lock_ui(w->machine);
    struct display *display = ui->display;
    unsigned count = 0;

    if (display) {
        display_refresh(display);
        count = display_changes(display, &w->seen, rects, RECTS, &resized);
        const struct surface *surface = &display->surface;
        if (count && (surface->width != w->screen_width || surface->height != w->screen_height || !w->screen)) {
            if (new_screen(w, surface))
                rects[0] = (struct rect){0, 0, surface->width, surface->height};
            count = w->screen != NULL;
            resized = true;
        }
        for (unsigned i = 0; i < count; i++)
            upload(w, surface, &rects[i]);
    }
    machine_unlock_ui(w->machine);
    w->refreshed_at = SDL_GetTicks64();
    if (!count)
        return;
    w->changed_at = w->refreshed_at;
    if (resized && w->view == VIEW_DISPLAY)
        window_fit(w);
    w->dirty |= w->view == VIEW_DISPLAY;
}

/* --- consoles ----------------------------------------------------------------------------------------------------- */

static void read_console(struct window *w, enum view which)
{
    struct terminal_view *view = &w->console[which];
    uint8_t bytes[4096];
    ssize_t n;

    if (w->console_fd[which] < 0)
        return;
    /* Bounded: a guest that prints for ever must not keep us here. */
    for (unsigned i = 0; i < 64 && (n = read(w->console_fd[which], bytes, sizeof(bytes))) > 0; i++)
        terminal_view_write(view, bytes, (size_t)n);
    if (view->answer[0]) {
        ssize_t unused = write(w->console_fd[which], view->answer, strlen(view->answer));
        (void)unused;
        view->answer[0] = 0;
    }
    w->dirty |= view->changed && w->view == which;
    view->changed = false;
}

/* --- drawing ------------------------------------------------------------------------------------------------------ */

static void draw(struct window *w)
{
    static const char empty[] = "The guest shows nothing";
    SDL_Rect place = window_place(w);

    w->dirty = false;
    if (!w->visible)
        return;
    SDL_SetRenderDrawColor(w->renderer, 0, 0, 0, 255);
    SDL_RenderClear(w->renderer);
    if (w->view != VIEW_DISPLAY) {
        paint_console(w, &w->console[w->view], place);
    } else if (w->screen) {
        bool whole = place.w % (int)w->screen_width == 0 && place.h % (int)w->screen_height == 0;
        SDL_SetTextureScaleMode(w->screen, whole ? SDL_ScaleModeNearest : SDL_ScaleModeLinear);
        SDL_RenderCopy(w->renderer, w->screen, NULL, &place);
    } else {
        paint_text(w, place.x + (place.w - (int)strlen(empty) * GLYPH_WIDTH) / 2, place.y + place.h / 2, empty,
                   0x808080);
    }
    if (window_bar_shown(w))
        bar_draw(w);
    if (w->dialog.question)
        dialog_draw(w);
    SDL_RenderPresent(w->renderer);
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static void close_asked(struct window *w)
{
    if (w->dialog.question && w->dialog.asks_to_close) /* asked once is enough */
        machine_quit(w->machine, 0);
    else
        dialog_ask_close(w);
}

static void window_event(struct window *w, const SDL_WindowEvent *event)
{
    switch (event->event) {
    case SDL_WINDOWEVENT_CLOSE:
        close_asked(w);
        break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
        input_release_all(w);
        input_grab(w, false);
        break;
    case SDL_WINDOWEVENT_MINIMIZED:
    case SDL_WINDOWEVENT_HIDDEN:
        w->visible = false;
        break;
    case SDL_WINDOWEVENT_RESTORED:
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_MAXIMIZED:
    case SDL_WINDOWEVENT_SIZE_CHANGED:
        w->visible = true;
        w->dirty = true;
        break;
    }
}

static void event(struct window *w, const SDL_Event *e)
{
    switch (e->type) {
    case SDL_QUIT: /* follows the close of the last window */
        break;
    case SDL_WINDOWEVENT:
        window_event(w, &e->window);
        break;
    case SDL_RENDER_TARGETS_RESET:
    case SDL_RENDER_DEVICE_RESET: /* textures are lost */
        w->seen = (struct display_seen){0};
        w->dirty = true;
        break;
    case SDL_DROPFILE:
        action_drop(w, e->drop.file);
        SDL_free(e->drop.file);
        break;
    default:
        if (!bar_event(w, e))
            input_event(w, e);
        break;
    }
}

static int wait_ms(const struct window *w)
{
    uint64_t now = SDL_GetTicks64();
    bool rests = now - w->changed_at > RESTS_AFTER_MS && !w->paste && !w->audio.playing;
    uint64_t next = w->refreshed_at + (rests ? RESTING_MS : FRAME_MS);
    return next > now ? (int)(next - now) : 0;
}

static void loop(struct window *w)
{
    SDL_Event e;

    while (!__atomic_load_n(&w->ended, __ATOMIC_ACQUIRE)) {
        int wait = wait_ms(w);
        if (wait ? SDL_WaitEventTimeout(&e, wait) : SDL_PollEvent(&e)) {
            do
                event(w, &e);
            while (SDL_PollEvent(&e));
            if (e.type != SDL_MOUSEMOTION)
                w->changed_at = SDL_GetTicks64(); /* an answer is likely soon */
        }
        if (wait_ms(w))
            continue;
        look(w);
        audio_play(w);
        read_console(w, VIEW_MONITOR);
        read_console(w, VIEW_SERIAL);
        input_paste_more(w);
        if (w->message[0] && SDL_GetTicks64() > w->message_until) {
            w->message[0] = 0;
            w->dirty = true;
        }
        set_title(w);
        if (w->dirty)
            draw(w);
    }
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void *run_machine(void *context)
{
    struct window *w = context;
    SDL_Event wake = {.type = SDL_USEREVENT};

    w->status = machine_run(w->machine);
    __atomic_store_n(&w->ended, true, __ATOMIC_RELEASE);
    SDL_PushEvent(&wake);
    return NULL;
}

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && value[0];
}

static int failed(struct error *err)
{
    return error_set(err, -EIO,
                     "cannot open a window: %s; check DISPLAY, or run without one: -nographic or -display none",
                     SDL_GetError());
}

static int create(struct window *w, struct error *err)
{
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    /* Only what was found, and nothing that shows its window to nobody. */
    if (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"))
        SDL_SetHint(SDL_HINT_VIDEODRIVER, !is_set("DISPLAY")          ? "wayland"
                                          : is_set("WAYLAND_DISPLAY") ? "x11,wayland"
                                                                      : "x11");
    SDL_SetHint(SDL_HINT_APP_NAME, "ring3");
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    SDL_SetHint(SDL_HINT_GRAB_KEYBOARD, "1");
    SDL_SetHint(SDL_HINT_QUIT_ON_LAST_WINDOW_CLOSE, "0");
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    if (SDL_InitSubSystem(SDL_INIT_VIDEO))
        return failed(err);
    w->window = SDL_CreateWindow("ring3", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, EMPTY_WIDTH,
                                 EMPTY_HEIGHT + BAR_HEIGHT, SDL_WINDOW_RESIZABLE);
    bool compiles = !w->options->sandbox; /* OpenGL's drivers make code while they draw */
    if (!compiles)
        SDL_SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0");
    if (w->window && compiles)
        w->renderer = SDL_CreateRenderer(w->window, -1, 0);
    if (w->window && !w->renderer)
        w->renderer = SDL_CreateRenderer(w->window, -1, SDL_RENDERER_SOFTWARE);
    if (!w->renderer || !paint_create(w))
        return failed(err);
    SDL_SetWindowMinimumSize(w->window, MIN_WIDTH / 2, MIN_HEIGHT / 2);
    SDL_StopTextInput();
    return 0;
}

static void destroy(struct window *w)
{
    if (w->audio.device)
        SDL_CloseAudioDevice(w->audio.device);
    SDL_free(w->paste);
    if (w->screen)
        SDL_DestroyTexture(w->screen);
    if (w->font)
        SDL_DestroyTexture(w->font);
    if (w->renderer)
        SDL_DestroyRenderer(w->renderer);
    if (w->window)
        SDL_DestroyWindow(w->window);
    SDL_Quit();
    free(w);
}

static int window_run(struct machine *machine, const struct machine_options *options, int *status, struct error *err)
{
    struct window *w = calloc(1, sizeof(*w));
    struct opening opening;
    pthread_t thread;

    if (!w)
        return error_set(err, -ENOMEM, "no memory for a window");
    *w = (struct window){.machine = machine, .options = options, .zoom = ZOOM_UNIT, .visible = true, .menu = -1};
    w->console_fd[VIEW_DISPLAY] = -1;
    w->console_fd[VIEW_MONITOR] = machine_console(machine, MACHINE_CONSOLE_MONITOR);
    w->console_fd[VIEW_SERIAL] = machine_console(machine, MACHINE_CONSOLE_SERIAL);
    terminal_view_init(&w->console[VIEW_MONITOR]);
    terminal_view_init(&w->console[VIEW_SERIAL]);
    opening_begin(&opening, machine);
    int r = create(w, err);
    opening_end(&opening);
    if (!r) {
        r = -pthread_create(&thread, NULL, run_machine, w);
        if (r)
            error_set(err, r, "cannot start the machine's thread: %s", strerror(-r));
    }
    if (!r) {
        bool has_display = machine_lock_ui(machine)->display;
        machine_unlock_ui(machine);
        if (!has_display)
            window_view(w, VIEW_SERIAL);
        if (options->full_screen)
            window_full_screen(w, true);
        loop(w);
        pthread_join(thread, NULL);
        *status = w->status;
    }
    destroy(w);
    return r;
}

static bool window_usable(void)
{
    return is_set("DISPLAY") || is_set("WAYLAND_DISPLAY") || is_set("SDL_VIDEODRIVER");
}

const struct machine_frontend frontend_sdl = {.name = "sdl", .usable = window_usable, .run = window_run};
