"""The human monitor over a socket: registers, memory, ports, stopping, and what it says when it is asked wrongly."""
import os

from monitor_client import Machine
from tiny_guest import FOLDER, check, kernel

# eax, ebx: known values; a string and a table at 200000h; then count in esi for ever.
CODE = (b"\xb8\x78\x56\x34\x12"  # mov eax, 12345678h
        b"\xbb\xef\xbe\xad\xde"  # mov ebx, deadbeefh
        b"\xc7\x05\x00\x00\x20\x00text"  # mov dword [200000h], "text"
        b"\xc7\x05\x04\x00\x20\x00\xff\x00\x00\x80"  # mov dword [200004h], 800000ffh
        b"\x46\xeb\xfd")  # 1: inc esi; jmp 1b


def expect(hmp, line, answer):
    got = hmp(line)
    check(got == answer, f"{line}: {got!r} is not {answer!r}")


def holds(hmp, line, *parts):
    got = hmp(line)
    for part in parts:
        check(part in got, f"{line}: no {part!r} in {got!r}")
    return got


for engine in ("bt", "interp"):
    machine = Machine("-kernel", kernel(CODE), "-accel", engine, "-name", "mon", "-serial", "null")
    hmp = machine.hmp()
    check("type 'help'" in hmp.greeting, f"greeting: {hmp.greeting!r}")
    expect(hmp, "info status", "VM status: running\n")
    expect(hmp, "info name", "mon\n")
    while hmp("print /x $ebx") != "0xdeadbeef\n":
        pass
    holds(hmp, "info registers", "EAX=12345678", "EBX=deadbeef", "CPL=0", "CS32 [-RA]", "CR0=00000011", "XMM07=")

    # It counts while it runs, and does not while it is stopped.
    first = hmp("p $esi")
    while hmp("p $esi") == first:
        pass
    expect(hmp, "stop", "")
    expect(hmp, "info status", "VM status: paused\n")
    first = hmp("p $esi")
    check(hmp("p $esi") == first, "stopped")
    expect(hmp, "c", "")
    while hmp("p $esi") == first:
        pass

    expect(hmp, "xp /2xw 0x200000", "0000000000200000: 0x74786574 0x800000ff\n")
    expect(hmp, "x /4cb 0x200000", "0000000000200000: 't' 'e' 'x' 't'\n")
    expect(hmp, "x /1dw 0x200004", "0000000000200004: -2147483393\n")
    expect(hmp, "x/1xg 0x200000", "0000000000200000: 0x800000ff74786574\n")
    expect(hmp, "x /9xb 0x200000", "0000000000200000: 0x74 0x65 0x78 0x74 0xff 0x00 0x00 0x80\n"
           "0000000000200008: 0x00\n")
    expect(hmp, "x /s 0x200000", '0000000000200000: "text\\xff"\n')
    expect(hmp, "x /1xw 0xe0000000", "00000000e0000000: Cannot access memory\n")
    expect(hmp, "x /2oh 0x200000", "0000000000200000: 062564 072170\n")
    expect(hmp, "print /d 2+3*$ebx%7", f"{2 + 3 * 0xDEADBEEF % 7}\n")
    expect(hmp, "print 2+3*4", "0xe\n")
    holds(hmp, "x /2i 0x100020", "0x00100020:  b8 78 56 34 12", "mov eax, 0x12345678", "mov ebx, 0xdeadbeef")
    expect(hmp, "info tlb", "PG disabled\n")
    expect(hmp, "gva2gpa 0x1234", "gpa: 0x1234\n")

    expect(hmp, "o /b 0x3ff 0x5a", "")  # the scratch register of the UART
    expect(hmp, "i /b 0x3ff", "portb[0x03ff] = 0x5a\n")
    holds(hmp, "i 0x3fc", "portl[0x03fc] = 0x5a")
    path = os.path.join(FOLDER.name, "dump of memory")
    expect(hmp, f'pmemsave 0x200000 6 "{path}"', "")
    with open(path, "rb") as file:
        check(file.read() == b"text\xff\0", "pmemsave")
    holds(hmp, f'memsave 0xe0000000 4 "{path}"', "Error: ", "no memory")
    holds(hmp, 'pmemsave 0 1 "/nix/nix"', "Error: cannot open '/nix/nix'")

    holds(hmp, "info jit", engine)
    holds(hmp, "info mtree", "low RAM", "03f8-03ff: serial port 1", "local APIC")
    holds(hmp, "info pic", "pic0: irr=", "ioapic0")
    holds(hmp, "info qtree", "dev: ns16550")
    holds(hmp, "info device ns16550", "5a")
    holds(hmp, "info lapic", "LINT0")
    holds(hmp, "info version", "ring3 ")
    holds(hmp, "help", "system_reset", "sendkey keys [hold_ms]")
    holds(hmp, "help x", "x /fmt addr")
    holds(hmp, "info", "info registers")

    holds(hmp, "nix", "unknown command: 'nix'")
    holds(hmp, "info nix", "Error: ", "info nix")
    holds(hmp, "x", "missing argument")
    holds(hmp, "x /4zw 0", "invalid char in format")
    holds(hmp, "p $nix", "unknown register")
    holds(hmp, "p 1/0", "division by zero")
    holds(hmp, "x /9999999xb 0", "too many")
    holds(hmp, "i 0x10000", "no port")
    holds(hmp, "sendkey ctrl-nix", "invalid parameter: nix")
    expect(hmp, "sendkey ctrl-alt-delete", "")
    expect(hmp, "mouse_move 30 -20", "")
    holds(hmp, "mouse_move 30 x", "invalid parameter: x")
    holds(hmp, "log nix", "unknown item")
    holds(hmp, "A" * 10000, "too long")

    # A reset while stopped is made at once; the guest goes on only when told to.
    hmp("stop")
    hmp("system_reset")
    while "(prelaunch)" not in hmp("info status"):
        pass
    expect(hmp, "p $esi", "0\n")
    hmp("cont")
    while hmp("p $esi") == "0\n":
        pass

    # A second client after the first one left; the first one's commands may all come at once.
    hmp.socket.close()
    hmp = machine.hmp()
    hmp.socket.sendall(b"info status\ninfo name\nquit\nstop\n")
    check(machine.wait() == 0, "quit")
