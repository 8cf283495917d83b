# SPDX-License-Identifier: Apache-2.0
"""An HTTP endpoint on loopback that passes requests on to a real one, and misbehaves as it is told."""

import collections
import contextlib
import http.client
import json
import socket
import socketserver
import struct
import threading
import time

_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}


def _error(status, code, message="as the test says"):
    body = json.dumps({"__type": code, "Code": code, "message": message}).encode()
    return status, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-ErrorType", code)], body


# What a fault does with one request. "answer": instead of passing it on. The others are methods of _Handler.
ANSWERS = {
    "500": (500, [], b""),
    "503": _error(503, "ServiceUnavailableException"),
    "502 of a proxy": (502, [("Content-Type", "text/html")], b"<html>Bad gateway</html>"),
    "throttled": _error(400, "ThrottlingException"),
    "slow down": _error(503, "SlowDown"),
    "400 without reason": (400, [], b"no"),
    "access denied": _error(403, "AccessDeniedException"),
    "200 with junk": (200, [("Content-Type", "text/html")], b"<html>Please log in</html>"),
    "200 without anything": (200, [], b""),
    "200 with {}": (200, [], b"{}"),
    "clock": _error(403, "RequestTimeTooSkewed"),
}
BREAKS = ["reset at once", "reset in the request", "half closed", "cut answer", "slow reader", "stall"]
LOSSES = ["lost answer"]  # it was carried out, and nobody hears of it
FAULTS = [*ANSWERS, *BREAKS, *LOSSES]


class FaultEndpoint:
    """Requests meet the faults of `plan` in turn, then none. `counts`: how often each fault was met. `signed`: the
    SHA-256 that the last request to a path said of its body."""

    def __init__(self, target_port, plan):
        self.target_port, self.plan, self.counts = target_port, collections.deque(plan), collections.Counter()
        self.signed = {}
        self.broken = False  # every request is cut off
        self._lock = threading.Lock()
        endpoint = self

        class Handler(_Handler):
            owner = endpoint

        self._server = FaultyServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next_fault(self):
        with self._lock:
            fault = "reset at once" if self.broken else self.plan.popleft() if self.plan else None
            self.counts[fault] += 1
            return fault

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class FaultyServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """Connections that break are what this is about."""


class _Handler(socketserver.StreamRequestHandler):
    owner = None

    def handle(self):
        while self.one_request():
            pass

    def one_request(self):
        line = self.rfile.readline().decode("latin-1").split()
        if len(line) != 3:
            return False
        headers = http.client.parse_headers(self.rfile)
        fault = self.owner.next_fault()
        if fault == "reset at once":
            return self.reset()
        if headers.get("Expect"):
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("Content-Length", 0))
        if fault == "reset in the request":
            self.rfile.read(length // 2)
            return self.reset()
        if fault == "slow reader":
            body = b"".join(self.trickle(length))
        else:
            body = self.rfile.read(length)
        return self.misbehave(fault, line, headers, body)

    def trickle(self, length):
        for _ in range(10):
            yield self.rfile.read(length // 20)
            time.sleep(0.1)
        yield self.rfile.read(length - 10 * (length // 20))

    def misbehave(self, fault, line, headers, body):
        if fault in ANSWERS:
            return self.answer(*ANSWERS[fault])
        if fault == "half closed":
            self.connection.shutdown(socket.SHUT_WR)
            time.sleep(0.2)
            return False
        if fault == "stall":
            with contextlib.suppress(OSError):
                self.connection.settimeout(120)
                self.connection.recv(1)  # until the client has enough
            return False
        answer = self.pass_on(line, headers, body)
        if fault == "lost answer":
            return self.reset()
        if fault == "cut answer":
            return self.cut(*answer)
        return self.answer(*answer)

    def pass_on(self, line, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.owner.target_port, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(line[0], line[1], skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() not in _HOP:
                    connection.putheader(name, value)
            connection.endheaders(body)
            self.owner.signed[line[1]] = headers.get("x-amz-content-sha256")
            answer = connection.getresponse()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in {*_HOP, "content-length"}]
            return answer.status, kept, answer.read()

    def head(self, status, headers, length):
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers)]
        return ("\r\n".join([*lines, f"Content-Length: {length}"]) + "\r\n\r\n").encode("latin-1")

    def answer(self, status, headers, body):
        self.wfile.write(self.head(status, headers, len(body)) + body)
        return True

    def cut(self, status, headers, body):
        """The answer promises more than comes."""
        self.wfile.write(self.head(status, headers, len(body) + 100) + body)
        return False

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        return False
