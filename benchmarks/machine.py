"""A machine under measurement: its process, what it says with the time it says it, and what is typed to it."""
import os
import queue
import subprocess
import sys
import threading
import time


class Machine:
    """A running machine; its serial output comes as (seconds since start, text so far of the line, line complete)."""

    def __init__(self, command):
        self.started = time.monotonic()
        # Its input stays open and silent: an end of file may mean something to it.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.chunks = queue.Queue()
        self.said = ""
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while chunk := os.read(self.process.stdout.fileno(), 4096):
            self.chunks.put((time.monotonic() - self.started, chunk))
        self.chunks.put(None)

    def lines(self, timeout):
        text = ""
        try:
            while item := self.chunks.get(timeout=max(0.1, self.started + timeout - time.monotonic())):
                at, chunk = item
                text += chunk.decode(errors="replace")
                *complete, text = text.split("\n")
                for line in complete:
                    yield at, line.rstrip("\r"), True
                if text:
                    yield at, text, False
        except queue.Empty:
            print(f"  no end after {timeout} s, killed", file=sys.stderr)

    def wait_for(self, text, timeout):
        """Seconds since start when it had said the text, counting from the last one waited for; None if it does not."""
        end = time.monotonic() + timeout
        try:
            while item := self.chunks.get(timeout=max(0.1, end - time.monotonic())):
                at, chunk = item
                self.said += chunk.decode(errors="replace")
                if text in self.said:
                    self.said = self.said.split(text, 1)[1]
                    return at
        except queue.Empty:
            pass
        print(f"  no {text!r} in {timeout} s, but: {self.said[-200:]!r}", file=sys.stderr)
        return None

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def close(self):
        try:
            self.process.wait(timeout=0 if self.chunks.empty() else 5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
