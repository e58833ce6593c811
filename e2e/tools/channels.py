#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Speaks the older WebSocket channel protocols, as browsers and the conformance suite do.

channels.py HOST PORT CERT KEY PATH PROTOCOL [close]   prints "CHANNEL TEXT" for each channel, its frames joined

With "close" it says the end itself as soon as something has come on a channel.
"""

import base64
import os
import socket
import ssl
import struct
import sys

host, port, cert, key, path, protocol = sys.argv[1:7]
closes = sys.argv[7:] == ["close"]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.load_cert_chain(cert, key)
sock = context.wrap_socket(socket.create_connection((host, int(port)), timeout=20))
head = (
    f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
)
if protocol:
    head += f"Sec-WebSocket-Protocol: {protocol}\r\n"
sock.sendall((head + "\r\n").encode())
data = b""


def need(count):
    global data
    while len(data) < count:
        got = sock.recv(65536)
        if not got:
            return False
        data += got
    return True


while b"\r\n\r\n" not in data:
    if not need(len(data) + 1):
        sys.exit(f"no answer: {data!r}")
answer, _, data = data.partition(b"\r\n\r\n")
if b" 101 " not in answer.split(b"\r\n")[0]:
    sys.exit(f"{answer!r} {data!r}")
channels = {}
while need(2):
    opcode, size = data[0] & 15, data[1] & 127
    skip = 2
    if size == 126:
        if not need(4):
            break
        size, skip = struct.unpack(">H", data[2:4])[0], 4
    elif size == 127:
        if not need(10):
            break
        size, skip = struct.unpack(">Q", data[2:10])[0], 10
    if not need(skip + size):
        break
    payload, data = data[skip:skip + size], data[skip + size:]
    if opcode == 8:
        break
    if opcode not in (1, 2) or not payload:
        continue
    if "base64" in protocol:
        channel, text = int(payload[:1]), base64.b64decode(payload[1:])
    else:
        channel, text = payload[0], payload[1:]
    channels[channel] = channels.get(channel, b"") + text
    if closes and text:
        sock.sendall(b"\x88\x82\0\0\0\0\x03\xe8")
        closes = False
for channel in sorted(channels):
    print(channel, channels[channel].decode("latin-1").strip())
