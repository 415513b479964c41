/*
 * The machine's life cycle: creation, boot, the main thread's loop, pause, reset and the end. See machine.h.
 *
 * Invariants: guest memory, chips and vCPU are set up by machine_boot_locked() alone, at power-up and at every reset,
 * while the vCPU does not run. The machine ends by `exiting`, which everybody may set and only machine_run() acts upon.
 *
 * Threads: functions named *_locked are called with the lock held, on any thread.
 */
#include "devices/machine/machine.h"

#include "cpu-model/base/log.h"
#include "cpu-model/exec/exec.h"
#include "devices/machine/acpi_tables.h"
#include "devices/machine/firmware.h"
#include "devices/machine/machine_int.h"
#include "devices/machine/signals.h"
#include "devices/machine/terminal.h"
#include "softmmu/mmu.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DRAIN_MS = 1000 };

/* --- time --------------------------------------------------------------------------------------------------------- */

static uint64_t host_ns(void *context)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

uint64_t machine_next_deadline(const struct machine *m)
{
    uint64_t deadline = vclock_next_deadline(&m->clock);
    if (deadline == VCLOCK_NEVER || m->clock.stopped || __builtin_add_overflow(deadline, m->clock.offset, &deadline))
        return EVENT_LOOP_NEVER;
    return deadline;
}

/* Whether the sleeping vCPU's thread will serve that deadline. */
static bool left_to_sleeper(const struct machine *m, uint64_t deadline)
{
    return __atomic_load_n(&m->asleep, __ATOMIC_SEQ_CST) && deadline >= m->sleep_until;
}

static void on_deadline_moved(void *context)
{
    struct machine *m = context;
    uint64_t deadline = machine_next_deadline(m);
    if (deadline < m->loop.armed && !left_to_sleeper(m, deadline))
        event_loop_set_timer(&m->loop, deadline);
}

static void on_between_instructions(void *context, void (*function)(void *argument), void *argument)
{
    machine_between_instructions_locked(context, function, argument);
}

static uint64_t on_tsc_now(void *context)
{
    return vcpu_tsc(((struct machine *)context)->vcpu);
}

/* The VMware backdoor's calls. Others than the vCPU (a monitor's "i") read ports too, and have no registers. */
static bool on_fetch_registers(void *context, struct vmware_registers *r)
{
    struct machine *m = context;
    const uint64_t *gpr = m->vcpu->gpr;

    if (!m->thread_started || !pthread_equal(pthread_self(), m->thread))
        return false;
    *r = (struct vmware_registers){(uint32_t)gpr[REG_RAX], (uint32_t)gpr[REG_RBX], (uint32_t)gpr[REG_RCX],
                                   (uint32_t)gpr[REG_RDX]};
    return true;
}

static void on_store_registers(void *context, const struct vmware_registers *r)
{
    uint64_t *gpr = ((struct machine *)context)->vcpu->gpr;

    gpr[REG_RBX] = r->ebx;
    gpr[REG_RCX] = r->ecx;
    gpr[REG_RDX] = r->edx;
}

static int64_t rtc_epoch(const struct machine_options *options)
{
    time_t now = time(NULL);
    struct tm local;

    if (options->rtc_base == RTC_DATE)
        return options->rtc_epoch;
    if (options->rtc_base == RTC_LOCALTIME && localtime_r(&now, &local))
        return timegm(&local);
    return now;
}

/* --- what the board asks for -------------------------------------------------------------------------------------- */

static void on_interrupt(void *context)
{
    struct machine *m = context;
    __atomic_store_n(&m->interrupt_maybe, true, __ATOMIC_RELEASE);
    machine_kick(m, EVENT_INTR);
}

static void on_cpu_event(void *context, uint32_t events, uint8_t sipi_vector)
{
    struct machine *m = context;
    if (events & EVENT_SIPI)
        m->vcpu->sipi_vector = sipi_vector;
    machine_kick(m, events);
}

/* Inside a port write of the vCPU's own, or while it does not run. */
static void on_a20(void *context, bool open)
{
    struct machine *m = context;
    if (m->vcpu->a20_masked == !open)
        return;
    m->vcpu->a20_masked = !open;
    machine_kick(m, EVENT_FLUSH);
}

/* Inside a port write of the vCPU's own. */
static void on_ignne(void *context)
{
    ((struct machine *)context)->vcpu->ignne = true;
}

/* An image's worker: done() is called on the main thread. */
static void on_block_done(void *context)
{
    event_loop_wake(&((struct machine *)context)->loop);
}

/* By the vCPU's own access to a device, or while it does not run. */
static void on_map_changed(void *context)
{
    struct machine *m = context;
    if (m->vcpu)
        machine_kick(m, EVENT_FLUSH);
}

static void on_reset(void *context)
{
    machine_reset_locked(context, CAUSE_GUEST_RESET);
}

static void on_power_off(void *context)
{
    struct machine *m = context;
    if (m->options.no_shutdown) {
        machine_event_locked(m, MACHINE_EVENT_SHUTDOWN, CAUSE_GUEST_SHUTDOWN);
        machine_pause_locked(m, MACHINE_SHUTDOWN);
    } else {
        machine_quit_locked(m, 0, CAUSE_GUEST_SHUTDOWN);
    }
}

static void on_exit_status(void *context, int status)
{
    machine_quit_locked(context, status, CAUSE_GUEST_SHUTDOWN);
}

/* --- control keys and signals ------------------------------------------------------------------------------------- */

static void on_key(void *context, struct stream *stream, char key)
{
    static const char help[] = "\r\n"
                               "Ctrl-a x       end the machine\r\n"
                               "Ctrl-a b       send a break on the serial line\r\n"
                               "Ctrl-a c       switch between the serial line and the monitor\r\n"
                               "Ctrl-a h       this help\r\n"
                               "Ctrl-a Ctrl-a  send Ctrl-a\r\n";
    struct machine *m = context;

    switch (key) {
    case 'x':
        machine_quit_locked(m, 0, CAUSE_HOST_UI);
        break;
    case 'b':
        if (m->pc.config.serial_present[0])
            ns16550_receive_break(&m->pc.serial[0]);
        break;
    case 'c':
        stream_switch(stream);
        break;
    case 'h':
    case '?':
        chardev_send(&stream->chardev, (const uint8_t *)help, strlen(help));
        break;
    }
}

static void on_signal(void *context, short events)
{
    struct machine *m = context;
    int number;
    (void)events;

    while ((number = signals_next(m->signals.fd))) {
        if (number == SIGNALS_SUSPEND) {
            terminal_leave();
            signals_suspend();
            terminal_continued();
        } else if (number == SIGNALS_CONTINUED) {
            terminal_continued();
        } else {
            machine_quit_locked(m, 128 + number, CAUSE_HOST_SIGNAL);
        }
    }
}

static int watch_signals(struct machine *m, struct error *err)
{
    int fd = signals_open();
    if (fd < 0)
        return error_set(err, fd, "cannot watch signals: %s", strerror(-fd));
    m->signals = (struct event_source){.fd = fd, .events = POLLIN, .ready = on_signal, .context = m};
    int r = event_loop_add(&m->loop, &m->signals);
    return r ? error_set(err, r, "cannot watch signals: %s", strerror(-r)) : 0;
}

/* --- creation ----------------------------------------------------------------------------------------------------- */

void machine_add_notice(struct machine *m, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t used = strlen(m->notices);
    snprintf(m->notices + used, sizeof(m->notices) - used, "ring3: %s\n", text);
}

int machine_create_stream(struct machine *m, struct stream **stream, const char *option, const char *where,
                          const struct stream_config *config, struct error *err)
{
    char notice[160];

    if (!strcmp(where, "vc") && !m->options.window)
        return error_set(err, -EINVAL, "%s vc: that is in the window, and there is none; choose another place", option);
    bool standard = !strcmp(where, "stdio") || !strcmp(where, "mon:stdio");
    if (standard && m->uses_terminal)
        return error_set(err, -EBUSY, "%s %s: standard input and output are used already; choose another place", option,
                         where);
    int r = stream_create(stream, option, where, config, notice, sizeof(notice), err);
    if (r)
        return r;
    if (standard) {
        m->uses_terminal = true;
        m->terminal_keys = where[0] == 'm';
    }
    if (notice[0])
        machine_add_notice(m, "%s (%s)", notice, option);
    return 0;
}

static int create_stream(struct machine *m, struct stream **stream, const char *option, const char *where,
                         struct error *err)
{
    const struct stream_config config = {
        .loop = &m->loop, .clock = &m->clock, .output_max = STREAM_OUTPUT_MAX, .context = m, .key = on_key};
    return machine_create_stream(m, stream, option, where, &config, err);
}

static int create_streams(struct machine *m, struct pc_config *config, struct error *err)
{
    const struct machine_options *o = &m->options;
    int r = 0;

    if (o->debugcon) {
        r = create_stream(m, &m->debugcon, "-debugcon", o->debugcon, err);
        config->debugcon_present = strcmp(o->debugcon, "none");
        config->debugcon_base = o->debugcon_base;
        config->debugcon = m->debugcon ? &m->debugcon->chardev : NULL;
    }
    for (unsigned i = 0; i < MACHINE_SERIALS && !r; i++) {
        const char *where = o->serial[i];
        if (!where && i == 0)
            where = o->window                                     ? "vc"
                    : o->display == DISPLAY_NONE && !o->nographic ? "null"
                    : m->uses_terminal                            ? "null"
                                                                  : "mon:stdio";
        if (!where)
            continue;
        r = create_stream(m, &m->serial[i], "-serial", where, err);
        config->serial_present[i] = strcmp(where, "none");
        config->serial[i] = m->serial[i] ? &m->serial[i]->chardev : NULL;
    }
    return r;
}

static int create_parts(struct machine *m, struct error *err)
{
    const struct machine_options *o = &m->options;

    uint32_t cpuid[4];

    int r = event_loop_init(&m->loop, err);
    if (r)
        return r;
    m->loop_created = true;
    vclock_init(&m->clock, host_ns, NULL);
    m->clock.deadline_moved = on_deadline_moved;
    m->clock.deadline_context = m;
    keyboard_queue_init(&m->keyboard, &m->ui, &m->clock);
    bus_init(&m->io, "I/O ports");
    bus_init(&m->mmio, "memory-mapped I/O");
    r = space_init_at(&m->space, o->ram_bytes + PC_OTHER_MEMORY, o->chaos, err);
    if (r)
        return r;
    m->space_created = true;
    m->space.changed = on_map_changed;
    m->space.changed_context = m;
    if (!o->kernel && !drives_find(&o->drives, DRIVE_FLASH, 0))
        r = firmware_read(&m->firmware, o->bios, o->firmware_dir, err);
    if (!r && !o->kernel && !o->no_vga)
        r = firmware_read_vga(&m->vga_rom, o->firmware_dir, err);
    if (r)
        return r;
    block_queue_init(&m->block_queue, on_block_done, m);
    m->block_queue_created = true;

    struct pc_config config = {
        .clock = &m->clock,
        .io = &m->io,
        .mmio = &m->mmio,
        .space = &m->space,
        .ram_bytes = o->ram_bytes,
        .debug_exit = o->debug_exit,
        .debug_exit_base = o->debug_exit_base,
        .debug_exit_size = o->debug_exit_size,
        .rtc_epoch = rtc_epoch(o),
        .smbios = &o->smbios,
        .boot = {.rom = m->firmware.data,
                 .rom_size = (uint32_t)m->firmware.size,
                 .no_graphics = o->nographic,
                 .menu = o->boot_menu,
                 .strict = o->boot_strict,
                 .menu_wait = o->boot_menu_wait},
        .vga = !o->no_vga,
        .vga_width = o->vga_width,
        .vga_height = o->vga_height,
        .vga_mmio = o->vga_mmio == VGA_MMIO_ON || (o->vga_mmio == VGA_MMIO_AUTO && !o->bios),
        .vga_rom = m->vga_rom.data,
        .vga_rom_size = m->vga_rom.size,
        .phys_bits = MMU_PHYS_BITS,
        .context = m,
        .interrupt = on_interrupt,
        .cpu_event = on_cpu_event,
        .a20 = on_a20,
        .ignne = on_ignne,
        .reset = on_reset,
        .power_off = on_power_off,
        .exit = on_exit_status,
        .tsc_now = on_tsc_now,
        .fetch_registers = on_fetch_registers,
        .store_registers = on_store_registers,
        .between_instructions = on_between_instructions,
    };
    r = machine_create_monitors(m, err); /* first: "-monitor stdio" leaves no terminal to the serial port */
    if (!r)
        r = drives_open(&o->drives, &m->block_queue, &config.drives, err);
    m->pc.config.drives = config.drives; /* whatever fails from here on, they are closed */
    if (!r)
        r = create_streams(m, &config, err);
    if (!r)
        r = machine_create_key_monitors(m, err);
    if (!r && m->uses_terminal)
        terminal_guard(); /* before the engine's handlers */
    if (!r)
        r = machine_create_vcpu(m, err);
    if (r)
        return r;
    config.x2apic = cpu_has(&m->vcpu->features, X2APIC);
    config.tsc_deadline = cpu_has(&m->vcpu->features, TSC_DEADLINE);
    config.tsc_hz = m->vcpu->tsc_hz;
    config.apic_hz = APIC_TIMER_HZ;
    config.vmport = m->vcpu->features.vmware;
    cpuid_leaf(m->vcpu, 1, 0, cpuid);
    config.cpuid[0] = cpuid[0];
    config.cpuid[1] = cpuid[3];
    m->pc_created = true;
    r = pc_create(&m->pc, &config, err);
    if (r)
        return r;
    if (!o->no_vga)
        m->ui.display = &m->pc.vga.display;
    m->ui.speaker = &m->pc.speaker;
    m->ui.keyboard = ps2_keyboard_sink(&m->pc.keyboard);
    m->ui.relative = ps2_mouse_sink(&m->pc.mouse);
    m->ui.absolute = vmmouse_sink(&m->pc.vmmouse);
    return 0;
}

/* Puts a kernel into memory and the processor at its entry, as firmware would have. */
static int boot_kernel_locked(struct machine *m, struct error *err)
{
    const struct load_request request = {
        .kernel = m->options.kernel,
        .initrd = m->options.initrd,
        .append = m->options.append,
        .files = m->options.sandbox ? &m->kept_files : NULL,
        .space = &m->space,
        .map = &m->pc.map,
        .rsdp = ACPI_RSDP_ADDRESS,
        .no_long_mode = !cpu_has(&m->vcpu->features, LM),
        .text_screen = !m->options.no_vga,
    };

    pc_firmware_setup(&m->pc);
    pc_firmware_mtrrs(m->vcpu);
    int r = load_kernel(&request, &m->entry, err);
    if (!r)
        load_enter(m->vcpu, &m->entry);
    return r;
}

/* Once, the order of -boot once= holds. */
static void choose_boot_order(struct machine *m)
{
    const char *order = m->options.boot_once[0] && !m->booted ? m->options.boot_once : m->options.boot_order;
    snprintf(m->pc.config.boot.order, sizeof(m->pc.config.boot.order), "%s", order);
    m->booted = true;
}

int machine_boot_locked(struct machine *m, struct error *err)
{
    choose_boot_order(m);
    pc_reset(&m->pc);
    vcpu_reset(m->vcpu, false);
    pc_prepare_firmware(&m->pc);
    int r = m->options.kernel ? boot_kernel_locked(m, err) : 0;
    if (r)
        return r;
    mmu_mode_changed(m->vcpu);
    /* Whatever was asked of the processor before concerned the old run. */
    __atomic_and_fetch(&m->vcpu->events, (uint32_t)(EVENT_STOP | EVENT_RESET), __ATOMIC_SEQ_CST);
    on_interrupt(m);
    return 0;
}

struct machine *machine_create(const struct machine_options *options, struct error *err)
{
    struct machine *m = calloc(1, sizeof(*m));
    if (!m) {
        error_set(err, -ENOMEM, "no memory for a machine");
        return NULL;
    }
    m->options = *options;
    m->signals.fd = -1;
    m->vcpu_parked = true; /* there is no thread yet */
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->changed, NULL);
    pthread_mutex_lock(&m->lock);
    int r = create_parts(m, err);
    if (!r)
        r = machine_boot_locked(m, err);
    pthread_mutex_unlock(&m->lock);
    if (!r)
        return m;
    machine_destroy(m);
    return NULL;
}

void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    if (m->pc_created)
        pc_destroy(&m->pc);
    machine_destroy_monitors(m);
    for (unsigned i = 0; i < MACHINE_SERIALS; i++)
        stream_destroy(m->serial[i]);
    stream_destroy(m->debugcon);
    sandbox_end(&m->sandbox);
    opener_end(&m->opener);
    machine_destroy_vcpu(m);
    if (m->block_queue_created) {
        drives_close(&m->pc.config.drives);
        block_queue_destroy(&m->block_queue);
    }
    load_files_close(&m->kept_files);
    blob_free(&m->firmware);
    blob_free(&m->vga_rom);
    if (m->space_created)
        space_destroy(&m->space);
    bus_destroy(&m->io);
    bus_destroy(&m->mmio);
    if (m->signals.fd >= 0)
        close(m->signals.fd);
    if (m->loop_created)
        event_loop_destroy(&m->loop);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

/* One turn of the main loop. Time stands still exactly while the machine is paused. */
static void turn_locked(struct machine *m)
{
    machine_paused_locked(m);
    machine_serve_power_button_locked(m);
    uint64_t deadline = machine_next_deadline(m);
    event_loop_set_timer(&m->loop, left_to_sleeper(m, deadline) ? EVENT_LOOP_NEVER : deadline);
    event_loop_wait(&m->loop, &m->lock);
    block_queue_deliver(&m->block_queue);
    vclock_run(&m->clock);
    machine_serve_monitors_locked(m);
}

/* All streams that there are; returns how many. */
static unsigned all_streams(struct machine *m, struct stream *streams[MACHINE_STREAMS])
{
    unsigned count = 0;
    for (unsigned i = 0; i < MACHINE_SERIALS; i++)
        if (m->serial[i])
            streams[count++] = m->serial[i];
    for (unsigned i = 0; i < MACHINE_MONITORS; i++)
        if (m->monitor_stream[i])
            streams[count++] = m->monitor_stream[i];
    if (m->debugcon)
        streams[count++] = m->debugcon;
    return count;
}

void machine_drain_streams_locked(struct machine *m, int patience_ms)
{
    struct stream *streams[MACHINE_STREAMS];
    for (unsigned i = all_streams(m, streams); i-- > 0;)
        stream_drain(streams[i], patience_ms);
}

/* Who wanted to keep the output has to know that it is not all there. */
static void report_lost_output(struct machine *m)
{
    struct stream *streams[MACHINE_STREAMS];
    for (unsigned i = all_streams(m, streams); i-- > 0 && !m->report[0];)
        stream_lost(streams[i], m->report, sizeof(m->report));
}

static bool is_awaiting_locked(struct machine *m, bool tell)
{
    struct stream *streams[MACHINE_STREAMS];
    char where[256];
    bool awaiting = false;

    for (unsigned i = 0, count = all_streams(m, streams); i < count; i++) {
        if (!stream_awaited(streams[i], where, sizeof(where)))
            continue;
        awaiting = true;
        if (tell)
            fprintf(stderr, "ring3: %s %s: waiting for connection on: %s (wait=off starts without)\n",
                    streams[i]->option, streams[i]->where, where);
    }
    return awaiting;
}

/* Servers that wait: the processor starts when each has a client. Monitors that are there answer meanwhile. */
static int wait_for_clients_locked(struct machine *m, struct error *err)
{
    if (!is_awaiting_locked(m, true))
        return 0;
    m->paused = true;
    m->state = MACHINE_PRELAUNCH;
    while (!m->exiting && is_awaiting_locked(m, false))
        turn_locked(m);
    return m->options.start_stopped ? 0 : machine_continue_locked(m, err);
}

static void end_locked(struct machine *m)
{
    char text[2048];

    machine_event_locked(m, MACHINE_EVENT_SHUTDOWN, m->exit_cause);
    pthread_mutex_unlock(&m->lock);
    machine_join_vcpu(m);
    pthread_mutex_lock(&m->lock);
    machine_drain_streams_locked(m, DRAIN_MS);
    report_lost_output(m);
    terminal_leave();
    if (log_mask & LOG_JIT) {
        m->engine->report(m->vcpu, text, sizeof(text));
        log_write("%s", text);
    }
}

/* Media can be changed for others that lie where the first ones do, or where the options say. */
static int start_opener(struct machine *m, struct error *err)
{
    const struct machine_options *o = &m->options;
    char folder[DRIVE_PATH_MAX];
    int r = o->media_folder[0] ? opener_add_folder(&m->opener, o->media_folder, err) : 0;

    for (unsigned i = 0; i < o->drives.count && !r; i++) {
        const struct drive_option *drive = &o->drives.drive[i];
        if (!drive->path[0] || !(drive->cdrom || drive->interface == DRIVE_FLOPPY))
            continue;
        strcpy(folder, drive->path);
        r = opener_add_folder(&m->opener, dirname(folder), err);
    }
    m->opener.read_only = o->drives.snapshot;
    return r ? r : opener_start(&m->opener, err);
}

/* Streams whose socket lies in the file system have it removed by somebody who still may. */
static int enter_sandbox(struct machine *m, struct error *err)
{
    struct stream *streams[MACHINE_STREAMS];
    const char *paths[MACHINE_STREAMS];
    unsigned count = 0;

    for (unsigned i = all_streams(m, streams); i-- > 0;)
        if (streams[i]->socket_path)
            paths[count++] = streams[i]->socket_path;
    int r = start_opener(m, err);
    if (!r)
        r = sandbox_remove_at_end(&m->sandbox, paths, count, err);
    for (unsigned i = r ? 0 : all_streams(m, streams); i-- > 0;)
        stream_leave_socket(streams[i]);
    return r ? r : sandbox_enter(err);
}

int machine_run(struct machine *m)
{
    struct error err;

    pthread_mutex_lock(&m->lock);
    if (m->notices[0])
        fputs(m->notices, stderr);
    m->paused = m->options.start_stopped;
    m->state = m->paused ? MACHINE_PRELAUNCH : MACHINE_RUNNING;
    int r = watch_signals(m, &err);
    if (!r && m->options.sandbox)
        r = enter_sandbox(m, &err);
    if (!r)
        r = wait_for_clients_locked(m, &err);
    if (!r)
        r = machine_start_vcpu(m, &err);
    if (r) {
        snprintf(m->report, sizeof(m->report), "%s", err.text);
        pthread_mutex_unlock(&m->lock);
        return 1;
    }
    if (m->uses_terminal)
        terminal_enter(m->terminal_keys);
    m->vcpu->tsc_offset = 0 - __builtin_ia32_rdtsc(); /* the guest's TSC starts at 0, now */
    machine_start_monitors_locked(m);
    while (!m->exiting)
        turn_locked(m);
    end_locked(m);
    int status = m->status;
    pthread_mutex_unlock(&m->lock);
    return status;
}

void machine_serial_input(struct machine *m, unsigned port, uint8_t byte)
{
    pthread_mutex_lock(&m->lock);
    if (port < MACHINE_SERIALS && m->serial[port])
        stream_inject(m->serial[port], byte);
    pthread_mutex_unlock(&m->lock);
}

const char *machine_report(const struct machine *m)
{
    return m->report;
}
