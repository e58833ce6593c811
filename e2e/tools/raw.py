#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends requests to a kubelet as bytes, also ones that no HTTP library would send, and compares the answers.

raw.py HOST PORT CERT KEY [--record]

Each request has the answer that the stock kubelet v1.37.2 gives: status, some headers, and the body where it is fixed.
--record prints the answers instead, to look at a stock kubelet.
"""

import resource
import socket
import ssl
import sys
import time

HOST, PORT, CERT, KEY = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
RECORD = "--record" in sys.argv
NOT_FOUND = "404 page not found\n"
FINE = "Host: node\r\nConnection: close\r\n\r\n"


def get(path, method="GET", head=FINE):
    return f"{method} {path} HTTP/1.1\r\n{head}".encode("latin-1")


# name, with the API server's certificate?, request, status, headers that must be there, body (None: not compared)
CASES = [
    ("unknown path", True, get("/nothing"), 404, {"X-Content-Type-Options": "nosniff"}, NOT_FOUND),
    ("unknown path, stranger", False, get("/nothing"), 404, {}, NOT_FOUND),
    ("below an exact path", True, get("/configz/"), 404, {}, NOT_FOUND),
    ("unknown health check", True, get("/healthz/x"), 404, {}, NOT_FOUND),
    ("escaped slash", True, get("/pods%2f"), 404, {}, NOT_FOUND),
    ("escaped NUL", True, get("/pods%00"), 404, {}, NOT_FOUND),
    ("escaped letter", True, get("/%70ods"), 200, {"Content-Type": "application/json"}, None),
    ("doubled slash", True, get("//pods"), 307, {"Location": "/pods"}, None),
    ("doubled slash, stranger", False, get("//pods"), 307, {"Location": "/pods"}, None),
    ("dots", True, get("/a/../pods"), 307, {"Location": "/pods"}, None),
    ("one dot", True, get("/./pods"), 307, {"Location": "/pods"}, None),
    ("tree without slash", True, get("/runningpods"), 307, {"Location": "/runningpods/"}, None),
    ("path below a route", True, get("/pods/x"), 404, {}, "404: Page Not Found"),
    ("half a route", True, get("/exec/a/b"), 404, {}, "404: Page Not Found"),
    ("half a route, stranger", False, get("/exec/a/b"), 401, {}, "Unauthorized"),
    ("wrong method", True, get("/pods", "DELETE"), 405, {"Allow": "GET"}, "405: Method Not Allowed"),
    ("wrong method, stranger", False, get("/pods", "DELETE"), 401, {}, "Unauthorized"),
    ("HEAD", True, get("/pods", "HEAD"), 405, {"Allow": "GET"}, ""),
    ("wrong method of run", True, get("/run/a/b/c"), 405, {"Allow": "POST"}, "405: Method Not Allowed"),
    ("wrong method of logs", True, get("/containerLogs/a/b/c", "POST", "Host: node\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
     405, {"Allow": "GET"}, "405: Method Not Allowed"),
    ("stranger", False, get("/pods"), 401, {}, "Unauthorized"),
    ("stranger's health", False, get("/healthz"), 401, {}, "Unauthorized"),
    ("health", True, get("/healthz"), 200, {"Content-Type": "text/plain; charset=utf-8"}, "ok"),
    ("health, another method", True, get("/healthz", "PUT"), 200, {}, "ok"),
    ("exec of no pod", True, get("/exec/none/none/c?command=true&output=1"), 404, {}, "pod does not exist"),
    ("log of no pod", True, get("/containerLogs/none/none/c"), 404, {}, 'pod "none" does not exist'),
    ("run in no pod", True, get("/run/none/none/c?cmd=true", "POST", "Host: node\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), 404, {}, None),
    ("missing Host", True, get("/healthz", head="Connection: close\r\n\r\n"), 400, {}, "400 Bad Request: missing required Host header"),
    ("Host twice", True, get("/healthz", head="Host: a\r\nHost: b\r\n\r\n"), 400, {"Connection": "close"}, None),
    ("empty Host", True, get("/healthz", head="Host:\r\nConnection: close\r\n\r\n"), 200, {}, "ok"),
    ("Content-Length twice, differing", True, get("/healthz", head="Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
     400, {"Connection": "close"}, "400 Bad Request"),
    ("Content-Length and chunked", True,
     get("/healthz", head="Host: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n"), 200, {}, "ok"),
    ("bad escape", True, get("/pods%zz"), 400, {"Connection": "close"}, "400 Bad Request"),
    ("control byte in the path", True, get("/po\x01ds"), 400, {"Connection": "close"}, "400 Bad Request"),
    ("no version", True, b"GET /healthz\r\n\r\n", 400, {"Connection": "close"}, "400 Bad Request"),
    ("odd version", True, b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n", 505, {}, None),
    ("garbage", True, b"\x00\xff\x17garbage\r\n\r\n", 400, {}, "400 Bad Request"),
    ("header without colon", True, get("/healthz", head="Host: a\r\nnonsense\r\n\r\n"), 400, {}, "400 Bad Request"),
    ("blank before the colon", True, get("/healthz", head="Host : a\r\n\r\n"), 400, {}, None),
    ("line feeds only", True, b"GET /healthz HTTP/1.1\nHost: a\nConnection: close\n\n", 200, {}, "ok"),
    ("version 1.0", True, b"GET /healthz HTTP/1.0\r\n\r\n", 200, {}, "ok"),
    ("lower-case method", True, get("/healthz", "get"), 200, {}, "ok"),
    ("absolute target", True, get("http://other/healthz"), 200, {}, "ok"),
    ("head of 2 MiB", True, get("/healthz", head="Host: a\r\nX: " + "x" * (2 << 20) + "\r\n\r\n"),
     431, {"Connection": "close"}, "431 Request Header Fields Too Large"),
    ("head of 900 kB", True, get("/healthz", head="Host: a\r\nConnection: close\r\nX: " + "x" * 900000 + "\r\n\r\n"), 200, {}, "ok"),
]


def connect(trusted):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if trusted:
        context.load_cert_chain(CERT, KEY)
    return context.wrap_socket(socket.create_connection((HOST, PORT), timeout=20))


def ask(trusted, request):
    sock = connect(trusted)
    try:
        sock.sendall(request)
    except OSError:
        pass  # it may have answered and closed before the end of a long head
    data = b""
    try:
        while True:
            got = sock.recv(65536)
            if not got:
                break
            data += got
    except OSError:
        pass
    sock.close()
    return data


def parse(data):
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding") == "chunked":
        whole = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            whole += body[:int(size, 16)]
            body = body[int(size, 16) + 2:]
        body = whole
    return status, headers, body.decode("latin-1")


def check(name, trusted, request, status, want_headers, want_body):
    got_status, headers, body = parse(ask(trusted, request))
    if RECORD:
        print(name, "|", got_status, headers, repr(body[:100]))
        return True
    problems = []
    if got_status != status:
        problems.append(f"status {got_status}, not {status}")
    for key, value in want_headers.items():
        if headers.get(key.lower()) != value:
            problems.append(f"{key} {headers.get(key.lower())!r}, not {value!r}")
    if want_body is not None and body != want_body:
        problems.append(f"body {body[:200]!r}, not {want_body!r}")
    for problem in problems:
        print(f"{name}: {problem}")
    return not problems


def plain():
    sock = socket.create_connection((HOST, PORT), timeout=20)
    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    data = sock.recv(65536).decode("latin-1")
    sock.close()
    if RECORD:
        print(repr(data))
        return True
    if data.startswith("HTTP/1.0 400 Bad Request\r\n") and "Client sent an HTTP request to an HTTPS server." in data:
        return True
    print(f"plain HTTP: {data!r}")
    return False


def idle():
    """Many idle connections, and a good client beside them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    held = [socket.create_connection((HOST, PORT), timeout=20) for _ in range(2000)]
    start = time.monotonic()
    status, _, body = parse(ask(True, get("/healthz")))
    for sock in held:
        sock.close()
    if (status, body) == (200, "ok"):
        return True
    print(f"beside 2000 idle connections: {status} {body!r} after {time.monotonic() - start:.1f} s")
    return False


results = [check(*case) for case in CASES] + [plain(), idle()]
print(f"{sum(results)} of {len(results)} answers as stock's")
sys.exit(0 if all(results) else 1)
