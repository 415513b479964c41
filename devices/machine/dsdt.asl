/*
 * The DSDT: the PCI bus with its windows and interrupt links, what the PC has on its ISA bus, and the soft-off state.
 *
 * Processors are in an SSDT that acpi_tables.c makes (their number is an option); the power button, the PM registers
 * and the reset register are fixed hardware that the FADT describes. Resources must agree with the machine's wiring;
 * \_S5 with ACPI_SLP_TYP_S5 in devices/chips/acpi_pm.h.
 */
DefinitionBlock ("", "DSDT", 2, "RING3 ", "RING3PC ", 1)
{
    Name (\_S5, Package () { 0, 0, 0, 0 })

    External (\PCIB, IntObj) /* where the PCI hole begins: acpi_tables.c */

    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_UID, 0)
            Name (RBUF, ResourceTemplate ()
            {
                WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0xFF, 0, 0x100)
                IO (Decode16, 0x0CF8, 0x0CF8, 1, 8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0, 0x0CF7, 0, 0x0CF8)
                WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, 0, 0x0D00, 0xFFFF, 0, 0xF300)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,
                    0, 0xA0000, 0xBFFFF, 0, 0x20000)
                DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0, 0xC0000000, 0xFEBFFFFF, 0, 0x3EC00000, , , PW32)
            })
            Method (_CRS, 0, Serialized)
            {
                CreateDWordField (RBUF, ^PW32._MIN, WMIN)
                CreateDWordField (RBUF, ^PW32._LEN, WLEN)
                Store (\PCIB, WMIN)
                Store (Subtract (0xFEC00000, \PCIB), WLEN)
                Return (RBUF)
            }

            /* Slot by slot the links rotate: see pci_link() in devices/core/pci.h. */
            Name (_PRT, Package ()
            {
                Package () { 0x01FFFF, 0, LNKA, 0 }, Package () { 0x01FFFF, 1, LNKB, 0 },
                Package () { 0x01FFFF, 2, LNKC, 0 }, Package () { 0x01FFFF, 3, LNKD, 0 },
                Package () { 0x02FFFF, 0, LNKB, 0 }, Package () { 0x02FFFF, 1, LNKC, 0 },
                Package () { 0x02FFFF, 2, LNKD, 0 }, Package () { 0x02FFFF, 3, LNKA, 0 },
                Package () { 0x03FFFF, 0, LNKC, 0 }, Package () { 0x03FFFF, 1, LNKD, 0 },
                Package () { 0x03FFFF, 2, LNKA, 0 }, Package () { 0x03FFFF, 3, LNKB, 0 },
                Package () { 0x04FFFF, 0, LNKD, 0 }, Package () { 0x04FFFF, 1, LNKA, 0 },
                Package () { 0x04FFFF, 2, LNKB, 0 }, Package () { 0x04FFFF, 3, LNKC, 0 },
                Package () { 0x05FFFF, 0, LNKA, 0 }, Package () { 0x05FFFF, 1, LNKB, 0 },
                Package () { 0x05FFFF, 2, LNKC, 0 }, Package () { 0x05FFFF, 3, LNKD, 0 },
                Package () { 0x06FFFF, 0, LNKB, 0 }, Package () { 0x06FFFF, 1, LNKC, 0 },
                Package () { 0x06FFFF, 2, LNKD, 0 }, Package () { 0x06FFFF, 3, LNKA, 0 },
                Package () { 0x07FFFF, 0, LNKC, 0 }, Package () { 0x07FFFF, 1, LNKD, 0 },
                Package () { 0x07FFFF, 2, LNKA, 0 }, Package () { 0x07FFFF, 3, LNKB, 0 },
                Package () { 0x08FFFF, 0, LNKD, 0 }, Package () { 0x08FFFF, 1, LNKA, 0 },
                Package () { 0x08FFFF, 2, LNKB, 0 }, Package () { 0x08FFFF, 3, LNKC, 0 },
                Package () { 0x09FFFF, 0, LNKA, 0 }, Package () { 0x09FFFF, 1, LNKB, 0 },
                Package () { 0x09FFFF, 2, LNKC, 0 }, Package () { 0x09FFFF, 3, LNKD, 0 },
                Package () { 0x0AFFFF, 0, LNKB, 0 }, Package () { 0x0AFFFF, 1, LNKC, 0 },
                Package () { 0x0AFFFF, 2, LNKD, 0 }, Package () { 0x0AFFFF, 3, LNKA, 0 },
                Package () { 0x0BFFFF, 0, LNKC, 0 }, Package () { 0x0BFFFF, 1, LNKD, 0 },
                Package () { 0x0BFFFF, 2, LNKA, 0 }, Package () { 0x0BFFFF, 3, LNKB, 0 },
                Package () { 0x0CFFFF, 0, LNKD, 0 }, Package () { 0x0CFFFF, 1, LNKA, 0 },
                Package () { 0x0CFFFF, 2, LNKB, 0 }, Package () { 0x0CFFFF, 3, LNKC, 0 },
                Package () { 0x0DFFFF, 0, LNKA, 0 }, Package () { 0x0DFFFF, 1, LNKB, 0 },
                Package () { 0x0DFFFF, 2, LNKC, 0 }, Package () { 0x0DFFFF, 3, LNKD, 0 },
                Package () { 0x0EFFFF, 0, LNKB, 0 }, Package () { 0x0EFFFF, 1, LNKC, 0 },
                Package () { 0x0EFFFF, 2, LNKD, 0 }, Package () { 0x0EFFFF, 3, LNKA, 0 },
                Package () { 0x0FFFFF, 0, LNKC, 0 }, Package () { 0x0FFFFF, 1, LNKD, 0 },
                Package () { 0x0FFFFF, 2, LNKA, 0 }, Package () { 0x0FFFFF, 3, LNKB, 0 },
                Package () { 0x10FFFF, 0, LNKD, 0 }, Package () { 0x10FFFF, 1, LNKA, 0 },
                Package () { 0x10FFFF, 2, LNKB, 0 }, Package () { 0x10FFFF, 3, LNKC, 0 },
                Package () { 0x11FFFF, 0, LNKA, 0 }, Package () { 0x11FFFF, 1, LNKB, 0 },
                Package () { 0x11FFFF, 2, LNKC, 0 }, Package () { 0x11FFFF, 3, LNKD, 0 },
                Package () { 0x12FFFF, 0, LNKB, 0 }, Package () { 0x12FFFF, 1, LNKC, 0 },
                Package () { 0x12FFFF, 2, LNKD, 0 }, Package () { 0x12FFFF, 3, LNKA, 0 },
                Package () { 0x13FFFF, 0, LNKC, 0 }, Package () { 0x13FFFF, 1, LNKD, 0 },
                Package () { 0x13FFFF, 2, LNKA, 0 }, Package () { 0x13FFFF, 3, LNKB, 0 },
                Package () { 0x14FFFF, 0, LNKD, 0 }, Package () { 0x14FFFF, 1, LNKA, 0 },
                Package () { 0x14FFFF, 2, LNKB, 0 }, Package () { 0x14FFFF, 3, LNKC, 0 },
                Package () { 0x15FFFF, 0, LNKA, 0 }, Package () { 0x15FFFF, 1, LNKB, 0 },
                Package () { 0x15FFFF, 2, LNKC, 0 }, Package () { 0x15FFFF, 3, LNKD, 0 },
                Package () { 0x16FFFF, 0, LNKB, 0 }, Package () { 0x16FFFF, 1, LNKC, 0 },
                Package () { 0x16FFFF, 2, LNKD, 0 }, Package () { 0x16FFFF, 3, LNKA, 0 },
                Package () { 0x17FFFF, 0, LNKC, 0 }, Package () { 0x17FFFF, 1, LNKD, 0 },
                Package () { 0x17FFFF, 2, LNKA, 0 }, Package () { 0x17FFFF, 3, LNKB, 0 },
                Package () { 0x18FFFF, 0, LNKD, 0 }, Package () { 0x18FFFF, 1, LNKA, 0 },
                Package () { 0x18FFFF, 2, LNKB, 0 }, Package () { 0x18FFFF, 3, LNKC, 0 },
                Package () { 0x19FFFF, 0, LNKA, 0 }, Package () { 0x19FFFF, 1, LNKB, 0 },
                Package () { 0x19FFFF, 2, LNKC, 0 }, Package () { 0x19FFFF, 3, LNKD, 0 },
                Package () { 0x1AFFFF, 0, LNKB, 0 }, Package () { 0x1AFFFF, 1, LNKC, 0 },
                Package () { 0x1AFFFF, 2, LNKD, 0 }, Package () { 0x1AFFFF, 3, LNKA, 0 },
                Package () { 0x1BFFFF, 0, LNKC, 0 }, Package () { 0x1BFFFF, 1, LNKD, 0 },
                Package () { 0x1BFFFF, 2, LNKA, 0 }, Package () { 0x1BFFFF, 3, LNKB, 0 },
                Package () { 0x1CFFFF, 0, LNKD, 0 }, Package () { 0x1CFFFF, 1, LNKA, 0 },
                Package () { 0x1CFFFF, 2, LNKB, 0 }, Package () { 0x1CFFFF, 3, LNKC, 0 },
                Package () { 0x1DFFFF, 0, LNKA, 0 }, Package () { 0x1DFFFF, 1, LNKB, 0 },
                Package () { 0x1DFFFF, 2, LNKC, 0 }, Package () { 0x1DFFFF, 3, LNKD, 0 },
                Package () { 0x1EFFFF, 0, LNKB, 0 }, Package () { 0x1EFFFF, 1, LNKC, 0 },
                Package () { 0x1EFFFF, 2, LNKD, 0 }, Package () { 0x1EFFFF, 3, LNKA, 0 },
                Package () { 0x1FFFFF, 0, LNKC, 0 }, Package () { 0x1FFFFF, 1, LNKD, 0 },
                Package () { 0x1FFFFF, 2, LNKA, 0 }, Package () { 0x1FFFFF, 3, LNKB, 0 }
            })

            Device (ISA)
            {
                Name (_ADR, 0x00010000)
                OperationRegion (PIRQ, PCI_Config, 0x60, 4)
            }
        }

        Field (PCI0.ISA.PIRQ, ByteAcc, NoLock, Preserve) { PRQA, 8, PRQB, 8, PRQC, 8, PRQD, 8 }

        /* What the links have in common; Arg0 is the routing register. */
        Method (LSTA, 1) { If (And (Arg0, 0x80)) { Return (0x09) } Return (0x0B) }
        Method (LCRS, 1, Serialized)
        {
            Name (IRQB, ResourceTemplate () { Interrupt (, Level, ActiveHigh, Shared, , , IRQN) { 0 } })
            CreateDWordField (IRQB, IRQN._INT, NUMB)
            If (LNot (And (Arg0, 0x80))) { Store (Arg0, NUMB) }
            Return (IRQB)
        }
        Method (LIRQ, 1, Serialized)
        {
            CreateDWordField (Arg0, 5, NUMB)
            Return (NUMB)
        }

        Device (LNKA)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 1)
            Name (_PRS, ResourceTemplate ()
            {
                Interrupt (, Level, ActiveHigh, Shared) { 5, 10, 11 }
            })
            Method (_STA) { Return (LSTA (PRQA)) }
            Method (_DIS, 0, Serialized) { Store (Or (PRQA, 0x80), PRQA) }
            Method (_CRS, 0, Serialized) { Return (LCRS (PRQA)) }
            Method (_SRS, 1, Serialized) { Store (LIRQ (Arg0), PRQA) }
        }

        Device (LNKB)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 2)
            Name (_PRS, ResourceTemplate ()
            {
                Interrupt (, Level, ActiveHigh, Shared) { 5, 10, 11 }
            })
            Method (_STA) { Return (LSTA (PRQB)) }
            Method (_DIS, 0, Serialized) { Store (Or (PRQB, 0x80), PRQB) }
            Method (_CRS, 0, Serialized) { Return (LCRS (PRQB)) }
            Method (_SRS, 1, Serialized) { Store (LIRQ (Arg0), PRQB) }
        }

        Device (LNKC)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 3)
            Name (_PRS, ResourceTemplate ()
            {
                Interrupt (, Level, ActiveHigh, Shared) { 5, 10, 11 }
            })
            Method (_STA) { Return (LSTA (PRQC)) }
            Method (_DIS, 0, Serialized) { Store (Or (PRQC, 0x80), PRQC) }
            Method (_CRS, 0, Serialized) { Return (LCRS (PRQC)) }
            Method (_SRS, 1, Serialized) { Store (LIRQ (Arg0), PRQC) }
        }

        Device (LNKD)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_UID, 4)
            Name (_PRS, ResourceTemplate ()
            {
                Interrupt (, Level, ActiveHigh, Shared) { 5, 10, 11 }
            })
            Method (_STA) { Return (LSTA (PRQD)) }
            Method (_DIS, 0, Serialized) { Store (Or (PRQD, 0x80), PRQD) }
            Method (_CRS, 0, Serialized) { Return (LCRS (PRQD)) }
            Method (_SRS, 1, Serialized) { Store (LIRQ (Arg0), PRQD) }
        }

        Device (HPET)
        {
            Name (_HID, EisaId ("PNP0103"))
            Name (_UID, 0)
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadOnly, 0xFED00000, 0x00000400)
            })
        }
    }

    Scope (\_SB.PCI0.ISA)
    {
        Device (PIC)
        {
            Name (_HID, EisaId ("PNP0000"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0020, 0x0020, 0, 2)
                IO (Decode16, 0x00A0, 0x00A0, 0, 2)
                IO (Decode16, 0x04D0, 0x04D0, 0, 2)
                IRQNoFlags () { 2 }
            })
        }

        Device (TIMR)
        {
            Name (_HID, EisaId ("PNP0100"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0040, 0x0040, 0, 4)
                IRQNoFlags () { 0 }
            })
        }

        Device (SPKR)
        {
            Name (_HID, EisaId ("PNP0800"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0061, 0x0061, 0, 1)
            })
        }

        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0070, 0x0070, 0, 2)
                IRQNoFlags () { 8 }
            })
        }

        Device (FPU)
        {
            Name (_HID, EisaId ("PNP0C04"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x00F0, 0x00F0, 0, 1)
                IRQNoFlags () { 13 }
            })
        }

        Device (KBD)
        {
            Name (_HID, EisaId ("PNP0303"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0060, 0x0060, 0, 1)
                IO (Decode16, 0x0064, 0x0064, 0, 1)
                IRQNoFlags () { 1 }
            })
        }

        Device (MOU)
        {
            Name (_HID, EisaId ("PNP0F13"))
            Name (_CRS, ResourceTemplate ()
            {
                IRQNoFlags () { 12 }
            })
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F8, 0x03F8, 0, 8)
                IRQNoFlags () { 4 }
            })
        }
    }
}
