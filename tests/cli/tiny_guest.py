"""Tiny Multiboot kernels made of a few bytes of 32-bit code, and a way to run ring3 on them."""
import ctypes
import os
import signal
import struct
import subprocess
import tempfile

RING3 = os.environ["RING3"]
FOLDER = tempfile.TemporaryDirectory()
LOAD = 0x100000

HANG = b"\xfa\xf4\xeb\xfd"  # cli; 1: hlt; jmp 1b
TRIPLE_FAULT = b"\x0f\x0b"  # ud2, without an IDT
ECHO = (b"\x66\xba\xfd\x03\xec\xa8\x01\x74\xf7"  # 1: mov dx, 3fdh; in al, dx; test al, 1; jz 1b
        b"\x66\xba\xf8\x03\xec\xee\xeb\xef")  # mov dx, 3f8h; in al, dx; out dx, al; jmp 1b


def out8(port, value):
    return b"\x66\xba" + struct.pack("<H", port) + b"\xb0" + bytes([value]) + b"\xee"


def out16(port, value):
    return b"\x66\xba" + struct.pack("<H", port) + b"\x66\xb8" + struct.pack("<H", value) + b"\x66\xef"


def say(text):
    return b"".join(out8(0x3F8, byte) for byte in text.encode())


def kernel(code):
    """Writes the kernel and returns its path."""
    magic, flags = 0x1BADB002, 1 << 16
    header = struct.pack("<8I", magic, flags, -(magic + flags) & 0xFFFFFFFF, LOAD, LOAD, 0, 0, LOAD + 32)
    with tempfile.NamedTemporaryFile(dir=FOLDER.name, delete=False) as file:
        file.write(header + code)
    return file.name


def die_with_parent():
    """In a child before it becomes another program: the kernel ends it when its parent ends, whatever ended that. Signals
    that the test was started to ignore (nohup) do end it."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments, **keywords):
    """ring3 beside the test; it does not outlive it."""
    return subprocess.Popen([RING3, *arguments], preexec_fn=die_with_parent, **keywords)


def run(*arguments, stdin=b""):
    return subprocess.run([RING3, *arguments], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)


def check(condition, what):
    if not condition:
        raise SystemExit(f"FAILED: {what}")
