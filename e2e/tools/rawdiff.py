#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends the same bytes to two kubelets at once and tells where their answers differ.

rawdiff.py TABLE DIFFERENCES LEFT RIGHT [NAME-PATTERN]

LEFT (stock) and RIGHT (ours) are JSON files: {"ip", "replace": {text: placeholder}, "values": {"NS": ...},
"identities": {name: [certificate, key]}}.

TABLE has one request a line: name, client identity, request; tabs between. The identity is one of those of the JSON
files, "none" (TLS without certificate), "plain" (no TLS on the TLS port) or "10248" (the health port). A request that
begins with "@" is short for a head: "@GET /pods | Header: value" has HTTP/1.1, a Host and the empty line added; any
other is bytes with Python's escapes. $NAME is a value of the JSON file, {a,b} makes one request of each word,
<x*1000> is repetition, <wait> a pause of half a second, <fin> the end of what the client sends.

Compared are status lines, all headers (their order is free), bodies, the number of answers and whether the connection
stays open. DIFFERENCES names those that are meant to be: a pattern of names, the fields, the reason. A line of which a
field does not show up any more is a failure, as a difference is that is not listed. Of a list of pods only the names
in namespace $NS are compared here. Requests whose name begins with "alone:" go one after the other.
"""

import concurrent.futures
import fnmatch
import itertools
import json
import os
import re
import select
import socket
import ssl
import sys
import time

AT_ONCE = 24
QUIET_S = 1.0  # after a whole answer, for the end of the connection to show
SILENT_S = 5.0  # without a whole answer
MOST_S = 40.0

ALWAYS = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"), "TIME"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UID"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "ID"),
]


class Side:
    def __init__(self, file):
        with open(file, encoding="utf-8") as stream:
            config = json.load(stream)
        self.ip = config["ip"]
        self.replace = sorted(config["replace"].items(), key=lambda item: -len(item[0]))
        self.values = config["values"]
        self.contexts = {"none": self.context(None)}
        for name, pair in config["identities"].items():
            self.contexts[name] = self.context(pair)

    @staticmethod
    def context(pair):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if pair:
            context.load_cert_chain(*pair)
        return context

    def connect(self, identity):
        sock = socket.create_connection((self.ip, 10248 if identity == "10248" else 10250), timeout=20)
        if identity in ("plain", "10248"):
            return sock
        return self.contexts[identity].wrap_socket(sock)

    def neutral(self, text):
        if text.startswith('{"kind":"PodList"'):
            try:
                pods = [pod["metadata"] for pod in json.loads(text)["items"] or []]
                return "PodList of " + ", ".join(sorted(pod["name"] for pod in pods if pod["namespace"] == self.values["NS"]))
            except (ValueError, KeyError):
                pass  # compared as it is
        for pattern, name in ALWAYS:
            text = pattern.sub(name, text)
        for old, name in self.replace:
            text = text.replace(old, name)
        return text


def expand(text):
    """Braces, as a shell does: [(words chosen, text)]."""
    parts = re.split(r"\{([^{}]*,[^{}]*)\}", text)
    choices = [part.split(",") if i % 2 else [part] for i, part in enumerate(parts)]
    return [([word for i, word in enumerate(chosen) if i % 2], "".join(chosen)) for chosen in itertools.product(*choices)]


def read_table(file):
    rows = []
    with open(file, encoding="utf-8") as stream:
        for line in stream:
            if not line.strip() or line.startswith("#"):
                continue
            name, identities, request = line.rstrip("\n").split("\t")
            for identity in identities.split(","):
                for words, one in expand(request):
                    title = " ".join([name, *words] + ([identity] if "," in identities else []))
                    rows.append((title, identity, one))
    names = [row[0] for row in rows]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        sys.exit(f"names that are there twice: {sorted(twice)}")
    return rows


def steps_of(request, values):
    """What to do one after the other: bytes to send, "wait", "fin"."""
    for key, value in sorted(values.items(), key=lambda item: -len(item[0])):
        request = request.replace("$" + key, value)
    if request.startswith("@"):
        line, *headers = request[1:].split(" | ")
        if not any(header.lower().startswith("host:") for header in headers):
            headers.insert(0, "Host: node")
        request = "".join(text + "\\r\\n" for text in [line + " HTTP/1.1", *headers]) + "\\r\\n"
    steps = []
    for part in re.split(r"(<wait>|<fin>|<[^<>]+\*\d+>)", request):
        repeat = re.fullmatch(r"<([^<>]+)\*(\d+)>", part)
        if part in ("<wait>", "<fin>"):
            steps.append(part)
            continue
        data = (repeat.group(1) if repeat else part).encode("latin-1").decode("unicode_escape").encode("latin-1")
        data *= int(repeat.group(2)) if repeat else 1
        if steps and isinstance(steps[-1], bytes):
            steps[-1] += data
        elif data:
            steps.append(data)
    return steps


class Answers:
    """Takes an HTTP answer apart, one after the other."""

    def __init__(self, methods):
        self.methods = methods
        self.rest = b""
        self.whole = []
        self.raw = False  # what follows belongs to no answer of HTTP

    def feed(self, data, ended):
        self.rest += data
        while not self.raw and self.rest and self.step(ended):
            pass

    def step(self, ended):
        end = self.rest.find(b"\r\n\r\n")
        if not self.rest.startswith(b"HTTP/") or end < 0:
            return False
        lines = self.rest[:end].decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        headers = [(name.strip().title(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
        fields = dict(headers)
        body = self.rest[end + 4:]
        finals = sum(1 for one in self.whole if not one["status"].startswith("HTTP/1.1 100"))
        method = self.methods[finals] if finals < len(self.methods) else "GET"
        rest = b""
        if status == 101:
            self.raw = True
            rest, body = body, b""
        elif method == "HEAD" or status in (100, 204, 304):
            rest, body = body, b""
        elif fields.get("Transfer-Encoding") == "chunked":
            content, rest = self.chunks(body)
            if rest is None:
                if not ended:
                    return False
                rest = b"<cut>"
            body = content
        elif "Content-Length" in fields:
            size = int(fields["Content-Length"])
            if len(body) < size:
                return False
            body, rest = body[:size], body[size:]
            fields["Content-Length"] = "of the body"
        elif not ended:
            return False
        headers = [(name, "of the body" if name == "Content-Length" and method != "HEAD" else value) for name, value in headers]
        self.whole.append({"status": lines[0], "headers": headers, "body": body})
        self.rest = rest
        return True

    @staticmethod
    def chunks(body):
        content = b""
        while True:
            line, found, after = body.partition(b"\r\n")
            try:
                size = int(line, 16) if found else -1
            except ValueError:
                size = -1
            if size < 0 or len(after) < size + 2:
                return content, None
            if size == 0:
                return content, after[2:]
            content, body = content + after[:size], after[size + 2:]


def ask(side, identity, request):
    steps = steps_of(request, side.values)
    sent = b"".join(step for step in steps if isinstance(step, bytes))
    methods = re.findall(rb"(?m)^([A-Za-z]+) \S+ HTTP/1\.[01]\r?$", sent[:65536])
    answers = Answers([method.decode() for method in methods])
    try:
        sock = side.connect(identity)
    except OSError as error:
        return {"answers": [], "rest": "", "end": f"no connection: {type(error).__name__}"}
    sock.setblocking(False)
    end, resume, start = None, 0, time.monotonic()
    last = start
    while end is None:
        now = time.monotonic()
        if steps and steps[0] == "<wait>":
            resume, steps[0:1] = now + 0.5, []
        if steps and steps[0] == "<fin>" and now >= resume:
            duplicate = socket.socket(fileno=os.dup(sock.fileno()))
            duplicate.shutdown(socket.SHUT_WR)
            duplicate.close()
            steps.pop(0)
        writing = steps and isinstance(steps[0], bytes) and now >= resume
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending()
        readable, writable, _ = select.select([sock], [sock] if writing else [], [], 0 if pending else 0.2)
        try:
            if readable or pending:
                data = sock.recv(262144)
                last = time.monotonic()
                answers.feed(data, not data)
                if not data:
                    end = "closed"
                    break
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            answers.feed(b"", True)
            end = "closed"
            break
        try:
            if writable:
                steps[0] = steps[0][sock.send(steps[0][:65536]):]
                last = time.monotonic()
                if not steps[0]:
                    steps.pop(0)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            steps = []  # it has closed; its answer is still to be read
        now = time.monotonic()
        done = answers.whole and (answers.raw or not answers.rest) and not steps
        if now - last > (QUIET_S if done and not answers.raw else SILENT_S) or now - start > MOST_S:
            end = "open" if done else "open, nothing more comes"
            answers.feed(b"", True)
    sock.close()
    for answer in answers.whole:
        answer["body"] = side.neutral(answer["body"].decode("latin-1"))
        answer["headers"] = sorted((name, "DATE" if name == "Date" else side.neutral(value)) for name, value in answer["headers"])
    return {"answers": answers.whole, "rest": side.neutral(answers.rest.decode("latin-1")), "end": end}


def compare(left, right):
    """{field: (left, right)}"""
    found = {}

    def note(field, one, other):
        if one != other and field not in found:
            found[field] = (one, other)

    note("count", [answer["status"] for answer in left["answers"]], [answer["status"] for answer in right["answers"]])
    if len(left["answers"]) == len(right["answers"]):
        found.pop("count", None)
    for one, other in zip(left["answers"], right["answers"]):
        note("status", one["status"], other["status"])
        for name in sorted({name for name, _ in one["headers"] + other["headers"]}):
            note(name, [value for key, value in one["headers"] if key == name], [value for key, value in other["headers"] if key == name])
        note("body", one["body"], other["body"])
    note("rest", left["rest"], right["rest"])
    note("end", left["end"], right["end"])
    return found


def short(value):
    text = repr(value)
    return text if len(text) <= 300 else text[:200] + f"... ({len(text)}) ..." + text[-60:]


def read_differences(file):
    entries = []
    with open(file, encoding="utf-8") as stream:
        for line in stream:
            if line.strip() and not line.startswith("#"):
                pattern, fields, reason = line.rstrip("\n").split("\t")
                entries.append({"pattern": pattern, "fields": set(fields.split(",")), "unseen": set(fields.split(",")), "reason": reason})
    return entries


def main():
    rows = read_table(sys.argv[1])
    entries = read_differences(sys.argv[2])
    left, right = Side(sys.argv[3]), Side(sys.argv[4])
    only = sys.argv[5] if len(sys.argv) > 5 else None
    if only:
        rows = [row for row in rows if fnmatch.fnmatchcase(row[0], only)]
    alone = [row for row in rows if row[0].startswith("alone:")]
    rows = [row for row in rows if not row[0].startswith("alone:")]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE * 2) as pool:
        asked = [(name, pool.submit(ask, left, identity, request), pool.submit(ask, right, identity, request)) for name, identity, request in rows]
        answers = [(name, one.result(), other.result()) for name, one, other in asked]
        for name, identity, request in alone:
            one, other = pool.submit(ask, left, identity, request), pool.submit(ask, right, identity, request)
            answers.append((name, one.result(), other.result()))
    if os.environ.get("RAWDIFF_SHOW"):
        for name, one, other in answers:
            print(f"# {name}\n#   {short(one)}\n#   {short(other)}")
    bad, equal, explained = [], 0, 0
    for name, one, other in answers:
        found = compare(one, other)
        mine = [entry for entry in entries if fnmatch.fnmatchcase(name, entry["pattern"])]
        for entry in mine:
            entry["unseen"] -= set(found)
        listed = set().union(*(entry["fields"] for entry in mine)) if mine else set()
        rest = {field: pair for field, pair in found.items() if field not in listed}
        if rest:
            bad.append(f"{name} ({', '.join(rest)})")
            print(f"{name}:")
            for field, pair in rest.items():
                print(f"    {field}\n        stock {short(pair[0])}\n        ours  {short(pair[1])}")
        elif found:
            explained += 1
        else:
            equal += 1
    for entry in entries if not only else []:
        if entry["unseen"]:
            bad.append(f"listed: {entry['pattern']}")
            print(f"listed, but not there any more: {entry['pattern']}: {sorted(entry['unseen'])}")
    print(f"{len(answers)} requests: {equal} answers equal, {explained} differ as listed in {len(entries)} lines, {len(bad)} problems")
    if bad:
        print("; ".join(bad[:20]))
    return 1 if bad or not answers else 0


sys.exit(main())
