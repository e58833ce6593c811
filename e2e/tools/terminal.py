#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command that opens a shell under a pseudo-terminal, and uses it as a person would.

terminal.py COMMAND...   exits 0 when size, resize, Ctrl-C and the exit code all are as they should be
"""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 30  # seconds for one answer of the shell


def set_size(fd, rows, cols):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


class Shell:
    def __init__(self, command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            set_size(0, 31, 97)
            os.execvp(command[0], command)
        self.seen = b""

    def send(self, text):
        os.write(self.fd, text.encode())

    def expect(self, regex):
        deadline = time.monotonic() + LIMIT
        while True:
            found = re.search(regex.encode(), self.seen)
            if found:
                self.seen = self.seen[found.end():]
                return found
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit(f"no {regex!r} in {self.seen!r}")
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                sys.exit(f"ended without {regex!r}: {self.seen!r}")
            self.seen += data

    def exit_code(self):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    os.read(self.fd, 65536)
                except OSError:
                    pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        sys.exit("the shell ended but the command did not")


shell = Shell(sys.argv[1:])
# The marks are split in what is typed, so that the echo of the terminal is not taken for the answer.
shell.send("echo re''ady\n")
shell.expect(r"ready\r\n")


def size_becomes(rows, cols):
    deadline = time.monotonic() + LIMIT
    while True:
        shell.send("echo si''ze=$(stty size)\n")
        got = shell.expect(r"size=(\d+ \d+)").group(1).decode()
        if got == f"{rows} {cols}":
            return
        if time.monotonic() > deadline:
            sys.exit(f"size is {got}, not {rows} {cols}")
        time.sleep(0.2)


size_becomes(31, 97)
set_size(shell.fd, 50, 120)
os.kill(shell.pid, signal.SIGWINCH)
size_becomes(50, 120)
shell.send("test -t 0 && test -t 1 && echo t''ty yes\n")
shell.expect(r"tty yes")
shell.send("echo sl''eeping; sleep 1000; echo status=$?.\n")
shell.expect(r"sleeping")
time.sleep(0.5)
shell.send("\x03")
shell.send("\necho a''live\n")
shell.expect(r"alive")
shell.send("exit 37\n")
code = shell.exit_code()
sys.exit(0 if code == 37 else f"exit code {code}, not 37")
