#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""slow.py HOST: clients that never finish what they begin, and how long a kubelet bears each of them.

Each kind must be closed between 30 and 40 s after its connection was made, and nobody else may notice: beside them a
good client, whose certificate no request needs here, asks once a second and gets its answer.
"""

import socket
import ssl
import sys
import threading
import time

HOST = sys.argv[1]
LEAST_S, MOST_S = 29.5, 40.0
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"

# name, port, over TLS?, at once, then each second
KINDS = [
    ("not a byte", 10250, False, b"", b""),
    ("half a hello", 10250, False, HELLO, b""),
    ("half a hello, then a byte a second", 10250, False, HELLO, b"x"),
    ("handshake only", 10250, True, b"", b""),
    ("half a request line", 10250, True, b"GET /heal", b""),
    ("a request line, a byte a second", 10250, True, b"GET /", b"x"),
    ("half a head", 10250, True, HEAD, b""),
    ("a head, a byte a second", 10250, True, HEAD + b"X: ", b"y"),
    ("a head, a header a second", 10250, True, HEAD, b"X: y\r\n"),
    ("10248, not a byte", 10248, False, b"", b""),
    ("10248, a head, a byte a second", 10248, False, HEAD + b"X: ", b"y"),
]
EACH = 5

CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


def connect(port, tls):
    sock = socket.create_connection((HOST, port), timeout=20)
    return CONTEXT.wrap_socket(sock) if tls else sock


def bear(kind, results):
    name, port, tls, first, each = kind
    sock = connect(port, False)
    start = time.monotonic()
    if tls:
        sock = CONTEXT.wrap_socket(sock)
    try:
        sock.sendall(first)
        sock.settimeout(1)
        while time.monotonic() - start < MOST_S + 10:
            try:
                if not sock.recv(4096):
                    break
            except TimeoutError:
                if each:
                    sock.sendall(each)
    except OSError:
        pass  # closed as well
    results.append((name, time.monotonic() - start))
    sock.close()


def good(stop, answers):
    while not stop.is_set():
        start = time.monotonic()
        try:
            sock = connect(10250, True)
            sock.sendall(b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            data = b""
            while part := sock.recv(4096):
                data += part
            answers.append((data.startswith(b"HTTP/1.1 404 "), time.monotonic() - start))
        except OSError as error:
            answers.append((False, repr(error)))
        stop.wait(1)


results, answers, stop = [], [], threading.Event()
beside = threading.Thread(target=good, args=(stop, answers))
beside.start()
threads = [threading.Thread(target=bear, args=(kind, results)) for kind in KINDS for _ in range(EACH)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
stop.set()
beside.join()
bad = [(name, round(took, 1)) for name, took in results if not LEAST_S <= took <= MOST_S]
refused = [answer for answer in answers if not answer[0]]
for name, took in bad:
    print(f"{name}: closed after {took} s")
for answer in refused:
    print(f"the good client: {answer[1]}")
print(f"{len(results)} slow clients, closed after {min(took for _, took in results):.1f} to "
      f"{max(took for _, took in results):.1f} s; {len(answers) - len(refused)} of {len(answers)} good requests answered")
sys.exit(1 if bad or refused or len(answers) < 10 else 0)
