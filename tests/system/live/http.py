# SPDX-License-Identifier: Apache-2.0
"""HTTP requests to a daemon in a namespace: sockets stay in the namespace they are made in."""

import contextlib
import http.client
import socket

PORT = 8420


def connect(namespace, address="127.0.0.1", port=PORT, timeout=20):
    """A connected socket."""
    with namespace.entered():
        return socket.create_connection((address, port), timeout=timeout)


def request(namespace, path, method="GET", body=None, headers=None, **where):
    """Status, headers and body of one answer."""
    with connect(namespace, **where) as made:
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        connection.sock = made
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def raw(namespace, data, head_only=False, **where):
    """What comes back for these bytes, until the daemon closes or its answer's head is there."""
    answer = b""
    with connect(namespace, **where) as made, contextlib.suppress(ConnectionError):
        # A daemon that has read enough may close before all was sent.
        made.sendall(data)
        with contextlib.suppress(OSError):
            made.shutdown(socket.SHUT_WR)
        while piece := made.recv(65536):
            answer += piece
            if head_only and b"\r\n\r\n" in answer:
                break
    return answer
