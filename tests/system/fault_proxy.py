# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy on loopback before a real server, whose connections break as they are told."""

import collections
import contextlib
import socket
import socketserver
import struct
import threading
import time

from fault_endpoint import FaultyServer

PIECE = 65536
FAULTS = [
    "reset at once",
    "reset in the request",
    "reset in the answer",
    "lost answer",
    "half closed",
    "garbage answer",
    "huge answer",
    "stall",
    "slow reader",  # the last: its connection lasts
]
STALL_SECONDS = 2


class FaultProxy:
    """Its connections meet the faults of `plan` in turn, then none. A fault falls upon a connection after `begin`
    bytes of the client, so that what comes first (a greeting) passes. `counts`: how often each fault was met."""

    def __init__(self, port, target_port, plan, begin):
        self.target_port, self.plan, self.begin = target_port, collections.deque(plan), begin
        self.counts, self.lock = collections.Counter(), threading.Lock()
        proxy = self

        class Handler(_Handler):
            owner = proxy

        self._server = FaultyServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def take_fault(self):
        with self.lock:
            fault = self.plan.popleft() if self.plan else None
            self.counts[fault] += 1
            return fault

    def close(self):
        """From now on connections are refused."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(socketserver.BaseRequestHandler):
    owner = None

    def handle(self):
        self.fault, self.taken, self.over = None, 0, threading.Event()
        with socket.create_connection(("127.0.0.1", self.owner.target_port)) as self.server:
            answers = threading.Thread(target=self.pass_answers, daemon=True)
            answers.start()
            with contextlib.suppress(OSError):
                self.pass_requests()
            self.over.set()
            with contextlib.suppress(OSError):
                self.server.shutdown(socket.SHUT_RDWR)
            answers.join()
        self.request.close()

    def pass_requests(self):
        while not self.over.is_set() and (piece := self.request.recv(PIECE)):
            self.taken += len(piece)
            if self.fault is None and self.taken > self.owner.begin:
                self.fault = self.owner.take_fault() or "none"
                if not self.strike(piece):
                    return
            if self.fault == "slow reader":
                time.sleep(0.1)
            self.server.sendall(piece)

    def strike(self, piece):
        """The first piece under the fault. False when the connection is over."""
        if self.fault == "reset at once":
            self.reset()
        elif self.fault == "reset in the request":
            self.server.sendall(piece[: len(piece) // 2])
            self.reset()
        elif self.fault == "half closed":
            self.request.shutdown(socket.SHUT_WR)
            while self.request.recv(PIECE):
                pass
        elif self.fault == "garbage answer":
            self.request.sendall(struct.pack(">i", 12) + b"no answer at")
            self.request.recv(PIECE)
        elif self.fault == "huge answer":
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")  # read as a length, more than a GiB
            self.request.recv(PIECE)
        elif self.fault == "stall":
            time.sleep(STALL_SECONDS)
        else:
            return True
        return False

    def pass_answers(self):
        with contextlib.suppress(OSError):
            while piece := self.server.recv(PIECE):
                if self.fault == "lost answer":
                    self.reset()
                    break
                if self.fault == "reset in the answer":
                    self.request.sendall(piece[: len(piece) // 2])
                    self.reset()
                    break
                self.request.sendall(piece)
        self.over.set()

    def reset(self):
        """By handle(), which closes; a thread that waits for the client is woken."""
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.shutdown(socket.SHUT_RD)
