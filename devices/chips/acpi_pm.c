/*
 * ACPI fixed hardware: PM1a blocks, PM timer, GPE0, SMI command port, reset control register.
 *
 * Source: ACPI specification "ACPI Hardware Specification" (PM1 Event, Control, Power Management Timer, General-Purpose
 * Event registers); ICH datasheet "RST_CNT" and "APM_CNT". There is no system management mode behind the SMI command
 * port: the two commands that the FADT names act at once, as the firmware's handler would.
 *
 * Invariants: the SCI line is a function of the status, enable and control registers; the vtimer is armed exactly while
 * a timer overflow could interrupt.
 *
 * @locks the machine lock is held in every function. Threads: vCPUs and whoever runs the clock.
 */
#include "devices/chips/acpi_pm.h"

#include <errno.h>

#include "cpu-model/base/log.h"

/* PM1 status and enable */
enum {
    PM1_TIMER = 1 << 0,
    PM1_BUS_MASTER = 1 << 4, /* status only */
    PM1_GLOBAL = 1 << 5,
    PM1_POWER_BUTTON = 1 << 8,
    PM1_SLEEP_BUTTON = 1 << 9,
    PM1_RTC = 1 << 10,
    PM1_WAKE = 1 << 15, /* status only */
    PM1_ENABLE_BITS = PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_SLEEP_BUTTON | PM1_RTC,
    PM1_STATUS_BITS = PM1_ENABLE_BITS | PM1_BUS_MASTER | PM1_WAKE,
};

/* PM1 control */
enum {
    CONTROL_SCI_EN = 1 << 0,
    CONTROL_BM_RLD = 1 << 1,
    CONTROL_GBL_RLS = 1 << 2, /* write-only */
    CONTROL_SLP_TYP_SHIFT = 10,
    CONTROL_SLP_TYP = 7 << CONTROL_SLP_TYP_SHIFT,
    CONTROL_SLP_EN = 1 << 13, /* write-only */
    CONTROL_HELD = CONTROL_SCI_EN | CONTROL_BM_RLD | CONTROL_SLP_TYP,
};

/* Reset control */
enum { RESET_SYSTEM = 1 << 1, RESET_CPU = 1 << 2, RESET_FULL = 1 << 3, RESET_BITS = 0xe };

static uint32_t timer_value(const struct acpi_pm *pm)
{
    return (uint32_t)muldiv64(vclock_now(pm->config.clock), ACPI_PM_TIMER_HZ, NS_PER_SECOND);
}

/* TMR_STS is set whenever the most significant bit changes. */
static void latch_timer(struct acpi_pm *pm)
{
    bool msb = timer_value(pm) >> 31;
    if (msb != pm->timer_msb)
        pm->pm1_status |= PM1_TIMER;
    pm->timer_msb = msb;
}

static bool sci_level(const struct acpi_pm *pm)
{
    return pm->pm1_control & CONTROL_SCI_EN &&
           (pm->pm1_status & pm->pm1_enable & PM1_ENABLE_BITS || pm->gpe_status & pm->gpe_enable);
}

/* The first nanosecond at which the timer's most significant bit has changed. */
static uint64_t next_msb_change(const struct acpi_pm *pm)
{
    uint64_t ticks = muldiv64(vclock_now(pm->config.clock), ACPI_PM_TIMER_HZ, NS_PER_SECOND);
    return muldiv64((ticks >> 31) + 1, NS_PER_SECOND << 31, ACPI_PM_TIMER_HZ) + 1;
}

static void update(struct acpi_pm *pm)
{
    latch_timer(pm);
    if (pm->pm1_enable & PM1_TIMER && pm->pm1_control & CONTROL_SCI_EN)
        vtimer_arm(&pm->timer, next_msb_change(pm));
    else
        vtimer_cancel(&pm->timer);
    irq_set(&pm->config.sci, sci_level(pm));
}

static void timer_expired(void *device)
{
    update(device);
}

void acpi_pm_press_power_button(struct acpi_pm *pm)
{
    pm->pm1_status |= PM1_POWER_BUTTON;
    update(pm);
}

void acpi_pm_set_gpe(void *sink, unsigned event, bool level)
{
    struct acpi_pm *pm = sink;
    if (event >= ACPI_GPE0_EVENTS)
        return;
    uint16_t bit = (uint16_t)(1u << event);
    pm->gpe_levels = level ? pm->gpe_levels | bit : pm->gpe_levels & (uint16_t)~bit;
    pm->gpe_status |= pm->gpe_levels;
    update(pm);
}

/* --- the PM region: dword lanes, so that bytes, words and dwords at any offset are alike ----------------------- */

static uint32_t read_lane(struct acpi_pm *pm, uint64_t offset)
{
    switch (offset) {
    case ACPI_PM1_EVENT:
        latch_timer(pm);
        return pm->pm1_status | (uint32_t)pm->pm1_enable << 16;
    case ACPI_PM1_CONTROL:
        return pm->pm1_control;
    case ACPI_PM_TIMER:
        return timer_value(pm);
    case ACPI_GPE0:
        return pm->gpe_status | (uint32_t)pm->gpe_enable << 16;
    default:
        return 0;
    }
}

static uint16_t merge(uint16_t old, uint32_t value, uint32_t mask)
{
    return (uint16_t)((old & ~mask) | (value & mask));
}

static void write_control(struct acpi_pm *pm, uint32_t value, uint32_t mask)
{
    pm->pm1_control = merge(pm->pm1_control, value, mask & CONTROL_HELD);
    update(pm);
    if (!(value & mask & CONTROL_SLP_EN))
        return;
    unsigned type = (pm->pm1_control & CONTROL_SLP_TYP) >> CONTROL_SLP_TYP_SHIFT;
    if (type != ACPI_SLP_TYP_S5)
        log_line(LOG_GUEST, "acpi_pm: sleep type %u is not supported", type);
    else if (pm->config.power_off)
        pm->config.power_off(pm->config.context);
}

/* Writes the bytes of a lane that `mask` covers. */
static void write_lane(struct acpi_pm *pm, uint64_t offset, uint32_t value, uint32_t mask)
{
    switch (offset) {
    case ACPI_PM1_EVENT: /* status: write 1 to clear */
        latch_timer(pm);
        pm->pm1_status &= (uint16_t) ~(value & mask & PM1_STATUS_BITS);
        pm->pm1_enable = merge(pm->pm1_enable, value >> 16, mask >> 16 & PM1_ENABLE_BITS);
        update(pm);
        break;
    case ACPI_PM1_CONTROL:
        write_control(pm, value, mask);
        break;
    case ACPI_GPE0:
        pm->gpe_status = (uint16_t)((pm->gpe_status & ~(value & mask)) | pm->gpe_levels);
        pm->gpe_enable = merge(pm->gpe_enable, value >> 16, mask >> 16);
        update(pm);
        break;
    default: /* the timer is read-only, the rest reserved */
        break;
    }
}

static uint64_t pm_read(void *device, uint64_t offset, unsigned size)
{
    uint64_t lane = offset & ~3ull;
    unsigned shift = (unsigned)(offset - lane) * 8;
    uint64_t value = read_lane(device, lane);
    if (shift + size * 8 > 32)
        value |= (uint64_t)read_lane(device, lane + 4) << 32;
    return zero_extend(value >> shift, size);
}

static void pm_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    uint64_t lane = offset & ~3ull;
    unsigned shift = (unsigned)(offset - lane) * 8;
    uint64_t mask = zero_extend(UINT64_MAX, size) << shift;
    value <<= shift;
    write_lane(device, lane, (uint32_t)value, (uint32_t)mask);
    if (mask >> 32)
        write_lane(device, lane + 4, (uint32_t)(value >> 32), (uint32_t)(mask >> 32));
}

const struct bus_ops acpi_pm_ops = {.read = pm_read, .write = pm_write, .widths = 1 | 2 | 4};

/* --- the SMI command port -------------------------------------------------------------------------------------- */

static uint64_t smi_read(void *device, uint64_t offset, unsigned size)
{
    const struct acpi_pm *pm = device;
    (void)size;
    return offset ? pm->smi_scratch : pm->smi_command;
}

static void smi_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct acpi_pm *pm = device;
    (void)size;
    if (offset) {
        pm->smi_scratch = (uint8_t)value;
        return;
    }
    pm->smi_command = (uint8_t)value;
    if (value == ACPI_SMI_ENABLE)
        pm->pm1_control |= CONTROL_SCI_EN;
    else if (value == ACPI_SMI_DISABLE)
        pm->pm1_control &= (uint16_t)~CONTROL_SCI_EN;
    else
        log_line(LOG_GUEST, "acpi_pm: SMI command %02x is not known", (unsigned)value);
    update(pm);
}

const struct bus_ops acpi_smi_ops = {.read = smi_read, .write = smi_write, .widths = 1};

/* --- reset control --------------------------------------------------------------------------------------------- */

static uint64_t reset_read(void *device, uint64_t offset, unsigned size)
{
    const struct acpi_pm *pm = device;
    (void)offset, (void)size;
    return pm->reset_control;
}

/* RST_CPU going from 0 to 1 resets: the machine if SYS_RST is set, otherwise the processor. */
static void reset_write(void *device, uint64_t offset, uint64_t value, unsigned size)
{
    struct acpi_pm *pm = device;
    (void)offset, (void)size;
    bool trigger = value & RESET_CPU && !(pm->reset_control & RESET_CPU);
    pm->reset_control = value & RESET_BITS;
    if (trigger && pm->config.reset)
        pm->config.reset(pm->config.context, value & RESET_SYSTEM);
}

const struct bus_ops acpi_reset_ops = {.read = reset_read, .write = reset_write, .widths = 1};

/* --- life cycle ------------------------------------------------------------------------------------------------ */

/* The timer counts on: it has no reset. Event inputs stay as they are driven. */
static void acpi_pm_reset(void *device)
{
    struct acpi_pm *pm = device;
    pm->pm1_status = pm->pm1_enable = pm->pm1_control = 0;
    pm->gpe_status = pm->gpe_levels;
    pm->gpe_enable = 0;
    pm->smi_command = pm->smi_scratch = pm->reset_control = 0;
    pm->timer_msb = timer_value(pm) >> 31;
    update(pm);
}

int acpi_pm_init(struct acpi_pm *pm, const struct acpi_pm_config *config)
{
    if (!config->clock)
        return -EINVAL;
    *pm = (struct acpi_pm){.config = *config};
    vtimer_init(&pm->timer, config->clock, timer_expired, pm);
    acpi_pm_reset(pm);
    return 0;
}

static void acpi_pm_destroy(void *device)
{
    struct acpi_pm *pm = device;
    vtimer_cancel(&pm->timer);
}

static void acpi_pm_restored(void *device)
{
    update(device);
}

static const struct field acpi_pm_fields[] = {
    FIELD(struct acpi_pm, pm1_status),  FIELD(struct acpi_pm, pm1_enable),  FIELD(struct acpi_pm, pm1_control),
    FIELD(struct acpi_pm, gpe_status),  FIELD(struct acpi_pm, gpe_enable),  FIELD(struct acpi_pm, gpe_levels),
    FIELD(struct acpi_pm, smi_command), FIELD(struct acpi_pm, smi_scratch), FIELD(struct acpi_pm, reset_control),
    FIELD(struct acpi_pm, timer_msb),
};

const struct device_class acpi_pm_class = {
    .name = "acpi_pm",
    .version = 1,
    .reset = acpi_pm_reset,
    .destroy = acpi_pm_destroy,
    .restored = acpi_pm_restored,
    .fields = acpi_pm_fields,
    .field_count = ARRAY_LEN(acpi_pm_fields),
};
