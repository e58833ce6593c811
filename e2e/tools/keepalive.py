#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""keepalive.py HOST PORT CERT KEY PATH: one TLS connection; each line on stdin is one GET, its status goes to stdout."""

import http.client
import ssl
import sys

host, port, cert, key, path = sys.argv[1:6]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.load_cert_chain(cert, key)
connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=20)
connection.connect()
connection.auto_open = False  # a second connection would prove nothing
for _ in sys.stdin:
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        print(answer.status, flush=True)
    except (http.client.HTTPException, OSError) as error:
        print(f"closed: {type(error).__name__}", flush=True)
