/*
 * The ACPI fixed hardware: PM1a event and control blocks, PM timer, general-purpose events, the SMI command port, and
 * the reset control register at CF9h.
 *
 * Three regions: acpi_pm_ops (ACPI_PM_SIZE bytes, its parts below), acpi_smi_ops (ACPI_SMI_SIZE bytes, at B2h on a PC)
 * and acpi_reset_ops (1 byte, at CF9h). The tables in devices/machine/acpi_tables.c describe exactly these.
 *
 * The PM timer is 32 bits wide (TMR_VAL_EXT). Sleep states: S5 only.
 *
 * @locks every call is made with the machine lock held; callbacks are made with it held as well, so power_off and reset
 * should ask the machine's thread rather than act at once.
 */
#ifndef RING3_DEVICES_ACPI_PM_H
#define RING3_DEVICES_ACPI_PM_H

#include "cpu-model/base/bus.h"
#include "cpu-model/base/types.h"
#include "devices/core/device.h"
#include "devices/core/irq.h"
#include "devices/core/vclock.h"

/* Offsets in the PM region, and lengths, for the FADT. */
enum {
    ACPI_PM_SIZE = 0x40,
    ACPI_PM1_EVENT = 0x00,
    ACPI_PM1_EVENT_LENGTH = 4,
    ACPI_PM1_CONTROL = 0x04,
    ACPI_PM1_CONTROL_LENGTH = 2,
    ACPI_PM_TIMER = 0x08,
    ACPI_PM_TIMER_LENGTH = 4,
    ACPI_GPE0 = 0x0c,
    ACPI_GPE0_LENGTH = 4, /* 16 events */
    ACPI_GPE0_EVENTS = 16,
};

enum {
    ACPI_SMI_SIZE = 2,       /* command, and a scratch byte */
    ACPI_SMI_ENABLE = 0xf1,  /* FADT ACPI_ENABLE */
    ACPI_SMI_DISABLE = 0xf0, /* FADT ACPI_DISABLE */
    ACPI_SLP_TYP_S5 = 0,     /* the PIIX4's soft off; \_S5 in dsdt.asl */
    ACPI_RESET_VALUE = 0x06, /* FADT RESET_VALUE: hard reset */
};

#define ACPI_PM_TIMER_HZ 3579545ull

struct acpi_pm_config {
    struct vclock *clock;
    struct irq_line sci; /* active high, level */
    void *context;       /* first argument of the callbacks; each may be null */
    void (*power_off)(void *context);
    void (*reset)(void *context, bool hard); /* hard: the whole machine; otherwise the CPU only (INIT#) */
};

struct acpi_pm {
    struct acpi_pm_config config;
    uint16_t pm1_status, pm1_enable, pm1_control;
    uint16_t gpe_status, gpe_enable, gpe_levels;
    uint8_t smi_command, smi_scratch, reset_control;
    bool timer_msb;      /* the timer's most significant bit when it was last looked at */
    struct vtimer timer; /* derived: the next time that bit changes */
};

/* Returns 0, or -EINVAL (no clock). */
int acpi_pm_init(struct acpi_pm *pm, const struct acpi_pm_config *config);

/* The user pressed the power button (a fixed-feature button). An OS that has not enabled it sees nothing. */
void acpi_pm_press_power_button(struct acpi_pm *pm);

/* A general-purpose event input: an irq_line's `set`. Active events are latched until the guest clears them. */
void acpi_pm_set_gpe(void *pm, unsigned event, bool level);

/* Device of all three: struct acpi_pm. */
extern const struct bus_ops acpi_pm_ops, acpi_smi_ops, acpi_reset_ops;
extern const struct device_class acpi_pm_class;

#endif
